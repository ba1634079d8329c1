/*
 * sqlite_apply - a batch is a transaction.
 *
 * What each operation did is noted aside and told only when the commit has
 * succeeded: until then no operation has a verdict, and its message is
 * still the caller's.  If anything fails, all of the batch fails.
 *
 * A commit that failed needs care.  In WAL mode it writes the changed pages
 * to the end of the log, the last one with a mark that makes them valid,
 * syncs the log, and then moves the end.  If the sync fails, the pages and
 * their mark are in the file, behind an end that did not move: this process
 * will never see them, but one that comes after a crash finds the end by
 * reading, and would find tasks that their clients were refused.  So before
 * any verdict the place is written over with a commit that means nothing
 * (it counts itself in `faults`): checksums run from page to page, so one
 * other page there makes all that follow invalid.  If even that fails, the
 * store takes no more changes until it succeeds.
 *
 * Writing the log back to the database is no part of a commit and cannot make
 * one fail: see sqlite_tidy.c.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/store/sqlite_priv.h"

#define VOID_TRIES	3

/* Statements are reset before: nothing keeps the transaction open. */
static void
roll_back(struct sqlite *s)
{
	if (!sqlite3_get_autocommit(s->writer))
		sqlite3_exec(s->writer, "ROLLBACK", NULL, NULL, NULL);
}

/* Writes over what a failed commit may have left; an SQLite code. */
static int
make_certain(struct sqlite *s)
{
	int i, rc = SQLITE_OK;

	for (i = 0; s->uncertain && i < VOID_TRIES; i++) {
		roll_back(s);
		rc = sqlite_db_run(s->sql[SQL_VOID]);
		if (rc == SQLITE_OK)
			s->uncertain = false;
	}
	return rc;
}

static int
begin(struct sqlite *s)
{
	int rc;

	roll_back(s);
	rc = make_certain(s);
	return rc == SQLITE_OK ? sqlite_db_run(s->sql[SQL_BEGIN]) : rc;
}

static int
commit(struct sqlite *s)
{
	int rc = sqlite_db_run(s->sql[SQL_COMMIT]);

	s->uncertain = rc != SQLITE_OK;
	return rc;
}

/* It can never be done, as an earlier try of its batch has shown. */
static bool
is_refused(const struct store_op *op)
{
	return op->verdict != STORE_OK;
}

/* Whether an operation failed for what it is, and not for how the disk is. */
static bool
is_its_own(int rc)
{
	rc &= 0xff;
	return rc == SQLITE_CONSTRAINT || rc == SQLITE_CORRUPT ||
	    rc == SQLITE_TOOBIG || rc == SQLITE_ERROR;
}

/* *culprit: the operation that can never be done; or NULL. */
static int
run_batch(struct sqlite *s, struct store_op *op, struct store_op **culprit)
{
	struct sqlite_change *c = s->change;
	int rc = begin(s);

	*culprit = NULL;
	for (; op && rc == SQLITE_OK; op = op->next)
		if (!is_refused(op) &&
		    (rc = sqlite_change(s, op, c++)) != SQLITE_OK &&
		    is_its_own(rc))
			*culprit = op;
	return rc == SQLITE_OK ? commit(s) : rc;
}

/*
 * The commit holds.  An op's bytes are in the database, its file has a row
 * that names it: what is left there is for the store to give back, with the
 * file that no row names any more.
 */
static void
tell(struct sqlite *s, struct store_op *op, int64_t *bytes, int64_t *tasks)
{
	const struct sqlite_change *c = s->change;

	for (; op; op = op->next) {
		if (is_refused(op))
			continue;
		op->verdict = c->verdict;
		*bytes += c->bytes;
		*tasks += c->tasks;
		if (op->kind == STORE_INSERT)
			op->row = c->row;
		if (c->verdict == STORE_TAKEN) {
			memcpy(op->id, c->id, TASK_ID_BYTES);
			op->same = c->same;
		}
		if (c->verdict == STORE_OK && (op->kind != STORE_MOVE ||
		    task_finished(op->to)))
			op->message.body.file = c->file;
		c++;
	}
}

static void
tell_failed(struct store_op *op, enum store_verdict v)
{
	for (; op; op = op->next)
		if (!is_refused(op))
			op->verdict = v;
}

/* Room for the notes on each operation; false: no memory. */
static bool
make_room(struct sqlite *s, const struct store_op *op)
{
	struct sqlite_change *more;
	size_t n = 0;

	for (; op; op = op->next)
		n++;
	if (n <= s->nchanges)
		return true;
	more = reallocarray(s->change, n, sizeof(*more));
	if (!more)
		return false;
	s->change = more;
	s->nchanges = n;
	return true;
}

static enum store_verdict
fail_batch(struct sqlite *s, int rc)
{
	enum store_verdict v = sqlite_db_fault(s, s->writer, "change", rc);

	roll_back(s);
	rc = make_certain(s);
	if (rc != SQLITE_OK)
		sqlite_db_fault(s, s->writer, "rollback", rc);
	return v;
}

void
sqlite_apply(void *state, struct store_op *list, int64_t *bytes,
    int64_t *tasks)
{
	struct sqlite *s = state;
	struct store_op *culprit;
	int rc;

	/* Nobody would find it again. */
	if (sqlite_look_at(s, PART_DATABASE) != PLACE_OURS) {
		tell_failed(list, STORE_FAILED);
		return;
	}
	if (!make_room(s, list)) {
		log_error("store-failed what=batch error=%s", "no memory");
		tell_failed(list, STORE_FAILED);
		return;
	}
	/* One that can never be done does not take the others along. */
	while ((rc = run_batch(s, list, &culprit)) != SQLITE_OK && culprit)
		culprit->verdict = fail_batch(s, rc);
	if (rc == SQLITE_OK)
		tell(s, list, bytes, tasks);
	else
		tell_failed(list, fail_batch(s, rc));
}

/* A last try: closing leaves no log behind only if all goes well. */
void
sqlite_apply_finish(struct sqlite *s)
{
	int rc = make_certain(s);

	if (rc != SQLITE_OK)
		sqlite_db_fault(s, s->writer, "rollback", rc);
	free(s->change);
}
