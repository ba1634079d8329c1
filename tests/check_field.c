/*
 * check_field - lists, tokens, quoted strings and numbers of header values.
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/field.h"
#include "tests/suite.h"

static const struct {
	const char	*value;
	char		 separator;
	const char	*parts;		/* each in brackets */
} splits[] = {
	{ NULL, ',', "" },
	{ "", ',', "" },
	{ " \t ", ',', "" },
	{ ",, ,\t,", ',', "" },
	{ "a", ',', "[a]" },
	{ " a\t", ',', "[a]" },
	{ "a,b", ',', "[a][b]" },
	{ ",a, ,\tb c ,", ',', "[a][b c]" },
	{ "a;b,c", ',', "[a;b][c]" },
	{ "a;b,c", ';', "[a][b,c]" },
	{ "\"a,b\",c", ',', "[\"a,b\"][c]" },
	{ "x=\"a\\\",b\",c", ',', "[x=\"a\\\",b\"][c]" },
	{ "\"a\\\\\",c", ',', "[\"a\\\\\"][c]" },
	{ "a\\,b", ',', "[a\\][b]" },
	{ "a,\"b,c", ',', "[a][\"b,c]" },
	{ "a,\"b\\", ',', "[a][\"b\\]" },
};

START_TEST(split)
{
	struct field rest = field_of(splits[_i].value), part;
	char got[100] = "";
	size_t n = 0;

	while (field_split(&rest, splits[_i].separator, &part))
		n += (size_t)snprintf(got + n, sizeof(got) - n, "[%.*s]",
		    (int)part.len, part.at);
	ck_assert_str_eq(got, splits[_i].parts);
	ck_assert_uint_eq(rest.len, 0);
}
END_TEST

static const struct {
	const char	*part, *name, *value;	/* name NULL: no */
} pairs[] = {
	{ "", NULL, NULL },
	{ "a", "a", NULL },
	{ " a ", "a", NULL },
	{ "a=b", "a", "b" },
	{ " a\t= b ", "a", "b" },
	{ "a=\"\"", "a", "" },
	{ "a=\"b c\" ", "a", "b c" },
	{ "a=\"b\\\"c\"", "a", "b\\\"c" },
	{ "a=\"b\\\\\"", "a", "b\\\\" },
	{ "!#$%&'*+-.^_`|~09azAZ=x", "!#$%&'*+-.^_`|~09azAZ", "x" },
	{ "a=", NULL, NULL },
	{ "a b", NULL, NULL },
	{ "a=b c", NULL, NULL },
	{ "a=b=c", NULL, NULL },
	{ "a=\"b", NULL, NULL },
	{ "a=\"b\\\"", NULL, NULL },
	{ "a=\"b\"c", NULL, NULL },
	{ "=b", NULL, NULL },
	{ "\"a\"=b", NULL, NULL },
	{ "a/b", NULL, NULL },
	{ "\xc3\xa4=b", NULL, NULL },
};

static void
is_text(struct field f, const char *text)
{
	if (text == NULL) {
		ck_assert_ptr_null(f.at);
		return;
	}
	ck_assert_ptr_nonnull(f.at);
	ck_assert_uint_eq(f.len, strlen(text));
	ck_assert_int_eq(strncmp(f.at, text, f.len), 0);
}

START_TEST(pair)
{
	struct field name, value;
	bool is = field_pair(field_of(pairs[_i].part), &name, &value);

	ck_assert_int_eq(is, pairs[_i].name != NULL);
	if (is) {
		is_text(name, pairs[_i].name);
		is_text(value, pairs[_i].value);
	}
}
END_TEST

static const struct {
	const char	*digits;
	uint64_t	 max;
	bool		 is;
	uint64_t	 number;
} numbers[] = {
	{ "0", 100, true, 0 },
	{ "007", 100, true, 7 },
	{ "99", 100, true, 99 },
	{ "100", 100, true, 100 },
	{ "101", 100, true, 100 },
	{ "1000", 100, true, 100 },
	{ "18446744073709551614", UINT64_MAX, true, UINT64_MAX - 1 },
	{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
	{ "18446744073709551616", UINT64_MAX, true, UINT64_MAX },
	{ "99999999999999999999999999990", UINT64_MAX, true, UINT64_MAX },
	{ "", 100, false, 0 },
	{ "-1", 100, false, 0 },
	{ "+1", 100, false, 0 },
	{ "1 ", 100, false, 0 },
	{ "0x1", 100, false, 0 },
	{ "999999x", 100, false, 0 },
	{ "\xd9\xa1", 100, false, 0 },		/* a digit elsewhere */
};

START_TEST(number)
{
	uint64_t n = 0;

	ck_assert_int_eq(field_number(field_of(numbers[_i].digits),
	    numbers[_i].max, &n), numbers[_i].is);
	ck_assert_uint_eq(n, numbers[_i].number);
}
END_TEST

START_TEST(same_word)
{
	ck_assert(field_is(field_of("Wait"), "wait"));
	ck_assert(!field_is(field_of("wai"), "wait"));
	ck_assert(!field_is(field_of("waits"), "wait"));
	ck_assert(!field_is(field_of(NULL), "wait"));
}
END_TEST

/* No byte behind the text is looked at: for valgrind and the sanitizers. */
START_TEST(nothing_behind_the_end)
{
	static const char texts[] = "a=\"b\\";

	for (size_t len = 0; len < sizeof(texts); len++) {
		struct field name, value, rest = { malloc(len + 1), len };
		void *memory = (void *)rest.at;

		memcpy(memory, texts, len);
		(void)field_pair(rest, &name, &value);
		(void)field_split(&rest, ',', &name);
		free(memory);
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("field");
	TCase *t = suite_case(s, "field", NULL, NULL);

	tcase_add_loop_test(t, split, 0, N(splits));
	tcase_add_loop_test(t, pair, 0, N(pairs));
	tcase_add_loop_test(t, number, 0, N(numbers));
	tcase_add_test(t, same_word);
	tcase_add_test(t, nothing_behind_the_end);
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
