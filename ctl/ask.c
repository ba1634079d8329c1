#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/doc.h"
#include "ctl/text.h"
#include "ipc/nitems.h"

#define BODY_MAX	(256u << 20)	/* bytes of a document */
#define PROBLEM_MAX	(64u << 10)
#define DIGITS_MIN	6		/* of an id */
#define FOUND_MAX	10		/* ids that are named */

/* Reads all of it; -1 when it ends early, or is too much. */
static int
read_whole(struct talk *t, struct buf *body)
{
	unsigned char *to;
	ssize_t n;

	for (;;) {
		if ((to = buf_space(body, TALK_CHUNK)) == NULL) {
			snprintf(t->why, sizeof(t->why),
			    "the daemon's answer has no end");
			return -1;
		}
		if ((n = talk_read(t, to, TALK_CHUNK)) <= 0)
			return (int)n;
		buf_commit(body, (size_t)n);
	}
}

static json_t *
parse(const struct buf *body)
{
	return json_loadb((const char *)buf_data(body), buf_len(body),
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
}

/* What an answer that is no success has to say, into t->why. */
static void
read_problem(struct talk *t, const char *about)
{
	const char *title, *detail;
	struct buf body;
	json_t *doc = NULL;

	buf_init(&body, PROBLEM_MAX + TALK_CHUNK);
	if (read_whole(t, &body) == 0)
		doc = parse(&body);
	title = doc_text(doc, "title");
	detail = doc_text(doc, "detail");
	snprintf(t->why, sizeof(t->why), "%s%s%s%s%s (%d)",
	    about != NULL ? about : "", about != NULL ? ": " : "",
	    title != NULL ? title : "refused", detail != NULL ? ": " : "",
	    detail != NULL ? detail : "", t->status);
	json_decref(doc);
	buf_fini(&body);
}

/* A request that makes no sense is the caller's fault. */
static int
code_of(const struct talk *t)
{
	switch (t->status) {
	case 400:
		return EXIT_USAGE;
	case 421:
		return EXIT_AWAY;
	default:
		return EXIT_NO;
	}
}

int
ask_problem(struct talk *t, const char *about)
{
	read_problem(t, about);
	ctl_say("%s", t->why);
	return code_of(t);
}

/* As ask_open(), but what went wrong stands in t->why. */
static int
open_quietly(struct talk *t, const struct ctl *ctl,
    const struct talk_question *q, const char *about)
{
	enum talk_end end = talk_open(t, ctl->socket, q);

	if (end != TALK_ANSWERED)
		return end == TALK_WOKEN ? ASK_WOKEN : EXIT_AWAY;
	if (t->status >= 300) {
		read_problem(t, about);
		return code_of(t);
	}
	if (q->status == 0 || t->status == q->status)
		return EXIT_DONE;
	snprintf(t->why, sizeof(t->why), "the daemon's answer makes no sense: "
	    "status %d instead of %d", t->status, q->status);
	return EXIT_AWAY;
}

int
ask_open(struct talk *t, const struct ctl *ctl,
    const struct talk_question *q, const char *about)
{
	int code = open_quietly(t, ctl, q, about);

	if (code != EXIT_DONE)
		ctl_say("%s", t->why);
	return code;
}

int
ask_copy(struct talk *t)
{
	struct text_stream out;
	char chunk[TALK_CHUNK];
	ssize_t n;

	text_stream_init(&out, stdout, isatty(STDOUT_FILENO) == 1);
	while ((n = talk_read(t, chunk, sizeof(chunk))) > 0) {
		text_stream_add(&out, chunk, (size_t)n);
		fflush(stdout);
	}
	text_stream_end(&out);
	if (n == 0)
		return EXIT_DONE;
	ctl_say("%s", t->why);
	return EXIT_AWAY;
}

int
ask_print(const struct ctl *ctl, const struct talk_question *q,
    const char *about)
{
	struct talk t;
	int code = ask_open(&t, ctl, q, about);

	if (code == EXIT_DONE && (code = ask_copy(&t)) == EXIT_DONE)
		putchar('\n');
	talk_close(&t);
	return code;
}

/* The body of an open answer; *doc is the caller's in any case. */
static int
read_document(struct talk *t, const struct talk_question *q, json_t **doc)
{
	struct buf body;
	int code = EXIT_DONE;

	buf_init(&body, BODY_MAX);
	if (read_whole(t, &body) == -1) {
		code = EXIT_AWAY;
	} else if ((*doc = parse(&body)) == NULL) {
		snprintf(t->why, sizeof(t->why),
		    "the daemon's answer is no JSON");
		code = EXIT_AWAY;
	} else if (q->member != NULL && doc_at(*doc, q->member) == NULL) {
		snprintf(t->why, sizeof(t->why),
		    "the daemon's answer makes no sense: it has no %s",
		    q->member);
		code = EXIT_AWAY;
	}
	buf_fini(&body);
	return code;
}

int
ask_quietly(const struct ctl *ctl, const struct talk_question *q,
    const char *about, json_t **doc, char why[TALK_WHY_MAX])
{
	struct talk t;
	int code = open_quietly(&t, ctl, q, about);

	*doc = NULL;
	if (code == EXIT_DONE)
		code = read_document(&t, q, doc);
	memcpy(why, t.why, sizeof(t.why));
	talk_close(&t);
	return code;
}

int
ask_json(const struct ctl *ctl, const struct talk_question *q,
    const char *about, json_t **doc)
{
	char why[TALK_WHY_MAX];
	int code = ask_quietly(ctl, q, about, doc, why);

	if (code != EXIT_DONE)
		ctl_say("%s", why);
	return code;
}

int
ask_done(const struct ctl *ctl, const struct talk_question *q,
    const char *about)
{
	struct talk t;
	int code = ask_open(&t, ctl, q, about);

	talk_close(&t);
	return code;
}

/* Which ones: the person chooses. */
static void
say_ambiguous(const char *digits, const json_t *tasks)
{
	char ids[FOUND_MAX * (ASK_ID_TEXT + 1)] = "";
	const json_t *task;
	size_t i, len = 0;

	json_array_foreach(tasks, i, task) {
		const char *id = doc_text(task, "id");

		if (i < FOUND_MAX && id != NULL)
			len += (size_t)snprintf(ids + len, sizeof(ids) - len,
			    "%s%.32s", i > 0 ? ", " : "", id);
	}
	ctl_say("%s: begins the ids of several tasks: %s", digits, ids);
}

/* Whose id begins so. */
static int
take_found(const char *digits, const json_t *tasks, char id[ASK_ID_TEXT])
{
	const char *found = doc_text(json_array_get(tasks, 0), "id");

	if (json_array_size(tasks) == 0) {
		ctl_say("%s: there is no such task", digits);
		return EXIT_NO;
	}
	if (json_array_size(tasks) > 1) {
		say_ambiguous(digits, tasks);
		return EXIT_USAGE;
	}
	if (found == NULL || strlen(found) != ASK_ID_TEXT - 1) {
		ctl_say("the daemon's answer makes no sense");
		return EXIT_AWAY;
	}
	strcpy(id, found);
	return EXIT_DONE;
}

static int
find_id(const struct ctl *ctl, const char *digits, char id[ASK_ID_TEXT])
{
	char query[64];
	struct talk_question q = {
		.method = "GET", .path = "/tasks", .query = query,
		.patience_s = ASK_PATIENCE_S, .status = 200, .member = "tasks",
	};
	json_t *doc;
	int code;

	snprintf(query, sizeof(query), "id=%s&limit=%d", digits, FOUND_MAX);
	if ((code = ask_json(ctl, &q, digits, &doc)) == EXIT_DONE)
		code = take_found(digits, doc_at(doc, "tasks"), id);
	json_decref(doc);
	return code;
}

/* What stands before `tail`, if that is the end of it: so many bytes. */
static size_t
before(const char *tail, const char *s, size_t len)
{
	size_t n = strlen(tail);

	return len >= n && memcmp(s + len - n, tail, n) == 0 ? len - n : len;
}

/*
 * The last part of a link, in lower case, as far as digits[] goes: without
 * what an address line has behind it, and the page of the task it stands for.
 */
static void
last_part(const char *link, char digits[ASK_ID_TEXT + 1])
{
	static const char *const pages[] = { "/info", "/log", "/cancel" };
	size_t end = strcspn(link, "?#"), whole, from, n = 0;

	while (end > 0 && link[end - 1] == '/')
		end--;
	whole = end;
	for (size_t i = 0; i < nitems(pages) && end == whole; i++)
		end = before(pages[i], link, whole);
	for (from = end; from > 0 && link[from - 1] != '/'; from--)
		;
	while (from < end && n < ASK_ID_TEXT)
		digits[n++] = (char)tolower((unsigned char)link[from++]);
	digits[n] = '\0';
}

int
ask_id(const struct ctl *ctl, const char *arg, char id[ASK_ID_TEXT])
{
	char digits[ASK_ID_TEXT + 1];	/* one too many is one too many */
	size_t len;

	last_part(arg, digits);
	len = strlen(digits);
	if (len < DIGITS_MIN || len > ASK_ID_TEXT - 1 ||
	    strspn(digits, "0123456789abcdef") != len) {
		ctl_say("%s: expected the digits of a task, at least the "
		    "first %d, or its link", arg, DIGITS_MIN);
		return EXIT_USAGE;
	}
	if (len < ASK_ID_TEXT - 1)
		return find_id(ctl, digits, id);
	strcpy(id, digits);
	return EXIT_DONE;
}

char *
ask_link(const char *id, const char *rest)
{
	char *path;

	if (asprintf(&path, "/status/%s%s", id, rest) == -1)
		ctl_no_memory();
	return path;
}
