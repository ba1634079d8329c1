#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/master/wire.h"

#define FRAMES_PER_TURN	64

struct packet {
	struct packet	*prev, *next;
	struct buf	 bytes;
	int		 fds[SOCK_FDS_MAX];	/* owned */
	int		 nfds;
};

/* The loop's own; a frame is handled before the next one is received. */
static unsigned char incoming[FRAME_MAX];

/*
 * A frame that leaves at once needs no memory: a CANCEL must not fail when
 * there is none.
 */
static unsigned char outgoing[FRAME_MAX + 1];

static void
packet_free(struct packet *p)
{
	for (int i = 0; i < p->nfds; i++)
		close(p->fds[i]);
	buf_fini(&p->bytes);
	free(p);
}

static void
close_all(const int *fds, int nfds)
{
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
}

static void
ended(struct wire *w)
{
	if (w->readable != NULL)
		event_del(w->readable);
	if (w->writable != NULL)
		event_del(w->writable);
	w->over = true;
	w->on_end(w);
}

/* One frame.  False when there is none now, or no more for ever. */
static bool
read_one(struct wire *w)
{
	struct frame f;
	int fds[SOCK_FDS_MAX], nfds;
	bool truncated;
	ssize_t n;

	if (w->fd == -1 || w->over)
		return false;
	n = sock_recv(w->fd, incoming, sizeof(incoming), MSG_DONTWAIT, fds,
	    &nfds, &truncated);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n <= 0) {
		ended(w);
		return false;
	}
	if (truncated || frame_decode(&f, incoming, (size_t)n) == -1 ||
	    frame_fds(&f) != nfds) {
		log_error("frame-bad bytes=%zd descriptors=%d", n, nfds);
		close_all(fds, nfds);
		ended(w);
		return false;
	}
	w->on_frame(w, &f, fds);
	return true;
}

void
wire_read_out(struct wire *w)
{
	while (read_one(w))
		;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct wire *w = arg;

	(void)fd, (void)what;
	for (int i = 0; i < FRAMES_PER_TURN && read_one(w); i++)
		;
}

static int
send_packet(struct wire *w, const struct buf *bytes, const int *fds, int nfds)
{
	struct iovec iov = {
		.iov_base = (void *)buf_data(bytes),
		.iov_len = buf_len(bytes),
	};

	return sock_send(w->fd, &iov, 1, fds, nfds, MSG_DONTWAIT) == -1 ?
	    -1 : 0;
}

static bool
try_later(int error)
{
	return error == EAGAIN || error == EINTR || error == ENOBUFS ||
	    error == ETOOMANYREFS;
}

/* The other side's death is reported by reading, not here. */
static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct wire *w = arg;
	struct packet *p;

	(void)fd, (void)what;
	while ((p = w->waiting) != NULL) {
		if (send_packet(w, &p->bytes, p->fds, p->nfds) == -1 &&
		    try_later(errno))
			return;
		DL_DELETE(w->waiting, p);
		packet_free(p);
	}
	event_del(w->writable);
	if (w->ending)
		shutdown(w->fd, SHUT_WR);
}

void
wire_end(struct wire *w)
{
	w->ending = true;
	if (w->fd != -1 && w->waiting == NULL)
		shutdown(w->fd, SHUT_WR);
}

/* Keeps a packet, with descriptors of its own, until there is room. */
static int
postpone(struct wire *w, const struct buf *bytes, const int *fds, int nfds)
{
	struct packet *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -1;
	buf_init(&p->bytes, FRAME_MAX);
	if (buf_add(&p->bytes, buf_data(bytes), buf_len(bytes)) == -1) {
		packet_free(p);
		return -1;
	}
	for (; p->nfds < nfds; p->nfds++) {
		int fd = fcntl(fds[p->nfds], F_DUPFD_CLOEXEC, 0);

		if (fd == -1) {
			packet_free(p);
			return -1;
		}
		p->fds[p->nfds] = fd;
	}
	if (event_add(w->writable, NULL) == -1) {
		packet_free(p);
		return -1;
	}
	DL_APPEND(w->waiting, p);
	return 0;
}

int
wire_send(struct wire *w, const struct frame *f, const int *fds)
{
	struct buf bytes = { .data = outgoing, .cap = FRAME_MAX,
	    .max = FRAME_MAX };
	int nfds = frame_fds(f);

	if (w->fd == -1) {
		errno = EPIPE;
		return -1;
	}
	if (frame_encode(&bytes, f) == -1)
		return -1;
	if (w->waiting == NULL) {
		if (send_packet(w, &bytes, fds, nfds) == 0)
			return 0;
		if (!try_later(errno))
			return -1;
	}
	return postpone(w, &bytes, fds, nfds);
}

int
wire_open(struct wire *w, struct event_base *base, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	w->fd = fd;
	w->over = w->ending = false;
	w->waiting = NULL;
	w->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, w);
	w->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, w);
	if (w->readable != NULL && w->writable != NULL && flags != -1 &&
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) != -1 &&
	    event_add(w->readable, NULL) == 0)
		return 0;
	wire_close(w);
	return -1;
}

void
wire_close(struct wire *w)
{
	struct packet *p, *tmp;

	DL_FOREACH_SAFE(w->waiting, p, tmp) {
		DL_DELETE(w->waiting, p);
		packet_free(p);
	}
	if (w->readable != NULL)
		event_free(w->readable);
	if (w->writable != NULL)
		event_free(w->writable);
	w->readable = w->writable = NULL;
	if (w->fd != -1)
		close(w->fd);
	w->fd = -1;
}
