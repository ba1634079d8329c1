/*
 * check_work - threads beside the loop.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>

#include "daemon/store/work.h"
#include "tests/fds.h"
#include "tests/scarce.h"
#include "tests/suite.h"

struct piece {
	struct work	 work;		/* first: a work is its piece */
	int		 number;
	bool		 ran, done;
	pthread_t	 ran_on;
};

static struct event_base *base;
static pthread_t loop_thread;
static int finished;			/* pieces called back */
static int expected;			/* ... until the loop ends */
static int last_number;
static _Atomic int ran;			/* pieces run */
static int gate[2];			/* a pipe: pieces wait for a byte */

static void
setup(void)
{
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	ck_assert_int_eq(pipe(gate), 0);
	loop_thread = pthread_self();
	finished = expected = 0;
	last_number = -1;
	ran = 0;
}

static void
teardown(void)
{
	close(gate[0]);
	close(gate[1]);
	event_base_free(base);
}

static void
run_note(struct work *w)
{
	struct piece *p = (struct piece *)w;

	p->ran = true;
	p->ran_on = pthread_self();
	ran++;
}

static void
run_wait(struct work *w)
{
	char c;

	ck_assert_int_eq(read(gate[0], &c, 1), 1);
	run_note(w);
}

static void
run_free(struct work *w)
{
	ran++;
	free(w);
}

static void
done_note(struct work *w)
{
	struct piece *p = (struct piece *)w;

	ck_assert(pthread_equal(pthread_self(), loop_thread));
	ck_assert(p->ran && !p->done);
	ck_assert(!pthread_equal(p->ran_on, loop_thread));
	p->done = true;
	last_number = p->number;
	if (++finished == expected)
		event_base_loopbreak(base);
}

static void
done_in_order(struct work *w)
{
	ck_assert_int_eq(((struct piece *)w)->number, last_number + 1);
	done_note(w);
}

static struct piece *
pieces_new(int n, void (*run)(struct work *), void (*done)(struct work *))
{
	struct piece *p = calloc((size_t)n, sizeof(*p));
	int i;

	ck_assert_ptr_nonnull(p);
	for (i = 0; i < n; i++) {
		p[i].work.run = run;
		p[i].work.done = done;
		p[i].number = i;
	}
	return p;
}

static void
loop_until(int n)
{
	expected = n;
	if (finished < n)
		event_base_dispatch(base);
	ck_assert_int_eq(finished, n);
}

START_TEST(each_piece_comes_back_once)
{
	enum { N = 100000 };
	struct work_pool *pool = work_pool_new(base, "check-work", 4);
	struct piece *p = pieces_new(N, run_note, done_note);
	int i;

	ck_assert_ptr_nonnull(pool);
	for (i = 0; i < N; i++)
		work_submit(pool, &p[i].work);
	loop_until(N);
	for (i = 0; i < N; i++)
		ck_assert(p[i].done);
	ck_assert_ptr_null(work_pool_free(pool));
	free(p);
}
END_TEST

START_TEST(one_thread_keeps_the_order)
{
	enum { N = 1000 };
	struct work_pool *pool = work_pool_new(base, "check-work", 1);
	struct piece *p = pieces_new(N, run_note, done_in_order);
	int i;

	ck_assert_ptr_nonnull(pool);
	for (i = 0; i < N; i++)
		work_submit(pool, &p[i].work);
	loop_until(N);
	ck_assert_ptr_null(work_pool_free(pool));
	free(p);
}
END_TEST

/* done() may submit, the same piece too. */
static struct work_pool *again_pool;

static void
done_again(struct work *w)
{
	done_note(w);
	if (finished < expected) {
		((struct piece *)w)->done = false;
		work_submit(again_pool, w);
	}
}

START_TEST(done_may_submit)
{
	struct piece *p = pieces_new(1, run_note, done_again);

	again_pool = work_pool_new(base, "check-work", 2);
	ck_assert_ptr_nonnull(again_pool);
	work_submit(again_pool, &p->work);
	loop_until(1000);
	ck_assert_ptr_null(work_pool_free(again_pool));
	free(p);
}
END_TEST

/* A slow piece holds up neither its neighbours nor the loop. */
START_TEST(slow_piece_holds_up_nobody)
{
	enum { N = 100 };
	struct work_pool *pool = work_pool_new(base, "check-work", 2);
	struct piece *slow = pieces_new(1, run_wait, done_note);
	struct piece *p = pieces_new(N, run_note, done_note);
	int i;

	ck_assert_ptr_nonnull(pool);
	work_submit(pool, &slow->work);
	for (i = 0; i < N; i++)
		work_submit(pool, &p[i].work);
	loop_until(N);
	ck_assert(!slow->done);
	ck_assert_int_eq(write(gate[1], "x", 1), 1);
	loop_until(N + 1);
	ck_assert(slow->done);
	ck_assert_ptr_null(work_pool_free(pool));
	free(slow);
	free(p);
}
END_TEST

/* Freed while busy: all is run, nobody is called back, all is given back. */
START_TEST(free_waits_and_gives_the_rest)
{
	enum { N = 500 };
	struct work_pool *pool = work_pool_new(base, "check-work", 3);
	struct piece *p = pieces_new(N, run_note, done_note);
	struct work *w;
	int i, rest = 0;

	ck_assert_ptr_nonnull(pool);
	p[0].work.run = run_wait;
	for (i = 0; i < N; i++)
		work_submit(pool, &p[i].work);
	ck_assert_int_eq(write(gate[1], "x", 1), 1);
	for (w = work_pool_free(pool); w; w = w->next)
		rest++;
	ck_assert_int_eq(rest, N);
	for (i = 0; i < N; i++)
		ck_assert(p[i].ran && !p[i].done);
	ck_assert_int_eq(event_base_loop(base, EVLOOP_NONBLOCK), 1);
	ck_assert_int_eq(finished, 0);
	free(p);
}
END_TEST

/* Without done() a piece belongs to its run(). */
START_TEST(nobody_waits_for_it)
{
	enum { N = 100 };
	struct work_pool *pool = work_pool_new(base, "check-work", 2);
	int i;

	ck_assert_ptr_nonnull(pool);
	for (i = 0; i < N; i++)
		work_submit(pool, &pieces_new(1, run_free, NULL)->work);
	ck_assert_ptr_null(work_pool_free(pool));
	ck_assert_int_eq(ran, N);
}
END_TEST

static sigset_t blocked;

static void
run_sigmask(struct work *w)
{
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	run_note(w);
}

START_TEST(threads_block_signals)
{
	struct work_pool *pool = work_pool_new(base, "check-work", 1);
	struct piece *p = pieces_new(1, run_sigmask, done_note);
	sigset_t mine;

	ck_assert_ptr_nonnull(pool);
	work_submit(pool, &p->work);
	loop_until(1);
	ck_assert_int_eq(sigismember(&blocked, SIGTERM), 1);
	ck_assert_int_eq(sigismember(&blocked, SIGHUP), 1);
	ck_assert_int_eq(sigismember(&blocked, SIGCHLD), 1);
	pthread_sigmask(SIG_SETMASK, NULL, &mine);
	ck_assert_int_eq(sigismember(&mine, SIGTERM), 0);
	ck_assert_ptr_null(work_pool_free(pool));
	free(p);
}
END_TEST

/* What finished while the loop was away comes back in one turn. */
START_TEST(a_burst_comes_at_once)
{
	enum { N = 100 };
	struct work_pool *pool = work_pool_new(base, "check-work", 1);
	struct piece *p = pieces_new(N, run_note, done_note);
	int i;

	ck_assert_ptr_nonnull(pool);
	for (i = 0; i < N; i++)
		work_submit(pool, &p[i].work);
	while (ran < N)
		poll(NULL, 0, 1);
	expected = -1;
	/* The last piece may still be on its way to the list. */
	event_base_loop(base, EVLOOP_ONCE);
	ck_assert_int_ge(finished, N - 1);
	loop_until(N);
	ck_assert_ptr_null(work_pool_free(pool));
	free(p);
}
END_TEST

/* More of them than there may be threads: none of the pool's own waits. */
START_TEST(alone_holds_up_nobody)
{
	enum { N = 200 };
	struct work_pool *pool = work_pool_new(base, "check-work", 1);
	struct piece *stuck = pieces_new(N, run_wait, done_note);
	struct piece *p = pieces_new(N, run_note, done_note);
	char bytes[N] = { 0 };
	int i;

	ck_assert_ptr_nonnull(pool);
	for (i = 0; i < N; i++)
		ck_assert_int_eq(work_submit_alone(pool, &stuck[i].work), 0);
	for (i = 0; i < N; i++)
		work_submit(pool, &p[i].work);
	loop_until(N);
	for (i = 0; i < N; i++)
		ck_assert(p[i].done && !stuck[i].done);
	ck_assert(!work_pool_settle(pool));
	ck_assert_int_eq(write(gate[1], bytes, N), N);
	loop_until(2 * N);
	ck_assert(work_pool_settle(pool));
	ck_assert_ptr_null(work_pool_free(pool));
	free(stuck);
	free(p);
}
END_TEST

/* -- when the system has nothing left -------------------------------------- */

/* Address space for `room` bytes more than now; the old limit is in `was`. */
static void
limit_memory(size_t room, struct rlimit *was)
{
	FILE *f = fopen("/proc/self/statm", "r");
	struct rlimit l;
	unsigned long pages;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, was), 0);
	l = *was;
	l.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + room;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &l), 0);
}

/* None of the threads, or some of them: no pool, and nothing is left of it. */
START_TEST(no_room_for_threads)
{
	int before = open_fds();
	struct work_pool *pool;
	struct rlimit was;
	int error;

	if (!OWN_MALLOC || in_valgrind())
		return;
	limit_memory(_i == 0 ? 0 : 20 << 20, &was);
	pool = work_pool_new(base, "check-work", 64);
	error = errno;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &was), 0);
	ck_assert_ptr_null(pool);
	ck_assert_int_eq(error, EAGAIN);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(no_descriptor_for_a_pool)
{
	struct rlimit was, l;
	struct work_pool *pool;
	int error;

	if (in_valgrind())
		return;
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	l = was;
	l.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
	pool = work_pool_new(base, "check-work", 1);
	error = errno;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_assert_ptr_null(pool);
	ck_assert_int_eq(error, EMFILE);
}
END_TEST

START_TEST(no_memory_for_a_pool)
{
	int nth = 0, before = open_fds();
	struct work_pool *pool;

	if (!OWN_MALLOC || in_valgrind())
		return;
	do {
		left = nth++;
		pool = work_pool_new(base, "check-work", 2);
		if (!pool) {
			ck_assert(errno == ENOMEM || errno == EAGAIN);
			ck_assert_int_eq(left, -1);
			left = -1;
			ck_assert_int_eq(open_fds(), before);
		}
		left = -1;
	} while (!pool);
	ck_assert_int_ge(nth, 3);
	ck_assert_ptr_null(work_pool_free(pool));
}
END_TEST

/* Nobody else is there to do it: the caller keeps it. */
START_TEST(no_thread_for_one_alone)
{
	struct work_pool *pool;
	struct rlimit was;
	struct piece *p;
	int rc, error;

	if (!OWN_MALLOC || in_valgrind())
		return;
	pool = work_pool_new(base, "check-work", 1);
	ck_assert_ptr_nonnull(pool);
	p = pieces_new(1, run_note, done_note);
	limit_memory(0, &was);
	rc = work_submit_alone(pool, &p->work);
	error = errno;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &was), 0);
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(error, EAGAIN);
	ck_assert_int_eq(work_submit_alone(pool, &p->work), 0);
	loop_until(1);
	ck_assert_ptr_null(work_pool_free(pool));
	free(p);
}
END_TEST

/* Somebody is: it waits behind him. */
START_TEST(no_thread_but_another)
{
	struct piece *stuck, *p;
	struct work_pool *pool;
	struct rlimit was;
	int rc;

	if (!OWN_MALLOC || in_valgrind())
		return;
	pool = work_pool_new(base, "check-work", 1);
	ck_assert_ptr_nonnull(pool);
	stuck = pieces_new(1, run_wait, done_note);
	p = pieces_new(1, run_note, done_note);
	ck_assert_int_eq(work_submit_alone(pool, &stuck->work), 0);
	limit_memory(0, &was);
	rc = work_submit_alone(pool, &p->work);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &was), 0);
	ck_assert_int_eq(rc, 0);
	ck_assert(!p->ran);
	ck_assert_int_eq(write(gate[1], "x", 1), 1);
	loop_until(2);
	ck_assert(stuck->done && p->done);
	ck_assert(pthread_equal(stuck->ran_on, p->ran_on));
	ck_assert_ptr_null(work_pool_free(pool));
	free(stuck);
	free(p);
}
END_TEST

START_TEST(freeing_nothing)
{
	ck_assert_ptr_null(work_pool_free(NULL));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("work");
	TCase *tc = suite_case(s, "pool", setup, teardown);

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, each_piece_comes_back_once);
	tcase_add_test(tc, one_thread_keeps_the_order);
	tcase_add_test(tc, done_may_submit);
	tcase_add_test(tc, slow_piece_holds_up_nobody);
	tcase_add_test(tc, free_waits_and_gives_the_rest);
	tcase_add_test(tc, nobody_waits_for_it);
	tcase_add_test(tc, threads_block_signals);
	tcase_add_test(tc, a_burst_comes_at_once);
	tcase_add_test(tc, alone_holds_up_nobody);
	tcase_add_loop_test(tc, no_room_for_threads, 0, 2);
	tcase_add_test(tc, no_descriptor_for_a_pool);
	tcase_add_test(tc, no_memory_for_a_pool);
	tcase_add_test(tc, no_thread_for_one_alone);
	tcase_add_test(tc, no_thread_but_another);
	tcase_add_test(tc, freeing_nothing);
	return suite_run(s);
}
