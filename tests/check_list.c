/*
 * Tests of sched_list.c: all tasks that pass, each once, newest first, in
 * steps that the loop does not notice, whatever happens meanwhile.
 *
 * Tasks are put into the table by hand: it is the table and the queues that
 * are listed, not what brought the tasks there.
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/owner.h"
#include "daemon/master/sched_priv.h"
#include "tests/master_rig.h"
#include "tests/suite.h"

#define STEP	4096		/* as in sched_list.c */
#define NOW	1000000000	/* Unix time, ms */
#define MOST	(4 * STEP)

static struct rig rig;
static struct store *store;
static struct sched *sched;
static struct listing listing;
static struct filter filter;
static int64_t got[MOST];	/* rows, in the order in which they came */
static size_t ngot, parts;
static bool ended, more_wanted;

static void
setup(void)
{
	rig_init(&rig);
	rig_sched(&rig, &store, &sched);
	sched->paused = true;		/* what is queued here is in no store */
	filter = (struct filter){ .older_s = -1, .newer_s = -1,
	    .limit = MOST };
	ngot = parts = 0;
	ended = false;
	more_wanted = true;
}

static void
teardown(void)
{
	store_close(store);
	sched_free(sched);
	rig_fini(&rig);
}

/* Row and time of creation grow from task to task. */
static struct task *
add(enum task_state state, unsigned int route, const char *owner)
{
	static int64_t row;
	struct task *t;
	unsigned char id[TASK_ID_BYTES];

	task_new_id(id);
	t = table_add_owned(&sched->table, id, owner_digest(owner));
	ck_assert_ptr_nonnull(t);
	t->row = ++row;
	t->created_ms = NOW + row / 3;	/* some in the same moment */
	t->route = route;
	t->state = state;
	sched->routes[route].kept[state]++;
	if (state == TASK_QUEUED) {
		sched_count_queued(sched, &sched->routes[route], 1);
		sched_list_ready(sched, t, false);
	}
	return t;
}

static void
on_found(struct listing *l, size_t n)
{
	ck_assert_uint_le(n, l->want);
	parts++;
	ended = n == 0;
	for (size_t i = 0; i < n; i++) {
		const struct task *t = table_find(&sched->table, l->id[i]);

		ck_assert_ptr_nonnull(t);
		ck_assert(ngot == 0 || t->row < got[ngot - 1]);
		got[ngot++] = t->row;
	}
	if (!ended && more_wanted)
		sched_list_next(l);
}

static void
begin(size_t want)
{
	listing = (struct listing){ .filter = &filter, .want = want,
	    .now_ms = NOW + 1000000, .found = on_found };
	ck_assert_int_eq(sched_list_begin(sched, &listing), 0);
	sched_list_next(&listing);
}

static void
list(size_t want)
{
	begin(want);
	RIG_UNTIL(&rig, ended);
	sched_list_end(&listing);
	ck_assert_ptr_null(sched->listings);
}

static const size_t sizes[] = { 0, 1, 63, 64, 65, 128, 1000, STEP - 1, STEP,
	STEP + 1, 3 * STEP };

START_TEST(all_by_the_table)
{
	for (size_t i = 0; i < sizes[_i]; i++)
		add(TASK_SUCCEEDED, 0, NULL);
	list(LISTING_PART);
	ck_assert_uint_eq(ngot, sizes[_i]);
}
END_TEST

START_TEST(all_by_the_queues)
{
	filter.states = 1u << TASK_QUEUED;
	for (size_t i = 0; i < sizes[_i]; i++)
		add(TASK_QUEUED, (unsigned int)(i % ROUTE_N), NULL);
	list(LISTING_PART);
	ck_assert(!listing.by_table);
	ck_assert_uint_eq(ngot, sizes[_i]);
}
END_TEST

START_TEST(parts_of_any_size)
{
	filter.states = _i % 2 ? 1u << TASK_QUEUED : 0;
	for (size_t i = 0; i < 300; i++)
		add(TASK_QUEUED, (unsigned int)(i % ROUTE_N), NULL);
	list((size_t)_i / 2 + 1);
	ck_assert_int_eq(listing.by_table, _i % 2 == 0);
	ck_assert_uint_eq(ngot, 300);
}
END_TEST

/* Not those that nobody was told of yet. */
START_TEST(only_committed_ones)
{
	struct task *t;

	filter.states = _i ? 1u << TASK_QUEUED : 0;
	add(TASK_QUEUED, 0, NULL);
	t = add(TASK_QUEUED, 0, NULL);
	add(TASK_QUEUED, 0, NULL);
	t->row = 0;
	list(LISTING_PART);
	ck_assert_uint_eq(ngot, 2);
}
END_TEST

/* The one that waits for another try is in a list of its own. */
START_TEST(delayed_ones)
{
	struct task *t;

	filter.states = 1u << TASK_QUEUED;
	add(TASK_QUEUED, 0, NULL);
	t = add(TASK_QUEUED, 0, NULL);
	add(TASK_QUEUED, 0, NULL);
	sched_unlist(sched, t);
	t->ends_ms = INT64_C(1) << 40;
	sched->delayed = t->prev = t;	/* a utlist of one */
	t->next = NULL;
	t->listed = true;
	list(LISTING_PART);
	ck_assert_uint_eq(ngot, 3);
}
END_TEST

/* No turn looks at more than a step; what is not there is known at once. */
START_TEST(in_steps)
{
	int64_t row = add(TASK_FAILED, 0, NULL)->row;

	for (size_t i = 0; i < 3 * STEP; i++)
		add(TASK_SUCCEEDED, 0, NULL);
	filter.states = 1u << TASK_FAILED;
	begin(LISTING_PART);
	ck_assert_uint_eq(parts, 0);
	rig_turn(&rig);
	ck_assert_uint_eq(parts, 0);
	RIG_UNTIL(&rig, ended);
	sched_list_end(&listing);
	ck_assert_uint_eq(ngot, 1);
	ck_assert_int_eq(got[0], row);
	filter.states = 1u << TASK_CANCELLED;
	begin(LISTING_PART);
	ck_assert(ended);
	sched_list_end(&listing);
}
END_TEST

/* Where the walk stands, before it and behind it. */
START_TEST(removed_meanwhile)
{
	struct task *tasks[3 * STEP], *t;
	size_t i, left = 0;

	for (i = 0; i < 3 * STEP; i++)
		tasks[i] = add(TASK_SUCCEEDED, 0, NULL);
	tasks[0]->state = TASK_FAILED;
	sched->routes[0].kept[TASK_FAILED] = 1;
	filter.states = 1u << TASK_FAILED | 1u << TASK_CANCELLED;
	begin(LISTING_PART);
	ck_assert_uint_eq(parts, 0);
	t = listing.at;
	ck_assert_ptr_nonnull(t);
	for (i = 1; i < 3 * STEP; i++)
		if (tasks[i] == t || i % 3 != 0)
			sched_forget(sched, &tasks[i]);
		else
			left++;
	add(TASK_FAILED, 0, NULL);	/* newer than the walk: not seen */
	ck_assert_uint_gt(left, STEP / 2);
	RIG_UNTIL(&rig, ended);
	ck_assert_uint_eq(ngot, 1);
	sched_list_end(&listing);
}
END_TEST

/* All of them go, and the walk with them. */
START_TEST(all_removed_meanwhile)
{
	struct task *tasks[2 * STEP];

	for (size_t i = 0; i < 2 * STEP; i++)
		tasks[i] = add(TASK_SUCCEEDED, 0, NULL);
	filter.newer_s = 0;
	begin(LISTING_PART);
	ck_assert_uint_eq(parts, 0);
	for (size_t i = 0; i < 2 * STEP; i++)
		sched_forget(sched, &tasks[i]);
	ck_assert_ptr_null(listing.at);
	RIG_UNTIL(&rig, ended);
	ck_assert_uint_eq(ngot, 0);
	sched_list_end(&listing);
}
END_TEST

/* Whoever asks may go while it is looked for. */
START_TEST(ended_meanwhile)
{
	for (size_t i = 0; i < 2 * STEP; i++)
		add(TASK_SUCCEEDED, 0, NULL);
	filter.newer_s = 0;
	begin(LISTING_PART);
	sched_list_end(&listing);
	sched_list_end(&listing);
	rig_settle(&rig);
	ck_assert_uint_eq(parts, 0);
}
END_TEST

START_TEST(by_route)
{
	filter.states = _i ? 1u << TASK_QUEUED : 0;
	filter.route = sched->routes[1].name;
	for (size_t i = 0; i < 30; i++)
		add(TASK_QUEUED, (unsigned int)(i % 3), NULL);
	list(4);
	ck_assert_uint_eq(ngot, 10);
	ngot = 0;
	filter.route = "no such route";
	list(4);
	ck_assert_uint_eq(ngot, 0);
}
END_TEST

/* What may be a script's is not to be told by its digest. */
START_TEST(by_owner)
{
	filter.states = _i ? 1u << TASK_QUEUED : 0;
	filter.owner = "alice";
	for (size_t i = 0; i < 10; i++) {
		add(TASK_QUEUED, 0, "alice");
		add(TASK_QUEUED, 0, "bob");
		add(TASK_QUEUED, 0, NULL);
	}
	list(4);
	ck_assert_uint_eq(ngot, 10);
	ngot = 0;
	rig.conf.routes[0].scripts = rig.spool;
	list(4);
	ck_assert_uint_eq(ngot, 20);
	rig.conf.routes[0].scripts = NULL;
}
END_TEST

static void
go_on_behind(const struct task *t)
{
	memcpy(filter.after[filter.nafter++], t->id, TASK_ID_BYTES);
}

/* The order of the list alone says what is on the next page. */
START_TEST(behind_a_task)
{
	struct task *tasks[30];

	filter.states = _i ? 1u << TASK_QUEUED : 0;
	for (size_t i = 0; i < 30; i++)
		tasks[i] = add(TASK_QUEUED, 0, NULL);
	if (!_i)		/* the clock was set back, then it stood still */
		for (size_t i = 10; i < 30; i++)
			tasks[i]->created_ms = NOW - 1000;
	go_on_behind(tasks[20]);
	list(4);
	ck_assert_uint_eq(ngot, 20);
	ck_assert_int_eq(got[0], tasks[19]->row);
	ck_assert_int_eq(got[19], tasks[0]->row);
}
END_TEST

/* The last one of a page may go: then it is the one before that counts. */
START_TEST(behind_one_that_has_gone)
{
	struct task *tasks[10];

	filter.states = _i ? 1u << TASK_SUCCEEDED | 1u << TASK_QUEUED : 0;
	for (size_t i = 0; i < 10; i++)
		tasks[i] = add(TASK_SUCCEEDED, 0, NULL);
	go_on_behind(tasks[4]);
	go_on_behind(tasks[5]);
	sched_forget(sched, &tasks[4]);
	ck_assert(sched_list_may_begin(sched, &filter));
	list(4);
	ck_assert_uint_eq(ngot, 4);
	sched_forget(sched, &tasks[5]);
	ngot = 0;
	ck_assert(!sched_list_may_begin(sched, &filter));
	list(4);
	ck_assert_uint_eq(ngot, 0);
}
END_TEST

/* None of these is there: nothing is, also where only queues are looked at. */
START_TEST(behind_nothing)
{
	struct task *t;

	filter.states = _i ? 1u << TASK_QUEUED : 0;
	t = add(TASK_SUCCEEDED, 0, NULL);
	add(TASK_QUEUED, 0, NULL);
	go_on_behind(t);
	sched_forget(sched, &t);
	list(4);
	ck_assert_uint_eq(ngot, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("list");
	TCase *tc = suite_case(s, "list", setup, teardown);

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, behind_a_task, 0, 2);
	tcase_add_loop_test(tc, behind_one_that_has_gone, 0, 2);
	tcase_add_loop_test(tc, behind_nothing, 0, 2);
	tcase_add_loop_test(tc, all_by_the_table, 0, N(sizes));
	tcase_add_loop_test(tc, all_by_the_queues, 0, N(sizes));
	tcase_add_loop_test(tc, parts_of_any_size, 0, 20);
	tcase_add_loop_test(tc, only_committed_ones, 0, 2);
	tcase_add_test(tc, delayed_ones);
	tcase_add_test(tc, in_steps);
	tcase_add_test(tc, removed_meanwhile);
	tcase_add_test(tc, all_removed_meanwhile);
	tcase_add_test(tc, ended_meanwhile);
	tcase_add_loop_test(tc, by_route, 0, 2);
	tcase_add_loop_test(tc, by_owner, 0, 2);
	return suite_run(s);
}
