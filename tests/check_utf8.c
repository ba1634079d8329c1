/*
 * Tests of utf8: the edges of RFC 3629.
 */
#include "config.h"

#include <check.h>
#include <stdint.h>
#include <string.h>

#include "ipc/utf8.h"
#include "tests/suite.h"

static const struct {
	const char	*bytes;
	size_t		 len;
} edges[] = {
	{ "a", 1 }, { "\x7f", 1 }, { "\x80", 0 }, { "\xbf", 0 },
	{ "\xc1\xbf", 0 }, { "\xc2\x80", 2 }, { "\xdf\xbf", 2 },
	{ "\xc2", 0 }, { "\xc2""a", 0 }, { "\xc2\xc2", 0 },
	{ "\xe0\x9f\xbf", 0 }, { "\xe0\xa0\x80", 3 }, { "\xe0\xa0", 0 },
	{ "\xed\x9f\xbf", 3 }, { "\xed\xa0\x80", 0 }, { "\xef\xbf\xbf", 3 },
	{ "\xf0\x8f\xbf\xbf", 0 }, { "\xf0\x90\x80\x80", 4 },
	{ "\xf4\x8f\xbf\xbf", 4 }, { "\xf4\x90\x80\x80", 0 },
	{ "\xf0\x90\x80", 0 }, { "\xf5\x80\x80\x80", 0 }, { "\xff", 0 },
};

START_TEST(edges_are_where_the_rfc_has_them)
{
	ck_assert_uint_eq(utf8_len(edges[_i].bytes, strlen(edges[_i].bytes)),
	    edges[_i].len);
}
END_TEST

/* What is behind the end is not looked at. */
START_TEST(the_end_is_the_end)
{
	ck_assert_uint_eq(utf8_len("\xf0\x90\x80\x80", 3), 0);
	ck_assert_uint_eq(utf8_len("\xe2\x82\xac", 2), 0);
	ck_assert_uint_eq(utf8_len("\xe2\x82\xac", 9), 3);
	ck_assert_uint_eq(utf8_len("", 1), 1);
}
END_TEST

/* As many as there are characters: no surrogates, no second form. */
START_TEST(each_character_has_one_form)
{
	size_t found[5] = { 0 };

	for (uint32_t i = 0; i < 0x1000000; i++) {
		const unsigned char p[] = { (unsigned char)(i >> 16),
		    (unsigned char)(i >> 8), (unsigned char)i };

		if (utf8_len(p, 3) == 3)
			found[3]++;
		if ((i & 0xff) == 0 && utf8_len(p, 2) == 2)
			found[2]++;
	}
	ck_assert_uint_eq(found[2], 0x800 - 0x80);
	ck_assert_uint_eq(found[3], 0x10000 - 0x800 - 0x800);
}
END_TEST

/* Whole characters; and of what is no UTF-8, as many bytes as may be. */
START_TEST(a_cut_leaves_whole_characters)
{
	static const char euros[] = "\xe2\x82\xac\xe2\x82\xac";
	static const char bytes[] = "\x80\x80\x80\x80\x80\x80\x80\x80";

	ck_assert_uint_eq(utf8_cut(euros, 6, 6), 6);
	ck_assert_uint_eq(utf8_cut(euros, 6, 5), 3);
	ck_assert_uint_eq(utf8_cut(euros, 6, 4), 3);
	ck_assert_uint_eq(utf8_cut(euros, 6, 3), 3);
	ck_assert_uint_eq(utf8_cut(euros, 6, 2), 0);
	ck_assert_uint_eq(utf8_cut(euros, 6, 0), 0);
	ck_assert_uint_eq(utf8_cut("plain", 5, 3), 3);
	ck_assert_uint_eq(utf8_cut(bytes, 8, 6), 3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("utf8");
	TCase *tc = suite_case(s, "utf8", NULL, NULL);

	tcase_add_loop_test(tc, edges_are_where_the_rfc_has_them, 0, N(edges));
	tcase_add_test(tc, the_end_is_the_end);
	tcase_add_test(tc, each_character_has_one_form);
	tcase_add_test(tc, a_cut_leaves_whole_characters);
	return suite_run(s);
}
