/*
 * cancel - tasks that shall not run, or not go on.  What has ended stays.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ask.h"

static int
cancel(const struct ctl *ctl, const char *id)
{
	char *path = ask_link(id, "/cancel"), state[32];
	struct talk_question q = {
		.method = "POST", .path = path, .patience_s = ASK_PATIENCE_S,
	};
	struct talk t;
	int code = ask_open(&t, ctl, &q, id);

	if (code == EXIT_DONE) {
		talk_header(&t, "Deferd-State", state, sizeof(state));
		if (strcmp(state, "cancelled") != 0) {
			ctl_say("%s: has ended before: %s", id, state);
			code = EXIT_NO;
		}
	}
	talk_close(&t);
	free(path);
	return code;
}

/* All are tried; the exit code is that of the worst. */
int
cancel_run(const struct ctl *ctl, int argc, char **argv)
{
	char id[ASK_ID_TEXT];
	int code = EXIT_DONE;

	if (getopt(argc, argv, "") != -1 || optind == argc)
		return ctl_usage(ctl);
	for (int i = optind; i < argc; i++)
		if (ask_id(argv[i], id) != EXIT_DONE)
			return EXIT_USAGE;
	for (int i = optind; i < argc && code != EXIT_AWAY; i++) {
		int one = ask_id(argv[i], id) == EXIT_DONE ?
		    cancel(ctl, id) : EXIT_USAGE;

		if (one > code)
			code = one;
	}
	return code;
}
