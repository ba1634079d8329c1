/*
 * confine - the walls that a route puts around its programs.
 *
 *	no-new-privs	setuid and setgid programs stay who runs them
 *	landlock	only these files (daemon/landlock.h)
 *	network = no	no socket but those of this machine (seccomp(2))
 *
 * Any user may do all three to himself, so they work in a worker without
 * rights.  They are prepared by its thread, and put up by the child, which
 * may make system calls only; there is no way back for it or what it starts.
 * What cannot be put up fails the task: nothing runs with less.
 *
 * Of the ways to take the network away, a namespace needs rights that a
 * worker has not, or a kernel that lets everybody make user namespaces, and
 * Landlock (ABI 4) knows TCP only.  A filter that refuses socket(2) holds
 * for UDP, raw, netlink and what comes later, on all kernels.  Calls of other
 * architectures than our own (32-bit programs) are refused with it, and
 * io_uring, whose sockets no filter sees.
 */
#ifndef DAEMON_WORKER_CONFINE_H
#define DAEMON_WORKER_CONFINE_H

#include "daemon/conf.h"

struct sock_fprog;

struct confine {
	bool		 no_new_privs;
	int		 ruleset;	/* owned; -1: all files */
	const struct sock_fprog *filter; /* NULL: all of the network */
};

/*
 * 0, or -1 with errno, and in *what the rule, or the setting, that cannot be
 * kept.  confine_close() in either case.
 */
int	confine_open(struct confine *, const struct conf_route *,
	    const char **what)
	__attribute__((warn_unused_result));
void	confine_close(struct confine *);

/* In the child.  0, or -1 with errno. */
int	confine_enter(const struct confine *)
	__attribute__((warn_unused_result));

#endif
