/*
 * route - path and method to what is to be done (contract.md 1 to 3).
 *
 * Pure: decides, does nothing.
 */
#ifndef DAEMON_MASTER_ROUTE_H
#define DAEMON_MASTER_ROUTE_H

#include <stdbool.h>

#include "daemon/request.h"
#include "daemon/master/task.h"

enum route_action {
	ROUTE_SUBMIT,		/* to->route */
	ROUTE_STATUS,		/* GET, HEAD on a link: to->id */
	ROUTE_REMOVE,		/* DELETE on a link */
	ROUTE_INFO,		/* GET, HEAD on <link>/info */
	ROUTE_CANCEL,		/* POST on <link>/cancel */
	ROUTE_LOG,		/* GET, HEAD on <link>/log: the operator's */
	ROUTE_OPTIONS,		/* 204 + to->allow */
	ROUTE_NOT_FOUND,	/* no route matches */
	ROUTE_NO_TASK,		/* a link that cannot be one */
	ROUTE_NOT_ALLOWED,	/* 405 + to->allow */
	ROUTE_ACTION_N
};

struct route_to {
	enum route_action action;
	const struct conf_route *route;	/* SUBMIT; borrowed from the settings */
	bool		 is_link;	/* a link, and id could be a task's: whatever the
					 * action, 404 comes first if there is none */
	unsigned char	 id[TASK_ID_BYTES]; /* if is_link */
	unsigned int	 allow;		/* mask for Allow */
};

/* `trusted`: the operator asks, who sees more at a link, and submits only what
 * says so (operate.h). */
void	route_decide(const struct request *, const struct conf *,
	    bool trusted, struct route_to *);

#endif
