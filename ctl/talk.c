#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/talk.h"
#include "ipc/cgires.h"
#include "ipc/nitems.h"
#include "ipc/scgi.h"
#include "ipc/sock.h"

#define HEAD_ROOM	(2 * SCGI_HEAD_MAX)	/* its netstring's length, too */

static void __attribute__((format(printf, 2, 3)))
say_why(struct talk *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->why, sizeof(t->why), fmt, ap);
	va_end(ap);
}

/* --- waiting ------------------------------------------------------------- */

/* Until the connection is ready; anything else is said. */
static enum talk_end
wait_for(struct talk *t, short events)
{
	struct pollfd p[] = {
		{ .fd = t->fd, .events = events },
		{ .fd = t->wake_fd, .events = POLLIN },
	};
	int n;

	do {
		n = poll(p, 2, t->patience_ms);
	} while (n == -1 && errno == EINTR);
	if (p[1].revents != 0)
		return TALK_WOKEN;
	if (n > 0)
		return TALK_ANSWERED;
	if (n == 0)
		say_why(t, "the daemon has not answered for %d s",
		    t->patience_ms / 1000);
	else
		say_why(t, "poll: %s", strerror(errno));
	return TALK_AWAY;
}

/* --- the question -------------------------------------------------------- */

static int
add_vars(struct buf *b, const struct talk_var *vars, size_t n)
{
	int failed = 0;

	for (size_t i = 0; i < n && !failed; i++)
		failed = scgi_add(b, vars[i].name, vars[i].value);
	return failed;
}

static int
add_usual(struct buf *b, const struct talk_question *q)
{
	char length[24];
	const struct talk_var vars[] = {
		{ "CONTENT_LENGTH", length },
		/* the operator's: whatever listens for clients must refuse it */
		{ "DEFERD_OPERATOR", "1" },
		{ "SCGI", "1" },
		{ "GATEWAY_INTERFACE", "CGI/1.1" },
		{ "SERVER_SOFTWARE", "deferctl/" PACKAGE_VERSION },
		{ "SERVER_PROTOCOL", "HTTP/1.1" },
		{ "SERVER_NAME", "localhost" },
		{ "SERVER_PORT", "80" },
		{ "REMOTE_ADDR", "127.0.0.1" },
		{ "REQUEST_METHOD", q->method },
		{ "SCRIPT_NAME", "" },
		{ "PATH_INFO", q->path },
		{ "QUERY_STRING", q->query != NULL ? q->query : "" },
	};

	snprintf(length, sizeof(length), "%" PRIu64, q->body_size);
	return add_vars(b, vars, nitems(vars));
}

static int
add_uri(struct buf *b, const struct talk_question *q)
{
	struct buf uri;
	int r;

	if (q->uri != NULL)
		return scgi_add(b, "REQUEST_URI", q->uri);
	buf_init(&uri, HEAD_ROOM);
	r = buf_printf(&uri, "%s%s%s", q->path, q->query != NULL ? "?" : "",
	    q->query != NULL ? q->query : "") || buf_add(&uri, "", 1) ||
	    scgi_add(b, "REQUEST_URI", (const char *)buf_data(&uri));
	buf_fini(&uri);
	return r ? -1 : 0;
}

static void
make_head(struct buf *b, const struct talk_question *q)
{
	if (scgi_begin(b) || add_usual(b, q) || add_uri(b, q) ||
	    add_vars(b, q->vars, q->nvars) || scgi_finish(b))
		ctl_die("the request's head: %s", errno == EMSGSIZE ?
		    "more than 64 KiB" : strerror(errno));
}

/*
 * Sends all of it.  Whoever does not want to read on may still have said why,
 * so a connection that was closed is no error here: then *closed is set.
 */
static enum talk_end
send_all(struct talk *t, const void *data, size_t len, bool *closed)
{
	const char *p = data;
	struct iovec iov;
	enum talk_end end;
	ssize_t n;

	while (len > 0 && !*closed) {
		if ((end = wait_for(t, POLLOUT)) != TALK_ANSWERED)
			return end;
		iov = (struct iovec){ (void *)p, len };
		n = sock_send(t->fd, &iov, 1, NULL, 0, MSG_DONTWAIT);
		if (n == -1 && errno != EAGAIN) {
			*closed = true;
		} else if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return TALK_ANSWERED;
}

static size_t
read_body(int fd, void *chunk, uint64_t left)
{
	ssize_t n;

	do {
		n = read(fd, chunk, left < TALK_CHUNK ? left : TALK_CHUNK);
	} while (n == -1 && errno == EINTR);
	if (n <= 0)
		ctl_die("the request's body: %s", n == 0 ?
		    "it has become shorter" : strerror(errno));
	return (size_t)n;
}

static enum talk_end
send_question(struct talk *t, const struct talk_question *q)
{
	char chunk[TALK_CHUNK];
	uint64_t left = q->body_size;
	enum talk_end end;
	bool closed = false;
	struct buf head;
	size_t n;

	buf_init(&head, HEAD_ROOM);
	make_head(&head, q);
	end = send_all(t, buf_data(&head), buf_len(&head), &closed);
	buf_fini(&head);
	for (; end == TALK_ANSWERED && left > 0 && !closed; left -= n) {
		n = read_body(q->body_fd, chunk, left);
		end = send_all(t, chunk, n, &closed);
	}
	return end;
}

/* --- the answer ---------------------------------------------------------- */

/* Bytes, 0 at the end, -1 with *end; a reset is an end, too. */
static ssize_t
receive(struct talk *t, void *data, size_t len, enum talk_end *end)
{
	int fds[SOCK_FDS_MAX], nfds;
	bool truncated;
	ssize_t n;

	if ((*end = wait_for(t, POLLIN)) != TALK_ANSWERED)
		return -1;
	n = sock_recv(t->fd, data, len, 0, fds, &nfds, &truncated);
	while (nfds > 0)
		close(fds[--nfds]);
	return n < 0 ? 0 : n;
}

/* Whether the head is whole; what is behind it is body. */
static enum cgires_verdict
look_at_head(struct talk *t, bool eof)
{
	struct cgires res;
	enum cgires_verdict verdict;
	size_t head_bytes;
	const char *why = "";

	cgires_init(&res, CGIRES_NORMAL_MAX);
	verdict = cgires_parse(&res, buf_data(&t->ahead), buf_len(&t->ahead),
	    eof, &head_bytes, &why);
	if (verdict == CGIRES_BAD)
		say_why(t, "the daemon's answer makes no sense: %s", why);
	if (verdict == CGIRES_DONE) {
		t->status = res.status;
		t->left = res.content_length;
		if (buf_add(&t->head, buf_data(&t->ahead), head_bytes) == -1)
			ctl_no_memory();
		buf_consume(&t->ahead, head_bytes);
	}
	cgires_fini(&res);
	return verdict;
}

static enum talk_end
read_head(struct talk *t)
{
	enum cgires_verdict verdict = CGIRES_MORE;
	enum talk_end end;
	unsigned char *to;
	ssize_t n;

	while (verdict == CGIRES_MORE) {
		if ((to = buf_space(&t->ahead, TALK_CHUNK)) == NULL)
			ctl_no_memory();
		if ((n = receive(t, to, TALK_CHUNK, &end)) == -1)
			return end;
		if (n == 0 && buf_len(&t->ahead) == 0) {
			say_why(t, "the daemon has closed the connection "
			    "without an answer (is this user allowed?)");
			return TALK_AWAY;
		}
		buf_commit(&t->ahead, (size_t)n);
		verdict = look_at_head(t, n == 0);
	}
	return verdict == CGIRES_DONE ? TALK_ANSWERED : TALK_NONSENSE;
}

/* What a person could do about it. */
static const char *
hint(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return " (is deferd running?)";
	case EACCES:
	case EPERM:
		return " (it is for root and the daemon's user)";
	default:
		return "";
	}
}

enum talk_end
talk_open(struct talk *t, const char *socket, const struct talk_question *q)
{
	enum talk_end end;

	*t = (struct talk){
		.fd = sock_connect(socket),
		.patience_ms = q->patience_s > 0 ? q->patience_s * 1000 : -1,
		.wake_fd = q->wake_fd > 0 ? q->wake_fd : -1,
	};
	buf_init(&t->head, CGIRES_NORMAL_MAX);
	buf_init(&t->ahead, CGIRES_NORMAL_MAX + 2 * TALK_CHUNK);
	if (t->fd == -1) {
		say_why(t, "cannot reach the daemon at %s: %s%s", socket,
		    strerror(errno), hint(errno));
		return TALK_AWAY;
	}
	end = send_question(t, q);
	if (end == TALK_ANSWERED)
		end = read_head(t);
	if (end == TALK_ANSWERED && strcmp(q->method, "HEAD") == 0)
		t->left = 0;
	return end;
}

ssize_t
talk_read(struct talk *t, void *data, size_t len)
{
	enum talk_end end;
	ssize_t n;

	if (t->left == 0)
		return 0;
	if (t->left > 0 && (uint64_t)t->left < len)
		len = (size_t)t->left;
	if (buf_len(&t->ahead) > 0) {
		n = (ssize_t)(len < buf_len(&t->ahead) ? len :
		    buf_len(&t->ahead));
		memcpy(data, buf_data(&t->ahead), (size_t)n);
		buf_consume(&t->ahead, (size_t)n);
	} else if ((n = receive(t, data, len, &end)) == -1) {
		return -1;
	}
	if (n == 0 && t->left > 0) {
		say_why(t, "the daemon's answer was cut short");
		return -1;
	}
	if (t->left > 0)
		t->left -= n;
	return n;
}

char *
talk_header(const struct talk *t, const char *name, char *out, size_t size)
{
	size_t len = 0;
	const char *value = cgires_find(buf_data(&t->head), buf_len(&t->head),
	    name, &len);

	snprintf(out, size, "%.*s", value != NULL ? (int)len : 0,
	    value != NULL ? value : "");
	return out;
}

void
talk_close(struct talk *t)
{
	if (t->fd != -1)
		close(t->fd);
	t->fd = -1;
	buf_fini(&t->head);
	buf_fini(&t->ahead);
}
