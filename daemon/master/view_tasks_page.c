/*
 * view_tasks_page - the page of tasks, as a writer of view_list.
 *
 * The head is written first, from the statistics; then each list when its
 * rows are there and counted.  Foreign text is cut before it is shown: this
 * page is to be read, <link>/info and <link>/log have the whole of it.
 *
 * With JavaScript it keeps itself up to date.  Without, it loads itself again
 * only if that was asked for in its form: what is being typed there would be
 * lost.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/master/view_fill.h"
#include "daemon/master/view_parts.h"
#include "daemon/master/view_stats.h"
#include "daemon/master/view_tasks_page.h"
#include "daemon/master/view_tasks_priv.h"
#include "ipc/nitems.h"
#include "ipc/utf8.h"

#define PAGE_MAX	(32 * 1024 * 1024)
#define PIECE_MAX	(4 * 1024 * 1024) /* a part of the head */
#define TEXT_SHOWN	240		/* bytes of a path, an owner, a message */
#define REASON_SHOWN	600
#define LOG_SHOWN	2000		/* bytes of stderr ... */
#define LOG_LINES	10		/* ... and lines */
#define QUERY_MAX	512		/* a longer one is not given on */
#define TITLE_TEXT	96
#define WHEN_TEXT	48
#define REFRESH_TEXT	64
#define ELLIPSIS	"\xe2\x80\xa6"
#define UNREAD		"(the store cannot read it now)"

static int
put_cut(struct buf *out, const char *text, size_t max)
{
	size_t len = strlen(text), shown = utf8_cut(text, len, max);

	return view_fill_text(out, text, shown) ||
	    (shown < len && buf_printf(out, ELLIPSIS)) ? -1 : 0;
}

/* What leads back to this page, behind the address of a button. */
static const char *
query_of(const struct view_list *l, char query[QUERY_MAX + 2])
{
	size_t len = strlen(l->req->query);

	snprintf(query, QUERY_MAX + 2, "%s%s", len > 0 ? "?" : "",
	    l->req->query);
	return len <= QUERY_MAX ? query : "";
}

static int
put_button(struct buf *out, const struct view_list *l, const char *at,
    const char *verb, const char *id, const char *word)
{
	char query[QUERY_MAX + 2];
	const struct view_hole holes[] = {
		HOLE("at", at),
		HOLE("verb", verb),
		HOLE("query", query_of(l, query)),
		HOLE("id", id),
		HOLE("word", word),
	};

	return view_fill(out, view_part_act_html, holes, nitems(holes));
}

/* --- times ----------------------------------------------------------------- */

static void
write_duration(char text[VIEW_NUMBER_TEXT], int64_t ms)
{
	if (ms < 1000)
		snprintf(text, VIEW_NUMBER_TEXT, "%d ms", ms > 0 ? (int)ms : 0);
	else if (ms < 60000)
		snprintf(text, VIEW_NUMBER_TEXT, "%d.%d s", (int)(ms / 1000),
		    (int)(ms / 100 % 10));
	else
		view_fill_elapsed(text, ms);
}

static void
write_ago(char text[WHEN_TEXT], int64_t ms)
{
	static const struct {
		int64_t		 from_ms, ms;
		const char	*name;
	} units[] = {
		{ 2 * 86400000, 86400000, "d" }, { 3600000, 3600000, "h" },
		{ 60000, 60000, "min" }, { INT64_MIN, 1000, "s" },
	};
	size_t i = 0;

	while (ms < units[i].from_ms)
		i++;
	snprintf(text, WHEN_TEXT, "%jd %s ago",
	    (intmax_t)(ms > 0 ? ms / units[i].ms : 0), units[i].name);
}

/* --- a row ----------------------------------------------------------------- */

static void
write_times(const struct view_list *l, const struct listed *t,
    char when[WHEN_TEXT], char note[WHEN_TEXT])
{
	char took[VIEW_NUMBER_TEXT];

	if (!task_finished((enum task_state)t->task->state)) {
		view_fill_elapsed(when, l->now_ms - t->task->changed_ms);
		snprintf(note, WHEN_TEXT, "%s",
		    t->task->state == TASK_RUNNING ? "running" : "waiting");
		return;
	}
	write_ago(when, l->now_ms - t->finished_ms);
	write_duration(took, t->finished_ms - t->started_ms);
	if (t->started_ms != 0)
		snprintf(note, WHEN_TEXT, "took %s", took);
	else
		snprintf(note, WHEN_TEXT, "never started");
}

/* The cancel button, or what came of it. */
static int
put_act(struct buf *out, const struct view_list *l, const struct listed *t)
{
	char id[TASK_ID_TEXT], name[TASK_ID_TEXT + 1], size[32];

	if (!task_finished((enum task_state)t->task->state)) {
		snprintf(name, sizeof(name), "c%s",
		    task_id_text(t->task->id, id));
		return put_button(out, l, t->link, "/cancel", name, "Cancel");
	}
	view_tasks_bytes(size, sizeof(size), t->size);
	return t->status != 0 ?
	    buf_printf(out, "<p class=\"result\">%d, %s</p>\n", t->status,
	    size) :
	    buf_printf(out, "<p class=\"result\">%s</p>\n",
	    task_state_names[t->task->state]);
}

static int
put_progress(struct buf *out, const struct view_progress *p)
{
	char percent[VIEW_NUMBER_TEXT];
	const struct view_hole holes[] = {
		HOLE("percent", percent),
		HOLE_LEN("message", p->message, utf8_cut(p->message,
		    strlen(p->message), TEXT_SHOWN)),
	};

	snprintf(percent, sizeof(percent), "%d", p->percent);
	return view_fill(out, view_part_progress_html, holes, nitems(holes));
}

/* Where the last lines begin. */
static const char *
last_lines(const char *log, size_t len)
{
	const char *at = log + len, *least = len > LOG_SHOWN ?
	    at - LOG_SHOWN : log;
	int lines = 0;

	while (at > least && (at[-1] != '\n' || ++lines < LOG_LINES))
		at--;
	while (at > log && at < log + len &&
	    ((unsigned char)*at & 0xc0) == 0x80)
		at++;
	return at;
}

static int
put_log(struct buf *out, const struct listed *t)
{
	const char *log = t->log, *end = log + t->log_len, *at;

	while (end > log && (end[-1] == '\n' || end[-1] == '\0'))
		end--;
	if (end == log)
		return 0;
	at = last_lines(log, (size_t)(end - log));

	const struct view_hole holes[] = {
		HOLE("caption", at > log ? "stderr, its last lines;" : "stderr;"),
		HOLE("link", t->link),
		HOLE_LEN("text", at < end ? at : "", (size_t)(end - at)),
	};

	return view_fill(out, view_part_stderr_html, holes, nitems(holes));
}

/* Below a task: how far it is, why it ended so, what it had to say. */
static int
put_more(struct buf *out, const struct listed *t)
{
	if (t->progress != NULL && put_progress(out, t->progress))
		return -1;
	if (t->reason != NULL && (buf_printf(out, "<p class=\"reason\">") ||
	    put_cut(out, t->reason, REASON_SHOWN) ||
	    buf_printf(out, "</p>\n")))
		return -1;
	return t->log != NULL ? put_log(out, t) : 0;
}

static int
put_what(struct buf *out, const struct view_list *l, const struct listed *t)
{
	const char *path = t->path != NULL ? t->path : UNREAD;
	size_t len = strlen(path), shown = utf8_cut(path, len, TEXT_SHOWN);
	char id[TASK_ID_TEXT], when[WHEN_TEXT], note[WHEN_TEXT];
	const struct view_hole holes[] = {
		HOLE("id", task_id_text(t->task->id, id)),
		HOLE("state", task_state_names[t->task->state]),
		HOLE("method", t->method != NULL ? t->method : ""),
		HOLE("link", t->link),
		HOLE_LEN("path", path, shown),
		HOLE("cut", shown < len ? ELLIPSIS : ""),
		HOLE("when", when),
		HOLE("note", note),
	};

	write_times(l, t, when, note);
	return view_fill(out, view_part_task_html, holes, nitems(holes));
}

static int
put_who(struct buf *out, const struct listed *t)
{
	const char *owner = t->owner != NULL ? t->owner : "";
	char id[TASK_ID_TEXT], attempt[VIEW_NUMBER_TEXT] = "";
	const struct view_hole holes[] = {
		HOLE("route", t->route),
		HOLE_LEN("owner", owner, utf8_cut(owner, strlen(owner),
		    TEXT_SHOWN)),
		HOLE("id", task_id_text(t->task->id, id)),
		HOLE("attempt", attempt),
		HOLE("link", t->link),
		HOLE("log", t->log_len > 0 || t->task->attempt == 0 ? "" : "log"),
	};

	if (t->task->attempt > 1)
		snprintf(attempt, sizeof(attempt), "attempt %u",
		    t->task->attempt);
	return view_fill(out, view_part_task_who_html, holes, nitems(holes));
}

static int
add_task(struct view_list *l, const struct listed *t)
{
	return put_what(&l->rows, l, t) ||
	    put_act(&l->rows, l, t) ||
	    put_who(&l->rows, t) ||
	    put_more(&l->rows, t) ||
	    buf_printf(&l->rows, "</li>\n") ? -1 : 0;
}

/* --- a list ---------------------------------------------------------------- */

static const struct list_part parts[] = {
	{ 1u << TASK_RUNNING, FILTER_LIMIT_MAX, false },
	{ 1u << TASK_QUEUED, FILTER_LIMIT_MAX, false },
	{ 1u << TASK_FAILED | 1u << TASK_TIMED_OUT, 20, true },
	{ 1u << TASK_SUCCEEDED | 1u << TASK_CANCELLED, FILTER_LIMIT_MAX, false },
};

static const struct {
	const char	*id, *name;
	const char	*none;
} lists[nitems(parts)] = {
	{ "running", "Running", "Nothing runs." },
	{ "waiting", "Waiting", "Nothing waits." },
	{ "failures", "Failures", "Nothing has failed." },
	{ "finished", "Finished", "Nothing else has ended." },
};

static bool
is_asked_for(const struct view_list *l)
{
	return l->filter->states == 0 ||
	    (l->filter->states & parts[l->part].states) != 0;
}

static int
end_list(struct view_list *l, bool more)
{
	char count[2 * VIEW_NUMBER_TEXT];
	size_t len = buf_len(&l->rows);
	const struct view_hole holes[] = {
		HOLE("id", lists[l->part].id),
		HOLE("name", lists[l->part].name),
		HOLE("count", count),
		HOLE("none", l->count == 0 ? lists[l->part].none : ""),
		{ .name = "rows", .len = len, .raw = true,
		    .value = len > 0 ? (const char *)buf_data(&l->rows) : "" },
	};
	int failed;

	if (!is_asked_for(l))
		return 0;
	snprintf(count, sizeof(count), more ? "the newest %zu" : "%zu",
	    l->count);
	failed = view_fill(&l->out, view_part_tasks_list_html, holes, nitems(holes));
	buf_clear(&l->rows);
	return failed;
}

/* --- the head -------------------------------------------------------------- */

enum piece {
	PIECE_SWITCH,
	PIECE_FIGURES,
	PIECE_CHARTS,
	PIECE_STATES,
	PIECE_ROUTES,
	PIECE_NEWER,
	PIECE_OLDER,
	PIECE_LIMITS,
	PIECE_REFRESHES,
	PIECE_N
};

/* Pause or resume; who drains has no choice any more. */
static int
put_switch(struct buf *out, const struct view_list *l)
{
	if (l->stats->draining)
		return 0;
	return put_button(out, l, "", l->stats->paused ? "resume" : "pause",
	    "switch", l->stats->paused ? "Resume" : "Pause");
}

static int
put_pieces(struct buf piece[PIECE_N], const struct view_list *l)
{
	return put_switch(&piece[PIECE_SWITCH], l) ||
	    view_tasks_figures(&piece[PIECE_FIGURES], l->stats) ||
	    view_tasks_charts(&piece[PIECE_CHARTS], l->stats) ||
	    view_tasks_states(&piece[PIECE_STATES], l->filter) ||
	    view_tasks_routes(&piece[PIECE_ROUTES], l->filter, l->stats) ||
	    view_tasks_ages(&piece[PIECE_NEWER], l->filter->newer_s) ||
	    view_tasks_ages(&piece[PIECE_OLDER], l->filter->older_s) ||
	    view_tasks_limits(&piece[PIECE_LIMITS], l->filter) ||
	    view_tasks_refreshes(&piece[PIECE_REFRESHES], l->filter) ? -1 : 0;
}

static const char *
banner_of(const struct stats_now *now)
{
	if (now->draining)
		return "Draining: what runs may finish, then deferd stops.";
	if (now->paused)
		return "Paused: tasks are accepted and kept, none is started.";
	return "";
}

static void
write_title(char title[TITLE_TEXT], const struct stats_now *now)
{
	snprintf(title, TITLE_TEXT, "%s%ju running, %ju waiting - deferd",
	    now->draining ? "Draining, " : now->paused ? "Paused, " : "",
	    (uintmax_t)now->kept[TASK_RUNNING],
	    (uintmax_t)now->kept[TASK_QUEUED]);
}

static int
fill_head(struct view_list *l, struct buf piece[PIECE_N])
{
	const struct stats_now *now = l->stats;
	const char *owner = l->filter->owner != NULL ? l->filter->owner : "";
	const char *text[PIECE_N];
	char title[TITLE_TEXT], uptime[VIEW_NUMBER_TEXT];
	char refresh[REFRESH_TEXT] = "";

	for (int i = 0; i < PIECE_N; i++) {
		if (buf_add(&piece[i], "", 1))
			return -1;
		text[i] = (const char *)buf_data(&piece[i]);
	}
	write_title(title, now);
	if (l->filter->refresh_s > 0)
		snprintf(refresh, sizeof(refresh), "<meta http-equiv=\"refresh\""
		    " content=\"%u\">", l->filter->refresh_s);
	view_fill_elapsed(uptime, now->uptime_ms);

	const struct view_hole holes[] = {
		HOLE("nonce", l->nonce),
		HOLE_RAW("css", view_part_page_css),
		HOLE_RAW("tasks_css", view_part_tasks_css),
		HOLE("title", title),
		HOLE("version", PACKAGE_VERSION),
		HOLE("uptime", uptime),
		HOLE("banner", banner_of(now)),
		HOLE("owner", owner),
		HOLE_RAW("switch", text[PIECE_SWITCH]),
		HOLE_RAW("figures", text[PIECE_FIGURES]),
		HOLE_RAW("charts", text[PIECE_CHARTS]),
		HOLE_RAW("states", text[PIECE_STATES]),
		HOLE_RAW("routes", text[PIECE_ROUTES]),
		HOLE_RAW("newer", text[PIECE_NEWER]),
		HOLE_RAW("older", text[PIECE_OLDER]),
		HOLE_RAW("limits", text[PIECE_LIMITS]),
		HOLE_RAW("refreshes", text[PIECE_REFRESHES]),
		HOLE_RAW("refresh", refresh),
	};

	return view_fill(&l->out, view_part_tasks_html, holes, nitems(holes));
}

static int
begin(struct view_list *l)
{
	struct buf piece[PIECE_N];
	int failed;

	view_nonce(l->nonce);
	for (int i = 0; i < PIECE_N; i++)
		buf_init(&piece[i], PIECE_MAX);
	failed = put_pieces(piece, l) || fill_head(l, piece);
	for (int i = 0; i < PIECE_N; i++)
		buf_fini(&piece[i]);
	return failed ? -1 : 0;
}

static int
end(struct view_list *l, struct answer *a)
{
	time_t now = (time_t)(l->now_ms / 1000);
	struct tm tm = { 0 };
	char at[VIEW_NUMBER_TEXT];
	const struct view_hole holes[] = {
		HOLE("nonce", l->nonce),
		HOLE_RAW("js", view_part_tasks_js),
		HOLE("time", at),
	};

	gmtime_r(&now, &tm);
	strftime(at, sizeof(at), "%H:%M:%S UTC", &tm);
	return view_fill(&l->out, view_part_tasks_end_html, holes, nitems(holes)) ||
	    view_html(a, l->req, l->nonce, &l->out) ? -1 : 0;
}

const struct list_writer view_tasks_page = {
	.max = PAGE_MAX,
	.parts = parts,
	.nparts = nitems(parts),
	.begin = begin,
	.task = add_task,
	.part_end = end_list,
	.end = end,
};
