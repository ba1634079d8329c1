/*
 * frame - what launcher, master and worker say to each other.
 *
 * Every kind is a table of fields: where it lies in struct frame, how it is
 * written, and which values it may have.  One loop encodes, one decodes, one
 * checks ranges, and the same check runs on both sides: what this program
 * would refuse it does not send.  A kind is added by adding its table.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "ipc/frame.h"
#include "ipc/nitems.h"

enum field_type {
	FIELD_U32,
	FIELD_I32,
	FIELD_U64,
	FIELD_ID,		/* TASK_ID_BYTES as they are */
	FIELD_BYTES,		/* a length (32 bits), then the bytes */
	FIELD_TYPE_N
};

struct field {
	size_t		 at;		/* in struct frame */
	enum field_type	 type;
	int64_t		 lo, hi;	/* numbers: what they may be */
};

#define AT(member)	offsetof(struct frame, u.member)
#define U32(m, lo, hi)	{ AT(m), FIELD_U32, lo, hi }
#define I32(m, lo, hi)	{ AT(m), FIELD_I32, lo, hi }
#define U64(m)		{ AT(m), FIELD_U64, 0, INT64_MAX }
#define ID(m)		{ AT(m), FIELD_ID, 0, 0 }
#define BYTES(m)	{ AT(m), FIELD_BYTES, 0, 0 }

static const struct field hello[] = {
	U32(hello.version, 0, UINT32_MAX),	/* the receiver compares */
	U32(hello.pid, 1, INT32_MAX),
	U32(hello.slots, 1, SLATE_SLOTS_MAX),
};
static const struct field spawn[] = {
	U32(spawn.worker, 0, UINT32_MAX),
	U32(spawn.pool, 0, UINT32_MAX),
	U32(spawn.generation, 0, UINT32_MAX),
};
static const struct field spawned[] = {
	U32(spawned.worker, 0, UINT32_MAX),
	I32(spawned.pid, 1, INT32_MAX),
};
static const struct field died[] = {
	U32(died.worker, 0, UINT32_MAX),
	I32(died.status, -1, INT32_MAX),
	I32(died.error, 0, INT32_MAX),
};
static const struct field kill_worker[] = {
	U32(kill.worker, 0, UINT32_MAX),
};
static const struct field reload[] = {
	U32(reload.generation, 0, UINT32_MAX),
};
static const struct field drain[] = {
	U32(drain.heir, 0, 1),
};
static const struct field run[] = {
	ID(run.id),
	U32(run.attempt, 1, UINT32_MAX),
	U32(run.slot, 0, SLATE_SLOTS_MAX - 1),
	U32(run.body_in_fd, 0, 1),
	U64(run.body_size),
	BYTES(run.route),
	BYTES(run.head),
	BYTES(run.body),
};
static const struct field need_spool[] = {
	ID(job.id),
	U32(job.attempt, 1, UINT32_MAX),
};
static const struct field cancel[] = {
	ID(job.id),
	U32(job.attempt, 1, UINT32_MAX),
	U32(job.slot, 0, SLATE_SLOTS_MAX - 1),
};
static const struct field spool[] = {
	ID(job.id),
	U32(job.attempt, 1, UINT32_MAX),
	U32(job.slot, 0, SLATE_SLOTS_MAX - 1),
	I32(job.error, 0, INT32_MAX),
};
static const struct field progress[] = {
	ID(progress.id),
	U32(progress.attempt, 1, UINT32_MAX),
	U32(progress.percent, 0, 100),
	BYTES(progress.message),
};
static const struct field done[] = {
	ID(done.id),
	U32(done.attempt, 1, UINT32_MAX),
	U32(done.outcome, 0, OUTCOME_N - 1),
	I32(done.wait_status, -1, INT32_MAX),
	U32(done.body_in_fd, 0, 1),
	U64(done.body_size),
	U64(done.cpu_us),
	U64(done.max_rss_kib),
	BYTES(done.reason),
	BYTES(done.head),
	BYTES(done.body),
	BYTES(done.log),
};

static const struct field ask[] = {
	U32(ask.what, 0, ASK_N - 1),
};
static const struct field told[] = {
	U32(told.what, 0, ASK_N - 1),
	U32(told.how, 0, TOLD_N - 1),
	BYTES(told.text),
};
static const struct field alive[] = {
	BYTES(alive.status),
};
static const struct field follow[] = {
	ID(job.id),
	U32(job.attempt, 1, UINT32_MAX),
	U32(job.slot, 0, SLATE_SLOTS_MAX - 1),
	U32(job.on, 0, 1),
};
static const struct field err[] = {
	ID(err.id),
	U32(err.attempt, 1, UINT32_MAX),
	U64(err.at),
	BYTES(err.text),
};

#define FIELDS(table)	table, nitems(table)

static const struct {
	const char		*name;
	const struct field	*fields;
	size_t			 nfields;
} kinds[FRAME_KIND_N] = {
	[FRAME_HELLO]		= { "HELLO", FIELDS(hello) },
	[FRAME_READY]		= { "READY", NULL, 0 },
	[FRAME_SPAWN]		= { "SPAWN", FIELDS(spawn) },
	[FRAME_SPAWNED]		= { "SPAWNED", FIELDS(spawned) },
	[FRAME_DIED]		= { "DIED", FIELDS(died) },
	[FRAME_KILL]		= { "KILL", FIELDS(kill_worker) },
	[FRAME_RELOAD]		= { "RELOAD", FIELDS(reload) },
	[FRAME_DRAIN]		= { "DRAIN", FIELDS(drain) },
	[FRAME_RUN]		= { "RUN", FIELDS(run) },
	[FRAME_CANCEL]		= { "CANCEL", FIELDS(cancel) },
	[FRAME_PROGRESS]	= { "PROGRESS", FIELDS(progress) },
	[FRAME_NEED_SPOOL]	= { "NEED_SPOOL", FIELDS(need_spool) },
	[FRAME_SPOOL]		= { "SPOOL", FIELDS(spool) },
	[FRAME_DONE]		= { "DONE", FIELDS(done) },
	[FRAME_ASK]		= { "ASK", FIELDS(ask) },
	[FRAME_TOLD]		= { "TOLD", FIELDS(told) },
	[FRAME_ALIVE]		= { "ALIVE", FIELDS(alive) },
	[FRAME_FOLLOW]		= { "FOLLOW", FIELDS(follow) },
	[FRAME_STDERR]		= { "STDERR", FIELDS(err) },
};

/* Bytes of a field on the wire; of bytes, those of their length. */
static const size_t widths[FIELD_TYPE_N] = {
	[FIELD_U32]	= sizeof(uint32_t),
	[FIELD_I32]	= sizeof(int32_t),
	[FIELD_U64]	= sizeof(uint64_t),
	[FIELD_ID]	= TASK_ID_BYTES,
	[FIELD_BYTES]	= sizeof(uint32_t),
};

/* A message that is being taken apart. */
struct cursor {
	const unsigned char *at;
	size_t		 left;
};

static bool
in_range(const struct field *d, const void *value)
{
	uint64_t u64;
	uint32_t u32;
	int32_t i32;

	switch (d->type) {
	case FIELD_U32:
		memcpy(&u32, value, sizeof(u32));
		return u32 >= (uint64_t)d->lo && u32 <= (uint64_t)d->hi;
	case FIELD_I32:
		memcpy(&i32, value, sizeof(i32));
		return i32 >= d->lo && i32 <= d->hi;
	case FIELD_U64:
		memcpy(&u64, value, sizeof(u64));
		return u64 <= (uint64_t)d->hi;
	default:
		return true;
	}
}

/* A body is in one place, and its size is the truth about that place. */
static bool
body_agrees(uint32_t in_fd, uint64_t size, const struct frame_bytes *body)
{
	return in_fd ? body->len == 0 : body->len == size;
}

static bool
is_valid(const struct frame *f)
{
	const struct field *d;
	size_t i;

	for (i = 0; i < kinds[f->kind].nfields; i++) {
		d = &kinds[f->kind].fields[i];
		if (!in_range(d, (const char *)f + d->at))
			return false;
	}
	if (f->kind == FRAME_RUN)
		return body_agrees(f->u.run.body_in_fd, f->u.run.body_size,
		    &f->u.run.body);
	if (f->kind == FRAME_DONE)
		return body_agrees(f->u.done.body_in_fd, f->u.done.body_size,
		    &f->u.done.body);
	return true;
}

/* Bytes of the whole frame on the wire; above FRAME_MAX somewhere above it. */
static size_t
encoded_size(const struct frame *f)
{
	const struct frame_bytes *bytes;
	const struct field *d;
	size_t i, size = sizeof(uint32_t);

	for (i = 0; i < kinds[f->kind].nfields; i++) {
		d = &kinds[f->kind].fields[i];
		size += widths[d->type];
		if (d->type != FIELD_BYTES)
			continue;
		bytes = (const void *)((const char *)f + d->at);
		if (bytes->len > FRAME_MAX)
			return FRAME_MAX + 1;
		size += bytes->len;
	}
	return size;
}

/* Writes n bytes and gives where the next ones go. */
static unsigned char *
put(unsigned char *to, const void *bytes, size_t n)
{
	if (n > 0)
		memcpy(to, bytes, n);
	return to + n;
}

static unsigned char *
put_field(unsigned char *to, const struct field *d, const void *value)
{
	const struct frame_bytes *bytes = value;
	uint32_t len;

	if (d->type != FIELD_BYTES)
		return put(to, value, widths[d->type]);
	len = (uint32_t)bytes->len;
	to = put(to, &len, sizeof(len));
	return put(to, bytes->data, bytes->len);
}

int
frame_encode(struct buf *b, const struct frame *f)
{
	uint32_t kind = (uint32_t)f->kind;
	const struct field *d;
	unsigned char *to;
	size_t i, size;

	assert(kind < FRAME_KIND_N);
	if (!is_valid(f)) {
		errno = EINVAL;
		return -1;
	}
	if ((size = encoded_size(f)) > FRAME_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if ((to = buf_space(b, size)) == NULL)
		return -1;
	to = put(to, &kind, sizeof(kind));
	for (i = 0; i < kinds[f->kind].nfields; i++) {
		d = &kinds[f->kind].fields[i];
		to = put_field(to, d, (const char *)f + d->at);
	}
	buf_commit(b, size);
	return 0;
}

/* The next n bytes of the message, or NULL if it has fewer. */
static const void *
get(struct cursor *c, size_t n)
{
	const void *p = c->at;

	if (n > c->left)
		return NULL;
	c->at += n;
	c->left -= n;
	return p;
}

static bool
get_field(struct cursor *c, const struct field *d, void *value)
{
	struct frame_bytes *bytes = value;
	const void *p;
	uint32_t len;

	if ((p = get(c, widths[d->type])) == NULL)
		return false;
	if (d->type != FIELD_BYTES) {
		memcpy(value, p, widths[d->type]);
		return true;
	}
	memcpy(&len, p, sizeof(len));
	bytes->len = len;
	bytes->data = get(c, len);
	return bytes->data != NULL;
}

static bool
decode(struct frame *f, struct cursor *c)
{
	const struct field *d;
	const void *p;
	uint32_t kind;
	size_t i;

	if ((p = get(c, sizeof(kind))) == NULL)
		return false;
	memcpy(&kind, p, sizeof(kind));
	if (kind >= FRAME_KIND_N)
		return false;
	memset(f, 0, sizeof(*f));
	f->kind = (enum frame_kind)kind;
	for (i = 0; i < kinds[kind].nfields; i++) {
		d = &kinds[kind].fields[i];
		if (!get_field(c, d, (char *)f + d->at))
			return false;
	}
	return c->left == 0 && is_valid(f);
}

int
frame_decode(struct frame *f, const void *data, size_t len)
{
	struct cursor c = { data, len };

	if (len > FRAME_MAX || !decode(f, &c)) {
		errno = EBADMSG;
		return -1;
	}
	return 0;
}

const char *
frame_name(enum frame_kind kind)
{
	return (unsigned int)kind < FRAME_KIND_N ? kinds[kind].name : "unknown";
}

int
frame_fds(const struct frame *f)
{
	switch (f->kind) {
	case FRAME_SPAWNED:
		return 3;
	case FRAME_RELOAD:
		return 1;
	case FRAME_RUN:
		return f->u.run.body_in_fd ? 1 : 0;
	case FRAME_SPOOL:
		return f->u.job.error == 0 ? 1 : 0;
	default:
		return 0;
	}
}
