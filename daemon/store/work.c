/*
 * work - threads that do what the loop must not wait for.
 *
 * Two lists under one lock: what is to be run, and what has run.  A thread
 * that puts the first piece on an empty done list writes to an eventfd; the
 * loop then takes the whole list at once and calls back without the lock.
 * So a busy pool costs one wake-up per turn of the loop, not one per piece.
 *
 * Work that may never return gets a thread that nobody waits for, and comes
 * back in the same way, if it does.
 *
 * Threads block all signals: those are for the loop.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "daemon/store/work.h"

#define ALONE_MAX	64	/* threads that may never return */
#define SETTLE_S	1

struct work_list {
	struct work	*head, *tail;
};

struct work_pool {
	/* the loop's */
	struct event	*wakeup;
	int		 fd;		/* eventfd, behind `wakeup` */
	int		 nthreads;

	pthread_mutex_t	 lock;		/* guards what follows */
	pthread_cond_t	 more;
	struct work_list todo;
	struct work_list done;
	struct work_list alone;		/* what no thread of its own has yet */
	int		 nalone;	/* such threads; if 0, that is empty */
	pthread_cond_t	 alone_ended;
	bool		 closing;

	pthread_t	 thread[];
};

static void
list_push(struct work_list *l, struct work *w)
{
	w->next = NULL;
	if (l->head)
		l->tail->next = w;
	else
		l->head = w;
	l->tail = w;
}

static struct work *
list_pop(struct work_list *l)
{
	struct work *w = l->head;

	if (w)
		l->head = w->next;
	return w;
}

static struct work *
list_take(struct work_list *l)
{
	struct work *all = l->head;

	l->head = NULL;
	return all;
}

/* Waits for a piece; NULL when the pool closes and nothing is left. */
static struct work *
pool_next(struct work_pool *p)
{
	struct work *w;

	pthread_mutex_lock(&p->lock);
	while (!p->todo.head && !p->closing)
		pthread_cond_wait(&p->more, &p->lock);
	w = list_pop(&p->todo);
	pthread_mutex_unlock(&p->lock);
	return w;
}

static void
pool_finished(struct work_pool *p, struct work *w)
{
	bool first;

	pthread_mutex_lock(&p->lock);
	first = !p->done.head;
	list_push(&p->done, w);
	pthread_mutex_unlock(&p->lock);
	if (first)
		eventfd_write(p->fd, 1);
}

static void
thread_run(struct work_pool *p, struct work *(*next)(struct work_pool *))
{
	struct work *w;
	bool comes_back;

	while ((w = next(p))) {
		comes_back = w->done;	/* run() may free it otherwise */
		w->run(w);
		if (comes_back)
			pool_finished(p, w);
	}
}

static void *
pool_thread(void *arg)
{
	thread_run(arg, pool_next);
	return NULL;
}

static void
pool_wakeup(int fd, short what, void *arg)
{
	struct work_pool *p = arg;
	struct work *w, *next;
	eventfd_t count;

	(void)what;
	eventfd_read(fd, &count);	/* before the list: none is missed */
	pthread_mutex_lock(&p->lock);
	w = list_take(&p->done);
	pthread_mutex_unlock(&p->lock);
	for (; w; w = next) {
		next = w->next;
		w->done(w);
	}
}

/* 0 or an errno. */
static int
thread_start(pthread_t *thread, void *(*body)(void *), void *arg)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(thread, NULL, body, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

/* The same; what did start is counted in nthreads. */
static int
pool_start(struct work_pool *p, const char *name, int threads)
{
	int error = 0;

	while (p->nthreads < threads && !error) {
		error = thread_start(&p->thread[p->nthreads], pool_thread, p);
		if (!error)
			pthread_setname_np(p->thread[p->nthreads++], name);
	}
	return error;
}

static int
pool_listen(struct work_pool *p, struct event_base *base)
{
	p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->fd < 0)
		return errno;
	p->wakeup = event_new(base, p->fd, EV_READ | EV_PERSIST, pool_wakeup, p);
	if (!p->wakeup || event_add(p->wakeup, NULL) < 0)
		return ENOMEM;
	return 0;
}

struct work_pool *
work_pool_new(struct event_base *base, const char *name, int threads)
{
	struct work_pool *p;
	int error;

	assert(threads > 0);
	p = calloc(1, sizeof(*p) + (size_t)threads * sizeof(p->thread[0]));
	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	pthread_cond_init(&p->alone_ended, NULL);
	error = pool_listen(p, base);
	if (!error)
		error = pool_start(p, name, threads);
	if (error) {
		work_pool_free(p);
		errno = error;
		return NULL;
	}
	return p;
}

struct work *
work_pool_free(struct work_pool *p)
{
	struct work *rest;

	if (!p)
		return NULL;
	pthread_mutex_lock(&p->lock);
	p->closing = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	while (p->nthreads > 0)
		pthread_join(p->thread[--p->nthreads], NULL);
	pthread_mutex_lock(&p->lock);
	while (p->nalone > 0)
		pthread_cond_wait(&p->alone_ended, &p->lock);
	pthread_mutex_unlock(&p->lock);

	if (p->wakeup)
		event_free(p->wakeup);
	if (p->fd >= 0)
		close(p->fd);
	rest = list_take(&p->done);
	pthread_cond_destroy(&p->more);
	pthread_cond_destroy(&p->alone_ended);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return rest;
}

void
work_submit(struct work_pool *p, struct work *w)
{
	pthread_mutex_lock(&p->lock);
	list_push(&p->todo, w);
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

/* -- alone ------------------------------------------------------------------ */

/* The next piece that no thread has; NULL: this thread ends. */
static struct work *
alone_next(struct work_pool *p)
{
	struct work *w;

	pthread_mutex_lock(&p->lock);
	w = list_pop(&p->alone);
	if (!w && --p->nalone == 0)
		pthread_cond_signal(&p->alone_ended);
	pthread_mutex_unlock(&p->lock);
	return w;
}

static void *
alone_thread(void *arg)
{
	struct work_pool *p = arg;

	thread_run(p, alone_next);
	return NULL;
}

/* There is work, but no thread.  False if there never will be. */
static bool
alone_unstarted(struct work_pool *p)
{
	bool others;

	pthread_mutex_lock(&p->lock);
	others = --p->nalone > 0;
	if (!others)
		p->alone.head = NULL;
	pthread_mutex_unlock(&p->lock);
	return others;
}

int
work_submit_alone(struct work_pool *p, struct work *w)
{
	pthread_t thread;
	bool fits;
	int error;

	pthread_mutex_lock(&p->lock);
	list_push(&p->alone, w);
	fits = p->nalone < ALONE_MAX;
	p->nalone += fits;
	pthread_mutex_unlock(&p->lock);
	if (!fits)
		return 0;
	error = thread_start(&thread, alone_thread, p);
	if (!error)
		pthread_detach(thread);
	else if (!alone_unstarted(p)) {
		errno = error;
		return -1;
	}
	return 0;
}

bool
work_pool_settle(struct work_pool *p)
{
	struct timespec until;
	bool settled;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += SETTLE_S;
	pthread_mutex_lock(&p->lock);
	while (p->nalone > 0 && pthread_cond_clockwait(&p->alone_ended,
	    &p->lock, CLOCK_MONOTONIC, &until) == 0)
		;
	settled = p->nalone == 0;
	pthread_mutex_unlock(&p->lock);
	return settled;
}
