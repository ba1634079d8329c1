/*
 * Tests of leave.c: when the doors close, and when the loop may end.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>

#include "daemon/master/leave.h"
#include "tests/suite.h"

#define BEGIN	5000
#define DRAIN	60000

static struct leave l;

static void
begin(void)
{
	leave_begin(&l, BEGIN, DRAIN);
}

static enum leave_stage
at(int64_t ms, struct leave_facts f)
{
	return leave_advance(&l, &f, BEGIN + ms);
}

#define FACTS(...)	((struct leave_facts){ __VA_ARGS__ })
#define BUSY		FACTS(.busy = true)
#define SLOW(ms)	FACTS(.inside = 1, .oldest_ms = (ms))
#define NOBODY		FACTS(.empty = true)

START_TEST(idle_ends_at_once)
{
	begin();
	ck_assert_int_eq(at(0, FACTS(0)), LEAVE_LEAVING);
	ck_assert_int_eq(at(0, NOBODY), LEAVE_GONE);
	ck_assert_int_eq(at(1, NOBODY), LEAVE_GONE);
}
END_TEST

START_TEST(nobody_asked)
{
	l = (struct leave){ .stage = LEAVE_SERVING };
	ck_assert_int_eq(at(0, NOBODY), LEAVE_SERVING);
}
END_TEST

START_TEST(who_runs_has_the_drain)
{
	begin();
	ck_assert_int_eq(at(0, BUSY), LEAVE_DRAINING);
	ck_assert_int_eq(at(DRAIN - 1, BUSY), LEAVE_DRAINING);
	ck_assert_int_eq(at(DRAIN, BUSY), LEAVE_LEAVING);
}
END_TEST

/* Others come and go all the time: that is no reason to stay. */
START_TEST(the_quick_hold_nothing_up)
{
	begin();
	ck_assert_int_eq(at(LEAVE_CALM_MS - 1, SLOW(10)), LEAVE_DRAINING);
	ck_assert_int_eq(at(LEAVE_CALM_MS, SLOW(10)), LEAVE_LEAVING);
}
END_TEST

START_TEST(the_slow_have_seconds)
{
	begin();
	ck_assert_int_eq(at(0, SLOW(99999)), LEAVE_DRAINING);
	ck_assert_int_eq(at(LEAVE_SLOW_MS - 1, SLOW(99999)), LEAVE_DRAINING);
	ck_assert_int_eq(at(LEAVE_SLOW_MS, SLOW(99999)), LEAVE_LEAVING);
}
END_TEST

/* It is counted from when the last one that ran has ended. */
START_TEST(the_slow_have_them_when_nothing_runs)
{
	begin();
	ck_assert_int_eq(at(0, SLOW(99999)), LEAVE_DRAINING);
	ck_assert_int_eq(at(10000, BUSY), LEAVE_DRAINING);
	ck_assert_int_eq(at(10001, SLOW(99999)), LEAVE_DRAINING);
	ck_assert_int_eq(at(10000 + LEAVE_SLOW_MS, SLOW(99999)),
	    LEAVE_DRAINING);
	ck_assert_int_eq(at(10001 + LEAVE_SLOW_MS, SLOW(99999)),
	    LEAVE_LEAVING);
}
END_TEST

START_TEST(who_is_inside_is_hurried)
{
	begin();
	ck_assert_int_eq(at(DRAIN, SLOW(0)), LEAVE_LEAVING);
	ck_assert_int_eq(at(DRAIN + LEAVE_CLOSED_MS - 1, SLOW(0)),
	    LEAVE_LEAVING);
	ck_assert_int_eq(at(DRAIN + LEAVE_CLOSED_MS, SLOW(0)), LEAVE_HURRIED);
	ck_assert_int_eq(at(DRAIN + LEAVE_CLOSED_MS + LEAVE_HURRY_MS - 1,
	    SLOW(0)), LEAVE_HURRIED);
	ck_assert_int_eq(at(DRAIN + LEAVE_CLOSED_MS + LEAVE_HURRY_MS,
	    SLOW(0)), LEAVE_GONE);
}
END_TEST

START_TEST(the_hurried_may_go_sooner)
{
	begin();
	ck_assert_int_eq(at(DRAIN, SLOW(0)), LEAVE_LEAVING);
	ck_assert_int_eq(at(DRAIN + LEAVE_CLOSED_MS, SLOW(0)), LEAVE_HURRIED);
	ck_assert_int_eq(at(DRAIN + LEAVE_CLOSED_MS, NOBODY), LEAVE_GONE);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("leave");
	TCase *t = suite_case(s, "leave", NULL, NULL);

	tcase_add_test(t, idle_ends_at_once);
	tcase_add_test(t, nobody_asked);
	tcase_add_test(t, who_runs_has_the_drain);
	tcase_add_test(t, the_quick_hold_nothing_up);
	tcase_add_test(t, the_slow_have_seconds);
	tcase_add_test(t, the_slow_have_them_when_nothing_runs);
	tcase_add_test(t, who_is_inside_is_hurried);
	tcase_add_test(t, the_hurried_may_go_sooner);
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
