/*
 * sched_expire - finished tasks go when their time is over, to the second.
 *
 * Each route has its list in order, so the next to go is the first of one of
 * them: the cost of a task does not grow with the table.
 */
#include "config.h"

#include <stdlib.h>
#include <utlist.h>

#include "daemon/master/clock.h"
#include "daemon/master/sched_priv.h"
#include "daemon/master/table.h"

#define EXPIRE_PER_TURN	256	/* then the loop has its turn */

/* The row of an expired task, on its way out of the store. */
struct leaving {
	struct store_op	 op;
	struct leaving	*prev, *next;
	struct sched	*sched;
	bool		 failed;	/* the store could not commit it */
};

static void
on_left(struct store_op *op)
{
	struct leaving *l = op->arg;
	struct sched *s = l->sched;

	sched_answered(s, op);
	if (sched_unable(op)) {
		l->failed = true;
		sched_retry_later(s);
		return;
	}
	DL_DELETE(s->leaving, l);
	free(l);
}

void
sched_retry_leaving(struct sched *s)
{
	struct leaving *l;

	DL_FOREACH(s->leaving, l) {
		if (!l->failed)
			continue;
		l->failed = false;
		sched_ask(s, &l->op, on_left, l);
	}
}

void
sched_free_leaving(struct sched *s)
{
	struct leaving *l, *tmp;

	DL_FOREACH_SAFE(s->leaving, l, tmp)
		free(l);
}

/*
 * From this moment the id is unknown.  Without memory to tell the store, the
 * row stays until the next start; the client sees no difference.
 */
void
sched_expire(struct sched *s, struct task *t)
{
	struct leaving *l = calloc(1, sizeof(*l));

	if (l != NULL) {
		l->sched = s;
		DL_APPEND(s->leaving, l);
		l->op.kind = STORE_REMOVE;
		l->op.row = t->row;
		l->op.message = MESSAGE_EMPTY;
		sched_ask(s, &l->op, on_left, l);
	}
	sched_unlist(s, t);
	sched_forget(s, &t);
}

static const struct task *
next_to_expire(const struct sched *s)
{
	const struct task *first = NULL;

	for (size_t i = 0; i < s->nroutes; i++) {
		const struct task *t = s->routes[i].finished;

		if (t != NULL && (first == NULL || t->ends_ms < first->ends_ms))
			first = t;
	}
	return first;
}

void
sched_arm_expire(struct sched *s)
{
	const struct task *t = next_to_expire(s);
	struct timeval tv;
	int64_t ms;

	if (t == NULL) {
		(void)evtimer_del(s->expire);
		return;
	}
	ms = t->ends_ms - clock_mono_ms();
	if (ms < 0)
		ms = 0;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	(void)evtimer_add(s->expire, &tv);
}

/* One that is being read leaves the list, and goes with its last reader. */
void
sched_on_expire(evutil_socket_t fd, short what, void *arg)
{
	struct sched *s = arg;
	int64_t now_ms = clock_mono_ms();

	(void)fd, (void)what;
	for (int i = 0; i < EXPIRE_PER_TURN; i++) {
		struct task *t = (struct task *)next_to_expire(s);

		if (t == NULL || t->ends_ms > now_ms)
			break;
		if (t->readers > 0)
			sched_unlist(s, t);
		else
			sched_expire(s, t);
	}
	sched_arm_expire(s);
}
