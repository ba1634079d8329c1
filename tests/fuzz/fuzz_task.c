/*
 * fuzz_task - what a task writes: its response, its progress, its stderr.
 *
 * The input is cut into pieces of any size, as pipes cut it.  Promises: a
 * whole response has a head that is normal and a body of the size it says;
 * how it was cut changes nothing of that; progress is a percentage and
 * printable UTF-8; a line for the log is one line.
 */
#include "config.h"

#include <sys/mman.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/worker/progress.h"
#include "daemon/worker/response.h"
#include "tests/fuzz/fuzz.h"

#define INLINE		16	/* bytes: most bodies go to a file */
#define MAX_RESPONSE	4096

static enum response_state
give_spool(struct response *r)
{
	return response_spool(r, memfd_create("fuzz", MFD_CLOEXEC), 0);
}

/* Its final state; pieces of `step` bytes. */
static enum response_state
respond(struct response *r, const uint8_t *data, size_t size, size_t step)
{
	size_t n;

	for (; size > 0; data += n, size -= n) {
		char *piece;

		n = size < step ? size : step;
		piece = fuzz_copy(data, n);
		(void)response_add(r, piece, n);
		free(piece);
		if (r->state == RESPONSE_WANTS_SPOOL)
			(void)give_spool(r);
		if (r->state != RESPONSE_OPEN)
			return r->state;
	}
	(void)response_end(r);
	if (r->state == RESPONSE_WANTS_SPOOL)
		(void)give_spool(r);
	if (r->state == RESPONSE_OPEN)
		(void)response_end(r);
	return r->state;
}

static void
check_whole(const struct response *r)
{
	EXPECT(r->has_head && r->size <= r->max_bytes);
	EXPECT(r->cgi.status >= 200 && r->cgi.status <= 599);
	if (r->fd != -1)
		EXPECT(lseek(r->fd, 0, SEEK_END) == (off_t)r->size);
	else
		EXPECT(buf_len(&r->bytes) == r->size);
}

static void
check_response(const uint8_t *data, size_t size, size_t step, bool to_head)
{
	struct response one, many;

	response_init(&one, INLINE, MAX_RESPONSE, to_head);
	response_init(&many, INLINE, MAX_RESPONSE, to_head);
	(void)respond(&one, data, size, RESPONSE_CHUNK);
	(void)respond(&many, data, size, step);
	EXPECT(one.state == RESPONSE_WHOLE || one.state == RESPONSE_FAILED);
	EXPECT(one.state == many.state);
	if (one.state == RESPONSE_WHOLE) {
		check_whole(&one);
		check_whole(&many);
		EXPECT(one.size == many.size);
		EXPECT(buf_len(&one.cgi.head) == buf_len(&many.cgi.head));
	} else {
		EXPECT(one.reason[0] != '\0' && many.reason[0] != '\0');
	}
	response_fini(&one);
	response_fini(&many);
}

static void
check_progress(const uint8_t *data, size_t size, size_t step)
{
	struct progress p;
	size_t n;

	progress_init(&p);
	for (; size > 0; data += n, size -= n) {
		n = size < step ? size : step;
		progress_add(&p, data, n);
		EXPECT(p.percent <= 100);
		EXPECT(memchr(p.text, '\0', sizeof(p.text)) != NULL);
		EXPECT(strpbrk(p.text, "\n\r\033") == NULL);
		if (progress_due(&p, 1000) == 0)
			progress_told(&p, 1000);
	}
}

static void
check_quote(const uint8_t *data, size_t size, size_t room)
{
	char *out = malloc(room), *text = fuzz_copy(data, size);

	EXPECT(out != NULL);
	EXPECT(log_quote(out, room, text, size) == out);
	EXPECT(strlen(out) < room);
	for (const char *p = out; *p != '\0'; p++)
		EXPECT((unsigned char)*p >= 0x20 && *p != 0x7f);
	free(text);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = { bytes, size };
	size_t step = 1 + fuzz_byte(&in);
	bool to_head = fuzz_byte(&in) & 1;

	check_response(in.at, in.left, step, to_head);
	check_progress(in.at, in.left, step);
	check_quote(in.at, in.left, step);
	return 0;
}
