/*
 * sched_run - slots, and starting what is queued.
 */
#include "config.h"

#include <string.h>
#include <utlist.h>

#include "daemon/master/proc.h"
#include "daemon/master/sched_priv.h"
#include "daemon/master/table.h"

#define ATTEMPTS_MAX	250	/* whatever the rule: struct task has 8 bits */

/*
 * What a draining master without a durable store has queued runs now or
 * never: it was promised, so that counts for more than a pause.
 */
bool
sched_may_start(const struct sched *s)
{
	return s->draining ? !store_durable(s->store) : !s->paused;
}

bool
sched_has_room(const struct sched_route *r)
{
	return r->conf != NULL && (r->conf->limits.max_running == 0 ||
	    r->njobs < r->conf->limits.max_running);
}

struct job *
sched_job_reserve(struct sched *s, unsigned int route, const unsigned char *id)
{
	struct sched_route *r = &s->routes[route];
	struct job *job = proc_reserve(s->proc, r->conf->pool, id);

	if (job == NULL)
		return NULL;
	job->route = route;
	job->arg = s;
	job->followed = sched_is_followed(s, id);
	r->njobs++;
	return job;
}

/* The end of a job: an unused spool file of its goes with it. */
void
sched_job_drop(struct sched *s, struct job *job)
{
	s->routes[job->route].njobs--;
	if (job->spool.fd != -1)
		store_spool_drop(s->store, job->spool.file);
	if (job->op.message.body.fd != -1)
		store_spool_drop(s->store, job->op.message.body.file);
	proc_free_job(s->proc, &job);
	sched_dispatch(s);
	sched_check_quiet(s);
}

/* The store could not help: the task is queued as before, for a later try. */
static void
put_back(struct sched *s, struct job *job)
{
	struct task *t = table_find(&s->table, job->id);

	if (t != NULL && t->state == TASK_QUEUED && !t->listed)
		sched_list_ready(s, t, true);
	sched_retry_later(s);
	s->routes[job->route].njobs--;
	proc_free_job(s->proc, &job);
}

static void
on_started(struct store_op *op)
{
	struct job *job = op->arg;
	struct sched *s = job->arg;
	struct task *t = table_find(&s->table, job->id);

	sched_answered(s, op);
	if (sched_unable(op)) {
		put_back(s, job);
		return;
	}
	if (op->verdict == STORE_LOST || t == NULL) {
		sched_job_drop(s, job);
		return;
	}
	job->attempt = op->to_attempt;
	sched_move(s, t, op);
	proc_run(s->proc, job);
}

static void
on_loaded(struct store_op *op)
{
	struct job *job = op->arg;
	struct sched *s = job->arg;
	struct task *t = table_find(&s->table, job->id);

	sched_answered(s, op);
	if (op->verdict == STORE_OK) {
		job->request = op->message;
		op->message = MESSAGE_EMPTY;
	}
	if (t == NULL || t->state != TASK_QUEUED) {
		sched_job_drop(s, job);
		return;
	}
	if (!sched_may_start(s)) {
		put_back(s, job);
		return;
	}
	/* Nobody can ever run it: it must not stop its route for ever. */
	if (op->verdict == STORE_LOST &&
	    sched_change(s, t, TASK_FAILED, "its request is lost") == 0) {
		sched_job_drop(s, job);
		return;
	}
	if (op->verdict != STORE_OK) {
		put_back(s, job);
		return;
	}
	sched_set_move(op, t, TASK_RUNNING, t->attempt + 1U);
	sched_ask(s, op, on_started, job);
}

/* The slot first, then the request, then the commit, then the worker. */
static bool
start(struct sched *s, struct sched_route *r)
{
	struct task *t = r->ready;
	struct job *job = sched_job_reserve(s, t->route, t->id);

	if (job == NULL)
		return false;
	sched_unlist(s, t);
	job->op.kind = STORE_LOAD_REQUEST;
	job->op.row = t->row;
	sched_ask(s, &job->op, on_loaded, job);
	return true;
}

/*
 * When the next task of a route is due: as if it had come a second earlier
 * for each step of its priority.  So one that waits gets past whatever comes
 * 200 seconds after it, and nobody starves.
 */
static int64_t
turn_ms(const struct sched_route *r)
{
	return r->ready->created_ms - 1000 * r->conf->priority;
}

/* Of all routes that may start a task, the one whose turn it is. */
static struct sched_route *
next_route(struct sched *s)
{
	struct sched_route *best = NULL;

	for (size_t i = 0; i < s->nroutes; i++) {
		struct sched_route *r = &s->routes[i];

		if (r->ready == NULL || !sched_has_room(r) ||
		    s->pool_full[r->conf->pool])
			continue;
		if (best == NULL || turn_ms(r) < turn_ms(best))
			best = r;
	}
	return best;
}

void
sched_dispatch(struct sched *s)
{
	struct sched_route *r;

	if (s->nqueued == 0 || !sched_may_start(s))
		return;
	memset(s->pool_full, 0, s->conf->npools * sizeof(*s->pool_full));
	while ((r = next_route(s)) != NULL)
		if (!start(s, r))
			s->pool_full[r->conf->pool] = true;
}

void
sched_on_room(void *arg)
{
	sched_dispatch(arg);
}

void
sched_retry(struct sched *s)
{
	sched_retry_ends(s);
	sched_retry_changes(s);
	sched_retry_leaving(s);
	sched_fail_orphans(s);
	sched_dispatch(s);
}

int
sched_on_spool(struct job *job, void *arg)
{
	struct sched *s = arg;

	return store_spool_create(s->store, &job->spool);
}

const struct conf_route *
sched_on_route(const struct job *job, void *arg)
{
	struct sched *s = arg;

	return s->routes[job->route].conf;
}

bool
sched_may_rerun(const struct sched *s, const struct task *t, bool charged)
{
	const struct conf_route *r = s->routes[t->route].conf;

	if (r == NULL || r->limits.rerun == RERUN_NEVER ||
	    t->attempt >= ATTEMPTS_MAX)
		return false;
	if (r->limits.rerun == RERUN_IDEMPOTENT &&
	    !sched_is_idempotent(t))
		return false;
	return !charged || t->attempt < r->limits.max_attempts;
}
