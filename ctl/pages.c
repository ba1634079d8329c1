#include "config.h"

#include <inttypes.h>

#include "ctl/ask.h"
#include "ctl/doc.h"
#include "ctl/pages.h"

#define PAGE_MAX	1000		/* the daemon's */
#define QUERY_MAX	16384

/* What has been told of may come again, and must not fill the page. */
static int64_t
limit(const struct pages *p, const json_t *before)
{
	int64_t again = (int64_t)json_object_size(before);

	return p->left < PAGE_MAX - again ? p->left + again : PAGE_MAX;
}

static int
ask(const struct pages *p, const json_t *before, int64_t until_ms,
    json_t **doc)
{
	struct talk_question q = {
		.method = "GET", .path = "/tasks",
		.patience_s = ASK_PATIENCE_S,
		.status = 200, .member = "tasks",
	};
	struct buf query;
	int code;

	buf_init(&query, QUERY_MAX);
	if (buf_printf(&query, "%s&limit=%" PRId64, p->filter,
	    limit(p, before)) ||
	    (until_ms != 0 && buf_printf(&query, "&until=%" PRId64,
	    until_ms)) || buf_add(&query, "", 1))
		ctl_die("the filter is too long");
	q.query = (const char *)buf_data(&query);
	code = ask_json(p->ctl, &q, NULL, doc);
	buf_fini(&query);
	return code;
}

/* Tells of a page's tasks that were not on the one before; how many. */
static size_t
tell(struct pages *p, const json_t *tasks, const json_t *before)
{
	const json_t *task;
	size_t i, told = 0;

	json_array_foreach(tasks, i, task) {
		const char *id = doc_text(task, "id");

		if (id == NULL || json_object_get(before, id) != NULL)
			continue;
		if (p->left == 0) {
			p->more = true;
			break;
		}
		p->each(p, task);
		p->left--;
		told++;
	}
	return told;
}

/* The ids of a page, as the members of an object. */
static json_t *
ids_of(const json_t *tasks)
{
	json_t *ids = json_object();
	const json_t *task;
	size_t i;

	json_array_foreach(tasks, i, task) {
		const char *id = doc_text(task, "id");

		if (id != NULL && json_object_set_new(ids, id, json_true()))
			ctl_no_memory();
	}
	return ids;
}

/* EXIT_DONE and `more`: there is another page; *until_ms is where it begins. */
static int
read_page(struct pages *p, json_t **before, int64_t *until_ms)
{
	json_t *doc, *tasks, *last;
	int code = ask(p, *before, *until_ms, &doc);

	if (code != EXIT_DONE)
		return code;
	tasks = doc_at(doc, "tasks");
	last = json_array_get(tasks, json_array_size(tasks) - 1);
	p->more = json_is_true(doc_at(doc, "more"));
	if (!json_is_array(tasks) ||
	    (tell(p, tasks, *before) == 0 && p->more) ||
	    (p->more && !doc_time(last, "created", until_ms))) {
		ctl_say("the daemon's answer makes no sense");
		code = EXIT_AWAY;
	}
	json_decref(*before);
	*before = ids_of(tasks);
	json_decref(doc);
	return code;
}

int
pages_read(struct pages *p)
{
	json_t *before = NULL;
	int64_t until_ms = 0;
	int code;

	do {
		code = read_page(p, &before, &until_ms);
	} while (code == EXIT_DONE && p->more && p->left > 0);
	json_decref(before);
	return code;
}
