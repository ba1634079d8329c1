/*
 * check_prefer - what clients may say in Prefer, and what is made of it.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>

#include "daemon/master/prefer.h"
#include "tests/suite.h"

#define NONE	(-1)

static const struct {
	const char	*value;
	bool		 async;
	int64_t		 wait_s;	/* or NONE */
} prefers[] = {
	{ NULL, false, NONE },
	{ "", false, NONE },
	{ "respond-async", true, NONE },
	{ "Respond-ASYNC", true, NONE },
	{ "wait=10", false, 10 },
	{ "WAIT=10", false, 10 },
	{ "wait=0", false, 0 },
	{ "wait=\"10\"", false, 10 },
	{ "wait = 10", false, 10 },
	{ "wait=010", false, 10 },
	{ "respond-async, wait=10", true, 10 },
	{ "wait=10,respond-async", true, 10 },
	{ "  respond-async  ,\twait=10\t", true, 10 },
	{ ",, respond-async,,", true, NONE },

	/* others are passed over */
	{ "return=minimal", false, NONE },
	{ "return=minimal, wait=5, handling=lenient", false, 5 },
	{ "depth-noroot, respond-async", true, NONE },
	{ "foo=\"wait=9, respond-async\", wait=5", false, 5 },
	{ "foo=\"a\\\", wait=9\", wait=5", false, 5 },
	{ "waiting=9", false, NONE },
	{ "await=9, wait=5", false, 5 },

	/* parameters too */
	{ "wait=5; wait=9", false, 5 },
	{ "respond-async; wait=9", true, NONE },
	{ "foo; wait=9, wait=5;x=\"y,z\"", false, 5 },
	{ "foo;respond-async", false, NONE },
	{ "wait=5;", false, 5 },
	{ "wait=5 ; a ; b=c", false, 5 },

	/* RFC 7240 2: only the first counts, an empty value is none */
	{ "wait=5, wait=9", false, 5 },
	{ "wait=0, wait=9", false, 0 },
	{ "wait=x, wait=9", false, NONE },
	{ "wait, wait=9", false, NONE },
	{ "respond-async, respond-async", true, NONE },
	{ "respond-async=\"\"", true, NONE },
	{ "respond-async=no", false, NONE },
	{ "respond-async=no, respond-async", false, NONE },

	/* no number of seconds */
	{ "wait", false, NONE },
	{ "wait=", false, NONE },
	{ "wait=\"\"", false, NONE },
	{ "wait=-1", false, NONE },
	{ "wait=+1", false, NONE },
	{ "wait=1.5", false, NONE },
	{ "wait=1s", false, NONE },
	{ "wait=0x10", false, NONE },
	{ "wait=\"1 0\"", false, NONE },
	{ "wait=\" 10 \"", false, NONE },
	{ "wait=1 0", false, NONE },
	{ "wait=10=10", false, NONE },
	{ "wait 10", false, NONE },
	{ "wait:10", false, NONE },

	/* many seconds */
	{ "wait=2147483646", false, 2147483646 },
	{ "wait=2147483647", false, PREFER_WAIT_MAX },
	{ "wait=2147483648", false, PREFER_WAIT_MAX },
	{ "wait=18446744073709551617", false, PREFER_WAIT_MAX },
	{ "wait=99999999999999999999999999999999999", false, PREFER_WAIT_MAX },

	/* garbage does no harm to what stands beside it */
	{ "=, wait=5", false, 5 },
	{ "\"wait=9\", wait=5", false, 5 },
	{ "wait\xff=9, wait=5", false, 5 },
	{ "@, respond-async, (", true, NONE },
	{ "; respond-async", true, NONE },
	{ "\"", false, NONE },
	{ "foo=\"bar, wait=5", false, NONE },
	{ "wait=5, foo=\"bar", false, 5 },
	{ "wait=\"5", false, NONE },
	{ "wait=\"5\\", false, NONE },
};

START_TEST(parse)
{
	struct prefer p = { true, true, 77 };

	prefer_parse(&p, prefers[_i].value);
	ck_assert_int_eq(p.async, prefers[_i].async);
	ck_assert_int_eq(p.wait, prefers[_i].wait_s != NONE);
	ck_assert_int_eq(p.wait_s, p.wait ? prefers[_i].wait_s : 0);
}
END_TEST

static const struct {
	struct prefer	 p;
	const char	*text;
} applied[] = {
	{ { false, false, 0 }, "" },
	{ { false, false, 9 }, "" },
	{ { true, false, 0 }, "respond-async" },
	{ { false, true, 0 }, "wait=0" },
	{ { false, true, 30 }, "wait=30" },
	{ { true, true, PREFER_WAIT_MAX }, "respond-async, wait=2147483647" },
};

START_TEST(apply)
{
	char out[PREFER_TEXT] = "old";

	ck_assert_ptr_eq(prefer_applied(&applied[_i].p, out), out);
	ck_assert_str_eq(out, applied[_i].text);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("prefer");
	TCase *t = suite_case(s, "prefer", NULL, NULL);

	tcase_add_loop_test(t, parse, 0, N(prefers));
	tcase_add_loop_test(t, apply, 0, N(applied));
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
