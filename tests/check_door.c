/*
 * check_door - defer.cgi, run as a web server runs it, against a daemon that
 * is this test: a socket in a directory of its own.
 *
 * Nothing here waits by the clock, but for the two tests of the deadline;
 * these only ask that the door did not give up before it.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <check.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc/scgi.h"
#include "tests/suite.h"

#define BODY_BYTES	300000		/* more than any pipe or socket keeps */
#define NOBODY		65534
#define CROWD		33		/* descriptors in flight */

static char dir[] = "/tmp/check_door.XXXXXX";
static char socket_path[sizeof(dir) + 16];
static char socket_env[sizeof(socket_path) + 16];
static int door_program;		/* open, so any user can run it */

/* A running door, with our ends of its descriptors. */
struct door {
	pid_t	pid;
	int	in, out, err;
	struct stat in_stat, out_stat;	/* of its stdin and stdout */
};

/* What the daemon got. */
struct handed {
	char	head[2 * SCGI_HEAD_MAX];
	size_t	len;
	int	fds[8];
	int	nfds;
};

#define ENV(...)	(const char *const[]){ socket_env, __VA_ARGS__, NULL }

/* -- the world ------------------------------------------------------------ */

static void
world_make(void)
{
	const char *top = getenv("top_builddir");
	char path[4096];

	signal(SIGPIPE, SIG_IGN);
	snprintf(path, sizeof(path), "%s/defer.cgi", top ? top : ".");
	door_program = open(path, O_PATH);
	if (door_program < 0)
		err(1, "%s", path);
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) != 0)
		err(1, "%s", dir);
	snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
	snprintf(socket_env, sizeof(socket_env), "DEFERD_SOCKET=%s",
	    socket_path);
}

static void
socket_remove(void)
{
	unlink(socket_path);
}

static void
world_remove(void)
{
	socket_remove();
	if (rmdir(dir) != 0)
		err(1, "%s", dir);
}

static struct sockaddr_un
address(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	memcpy(sun.sun_path, socket_path, sizeof(socket_path));
	return sun;
}

static int
daemon_listen(int backlog)
{
	struct sockaddr_un sun = address();
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(s, 0);
	ck_assert_int_eq(bind(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(chmod(socket_path, 0666), 0);
	ck_assert_int_eq(listen(s, backlog), 0);
	return s;
}

/* Connects until the backlog is full; gives how many it took. */
static int
backlog_fill(void)
{
	struct sockaddr_un sun = address();
	int s, n;

	for (n = 0;; n++) {
		s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
		if (connect(s, (struct sockaddr *)&sun, sizeof(sun)) != 0)
			break;
	}
	ck_assert_int_eq(errno, EAGAIN);
	close(s);
	return n;
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* -- the web server's side ------------------------------------------------ */

/* In the child: -1 is a closed descriptor.  Never comes back. */
static void
door_exec(const char *const env[], int in, int out, int err)
{
	char *argv[] = { (char *)"defer.cgi", NULL };
	const int want[3] = { in, out, err };
	int high[3];

	for (int i = 0; i < 3; i++)
		high[i] = want[i] < 0 ? -1 :
		    fcntl(want[i], F_DUPFD_CLOEXEC, 10);
	for (int i = 0; i < 3; i++) {
		close(i);
		if (high[i] >= 0 && dup2(high[i], i) < 0)
			_exit(126);
	}
	signal(SIGPIPE, SIG_DFL);
	execveat(door_program, "", argv, (char *const *)env, AT_EMPTY_PATH);
	_exit(127);
}

static pid_t
door_fork(const char *const env[], int in, int out, int err)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		door_exec(env, in, out, err);
	return pid;
}

/* As mod_cgi does: a pipe each. */
static struct door
door_start(const char *const env[])
{
	struct door d;
	int in[2], out[2], err[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(err, O_CLOEXEC), 0);
	fstat(in[0], &d.in_stat);
	fstat(out[1], &d.out_stat);
	d.pid = door_fork(env, in[0], out[1], err[1]);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	d.in = in[1];
	d.out = out[0];
	d.err = err[0];
	return d;
}

static void
door_exits(struct door *d, int status)
{
	int st;

	ck_assert_int_eq(waitpid(d->pid, &st, 0), d->pid);
	ck_assert_msg(WIFEXITED(st), "killed by signal %d", WTERMSIG(st));
	ck_assert_int_eq(WEXITSTATUS(st), status);
}

static void
door_close(struct door *d)
{
	close(d->in);
	close(d->out);
	close(d->err);
}

/* All until EOF, as text. */
static char *
read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	ck_assert_msg(n == 0, "read: %s", strerror(errno));
	text[len] = '\0';
	return text;
}

static void
write_all(int fd, size_t bytes)
{
	static const char zeros[4096];
	ssize_t n;

	for (; bytes > 0; bytes -= (size_t)n) {
		n = write(fd, zeros, bytes < sizeof(zeros) ? bytes :
		    sizeof(zeros));
		ck_assert_msg(n > 0, "%zu bytes before the end: %s", bytes,
		    strerror(errno));
	}
}

/* A whole CGI response with this status and an RFC 9457 body. */
static void
expect_problem(const char *text, const char *status)
{
	const char *body = strstr(text, "\r\n\r\n");
	char want[64];

	ck_assert_msg(body != NULL, "no head in \"%s\"", text);
	snprintf(want, sizeof(want), "Status: %s ", status);
	ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "%s", text);
	ck_assert_ptr_nonnull(strstr(text,
	    "\r\nContent-Type: application/problem+json\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nCache-Control: no-store\r\n"));
	ck_assert_int_eq(strstr(text, "\r\nRetry-After: ") != NULL,
	    strcmp(status, "503") == 0);
	for (const char *p = text; p < body; p++)
		ck_assert(*p != '\n' || p[-1] == '\r');
	snprintf(want, sizeof(want), "\"status\":%s,", status);
	ck_assert_int_eq(body[4], '{');
	ck_assert_ptr_nonnull(strstr(body, want));
	ck_assert_str_eq(body + strlen(body) - 2, "}\n");
}

static void
expect_answer(struct door *d, const char *status)
{
	char text[4096];

	expect_problem(read_all(d->out, text, sizeof(text)), status);
	door_exits(d, 0);
}

/* -- the daemon's side ---------------------------------------------------- */

static void
take_fds(struct handed *h, struct msghdr *msg)
{
	struct cmsghdr *c;

	ck_assert_int_eq(msg->msg_flags & MSG_CTRUNC, 0);
	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		ck_assert_int_eq(c->cmsg_level, SOL_SOCKET);
		ck_assert_int_eq(c->cmsg_type, SCM_RIGHTS);
		ck_assert_int_eq(h->len, 0);	/* with the first byte only */
		h->nfds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(h->fds, CMSG_DATA(c), (size_t)h->nfds * sizeof(int));
	}
}

/* Accepts one door and reads it to its end. */
static void
daemon_take(int listener, struct handed *h)
{
	int s = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char control[CMSG_SPACE(sizeof(h->fds))];
	struct iovec iov;
	struct msghdr msg;
	ssize_t n;

	ck_assert_int_ge(s, 0);
	h->len = 0;
	h->nfds = 0;
	do {
		iov = (struct iovec){ h->head + h->len,
		    sizeof(h->head) - h->len };
		msg = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1,
		    .msg_control = control, .msg_controllen = sizeof(control) };
		n = recvmsg(s, &msg, MSG_CMSG_CLOEXEC);
		ck_assert_int_ge(n, 0);
		take_fds(h, &msg);
		h->len += (size_t)n;
	} while (n > 0);
	close(s);
	ck_assert_int_eq(h->nfds, 2);
}

static void
handed_close(struct handed *h)
{
	close(h->fds[0]);
	close(h->fds[1]);
}

static void
expect_block(const struct handed *h, const char *block, size_t len)
{
	char want[256];
	int n = snprintf(want, sizeof(want), "%zu:", len);

	ck_assert_int_eq(h->len, (size_t)n + len + 1);
	ck_assert_mem_eq(h->head, want, n);
	ck_assert_mem_eq(h->head + n, block, len);
	ck_assert_int_eq(h->head[h->len - 1], ',');
}

/* Runs a door with this environment and looks at its head. */
static void
expect_head(const char *const env[], const char *block, size_t len)
{
	static struct handed h;
	int listener = daemon_listen(8);
	struct door d = door_start(env);

	daemon_take(listener, &h);
	door_exits(&d, 0);
	expect_block(&h, block, len);
	handed_close(&h);
	door_close(&d);
	close(listener);
	socket_remove();
}

/* The literal brings the last NUL. */
#define EXPECT_HEAD(env, block)	expect_head(env, block, sizeof(block))

/* -- the head ------------------------------------------------------------- */

START_TEST(head_is_the_environment)
{
	EXPECT_HEAD(ENV("REQUEST_METHOD=POST", "CONTENT_LENGTH=5",
	    "PATH_INFO=/a=b", "QUERY_STRING="),
	    "CONTENT_LENGTH\0" "5\0" "SCGI\0" "1\0" "REQUEST_METHOD\0" "POST\0"
	    "PATH_INFO\0" "/a=b\0" "QUERY_STRING\0");
}
END_TEST

START_TEST(length_is_zero_if_absent_or_empty)
{
	EXPECT_HEAD(ENV("A=b"), "CONTENT_LENGTH\0" "0\0" "SCGI\0" "1\0"
	    "A\0" "b");
	EXPECT_HEAD(ENV("CONTENT_LENGTH="), "CONTENT_LENGTH\0" "0\0"
	    "SCGI\0" "1");
}
END_TEST

START_TEST(length_is_absent_if_chunked)
{
	EXPECT_HEAD(ENV("HTTP_TRANSFER_ENCODING=chunked"),
	    "SCGI\0" "1\0" "HTTP_TRANSFER_ENCODING\0" "chunked");
	EXPECT_HEAD(ENV("HTTP_TRANSFER_ENCODING=chunked", "CONTENT_LENGTH=7"),
	    "CONTENT_LENGTH\0" "7\0" "SCGI\0" "1\0"
	    "HTTP_TRANSFER_ENCODING\0" "chunked");
}
END_TEST

START_TEST(own_settings_stay_at_home)
{
	EXPECT_HEAD(ENV("DEFERD_DEADLINE=3", "SCGI=0", "DEFERD_=x",
	    "DEFERDX=y", "SCGI_X=z", "CONTENT_LENGTH_X=1"),
	    "CONTENT_LENGTH\0" "0\0" "SCGI\0" "1\0" "DEFERDX\0" "y\0"
	    "SCGI_X\0" "z\0" "CONTENT_LENGTH_X\0" "1");
}
END_TEST

/* The daemon judges and filters, in one place; the door changes nothing. */
START_TEST(values_pass_untouched)
{
	EXPECT_HEAD(ENV("HTTP_PROXY=http://evil", "PATH_INFO=/a\nb\x7f\xff",
	    "a b=c"),
	    "CONTENT_LENGTH\0" "0\0" "SCGI\0" "1\0" "HTTP_PROXY\0"
	    "http://evil\0" "PATH_INFO\0" "/a\nb\x7f\xff\0" "a b\0" "c");
}
END_TEST

START_TEST(no_variables_are_skipped)
{
	EXPECT_HEAD(ENV("no-equals", "=no name", "", "A=1"),
	    "CONTENT_LENGTH\0" "0\0" "SCGI\0" "1\0" "A\0" "1");
}
END_TEST

/* An environment whose block is `bytes` long, in one variable more. */
static const char *const *
env_of_bytes(size_t bytes)
{
	static const char *env[3];
	size_t frame = sizeof("CONTENT_LENGTH\0" "0\0" "SCGI\0" "1\0" "X\0");
	char *x = malloc(bytes);

	ck_assert_ptr_nonnull(x);
	memset(x, 'x', bytes);
	x[0] = 'X';
	x[1] = '=';
	x[2 + bytes - frame] = '\0';
	env[0] = socket_env;
	env[1] = x;
	return env;
}

static const char *const *
env_of_vars(int vars)
{
	static const char *env[SCGI_VARS_MAX + 8];

	vars -= 2;			/* CONTENT_LENGTH, SCGI */
	env[0] = socket_env;
	for (int i = 1; i <= vars; i++)
		env[i] = "X=y";
	env[vars + 1] = NULL;
	return env;
}

static void
expect_fits(const char *const env[])
{
	static struct handed h;
	int listener = daemon_listen(8);
	struct door d = door_start(env);
	struct scgi scgi;
	size_t head_bytes;
	const char *why = "";

	daemon_take(listener, &h);
	door_exits(&d, 0);
	ck_assert_msg(scgi_parse(h.head, h.len, &scgi, &head_bytes, &why) ==
	    SCGI_DONE, "%s", why);
	ck_assert_int_eq(head_bytes, h.len);
	handed_close(&h);
	door_close(&d);
	close(listener);
	socket_remove();
}

START_TEST(largest_head_passes)
{
	expect_fits(env_of_bytes(SCGI_HEAD_MAX));
	expect_fits(env_of_vars(SCGI_VARS_MAX));
}
END_TEST

static void
expect_431(const char *const env[])
{
	int listener = daemon_listen(8);
	struct door d = door_start(env);
	struct pollfd p = { .fd = listener, .events = POLLIN };

	expect_answer(&d, "431");
	ck_assert_int_eq(poll(&p, 1, 0), 0);	/* nobody came */
	door_close(&d);
	close(listener);
	socket_remove();
}

START_TEST(larger_head_is_refused)
{
	expect_431(env_of_bytes(SCGI_HEAD_MAX + 1));
	expect_431(env_of_vars(SCGI_VARS_MAX + 1));
}
END_TEST

/* -- the hand-over -------------------------------------------------------- */

static bool
same_file(int fd, const struct stat *want)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == want->st_dev &&
	    st.st_ino == want->st_ino;
}

START_TEST(stdin_and_stdout_arrive)
{
	static struct handed h;
	int listener = daemon_listen(8);
	struct door d = door_start(ENV("CONTENT_LENGTH=4"));
	char text[64];

	daemon_take(listener, &h);
	ck_assert(same_file(h.fds[0], &d.in_stat));
	ck_assert(same_file(h.fds[1], &d.out_stat));
	door_exits(&d, 0);

	ck_assert_int_eq(write(d.in, "body", 4), 4);
	ck_assert_int_eq(read(h.fds[0], text, sizeof(text)), 4);
	ck_assert_int_eq(write(h.fds[1], "answer", 6), 6);
	handed_close(&h);
	ck_assert_str_eq(read_all(d.out, text, sizeof(text)), "answer");
}
END_TEST

/* As with a daemon that is stopped: it only listens. */
START_TEST(gone_before_anything_is_answered)
{
	static struct handed h;
	int listener = daemon_listen(8);
	struct door d = door_start(ENV("CONTENT_LENGTH=4"));
	char text[64];

	door_exits(&d, 0);
	daemon_take(listener, &h);
	ck_assert_int_eq(write(h.fds[1], "late", 4), 4);
	handed_close(&h);
	ck_assert_str_eq(read_all(d.out, text, sizeof(text)), "late");
	ck_assert_str_eq(read_all(d.err, text, sizeof(text)), "");
}
END_TEST

START_TEST(full_backlog_is_waited_for)
{
	static struct handed h;
	int listener = daemon_listen(1), taken = backlog_fill();
	struct door d = door_start(ENV("CONTENT_LENGTH=0"));

	for (; taken > 0; taken--)
		close(accept(listener, NULL, NULL));
	daemon_take(listener, &h);
	door_exits(&d, 0);
}
END_TEST

/*
 * With more descriptors of its user in flight than it may open, sendmsg()
 * fails with ETOOMANYREFS; the door tries again until some have landed.
 */
static void
send_fd(int to, int fd)
{
	char control[CMSG_SPACE(sizeof(int))], byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	ck_assert_int_eq(sendmsg(to, &msg, 0), 1);
}

/*
 * A pair of sockets with more in flight between them than doors from now on
 * may have; as another user, since root has no such limit.
 */
static void
crowd(int pair[2])
{
	struct rlimit limit = { CROWD - 1, CROWD - 1 };

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    pair), 0);
	if (getuid() == 0) {
		ck_assert_int_eq(setgid(NOBODY), 0);
		ck_assert_int_eq(setuid(NOBODY), 0);
	}
	for (int n = 0; n < CROWD; n++)
		send_fd(pair[0], pair[0]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(too_many_in_flight_is_a_503)
{
	int pair[2];
	struct door d;

	daemon_listen(8);
	crowd(pair);
	d = door_start(ENV("DEFERD_DEADLINE=1"));
	expect_answer(&d, "503");
}
END_TEST

START_TEST(too_many_in_flight_is_waited_for)
{
	static struct handed h;
	int listener = daemon_listen(8), pair[2];
	struct pollfd p = { .events = POLLIN };
	struct door d;
	char byte;

	crowd(pair);
	d = door_start(ENV("A=b"));
	p.fd = listener;
	ck_assert_int_eq(poll(&p, 1, -1), 1);	/* connected, cannot send */
	p.fd = d.out;
	ck_assert_int_eq(poll(&p, 1, 100), 0);	/* and does not give up */
	/* received without room for descriptors, they are gone */
	for (int n = 0; n < CROWD; n++)
		ck_assert_int_eq(recv(pair[1], &byte, 1, 0), 1);
	daemon_take(listener, &h);
	door_exits(&d, 0);
}
END_TEST

/* -- standard descriptors that are closed --------------------------------- */

START_TEST(closed_stdin_is_an_empty_body)
{
	static struct handed h;
	int listener = daemon_listen(8), out[2], st;
	struct stat null;
	char text[64];
	pid_t pid;

	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	pid = door_fork(ENV("A=b"), -1, out[1], -1);
	close(out[1]);
	daemon_take(listener, &h);
	ck_assert_int_eq(waitpid(pid, &st, 0), pid);
	ck_assert_int_eq(st, 0);
	ck_assert_int_eq(stat("/dev/null", &null), 0);
	ck_assert(same_file(h.fds[0], &null));
	ck_assert_int_eq(write(h.fds[1], "ok", 2), 2);
	handed_close(&h);
	ck_assert_str_eq(read_all(out[0], text, sizeof(text)), "ok");
}
END_TEST

START_TEST(closed_stdout_makes_no_task)
{
	int listener = daemon_listen(8), err[2], st;
	struct pollfd p = { .fd = listener, .events = POLLIN };
	char text[256];
	pid_t pid;

	ck_assert_int_eq(pipe2(err, O_CLOEXEC), 0);
	pid = door_fork(ENV("A=b"), STDIN_FILENO, -1, err[1]);
	close(err[1]);
	ck_assert_int_eq(waitpid(pid, &st, 0), pid);
	ck_assert(WIFEXITED(st) && WEXITSTATUS(st) == 1);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	ck_assert_ptr_nonnull(strstr(read_all(err[0], text, sizeof(text)),
	    "stdout"));
}
END_TEST

/* -- 503 ------------------------------------------------------------------ */

static void
expect_503(const char *const env[], const char *complaint)
{
	struct door d = door_start(env);
	char text[1024];

	expect_answer(&d, "503");
	ck_assert_msg(strstr(read_all(d.err, text, sizeof(text)), complaint) !=
	    NULL, "%s", text);
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	door_close(&d);
}

START_TEST(no_daemon_is_a_503)
{
	char long_env[512];

	expect_503(ENV("A=b"), "is deferd running?");	/* no file */
	close(daemon_listen(8));
	expect_503(ENV("A=b"), socket_path);		/* a dead socket */

	memset(long_env, 'x', sizeof(long_env));
	memcpy(long_env, "DEFERD_SOCKET=", 14);
	long_env[sizeof(long_env) - 1] = '\0';
	expect_503((const char *const[]){ long_env, NULL }, "too long");
}
END_TEST

/* Skipped where a daemon may be serving at that path. */
START_TEST(compiled_in_path_is_the_default)
{
	const char *const none[] = { NULL };
	const char *const empty[] = { "DEFERD_SOCKET=", NULL };

	if (access(DEFERD_SOCKET_PATH, F_OK) == 0)
		return;
	expect_503(none, DEFERD_SOCKET_PATH);
	expect_503(empty, DEFERD_SOCKET_PATH);
}
END_TEST

START_TEST(never_accepting_is_a_503)
{
	int64_t start, took;

	daemon_listen(0);
	backlog_fill();
	start = now_ms();
	expect_503(ENV("DEFERD_DEADLINE=1"), "deadline");
	took = now_ms() - start;
	ck_assert_int_ge(took, 1000);
	ck_assert_int_lt(took, 10000);	/* the default */
}
END_TEST

/*
 * The body is read to its end before the answer comes: whoever writes it
 * sees no broken pipe; and what a chunked body's EOF is to the one, a
 * CONTENT_LENGTH is to the other, whose pipe stays open.
 */
START_TEST(body_is_drained_first)
{
	char text[4096];
	struct door d;

	d = door_start(ENV("CONTENT_LENGTH=300000"));
	write_all(d.in, BODY_BYTES - 1);
	ck_assert_int_eq(poll(&(struct pollfd){ .fd = d.out,
	    .events = POLLIN }, 1, 0), 0);
	write_all(d.in, 1);
	expect_answer(&d, "503");
	door_close(&d);

	d = door_start(ENV("HTTP_TRANSFER_ENCODING=chunked"));
	write_all(d.in, BODY_BYTES);
	close(d.in);
	expect_answer(&d, "503");
	ck_assert_ptr_nonnull(strstr(read_all(d.err, text, sizeof(text)),
	    "is deferd running?"));
}
END_TEST

START_TEST(body_is_drained_before_431)
{
	const char **env = (const char **)env_of_vars(SCGI_VARS_MAX + 2);
	struct door d;

	env[1] = "CONTENT_LENGTH=300000";
	d = door_start(env);
	write_all(d.in, BODY_BYTES);
	expect_answer(&d, "431");
}
END_TEST

/* mod_cgid: one socket is stdin and stdout; unread bytes would reset it. */
START_TEST(answer_survives_on_one_socket)
{
	struct door d = { 0 };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    pair), 0);
	d.pid = door_fork(ENV("CONTENT_LENGTH=300000"), pair[1], pair[1], -1);
	close(pair[1]);
	write_all(pair[0], BODY_BYTES);
	d.out = pair[0];
	expect_answer(&d, "503");
}
END_TEST

/* A client that stops sending is not waited for beyond the deadline. */
START_TEST(stalled_body_is_given_up)
{
	struct door d = door_start(ENV("CONTENT_LENGTH=5",
	    "DEFERD_DEADLINE=1"));

	write_all(d.in, 4);
	expect_answer(&d, "503");
}
END_TEST

/* lighttpd gives the body as a file; nobody waits for it to be read. */
START_TEST(file_is_left_unread)
{
	char text[4096];
	int out[2], st, file = memfd_create("body", MFD_CLOEXEC);
	pid_t pid;

	write_all(file, 100);
	ck_assert_int_eq(lseek(file, 0, SEEK_SET), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	pid = door_fork(ENV("CONTENT_LENGTH=100"), file, out[1], -1);
	close(out[1]);
	expect_problem(read_all(out[0], text, sizeof(text)), "503");
	ck_assert_int_eq(waitpid(pid, &st, 0), pid);
	ck_assert_int_eq(lseek(file, 0, SEEK_CUR), 0);
}
END_TEST

/* -- */

static void
add_case(Suite *suite, const char *name, const TTest *const tests[])
{
	TCase *tc = suite_case(suite, name, socket_remove, NULL);

	tcase_set_timeout(tc, 30);
	for (; *tests != NULL; tests++)
		tcase_add_test(tc, *tests);
}

int
main(void)
{
	const TTest *const head[] = {
		head_is_the_environment, length_is_zero_if_absent_or_empty,
		length_is_absent_if_chunked, own_settings_stay_at_home,
		values_pass_untouched, no_variables_are_skipped,
		largest_head_passes, larger_head_is_refused, NULL
	};
	const TTest *const hand_over[] = {
		stdin_and_stdout_arrive, gone_before_anything_is_answered,
		full_backlog_is_waited_for, too_many_in_flight_is_waited_for,
		too_many_in_flight_is_a_503, closed_stdin_is_an_empty_body,
		closed_stdout_makes_no_task, NULL
	};
	const TTest *const unavailable[] = {
		no_daemon_is_a_503, compiled_in_path_is_the_default,
		never_accepting_is_a_503, body_is_drained_first,
		body_is_drained_before_431, answer_survives_on_one_socket,
		stalled_body_is_given_up, file_is_left_unread, NULL
	};
	Suite *suite = suite_create("door");
	int failed;

	world_make();
	add_case(suite, "head", head);
	add_case(suite, "hand-over", hand_over);
	add_case(suite, "503", unavailable);
	failed = suite_run(suite);
	world_remove();
	return failed;
}
