/*
 * sqlite_spool - bodies in files, named by number.
 *
 * A number is never used twice: it begins with the time in microseconds, and
 * above every file and every row that names one; so a row whose file is lost
 * can never get somebody else's.  A file is on the disk, with its name,
 * before the commit that names it, and is deleted after the one that forgets
 * it; a crash in between leaves a file that no row names, which the next
 * start sweeps.  The directory is locked: sweeping must not meet a stranger.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/conf.h"
#include "daemon/log.h"
#include "daemon/store/sqlite_priv.h"

#define HEX	"0123456789abcdef"

static void
name_of(uint64_t file, char name[SQLITE_SPOOL_NAME])
{
	snprintf(name, SQLITE_SPOOL_NAME, "%016" PRIx64, file);
}

/* The number, or 0 if that is no name of ours. */
static uint64_t
number_of(const char *name)
{
	if (strspn(name, HEX) != SQLITE_SPOOL_NAME - 1 ||
	    name[SQLITE_SPOOL_NAME - 1] != '\0')
		return 0;
	return strtoull(name, NULL, 16);
}

int
sqlite_spool_open(struct sqlite *s, const char *dir, char *error)
{
	const char *why;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		why = strerror(errno);
	else if ((s->spool.dir = open(dir,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    faccessat(s->spool.dir, ".", W_OK | X_OK, AT_EACCESS) < 0)
		why = strerror(errno);
	else if (flock(s->spool.dir, LOCK_EX | LOCK_NB) < 0)
		why = errno == EWOULDBLOCK ? "another deferd uses it" :
		    strerror(errno);
	else
		return 0;
	snprintf(error, CONF_ERROR_MAX, "spool: cannot make files in %s: %s",
	    dir, why);
	return -1;
}

void
sqlite_spool_close(struct sqlite *s)
{
	if (s->spool.dir >= 0)
		close(s->spool.dir);
}

/* To be read from its beginning, whoever else reads it.  NULL with errno. */
static DIR *
dir_open(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (!d && fd >= 0)
		close(fd);
	return d;
}

int
sqlite_spool_is_used(const struct sqlite *s)
{
	DIR *d = dir_open(s->spool.dir);
	struct dirent *e;
	int used = 0;

	if (!d)
		return -1;
	while (!used && (e = readdir(d)))
		used = number_of(e->d_name) != 0;
	closedir(d);
	return used;
}

/* -- rows and files, compared --------------------------------------------- */

static bool
is_whole(int dir, const char *name, int64_t size)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_size >= size;
}

static void
seen(struct sqlite_spool_audit *a, uint64_t file)
{
	if (file > a->last)
		a->last = file;
}

/*
 * A row that was there when the query began may have gone with its file while
 * it went on: a deferd may be at work meanwhile.  Another connection sees how
 * things are now.
 */
static bool
is_named_still(sqlite3 *db, uint64_t file)
{
	sqlite3 *now = NULL;
	int64_t n = 0;
	char sql[64];
	int rc = sqlite_db_open(&now, sqlite3_db_filename(db, "main"), true);

	(void)snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM files WHERE file = %lld", (long long)file);
	if (rc == SQLITE_OK)
		rc = sqlite_db_number(now, sql, &n);
	sqlite3_close(now);
	return rc != SQLITE_OK || n > 0;
}

static int
audit_rows(int dir, sqlite3 *db, struct sqlite_spool_audit *a)
{
	static const char sql[] = "SELECT f.file, f.name, f.size, t.id"
	    " FROM files f LEFT JOIN tasks t ON t.row = f.row";
	sqlite3_stmt *st;
	const char *name;
	uint64_t file;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (rc != SQLITE_OK)
		return rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		file = (uint64_t)sqlite3_column_int64(st, 0);
		seen(a, file);
		name = (const char *)sqlite3_column_text(st, 1);
		if (!name) {
			rc = SQLITE_NOMEM;
			break;
		}
		if (!is_whole(dir, name, sqlite3_column_int64(st, 2)) &&
		    is_named_still(db, file))
			a->missing(a->arg,
			    (const char *)sqlite3_column_text(st, 3), name);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int
audit_file(int dir, sqlite3_stmt *st, const char *name,
    struct sqlite_spool_audit *a)
{
	uint64_t file = number_of(name);
	bool named;
	int rc;

	if (file == 0)
		return SQLITE_OK;
	seen(a, file);
	sqlite3_bind_int64(st, 1, (int64_t)file);
	if ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		named = sqlite3_column_int(st, 0);
		if (!named && a->stray)
			a->stray(a->arg, dir, name);
	}
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int
audit_files(int dir, sqlite3 *db, struct sqlite_spool_audit *a)
{
	static const char sql[] = "SELECT"
	    " EXISTS (SELECT 1 FROM requests WHERE file = ?1) OR"
	    " EXISTS (SELECT 1 FROM responses WHERE file = ?1)";
	DIR *d = dir_open(dir);
	sqlite3_stmt *st = NULL;
	struct dirent *e;
	int rc;

	if (!d)
		return SQLITE_CANTOPEN;
	rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	while (rc == SQLITE_OK && (e = readdir(d)))
		rc = audit_file(dir, st, e->d_name, a);
	sqlite3_finalize(st);
	closedir(d);
	return rc;
}

int
sqlite_spool_audit(int dir, sqlite3 *db, struct sqlite_spool_audit *a)
{
	int rc = audit_rows(dir, db, a);

	return rc == SQLITE_OK ? audit_files(dir, db, a) : rc;
}

static void
sweep(void *arg, int dir, const char *name)
{
	int *swept = arg;

	if (unlinkat(dir, name, 0) < 0)
		log_warn("spool-undeleted file=%s error=%m", name);
	else
		++*swept;
}

static void
report_missing(void *arg, const char *id, const char *name)
{
	(void)arg;
	log_error("body-lost task=%s file=%s", id ? id : "none", name);
}

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int
sqlite_spool_sweep(struct sqlite *s, sqlite3 *db)
{
	int swept = 0;
	struct sqlite_spool_audit a = {
		.stray = sweep, .missing = report_missing, .arg = &swept,
		.last = now_us(),
	};
	int rc = sqlite_spool_audit(s->spool.dir, db, &a);

	s->spool.next = a.last + 1;
	if (swept > 0)
		log_info("spool-swept files=%d", swept);
	return rc;
}

/* -- one file ------------------------------------------------------------- */

int
sqlite_spool_create(void *state, struct body *body)
{
	struct sqlite *s = state;
	uint64_t file = s->spool.next++;
	char name[SQLITE_SPOOL_NAME];
	int fd;

	name_of(file, name);
	fd = openat(s->spool.dir, name,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	*body = BODY_EMPTY;
	body->fd = fd;
	body->file = file;
	return 0;
}

int
sqlite_spool_sync(void *state, const struct body *body)
{
	struct sqlite *s = state;

	if (fdatasync(body->fd) < 0 || fsync(s->spool.dir) < 0)
		return -1;
	if (sqlite_look_at(s, PART_SPOOL) == PLACE_OURS)
		return 0;
	errno = ENOENT;
	return -1;
}

void
sqlite_spool_drop(void *state, uint64_t file)
{
	const struct sqlite *s = state;
	char name[SQLITE_SPOOL_NAME];

	name_of(file, name);
	if (unlinkat(s->spool.dir, name, 0) < 0 && errno != ENOENT)
		log_warn("spool-undeleted file=%s error=%m", name);
}

/* A file that is shorter than its row says would be a lie to the client. */
int
sqlite_spool_read(const struct sqlite *s, uint64_t file, uint64_t size)
{
	char name[SQLITE_SPOOL_NAME];
	struct stat st;
	int fd, error;

	name_of(file, name);
	fd = openat(s->spool.dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		error = errno;
	else if ((uint64_t)st.st_size < size)
		error = ENODATA;
	else
		return fd;
	close(fd);
	errno = error;
	return -1;
}
