/*
 * worker - a worker process: its life, and what it says.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/master/proc_priv.h"

void
worker_tell(struct worker *w, const struct frame *f)
{
	if (w->wire.fd != -1 && wire_send(&w->wire, f, NULL) == -1)
		log_warn("send-failed worker=%u frame=%s error=%m",
		    w->number, frame_name(f->kind));
}

void
worker_kill(struct worker *w, const char *why)
{
	struct frame f = { .kind = FRAME_KILL, .u.kill.worker = w->number };

	log_warn("worker-killed worker=%u reason=%s", w->number, why);
	w->state = WORKER_RETIRING;
	if (wire_send(&w->proc->launcher, &f, NULL) == -1)
		log_error("send-failed to=launcher frame=KILL error=%m");
}

static void
on_kill_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	worker_kill(arg, "it did not end in time");
}

void
worker_kill_later(struct worker *w, int64_t seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	if (w->kill_timer == NULL)
		w->kill_timer = evtimer_new(w->proc->base, on_kill_timer, w);
	if (w->kill_timer == NULL || evtimer_add(w->kill_timer, &tv) == -1)
		worker_kill(w, "no memory for its timer");
}

static bool
only_stuck_left(const struct worker *w)
{
	return w->nstuck > 0 && w->nfree + w->nstuck == w->nslots;
}

void
worker_kill_when_idle(struct worker *w)
{
	if (w->state == WORKER_RETIRING && only_stuck_left(w))
		worker_kill(w, "only jobs that do not return are left");
}

void
worker_retire(struct worker *w)
{
	w->state = WORKER_RETIRING;
	wire_end(&w->jobs);
	worker_kill_when_idle(w);
}

void
worker_free(struct worker *w)
{
	for (unsigned int i = 0; i < w->nslots; i++)
		if (w->slots[i].timer != NULL)
			event_free(w->slots[i].timer);
	free(w->slots);
	if (w->kill_timer != NULL)
		event_free(w->kill_timer);
	wire_close(&w->wire);
	wire_close(&w->jobs);
	slate_unmap(&w->slate);
	free(w);
}

void
worker_spawn(struct proc *p, unsigned int pool)
{
	struct code *code = proc_code(p, &p->conf->pools[pool]);
	struct worker *w = code != NULL ? calloc(1, sizeof(*w)) : NULL;
	struct frame f = { .kind = FRAME_SPAWN };

	if (w == NULL) {
		log_error("worker-failed error=%s", "no memory");
		return;
	}
	w->proc = p;
	w->number = ++p->last_number;
	w->pool = pool;
	w->generation = p->conf->generation;
	w->code = code;
	w->is_module = code->module != NULL;
	w->wire.fd = w->jobs.fd = -1;
	DL_APPEND(p->workers, w);
	f.u.spawn.worker = w->number;
	f.u.spawn.pool = pool;
	f.u.spawn.generation = w->generation;
	if (wire_send(&p->launcher, &f, NULL) == -1)
		log_error("send-failed to=launcher frame=SPAWN error=%m");
}

void
worker_replace(const struct worker *w)
{
	w->code->restarts++;
	worker_spawn(w->proc, w->pool);
}

bool
worker_is_current(const struct worker *w)
{
	return w->generation == w->proc->conf->generation;
}

struct worker *
worker_find(struct proc *p, uint32_t number)
{
	struct worker *w;

	DL_SEARCH_SCALAR(p->workers, w, number, number);
	return w;
}

/* The job that a frame speaks of, if this worker has it. */
static struct job *
job_of_frame(struct worker *w, const unsigned char *id, uint32_t attempt)
{
	struct job *job = proc_find(w->proc, id);

	if (job == NULL || job->attempt != attempt || job->slot == NULL ||
	    job->slot->worker != w || job->slot->state != SLOT_BUSY)
		return NULL;
	return job;
}

/* A thread that was given up has come back after all: its slot is good. */
static bool
unstick(struct worker *w, const unsigned char *id, uint32_t attempt)
{
	for (unsigned int i = 0; i < w->nslots; i++) {
		struct proc_slot *s = &w->slots[i];

		if (s->state == SLOT_STUCK && s->attempt == attempt &&
		    memcmp(s->id, id, TASK_ID_BYTES) == 0) {
			w->nstuck--;
			slot_free(s);
			return true;
		}
	}
	return false;
}

static void
worker_done(struct worker *w, const struct frame *f)
{
	struct job *job = job_of_frame(w, f->u.done.id, f->u.done.attempt);
	struct proc_result result = { .end = PROC_DONE, .frame = f };
	struct proc *p = w->proc;

	if (job != NULL) {
		/* A module that came back only after its time: too late. */
		if (w->is_module && job->slot->warned)
			result.end = PROC_OVERDUE;
		slot_free(job->slot);
		proc_job_end(p, job, &result);
	} else if (!unstick(w, f->u.done.id, f->u.done.attempt)) {
		worker_kill(w, "DONE for a job that it does not have");
		return;
	}
	proc_make_room(p);
}

static void
worker_need_spool(struct worker *w, const struct frame *f)
{
	struct job *job = job_of_frame(w, f->u.job.id, f->u.job.attempt);
	struct frame answer;

	if (job == NULL || job->spool.fd != -1)
		return;
	answer = slot_frame(job->slot, FRAME_SPOOL);
	if (w->proc->events.spool(job, w->proc->events.arg) == -1)
		answer.u.job.error = errno != 0 ? errno : EIO;
	if (wire_send(&w->wire, &answer, &job->spool.fd) == -1)
		worker_kill(w, "SPOOL could not be sent");
}

static void
worker_progress(struct worker *w, const struct frame *f)
{
	struct job *job = job_of_frame(w, f->u.progress.id,
	    f->u.progress.attempt);
	size_t len = f->u.progress.message.len;

	if (job == NULL)
		return;
	if (len > JOB_MESSAGE_MAX - 1)
		len = JOB_MESSAGE_MAX - 1;
	memcpy(job->message, f->u.progress.message.data, len);
	job->message[len] = '\0';
	job->percent = (int)f->u.progress.percent;
}

/* One that comes when nobody follows any more was under way. */
static void
worker_stderr(struct worker *w, const struct frame *f)
{
	struct job *job = job_of_frame(w, f->u.err.id, f->u.err.attempt);

	if (job != NULL && job->followed)
		w->proc->events.said(job, f, w->proc->events.arg);
}

static void
worker_hello(struct worker *w, const struct frame *f)
{
	unsigned int n = f->u.hello.slots;

	if (f->u.hello.version != FRAME_VERSION || w->slots != NULL ||
	    n == 0 || n > w->slate.nslots) {
		worker_kill(w, "bad HELLO");
		return;
	}
	w->slots = calloc(n, sizeof(*w->slots));
	for (unsigned int i = 0; w->slots != NULL && i < n; i++) {
		struct proc_slot *s = &w->slots[i];

		s->worker = w;
		s->index = i;
		s->timer = evtimer_new(w->proc->base, slot_on_timer, s);
		if (s->timer == NULL)
			break;
		w->nslots = w->nfree = i + 1;
	}
	if (w->nslots != n) {
		worker_kill(w, "no memory for its slots");
		return;
	}
	if (w->state == WORKER_STARTING)
		w->state = WORKER_READY;
	log_info("worker-ready worker=%u pid=%u slots=%u", w->number,
	    f->u.hello.pid, n);
	proc_make_room(w->proc);
}

void
worker_on_frame(struct wire *wire, const struct frame *f, const int *fds)
{
	struct worker *w = wire->arg;

	switch (f->kind) {
	case FRAME_HELLO:
		worker_hello(w, f);
		break;
	case FRAME_DONE:
		worker_done(w, f);
		break;
	case FRAME_NEED_SPOOL:
		worker_need_spool(w, f);
		break;
	case FRAME_PROGRESS:
		worker_progress(w, f);
		break;
	case FRAME_STDERR:
		worker_stderr(w, f);
		break;
	default:
		proc_close_fds(f, fds);
		worker_kill(w, "a frame that workers do not send");
		break;
	}
}

void
worker_on_jobs_frame(struct wire *wire, const struct frame *f, const int *fds)
{
	proc_close_fds(f, fds);
	worker_kill(wire->arg, "it has answered where it is only asked");
}

/*
 * Its death is the launcher's to report, in a moment.  If it is alive, it
 * has sent nonsense or closed a socket, and must not stay; nor must a job
 * go there meanwhile.
 */
void
worker_on_end(struct wire *wire)
{
	struct worker *w = wire->arg;

	w->state = WORKER_RETIRING;
	worker_kill_later(w, SOCKET_END_S);
}
