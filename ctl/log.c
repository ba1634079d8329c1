/*
 * log - what a task has written to stderr; -f: and goes on to write.
 */
#include "config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ask.h"

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
	talk_close(&t);
	free(path);
	return code;
}

int
log_run(const struct ctl *ctl, int argc, char **argv)
{
	char id[ASK_ID_TEXT];
	bool follow = false;
	int c;

	/* options may also follow the id */
	while ((c = getopt(argc, argv, "f")) != -1) {
		if (c != 'f')
			return ctl_usage(ctl);
		follow = true;
	}
	if (optind != argc - 1)
		return ctl_usage(ctl);
	if (ask_id(argv[optind], id) != EXIT_DONE)
		return EXIT_USAGE;
	return ask(ctl, id, follow);
}
