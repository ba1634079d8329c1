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
		pid_t pgid = atomic_load(&pool->threads[i].slot->pgid);

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
wish_is_for(const struct wish *w, const unsigned char *id, uint32_t attempt)
{
	return w->attempt == attempt && memcmp(w->id, id, TASK_ID_BYTES) == 0;
}

/*
 * From here on the main thread can reach the job.  We are going to look whether
 * it is cancelled, and the bell's number is the main thread's: no need to ring.
 */
static void
thread_enter(struct pool_thread *t, struct job *job, uint32_t slot)
{
	struct pool *pool = t->pool;
	struct wish *w = &pool->wishes[slot];
	bool is_ours;

	pthread_mutex_lock(&pool->lock);
	t->job = job;
	is_ours = wish_is_for(w, job->id, job->attempt);
	if (is_ours && w->cancelled)
		atomic_store(&job->cancelled, true);
	if (is_ours && w->followed) {
		job_follow(job, true);
		pool->feeds = true;
		pool_tell(pool);
	}
	pthread_mutex_unlock(&pool->lock);
}

/* From here on it cannot. */
static void
thread_leave(struct pool_thread *t)
{
	pthread_mutex_lock(&t->pool->lock);
	t->job = NULL;
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

/* What came is a RUN; NULL if it is answered already. */
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
	job->slot = t->slot;
	thread_enter(t, job, f->u.run.slot);
	return job;
}

/* The next job, or NULL when there will be none. */
static struct job *
thread_wait(struct pool_thread *t)
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
thread_do(struct pool_thread *t, struct job *job)
{
	slate_set(t->slot, job->id, job->attempt);
	thread_run(t, job);
	thread_leave(t);
	log_debug("done task=%s attempt=%u outcome=%d reason=%s", job->id_text,
	    job->attempt, (int)job->outcome, job->reason);
	job_send_last_stderr(job);
	job_send_done(job);
	slate_clear(t->slot);
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
	struct job *job;

	if (t->pool->module != NULL && module_watch_thread(t->slot) == -1)
		log_error("watch-failed error=%m");
	thread_part(t);
	while ((job = thread_wait(t)) != NULL)
		thread_do(t, job);
	if (t->pool->module != NULL)
		module_unwatch_thread();
	if (atomic_fetch_sub(&t->pool->left, 1) == 1)
		pool_tell(t->pool);
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
	pool->wishes = calloc(slate->nslots, sizeof(*pool->wishes));
	pool->left = pool->nthreads = slate->nslots;
	pthread_mutex_init(&pool->lock, NULL);
	sem_init(&pool->parted, 0, 0);
	if (pool->news_fd == -1 || pool->threads == NULL ||
	    pool->wishes == NULL)
		return -1;
	for (i = 0; i < pool->nthreads; i++) {
		pool->threads[i].pool = pool;
		pool->threads[i].slot = &slate->slot[i];
		if (thread_start(&pool->threads[i]) == -1)
			return -1;
	}
	return pool_hang_bells(pool);
}

static void
thread_end(struct pool_thread *t)
{
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
	free(pool->wishes);
	free(pool->threads);
	close(pool->news_fd);
}

/* With the lock: the job, if a thread has it. */
static struct job *
pool_find(const struct pool *pool, const unsigned char *id, uint32_t attempt)
{
	for (unsigned int i = 0; i < pool->nthreads; i++) {
		struct job *job = pool->threads[i].job;

		if (job != NULL && job->attempt == attempt &&
		    memcmp(job->id, id, TASK_ID_BYTES) == 0)
			return job;
	}
	return NULL;
}

/* With the lock: what is said of a job that no thread has; NULL: nobody's. */
static struct wish *
pool_wish(struct pool *pool, uint32_t slot, const unsigned char *id,
    uint32_t attempt)
{
	struct wish *w;

	if (slot >= pool->nthreads)
		return NULL;
	w = &pool->wishes[slot];
	if (!wish_is_for(w, id, attempt)) {
		*w = (struct wish){ .attempt = attempt };
		memcpy(w->id, id, TASK_ID_BYTES);
	}
	return w;
}

void
pool_cancel(struct pool *pool, const struct frame *f)
{
	const unsigned char *id = f->u.job.id;
	uint32_t attempt = f->u.job.attempt;
	struct job *job;
	struct wish *w;

	pthread_mutex_lock(&pool->lock);
	job = pool_find(pool, id, attempt);
	if (job != NULL)
		job_cancel(job);
	else if ((w = pool_wish(pool, f->u.job.slot, id, attempt)) != NULL)
		w->cancelled = true;
	pthread_mutex_unlock(&pool->lock);
}

void
pool_follow(struct pool *pool, const struct frame *f)
{
	const unsigned char *id = f->u.follow.id;
	uint32_t attempt = f->u.follow.attempt;
	struct job *job;
	struct wish *w;

	pthread_mutex_lock(&pool->lock);
	job = pool_find(pool, id, attempt);
	if (job != NULL) {
		job_follow(job, f->u.follow.on);
		pool->feeds = true;
	} else if ((w = pool_wish(pool, f->u.follow.slot, id, attempt)) != NULL) {
		w->followed = f->u.follow.on;
	}
	pthread_mutex_unlock(&pool->lock);
}

/* It was asked for, so a thread has the job; or has given it up by now. */
void
pool_spool(struct pool *pool, const struct frame *f, int fd)
{
	struct job *job;

	pthread_mutex_lock(&pool->lock);
	job = pool_find(pool, f->u.job.id, f->u.job.attempt);
	if (job != NULL)
		job_spool(job, fd, f->u.job.error);
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
		struct job *job = pool->threads[i].job;

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
