/*
 * list - the tasks that pass a filter, newest first.
 *
 * The daemon gives a page at a time, and says whether there are more.
 */
#include "config.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/doc.h"
#include "ctl/screen.h"
#include "ctl/table.h"
#include "ctl/units.h"

#define QUERY_MAX	16384
#define LIMIT_MAX	1000		/* the daemon's, for one page */

struct listing {
	struct buf	 query;
	bool		 json;
};

static const struct option long_options[] = {
	{ "state", required_argument, NULL, 's' },
	{ "route", required_argument, NULL, 'r' },
	{ "owner", required_argument, NULL, 'o' },
	{ "older", required_argument, NULL, 'O' },
	{ "newer", required_argument, NULL, 'N' },
	{ "limit", required_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ 0 }
};

static const struct table_column columns[] = {
	{ "ID", 0 }, { "STATE", 0 }, { "AGE", TABLE_RIGHT },
	{ "RUNNING", TABLE_RIGHT }, { "ROUTE", TABLE_CUT },
	{ "PATH", TABLE_CUT }, { "OWNER", TABLE_CUT },
};

/* --- what is asked ------------------------------------------------------- */

/* RFC 3986 2.3: what need not be encoded. */
static int
add_encoded(struct buf *b, const char *text)
{
	static const char plain[] = "-._~0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	int failed = 0;

	for (; *text != '\0' && !failed; text++)
		failed = strchr(plain, *text) != NULL ?
		    buf_add(b, text, 1) :
		    buf_printf(b, "%%%02X", (unsigned char)*text);
	return failed;
}

static void
add_term(struct listing *l, const char *name, const char *value)
{
	if (buf_printf(&l->query, "%s%s=", buf_len(&l->query) > 0 ? "&" : "",
	    name) || add_encoded(&l->query, value))
		ctl_die("the filter is too long");
}

/* An age, or a number of tasks. */
static int
add_number(struct listing *l, int option, const char *arg)
{
	char text[UNITS_TEXT];
	int64_t n;

	if (option == 'n' && units_parse_number(arg, 1, LIMIT_MAX, &n) == -1) {
		ctl_say("-n %s: expected a number from 1 to %d", arg,
		    LIMIT_MAX);
		return -1;
	}
	if (option != 'n' && units_parse_age(arg, &n) == -1) {
		ctl_say("%s: expected an age such as 90, 10m, 2h, 1d", arg);
		return -1;
	}
	snprintf(text, sizeof(text), "%" PRId64, n);
	add_term(l, option == 'n' ? "limit" : option == 'O' ? "older" :
	    "newer", text);
	return 0;
}

static int
parse_options(struct listing *l, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "s:r:o:n:", long_options,
	    NULL)) != -1) {
		switch (c) {
		case 's':
			add_term(l, "state", optarg);
			break;
		case 'r':
			add_term(l, "route", optarg);
			break;
		case 'o':
			add_term(l, "owner", optarg);
			break;
		case 'O':
		case 'N':
		case 'n':
			if (add_number(l, c, optarg) == -1)
				return -1;
			break;
		case 'j':
			l->json = true;
			break;
		default:
			return -1;
		}
	}
	return optind == argc ? 0 : -1;
}

/* --- what is shown ------------------------------------------------------- */

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Between two times of a task, the later one perhaps not yet there. */
static void
add_span(struct table *t, const json_t *task, const char *from,
    const char *to)
{
	char text[UNITS_TEXT];
	int64_t start, end;

	if (!doc_time(task, from, &start)) {
		table_add(t, NULL);
		return;
	}
	if (to == NULL || !doc_time(task, to, &end))
		end = now_ms();
	table_add(t, units_seconds((double)(end - start) / 1000, text));
}

static void
show(const json_t *doc)
{
	const json_t *task;
	struct table t;
	size_t i;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach(doc_at(doc, "tasks"), i, task) {
		table_add(&t, doc_text(task, "id"));
		table_add(&t, doc_text(task, "state"));
		add_span(&t, task, "created", NULL);
		add_span(&t, task, "started", "finished");
		table_add(&t, doc_text(task, "route"));
		table_add(&t, doc_text(task, "path"));
		table_add(&t, doc_text(task, "owner"));
	}
	table_print(&t, stdout, screen_width());
	table_fini(&t);
	fflush(stdout);
	if (json_is_true(doc_at(doc, "more")))
		ctl_say("there are more; -n shows up to %d, filters find the "
		    "right ones", LIMIT_MAX);
}

static int
ask(const struct ctl *ctl, const struct listing *l, const char *query)
{
	struct talk_question q = {
		.method = "GET", .path = "/tasks", .query = query,
		.patience_s = ASK_PATIENCE_S,
	};
	json_t *doc;
	int code;

	if (l->json)
		return ask_print(ctl, &q, NULL);
	if ((code = ask_json(ctl, &q, NULL, &doc)) == EXIT_DONE)
		show(doc);
	json_decref(doc);
	return code;
}

int
list_run(const struct ctl *ctl, int argc, char **argv)
{
	struct listing l = { .json = false };
	int code;

	buf_init(&l.query, QUERY_MAX);
	if (parse_options(&l, argc, argv) == -1)
		code = ctl_usage(ctl);
	else if (buf_add(&l.query, "", 1) == -1)
		ctl_no_memory();
	else
		code = ask(ctl, &l, (const char *)buf_data(&l.query));
	buf_fini(&l.query);
	return code;
}
