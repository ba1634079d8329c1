/*
 * notify - what systemd hears of this daemon (sd_notify(3), written out: it
 * is one datagram, and libsystemd is much to hold in memory for ever).
 *
 * NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are taken out of the
 * environment, so that no master, worker or task can speak for the launcher.
 * Without NOTIFY_SOCKET all of this does nothing.  A message that the socket
 * does not take now is dropped, and never waited for.
 */
#ifndef DAEMON_LAUNCHER_NOTIFY_H
#define DAEMON_LAUNCHER_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int		 fd;		/* owned; -1: nobody listens */
	struct sockaddr_un to;
	socklen_t	 to_len;
	int64_t		 watchdog_ms;	/* 0: there is no watchdog */
};

/*
 * Reads and clears the environment; before any fork.  An address that is
 * neither a path nor abstract ("@") is logged, and nobody is told anything.
 */
void	notify_open(struct notify *);
void	notify_close(struct notify *);
bool	notify_wanted(const struct notify *);

/* One or more lines "NAME=VALUE", without the last newline. */
void	notify(const struct notify *, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A reload begins (its end is another READY=1), as systemd 253 wants it. */
void	notify_reloading(const struct notify *);

#endif
