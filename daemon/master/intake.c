#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/scgi.h"
#include "daemon/log.h"
#include "daemon/master/intake.h"

#define SCRATCH_BYTES	(256 * 1024)
#define READS_PER_TURN	4	/* then the other connections have theirs */

#define STEP_BYTES	(1024 * 1024)	/* reserved ahead of what has come */
#define COPY_BYTES	(128 * 1024)	/* what a thread reads at once */

/* The loop's own; what is read is put away before the next read. */
static unsigned char scratch[SCRATCH_BYTES];

void
intake_init(struct intake *in)
{
	memset(in, 0, sizeof(*in));
	in->body = BODY_EMPTY;
}

static struct intake *
intake_of(struct work *w)
{
	return (struct intake *)((char *)w - offsetof(struct intake, copy));
}

bool
intake_busy(const struct intake *in)
{
	return in->copy.run != NULL;
}

static void
give_back(struct intake *in)
{
	uint64_t file = in->body.file;
	bool spooled = in->body.fd != -1;

	body_fini(&in->body);
	if (spooled)
		store_spool_drop(in->store, file);
	if (in->reserved_bytes > 0)
		store_release(in->store, in->reserved_bytes);
	in->reserved_bytes = 0;
}

void
intake_fini(struct intake *in)
{
	if (in->readable != NULL)
		event_free(in->readable);
	in->readable = NULL;
	buf_fini(&in->small);
	if (in->store != NULL)
		give_back(in);
	else
		body_fini(&in->body);
}

static void
finish(struct intake *in, enum intake_verdict verdict)
{
	if (in->readable != NULL)
		event_free(in->readable);
	in->readable = NULL;
	if (verdict != INTAKE_DONE)
		give_back(in);
	buf_fini(&in->small);
	in->done(in, verdict);
}

static enum intake_verdict
reserve(struct intake *in, uint64_t total)
{
	if (total > (uint64_t)in->max_bytes)
		return INTAKE_LARGE;
	if (total <= in->reserved_bytes)
		return INTAKE_DONE;
	if (store_reserve(in->store, total - in->reserved_bytes))
		in->reserved_bytes = total;
	else if (!in->small_anyway || total > (uint64_t)in->inline_bytes)
		return INTAKE_FULL;
	return INTAKE_DONE;
}

bool
intake_has_room(const struct intake *in)
{
	return in->reserved_bytes >= in->got_bytes;
}

/*
 * What is announced must fit as a whole, or it is refused before it comes;
 * but held is only what the next bytes need: a sender that drips must not
 * keep others from space that it does not use.
 */
static enum intake_verdict
reserve_announced(struct intake *in)
{
	uint64_t total = (uint64_t)in->expected_bytes;
	enum intake_verdict v = reserve(in, total);

	if (v != INTAKE_DONE || total <= STEP_BYTES)
		return v;
	store_release(in->store, total - STEP_BYTES);
	in->reserved_bytes = STEP_BYTES;
	return v;
}

/* In steps, but exactly `expected` at the end. */
static enum intake_verdict
reserve_next(struct intake *in, uint64_t total)
{
	uint64_t step;

	if (in->expected_bytes == SCGI_LENGTH_UNKNOWN)
		return reserve(in, total);
	step = (total + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
	if (step > (uint64_t)in->expected_bytes)
		step = (uint64_t)in->expected_bytes;
	return reserve(in, step);
}

/* write(2), all of it, to the spool file. */
static int
spool_write(int fd, const unsigned char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static enum intake_verdict
spool_failed(const char *what)
{
	int e = errno;

	log_error("spool-failed what=%s error=%s", what, strerrordesc_np(e));
	return e == ENOSPC || e == EDQUOT ? INTAKE_FULL : INTAKE_FAILED;
}

/* The body has outgrown `inline`: what there is of it moves to a file. */
static enum intake_verdict
start_spool(struct intake *in)
{
	if (store_spool_create(in->store, &in->body) == -1)
		return spool_failed("create");
	if (spool_write(in->body.fd, buf_data(&in->small),
	    buf_len(&in->small)) == -1)
		return spool_failed("write");
	buf_fini(&in->small);
	return INTAKE_DONE;
}

/* Puts away what was read. */
static enum intake_verdict
keep(struct intake *in, const void *data, size_t len)
{
	enum intake_verdict v;

	in->got_bytes += len;
	if ((v = reserve_next(in, in->got_bytes)) != INTAKE_DONE)
		return v;
	if (in->got_bytes <= (uint64_t)in->inline_bytes) {
		if (buf_add(&in->small, data, len) == -1)
			return spool_failed("memory");
		return INTAKE_DONE;
	}
	if (in->body.fd == -1 && (v = start_spool(in)) != INTAKE_DONE)
		return v;
	if (spool_write(in->body.fd, data, len) == -1)
		return spool_failed("write");
	return INTAKE_DONE;
}

/* All bytes are there: what came becomes the body. */
static enum intake_verdict
complete(struct intake *in)
{
	if (in->body.fd == -1 && in->got_bytes > 0) {
		in->body.bytes = blob_new(buf_data(&in->small),
		    buf_len(&in->small));
		if (in->body.bytes == NULL)
			return spool_failed("memory");
	}
	in->body.size = in->got_bytes;
	return INTAKE_DONE;
}

static bool
has_all(const struct intake *in)
{
	return in->expected_bytes != SCGI_LENGTH_UNKNOWN &&
	    in->got_bytes == (uint64_t)in->expected_bytes;
}

/* How much the next read may take: never a byte of what follows the body. */
static size_t
wanted(const struct intake *in)
{
	uint64_t rest;

	if (in->expected_bytes == SCGI_LENGTH_UNKNOWN)
		return SCRATCH_BYTES;
	rest = (uint64_t)in->expected_bytes - in->got_bytes;
	return rest < SCRATCH_BYTES ? (size_t)rest : SCRATCH_BYTES;
}

static enum intake_verdict
at_eof(struct intake *in)
{
	if (in->expected_bytes != SCGI_LENGTH_UNKNOWN)
		return INTAKE_SHORT;
	return complete(in);
}

/* On a thread: copies `expected` bytes; everything is reserved already. */
static void
copy_run(struct work *w)
{
	struct intake *in = intake_of(w);
	unsigned char *chunk = malloc(COPY_BYTES);
	off_t at = lseek(in->in->fd, 0, SEEK_CUR);
	int failed = chunk == NULL || at == -1;

	in->copy_verdict = INTAKE_FAILED;
	while (!failed && !has_all(in)) {
		size_t want = wanted(in) < COPY_BYTES ? wanted(in) : COPY_BYTES;
		ssize_t n = stream_pread(in->in, chunk, want, at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			in->copy_verdict = INTAKE_SHORT;
			break;
		}
		if (in->body.fd != -1)
			failed = spool_write(in->body.fd, chunk, (size_t)n);
		else
			failed = buf_add(&in->small, chunk, (size_t)n);
		in->got_bytes += (uint64_t)n;
		at += n;
	}
	if (failed)
		in->copy_verdict = spool_failed("copy");
	else if (has_all(in))
		in->copy_verdict = INTAKE_DONE;
	free(chunk);
}

static void
copy_done(struct work *w)
{
	struct intake *in = intake_of(w);
	enum intake_verdict v = in->copy_verdict;

	in->copy.run = NULL;
	if (v == INTAKE_DONE)
		v = complete(in);
	finish(in, v);
}

/* A regular file knows its length, whatever the head said of it. */
static enum intake_verdict
measure_file(struct intake *in)
{
	off_t at = lseek(in->in->fd, 0, SEEK_CUR);
	int64_t size;

	if (in->expected_bytes != SCGI_LENGTH_UNKNOWN)
		return INTAKE_DONE;
	size = stream_size(in->in);
	if (at == -1 || size < at)
		return INTAKE_SHORT;
	in->expected_bytes = (int64_t)in->got_bytes + (size - at);
	return INTAKE_DONE;
}

static void
start_copy(struct intake *in)
{
	enum intake_verdict v = measure_file(in);

	if (v == INTAKE_DONE)
		v = reserve(in, (uint64_t)in->expected_bytes);
	if (v == INTAKE_DONE && in->expected_bytes > in->inline_bytes &&
	    in->body.fd == -1)
		v = start_spool(in);
	if (v != INTAKE_DONE) {
		finish(in, v);
		return;
	}
	in->copy = (struct work){ .run = copy_run, .done = copy_done };
	if (work_submit_alone(in->io, &in->copy) == 0)
		return;
	in->copy.run = NULL;
	finish(in, spool_failed("thread"));
}

/*
 * Reads what is there.  INTAKE_DONE with *more set: wait for more.
 */
static enum intake_verdict
read_some(struct intake *in, bool *more)
{
	*more = false;
	for (int i = 0; i < READS_PER_TURN; i++) {
		enum intake_verdict v;
		ssize_t n = stream_read(in->in, scratch, wanted(in));

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			break;
		if (n == -1)
			return INTAKE_SHORT;
		if (n == 0)
			return at_eof(in);
		if ((v = keep(in, scratch, (size_t)n)) != INTAKE_DONE)
			return v;
		if (has_all(in))
			return complete(in);
	}
	*more = true;
	return INTAKE_DONE;
}

static void
wait_readable(struct intake *in)
{
	struct timeval tv = { .tv_sec = in->deadline_s };

	if (event_add(in->readable, &tv) == -1)
		finish(in, INTAKE_FAILED);
}

/*
 * Its time may be over because we were stopped, not because nothing came:
 * what is there is read first.
 */
static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct intake *in = arg;
	uint64_t before = in->got_bytes;
	enum intake_verdict v;
	bool more;

	(void)fd;
	v = read_some(in, &more);
	if (!more)
		finish(in, v);
	else if ((what & EV_TIMEOUT) && in->got_bytes == before)
		finish(in, INTAKE_LATE);
	else
		wait_readable(in);
}

static void
start_reading(struct intake *in)
{
	enum intake_verdict v;
	bool more;

	v = read_some(in, &more);
	if (!more) {
		finish(in, v);
		return;
	}
	in->readable = event_new(in->base, in->in->fd, EV_READ, on_readable, in);
	if (in->readable == NULL) {
		finish(in, spool_failed("memory"));
		return;
	}
	wait_readable(in);
}

void
intake_start(struct intake *in, const void *first, size_t len)
{
	enum intake_verdict v = INTAKE_DONE;

	buf_init(&in->small, (size_t)in->inline_bytes);
	if (in->expected_bytes != SCGI_LENGTH_UNKNOWN) {
		v = reserve_announced(in);
		if (len > (size_t)in->expected_bytes)
			len = (size_t)in->expected_bytes;
	}
	if (v != INTAKE_DONE)
		in->got_bytes = len;
	else if (len > 0)
		v = keep(in, first, len);
	if (v != INTAKE_DONE)
		finish(in, v);
	else if (has_all(in))
		finish(in, complete(in));
	else if (stream_blocks(in->in))
		start_copy(in);
	else
		start_reading(in);
}
