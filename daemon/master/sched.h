/*
 * sched - what happens to tasks, and when.
 *
 * Owns the table and, of each route, the ready queue, the list of finished
 * tasks, and the count of its jobs.  Every move of a task goes through the
 * store first and becomes true here when the store says OK.
 *
 * A slot is reserved before the store is asked: a task that finds one free
 * is stored as running at once, in one write.
 */
#ifndef DAEMON_MASTER_SCHED_H
#define DAEMON_MASTER_SCHED_H

#include <event2/event.h>
#include <stdbool.h>

#include "daemon/conf.h"
#include "daemon/master/filter.h"
#include "daemon/master/job.h"
#include "daemon/master/stats.h"
#include "daemon/master/task.h"
#include "daemon/store/store.h"

struct sched;

/* What main wants to know; see proc.h for the first three. */
struct sched_events {
	void	(*drain)(bool heir, void *arg);
	void	(*reload)(int conf_fd, unsigned int generation, void *arg);
	void	(*launcher_gone)(void *arg);
	void	(*quiet)(void *arg);	/* draining, and nothing runs any more */
	void	*arg;
};

/* NULL with errno.  Takes launcher_fd; borrows store and conf. */
struct sched *
	sched_new(struct event_base *, struct store *, const struct conf *,
	    int launcher_fd, const struct sched_events *)
	__attribute__((warn_unused_result));

/*
 * Fills the table from the store; once, before the loop starts.  -1 with a
 * message in error[CONF_ERROR_MAX].
 */
int	sched_restore(struct sched *, char *error)
	__attribute__((warn_unused_result));

/*
 * The loop has ended, and store_close() is next: what the store could not
 * commit is asked of it once more.  After that sched_unsaved() names, in the
 * log, the tasks whose end it did not commit, and gives their number: the next
 * start finds them as they were before (contract.md 6, design.md 3).
 */
void	sched_save_rest(struct sched *);
size_t	sched_unsaved(const struct sched *);

/* After store_close(), so that no operation is under way any more. */
void	sched_free(struct sched *);

/* Tells the launcher that the master serves. */
int	sched_ready(struct sched *)
	__attribute__((warn_unused_result));

/* Tells the launcher that the loop turns, and how much there is to do. */
void	sched_alive(struct sched *);

/* New settings.  -1 without memory: the old ones stay. */
int	sched_set_conf(struct sched *, const struct conf *)
	__attribute__((warn_unused_result));

/*
 * From now on: with a durable store nothing is started any more and
 * submissions stay queued; with any other, what is queued is still run but
 * nothing is accepted, since nobody would run it later.
 */
void	sched_drain(struct sched *);
bool	sched_is_quiet(const struct sched *);

/* Something runs, or (not with a durable store) still has to: be it quiet or not. */
bool	sched_is_busy(const struct sched *);

/*
 * Paused: what is submitted is committed and stays queued, what runs goes on,
 * nothing is started until it is resumed.  Only this process knows of it.  A
 * drain ends it where what is queued would otherwise be lost.
 */
void	sched_pause(struct sched *, bool);
bool	sched_is_paused(const struct sched *);
bool	sched_is_draining(const struct sched *);

/*
 * Asks the launcher for what only that can do (proc.h).  Settings that it has
 * reloaded are ours by the time it answers.
 */
struct asking;
int	sched_ask_launcher(struct sched *, struct asking *)
	__attribute__((warn_unused_result));

/* --- what is counted ------------------------------------------------------ */

/* Ours; whoever refuses a request says so there. */
struct stats *
	sched_stats(struct sched *);

/*
 * Collects what is true now, but for `connections`.  -1 without memory; in
 * any case stats_now_fini() is safe.  Borrows from sched: for this turn.
 */
int	sched_stats_now(struct sched *, struct stats_now *)
	__attribute__((warn_unused_result));

/* --- submitting ---------------------------------------------------------- */

enum sched_verdict {
	SCHED_ACCEPTED,		/* committed */
	SCHED_SHARED,		/* an identical request has made the task */
	SCHED_FULL,		/* queue, max-tasks, max-store, max-queued */
	SCHED_MANY,		/* max-per-client */
	SCHED_DRAINING,
	SCHED_NO_ROUTE,		/* it went with a reload meanwhile */
	SCHED_STORE,		/* the store cannot commit */
	SCHED_CLAIMED,		/* its key has a task that was asked for otherwise */
	SCHED_VERDICT_N
};

/* Embedded in the submitter's object. */
struct submission {
	unsigned int	 route;		/* sched_route() */
	enum conf_method method;
	const char	*method_name;	/* borrowed until done() */
	const char	*path;		/* likewise */
	const char	*client;	/* likewise; NULL: nobody in particular */
	const void	*share;		/* likewise: what identical requests have in
					 * common, NULL if they do not share a
					 * task; if they do, they have no body */
	size_t		 share_len;
	const char	*owner;		/* likewise; NULL: nobody */
	const struct store_claim *claim; /* likewise; NULL: none */
	enum sched_verdict limit;	/* ACCEPTED, or why there can be no new task:
					 * then it gets the one of its claim */
	struct message	 request;	/* taken if accepted, and with it ... */
	/* ... the reservation for its body (store_reserve) */
	void		(*done)(struct submission *, enum sched_verdict,
			    const struct task *); /* NULL if refused */

	struct sched	*sched;		/* private from here */
	struct store_op	 op;
	struct job	*job;
	struct task	*task;
	bool		 again;		/* it was taken by a task that has gone */
	struct submission *prev, *next;	/* that wait for the same one */
};

/* The number under which sched knows a route of the current settings. */
unsigned int
	sched_route(const struct sched *, const struct conf_route *);

/* Its settings now, or NULL when it has gone. */
const struct conf_route *
	sched_route_conf(const struct sched *, unsigned int route);

/* Whether a submission to this route has a chance. */
enum sched_verdict
	sched_check(const struct sched *, unsigned int route);

/*
 * The same, of route, client and share: asked before its body is read.  A
 * claim may have its task whatever the limits say; only the body can tell.
 */
enum sched_verdict
	sched_admit(const struct sched *, const struct submission *);

/* done() is called exactly once, perhaps before this returns. */
void	sched_submit(struct sched *, struct submission *);

/* --- the link -------------------------------------------------------------- */

/* NULL: unknown or expired.  Borrowed for this turn. */
const struct task *
	sched_find(const struct sched *, const unsigned char id[TASK_ID_BYTES]);

/* Its attempt under way, for progress; or NULL. */
const struct job *
	sched_job(const struct sched *, const struct task *);

/* Embedded in the reader's object. */
struct reading {
	unsigned char	 id[TASK_ID_BYTES];
	/* task: NULL if it has gone meanwhile; op has verdict and response */
	void		(*done)(struct reading *, const struct task *);
	struct sched	*sched;		/* private from here */
	struct store_op	 op;		/* but the receiver takes from it */
};

/*
 * Loads the response of a finished task.  Until sched_read_end() the task
 * does not expire; after done() with a task, the reader owes that call.
 */
void	sched_read(struct sched *, const struct task *, struct reading *);
void	sched_read_end(struct sched *, const unsigned char id[TASK_ID_BYTES]);

/* Embedded in the object of whoever waits for the end of a task. */
struct waiter {
	bool		 door;		/* holds a worker of the web server */
	/* In a turn of its own; task: as it is now, NULL if it has gone. */
	void		(*done)(struct waiter *, const struct task *);

	unsigned char	 id[TASK_ID_BYTES]; /* private from here */
	struct sched	*sched;
	struct waiting	*of;
	struct event	*timer;
	struct waiter	*prev, *next;	/* of the same task, or due */
	struct waiter	*older, *newer;	/* of all */
};

/*
 * Waits until this unfinished task has ended, for so long at most; done() is
 * called once.  False: it must not wait (max-waiting, draining, no time), or
 * there is no memory for it.
 */
bool	sched_wait(struct sched *, const struct task *, int64_t seconds,
	    struct waiter *)
	__attribute__((warn_unused_result));

/* It waits no longer, and is not called. */
void	sched_wait_end(struct waiter *);

/* The n that have waited longest are called early. */
void	sched_wait_release(struct sched *, size_t n);

/*
 * Nobody is called while may_call() says no; sched_wait_resume() says that
 * it is worth to ask again.
 */
void	sched_wait_gate(struct sched *, bool (*may_call)(void *), void *arg);
void	sched_wait_resume(struct sched *);

/*
 * Embedded in the object of whoever follows a task: hears what it writes to
 * stderr, all of its tries, until it has ended.
 */
struct follower {
	/* The next bytes, at first perhaps none; so many before them are lost. */
	void		(*said)(struct follower *, const void *, size_t len,
			    uint64_t missed);
	/* It has ended, or we are about to; task: as it is now. */
	void		(*done)(struct follower *, const struct task *);

	struct sched	*sched;		/* private from here */
	struct following *of;
	uint32_t	 attempt;
	uint64_t	 at;		/* of this attempt he has so many bytes */
	struct follower	*prev, *next;
};

/*
 * Follows this unfinished task; it begins with what there is so far.  -1
 * without memory; done() is called once, unless sched_follow_end() was.
 */
int	sched_follow(struct sched *, const struct task *, struct follower *)
	__attribute__((warn_unused_result));
void	sched_follow_end(struct follower *);

/*
 * Loads what is said of a task (STORE_LOAD_INFO), whatever its state; nothing
 * is owed afterwards.
 */
void	sched_read_info(struct sched *, const struct task *, struct reading *);

/* Unix time at which a finished task expires, if nobody reads it then. */
int64_t	sched_expires_ms(const struct task *);

/* The name of a task's route, which may be configured no longer. */
const char *
	sched_route_name(const struct sched *, const struct task *);

#define LISTING_PART	64

/* Embedded in the object of whoever wants a list of tasks. */
struct listing {
	const struct filter *filter;	/* borrowed until the end */
	int64_t		 now_ms;	/* Unix time, for their age */
	size_t		 want;		/* tasks in the next part, at most */
	/*
	 * The next n ids, the newest first, which may be gone by the next
	 * turn; n 0: there are no more.  Those of an owner may be among
	 * others (owner.h): the name of each must be looked at.
	 */
	void		(*found)(struct listing *, size_t n);
	unsigned char	 id[LISTING_PART][TASK_ID_BYTES];

	struct sched	*sched;		/* private from here */
	struct listing	*prev, *next;
	struct event	*turn;
	struct task	*at;		/* by the table: what is looked at next */
	bool		 by_table;
	unsigned int	 route;		/* its number */
	uint64_t	 owner;		/* digest */
	size_t		 n;		/* found so far */
	int64_t		 last_ms, last_row; /* by lists: of the last one */
};

/*
 * Lists the committed tasks that pass a filter.  It is walked in steps that
 * are short whatever the table holds; tasks come, go and change meanwhile.
 * sched_list_next() calls found() once, perhaps before it returns.  -1
 * without memory.
 */
int	sched_list_begin(struct sched *, struct listing *)
	__attribute__((warn_unused_result));

/*
 * Whether one of the tasks is there behind which the list is to go on; always
 * so if there are none of these.  When none is left such a list is empty.
 */
bool	sched_list_may_begin(const struct sched *, const struct filter *);

void	sched_list_next(struct listing *);
void	sched_list_end(struct listing *);

enum removal_verdict {
	REMOVAL_DONE,		/* cancelled, or removed */
	REMOVAL_UNKNOWN,	/* no such task */
	REMOVAL_STORE,		/* the store cannot commit */
	REMOVAL_VERDICT_N
};

/* Embedded in the object of whoever wants it. */
struct removal {
	unsigned char	 id[TASK_ID_BYTES];
	bool		 only_cancel;	/* what has ended is left as it is */
	/* task: as it is now; NULL if removed or unknown */
	void		(*done)(struct removal *, enum removal_verdict,
			    const struct task *);
	struct sched	*sched;		/* private from here */
	struct store_op	 op;
};

/*
 * DELETE (contract.md 3): a queued or running task is cancelled, a finished
 * one removed (unless only_cancel), a cancelled one stays so.  done() is
 * called exactly once, perhaps before this returns.
 */
void	sched_remove(struct sched *, struct removal *);

#endif
