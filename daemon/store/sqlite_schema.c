/*
 * sqlite_schema - the tables, and how an older file becomes a newer one.
 *
 * The version is SQLite's user_version; steps[v] leads from v to v + 1, each
 * in a transaction of its own, so a file is never between two versions.  A
 * file from the future is refused: what it says may mean something else.
 *
 * For people with the sqlite3 shell: states are words, times are Unix time
 * in milliseconds, `overview` shows them as dates.  For the machine: tasks is
 * narrow, because every start reads all of it; requests and responses are
 * beside it.  All three have the same key, which only grows, so that new rows
 * go to the end of each; there is no index on the random id, which would cost
 * more than all the rest (the table in memory maps it to the row).  The
 * indexes on files hold only the few rows whose body is in one.
 */
#include "config.h"

#include <stdarg.h>
#include <string.h>

#include "daemon/conf.h"
#include "daemon/store/sqlite_priv.h"
#include "ipc/nitems.h"

#define APPLICATION_ID	0x64666572	/* "dfer" */
#define QUOTED(x)	QUOTED_(x)
#define QUOTED_(x)	#x

static const char version_1[] =
	"PRAGMA application_id = " QUOTED(APPLICATION_ID) ";"
	"CREATE TABLE tasks ("
	"  row INTEGER PRIMARY KEY,"
	"  id TEXT NOT NULL CHECK (length(id) = 32),"
	"  state TEXT NOT NULL CHECK (state IN ('queued', 'running',"
	"    'succeeded', 'failed', 'timed-out', 'cancelled')),"
	"  attempt INTEGER NOT NULL,"		/* started so often */
	"  created INTEGER NOT NULL,"		/* Unix time, ms */
	"  changed INTEGER NOT NULL,"		/* when it got into its state */
	"  started INTEGER,"			/* when it last got to run */
	"  bytes INTEGER NOT NULL,"		/* kept for it, everywhere */
	"  route TEXT NOT NULL,"
	"  method TEXT NOT NULL,"
	"  path TEXT NOT NULL,"
	"  owner TEXT,"				/* a user's name, or NULL */
	"  tries TEXT"				/* store.h; of those tried again */
	") STRICT;"

	/* of tasks that came with an Idempotency-Key; SHA-256 of both */
	"CREATE TABLE claims ("
	"  row INTEGER PRIMARY KEY,"
	"  key BLOB NOT NULL UNIQUE,"
	"  request BLOB NOT NULL"
	") STRICT;"

	/* of tasks that have not finished */
	"CREATE TABLE requests ("
	"  row INTEGER PRIMARY KEY,"
	"  file INTEGER,"			/* the body's, or NULL: in `body` */
	"  size INTEGER NOT NULL,"		/* of the body */
	"  head BLOB,"				/* NUL-separated, as in SCGI */
	"  body BLOB"
	") STRICT;"
	"CREATE INDEX requests_file ON requests (file) WHERE file IS NOT NULL;"

	/* of tasks that have */
	"CREATE TABLE responses ("
	"  row INTEGER PRIMARY KEY,"
	"  file INTEGER,"
	"  size INTEGER NOT NULL,"
	"  wait_status INTEGER NOT NULL,"	/* as waitpid(); -1: none */
	"  cpu_us INTEGER NOT NULL,"
	"  max_rss_kib INTEGER NOT NULL,"
	"  reason TEXT NOT NULL,"		/* '' if it succeeded */
	"  head BLOB,"
	"  body BLOB,"
	"  log BLOB"				/* the end of stderr */
	") STRICT;"
	"CREATE INDEX responses_file ON responses (file) WHERE file IS NOT NULL;"

	/* of this file: one row (sqlite_apply.c says what it is for) */
	"CREATE TABLE faults ("
	"  commits INTEGER NOT NULL,"		/* that failed */
	"  changed INTEGER"			/* when, the last of them */
	") STRICT;"
	"INSERT INTO faults VALUES (0, NULL);"

	"CREATE VIEW overview AS"
	" SELECT row, id, state, attempt, method, path, route, owner,"
	"  strftime('%Y-%m-%d %H:%M:%f', created / 1000.0, 'unixepoch')"
	"    AS created,"
	"  strftime('%Y-%m-%d %H:%M:%f', changed / 1000.0, 'unixepoch')"
	"    AS changed,"
	"  bytes FROM tasks;"
	"CREATE VIEW files AS"
	" SELECT row, file, printf('%016x', file) AS name, size"
	"  FROM requests WHERE file IS NOT NULL"
	" UNION ALL SELECT row, file, printf('%016x', file), size"
	"  FROM responses WHERE file IS NOT NULL;";

static int
to_version_1(sqlite3 *db)
{
	return sqlite3_exec(db, version_1, NULL, NULL, NULL);
}

sqlite_step *const sqlite_schema_steps[] = {
	to_version_1,
};
const int sqlite_schema_version = nitems(sqlite_schema_steps);

struct identity {
	int64_t		 application, version, objects;
};

static int
identify(sqlite3 *db, struct identity *is)
{
	int rc;

	if ((rc = sqlite_db_number(db, "PRAGMA application_id",
	    &is->application)) != SQLITE_OK ||
	    (rc = sqlite_db_number(db, "PRAGMA user_version",
	    &is->version)) != SQLITE_OK)
		return rc;
	return sqlite_db_number(db, "SELECT count(*) FROM sqlite_schema",
	    &is->objects);
}

static int
refuse(char *error, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int
refuse(char *error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, CONF_ERROR_MAX, fmt, ap);
	va_end(ap);
	return -1;
}

static int
step(sqlite3 *db, const char *path, sqlite_step *up, int version, char *error)
{
	char sql[64];
	int rc;

	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d; COMMIT",
	    version);
	rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = up(db);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return 0;
	sqlite_db_explain(db, rc, path, error);
	if (!sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

/* Where there is no shared memory, SQLite stays with the mode it had. */
static int
mode_is(void *is_wal, int n, char **value, char **name)
{
	(void)n;
	(void)name;
	*(bool *)is_wal = strcmp(value[0], "wal") == 0;
	return 0;
}

/*
 * auto_vacuum is decided by the very first page, which the change to WAL
 * writes.
 */
static int
to_wal(sqlite3 *db, bool is_new)
{
	bool is_wal = false;
	int rc = SQLITE_OK;

	if (is_new)
		rc = sqlite3_exec(db, "PRAGMA auto_vacuum = INCREMENTAL",
		    NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL", mode_is,
		    &is_wal, NULL);
	return rc == SQLITE_OK && !is_wal ? SQLITE_PROTOCOL : rc;
}

int
sqlite_schema_open(sqlite3 *db, const char *path, sqlite_step *const *steps,
    int nsteps, char *error)
{
	struct identity is;
	int rc = identify(db, &is);

	if (rc == SQLITE_OK && is.application != APPLICATION_ID &&
	    (is.application != 0 || is.objects > 0))
		return refuse(error,
		    "store: %s is a database of another program", path);
	if (rc == SQLITE_OK && is.version > nsteps)
		return refuse(error, "store: %s was written by a newer deferd: "
		    "its schema is %lld, this one knows %d", path,
		    (long long)is.version, nsteps);
	if (rc == SQLITE_OK)
		rc = to_wal(db, is.objects == 0);
	if (rc != SQLITE_OK) {
		sqlite_db_explain(db, rc, path, error);
		return -1;
	}
	for (; is.version < nsteps; is.version++)
		if (step(db, path, steps[is.version], (int)is.version + 1,
		    error) < 0)
			return -1;
	return 0;
}
