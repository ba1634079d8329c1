/*
 * keeper - keeps one master and its workers alive.
 *
 * The launcher's loop: signals on one side, frames of the master on the
 * other, and a clock for whoever has to wait.
 *
 *	STARTING --READY--> SERVING --SIGTERM--> DRAINING --master gone--> ENDING
 *	   |                 |   ^                                          ^
 *	   |          SIGUSR2|   |master gone                               |
 *	   |                 v   |                                          |
 *	   |               RESTARTING                                       |
 *	   \______________master died before READY__________________________/
 *
 * While SERVING, a dead worker is reported and the master asks for the next
 * one; when the master itself dies, its workers are killed with all that
 * they started, and a new one is exec'ed.  Each pool, and the master, is
 * started again at once the first time and later with a growing delay.
 *
 * The sockets are held all the time.  What comes in while there is no master
 * waits in their backlog for the next one.
 */
#ifndef DAEMON_LAUNCHER_KEEPER_H
#define DAEMON_LAUNCHER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/launcher/backoff.h"
#include "daemon/launcher/daemonize.h"
#include "daemon/launcher/link.h"
#include "daemon/launcher/notify.h"
#include "daemon/launcher/places.h"
#include "daemon/launcher/settings.h"
#include "daemon/launcher/spawn.h"

struct keeper_worker;

enum keeper_state {
	KEEPER_STARTING,	/* the first master has not said READY */
	KEEPER_SERVING,
	KEEPER_RESTARTING,	/* DRAIN is sent; then comes a new master */
	KEEPER_DRAINING,	/* DRAIN is sent, or will be to the last master */
	KEEPER_ENDING,		/* everybody is killed, not all are reaped */
	KEEPER_STATE_N
};

struct keeper {
	/* set by main */
	const char	*path;		/* the file; NULL: built in */
	const char	*socket;	/* -s, or NULL */
	bool		 foreground;
	bool		 debug;
	const struct spawn_user *user;	/* of the master; NULL: the launcher's */
	const struct spawn_user *run_as; /* of the workers; likewise */
	struct settings	 settings;	/* in force; owned */
	struct daemonize daemonize;
	struct places	 places;
	struct notify	 notify;

	/* the keeper's own */
	const struct conf *first;	/* that the launcher goes by; owned, and
					 * may be settings.conf */
	struct settings	 heir;		/* for the next master, if there is a
					 * conf; owned */
	enum keeper_state state;
	int		 exit_status;
	int		 signal_fd;
	bool		 signalled;	/* SIGTERM or SIGINT has come */
	int64_t		 deadline_ms;	/* RESTARTING, DRAINING: then by force */
	uint32_t	 generation;	/* of the settings, as this master counts */
	pid_t		 master;	/* 0: none */
	bool		 master_ready;	/* it has said so */
	bool		 left_backlog;	/* it was told that another one comes */
	unsigned int	 stillborn;	/* in a row: died and had never been ready */
	int64_t		 master_started_ms;
	struct link	 link;
	struct backoff master_backoff;
	struct backoff *pools;	/* one for each of conf.pools; owned */
	struct keeper_worker *workers;	/* held back and living; utlist; owned */
};

/* Runs until the end; the launcher's exit status. */
int	keeper_run(struct keeper *);

#endif
