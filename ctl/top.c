/*
 * top - what the daemon does, live.
 *
 * A look is two questions: the statistics, and what runs.  While one is under
 * way, keys and signals are still heard: then it is given up, and asked anew.
 * A daemon that is away is waited for, on the screen.  Where there is no
 * terminal there is one report.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/clock.h"
#include "ctl/report.h"
#include "ctl/screen.h"
#include "ctl/units.h"

#define PERIOD_S	2
#define PERIOD_MAX_S	3600
#define PATIENCE_S	10
#define TASKS_MAX	"1000"		/* a page: there are fewer slots */
#define HEAD_LINES	12		/* above the tasks */

struct top {
	const struct ctl *ctl;
	json_t		*stats, *before; /* this look, and the one before */
	json_t		*tasks;
	char		 why[TALK_WHY_MAX]; /* it failed; "": it did not */
};

static int
ask(struct top *top, const char *path, const char *query, json_t **doc)
{
	struct talk_question q = {
		.method = "GET", .path = path, .query = query,
		.patience_s = PATIENCE_S, .wake_fd = screen_events(),
		.status = 200, .member = "tasks",
	};

	return ask_quietly(top->ctl, &q, NULL, doc, top->why);
}

/* What was seen before stays when this look fails.  As ask_quietly(). */
static int
look(struct top *top)
{
	json_t *stats, *tasks = NULL;
	int code = ask(top, "/stats", NULL, &stats);

	if (code == EXIT_DONE)
		code = ask(top, "/tasks", "state=running&limit=" TASKS_MAX,
		    &tasks);
	if (code != EXIT_DONE) {
		json_decref(stats);
		json_decref(tasks);
		return code;
	}
	json_decref(top->before);
	json_decref(top->tasks);
	top->before = top->stats;
	top->stats = stats;
	top->tasks = tasks;
	return EXIT_DONE;
}

static void
report(FILE *out, const struct top *top, size_t rows, size_t width)
{
	report_state(out, top->stats);
	report_rates(out, top->stats, top->before);
	report_load(out, top->stats);
	report_totals(out, top->stats);
	putc('\n', out);
	report_running(out, top->tasks, rows, width);
}

/* --- live ---------------------------------------------------------------- */

/* A failure stands in the first line: what is below is from before. */
static void
draw(const struct top *top)
{
	size_t rows = screen_height(), len;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		ctl_no_memory();
	if (top->why[0] != '\0')
		fprintf(out, "%s\n", top->why);
	report(out, top, rows > HEAD_LINES ? rows - HEAD_LINES : 0,
	    screen_width());
	if (fclose(out) == EOF)
		ctl_no_memory();
	screen_draw(text);
	free(text);
}

/* Until the next look is due.  False: enough. */
static bool
rest(const struct top *top, int64_t until)
{
	enum screen_event event;
	int64_t left;

	do {
		left = until - clock_ms();
		event = screen_wait(left > 0 ? (int)left : 0);
		if (event == SCREEN_DRAW)
			draw(top);
	} while (event != SCREEN_QUIT && left > 0);
	return event != SCREEN_QUIT;
}

static void
live(struct top *top, int64_t period_ms)
{
	int64_t due = clock_ms();
	int code;

	draw(top);
	for (;;) {
		due += period_ms;
		if (due < clock_ms())
			due = clock_ms();		/* it was stopped, or away */
		if (!rest(top, due))
			break;
		while ((code = look(top)) == ASK_WOKEN)
			if (!rest(top, clock_ms()))
				return;
		if (code == EXIT_DONE)
			top->why[0] = '\0';
		draw(top);
	}
}

int
top_run(const struct ctl *ctl, int argc, char **argv)
{
	struct top top = { .ctl = ctl };
	int64_t period_s = PERIOD_S;
	int c, code;

	while ((c = getopt(argc, argv, "d:")) != -1)
		if (c != 'd' || units_parse_number(optarg, 1, PERIOD_MAX_S,
		    &period_s) == -1) {
			if (c == 'd')
				ctl_say("-d %s: expected seconds, 1 to %d",
				    optarg, PERIOD_MAX_S);
			return ctl_usage(ctl);
		}
	if (optind != argc)
		return ctl_usage(ctl);
	if ((code = look(&top)) != EXIT_DONE) {
		ctl_say("%s", top.why);
	} else if (screen_enter()) {
		live(&top, period_s * 1000);
		screen_leave();
	} else {
		report(stdout, &top, SIZE_MAX, 0);
	}
	json_decref(top.stats);
	json_decref(top.before);
	json_decref(top.tasks);
	return code;
}
