/*
 * view_range - how much of a task's own response is sent: all of it, a part,
 * or no more than "you have it" (contract.md 2, last paragraph).
 *
 * For a 200 that brings no validator of its own.  Decides, sends nothing.
 */
#ifndef DAEMON_MASTER_VIEW_RANGE_H
#define DAEMON_MASTER_VIEW_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/request.h"
#include "daemon/master/range.h"
#include "daemon/master/task.h"

#define VIEW_ETAG_TEXT	35	/* two quotes, 32 hex digits and NUL */

/*
 * The entity tag of a task's response (RFC 9110 8.8.3).  Strong and the same
 * for ever, since a response never changes.  It is made of a digest of the
 * id: the id lets its holder see the task, and tags go into logs and caches.
 * Gives out.
 */
char	*view_etag(const struct task *, char out[VIEW_ETAG_TEXT]);

/*
 * The status that conditions and ranges in the request make of a 200 of
 * `size` bytes, in the order of RFC 9110 13.2.2: 200, 206 with the part of
 * it, 304, or 416.
 */
int	view_choose(const struct request *, const char *etag, uint64_t size,
	    struct range *part);

#endif
