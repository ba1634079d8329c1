/*
 * view_tasks_now - what the statistics say: figures, and charts of the last
 * hour.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "daemon/master/chart.h"
#include "daemon/master/view_fill.h"
#include "daemon/master/view_parts.h"
#include "daemon/master/view_tasks_priv.h"
#include "ipc/nitems.h"

#define CHART_MAX	(256 * 1024)	/* bytes: an hour is some 20 KiB */
#define NOTE_TEXT	96
#define LABEL_TEXT	24

/* The last hour, oldest minute first; the last one is not over yet. */
struct hour {
	double		 accepted[STATS_MINUTES];
	double		 ended[TASK_STATE_N][STATS_MINUTES];
	double		 waiting[STATS_MINUTES];	/* mean, in seconds */
	double		 running[STATS_MINUTES];
	char		 label[STATS_MINUTES][LABEL_TEXT];
	const char	*labels[STATS_MINUTES];
};

static const enum task_state ends[] =
    { TASK_FAILED, TASK_TIMED_OUT, TASK_CANCELLED, TASK_SUCCEEDED };

static double
mean_s(uint64_t sum_ms, uint32_t n)
{
	return n > 0 ? (double)sum_ms / n / 1000 : NAN;
}

static void
read_minute(struct hour *h, size_t x, const struct stats_minute *m)
{
	static const struct stats_minute nothing;

	if (m == NULL)
		m = &nothing;
	h->accepted[x] = m->accepted;
	for (size_t i = 0; i < nitems(ends); i++)
		h->ended[ends[i]][x] = m->ended[ends[i]];
	h->waiting[x] = mean_s(m->waited_ms, m->started);
	h->running[x] = mean_s(m->ran_ms, m->left);
}

static void
read_hour(struct hour *h, const struct stats_now *now)
{
	for (unsigned int ago = 0; ago < STATS_MINUTES; ago++) {
		size_t x = STATS_MINUTES - 1 - ago;
		time_t at = (time_t)(now->now_ms / 1000) - 60 * (time_t)ago;
		struct tm tm = { 0 };

		read_minute(h, x, stats_minute(now->stats, now->now_ms, ago));
		gmtime_r(&at, &tm);
		strftime(h->label[x], LABEL_TEXT, "%H:%M UTC", &tm);
		h->labels[x] = h->label[x];
	}
}

static double
sum(const double values[STATS_MINUTES])
{
	double total = 0;

	for (size_t x = 0; x < STATS_MINUTES; x++)
		total += values[x];
	return total;
}

/* The minute with the highest value that is known; -1 if none is. */
static int
highest(const double values[STATS_MINUTES])
{
	int best = -1;

	for (int x = 0; x < STATS_MINUTES; x++)
		if (!isnan(values[x]) &&
		    (best == -1 || values[x] > values[best]))
			best = x;
	return best;
}

/* --- figures --------------------------------------------------------------- */

void
view_tasks_bytes(char *text, size_t size, uint64_t bytes)
{
	static const char *const units[] =
	    { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes;
	size_t i = 0;

	while (n >= 1000 && i + 1 < nitems(units)) {
		n /= 1024;
		i++;
	}
	snprintf(text, size, "%.3g %s", n, units[i]);
}

static int
put_figure(struct buf *out, const char *class, const char *name,
    uint64_t value, const char *note)
{
	char number[VIEW_NUMBER_TEXT];
	const struct view_hole holes[] = {
		HOLE("class", class),
		HOLE("name", name),
		HOLE("value", number),
		HOLE("note", note),
	};

	snprintf(number, sizeof(number), "%ju", (uintmax_t)value);
	return view_fill(out, view_part_figure_html, holes, nitems(holes));
}

static int
put_running(struct buf *out, const struct stats_now *now)
{
	size_t slots = 0, stuck = 0;
	char note[NOTE_TEXT];
	int n;

	for (size_t i = 0; i < now->npools; i++) {
		slots += now->pools[i].slots;
		stuck += now->pools[i].stuck;
	}
	n = snprintf(note, sizeof(note), "of %zu slots", slots);
	if (stuck > 0)
		snprintf(note + n, sizeof(note) - (size_t)n, ", %zu stuck",
		    stuck);
	return put_figure(out, stuck > 0 ? "bad" : "", "Running",
	    now->kept[TASK_RUNNING], note);
}

static int
put_waiting(struct buf *out, const struct stats_now *now)
{
	char note[NOTE_TEXT], oldest[VIEW_NUMBER_TEXT];

	view_fill_elapsed(oldest, now->oldest_queued_ms);
	if (now->oldest_queued_ms >= 0)
		snprintf(note, sizeof(note), "the first for %s", oldest);
	else
		snprintf(note, sizeof(note), "of %ju at most",
		    (uintmax_t)now->queue);
	return put_figure(out, now->kept[TASK_QUEUED] >= now->queue ? "bad" :
	    "", "Waiting", now->kept[TASK_QUEUED], note);
}

static int
put_kept(struct buf *out, const struct stats_now *now)
{
	char note[NOTE_TEXT], bytes[NOTE_TEXT / 3], max[NOTE_TEXT / 3];

	view_tasks_bytes(bytes, sizeof(bytes), now->store.bytes);
	view_tasks_bytes(max, sizeof(max), now->store.max_bytes);
	snprintf(note, sizeof(note), "%s of %s", bytes, max);
	return put_figure(out, "", "Kept", now->store.tasks, note);
}

int
view_tasks_figures(struct buf *out, const struct stats_now *now)
{
	struct hour h;
	uint64_t failed;

	read_hour(&h, now);
	failed = (uint64_t)(sum(h.ended[TASK_FAILED]) +
	    sum(h.ended[TASK_TIMED_OUT]));
	return put_running(out, now) ||
	    put_waiting(out, now) ||
	    put_figure(out, "", "Accepted", (uint64_t)sum(h.accepted),
	    "in the last hour") ||
	    put_figure(out, failed > 0 ? "bad" : "", "Failed or timed out",
	    failed, "in the last hour") ||
	    put_kept(out, now) ? -1 : 0;
}

/* --- charts ---------------------------------------------------------------- */

static int
put_keys(struct buf *out, const struct chart *c)
{
	for (size_t i = 0; i < c->nseries; i++) {
		const struct view_hole holes[] = {
			HOLE("name", c->series[i].name),
			HOLE("shape", c->series[i].shape == CHART_LINE ?
			    "stroke" : "block"),
		};

		if (view_fill(out, view_part_key_html, holes, nitems(holes)))
			return -1;
	}
	return 0;
}

static int
put_chart(struct buf *out, const struct chart *c)
{
	struct buf keys, svg;
	int failed;

	buf_init(&keys, CHART_MAX);
	buf_init(&svg, CHART_MAX);
	failed = put_keys(&keys, c) || buf_add(&keys, "", 1) ||
	    chart_svg(&svg, c) || buf_add(&svg, "", 1);
	if (!failed) {
		const struct view_hole holes[] = {
			HOLE("name", c->title),
			HOLE_RAW("keys", (const char *)buf_data(&keys)),
			HOLE_RAW("svg", (const char *)buf_data(&svg)),
		};

		failed = view_fill(out, view_part_chart_html, holes, nitems(holes));
	}
	buf_fini(&keys);
	buf_fini(&svg);
	return failed ? -1 : 0;
}

static int
put_rates(struct buf *out, struct hour *h)
{
	const struct chart_series series[] = {
		{ "failed", CHART_BARS, h->ended[TASK_FAILED] },
		{ "timed-out", CHART_BARS, h->ended[TASK_TIMED_OUT] },
		{ "cancelled", CHART_BARS, h->ended[TASK_CANCELLED] },
		{ "succeeded", CHART_BARS, h->ended[TASK_SUCCEEDED] },
		{ "accepted", CHART_LINE, h->accepted },
	};
	char desc[4 * NOTE_TEXT];
	int most = highest(h->accepted);

	snprintf(desc, sizeof(desc), "In the last hour %.0f tasks were "
	    "accepted, most of them, %.0f, at %s; %.0f succeeded, %.0f "
	    "failed, %.0f timed out, %.0f were cancelled.", sum(h->accepted),
	    h->accepted[most], h->labels[most], sum(series[3].values),
	    sum(series[0].values), sum(series[1].values),
	    sum(series[2].values));
	return put_chart(out, &(struct chart){
		.id = "rates", .title = "Tasks per minute", .desc = desc,
		.unit = CHART_COUNT, .series = series, .nseries = nitems(series),
		.labels = h->labels, .points = STATS_MINUTES,
		.from = "1 hour ago", .to = "now" });
}

/* "waited 0.2 s at most, at 10:15 UTC" */
static void
write_most(char *text, size_t size, const struct hour *h, const char *verb,
    const double values[STATS_MINUTES])
{
	int most = highest(values);

	if (most == -1)
		snprintf(text, size, "no task %s", verb);
	else
		snprintf(text, size, "tasks %s longest at %s, %.3g s",
		    verb, h->labels[most], values[most]);
}

static int
put_times(struct buf *out, struct hour *h)
{
	const struct chart_series series[] = {
		{ "waiting", CHART_LINE, h->waiting },
		{ "running", CHART_LINE, h->running },
	};
	char waited[NOTE_TEXT], ran[NOTE_TEXT], desc[4 * NOTE_TEXT];

	write_most(waited, sizeof(waited), h, "waited", h->waiting);
	write_most(ran, sizeof(ran), h, "ran", h->running);
	snprintf(desc, sizeof(desc), "Of the last hour, the mean of each "
	    "minute: %s; %s.", waited, ran);
	return put_chart(out, &(struct chart){
		.id = "times", .title = "Mean time of a task", .desc = desc,
		.unit = CHART_SECONDS, .series = series,
		.nseries = nitems(series), .labels = h->labels,
		.points = STATS_MINUTES, .from = "1 hour ago", .to = "now" });
}

int
view_tasks_charts(struct buf *out, const struct stats_now *now)
{
	struct hour h;

	read_hour(&h, now);
	return put_rates(out, &h) || put_times(out, &h) ? -1 : 0;
}
