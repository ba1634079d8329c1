/*
 * check_stats - what is counted: histograms, minutes, and the moment as sched
 * and proc see it.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/master/hist.h"
#include "daemon/master/sched.h"
#include "daemon/master/sched_priv.h"
#include "daemon/master/stats.h"
#include "daemon/master/usage.h"
#include "daemon/store/backend.h"
#include "tests/fds.h"
#include "tests/master_rig.h"
#include "tests/suite.h"

#define MINUTE_MS	INT64_C(60000)

/* --- histograms ------------------------------------------------------------ */

static const struct hist_scale small = {
	.unit = 0.5, .nbounds = 3, .bound = { 10, 20, 40 },
};

static void
check_near(double is, double should)
{
	ck_assert_msg(fabs(is - should) < 1e-9, "%g, not %g", is, should);
}

START_TEST(a_bound_belongs_to_its_bucket)
{
	struct hist h = { 0 };

	hist_add(&h, &small, 0);
	hist_add(&h, &small, 10);
	hist_add(&h, &small, 11);
	hist_add(&h, &small, 40);
	hist_add(&h, &small, 41);
	ck_assert_uint_eq(h.count[0], 2);
	ck_assert_uint_eq(h.count[1], 1);
	ck_assert_uint_eq(h.count[2], 1);
	ck_assert_uint_eq(h.count[3], 1);
	ck_assert_uint_eq(h.sum, 102);
	ck_assert_uint_eq(hist_total(&h), 5);
}
END_TEST

START_TEST(a_quantile_is_spread_inside_its_bucket)
{
	struct hist h = { .count = { 0, 10, 0, 0 } };

	check_near(hist_quantile(&h, &small, 0.5), 7.5);
	check_near(hist_quantile(&h, &small, 1), 10);
	h.count[2] = 10;
	check_near(hist_quantile(&h, &small, 0.5), 10);
	check_near(hist_quantile(&h, &small, 0.75), 15);
	check_near(hist_quantile(&h, &small, 0.99), 19.8);
}
END_TEST

START_TEST(a_quantile_ends_at_the_last_bound)
{
	struct hist h = { .count = { 1, 0, 0, 9 } };

	check_near(hist_quantile(&h, &small, 0.99), 20);
	check_near(hist_quantile(&h, &small, 0.1), 5);
}
END_TEST

START_TEST(no_values_have_no_quantile)
{
	struct hist h = { 0 };

	check_near(hist_quantile(&h, &small, 0.5), -1);
}
END_TEST

START_TEST(scales_rise)
{
	static const struct hist_scale *const scales[] = {
		&hist_task_ms, &hist_commit_us, &hist_batch };

	for (size_t s = 0; s < 3; s++) {
		ck_assert_uint_le(scales[s]->nbounds, HIST_BOUNDS_MAX);
		for (size_t i = 1; i < scales[s]->nbounds; i++)
			ck_assert_uint_lt(scales[s]->bound[i - 1],
			    scales[s]->bound[i]);
	}
}
END_TEST

/* --- minutes ------------------------------------------------------------------ */

/* The minute of what has just happened, also if it was the end of it. */
static const struct stats_minute *
latest(const struct stats *s)
{
	const struct stats_minute *m = stats_minute(s, clock_wall_ms(), 0);

	return m != NULL ? m : stats_minute(s, clock_wall_ms(), 1);
}

START_TEST(an_event_is_in_this_minute)
{
	static struct stats s;
	struct stats_tasks route = { 0 };
	const struct stats_minute *m;

	stats_init(&s);
	stats_moved(&s, &route, TASK_QUEUED, TASK_RUNNING, 3000);
	stats_moved(&s, &route, TASK_RUNNING, TASK_FAILED, 500);
	m = latest(&s);
	ck_assert_ptr_nonnull(m);
	ck_assert_uint_eq(m->ended[TASK_FAILED], 1);
	ck_assert_uint_eq(m->ran_ms, 500);
	ck_assert_uint_eq(route.ended[TASK_FAILED], 1);
	ck_assert_uint_eq(s.tasks.started, 1);
	ck_assert_uint_eq(s.tasks.waiting.sum, 3000);
	ck_assert_uint_eq(route.running.sum, 500);
}
END_TEST

START_TEST(an_hour_later_a_minute_begins_anew)
{
	static struct stats s;
	struct stats_tasks route = { 0 };
	int64_t minute = clock_wall_ms() / MINUTE_MS;

	stats_init(&s);
	for (int64_t i = 0; i < STATS_MINUTES; i++)
		s.minutes[i].accepted = 7;
	for (int64_t m = minute - STATS_MINUTES; m < minute; m++)
		s.minutes[m % STATS_MINUTES].minute = m;
	stats_accepted(&s, &route);
	ck_assert_uint_eq(latest(&s)->accepted, 1);
	ck_assert_uint_eq(stats_minute(&s, minute * MINUTE_MS, 5)->accepted, 7);
	/* whoever asks much later gets nothing of it */
	ck_assert_ptr_null(stats_minute(&s,
	    (minute + STATS_MINUTES + 1) * MINUTE_MS, 0));
}
END_TEST

START_TEST(a_clock_set_back_is_no_negative_time)
{
	static struct stats s;
	struct stats_tasks route = { 0 };

	stats_init(&s);
	stats_moved(&s, &route, TASK_RUNNING, TASK_SUCCEEDED, -5000);
	ck_assert_uint_eq(route.running.sum, 0);
	ck_assert_uint_eq(route.running.count[0], 1);
}
END_TEST

/* --- the process ---------------------------------------------------------------- */

/* open_fds() counts the one that it looks with. */
static int64_t
open_descriptors(void)
{
	return open_fds() - 1;
}

START_TEST(descriptors_are_counted)
{
	int fds[2];

	ck_assert_int_eq(usage_descriptors(), open_descriptors());
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(usage_descriptors(), open_descriptors());
	close(fds[0]);
	close(fds[1]);
	ck_assert_int_ge(usage_max_descriptors(), 3);
}
END_TEST

START_TEST(memory_is_known)
{
	ck_assert_int_gt(usage_memory_bytes(), 100 * 1024);
}
END_TEST

/* --- tasks and workers ---------------------------------------------------------- */

struct sub {
	struct submission s;
	bool		 done;
	unsigned char	 id[TASK_ID_BYTES];
};

static struct rig rig;
static struct store *store;
static struct sched *sched;
static struct rig_worker *w, *wm;	/* one of each pool */
static struct sub subs[16];
static unsigned int nsubs;
static struct stats_now now;

static void
start_sched(void)
{
	static const struct sched_events events;
	char error[CONF_ERROR_MAX];

	sched = sched_new(rig.base, store, &rig.conf.c, rig.master, &events);
	ck_assert_ptr_nonnull(sched);
	ck_assert_int_eq(sched_restore(sched, error), 0);
	w = rig_worker(&rig);
	wm = rig_worker(&rig);
}

static void
setup(void)
{
	char error[CONF_ERROR_MAX];

	rig_init(&rig);
	rig.slots = 1;
	nsubs = 0;
	memset(subs, 0, sizeof(subs));
	memset(&now, 0, sizeof(now));
	store = store_open_backend(rig.base, &rig.conf.c, &store_memory, "",
	    error);
	ck_assert_ptr_nonnull(store);
	start_sched();
}

static void
teardown(void)
{
	stats_now_fini(&now);
	store_close(store);
	sched_free(sched);
	rig_fini(&rig);
}

/* Looks, as who asks for /stats does. */
static void
look(void)
{
	stats_now_fini(&now);
	ck_assert_int_eq(sched_stats_now(sched, &now), 0);
}

static const struct stats_route *
route(const char *name)
{
	for (size_t i = 0; i < now.nroutes; i++)
		if (strcmp(now.routes[i].name, name) == 0)
			return &now.routes[i];
	ck_abort_msg("no route %s", name);
}

static const struct stats_pool *
pool(bool module)
{
	for (size_t i = 0; i < now.npools; i++)
		if ((now.pools[i].module != NULL) == module)
			return &now.pools[i];
	ck_abort_msg("no such pool");
}

static void
on_submitted(struct submission *s, enum sched_verdict verdict,
    const struct task *t)
{
	struct sub *sub = (struct sub *)s;

	ck_assert_int_eq(verdict, SCHED_ACCEPTED);
	sub->done = true;
	memcpy(sub->id, t->id, TASK_ID_BYTES);
}

static struct sub *
submit(unsigned int r)
{
	struct sub *sub = &subs[nsubs++];

	sub->s.route = sched_route(sched, &sched->conf->routes[r]);
	sub->s.method = METHOD_GET;
	sub->s.method_name = "GET";
	sub->s.path = "/path";
	sub->s.request = MESSAGE_EMPTY;
	sub->s.request.head = blob_new("head", 4);
	sub->s.done = on_submitted;
	sched_submit(sched, &sub->s);
	RIG_UNTIL(&rig, sub->done);
	return sub;
}

static struct task *
task_of(const struct sub *sub)
{
	return (struct task *)sched_find(sched, sub->id);
}

#define UNTIL_STATE(sub, st)	RIG_UNTIL(&rig, task_of(sub)->state == (st))

/* The worker's next job ends so. */
static void
end(struct rig_worker *worker, enum frame_outcome outcome)
{
	struct frame run = *rig_next(&rig, worker, FRAME_RUN);

	rig_done(worker, &run, outcome);
	rig_settle(&rig);
}

START_TEST(nothing_has_happened)
{
	look();
	ck_assert_uint_eq(now.nroutes, ROUTE_N);
	ck_assert_uint_eq(now.npools, POOL_N);
	ck_assert_int_eq(now.oldest_queued_ms, -1);
	ck_assert_uint_eq(now.kept[TASK_QUEUED], 0);
	ck_assert_uint_eq(now.stats->tasks.accepted, 0);
	ck_assert_uint_eq(pool(false)->slots, 1);
	ck_assert_uint_eq(pool(false)->busy, 0);
	ck_assert_str_eq(now.store.kind, "memory");
	ck_assert_uint_eq(now.store.max_tasks, rig.conf.c.max_tasks);
	ck_assert_uint_eq(now.queue, 10000);
	ck_assert_int_ge(now.uptime_ms, 0);
}
END_TEST

START_TEST(a_task_is_counted_on_its_way)
{
	struct sub *a, *b;

	a = submit(ROUTE_EXEC);
	b = submit(ROUTE_EXEC);
	task_of(b)->changed_ms -= 70000;
	look();
	ck_assert_uint_eq(route("/exec")->kept[TASK_RUNNING], 1);
	ck_assert_uint_eq(route("/exec")->kept[TASK_QUEUED], 1);
	ck_assert_uint_eq(route("/other")->kept[TASK_QUEUED], 0);
	ck_assert_uint_eq(now.kept[TASK_QUEUED], 1);
	ck_assert_int_ge(now.oldest_queued_ms, 70000);
	ck_assert_uint_eq(pool(false)->busy, 1);
	ck_assert_uint_eq(pool(true)->busy, 0);

	end(w, OUTCOME_SUCCEEDED);
	UNTIL_STATE(a, TASK_SUCCEEDED);
	UNTIL_STATE(b, TASK_RUNNING);
	end(w, OUTCOME_TIMED_OUT);
	UNTIL_STATE(b, TASK_TIMED_OUT);
	look();
	ck_assert_uint_eq(route("/exec")->tasks->accepted, 2);
	ck_assert_uint_eq(route("/exec")->tasks->started, 2);
	ck_assert_uint_eq(route("/exec")->tasks->ended[TASK_SUCCEEDED], 1);
	ck_assert_uint_eq(route("/exec")->tasks->ended[TASK_TIMED_OUT], 1);
	ck_assert_uint_eq(hist_total(&route("/exec")->tasks->running), 2);
	ck_assert_uint_ge(route("/exec")->tasks->waiting.sum, 70000);
	ck_assert_uint_eq(route("/exec")->tasks->waiting.count[0], 1);
	ck_assert_uint_eq(route("/other")->tasks->accepted, 0);
	ck_assert_uint_eq(now.stats->tasks.accepted, 2);
	ck_assert_uint_eq(now.kept[TASK_SUCCEEDED], 1);
	ck_assert_uint_eq(now.kept[TASK_RUNNING], 0);
	ck_assert_int_eq(now.oldest_queued_ms, -1);
	ck_assert_uint_eq(pool(false)->busy, 0);
	ck_assert_uint_eq(latest(now.stats)->ended[TASK_SUCCEEDED], 1);
}
END_TEST

START_TEST(commits_are_counted_and_timed)
{
	submit(ROUTE_EXEC);
	end(w, OUTCOME_SUCCEEDED);
	look();
	ck_assert_uint_eq(now.store.commits, 2);
	ck_assert_uint_eq(hist_total(&now.store.commit_us), 2);
	ck_assert_uint_eq(hist_total(&now.store.batch), 2);
	ck_assert_uint_eq(now.store.batch.sum, now.store.ops);
}
END_TEST

static void
on_gone(struct removal *r, enum removal_verdict verdict,
    const struct task *t)
{
	(void)r, (void)t;
	ck_assert_int_eq(verdict, REMOVAL_DONE);
}

static void
remove_it(const struct sub *sub, struct removal *r)
{
	*r = (struct removal){ .done = on_gone };
	memcpy(r->id, sub->id, TASK_ID_BYTES);
	sched_remove(sched, r);
	rig_settle(&rig);
}

START_TEST(cancelled_and_removed)
{
	struct removal r;
	struct sub *a, *b;

	a = submit(ROUTE_EXEC);
	b = submit(ROUTE_EXEC);
	remove_it(b, &r);
	look();
	ck_assert_uint_eq(now.kept[TASK_CANCELLED], 1);
	ck_assert_uint_eq(now.stats->tasks.ended[TASK_CANCELLED], 1);
	ck_assert_uint_eq(hist_total(&now.stats->tasks.running), 0);
	end(w, OUTCOME_SUCCEEDED);
	UNTIL_STATE(a, TASK_SUCCEEDED);
	remove_it(a, &r);
	look();
	ck_assert_uint_eq(now.kept[TASK_SUCCEEDED], 0);
	ck_assert_uint_eq(now.stats->tasks.ended[TASK_SUCCEEDED], 1);
}
END_TEST

START_TEST(an_expired_task_is_kept_no_longer)
{
	rig.conf.routes[ROUTE_EXEC].limits.keep_s = 0;
	submit(ROUTE_EXEC);
	end(w, OUTCOME_SUCCEEDED);
	RIG_UNTIL(&rig, sched->table.count == 0);
	look();
	ck_assert_uint_eq(now.kept[TASK_SUCCEEDED], 0);
	ck_assert_uint_eq(now.stats->tasks.ended[TASK_SUCCEEDED], 1);
}
END_TEST

START_TEST(a_retry_is_no_interruption)
{
	struct sub *a;

	rig.conf.routes[ROUTE_EXEC].limits.retry = 1;
	a = submit(ROUTE_EXEC);
	end(w, OUTCOME_FAILED);
	UNTIL_STATE(a, TASK_RUNNING);
	end(w, OUTCOME_FAILED);
	UNTIL_STATE(a, TASK_FAILED);
	look();
	ck_assert_uint_eq(now.stats->tasks.retried, 1);
	ck_assert_uint_eq(route("/exec")->tasks->retried, 1);
	ck_assert_uint_eq(stats_interrupted(&now.stats->tasks), 0);
	ck_assert_uint_eq(now.stats->tasks.started, 2);
	ck_assert_uint_eq(now.stats->tasks.ended[TASK_FAILED], 1);
	ck_assert_uint_eq(hist_total(&now.stats->tasks.running), 2);
}
END_TEST

START_TEST(a_dead_worker_is_a_restart)
{
	submit(ROUTE_EXEC);
	rig_next(&rig, w, FRAME_RUN);
	rig_died(&rig, w, 9);
	look();
	ck_assert_uint_eq(pool(false)->restarts, 1);
	ck_assert_uint_eq(pool(true)->restarts, 0);
	ck_assert_uint_eq(stats_interrupted(route("/exec")->tasks), 1);
	ck_assert_uint_eq(now.stats->tasks.retried, 0);
	ck_assert_uint_eq(now.kept[TASK_QUEUED], 1);
}
END_TEST

START_TEST(settings_come_and_counts_stay)
{
	static struct rig_conf other;
	struct rig_worker *worker;

	submit(ROUTE_EXEC);
	end(w, OUTCOME_SUCCEEDED);
	rig_conf_init(&other, 1);
	other.c.spool = rig.spool;
	other.routes[ROUTE_EXEC].name = (char *)"/new";
	other.routes[ROUTE_OTHER].limits.max_running = 4;
	ck_assert_int_eq(sched_set_conf(sched, &other.c), 0);
	worker = rig_worker(&rig);
	rig_worker(&rig);
	look();
	ck_assert_uint_eq(now.generation, 1);
	ck_assert_uint_eq(now.nroutes, ROUTE_N + 1);
	ck_assert(!route("/exec")->configured);
	ck_assert_uint_eq(route("/exec")->tasks->accepted, 1);
	ck_assert(route("/new")->configured);
	ck_assert_int_eq(route("/other")->max_running, 4);
	/* the same code, whatever the settings */
	ck_assert_uint_eq(now.npools, POOL_N);
	ck_assert_uint_eq(pool(false)->workers, 2);
	rig_died(&rig, w, 0);		/* retired, so nobody takes its place */
	look();
	ck_assert_uint_eq(pool(false)->restarts, 0);
	ck_assert_uint_eq(pool(false)->workers, 1);
	rig_died(&rig, worker, 0);
	look();
	ck_assert_uint_eq(pool(false)->restarts, 1);
}
END_TEST

/* Those that run again stand in front, and may be young. */
START_TEST(the_oldest_is_found_behind_retries)
{
	struct sub *again, *first;

	sched_pause(sched, true);
	again = submit(ROUTE_EXEC);
	first = submit(ROUTE_EXEC);
	task_of(again)->attempt = 1;
	task_of(first)->changed_ms -= 9000;
	submit(ROUTE_OTHER);
	look();
	ck_assert(now.paused);
	ck_assert_int_ge(now.oldest_queued_ms, 9000);
	ck_assert_int_lt(now.oldest_queued_ms, 9000 + RIG_DEADLINE_MS);
}
END_TEST

static void
on_waited(struct waiter *waiter, const struct task *t)
{
	(void)waiter, (void)t;
}

START_TEST(who_waits_is_counted)
{
	struct waiter a = { .door = true, .done = on_waited };
	struct waiter b = { .done = on_waited };
	struct sub *sub = submit(ROUTE_EXEC);

	rig.conf.c.max_waiting = 1;
	ck_assert(sched_wait(sched, task_of(sub), 100, &a));
	ck_assert(sched_wait(sched, task_of(sub), 100, &b));
	look();
	ck_assert_uint_eq(now.waiting, 2);
	ck_assert_uint_eq(now.waiting_doors, 1);
	sched_wait_end(&a);
	look();
	ck_assert_uint_eq(now.waiting, 1);
	ck_assert_uint_eq(now.waiting_doors, 0);
	end(w, OUTCOME_SUCCEEDED);
	look();
	ck_assert_uint_eq(now.waiting, 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("stats");
	TCase *t = suite_case(s, "numbers", NULL, NULL);

	tcase_add_test(t, a_bound_belongs_to_its_bucket);
	tcase_add_test(t, a_quantile_is_spread_inside_its_bucket);
	tcase_add_test(t, a_quantile_ends_at_the_last_bound);
	tcase_add_test(t, no_values_have_no_quantile);
	tcase_add_test(t, scales_rise);
	tcase_add_test(t, an_event_is_in_this_minute);
	tcase_add_test(t, an_hour_later_a_minute_begins_anew);
	tcase_add_test(t, a_clock_set_back_is_no_negative_time);
	tcase_add_test(t, descriptors_are_counted);
	tcase_add_test(t, memory_is_known);
	t = suite_case(s, "tasks", setup, teardown);
	tcase_add_test(t, nothing_has_happened);
	tcase_add_test(t, a_task_is_counted_on_its_way);
	tcase_add_test(t, commits_are_counted_and_timed);
	tcase_add_test(t, cancelled_and_removed);
	tcase_add_test(t, an_expired_task_is_kept_no_longer);
	tcase_add_test(t, a_retry_is_no_interruption);
	tcase_add_test(t, a_dead_worker_is_a_restart);
	tcase_add_test(t, settings_come_and_counts_stay);
	tcase_add_test(t, the_oldest_is_found_behind_retries);
	tcase_add_test(t, who_waits_is_counted);
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
