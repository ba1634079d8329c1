/*
 * conn_submit - from the head of a submission to its 202.
 */
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "daemon/master/conn_priv.h"
#include "daemon/master/owner.h"

static void
refuse_submission(struct conn *c, enum sched_verdict verdict)
{
	switch (verdict) {
	case SCHED_FULL:
		conn_refuse(c, PROBLEM_FULL, NULL);
		break;
	case SCHED_MANY:
		conn_refuse(c, PROBLEM_MANY, NULL);
		break;
	case SCHED_DRAINING:
		conn_refuse(c, PROBLEM_DRAINING, NULL);
		break;
	case SCHED_CLAIMED:
		conn_refuse(c, PROBLEM_KEY_REUSED, NULL);
		break;
	case SCHED_NO_ROUTE:
		conn_refuse(c, PROBLEM_NO_ROUTE, NULL);
		break;
	default:
		conn_refuse(c, PROBLEM_STORE, NULL);
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
	conn_show_task(c, t);
}

static void
submit(struct conn *c)
{
	struct submission *sub = &c->u.submission;

	c->state = CONN_ASKED;
	sub->method = c->req.method;
	sub->method_name = c->req.method_name;
	sub->path = c->req.path;
	sub->owner = c->req.owner;
	sub->claim = c->claim != NULL ? &c->claim->store : NULL;
	if (sub->limit == SCHED_ACCEPTED && !intake_has_room(&c->intake))
		sub->limit = SCHED_FULL;
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
		conn_refuse(c, PROBLEM_STORE, NULL);
	else if (was_aborted(c))
		conn_refuse(c, PROBLEM_BAD_REQUEST, "the body was cut short");
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
	c->state = CONN_ASKED;
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
		conn_refuse(c, PROBLEM_BAD_REQUEST, "the body was cut short");
		break;
	case INTAKE_LATE:
		c->garbled = true;
		conn_refuse(c, PROBLEM_BAD_REQUEST, "the body came too slowly");
		break;
	case INTAKE_LARGE:
		conn_refuse(c, PROBLEM_BODY_LARGE, NULL);
		break;
	case INTAKE_FULL:
		conn_refuse(c, PROBLEM_FULL, NULL);
		break;
	default:
		conn_refuse(c, PROBLEM_STORE, NULL);
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
	in->small_anyway = c->claim != NULL;
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
static const char *
variable(const struct conn *c, const char *name)
{
	const char *value = scgi_find(&c->req.scgi, name);

	return value != NULL ? value : "";
}

static void
set_share(struct conn *c, struct submission *sub, const struct conf_route *r)
{
	const char *user = c->req.user;
	const char *host = c->req.host;

	if (!r->share || c->req.method != METHOD_GET ||
	    c->req.content_length != 0)
		return;
	if (buf_printf(&c->share, "%u%c%s%c%s%c%s%c%s%c%s%c%s%c%s", sub->route, 0,
	    user != NULL ? user : "", 0, host != NULL ? host : "", 0,
	    variable(c, "SERVER_PORT"), 0, variable(c, "HTTPS"), 0,
	    c->req.mount, 0, c->req.path, 0, c->req.query) == -1)
		return;
	sub->share = buf_data(&c->share);
	sub->share_len = buf_len(&c->share);
}

void
conn_begin_submit(struct conn *c, const struct conf_route *r)
{
	struct submission *sub = &c->u.submission;

	memset(sub, 0, sizeof(*sub));
	sub->request = MESSAGE_EMPTY;
	sub->route = sched_route(c->env->sched, r);
	if (c->req.content_length > r->limits.max_body_bytes) {
		conn_refuse(c, PROBLEM_BODY_LARGE, NULL);
		return;
	}
	c->claim = claim_new(&c->req, r->name);
	if (c->claim == NULL && errno != 0) {
		if (errno == EINVAL)
			conn_refuse(c, PROBLEM_BAD_REQUEST,
			    "the Idempotency-Key is no key");
		else
			conn_refuse(c, PROBLEM_INTERNAL, NULL);
		return;
	}
	sub->client = client_name(c);
	set_share(c, sub, r);
	sub->limit = sched_admit(c->env->sched, sub);
	if (sub->limit == SCHED_ACCEPTED || c->claim != NULL)
		read_body(c, r);
	else
		refuse_submission(c, sub->limit);
}
