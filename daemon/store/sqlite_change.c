/*
 * sqlite_change - what one operation does to the rows.
 *
 * Inside a transaction that is somebody else's (sqlite_apply.c): so nothing
 * that is noted here is true before that is committed.
 */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "daemon/store/sqlite_priv.h"

static const char *const sql[SQL_N] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_INSERT_TASK] =
	    "INSERT INTO tasks (row, id, state, attempt, created, changed,"
	    " started, bytes, route, method, path, owner)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?5, iif(?3 = 'running', ?5, NULL),"
	    " ?6, ?7, ?8, ?9, ?10)",
	[SQL_TAKEN] =
	    "SELECT t.row, t.id, c.request = ?2"
	    " FROM claims c JOIN tasks t ON t.row = c.row WHERE c.key = ?1",
	[SQL_INSERT_CLAIM] =
	    "INSERT INTO claims (row, key, request) VALUES (?1, ?2, ?3)",
	[SQL_INSERT_REQUEST] =
	    "INSERT INTO requests (row, file, size, head, body)"
	    " VALUES (?1, ?2, ?3, ?4, ?5)",
	[SQL_INSERT_RESPONSE] =
	    "INSERT INTO responses (row, file, size, head, body,"
	    " wait_status, cpu_us, max_rss_kib, reason, log)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[SQL_MOVE] =
	    "UPDATE tasks SET state = ?4, attempt = ?5, changed = ?6,"
	    " started = iif(?4 = 'running', ?6, started),"
	    " tries = iif(?7 IS NULL, tries, ifnull(tries, '') || ?7)"
	    " WHERE row = ?1 AND state = ?2 AND attempt = ?3",
	[SQL_FINISH] =
	    "UPDATE tasks SET state = ?4, attempt = ?5, changed = ?6,"
	    " bytes = bytes + ?7"
	    " WHERE row = ?1 AND state = ?2 AND attempt = ?3",
	[SQL_FIND] =
	    "SELECT t.bytes, ifnull(length(q.head), 0) + ifnull(q.size, 0),"
	    " ifnull(q.file, p.file) FROM tasks t"
	    " LEFT JOIN requests q ON q.row = t.row"
	    " LEFT JOIN responses p ON p.row = t.row WHERE t.row = ?1",
	[SQL_DELETE_TASK] = "DELETE FROM tasks WHERE row = ?1",
	[SQL_DELETE_CLAIM] = "DELETE FROM claims WHERE row = ?1",
	[SQL_DELETE_REQUEST] = "DELETE FROM requests WHERE row = ?1",
	[SQL_DELETE_RESPONSE] = "DELETE FROM responses WHERE row = ?1",
	[SQL_VOID] = "UPDATE faults SET commits = commits + 1,"
	    " changed = CAST((julianday('now') - 2440587.5) * 86400000"
	    " AS INTEGER)",
	[SQL_FREE_PAGES] =
	    "SELECT freelist_count, page_count"
	    " FROM pragma_freelist_count, pragma_page_count",
};

int
sqlite_change_prepare(struct sqlite *s)
{
	int i, rc = SQLITE_OK;

	for (i = 0; i < SQL_N && rc == SQLITE_OK; i++)
		rc = sqlite3_prepare_v3(s->writer, sql[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &s->sql[i], NULL);
	return rc;
}

void
sqlite_change_finish(struct sqlite *s)
{
	int i;

	for (i = 0; i < SQL_N; i++)
		sqlite3_finalize(s->sql[i]);
}

/* -- what is bound --------------------------------------------------------- */

static int
bind_text(sqlite3_stmt *st, int i, const char *text)
{
	return sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC);
}

static int
bind_state(sqlite3_stmt *st, int i, enum task_state state)
{
	return bind_text(st, i, task_state_names[state]);
}

/* NULL is NULL, and a blob of nothing is a blob of nothing. */
static int
bind_blob(sqlite3_stmt *st, int i, const struct blob *b)
{
	return b ? sqlite3_bind_blob64(st, i, b->data, b->len, SQLITE_STATIC) :
	    sqlite3_bind_null(st, i);
}

/* row, file, size, head, body: the same in requests and in responses. */
static int
bind_message(sqlite3_stmt *st, int64_t row, const struct message *m)
{
	int bad = sqlite3_bind_int64(st, 1, row);

	bad |= m->body.fd >= 0 ?
	    sqlite3_bind_int64(st, 2, (int64_t)m->body.file) :
	    sqlite3_bind_null(st, 2);
	bad |= sqlite3_bind_int64(st, 3, (int64_t)m->body.size);
	bad |= bind_blob(st, 4, m->head);
	bad |= bind_blob(st, 5, m->body.bytes);
	return bad;
}

/* A value that cannot be bound is one that is too big. */
static int
run_bound(sqlite3_stmt *st, int bad)
{
	return bad ? SQLITE_TOOBIG : sqlite_db_run(st);
}

/* -- INSERT ---------------------------------------------------------------- */

static int
insert_task(struct sqlite *s, const struct store_op *op,
    const struct sqlite_change *c)
{
	sqlite3_stmt *st = s->sql[SQL_INSERT_TASK];
	char id[TASK_ID_TEXT];
	int bad;

	bad = sqlite3_bind_int64(st, 1, c->row);
	bad |= bind_text(st, 2, task_id_text(op->id, id));
	bad |= bind_state(st, 3, op->to);
	bad |= sqlite3_bind_int64(st, 4, op->to_attempt);
	bad |= sqlite3_bind_int64(st, 5, op->now_ms);
	bad |= sqlite3_bind_int64(st, 6, c->bytes);
	bad |= bind_text(st, 7, op->route);
	bad |= bind_text(st, 8, op->method);
	bad |= bind_text(st, 9, op->path);
	bad |= bind_text(st, 10, op->owner);	/* NULL is NULL */
	return run_bound(st, bad);
}

static int
bind_digest(sqlite3_stmt *st, int i, const unsigned char *digest)
{
	return sqlite3_bind_blob(st, i, digest, STORE_DIGEST_BYTES,
	    SQLITE_STATIC);
}

static int
insert_claim(struct sqlite *s, const struct store_op *op,
    const struct sqlite_change *c)
{
	sqlite3_stmt *st = s->sql[SQL_INSERT_CLAIM];
	int bad;

	bad = sqlite3_bind_int64(st, 1, c->row);
	bad |= bind_digest(st, 2, op->claim->key);
	bad |= bind_digest(st, 3, op->claim->request);
	return run_bound(st, bad);
}

/*
 * Whose the key is already: SQLITE_ROW, or SQLITE_DONE if nobody's.  There is
 * one writer, and it sees what came before in its own batch.
 */
static int
find_taken(struct sqlite *s, const struct store_op *op,
    struct sqlite_change *c)
{
	sqlite3_stmt *st = s->sql[SQL_TAKEN];
	const char *id;
	int rc;

	bind_digest(st, 1, op->claim->key);
	bind_digest(st, 2, op->claim->request);
	if ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		c->verdict = STORE_TAKEN;
		c->row = sqlite3_column_int64(st, 0);
		id = (const char *)sqlite3_column_text(st, 1);
		c->same = sqlite3_column_int(st, 2) != 0;
		if (!id || !task_id_parse(id, c->id))
			rc = SQLITE_CORRUPT;
	}
	sqlite3_reset(st);
	return rc;
}

static int
change_insert(struct sqlite *s, const struct store_op *op,
    struct sqlite_change *c)
{
	sqlite3_stmt *st = s->sql[SQL_INSERT_REQUEST];
	int rc;

	if (op->claim && (rc = find_taken(s, op, c)) != SQLITE_DONE)
		return rc == SQLITE_ROW ? SQLITE_OK : rc;
	if (op->no_room) {
		c->verdict = STORE_FULL;
		return SQLITE_OK;
	}
	c->row = s->next_row++;
	c->tasks = 1;
	c->bytes = (int64_t)(message_bytes(&op->message) + words_bytes(op));
	rc = insert_task(s, op, c);
	if (rc == SQLITE_OK && op->claim)
		rc = insert_claim(s, op, c);
	if (rc == SQLITE_OK)
		rc = run_bound(st, bind_message(st, c->row, &op->message));
	return rc;
}

/* -- MOVE and REMOVE ------------------------------------------------------- */

/* What is kept of a task: SQLITE_ROW, or SQLITE_DONE if there is none. */
struct kept {
	int64_t		 bytes, request_bytes;
	uint64_t	 file;
};

static int
find(struct sqlite *s, int64_t row, struct kept *k)
{
	sqlite3_stmt *st = s->sql[SQL_FIND];
	int rc;

	sqlite3_bind_int64(st, 1, row);
	if ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		k->bytes = sqlite3_column_int64(st, 0);
		k->request_bytes = sqlite3_column_int64(st, 1);
		k->file = (uint64_t)sqlite3_column_int64(st, 2);
	}
	sqlite3_reset(st);
	return rc;
}

static int
delete_from(struct sqlite *s, enum sqlite_sql which, int64_t row)
{
	sqlite3_bind_int64(s->sql[which], 1, row);
	return sqlite_db_run(s->sql[which]);
}

/* The conditional step; *moved says whether the condition held. */
static int
update_task(struct sqlite *s, const struct store_op *op, sqlite3_stmt *st,
    bool *moved)
{
	int rc, bad;

	bad = sqlite3_bind_int64(st, 1, op->row);
	bad |= bind_state(st, 2, op->from);
	bad |= sqlite3_bind_int64(st, 3, op->from_attempt);
	bad |= bind_state(st, 4, op->to);
	bad |= sqlite3_bind_int64(st, 5, op->to_attempt);
	bad |= sqlite3_bind_int64(st, 6, op->now_ms);
	rc = run_bound(st, bad);
	*moved = rc == SQLITE_OK && sqlite3_changes(s->writer) > 0;
	return rc;
}

static int
insert_response(struct sqlite *s, const struct store_op *op)
{
	sqlite3_stmt *st = s->sql[SQL_INSERT_RESPONSE];
	const struct store_outcome *o = &op->outcome;
	int bad = bind_message(st, op->row, &op->message);

	bad |= sqlite3_bind_int64(st, 6, o->wait_status);
	bad |= sqlite3_bind_int64(st, 7, (int64_t)o->cpu_us);
	bad |= sqlite3_bind_int64(st, 8, (int64_t)o->max_rss_kib);
	bad |= bind_text(st, 9, o->reason ? o->reason : "");
	bad |= o->log_len > 0 ?
	    sqlite3_bind_blob64(st, 10, o->log, o->log_len, SQLITE_STATIC) :
	    sqlite3_bind_null(st, 10);
	return run_bound(st, bad);
}

static int64_t
response_bytes(const struct store_op *op)
{
	const char *reason = op->outcome.reason;

	return (int64_t)(message_bytes(&op->message) +
	    (reason ? strlen(reason) : 0) + op->outcome.log_len);
}

/* The response takes the place of the request. */
static int
change_finish(struct sqlite *s, const struct store_op *op,
    struct sqlite_change *c)
{
	sqlite3_stmt *st = s->sql[SQL_FINISH];
	struct kept k = { .file = 0 };
	bool moved;
	int rc = find(s, op->row, &k);

	if (rc != SQLITE_ROW) {
		c->verdict = STORE_LOST;
		return rc == SQLITE_DONE ? SQLITE_OK : rc;
	}
	c->bytes = response_bytes(op) - k.request_bytes;
	c->file = k.file;
	sqlite3_bind_int64(st, 7, c->bytes);
	rc = update_task(s, op, st, &moved);
	if (rc == SQLITE_OK && !moved)
		*c = (struct sqlite_change){ .verdict = STORE_LOST };
	if (rc != SQLITE_OK || !moved)
		return rc;
	s->deleted = true;
	rc = delete_from(s, SQL_DELETE_REQUEST, op->row);
	return rc == SQLITE_OK ? insert_response(s, op) : rc;
}

static int
change_move(struct sqlite *s, const struct store_op *op,
    struct sqlite_change *c)
{
	sqlite3_stmt *st = s->sql[SQL_MOVE];
	char line[STORE_TRY_MAX];
	bool moved;
	int rc;

	if (task_finished(op->to))
		return change_finish(s, op, c);
	if (op->to == TASK_QUEUED && op->tried)
		bind_text(st, 7, store_try_line(line, op));
	else
		sqlite3_bind_null(st, 7);
	rc = update_task(s, op, st, &moved);
	if (!moved)
		c->verdict = STORE_LOST;
	return rc;
}

static int
change_remove(struct sqlite *s, const struct store_op *op,
    struct sqlite_change *c)
{
	struct kept k = { .file = 0 };
	int rc = find(s, op->row, &k);

	if (rc != SQLITE_ROW) {
		c->verdict = STORE_LOST;
		return rc == SQLITE_DONE ? SQLITE_OK : rc;
	}
	c->bytes = -k.bytes;
	c->tasks = -1;
	c->file = k.file;
	s->deleted = true;
	rc = delete_from(s, SQL_DELETE_TASK, op->row);
	if (rc == SQLITE_OK)
		rc = delete_from(s, SQL_DELETE_CLAIM, op->row);
	if (rc == SQLITE_OK)
		rc = delete_from(s, SQL_DELETE_REQUEST, op->row);
	if (rc == SQLITE_OK)
		rc = delete_from(s, SQL_DELETE_RESPONSE, op->row);
	return rc;
}

int
sqlite_change(struct sqlite *s, const struct store_op *op,
    struct sqlite_change *c)
{
	*c = (struct sqlite_change){ .verdict = STORE_OK };
	if (op->kind == STORE_INSERT)
		return change_insert(s, op, c);
	if (op->kind == STORE_MOVE)
		return change_move(s, op, c);
	assert(op->kind == STORE_REMOVE);
	return change_remove(s, op, c);
}
