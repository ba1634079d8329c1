/*
 * sched_change - moves of tasks that no job brings about: the route has gone,
 * or nobody knows what became of a task when we start.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/master/sched_priv.h"

struct change {
	struct store_op	 op;
	struct change	*prev, *next;	/* utlist: all that are not done */
	bool		 failed;	/* the store could not commit it */
	struct sched	*sched;
	unsigned char	 id[TASK_ID_BYTES];
};

static void
on_changed(struct store_op *op)
{
	struct change *c = op->arg;
	struct sched *s = c->sched;
	struct task *t = table_find(&s->table, c->id);

	sched_answered(s, op);
	if (sched_unable(op)) {
		c->failed = true;
		sched_retry_later(s);
	} else {
		if (op->verdict == STORE_OK && t != NULL)
			sched_move(s, t, op);
		DL_DELETE(s->changes, c);
		free(c);
		sched_dispatch(s);
	}
}

int
sched_change(struct sched *s, const struct task *t, enum task_state to,
    const char *reason)
{
	struct change *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -1;
	c->sched = s;
	DL_APPEND(s->changes, c);
	memcpy(c->id, t->id, TASK_ID_BYTES);
	c->op.message = MESSAGE_EMPTY;
	c->op.outcome.wait_status = -1;
	if (to == TASK_QUEUED)
		c->op.tried = reason;
	else
		c->op.outcome.reason = reason;
	sched_set_move(&c->op, t, to, t->attempt);
	sched_ask(s, &c->op, on_changed, c);
	return 0;
}

void
sched_retry_changes(struct sched *s)
{
	struct change *c;

	DL_FOREACH(s->changes, c) {
		if (!c->failed)
			continue;
		c->failed = false;
		sched_ask(s, &c->op, on_changed, c);
	}
}

size_t
sched_unsaved_changes(const struct sched *s)
{
	const struct change *c;
	size_t n = 0;

	DL_FOREACH(s->changes, c)
		if (sched_unable(&c->op)) {
			sched_log_unsaved(c->id, &c->op);
			n++;
		}
	return n;
}

void
sched_free_changes(struct sched *s)
{
	struct change *c, *tmp;

	DL_FOREACH_SAFE(s->changes, c, tmp)
		free(c);
}
