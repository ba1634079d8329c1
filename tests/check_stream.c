/*
 * check_stream - what is taken for a stream, and that none ever blocks.
 *
 * A test that would block is ended by libcheck's own time limit.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/master/stream.h"
#include "tests/suite.h"

static char dir[] = "/tmp/check_stream.XXXXXX";

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	(void)signal(SIGPIPE, SIG_IGN);
}

static void
teardown(void)
{
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
make_pair(int type, int fds[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, type, 0, fds), 0);
}

/* Takes fd. */
static void
assert_kind(int fd, enum stream_kind kind)
{
	struct stream s = STREAM_CLOSED;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(stream_open(&s, fd), 0);
	ck_assert_int_eq(s.kind, kind);
	ck_assert_int_eq(stream_blocks(&s), kind == STREAM_FILE);
	stream_close(&s);
	ck_assert_int_eq(s.fd, -1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	stream_close(&s);
}

/* Takes fd; it is still ours after the refusal. */
static void
assert_refused(int fd)
{
	struct stream s = STREAM_CLOSED;

	ck_assert_int_ge(fd, 0);
	errno = 0;
	ck_assert_int_eq(stream_open(&s, fd), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(s.fd, -1);
	ck_assert_int_eq(close(fd), 0);
}

START_TEST(kinds_that_are_taken)
{
	int p[2], s[2];

	ck_assert_int_eq(pipe(p), 0);
	make_pair(SOCK_STREAM, s);
	assert_kind(p[0], STREAM_PIPE);
	assert_kind(p[1], STREAM_PIPE);
	assert_kind(s[0], STREAM_SOCKET);
	assert_kind(s[1], STREAM_SOCKET);
	assert_kind(socket(AF_INET, SOCK_STREAM, 0), STREAM_SOCKET);
	assert_kind(open("file", O_RDWR | O_CREAT, 0600), STREAM_FILE);
	assert_kind(open("/dev/null", O_RDWR), STREAM_NULL);
	ck_assert_int_eq(unlink("file"), 0);
}
END_TEST

START_TEST(kinds_that_are_refused)
{
	int s[2];

	make_pair(SOCK_DGRAM, s);
	assert_refused(s[0]);
	assert_refused(s[1]);
	make_pair(SOCK_SEQPACKET, s);
	assert_refused(s[0]);
	assert_refused(s[1]);
	assert_refused(open("/", O_RDONLY | O_DIRECTORY));
	assert_refused(open("/dev/zero", O_RDWR));
	assert_refused(open("/dev/full", O_RDWR));
	assert_refused(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	assert_refused(eventfd(0, EFD_CLOEXEC));
}
END_TEST

START_TEST(number_without_descriptor)
{
	struct stream s = STREAM_CLOSED;

	ck_assert_int_eq(stream_open(&s, -1), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* As the other holder of a passed descriptor may do at any time. */
static void
clear_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	ck_assert_int_ge(flags, 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK), 0);
}

static void
assert_would_block(ssize_t n)
{
	ck_assert_int_eq(n, -1);
	ck_assert_int_eq(errno, EAGAIN);
}

static void
assert_never_blocks(int reader, int writer)
{
	struct stream in = STREAM_CLOSED, out = STREAM_CLOSED;
	static char some[50000];
	size_t sent = 0, got = 0;
	ssize_t n;

	ck_assert_int_eq(stream_open(&in, reader), 0);
	ck_assert_int_eq(stream_open(&out, writer), 0);
	clear_nonblock(reader);
	assert_would_block(stream_read(&in, some, sizeof(some)));
	clear_nonblock(writer);
	while ((n = stream_write(&out, some, sizeof(some))) > 0) {
		sent += (size_t)n;
		clear_nonblock(writer);
	}
	assert_would_block(n);
	clear_nonblock(reader);
	while ((n = stream_read(&in, some, sizeof(some))) > 0) {
		got += (size_t)n;
		clear_nonblock(reader);
	}
	assert_would_block(n);
	ck_assert_uint_eq(got, sent);
	ck_assert_int_eq(stream_write(&out, "x", 1), 1);
	stream_close(&out);
	ck_assert_int_eq(stream_read(&in, some, sizeof(some)), 1);
	ck_assert_int_eq(stream_read(&in, some, sizeof(some)), 0);
	stream_close(&in);
}

START_TEST(pipe_never_blocks)
{
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	assert_never_blocks(p[0], p[1]);
}
END_TEST

START_TEST(fifo_never_blocks)
{
	int reader, writer;

	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	reader = open("fifo", O_RDONLY | O_NONBLOCK);
	writer = open("fifo", O_WRONLY);
	ck_assert_int_eq(unlink("fifo"), 0);
	assert_never_blocks(reader, writer);
}
END_TEST

START_TEST(socket_never_blocks)
{
	int s[2];

	make_pair(SOCK_STREAM, s);
	assert_never_blocks(s[0], s[1]);
}
END_TEST

START_TEST(null_is_empty_and_takes_all)
{
	struct stream s = STREAM_CLOSED;
	char some[16];

	ck_assert_int_eq(stream_open(&s, open("/dev/null", O_RDWR)), 0);
	ck_assert_int_eq(stream_read(&s, some, sizeof(some)), 0);
	ck_assert_int_eq(stream_write(&s, "0123", 4), 4);
	ck_assert(!stream_gone(&s));
	stream_close(&s);
}
END_TEST

START_TEST(file_is_read_at_an_offset)
{
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	struct stream s = STREAM_CLOSED;
	char some[16];

	ck_assert_int_eq(unlink("file"), 0);
	ck_assert_int_eq(stream_open(&s, fd), 0);
	ck_assert_int_eq(stream_write(&s, "0123456789", 10), 10);
	ck_assert_int_eq(stream_pread(&s, some, 4, 3), 4);
	ck_assert_mem_eq(some, "3456", 4);
	ck_assert_int_eq(stream_pread(&s, some, 4, 10), 0);
	ck_assert_int_eq(stream_read(&s, some, 4), -1);	/* a thread's, never */
	ck_assert_int_eq(errno, EINVAL);
	ck_assert(!stream_gone(&s));
	stream_close(&s);
}
END_TEST

START_TEST(closed_stream_does_nothing)
{
	struct stream s = STREAM_CLOSED;
	char c;

	ck_assert_int_eq(stream_read(&s, &c, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(stream_write(&s, "x", 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert(!stream_gone(&s));
	stream_refuse_input(&s);
}
END_TEST

/* -- gone ------------------------------------------------------------------- */

START_TEST(socket_closed_is_gone)
{
	struct stream s = STREAM_CLOSED;
	int pair[2];

	make_pair(SOCK_STREAM, pair);
	ck_assert_int_eq(stream_open(&s, pair[0]), 0);
	ck_assert(!stream_gone(&s));
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	ck_assert(!stream_gone(&s));
	close(pair[1]);
	ck_assert(stream_gone(&s));
	ck_assert_int_eq(stream_write(&s, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	stream_close(&s);
}
END_TEST

/* The end of a complete upload through mod_cgid. */
START_TEST(socket_half_closed_is_not_gone)
{
	struct stream s = STREAM_CLOSED;
	int pair[2];
	char c;

	make_pair(SOCK_STREAM, pair);
	ck_assert_int_eq(stream_open(&s, pair[0]), 0);
	ck_assert_int_eq(shutdown(pair[1], SHUT_WR), 0);
	ck_assert_int_eq(stream_read(&s, &c, 1), 0);
	ck_assert(!stream_gone(&s));
	ck_assert_int_eq(stream_write(&s, "x", 1), 1);
	close(pair[1]);
	ck_assert(stream_gone(&s));
	stream_close(&s);
}
END_TEST

START_TEST(pipe_without_reader_is_gone)
{
	struct stream s = STREAM_CLOSED;
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(stream_open(&s, p[1]), 0);
	ck_assert(!stream_gone(&s));
	close(p[0]);
	ck_assert(stream_gone(&s));
	ck_assert_int_eq(stream_write(&s, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	stream_close(&s);
}
END_TEST

START_TEST(pipe_without_writer_is_gone)
{
	struct stream s = STREAM_CLOSED;
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(stream_open(&s, p[0]), 0);
	ck_assert(!stream_gone(&s));
	close(p[1]);
	ck_assert(stream_gone(&s));
	stream_close(&s);
}
END_TEST

/* -- no more input ------------------------------------------------------------ */

/* Gives how the peer's read behind the answer ends. */
static ssize_t
answer_over_unread_input(bool refuse)
{
	struct stream s = STREAM_CLOSED;
	static char body[100000];
	char answer[16];
	int pair[2];
	ssize_t n;

	make_pair(SOCK_STREAM, pair);
	ck_assert_int_eq(stream_open(&s, pair[0]), 0);
	ck_assert_int_gt(send(pair[1], body, sizeof(body), MSG_DONTWAIT), 0);
	ck_assert_int_eq(stream_write(&s, "answer", 6), 6);
	if (refuse) {
		stream_refuse_input(&s);
		ck_assert_int_eq(send(pair[1], body, 1, MSG_NOSIGNAL), -1);
		ck_assert_int_eq(errno, EPIPE);
	}
	stream_close(&s);
	n = recv(pair[1], answer, sizeof(answer), 0);
	if (n == 6) {
		ck_assert_mem_eq(answer, "answer", 6);
		n = recv(pair[1], answer, sizeof(answer), 0);
	}
	close(pair[1]);
	return n;
}

START_TEST(refusing_input_saves_the_answer)
{
	ck_assert_int_eq(answer_over_unread_input(false), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	ck_assert_int_eq(answer_over_unread_input(true), 0);
}
END_TEST

/* Nothing to be stopped or read there: a pipe is just closed. */
START_TEST(refusing_input_of_a_pipe)
{
	struct stream s = STREAM_CLOSED;
	int p[2];
	char c;

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	ck_assert_int_eq(stream_open(&s, p[0]), 0);
	stream_refuse_input(&s);
	ck_assert_int_eq(stream_read(&s, &c, 1), 1);
	stream_close(&s);
	close(p[1]);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("stream");
	TCase *t = suite_case(s, "kinds", setup, teardown);

	tcase_add_test(t, kinds_that_are_taken);
	tcase_add_test(t, kinds_that_are_refused);
	tcase_add_test(t, number_without_descriptor);

	t = suite_case(s, "read and write", setup, teardown);
	tcase_add_test(t, pipe_never_blocks);
	tcase_add_test(t, fifo_never_blocks);
	tcase_add_test(t, socket_never_blocks);
	tcase_add_test(t, null_is_empty_and_takes_all);
	tcase_add_test(t, file_is_read_at_an_offset);
	tcase_add_test(t, closed_stream_does_nothing);

	t = suite_case(s, "gone", setup, teardown);
	tcase_add_test(t, socket_closed_is_gone);
	tcase_add_test(t, socket_half_closed_is_not_gone);
	tcase_add_test(t, pipe_without_reader_is_gone);
	tcase_add_test(t, pipe_without_writer_is_gone);
	tcase_add_test(t, refusing_input_saves_the_answer);
	tcase_add_test(t, refusing_input_of_a_pipe);
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
