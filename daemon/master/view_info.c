/*
 * view_info - the document at `<link>/info` (contract.md 3).
 *
 * It has the same members in every state; null is what has not happened, or
 * never will.  For a queued task that is the start too, even if it has run
 * before: `attempts` says so.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "daemon/master/view_info.h"
#include "daemon/master/view_json.h"
#include "ipc/cgires.h"

static int
set_text(json_t *doc, const char *name, const char *text)
{
	return view_json_set(doc, name, text != NULL && *text != '\0' ?
	    view_json_text(text, strlen(text)) : json_null());
}

static int
set_time_if(json_t *doc, const char *name, bool known, int64_t unix_ms)
{
	return known ? view_json_set_time(doc, name, unix_ms) :
	    view_json_set(doc, name, json_null());
}

static int
set_times(json_t *doc, const struct task *task, const struct store_op *op,
    const struct view_info *info)
{
	bool over = task_finished((enum task_state)task->state);

	return view_json_set_time(doc, "created", task->created_ms) ||
	    set_time_if(doc, "started", op->started_ms != 0 &&
	    task->state != TASK_QUEUED, op->started_ms) ||
	    set_time_if(doc, "finished", over, task->changed_ms) ||
	    set_time_if(doc, "expires", over, info->expires_ms);
}

static int
set_progress(json_t *doc, const struct view_progress *p)
{
	return view_json_set(doc, "progress", p == NULL ? json_null() :
	    json_pack("{s:i, s:o}", "percent", p->percent, "message",
	    view_json_text(p->message, strlen(p->message))));
}

/* Of the task's own response: 0 if there is none that could be read. */
static int
status_of(const struct blob *head)
{
	struct cgires res;
	const char *why;
	size_t used;
	int status = 0;

	cgires_init(&res, CGIRES_NORMAL_MAX);
	if (head != NULL && cgires_parse(&res, head->data, head->len, true,
	    &used, &why) == CGIRES_DONE)
		status = res.status;
	cgires_fini(&res);
	return status;
}

static int
set_http(json_t *doc, const struct task *task, const struct store_op *op)
{
	int status = task->state == TASK_SUCCEEDED ?
	    status_of(op->message.head) : 0;

	return view_json_set(doc, "http", status == 0 ? json_null() :
	    json_pack("{s:i, s:I}", "status", status, "size",
	    (json_int_t)op->message.body.size));
}

/* A module has no process of its own: neither status nor signal. */
static int
set_exit(json_t *doc, const struct task *task, const struct store_op *op)
{
	const struct store_outcome *o = &op->outcome;
	bool process = o->wait_status != -1;
	json_t *exit;

	if (!task_finished((enum task_state)task->state) ||
	    (!process && o->cpu_us == 0 && o->max_rss_kib == 0))
		return view_json_set(doc, "exit", json_null());
	exit = json_pack("{s:f, s:I}", "cpu", (double)o->cpu_us / 1e6,
	    "max_rss_kib", (json_int_t)o->max_rss_kib);
	if ((process && WIFEXITED(o->wait_status) && view_json_set(exit,
	    "status", json_integer(WEXITSTATUS(o->wait_status)))) ||
	    (process && WIFSIGNALED(o->wait_status) && view_json_set(exit,
	    "signal", json_integer(WTERMSIG(o->wait_status))))) {
		json_decref(exit);
		return -1;
	}
	return view_json_set(doc, "exit", exit);
}

/* One line of store_op.tries; anything else is left out. */
static int
add_try(json_t *list, const char *line, size_t len)
{
	char text[STORE_TRY_MAX];
	unsigned int attempt;
	long long ended_ms;
	int at = 0;
	json_t *try;

	if (len >= sizeof(text))
		return 0;
	memcpy(text, line, len);
	text[len] = '\0';
	if (sscanf(text, "%u\t%lld\t%n", &attempt, &ended_ms, &at) < 2 ||
	    at == 0)
		return 0;
	try = json_object();
	if (view_json_set(try, "attempt", json_integer(attempt)) ||
	    view_json_set_time(try, "ended", ended_ms) ||
	    view_json_set(try, "reason",
	    view_json_text(text + at, strlen(text + at)))) {
		json_decref(try);
		return -1;
	}
	return json_array_append_new(list, try);
}

/* The attempts that were followed by another. */
static int
set_tries(json_t *doc, const struct store_op *op)
{
	const char *at = op->tries != NULL ? (char *)op->tries->data : NULL;
	const char *end = at != NULL ? at + op->tries->len : NULL;
	json_t *list = json_array();

	while (list != NULL && at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));

		if (nl == NULL)
			break;
		if (add_try(list, at, (size_t)(nl - at)) == -1) {
			json_decref(list);
			return -1;
		}
		at = nl + 1;
	}
	return view_json_set(doc, "tries", list);
}

json_t *
view_info_document(const struct task *task, const struct store_op *op,
    const struct view_info *info)
{
	json_t *doc = json_object();

	if (view_json_set_id(doc, "id", task) ||
	    view_json_set(doc, "state",
	    json_string(task_state_names[task->state])) ||
	    set_text(doc, "method", op->method) ||
	    set_text(doc, "path", op->path) ||
	    set_times(doc, task, op, info) ||
	    view_json_set(doc, "attempts", json_integer(task->attempt)) ||
	    set_tries(doc, op) ||
	    set_progress(doc, info->progress) ||
	    set_http(doc, task, op) ||
	    set_exit(doc, task, op) ||
	    set_text(doc, "reason", op->outcome.reason)) {
		json_decref(doc);
		return NULL;
	}
	return doc;
}
