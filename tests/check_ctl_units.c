/*
 * check_ctl_units - what deferctl reads and writes as ages, sizes and times.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "ctl/units.h"
#include "tests/suite.h"

#define NONE	(-1)

static const struct {
	const char	*text;
	int64_t		 seconds;	/* or NONE */
} ages[] = {
	{ "0", 0 },
	{ "90", 90 },
	{ "90s", 90 },
	{ "10m", 600 },
	{ "2h", 7200 },
	{ "1d", 86400 },
	{ "007m", 420 },
	{ "100000d", UNITS_AGE_MAX },
	{ "8640000000", UNITS_AGE_MAX },

	{ "", NONE },
	{ "m", NONE },
	{ "-1", NONE },
	{ "+1", NONE },
	{ " 1", NONE },
	{ "1 ", NONE },
	{ "1.5h", NONE },
	{ "1hh", NONE },
	{ "1M", NONE },
	{ "1h30m", NONE },
	{ "0x10", NONE },
	{ "100001d", NONE },
	{ "8640000001", NONE },
	{ "9223372036854775807d", NONE },
	{ "99999999999999999999999999", NONE },
};

START_TEST(age)
{
	int64_t seconds;
	int r = units_parse_age(ages[_i].text, &seconds);

	ck_assert_int_eq(r, ages[_i].seconds == NONE ? -1 : 0);
	if (r == 0)
		ck_assert_int_eq(seconds, ages[_i].seconds);
}
END_TEST

START_TEST(number)
{
	int64_t n;

	ck_assert_int_eq(units_parse_number("1", 1, 1000, &n), 0);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(units_parse_number("1000", 1, 1000, &n), 0);
	ck_assert_int_eq(n, 1000);
	ck_assert_int_eq(units_parse_number("0", 1, 1000, &n), -1);
	ck_assert_int_eq(units_parse_number("1001", 1, 1000, &n), -1);
	ck_assert_int_eq(units_parse_number("", 0, 1000, &n), -1);
	ck_assert_int_eq(units_parse_number("1s", 0, 1000, &n), -1);
	ck_assert_int_eq(units_parse_number("-1", -5, 1000, &n), -1);
}
END_TEST

static const struct {
	const char	*text;
	int64_t		 unix_ms;	/* or NONE */
} times[] = {
	{ "1970-01-01T00:00:00.000Z", 0 },
	{ "1970-01-01T00:00:00Z", 0 },
	{ "2026-11-22T10:00:00.123Z", INT64_C(1795341600123) },
	{ "2024-02-29T23:59:59.999Z", INT64_C(1709251199999) },

	{ "", NONE },
	{ "2026-11-22", NONE },
	{ "2026-11-22T10:00:00", NONE },
	{ "2026-11-22T10:00:00.12Z", NONE },
	{ "2026-11-22T10:00:00.Z", NONE },
	{ "2026-11-22T10:00:00.123", NONE },
	{ "2026-11-22T10:00:00+01:00", NONE },
	{ "2026-11-22T10:00:00.123Zz", NONE },
	{ "never", NONE },
};

START_TEST(moment)
{
	int64_t ms;
	int r = units_parse_time(times[_i].text, &ms);

	ck_assert_int_eq(r, times[_i].unix_ms == NONE ? -1 : 0);
	if (r == 0)
		ck_assert_int_eq(ms, times[_i].unix_ms);
}
END_TEST

static const struct {
	double		 seconds;
	const char	*text;
} spans[] = {
	{ 0, "0s" },
	{ -5, "0s" },
	{ 0.00042, "0.4ms" },
	{ 0.0042, "4.2ms" },
	{ 0.0099, "9.9ms" },
	{ 0.00999, "10ms" },
	{ 0.035, "35ms" },
	{ 0.9994, "999ms" },
	{ 0.9996, "1.0s" },
	{ 4.21, "4.2s" },
	{ 9.94, "9.9s" },
	{ 9.96, "9s" },
	{ 42.9, "42s" },
	{ 60, "1m00s" },
	{ 184, "3m04s" },
	{ 3599.9, "59m59s" },
	{ 7500, "2h05m" },
	{ 86399, "23h59m" },
	{ 266400, "3d02h" },
	{ 1e300, "11574074074d01h" },
};

START_TEST(span)
{
	char text[UNITS_TEXT];

	ck_assert_str_eq(units_seconds(spans[_i].seconds, text),
	    spans[_i].text);
}
END_TEST

static const struct {
	double		 bytes;
	const char	*text;
} sizes[] = {
	{ 0, "0" },
	{ -1, "0" },
	{ 512, "512" },
	{ 1023, "1023" },
	{ 1024, "1.0K" },
	{ 1536, "1.5K" },
	{ 35000, "34K" },
	{ 1048575, "1.0M" },
	{ 35651584, "34M" },
	{ 4294967296.0, "4.0G" },
	{ 1e300, "0" },
};

START_TEST(size)
{
	char text[UNITS_TEXT];

	ck_assert_str_eq(units_bytes(sizes[_i].bytes, text), sizes[_i].text);
}
END_TEST

START_TEST(local_time)
{
	char text[UNITS_TEXT];

	setenv("TZ", "XYZ-2", 1);
	tzset();
	ck_assert_str_eq(units_time(INT64_C(1795341600123), text),
	    "2026-11-22 12:00:00 XYZ");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ctl_units");
	TCase *tests = suite_case(suite, "units", NULL, NULL);

	tcase_add_loop_test(tests, age, 0, N(ages));
	tcase_add_test(tests, number);
	tcase_add_loop_test(tests, moment, 0, N(times));
	tcase_add_loop_test(tests, span, 0, N(spans));
	tcase_add_loop_test(tests, size, 0, N(sizes));
	tcase_add_test(tests, local_time);
	return suite_run(suite);
}
