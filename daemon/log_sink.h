/*
 * log_sink - where lines go: stderr, the journal behind it, or syslog.
 *
 *	stderr		name[pid]: level: event ...	a person, a supervisor
 *	the journal	<6>event ...			sd-daemon(3); stderr is
 *							the socket that
 *							$JOURNAL_STREAM names
 *	syslog		<30>date name[pid]: event ...	a datagram to /dev/log,
 *							which journald reads, too
 *
 * Nothing here waits: syslog(3) would, for a reader that is slow, and with it
 * the master's loop.  Safe from all threads.
 */
#ifndef DAEMON_LOG_SINK_H
#define DAEMON_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/log.h"

/* $DEFERD_SYSLOG takes the place of /dev/log (tests). */
void	sink_open(const char *name, bool background);

/* What stands before the event; at most SINK_HEAD_MAX bytes, no NUL. */
#define SINK_HEAD_MAX	128
size_t	sink_head(char *to, enum log_level);

/* One line, without newline but with room for it.  False: it is lost. */
bool	sink_put(char *line, size_t len)
	__attribute__((warn_unused_result));

#endif
