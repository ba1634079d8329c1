/*
 * job - one attempt at a task, from the reservation of a slot to the commit
 * of its end.
 *
 * Everything it will need is allocated with it, so that what was promised
 * cannot fail later for lack of memory.  It is in exactly one place: held by
 * sched (loading, committing), or by proc (waiting for a slot, at a worker).
 */
#ifndef DAEMON_MASTER_JOB_H
#define DAEMON_MASTER_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "ipc/slate.h"
#include "daemon/store/store.h"

#define JOB_MESSAGE_MAX	128	/* bytes, NUL included */

struct proc_slot;

struct job {
	unsigned char	 id[TASK_ID_BYTES];
	uint32_t	 attempt;
	unsigned int	 route;		/* sched's index */
	bool		 again;		/* it failed, and gets another try */
	bool		 over;		/* the task has ended without waiting for it */

	/* sched */
	struct message	 request;	/* owned, until RUN has left */
	struct store_op	 op;
	struct blob	*log;		/* keeps op.outcome's texts */
	void		*arg;		/* sched */

	/* proc */
	UT_hash_handle	 hh;		/* by id */
	bool		 held;		/* from proc_run() until ended() */
	bool		 followed;	/* its stderr is wanted as it comes */
	struct job	*prev, *next;	/* waiting for a slot */
	struct proc_slot *slot;		/* reserved or running there; or NULL */
	struct body	 spool;		/* its response, if it was large */
	int		 percent;	/* -1: it has told no progress */
	char		 message[JOB_MESSAGE_MAX]; /* with it; UTF-8 not yet checked */
};

#endif
