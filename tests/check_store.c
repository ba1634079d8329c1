/*
 * check_store - the store contract, over every back-end.
 *
 * `_i` is the number of the back-end.  The second one is the memory store
 * behind threads (a lock around it, syncs that are counted): it goes the
 * ways through the store that a database will go.
 */
#include "config.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "daemon/conf.h"
#include "daemon/store/backend.h"
#include "tests/fds.h"
#include "tests/scarce.h"
#include "tests/suite.h"

/* -- the memory store behind threads -------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int syncs, sync_error;	/* errno for the next sync, or 0 */
static _Atomic int applies;
static _Atomic bool apply_fails;

static void *
locked_open(const char *where, const struct conf *c, char *error)
{
	return store_memory.open(where, c, error);
}

static void
locked_close(void *state)
{
	store_memory.close(state);
}

static int
locked_scan(void *state, int (*each)(const struct store_row *, void *),
    void *arg, int64_t *bytes, int64_t *tasks, char *error)
{
	return store_memory.scan(state, each, arg, bytes, tasks, error);
}

static void
locked_apply(void *state, struct store_op *list, int64_t *bytes,
    int64_t *tasks)
{
	applies++;
	pthread_mutex_lock(&lock);
	if (apply_fails)
		for (; list; list = list->next)
			list->verdict = STORE_FAILED;
	else
		store_memory.apply(state, list, bytes, tasks);
	pthread_mutex_unlock(&lock);
}

/* Blobs are not shared between threads: a load copies, as a database does. */
static void
blob_copy(struct blob **bp)
{
	struct blob *shared = *bp;

	*bp = shared ? blob_new(shared->data, shared->len) : NULL;
	blob_unref(&shared);
}

static void
locked_load(void *state, struct store_op *op)
{
	const char *shared, *copy;

	pthread_mutex_lock(&lock);
	store_memory.load(state, op);
	blob_copy(&op->message.head);
	blob_copy(&op->message.body.bytes);
	if (op->texts) {
		shared = (const char *)op->texts->data;
		blob_copy(&op->texts);
		copy = (const char *)op->texts->data;
		op->method = copy + (op->method - shared);
		op->path = copy + (op->path - shared);
		op->outcome.reason = copy + (op->outcome.reason - shared);
		op->outcome.log =
		    copy + ((const char *)op->outcome.log - shared);
	}
	pthread_mutex_unlock(&lock);
}

static int
locked_spool_create(void *state, struct body *body)
{
	return store_memory.spool_create(state, body);
}

static int
locked_spool_sync(void *state, const struct body *body)
{
	(void)state;
	syncs++;
	errno = sync_error;
	return errno ? -1 : fsync(body->fd);
}

static const struct store_backend threaded = {
	.name = "threaded",
	.durable = true,
	.threaded = true,
	.open = locked_open,
	.close = locked_close,
	.scan = locked_scan,
	.apply = locked_apply,
	.load = locked_load,
	.spool_create = locked_spool_create,
	.spool_sync = locked_spool_sync,
};

/* -- the memory store on a disk of the test's own -------------------------- */

static struct store_room disk;		/* under the lock */

static void
disk_is(uint64_t free_bytes, uint64_t disk_bytes)
{
	pthread_mutex_lock(&lock);
	disk.free_bytes = free_bytes;
	disk.disk_bytes = disk_bytes;
	pthread_mutex_unlock(&lock);
}

static void
disk_look(void *state, struct store_room *room)
{
	(void)state;
	pthread_mutex_lock(&lock);
	*room = disk;
	pthread_mutex_unlock(&lock);
}

static const struct store_backend *const backends[] = {
	&store_memory,
	&threaded,
#ifdef HAVE_SQLITE
	&store_sqlite,
#endif
};

/* -- the world of a test -------------------------------------------------- */

static struct event_base *base;
static struct store *store;
static struct conf conf;
static const char *tmpdir;		/* from the environment */
static char spool[64];
static char home[64];			/* of the database */
static char where[80];
static char error[CONF_ERROR_MAX];
static int pending;			/* operations not yet answered */
static int answered;
static bool in_submit;
static int said;			/* what the log got: a file */

static void
setup(void)
{
	tmpdir = getenv("TMPDIR");
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	snprintf(spool, sizeof(spool), "%.40s/check-store-XXXXXX",
	    tmpdir ? tmpdir : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(spool));
	snprintf(home, sizeof(home), "%.40s/check-home-XXXXXX",
	    tmpdir ? tmpdir : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(home));
	snprintf(where, sizeof(where), "%s/tasks.db", home);
	memset(&conf, 0, sizeof(conf));
	conf.store = (char *)"memory";
	conf.spool = spool;
	conf.control_path = (char *)"/nonexistent/control";
	conf.max_tasks = 1000000;
	conf.max_store_bytes = INT64_C(1) << 32;
	pending = answered = 0;
	sync_error = syncs = 0;
	apply_fails = false;
	applies = 0;
	said = memfd_create("said", MFD_CLOEXEC);
	ck_assert_int_ge(dup2(said, STDERR_FILENO), 0);
}

static void
open_store(int i)
{
	bool in_file = strcmp(backends[i]->name, "sqlite") == 0;

	store = store_open_backend(base, &conf, backends[i],
	    in_file ? where : "", error);
	ck_assert_msg(store, "%s", error);
}

/* Nothing stays behind: no file, no number in the books. */
static void
close_store(void)
{
	struct store_stats st;

	store_stats(store, &st);
	ck_assert_uint_eq(st.tasks, 0);
	ck_assert_uint_eq(st.bytes, 0);
	ck_assert_uint_eq(st.reserved_bytes, 0);
	store_close(store);
}

static void
teardown(void)
{
	ck_assert_int_eq(rmdir(spool), 0);	/* so it is empty */
	unlink(where);
	strcat(where, ".lock");
	unlink(where);
	ck_assert_int_eq(rmdir(home), 0);	/* no log is left */
	event_base_free(base);
	close(said);
}

static void
note_done(struct store_op *op)
{
	(void)op;
	if (in_submit)
		ck_abort_msg("done() inside store_submit()");
	pending--;
	answered++;
}

static void
submit_to(struct store_op *op, void (*done)(struct store_op *))
{
	op->done = done;
	pending++;
	in_submit = true;
	store_submit(store, op);
	in_submit = false;
}

static void
submit(struct store_op *op)
{
	submit_to(op, note_done);
}

static void
settle(void)
{
	while (pending > 0)
		if (event_base_loop(base, EVLOOP_ONCE) != 0)
			ck_abort_msg("%d operations are lost", pending);
}

static enum store_verdict
go(struct store_op *op)
{
	submit(op);
	settle();
	return op->verdict;
}

static struct message
message_text(const char *head, const char *body)
{
	struct message m = MESSAGE_EMPTY;

	m.head = blob_new(head, strlen(head));
	m.body.bytes = blob_new(body, strlen(body));
	m.body.size = strlen(body);
	return m;
}

#define METHOD	"POST"
#define PATH	"/report/7"
#define REQUEST_TEXTS	(strlen(METHOD) + strlen(PATH))

static struct store_op
op_insert(enum task_state to, struct message m)
{
	struct store_op op = {
		.kind = STORE_INSERT, .to = to, .now_ms = 1000,
		.to_attempt = to == TASK_RUNNING,
		.id = "0123456789abcdef",
		.route = "/report/*", .method = METHOD, .path = PATH,
		.message = m,
	};

	if (!store_reserve(store, m.body.size))
		ck_abort_msg("no room to begin with");
	return op;
}

static struct store_op
op_move(int64_t row, enum task_state from, uint32_t from_attempt,
    enum task_state to)
{
	return (struct store_op){
		.kind = STORE_MOVE, .row = row, .now_ms = 2000,
		.from = from, .from_attempt = from_attempt,
		.to = to, .to_attempt = from_attempt + (to == TASK_RUNNING),
		.message = MESSAGE_EMPTY, .outcome = { .wait_status = -1 },
	};
}

static struct store_op
op_on(enum store_kind kind, int64_t row)
{
	return (struct store_op){ .kind = kind, .row = row };
}

static int64_t
insert(enum task_state to)
{
	struct store_op op = op_insert(to, message_text("head", "body"));

	ck_assert_int_eq(go(&op), STORE_OK);
	ck_assert_ptr_null(op.message.head);
	ck_assert_ptr_null(op.message.body.bytes);
	return op.row;
}

static enum store_verdict
move(int64_t row, enum task_state from, uint32_t attempt, enum task_state to)
{
	struct store_op op = op_move(row, from, attempt, to);

	return go(&op);
}

static enum store_verdict
removed(int64_t row)
{
	struct store_op op = op_on(STORE_REMOVE, row);

	return go(&op);
}

static enum store_verdict
load(struct store_op *op, enum store_kind kind, int64_t row)
{
	enum store_verdict v;

	*op = op_on(kind, row);
	v = go(op);
	if (v != STORE_OK) {
		ck_assert_ptr_null(op->message.head);
		ck_assert_ptr_null(op->message.body.bytes);
		ck_assert_int_eq(op->message.body.fd, -1);
		ck_assert_ptr_null(op->texts);
	}
	return v;
}

static void
load_fini(struct store_op *op)
{
	message_fini(&op->message);
	blob_unref(&op->texts);
	blob_unref(&op->tries);
}

static void
check_blob(const struct blob *b, const char *text)
{
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->len, strlen(text));
	ck_assert_mem_eq(b->data, text, b->len);
}

static int
count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* -- verdicts ------------------------------------------------------------- */

START_TEST(a_request_comes_back)
{
	struct store_stats st;
	struct store_op op;
	int64_t row;

	open_store(_i);
	row = insert(TASK_QUEUED);
	store_stats(store, &st);
	ck_assert_uint_eq(st.tasks, 1);
	ck_assert_uint_eq(st.bytes, strlen("headbody") + REQUEST_TEXTS);
	ck_assert_uint_eq(st.reserved_bytes, 0);
	ck_assert_uint_eq(st.commits, 1);
	ck_assert_uint_eq(st.ops, 1);

	ck_assert_int_eq(load(&op, STORE_LOAD_REQUEST, row), STORE_OK);
	check_blob(op.message.head, "head");
	check_blob(op.message.body.bytes, "body");
	ck_assert_int_eq(op.message.body.fd, -1);
	ck_assert_uint_eq(op.message.body.size, 4);
	load_fini(&op);
	ck_assert_int_eq(removed(row), STORE_OK);
	close_store();
}
END_TEST

START_TEST(a_response_comes_back)
{
	struct store_op op, got;
	struct store_stats st;
	int64_t row;

	open_store(_i);
	row = insert(TASK_RUNNING);
	op = op_move(row, TASK_RUNNING, 1, TASK_FAILED);
	op.message = message_text("Status: 200 OK\r\n\r\n", "pdf");
	op.outcome = (struct store_outcome){
		.reason = "it fell", .log = "a\0b", .log_len = 3,
		.wait_status = 256, .cpu_us = 7, .max_rss_kib = 8,
	};
	ck_assert_int_eq(go(&op), STORE_OK);
	ck_assert_ptr_null(op.message.head);
	ck_assert_ptr_null(op.message.body.bytes);

	ck_assert_int_eq(load(&got, STORE_LOAD_RESPONSE, row), STORE_OK);
	check_blob(got.message.head, "Status: 200 OK\r\n\r\n");
	check_blob(got.message.body.bytes, "pdf");
	ck_assert_str_eq(got.outcome.reason, "it fell");
	ck_assert_uint_eq(got.outcome.log_len, 3);
	ck_assert_mem_eq(got.outcome.log, "a\0b", 3);
	ck_assert_int_eq(got.outcome.wait_status, 256);
	ck_assert_uint_eq(got.outcome.cpu_us, 7);
	ck_assert_uint_eq(got.outcome.max_rss_kib, 8);
	ck_assert_str_eq(got.method, METHOD);
	ck_assert_str_eq(got.path, PATH);

	/* The request is gone; what was loaded outlives the task. */
	ck_assert_int_eq(load(&op, STORE_LOAD_REQUEST, row), STORE_LOST);
	store_stats(store, &st);
	ck_assert_uint_eq(st.bytes, strlen("Status: 200 OK\r\n\r\npdf") +
	    strlen("it fell") + 3 + REQUEST_TEXTS);
	ck_assert_int_eq(removed(row), STORE_OK);
	check_blob(got.message.body.bytes, "pdf");
	ck_assert_str_eq(got.outcome.reason, "it fell");
	load_fini(&got);
	close_store();
}
END_TEST

/* When it got to run is known to the end, and again after another attempt. */
START_TEST(info_in_every_state)
{
	struct store_op op, got;
	int64_t row;

	open_store(_i);
	row = insert(TASK_QUEUED);
	ck_assert_int_eq(load(&got, STORE_LOAD_INFO, row), STORE_OK);
	ck_assert_str_eq(got.method, METHOD);
	ck_assert_str_eq(got.path, PATH);
	ck_assert_ptr_null(got.message.head);
	ck_assert_uint_eq(got.message.body.size, 0);
	ck_assert_int_eq(got.outcome.wait_status, -1);
	ck_assert_int_eq(got.started_ms, 0);
	load_fini(&got);

	op = op_move(row, TASK_QUEUED, 0, TASK_RUNNING);
	op.to_attempt = 1;
	op.now_ms = 5000;
	ck_assert_int_eq(go(&op), STORE_OK);
	ck_assert_int_eq(load(&got, STORE_LOAD_INFO, row), STORE_OK);
	ck_assert_int_eq(got.started_ms, 5000);
	load_fini(&got);

	op = op_move(row, TASK_RUNNING, 1, TASK_SUCCEEDED);
	op.now_ms = 9000;
	op.message = message_text("Status: 200 OK\r\n\r\n", "pdf");
	op.outcome.wait_status = 0;
	op.outcome.cpu_us = 7;
	ck_assert_int_eq(go(&op), STORE_OK);
	ck_assert_int_eq(load(&got, STORE_LOAD_INFO, row), STORE_OK);
	check_blob(got.message.head, "Status: 200 OK\r\n\r\n");
	ck_assert_ptr_null(got.message.body.bytes);
	ck_assert_int_eq(got.message.body.fd, -1);
	ck_assert_uint_eq(got.message.body.size, 3);
	ck_assert_int_eq(got.outcome.wait_status, 0);
	ck_assert_uint_eq(got.outcome.cpu_us, 7);
	ck_assert_int_eq(got.started_ms, 5000);
	load_fini(&got);
	ck_assert_int_eq(removed(row), STORE_OK);
	ck_assert_int_eq(load(&got, STORE_LOAD_INFO, row), STORE_LOST);
	close_store();
}
END_TEST

/* Whose it is, to the end; nobody is NULL. */
START_TEST(the_owner_is_given)
{
	struct store_op op, got;
	int64_t row, other;

	open_store(_i);
	op = op_insert(TASK_QUEUED, message_text("head", ""));
	op.owner = "/a/b\nalice";
	ck_assert_int_eq(go(&op), STORE_OK);
	row = op.row;
	other = insert(TASK_QUEUED);
	ck_assert_int_eq(load(&got, STORE_LOAD_INFO, row), STORE_OK);
	ck_assert_str_eq(got.owner, "/a/b\nalice");
	load_fini(&got);
	ck_assert_int_eq(load(&got, STORE_LOAD_INFO, other), STORE_OK);
	ck_assert_ptr_null(got.owner);
	load_fini(&got);
	ck_assert_int_eq(move(row, TASK_QUEUED, 0, TASK_CANCELLED), STORE_OK);
	ck_assert_int_eq(load(&got, STORE_LOAD_RESPONSE, row), STORE_OK);
	ck_assert_str_eq(got.owner, "/a/b\nalice");
	ck_assert_str_eq(got.method, METHOD);
	ck_assert_str_eq(got.path, PATH);
	load_fini(&got);
	ck_assert_int_eq(removed(row), STORE_OK);
	ck_assert_int_eq(removed(other), STORE_OK);
	close_store();
}
END_TEST

/* -- is it sound ---------------------------------------------------------- */

static struct store_checkup checkups[2];
static size_t checked;

/* In their order. */
static void
on_checked(struct store_checkup *c)
{
	ck_assert_ptr_eq(c, &checkups[checked++]);
	ck_assert_int_eq(c->found, CHECK_SOUND);
	ck_assert_ptr_nonnull(c->report);
	ck_assert_uint_eq(strlen(c->report), c->len);
	ck_assert_uint_gt(c->len, 0);
}

/* Beside whatever else is done, and never twice at a time. */
START_TEST(a_checkup)
{
	int64_t row;

	open_store(_i);
	checked = 0;
	for (int i = 0; i < 2; i++) {
		checkups[i] = (struct store_checkup){ .done = on_checked };
		ck_assert_int_eq(store_checkup(store, &checkups[i]), 0);
	}
	ck_assert_uint_eq(checked, 0);
	row = insert(TASK_QUEUED);
	while (checked < 2)
		event_base_loop(base, EVLOOP_ONCE);
	for (int i = 0; i < 2; i++) {
		store_checkup_fini(&checkups[i]);
		store_checkup_fini(&checkups[i]);
	}
	ck_assert_int_eq(removed(row), STORE_OK);
	close_store();
}
END_TEST

/* Nobody is called back, and nothing is left. */
START_TEST(a_checkup_when_it_closes)
{
	open_store(_i);
	checked = 0;
	for (int i = 0; i < 2; i++) {
		checkups[i] = (struct store_checkup){ .done = on_checked };
		ck_assert_int_eq(store_checkup(store, &checkups[i]), 0);
	}
	close_store();
	ck_assert_uint_eq(checked, 0);
	ck_assert_ptr_null(checkups[0].report);
	ck_assert_ptr_null(checkups[1].report);
}
END_TEST

/* Why an attempt was followed by another: line by line, and only told ones. */
START_TEST(tries_are_listed)
{
	struct store_op op, got;
	int64_t row;

	open_store(_i);
	row = insert(TASK_QUEUED);
	for (uint32_t attempt = 1; attempt <= 3; attempt++) {
		op = op_move(row, TASK_QUEUED, attempt - 1, TASK_RUNNING);
		op.to_attempt = attempt;
		ck_assert_int_eq(go(&op), STORE_OK);
		op = op_move(row, TASK_RUNNING, attempt, TASK_QUEUED);
		op.now_ms = 1000 * attempt;
		op.tried = attempt == 1 ? "a\tb\nc" : attempt == 3 ? "d" : NULL;
		ck_assert_int_eq(go(&op), STORE_OK);
	}
	op = op_move(row, TASK_QUEUED, 1, TASK_RUNNING);	/* LOST */
	op.tried = "no";
	ck_assert_int_eq(go(&op), STORE_LOST);
	ck_assert_int_eq(load(&got, STORE_LOAD_INFO, row), STORE_OK);
	check_blob(got.tries, "1\t1000\ta b c\n3\t3000\td\n");
	load_fini(&got);
	ck_assert_int_eq(removed(row), STORE_OK);
	close_store();
}
END_TEST

START_TEST(no_response_no_words)
{
	struct store_op op;
	int64_t row;

	open_store(_i);
	row = insert(TASK_QUEUED);
	ck_assert_int_eq(load(&op, STORE_LOAD_RESPONSE, row), STORE_LOST);
	ck_assert_int_eq(move(row, TASK_QUEUED, 0, TASK_CANCELLED), STORE_OK);
	ck_assert_int_eq(load(&op, STORE_LOAD_RESPONSE, row), STORE_OK);
	ck_assert_ptr_null(op.message.head);
	ck_assert_ptr_null(op.message.body.bytes);
	ck_assert_uint_eq(op.message.body.size, 0);
	ck_assert_str_eq(op.outcome.reason, "");
	ck_assert_uint_eq(op.outcome.log_len, 0);
	ck_assert_int_eq(op.outcome.wait_status, -1);
	load_fini(&op);
	ck_assert_int_eq(removed(row), STORE_OK);
	close_store();
}
END_TEST

/* A fresh task in that state; *attempt is what it says there. */
static int64_t
task_in(enum task_state state, uint32_t *attempt)
{
	int64_t row;

	*attempt = state != TASK_QUEUED;
	row = insert(*attempt ? TASK_RUNNING : TASK_QUEUED);
	if (task_finished(state))
		ck_assert_int_eq(move(row, TASK_RUNNING, 1, state), STORE_OK);
	return row;
}

static void
check_move(enum task_state from, enum task_state to, enum task_state is)
{
	uint32_t attempt;
	int64_t row = task_in(is, &attempt);
	struct store_op op = op_move(row, from, attempt, to);
	struct store_op again, early;

	early = op_move(row, from, attempt + 1, to);
	ck_assert_int_eq(go(&early), STORE_LOST);
	if (task_finished(to))
		op.message = message_text("head", "");
	again = op;
	ck_assert_int_eq(go(&op), is == from ? STORE_OK : STORE_LOST);
	if (is == from) {
		ck_assert_ptr_null(op.message.head);
		again.message = MESSAGE_EMPTY;
		ck_assert_int_eq(go(&again), STORE_LOST);
	} else if (task_finished(to)) {
		check_blob(op.message.head, "head");	/* still ours */
		message_fini(&op.message);
	}
	ck_assert_int_eq(removed(row), STORE_OK);
}

START_TEST(each_move_in_each_state)
{
	int from, to, is;

	open_store(_i);
	for (from = 0; from < TASK_STATE_N; from++)
		for (to = 0; to < TASK_STATE_N; to++)
			for (is = 0; is < TASK_STATE_N; is++)
				if (task_may_move(from, to))
					check_move(from, to, is);
	close_store();
}
END_TEST

/* queued, running, queued again, running again: only the right attempt. */
START_TEST(attempts_count)
{
	struct store_op op;
	int64_t row;

	open_store(_i);
	row = insert(TASK_QUEUED);
	ck_assert_int_eq(move(row, TASK_QUEUED, 0, TASK_RUNNING), STORE_OK);
	ck_assert_int_eq(move(row, TASK_RUNNING, 1, TASK_QUEUED), STORE_OK);
	ck_assert_int_eq(move(row, TASK_QUEUED, 0, TASK_RUNNING), STORE_LOST);
	ck_assert_int_eq(move(row, TASK_QUEUED, 1, TASK_RUNNING), STORE_OK);
	ck_assert_int_eq(load(&op, STORE_LOAD_REQUEST, row), STORE_OK);
	check_blob(op.message.body.bytes, "body");
	load_fini(&op);
	ck_assert_int_eq(move(row, TASK_RUNNING, 1, TASK_SUCCEEDED),
	    STORE_LOST);
	ck_assert_int_eq(move(row, TASK_RUNNING, 2, TASK_SUCCEEDED), STORE_OK);
	ck_assert_int_eq(removed(row), STORE_OK);
	close_store();
}
END_TEST

/* What a caller has in an operation that brings nothing stays the caller's. */
START_TEST(a_start_leaves_the_message_alone)
{
	struct store_op op;
	int64_t row;

	open_store(_i);
	row = insert(TASK_QUEUED);
	ck_assert_int_eq(load(&op, STORE_LOAD_REQUEST, row), STORE_OK);
	op.kind = STORE_MOVE;
	op.from = TASK_QUEUED;
	op.to = TASK_RUNNING;
	op.from_attempt = 0;
	op.to_attempt = 1;
	ck_assert_int_eq(go(&op), STORE_OK);
	check_blob(op.message.head, "head");
	load_fini(&op);
	ck_assert_int_eq(removed(row), STORE_OK);
	close_store();
}
END_TEST

START_TEST(what_is_gone_is_lost)
{
	struct store_op op;
	int64_t row, other;

	open_store(_i);
	ck_assert_int_eq(removed(1), STORE_LOST);
	ck_assert_int_eq(load(&op, STORE_LOAD_REQUEST, 0), STORE_LOST);
	ck_assert_int_eq(load(&op, STORE_LOAD_REQUEST, -1), STORE_LOST);
	ck_assert_int_eq(load(&op, STORE_LOAD_RESPONSE, INT64_MAX),
	    STORE_LOST);
	row = insert(TASK_QUEUED);
	ck_assert_int_eq(removed(row), STORE_OK);
	other = insert(TASK_QUEUED);
	ck_assert_int_ne(other, row);		/* a row is never used twice */
	ck_assert_int_eq(removed(row), STORE_LOST);
	ck_assert_int_eq(load(&op, STORE_LOAD_REQUEST, row), STORE_LOST);
	ck_assert_int_eq(load(&op, STORE_LOAD_RESPONSE, row), STORE_LOST);
	ck_assert_int_eq(move(row, TASK_QUEUED, 0, TASK_RUNNING), STORE_LOST);
	ck_assert_int_eq(load(&op, STORE_LOAD_REQUEST, other), STORE_OK);
	load_fini(&op);
	ck_assert_int_eq(removed(other), STORE_OK);
	close_store();
}
END_TEST

/* -- claims --------------------------------------------------------------- */

static const struct store_claim claim_a = { "key", "one thing" };
static const struct store_claim claim_b = { "key", "another" };
static const struct store_claim claim_c = { "another key", "one thing" };

static struct store_op
op_claim(const struct store_claim *claim, const char *id)
{
	struct store_op op = op_insert(TASK_QUEUED,
	    message_text("head", "body"));

	op.claim = claim;
	op.owner = "alice";
	memcpy(op.id, id, TASK_ID_BYTES);
	return op;
}

/* The message is still the caller's, and so is the reservation. */
static void
check_taken(struct store_op *op, int64_t row, const char *id, bool same)
{
	ck_assert_int_eq(op->verdict, STORE_TAKEN);
	ck_assert_int_eq(op->row, row);
	ck_assert_mem_eq(op->id, id, TASK_ID_BYTES);
	ck_assert_int_eq(op->same, same);
	check_blob(op->message.body.bytes, "body");
	store_release(store, op->message.body.size);
	message_fini(&op->message);
}

START_TEST(a_claim_is_one_task_s)
{
	struct store_op op;
	struct store_stats st;
	int64_t row, other;

	open_store(_i);
	op = op_claim(&claim_a, "first task......");
	ck_assert_int_eq(go(&op), STORE_OK);
	row = op.row;
	op = op_claim(&claim_a, "second task.....");
	go(&op);
	check_taken(&op, row, "first task......", true);
	op = op_claim(&claim_b, "third task......");
	go(&op);
	check_taken(&op, row, "first task......", false);
	op = op_claim(&claim_c, "fourth task.....");
	ck_assert_int_eq(go(&op), STORE_OK);
	other = op.row;
	store_stats(store, &st);
	ck_assert_uint_eq(st.tasks, 2);
	ck_assert_uint_eq(st.reserved_bytes, 0);
	ck_assert_int_eq(removed(row), STORE_OK);
	ck_assert_int_eq(removed(other), STORE_OK);
	close_store();
}
END_TEST

/* It outlives the end of its task, and goes when that goes. */
START_TEST(a_claim_goes_with_its_task)
{
	struct store_op op;
	int64_t row;

	open_store(_i);
	op = op_claim(&claim_a, "first task......");
	ck_assert_int_eq(go(&op), STORE_OK);
	row = op.row;
	ck_assert_int_eq(move(row, TASK_QUEUED, 0, TASK_RUNNING), STORE_OK);
	ck_assert_int_eq(move(row, TASK_RUNNING, 1, TASK_FAILED), STORE_OK);
	op = op_claim(&claim_a, "second task.....");
	go(&op);
	check_taken(&op, row, "first task......", true);
	ck_assert_int_eq(removed(row), STORE_OK);
	op = op_claim(&claim_a, "third task......");
	ck_assert_int_eq(go(&op), STORE_OK);
	ck_assert_mem_eq(op.id, "third task......", TASK_ID_BYTES);
	ck_assert_int_eq(removed(op.row), STORE_OK);
	close_store();
}
END_TEST

/* Only looked at: what it asks for is never there afterwards. */
START_TEST(a_claim_is_looked_at)
{
	struct store_op op, look, other;
	struct store_stats st;

	open_store(_i);
	look = op_claim(&claim_a, "nobody..........");
	look.only_look = true;
	ck_assert_int_eq(go(&look), STORE_FULL);
	store_release(store, look.message.body.size);
	message_fini(&look.message);

	op = op_claim(&claim_a, "first task......");
	look = op_claim(&claim_a, "second task.....");
	other = op_claim(&claim_b, "third task......");
	look.only_look = other.only_look = true;
	submit(&op);				/* one batch */
	submit(&look);
	submit(&other);
	settle();
	ck_assert_int_eq(op.verdict, STORE_OK);
	check_taken(&look, op.row, "first task......", true);
	check_taken(&other, op.row, "first task......", false);
	store_stats(store, &st);
	ck_assert_uint_eq(st.tasks, 1);
	ck_assert_uint_eq(st.reserved_bytes, 0);
	ck_assert_int_eq(removed(op.row), STORE_OK);
	close_store();
}
END_TEST

/* Who comes under a key that has its task asks for no room. */
START_TEST(a_claim_is_found_without_room)
{
	struct store_op op, again, other;

	conf.max_tasks = 1;
	open_store(_i);
	op = op_claim(&claim_a, "first task......");
	again = op_claim(&claim_a, "second task.....");
	other = op_claim(&claim_c, "third task......");
	submit(&op);
	submit(&again);
	submit(&other);
	settle();
	ck_assert_int_eq(op.verdict, STORE_OK);
	check_taken(&again, op.row, "first task......", true);
	ck_assert_int_eq(other.verdict, STORE_FULL);
	store_release(store, other.message.body.size);
	message_fini(&other.message);
	ck_assert_int_eq(removed(op.row), STORE_OK);
	close_store();
}
END_TEST

#define ROUNDS		100
#define PAIRS		100

static struct store_claim claims[PAIRS];
static struct store_op firsts[PAIRS], seconds[PAIRS], removes[PAIRS];

static void
race(int round)
{
	struct store_claim other;
	int i;

	for (i = 0; i < PAIRS; i++) {
		memcpy(claims[i].key, &i, sizeof(i));
		firsts[i] = op_claim(&claims[i], "first task......");
		seconds[i] = op_claim(&claims[i], "second task.....");
		submit(&firsts[i]);
		submit(&seconds[i]);
	}
	settle();
	for (i = 0; i < PAIRS; i++) {
		ck_assert_int_eq(firsts[i].verdict, STORE_OK);
		check_taken(&seconds[i], firsts[i].row, "first task......",
		    true);
	}
	other = claims[round];
	other.request[0] = 1;
	seconds[0] = op_claim(&other, "another task....");
	go(&seconds[0]);
	check_taken(&seconds[0], firsts[round].row, "first task......", false);
}

/* The next one comes when its task is already on the way out. */
static void
follow(void)
{
	int i;

	for (i = 0; i < PAIRS; i++) {
		removes[i] = op_on(STORE_REMOVE, firsts[i].row);
		seconds[i] = op_claim(&claims[i], "third task......");
		submit(&removes[i]);
		submit(&seconds[i]);
	}
	settle();
	for (i = 0; i < PAIRS; i++) {
		ck_assert_int_eq(removes[i].verdict, STORE_OK);
		ck_assert_int_eq(seconds[i].verdict, STORE_OK);
		removes[i] = op_on(STORE_REMOVE, seconds[i].row);
		submit(&removes[i]);
	}
	settle();
}

/* Contract.md 4: two requests under one key at the same moment, 10,000 times. */
START_TEST(races_for_a_claim)
{
	open_store(_i);
	for (int round = 0; round < ROUNDS; round++) {
		race(round);
		follow();
	}
	close_store();
}
END_TEST

/* -- order ---------------------------------------------------------------- */

static int next_number;

static void
done_in_order(struct store_op *op)
{
	ck_assert_int_eq((int)(intptr_t)op->arg, next_number++);
	note_done(op);
}

/* More than a batch of everything that changes, and what is refused too. */
START_TEST(changes_are_answered_in_order)
{
	enum { N = 2000, KEPT = 700 };
	struct store_op *op = calloc(N, sizeof(*op));
	struct store_stats st;
	int i, kept = 0;

	conf.max_tasks = KEPT;
	open_store(_i);
	next_number = 0;
	for (i = 0; i < N; i++) {
		op[i] = i % 2 ? op_on(STORE_REMOVE, 12345) :
		    op_insert(TASK_QUEUED, message_text("h", ""));
		op[i].arg = (void *)(intptr_t)i;
		submit_to(&op[i], done_in_order);
	}
	settle();
	store_stats(store, &st);
	ck_assert_uint_ge(st.commits, N / 512);
	ck_assert_uint_lt(st.commits, N / 2);	/* group commit */
	ck_assert_uint_eq(st.ops, N);
	for (i = 0; i < N; i += 2) {
		if (op[i].verdict == STORE_OK) {
			ck_assert_int_eq(removed(op[i].row), STORE_OK);
			kept++;
		} else {
			ck_assert_int_eq(op[i].verdict, STORE_FULL);
			check_blob(op[i].message.head, "h");
			message_fini(&op[i].message);
		}
	}
	ck_assert_int_eq(kept, KEPT);
	free(op);
	close_store();
}
END_TEST

START_TEST(loads_are_answered_in_order)
{
	enum { N = 1000 };
	struct store_op *op = calloc(N, sizeof(*op));
	int64_t row;
	int i;

	open_store(_i);
	row = insert(TASK_QUEUED);
	next_number = 0;
	for (i = 0; i < N; i++) {
		op[i] = op_on(STORE_LOAD_REQUEST, i % 3 ? row : 12345);
		op[i].arg = (void *)(intptr_t)i;
		submit_to(&op[i], done_in_order);
	}
	settle();
	for (i = 0; i < N; i++) {
		ck_assert_int_eq(op[i].verdict, i % 3 ? STORE_OK : STORE_LOST);
		load_fini(&op[i]);
	}
	free(op);
	ck_assert_int_eq(removed(row), STORE_OK);
	close_store();
}
END_TEST

/* The whole life of a task, each step from the done() of the one before. */
static void
done_next_step(struct store_op *op)
{
	int64_t row = op->row;

	if (op->verdict != STORE_OK)
		ck_abort_msg("kind %d: verdict %d", op->kind, op->verdict);
	note_done(op);
	if (op->kind == STORE_INSERT) {
		*op = op_move(row, TASK_RUNNING, 1, TASK_SUCCEEDED);
		submit_to(op, done_next_step);
	} else if (op->kind == STORE_MOVE) {
		*op = op_on(STORE_LOAD_RESPONSE, row);
		submit_to(op, done_next_step);
	} else if (op->kind == STORE_LOAD_RESPONSE) {
		load_fini(op);
		*op = op_on(STORE_REMOVE, row);
		submit_to(op, done_next_step);
	}
}

START_TEST(done_may_submit)
{
	struct store_op op;

	open_store(_i);
	op = op_insert(TASK_RUNNING, message_text("head", "body"));
	submit_to(&op, done_next_step);
	ck_assert_int_eq(answered, 0);
	settle();
	ck_assert_int_eq(answered, 4);
	close_store();
}
END_TEST

/*
 * A chain of operations and a socket: both get their turn.  The socket
 * becomes readable when the chain is under way.
 */
static int chain_length;
static int chain_pipe[2];

static void
done_chain(struct store_op *op)
{
	note_done(op);
	if (++chain_length == 10 && write(chain_pipe[1], "x", 1) != 1)
		ck_abort_msg("no pipe");
	if (chain_length == 1000)
		ck_abort_msg("the loop does not get its turn");
	submit_to(op, done_chain);
}

static void
readable(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	event_base_loopbreak(base);
}

START_TEST(a_chain_does_not_starve_the_loop)
{
	struct store_op op = op_on(STORE_REMOVE, 12345);
	struct event *ev;

	open_store(_i);
	chain_length = 0;
	ck_assert_int_eq(pipe(chain_pipe), 0);
	ev = event_new(base, chain_pipe[0], EV_READ, readable, NULL);
	ck_assert_int_eq(event_add(ev, NULL), 0);
	submit_to(&op, done_chain);
	event_base_dispatch(base);
	event_free(ev);
	close(chain_pipe[0]);
	close(chain_pipe[1]);
	close_store();
}
END_TEST

/* -- budgets -------------------------------------------------------------- */

/* Of a large batch a few are called back, then the loop has its turn. */
START_TEST(a_batch_does_not_hold_up_the_loop)
{
	enum { N = 64 };
	struct store_op op[N];

	open_store(_i);
	for (int i = 0; i < N; i++) {
		op[i] = op_on(STORE_REMOVE, 12345);
		submit(&op[i]);
	}
	while (answered < N) {
		int before = answered;

		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
		ck_assert_int_lt(answered - before, N / 2);
	}
	close_store();
}
END_TEST

START_TEST(max_tasks_is_exact)
{
	struct store_op op[5], more;
	int i;

	conf.max_tasks = 3;
	open_store(_i);
	for (i = 0; i < 5; i++)
		op[i] = op_insert(TASK_QUEUED, message_text("head", "body"));
	for (i = 0; i < 5; i++)
		submit(&op[i]);
	settle();
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(op[i].verdict, i < 3 ? STORE_OK : STORE_FULL);
	ck_assert(store_full(store));
	for (i = 3; i < 5; i++) {
		check_blob(op[i].message.body.bytes, "body");
		message_fini(&op[i].message);
		store_release(store, 4);
	}
	ck_assert(store_full(store));		/* because of the tasks */
	ck_assert_int_eq(removed(op[0].row), STORE_OK);
	ck_assert(!store_full(store));
	more = op_insert(TASK_QUEUED, message_text("head", "body"));
	ck_assert_int_eq(go(&more), STORE_OK);
	ck_assert(store_full(store));

	conf.max_tasks = 4;			/* a reload */
	store_set_conf(store, &conf);
	ck_assert(!store_full(store));
	ck_assert_int_eq(removed(op[1].row), STORE_OK);
	ck_assert_int_eq(removed(op[2].row), STORE_OK);
	ck_assert_int_eq(removed(more.row), STORE_OK);
	close_store();
}
END_TEST

START_TEST(max_store_is_exact)
{
	enum { MAX = 1000 };

	conf.max_store_bytes = MAX;
	open_store(_i);
	ck_assert(!store_reserve(store, MAX + 1));
	ck_assert(!store_reserve(store, UINT64_MAX));
	ck_assert(store_reserve(store, MAX - 1));
	ck_assert(!store_full(store));
	ck_assert(store_reserve(store, 1));
	ck_assert(store_full(store));
	ck_assert(!store_reserve(store, 1));
	ck_assert(!store_reserve(store, UINT64_MAX));
	ck_assert(store_reserve(store, 0));
	store_release(store, MAX);
	close_store();
}
END_TEST

/* The head is reserved by nobody: an INSERT fits to the byte, or it is FULL. */
START_TEST(an_insert_counts_its_head)
{
	struct store_op op, late;
	struct store_stats st;

	conf.max_store_bytes =
	    (int64_t)(2 * strlen("headbody") + 2 * REQUEST_TEXTS);
	open_store(_i);
	op = op_insert(TASK_QUEUED, message_text("head", "body"));
	late = op_insert(TASK_QUEUED, message_text("head!", "body"));
	submit(&op);
	submit(&late);
	settle();
	ck_assert_int_eq(op.verdict, STORE_OK);
	ck_assert_int_eq(late.verdict, STORE_FULL);
	store_stats(store, &st);
	ck_assert_uint_eq(st.reserved_bytes, 4);	/* still late's */
	late.message.head->len--;
	ck_assert_int_eq(go(&late), STORE_OK);
	ck_assert(store_full(store));
	store_stats(store, &st);
	ck_assert_uint_eq(st.reserved_bytes, 0);
	ck_assert_uint_eq(st.bytes, (uint64_t)conf.max_store_bytes);
	ck_assert_int_eq(removed(op.row), STORE_OK);
	ck_assert_int_eq(removed(late.row), STORE_OK);
	close_store();
}
END_TEST

/* What runs may finish, also above the limit; then nothing else comes in. */
START_TEST(a_response_may_go_above)
{
	struct store_stats st;
	struct store_op op;
	int64_t row;
	char big[200];

	conf.max_store_bytes = 100;
	open_store(_i);
	row = insert(TASK_RUNNING);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	op = op_move(row, TASK_RUNNING, 1, TASK_SUCCEEDED);
	op.message = message_text("head", big);
	ck_assert_int_eq(go(&op), STORE_OK);
	store_stats(store, &st);
	ck_assert_uint_eq(st.bytes, 4 + strlen(big) + REQUEST_TEXTS);
	ck_assert(store_full(store));
	ck_assert(!store_reserve(store, 1));
	ck_assert(!store_reserve(store, 0));
	ck_assert_int_eq(removed(row), STORE_OK);
	ck_assert(!store_full(store));
	close_store();
}
END_TEST

/* -- bodies in files ------------------------------------------------------ */

#define BIG	(1024 * 1024)

static const unsigned char *
pattern(void)
{
	static unsigned char data[BIG];
	size_t i;

	for (i = 0; i < BIG; i++)
		data[i] = (unsigned char)(i * 31 + (i >> 8) * 7);
	return data;
}

static struct message
message_file(void)
{
	struct message m = MESSAGE_EMPTY;

	ck_assert_int_eq(store_spool_create(store, &m.body), 0);
	ck_assert_int_ge(m.body.fd, 0);
	ck_assert_uint_eq(m.body.size, 0);
	ck_assert_int_eq(write(m.body.fd, pattern(), BIG), BIG);
	m.body.size = BIG;
	m.head = blob_new("head", 4);
	return m;
}

/* Its own offset, which is 0; nothing that a reader could write to. */
static void
check_file(const struct body *b)
{
	unsigned char *data = malloc(BIG + 1);

	ck_assert_ptr_null(b->bytes);
	ck_assert_uint_eq(b->size, BIG);
	ck_assert_int_eq(read(b->fd, data, BIG + 1), BIG);
	ck_assert(memcmp(data, pattern(), BIG) == 0);
	ck_assert_int_eq(write(b->fd, "x", 1), -1);
	ck_assert_int_eq(fcntl(b->fd, F_GETFD), FD_CLOEXEC);
	free(data);
}

START_TEST(a_file_outlives_its_task)
{
	int before = count_fds();
	struct store_op op, first, second;

	open_store(_i);
	op = op_insert(TASK_QUEUED, message_file());
	ck_assert_int_eq(go(&op), STORE_OK);
	ck_assert_int_eq(op.message.body.fd, -1);
	if (backends[_i] == &threaded)
		ck_assert_int_eq(syncs, 1);
	ck_assert_int_eq(load(&first, STORE_LOAD_REQUEST, op.row), STORE_OK);
	ck_assert_int_eq(load(&second, STORE_LOAD_REQUEST, op.row), STORE_OK);
	check_file(&first.message.body);
	ck_assert_int_eq(removed(op.row), STORE_OK);
	check_file(&second.message.body);
	load_fini(&first);
	load_fini(&second);
	close_store();
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

START_TEST(a_response_in_a_file)
{
	int before = count_fds();
	struct store_op op, got;
	struct store_stats st;
	int64_t row;

	open_store(_i);
	op = op_insert(TASK_RUNNING, message_file());
	ck_assert_int_eq(go(&op), STORE_OK);
	row = op.row;
	op = op_move(row, TASK_RUNNING, 1, TASK_SUCCEEDED);
	op.message = message_file();
	store_stats(store, &st);		/* counted when it is moved */
	ck_assert_uint_eq(st.bytes, 4 + BIG + REQUEST_TEXTS);
	ck_assert_int_eq(go(&op), STORE_OK);
	store_stats(store, &st);
	ck_assert_uint_eq(st.bytes, 4 + BIG + REQUEST_TEXTS);
	ck_assert_int_eq(load(&got, STORE_LOAD_RESPONSE, row), STORE_OK);
	ck_assert_int_eq(removed(row), STORE_OK);
	check_file(&got.message.body);
	load_fini(&got);
	close_store();
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

/* A response that comes too late is still the caller's. */
START_TEST(a_file_that_came_late)
{
	struct store_op op;
	uint64_t file;
	int64_t row;

	open_store(_i);
	row = insert(TASK_RUNNING);
	op = op_move(row, TASK_RUNNING, 1, TASK_SUCCEEDED);
	op.message = message_file();
	ck_assert_int_eq(move(row, TASK_RUNNING, 1, TASK_CANCELLED), STORE_OK);
	ck_assert_int_eq(go(&op), STORE_LOST);
	ck_assert_int_ge(op.message.body.fd, 0);
	file = op.message.body.file;
	message_fini(&op.message);
	store_spool_drop(store, file);
	ck_assert_int_eq(removed(row), STORE_OK);
	close_store();
}
END_TEST

/* Nothing that a crash could leave behind. */
START_TEST(a_file_without_a_name)
{
	struct body body;
	struct stat st;

	open_store(_i);
	ck_assert_int_eq(store_spool_create(store, &body), 0);
	ck_assert_int_eq(fstat(body.fd, &st), 0);
	ck_assert_uint_eq(st.st_nlink, 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_uint_eq(body.file, 0);
	body_fini(&body);
	close_store();
}
END_TEST

/* -- what goes wrong ------------------------------------------------------ */

START_TEST(no_descriptor_left)
{
	struct rlimit was, none;
	struct store_op op, got;
	struct body body;

	open_store(_i);
	op = op_insert(TASK_QUEUED, message_file());
	ck_assert_int_eq(go(&op), STORE_OK);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(load(&got, STORE_LOAD_REQUEST, op.row), STORE_FAILED);
	ck_assert_int_eq(store_spool_create(store, &body), -1);
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_assert_int_eq(load(&got, STORE_LOAD_REQUEST, op.row), STORE_OK);
	load_fini(&got);
	ck_assert_int_eq(removed(op.row), STORE_OK);
	close_store();
}
END_TEST

/* A body that cannot be synced makes no task and holds up no other. */
START_TEST(a_sync_that_fails)
{
	static const struct {
		int error;
		enum store_verdict verdict;
	} cases[] = {
		{ EIO, STORE_FAILED }, { ENOSPC, STORE_FULL },
		{ EDQUOT, STORE_FULL },
	};
	struct store_stats st;
	struct store_op op;
	size_t i;

	open_store(1);
	for (i = 0; i < N(cases); i++) {
		sync_error = cases[i].error;
		op = op_insert(TASK_QUEUED, message_file());
		ck_assert_int_eq(go(&op), cases[i].verdict);
		ck_assert_int_ge(op.message.body.fd, 0);
		message_fini(&op.message);
		store_stats(store, &st);
		ck_assert_uint_eq(st.tasks, 0);
		ck_assert_uint_eq(st.reserved_bytes, BIG);
		store_release(store, BIG);
	}
	ck_assert_int_eq(removed(insert(TASK_QUEUED)), STORE_OK);
	close_store();
}
END_TEST

START_TEST(a_commit_that_fails)
{
	struct store_stats st;
	struct store_op op;

	open_store(1);
	apply_fails = true;
	op = op_insert(TASK_QUEUED, message_text("head", "body"));
	ck_assert_int_eq(go(&op), STORE_FAILED);
	check_blob(op.message.head, "head");
	store_stats(store, &st);
	ck_assert_uint_eq(st.reserved_bytes, 4);
	apply_fails = false;
	ck_assert_int_eq(go(&op), STORE_OK);
	ck_assert_int_eq(removed(op.row), STORE_OK);
	close_store();
}
END_TEST

/* -- room on the disk ------------------------------------------------------ */

static bool
was_said(const char *words)
{
	static char text[1 << 16];
	ssize_t n = pread(said, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return strstr(text, words) != NULL;
}

/* The disk is looked at beside the loop, and not every time. */
static void
wait_for_room(bool room)
{
	while (store_reserve(store, 1) != room) {
		if (!room)
			store_release(store, 1);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	if (room)
		store_release(store, 1);
}

/* Refused below min-free, said at its begin and its end; links go on. */
START_TEST(a_disk_that_runs_low)
{
	struct store_backend backend = store_memory;
	struct store_op got;
	int64_t row;

	backend.look = disk_look;
	conf.min_free_bytes = 1000;
	disk_is(0, 0);				/* nobody knows: no limit */
	store = store_open_backend(base, &conf, &backend, "", error);
	ck_assert_msg(store, "%s", error);
	row = insert(TASK_QUEUED);
	ck_assert(!was_said("disk-"));
	disk_is(999, 100000);
	wait_for_room(false);
	ck_assert(store_full(store));
	ck_assert(was_said("disk-low free=999 min-free=1000"));
	ck_assert(!was_said("disk-roomy"));
	ck_assert_int_eq(load(&got, STORE_LOAD_REQUEST, row), STORE_OK);
	load_fini(&got);
	disk_is(5000, 100000);
	wait_for_room(true);
	ck_assert(was_said("disk-roomy free=5000"));
	ck_assert(!store_reserve(store, 4001));	/* but not for all */
	disk_is(600, 5000);			/* a tenth of a small disk */
	wait_for_room(true);
	disk_is(400, 5000);
	wait_for_room(false);
	disk_is(5000, 100000);
	wait_for_room(true);
	ck_assert_int_eq(removed(row), STORE_OK);
	close_store();
}
END_TEST

/* Of two disks, the one that has less. */
START_TEST(the_smaller_of_two_disks)
{
	struct store_room room = { 0 }, one = { 0 };

	store_room_at(&one, "/nonexistent");
	ck_assert_uint_eq(one.disk_bytes, 0);
	store_room_at(&one, spool);
	ck_assert_uint_gt(one.disk_bytes, 0);
	room.free_bytes = UINT64_MAX;
	room.disk_bytes = 1;
	store_room_at(&room, spool);
	ck_assert_uint_eq(room.disk_bytes, one.disk_bytes);
	room.free_bytes = 0;
	room.disk_bytes = 1;
	store_room_at(&room, spool);
	ck_assert_uint_eq(room.disk_bytes, 1);
}
END_TEST

/* A reload that allows less than there is: nothing more, and nothing is lost. */
START_TEST(a_smaller_limit)
{
	struct store_op got;
	int64_t row;

	open_store(_i);
	row = insert(TASK_QUEUED);
	conf.max_store_bytes = 1;
	store_set_conf(store, &conf);
	ck_assert(!store_reserve(store, 0));
	ck_assert(store_full(store));
	ck_assert_int_eq(load(&got, STORE_LOAD_REQUEST, row), STORE_OK);
	load_fini(&got);
	ck_assert_int_eq(removed(row), STORE_OK);
	close_store();
}
END_TEST

/* -- words ------------------------------------------------------------------ */

START_TEST(a_long_reason_is_cut)
{
	char reason[1000];
	struct store_op op, got;
	int64_t row;

	open_store(_i);
	row = insert(TASK_RUNNING);
	memset(reason, 'x', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	op = op_move(row, TASK_RUNNING, 1, TASK_QUEUED);
	op.tried = reason;
	ck_assert_int_eq(go(&op), STORE_OK);
	ck_assert_int_eq(load(&got, STORE_LOAD_INFO, row), STORE_OK);
	ck_assert_uint_eq(got.tries->len, STORE_TRY_MAX - 1);
	ck_assert_int_eq(got.tries->data[got.tries->len - 1], '\n');
	load_fini(&got);
	ck_assert_int_eq(removed(row), STORE_OK);
	close_store();
}
END_TEST

START_TEST(a_request_without_a_head)
{
	struct store_op op;

	open_store(_i);
	op = op_insert(TASK_QUEUED, MESSAGE_EMPTY);
	ck_assert_int_eq(go(&op), STORE_OK);
	ck_assert_int_eq(removed(op.row), STORE_OK);
	close_store();
}
END_TEST

/* -- no memory -------------------------------------------------------------- */

/* No store and a reason, or a store; nothing stays open. */
START_TEST(an_open_without_memory)
{
	bool in_file = strcmp(backends[_i]->name, "sqlite") == 0, fired;
	int nth = 0, failed = 0, before = count_fds();

	if (!OWN_MALLOC || in_valgrind())
		return;
	open_store(_i);				/* the file is there */
	close_store();
	do {
		left = nth;
		error[0] = '\0';
		store = store_open_backend(base, &conf, backends[_i],
		    in_file ? where : "", error);
		fired = left < 0;
		left = -1;
		if (store) {
			store_close(store);
		} else {
			ck_assert_str_ne(error, "");
			failed++;
		}
		ck_assert_int_eq(count_fds(), before);
		/* check_sqlite has the places in between */
		nth += in_file && nth > 20 && nth < 600 ? 17 : 1;
	} while (fired);
	ck_assert_int_gt(failed, 5);
}
END_TEST

/* A turn of the loop needs no memory. */
START_TEST(a_turn_without_memory)
{
	struct store_op op;

	if (!OWN_MALLOC || in_valgrind())
		return;
	open_store(_i);
	op = op_insert(TASK_QUEUED, message_text("head", "body"));
	left = 0;
	submit(&op);
	ck_assert_int_eq(left, -1);		/* it has asked for some */
	settle();
	ck_assert_int_eq(op.verdict, STORE_OK);
	ck_assert_int_eq(removed(op.row), STORE_OK);
	close_store();
}
END_TEST

static int reports;

static void
note_checkup(struct store_checkup *c)
{
	(void)c;
	reports++;
}

/* Without a thread it is not done; without a report nothing is known. */
START_TEST(a_checkup_without_memory)
{
	struct store_checkup c = { .done = note_checkup };
	int i, rc;

	if (!OWN_MALLOC || in_valgrind())
		return;
	open_store(_i);
	left = 0;
	rc = store_checkup(store, &c);
	ck_assert_int_eq(rc, -1);
	for (i = 1; i <= 3; i++) {
		left = i == 2 ? 0 : -1;
		rc = store_checkup(store, &c);	/* no assert: it allocates */
		while (rc == 0 && reports < i)
			event_base_loop(base, EVLOOP_ONCE);
		ck_assert_int_eq(left, -1);
		ck_assert_int_eq(rc, 0);
		ck_assert_int_eq(c.found, i == 2 ? CHECK_UNABLE : CHECK_SOUND);
		store_checkup_fini(&c);
	}
	close_store();
}
END_TEST

/* -- opening and closing -------------------------------------------------- */

START_TEST(open_by_name)
{
	char name[100];

	(void)name;
	store = store_open(base, &conf, error);
	ck_assert_msg(store, "%s", error);
	ck_assert(!store_durable(store));
	ck_assert_int_eq(store_scan(store, NULL, NULL, error), 0);
	close_store();
	store_close(NULL);
#ifdef HAVE_SQLITE
	snprintf(name, sizeof(name), "sqlite:%s", where);
	conf.store = name;
	store = store_open(base, &conf, error);
	ck_assert_msg(store, "%s", error);
	ck_assert(store_durable(store));
	close_store();
#endif
}
END_TEST

START_TEST(open_what_is_not_there)
{
	conf.store = (char *)"memo";
	ck_assert_ptr_null(store_open(base, &conf, error));
	ck_assert_ptr_nonnull(strstr(error, "\"memo\""));
	conf.store = (char *)"memory:x";
	ck_assert_ptr_null(store_open(base, &conf, error));
	ck_assert_ptr_nonnull(strstr(error, "memory:x"));
}
END_TEST

START_TEST(open_makes_the_spool)
{
	char dir[sizeof(spool) + 8];
	struct stat st;

	snprintf(dir, sizeof(dir), "%s/new", spool);
	conf.spool = dir;
	open_store(_i);
	ck_assert_int_eq(stat(dir, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	close_store();
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* With settings that is an error; without, any place will do. */
START_TEST(open_without_a_spool)
{
	struct body body;

	conf.spool = (char *)"/dev/null/spool";
	ck_assert_ptr_null(store_open(base, &conf, error));
	ck_assert_ptr_nonnull(strstr(error, "/dev/null/spool: Not a dir"));

	conf.control_path = NULL;
	setenv("TMPDIR", spool, 1);
	open_store(_i);
	ck_assert_int_eq(store_spool_create(store, &body), 0);
	body_fini(&body);
	close_store();
	setenv("TMPDIR", "/dev/null/neither", 1);
	ck_assert_ptr_null(store_open(base, &conf, error));
	ck_assert_ptr_nonnull(strstr(error, "/dev/null/spool"));
	if (tmpdir)
		setenv("TMPDIR", tmpdir, 1);
	else
		unsetenv("TMPDIR");
}
END_TEST

/* What survived is all there, and goes. */
static int
remove_row(const struct store_row *r, void *arg)
{
	struct store_op **op = arg;

	**op = op_on(STORE_REMOVE, r->row);
	submit((*op)++);
	return 0;
}

static void
empty_store(int i, int kept)
{
	struct store_op *ops = calloc((size_t)kept, sizeof(*ops)), *op = ops;
	struct store_stats st;

	open_store(i);
	pending = 0;
	ck_assert_int_eq(store_scan(store, remove_row, &op, error), 0);
	ck_assert_int_eq(op - ops, store_durable(store) ? kept : 0);
	store_stats(store, &st);
	ck_assert_uint_eq(st.tasks, (uint64_t)pending);
	settle();
	free(ops);
	close_store();
}

/* What is queued is done; nobody is called back; nothing leaks. */
START_TEST(close_with_a_full_queue)
{
	enum { N = 1500 };
	struct store_op *op = calloc(N, sizeof(*op)), loads[10], file[3], gone;
	int before = count_fds();
	int64_t row, big;
	int i;

	open_store(_i);
	row = insert(TASK_QUEUED);
	file[0] = op_insert(TASK_QUEUED, message_file());
	ck_assert_int_eq(go(&file[0]), STORE_OK);
	big = file[0].row;
	answered = 0;
	for (i = 0; i < N; i++) {
		op[i] = op_insert(TASK_QUEUED, message_text("head", "body"));
		submit(&op[i]);
	}
	for (i = 0; i < 10; i++) {
		loads[i] = op_on(STORE_LOAD_REQUEST, i % 2 ? row : big);
		submit(&loads[i]);
	}
	for (i = 0; i < 3; i++) {
		file[i] = op_insert(TASK_QUEUED, message_file());
		submit(&file[i]);
	}
	gone = op_on(STORE_REMOVE, big);
	submit(&gone);
	store_close(store);
	ck_assert_int_eq(answered, 0);
	for (i = 0; i < N; i++) {
		ck_assert_int_eq(op[i].verdict, STORE_OK);
		ck_assert_ptr_null(op[i].message.head);
	}
	for (i = 0; i < 10; i++)
		ck_assert_ptr_null(loads[i].message.head);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(file[i].message.body.fd, -1);
	ck_assert_int_eq(gone.verdict, STORE_OK);
	free(op);
	if (backends[_i] != &threaded)
		empty_store(_i, N + 4);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

/* What is committed, but not yet told, is kept and counted. */
START_TEST(close_behind_a_commit)
{
	struct store_op op;

	open_store(1);
	op = op_insert(TASK_QUEUED, message_text("head", "body"));
	pthread_mutex_lock(&lock);
	submit(&op);
	while (applies == 0)
		event_base_loop(base, EVLOOP_NONBLOCK);
	pthread_mutex_unlock(&lock);
	store_close(store);
	ck_assert_int_eq(answered, 0);
	ck_assert_int_eq(op.verdict, STORE_OK);
	ck_assert_ptr_null(op.message.head);
}
END_TEST

/* What was read for somebody who is not called back any more is dropped. */
START_TEST(close_between_two_calls)
{
	enum { N = 64 };
	struct store_op op[N];
	int64_t row;
	int told;

	open_store(_i);
	row = insert(TASK_QUEUED);
	answered = 0;
	for (int i = 0; i < N; i++) {
		op[i] = op_on(STORE_LOAD_REQUEST, row);
		submit(&op[i]);
	}
	while (answered == 0)
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	told = answered;
	store_close(store);
	ck_assert_int_eq(answered, told);
	for (int i = 0; i < N; i++) {
		if (i < told)
			load_fini(&op[i]);
		ck_assert_ptr_null(op[i].message.head);
		ck_assert_ptr_null(op[i].texts);
	}
}
END_TEST

/* A body that did not get to the disk is no task, at the end either. */
START_TEST(close_behind_a_sync_that_fails)
{
	struct store_op op;

	open_store(1);
	sync_error = EIO;
	op = op_insert(TASK_QUEUED, message_file());
	submit(&op);
	store_close(store);
	ck_assert_int_eq(answered, 0);
	ck_assert_int_eq(applies, 0);
	ck_assert_int_eq(op.verdict, STORE_FAILED);
	ck_assert_int_ge(op.message.body.fd, 0);
	message_fini(&op.message);
}
END_TEST

/* -- many ----------------------------------------------------------------- */

/* A hundred thousand lives, a thousand at a time: the books are balanced. */
START_TEST(many_lives)
{
	enum { AT_ONCE = 1000 };
	struct store_op *op = calloc(AT_ONCE, sizeof(*op));
	int i, n, lives = in_valgrind() ? 5 * AT_ONCE : 100 * AT_ONCE;

	open_store(_i);
	for (n = 0; n < lives; n += AT_ONCE) {
		for (i = 0; i < AT_ONCE; i++) {
			op[i] = op_insert(TASK_RUNNING,
			    message_text("head", "body"));
			submit_to(&op[i], done_next_step);
		}
		settle();
	}
	ck_assert_int_eq(answered, 4 * lives);
	free(op);
	close_store();
}
END_TEST

/* -- bodies --------------------------------------------------------------- */

START_TEST(bodies_are_shared_and_moved)
{
	struct body a = BODY_EMPTY, b = BODY_EMPTY;
	struct blob *none = NULL;

	a.bytes = blob_new(NULL, 3);
	a.size = 3;
	ck_assert_mem_eq(a.bytes->data, "\0\0\0", 3);
	ck_assert_int_eq(body_share(&b, &a), 0);
	ck_assert_ptr_eq(a.bytes, b.bytes);
	ck_assert_uint_eq(a.bytes->refs, 2);
	body_fini(&a);
	ck_assert_ptr_null(a.bytes);
	ck_assert_int_eq(a.fd, -1);
	ck_assert_uint_eq(a.size, 0);
	body_take(&a, &b);
	ck_assert_ptr_null(b.bytes);
	ck_assert_uint_eq(b.size, 0);
	ck_assert_uint_eq(a.size, 3);
	body_fini(&a);
	ck_assert_ptr_null(blob_ref(NULL));
	blob_unref(&none);
	ck_assert_ptr_null(blob_new(NULL, SIZE_MAX));
}
END_TEST

static void
add_for_each(TCase *tc)
{
	tcase_add_loop_test(tc, a_request_comes_back, 0, N(backends));
	tcase_add_loop_test(tc, a_response_comes_back, 0, N(backends));
	tcase_add_loop_test(tc, info_in_every_state, 0, N(backends));
	tcase_add_loop_test(tc, the_owner_is_given, 0, N(backends));
	tcase_add_loop_test(tc, a_checkup, 0, N(backends));
	tcase_add_loop_test(tc, a_checkup_when_it_closes, 0, N(backends));
	tcase_add_loop_test(tc, tries_are_listed, 0, N(backends));
	tcase_add_loop_test(tc, no_response_no_words, 0, N(backends));
	tcase_add_loop_test(tc, each_move_in_each_state, 0, N(backends));
	tcase_add_loop_test(tc, attempts_count, 0, N(backends));
	tcase_add_loop_test(tc, a_start_leaves_the_message_alone, 0,
	    N(backends));
	tcase_add_loop_test(tc, what_is_gone_is_lost, 0, N(backends));
	tcase_add_loop_test(tc, a_claim_is_one_task_s, 0, N(backends));
	tcase_add_loop_test(tc, a_claim_goes_with_its_task, 0, N(backends));
	tcase_add_loop_test(tc, a_claim_is_looked_at, 0, N(backends));
	tcase_add_loop_test(tc, a_claim_is_found_without_room, 0, N(backends));
	tcase_add_loop_test(tc, races_for_a_claim, 0, N(backends));
	tcase_add_loop_test(tc, changes_are_answered_in_order, 0, N(backends));
	tcase_add_loop_test(tc, loads_are_answered_in_order, 0, N(backends));
	tcase_add_loop_test(tc, done_may_submit, 0, N(backends));
	tcase_add_loop_test(tc, a_chain_does_not_starve_the_loop, 0,
	    N(backends));
	tcase_add_loop_test(tc, a_batch_does_not_hold_up_the_loop, 0,
	    N(backends));
	tcase_add_loop_test(tc, max_tasks_is_exact, 0, N(backends));
	tcase_add_loop_test(tc, max_store_is_exact, 0, N(backends));
	tcase_add_loop_test(tc, an_insert_counts_its_head, 0, N(backends));
	tcase_add_loop_test(tc, a_response_may_go_above, 0, N(backends));
	tcase_add_loop_test(tc, a_file_outlives_its_task, 0, N(backends));
	tcase_add_loop_test(tc, a_response_in_a_file, 0, N(backends));
	tcase_add_loop_test(tc, a_file_that_came_late, 0, N(backends));
	if (!in_valgrind())
		tcase_add_loop_test(tc, no_descriptor_left, 0, N(backends));
	tcase_add_loop_test(tc, open_makes_the_spool, 0, N(backends));
	tcase_add_loop_test(tc, close_with_a_full_queue, 0, N(backends));
	tcase_add_loop_test(tc, close_between_two_calls, 0, N(backends));
	tcase_add_loop_test(tc, many_lives, 0, N(backends));
	tcase_add_loop_test(tc, a_smaller_limit, 0, N(backends));
	tcase_add_loop_test(tc, a_long_reason_is_cut, 0, N(backends));
	tcase_add_loop_test(tc, a_request_without_a_head, 0, N(backends));
	tcase_add_loop_test(tc, an_open_without_memory, 0, N(backends));
	tcase_add_loop_test(tc, a_turn_without_memory, 0, N(backends));
	tcase_add_loop_test(tc, a_checkup_without_memory, 0, N(backends));
}

static void
add_for_one(TCase *tc)
{
	tcase_add_loop_test(tc, a_file_without_a_name, 0, 1);
	tcase_add_loop_test(tc, open_without_a_spool, 0, 1);
	tcase_add_test(tc, open_by_name);
	tcase_add_test(tc, open_what_is_not_there);
	tcase_add_test(tc, a_sync_that_fails);
	tcase_add_test(tc, a_commit_that_fails);
	tcase_add_test(tc, bodies_are_shared_and_moved);
	tcase_add_test(tc, a_disk_that_runs_low);
	tcase_add_test(tc, the_smaller_of_two_disks);
	tcase_add_test(tc, close_behind_a_commit);
	tcase_add_test(tc, close_behind_a_sync_that_fails);
}

int
main(void)
{
	Suite *s = suite_create("store");
	TCase *each = suite_case(s, "each back-end", setup, teardown);
	TCase *one = suite_case(s, "one back-end", setup, teardown);

	tcase_set_timeout(each, 120);
	add_for_each(each);
	add_for_one(one);
	return suite_run(s);
}
