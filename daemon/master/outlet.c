#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/master/outlet.h"

#define CHUNK_BYTES	(256 * 1024)
#define WRITES_PER_TURN	4	/* then the other connections have theirs */

void
outlet_init(struct outlet *o)
{
	memset(o, 0, sizeof(*o));
}

void
outlet_fini(struct outlet *o)
{
	if (o->writable != NULL)
		event_free(o->writable);
	o->writable = NULL;
	free(o->chunk);
	o->chunk = NULL;
}

static void
finish(struct outlet *o, bool sent)
{
	outlet_fini(o);
	o->done(o, sent);
}

static struct outlet *
outlet_of(struct work *w)
{
	return (struct outlet *)((char *)w - offsetof(struct outlet, step));
}

static off_t
file_offset(const struct outlet *o)
{
	return (off_t)(o->answer->body_at + o->answer->body.size -
	    o->body_left);
}

static size_t
chunk_wanted(const struct outlet *o)
{
	return o->body_left < CHUNK_BYTES ? (size_t)o->body_left : CHUNK_BYTES;
}

/* A spool file that is shorter than promised cannot be made good. */
static enum outlet_step
next_chunk(struct outlet *o)
{
	struct stream file = { .fd = o->answer->body.fd, .kind = STREAM_FILE };
	ssize_t n = stream_pread(&file, o->chunk, chunk_wanted(o),
	    file_offset(o));

	if (n == -1 && errno == EINTR)
		return OUTLET_AGAIN;
	if (n <= 0) {
		log_error("response-cut error=%s", n == 0 ?
		    "spool file too short" : strerrordesc_np(errno));
		return OUTLET_FAILED;
	}
	o->data = o->chunk;
	o->len = (size_t)n;
	o->body_left -= (uint64_t)n;
	return OUTLET_AGAIN;
}

static enum outlet_step
write_some(struct outlet *o)
{
	ssize_t n;

	if (o->len == 0)
		return o->body_left > 0 ? next_chunk(o) : OUTLET_SENT;
	n = stream_write(o->out, o->data, o->len);
	if (n == -1 && errno == EINTR)
		return OUTLET_AGAIN;
	if (n == -1)
		return errno == EAGAIN ? OUTLET_WAIT : OUTLET_FAILED;
	o->data += n;
	o->len -= (size_t)n;
	o->late = false;
	return OUTLET_AGAIN;
}

/* Until done, until it would block, or until it is others' turn. */
static enum outlet_step
write_more(struct outlet *o)
{
	enum outlet_step s = OUTLET_AGAIN;

	for (int i = 0; s == OUTLET_AGAIN && i < 2 * WRITES_PER_TURN; i++)
		s = write_some(o);
	return s;
}

static void on_writable(evutil_socket_t, short, void *);

static int
reserve_event(struct outlet *o)
{
	if (o->writable == NULL)
		o->writable = event_new(o->base, o->out->fd, EV_WRITE,
		    on_writable, o);
	return o->writable != NULL ? 0 : -1;
}

/* A head that has left promises all of the file: what that needs comes first. */
static int
reserve_file(struct outlet *o)
{
	if (o->answer->body.fd == -1)
		return 0;
	o->chunk = malloc(CHUNK_BYTES);
	if (o->chunk == NULL || reserve_event(o) == -1) {
		outlet_fini(o);
		return -1;
	}
	return 0;
}

static void
wait_writable(struct outlet *o)
{
	struct timeval tv = { .tv_sec = o->deadline_s };

	if (reserve_event(o) == -1 || event_add(o->writable, &tv) == -1)
		finish(o, false);
}

static void run_outlet(struct outlet *);

static void
after_step(struct outlet *o, enum outlet_step s)
{
	if (s == OUTLET_SENT || s == OUTLET_FAILED || (s == OUTLET_WAIT && o->late))
		finish(o, s == OUTLET_SENT);
	else if (stream_blocks(o->out))		/* and cannot be polled */
		run_outlet(o);
	else
		wait_writable(o);
}

static void
write_run(struct work *w)
{
	struct outlet *o = outlet_of(w);

	o->stopped = write_more(o);
}

static void
write_done(struct work *w)
{
	struct outlet *o = outlet_of(w);

	o->step.run = NULL;
	after_step(o, o->stopped);
}

/* The spool is ours: its reads return.  Who knows that of a stranger's file? */
static void
write_beside(struct outlet *o)
{
	o->step = (struct work){ .run = write_run, .done = write_done };
	if (!stream_blocks(o->out)) {
		work_submit(o->io, &o->step);
	} else if (work_submit_alone(o->io, &o->step) == -1) {
		o->step.run = NULL;
		finish(o, false);
	}
}

/* Copying files is what threads are for: the loop has others to answer. */
static void
run_outlet(struct outlet *o)
{
	if (o->chunk != NULL || stream_blocks(o->out))
		write_beside(o);
	else
		after_step(o, write_more(o));
}

/* Late, but if it was we who were stopped, there is room by now. */
static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct outlet *o = arg;

	(void)fd;
	o->late = (what & EV_TIMEOUT) != 0;
	run_outlet(o);
}

/* One buffer, so that head and body leave in one write. */
static int
append_small_body(struct outlet *o)
{
	const struct body *body = &o->answer->body;

	if (body->bytes == NULL)
		return 0;
	/* The cap was the head's; the body has been weighed already. */
	o->answer->head.max += body->size;
	return buf_add(&o->answer->head,
	    body->bytes->data + o->answer->body_at, body->size);
}

int
outlet_start(struct outlet *o)
{
	if (o->out->kind == STREAM_NULL) {	/* cannot be polled either */
		finish(o, true);
		return 0;
	}
	if (o->words != NULL) {
		o->data = (const unsigned char *)o->words;
		o->len = strlen(o->words);
		run_outlet(o);
		return 0;
	}
	if (append_small_body(o) == -1 || reserve_file(o) == -1)
		return -1;
	o->data = buf_data(&o->answer->head);
	o->len = buf_len(&o->answer->head);
	o->body_left = o->answer->body.fd != -1 ? o->answer->body.size : 0;
	run_outlet(o);
	return 0;
}
