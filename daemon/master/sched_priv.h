/*
 * sched_priv - what the files of sched share, and nobody else sees.
 */
#ifndef DAEMON_MASTER_SCHED_PRIV_H
#define DAEMON_MASTER_SCHED_PRIV_H

#include "daemon/master/proc.h"
#include "daemon/master/sched.h"
#include "daemon/master/stats.h"
#include "daemon/master/table.h"

/* What sched keeps of a route; it outlives a reload while it has tasks. */
struct sched_route {
	char		*name;		/* owned */
	const struct conf_route *conf;	/* NULL: no longer configured */
	struct task	*ready;		/* utlist, the oldest first */
	struct task	*finished;	/* utlist, the first to expire first */
	size_t		 nqueued;	/* tasks in that state, or on their way to it */
	size_t		 narriving;	/* of these, not yet committed */
	int64_t		 njobs;		/* slots it has */
	uint64_t	 kept[TASK_STATE_N]; /* committed tasks, by state */
	struct stats_tasks counts;
};

struct sched {
	struct event_base *base;
	struct store	*store;
	struct proc	*proc;
	const struct conf *conf;
	struct sched_events events;
	struct table	 table;
	struct sched_route *routes;
	size_t		 nroutes;
	unsigned int	*by_conf;	/* index in conf->routes to ours */
	bool		*pool_full;	/* scratch of dispatch() */
	size_t		 nqueued;	/* sum over the routes */
	size_t		 nops;		/* operations that the store has */
	struct job	*saving;	/* utlist: ends that the store has */
	struct job	*unsaved;	/* utlist: those it could not commit */
	struct change	*changes;	/* utlist: moves that sched_change() made */
	struct event	*expire, *retry, *quiet, *later;
	time_t		 retry_s;	/* how long `retry` waits the next time */
	struct task	*delayed;	/* utlist: queued, the next to try first */
	struct leaving	*leaving;	/* utlist: rows of expired tasks */
	struct waiting	*waiting;	/* uthash, by task: who waits for it */
	struct waiter	*waiters;	/* utlist: all of them, oldest first */
	struct following *following;	/* uthash, by task: who follows it */
	struct waiter	*to_call;	/* utlist: to be called */
	struct event	*wake;		/* calls them */
	struct listing	*listings;	/* utlist: that walk over the table */
	bool		(*may_call)(void *); /* whether that is possible now */
	void		*may_call_arg;
	size_t		 nwaiting;	/* waiters, also those to be called */
	size_t		 ndoors;	/* of these, who came through a door */
	struct shared	*shared;	/* uthash: requests to be shared */
	struct shared	*shared_by_id;	/* the same, by task */
	struct client	*clients;	/* uthash, by name */
	struct counted	*counted;	/* uthash, by task: whose it is */
	struct stats	 stats;
	bool		 draining;
	bool		 paused;
};

/* --- sched.c: states, lists, and asking the store ---------------------------- */

/* n more (or, negative, fewer) tasks of this route are queued. */
void	sched_count_queued(struct sched *, struct sched_route *, int n);

/* Takes it from whichever list it is in; puts it into its route's ready queue. */
void	sched_unlist(struct sched *, struct task *);
void	sched_list_ready(struct sched *, struct task *, bool first);

/* The store has said OK to this MOVE: what it did becomes true here. */
void	sched_move(struct sched *, struct task *, const struct store_op *);

/* It goes from the table: freed, and the caller's pointer nulled. */
void	sched_forget(struct sched *, struct task **);

/* How long a finished task of this route stays. */
int64_t	sched_keep_ms(const struct sched *, const struct sched_route *);

/* Fills a MOVE from where the task is; submits any operation. */
void	sched_set_move(struct store_op *, const struct task *,
	    enum task_state to, uint32_t attempt);
void	sched_ask(struct sched *, struct store_op *,
	    void (*done)(struct store_op *), void *arg);

/* Every done() calls this first: one operation less is under way. */
void	sched_answered(struct sched *, const struct store_op *);

/* The store could not do it: nothing has changed, and it can be asked again. */
static inline bool
sched_unable(const struct store_op *op)
{
	return op->verdict == STORE_FAILED || op->verdict == STORE_FULL;
}

/* Tells main soon, when draining, that nothing runs any more. */
void	sched_check_quiet(struct sched *);

/*
 * The store could not help: it is asked again in a second; then in two, in
 * four, ... while it commits nothing.
 */
void	sched_retry_later(struct sched *);

/* --- sched_run.c: slots, and starting what is queued ------------------------ */

bool	sched_has_room(const struct sched_route *);

/* Whether anything is started at all. */
bool	sched_may_start(const struct sched *);

/* A job with a slot for a task of this route, or NULL. */
struct job *
	sched_job_reserve(struct sched *, unsigned int route,
	    const unsigned char *id);

/* The end of a job: whatever it still owns goes with it. */
void	sched_job_drop(struct sched *, struct job *);

/* Starts queued tasks as long as there are slots. */
void	sched_dispatch(struct sched *);

/* What the store could not do is asked of it once more. */
void	sched_retry(struct sched *);

/* for proc.h's struct proc_events */
void	sched_on_room(void *);
int	sched_on_spool(struct job *, void *);
const struct conf_route *
	sched_on_route(const struct job *, void *);

/* The rerun rule, design.md 3; `charged`: the attempt counts against it. */
bool	sched_may_rerun(const struct sched *, const struct task *,
	    bool charged);

/* --- sched_end.c: how a job ends ---------------------------------------------- */

/* Commits the end that job->op describes, again and again if need be. */
void	sched_save_end(struct sched *, struct job *);
void	sched_retry_ends(struct sched *);
void	sched_on_ended(struct job *, const struct proc_result *, void *);

/* --- sched_log.c: a line for each thing that happens to a task ---------------- */

void	sched_log_accepted(const struct submission *, const struct task *);
void	sched_log_started(const struct task *, unsigned int attempt,
	    int64_t now_ms);

void	sched_log_removed(const struct task *);

/* We leave, and the store has not committed this MOVE of a task. */
void	sched_log_unsaved(const unsigned char id[TASK_ID_BYTES],
	    const struct store_op *);

/* Before the move: the task still is what it was. */
void	sched_log_move(const struct sched *, const struct task *,
	    const struct store_op *);

/* --- sched_again.c: another try for what failed ------------------------------ */

bool	sched_is_idempotent(const struct task *);

/* Whether one that has failed now is queued again. */
bool	sched_may_try_again(const struct sched *, const struct task *);

/* It has failed and is ready again, but not at once. */
void	sched_try_again(struct sched *, struct task *);

/* A ready task waits for its retry-delay, if there is one. */
void	sched_delay(struct sched *, struct task *);
void	sched_on_later(evutil_socket_t, short, void *);

/* Other settings: as if they had been these when its tasks began to wait. */
void	sched_redelay(struct sched *, unsigned int route,
	    const struct conf_route *old);

/* --- sched_change.c: moves that no job brings about --------------------------- */

/* Commits a move, again and again if need be.  -1 without memory. */
int	sched_change(struct sched *, const struct task *, enum task_state to,
	    const char *reason)
	__attribute__((warn_unused_result));
void	sched_retry_changes(struct sched *);
size_t	sched_unsaved_changes(const struct sched *);
void	sched_free_changes(struct sched *);

/* --- sched_expire.c ---------------------------------------------------------- */

/* From this moment the id is unknown. */
void	sched_expire(struct sched *, struct task *);

/* Waits for the next task to expire; after every change of who that is. */
void	sched_arm_expire(struct sched *);
void	sched_on_expire(evutil_socket_t, short, void *);

/* Those that the store could not forget yet. */
void	sched_retry_leaving(struct sched *);

/* After store_close(): those that it did not call back for. */
void	sched_free_leaving(struct sched *);

/* --- sched_list.c ------------------------------------------------------------ */

/* It leaves the table: no walk stops there. */
void	sched_list_pass(struct sched *, const struct task *);

/* --- sched_wait.c ------------------------------------------------------------ */

/* It has ended: who waits for it is called soon. */
void	sched_wake(struct sched *, const struct task *);
void	sched_on_wake(evutil_socket_t, short, void *);

/* --- sched_follow.c ---------------------------------------------------------- */

/* It has ended. */
void	sched_unfollow(struct sched *, const struct task *);

/* What does not run will not begin to, since we end. */
void	sched_unfollow_queued(struct sched *);
bool	sched_is_followed(const struct sched *,
	    const unsigned char id[TASK_ID_BYTES]);

/* A DONE has come, with the log: for those who have heard nothing of this try. */
void	sched_follow_done(struct sched *, const struct job *,
	    const struct frame *);

/* for proc.h's struct proc_events */
void	sched_on_said(struct job *, const struct frame *, void *);

/* --- sched_share.c ----------------------------------------------------------- */

/* Whether an identical request is under way. */
bool	sched_shares(const struct sched *, const struct submission *);

/* If so, this one gets its task, when that is committed. */
bool	sched_share_join(struct sched *, struct submission *)
	__attribute__((warn_unused_result));

/* If not, the next ones will get this one's.  -1 without memory. */
int	sched_share_lead(struct sched *, const struct submission *,
	    const unsigned char id[TASK_ID_BYTES])
	__attribute__((warn_unused_result));

/* What became of the first one; task: NULL if it was refused. */
void	sched_share_settle(struct sched *,
	    const unsigned char id[TASK_ID_BYTES], enum sched_verdict,
	    const struct task *);
void	sched_unshare(struct sched *, const unsigned char id[TASK_ID_BYTES]);
void	sched_free_shared(struct sched *);

/* --- sched_client.c ---------------------------------------------------------- */

bool	sched_client_full(const struct sched *, const struct submission *);

/* One more (of NULL: nobody's), one less.  -1 without memory. */
int	sched_client_add(struct sched *, unsigned int route, const char *name,
	    const unsigned char id[TASK_ID_BYTES])
	__attribute__((warn_unused_result));
void	sched_client_remove(struct sched *,
	    const unsigned char id[TASK_ID_BYTES]);
void	sched_free_clients(struct sched *);

/* --- sched_conf.c ------------------------------------------------------------- */

/* Binds the routes to these settings.  -1 without memory: nothing changed. */
int	sched_take_conf(struct sched *, const struct conf *)
	__attribute__((warn_unused_result));

/* Our number for a route, configured or not; -1 without memory. */
int	sched_route_by_name(struct sched *, const char *name)
	__attribute__((warn_unused_result));

/* What waits for a route that is no longer configured fails, saying so. */
void	sched_fail_orphans(struct sched *);

#endif
