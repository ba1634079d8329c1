#include "config.h"

#define HASH_NONFATAL_OOM 1	/* proc_reserve() looks whether it was added */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/master/proc.h"
#include "daemon/master/wire.h"

/*
 * An exec task's time is kept by its worker.  If that says nothing for so
 * much longer, the worker itself is in trouble.
 */
#define EXEC_MARGIN_S	10

/* A worker whose socket has ended is dead, or has so long to be it. */
#define SOCKET_END_S	2

enum slot_state { SLOT_FREE, SLOT_RESERVED, SLOT_BUSY, SLOT_STUCK };

/*
 * STARTING --HELLO--> READY --> RETIRING; any --DIED--> parked, and freed
 * when the turn ends.
 */
enum worker_state { WORKER_STARTING, WORKER_READY, WORKER_RETIRING };

struct proc_slot {
	struct worker	*worker;
	unsigned int	 index;
	enum slot_state	 state;
	struct job	*job;		/* RESERVED, BUSY */
	struct event	*timer;
	bool		 warned;	/* CANCEL was sent; next time the time is up */
	unsigned char	 id[TASK_ID_BYTES]; /* STUCK: with whose job */
	uint32_t	 attempt;
};

struct worker {
	struct worker	*prev, *next;
	struct proc	*proc;
	uint32_t	 number;
	enum worker_state state;
	unsigned int	 pool;		/* in the settings of `generation` */
	unsigned int	 generation;
	bool		 is_module;
	struct wire	 wire;
	struct slate	 slate;
	struct proc_slot *slots;
	unsigned int	 nslots, nfree, nstuck;
	struct event	*kill_timer;	/* RETIRING, stuck */
};

struct proc {
	struct event_base *base;
	const struct conf *conf;
	struct proc_events events;
	struct wire	 launcher;
	struct worker	*workers;	/* utlist */
	struct worker	*dead;		/* parked until the turn ends */
	struct event	*bury;
	uint32_t	 last_number;
	struct job	*jobs;		/* uthash by id: all that proc holds */
	struct job	*waiting;	/* utlist: their worker died before RUN */
};

/* --- jobs ------------------------------------------------------------- */

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

/* --- slots ------------------------------------------------------------ */

static void
slot_free(struct proc_slot *s)
{
	evtimer_del(s->timer);
	s->job = NULL;
	s->warned = false;
	s->state = SLOT_FREE;
	s->worker->nfree++;
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
static struct proc_slot *
slot_choose(struct proc *p, unsigned int pool)
{
	struct worker *w, *best = NULL;

	DL_FOREACH(p->workers, w)
		if (takes_jobs(w, pool) &&
		    (best == NULL || w->nfree > best->nfree))
			best = w;
	return best != NULL ? slot_find_free(best) : NULL;
}

static void
slot_reserve(struct proc_slot *s, struct job *job)
{
	s->state = SLOT_RESERVED;
	s->worker->nfree--;
	s->job = job;
	job->slot = s;
}

/* Gives the job back to its owner. */
static void
job_end(struct proc *p, struct job *job, const struct proc_result *result)
{
	job->held = false;
	job->slot = NULL;
	p->events.ended(job, result, p->events.arg);
}

static void
slot_arm(struct proc_slot *s, int64_t seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	if (evtimer_add(s->timer, &tv) == -1)
		log_error("timer-failed worker=%u slot=%u", s->worker->number,
		    s->index);
}

static void
tell(struct worker *w, const struct frame *f)
{
	if (w->wire.fd != -1 && wire_send(&w->wire, f, NULL) == -1)
		log_warn("worker-send worker=%u frame=%s error=\"%s\"",
		    w->number, frame_name(f->kind), strerror(errno));
}

/* Tells the worker to stop this job, and arms the time after which it must. */
static void
slot_warn(struct proc_slot *s, int64_t seconds)
{
	struct frame f = { .kind = FRAME_CANCEL };

	s->warned = true;
	memcpy(f.u.job.id, s->job->id, TASK_ID_BYTES);
	f.u.job.attempt = s->job->attempt;
	tell(s->worker, &f);
	slot_arm(s, seconds);
}

/* --- a worker's life ---------------------------------------------------- */

static void
worker_kill(struct worker *w, const char *why)
{
	struct frame f = { .kind = FRAME_KILL, .u.kill.worker = w->number };

	log_warn("worker-kill worker=%u reason=\"%s\"", w->number, why);
	if (wire_send(&w->proc->launcher, &f, NULL) == -1)
		log_error("launcher-send frame=KILL error=\"%s\"",
		    strerror(errno));
}

static void
worker_retire(struct worker *w)
{
	struct frame f = { .kind = FRAME_RETIRE };

	w->state = WORKER_RETIRING;
	tell(w, &f);
}

static void
worker_free(struct worker *w)
{
	for (unsigned int i = 0; i < w->nslots; i++)
		if (w->slots[i].timer != NULL)
			event_free(w->slots[i].timer);
	free(w->slots);
	if (w->kill_timer != NULL)
		event_free(w->kill_timer);
	wire_close(&w->wire);
	slate_unmap(&w->slate);
	free(w);
}

static void
spawn(struct proc *p, unsigned int pool)
{
	struct worker *w = calloc(1, sizeof(*w));
	struct frame f = { .kind = FRAME_SPAWN };

	if (w == NULL) {
		log_error("spawn-failed error=\"no memory\"");
		return;
	}
	w->proc = p;
	w->number = ++p->last_number;
	w->pool = pool;
	w->generation = p->conf->generation;
	w->is_module = p->conf->pools[pool].module != NULL;
	w->wire.fd = -1;
	DL_APPEND(p->workers, w);
	f.u.spawn.worker = w->number;
	f.u.spawn.pool = pool;
	f.u.spawn.generation = w->generation;
	if (wire_send(&p->launcher, &f, NULL) == -1)
		log_error("launcher-send frame=SPAWN error=\"%s\"",
		    strerror(errno));
}

static bool
is_current(const struct worker *w)
{
	return w->generation == w->proc->conf->generation;
}

static struct worker *
worker_find(struct proc *p, uint32_t number)
{
	struct worker *w;

	DL_SEARCH_SCALAR(p->workers, w, number, number);
	return w;
}

/* --- running jobs -------------------------------------------------------- */

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
	return wire_send(&s->worker->wire, &f, &m->body.fd);
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

/* False if the job has to wait for a slot. */
static bool
place(struct proc *p, struct job *job)
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
		return true;
	}
	if (s != NULL && (errno == EPIPE || errno == ECONNRESET))
		return true;	/* its worker's DIED will find the job another */
	if (job->slot != NULL)
		slot_free(job->slot);
	job_end(p, job, &result);
	return true;
}

static void
make_room(struct proc *p)
{
	struct job *list = p->waiting, *job, *tmp;

	p->waiting = NULL;
	DL_FOREACH_SAFE(list, job, tmp) {
		DL_DELETE(list, job);
		if (!place(p, job))
			DL_APPEND(p->waiting, job);
	}
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
}

void
proc_run(struct proc *p, struct job *job)
{
	job->held = true;
	if (!place(p, job))
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
		job_end(p, job, &result);
	} else if (job->slot->state == SLOT_RESERVED) {
		return;		/* place() will see that it is over */
	} else if (job->slot->worker->is_module) {
		slot_warn(job->slot, grace_s);
	} else {
		slot_warn(job->slot, 2 * grace_s + EXEC_MARGIN_S);
	}
}

/* --- stuck slots, and the retirement of their workers ------------------- */

static void
on_kill_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	worker_kill(arg, "it did not end in time");
}

static void
kill_later(struct worker *w, int64_t seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	if (w->kill_timer == NULL)
		w->kill_timer = evtimer_new(w->proc->base, on_kill_timer, w);
	if (w->kill_timer == NULL || evtimer_add(w->kill_timer, &tv) == -1)
		worker_kill(w, "no memory for its timer");
}

static bool
pool_is_retiring(const struct proc *p, unsigned int pool)
{
	struct worker *w;

	DL_FOREACH(p->workers, w)
		if (w->pool == pool && is_current(w) && w->nstuck > 0 &&
		    w->state == WORKER_RETIRING)
			return true;
	return false;
}

static bool
only_stuck_left(const struct worker *w)
{
	return w->nstuck > 0 && w->nfree + w->nstuck == w->nslots;
}

static void
kill_when_idle(struct worker *w)
{
	if (w->state == WORKER_RETIRING && only_stuck_left(w))
		worker_kill(w, "only jobs that do not return are left");
}

/*
 * A worker with a thread that never returns gets no more jobs, its place is
 * taken by a new one, and it is killed when its other jobs are done, or when
 * they have had their time.  One at a time: a module that hangs often must
 * not cost a pool all its workers at once.
 */
static void
retire_stuck(struct proc *p, unsigned int pool, int64_t grace_s)
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
	log_warn("worker-retire worker=%u stuck=%u", w->number, w->nstuck);
	worker_retire(w);
	spawn(p, pool);
	kill_later(w, grace_s);
	kill_when_idle(w);
}

/* A module is told first; then, as for exec at once, the time is up. */
static void
on_slot_timer(evutil_socket_t fd, short what, void *arg)
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
	job_end(w->proc, job, &result);
	if (is_current(w))
		retire_stuck(w->proc, w->pool, grace_s);
	else
		kill_when_idle(w);
}

/* --- frames from a worker ---------------------------------------------- */

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
		kill_when_idle(w);
		job_end(p, job, &result);
	} else if (!unstick(w, f->u.done.id, f->u.done.attempt)) {
		worker_kill(w, "DONE for a job that it does not have");
		return;
	}
	make_room(p);
}

static void
worker_need_spool(struct worker *w, const struct frame *f)
{
	struct job *job = job_of_frame(w, f->u.job.id, f->u.job.attempt);
	struct frame answer = *f;

	if (job == NULL || job->spool.fd != -1)
		return;
	answer.kind = FRAME_SPOOL;
	answer.u.job.error = 0;
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
		s->timer = evtimer_new(w->proc->base, on_slot_timer, s);
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
	make_room(w->proc);
}

static void
on_worker_frame(struct wire *wire, const struct frame *f, const int *fds)
{
	struct worker *w = wire->arg;

	(void)fds;
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
	default:
		worker_kill(w, "a frame that workers do not send");
		break;
	}
}

/*
 * Its death is the launcher's to report, in a moment.  If it is alive, it
 * has sent nonsense or closed its socket, and must not stay.
 */
static void
on_worker_end(struct wire *wire)
{
	struct worker *w = wire->arg;

	if (w->state != WORKER_RETIRING)
		kill_later(w, SOCKET_END_S);
}

/* --- frames from the launcher ------------------------------------------ */

static enum proc_end
verdict(const struct worker *w, const struct proc_slot *s, int *culprit)
{
	for (unsigned int i = 0; i < w->nslots; i++) {
		int signo = atomic_load(&w->slate.slot[i].signo);

		if (signo <= 0 || signo >= NSIG)
			continue;
		*culprit = signo;
		return i == s->index ? PROC_GUILTY : PROC_NEIGHBOUR;
	}
	return PROC_DIED;
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
		result.end = verdict(w, s, &result.signo);
		job_end(w->proc, job, &result);
	}
}

static void
on_bury(evutil_socket_t fd, short what, void *arg)
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
		if (w->pool == pool && is_current(w) &&
		    w->state != WORKER_RETIRING)
			n++;
	return n;
}

/*
 * The last frames of a dead worker may still lie in its socket: a DONE that
 * it sent is as good as any.
 */
static void
launcher_died(struct proc *p, const struct frame *f)
{
	struct worker *w = worker_find(p, f->u.died.worker);
	struct timeval now = { 0 };

	if (w == NULL) {
		log_warn("died-unknown worker=%u", f->u.died.worker);
		return;
	}
	if (w->wire.fd != -1)
		wire_read_out(&w->wire);
	log_info("worker-died worker=%u status=%d error=%d", w->number,
	    f->u.died.status, f->u.died.error);
	w->state = WORKER_RETIRING;
	DL_DELETE(p->workers, w);
	DL_APPEND(p->dead, w);
	end_jobs(w);
	(void)evtimer_add(p->bury, &now);
	if (is_current(w) && pool_count(p, w->pool) < p->conf->workers)
		spawn(p, w->pool);
	make_room(p);
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
		log_error("spawned-bad worker=%u", f->u.spawned.worker);
		return;
	}
	w->wire.on_frame = on_worker_frame;
	w->wire.on_end = on_worker_end;
	w->wire.arg = w;
	if (wire_open(&w->wire, p->base, fds[0]) == -1)
		worker_kill(w, "no memory for its socket");
	else if (w->state == WORKER_RETIRING)
		worker_retire(w);
}

static void
on_launcher_frame(struct wire *wire, const struct frame *f, const int *fds)
{
	struct proc *p = wire->arg;

	switch (f->kind) {
	case FRAME_SPAWNED:
		launcher_spawned(p, f, fds);
		break;
	case FRAME_DIED:
		launcher_died(p, f);
		break;
	case FRAME_DRAIN:
		p->events.drain(p->events.arg);
		break;
	case FRAME_RELOAD:
		p->events.reload(fds[0], f->u.reload.generation,
		    p->events.arg);
		break;
	default:
		log_error("bad-frame from=launcher frame=%s",
		    frame_name(f->kind));
		break;
	}
}

static void
on_launcher_end(struct wire *wire)
{
	struct proc *p = wire->arg;

	p->events.launcher_gone(p->events.arg);
}

/* --- the whole ----------------------------------------------------------- */

static void
spawn_all(struct proc *p)
{
	for (unsigned int pool = 0; pool < p->conf->npools; pool++)
		for (int64_t i = 0; i < p->conf->workers; i++)
			spawn(p, pool);
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
	p->launcher.on_frame = on_launcher_frame;
	p->launcher.on_end = on_launcher_end;
	p->launcher.arg = p;
	p->bury = evtimer_new(base, on_bury, p);
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
proc_set_conf(struct proc *p, const struct conf *conf)
{
	struct worker *w;

	DL_FOREACH(p->workers, w)
		worker_retire(w);
	p->conf = conf;
	spawn_all(p);
}
