/*
 * view_info - all that is known of a task, at `<link>/info` (contract.md 3).
 *
 * It has the same members in every state; null is what has not happened, or
 * never will.  For a queued task that is the start too, even if it has run
 * before: `attempts` says so.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "daemon/master/view_json.h"
#include "daemon/master/view_priv.h"
#include "ipc/cgires.h"

static void
set_text(json_t **doc, const char *name, const char *text)
{
	view_json_set_text(doc, name, text != NULL && *text != '\0' ? text :
	    NULL);
}

static void
set_time_if(json_t **doc, const char *name, bool known, int64_t unix_ms)
{
	if (known)
		view_json_set_time(doc, name, unix_ms);
	else
		view_json_set(doc, name, json_null());
}

static void
set_times(json_t **doc, const struct task *task, const struct store_op *op,
    const struct view_info *info)
{
	bool over = task_finished((enum task_state)task->state);

	view_json_set_time(doc, "created", task->created_ms);
	set_time_if(doc, "started", op->started_ms != 0 &&
	    task->state != TASK_QUEUED, op->started_ms);
	set_time_if(doc, "finished", over, task->changed_ms);
	set_time_if(doc, "expires", over, info->expires_ms);
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

static json_t *
http_document(const struct task *task, const struct store_op *op)
{
	int status = task->state == TASK_SUCCEEDED ?
	    status_of(op->message.head) : 0;
	json_t *doc;

	if (status == 0)
		return json_null();
	doc = json_object();
	view_json_set(&doc, "status", json_integer(status));
	view_json_set_number(&doc, "size", op->message.body.size);
	return doc;
}

/* A module has no process of its own: neither status nor signal. */
static json_t *
exit_document(const struct task *task, const struct store_op *op)
{
	const struct store_outcome *o = &op->outcome;
	bool process = o->wait_status != -1;
	json_t *doc;

	if (!task_finished((enum task_state)task->state) ||
	    (!process && o->cpu_us == 0 && o->max_rss_kib == 0))
		return json_null();
	doc = json_object();
	view_json_set(&doc, "cpu", json_real((double)o->cpu_us / 1e6));
	view_json_set(&doc, "max_rss_kib", json_integer(o->max_rss_kib));
	if (process && WIFEXITED(o->wait_status))
		view_json_set(&doc, "status",
		    json_integer(WEXITSTATUS(o->wait_status)));
	if (process && WIFSIGNALED(o->wait_status))
		view_json_set(&doc, "signal",
		    json_integer(WTERMSIG(o->wait_status)));
	return doc;
}

/* One line of store_op.tries; anything else is left out. */
static void
append_try(json_t **list, const char *line, size_t len)
{
	char text[STORE_TRY_MAX];
	unsigned int attempt;
	long long ended_ms;
	int at = 0;
	json_t *try;

	if (len >= sizeof(text))
		return;
	memcpy(text, line, len);
	text[len] = '\0';
	if (sscanf(text, "%u\t%lld\t%n", &attempt, &ended_ms, &at) < 2 ||
	    at == 0)
		return;
	try = json_object();
	view_json_set_number(&try, "attempt", attempt);
	view_json_set_time(&try, "ended", ended_ms);
	view_json_set_text(&try, "reason", text + at);
	view_json_append(list, try);
}

/* The attempts that were followed by another. */
static json_t *
tries_document(const struct store_op *op)
{
	const char *at = op->tries != NULL ? (char *)op->tries->data : NULL;
	const char *end = at != NULL ? at + op->tries->len : NULL;
	json_t *list = json_array();

	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));

		if (nl == NULL)
			break;
		append_try(&list, at, (size_t)(nl - at));
		at = nl + 1;
	}
	return list;
}

/* NULL without memory. */
static json_t *
info_document(const struct task *task, const struct store_op *op,
    const struct view_info *info)
{
	const struct view_progress *p = info->progress;
	json_t *doc = json_object();

	view_json_set_id(&doc, "id", task);
	view_json_set_text(&doc, "state", task_state_names[task->state]);
	set_text(&doc, "method", op->method);
	set_text(&doc, "path", op->path);
	set_times(&doc, task, op, info);
	view_json_set_number(&doc, "attempts", task->attempt);
	view_json_set(&doc, "tries", tries_document(op));
	view_json_set(&doc, "progress", p == NULL ? json_null() :
	    view_json_progress(p->percent, p->message));
	view_json_set(&doc, "http", http_document(task, op));
	view_json_set(&doc, "exit", exit_document(task, op));
	set_text(&doc, "reason", op->outcome.reason);
	return doc;
}

int
view_info(struct answer *a, const struct request *req,
    const struct task *task, const struct store_op *op,
    const struct view_info *info)
{
	json_t *doc = info_document(task, op, info);

	answer_begin(a, 200);
	answer_put_task(a, task);
	answer_put_own(a);
	answer_json(a, "application/json", doc);
	json_decref(doc);
	return answer_end_for(a, req);
}
