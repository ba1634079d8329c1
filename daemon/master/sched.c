#include "config.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/master/clock.h"
#include "daemon/master/proc.h"
#include "daemon/master/sched.h"
#include "daemon/master/table.h"

#define RETRY_S		1	/* until the store is asked again */
#define EXPIRE_PER_TURN	256	/* then the loop has its turn */
#define ATTEMPTS_MAX	250	/* whatever the rule: struct task has 8 bits */

/* What sched keeps of a route; it outlives a reload while it has tasks. */
struct sched_route {
	char		*name;		/* owned */
	const struct conf_route *conf;	/* NULL: no longer configured */
	struct task	*ready;		/* utlist, the oldest first */
	struct task	*finished;	/* utlist, the first to expire first */
	size_t		 nqueued;	/* tasks in that state, or on their way to it */
	int64_t		 njobs;		/* slots it has */
};

struct sched {
	struct event_base *base;
	struct store	*store;
	struct proc	*proc;
	const struct conf *conf;
	struct sched_events events;
	struct table	 table;
	struct sched_route *routes;
	size_t		 nroutes;
	unsigned int	*by_conf;	/* index in conf->routes to ours */
	bool		*pool_full;	/* scratch of dispatch() */
	size_t		 nqueued;	/* sum over the routes */
	size_t		 nops;		/* submissions and ends under way */
	struct job	*unsaved;	/* utlist: ends the store could not commit */
	struct event	*expire, *retry;
	bool		 draining;
};

/* --- states and lists ------------------------------------------------------ */

static struct sched_route *
route_of(struct sched *s, const struct task *t)
{
	return &s->routes[t->route];
}

static void
count_queued(struct sched *s, struct sched_route *r, int n)
{
	r->nqueued += (size_t)n;
	s->nqueued += (size_t)n;
}

static void
unlist(struct sched *s, struct task *t)
{
	struct sched_route *r = route_of(s, t);

	if (!t->listed)
		return;
	if (t->state == TASK_QUEUED)
		DL_DELETE(r->ready, t);
	else
		DL_DELETE(r->finished, t);
	t->listed = false;
}

/* A task that was started before is older than all that were not. */
static void
list_ready(struct sched *s, struct task *t, bool first)
{
	struct sched_route *r = route_of(s, t);

	if (first)
		DL_PREPEND(r->ready, t);
	else
		DL_APPEND(r->ready, t);
	t->listed = true;
}

static int64_t
keep_ms(const struct sched *s, const struct sched_route *r)
{
	return 1000 * (r->conf != NULL ? r->conf->limits.keep_s :
	    s->conf->limits.keep_s);
}

static void arm_expire(struct sched *);

static void
list_finished(struct sched *s, struct task *t)
{
	struct sched_route *r = route_of(s, t);

	t->ends_ms = clock_mono_ms() + keep_ms(s, r);
	DL_APPEND(r->finished, t);
	t->listed = true;
	if (r->finished == t)
		arm_expire(s);
}

/* The store has said OK: what it did becomes true here. */
static void
move(struct sched *s, struct task *t, enum task_state to, uint32_t attempt,
    int64_t now_ms)
{
	struct sched_route *r = route_of(s, t);

	unlist(s, t);
	if (t->state == TASK_QUEUED)
		count_queued(s, r, -1);
	task_move(t, to, now_ms);
	t->attempt = (uint8_t)attempt;
	if (to == TASK_QUEUED) {
		count_queued(s, r, 1);
		list_ready(s, t, true);
	} else if (task_finished(to)) {
		list_finished(s, t);
	}
}

/* --- asking the store ------------------------------------------------------ */

static void
ask(struct sched *s, struct store_op *op, void (*done)(struct store_op *),
    void *arg)
{
	op->done = done;
	op->arg = arg;
	store_submit(s->store, op);
}

static void
set_move(struct store_op *op, const struct task *t, enum task_state to,
    uint32_t attempt)
{
	op->kind = STORE_MOVE;
	op->row = t->row;
	op->from = (enum task_state)t->state;
	op->from_attempt = t->attempt;
	op->to = to;
	op->to_attempt = attempt;
	op->now_ms = clock_wall_ms();
}

static void
retry_later(struct sched *s)
{
	struct timeval tv = { .tv_sec = RETRY_S };

	if (!evtimer_pending(s->retry, NULL))
		(void)evtimer_add(s->retry, &tv);
}

/* --- jobs -------------------------------------------------------------------- */

static void dispatch(struct sched *);

static void
check_quiet(struct sched *s)
{
	if (sched_is_quiet(s))
		s->events.quiet(s->events.arg);
}

static bool
has_room(const struct sched_route *r)
{
	return r->conf != NULL && (r->conf->limits.max_running == 0 ||
	    r->njobs < r->conf->limits.max_running);
}

static struct job *
job_reserve(struct sched *s, unsigned int route, const unsigned char *id)
{
	struct sched_route *r = &s->routes[route];
	struct job *job = proc_reserve(s->proc, r->conf->pool, id);

	if (job == NULL)
		return NULL;
	job->route = route;
	job->arg = s;
	r->njobs++;
	return job;
}

/* The end of a job: an unused spool file of its goes with it. */
static void
job_drop(struct sched *s, struct job *job)
{
	s->routes[job->route].njobs--;
	if (job->spool.fd != -1)
		store_spool_drop(s->store, job->spool.file);
	if (job->op.message.body.fd != -1)
		store_spool_drop(s->store, job->op.message.body.file);
	proc_free_job(s->proc, &job);
	dispatch(s);
	check_quiet(s);
}

/* --- how a job ends ---------------------------------------------------------- */

static void save_end(struct sched *, struct job *);

static void
log_end(const struct task *t, const struct job *job)
{
	char id[TASK_ID_TEXT], reason[LOG_QUOTED_MAX];
	const char *why = job->op.outcome.reason;

	if (why == NULL || why[0] == '\0') {
		log_info("task-ended task=%s state=%s attempt=%u",
		    task_id_text(t->id, id), task_state_names[t->state],
		    job->attempt);
		return;
	}
	log_info("task-ended task=%s state=%s attempt=%u reason=%s",
	    task_id_text(t->id, id), task_state_names[t->state], job->attempt,
	    log_quote(reason, sizeof(reason), why, strlen(why)));
}

static void
on_saved(struct store_op *op)
{
	struct job *job = op->arg;
	struct sched *s = job->arg;
	struct task *t = table_find(&s->table, job->id);

	s->nops--;
	if (op->verdict == STORE_FAILED || op->verdict == STORE_FULL) {
		DL_APPEND(s->unsaved, job);
		retry_later(s);
		return;
	}
	if (op->verdict == STORE_OK && t != NULL) {
		move(s, t, op->to, op->to_attempt, op->now_ms);
		log_end(t, job);
	}
	job_drop(s, job);
}

static void
save_end(struct sched *s, struct job *job)
{
	s->nops++;
	ask(s, &job->op, on_saved, job);
}

/* A reason and a log that live as long as the job. */
static const char *
keep_texts(struct job *job, const void *reason, size_t reason_len,
    const void *log, size_t log_len)
{
	job->log = blob_new(NULL, reason_len + 1 + log_len);
	if (job->log == NULL)
		return "no memory to say why";
	memcpy(job->log->data, reason, reason_len);
	memcpy(job->log->data + reason_len + 1, log, log_len);
	job->op.outcome.log = job->log->data + reason_len + 1;
	job->op.outcome.log_len = log_len;
	return (const char *)job->log->data;
}

/* Moves a running task to where the end of its job leads. */
static void
end_task(struct sched *s, struct job *job, enum task_state to,
    const char *reason)
{
	struct task *t = table_find(&s->table, job->id);

	if (t == NULL || t->state != TASK_RUNNING ||
	    t->attempt != job->attempt) {
		job_drop(s, job);
		return;
	}
	set_move(&job->op, t, to, t->attempt);
	job->op.outcome.reason = reason;
	save_end(s, job);
}

static void
fail(struct sched *s, struct job *job, const char *reason)
{
	job->op.outcome.wait_status = -1;
	end_task(s, job, TASK_FAILED, reason);
}

/* The body of a response: what the frame holds, or the spool file. */
static int
take_response(struct job *job, const struct frame *f)
{
	struct message *m = &job->op.message;

	m->head = blob_new(f->u.done.head.data, f->u.done.head.len);
	if (m->head == NULL)
		return -1;
	if (f->u.done.body_in_fd) {
		body_take(&m->body, &job->spool);
		m->body.size = f->u.done.body_size;
		return m->body.fd != -1 ? 0 : -1;
	}
	if (f->u.done.body.len == 0)
		return 0;
	m->body.bytes = blob_new(f->u.done.body.data, f->u.done.body.len);
	m->body.size = f->u.done.body.len;
	return m->body.bytes != NULL ? 0 : -1;
}

static void
ended_by_worker(struct sched *s, struct job *job, const struct frame *f)
{
	static const enum task_state states[OUTCOME_N] = {
		[OUTCOME_SUCCEEDED] = TASK_SUCCEEDED,
		[OUTCOME_FAILED] = TASK_FAILED,
		[OUTCOME_TIMED_OUT] = TASK_TIMED_OUT,
		[OUTCOME_CANCELLED] = TASK_CANCELLED,
	};
	enum task_state to = states[f->u.done.outcome];
	const char *reason = keep_texts(job, f->u.done.reason.data,
	    f->u.done.reason.len, f->u.done.log.data, f->u.done.log.len);

	job->op.outcome.wait_status = f->u.done.wait_status;
	job->op.outcome.cpu_us = f->u.done.cpu_us;
	job->op.outcome.max_rss_kib = f->u.done.max_rss_kib;
	if (to == TASK_SUCCEEDED && take_response(job, f) == -1) {
		message_fini(&job->op.message);
		to = TASK_FAILED;
		reason = "no memory for the response";
	}
	end_task(s, job, to, reason);
}

static void
ended_by_crash(struct sched *s, struct job *job, int signo)
{
	char text[128];
	int n = snprintf(text, sizeof(text),
	    "the module crashed: signal %d (%s)", signo, strsignal(signo));

	fail(s, job, keep_texts(job, text, (size_t)n, "", 0));
}

static void
ended_by_time(struct sched *s, struct job *job)
{
	job->op.outcome.wait_status = -1;
	end_task(s, job, TASK_TIMED_OUT, "it did not end within its time");
}

/* RFC 9110 9.2.2 */
static bool
is_idempotent(enum conf_method m)
{
	return m != METHOD_POST && m != METHOD_PATCH && m != METHOD_OTHER;
}

static bool
may_rerun(const struct sched *s, const struct job *job, const struct task *t,
    bool charged)
{
	const struct conf_route *r = s->routes[job->route].conf;

	if (r == NULL || r->limits.rerun == RERUN_NEVER ||
	    t->attempt >= ATTEMPTS_MAX)
		return false;
	if (r->limits.rerun == RERUN_IDEMPOTENT &&
	    !is_idempotent((enum conf_method)t->method))
		return false;
	return !charged || t->attempt < r->limits.max_attempts;
}

/* The rerun rule, design.md 3. */
static void
interrupted(struct sched *s, struct job *job, bool charged)
{
	struct task *t = table_find(&s->table, job->id);

	if (t != NULL && may_rerun(s, job, t, charged))
		end_task(s, job, TASK_QUEUED, NULL);
	else
		fail(s, job, "it was interrupted: its worker process died");
}

static void
on_ended(struct job *job, const struct proc_result *result, void *arg)
{
	struct sched *s = arg;

	if (job->over) {
		job_drop(s, job);
		return;
	}
	switch (result->end) {
	case PROC_DONE:
		ended_by_worker(s, job, result->frame);
		break;
	case PROC_GUILTY:
		ended_by_crash(s, job, result->signo);
		break;
	case PROC_NEIGHBOUR:
		interrupted(s, job, false);
		break;
	case PROC_DIED:
		interrupted(s, job, true);
		break;
	case PROC_OVERDUE:
		ended_by_time(s, job);
		break;
	case PROC_NO_ROUTE:
		fail(s, job, "its route is no longer configured");
		break;
	case PROC_DROPPED:
	case PROC_END_N:
		assert(!"a job is dropped only when it is over");
	}
}

/* --- starting what is queued ------------------------------------------------- */

/* The store could not help: the task is queued as before, for a later try. */
static void
put_back(struct sched *s, struct job *job)
{
	struct task *t = table_find(&s->table, job->id);

	if (t != NULL && t->state == TASK_QUEUED && !t->listed)
		list_ready(s, t, true);
	retry_later(s);
	s->routes[job->route].njobs--;
	proc_free_job(s->proc, &job);
}

static void
on_started(struct store_op *op)
{
	struct job *job = op->arg;
	struct sched *s = job->arg;
	struct task *t = table_find(&s->table, job->id);

	s->nops--;
	if (op->verdict == STORE_FAILED || op->verdict == STORE_FULL) {
		put_back(s, job);
		return;
	}
	if (op->verdict == STORE_LOST || t == NULL) {
		job_drop(s, job);
		return;
	}
	job->attempt = op->to_attempt;
	move(s, t, TASK_RUNNING, op->to_attempt, op->now_ms);
	proc_run(s->proc, job);
}

static void
on_loaded(struct store_op *op)
{
	struct job *job = op->arg;
	struct sched *s = job->arg;
	struct task *t = table_find(&s->table, job->id);

	s->nops--;
	if (op->verdict == STORE_OK) {
		job->request = op->message;
		op->message = MESSAGE_EMPTY;
	}
	if (op->verdict == STORE_LOST || t == NULL ||
	    t->state != TASK_QUEUED) {
		job_drop(s, job);
		return;
	}
	if (op->verdict != STORE_OK) {
		put_back(s, job);
		return;
	}
	set_move(op, t, TASK_RUNNING, t->attempt + 1U);
	s->nops++;
	ask(s, op, on_started, job);
}

/* The slot first, then the request, then the commit, then the worker. */
static bool
start(struct sched *s, struct sched_route *r)
{
	struct task *t = r->ready;
	struct job *job = job_reserve(s, t->route, t->id);

	if (job == NULL)
		return false;
	unlist(s, t);
	job->op.kind = STORE_LOAD_REQUEST;
	job->op.row = t->row;
	s->nops++;
	ask(s, &job->op, on_loaded, job);
	return true;
}

/* Of all routes that may start a task, the one that has waited longest. */
static struct sched_route *
next_route(struct sched *s)
{
	struct sched_route *best = NULL;

	for (size_t i = 0; i < s->nroutes; i++) {
		struct sched_route *r = &s->routes[i];

		if (r->ready == NULL || !has_room(r) ||
		    s->pool_full[r->conf->pool])
			continue;
		if (best == NULL ||
		    r->ready->created_ms < best->ready->created_ms)
			best = r;
	}
	return best;
}

static bool
may_start(const struct sched *s)
{
	return !s->draining || !store_durable(s->store);
}

static void
dispatch(struct sched *s)
{
	struct sched_route *r;

	if (s->nqueued == 0 || !may_start(s))
		return;
	memset(s->pool_full, 0, s->conf->npools * sizeof(*s->pool_full));
	while ((r = next_route(s)) != NULL)
		if (!start(s, r))
			s->pool_full[r->conf->pool] = true;
}

static void
on_room(void *arg)
{
	dispatch(arg);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct sched *s = arg;
	struct job *list = s->unsaved, *job, *tmp;

	(void)fd, (void)what;
	s->unsaved = NULL;
	DL_FOREACH_SAFE(list, job, tmp) {
		DL_DELETE(list, job);
		save_end(s, job);
	}
	dispatch(s);
}

static int
on_spool(struct job *job, void *arg)
{
	struct sched *s = arg;

	return store_spool_create(s->store, &job->spool);
}

static const struct conf_route *
on_route(const struct job *job, void *arg)
{
	struct sched *s = arg;

	return s->routes[job->route].conf;
}

/* --- submitting ---------------------------------------------------------- */

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

static void
refuse(struct submission *sub, enum sched_verdict verdict)
{
	struct sched *s = sub->sched;

	if (sub->job != NULL)
		job_drop(s, sub->job);
	else
		count_queued(s, &s->routes[sub->route], -1);
	table_remove(&s->table, &sub->task);
	sub->done(sub, verdict, NULL);
}

static void
on_inserted(struct store_op *op)
{
	struct submission *sub = op->arg;
	struct sched *s = sub->sched;
	struct task *t = sub->task;

	s->nops--;
	if (op->verdict != STORE_OK) {
		sub->request = op->message;
		refuse(sub, op->verdict == STORE_FULL ? SCHED_FULL :
		    SCHED_STORE);
		return;
	}
	t->row = op->row;
	if (sub->job == NULL)
		list_ready(s, t, false);
	sub->done(sub, SCHED_ACCEPTED, t);
	if (sub->job != NULL)
		proc_run(s->proc, sub->job);
	else
		dispatch(s);
}

/* The job keeps a request of its own: no load before RUN. */
static struct job *
reserve_for(struct sched *s, struct submission *sub, const unsigned char *id)
{
	struct sched_route *r = &s->routes[sub->route];
	struct job *job;

	if (r->ready != NULL || !has_room(r) || s->draining ||
	    (job = job_reserve(s, sub->route, id)) == NULL)
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
	t->route = (uint16_t)sub->route;
	t->method = (uint8_t)sub->method;
	t->created_ms = t->changed_ms = now_ms;
	t->state = sub->job != NULL ? TASK_RUNNING : TASK_QUEUED;
	t->attempt = sub->job != NULL;
}

static void
fill_insert(struct store_op *op, const struct submission *sub)
{
	op->kind = STORE_INSERT;
	op->to = (enum task_state)sub->task->state;
	op->to_attempt = sub->task->attempt;
	op->now_ms = sub->task->created_ms;
	memcpy(op->id, sub->task->id, TASK_ID_BYTES);
	op->route = sub->sched->routes[sub->route].name;
	op->method = sub->method_name;
	op->path = sub->path;
}

void
sched_submit(struct sched *s, struct submission *sub)
{
	enum sched_verdict v = sched_check(s, sub->route);
	unsigned char id[TASK_ID_BYTES];

	sub->sched = s;
	task_new_id(id);
	sub->job = NULL;
	sub->task = v == SCHED_ACCEPTED ? table_add(&s->table, id) : NULL;
	if (sub->task == NULL) {
		sub->done(sub, v != SCHED_ACCEPTED ? v : SCHED_FULL, NULL);
		return;
	}
	sub->job = reserve_for(s, sub, id);
	fill_task(sub->task, sub, clock_wall_ms());
	if (sub->job == NULL)
		count_queued(s, &s->routes[sub->route], 1);
	memset(&sub->op, 0, sizeof(sub->op));
	fill_insert(&sub->op, sub);
	sub->op.message = sub->request;
	sub->request = MESSAGE_EMPTY;
	s->nops++;
	ask(s, &sub->op, on_inserted, sub);
}

/* --- the link -------------------------------------------------------------- */

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

	r->sched->nops--;
	r->done(r, t);
}

void
sched_read(struct sched *s, const struct task *task, struct reading *r)
{
	struct task *t = table_find(&s->table, task->id);

	assert(t == task && task_finished((enum task_state)t->state));
	t->readers++;
	memcpy(r->id, t->id, TASK_ID_BYTES);
	r->sched = s;
	memset(&r->op, 0, sizeof(r->op));
	r->op.kind = STORE_LOAD_RESPONSE;
	r->op.row = t->row;
	r->op.message = MESSAGE_EMPTY;
	s->nops++;
	ask(s, &r->op, on_read, r);
}

static void expire_task(struct sched *, struct task *);

void
sched_read_end(struct sched *s, const unsigned char id[TASK_ID_BYTES])
{
	struct task *t = table_find(&s->table, id);

	if (t == NULL)
		return;
	t->readers--;
	if (t->readers == 0 && t->ends_ms <= clock_mono_ms())
		expire_task(s, t);
}

static void
on_removed(struct store_op *op)
{
	struct removal *r = op->arg;
	struct sched *s = r->sched;
	struct task *t = table_find(&s->table, r->id);

	s->nops--;
	if (op->verdict == STORE_FAILED || op->verdict == STORE_FULL) {
		r->done(r, REMOVAL_STORE, NULL);
		return;
	}
	if (op->verdict == STORE_OK && t != NULL) {
		unlist(s, t);
		table_remove(&s->table, &t);
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

	s->nops--;
	if (op->verdict == STORE_LOST && (t == NULL || !unmoved(t, op))) {
		sched_remove(s, r);
		return;
	}
	if (op->verdict != STORE_OK || t == NULL) {
		r->done(r, REMOVAL_STORE, NULL);
		return;
	}
	move(s, t, TASK_CANCELLED, op->to_attempt, op->now_ms);
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
	} else if (t->state == TASK_CANCELLED) {
		r->done(r, REMOVAL_DONE, t);
	} else if (task_finished((enum task_state)t->state)) {
		r->op.kind = STORE_REMOVE;
		r->op.row = t->row;
		s->nops++;
		ask(s, &r->op, on_removed, r);
	} else {
		set_move(&r->op, t, TASK_CANCELLED, t->attempt);
		s->nops++;
		ask(s, &r->op, on_cancelled, r);
	}
}

/* --- expiry ------------------------------------------------------------------ */

/* The row of an expired task, on its way out of the store. */
struct leaving {
	struct store_op	 op;
	struct sched	*sched;
};

static void
on_left(struct store_op *op)
{
	struct leaving *l = op->arg;

	l->sched->nops--;
	free(l);
}

/*
 * From this moment the id is unknown.  Without memory to tell the store, the
 * row stays until the next start; the client sees no difference.
 */
static void
expire_task(struct sched *s, struct task *t)
{
	struct leaving *l = calloc(1, sizeof(*l));

	if (l != NULL) {
		l->sched = s;
		l->op.kind = STORE_REMOVE;
		l->op.row = t->row;
		l->op.message = MESSAGE_EMPTY;
		s->nops++;
		ask(s, &l->op, on_left, l);
	}
	unlist(s, t);
	table_remove(&s->table, &t);
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

static void
arm_expire(struct sched *s)
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
static void
on_expire(evutil_socket_t fd, short what, void *arg)
{
	struct sched *s = arg;
	int64_t now_ms = clock_mono_ms();

	(void)fd, (void)what;
	for (int i = 0; i < EXPIRE_PER_TURN; i++) {
		struct task *t = (struct task *)next_to_expire(s);

		if (t == NULL || t->ends_ms > now_ms)
			break;
		if (t->readers > 0)
			unlist(s, t);
		else
			expire_task(s, t);
	}
	arm_expire(s);
}

/* --- settings ---------------------------------------------------------------- */

static unsigned int
route_index(const struct sched *s, const char *name)
{
	unsigned int i;

	for (i = 0; i < s->nroutes; i++)
		if (strcmp(s->routes[i].name, name) == 0)
			break;
	return i;
}

/* A place for every route of these settings that has none; -1: no memory. */
static int
add_routes(struct sched *s, const struct conf *conf)
{
	struct sched_route *bigger = reallocarray(s->routes,
	    s->nroutes + conf->nroutes + 1, sizeof(*bigger));

	if (bigger == NULL)
		return -1;
	s->routes = bigger;
	for (size_t i = 0; i < conf->nroutes; i++) {
		struct sched_route *r = &s->routes[s->nroutes];

		if (route_index(s, conf->routes[i].name) < s->nroutes)
			continue;
		*r = (struct sched_route){ 0 };
		if ((r->name = strdup(conf->routes[i].name)) == NULL)
			return -1;
		s->nroutes++;
	}
	return 0;
}

/* `keep` may have changed: the list stays in order, its times shift. */
static void
shift_ends(struct sched_route *r, int64_t by_ms)
{
	struct task *t;

	if (by_ms != 0)
		DL_FOREACH(r->finished, t)
			t->ends_ms += by_ms;
}

static void
bind_routes(struct sched *s, const struct conf *conf, unsigned int *by_conf)
{
	const struct conf *old = s->conf != NULL ? s->conf : conf;

	for (size_t i = 0; i < s->nroutes; i++) {
		struct sched_route *r = &s->routes[i];
		int64_t keep_s = r->conf != NULL ? r->conf->limits.keep_s :
		    old->limits.keep_s;

		r->conf = NULL;
		for (size_t c = 0; c < conf->nroutes; c++) {
			if (strcmp(conf->routes[c].name, r->name) != 0)
				continue;
			r->conf = &conf->routes[c];
			by_conf[c] = (unsigned int)i;
		}
		shift_ends(r, 1000 * ((r->conf != NULL ?
		    r->conf->limits.keep_s : conf->limits.keep_s) - keep_s));
	}
}

static int
take_conf(struct sched *s, const struct conf *conf)
{
	unsigned int *by_conf = calloc(conf->nroutes + 1, sizeof(*by_conf));
	bool *full = calloc(conf->npools + 1, sizeof(*full));

	if (by_conf == NULL || full == NULL || add_routes(s, conf) == -1) {
		free(by_conf);
		free(full);
		return -1;
	}
	bind_routes(s, conf, by_conf);
	free(s->by_conf);
	free(s->pool_full);
	s->by_conf = by_conf;
	s->pool_full = full;
	s->conf = conf;
	return 0;
}

/* A task whose route has gone, on its way to "failed". */
struct orphan {
	struct store_op	 op;
	struct sched	*sched;
	unsigned char	 id[TASK_ID_BYTES];
};

static void
on_orphan_failed(struct store_op *op)
{
	struct orphan *o = op->arg;
	struct sched *s = o->sched;
	struct task *t = table_find(&s->table, o->id);

	s->nops--;
	if (op->verdict == STORE_OK && t != NULL)
		move(s, t, op->to, op->to_attempt, op->now_ms);
	else if (op->verdict != STORE_LOST && t != NULL && !t->listed)
		list_ready(s, t, true);
	free(o);
}

/*
 * What waits for a route that is no longer configured fails, saying so.  If
 * the store or the memory cannot help now, the next reload tries again.
 */
static void
fail_orphans(struct sched *s, struct sched_route *r)
{
	struct task *t, *tmp;

	DL_FOREACH_SAFE(r->ready, t, tmp) {
		struct orphan *o = calloc(1, sizeof(*o));

		if (o == NULL)
			return;
		o->sched = s;
		memcpy(o->id, t->id, TASK_ID_BYTES);
		o->op.message = MESSAGE_EMPTY;
		o->op.outcome.wait_status = -1;
		o->op.outcome.reason = "its route is no longer configured";
		set_move(&o->op, t, TASK_FAILED, t->attempt);
		unlist(s, t);
		s->nops++;
		ask(s, &o->op, on_orphan_failed, o);
	}
}

int
sched_set_conf(struct sched *s, const struct conf *conf)
{
	if (take_conf(s, conf) == -1)
		return -1;
	store_set_conf(s->store, conf);
	proc_set_conf(s->proc, conf);
	for (size_t i = 0; i < s->nroutes; i++)
		if (s->routes[i].conf == NULL)
			fail_orphans(s, &s->routes[i]);
	arm_expire(s);
	dispatch(s);
	return 0;
}

/* --- the whole --------------------------------------------------------------- */

bool
sched_is_quiet(const struct sched *s)
{
	return s->draining && s->nops == 0 && proc_count(s->proc) == 0 &&
	    (store_durable(s->store) || s->nqueued == 0);
}

void
sched_drain(struct sched *s)
{
	s->draining = true;
	check_quiet(s);
}

static void
on_drain(void *arg)
{
	struct sched *s = arg;

	s->events.drain(s->events.arg);
}

static void
on_reload(int conf_fd, unsigned int generation, void *arg)
{
	struct sched *s = arg;

	s->events.reload(conf_fd, generation, s->events.arg);
}

static void
on_launcher_gone(void *arg)
{
	struct sched *s = arg;

	s->events.launcher_gone(s->events.arg);
}

int
sched_ready(struct sched *s)
{
	return proc_ready(s->proc);
}

struct sched *
sched_new(struct event_base *base, struct store *store,
    const struct conf *conf, int launcher_fd, const struct sched_events *ev)
{
	struct sched *s = calloc(1, sizeof(*s));
	const struct proc_events events = {
		.ended = on_ended, .room = on_room, .route = on_route,
		.spool = on_spool, .drain = on_drain, .reload = on_reload,
		.launcher_gone = on_launcher_gone, .arg = s,
	};

	if (s == NULL)
		return NULL;
	s->base = base;
	s->store = store;
	s->events = *ev;
	table_init(&s->table);
	s->expire = evtimer_new(base, on_expire, s);
	s->retry = evtimer_new(base, on_retry, s);
	if (s->expire != NULL && s->retry != NULL && take_conf(s, conf) == 0)
		s->proc = proc_new(base, launcher_fd, conf, &events);
	if (s->proc == NULL) {
		sched_free(s);
		return NULL;
	}
	return s;
}

void
sched_free(struct sched *s)
{
	if (s->proc != NULL)
		proc_free(s->proc);
	if (s->expire != NULL)
		event_free(s->expire);
	if (s->retry != NULL)
		event_free(s->retry);
	table_fini(&s->table);
	for (size_t i = 0; i < s->nroutes; i++)
		free(s->routes[i].name);
	free(s->routes);
	free(s->by_conf);
	free(s->pool_full);
	free(s);
}
