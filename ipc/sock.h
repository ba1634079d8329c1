/*
 * sock - Unix sockets: listening, connecting, who is there, and passing
 * descriptors (unix(7), SCM_RIGHTS, SO_PEERCRED).
 *
 * Every descriptor made or received here is close-on-exec.  All functions
 * return -1 with errno on failure.  A call that a signal interrupts is taken
 * up again; EINTR is never seen.
 */
#ifndef IPC_SOCK_H
#define IPC_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#define SOCK_FDS_MAX	4	/* descriptors in one message, at most */

/*
 * A listening, non-blocking SOCK_STREAM socket at `path` with `mode`
 * and group `gid` ((gid_t)-1: leave it).  A socket file that nobody listens
 * on is replaced; one that answers is not stolen: EADDRINUSE; but when the
 * process that listened is dead, its heirs get five seconds to follow.  Something
 * else at that path: EEXIST.  A path too long for sun_path: ENAMETOOLONG.
 * Of two that start at once one wins: PATH.lock is there while it is decided.
 */
int	sock_listen(const char *path, mode_t mode, gid_t gid)
	__attribute__((warn_unused_result));

/* A connected, blocking SOCK_STREAM socket. */
int	sock_connect(const char *path)
	__attribute__((warn_unused_result));

/*
 * A SOCK_SEQPACKET pair with room for frames of FRAME_MAX bytes each way.
 * Blocking; the caller sets O_NONBLOCK on the end it polls.
 */
int	sock_pair(int fds[2])
	__attribute__((warn_unused_result));

/* Who connected: 0, or -1 with errno. */
int	sock_peer(int fd, uid_t *uid, gid_t *gid, pid_t *pid)
	__attribute__((warn_unused_result));

/*
 * Sends iov with `nfds` (0..SOCK_FDS_MAX) descriptors attached to its first
 * byte.  Never raises SIGPIPE.  Bytes sent, or -1 (EAGAIN, EPIPE,
 * ETOOMANYREFS, ...).  `flags` as sendmsg().  The descriptors stay the
 * caller's.
 */
ssize_t	sock_send(int fd, const struct iovec *iov, int iovcnt,
	    const int *fds, int nfds, int flags)
	__attribute__((warn_unused_result));

/*
 * Receives up to `len` bytes and up to SOCK_FDS_MAX descriptors, which are
 * the caller's then.  *nfds is set, also when 0.  *truncated tells that
 * descriptors (MSG_CTRUNC) or bytes of a packet (MSG_TRUNC) were cut off:
 * those that did arrive are closed, *nfds is 0.  Bytes, 0 at EOF, or -1.
 */
ssize_t	sock_recv(int fd, void *data, size_t len, int flags,
	    int fds[SOCK_FDS_MAX], int *nfds, bool *truncated)
	__attribute__((warn_unused_result));

#endif
