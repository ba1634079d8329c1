/*
 * conn_wait - requests that are held until their task ends (RFC 7240 4.3).
 */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include "daemon/master/conn_priv.h"
#include "daemon/master/owner.h"

#define RESPONSE_FDS	1	/* a response may be a file */

static unsigned int
streams(const struct conn *c)
{
	return conn_has_door(c) ? DOOR_FDS : 1;
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

	c->state = CONN_ASKED;
	c->env->holds(c->owner, streams(c) + RESPONSE_FDS, false);
	if (c->readable != NULL)
		event_del(c->readable);
	if (t != NULL)
		conn_show_status(c, t);
	else
		conn_refuse(c, PROBLEM_NO_TASK, NULL);
}

/*
 * Something comes from a plain client that waits: the rest of a body, or its
 * end.  One that has only stopped to send still wants its answer; one that
 * has gone frees its place.
 */
void
conn_on_waiting(struct conn *c)
{
	bool more = true;

	if (stream_gone(&c->sock)) {
		conn_close(c);
		return;
	}
	if (c->unread > 0)
		conn_discard_some(c);
	else
		more = conn_discard_stray(c);
	if (more && event_add(c->readable, NULL) == -1)
		conn_close(c);
}

/* False if it must not wait.  What it holds while it does is little. */
static bool
begin_wait(struct conn *c, const struct task *t)
{
	struct waiter *w = &c->u.waiter;
	int64_t seconds = patience(c, t);

	memset(w, 0, sizeof(*w));
	w->door = conn_has_door(c);
	w->done = on_waited;
	if (!sched_wait(c->env->sched, t, seconds, w))
		return false;
	c->state = CONN_WAIT;
	buf_fini(&c->head);
	buf_fini(&c->share);
	if (!w->door && event_add(c->readable, NULL) == -1)
		conn_close(c);
	else
		c->env->holds(c->owner, streams(c), true);
	return true;
}

/*
 * The answer to a request about a task, now or when the task has ended.  One
 * that joined a task and does not wait gets the 202 that made it.
 */
void
conn_show_task(struct conn *c, const struct task *t)
{
	if (task_finished((enum task_state)t->state)) {
		if (c->submits && patience(c, t) == 0)
			conn_show_unfinished(c, t);
		else
			conn_show_status(c, t);
	} else if (!begin_wait(c, t)) {
		conn_show_unfinished(c, t);
	}
}
