/*
 * conn_operate - what the operator asks for (operate.h).
 */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/master/conn_priv.h"
#include "daemon/master/operate.h"
#include "daemon/master/view_metrics.h"
#include "daemon/master/view_operate.h"
#include "daemon/master/view_stats.h"

#define NAMES_MAX	256	/* bytes of names of settings */

/* --- looking ----------------------------------------------------------------- */

static void
show_stats(struct conn *c, int (*view)(struct answer *, const struct request *,
    const struct stats_now *))
{
	struct stats_now now;
	int made = sched_stats_now(c->env->sched, &now);

	now.connections = c->env->connections;
	if (made == 0)
		made = view(&c->answer, &c->req, &now);
	stats_now_fini(&now);
	conn_reply(c, made);
}

/* --- pausing ------------------------------------------------------------------ */

static void
pause_tasks(struct conn *c, bool paused)
{
	bool was = sched_is_paused(c->env->sched);

	sched_pause(c->env->sched, paused);
	if (!was && paused)
		log_info("paused");
	else if (was && !paused)
		log_info("resumed");
	conn_reply(c, c->answer.html ?
	    view_see(&c->answer, &c->req, "/tasks") :
	    view_no_content(&c->answer, NULL, 0));
}

/* --- what the launcher does ---------------------------------------------------- */

/* Of what differs: what a restart can change, and what the launcher holds. */
static int
say_reloaded(struct conn *c, const char *held)
{
	const struct conn_env *env = c->env;
	char ours[NAMES_MAX], names[2 * NAMES_MAX];

	conf_needs_restart(env->first_conf, env->conf, ours, sizeof(ours));
	(void)snprintf(names, sizeof(names), "%s%s%s", held,
	    *held != '\0' && *ours != '\0' ? ", " : "", ours);
	return view_reloaded(&c->answer, &c->req, env->conf->generation, names);
}

static void
on_told(struct asking *a, enum frame_told how, const char *text)
{
	struct conn *c = (struct conn *)((char *)a -
	    offsetof(struct conn, u.asking));

	if (how != TOLD_DONE)
		conn_refuse(c, how == TOLD_TOO_LATE ?
		    PROBLEM_DRAINING : PROBLEM_SETTINGS, text);
	else
		conn_reply(c, a->what == ASK_RELOAD ? say_reloaded(c, text) :
		    view_begun(&c->answer));
}

static void
ask_launcher(struct conn *c, enum frame_ask what)
{
	c->state = CONN_ASKED;
	c->u.asking = (struct asking){ .what = what, .done = on_told };
	if (sched_ask_launcher(c->env->sched, &c->u.asking) == -1)
		conn_refuse(c, PROBLEM_INTERNAL, NULL);
}

/* --- the store ------------------------------------------------------------------ */

static const enum view_sound sounds[] = {
	[CHECK_SOUND] = SOUND_YES,
	[CHECK_DAMAGED] = SOUND_NO,
	[CHECK_UNABLE] = SOUND_UNKNOWN,
};

static void
on_checked(struct store_checkup *k)
{
	struct conn *c = (struct conn *)((char *)k -
	    offsetof(struct conn, u.checkup));
	int made = view_checked(&c->answer, &c->req, sounds[k->found],
	    k->report != NULL ? k->report : "");

	store_checkup_fini(k);
	conn_reply(c, made);
}

static void
check_store(struct conn *c)
{
	c->state = CONN_ASKED;
	c->u.checkup = (struct store_checkup){ .done = on_checked };
	if (store_checkup(c->env->store, &c->u.checkup) == -1)
		conn_refuse(c, PROBLEM_INTERNAL, NULL);
}

/* --- all of it ------------------------------------------------------------------- */

bool
conn_operate(struct conn *c)
{
	unsigned int allow;

	if (operate_is_foreign(&c->req)) {
		conn_refuse(c, PROBLEM_CROSS_SITE, NULL);
		return true;
	}
	switch (operate_decide(&c->req, &allow)) {
	case OPERATE_HOME:
		conn_reply(c, view_see(&c->answer, &c->req, "/tasks"));
		break;
	case OPERATE_TASKS:
		conn_list(c);
		break;
	case OPERATE_STATS:
		show_stats(c, view_stats);
		break;
	case OPERATE_METRICS:
		show_stats(c, view_metrics);
		break;
	case OPERATE_PING:
		show_stats(c, view_ping);
		break;
	case OPERATE_PAUSE:
		pause_tasks(c, true);
		break;
	case OPERATE_RESUME:
		pause_tasks(c, false);
		break;
	case OPERATE_RELOAD:
		ask_launcher(c, ASK_RELOAD);
		break;
	case OPERATE_DRAIN:
		ask_launcher(c, ASK_DRAIN);
		break;
	case OPERATE_RESTART:
		ask_launcher(c, ASK_RESTART);
		break;
	case OPERATE_CHECK:
		check_store(c);
		break;
	case OPERATE_OPTIONS:
		conn_reply(c, view_no_content(&c->answer, NULL, allow));
		break;
	case OPERATE_NOT_ALLOWED:
		conn_refuse_method(c, NULL, allow);
		break;
	default:
		return false;
	}
	return true;
}
