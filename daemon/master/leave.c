#include "config.h"

#include "daemon/master/leave.h"

void
leave_begin(struct leave *l, int64_t now_ms, int64_t drain_ms)
{
	*l = (struct leave){ .stage = LEAVE_DRAINING, .begun_ms = now_ms,
	    .drained_ms = now_ms + drain_ms, .quiet_ms = -1 };
}

static void
note_quiet(struct leave *l, bool busy, int64_t now_ms)
{
	if (busy)
		l->quiet_ms = -1;
	else if (l->quiet_ms == -1)
		l->quiet_ms = now_ms;
}

/* Nobody who is inside is slow, as far as one can know by now. */
static bool
is_calm(const struct leave *l, const struct leave_facts *f, int64_t now_ms)
{
	return f->inside == 0 || (now_ms - l->begun_ms >= LEAVE_CALM_MS &&
	    f->oldest_ms < LEAVE_CALM_MS);
}

static bool
may_close(const struct leave *l, const struct leave_facts *f, int64_t now_ms)
{
	if (now_ms >= l->drained_ms)
		return true;
	return !f->busy && (is_calm(l, f, now_ms) ||
	    now_ms - l->quiet_ms >= LEAVE_SLOW_MS);
}

static enum leave_stage
next_stage(const struct leave *l, const struct leave_facts *f, int64_t now_ms)
{
	int64_t lasted_ms = now_ms - l->begun_ms;

	switch (l->stage) {
	case LEAVE_DRAINING:
		return may_close(l, f, now_ms) ? LEAVE_LEAVING : l->stage;
	case LEAVE_LEAVING:
		if (f->empty)
			return LEAVE_GONE;
		return lasted_ms >= LEAVE_CLOSED_MS ? LEAVE_HURRIED : l->stage;
	case LEAVE_HURRIED:
		return f->empty || lasted_ms >= LEAVE_HURRY_MS ? LEAVE_GONE :
		    l->stage;
	default:
		return l->stage;
	}
}

enum leave_stage
leave_advance(struct leave *l, const struct leave_facts *f, int64_t now_ms)
{
	enum leave_stage next;

	note_quiet(l, f->busy, now_ms);
	next = next_stage(l, f, now_ms);
	if (next != l->stage)
		l->begun_ms = now_ms;
	return l->stage = next;
}
