/*
 * sqlite_check - is the file sound?
 *
 * SQLite's quick_check reads every page (minutes for a large file), so it
 * runs when somebody asks, or when the disk has failed; in a thread of its
 * own then, with a connection of its own: neither commits nor loads wait.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "daemon/conf.h"
#include "daemon/log.h"
#include "daemon/store/check.h"
#include "daemon/store/sqlite_priv.h"

#define CHECK_AGAIN_S	600
#define LINES_MAX	"20"	/* of what is wrong */
#define STOP_EVERY	10000	/* instructions of SQLite's machine */

static int
stopped(void *arg)
{
	_Atomic bool *stop = arg;

	return *stop;
}

int
sqlite_check_file(sqlite3 *db, void (*say)(void *, const char *), void *arg,
    _Atomic bool *stop, int *problems)
{
	const char *line;
	sqlite3_stmt *st;
	int rc;

	*problems = 0;
	if (stop)
		sqlite3_progress_handler(db, STOP_EVERY, stopped, stop);
	rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(" LINES_MAX ")", -1,
	    &st, NULL);
	if (rc != SQLITE_OK)
		return rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		line = (const char *)sqlite3_column_text(st, 0);
		if (!line) {
			rc = SQLITE_NOMEM;
			break;
		}
		if (strcmp(line, "ok") == 0)
			continue;
		say(arg, line);
		++*problems;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* -- after a fault -------------------------------------------------------- */

static void
say_log(void *arg, const char *line)
{
	const struct sqlite *s = arg;

	log_error("store-damage path=%s found=%s", s->path, line);
}

static void *
check_thread(void *arg)
{
	struct sqlite *s = arg;
	sqlite3 *db = NULL;
	int problems = 0, rc = SQLITE_CANTOPEN;

	if (sqlite_look_at(s, PART_DATABASE) == PLACE_OURS)
		rc = sqlite_db_open(&db, s->path, true);
	if (rc == SQLITE_OK)
		rc = sqlite_check_file(db, say_log, s, &s->check_stop,
		    &problems);
	if (s->check_stop)
		;
	else if (rc != SQLITE_OK)
		log_error("store-unchecked path=%s error=%s", s->path,
		    sqlite3_errstr(rc));
	else if (problems > 0)
		log_error("store-damaged path=%s problems=%d", s->path,
		    problems);
	else
		log_info("store-sound path=%s", s->path);
	sqlite3_close(db);
	s->check_running = false;
	return NULL;
}

static void
check_join(struct sqlite *s)
{
	if (s->check_started)
		pthread_join(s->check, NULL);
	s->check_started = false;
}

void
sqlite_check_start(struct sqlite *s)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (s->check_stop || s->check_running || (s->check_at != 0 &&
	    now.tv_sec - s->check_at < CHECK_AGAIN_S))
		return;
	check_join(s);
	s->check_at = now.tv_sec;
	s->check_running = true;
	s->check_started =
	    pthread_create(&s->check, NULL, check_thread, s) == 0;
	if (!s->check_started) {
		s->check_running = false;
		log_error("store-unchecked path=%s error=%s", s->path,
		    "no thread for it");
	}
}

void
sqlite_check_end(struct sqlite *s)
{
	s->check_stop = true;
	check_join(s);
}

/* -- on request ----------------------------------------------------------- */

struct report {
	FILE		*out;
	int		 problems;
};

static void
say_report(void *arg, const char *line)
{
	struct report *r = arg;

	fprintf(r->out, "damage: %s\n", line);
}

static void
say_stray(void *arg, int dir, const char *name)
{
	struct report *r = arg;

	(void)dir;
	fprintf(r->out, "spool: %s belongs to no task (a start sweeps it)\n",
	    name);
}

static void
say_missing(void *arg, const char *id, const char *name)
{
	struct report *r = arg;

	fprintf(r->out, "spool: %s is missing or too short: "
	    "the body of task %s\n", name, id ? id : "(none)");
	r->problems++;
}

static int
report_counts(sqlite3 *db, struct report *r)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(db, "SELECT state, count(*), sum(bytes)"
	    " FROM tasks GROUP BY state ORDER BY min(row)", -1, &st, NULL);

	if (rc != SQLITE_OK)
		return rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		fprintf(r->out, "tasks: %lld %s, %lld bytes\n",
		    (long long)sqlite3_column_int64(st, 1),
		    sqlite3_column_text(st, 0),
		    (long long)sqlite3_column_int64(st, 2));
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Tasks whose other half is not there, and halves without a task. */
static int
report_halves(sqlite3 *db, struct report *r)
{
	static const char sql[] =
	    "SELECT count(*) FROM (SELECT row FROM requests"
	    " UNION ALL SELECT row FROM responses) m"
	    " FULL JOIN tasks t ON t.row = m.row"
	    " WHERE t.row IS NULL OR m.row IS NULL";
	int64_t n;
	int rc = sqlite_db_number(db, sql, &n);

	if (rc == SQLITE_OK && n > 0) {
		fprintf(r->out, "damage: %lld rows without their other half\n",
		    (long long)n);
		r->problems++;
	}
	return rc;
}

/* A key that nothing would ever free. */
static int
report_claims(sqlite3 *db, struct report *r)
{
	static const char sql[] = "SELECT count(*) FROM claims"
	    " WHERE row NOT IN (SELECT row FROM tasks)";
	int64_t n;
	int rc = sqlite_db_number(db, sql, &n);

	if (rc == SQLITE_OK && n > 0) {
		fprintf(r->out, "damage: %lld claims without their task\n",
		    (long long)n);
		r->problems++;
	}
	return rc;
}

/* While a deferd lives, files are on their way that no row names yet. */
static int
report_spool(sqlite3 *db, const char *spool, struct report *r)
{
	struct sqlite_spool_audit a = {
		.stray = say_stray, .missing = say_missing, .arg = r,
	};
	int rc, dir = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0) {
		fprintf(r->out, "spool: %s: %s\n", spool, strerror(errno));
		r->problems++;
		return SQLITE_OK;
	}
	if (flock(dir, LOCK_EX | LOCK_NB) < 0) {
		fprintf(r->out, "spool: in use; only what is missing is looked "
		    "for\n");
		a.stray = NULL;
	}
	rc = sqlite_spool_audit(dir, db, &a);
	close(dir);
	return rc;
}

static int
check_all(sqlite3 *db, const char *spool, struct report *r,
    _Atomic bool *stop)
{
	int rc = sqlite_check_file(db, say_report, r, stop, &r->problems);

	if (rc != SQLITE_OK || r->problems > 0)
		return rc;	/* counting in a damaged file says nothing */
	if ((rc = report_counts(db, r)) != SQLITE_OK ||
	    (rc = report_halves(db, r)) != SQLITE_OK ||
	    (rc = report_claims(db, r)) != SQLITE_OK)
		return rc;
	return report_spool(db, spool, r);
}

enum store_check
sqlite_check_path(const char *path, const char *spool, FILE *out,
    _Atomic bool *stop)
{
	struct report r = { .out = out };
	char error[CONF_ERROR_MAX];
	sqlite3 *db = NULL;
	int rc = sqlite_db_open(&db, path, true);

	if (rc == SQLITE_OK)
		rc = check_all(db, spool, &r, stop);
	if (rc != SQLITE_OK) {
		sqlite_db_explain(db, rc, path, error);
		fprintf(out, "%s\n", error);
	}
	sqlite3_close(db);
	if (rc != SQLITE_OK)
		return (rc & 0xff) == SQLITE_CORRUPT ||
		    (rc & 0xff) == SQLITE_NOTADB ? CHECK_DAMAGED : CHECK_UNABLE;
	fprintf(out, r.problems > 0 ? "%s: %d problems\n" : "%s: sound\n",
	    path, r.problems);
	return r.problems > 0 ? CHECK_DAMAGED : CHECK_SOUND;
}

enum store_check
store_check(const char *where, const char *spool, FILE *report)
{
	static const char sqlite[] = "sqlite:";

	if (strcmp(where, "memory") == 0) {
		fprintf(report, "memory: nothing is kept, nothing to check\n");
		return CHECK_SOUND;
	}
	if (strncmp(where, sqlite, strlen(sqlite)) == 0)
		return sqlite_check_path(where + strlen(sqlite), spool, report,
		    NULL);
	fprintf(report, "%s: nothing here can check that\n", where);
	return CHECK_UNABLE;
}
