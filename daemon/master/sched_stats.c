/*
 * sched_stats - this moment, for who asks: /stats and /metrics.
 *
 * Nothing here walks the table; a million tasks cost as much as none.
 */
#include "config.h"

#include <stdlib.h>

#include "daemon/master/clock.h"
#include "daemon/master/proc.h"
#include "daemon/master/sched_priv.h"
#include "daemon/master/usage.h"

#define LOOKS_MAX	64	/* at tasks that are to run again */

struct stats *
sched_stats(struct sched *s)
{
	return &s->stats;
}

/*
 * Unix time since which the oldest of a route's ready tasks has waited.  In
 * front stand those that run again, which may have come a moment ago; behind
 * them the first to come is the first.  If there are very many of the
 * former, the oldest of some must do.
 */
static int64_t
oldest_of(const struct sched_route *r, int64_t oldest_ms)
{
	const struct task *t = r->ready;

	for (int i = 0; t != NULL && i < LOOKS_MAX; i++, t = t->next) {
		if (t->changed_ms < oldest_ms)
			oldest_ms = t->changed_ms;
		if (t->attempt == 0)
			break;
	}
	return oldest_ms;
}

/* So long has it waited; -1 if the queue is empty. */
static int64_t
oldest_queued_ms(const struct sched *s, int64_t now_ms)
{
	int64_t oldest_ms = INT64_MAX;

	for (size_t i = 0; i < s->nroutes; i++)
		oldest_ms = oldest_of(&s->routes[i], oldest_ms);
	if (oldest_ms == INT64_MAX)
		return -1;
	return oldest_ms < now_ms ? now_ms - oldest_ms : 0;
}

static void
add_route(struct stats_now *now, const struct sched_route *r)
{
	now->routes[now->nroutes++] = (struct stats_route){
		.name = r->name,
		.configured = r->conf != NULL,
		.max_running = r->conf != NULL ?
		    r->conf->limits.max_running : 0,
		.kept = r->kept,
		.tasks = &r->counts,
	};
	for (int state = 0; state < TASK_STATE_N; state++)
		now->kept[state] += r->kept[state];
}

static void
look_at_process(struct stats_now *now)
{
	now->memory_bytes = usage_memory_bytes();
	now->descriptors = usage_descriptors();
	now->max_descriptors = usage_max_descriptors();
}

int
sched_stats_now(struct sched *s, struct stats_now *now)
{
	*now = (struct stats_now){
		.stats = &s->stats,
		.now_ms = clock_wall_ms(),
		.uptime_ms = clock_mono_ms() - s->stats.start_ms,
		.paused = s->paused,
		.draining = s->draining,
		.generation = s->conf->generation,
		.queue = (uint64_t)s->conf->queue,
		.waiting = s->nwaiting,
		.waiting_doors = s->ndoors,
	};
	now->oldest_queued_ms = oldest_queued_ms(s, now->now_ms);
	now->routes = calloc(s->nroutes + 1, sizeof(*now->routes));
	now->pools = proc_pools(s->proc, &now->npools);
	if (now->routes == NULL || now->pools == NULL)
		return -1;
	for (size_t i = 0; i < s->nroutes; i++)
		add_route(now, &s->routes[i]);
	store_stats(s->store, &now->store);
	look_at_process(now);
	return 0;
}
