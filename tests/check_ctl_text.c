/*
 * check_ctl_text - foreign text reaches a terminal as text only.
 */
#include "config.h"

#include <check.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/text.h"
#include "tests/suite.h"

static const struct {
	const char	*text;
	const char	*shown;
	size_t		 columns;
} texts[] = {
	{ "", "", 0 },
	{ "/report/7", "/report/7", 9 },
	{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", 4 },
	{ "\xe6\xbc\xa2\xe5\xad\x97", "\xe6\xbc\xa2\xe5\xad\x97", 4 },
	{ "e\xcc\x81", "e\xcc\x81", 1 },		/* e, acute */

	/* what a terminal would obey */
	{ "\033[2J", "\\x1b[2J", 7 },
	{ "\033]0;title\a", "\\x1b]0;title\\x07", 16 },
	{ "a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd", 16 },
	{ "\x7f\x08", "\\x7f\\x08", 8 },
	{ "\xc2\x9b" "31m", "\\xc2\\x9b31m", 11 },	/* CSI of C1 */

	/* no UTF-8 (RFC 3629) */
	{ "a\xff" "b", "a\\xffb", 6 },
	{ "\xc3", "\\xc3", 4 },
	{ "\xe2\x82", "\\xe2\\x82", 8 },
	{ "\xc0\xaf", "\\xc0\\xaf", 8 },		/* overlong */
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80", 12 },	/* a surrogate */
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", 16 },
	{ "\x9b" "31m", "\\x9b31m", 7 },

	/* what turns the direction of writing */
	{ "a\xe2\x80\xae" "cba", "a\\xe2\\x80\\xae" "cba", 16 },
	{ "\xe2\x81\xa6", "\\xe2\\x81\\xa6", 12 },
	{ "\xd8\x9c", "\\xd8\\x9c", 8 },
};

struct sink {
	char		*data;
	size_t		 len;
	FILE		*out;
};

static void
sink_open(struct sink *s)
{
	s->out = open_memstream(&s->data, &s->len);
	ck_assert_ptr_nonnull(s->out);
}

static void
sink_holds(struct sink *s, const char *text)
{
	fclose(s->out);
	ck_assert_str_eq(s->data, text);
	free(s->data);
}

START_TEST(shown)
{
	struct sink s;

	sink_open(&s);
	ck_assert_uint_eq(text_put(s.out, texts[_i].text), texts[_i].columns);
	sink_holds(&s, texts[_i].shown);
	ck_assert_uint_eq(text_columns(texts[_i].text), texts[_i].columns);
}
END_TEST

/* What is shown is fit to be shown: nothing is escaped twice. */
START_TEST(shown_again)
{
	struct sink s;

	sink_open(&s);
	text_put(s.out, texts[_i].shown);
	sink_holds(&s, texts[_i].shown);
}
END_TEST

START_TEST(bytes_of_the_c_locale)
{
	struct sink s;

	setlocale(LC_CTYPE, "C");
	sink_open(&s);
	text_put(s.out, "gr\xc3\xbc\033");
	sink_holds(&s, "gr\\xc3\\xbc\\x1b");
}
END_TEST

static const struct {
	const char	*text;
	size_t		 columns;
	const char	*shown;
} cuts[] = {
	{ "abc", 4, "abc" },
	{ "abc", 3, "abc" },
	{ "abcd", 3, "ab~" },
	{ "abc", 1, "~" },
	{ "abc", 0, "" },
	{ "", 0, "" },
	/* never a part of a character, nor of an escape */
	{ "\xe6\xbc\xa2\xe5\xad\x97", 3, "\xe6\xbc\xa2~" },
	{ "\xe6\xbc\xa2\xe5\xad\x97", 2, "~" },
	{ "a\033b", 5, "a~" },
	{ "a\033b", 6, "a\\x1bb" },
	{ "e\xcc\x81x", 2, "e\xcc\x81x" },
};

START_TEST(cut)
{
	struct sink s;
	size_t columns;

	sink_open(&s);
	columns = text_put_cut(s.out, cuts[_i].text, cuts[_i].columns);
	ck_assert_uint_le(columns, cuts[_i].columns);
	ck_assert_uint_eq(columns, text_columns(cuts[_i].shown));
	sink_holds(&s, cuts[_i].shown);
}
END_TEST

static void
stream_in_pieces(struct text_stream *t, const char *text, size_t len,
    size_t piece)
{
	for (size_t at = 0; at < len; at += piece)
		text_stream_add(t, text + at,
		    piece < len - at ? piece : len - at);
	text_stream_end(t);
}

/* However it comes, the same is shown. */
START_TEST(stream)
{
	static const char text[] = "one\n\ttwo \033[1m \xe6\xbc\xa2 \xc3\xbc "
	    "\xe2\x82\xe2\x82\xac \xff\xf0\x9f\x98\x80 \r\n\xe2\x82";
	struct text_stream t;
	struct sink s;

	sink_open(&s);
	text_stream_init(&t, s.out, true);
	stream_in_pieces(&t, text, sizeof(text) - 1, (size_t)_i);
	sink_holds(&s, "one\n\ttwo \\x1b[1m \xe6\xbc\xa2 \xc3\xbc "
	    "\\xe2\\x82\xe2\x82\xac \\xff\xf0\x9f\x98\x80 \\x0d\n"
	    "\\xe2\\x82");
}
END_TEST

START_TEST(stream_with_nuls)
{
	struct text_stream t;
	struct sink s;

	sink_open(&s);
	text_stream_init(&t, s.out, true);
	text_stream_add(&t, "a\0b", 3);
	text_stream_end(&t);
	sink_holds(&s, "a\\x00b");
}
END_TEST

/* A file, a pipe gets every byte. */
START_TEST(stream_of_octets)
{
	static const char all[] = "\033\xff\0\n\xe2\x82";
	struct text_stream t;
	struct sink s;

	sink_open(&s);
	text_stream_init(&t, s.out, false);
	stream_in_pieces(&t, all, sizeof(all), 3);
	fclose(s.out);
	ck_assert_uint_eq(s.len, sizeof(all));
	ck_assert_mem_eq(s.data, all, sizeof(all));
	free(s.data);
}
END_TEST

static void
in_utf8(void)
{
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
}

int
main(void)
{
	Suite *suite = suite_create("ctl_text");
	TCase *tests = suite_case(suite, "text", in_utf8, NULL);

	tcase_add_loop_test(tests, shown, 0, N(texts));
	tcase_add_loop_test(tests, shown_again, 0, N(texts));
	tcase_add_test(tests, bytes_of_the_c_locale);
	tcase_add_loop_test(tests, cut, 0, N(cuts));
	tcase_add_loop_test(tests, stream, 1, 12);
	tcase_add_test(tests, stream_with_nuls);
	tcase_add_test(tests, stream_of_octets);
	return suite_run(suite);
}
