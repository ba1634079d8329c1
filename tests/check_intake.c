/*
 * check_intake - a body on its way in, and that every way gives back what it
 * took: the reservation, the spool file, the descriptors.
 *
 * The store is the memory store, but its spool files have numbers, so that
 * one that nobody drops is noticed.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "ipc/scgi.h"
#include "daemon/conf.h"
#include "daemon/log.h"
#include "daemon/master/intake.h"
#include "daemon/store/backend.h"
#include "tests/fds.h"
#include "tests/suite.h"

#define INLINE		65536
#define MAX_BODY	(4 << 20)
#define MAX_STORE	(8 << 20)

enum way { BY_PIPE, BY_SOCKET, BY_FILE, WAY_N };

static char dir[] = "/tmp/check_intake.XXXXXX";
static struct event_base *base;
static struct work_pool *io;
static struct store *store;
static struct stream source;
static struct intake in;
static int feeder;			/* the other end, or -1 */
static int done_calls;
static enum intake_verdict verdict;
static int open_before;
static uint64_t next_file;
static _Atomic int files;		/* spool files not dropped */
static unsigned char *pattern;		/* bytes of the body */

static int
count_create(void *state, struct body *body)
{
	if (store_memory.spool_create(state, body) == -1)
		return -1;
	body->file = ++next_file;
	files++;
	return 0;
}

static void
count_drop(void *state, uint64_t file)
{
	(void)state;
	ck_assert(file > 0 && file <= next_file);
	files--;
}

static void
on_done(struct intake *i, enum intake_verdict v)
{
	ck_assert_ptr_eq(i, &in);
	done_calls++;
	verdict = v;
}

static void
open_store(void)
{
	static struct store_backend counting;
	static char control[] = "/control";
	char error[CONF_ERROR_MAX];
	struct conf conf = {
		.spool = dir, .control_path = control, .max_tasks = 10,
		.max_store_bytes = MAX_STORE,
	};

	counting = store_memory;
	counting.spool_create = count_create;
	counting.spool_drop = count_drop;
	store = store_open_backend(base, &conf, &counting, "", error);
	ck_assert_ptr_nonnull(store);
}

static void
setup(void)
{
	log_init("check", false, LOG_L_ERROR);
	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	pattern = malloc(MAX_BODY + 1);
	for (size_t i = 0; i < MAX_BODY + 1; i++)
		pattern[i] = (unsigned char)(i * 31 + (i >> 8) * 7 +
		    (i >> 16) * 13);
	open_before = open_fds();
	base = event_base_new();
	io = work_pool_new(base, "check-io", 2);
	open_store();
	intake_init(&in);
	in.base = base;
	in.store = store;
	in.io = io;
	in.in = &source;
	in.max_bytes = MAX_BODY;
	in.inline_bytes = INLINE;
	in.deadline_s = 30;
	in.done = on_done;
	source = STREAM_CLOSED;
	feeder = -1;
	done_calls = 0;
}

static uint64_t
reserved(void)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.reserved_bytes;
}

/* Whatever happened: intake_fini() gives back all there is. */
static void
teardown(void)
{
	intake_fini(&in);
	ck_assert_uint_eq(reserved(), 0);
	stream_close(&source);
	if (feeder != -1)
		close(feeder);
	ck_assert_ptr_null(work_pool_free(io));
	store_close(store);
	ck_assert_int_eq(files, 0);
	event_base_free(base);
	ck_assert_int_eq(open_fds(), open_before);
	free(pattern);
	(void)rmdir(dir);
}

/* A regular file that begins with 7 bytes which are not the body. */
static int
body_file(size_t len)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "garbage", 7), 7);
	for (size_t at = 0; at < len; ) {
		ssize_t n = write(fd, pattern + at, len - at);

		ck_assert_int_gt(n, 0);
		at += (size_t)n;
	}
	ck_assert_int_eq(lseek(fd, 7, SEEK_SET), 7);
	return fd;
}

static void
open_source(enum way way, size_t file_len)
{
	int fds[2];

	if (way == BY_FILE) {
		fds[0] = body_file(file_len);
	} else {
		ck_assert_int_eq(way == BY_PIPE ? pipe2(fds, O_CLOEXEC) :
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		feeder = fds[1];
		ck_assert_int_eq(fcntl(feeder, F_SETFL, O_NONBLOCK), 0);
	}
	ck_assert_int_eq(stream_open(&source, fds[0]), 0);
}

static void
run_until_done(void)
{
	while (done_calls == 0)
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	ck_assert_int_eq(done_calls, 1);
	ck_assert(!intake_busy(&in));
}

/* Writes the pattern from `at` while the loop reads; then EOF, if asked. */
static void
feed(size_t at, size_t end, bool eof)
{
	while (at < end && done_calls == 0) {
		ssize_t n = write(feeder, pattern + at, end - at);

		if (n > 0)
			at += (size_t)n;
		else
			ck_assert_int_eq(errno, EAGAIN);
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
	}
	if (eof) {
		close(feeder);
		feeder = -1;
	}
}

/* A body of `len` bytes, the first `first` of them beside the head. */
static void
take_in(enum way way, int64_t expected, size_t first, size_t len)
{
	open_source(way, way == BY_FILE ? len : 0);
	if (way == BY_FILE && first > 0)	/* they are not in the file */
		ck_assert_int_eq(lseek(source.fd, (off_t)(7 + first), SEEK_SET),
		    7 + (off_t)first);
	in.expected_bytes = expected;
	intake_start(&in, pattern, first);
	if (way != BY_FILE)
		feed(first, len, expected == SCGI_LENGTH_UNKNOWN ||
		    (uint64_t)expected > len);
	run_until_done();
}

static void
assert_body(size_t len)
{
	unsigned char *got = malloc(len + 1);

	ck_assert_int_eq(verdict, INTAKE_DONE);
	ck_assert_uint_eq(in.body.size, len);
	ck_assert_uint_eq(in.reserved_bytes, len);
	ck_assert_uint_eq(reserved(), len);
	if (len <= (size_t)in.inline_bytes) {
		ck_assert_int_eq(in.body.fd, -1);
		ck_assert_int_eq(files, 0);
		ck_assert_int_eq(in.body.bytes != NULL, len > 0);
		if (len > 0) {
			ck_assert_uint_eq(in.body.bytes->len, len);
			memcpy(got, in.body.bytes->data, len);
		}
	} else {
		ck_assert_ptr_null(in.body.bytes);
		ck_assert_int_eq(files, 1);
		ck_assert_int_eq(pread(in.body.fd, got, len + 1, 0),
		    (ssize_t)len);
	}
	ck_assert_int_eq(memcmp(got, pattern, len), 0);
	free(got);
}

/* Everything is given back at once, not only by intake_fini(). */
static void
assert_refused(enum intake_verdict v)
{
	ck_assert_int_eq(verdict, v);
	ck_assert_uint_eq(in.reserved_bytes, 0);
	ck_assert_uint_eq(reserved(), 0);
	ck_assert_int_eq(in.body.fd, -1);
	ck_assert_ptr_null(in.body.bytes);
	while (files > 0)	/* dropped on a thread of the store's */
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

/* -- what is complete --------------------------------------------------------- */

static const size_t sizes[] = {
	0, 1, INLINE - 1, INLINE, INLINE + 1, 300000, MAX_BODY
};

#define CASES	(N(sizes) * WAY_N)

START_TEST(known_length)
{
	size_t len = sizes[_i / WAY_N];

	take_in((enum way)(_i % WAY_N), (int64_t)len, 0, len);
	assert_body(len);
}
END_TEST

START_TEST(unknown_length)
{
	size_t len = sizes[_i / WAY_N];

	take_in((enum way)(_i % WAY_N), SCGI_LENGTH_UNKNOWN, 0, len);
	assert_body(len);
}
END_TEST

START_TEST(known_length_and_first_bytes)
{
	size_t len = sizes[_i / WAY_N], first = len < 3000 ? len : 3000;

	take_in((enum way)(_i % WAY_N), (int64_t)len, first, len);
	assert_body(len);
}
END_TEST

START_TEST(unknown_length_and_first_bytes)
{
	size_t len = sizes[_i / WAY_N], first = len < 3000 ? len : 3000;

	take_in((enum way)(_i % WAY_N), SCGI_LENGTH_UNKNOWN, first, len);
	assert_body(len);
}
END_TEST

/* Already the first bytes need a spool file. */
START_TEST(first_bytes_above_inline)
{
	in.inline_bytes = 100;
	take_in((enum way)(_i / 2), _i % 2 ? 5000 : SCGI_LENGTH_UNKNOWN, 3000,
	    5000);
	assert_body(5000);
}
END_TEST

START_TEST(nothing_inline)
{
	in.inline_bytes = 0;
	take_in((enum way)_i, 1, 0, 1);
	assert_body(1);
}
END_TEST

START_TEST(all_of_it_came_with_the_head)
{
	open_source(BY_SOCKET, 0);
	in.expected_bytes = 1000;
	intake_start(&in, pattern, 4000);
	ck_assert_int_eq(done_calls, 1);
	assert_body(1000);
}
END_TEST

START_TEST(what_follows_is_not_read)
{
	char rest[16];

	open_source((enum way)_i, 70000 + 5);
	in.expected_bytes = 70000;
	intake_start(&in, NULL, 0);
	if (_i != BY_FILE)
		feed(0, 70000 + 5, false);
	run_until_done();
	assert_body(70000);
	if (_i == BY_FILE)
		return;
	ck_assert_int_eq(stream_read(&source, rest, sizeof(rest)), 5);
	ck_assert_mem_eq(rest, pattern + 70000, 5);
}
END_TEST

START_TEST(null_is_an_empty_body)
{
	ck_assert_int_eq(stream_open(&source, open("/dev/null", O_RDONLY)), 0);
	in.expected_bytes = _i ? 0 : SCGI_LENGTH_UNKNOWN;
	intake_start(&in, NULL, 0);
	ck_assert_int_eq(done_calls, 1);
	assert_body(0);
}
END_TEST

START_TEST(byte_by_byte)
{
	open_source((enum way)_i, 0);
	in.expected_bytes = 200;
	in.inline_bytes = 100;
	intake_start(&in, NULL, 0);
	for (size_t i = 0; i < 200; i++) {
		ck_assert_int_eq(done_calls, 0);
		feed(i, i + 1, false);
	}
	run_until_done();
	assert_body(200);
}
END_TEST

/* -- what is not ------------------------------------------------------------- */

START_TEST(short_body)
{
	size_t len = sizes[_i / WAY_N];

	take_in((enum way)(_i % WAY_N), (int64_t)len + 1, 0, len);
	assert_refused(len == MAX_BODY ? INTAKE_LARGE : INTAKE_SHORT);
}
END_TEST

START_TEST(short_null)
{
	ck_assert_int_eq(stream_open(&source, open("/dev/null", O_RDONLY)), 0);
	in.expected_bytes = 1;
	intake_start(&in, NULL, 0);
	assert_refused(INTAKE_SHORT);
}
END_TEST

/* A descriptor of the right kind that cannot be read. */
START_TEST(unreadable)
{
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	close(p[0]);
	ck_assert_int_eq(stream_open(&source, p[1]), 0);
	in.expected_bytes = 10;
	intake_start(&in, NULL, 0);
	run_until_done();
	assert_refused(INTAKE_SHORT);
}
END_TEST

START_TEST(over_max_known)
{
	open_source((enum way)_i, 10);
	in.expected_bytes = MAX_BODY + 1;
	intake_start(&in, NULL, 0);
	ck_assert_int_eq(done_calls, 1);
	assert_refused(INTAKE_LARGE);
}
END_TEST

START_TEST(over_max_unknown)
{
	take_in((enum way)_i, SCGI_LENGTH_UNKNOWN, 0, MAX_BODY + 1);
	assert_refused(INTAKE_LARGE);
}
END_TEST

START_TEST(budget_full)
{
	bool known = _i / WAY_N;

	ck_assert(store_reserve(store, MAX_STORE - 200000));
	take_in((enum way)(_i % WAY_N), known ? 300000 : SCGI_LENGTH_UNKNOWN,
	    1000, 300000);
	ck_assert_int_eq(verdict, INTAKE_FULL);
	ck_assert_uint_eq(reserved(), MAX_STORE - 200000);
	store_release(store, MAX_STORE - 200000);
	assert_refused(INTAKE_FULL);
	if (known)	/* so that the rest can be drained */
		ck_assert_uint_eq(in.got_bytes, 1000);
}
END_TEST

START_TEST(deadline)
{
	open_source((enum way)_i, 0);
	in.expected_bytes = 200000;
	in.deadline_s = 1;
	intake_start(&in, NULL, 0);
	feed(0, 100000, false);
	ck_assert_int_eq(files, 1);
	run_until_done();
	assert_refused(INTAKE_LATE);
}
END_TEST

START_TEST(no_spool_directory)
{
	ck_assert_int_eq(rmdir(dir), 0);
	in.inline_bytes = 100;
	if (_i == BY_FILE) {
		ck_assert_int_eq(mkdir(dir, 0700), 0);
		open_source(BY_FILE, 5000);
		ck_assert_int_eq(rmdir(dir), 0);
	} else {
		open_source((enum way)_i, 0);
	}
	in.expected_bytes = 5000;
	intake_start(&in, NULL, 0);
	if (_i != BY_FILE)
		feed(0, 5000, false);
	run_until_done();
	assert_refused(INTAKE_FAILED);
}
END_TEST

/* As a full disk would: the spool file takes a part of it. */
START_TEST(spool_write_fails)
{
	struct rlimit rl = { .rlim_cur = 100000, .rlim_max = 100000 };

	(void)signal(SIGXFSZ, SIG_IGN);
	open_source((enum way)_i, 300000);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &rl), 0);
	in.expected_bytes = 300000;
	intake_start(&in, NULL, 0);
	if (_i != BY_FILE)
		feed(0, 300000, false);
	run_until_done();
	assert_refused(INTAKE_FAILED);
}
END_TEST

/* The connection is closed while its body is on the way. */
START_TEST(given_up_half_way)
{
	open_source((enum way)_i, 0);
	in.expected_bytes = 200000;
	intake_start(&in, NULL, 0);
	feed(0, 100000, false);
	ck_assert_int_eq(files, 1);
	ck_assert_uint_eq(reserved(), 200000);
	intake_fini(&in);
	ck_assert_int_eq(done_calls, 0);
	assert_refused((enum intake_verdict)verdict);
}
END_TEST

START_TEST(fini_of_what_never_began)
{
	struct intake none;

	intake_init(&none);
	ck_assert(!intake_busy(&none));
	intake_fini(&none);
}
END_TEST

/* A thread reads the file: the loop is not held up, and is told. */
START_TEST(file_on_a_thread)
{
	open_source(BY_FILE, 300000);
	in.expected_bytes = 300000;
	intake_start(&in, NULL, 0);
	ck_assert_int_eq(done_calls, 0);
	ck_assert(intake_busy(&in));
	run_until_done();
	assert_body(300000);
	ck_assert_int_eq(lseek(source.fd, 0, SEEK_CUR), 7);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("intake");
	TCase *t = suite_case(s, "complete", setup, teardown);

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, known_length, 0, CASES);
	tcase_add_loop_test(t, unknown_length, 0, CASES);
	tcase_add_loop_test(t, known_length_and_first_bytes, 0, CASES);
	tcase_add_loop_test(t, unknown_length_and_first_bytes, 0, CASES);
	tcase_add_loop_test(t, first_bytes_above_inline, 0, 2 * WAY_N);
	tcase_add_loop_test(t, nothing_inline, 0, WAY_N);
	tcase_add_test(t, all_of_it_came_with_the_head);
	tcase_add_loop_test(t, what_follows_is_not_read, 0, WAY_N);
	tcase_add_loop_test(t, null_is_an_empty_body, 0, 2);
	tcase_add_loop_test(t, byte_by_byte, 0, BY_FILE);
	tcase_add_test(t, file_on_a_thread);

	t = suite_case(s, "not complete", setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, short_body, 0, CASES);
	tcase_add_test(t, short_null);
	tcase_add_test(t, unreadable);
	tcase_add_loop_test(t, over_max_known, 0, WAY_N);
	tcase_add_loop_test(t, over_max_unknown, 0, WAY_N);
	tcase_add_loop_test(t, budget_full, 0, 2 * WAY_N);
	tcase_add_loop_test(t, deadline, 0, BY_FILE);
	tcase_add_loop_test(t, no_spool_directory, 0, WAY_N);
	tcase_add_loop_test(t, spool_write_fails, 0, WAY_N);
	tcase_add_loop_test(t, given_up_half_way, 0, BY_FILE);
	tcase_add_test(t, fini_of_what_never_began);
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
