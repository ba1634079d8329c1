/*
 * sched_again - another try for what failed (retry, retry-delay).
 *
 * Only for requests that may be made twice (RFC 9110 9.2.2), and not for what
 * somebody cancelled.  Between two tries the task is queued, and its link says
 * so: it waits in a list of its own until its time has come, and then stands
 * in front of all that were never started.  Any start counts as a try, also
 * one that an interruption ended.
 *
 * The time is not kept: after a restart the delay begins anew.
 */
#include "config.h"

#include <string.h>
#include <utlist.h>

#include "daemon/master/clock.h"
#include "daemon/master/sched_priv.h"

#define DELAY_MAX_S	3600	/* where doubling ends */
#define DUE_PER_TURN	256	/* then the loop has its turn */

/* RFC 9110 9.2.2 */
bool
sched_is_idempotent(const struct task *t)
{
	enum conf_method m = (enum conf_method)t->method;

	return m != METHOD_POST && m != METHOD_PATCH && m != METHOD_OTHER;
}

bool
sched_may_try_again(const struct sched *s, const struct task *t)
{
	const struct conf_route *r = s->routes[t->route].conf;

	return r != NULL && t->attempt <= r->limits.retry &&
	    sched_is_idempotent(t);
}

static int64_t
delay_ms(const struct conf_route *r, unsigned int attempt)
{
	int64_t s = r->limits.retry > 0 ? r->limits.retry_delay_s : 0;

	while (attempt-- > 1 && s < DELAY_MAX_S)
		s *= 2;
	return 1000 * (s < DELAY_MAX_S ? s : DELAY_MAX_S);
}

static void
arm(struct sched *s)
{
	struct timeval tv;
	int64_t ms;

	if (s->delayed == NULL) {
		(void)evtimer_del(s->later);
		return;
	}
	ms = s->delayed->ends_ms - clock_mono_ms();
	if (ms < 0)
		ms = 0;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	(void)evtimer_add(s->later, &tv);
}

/* Most often it goes to the end, so the way there is the short one. */
static void
list_delayed(struct sched *s, struct task *t)
{
	struct task *before = s->delayed != NULL ? s->delayed->prev : NULL;

	while (before != NULL && before->ends_ms > t->ends_ms)
		before = before != s->delayed ? before->prev : NULL;
	DL_APPEND_ELEM(s->delayed, before, t);	/* NULL: at the front */
	t->listed = true;
}

void
sched_delay(struct sched *s, struct task *t)
{
	const struct conf_route *r = s->routes[t->route].conf;

	if (r == NULL || delay_ms(r, t->attempt) == 0)
		return;
	sched_unlist(s, t);
	t->ends_ms = clock_mono_ms() + delay_ms(r, t->attempt);
	list_delayed(s, t);
	arm(s);
}

static int
by_end(const struct task *a, const struct task *b)
{
	return (a->ends_ms > b->ends_ms) - (a->ends_ms < b->ends_ms);
}

void
sched_redelay(struct sched *s, unsigned int route, const struct conf_route *old)
{
	const struct conf_route *new = s->routes[route].conf;
	struct task *t;

	if (old == NULL || new == NULL)
		return;
	DL_FOREACH(s->delayed, t)
		if (t->route == route)
			t->ends_ms += delay_ms(new, t->attempt) -
			    delay_ms(old, t->attempt);
	DL_SORT(s->delayed, by_end);
	arm(s);
}

void
sched_try_again(struct sched *s, struct task *t)
{
	stats_retried(&s->stats, &s->routes[t->route].counts);
	sched_delay(s, t);
}

void
sched_on_later(evutil_socket_t fd, short what, void *arg)
{
	struct sched *s = arg;
	int64_t now_ms = clock_mono_ms();
	struct task *t;

	(void)fd, (void)what;
	for (int i = 0; i < DUE_PER_TURN; i++) {
		if ((t = s->delayed) == NULL || t->ends_ms > now_ms)
			break;
		sched_unlist(s, t);
		sched_list_ready(s, t, true);
	}
	arm(s);
	sched_dispatch(s);
}
