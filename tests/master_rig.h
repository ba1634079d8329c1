/*
 * master_rig - a test that is launcher and worker to the master's proc.
 *
 * It holds the other ends of the sockets: reads SPAWN and answers SPAWNED
 * with two sockets and a slate, sends HELLO, reads RUN, answers what the test
 * wants.  All of it on the loop of the code under test, in one thread: what
 * was sent is there at once, so a few turns of the loop settle everything,
 * and "nothing more comes" can be proved without waiting.
 */
#ifndef TESTS_MASTER_RIG_H
#define TESTS_MASTER_RIG_H

#include <check.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/frame.h"
#include "ipc/slate.h"
#include "daemon/conf.h"
#include "daemon/master/clock.h"

#define RIG_WORKERS	64	/* in one test, dead ones too */
#define RIG_DEADLINE_MS	50000	/* nothing takes so long, under valgrind either */

/* Pools, and the first routes of them. */
enum { POOL_EXEC, POOL_MODULE, POOL_N };
enum { ROUTE_EXEC, ROUTE_MODULE, ROUTE_OTHER, ROUTE_N };

/* Settings that own nothing: a test changes what it likes. */
struct rig_conf {
	struct conf	 c;
	struct conf_pool pools[POOL_N];
	struct conf_route routes[ROUTE_N];
};

struct rig_worker {
	uint32_t	 number, pool, generation;
	int		 fd;		/* our end; -1: none yet, or dead */
	int		 jobs;		/* the same, of where RUN comes */
	struct slate	 slate;		/* mapped to write */
	struct frame	 f;		/* the last one it got */
	unsigned char	*packet;	/* what that borrows */
	int		 got_fd;	/* came with it, or -1 */
};

struct rig {
	struct event_base *base;
	struct event	*tick;		/* so that no turn waits for long */
	struct rig_conf	 conf;
	char		 spool[64];
	int		 master;	/* for proc_new() or sched_new() */
	int		 launcher;	/* our end */
	struct frame	 f;		/* the last one the launcher got */
	unsigned char	*packet;
	struct rig_worker worker[RIG_WORKERS];
	unsigned int	 nworkers;
	unsigned int	 slots;		/* what a worker says it has */
};

void	rig_init(struct rig *);
void	rig_fini(struct rig *);

/* Both pools, three routes, 1 worker each, generous limits. */
void	rig_conf_init(struct rig_conf *, unsigned int generation);

void	rig_turn(struct rig *);
void	rig_settle(struct rig *);

/* Turns the loop until it is so, or fails. */
#define RIG_UNTIL(r, cond) do {						\
	int64_t until_ = clock_mono_ms() + RIG_DEADLINE_MS;		\
	while (!(cond)) {						\
		ck_assert_msg(clock_mono_ms() < until_, "never: %s", #cond); \
		rig_turn(r);						\
	}								\
} while (0)

void	rig_send(int to, const struct frame *, const int *fds);
void	rig_send_kind(int to, enum frame_kind);
void	rig_send_garbage(int to);

/* The store that rig.conf names, and a scheduler whose events nobody wants. */
struct store;
struct sched;
void	rig_sched(struct rig *, struct store **, struct sched **);

/* The next frame must be this one. */
struct frame *
	rig_launcher(struct rig *, enum frame_kind);
struct frame *
	rig_next(struct rig *, struct rig_worker *, enum frame_kind);

/* It gets no more jobs. */
void	rig_retired(struct rig *, struct rig_worker *);

/* Nobody gets a frame. */
void	rig_silent(struct rig *);

/* SPAWN; SPAWNED; HELLO; and all three. */
struct rig_worker *
	rig_spawn(struct rig *);
void	rig_spawned(struct rig *, struct rig_worker *);
void	rig_hello(struct rig *, struct rig_worker *);
struct rig_worker *
	rig_worker(struct rig *);

/* What a worker says of the job of a RUN, which the rig has received. */
void	rig_done(struct rig_worker *, const struct frame *run,
	    enum frame_outcome);
void	rig_progress(struct rig_worker *, const struct frame *run,
	    unsigned int percent, const char *message);
void	rig_need_spool(struct rig_worker *, const struct frame *run);
void	rig_crashed(struct rig_worker *, const struct frame *run, int signo);

/* Closes its sockets, if they are open, and reports its death. */
void	rig_died(struct rig *, struct rig_worker *, int status);

#endif
