/*
 * view_page - what view says as pages, for people.
 *
 * The pages themselves stand in page/ (view_fill.h).
 */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/master/view_fill.h"
#include "daemon/master/view_page.h"
#include "daemon/master/view_parts.h"
#include "ipc/nitems.h"

#define NUMBER_TEXT	VIEW_NUMBER_TEXT

/* As wait.js writes it. */
static void
write_title(char *title, size_t size, bool runs, const struct view_progress *p)
{
	const char *word = runs ? "Running" : "Waiting";

	if (p == NULL)
		snprintf(title, size, "%s", word);
	else
		snprintf(title, size, "%d%% %s", p->percent, word);
}

int
view_page_wait(struct buf *out, const char *nonce, const struct view_wait *wait)
{
	const struct task *task = wait->task;
	const struct view_progress *p = wait->progress;
	bool runs = task->state == TASK_RUNNING;
	char since[NUMBER_TEXT], now[NUMBER_TEXT], elapsed[NUMBER_TEXT];
	char retry[NUMBER_TEXT], percent[NUMBER_TEXT], title[2 * NUMBER_TEXT];
	const struct view_hole holes[] = {
		HOLE("nonce", nonce),
		HOLE_RAW("css", view_part_page_css),
		HOLE_RAW("js", view_part_wait_js),
		HOLE("title", title),
		HOLE("path", wait->path),
		HOLE("link", wait->link),
		HOLE("state", task_state_names[task->state]),
		HOLE("words", runs ? "Running" : "Waiting for its turn"),
		HOLE("since", since),
		HOLE("now", now),
		HOLE("retry", retry),
		HOLE("elapsed", elapsed),
		HOLE_RAW("hidden", p != NULL ? "" : " hidden"),
		HOLE("percent", percent),
		HOLE("message", p != NULL ? p->message : ""),
	};

	snprintf(since, sizeof(since), "%jd", (intmax_t)task->changed_ms);
	snprintf(now, sizeof(now), "%jd", (intmax_t)wait->now_ms);
	snprintf(retry, sizeof(retry), "%d", wait->retry_s);
	snprintf(percent, sizeof(percent), "%d", p != NULL ? p->percent : 0);
	write_title(title, sizeof(title), runs, p);
	view_fill_elapsed(elapsed, wait->now_ms - task->changed_ms);
	return view_fill(out, view_part_wait_html, holes, nitems(holes));
}

/* "exit_status" as "Exit status". */
static void
write_label(char *label, size_t size, const char *name)
{
	snprintf(label, size, "%s", name);
	if (*label >= 'a' && *label <= 'z')
		*label -= 'a' - 'A';
	for (char *p = label; (p = strchr(p, '_')) != NULL;)
		*p = ' ';
}

static int
put_fact(struct buf *out, const char *name, const json_t *value)
{
	char label[64], number[NUMBER_TEXT];
	const struct view_hole holes[] = {
		HOLE("name", label),
		HOLE_LEN("value", json_is_string(value) ? json_string_value(value) :
		    number, json_string_length(value)),
	};

	write_label(label, sizeof(label), name);
	snprintf(number, sizeof(number), "%jd",
	    (intmax_t)json_integer_value(value));
	return view_fill(out, view_part_fact_html, holes, nitems(holes));
}

static bool
has_its_place(const char *name)
{
	return strcmp(name, "title") == 0 || strcmp(name, "status") == 0 ||
	    strcmp(name, "detail") == 0;
}

/* The members that have no place of their own, NUL at the end. */
static int
put_facts(struct buf *out, const json_t *doc)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)doc, name, value)
		if (!has_its_place(name) && put_fact(out, name, value))
			return -1;
	return buf_add(out, "", 1);
}

static const char *
text_of(const json_t *doc, const char *name)
{
	const char *text = json_string_value(json_object_get(doc, name));

	return text != NULL ? text : "";
}

int
view_page_problem(struct buf *out, const char *nonce, const json_t *doc)
{
	char status[NUMBER_TEXT];
	struct buf facts;
	int failed;

	buf_init(&facts, VIEW_PAGE_MAX);
	snprintf(status, sizeof(status), "%jd", (intmax_t)json_integer_value(
	    json_object_get(doc, "status")));
	failed = put_facts(&facts, doc);
	if (!failed) {
		const struct view_hole holes[] = {
			HOLE("nonce", nonce),
			HOLE_RAW("css", view_part_page_css),
			HOLE("status", status),
			HOLE("title", text_of(doc, "title")),
			HOLE("detail", text_of(doc, "detail")),
			HOLE_RAW("facts", (const char *)buf_data(&facts)),
		};

		failed = view_fill(out, view_part_problem_html, holes, nitems(holes));
	}
	buf_fini(&facts);
	return failed;
}

int
view_page_moved(struct buf *out, const char *link)
{
	const struct view_hole holes[] = { HOLE("link", link) };

	return view_fill(out, view_part_moved_html, holes, nitems(holes));
}
