/*
 * keeper_steer - what an operator wants: new settings, a new master, the end.
 */
#include "daemon/launcher/keeper_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/launcher/trim.h"
#include "daemon/log.h"

#define DRAIN_MARGIN_MS	10000	/* for the master, above the drain setting */

void
keeper_reload(struct keeper *k)
{
	struct frame f = { .kind = FRAME_RELOAD };
	struct settings fresh;
	struct backoff *pools;
	char error[CONF_ERROR_MAX], names[256];
	int fd;

	if (settings_read(&fresh, k->path, k->socket, error) < 0) {
		log_error("reload-failed error=%s", error);
		return;
	}
	if (settings_equal(&fresh, &k->settings)) {
		log_info("settings-unchanged");
		settings_fini(&fresh);
		return;
	}
	pools = calloc(fresh.conf->npools, sizeof(*pools));
	fd = settings_open(&fresh);
	if (!pools || fd < 0) {
		log_error("reload-failed error=%m");
		free(pools);
		settings_fini(&fresh);
		return;
	}
	conf_needs_restart(k->settings.conf, fresh.conf, names, sizeof(names));
	log_info("reloading generation=%u needs-restart=%s",
	    k->generation + 1, names);
	settings_fini(&k->settings);
	free(k->pools);
	k->settings = fresh;
	k->pools = pools;
	f.u.reload.generation = ++k->generation;
	keeper_tell(k, &f, &fd, 1);
	trim();
}

/* SIGTERM: once politely, the second time at once. */
void
keeper_drain(struct keeper *k)
{
	struct frame f = { .kind = FRAME_DRAIN };

	if (k->state == KEEPER_ENDING)
		return;
	if (k->state == KEEPER_DRAINING) {
		k->deadline_ms = keeper_now_ms();
	} else if (!k->master) {
		keeper_end(k, 0);
	} else {
		log_info("stopping");
		k->state = KEEPER_DRAINING;
		k->deadline_ms = keeper_now_ms() + DRAIN_MARGIN_MS +
		    k->settings.conf->drain_s * 1000;
		keeper_tell(k, &f, NULL, 0);
	}
}
