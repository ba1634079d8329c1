#include "config.h"

#include <stdint.h>
#include <unistd.h>

#include "daemon/master/view_json.h"
#include "daemon/master/view_operate.h"
#include "daemon/master/view_stats.h"

/* Takes the document, NULL too. */
static int
answer(struct answer *a, const struct request *req, json_t *doc)
{
	struct buf text;
	int failed;

	buf_init(&text, SIZE_MAX);
	failed = view_json_write(&text, doc) || buf_add(&text, "\n", 1) ||
	    view_text(a, req, "application/json", &text);
	buf_fini(&text);
	json_decref(doc);
	return failed ? -1 : 0;
}

int
view_ping(struct answer *a, const struct request *req,
    const struct stats_now *now)
{
	json_t *doc = json_object();

	view_json_set(&doc, "version", json_string(PACKAGE_VERSION));
	view_json_set(&doc, "pid", json_integer(getpid()));
	view_json_set(&doc, "uptime", json_real((double)now->uptime_ms / 1e3));
	view_json_set(&doc, "state", json_string(view_stats_state(now)));
	return answer(a, req, doc);
}

int
view_reloaded(struct answer *a, const struct request *req,
    unsigned int generation, const char *needs_restart)
{
	json_t *doc = json_object();

	view_json_set(&doc, "generation", json_integer(generation));
	view_json_set(&doc, "needs_restart", json_string(needs_restart));
	return answer(a, req, doc);
}

int
view_checked(struct answer *a, const struct request *req,
    enum view_sound sound, const char *report)
{
	json_t *doc = json_object();

	view_json_set(&doc, "sound", sound == SOUND_UNKNOWN ? json_null() :
	    json_boolean(sound == SOUND_YES));
	view_json_set_text(&doc, "report", report);
	return answer(a, req, doc);
}
