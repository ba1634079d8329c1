/*
 * route - path and method to what is to be done (contract.md 1 to 3).
 *
 * Everything under /status/ is ours, whatever the routes say: a link must
 * never start a task.  What the links answer to is one place,
 * decide_link(); what routes answer to is the other, decide_route().
 */
#include "config.h"

#include <string.h>

#include "daemon/master/route.h"

#define BIT(method)	(1u << (method))
#define LINK_PREFIX	"/status/"
#define LINK_METHODS	(BIT(METHOD_GET) | BIT(METHOD_HEAD) | \
			 BIT(METHOD_DELETE) | BIT(METHOD_OPTIONS))

/*
 * The task itself; `name` is what follows /status/.  What stands beside a
 * task ("<id>/info", "<id>/cancel") would be told apart here, by what
 * follows the 32 digits; today it is no task like any other name.
 */
static void
decide_link(const struct request *req, const char *name, struct route_to *to)
{
	if (!task_id_parse(name, to->id)) {
		to->action = ROUTE_NO_TASK;
		return;
	}
	to->is_link = true;
	to->allow = LINK_METHODS;
	switch (req->method) {
	case METHOD_GET:
	case METHOD_HEAD:
		to->action = ROUTE_STATUS;
		break;
	case METHOD_DELETE:
		to->action = ROUTE_REMOVE;
		break;
	case METHOD_OPTIONS:
		to->action = ROUTE_OPTIONS;
		break;
	default:
		to->action = ROUTE_NOT_ALLOWED;
		break;
	}
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
    struct route_to *to)
{
	size_t len = strlen(LINK_PREFIX);

	*to = (struct route_to){ 0 };
	if (strncmp(req->path, LINK_PREFIX, len) == 0)
		decide_link(req, req->path + len, to);
	else
		decide_route(req, conf, to);
}
