/*
 * check_range - Range, If-Range and If-None-Match, against RFC 9110.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/range.h"
#include "tests/suite.h"

#define HUGE	"99999999999999999999999999"
#define ETAG	"\"0123abcd\""

#define WHOLE	RANGE_WHOLE, 0, 0
#define NOT	RANGE_UNSATISFIABLE, 0, 0

static const struct {
	const char	*value;
	uint64_t	 size;
	enum range_verdict verdict;
	uint64_t	 first, last;
} ranges[] = {
	{ NULL, 100, WHOLE },

	/* from, to */
	{ "bytes=0-0", 100, RANGE_PART, 0, 0 },
	{ "bytes=0-99", 100, RANGE_PART, 0, 99 },
	{ "bytes=10-19", 100, RANGE_PART, 10, 19 },
	{ "bytes=99-99", 100, RANGE_PART, 99, 99 },
	{ "bytes=010-019", 100, RANGE_PART, 10, 19 },
	{ "bytes=0-100", 100, RANGE_PART, 0, 99 },
	{ "bytes=50-" HUGE, 100, RANGE_PART, 50, 99 },
	{ "bytes=100-", 100, NOT },
	{ "bytes=100-100", 100, NOT },
	{ "bytes=" HUGE "-", 100, NOT },
	{ "bytes=" HUGE "-" HUGE, 100, NOT },
	{ "bytes=0-0", 0, NOT },

	/* from, to the end */
	{ "bytes=0-", 100, RANGE_PART, 0, 99 },
	{ "bytes=10-", 100, RANGE_PART, 10, 99 },
	{ "bytes=99-", 100, RANGE_PART, 99, 99 },
	{ "bytes=4294967296-", 5000000000, RANGE_PART, 4294967296, 4999999999 },
	{ "bytes=0-", UINT64_MAX, RANGE_PART, 0, UINT64_MAX - 1 },
	{ "bytes=0-", 0, NOT },

	/* the last so many */
	{ "bytes=-1", 100, RANGE_PART, 99, 99 },
	{ "bytes=-10", 100, RANGE_PART, 90, 99 },
	{ "bytes=-100", 100, RANGE_PART, 0, 99 },
	{ "bytes=-101", 100, RANGE_PART, 0, 99 },
	{ "bytes=-" HUGE, 100, RANGE_PART, 0, 99 },
	{ "bytes=-0", 100, NOT },
	{ "bytes=-0", 0, NOT },
	{ "bytes=-1", 0, WHOLE },

	/* spelled otherwise, still one range */
	{ "Bytes=0-4", 100, RANGE_PART, 0, 4 },
	{ "bytes= 0-4 ", 100, RANGE_PART, 0, 4 },
	{ "bytes=0-4,", 100, RANGE_PART, 0, 4 },
	{ "bytes=, ,0-4", 100, RANGE_PART, 0, 4 },

	/* several */
	{ "bytes=0-4,10-14", 100, WHOLE },
	{ "bytes=0-4, 200-", 100, WHOLE },
	{ "bytes=200-, 300-", 100, WHOLE },
	{ "bytes=0-4, bytes=5-9", 100, WHOLE },
	{ "bytes=0-0,-1", 100, WHOLE },

	/* others' units, others' syntax */
	{ "", 100, WHOLE },
	{ "bytes", 100, WHOLE },
	{ "bytes=", 100, WHOLE },
	{ "bytes=,", 100, WHOLE },
	{ "bytes=-", 100, WHOLE },
	{ "bytes=5", 100, WHOLE },
	{ "bytes=9-5", 100, WHOLE },
	{ "bytes=200-150", 100, WHOLE },
	{ "bytes=--5", 100, WHOLE },
	{ "bytes=0--5", 100, WHOLE },
	{ "bytes=0-4-9", 100, WHOLE },
	{ "bytes=+0-4", 100, WHOLE },
	{ "bytes=0x0-4", 100, WHOLE },
	{ "bytes=a-z", 100, WHOLE },
	{ "bytes=0 - 4", 100, WHOLE },
	{ "bytes=0.5-4", 100, WHOLE },
	{ "bytes 0-4", 100, WHOLE },
	{ "bytes 0-4/100", 100, WHOLE },
	{ "bytes =0-4", 100, WHOLE },
	{ " bytes=0-4", 100, WHOLE },
	{ "bytes:0-4", 100, WHOLE },
	{ "=0-4", 100, WHOLE },
	{ "0-4", 100, WHOLE },
	{ "byte=0-4", 100, WHOLE },
	{ "bytess=0-4", 100, WHOLE },
	{ "items=0-4", 100, WHOLE },
	{ "bytes=\"0-4\"", 100, WHOLE },
	{ "bytes=\"0-4", 100, WHOLE },
	{ "bytes=0-\xff", 100, WHOLE },
};

START_TEST(range)
{
	struct range r = { 0, 0 };

	ck_assert_msg(range_parse(ranges[_i].value, ranges[_i].size, &r) ==
	    ranges[_i].verdict, "%s", ranges[_i].value);
	if (ranges[_i].verdict == RANGE_PART) {
		ck_assert_uint_eq(r.first, ranges[_i].first);
		ck_assert_uint_eq(r.last, ranges[_i].last);
	}
}
END_TEST

/* Whatever is asked of whatever size: a part lies within. */
START_TEST(parts_lie_within)
{
	struct range r;

	for (int i = 0; i < N(ranges); i++)
		for (uint64_t size = 0; size < 110; size++)
			if (range_parse(ranges[i].value, size, &r) ==
			    RANGE_PART) {
				ck_assert_uint_le(r.first, r.last);
				ck_assert_uint_lt(r.last, size);
			}
}
END_TEST

static const struct {
	const char	*value;
	bool		 none_match, if_range;
} tags[] = {
	{ NULL, false, true },
	{ "", false, false },
	{ ETAG, true, true },
	{ "\"other\"", false, false },
	{ "\"\"", false, false },

	/* 13.1.2 and 13.1.5: weakly there, strongly here */
	{ "W/" ETAG, true, false },
	{ "w/" ETAG, false, false },
	{ "W/ " ETAG, false, false },
	{ "W/\"other\"", false, false },

	/* "*", alone */
	{ "*", true, false },
	{ "\"*\"", false, false },
	{ "*, " ETAG, false, false },

	/* lists */
	{ "\"a\", " ETAG, true, false },
	{ ETAG ", \"a\"", true, false },
	{ "\"a\",W/\"b\"," ETAG ",\"c\"", true, false },
	{ ",, \"a\" , ,\t" ETAG " ,", true, false },
	{ "\"a\", \"b\"", false, false },
	{ "\"a,b\", " ETAG, true, false },
	{ "\"a\\\", " ETAG, true, false },
	{ "\"a, 0123abcd\"", false, false },

	/* compressed on its way (mod_deflate and others) */
	{ "\"0123abcd-gzip\"", true, false },
	{ "W/\"0123abcd-gzip\"", true, false },
	{ "\"0123abcd-br\"", true, false },
	{ "\"0123abcd-deflate\"", true, false },
	{ "\"0123abcd-zstd\"", true, false },
	{ "\"a-gzip\", \"0123abcd-gzip\"", true, false },
	{ "\"0123abcd-gzi\"", false, false },
	{ "\"0123abcd-gzipp\"", false, false },
	{ "\"0123abcd-gzip-gzip\"", false, false },
	{ "\"0123abcd-other\"", false, false },
	{ "\"0123abc-gzip\"", false, false },
	{ "\"0123abcd\"-gzip", true, false },

	/* near, or garbled */
	{ "0123abcd", false, false },
	{ "'0123abcd'", false, false },
	{ "\"0123abcd", false, false },
	{ "0123abcd\"", false, false },
	{ "\"0123ABCD\"", false, false },
	{ "\"0123abcde\"", false, false },
	{ "\"0123abc\"", false, false },
	{ "\" 0123abcd\"", false, false },
	{ "\"", false, false },
	{ "W/", false, false },
	{ "W/\"", false, false },
	{ "x, " ETAG, false, false },
	{ ETAG ", x", true, false },

	/* dates are no tags */
	{ "Tue, 14 Nov 2023 22:13:20 GMT", false, false },
};

START_TEST(tag)
{
	ck_assert_msg(range_none_match(tags[_i].value, ETAG) ==
	    tags[_i].none_match, "%s", tags[_i].value);
	ck_assert_msg(range_if_range(tags[_i].value, ETAG) ==
	    tags[_i].if_range, "%s", tags[_i].value);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("range");
	TCase *t = suite_case(s, "range", NULL, NULL);

	tcase_add_loop_test(t, range, 0, N(ranges));
	tcase_add_test(t, parts_lie_within);
	tcase_add_loop_test(t, tag, 0, N(tags));
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
