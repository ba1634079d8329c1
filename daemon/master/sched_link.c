/*
 * sched_link - reading, cancelling and removing a task by its id.
 */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "daemon/master/clock.h"
#include "daemon/master/proc.h"
#include "daemon/master/sched_priv.h"
#include "daemon/master/table.h"

const struct task *
sched_find(const struct sched *s, const unsigned char id[TASK_ID_BYTES])
{
	return table_find(&s->table, id);
}

const struct job *
sched_job(const struct sched *s, const struct task *t)
{
	return proc_find(s->proc, t->id);
}

static void
on_read(struct store_op *op)
{
	struct reading *r = op->arg;
	const struct task *t = table_find(&r->sched->table, r->id);

	sched_answered(r->sched, op);
	r->done(r, t);
}

static void
load(struct sched *s, const struct task *t, struct reading *r,
    enum store_kind kind)
{
	memcpy(r->id, t->id, TASK_ID_BYTES);
	r->sched = s;
	memset(&r->op, 0, sizeof(r->op));
	r->op.kind = kind;
	r->op.row = t->row;
	r->op.message = MESSAGE_EMPTY;
	sched_ask(s, &r->op, on_read, r);
}

void
sched_read(struct sched *s, const struct task *task, struct reading *r)
{
	struct task *t = table_find(&s->table, task->id);

	assert(t == task && task_finished((enum task_state)t->state));
	t->readers++;
	load(s, t, r, STORE_LOAD_RESPONSE);
}

void
sched_read_info(struct sched *s, const struct task *t, struct reading *r)
{
	load(s, t, r, STORE_LOAD_INFO);
}

int64_t
sched_expires_ms(const struct task *t)
{
	return clock_wall_ms() + (t->ends_ms - clock_mono_ms());
}

void
sched_read_end(struct sched *s, const unsigned char id[TASK_ID_BYTES])
{
	struct task *t = table_find(&s->table, id);

	if (t == NULL)
		return;
	t->readers--;
	if (t->readers == 0 && t->ends_ms <= clock_mono_ms())
		sched_expire(s, t);
}

static void
on_removed(struct store_op *op)
{
	struct removal *r = op->arg;
	struct sched *s = r->sched;
	struct task *t = table_find(&s->table, r->id);

	sched_answered(s, op);
	if (sched_unable(op)) {
		r->done(r, REMOVAL_STORE, NULL);
		return;
	}
	if (op->verdict == STORE_OK && t != NULL) {
		sched_log_removed(t);
		sched_unlist(s, t);
		sched_forget(s, &t);
	}
	r->done(r, op->verdict == STORE_OK ? REMOVAL_DONE : REMOVAL_UNKNOWN,
	    NULL);
}

static bool
unmoved(const struct task *t, const struct store_op *op)
{
	return t->state == op->from && t->attempt == op->from_attempt;
}

/* LOST: it has moved meanwhile (a DONE came first); look again. */
static void
on_cancelled(struct store_op *op)
{
	struct removal *r = op->arg;
	struct sched *s = r->sched;
	struct task *t = table_find(&s->table, r->id);
	struct job *job = proc_find(s->proc, r->id);

	sched_answered(s, op);
	if (op->verdict == STORE_LOST && (t == NULL || !unmoved(t, op))) {
		sched_remove(s, r);
		return;
	}
	if (op->verdict != STORE_OK || t == NULL) {
		r->done(r, REMOVAL_STORE, NULL);
		return;
	}
	sched_move(s, t, op);
	r->done(r, REMOVAL_DONE, t);
	if (job != NULL && job->held) {
		job->over = true;
		proc_cancel(s->proc, job);
	}
}

void
sched_remove(struct sched *s, struct removal *r)
{
	struct task *t = table_find(&s->table, r->id);

	r->sched = s;
	memset(&r->op, 0, sizeof(r->op));
	r->op.message = MESSAGE_EMPTY;
	if (t == NULL) {
		r->done(r, REMOVAL_UNKNOWN, NULL);
	} else if (t->state == TASK_CANCELLED || (r->only_cancel &&
	    task_finished((enum task_state)t->state))) {
		r->done(r, REMOVAL_DONE, t);
	} else if (task_finished((enum task_state)t->state)) {
		r->op.kind = STORE_REMOVE;
		r->op.row = t->row;
		sched_ask(s, &r->op, on_removed, r);
	} else {
		sched_set_move(&r->op, t, TASK_CANCELLED, t->attempt);
		r->op.outcome.wait_status = -1;
		sched_ask(s, &r->op, on_cancelled, r);
	}
}
