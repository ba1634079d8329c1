/*
 * view_tasks_filter - the fields of the filter, as they were filled in.
 *
 * What the query had is always among the choices, whatever it was: sending
 * the form again must not change what was not touched.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "daemon/master/view_fill.h"
#include "daemon/master/view_parts.h"
#include "daemon/master/view_tasks_priv.h"
#include "ipc/nitems.h"

#define AGE_TEXT	40

static int
put_option(struct buf *out, const char *value, const char *text, bool selected)
{
	const struct view_hole holes[] = {
		HOLE("value", value),
		HOLE("text", text),
		HOLE_RAW("selected", selected ? " selected" : ""),
	};

	return view_fill(out, view_part_option_html, holes, nitems(holes));
}

int
view_tasks_states(struct buf *out, const struct filter *f)
{
	for (int s = 0; s < TASK_STATE_N; s++) {
		const struct view_hole holes[] = {
			HOLE("value", task_state_names[s]),
			HOLE_RAW("checked", f->states & 1u << s ? " checked" : ""),
		};

		if (view_fill(out, view_part_state_html, holes, nitems(holes)))
			return -1;
	}
	return 0;
}

int
view_tasks_routes(struct buf *out, const struct filter *f,
    const struct stats_now *now)
{
	bool found = f->route == NULL;

	for (size_t i = 0; i < now->nroutes; i++) {
		const char *name = now->routes[i].name;
		bool chosen = f->route != NULL && strcmp(name, f->route) == 0;

		if (put_option(out, name, name, chosen))
			return -1;
		found = found || chosen;
	}
	return found ? 0 : put_option(out, f->route, f->route, true);
}

/* The largest unit that says it exactly. */
static void
write_age(char text[AGE_TEXT], int64_t seconds)
{
	static const struct {
		int64_t		 seconds;
		const char	*name;
	} units[] = {
		{ 86400, "day" }, { 3600, "hour" }, { 60, "minute" },
		{ 1, "second" },
	};
	size_t i = 0;
	int64_t n;

	while (seconds % units[i].seconds != 0 ||
	    (seconds == 0 && units[i].seconds > 1))
		i++;
	n = seconds / units[i].seconds;
	snprintf(text, AGE_TEXT, "%jd %s%s", (intmax_t)n, units[i].name,
	    n == 1 ? "" : "s");
}

static int
put_age(struct buf *out, int64_t seconds, bool selected)
{
	char value[VIEW_NUMBER_TEXT], text[AGE_TEXT];

	snprintf(value, sizeof(value), "%jd", (intmax_t)seconds);
	write_age(text, seconds);
	return put_option(out, value, text, selected);
}

/* -1: none is chosen. */
static int
put_ages(struct buf *out, const int64_t *offered, size_t n, int64_t chosen_s)
{
	bool found = chosen_s == -1;

	for (size_t i = 0; i < n; i++) {
		if (put_age(out, offered[i], offered[i] == chosen_s))
			return -1;
		found = found || offered[i] == chosen_s;
	}
	return found ? 0 : put_age(out, chosen_s, true);
}

int
view_tasks_ages(struct buf *out, int64_t chosen_s)
{
	static const int64_t offered[] = { 10, 60, 600, 3600, 86400 };

	return put_ages(out, offered, nitems(offered), chosen_s);
}

int
view_tasks_refreshes(struct buf *out, const struct filter *f)
{
	static const int64_t offered[] = { 10, 30, 60, 300 };

	return put_ages(out, offered, nitems(offered),
	    f->refresh_s > 0 ? (int64_t)f->refresh_s : -1);
}

static int
put_limit(struct buf *out, unsigned int limit, bool selected)
{
	char value[VIEW_NUMBER_TEXT], text[VIEW_NUMBER_TEXT];

	snprintf(value, sizeof(value), "%u", limit);
	snprintf(text, sizeof(text), "%u at most", limit);
	return put_option(out, value, text, selected);
}

int
view_tasks_limits(struct buf *out, const struct filter *f)
{
	static const unsigned int offered[] =
	    { 10, FILTER_LIMIT, FILTER_LIMIT_MAX };
	bool found = false;

	for (size_t i = 0; i < nitems(offered); i++) {
		if (put_limit(out, offered[i], offered[i] == f->limit))
			return -1;
		found = found || offered[i] == f->limit;
	}
	return found ? 0 : put_limit(out, f->limit, true);
}
