/*
 * Tests of sched_restore.c: what a start makes of the rows that a store
 * knows, and what a million of them cost.
 *
 * The store is the real one over a back-end of this file: it scans the rows
 * that the test says, and writes down what it is asked to change.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/master/owner.h"
#include "daemon/store/backend.h"
#include "daemon/master/sched.h"
#include "tests/master_rig.h"
#include "tests/suite.h"

#define ROWS_MAX	256
#define TASK_BYTES_MAX	150	/* issue "The SQLite store", 3 */
#define MANY		1000000
#define MANY_CHECKED	20000	/* with a sanitizer, or under valgrind */
#define MANY_SECONDS	10	/* of CPU: "in seconds", also on a slow day */
#define SLACK_MS	20000	/* between two looks at a clock */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* What the store was asked, in order. */
struct asked {
	enum store_kind	 kind;
	int64_t		 row;
	enum task_state	 to;
	uint32_t	 to_attempt;
	char		 reason[80];
};

/* The world: rows are numbered from 1, and a row's number is in its id. */
static struct rig rig;
static struct store *store;
static struct sched *sched;
static struct store_row rows[ROWS_MAX];
static size_t nrows;
static size_t ngenerated;	/* instead of rows: so many like rows[0] */
static struct asked asked[ROWS_MAX * 2];
static size_t nasked;
static char error[CONF_ERROR_MAX];

/* --- the back-end ------------------------------------------------------------ */

static void *
fake_open(const char *where, const struct conf *conf, char *err)
{
	(void)where, (void)conf, (void)err;
	return &rig;
}

static void
fake_close(void *state)
{
	(void)state;
}

static const unsigned char *
nth_id(int64_t n, unsigned char id[TASK_ID_BYTES])
{
	uint64_t mixed = (uint64_t)n * UINT64_C(0x9e3779b97f4a7c15);

	memcpy(id, &mixed, 8);
	memcpy(id + 8, &n, 8);
	return id;
}

static int
fake_scan(void *state, int (*each)(const struct store_row *, void *),
    void *arg, int64_t *bytes, int64_t *tasks, char *err)
{
	struct store_row row = rows[0];

	(void)state, (void)bytes, (void)err;
	for (size_t i = 0; i < (ngenerated > 0 ? ngenerated : nrows); i++) {
		if (ngenerated == 0)
			row = rows[i];
		row.row = (int64_t)i + 1;
		if (ngenerated > 0 || row.id[0] == 0)
			(void)nth_id(row.row, row.id);
		(*tasks)++;
		if (each(&row, arg) == -1)
			return -1;
	}
	return 0;
}

static void
write_down(const struct store_op *op)
{
	struct asked *a = &asked[nasked++];

	ck_assert_uint_le(nasked, ROWS_MAX * 2);
	a->kind = op->kind;
	a->row = op->row;
	a->to = op->to;
	a->to_attempt = op->to_attempt;
	if (op->kind == STORE_MOVE)
		snprintf(a->reason, sizeof(a->reason), "%s",
		    op->outcome.reason ? op->outcome.reason : "");
}

static void
fake_apply(void *state, struct store_op *op, int64_t *bytes, int64_t *tasks)
{
	(void)state, (void)bytes;
	for (; op != NULL; op = op->next) {
		write_down(op);
		if (op->kind == STORE_REMOVE)
			(*tasks)--;
	}
}

static void
fake_load(void *state, struct store_op *op)
{
	static const char head[] = "SCGI\0" "1";

	(void)state;
	write_down(op);
	op->message.head = blob_new(head, sizeof(head));
	ck_assert_ptr_nonnull(op->message.head);
}

static int
fake_spool_create(void *state, struct body *body)
{
	(void)state, (void)body;
	errno = ENOSYS;
	return -1;
}

static const struct store_backend fake = {
	.name = "fake", .durable = true, .open = fake_open,
	.close = fake_close, .scan = fake_scan, .apply = fake_apply,
	.load = fake_load, .spool_create = fake_spool_create,
};

/* --- the world --------------------------------------------------------------- */

static void
nothing(void *arg)
{
	(void)arg;
}

static void
no_drain(bool heir, void *arg)
{
	(void)heir, (void)arg;
}

static void
no_reload(int fd, unsigned int generation, void *arg)
{
	(void)arg;
	ck_abort_msg("reload %d %u", fd, generation);
}

static void
setup(void)
{
	rig_init(&rig);
	memset(rows, 0, sizeof(rows));
	nrows = ngenerated = nasked = 0;
	error[0] = '\0';
}

static void
teardown(void)
{
	store_close(store);
	if (sched != NULL)
		sched_free(sched);
	store = NULL;
	sched = NULL;
	rig_fini(&rig);
}

static struct store_row *
row(enum task_state state, const char *route, const char *method)
{
	struct store_row *r = &rows[nrows++];

	ck_assert_uint_le(nrows, ROWS_MAX);
	r->state = state;
	r->attempt = state != TASK_QUEUED;
	r->route = route;
	r->method = method;
	r->created_ms = 1000000 + (int64_t)nrows;
	r->changed_ms = clock_wall_ms();
	return r;
}

static void
open_world(void)
{
	const struct sched_events events = { no_drain, no_reload, nothing,
	    nothing, NULL };

	store = store_open_backend(rig.base, &rig.conf.c, &fake, "", error);
	ck_assert_ptr_nonnull(store);
	sched = sched_new(rig.base, store, &rig.conf.c, rig.master, &events);
	ck_assert_ptr_nonnull(sched);
}

/* The start of a master, up to where it has said what it has to say. */
static void
restore(void)
{
	open_world();
	ck_assert_msg(sched_restore(sched, error) == 0, "%s", error);
	rig_settle(&rig);
}

static const struct task *
find(int64_t n)
{
	unsigned char id[TASK_ID_BYTES];

	return sched_find(sched, nth_id(n, id));
}

static enum task_state
state_of(int64_t n)
{
	const struct task *t = find(n);

	ck_assert_ptr_nonnull(t);
	return (enum task_state)t->state;
}

/* The one change that was asked for of this row, or NULL. */
static const struct asked *
change_of(int64_t n)
{
	const struct asked *found = NULL;

	for (size_t i = 0; i < nasked; i++) {
		if (asked[i].row != n)
			continue;
		ck_assert_msg(found == NULL, "two changes of row %d", (int)n);
		found = &asked[i];
	}
	return found;
}

static int64_t
number_of(const unsigned char id[TASK_ID_BYTES])
{
	int64_t n;

	memcpy(&n, id + 8, 8);
	return n;
}

/* --- queued ------------------------------------------------------------------ */

/* One slot: a worker gets them one by one, the oldest first. */
static void
must_run(struct rig_worker *w, const int64_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct frame *f = rig_next(&rig, w, FRAME_RUN);

		ck_assert_int_eq(number_of(f->u.run.id), numbers[i]);
		rig_done(w, f, OUTCOME_SUCCEEDED);
		rig_settle(&rig);
	}
	rig_silent(&rig);
}

static struct rig_worker *
exec_worker(void)
{
	struct rig_worker *w = rig_worker(&rig);

	struct rig_worker *other = rig_worker(&rig);

	ck_assert_uint_ne(w->pool, other->pool);
	return w->pool == POOL_EXEC ? w : other;
}

START_TEST(nothing_there)
{
	restore();
	ck_assert_ptr_null(find(1));
	ck_assert_uint_eq(nasked, 0);
}
END_TEST

START_TEST(queued_run_in_their_old_order)
{
	rig.slots = 1;
	row(TASK_QUEUED, "/exec", "POST");
	row(TASK_QUEUED, "/other", "GET");
	row(TASK_QUEUED, "/exec", "GET");
	row(TASK_QUEUED, "/other", "POST");
	row(TASK_QUEUED, "/exec", "POST");
	restore();
	for (int64_t n = 1; n <= 5; n++) {
		ck_assert_int_eq(state_of(n), TASK_QUEUED);
		ck_assert_int_eq(find(n)->created_ms, 1000000 + n);
		ck_assert_int_eq(find(n)->row, n);
	}
	ck_assert_uint_eq(nasked, 0);	/* no change, and nothing is loaded yet */
	must_run(exec_worker(), (int64_t []){ 1, 2, 3, 4, 5 }, 5);
}
END_TEST

/* They were started before the others: they are older, and keep their order. */
START_TEST(interrupted_run_before_queued)
{
	rig.slots = 1;
	row(TASK_RUNNING, "/exec", "GET");
	row(TASK_RUNNING, "/exec", "PUT");
	row(TASK_QUEUED, "/exec", "POST");
	row(TASK_RUNNING, "/exec", "GET");
	row(TASK_QUEUED, "/exec", "POST");
	restore();
	must_run(exec_worker(), (int64_t []){ 1, 2, 4, 3, 5 }, 5);
}
END_TEST

/* A queued task that was started before has its attempts behind it. */
START_TEST(attempts_go_on)
{
	rig.slots = 1;
	row(TASK_QUEUED, "/exec", "GET")->attempt = 2;
	restore();
	ck_assert_uint_eq(find(1)->attempt, 2);
	ck_assert_uint_eq(rig_next(&rig, exec_worker(), FRAME_RUN)->u.run.attempt,
	    3);
}
END_TEST

START_TEST(the_queue_is_counted)
{
	rig.conf.c.queue = 3;
	rig.conf.routes[ROUTE_EXEC].limits.max_queued = 2;
	row(TASK_QUEUED, "/exec", "GET");
	row(TASK_SUCCEEDED, "/exec", "GET");
	restore();
	ck_assert_int_eq(sched_check(sched, ROUTE_EXEC), SCHED_ACCEPTED);
	teardown();
	setup();
	rig.conf.c.queue = 3;
	rig.conf.routes[ROUTE_EXEC].limits.max_queued = 2;
	row(TASK_QUEUED, "/exec", "GET");
	row(TASK_RUNNING, "/exec", "GET");	/* will be queued */
	restore();
	ck_assert_int_eq(sched_check(sched, ROUTE_EXEC), SCHED_FULL);
	ck_assert_int_eq(sched_check(sched, ROUTE_OTHER), SCHED_ACCEPTED);
}
END_TEST

/* --- running: the rerun rule --------------------------------------------------- */

static const struct {
	const char	*method;
	enum conf_rerun	 rerun;
	uint32_t	 attempt;	/* of max-attempts 3 */
	bool		 again;
} rules[] = {
	{ "GET", RERUN_IDEMPOTENT, 1, true },
	{ "HEAD", RERUN_IDEMPOTENT, 1, true },
	{ "PUT", RERUN_IDEMPOTENT, 1, true },
	{ "DELETE", RERUN_IDEMPOTENT, 1, true },
	{ "OPTIONS", RERUN_IDEMPOTENT, 1, true },
	{ "TRACE", RERUN_IDEMPOTENT, 1, true },
	{ "POST", RERUN_IDEMPOTENT, 1, false },
	{ "PATCH", RERUN_IDEMPOTENT, 1, false },
	{ "BREW", RERUN_IDEMPOTENT, 1, false },
	{ "get", RERUN_IDEMPOTENT, 1, false },
	{ "", RERUN_IDEMPOTENT, 1, false },
	{ "GET", RERUN_IDEMPOTENT, 2, true },
	{ "GET", RERUN_IDEMPOTENT, 3, false },
	{ "GET", RERUN_IDEMPOTENT, 255, false },
	{ "POST", RERUN_ALWAYS, 1, true },
	{ "BREW", RERUN_ALWAYS, 2, true },
	{ "POST", RERUN_ALWAYS, 3, false },
	{ "GET", RERUN_NEVER, 1, false },
	{ "POST", RERUN_NEVER, 1, false },
};

START_TEST(running_by_the_rule)
{
	const struct asked *a;

	rig.conf.routes[ROUTE_EXEC].limits.rerun = rules[_i].rerun;
	row(TASK_RUNNING, "/exec", rules[_i].method)->attempt =
	    rules[_i].attempt;
	restore();
	a = change_of(1);
	ck_assert_ptr_nonnull(a);
	ck_assert_int_eq(a->kind, STORE_MOVE);
	ck_assert_int_eq(a->to, rules[_i].again ? TASK_QUEUED : TASK_FAILED);
	ck_assert_uint_eq(a->to_attempt, rules[_i].attempt);
	ck_assert_int_eq(state_of(1), a->to);
	ck_assert_str_eq(a->reason, rules[_i].again ? "" :
	    "it was interrupted: the daemon was restarted");
}
END_TEST

/* --- finished: the rest of `keep` ------------------------------------------------ */

#define KEEP_MS		300000	/* of the rig */

static void
must_end_in(int64_t n, int64_t ms)
{
	int64_t in_ms = find(n)->ends_ms - clock_mono_ms();

	ck_assert_int_le(in_ms, ms);
	ck_assert_int_gt(in_ms, ms - SLACK_MS);
}

START_TEST(finished_stay_for_the_rest)
{
	int64_t now_ms = clock_wall_ms();

	rig.conf.routes[ROUTE_OTHER].limits.keep_s = 1000;
	row(TASK_SUCCEEDED, "/exec", "GET")->changed_ms = now_ms;
	row(TASK_FAILED, "/exec", "GET")->changed_ms = now_ms - 100000;
	row(TASK_TIMED_OUT, "/other", "GET")->changed_ms = now_ms - 100000;
	row(TASK_CANCELLED, "/exec", "GET")->changed_ms = now_ms - 200000;
	restore();
	must_end_in(1, KEEP_MS);
	must_end_in(2, KEEP_MS - 100000);
	must_end_in(3, 1000000 - 100000);
	must_end_in(4, KEEP_MS - 200000);
	ck_assert_int_eq(state_of(1), TASK_SUCCEEDED);
	ck_assert_int_eq(state_of(2), TASK_FAILED);
	ck_assert_int_eq(state_of(3), TASK_TIMED_OUT);
	ck_assert_int_eq(state_of(4), TASK_CANCELLED);
	ck_assert_uint_eq(nasked, 0);
}
END_TEST

/* Their time ended while we were away; rows come by age of the task. */
START_TEST(expired_go_at_once)
{
	int64_t now_ms = clock_wall_ms();

	row(TASK_SUCCEEDED, "/exec", "GET")->changed_ms = now_ms - 1000;
	row(TASK_SUCCEEDED, "/exec", "GET")->changed_ms = now_ms - KEEP_MS;
	row(TASK_FAILED, "/other", "GET")->changed_ms = 0;
	row(TASK_QUEUED, "/exec", "GET")->changed_ms = 0;
	restore();
	RIG_UNTIL(&rig, nasked == 2);
	ck_assert_ptr_nonnull(find(1));
	ck_assert_ptr_null(find(2));
	ck_assert_ptr_null(find(3));
	ck_assert_int_eq(state_of(4), TASK_QUEUED);
	ck_assert_int_eq(change_of(2)->kind, STORE_REMOVE);
	ck_assert_int_eq(change_of(3)->kind, STORE_REMOVE);
}
END_TEST

/* As if they had just finished; and in that order among the others. */
START_TEST(clock_set_back)
{
	int64_t now_ms = clock_wall_ms();

	row(TASK_SUCCEEDED, "/exec", "GET")->changed_ms = now_ms + 86400000;
	row(TASK_SUCCEEDED, "/exec", "GET")->changed_ms = now_ms - KEEP_MS - 1;
	row(TASK_SUCCEEDED, "/exec", "GET")->changed_ms =
	    now_ms * 2;
	restore();
	RIG_UNTIL(&rig, nasked == 1);
	ck_assert_ptr_null(find(2));
	must_end_in(1, KEEP_MS);
	must_end_in(3, KEEP_MS);
}
END_TEST

/* --- owners, and tries to come -------------------------------------------------- */

START_TEST(owners_come_back)
{
	row(TASK_SUCCEEDED, "/exec", "GET")->owner = "alice";
	row(TASK_QUEUED, "/exec", "GET")->owner = "bob";
	row(TASK_QUEUED, "/exec", "GET");
	restore();
	ck_assert(owner_may_see(find(1), "alice"));
	ck_assert(!owner_may_see(find(1), "bob"));
	ck_assert(!owner_may_see(find(1), NULL));
	ck_assert(owner_may_see(find(2), "bob"));
	ck_assert(!owner_may_see(find(2), ""));
	ck_assert(owner_may_see(find(3), "alice"));
	ck_assert(owner_may_see(find(3), NULL));
}
END_TEST

/* max-per-client: a user has what he had; who is only an address begins anew. */
START_TEST(shares_come_back)
{
	struct submission sub = { .client = "alice" };

	rig.conf.routes[ROUTE_EXEC].limits.max_per_client = 2;
	row(TASK_QUEUED, "/exec", "GET")->owner = "alice";
	row(TASK_RUNNING, "/exec", "GET")->owner = "alice";
	row(TASK_SUCCEEDED, "/exec", "GET")->owner = "bob";
	row(TASK_QUEUED, "/exec", "GET")->owner = "bob";
	row(TASK_QUEUED, "/other", "GET")->owner = "bob";
	row(TASK_QUEUED, "/exec", "GET");
	restore();
	sub.route = sched_route(sched, &rig.conf.routes[ROUTE_EXEC]);
	ck_assert_int_eq(sched_admit(sched, &sub), SCHED_MANY);
	sub.client = "bob";
	ck_assert_int_eq(sched_admit(sched, &sub), SCHED_ACCEPTED);
}
END_TEST

/* One that was between two tries waits anew; one that ran has tries left. */
START_TEST(tries_go_on)
{
	int64_t first[] = { 3 };

	rig.conf.routes[ROUTE_EXEC].limits.retry = 5;
	rig.conf.routes[ROUTE_EXEC].limits.retry_delay_s = 100;
	rig.conf.routes[ROUTE_EXEC].limits.max_attempts = 1;
	row(TASK_QUEUED, "/exec", "GET")->attempt = 2;
	row(TASK_RUNNING, "/exec", "POST")->attempt = 2;
	row(TASK_QUEUED, "/exec", "GET");
	row(TASK_RUNNING, "/exec", "PUT")->attempt = 6;
	restore();
	ck_assert_int_eq(state_of(1), TASK_QUEUED);
	ck_assert_int_gt(find(1)->ends_ms - clock_mono_ms(), 190 * 1000);
	ck_assert_int_eq(state_of(2), TASK_FAILED);
	ck_assert_int_eq(state_of(4), TASK_FAILED);
	must_run(exec_worker(), first, 1);
	ck_assert_int_eq(state_of(1), TASK_QUEUED);
}
END_TEST

/* --- routes and methods that nobody knows ------------------------------------ */

START_TEST(route_has_gone)
{
	static const char reason[] = "its route is no longer configured";

	row(TASK_QUEUED, "/gone", "GET");
	row(TASK_RUNNING, "/gone", "GET");
	row(TASK_RUNNING, "/gone", "POST");
	row(TASK_SUCCEEDED, "/gone", "GET");
	row(TASK_QUEUED, "/gone too", "GET");
	row(TASK_QUEUED, "/exec", "GET");
	restore();
	ck_assert_int_eq(state_of(1), TASK_FAILED);
	ck_assert_str_eq(change_of(1)->reason, reason);
	ck_assert_int_eq(state_of(2), TASK_FAILED);
	ck_assert_int_eq(state_of(3), TASK_FAILED);
	ck_assert_int_eq(state_of(4), TASK_SUCCEEDED);
	must_end_in(4, KEEP_MS);	/* the setting at the top */
	ck_assert_int_eq(state_of(5), TASK_FAILED);
	ck_assert_str_eq(change_of(5)->reason, reason);
	ck_assert_int_eq(state_of(6), TASK_QUEUED);
	ck_assert_ptr_null(change_of(6));
	ck_assert_int_eq(sched_check(sched, ROUTE_EXEC), SCHED_ACCEPTED);
}
END_TEST

/* The same id in two rows cannot be; the start says so and gives up. */
START_TEST(one_id_twice)
{
	unsigned char id[TASK_ID_BYTES] = { 1 };

	memcpy(row(TASK_QUEUED, "/exec", "GET")->id, id, sizeof(id));
	memcpy(row(TASK_QUEUED, "/exec", "GET")->id, id, sizeof(id));
	open_world();
	ck_assert_int_eq(sched_restore(sched, error), -1);
	ck_assert_msg(strstr(error, "0100000000000000") != NULL, "%s", error);
}
END_TEST

/* --- a million ----------------------------------------------------------------- */

/* Pages of this process that are its own: resident, but not a file's. */
static long
memory_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size, resident, shared;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%ld %ld %ld", &size, &resident, &shared), 3);
	fclose(f);
	return (resident - shared) * sysconf(_SC_PAGESIZE);
}

static void
must_be_cheap(enum task_state state)
{
	bool checked = SANITIZED || getenv("LD_PRELOAD") != NULL;
	clock_t began;
	double took_s;
	long before;

	row(state, "/exec", "POST");
	ngenerated = checked ? MANY_CHECKED : MANY;
	rig.conf.c.max_tasks = MANY * 2;
	open_world();
	before = memory_bytes();
	began = clock();
	ck_assert_int_eq(sched_restore(sched, error), 0);
	took_s = (double)(clock() - began) / CLOCKS_PER_SEC;
	ck_assert_double_le(took_s, MANY_SECONDS);
	if (!checked)
		ck_assert_int_le((memory_bytes() - before) / (long)ngenerated,
		    TASK_BYTES_MAX);
	if (getenv("CHECK_RESTORE_TELL") != NULL)
		printf("%zu %s: %.2f s of CPU, %ld bytes each\n", ngenerated,
		    task_state_names[state], took_s,
		    (memory_bytes() - before) / (long)ngenerated);
	ck_assert_int_eq(state_of((int64_t)ngenerated), state);
	ck_assert_int_eq(state_of(1), state);
	ck_assert_uint_eq(nasked, 0);
}

START_TEST(a_million_queued)
{
	must_be_cheap(TASK_QUEUED);
}
END_TEST

START_TEST(a_million_kept)
{
	must_be_cheap(TASK_SUCCEEDED);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("restore");
	TCase *tc = suite_case(s, "restore", setup, teardown);
	TCase *many = suite_case(s, "many", setup, teardown);

	tcase_add_test(tc, nothing_there);
	tcase_add_test(tc, queued_run_in_their_old_order);
	tcase_add_test(tc, interrupted_run_before_queued);
	tcase_add_test(tc, attempts_go_on);
	tcase_add_test(tc, the_queue_is_counted);
	tcase_add_loop_test(tc, running_by_the_rule, 0, N(rules));
	tcase_add_test(tc, finished_stay_for_the_rest);
	tcase_add_test(tc, expired_go_at_once);
	tcase_add_test(tc, clock_set_back);
	tcase_add_test(tc, owners_come_back);
	tcase_add_test(tc, shares_come_back);
	tcase_add_test(tc, tries_go_on);
	tcase_add_test(tc, route_has_gone);
	tcase_add_test(tc, one_id_twice);
	tcase_set_timeout(tc, 60);

	tcase_add_test(many, a_million_queued);
	tcase_add_test(many, a_million_kept);
	tcase_set_timeout(many, 120);
	return suite_run(s);
}
