/*
 * pool - the threads of a worker, one job each.
 *
 * The master names the thread for every job, and knows which are free: there
 * is no queue here, only a mailbox for one job per thread.  The main thread
 * calls the functions below; a thread, when its job is done, tells the
 * master by itself.
 */
#ifndef DAEMON_WORKER_POOL_H
#define DAEMON_WORKER_POOL_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "ipc/frame.h"
#include "ipc/slate.h"
#include "daemon/worker/job.h"
#include "daemon/worker/module.h"

struct pool_thread {
	struct pool	*pool;
	pthread_t	 id;
	void		*stack;		/* mapped */
	struct slate_slot *slot;	/* borrowed from the slate */
	int		 bell;		/* eventfd; see job.h */
	int		 ear;		/* the thread's own number of it */

	sem_t		 given;		/* the bell, then jobs, then none */
	pthread_mutex_t	 lock;		/* of what follows */
	struct job	*job;		/* to do, or being done */
};

struct pool {
	struct job_world world;
	const struct module *module;	/* borrowed; NULL: programs */
	struct pool_thread *threads;
	unsigned int	 nthreads;
	sem_t		 parted;	/* one for each, at the start */
	size_t		 stack_bytes;
	atomic_uint	 busy;		/* jobs not yet answered */
	atomic_bool	 retiring;
	bool		 feeds;		/* the main thread's: some are followed */
	int		 idle_fd;	/* eventfd: retiring, and nothing is left */
};

/* Starts one thread for each slot.  0, or -1 with errno. */
int	pool_init(struct pool *, const struct job_world *,
	    const struct slate *, const struct module *)
	__attribute__((warn_unused_result));

/* Ends the threads; no job may be left. */
void	pool_fini(struct pool *);

/*
 * Frames from the master; fd (-1: none) is taken.  pool_run() gives -1 when
 * the frame names a thread that is not there or not free: then the two no
 * longer agree on anything.  Without memory the task fails, saying so.  The
 * others may come too late, which is normal.
 */
int	pool_run(struct pool *, const struct frame *, int fd)
	__attribute__((warn_unused_result));
void	pool_cancel(struct pool *, const struct frame *);
void	pool_spool(struct pool *, const struct frame *, int fd);
void	pool_follow(struct pool *, const struct frame *);

/*
 * Sends what the jobs that are followed have written to stderr.  True if
 * there are such: call again after POOL_FEED_MS.
 */
#define POOL_FEED_MS	100
bool	pool_feed(struct pool *);

/* No more jobs come.  idle_fd becomes readable when the last is answered. */
void	pool_retire(struct pool *);

#endif
