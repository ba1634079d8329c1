/*
 * list - the tasks that pass a filter, newest first.
 *
 * A person gets the newest ones, and a word on whether there are more; a
 * program gets all of them.  Each task of JSON is a line.
 */
#include "config.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/clock.h"
#include "ctl/doc.h"
#include "ctl/pages.h"
#include "ctl/screen.h"
#include "ctl/table.h"
#include "ctl/units.h"
#include "ipc/buf.h"
#include "ipc/nitems.h"

#define QUERY_MAX	8192
#define LIMIT		100		/* for people */
#define LIMIT_MAX	1000000000

struct listing {
	struct buf	 query;
	int64_t		 limit;		/* 0: not said */
	bool		 json;
	size_t		 count;		/* of tasks that were shown */
	struct table	 table;
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
	{ "ID", TABLE_ID }, { "STATE", 0 }, { "AGE", TABLE_RIGHT },
	{ "RUNNING", TABLE_RIGHT }, { "ROUTE", TABLE_CUT },
	{ "PATH", TABLE_CUT }, { "OWNER", TABLE_CUT },
	{ "REASON", TABLE_CUT },
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

static int
add_age(struct listing *l, const char *name, const char *arg)
{
	char text[UNITS_TEXT];
	int64_t seconds;

	if (units_parse_age(arg, &seconds) == -1) {
		ctl_say("--%s %s: expected an age such as 90, 10m, 2h, 1d",
		    name, arg);
		return -1;
	}
	snprintf(text, sizeof(text), "%" PRId64, seconds);
	add_term(l, name, text);
	return 0;
}

static int
set_limit(struct listing *l, const char *arg)
{
	if (units_parse_number(arg, 1, LIMIT_MAX, &l->limit) == 0)
		return 0;
	ctl_say("-n %s: expected a number, at least 1", arg);
	return -1;
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
			if (add_age(l, "older", optarg) == -1)
				return -1;
			break;
		case 'N':
			if (add_age(l, "newer", optarg) == -1)
				return -1;
			break;
		case 'n':
			if (set_limit(l, optarg) == -1)
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
		end = clock_wall_ms();
	table_add(t, units_seconds((double)(end - start) / 1000, text));
}

static void
add_row(struct pages *p, const json_t *task)
{
	struct listing *l = p->arg;
	struct table *t = &l->table;

	table_add(t, doc_text(task, "id"));
	table_add(t, doc_text(task, "state"));
	add_span(t, task, "created", NULL);
	add_span(t, task, "started", "finished");
	table_add(t, doc_text(task, "route"));
	table_add(t, doc_text(task, "path"));
	table_add(t, doc_text(task, "owner"));
	table_add(t, doc_text(task, "reason"));
	l->count++;
}

static int
show_table(struct listing *l, struct pages *p)
{
	int code;

	p->each = add_row;
	table_init(&l->table, columns, nitems(columns));
	if ((code = pages_read(p)) == EXIT_DONE) {
		table_print(&l->table, stdout, screen_width());
		fflush(stdout);
		if (p->more)
			ctl_say("these are the newest %zu; there are more "
			    "(-n)", l->count);
	}
	table_fini(&l->table);
	return code;
}

static void
add_line(struct pages *p, const json_t *task)
{
	struct listing *l = p->arg;

	fputs(l->count++ > 0 ? ",\n" : "\n", stdout);
	doc_print(task);
}

/* One document, whose end says whether it is whole. */
static int
show_json(struct pages *p)
{
	int code;

	p->each = add_line;
	fputs("{\"tasks\":[", stdout);
	if ((code = pages_read(p)) == EXIT_DONE)
		printf("\n],\"more\":%s}\n", p->more ? "true" : "false");
	return code;
}

static int
show(const struct ctl *ctl, struct listing *l)
{
	struct pages p = {
		.ctl = ctl, .filter = (const char *)buf_data(&l->query),
		.arg = l,
	};

	p.left = l->limit > 0 ? l->limit : l->json ? INT64_MAX : LIMIT;
	return l->json ? show_json(&p) : show_table(l, &p);
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
		code = show(ctl, &l);
	buf_fini(&l.query);
	return code;
}
