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

static void
ring(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) == -1)
		log_error("bell-failed error=%m");
}

static void
await(sem_t *sem)
{
	while (sem_wait(sem) == -1)
		;	/* EINTR */
}

/* The next job, or NULL when there will be none. */
static struct job *
thread_wait(struct pool_thread *t)
{
	struct job *job;

	await(&t->given);
	pthread_mutex_lock(&t->lock);
	job = t->job;
	pthread_mutex_unlock(&t->lock);
	return job;
}

/* From here on the main thread cannot reach the job, and may bring the next. */
static void
thread_leave(struct pool_thread *t)
{
	pthread_mutex_lock(&t->lock);
	t->job = NULL;
	pthread_mutex_unlock(&t->lock);
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
	struct pool *pool = t->pool;

	slate_set(t->slot, job->id, job->attempt);
	job->slot = t->slot;
	job->ear = t->ear;
	thread_run(t, job);
	thread_leave(t);
	log_debug("done task=%s attempt=%u outcome=%d reason=%s", job->id_text,
	    job->attempt, (int)job->outcome, job->reason);
	job_send_last_stderr(job);
	job_send_done(job);
	slate_clear(t->slot);
	job_free(job);
	if (atomic_fetch_sub(&pool->busy, 1) == 1 &&
	    atomic_load(&pool->retiring))
		ring(pool->idle_fd);
}

/* The bells are opened when all have parted: see pool_hang_bells(). */
static void
thread_part(struct pool_thread *t)
{
	const struct fdtable *fds = &t->pool->world.fds;

	fdtable_part(fds);
	sem_post(&t->pool->parted);
	await(&t->given);
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

	pthread_mutex_init(&t->lock, NULL);
	sem_init(&t->given, 0, 0);
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
		sem_post(&t->given);
	}
	return 0;
}

int
pool_init(struct pool *pool, const struct job_world *world,
    const struct slate *slate, const struct module *module)
{
	unsigned int i;

	memset(pool, 0, sizeof(*pool));
	pool->world = *world;
	pool->module = module;
	pool->stack_bytes = module ? STACK_MODULE_BYTES : STACK_EXEC_BYTES;
	pool->idle_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pool->threads = calloc(slate->nslots, sizeof(*pool->threads));
	pool->nthreads = slate->nslots;
	sem_init(&pool->parted, 0, 0);
	if (pool->idle_fd == -1 || pool->threads == NULL)
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
	sem_post(&t->given);
	pthread_join(t->id, NULL);
	sem_destroy(&t->given);
	pthread_mutex_destroy(&t->lock);
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
	free(pool->threads);
	close(pool->idle_fd);
}

/* Woken with the lock free, or it would run into it. */
static bool
thread_give(struct pool_thread *t, struct job *job)
{
	bool is_free;

	job->bell = t->bell;
	pthread_mutex_lock(&t->lock);
	is_free = t->job == NULL;
	if (is_free) {
		atomic_fetch_add(&t->pool->busy, 1);
		t->job = job;
	}
	pthread_mutex_unlock(&t->lock);
	if (is_free)
		sem_post(&t->given);
	return is_free;
}

int
pool_run(struct pool *pool, const struct frame *f, int fd)
{
	struct job *job = job_new(&pool->world, f, fd);

	if (job == NULL) {
		job_send_refusal(&pool->world, f);
		return 0;
	}
	if (f->u.run.slot < pool->nthreads &&
	    thread_give(&pool->threads[f->u.run.slot], job))
		return 0;
	job_free(job);
	return -1;
}

/*
 * The thread that has this job, locked so that it stays; or NULL.  All frames
 * about a job begin with its id and attempt.
 */
static struct pool_thread *
pool_hold(struct pool *pool, const struct frame *f)
{
	struct pool_thread *t;
	unsigned int i;

	for (i = 0; i < pool->nthreads; i++) {
		t = &pool->threads[i];
		pthread_mutex_lock(&t->lock);
		if (t->job != NULL && t->job->attempt == f->u.job.attempt &&
		    memcmp(t->job->id, f->u.job.id, TASK_ID_BYTES) == 0)
			return t;
		pthread_mutex_unlock(&t->lock);
	}
	return NULL;
}

void
pool_cancel(struct pool *pool, const struct frame *f)
{
	struct pool_thread *t = pool_hold(pool, f);

	if (t == NULL)
		return;		/* its DONE is on the way */
	job_cancel(t->job);
	pthread_mutex_unlock(&t->lock);
}

void
pool_spool(struct pool *pool, const struct frame *f, int fd)
{
	struct pool_thread *t = pool_hold(pool, f);

	if (t == NULL) {
		if (fd != -1)
			close(fd);
		return;
	}
	job_spool(t->job, fd, f->u.job.error);
	pthread_mutex_unlock(&t->lock);
}

void
pool_follow(struct pool *pool, const struct frame *f)
{
	struct pool_thread *t = pool_hold(pool, f);

	if (t == NULL)
		return;
	job_follow(t->job, f->u.follow.on);
	pool->feeds = true;
	pthread_mutex_unlock(&t->lock);
}

bool
pool_feed(struct pool *pool)
{
	struct pool_thread *t;
	bool any = false;
	unsigned int i;

	if (!pool->feeds)
		return false;
	for (i = 0; i < pool->nthreads; i++) {
		t = &pool->threads[i];
		pthread_mutex_lock(&t->lock);
		if (t->job != NULL && t->job->followed) {
			job_send_stderr(t->job);
			any = true;
		}
		pthread_mutex_unlock(&t->lock);
	}
	return pool->feeds = any;
}

void
pool_retire(struct pool *pool)
{
	atomic_store(&pool->retiring, true);
	if (atomic_load(&pool->busy) == 0)
		ring(pool->idle_fd);
}
