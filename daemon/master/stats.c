#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/master/clock.h"
#include "daemon/master/stats.h"

#define MINUTE_MS	60000

void
stats_init(struct stats *s)
{
	memset(s, 0, sizeof(*s));
	s->started_ms = clock_wall_ms();
	s->start_ms = clock_mono_ms();
}

/*
 * By the clock at the event itself: a commit that was tried again for an
 * hour must not wipe a minute of today.  After the clock was set, the minutes
 * that it passes again begin anew.
 */
static struct stats_minute *
current_minute(struct stats *s)
{
	int64_t minute = clock_wall_ms() / MINUTE_MS;
	struct stats_minute *m = &s->minutes[minute % STATS_MINUTES];

	if (m->minute != minute)
		*m = (struct stats_minute){ .minute = minute };
	return m;
}

const struct stats_minute *
stats_minute(const struct stats *s, int64_t now_ms, unsigned int ago)
{
	int64_t minute = now_ms / MINUTE_MS - ago;
	const struct stats_minute *m = &s->minutes[minute % STATS_MINUTES];

	return m->minute == minute ? m : NULL;
}

void
stats_accepted(struct stats *s, struct stats_tasks *route)
{
	s->tasks.accepted++;
	route->accepted++;
	current_minute(s)->accepted++;
}

static void
started(struct stats_tasks *t, uint64_t waited_ms)
{
	t->started++;
	hist_add(&t->waiting, &hist_task_ms, waited_ms);
}

static void
left_running(struct stats_tasks *t, uint64_t ran_ms)
{
	hist_add(&t->running, &hist_task_ms, ran_ms);
}

static void
arrived(struct stats_tasks *t, enum task_state to)
{
	if (to == TASK_QUEUED)
		t->requeued++;
	else if (task_finished(to))
		t->ended[to]++;
}

void
stats_moved(struct stats *s, struct stats_tasks *route, enum task_state from,
    enum task_state to, int64_t after_ms)
{
	/* a clock that was set back makes no time go backwards */
	uint64_t ms = after_ms > 0 ? (uint64_t)after_ms : 0;
	struct stats_minute *m = current_minute(s);

	if (to == TASK_RUNNING) {
		started(&s->tasks, ms);
		started(route, ms);
		m->started++;
		m->waited_ms += ms;
	}
	if (from == TASK_RUNNING) {
		left_running(&s->tasks, ms);
		left_running(route, ms);
		m->left++;
		m->ran_ms += ms;
	}
	arrived(&s->tasks, to);
	arrived(route, to);
	if (task_finished(to))
		m->ended[to]++;
}

void
stats_retried(struct stats *s, struct stats_tasks *route)
{
	s->tasks.retried++;
	route->retried++;
}

void
stats_refused(struct stats *s, enum problem problem)
{
	s->refused[problem]++;
}

void
stats_now_fini(struct stats_now *now)
{
	free(now->routes);
	free(now->pools);
	*now = (struct stats_now){ 0 };
}
