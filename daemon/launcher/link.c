/*
 * link - the launcher's end of its socket to the master.
 */
#include "daemon/launcher/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "ipc/sock.h"

#define LINK_MAX	2048	/* bytes: TOLD and ALIVE have some text in them */

struct link_frame {
	struct link_frame *prev, *next;
	struct buf	 bytes;
	int		 fds[SOCK_FDS_MAX];
	int		 nfds;
};

static void
frame_free(struct link_frame *f)
{
	while (f->nfds > 0)
		close(f->fds[--f->nfds]);
	buf_fini(&f->bytes);
	free(f);
}

void
link_init(struct link *l)
{
	l->fd = -1;
	l->queue = NULL;
}

void
link_open(struct link *l, int fd)
{
	link_close(l);
	l->fd = fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
}

void
link_close(struct link *l)
{
	struct link_frame *f, *next;

	DL_FOREACH_SAFE(l->queue, f, next)
		frame_free(f);
	if (l->fd >= 0)
		close(l->fd);
	link_init(l);
}

int
link_send(struct link *l, const struct frame *frame, const int *fds, int nfds)
{
	struct link_frame *f = calloc(1, sizeof(*f));
	int i;

	for (i = 0; i < nfds; i++)
		if (f)
			f->fds[f->nfds++] = fds[i];
		else
			close(fds[i]);
	if (!f)
		return -1;
	buf_init(&f->bytes, LINK_MAX);
	if (l->fd < 0 || frame_encode(&f->bytes, frame) < 0) {
		frame_free(f);
		return l->fd < 0 ? 0 : -1;
	}
	DL_APPEND(l->queue, f);
	link_flush(l);
	return 0;
}

short
link_events(const struct link *l)
{
	return l->queue ? POLLIN | POLLOUT : POLLIN;
}

/* A frame that fails for good is gone with its reader: SIGCHLD will come. */
void
link_flush(struct link *l)
{
	struct link_frame *f, *next;
	struct iovec iov;

	DL_FOREACH_SAFE(l->queue, f, next) {
		iov.iov_base = f->bytes.data + f->bytes.start;
		iov.iov_len = buf_len(&f->bytes);
		if (sock_send(l->fd, &iov, 1, f->fds, f->nfds, 0) < 0 &&
		    (errno == EAGAIN || errno == EINTR ||
		    errno == ENOBUFS || errno == ETOOMANYREFS))
			return;
		DL_DELETE(l->queue, f);
		frame_free(f);
	}
}

static bool
is_from_master(enum frame_kind kind)
{
	return kind == FRAME_READY || kind == FRAME_SPAWN ||
	    kind == FRAME_KILL || kind == FRAME_ASK || kind == FRAME_ALIVE;
}

enum link_verdict
link_receive(struct link *l, struct frame *frame)
{
	static unsigned char data[LINK_MAX];	/* the frame borrows it */
	int fds[SOCK_FDS_MAX], nfds, i;
	bool truncated;
	ssize_t n;

	n = sock_recv(l->fd, data, sizeof(data), MSG_DONTWAIT, fds, &nfds,
	    &truncated);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? LINK_NOTHING :
		    LINK_END;
	if (n == 0)
		return LINK_END;
	for (i = 0; i < nfds; i++)
		close(fds[i]);
	if (truncated || nfds > 0 || frame_decode(frame, data, (size_t)n) < 0)
		return LINK_BAD;
	return is_from_master(frame->kind) ? LINK_FRAME : LINK_BAD;
}
