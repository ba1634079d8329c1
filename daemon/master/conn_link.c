/*
 * conn_link - what is asked at the link of a task.
 */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include "daemon/master/clock.h"
#include "daemon/master/conn_priv.h"

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

/*
 * For a browser, what comes over the control socket is of one origin, that of
 * the operator's page and its buttons.  What a task has written may look there
 * as it likes, but run nothing (CSP 3, 6.3.2).
 */
static int
confine(struct conn *c)
{
	return c->trusted ? view_add(&c->answer, "Content-Security-Policy",
	    "sandbox") : 0;
}

static void
on_read(struct reading *r, const struct task *t)
{
	struct conn *c = conn_of_reading(r);

	c->owes_read_end = t != NULL;
	if (t == NULL || r->op.verdict == STORE_LOST) {
		message_fini(&r->op.message);
		blob_unref(&r->op.texts);
		conn_refuse(c, PROBLEM_NO_TASK, NULL);
		return;
	}
	if (r->op.body_lost) {
		conn_refuse(c, PROBLEM_INTERNAL,
		    "The response is lost: its file has gone.");
		return;
	}
	if (r->op.verdict != STORE_OK) {
		conn_refuse_now(c, t);
		return;
	}
	conn_reply(c, view_finished(&c->answer, &c->req, t, &r->op,
	    c->env->debug) || confine(c) || say_applied(c, false, true) ?
	    -1 : 0);
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
		conn_refuse(c, PROBLEM_NO_TASK, NULL);
	else if (r->op.verdict != STORE_OK)
		conn_refuse_now(c, t);
	else
		return true;
	return false;
}

static void
free_info(struct store_op *op)
{
	message_fini(&op->message);
	blob_unref(&op->texts);
	blob_unref(&op->tries);
}

void
conn_on_info(struct reading *r, const struct task *t)
{
	struct conn *c = conn_of_reading(r);
	struct view_progress progress;
	struct view_info info;

	if (has_info(c, r, t)) {
		info.progress = progress_of(c, t, &progress);
		info.expires_ms = sched_expires_ms(t);
		conn_reply(c, view_info(&c->answer, &c->req, t, &r->op, &info));
	}
	free_info(&r->op);
}

void
conn_read_info(struct conn *c, const struct task *t,
    void (*done)(struct reading *, const struct task *))
{
	c->state = CONN_ASKED;
	c->u.reading.done = done;
	sched_read_info(c->env->sched, t, &c->u.reading);
}

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
		conn_show_status(c, t);	/* meanwhile */
	else
		conn_reply(c, view_waiting(&c->answer, &c->req, t,
		    progress_of(c, t, &progress), op.path, clock_wall_ms()));
	free_info(&op);
}

static void
show_pending(struct conn *c, const struct task *t)
{
	struct view_progress progress;

	if (c->answer.html)
		conn_read_info(c, t, on_pending_info);
	else
		conn_reply(c, view_pending(&c->answer, &c->req, t,
		    progress_of(c, t, &progress), clock_wall_ms()));
}

void
conn_show_unfinished(struct conn *c, const struct task *t)
{
	if (c->submits)
		conn_reply(c, view_accepted(&c->answer, &c->req, t) ||
		    say_applied(c, true, false) ? -1 : 0);
	else
		show_pending(c, t);
}

void
conn_show_status(struct conn *c, const struct task *t)
{
	if (!task_finished((enum task_state)t->state)) {
		conn_show_unfinished(c, t);
		return;
	}
	c->state = CONN_ASKED;
	c->u.reading.done = on_read;
	sched_read(c->env->sched, t, &c->u.reading);
}

static void
on_removed(struct removal *r, enum removal_verdict verdict,
    const struct task *t)
{
	struct conn *c = (struct conn *)((char *)r -
	    offsetof(struct conn, u.removal));

	switch (verdict) {
	case REMOVAL_DONE:
		if (!r->only_cancel || !c->answer.html)
			conn_reply(c, view_no_content(&c->answer, t, 0));
		else if (c->trusted)
			conn_reply(c, view_see(&c->answer, &c->req, "/tasks"));
		else
			conn_reply(c, view_moved(&c->answer, &c->req, t));
		break;
	case REMOVAL_UNKNOWN:
		conn_refuse(c, PROBLEM_NO_TASK, NULL);
		break;
	default:
		conn_refuse_now(c, sched_find(c->env->sched, r->id));
		break;
	}
}

/*
 * A form on a page from elsewhere could post to <link>/cancel, too, with the
 * cookies and the password of a person who looks at that page.  It would have
 * to know the link for that, which is the secret of the task.
 */
void
conn_remove_task(struct conn *c, const struct route_to *to)
{
	c->state = CONN_ASKED;
	memset(&c->u.removal, 0, sizeof(c->u.removal));
	c->u.removal.only_cancel = to->action == ROUTE_CANCEL;
	memcpy(c->u.removal.id, to->id, TASK_ID_BYTES);
	c->u.removal.done = on_removed;
	sched_remove(c->env->sched, &c->u.removal);
}
