/*
 * What reaches the log is one line per event, whoever writes it, and foreign
 * text cannot act as anything but text.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/log.h"
#include "tests/suite.h"

/* stderr is a file while a test looks at it. */
static int saved_stderr;
static FILE *captured;

static void
capture(void)
{
	captured = tmpfile();
	ck_assert_ptr_nonnull(captured);
	saved_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(fileno(captured), STDERR_FILENO), 0);
	/* several writers: each write goes to the end */
	fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
}

static void
release(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	fclose(captured);
}

/* The next captured line, without its newline; NULL at the end. */
static char *
next_line(void)
{
	static char line[16384];
	size_t len;

	if (fgets(line, sizeof(line), captured) == NULL)
		return NULL;
	len = strlen(line);
	ck_assert(len > 0 && line[len - 1] == '\n');
	line[len - 1] = '\0';
	return line;
}

START_TEST(test_lines)
{
	char want[128];

	log_init("deferd-master", false, LOG_L_DEBUG);
	log_error("store key=%d", 7);
	log_warn("w");
	log_info("i");
	log_debug("d");
	log_at(LOG_L_WARN, "a");
	rewind(captured);
	snprintf(want, sizeof(want), "deferd-master[%ld]: error: store key=7",
	    (long)getpid());
	ck_assert_str_eq(next_line(), want);
	ck_assert_ptr_nonnull(strstr(next_line(), "]: warning: w"));
	ck_assert_ptr_nonnull(strstr(next_line(), "]: info: i"));
	ck_assert_ptr_nonnull(strstr(next_line(), "]: debug: d"));
	ck_assert_ptr_nonnull(strstr(next_line(), "]: warning: a"));
	ck_assert_ptr_null(next_line());
}
END_TEST

START_TEST(test_levels)
{
	log_init("deferd", false, LOG_L_WARN);
	log_debug("no");
	log_info("no");
	log_warn("yes");
	log_error("yes");
	rewind(captured);
	ck_assert_ptr_nonnull(strstr(next_line(), "warning: yes"));
	ck_assert_ptr_nonnull(strstr(next_line(), "error: yes"));
	ck_assert_ptr_null(next_line());
}
END_TEST

/* What stands behind "name[pid]: info: " in the next line. */
static const char *
next_event(void)
{
	const char *line = next_line(), *at;

	ck_assert_ptr_nonnull(line);
	at = strstr(line, ": info: ");
	ck_assert_ptr_nonnull(at);
	return at + strlen(": info: ");
}

START_TEST(test_errno)
{
	log_init("deferd", false, LOG_L_INFO);
	errno = ENOSPC;
	log_info("full why=%m n=%d", 3);
	ck_assert_int_eq(errno, ENOSPC);
	errno = 99999;
	log_info("odd why=%m");
	rewind(captured);
	ck_assert_str_eq(next_event(), "full why=\"No space left on device\" n=3");
	ck_assert_str_eq(next_event(), "odd why=\"\"");
}
END_TEST

START_TEST(test_numbers)
{
	log_init("deferd", false, LOG_L_INFO);
	log_info("n a=%d b=%u c=%ld d=%lu e=%lld f=%llu g=%zu h=%zd", -1,
	    4000000000U, -5L, 6UL, INT64_MIN + 0LL, UINT64_MAX + 0ULL,
	    (size_t)7, (ssize_t)-8);
	log_info("s waited=%.3f ran=%.3f", 0.0, 12.3456);
	rewind(captured);
	ck_assert_str_eq(next_event(), "n a=-1 b=4000000000 c=-5 d=6 "
	    "e=-9223372036854775808 f=18446744073709551615 g=7 h=-8");
	ck_assert_str_eq(next_event(), "s waited=0.000 ran=12.346");
}
END_TEST

/* The rule: bare if that is unmistakable, else quoted. */
START_TEST(test_values)
{
	log_init("deferd", false, LOG_L_INFO);
	log_info("v path=%s", "/a/b-c_d.e:f,%~+@[]{}*?#");
	log_info("v path=%s b=%s", "", "x");
	log_info("v a=%s b=%s c=%s d=%s", "a b", "a=b", "a\"b", "a\\b");
	log_info("v a=%s", "x\ny\033[2Jz\177\x9b\xc2\x9b");
	log_info("v a=%.*s b=%.*s c=%.*s", 3, "abcdef", 3, "a\0b", 0, "x");
	rewind(captured);
	ck_assert_str_eq(next_event(), "v path=/a/b-c_d.e:f,%~+@[]{}*?#");
	ck_assert_str_eq(next_event(), "v path=\"\" b=x");
	ck_assert_str_eq(next_event(), "v a=\"a b\" b=\"a=b\" c=\"a\\\"b\" "
	    "d=\"a\\\\b\"");
	ck_assert_str_eq(next_event(),
	    "v a=\"x\\ny\\x1b[2Jz\\x7f\\x9b\\xc2\\x9b\"");
	ck_assert_str_eq(next_event(), "v a=abc b=\"a\\x00b\" c=\"\"");
	ck_assert_ptr_null(next_line());
}
END_TEST

/* What is too long is cut, alone and in a line; the other values stay whole. */
START_TEST(test_long_values)
{
	static char text[102400];
	const char *line, *end;
	size_t i, len;

	log_init("deferd", false, LOG_L_INFO);
	memset(text, 'a', sizeof(text) - 1);
	log_info("v a=%s b=%d", text, 5);
	for (i = 0; i < sizeof(text) - 2; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);	/* not in two pieces */
	log_info("v a=%s b=%d", text, 5);
	memset(text, '\n', sizeof(text) - 1);
	log_info("v a=%s b=%s c=%s d=%s e=%s", text, text, text, text, text);
	rewind(captured);
	for (i = 0; i < 2; i++) {
		line = next_event();
		end = strstr(line, "\"... b=5");
		ck_assert_ptr_nonnull(end);
		len = (size_t)(end - line);
		ck_assert(len > LOG_VALUE_MAX - 8 && len < LOG_VALUE_MAX + 8);
	}
	line = next_line();
	len = strlen(line);
	ck_assert_uint_lt(len, LOG_LINE_MAX);
	ck_assert_str_eq(line + len - 6, " [cut]");
	ck_assert_ptr_null(next_line());
}
END_TEST

START_TEST(test_exit)
{
	char text[LOG_EXIT_TEXT];

	ck_assert_str_eq(log_exit(3 << 8, text), "3");
	ck_assert_str_eq(log_exit(0, text), "0");
	ck_assert_str_eq(log_exit(SIGSEGV, text), "signal:11");
	ck_assert_str_eq(log_exit(-1, text), "none");
}
END_TEST

/* A flood is counted, not told. */
START_TEST(test_rate)
{
	struct log_rate rate = LOG_RATE;
	unsigned long skipped = 99;
	int told = 0, i;

	for (i = 0; i < 1000; i++)
		if (log_may(&rate, &skipped)) {
			ck_assert_uint_eq(skipped, told < 20 ? 0 : skipped);
			told++;
		}
	ck_assert_int_ge(told, 20);
	ck_assert_int_lt(told, 60);		/* a second at the very most */
	rate.bucket.spent = 0;
	i = 1000 - told;
	ck_assert(log_may(&rate, &skipped));
	ck_assert_uint_le(skipped, (unsigned long)i);
	ck_assert_uint_gt(skipped, 0);
	ck_assert(log_may(&rate, &skipped));
	ck_assert_uint_eq(skipped, 0);
}
END_TEST

#define THREADS		4
#define THREAD_LINES	500

static void *
thread_main(void *arg)
{
	char text[801];
	int i;

	memset(text, *(char *)arg, 800);
	text[800] = '\0';
	for (i = 0; i < THREAD_LINES; i++)
		log_info("line text=%s", text);
	return NULL;
}

START_TEST(test_threads)
{
	char letters[THREADS] = "abcd", *text;
	pthread_t threads[THREADS];
	int i, n = 0;

	log_init("deferd-worker", false, LOG_L_INFO);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
		    thread_main, &letters[i]), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	rewind(captured);
	while ((text = next_line()) != NULL) {
		text = strstr(text, "text=") + 5;
		ck_assert_uint_eq(strlen(text), 800);
		ck_assert_uint_eq(strspn(text, (char[]){ text[0], 0 }), 800);
		n++;
	}
	ck_assert_int_eq(n, THREADS * THREAD_LINES);
}
END_TEST

START_TEST(test_fatal)
{
	pid_t pid;
	int status;

	log_init("deferd", false, LOG_L_ERROR);
	pid = fork();
	if (pid == 0)
		log_fatal("fatal error=%s", "no socket");
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	rewind(captured);
	ck_assert_ptr_nonnull(strstr(next_line(), "error: fatal error=\"no socket\""));
}
END_TEST

/* -- where lines go ----------------------------------------------------------- */

static char dir[] = "/tmp/check_log.XXXXXX", log_path[64];

static void
make_dir(void)
{
	strcpy(dir, "/tmp/check_log.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	setenv("DEFERD_SYSLOG", log_path, 1);
}

static void
remove_dir(void)
{
	unlink(log_path);
	rmdir(dir);
	unsetenv("DEFERD_SYSLOG");
	unsetenv("JOURNAL_STREAM");
	log_init("deferd", false, LOG_L_INFO);
}

/* A log daemon, for what it is worth. */
static int
listen_syslog(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	strcpy(sun.sun_path, log_path);
	unlink(log_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static char *
receive(int fd)
{
	static char line[16384];
	ssize_t n = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT);

	if (n == -1)
		return NULL;
	line[n] = '\0';
	return line;
}

START_TEST(test_syslog)
{
	int fd = listen_syslog();
	char want[128], *line;

	log_init("deferd-master", true, LOG_L_INFO);
	log_warn("ended task=%s reason=%s", "abc", "a\nb\033[2J\x9b");
	line = receive(fd);
	ck_assert_ptr_nonnull(line);
	ck_assert_int_eq(strncmp(line, "<28>", 4), 0);	/* daemon.warning */
	snprintf(want, sizeof(want), " deferd-master[%ld]: ended task=abc "
	    "reason=\"a\\nb\\x1b[2J\\x9b\"", (long)getpid());
	/* RFC 3164 4.1.2: Mmm dd hh:mm:ss */
	ck_assert_str_eq(line + 4 + strlen("Nov 22 10:00:00"), want);
	ck_assert_ptr_null(receive(fd));
	rewind(captured);
	ck_assert_ptr_null(next_line());	/* nothing on stderr */
	close(fd);
}
END_TEST

/* 1000 lines that nobody reads: no wait; then it is told how many are lost. */
START_TEST(test_slow_syslog)
{
	int fd = listen_syslog(), got = 0, i;
	unsigned long lost = 0;
	char *line;

	log_init("deferd-master", true, LOG_L_INFO);
	for (i = 0; i < 1000; i++)
		log_info("line n=%d", i);
	while ((line = receive(fd)) != NULL)
		got++;
	ck_assert(got > 0 && got < 1000);
	log_info("again");
	line = receive(fd);
	ck_assert_ptr_nonnull(strstr(line, "]: again"));
	line = receive(fd);
	ck_assert_ptr_nonnull(strstr(line, "]: log-lost lines="));
	sscanf(strstr(line, "lines="), "lines=%lu", &lost);
	ck_assert_uint_eq(lost, (unsigned long)(1000 - got));
	log_info("more");
	ck_assert_ptr_nonnull(strstr(receive(fd), "]: more"));
	ck_assert_ptr_null(receive(fd));
	close(fd);
}
END_TEST

/* It is gone, and comes back as another one. */
START_TEST(test_syslog_restarts)
{
	int fd = listen_syslog();

	log_init("deferd-master", true, LOG_L_INFO);
	log_info("one");
	ck_assert_ptr_nonnull(strstr(receive(fd), "]: one"));
	close(fd);
	log_info("two");
	unlink(log_path);
	log_info("three");
	fd = listen_syslog();
	log_info("four");
	ck_assert_ptr_nonnull(strstr(receive(fd), "]: four"));
	ck_assert_ptr_nonnull(strstr(receive(fd), "]: log-lost lines=2"));
	close(fd);
}
END_TEST

/* Puts `fd` in the place of stderr, as the journal's socket. */
static void
make_journal(int fd)
{
	struct stat st;
	char text[64];

	dup2(fd, STDERR_FILENO);
	close(fd);
	fstat(STDERR_FILENO, &st);
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", text, 1);
}

START_TEST(test_journal)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	make_journal(fds[1]);
	log_init("deferd-master", false, LOG_L_DEBUG);
	log_error("ended reason=%s", "a\nb");
	ck_assert_str_eq(receive(fds[0]), "<3>ended reason=\"a\\nb\"\n");
	log_warn("w");
	log_info("i");
	log_debug("d");
	ck_assert_str_eq(receive(fds[0]), "<4>w\n<6>i\n<7>d\n");
	/* inherited by somebody whose stderr is another one */
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_init("deferd-master", false, LOG_L_DEBUG);
	log_info("i");
	ck_assert_ptr_nonnull(strstr(receive(fds[0]), "]: info: i\n"));
	close(fds[0]);
}
END_TEST

/* Nobody reads: a socket and a pipe.  The whole lines that fit are there. */
static void
flood(int reader)
{
	static char text[1 << 22];
	size_t len = 0;
	ssize_t n;
	char *line, *next;
	int i, at = 0;

	for (i = 0; i < 20000; i++)
		log_info("line n=%d text=%s", i, "some words that take room");
	fcntl(reader, F_SETFL, O_NONBLOCK);
	while ((n = read(reader, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	ck_assert(len > 0 && text[len - 1] == '\n');
	text[len] = '\0';
	for (line = text; *line != '\0'; line = next + 1, at++) {
		next = strchr(line, '\n');
		*next = '\0';
		ck_assert_msg(strstr(line, "line n=") != NULL &&
		    strstr(line, "take room\"") != NULL, "%s", line);
	}
	ck_assert(at > 0 && at < 20000);
	log_info("again");
	n = read(reader, text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_ptr_nonnull(strstr(text, "again\n"));
	ck_assert_ptr_nonnull(strstr(text, "log-lost lines="));
}

START_TEST(test_slow_journal)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	make_journal(fds[1]);
	log_init("deferd-master", false, LOG_L_INFO);
	flood(fds[0]);
	close(fds[0]);
	log_info("nobody reads, and nobody dies of it");
}
END_TEST

START_TEST(test_slow_pipe)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	log_init("deferd-master", false, LOG_L_INFO);
	flood(fds[0]);
	close(fds[0]);
}
END_TEST

/* -- quoting ------------------------------------------------------------------ */

static const struct {
	const char *text;
	size_t len;
	const char *want;
} quotes[] = {
#define Q(text, want)	{ text, sizeof(text) - 1, want }
	Q("", "\"\""),
	Q("plain text", "\"plain text\""),
	Q("a\"b\\c", "\"a\\\"b\\\\c\""),
	Q("a\nb\rc\td", "\"a\\nb\\rc\\td\""),
	Q("\0\1\033\177", "\"\\x00\\x01\\x1b\\x7f\""),
	Q("caf\xc3\xa9", "\"caf\xc3\xa9\""),
	Q("\xe2\x82\xac", "\"\xe2\x82\xac\""),
	Q("\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""),
	Q("\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\""),	/* U+10FFFF */
	Q("\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\""), /* above it */
	Q("\xf5\x80\x80\x80", "\"\\xf5\\x80\\x80\\x80\""),
	Q("\xed\x9f\xbf", "\"\xed\x9f\xbf\""),		/* U+D7FF */
	Q("\xed\xa0\x80", "\"\\xed\\xa0\\x80\""),	/* a surrogate */
	Q("\xee\x80\x80", "\"\xee\x80\x80\""),		/* U+E000 */
	Q("\xc0\xaf", "\"\\xc0\\xaf\""),		/* overlong */
	Q("\xc1\xbf", "\"\\xc1\\xbf\""),
	Q("\xe0\x80\xaf", "\"\\xe0\\x80\\xaf\""),
	Q("\xe0\x9f\xbf", "\"\\xe0\\x9f\\xbf\""),
	Q("\xf0\x8f\xbf\xbf", "\"\\xf0\\x8f\\xbf\\xbf\""),
	Q("\xc2\x9b", "\"\\xc2\\x9b\""),		/* C1: CSI */
	Q("\xc2\xa0", "\"\xc2\xa0\""),			/* behind C1 */
	Q("\xe2\x80\xa7\xe2\x80\xaf", "\"\xe2\x80\xa7\xe2\x80\xaf\""),
	Q("\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\""),	/* U+2028: a line ends */
	Q("\xe2\x80\xae", "\"\\xe2\\x80\\xae\""),	/* U+202E: from the right */
	Q("\xe2\x81\xa5\xe2\x81\xa6", "\"\xe2\x81\xa5\\xe2\\x81\\xa6\""),
	Q("\xe2\x81\xa9\xe2\x81\xaa", "\"\\xe2\\x81\\xa9\xe2\x81\xaa\""),
	Q("\x9b" "2J", "\"\\x9b2J\""),
	Q("\xc3", "\"\\xc3\""),				/* cut short */
	Q("\xe2\x82", "\"\\xe2\\x82\""),
	Q("\xe2\x82z", "\"\\xe2\\x82z\""),
	Q("\xff\xfe", "\"\\xff\\xfe\""),
#undef Q
};

START_TEST(test_quote)
{
	char out[LOG_QUOTED_MAX];

	ck_assert_str_eq(log_quote(out, sizeof(out), quotes[_i].text,
	    quotes[_i].len), quotes[_i].want);
}
END_TEST

START_TEST(test_quote_cut)
{
	char out[16];

	ck_assert_str_eq(log_quote(out, 10, "abcdefg", 7), "\"abcdefg\"");
	ck_assert_str_eq(log_quote(out, 10, "abcdefgh", 8), "\"abcd\"...");
	/* an escape or a character is there whole or not at all */
	ck_assert_str_eq(log_quote(out, 10, "abc\1efgh", 8), "\"abc\"...");
	ck_assert_str_eq(log_quote(out, 10, "abc\xc3\xa9" "fgh", 8),
	    "\"abc\"...");
	ck_assert_str_eq(log_quote(out, 9, "\1\1\1", 3), "\"\"...");
	ck_assert_str_eq(log_quote(out, 6, "abcd", 4), "\"\"...");
	ck_assert_str_eq(log_quote(out, 5, "abcd", 4), "");
	out[0] = 'x';
	log_quote(out, 0, "abcd", 4);
	ck_assert_int_eq(out[0], 'x');
}
END_TEST

/* Whatever the bytes and the size: terminated, closed, printable. */
START_TEST(test_quote_sizes)
{
	unsigned char text[256];
	char *out;
	size_t size, len, i;

	for (i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)(i * 167 + 13);
	for (size = 6; size < 400; size++) {
		out = malloc(size);		/* tight, for the sanitizer */
		log_quote(out, size, text, sizeof(text));
		len = strlen(out);
		ck_assert_uint_lt(len, size);
		ck_assert_str_eq(out + len - 4, "\"...");
		for (i = 0; i < len; i++)
			ck_assert_int_ge((unsigned char)out[i], 0x20);
		free(out);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *lines = suite_case(suite, "lines", capture, release);
	TCase *quote = suite_case(suite, "quote", NULL, NULL);
	TCase *sink = suite_case(suite, "sink", NULL, NULL);

	tcase_add_test(lines, test_lines);
	tcase_add_test(lines, test_levels);
	tcase_add_test(lines, test_errno);
	tcase_add_test(lines, test_numbers);
	tcase_add_test(lines, test_values);
	tcase_add_test(lines, test_long_values);
	tcase_add_test(lines, test_exit);
	tcase_add_test(lines, test_rate);
	tcase_add_test(lines, test_threads);
	tcase_add_test(lines, test_fatal);
	tcase_add_checked_fixture(sink, capture, release);
	tcase_add_checked_fixture(sink, make_dir, remove_dir);
	tcase_add_test(sink, test_syslog);
	tcase_add_test(sink, test_slow_syslog);
	tcase_add_test(sink, test_syslog_restarts);
	tcase_add_test(sink, test_journal);
	tcase_add_test(sink, test_slow_journal);
	tcase_add_test(sink, test_slow_pipe);
	tcase_add_loop_test(quote, test_quote, 0, N(quotes));
	tcase_add_test(quote, test_quote_cut);
	tcase_add_test(quote, test_quote_sizes);
	return suite_run(suite);
}
