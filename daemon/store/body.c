/*
 * body - the body of a request or a response: bytes, or an open file.
 *
 * The one subtle thing is sharing a file.  A dup(2) shares the offset and
 * the right to write with every other holder; one of them may be a script
 * that reads its stdin, or scribbles on it.  So the file is opened anew
 * through /proc, read-only and at offset 0, which works for files without a
 * name too.  Only where there is no /proc a dup must do.
 */
#include "config.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/store/body.h"

struct blob *
blob_new(const void *data, size_t len)
{
	struct blob *b;

	if (len > SIZE_MAX - sizeof(*b))
		return NULL;
	b = data ? malloc(sizeof(*b) + len) : calloc(1, sizeof(*b) + len);
	if (!b)
		return NULL;
	b->refs = 1;
	b->len = len;
	if (data)
		memcpy(b->data, data, len);
	return b;
}

struct blob *
blob_ref(struct blob *b)
{
	if (b)
		b->refs++;
	return b;
}

void
blob_unref(struct blob **bp)
{
	struct blob *b = *bp;

	*bp = NULL;
	if (!b)
		return;
	assert(b->refs > 0);
	if (--b->refs == 0)
		free(b);
}

static int
file_reopen(int fd)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	return again >= 0 ? again : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

int
body_share(struct body *to, const struct body *from)
{
	int fd = -1;

	if (from->fd >= 0 && (fd = file_reopen(from->fd)) < 0)
		return -1;
	*to = *from;
	to->fd = fd;
	blob_ref(to->bytes);
	return 0;
}

void
body_take(struct body *to, struct body *from)
{
	*to = *from;
	*from = BODY_EMPTY;
}

void
body_fini(struct body *b)
{
	blob_unref(&b->bytes);
	if (b->fd >= 0)
		close(b->fd);
	*b = BODY_EMPTY;
}
