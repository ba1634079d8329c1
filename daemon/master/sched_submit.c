/*
 * sched_submit - from a complete request to a committed task.
 */
#include "config.h"

#include <string.h>

#include "daemon/master/clock.h"
#include "daemon/master/owner.h"
#include "daemon/master/proc.h"
#include "daemon/master/sched_priv.h"
#include "daemon/master/table.h"

unsigned int
sched_route(const struct sched *s, const struct conf_route *r)
{
	return s->by_conf[r - s->conf->routes];
}

const struct conf_route *
sched_route_conf(const struct sched *s, unsigned int route)
{
	return s->routes[route].conf;
}

static void	insert(struct submission *);

static bool
queue_full(const struct sched *s, const struct sched_route *r)
{
	int64_t own = r->conf->limits.max_queued;

	return s->nqueued >= (size_t)s->conf->queue ||
	    (own != 0 && r->nqueued >= (size_t)own);
}

enum sched_verdict
sched_check(const struct sched *s, unsigned int route)
{
	const struct sched_route *r = &s->routes[route];

	if (r->conf == NULL)
		return SCHED_NO_ROUTE;
	if (s->draining && !store_durable(s->store))
		return SCHED_DRAINING;
	if (store_full(s->store) || queue_full(s, r))
		return SCHED_FULL;
	return SCHED_ACCEPTED;
}

enum sched_verdict
sched_admit(const struct sched *s, const struct submission *sub)
{
	enum sched_verdict v;

	if (sched_shares(s, sub))
		return SCHED_ACCEPTED;
	v = sched_check(s, sub->route);
	return v == SCHED_ACCEPTED && sched_client_full(s, sub) ? SCHED_MANY : v;
}

/* `first`: the task that has the claim, if it asked for the same. */
static void
refuse(struct submission *sub, enum sched_verdict verdict,
    const struct task *first)
{
	struct sched *s = sub->sched;
	unsigned char id[TASK_ID_BYTES];

	memcpy(id, sub->task->id, TASK_ID_BYTES);
	sched_client_remove(s, id);
	if (sub->job != NULL)
		sched_job_drop(s, sub->job);
	else
		sched_count_queued(s, &s->routes[sub->route], -1);
	sched_list_pass(s, sub->task);
	table_remove(&s->table, &sub->task);
	sub->done(sub, verdict, first);
	sched_share_settle(s, id, verdict, NULL);
}

/*
 * Somebody else has the claim.  He may have gone since, with his row on the
 * way out of the store in front of us: then once more behind it.  Twice is
 * no chance any more, but a row that stayed for want of memory.
 */
static void
taken(struct submission *sub)
{
	struct sched *s = sub->sched;
	const struct task *first = table_find(&s->table, sub->op.id);

	if (first != NULL) {
		refuse(sub, sub->op.same ? SCHED_SHARED : SCHED_CLAIMED,
		    sub->op.same ? first : NULL);
	} else if (sub->again) {
		refuse(sub, SCHED_STORE, NULL);
	} else {
		sub->again = true;
		insert(sub);
	}
}

/* One that found a slot free has not waited at all. */
static void
count_accepted(struct sched *s, const struct submission *sub,
    const struct task *t)
{
	struct sched_route *r = &s->routes[t->route];

	r->kept[t->state]++;
	stats_accepted(&s->stats, &r->counts);
	sched_log_accepted(sub, t);
	if (t->state != TASK_RUNNING)
		return;
	stats_moved(&s->stats, &r->counts, TASK_QUEUED, TASK_RUNNING, 0);
	sched_log_started(t, t->attempt, t->created_ms);
}

static void
on_inserted(struct store_op *op)
{
	struct submission *sub = op->arg;
	struct sched *s = sub->sched;
	struct task *t = sub->task;
	struct job *job = sub->job;

	sched_answered(s, op);
	if (job == NULL)
		s->routes[sub->route].narriving--;
	if (op->verdict != STORE_OK) {
		sub->request = op->message;
		if (op->verdict == STORE_TAKEN)
			taken(sub);
		else
			refuse(sub, op->verdict == STORE_FULL ? SCHED_FULL :
			    SCHED_STORE, NULL);
		return;
	}
	t->row = op->row;
	count_accepted(s, sub, t);
	if (job == NULL)
		sched_list_ready(s, t, false);
	sub->done(sub, SCHED_ACCEPTED, t);	/* and may free it */
	sched_share_settle(s, t->id, SCHED_SHARED, t);
	if (job != NULL)
		proc_run(s->proc, job);
	else
		sched_dispatch(s);
}

/*
 * Who comes after others waits, also after those on their way to the queue.
 * The job keeps a request of its own: no load before RUN.
 */
static struct job *
reserve_for(struct sched *s, struct submission *sub, const unsigned char *id)
{
	struct sched_route *r = &s->routes[sub->route];
	struct job *job;

	if (r->ready != NULL || r->narriving > 0 || s->draining ||
	    s->paused || !sched_has_room(r) ||
	    (job = sched_job_reserve(s, sub->route, id)) == NULL)
		return NULL;
	if (body_share(&job->request.body, &sub->request.body) == -1) {
		r->njobs--;
		proc_free_job(s->proc, &job);
		return NULL;
	}
	job->request.head = blob_ref(sub->request.head);
	job->attempt = 1;
	return job;
}

static void
fill_task(struct task *t, const struct submission *sub, int64_t now_ms)
{
	t->route = sub->route;
	t->method = sub->method;
	t->created_ms = t->changed_ms = now_ms;
	t->state = sub->job != NULL ? TASK_RUNNING : TASK_QUEUED;
	t->attempt = sub->job != NULL;
}

static void
fill_task_of(struct store_op *op, const struct task *t)
{
	op->to = (enum task_state)t->state;
	op->to_attempt = t->attempt;
	op->now_ms = t->created_ms;
	memcpy(op->id, t->id, TASK_ID_BYTES);
}

/* Task or not: the store has the request until it answers. */
static void
ask(struct submission *sub, void (*done)(struct store_op *))
{
	struct store_op *op = &sub->op;

	memset(op, 0, sizeof(*op));
	op->kind = STORE_INSERT;
	if (sub->task != NULL)
		fill_task_of(op, sub->task);
	else
		op->only_look = true;
	op->route = sub->sched->routes[sub->route].name;
	op->method = sub->method_name;
	op->path = sub->path;
	op->owner = sub->owner;
	op->claim = sub->claim;
	op->message = sub->request;
	sub->request = MESSAGE_EMPTY;
	sched_ask(sub->sched, op, done, sub);
}

static void
insert(struct submission *sub)
{
	if (sub->job == NULL)
		sub->sched->routes[sub->route].narriving++;
	ask(sub, on_inserted);
}

/*
 * A task that has gone, its row being on the way out of the store, leaves us
 * with the limit.
 */
static void
on_looked(struct store_op *op)
{
	struct submission *sub = op->arg;
	const struct task *first = op->verdict == STORE_TAKEN ?
	    table_find(&sub->sched->table, op->id) : NULL;

	sched_answered(sub->sched, op);
	sub->request = op->message;
	if (first != NULL)
		sub->done(sub, op->same ? SCHED_SHARED : SCHED_CLAIMED,
		    op->same ? first : NULL);
	else
		sub->done(sub, op->verdict == STORE_FAILED ? SCHED_STORE :
		    sub->limit, NULL);
}

/* An entry in the table, and what stands beside it; NULL without memory. */
static struct task *
add_task(struct sched *s, const struct submission *sub)
{
	unsigned char id[TASK_ID_BYTES];
	struct task *t;

	task_new_id(id);
	t = table_add_owned(&s->table, id, owner_digest(sub->owner));
	if (t == NULL)
		return NULL;
	if (sched_client_add(s, sub->route, sub->client, id) == 0 &&
	    sched_share_lead(s, sub, id) == 0)
		return t;
	sched_client_remove(s, id);
	table_remove(&s->table, &t);
	return NULL;
}

/* No new task; who has lost his 202 gets it again all the same. */
static void
refuse_or_look(struct submission *sub)
{
	if (sub->claim != NULL)
		ask(sub, on_looked);
	else
		sub->done(sub, sub->limit, NULL);
}

void
sched_submit(struct sched *s, struct submission *sub)
{
	sub->sched = s;
	sub->job = NULL;
	sub->task = NULL;
	if (sched_share_join(s, sub))
		return;
	if (sub->limit == SCHED_ACCEPTED)
		sub->limit = sched_admit(s, sub);
	if (sub->limit == SCHED_ACCEPTED &&
	    (sub->task = add_task(s, sub)) == NULL)
		sub->limit = SCHED_FULL;
	if (sub->task == NULL) {
		refuse_or_look(sub);
		return;
	}
	sub->job = reserve_for(s, sub, sub->task->id);
	fill_task(sub->task, sub, clock_wall_ms());
	if (sub->job == NULL)
		sched_count_queued(s, &s->routes[sub->route], 1);
	sub->again = false;
	insert(sub);
}
