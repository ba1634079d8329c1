/*
 * check_ctl_table - columns stand below each other, whatever is in them.
 */
#include "config.h"

#include <check.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/table.h"
#include "ctl/text.h"
#include "tests/suite.h"

static const struct table_column columns[] = {
	{ "ID", 0 }, { "AGE", TABLE_RIGHT }, { "PATH", TABLE_CUT },
	{ "OWNER", TABLE_CUT },
};

static struct table table;

static void
setup(void)
{
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	table_init(&table, columns, 4);
}

static void
teardown(void)
{
	table_fini(&table);
}

static void
add_row(const char *id, int age, const char *path, const char *owner)
{
	table_add(&table, id);
	table_addf(&table, "%ds", age);
	table_add(&table, path);
	table_add(&table, owner);
}

static void
prints(size_t width, const char *text)
{
	char *data;
	size_t len;
	FILE *out = open_memstream(&data, &len);

	ck_assert_ptr_nonnull(out);
	table_print(&table, out, width);
	fclose(out);
	ck_assert_str_eq(data, text);
	free(data);
}

START_TEST(empty)
{
	prints(0, "ID  AGE  PATH  OWNER\n");
}
END_TEST

START_TEST(aligned)
{
	add_row("a1", 5, "/report/7", NULL);
	add_row("a234", 1234, "/x", "ann");
	prints(0,
	    "ID      AGE  PATH       OWNER\n"
	    "a1       5s  /report/7  -\n"
	    "a234  1234s  /x         ann\n");
}
END_TEST

/* Columns, not bytes; and a hostile cell is one line like any other. */
START_TEST(aligned_in_columns)
{
	add_row("a", 1, "/\xe6\xbc\xa2", "\xc3\xbc");
	add_row("b", 1, "/\n\033[", "x");
	prints(0,
	    "ID  AGE  PATH        OWNER\n"
	    "a    1s  /\xe6\xbc\xa2         \xc3\xbc\n"
	    "b    1s  /\\x0a\\x1b[  x\n");
}
END_TEST

/* Whoever is widest gives way first; a title and an id stay. */
START_TEST(cut_to_width)
{
	add_row("0123456789", 1, "/a/long/path", "somebody");
	prints(39,
	    "ID          AGE  PATH          OWNER\n"
	    "0123456789   1s  /a/long/path  somebody\n");
	prints(35,
	    "ID          AGE  PATH      OWNER\n"
	    "0123456789   1s  /a/long~  somebody\n");
	prints(33,
	    "ID          AGE  PATH     OWNER\n"
	    "0123456789   1s  /a/lon~  somebo~\n");
	prints(10,
	    "ID          AGE  PATH  OWNER\n"
	    "0123456789   1s  /a/~  some~\n");
}
END_TEST

/* Those that can be spared go from the right, and before anything is cut. */
START_TEST(left_out_where_it_is_narrow)
{
	static const struct table_column some[] = {
		{ "ROUTE", TABLE_CUT }, { "MOST", TABLE_RIGHT | TABLE_SPARE },
		{ "FAILED", TABLE_RIGHT }, { "GONE", TABLE_SPARE }, { "RAN", 0 },
	};

	table_init(&table, some, N(some));
	table_add(&table, "/report");
	for (const char *n = "1234"; *n != '\0'; n++)
		table_addf(&table, "%c", *n);
	prints(32,
	    "ROUTE    MOST  FAILED  GONE  RAN\n"
	    "/report     1       2  3     4\n");
	prints(31,
	    "ROUTE    MOST  FAILED  RAN\n"
	    "/report     1       2  4\n");
	prints(25,
	    "ROUTE    FAILED  RAN\n"
	    "/report       2  4\n");
	prints(19,
	    "ROUTE   FAILED  RAN\n"
	    "/repo~       2  4\n");
}
END_TEST

/* As wide as it must be, and not wider. */
START_TEST(never_wider)
{
	size_t width = (size_t)_i, len;
	char *data, *line, *rest;
	FILE *out;

	add_row("0123456789", 1, "/\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6"
	    "\xbc\xa2\033\033", "somebody\n\n\n");
	out = open_memstream(&data, &len);
	ck_assert_ptr_nonnull(out);
	table_print(&table, out, width);
	fclose(out);
	for (rest = data; (line = strsep(&rest, "\n")) != NULL;)
		ck_assert_uint_le(text_columns(line), width);
	free(data);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ctl_table");
	TCase *tests = suite_case(suite, "table", setup, teardown);

	tcase_add_test(tests, empty);
	tcase_add_test(tests, aligned);
	tcase_add_test(tests, aligned_in_columns);
	tcase_add_test(tests, cut_to_width);
	tcase_add_test(tests, left_out_where_it_is_narrow);
	tcase_add_loop_test(tests, never_wider, 28, 70);
	return suite_run(suite);
}
