/*
 * check_memory - the memory store by itself: when there is no memory, and
 * where its files go.
 *
 * The back-end is called directly, so that an allocation has an exact place.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/conf.h"
#include "daemon/store/backend.h"
#include "tests/refuse.h"
#include "tests/fds.h"
#include "tests/scarce.h"
#include "tests/suite.h"

static char spool[64], error[CONF_ERROR_MAX];
static char *tmpdir;			/* of the environment */
static struct conf conf;
static void *memory;
static int64_t bytes, tasks;		/* kept, as the store counts */
static int said;			/* what the log got: a file */

static void
setup(void)
{
	tmpdir = getenv("TMPDIR");
	snprintf(spool, sizeof(spool), "%.40s/check-memory-XXXXXX",
	    tmpdir ? tmpdir : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(spool));
	conf.spool = spool;
	conf.control_path = (char *)"/nonexistent/control";
	bytes = tasks = 0;
	said = memfd_create("said", MFD_CLOEXEC);
	ck_assert_int_ge(dup2(said, STDERR_FILENO), 0);
}

static void
teardown(void)
{
	rmdir(spool);
	close(said);
}

static void
open_memory(void)
{
	memory = store_memory.open("", &conf, error);
	ck_assert_msg(memory, "%s", error);
}

static void
close_memory(void)
{
	store_memory.close(memory);
}

/* -- no memory ------------------------------------------------------------- */

/* One operation, while `left` allocations go well. */
static enum store_verdict
apply(struct store_op *op, int *allocations)
{
	op->next = NULL;
	op->verdict = STORE_OK;
	left = *allocations;
	store_memory.apply(memory, op, &bytes, &tasks);
	*allocations = left;
	left = -1;
	return op->verdict;
}

/* The log has one line more, about what could not be done. */
static void
check_said(const struct store_op *op)
{
	char line[200];
	ssize_t n = pread(said, line, sizeof(line) - 1, 0);

	ck_assert_int_gt(n, 0);
	line[n] = '\0';
	ck_assert_msg(strstr(line, op->kind == STORE_MOVE ?
	    "store-failed what=move error=\"no memory\"\n" :
	    "store-failed what=insert error=\"no memory\"\n"), "%s", line);
	ck_assert_int_eq(ftruncate(said, 0), 0);
	ck_assert_int_eq(lseek(said, 0, SEEK_SET), 0);
}

/* If it fails, then for want of memory, with nothing done; and not again. */
static void
insist(struct store_op *op, int *allocations)
{
	int64_t bytes_before = bytes, tasks_before = tasks;
	const struct blob *head = op->message.head;
	bool poor = *allocations >= 0;

	if (apply(op, allocations) == STORE_OK)
		return;
	ck_assert_int_eq(op->verdict, STORE_FAILED);
	ck_assert(poor && *allocations < 0);
	ck_assert_int_eq(bytes, bytes_before);
	ck_assert_int_eq(tasks, tasks_before);
	ck_assert_ptr_eq(op->message.head, head);
	check_said(op);
	ck_assert_int_eq(apply(op, allocations), STORE_OK);
}

static struct store_op
op_insert(const struct store_claim *claim)
{
	struct store_op op = {
		.kind = STORE_INSERT, .to = TASK_QUEUED, .now_ms = 1000,
		.id = "0123456789abcdef", .route = "/report/*",
		.method = "POST", .path = "/report/7", .owner = "alice",
		.claim = claim, .message = MESSAGE_EMPTY,
	};

	op.message.head = blob_new("head", 4);
	return op;
}

static struct store_op
op_move(int64_t row, enum task_state from, uint32_t attempt, enum task_state to)
{
	return (struct store_op){
		.kind = STORE_MOVE, .row = row, .now_ms = 2000,
		.from = from, .from_attempt = attempt, .to = to,
		.to_attempt = attempt + (to == TASK_RUNNING),
		.message = MESSAGE_EMPTY,
		.outcome = { .wait_status = -1, .reason = "why" },
	};
}

/* A task with a claim: started, tried again, finished, read and removed. */
static void
live(int *allocations)
{
	struct store_claim claim = { .key = "key", .request = "request" };
	struct store_op op = op_insert(&claim);
	int64_t row;

	insist(&op, allocations);
	row = op.row;
	op = op_move(row, TASK_QUEUED, 0, TASK_RUNNING);
	insist(&op, allocations);
	op = op_move(row, TASK_RUNNING, 1, TASK_QUEUED);
	op.tried = "interrupted";
	insist(&op, allocations);
	op = op_move(row, TASK_QUEUED, 1, TASK_RUNNING);
	insist(&op, allocations);
	op = op_move(row, TASK_RUNNING, 2, TASK_FAILED);
	op.message.head = blob_new("answer", 6);
	insist(&op, allocations);
	message_fini(&op.message);		/* the request is left there */

	op = (struct store_op){ .kind = STORE_LOAD_INFO, .row = row,
		.message = MESSAGE_EMPTY };
	store_memory.load(memory, &op);
	ck_assert_int_eq(op.verdict, STORE_OK);
	ck_assert_uint_eq(op.message.head->len, 6);
	ck_assert_str_eq(op.outcome.reason, "why");
	ck_assert_str_eq(op.owner, "alice");
	ck_assert_uint_eq(op.tries->len, strlen("1\t2000\tinterrupted\n"));
	message_fini(&op.message);
	blob_unref(&op.texts);
	blob_unref(&op.tries);

	op = (struct store_op){ .kind = STORE_REMOVE, .row = row,
		.message = MESSAGE_EMPTY };
	insist(&op, allocations);
	message_fini(&op.message);
	ck_assert_int_eq(bytes, 0);
	ck_assert_int_eq(tasks, 0);
}

START_TEST(each_allocation_of_a_life)
{
	int nth = 0, allocations;

	if (!OWN_MALLOC || getenv("LD_PRELOAD") != NULL)
		return;
	do {
		open_memory();
		allocations = nth++;
		live(&allocations);
		close_memory();
	} while (allocations < 0);
	ck_assert_int_gt(nth, 8);
}
END_TEST

/* A key belongs to nobody if its task could not be made. */
START_TEST(a_claim_without_memory)
{
	struct store_claim claim = { .key = "key", .request = "request" };
	struct store_op op;
	int nth = 0, allocations;
	enum store_verdict v;

	if (!OWN_MALLOC || getenv("LD_PRELOAD") != NULL)
		return;
	open_memory();
	do {
		op = op_insert(&claim);
		allocations = nth++;
		v = apply(&op, &allocations);
		if (v != STORE_OK) {
			ck_assert_int_eq(v, STORE_FAILED);
			message_fini(&op.message);
		}
	} while (v != STORE_OK);
	ck_assert_int_gt(nth, 4);
	op = op_insert(&claim);
	ck_assert_int_eq(apply(&op, &allocations), STORE_TAKEN);
	message_fini(&op.message);
	close_memory();
}
END_TEST

START_TEST(an_open_without_memory)
{
	int nth = 0;

	if (!OWN_MALLOC || getenv("LD_PRELOAD") != NULL)
		return;
	do {
		left = nth++;
		memory = store_memory.open("", &conf, error);
		left = -1;
		if (!memory)
			ck_assert_msg(strstr(error, "memory"), "%s", error);
	} while (!memory);
	ck_assert_int_ge(nth, 3);
	close_memory();
}
END_TEST

/* -- rows ------------------------------------------------------------------- */

/* A row is never given twice, and no row is 0, though places are taken again. */
START_TEST(rows_of_others)
{
	struct store_op op;
	int64_t rows[3];
	int i, all = -1;

	open_memory();
	for (i = 0; i < 2; i++) {
		op = op_insert(NULL);
		ck_assert_int_eq(apply(&op, &all), STORE_OK);
		rows[i] = op.row;
	}
	op = (struct store_op){ .kind = STORE_REMOVE, .row = rows[0] };
	ck_assert_int_eq(apply(&op, &all), STORE_OK);
	message_fini(&op.message);
	op = op_insert(NULL);
	ck_assert_int_eq(apply(&op, &all), STORE_OK);
	rows[2] = op.row;
	ck_assert_int_eq((int32_t)rows[2], (int32_t)rows[0]);
	for (i = 0; i < 2; i++) {
		op = op_move(i == 0 ? rows[0] : 0, TASK_QUEUED, 0,
		    TASK_RUNNING);
		ck_assert_int_eq(apply(&op, &all), STORE_LOST);
	}
	op = op_move(rows[2], TASK_QUEUED, 0, TASK_RUNNING);
	ck_assert_int_eq(apply(&op, &all), STORE_OK);
	close_memory();
}
END_TEST

/* -- files ------------------------------------------------------------------ */

/* Where a file cannot be born without a name, it loses it at once. */
START_TEST(a_file_system_without_tmpfile)
{
	static const int errors[] = { EOPNOTSUPP, EISDIR };
	struct body body;
	char c = 0;

	ck_assert_int_lt(_i, N(errors));
	open_memory();
	refuse = (struct refuse){ "open", 0, 1, errors[_i] };
	ck_assert_int_eq(store_memory.spool_create(memory, &body), 0);
	ck_assert_int_eq(count_files(spool), 0);
	ck_assert_int_eq(write(body.fd, "x", 1), 1);
	ck_assert_int_eq(pread(body.fd, &c, 1, 0), 1);
	ck_assert_int_eq(c, 'x');
	body_fini(&body);
	ck_assert_int_eq(rmdir(spool), 0);
	refuse = (struct refuse){ "open", 0, 1, errors[_i] };
	ck_assert_int_eq(store_memory.spool_create(memory, &body), -1);
	ck_assert_int_eq(errno, ENOENT);
	close_memory();
}
END_TEST

START_TEST(a_spool_that_is_a_file)
{
	conf.spool = (char *)"/dev/null";
	ck_assert_ptr_null(store_memory.open("", &conf, error));
	ck_assert_msg(strstr(error, "/dev/null: Not a directory"), "%s", error);
}
END_TEST

/* Without settings any place will do: TMPDIR, if it says where. */
START_TEST(without_settings)
{
	static const char *const places[] = { spool, "relative", NULL };
	struct body body;

	ck_assert_int_lt(_i, N(places));
	conf.spool = (char *)"/dev/null";
	conf.control_path = NULL;
	if (places[_i])
		setenv("TMPDIR", places[_i], 1);
	else
		unsetenv("TMPDIR");
	open_memory();
	ck_assert_int_eq(store_memory.spool_create(memory, &body), 0);
	body_fini(&body);
	close_memory();
	ck_assert_int_eq(access("relative", F_OK), -1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("memory");
	TCase *poor = suite_case(s, "no memory", setup, teardown);
	TCase *files = suite_case(s, "rows and files", setup, teardown);

	tcase_add_test(poor, each_allocation_of_a_life);
	tcase_add_test(poor, a_claim_without_memory);
	tcase_add_test(poor, an_open_without_memory);
	tcase_add_test(files, rows_of_others);
	tcase_add_loop_test(files, a_file_system_without_tmpfile, 0, 2);
	tcase_add_test(files, a_spool_that_is_a_file);
	tcase_add_loop_test(files, without_settings, 0, 3);
	return suite_run(s);
}
