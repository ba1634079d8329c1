/*
 * intake - a request's body, from a stream to a struct body.
 *
 * Up to `inline` it becomes bytes; beyond, a spool file, and memory holds no
 * more of it than one read.  Space is reserved before it is used; but a body
 * that is only to be compared with another's may stay in memory without.  The
 * end is CONTENT_LENGTH, or EOF when there is none (chunked, behind a door).
 */
#ifndef DAEMON_MASTER_INTAKE_H
#define DAEMON_MASTER_INTAKE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/buf.h"
#include "daemon/master/stream.h"
#include "daemon/store/body.h"
#include "daemon/store/store.h"
#include "daemon/store/work.h"

enum intake_verdict {
	INTAKE_DONE,
	INTAKE_SHORT,		/* it ended early, or its sender has gone */
	INTAKE_LARGE,		/* over max_bytes */
	INTAKE_FULL,		/* max-store is reached */
	INTAKE_LATE,		/* no byte within the deadline */
	INTAKE_FAILED,		/* spool file or memory; said in the log */
	INTAKE_VERDICT_N
};

struct intake {
	/* settings, from the caller before intake_start() */
	struct event_base *base;
	struct store	*store;
	struct work_pool *io;
	const struct stream *in;	/* borrowed */
	int64_t		 expected_bytes; /* or SCGI_LENGTH_UNKNOWN */
	int64_t		 max_bytes;
	int64_t		 inline_bytes;
	bool		 small_anyway;	/* up to inline_bytes it needs no room */
	int64_t		 deadline_s;	/* without any progress */
	void		(*done)(struct intake *, enum intake_verdict);
	void		*arg;

	/* result: the caller takes the body, and with it the reservation */
	struct body	 body;
	uint64_t	 reserved_bytes;
	uint64_t	 got_bytes;	/* that came, also of what was refused */

	/* private */
	struct buf	 small;		/* what came, while it fits inline */
	struct event	*readable;
	struct work	 copy;		/* the thread's way, for files */
	enum intake_verdict copy_verdict;
};

/* All empty, so that intake_fini() is safe. */
void	intake_init(struct intake *);

/*
 * Begins; `first` are bytes of the body that came with the head.  done() is
 * called exactly once, perhaps before this returns.
 */
void	intake_start(struct intake *, const void *first, size_t len);

/* Whether all of the body has its place in max-store. */
bool	intake_has_room(const struct intake *);

/*
 * Releases whatever the caller has not taken.  Not while a thread copies.
 * Who has closed the store sets `store` to NULL before.
 */
void	intake_fini(struct intake *);

/* Whether a thread is copying, so that intake_fini() has to wait for done(). */
bool	intake_busy(const struct intake *);

#endif
