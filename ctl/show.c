/*
 * show - all that is known of one task, in a block for people.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/doc.h"
#include "ctl/options.h"
#include "ctl/text.h"
#include "ctl/units.h"
#include "ipc/nitems.h"

#define LABEL_WIDTH	10

static void
label(const char *name)
{
	printf("%-*s  ", LABEL_WIDTH, name);
}

static void
show_text(const char *name, const char *text)
{
	if (text == NULL)
		return;
	label(name);
	text_put(stdout, text);
	putchar('\n');
}

static void
show_time(const json_t *doc, const char *name)
{
	char text[UNITS_TEXT];
	int64_t ms;

	if (doc_time(doc, name, &ms))
		show_text(name, units_time(ms, text));
}

/* How long it waited, and how long it ran. */
static void
show_span(const json_t *doc, const char *name, const char *from,
    const char *to)
{
	char text[UNITS_TEXT];
	int64_t start, end;

	if (doc_time(doc, from, &start) && doc_time(doc, to, &end))
		show_text(name, units_seconds((double)(end - start) / 1000,
		    text));
}

static void
show_progress(const json_t *doc)
{
	const char *message = doc_text(doc, "progress.message");

	if (!json_is_object(doc_at(doc, "progress")))
		return;
	label("progress");
	printf("%.0f %% ", doc_number(doc, "progress.percent", 0));
	text_put(stdout, message != NULL ? message : "");
	putchar('\n');
}

static void
show_response(const json_t *doc)
{
	char text[UNITS_TEXT];

	if (!json_is_object(doc_at(doc, "http")))
		return;
	label("response");
	printf("%.0f, body %s\n", doc_number(doc, "http.status", 0),
	    units_bytes(doc_number(doc, "http.size", 0), text));
}

static void
show_exit(const json_t *doc)
{
	double status = doc_number(doc, "exit.status", -1);
	double signal = doc_number(doc, "exit.signal", -1);
	double kib = doc_number(doc, "exit.max_rss_kib", 0);
	char text[UNITS_TEXT];

	if (!json_is_object(doc_at(doc, "exit")))
		return;
	label("exit");
	if (status >= 0)
		printf("status %.0f, ", status);
	if (signal >= 0)
		printf("signal %.0f, ", signal);
	printf("cpu %s", units_seconds(doc_number(doc, "exit.cpu", 0), text));
	if (kib > 0)
		printf(", memory %s", units_bytes(kib * 1024, text));
	putchar('\n');
}

/* The attempts that were followed by another. */
static void
show_tries(const json_t *doc)
{
	char text[UNITS_TEXT];
	const json_t *try;
	int64_t ended;
	size_t i;

	json_array_foreach(doc_at(doc, "tries"), i, try) {
		const char *reason = doc_text(try, "reason");

		label(i == 0 ? "tries" : "");
		printf("%.0f  %s  ", doc_number(try, "attempt", 0),
		    doc_time(try, "ended", &ended) ?
		    units_time(ended, text) : "-");
		text_put(stdout, reason != NULL ? reason : "-");
		putchar('\n');
	}
}

static void
show(const json_t *doc)
{
	static const char *const texts[] = {
		"id", "state", "reason", "method", "path", "route", "owner"
	};

	for (size_t i = 0; i < nitems(texts); i++)
		show_text(texts[i], doc_text(doc, texts[i]));
	show_time(doc, "created");
	show_time(doc, "started");
	show_time(doc, "finished");
	show_time(doc, "expires");
	show_span(doc, "waited", "created", "started");
	show_span(doc, "ran", "started", "finished");
	show_progress(doc);
	show_response(doc);
	show_exit(doc);
	label("attempts");
	printf("%.0f\n", doc_number(doc, "attempts", 0));
	show_tries(doc);
}

/* What a list has beside it, the operator's own; it may have gone by now. */
static int
ask_more(const struct ctl *ctl, const char *id, json_t *doc)
{
	static const char *const names[] = { "route", "owner" };
	char query[sizeof("id=") + ASK_ID_TEXT];
	struct talk_question q = {
		.method = "GET", .path = "/tasks", .query = query,
		.patience_s = ASK_PATIENCE_S, .status = 200, .member = "tasks",
	};
	json_t *list, *task;
	int code;

	snprintf(query, sizeof(query), "id=%s", id);
	if ((code = ask_json(ctl, &q, id, &list)) != EXIT_DONE)
		return code;
	task = json_array_get(doc_at(list, "tasks"), 0);
	for (size_t i = 0; i < nitems(names); i++)
		if (task != NULL && doc_at(task, names[i]) != NULL &&
		    json_object_set(doc, names[i], doc_at(task, names[i])))
			ctl_no_memory();
	json_decref(list);
	return EXIT_DONE;
}

static int
ask(const struct ctl *ctl, const char *id, bool as_json)
{
	char *path = ask_link(id, "/info");
	struct talk_question q = {
		.method = "GET", .path = path, .patience_s = ASK_PATIENCE_S,
	};
	json_t *doc = NULL;
	int code;

	if (as_json)
		code = ask_print(ctl, &q, id);
	else if ((code = ask_json(ctl, &q, id, &doc)) == EXIT_DONE &&
	    (code = ask_more(ctl, id, doc)) == EXIT_DONE)
		show(doc);
	json_decref(doc);
	free(path);
	return code;
}

int
show_run(const struct ctl *ctl, int argc, char **argv)
{
	char id[ASK_ID_TEXT];
	bool as_json;
	int code;

	if (options_json(argc, argv, &as_json) == -1 || optind != argc - 1)
		return ctl_usage(ctl);
	if ((code = ask_id(ctl, argv[optind], id)) != EXIT_DONE)
		return code;
	return ask(ctl, id, as_json);
}
