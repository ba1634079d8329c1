/*
 * check_response - what a task answers, in pieces of any size.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/worker/response.h"
#include "tests/suite.h"

#define INLINE	16
#define MAX	64

static struct response r;
static bool spooled;

/* Feeds it in pieces; gives a file when it wants one. */
static enum response_state
feed(const char *data, size_t len, size_t piece, bool to_head)
{
	size_t n;

	spooled = false;
	response_init(&r, INLINE, MAX, to_head);
	for (; len > 0 && r.state == RESPONSE_OPEN; data += n, len -= n) {
		n = piece < len ? piece : len;
		if (response_add(&r, data, n) != RESPONSE_WANTS_SPOOL)
			continue;
		ck_assert(!spooled);
		spooled = true;
		response_spool(&r, memfd_create("spool", MFD_CLOEXEC), 0);
	}
	return r.state == RESPONSE_OPEN ? response_end(&r) : r.state;
}

static const struct {
	const char	*in;
	bool		 to_head;
	const char	*body;		/* NULL: failed */
	const char	*reason;	/* "": any */
	bool		 file;
} cases[] = {
	{ "Status: 200\n\n", false, "", NULL, false },
	{ "Status: 200\n\nhello", false, "hello", NULL, false },
	{ "Status: 200\n\n0123456789abcdef", false, "0123456789abcdef", NULL,
	    false },
	{ "Status: 200\n\n0123456789abcdefg", false, "0123456789abcdefg",
	    NULL, true },
	{ "Status: 200\nContent-Length: 5\n\nhello", false, "hello", NULL,
	    false },
	{ "Status: 200\nContent-Length: 4\n\nhello", false, NULL,
	    "Content-Length says 4, but the body has 5 bytes", false },
	{ "Status: 200\nContent-Length: 18\n\n0123456789abcdefg", false, NULL,
	    "Content-Length says 18, but the body has 17 bytes", true },
	{ "Status: 200\nContent-Length: 9\n\nhello", true, "", NULL, false },
	{ "Status: 204\n\nhello", false, "", NULL, false },
	{ "Status: 304\n\n0123456789abcdefghij", false, "", NULL, false },
	{ "Status: 200\n\n0123456789012345678901234567890123456789"
	    "012345678901234567890123", false,
	    "0123456789012345678901234567890123456789"
	    "012345678901234567890123", NULL, true },
	{ "Status: 200\n\n0123456789012345678901234567890123456789"
	    "0123456789012345678901234", false, NULL,
	    "the response is over max-response (64 bytes)", false },
	{ "", false, NULL, "no output", false },
	{ "Status: 200\n", false, NULL, "", false },
	{ "hello\n\n", false, NULL, "", false },
};

static void
check_case(int i)
{
	char body[MAX + 1];
	size_t len;

	if (cases[i].body == NULL) {
		ck_assert_int_eq(r.state, RESPONSE_FAILED);
		ck_assert_str_ne(r.reason, "");
		if (*cases[i].reason != '\0')
			ck_assert_str_eq(r.reason, cases[i].reason);
		return;
	}
	len = strlen(cases[i].body);
	ck_assert_int_eq(r.state, RESPONSE_WHOLE);
	ck_assert_uint_eq(r.size, len);
	ck_assert(spooled == cases[i].file);
	ck_assert(spooled == (r.fd != -1));
	if (spooled)
		ck_assert_int_eq(pread(r.fd, body, sizeof(body), 0),
		    (ssize_t)len);
	else
		ck_assert_uint_eq(buf_len(&r.bytes), len);
	ck_assert_int_eq(memcmp(spooled ? (void *)body :
	    (const void *)buf_data(&r.bytes), cases[i].body, len), 0);
}

START_TEST(any_piece)
{
	size_t piece, len = strlen(cases[_i].in);

	for (piece = 1; piece <= len + 1; piece++) {
		feed(cases[_i].in, len, piece, cases[_i].to_head);
		check_case(_i);
		response_fini(&r);
	}
}
END_TEST

START_TEST(no_file)
{
	response_init(&r, 0, MAX, false);
	ck_assert_int_eq(response_add(&r, "Status: 200\n\nx", 14),
	    RESPONSE_WANTS_SPOOL);
	ck_assert_int_eq(response_spool(&r, -1, ENOSPC), RESPONSE_FAILED);
	ck_assert_str_eq(r.reason, "the response cannot be kept: "
	    "No space left on device");
	/* The first reason stays. */
	response_fail(&r, "another");
	ck_assert_ptr_nonnull(strstr(r.reason, "No space"));
	response_fini(&r);
}
END_TEST

START_TEST(file_that_is_full)
{
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	response_init(&r, 0, MAX, false);
	ck_assert_int_eq(response_add(&r, "Status: 200\n\nx", 14),
	    RESPONSE_WANTS_SPOOL);
	ck_assert_int_eq(response_spool(&r, fd, 0), RESPONSE_FAILED);
	ck_assert_str_eq(r.reason, "the response cannot be kept: "
	    "No space left on device");
	response_fini(&r);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("response");
	TCase *t = suite_case(s, "response", NULL, NULL);

	tcase_add_loop_test(t, any_piece, 0, N(cases));
	tcase_add_test(t, no_file);
	tcase_add_test(t, file_that_is_full);
	return suite_run(s);
}
