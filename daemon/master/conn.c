#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/clock.h"
#include "daemon/master/conn_priv.h"
#include "daemon/master/owner.h"

void
conn_close(struct conn *c)
{
	if (c->state == CONN_CLOSED)
		return;
	if (c->state == CONN_WAIT)
		sched_wait_end(&c->u.waiter);
	conn_stderr_free(c);
	c->state = CONN_CLOSED;
	if (c->readable != NULL)
		event_del(c->readable);
	if (c->owes_read_end)
		sched_read_end(c->env->sched, c->u.reading.id);
	c->owes_read_end = false;
	c->env->closed(c->owner);
}

/* A file of a stranger's, to be closed beside the loop. */
struct parting {
	struct work	 work;
	struct stream	 stream;
};

static void
parting_run(struct work *w)
{
	struct parting *p = (struct parting *)((char *)w -
	    offsetof(struct parting, work));

	stream_close(&p->stream);
	free(p);
}

/*
 * Closing a file asks its file system, which may never answer.  With the
 * store closed there are no threads any more, and no loop to wait.
 */
void
conn_part_with(struct conn *c, struct stream *s)
{
	bool beside = stream_blocks(s) && c->env->store != NULL;
	struct parting *p = beside ? malloc(sizeof(*p)) : NULL;

	if (p != NULL) {
		*p = (struct parting){ { .run = parting_run }, *s };
		if (work_submit_alone(c->env->io, &p->work) == 0) {
			*s = STREAM_CLOSED;
			return;
		}
		free(p);
	}
	stream_close(s);
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
	conn_list_free(c);
	conn_stderr_free(c);
	free(c->claim);
	blob_unref(&c->block);
	buf_fini(&c->head);
	buf_fini(&c->share);
	stream_close(&c->sock);
	conn_part_with(c, &c->passed[0]);
	conn_part_with(c, &c->passed[1]);
	free(c);
}

void
conn_wait_for_input(struct conn *c)
{
	int64_t ms = c->deadline_ms - clock_mono_ms();
	struct timeval tv;

	if (ms < 1)
		ms = 1;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	if (event_add(c->readable, &tv) == 0)
		return;
	if (c->state != CONN_HEAD) {
		conn_close(c);
		return;
	}
	c->garbled = true;
	conn_reply(c, -1);
}

void
conn_set_deadline(struct conn *c, int64_t seconds)
{
	c->deadline_ms = clock_mono_ms() + 1000 * seconds;
}

/* Asked after reading: what came in time counts, however late it is read. */
bool
conn_is_late(const struct conn *c)
{
	return clock_mono_ms() >= c->deadline_ms;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	switch (c->state) {
	case CONN_HEAD:
		conn_read_head(c);
		break;
	case CONN_WAIT:
		conn_on_waiting(c);
		break;
	case CONN_FOLLOW:
		conn_on_following(c);
		break;
	case CONN_DRAIN:
		conn_on_drainable(c);
		break;
	case CONN_LINGER:
		conn_on_lingering(c);
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

struct conn *
conn_new(const struct conn_env *env, void *owner)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->env = env;
	c->owner = owner;
	c->sock = c->passed[0] = c->passed[1] = STREAM_CLOSED;
	c->in = c->out = &c->sock;
	buf_init(&c->head, HEAD_CAP);
	buf_init(&c->share, HEAD_CAP);
	intake_init(&c->intake);
	outlet_init(&c->outlet);
	answer_init(&c->answer);
	c->readable = event_new(env->base, -1, EV_READ, on_readable, c);
	if (c->readable == NULL || buf_space(&c->head, HEAD_READ) == NULL) {
		conn_free(c);
		return NULL;
	}
	return c;
}

void
conn_start(struct conn *c, int fd)
{
	c->sock = (struct stream){ .fd = fd, .kind = STREAM_SOCKET };
	(void)event_assign(c->readable, c->env->base, fd, EV_READ, on_readable,
	    c);
	conn_set_deadline(c, c->env->conf->head_deadline_s);
	conn_read_head(c);
}
