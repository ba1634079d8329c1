/*
 * sqlite_look - what the disk has left, and whether all is in its place.
 *
 * Whoever moves, replaces or deletes a file that we have open does it behind
 * our back: we write on into what the next start will not find.  So of each of
 * our names it is asked whether what we have open still stands under it.
 *
 *	the database	if not, nothing is promised until it does again
 *	the spool	if not, nothing that needs a file there
 *	the log		after a crash what is in it would be lost: it is written
 *			to the database after each commit
 *	its index	who else opens the database from now on makes another,
 *			and neither side sees what the other does
 *
 * And a reader that never ends its transaction keeps the log from being begun
 * anew, so that it grows.
 */
#include "config.h"

#include <limits.h>
#include <sys/stat.h>

#include "daemon/log.h"
#include "daemon/store/sqlite_priv.h"

#define WAL_ALARM	(256 << 20)	/* bytes: something is wrong with it */

static const char *
name_of(const struct sqlite *s, enum sqlite_part part, char name[PATH_MAX])
{
	switch (part) {
	case PART_DATABASE:
		return s->name;
	case PART_SPOOL:
		return s->spool_path;
	default:
		(void)snprintf(name, PATH_MAX, "%s%s", s->path,
		    part == PART_LOG ? "-wal" : "-shm");
		return name;
	}
}

void
sqlite_look_begin(struct sqlite *s)
{
	char name[PATH_MAX];
	struct stat st;
	int part;

	for (part = 0; part < PART_N; part++) {
		if (stat(name_of(s, (enum sqlite_part)part, name), &st) < 0)
			continue;
		s->held[part].dev = st.st_dev;
		s->held[part].inode = st.st_ino;
	}
}

static void
say(enum sqlite_part part, const char *name, bool gone)
{
	if (!gone)
		log_info("store-back path=%s", name);
	else if (part == PART_DATABASE || part == PART_SPOOL)
		log_error("store-gone path=%s", name);
	else
		log_error("store-log-gone path=%s", name);
}

enum sqlite_place
sqlite_look_at(struct sqlite *s, enum sqlite_part part)
{
	struct sqlite_held *held = &s->held[part];
	enum sqlite_place place = PLACE_OURS;
	char buffer[PATH_MAX];
	const char *name = name_of(s, part, buffer);
	struct stat st;
	bool gone;

	if (held->inode == 0)
		return PLACE_OURS;
	if (stat(name, &st) < 0)
		place = PLACE_EMPTY;
	else if (st.st_ino != held->inode || st.st_dev != held->dev)
		place = PLACE_TAKEN;
	gone = place != PLACE_OURS;
	if (atomic_exchange(&held->gone, gone) != gone)
		say(part, name, gone);
	return place;
}

static uint64_t
log_length(const struct sqlite *s)
{
	char name[PATH_MAX];
	struct stat st;

	return stat(name_of(s, PART_LOG, name), &st) < 0 ? 0 :
	    (uint64_t)st.st_size;
}

static void
check_length(struct sqlite *s, uint64_t bytes)
{
	if (bytes > WAL_ALARM && !s->wal_long)
		log_warn("store-log-long path=%s bytes=%llu", s->path,
		    (unsigned long long)bytes);
	s->wal_long = bytes > WAL_ALARM;
}

void
sqlite_look(void *state, struct store_room *room)
{
	struct sqlite *s = state;
	int part;

	store_room_at(room, s->path);
	store_room_at(room, s->spool_path);
	room->log_bytes = log_length(s);
	check_length(s, room->log_bytes);
	for (part = 0; part < PART_N; part++)
		(void)sqlite_look_at(s, (enum sqlite_part)part);
}
