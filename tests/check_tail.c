/*
 * check_tail - the end of stderr is kept, its lines are counted out.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/worker/tail.h"
#include "tests/suite.h"

/* What was logged, as text: lines in brackets, skipped ones as (N). */
static struct buf seen;

static void
see_line(void *arg, const char *text, size_t len)
{
	ck_assert_ptr_eq(arg, &seen);
	ck_assert_int_eq(buf_printf(&seen, "[%.*s]", (int)len, text), 0);
}

static void
see_skipped(void *arg, unsigned long lines)
{
	ck_assert_ptr_eq(arg, &seen);
	ck_assert_int_eq(buf_printf(&seen, "(%lu)", lines), 0);
}

static const struct tail_sink sink = { see_line, see_skipped, &seen };
static struct tail t;

static void
setup(void)
{
	buf_init(&seen, 1 << 20);
	tail_init(&t, &sink);
}

static void
teardown(void)
{
	tail_fini(&t);
	buf_fini(&seen);
}

static void
check_seen(const char *text)
{
	ck_assert_int_eq(buf_add(&seen, "", 1), 0);
	ck_assert_str_eq((const char *)buf_data(&seen), text);
	buf_clear(&seen);
}

static void
say(const char *text, int64_t now)
{
	tail_add(&t, text, strlen(text), now);
}

START_TEST(lines)
{
	say("one\ntw", 1000);
	check_seen("[one]");
	say("o\r\n\n\nthree", 1001);
	check_seen("[two]");
	tail_end(&t, 1002);
	check_seen("[three]");
	ck_assert_mem_eq(buf_data(&t.kept), "one\ntwo\r\n\n\nthree", 16);
	ck_assert_uint_eq(buf_len(&t.kept), 16);
}
END_TEST

START_TEST(long_line)
{
	static char big[5000], expected[TAIL_LINE_MAX + 3];
	size_t i;

	memset(big, 'x', sizeof(big));
	for (i = 0; i < sizeof(big); i += 100)
		tail_add(&t, big + i, 100, 1000);
	say("\nnext\n", 1000);
	memset(expected, 'x', sizeof(expected));
	expected[0] = '[';
	strcpy(expected + 1 + TAIL_LINE_MAX, "]");
	ck_assert_int_eq(memcmp(buf_data(&seen), expected,
	    TAIL_LINE_MAX + 2), 0);
	buf_consume(&seen, TAIL_LINE_MAX + 2);
	check_seen("[next]");
}
END_TEST

static size_t
count(char c)
{
	size_t i, n = 0;

	for (i = 0; i < buf_len(&seen); i++)
		n += buf_data(&seen)[i] == c;
	return n;
}

START_TEST(rate)
{
	int i;

	for (i = 0; i < TAIL_BURST + 30; i++)
		say("x\n", 1000);
	ck_assert_uint_eq(count('['), TAIL_BURST);
	ck_assert_uint_eq(count('('), 0);
	buf_clear(&seen);
	/* A tenth of a second earns one line, and says what is missing. */
	say("y\n", 1050);
	check_seen("");
	say("z\n", 1100);
	check_seen("(31)[z]");
	say("z\n", 1100);
	check_seen("");
	/* A long silence earns the burst again, and no more. */
	for (i = 0; i < TAIL_BURST + 30; i++)
		say("x\n", INT64_C(1) << 60);
	ck_assert_uint_eq(count('['), TAIL_BURST);
	buf_clear(&seen);
	tail_end(&t, INT64_C(1) << 60);
	check_seen("(30)");
}
END_TEST

START_TEST(end_is_kept)
{
	static unsigned char all[1000000];
	size_t i, at, n;

	for (i = 0; i < sizeof(all); i++)
		all[i] = (unsigned char)((i * 2654435761u) >> 13);
	for (at = 0, n = 1; at < sizeof(all); at += n, n = n * 3 % 99991) {
		if (n > sizeof(all) - at)
			n = sizeof(all) - at;
		tail_add(&t, all + at, n, 1000);
		i = at + n < TAIL_MAX ? at + n : TAIL_MAX;
		ck_assert_uint_eq(buf_len(&t.kept), i);
		ck_assert_int_eq(memcmp(buf_data(&t.kept), all + at + n - i,
		    i), 0);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tail");
	TCase *tc = suite_case(s, "tail", setup, teardown);

	tcase_add_test(tc, lines);
	tcase_add_test(tc, long_line);
	tcase_add_test(tc, rate);
	tcase_add_test(tc, end_is_kept);
	return suite_run(s);
}
