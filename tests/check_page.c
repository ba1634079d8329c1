/*
 * Tests of what view says to browsers (contract.md 1, 2 and 3): the 303, the
 * waiting page, problems; and of the document at `<link>/info`.
 */
#include "config.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/view.h"
#include "daemon/master/view_page.h"
#include "ipc/cgires.h"
#include "tests/suite.h"

#define ID	"00010f107f809abcdef0ff23456789af"
#define LINK	"/jobs/status/" ID
#define CREATED	1700000000123		/* 2023-11-14T22:13:20.123Z */
#define CHANGED	1700000059007		/* 2023-11-14T22:14:19.007Z */
#define NASTY	"/<script>alert('1')</script>\"&\n\x01\xff{{css}}"

static struct answer answer;
static struct task task;
static struct request req;
static struct store_op op;
static char block[64];
static json_t *doc;

static void
setup(void)
{
	const char *why;
	size_t len = (size_t)sprintf(block, "CONTENT_LENGTH%c0%cSCGI%c1%c",
	    0, 0, 0, 0);

	answer_init(&answer);
	answer.html = true;
	memset(&task, 0, sizeof(task));
	ck_assert(task_id_parse(ID, task.id));
	task.created_ms = CREATED;
	task.changed_ms = CHANGED;
	task.state = TASK_RUNNING;
	task.attempt = 1;
	op = (struct store_op){ .message = MESSAGE_EMPTY };
	op.outcome.wait_status = -1;
	memset(&req, 0, sizeof(req));
	ck_assert_int_eq(scgi_check(block, len, &req.scgi, &why), SCGI_DONE);
	req.method = METHOD_GET;
	req.mount = (char *)"/jobs";
	doc = NULL;
}

static void
teardown(void)
{
	json_decref(doc);
	answer_fini(&answer);
	message_fini(&op.message);
}

/* The head, and the body, as text; in static memory. */
static const char *
head(void)
{
	static char text[8192];

	snprintf(text, sizeof(text), "%.*s", (int)buf_len(&answer.head),
	    (const char *)buf_data(&answer.head));
	return text;
}

static const char *
body(void)
{
	static char text[65536];

	ck_assert_ptr_nonnull(answer.body.bytes);
	ck_assert_uint_lt(answer.body.size, sizeof(text));
	snprintf(text, sizeof(text), "%.*s", (int)answer.body.size,
	    (const char *)answer.body.bytes->data);
	return text;
}

static void
head_has(const char *line)
{
	ck_assert_msg(strstr(head(), line) != NULL, "no %s in %s", line,
	    head());
}

static void
body_has(const char *text)
{
	ck_assert_msg(strstr(body(), text) != NULL, "no %s in %s", text,
	    body());
}

static void
body_has_not(const char *text)
{
	ck_assert_msg(strstr(body(), text) == NULL, "%s in %s", text, body());
}

/* True of every page: nothing left to fill in, nobody else to ask. */
static void
is_page(int status)
{
	char line[64];

	ck_assert_int_eq(answer.status, status);
	snprintf(line, sizeof(line), "Status: %d ", status);
	head_has(line);
	head_has("\r\nContent-Type: text/html; charset=utf-8\r\n");
	head_has("\r\nCache-Control: no-store\r\n");
	head_has("\r\nReferrer-Policy: no-referrer\r\n");
	head_has("\r\nContent-Security-Policy: default-src 'none'; ");
	head_has("frame-ancestors 'none'\r\n");
	ck_assert_ptr_null(strstr(head(), "unsafe"));
	snprintf(line, sizeof(line), "\r\nContent-Length: %ju\r\n",
	    (uintmax_t)answer.body.size);
	head_has(line);
	ck_assert_int_eq(strncmp(body(), "<!DOCTYPE html>", 15), 0);
	body_has("<html lang=\"en\">");
	body_has_not("://");
	body_has_not(" style=");
	body_has_not(" onclick=");
	ck_assert_uint_le(answer.body.size, 8192);
}

static void
wait_page(const char *path, const struct view_progress *p, int64_t now_ms)
{
	ck_assert_int_eq(view_waiting(&answer, &req, &task, p, path, now_ms),
	    0);
}

START_TEST(submission_leads_to_the_link)
{
	ck_assert_int_eq(view_accepted(&answer, &req, &task), 0);
	is_page(303);
	head_has("\r\nLocation: " LINK "\r\n");
	head_has("\r\nDeferd-Task: " ID "\r\n");
	head_has("\r\nDeferd-State: queued\r\n");
	body_has("<a href=\"" LINK "\">");
}
END_TEST

/* Back to where a button stood; no query can end the line. */
START_TEST(a_button_leads_back)
{
	req.query = "state=a,b&route=%2F*&x=\r\nSet-Cookie: y\xff\"?";
	ck_assert_int_eq(view_see(&answer, &req, "/tasks"), 0);
	is_page(303);
	head_has("\r\nLocation: /jobs/tasks?state=a,b&route=%2F*&x=%0D%0A"
	    "Set-Cookie:%20y%FF%22?\r\n");
	body_has("<a href=\"/jobs/tasks?state=a,b&amp;route=%2F*&amp;x=");
	answer_fini(&answer);
	req.query = "";
	ck_assert_int_eq(view_see(&answer, &req, "/tasks"), 0);
	head_has("\r\nLocation: /jobs/tasks\r\n");
}
END_TEST

START_TEST(waiting_page_of_a_running_task)
{
	wait_page("/report/7", NULL, CHANGED + 83 * 1000);
	is_page(202);
	head_has("\r\nLocation: " LINK "\r\n");
	head_has("\r\nRetry-After: 14\r\n");
	head_has("\r\nDeferd-Task: " ID "\r\n");
	head_has("\r\nDeferd-State: running\r\n");
	body_has("<title>Running - /report/7</title>");
	body_has("<h1 id=\"path\">/report/7</h1>");
	body_has("<noscript><meta http-equiv=\"refresh\" content=\"14\">");
	body_has("<span id=\"elapsed\">1:23</span>");
	body_has("<div id=\"progress\" hidden>");
	body_has("<form id=\"cancel\" method=\"post\" action=\"" LINK
	    "/cancel\">");
	body_has("data-link=\"" LINK "\"");
}
END_TEST

START_TEST(waiting_page_of_a_queued_task)
{
	task.state = TASK_QUEUED;
	wait_page("/report/7", NULL, CHANGED + 3723 * 1000);
	is_page(202);
	head_has("\r\nDeferd-State: queued\r\n");
	body_has("<title>Waiting - /report/7</title>");
	body_has(">Waiting for its turn</span>");
	body_has("<span id=\"elapsed\">1:02:03</span>");
}
END_TEST

START_TEST(waiting_page_with_progress)
{
	const struct view_progress p = { 42, "page <3> \xff" };

	wait_page("/report/7", &p, CHANGED - 5000);	/* a clock set back */
	is_page(202);
	body_has("<title>42% Running - /report/7</title>");
	body_has("<div id=\"progress\">");
	body_has("max=\"100\" value=\"42\"");
	body_has("<span id=\"message\">page &lt;3&gt; \xef\xbf\xbd</span>");
	body_has("<span id=\"elapsed\">0:00</span>");
}
END_TEST

static void *
no_block(size_t size)
{
	(void)size;
	return NULL;
}

/* It is made from the task itself: no document is needed on the way. */
START_TEST(waiting_page_needs_no_document)
{
	const struct view_progress p = { 42, "page 3" };

	json_set_alloc_funcs(no_block, free);
	wait_page("/report/7", &p, CHANGED);
	json_set_alloc_funcs(malloc, free);
	is_page(202);
	body_has("<span id=\"message\">page 3</span>");
}
END_TEST

/* Script and style run by a nonce that is another one each time. */
START_TEST(nonce_is_used_once)
{
	char first[TASK_ID_TEXT], policy[256], tag[64];
	const char *at;

	wait_page("/a", NULL, CHANGED);
	at = strstr(head(), "script-src 'nonce-");
	ck_assert_ptr_nonnull(at);
	snprintf(first, sizeof(first), "%.32s", at + 18);
	ck_assert_uint_eq(strspn(first, "0123456789abcdef"), 32);
	snprintf(policy, sizeof(policy), "script-src 'nonce-%s'; "
	    "style-src 'nonce-%s'; img-src data:; connect-src 'self'; "
	    "form-action 'self'; base-uri 'none'; ", first, first);
	head_has(policy);
	snprintf(tag, sizeof(tag), "<script nonce=\"%s\">", first);
	body_has(tag);
	snprintf(tag, sizeof(tag), "<style nonce=\"%s\">", first);
	body_has(tag);

	answer_fini(&answer);
	wait_page("/a", NULL, CHANGED);
	ck_assert_ptr_null(strstr(head(), first));
	body_has_not(first);
}
END_TEST

/* Whatever comes from outside is text, in a page and in an attribute. */
START_TEST(foreign_text_is_escaped)
{
	const struct view_progress p = { 1, NASTY };

	req.mount = (char *)"/\"><script>";
	wait_page(NASTY, &p, CHANGED);
	body_has("<h1 id=\"path\">/&lt;script&gt;alert(&#39;1&#39;)"
	    "&lt;/script&gt;&quot;&amp;\n\xef\xbf\xbd\xef\xbf\xbd{{css}}</h1>");
	body_has_not("<script>");
	body_has_not("\x01");
	body_has("action=\"/%22%3E%3Cscript%3E/status/" ID "/cancel\"");
}
END_TEST

START_TEST(problem_is_a_page)
{
	ck_assert_int_eq(view_problem(&answer, PROBLEM_BAD_REQUEST,
	    "it is <b>bad</b>", &task, 0), 0);
	is_page(400);
	head_has("\r\nDeferd-Task: " ID "\r\n");
	body_has("<title>Bad request</title>");
	body_has("<h1>Bad request</h1>");
	body_has("<p>it is &lt;b&gt;bad&lt;/b&gt;</p>");
	body_has("<dt>Type</dt><dd>urn:deferd:problem:bad-request</dd>");
	body_has("<dt>Task</dt><dd>" ID "</dd>");
	body_has("Status 400");
}
END_TEST

/* Every problem says to people what it says to programs. */
START_TEST(problems_have_the_same_head)
{
	struct answer json;
	const char *member;
	char line[64];

	answer_init(&json);
	ck_assert_int_eq(view_problem(&json, (enum problem)_i, NULL, &task,
	    1u << METHOD_GET), 0);
	ck_assert_int_eq(view_problem(&answer, (enum problem)_i, NULL, &task,
	    1u << METHOD_GET), 0);
	is_page(json.status);
	head_has("\r\nAllow: GET\r\n");
	snprintf(line, sizeof(line), "%.*s", 60,
	    (const char *)buf_data(&json.head));
	*(strchr(line, '\n') + 1) = '\0';
	head_has(line);
	doc = json_loadb((const char *)json.body.bytes->data,
	    json.body.bytes->len, 0, NULL);
	member = json_string_value(json_object_get(doc, "detail"));
	body_has(member);
	member = json_string_value(json_object_get(doc, "title"));
	body_has(member);
	answer_fini(&json);
}
END_TEST

START_TEST(debug_is_shown_on_the_page)
{
	task.state = TASK_FAILED;
	op.outcome.reason = "it <fell>";
	op.outcome.wait_status = 3 << 8;
	op.outcome.log = "<a>\0b\n";
	op.outcome.log_len = 6;
	ck_assert_int_eq(view_finished(&answer, &req, &task, &op, true), 0);
	is_page(500);
	body_has("<p>it &lt;fell&gt;</p>");
	body_has("<dt>Exit status</dt><dd>3</dd>");
	body_has("<dt>Stderr</dt><dd>&lt;a&gt;\xef\xbf\xbd" "b\n</dd>");
}
END_TEST

/* The task's own response is its own, whoever asks. */
START_TEST(response_is_never_a_page)
{
	task.state = TASK_SUCCEEDED;
	op.message.head = blob_new("Status: 404 Not Found\r\n"
	    "Content-Type: text/plain\r\n\r\n", 51);
	op.message.body.bytes = blob_new("x", 1);
	op.message.body.size = 1;
	ck_assert_int_eq(view_finished(&answer, &req, &task, &op, false), 0);
	ck_assert_int_eq(answer.status, 404);
	head_has("\r\nContent-Type: text/plain\r\n");
	ck_assert_ptr_null(strstr(head(), "Content-Security-Policy"));
	ck_assert_str_eq(body(), "x");
}
END_TEST

START_TEST(head_of_a_page)
{
	req.method = METHOD_HEAD;
	wait_page("/a", NULL, CHANGED);
	ck_assert_int_eq(answer.status, 202);
	head_has("\r\nContent-Type: text/html; charset=utf-8\r\n");
	ck_assert_ptr_null(strstr(head(), "\r\nContent-Length: 0\r\n"));
	ck_assert_uint_eq(answer.body.size, 0);
}
END_TEST

/* A path as long as a head may be, each byte as six. */
START_TEST(longest_path_fits)
{
	char *path = malloc(SCGI_HEAD_MAX);

	memset(path, '"', SCGI_HEAD_MAX - 1);
	path[SCGI_HEAD_MAX - 1] = '\0';
	wait_page(path, NULL, CHANGED);
	ck_assert_uint_gt(answer.body.size, 12 * (SCGI_HEAD_MAX - 1));
	free(path);
}
END_TEST

/* --- <link>/info ---------------------------------------------------------- */

static void
info(const struct view_progress *p, int64_t expires_ms)
{
	const struct view_info more = { p, expires_ms };

	op.method = "POST";
	op.path = "/report/7";
	ck_assert_int_eq(view_info(&answer, &req, &task, &op, &more), 0);
	ck_assert_int_eq(answer.status, 200);
	head_has("\r\nContent-Type: application/json\r\n");
	head_has("\r\nDeferd-Task: " ID "\r\n");
	head_has("\r\nCache-Control: no-store\r\n");
	doc = json_loadb((const char *)answer.body.bytes->data,
	    answer.body.bytes->len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(doc);
	ck_assert_uint_eq(json_object_size(doc), 14);
}

/* A member, or one of a member: "http" or "http.size"; as JSON. */
static void
is(const char *name, const char *json)
{
	const char *dot = strchr(name, '.');
	char outer[32];
	json_t *value;
	char *text;

	snprintf(outer, sizeof(outer), "%.*s",
	    (int)(dot != NULL ? dot - name : (long)strlen(name)), name);
	value = json_object_get(doc, outer);
	if (dot != NULL)
		value = json_object_get(value, dot + 1);
	ck_assert_msg(value != NULL, "no %s", name);
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT |
	    JSON_REAL_PRECISION(6));
	ck_assert_str_eq(text, json);
	free(text);
}

START_TEST(info_of_a_queued_task)
{
	task.state = TASK_QUEUED;
	task.attempt = 0;
	info(NULL, 0);
	is("id", "\"" ID "\"");
	is("state", "\"queued\"");
	is("method", "\"POST\"");
	is("path", "\"/report/7\"");
	is("created", "\"2023-11-14T22:13:20.123Z\"");
	is("started", "null");
	is("finished", "null");
	is("expires", "null");
	is("attempts", "0");
	is("tries", "[]");
	is("progress", "null");
	is("http", "null");
	is("exit", "null");
	is("reason", "null");
}
END_TEST

START_TEST(info_of_a_running_task)
{
	const struct view_progress p = { 42, "half" };

	op.started_ms = CHANGED;
	info(&p, 0);
	is("state", "\"running\"");
	is("started", "\"2023-11-14T22:14:19.007Z\"");
	is("finished", "null");
	is("attempts", "1");
	is("progress", "{\"percent\":42,\"message\":\"half\"}");
	is("exit", "null");
}
END_TEST

START_TEST(info_of_a_response)
{
	task.state = TASK_SUCCEEDED;
	op.started_ms = CREATED;
	op.message.head = blob_new("Status: 404 Not Found\r\n\r\n", 25);
	op.message.body.size = 5000000000;
	op.outcome.wait_status = 0;
	op.outcome.cpu_us = 1500000;
	op.outcome.max_rss_kib = 2048;
	info(NULL, CHANGED + 300 * 1000);
	is("state", "\"succeeded\"");
	is("started", "\"2023-11-14T22:13:20.123Z\"");
	is("finished", "\"2023-11-14T22:14:19.007Z\"");
	is("expires", "\"2023-11-14T22:19:19.007Z\"");
	is("http", "{\"status\":404,\"size\":5000000000}");
	is("exit.status", "0");
	is("exit.cpu", "1.5");
	is("exit.max_rss_kib", "2048");
	is("reason", "null");
}
END_TEST

START_TEST(info_of_a_failure)
{
	task.state = TASK_FAILED;
	task.attempt = 3;
	op.outcome.reason = "killed";
	op.outcome.wait_status = 9;
	op.tries = blob_new("1\t1700000000123\ttoo slow\nnonsense\n"
	    "2\t1700000001123\t\xff!\n3\t17", 57);
	info(NULL, CHANGED);
	blob_unref(&op.tries);
	is("attempts", "3");
	is("tries", "[{\"attempt\":1,\"ended\":\"2023-11-14T22:13:20.123Z\","
	    "\"reason\":\"too slow\"},{\"attempt\":2,\"ended\":"
	    "\"2023-11-14T22:13:21.123Z\",\"reason\":\"\xef\xbf\xbd!\"}]");
	is("http", "null");
	is("exit.signal", "9");
	is("reason", "\"killed\"");
	ck_assert_ptr_null(json_object_get(json_object_get(doc, "exit"),
	    "status"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("page");
	TCase *tc = suite_case(s, "page", setup, teardown);

	tcase_add_test(tc, submission_leads_to_the_link);
	tcase_add_test(tc, a_button_leads_back);
	tcase_add_test(tc, waiting_page_of_a_running_task);
	tcase_add_test(tc, waiting_page_of_a_queued_task);
	tcase_add_test(tc, waiting_page_with_progress);
	tcase_add_test(tc, waiting_page_needs_no_document);
	tcase_add_test(tc, nonce_is_used_once);
	tcase_add_test(tc, foreign_text_is_escaped);
	tcase_add_test(tc, problem_is_a_page);
	tcase_add_loop_test(tc, problems_have_the_same_head, 0, PROBLEM_N);
	tcase_add_test(tc, debug_is_shown_on_the_page);
	tcase_add_test(tc, response_is_never_a_page);
	tcase_add_test(tc, head_of_a_page);
	tcase_add_test(tc, longest_path_fits);
	tcase_add_test(tc, info_of_a_queued_task);
	tcase_add_test(tc, info_of_a_running_task);
	tcase_add_test(tc, info_of_a_response);
	tcase_add_test(tc, info_of_a_failure);
	return suite_run(s);
}
