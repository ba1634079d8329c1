/*
 * view_operate - the short answers of the control socket, in JSON.
 */
#ifndef DAEMON_MASTER_VIEW_OPERATE_H
#define DAEMON_MASTER_VIEW_OPERATE_H

#include "daemon/master/stats.h"
#include "daemon/master/view.h"

/* {"version","pid","uptime","state"}; the state is serving, paused, draining. */
int	view_ping(struct answer *, const struct request *,
	    const struct stats_now *)
	__attribute__((warn_unused_result));

/* {"generation","needs_restart"}: names of settings, or "". */
int	view_reloaded(struct answer *, const struct request *,
	    unsigned int generation, const char *needs_restart)
	__attribute__((warn_unused_result));

/* {"sound","report"}; sound is null when nobody could tell. */
enum view_sound { SOUND_YES, SOUND_NO, SOUND_UNKNOWN };
int	view_checked(struct answer *, const struct request *, enum view_sound,
	    const char *report)
	__attribute__((warn_unused_result));

#endif
