/*
 * check_view_metrics - /metrics and /stats, of a moment that the test made up.
 *
 * What any text of this kind must obey is checked by a parser of somebody
 * else's (tests/system/test_metrics.py); here are the values and the names.
 */
#include "config.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/expose.h"
#include "daemon/master/view_metrics.h"
#include "daemon/master/view_stats.h"
#include "tests/scarce.h"
#include "tests/suite.h"

#define NOW_MS	1700000059007		/* 2023-11-14T22:14:19.007Z */
#define HOSTILE	"/a\"b\\c\nd\xff\xc3\xa9"

static struct stats stats;
static struct stats_tasks tasks;
static uint64_t kept[TASK_STATE_N];
static struct stats_now now;
static struct answer answer;
static struct request req;
static char block[512];
static char *text;
static json_t *doc;

static void
ask(const char *accept)
{
	const char *why = "";
	size_t len = (size_t)sprintf(block, "CONTENT_LENGTH%c0%cSCGI%c1%c", 0, 0,
	    0, 0);

	if (accept != NULL)
		len += (size_t)sprintf(block + len, "HTTP_ACCEPT%c%s%c", 0,
		    accept, 0);
	memset(&req, 0, sizeof(req));
	ck_assert_int_eq(scgi_check(block, len, &req.scgi, &why), SCGI_DONE);
	req.method = METHOD_GET;
}

static void
setup(void)
{
	memset(&stats, 0, sizeof(stats));
	memset(&tasks, 0, sizeof(tasks));
	memset(kept, 0, sizeof(kept));
	stats.started_ms = NOW_MS - 90500;
	now = (struct stats_now){
		.stats = &stats, .now_ms = NOW_MS, .uptime_ms = 90500,
		.generation = 3, .oldest_queued_ms = -1, .queue = 10000,
		.memory_bytes = -1, .descriptors = 12, .max_descriptors = -1,
		.nroutes = 1, .npools = 1,
	};
	now.store.kind = "memory";
	now.routes = calloc(1, sizeof(*now.routes));
	now.routes[0] = (struct stats_route){ .name = "/r", .kept = kept,
	    .tasks = &tasks };
	now.pools = calloc(1, sizeof(*now.pools));
	answer_init(&answer);
	ask(NULL);
	text = NULL;
	doc = NULL;
}

static void
teardown(void)
{
	stats_now_fini(&now);
	answer_fini(&answer);
	free(text);
	json_decref(doc);
}

static void
take_text(void)
{
	free(text);
	text = strndup((const char *)answer.body.bytes->data,
	    answer.body.size);
	ck_assert_int_eq(answer.status, 200);
}

static void
metrics(const char *accept)
{
	ask(accept);
	answer_fini(&answer);
	answer_init(&answer);
	ck_assert_int_eq(view_metrics(&answer, &req, &now), 0);
	take_text();
}

static void
json(void)
{
	ck_assert_int_eq(view_stats(&answer, &req, &now), 0);
	take_text();
	doc = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(doc);
}

static bool
has_type(const char *type)
{
	char line[128];
	size_t n = (size_t)sprintf(line, "Content-Type: %s\r\n", type);

	return memmem(buf_data(&answer.head), buf_len(&answer.head), line, n) !=
	    NULL;
}

static bool
has_line(const char *line)
{
	const char *at = strstr(text, line);

	while (at != NULL && (at != text && at[-1] != '\n'))
		at = strstr(at + 1, line);
	return at != NULL && at[strlen(line)] == '\n';
}

static void
line(const char *expected)
{
	ck_assert_msg(has_line(expected), "%s is not in\n%s", expected, text);
}

/* --- the text ---------------------------------------------------------------- */

START_TEST(openmetrics)
{
	metrics("application/openmetrics-text");
	ck_assert(has_type("application/openmetrics-text; version=1.0.0; "
	    "charset=utf-8"));
	line("# TYPE deferd_build info");
	line("deferd_build_info{version=\"" PACKAGE_VERSION
	    "\",store=\"memory\"} 1");
	line("# TYPE deferd_tasks_accepted counter");
	line("# TYPE deferd_start_time_seconds gauge");
	line("# UNIT deferd_start_time_seconds seconds");
	line("deferd_start_time_seconds 1699999968.507");
	line("deferd_settings_generation 3");
	ck_assert_str_eq(text + strlen(text) - strlen("\n# EOF\n"),
	    "\n# EOF\n");
}
END_TEST

START_TEST(classic)
{
	metrics("text/plain");
	ck_assert(has_type("text/plain; version=0.0.4; charset=utf-8"));
	line("# TYPE deferd_build_info gauge");
	line("# TYPE deferd_tasks_accepted_total counter");
	line("deferd_tasks_accepted_total{route=\"/r\"} 0");
	ck_assert_ptr_null(strstr(text, "# UNIT"));
	ck_assert_ptr_null(strstr(text, "EOF"));
}
END_TEST

static const struct {
	const char	*accept;
	bool		 open;
} wishes[] = {
	{ NULL, true },
	{ "*/*", true },
	/* Prometheus 2 and 3 */
	{ "application/openmetrics-text;version=1.0.0,application/openmetrics-"
	  "text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	  true },
	{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
	  "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;"
	  "version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;"
	  "q=0.3,*/*;q=0.2", true },
	{ "text/plain;version=0.0.4;q=1,*/*;q=0.1", false },
	{ "text/plain, application/openmetrics-text;q=0.5", false },
	{ "text/plain", false },
	{ "application/openmetrics-text;q=0, */*", false },
	{ "application/json", false },
};

START_TEST(accept_decides)
{
	metrics(wishes[_i].accept);
	ck_assert_msg((strstr(text, "# EOF") != NULL) == wishes[_i].open,
	    "%s", wishes[_i].accept);
}
END_TEST

/* What a browser is shown it must not save to a file. */
START_TEST(people_get_plain_text)
{
	ask("text/html,*/*;q=0.8");
	answer.html = true;
	ck_assert_int_eq(view_metrics(&answer, &req, &now), 0);
	ck_assert(has_type("text/plain; version=0.0.4; charset=utf-8"));
}
END_TEST

START_TEST(numbers_are_where_they_belong)
{
	kept[TASK_RUNNING] = now.kept[TASK_RUNNING] = 2;
	now.kept[TASK_QUEUED] = 5;
	tasks.accepted = 9;
	tasks.ended[TASK_TIMED_OUT] = 4;
	tasks.requeued = 7;
	tasks.retried = 5;
	stats.refused[PROBLEM_FULL] = 6;
	now.oldest_queued_ms = 2500;
	now.paused = true;
	now.connections = 21;
	now.waiting = 8;
	now.waiting_doors = 3;
	now.pools[0] = (struct stats_pool){ .module = "/m.so", .workers = 2,
	    .slots = 32, .busy = 10, .stuck = 1, .restarts = 11 };
	now.store.bytes = 1234567890123;
	now.store.max_bytes = 1 << 20;
	metrics(NULL);
	line("deferd_tasks{route=\"/r\",state=\"running\"} 2");
	line("deferd_tasks_accepted_total{route=\"/r\"} 9");
	line("deferd_tasks_ended_total{route=\"/r\",outcome=\"timed-out\"} 4");
	line("deferd_tasks_retried_total{route=\"/r\"} 5");
	line("deferd_tasks_interrupted_total{route=\"/r\"} 2");
	line("deferd_requests_refused_total{reason=\"full\"} 6");
	line("deferd_requests_refused_total{reason=\"no-route\"} 0");
	line("deferd_queue_tasks 5");
	line("deferd_queue_max_tasks 10000");
	line("deferd_queue_oldest_seconds 2.5");
	line("deferd_paused 1");
	line("deferd_draining 0");
	line("deferd_connections 21");
	line("deferd_waiting_clients{way=\"door\"} 3");
	line("deferd_waiting_clients{way=\"connection\"} 5");
	line("deferd_slots{pool=\"/m.so\",state=\"free\"} 21");
	line("deferd_slots{pool=\"/m.so\",state=\"busy\"} 10");
	line("deferd_slots{pool=\"/m.so\",state=\"stuck\"} 1");
	line("deferd_workers{pool=\"/m.so\"} 2");
	line("deferd_worker_restarts_total{pool=\"/m.so\"} 11");
	line("deferd_store_bytes 1234567890123");
	line("deferd_store_max_bytes 1048576");
	line("deferd_open_descriptors 12");
}
END_TEST

/* What nobody knows has no sample, rather than a wrong one. */
START_TEST(the_unknown_is_left_out)
{
	metrics(NULL);
	ck_assert_ptr_null(strstr(text, "\ndeferd_resident_memory_bytes"));
	ck_assert_ptr_null(strstr(text, "\ndeferd_max_descriptors"));
	line("deferd_queue_oldest_seconds 0");
	line("deferd_slots{pool=\"exec\",state=\"free\"} 0");
}
END_TEST

START_TEST(histograms_are_cumulative)
{
	hist_add(&tasks.waiting, &hist_task_ms, 10);
	hist_add(&tasks.waiting, &hist_task_ms, 1000);
	hist_add(&tasks.waiting, &hist_task_ms, 7200000);
	hist_add(&now.store.commit_us, &hist_commit_us, 3000);
	hist_add(&now.store.batch, &hist_batch, 3);
	metrics(NULL);
	line("# TYPE deferd_task_waiting_seconds histogram");
	line("deferd_task_waiting_seconds_bucket{route=\"/r\",le=\"0.01\"} 1");
	line("deferd_task_waiting_seconds_bucket{route=\"/r\",le=\"0.5\"} 1");
	line("deferd_task_waiting_seconds_bucket{route=\"/r\",le=\"1.0\"} 2");
	line("deferd_task_waiting_seconds_bucket{route=\"/r\",le=\"3600.0\"} 2");
	line("deferd_task_waiting_seconds_bucket{route=\"/r\",le=\"+Inf\"} 3");
	line("deferd_task_waiting_seconds_count{route=\"/r\"} 3");
	line("deferd_task_waiting_seconds_sum{route=\"/r\"} 7201.01");
	line("deferd_task_running_seconds_count{route=\"/r\"} 0");
	line("deferd_store_commit_seconds_bucket{le=\"0.0025\"} 0");
	line("deferd_store_commit_seconds_bucket{le=\"0.005\"} 1");
	line("deferd_store_commit_seconds_sum 0.003");
	line("deferd_store_batch_operations_bucket{le=\"4.0\"} 1");
	line("deferd_store_batch_operations_sum 3");
}
END_TEST

START_TEST(hostile_names_are_escaped)
{
	now.routes[0].name = HOSTILE;
	metrics(NULL);
	line("deferd_tasks_accepted_total"
	    "{route=\"/a\\\"b\\\\c\\nd\\\\xff\xc3\xa9\"} 0");
}
END_TEST

START_TEST(many_routes_keep_families_together)
{
	const char *family, *last;

	now.routes = reallocarray(now.routes, 2, sizeof(*now.routes));
	now.routes[1] = now.routes[0];
	now.routes[1].name = "/s";
	now.nroutes = 2;
	metrics(NULL);
	family = strstr(text, "# TYPE deferd_tasks_accepted counter");
	last = strstr(text, "deferd_tasks_accepted_total{route=\"/s\"}");
	ck_assert(family != NULL && last > family);
	ck_assert_ptr_null(strstr(family + 1,
	    "# TYPE deferd_tasks_accepted counter"));
	ck_assert_ptr_null(memmem(family + 1, (size_t)(last - family - 1),
	    "# TYPE", 6));
}
END_TEST

/* --- the JSON ---------------------------------------------------------------- */

static double
number(const char *a, const char *b)
{
	json_t *at = json_object_get(doc, a);

	if (b != NULL)
		at = json_object_get(at, b);
	ck_assert_msg(json_is_number(at), "%s.%s", a, b ? b : "");
	return json_number_value(at);
}

static const char *
string(const char *name)
{
	return json_string_value(json_object_get(doc, name));
}

START_TEST(stats_of_the_daemon)
{
	json();
	ck_assert(has_type("application/json"));
	ck_assert_str_eq(string("version"), PACKAGE_VERSION);
	ck_assert_str_eq(string("started"), "2023-11-14T22:12:48.507Z");
	ck_assert_str_eq(string("state"), "serving");
	ck_assert(number("uptime", NULL) == 90.5);
	ck_assert(number("generation", NULL) == 3);
	ck_assert(json_is_null(json_object_get(doc, "oldest_queued")));
	ck_assert(json_is_null(json_object_get(doc, "memory_bytes")));
	ck_assert(number("descriptors", NULL) == 12);
	ck_assert(json_is_null(json_object_get(json_object_get(
	    json_object_get(doc, "store"), "batch"), "p50")));
}
END_TEST

START_TEST(stats_of_tasks)
{
	json_t *r, *p;

	now.kept[TASK_TIMED_OUT] = 2;
	stats.tasks.accepted = 4;
	stats.tasks.requeued = 3;
	stats.tasks.retried = 1;
	stats.refused[PROBLEM_BODY_LARGE] = 5;
	now.draining = now.paused = true;
	now.routes[0].max_running = 8;
	tasks.ended[TASK_FAILED] = 6;
	hist_add(&tasks.waiting, &hist_task_ms, 700);
	now.pools[0].restarts = 7;
	json();
	ck_assert_str_eq(string("state"), "draining");
	ck_assert(number("tasks", "timed-out") == 2);
	ck_assert(number("tasks", "queued") == 0);
	ck_assert(number("totals", "accepted") == 4);
	ck_assert(number("totals", "retried") == 1);
	ck_assert(number("totals", "interrupted") == 2);
	ck_assert(number("refused", "body-too-large") == 5);
	r = json_array_get(json_object_get(doc, "routes"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(r, "name")), "/r");
	ck_assert_int_eq(json_integer_value(json_object_get(r, "failed")), 6);
	ck_assert_int_eq(json_integer_value(json_object_get(r,
	    "max_running")), 8);
	ck_assert(json_number_value(json_object_get(json_object_get(r,
	    "waiting"), "p50")) == 0.75);
	ck_assert(json_is_null(json_object_get(json_object_get(r,
	    "running_time"), "p99")));
	p = json_array_get(json_object_get(doc, "pools"), 0);
	ck_assert(json_is_null(json_object_get(p, "module")));
	ck_assert_int_eq(json_integer_value(json_object_get(p, "restarts")),
	    7);
}
END_TEST

START_TEST(stats_of_minutes)
{
	int64_t minute = NOW_MS / 60000 - 2;
	json_t *list, *m;

	stats.minutes[minute % STATS_MINUTES] = (struct stats_minute){
		.minute = minute, .accepted = 5, .started = 4,
		.waited_ms = 10000, .ended = { [TASK_SUCCEEDED] = 3 },
	};
	json();
	list = json_object_get(doc, "minutes");
	ck_assert_uint_eq(json_array_size(list), 60);
	m = json_array_get(list, 57);
	ck_assert_str_eq(json_string_value(json_object_get(m, "minute")),
	    "2023-11-14T22:12:00.000Z");
	ck_assert_int_eq(json_integer_value(json_object_get(m, "accepted")), 5);
	ck_assert_int_eq(json_integer_value(json_object_get(m, "succeeded")),
	    3);
	ck_assert(json_real_value(json_object_get(m, "waiting")) == 2.5);
	ck_assert(json_is_null(json_object_get(m, "running")));
	m = json_array_get(list, 59);
	ck_assert_str_eq(json_string_value(json_object_get(m, "minute")),
	    "2023-11-14T22:14:00.000Z");
	ck_assert_int_eq(json_integer_value(json_object_get(m, "accepted")), 0);
}
END_TEST

/* --- neither ----------------------------------------------------------------- */

/* Without memory, wherever it ends: -1 and an empty answer. */
START_TEST(no_memory_no_answer)
{
	static int (*const views[])(struct answer *, const struct request *,
	    const struct stats_now *) = { view_metrics, view_stats };
	int n, failed = -1;

	if (!OWN_MALLOC)
		return;
	for (n = 0; failed != 0; n++) {
		ck_assert_int_lt(n, 10000);
		left = n;
		failed = views[_i](&answer, &req, &now);
		left = -1;
		if (failed == 0)
			break;
		ck_assert_int_eq(failed, -1);
		ck_assert_uint_eq(buf_len(&answer.head), 0);
		ck_assert_ptr_null(answer.body.bytes);
	}
	take_text();
	ck_assert(n > 0 || getenv("LD_PRELOAD") != NULL);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("view_metrics");
	TCase *t = suite_case(s, "all", setup, teardown);

	tcase_add_test(t, openmetrics);
	tcase_add_test(t, classic);
	tcase_add_loop_test(t, accept_decides, 0, N(wishes));
	tcase_add_test(t, people_get_plain_text);
	tcase_add_test(t, numbers_are_where_they_belong);
	tcase_add_test(t, the_unknown_is_left_out);
	tcase_add_test(t, histograms_are_cumulative);
	tcase_add_test(t, hostile_names_are_escaped);
	tcase_add_test(t, many_routes_keep_families_together);
	tcase_add_test(t, stats_of_the_daemon);
	tcase_add_test(t, stats_of_tasks);
	tcase_add_test(t, stats_of_minutes);
	tcase_add_loop_test(t, no_memory_no_answer, 0, 2);
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
