/*
 * check_door_calls - the door again (check_door.c), with a kernel that
 * interrupts, refuses and takes less than it was given.
 *
 * Whatever it does, a request ends as a hand-over or as an answer, and never
 * as half of both.
 */
#include <sys/wait.h>

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/uio.h>

#include "tests/refuse.h"
#include "tests/suite.h"

REFUSE(int, poll, (struct pollfd *fds, nfds_t n, int ms), SYS_poll, fds, n, ms)
REFUSE(ssize_t, writev, (int fd, const struct iovec *iov, int n),
    SYS_writev, fd, iov, n)

static size_t at_most = SIZE_MAX;	/* bytes that a call takes */

static size_t
cut(size_t len)
{
	return len < at_most ? len : at_most;
}

static ssize_t
short_sendmsg(int fd, const struct msghdr *whole, int flags)
{
	struct msghdr msg = *whole;
	struct iovec iov = { msg.msg_iov->iov_base, cut(msg.msg_iov->iov_len) };

	msg.msg_iov = &iov;
	return sendmsg(fd, &msg, flags);
}

static ssize_t
short_send(int fd, const void *data, size_t len, int flags)
{
	return refused("send") ? -1 : send(fd, data, cut(len), flags);
}

static ssize_t
short_write(int fd, const void *data, size_t len)
{
	return refused("write") ? -1 : write(fd, data, cut(len));
}

static ssize_t
short_read(int fd, void *data, size_t len)
{
	return refused("read") ? -1 : read(fd, data, cut(len));
}

int	door_main(void);

#define main	door_main
#define sendmsg	short_sendmsg
#define send	short_send
#define write	short_write
#define read	short_read
#include "cgi/defer.c"
#undef main
#undef sendmsg
#undef send
#undef write
#undef read

#define HEAD_BYTES	5000		/* so much it is, at least */

static char dir[] = "/tmp/check_door_calls.XXXXXX";
static char socket_path[sizeof(dir) + 8];
static int listener = -1;		/* of a daemon that is there */
static pid_t pid;
static int body, out, err;		/* our ends of what the door was given */

static void
setup(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
}

static void
teardown(void)
{
	(void)unlink(socket_path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
daemon_listens(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	memcpy(sun.sun_path, socket_path, sizeof(socket_path));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
}

/* The environment of a request with a body of so many bytes. */
static void
request(const char *length)
{
	char filler[HEAD_BYTES + 1];

	memset(filler, 'x', HEAD_BYTES);
	filler[HEAD_BYTES] = '\0';
	(void)clearenv();
	(void)setenv("DEFERD_SOCKET", socket_path, 1);
	(void)setenv("CONTENT_LENGTH", length, 1);
	(void)setenv("HTTP_X_FILLER", filler, 1);
}

/* `refuse` and `at_most` are the door's from here on, and nobody else's. */
static void
door_starts(void)
{
	int in[2], answer_pipe[2], complaints[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(answer_pipe, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(complaints, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(answer_pipe[1], STDOUT_FILENO);
		(void)dup2(complaints[1], STDERR_FILENO);
		close(in[1]);
		(void)door_main();	/* ends with _exit() */
	}
	close(in[0]);
	close(answer_pipe[1]);
	close(complaints[1]);
	body = in[1];
	out = answer_pipe[0];
	err = complaints[0];
	refuse.call = NULL;
	at_most = SIZE_MAX;
}

static void
door_exits(void)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(body);
	close(out);
	close(err);
}

/* All until EOF, as text. */
static char *
read_all(int fd)
{
	static char text[4096];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	ck_assert_int_eq(n, 0);
	text[len] = '\0';
	return text;
}

static int
close_received(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int n = c != NULL ? (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)) : 0;
	int fds[8];

	if (n > 0)
		memcpy(fds, CMSG_DATA(c), (size_t)n * sizeof(int));
	for (int i = 0; i < n; i++)
		close(fds[i]);
	return n;
}

/* What came to the daemon until the door was gone; how many descriptors. */
static size_t
take(char *head, size_t size, int *nfds)
{
	char control[CMSG_SPACE(8 * sizeof(int))];
	int s = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	ck_assert_int_ge(s, 0);
	*nfds = 0;
	do {
		struct iovec iov = { head + len, size - len };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
		    .msg_control = control, .msg_controllen = sizeof(control) };

		n = recvmsg(s, &msg, 0);
		ck_assert_int_ge(n, 0);
		len += (size_t)n;
		*nfds += close_received(&msg);
	} while (n > 0);
	close(s);
	return len;
}

static void
is_handed_over(void)
{
	static char head[4 * HEAD_BYTES];
	struct scgi scgi;
	const char *why = "";
	size_t used, len;
	int nfds;

	len = take(head, sizeof(head), &nfds);
	ck_assert_int_eq(nfds, 2);
	ck_assert_msg(scgi_parse(head, len, &scgi, &used, &why) == SCGI_DONE,
	    "%s", why);
	ck_assert_uint_eq(used, len);
	ck_assert_str_eq(read_all(err), "");
	door_exits();
}

static void
is_answered(const char *status, const char *complaint)
{
	const char *text = read_all(out);
	char want[32];

	(void)snprintf(want, sizeof(want), "Status: %s ", status);
	ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "%s", text);
	ck_assert_str_eq(text + strlen(text) - 2, "}\n");
	if (complaint != NULL)
		ck_assert_ptr_nonnull(strstr(read_all(err), complaint));
	door_exits();
}

/* -- the hand-over -------------------------------------------------------- */

static const struct refuse passing[] = {
	{ "connect", 0, 3, EINTR },
	{ "sendmsg", 0, 3, EINTR },
	{ "sendmsg", 0, 3, EAGAIN },
	{ "sendmsg", 0, 3, ETOOMANYREFS },
};

START_TEST(what_passes_is_tried_again)
{
	daemon_listens();
	request("0");
	refuse = passing[_i];
	door_starts();
	is_handed_over();
}
END_TEST

static const struct refuse pieces[] = {
	{ NULL, 0, 0, 0 },
	{ "send", 0, 2, EINTR },
	{ "send", 1, 2, EAGAIN },
};

/* The descriptors come with the first piece, and only with that. */
START_TEST(a_head_may_go_in_pieces)
{
	daemon_listens();
	request("0");
	refuse = pieces[_i];
	at_most = 999;
	door_starts();
	is_handed_over();
}
END_TEST

/* With the first byte the answer has become the daemon's duty. */
START_TEST(a_head_cut_short_is_not_answered_twice)
{
	static char head[2 * HEAD_BYTES];
	int nfds;

	daemon_listens();
	request("0");
	refuse = (struct refuse){ "send", 1, 1, EPIPE };
	at_most = 999;
	door_starts();
	ck_assert_uint_eq(take(head, sizeof(head), &nfds), 2 * 999);
	ck_assert_int_eq(nfds, 2);
	ck_assert_str_eq(read_all(out), "");
	door_exits();
}
END_TEST

static const struct {
	struct refuse	 refuse;
	const char	*complaint;
} lasting[] = {
	{ { "socket", 0, 9, EMFILE }, "cannot reach deferd" },
	{ { "connect", 0, 9, EACCES }, "may not open the socket" },
	{ { "connect", 0, 9, EPROTOTYPE }, "cannot reach deferd" },
	{ { "sendmsg", 0, 9, EPIPE }, "cannot reach deferd" },
};

START_TEST(what_lasts_is_a_503)
{
	daemon_listens();
	request("0");
	refuse = lasting[_i].refuse;
	door_starts();
	is_answered("503", lasting[_i].complaint);
}
END_TEST

/* Its backlog was full, and when there is room nobody is left. */
START_TEST(a_daemon_that_leaves_is_a_503)
{
	request("0");
	refuse = (struct refuse){ "connect", 0, 1, EAGAIN };
	door_starts();
	is_answered("503", "is deferd running?");
}
END_TEST

/* -- answering oneself ------------------------------------------------------ */

static const struct refuse while_answering[] = {
	{ NULL, 0, 0, 0 },
	{ "write", 0, 3, EINTR },
	{ "write", 1, 3, EAGAIN },
	{ "read", 0, 3, EINTR },
	{ "read", 0, 3, EAGAIN },
	{ "read", 0, 1, EIO },
	{ "poll", 0, 3, EINTR },
	{ "poll", 0, 1, ENOMEM },
	{ "fstat", 0, 1, EIO },
	{ "writev", 0, 1, EPIPE },
};

START_TEST(an_answer_is_whole)
{
	request("4");
	refuse = while_answering[_i];
	at_most = 7;
	door_starts();
	ck_assert(write(body, "body", 4) == 4 || errno == EPIPE);
	is_answered("503", NULL);
}
END_TEST

START_TEST(nobody_to_answer_is_the_end)
{
	request("0");
	refuse = (struct refuse){ "write", 0, 1, EPIPE };
	door_starts();
	ck_assert_str_eq(read_all(out), "");
	door_exits();
}
END_TEST

static const char *const lengths[] = {
	"-1", "4x", "x", ":", "/", "99999999999999999999", " 4",
};

/* The body of such a request has no end that a door could wait for. */
START_TEST(a_length_that_is_none_is_not_waited_for)
{
	request(lengths[_i]);
	door_starts();
	is_answered("503", "is deferd running?");
}
END_TEST

static const char *const deadlines[] = { "0", "10", "99999999999", "x", "" };

/* The test of what it waits is check_door's: here, that it is no error. */
START_TEST(a_deadline_that_is_none_is_the_default)
{
	daemon_listens();
	request("0");
	(void)setenv("DEFERD_DEADLINE", deadlines[_i], 1);
	door_starts();
	is_handed_over();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("door calls");
	TCase *tc = suite_case(s, "hand-over", setup, teardown);

	tcase_add_loop_test(tc, what_passes_is_tried_again, 0, N(passing));
	tcase_add_loop_test(tc, a_head_may_go_in_pieces, 0, N(pieces));
	tcase_add_test(tc, a_head_cut_short_is_not_answered_twice);
	tcase_add_loop_test(tc, what_lasts_is_a_503, 0, N(lasting));
	tcase_add_test(tc, a_daemon_that_leaves_is_a_503);
	tcase_add_loop_test(tc, a_deadline_that_is_none_is_the_default, 0,
	    N(deadlines));
	tc = suite_case(s, "answer", setup, teardown);
	tcase_add_loop_test(tc, an_answer_is_whole, 0, N(while_answering));
	tcase_add_test(tc, nobody_to_answer_is_the_end);
	tcase_add_loop_test(tc, a_length_that_is_none_is_not_waited_for, 0,
	    N(lengths));
	return suite_run(s);
}
