/*
 * check_outlet - an answer on its way out, to every kind of stream.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "daemon/log.h"
#include "daemon/master/outlet.h"
#include "tests/fds.h"
#include "tests/suite.h"

#define HEAD	"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n"
#define LARGE	(5 << 20)

enum way { BY_PIPE, BY_SOCKET, WAY_N };

static char dir[] = "/tmp/check_outlet.XXXXXX";
static struct event_base *base;
static struct work_pool *io;
static struct stream target;
static struct answer answer;
static struct outlet out;
static int reader;			/* the other end, or -1 */
static int done_calls;
static bool was_sent;
static int open_before;
static unsigned char *pattern, *got;
static size_t ngot;

static void
on_done(struct outlet *o, bool sent)
{
	ck_assert_ptr_eq(o, &out);
	done_calls++;
	was_sent = sent;
}

static void
setup(void)
{
	log_init("check", false, LOG_L_ERROR);
	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	pattern = malloc(LARGE);
	got = malloc(LARGE + 4096);
	for (size_t i = 0; i < LARGE; i++)
		pattern[i] = (unsigned char)(i * 31 + (i >> 8) * 7 +
		    (i >> 16) * 13);
	open_before = open_fds();
	base = event_base_new();
	io = work_pool_new(base, "check-io", 2);
	answer_init(&answer);
	ck_assert_int_eq(buf_add(&answer.head, HEAD, strlen(HEAD)), 0);
	outlet_init(&out);
	out.base = base;
	out.io = io;
	out.out = &target;
	out.answer = &answer;
	out.deadline_s = 30;
	out.done = on_done;
	target = STREAM_CLOSED;
	reader = -1;
	done_calls = 0;
	ngot = 0;
}

static bool
in_a_thread(void)
{
	return out.step.run != NULL;
}

static void
teardown(void)
{
	ck_assert(!in_a_thread());
	outlet_fini(&out);
	answer_fini(&answer);
	stream_close(&target);
	if (reader != -1)
		close(reader);
	ck_assert_ptr_null(work_pool_free(io));
	event_base_free(base);
	ck_assert_int_eq(open_fds(), open_before);
	free(pattern);
	free(got);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int
nameless_file(void)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* A body of `promised` bytes in a file that has `len`. */
static void
body_in_file(size_t len, size_t promised)
{
	int fd = nameless_file();

	for (size_t at = 0; at < len; ) {
		ssize_t n = write(fd, pattern + at, len - at);

		ck_assert_int_gt(n, 0);
		at += (size_t)n;
	}
	answer.body.fd = fd;
	answer.body.size = promised;
}

static void
body_in_memory(size_t len)
{
	answer.body.bytes = blob_new(pattern, len);
	answer.body.size = len;
}

static void
open_target(enum way way)
{
	int fds[2];

	ck_assert_int_eq(way == BY_PIPE ? pipe2(fds, O_CLOEXEC) :
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	reader = fds[0];
	ck_assert_int_eq(stream_open(&target, fds[1]), 0);
	ck_assert_int_eq(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
}

/* Reads at most `most` bytes a turn.  False at the end. */
static bool
read_turn(size_t most)
{
	size_t room = LARGE + 4096 - ngot;
	ssize_t n = read(reader, got + ngot, most < room ? most : room);

	if (n > 0)
		ngot += (size_t)n;
	else if (n == -1)
		ck_assert_int_eq(errno, EAGAIN);
	return n != 0;
}

static void
read_all(size_t most)
{
	while (done_calls == 0) {
		(void)read_turn(most);
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
	}
	stream_close(&target);
	while (read_turn(LARGE))
		;
}

static void
assert_got(size_t body_len)
{
	ck_assert_int_eq(done_calls, 1);
	ck_assert(was_sent);
	ck_assert_uint_eq(ngot, strlen(HEAD) + body_len);
	ck_assert_int_eq(memcmp(got, HEAD, strlen(HEAD)), 0);
	ck_assert_int_eq(memcmp(got + strlen(HEAD), pattern, body_len), 0);
}

static void
run_until_done(void)
{
	while (done_calls == 0)
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	ck_assert_int_eq(done_calls, 1);
}

/* -- sent ----------------------------------------------------------------------- */

/* A pipe in packet mode shows how many writes there were. */
START_TEST(small_answer_in_one_write)
{
	int p[2];

	ck_assert_int_eq(pipe2(p, O_DIRECT | O_CLOEXEC), 0);
	reader = p[0];
	ck_assert_int_eq(stream_open(&target, p[1]), 0);
	body_in_memory(1000);
	ck_assert_int_eq(outlet_start(&out), 0);
	ck_assert_int_eq(done_calls, 1);
	ck_assert(read_turn(LARGE));
	assert_got(1000);
}
END_TEST

START_TEST(answer_without_a_body)
{
	open_target((enum way)_i);
	ck_assert_int_eq(outlet_start(&out), 0);
	ck_assert_int_eq(done_calls, 1);
	ck_assert(read_turn(LARGE));
	assert_got(0);
}
END_TEST

/* The cap of a head says nothing of the body that leaves with it. */
START_TEST(body_over_the_cap_of_the_head)
{
	open_target((enum way)_i);
	answer.head.max = strlen(HEAD);
	body_in_memory(300000);
	ck_assert_int_eq(outlet_start(&out), 0);
	read_all(65536);
	assert_got(300000);
}
END_TEST

START_TEST(slow_reader)
{
	open_target((enum way)_i);
	body_in_memory(65536);
	ck_assert_int_eq(outlet_start(&out), 0);
	read_all(100);
	assert_got(65536);
}
END_TEST

START_TEST(large_file)
{
	open_target((enum way)_i);
	body_in_file(LARGE, LARGE);
	ck_assert_int_eq(outlet_start(&out), 0);
	ck_assert_int_eq(done_calls, 0);
	read_all(LARGE);
	assert_got(LARGE);
}
END_TEST

START_TEST(large_file_slow_reader)
{
	open_target((enum way)_i);
	body_in_file(LARGE, LARGE);
	ck_assert_int_eq(outlet_start(&out), 0);
	read_all(5000);
	assert_got(LARGE);
}
END_TEST

/* Not in the page cache any more, where the file system can forget it. */
START_TEST(cold_file)
{
	open_target((enum way)_i);
	body_in_file(LARGE, LARGE);
	ck_assert_int_eq(fsync(answer.body.fd), 0);
	ck_assert_int_eq(posix_fadvise(answer.body.fd, 0, 0,
	    POSIX_FADV_DONTNEED), 0);
	ck_assert_int_eq(outlet_start(&out), 0);
	read_all(LARGE);
	assert_got(LARGE);
}
END_TEST

/* -- a part ----------------------------------------------------------------------- */

/* What lies around the part is not sent; in memory and from a file. */
static void
send_part(enum way way, bool in_file, size_t at, size_t size)
{
	open_target(way);
	if (in_file)
		body_in_file(LARGE, LARGE);
	else
		body_in_memory(65536);
	answer.body_at = at;
	answer.body.size = size;
	ck_assert_int_eq(outlet_start(&out), 0);
	read_all(LARGE);
	memmove(pattern, pattern + at, size);
	assert_got(size);
}

START_TEST(part_in_memory)
{
	static const size_t ats[] = { 0, 1, 65535, 1000 };
	static const size_t sizes[] = { 1, 65535, 1, 2000 };

	send_part((enum way)(_i % WAY_N), false, ats[_i / WAY_N],
	    sizes[_i / WAY_N]);
}
END_TEST

START_TEST(part_of_a_file)
{
	static const size_t ats[] = { 0, 1, LARGE - 1, 300000 };
	static const size_t sizes[] = { 1, LARGE - 1, 1, 3000000 };

	send_part((enum way)(_i % WAY_N), true, ats[_i / WAY_N],
	    sizes[_i / WAY_N]);
}
END_TEST

START_TEST(part_behind_the_end)
{
	open_target((enum way)_i);
	body_in_file(LARGE, LARGE);
	answer.body_at = LARGE - 10;
	answer.body.size = 11;
	ck_assert_int_eq(outlet_start(&out), 0);
	read_all(LARGE);
	ck_assert(!was_sent);
	ck_assert_uint_eq(ngot, strlen(HEAD) + 10);
}
END_TEST

/* Where the descriptor's own offset stands is nobody's business. */
START_TEST(file_of_one_byte)
{
	open_target((enum way)_i);
	body_in_file(1, 1);
	ck_assert_int_eq(outlet_start(&out), 0);
	read_all(LARGE);
	assert_got(1);
	ck_assert_int_eq(lseek(answer.body.fd, 0, SEEK_CUR), 1);
}
END_TEST

START_TEST(empty_file)
{
	open_target((enum way)_i);
	body_in_file(0, 0);
	ck_assert_int_eq(outlet_start(&out), 0);
	read_all(LARGE);
	assert_got(0);
}
END_TEST

/* lighttpd may give a script a regular file; only a thread writes to it. */
START_TEST(to_a_file)
{
	int fd = nameless_file();
	ssize_t n;

	ck_assert_int_eq(stream_open(&target, fd), 0);
	if (_i)
		body_in_file(LARGE, LARGE);
	else
		body_in_memory(1000);
	ck_assert_int_eq(outlet_start(&out), 0);
	ck_assert_int_eq(done_calls, 0);
	ck_assert(in_a_thread());
	run_until_done();
	n = pread(fd, got, LARGE + 4096, 0);
	ck_assert_int_gt(n, 0);
	ngot = (size_t)n;
	assert_got(_i ? LARGE : 1000);
}
END_TEST

START_TEST(to_null)
{
	ck_assert_int_eq(stream_open(&target, open("/dev/null", O_WRONLY)), 0);
	if (_i)
		body_in_file(LARGE, LARGE);
	else
		body_in_memory(1000);
	ck_assert_int_eq(outlet_start(&out), 0);
	run_until_done();
	ck_assert(was_sent);
}
END_TEST

/* -- not sent ------------------------------------------------------------------- */

START_TEST(reader_has_left)
{
	open_target((enum way)_i);
	close(reader);
	reader = -1;
	body_in_memory(1000);
	ck_assert_int_eq(outlet_start(&out), 0);
	ck_assert_int_eq(done_calls, 1);
	ck_assert(!was_sent);
}
END_TEST

START_TEST(reader_leaves_half_way)
{
	open_target((enum way)_i);
	body_in_file(LARGE, LARGE);
	ck_assert_int_eq(outlet_start(&out), 0);
	while (ngot < LARGE / 2) {
		ck_assert_int_eq(done_calls, 0);
		(void)read_turn(65536);
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
	}
	close(reader);
	reader = -1;
	run_until_done();
	ck_assert(!was_sent);
}
END_TEST

/* The promise was in the head already: nothing can make it good. */
START_TEST(file_shorter_than_promised)
{
	size_t len = _i / WAY_N ? LARGE - 1 : 0;

	open_target((enum way)(_i % WAY_N));
	body_in_file(len, LARGE);
	ck_assert_int_eq(outlet_start(&out), 0);
	read_all(LARGE);
	ck_assert_int_eq(done_calls, 1);
	ck_assert(!was_sent);
	ck_assert_uint_eq(ngot, strlen(HEAD) + len);
}
END_TEST

START_TEST(file_that_cannot_be_read)
{
	open_target((enum way)_i);
	answer.body.fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	answer.body.size = 1000;
	ck_assert_int_eq(outlet_start(&out), 0);
	read_all(LARGE);
	ck_assert(!was_sent);
}
END_TEST

START_TEST(reader_never_reads)
{
	open_target((enum way)_i);
	body_in_file(LARGE, LARGE);
	out.deadline_s = 1;
	ck_assert_int_eq(outlet_start(&out), 0);
	run_until_done();
	ck_assert(!was_sent);
}
END_TEST

START_TEST(given_up_half_way)
{
	open_target((enum way)_i);
	body_in_file(LARGE, LARGE);
	ck_assert_int_eq(outlet_start(&out), 0);
	while (ngot < LARGE / 2) {
		(void)read_turn(65536);
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
	}
	while (in_a_thread())	/* until nobody reads any more */
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
	outlet_fini(&out);
	ck_assert_int_eq(done_calls, 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("outlet");
	TCase *t = suite_case(s, "sent", setup, teardown);

	tcase_set_timeout(t, 60);
	tcase_add_test(t, small_answer_in_one_write);
	tcase_add_loop_test(t, answer_without_a_body, 0, WAY_N);
	tcase_add_loop_test(t, body_over_the_cap_of_the_head, 0, WAY_N);
	tcase_add_loop_test(t, slow_reader, 0, WAY_N);
	tcase_add_loop_test(t, large_file, 0, WAY_N);
	tcase_add_loop_test(t, large_file_slow_reader, 0, WAY_N);
	tcase_add_loop_test(t, cold_file, 0, WAY_N);
	tcase_add_loop_test(t, file_of_one_byte, 0, WAY_N);
	tcase_add_loop_test(t, empty_file, 0, WAY_N);
	tcase_add_loop_test(t, to_a_file, 0, 2);
	tcase_add_loop_test(t, to_null, 0, 2);

	t = suite_case(s, "a part", setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, part_in_memory, 0, 4 * WAY_N);
	tcase_add_loop_test(t, part_of_a_file, 0, 4 * WAY_N);
	tcase_add_loop_test(t, part_behind_the_end, 0, WAY_N);

	t = suite_case(s, "not sent", setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, reader_has_left, 0, WAY_N);
	tcase_add_loop_test(t, reader_leaves_half_way, 0, WAY_N);
	tcase_add_loop_test(t, file_shorter_than_promised, 0, 2 * WAY_N);
	tcase_add_loop_test(t, file_that_cannot_be_read, 0, WAY_N);
	tcase_add_loop_test(t, reader_never_reads, 0, WAY_N);
	tcase_add_loop_test(t, given_up_half_way, 0, WAY_N);
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
