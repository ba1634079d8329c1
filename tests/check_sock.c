/*
 * check_sock - listening beside the living and the dead, descriptors on the
 * way.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/frame.h"
#include "ipc/sock.h"
#include "tests/fds.h"
#include "tests/refuse.h"
#include "tests/suite.h"

#define TEMPLATE "/tmp/check_sock.XXXXXX"

static char dir[sizeof(TEMPLATE)];
static char path[sizeof(dir) + 8];

static void
setup(void)
{
	strcpy(dir, TEMPLATE);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
}

static void
teardown(void)
{
	unlink(path);
	/* fails if anything else was left behind: a lock, say */
	ck_assert_int_eq(rmdir(dir), 0);
}

static int
listen_at(const char *where)
{
	return sock_listen(where, 0660, (gid_t)-1);
}

/* A socket file whose owner is gone. */
static void
leave_dead(int type)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	strcpy(sun.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
}

START_TEST(listen_and_connect)
{
	int l, c, s;
	struct stat st;
	uid_t uid = 12345;
	gid_t gid = 12345;
	pid_t pid = 0;

	umask(077);			/* the mode asked for is the mode */
	ck_assert_int_ge(l = sock_listen(path, 0660, getgid()), 0);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_int_eq(st.st_mode & 07777, 0660);
	ck_assert_int_eq(st.st_gid, getgid());
	ck_assert_int_ne(fcntl(l, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(l, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(accept(l, NULL, NULL), -1);
	ck_assert_int_eq(errno, EAGAIN);

	ck_assert_int_ge(c = sock_connect(path), 0);
	ck_assert_int_ne(fcntl(c, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(fcntl(c, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ge(s = accept(l, NULL, NULL), 0);
	ck_assert_int_eq(sock_peer(s, &uid, &gid, &pid), 0);
	ck_assert_int_eq(uid, geteuid());
	ck_assert_int_eq(gid, getegid());
	ck_assert_int_eq(pid, getpid());
	ck_assert_int_eq(sock_peer(-1, &uid, &gid, &pid), -1);
	close(s);
	close(c);
	close(l);
}
END_TEST

START_TEST(mode_is_not_the_umask)
{
	struct stat st;
	int l;

	umask(0);
	ck_assert_int_ge(l = sock_listen(path, 0600, (gid_t)-1), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	close(l);
}
END_TEST

START_TEST(group)
{
	struct stat st;
	int l;

	if (geteuid() != 0)
		return;
	ck_assert_int_ge(l = sock_listen(path, 0660, 12345), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_gid, 12345);
	ck_assert_int_eq(st.st_mode & 07777, 0660);
	close(l);
}
END_TEST

START_TEST(the_dead_are_replaced)
{
	int l, c;

	leave_dead(SOCK_STREAM);
	ck_assert_int_eq(sock_connect(path), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_int_ge(l = listen_at(path), 0);
	ck_assert_int_ge(c = sock_connect(path), 0);
	close(c);
	close(l);
	ck_assert_int_ge(l = listen_at(path), 0);
	close(l);
}
END_TEST

START_TEST(the_living_are_not)
{
	struct stat before, after;
	int l, c, i;

	ck_assert_int_ge(l = listen_at(path), 0);
	ck_assert_int_eq(stat(path, &before), 0);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(listen_at(path), -1);
		ck_assert_int_eq(errno, EADDRINUSE);
	}
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_int_ge(c = sock_connect(path), 0);
	close(c);
	close(l);
}
END_TEST

/* Until so many have come, or it makes no sense to wait for more. */
static void
let_in(int l, int n)
{
	struct pollfd p = { .fd = l, .events = POLLIN };

	while (n-- > 0 && poll(&p, 1, 10000) == 1)
		if (accept(l, NULL, NULL) == -1)
			break;
}

/*
 * The one who listened is dead, and is a zombie yet; what it has started
 * holds the socket until somebody has tried to take the path: he waits, and is
 * not refused.  (Where pidfd_open() is not known, as in valgrind 3.19, he is.)
 */
START_TEST(the_dying_are_waited_for)
{
	int l, c;
	pid_t pid;

	if (in_valgrind())
		return;
	ck_assert_int_ge(pid = fork(), 0);
	if (pid == 0) {
		l = listen_at(path);
		if (fork() > 0)
			_exit(l < 0);
		let_in(l, 2);		/* the test; and who looks for life */
		_exit(0);
	}
	while (waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT) == -1)
		;
	ck_assert_int_ge(c = sock_connect(path), 0);
	close(c);
	ck_assert_int_ge(l = listen_at(path), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(l);
}
END_TEST

/* Busy is not dead: a full backlog makes connect() fail, too. */
START_TEST(a_full_backlog_lives)
{
	int l, c[4], i;

	ck_assert_int_ge(l = listen_at(path), 0);
	ck_assert_int_eq(listen(l, 0), 0);
	for (i = 0; i < 4; i++) {
		struct sockaddr_un sun = { .sun_family = AF_UNIX };

		strcpy(sun.sun_path, path);
		c[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(c[i], (struct sockaddr *)&sun, sizeof(sun)) == -1)
			ck_assert_int_eq(errno, EAGAIN);
	}
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(listen_at(path), -1);
	ck_assert_int_eq(errno, EADDRINUSE);
	for (i = 0; i < 4; i++)
		close(c[i]);
	close(l);
}
END_TEST

START_TEST(another_kind_of_socket)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	strcpy(sun.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(listen_at(path), -1);
	ck_assert_int_eq(errno, EADDRINUSE);
	close(fd);
}
END_TEST

START_TEST(something_else_there)
{
	struct stat st;
	int fd, before = open_fds();

	ck_assert_int_ge(fd = open(path, O_CREAT | O_WRONLY, 0600), 0);
	close(fd);
	ck_assert_int_eq(listen_at(path), -1);
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_int_eq(unlink(path), 0);

	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(listen_at(path), -1);
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_int_eq(rmdir(path), 0);

	ck_assert_int_eq(symlink("/nowhere", path), 0);
	ck_assert_int_eq(listen_at(path), -1);
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(bad_paths)
{
	struct sockaddr_un sun;
	char text[sizeof(sun.sun_path) + 1];
	int fd, before = open_fds();

	memset(text, 'x', sizeof(text));
	memcpy(text, path, strlen(path));
	text[sizeof(text) - 1] = '\0';		/* one more than fits */
	ck_assert_int_eq(listen_at(text), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	ck_assert_int_eq(sock_connect(text), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	text[sizeof(text) - 2] = '\0';		/* just fits */
	ck_assert_int_ge(fd = listen_at(text), 0);
	close(fd);
	unlink(text);

	ck_assert_int_eq(listen_at(""), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(sock_connect(""), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(sock_connect(path), -1);
	ck_assert_int_eq(errno, ENOENT);
	snprintf(text, sizeof(text), "%s/none/s", dir);
	ck_assert_int_eq(listen_at(text), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

/* Many start in one moment over a dead socket: exactly one serves. */
START_TEST(one_of_many_starters)
{
	enum { STARTERS = 12 };
	int go[2], hold[2], i, status, won = 0, c;
	pid_t pids[STARTERS];
	char byte;

	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pipe(i ? go : hold), 0);
	leave_dead(SOCK_STREAM);
	for (i = 0; i < STARTERS; i++) {
		ck_assert_int_ge(pids[i] = fork(), 0);
		if (pids[i] != 0)
			continue;
		close(hold[1]);
		close(go[1]);
		if (read(go[0], &byte, 1) != 0)
			_exit(3);
		if (listen_at(path) >= 0) {
			/* serves until the others have tried */
			_exit(read(hold[0], &byte, 1) == 0 ? 0 : 3);
		}
		_exit(errno == EADDRINUSE ? 1 : 2);
	}
	close(go[1]);
	for (i = 0; i < STARTERS - 1; i++) {	/* all but the winner end */
		ck_assert_int_gt(wait(&status), 0);
		ck_assert(WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), 1);
	}
	ck_assert_int_ge(c = sock_connect(path), 0);
	close(c);
	close(hold[1]);
	ck_assert_int_gt(wait(&status), 0);
	won += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	ck_assert_int_eq(won, 1);
	close(hold[0]);
	close(go[0]);
}
END_TEST

/* A starter that died half-way leaves its lock file; it binds nobody. */
START_TEST(a_stale_lock)
{
	char lock[sizeof(path) + 8];
	int l, fd;

	snprintf(lock, sizeof(lock), "%s.lock", path);
	ck_assert_int_ge(fd = open(lock, O_CREAT | O_WRONLY, 0600), 0);
	close(fd);
	ck_assert_int_ge(l = listen_at(path), 0);
	ck_assert_int_eq(access(lock, F_OK), -1);
	close(l);
}
END_TEST

START_TEST(a_frame_of_full_size)
{
	static char out[FRAME_MAX], in[FRAME_MAX + 1];
	struct iovec iov = { .iov_base = out, .iov_len = sizeof(out) };
	int p[2], fds[SOCK_FDS_MAX], n, way;
	bool cut;

	ck_assert_int_eq(sock_pair(p), 0);
	ck_assert_int_ne(fcntl(p[0], F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(p[1], F_GETFD) & FD_CLOEXEC, 0);
	for (way = 0; way < 2; way++) {
		memset(out, 'a' + way, sizeof(out));
		ck_assert_int_eq(sock_send(p[way], &iov, 1, NULL, 0,
		    MSG_DONTWAIT), FRAME_MAX);
		ck_assert_int_eq(sock_recv(p[!way], in, sizeof(in), 0, fds,
		    &n, &cut), FRAME_MAX);
		ck_assert_mem_eq(in, out, FRAME_MAX);
		ck_assert_int_eq(n, 0);
		ck_assert(!cut);
	}
	close(p[0]);
	close(p[1]);
}
END_TEST

/* An ordinary user gets the room as well. */
START_TEST(a_pair_for_anybody)
{
	static char out[FRAME_MAX];
	struct iovec iov = { .iov_base = out, .iov_len = sizeof(out) };
	int p[2];

	if (geteuid() == 0)
		ck_assert_int_eq(setuid(65534), 0);
	ck_assert_int_eq(sock_pair(p), 0);
	ck_assert_int_eq(sock_send(p[0], &iov, 1, NULL, 0, MSG_DONTWAIT),
	    FRAME_MAX);
	close(p[0]);
	close(p[1]);
}
END_TEST

START_TEST(packets_keep_their_edges)
{
	struct iovec iov[2] = { { (void *)"ab", 2 }, { (void *)"cde", 3 } };
	int p[2], fds[SOCK_FDS_MAX], n;
	char in[16];
	bool cut;

	ck_assert_int_eq(sock_pair(p), 0);
	ck_assert_int_eq(sock_send(p[0], iov, 2, NULL, 0, 0), 5);
	ck_assert_int_eq(sock_send(p[0], iov, 1, NULL, 0, 0), 2);
	ck_assert_int_eq(sock_send(p[0], iov, 2, NULL, 0, 0), 5);
	ck_assert_int_eq(sock_recv(p[1], in, 16, 0, fds, &n, &cut), 5);
	ck_assert_mem_eq(in, "abcde", 5);
	ck_assert_int_eq(sock_recv(p[1], in, 16, 0, fds, &n, &cut), 2);
	ck_assert(!cut);
	ck_assert_int_eq(sock_recv(p[1], in, 4, 0, fds, &n, &cut), 4);
	ck_assert(cut);
	ck_assert_int_eq(sock_recv(p[1], in, 4, MSG_DONTWAIT, fds, &n, &cut),
	    -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(n, 0);
	close(p[0]);
	ck_assert_int_eq(sock_recv(p[1], in, 4, 0, fds, &n, &cut), 0);
	ck_assert_int_eq(sock_send(p[1], iov, 1, NULL, 0, 0), -1);
	ck_assert_int_eq(errno, EPIPE);
	close(p[1]);
}
END_TEST

/* On a stream the kernel would send SIGPIPE, which ends this process. */
START_TEST(no_sigpipe)
{
	struct iovec iov = { .iov_base = (void *)"x", .iov_len = 1 };
	int p[2];

	signal(SIGPIPE, SIG_DFL);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	close(p[0]);
	ck_assert_int_eq(sock_send(p[1], &iov, 1, NULL, 0, 0), -1);
	ck_assert_int_eq(errno, EPIPE);
	close(p[1]);
}
END_TEST

/* 0 to SOCK_FDS_MAX descriptors arrive, in order, close-on-exec. */
START_TEST(descriptors)
{
	struct iovec iov = { .iov_base = (void *)"x", .iov_len = 1 };
	int p[2], q[2], out[SOCK_FDS_MAX], in[SOCK_FDS_MAX], i, n = -1;
	int before;
	char byte[8];
	bool cut;

	ck_assert_int_eq(_i % 2 ? sock_pair(p) :
	    socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	ck_assert_int_eq(pipe(q), 0);
	for (i = 0; i < SOCK_FDS_MAX; i++)
		out[i] = q[i % 2];
	before = open_fds();
	ck_assert_int_eq(sock_send(p[0], &iov, 1, out, _i / 2, 0), 1);
	ck_assert_int_eq(sock_recv(p[1], byte, 8, 0, in, &n, &cut), 1);
	ck_assert_int_eq(n, _i / 2);
	ck_assert(!cut);
	ck_assert_int_eq(open_fds(), before + n);
	for (i = 0; i < n; i++) {
		struct stat a, b;

		ck_assert_int_ne(fcntl(in[i], F_GETFD) & FD_CLOEXEC, 0);
		ck_assert_int_eq(fstat(in[i], &a), 0);
		ck_assert_int_eq(fstat(out[i], &b), 0);
		ck_assert_uint_eq(a.st_ino, b.st_ino);
		ck_assert_int_eq(fcntl(in[i], F_GETFL) & O_ACCMODE,
		    i % 2 ? O_WRONLY : O_RDONLY);
		close(in[i]);
	}
	for (i = 0; i < 2; i++) {
		close(p[i]);
		close(q[i]);
	}
}
END_TEST

/* More descriptors than there is room for: none is kept, none leaks. */
START_TEST(too_many_descriptors)
{
	enum { MANY = SOCK_FDS_MAX + 5 };
	union {
		struct cmsghdr	 head;
		char		 space[CMSG_SPACE(MANY * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { .iov_base = (void *)"x", .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control) };
	int p[2], in[SOCK_FDS_MAX], i, n = -1, before, fds[MANY];
	char byte;
	bool cut = false;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	for (i = 0; i < MANY; i++)
		fds[i] = p[0];
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&control.head), fds, sizeof(fds));
	before = open_fds();
	ck_assert_int_eq(sendmsg(p[0], &msg, 0), 1);
	ck_assert_int_eq(sock_recv(p[1], &byte, 1, 0, in, &n, &cut), 1);
	ck_assert(cut);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(open_fds(), before);
	close(p[0]);
	close(p[1]);
}
END_TEST

/* A packet that is cut takes its descriptors with it. */
START_TEST(cut_packet_with_descriptors)
{
	struct iovec iov = { .iov_base = (void *)"xyz", .iov_len = 3 };
	int p[2], in[SOCK_FDS_MAX], n = -1, before;
	char byte;
	bool cut = false;

	ck_assert_int_eq(sock_pair(p), 0);
	before = open_fds();
	ck_assert_int_eq(sock_send(p[0], &iov, 1, p, 2, 0), 3);
	ck_assert_int_eq(sock_recv(p[1], &byte, 1, 0, in, &n, &cut), 1);
	ck_assert(cut);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(open_fds(), before);
	close(p[0]);
	close(p[1]);
}
END_TEST

/* -- what the kernel may refuse -------------------------------------------- */

/* What stands at the path before sock_listen(). */
enum before { NOTHING, DEAD, LIVING };

static const struct refusal {
	enum before	before;
	struct refuse	refuse;
	int		error;		/* 0: it helps itself */
} refusals[] = {
	{ NOTHING, { "flock", 0, 1, ENOLCK }, ENOLCK },
	{ NOTHING, { "flock", 0, 1, EINTR }, 0 },
	{ NOTHING, { "fstat", 0, 1, EIO }, EIO },
	{ NOTHING, { "stat", 0, 1, ENOENT }, 0 },
	{ NOTHING, { "lstat", 0, 1, EACCES }, EACCES },
	{ NOTHING, { "socket", 0, 1, EMFILE }, EMFILE },
	{ NOTHING, { "fchmod", 0, 1, EPERM }, EPERM },
	{ NOTHING, { "bind", 0, 1, EADDRINUSE }, EADDRINUSE },
	{ NOTHING, { "lchown", 0, 1, EPERM }, EPERM },
	{ NOTHING, { "chmod", 0, 1, EPERM }, EPERM },
	{ NOTHING, { "listen", 0, 1, ENOBUFS }, ENOBUFS },
	{ DEAD, { "socket", 0, 1, EMFILE }, EMFILE },
	{ DEAD, { "socket", 1, 1, EMFILE }, EMFILE },
	{ DEAD, { "connect", 0, 1, EACCES }, EACCES },
	{ DEAD, { "connect", 0, 2, EINTR }, 0 },
	{ DEAD, { "connect", 0, 1, EAGAIN }, EADDRINUSE },
	{ DEAD, { "connect", 0, 1, EPROTOTYPE }, EADDRINUSE },
	{ DEAD, { "connect", 0, 1, ENOENT }, 0 },
	{ DEAD, { "unlink", 0, 1, EPERM }, EPERM },
	{ LIVING, { "getsockopt", 0, 1, ENOTSUP }, EADDRINUSE },
	{ LIVING, { "pidfd_open", 0, 1, ENOSYS }, EADDRINUSE },
	{ LIVING, { "pidfd_open", 0, 1, ESRCH }, EADDRINUSE },
};

START_TEST(refused_while_listening)
{
	const struct refusal *r = &refusals[_i];
	char lock[sizeof(path) + 8];
	int living = -1, before, fd;

	snprintf(lock, sizeof(lock), "%s.lock", path);
	if (r->before == DEAD)
		leave_dead(SOCK_STREAM);
	else if (r->before == LIVING)
		living = listen_at(path);
	before = open_fds();
	refuse = r->refuse;
	fd = sock_listen(path, 0660, getgid());
	refuse.call = NULL;
	if (r->error == 0) {
		ck_assert_int_ge(fd, 0);
		close(fd);
	} else {
		ck_assert_int_eq(errno, r->error);
		ck_assert_int_eq(fd, -1);
	}
	ck_assert_int_eq(open_fds(), before);
	/* Who could not lock it does not remove it: it may be another's. */
	if (r->error == ENOLCK || r->error == EIO)
		ck_assert_int_eq(unlink(lock), 0);
	if (living != -1)
		close(living);
}
END_TEST

START_TEST(refused_while_connecting)
{
	int l = listen_at(path), before = open_fds(), fd;

	refuse = (struct refuse){ "socket", 0, 1, EMFILE };
	ck_assert_int_eq(sock_connect(path), -1);
	ck_assert_int_eq(errno, EMFILE);
	refuse = (struct refuse){ "connect", 0, 1, ECONNREFUSED };
	ck_assert_int_eq(sock_connect(path), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_int_eq(open_fds(), before);
	refuse = (struct refuse){ "connect", 0, 1, EINTR };
	fd = sock_connect(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(l);
}
END_TEST

/* Of SO_SNDBUFFORCE only the superuser may make use; without SO_SNDBUF, nobody. */
START_TEST(refused_a_pair)
{
	static const struct refuse no[] = {
		{ "socketpair", 0, 1, ENFILE }, { "setsockopt", 0, 2, EPERM },
		{ "getsockopt", 0, 1, EINVAL }, { "getsockopt", 1, 1, EINVAL },
	};
	int before = open_fds(), fds[2] = { -1, -1 };

	refuse = no[_i];
	ck_assert_int_eq(sock_pair(fds), -1);
	ck_assert_int_eq(errno, no[_i].error);
	ck_assert_int_eq(fds[0], -1);
	ck_assert_int_eq(fds[1], -1);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(interrupted_messages)
{
	struct iovec iov = { .iov_base = "hello", .iov_len = 5 };
	int fds[2], got[SOCK_FDS_MAX], nfds;
	bool truncated;
	char text[8];

	ck_assert_int_eq(sock_pair(fds), 0);
	refuse = (struct refuse){ "sendmsg", 0, 2, EINTR };
	ck_assert_int_eq(sock_send(fds[0], &iov, 1, NULL, 0, 0), 5);
	refuse = (struct refuse){ "recvmsg", 0, 2, EINTR };
	ck_assert_int_eq(sock_recv(fds[1], text, sizeof(text), 0, got, &nfds,
	    &truncated), 5);
	refuse = (struct refuse){ "recvmsg", 0, 1, ENOMEM };
	ck_assert_int_eq(sock_recv(fds[1], text, sizeof(text), 0, got, &nfds,
	    &truncated), -1);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_eq(nfds, 0);
	refuse = (struct refuse){ "getsockopt", 0, 1, EBADF };
	ck_assert_int_eq(sock_peer(fds[0], &(uid_t){ 0 }, &(gid_t){ 0 },
	    &(pid_t){ 0 }), -1);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sock");
	TCase *t = suite_case(s, "listen", setup, teardown);
	TCase *u = suite_case(s, "messages", NULL, NULL);

	tcase_add_test(t, listen_and_connect);
	tcase_add_test(t, mode_is_not_the_umask);
	tcase_add_test(t, group);
	tcase_add_test(t, the_dead_are_replaced);
	tcase_add_test(t, the_living_are_not);
	tcase_add_test(t, the_dying_are_waited_for);
	tcase_add_test(t, a_full_backlog_lives);
	tcase_add_test(t, another_kind_of_socket);
	tcase_add_test(t, something_else_there);
	tcase_add_test(t, bad_paths);
	tcase_add_loop_test(t, one_of_many_starters, 0, 20);
	tcase_add_test(t, a_stale_lock);
	tcase_add_loop_test(t, refused_while_listening, 0, N(refusals));
	tcase_add_test(t, refused_while_connecting);
	tcase_add_test(u, a_frame_of_full_size);
	tcase_add_test(u, a_pair_for_anybody);
	tcase_add_test(u, packets_keep_their_edges);
	tcase_add_test(u, no_sigpipe);
	tcase_add_loop_test(u, descriptors, 0, 2 * SOCK_FDS_MAX + 2);
	tcase_add_test(u, too_many_descriptors);
	tcase_add_test(u, cut_packet_with_descriptors);
	tcase_add_loop_test(u, refused_a_pair, 0, 4);
	tcase_add_test(u, interrupted_messages);
	tcase_set_timeout(t, 30);
	return suite_run(s);
}
