#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/scgi.h"
#include "ipc/sock.h"
#include "daemon/log.h"
#include "daemon/request.h"
#include "daemon/master/accept.h"
#include "daemon/master/claim.h"
#include "daemon/master/clock.h"
#include "daemon/master/conn.h"
#include "daemon/master/intake.h"
#include "daemon/master/outlet.h"
#include "daemon/master/owner.h"
#include "daemon/master/prefer.h"
#include "daemon/master/route.h"
#include "daemon/master/view.h"

#define HEAD_READ	4096	/* bytes: most heads fit */
#define HEAD_CAP	(SCGI_HEAD_MAX + 2 * HEAD_READ)
#define LINGER_S	2	/* for a peer that is still sending nonsense */
#define DOOR_FDS	2	/* its stdin and its stdout */
#define RESPONSE_FDS	1	/* a response may be a file */
#define DISCARDS_PER_TURN 4	/* then the other connections have theirs */

enum conn_state {
	CONN_HEAD,
	CONN_BODY,
	CONN_STORE,
	CONN_WAIT,
	CONN_DRAIN,
	CONN_ANSWER,
	CONN_LINGER,
	CONN_CLOSED
};

struct conn {
	const struct conn_env *env;
	void		*owner;
	enum conn_state	 state;
	struct stream	 sock;		/* the connection; closed behind a door */
	struct stream	 passed[DOOR_FDS]; /* stdin and stdout of a door */
	struct stream	*in, *out;	/* where body and answer go */
	struct event	*readable;	/* of sock: HEAD, WAIT, DRAIN, LINGER */
	int64_t		 deadline_ms;	/* monotonic: HEAD, DRAIN, LINGER */
	struct buf	 head;		/* and what came behind it */
	struct blob	*block;		/* the request block */
	struct request	 req;
	bool		 has_req;
	bool		 trusted;	/* it is the operator */
	bool		 garbled;	/* nobody knows where the request ends */
	uint64_t	 unread;	/* bytes of body still to come, at least */
	struct intake	 intake;
	struct claim	*claim;		/* NULL: no Idempotency-Key */
	struct outlet	 outlet;
	struct answer	 answer;
	struct prefer	 prefer;
	struct buf	 share;		/* submission.share */
	bool		 submits;	/* it has made a task, or joined one */
	bool		 owes_read_end;
	union {
		struct submission submission;
		struct reading	 reading;
		struct removal	 removal;
		struct waiter	 waiter;	/* WAIT */
	} u;				/* STORE */
};

static bool
has_door(const struct conn *c)
{
	return c->in == &c->passed[0];
}

/* --- the end --------------------------------------------------------------- */

static void
close_conn(struct conn *c)
{
	if (c->state == CONN_CLOSED)
		return;
	if (c->state == CONN_WAIT)
		sched_wait_end(&c->u.waiter);
	c->state = CONN_CLOSED;
	if (c->readable != NULL)
		event_del(c->readable);
	if (c->owes_read_end)
		sched_read_end(c->env->sched, c->u.reading.id);
	c->owes_read_end = false;
	c->env->closed(c->owner);
}

void
conn_free(struct conn *c)
{
	if (c->readable != NULL)
		event_free(c->readable);
	if (c->env->store == NULL)
		c->intake.store = NULL;
	if (c->state == CONN_WAIT)
		sched_wait_end(&c->u.waiter);
	intake_fini(&c->intake);
	outlet_fini(&c->outlet);
	answer_fini(&c->answer);
	if (c->has_req)
		request_fini(&c->req);
	free(c->claim);
	blob_unref(&c->block);
	buf_fini(&c->head);
	buf_fini(&c->share);
	stream_close(&c->sock);
	stream_close(&c->passed[0]);
	stream_close(&c->passed[1]);
	free(c);
}

static void
wait_for_input(struct conn *c)
{
	int64_t ms = c->deadline_ms - clock_mono_ms();
	struct timeval tv;

	if (ms < 1)
		ms = 1;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	if (event_add(c->readable, &tv) == -1)
		close_conn(c);
}

static void
set_deadline(struct conn *c, int64_t seconds)
{
	c->deadline_ms = clock_mono_ms() + 1000 * seconds;
}

/* Asked after reading: what came in time counts, however late it is read. */
static bool
is_late(const struct conn *c)
{
	return clock_mono_ms() >= c->deadline_ms;
}

/* --- the answer -------------------------------------------------------------- */

/*
 * A socket that is closed with unread bytes resets its peer, which may lose
 * the answer.  Most often there are none.
 */
static void
on_sent(struct outlet *o, bool sent)
{
	struct conn *c = o->arg;

	if (has_door(c)) {
		if (c->unread > 0 || c->garbled)
			stream_refuse_input(c->in);
		close_conn(c);
		return;
	}
	if (!sent || !c->garbled) {
		if (sent)
			stream_refuse_input(&c->sock);
		close_conn(c);
		return;
	}
	(void)shutdown(c->sock.fd, SHUT_WR);
	c->state = CONN_LINGER;
	set_deadline(c, LINGER_S);
	wait_for_input(c);
}

static void
send_answer(struct conn *c)
{
	if (c->has_req && c->req.method == METHOD_HEAD)
		body_fini(&c->answer.body);
	c->state = CONN_ANSWER;
	c->outlet.base = c->env->base;
	c->outlet.io = c->env->io;
	c->outlet.out = c->out;
	c->outlet.answer = &c->answer;
	c->outlet.deadline_s = c->env->conf->send_deadline_s;
	c->outlet.done = on_sent;
	c->outlet.arg = c;
	outlet_start(&c->outlet);
}

/*
 * The answer is made; is the server ready for it?  nginx and mod_proxy_scgi
 * read no answer before they have sent the body; behind a door it is the
 * other way round: the answer first, and then no more input.
 */
static void
reply(struct conn *c, int made)
{
	if (made == -1) {
		log_error("answer-failed error=\"no memory\"");
		close_conn(c);
		return;
	}
	if (c->unread == 0 || c->garbled || has_door(c)) {
		send_answer(c);
		return;
	}
	c->state = CONN_DRAIN;
	set_deadline(c, c->env->conf->body_deadline_s);
	wait_for_input(c);
}

static void
refuse(struct conn *c, enum problem problem, const char *detail)
{
	reply(c, view_problem(&c->answer, problem, detail, NULL, 0));
}

/* The store cannot read or change a task that is there, and stays. */
static void
refuse_now(struct conn *c, const struct task *t)
{
	reply(c, view_problem(&c->answer, PROBLEM_STORE,
	    "The store does not answer now; the task is as it was.", t, 0));
}

/* Reads and forgets.  False when there is nothing more now. */
static bool
discard(struct conn *c)
{
	char rest[16384];
	ssize_t n = recv(c->sock.fd, rest, sizeof(rest), MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0 || (uint64_t)n >= c->unread)
		c->unread = 0;
	else
		c->unread -= (uint64_t)n;
	return n > 0;
}

static void
discard_some(struct conn *c)
{
	int i = 0;

	while (i++ < DISCARDS_PER_TURN && c->unread > 0 && discard(c))
		;
}

static void
on_drainable(struct conn *c)
{
	discard_some(c);
	if (c->unread == 0 || is_late(c))
		send_answer(c);
	else
		wait_for_input(c);
}

static void
on_lingering(struct conn *c)
{
	c->unread = UINT64_MAX;
	discard_some(c);
	if (c->unread == 0 || is_late(c))
		close_conn(c);
	else
		wait_for_input(c);
}

/* --- submitting -------------------------------------------------------------- */

static void
refuse_submission(struct conn *c, enum sched_verdict verdict)
{
	switch (verdict) {
	case SCHED_FULL:
		refuse(c, PROBLEM_FULL, NULL);
		break;
	case SCHED_MANY:
		refuse(c, PROBLEM_MANY, NULL);
		break;
	case SCHED_DRAINING:
		refuse(c, PROBLEM_DRAINING, NULL);
		break;
	case SCHED_CLAIMED:
		refuse(c, PROBLEM_KEY_REUSED, NULL);
		break;
	case SCHED_NO_ROUTE:
		refuse(c, PROBLEM_NO_ROUTE, NULL);
		break;
	default:
		refuse(c, PROBLEM_STORE, NULL);
		break;
	}
}

/* What was not accepted goes, with its file and its reservation. */
static void
drop_request(struct conn *c, struct submission *sub)
{
	uint64_t file = sub->request.body.file;
	bool spooled = sub->request.body.fd != -1;

	message_fini(&sub->request);
	if (spooled)
		store_spool_drop(c->env->store, file);
	store_release(c->env->store, c->intake.reserved_bytes);
	c->intake.reserved_bytes = 0;
}

static struct conn *
conn_of_submission(struct submission *sub)
{
	return (struct conn *)((char *)sub -
	    offsetof(struct conn, u.submission));
}

static void	show_task(struct conn *, const struct task *);

static void
on_submitted(struct submission *sub, enum sched_verdict verdict,
    const struct task *t)
{
	struct conn *c = conn_of_submission(sub);

	if (verdict != SCHED_ACCEPTED)
		drop_request(c, sub);
	c->intake.reserved_bytes = 0;
	if (t == NULL) {
		refuse_submission(c, verdict);
		return;
	}
	c->submits = true;
	show_task(c, t);
}

static void
submit(struct conn *c)
{
	struct submission *sub = &c->u.submission;

	c->state = CONN_STORE;
	sub->method = c->req.method;
	sub->method_name = c->req.method_name;
	sub->path = c->req.path;
	sub->owner = c->req.owner;
	sub->claim = c->claim != NULL ? &c->claim->store : NULL;
	sub->request.head = blob_ref(c->block);
	body_take(&sub->request.body, &c->intake.body);
	sub->done = on_submitted;
	sched_submit(c->env->sched, sub);
}

/*
 * A chunked upload that was aborted ends like one that is complete; that the
 * web server has hung up is the only sign.
 */
static bool
was_aborted(const struct conn *c)
{
	return c->req.content_length == SCGI_LENGTH_UNKNOWN &&
	    stream_gone(c->out);
}

static void
on_claimed(void *arg, bool ok)
{
	struct conn *c = arg;

	if (!ok)
		refuse(c, PROBLEM_STORE, NULL);
	else if (was_aborted(c))
		refuse(c, PROBLEM_BAD_REQUEST, "the body was cut short");
	else
		submit(c);
}

static void
claim_or_submit(struct conn *c)
{
	if (c->claim == NULL) {
		submit(c);
		return;
	}
	c->state = CONN_STORE;
	claim_make(c->claim, c->env->io, &c->intake.body, on_claimed, c);
}

static void
on_body(struct intake *in, enum intake_verdict verdict)
{
	struct conn *c = in->arg;

	if (verdict == INTAKE_DONE && was_aborted(c))
		verdict = INTAKE_SHORT;
	if (verdict == INTAKE_DONE || verdict == INTAKE_SHORT)
		c->unread = 0;
	else if (c->req.content_length != SCGI_LENGTH_UNKNOWN)
		c->unread = (uint64_t)c->req.content_length - in->got_bytes;
	switch (verdict) {
	case INTAKE_DONE:
		claim_or_submit(c);
		break;
	case INTAKE_SHORT:
		refuse(c, PROBLEM_BAD_REQUEST, "the body was cut short");
		break;
	case INTAKE_LATE:
		c->garbled = true;
		refuse(c, PROBLEM_BAD_REQUEST, "the body came too slowly");
		break;
	case INTAKE_LARGE:
		refuse(c, PROBLEM_BODY_LARGE, NULL);
		break;
	case INTAKE_FULL:
		refuse(c, PROBLEM_FULL, NULL);
		break;
	default:
		refuse(c, PROBLEM_STORE, NULL);
		break;
	}
}

static void
read_body(struct conn *c, const struct conf_route *r)
{
	struct intake *in = &c->intake;

	c->state = CONN_BODY;
	in->base = c->env->base;
	in->store = c->env->store;
	in->io = c->env->io;
	in->in = c->in;
	in->expected_bytes = c->req.content_length;
	in->max_bytes = r->limits.max_body_bytes;
	in->inline_bytes = c->env->conf->inline_bytes;
	in->deadline_s = c->env->conf->body_deadline_s;
	in->done = on_body;
	in->arg = c;
	intake_start(in, buf_data(&c->head), buf_len(&c->head));
}

/* Whose share of the tasks it takes from: a user's, else an address's. */
static const char *
client_name(const struct conn *c)
{
	const char *user = c->req.user;

	return user != NULL ? user : scgi_find(&c->req.scgi, "REMOTE_ADDR");
}

/* What another GET has to have in common with this one to get its task. */
static void
set_share(struct conn *c, struct submission *sub, const struct conf_route *r)
{
	const char *user = c->req.user;
	const char *host = c->req.host;

	if (!r->share || c->req.method != METHOD_GET ||
	    c->req.content_length != 0)
		return;
	if (buf_printf(&c->share, "%u%c%s%c%s%c%s%c%s", sub->route, 0,
	    user != NULL ? user : "", 0, host != NULL ? host : "", 0,
	    c->req.path, 0, c->req.query) == -1)
		return;
	sub->share = buf_data(&c->share);
	sub->share_len = buf_len(&c->share);
}

static void
begin_submit(struct conn *c, const struct conf_route *r)
{
	struct submission *sub = &c->u.submission;
	enum sched_verdict verdict;

	memset(sub, 0, sizeof(*sub));
	sub->request = MESSAGE_EMPTY;
	sub->route = sched_route(c->env->sched, r);
	if (c->req.content_length > r->limits.max_body_bytes) {
		refuse(c, PROBLEM_BODY_LARGE, NULL);
		return;
	}
	c->claim = claim_new(&c->req, r->name);
	if (c->claim == NULL && errno != 0) {
		if (errno == EINVAL)
			refuse(c, PROBLEM_BAD_REQUEST,
			    "the Idempotency-Key is no key");
		else
			refuse(c, PROBLEM_INTERNAL, NULL);
		return;
	}
	sub->client = client_name(c);
	set_share(c, sub, r);
	verdict = sched_admit(c->env->sched, sub);
	if (verdict != SCHED_ACCEPTED)
		refuse_submission(c, verdict);
	else
		read_body(c, r);
}

/* --- the link ---------------------------------------------------------------- */

static struct conn *
conn_of_reading(struct reading *r)
{
	return (struct conn *)((char *)r - offsetof(struct conn, u.reading));
}

/* Which of the request's preferences the answer follows (RFC 7240 3). */
static int
say_applied(struct conn *c, bool async, bool wait)
{
	struct prefer applied = c->prefer;
	char text[PREFER_TEXT];

	applied.async = applied.async && async;
	applied.wait = applied.wait && wait;
	if (prefer_applied(&applied, text)[0] == '\0')
		return 0;
	return view_add(&c->answer, "Preference-Applied", text);
}

static void
on_read(struct reading *r, const struct task *t)
{
	struct conn *c = conn_of_reading(r);

	c->owes_read_end = t != NULL;
	if (t == NULL || r->op.verdict == STORE_LOST) {
		message_fini(&r->op.message);
		blob_unref(&r->op.texts);
		refuse(c, PROBLEM_NO_TASK, NULL);
		return;
	}
	if (r->op.verdict != STORE_OK) {
		refuse_now(c, t);
		return;
	}
	reply(c, view_finished(&c->answer, &c->req, t, &r->op,
	    c->env->debug) || say_applied(c, false, true) ? -1 : 0);
	message_fini(&r->op.message);
	blob_unref(&r->op.texts);
}

/* What it says of itself, in *p; NULL if it has said nothing. */
static const struct view_progress *
progress_of(struct conn *c, const struct task *t, struct view_progress *p)
{
	const struct job *job = sched_job(c->env->sched, t);

	if (job == NULL || job->percent < 0)
		return NULL;
	*p = (struct view_progress){ job->percent, job->message };
	return p;
}

/* Whether there is something to show; if not, that is answered. */
static bool
has_info(struct conn *c, const struct reading *r, const struct task *t)
{
	if (t == NULL || r->op.verdict == STORE_LOST)
		refuse(c, PROBLEM_NO_TASK, NULL);
	else if (r->op.verdict != STORE_OK)
		refuse_now(c, t);
	else
		return true;
	return false;
}

static void
free_info(struct store_op *op)
{
	message_fini(&op->message);
	blob_unref(&op->texts);
}

static void
on_info(struct reading *r, const struct task *t)
{
	struct conn *c = conn_of_reading(r);
	struct view_progress progress;
	struct view_info info;

	if (has_info(c, r, t)) {
		info.progress = progress_of(c, t, &progress);
		info.expires_ms = sched_expires_ms(t);
		reply(c, view_info(&c->answer, &c->req, t, &r->op, &info));
	}
	free_info(&r->op);
}

static void
read_info(struct conn *c, const struct task *t,
    void (*done)(struct reading *, const struct task *))
{
	c->state = CONN_STORE;
	c->u.reading.done = done;
	sched_read_info(c->env->sched, t, &c->u.reading);
}

static void	show_status(struct conn *, const struct task *);

/* For a page: the table does not know what a task is about. */
static void
on_pending_info(struct reading *r, const struct task *t)
{
	struct conn *c = conn_of_reading(r);
	struct store_op op = r->op;	/* the next reading is in its place */
	struct view_progress progress;

	if (!has_info(c, r, t))
		;
	else if (task_finished((enum task_state)t->state))
		show_status(c, t);	/* meanwhile */
	else
		reply(c, view_waiting(&c->answer, &c->req, t,
		    progress_of(c, t, &progress), op.path, clock_wall_ms()));
	free_info(&op);
}

static void
show_pending(struct conn *c, const struct task *t)
{
	struct view_progress progress;

	if (c->answer.html)
		read_info(c, t, on_pending_info);
	else
		reply(c, view_pending(&c->answer, &c->req, t,
		    progress_of(c, t, &progress), clock_wall_ms()));
}

static void
show_unfinished(struct conn *c, const struct task *t)
{
	if (c->submits)
		reply(c, view_accepted(&c->answer, &c->req, t) ||
		    say_applied(c, true, false) ? -1 : 0);
	else
		show_pending(c, t);
}

static void
show_status(struct conn *c, const struct task *t)
{
	if (!task_finished((enum task_state)t->state)) {
		show_unfinished(c, t);
		return;
	}
	c->state = CONN_STORE;
	c->u.reading.done = on_read;
	sched_read(c->env->sched, t, &c->u.reading);
}

/* --- waiting (RFC 7240 4.3) ---------------------------------------------------- */

static unsigned int
streams(const struct conn *c)
{
	return has_door(c) ? DOOR_FDS : 1;
}

/* For how many seconds it is held open until the task has ended. */
static int64_t
patience(const struct conn *c, const struct task *t)
{
	const struct conf_route *r = sched_route_conf(c->env->sched, t->route);
	int64_t most = r != NULL ? r->limits.max_wait_s :
	    c->env->conf->limits.max_wait_s;

	if (c->prefer.wait)
		return c->prefer.wait_s < most ? c->prefer.wait_s : most;
	return c->submits && r != NULL && r->respond_prefer &&
	    !c->prefer.async ? most : 0;
}

static void
on_waited(struct waiter *w, const struct task *t)
{
	struct conn *c = (struct conn *)((char *)w -
	    offsetof(struct conn, u.waiter));

	c->state = CONN_STORE;
	c->env->holds(c->owner, streams(c) + RESPONSE_FDS, false);
	if (c->readable != NULL)
		event_del(c->readable);
	if (t != NULL)
		show_status(c, t);
	else
		refuse(c, PROBLEM_NO_TASK, NULL);
}

/*
 * Something comes from a plain client that waits: the rest of a body, or its
 * end.  One that has only stopped to send still wants its answer; one that
 * has gone frees its place.
 */
static void
on_waiting(struct conn *c)
{
	bool body = c->unread > 0;

	if (stream_gone(&c->sock)) {
		close_conn(c);
		return;
	}
	if (!body)
		c->unread = UINT64_MAX;
	discard_some(c);
	if ((body || c->unread > 0) && event_add(c->readable, NULL) == -1)
		close_conn(c);
	if (!body)
		c->unread = 0;
}

/* False if it must not wait.  What it holds while it does is little. */
static bool
begin_wait(struct conn *c, const struct task *t)
{
	struct waiter *w = &c->u.waiter;
	int64_t seconds = patience(c, t);

	memset(w, 0, sizeof(*w));
	w->door = has_door(c);
	w->done = on_waited;
	if (!sched_wait(c->env->sched, t, seconds, w))
		return false;
	c->state = CONN_WAIT;
	buf_fini(&c->head);
	buf_fini(&c->share);
	if (!w->door && event_add(c->readable, NULL) == -1)
		close_conn(c);
	else
		c->env->holds(c->owner, streams(c), true);
	return true;
}

/*
 * The answer to a request about a task, now or when the task has ended.  One
 * that joined a task and does not wait gets the 202 that made it.
 */
static void
show_task(struct conn *c, const struct task *t)
{
	if (task_finished((enum task_state)t->state)) {
		if (c->submits && patience(c, t) == 0)
			show_unfinished(c, t);
		else
			show_status(c, t);
	} else if (!begin_wait(c, t)) {
		show_unfinished(c, t);
	}
}

static void
on_removed(struct removal *r, enum removal_verdict verdict,
    const struct task *t)
{
	struct conn *c = (struct conn *)((char *)r -
	    offsetof(struct conn, u.removal));

	switch (verdict) {
	case REMOVAL_DONE:
		reply(c, r->only_cancel && c->answer.html ?
		    view_moved(&c->answer, &c->req, t) :
		    view_no_content(&c->answer, t, 0));
		break;
	case REMOVAL_UNKNOWN:
		refuse(c, PROBLEM_NO_TASK, NULL);
		break;
	default:
		refuse_now(c, sched_find(c->env->sched, r->id));
		break;
	}
}

/*
 * A form on a page from elsewhere could post to <link>/cancel, too, with the
 * cookies and the password of a person who looks at that page.  It would have
 * to know the link for that, which is the secret of the task.
 */
static void
remove_task(struct conn *c, const struct route_to *to)
{
	c->state = CONN_STORE;
	memset(&c->u.removal, 0, sizeof(c->u.removal));
	c->u.removal.only_cancel = to->action == ROUTE_CANCEL;
	memcpy(c->u.removal.id, to->id, TASK_ID_BYTES);
	c->u.removal.done = on_removed;
	sched_remove(c->env->sched, &c->u.removal);
}

/* --- the head ---------------------------------------------------------------- */

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

	route_decide(&c->req, c->env->conf, &to);
	prefer_parse(&c->prefer, scgi_find(&c->req.scgi, "HTTP_PREFER"));
	if (to.is_link && (t = find_task(c, &to)) == NULL) {
		refuse(c, PROBLEM_NO_TASK, NULL);
		return;
	}
	switch (to.action) {
	case ROUTE_SUBMIT:
		begin_submit(c, to.route);
		break;
	case ROUTE_STATUS:
		show_task(c, t);
		break;
	case ROUTE_REMOVE:
	case ROUTE_CANCEL:
		remove_task(c, &to);
		break;
	case ROUTE_INFO:
		read_info(c, t, on_info);
		break;
	case ROUTE_OPTIONS:
		reply(c, view_no_content(&c->answer, t, to.allow));
		break;
	case ROUTE_NOT_ALLOWED:
		reply(c, view_problem(&c->answer, PROBLEM_METHOD, NULL, t,
		    to.allow));
		break;
	case ROUTE_NO_TASK:
		refuse(c, PROBLEM_NO_TASK, NULL);
		break;
	default:
		refuse(c, PROBLEM_NO_ROUTE, NULL);
		break;
	}
}

static void
refuse_head(struct conn *c, int status, const char *why)
{
	switch (status) {
	case 403:
		refuse(c, PROBLEM_NO_SCRIPT, why);
		break;
	case 404:
		refuse(c, PROBLEM_NO_ROUTE, why);
		break;
	case 431:
		refuse(c, PROBLEM_HEAD_LARGE, why);
		break;
	case 500:
		refuse(c, PROBLEM_INTERNAL, why);
		break;
	default:
		refuse(c, PROBLEM_BAD_REQUEST, why);
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
	const char *why = NULL;
	int status;

	c->block = blob_new(scgi.block, scgi.len);
	if (c->block == NULL) {
		c->garbled = true;
		refuse(c, PROBLEM_INTERNAL, NULL);
		return;
	}
	buf_consume(&c->head, head_bytes);
	scgi.block = (const char *)c->block->data;
	c->unread = body_behind(c, scgi_content_length(&scgi));
	c->garbled = c->unread == UINT64_MAX && !has_door(c);
	c->answer.html = accept_html(scgi_find(&scgi, "HTTP_ACCEPT"));
	status = request_init(&c->req, &scgi, c->env->conf, &why);
	if (status != 0) {
		refuse_head(c, status, why);
		return;
	}
	c->has_req = true;
	if (c->garbled) {
		refuse(c, PROBLEM_BAD_REQUEST, "no CONTENT_LENGTH");
		return;
	}
	act(c);
}

/* The door has gone by now; its connection has nothing more to say. */
static void
leave_door(struct conn *c)
{
	if (!has_door(c))
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
	log_warn("bad-descriptors count=%d", nfds);
	for (int i = taken; i < nfds; i++)
		close(fds[i]);
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
		close_conn(c);
		return false;
	}
	n = sock_recv(c->sock.fd, to, HEAD_READ, MSG_DONTWAIT, fds, &nfds,
	    &truncated);
	if (n == -1 && errno == EINTR)
		return true;
	if (n == -1 && errno == EAGAIN) {
		if (is_late(c))
			close_conn(c);
		else
			wait_for_input(c);
		return false;
	}
	if (n == 0 && buf_len(&c->head) > 0) {
		leave_door(c);
		c->garbled = true;
		refuse_head(c, 400, "the head was cut short");
		return false;
	}
	if (n <= 0 || truncated || !take_descriptors(c, fds, nfds)) {
		close_conn(c);
		return false;
	}
	buf_commit(&c->head, (size_t)n);
	return look_at_head(c);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	switch (c->state) {
	case CONN_HEAD:
		conn_start(c);
		break;
	case CONN_WAIT:
		on_waiting(c);
		break;
	case CONN_DRAIN:
		on_drainable(c);
		break;
	case CONN_LINGER:
		on_lingering(c);
		break;
	default:
		break;
	}
}

void
conn_trust(struct conn *c)
{
	c->trusted = true;
}

void
conn_start(struct conn *c)
{
	while (read_head(c))
		;
}

struct conn *
conn_new(const struct conn_env *env, int fd, void *owner)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->env = env;
	c->owner = owner;
	c->sock = (struct stream){ .fd = fd, .kind = STREAM_SOCKET };
	c->passed[0] = c->passed[1] = STREAM_CLOSED;
	c->in = c->out = &c->sock;
	buf_init(&c->head, HEAD_CAP);
	buf_init(&c->share, HEAD_CAP);
	intake_init(&c->intake);
	outlet_init(&c->outlet);
	answer_init(&c->answer);
	c->readable = event_new(env->base, fd, EV_READ, on_readable, c);
	if (c->readable == NULL) {
		c->sock = STREAM_CLOSED;
		conn_free(c);
		return NULL;
	}
	set_deadline(c, env->conf->head_deadline_s);
	return c;
}
