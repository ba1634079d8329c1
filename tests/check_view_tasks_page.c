/*
 * Tests of the page of tasks: what it says of each, and that foreign text
 * stays text.  (How it looks and works is for tests/browser.)
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/view_tasks_page.h"
#include "ipc/utf8.h"
#include "tests/suite.h"

#define ID	"00010f107f809abcdef0ff23456789af"
#define LINK	"/ops/status/" ID
#define NOW	1700003600000		/* 2023-11-14T23:13:20Z */
#define NASTY	"<script>alert('1')</script>\"&\n\x01\xff{{css}}"
#define SAFE	"&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;\n" \
		"\xef\xbf\xbd\xef\xbf\xbd{{css}}"
#define CHECKED(s)	"name=\"state\" value=\"" s "\" checked>"

enum { RUNNING, WAITING, FAILURES, FINISHED };	/* its lists */

static struct answer answer;
static struct view_list list;
static struct request req;
static struct filter filter;
static struct stats counted;
static struct stats_now now;
static struct stats_route routes[2];
static struct stats_pool pools[2];
static struct stats_tasks of_routes[2];
static struct task task;
static struct listed listed;
static char *text;

static void
setup(void)
{
	static const uint64_t kept[TASK_STATE_N];

	answer_init(&answer);
	memset(&req, 0, sizeof(req));
	req.method = METHOD_GET;
	req.query = "";
	filter = (struct filter){ .older_s = -1, .newer_s = -1, .limit = 100 };
	stats_init(&counted);
	routes[0] = (struct stats_route){ "/report/*", true, 0, kept,
	    &of_routes[0] };
	routes[1] = (struct stats_route){ "/a&b", true, 0, kept,
	    &of_routes[1] };
	pools[0] = (struct stats_pool){ .slots = 16 };
	pools[1] = (struct stats_pool){ .module = "x.so", .slots = 8 };
	now = (struct stats_now){
		.stats = &counted, .now_ms = NOW, .uptime_ms = 3723000,
		.oldest_queued_ms = -1,
		.queue = 1000, .store.max_bytes = 4ull << 30,
		.routes = routes, .nroutes = 2, .pools = pools, .npools = 2,
	};
	memset(&task, 0, sizeof(task));
	ck_assert(task_id_parse(ID, task.id));
	task.attempt = 1;
	task.state = TASK_RUNNING;
	task.created_ms = NOW - 90000;
	task.changed_ms = NOW - 83000;
	listed = (struct listed){
		.task = &task, .link = LINK, .route = "/report/*",
		.method = "GET", .path = "/report/7",
		.started_ms = NOW - 83000,
	};
	memset(&list, 0, sizeof(list));
	text = NULL;
}

static void
teardown(void)
{
	view_list_fini(&list);
	answer_fini(&answer);
	free(text);
}

static void
begin(void)
{
	list.req = &req;
	list.filter = &filter;
	list.stats = &now;
	list.now_ms = NOW;
	ck_assert_int_eq(view_list_begin(&list, &view_tasks_page), 0);
}

/* The lists up to this one end. */
static void
until_list(size_t part)
{
	while (list.part < part)
		ck_assert_int_eq(view_list_part_end(&list, false), 0);
}

/* UTF-8 without controls but for newlines, and tabs. */
static bool
is_clean(const char *p, size_t len)
{
	for (size_t at = 0, n; at < len; at += n) {
		n = utf8_len(p + at, len - at);
		if (n == 0 || ((unsigned char)p[at] < ' ' &&
		    p[at] != '\n' && p[at] != '\t'))
			return false;
	}
	return true;
}

static void
end(void)
{
	size_t len;

	until_list(view_tasks_page.nparts);
	ck_assert_int_eq(view_list_answer(&list, &answer), 0);
	len = answer.body.size;
	text = strndup((const char *)answer.body.bytes->data, len);
	ck_assert_uint_eq(strlen(text), len);
	ck_assert(is_clean(text, len));
}

static void
page_of(size_t part)
{
	begin();
	until_list(part);
	ck_assert_int_eq(view_list_task(&list, &listed), 0);
	end();
}

static void
has(const char *what)
{
	ck_assert_msg(strstr(text, what) != NULL, "no %s in %s", what, text);
}

static void
has_not(const char *what)
{
	ck_assert_msg(strstr(text, what) == NULL, "%s in %s", what, text);
}

START_TEST(it_is_a_page_like_the_others)
{
	char head[4096];

	begin();
	end();
	snprintf(head, sizeof(head), "%.*s", (int)buf_len(&answer.head),
	    (const char *)buf_data(&answer.head));
	ck_assert_int_eq(answer.status, 200);
	ck_assert_ptr_nonnull(strstr(head, "\r\nCache-Control: no-store\r\n"));
	ck_assert_ptr_nonnull(strstr(head,
	    "\r\nContent-Security-Policy: default-src 'none'; "));
	ck_assert_ptr_nonnull(strstr(head, list.nonce));
	ck_assert_ptr_null(strstr(head, "unsafe"));
	has("<html lang=\"en\">");
	has("<title>0 running, 0 waiting - deferd</title>");
	has_not("://");
	has_not(" style=");
	has_not(" onclick=");
	has("Nothing runs.");
	has("Nothing waits.");
	has("Nothing has failed.");
	has("deferd " PACKAGE_VERSION ", up for 1:02:03");
	has("Times are as of 23:13:20 UTC.");
	has_not("http-equiv=\"refresh\"");	/* not unless asked for */
}
END_TEST

START_TEST(a_running_task)
{
	const struct view_progress p = { 42, "page <3>" };

	listed.progress = &p;
	listed.owner = "alice";
	task.attempt = 2;
	req.query = "state=running&route=%2F";
	page_of(RUNNING);
	has("<h2 id=\"running-name\">Running <span class=\"count\">1</span>");
	has("<li id=\"t" ID "\" data-state=\"running\">");
	has("<span class=\"method\">GET</span> <a href=\"" LINK "/info\">"
	    "/report/7</a>");
	has("<b>1:23</b> <span>running</span>");
	has("action=\"" LINK "/cancel?state=running&amp;route=%2F\">"
	    "<button id=\"c" ID "\">Cancel</button>");
	has("<span>alice</span>");
	has("<span>attempt 2</span>");
	has("<a href=\"" LINK "/log\">log</a>");
	has("max=\"100\" value=\"42\"");
	has("42% page &lt;3&gt;");
}
END_TEST

/* Though its bytes are still where the next list's would stand. */
START_TEST(a_task_is_in_one_list)
{
	const char *row;

	page_of(RUNNING);
	row = strstr(text, "<li ");
	ck_assert_ptr_nonnull(row);
	ck_assert_ptr_null(strstr(row + 1, "<li "));
	has("<ul></ul>");
}
END_TEST

START_TEST(a_queued_task)
{
	task.state = TASK_QUEUED;
	task.attempt = 0;
	task.changed_ms = NOW - 5000;
	page_of(WAITING);
	has("<b>0:05</b> <span>waiting</span>");
	has("/cancel\"><button");
	has_not(">log</a>");
	has("Nothing runs.");
}
END_TEST

static void
fail_with(const char *log, size_t len)
{
	task.state = TASK_FAILED;
	listed.started_ms = NOW - 8 * 60000;
	listed.finished_ms = NOW - 7 * 60000 - 500;
	listed.reason = "the program exited with 3";
	listed.log = log;
	listed.log_len = len;
	page_of(FAILURES);
}

START_TEST(a_failure_says_why)
{
	fail_with("first\nsecond <b>\n\n", 18);
	has("data-state=\"failed\"");
	has("<b>7 min ago</b> <span>took 59.5 s</span>");
	has("<p class=\"result\">failed</p>");
	has("<p class=\"reason\">the program exited with 3</p>");
	has("<pre tabindex=\"0\">first\nsecond &lt;b&gt;</pre>");
	has("<figcaption>stderr; <a href=\"" LINK "/log\">whole log</a>");
	has_not("/cancel");
}
END_TEST

START_TEST(a_failure_without_a_word)
{
	fail_with("\n\0\n", 3);
	has_not("<pre");
	has("the program exited with 3");
}
END_TEST

/* Twelve lines of which ten are shown. */
START_TEST(the_last_lines_are_shown)
{
	fail_with("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n", 27);
	has("<pre tabindex=\"0\">3\n4\n5\n6\n7\n8\n9\n10\n11\n12</pre>");
	has("<figcaption>stderr, its last lines; <a");
}
END_TEST

/* One line of 64 KiB, in characters of three bytes. */
START_TEST(the_end_of_a_long_line_is_shown)
{
	size_t len = 65535;
	char *log = malloc(len);

	for (size_t i = 0; i < len; i += 3)
		memcpy(log + i, "\xe2\x82\xac", 3);
	fail_with(log, len);
	has("stderr, its last lines;");
	has("\">\xe2\x82\xac\xe2\x82\xac");
	has_not("\xef\xbf\xbd");
	ck_assert_uint_lt(strlen(text), 80 * 1024);
	free(log);
}
END_TEST

START_TEST(finished_tasks)
{
	task.state = TASK_SUCCEEDED;
	listed.started_ms = NOW - 90000000;
	listed.finished_ms = NOW - 90000000 + 350;
	listed.status = 200;
	listed.size = 12345;
	page_of(FINISHED);
	has("<b>24 h ago</b> <span>took 350 ms</span>");
	has("<p class=\"result\">200, 12.1 KiB</p>");
	has(">log</a>");
}
END_TEST

START_TEST(cancelled_before_it_ran)
{
	task.state = TASK_CANCELLED;
	task.attempt = 0;
	listed.started_ms = 0;
	listed.finished_ms = NOW - 3 * 86400000ll;
	page_of(FINISHED);
	has("<b>3 d ago</b> <span>never started</span>");
	has("<p class=\"result\">cancelled</p>");
}
END_TEST

START_TEST(foreign_text_is_text)
{
	const struct view_progress p = { 1, NASTY };

	listed.path = listed.owner = listed.reason = listed.method = NASTY;
	listed.route = filter.owner = filter.route = routes[1].name = NASTY;
	listed.progress = &p;
	listed.log = NASTY;
	listed.log_len = strlen(NASTY);
	req.query = NASTY;
	page_of(FAILURES);
	has("/info\">" SAFE "</a>");
	has("<span class=\"method\">" SAFE "</span>");
	has("<p class=\"reason\">" SAFE "</p>");
	has("<span>" SAFE "</span><span>" SAFE "</span>");
	has("1% " SAFE "</p>");
	has("<pre tabindex=\"0\">" SAFE "</pre>");
	has("name=\"owner\" value=\"" SAFE "\"");
	has("<option value=\"" SAFE "\" selected>" SAFE "</option>");
	has("/cancel?" SAFE "\">");
	has_not("<script>");
	has_not("alert('");
}
END_TEST

/* Nor does it make the page long, or end in the middle of a character. */
START_TEST(long_text_is_cut)
{
	char *path = malloc(4002), query[600];

	path[0] = '/';
	for (size_t i = 1; i < 4000; i += 3)
		memcpy(path + i, "\xe2\x82\xac", 3);
	path[4000] = '\0';
	memset(query, 'q', sizeof(query));
	query[sizeof(query) - 1] = '\0';
	req.query = query;
	listed.path = listed.owner = listed.reason = path;
	page_of(RUNNING);
	has("\xe2\x82\xac\xe2\x80\xa6</a>");
	has("\xe2\x82\xac\xe2\x80\xa6</p>");
	has_not("\xef\xbf\xbd");
	has("/cancel\">");		/* and leads back to all of it */
	ck_assert_uint_lt(strlen(text), 64 * 1024);
	free(path);
}
END_TEST

START_TEST(paused)
{
	now.paused = true;
	now.kept[TASK_QUEUED] = 12;
	now.oldest_queued_ms = 83000;
	begin();
	end();
	has("<title>Paused, 0 running, 12 waiting - deferd</title>");
	has("<p class=\"banner\" role=\"status\">Paused: ");
	has("action=\"resume\"><button id=\"switch\">Resume</button>");
	has("<dt>Waiting</dt><dd><b>12</b> the first for 1:23</dd>");
}
END_TEST

START_TEST(draining)
{
	now.draining = now.paused = true;
	begin();
	end();
	has("role=\"status\">Draining: ");
	has_not("<button id=\"switch\">");
}
END_TEST

START_TEST(serving)
{
	pools[1].stuck = 2;
	now.kept[TASK_RUNNING] = 3;
	now.store.tasks = 77;
	now.store.bytes = 5 << 20;
	begin();
	end();
	has("<p class=\"banner\" role=\"status\"></p>");
	has("action=\"pause\"><button id=\"switch\">Pause</button>");
	has("<dt>Running</dt><dd><b>3</b> of 24 slots, 2 stuck</dd>");
	has("<dt>Waiting</dt><dd><b>0</b> of 1000 at most</dd>");
	has("<dt>Kept</dt><dd><b>77</b> 5 MiB of 4 GiB</dd>");
}
END_TEST

/* What was asked for is what the form says. */
START_TEST(the_filter_is_filled_in)
{
	filter.states = 1u << TASK_FAILED | 1u << TASK_CANCELLED;
	filter.route = "/a&b";
	filter.owner = "bob";
	filter.newer_s = 600;
	filter.older_s = 77;
	filter.limit = 5;
	filter.refresh_s = 30;
	begin();
	end();
	has("<noscript><meta http-equiv=\"refresh\" content=\"30\"></noscript>");
	has("<option value=\"30\" selected>30 seconds</option>");
	has(CHECKED("failed"));
	has(CHECKED("cancelled"));
	has_not(CHECKED("running"));
	has("<option value=\"/a&amp;b\" selected>/a&amp;b</option>");
	has("<option value=\"/report/*\">/report/*</option>");
	has("name=\"owner\" value=\"bob\"");
	has("<option value=\"600\" selected>10 minutes</option>");
	has("<option value=\"77\" selected>77 seconds</option>");
	has("<option value=\"5\" selected>5 at most</option>");
	has("id=\"failures\"");
	has("id=\"finished\"");
	has_not("id=\"running\"");	/* lists that must be empty are left out */
	has_not("id=\"waiting\"");
}
END_TEST

START_TEST(a_route_that_has_gone_stays_chosen)
{
	filter.route = "/gone";
	begin();
	end();
	has("<option value=\"/gone\" selected>/gone</option>");
}
END_TEST

START_TEST(there_are_more)
{
	begin();
	ck_assert_int_eq(view_list_task(&list, &listed), 0);
	ck_assert_int_eq(view_list_part_end(&list, true), 0);
	end();
	has("Running <span class=\"count\">the newest 1</span>");
}
END_TEST

/* What happened some minutes ago; and nothing is known of the others. */
START_TEST(the_last_hour_is_drawn)
{
	struct stats_minute *m = &counted.minutes[(NOW / 60000 - 5) %
	    STATS_MINUTES];

	begin();
	end();
	has("In the last hour 0 tasks were accepted");
	has("no task waited; no task ran");
	view_list_fini(&list);
	answer_fini(&answer);
	free(text);
	memset(&list, 0, sizeof(list));
	answer_init(&answer);

	m->minute = NOW / 60000 - 5;
	m->accepted = 9;
	m->ended[TASK_SUCCEEDED] = 6;
	m->ended[TASK_TIMED_OUT] = 2;
	m->started = 4;
	m->waited_ms = 1000;
	m->left = 8;
	m->ran_ms = 24000;
	begin();
	end();
	has("In the last hour 9 tasks were accepted, most of them, 9, at "
	    "23:08 UTC; 6 succeeded, 0 failed, 2 timed out, 0 were cancelled.");
	has("<title>23:08 UTC\ntimed-out 2\nsucceeded 6\naccepted 9</title>");
	has("<title>23:08 UTC\nwaiting 250 ms\nrunning 3 s</title>");
	has("tasks ran longest at 23:08 UTC, 3 s");
	has("<div class=\"bad\"><dt>Failed or timed out</dt><dd><b>2</b>");
	has("<span class=\"key stroke s-waiting\">waiting</span>");
}
END_TEST

/* As many as may be, each as long as it can be. */
START_TEST(the_longest_page_fits)
{
	char *path = malloc(LISTED_TEXT_MAX + 1), *query = malloc(513);
	char *log = malloc(65536);

	memset(path, '"', LISTED_TEXT_MAX);
	path[LISTED_TEXT_MAX] = '\0';
	memset(query, '"', 512);
	query[512] = '\0';
	memset(log, '"', 65536);
	req.query = query;
	listed.path = listed.owner = listed.reason = path;
	begin();
	for (size_t part = 0; part < view_tasks_page.nparts; part++) {
		listed.log = view_tasks_page.parts[part].log ? log : NULL;
		listed.log_len = listed.log != NULL ? 65536 : 0;
		for (unsigned int i = 0; i < view_tasks_page.parts[part].limit;
		    i++)
			ck_assert_int_eq(view_list_task(&list, &listed), 0);
		ck_assert_int_eq(view_list_part_end(&list, true), 0);
	}
	end();
	free(path);
	free(query);
	free(log);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("view_tasks_page");
	TCase *tc = suite_case(s, "view_tasks_page", setup, teardown);

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, it_is_a_page_like_the_others);
	tcase_add_test(tc, a_running_task);
	tcase_add_test(tc, a_task_is_in_one_list);
	tcase_add_test(tc, a_queued_task);
	tcase_add_test(tc, a_failure_says_why);
	tcase_add_test(tc, a_failure_without_a_word);
	tcase_add_test(tc, the_last_lines_are_shown);
	tcase_add_test(tc, the_end_of_a_long_line_is_shown);
	tcase_add_test(tc, finished_tasks);
	tcase_add_test(tc, cancelled_before_it_ran);
	tcase_add_test(tc, foreign_text_is_text);
	tcase_add_test(tc, long_text_is_cut);
	tcase_add_test(tc, paused);
	tcase_add_test(tc, draining);
	tcase_add_test(tc, serving);
	tcase_add_test(tc, the_filter_is_filled_in);
	tcase_add_test(tc, a_route_that_has_gone_stays_chosen);
	tcase_add_test(tc, there_are_more);
	tcase_add_test(tc, the_last_hour_is_drawn);
	tcase_add_test(tc, the_longest_page_fits);
	return suite_run(s);
}
