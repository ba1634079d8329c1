/*
 * check_sqlite - what only a store in a file can suffer.
 *
 * The back-end is called directly, without threads, so that a fault has an
 * exact place.  A model beside it notes what was confirmed; whatever happens,
 * the file has exactly that in it, also for one who finds it after a crash.
 */
#include "config.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
	ck_assert_int_eq(sqlite_db_number(other, sql, -1, &n), SQLITE_OK);
	sqlite3_close(other);
	return n;
}

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
	store_sqlite.apply(db, ops, &model.bytes, &model.tasks);
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

static int
count_files(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
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
	    "SELECT count(*) FROM claims", -1, &all), SQLITE_OK);
	ck_assert_int_eq(sqlite_db_number(s->reader, "SELECT count(*) FROM "
	    "claims JOIN tasks USING (row) WHERE owner = 'alice'", -1,
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
	    "FROM requests) + (SELECT count(*) FROM responses)", -1, &tasks),
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
	check_refused("is empty, but its -wal is not");
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
	store_sqlite.tidy(db);
	if (model.n > 0)
		go(op_remove(0));
	go(op_insert(TASK_RUNNING, message_file("late")));
	db->deleted = true;
	store_sqlite.tidy(db);
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

	store_sqlite.load(db, &op);
	if (op.verdict != STORE_OK) {
		ck_assert_ptr_null(op.message.head);
		ck_assert_int_eq(op.message.body.fd, -1);
		ck_assert_ptr_null(op.texts);
	}
	message_fini(&op.message);
	blob_unref(&op.texts);
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
}

static void
add_faults(TCase *tc)
{
	tcase_add_test(tc, a_read_only_directory);
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
}

int
main(void)
{
	Suite *s = suite_create("sqlite");
	TCase *file = suite_case(s, "the file", setup, teardown);
	TCase *faults = suite_case(s, "faults", setup, teardown);

	shim_install();
	tcase_set_timeout(file, 120);
	tcase_set_timeout(faults, 300);
	add_file(file);
	add_faults(faults);
	return suite_run(s);
}
