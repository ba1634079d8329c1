/*
 * check - looks over the store of the daemon that runs.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/doc.h"
#include "ctl/options.h"
#include "ctl/text.h"

/* A report has lines. */
static void
show(const char *report)
{
	struct text_stream out;

	text_stream_init(&out, stdout, true);
	text_stream_add(&out, report, strlen(report));
	text_stream_end(&out);
	if (*report != '\0' && report[strlen(report) - 1] != '\n')
		putchar('\n');
}

/* A large store takes its time.  Neither sound nor not: it cannot be read. */
static int
ask(const struct ctl *ctl, bool as_json)
{
	struct talk_question q = { .method = "POST", .path = "/check",
		.status = 200 };
	const json_t *sound;
	const char *report;
	json_t *doc;
	int code = ask_json(ctl, &q, NULL, &doc);

	sound = doc_at(doc, "sound");
	report = doc_text(doc, "report");
	if (code == EXIT_DONE && (report == NULL ||
	    (!json_is_boolean(sound) && !json_is_null(sound)))) {
		ctl_say("the daemon's answer makes no sense");
		code = EXIT_AWAY;
	} else if (code == EXIT_DONE) {
		if (as_json) {
			doc_print(doc);
			putchar('\n');
		} else {
			show(report);
		}
		code = json_is_true(sound) ? EXIT_DONE : EXIT_NO;
	}
	json_decref(doc);
	return code;
}

int
check_run(const struct ctl *ctl, int argc, char **argv)
{
	bool as_json;

	if (options_json(argc, argv, &as_json) == -1 || optind != argc)
		return ctl_usage(ctl);
	return ask(ctl, as_json);
}
