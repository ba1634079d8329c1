/*
 * check_cgires - a table of heads, good and bad; each whole, byte by byte,
 * and normalised twice.
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/cgires.h"
#include "tests/suite.h"

#define OK_TYPE		"Content-Type: text/plain\r\n\r\n"

struct good {
	const char	*in;
	int		 status;
	int64_t		 length;
	const char	*out;		/* behind the status line */
};

static const struct good goods[] = {
	/* the plain cases */
	{ "Content-Type: text/plain\n\n", 200, -1, OK_TYPE },
	{ "Content-Type: text/plain\r\n\r\n", 200, -1, OK_TYPE },
	{ "Content-Type: text/plain\r\n\n", 200, -1, OK_TYPE },
	{ "Content-Type: text/plain\n\r\n", 200, -1, OK_TYPE },
	{ "Content-Type:text/plain\n\n", 200, -1, OK_TYPE },
	{ "Content-Type: \t text/plain \t \n\n", 200, -1, OK_TYPE },
	{ "content-type: text/plain\n\n", 200, -1,
	    "content-type: text/plain\r\n\r\n" },
	{ "Content-Type:\n\n", 200, -1, "Content-Type: \r\n\r\n" },

	/* Status */
	{ "Status: 200\n\n", 200, -1, "\r\n" },
	{ "Status: 200 OK\n\n", 200, -1, "\r\n" },
	{ "Status:200\n\n", 200, -1, "\r\n" },
	{ "status: 404 Gone Fishing\n\n", 404, -1, "\r\n" },
	{ "STATUS: 599\n\n", 599, -1, "\r\n" },
	{ "Status: 299 \n\n", 299, -1, "\r\n" },
	{ "Status: 404\tNot\n\n", 404, -1, "\r\n" },
	{ "Content-Type: text/plain\nStatus: 201 Created\n\n", 201, -1,
	    OK_TYPE },
	{ "Status: 404\nStatus: 404 Not Found\n\n", 404, -1, "\r\n" },

	/* Location */
	{ "Location: /x\n\n", 302, -1, "Location: /x\r\n\r\n" },
	{ "Location: http://a.example/x?y=z\n\n", 302, -1,
	    "Location: http://a.example/x?y=z\r\n\r\n" },
	{ "Location: /x\nContent-Type: text/plain\n\n", 302, -1,
	    "Location: /x\r\nContent-Type: text/plain\r\n\r\n" },
	{ "Status: 200\nLocation: /x\n\n", 200, -1, "Location: /x\r\n\r\n" },
	{ "Location: /x\nStatus: 201\n\n", 201, -1, "Location: /x\r\n\r\n" },
	{ "Location:\nContent-Type: text/plain\n\n", 200, -1,
	    "Location: \r\nContent-Type: text/plain\r\n\r\n" },

	/* nph */
	{ "HTTP/1.1 404 Not Found\n\n", 404, -1, "\r\n" },
	{ "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n", 200, -1,
	    OK_TYPE },
	{ "HTTP/1.1 200\n\n", 200, -1, "\r\n" },
	{ "HTTP/1.1 200 \n\n", 200, -1, "\r\n" },
	{ "http/1.1 200 ok\n\n", 200, -1, "\r\n" },
	{ "HTTP/1.1  503  Later\n\n", 503, -1, "\r\n" },
	{ "HTTP/1.1 404 Not Found\nStatus: 404\n\n", 404, -1, "\r\n" },
	{ "HTTP/1.1 303 See Other\nLocation: /x\n\n", 303, -1,
	    "Location: /x\r\n\r\n" },

	/* Content-Length is heard and left out */
	{ "Status: 200\nContent-Length: 0\n\n", 200, 0, "\r\n" },
	{ "Status: 200\nContent-Length: 5\n\n", 200, 5, "\r\n" },
	{ "Status: 200\nContent-Length: 5\nContent-Length: 5\n\n", 200, 5,
	    "\r\n" },
	{ "Status: 200\nContent-Length: 5\ncontent-length: 05\n\n", 200, 5,
	    "\r\n" },
	{ "Status: 200\nContent-Length: 9223372036854775807\n\n", 200,
	    INT64_MAX, "\r\n" },
	{ "Status: 204\nContent-Length: 5\n\n", 204, -1, "\r\n" },
	{ "Status: 304\nContent-Length: 5\n\n", 304, -1, "\r\n" },

	/* hop by hop */
	{ "Status: 200\nConnection: close\nA: b\n\n", 200, -1,
	    "A: b\r\n\r\n" },
	{ "Status: 200\nX-Foo: 1\nConnection: close, x-foo ,X-Bar\n"
	    "X-Bar: 2\nX-Baz: 3\n\n", 200, -1, "X-Baz: 3\r\n\r\n" },
	{ "Status: 200\nConnection: a\nA: 1\nConnection: ,,b\nB: 2\nC: 3\n\n",
	    200, -1, "C: 3\r\n\r\n" },
	{ "Status: 200\nConnection:\nA: b\n\n", 200, -1, "A: b\r\n\r\n" },
	{ "Status: 200\nKeep-Alive: 5\nTE: x\nTrailer: y\n"
	    "Transfer-Encoding: chunked\nUpgrade: h2c\n"
	    "Proxy-Connection: close\n\n", 200, -1, "\r\n" },
	{ "Status: 200\ntRaNsFeR-eNcOdInG: chunked\n\n", 200, -1, "\r\n" },
	{ "Status: 200\nTEA: x\nTrailers: y\nX-Te: z\n\n", 200, -1,
	    "TEA: x\r\nTrailers: y\r\nX-Te: z\r\n\r\n" },

	/* orders to the web server, and our own */
	{ "Status: 200\nX-Accel-Redirect: /x\nX-Accel-Buffering: no\n"
	    "x-accel-expires: 1\n\n", 200, -1, "\r\n" },
	{ "Status: 200\nX-Sendfile: /etc/passwd\nX-SENDFILE2: /x 0-1\n"
	    "X-LIGHTTPD-send-file: /x\nX-Lighttpd-Send-Tempfile: /x\n\n",
	    200, -1, "\r\n" },
	{ "Status: 200\nDeferd-Task: x\ndeferd-state: failed\n"
	    "Deferd-Anything: y\n\n", 200, -1, "\r\n" },
	{ "Status: 200\nX-Accel: 1\nX-Send: 2\nDeferd: 3\n\n", 200, -1,
	    "X-Accel: 1\r\nX-Send: 2\r\nDeferd: 3\r\n\r\n" },

	/* values stay as they are */
	{ "Status: 200\nSet-Cookie: a=1\nX: y\nSet-Cookie: b=2\n"
	    "Set-Cookie: a=1\n\n", 200, -1, "Set-Cookie: a=1\r\nX: y\r\n"
	    "Set-Cookie: b=2\r\nSet-Cookie: a=1\r\n\r\n" },
	{ "Status: 200\nX: \xc3\xa4\xff\x80\n\n", 200, -1,
	    "X: \xc3\xa4\xff\x80\r\n\r\n" },
	{ "Status: 200\nX: a:b : c\td\n\n", 200, -1,
	    "X: a:b : c\td\r\n\r\n" },
	{ "Status: 200\nX:\n\n", 200, -1, "X: \r\n\r\n" },
	{ "Status: 200\nX:   \n\n", 200, -1, "X: \r\n\r\n" },
	{ "Status: 200\n!#$%&'*+-.^_`|~09azAZ: x\n\n", 200, -1,
	    "!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n" },
};

struct bad {
	const char	*in;
	const char	*why;
};

static const struct bad bads[] = {
	{ "\n", "no Status, Content-Type or Location in the head" },
	{ "\r\n", "no Status, Content-Type or Location in the head" },
	{ "X: y\n\n", "no Status, Content-Type or Location in the head" },
	{ "Location:\n\n", "no Status, Content-Type or Location in the head" },
	{ "Content-Length: 5\n\n",
	    "no Status, Content-Type or Location in the head" },
	{ "Status: 20\n\n", "a bad status" },
	{ "Status: 099\n\n", "a bad status" },
	{ "Status: 100\n\n", "a bad status" },
	{ "Status: 199 Soon\n\n", "a bad status" },
	{ "Status: 600\n\n", "a bad status" },
	{ "Status: 999\n\n", "a bad status" },
	{ "Status: 2000\n\n", "a bad status" },
	{ "Status: 200OK\n\n", "a bad status" },
	{ "Status: abc\n\n", "a bad status" },
	{ "Status: -200\n\n", "a bad status" },
	{ "Status: +20\n\n", "a bad status" },
	{ "Status: 2 0\n\n", "a bad status" },
	{ "Status: OK 200\n\n", "a bad status" },
	{ "Status:\n\n", "a bad status" },
	{ "Status: 200\nStatus: 404\n\n", "two different statuses" },
	{ "HTTP/1.1 200 OK\nStatus: 404\n\n", "two different statuses" },
	{ "HTTP/1.1 99 X\n\n", "a bad status" },
	{ "HTTP/1.1 100 Continue\n\n", "a bad status" },
	{ "HTTP/1.1 101 Switching Protocols\n\n", "a bad status" },
	{ "HTTP/1.1\n\n", "a bad status" },
	{ "HTTP/1.\n\n", "a bad status" },
	{ "HTTP/1. 200\n\n", "a bad status" },
	{ "HTTP/1.1x200\n\n", "a bad status" },
	{ "HTTP/1.12 200\n\n", "a bad status" },
	{ "HTTP/2 200\n\n", "a line without a colon in the head" },
	{ "Status: 200\nHTTP/1.1 200 OK\n\n",
	    "a line without a colon in the head" },
	{ "<html>\n\n", "a line without a colon in the head" },
	{ "Status: 200\nrubbish\n\n", "a line without a colon in the head" },
	{ "Status: 200\n X: y\n\n", "a folded header line" },
	{ "Status: 200\nX: y\n\tz\n\n", "a folded header line" },
	{ "Status: 200\n \n\n", "a folded header line" },
	{ " Status: 200\n\n", "a folded header line" },
	{ "Status : 200\n\n", "a bad header name" },
	{ "Status: 200\nX\t: y\n\n", "a bad header name" },
	{ "Status: 200\n: y\n\n", "a bad header name" },
	{ "Status: 200\nX Y: z\n\n", "a bad header name" },
	{ "Status: 200\nX(Y): z\n\n", "a bad header name" },
	{ "Status: 200\n\"X\": z\n\n", "a bad header name" },
	{ "Status: 200\n\xc3\xa4: z\n\n", "a bad header name" },
	{ "Status: 200\n<p style=\"a:b\">\n\n", "a bad header name" },
	{ "Status: 200\nX: y\rZ: a\n\n",
	    "a carriage return inside a header line" },
	{ "Status: 200\nX: y\r\r\n\n",
	    "a carriage return inside a header line" },
	{ "\rStatus: 200\n\n", "a carriage return inside a header line" },
	{ "HTTP/1.1 200 O\rK\n\n", "a carriage return inside a header line" },
	{ "Status: 200\nX: a\x01z\n\n", "a control character in the head" },
	{ "Status: 200\nX: a\x1b[31m\n\n", "a control character in the head" },
	{ "Status: 200\nX: a\x7f\n\n", "a control character in the head" },
	{ "Status: 200\nContent-Length:\n\n", "a bad Content-Length" },
	{ "Status: 200\nContent-Length: x\n\n", "a bad Content-Length" },
	{ "Status: 200\nContent-Length: -5\n\n", "a bad Content-Length" },
	{ "Status: 200\nContent-Length: +5\n\n", "a bad Content-Length" },
	{ "Status: 200\nContent-Length: 5 5\n\n", "a bad Content-Length" },
	{ "Status: 200\nContent-Length: 5, 5\n\n", "a bad Content-Length" },
	{ "Status: 200\nContent-Length: 0x5\n\n", "a bad Content-Length" },
	{ "Status: 200\nContent-Length: 9223372036854775808\n\n",
	    "a bad Content-Length" },
	{ "Status: 200\nContent-Length: 99999999999999999999999\n\n",
	    "a bad Content-Length" },
	{ "Status: 200\nContent-Length: 5\nContent-Length: 6\n\n",
	    "two different Content-Lengths" },
	{ "Status: 204\nContent-Length: 5\nContent-Length: 6\n\n",
	    "two different Content-Lengths" },
};

/* Heads that never end: only at eof is it certain. */
static const struct bad unfinished[] = {
	{ "", "no output" },
	{ "x", "no empty line after the head" },
	{ "Status: 200", "no empty line after the head" },
	{ "Status: 200\n", "no empty line after the head" },
	{ "Status: 200\r\n", "no empty line after the head" },
	{ "Status: 200\r\n\r", "no empty line after the head" },
	{ "Status: 200\nX: y\n \n", "no empty line after the head" },
	{ "Hello, world\n", "no empty line after the head" },
};

/* Parses from an allocation of just that size, for ASan and valgrind. */
static enum cgires_verdict
parse(struct cgires *res, const char *in, size_t len, bool eof, size_t *head,
    const char **why)
{
	char *copy = malloc(len ? len : 1);
	enum cgires_verdict v;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, in, len);
	*why = NULL;
	v = cgires_parse(res, copy, len, eof, head, why);
	free(copy);
	return v;
}

static void
is_head(const struct cgires *res, int status, const char *rest)
{
	char line[128];
	size_t n;

	n = (size_t)snprintf(line, sizeof(line), "Status: %d %s\r\n", status,
	    cgires_reason(status));
	ck_assert_uint_eq(buf_len(&res->head), n + strlen(rest));
	ck_assert_mem_eq(buf_data(&res->head), line, n);
	ck_assert_mem_eq(buf_data(&res->head) + n, rest, strlen(rest));
}

START_TEST(good)
{
	const struct good *g = &goods[_i];
	size_t i, head = 0, len = strlen(g->in);
	const char *why;
	struct cgires res, again;
	char body[512];

	cgires_init(&res, CGIRES_HEAD_MAX);
	cgires_init(&again, CGIRES_HEAD_MAX);
	for (i = 0; i < len; i++)
		ck_assert_msg(parse(&res, g->in, i, false, &head, &why) ==
		    CGIRES_MORE, "%s: %zu bytes", g->in, i);
	ck_assert_msg(parse(&res, g->in, len, false, &head, &why) ==
	    CGIRES_DONE, "%s: %s", g->in, why);
	ck_assert_uint_eq(head, len);
	ck_assert_int_eq(res.status, g->status);
	ck_assert_int_eq(res.content_length, g->length);
	is_head(&res, g->status, g->out);

	/* the body is not looked at, and the end of output changes nothing */
	memcpy(body, g->in, len);
	memcpy(body + len, "\0\r\n\nbody", 8);
	ck_assert_int_eq(parse(&res, body, len + 8, true, &head, &why),
	    CGIRES_DONE);
	ck_assert_uint_eq(head, len);
	is_head(&res, g->status, g->out);

	ck_assert_int_eq(parse(&again, (const char *)buf_data(&res.head),
	    buf_len(&res.head), true, &head, &why), CGIRES_DONE);
	ck_assert_uint_eq(head, buf_len(&res.head));
	ck_assert_int_eq(again.content_length, -1);
	is_head(&again, g->status, g->out);
	cgires_fini(&res);
	cgires_fini(&again);
}
END_TEST

START_TEST(bad)
{
	const struct bad *b = &bads[_i];
	size_t i, head, len = strlen(b->in);
	const char *why;
	struct cgires res;

	cgires_init(&res, CGIRES_HEAD_MAX);
	for (i = 0; i < len; i++)
		ck_assert_msg(parse(&res, b->in, i, false, &head, &why) ==
		    CGIRES_MORE, "%s: %zu bytes", b->in, i);
	ck_assert_msg(parse(&res, b->in, len, false, &head, &why) ==
	    CGIRES_BAD, "%s", b->in);
	ck_assert_str_eq(why, b->why);
	ck_assert_int_eq(parse(&res, b->in, len, true, &head, &why),
	    CGIRES_BAD);
	ck_assert_str_eq(why, b->why);
	cgires_fini(&res);
}
END_TEST

START_TEST(no_end)
{
	const struct bad *b = &unfinished[_i];
	size_t head, len = strlen(b->in);
	const char *why;
	struct cgires res;

	cgires_init(&res, CGIRES_HEAD_MAX);
	ck_assert_int_eq(parse(&res, b->in, len, false, &head, &why),
	    CGIRES_MORE);
	ck_assert_int_eq(parse(&res, b->in, len, true, &head, &why),
	    CGIRES_BAD);
	ck_assert_str_eq(why, b->why);
	cgires_fini(&res);
}
END_TEST

/* What a C string cannot hold. */
START_TEST(nul)
{
	static const char *const names[] = { "in a value", "in a name",
	    "in a status line" };
	static const struct {
		const char *in;
		size_t len;
	} heads[] = {
#define HEAD(s) { s, sizeof(s) - 1 }
		HEAD("Status: 200\nX: a\0b\n\n"),
		HEAD("Status: 200\nX\0: ab\n\n"),
		HEAD("HTTP/1.1 200 O\0K\n\n"),
	};
	struct cgires res;
	const char *why;
	size_t head;
	int i;

	cgires_init(&res, CGIRES_HEAD_MAX);
	for (i = 0; i < N(heads); i++) {
		ck_assert_msg(parse(&res, heads[i].in, heads[i].len, false,
		    &head, &why) == CGIRES_BAD, "%s", names[i]);
		ck_assert_str_eq(why, "a NUL in the head");
	}
	cgires_fini(&res);
}
END_TEST

/* A head of `n` bytes whose normalised form is as long. */
static void
fill(char *to, size_t n)
{
	static const char begin[] = "Status: 200 OK\r\nX: ";

	memset(to, 'x', n);
	memcpy(to, begin, sizeof(begin) - 1);
	memcpy(to + n - 4, "\r\n\r\n", 4);
}

START_TEST(size_limit)
{
	static char in[CGIRES_HEAD_MAX + 2];
	struct cgires res;
	const char *why;
	size_t head;

	cgires_init(&res, CGIRES_HEAD_MAX);
	fill(in, CGIRES_HEAD_MAX - 1);
	ck_assert_int_eq(parse(&res, in, CGIRES_HEAD_MAX - 1, false, &head,
	    &why), CGIRES_DONE);
	fill(in, CGIRES_HEAD_MAX);
	ck_assert_int_eq(parse(&res, in, CGIRES_HEAD_MAX - 1, false, &head,
	    &why), CGIRES_MORE);
	ck_assert_int_eq(parse(&res, in, CGIRES_HEAD_MAX, false, &head, &why),
	    CGIRES_DONE);
	ck_assert_uint_eq(head, CGIRES_HEAD_MAX);
	ck_assert_uint_eq(buf_len(&res.head), CGIRES_HEAD_MAX);

	fill(in, CGIRES_HEAD_MAX + 1);
	ck_assert_int_eq(parse(&res, in, CGIRES_HEAD_MAX, false, &head, &why),
	    CGIRES_BAD);
	ck_assert_str_eq(why, "head over 64 KiB");
	ck_assert_int_eq(parse(&res, in, CGIRES_HEAD_MAX + 1, true, &head,
	    &why), CGIRES_BAD);
	ck_assert_str_eq(why, "head over 64 KiB");

	/* over the limit as it came, though what is left of it would fit */
	memcpy(in + 16, "X-Accel-", 8);
	memcpy(in + 24, ":", 1);
	ck_assert_int_eq(parse(&res, in, CGIRES_HEAD_MAX + 1, true, &head,
	    &why), CGIRES_BAD);
	ck_assert_str_eq(why, "head over 64 KiB");

	cgires_fini(&res);
}
END_TEST

/* Nothing grows more than lines of no value: its own head was not too large. */
START_TEST(grows_when_normalised)
{
	static char in[CGIRES_HEAD_MAX], out[CGIRES_NORMAL_MAX];
	struct cgires res, again;
	const char *why;
	size_t at = 0, head, len;

	at += (size_t)sprintf(in, "Status:511\n");
	while (at < sizeof(in) - 4)
		at += (size_t)sprintf(in + at, "a:\n");
	in[at++] = '\n';
	cgires_init(&res, CGIRES_HEAD_MAX);
	ck_assert_int_eq(parse(&res, in, at, true, &head, &why), CGIRES_DONE);
	len = buf_len(&res.head);
	ck_assert_uint_gt(len, CGIRES_HEAD_MAX * 3 / 2);
	memcpy(out, buf_data(&res.head), len);

	cgires_init(&again, CGIRES_NORMAL_MAX);
	ck_assert_int_eq(parse(&again, out, len, true, &head, &why),
	    CGIRES_DONE);
	ck_assert_uint_eq(buf_len(&again.head), len);
	ck_assert_mem_eq(buf_data(&again.head), out, len);
	cgires_fini(&again);
	cgires_fini(&res);
}
END_TEST

START_TEST(many_hops)
{
	char in[512] = "Status: 200\nConnection: a";
	struct cgires res;
	const char *why;
	size_t head;
	int i;

	cgires_init(&res, CGIRES_HEAD_MAX);
	for (i = 1; i < 32; i++)
		strcat(in, ",a");
	strcat(in, "\nA: b\n\n");
	ck_assert_int_eq(parse(&res, in, strlen(in), true, &head, &why),
	    CGIRES_DONE);
	is_head(&res, 200, "\r\n");
	strcpy(in + strlen(in) - 1, "Connection: b\n\n");
	ck_assert_int_eq(parse(&res, in, strlen(in), true, &head, &why),
	    CGIRES_BAD);
	ck_assert_str_eq(why, "too many names in Connection");
	cgires_fini(&res);
}
END_TEST

START_TEST(find)
{
	static const char head[] = "Status: 200 OK\r\nA: one\r\nAB: \r\n"
	    "a: two\r\n\r\nBody: no\r\n";
	const char *value;
	size_t len = 99;

	ck_assert_ptr_nonnull(value = cgires_find(head, sizeof(head) - 1, "a",
	    &len));
	ck_assert_uint_eq(len, 3);
	ck_assert_mem_eq(value, "one", 3);
	ck_assert_ptr_nonnull(cgires_find(head, sizeof(head) - 1, "ab",
	    &len));
	ck_assert_uint_eq(len, 0);
	ck_assert_ptr_nonnull(value = cgires_find(head, sizeof(head) - 1,
	    "STATUS", &len));
	ck_assert_uint_eq(len, 6);
	ck_assert_ptr_null(cgires_find(head, sizeof(head) - 1, "Body", &len));
	ck_assert_ptr_null(cgires_find(head, sizeof(head) - 1, "", &len));
	ck_assert_ptr_null(cgires_find(head, 0, "a", &len));
	ck_assert_ptr_null(cgires_find(NULL, 0, "a", &len));
}
END_TEST

START_TEST(reasons)
{
	ck_assert_str_eq(cgires_reason(200), "OK");
	ck_assert_str_eq(cgires_reason(202), "Accepted");
	ck_assert_str_eq(cgires_reason(404), "Not Found");
	ck_assert_str_eq(cgires_reason(431),
	    "Request Header Fields Too Large");
	ck_assert_str_eq(cgires_reason(503), "Service Unavailable");
	ck_assert_str_eq(cgires_reason(299), "Unknown");
	ck_assert_str_eq(cgires_reason(0), "Unknown");
}
END_TEST

/* Whatever byte is broken: a verdict, and what is good stays good. */
START_TEST(broken_bytes)
{
	char in[] = "Status: 200 OK\r\nConnection: X-Y\nX-Y: z\n"
	    "Content-Length: 5\nLocation: /a\n\n";
	const size_t len = sizeof(in) - 1;
	struct cgires res, again;
	size_t i, head;
	const char *why;
	int byte;

	cgires_init(&res, CGIRES_HEAD_MAX);
	cgires_init(&again, CGIRES_HEAD_MAX);
	for (i = 0; i < len; i++) {
		char was = in[i];

		for (byte = 0; byte < 256; byte++) {
			in[i] = (char)byte;
			if (parse(&res, in, len, true, &head, &why) !=
			    CGIRES_DONE)
				continue;
			ck_assert_int_eq(parse(&again,
			    (const char *)buf_data(&res.head),
			    buf_len(&res.head), true, &head, &why),
			    CGIRES_DONE);
			ck_assert_uint_eq(buf_len(&again.head),
			    buf_len(&res.head));
			ck_assert_mem_eq(buf_data(&again.head),
			    buf_data(&res.head), buf_len(&res.head));
		}
		in[i] = was;
	}
	cgires_fini(&res);
	cgires_fini(&again);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cgires");
	TCase *t = suite_case(s, "all", NULL, NULL);

	tcase_add_loop_test(t, good, 0, N(goods));
	tcase_add_loop_test(t, bad, 0, N(bads));
	tcase_add_loop_test(t, no_end, 0, N(unfinished));
	tcase_add_test(t, nul);
	tcase_add_test(t, size_limit);
	tcase_add_test(t, grows_when_normalised);
	tcase_add_test(t, many_hops);
	tcase_add_test(t, find);
	tcase_add_test(t, reasons);
	tcase_add_test(t, broken_bytes);
	tcase_set_timeout(t, 60);
	return suite_run(s);
}
