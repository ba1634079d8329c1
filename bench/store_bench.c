/*
 * store_bench - the store beside a bare program that does the same to SQLite.
 *
 *	store_bench [DIR [SECONDS]]
 *
 * Both insert the same rows in the same batches into the same tables with the
 * same settings, in turns, on the disk of DIR (".").  The store also has its
 * threads, its queue and its bookkeeping, and answers each operation: what
 * that costs is the ratio.  Then a million tasks are kept, and the store is
 * closed and opened again.
 */
#include "config.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "daemon/conf.h"
#include "daemon/store/backend.h"
#include "daemon/store/sqlite_priv.h"

#define HEAD_BYTES	1500
#define BATCH_MAX	512
#define MILLION		1000000

static char dir[256], path[300], spool[300], error[CONF_ERROR_MAX];
static struct conf conf;
static struct event_base *base;
static struct store *store;
static struct store_op ops[BATCH_MAX];
static int pending;
static unsigned char head[HEAD_BYTES];
static double slowest_ms, cpu_us;

static double
cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
give_up(const char *why)
{
	fprintf(stderr, "store_bench: %s\n", why);
	exit(1);
}

static void
fresh(void)
{
	char command[1024];

	snprintf(command, sizeof(command), "rm -rf %s && mkdir %s", dir, dir);
	if (system(command) != 0)
		give_up(command);
}

/* -- through the store ---------------------------------------------------- */

static void
answered(struct store_op *op)
{
	if (op->verdict != STORE_OK)
		give_up("an operation failed");
	pending--;
}

static void
store_batch(int n)
{
	double began = now_s();
	int i;

	for (i = 0; i < n; i++) {
		struct store_op *op = &ops[i];

		*op = (struct store_op){
			.kind = STORE_INSERT, .to = TASK_QUEUED,
			.now_ms = 1600000000000, .route = "/report/*",
			.method = "POST", .path = "/report/7",
			.done = answered, .message = MESSAGE_EMPTY,
		};
		task_new_id(op->id);
		op->message.head = blob_new(head, sizeof(head));
		store_submit(store, op);
		pending++;
	}
	while (pending > 0)
		event_base_loop(base, EVLOOP_ONCE);
	if ((now_s() - began) * 1000 > slowest_ms)
		slowest_ms = (now_s() - began) * 1000;
}

static void
store_begin(void)
{
	store = store_open_backend(base, &conf, &store_sqlite, path, error);
	if (!store)
		give_up(error);
}

static double
store_rate(int batch, double seconds)
{
	double began, cpu;
	int rows = 0;

	fresh();
	store_begin();
	slowest_ms = 0;
	cpu = cpu_s();
	for (began = now_s(); now_s() - began < seconds; rows += batch)
		store_batch(batch);
	began = now_s() - began;
	cpu_us = (cpu_s() - cpu) * 1e6 / rows;
	store_close(store);
	return rows / began;
}

/* -- bare ----------------------------------------------------------------- */

static void
must(sqlite3 *db, int rc)
{
	if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
		give_up(sqlite3_errmsg(db));
}

static void
bare_run(sqlite3 *db, sqlite3_stmt *st)
{
	must(db, sqlite3_step(st));
	must(db, sqlite3_reset(st));
}

static void
bare_insert(sqlite3 *db, sqlite3_stmt *task, sqlite3_stmt *request,
    int64_t row)
{
	unsigned char id[TASK_ID_BYTES];
	char text[TASK_ID_TEXT];

	task_new_id(id);
	sqlite3_bind_int64(task, 1, row);
	sqlite3_bind_text(task, 2, task_id_text(id, text), -1, SQLITE_STATIC);
	bare_run(db, task);
	sqlite3_bind_int64(request, 1, row);
	sqlite3_bind_blob(request, 2, head, sizeof(head), SQLITE_STATIC);
	bare_run(db, request);
}

static double
bare_rate(int batch, double seconds)
{
	sqlite3_stmt *begin, *commit, *task, *request;
	int64_t row = 1;
	double began, cpu;
	sqlite3 *db;
	int i;

	fresh();
	store_begin();			/* makes the tables */
	store_close(store);
	must(NULL, sqlite3_open(path, &db));
	must(db, sqlite3_exec(db, "PRAGMA synchronous = FULL", 0, 0, 0));
	must(db, sqlite3_prepare_v2(db, "BEGIN IMMEDIATE", -1, &begin, 0));
	must(db, sqlite3_prepare_v2(db, "COMMIT", -1, &commit, 0));
	must(db, sqlite3_prepare_v2(db, "INSERT INTO tasks (row, id, state, "
	    "attempt, created, changed, bytes, route, method, path) VALUES "
	    "(?1, ?2, 'queued', 0, 1600000000000, 1600000000000, 1516, "
	    "'/report/*', 'POST', '/report/7')", -1, &task, 0));
	must(db, sqlite3_prepare_v2(db, "INSERT INTO requests (row, size, "
	    "head) VALUES (?1, 0, ?2)", -1, &request, 0));
	cpu = cpu_s();
	for (began = now_s(); now_s() - began < seconds;) {
		bare_run(db, begin);
		for (i = 0; i < batch; i++)
			bare_insert(db, task, request, row++);
		bare_run(db, commit);
	}
	began = now_s() - began;
	cpu_us = (cpu_s() - cpu) * 1e6 / (double)(row - 1);
	sqlite3_finalize(begin);
	sqlite3_finalize(commit);
	sqlite3_finalize(task);
	sqlite3_finalize(request);
	sqlite3_close(db);
	return (double)(row - 1) / began;
}

/* -- a million ------------------------------------------------------------ */

static int
count(const struct store_row *r, void *arg)
{
	(void)r;
	++*(int *)arg;
	return 0;
}

static void
a_million(void)
{
	double began, opened, scanned, closed;
	struct rusage u;
	int i, n = 0;

	fresh();
	store_begin();
	for (i = 0; i < MILLION; i += BATCH_MAX)
		store_batch(BATCH_MAX);
	began = now_s();
	store_close(store);
	closed = now_s() - began;
	if (system("sync; echo 3 >/proc/sys/vm/drop_caches 2>/dev/null") != 0)
		printf("(caches are warm)\n");
	began = now_s();
	store_begin();
	opened = now_s() - began;
	if (store_scan(store, count, &n, error) < 0)
		give_up(error);
	scanned = now_s() - began - opened;
	getrusage(RUSAGE_SELF, &u);
	printf("%d tasks: close %.2f s, open %.2f s, scan %.2f s, "
	    "%ld KiB resident at most\n", n, closed, opened, scanned,
	    u.ru_maxrss);
	store_close(store);
}

/* Rows go as they came: how long does a batch of others wait meanwhile? */
static void
expiry(void)
{
	static struct store_op gone[BATCH_MAX];
	double began;
	int64_t row;
	int i, n = 0;

	store_begin();
	if (store_scan(store, NULL, NULL, error) < 0)
		give_up(error);
	slowest_ms = 0;
	began = now_s();
	for (row = 1; row < 200000; row += BATCH_MAX) {
		for (i = 0; i < BATCH_MAX; i++) {
			gone[i] = (struct store_op){ .kind = STORE_REMOVE,
			    .row = row + i, .done = answered };
			store_submit(store, &gone[i]);
			pending++;
			n++;
		}
		store_batch(1);
	}
	printf("expiry: %.0f rows/s, with an insert beside each batch of %d; "
	    "slowest %.1f ms\n", n / (now_s() - began), BATCH_MAX, slowest_ms);
	store_close(store);
}

int
main(int argc, char **argv)
{
	static const int batches[] = { 1, 8, 64, 512 };
	double seconds = argc > 2 ? atof(argv[2]) : 3, ours, bare, bare_cpu;
	size_t i;

	snprintf(dir, sizeof(dir), "%.200s/store_bench.tmp",
	    argc > 1 ? argv[1] : ".");
	snprintf(path, sizeof(path), "%s/tasks.db", dir);
	snprintf(spool, sizeof(spool), "%s/spool", dir);
	conf.spool = spool;
	conf.max_tasks = 10 * MILLION;
	conf.max_store_bytes = INT64_C(1) << 40;
	base = event_base_new();
	for (i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
		bare = bare_rate(batches[i], seconds);
		bare_cpu = cpu_us;
		ours = store_rate(batches[i], seconds);
		printf("%3d per batch: bare %6.0f rows/s (%.1f us of CPU each), "
		    "store %6.0f (%.1f), %.2f; slowest batch %.1f ms\n",
		    batches[i], bare, bare_cpu, ours, cpu_us, ours / bare,
		    slowest_ms);
		fflush(stdout);
	}
	a_million();
	expiry();
	fresh();
	rmdir(dir);
	event_base_free(base);
	return 0;
}
