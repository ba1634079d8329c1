/*
 * wait - until a task has ended, however often the daemon is restarted.
 *
 * HEAD of the link says the state without the response, which may be large.
 * Each question is held by the daemon for as long as it is willing to; then
 * it is asked anew.  While the daemon is away, connecting is tried again: its
 * socket may be gone for as long as its restart takes.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/clock.h"
#include "ctl/units.h"
#include "ctl/wait.h"

#define HOLD_S		30	/* for so long at once is asked */
#define AWAY_S		120	/* so long may the daemon be away */
#define NAP_MS		250	/* between two tries to connect */
#define HELD_MS		900	/* what took so long, was held */
#define ENDLESS		INT64_MAX

struct waiting {
	const struct ctl *ctl;
	const char	*id;
	char		*path;
	int64_t		 until_ms;	/* monotonic */
	int64_t		 away_ms;	/* since then nobody answers; 0: he does */
	bool		 met;		/* there was an answer */
};

/* Not beyond the end of patience. */
static void
nap(const struct waiting *w, int64_t ms)
{
	int64_t left = w->until_ms - clock_ms();

	if (ms > left)
		ms = left > 0 ? left : 0;
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static enum talk_end
ask_state(const struct waiting *w, struct talk *t, int64_t hold_s)
{
	char prefer[32];
	struct talk_var var = { "HTTP_PREFER", prefer };
	struct talk_question q = {
		.method = "HEAD", .path = w->path, .vars = &var, .nvars = 1,
		.patience_s = (int)hold_s + ASK_PATIENCE_S,
	};

	snprintf(prefer, sizeof(prefer), "wait=%" PRId64, hold_s);
	return talk_open(t, w->ctl->socket, &q);
}

/* Nobody answers.  EXIT_DONE: it is worth another try. */
static int
take_absence(struct waiting *w, const struct talk *t)
{
	int64_t now = clock_ms();

	if (w->away_ms == 0) {
		w->away_ms = now;
		if (w->met)
			ctl_say("the daemon is away; waiting for it");
	}
	if (!w->met || now - w->away_ms > AWAY_S * 1000 ||
	    now >= w->until_ms) {
		ctl_say("%s", t->why);
		return EXIT_AWAY;
	}
	nap(w, NAP_MS);
	return EXIT_DONE;
}

/*
 * It is not over.  One that does not hold questions now (too many wait, it
 * is about to end) says when the next look is worth it.
 */
static int
take_unfinished(const struct waiting *w, const struct talk *t,
    const char *state, bool held)
{
	char text[UNITS_TEXT];
	int64_t seconds;

	if (clock_ms() >= w->until_ms) {
		ctl_say("%s: still %s", w->id, state);
		return EXIT_NO;
	}
	talk_header(t, "Retry-After", text, sizeof(text));
	if (!held && units_parse_number(text, 0, HOLD_S, &seconds) == 0)
		nap(w, seconds * 1000);
	return EXIT_DONE;
}

/* There is no such task.  HEAD has no body that says so. */
static int
say_problem(const struct waiting *w)
{
	struct talk_question q = {
		.method = "GET", .path = w->path, .patience_s = ASK_PATIENCE_S,
	};
	int code = ask_done(w->ctl, &q, w->id);

	return code == EXIT_DONE ? EXIT_AWAY : code;
}

/*
 * One question.  EXIT_DONE with an empty state: ask again.  The first one is
 * not held: only who has been answered once waits for a daemon that is away.
 */
static int
ask_once(struct waiting *w, char state[WAIT_STATE])
{
	int64_t asked = clock_ms(), left = w->until_ms - asked;
	int64_t hold_s = !w->met || left <= 0 ? 0 : left / 1000 < HOLD_S ?
	    left / 1000 + 1 : HOLD_S;
	struct talk t;
	enum talk_end end = ask_state(w, &t, hold_s);
	int code;

	state[0] = '\0';
	if (end == TALK_ANSWERED) {
		w->met = true;
		w->away_ms = 0;
		talk_header(&t, "Deferd-State", state, WAIT_STATE);
	}
	if (end == TALK_AWAY) {
		code = take_absence(w, &t);
	} else if (end != TALK_ANSWERED) {
		ctl_say("%s", t.why);
		code = EXIT_AWAY;
	} else if (state[0] == '\0') {
		code = say_problem(w);
	} else if (strcmp(state, "queued") == 0 ||
	    strcmp(state, "running") == 0) {
		code = take_unfinished(w, &t, state,
		    hold_s == 0 || clock_ms() - asked >= HELD_MS);
		state[0] = '\0';
	} else {
		code = EXIT_DONE;
	}
	talk_close(&t);
	return code;
}

int
wait_for_end(const struct ctl *ctl, const char *id, int64_t timeout_s,
    char state[WAIT_STATE])
{
	struct waiting w = {
		.ctl = ctl, .id = id, .path = ask_link(id, ""),
		.until_ms = timeout_s < 0 ? ENDLESS :
		    clock_ms() + timeout_s * 1000,
	};
	int code;

	do {
		code = ask_once(&w, state);
	} while (code == EXIT_DONE && state[0] == '\0');
	free(w.path);
	return code;
}

int
wait_code(const char *state)
{
	return strcmp(state, "succeeded") == 0 ? EXIT_DONE : EXIT_NO;
}

int
wait_run(const struct ctl *ctl, int argc, char **argv)
{
	char id[ASK_ID_TEXT], state[WAIT_STATE];
	int64_t timeout_s = -1;
	int c, code;

	while ((c = getopt(argc, argv, "t:")) != -1)
		if (c != 't' || units_parse_age(optarg, &timeout_s) == -1)
			return ctl_usage(ctl);
	if (optind != argc - 1)
		return ctl_usage(ctl);
	if ((code = ask_id(ctl, argv[optind], id)) != EXIT_DONE)
		return code;
	code = wait_for_end(ctl, id, timeout_s, state);
	if (code != EXIT_DONE)
		return code;
	puts(state);
	return wait_code(state);
}
