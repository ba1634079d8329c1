/*
 * Tests of report.c: what it writes of the statistics of a busy daemon, of an
 * idle one, and of a daemon of another version, which leaves out any member or
 * has another type in its place.
 */
#include "config.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/report.h"
#include "tests/suite.h"

static const char busy[] =
    "{\"version\":\"0.1\",\"state\":\"paused\",\"pid\":7,\"uptime\":90.5,"
    "\"generation\":2,\"queue\":100,\"oldest_queued\":2.5,"
    "\"tasks\":{\"queued\":3,\"running\":1,\"succeeded\":5,\"failed\":1,"
    "\"timed-out\":0,\"cancelled\":2},"
    "\"store\":{\"kind\":\"sqlite\",\"tasks\":12,\"max_tasks\":1000,"
    "\"bytes\":2048,\"max_bytes\":1048576,\"commits\":4,"
    "\"commit_seconds\":{\"p50\":0.001,\"p99\":0.004}},"
    "\"connections\":4,\"waiting\":2,\"waiting_through_doors\":1,"
    "\"memory_bytes\":1048576,\"descriptors\":20,\"max_descriptors\":1024,"
    "\"totals\":{\"accepted\":190,\"succeeded\":100,\"failed\":1,"
    "\"timed-out\":0,\"cancelled\":2,\"retried\":3,\"interrupted\":4},"
    "\"refused\":{\"full\":2,\"store\":0,\"no\\u001broute\":1},"
    "\"minutes\":[{\"minute\":\"2023-11-14T22:13:00.000Z\",\"accepted\":60,"
    "\"succeeded\":30},{\"minute\":\"2023-11-14T22:14:00.000Z\"}],"
    "\"routes\":[{\"name\":\"/a*\",\"queued\":3,\"running\":1,"
    "\"max_running\":4,\"accepted\":9,\"succeeded\":5,\"failed\":1,"
    "\"timed-out\":0,\"cancelled\":2,\"waiting\":{\"p50\":1,\"p99\":2},"
    "\"running_time\":{\"p50\":3,\"p99\":4}},"
    "{\"name\":\"/b\",\"max_running\":0,\"waiting\":{\"p50\":null}}],"
    "\"pools\":[{\"module\":null,\"workers\":2,\"slots\":8,\"busy\":1,"
    "\"stuck\":0,\"restarts\":1},{\"module\":\"x.so\",\"slots\":2}]}";

static const char running[] =
    "{\"tasks\":[{\"id\":\"young\",\"started\":\"2023-11-14T22:14:00.000Z\","
    "\"progress\":{\"percent\":42},\"route\":\"/a*\",\"path\":\"/a\\nb\","
    "\"owner\":\"joe\"},"
    "{\"id\":\"unknown\",\"started\":null,\"progress\":null},"
    "{\"id\":\"old\",\"started\":\"2023-11-14T22:13:00.000Z\"}]}";

static char *text;

static void
setup(void)
{
	(void)setenv("TZ", "UTC", 1);
	text = NULL;
}

static void
teardown(void)
{
	free(text);
}

static json_t *
parse(const char *document)
{
	json_t *doc = json_loads(document, 0, NULL);

	ck_assert_ptr_nonnull(doc);
	return doc;
}

/* All there is to say, in `text`. */
static void
report(const json_t *stats, const json_t *before, const json_t *list)
{
	size_t size;
	FILE *out;

	free(text);
	out = open_memstream(&text, &size);
	report_state(out, stats);
	report_load(out, stats);
	report_totals(out, stats);
	report_rates(out, stats, before);
	report_routes(out, stats, 200);
	report_pools(out, stats, 200);
	report_running(out, list, 10, 200);
	ck_assert_int_eq(fclose(out), 0);
	for (const char *p = text; *p != '\0'; p++)
		ck_assert_msg(*p == '\n' || (*p >= ' ' && *p != 0x7f), "%s", text);
}

static void
has(const char *words)
{
	ck_assert_msg(strstr(text, words) != NULL, "no %s in:\n%s", words, text);
}

static void
has_not(const char *words)
{
	ck_assert_msg(strstr(text, words) == NULL, "%s in:\n%s", words, text);
}

START_TEST(a_busy_daemon)
{
	json_t *stats = parse(busy), *list = parse(running);

	report(stats, NULL, list);
	has("deferd 0.1  paused  process 7  up ");
	has("tasks    3 queued of 100 (the oldest for ");
	has("kept     5 succeeded, 1 failed, 0 timed-out, 2 cancelled\n");
	has("slots    1 of 10 busy, 0 stuck, 1 workers started again\n");
	has("store    sqlite, 12 tasks of 1000, ");
	has("; commits: p50 ");
	has("clients  4 connections, 2 held, 1 of these through doors\n");
	has("so far   190 accepted, 100 succeeded, ");
	has("refused  2 full, 1 no");
	has_not("0 store");
	has("rates    per second, in the minute of 22:13: 1.0 accepted, "
	    "0.5 succeeded");
	has("(programs)");
	has("x.so");
	ck_assert(strstr(text, "old ") < strstr(text, "young"));
	ck_assert(strstr(text, "young") < strstr(text, "unknown"));
	has("42%");
	json_decref(stats);
	json_decref(list);
}
END_TEST

/* An older look gives rates of the time since, but not that at another run. */
START_TEST(rates_are_of_one_run)
{
	json_t *stats = parse(busy), *before = parse(busy), *none = json_object();

	(void)json_object_set_new(before, "uptime", json_real(80.5));
	(void)json_object_set_new(json_object_get(before, "totals"), "accepted",
	    json_integer(100));
	report(stats, before, none);
	has("rates    per second: 9.0 accepted, 0.0 succeeded");

	(void)json_object_set_new(before, "uptime", json_real(90.5));
	report(stats, before, none);
	has("per second, in the minute of 22:13");

	(void)json_object_set_new(before, "uptime", json_real(80.5));
	(void)json_object_set_new(before, "pid", json_integer(8));
	report(stats, before, none);
	has("per second, in the minute of 22:13");
	json_decref(stats);
	json_decref(before);
	json_decref(none);
}
END_TEST

START_TEST(a_daemon_that_says_nothing)
{
	json_t *none = json_object();

	report(none, NULL, none);
	has("deferd ?  ?  process 0  up ");
	has("tasks    0 queued of 0, 0 running\n");
	has("store    ?, 0 tasks of 0, ");
	has("rates    per second: 0.0 accepted");
	has_not("commits");
	has_not("refused");
	has_not("ROUTE");
	has_not("POOL");
	has_not("ID");
	json_decref(none);
}
END_TEST

/* `change` of each member of the document and of all that is in it. */
static void
each_member(json_t *at, const json_t *whole, const json_t *list,
    json_t *(*change)(int), int how)
{
	const char *name;
	void *next;
	json_t *value;

	json_object_foreach_safe(at, next, name, value) {
		json_incref(value);
		if (json_is_object(value))
			each_member(value, whole, list, change, how);
		for (size_t i = 0; i < json_array_size(value); i++)
			each_member(json_array_get(value, i), whole, list,
			    change, how);
		(void)json_object_set_new(at, name, change(how));
		report(whole, NULL, list);
		(void)json_object_set_new(at, name, value);
	}
}

static json_t *
other(int how)
{
	switch (how) {
	case 0:
		return json_null();
	case 1:
		return json_string("\x1b[2J\n");
	case 2:
		return json_integer(-1);
	case 3:
		return json_real(1e300);
	case 4:
		return json_array();
	default:
		return json_object();
	}
}

/* Each in turn is something else: it is a report all the same. */
START_TEST(a_daemon_of_another_version)
{
	json_t *stats = parse(busy), *list = parse(running);

	each_member(stats, stats, list, other, _i);
	each_member(list, stats, list, other, _i);
	json_decref(stats);
	json_decref(list);
}
END_TEST

/* The title is a row, too. */
START_TEST(no_more_rows_than_there_is_room)
{
	static const int lines[] = { 0, 0, 2, 3, 4, 4 };
	json_t *list = parse(running);
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int n = 0;

	report_running(out, list, (size_t)_i, 80);
	ck_assert_int_eq(fclose(out), 0);
	for (const char *p = text; *p != '\0'; p++)
		n += *p == '\n';
	ck_assert_int_eq(n, lines[_i]);
	json_decref(list);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl_report");
	TCase *tc = suite_case(s, "report", setup, teardown);

	tcase_add_test(tc, a_busy_daemon);
	tcase_add_test(tc, rates_are_of_one_run);
	tcase_add_test(tc, a_daemon_that_says_nothing);
	tcase_add_loop_test(tc, a_daemon_of_another_version, 0, 6);
	tcase_add_loop_test(tc, no_more_rows_than_there_is_room, 0, 6);
	return suite_run(s);
}
