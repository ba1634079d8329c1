#include "config.h"

#include <string.h>
#include <strings.h>

#include "daemon/master/operate.h"
#include "ipc/nitems.h"

#define BIT(method)	(1u << (method))
#define LOOKING		(BIT(METHOD_GET) | BIT(METHOD_HEAD))
#define HARMLESS	(LOOKING | BIT(METHOD_OPTIONS) | BIT(METHOD_TRACE))

static const struct resource {
	const char	*path;
	unsigned int	 methods;
	enum operate_action action;
} resources[] = {
	{ "", LOOKING, OPERATE_HOME },
	{ "/", LOOKING, OPERATE_HOME },
	{ "/tasks", LOOKING, OPERATE_TASKS },
	{ "/stats", LOOKING, OPERATE_STATS },
	{ "/metrics", LOOKING, OPERATE_METRICS },
	{ "/ping", LOOKING, OPERATE_PING },
	{ "/pause", BIT(METHOD_POST), OPERATE_PAUSE },
	{ "/resume", BIT(METHOD_POST), OPERATE_RESUME },
	{ "/reload", BIT(METHOD_POST), OPERATE_RELOAD },
	{ "/drain", BIT(METHOD_POST), OPERATE_DRAIN },
	{ "/restart", BIT(METHOD_POST), OPERATE_RESTART },
	{ "/check", BIT(METHOD_POST), OPERATE_CHECK },
};

static const struct resource *
find(const char *path)
{
	for (size_t i = 0; i < nitems(resources); i++)
		if (strcmp(resources[i].path, path) == 0)
			return &resources[i];
	return NULL;
}

static bool
is(const struct request *req, const char *variable, const char *value)
{
	const char *is = scgi_find(&req->scgi, variable);

	return is != NULL && strcmp(is, value) == 0;
}

bool
operate_is_submission(const struct request *req)
{
	return is(req, "DEFERD_SUBMIT", "1");
}

enum operate_action
operate_decide(const struct request *req, unsigned int *allow)
{
	const struct resource *r = find(req->path);

	*allow = 0;
	if (r == NULL || operate_is_submission(req))
		return OPERATE_NOTHING;
	*allow = r->methods | BIT(METHOD_OPTIONS);
	if (r->methods & BIT(req->method))
		return r->action;
	return req->method == METHOD_OPTIONS ? OPERATE_OPTIONS :
	    OPERATE_NOT_ALLOWED;
}

bool
operate_is_meant(const struct request *req)
{
	return is(req, "DEFERD_OPERATOR", "1");
}

/* "https://host:port" is of "host:port"; "null" is of nobody. */
static bool
is_of_host(const char *origin, const char *host)
{
	const char *authority = strstr(origin, "://");

	return host != NULL && authority != NULL &&
	    strcasecmp(authority + strlen("://"), host) == 0;
}

bool
operate_is_foreign(const struct request *req)
{
	const char *origin = scgi_find(&req->scgi, "HTTP_ORIGIN");

	if (HARMLESS & BIT(req->method))
		return false;
	if (scgi_find(&req->scgi, "HTTP_SEC_FETCH_SITE") != NULL)
		return !is(req, "HTTP_SEC_FETCH_SITE", "same-origin") &&
		    !is(req, "HTTP_SEC_FETCH_SITE", "none");
	return origin != NULL &&
	    !is_of_host(origin, scgi_find(&req->scgi, "HTTP_HOST"));
}
