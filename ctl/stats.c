/*
 * stats - what the daemon does, and has done since its start.
 */
#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/options.h"
#include "ctl/report.h"
#include "ctl/screen.h"

static void
show(const json_t *stats)
{
	size_t width = screen_width();

	report_state(stdout, stats);
	report_load(stdout, stats);
	report_rates(stdout, stats, NULL);
	report_totals(stdout, stats);
	putchar('\n');
	report_routes(stdout, stats, width);
	putchar('\n');
	report_pools(stdout, stats, width);
}

static int
ask(const struct ctl *ctl, bool as_json)
{
	struct talk_question q = {
		.method = "GET", .path = "/stats",
		.patience_s = ASK_PATIENCE_S,
		.status = 200, .member = "totals",
	};
	json_t *stats;
	int code;

	if (as_json)
		return ask_print(ctl, &q, NULL);
	if ((code = ask_json(ctl, &q, NULL, &stats)) == EXIT_DONE)
		show(stats);
	json_decref(stats);
	return code;
}

int
stats_run(const struct ctl *ctl, int argc, char **argv)
{
	bool as_json;

	if (options_json(argc, argv, &as_json) == -1)
		return ctl_usage(ctl);
	if (optind != argc) {
		ctl_say("%s: no argument is expected", argv[optind]);
		return ctl_usage(ctl);
	}
	return ask(ctl, as_json);
}
