/*
 * slot - slots: who has them, and what if they never come back.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/master/proc_priv.h"
#include "daemon/master/task.h"

void
slot_free(struct proc_slot *s)
{
	evtimer_del(s->timer);
	s->job = NULL;
	s->warned = false;
	s->state = SLOT_FREE;
	s->worker->nfree++;
	worker_kill_when_idle(s->worker);
}

static struct proc_slot *
slot_find_free(struct worker *w)
{
	for (unsigned int i = 0; i < w->nslots; i++)
		if (w->slots[i].state == SLOT_FREE)
			return &w->slots[i];
	return NULL;
}

static bool
takes_jobs(const struct worker *w, unsigned int pool)
{
	return w->state == WORKER_READY && w->nfree > 0 && w->pool == pool;
}

/* A free slot of the least busy worker of a pool. */
struct proc_slot *
slot_choose(struct proc *p, unsigned int pool)
{
	struct worker *w, *best = NULL;

	DL_FOREACH(p->workers, w)
		if (takes_jobs(w, pool) &&
		    (best == NULL || w->nfree > best->nfree))
			best = w;
	return best != NULL ? slot_find_free(best) : NULL;
}

void
slot_reserve(struct proc_slot *s, struct job *job)
{
	s->state = SLOT_RESERVED;
	s->worker->nfree--;
	s->job = job;
	job->slot = s;
}

void
slot_arm(struct proc_slot *s, int64_t seconds)
{
	struct timeval tv = { .tv_sec = seconds };
	char id[TASK_ID_TEXT];

	if (evtimer_add(s->timer, &tv) == -1)
		log_error("timer-failed task=%s worker=%u slot=%u",
		    task_id_text(s->job->id, id), s->worker->number, s->index);
}

struct frame
slot_frame(const struct proc_slot *s, enum frame_kind kind)
{
	struct frame f = { .kind = kind };

	memcpy(f.u.job.id, s->job->id, TASK_ID_BYTES);
	f.u.job.attempt = s->job->attempt;
	f.u.job.slot = s->index;
	return f;
}

/* Tells the worker to stop this job, and arms the time after which it must. */
void
slot_warn(struct proc_slot *s, int64_t seconds)
{
	struct frame f = slot_frame(s, FRAME_CANCEL);

	s->warned = true;
	worker_tell(s->worker, &f);
	slot_arm(s, seconds);
}

static bool
pool_is_retiring(const struct proc *p, unsigned int pool)
{
	struct worker *w;

	DL_FOREACH(p->workers, w)
		if (w->pool == pool && worker_is_current(w) && w->nstuck > 0 &&
		    w->state == WORKER_RETIRING)
			return true;
	return false;
}

/*
 * A worker with a thread that never returns gets no more jobs, its place is
 * taken by a new one, and it is killed when its other jobs are done, or when
 * they have had their time.  One at a time: a module that hangs often must
 * not cost a pool all its workers at once.
 */
void
slot_retire_stuck(struct proc *p, unsigned int pool)
{
	struct worker *w;

	if (pool_is_retiring(p, pool))
		return;
	DL_FOREACH(p->workers, w)
		if (w->state == WORKER_READY && w->pool == pool &&
		    w->nstuck > 0)
			break;
	if (w == NULL)
		return;
	log_warn("worker-retired worker=%u stuck=%u", w->number, w->nstuck);
	worker_replace(w);
	worker_kill_later(w, w->grace_s);
	worker_retire(w);
}

/* A module is told first; then, as for exec at once, the time is up. */
void
slot_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct proc_slot *s = arg;
	struct worker *w = s->worker;
	struct proc_result result = { .end = PROC_OVERDUE };
	const struct conf_route *r = w->proc->events.route(s->job,
	    w->proc->events.arg);
	int64_t grace_s = r != NULL ? r->limits.grace_s :
	    w->proc->conf->limits.grace_s;
	struct job *job = s->job;

	(void)fd, (void)what;
	if (!s->warned) {
		slot_warn(s, grace_s);
		return;
	}
	s->state = SLOT_STUCK;
	s->job = NULL;
	memcpy(s->id, job->id, TASK_ID_BYTES);
	s->attempt = job->attempt;
	w->nstuck++;
	w->grace_s = grace_s;
	proc_job_end(w->proc, job, &result);
	worker_kill_when_idle(w);
	if (worker_is_current(w))
		slot_retire_stuck(w->proc, w->pool);
}
