#include "config.h"

#include <inttypes.h>

#include "ctl/ask.h"
#include "ctl/doc.h"
#include "ctl/pages.h"

#define PAGE_MAX	1000		/* the daemon's */
#define AFTER_MAX	16		/* likewise */
#define QUERY_MAX	16384

/* The last tasks of a page, the last one first: behind these is the next. */
static int
put_after(struct buf *query, const json_t *page)
{
	const char *id, *sep = "&after=";
	size_t n = json_array_size(page);

	for (int i = 0; i < AFTER_MAX && n > 0; i++, sep = ",") {
		id = doc_text(json_array_get(page, --n), "id");
		if (id != NULL && buf_printf(query, "%s%s", sep, id))
			return -1;
	}
	return 0;
}

static int
ask(const struct pages *p, const json_t *before, json_t **doc)
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
	    p->left < PAGE_MAX ? p->left : PAGE_MAX) ||
	    put_after(&query, before) || buf_add(&query, "", 1))
		ctl_die("the filter is too long");
	q.query = (const char *)buf_data(&query);
	code = ask_json(p->ctl, &q, NULL, doc);
	buf_fini(&query);
	return code;
}

static void
tell(struct pages *p, const json_t *tasks)
{
	const json_t *task;
	size_t i;

	json_array_foreach(tasks, i, task) {
		p->each(p, task);
		p->left--;
	}
}

/* A page that is empty, or longer than was asked for, has no next one. */
static bool
makes_sense(const struct pages *p, const json_t *tasks)
{
	size_t n = json_array_size(tasks);

	return json_is_array(tasks) && n <= (size_t)p->left &&
	    (n > 0 || !p->more) && (n == 0 ||
	    doc_text(json_array_get(tasks, n - 1), "id") != NULL);
}

/* EXIT_DONE and `more`: there is another page; *before is the one that was. */
static int
read_page(struct pages *p, json_t **before)
{
	json_t *doc, *tasks;
	int code = ask(p, *before, &doc);

	if (code != EXIT_DONE)
		return code;
	tasks = doc_at(doc, "tasks");
	p->more = json_is_true(doc_at(doc, "more"));
	if (makes_sense(p, tasks)) {
		tell(p, tasks);
	} else {
		ctl_say("the daemon's answer makes no sense");
		code = EXIT_AWAY;
	}
	json_decref(*before);
	*before = json_incref(tasks);
	json_decref(doc);
	return code;
}

int
pages_read(struct pages *p)
{
	json_t *before = NULL;
	int code;

	do {
		code = read_page(p, &before);
	} while (code == EXIT_DONE && p->more && p->left > 0);
	json_decref(before);
	return code;
}
