/*
 * log - what a task has written to stderr; -f: and goes on to write.
 */
#include "config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/wait.h"

#define PATIENCE_S	2	/* to hear how a task ended that has ended */

/*
 * What was followed ends with the task, or with the daemon: the text itself
 * does not tell which.
 */
static int
expect_end(const struct ctl *ctl, const char *id)
{
	char state[WAIT_STATE];
	int code = wait_for_end(ctl, id, PATIENCE_S, state);

	return code == EXIT_DONE ? EXIT_DONE : EXIT_AWAY;
}

static int
ask(const struct ctl *ctl, const char *id, bool follow)
{
	char *path = ask_link(id, "/log");
	struct talk_question q = {
		.method = "GET", .path = path,
		.query = follow ? "follow=1" : NULL,
		.patience_s = follow ? 0 : ASK_PATIENCE_S,
	};
	struct talk t;
	int code = ask_open(&t, ctl, &q, id);

	if (code == EXIT_DONE)
		code = ask_copy(&t);
	if (code == EXIT_DONE && follow)
		code = expect_end(ctl, id);
	talk_close(&t);
	free(path);
	return code;
}

int
log_run(const struct ctl *ctl, int argc, char **argv)
{
	char id[ASK_ID_TEXT];
	bool follow = false;
	int c, code;

	/* options may also follow the id */
	while ((c = getopt(argc, argv, "f")) != -1) {
		if (c != 'f')
			return ctl_usage(ctl);
		follow = true;
	}
	if (optind != argc - 1)
		return ctl_usage(ctl);
	if ((code = ask_id(ctl, argv[optind], id)) != EXIT_DONE)
		return code;
	return ask(ctl, id, follow);
}
