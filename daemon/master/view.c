/*
 * view - what deferd itself says: the 202s, the problem documents, and the
 * head that goes before a task's own response (contract.md 1 to 3).
 *
 * Every answer is built in one way: begin() writes the Status, put_*() the
 * headers, set_json() or a stored body what follows, end() the empty line or,
 * if any step was out of memory, an empty answer.  No step looks whether the
 * one before went well: the answer remembers.
 *
 * No header can be split, by construction (CVE class "response splitting"):
 * what comes from outside reaches a head only as hex digits (ids), percent-
 * encoded (the mount in a link), or through cgires_parse(), which refuses
 * CR, LF and NUL inside a line.  Texts of others go into JSON, or a page that
 * is made from it.
 *
 * Apache looks into what a CGI program answers.  Of `Status: 200` with a
 * `Location`, it makes an internal redirect when that is a path (mod_cgi,
 * mod_cgid, mod_proxy_scgi: the body is replaced), and a 302 when it is a
 * URL (mod_cgi, mod_cgid).  A task may well answer so: 200, a document, and
 * where it is kept.  Therefore, when SERVER_SOFTWARE says Apache, Location
 * of a 200 is sent as `Deferd-Location`, and the configuration of Apache
 * gives it its name back, behind the place where Apache looks (mod_headers;
 * tried with mod_cgid and mod_proxy_scgi, which keep a script's headers in
 * the table that `always` means):
 *
 *	Header always set Location "expr=%{resp:Deferd-Location}" \
 *	    "expr=-n %{resp:Deferd-Location}"
 *	Header always unset Deferd-Location
 *
 * Other statuses (202, 201, 302 ...) keep their Location anywhere.
 */
#include "config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

#include "daemon/master/view.h"
#include "daemon/master/view_range.h"
#include "daemon/master/view_info.h"
#include "daemon/master/view_json.h"
#include "daemon/master/view_page.h"
#include "ipc/cgires.h"

/*
 * A head is at most a stored one and a few lines, or a link whose mount came
 * in a request head, each byte as three.
 */
#define HEAD_MAX	(3 * SCGI_HEAD_MAX + CGIRES_NORMAL_MAX)

#define JSON_FLAGS	(JSON_COMPACT | JSON_REAL_PRECISION(12))
#define JSON_BRIEF	1024		/* bytes of a short document */
#define LINK_INFIX	"/status/"
#define TYPE_PREFIX	"urn:deferd:problem:"	/* names, listed in the manual */

void
answer_init(struct answer *a)
{
	a->status = 0;
	a->html = a->failed = false;
	buf_init(&a->head, HEAD_MAX);
	a->body = BODY_EMPTY;
	a->body_at = 0;
}

void
answer_fini(struct answer *a)
{
	a->status = 0;
	a->failed = false;
	buf_fini(&a->head);
	body_fini(&a->body);
	a->body_at = 0;
}

/* A step of an answer, which fails with it. */
static void
step(struct answer *a, int failed)
{
	if (failed)
		a->failed = true;
}

static void
begin(struct answer *a, int status)
{
	a->status = status;
	step(a, buf_texts(&a->head, "Status: ", NULL) ||
	    buf_number(&a->head, (uint64_t)status) ||
	    buf_texts(&a->head, " ", cgires_reason(status), "\r\n", NULL));
}

static void
add(struct answer *a, const char *text)
{
	step(a, buf_add(&a->head, text, strlen(text)));
}

static void
put(struct answer *a, const char *name, const char *value)
{
	step(a, buf_texts(&a->head, name, ": ", value, "\r\n", NULL));
}

/* What every answer of our own carries, not a task's. */
static void
put_own(struct answer *a)
{
	put(a, "Cache-Control", "no-store");
	put(a, "Referrer-Policy", "no-referrer");
}

/* Every answer about a task says so; `task` may be NULL. */
static void
put_task(struct answer *a, const struct task *task)
{
	char id[TASK_ID_TEXT];

	if (task == NULL)
		return;
	put(a, "Deferd-Task", task_id_text(task->id, id));
	put(a, "Deferd-State", task_state_names[task->state]);
}

static void
put_number(struct answer *a, const char *name, uint64_t value)
{
	step(a, buf_texts(&a->head, name, ": ", NULL) ||
	    buf_number(&a->head, value) || buf_add(&a->head, "\r\n", 2));
}

/* METHOD_OTHER has no name to be put here. */
static void
put_allow(struct answer *a, unsigned int mask)
{
	const char *comma = "";

	if (mask == 0)
		return;
	add(a, "Allow: ");
	for (int m = 0; m < METHOD_OTHER; m++) {
		if (!(mask & 1u << m))
			continue;
		add(a, comma);
		add(a, conf_method_names[m]);
		comma = ", ";
	}
	add(a, "\r\n");
}

/* Ends every function that fills an answer. */
static int
end(struct answer *a)
{
	add(a, "\r\n");
	if (!a->failed)
		return 0;
	answer_fini(a);
	return -1;
}

/* The same, where there was no memory to begin with. */
static int
fail(struct answer *a)
{
	a->failed = true;
	return end(a);
}

/* What ends the head is taken off, and put back behind the new line. */
int
view_add(struct answer *a, const char *name, const char *value)
{
	a->head.end -= strlen("\r\n");
	put(a, name, value);
	return end(a);
}

/* HEAD and statuses without content (RFC 9110 9.3.2, 15.3.5, 15.4.5). */
static bool
may_have_body(int status)
{
	return status != 204 && status != 304;
}

static void
drop_unwanted_body(struct answer *a, const struct request *req)
{
	if (req->method == METHOD_HEAD || !may_have_body(a->status))
		body_fini(&a->body);
}

/* A body of ours, which is all in memory: as long as it says; takes `bytes`. */
static void
set_body(struct answer *a, const char *type, struct blob *bytes, size_t len)
{
	step(a, bytes == NULL);
	a->body.bytes = bytes;
	a->body.size = len;
	put(a, "Content-Type", type);
	put_number(a, "Content-Length", len);
}

/*
 * JSON gets a newline, for those who read it in a terminal: room for it, and
 * for `len` bytes before.  NULL without memory.
 */
static unsigned char *
set_json_room(struct answer *a, const char *type, size_t len)
{
	struct blob *bytes = blob_new(NULL, len + 1);

	set_body(a, type, bytes, len + 1);
	if (bytes == NULL)
		return NULL;
	bytes->data[len] = '\n';
	return bytes->data;
}

/* Borrows `doc`, which is NULL without memory.  Most are short: written once. */
static void
set_json(struct answer *a, const char *type, const json_t *doc)
{
	char brief[JSON_BRIEF];
	size_t len = json_dumpb(doc, brief, sizeof(brief), JSON_FLAGS);
	unsigned char *data = set_json_room(a, type, len);

	step(a, len == 0);
	if (data == NULL)
		return;
	if (len <= sizeof(brief))
		memcpy(data, brief, len);
	else
		step(a, json_dumpb(doc, (char *)data, len, JSON_FLAGS) != len);
}

/*
 * A nonce is as hard to guess as a task's id, and made the same way: no page
 * has that of another.
 */
char *
view_nonce(char nonce[TASK_ID_TEXT])
{
	unsigned char id[TASK_ID_BYTES];

	task_new_id(id);
	return task_id_text(id, nonce);
}

/*
 * The page as the body, and what it may do: run the script and the style that
 * carry the nonce, ask and post to where it comes from.  The empty icon keeps
 * browsers from asking for one.
 */
static void
set_page(struct answer *a, const struct buf *page, const char *nonce)
{
	set_body(a, "text/html; charset=utf-8",
	    blob_new(buf_data(page), buf_len(page)), buf_len(page));
	put(a, "X-Content-Type-Options", "nosniff");
	step(a, buf_printf(&a->head, "Content-Security-Policy: "
	    "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
	    "img-src data:; connect-src 'self'; form-action 'self'; "
	    "base-uri 'none'; frame-ancestors 'none'\r\n", nonce, nonce));
}

/* A problem for a person, or else for a program; no `doc`, no memory. */
static void
set_problem(struct answer *a, const json_t *doc)
{
	char nonce[TASK_ID_TEXT];
	struct buf page;

	step(a, doc == NULL);
	if (!a->html) {
		set_json(a, "application/problem+json", doc);
		return;
	}
	buf_init(&page, VIEW_PAGE_MAX);
	step(a, view_page_problem(&page, view_nonce(nonce), doc));
	set_page(a, &page, nonce);
	buf_fini(&page);
}

/*
 * The members of RFC 9457 3.1, and `task` where one is concerned.  NULL
 * without memory.
 */
static json_t *
problem_document(enum problem p, const char *detail, const struct task *task)
{
	json_t *doc = json_object();

	if (detail == NULL || *detail == '\0')
		detail = problems[p].detail;
	view_json_set(&doc, "type",
	    json_sprintf(TYPE_PREFIX "%s", problems[p].name));
	view_json_set_text(&doc, "title", problems[p].title);
	view_json_set(&doc, "status", json_integer(problems[p].status));
	view_json_set_text(&doc, "detail", detail);
	if (task != NULL)
		view_json_set_id(&doc, "task", task);
	return doc;
}

/* Takes `doc`, which may be NULL for want of memory. */
static int
answer_problem(struct answer *a, enum problem p, json_t *doc,
    unsigned int allow, const struct task *task)
{
	int retry_s = problems[p].retry_after_s;

	begin(a, problems[p].status);
	put_task(a, task);
	put_allow(a, allow);
	if (retry_s > 0)
		put_number(a, "Retry-After", (uint64_t)retry_s);
	put_own(a);
	set_problem(a, doc);
	json_decref(doc);
	return end(a);
}

int
view_problem(struct answer *a, enum problem p, const char *detail,
    const struct task *task, unsigned int allow)
{
	return answer_problem(a, p, problem_document(p, detail, task), allow,
	    task);
}

static int
add_json(struct buf *b, const json_t *json)
{
	const size_t flags = JSON_FLAGS | JSON_ENCODE_ANY;
	size_t len = json_dumpb(json, NULL, 0, flags);
	char *to = len > 0 ? (char *)buf_space(b, len) : NULL;

	if (to == NULL || json_dumpb(json, to, len, flags) != len)
		return -1;
	buf_commit(b, len);
	return 0;
}

/* A running task's own words, if it has said any. */
static int
progress_text(struct buf *text, const struct view_progress *p)
{
	json_t *message;
	int failed;

	if (p == NULL)
		return 0;
	message = view_json_text(p->message, strlen(p->message));
	failed = buf_texts(text, ",\"progress\":{\"percent\":", NULL) ||
	    buf_number(text, (uint64_t)p->percent) ||
	    buf_texts(text, ",\"message\":", NULL) ||
	    add_json(text, message) || buf_add(text, "}", 1);
	json_decref(message);
	return failed ? -1 : 0;
}

/*
 * What a 202 says of its task.  But for the words of the task all of it is
 * digits, names of ours and a link that is percent-encoded, so nothing needs
 * to be escaped; and by hand, since nothing is sent as often.
 */
static int
pending_text(struct buf *text, const struct task *task,
    const struct view_progress *progress, const char *link)
{
	char id[TASK_ID_TEXT], created[VIEW_JSON_TIME], started[VIEW_JSON_TIME];

	if (buf_texts(text, "{\"id\":\"", task_id_text(task->id, id),
	    "\",\"state\":\"", task_state_names[task->state],
	    "\",\"status\":\"", link, "\",\"created\":\"",
	    view_json_time(task->created_ms, created), "\"", NULL))
		return -1;
	if (task->state == TASK_RUNNING &&
	    buf_texts(text, ",\"started\":\"",
	    view_json_time(task->changed_ms, started), "\"", NULL))
		return -1;
	return progress_text(text, progress) || buf_add(text, "}", 1) ? -1 : 0;
}

/* The same, for those who add to it. */
static json_t *
pending_document(const struct task *task, const struct view_progress *progress,
    const char *link)
{
	struct buf text;
	json_t *doc = NULL;

	buf_init(&text, HEAD_MAX);
	if (pending_text(&text, task, progress, link) == 0)
		doc = json_loadb((const char *)buf_data(&text), buf_len(&text),
		    0, NULL);
	buf_fini(&text);
	return doc;
}

int
view_accepted(struct answer *a, const struct request *req,
    const struct task *task)
{
	struct task fresh = *task;

	fresh.state = TASK_QUEUED;
	if (a->html)
		return view_moved(a, req, &fresh);
	return view_pending(a, req, &fresh, NULL, task->created_ms);
}

static void
set_pending(struct answer *a, const struct task *task,
    const struct view_progress *progress, const char *link)
{
	unsigned char *data;
	struct buf text;

	buf_init(&text, HEAD_MAX);
	step(a, pending_text(&text, task, progress, link));
	data = set_json_room(a, "application/json", buf_len(&text));
	if (data != NULL)
		memcpy(data, buf_data(&text), buf_len(&text));
	buf_fini(&text);
}

/* The head of what is not done yet. */
static void
begin_pending(struct answer *a, const struct task *task, const char *link,
    int retry_s)
{
	begin(a, 202);
	put(a, "Location", link);
	put_number(a, "Retry-After", (uint64_t)retry_s);
	put_task(a, task);
	put_own(a);
}

int
view_pending(struct answer *a, const struct request *req,
    const struct task *task, const struct view_progress *progress,
    int64_t now_ms)
{
	char *link = view_link(req->mount, task->id);

	if (link == NULL)
		return fail(a);
	begin_pending(a, task, link, view_retry_after(now_ms - task->created_ms));
	set_pending(a, task, progress, link);
	free(link);
	drop_unwanted_body(a, req);
	return end(a);
}

/* Of the document that view_pending() sends, and what only a page needs. */
static void
set_waiting(struct answer *a, const struct task *task,
    const struct view_progress *progress, const char *link, const char *path,
    int64_t now_ms, int retry_s)
{
	json_t *doc = pending_document(task, progress, link);
	char nonce[TASK_ID_TEXT];
	struct buf page;

	buf_init(&page, VIEW_PAGE_MAX);
	view_json_set_text(&doc, "path", path);
	step(a, doc == NULL);
	step(a, view_page_wait(&page, view_nonce(nonce), doc, task->changed_ms,
	    now_ms, retry_s));
	set_page(a, &page, nonce);
	json_decref(doc);
	buf_fini(&page);
}

int
view_waiting(struct answer *a, const struct request *req,
    const struct task *task, const struct view_progress *progress,
    const char *path, int64_t now_ms)
{
	int retry_s = view_retry_after(now_ms - task->created_ms);
	char *link = view_link(req->mount, task->id);

	if (link == NULL)
		return fail(a);
	begin_pending(a, task, link, retry_s);
	set_waiting(a, task, progress, link, path, now_ms, retry_s);
	free(link);
	drop_unwanted_body(a, req);
	return end(a);
}

/* See the top: whether the server would act on a Location in this answer. */
static bool
hides_location(const struct request *req, int status)
{
	const char *software = scgi_find(&req->scgi, "SERVER_SOFTWARE");

	return status == 200 && software != NULL &&
	    strncmp(software, "Apache", strlen("Apache")) == 0;
}

/* The name ends before the line does, which has a LF. */
static bool
is_line_of(const char *line, const char *name)
{
	size_t len = strlen(name);

	return strncasecmp(line, name, len) == 0 && line[len] == ':';
}

/* RFC 9110 15.4.5: a 304 does not describe content that it has not. */
static bool
is_about_content(const char *line)
{
	return is_line_of(line, "Content-Type") ||
	    is_line_of(line, "Content-Encoding") ||
	    is_line_of(line, "Content-Language");
}

/* The stored lines but for the first, the status, and the empty one. */
static void
put_stored(struct answer *a, const struct cgires *res, bool hide_location)
{
	const char *line = (const char *)buf_data(&res->head);
	const char *stop = line + buf_len(&res->head) - strlen("\r\n");

	while (line < stop) {
		const char *next = memchr(line, '\n', (size_t)(stop - line));
		size_t len = (size_t)((next != NULL ? next + 1 : stop) - line);

		if (hide_location && is_line_of(line, "Location"))
			add(a, "Deferd-");
		if (!is_line_of(line, "Status") &&
		    !(a->status == 304 && is_about_content(line)))
			step(a, buf_add(&a->head, line, len));
		line += len;
	}
}

static bool
brings(const struct cgires *res, const char *name)
{
	size_t len;

	return cgires_find(buf_data(&res->head), buf_len(&res->head), name,
	    &len) != NULL;
}

/* Begins the task's own response under a status; takes the body. */
static void
begin_response(struct answer *a, const struct request *req, int status,
    const struct cgires *res, struct body *body)
{
	body_take(&a->body, body);
	begin(a, status);
	put_stored(a, res, hides_location(req, status));
}

static int
end_response(struct answer *a, const struct task *task,
    const struct cgires *res)
{
	if (may_have_body(a->status))
		put_number(a, "Content-Length", a->body.size);
	put_task(a, task);
	if (!brings(res, "Cache-Control"))
		put(a, "Cache-Control", "no-store");
	return end(a);
}

/* RFC 9110 15.5.17: says how long it really is. */
static int
answer_unsatisfiable(struct answer *a, const struct task *task, uint64_t size)
{
	json_t *doc = problem_document(PROBLEM_RANGE, NULL, task);

	begin(a, problems[PROBLEM_RANGE].status);
	step(a, buf_printf(&a->head, "Content-Range: bytes */%ju\r\n",
	    (uintmax_t)size));
	put_task(a, task);
	put_own(a);
	set_problem(a, doc);
	json_decref(doc);
	return end(a);
}

/* RFC 9110 15.3.7. */
static void
cut_to_part(struct answer *a, const struct range *part)
{
	uint64_t size = a->body.size;

	a->body_at = part->first;
	a->body.size = part->last - part->first + 1;
	step(a, buf_printf(&a->head, "Content-Range: bytes %ju-%ju/%ju\r\n",
	    (uintmax_t)part->first, (uintmax_t)part->last, (uintmax_t)size));
}

/* A 200 without a tag of its own gets ours, and what goes with it. */
static int
answer_tagged(struct answer *a, const struct request *req,
    const struct task *task, const struct cgires *res, struct body *body)
{
	char etag[VIEW_ETAG_TEXT];
	struct range part;
	int status = view_choose(req, view_etag(task, etag), body->size, &part);

	if (status == 416)
		return answer_unsatisfiable(a, task, body->size);
	begin_response(a, req, status, res, body);
	put(a, "ETag", etag);
	put(a, "Accept-Ranges", "bytes");
	if (status == 206)
		cut_to_part(a, &part);
	return end_response(a, task, res);
}

/* The task's own response; takes the body. */
static int
answer_response(struct answer *a, const struct request *req,
    const struct task *task, const struct cgires *res, struct body *body)
{
	if (res->status == 200 && !brings(res, "ETag") &&
	    !brings(res, "Accept-Ranges") && !brings(res, "Content-Range"))
		return answer_tagged(a, req, task, res, body);
	begin_response(a, req, res->status, res, body);
	return end_response(a, task, res);
}

/*
 * The head was normalised by a worker, in whose address space user code may
 * live, and has been in the store since: it is read again as if it were new.
 */
static int
answer_succeeded(struct answer *a, const struct request *req,
    const struct task *task, struct message *m)
{
	const void *head = m->head != NULL ? (const void *)m->head->data : "";
	size_t len = m->head != NULL ? m->head->len : 0, used = 0;
	enum cgires_verdict verdict;
	const char *why;
	struct cgires res;
	int failed;

	cgires_init(&res, CGIRES_NORMAL_MAX);
	verdict = cgires_parse(&res, head, len, true, &used, &why);
	if (verdict == CGIRES_DONE && used == len)
		failed = answer_response(a, req, task, &res, &m->body);
	else if (verdict == CGIRES_BAD && strcmp(why, "no memory") == 0)
		failed = fail(a);
	else
		failed = answer_problem(a, PROBLEM_INTERNAL,
		    problem_document(PROBLEM_INTERNAL,
		    "The stored response is damaged.", task), 0, task);
	cgires_fini(&res);
	return failed;
}

static enum problem
problem_of(enum task_state state)
{
	switch (state) {
	case TASK_TIMED_OUT:
		return PROBLEM_TASK_TIMED_OUT;
	case TASK_CANCELLED:
		return PROBLEM_TASK_CANCELLED;
	default:
		return PROBLEM_TASK_FAILED;
	}
}

/* What only an operator who asked for it (-d) shows to clients. */
static void
set_debug(json_t **doc, const struct store_outcome *o)
{
	if (o->wait_status != -1 && WIFEXITED(o->wait_status))
		view_json_set(doc, "exit_status",
		    json_integer(WEXITSTATUS(o->wait_status)));
	if (o->wait_status != -1 && WIFSIGNALED(o->wait_status))
		view_json_set(doc, "signal",
		    json_integer(WTERMSIG(o->wait_status)));
	view_json_set(doc, "stderr", view_json_text(o->log, o->log_len));
}

static int
answer_unfortunate(struct answer *a, const struct task *task,
    const struct store_outcome *o, bool debug)
{
	enum problem p = problem_of(task->state);
	json_t *doc = problem_document(p, o->reason, task);

	if (debug)
		set_debug(&doc, o);
	return answer_problem(a, p, doc, 0, task);
}

int
view_finished(struct answer *a, const struct request *req,
    const struct task *task, struct store_op *op, bool debug)
{
	int failed;

	if (task->state == TASK_SUCCEEDED)
		failed = answer_succeeded(a, req, task, &op->message);
	else
		failed = answer_unfortunate(a, task, &op->outcome, debug);
	drop_unwanted_body(a, req);
	blob_unref(&op->message.head);
	body_fini(&op->message.body);
	return failed;
}

int
view_info(struct answer *a, const struct request *req,
    const struct task *task, const struct store_op *op,
    const struct view_info *info)
{
	json_t *doc = view_info_document(task, op, info);

	begin(a, 200);
	put_task(a, task);
	put_own(a);
	set_json(a, "application/json", doc);
	json_decref(doc);
	drop_unwanted_body(a, req);
	return end(a);
}

int
view_text(struct answer *a, const struct request *req, const char *type,
    const struct buf *text)
{
	begin(a, 200);
	put_own(a);
	set_body(a, type, blob_new(buf_data(text), buf_len(text)), buf_len(text));
	drop_unwanted_body(a, req);
	return end(a);
}

/* Any bytes: nothing may take it for something else (WHATWG Fetch, nosniff). */
#define LOG_TYPE	"text/plain; charset=utf-8"

static void
begin_log(struct answer *a, const struct task *t)
{
	begin(a, 200);
	put_task(a, t);
	put_own(a);
	put(a, "X-Content-Type-Options", "nosniff");
}

int
view_log(struct answer *a, const struct request *req, const struct task *t,
    const void *text, size_t len)
{
	begin_log(a, t);
	set_body(a, LOG_TYPE, blob_new(text, len), len);
	drop_unwanted_body(a, req);
	return end(a);
}

/* nginx would hold back what is less than its buffer. */
int
view_log_stream(struct answer *a, const struct task *t)
{
	begin_log(a, t);
	put(a, "Content-Type", LOG_TYPE);
	put(a, "X-Accel-Buffering", "no");
	return end(a);
}

int
view_html(struct answer *a, const struct request *req, const char *nonce,
    const struct buf *page)
{
	begin(a, 200);
	put_own(a);
	set_page(a, page, nonce);
	drop_unwanted_body(a, req);
	return end(a);
}

#define LAST_HEAD(line, more)						\
	"Status: " line "\r\n" more					\
	"Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"	\
	"Content-Type: application/problem+json\r\n\r\n"
#define LAST_BODY(status, name, detail)					\
	"{\"type\":\"" TYPE_PREFIX name "\",\"title\":\"Out of memory\"," \
	"\"status\":" status ",\"detail\":\"" detail "\"}\n"

#define NO_ANSWER	LAST_HEAD("503 Service Unavailable", "Retry-After: 10\r\n")
#define NO_WORD_OF_IT	LAST_HEAD("500 Internal Server Error", "")

const char *
view_last_words(bool may_be_task, bool head_only)
{
	if (head_only)
		return may_be_task ? NO_WORD_OF_IT : NO_ANSWER;
	return may_be_task ? NO_WORD_OF_IT LAST_BODY("500", "internal",
	    "There is no memory to answer; the request may be a task by now.") :
	    NO_ANSWER LAST_BODY("503", "store",
	    "There is no memory to answer now.");
}

int
view_no_content(struct answer *a, const struct task *task,
    unsigned int allow)
{
	begin(a, 204);
	put_allow(a, allow);
	put_task(a, task);
	put_own(a);
	return end(a);
}

int
view_begun(struct answer *a)
{
	begin(a, 202);
	put_own(a);
	put_number(a, "Content-Length", 0);
	return end(a);
}

/* RFC 3986 3.3: pchar, and the slash between segments. */
static bool
is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("-._~!$&'()*+,;=:@/", c) != NULL);
}

/* Escapes all that is neither plain nor one of `also`.  Gives where it ends. */
static char *
encode(char *out, const char *text, const char *also)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (is_plain(c) || strchr(also, c) != NULL) {
			*out++ = (char)c;
			continue;
		}
		*out++ = '%';
		*out++ = digits[c >> 4];
		*out++ = digits[c & 15];
	}
	*out = '\0';
	return out;
}

/*
 * `path`, which is plain, below a mount, which need not be; `query` is encoded
 * as its sender saw fit, and further where a head could not bear it.
 */
static char *
place(const char *mount, const char *path, const char *query)
{
	char *whole = malloc(3 * strlen(mount) + strlen(path) +
	    3 * strlen(query) + sizeof("?"));
	char *out;

	if (whole == NULL)
		return NULL;
	out = stpcpy(encode(whole, mount, ""), path);
	if (*query != '\0')
		(void)encode(stpcpy(out, "?"), query, "?%");
	return whole;
}

char *
view_link(const char *mount, const unsigned char id[TASK_ID_BYTES])
{
	char path[sizeof(LINK_INFIX) + TASK_ID_TEXT] = LINK_INFIX;

	task_id_text(id, path + strlen(LINK_INFIX));
	return place(mount, path, "");
}

/* 303 to a place of ours, with the page that goes with it; takes `link`. */
static int
answer_moved(struct answer *a, const struct request *req, char *link,
    const struct task *task)
{
	char nonce[TASK_ID_TEXT];
	struct buf page;

	if (link == NULL)
		return fail(a);
	buf_init(&page, VIEW_PAGE_MAX);
	step(a, view_page_moved(&page, link));
	begin(a, 303);
	put(a, "Location", link);
	put_task(a, task);
	put_own(a);
	set_page(a, &page, view_nonce(nonce));
	buf_fini(&page);
	free(link);
	drop_unwanted_body(a, req);
	return end(a);
}

int
view_moved(struct answer *a, const struct request *req,
    const struct task *task)
{
	return answer_moved(a, req, view_link(req->mount, task->id), task);
}

int
view_see(struct answer *a, const struct request *req, const char *path)
{
	return answer_moved(a, req, place(req->mount, path, req->query), NULL);
}

/* A tenth of what the client has waited: so much it may wait in vain. */
int
view_retry_after(int64_t age_ms)
{
	int64_t s = age_ms / 10000;

	return s < 1 ? 1 : s > 30 ? 30 : (int)s;
}
