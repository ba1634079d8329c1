#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/master/stream.h"

#define NULL_MAJOR	1	/* the kernel's admin-guide/devices.txt */
#define NULL_MINOR	3

static bool
is_stream_socket(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_STREAM;
}

/*
 * What the kernel knows of it already: the file system is not asked, for it
 * may be one that never answers (FUSE, a network).
 */
static int
look_at(int fd, struct statx *st)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
	    STATX_TYPE | STATX_SIZE, st);
}

static enum stream_kind
kind_of(int fd)
{
	struct statx st;
	int flags;

	/* Most are, and one question tells. */
	if (is_stream_socket(fd))
		return STREAM_SOCKET;
	/* O_PATH is a name, not an open file. */
	flags = fcntl(fd, F_GETFL);
	if (flags == -1 || (flags & O_PATH) != 0 || look_at(fd, &st) == -1)
		return STREAM_NONE;
	if (S_ISFIFO(st.stx_mode))
		return STREAM_PIPE;
	if (S_ISREG(st.stx_mode))
		return STREAM_FILE;
	if (S_ISCHR(st.stx_mode) && st.stx_rdev_major == NULL_MAJOR &&
	    st.stx_rdev_minor == NULL_MINOR)
		return STREAM_NULL;
	return STREAM_NONE;
}

int
stream_open(struct stream *s, int fd)
{
	enum stream_kind kind = kind_of(fd);

	if (kind == STREAM_NONE) {
		errno = EINVAL;
		return -1;
	}
	s->fd = fd;
	s->kind = kind;
	return 0;
}

void
stream_close(struct stream *s)
{
	if (s->fd != -1)
		close(s->fd);
	*s = STREAM_CLOSED;
}

bool
stream_blocks(const struct stream *s)
{
	return s->kind == STREAM_FILE;
}

int64_t
stream_size(const struct stream *s)
{
	struct statx st;

	return look_at(s->fd, &st) == 0 ? (int64_t)st.stx_size : -1;
}

/*
 * Kernels before 6.5 know no RWF_NOWAIT on pipes.  There the flag is set
 * right before each call: the other end is another description, so only a
 * holder of this very end could clear it in between.
 */
static void
set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags != -1 && (flags & O_NONBLOCK) == 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static ssize_t
pipe_read(int fd, void *data, size_t len)
{
	struct iovec iov = { .iov_base = data, .iov_len = len };
	ssize_t n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);

	if (n == -1 && errno == EOPNOTSUPP) {
		set_nonblock(fd);
		n = read(fd, data, len);
	}
	return n;
}

static ssize_t
pipe_write(int fd, const void *data, size_t len)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	ssize_t n = pwritev2(fd, &iov, 1, -1, RWF_NOWAIT);

	if (n == -1 && errno == EOPNOTSUPP) {
		set_nonblock(fd);
		n = write(fd, data, len);
	}
	return n;
}

ssize_t
stream_read(const struct stream *s, void *data, size_t len)
{
	switch (s->kind) {
	case STREAM_SOCKET:
		return recv(s->fd, data, len, MSG_DONTWAIT);
	case STREAM_PIPE:
		return pipe_read(s->fd, data, len);
	case STREAM_NULL:
		return 0;
	default:
		errno = EINVAL;
		return -1;
	}
}

ssize_t
stream_write(const struct stream *s, const void *data, size_t len)
{
	switch (s->kind) {
	case STREAM_SOCKET:
		return send(s->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	case STREAM_PIPE:
		return pipe_write(s->fd, data, len);
	case STREAM_NULL:
		return (ssize_t)len;
	case STREAM_FILE:
		return write(s->fd, data, len);
	default:
		errno = EINVAL;
		return -1;
	}
}

ssize_t
stream_pread(const struct stream *s, void *data, size_t len, off_t at)
{
	return pread(s->fd, data, len, at);
}

bool
stream_gone(const struct stream *s)
{
	struct pollfd p = { .fd = s->fd, .events = 0 };

	if (s->kind != STREAM_SOCKET && s->kind != STREAM_PIPE)
		return false;
	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

void
stream_refuse_input(const struct stream *s)
{
	char rest[16384];

	if (s->kind != STREAM_SOCKET)
		return;
	(void)shutdown(s->fd, SHUT_RD);
	while (recv(s->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
		;
}
