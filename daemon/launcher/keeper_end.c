/*
 * keeper_end - who has died is reaped, with all that it started.
 */
#include "daemon/launcher/keeper_priv.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <utlist.h>

#include "daemon/log.h"

/*
 * What has kept so many masters in a row from ever being ready does not pass by
 * itself (some 7 s of backoff).  While there is a socket to connect to, doors
 * hand over and their clients wait; when it is gone they say 503.
 */
#define STILLBORN_MAX	8

void
keeper_drop_worker(struct keeper *k, struct keeper_worker **wp)
{
	struct keeper_worker *w = *wp;

	DL_DELETE(k->workers, w);
	if (w->pid)
		slate_unmap(&w->slate);
	free(w);
	*wp = NULL;
}

/* They are reaped, and what they started is killed, when SIGCHLD comes. */
static void
kill_workers(struct keeper *k)
{
	struct keeper_worker *w, *next;

	DL_FOREACH_SAFE(k->workers, w, next) {
		if (w->pid)
			kill(w->pid, SIGKILL);
		else
			keeper_drop_worker(k, &w);
	}
}

void
keeper_end(struct keeper *k, int exit_status)
{
	keeper_set_state(k, KEEPER_ENDING);
	k->exit_status = exit_status;
	if (k->master)
		kill(k->master, SIGKILL);
	link_close(&k->link);		/* it asks for nobody any more */
	kill_workers(k);
}

/* Whatever its status: a module can call exit(0) as it is loaded. */
static void
count_death(struct backoff *b, const struct keeper_worker *w)
{
	if (slate_culprit(&w->slate) != 0)
		backoff_crashed(b, w->started_ms, keeper_now_ms());
	else
		backoff_died(b, w->started_ms, keeper_now_ms());
}

static void
worker_died(struct keeper *k, struct keeper_worker *w)
{
	int status = 0;
	char text[LOG_EXIT_TEXT];

	spawn_kill_groups(&w->slate, w->pid, k->run_as);
	waitpid(w->pid, &status, 0);
	log_info("worker-died worker=%u pool=%u pid=%ld exit=%s", w->number,
	    w->pool, (long)w->pid, log_exit(status, text));
	if (!w->asked_to_die && w->generation == k->generation)
		count_death(&k->pools[w->pool], w);
	keeper_tell_died(k, w, status, 0);
	keeper_drop_worker(k, &w);
}

/* One that served, or is one of a few that could not, has a successor. */
static void
succeed_master(struct keeper *k)
{
	if (!k->master_ready)
		k->stillborn++;
	if (k->stillborn >= STILLBORN_MAX) {
		log_error("giving-up masters=%u", k->stillborn);
		keeper_end(k, 1);
		return;
	}
	backoff_died(&k->master_backoff, k->master_started_ms,
	    keeper_now_ms());
	notify(&k->notify, "STATUS=The master has died");
	kill_workers(k);
}

static void
master_died(struct keeper *k)
{
	int status = 0;
	char text[LOG_EXIT_TEXT];

	waitpid(k->master, &status, 0);
	if (k->state == KEEPER_STARTING)
		log_error("master-died pid=%ld exit=%s serving=no",
		    (long)k->master, log_exit(status, text));
	else if (k->state == KEEPER_SERVING || status != 0)
		log_error("master-died pid=%ld exit=%s", (long)k->master,
		    log_exit(status, text));
	k->master = 0;
	link_close(&k->link);
	if (k->state == KEEPER_STARTING) {
		keeper_end(k, 1);
	} else if (k->state == KEEPER_DRAINING) {
		/* It may have ended before it heard that it is the last one. */
		if (k->left_backlog && !places_outlive(&k->places))
			kill_workers(k);
		else
			keeper_end(k, status != 0);
	} else if (k->state == KEEPER_RESTARTING) {
		keeper_set_state(k, KEEPER_SERVING);
		kill_workers(k);
	} else {
		succeed_master(k);
	}
}

/* -- reaping ----------------------------------------------------------------- */

static bool
is_dead(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid == pid;
}

/* All roles that are dead now: true if there was one. */
static bool
reap_roles(struct keeper *k)
{
	struct keeper_worker *w, *next;
	bool any = false;

	DL_FOREACH_SAFE(k->workers, w, next)
		if (w->pid && is_dead(w->pid)) {
			worker_died(k, w);
			any = true;
		}
	if (k->master && is_dead(k->master)) {
		master_died(k);
		any = true;
	}
	return any;
}

static bool
on_a_slate(const struct keeper *k, pid_t pid)
{
	const struct keeper_worker *w;
	unsigned int i;

	DL_FOREACH(k->workers, w)
		for (i = 0; w->pid && i < w->slate.nslots; i++)
			if (atomic_load(&w->slate.slot[i].pgid) == pid)
				return true;
	return false;
}

/*
 * The launcher is a subreaper: what a dead worker leaves becomes its child.
 * No orphan is reaped while a worker may be dead whose slate names it, or
 * the number of that group could be somebody else's by the time it is
 * killed.  A leader on the slate of a living worker means that the worker is
 * dying, and not all of its threads are gone: its own SIGCHLD is to come.
 */
void
keeper_reap(struct keeper *k)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid == 0)
			return;
		if (reap_roles(k))
			continue;
		if (on_a_slate(k, info.si_pid))
			return;
		waitpid(info.si_pid, NULL, 0);
	}
}
