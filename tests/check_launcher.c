/*
 * check_launcher - the real launcher with a master and workers of the test.
 *
 * Each case has a directory of its own with the settings, the sockets, the
 * roles (this very program under their names, see fake_role.c) and a log of
 * all they hear.  Nothing sleeps a guessed time: a case waits until a line
 * or a state is there, or fails after a deadline.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/launcher/backoff.h"
#include "daemon/launcher/link.h"
#include "ipc/sock.h"
#include "tests/fake_role.h"
#include "tests/suite.h"

#define DEADLINE_MS	50000
#define STEP_MS		5

static char dir[64];
static char program[512];	/* the launcher */
static pid_t launcher;		/* a child of the test, or 0 */

/* -- the world of a case ----------------------------------------------------- */

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *
in_dir(const char *name)
{
	static char paths[8][128];
	static unsigned int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void __attribute__((format(printf, 2, 3)))
write_file(const char *name, const char *fmt, ...)
{
	FILE *f = fopen(in_dir(name), "w");
	va_list ap;

	ck_assert_ptr_nonnull(f);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
}

/* The whole of a file; the caller's to free. */
static char *
read_file(const char *name)
{
	char *text = calloc(1, 65536);
	int fd = open(in_dir(name), O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, 65535);

	ck_assert_int_ge(n, 0);
	if (fd >= 0)
		close(fd);
	return text;
}

static void
write_settings(const char *more)
{
	write_file("conf",
	    "socket = \"%s/sock\"\ncontrol = \"%s/control\"\n"
	    "store = \"memory\"\nspool = \"%s/spool\"\npid-file = \"%s/pid\"\n"
	    "user = \"daemon\"\nrun-as = \"nobody\"\npeers = { \"root\" }\n"
	    "threads = 4\ndrain = 60\n%s\n"
	    "route \"/*\" { exec = \"/bin/true\" }\n", dir, dir, dir, dir, more);
}

static void
copy_self(const char *name)
{
	char bytes[65536];
	int from = open("/proc/self/exe", O_RDONLY);
	int to = open(in_dir(name), O_WRONLY | O_CREAT, 0755);
	ssize_t n;

	ck_assert(from >= 0 && to >= 0);
	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		ck_assert_int_eq(write(to, bytes, (size_t)n), n);
	close(from);
	close(to);
}

static void
setup(void)
{
	const char *build = getenv("top_builddir");

	snprintf(program, sizeof(program), "%s/deferd", build ? build : ".");
	snprintf(dir, sizeof(dir), "/tmp/check_launcher.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
	copy_self("deferd-master");
	copy_self("deferd-worker");
	write_file("log", "%s", "");
	ck_assert_int_eq(chmod(in_dir("log"), 0666), 0);
	write_settings("");
	setenv("DEFERD_LIBEXECDIR", dir, 1);
	setenv("FAKE_DIR", dir, 1);
	launcher = 0;
}

/* Ends whatever a failed case left: the launcher takes the rest with it. */
static void
teardown(void)
{
	static const char *const names[] = { "conf", "sock", "control", "spool",
		"pid", "log", "worker", "group", "deferd-master", "deferd-worker", "said" };
	char *pid = read_file("pid");
	size_t i;

	if (launcher > 0) {
		kill(launcher, SIGTERM);
		kill(launcher, SIGTERM);
		waitpid(launcher, NULL, 0);
	} else if (atoi(pid) > 1) {
		kill(atoi(pid), SIGTERM);
	}
	free(pid);
	for (i = 0; i < N(names); i++)
		remove(in_dir(names[i]));	/* the spool is a directory */
	rmdir(dir);
}

/* Starts deferd with these options; what it says goes to `said`. */
static pid_t
start(const char *a, const char *b, const char *c, const char *d)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(in_dir("said"),
		    O_WRONLY | O_CREAT | O_APPEND, 0644);

		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		dup2(fd, 40);		/* one that must not get through */
		execl(program, "deferd", a, b, c, d, NULL);
		_exit(99);
	}
	ck_assert_int_gt(pid, 0);
	return pid;
}

static int
status_of(pid_t pid)
{
	int64_t end = now_ms() + DEADLINE_MS;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		ck_assert_msg(now_ms() < end, "%ld does not end", (long)pid);
		poll(NULL, 0, STEP_MS);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* Waits for the n-th time that `what` stands in a file; gives that line. */
static const char *
wait_for(const char *file, const char *what, int n)
{
	static char line[2048];
	int64_t end = now_ms() + DEADLINE_MS;
	char *text, *at;
	int found;

	for (;;) {
		text = read_file(file);
		for (at = text, found = 0; (at = strstr(at, what)); at++)
			if (++found == n)
				break;
		if (at && strchr(at, '\n')) {
			while (at > text && at[-1] != '\n')
				at--;
			snprintf(line, sizeof(line), "%.*s",
			    (int)strcspn(at, "\n"), at);
			free(text);
			return line;
		}
		ck_assert_msg(now_ms() < end, "no %s (%d) in %s:\n%s", what, n,
		    file, text);
		free(text);
		poll(NULL, 0, STEP_MS);
	}
}

static int
count(const char *file, const char *what)
{
	char *text = read_file(file), *at;
	int n = 0;

	for (at = text; (at = strstr(at, what)); at++)
		n++;
	free(text);
	return n;
}

/* "master PID TIME ..." */
static pid_t
pid_of(const char *line)
{
	long pid = 0;

	ck_assert_int_eq(sscanf(line, "%*s %ld", &pid), 1);
	return (pid_t)pid;
}

static int64_t
time_of(const char *line)
{
	long long t = 0;

	ck_assert_int_eq(sscanf(line, "%*s %*d %lld", &t), 1);
	return t;
}

/* State and parent as in /proc; 'X' if there is no such process. */
static char
look_at(pid_t pid, pid_t *parent)
{
	char path[64], state = 'X';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	f = fopen(path, "r");
	if (!f)
		return state;
	if (fscanf(f, "%*d (%*[^)]) %c %d", &state, parent) != 2)
		state = 'X';
	fclose(f);
	return state;
}

static bool
is_alive(pid_t pid)
{
	pid_t parent;
	char state = look_at(pid, &parent);

	return state != 'X' && state != 'Z';
}

static pid_t
parent_of(pid_t pid)
{
	pid_t parent = 0;

	look_at(pid, &parent);
	return parent;
}

static void
wait_gone(pid_t pid)
{
	int64_t end = now_ms() + DEADLINE_MS;

	while (is_alive(pid)) {
		ck_assert_msg(now_ms() < end, "%ld lives on", (long)pid);
		poll(NULL, 0, STEP_MS);
	}
}

/* Not even a zombie is left. */
static void
wait_reaped(pid_t pid)
{
	int64_t end = now_ms() + DEADLINE_MS;

	while (kill(pid, 0) == 0) {
		ck_assert_msg(now_ms() < end, "%ld is not reaped", (long)pid);
		poll(NULL, 0, STEP_MS);
	}
}

/* In front, as a child of the test, and serving. */
static void
serve(void)
{
	launcher = start("-f", "-d", "-c", in_dir("conf"));
	wait_for("log", "ready", 1);
}

/* An order that the fake master may not survive; gives the length of its ok. */
static ssize_t
last_order(const char *text)
{
	char ok[8];
	int fd = sock_connect(in_dir("sock"));
	ssize_t n;

	ck_assert_msg(fd >= 0, "connection refused: %s", strerror(errno));
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	n = read(fd, ok, sizeof(ok));
	ck_assert_int_le(n, 2);
	close(fd);
	return n;
}

/* Gives an order to the fake master, which may be a later one by then. */
static void
order(const char *text)
{
	ck_assert_int_eq(last_order(text), 2);
}

static void
stop(void)
{
	pid_t pid = launcher;

	launcher = 0;
	kill(pid, SIGTERM);
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert_int_lt(access(in_dir("sock"), F_OK), 0);
	ck_assert_int_lt(access(in_dir("control"), F_OK), 0);
	ck_assert_int_lt(access(in_dir("pid"), F_OK), 0);
}

/* -- options ----------------------------------------------------------------- */

START_TEST(test_options)
{
	ck_assert_int_eq(status_of(start("-V", NULL, NULL, NULL)), 0);
	wait_for("said", "deferd ", 1);
	ck_assert_int_eq(status_of(start("-x", NULL, NULL, NULL)), 2);
	ck_assert_int_eq(status_of(start("word", NULL, NULL, NULL)), 2);
	wait_for("said", "usage: deferd", 1);
}
END_TEST

START_TEST(test_check)
{
	ck_assert_int_eq(status_of(start("-n", "-c", in_dir("conf"), NULL)), 0);
	wait_for("said", "threads         = 4", 1);
	ck_assert_int_lt(access(in_dir("sock"), F_OK), 0);
	write_file("conf", "keep = \"never\"\n");
	ck_assert_int_eq(status_of(start("-n", "-c", in_dir("conf"), NULL)), 1);
	wait_for("said", "conf:1:", 1);
	ck_assert_int_eq(status_of(start("-f", "-c", in_dir("conf"), NULL)), 1);
	wait_for("said", "conf:1:", 2);
	ck_assert_int_eq(status_of(start("-n", "-c", in_dir("none"), NULL)), 1);
}
END_TEST

START_TEST(test_check_warns)
{
	write_settings("route \"/a\" { exec = \"/nowhere/at-all\" }");
	ck_assert_int_eq(status_of(start("-n", "-c", in_dir("conf"), NULL)), 0);
	wait_for("said", "/nowhere/at-all", 1);
}
END_TEST

/* -- the background ---------------------------------------------------------- */

START_TEST(test_background)
{
	char *pid;
	pid_t daemon;

	ck_assert_int_eq(status_of(start("-c", in_dir("conf"), NULL, NULL)), 0);
	wait_for("log", "ready", 1);
	pid = read_file("pid");
	daemon = atoi(pid);
	free(pid);
	ck_assert_int_gt(daemon, 1);
	ck_assert_int_eq(getsid(daemon), daemon);
	order("spawn 1 0 0");
	wait_for("log", "worker ", 1);
	ck_assert_int_eq(kill(daemon, SIGTERM), 0);
	wait_gone(daemon);
	ck_assert_int_lt(access(in_dir("pid"), F_OK), 0);
}
END_TEST

/* A pipe for stderr sees its end when the daemon serves: nobody keeps it. */
START_TEST(test_background_leaves_stderr)
{
	char text[256], *pid;
	int fds[2];
	pid_t parent;

	ck_assert_int_eq(pipe(fds), 0);
	parent = fork();
	if (parent == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		execl(program, "deferd", "-c", in_dir("conf"), NULL);
		_exit(99);
	}
	close(fds[1]);
	while (read(fds[0], text, sizeof(text)) > 0)
		;
	close(fds[0]);
	ck_assert_int_eq(status_of(parent), 0);
	pid = read_file("pid");
	ck_assert_int_eq(kill(atoi(pid), SIGTERM), 0);
	wait_gone(atoi(pid));
	free(pid);
}
END_TEST

START_TEST(test_background_fails)
{
	setenv("FAKE_FAIL", "1", 1);
	ck_assert_int_eq(status_of(start("-c", in_dir("conf"), NULL, NULL)), 1);
	unsetenv("FAKE_FAIL");
	wait_for("said", "the store is broken", 1);
	wait_for("said", "serving=no", 1);
	ck_assert_int_lt(access(in_dir("sock"), F_OK), 0);
	ck_assert_int_lt(access(in_dir("pid"), F_OK), 0);
}
END_TEST

START_TEST(test_no_master_program)
{
	ck_assert_int_eq(unlink(in_dir("deferd-master")), 0);
	ck_assert_int_eq(status_of(start("-c", in_dir("conf"), NULL, NULL)), 1);
	wait_for("said", "start-failed program=deferd-master error=\"No such file", 1);
}
END_TEST

/* -- sockets ----------------------------------------------------------------- */

START_TEST(test_second_daemon)
{
	char *pid;

	serve();
	ck_assert_int_eq(status_of(start("-c", in_dir("conf"), NULL, NULL)), 1);
	wait_for("said", "another deferd is running", 1);
	pid = read_file("pid");
	ck_assert_int_eq(atoi(pid), launcher);
	free(pid);
	order("spawn 1 0 0");
	wait_for("log", "SPAWNED 1", 1);
	stop();
}
END_TEST

START_TEST(test_stale_socket)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(un.sun_path, in_dir("sock"));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	close(fd);
	serve();
	order("spawn 1 0 0");
	stop();
}
END_TEST

START_TEST(test_socket_modes)
{
	struct stat st;

	serve();
	ck_assert_int_eq(stat(in_dir("sock"), &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0660);
	ck_assert_int_eq(stat(in_dir("control"), &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	stop();
}
END_TEST

/* A file that is not ours any more stays. */
START_TEST(test_foreign_files_stay)
{
	pid_t pid;

	serve();
	pid = launcher;
	ck_assert_int_eq(unlink(in_dir("sock")), 0);
	write_file("sock", "somebody else's");
	launcher = 0;
	kill(pid, SIGTERM);
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert_int_eq(access(in_dir("sock"), F_OK), 0);
}
END_TEST

/* -- children ---------------------------------------------------------------- */

START_TEST(test_descriptors)
{
	const char *line;

	serve();
	line = wait_for("log", "fds", 1);
	ck_assert_msg(strstr(line, "fds 0=/dev/null 1=") &&
	    strstr(line, "3=socket 4=/memfd 5=socket 6=socket") &&
	    !strstr(line, " 7="), "%s", line);
	order("spawn 7 0 0");
	line = wait_for("log", "fds", 2);
	ck_assert_msg(strstr(line, "fds 0=/dev/null 1=") &&
	    strstr(line, "3=socket 4=/memfd 5=/memfd 6=socket") &&
	    !strstr(line, " 7="), "%s", line);
	wait_for("log", "settings sealed", 2);
	wait_for("log", "arg -f", 2);
	wait_for("log", "arg -d", 2);
	wait_for("log", "arg -p", 1);
	wait_for("log", "arg 0", 1);
	stop();
}
END_TEST

/* Signals in a mask of /proc, but the two that libc keeps for itself. */
static unsigned long long
signals_in(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	ck_assert_ptr_nonnull(at);
	return strtoull(at + strlen(name), NULL, 16) & ~(3ULL << 31);
}

/* Nothing blocked or ignored, whatever the launcher itself was given. */
START_TEST(test_signals)
{
	const char *line;

	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	serve();
	line = wait_for("log", "who", 1);
	ck_assert_uint_eq(signals_in(line, "SigBlk:"), 0);
	ck_assert_uint_eq(signals_in(line, "SigIgn:"), 0);
	ck_assert_msg(strstr(line, "death=0 group=1"), "%s", line);
	order("spawn 7 0 0");
	line = wait_for("log", "who", 2);
	ck_assert_uint_eq(signals_in(line, "SigBlk:"), 0);
	ck_assert_uint_eq(signals_in(line, "SigIgn:"), 0);
	ck_assert_msg(strstr(line, "death=15 group=1"), "%s", line);
	write_settings("keep = 7");
	kill(launcher, SIGHUP);
	wait_for("log", "RELOAD", 1);
	stop();
}
END_TEST

START_TEST(test_users)
{
	const char *line;
	struct stat st;

	if (geteuid() != 0)
		return;
	serve();
	line = wait_for("log", "who", 1);
	ck_assert_msg(strstr(line, "Uid: 1 1 1 1 Gid: 1 1 1 1") &&
	    strstr(line, "CapPrm: 0000000000000000") &&
	    strstr(line, "CapEff: 0000000000000000"), "%s", line);
	order("spawn 7 0 0");
	line = wait_for("log", "who", 2);
	ck_assert_msg(strstr(line, "Uid: 65534 65534 65534 65534") &&
	    strstr(line, "Gid: 65534 65534 65534 65534") &&
	    strstr(line, "Groups: 65534") &&
	    strstr(line, "CapPrm: 0000000000000000") &&
	    strstr(line, "CapEff: 0000000000000000"), "%s", line);
	ck_assert_int_eq(stat(in_dir("sock"), &st), 0);
	ck_assert_int_eq(st.st_gid, 65534);
	ck_assert_int_eq(stat(in_dir("control"), &st), 0);
	ck_assert_int_eq(st.st_uid, 1);
	stop();
}
END_TEST

START_TEST(test_worker_cannot_start)
{
	const char *line;

	serve();
	ck_assert_int_eq(unlink(in_dir("deferd-worker")), 0);
	order("spawn 3 0 0");
	line = wait_for("log", "DIED 3", 1);
	ck_assert_msg(strstr(line, "status=-1 error=2"), "%s", line);
	ck_assert_int_eq(count("log", "SPAWNED"), 0);
	stop();
}
END_TEST

START_TEST(test_kill_frame)
{
	serve();
	order("spawn 3 0 0");
	wait_for("log", "worker \n", 1);
	order("kill 4");
	order("kill 3");
	wait_for("log", "DIED 3 status=9 error=0", 1);
	stop();
}
END_TEST

/* A death that the master wanted is no crash: nobody is held back for it. */
START_TEST(test_kill_is_no_crash)
{
	int64_t begin = now_ms();
	char text[32];
	int i;

	serve();
	for (i = 0; i < 11; i++) {
		snprintf(text, sizeof(text), "spawn %d 0 0", i);
		order(text);
		wait_for("log", "worker \n", i + 1);
		snprintf(text, sizeof(text), "kill %d", i);
		order(text);
		snprintf(text, sizeof(text), "DIED %d status=9", i);
		wait_for("log", text, 1);
	}
	ck_assert_int_lt(now_ms() - begin, 28000);	/* else over 30000 */
	stop();
}
END_TEST

/* -- who dies takes his own along -------------------------------------------- */

START_TEST(test_worker_killed)
{
	long leader, inner;
	pid_t worker;

	write_file("worker", "group");
	serve();
	order("spawn 1 0 0");
	ck_assert_int_eq(sscanf(wait_for("log", "group ", 1),
	    "%*s %*d %*d group %ld %ld", &leader, &inner), 2);
	worker = pid_of(wait_for("log", "worker group", 1));
	ck_assert(is_alive((pid_t)leader) && is_alive((pid_t)inner));
	ck_assert_int_eq(kill(worker, SIGKILL), 0);
	wait_for("log", "DIED 1 status=9 error=0", 1);
	wait_gone((pid_t)leader);
	wait_gone((pid_t)inner);
	stop();
}
END_TEST

/* Slates of wild modules: nobody but the worker's user's own is hit. */
START_TEST(test_scribbled_slate)
{
	pid_t victim = fork();

	if (victim == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	setpgid(victim, victim);
	if (geteuid() == 0)
		write_file("group", "%ld", (long)victim);
	write_file("worker", "scribble");
	serve();
	order("spawn 1 0 0");
	ck_assert_int_eq(kill(pid_of(wait_for("log", "worker scribble", 1)),
	    SIGKILL), 0);
	wait_for("log", "DIED 1 status=9 error=0", 1);
	ck_assert(is_alive(victim));
	ck_assert_int_eq(kill(victim, SIGKILL), 0);
	waitpid(victim, NULL, 0);
	order("spawn 2 0 0");
	wait_for("log", "SPAWNED 2", 1);
	stop();
}
END_TEST

START_TEST(test_escaped_orphan)
{
	pid_t worker, orphan;

	write_file("worker", "escape");
	serve();
	order("spawn 1 0 0");
	worker = pid_of(wait_for("log", "worker escape", 1));
	orphan = pid_of(wait_for("log", "escaped", 1));
	ck_assert_int_eq(kill(worker, SIGKILL), 0);
	wait_for("log", "DIED 1", 1);
	ck_assert(is_alive(orphan));
	ck_assert_int_eq(parent_of(orphan), launcher);
	ck_assert_int_eq(kill(orphan, SIGKILL), 0);
	wait_reaped(orphan);
	stop();
}
END_TEST

/*
 * The leader on a slate is not reaped before the worker is: until then its
 * number must not go to anybody else.
 */
START_TEST(test_leader_reaped_last)
{
	pid_t orphan, liar, other;

	write_file("worker", "escape");
	serve();
	order("spawn 1 0 0");
	orphan = pid_of(wait_for("log", "escaped", 1));
	ck_assert_int_eq(kill(pid_of(wait_for("log", "worker escape", 1)),
	    SIGKILL), 0);
	wait_for("log", "DIED 1", 1);
	write_file("group", "%ld", (long)orphan);
	write_file("worker", "scribble");
	order("spawn 2 0 0");
	liar = pid_of(wait_for("log", "worker scribble", 1));
	write_file("worker", "%s", "");
	order("spawn 3 0 0");
	other = pid_of(wait_for("log", "worker \n", 1));
	ck_assert_int_eq(kill(orphan, SIGKILL), 0);
	wait_gone(orphan);
	ck_assert_int_eq(kill(other, SIGKILL), 0);
	wait_for("log", "DIED 3", 1);		/* so it has looked around */
	ck_assert_int_eq(kill(orphan, 0), 0);	/* a zombie yet */
	ck_assert_int_eq(kill(liar, SIGKILL), 0);
	wait_for("log", "DIED 2", 1);
	wait_reaped(orphan);
	stop();
}
END_TEST

START_TEST(test_master_killed)
{
	long leader, inner;
	pid_t first, worker;

	write_file("worker", "group");
	serve();
	order("spawn 1 0 0");
	ck_assert_int_eq(sscanf(wait_for("log", "group ", 1),
	    "%*s %*d %*d group %ld %ld", &leader, &inner), 2);
	worker = pid_of(wait_for("log", "worker group", 1));
	wait_for("log", "SPAWNED 1", 1);	/* the worker may be faster than this */
	first = pid_of(wait_for("log", "ready", 1));
	ck_assert_int_eq(kill(first, SIGKILL), 0);
	order("spawn 1 0 0");		/* waits in the backlog: not refused */
	ck_assert_int_ne(pid_of(wait_for("log", "ready", 2)), first);
	wait_gone(worker);
	wait_gone((pid_t)leader);
	wait_gone((pid_t)inner);
	wait_for("log", "SPAWNED 1", 2);
	stop();
}
END_TEST

START_TEST(test_bad_frame)
{
	serve();
	last_order("garbage");
	wait_for("log", "ready", 2);
	wait_for("said", "frame-bad from=master", 1);
	last_order("spawn 1 999 0");		/* no such pool */
	wait_for("log", "ready", 3);
	stop();
}
END_TEST

START_TEST(test_launcher_killed)
{
	pid_t worker, master;

	serve();
	order("spawn 1 0 0");
	worker = pid_of(wait_for("log", "worker \n", 1));
	master = pid_of(wait_for("log", "ready", 1));
	ck_assert_int_eq(kill(launcher, SIGKILL), 0);
	ck_assert_int_eq(status_of(launcher), 256 + SIGKILL);
	launcher = 0;
	wait_for("log", "launcher-gone", 1);
	wait_gone(worker);
	wait_gone(master);
}
END_TEST

/* -- crash loops ------------------------------------------------------------- */

/* Five that follow each other wait longer and longer. */
static void
check_loop(const char *how, int status)
{
	int64_t t[6];
	char text[32];
	int i;

	write_file("worker", "%s", how);
	serve();
	for (i = 0; i < 6; i++) {
		snprintf(text, sizeof(text), "spawn %d 0 0", i);
		order(text);
		snprintf(text, sizeof(text), "worker %s", how);
		t[i] = time_of(wait_for("log", text, i + 1));
		snprintf(text, sizeof(text), "DIED %d status=%d", i, status);
		wait_for("log", text, 1);
	}
	ck_assert_int_lt(t[1] - t[0], t[5] - t[4]);
	ck_assert_int_ge(t[2] - t[1], 100);
	ck_assert_int_ge(t[3] - t[2], 200);
	ck_assert_int_ge(t[4] - t[3], 400);
	ck_assert_int_ge(t[5] - t[4], 800);
	stop();
}

START_TEST(test_crash_loop)
{
	check_loop("die", 256);
}
END_TEST

/* A module that exits as it is loaded, with 0: no crash, but a loop. */
START_TEST(test_exit_loop)
{
	check_loop("leave", 0);
}
END_TEST

/* One that is held back can be killed, too. */
START_TEST(test_kill_held_back)
{
	char text[32];
	int i;

	write_file("worker", "die");
	serve();
	for (i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "spawn %d 0 0", i);
		order(text);
		snprintf(text, sizeof(text), "DIED %d status=256", i);
		wait_for("log", text, 1);
	}
	order("spawn 9 0 0");
	order("kill 9");
	wait_for("log", "DIED 9 status=-1 error=125", 1);
	stop();
}
END_TEST

/* -- reload, drain ----------------------------------------------------------- */

START_TEST(test_reload)
{
	serve();
	write_settings("workers = 3");
	kill(launcher, SIGHUP);
	wait_for("log", "RELOAD 1", 1);
	wait_for("said", "needs-restart=workers", 1);
	order("spawn 1 0 0");		/* asked before it heard */
	wait_for("log", "DIED 1 status=-1 error=116", 1);
	order("spawn 2 0 1");
	wait_for("log", "SPAWNED 2", 1);
	write_file("conf", "\nkeep = -1\n");
	kill(launcher, SIGHUP);
	wait_for("said", "conf:2:", 1);
	order("spawn 3 0 1");
	wait_for("log", "SPAWNED 3", 1);
	ck_assert_int_eq(count("log", "RELOAD"), 1);
	stop();
}
END_TEST

/* A new master is handed the new settings, and counts from 0 again. */
/* A reload replaces every worker; one that changes nothing must not. */
START_TEST(test_reload_of_the_same)
{
	serve();
	kill(launcher, SIGHUP);
	wait_for("said", "settings-unchanged", 1);
	write_settings("keep = 7");
	kill(launcher, SIGHUP);
	wait_for("log", "RELOAD 1", 1);
	ck_assert_int_eq(count("log", "RELOAD"), 1);
	stop();
}
END_TEST

START_TEST(test_reload_then_new_master)
{
	serve();
	write_settings("keep = 7");
	kill(launcher, SIGHUP);
	wait_for("log", "RELOAD 1", 1);
	ck_assert_int_eq(kill(pid_of(wait_for("log", "ready", 1)), SIGKILL), 0);
	wait_for("log", "ready", 2);
	order("spawn 1 0 0");
	wait_for("log", "SPAWNED 1", 1);
	stop();
}
END_TEST

START_TEST(test_drain)
{
	pid_t worker;

	serve();
	order("spawn 1 0 0");
	worker = pid_of(wait_for("log", "worker \n", 1));
	stop();
	ck_assert_int_eq(count("log", "DRAIN heir=0"), 1);
	ck_assert(!is_alive(worker));
}
END_TEST

START_TEST(test_drain_twice)
{
	pid_t pid, worker;

	setenv("FAKE_STUBBORN", "1", 1);
	serve();
	unsetenv("FAKE_STUBBORN");
	order("spawn 1 0 0");
	worker = pid_of(wait_for("log", "worker \n", 1));
	pid = launcher;
	launcher = 0;
	kill(pid, SIGTERM);
	wait_for("log", "DRAIN", 1);
	kill(pid, SIGINT);
	ck_assert_int_eq(status_of(pid), 1);
	ck_assert(!is_alive(worker));
	ck_assert_int_lt(access(in_dir("sock"), F_OK), 0);
}
END_TEST

/* -- restart, and what comes through the master -------------------------------- */

/* A new master and new workers; the sockets are the same, and were never away. */
START_TEST(test_restart)
{
	struct stat before, after;
	pid_t master, worker;

	serve();
	ck_assert_int_eq(stat(in_dir("sock"), &before), 0);
	order("spawn 1 0 0");
	worker = pid_of(wait_for("log", "worker \n", 1));
	master = pid_of(wait_for("log", "ready", 1));
	write_settings("keep = 7");
	if (_i == 0)
		kill(launcher, SIGUSR2);
	else
		order("ask 2");
	wait_for("log", "ready", 2);
	ck_assert_int_eq(count("log", "DRAIN heir=1"), 1);
	ck_assert_int_eq(count("log", "RELOAD"), 1);
	ck_assert_int_eq(count("log", "TOLD 2 how=0 ."), _i);
	ck_assert(!is_alive(master) && !is_alive(worker));
	ck_assert_int_eq(stat(in_dir("sock"), &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	order("spawn 1 0 0");
	wait_for("log", "SPAWNED 1", 2);
	stop();
}
END_TEST

/* With a bad file nothing is given up; and a master that asks hears why. */
START_TEST(test_restart_refused)
{
	serve();
	write_file("conf", "\nkeep = -1\n");
	kill(launcher, SIGUSR2);
	wait_for("said", "restart-failed", 1);
	order("ask 2");
	wait_for("log", "TOLD 2 how=1 ", 1);
	ck_assert_int_eq(count("log", "conf:2:"), 1);
	ck_assert_int_eq(count("log", "DRAIN"), 0);
	stop();
}
END_TEST

/* What is read while a master ends is for the next one, and checked at once. */
START_TEST(test_restart_again)
{
	pid_t pid;

	setenv("FAKE_STUBBORN", "1", 1);
	serve();
	unsetenv("FAKE_STUBBORN");
	order("ask 2");
	wait_for("log", "DRAIN heir=1", 1);
	write_file("conf", "\nkeep = -1\n");
	order("ask 2");
	wait_for("log", "TOLD 2 how=1 ", 1);
	write_settings("route \"/more\" { module = \"/more.so\" }");
	order(_i == 0 ? "ask 2" : "ask 0");
	wait_for("log", _i == 0 ? "TOLD 2 how=0 ." : "TOLD 0 how=0 .",
	    _i == 0 ? 2 : 1);
	ck_assert_int_eq(kill(pid_of(wait_for("log", "ready", 1)), SIGKILL), 0);
	wait_for("log", "ready", 2);
	order("spawn 1 1 0");		/* there is such a pool now */
	wait_for("log", "SPAWNED 1", 1);
	ck_assert_int_eq(count("log", "RELOAD"), 0);
	pid = launcher;
	launcher = 0;
	kill(pid, SIGTERM);
	wait_for("log", "DRAIN heir=0", 1);
	kill(pid, SIGTERM);
	ck_assert_int_eq(status_of(pid), 1);
}
END_TEST

/* What the launcher holds stays named, whoever the master is; no restart. */
START_TEST(test_held_settings)
{
	serve();
	write_settings("control-peers = { root }");
	order("ask 0");
	wait_for("log", "TOLD 0 how=0 control-peers.", 1);
	wait_for("said", "needs-start=control-peers", 1);
	ck_assert_int_eq(kill(pid_of(wait_for("log", "ready", 1)), SIGKILL), 0);
	wait_for("log", "ready", 2);
	order("ask 0");
	wait_for("log", "TOLD 0 how=0 control-peers.", 2);
	order("ask 2");
	wait_for("log", "TOLD 2 how=1 control-peers: only a new start", 1);
	ck_assert_int_eq(count("log", "DRAIN"), 0);
	write_settings("keep = 7");
	order("ask 2");
	wait_for("log", "ready", 3);
	stop();
}
END_TEST

START_TEST(test_ask_reload)
{
	serve();
	order("ask 0");
	wait_for("log", "TOLD 0 how=0 .", 1);
	write_settings("keep = 7");
	order("ask 0");
	wait_for("log", "TOLD 0 how=0 .", 2);
	ck_assert_int_eq(count("log", "RELOAD 1"), 1);
	write_file("conf", "\nkeep = -1\n");
	order("ask 0");
	wait_for("log", "conf:2:", 1);
	ck_assert_int_eq(count("log", "RELOAD"), 1);
	ck_assert_int_eq(count("log", "TOLD"), 3);
	stop();
}
END_TEST

/* Asked twice it does not hurry: that is for a second signal. */
START_TEST(test_ask_drain)
{
	pid_t pid;
	int i;

	setenv("FAKE_STUBBORN", "1", 1);
	serve();
	unsetenv("FAKE_STUBBORN");
	order("ask 1");
	order("ask 1");
	wait_for("log", "TOLD 1 how=0 .", 2);
	order("ask 2");
	wait_for("log", "TOLD 2 how=2 it starts or ends", 1);
	kill(launcher, SIGTERM);
	for (i = 3; i < 6; i++) {	/* by the last one it has seen the signal */
		order("ask 1");
		wait_for("log", "TOLD 1 how=0 .", i);
	}
	ck_assert_int_eq(count("log", "DRAIN heir=0"), 1);
	pid = launcher;
	launcher = 0;
	kill(pid, SIGTERM);
	ck_assert_int_eq(status_of(pid), 1);
}
END_TEST

/* The last word counts: nobody comes after this master any more. */
START_TEST(test_stop_while_restarting)
{
	pid_t pid;

	setenv("FAKE_STUBBORN", "1", 1);
	serve();
	unsetenv("FAKE_STUBBORN");
	pid = launcher;
	kill(pid, SIGUSR2);
	wait_for("log", "DRAIN heir=1", 1);
	kill(pid, SIGUSR2);		/* is under way */
	kill(pid, SIGTERM);
	wait_for("log", "DRAIN heir=0", 1);
	launcher = 0;
	kill(pid, SIGTERM);
	ck_assert_int_eq(status_of(pid), 1);
	ck_assert_int_eq(count("log", "ready"), 1);
}
END_TEST

/* -- parts ------------------------------------------------------------------- */

/* A request that crashes its module must not keep the others waiting. */
START_TEST(test_backoff_of_a_known_cause)
{
	struct backoff b = { 0 };
	int64_t now = 1000;

	for (int i = 0; i < 20; i++) {
		int64_t started = now;

		backoff_crashed(&b, started, now += 50);
		ck_assert_int_le(b.start_ms, now + 100);
		ck_assert(i == 0 || b.start_ms == now + 100);
		now = b.start_ms;
	}
	/* and it wipes out what was counted before */
	backoff_died(&b, now, now);
	ck_assert_int_le(b.start_ms, now + 100);
}
END_TEST

START_TEST(test_backoff)
{
	static const int64_t delays[] = { 0, 100, 200, 400, 800, 1600, 3200,
		6400, 10000, 10000 };
	struct backoff b = { 0 };
	int64_t now = 1000000, started = now;
	size_t i;

	for (i = 0; i < N(delays); i++) {
		backoff_died(&b, started, now);
		ck_assert_int_eq(b.start_ms - now, delays[i]);
		backoff_died(&b, started - 1, now);	/* of the same litter */
		ck_assert_int_eq(b.start_ms - now, delays[i]);
		started = b.start_ms;
		now = started + 9999;
	}
	backoff_died(&b, started, started + 10000);
	ck_assert_int_eq(b.start_ms, started + 10000);
}
END_TEST

/* Nobody reads: nothing blocks, nothing is lost, the order stays. */
START_TEST(test_link_queues)
{
	struct frame f = { .kind = FRAME_DIED }, got;
	unsigned char data[64];
	int pair[2], fds[SOCK_FDS_MAX], nfds;
	struct link link;
	bool truncated;
	ssize_t n;
	uint32_t i;

	ck_assert_int_eq(sock_pair(pair), 0);
	link_init(&link);
	ck_assert_int_eq(link_send(&link, &f, NULL, 0), 0);	/* no master */
	link_open(&link, pair[0]);
	for (i = 0; i < 5000; i++) {
		f.u.died.worker = i;
		ck_assert_int_eq(link_send(&link, &f, NULL, 0), 0);
	}
	ck_assert(link_events(&link) & POLLOUT);
	for (i = 0; i < 5000; i++) {
		n = sock_recv(pair[1], data, sizeof(data), 0, fds, &nfds,
		    &truncated);
		ck_assert_int_gt(n, 0);
		ck_assert_int_eq(frame_decode(&got, data, (size_t)n), 0);
		ck_assert_uint_eq(got.u.died.worker, i);
		link_flush(&link);
	}
	ck_assert(!(link_events(&link) & POLLOUT));
	link_close(&link);
	close(pair[1]);
}
END_TEST

/* A master may say five things, and nothing with descriptors. */
START_TEST(test_link_refuses)
{
	struct frame f = { .kind = FRAME_KILL }, got;
	struct iovec iov;
	struct link link;
	struct buf b;
	int pair[2];

	ck_assert_int_eq(sock_pair(pair), 0);
	link_init(&link);
	link_open(&link, pair[0]);
	ck_assert_int_eq(link_receive(&link, &got), LINK_NOTHING);
	buf_init(&b, FRAME_MAX);
	ck_assert_int_eq(frame_encode(&b, &f), 0);
	iov = (struct iovec){ b.data, buf_len(&b) };
	ck_assert_int_gt(sock_send(pair[1], &iov, 1, NULL, 0, 0), 0);
	ck_assert_int_eq(link_receive(&link, &got), LINK_FRAME);
	ck_assert_int_gt(sock_send(pair[1], &iov, 1, &pair[1], 1, 0), 0);
	ck_assert_int_eq(link_receive(&link, &got), LINK_BAD);
	iov.iov_len--;
	ck_assert_int_gt(sock_send(pair[1], &iov, 1, NULL, 0, 0), 0);
	ck_assert_int_eq(link_receive(&link, &got), LINK_BAD);
	buf_clear(&b);
	f.kind = FRAME_DRAIN;
	ck_assert_int_eq(frame_encode(&b, &f), 0);
	iov = (struct iovec){ b.data + b.start, buf_len(&b) };
	ck_assert_int_gt(sock_send(pair[1], &iov, 1, NULL, 0, 0), 0);
	ck_assert_int_eq(link_receive(&link, &got), LINK_BAD);
	close(pair[1]);
	ck_assert_int_eq(link_receive(&link, &got), LINK_END);
	buf_fini(&b);
	link_close(&link);
}
END_TEST

/* -- size -------------------------------------------------------------------- */

/* A sanitizer keeps books that are larger than what they are about. */
#ifdef __has_feature
#define SANITIZED __has_feature(address_sanitizer) || \
	__has_feature(thread_sanitizer)
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
static const bool sanitized = SANITIZED;

static long
resident_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

/*
 * Idle, as soon as it has noticed that the master serves.  1.5 MiB, and a
 * quarter for what a distribution's flags and libraries map beside it.
 */
START_TEST(test_memory)
{
	int64_t end = now_ms() + DEADLINE_MS;

	serve();
	while (!sanitized && resident_kib(launcher) >= 1792) {
		ck_assert_msg(now_ms() < end, "VmRSS %ld KiB",
		    resident_kib(launcher));
		poll(NULL, 0, STEP_MS);
	}
	stop();
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *suite = suite_create("launcher");
	TCase *tc = suite_case(suite, "launcher", setup, teardown);
	TCase *parts = suite_case(suite, "parts", NULL, NULL);

	if (argc > 0 && strstr(argv[0], "deferd-"))
		fake_role(argv);
	tcase_set_timeout(parts, 60);
	tcase_add_test(parts, test_backoff);
	tcase_add_test(parts, test_backoff_of_a_known_cause);
	tcase_add_test(parts, test_link_queues);
	tcase_add_test(parts, test_link_refuses);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_options);
	tcase_add_test(tc, test_check);
	tcase_add_test(tc, test_check_warns);
	tcase_add_test(tc, test_background);
	tcase_add_test(tc, test_background_leaves_stderr);
	tcase_add_test(tc, test_background_fails);
	tcase_add_test(tc, test_no_master_program);
	tcase_add_test(tc, test_second_daemon);
	tcase_add_test(tc, test_stale_socket);
	tcase_add_test(tc, test_socket_modes);
	tcase_add_test(tc, test_foreign_files_stay);
	tcase_add_test(tc, test_descriptors);
	tcase_add_test(tc, test_signals);
	tcase_add_test(tc, test_users);
	tcase_add_test(tc, test_worker_cannot_start);
	tcase_add_test(tc, test_kill_frame);
	tcase_add_test(tc, test_kill_is_no_crash);
	tcase_add_test(tc, test_worker_killed);
	tcase_add_test(tc, test_scribbled_slate);
	tcase_add_test(tc, test_escaped_orphan);
	tcase_add_test(tc, test_leader_reaped_last);
	tcase_add_test(tc, test_master_killed);
	tcase_add_test(tc, test_bad_frame);
	tcase_add_test(tc, test_launcher_killed);
	tcase_add_test(tc, test_crash_loop);
	tcase_add_test(tc, test_exit_loop);
	tcase_add_test(tc, test_kill_held_back);
	tcase_add_test(tc, test_reload);
	tcase_add_test(tc, test_reload_of_the_same);
	tcase_add_test(tc, test_reload_then_new_master);
	tcase_add_loop_test(tc, test_restart, 0, 2);
	tcase_add_test(tc, test_restart_refused);
	tcase_add_loop_test(tc, test_restart_again, 0, 2);
	tcase_add_test(tc, test_held_settings);
	tcase_add_test(tc, test_ask_reload);
	tcase_add_test(tc, test_ask_drain);
	tcase_add_test(tc, test_stop_while_restarting);
	tcase_add_test(tc, test_drain);
	tcase_add_test(tc, test_drain_twice);
	tcase_add_test(tc, test_memory);
	return suite_run(suite);
}
