#include "config.h"

#define HASH_NONFATAL_OOM 1	/* proc_reserve() looks whether it was added */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/master/proc_priv.h"

static struct job *
job_new(void)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->request = MESSAGE_EMPTY;
	job->op.message = MESSAGE_EMPTY;
	job->spool = BODY_EMPTY;
	job->percent = -1;
	return job;
}

static void
job_free(struct job *job)
{
	message_fini(&job->request);
	message_fini(&job->op.message);
	body_fini(&job->spool);
	blob_unref(&job->log);
	free(job);
}

void
proc_job_end(struct proc *p, struct job *job, const struct proc_result *result)
{
	job->held = false;
	job->slot = NULL;
	p->events.ended(job, result, p->events.arg);
}

struct job *
proc_find(const struct proc *p, const unsigned char id[TASK_ID_BYTES])
{
	struct job *job;

	HASH_FIND(hh, p->jobs, id, TASK_ID_BYTES, job);
	return job;
}

size_t
proc_count(const struct proc *p)
{
	return HASH_COUNT(p->jobs);
}

void
proc_each(const struct proc *p, void (*each)(const struct job *, void *arg),
    void *arg)
{
	for (const struct job *job = p->jobs; job != NULL; job = job->hh.next)
		each(job, arg);
}

static void
tell_followed(struct job *job)
{
	struct frame f;

	if (job->slot == NULL || job->slot->state != SLOT_BUSY)
		return;
	f = slot_frame(job->slot, FRAME_FOLLOW);
	f.u.job.on = job->followed;
	worker_tell(job->slot->worker, &f);
}

void
proc_follow(struct job *job, bool on)
{
	job->followed = on;
	tell_followed(job);
}

static int
send_run(struct proc_slot *s, struct job *job, const struct conf_route *r)
{
	const struct message *m = &job->request;
	struct frame f = { .kind = FRAME_RUN };

	memcpy(f.u.run.id, job->id, TASK_ID_BYTES);
	f.u.run.attempt = job->attempt;
	f.u.run.slot = s->index;
	f.u.run.route = (struct frame_bytes){ r->name, strlen(r->name) };
	f.u.run.head = (struct frame_bytes){ m->head->data, m->head->len };
	f.u.run.body_size = m->body.size;
	f.u.run.body_in_fd = m->body.fd != -1;
	if (m->body.bytes != NULL)
		f.u.run.body = (struct frame_bytes){ m->body.bytes->data,
		    m->body.bytes->len };
	return wire_send(&s->worker->jobs, &f, &m->body.fd);
}

/* A module is warned when its time is up; an exec task's worker knows. */
static void
start_clock(struct proc_slot *s, const struct conf_limits *limits)
{
	if (s->worker->is_module) {
		slot_arm(s, limits->timeout_s);
		return;
	}
	s->warned = true;
	slot_arm(s, limits->timeout_s + 2 * limits->grace_s + EXEC_MARGIN_S);
}

/* The reserved slot if it is still good, else another, else NULL. */
static struct proc_slot *
settle_slot(struct proc *p, struct job *job, const struct conf_route *r)
{
	struct proc_slot *s = job->slot;

	if (s != NULL && s->worker->state == WORKER_READY)
		return s;
	job->slot = NULL;
	if (s != NULL)
		slot_free(s);
	s = slot_choose(p, r->pool);
	if (s != NULL)
		slot_reserve(s, job);
	return s;
}

/* Sends a held job to a slot, or ends it; false if it has to wait for one. */
static bool
dispatch(struct proc *p, struct job *job)
{
	const struct conf_route *r = p->events.route(job, p->events.arg);
	struct proc_result result = { .end = PROC_DROPPED };
	struct proc_slot *s = NULL;

	if (r == NULL && !job->over)
		result.end = PROC_NO_ROUTE;
	if (r != NULL && !job->over) {
		if ((s = settle_slot(p, job, r)) == NULL)
			return false;
		result.end = PROC_DIED;
	}
	if (s != NULL && send_run(s, job, r) == 0) {
		s->state = SLOT_BUSY;
		start_clock(s, &r->limits);
		message_fini(&job->request);
		if (job->followed)
			tell_followed(job);
		return true;
	}
	if (s != NULL && (errno == EPIPE || errno == ECONNRESET)) {
		worker_on_end(&s->worker->jobs);
		return dispatch(p, job);	/* to another worker */
	}
	if (job->slot != NULL)
		slot_free(job->slot);
	proc_job_end(p, job, &result);
	return true;
}

void
proc_close_fds(const struct frame *f, const int *fds)
{
	for (int i = 0; i < frame_fds(f); i++)
		close(fds[i]);
}

/* Who waits here is running as far as the store knows, and comes first. */
static void
dispatch_waiting(struct proc *p)
{
	struct job *list = p->waiting, *job, *tmp;

	p->waiting = NULL;
	DL_FOREACH_SAFE(list, job, tmp) {
		DL_DELETE(list, job);
		if (!dispatch(p, job))
			DL_APPEND(p->waiting, job);
	}
}

void
proc_make_room(struct proc *p)
{
	dispatch_waiting(p);
	p->events.room(p->events.arg);
}

struct job *
proc_reserve(struct proc *p, unsigned int pool,
    const unsigned char id[TASK_ID_BYTES])
{
	struct proc_slot *s = slot_choose(p, pool);
	struct job *job = s != NULL ? job_new() : NULL;

	if (job == NULL)
		return NULL;
	memcpy(job->id, id, TASK_ID_BYTES);
	HASH_ADD(hh, p->jobs, id, TASK_ID_BYTES, job);
	if (job->hh.tbl == NULL) {
		job_free(job);
		return NULL;
	}
	slot_reserve(s, job);
	return job;
}

void
proc_free_job(struct proc *p, struct job **jobp)
{
	struct job *job = *jobp;

	*jobp = NULL;
	if (job->slot != NULL)
		slot_free(job->slot);
	HASH_DELETE(hh, p->jobs, job);
	job_free(job);
	dispatch_waiting(p);
}

void
proc_run(struct proc *p, struct job *job)
{
	job->held = true;
	if (!dispatch(p, job))
		DL_APPEND(p->waiting, job);
}

void
proc_cancel(struct proc *p, struct job *job)
{
	struct proc_result result = { .end = PROC_DROPPED };
	const struct conf_route *r = p->events.route(job, p->events.arg);
	int64_t grace_s = r != NULL ? r->limits.grace_s :
	    p->conf->limits.grace_s;

	if (job->slot == NULL) {
		DL_DELETE(p->waiting, job);
		proc_job_end(p, job, &result);
	} else if (job->slot->state == SLOT_RESERVED) {
		return;		/* dispatch() will see that it is over */
	} else if (job->slot->worker->is_module) {
		slot_warn(job->slot, grace_s);
	} else {
		slot_warn(job->slot, 2 * grace_s + EXEC_MARGIN_S);
	}
}

static void
spawn_all(struct proc *p)
{
	for (unsigned int pool = 0; pool < p->conf->npools; pool++)
		for (int64_t i = 0; i < p->conf->workers; i++)
			worker_spawn(p, pool);
}

struct proc *
proc_new(struct event_base *base, int launcher_fd, const struct conf *conf,
    const struct proc_events *events)
{
	struct proc *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->base = base;
	p->conf = conf;
	p->events = *events;
	p->launcher.on_frame = proc_on_launcher_frame;
	p->launcher.on_end = proc_on_launcher_end;
	p->launcher.arg = p;
	p->bury = evtimer_new(base, proc_on_bury, p);
	if (p->bury == NULL ||
	    wire_open(&p->launcher, base, launcher_fd) == -1) {
		if (p->bury != NULL)
			event_free(p->bury);
		free(p);
		return NULL;
	}
	spawn_all(p);
	return p;
}

static void
free_jobs(struct proc *p)
{
	struct job *job, *tmp;

	HASH_ITER(hh, p->jobs, job, tmp) {
		HASH_DELETE(hh, p->jobs, job);
		job_free(job);
	}
}

void
proc_free(struct proc *p)
{
	struct worker *w, *tmp;

	free_jobs(p);
	DL_CONCAT(p->dead, p->workers);
	DL_FOREACH_SAFE(p->dead, w, tmp)
		worker_free(w);
	proc_free_codes(p);
	wire_close(&p->launcher);
	event_free(p->bury);
	free(p);
}

int
proc_ready(struct proc *p)
{
	struct frame f = { .kind = FRAME_READY };

	return wire_send(&p->launcher, &f, NULL);
}

void
proc_alive(struct proc *p, const char *status)
{
	struct frame f = { .kind = FRAME_ALIVE };

	f.u.alive.status = (struct frame_bytes){ status, strlen(status) };
	if (wire_send(&p->launcher, &f, NULL) == -1)
		log_debug("send-failed to=launcher frame=%s error=%m",
		    frame_name(f.kind));
}

void
proc_set_conf(struct proc *p, const struct conf *conf)
{
	struct worker *w;

	DL_FOREACH(p->workers, w)
		worker_retire(w);
	p->conf = conf;
	spawn_all(p);
}
