/*
 * check_progress - what counts as progress, and how often it is told.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/worker/progress.h"
#include "tests/suite.h"

static const struct {
	const char	*in;
	int		 percent;	/* -1: nothing to tell */
	const char	*text;
} lines[] = {
	{ "42 rendering page 3\n", 42, "rendering page 3" },
	{ "42\n", 42, "" },
	{ "0 \n", 0, "" },
	{ "100 done\n", 100, "done" },
	{ "101 more\n", 100, "more" },
	{ "99999999999999999999999 much\n", 100, "much" },
	{ "1 a\n2 b\n3 c\n", 3, "c" },
	{ "1 a\ngarbage\n", 1, "a" },
	{ "1 a\r\n", 1, "a" },
	{ "1 a\tb\033[31mc\n", 1, "ab[31mc" },
	{ "1 \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n", 1,
	    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
	{ "1 a\xff" "b\xc3(\xe2\x82\n", 1, "ab(" },
	{ "1 no newline", -1, NULL },
	{ "-1 x\n", -1, NULL },
	{ "1.5 x\n", -1, NULL },
	{ "x\n", -1, NULL },
	{ " 1 x\n", -1, NULL },
	{ "\n\n", -1, NULL },
	{ "12x\n", -1, NULL },
};

static void
check_line(const struct progress *p, int i)
{
	if (lines[i].percent == -1) {
		ck_assert_int_eq(progress_due(p, 0), -1);
		return;
	}
	ck_assert_int_eq(progress_due(p, 0), 0);
	ck_assert_int_eq((int)p->percent, lines[i].percent);
	ck_assert_str_eq(p->text, lines[i].text);
}

START_TEST(what_counts)
{
	struct progress p;
	const char *c;

	progress_init(&p);
	progress_add(&p, lines[_i].in, strlen(lines[_i].in));
	check_line(&p, _i);
	progress_init(&p);
	for (c = lines[_i].in; *c != '\0'; c++)
		progress_add(&p, c, 1);
	check_line(&p, _i);
}
END_TEST

START_TEST(long_line)
{
	char big[3 * PROGRESS_LINE_MAX];
	struct progress p;
	size_t i, n;

	/* Cut, never in the middle of a character. */
	progress_init(&p);
	big[0] = '7';
	big[1] = ' ';
	for (i = 2; i + 1 < sizeof(big); i += 2)
		memcpy(big + i, "\xc3\xa4", 2);
	progress_add(&p, big, sizeof(big));
	progress_add(&p, "\n", 1);
	ck_assert_int_eq((int)p.percent, 7);
	n = strlen(p.text);
	ck_assert_uint_gt(n, 200);
	ck_assert_uint_eq(n % 2, 0);
	progress_set(&p, 200, big, sizeof(big));
	ck_assert_int_eq((int)p.percent, 100);
	ck_assert_uint_lt(strlen(p.text), sizeof(p.text));
}
END_TEST

START_TEST(how_often)
{
	struct progress p;

	progress_init(&p);
	ck_assert_int_eq(progress_due(&p, 0), -1);
	progress_set(&p, 1, "a", 1);
	ck_assert_int_eq(progress_due(&p, 0), 0);
	progress_told(&p, 0);
	ck_assert_int_eq(progress_due(&p, 0), -1);
	progress_set(&p, 2, "b", 1);
	ck_assert_int_eq(progress_due(&p, 0), PROGRESS_EVERY_MS);
	progress_set(&p, 3, "c", 1);
	ck_assert_int_eq(progress_due(&p, PROGRESS_EVERY_MS - 1), 1);
	ck_assert_int_eq(progress_due(&p, PROGRESS_EVERY_MS), 0);
	ck_assert_str_eq(p.text, "c");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("progress");
	TCase *t = suite_case(s, "progress", NULL, NULL);

	tcase_add_loop_test(t, what_counts, 0, N(lines));
	tcase_add_test(t, long_line);
	tcase_add_test(t, how_often);
	return suite_run(s);
}
