/*
 * job - one attempt at one task, from its RUN frame to its DONE frame.
 *
 * Made from a frame by a thread of the pool, and freed by it.  What exec and
 * module have in common lives here: the request, its environment, the response
 * in the making, stderr, progress, and the answer to the master.  They differ
 * only in how user code is run.
 *
 * While it runs the main thread reaches it for two things only, `cancelled`
 * and the spool descriptor, and rings `bell`, an eventfd that the thread
 * listens to as `ear`; and it reads the tail of stderr for those who follow
 * it, so that a master that is slow to hear of that never stops the task.
 */
#ifndef DAEMON_WORKER_JOB_H
#define DAEMON_WORKER_JOB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/frame.h"
#include "ipc/slate.h"
#include "daemon/conf.h"
#include "daemon/request.h"
#include "daemon/worker/env.h"
#include "daemon/worker/fdtable.h"
#include "daemon/worker/progress.h"
#include "daemon/worker/response.h"
#include "daemon/worker/rlimit.h"
#include "daemon/worker/tail.h"

#define JOB_ID_TEXT	(2 * TASK_ID_BYTES + 1)

/* What a job of this worker needs to know; the same for all. */
struct job_world {
	const struct conf *conf;
	unsigned int	 pool;		/* index in conf->pools */
	int		 peer;		/* the master; blocking */
	struct rlimit_all limits;	/* this process's, as they should be */
	int		 null_fd;	/* /dev/null, to be read */
	struct fdtable	 fds;
};

struct job {
	/* written once, when it is made */
	const struct job_world *world;	/* borrowed */
	unsigned char	 id[TASK_ID_BYTES];
	char		 id_text[JOB_ID_TEXT];
	uint32_t	 attempt;
	struct frame_bytes route_name, head;	/* borrowed: of the RUN */
	struct frame_bytes body;	/* the same; when body_fd is -1 */
	int		 body_fd;	/* owned, or -1 */
	uint64_t	 body_size;

	/* both threads': what it says on stderr, and who hears it */
	pthread_mutex_t	 tail_lock;
	struct tail	 tail;

	/* the pool's lock's, while it runs */
	bool		 followed;	/* the master wants stderr as it comes */
	uint64_t	 err_at;	/* and has so much of it */
	int		 bell;		/* borrowed; the main thread's number */
	atomic_bool	 cancelled;
	atomic_bool	 spool_came;	/* the next two may be read */
	int		 spool_fd;	/* the main thread's; see job_hear() */
	int		 spool_error;

	/* the thread's */
	int		 ear;		/* borrowed from the thread: its bell */
	struct slate_slot *slate;	/* borrowed from the thread */
	const struct conf_route *route;
	struct request	 req;
	bool		 has_req;
	struct env	 env;
	struct response	 response;
	struct progress	 progress;

	/* how it ended; job_fail() and friends */
	enum frame_outcome outcome;
	int		 wait_status;	/* -1: no process */
	uint64_t	 cpu_us;
	uint64_t	 max_rss_kib;
	char		 reason[RESPONSE_REASON_MAX];
};

/*
 * From a RUN frame, whose bytes it borrows; takes fd (-1: none) whatever
 * happens.  NULL: ENOMEM.
 */
struct job *
	job_new(const struct job_world *, const struct frame *, int fd)
	__attribute__((warn_unused_result));
void	job_free(struct job *);

/*
 * Finds the route, reads the request, builds the environment.  False when
 * that fails: the outcome is set.
 */
bool	job_prepare(struct job *)
	__attribute__((warn_unused_result));

/* The outcome, with words a user can pass on. */
void	job_end(struct job *, enum frame_outcome, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * All output is there: ends the response and decides success by it.  For a
 * job whose code ended well.
 */
void	job_end_by_response(struct job *);

/*
 * Frames to the master, which wait until it takes them.  A worker that cannot
 * send is done for: it exits.
 */
void	job_send(const struct job_world *, const struct frame *);
void	job_send_hello(const struct job_world *, unsigned int slots);
void	job_send_need_spool(struct job *);
void	job_send_done(struct job *);

/* The DONE of a RUN that no job could be made of. */
void	job_send_refusal(const struct job_world *, const struct frame *run,
	    const char *reason);

/*
 * Before what runs here is killed: no thread sends any more.  A program that
 * ends by our own hand has not failed; the master learns of the worker's death
 * instead, and reads the slate.
 */
void	job_mute(void);

/* Tells of progress, if there is something to tell and it is time. */
void	job_send_progress(struct job *, int64_t now_ms);

/* The thread: the task has written this to stderr. */
void	job_said(struct job *, const void *, size_t len);

/*
 * With the pool's lock: FOLLOW arrived; it begins with all that is kept.  Then
 * what came since the last time, if the master takes it now; else what is kept
 * of it later.
 */
void	job_follow(struct job *, bool on);
void	job_send_stderr(struct job *);

/* The thread, before job_send_done(): the rest of it. */
void	job_send_last_stderr(struct job *);

/*
 * The main thread, with the pool's lock: CANCEL and SPOOL arrived.  job_spool
 * takes fd.
 */
void	job_cancel(struct job *);
void	job_spool(struct job *, int fd, int error);

/* The thread: silences the bell; hands a spool file that came to response. */
void	job_hear(struct job *);

/* Monotonic. */
int64_t	job_now_ms(void);

#endif
