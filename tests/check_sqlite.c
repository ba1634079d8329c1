/*
 * check_sqlite - what only a store in a file can suffer.
 *
 * The back-end is called directly, without threads, so that a fault has an
 * exact place.  A model beside it notes what was confirmed; whatever happens,
 * the file has exactly that in it, also for one who finds it after a crash.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/conf.h"
#include "daemon/store/backend.h"
#include "daemon/store/check.h"
#include "daemon/store/sqlite_priv.h"
#include "tests/fds.h"
#include "tests/refuse.h"
#include "tests/scarce.h"
#include "tests/suite.h"
#include "tests/vfs_shim.h"

/* -- the world of a test -------------------------------------------------- */

static char home[64], path[96], spool[96], crash[96];
static char error[CONF_ERROR_MAX];
static struct conf conf;
static struct sqlite *db;
static int said;			/* what the log got: a file */

/* What was confirmed. */
struct model {
	struct {
		int64_t		 row;
		enum task_state	 state;
		uint32_t	 attempt;
		char		 body[16];
		bool		 in_file, claimed;
	} task[256];
	int		 n;
	int64_t		 bytes, tasks;
};

static struct model model;

static void
run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
run(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	ck_assert_msg(system(command) == 0, "%s", command);
}

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");

	if (!tmp && access("/dev/shm", W_OK | X_OK) == 0)
		tmp = "/dev/shm";	/* thousands of syncs */
	snprintf(home, sizeof(home), "%.40s/check-sqlite-XXXXXX",
	    tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(home));
	snprintf(path, sizeof(path), "%s/tasks.db", home);
	snprintf(spool, sizeof(spool), "%s/spool", home);
	snprintf(crash, sizeof(crash), "%s/crash", home);
	memset(&conf, 0, sizeof(conf));
	conf.spool = spool;
	memset(&model, 0, sizeof(model));
	said = memfd_create("said", MFD_CLOEXEC);
	ck_assert_int_ge(dup2(said, STDERR_FILENO), 0);
}

static void
teardown(void)
{
	close(said);
	run("rm -rf %s", home);
}

static char said_text[1 << 16];

static bool
was_said(const char *words)
{
	ssize_t n = pread(said, said_text, sizeof(said_text) - 1, 0);

	said_text[n < 0 ? 0 : n] = '\0';
	return strstr(said_text, words) != NULL;
}

static void
open_db(void)
{
	db = store_sqlite.open(path, &conf, error);
	ck_assert_msg(db, "%s", error);
}

static void
close_db(void)
{
	store_sqlite.close(db);
	db = NULL;
}

/* Not opened, and the message has these words in it. */
static void
check_refused(const char *words)
{
	void *state = store_sqlite.open(path, &conf, error);

	ck_assert_ptr_null(state);
	ck_assert_msg(strstr(error, words), "%s", error);
}

static void
shell(const char *sql)
{
	sqlite3 *other;

	ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
	ck_assert_msg(sqlite3_exec(other, sql, NULL, NULL, NULL) == SQLITE_OK,
	    "%s: %s", sql, sqlite3_errmsg(other));
	sqlite3_close(other);
}

static int64_t
ask(const char *file, const char *sql)
{
	sqlite3 *other;
	int64_t n;

	ck_assert_int_eq(sqlite3_open(file, &other), SQLITE_OK);
	ck_assert_int_eq(sqlite_db_number(other, sql, &n), SQLITE_OK);
	sqlite3_close(other);
	return n;
}

/* Of the allocations of the store so many go well, and one does not; -1: all do. */
static int memory_left = -1;

#define SCARCELY(call)	do {						\
	left = memory_left;						\
	call;								\
	memory_left = left;						\
	left = -1;							\
} while (0)

/* -- operations ----------------------------------------------------------- */

static struct message
message_text(const char *body)
{
	struct message m = MESSAGE_EMPTY;

	m.head = blob_new("head", 4);
	m.body.bytes = blob_new(body, strlen(body));
	m.body.size = strlen(body);
	return m;
}

static struct message
message_file(const char *body)
{
	struct message m = MESSAGE_EMPTY;

	m.head = blob_new("head", 4);
	ck_assert_int_eq(store_sqlite.spool_create(db, &m.body), 0);
	ck_assert_int_eq(write(m.body.fd, body, strlen(body)),
	    (ssize_t)strlen(body));
	m.body.size = strlen(body);
	ck_assert_int_eq(store_sqlite.spool_sync(db, &m.body), 0);
	return m;
}

#define CLAIMS	1024		/* more than one batch has */

/* Each one another; borrowed until its batch is applied. */
static const struct store_claim *
new_claim(void)
{
	static struct store_claim claims[CLAIMS];
	static unsigned int n;
	struct store_claim *c = &claims[n % CLAIMS];

	memcpy(c->key, &n, sizeof(n));
	n++;
	return c;
}

static struct store_op
op_insert(enum task_state to, struct message m)
{
	return (struct store_op){
		.kind = STORE_INSERT, .to = to, .now_ms = 1600000000123,
		.to_attempt = to == TASK_RUNNING, .id = "0123456789abcdef",
		.route = "/report/*", .method = "POST", .path = "/report/7",
		.owner = to == TASK_QUEUED ? "alice" : NULL,
		.claim = to == TASK_QUEUED ? new_claim() : NULL,
		.message = m,
	};
}

static struct store_op
op_move(int i, enum task_state to)
{
	return (struct store_op){
		.kind = STORE_MOVE, .row = model.task[i].row,
		.from = model.task[i].state,
		.from_attempt = model.task[i].attempt,
		.to = to, .now_ms = 1600000009123,
		.to_attempt = model.task[i].attempt + (to == TASK_RUNNING),
		.message = MESSAGE_EMPTY,
		.outcome = { .wait_status = -1, .reason = "why",
		    .log = "l\0g", .log_len = 3 },
	};
}

static struct store_op
op_remove(int i)
{
	return (struct store_op){
		.kind = STORE_REMOVE, .row = model.task[i].row,
		.message = MESSAGE_EMPTY,
	};
}

static int
model_find(int64_t row)
{
	int i;

	for (i = 0; i < model.n; i++)
		if (model.task[i].row == row)
			break;
	return i;
}

static void
model_note(const struct store_op *op, const char *body, bool in_file)
{
	int i = op->kind == STORE_INSERT ? model.n++ : model_find(op->row);

	ck_assert_int_lt(i, 256);
	if (op->kind == STORE_REMOVE) {
		model.n--;
		memmove(&model.task[i], &model.task[i + 1],
		    (size_t)(model.n - i) * sizeof(model.task[0]));
		return;
	}
	model.task[i].row = op->row;
	model.task[i].state = op->to;
	model.task[i].attempt = op->to_attempt;
	if (op->kind == STORE_INSERT)
		model.task[i].claimed = op->claim != NULL;
	if (op->kind == STORE_INSERT || task_finished(op->to)) {
		memcpy(model.task[i].body, body, 16);
		model.task[i].in_file = in_file;
	}
}

/* As store.c would: what is left in the operation is given back. */
static void
dispose(struct store_op *op)
{
	uint64_t file = op->message.body.file;

	message_fini(&op->message);
	if (file != 0)
		store_sqlite.spool_drop(db, file);
}

/* One batch. */
static void
apply(struct store_op *ops, int n)
{
	struct store_op *op;
	char body[512][16];
	bool in_file[512];
	int i;

	for (i = 0; i < n; i++) {
		struct body *b = &ops[i].message.body;

		in_file[i] = b->fd >= 0;
		memset(body[i], 0, 16);
		if (b->bytes)
			memcpy(body[i], b->bytes->data, b->bytes->len);
		else if (b->fd >= 0)
			ck_assert_int_ge(pread(b->fd, body[i], 15, 0), 0);
		ops[i].next = i + 1 < n ? &ops[i + 1] : NULL;
	}
	SCARCELY(store_sqlite.apply(db, ops, &model.bytes, &model.tasks));
	for (i = 0, op = ops; op; op = op->next, i++) {
		if (op->verdict == STORE_OK)
			model_note(op, body[i], in_file[i]);
		dispose(op);
	}
}

static enum store_verdict
go(struct store_op op)
{
	apply(&op, 1);
	return op.verdict;
}

/* -- what is there -------------------------------------------------------- */

static void
check_body(struct sqlite *s, int i)
{
	struct store_op op = { .row = model.task[i].row,
		.message = MESSAGE_EMPTY,
		.kind = task_finished(model.task[i].state) ?
		    STORE_LOAD_RESPONSE : STORE_LOAD_REQUEST };
	char got[16] = "";

	store_sqlite.load(s, &op);
	ck_assert_int_eq(op.verdict, STORE_OK);
	ck_assert_uint_eq(op.message.body.size, strlen(model.task[i].body));
	ck_assert(model.task[i].in_file == (op.message.body.fd >= 0));
	if (op.message.body.fd >= 0)
		ck_assert_int_ge(read(op.message.body.fd, got, 15), 0);
	else if (op.message.body.bytes)
		memcpy(got, op.message.body.bytes->data,
		    op.message.body.bytes->len);
	ck_assert_str_eq(got, model.task[i].body);
	message_fini(&op.message);
	blob_unref(&op.texts);
}

static int
check_row(const struct store_row *r, void *arg)
{
	int *i = arg;

	ck_assert_int_lt(*i, model.n);
	ck_assert_int_eq(r->row, model.task[*i].row);
	ck_assert_int_eq(r->state, model.task[*i].state);
	ck_assert_uint_eq(r->attempt, model.task[*i].attempt);
	ck_assert_str_eq(r->route, "/report/*");
	ck_assert_str_eq(r->method, "POST");
	ck_assert_mem_eq(r->id, "0123456789abcdef", TASK_ID_BYTES);
	ck_assert_pstr_eq(r->owner, model.task[*i].claimed ? "alice" : NULL);
	++*i;
	return 0;
}

/* Those of the tasks that are there, and no other. */
static void
check_claims(struct sqlite *s)
{
	int64_t all, theirs;
	int i, n = 0;

	for (i = 0; i < model.n; i++)
		n += model.task[i].claimed;
	ck_assert_int_eq(sqlite_db_number(s->reader,
	    "SELECT count(*) FROM claims", &all), SQLITE_OK);
	ck_assert_int_eq(sqlite_db_number(s->reader, "SELECT count(*) FROM "
	    "claims JOIN tasks USING (row) WHERE owner = 'alice'",
	    &theirs), SQLITE_OK);
	ck_assert_int_eq(all, n);
	ck_assert_int_eq(theirs, n);
}

/* Exactly what was confirmed; and the books are right. */
static void
check_model(struct sqlite *s)
{
	int64_t bytes = 0, tasks = 0;
	int i = 0;

	ck_assert_int_eq(store_sqlite.scan(s, check_row, &i, &bytes, &tasks,
	    error), 0);
	ck_assert_int_eq(i, model.n);
	ck_assert_int_eq(bytes, model.bytes);
	ck_assert_int_eq(tasks, model.tasks);
	for (i = 0; i < model.n; i++)
		check_body(s, i);
	ck_assert_int_eq(sqlite_db_number(s->reader, "SELECT (SELECT count(*) "
	    "FROM requests) + (SELECT count(*) FROM responses)", &tasks),
	    SQLITE_OK);
	ck_assert_int_eq(tasks, model.n);
	check_claims(s);
}

static int
files_expected(void)
{
	int i, n = 0;

	for (i = 0; i < model.n; i++)
		n += model.task[i].in_file;
	return n;
}

/* The same for one who finds the files as they are now. */
static void
check_crash(void)
{
	struct conf c = conf;
	char there[128], dir[128];
	struct sqlite *s;

	run("rm -rf %s && mkdir %s && cp -r %s %s/ && cp %s %s-wal %s/ "
	    "2>/dev/null || cp %s %s/", crash, crash, spool, crash, path, path,
	    crash, path, crash);
	snprintf(there, sizeof(there), "%s/tasks.db", crash);
	snprintf(dir, sizeof(dir), "%s/spool", crash);
	c.spool = dir;
	s = store_sqlite.open(there, &c, error);
	ck_assert_msg(s, "%s", error);
	check_model(s);
	ck_assert_int_eq(count_files(dir), files_expected());
	store_sqlite.close(s);
}

/* A task in each state, and bodies in files. */
static void
fill(void)
{
	struct store_op batch[3];

	batch[0] = op_insert(TASK_QUEUED, message_text("zero"));
	batch[1] = op_insert(TASK_RUNNING, message_text("one"));
	batch[2] = op_insert(TASK_RUNNING, message_file("two"));
	apply(batch, 3);
	batch[0] = op_move(1, TASK_SUCCEEDED);
	batch[0].message = message_file("response 1");
	batch[1] = op_move(2, TASK_TIMED_OUT);
	batch[1].message = message_text("response 2");
	apply(batch, 2);
	go(op_insert(TASK_QUEUED, message_text("")));
	go(op_move(3, TASK_CANCELLED));
	go(op_insert(TASK_QUEUED, message_file("five")));
}

/* -- a life --------------------------------------------------------------- */

START_TEST(comes_back_after_a_close)
{
	int64_t last;

	open_db();
	fill();
	ck_assert_int_eq(model.n, 5);
	check_model(db);
	last = model.task[4].row;
	close_db();
	ck_assert_int_eq(access(path, F_OK), 0);
	open_db();
	check_model(db);
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("x"))),
	    STORE_OK);
	ck_assert_int_gt(model.task[5].row, last);
	close_db();
}
END_TEST

/* One key, one task: in this life and in the next. */
START_TEST(claims_come_back)
{
	struct store_op op;
	struct store_claim claim = *new_claim();
	int life;

	open_db();
	op = op_insert(TASK_QUEUED, message_text("first"));
	op.claim = &claim;
	apply(&op, 1);
	ck_assert_int_eq(op.verdict, STORE_OK);
	for (life = 0; life < 3; life++) {
		op = op_insert(TASK_QUEUED, message_text("second"));
		memset(op.id, life, TASK_ID_BYTES);
		claim.request[0] = life == 1;
		op.claim = &claim;
		apply(&op, 1);
		ck_assert_int_eq(op.verdict, STORE_TAKEN);
		ck_assert_int_eq(op.row, model.task[0].row);
		ck_assert_mem_eq(op.id, "0123456789abcdef", TASK_ID_BYTES);
		ck_assert_int_eq(op.same, life != 1);
		check_crash();
		close_db();
		open_db();
		check_model(db);
	}
	ck_assert_int_eq(go(op_remove(0)), STORE_OK);
	op = op_insert(TASK_QUEUED, message_text("third"));
	op.claim = &claim;
	apply(&op, 1);
	ck_assert_int_eq(op.verdict, STORE_OK);
	check_model(db);
	close_db();
}
END_TEST

/* A commit that failed has claimed nothing. */
START_TEST(a_failed_claim_is_free)
{
	struct store_claim claim = *new_claim();
	struct store_op op;

	open_db();
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			shim_arm(SHIM_SYNC, 1, 1, false);
		op = op_insert(TASK_QUEUED, message_text("again"));
		op.claim = &claim;
		apply(&op, 1);
		ck_assert_int_eq(op.verdict, i == 0 ? STORE_FAILED : STORE_OK);
		check_crash();
		shim_disarm();
	}
	check_model(db);
	close_db();
}
END_TEST

START_TEST(comes_back_after_a_crash)
{
	open_db();
	fill();
	check_crash();
	db->wal_tried = -1000000;
	store_sqlite.tidy(db);		/* the log is written back */
	ck_assert_int_eq(db->wal_tried, db->wal_pages);
	check_crash();
	ck_assert_int_eq(go(op_remove(2)), STORE_OK);
	check_crash();
	close_db();
}
END_TEST

/* Rows of a batch that failed are not given again either. */
START_TEST(rows_only_grow)
{
	int64_t row;

	open_db();
	go(op_insert(TASK_QUEUED, message_text("a")));
	row = model.task[0].row;
	go(op_remove(0));
	shim_arm(SHIM_SYNC, 1, 1, false);
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("b"))),
	    STORE_FAILED);
	shim_disarm();
	go(op_insert(TASK_QUEUED, message_text("c")));
	ck_assert_int_eq(model.task[0].row, row + 2);
	close_db();
}
END_TEST

static void
child_inserts(int fd)
{
	struct store_op op;

	open_db();
	for (;;) {
		op = op_insert(TASK_QUEUED, message_text("body"));
		op.claim = NULL;	/* each child would count from there */
		apply(&op, 1);
		model.n = 0;
		if (op.verdict != STORE_OK ||
		    write(fd, &op.row, sizeof(op.row)) != sizeof(op.row))
			_exit(1);
	}
}

/* Everything that a killed process had confirmed is there. */
START_TEST(survives_kill_9)
{
	int64_t row, rows = 0, n = 0;
	char sql[100];
	int p[2], round, stop;
	pid_t pid;

	for (round = 0; round < 5; round++) {
		ck_assert_int_eq(pipe(p), 0);
		pid = fork();
		if (pid == 0)
			child_inserts(p[1]);
		close(p[1]);
		stop = 20 + round * 37;
		while (stop-- > 0) {
			ck_assert_int_eq(read(p[0], &row, sizeof(row)),
			    sizeof(row));
			n++;
		}
		kill(pid, SIGKILL);
		while (read(p[0], &row, sizeof(row)) == sizeof(row))
			n++;
		close(p[0]);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		open_db();
		close_db();
		rows = ask(path, "SELECT count(*) FROM tasks");
		ck_assert_int_ge(rows, n);
		ck_assert_int_le(rows, n + 1);	/* the pipe may be one late */
		n = rows;
		snprintf(sql, sizeof(sql), "SELECT count(*) FROM requests"
		    " WHERE row = %" PRId64, row);
		ck_assert_int_eq(ask(path, sql), 1);
	}
}
END_TEST

/* -- the file ------------------------------------------------------------- */

START_TEST(a_person_can_read_it)
{
	struct stat st;

	open_db();
	fill();
	ck_assert_int_eq(ask(path, "SELECT count(*) FROM overview WHERE "
	    "state = 'timed-out' AND created = '2020-09-13 12:26:40.123' AND "
	    "id = '30313233343536373839616263646566'"), 1);
	ck_assert_int_eq(ask(path, "SELECT count(*) FROM files WHERE "
	    "name = printf('%016x', file)"), files_expected());
	ck_assert_int_eq(ask(path, "PRAGMA auto_vacuum"), 2);
	ck_assert_int_eq(ask(path, "PRAGMA user_version"), 1);
	ck_assert_int_eq(ask(path, "SELECT count(*) FROM "
	    "pragma_application_id WHERE application_id = 1684432242"), 1);
	ck_assert_int_eq(ask(path, "SELECT count(*) FROM sqlite_schema "
	    "WHERE type = 'index' AND sql NOT LIKE '%(file)%'"), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	go(op_insert(TASK_QUEUED, message_text("after it")));
	check_model(db);
	close_db();
}
END_TEST

START_TEST(a_schema_from_the_future)
{
	open_db();
	close_db();
	shell("PRAGMA user_version = 2");
	check_refused("newer deferd: its schema is 2, this one knows 1");
	ck_assert_ptr_nonnull(strstr(error, path));
	shell("PRAGMA user_version = 1");
	open_db();
	close_db();
}
END_TEST

static int
toy_column(sqlite3 *c)
{
	return sqlite3_exec(c, "ALTER TABLE tasks ADD COLUMN toy TEXT "
	    "NOT NULL DEFAULT 'bear'", NULL, NULL, NULL);
}

static int
toy_broken(sqlite3 *c)
{
	return sqlite3_exec(c, "UPDATE tasks SET toy = 'broken'; nonsense",
	    NULL, NULL, NULL);
}

START_TEST(migrations)
{
	sqlite_step *const steps[] = {
		sqlite_schema_steps[0], toy_column, toy_broken,
	};
	sqlite3 *c;

	open_db();
	fill();
	close_db();
	ck_assert_int_eq(sqlite_db_open(&c, path, false), SQLITE_OK);
	ck_assert_int_eq(sqlite_schema_open(c, path, steps, 2, error), 0);
	ck_assert_int_eq(ask(path, "PRAGMA user_version"), 2);
	ck_assert_int_eq(ask(path, "SELECT count(*) FROM tasks WHERE "
	    "toy = 'bear'"), model.n);
	ck_assert_int_eq(sqlite_schema_open(c, path, steps, 3, error), -1);
	ck_assert_msg(strstr(error, path) && strstr(error, "nonsense"), "%s",
	    error);
	ck_assert_int_eq(ask(path, "PRAGMA user_version"), 2);
	ck_assert_int_eq(ask(path, "SELECT count(*) FROM tasks WHERE "
	    "toy = 'bear'"), model.n);	/* all of a step, or nothing */
	sqlite3_close(c);
	check_refused("newer deferd");
}
END_TEST

START_TEST(a_file_of_somebody_else)
{
	shell("CREATE TABLE cookies (host TEXT)");
	check_refused("is a database of another program");
	ck_assert_int_eq(ask(path, "SELECT count(*) FROM sqlite_schema"), 1);
}
END_TEST

START_TEST(one_deferd_at_a_time)
{
	char other[128];

	open_db();
	check_refused("another deferd has");
	ck_assert_ptr_nonnull(strstr(error, path));
	snprintf(other, sizeof(other), "%s/link.db", home);
	ck_assert_int_eq(symlink(path, other), 0);
	ck_assert_ptr_null(store_sqlite.open(other, &conf, error));
	ck_assert_ptr_nonnull(strstr(error, "another deferd has"));
	snprintf(other, sizeof(other), "%s/other.db", home);
	ck_assert_ptr_null(store_sqlite.open(other, &conf, error));
	ck_assert_msg(strstr(error, "another deferd uses it"), "%s", error);
	ck_assert_ptr_nonnull(strstr(error, spool));
	close_db();
	open_db();
	close_db();
}
END_TEST

START_TEST(only_an_absolute_path)
{
	ck_assert_ptr_null(store_sqlite.open("tasks.db", &conf, error));
	ck_assert_ptr_nonnull(strstr(error, "absolute path"));
	ck_assert_ptr_null(store_sqlite.open("/nonexistent/tasks.db", &conf,
	    error));
	ck_assert_ptr_nonnull(strstr(error, "/nonexistent/tasks.db.lock: No"));
}
END_TEST

/* -- damage --------------------------------------------------------------- */

static void
put_bytes(const char *file, off_t at, const char *bytes)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, strlen(bytes), at),
	    (ssize_t)strlen(bytes));
	close(fd);
}

static void
check_damage_refused(void)
{
	run("cp %s %s.before", path, path);
	check_refused("is damaged");
	ck_assert_ptr_nonnull(strstr(error, path));
	ck_assert_ptr_nonnull(strstr(error, ".recover"));
	run("cmp -s %s %s.before", path, path);	/* untouched */
}

START_TEST(a_damaged_file_is_refused)
{
	char wal[128];
	struct stat st;

	open_db();
	fill();
	close_db();
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, st.st_size / 2), 0);
	check_damage_refused();
	put_bytes(path, 0, "nonsense, nonsense and nonsense");
	check_damage_refused();
	ck_assert_int_eq(truncate(path, 0), 0);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	run("echo log >%s", wal);
	check_refused("is empty, but not its -wal");
	ck_assert_int_eq(access(wal, F_OK), 0);
}
END_TEST

/* A child looks at everything; whatever it finds, it must not crash. */
static int
look_at_all(void)
{
	int64_t bytes = 0, tasks = 0;
	struct store_op op;
	int status, i;
	pid_t pid = fork();

	if (pid != 0) {
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_msg(WIFEXITED(status), "status %d", status);
		return WEXITSTATUS(status);
	}
	if (!(db = store_sqlite.open(path, &conf, error)))
		_exit(10);
	if (store_sqlite.scan(db, NULL, NULL, &bytes, &tasks, error) < 0)
		_exit(11);
	for (i = 0; i < model.n; i++) {
		op = (struct store_op){ .row = model.task[i].row,
		    .message = MESSAGE_EMPTY, .kind = STORE_LOAD_RESPONSE };
		store_sqlite.load(db, &op);
		message_fini(&op.message);
		blob_unref(&op.texts);
	}
	for (i = 0; i < model.n; i += 2) {
		op = op_remove(i);
		store_sqlite.apply(db, &op, &bytes, &tasks);
	}
	close_db();
	_exit(0);
}

START_TEST(a_flipped_byte)
{
	static const off_t at[] = { 0, 1, 3, 5, 7, 8, 9, 12, 2000, 4090 };
	enum store_check found;
	FILE *report = fopen("/dev/null", "w");
	off_t page, size;
	struct stat st;
	size_t i;
	int fd;
	unsigned char c;

	open_db();
	for (i = 0; i < 20; i++)
		fill(), model.n = 5;
	close_db();
	run("cp %s %s.good", path, path);
	ck_assert_int_eq(stat(path, &st), 0);
	size = st.st_size;
	for (page = 0; page < size; page += 4096)
		for (i = 0; i < N(at); i++) {
			run("cp %s.good %s; rm -f %s-*", path, path, path);
			fd = open(path, O_RDWR | O_CLOEXEC);
			ck_assert_int_eq(pread(fd, &c, 1, page + at[i]), 1);
			c ^= 0x55;
			ck_assert_int_eq(pwrite(fd, &c, 1, page + at[i]), 1);
			close(fd);
			found = CHECK_UNABLE;
			snprintf(error, sizeof(error), "sqlite:%s", path);
			found = store_check(error, spool, report);
			/* the kind of a page; the second is a map of pages */
			if (at[i] == 0 && page != 4096)
				ck_assert_msg(found == CHECK_DAMAGED,
				    "page %d", (int)(page / 4096) + 1);
			look_at_all();
		}
	fclose(report);
}
END_TEST

/* However the log is cut: what was whole in it is there, in order. */
START_TEST(a_torn_log)
{
	enum { N = 12 };
	off_t end[N], cut;
	char wal[128];
	struct stat st;
	int i, whole;

	open_db();
	snprintf(wal, sizeof(wal), "%s-wal", path);
	for (i = 0; i < N; i++) {
		go(op_insert(TASK_QUEUED, message_text("body")));
		ck_assert_int_eq(stat(wal, &st), 0);
		end[i] = st.st_size;
	}
	run("cp %s %s.all", wal, wal);
	for (cut = end[0]; cut <= end[N - 1]; cut += 1009) {
		run("rm -rf %s; mkdir %s; cp %s %s/; head -c %lld %s.all "
		    ">%s/tasks.db-wal", crash, crash, path, crash,
		    (long long)cut, wal, crash);
		for (whole = 0; whole < N && end[whole] <= cut; whole++)
			;
		snprintf(error, sizeof(error), "%s/tasks.db", crash);
		ck_assert_int_eq(ask(error, "SELECT count(*) FROM tasks"),
		    whole);
	}
	for (i = 0; i < N - 1; i++) {
		run("rm -rf %s; mkdir %s; cp %s %s/; cp %s.all "
		    "%s/tasks.db-wal", crash, crash, path, crash, wal, crash);
		snprintf(error, sizeof(error), "%s/tasks.db-wal", crash);
		put_bytes(error, end[i] + 100, "flip");
		snprintf(error, sizeof(error), "%s/tasks.db", crash);
		ck_assert_int_eq(ask(error, "SELECT count(*) FROM tasks"),
		    i + 1);
		ck_assert_int_eq(ask(error, "SELECT max(row) FROM requests"),
		    model.task[i].row);
	}
	close_db();
}
END_TEST

/* -- no room, no right ---------------------------------------------------- */

static void
as_nobody(void)
{
	if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		_exit(99);
}

START_TEST(a_read_only_directory)
{
	int status;
	pid_t pid;

	ck_assert_int_eq(chmod(home, 0555), 0);
	pid = fork();
	if (pid == 0) {
		as_nobody();
		_exit(store_sqlite.open(path, &conf, error) ? 1 :
		    strstr(error, "Permission denied") &&
		    strstr(error, path) ? 0 : 2);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(chmod(home, 0700), 0);
}
END_TEST

START_TEST(a_read_only_spool)
{
	int status;
	pid_t pid;

	run("chmod 777 %s && mkdir -m 555 %s", home, spool);
	pid = fork();
	if (pid == 0) {
		as_nobody();
		_exit(store_sqlite.open(path, &conf, error) ? 1 :
		    strstr(error, "spool: Permission denied") ? 0 : 2);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

static int
fill_up(void)
{
	static char big[4096];
	struct store_op op;
	int i;

	memset(big, 'x', sizeof(big) - 1);
	for (i = 0; i < 10000; i++) {
		op = op_insert(TASK_QUEUED, MESSAGE_EMPTY);
		op.message.head = blob_new(big, sizeof(big));
		store_sqlite.apply(db, &op, &model.bytes, &model.tasks);
		if (op.verdict == STORE_OK) {
			model.task[0].row = op.row;
			model.task[0].state = TASK_QUEUED;
			model.task[0].attempt = 0;
			model.n = 1;
		}
		message_fini(&op.message);
		if (op.verdict != STORE_OK)
			break;
	}
	return op.verdict;
}

/* Refused while it lasts, read all the time, and over when it is over. */
static void
check_full(void (*more)(void), const char *file)
{
	int64_t before, after, bytes = 0, tasks = 0;
	struct store_op op = { .kind = STORE_LOAD_REQUEST };
	int i;

	if (fill_up() != STORE_FULL)
		ck_abort_msg("%s", was_said("") ? said_text : "");
	before = model.tasks;
	for (i = 0; i < 3; i++)
		ck_assert_int_ne(fill_up(), STORE_OK);
	op.row = model.task[0].row;
	op.message = MESSAGE_EMPTY;
	store_sqlite.load(db, &op);
	ck_assert_int_eq(op.verdict, STORE_OK);
	message_fini(&op.message);
	after = model.tasks;
	ck_assert_int_le(after - before, 3);
	more();
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("again"))),
	    STORE_OK);
	close_db();
	ck_assert_int_eq(ask(file, "SELECT count(*) FROM tasks"), after + 1);
	open_db();
	ck_assert_int_eq(store_sqlite.scan(db, NULL, NULL, &bytes, &tasks,
	    error), 0);
	ck_assert_int_eq(bytes, model.bytes);
	ck_assert_int_eq(tasks, model.tasks);
	close_db();
}

static void
bigger_disk(void)
{
	ck_assert_int_eq(mount("none", home, "tmpfs", MS_REMOUNT, "size=64m"),
	    0);
}

START_TEST(a_full_disk)
{
	if (getuid() != 0 || mount("none", home, "tmpfs", 0, "size=1m") < 0)
		return;			/* the limit below will do */
	open_db();
	check_full(bigger_disk, path);
	ck_assert_int_eq(umount(home), 0);
}
END_TEST

/*
 * After a crash, log and index are there; links must work, and what expires
 * must go, also when there is room for nothing more.
 */
START_TEST(starts_on_a_full_disk)
{
	int status;
	pid_t pid;

	if (getuid() != 0 || mount("none", home, "tmpfs", 0, "size=1m") < 0)
		return;
	if ((pid = fork()) == 0) {
		open_db();
		fill();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	run("dd if=/dev/zero of=%s/ballast bs=4k 2>/dev/null || :", home);
	open_db();
	close_db();
	ck_assert_int_eq(umount(home), 0);
}
END_TEST

/* One that can never be done does not take its batch along. */
START_TEST(one_bad_operation_fails_alone)
{
	struct store_op ops[3];

	open_db();
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("a"))),
	    STORE_OK);
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("b"))),
	    STORE_OK);
	shell("CREATE TRIGGER bad BEFORE UPDATE ON tasks WHEN old.row = "
	    "(SELECT min(row) FROM tasks) BEGIN SELECT RAISE(FAIL, 'no'); END");
	ops[0] = op_move(1, TASK_RUNNING);
	ops[1] = op_move(0, TASK_RUNNING);
	ops[2] = op_insert(TASK_QUEUED, message_text("c"));
	apply(ops, 3);
	ck_assert_int_eq(ops[0].verdict, STORE_OK);
	ck_assert_int_eq(ops[1].verdict, STORE_FAILED);
	ck_assert_int_eq(ops[2].verdict, STORE_OK);
	shell("DROP TRIGGER bad");
	check_model(db);
	close_db();
}
END_TEST

static void
bigger_files(void)
{
	struct rlimit l = { RLIM_INFINITY, RLIM_INFINITY };

	getrlimit(RLIMIT_FSIZE, &l);
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_FSIZE, &l);
}

START_TEST(a_limit_of_file_size)
{
	struct rlimit l;

	open_db();
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &l);
	l.rlim_cur = 1 << 20;
	setrlimit(RLIMIT_FSIZE, &l);
	check_full(bigger_files, path);
	ck_assert(was_said("store-failed what=change"));
}
END_TEST

/* -- faults --------------------------------------------------------------- */

/* All that a store does, with the log written back in between. */
static void
scenario(void)
{
	fill();
	db->wal_tried = -1000000;
	SCARCELY(store_sqlite.tidy(db));
	if (model.n > 0)
		go(op_remove(0));
	go(op_insert(TASK_RUNNING, message_file("late")));
	db->deleted = true;
	SCARCELY(store_sqlite.tidy(db));
}

static void
fresh_world(void)
{
	run("rm -rf %s && mkdir %s", home, home);
	memset(&model, 0, sizeof(model));
}

/*
 * One fault, at its nth place.  The scenario's own operations may be lost to
 * it (then later ones have less to work on, which is fine), but never differ
 * from what was said of them.
 */
static int
one_fault(enum shim_kind kind, int nth, bool full)
{
	int fired;

	fresh_world();
	shim_arm(kind, nth, 1, full);
	db = store_sqlite.open(path, &conf, error);
	if (!db) {
		ck_assert_int_eq(shim_fired(), 1);
		open_db();
	}
	scenario();
	fired = shim_fired();
	if (fired)
		check_crash();
	if (go(op_insert(TASK_QUEUED, message_text("works"))) != STORE_OK) {
		ck_assert(!fired && shim_fired());	/* it came just now */
		ck_assert_int_eq(go(op_insert(TASK_QUEUED,
		    message_text("again"))), STORE_OK);
	}
	if (fired) {
		check_model(db);
		check_crash();
	}
	close_db();
	fired = shim_fired();
	shim_disarm();
	open_db();
	check_model(db);
	ck_assert_int_eq(count_files(spool), files_expected());
	close_db();
	return fired;
}

START_TEST(each_fault_at_each_place)
{
	int nth = 1;

	while (one_fault((enum shim_kind)_i, nth, false))
		nth++;
	ck_assert_msg(nth > 1, "no %s", shim_names[_i]);
}
END_TEST

START_TEST(each_place_on_a_full_disk)
{
	int nth = 1;

	while (one_fault((enum shim_kind)_i, nth, true))
		nth++;
	ck_assert_int_gt(nth, 1);
}
END_TEST

/* The pages of a commit that failed are in the log; nobody must find them. */
START_TEST(a_failed_commit_stays_failed)
{
	open_db();
	fill();
	shim_arm(SHIM_SYNC, 1, 1, false);
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("ghost"))),
	    STORE_FAILED);
	ck_assert_int_eq(shim_fired(), 1);
	check_crash();
	ck_assert_int_eq(ask(path, "SELECT commits FROM faults"), 1);
	shim_disarm();
	close_db();
}
END_TEST

/* The disk fails for long: nothing is accepted, all is well afterwards. */
START_TEST(a_disk_that_fails_for_long)
{
	static const enum shim_kind kinds[] = {
		SHIM_SYNC, SHIM_WRITE, SHIM_WRITE_HALF, SHIM_SYNC_DONE,
	};
	enum shim_kind kind = kinds[_i];
	int i;

	open_db();
	fill();
	shim_arm(kind, 1, 1000000, false);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(go(op_insert(TASK_QUEUED,
		    message_text("ghost"))), STORE_FAILED);
	ck_assert(db->uncertain);
	check_model(db);		/* what there is can be read */
	check_body(db, 0);
	shim_disarm();
	/* a batch that writes nothing would write over nothing */
	ck_assert_int_eq(go((struct store_op){ .kind = STORE_REMOVE,
	    .row = 12345, .message = MESSAGE_EMPTY }), STORE_LOST);
	ck_assert(!db->uncertain);
	ck_assert_int_eq(ask(path, "SELECT commits FROM faults"), 1);
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("new"))),
	    STORE_OK);
	ck_assert(!db->uncertain);
	check_crash();
	close_db();
	open_db();
	check_model(db);
	close_db();
	ck_assert(was_said("store-failed what=change"));
}
END_TEST

/* The causes of trouble are said, but not thousands of times. */
START_TEST(faults_are_said_once)
{
	struct stat before, after;

	open_db();
	shim_arm(SHIM_WRITE, 1, 1000000, false);
	go(op_insert(TASK_QUEUED, message_text("x")));
	while (db->check_running)
		usleep(1000);
	ck_assert_int_eq(fstat(said, &before), 0);
	ck_assert_int_gt(before.st_size, 0);
	go(op_insert(TASK_QUEUED, message_text("x")));
	go(op_insert(TASK_QUEUED, message_text("x")));
	ck_assert_int_eq(fstat(said, &after), 0);
	ck_assert_int_eq(before.st_size, after.st_size);
	shim_disarm();
	close_db();
}
END_TEST

START_TEST(an_io_error_has_the_file_checked)
{
	open_db();
	fill();
	shim_arm(SHIM_SYNC, 1, 1, false);
	go(op_insert(TASK_QUEUED, message_text("x")));
	while (db->check_running)
		usleep(1000);
	ck_assert(was_said("store-sound"));
	close_db();
}
END_TEST

/* A disk that is full is not damaged. */
START_TEST(a_full_disk_is_not_checked)
{
	open_db();
	shim_arm(SHIM_WRITE, 1, 1, true);
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("x"))),
	    STORE_FULL);
	ck_assert(!db->check_started);
	close_db();
}
END_TEST

/* -- the spool ------------------------------------------------------------ */

START_TEST(the_spool_is_swept)
{
	struct body stray;
	char mine[160];

	open_db();
	fill();
	ck_assert_int_eq(store_sqlite.spool_create(db, &stray), 0);
	ck_assert_int_eq(write(stray.fd, "x", 1), 1);
	body_fini(&stray);
	snprintf(mine, sizeof(mine), "%s/notes.txt", spool);
	run("echo mine >%s", mine);
	ck_assert_int_eq(count_files(spool), files_expected() + 2);
	close_db();
	open_db();
	check_model(db);
	ck_assert_int_eq(count_files(spool), files_expected() + 1);
	ck_assert_int_eq(access(mine, F_OK), 0);
	close_db();
}
END_TEST

START_TEST(numbers_are_not_used_twice)
{
	uint64_t file, far = UINT64_C(0x00ffffffffffff00);
	struct body b;
	char name[160];

	open_db();
	ck_assert_int_eq(store_sqlite.spool_create(db, &b), 0);
	file = b.file;
	body_fini(&b);
	store_sqlite.spool_drop(db, file);
	close_db();
	snprintf(name, sizeof(name), "%s/%016" PRIx64, spool, far);
	run("echo >%s", name);
	open_db();
	ck_assert_int_eq(access(name, F_OK), -1);
	ck_assert_int_eq(store_sqlite.spool_create(db, &b), 0);
	ck_assert_uint_gt(b.file, file);
	ck_assert_uint_gt(b.file, far);
	body_fini(&b);
	close_db();
}
END_TEST

static enum store_verdict
load(int i, enum store_kind kind)
{
	struct store_op op = { .row = model.task[i].row, .kind = kind,
		.message = MESSAGE_EMPTY };

	SCARCELY(store_sqlite.load(db, &op));
	if (op.verdict != STORE_OK) {
		ck_assert_ptr_null(op.message.head);
		ck_assert_int_eq(op.message.body.fd, -1);
		ck_assert_ptr_null(op.texts);
	}
	message_fini(&op.message);
	blob_unref(&op.texts);
	blob_unref(&op.tries);
	return op.verdict;
}

/* One body is gone, one cut short: these two are lost, the rest is served. */
START_TEST(a_body_is_missing)
{
	open_db();
	fill();
	close_db();
	run("cd %s && rm $(ls | head -1) && : >$(ls | head -1)", spool);
	open_db();
	ck_assert(was_said("body-lost task=30313233343536373839616263646566"));
	ck_assert_int_eq(load(1, STORE_LOAD_RESPONSE), STORE_FAILED);
	ck_assert_int_eq(load(4, STORE_LOAD_REQUEST), STORE_LOST);
	ck_assert_int_eq(load(2, STORE_LOAD_RESPONSE), STORE_OK);
	ck_assert_int_eq(load(0, STORE_LOAD_REQUEST), STORE_OK);
	while (model.n > 0)
		ck_assert_int_eq(go(op_remove(0)), STORE_OK);
	close_db();
}
END_TEST

/* -- upkeep --------------------------------------------------------------- */

static int64_t
insert_many(int n, size_t size)
{
	static char big[65536];
	struct store_op *ops = calloc((size_t)n, sizeof(*ops));
	int64_t first;
	int i;

	for (i = 0; i < n; i++) {
		ops[i] = op_insert(TASK_QUEUED, MESSAGE_EMPTY);
		ops[i].message.head = blob_new(big, size);
		ops[i].next = i + 1 < n ? &ops[i + 1] : NULL;
	}
	store_sqlite.apply(db, ops, &model.bytes, &model.tasks);
	for (i = 0; i < n; i++) {
		ck_assert_int_eq(ops[i].verdict, STORE_OK);
		message_fini(&ops[i].message);
	}
	first = ops[0].row;
	free(ops);
	return first;
}

static void
remove_many(int64_t first, int n)
{
	struct store_op *ops = calloc((size_t)n, sizeof(*ops));
	int i;

	for (i = 0; i < n; i++) {
		ops[i].kind = STORE_REMOVE;
		ops[i].row = first + i;
		ops[i].message = MESSAGE_EMPTY;
		ops[i].next = i + 1 < n ? &ops[i + 1] : NULL;
	}
	store_sqlite.apply(db, ops, &model.bytes, &model.tasks);
	for (i = 0; i < n; i++)
		ck_assert_int_eq(ops[i].verdict, STORE_OK);
	free(ops);
}

static off_t
size_of(const char *suffix)
{
	struct stat st;
	char name[128];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	ck_assert_int_eq(stat(name, &st), 0);
	return st.st_size;
}

START_TEST(the_log_stays_short)
{
	int i;

	open_db();
	for (i = 0; i < 40; i++) {
		insert_many(100, 20000);	/* 2 MB */
		store_sqlite.tidy(db);
	}
	ck_assert_int_lt(size_of("-wal"), 32 << 20);
	ck_assert_int_gt(size_of(""), 40 << 20);
	close_db();
}
END_TEST

START_TEST(space_is_given_back)
{
	int64_t first[20];
	int i, steps = 0;

	open_db();
	for (i = 0; i < 20; i++)
		first[i] = insert_many(100, 20000);
	while (store_sqlite.tidy(db))
		;
	for (i = 0; i < 20; i++)
		remove_many(first[i], 100);
	ck_assert_int_eq(model.tasks, 0);
	ck_assert_int_eq(model.bytes, 0);
	while (store_sqlite.tidy(db))
		steps++;
	ck_assert_int_gt(steps, 20);		/* in small ones */
	close_db();
	ck_assert_int_lt(size_of(""), 10 << 20);
	ck_assert_int_eq(ask(path, "PRAGMA integrity_check") , 0);
}
END_TEST

/* Without auto_vacuum there is nothing to do, and an end to it. */
START_TEST(a_file_that_cannot_shrink)
{
	int64_t first;
	int steps = 0;

	open_db();
	close_db();
	shell("PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM");
	open_db();
	first = insert_many(1000, 20000);
	remove_many(first, 1000);
	while (store_sqlite.tidy(db) && steps < 100)
		steps++;
	ck_assert_int_lt(steps, 100);
	close_db();
}
END_TEST

/* Free pages that are few beside the others are left for new rows. */
START_TEST(few_free_pages_are_kept)
{
	int64_t first[24];
	off_t before;
	int i;

	open_db();
	for (i = 0; i < N(first); i++)
		first[i] = insert_many(100, 20000);
	for (i = 0; i < 5; i++)
		remove_many(first[i], 100);
	while (store_sqlite.tidy(db))
		;
	ck_assert_int_gt(ask(path, "PRAGMA freelist_count"), 2048);
	before = size_of("");
	ck_assert(!store_sqlite.tidy(db));
	ck_assert_int_eq(size_of(""), before);
	close_db();
}
END_TEST

/* It is put off until something is deleted again. */
START_TEST(space_that_cannot_be_given_back)
{
	int64_t first;

	open_db();
	go(op_insert(TASK_QUEUED, message_text("one")));
	go(op_insert(TASK_QUEUED, message_text("two")));
	first = insert_many(500, 20000);
	remove_many(first, 500);
	shim_arm(SHIM_WRITE, 1, 1000000, true);
	while (store_sqlite.tidy(db))
		;
	ck_assert(was_said("store-failed what=truncate"));
	shim_disarm();
	ck_assert(!store_sqlite.tidy(db));
	go(op_remove(0));
	while (store_sqlite.tidy(db))
		;
	ck_assert_int_lt(ask(path, "PRAGMA freelist_count"), 2048);
	check_model(db);
	close_db();
}
END_TEST

/* What a failed commit may have left in the log comes first. */
START_TEST(no_upkeep_in_uncertainty)
{
	open_db();
	fill();
	shim_arm(SHIM_SYNC, 1, 1000000, false);
	ck_assert_int_eq(go(op_remove(0)), STORE_FAILED);
	ck_assert(db->uncertain && db->deleted);
	ck_assert(!store_sqlite.tidy(db));
	ck_assert(db->deleted);
	shim_disarm();
	check_model(db);
	close_db();
}
END_TEST

/* -- files that others have touched --------------------------------------- */

static int
times_said(const char *words)
{
	const char *at = was_said(words) ? said_text : "";
	int n = 0;

	while ((at = strstr(at, words)) != NULL) {
		at++;
		n++;
	}
	return n;
}

START_TEST(names_that_are_not_ours)
{
	open_db();
	close_db();
	run("cd %s && touch 0123456789abcdef.tmp 00123456789abcdef 012345", spool);
	open_db();
	ck_assert_int_eq(count_files(spool), 3);
	close_db();
}
END_TEST

/* What cannot be deleted is said, and nothing more. */
START_TEST(a_file_that_stays)
{
	open_db();
	close_db();
	run("mkdir %s/0000000000000005", spool);
	open_db();
	ck_assert_int_eq(times_said("spool-undeleted"), 1);
	store_sqlite.spool_drop(db, 5);
	ck_assert_int_eq(times_said("spool-undeleted"), 2);
	store_sqlite.spool_drop(db, 6);		/* is not there: as it should be */
	ck_assert_int_eq(times_said("spool-undeleted"), 2);
	close_db();
}
END_TEST

START_TEST(a_body_that_is_no_file)
{
	open_db();
	fill();
	close_db();
	run("cd %s && f=$(ls | head -1) && rm $f && mkdir $f", spool);
	open_db();
	ck_assert(was_said("body-lost task=30313233"));
	close_db();
}
END_TEST

/* A disk that fails for a moment has not lost anything. */
START_TEST(a_body_that_cannot_be_looked_at)
{
	open_db();
	fill();
	refuse = (struct refuse){ "fstat", 0, 1, EIO };
	ck_assert_int_eq(load(4, STORE_LOAD_REQUEST), STORE_FAILED);
	ck_assert_int_eq(load(4, STORE_LOAD_REQUEST), STORE_OK);
	check_model(db);
	close_db();
}
END_TEST

START_TEST(a_body_that_cannot_be_synced)
{
	struct body b;
	uint64_t file;

	open_db();
	ck_assert_int_eq(store_sqlite.spool_create(db, &b), 0);
	file = b.file;
	refuse = (struct refuse){ "fdatasync", 0, 1, EDQUOT };
	ck_assert_int_eq(store_sqlite.spool_sync(db, &b), -1);
	ck_assert_int_eq(errno, EDQUOT);
	body_fini(&b);
	store_sqlite.spool_drop(db, file);
	close_db();
}
END_TEST

static int missing;

/* The task of the other one goes just now, with its file. */
static void
miss_one(void *arg, const char *id, const char *name)
{
	(void)arg;
	(void)id;
	missing++;
	shell("DELETE FROM requests; DELETE FROM responses;"
	    "DELETE FROM tasks");
	run("rm -f %s/*%s", spool, name + 16);
}

/* Beside a deferd at work: a file that has gone with its row is not missing. */
START_TEST(an_audit_beside_work)
{
	struct sqlite_spool_audit a = { .missing = miss_one };

	open_db();
	fill();
	run("rm %s/*", spool);
	ck_assert_int_eq(files_expected(), 2);
	ck_assert_int_eq(sqlite_spool_audit(db->spool.dir, db->reader, &a),
	    SQLITE_OK);
	ck_assert_int_eq(missing, 1);
	close_db();
}
END_TEST

START_TEST(an_audit_without_a_descriptor)
{
	struct sqlite_spool_audit a = { .missing = miss_one };
	struct rlimit before, l;

	if (in_valgrind())
		return;			/* it keeps some for itself */
	open_db();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	l = before;
	l.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
	ck_assert_int_eq(sqlite_spool_audit(db->spool.dir, db->reader, &a),
	    SQLITE_CANTOPEN);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(missing, 0);
	close_db();
}
END_TEST

/* -- deferd-check --------------------------------------------------------- */

static int
check_program(char *out, size_t size)
{
	const char *dir = getenv("top_builddir");
	char command[512];
	FILE *f;
	size_t n;

	snprintf(command, sizeof(command), "%.200s/deferd-check sqlite:%s %s",
	    dir ? dir : ".", path, spool);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	return WEXITSTATUS(pclose(f));
}

START_TEST(the_program_that_checks)
{
	char out[4096];

	ck_assert_int_eq(check_program(out, sizeof(out)), CHECK_UNABLE);
	open_db();
	fill();
	ck_assert_int_eq(check_program(out, sizeof(out)), CHECK_SOUND);
	ck_assert_msg(strstr(out, "spool: in use"), "%s", out);
	close_db();
	ck_assert_int_eq(check_program(out, sizeof(out)), CHECK_SOUND);
	ck_assert_msg(strstr(out, "tasks: 2 queued") &&
	    strstr(out, "tasks: 1 timed-out") && strstr(out, ": sound"),
	    "%s", out);
	run("touch %s/0000000000000001", spool);
	ck_assert_int_eq(check_program(out, sizeof(out)), CHECK_SOUND);
	ck_assert_msg(strstr(out, "0000000000000001 belongs to no task"),
	    "%s", out);
	run("rm %s/*", spool);
	ck_assert_int_eq(check_program(out, sizeof(out)), CHECK_DAMAGED);
	ck_assert_msg(strstr(out, "is missing or too short"), "%s", out);
	shell("DELETE FROM responses WHERE file IS NOT NULL;"
	    "DELETE FROM requests WHERE file IS NOT NULL");
	ck_assert_int_eq(check_program(out, sizeof(out)), CHECK_DAMAGED);
	ck_assert_msg(strstr(out, "2 rows without their other half"), "%s",
	    out);
	shell("UPDATE claims SET row = row + 1000 WHERE row = 1");
	ck_assert_int_eq(check_program(out, sizeof(out)), CHECK_DAMAGED);
	ck_assert_msg(strstr(out, "1 claims without their task"), "%s", out);
	put_bytes(path, 4096 * 2, "\377\377");
	ck_assert_int_eq(check_program(out, sizeof(out)), CHECK_DAMAGED);
	ck_assert_msg(strstr(out, "damage: "), "%s", out);
	put_bytes(path, 0, "no database");
	ck_assert_int_eq(check_program(out, sizeof(out)), CHECK_DAMAGED);
	ck_assert_msg(strstr(out, ".recover"), "%s", out);
}
END_TEST

static char report_text[4096];

/* store_check() in this process, and what it says. */
static enum store_check
check_report(const char *where)
{
	FILE *f = fmemopen(report_text, sizeof(report_text), "w");
	enum store_check found = store_check(where, spool, f);

	fclose(f);
	return found;
}

START_TEST(what_can_be_checked)
{
	char where[128];

	ck_assert_int_eq(check_report("memory"), CHECK_SOUND);
	ck_assert_ptr_nonnull(strstr(report_text, "nothing to check"));
	ck_assert_int_eq(check_report("cards:/index"), CHECK_UNABLE);
	ck_assert_ptr_nonnull(strstr(report_text, "cards:/index: nothing here"));
	snprintf(where, sizeof(where), "sqlite:%s", path);
	open_db();
	fill();
	run("touch %s/0000000000000001", spool);
	ck_assert_int_eq(check_report(where), CHECK_SOUND);
	ck_assert_ptr_null(strstr(report_text, "0000000000000001"));
	shell("DELETE FROM tasks");
	close_db();
	run("rm %s/*", spool);
	ck_assert_int_eq(check_report(where), CHECK_DAMAGED);
	open_db();
	ck_assert(was_said("body-lost task=none"));
	close_db();
	shell("DELETE FROM requests; DELETE FROM responses; DELETE FROM claims;"
	    "INSERT INTO requests (row, file, size) VALUES (9, 9, 9)");
	ck_assert_int_eq(check_report(where), CHECK_DAMAGED);
	ck_assert_msg(strstr(report_text, "1 rows without"), "%s", report_text);
	ck_assert_msg(strstr(report_text, "the body of task (none)"), "%s",
	    report_text);
	run("rm -r %s", spool);
	ck_assert_int_eq(check_report(where), CHECK_DAMAGED);
	ck_assert_msg(strstr(report_text, "spool: No such file"), "%s",
	    report_text);
}
END_TEST

START_TEST(a_check_that_is_stopped)
{
	_Atomic bool stop = true;
	FILE *f = fmemopen(report_text, sizeof(report_text), "w");

	open_db();
	insert_many(500, 100);
	insert_many(500, 100);
	ck_assert_int_eq(store_sqlite.check(db, f, &stop), CHECK_UNABLE);
	fclose(f);
	ck_assert_msg(strstr(report_text, "interrupted"), "%s", report_text);
	close_db();
}
END_TEST

START_TEST(how_the_program_is_used)
{
	const char *dir = getenv("top_builddir");
	char command[512];

	snprintf(command, sizeof(command), "%.200s/deferd-check memory >%s",
	    dir ? dir : ".", path);
	ck_assert_int_eq(WEXITSTATUS(system(command)), CHECK_UNABLE);
	ck_assert(was_said("usage: deferd-check STORE SPOOL"));
	snprintf(command, sizeof(command),
	    "%.200s/deferd-check memory %s >/dev/full", dir ? dir : ".", spool);
	ck_assert_int_eq(WEXITSTATUS(system(command)), CHECK_UNABLE);
}
END_TEST

/* -- no memory ------------------------------------------------------------ */

/* All that is done with what is there; what fails, fails for want of memory. */
static void
look_around(void)
{
	static const enum store_kind kinds[] = {
		STORE_LOAD_REQUEST, STORE_LOAD_RESPONSE, STORE_LOAD_INFO,
	};
	int64_t bytes = 0, tasks = 0;
	struct store_room room = { 0 };
	FILE *report = fopen("/dev/null", "w");
	enum store_check found;
	int rc, i, was;

	was = memory_left;
	SCARCELY(rc = store_sqlite.scan(db, NULL, NULL, &bytes, &tasks, error));
	ck_assert(rc == 0 || (was >= 0 && memory_left < 0));
	if (rc < 0)
		ck_assert_msg(strstr(error, "memory"), "%s", error);
	for (i = 0; i < model.n * N(kinds); i++) {
		was = memory_left;
		ck_assert(load(i / N(kinds), kinds[i % N(kinds)]) !=
		    STORE_FAILED || (was >= 0 && memory_left < 0));
	}
	was = memory_left;
	SCARCELY(found = store_sqlite.check(db, report, NULL));
	ck_assert(found == CHECK_SOUND ||
	    (found == CHECK_UNABLE && was >= 0 && memory_left < 0));
	SCARCELY(store_sqlite.look(db, &room));
	fclose(report);
}

/* The nth allocation of an open fails: said in words, and nothing stays open. */
static bool
one_poor_start(int nth)
{
	int before = open_fds();

	memory_left = nth;
	SCARCELY(db = store_sqlite.open(path, &conf, error));
	if (!db) {
		ck_assert_int_eq(memory_left, -1);
		ck_assert_msg(strstr(error, path) &&
		    !strstr(error, "damaged"), "%s", error);
		ck_assert_int_eq(open_fds(), before);
		return true;
	}
	close_db();
	return memory_left < 0;
}

/* A file that is there, and one that is to be made (which takes thousands). */
START_TEST(a_start_without_memory)
{
	int nth;

	if (!OWN_MALLOC || in_valgrind())
		return;
	open_db();
	fill();
	close_db();
	for (nth = 0; one_poor_start(nth); nth++)
		;
	ck_assert_int_gt(nth, 100);
	memory_left = -1;
	open_db();
	check_model(db);
	close_db();
	for (nth = 0; fresh_world(), one_poor_start(nth);
	    nth += nth < 20 ? 1 : 23)
		;
	ck_assert_int_gt(nth, 100);
}
END_TEST

/*
 * The nth allocation fails.  Whoever asked for it is told so, what was
 * confirmed is there, and the next one is served.
 */
static bool
one_shortage(int nth)
{
	bool came;

	fresh_world();
	open_db();
	memory_left = nth;
	scenario();
	came = memory_left < 0;
	if (came)
		ck_assert_int_eq(go(op_insert(TASK_QUEUED,
		    message_text("works"))), STORE_OK);
	check_model(db);
	SCARCELY(close_db());
	came = memory_left < 0;
	memory_left = -1;
	open_db();
	check_model(db);
	ck_assert_int_eq(count_files(spool), files_expected());
	close_db();
	return came;
}

START_TEST(each_allocation_of_a_life)
{
	int nth = 0;

	if (!OWN_MALLOC || in_valgrind())
		return;
	while (one_shortage(nth))
		nth++;
	/* 257 with SQLite 3.40, 92 with 3.46. */
	ck_assert_int_gt(nth, 50);
}
END_TEST

START_TEST(each_allocation_of_a_look)
{
	struct store_op op;
	int nth = 0;

	if (!OWN_MALLOC || in_valgrind())
		return;
	open_db();
	fill();
	go(op_move(0, TASK_RUNNING));
	op = op_move(0, TASK_QUEUED);
	op.tried = "killed";
	go(op);
	do {
		memory_left = nth++;
		look_around();
	} while (memory_left < 0);
	ck_assert_int_gt(nth, 100);
	memory_left = -1;
	check_model(db);
	close_db();
}
END_TEST

/* -- rows that nobody of us wrote ----------------------------------------- */

#define BAD_ID	"UPDATE tasks SET id = 'no hex, but as long as an id is.'"

/* The start says so, and does not make something up. */
START_TEST(a_broken_row)
{
	static const char *const sql[] = {
		BAD_ID,
		"UPDATE tasks SET bytes = -1 WHERE row = 2",
		("PRAGMA ignore_check_constraints = ON;"
		    "UPDATE tasks SET state = 'asleep' WHERE row = 2"),
		"UPDATE tasks SET id = NULL", "UPDATE tasks SET state = NULL",
		"UPDATE tasks SET route = NULL", "UPDATE tasks SET method = NULL",
	};
	int64_t bytes = 0, tasks = 0;

	ck_assert_int_lt(_i, N(sql));
	open_db();
	fill();
	shell("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET "
	    "sql = replace(sql, ' NOT NULL', '') WHERE name = 'tasks'");
	shell(sql[_i]);
	ck_assert_int_eq(store_sqlite.scan(db, NULL, NULL, &bytes, &tasks,
	    error), -1);
	ck_assert_msg(strstr(error, "is damaged"), "%s", error);
	close_db();
}
END_TEST

static int
has_enough(const struct store_row *r, void *arg)
{
	(void)r;
	return --*(int *)arg;
}

START_TEST(a_scan_that_is_ended)
{
	int64_t bytes = 0, tasks = 0;
	int more = 2;

	open_db();
	fill();
	ck_assert_int_eq(store_sqlite.scan(db, has_enough, &more, &bytes,
	    &tasks, error), -1);
	ck_assert_int_eq(tasks, 3);
	ck_assert_msg(strstr(error, "no memory for the tasks"), "%s", error);
	close_db();
}
END_TEST

/* A repeat must not be sent to a link that cannot be: it alone is refused. */
START_TEST(a_claim_of_a_broken_row)
{
	struct store_claim claim = *new_claim();
	struct store_op ops[2];

	open_db();
	ops[0] = op_insert(TASK_QUEUED, message_text("first"));
	ops[0].claim = &claim;
	apply(ops, 1);
	shell(BAD_ID);
	ops[0] = op_insert(TASK_QUEUED, message_text("again"));
	ops[0].claim = &claim;
	ops[1] = op_insert(TASK_QUEUED, message_text("another"));
	apply(ops, 2);
	ck_assert_int_eq(ops[0].verdict, STORE_FAILED);
	ck_assert_int_eq(ops[1].verdict, STORE_OK);
	ck_assert(was_said("store-failed what=change"));
	close_db();
}
END_TEST

/* Whatever else a person has put into it: what cannot be done is not done. */
START_TEST(each_table_refuses)
{
	static const char *const when[] = {
		"INSERT ON tasks", "INSERT ON claims", "INSERT ON requests",
		"UPDATE ON tasks", "DELETE ON requests", "INSERT ON responses",
		"DELETE ON tasks", "DELETE ON claims", "DELETE ON responses",
	};
	struct store_op ops[2];
	char sql[100];
	int i, failed = 0;

	ck_assert_int_lt(_i, N(when));
	open_db();
	fill();
	snprintf(sql, sizeof(sql), "CREATE TRIGGER bad BEFORE %s BEGIN "
	    "SELECT RAISE(FAIL, 'no'); END", when[_i]);
	shell(sql);
	for (i = 0; i < 5; i++) {
		ops[0] = i == 0 ? op_insert(TASK_QUEUED, message_text("x")) :
		    i == 1 ? op_move(0, TASK_RUNNING) :
		    i == 2 ? op_move(4, TASK_CANCELLED) :
		    op_remove(i == 3);	/* with its response; its claim */
		ops[1] = (struct store_op){ .kind = STORE_REMOVE,
		    .row = 12345, .message = MESSAGE_EMPTY };
		apply(ops, 2);
		failed += ops[0].verdict == STORE_FAILED;
		ck_assert_int_eq(ops[1].verdict, STORE_LOST);
		check_model(db);
	}
	ck_assert_int_ge(failed, 1);
	shell("DROP TRIGGER bad");
	while (model.n > 0)
		ck_assert_int_eq(go(op_remove(0)), STORE_OK);
	check_model(db);
	close_db();
}
END_TEST

START_TEST(a_row_that_is_too_long)
{
	static char big[4096];
	struct store_op ops[2];

	open_db();
	sqlite3_limit(db->writer, SQLITE_LIMIT_LENGTH, 2000);
	ops[0] = op_insert(TASK_QUEUED, MESSAGE_EMPTY);
	ops[0].message.head = blob_new(big, sizeof(big));
	ops[1] = op_insert(TASK_QUEUED, message_text("short"));
	apply(ops, 2);
	ck_assert_int_eq(ops[0].verdict, STORE_FAILED);
	ck_assert_int_eq(ops[1].verdict, STORE_OK);
	check_model(db);
	close_db();
}
END_TEST

/* Refused with its name at the start; and who looks is told. */
START_TEST(a_table_is_missing)
{
	static const char *const tables[] = {
		"TABLE tasks", "TABLE claims", "TABLE requests", "VIEW files",
	};
	char where[128], sql[64], no_such[64];

	ck_assert_int_lt(_i, N(tables));
	open_db();
	fill();
	close_db();
	snprintf(sql, sizeof(sql), "DROP %s", tables[_i]);
	shell(sql);
	snprintf(no_such, sizeof(no_such), "no such table: %s",
	    strchr(tables[_i], ' ') + 1);
	snprintf(where, sizeof(where), "sqlite:%s", path);
	ck_assert_int_eq(check_report(where), CHECK_UNABLE);
	ck_assert_msg(strstr(report_text, tables[_i][0] == 'V' ||
	    _i > 0 ? no_such : "no such table"), "%s", report_text);
	check_refused("no such table");
}
END_TEST

/* Somebody takes a table away under us: what needs it fails, and says why. */
START_TEST(a_table_goes)
{
	struct store_op ops[2];

	open_db();
	fill();
	shell("DROP TABLE claims");
	ops[0] = op_insert(TASK_QUEUED, message_text("claimed"));
	ops[1] = op_insert(TASK_RUNNING, message_text("free"));
	ck_assert(ops[0].claim && !ops[1].claim);
	apply(ops, 2);
	ck_assert_int_eq(ops[0].verdict, STORE_FAILED);
	ck_assert_int_eq(ops[1].verdict, STORE_OK);
	ck_assert(was_said("no such table: claims"));
	close_db();
}
END_TEST

/* -- paths and locks ------------------------------------------------------ */

START_TEST(a_path_that_cannot_be)
{
	static char far[PATH_MAX + 100];

	memset(far, 'x', sizeof(far) - 1);
	far[0] = '/';
	ck_assert_ptr_null(store_sqlite.open(far, &conf, error));
	ck_assert_msg(strstr(error, "File name too long"), "%s", error);
	run("mkdir %s", path);
	check_refused("Is a directory");
}
END_TEST

/* Leaves what a deferd that was killed leaves. */
static void
be_killed(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		open_db();
		fill();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

/* No new one is made where one has been: what is left of it may be of use. */
START_TEST(a_database_that_is_not_there)
{
	static const char *const how[] = {
		"rm %s/tasks.db", ": >%s/tasks.db", "rm %s/tasks.db*",
		"cd %s && : >tasks.db && rm tasks.db-wal",
	};
	char command[160];

	be_killed();
	snprintf(command, sizeof(command), how[_i], home);
	run("%s", command);
	check_refused(_i % 2 == 0 ? "tasks.db is missing, but not " :
	    "tasks.db is empty, but not ");
	ck_assert_ptr_nonnull(strstr(error, _i < 2 ? "its -wal:" : spool));
	check_refused("but");			/* as often as one tries */
	ck_assert_int_eq(access(path, F_OK), _i % 2 == 0 ? -1 : 0);
	ck_assert_int_eq(count_files(spool), 2);
	run("rm -rf %s %s*", spool, path);
	ck_assert_int_eq(times_said("store-new path="), 1);
	open_db();
	close_db();
	open_db();
	close_db();
	ck_assert_int_eq(times_said("store-new path="), 2);
}
END_TEST

/* Nobody knows what is in it, so it is not new. */
START_TEST(a_spool_that_cannot_be_read)
{
	struct rlimit before, l;
	int fd;

	if (in_valgrind())
		return;			/* it keeps some for itself */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	fd = dup(said);
	close(fd);
	l = before;
	l.rlim_cur = (rlim_t)fd + 2;	/* for both locks */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
	check_refused("is missing, but not ");
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(access(path, F_OK), -1);
	open_db();
	close_db();
}
END_TEST

/* Beside an emptied database its log is left alone, but one without a byte. */
START_TEST(an_empty_log)
{
	run(": >%s; : >%s-wal", path, path);
	open_db();
	go(op_insert(TASK_QUEUED, message_text("first")));
	check_model(db);
	close_db();
}
END_TEST

START_TEST(the_kernel_refuses)
{
	static const struct {
		struct refuse	 no;
		const char	*words;
	} tries[] = {
		{ { "flock", 0, 1, ENOLCK }, "tasks.db.lock: No locks" },
		{ { "flock", 1, 1, ENOLCK }, "spool: No locks" },
		{ { "stat", 0, 1, EIO }, "tasks.db: Input/output error" },
	};

	ck_assert_int_lt(_i, N(tries));
	refuse = tries[_i].no;
	check_refused(tries[_i].words);
	refuse = (struct refuse){ NULL, 0, 0, 0 };
	open_db();
	close_db();
}
END_TEST

START_TEST(a_spool_that_cannot_be)
{
	char dir[128];
	struct body b;

	snprintf(dir, sizeof(dir), "%s/missing/spool", home);
	conf.spool = dir;
	check_refused("missing/spool: No such file");
	run("echo >%s/missing", home);
	snprintf(dir, sizeof(dir), "%s/missing", home);
	check_refused("missing: Not a directory");
	conf.spool = spool;
	open_db();
	run("rmdir %s", spool);
	ck_assert_int_eq(store_sqlite.spool_create(db, &b), -1);
	ck_assert_int_eq(errno, ENOENT);
	close_db();
}
END_TEST

/* Where no memory can be shared between processes there is no such log. */
START_TEST(a_file_system_without_the_log)
{
	sqlite3_vfs_register(sqlite3_vfs_find("unix-none"), 1);
	check_refused("locking protocol");
}
END_TEST

START_TEST(an_empty_file_of_somebody_else)
{
	shell("PRAGMA application_id = 5");
	check_refused("is a database of another program");
}
END_TEST

/* -- the disk, while it runs ---------------------------------------------- */

START_TEST(a_read_that_fails)
{
	open_db();
	fill();
	close_db();
	open_db();
	shim_arm(SHIM_READ, 1, 1, false);
	ck_assert_int_eq(load(0, STORE_LOAD_REQUEST), STORE_FAILED);
	ck_assert_int_eq(shim_fired(), 1);
	ck_assert(was_said("store-failed what=read"));
	shim_disarm();
	check_model(db);
	close_db();
}
END_TEST

/* One is refused for what it is, and then the disk fails for the others. */
START_TEST(two_failures_in_a_batch)
{
	struct store_op ops[2];

	open_db();
	fill();
	shell("CREATE TRIGGER bad BEFORE UPDATE ON tasks BEGIN "
	    "SELECT RAISE(FAIL, 'no'); END");
	ops[0] = op_move(0, TASK_RUNNING);
	ops[1] = op_insert(TASK_QUEUED, message_text("x"));
	shim_arm(SHIM_WRITE, 1, 1, true);
	apply(ops, 2);
	ck_assert_int_eq(shim_fired(), 1);
	ck_assert_int_eq(ops[0].verdict, STORE_FAILED);
	ck_assert_int_eq(ops[1].verdict, STORE_FULL);
	shim_disarm();
	shell("DROP TRIGGER bad");
	check_model(db);
	close_db();
}
END_TEST

START_TEST(a_disk_that_fails_to_the_end)
{
	open_db();
	fill();
	shim_arm(SHIM_WRITE, 1, 1000000, false);
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("ghost"))),
	    STORE_FAILED);
	ck_assert(db->uncertain);
	ck_assert_int_eq(go(op_remove(0)), STORE_FAILED);
	close_db();
	ck_assert(was_said("store-failed what=rollback"));
	shim_disarm();
	open_db();
	check_model(db);
	close_db();
}
END_TEST

/* After a minute it is said again, with the times between. */
START_TEST(a_fault_that_lasts)
{
	int i;

	open_db();
	shim_arm(SHIM_WRITE, 1, 1000000, true);
	for (i = 0; i < 3; i++)
		go(op_insert(TASK_QUEUED, message_text("x")));
	ck_assert(!was_said("skipped=2"));
	for (i = 0; i < SQLITE_FAULTS; i++)
		db->faults[i].said -= db->faults[i].said ? 100 : 0;
	go(op_insert(TASK_QUEUED, message_text("x")));
	ck_assert(was_said("skipped=2"));
	shim_disarm();
	close_db();
}
END_TEST

static void
fail_a_commit(void)
{
	shim_arm(SHIM_SYNC, 1, 1, false);
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("x"))),
	    STORE_FAILED);
	shim_disarm();
	while (db->check_running)
		usleep(1000);
}

/* A file that is not there cannot be checked; in ten minutes, perhaps. */
START_TEST(a_check_that_cannot_be)
{
	open_db();
	fill();
	run("mv %s %s.away", path, path);
	sqlite_db_fault(db, db->writer, "test", SQLITE_IOERR);
	while (db->check_running)
		usleep(1000);
	ck_assert(was_said("store-unchecked"));
	run("mv %s.away %s", path, path);
	fail_a_commit();
	ck_assert(!was_said("store-sound"));
	db->check_at -= 1000;
	fail_a_commit();
	ck_assert(was_said("store-sound"));
	close_db();
}
END_TEST

START_TEST(no_thread_for_a_check)
{
	struct rlimit before, l;

	if (!OWN_MALLOC)
		return;			/* a sanitizer needs all there is */
	open_db();
	fill();
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
	l = before;
	l.rlim_cur = 1;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &l), 0);
	fail_a_commit();
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
	ck_assert(was_said("no thread for it"));
	check_model(db);
	close_db();
}
END_TEST

START_TEST(a_log_that_goes)
{
	struct store_room room = { 0 };
	int64_t before;

	open_db();
	fill();
	store_sqlite.look(db, &room);
	ck_assert_uint_eq(room.log_bytes, (uint64_t)size_of("-wal"));
	ck_assert(!was_said("store-log"));
	run("rm %s-wal", path);
	store_sqlite.look(db, &room);
	ck_assert(was_said("store-log-gone"));
	ck_assert_uint_eq(room.log_bytes, 0);
	run(": >%s-wal", path);		/* that of another life */
	store_sqlite.look(db, &room);
	ck_assert_ptr_null(strstr(strstr(said_text, "log-gone") + 1,
	    "log-gone"));
	go(op_insert(TASK_QUEUED, message_text("into the dark")));
	before = db->wal_tried;
	ck_assert_int_gt(db->wal_pages, before);
	store_sqlite.tidy(db);		/* nothing is left to such a log */
	ck_assert_int_eq(db->wal_tried, db->wal_pages);
	check_model(db);
	close_db();
}
END_TEST

/*
 * Moved, deleted, or another one in its place: nothing is promised that a new
 * start would not find, what is there can be read, and it is said once.
 */
START_TEST(a_database_that_goes)
{
	static const char *const how[] = {
		"mv %s/tasks.db %s/away.db", "rm %s/tasks.db; : %s",
		"cd %s && mv tasks.db away.db && cp away.db tasks.db",
	};
	struct store_room room = { 0 };
	char command[320];
	int i;

	open_db();
	fill();
	ck_assert(!was_said("store-gone"));
	snprintf(command, sizeof(command), how[_i], home, home);
	run("%s", command);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("x"))),
		    STORE_FAILED);
		ck_assert_int_eq(go(op_move(0, TASK_RUNNING)), STORE_FAILED);
		ck_assert_int_eq(go(op_remove(1)), STORE_FAILED);
		store_sqlite.tidy(db);
		store_sqlite.look(db, &room);
	}
	ck_assert(was_said("store-gone path="));
	ck_assert_int_eq(times_said("store-gone"), 1);
	check_model(db);
	if (_i == 1) {
		close_db();
		return;
	}
	run("mv %s/away.db %s", home, path);
	ck_assert_int_eq(go(op_move(0, TASK_RUNNING)), STORE_OK);
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("again"))),
	    STORE_OK);
	ck_assert_int_eq(times_said("store-back path="), 1);
	ck_assert_int_eq(times_said("store-gone"), 1);
	check_model(db);
	close_db();
	open_db();
	check_model(db);
	close_db();
}
END_TEST

/*
 * Somebody puts a copy in its place, while we run: the log that we leave must
 * not become part of that, and what we have is whole wherever it is now.
 */
START_TEST(a_copy_in_its_place)
{
	enum { IDLE, ASKED, HIDDEN, ALL };
	char sql[160], away[128];
	int i;

	open_db();
	for (i = 0; i < 20; i++)
		go(op_insert(TASK_QUEUED, message_text("before")));
	snprintf(sql, sizeof(sql), "VACUUM INTO '%s/copy.db'", home);
	shell(sql);
	for (i = 0; i < 20; i++)
		go(op_insert(TASK_QUEUED, message_text("after")));
	run("cd %s && mv tasks.db away.db && mv copy.db tasks.db", home);
	if (_i >= ASKED) {
		ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("x"))),
		    STORE_FAILED);
		ck_assert(!store_sqlite.tidy(db));
		ck_assert_int_eq(size_of("-wal"), 0);
	}
	if (_i == HIDDEN)		/* a crash */
		run("mkdir %s && cp %s %s-wal %s/", crash, path, path, crash);
	close_db();
	snprintf(away, sizeof(away), "%s/away.db", home);
	ck_assert_int_eq(ask(away, "SELECT count(*) FROM tasks"), 40);
	if (_i == HIDDEN)
		run("cp %s/* %s/", crash, home);
	open_db();
	ck_assert_int_eq(ask(path, "SELECT count(*) FROM tasks"), 20);
	ck_assert_int_eq(ask(path, "SELECT count(*) FROM "
	    "pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
	close_db();
}
END_TEST

/* What is promised must be where the next start looks for it. */
START_TEST(a_spool_that_goes)
{
	struct message m = MESSAGE_EMPTY;
	struct body b = BODY_EMPTY;

	open_db();
	fill();
	ck_assert_int_eq(store_sqlite.spool_create(db, &b), 0);
	run("mv %s %s.away && mkdir %s", spool, spool, spool);
	ck_assert_int_eq(store_sqlite.spool_sync(db, &b), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert(was_said("store-gone path="));
	ck_assert(was_said("/spool"));
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("small"))),
	    STORE_OK);
	check_model(db);
	run("rmdir %s && mv %s.away %s", spool, spool, spool);
	ck_assert_int_eq(store_sqlite.spool_sync(db, &b), 0);
	ck_assert_int_eq(times_said("store-back path="), 1);
	m.body = b;
	message_fini(&m);
	close_db();
}
END_TEST

/* To us nothing; but who comes from now on does not see what we do. */
START_TEST(an_index_that_goes)
{
	struct store_room room = { 0 };

	open_db();
	fill();
	run("rm %s-shm", path);
	store_sqlite.look(db, &room);
	ck_assert(was_said("store-log-gone path="));
	ck_assert(was_said("tasks.db-shm"));
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("x"))),
	    STORE_OK);
	check_crash();
	close_db();
	open_db();
	check_model(db);
	close_db();
}
END_TEST

/* Another program holds it: we have patience, but not when we are to end. */
START_TEST(somebody_who_holds_it)
{
	struct timespec began, now;
	sqlite3 *other;

	open_db();
	fill();
	ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL,
	    NULL), SQLITE_OK);
	clock_gettime(CLOCK_MONOTONIC, &began);
	if (_i == 1)
		store_sqlite.leave(db);
	ck_assert_int_eq(go(op_insert(TASK_QUEUED, message_text("x"))),
	    STORE_FAILED);
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (_i == 0)
		ck_assert_int_ge(now.tv_sec - began.tv_sec, 4);
	else
		ck_assert_int_le(now.tv_sec - began.tv_sec, 3);
	ck_assert(was_said("database is locked"));
	sqlite3_close(other);
	check_model(db);
	close_db();
}
END_TEST

/* Somebody reads for hours: said once, until it is over. */
START_TEST(a_log_that_grows)
{
	struct store_room room = { 0 };
	off_t before;
	int i;

	open_db();
	fill();
	before = size_of("-wal");
	for (i = 0; i < 3; i++) {
		run("truncate -s 300M %s-wal", path);
		store_sqlite.look(db, &room);
		ck_assert_uint_eq(room.log_bytes, 300 << 20);
		ck_assert(was_said("store-log-long"));
		if (i == 0)
			continue;
		run("truncate -s %lld %s-wal", (long long)before, path);
		store_sqlite.look(db, &room);
	}
	ck_assert_ptr_nonnull(strstr(strstr(said_text, "log-long") + 1,
	    "log-long"));
	check_model(db);
	close_db();
}
END_TEST

static void
add_file(TCase *tc)
{
	tcase_add_test(tc, comes_back_after_a_close);
	tcase_add_test(tc, comes_back_after_a_crash);
	tcase_add_test(tc, claims_come_back);
	tcase_add_test(tc, a_failed_claim_is_free);
	tcase_add_test(tc, rows_only_grow);
	tcase_add_test(tc, survives_kill_9);
	tcase_add_test(tc, a_person_can_read_it);
	tcase_add_test(tc, a_schema_from_the_future);
	tcase_add_test(tc, migrations);
	tcase_add_test(tc, a_file_of_somebody_else);
	tcase_add_test(tc, one_deferd_at_a_time);
	tcase_add_test(tc, only_an_absolute_path);
	tcase_add_test(tc, a_damaged_file_is_refused);
	tcase_add_test(tc, a_flipped_byte);
	tcase_add_test(tc, a_torn_log);
	tcase_add_test(tc, the_program_that_checks);
	tcase_add_test(tc, how_the_program_is_used);
	tcase_add_test(tc, what_can_be_checked);
	tcase_add_test(tc, a_check_that_is_stopped);
	tcase_add_loop_test(tc, a_broken_row, 0, 7);
	tcase_add_test(tc, a_scan_that_is_ended);
	tcase_add_test(tc, a_claim_of_a_broken_row);
	tcase_add_loop_test(tc, each_table_refuses, 0, 9);
	tcase_add_test(tc, a_row_that_is_too_long);
	tcase_add_loop_test(tc, a_table_is_missing, 0, 4);
	tcase_add_test(tc, a_table_goes);
	tcase_add_test(tc, a_path_that_cannot_be);
	tcase_add_loop_test(tc, a_database_that_is_not_there, 0, 4);
	tcase_add_test(tc, a_spool_that_cannot_be_read);
	tcase_add_test(tc, an_empty_log);
	tcase_add_loop_test(tc, the_kernel_refuses, 0, 3);
	tcase_add_test(tc, a_spool_that_cannot_be);
	tcase_add_test(tc, a_file_system_without_the_log);
	tcase_add_test(tc, an_empty_file_of_somebody_else);
}

static void
add_faults(TCase *tc)
{
	tcase_add_test(tc, a_read_only_directory);
	tcase_add_test(tc, a_read_only_spool);
	tcase_add_test(tc, a_full_disk);
	tcase_add_test(tc, starts_on_a_full_disk);
	tcase_add_test(tc, one_bad_operation_fails_alone);
	tcase_add_test(tc, a_limit_of_file_size);
	tcase_add_loop_test(tc, each_fault_at_each_place, 0, SHIM_KIND_N);
	tcase_add_loop_test(tc, each_place_on_a_full_disk, SHIM_WRITE,
	    SHIM_WRITE_HALF + 1);
	tcase_add_test(tc, a_failed_commit_stays_failed);
	tcase_add_loop_test(tc, a_disk_that_fails_for_long, 0, 4);
	tcase_add_test(tc, faults_are_said_once);
	tcase_add_test(tc, an_io_error_has_the_file_checked);
	tcase_add_test(tc, a_full_disk_is_not_checked);
	tcase_add_test(tc, the_spool_is_swept);
	tcase_add_test(tc, numbers_are_not_used_twice);
	tcase_add_test(tc, a_body_is_missing);
	tcase_add_test(tc, the_log_stays_short);
	tcase_add_test(tc, space_is_given_back);
	tcase_add_test(tc, a_file_that_cannot_shrink);
	tcase_add_test(tc, few_free_pages_are_kept);
	tcase_add_test(tc, space_that_cannot_be_given_back);
	tcase_add_test(tc, no_upkeep_in_uncertainty);
}

static void
add_more_faults(TCase *tc)
{
	tcase_add_test(tc, names_that_are_not_ours);
	tcase_add_test(tc, a_file_that_stays);
	tcase_add_test(tc, a_body_that_is_no_file);
	tcase_add_test(tc, a_body_that_cannot_be_looked_at);
	tcase_add_test(tc, a_body_that_cannot_be_synced);
	tcase_add_test(tc, an_audit_beside_work);
	tcase_add_test(tc, an_audit_without_a_descriptor);
	tcase_add_test(tc, a_read_that_fails);
	tcase_add_test(tc, two_failures_in_a_batch);
	tcase_add_test(tc, a_disk_that_fails_to_the_end);
	tcase_add_test(tc, a_fault_that_lasts);
	tcase_add_test(tc, a_check_that_cannot_be);
	tcase_add_test(tc, no_thread_for_a_check);
	tcase_add_test(tc, a_log_that_goes);
	tcase_add_loop_test(tc, a_database_that_goes, 0, 3);
	tcase_add_loop_test(tc, a_copy_in_its_place, 0, 3);
	tcase_add_test(tc, a_spool_that_goes);
	tcase_add_test(tc, an_index_that_goes);
	tcase_add_loop_test(tc, somebody_who_holds_it, 0, 2);
	tcase_add_test(tc, a_log_that_grows);
}

int
main(void)
{
	Suite *s = suite_create("sqlite");
	TCase *file = suite_case(s, "the file", setup, teardown);
	TCase *faults = suite_case(s, "faults", setup, teardown);
	TCase *memory = suite_case(s, "no memory", setup, teardown);

	shim_install();
	tcase_set_timeout(file, 120);
	tcase_set_timeout(faults, 300);
	tcase_set_timeout(memory, 300);
	add_file(file);
	add_faults(faults);
	add_more_faults(faults);
	tcase_add_test(memory, a_start_without_memory);
	tcase_add_test(memory, each_allocation_of_a_life);
	tcase_add_test(memory, each_allocation_of_a_look);
	return suite_run(s);
}
