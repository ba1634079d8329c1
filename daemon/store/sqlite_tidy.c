/*
 * sqlite_tidy - what a commit leaves to be done, in steps beside it.
 *
 * The log grows with every commit and is written back to the database when
 * it is long (a checkpoint): a thousand pages and a sync of a large file.
 * SQLite would do that inside the commit that made it too long, and its
 * clients would wait.  Here the answers have left when it begins.
 * It must be done between two commits now and then, for only a log that is
 * written back to its end is begun anew instead of growing; so it is the
 * writer's work, and one that runs beside the commits would not save it.
 *
 * Deleting rows leaves free pages, which new rows use first.  Only when they
 * are many, in number and in proportion, are they given back to the file
 * system: some at a time, each step a small commit.
 */
#include "config.h"

#include "daemon/store/sqlite_priv.h"

#define WAL_LONG	1000		/* pages: 4 MB; more gains nothing */
#define WAL_KEEP	"16777216"	/* bytes: a longer file is cut */
#define FREE_MANY	2048		/* pages: 8 MB */
#define FREE_PART	4		/* of the file is free: one in four */
#define FREE_STEP	"128"		/* pages given back at a time */

static int
committed(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct sqlite *s = arg;

	(void)db;
	(void)name;
	if (pages < s->wal_tried)
		s->wal_tried = 0;	/* it was begun anew */
	s->wal_pages = pages;
	return SQLITE_OK;
}

/* The hook takes the place of SQLite's own, which is the autocheckpoint. */
void
sqlite_tidy_prepare(struct sqlite *s)
{
	sqlite3_exec(s->writer, "PRAGMA journal_size_limit = " WAL_KEEP, NULL,
	    NULL, NULL);
	sqlite3_wal_hook(s->writer, committed, s);
	s->deleted = true;
}

/*
 * PASSIVE waits for no reader: what one still needs stays for next time,
 * which is when the log is longer by as much again.
 */
static void
write_back(struct sqlite *s, int how)
{
	int rc = sqlite3_wal_checkpoint_v2(s->writer, NULL, how, NULL, NULL);

	s->wal_tried = s->wal_pages;
	if (rc != SQLITE_OK)
		sqlite_db_fault(s, s->writer, "checkpoint", rc);
}

/* How many pages are free; 0 if too few to make it worth while. */
static int64_t
count_free(struct sqlite *s)
{
	sqlite3_stmt *st = s->sql[SQL_FREE_PAGES];
	int64_t nfree = 0, all = 0;

	if (sqlite3_step(st) == SQLITE_ROW) {
		nfree = sqlite3_column_int64(st, 0);
		all = sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	return nfree >= FREE_MANY && nfree >= all / FREE_PART ? nfree : 0;
}

/*
 * If this commit fails, what it may have left in the log means nothing.  A
 * file that somebody made without auto_vacuum gives nothing back.
 */
static bool
give_back(struct sqlite *s)
{
	int64_t before;
	int rc;

	if (!s->deleted || s->uncertain)
		return false;
	s->deleted = false;
	if ((before = count_free(s)) == 0)
		return false;
	rc = sqlite3_exec(s->writer, "PRAGMA incremental_vacuum(" FREE_STEP ")",
	    NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		s->deleted = count_free(s) < before;
	else
		sqlite_db_fault(s, s->writer, "truncate", rc);
	return s->deleted;
}

/*
 * Our database is elsewhere: it shall be whole there.  If another one has its
 * name, whoever opens that would take our log for its log: nothing stays in it.
 */
static bool
part_from_log(struct sqlite *s)
{
	enum sqlite_place place = sqlite_look_at(s, PART_DATABASE);

	if (place != PLACE_OURS)
		write_back(s, place == PLACE_TAKEN ?
		    SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE);
	return place != PLACE_OURS;
}

bool
sqlite_tidy(void *state)
{
	struct sqlite *s = state;

	if (part_from_log(s))
		return false;
	/* A log without a name is lost with us: nothing is left to it. */
	if (s->wal_pages - s->wal_tried < WAL_LONG && !s->held[PART_LOG].gone)
		return give_back(s);
	write_back(s, SQLITE_CHECKPOINT_PASSIVE);
	return s->deleted;
}

void
sqlite_tidy_finish(struct sqlite *s)
{
	(void)part_from_log(s);
}
