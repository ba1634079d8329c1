/*
 * pool - the threads of a worker, one job each.
 *
 * Threads that are free wait at the jobs socket: the kernel wakes one of them
 * for a RUN, and when its job is done it tells the master by itself.  The
 * master sends no more jobs than there are threads, so none waits for long;
 * when it ends the socket, the threads finish what they have, and end.
 *
 * The main thread calls the functions below.  What the master says of a job on
 * the other socket may come before a thread has the job: it is kept with the
 * slot, which is the master's word for room for one job at a time.
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
	struct slate_slot *slate;	/* borrowed: this thread's */
	unsigned char	*packet;	/* owned, FRAME_MAX bytes */
	int		 bell;		/* eventfd; see job.h */
	int		 ear;		/* the thread's own number of it */
	sem_t		 hung;		/* the bell is there; later: to end */
};

struct pool_slot {
	unsigned char	 id[TASK_ID_BYTES];
	uint32_t	 attempt;	/* 0: it had no job yet */
	bool		 cancelled, followed;	/* said of that job so far */
	struct job	*job;		/* NULL: no thread has it yet, or any more */
};

struct pool {
	struct job_world world;
	const struct module *module;	/* borrowed; NULL: programs */
	struct pool_thread *threads;
	unsigned int	 nthreads;
	int		 jobs_fd;	/* borrowed */
	sem_t		 parted;	/* one for each, at the start */
	size_t		 stack_bytes;
	atomic_uint	 left;		/* threads that have not ended */
	int		 news_fd;	/* eventfd: look again at what follows */

	pthread_mutex_t	 lock;		/* of what follows */
	struct pool_slot *slots;	/* as many as threads */
	bool		 feeds;		/* some are followed */
};

/* Starts one thread for each slot of the slate.  0, or -1 with errno. */
int	pool_init(struct pool *, int jobs_fd, const struct job_world *,
	    const struct slate *, const struct module *)
	__attribute__((warn_unused_result));

/* After pool_is_over(). */
void	pool_fini(struct pool *);

/*
 * Frames from the master; fd (-1: none) is taken.  They may come too early or
 * too late, which is normal.
 */
void	pool_cancel(struct pool *, const struct frame *);
void	pool_spool(struct pool *, const struct frame *, int fd);
void	pool_follow(struct pool *, const struct frame *);

/*
 * Sends what the jobs that are followed have written to stderr.  True if
 * there are such: call again after POOL_FEED_MS.
 */
#define POOL_FEED_MS	100
bool	pool_feed(struct pool *);

/* Not one program outlives its worker; any thread. */
void	pool_die(const struct pool *, int status)
	__attribute__((noreturn));

/*
 * When news_fd is readable: whether all threads have ended, since no more jobs
 * come and the last one is answered.
 */
bool	pool_is_over(struct pool *);

#endif
