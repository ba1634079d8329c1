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

/* All are tried; the worst code counts.  An id of "" was nobody's. */
static int
cancel_all(const struct ctl *ctl, char (*id)[ASK_ID_TEXT], int n, int code)
{
	for (int i = 0; i < n && code != EXIT_AWAY; i++) {
		int one = *id[i] != '\0' ? cancel(ctl, id[i]) : EXIT_NO;

		if (one > code)
			code = one;
	}
	return code;
}

/* Whose they are is known before the first is cancelled. */
int
cancel_run(const struct ctl *ctl, int argc, char **argv)
{
	char (*id)[ASK_ID_TEXT];
	int n, code = EXIT_DONE;

	if (getopt(argc, argv, "") != -1 || optind == argc)
		return ctl_usage(ctl);
	n = argc - optind;
	if ((id = calloc((size_t)n, sizeof(*id))) == NULL)
		ctl_no_memory();
	for (int i = 0; i < n && code <= EXIT_NO; i++)
		code = ask_id(ctl, argv[optind + i], id[i]);
	if (code <= EXIT_NO)
		code = cancel_all(ctl, id, n, EXIT_DONE);
	free(id);
	return code;
}
