/*
 * check_scgi - heads good and bad, whole and in pieces.
 *
 * A block is written here as text in which '|' stands for NUL.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/scgi.h"
#include "tests/suite.h"

#define HEAD_ROOM	(SCGI_HEAD_MAX + 64)

struct row {
	enum scgi_verdict verdict;
	const char	*block;
	int64_t		 length;	/* when DONE */
};

static const struct row rows[] = {
	{ SCGI_DONE, "CONTENT_LENGTH|0|SCGI|1|", 0 },
	{ SCGI_DONE, "CONTENT_LENGTH|27|SCGI|1|REQUEST_METHOD|POST|", 27 },
	{ SCGI_DONE, "CONTENT_LENGTH|007|SCGI|1|", 7 },
	{ SCGI_DONE, "CONTENT_LENGTH|9223372036854775807|SCGI|1|", INT64_MAX },
	{ SCGI_BAD, "CONTENT_LENGTH|9223372036854775808|SCGI|1|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|18446744073709551616|SCGI|1|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|99999999999999999999999999|SCGI|1|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|-1|SCGI|1|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|+1|SCGI|1|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH| 1|SCGI|1|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|1 |SCGI|1|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0x1|SCGI|1|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|1,1|SCGI|1|", 0 },

	/* nginx and mod_cgid, GET */
	{ SCGI_DONE, "CONTENT_LENGTH||SCGI|1|", 0 },
	{ SCGI_DONE, "CONTENT_LENGTH||SCGI|1|HTTP_CONTENT_LENGTH||", 0 },

	/* SCGI */
	{ SCGI_BAD, "CONTENT_LENGTH|0|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|2|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI||", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|11|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|scgi|1|", 0 },
	{ SCGI_DONE, "CONTENT_LENGTH|0|A|b|SCGI|1|", 0 },

	/* CONTENT_LENGTH: first, once, or chunked and absent */
	{ SCGI_BAD, "SCGI|1|CONTENT_LENGTH|0|", 0 },
	{ SCGI_BAD, "SCGI|1|CONTENT_LENGTH|0|HTTP_TRANSFER_ENCODING|chunked|",
	    0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|CONTENT_LENGTH|0|SCGI|1|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|CONTENT_LENGTH|5|", 0 },
	{ SCGI_BAD, "SCGI|1|", 0 },
	{ SCGI_BAD, "SCGI|1|REQUEST_METHOD|GET|", 0 },
	{ SCGI_DONE, "SCGI|1|HTTP_TRANSFER_ENCODING|chunked|",
	    SCGI_LENGTH_UNKNOWN },
	{ SCGI_DONE, "HTTP_TRANSFER_ENCODING|chunked|SCGI|1|",
	    SCGI_LENGTH_UNKNOWN },
	{ SCGI_DONE, "CONTENT_LENGTH|3|SCGI|1|HTTP_TRANSFER_ENCODING|chunked|",
	    3 },

	/* what the client said, against what the server says */
	{ SCGI_DONE, "CONTENT_LENGTH|5|SCGI|1|HTTP_CONTENT_LENGTH|5|", 5 },
	{ SCGI_DONE, "CONTENT_LENGTH|5|SCGI|1|HTTP_CONTENT_LENGTH|05|", 5 },
	{ SCGI_BAD, "CONTENT_LENGTH|5|SCGI|1|HTTP_CONTENT_LENGTH|50|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|HTTP_CONTENT_LENGTH|x|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|5|SCGI|1|HTTP_CONTENT_LENGTH|5|"
	    "HTTP_CONTENT_LENGTH|6|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH||SCGI|1|HTTP_CONTENT_LENGTH|5|", 0 },
	{ SCGI_DONE, "CONTENT_LENGTH|5|SCGI|1|HTTP_CONTENT_LENGTH|50|"
	    "HTTP_TRANSFER_ENCODING|chunked|", 5 },
	{ SCGI_DONE, "SCGI|1|HTTP_CONTENT_LENGTH|50|"
	    "HTTP_TRANSFER_ENCODING|chunked|", SCGI_LENGTH_UNKNOWN },

	/* twice */
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|SCGI|1|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|REQUEST_METHOD|GET|"
	    "REQUEST_METHOD|GET|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|SCRIPT_NAME|/a|SCRIPT_NAME|/b|",
	    0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|SCRIPT_FILENAME|/a|A|b|"
	    "SCRIPT_FILENAME|/a|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|PATH_INFO|/a|PATH_INFO|/a|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|PATH_TRANSLATED||"
	    "PATH_TRANSLATED||", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|REMOTE_USER|a|REMOTE_USER|b|",
	    0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|REMOTE_ADDR|a|REMOTE_PORT|1|"
	    "REMOTE_ADDR|a|", 0 },
	{ SCGI_DONE, "CONTENT_LENGTH|0|SCGI|1|SCRIPT_NAME|/a|PATH_INFO|/a|"
	    "REMOTE_USER|a|REMOTE_ADDR|a|", 0 },
	{ SCGI_DONE, "CONTENT_LENGTH|0|SCGI|1|HTTP_COOKIE|a|HTTP_COOKIE|b|"
	    "HTTP_X|c|HTTP_X|c|", 0 },
	{ SCGI_DONE, "CONTENT_LENGTH|0|SCGI|1|HTTPS|on|HTTPS|on|", 0 },

	/* names and values */
	{ SCGI_DONE, "CONTENT_LENGTH|0|SCGI|1|A||", 0 },
	{ SCGI_DONE, "CONTENT_LENGTH|0|SCGI|1|A|b=c|", 0 },
	{ SCGI_DONE, "CONTENT_LENGTH|0|SCGI|1|HTTP_X|a\tb \x80\xff|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1||b|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|||", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|A=B|c|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|=|c|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|HTTP_X|b\nc|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|HTTP_X|b\rc|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|HTTP_X|\x01|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|HTTP_X|\x1f|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|HTTP_X|\x7f|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|A\n|b|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|SCRIPT_NAME|/a\n|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|PATH_INFO|/a\r|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|QUERY_STRING|\n|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|REQUEST_URI|/\x01|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|REMOTE_USER|a\nb|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|SERVER_NAME|a\nb|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|DOCUMENT_URI|/\n|", 0 },
	/* what SSLOptions +ExportCertData sends */
	{ SCGI_DONE, "CONTENT_LENGTH|0|SCGI|1|SSL_CLIENT_CERT|-----BEGIN\n"
	    "MIIB\n-----END\n|", 0 },
	/* what Apache sends by default in Debian (ServerSignature On) */
	{ SCGI_DONE, "CONTENT_LENGTH|0|SCGI|1|SERVER_SIGNATURE|<address>a"
	    "</address>\n|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|A|", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|A|b", 0 },
	{ SCGI_BAD, "CONTENT_LENGTH|0|SCGI|1|A", 0 },
	{ SCGI_BAD, "|", 0 },
	{ SCGI_BAD, "||", 0 },
	{ SCGI_BAD, "", 0 },
};

/* Text with '|' for NUL into out; gives its length. */
static size_t
make_block(const char *text, char *out)
{
	size_t i, len = strlen(text);

	for (i = 0; i < len; i++)
		out[i] = text[i] == '|' ? '\0' : text[i];
	return len;
}

/* A netstring around a block; gives its length. */
static size_t
make_head(const char *block, size_t len, char *out)
{
	size_t at = (size_t)sprintf(out, "%zu:", len);

	memcpy(out + at, block, len);
	out[at + len] = ',';
	return at + len + 1;
}

/*
 * Every prefix in an allocation of its own size, so that a byte read too far
 * is seen by ASan and valgrind.
 */
static enum scgi_verdict
parse(const void *data, size_t len, struct scgi *out, size_t *head_bytes)
{
	const char *why = NULL, *old;
	enum scgi_verdict v;
	char *copy = malloc(len ? len : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data, len);
	v = scgi_parse(copy, len, out, head_bytes, &why);
	if (v == SCGI_BAD || v == SCGI_LARGE)
		ck_assert_ptr_nonnull(why);
	if (v == SCGI_DONE) {
		old = out->block;
		ck_assert(old > copy && old < copy + len);
		out->block = (const char *)data + (old - copy);
	}
	free(copy);
	return v;
}

static enum scgi_verdict
parse_text(const char *text)
{
	struct scgi s;
	size_t n;

	return parse(text, strlen(text), &s, &n);
}

START_TEST(row)
{
	const struct row *r = &rows[_i];
	char block[512], head[600];
	size_t i, n = 0, block_len, len;
	const char *why = NULL;
	struct scgi s;

	block_len = make_block(r->block, block);
	ck_assert_msg(scgi_check(block, block_len, &s, &why) == r->verdict,
	    "check: %s: %s", r->block, why ? why : "done");
	ck_assert((why == NULL) == (r->verdict == SCGI_DONE));

	len = make_head(block, block_len, head);
	for (i = 0; i < len; i++)
		ck_assert_msg(parse(head, i, &s, &n) == SCGI_MORE,
		    "%s: %zu bytes", r->block, i);
	memcpy(head + len, "BODY", 4);
	for (i = 0; i <= 4; i++)
		ck_assert_int_eq(parse(head, len + i, &s, &n), r->verdict);
	if (r->verdict != SCGI_DONE)
		return;
	ck_assert_uint_eq(n, len);
	ck_assert_uint_eq(s.len, block_len);
	ck_assert_int_eq(scgi_content_length(&s), r->length);
}
END_TEST

START_TEST(prefix)
{
	ck_assert_int_eq(parse_text(""), SCGI_MORE);
	ck_assert_int_eq(parse_text("0"), SCGI_MORE);
	ck_assert_int_eq(parse_text("0:"), SCGI_MORE);
	ck_assert_int_eq(parse_text("0:,"), SCGI_BAD);
	ck_assert_int_eq(parse_text("00"), SCGI_BAD);
	ck_assert_int_eq(parse_text("01"), SCGI_BAD);
	ck_assert_int_eq(parse_text("024:CONTENT"), SCGI_BAD);
	ck_assert_int_eq(parse_text(":"), SCGI_BAD);
	ck_assert_int_eq(parse_text(","), SCGI_BAD);
	ck_assert_int_eq(parse_text("-"), SCGI_BAD);
	ck_assert_int_eq(parse_text(" 24:"), SCGI_BAD);
	ck_assert_int_eq(parse_text("24 "), SCGI_BAD);
	ck_assert_int_eq(parse_text("24,"), SCGI_BAD);
	ck_assert_int_eq(parse_text("GET / HTTP/1.1\r\n"), SCGI_BAD);
	ck_assert_int_eq(parse_text("6553"), SCGI_MORE);
	ck_assert_int_eq(parse_text("65536"), SCGI_MORE);
	ck_assert_int_eq(parse_text("65536:"), SCGI_MORE);
	ck_assert_int_eq(parse_text("65537"), SCGI_LARGE);
	ck_assert_int_eq(parse_text("99999:"), SCGI_LARGE);
	ck_assert_int_eq(parse_text("100000"), SCGI_LARGE);
	ck_assert_int_eq(parse_text("10000000000000000000000000000"),
	    SCGI_LARGE);
}
END_TEST

START_TEST(no_comma)
{
	char block[64], head[80];
	size_t n, len;
	struct scgi s;

	len = make_head(block,
	    make_block("CONTENT_LENGTH|0|SCGI|1|", block), head);
	head[len - 1] = ';';
	ck_assert_int_eq(parse(head, len - 1, &s, &n), SCGI_MORE);
	ck_assert_int_eq(parse(head, len, &s, &n), SCGI_BAD);
	head[len - 1] = '\0';
	ck_assert_int_eq(parse(head, len, &s, &n), SCGI_BAD);
	/* a length that ends early or late does not find its comma either */
	head[1] = '3';
	head[len - 1] = ',';
	ck_assert_int_eq(parse(head, len, &s, &n), SCGI_BAD);
	head[1] = '5';
	ck_assert_int_eq(parse(head, len, &s, &n), SCGI_MORE);
}
END_TEST

/* A block of exactly `bytes`: one value is as long as it takes. */
static void
build(struct buf *b, size_t bytes)
{
	static char value[SCGI_HEAD_MAX];
	size_t fixed = sizeof("CONTENT_LENGTH") + sizeof("0") +
	    sizeof("SCGI") + sizeof("1") + sizeof("A") + 1;

	memset(value, 'v', sizeof(value));
	value[bytes - fixed] = '\0';
	ck_assert_int_eq(scgi_begin(b), 0);
	ck_assert_int_eq(scgi_add(b, "CONTENT_LENGTH", "0"), 0);
	ck_assert_int_eq(scgi_add(b, "SCGI", "1"), 0);
	ck_assert_int_eq(scgi_add(b, "A", value), 0);
	ck_assert_int_eq(scgi_finish(b), 0);
}

START_TEST(size_limit)
{
	static const size_t sizes[] = { 50, 99, 100, 999, 1000, 9999, 10000,
	    SCGI_HEAD_MAX - 1, SCGI_HEAD_MAX };
	static char large[SCGI_HEAD_MAX + 1];
	const char *why = NULL;
	struct buf b;
	struct scgi s;
	size_t i, n;

	buf_init(&b, HEAD_ROOM);
	for (i = 0; i < N(sizes); i++) {
		build(&b, sizes[i]);
		ck_assert_int_eq(parse(buf_data(&b), buf_len(&b) - 1, &s, &n),
		    SCGI_MORE);
		ck_assert_int_eq(parse(buf_data(&b), buf_len(&b), &s, &n),
		    SCGI_DONE);
		ck_assert_uint_eq(n, buf_len(&b));
		ck_assert_uint_eq(s.len, sizes[i]);
		ck_assert_uint_eq(s.nvars, 3);
	}
	buf_fini(&b);
	ck_assert_int_eq(scgi_check(large, sizeof(large), &s, &why),
	    SCGI_LARGE);
}
END_TEST

START_TEST(count_limit)
{
	char name[32];
	struct buf b;
	struct scgi s;
	size_t n;
	int vars, i;

	buf_init(&b, HEAD_ROOM);
	for (vars = SCGI_VARS_MAX - 1; vars <= SCGI_VARS_MAX + 1; vars++) {
		ck_assert_int_eq(scgi_begin(&b), 0);
		ck_assert_int_eq(scgi_add(&b, "CONTENT_LENGTH", "0"), 0);
		ck_assert_int_eq(scgi_add(&b, "SCGI", "1"), 0);
		for (i = 2; i < vars; i++) {
			/* the kind that has to be remembered */
			sprintf(name, "REMOTE_%d", i);
			ck_assert_int_eq(scgi_add(&b, name, ""), 0);
		}
		ck_assert_int_eq(scgi_finish(&b), 0);
		ck_assert_int_eq(parse(buf_data(&b), buf_len(&b), &s, &n),
		    vars <= SCGI_VARS_MAX ? SCGI_DONE : SCGI_LARGE);
	}
	buf_fini(&b);
}
END_TEST

START_TEST(writing_limits)
{
	static char value[SCGI_HEAD_MAX];
	struct buf b, small;

	memset(value, 'v', sizeof(value) - 3);
	buf_init(&b, HEAD_ROOM);
	ck_assert_int_eq(scgi_begin(&b), 0);
	ck_assert_int_eq(scgi_add(&b, "AB", value), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(scgi_add(&b, "A", value), 0);
	ck_assert_int_eq(scgi_add(&b, "", ""), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(scgi_finish(&b), 0);
	ck_assert_uint_eq(buf_len(&b), SCGI_HEAD_MAX + 7);
	buf_fini(&b);

	buf_init(&small, 12);
	ck_assert_int_eq(scgi_begin(&small), 0);
	ck_assert_int_eq(scgi_add(&small, "A", "1234"), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(scgi_add(&small, "A", "123"), 0);
	ck_assert_int_eq(scgi_finish(&small), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	buf_fini(&small);
}
END_TEST

/* The example of the SCGI document, byte for byte. */
START_TEST(the_example)
{
	static const char expected[] = "70:CONTENT_LENGTH\0" "27\0SCGI\0" "1\0"
	    "REQUEST_METHOD\0POST\0REQUEST_URI\0/deepthought\0,";
	struct scgi_iter it = { 0 };
	struct scgi s;
	struct buf b;
	size_t n;

	buf_init(&b, HEAD_ROOM);
	ck_assert_int_eq(buf_add(&b, "left over", 9), 0);
	ck_assert_int_eq(scgi_begin(&b), 0);
	ck_assert_int_eq(scgi_add(&b, "CONTENT_LENGTH", "27"), 0);
	ck_assert_int_eq(scgi_add(&b, "SCGI", "1"), 0);
	ck_assert_int_eq(scgi_add(&b, "REQUEST_METHOD", "POST"), 0);
	ck_assert_int_eq(scgi_add(&b, "REQUEST_URI", "/deepthought"), 0);
	ck_assert_int_eq(scgi_finish(&b), 0);
	ck_assert_uint_eq(buf_len(&b), sizeof(expected) - 1);
	ck_assert_mem_eq(buf_data(&b), expected, sizeof(expected) - 1);

	ck_assert_int_eq(parse(expected, sizeof(expected) - 1, &s, &n),
	    SCGI_DONE);
	ck_assert_uint_eq(s.nvars, 4);
	ck_assert(scgi_next(&s, &it));
	ck_assert_str_eq(it.name, "CONTENT_LENGTH");
	ck_assert_str_eq(it.value, "27");
	ck_assert(scgi_next(&s, &it));
	ck_assert_str_eq(it.name, "SCGI");
	ck_assert(scgi_next(&s, &it));
	ck_assert(scgi_next(&s, &it));
	ck_assert_str_eq(it.value, "/deepthought");
	ck_assert(!scgi_next(&s, &it));
	ck_assert(!scgi_next(&s, &it));
	buf_fini(&b);
}
END_TEST

START_TEST(find)
{
	static const char text[] = "CONTENT_LENGTH|0|SCGI|1|HTTP_X|one|"
	    "HTTP_X|two|HTTP_XY|three|EMPTY||";
	const char *why;
	char block[sizeof(text)];
	struct scgi s;

	ck_assert_int_eq(scgi_check(block, make_block(text, block), &s, &why),
	    SCGI_DONE);
	ck_assert_str_eq(scgi_find(&s, "HTTP_X"), "one");
	ck_assert_str_eq(scgi_find(&s, "HTTP_XY"), "three");
	ck_assert_str_eq(scgi_find(&s, "EMPTY"), "");
	ck_assert_ptr_null(scgi_find(&s, "one"));	/* a value is no name */
	ck_assert_ptr_null(scgi_find(&s, "HTTP_"));
	ck_assert_ptr_null(scgi_find(&s, "http_x"));
	ck_assert_ptr_null(scgi_find(&s, ""));
}
END_TEST

/* In a head with so many that some of them are found the slow way. */
START_TEST(find_any)
{
	char name[32], value[32];
	struct scgi s;
	struct buf b;
	size_t n;

	buf_init(&b, HEAD_ROOM);
	for (int vars = SCGI_VARS_MOST - 1; vars <= SCGI_VARS_MOST + 3; vars++) {
		ck_assert_int_eq(scgi_begin(&b), 0);
		ck_assert_int_eq(scgi_add(&b, "CONTENT_LENGTH", "0"), 0);
		ck_assert_int_eq(scgi_add(&b, "SCGI", "1"), 0);
		for (int i = 2; i < vars; i++) {
			sprintf(name, "HTTP_%d", i);
			sprintf(value, "%d", i);
			ck_assert_int_eq(scgi_add(&b, name, value), 0);
		}
		ck_assert_int_eq(scgi_finish(&b), 0);
		ck_assert_int_eq(parse(buf_data(&b), buf_len(&b), &s, &n),
		    SCGI_DONE);
		for (int i = 2; i < vars; i++) {
			sprintf(name, "HTTP_%d", i);
			sprintf(value, "%d", i);
			ck_assert_str_eq(scgi_find(&s, name), value);
		}
		sprintf(name, "HTTP_%d", vars);
		ck_assert_ptr_null(scgi_find(&s, name));
	}
	buf_fini(&b);
}
END_TEST

/* Each byte, in each place of values of each length. */
START_TEST(control)
{
	char block[64];
	char *value = block + make_block("CONTENT_LENGTH|0|SCGI|1|HTTP_X|",
	    block);
	const char *why;
	struct scgi s;

	for (size_t len = 1; len <= 20; len++)
		for (size_t at = 0; at < len; at++)
			for (int byte = 1; byte < 256; byte++) {
				bool bad = (byte < ' ' && byte != '\t') ||
				    byte == 0x7f;

				memset(value, 'x', len);
				value[len] = '\0';
				value[at] = (char)byte;
				ck_assert_int_eq(scgi_check(block,
				    (size_t)(value - block) + len + 1, &s, &why),
				    bad ? SCGI_BAD : SCGI_DONE);
			}
}
END_TEST

/* Whatever byte is broken, there is a verdict and no read out of bounds. */
START_TEST(broken_bytes)
{
	static const char text[] = "CONTENT_LENGTH|5|SCGI|1|PATH_INFO|/a|"
	    "HTTP_CONTENT_LENGTH|5|";
	char block[sizeof(text)], head[128];
	struct scgi s;
	size_t i, n, len;
	int byte;

	len = make_head(block, make_block(text, block), head);
	for (i = 0; i < len; i++) {
		char was = head[i];

		for (byte = 0; byte < 256; byte++) {
			head[i] = (char)byte;
			if (parse(head, len, &s, &n) == SCGI_DONE)
				ck_assert_uint_eq(n, len);
		}
		head[i] = was;
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("scgi");
	TCase *t = suite_case(s, "all", NULL, NULL);

	tcase_add_loop_test(t, row, 0, N(rows));
	tcase_add_test(t, prefix);
	tcase_add_test(t, no_comma);
	tcase_add_test(t, size_limit);
	tcase_add_test(t, count_limit);
	tcase_add_test(t, writing_limits);
	tcase_add_test(t, the_example);
	tcase_add_test(t, find);
	tcase_add_test(t, find_any);
	tcase_add_test(t, control);
	tcase_add_test(t, broken_bytes);
	tcase_set_timeout(t, 60);
	return suite_run(s);
}
