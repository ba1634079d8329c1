/*
 * conn_stderr - what a task has written to stderr: all that is kept of it, or a
 * stream that ends when the task has ended.
 *
 * Of a finished task the store knows it.  Of one that runs its worker does,
 * and tells as long as we follow: for a mere look only once.
 *
 * A follower that reads slower than the task writes costs FOLLOW_MAX bytes;
 * what does not fit is counted, and he is told, in the stream, in the place
 * where it is missing.
 */
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/conn_priv.h"

#define FOLLOW_MAX	(256 * 1024)	/* bytes not yet written */
#define FOLLOW_ROOM	256		/* kept free for the note */
#define LOOK_S		2		/* is he still there? */
#define WORKER_S	10		/* for its first word */
#define WRITES_PER_TURN	4

struct conn_follow {
	struct conn	*conn;
	struct follower	 follower;
	unsigned char	 id[TASK_ID_BYTES];
	bool		 follows;	/* the task has not ended */
	bool		 streams;	/* or else one look is enough */
	struct buf	 text;		/* to be written */
	uint64_t	 missed;	/* bytes, and not yet told so */
	struct event	*writable, *look;
};

void
conn_stderr_free(struct conn *c)
{
	struct conn_follow *l = c->follow;

	if (l == NULL)
		return;
	c->follow = NULL;
	if (l->follows)
		sched_follow_end(&l->follower);
	if (l->writable != NULL)
		event_free(l->writable);
	if (l->look != NULL)
		event_free(l->look);
	buf_fini(&l->text);
	free(l);
}

/* --- finished -------------------------------------------------------------- */

static void
on_stored(struct reading *r, const struct task *t)
{
	struct conn *c = (struct conn *)((char *)r -
	    offsetof(struct conn, u.reading));
	struct store_op *op = &r->op;

	c->owes_read_end = t != NULL;
	if (t == NULL || op->verdict == STORE_LOST)
		conn_refuse(c, PROBLEM_NO_TASK, NULL);
	else if (op->verdict != STORE_OK)
		conn_refuse_now(c, t);
	else
		conn_reply(c, view_log(&c->answer, &c->req, t,
		    op->outcome.log, op->outcome.log_len));
	message_fini(&op->message);
	blob_unref(&op->texts);
}

static void
show_stored(struct conn *c, const struct task *t)
{
	c->state = CONN_ASKED;
	c->u.reading.done = on_stored;
	sched_read(c->env->sched, t, &c->u.reading);
}

/* --- one look at what runs --------------------------------------------------- */

static void
on_looked(struct follower *f, const void *text, size_t len, uint64_t missed)
{
	struct conn_follow *l = (struct conn_follow *)((char *)f -
	    offsetof(struct conn_follow, follower));
	struct conn *c = l->conn;
	const struct task *t = sched_find(c->env->sched, l->id);

	(void)missed;
	conn_stderr_free(c);
	conn_reply(c, view_log(&c->answer, &c->req, t, text, len));
}

/* --- a stream ---------------------------------------------------------------- */

/* The next bytes, if there is room; a place without is remembered. */
static void
add(struct conn_follow *l, const void *text, size_t len)
{
	if (len == 0)
		return;
	if (l->missed > 0 || buf_len(&l->text) + len > FOLLOW_MAX ||
	    buf_add(&l->text, text, len) == -1)
		l->missed += len;
}

static void
tell_missed(struct conn_follow *l)
{
	if (l->missed > 0 && buf_printf(&l->text,
	    "\n[deferd: %ju bytes are missing here]\n",
	    (uintmax_t)l->missed) == 0)
		l->missed = 0;
}

/* Until it would block, or until it is others' turn.  False: he has gone. */
static bool
write_some(struct conn_follow *l)
{
	ssize_t n;

	for (int i = 0; i < WRITES_PER_TURN; i++) {
		if (buf_len(&l->text) == 0)
			tell_missed(l);
		if (buf_len(&l->text) == 0)
			return true;
		n = stream_write(l->conn->out, buf_data(&l->text),
		    buf_len(&l->text));
		if (n > 0)
			buf_consume(&l->text, (size_t)n);
		else
			return n == -1 && (errno == EAGAIN || errno == EINTR);
	}
	return true;
}

static void
finish(struct conn *c)
{
	if (!conn_has_door(c) || c->unread > 0)
		stream_refuse_input(c->in);
	conn_close(c);
}

static void
run(struct conn_follow *l)
{
	struct conn *c = l->conn;

	if (!write_some(l))
		conn_close(c);
	else if (buf_len(&l->text) == 0 && l->missed == 0 && !l->follows)
		finish(c);
	else if (buf_len(&l->text) > 0 && event_add(l->writable, NULL) == -1)
		conn_close(c);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	run(arg);
}

static void
on_said(struct follower *f, const void *text, size_t len, uint64_t missed)
{
	struct conn_follow *l = (struct conn_follow *)((char *)f -
	    offsetof(struct conn_follow, follower));

	l->missed += missed;
	if (buf_len(&l->text) < FOLLOW_MAX / 2)
		tell_missed(l);
	add(l, text, len);
	run(l);
}

/* --- both --------------------------------------------------------------------- */

static void
on_ended(struct follower *f, const struct task *t)
{
	struct conn_follow *l = (struct conn_follow *)((char *)f -
	    offsetof(struct conn_follow, follower));
	struct conn *c = l->conn;
	struct timeval tv = { 0 };

	l->follows = false;
	if (l->streams) {
		tv.tv_sec = c->env->conf->send_deadline_s;
		(void)evtimer_add(l->look, &tv);
		run(l);
		return;
	}
	conn_stderr_free(c);
	if (t == NULL)
		conn_refuse(c, PROBLEM_NO_TASK, NULL);
	else if (task_finished((enum task_state)t->state))
		show_stored(c, t);
	else
		conn_refuse(c, PROBLEM_DRAINING, NULL);
}

/*
 * Nobody sees a client leave to whom nothing is sent.  And when the task has
 * ended, he has had his time to read the rest.
 */
static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct timeval tv = { .tv_sec = LOOK_S };
	struct conn_follow *l = arg;
	struct conn *c = l->conn;

	(void)fd, (void)what;
	if (stream_gone(c->out) || (l->streams && !l->follows)) {
		conn_close(c);
	} else if (!l->streams) {
		conn_stderr_free(c);
		conn_refuse(c, PROBLEM_INTERNAL,
		    "The worker of the task does not answer.");
	} else if (event_add(l->look, &tv) == -1) {
		conn_close(c);
	}
}

static struct conn_follow *
follow_new(struct conn *c, const struct task *t, bool streams)
{
	struct conn_follow *l = calloc(1, sizeof(*l));
	struct timeval tv = { .tv_sec = streams ? LOOK_S : WORKER_S };

	if (l == NULL)
		return NULL;
	c->follow = l;
	l->conn = c;
	memcpy(l->id, t->id, TASK_ID_BYTES);
	l->streams = streams;
	l->follower.said = streams ? on_said : on_looked;
	l->follower.done = on_ended;
	buf_init(&l->text, FOLLOW_MAX + FOLLOW_ROOM);
	l->writable = event_new(c->env->base, c->out->fd, EV_WRITE,
	    on_writable, l);
	l->look = evtimer_new(c->env->base, on_look, l);
	if (l->writable == NULL || l->look == NULL ||
	    evtimer_add(l->look, &tv) == -1) {
		conn_stderr_free(c);
		return NULL;
	}
	return l;
}

static bool
wants_stream(const struct conn *c)
{
	static const char wish[] = "follow=1";
	const char *at = c->req.query;

	for (; at != NULL; at = strchr(at, '&')) {
		at += *at == '&';
		if (strncmp(at, wish, strlen(wish)) == 0 &&
		    (at[strlen(wish)] == '\0' || at[strlen(wish)] == '&'))
			return c->req.method != METHOD_HEAD &&
			    !stream_blocks(c->out);
	}
	return false;
}

/* The head of a stream leaves at once: it may be long until there is text. */
static void
follow(struct conn *c, const struct task *t, bool streams)
{
	struct conn_follow *l = follow_new(c, t, streams);

	if (l == NULL || (streams && (view_log_stream(&c->answer, t) ||
	    buf_add(&l->text, buf_data(&c->answer.head),
	    buf_len(&c->answer.head)))) ||
	    sched_follow(c->env->sched, t, &l->follower) == -1) {
		conn_stderr_free(c);
		answer_fini(&c->answer);
		conn_refuse(c, PROBLEM_INTERNAL, NULL);
		return;
	}
	l->follows = true;
	c->state = CONN_FOLLOW;
	answer_fini(&c->answer);
	buf_fini(&c->head);
	buf_fini(&c->share);
	if (!conn_has_door(c) && event_add(c->readable, NULL) == -1)
		conn_close(c);
	else if (streams)
		run(l);
}

void
conn_show_stderr(struct conn *c, const struct task *t)
{
	bool streams = wants_stream(c);

	if (task_finished((enum task_state)t->state))
		show_stored(c, t);
	else if (c->unread > 0 && !conn_has_door(c))
		conn_refuse(c, PROBLEM_BAD_REQUEST, "This takes no body.");
	else if ((!streams || sched_is_draining(c->env->sched)) &&
	    sched_job(c->env->sched, t) == NULL)
		conn_reply(c, view_log(&c->answer, &c->req, t, "", 0));
	else
		follow(c, t, streams);
}

void
conn_on_following(struct conn *c)
{
	if (stream_gone(&c->sock)) {
		conn_close(c);
		return;
	}
	/* At its end it may only have stopped to send. */
	if (conn_discard_stray(c) && event_add(c->readable, NULL) == -1)
		conn_close(c);
}

void
conn_stderr_end(struct conn *c)
{
	struct conn_follow *l = c->follow;

	if (!l->follows)
		return;
	sched_follow_end(&l->follower);
	on_ended(&l->follower, sched_find(c->env->sched, l->id));
}
