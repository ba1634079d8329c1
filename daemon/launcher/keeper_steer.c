/*
 * keeper_steer - what an operator wants: new settings, a new master, the end.
 * He says it by a signal, or through the master (FRAME_ASK).
 */
#include "daemon/launcher/keeper_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/launcher/privilege.h"
#include "daemon/launcher/trim.h"
#include "daemon/log.h"

#define DRAIN_MARGIN_MS	10000	/* for the master, above the drain setting */
#define NAMES_MAX	256	/* bytes of names of settings */

/* -- new settings ------------------------------------------------------------ */

/* The newest that were good. */
static const struct settings *
newest(const struct keeper *k)
{
	return k->heir.conf ? &k->heir : &k->settings;
}

/* Takes `fresh`.  -1 with errno. */
static int
adopt(struct keeper *k, const struct settings *fresh)
{
	struct backoff *pools = calloc(fresh->conf->npools, sizeof(*pools));

	if (!pools)
		return -1;
	if (k->settings.conf == k->first)
		k->settings.conf = NULL;
	settings_fini(&k->settings);
	free(k->pools);
	k->settings = *fresh;
	k->pools = pools;
	return 0;
}

static void
say_reloading(const struct keeper *k, uint32_t generation,
    const struct conf *from, const struct conf *to)
{
	char restart[NAMES_MAX], start[NAMES_MAX];

	log_info("reloading generation=%u needs-restart=%s needs-start=%s",
	    generation,
	    conf_needs_restart(from, to, restart, sizeof(restart)),
	    conf_needs_start(k->first, to, start, sizeof(start)));
}

/*
 * A master that ends keeps those it has: new workers would come too late for
 * it, and go at once.
 */
static void
put_by(struct keeper *k, const struct settings *fresh)
{
	say_reloading(k, 0, fresh->conf, fresh->conf);
	settings_fini(&k->heir);
	k->heir = *fresh;
}

/* Without memory the master that comes has the old ones; the next, these. */
void
keeper_take_heir(struct keeper *k)
{
	if (!k->heir.conf)
		return;
	if (adopt(k, &k->heir) < 0)
		log_error("reload-failed error=%m");
	else
		k->heir = (struct settings){ .fd = -1 };
}

/* Takes `fresh` if it can.  -1 with a message. */
static int
put_in_force(struct keeper *k, const struct settings *fresh,
    char error[CONF_ERROR_MAX])
{
	struct frame f = { .kind = FRAME_RELOAD };
	int fd = settings_open(fresh);

	if (fd < 0) {
		snprintf(error, CONF_ERROR_MAX, "%s", strerror(errno));
		return -1;
	}
	say_reloading(k, k->generation + 1, k->settings.conf, fresh->conf);
	if (adopt(k, fresh) < 0) {
		snprintf(error, CONF_ERROR_MAX, "%s", strerror(errno));
		close(fd);
		return -1;
	}
	settings_fini(&k->heir);
	f.u.reload.generation = ++k->generation;
	keeper_tell(k, &f, &fd, 1);
	return 0;
}

/*
 * Sockets, users and the PID file stay the launcher's when master and workers
 * are replaced: no restart may look as if it had changed them.
 */
static bool
can_restart(const struct keeper *k, const struct conf *fresh,
    char error[CONF_ERROR_MAX])
{
	char names[NAMES_MAX];

	if (*conf_needs_start(k->first, fresh, names, sizeof(names)) == '\0')
		return true;
	snprintf(error, CONF_ERROR_MAX,
	    "%s: only a new start of deferd can change this", names);
	return false;
}

/* Reads the file again.  *changed, and 0; or -1 with a message. */
static int
read_again(struct keeper *k, bool restart, bool *changed,
    char error[CONF_ERROR_MAX])
{
	struct settings fresh;
	int status;

	*changed = false;
	privilege_raise();
	status = settings_read(&fresh, k->path, k->socket, error);
	privilege_lower();
	if (status < 0)
		return -1;
	if (restart && !can_restart(k, fresh.conf, error)) {
		settings_fini(&fresh);
		return -1;
	}
	if (settings_equal(&fresh, newest(k))) {
		log_info("settings-unchanged");
		settings_fini(&fresh);
		return 0;
	}
	settings_warn_walls(fresh.conf);
	if (k->state == KEEPER_RESTARTING || k->state == KEEPER_DRAINING)
		put_by(k, &fresh);
	else
		status = put_in_force(k, &fresh, error);
	if (status < 0)
		settings_fini(&fresh);
	*changed = status == 0;
	trim();
	return status;
}

/* systemd hears that it is done from the master (READY), if he has to do it. */
int
keeper_reload(struct keeper *k, char error[CONF_ERROR_MAX])
{
	bool changed, tells = k->state == KEEPER_SERVING;
	int status;

	if (tells)
		notify_reloading(&k->notify);
	status = read_again(k, false, &changed, error);
	if (status < 0)
		log_error("reload-failed error=%s", error);
	if (tells && (!changed || !k->master))
		keeper_tell_serving(k);
	return status;
}

/* -- the end, and a new beginning -------------------------------------------- */

void
keeper_send_drain(struct keeper *k)
{
	struct frame f = { .kind = FRAME_DRAIN };

	f.u.drain.heir = k->state == KEEPER_RESTARTING ||
	    places_outlive(&k->places);
	if (k->state == KEEPER_RESTARTING)
		k->left_backlog = true;
	k->deadline_ms = keeper_now_ms() + DRAIN_MARGIN_MS +
	    k->settings.conf->drain_s * 1000;
	keeper_tell(k, &f, NULL, 0);
}

/*
 * Between two masters there may be requests in our own backlog: then one
 * more master comes, for them only.  (One that crash-loops would not help.)
 */
static void
drain_without_master(struct keeper *k)
{
	if (places_outlive(&k->places) ||
	    keeper_now_ms() < k->master_backoff.start_ms)
		keeper_end(k, 0);
	else
		keeper_send_drain(k);	/* nobody hears; sets the deadline */
}

static void
begin_drain(struct keeper *k)
{
	if (k->state >= KEEPER_DRAINING)
		return;
	log_info("stopping");
	notify(&k->notify, "STOPPING=1\nSTATUS=Draining");
	keeper_set_state(k, KEEPER_DRAINING);
	if (k->master)
		keeper_send_drain(k);
	else
		drain_without_master(k);
}

/*
 * The second signal is in a hurry.  After an operator's drain the first one
 * is not: it may be systemd's, that stops what is stopping already.
 */
void
keeper_drain(struct keeper *k)
{
	if (k->state == KEEPER_DRAINING && k->signalled)
		k->deadline_ms = keeper_now_ms();
	k->signalled = true;
	begin_drain(k);
}

/*
 * By the settings as they are now in the file; when they are not sound, all
 * stays as it is.
 */
static enum frame_told
prepare_restart(struct keeper *k, char error[CONF_ERROR_MAX])
{
	enum frame_told how = TOLD_BAD_SETTINGS;
	bool changed;

	if (k->state != KEEPER_SERVING && k->state != KEEPER_RESTARTING) {
		snprintf(error, CONF_ERROR_MAX, "it starts or ends just now");
		how = TOLD_TOO_LATE;
	} else if (read_again(k, true, &changed, error) == 0) {
		return TOLD_DONE;
	}
	log_error("restart-failed error=%s", error);
	return how;
}

static void
begin_restart(struct keeper *k)
{
	if (k->state == KEEPER_RESTARTING)
		return;
	log_info("restarting");
	k->master_backoff = (struct backoff){ 0 };
	if (!k->master)
		return;
	notify(&k->notify, "STATUS=Restarting");
	keeper_set_state(k, KEEPER_RESTARTING);
	keeper_send_drain(k);
}

void
keeper_restart(struct keeper *k)
{
	char error[CONF_ERROR_MAX];

	if (prepare_restart(k, error) == TOLD_DONE)
		begin_restart(k);
}

static enum frame_told
answer_reload(struct keeper *k, char text[CONF_ERROR_MAX])
{
	if (keeper_reload(k, text) < 0)
		return TOLD_BAD_SETTINGS;
	conf_needs_start(k->first, newest(k)->conf, text, CONF_ERROR_MAX);
	return TOLD_DONE;
}

/* Whatever comes of it he hears, once; and before he hears that he must end. */
void
keeper_answer(struct keeper *k, uint32_t what)
{
	struct frame told = { .kind = FRAME_TOLD, .u.told.what = what };
	char text[CONF_ERROR_MAX] = "";
	enum frame_told how = TOLD_DONE;

	if (what == ASK_RELOAD)
		how = answer_reload(k, text);
	else if (what == ASK_RESTART)
		how = prepare_restart(k, text);
	told.u.told.how = how;
	told.u.told.text = (struct frame_bytes){ text, strlen(text) };
	keeper_tell(k, &told, NULL, 0);
	if (what == ASK_RESTART && how == TOLD_DONE)
		begin_restart(k);
	else if (what == ASK_DRAIN)
		begin_drain(k);
}
