/*
 * tail - what a task says on stderr: its end is kept, its lines are logged.
 *
 * Without memory it keeps less and logs less; a task never fails for that.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/worker/tail.h"

void
tail_init(struct tail *t, const struct tail_sink *sink)
{
	memset(t, 0, sizeof(*t));
	t->sink = *sink;
	t->bucket = (struct bucket)BUCKET(TAIL_BURST, TAIL_PER_SECOND);
	/* Twice, so that moving the bytes to the front is a rare event. */
	buf_init(&t->kept, (size_t)2 * TAIL_MAX);
}

void
tail_fini(struct tail *t)
{
	buf_fini(&t->kept);
	free(t->line);
	t->line = NULL;
}

static void
tail_keep(struct tail *t, const char *data, size_t len)
{
	size_t have = buf_len(&t->kept);

	t->total += len;
	if (len > TAIL_MAX) {
		data += len - TAIL_MAX;
		len = TAIL_MAX;
	}
	if (have + len > TAIL_MAX)
		buf_consume(&t->kept, have + len - TAIL_MAX);
	if (buf_add(&t->kept, data, len) == -1)
		buf_clear(&t->kept);
}

static void
tail_say_skipped(struct tail *t)
{
	if (t->skipped > 0)
		t->sink.skipped(t->sink.arg, t->skipped);
	t->skipped = 0;
}

static void
tail_line(struct tail *t, int64_t now_ms)
{
	size_t len = t->line_len < TAIL_LINE_MAX ? t->line_len : TAIL_LINE_MAX;

	t->line_len = 0;
	if (len > 0 && t->line[len - 1] == '\r')
		len--;
	if (len == 0)
		return;
	if (!bucket_take(&t->bucket, now_ms)) {
		t->skipped++;
		return;
	}
	tail_say_skipped(t);
	t->sink.line(t->sink.arg, t->line, len);
}

static void
tail_gather(struct tail *t, const char *data, size_t len)
{
	size_t room;

	if (t->line_len < TAIL_LINE_MAX) {
		room = TAIL_LINE_MAX - t->line_len;
		memcpy(t->line + t->line_len, data, len < room ? len : room);
	}
	t->line_len += len;
}

void
tail_add(struct tail *t, const void *data, size_t len, int64_t now_ms)
{
	const char *p = data, *end = p + len, *nl;

	tail_keep(t, p, len);
	if (t->line == NULL && (t->line = malloc(TAIL_LINE_MAX)) == NULL)
		return;
	while (p < end) {
		nl = memchr(p, '\n', (size_t)(end - p));
		tail_gather(t, p, (size_t)((nl ? nl : end) - p));
		if (nl == NULL)
			break;
		tail_line(t, now_ms);
		p = nl + 1;
	}
}

void
tail_end(struct tail *t, int64_t now_ms)
{
	if (t->line_len > 0)
		tail_line(t, now_ms);
	tail_say_skipped(t);
}
