/*
 * outlet - an answer, from memory or a spool file to a stream.
 *
 * The head and a small body leave in one write.  A file is copied by a thread,
 * a few chunks at a time: fifty large downloads must not stand between two
 * short answers of the loop.
 */
#ifndef DAEMON_MASTER_OUTLET_H
#define DAEMON_MASTER_OUTLET_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/master/stream.h"
#include "daemon/master/view.h"
#include "daemon/store/work.h"

/* How far a few writes have led. */
enum outlet_step { OUTLET_AGAIN, OUTLET_WAIT, OUTLET_SENT, OUTLET_FAILED };

struct outlet {
	/* settings, from the caller before outlet_start() */
	struct event_base *base;
	struct work_pool *io;
	const struct stream *out;	/* borrowed */
	struct answer	*answer;	/* borrowed */
	const char	*words;		/* a whole answer in its place, for which */
					/* no memory is needed; NULL: none */
	int64_t		 deadline_s;	/* without any progress */
	/* false: the other side has gone, was too slow, or the file failed */
	void		(*done)(struct outlet *, bool sent);
	void		*arg;

	/* private */
	unsigned char	*chunk;		/* of a file; NULL until needed */
	const unsigned char *data;	/* not yet written */
	size_t		 len;
	uint64_t	 body_left;	/* bytes of the file not yet in chunk */
	struct event	*writable;
	bool		 late;		/* nothing has left since the deadline */
	struct work	 step;		/* a thread's turn */
	enum outlet_step stopped;	/* where it left off */
};

/* All empty, so that outlet_fini() is safe. */
void	outlet_init(struct outlet *);

/*
 * Begins; done() is called exactly once, perhaps before this returns.  -1
 * without memory, but never with `words`: nothing was sent, and done() is
 * not called.
 */
int	outlet_start(struct outlet *)
	__attribute__((warn_unused_result));

/* Not while a thread works for it. */
void	outlet_fini(struct outlet *);

#endif
