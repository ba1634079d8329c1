/*
 * proc_launcher - what the launcher says: workers that live, workers that died.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/master/proc_priv.h"

#define ASK_TEXT_MAX	1024	/* bytes of what the launcher says, and NUL */

/* What crashed this thread, or 0.  User code can write there what it likes. */
static int
signal_of(const struct slate_slot *thread)
{
	int signo = atomic_load(&thread->signo);

	return (signo > 0 && signo < NSIG) || signo == SLATE_EXIT ? signo : 0;
}

static bool
has_job(const struct slate_slot *thread, const struct job *job)
{
	return atomic_load(&thread->attempt) == job->attempt &&
	    memcmp(thread->task, job->id, TASK_ID_BYTES) == 0;
}

/* More than one thread can crash before the process is gone. */
static enum proc_end
verdict(const struct worker *w, const struct job *job, int *signo)
{
	enum proc_end end = PROC_DIED;

	for (unsigned int i = 0; i < w->slate.nslots; i++) {
		const struct slate_slot *thread = &w->slate.slot[i];
		int by = signal_of(thread);

		if (by != 0 && has_job(thread, job)) {
			*signo = by;
			return PROC_GUILTY;
		}
		if (by != 0)
			end = PROC_NEIGHBOUR;
	}
	return end;
}

/* Nothing was sent yet: it will have another slot. */
static void
keep_reserved(struct proc *p, struct job *job)
{
	job->slot = NULL;
	if (job->held)
		DL_APPEND(p->waiting, job);
}

static void
end_jobs(struct worker *w)
{
	for (unsigned int i = 0; i < w->nslots; i++) {
		struct proc_slot *s = &w->slots[i];
		struct proc_result result = { 0 };
		struct job *job = s->job;

		evtimer_del(s->timer);
		s->job = NULL;
		if (job == NULL)
			continue;
		if (s->state == SLOT_RESERVED) {
			keep_reserved(w->proc, job);
			continue;
		}
		result.end = verdict(w, job, &result.signo);
		proc_job_end(w->proc, job, &result);
	}
}

void
proc_on_bury(evutil_socket_t fd, short what, void *arg)
{
	struct proc *p = arg;
	struct worker *w, *tmp;

	(void)fd, (void)what;
	DL_FOREACH_SAFE(p->dead, w, tmp) {
		DL_DELETE(p->dead, w);
		worker_free(w);
	}
}

/* How many workers of a pool there are that can take jobs, or will. */
static int64_t
pool_count(const struct proc *p, unsigned int pool)
{
	struct worker *w;
	int64_t n = 0;

	DL_FOREACH(p->workers, w)
		if (w->pool == pool && worker_is_current(w) &&
		    w->state != WORKER_RETIRING)
			n++;
	return n;
}

/*
 * The last frames of a dead worker may still lie in its socket: a DONE that
 * it sent is as good as any.  But no job goes there any more.
 */
static void
launcher_died(struct proc *p, const struct frame *f)
{
	struct worker *w = worker_find(p, f->u.died.worker);
	struct timeval now = { 0 };

	if (w == NULL) {
		log_warn("worker-unknown worker=%u", f->u.died.worker);
		return;
	}
	w->state = WORKER_RETIRING;
	if (w->wire.fd != -1)
		wire_read_out(&w->wire);
	log_debug("worker-gone worker=%u", w->number);
	DL_DELETE(p->workers, w);
	DL_APPEND(p->dead, w);
	end_jobs(w);
	(void)evtimer_add(p->bury, &now);
	if (worker_is_current(w) && pool_count(p, w->pool) < p->conf->workers)
		worker_replace(w);
	if (worker_is_current(w))
		slot_retire_stuck(p, w->pool);
	proc_make_room(p);
}

static void
launcher_spawned(struct proc *p, const struct frame *f, const int *fds)
{
	struct worker *w = worker_find(p, f->u.spawned.worker);
	bool ok = w != NULL && w->wire.fd == -1 &&
	    slate_map_reader(&w->slate, fds[1]) == 0;

	close(fds[1]);
	if (!ok) {
		close(fds[0]);
		close(fds[2]);
		log_error("worker-unusable worker=%u", f->u.spawned.worker);
		return;
	}
	w->wire.on_frame = worker_on_frame;
	w->wire.on_end = w->jobs.on_end = worker_on_end;
	w->jobs.on_frame = worker_on_jobs_frame;
	w->wire.arg = w->jobs.arg = w;
	ok = wire_open(&w->wire, p->base, fds[0]) == 0;
	ok = wire_open(&w->jobs, p->base, fds[2]) == 0 && ok;
	if (!ok)
		worker_kill(w, "no memory for its sockets");
	else if (w->state == WORKER_RETIRING)
		worker_retire(w);
}

int
proc_ask(struct proc *p, struct asking *a)
{
	struct frame f = { .kind = FRAME_ASK };

	f.u.ask.what = (uint32_t)a->what;
	if (wire_send(&p->launcher, &f, NULL) == -1)
		return -1;
	LL_APPEND(p->asking, a);
	return 0;
}

static void
launcher_told(struct proc *p, const struct frame *f)
{
	const struct frame_bytes *said = &f->u.told.text;
	struct asking *a = p->asking;
	char text[ASK_TEXT_MAX];

	if (a == NULL || f->u.told.what != (uint32_t)a->what) {
		log_error("told-unasked what=%u", f->u.told.what);
		return;
	}
	(void)snprintf(text, sizeof(text), "%.*s",
	    (int)(said->len < sizeof(text) ? said->len : sizeof(text)),
	    (const char *)said->data);
	LL_DELETE(p->asking, a);
	a->done(a, f->u.told.how, text);
}

void
proc_on_launcher_frame(struct wire *wire, const struct frame *f, const int *fds)
{
	struct proc *p = wire->arg;

	switch (f->kind) {
	case FRAME_SPAWNED:
		launcher_spawned(p, f, fds);
		break;
	case FRAME_DIED:
		launcher_died(p, f);
		break;
	case FRAME_TOLD:
		launcher_told(p, f);
		break;
	case FRAME_DRAIN:
		p->events.drain(f->u.drain.heir != 0, p->events.arg);
		break;
	case FRAME_RELOAD:
		p->events.reload(fds[0], f->u.reload.generation,
		    p->events.arg);
		break;
	default:
		proc_close_fds(f, fds);
		log_error("frame-bad from=launcher frame=%s",
		    frame_name(f->kind));
		break;
	}
}

void
proc_on_launcher_end(struct wire *wire)
{
	struct proc *p = wire->arg;

	p->events.launcher_gone(p->events.arg);
}
