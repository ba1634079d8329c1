/*
 * stats - what the master has counted since its start.
 *
 * Plain numbers, owned by the loop's thread: an event is an addition or two,
 * and nothing is allocated.  What is true of this very moment is not counted
 * here but collected when somebody asks (struct stats_now): in a time that
 * grows with the routes and the workers, never with the tasks.
 *
 * A route is configured, so there are few, and no client can make one.  One
 * that went with a reload keeps what was counted of it, under its name.
 */
#ifndef DAEMON_MASTER_STATS_H
#define DAEMON_MASTER_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/master/hist.h"
#include "daemon/master/problem.h"
#include "daemon/master/task.h"
#include "daemon/store/store.h"

#define STATS_MINUTES	60

/* Of one route, or of all of them. */
struct stats_tasks {
	uint64_t	 accepted;
	uint64_t	 started;	/* attempts */
	uint64_t	 ended[TASK_STATE_N]; /* tasks; finished states only */
	uint64_t	 requeued;	/* attempts that were not the last ... */
	uint64_t	 retried;	/* ... of these, because they had failed */
	struct hist	 waiting;	/* from queued to running: hist_task_ms */
	struct hist	 running;	/* from running to whatever followed */
};

/* Attempts that were not the last because their worker, or we, had died. */
static inline uint64_t
stats_interrupted(const struct stats_tasks *t)
{
	return t->requeued - t->retried;
}

struct stats_minute {
	int64_t		 minute;	/* Unix time / 60 s */
	uint32_t	 accepted;
	uint32_t	 ended[TASK_STATE_N];
	uint32_t	 started;	/* as many have waited_ms, ... */
	uint32_t	 left;		/* ... and as many ran_ms */
	uint64_t	 waited_ms;	/* sums */
	uint64_t	 ran_ms;
};

struct stats {
	int64_t		 started_ms;	/* Unix time */
	int64_t		 start_ms;	/* the same moment, monotonic time */
	struct stats_tasks tasks;	/* all routes */
	uint64_t	 refused[PROBLEM_N];
	struct stats_minute minutes[STATS_MINUTES]; /* stats_minute() */
};

void	stats_init(struct stats *);

/* --- events; `route` is that of its route -------------------------------- */

void	stats_accepted(struct stats *, struct stats_tasks *route);

/* A task has moved on after so long in the state that it leaves. */
void	stats_moved(struct stats *, struct stats_tasks *route,
	    enum task_state from, enum task_state to, int64_t after_ms);

/* The move back into the queue was a retry, no interruption. */
void	stats_retried(struct stats *, struct stats_tasks *route);

void	stats_refused(struct stats *, enum problem);

/*
 * The minute that was `ago` minutes before the current one, below
 * STATS_MINUTES; NULL if nothing happened in it.
 */
const struct stats_minute *
	stats_minute(const struct stats *, int64_t now_ms, unsigned int ago);

/* --- this moment ------------------------------------------------------------ */

struct stats_route {
	const char	*name;
	bool		 configured;	/* still */
	int64_t		 max_running;	/* 0: only the slots limit it */
	const uint64_t	*kept;		/* tasks by state, [TASK_STATE_N] */
	const struct stats_tasks *tasks;
};

/* Workers that serve the same code, whatever their settings. */
struct stats_pool {
	const char	*module;	/* NULL: executables */
	size_t		 workers;
	size_t		 slots, busy, stuck; /* the others are free */
	uint64_t	 restarts;	/* workers that had to be replaced */
};

struct stats_now {
	const struct stats *stats;
	int64_t		 now_ms;	/* Unix time */
	int64_t		 uptime_ms;
	bool		 paused, draining;
	unsigned int	 generation;	/* of the settings */
	struct store_stats store;
	uint64_t	 kept[TASK_STATE_N]; /* tasks, by state */
	int64_t		 oldest_queued_ms; /* so long has it waited; -1: none */
	uint64_t	 queue;		/* may wait at most */
	uint64_t	 connections;
	uint64_t	 waiting;	/* clients that wait for a task, */
	uint64_t	 waiting_doors;	/* of these through a door */
	int64_t		 memory_bytes;	/* resident; -1: unknown, and so on */
	int64_t		 descriptors, max_descriptors;
	struct stats_route *routes;	/* owned */
	size_t		 nroutes;
	struct stats_pool *pools;	/* owned */
	size_t		 npools;
};

/* Frees what sched_stats_now() has put there. */
void	stats_now_fini(struct stats_now *);

#endif
