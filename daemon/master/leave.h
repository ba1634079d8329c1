/*
 * leave - how the master ends: facts and the time go in, the stage comes out.
 *
 *	SERVING		nobody has asked for an end
 *	DRAINING	all go in and out as ever, but nothing is started
 *	LEAVING		nobody comes in; who is inside gets an answer
 *	HURRIED		who is still asking has had a 503; a last moment
 *	GONE		the loop may end
 *
 * Who is slow is waited for in DRAINING, while nobody has to stand outside for
 * his sake; so that LEAVING, with an heir to come, is short.  But what is
 * queued waits for the heir: from the moment when nothing runs any more
 * DRAINING takes no longer than LEAVE_SLOW_MS, whoever is inside.
 *
 * Pure.  All times are monotonic milliseconds.
 */
#ifndef DAEMON_MASTER_LEAVE_H
#define DAEMON_MASTER_LEAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEAVE_CALM_MS	1000	/* who is inside for longer is slow */
#define LEAVE_SLOW_MS	3000	/* for the slow, when nothing runs */
#define LEAVE_CLOSED_MS	3000	/* for who is inside when the doors close */
#define LEAVE_HURRY_MS	1000

enum leave_stage {
	LEAVE_SERVING,
	LEAVE_DRAINING,
	LEAVE_LEAVING,
	LEAVE_HURRIED,
	LEAVE_GONE
};

struct leave {
	enum leave_stage stage;
	int64_t		 begun_ms;	/* this stage */
	int64_t		 drained_ms;	/* DRAINING: not later */
	int64_t		 quiet_ms;	/* since when nothing runs; -1: it does */
};

struct leave_facts {
	bool		 busy;		/* something runs, or has to yet */
	size_t		 inside;	/* connections */
	int64_t		 oldest_ms;	/* since the first of them came in */
	bool		 empty;		/* LEAVING: nobody is outside either */
};

/* From SERVING to DRAINING. */
void	leave_begin(struct leave *, int64_t now_ms, int64_t drain_ms);

/* At most one stage further: call it again and again.  The stage it is now. */
enum leave_stage
	leave_advance(struct leave *, const struct leave_facts *,
	    int64_t now_ms);

#endif
