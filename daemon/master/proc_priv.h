/*
 * proc_priv - what the files of proc share, and nobody else sees.
 */
#ifndef DAEMON_MASTER_PROC_PRIV_H
#define DAEMON_MASTER_PROC_PRIV_H

#include "daemon/master/proc.h"
#include "daemon/master/wire.h"

/*
 * An exec task's time is kept by its worker.  If that says nothing for so
 * much longer, the worker itself is in trouble.
 */
#define EXEC_MARGIN_S	10

/* A worker whose socket has ended is dead, or has so long to be it. */
#define SOCKET_END_S	2

enum slot_state { SLOT_FREE, SLOT_RESERVED, SLOT_BUSY, SLOT_STUCK };

/*
 * STARTING --HELLO--> READY --> RETIRING; any --DIED--> parked, and freed
 * when the turn ends.
 */
enum worker_state { WORKER_STARTING, WORKER_READY, WORKER_RETIRING };

struct proc_slot {
	struct worker	*worker;
	unsigned int	 index;
	enum slot_state	 state;
	struct job	*job;		/* RESERVED, BUSY */
	struct event	*timer;
	bool		 warned;	/* CANCEL was sent; next time the time is up */
	unsigned char	 id[TASK_ID_BYTES]; /* STUCK: with whose job */
	uint32_t	 attempt;
};

/*
 * What a worker serves.  It outlives settings and workers, so that restarts
 * are counted over the life of the master.
 */
struct code {
	struct code	*next;
	char		*module;	/* NULL: executables */
	uint64_t	 restarts;
};

struct worker {
	struct worker	*prev, *next;
	struct proc	*proc;
	uint32_t	 number;
	enum worker_state state;
	unsigned int	 pool;		/* in the settings of `generation` */
	unsigned int	 generation;
	struct code	*code;
	bool		 is_module;
	struct wire	 wire;
	struct wire	 jobs;		/* RUN only */
	struct slate	 slate;
	struct proc_slot *slots;
	unsigned int	 nslots, nfree, nstuck;
	int64_t		 grace_s;	/* nstuck > 0: for its other jobs */
	struct event	*kill_timer;	/* RETIRING, stuck */
};

struct proc {
	struct event_base *base;
	const struct conf *conf;
	struct proc_events events;
	struct wire	 launcher;
	struct worker	*workers;	/* utlist */
	struct worker	*dead;		/* parked until the turn ends */
	struct event	*bury;
	struct code	*codes;		/* utlist */
	uint32_t	 last_number;
	struct job	*jobs;		/* uthash by id: all that proc holds */
	struct job	*waiting;	/* utlist: their worker died before RUN */
	struct asking	*asking;	/* utlist: not yet answered, oldest first */
};

/* --- proc.c, proc_launcher.c -------------------------------------------------- */

/* Closes the descriptors of a frame that nobody wanted. */
void	proc_close_fds(const struct frame *, const int *fds);

/* A slot may be free: for who waits here, then for who waits outside. */
void	proc_make_room(struct proc *);

/* Gives the job back to its owner. */
void	proc_job_end(struct proc *, struct job *, const struct proc_result *);

void	proc_on_launcher_frame(struct wire *, const struct frame *,
	    const int *fds);
void	proc_on_launcher_end(struct wire *);

/* Frees the workers that died in this turn of the loop. */
void	proc_on_bury(evutil_socket_t, short, void *);

/* --- proc_stats.c --------------------------------------------------------------- */

/* What the workers of this pool serve; NULL without memory. */
struct code *
	proc_code(struct proc *, const struct conf_pool *);
void	proc_free_codes(struct proc *);

/* --- slot.c ----------------------------------------------------------------------- */

/* A free slot of the least busy worker of a pool, or NULL. */
struct proc_slot *
	slot_choose(struct proc *, unsigned int pool);
void	slot_reserve(struct proc_slot *, struct job *);
void	slot_free(struct proc_slot *);

/* CANCEL, FOLLOW or SPOOL for the job that it has. */
struct frame
	slot_frame(const struct proc_slot *, enum frame_kind);

/* Calls slot_on_timer() so much later. */
void	slot_arm(struct proc_slot *, int64_t seconds);
void	slot_on_timer(evutil_socket_t, short, void *);

/* Retires a worker of this pool that has stuck threads, if it is time to. */
void	slot_retire_stuck(struct proc *, unsigned int pool);

/* Tells the worker to stop the job, and arms the time after which it must. */
void	slot_warn(struct proc_slot *, int64_t seconds);

/* --- worker.c --------------------------------------------------------------------- */

/* Asks the launcher for a worker of this pool. */
void	worker_spawn(struct proc *, unsigned int pool);

/* The same, in the place of this one, which is lost. */
void	worker_replace(const struct worker *);
struct worker *
	worker_find(struct proc *, uint32_t number);
void	worker_free(struct worker *);

/* Whether it has the current settings. */
bool	worker_is_current(const struct worker *);

/* It gets no more jobs, and exits when it has none. */
void	worker_retire(struct worker *);

/* It gets no more jobs either. */
void	worker_kill(struct worker *, const char *why);
void	worker_kill_later(struct worker *, int64_t seconds);

/* A retired one of which only threads that do not return are left. */
void	worker_kill_when_idle(struct worker *);

void	worker_tell(struct worker *, const struct frame *);
void	worker_on_frame(struct wire *, const struct frame *, const int *fds);
void	worker_on_end(struct wire *);
void	worker_on_jobs_frame(struct wire *, const struct frame *,
	    const int *fds);

#endif
