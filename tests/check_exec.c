/*
 * check_exec - programs under a real worker: contract.md 5 and the lines of
 * lessons.md that a script can cause.
 *
 * Linked to under the name "probe", this file's own binary is the program
 * that a worker runs: it tells what it was started with.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fds.h"
#include "tests/suite.h"
#include "tests/worker_rig.h"

#define SH	"#!/bin/sh\n"
#define HEAD	"printf 'Content-Type: text/plain\\n\\n'\n"

#define THREADS_MAX	16	/* of a worker whose threads are looked at */

static bool
is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#else
	return false;
#endif
}

/* -- the probe ------------------------------------------------------------ */

static void
probe_fds(void)
{
	struct stat st;
	int fd;

	printf("fds");
	for (fd = 0; fd < 4096; fd++)
		if (fstat(fd, &st) == 0)
			printf(" %d", fd);
	printf("\n");
}

static void
probe_signals(void)
{
	struct sigaction sa;
	sigset_t set;
	int i, bad = 0, death = 0;

	sigprocmask(SIG_BLOCK, NULL, &set);
	for (i = 1; i < 32; i++) {
		sigaction(i, NULL, &sa);
		bad += sa.sa_handler == SIG_IGN || sigismember(&set, i);
	}
	prctl(PR_GET_PDEATHSIG, &death);
	printf("signals %d death %d\n", bad, death);
}

static int
probe(int argc, char **argv)
{
	char cwd[256], byte = 'x';
	struct rlimit files, memory, cpu;
	struct stat st;

	setvbuf(stdout, NULL, _IOFBF, 65536);
	printf("Content-Type: text/plain\n\n");
	probe_fds();
	probe_signals();
	fstat(0, &st);
	printf("args %d self %d cwd %d group %d\n", argc, argv[0][0] == '/',
	    strncmp(argv[0], getcwd(cwd, sizeof(cwd)), strlen(cwd)),
	    getpgrp() == getpid());
	printf("stdin file %d at %ld write %d\n", S_ISREG(st.st_mode),
	    (long)lseek(0, 0, SEEK_CUR), (int)write(0, &byte, 1));
	printf("nonblock %d\n", (fcntl(1, F_GETFL) | fcntl(2, F_GETFL) |
	    fcntl(3, F_GETFL)) & O_NONBLOCK);
	getrlimit(RLIMIT_FSIZE, &files);
	getrlimit(RLIMIT_AS, &memory);
	getrlimit(RLIMIT_CPU, &cpu);
	printf("limits %ld %ld %ld nice %d\n", (long)files.rlim_cur,
	    (long)memory.rlim_cur, (long)cpu.rlim_cur,
	    getpriority(PRIO_PROCESS, 0));
	return fflush(stdout) == 0 ? 0 : 1;
}

static void
rig_probe(struct rig *r, const char *name, const char *settings)
{
	char self[512], path[128];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	ck_assert_int_gt(n, 0);
	self[n] = '\0';
	snprintf(path, sizeof(path), "%s/probe", r->dir);
	ck_assert(symlink(self, path) == 0 || errno == EEXIST);
	rig_exec(r, name, settings, path);
}

START_TEST(what_a_program_is_given)
{
	struct rig r;
	struct ask ask = { .route = "p", .body = "abc", .body_len = 3 };

	rig_init(&r, 2);
	rig_probe(&r, "p", "file-size = \"1M\" cpu = 7 nice = 19");
	rig_start(&r);
	rig_do(&r, &ask);
	ck_assert_str_eq(rig_body_text(&r),
	    "fds 0 1 2 3\n"
	    "signals 0 death 9\n"
	    "args 1 self 1 cwd 0 group 1\n"
	    "stdin file 1 at 0 write -1\n"
	    "nonblock 0\n"
	    "limits 1048576 -1 7 nice 19\n");
	/* A file of the master's: not writable either, and from its start. */
	ask.body_in_fd = true;
	rig_do(&r, &ask);
	ck_assert_ptr_nonnull(strstr(rig_body_text(&r),
	    "stdin file 1 at 0 write -1\n"));
	rig_stop(&r);
}
END_TEST

START_TEST(memory_limit)
{
	struct rig r;
	char want[64];

	if (is_sanitized())
		return;		/* it cannot live in so little */
	rig_init(&r, 2);
	rig_probe(&r, "p", "memory = \"64M\"");
	rig_start(&r);
	rig_get(&r, "p");
	(void)snprintf(want, sizeof(want), "limits -1 67108864 -1 nice %d\n",
	    getpriority(PRIO_PROCESS, 0));
	ck_assert_ptr_nonnull(strstr(rig_body_text(&r), want));
	rig_stop(&r);
}
END_TEST

START_TEST(environment)
{
	struct rig r;
	struct ask ask = { .route = "e", .path = "/e/a/b", .method = "POST",
	    .body = "12345", .body_len = 5, .vars =
	    "CONTENT_TYPE=text/x\nHTTP_HOST=h.example\nHTTP_PROXY=evil\n"
	    "HTTP_X_A=1\nLD_PRELOAD=/x\nlower=1\nHTTP_X_A=2\nQUERY_STRING=q=1\n"
	    "DOCUMENT_ROOT=/srv\nPATH_TRANSLATED=/srv/jobs\nHTTP_RANGE=bytes=0-\n" };

	rig_init(&r, 1);
	rig_script(&r, "e", "env = { \"COLOR=red\", \"CONTENT_TYPE=mine\" }",
	    SH HEAD "tr '\\0' '\\n' < /proc/$$/environ | LC_ALL=C sort\n");
	rig_start(&r);
	rig_do(&r, &ask);
	ck_assert_str_eq(rig_body_text(&r),
	    "COLOR=red\n"
	    "CONTENT_LENGTH=5\n"
	    "CONTENT_TYPE=mine\n"
	    "DEFERD_PROGRESS_FD=3\n"
	    "DEFERD_TASK_ID=01000000abababababababababababab\n"
	    "DOCUMENT_ROOT=/srv\n"
	    "GATEWAY_INTERFACE=CGI/1.1\n"
	    "HTTP_HOST=h.example\n"
	    "HTTP_X_A=1, 2\n"
	    "PATH=/usr/bin:/bin\n"
	    "PATH_INFO=/a/b\n"
	    "PATH_TRANSLATED=/srv/a/b\n"
	    "QUERY_STRING=q=1\n"
	    "REQUEST_METHOD=POST\n"
	    "SCRIPT_NAME=/jobs/e\n");
	rig_stop(&r);
}
END_TEST

/* -- bodies --------------------------------------------------------------- */

/* Bytes that repeat nowhere near: an offset that is wrong shows. */
static unsigned char *
pattern(size_t len)
{
	unsigned char *p = malloc(len + 1);
	size_t i;

	ck_assert_ptr_nonnull(p);
	for (i = 0; i < len; i++)
		p[i] = (unsigned char)((i * 2654435761u) >> 13);
	return p;
}

static const size_t sizes[] = { 0, 1, 4096, 65535, 65536, 65537, 300000,
	20000000 };

START_TEST(body_comes_back)
{
	size_t len = sizes[_i];
	unsigned char *body = pattern(len);
	struct ask ask = { .route = "cat", .method = "PUT", .body = body,
	    .body_len = len, .body_in_fd = len > 65536 };
	struct rig r;

	rig_init(&r, 1);
	rig_script(&r, "cat", "", SH HEAD "exec cat\n");
	rig_start(&r);
	rig_do(&r, &ask);
	rig_check_body(&r, body, len);
	ck_assert_uint_eq(r.f.u.done.body_in_fd, len > 65536);
	ck_assert_mem_eq(r.f.u.done.head.data, "Status: 200 OK\r\n", 16);
	ck_assert_int_eq(r.f.u.done.wait_status, 0);
	ck_assert_uint_gt(r.f.u.done.max_rss_kib, 0);
	rig_stop(&r);
	free(body);
}
END_TEST

START_TEST(writes_before_it_reads)
{
	unsigned char *body = pattern(300000);
	struct ask ask = { .route = "w", .method = "POST", .body = body,
	    .body_len = 300000, .body_in_fd = true };
	struct rig r;

	rig_init(&r, 1);
	rig_script(&r, "w", "", SH HEAD
	    "head -c 300000 /dev/zero\nhead -c 300000 /dev/zero >&2\ncat\n");
	rig_start(&r);
	rig_do(&r, &ask);
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_SUCCEEDED);
	ck_assert_uint_eq(r.f.u.done.body_size, 600000);
	ck_assert_uint_eq(r.f.u.done.log.len, 65536);
	free(body);
	rig_stop(&r);
}
END_TEST

START_TEST(empty_body_is_dev_null)
{
	struct rig r;

	rig_init(&r, 1);
	rig_script(&r, "n", "", SH HEAD "readlink /proc/self/fd/0\n"
	    "echo ${CONTENT_LENGTH-none}\n");
	rig_start(&r);
	rig_get(&r, "n");
	ck_assert_str_eq(rig_body_text(&r), "/dev/null\nnone\n");
	rig_stop(&r);
}
END_TEST

START_TEST(inline_of_zero)
{
	struct rig r;

	rig_init(&r, 1);
	ck_assert_int_eq(buf_printf(&r.conf, "inline = \"0\"\n"), 0);
	rig_script(&r, "one", "", SH HEAD "echo hello\n");
	rig_script(&r, "none", "", SH HEAD);
	rig_start(&r);
	rig_get(&r, "one");
	rig_check_body(&r, "hello\n", 6);
	ck_assert_uint_eq(r.f.u.done.body_in_fd, 1);
	rig_get(&r, "none");
	rig_check_body(&r, "", 0);
	rig_stop(&r);
}
END_TEST

START_TEST(no_spool_no_response)
{
	struct rig r;

	rig_init(&r, 1);
	r.spool_error = ENOSPC;
	rig_script(&r, "big", "", SH HEAD "exec cat /dev/zero\n");
	rig_script(&r, "big-and-gone", "", SH HEAD
	    "head -c 70000 /dev/zero\n");
	rig_start(&r);
	rig_get(&r, "big");
	rig_check_failed(&r, "the response cannot be kept: "
	    "No space left on device");
	rig_get(&r, "big-and-gone");
	rig_check_failed(&r, "the response cannot be kept: "
	    "No space left on device");
	rig_stop(&r);
}
END_TEST

START_TEST(no_body_with_head_204_304)
{
	static const char *const routes[] = { "hello", "s204", "s304" };
	struct rig r;
	size_t i;

	rig_init(&r, 1);
	rig_script(&r, "hello", "", SH "printf 'Content-Length: 99999\\n"
	    "Content-Type: a/b\\n\\n'\nhead -c 99999 /dev/zero\n");
	rig_script(&r, "s204", "", SH "printf 'Status: 204\\n\\nxx'\n");
	rig_script(&r, "s304", "", SH "printf 'Status: 304\\n"
	    "Content-Length: 7\\n\\n'\n");
	rig_start(&r);
	for (i = 0; i < 3; i++) {
		rig_do(&r, &(struct ask){ .route = routes[i],
		    .method = i == 0 ? "HEAD" : "GET" });
		rig_check_body(&r, "", 0);
	}
	rig_stop(&r);
}
END_TEST

/* -- how it ended --------------------------------------------------------- */

static const struct ending {
	const char	*script;	/* NULL: not there */
	const char	*settings;
	const char	*reason;	/* NULL: succeeds with "ok" */
} endings[] = {
	{ SH HEAD "printf ok\n", "", NULL },
	{ SH HEAD "printf ok; exit 3\n", "",
	    "the program exited with status 3" },
	{ SH HEAD "printf ok; exit 3\n", "exit-status = \"ignore\"", NULL },
	{ SH "exit 1\n", "exit-status = \"ignore\"", "no output" },
	{ SH "exit 255\n", "", "the program exited with status 255" },
	{ SH HEAD "printf ok; kill -9 $$\n", "",
	    "the program was killed by signal 9 (Killed)" },
	{ SH HEAD "printf ok; kill -9 $$\n", "exit-status = \"ignore\"",
	    "the program was killed by signal 9 (Killed)" },
	{ SH HEAD "kill -SEGV $$\n", "",
	    "the program was killed by signal 11 (Segmentation fault)" },
	{ SH, "", "no output" },
	{ SH "echo hello world\n", "", "*" },
	{ SH "printf 'Content-Type: a/b\\n'\n", "", "*" },
	{ SH "printf 'A b: c\\n\\n'; sleep 1000\n", "", "*" },
	{ SH "yes 'X-A: b'\n", "", "*" },
	{ SH "printf 'Content-Length: 3\\nStatus: 200\\n\\nok'\n", "",
	    "Content-Length says 3, but the body has 2 bytes" },
	{ SH "printf 'Content-Length: 1\\nStatus: 200\\n\\nok'\n", "",
	    "Content-Length says 1, but the body has 2 bytes" },
	{ SH "printf 'Content-Length: 2\\nStatus: 200\\n\\nok'\n", "", NULL },
	{ SH HEAD "cat /dev/zero\n", "max-response = \"100K\"",
	    "the response is over max-response (102400 bytes)" },
	{ SH HEAD "head -c 102400 /dev/zero | tr '\\0' k >&2; printf ok\n",
	    "max-response = \"2\"", NULL },
	{ SH HEAD "printf oki\n", "max-response = \"2\"",
	    "the response is over max-response (2 bytes)" },
	{ "#!/no/such/interpreter\n", "",
	    "the program cannot be started: No such file or directory" },
	{ "no magic\n", "", "the program cannot be started: "
	    "Exec format error" },
	{ NULL, "", "the program cannot be started: "
	    "No such file or directory" },
};

START_TEST(ends)
{
	const struct ending *e = &endings[_i];
	struct rig r;

	rig_init(&r, 1);
	if (e->script != NULL)
		rig_script(&r, "x", e->settings, e->script);
	else
		rig_exec(&r, "x", e->settings, "/no/such/dir/program");
	rig_script(&r, "after", "", SH HEAD "echo well\n");
	rig_start(&r);
	rig_get(&r, "x");
	if (e->reason == NULL)
		rig_check_body(&r, "ok", 2);
	else if (strcmp(e->reason, "*") != 0)
		rig_check_failed(&r, e->reason);
	ck_assert_uint_eq(r.f.u.done.outcome,
	    e->reason == NULL ? OUTCOME_SUCCEEDED : OUTCOME_FAILED);
	ck_assert_uint_eq(r.f.u.done.reason.len == 0, e->reason == NULL);
	/* And the worker is as good as before. */
	rig_get(&r, "after");
	rig_check_body(&r, "well\n", 5);
	rig_stop(&r);
}
END_TEST

START_TEST(not_executable)
{
	char path[128];
	struct rig r;

	rig_init(&r, 1);
	rig_script(&r, "x", "", SH HEAD);
	snprintf(path, sizeof(path), "%s/x", r.dir);
	ck_assert_int_eq(chmod(path, 0644), 0);
	rig_exec(&r, "dir", "", r.dir);
	rig_start(&r);
	rig_get(&r, "x");
	rig_check_failed(&r, "the program cannot be started: "
	    "Permission denied");
	ck_assert_int_eq(r.f.u.done.wait_status, -1);
	rig_get(&r, "dir");
	rig_check_failed(&r, "the program cannot be started: "
	    "Permission denied");
	rig_get(&r, "vanished");
	rig_check_failed(&r, "no such route");
	rig_stop(&r);
}
END_TEST

START_TEST(stdout_closed_early)
{
	struct rig r;

	rig_init(&r, 1);
	rig_script(&r, "x", "", SH HEAD "printf ok\nexec >&- 2>&- 3>&-\n"
	    "sleep 0.3\nexit 4\n");
	rig_start(&r);
	rig_get(&r, "x");
	rig_check_failed(&r, "the program exited with status 4");
	rig_stop(&r);
}
END_TEST

/* -- stderr and progress -------------------------------------------------- */

static int
mkfifo_in(const struct rig *r, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	return mkfifo(path, 0600);
}

/* The next frame is a piece of stderr, and begins there. */
static void
check_piece(struct rig *r, uint64_t at, const char *text)
{
	ck_assert(rig_next(r));
	ck_assert_int_eq(r->f.kind, FRAME_STDERR);
	ck_assert_uint_eq(r->f.u.err.at, at);
	ck_assert_uint_eq(r->f.u.err.text.len, strlen(text));
	ck_assert_mem_eq(r->f.u.err.text.data, text, strlen(text));
}

/* What was said before this has come: the answer to it has. */
static void
wait_heard(struct rig *r, unsigned int running)
{
	rig_follow(r, running, 1);
	check_piece(r, 0, "");
}

START_TEST(follows_stderr)
{
	unsigned int number;
	struct rig r;

	rig_init(&r, 2);
	rig_script(&r, "x", "", SH HEAD "echo 1$$ >there\n"
	    "go() { until read line <go; do :; done; }\n"
	    "go; printf 'one\\n' >&2; go; printf two >&2; printf ok\n");
	rig_start(&r);
	ck_assert_int_eq(mkfifo_in(&r, "go"), 0);
	number = rig_ask(&r, &(struct ask){ .route = "x" });
	rig_read_number(&r, "there");
	rig_follow(&r, number, 1);
	check_piece(&r, 0, "");		/* nothing yet, and that at once */
	rig_write_file(&r, "go");
	check_piece(&r, 0, "one\n");
	rig_follow(&r, number, 1);		/* once more, from its beginning */
	check_piece(&r, 0, "one\n");
	rig_write_file(&r, "go");
	check_piece(&r, 4, "two");
	rig_done(&r);
	rig_check_body(&r, "ok", 2);
	ck_assert_uint_eq(r.f.u.done.log.len, 7);
	rig_follow(&r, number, 1);		/* too late, which is normal */
	rig_follow(&r, number + 9, 0);
	rig_stop(&r);
}
END_TEST

/* Nobody reads: neither the task nor the worker waits; then the end is there. */
START_TEST(slow_master)
{
	unsigned int number, pieces = 0, done = 0;
	uint64_t at = 0, missed = 0;
	struct rig r;

	rig_init(&r, 2);
	rig_script(&r, "x", "", SH HEAD "echo 1$$ >there; i=0\n"
	    "while [ $i -lt 25 ]; do i=$((i+1)); seq 1 20000 >&2; sleep 0.11\n"
	    "done; echo 1 >written; printf ok\n");
	rig_script(&r, "y", "", SH HEAD "echo 1 >another; printf ok\n");
	rig_start(&r);
	number = rig_ask(&r, &(struct ask){ .route = "x" });
	rig_follow(&r, number, 1);
	rig_wait_file(&r, "written");
	rig_ask(&r, &(struct ask){ .route = "y", .slot = 1 });
	rig_wait_file(&r, "another");
	while (done < 2) {
		ck_assert(rig_next(&r));
		if (r.f.kind == FRAME_DONE) {
			rig_check_body(&r, "ok", 2);
			done++;
			continue;
		}
		ck_assert_int_eq(r.f.kind, FRAME_STDERR);
		ck_assert_uint_ge(r.f.u.err.at, at);
		missed += r.f.u.err.at - at;
		at = r.f.u.err.at + r.f.u.err.text.len;
		pieces++;
	}
	ck_assert_uint_eq(at, 25 * 108894);
	ck_assert(pieces > 1 && pieces < 30 && missed > 0);
	rig_stop(&r);
}
END_TEST

START_TEST(floods_stderr)
{
	const char *log;
	struct rig r;

	rig_init(&r, 1);
	rig_script(&r, "x", "", SH "seq 1 1000000 >&2\n" HEAD "printf ok\n");
	rig_start(&r);
	rig_get(&r, "x");
	rig_check_body(&r, "ok", 2);
	ck_assert_uint_eq(r.f.u.done.log.len, 65536);
	log = r.f.u.done.log.data;
	ck_assert_mem_eq(log + 65536 - 16, "\n999999\n1000000\n", 16);
	rig_stop(&r);
}
END_TEST

START_TEST(everything_at_its_largest)
{
	struct rig r;

	/* Head, body and stderr together still fit into one frame. */
	rig_init(&r, 1);
	rig_script(&r, "x", "", SH "printf 'Content-Type: a/b\\n'\n"
	    "yes 'a:b' | head -n 10000\necho\nhead -c 65536 /dev/zero\n"
	    "head -c 65536 /dev/zero >&2\n");
	rig_start(&r);
	rig_get(&r, "x");
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_SUCCEEDED);
	ck_assert_uint_eq(r.f.u.done.body.len, 65536);
	ck_assert_uint_gt(r.f.u.done.log.len, 0);
	rig_stop(&r);
}
END_TEST

START_TEST(progress)
{
	struct rig r;

	rig_init(&r, 1);
	rig_script(&r, "x", "", SH "echo garbage >&3; echo '-3 no' >&3\n"
	    "printf '42 rendering ' >&3; sleep 0.1; echo 'page 3' >&3\n"
	    "sleep 0.3; i=0\nwhile [ $i -lt 500 ]; do echo $i >&3; "
	    "i=$((i+1)); done\necho '190 last' >&3; sleep 0.7\n" HEAD);
	rig_start(&r);
	rig_ask(&r, &(struct ask){ .route = "x" });
	ck_assert(rig_next(&r));
	ck_assert_int_eq(r.f.kind, FRAME_PROGRESS);
	ck_assert_uint_eq(r.f.u.progress.percent, 42);
	ck_assert_uint_eq(r.f.u.progress.message.len, 16);
	ck_assert_mem_eq(r.f.u.progress.message.data, "rendering page 3", 16);
	rig_done(&r);
	/* About 1.1 s, more where it stalls: never one for each of 500 lines. */
	ck_assert_uint_ge(r.progress_frames, 1);
	ck_assert_uint_le(r.progress_frames, 50);
	ck_assert_uint_eq(r.percent, 100);
	ck_assert_str_eq(r.message, "last");
	rig_stop(&r);
}
END_TEST

/* -- who is left behind --------------------------------------------------- */

START_TEST(background_child)
{
	struct rig r;

	rig_init(&r, 1);
	rig_script(&r, "x", "", SH HEAD "sleep 1000 &\necho $!\n");
	rig_start(&r);
	rig_get(&r, "x");
	rig_check_gone((pid_t)atoi(rig_body_text(&r)));
	rig_stop(&r);
}
END_TEST

START_TEST(child_that_left_the_group)
{
	struct rig r;
	pid_t pid;

	/* It goes its own way, on purpose, and writes for ever. */
	rig_init(&r, 1);
	rig_script(&r, "x", "", SH HEAD "setsid sh -c 'echo $$ >pid; "
	    "trap \"\" PIPE; while :; do echo xxxxxxxx; echo y >&2; done' &\n"
	    "while [ ! -s pid ]; do sleep 0.01; done\n");
	rig_start(&r);
	rig_get(&r, "x");
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_SUCCEEDED);
	pid = (pid_t)rig_read_number(&r, "pid");
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	rig_check_gone(pid);
	rig_stop(&r);
}
END_TEST

/* A parent with a child; both write who they are. */
#define FAMILY	"sh -c 'echo $$ >child; exec sleep 1000' &\n"		\
		"while [ ! -s child ]; do sleep 0.01; done\n"		\
		"echo $$ >parent\n"

START_TEST(timeout)
{
	struct rig r;

	rig_init(&r, 1);
	rig_script(&r, "x", "timeout = 1 grace = 100", SH HEAD FAMILY "wait\n");
	rig_start(&r);
	rig_get(&r, "x");
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_TIMED_OUT);
	ck_assert_int_eq(WTERMSIG(r.f.u.done.wait_status), SIGTERM);
	rig_check_gone((pid_t)rig_read_number(&r, "child"));
	rig_stop(&r);
}
END_TEST

START_TEST(timeout_that_is_ignored)
{
	struct rig r;

	rig_init(&r, 1);
	rig_script(&r, "x", "timeout = 3 grace = 1", SH HEAD "trap '' TERM\n"
	    FAMILY "while :; do sleep 0.1; done\n");
	rig_start(&r);
	rig_get(&r, "x");
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_TIMED_OUT);
	ck_assert_int_eq(WTERMSIG(r.f.u.done.wait_status), SIGKILL);
	rig_check_gone((pid_t)rig_read_number(&r, "child"));
	rig_stop(&r);
}
END_TEST

START_TEST(cancel)
{
	struct rig r;
	unsigned int n;

	rig_init(&r, 2);
	rig_script(&r, "x", "grace = 100", SH HEAD FAMILY "wait\n");
	rig_start(&r);
	n = rig_ask(&r, &(struct ask){ .route = "x", .slot = 1 });
	rig_read_number(&r, "parent");
	rig_cancel(&r, n + 1);		/* nobody's: nothing happens */
	rig_cancel(&r, n);
	rig_cancel(&r, n);
	rig_done(&r);
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_CANCELLED);
	ck_assert_int_eq(WTERMSIG(r.f.u.done.wait_status), SIGTERM);
	rig_check_gone((pid_t)rig_read_number(&r, "child"));
	rig_stop(&r);
}
END_TEST

START_TEST(cancel_that_is_ignored)
{
	struct rig r;
	unsigned int n;

	rig_init(&r, 1);
	rig_script(&r, "x", "grace = 1", SH HEAD "trap '' TERM\n" FAMILY
	    "while :; do sleep 0.1; done\n");
	rig_start(&r);
	n = rig_ask(&r, &(struct ask){ .route = "x" });
	rig_read_number(&r, "parent");
	rig_cancel(&r, n);
	rig_done(&r);
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_CANCELLED);
	ck_assert_int_eq(WTERMSIG(r.f.u.done.wait_status), SIGKILL);
	rig_check_gone((pid_t)rig_read_number(&r, "child"));
	rig_stop(&r);
}
END_TEST

START_TEST(cancel_while_it_waits_for_a_spool_file)
{
	struct rig r;
	unsigned int n;

	rig_init(&r, 1);
	rig_script(&r, "x", "", SH HEAD "cat /dev/zero\n");
	rig_script(&r, "y", "", SH HEAD "head -c 70000 /dev/zero\n");
	rig_start(&r);
	n = rig_ask(&r, &(struct ask){ .route = "x" });
	ck_assert(rig_next(&r));
	ck_assert_int_eq(r.f.kind, FRAME_NEED_SPOOL);
	rig_cancel(&r, n);
	rig_done(&r);
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_CANCELLED);
	n = rig_ask(&r, &(struct ask){ .route = "y" });
	ck_assert(rig_next(&r));
	ck_assert_int_eq(r.f.kind, FRAME_NEED_SPOOL);
	rig_cancel(&r, n);
	rig_done(&r);
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_CANCELLED);
	rig_stop(&r);
}
END_TEST

/* -- the end of a worker -------------------------------------------------- */

enum end { END_MASTER_GONE, END_SIGTERM, END_GARBAGE, END_NO_JOB, END_KILL,
    END_BAD_SLOT, END_N };

START_TEST(takes_its_programs_along)
{
	struct slate_slot *thread;
	struct rig r;
	int fd, status;

	rig_init(&r, 2);
	rig_script(&r, "x", "", SH "trap '' TERM\n" FAMILY
	    "while :; do sleep 0.1; done\n");
	rig_start(&r);
	rig_ask(&r, &(struct ask){ .route = "x" });
	rig_read_number(&r, "parent");
	thread = rig_thread(&r, r.ids);
	ck_assert_int_eq(thread->pgid, (int)rig_read_number(&r, "parent"));
	ck_assert_uint_eq(thread->attempt, 1);
	switch (_i) {
	case END_MASTER_GONE:
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(fd, r.master);
		close(fd);
		break;
	case END_SIGTERM:
		kill(r.pid, SIGINT);	/* ignored */
		kill(r.pid, SIGHUP);
		kill(r.pid, SIGTERM);
		break;
	case END_GARBAGE:
		rig_send_garbage(r.master);
		break;
	case END_NO_JOB:
		rig_send_garbage(r.jobs);
		break;
	case END_BAD_SLOT:
		rig_ask(&r, &(struct ask){ .route = "x", .slot = 2 });
		break;
	default:
		kill(r.pid, SIGKILL);
		break;
	}
	status = rig_wait_worker(&r);
	ck_assert_int_eq(WIFSIGNALED(status), _i == END_KILL);
	/* The task has not failed: its worker has.  No DONE says otherwise. */
	if (_i != END_MASTER_GONE)
		ck_assert(!rig_next(&r));
	rig_check_gone((pid_t)rig_read_number(&r, "parent"));
	/* After a kill -9 the rest of the group is the launcher's duty. */
	if (_i == END_KILL)
		ck_assert_int_eq(kill(-thread->pgid, SIGKILL), 0);
	rig_check_gone((pid_t)rig_read_number(&r, "child"));
	ck_assert_uint_eq(thread->attempt, 1);
	rig_fini(&r);
}
END_TEST

/*
 * Two sockets: what is said of a job may come before it.  That it has come we
 * know by an answer to what was said after it.
 */
START_TEST(said_too_soon)
{
	unsigned int slow;
	struct rig r;

	rig_init(&r, 2);
	rig_script(&r, "slow", "", SH HEAD "echo 1$$ >there\n"
	    "while [ ! -s go ]; do sleep 0.01; done; printf ok\n");
	rig_script(&r, "quick", "", SH HEAD "printf ok");
	rig_start(&r);
	slow = rig_ask(&r, &(struct ask){ .route = "slow", .slot = 1 });
	rig_read_number(&r, "there");
	rig_cancel(&r, slow + 1);
	wait_heard(&r, slow);
	rig_get(&r, "quick");
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_CANCELLED);
	rig_cancel(&r, slow + 1);	/* too late: not for who comes next */
	wait_heard(&r, slow);
	rig_get(&r, "quick");
	rig_check_body(&r, "ok", 2);
	rig_follow(&r, slow + 3, 1);
	wait_heard(&r, slow);
	rig_ask(&r, &(struct ask){ .route = "quick" });
	check_piece(&r, 0, "");		/* as if it had come in time */
	rig_done(&r);
	rig_check_body(&r, "ok", 2);
	rig_write_file(&r, "go");
	rig_done(&r);
	rig_check_body(&r, "ok", 2);
	rig_stop(&r);
}
END_TEST

/* No bell for the thread that finds its job cancelled: it has no such number. */
START_TEST(cancelled_too_soon)
{
	int said = memfd_create("said", MFD_CLOEXEC), i;
	struct ask quick = { .route = "quick", .method = "POST",
	    .body = "body", .body_len = 4, .body_in_fd = true };
	char line[512] = "";
	unsigned int slow;
	struct rig r;

	rig_init(&r, 4);
	rig_script(&r, "slow", "", SH HEAD "echo 1$$ >there\n"
	    "while [ ! -s go ]; do sleep 0.01; done; printf ok\n");
	rig_script(&r, "quick", "", SH HEAD "printf ok");
	ck_assert_int_ge(dup2(said, STDERR_FILENO), 0);
	rig_start(&r);
	slow = rig_ask(&r, &(struct ask){ .route = "slow", .slot = 1 });
	rig_read_number(&r, "there");
	for (i = 0; i < 8; i++) {
		rig_cancel(&r, r.ids + 1);
		rig_follow(&r, slow, 1);
		check_piece(&r, 0, "");
		quick.body_in_fd = i < 4;
		rig_do(&r, &quick);
		ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_CANCELLED);
	}
	rig_write_file(&r, "go");
	rig_done(&r);
	rig_stop(&r);
	ck_assert_int_ge(pread(said, line, sizeof(line) - 1, 0), 0);
	ck_assert_ptr_null(strstr(line, "bell-failed"));
	close(said);
}
END_TEST

/* The main thread polls more than it may have open: it wants its limits back. */
START_TEST(limits_of_who_listens)
{
	struct rlimit few, was;
	unsigned int number;
	struct rig r;

	rig_init(&r, 1);
	rig_script(&r, "x", "", SH HEAD "echo 1$$ >there\n"
	    "while [ ! -s go ]; do sleep 0.01; done; printf ok\n");
	rig_start(&r);
	number = rig_ask(&r, &(struct ask){ .route = "x" });
	rig_read_number(&r, "there");
	ck_assert_int_eq(prlimit(r.pid, RLIMIT_NOFILE, NULL, &was), 0);
	few = (struct rlimit){ 2, was.rlim_max };
	ck_assert_int_eq(prlimit(r.pid, RLIMIT_NOFILE, &few, NULL), 0);
	wait_heard(&r, number);
	wait_heard(&r, number);
	rig_write_file(&r, "go");
	rig_done(&r);
	rig_check_body(&r, "ok", 2);
	rig_stop(&r);
}
END_TEST

START_TEST(retire_with_a_job)
{
	struct rig r;

	rig_init(&r, 2);
	rig_script(&r, "x", "", SH HEAD "echo 1$$ >there\n"
	    "while [ ! -s go ]; do sleep 0.01; done; printf ok\n");
	rig_start(&r);
	rig_ask(&r, &(struct ask){ .route = "x" });
	rig_read_number(&r, "there");
	rig_retire(&r);
	rig_write_file(&r, "go");
	rig_done(&r);
	rig_check_body(&r, "ok", 2);
	ck_assert_int_eq(rig_wait_worker(&r), 0);
	rig_fini(&r);
}
END_TEST

/* -- whose descriptors (daemon/worker/fdtable.h) -------------------------- */

static bool
can_fetch(void)
{
	int self = pidfd_open(getpid(), 0);
	int fd = pidfd_getfd(self, self, 0);	/* EBADF where self is -1 */

	if (fd != -1)
		close(fd);
	if (self != -1)
		close(self);
	return fd != -1;
}

/* As some containers do, for this process and its workers. */
static void
refuse_fetching(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_getfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { N(code), code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter),
	    0);
	ck_assert(!can_fetch());
}

static bool
has_own_tables(void)
{
#ifdef __SANITIZE_THREAD__
	return false;
#else
	return can_fetch();
#endif
}

/* The worker's, the first of which is its main thread.  How many. */
static int
find_threads(const struct rig *r, pid_t thread[THREADS_MAX])
{
	char path[64];
	glob_t found;
	int i, n;

	snprintf(path, sizeof(path), "/proc/%d/task/*", (int)r->pid);
	ck_assert_int_eq(glob(path, 0, NULL, &found), 0);
	thread[0] = r->pid;
	for (i = 0, n = 1; i < (int)found.gl_pathc; i++) {
		ck_assert_int_lt(n, THREADS_MAX);
		thread[n] = atoi(strrchr(found.gl_pathv[i], '/') + 1);
		n += thread[n] != r->pid;
	}
	globfree(&found);
	return n;
}

/* -1: it is not for this user to know. */
static int
count_fds(pid_t thread)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)thread);
	return count_files(path);
}

static int
count_all_fds(const struct rig *r)
{
	pid_t thread[THREADS_MAX];
	int i, sum = 0, n = find_threads(r, thread);

	for (i = 0; i < n; i++)
		sum += count_fds(thread[i]);
	return sum;
}

/*
 * Each thread fetches its bell when it may.  Then it has, in a table of its own,
 * as much as the main thread, less the bells of the others.
 */
static void
wait_for_bells(const struct rig *r)
{
	pid_t thread[THREADS_MAX];
	int i, n = find_threads(r, thread), all = count_fds(r->pid);
	int wanted = has_own_tables() ? all - (int)r->threads + 1 : all;

	ck_assert_int_gt(n, (int)r->threads);
	for (i = 1; i < n && all != -1; i++)
		while (count_fds(thread[i]) != wanted)
			poll(NULL, 0, 1);
}

START_TEST(tables_of_threads)
{
	struct rig r;

	rig_init(&r, 4);
	rig_script(&r, "x", "", SH HEAD);
	rig_start(&r);
	wait_for_bells(&r);
	rig_get(&r, "x");
	wait_for_bells(&r);		/* nothing came to them for good */
	rig_stop(&r);
}
END_TEST

static unsigned long
blocked_signals(pid_t thread)
{
	char path[64], line[256];
	unsigned long set = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)thread);
	ck_assert_ptr_nonnull(f = fopen(path, "re"));
	while (fgets(line, sizeof(line), f) != NULL &&
	    sscanf(line, "SigBlk: %lx", &set) != 1)
		;
	fclose(f);
	return set;
}

/* A thread that faults can say so; nothing else comes between it and a child. */
START_TEST(signals_of_threads)
{
	static const int harmless[] = { SIGCHLD, SIGSEGV, SIGBUS, SIGFPE,
	    SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGKILL, SIGSTOP };
	enum { SLOTS = 2 };
	unsigned long want = 0x7fffffff;
	pid_t thread[THREADS_MAX];
	int i, n, found = 0;
	struct rig r;

	for (i = 0; i < N(harmless); i++)
		want &= ~(1UL << (harmless[i] - 1));
	rig_init(&r, SLOTS);
	rig_script(&r, "x", "", SH HEAD);
	rig_start(&r);
	n = find_threads(&r, thread);
	for (i = 1; i < n; i++)
		found += (blocked_signals(thread[i]) & 0x7fffffff) == want;
	ck_assert_int_eq(found, SLOTS);		/* a checker may have another */
	rig_stop(&r);
}
END_TEST

/* -- a worker for ever ---------------------------------------------------- */

/* With a file each way, too: descriptors that go from thread to thread. */
START_TEST(no_descriptor_is_left_over)
{
	enum { SLOTS = 4, ROUNDS = 10, BYTES = 200000 };
	static char body[BYTES];
	struct ask ask = { .route = "x", .method = "POST", .body = body };
	int fds, round;
	struct rig r;

	memset(body, 'b', sizeof(body));
	rig_init(&r, SLOTS);
	rig_script(&r, "x", "", SH HEAD "exec cat\n");
	rig_start(&r);
	wait_for_bells(&r);
	fds = count_all_fds(&r);
	for (round = 0; round < ROUNDS; round++) {
		ask.body_in_fd = round % 2 == 0;
		ask.body_len = ask.body_in_fd ? sizeof(body) : 9;
		for (ask.slot = 0; ask.slot < SLOTS; ask.slot++)
			rig_do(&r, &ask);
		/* The last one is closed a moment behind its DONE. */
		while (count_all_fds(&r) > fds)
			poll(NULL, 0, 1);
	}
	rig_stop(&r);
}
END_TEST

/* It came to the thread, which never took it. */
START_TEST(file_that_nobody_asked_for)
{
	struct frame f = { .kind = FRAME_SPOOL };
	int fds, fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned int slow;
	struct rig r;

	rig_init(&r, 2);
	rig_script(&r, "slow", "", SH HEAD "echo 1$$ >there\n"
	    "while [ ! -s go ]; do sleep 0.01; done; printf ok\n");
	rig_start(&r);
	wait_for_bells(&r);
	fds = count_all_fds(&r);
	slow = rig_ask(&r, &(struct ask){ .route = "slow" });
	rig_read_number(&r, "there");
	rig_id(f.u.job.id, slow);
	f.u.job.attempt = 1;
	rig_send(&r, &f, fd);
	wait_heard(&r, slow);
	rig_write_file(&r, "go");
	rig_done(&r);
	rig_check_body(&r, "ok", 2);
	while (count_all_fds(&r) > fds)
		poll(NULL, 0, 1);
	close(fd);
	rig_stop(&r);
}
END_TEST

START_TEST(nothing_is_left_over)
{
	enum { SLOTS = 8, JOBS = 400 };
	struct ask ask = { .route = "x", .method = "POST", .body = "some body",
	    .body_len = 9 };
	unsigned int slot[JOBS + 1], n, done;
	char path[64], text[256];
	struct rig r;
	FILE *f;

	rig_init(&r, SLOTS);
	rig_script(&r, "x", "", SH HEAD "exec cat\n");
	rig_start(&r);
	for (; ask.slot < SLOTS; ask.slot++)
		slot[rig_ask(&r, &ask)] = ask.slot;
	for (done = 0; done < JOBS; done++) {
		rig_done(&r);
		rig_check_body(&r, "some body", 9);
		memcpy(&n, r.f.u.done.id, sizeof(n));
		ask.slot = slot[n];
		if (r.ids < JOBS)
			slot[rig_ask(&r, &ask)] = ask.slot;
	}
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)r.pid,
	    (int)r.pid);
	ck_assert_ptr_nonnull(f = fopen(path, "re"));
	ck_assert_ptr_null(fgets(text, sizeof(text), f));
	fclose(f);
	rig_stop(&r);
}
END_TEST

START_TEST(small_when_idle)
{
	struct rig r;

	rig_init(&r, 16);
	rig_script(&r, "x", "", SH HEAD);
	rig_start(&r);
	if (!is_sanitized() && getenv("VALGRIND") == NULL)
		ck_assert_int_lt(rig_rss_kib(&r), 4096);
	rig_stop(&r);
}
END_TEST

#define PATIENCE_S	120

/* Where a descriptor comes, goes or is counted: both ways of fdtable.h. */
static void
add_table(Suite *s, const char *name, void (*setup)(void))
{
	TCase *t = suite_case(s, name, setup, NULL);

	tcase_set_timeout(t, PATIENCE_S);
	tcase_add_test(t, tables_of_threads);
	tcase_add_test(t, what_a_program_is_given);
	tcase_add_loop_test(t, body_comes_back, 0, N(sizes));
	tcase_add_test(t, writes_before_it_reads);
	tcase_add_test(t, inline_of_zero);
	tcase_add_test(t, no_spool_no_response);
	tcase_add_test(t, cancel_while_it_waits_for_a_spool_file);
	tcase_add_test(t, no_descriptor_is_left_over);
	tcase_add_test(t, file_that_nobody_asked_for);
}

static void
add_programs(Suite *s)
{
	TCase *t = suite_case(s, "programs", NULL, NULL);

	tcase_set_timeout(t, PATIENCE_S);
	tcase_add_test(t, memory_limit);
	tcase_add_test(t, environment);
	tcase_add_test(t, empty_body_is_dev_null);
	tcase_add_test(t, no_body_with_head_204_304);
	tcase_add_loop_test(t, ends, 0, N(endings));
	tcase_add_test(t, not_executable);
	tcase_add_test(t, stdout_closed_early);
	tcase_add_test(t, follows_stderr);
	tcase_add_test(t, slow_master);
	tcase_add_test(t, floods_stderr);
	tcase_add_test(t, everything_at_its_largest);
	tcase_add_test(t, progress);
	tcase_add_test(t, background_child);
	tcase_add_test(t, child_that_left_the_group);
	tcase_add_test(t, timeout);
	tcase_add_test(t, timeout_that_is_ignored);
	tcase_add_test(t, cancel);
	tcase_add_test(t, cancel_that_is_ignored);
	tcase_add_loop_test(t, takes_its_programs_along, 0, END_N);
	tcase_add_test(t, said_too_soon);
	tcase_add_test(t, cancelled_too_soon);
	if (getenv("VALGRIND") == NULL)	/* it tells of limits of its own */
		tcase_add_test(t, limits_of_who_listens);
	tcase_add_test(t, retire_with_a_job);
	tcase_add_test(t, nothing_is_left_over);
	tcase_add_test(t, signals_of_threads);
	tcase_add_test(t, small_when_idle);
}

static Suite *
exec_suite(void)
{
	Suite *s = suite_create("exec");

	add_programs(s);
	add_table(s, "own tables", NULL);
	add_table(s, "one table", refuse_fetching);
	return s;
}

int
main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	if (name != NULL && strcmp(name, "/probe") == 0)
		return probe(argc, argv);
	return suite_run(exec_suite());
}
