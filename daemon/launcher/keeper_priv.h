/*
 * keeper_priv - what the files of keeper share, and nobody else sees.
 *
 *	keeper		the loop; what master and signals say
 *	keeper_start	master and workers are exec'ed
 *	keeper_end	who has died is reaped, with all that it started
 *	keeper_steer	new settings, a new master, the end
 */
#ifndef DAEMON_LAUNCHER_KEEPER_PRIV_H
#define DAEMON_LAUNCHER_KEEPER_PRIV_H

#include "daemon/launcher/keeper.h"

struct keeper_worker {
	struct keeper_worker *prev, *next;
	uint32_t	 number;	/* the master's */
	uint32_t	 pool;
	uint32_t	 generation;	/* of the settings it was asked under */
	pid_t		 pid;		/* 0: held back */
	int64_t		 started_ms;
	bool		 asked_to_die;	/* then its death is no crash */
	struct slate	 slate;		/* mapped while it lives */
};

/* --- keeper.c ------------------------------------------------------------ */

int64_t	keeper_now_ms(void);	/* monotonic */

/* Forward only, but from RESTARTING back to SERVING. */
void	keeper_set_state(struct keeper *, enum keeper_state);

/* A master that missed a frame knows too little to go on: it is restarted. */
void	keeper_tell(struct keeper *, const struct frame *, const int *fds,
	    int nfds);
void	keeper_tell_died(struct keeper *, const struct keeper_worker *,
	    int status, int error);

/* Tells systemd. */
void	keeper_tell_serving(struct keeper *);

/* --- keeper_start.c ------------------------------------------------------ */

/* Starts who has waited long enough; gives the time of the next one. */
int64_t	keeper_start_due(struct keeper *, int64_t now_ms);

/* --- keeper_end.c -------------------------------------------------------- */

/* Forgets a worker that was reaped, or never lived; nulls the pointer. */
void	keeper_drop_worker(struct keeper *, struct keeper_worker **);

/* Kills all; the loop ends when all are reaped. */
void	keeper_end(struct keeper *, int exit_status);

/* SIGCHLD came. */
void	keeper_reap(struct keeper *);

/* --- keeper_steer.c ------------------------------------------------------ */

/* SIGHUP: the new settings, if they are good.  -1 with a message, and logged. */
int	keeper_reload(struct keeper *, char error[CONF_ERROR_MAX]);

/* Before a master is started: what was read while the last one ended. */
void	keeper_take_heir(struct keeper *);

/* SIGUSR2: a new master and new workers; the sockets stay. */
void	keeper_restart(struct keeper *);

/* SIGTERM: once politely, the second one at once; an operator's does not count. */
void	keeper_drain(struct keeper *);

/* Tells the master so, and what becomes of its backlog. */
void	keeper_send_drain(struct keeper *);

/* FRAME_ASK: does it, and answers. */
void	keeper_answer(struct keeper *, uint32_t what);

#endif
