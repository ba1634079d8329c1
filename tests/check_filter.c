/*
 * Tests of filter.c: what a query may say, and which tasks pass.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/filter.h"
#include "tests/suite.h"

#define BIT(s)	(1u << (s))
#define ID	"0123456789abcdef0123456789abcdef"
#define ID4	ID "," ID "," ID "," ID

static const struct {
	const char	*query;
	unsigned int	 states;
	const char	*route, *owner;
	int64_t		 older_s, newer_s;
	unsigned int	 limit;
} good[] = {
	{ "", 0, NULL, NULL, -1, -1, 100 },
	{ "&&", 0, NULL, NULL, -1, -1, 100 },
	{ "state=&route&owner=&older=&newer=&limit", 0, NULL, NULL, -1, -1, 100 },
	{ "state=queued", BIT(TASK_QUEUED), NULL, NULL, -1, -1, 100 },
	{ "state=timed-out,failed", BIT(TASK_TIMED_OUT) | BIT(TASK_FAILED),
	    NULL, NULL, -1, -1, 100 },
	{ "state=timed-out&state=failed", BIT(TASK_TIMED_OUT) |
	    BIT(TASK_FAILED), NULL, NULL, -1, -1, 100 },
	{ "st%61te=%71ueued%2C+running", BIT(TASK_QUEUED) | BIT(TASK_RUNNING),
	    NULL, NULL, -1, -1, 100 },
	{ "route=/a%20b/*&owner=J%C3%BCrgen+K", 0, "/a b/*",
	    "J\xc3\xbcrgen K", -1, -1, 100 },
	{ "route=a=b", 0, "a=b", NULL, -1, -1, 100 },
	{ "route=a&route=b", 0, "b", NULL, -1, -1, 100 },
	{ "older=0&newer=86400", 0, NULL, NULL, 0, 86400, 100 },
	{ "older=99999999999999999999999", 0, NULL, NULL, INT32_MAX, -1, 100 },
	{ "limit=1", 0, NULL, NULL, -1, -1, 1 },
	{ "limit=1000", 0, NULL, NULL, -1, -1, 1000 },
};

static void
check_text(const char *is, const char *wanted)
{
	if (wanted == NULL)
		ck_assert_ptr_null(is);
	else
		ck_assert_str_eq(is, wanted);
}

START_TEST(good_queries)
{
	char why[FILTER_WHY_MAX];
	struct filter f;

	ck_assert_int_eq(filter_parse(&f, good[_i].query, why), 0);
	ck_assert_uint_eq(f.states, good[_i].states);
	check_text(f.route, good[_i].route);
	check_text(f.owner, good[_i].owner);
	ck_assert_int_eq(f.older_s, good[_i].older_s);
	ck_assert_int_eq(f.newer_s, good[_i].newer_s);
	ck_assert_uint_eq(f.limit, good[_i].limit);
	filter_fini(&f);
}
END_TEST

static const struct {
	const char	*query, *why;
} bad[] = {
	{ "state=done", "state: expected queued, running, succeeded, failed, "
	    "timed-out or cancelled, with commas between them, got done" },
	{ "state=queued;running", "state: " },
	{ "state=queued,x", "state: " },
	{ "older=-1", "older: expected a number of seconds, got -1" },
	{ "older=1m", "older: " },
	{ "newer=+1", "newer: " },		/* a space */
	{ "limit=0", "limit: expected a number from 1 to 1000, got 0" },
	{ "limit=1001", "limit: " },
	{ "limit=18446744073709551617", "limit: " },
	{ "limit=1&limit=x", "limit: " },
	{ "after=now", "after: expected up to 16 ids of tasks, with commas between "
	    "them, got now" },
	{ "after=" ID "0", "after: " },
	{ "after=" ID4 "," ID4 "," ID4 "," ID4 "," ID, "after: " },
	{ "id=x", "id: expected up to 32 hexadecimal digits, got x" },
	{ "id=AB", "id: " },
	{ "id=000000000000000000000000000000000", "id: " },
	{ "sort=age", "sort: expected id, state, route, owner, older, newer, "
	    "after, limit or refresh" },
	{ "=", ": expected id" },
	{ "State=queued", "State: expected id" },
	{ "route=%", "route: expected %XX" },
	{ "route=%4", "route: " },
	{ "route=%4g", "route: " },
	{ "route=%00", "route: " },
	{ "%00=x", "%00: " },
	{ "this-name-is-much-longer-than-any-parameter-has-a-right-to-be=1",
	    "this-name-is-much-longer-than-an: " },
};

START_TEST(bad_queries)
{
	char why[FILTER_WHY_MAX];
	struct filter f;

	ck_assert_int_eq(filter_parse(&f, bad[_i].query, why), 400);
	ck_assert_msg(strncmp(why, bad[_i].why, strlen(bad[_i].why)) == 0,
	    "%s", why);
	filter_fini(&f);
}
END_TEST

/* A filter of nothing but a query. */
static struct filter
parsed(const char *query)
{
	char why[FILTER_WHY_MAX];
	struct filter f;

	ck_assert_int_eq(filter_parse(&f, query, why), 0);
	return f;
}

static bool
passes(const char *query, enum task_state state, int64_t age_ms)
{
	struct task t = { .state = state, .created_ms = 1000000 };
	struct filter f = parsed(query);
	bool is = filter_passes(&f, &t, 1000000 + age_ms);

	filter_fini(&f);
	return is;
}

START_TEST(by_state)
{
	enum task_state s = (enum task_state)_i;

	ck_assert(passes("", s, 0));
	ck_assert(passes("state=queued,running,succeeded,failed,timed-out,"
	    "cancelled", s, 0));
	ck_assert_int_eq(passes("state=failed", s, 0), s == TASK_FAILED);
	ck_assert_int_eq(passes("state=queued,cancelled", s, 0),
	    s == TASK_QUEUED || s == TASK_CANCELLED);
}
END_TEST

/* At least, at most; if the clock was set back, it has come just now. */
START_TEST(by_age)
{
	ck_assert(!passes("older=5", TASK_QUEUED, 4999));
	ck_assert(passes("older=5", TASK_QUEUED, 5000));
	ck_assert(passes("newer=5", TASK_QUEUED, 5000));
	ck_assert(!passes("newer=5", TASK_QUEUED, 5001));
	ck_assert(passes("older=5&newer=5", TASK_QUEUED, 5000));
	ck_assert(passes("older=0", TASK_QUEUED, -1));
	ck_assert(passes("newer=0", TASK_QUEUED, -1));
	ck_assert(!passes("older=5&state=failed", TASK_QUEUED, 9000));
}
END_TEST

START_TEST(next_page)
{
	struct filter f = parsed("after=" ID4 "," ID4 "," ID4 "," ID4);

	ck_assert_uint_eq(f.nafter, FILTER_AFTER_MAX);
	ck_assert_uint_eq(f.after[FILTER_AFTER_MAX - 1][0], 0x01);
	ck_assert_uint_eq(f.after[FILTER_AFTER_MAX - 1][15], 0xef);
	filter_fini(&f);
	f = parsed("after=" ID4 "&after=" ID);
	ck_assert_uint_eq(f.nafter, 1);
	filter_fini(&f);
	f = parsed("after=");
	ck_assert_uint_eq(f.nafter, 0);
	filter_fini(&f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("filter");
	TCase *tc = suite_case(s, "filter", NULL, NULL);

	tcase_add_loop_test(tc, good_queries, 0, N(good));
	tcase_add_loop_test(tc, bad_queries, 0, N(bad));
	tcase_add_loop_test(tc, by_state, 0, TASK_STATE_N);
	tcase_add_test(tc, by_age);
	tcase_add_test(tc, next_page);
	return suite_run(s);
}
