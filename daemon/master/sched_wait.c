/*
 * sched_wait - who waits for the end of a task (RFC 7240 4.3, long polls).
 *
 * One who waits costs a timer and a few words here.  He is in a hash by the
 * task's id, beside the table, so that tasks nobody waits for pay nothing,
 * and in a list of all who wait, the oldest first.  When his task ends, or
 * his time is up or his place is needed, he moves to a third list, the due
 * ones; they are called in turns of their own, never from inside what ended
 * the task, and as fast as there are descriptors for their responses.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define HASH_NONFATAL_OOM 1
#include "daemon/master/sched_priv.h"
#include "daemon/master/table.h"

#define CALLS_PER_TURN	64	/* then the loop has its turn */

/* Those who wait for one task. */
struct waiting {
	UT_hash_handle	 hh;
	unsigned char	 id[TASK_ID_BYTES];
	struct waiter	*waiters;	/* utlist, the oldest first */
};

/* Neither his task nor the clock calls him from here on. */
static void
stop_waiting(struct waiter *w)
{
	struct sched *s = w->sched;
	struct waiting *of = w->of;

	DL_DELETE(of->waiters, w);
	DL_DELETE2(s->waiters, w, older, newer);
	w->of = NULL;
	event_free(w->timer);
	w->timer = NULL;
	if (of->waiters == NULL) {
		HASH_DEL(s->waiting, of);
		free(of);
	}
}

/* He is none any more. */
static void
leave(struct waiter *w)
{
	struct sched *s = w->sched;

	s->nwaiting--;
	s->ndoors -= w->door;
	w->sched = NULL;
}

static void
call(struct waiter *w)
{
	struct sched *s = w->sched;

	leave(w);
	w->done(w, table_find(&s->table, w->id));
}

static void
wake_soon(struct sched *s)
{
	struct timeval now = { 0 };

	(void)evtimer_add(s->wake, &now);
}

static bool
may_call(const struct sched *s)
{
	return s->may_call == NULL || s->may_call(s->may_call_arg);
}

static void
make_due(struct waiter *w)
{
	struct sched *s = w->sched;

	stop_waiting(w);
	DL_APPEND(s->to_call, w);
	wake_soon(s);
}

void
sched_on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct sched *s = arg;
	int calls = 0;

	(void)fd, (void)what;
	while (s->to_call != NULL && may_call(s)) {
		struct waiter *w = s->to_call;

		if (calls++ == CALLS_PER_TURN) {
			wake_soon(s);
			return;
		}
		DL_DELETE(s->to_call, w);
		call(w);
	}
}

static void
on_time_up(evutil_socket_t fd, short what, void *arg)
{
	struct waiter *w = arg;

	(void)fd, (void)what;
	make_due(w);
}

/* Those of this task, or a new entry; NULL without memory. */
static struct waiting *
waiting_for(struct sched *s, const unsigned char id[TASK_ID_BYTES])
{
	struct waiting *of;

	HASH_FIND(hh, s->waiting, id, TASK_ID_BYTES, of);
	if (of != NULL || (of = calloc(1, sizeof(*of))) == NULL)
		return of;
	memcpy(of->id, id, TASK_ID_BYTES);
	HASH_ADD(hh, s->waiting, id, TASK_ID_BYTES, of);
	if (of->hh.tbl == NULL) {
		free(of);
		return NULL;
	}
	return of;
}

static bool
may_wait(const struct sched *s, const struct waiter *w, int64_t seconds)
{
	return seconds > 0 && !s->draining &&
	    (!w->door || s->ndoors < (size_t)s->conf->max_waiting);
}

bool
sched_wait(struct sched *s, const struct task *t, int64_t seconds,
    struct waiter *w)
{
	struct timeval tv = { .tv_sec = (time_t)seconds };

	assert(!task_finished((enum task_state)t->state));
	if (!may_wait(s, w, seconds))
		return false;
	memcpy(w->id, t->id, TASK_ID_BYTES);
	w->timer = evtimer_new(s->base, on_time_up, w);
	if (w->timer == NULL || evtimer_add(w->timer, &tv) == -1 ||
	    (w->of = waiting_for(s, t->id)) == NULL) {
		if (w->timer != NULL)
			event_free(w->timer);
		return false;
	}
	w->sched = s;
	DL_APPEND(w->of->waiters, w);
	DL_APPEND2(s->waiters, w, older, newer);
	s->nwaiting++;
	s->ndoors += w->door;
	return true;
}

void
sched_wait_end(struct waiter *w)
{
	struct sched *s = w->sched;

	if (w->of != NULL)
		stop_waiting(w);
	else
		DL_DELETE(s->to_call, w);
	leave(w);
}

void
sched_wait_release(struct sched *s, size_t n)
{
	while (n-- > 0 && s->waiters != NULL)
		make_due(s->waiters);
}

void
sched_wait_gate(struct sched *s, bool (*may)(void *), void *arg)
{
	s->may_call = may;
	s->may_call_arg = arg;
}

void
sched_wait_resume(struct sched *s)
{
	if (s->to_call != NULL)
		wake_soon(s);
}

void
sched_wake(struct sched *s, const struct task *t)
{
	struct waiting *of;
	struct waiter *w, *tmp;

	if (s->waiting == NULL)
		return;
	HASH_FIND(hh, s->waiting, t->id, TASK_ID_BYTES, of);
	if (of != NULL)
		DL_FOREACH_SAFE(of->waiters, w, tmp)
			make_due(w);
}
