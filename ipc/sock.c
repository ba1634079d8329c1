/*
 * sock - Unix sockets.
 *
 * Two starters may want the same path in the same moment.  Looking whether
 * the socket there is alive, removing it and binding anew are three steps, so
 * they are taken under a lock file beside the path, which is gone again when
 * the socket listens.  (Renaming a new socket over an old one is a single
 * step, but it would just as well steal from whoever started a moment ago.)
 *
 * Linux creates the socket's file with the mode that fchmod() gave the
 * descriptor before: nobody but the owner can connect before the real mode
 * and group are set, and nobody at all before listen().
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/frame.h"		/* FRAME_MAX */
#include "ipc/sock.h"

#define PAIR_ROOM	(FRAME_MAX + 4096)	/* the kernel wants a little */
#define NAP_MS		10
#define NAPS_MAX	500

union control {
	struct cmsghdr	 head;		/* for its alignment */
	char		 space[CMSG_SPACE(SOCK_FDS_MAX * sizeof(int))];
};

/* Closes without losing the errno that says why. */
static int
close_failed(int fd)
{
	int error = errno;

	if (fd != -1)
		close(fd);
	errno = error;
	return -1;
}

static int
make_address(struct sockaddr_un *sun, const char *path)
{
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(sun->sun_path)) {
		errno = len == 0 ? ENOENT : ENAMETOOLONG;
		return -1;
	}
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, len + 1);
	return 0;
}

/* 0, or -1 with errno; an interrupted connect() is begun again. */
static int
connect_to(int fd, const struct sockaddr_un *sun)
{
	int r;

	do {
		r = connect(fd, (const struct sockaddr *)sun, sizeof(*sun));
	} while (r == -1 && errno == EINTR);
	return r;
}

/* Opens and locks the lock file, if it is still the one at its path. */
static int
try_lock(const char *path)
{
	struct stat held, there;
	int fd, r;

	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	do {
		r = flock(fd, LOCK_EX);
	} while (r == -1 && errno == EINTR);
	if (r == -1 || fstat(fd, &held) == -1)
		return close_failed(fd);
	if (stat(path, &there) == -1 || held.st_ino != there.st_ino ||
	    held.st_dev != there.st_dev) {
		errno = EAGAIN;		/* its last holder removed it */
		return close_failed(fd);
	}
	return fd;
}

static int
lock(const char *path)
{
	int fd;

	do {
		fd = try_lock(path);
	} while (fd == -1 && errno == EAGAIN);
	return fd;
}

static void
unlock(const char *path, int fd)
{
	int error = errno;

	unlink(path);
	close(fd);
	errno = error;
}

/*
 * Whether the process that called listen() is no more.  Who inherited the
 * socket from it has it open for a moment yet, and will not accept.
 */
static bool
listener_died(int fd)
{
	struct pollfd p = { .events = POLLIN };
	uid_t uid;
	gid_t gid;
	pid_t pid;
	bool died;

	if (sock_peer(fd, &uid, &gid, &pid) == -1)
		return false;
	p.fd = pidfd_open(pid, 0);
	if (p.fd == -1)
		return errno == ESRCH;
	died = poll(&p, 1, 0) == 1;	/* it is a zombie */
	close(p.fd);
	return died;
}

/*
 * 0 when the socket's owner is gone, -1 when somebody is there: EBUSY if only
 * for a moment.
 */
static int
check_dead(const struct sockaddr_un *sun)
{
	int fd;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect_to(fd, sun) == 0) {
		errno = listener_died(fd) ? EBUSY : EADDRINUSE;
		return close_failed(fd);
	}
	if (errno == EAGAIN || errno == EPROTOTYPE) {
		errno = EADDRINUSE;
		return close_failed(fd);
	}
	if (errno != ECONNREFUSED && errno != ENOENT)
		return close_failed(fd);
	close(fd);
	return 0;
}

/* Makes the path free, if it can be had. */
static int
clear_path(const struct sockaddr_un *sun)
{
	struct stat st;

	if (lstat(sun->sun_path, &st) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	if (check_dead(sun) == -1)
		return -1;
	if (unlink(sun->sun_path) == -1 && errno != ENOENT)
		return -1;
	return 0;
}

/* The same, but waits for who is just dying. */
static int
clear_path_in_time(const struct sockaddr_un *sun)
{
	for (int naps = 0; clear_path(sun) == -1; naps++) {
		if (errno != EBUSY)
			return -1;
		if (naps == NAPS_MAX) {
			errno = EADDRINUSE;
			return -1;
		}
		poll(NULL, 0, NAP_MS);
	}
	return 0;
}

/* Group before mode: chown() would take bits away again. */
static int
open_up(int fd, const char *path, mode_t mode, gid_t gid)
{
	if (gid != (gid_t)-1 && lchown(path, (uid_t)-1, gid) == -1)
		return -1;
	if (chmod(path, mode) == -1)
		return -1;
	return listen(fd, SOMAXCONN);
}

static int
bind_and_listen(const struct sockaddr_un *sun, mode_t mode, gid_t gid)
{
	int fd, error;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (fchmod(fd, S_IRUSR | S_IWUSR) == -1 ||
	    bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) == -1)
		return close_failed(fd);
	if (open_up(fd, sun->sun_path, mode, gid) == -1) {
		error = errno;
		unlink(sun->sun_path);
		errno = error;
		return close_failed(fd);
	}
	return fd;
}

int
sock_listen(const char *path, mode_t mode, gid_t gid)
{
	struct sockaddr_un sun;
	char lock_path[sizeof(sun.sun_path) + sizeof(".lock")];
	int fd = -1, lock_fd;

	if (make_address(&sun, path) == -1)
		return -1;
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	if ((lock_fd = lock(lock_path)) == -1)
		return -1;
	if (clear_path_in_time(&sun) == 0)
		fd = bind_and_listen(&sun, mode, gid);
	unlock(lock_path, lock_fd);
	return fd;
}

int
sock_connect(const char *path)
{
	struct sockaddr_un sun;
	int fd;

	if (make_address(&sun, path) == -1)
		return -1;
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return -1;
	if (connect_to(fd, &sun) == -1)
		return close_failed(fd);
	return fd;
}

/*
 * A packet must fit the sender's buffer whole.  What an ordinary user may
 * ask for is capped (net.core.wmem_max), so look what it became.
 */
static int
make_room(int fd)
{
	int want = 2 * FRAME_MAX, have;
	socklen_t len = sizeof(have);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want,
	    sizeof(want)) == -1 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof(want)) == -1)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &have, &len) == -1)
		return -1;
	if (have < PAIR_ROOM) {
		errno = ENOBUFS;
		return -1;
	}
	return 0;
}

int
sock_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == -1)
		return -1;
	if (make_room(fds[0]) == -1 || make_room(fds[1]) == -1) {
		close_failed(fds[0]);
		close_failed(fds[1]);
		fds[0] = fds[1] = -1;
		return -1;
	}
	return 0;
}

int
sock_peer(int fd, uid_t *uid, gid_t *gid, pid_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return -1;
	*uid = cred.uid;
	*gid = cred.gid;
	*pid = cred.pid;
	return 0;
}

ssize_t
sock_send(int fd, const struct iovec *iov, int iovcnt, const int *fds,
    int nfds, int flags)
{
	union control control;
	struct msghdr msg = { 0 };
	size_t bytes = (size_t)nfds * sizeof(int);
	struct cmsghdr *c;
	ssize_t n;

	assert(nfds >= 0 && nfds <= SOCK_FDS_MAX);
	msg.msg_iov = (struct iovec *)iov;	/* sendmsg() only reads it */
	msg.msg_iovlen = (size_t)iovcnt;
	if (nfds > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(c), fds, bytes);
	}
	do {
		n = sendmsg(fd, &msg, flags | MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	return n;
}

/* Takes the descriptors out of a received message; gives their number. */
static int
take_fds(struct msghdr *msg, int fds[SOCK_FDS_MAX])
{
	struct cmsghdr *c;
	size_t n, count = 0;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		assert(n <= SOCK_FDS_MAX - count);
		memcpy(fds + count, CMSG_DATA(c), n * sizeof(int));
		count += n;
	}
	return (int)count;
}

ssize_t
sock_recv(int fd, void *data, size_t len, int flags, int fds[SOCK_FDS_MAX],
    int *nfds, bool *truncated)
{
	union control control;
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	*nfds = 0;
	*truncated = false;
	do {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		n = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	*nfds = take_fds(&msg, fds);
	if ((msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0) {
		*truncated = true;
		while (*nfds > 0)
			close(fds[--*nfds]);
	}
	return n;
}
