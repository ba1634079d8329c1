/*
 * store_room - how much room the disk has.
 *
 * A file system may take its time to answer, so it is asked beside the loop,
 * now and then, when somebody wants to know; who asks is told what was seen
 * the last time, less what has been promised and kept since.
 */
#include "config.h"

#include <sys/statvfs.h>

#include "daemon/log.h"
#include "daemon/master/clock.h"
#include "daemon/store/store_priv.h"

#define LOOK_MS		200	/* between two looks at the disk */
#define FLOOR_PART	10	/* of the disk may min-free take */

void
store_room_at(struct store_room *room, const char *path)
{
	struct statvfs st;
	uint64_t left;

	if (statvfs(path, &st) < 0)
		return;
	left = (uint64_t)st.f_bavail * st.f_frsize;
	if (room->disk_bytes != 0 && room->free_bytes <= left)
		return;
	room->free_bytes = left;
	room->disk_bytes = (uint64_t)st.f_blocks * st.f_frsize;
}

/* On a small disk a floor must not be most of it. */
uint64_t
store_room_floor(const struct store *s)
{
	uint64_t part = s->look.room.disk_bytes / FLOOR_PART;

	return s->look.min_free < part ? s->look.min_free : part;
}

/*
 * What has been kept since the last look is not missing there yet; of what is
 * still arriving some may be, which errs on the safe side.
 */
bool
store_room_fits(const struct store *s, uint64_t more)
{
	const struct store_budget *b = &s->budget;
	int64_t since = b->bytes - s->look.bytes;
	uint64_t left = s->look.room.free_bytes;
	uint64_t taken = store_room_floor(s) + b->reserved + b->due.growth +
	    (since > 0 ? (uint64_t)since : 0);

	return s->look.room.disk_bytes == 0 ||
	    (taken <= left && more <= left - taken);
}

/* -- looking --------------------------------------------------------------- */

static void
look_say(struct store *s)
{
	const struct store_room *room = &s->look.room;
	uint64_t least = store_room_floor(s);
	bool low = room->disk_bytes != 0 && room->free_bytes < least;

	if (low && !s->look.low)
		log_error("disk-low free=%llu min-free=%llu",
		    (unsigned long long)room->free_bytes,
		    (unsigned long long)least);
	else if (!low && s->look.low)
		log_info("disk-roomy free=%llu",
		    (unsigned long long)room->free_bytes);
	s->look.low = low;
}

static void
look_run(struct work *w)
{
	struct store *s = OWNER_OF(w, struct store, look.work);

	s->look.next = (struct store_room){ 0 };
	s->backend->look(s->state, &s->look.next);
}

static void
look_done(struct work *w)
{
	struct store *s = OWNER_OF(w, struct store, look.work);

	s->look.busy = false;
	s->look.room = s->look.next;
	s->look.bytes = s->look.next_bytes;
	look_say(s);
}

void
store_room_look(struct store *s)
{
	int64_t now = clock_mono_ms();

	if (s->look.busy || !s->io || !s->backend->look ||
	    now - s->look.began_ms < LOOK_MS)
		return;
	s->look.busy = true;
	s->look.began_ms = now;
	s->look.next_bytes = s->budget.bytes;
	store_hand_over(s->io, &s->look.work, look_run, look_done);
}

void
store_room_init(struct store *s)
{
	if (!s->backend->look)
		return;
	look_run(&s->look.work);
	look_done(&s->look.work);
}
