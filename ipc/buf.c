/*
 * buf - growable bytes with two cursors and a cap.
 *
 * Content lives in data[start..end).  Room at the end is made in the cheapest
 * way that works: use what is there, else move the content to the front, else
 * allocate twice as much, so adding a byte costs the same on average however
 * long the buffer is.  One byte more than `cap` is always allocated: the NUL
 * of vsnprintf() needs a place even when the text fills the buffer to its cap.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buf.h"

#define BUF_FIRST	256	/* bytes of the first allocation */

void
buf_init(struct buf *b, size_t max_bytes)
{
	*b = (struct buf){ .max = max_bytes };
}

void
buf_fini(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void
buf_clear(struct buf *b)
{
	b->start = b->end = 0;
}

/* Content to the front; what was consumed is room again. */
static void
compact(struct buf *b)
{
	if (b->start == 0)
		return;
	memmove(b->data, b->data + b->start, buf_len(b));
	b->end -= b->start;
	b->start = 0;
}

/* Room for `need` bytes in all, which is at most max. */
static int
grow(struct buf *b, size_t need)
{
	unsigned char *data;
	size_t cap;

	cap = b->cap > b->max / 2 ? b->max : 2 * b->cap;
	if (cap < BUF_FIRST)
		cap = BUF_FIRST;
	if (cap > b->max)
		cap = b->max;
	if (cap < need)
		cap = need;
	if (cap == SIZE_MAX || (data = realloc(b->data, cap + 1)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	b->data = data;
	b->cap = cap;
	return 0;
}

unsigned char *
buf_space(struct buf *b, size_t n)
{
	size_t len = buf_len(b);

	if (len > b->max || n > b->max - len) {
		errno = EMSGSIZE;
		return NULL;
	}
	if (b->data == NULL || n > b->cap - b->end) {
		if (b->data == NULL || n > b->cap - len) {
			if (grow(b, len + n) == -1)
				return NULL;
		}
		compact(b);
	}
	return b->data + b->end;
}

void
buf_commit(struct buf *b, size_t n)
{
	assert(n <= b->cap - b->end);
	b->end += n;
}

int
buf_add(struct buf *b, const void *bytes, size_t n)
{
	unsigned char *to;

	if (n == 0)
		return 0;
	if ((to = buf_space(b, n)) == NULL)
		return -1;
	memcpy(to, bytes, n);
	buf_commit(b, n);
	return 0;
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	/* what is there is mostly enough; its NUL has a place */
	size_t room = b->data != NULL ? b->cap - b->end : 0;
	char *to = b->data != NULL ? (char *)b->data + b->end : NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(to, to != NULL ? room + 1 : 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	if ((size_t)n > room || to == NULL) {
		to = (char *)buf_space(b, (size_t)n);
		if (to == NULL)
			return -1;
		va_start(ap, fmt);
		vsnprintf(to, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	buf_commit(b, (size_t)n);
	return 0;
}

int
buf_texts(struct buf *b, const char *first, ...)
{
	const char *text;
	size_t len = 0;
	va_list more;
	char *to;

	va_start(more, first);
	for (text = first; text != NULL; text = va_arg(more, const char *))
		len += strlen(text);
	va_end(more);
	if ((to = (char *)buf_space(b, len)) == NULL)
		return -1;
	va_start(more, first);
	for (text = first; text != NULL; text = va_arg(more, const char *))
		to = stpcpy(to, text);	/* its NUL has a place */
	va_end(more);
	buf_commit(b, len);
	return 0;
}

int
buf_number(struct buf *b, uint64_t n)
{
	char digits[20], *p = digits + sizeof(digits);	/* UINT64_MAX has 20 */

	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	return buf_add(b, p, (size_t)(digits + sizeof(digits) - p));
}

void
buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->start += n;
	if (b->start == b->end)
		buf_clear(b);
}
