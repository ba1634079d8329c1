/*
 * bare - puts the rows of one of deferd's databases into another one, and does
 * nothing else: what SQLite itself can do.
 *
 *	bare FROM TO BATCH
 *
 * TO is made, with the same tables and settings; or there is a copy of FROM as
 * it was before, which gets what is new.  The queued tasks of FROM and their
 * requests are read into memory first; then so many at a time are inserted and
 * committed, and only that is measured.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS_MAX	200000
#define COLUMNS_MAX	16

/* Two tables, the same rows in both. */
struct table {
	const char	*name;
	int		 columns;
	sqlite3_value	*(*rows)[COLUMNS_MAX];
	size_t		 nrows;
	sqlite3_stmt	*insert;
};

static struct table tables[2] = { { .name = "tasks" }, { .name = "requests" } };
static sqlite3_int64 last;	/* row that TO has already */

static void __attribute__((noreturn))
die(const char *what)
{
	fprintf(stderr, "bare: %s\n", what);
	exit(1);
}

static void
run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
}

static sqlite3_stmt *
prepare(sqlite3 *db, const char *format, const char *name)
{
	char *sql = sqlite3_mprintf(format, name);
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
	sqlite3_free(sql);
	return st;
}

static void
read_rows(sqlite3 *db, struct table *t)
{
	sqlite3_stmt *st = prepare(db, "SELECT * FROM %s WHERE row IN (SELECT row"
	    " FROM tasks WHERE state = 'queued' AND row > ?) ORDER BY row", t->name);

	sqlite3_bind_int64(st, 1, last);
	t->columns = sqlite3_column_count(st);
	t->rows = calloc(ROWS_MAX, sizeof(*t->rows));
	if (!t->rows || t->columns > COLUMNS_MAX)
		die("memory");
	while (t->nrows < ROWS_MAX && sqlite3_step(st) == SQLITE_ROW) {
		for (int i = 0; i < t->columns; i++)
			t->rows[t->nrows][i] =
			    sqlite3_value_dup(sqlite3_column_value(st, i));
		t->nrows++;
	}
	sqlite3_finalize(st);
}

static sqlite3_int64
number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = prepare(db, "%s", sql);
	sqlite3_int64 n;

	if (sqlite3_step(st) != SQLITE_ROW)
		die(sqlite3_errmsg(db));
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* The same tables, indexes and views, in a file with the same settings. */
static void
make_tables(sqlite3 *from, sqlite3 *to)
{
	sqlite3_stmt *st = prepare(from,
	    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND %s", "1");

	while (sqlite3_step(st) == SQLITE_ROW)
		run(to, (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
}

static void
prepare_insert(sqlite3 *db, struct table *t)
{
	char marks[2 * COLUMNS_MAX + 1] = "?", *at = marks + 1, sql[128];

	for (int i = 1; i < t->columns; i++)
		at = stpcpy(at, ",?");
	snprintf(sql, sizeof(sql), "INSERT INTO %s VALUES (%s)", t->name, marks);
	t->insert = prepare(db, "%s", sql);
}

static void
open_both(const char *from_path, sqlite3 **from, const char *to_path, sqlite3 **to)
{
	if (sqlite3_open(from_path, from) != SQLITE_OK ||
	    sqlite3_open(to_path, to) != SQLITE_OK)
		die("cannot open the databases");
	run(*to, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
	    " PRAGMA synchronous = FULL");
	if (number(*to, "SELECT count(*) FROM sqlite_schema") == 0)
		make_tables(*from, *to);
	last = number(*to, "SELECT ifnull(max(row), 0) FROM tasks");
}

/* As deferd does, it lends its bytes instead of having them copied. */
static void
bind(sqlite3_stmt *st, int i, sqlite3_value *v)
{
	if (sqlite3_value_type(v) == SQLITE_TEXT)
		sqlite3_bind_text(st, i, (const char *)sqlite3_value_text(v),
		    sqlite3_value_bytes(v), SQLITE_STATIC);
	else if (sqlite3_value_type(v) == SQLITE_BLOB)
		sqlite3_bind_blob(st, i, sqlite3_value_blob(v),
		    sqlite3_value_bytes(v), SQLITE_STATIC);
	else
		sqlite3_bind_value(st, i, v);
}

static void
insert(sqlite3 *db, struct table *t, size_t row)
{
	for (int i = 0; i < t->columns; i++)
		bind(t->insert, i + 1, t->rows[row][i]);
	if (sqlite3_step(t->insert) != SQLITE_DONE)
		die(sqlite3_errmsg(db));
	sqlite3_reset(t->insert);
}

static void
copy(sqlite3 *db, size_t batch)
{
	sqlite3_stmt *begin = prepare(db, "%s", "BEGIN IMMEDIATE");
	sqlite3_stmt *commit = prepare(db, "%s", "COMMIT");
	size_t row, end, n = tables[0].nrows;

	for (row = 0; row < n;) {
		end = row + batch < n ? row + batch : n;
		sqlite3_step(begin);
		sqlite3_reset(begin);
		for (; row < end; row++) {
			insert(db, &tables[0], row);
			insert(db, &tables[1], row);
		}
		if (sqlite3_step(commit) != SQLITE_DONE)
			die(sqlite3_errmsg(db));
		sqlite3_reset(commit);
	}
	sqlite3_finalize(begin);
	sqlite3_finalize(commit);
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	sqlite3 *from, *to;
	double began;

	if (argc != 4 || atoi(argv[3]) < 1)
		return 2;
	open_both(argv[1], &from, argv[2], &to);
	for (int i = 0; i < 2; i++)
		read_rows(from, &tables[i]);
	if (tables[0].nrows == 0 || tables[0].nrows != tables[1].nrows)
		die("no queued tasks");
	sqlite3_close(from);
	for (int i = 0; i < 2; i++)
		prepare_insert(to, &tables[i]);
	began = now_s();
	copy(to, (size_t)atoi(argv[3]));
	printf("rows=%zu batch=%s per_s=%.0f\n", tables[0].nrows, argv[3],
	    (double)tables[0].nrows / (now_s() - began));
	return 0;
}
