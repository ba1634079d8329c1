/*
 * sqlite_look - what the disk has left, and how the log on it fares.
 *
 * Two things that others can do to a WAL are seen by nobody else.  A reader
 * that never ends its transaction keeps it from being begun anew, so it
 * grows.  And who deletes the file takes what is in it from a deferd that
 * comes after a crash: we still have it open, and notice nothing.
 */
#include "config.h"

#include <limits.h>
#include <sys/stat.h>

#include "daemon/log.h"
#include "daemon/store/sqlite_priv.h"

#define WAL_ALARM	(256 << 20)	/* bytes: something is wrong with it */

/* The file is made when the store is opened, and ours until it is closed. */
static void
check_inode(struct sqlite *s, ino_t inode)
{
	if (s->wal_inode == 0)
		s->wal_inode = inode;
	if (s->wal_inode == inode || s->wal_gone)
		return;
	log_error("store-log-gone path=%s", s->path);
	s->wal_gone = true;
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
	struct stat st = { 0 };
	char wal[PATH_MAX];

	store_room_at(room, s->path);
	store_room_at(room, s->spool_path);
	(void)snprintf(wal, sizeof(wal), "%s-wal", s->path);
	if (stat(wal, &st) == -1)
		st.st_ino = 0;
	room->log_bytes = (uint64_t)st.st_size;
	check_inode(s, st.st_ino);
	check_length(s, room->log_bytes);
}
