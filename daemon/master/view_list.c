/*
 * view_list - the answer to GET /tasks, and the writer of its JSON.
 *
 * The document is written as it comes, member by member: with a thousand
 * tasks, a tree of it would be many times its text.
 */
#include "config.h"

#include "daemon/master/view_json.h"
#include "daemon/master/view_list.h"

#define JSON_PER_TASK	(16 * 1024)	/* a character may become six, twice */
#define JSON_MAX	((FILTER_LIMIT_MAX + 1) * JSON_PER_TASK)

int
view_list_begin(struct view_list *l, const struct list_writer *writer)
{
	int failed;

	l->writer = writer;
	l->part = 0;
	l->count = 0;
	buf_init(&l->out, writer->max);
	buf_init(&l->rows, writer->max);
	failed = writer->begin(l);
	l->stats = NULL;
	return failed;
}

int
view_list_task(struct view_list *l, const struct listed *t)
{
	if (l->writer->task(l, t) == -1)
		return -1;
	l->count++;
	return 0;
}

int
view_list_part_end(struct view_list *l, bool more)
{
	if (l->writer->part_end(l, more) == -1)
		return -1;
	l->part++;
	l->count = 0;
	return 0;
}

int
view_list_answer(struct view_list *l, struct answer *a)
{
	return l->writer->end(l, a);
}

void
view_list_fini(struct view_list *l)
{
	buf_fini(&l->out);
	buf_fini(&l->rows);
}

/* --- JSON ------------------------------------------------------------------ */

static void
set_time(json_t **doc, const char *name, int64_t unix_ms)
{
	if (unix_ms != 0)
		view_json_set_time(doc, name, unix_ms);
	else
		view_json_set(doc, name, json_null());
}

static void
set_response(json_t **doc, int status, uint64_t size)
{
	bool has = status != 0;

	view_json_set(doc, "status", has ? json_integer(status) :
	    json_null());
	view_json_set(doc, "size", has ? json_integer((json_int_t)size) :
	    json_null());
}

static json_t *
document(const struct listed *t)
{
	json_t *doc = json_object();

	view_json_set_id(&doc, "id", t->task);
	view_json_set_text(&doc, "link", t->link);
	view_json_set_text(&doc, "state", task_state_names[t->task->state]);
	view_json_set_text(&doc, "method", t->method);
	view_json_set_text(&doc, "path", t->path);
	view_json_set_text(&doc, "route", t->route);
	view_json_set_text(&doc, "owner", t->owner);
	set_time(&doc, "created", t->task->created_ms);
	set_time(&doc, "started", t->started_ms);
	set_time(&doc, "finished", t->finished_ms);
	set_time(&doc, "expires", t->expires_ms);
	view_json_set_number(&doc, "attempts", t->task->attempt);
	view_json_set(&doc, "progress", t->progress == NULL ? json_null() :
	    view_json_progress(t->progress->percent, t->progress->message));
	set_response(&doc, t->status, t->size);
	view_json_set_text(&doc, "reason", t->reason);
	return doc;
}

static int
json_begin(struct view_list *l)
{
	return buf_printf(&l->out, "{\"tasks\":[");
}

static int
json_task(struct view_list *l, const struct listed *t)
{
	json_t *doc = document(t);
	int failed;

	failed = buf_add(&l->out, ",", l->count > 0) ||
	    view_json_write(&l->out, doc);
	json_decref(doc);
	return failed ? -1 : 0;
}

static int
json_part_end(struct view_list *l, bool more)
{
	return buf_printf(&l->out, "],\"more\":%s}\n",
	    more ? "true" : "false");
}

static int
json_end(struct view_list *l, struct answer *a)
{
	return view_text(a, l->req, "application/json", &l->out);
}

static const struct list_part json_part = { LIST_ALL, FILTER_LIMIT_MAX, false };

const struct list_writer view_list_json = {
	.max = JSON_MAX,
	.parts = &json_part,
	.nparts = 1,
	.begin = json_begin,
	.task = json_task,
	.part_end = json_part_end,
	.end = json_end,
};
