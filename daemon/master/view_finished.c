/*
 * view_finished - what stands at the link of a finished task (contract.md 2):
 * its own response, with our lines in the head, or the problem it ended as.
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

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/master/view_priv.h"
#include "daemon/master/view_range.h"
#include "ipc/cgires.h"

#define RANGE_TEXT	80	/* bytes of a Content-Range: three numbers */

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
			answer_add(a, "Deferd-");
		if (!is_line_of(line, "Status") &&
		    !(a->status == 304 && is_about_content(line)))
			answer_step(a, buf_add(&a->head, line, len));
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
	answer_begin(a, status);
	put_stored(a, res, hides_location(req, status));
}

static int
end_response(struct answer *a, const struct task *task,
    const struct cgires *res)
{
	if (answer_has_body(a->status))
		answer_put_number(a, "Content-Length", a->body.size);
	answer_put_task(a, task);
	if (!brings(res, "Cache-Control"))
		answer_put(a, "Cache-Control", "no-store");
	return answer_end(a);
}

/* RFC 9110 15.5.17: says how long it really is. */
static int
answer_unsatisfiable(struct answer *a, const struct task *task, uint64_t size)
{
	char range[RANGE_TEXT];

	snprintf(range, sizeof(range), "bytes */%ju", (uintmax_t)size);
	if (view_problem(a, PROBLEM_RANGE, NULL, task, 0))
		return -1;
	return view_add(a, "Content-Range", range);
}

/* RFC 9110 15.3.7. */
static void
cut_to_part(struct answer *a, const struct range *part)
{
	uint64_t size = a->body.size;

	a->body_at = part->first;
	a->body.size = part->last - part->first + 1;
	answer_step(a, buf_printf(&a->head,
	    "Content-Range: bytes %ju-%ju/%ju\r\n", (uintmax_t)part->first,
	    (uintmax_t)part->last, (uintmax_t)size));
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
	answer_put(a, "ETag", etag);
	answer_put(a, "Accept-Ranges", "bytes");
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
		failed = answer_fail(a);
	else
		failed = view_problem(a, PROBLEM_INTERNAL,
		    "The stored response is damaged.", task, 0);
	cgires_fini(&res);
	return failed;
}

int
view_finished(struct answer *a, const struct request *req,
    const struct task *task, struct store_op *op, bool debug)
{
	int failed;

	if (task->state == TASK_SUCCEEDED)
		failed = answer_succeeded(a, req, task, &op->message);
	else
		failed = view_problem_ending(a, task, &op->outcome, debug);
	answer_drop_body(a, req);
	blob_unref(&op->message.head);
	body_fini(&op->message.body);
	return failed;
}
