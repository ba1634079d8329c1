#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "daemon/log.h"
#include "daemon/master/outlet.h"

#define CHUNK_BYTES	(256 * 1024)
#define WRITES_PER_TURN	4	/* then the other connections have theirs */

enum step { STEP_AGAIN, STEP_WAIT, STEP_THREAD, STEP_SENT, STEP_FAILED };

void
outlet_init(struct outlet *o)
{
	memset(o, 0, sizeof(*o));
}

bool
outlet_busy(const struct outlet *o)
{
	return o->step.run != NULL;
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

static void
read_run(struct work *w)
{
	struct outlet *o = outlet_of(w);
	struct stream file = { .fd = o->answer->body.fd, .kind = STREAM_FILE };

	o->step_result = stream_pread(&file, o->chunk, chunk_wanted(o),
	    file_offset(o));
}

static void
write_run(struct work *w)
{
	struct outlet *o = outlet_of(w);

	o->step_result = stream_write(o->out, o->data, o->len);
}

static void run_outlet(struct outlet *);

/* A spool file that is shorter than promised cannot be made good. */
static bool
take_chunk(struct outlet *o, ssize_t n)
{
	if (n <= 0) {
		log_error("response-cut error=%s", n == 0 ?
		    "spool file too short" : strerrordesc_np(errno));
		return false;
	}
	o->data = o->chunk;
	o->len = (size_t)n;
	o->body_left -= (uint64_t)n;
	return true;
}

static void
read_done(struct work *w)
{
	struct outlet *o = outlet_of(w);

	o->step.run = NULL;
	if (take_chunk(o, o->step_result))
		run_outlet(o);
	else
		finish(o, false);
}

static void
write_done(struct work *w)
{
	struct outlet *o = outlet_of(w);

	o->step.run = NULL;
	if (o->step_result <= 0) {
		finish(o, false);
		return;
	}
	o->data += o->step_result;
	o->len -= (size_t)o->step_result;
	run_outlet(o);
}

/* The spool is ours: its reads return. */
static enum step
read_beside(struct outlet *o)
{
	o->step = (struct work){ .run = read_run, .done = read_done };
	work_submit(o->io, &o->step);
	return STEP_THREAD;
}

/* A file that a stranger made: nobody knows whether this returns. */
static enum step
write_beside(struct outlet *o)
{
	o->step = (struct work){ .run = write_run, .done = write_done };
	if (work_submit_alone(o->io, &o->step) == 0)
		return STEP_THREAD;
	o->step.run = NULL;
	return STEP_FAILED;
}

/*
 * More of the file, if the page cache has it; else a thread fetches it, and
 * decides too whether the end is really there: Linux 5.10 may say so early
 * (preadv2(2), BUGS).
 */
static enum step
next_chunk(struct outlet *o)
{
	struct iovec iov;
	ssize_t n;

	iov = (struct iovec){ .iov_base = o->chunk, .iov_len = chunk_wanted(o) };
	n = preadv2(o->answer->body.fd, &iov, 1, file_offset(o), RWF_NOWAIT);
	if (n == 0 || (n == -1 && (errno == EAGAIN || errno == EOPNOTSUPP)))
		return read_beside(o);
	return take_chunk(o, n) ? STEP_AGAIN : STEP_FAILED;
}

static enum step
write_some(struct outlet *o)
{
	ssize_t n;

	if (o->len == 0)
		return o->body_left > 0 ? next_chunk(o) : STEP_SENT;
	if (stream_blocks(o->out))
		return write_beside(o);
	n = stream_write(o->out, o->data, o->len);
	if (n == -1 && errno == EINTR)
		return STEP_AGAIN;
	if (n == -1)
		return errno == EAGAIN ? STEP_WAIT : STEP_FAILED;
	o->data += n;
	o->len -= (size_t)n;
	return STEP_AGAIN;
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

static void
after_step(struct outlet *o, enum step s)
{
	switch (s) {
	case STEP_AGAIN:
	case STEP_WAIT:
		wait_writable(o);
		break;
	case STEP_THREAD:
		break;
	case STEP_SENT:
		finish(o, true);
		break;
	case STEP_FAILED:
		finish(o, false);
		break;
	}
}

/* Writes until done, until it would block, or until it is others' turn. */
static void
run_outlet(struct outlet *o)
{
	enum step s = STEP_AGAIN;

	for (int i = 0; s == STEP_AGAIN && i < 2 * WRITES_PER_TURN; i++)
		s = write_some(o);
	after_step(o, s);
}

/* If it was we who were stopped, there is room by now. */
static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct outlet *o = arg;
	enum step s;

	(void)fd;
	if ((what & EV_TIMEOUT) == 0) {
		run_outlet(o);
		return;
	}
	s = write_some(o);
	after_step(o, s == STEP_WAIT ? STEP_FAILED : s);
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
