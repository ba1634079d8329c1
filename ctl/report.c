#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/clock.h"
#include "ctl/ctl.h"
#include "ctl/doc.h"
#include "ctl/report.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/units.h"
#include "ipc/nitems.h"

#define LABEL		"%-8s "

static const char *const outcomes[] = {
	"succeeded", "failed", "timed-out", "cancelled"
};

/* --- lines --------------------------------------------------------------- */

static void
put_text(FILE *out, const json_t *doc, const char *path)
{
	const char *text = doc_text(doc, path);

	text_put(out, text != NULL ? text : "?");
}

static double
count(const json_t *doc, const char *path)
{
	return doc_number(doc, path, 0);
}

static char *
seconds(const json_t *doc, const char *path, char text[UNITS_TEXT])
{
	return units_seconds(count(doc, path), text);
}

static char *
bytes(const json_t *doc, const char *path, char text[UNITS_TEXT])
{
	return units_bytes(count(doc, path), text);
}

/* "3 succeeded, 1 failed": of an object whose members are numbers. */
static void
put_counts(FILE *out, const json_t *of, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s%.0f %s", i > 0 ? ", " : "",
		    count(of, names[i]), names[i]);
}

void
report_state(FILE *out, const json_t *stats)
{
	char up[UNITS_TEXT];

	fprintf(out, "deferd ");
	put_text(out, stats, "version");
	fprintf(out, "  ");
	put_text(out, stats, "state");
	fprintf(out, "  process %.0f  up %s  generation %.0f\n",
	    count(stats, "pid"), seconds(stats, "uptime", up),
	    count(stats, "generation"));
}

static void
tasks_line(FILE *out, const json_t *stats)
{
	char age[UNITS_TEXT];

	fprintf(out, LABEL "%.0f queued of %.0f", "tasks",
	    count(stats, "tasks.queued"), count(stats, "queue"));
	if (json_is_number(doc_at(stats, "oldest_queued")))
		fprintf(out, " (the oldest for %s)",
		    seconds(stats, "oldest_queued", age));
	fprintf(out, ", %.0f running\n" LABEL, count(stats, "tasks.running"),
	    "kept");
	put_counts(out, doc_at(stats, "tasks"), outcomes, nitems(outcomes));
	putc('\n', out);
}

static void
slots_line(FILE *out, const json_t *stats)
{
	static const char *const names[] = {
		"slots", "busy", "stuck", "restarts"
	};
	double sum[nitems(names)] = { 0 };
	const json_t *pool;
	size_t i;

	json_array_foreach(doc_at(stats, "pools"), i, pool)
		for (size_t k = 0; k < nitems(names); k++)
			sum[k] += count(pool, names[k]);
	fprintf(out, LABEL "%.0f of %.0f busy, %.0f stuck, %.0f workers "
	    "started again\n", "slots", sum[1], sum[0], sum[2], sum[3]);
}

static void
store_line(FILE *out, const json_t *stats)
{
	const json_t *store = doc_at(stats, "store");
	char a[UNITS_TEXT], b[UNITS_TEXT];

	fprintf(out, LABEL, "store");
	put_text(out, store, "kind");
	fprintf(out, ", %.0f tasks of %.0f, %s of %s", count(store, "tasks"),
	    count(store, "max_tasks"), bytes(store, "bytes", a),
	    bytes(store, "max_bytes", b));
	if (count(store, "commits") > 0)
		fprintf(out, "; commits: p50 %s, p99 %s",
		    seconds(store, "commit_seconds.p50", a),
		    seconds(store, "commit_seconds.p99", b));
	putc('\n', out);
}

void
report_load(FILE *out, const json_t *stats)
{
	char memory[UNITS_TEXT];

	tasks_line(out, stats);
	slots_line(out, stats);
	store_line(out, stats);
	fprintf(out, LABEL "%.0f connections, %.0f held, %.0f of these "
	    "through doors\n", "clients", count(stats, "connections"),
	    count(stats, "waiting"), count(stats, "waiting_through_doors"));
	fprintf(out, LABEL "%s of memory, %.0f descriptors of %.0f\n",
	    "process", bytes(stats, "memory_bytes", memory),
	    count(stats, "descriptors"), count(stats, "max_descriptors"));
}

void
report_totals(FILE *out, const json_t *stats)
{
	static const char *const names[] = {
		"accepted", "succeeded", "failed", "timed-out", "cancelled",
		"retried", "interrupted"
	};
	const json_t *refused = doc_at(stats, "refused"), *value;
	const char *reason;
	size_t i = 0;

	fprintf(out, LABEL, "so far");
	put_counts(out, doc_at(stats, "totals"), names, nitems(names));
	putc('\n', out);
	json_object_foreach((json_t *)refused, reason, value) {
		if (json_number_value(value) == 0)
			continue;
		if (i++ == 0)
			fprintf(out, LABEL, "refused");
		fprintf(out, "%s%.0f ", i > 1 ? ", " : "",
		    json_number_value(value));
		text_put(out, reason);
	}
	if (i > 0)
		putc('\n', out);
}

/* --- rates --------------------------------------------------------------- */

static bool
same_run(const json_t *stats, const json_t *before)
{
	return before != NULL &&
	    count(stats, "pid") == count(before, "pid") &&
	    count(stats, "uptime") > count(before, "uptime");
}

/* Of one kind of event, in `seconds` between two documents. */
static double
rate(const json_t *now, const json_t *before, const char *name, double s)
{
	return (count(now, name) - count(before, name)) / s;
}

/* As the clock of who reads it has it. */
static void
put_minute(FILE *out, const json_t *minute)
{
	int64_t ms;
	time_t t;
	struct tm tm;

	if (!doc_time(minute, "minute", &ms))
		return;
	t = (time_t)(ms / 1000);
	if (localtime_r(&t, &tm) != NULL)
		fprintf(out, ", in the minute of %02d:%02d", tm.tm_hour,
		    tm.tm_min);
}

void
report_rates(FILE *out, const json_t *stats, const json_t *before)
{
	static const char *const names[] = {
		"accepted", "succeeded", "failed", "timed-out", "cancelled"
	};
	const json_t *minutes = doc_at(stats, "minutes");
	const json_t *now, *then = NULL;
	double s = 60;

	if (same_run(stats, before)) {
		now = doc_at(stats, "totals");
		then = doc_at(before, "totals");
		s = count(stats, "uptime") - count(before, "uptime");
	} else {
		now = json_array_size(minutes) < 2 ? NULL :
		    json_array_get(minutes, json_array_size(minutes) - 2);
	}
	fprintf(out, LABEL "per second", "rates");
	if (then == NULL)
		put_minute(out, now);
	fprintf(out, ": ");
	for (size_t i = 0; i < nitems(names); i++)
		fprintf(out, "%s%.1f %s", i > 0 ? ", " : "",
		    rate(now, then, names[i], s), names[i]);
	putc('\n', out);
}

/* --- tables -------------------------------------------------------------- */

/* "p50 / p99" */
static void
add_spread(struct table *t, const json_t *of, const char *p50,
    const char *p99)
{
	char a[UNITS_TEXT], b[UNITS_TEXT];

	if (json_is_number(doc_at(of, p50)))
		table_addf(t, "%s/%s", seconds(of, p50, a),
		    seconds(of, p99, b));
	else
		table_add(t, NULL);
}

static void
add_count(struct table *t, const json_t *of, const char *name)
{
	table_addf(t, "%.0f", count(of, name));
}

void
report_routes(FILE *out, const json_t *stats, size_t width)
{
	static const struct table_column columns[] = {
		{ "ROUTE", TABLE_CUT }, { "QUEUED", TABLE_RIGHT },
		{ "RUNNING", TABLE_RIGHT },
		{ "MOST", TABLE_RIGHT | TABLE_SPARE },
		{ "ACCEPTED", TABLE_RIGHT | TABLE_SPARE },
		{ "SUCCEEDED", TABLE_RIGHT }, { "FAILED", TABLE_RIGHT },
		{ "TIMED-OUT", TABLE_RIGHT },
		{ "CANCELLED", TABLE_RIGHT | TABLE_SPARE },
		{ "WAITED", TABLE_RIGHT }, { "RAN", TABLE_RIGHT },
	};
	const json_t *route;
	struct table t;
	size_t i;

	table_init(&t, columns, nitems(columns));
	json_array_foreach(doc_at(stats, "routes"), i, route) {
		table_add(&t, doc_text(route, "name"));
		add_count(&t, route, "queued");
		add_count(&t, route, "running");
		if (count(route, "max_running") > 0)
			add_count(&t, route, "max_running");
		else
			table_add(&t, NULL);
		add_count(&t, route, "accepted");
		for (size_t k = 0; k < nitems(outcomes); k++)
			add_count(&t, route, outcomes[k]);
		add_spread(&t, route, "waiting.p50", "waiting.p99");
		add_spread(&t, route, "running_time.p50", "running_time.p99");
	}
	if (i > 0)
		table_print(&t, out, width);
	table_fini(&t);
}

void
report_pools(FILE *out, const json_t *stats, size_t width)
{
	static const struct table_column columns[] = {
		{ "POOL", TABLE_CUT }, { "WORKERS", TABLE_RIGHT },
		{ "SLOTS", TABLE_RIGHT }, { "BUSY", TABLE_RIGHT },
		{ "STUCK", TABLE_RIGHT }, { "RESTARTS", TABLE_RIGHT },
	};
	const json_t *pool;
	struct table t;
	size_t i;

	table_init(&t, columns, nitems(columns));
	json_array_foreach(doc_at(stats, "pools"), i, pool) {
		const char *module = doc_text(pool, "module");

		table_add(&t, module != NULL ? module : "(programs)");
		add_count(&t, pool, "workers");
		add_count(&t, pool, "slots");
		add_count(&t, pool, "busy");
		add_count(&t, pool, "stuck");
		add_count(&t, pool, "restarts");
	}
	if (i > 0)
		table_print(&t, out, width);
	table_fini(&t);
}

/* --- what runs ----------------------------------------------------------- */

static int64_t
started(const json_t *task)
{
	int64_t ms;

	return doc_time(task, "started", &ms) ? ms : INT64_MAX;
}

static int
by_start(const void *a, const void *b)
{
	int64_t x = started(*(json_t *const *)a);
	int64_t y = started(*(json_t *const *)b);

	return (x > y) - (x < y);
}

static void
add_running(struct table *t, const json_t *task, int64_t now_ms)
{
	char text[UNITS_TEXT];

	table_add(t, doc_text(task, "id"));
	table_add(t, started(task) == INT64_MAX ? NULL :
	    units_seconds((double)(now_ms - started(task)) / 1000, text));
	if (json_is_number(doc_at(task, "progress.percent")))
		table_addf(t, "%.0f%%", count(task, "progress.percent"));
	else
		table_add(t, NULL);
	table_add(t, doc_text(task, "route"));
	table_add(t, doc_text(task, "path"));
	table_add(t, doc_text(task, "owner"));
}

/* The array's members, sorted; owned, borrowing. */
static const json_t **
sorted(const json_t *tasks)
{
	size_t n = json_array_size(tasks);
	const json_t **all = calloc(n + 1, sizeof(*all));

	if (all == NULL)
		ctl_no_memory();
	for (size_t i = 0; i < n; i++)
		all[i] = json_array_get(tasks, i);
	qsort(all, n, sizeof(*all), by_start);
	return all;
}

void
report_running(FILE *out, const json_t *list, size_t rows, size_t width)
{
	static const struct table_column columns[] = {
		{ "ID", TABLE_ID }, { "RUNNING", TABLE_RIGHT },
		{ "DONE", TABLE_RIGHT }, { "ROUTE", TABLE_CUT },
		{ "PATH", TABLE_CUT }, { "OWNER", TABLE_CUT },
	};
	const json_t *tasks = doc_at(list, "tasks");
	size_t n = json_array_size(tasks);
	const json_t **all = sorted(tasks);
	int64_t now = clock_wall_ms();
	struct table t;

	table_init(&t, columns, nitems(columns));
	for (size_t i = 0; i < n && i + 1 < rows; i++)
		add_running(&t, all[i], now);
	if (n > 0 && rows > 1)
		table_print(&t, out, width);
	table_fini(&t);
	free(all);
}
