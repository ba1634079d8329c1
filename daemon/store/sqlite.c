/*
 * sqlite - the store that survives.
 *
 * One file in WAL mode with synchronous=FULL: a commit is one sync of the
 * log, readers never wait for it, and anybody may look with the sqlite3
 * shell while we run.  Rows have numbers of our own that only grow: they are
 * above all that were there at the start and all that were given since, so
 * none is used twice while somebody may still hold it.
 *
 * One deferd at a time: a lock on PATH.lock says so, not one on the file
 * itself, where closing a second descriptor would take SQLite's own locks
 * away.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/conf.h"
#include "daemon/log.h"
#include "daemon/store/sqlite_priv.h"

static int
no_use(const char *path, char *error)
{
	snprintf(error, CONF_ERROR_MAX, "store: cannot use %.400s: %s", path,
	    strerror(errno));
	return -1;
}

static int
lock_take(struct sqlite *s, char *error)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s.lock", s->path) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return no_use(s->path, error);
	}
	s->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->lock < 0)
		return no_use(path, error);
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return no_use(path, error);
	snprintf(error, CONF_ERROR_MAX,
	    "store: another deferd has %s (it holds %s.lock)", s->path,
	    s->path);
	return -1;
}

/* What there is of an earlier life beside the database; NULL: nothing. */
static const char *
what_is_left(const struct sqlite *s)
{
	char wal[PATH_MAX];
	struct stat st;

	(void)snprintf(wal, sizeof(wal), "%s-wal", s->path);	/* as .lock */
	if (stat(wal, &st) == 0 && st.st_size > 0)
		return "its -wal";
	return sqlite_spool_is_used(s) != 0 ? s->spool_path : NULL;
}

/*
 * No crash leaves less of a database than its first page: somebody has moved,
 * deleted or emptied it.  SQLite would delete the log beside a new one, and
 * we what is in the spool.
 */
static int
begin_anew(const struct sqlite *s, const char *is, char *error)
{
	const char *left = what_is_left(s);

	if (left) {
		snprintf(error, CONF_ERROR_MAX, "store: %.180s is %s, but not "
		    "%.180s: put it back, or restore a copy; or move its -wal "
		    "and the spool away to begin anew", s->path, is, left);
		return -1;
	}
	log_info("store-new path=%s", s->path);
	return 0;
}

/* Requests have secrets in them: the file is nobody else's to read. */
static int
file_make(struct sqlite *s, char *error)
{
	struct stat st;
	int fd;

	if (stat(s->path, &st) < 0) {
		if (errno != ENOENT)
			return no_use(s->path, error);
		if (begin_anew(s, "missing", error) < 0)
			return -1;
	} else if (st.st_size == 0 && begin_anew(s, "empty", error) < 0) {
		return -1;
	}
	fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return no_use(s->path, error);
	close(fd);
	return 0;
}

static int
explain(sqlite3 *db, int rc, const char *path, char *error)
{
	if (rc == SQLITE_OK)
		return 0;
	sqlite_db_explain(db, rc, path, error);
	return -1;
}

static int
rows_start(struct sqlite *s, char *error)
{
	static const char sql[] = "SELECT max("
	    "ifnull((SELECT max(row) FROM tasks), 0),"
	    "ifnull((SELECT max(row) FROM claims), 0),"
	    "ifnull((SELECT max(row) FROM requests), 0),"
	    "ifnull((SELECT max(row) FROM responses), 0))";
	int64_t last;
	int rc = sqlite_db_number(s->writer, sql, &last);

	s->next_row = last + 1;
	return explain(s->writer, rc, s->path, error);
}

static int
writer_open(struct sqlite *s, char *error)
{
	int rc = sqlite_db_open(&s->writer, s->path, false);

	if (explain(s->writer, rc, s->path, error) < 0 ||
	    sqlite_schema_open(s->writer, s->path, sqlite_schema_steps,
	    sqlite_schema_version, error) < 0)
		return -1;
	sqlite_db_be_patient(s);
	rc = sqlite_change_prepare(s);
	if (explain(s->writer, rc, s->path, error) < 0)
		return -1;
	sqlite_tidy_prepare(s);
	return rows_start(s, error);
}

static int
reader_open(struct sqlite *s, char *error)
{
	int rc = sqlite_db_open(&s->reader, s->path, true);

	if (rc == SQLITE_OK)
		rc = sqlite_load_prepare(s);
	return explain(s->reader, rc, s->path, error);
}

static int
spool_start(struct sqlite *s, char *error)
{
	return explain(s->writer, sqlite_spool_sweep(s, s->writer), s->path,
	    error);
}

/* The file itself, where it is a link: its lock is beside it. */
static char *
path_real(const char *where)
{
	char *path = realpath(where, NULL);

	return path ? path : strdup(where);
}

static void
names_free(struct sqlite *s)
{
	free(s->name);
	free(s->path);
	free(s->spool_path);
}

static struct sqlite *
sqlite_new(const char *where, const struct conf *conf, char *error)
{
	struct sqlite *s = calloc(1, sizeof(*s));

	if (s && (s->name = strdup(where)) && (s->path = path_real(where)) &&
	    (s->spool_path = strdup(conf->spool))) {
		s->lock = s->spool.dir = -1;
		pthread_mutex_init(&s->lock_faults, NULL);
		return s;
	}
	no_use(where, error);
	if (s)
		names_free(s);
	free(s);
	return NULL;
}

/* The writer's connection goes last: it writes the log back. */
static void
sqlite_close(void *state)
{
	struct sqlite *s = state;

	sqlite_check_end(s);
	sqlite_load_finish(s);
	sqlite3_close(s->reader);
	sqlite_apply_finish(s);
	sqlite_change_finish(s);
	sqlite_tidy_finish(s);
	sqlite3_close(s->writer);
	sqlite_spool_close(s);
	if (s->lock >= 0)
		close(s->lock);
	pthread_mutex_destroy(&s->lock_faults);
	names_free(s);
	free(s);
}

static void *
sqlite_open(const char *where, const struct conf *conf, char *error)
{
	struct sqlite *s;

	if (*where != '/') {
		snprintf(error, CONF_ERROR_MAX, "store: expected \"sqlite:\" "
		    "and an absolute path, got \"sqlite:%s\"", where);
		return NULL;
	}
	if (!(s = sqlite_new(where, conf, error)))
		return NULL;
	if (lock_take(s, error) == 0 &&
	    sqlite_spool_open(s, conf->spool, error) == 0 &&
	    file_make(s, error) == 0 &&
	    writer_open(s, error) == 0 &&
	    reader_open(s, error) == 0 &&
	    spool_start(s, error) == 0) {
		sqlite_look_begin(s);
		return s;
	}
	sqlite_close(s);
	return NULL;
}

/* -- scan ----------------------------------------------------------------- */

static enum task_state
state_of(const char *name)
{
	int i;

	for (i = 0; i < TASK_STATE_N; i++)
		if (strcmp(task_state_names[i], name) == 0)
			break;
	return (enum task_state)i;
}

/* False if that is no row of ours. */
static bool
row_read(sqlite3_stmt *st, struct store_row *r, int64_t *bytes)
{
	const char *id = (const char *)sqlite3_column_text(st, 1);
	const char *state = (const char *)sqlite3_column_text(st, 2);

	r->row = sqlite3_column_int64(st, 0);
	r->attempt = (uint32_t)sqlite3_column_int64(st, 3);
	r->created_ms = sqlite3_column_int64(st, 4);
	r->changed_ms = sqlite3_column_int64(st, 5);
	*bytes = sqlite3_column_int64(st, 6);
	r->route = (const char *)sqlite3_column_text(st, 7);
	r->method = (const char *)sqlite3_column_text(st, 8);
	r->owner = (const char *)sqlite3_column_text(st, 9);
	if (!id || !state || !r->route || !r->method || *bytes < 0)
		return false;
	r->state = state_of(state);
	return r->state < TASK_STATE_N && task_id_parse(id, r->id);
}

/* -1: `each` wants no more, or has said why. */
static int
scan_rows(sqlite3_stmt *st, int (*each)(const struct store_row *, void *),
    void *arg, int64_t *bytes, int64_t *tasks, int *rc)
{
	struct store_row r;
	int64_t kept;

	while ((*rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (!row_read(st, &r, &kept)) {
			*rc = SQLITE_CORRUPT;
			return 0;
		}
		*bytes += kept;
		++*tasks;
		if (each && each(&r, arg) < 0)
			return -1;
	}
	return 0;
}

static int
sqlite_scan(void *state, int (*each)(const struct store_row *, void *),
    void *arg, int64_t *bytes, int64_t *tasks, char *error)
{
	static const char sql[] = "SELECT row, id, state, attempt, created,"
	    " changed, bytes, route, method, owner FROM tasks ORDER BY row";
	struct sqlite *s = state;
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(s->writer, sql, -1, &st, NULL);
	int enough = 0;

	if (rc == SQLITE_OK) {
		enough = scan_rows(st, each, arg, bytes, tasks, &rc);
		sqlite3_finalize(st);
	}
	if (enough < 0) {
		snprintf(error, CONF_ERROR_MAX,
		    "store: no memory for the tasks in %s", s->path);
		return -1;
	}
	return explain(s->writer, rc == SQLITE_DONE ? SQLITE_OK : rc, s->path,
	    error);
}

static void
sqlite_leave(void *state)
{
	struct sqlite *s = state;

	s->leaving = true;
}

/* Another file under our name has no log of its own, but finds ours. */
static enum store_check
sqlite_check(void *state, FILE *report, _Atomic bool *stop)
{
	struct sqlite *s = state;

	if (sqlite_look_at(s, PART_DATABASE) != PLACE_OURS) {
		fprintf(report, "%s: what is in use is no longer there\n",
		    s->name);
		return CHECK_UNABLE;
	}
	return sqlite_check_path(s->path, s->spool_path, report, stop);
}

const struct store_backend store_sqlite = {
	.name = "sqlite",
	.durable = true,
	.threaded = true,
	.open = sqlite_open,
	.leave = sqlite_leave,
	.close = sqlite_close,
	.scan = sqlite_scan,
	.apply = sqlite_apply,
	.tidy = sqlite_tidy,
	.look = sqlite_look,
	.load = sqlite_load,
	.check = sqlite_check,
	.spool_create = sqlite_spool_create,
	.spool_sync = sqlite_spool_sync,
	.spool_drop = sqlite_spool_drop,
};
