/*
 * Tests of talk.c, and of ask.c and pages.c on it, against a daemon that this
 * test plays: one that answers in pieces, cuts short, says nothing or nonsense,
 * or does not want to read; and with a kernel that refuses, and memory that
 * ends.
 */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/pages.h"
#include "ctl/talk.h"
#include "ipc/scgi.h"
#include "ipc/sock.h"
#include "tests/refuse.h"
#include "tests/scarce.h"
#include "tests/suite.h"

REFUSE(int, poll, (struct pollfd *fds, nfds_t n, int ms), SYS_poll, fds, n, ms)

#define ENOUGH	65536		/* bytes: all of a question */

static char dir[] = "/tmp/check_ctl_talk.XXXXXX";
static char path[sizeof(dir) + 8];
static int listener;
static pid_t daemon_pid;
static struct talk talk;
static struct talk_question question;

static void
setup(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	listener = sock_listen(path, 0600, (gid_t)-1);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(fcntl(listener, F_SETFL, 0), 0);	/* it waits */
	question = (struct talk_question){ .method = "GET", .path = "/x" };
	daemon_pid = 0;
}

static void
teardown(void)
{
	refuse.call = NULL;
	talk_close(&talk);
	if (daemon_pid > 0)
		ck_assert_int_eq(waitpid(daemon_pid, NULL, 0), daemon_pid);
	close(listener);
	(void)unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* Reads so much at most (or what there is by then), and gives how much. */
static size_t
hear(int s, size_t most)
{
	static char heard[ENOUGH];
	size_t len = 0;
	ssize_t n = 1;

	while (len < most && n > 0) {
		n = read(s, heard, most - len < ENOUGH ? most - len : ENOUGH);
		len += n > 0 ? (size_t)n : 0;
	}
	return len;
}

/*
 * A daemon for one connection: it reads `hears` bytes, answers, `piece` bytes
 * at a time, and goes when the other side has, or at once.
 */
static void
daemon_starts(size_t hears, const char *answer, size_t piece, bool stays)
{
	daemon_pid = fork();
	ck_assert_int_ge(daemon_pid, 0);
	if (daemon_pid > 0)
		return;
	int s = accept(listener, NULL, NULL);

	(void)hear(s, hears);
	for (size_t at = 0; at < strlen(answer); at += piece)
		(void)!write(s, answer + at, strnlen(answer + at, piece));
	if (stays)
		(void)hear(s, SIZE_MAX);
	_exit(0);
}

static void
says(enum talk_end end, const char *why)
{
	ck_assert_int_eq(talk_open(&talk, path, &question), end);
	ck_assert_msg(strstr(talk.why, why) != NULL, "%s", talk.why);
}

static void
body_is(const char *want)
{
	char text[256];
	size_t len = 0;
	ssize_t n;

	while ((n = talk_read(&talk, text + len, 3)) > 0)
		len += (size_t)n;
	ck_assert_int_eq(n, 0);
	text[len] = '\0';
	ck_assert_str_eq(text, want);
}

/* --- answers --------------------------------------------------------------- */

static const struct {
	const char	*text, *body;
} answers[] = {
	{ "Status: 201 Created\r\nX-A: b\r\n\r\nuntil the end", "until the end" },
	{ "Status: 201 Created\r\nX-A: b\r\nContent-Length: 3\r\n\r\nonly", "onl" },
	{ "Status: 201 Created\r\nContent-Length: 0\r\nX-A: b\r\n\r\n", "" },
	{ "Status: 201 Created\r\nX-A: b\r\n\r\n", "" },
};

START_TEST(an_answer_comes_in_pieces)
{
	char value[8];

	for (size_t piece = 1; piece <= ENOUGH; piece *= ENOUGH) {
		daemon_starts(1, answers[_i].text, piece, false);
		says(TALK_ANSWERED, "");
		ck_assert_int_eq(talk.status, 201);
		ck_assert_str_eq(talk_header(&talk, "x-a", value, 8), "b");
		ck_assert_str_eq(talk_header(&talk, "X-B", value, 8), "");
		body_is(answers[_i].body);
		talk_close(&talk);
		ck_assert_int_eq(waitpid(daemon_pid, NULL, 0), daemon_pid);
	}
	daemon_pid = 0;
}
END_TEST

START_TEST(head_has_no_body)
{
	question.method = "HEAD";
	daemon_starts(1, "Status: 200 OK\r\nContent-Length: 9\r\n\r\n", 99, true);
	says(TALK_ANSWERED, "");
	body_is("");
}
END_TEST

START_TEST(a_body_cut_short_is_no_body)
{
	char text[16];

	daemon_starts(1, "Status: 200 OK\r\nContent-Length: 9\r\n\r\nfour", 99,
	    false);
	says(TALK_ANSWERED, "");
	ck_assert_int_eq(talk_read(&talk, text, sizeof(text)), 4);
	ck_assert_int_eq(talk_read(&talk, text, sizeof(text)), -1);
	ck_assert_ptr_nonnull(strstr(talk.why, "cut short"));
}
END_TEST

static const struct {
	const char	*text;
	enum talk_end	 end;
	const char	*why;
} poor[] = {
	{ "", TALK_AWAY, "without an answer" },
	{ "hello\r\n\r\n", TALK_NONSENSE, "makes no sense" },
	{ "Status: 200 OK\r\nX: y", TALK_NONSENSE, "makes no sense" },
	{ "Status: 7\r\n\r\n", TALK_NONSENSE, "makes no sense" },
};

START_TEST(what_is_no_answer_is_said)
{
	daemon_starts(1, poor[_i].text, 99, false);
	says(poor[_i].end, poor[_i].why);
}
END_TEST

/* In a body as before it: -1 is not the end of what came. */
START_TEST(silence_is_not_waited_for)
{
	char text[16];

	question.patience_s = 1;
	daemon_starts(1, _i == 0 ? "" : "Status: 200 OK\r\n\r\nfour", 99, true);
	if (_i == 0) {
		says(TALK_AWAY, "has not answered for 1 s");
		return;
	}
	says(TALK_ANSWERED, "");
	while (talk_read(&talk, text, sizeof(text)) > 0)
		;
	ck_assert_ptr_nonnull(strstr(talk.why, "has not answered for 1 s"));
}
END_TEST

START_TEST(whoever_asks_may_be_called_away)
{
	question.wake_fd = eventfd(1, EFD_CLOEXEC);
	daemon_starts(1, "", 99, true);
	says(TALK_WOKEN, "");
	close(question.wake_fd);
}
END_TEST

/* --- questions ------------------------------------------------------------- */

static int
file_of(size_t bytes)
{
	int fd = memfd_create("body", MFD_CLOEXEC);

	ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

/* Larger than what a socket holds, so it is sent piece by piece. */
START_TEST(a_large_body_is_sent)
{
	static const struct refuse passing[] = {
		{ NULL, 0, 0, 0 },
		{ "sendmsg", 0, 3, EAGAIN },
		{ "poll", 0, 3, EINTR },
	};

	question.body_size = 3000000;
	question.body_fd = file_of(question.body_size);
	refuse = passing[_i];
	daemon_starts(question.body_size, "Status: 200 OK\r\n\r\n", 99, true);
	says(TALK_ANSWERED, "");
	ck_assert_int_eq(lseek(question.body_fd, 0, SEEK_CUR),
	    (off_t)question.body_size);
	close(question.body_fd);
}
END_TEST

/* Who does not want to read on may have said why. */
START_TEST(a_refusal_is_read_though_the_body_is_not_sent)
{
	question.body_size = 3000000;
	question.body_fd = file_of(question.body_size);
	refuse = (struct refuse){ "sendmsg", 1, 99, EPIPE };
	daemon_starts(1, "Status: 413 Large\r\n\r\n", 99, true);
	says(TALK_ANSWERED, "");
	ck_assert_int_eq(talk.status, 413);
	close(question.body_fd);
}
END_TEST

START_TEST(a_daemon_that_reads_no_more_is_given_up)
{
	question.body_size = 3000000;
	question.body_fd = file_of(question.body_size);
	question.patience_s = 1;
	says(TALK_AWAY, "has not answered for 1 s");	/* nobody accepts */
	close(question.body_fd);
}
END_TEST

static const struct {
	struct refuse	 refuse;
	const char	*why;
} unreachable[] = {
	{ { "connect", 0, 1, ENOENT }, "(is deferd running?)" },
	{ { "connect", 0, 1, ECONNREFUSED }, "(is deferd running?)" },
	{ { "connect", 0, 1, EACCES }, "(it is for root" },
	{ { "connect", 0, 1, EPERM }, "(it is for root" },
	{ { "connect", 0, 1, EPROTOTYPE }, "cannot reach the daemon" },
	{ { "socket", 0, 1, EMFILE }, "cannot reach the daemon" },
	{ { "poll", 0, 1, ENOMEM }, "poll: " },
};

START_TEST(why_it_is_away_is_said)
{
	refuse = unreachable[_i].refuse;
	says(TALK_AWAY, unreachable[_i].why);
	if (strcmp(unreachable[_i].refuse.call, "poll") != 0)
		ck_assert_ptr_nonnull(strstr(talk.why, path));
}
END_TEST

/* --- what ends the program --------------------------------------------------- */

/*
 * Opens in a child, where so many allocations go well: it ends with this on
 * stderr.  Gives its exit code.
 */
static int
ends(int allocations, const char *complaint)
{
	char text[512] = "";
	int err[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe2(err, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)dup2(err[1], STDERR_FILENO);
		left = allocations;
		(void)!talk_open(&talk, path, &question);
		_exit(0);
	}
	close(err[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_ge(read(err[0], text, sizeof(text) - 1), 0);
	close(err[0]);
	if (WEXITSTATUS(status) != 0)
		ck_assert_msg(strstr(text, complaint) != NULL, "%s", text);
	return WEXITSTATUS(status);
}

START_TEST(a_body_that_cannot_be_read_is_the_end)
{
	question.body_size = 10;
	question.body_fd = file_of(9);
	ck_assert_int_eq(ends(-1, "it has become shorter"), EXIT_USAGE);
	close(question.body_fd);
	question.body_fd = -1;
	ck_assert_int_eq(ends(-1, "the request's body: "), EXIT_USAGE);
}
END_TEST

START_TEST(a_head_over_the_limit_is_the_end)
{
	char *large = malloc(SCGI_HEAD_MAX + 1);

	memset(large, 'x', SCGI_HEAD_MAX);
	large[SCGI_HEAD_MAX] = '\0';
	question.query = large;
	ck_assert_int_eq(ends(-1, "more than 64 KiB"), EXIT_USAGE);
	free(large);
}
END_TEST

/* Wherever it ends; and when it is enough, nobody complains. */
START_TEST(no_memory_is_the_end)
{
	int n, code = EXIT_USAGE;

	if (!OWN_MALLOC || getenv("LD_PRELOAD") != NULL)
		return;
	question.query = "a=b";
	for (n = 0; code != 0; n++) {
		ck_assert_int_lt(n, 100);
		daemon_starts(1, "Status: 200 OK\r\n\r\n", 99, false);
		code = ends(n, "memory");
		ck_assert(code == 0 || code == EXIT_USAGE);
		ck_assert_int_eq(waitpid(daemon_pid, NULL, 0), daemon_pid);
	}
	ck_assert_int_gt(n, 2);
	daemon_pid = 0;
}
END_TEST

/* --- what an answer means ---------------------------------------------------- */

#define ID	"0123456789abcdef0123456789abcdef"
#define UPPER	"0123456789ABCDEF0123456789ABCDEF"
#define OK	"Status: 200 OK\r\n\r\n"
#define NAMED	"{\"id\":\"" ID "\"},"

static struct ctl ctl;
static int complaints, real_stderr;

static void
setup_ask(void)
{
	setup();
	ctl.socket = path;
	complaints = memfd_create("stderr", MFD_CLOEXEC);
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	ck_assert_int_eq(dup2(complaints, STDERR_FILENO), STDERR_FILENO);
}

static void
teardown_ask(void)
{
	(void)dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(complaints);
	teardown();
}

static void
complains(const char *words)
{
	char text[2048] = "";

	ck_assert_int_ge(pread(complaints, text, sizeof(text) - 1, 0), 0);
	ck_assert_int_eq(*words == '\0', *text == '\0');
	ck_assert_msg(strstr(text, words) != NULL, "%s", text);
}

static const struct {
	const char	*answer;
	int		 code;
	const char	*complaint;
} found[] = {
	{ OK "{\"tasks\":[{\"id\":\"" ID "\"}]}", EXIT_DONE, "" },
	{ OK "{\"tasks\":[]}", EXIT_NO, "abcdef: there is no such task" },
	{ OK "{\"tasks\":7}", EXIT_NO, "abcdef: there is no such task" },
	{ OK "{\"tasks\":[{\"id\":\"a\"}]}", EXIT_AWAY, "makes no sense" },
	{ OK "{\"tasks\":[{\"id\":7}]}", EXIT_AWAY, "makes no sense" },
	{ OK "{\"tasks\":[null]}", EXIT_AWAY, "makes no sense" },
	{ OK "{\"tasks\":[{\"id\":\"a\"},{\"id\":\"b\"}]}", EXIT_USAGE,
	  "several tasks: a, b\n" },
	{ OK "{\"tasks\":[" NAMED NAMED NAMED NAMED NAMED NAMED NAMED NAMED NAMED
	  NAMED NAMED "null]}", EXIT_USAGE, "several tasks: " ID ", " },
	{ OK "{\"tasks\":[null,{\"id\":\"b\"}]}", EXIT_USAGE, "several" },
	{ OK "{\"other\":[]}", EXIT_AWAY, "it has no tasks" },
	{ OK "[]", EXIT_AWAY, "it has no tasks" },
	{ OK "{", EXIT_AWAY, "no JSON" },
	{ "Status: 204 No Content\r\n\r\n", EXIT_AWAY, "204 instead of 200" },
	{ "Status: 500 Error\r\n\r\n", EXIT_NO, "abcdef: refused (500)" },
	{ "Status: 404 Not\r\n\r\n{\"title\":\"T\",\"detail\":\"d\"}", EXIT_NO,
	  "abcdef: T: d (404)" },
	{ "Status: 400 Bad\r\n\r\n{\"title\":\"T\"}", EXIT_USAGE,
	  "abcdef: T (400)" },
	{ "Status: 421 Not\r\n\r\n{\"title\":7}", EXIT_AWAY, "refused (421)" },
	{ "Status: 503 No\r\nContent-Length: 99\r\n\r\n{\"title\":\"T\"}",
	  EXIT_NO, "refused (503)" },
	{ "", EXIT_AWAY, "without an answer" },
};

START_TEST(whose_id_begins_so)
{
	char id[ASK_ID_TEXT] = "";

	daemon_starts(1, found[_i].answer, 9999, false);
	ck_assert_int_eq(ask_id(&ctl, _i % 2 == 0 ? "abcdef" :
	    "http://a.example/jobs/status/ABCdef/?x", id), found[_i].code);
	ck_assert_str_eq(id, found[_i].code == EXIT_DONE ? ID : "");
	complains(found[_i].complaint);
}
END_TEST

/* As people copy it, from a log or an address line. */
static const char *const pasted[] = {
	ID, "/jobs/status/" ID, "http://localhost/jobs/status/" ID,
	UPPER, "https://a.example/jobs/status/" UPPER "/",
	ID "/", "/" ID "//", ID "?", ID "#", ID "/?a=b/c#d",
	"/jobs/status/" ID "?next=/a/0123456789", "/jobs/status/" ID "#/a?b",
	"/jobs/status/" ID "/info", "/status/" ID "/log?x", ID "/cancel/",
	"/status/" ID "/info#status",
};

/* Nobody is asked. */
START_TEST(an_id_is_known_by_itself)
{
	char id[ASK_ID_TEXT] = "";

	ck_assert_int_eq(ask_id(&ctl, pasted[_i], id), EXIT_DONE);
	ck_assert_str_eq(id, ID);
	complains("");
}
END_TEST

static const char *const no_ids[] = {
	"", "/", "//", "?", "#", "abcde", "abcde/", "abcde?f", "xyzxyz", ID "0",
	ID "-", " " ID, "/info", "/status/info", ID "/info/info", ID "/other",
	ID "/Info", ID "/log/info", ID "/status", "/status/?id=" ID, "info",
	"abcdefinfo",
};

START_TEST(what_is_no_id_is_said)
{
	char id[ASK_ID_TEXT] = "";

	ck_assert_int_eq(ask_id(&ctl, no_ids[_i], id), EXIT_USAGE);
	ck_assert_str_eq(id, "");
	complains("expected the digits of a task");
}
END_TEST

static const struct {
	const char	*answer;
	int		 code, tasks;
} page[] = {
	{ OK "{\"tasks\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"more\":true}",
	  EXIT_DONE, 2 },
	{ OK "{\"tasks\":[{\"id\":\"a\"}],\"more\":false}", EXIT_DONE, 1 },
	{ OK "{\"tasks\":[]}", EXIT_DONE, 0 },
	{ OK "{\"tasks\":[],\"more\":true}", EXIT_AWAY, 0 },
	{ OK "{\"tasks\":[1,2,{\"id\":\"c\"}]}", EXIT_AWAY, 0 },
	{ OK "{\"tasks\":[{\"no\":\"id\"}]}", EXIT_AWAY, 0 },
	{ OK "{\"tasks\":{}}", EXIT_AWAY, 0 },
	{ "Status: 500 Error\r\n\r\n", EXIT_NO, 0 },
};

static int told;

static void
tell(struct pages *p, const json_t *task)
{
	(void)p, (void)task;
	told++;
}

/* What would have no end, or is more than was asked for, is not believed. */
START_TEST(a_page_of_tasks)
{
	struct pages p = { .ctl = &ctl, .filter = "a=b", .left = 2, .each = tell };

	told = 0;
	daemon_starts(1, page[_i].answer, 9999, false);
	ck_assert_int_eq(pages_read(&p), page[_i].code);
	ck_assert_int_eq(told, page[_i].tasks);
	complains(page[_i].code == EXIT_DONE ? "" : "deferctl: ");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl_talk");
	TCase *tc = suite_case(s, "answers", setup, teardown);

	tcase_add_loop_test(tc, an_answer_comes_in_pieces, 0, N(answers));
	tcase_add_test(tc, head_has_no_body);
	tcase_add_test(tc, a_body_cut_short_is_no_body);
	tcase_add_loop_test(tc, what_is_no_answer_is_said, 0, N(poor));
	tcase_add_loop_test(tc, silence_is_not_waited_for, 0, 2);
	tcase_add_test(tc, whoever_asks_may_be_called_away);
	tc = suite_case(s, "questions", setup, teardown);
	tcase_add_loop_test(tc, a_large_body_is_sent, 0, 3);
	tcase_add_test(tc, a_refusal_is_read_though_the_body_is_not_sent);
	tcase_add_test(tc, a_daemon_that_reads_no_more_is_given_up);
	tcase_add_loop_test(tc, why_it_is_away_is_said, 0, N(unreachable));
	tc = suite_case(s, "ends", setup, teardown);
	tcase_add_test(tc, a_body_that_cannot_be_read_is_the_end);
	tcase_add_test(tc, a_head_over_the_limit_is_the_end);
	tcase_add_test(tc, no_memory_is_the_end);
	tc = suite_case(s, "ask", setup_ask, teardown_ask);
	tcase_add_loop_test(tc, whose_id_begins_so, 0, N(found));
	tcase_add_loop_test(tc, an_id_is_known_by_itself, 0, N(pasted));
	tcase_add_loop_test(tc, what_is_no_id_is_said, 0, N(no_ids));
	tcase_add_loop_test(tc, a_page_of_tasks, 0, N(page));
	return suite_run(s);
}
