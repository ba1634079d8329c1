/*
 * route - path and method to what is to be done (contract.md 1 to 3).
 *
 * Everything under /status/ is ours, whatever the routes say: a link must
 * never start a task.  What the links answer to is one place,
 * decide_link(); what routes answer to is the other, decide_route().
 */
#include "config.h"

#include <string.h>

#include "daemon/master/operate.h"
#include "daemon/master/route.h"
#include "ipc/nitems.h"

#define BIT(method)	(1u << (method))
#define LINK_PREFIX	"/status/"

/* What stands at a link and beside it: a method that is not here is a 405. */
static const struct at_link {
	const char	*name;		/* what follows the 32 digits */
	enum conf_method method;
	enum route_action action;
	bool		 trusted;	/* for the operator only */
} at_link[] = {
	{ "", METHOD_GET, ROUTE_STATUS, false },
	{ "", METHOD_HEAD, ROUTE_STATUS, false },
	{ "", METHOD_DELETE, ROUTE_REMOVE, false },
	{ "/info", METHOD_GET, ROUTE_INFO, false },
	{ "/info", METHOD_HEAD, ROUTE_INFO, false },
	{ "/cancel", METHOD_POST, ROUTE_CANCEL, false },
	{ "/log", METHOD_GET, ROUTE_LOG, true },
	{ "/log", METHOD_HEAD, ROUTE_LOG, true },
};

/* The digits alone are an id; `rest` is what follows them. */
static bool
parse_id(const char *name, unsigned char id[TASK_ID_BYTES], const char **rest)
{
	size_t digits = TASK_ID_TEXT - 1;
	char text[TASK_ID_TEXT];

	if (strnlen(name, digits) < digits)
		return false;
	memcpy(text, name, digits);
	text[digits] = '\0';
	*rest = name + digits;
	return task_id_parse(text, id);
}

/* `name` is what follows /status/. */
static void
decide_link(const struct request *req, const char *name, bool trusted,
    struct route_to *to)
{
	const char *rest;

	to->action = ROUTE_NO_TASK;
	if (!parse_id(name, to->id, &rest))
		return;
	for (size_t i = 0; i < nitems(at_link); i++) {
		if (strcmp(at_link[i].name, rest) != 0 ||
		    (at_link[i].trusted && !trusted))
			continue;
		to->allow |= BIT(at_link[i].method) | BIT(METHOD_OPTIONS);
		if (at_link[i].method == req->method)
			to->action = at_link[i].action;
	}
	to->is_link = to->allow != 0;
	if (to->is_link && to->action == ROUTE_NO_TASK)
		to->action = req->method == METHOD_OPTIONS ? ROUTE_OPTIONS :
		    ROUTE_NOT_ALLOWED;
}

/* A route that names OPTIONS itself gets it as a task. */
static void
decide_route(const struct request *req, const struct conf *conf,
    struct route_to *to)
{
	const struct conf_route *route = request_route(req, conf);

	if (route == NULL) {
		to->action = ROUTE_NOT_FOUND;
		return;
	}
	to->allow = route->methods | BIT(METHOD_OPTIONS);
	if (route->methods & BIT(req->method)) {
		to->action = ROUTE_SUBMIT;
		to->route = route;
	} else if (req->method == METHOD_OPTIONS) {
		to->action = ROUTE_OPTIONS;
	} else {
		to->action = ROUTE_NOT_ALLOWED;
	}
}

void
route_decide(const struct request *req, const struct conf *conf,
    bool trusted, struct route_to *to)
{
	size_t len = strlen(LINK_PREFIX);

	*to = (struct route_to){ 0 };
	if (strncmp(req->path, LINK_PREFIX, len) == 0)
		decide_link(req, req->path + len, trusted, to);
	else if (trusted && !operate_is_submission(req))
		to->action = ROUTE_NOT_FOUND;
	else
		decide_route(req, conf, to);
}
