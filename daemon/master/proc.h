/*
 * proc - the worker processes and their slots, as the master sees them.
 *
 * Asks the launcher for workers, gives them jobs, and says what became of
 * each job, exactly once.  Knows nothing of tasks, tables and stores.
 *
 * A slot is room for one job in one worker, which has a thread for each of them:
 * free, reserved, busy, or stuck (the thread that took its job did not come back
 * in time; the worker is retired).
 */
#ifndef DAEMON_MASTER_PROC_H
#define DAEMON_MASTER_PROC_H

#include <event2/event.h>
#include <stdbool.h>

#include "ipc/frame.h"
#include "daemon/conf.h"
#include "daemon/master/job.h"
#include "daemon/master/stats.h"

struct proc;

/* How a job came back. */
enum proc_end {
	PROC_DONE,		/* the worker's own word: `frame` */
	PROC_GUILTY,		/* its module crashed the worker: `signo` */
	PROC_NEIGHBOUR,		/* another job crashed the worker */
	PROC_DIED,		/* the worker died, nobody knows of what */
	PROC_OVERDUE,		/* it did not come back in time */
	PROC_NO_ROUTE,		/* its route went while it waited for a slot */
	PROC_DROPPED,		/* cancelled before it left */
	PROC_END_N
};

struct proc_result {
	enum proc_end	 end;
	const struct frame *frame;	/* DONE only; borrowed */
	int		 signo;		/* GUILTY only */
};

struct proc_events {
	/* Gives the job back to its owner; perhaps before proc_run() returns. */
	void	(*ended)(struct job *, const struct proc_result *, void *arg);
	/* A slot may be free. */
	void	(*room)(void *arg);
	/* The route as it is configured now, or NULL when it has gone. */
	const struct conf_route *(*route)(const struct job *, void *arg);
	/* A spool file for a response: 0, or -1 with errno. */
	int	(*spool)(struct job *, void *arg);
	/* It has written to stderr, and is followed: a STDERR frame. */
	void	(*said)(struct job *, const struct frame *, void *arg);
	/*
	 * The launcher asks to finish (heir: others will listen where this
	 * master did), has new settings (owned fd), or has gone.
	 */
	void	(*drain)(bool heir, void *arg);
	void	(*reload)(int conf_fd, unsigned int generation, void *arg);
	void	(*launcher_gone)(void *arg);
	void	*arg;
};

/*
 * Takes launcher_fd.  Borrows conf until proc_set_conf().  Asks for the
 * workers at once.  NULL with errno.
 */
struct proc *
	proc_new(struct event_base *, int launcher_fd, const struct conf *,
	    const struct proc_events *)
	__attribute__((warn_unused_result));
void	proc_free(struct proc *);

/* Tells the launcher that the master serves. */
int	proc_ready(struct proc *)
	__attribute__((warn_unused_result));

/* Tells the launcher that the loop turns, and what it is busy with. */
void	proc_alive(struct proc *, const char *status);

/* New settings: new workers; the old ones finish what they have. */
void	proc_set_conf(struct proc *, const struct conf *);

/*
 * A job for this task with a slot of that pool, or NULL when none is free
 * (or no memory).  The caller owns it until proc_run() or proc_free_job().
 */
struct job *
	proc_reserve(struct proc *, unsigned int pool,
	    const unsigned char id[TASK_ID_BYTES])
	__attribute__((warn_unused_result));

/*
 * Frees a job that proc does not hold, with the slot if it still has one;
 * nulls the caller's pointer.
 */
void	proc_free_job(struct proc *, struct job **);

/*
 * Sends it (attempt, route and request are set).  proc holds the job
 * until ended().  If its worker has died meanwhile it waits for the next
 * free slot.
 */
void	proc_run(struct proc *, struct job *);

/*
 * The task is over (job->over): stop the job.  Its slot is free when the
 * worker says so.
 */
void	proc_cancel(struct proc *, struct job *);

/* The job of this task, or NULL. */
struct job *
	proc_find(const struct proc *, const unsigned char id[TASK_ID_BYTES]);

/* Embedded in the object of whoever asks the launcher for something. */
struct asking {
	enum frame_ask	 what;
	/* The text is there for this call only. */
	void		(*done)(struct asking *, enum frame_told how,
			    const char *text);
	struct asking	*next;		/* private */
};

/*
 * The launcher answers everything in its order, and its end is ours; so
 * done() is called once.  -1: it cannot be asked; done() is not called.
 */
int	proc_ask(struct proc *, struct asking *)
	__attribute__((warn_unused_result));

/*
 * Its stderr is wanted as it comes, or no more; again: once more from the
 * beginning.  Where it runs by now, at least one said() will follow.
 */
void	proc_follow(struct job *, bool on);

/* Jobs that exist, whoever holds them. */
size_t	proc_count(const struct proc *);
void	proc_each(const struct proc *, void (*)(const struct job *, void *arg),
	    void *arg);

/*
 * The workers by what they serve, as they are now: an array of *n that the
 * caller frees, which borrows names from proc.  NULL without memory.
 */
struct stats_pool *
	proc_pools(const struct proc *, size_t *n)
	__attribute__((warn_unused_result));

#endif
