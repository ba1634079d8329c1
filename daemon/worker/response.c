/*
 * response - gathers what a task answers, from its first byte to its end.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/worker/response.h"

void
response_init(struct response *r, size_t inline_bytes, uint64_t max_bytes,
    bool to_head)
{
	memset(r, 0, sizeof(*r));
	r->state = RESPONSE_OPEN;
	cgires_init(&r->cgi, CGIRES_HEAD_MAX);
	/* Either a head in the making or a body within inline, and a chunk. */
	assert(inline_bytes <= CGIRES_HEAD_MAX);
	buf_init(&r->bytes, CGIRES_HEAD_MAX + RESPONSE_CHUNK);
	r->inline_bytes = inline_bytes;
	r->max_bytes = max_bytes;
	r->to_head = to_head;
	r->fd = -1;
}

void
response_fini(struct response *r)
{
	cgires_fini(&r->cgi);
	buf_fini(&r->bytes);
	if (r->fd != -1)
		close(r->fd);
	r->fd = -1;
}

enum response_state
response_fail(struct response *r, const char *fmt, ...)
{
	va_list ap;

	if (r->state == RESPONSE_FAILED)
		return r->state;	/* the first reason is the reason */
	va_start(ap, fmt);
	vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
	va_end(ap);
	return r->state = RESPONSE_FAILED;
}

static enum response_state
response_fail_file(struct response *r, int error)
{
	return response_fail(r, "the response cannot be kept: %s",
	    strerrordesc_np(error));
}

static bool
response_has_no_body(const struct response *r)
{
	return r->to_head || r->cgi.status == 204 || r->cgi.status == 304;
}

/* Writes behind what the file has; `size` counts these bytes already. */
static enum response_state
response_write(struct response *r, const unsigned char *data, size_t len)
{
	off_t at = (off_t)(r->size - len);
	ssize_t n;

	while (len > 0) {
		n = pwrite(r->fd, data, len, at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return response_fail_file(r, errno);
		data += n;
		len -= (size_t)n;
		at += n;
	}
	return r->state;
}

/* `fresh` bytes of body came; they are not yet in the file, if there is one. */
static enum response_state
response_count(struct response *r, size_t fresh)
{
	r->size += fresh;
	if (r->size > r->max_bytes)
		return response_fail(r, "the response is over max-response "
		    "(%llu bytes)", (unsigned long long)r->max_bytes);
	return r->state;
}

/* What stands in `bytes` behind the head is body; does it fit? */
static enum response_state
response_weigh(struct response *r)
{
	if (response_has_no_body(r))
		buf_clear(&r->bytes);
	else if (buf_len(&r->bytes) > r->inline_bytes)
		r->state = RESPONSE_WANTS_SPOOL;
	return r->state;
}

static enum response_state
response_head(struct response *r, bool eof)
{
	const char *why;
	size_t used;

	switch (cgires_parse(&r->cgi, buf_data(&r->bytes), buf_len(&r->bytes),
	    eof, &used, &why)) {
	case CGIRES_MORE:
		assert(!eof);
		return r->state;
	case CGIRES_DONE:
		break;
	default:
		return response_fail(r, "%s", why);
	}
	r->has_head = true;
	buf_consume(&r->bytes, used);
	if (response_count(r, buf_len(&r->bytes)) == RESPONSE_FAILED)
		return r->state;
	return response_weigh(r);
}

enum response_state
response_add(struct response *r, const void *data, size_t len)
{
	assert(r->state == RESPONSE_OPEN && len <= RESPONSE_CHUNK);
	if (r->has_head) {
		if (response_count(r, len) == RESPONSE_FAILED)
			return r->state;
		if (r->fd != -1)
			return response_write(r, data, len);
		if (response_has_no_body(r))
			return r->state;
	}
	if (buf_add(&r->bytes, data, len) == -1)
		return response_fail(r, "no memory for the response");
	return r->has_head ? response_weigh(r) : response_head(r, false);
}

enum response_state
response_spool(struct response *r, int fd, int error)
{
	assert(r->fd == -1);
	r->fd = fd;
	if (r->state != RESPONSE_WANTS_SPOOL)
		return r->state;
	if (error != 0)
		return response_fail_file(r, error);
	r->state = RESPONSE_OPEN;
	response_write(r, buf_data(&r->bytes), buf_len(&r->bytes));
	buf_fini(&r->bytes);
	return r->state;
}

/* A length that was promised and not kept: half a page, or one too many. */
static enum response_state
response_check_length(struct response *r)
{
	int64_t claim = r->cgi.content_length;

	if (response_has_no_body(r)) {
		r->size = 0;
		return r->state;
	}
	if (claim >= 0 && (uint64_t)claim != r->size)
		return response_fail(r, "Content-Length says %lld, but the "
		    "body has %llu bytes", (long long)claim,
		    (unsigned long long)r->size);
	return r->state;
}

enum response_state
response_end(struct response *r)
{
	assert(r->state == RESPONSE_OPEN);
	if (!r->has_head && response_head(r, true) != RESPONSE_OPEN)
		return r->state;
	if (response_check_length(r) != RESPONSE_OPEN)
		return r->state;
	if (r->fd != -1 && fdatasync(r->fd) == -1)
		return response_fail_file(r, errno);
	return r->state = RESPONSE_WHOLE;
}
