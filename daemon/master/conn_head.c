/*
 * conn_head - the head: from the first byte to what is to be done.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/master/accept.h"
#include "daemon/master/conn_priv.h"
#include "daemon/master/operate.h"
#include "daemon/master/owner.h"
#include "ipc/sock.h"

/* What is somebody else's is not there. */
static const struct task *
find_task(const struct conn *c, const struct route_to *to)
{
	const struct task *t = sched_find(c->env->sched, to->id);

	if (t == NULL || c->trusted ||
	    owner_may_see(t, c->req.owner))
		return t;
	return NULL;
}

static void
act(struct conn *c)
{
	struct route_to to;
	const struct task *t = NULL;

	if (c->trusted && conn_operate(c))
		return;
	if (!c->trusted && operate_is_meant(&c->req)) {
		conn_refuse(c, PROBLEM_NOT_CONTROL, NULL);
		return;
	}
	route_decide(&c->req, c->env->conf, c->trusted, &to);
	prefer_parse(&c->prefer, scgi_find(&c->req.scgi, "HTTP_PREFER"));
	if (to.is_link && (t = find_task(c, &to)) == NULL) {
		conn_refuse(c, PROBLEM_NO_TASK, NULL);
		return;
	}
	switch (to.action) {
	case ROUTE_SUBMIT:
		conn_begin_submit(c, to.route);
		break;
	case ROUTE_STATUS:
		conn_show_task(c, t);
		break;
	case ROUTE_REMOVE:
	case ROUTE_CANCEL:
		conn_remove_task(c, &to);
		break;
	case ROUTE_INFO:
		conn_read_info(c, t, conn_on_info);
		break;
	case ROUTE_LOG:
		conn_show_stderr(c, t);
		break;
	case ROUTE_OPTIONS:
		conn_reply(c, view_no_content(&c->answer, t, to.allow));
		break;
	case ROUTE_NOT_ALLOWED:
		conn_refuse_method(c, t, to.allow);
		break;
	case ROUTE_NO_TASK:
		conn_refuse(c, PROBLEM_NO_TASK, NULL);
		break;
	default:
		conn_refuse(c, PROBLEM_NO_ROUTE, NULL);
		break;
	}
}

static void
refuse_head(struct conn *c, int status, const char *why)
{
	switch (status) {
	case 403:
		conn_refuse(c, PROBLEM_NO_SCRIPT, why);
		break;
	case 404:
		conn_refuse(c, PROBLEM_NO_ROUTE, why);
		break;
	case 431:
		conn_refuse(c, PROBLEM_HEAD_LARGE, why);
		break;
	case 500:
		conn_refuse(c, PROBLEM_INTERNAL, why);
		break;
	default:
		conn_refuse(c, PROBLEM_BAD_REQUEST, why);
		break;
	}
}

/* How much of the body has not come with the head. */
static uint64_t
body_behind(const struct conn *c, int64_t length)
{
	if (length == SCGI_LENGTH_UNKNOWN)
		return UINT64_MAX;
	if ((uint64_t)length <= buf_len(&c->head))
		return 0;
	return (uint64_t)length - buf_len(&c->head);
}

/* The block moves to a place of its own; what is left in `head` is body. */
static void
take_head(struct conn *c, const struct scgi *parsed, size_t head_bytes)
{
	struct scgi scgi = *parsed;
	const char *method = scgi_find(parsed, "REQUEST_METHOD"), *why = NULL;
	int status;

	c->head_only = method != NULL && strcmp(method, "HEAD") == 0;
	c->block = blob_new(scgi.block, scgi.len);
	if (c->block == NULL) {
		c->garbled = true;
		conn_refuse(c, PROBLEM_INTERNAL, NULL);
		return;
	}
	buf_consume(&c->head, head_bytes);
	scgi.block = (const char *)c->block->data;
	c->unread = body_behind(c, scgi_content_length(&scgi));
	c->garbled = c->unread == UINT64_MAX && !conn_has_door(c);
	c->answer.html = accept_html(scgi_find(&scgi, "HTTP_ACCEPT"));
	status = request_init(&c->req, &scgi, c->env->conf, &why);
	if (status != 0) {
		refuse_head(c, status, why);
		return;
	}
	c->has_req = true;
	if (c->garbled) {
		conn_refuse(c, PROBLEM_BAD_REQUEST, "no CONTENT_LENGTH");
		return;
	}
	act(c);
}

/* The door has gone by now; its connection has nothing more to say. */
static void
leave_door(struct conn *c)
{
	if (!conn_has_door(c))
		return;
	event_free(c->readable);
	c->readable = NULL;
	stream_close(&c->sock);
}

/* False when the head is complete, or the conn is closed. */
static bool
look_at_head(struct conn *c)
{
	struct scgi scgi;
	size_t head_bytes;
	const char *why = NULL;

	switch (scgi_parse(buf_data(&c->head), buf_len(&c->head), &scgi,
	    &head_bytes, &why)) {
	case SCGI_MORE:
		return true;
	case SCGI_DONE:
		leave_door(c);
		take_head(c, &scgi, head_bytes);
		return false;
	case SCGI_LARGE:
		leave_door(c);
		c->garbled = true;
		refuse_head(c, 431, why);
		return false;
	default:
		leave_door(c);
		c->garbled = true;
		refuse_head(c, 400, why);
		return false;
	}
}

/*
 * Descriptors: exactly two, with the first byte, of kinds that can be used.
 * Whoever sends others is no door of ours, and is owed no answer.
 */
static bool
take_descriptors(struct conn *c, const int *fds, int nfds)
{
	static struct log_rate rate = LOG_RATE;
	unsigned long skipped;
	bool first = buf_len(&c->head) == 0 && c->in == &c->sock;
	int taken = 0;

	if (nfds == 0)
		return true;
	if (first && nfds == DOOR_FDS)
		while (taken < nfds &&
		    stream_open(&c->passed[taken], fds[taken]) == 0)
			taken++;
	if (taken == DOOR_FDS) {
		c->in = &c->passed[0];
		c->out = &c->passed[1];
		return true;
	}
	if (log_may(&rate, &skipped))
		log_warn("descriptors-bad count=%d skipped=%lu", nfds,
		    skipped);
	for (int i = taken; i < nfds; i++) {
		struct stream any = { .fd = fds[i], .kind = STREAM_FILE };

		conn_part_with(c, &any);
	}
	return false;
}

/* One read.  False when there is nothing more to read for now, or at all. */
static bool
read_head(struct conn *c)
{
	unsigned char *to = buf_space(&c->head, HEAD_READ);
	int fds[SOCK_FDS_MAX], nfds;
	bool truncated;
	ssize_t n;

	if (to == NULL) {
		c->garbled = true;
		conn_reply(c, -1);
		return false;
	}
	n = sock_recv(c->sock.fd, to, HEAD_READ, MSG_DONTWAIT, fds, &nfds,
	    &truncated);
	if (n == -1 && errno == EINTR)
		return true;
	if (n == -1 && errno == EAGAIN) {
		if (conn_is_late(c))
			conn_close(c);
		else
			conn_wait_for_input(c);
		return false;
	}
	if (n == 0 && buf_len(&c->head) > 0) {
		leave_door(c);
		c->garbled = true;
		refuse_head(c, 400, "the head was cut short");
		return false;
	}
	if (n <= 0 || truncated || !take_descriptors(c, fds, nfds)) {
		conn_close(c);
		return false;
	}
	buf_commit(&c->head, (size_t)n);
	return look_at_head(c);
}

void
conn_read_head(struct conn *c)
{
	while (read_head(c))
		;
}

void
conn_hush(struct conn *c)
{
	if (c->state == CONN_HEAD)
		conn_read_head(c);
	if (c->state == CONN_HEAD)
		conn_close(c);
}
