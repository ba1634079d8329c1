/*
 * What reaches the log is one line per event, whoever writes it, and foreign
 * text cannot act as anything but text.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/log.h"

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
	rewind(captured);
	snprintf(want, sizeof(want), "deferd-master[%ld]: error: store key=7",
	    (long)getpid());
	ck_assert_str_eq(next_line(), want);
	ck_assert_ptr_nonnull(strstr(next_line(), "]: warning: w"));
	ck_assert_ptr_nonnull(strstr(next_line(), "]: info: i"));
	ck_assert_ptr_nonnull(strstr(next_line(), "]: debug: d"));
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

START_TEST(test_errno)
{
	log_init("deferd", false, LOG_L_INFO);
	errno = ENOSPC;
	log_info("why=%m");
	ck_assert_int_eq(errno, ENOSPC);
	rewind(captured);
	ck_assert_ptr_nonnull(strstr(next_line(), strerror(ENOSPC)));
}
END_TEST

START_TEST(test_one_line)
{
	log_init("deferd", false, LOG_L_INFO);
	log_info("a=%s", "x\ny\033[2Jz\177");
	rewind(captured);
	ck_assert_ptr_nonnull(strstr(next_line(), "a=x?y?[2Jz?"));
	ck_assert_ptr_null(next_line());
}
END_TEST

START_TEST(test_long_line)
{
	static char text[20000];
	char *line;
	size_t len, i;

	/* two-byte characters: the cut must not fall into one */
	for (i = 0; i < sizeof(text) - 2; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	log_init("deferd", false, LOG_L_INFO);
	log_info("%s", text);
	log_info("x%s", text);
	rewind(captured);
	for (i = 0; i < 2; i++) {
		line = next_line();
		len = strlen(line);
		ck_assert_uint_le(len, 8191);
		ck_assert_uint_ge(len, 8180);
		ck_assert_str_eq(line + len - 6, " [cut]");
		ck_assert_int_eq((unsigned char)line[len - 7], 0xa9);
	}
	ck_assert_ptr_null(next_line());
}
END_TEST

/* The longest line that fits is not marked, the next one is. */
START_TEST(test_line_limit)
{
	static char text[8192];
	char *line;
	size_t head;

	log_init("deferd", false, LOG_L_INFO);
	log_info("%s", "");
	rewind(captured);
	head = strlen(next_line());
	memset(text, 'a', sizeof(text) - 2 - head);
	log_info("%s", text);
	text[sizeof(text) - 2 - head] = 'a';
	log_info("%s", text);
	fseek(captured, (long)head + 1, SEEK_SET);
	line = next_line();
	ck_assert_uint_eq(strlen(line), 8190);
	ck_assert_int_eq(line[8189], 'a');
	line = next_line();
	ck_assert_uint_eq(strlen(line), 8190);
	ck_assert_str_eq(line + 8184, " [cut]");
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
		log_info("%s", text);
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
		text = strstr(text, "info: ") + 6;
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
		log_fatal("no %s", "socket");
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	rewind(captured);
	ck_assert_ptr_nonnull(strstr(next_line(), "error: no socket"));
}
END_TEST

/* The background has no stderr: nothing may appear there. */
START_TEST(test_syslog)
{
	log_init("deferd", true, LOG_L_INFO);
	log_info("to the system's log");
	rewind(captured);
	ck_assert_ptr_null(next_line());
	log_init("deferd", false, LOG_L_INFO);
}
END_TEST

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
	TCase *lines = tcase_create("lines"), *quote = tcase_create("quote");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(lines, capture, release);
	tcase_add_test(lines, test_lines);
	tcase_add_test(lines, test_levels);
	tcase_add_test(lines, test_errno);
	tcase_add_test(lines, test_one_line);
	tcase_add_test(lines, test_long_line);
	tcase_add_test(lines, test_line_limit);
	tcase_add_test(lines, test_threads);
	tcase_add_test(lines, test_fatal);
	tcase_add_test(lines, test_syslog);
	tcase_add_loop_test(quote, test_quote, 0,
	    sizeof(quotes) / sizeof(quotes[0]));
	tcase_add_test(quote, test_quote_cut);
	tcase_add_test(quote, test_quote_sizes);
	suite_add_tcase(suite, lines);
	suite_add_tcase(suite, quote);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
