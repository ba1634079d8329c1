/*
 * inherit - the socket that systemd has opened for this daemon
 * (sd_listen_fds(3)).
 *
 * LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES are taken out of the environment.
 * Only the data socket can come this way: it must outlive the daemon, while
 * the control socket is worth nothing without it.
 */
#ifndef DAEMON_LAUNCHER_INHERIT_H
#define DAEMON_LAUNCHER_INHERIT_H

#define INHERIT_FIRST	3	/* the descriptors that come: 3, 4, ... */

struct inherit {
	int		 n;		/* 0: none came */
	char		*names;		/* owned; for messages; may be NULL */
};

/*
 * Reads and clears the environment; what it announces becomes close-on-exec.
 * -1 when there are no such descriptors; then n is 0.
 */
int	inherit_init(struct inherit *)
	__attribute__((warn_unused_result));

/*
 * The one that was given, the caller's from here; it must be the listening
 * stream socket at this path.  -1 when it was logged what it is instead.
 */
int	inherit_listener(struct inherit *, const char *path)
	__attribute__((warn_unused_result));
void	inherit_fini(struct inherit *);

#endif
