/*
 * pool - the threads of a worker, one job each.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/nitems.h"
#include "ipc/sock.h"
#include "daemon/log.h"
#include "daemon/worker/exec.h"
#include "daemon/worker/pool.h"

/*
 * Stacks are reserved, not used; a program needs little to be looked after,
 * what a module needs nobody knows.
 */
#define STACK_EXEC_BYTES	((size_t)1024 * 1024)
#define STACK_MODULE_BYTES	((size_t)8 * 1024 * 1024)
#define STACK_GUARD_BYTES	((size_t)64 * 1024)

void
pool_die(const struct pool *pool, int status)
{
	job_mute();
	for (unsigned int i = 0; i < pool->nthreads; i++) {
		pid_t pgid = atomic_load(&pool->threads[i].slate->pgid);

		if (pgid > 1)
			kill(-pgid, SIGKILL);
	}
	_exit(status);
}

/* The main thread shall look. */
static void
pool_tell(struct pool *pool)
{
	const uint64_t one = 1;

	if (write(pool->news_fd, &one, sizeof(one)) == -1)
		log_error("bell-failed error=%m");
}

static void
await(sem_t *sem)
{
	while (sem_wait(sem) == -1)
		;	/* EINTR */
}

static bool
slot_is_for(const struct pool_slot *s, const unsigned char *id,
    uint32_t attempt)
{
	return s->attempt == attempt && memcmp(s->id, id, TASK_ID_BYTES) == 0;
}

/* Of the job before nothing more can come. */
static void
slot_begin(struct pool_slot *s, const unsigned char *id, uint32_t attempt)
{
	*s = (struct pool_slot){ .attempt = attempt };
	memcpy(s->id, id, TASK_ID_BYTES);
}

/*
 * From here on the main thread can reach the job.  We are going to look whether
 * it is cancelled, and the bell's number is the main thread's: no need to ring.
 */
static void
thread_enter(struct pool_thread *t, struct pool_slot *s, struct job *job)
{
	struct pool *pool = t->pool;

	pthread_mutex_lock(&pool->lock);
	if (!slot_is_for(s, job->id, job->attempt))
		slot_begin(s, job->id, job->attempt);
	s->job = job;
	atomic_store(&job->cancelled, s->cancelled);
	if (s->followed) {
		job_follow(job, true);
		pool->feeds = true;
		pool_tell(pool);
	}
	pthread_mutex_unlock(&pool->lock);
}

/* From here on it cannot. */
static void
thread_leave(struct pool_thread *t, struct pool_slot *s)
{
	pthread_mutex_lock(&t->pool->lock);
	s->job = NULL;
	pthread_mutex_unlock(&t->pool->lock);
}

/*
 * A RUN whose body could not come along, since the worker has as many
 * descriptors as it may: perhaps a task has lowered its limits.
 */
static void
thread_refuse(struct pool_thread *t, const struct frame *run)
{
	rlimit_want(&t->pool->world.limits);
	job_send_refusal(&t->pool->world, run,
	    "the worker had no descriptor for the request's body");
}

/* What came is a RUN, in the packet; NULL if it is answered already. */
static struct job *
thread_accept(struct pool_thread *t, const struct frame *f, int nfds, int fd)
{
	struct job *job;

	if (nfds < frame_fds(f)) {
		thread_refuse(t, f);
		return NULL;
	}
	job = job_new(&t->pool->world, f, fd);
	if (job == NULL) {
		job_send_refusal(&t->pool->world, f,
		    "the worker had no memory for it");
		return NULL;
	}
	job->bell = t->bell;
	job->ear = t->ear;
	job->slate = t->slate;
	return job;
}

/* The next job and its slot, or NULL when there will be none. */
static struct job *
thread_wait(struct pool_thread *t, struct pool_slot **slot)
{
	int fds[SOCK_FDS_MAX], nfds;
	struct job *job = NULL;
	bool truncated;
	struct frame f;
	ssize_t n;

	while (job == NULL) {
		n = sock_recv(t->pool->jobs_fd, t->packet, FRAME_MAX, 0, fds,
		    &nfds, &truncated);
		if (n == 0)
			return NULL;
		if (n == -1 || frame_decode(&f, t->packet, (size_t)n) == -1 ||
		    f.kind != FRAME_RUN || nfds > frame_fds(&f) ||
		    f.u.run.slot >= t->pool->nthreads) {
			log_error("frame-bad bytes=%zd descriptors=%d", n, nfds);
			pool_die(t->pool, 1);
		}
		job = thread_accept(t, &f, nfds, nfds == 1 ? fds[0] : -1);
	}
	*slot = &t->pool->slots[f.u.run.slot];
	return job;
}

static void
thread_run(struct pool_thread *t, struct job *job)
{
	if (!job_prepare(job))
		return;
	if (atomic_load(&job->cancelled))
		job_end(job, OUTCOME_CANCELLED, "cancelled");
	else if (t->pool->module != NULL)
		module_run(t->pool->module, job);
	else
		exec_run(job);
}

/* The slate names the task from before its code runs until it is answered. */
static void
thread_do(struct pool_thread *t, struct pool_slot *slot, struct job *job)
{
	slate_set(t->slate, job->id, job->attempt);
	thread_enter(t, slot, job);
	thread_run(t, job);
	thread_leave(t, slot);
	log_debug("done task=%s attempt=%u outcome=%d reason=%s", job->id_text,
	    job->attempt, (int)job->outcome, job->reason);
	job_send_last_stderr(job);
	job_send_done(job);
	slate_clear(t->slate);
	job_free(job);
}

/* The bells are opened when all have parted: see pool_hang_bells(). */
static void
thread_part(struct pool_thread *t)
{
	const struct fdtable *fds = &t->pool->world.fds;

	fdtable_part(fds);
	sem_post(&t->pool->parted);
	await(&t->hung);
	t->ear = fdtable_copy(fds, t->bell);
	if (t->ear == -1)
		log_fatal("fatal error=%m");
}

static void *
thread_main(void *arg)
{
	struct pool_thread *t = arg;
	struct pool_slot *slot;
	struct job *job;

	if (t->pool->module != NULL && module_watch_thread(t->slate) == -1)
		log_error("watch-failed error=%m");
	thread_part(t);
	while ((job = thread_wait(t, &slot)) != NULL)
		thread_do(t, slot, job);
	if (t->pool->module != NULL)
		module_unwatch_thread();
	if (atomic_fetch_sub(&t->pool->left, 1) == 1)
		pool_tell(t->pool);
	await(&t->hung);	/* to be joined; not if the master has died */
	return NULL;
}

/*
 * Mapped here rather than by the C library, for one reason: where huge pages
 * are the default, the first touch of a large stack would cost 2 MiB.
 */
static int
thread_map_stack(struct pool_thread *t, pthread_attr_t *attr)
{
	size_t size = t->pool->stack_bytes;

	t->stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
	    MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (t->stack == MAP_FAILED)
		return -1;
	madvise(t->stack, size, MADV_NOHUGEPAGE);
	if (mprotect(t->stack, STACK_GUARD_BYTES, PROT_NONE) == -1)
		return -1;
	errno = pthread_attr_setstack(attr, (char *)t->stack +
	    STACK_GUARD_BYTES, size - STACK_GUARD_BYTES);
	return errno == 0 ? 0 : -1;
}

/*
 * A thread that starts programs must take no signal while a child borrows
 * its memory.  But for these:
 *
 * SIGCHLD nobody waits for: where it is blocked it is kept, and wakes the
 * main thread; where it is not, it is dropped.
 *
 * A fault kills, blocked or not; blocked, it does so before a sanitizer can
 * say why.  Nobody else handles these: one that is sent to the child kills it,
 * and it only, as a SIGKILL would.
 */
static int
thread_block_signals(pthread_attr_t *attr)
{
	static const int harmless[] = { SIGCHLD, SIGSEGV, SIGBUS, SIGFPE,
	    SIGILL, SIGABRT, SIGTRAP, SIGSYS };
	sigset_t set;
	size_t i;

	sigfillset(&set);
	for (i = 0; i < nitems(harmless); i++)
		sigdelset(&set, harmless[i]);
	errno = pthread_attr_setsigmask_np(attr, &set);
	return errno == 0 ? 0 : -1;
}

static int
thread_start(struct pool_thread *t)
{
	pthread_attr_t attr;
	int ok;

	sem_init(&t->hung, 0, 0);
	t->packet = malloc(FRAME_MAX);
	if (t->packet == NULL)
		return -1;
	pthread_attr_init(&attr);
	ok = thread_map_stack(t, &attr);
	if (ok == 0 && t->pool->module == NULL)
		ok = thread_block_signals(&attr);
	if (ok == 0 && (errno = pthread_create(&t->id, &attr, thread_main,
	    t)) != 0)
		ok = -1;
	pthread_attr_destroy(&attr);
	return ok;
}

/*
 * Not before all threads have a table of their own, if they shall: so none has
 * the bell of another.
 */
static int
pool_hang_bells(struct pool *pool)
{
	struct pool_thread *t;
	unsigned int i;

	for (i = 0; i < pool->nthreads; i++)
		await(&pool->parted);
	for (i = 0; i < pool->nthreads; i++) {
		t = &pool->threads[i];
		t->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (t->bell == -1)
			return -1;
		sem_post(&t->hung);
	}
	return 0;
}

int
pool_init(struct pool *pool, int jobs_fd, const struct job_world *world,
    const struct slate *slate, const struct module *module)
{
	unsigned int i;

	memset(pool, 0, sizeof(*pool));
	pool->world = *world;
	pool->module = module;
	pool->jobs_fd = jobs_fd;
	pool->stack_bytes = module ? STACK_MODULE_BYTES : STACK_EXEC_BYTES;
	pool->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pool->threads = calloc(slate->nslots, sizeof(*pool->threads));
	pool->slots = calloc(slate->nslots, sizeof(*pool->slots));
	pool->left = pool->nthreads = slate->nslots;
	pthread_mutex_init(&pool->lock, NULL);
	sem_init(&pool->parted, 0, 0);
	if (pool->news_fd == -1 || pool->threads == NULL ||
	    pool->slots == NULL)
		return -1;
	for (i = 0; i < pool->nthreads; i++) {
		pool->threads[i].pool = pool;
		pool->threads[i].slate = &slate->slot[i];
		if (thread_start(&pool->threads[i]) == -1)
			return -1;
	}
	return pool_hang_bells(pool);
}

static void
thread_end(struct pool_thread *t)
{
	sem_post(&t->hung);
	pthread_join(t->id, NULL);
	sem_destroy(&t->hung);
	free(t->packet);
	close(t->bell);
	munmap(t->stack, t->pool->stack_bytes);
}

void
pool_fini(struct pool *pool)
{
	unsigned int i;

	for (i = 0; i < pool->nthreads; i++)
		thread_end(&pool->threads[i]);
	sem_destroy(&pool->parted);
	pthread_mutex_destroy(&pool->lock);
	free(pool->slots);
	free(pool->threads);
	close(pool->news_fd);
}

/* With the lock: the slot of this frame's job; NULL if it has another by now. */
static struct pool_slot *
pool_find(struct pool *pool, const struct frame *f)
{
	const unsigned char *id = f->u.job.id;
	uint32_t attempt = f->u.job.attempt;
	struct pool_slot *s;

	if (f->u.job.slot >= pool->nthreads)
		return NULL;
	s = &pool->slots[f->u.job.slot];
	if (slot_is_for(s, id, attempt))
		return s;
	if (s->job != NULL)
		return NULL;
	slot_begin(s, id, attempt);
	return s;
}

void
pool_cancel(struct pool *pool, const struct frame *f)
{
	struct pool_slot *s;

	pthread_mutex_lock(&pool->lock);
	s = pool_find(pool, f);
	if (s != NULL)
		s->cancelled = true;
	if (s != NULL && s->job != NULL)
		job_cancel(s->job);
	pthread_mutex_unlock(&pool->lock);
}

void
pool_follow(struct pool *pool, const struct frame *f)
{
	struct pool_slot *s;

	pthread_mutex_lock(&pool->lock);
	s = pool_find(pool, f);
	if (s != NULL)
		s->followed = f->u.job.on;
	if (s != NULL && s->job != NULL) {
		job_follow(s->job, s->followed);
		pool->feeds = true;
	}
	pthread_mutex_unlock(&pool->lock);
}

void
pool_spool(struct pool *pool, const struct frame *f, int fd)
{
	struct pool_slot *s;

	pthread_mutex_lock(&pool->lock);
	s = pool_find(pool, f);
	if (s != NULL && s->job != NULL)
		job_spool(s->job, fd, f->u.job.error);
	else if (fd != -1)
		close(fd);
	pthread_mutex_unlock(&pool->lock);
}

bool
pool_feed(struct pool *pool)
{
	bool any = false;

	pthread_mutex_lock(&pool->lock);
	for (unsigned int i = 0; pool->feeds && i < pool->nthreads; i++) {
		struct job *job = pool->slots[i].job;

		if (job != NULL && job->followed) {
			job_send_stderr(job);
			any = true;
		}
	}
	pool->feeds = any;
	pthread_mutex_unlock(&pool->lock);
	return any;
}

bool
pool_is_over(struct pool *pool)
{
	uint64_t rings;

	if (read(pool->news_fd, &rings, sizeof(rings)) == -1)
		return false;		/* EAGAIN: no news */
	return atomic_load(&pool->left) == 0;
}
