/*
 * Tests of view: each answer is read back with the parser that any client
 * of a CGI program would use, and with jansson, and compared with
 * contract.md row by row.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "daemon/master/view.h"
#include "ipc/cgires.h"
#include "tests/scarce.h"
#include "tests/suite.h"

#define BIT(m)	(1u << (m))
#define ID	"00010f107f809abcdef0ff23456789af"
#define LINK	"/jobs/status/" ID
#define CREATED	1700000000123		/* 2023-11-14T22:13:20.123Z */
#define CHANGED	1700000059007		/* 2023-11-14T22:14:19.007Z */

/* Everything the tests use, made anew for each test by setup(). */
static struct answer answer;
static struct task task;
static struct request req;
static struct store_op op;
static char block[512];
static json_t *doc;

/* A request by `method` through the server that says it is `software`. */
static void
request_by(enum conf_method method, const char *software)
{
	const char *why = "";
	size_t len = 0;

	len += (size_t)sprintf(block, "CONTENT_LENGTH%c0%cSCGI%c1%c",
	    0, 0, 0, 0);
	if (software != NULL)
		len += (size_t)sprintf(block + len, "SERVER_SOFTWARE%c%s%c",
		    0, software, 0);
	memset(&req, 0, sizeof(req));
	ck_assert_msg(scgi_check(block, len, &req.scgi, &why) == SCGI_DONE,
	    "%s", why);
	req.method = method;
	req.mount = (char *)"/jobs";
	req.path = (char *)"/status/" ID;
}

/* One more variable in the request; NULL: none. */
static void
request_says(const char *name, const char *value)
{
	size_t len = req.scgi.len;
	const char *why = "";

	if (value == NULL)
		return;
	ck_assert_uint_lt(len + strlen(name) + strlen(value) + 2,
	    sizeof(block));
	len += (size_t)sprintf(block + len, "%s%c%s%c", name, 0, value, 0);
	ck_assert_msg(scgi_check(block, len, &req.scgi, &why) == SCGI_DONE,
	    "%s", why);
}

static void
setup(void)
{
	answer_init(&answer);
	memset(&task, 0, sizeof(task));
	ck_assert(task_id_parse(ID, task.id));
	task.created_ms = CREATED;
	task.changed_ms = CHANGED;
	op = (struct store_op){ .message = MESSAGE_EMPTY };
	op.outcome.wait_status = -1;
	doc = NULL;
	request_by(METHOD_GET, NULL);
}

static void
teardown(void)
{
	json_decref(doc);
	answer_fini(&answer);
	blob_unref(&op.message.head);
	body_fini(&op.message.body);
}

/* The n-th value (from 0) of a header in the answer, or NULL. */
static const char *
nth_header(const char *name, int n)
{
	static char value[512];
	char *head = strndup((const char *)buf_data(&answer.head),
	    buf_len(&answer.head));
	const char *found = NULL;
	size_t len = strlen(name);

	for (char *save, *line = strtok_r(head, "\r\n", &save); line != NULL;
	    line = strtok_r(NULL, "\r\n", &save)) {
		if (strncasecmp(line, name, len) != 0 || line[len] != ':')
			continue;
		if (n-- > 0)
			continue;
		snprintf(value, sizeof(value), "%s", line + len + 2);
		found = value;
		break;
	}
	free(head);
	return found;
}

static const char *
header(const char *name)
{
	return nth_header(name, 0);
}

static void
has(const char *name, const char *value)
{
	const char *found = header(name);

	ck_assert_msg(found != NULL, "no %s", name);
	ck_assert_str_eq(found, value);
	ck_assert_msg(nth_header(name, 1) == NULL, "%s twice", name);
}

static void
has_not(const char *name)
{
	ck_assert_msg(header(name) == NULL, "%s: %s", name, header(name));
}

/*
 * True of every answer: a head that a CGI parser takes whole, Status first,
 * no byte in it that could begin a line of its own, and a length that is the
 * body's.
 */
static void
is_sound(int status)
{
	const char *head = (const char *)buf_data(&answer.head);
	size_t len = buf_len(&answer.head), used = 0;
	char first[64], length[32];
	const char *why = "";
	struct cgires res;

	snprintf(first, sizeof(first), "Status: %d %s\r\n", status,
	    cgires_reason(status));
	ck_assert_int_eq(answer.status, status);
	ck_assert_uint_gt(len, strlen(first));
	ck_assert_mem_eq(head, first, strlen(first));

	cgires_init(&res, CGIRES_NORMAL_MAX);
	ck_assert_msg(cgires_parse(&res, head, len, true, &used, &why) ==
	    CGIRES_DONE, "%s", why);
	ck_assert_uint_eq(used, len);
	ck_assert_int_eq(res.status, status);
	cgires_fini(&res);

	for (size_t i = 0; i < len; i++) {
		ck_assert_int_ne(head[i], '\0');
		if (head[i] == '\r')
			ck_assert_int_eq(head[i + 1], '\n');
		if (head[i] == '\n')
			ck_assert_int_eq(head[i - 1], '\r');
	}

	if (status == 204 || status == 304) {
		has_not("Content-Length");
		ck_assert_uint_eq(answer.body.size, 0);
	} else if (req.method != METHOD_HEAD) {
		snprintf(length, sizeof(length), "%ju",
		    (uintmax_t)answer.body.size);
		has("Content-Length", length);
	}
}

/* Answers that deferd makes, as opposed to a task's. */
static void
is_own(void)
{
	has("Cache-Control", "no-store");
	has("Referrer-Policy", "no-referrer");
}

static void
is_about_task(const char *state)
{
	has("Deferd-Task", ID);
	has("Deferd-State", state);
}

static void
is_about_no_task(void)
{
	has_not("Deferd-Task");
	has_not("Deferd-State");
}

/* Reads the body into `doc`. */
static void
read_json(const char *type)
{
	json_error_t error;

	has("Content-Type", type);
	ck_assert_ptr_nonnull(answer.body.bytes);
	ck_assert_uint_eq(answer.body.bytes->len, answer.body.size);
	doc = json_loadb((const char *)answer.body.bytes->data,
	    answer.body.bytes->len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
	    &error);
	ck_assert_msg(doc != NULL, "%s", error.text);
	ck_assert(json_is_object(doc));
}

static void
says(const char *member, const char *text)
{
	const char *found = json_string_value(json_object_get(doc, member));

	ck_assert_msg(found != NULL, "no string %s", member);
	ck_assert_str_eq(found, text);
}

static void
says_number(const char *member, int number)
{
	const json_t *found = json_object_get(doc, member);

	ck_assert_msg(json_is_integer(found), "no number %s", member);
	ck_assert_int_eq(json_integer_value(found), number);
}

/* Section 1 and 2: accepted, queued, running. */

START_TEST(queued_is_202_with_a_link)
{
	ck_assert_int_eq(view_pending(&answer, &req, &task, NULL, CREATED), 0);
	is_sound(202);
	is_own();
	is_about_task("queued");
	has("Location", LINK);
	has("Retry-After", "1");
	read_json("application/json");
	says("id", ID);
	says("state", "queued");
	says("status", LINK);
	says("created", "2023-11-14T22:13:20.123Z");
	ck_assert_uint_eq(json_object_size(doc), 4);
}
END_TEST

START_TEST(running_tells_when_it_started)
{
	task.state = TASK_RUNNING;
	ck_assert_int_eq(view_pending(&answer, &req, &task, NULL,
	    CREATED + 120 * 1000), 0);
	is_sound(202);
	is_own();
	is_about_task("running");
	has("Location", LINK);
	has("Retry-After", "12");
	read_json("application/json");
	says("state", "running");
	says("created", "2023-11-14T22:13:20.123Z");
	says("started", "2023-11-14T22:14:19.007Z");
	ck_assert_uint_eq(json_object_size(doc), 5);
}
END_TEST

START_TEST(accepted_is_queued_however_far_it_is)
{
	task.state = TASK_RUNNING;
	ck_assert_int_eq(view_accepted(&answer, &req, &task), 0);
	is_sound(202);
	is_own();
	is_about_task("queued");
	has("Location", LINK);
	has("Retry-After", "1");
	read_json("application/json");
	says("state", "queued");
	ck_assert_uint_eq(json_object_size(doc), 4);
	ck_assert_uint_eq(task.state, TASK_RUNNING);
}
END_TEST

START_TEST(progress_is_what_the_task_says)
{
	const struct view_progress p = { 42, "page \xff 3" };
	const json_t *value;

	task.state = TASK_RUNNING;
	ck_assert_int_eq(view_pending(&answer, &req, &task, &p, CREATED), 0);
	read_json("application/json");
	value = json_object_get(doc, "progress");
	ck_assert_int_eq(json_integer_value(json_object_get(value,
	    "percent")), 42);
	ck_assert_str_eq(json_string_value(json_object_get(value,
	    "message")), "page \xef\xbf\xbd 3");
}
END_TEST

START_TEST(problem_about_a_task_says_so)
{
	ck_assert_int_eq(view_problem(&answer, PROBLEM_METHOD, NULL, &task,
	    BIT(METHOD_GET)), 0);
	is_sound(405);
	is_about_task("queued");
}
END_TEST

START_TEST(head_is_get_without_body)
{
	char *head;

	ck_assert_int_eq(view_pending(&answer, &req, &task, NULL, CREATED), 0);
	head = strndup((const char *)buf_data(&answer.head),
	    buf_len(&answer.head));
	answer_fini(&answer);

	request_by(METHOD_HEAD, NULL);
	ck_assert_int_eq(view_pending(&answer, &req, &task, NULL, CREATED), 0);
	ck_assert_uint_eq(buf_len(&answer.head), strlen(head));
	ck_assert_mem_eq(buf_data(&answer.head), head, strlen(head));
	ck_assert_uint_eq(answer.body.size, 0);
	ck_assert_ptr_null(answer.body.bytes);
	free(head);
}
END_TEST

START_TEST(retry_after_grows_with_age)
{
	int last = 1;

	ck_assert_int_eq(view_retry_after(0), 1);
	ck_assert_int_eq(view_retry_after(-5000), 1);	/* a clock set back */
	ck_assert_int_eq(view_retry_after(INT64_MIN), 1);
	ck_assert_int_eq(view_retry_after(10000), 1);
	ck_assert_int_eq(view_retry_after(20000), 2);
	ck_assert_int_eq(view_retry_after(300 * 1000), 30);
	ck_assert_int_eq(view_retry_after(INT64_MAX), 30);
	for (int64_t ms = 0; ms < 1000 * 1000; ms += 777) {
		ck_assert_int_ge(view_retry_after(ms), last);
		last = view_retry_after(ms);
		ck_assert_int_le(last, 30);
	}
}
END_TEST

static const struct {
	const char	*mount, *link;
} links[] = {
	{ "", "/status/" ID },
	{ "/jobs", "/jobs/status/" ID },
	{ "/a/b-._~", "/a/b-._~/status/" ID },
	{ "/a b", "/a%20b/status/" ID },
	{ "/a%20b", "/a%2520b/status/" ID },
	{ "/x?y#z", "/x%3Fy%23z/status/" ID },
	{ "/!$&'()*+,;=:@", "/!$&'()*+,;=:@/status/" ID },
	{ "/\"<>\\^`{|}", "/%22%3C%3E%5C%5E%60%7B%7C%7D/status/" ID },
	{ "/\xc3\xa4\xff", "/%C3%A4%FF/status/" ID },
	{ "/\r\nSet-Cookie: a\t\x7f", "/%0D%0ASet-Cookie:%20a%09%7F/status/" ID },
};

START_TEST(link_is_percent_encoded)
{
	char *link = view_link(links[_i].mount, task.id);

	ck_assert_str_eq(link, links[_i].link);
	free(link);

	req.mount = (char *)links[_i].mount;
	ck_assert_int_eq(view_pending(&answer, &req, &task, NULL, CREATED), 0);
	is_sound(202);
	has("Location", links[_i].link);
	has_not("Set-Cookie");
	read_json("application/json");
	says("status", links[_i].link);
}
END_TEST

/* A mount as long as a request head may be still gets its answer. */
START_TEST(longest_mount_fits)
{
	char *mount = malloc(SCGI_HEAD_MAX);

	memset(mount, '\xff', SCGI_HEAD_MAX - 1);
	mount[0] = '/';
	mount[SCGI_HEAD_MAX - 1] = '\0';
	req.mount = mount;
	ck_assert_int_eq(view_pending(&answer, &req, &task, NULL, CREATED), 0);
	ck_assert_uint_gt(buf_len(&answer.head), 3 * (SCGI_HEAD_MAX - 2));
	free(mount);
}
END_TEST

/* Problem documents. */

static const struct {
	enum problem	 problem;
	int		 status;
	bool		 retry;
	const char	*type;
} problem_list[] = {
	{ PROBLEM_BAD_REQUEST, 400, false, "bad-request" },
	{ PROBLEM_NO_SCRIPT, 403, false, "no-script" },
	{ PROBLEM_CROSS_SITE, 403, false, "cross-site" },
	{ PROBLEM_NO_ROUTE, 404, false, "no-route" },
	{ PROBLEM_NO_TASK, 404, false, "no-task" },
	{ PROBLEM_METHOD, 405, false, "method-not-allowed" },
	{ PROBLEM_BODY_LARGE, 413, false, "body-too-large" },
	{ PROBLEM_NOT_CONTROL, 421, false, "not-control" },
	{ PROBLEM_KEY_REUSED, 422, false, "key-reused" },
	{ PROBLEM_MANY, 429, true, "too-many" },
	{ PROBLEM_HEAD_LARGE, 431, false, "head-too-large" },
	{ PROBLEM_INTERNAL, 500, false, "internal" },
	{ PROBLEM_FULL, 503, true, "full" },
	{ PROBLEM_STORE, 503, true, "store" },
	{ PROBLEM_DRAINING, 503, true, "draining" },
	{ PROBLEM_TASK_FAILED, 500, false, "task-failed" },
	{ PROBLEM_TASK_TIMED_OUT, 504, false, "task-timed-out" },
	{ PROBLEM_TASK_CANCELLED, 410, false, "task-cancelled" },
	{ PROBLEM_RANGE, 416, false, "range" },
	{ PROBLEM_SETTINGS, 422, false, "settings" },
};

START_TEST(problems_are_documents)
{
	char type[64];

	ck_assert_int_eq(N(problem_list), PROBLEM_N);
	ck_assert_int_eq(problem_list[_i].problem, _i);
	ck_assert_int_eq(view_problem(&answer, (enum problem)_i, NULL, NULL, 0), 0);
	is_sound(problem_list[_i].status);
	is_own();
	is_about_no_task();
	has_not("Allow");
	has_not("Location");
	if (problem_list[_i].retry)
		ck_assert_int_gt(atoi(header("Retry-After")), 0);
	else
		has_not("Retry-After");
	read_json("application/problem+json");
	snprintf(type, sizeof(type), "urn:deferd:problem:%s",
	    problem_list[_i].type);
	says("type", type);
	says_number("status", problem_list[_i].status);
	ck_assert_uint_gt(json_string_length(json_object_get(doc, "title")), 0);
	ck_assert_uint_gt(json_string_length(json_object_get(doc, "detail")),
	    0);
	ck_assert_uint_eq(json_object_size(doc), 4);
}
END_TEST

START_TEST(detail_is_the_callers)
{
	ck_assert_int_eq(view_problem(&answer, PROBLEM_BAD_REQUEST,
	    "a \"quoted\" word\r\nSet-Cookie: x", NULL, 0), 0);
	is_sound(400);
	has_not("Set-Cookie");
	read_json("application/problem+json");
	says("detail", "a \"quoted\" word\r\nSet-Cookie: x");
}
END_TEST

START_TEST(method_problem_allows)
{
	ck_assert_int_eq(view_problem(&answer, PROBLEM_METHOD, NULL, NULL,
	    BIT(METHOD_GET) | BIT(METHOD_DELETE) | BIT(METHOD_OPTIONS) |
	    BIT(METHOD_OTHER)), 0);
	is_sound(405);
	has("Allow", "GET, DELETE, OPTIONS");
}
END_TEST

/* 404 says nothing about which of the five reasons it is. */
START_TEST(no_task_is_always_the_same)
{
	struct answer other;

	answer_init(&other);
	ck_assert_int_eq(view_problem(&answer, PROBLEM_NO_TASK, NULL, NULL, 0), 0);
	ck_assert_int_eq(view_problem(&other, PROBLEM_NO_TASK, NULL, NULL, 0), 0);
	ck_assert_uint_eq(buf_len(&answer.head), buf_len(&other.head));
	ck_assert_mem_eq(buf_data(&answer.head), buf_data(&other.head),
	    buf_len(&answer.head));
	answer_fini(&other);
}
END_TEST

/* Section 3: DELETE, OPTIONS. */

START_TEST(no_content_about_a_task)
{
	task.state = TASK_CANCELLED;
	ck_assert_int_eq(view_no_content(&answer, &task, 0), 0);
	is_sound(204);
	is_own();
	is_about_task("cancelled");
	has_not("Allow");
	has_not("Content-Type");
}
END_TEST

START_TEST(no_content_for_options)
{
	ck_assert_int_eq(view_no_content(&answer, NULL,
	    BIT(METHOD_GET) | BIT(METHOD_POST) | BIT(METHOD_OPTIONS)), 0);
	is_sound(204);
	is_own();
	is_about_no_task();
	has("Allow", "GET, POST, OPTIONS");
}
END_TEST

/* Succeeded: the task's own response. */

static void
respond(const char *head, const char *body)
{
	task.state = TASK_SUCCEEDED;
	op.message.head = blob_new(head, strlen(head));
	if (body != NULL) {
		op.message.body.bytes = blob_new(body, strlen(body));
		op.message.body.size = strlen(body);
	}
}

static void
finished(bool debug)
{
	ck_assert_int_eq(view_finished(&answer, &req, &task, &op, debug), 0);
	/* it takes the message, whatever becomes of it */
	ck_assert_ptr_null(op.message.head);
	ck_assert_ptr_null(op.message.body.bytes);
	ck_assert_int_eq(op.message.body.fd, -1);
}

static void
body_is(const char *body)
{
	ck_assert_uint_eq(answer.body.size, strlen(body));
	ck_assert_ptr_nonnull(answer.body.bytes);
	ck_assert_mem_eq(answer.body.bytes->data, body, strlen(body));
}

START_TEST(response_is_the_tasks_own)
{
	respond("Status: 201 Created\r\nContent-Type: text/x; a=b\r\n"
	    "Set-Cookie: a=1\r\nX-One: \xe4 \"q\"\r\nSet-Cookie: b=2\r\n"
	    "Location: /kept\r\n\r\n", "hello\n");
	finished(true);
	is_sound(201);
	is_about_task("succeeded");
	has("Content-Type", "text/x; a=b");
	has("X-One", "\xe4 \"q\"");
	has("Location", "/kept");
	ck_assert_str_eq(nth_header("Set-Cookie", 0), "a=1");
	ck_assert_str_eq(nth_header("Set-Cookie", 1), "b=2");
	ck_assert_ptr_null(nth_header("Set-Cookie", 2));
	has("Cache-Control", "no-store");
	has_not("Referrer-Policy");
	body_is("hello\n");
}
END_TEST

START_TEST(own_cache_control_stays)
{
	respond("Status: 200 OK\r\ncache-control: max-age=9\r\n\r\n", "x");
	finished(false);
	is_sound(200);
	has("Cache-Control", "max-age=9");
}
END_TEST

/* "The task answered 404" is not "no such task". */
START_TEST(a_404_of_the_task_is_its_own)
{
	respond("Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\n",
	    "not here");
	finished(false);
	is_sound(404);
	is_about_task("succeeded");
	body_is("not here");
}
END_TEST

START_TEST(response_without_body_or_type)
{
	respond("Status: 200 OK\r\n\r\n", NULL);
	finished(false);
	is_sound(200);
	has("Content-Length", "0");
	has_not("Content-Type");
}
END_TEST

START_TEST(statuses_without_content)
{
	respond(_i == 204 ? "Status: 204 No Content\r\nX-A: b\r\n\r\n" :
	    "Status: 304 Not Modified\r\nX-A: b\r\n\r\n", "left over");
	finished(false);
	is_sound(_i);
	has("X-A", "b");
	is_about_task("succeeded");
}
END_TEST

START_TEST(head_of_a_response)
{
	request_by(METHOD_HEAD, NULL);
	respond("Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n",
	    "twelve bytes");
	finished(false);
	is_sound(200);
	has("Content-Length", "12");
	has("Content-Type", "text/plain");
	is_about_task("succeeded");
	ck_assert_uint_eq(answer.body.size, 0);
	ck_assert_ptr_null(answer.body.bytes);
}
END_TEST

START_TEST(large_body_stays_a_descriptor)
{
	int fd = memfd_create("body", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	request_by(_i == 0 ? METHOD_GET : METHOD_HEAD, NULL);
	respond("Status: 200 OK\r\n\r\n", NULL);
	op.message.body = (struct body){ .fd = fd, .size = 5000000000,
	    .file = 3 };
	finished(false);
	has("Content-Length", "5000000000");
	if (_i == 0) {
		ck_assert_int_eq(answer.body.fd, fd);
		ck_assert_uint_eq(answer.body.size, 5000000000);
	} else {
		ck_assert_int_eq(answer.body.fd, -1);
		ck_assert_int_eq(fcntl(fd, F_GETFD), -1);	/* closed */
	}
}
END_TEST

static const struct {
	const char	*software, *head;
	bool		 hidden;
} locations[] = {
	{ "Apache/2.4.62 (Debian)", "Status: 200 OK\r\nLocation: /x\r\n\r\n",
	  true },
	{ "Apache", "Status: 200 OK\r\nlocation: http://h/x\r\n\r\n", true },
	{ "Apache/2.4.62", "Status: 200 OK\r\nX: y\r\nLOCATION: /x\r\n"
	  "X-Location: z\r\n\r\n", true },
	{ "Apache/2.4.62", "Status: 201 Created\r\nLocation: /x\r\n\r\n",
	  false },
	{ "Apache/2.4.62", "Status: 202 Accepted\r\nLocation: /x\r\n\r\n",
	  false },
	{ "Apache/2.4.62", "Status: 302 Found\r\nLocation: /x\r\n\r\n",
	  false },
	{ "nginx/1.22.1", "Status: 200 OK\r\nLocation: /x\r\n\r\n", false },
	{ "lighttpd/1.4.69", "Status: 200 OK\r\nLocation: /x\r\n\r\n", false },
	{ "NotApache/1", "Status: 200 OK\r\nLocation: /x\r\n\r\n", false },
	{ NULL, "Status: 200 OK\r\nLocation: /x\r\n\r\n", false },
};

START_TEST(location_of_a_200_hides_from_apache)
{
	request_by(METHOD_GET, locations[_i].software);
	respond(locations[_i].head, "body");
	finished(false);
	is_sound(answer.status);
	body_is("body");
	if (locations[_i].hidden) {
		has_not("Location");
		ck_assert_ptr_nonnull(header("Deferd-Location"));
		ck_assert_ptr_null(nth_header("Deferd-Location", 1));
		has_not("Deferd-X-Location");
	} else {
		has("Location", "/x");
		has_not("Deferd-Location");
	}
}
END_TEST

/* A worker that lies: what it must not say does not get out. */
START_TEST(stored_head_is_read_again)
{
	respond("Status: 200 OK\r\nDeferd-Task: 1\r\nDeferd-State: queued\r\n"
	    "Content-Length: 99\r\nTransfer-Encoding: chunked\r\n"
	    "X-Accel-Redirect: /etc/passwd\r\nX-A: b\r\n\r\n", "x");
	finished(false);
	is_sound(200);
	is_about_task("succeeded");
	has("Content-Length", "1");
	has_not("Transfer-Encoding");
	has_not("X-Accel-Redirect");
	has("X-A", "b");
}
END_TEST

static const char *const damaged[] = {
	"",
	"Status: 200 OK\r\n",
	"Status: 200 OK\r\nX: a\rb\r\n\r\n",
	"Status: 999 What\r\n\r\n",
	"Status: 200 OK\r\n folded\r\n\r\n",
	"Status: 200 OK\r\n\r\nX-Behind: it\r\n\r\n",
};

START_TEST(damaged_head_is_500)
{
	respond(damaged[_i], "body");
	finished(false);
	is_sound(500);
	is_own();
	is_about_task("succeeded");
	has_not("X-Behind");
	read_json("application/problem+json");
	says("type", "urn:deferd:problem:internal");
	says("task", ID);
}
END_TEST

START_TEST(missing_head_is_500)
{
	task.state = TASK_SUCCEEDED;
	finished(false);
	is_sound(500);
	is_about_task("succeeded");
}
END_TEST

/* A 200 that brings no tag of its own: conditions and ranges. */

#define PLAIN	"Status: 200 OK\r\nContent-Type: text/x\r\n" \
		"Content-Language: de\r\nVary: Accept\r\nX-A: b\r\n\r\n"
#define TEN	"0123456789"

/* The tag that deferd gives the task. */
static const char *
our_etag(void)
{
	static char etag[64];
	struct answer kept = answer;

	answer_init(&answer);
	respond(PLAIN, TEN);
	finished(false);
	ck_assert_ptr_nonnull(header("ETag"));
	snprintf(etag, sizeof(etag), "%s", header("ETag"));
	answer_fini(&answer);
	answer = kept;
	return etag;
}

START_TEST(plain_200_gets_a_strong_tag)
{
	char first[64];
	const char *etag;

	respond(PLAIN, TEN);
	finished(false);
	is_sound(200);
	is_about_task("succeeded");
	has("Accept-Ranges", "bytes");
	has_not("Content-Range");
	body_is(TEN);
	etag = header("ETag");
	ck_assert_ptr_nonnull(etag);
	ck_assert_uint_eq(strlen(etag), 34);
	ck_assert_int_eq(etag[0], '"');
	ck_assert_uint_eq(strspn(etag + 1, "0123456789abcdef"), 32);
	ck_assert_int_eq(etag[33], '"');
	ck_assert_ptr_null(strstr(etag, ID));

	/* of the task: later as now, and no other task's */
	snprintf(first, sizeof(first), "%s", etag);
	task.changed_ms += 1000;
	task.attempt = 2;
	ck_assert_str_eq(our_etag(), first);
	task.id[15] ^= 1;
	ck_assert_str_ne(our_etag(), first);
}
END_TEST

static const char *const untagged[] = {
	"Status: 200 OK\r\nETag: \"own\"\r\n\r\n",
	"Status: 200 OK\r\netag: W/\"own\"\r\n\r\n",
	"Status: 200 OK\r\nAccept-Ranges: none\r\n\r\n",
	"Status: 200 OK\r\nContent-Range: bytes 0-9/10\r\n\r\n",
	"Status: 201 Created\r\n\r\n",
	"Status: 206 Partial Content\r\n\r\n",
	"Status: 404 Not Found\r\n\r\n",
	"Status: 503 Service Unavailable\r\n\r\n",
};

/* What is not ours to tag is left alone, whatever the client asks for. */
START_TEST(others_are_left_alone)
{
	int status = atoi(untagged[_i] + strlen("Status: "));

	request_says("HTTP_IF_NONE_MATCH", "*");
	request_says("HTTP_RANGE", _i % 2 ? "bytes=0-4" : "bytes=100-");
	respond(untagged[_i], TEN);
	finished(false);
	is_sound(status);
	body_is(TEN);
	ck_assert_uint_eq(answer.body_at, 0);
	if (header("ETag") != NULL)
		ck_assert_ptr_nonnull(strstr(header("ETag"), "\"own\""));
	ck_assert_ptr_null(nth_header("ETag", 1));
	ck_assert_ptr_null(nth_header("Accept-Ranges", 1));
	ck_assert_ptr_null(nth_header("Content-Range", 1));
}
END_TEST

/* "T" stands for our tag, "G" for what mod_deflate makes of it. */
static const struct {
	enum conf_method method;
	const char	*none_match, *if_range, *range;
	int		 status;
	uint64_t	 at, size;
	const char	*content_range;
} parts[] = {
	{ METHOD_GET, NULL, NULL, "bytes=3-5", 206, 3, 3, "bytes 3-5/10" },
	{ METHOD_GET, NULL, NULL, "bytes=3-", 206, 3, 7, "bytes 3-9/10" },
	{ METHOD_GET, NULL, NULL, "bytes=-2", 206, 8, 2, "bytes 8-9/10" },
	{ METHOD_GET, NULL, NULL, "bytes=0-", 206, 0, 10, "bytes 0-9/10" },
	{ METHOD_GET, NULL, NULL, "bytes=9-99", 206, 9, 1, "bytes 9-9/10" },
	{ METHOD_GET, NULL, NULL, "bytes=10-", 416, 0, 0, "bytes */10" },
	{ METHOD_GET, NULL, NULL, "bytes=-0", 416, 0, 0, "bytes */10" },
	{ METHOD_GET, NULL, NULL, "bytes=0-1,3-4", 200, 0, 10, NULL },
	{ METHOD_GET, NULL, NULL, "lines=0-1", 200, 0, 10, NULL },
	{ METHOD_GET, NULL, NULL, "bytes=5-4", 200, 0, 10, NULL },
	{ METHOD_HEAD, NULL, NULL, "bytes=3-5", 200, 0, 0, NULL },
	{ METHOD_HEAD, NULL, NULL, "bytes=10-", 200, 0, 0, NULL },

	{ METHOD_GET, NULL, "T", "bytes=3-5", 206, 3, 3, "bytes 3-5/10" },
	{ METHOD_GET, NULL, "T", "bytes=10-", 416, 0, 0, "bytes */10" },
	{ METHOD_GET, NULL, "T", NULL, 200, 0, 10, NULL },
	{ METHOD_GET, NULL, "G", "bytes=3-5", 200, 0, 10, NULL },
	{ METHOD_GET, NULL, "\"x\"", "bytes=3-5", 200, 0, 10, NULL },
	{ METHOD_GET, NULL, "\"x\"", "bytes=10-", 200, 0, 10, NULL },
	{ METHOD_GET, NULL, "Tue, 14 Nov 2023 22:13:20 GMT", "bytes=3-5",
	  200, 0, 10, NULL },

	{ METHOD_GET, "T", NULL, NULL, 304, 0, 0, NULL },
	{ METHOD_HEAD, "T", NULL, NULL, 304, 0, 0, NULL },
	{ METHOD_GET, "G", NULL, NULL, 304, 0, 0, NULL },
	{ METHOD_GET, "*", NULL, NULL, 304, 0, 0, NULL },
	{ METHOD_GET, "\"x\"", NULL, NULL, 200, 0, 10, NULL },
	{ METHOD_HEAD, "\"x\"", NULL, NULL, 200, 0, 0, NULL },
	{ METHOD_GET, "T", "T", "bytes=3-5", 304, 0, 0, NULL },
	{ METHOD_GET, "T", NULL, "bytes=10-", 304, 0, 0, NULL },
	{ METHOD_GET, "\"x\"", NULL, "bytes=3-5", 206, 3, 3, "bytes 3-5/10" },
};

static const char *
fill_in(const char *value, const char *etag)
{
	static char text[2][64];
	static int turn;

	if (value == NULL || strlen(value) > 1 || *value == '*')
		return value;
	turn = !turn;
	snprintf(text[turn], sizeof(text[turn]), *value == 'T' ? "%s" :
	    "%.33s-gzip\"", etag);
	return text[turn];
}

START_TEST(part_of_a_response)
{
	const char *etag = our_etag();
	char size[32];

	request_by(parts[_i].method, NULL);
	request_says("HTTP_IF_NONE_MATCH", fill_in(parts[_i].none_match, etag));
	request_says("HTTP_IF_RANGE", fill_in(parts[_i].if_range, etag));
	request_says("HTTP_RANGE", parts[_i].range);
	respond(PLAIN, TEN);
	finished(false);
	is_sound(parts[_i].status);
	is_about_task("succeeded");
	has("Cache-Control", "no-store");
	if (parts[_i].content_range != NULL)
		has("Content-Range", parts[_i].content_range);
	else
		has_not("Content-Range");
	ck_assert_uint_eq(answer.body_at, parts[_i].at);
	if (parts[_i].status == 416) {
		is_own();
		has_not("ETag");
		read_json("application/problem+json");
		says("type", "urn:deferd:problem:range");
		says("task", ID);
		return;
	}
	ck_assert_uint_eq(answer.body.size, parts[_i].size);
	has("ETag", etag);
	has("Accept-Ranges", "bytes");
	has("Vary", "Accept");
	has("X-A", "b");
	if (parts[_i].status == 304) {
		has_not("Content-Type");
		has_not("Content-Language");
		return;
	}
	has("Content-Type", "text/x");
	has("Content-Language", "de");
	snprintf(size, sizeof(size), "%ju", (uintmax_t)(
	    parts[_i].method == METHOD_HEAD ? 10 : parts[_i].size));
	has("Content-Length", size);
}
END_TEST

START_TEST(no_such_part_for_a_person)
{
	answer.html = true;
	request_says("HTTP_RANGE", "bytes=10-");
	respond(PLAIN, TEN);
	finished(false);
	is_sound(416);
	is_own();
	has("Content-Range", "bytes */10");
	has("Content-Type", "text/html; charset=utf-8");
}
END_TEST

/* Also far behind what fits into memory, and with its descriptor. */
START_TEST(part_of_a_file)
{
	int fd = memfd_create("body", MFD_CLOEXEC);

	request_says("HTTP_RANGE", "bytes=4999999000-");
	respond(PLAIN, NULL);
	op.message.body = (struct body){ .fd = fd, .size = 5000000000,
	    .file = 3 };
	finished(false);
	is_sound(206);
	has("Content-Range", "bytes 4999999000-4999999999/5000000000");
	ck_assert_int_eq(answer.body.fd, fd);
	ck_assert_uint_eq(answer.body.size, 1000);
	ck_assert_uint_eq(answer.body_at, 4999999000);
	answer_fini(&answer);
	ck_assert_uint_eq(answer.body_at, 0);
}
END_TEST

START_TEST(no_part_of_nothing)
{
	request_says("HTTP_RANGE", _i ? "bytes=0-" : "bytes=-1");
	respond(PLAIN, NULL);
	finished(false);
	is_sound(_i ? 416 : 200);
	if (_i)
		has("Content-Range", "bytes */0");
}
END_TEST

/* Endings other than success, and answers before the end, have no parts. */
START_TEST(problems_have_no_parts)
{
	request_says("HTTP_RANGE", "bytes=0-4");
	request_says("HTTP_IF_NONE_MATCH", "*");
	task.state = TASK_FAILED;
	finished(false);
	is_sound(500);
	has_not("ETag");
	has_not("Accept-Ranges");
	ck_assert_uint_eq(answer.body_at, 0);
}
END_TEST

/* Failed, timed out, cancelled. */

static const struct {
	enum task_state	 state;
	const char	*name;
	int		 status;
	const char	*type;
} endings[] = {
	{ TASK_FAILED, "failed", 500, "urn:deferd:problem:task-failed" },
	{ TASK_TIMED_OUT, "timed-out", 504,
	  "urn:deferd:problem:task-timed-out" },
	{ TASK_CANCELLED, "cancelled", 410,
	  "urn:deferd:problem:task-cancelled" },
};

START_TEST(endings_are_problems)
{
	task.state = (uint8_t)endings[_i].state;
	op.outcome.reason = "the program exited with status 3";
	op.outcome.wait_status = 3 << 8;
	op.outcome.log = "secret path";
	op.outcome.log_len = strlen("secret path");
	finished(false);
	is_sound(endings[_i].status);
	is_own();
	is_about_task(endings[_i].name);
	read_json("application/problem+json");
	says("type", endings[_i].type);
	says_number("status", endings[_i].status);
	says("detail", "the program exited with status 3");
	says("task", ID);
	ck_assert_uint_eq(json_object_size(doc), 5);	/* and no more */
}
END_TEST

START_TEST(ending_without_reason_has_words)
{
	task.state = (uint8_t)endings[_i].state;
	op.outcome.reason = "";
	finished(false);
	is_sound(endings[_i].status);
	read_json("application/problem+json");
	ck_assert_uint_gt(json_string_length(json_object_get(doc, "detail")),
	    0);
}
END_TEST

START_TEST(head_of_an_ending)
{
	request_by(METHOD_HEAD, NULL);
	task.state = (uint8_t)endings[_i].state;
	finished(false);
	is_sound(endings[_i].status);
	is_about_task(endings[_i].name);
	ck_assert_int_gt(atoi(header("Content-Length")), 0);
	ck_assert_uint_eq(answer.body.size, 0);
}
END_TEST

START_TEST(debug_shows_exit_status)
{
	task.state = TASK_FAILED;
	op.outcome.wait_status = 3 << 8;
	op.outcome.log = "line 1\nline 2\n";
	op.outcome.log_len = strlen("line 1\nline 2\n");
	finished(true);
	is_sound(500);
	read_json("application/problem+json");
	says_number("exit_status", 3);
	says("stderr", "line 1\nline 2\n");
	ck_assert_ptr_null(json_object_get(doc, "signal"));
}
END_TEST

START_TEST(debug_shows_signal)
{
	task.state = TASK_FAILED;
	op.outcome.wait_status = SIGSEGV;
	finished(true);
	read_json("application/problem+json");
	says_number("signal", SIGSEGV);
	says("stderr", "");
	ck_assert_ptr_null(json_object_get(doc, "exit_status"));
}
END_TEST

START_TEST(debug_without_a_process)
{
	task.state = TASK_FAILED;
	finished(true);
	read_json("application/problem+json");
	ck_assert_ptr_null(json_object_get(doc, "signal"));
	ck_assert_ptr_null(json_object_get(doc, "exit_status"));
}
END_TEST

#define BAD	"\xef\xbf\xbd"			/* U+FFFD */
#define TEXT(t)	t, sizeof(t) - 1

/* RFC 3629: every kind of sequence, at its edges. */
static const struct {
	const char	*text;
	size_t		 len;
	const char	*shown;
	size_t		 shown_len;
} texts[] = {
	{ TEXT(""), TEXT("") },
	{ TEXT("\x01\x1b[31m\"\\/\x7f"), TEXT("\x01\x1b[31m\"\\/\x7f") },
	{ TEXT("a\0b"), TEXT("a\0b") },
	{ TEXT("\xc2\x80 \xdf\xbf"), TEXT("\xc2\x80 \xdf\xbf") },
	{ TEXT("\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf"),
	  TEXT("\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf") },
	{ TEXT("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"),
	  TEXT("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf") },
	{ TEXT("\x80 \xbf"), TEXT(BAD " " BAD) },
	{ TEXT("\xc0\xaf \xc1\xbf"), TEXT(BAD BAD " " BAD BAD) },
	{ TEXT("\xe0\x9f\xbf"), TEXT(BAD BAD BAD) },
	{ TEXT("\xed\xa0\x80"), TEXT(BAD BAD BAD) },
	{ TEXT("\xf0\x8f\xbf\xbf"), TEXT(BAD BAD BAD BAD) },
	{ TEXT("\xf4\x90\x80\x80"), TEXT(BAD BAD BAD BAD) },
	{ TEXT("\xf5\x80\x80\x80"), TEXT(BAD BAD BAD BAD) },
	{ TEXT("\xfe\xff"), TEXT(BAD BAD) },
	{ TEXT("\xc3(\xc3\xa4"), TEXT(BAD "(\xc3\xa4") },
	{ TEXT("\xa4" "cut \xc3"), TEXT(BAD "cut " BAD) },
	{ TEXT("\xe2\x82"), TEXT(BAD BAD) },
	{ TEXT("\xf0\x9f\x98"), TEXT(BAD BAD BAD) },
};

START_TEST(stderr_is_made_valid)
{
	const json_t *shown;
	char *exact = malloc(texts[_i].len + 1);	/* for valgrind */

	memcpy(exact, texts[_i].text, texts[_i].len);
	task.state = TASK_FAILED;
	op.outcome.log = exact;
	op.outcome.log_len = texts[_i].len;
	finished(true);
	is_sound(500);
	read_json("application/problem+json");
	shown = json_object_get(doc, "stderr");
	ck_assert_uint_eq(json_string_length(shown), texts[_i].shown_len);
	ck_assert_mem_eq(json_string_value(shown), texts[_i].shown,
	    texts[_i].shown_len);
	free(exact);
}
END_TEST

START_TEST(reason_is_made_valid)
{
	task.state = TASK_FAILED;
	op.outcome.reason = "caf\xe9\r\nX: y";
	finished(false);
	is_sound(500);
	has_not("X");
	read_json("application/problem+json");
	says("detail", "caf" BAD "\r\nX: y");
}
END_TEST

/* An answer is usable again after its end. */
START_TEST(answer_can_be_filled_again)
{
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(view_problem(&answer, PROBLEM_FULL, NULL, NULL, 0),
		    0);
		is_sound(503);
		answer_fini(&answer);
		ck_assert_uint_eq(buf_len(&answer.head), 0);
		ck_assert_int_eq(answer.status, 0);
	}
}
END_TEST

/* Every answer there is; the test's number says which. */
enum {
	FILL_PENDING, FILL_PROGRESS, FILL_WAITING, FILL_ACCEPTED_PAGE, FILL_SEE,
	FILL_PROBLEM, FILL_ALLOW, FILL_PROBLEM_PAGE, FILL_NO_CONTENT, FILL_BEGUN,
	FILL_INFO, FILL_TEXT, FILL_HTML, FILL_LOG, FILL_LOG_STREAM,
	FILL_RESPONSE, FILL_HIDDEN, FILL_PART, FILL_NO_PART, FILL_DAMAGED,
	FILL_FAILED, FILL_KILLED, FILL_N
};

static const int fill_status[FILL_N] = {
	[FILL_PENDING] = 202, [FILL_PROGRESS] = 202, [FILL_WAITING] = 202,
	[FILL_ACCEPTED_PAGE] = 303, [FILL_SEE] = 303, [FILL_PROBLEM] = 503,
	[FILL_ALLOW] = 405, [FILL_PROBLEM_PAGE] = 404, [FILL_NO_CONTENT] = 204,
	[FILL_BEGUN] = 202, [FILL_INFO] = 200, [FILL_TEXT] = 200,
	[FILL_HTML] = 200, [FILL_LOG] = 200, [FILL_LOG_STREAM] = 200,
	[FILL_RESPONSE] = 404, [FILL_HIDDEN] = 200, [FILL_PART] = 206,
	[FILL_NO_PART] = 416, [FILL_DAMAGED] = 500, [FILL_FAILED] = 500,
	[FILL_KILLED] = 504,
};

/* What the answer is made of; memory for all this there is. */
static void
fill_prepare(int which)
{
	static const char *const stored[FILL_N] = {
		[FILL_INFO] = "Status: 200 OK\r\nX: y\r\n\r\n",
		[FILL_RESPONSE] = "Status: 404 Not Found\r\nX: y\r\n\r\n",
		[FILL_HIDDEN] = "Status: 200 OK\r\nLocation: /x\r\n\r\n",
		[FILL_PART] = "Status: 200 OK\r\nX: y\r\n\r\n",
		[FILL_NO_PART] = "Status: 200 OK\r\nX: y\r\n\r\n",
		[FILL_DAMAGED] = "what?",
	};

	request_by(METHOD_GET, which == FILL_HIDDEN ? "Apache" : NULL);
	if (which == FILL_PART)
		request_says("HTTP_RANGE", "bytes=1-2");
	if (which == FILL_NO_PART)
		request_says("HTTP_RANGE", "bytes=7-");
	req.query = (char *)"a=b";
	task.state = which >= FILL_FAILED ? TASK_FAILED : TASK_RUNNING;
	if (stored[which] != NULL && op.message.head == NULL)
		respond(stored[which], "body");
	answer.html = which == FILL_PROBLEM_PAGE || which == FILL_ACCEPTED_PAGE;
	op.outcome = (struct store_outcome){
		.wait_status = 3 << 8, .reason = "caf\xe9", .log = "text", .log_len = 4,
	};
	op.method = "POST";
	op.path = "/caf\xe9";
	if (which == FILL_KILLED) {
		task.state = TASK_TIMED_OUT;
		op.outcome.wait_status = SIGKILL;
	}
}

static int
fill(int which, const struct buf *text)
{
	const struct view_progress p = { 42, "caf\xe9" };
	const struct view_info more = { &p, CHANGED };

	switch (which) {
	case FILL_PENDING:
		return view_pending(&answer, &req, &task, NULL, CHANGED);
	case FILL_PROGRESS:
		return view_pending(&answer, &req, &task, &p, CHANGED);
	case FILL_WAITING:
		return view_waiting(&answer, &req, &task, &p, "/a", CHANGED);
	case FILL_ACCEPTED_PAGE:
		return view_accepted(&answer, &req, &task);
	case FILL_SEE:
		return view_see(&answer, &req, "/tasks");
	case FILL_PROBLEM:
		return view_problem(&answer, PROBLEM_FULL, NULL, NULL, 0);
	case FILL_ALLOW:
		return view_problem(&answer, PROBLEM_METHOD, "x", NULL, ~0u);
	case FILL_PROBLEM_PAGE:
		return view_problem(&answer, PROBLEM_NO_TASK, NULL, &task, 0);
	case FILL_NO_CONTENT:
		return view_no_content(&answer, &task, ~0u);
	case FILL_BEGUN:
		return view_begun(&answer);
	case FILL_INFO:
		return view_info(&answer, &req, &task, &op, &more);
	case FILL_TEXT:
		return view_text(&answer, &req, "text/plain", text);
	case FILL_HTML:
		return view_html(&answer, &req, "0", text);
	case FILL_LOG:
		return view_log(&answer, &req, &task, "text", 4);
	case FILL_LOG_STREAM:
		return view_log_stream(&answer, &task);
	default:
		return view_finished(&answer, &req, &task, &op, true);
	}
}

/*
 * Without memory, wherever it ends: -1 and an empty answer, the message taken
 * all the same, and nothing left over; with enough of it, the answer.
 */
START_TEST(no_memory_no_answer)
{
	struct buf text;
	int n, failed = -1;

	if (!OWN_MALLOC)
		return;
	tzset();	/* libc keeps what it has read for gmtime_r() */
	buf_init(&text, 10);
	ck_assert_int_eq(buf_add(&text, "text", 4), 0);
	for (n = 0; failed != 0; n++) {
		long before = blocks;

		ck_assert_int_lt(n, 1000);
		fill_prepare(_i);
		left = n;
		failed = fill(_i, &text);
		left = -1;
		if (_i == FILL_INFO)
			blob_unref(&op.message.head), body_fini(&op.message.body);
		ck_assert_ptr_null(op.message.head);
		ck_assert_ptr_null(op.message.body.bytes);
		if (failed == 0)
			break;
		ck_assert_int_eq(failed, -1);
		ck_assert_uint_eq(buf_len(&answer.head), 0);
		ck_assert_ptr_null(answer.body.bytes);
		ck_assert_int_eq(answer.status, 0);
		ck_assert_int_eq(blocks, before);
	}
	if (_i == FILL_LOG_STREAM)
		ck_assert_int_eq(answer.status, 200);
	else
		is_sound(fill_status[_i]);
	ck_assert(n > 0 || getenv("LD_PRELOAD") != NULL);
	buf_fini(&text);
}
END_TEST

START_TEST(no_memory_no_link)
{
	char *link;

	if (!OWN_MALLOC || getenv("LD_PRELOAD") != NULL)
		return;
	left = 0;
	link = view_link("/jobs", task.id);
	left = -1;
	ck_assert_ptr_null(link);
}
END_TEST

static void
add_pending(Suite *s)
{
	TCase *tc = suite_case(s, "pending", setup, teardown);

	tcase_add_test(tc, queued_is_202_with_a_link);
	tcase_add_test(tc, running_tells_when_it_started);
	tcase_add_test(tc, accepted_is_queued_however_far_it_is);
	tcase_add_test(tc, progress_is_what_the_task_says);
	tcase_add_test(tc, problem_about_a_task_says_so);
	tcase_add_test(tc, head_is_get_without_body);
	tcase_add_test(tc, retry_after_grows_with_age);
	tcase_add_loop_test(tc, link_is_percent_encoded, 0, N(links));
	tcase_add_test(tc, longest_mount_fits);
}

static void
add_own(Suite *s)
{
	TCase *tc = suite_case(s, "problems and 204", setup, teardown);

	tcase_add_loop_test(tc, problems_are_documents, 0, PROBLEM_N);
	tcase_add_test(tc, detail_is_the_callers);
	tcase_add_test(tc, method_problem_allows);
	tcase_add_test(tc, no_task_is_always_the_same);
	tcase_add_test(tc, no_content_about_a_task);
	tcase_add_test(tc, no_content_for_options);
	tcase_add_test(tc, answer_can_be_filled_again);
}

static void
add_succeeded(Suite *s)
{
	TCase *tc = suite_case(s, "succeeded", setup, teardown);

	tcase_add_test(tc, response_is_the_tasks_own);
	tcase_add_test(tc, own_cache_control_stays);
	tcase_add_test(tc, a_404_of_the_task_is_its_own);
	tcase_add_test(tc, response_without_body_or_type);
	tcase_add_loop_test(tc, statuses_without_content, 204, 205);
	tcase_add_loop_test(tc, statuses_without_content, 304, 305);
	tcase_add_test(tc, head_of_a_response);
	tcase_add_loop_test(tc, large_body_stays_a_descriptor, 0, 2);
	tcase_add_loop_test(tc, location_of_a_200_hides_from_apache, 0, N(locations));
	tcase_add_test(tc, stored_head_is_read_again);
	tcase_add_loop_test(tc, damaged_head_is_500, 0, N(damaged));
	tcase_add_test(tc, missing_head_is_500);
}

static void
add_parts(Suite *s)
{
	TCase *tc = suite_case(s, "conditions and ranges", setup, teardown);

	tcase_add_test(tc, plain_200_gets_a_strong_tag);
	tcase_add_loop_test(tc, others_are_left_alone, 0, N(untagged));
	tcase_add_loop_test(tc, part_of_a_response, 0, N(parts));
	tcase_add_test(tc, no_such_part_for_a_person);
	tcase_add_test(tc, part_of_a_file);
	tcase_add_loop_test(tc, no_part_of_nothing, 0, 2);
	tcase_add_test(tc, problems_have_no_parts);
}

static void
add_no_memory(Suite *s)
{
	TCase *tc = suite_case(s, "no memory", setup, teardown);

	tcase_add_loop_test(tc, no_memory_no_answer, 0, FILL_N);
	tcase_add_test(tc, no_memory_no_link);
}

static void
add_endings(Suite *s)
{
	TCase *tc = suite_case(s, "failed, timed out, cancelled", setup, teardown);

	tcase_add_loop_test(tc, endings_are_problems, 0, N(endings));
	tcase_add_loop_test(tc, ending_without_reason_has_words, 0, N(endings));
	tcase_add_loop_test(tc, head_of_an_ending, 0, N(endings));
	tcase_add_test(tc, debug_shows_exit_status);
	tcase_add_test(tc, debug_shows_signal);
	tcase_add_test(tc, debug_without_a_process);
	tcase_add_loop_test(tc, stderr_is_made_valid, 0, N(texts));
	tcase_add_test(tc, reason_is_made_valid);
}

int
main(void)
{
	Suite *s = suite_create("view");

	add_pending(s);
	add_own(s);
	add_succeeded(s);
	add_parts(s);
	add_endings(s);
	add_no_memory(s);
	return suite_run(s);
}
