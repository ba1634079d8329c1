/*
 * sqlite_load - requests and responses, read beside the writer.
 *
 * In WAL mode a reader waits for nobody: it sees what was committed when its
 * query began.  A transaction lasts for one row, so that the log can be
 * written back and begun anew behind it.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/store/sqlite_priv.h"

/* The first four columns are the message; the last two have the same. */
static const char sql_request[] =
	"SELECT head, body, file, size FROM requests WHERE row = ?1";
static const char sql_response[] =
	"SELECT p.head, p.body, p.file, p.size, p.wait_status, p.cpu_us,"
	" p.max_rss_kib, t.method, t.path, t.owner, p.reason, p.log, t.started"
	" FROM responses p JOIN tasks t ON t.row = p.row WHERE p.row = ?1";
static const char sql_info[] =
	"SELECT p.head, NULL, NULL, p.size, ifnull(p.wait_status, -1),"
	" p.cpu_us, p.max_rss_kib, t.method, t.path, t.owner, p.reason, NULL,"
	" t.started, t.tries FROM tasks t LEFT JOIN responses p ON p.row = t.row WHERE t.row = ?1";

enum {
	COL_HEAD, COL_BODY, COL_FILE, COL_SIZE,
	COL_WAIT_STATUS, COL_CPU_US, COL_MAX_RSS_KIB,
	COL_METHOD, COL_PATH, COL_OWNER, COL_REASON, COL_LOG, COL_STARTED,
	COL_TRIES		/* sql_info only */
};

static int
prepare(struct sqlite *s, const char *sql, sqlite3_stmt **st)
{
	return sqlite3_prepare_v3(s->reader, sql, -1,
	    SQLITE_PREPARE_PERSISTENT, st, NULL);
}

int
sqlite_load_prepare(struct sqlite *s)
{
	int rc = prepare(s, sql_request, &s->load_request);

	if (rc == SQLITE_OK)
		rc = prepare(s, sql_response, &s->load_response);
	return rc == SQLITE_OK ? prepare(s, sql_info, &s->load_info) : rc;
}

void
sqlite_load_finish(struct sqlite *s)
{
	sqlite3_finalize(s->load_request);
	sqlite3_finalize(s->load_response);
	sqlite3_finalize(s->load_info);
}

static bool
is_null(sqlite3_stmt *st, int column)
{
	return sqlite3_column_type(st, column) == SQLITE_NULL;
}

/* *bp stays NULL where the column is; false: no memory. */
static bool
load_blob(sqlite3_stmt *st, int column, struct blob **bp)
{
	const void *data;

	if (is_null(st, column))
		return true;
	data = sqlite3_column_blob(st, column);
	*bp = blob_new(data, (size_t)sqlite3_column_bytes(st, column));
	return *bp;
}

static int
load_file(struct sqlite *s, sqlite3_stmt *st, struct body *b)
{
	uint64_t file = (uint64_t)sqlite3_column_int64(st, COL_FILE);
	char name[SQLITE_SPOOL_NAME];

	b->fd = sqlite_spool_read(s, file, b->size);
	if (b->fd >= 0) {
		b->file = file;
		return SQLITE_OK;
	}
	snprintf(name, sizeof(name), "%016" PRIx64, file);
	log_error("store-failed what=load file=%s error=%m", name);
	return errno == ENOENT || errno == ENODATA ? SQLITE_NOTFOUND :
	    SQLITE_CANTOPEN;
}

static int
load_message(struct sqlite *s, sqlite3_stmt *st, struct message *m)
{
	m->body.size = (uint64_t)sqlite3_column_int64(st, COL_SIZE);
	if (!load_blob(st, COL_HEAD, &m->head) ||
	    !load_blob(st, COL_BODY, &m->body.bytes))
		return SQLITE_NOMEM;
	return is_null(st, COL_FILE) ? SQLITE_OK : load_file(s, st, &m->body);
}

/* The column's text behind the others, with a NUL; gives where it begins. */
static const char *
put_text(sqlite3_stmt *st, int column, char **at)
{
	const void *text = sqlite3_column_blob(st, column);
	size_t len = (size_t)sqlite3_column_bytes(st, column);
	char *begin = *at;

	if (text)
		memcpy(begin, text, len);
	begin[len] = '\0';
	*at += len + 1;
	return begin;
}

/* The blob is zeroed: what SQLite could not give for want of memory is "". */
static int
load_words(sqlite3_stmt *st, struct store_op *op)
{
	struct store_outcome *o = &op->outcome;
	size_t size = 0;
	char *at;
	int i;

	for (i = COL_METHOD; i <= COL_LOG; i++)
		size += (size_t)sqlite3_column_bytes(st, i) + 1;
	op->texts = blob_new(NULL, size);
	if (!op->texts)
		return SQLITE_NOMEM;
	at = (char *)op->texts->data;
	op->method = put_text(st, COL_METHOD, &at);
	op->path = put_text(st, COL_PATH, &at);
	op->owner = put_text(st, COL_OWNER, &at);
	if (!*op->owner)
		op->owner = NULL;
	o->reason = put_text(st, COL_REASON, &at);
	o->log = put_text(st, COL_LOG, &at);
	o->log_len = (size_t)sqlite3_column_bytes(st, COL_LOG);
	o->wait_status = sqlite3_column_int(st, COL_WAIT_STATUS);
	o->cpu_us = (uint64_t)sqlite3_column_int64(st, COL_CPU_US);
	o->max_rss_kib = (uint64_t)sqlite3_column_int64(st, COL_MAX_RSS_KIB);
	op->started_ms = sqlite3_column_int64(st, COL_STARTED);
	return SQLITE_OK;
}

/* SQLITE_ROW: found and taken. */
static int
load_row(struct sqlite *s, sqlite3_stmt *st, struct store_op *op)
{
	int taken, rc = sqlite3_step(st);

	if (rc != SQLITE_ROW)
		return rc;
	taken = load_message(s, st, &op->message);
	if (taken == SQLITE_OK && op->kind != STORE_LOAD_REQUEST)
		taken = load_words(st, op);
	if (taken == SQLITE_OK && op->kind == STORE_LOAD_INFO &&
	    !load_blob(st, COL_TRIES, &op->tries))
		taken = SQLITE_NOMEM;
	return taken == SQLITE_OK ? SQLITE_ROW : taken;
}

void
sqlite_load(void *state, struct store_op *op)
{
	struct sqlite *s = state;
	sqlite3_stmt *st = op->kind == STORE_LOAD_REQUEST ? s->load_request :
	    op->kind == STORE_LOAD_INFO ? s->load_info : s->load_response;
	int rc;

	sqlite3_bind_int64(st, 1, op->row);
	rc = load_row(s, st, op);
	sqlite3_reset(st);
	if (rc == SQLITE_ROW)
		return;
	message_fini(&op->message);
	blob_unref(&op->texts);
	blob_unref(&op->tries);
	op->verdict = STORE_LOST;
	if (rc != SQLITE_DONE && (rc != SQLITE_NOTFOUND ||
	    op->kind != STORE_LOAD_REQUEST)) {
		op->verdict = STORE_FAILED;
		op->body_lost = rc == SQLITE_NOTFOUND;
		if (rc != SQLITE_CANTOPEN && rc != SQLITE_NOTFOUND)	/* said already */
			sqlite_db_fault(s, s->reader, "read", rc);
	}
}
