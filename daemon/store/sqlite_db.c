/*
 * sqlite_db - connections, and what to say when one has trouble.
 *
 * Two connections, a writer and a reader, each used by one thread at a time,
 * so SQLite's own locks are off.  They stay open as long as the store is.
 * A connection is as good as new after any error once its transaction is
 * rolled back; and closing the last one makes the next to open the file read
 * the WAL from its start, with what a failed commit may have left there (see
 * sqlite_apply.c).  So no fault is a reason to open it again.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf.h"
#include "daemon/log.h"
#include "daemon/store/sqlite_priv.h"

#define BUSY_MS		5000	/* patience with other programs, ... */
#define BUSY_LEAVING_MS	1000	/* ... when we are to end, ... */
#define BUSY_STEP_MS	10	/* ... and between two tries */
#define SAY_AGAIN_S	60

/*
 * A small cache, nothing mapped: a truncated file is an error, not a SIGBUS.
 * Deleted rows are overwritten where that costs no write of its own; free
 * pages are not (they would all go through the WAL).
 */
static const char settings[] =
	"PRAGMA cache_size = -2048;"
	"PRAGMA mmap_size = 0;"
	"PRAGMA temp_store = MEMORY;"
	"PRAGMA cell_size_check = ON;"
	"PRAGMA trusted_schema = OFF;"
	"PRAGMA secure_delete = FAST;"
	"PRAGMA synchronous = FULL;";

int
sqlite_db_open(sqlite3 **db, const char *path, bool readonly)
{
	int rc, flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
	    (readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);

	rc = sqlite3_open_v2(path, db, flags, NULL);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_extended_result_codes(*db, 1);
	sqlite3_busy_timeout(*db, BUSY_MS);
	sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return sqlite3_exec(*db, settings, NULL, NULL, NULL);
}

static int
wait_more(void *arg, int times)
{
	const struct sqlite *s = arg;
	int most_ms = s->leaving ? BUSY_LEAVING_MS : BUSY_MS;

	if (times * BUSY_STEP_MS >= most_ms)
		return 0;
	sqlite3_sleep(BUSY_STEP_MS);
	return 1;
}

void
sqlite_db_be_patient(struct sqlite *s)
{
	sqlite3_busy_handler(s->writer, wait_more, s);
}

int
sqlite_db_run(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int
sqlite_db_number(sqlite3 *db, const char *sql, int64_t *number)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	*number = 0;
	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*number = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* What the system said to a call that failed; of a commit only the log knows. */
static int
system_errno(sqlite3 *db, int rc)
{
	sqlite3_file *log = NULL;
	int e = 0;

	if (!db || ((rc & 0xff) != SQLITE_IOERR &&
	    (rc & 0xff) != SQLITE_CANTOPEN))
		return 0;
	sqlite3_file_control(db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (log && log->pMethods)
		log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &e);
	return e != 0 ? e : sqlite3_system_errno(db);
}

/* SQLite's words, and the system's where it has some. */
static void
reason(sqlite3 *db, int rc, char *out, size_t size)
{
	int e = system_errno(db, rc);
	int kind = rc & 0xff;

	if (e != 0)
		snprintf(out, size, "%s: %s", sqlite3_errstr(rc), strerror(e));
	else
		snprintf(out, size, "%s", kind == SQLITE_ERROR ?
		    sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

static bool
is_damage(int rc)
{
	return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

void
sqlite_db_explain(sqlite3 *db, int rc, const char *path, char *error)
{
	char why[128];

	reason(db, rc, why, sizeof(why));
	if (is_damage(rc))
		snprintf(error, CONF_ERROR_MAX,
		    "store: %s is damaged (%s). Restore a copy; or save what "
		    "there is with \"sqlite3 FILE .recover\"; or move it, its "
		    "-wal and the spool away to begin anew", path, why);
	else
		snprintf(error, CONF_ERROR_MAX, "store: cannot use %s: %s",
		    path, why);
}

/* EFBIG is the limit of a process, or of the file system. */
static enum store_verdict
verdict_of(sqlite3 *db, int rc)
{
	int e = system_errno(db, rc);

	return (rc & 0xff) == SQLITE_FULL || e == ENOSPC || e == EDQUOT ||
	    e == EFBIG ? STORE_FULL : STORE_FAILED;
}

/* This cause's place, or that of the one said longest ago. */
static struct sqlite_fault *
fault_find(struct sqlite *s, const char *what, int rc)
{
	struct sqlite_fault *f, *oldest = s->faults;

	for (f = s->faults; f < s->faults + SQLITE_FAULTS; f++) {
		if (f->what == what && f->rc == rc)
			return f;
		if (f->said < oldest->said)
			oldest = f;
	}
	*oldest = (struct sqlite_fault){ .what = what, .rc = rc };
	return oldest;
}

static time_t
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + 1;		/* 0 is never */
}

static void
fault_say(struct sqlite_fault *f, const char *path, const char *why)
{
	time_t now = seconds();

	if (f->said != 0 && now - f->said < SAY_AGAIN_S) {
		f->unsaid++;
		return;
	}
	log_error("store-failed what=%s path=%s error=%s skipped=%u", f->what,
	    path, why, f->unsaid);
	f->said = now;
	f->unsaid = 0;
}

/* `what` is a literal: it is remembered. */
enum store_verdict
sqlite_db_fault(struct sqlite *s, sqlite3 *db, const char *what, int rc)
{
	enum store_verdict v = verdict_of(db, rc);
	char why[128];

	reason(db, rc, why, sizeof(why));
	pthread_mutex_lock(&s->lock_faults);
	fault_say(fault_find(s, what, rc), s->path, why);
	if (v == STORE_FAILED &&
	    (is_damage(rc) || (rc & 0xff) == SQLITE_IOERR))
		sqlite_check_start(s);
	pthread_mutex_unlock(&s->lock_faults);
	return v;
}
