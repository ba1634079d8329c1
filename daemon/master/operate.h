/*
 * operate - what the control socket knows beside tasks and their links.
 *
 *	GET	/				leads to /tasks
 *	GET	/tasks /stats /metrics /ping	looking
 *	POST	/pause /resume			accept, but do not start
 *	POST	/reload /drain /restart		what the launcher does
 *	POST	/check				is the store sound
 *
 * All of that, and <link>/log, is the operator's: who connects to the control
 * socket is the daemon's own user, root, or one of `control-peers`.  On the
 * data socket these paths are a route's, if any.  On the control socket there
 * are no routes, lest a mistyped address becomes a task, but for a request
 * with the variable DEFERD_SUBMIT=1 (deferctl submit sends it; no header of an
 * HTTP request can become that variable).
 *
 * The other way round, a request with the variable DEFERD_OPERATOR=1 is meant
 * for the control socket, and refused where it is not: all that deferctl sends
 * has it, lest /drain becomes a task because somebody named the wrong socket.
 *
 * A web server may have the control socket mounted behind a password.  Then a
 * page of any other site could make the operator's browser, which sends that
 * password along, post to it.  So requests that change something and come
 * from a page of somebody else are refused (operate_is_foreign()).
 *
 * What an operator must know of them:
 *
 * - Paused, all that is submitted is accepted, committed and answered with a
 *   202, and waits; what runs goes on; `queue` and the other limits hold.
 *   Nobody has to remember a pause but this master: after /restart, a crash or
 *   a boot, tasks are started.  A drain with the memory store ends it, since
 *   what is queued would be lost.
 * - /reload answers when master and workers have the new settings, and names
 *   those that differ from what the master was started with and need a
 *   restart.  A bad file changes nothing (422, with file and line).
 * - /drain and /restart answer when they have begun.
 * - /check reads all that is kept, on a thread of its own: minutes for a large
 *   store, in which the log of the database cannot be written back.  "sound" is
 *   null when it could not be looked at.  Of several, one runs at a time.
 * - /tasks is no snapshot: tasks come, go and change while it is made.
 *
 * Pure: decides, does nothing (conn_operate.c does).
 */
#ifndef DAEMON_MASTER_OPERATE_H
#define DAEMON_MASTER_OPERATE_H

#include <stdbool.h>

#include "daemon/request.h"

enum operate_action {
	OPERATE_NOTHING,	/* the path is none of these: see route.h */
	OPERATE_HOME,		/* leads to the tasks */
	OPERATE_TASKS,
	OPERATE_STATS,
	OPERATE_METRICS,
	OPERATE_PING,
	OPERATE_PAUSE,
	OPERATE_RESUME,
	OPERATE_RELOAD,
	OPERATE_DRAIN,
	OPERATE_RESTART,
	OPERATE_CHECK,
	OPERATE_OPTIONS,	/* 204 + allow */
	OPERATE_NOT_ALLOWED,	/* 405 + allow */
	OPERATE_ACTION_N
};

/* Of a request on the control socket; *allow: a mask of methods, or 0. */
enum operate_action
	operate_decide(const struct request *, unsigned int *allow);

/* Whether it may become a task on the control socket: DEFERD_SUBMIT. */
bool	operate_is_submission(const struct request *);

/* Whether it must have come over the control socket: DEFERD_OPERATOR. */
bool	operate_is_meant(const struct request *);

/*
 * Whether a browser says that a page of another site has made this request,
 * and it is one that may change something: Sec-Fetch-Site (W3C Fetch Metadata)
 * is neither same-origin nor none; or, from a browser that does not know it,
 * Origin (RFC 6454 7) is not of the host that was asked.  What is no browser
 * sends neither.
 */
bool	operate_is_foreign(const struct request *);

#endif
