/*
 * check_module - modules in a real worker, good ones and others.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/suite.h"
#include "tests/worker_rig.h"

static void
rig_load(struct rig *r, const char *name, const char *settings,
    const char *file)
{
	char path[512], *dir = realpath(rig_builddir(), NULL);

	ck_assert_ptr_nonnull(dir);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	rig_module(r, name, settings, path);
	free(dir);
}

static unsigned int
rig_ask_what(struct rig *r, const char *what, unsigned int slot)
{
	char query[64];

	snprintf(query, sizeof(query), "QUERY_STRING=%s\nHTTP_PROXY=evil\n",
	    what);
	return rig_ask(r, &(struct ask){ .route = "m", .path = "/m/x/y",
	    .vars = query, .slot = slot });
}

static void
rig_what(struct rig *r, const char *what)
{
	rig_ask_what(r, what, 0);
	rig_done(r);
}

static void
rig_with_probe(struct rig *r, unsigned int threads, const char *settings)
{
	rig_init(r, threads);
	rig_load(r, "m", settings, "tests/mod_probe.so");
	rig_start(r);
}

/* Its head must be exactly this. */
static void
check_head(struct rig *r, const char *head)
{
	ck_assert_uint_eq(r->f.u.done.outcome, OUTCOME_SUCCEEDED);
	ck_assert_uint_eq(r->f.u.done.head.len, strlen(head));
	ck_assert_mem_eq(r->f.u.done.head.data, head, strlen(head));
}

START_TEST(answer)
{
	struct rig r;

	rig_init(&r, 2);
	rig_load(&r, "a", "env = { \"ANSWER_SECONDS=0.7\" }", "answer.so");
	rig_start(&r);
	rig_do(&r, &(struct ask){ .route = "a", .path = "/a/hello" });
	rig_check_body(&r, "\"The answer is: hello\"\n", 23);
	check_head(&r, "Status: 200 OK\r\n"
	    "Content-Type: application/json\r\n\r\n");
	ck_assert_int_eq(r.f.u.done.wait_status, -1);
	ck_assert_uint_ge(r.progress_frames, 1);
	ck_assert_uint_le(r.progress_frames, 3);
	ck_assert_str_eq(r.message, "thinking");
	rig_do(&r, &(struct ask){ .route = "a", .path = "/a/\"q\"\\" });
	rig_check_body(&r, "\"The answer is: \\u0022q\\u0022\\u005c\"\n", 37);
	rig_do(&r, &(struct ask){ .route = "a", .path = "/a" });
	rig_check_body(&r, "\"The answer is: \"\n", 18);
	rig_stop(&r);
}
END_TEST

START_TEST(interface)
{
	struct rig r;

	rig_with_probe(&r, 1, "env = { \"COLOR=red\" }");
	rig_what(&r, "refusals");
	rig_check_body(&r, "all", 3);
	check_head(&r, "Status: 418 Unknown\r\nSet-Cookie: a=1\r\n"
	    "Set-Cookie: b=2\r\n\r\n");
	rig_what(&r, "variables");
	ck_assert_str_eq(rig_body_text(&r), "PATH_INFO=/x/y\nCOLOR=red\n"
	    "REQUEST_METHOD=GET\n"
	    "DEFERD_TASK_ID=02000000abababababababababababab\n"
	    "DEFERD_PROGRESS_FD=none\n0\n");
	rig_what(&r, "location");
	check_head(&r, "Status: 302 Found\r\nLocation: /elsewhere\r\n\r\n");
	rig_what(&r, "nothing");
	check_head(&r, "Status: 200 OK\r\n\r\n");
	rig_what(&r, "log");
	rig_check_body(&r, "ok", 2);
	ck_assert_uint_eq(r.f.u.done.log.len, 14);
	ck_assert_mem_eq(r.f.u.done.log.data, "one\ntwo\nthree\n", 14);
	rig_stop(&r);
}
END_TEST

START_TEST(failures)
{
	struct rig r;

	rig_with_probe(&r, 1, "max-response = \"300K\"");
	rig_what(&r, "seven");
	rig_check_failed(&r, "the module returned 7");
	rig_what(&r, "short");
	rig_check_failed(&r,
	    "Content-Length says 10, but the body has 2 bytes");
	rig_what(&r, "pour");
	rig_check_failed(&r, "the response is over max-response "
	    "(307200 bytes)");
	rig_what(&r, "headers");
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_SUCCEEDED);
	ck_assert_uint_gt(r.f.u.done.head.len, 65000);
	r.spool_error = EIO;
	rig_what(&r, "pour");
	rig_check_failed(&r, "the response cannot be kept: "
	    "Input/output error");
	rig_stop(&r);
}
END_TEST

static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 5000000 };

START_TEST(body_comes_back)
{
	size_t i, len = sizes[_i];
	unsigned char *body = malloc(len + 1);
	struct ask ask = { .route = "m", .method = "POST", .body = body,
	    .body_len = len, .body_in_fd = len > 65536,
	    .vars = "QUERY_STRING=echo\n" };
	struct rig r;

	for (i = 0; i < len; i++)
		body[i] = (unsigned char)((i * 2654435761u) >> 13);
	rig_with_probe(&r, 1, "");
	rig_do(&r, &ask);
	rig_check_body(&r, body, len);
	rig_stop(&r);
	free(body);
}
END_TEST

START_TEST(cancel)
{
	struct rig r;
	unsigned int n;

	rig_with_probe(&r, 2, "");
	n = rig_ask_what(&r, "wait", 1);
	ck_assert(rig_next(&r));
	ck_assert_int_eq(r.f.kind, FRAME_PROGRESS);
	ck_assert_uint_eq(r.f.u.progress.percent, 7);
	rig_cancel(&r, n);
	rig_done(&r);
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_CANCELLED);
	ck_assert_uint_eq(r.f.u.done.body_size, 0);
	/* The same in the moment it waits for its file. */
	n = rig_ask_what(&r, "pour", 0);
	ck_assert(rig_next(&r));
	ck_assert_int_eq(r.f.kind, FRAME_NEED_SPOOL);
	rig_cancel(&r, n);
	rig_done(&r);
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_CANCELLED);
	rig_stop(&r);
}
END_TEST

static const struct {
	const char	*what;
	int		 signo;
} crashes[] = {
	{ "segv", SIGSEGV }, { "abort", SIGABRT }, { "fpe", SIGFPE },
	{ "stack", SIGSEGV },
};

START_TEST(crash_names_the_culprit)
{
	unsigned int innocent, culprit, idle = 0;
	struct rig r;
	int status;

	rig_with_probe(&r, 3, "");
	innocent = rig_ask_what(&r, "wait", 0);
	ck_assert(rig_next(&r));
	culprit = rig_ask_what(&r, crashes[_i].what, 2);
	ck_assert(!rig_next(&r));	/* no DONE, just the end */
	status = rig_wait_worker(&r);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), crashes[_i].signo);
	ck_assert_int_eq(rig_thread(&r, culprit)->signo, crashes[_i].signo);
	ck_assert_uint_eq(rig_thread(&r, culprit)->attempt, 1);
	ck_assert_int_eq(rig_thread(&r, innocent)->signo, 0);
	ck_assert_uint_eq(rig_thread(&r, innocent)->attempt, 1);
	for (unsigned int i = 0; i < r.slate.nslots; i++)
		idle += r.slate.slot[i].attempt == 0;
	ck_assert_uint_eq(idle, 1);
	rig_fini(&r);
}
END_TEST

START_TEST(never_returns)
{
	unsigned int n;
	struct rig r;

	rig_with_probe(&r, 2, "");
	n = rig_ask_what(&r, "never", 0);
	ck_assert(rig_next(&r));
	ck_assert_int_eq(r.f.kind, FRAME_PROGRESS);
	rig_cancel(&r, n);
	/* Its neighbour does not feel it; then the master ends it all. */
	rig_ask_what(&r, "nothing", 1);
	rig_done(&r);
	ck_assert_uint_eq(r.f.u.done.outcome, OUTCOME_SUCCEEDED);
	kill(r.pid, SIGTERM);
	ck_assert_int_eq(rig_wait_worker(&r), 0);
	ck_assert_uint_eq(rig_thread(&r, n)->attempt, 1);
	rig_fini(&r);
}
END_TEST

/* A thread that cannot hear of jobs is no thread: better no worker. */
START_TEST(spoils_the_socket)
{
	struct rig r;
	int status;

	rig_with_probe(&r, 2, "");
	rig_what(&r, "unblock");
	rig_check_body(&r, "ok", 2);
	ck_assert(!rig_next(&r));
	status = rig_wait_worker(&r);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 1);
	rig_fini(&r);
}
END_TEST

static const char *const unusable[] = { "tests/mod_abi.so", "no-such.so",
    "Makefile" };

START_TEST(cannot_be_loaded)
{
	struct rig r;
	int i;

	rig_init(&r, 2);
	rig_load(&r, "m", "", unusable[_i]);
	rig_start(&r);			/* HELLO all the same */
	for (i = 0; i < 3; i++) {
		rig_what(&r, "echo");
		rig_check_failed(&r, "the module cannot be loaded");
	}
	rig_stop(&r);
}
END_TEST

START_TEST(many_at_a_time)
{
	enum { SLOTS = 16, JOBS = 1000 };
	unsigned int slot[JOBS + 1], i, n, done;
	struct rig r;

	rig_with_probe(&r, SLOTS, "");
	for (i = 0; i < SLOTS; i++)
		slot[rig_ask_what(&r, "refusals", i)] = i;
	for (done = 0; done < JOBS; done++) {
		rig_done(&r);
		rig_check_body(&r, "all", 3);
		memcpy(&n, r.f.u.done.id, sizeof(n));
		if (r.ids < JOBS)
			slot[rig_ask_what(&r, "refusals", slot[n])] = slot[n];
	}
	rig_stop(&r);
}
END_TEST

START_TEST(small_when_idle)
{
	struct rig r;

	rig_with_probe(&r, 16, "");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	if (getenv("VALGRIND") == NULL)
		ck_assert_int_lt(rig_rss_kib(&r), 4096);
#endif
	rig_stop(&r);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("module");
	TCase *t = suite_case(s, "module", NULL, NULL);

	tcase_set_timeout(t, 120);
	tcase_add_test(t, answer);
	tcase_add_test(t, interface);
	tcase_add_test(t, failures);
	tcase_add_loop_test(t, body_comes_back, 0, N(sizes));
	tcase_add_test(t, cancel);
	tcase_add_loop_test(t, crash_names_the_culprit, 0, N(crashes));
	tcase_add_test(t, never_returns);
	tcase_add_test(t, spoils_the_socket);
	tcase_add_loop_test(t, cannot_be_loaded, 0, N(unusable));
	tcase_add_test(t, many_at_a_time);
	tcase_add_test(t, small_when_idle);
	return suite_run(s);
}
