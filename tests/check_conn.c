/*
 * check_conn - requests, good and bad, from first byte to last.
 *
 * contract.md 1 to 3 as far as they go without workers; every test ends with
 * the question whether connections, reservations and descriptors are back.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/scgi.h"
#include "ipc/sock.h"
#include "daemon/master/clock.h"
#include "tests/conn_rig.h"
#include "tests/scarce.h"
#include "tests/suite.h"

#define INLINE		1024
#define MAX_BODY	102400
#define LARGE		(10 << 20)
#define FLOODS		3	/* processes that write to one connection */

/* Deadlines are a minute, but where a test is about them. */
#define SETTINGS	"inline = \"1K\"\nmax-body = \"100K\"\n" \
			"max-store = \"1M\"\nqueue = 500\n"
#define PATIENT		SETTINGS "head-deadline = 60\nbody-deadline = 60\n"
#define HASTY		SETTINGS "head-deadline = 1\nbody-deadline = 1\n"

static struct client cl;
static struct buf head;
static char *data;			/* LARGE bytes */

static void
open_with(const char *settings)
{
	data = calloc(1, LARGE);
	memset(data, 'x', LARGE);
	rig_open(settings);
	cl.fd = cl.in = cl.out = -1;
}

static void
setup(void)
{
	open_with(PATIENT);
}

static void
setup_hasty(void)
{
	open_with(HASTY);
}

static void
teardown(void)
{
	client_close(&cl);
	buf_fini(&head);
	rig_wait_closed();
	rig_assert_clean();
	rig_close();
	free(data);
}

/* --- helpers ----------------------------------------------------------------- */

static void
connect_plain(void)
{
	client_connect(&cl, rig.data_path);
}

/* Sends `head` through a door. */
static void
send_door(enum door door)
{
	int fds[2];

	client_connect(&cl, rig.data_path);
	client_open_door(&cl, door, fds);
	client_send_door(&cl, &head, fds);
	close(cl.fd);
	cl.fd = -1;
}

/* The body is complete: as each kind of web server shows it. */
static void
end_of_input(enum door door)
{
	if (door == DOOR_SOCKET) {
		ck_assert_int_eq(shutdown(cl.in, SHUT_WR), 0);
		return;
	}
	close(cl.in);
	cl.in = -1;
}

/* The answer is there and ends, without a reset. */
static void
assert_answer(int status)
{
	ck_assert_int_eq(client_wait(&cl), status);
	ck_assert_int_eq(cl.error, 0);
	ck_assert_str_eq(client_header(&cl, "Cache-Control"), "no-store");
}

static void
assert_problem(int status)
{
	assert_answer(status);
	ck_assert_str_eq(client_header(&cl, "Content-Type"),
	    "application/problem+json");
}

static void
assert_no_answer(void)
{
	(void)client_wait(&cl);
	ck_assert_uint_eq(cl.len, 0);
}

static const char *
body_of(const struct client *c)
{
	const char *end = strstr(c->answer, "\r\n\r\n");

	ck_assert_ptr_nonnull(end);
	return end + 4;
}

/* Submits an empty task; gives its path, "/status/<id>". */
static const char *
submit(void)
{
	static char path[64];
	struct client c;

	ck_assert_int_eq(client_ask(&c, "POST", "/job/1", NULL, 0), 202);
	(void)snprintf(path, sizeof(path), "%s",
	    client_header(&c, "Location") + strlen("/jobs"));
	return path;
}

/* --- submitting -------------------------------------------------------------- */

START_TEST(submitted)
{
	const char *id;

	ck_assert_int_eq(client_ask(&cl, "POST", "/job/1", "abc", 3), 202);
	id = client_header(&cl, "Location");
	ck_assert_int_eq(strncmp(id, "/jobs/status/", 13), 0);
	ck_assert_uint_eq(strlen(id), 13 + 32);
	ck_assert_ptr_nonnull(client_header(&cl, "Retry-After"));
	ck_assert_str_eq(client_header(&cl, "Deferd-State"), "queued");
	ck_assert_str_eq(client_header(&cl, "Content-Type"),
	    "application/json");
	ck_assert_ptr_nonnull(strstr(body_of(&cl), "\"queued\""));
	ck_assert_uint_eq(rig_tasks(), 1);
}
END_TEST

static const size_t sizes[] = {
	0, 1, INLINE - 1, INLINE, INLINE + 1, 65536, MAX_BODY
};

static void
assert_kept(size_t len)
{
	struct store_stats stats;

	ck_assert_uint_eq(rig_tasks(), 1);
	store_stats(rig.store, &stats);
	ck_assert_uint_ge(stats.bytes, len + buf_len(&head) - 10);
	ck_assert_uint_le(stats.bytes, len + buf_len(&head) + 100);
	ck_assert_uint_eq(stats.reserved_bytes, 0);
}

static void
send_pieces(int fd, size_t len)
{
	for (size_t at = 0; at < len; at += 1000) {
		ck_assert(client_send(fd, data,
		    len - at < 1000 ? len - at : 1000));
		rig_idle();
	}
}

static void
task_keeps_files(size_t len)
{
	if (len > INLINE)	/* its spool file stays open */
		rig.open_idle++;
}

START_TEST(body_sizes_plain)
{
	size_t len = sizes[_i];

	connect_plain();
	head_make(&head, (long)len, "POST", "/job/1", NULL);
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	send_pieces(cl.fd, len);
	assert_answer(202);
	assert_kept(len);
	task_keeps_files(len);
}
END_TEST

START_TEST(body_sizes_door)
{
	size_t len = sizes[_i / DOOR_N];

	head_make(&head, (long)len, "POST", "/job/1", NULL);
	send_door((enum door)(_i % DOOR_N));
	send_pieces(cl.in, len);
	assert_answer(202);
	assert_kept(len);
	task_keeps_files(len);
}
END_TEST

START_TEST(body_sizes_chunked)
{
	size_t len = sizes[_i / DOOR_N];

	head_make(&head, -1, "POST", "/job/1", "HTTP_TRANSFER_ENCODING",
	    "chunked", NULL);
	send_door((enum door)(_i % DOOR_N));
	send_pieces(cl.in, len);
	ck_assert(!client_ended(&cl));
	end_of_input((enum door)(_i % DOOR_N));
	assert_answer(202);
	assert_kept(len);
	task_keeps_files(len);
}
END_TEST

/* lighttpd: the body in a file, the answer into a pipe. */
START_TEST(body_in_a_file)
{
	int fds[2], p[2];

	fds[0] = open(rig.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_eq(write(fds[0], data, 50000), 50000);
	ck_assert_int_eq(lseek(fds[0], 0, SEEK_SET), 0);
	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	fds[1] = p[1];
	head_make(&head, _i ? 50000 : -1, "POST", "/job/1",
	    "HTTP_TRANSFER_ENCODING", "chunked", NULL);
	connect_plain();
	cl.out = p[0];
	ck_assert_int_eq(fcntl(cl.out, F_SETFL, O_NONBLOCK), 0);
	client_send_door(&cl, &head, fds);
	assert_answer(202);
	assert_kept(50000);
	task_keeps_files(50000);
}
END_TEST

static void
try_split(size_t at, bool door)
{
	size_t len = buf_len(&head);
	int fds[2];

	connect_plain();
	if (door) {
		struct buf first = head;

		first.end = first.start + at;
		client_open_door(&cl, DOOR_SOCKET, fds);
		client_send_door(&cl, &first, fds);
	} else {
		ck_assert(client_send(cl.fd, buf_data(&head), at));
	}
	rig_idle();
	ck_assert(!client_ended(&cl));
	ck_assert(client_send(cl.fd, buf_data(&head) + at, len - at));
	if (door) {
		close(cl.fd);
		cl.fd = -1;
	}
	assert_answer(202);
	client_close(&cl);
}

START_TEST(head_split_at_every_byte)
{
	head_make(&head, 0, "POST", "/job/1", NULL);
	for (size_t at = 1; at < buf_len(&head); at++)
		try_split(at, _i);
	ck_assert_uint_eq(rig_tasks(), buf_len(&head) - 1);
}
END_TEST

START_TEST(head_byte_by_byte)
{
	head_make(&head, 2, "POST", "/job/1", NULL);
	ck_assert_int_eq(buf_add(&head, "xx", 2), 0);
	connect_plain();
	for (size_t at = 0; at < buf_len(&head); at++) {
		ck_assert(client_send(cl.fd, buf_data(&head) + at, 1));
		rig_idle();
	}
	assert_answer(202);
}
END_TEST

/* --- the link ---------------------------------------------------------------- */

START_TEST(status_of_a_queued_task)
{
	const char *link = submit();
	char location[80];

	(void)snprintf(location, sizeof(location), "/jobs%s", link);
	ck_assert_int_eq(client_ask(&cl, "GET", link, NULL, 0), 202);
	ck_assert_str_eq(client_header(&cl, "Location"), location);
	ck_assert_str_eq(client_header(&cl, "Deferd-State"), "queued");
	ck_assert_str_eq(client_header(&cl, "Deferd-Task"), link + 8);
	ck_assert_ptr_nonnull(client_header(&cl, "Retry-After"));
	ck_assert_uint_gt(strlen(body_of(&cl)), 0);
	ck_assert_int_eq(client_ask(&cl, "HEAD", link, NULL, 0), 202);
	ck_assert_str_eq(body_of(&cl), "");
	ck_assert_ptr_nonnull(client_header(&cl, "Content-Length"));
	ck_assert_uint_eq(rig_tasks(), 1);
}
END_TEST

START_TEST(deleted_while_queued)
{
	const char *link = submit();

	ck_assert_int_eq(client_ask(&cl, "DELETE", link, NULL, 0), 204);
	ck_assert_str_eq(client_header(&cl, "Deferd-State"), "cancelled");
	ck_assert_int_eq(client_ask(&cl, "GET", link, NULL, 0), 410);
	ck_assert_str_eq(client_header(&cl, "Deferd-State"), "cancelled");
	ck_assert_int_eq(client_ask(&cl, "HEAD", link, NULL, 0), 410);
	ck_assert_str_eq(body_of(&cl), "");
	ck_assert_int_eq(client_ask(&cl, "DELETE", link, NULL, 0), 204);
	ck_assert_int_eq(client_ask(&cl, "GET", link, NULL, 0), 410);
}
END_TEST

static const char *const no_tasks[] = {
	"/status/0123456789abcdef0123456789abcdef", "/status/", "/status/x",
	"/status/0123456789ABCDEF0123456789ABCDEF",
	"/status/0123456789abcdef0123456789abcdef0",
	"/status/0123456789abcdef0123456789abcde",
};


static const char *const link_methods[] = { "GET", "HEAD", "DELETE", "POST" };

START_TEST(no_such_task)
{
	(void)submit();
	ck_assert_int_eq(client_ask(&cl, link_methods[_i % 4],
	    no_tasks[_i / 4], NULL, 0), 404);
	ck_assert_int_eq(*body_of(&cl) == '\0', _i % 4 == 1);	/* HEAD */
	ck_assert_ptr_null(client_header(&cl, "Deferd-Task"));
	ck_assert_ptr_null(client_header(&cl, "Deferd-State"));
}
END_TEST

START_TEST(methods)
{
	const char *link = submit();

	ck_assert_int_eq(client_ask(&cl, "PUT", link, NULL, 0), 405);
	ck_assert_ptr_nonnull(strstr(client_header(&cl, "Allow"), "DELETE"));
	ck_assert_int_eq(client_ask(&cl, "POST", "/get", "abc", 3), 405);
	ck_assert_ptr_nonnull(strstr(client_header(&cl, "Allow"), "GET"));
	ck_assert_ptr_null(strstr(client_header(&cl, "Allow"), "POST"));
	ck_assert_int_eq(client_ask(&cl, "BREW", "/job/1", NULL, 0), 405);
	ck_assert_int_eq(client_ask(&cl, "OPTIONS", "/job/1", NULL, 0), 204);
	ck_assert_ptr_nonnull(strstr(client_header(&cl, "Allow"), "PATCH"));
	ck_assert_int_eq(client_ask(&cl, "OPTIONS", link, NULL, 0), 204);
	ck_assert_int_eq(client_ask(&cl, "GET", "/nowhere", NULL, 0), 404);
	ck_assert_int_eq(client_ask(&cl, "GET", "/", NULL, 0), 404);
	ck_assert_uint_eq(rig_tasks(), 1);
}
END_TEST

/* A body where none is expected does not spoil the answer. */
START_TEST(status_with_a_body)
{
	const char *link = submit();

	ck_assert_int_eq(client_ask(&cl, "GET", link, data, 50000), 202);
	head_make(&head, 50000, "GET", link, NULL);
	send_door(DOOR_SOCKET);
	ck_assert(client_send(cl.in, data, 50000) || errno == EPIPE);
	assert_answer(202);
}
END_TEST

/* Also if it is refused before anybody has read it. */
START_TEST(head_has_no_body)
{
	ck_assert_int_eq(client_ask(&cl, "HEAD", "/nowhere", NULL, 0), 404);
	ck_assert_str_eq(body_of(&cl), "");
	ck_assert_int_eq(client_ask(&cl, "GET", "no/slash", NULL, 0), 400);
	ck_assert_str_ne(body_of(&cl), "");
	ck_assert_int_eq(client_ask(&cl, "HEAD", "no/slash", NULL, 0), 400);
	ck_assert_str_eq(body_of(&cl), "");
}
END_TEST

/* Whichever allocation fails: the answer to a HEAD ends with its head. */
START_TEST(no_memory_to_answer)
{
	const char *link = submit();
	int failed = 0;

	for (int n = 0; n < 100; n++) {
		head_make(&head, 0, _i ? "HEAD" : "GET", link, NULL);
		connect_plain();
		ck_assert_int_eq(write(cl.fd, buf_data(&head), buf_len(&head)),
		    buf_len(&head));
		left = n;
		rig_idle();
		left = -1;
		if (client_wait(&cl) / 100 == 5) {
			failed++;
			ck_assert_str_eq(client_header(&cl, "Content-Type"),
			    "application/problem+json");
		}
		ck_assert(cl.len == 0 || (*body_of(&cl) == '\0') == _i);
		client_close(&cl);
		buf_fini(&head);
	}
	ck_assert(failed > 0 || !OWN_MALLOC);
}
END_TEST

/* --- refused ----------------------------------------------------------------- */

/* A server that speaks plain SCGI wants to be rid of the body first. */
START_TEST(large_body_plain)
{
	head_make(&head, MAX_BODY + 1, "POST", "/job/1", NULL);
	connect_plain();
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	ck_assert(client_send(cl.fd, data, MAX_BODY));
	rig_idle();
	ck_assert(!client_ended(&cl));
	ck_assert_uint_eq(cl.len, 0);
	ck_assert(client_send(cl.fd, data, 1));
	assert_problem(413);
	ck_assert_uint_eq(rig_tasks(), 0);
}
END_TEST

/* Behind a door: the answer, and no more input. */
START_TEST(large_body_door)
{
	head_make(&head, _i ? LARGE : -1, "POST", "/job/1",
	    "HTTP_TRANSFER_ENCODING", "chunked", NULL);
	send_door((enum door)(_i % DOOR_N));
	ck_assert(!client_send(cl.in, data, LARGE));
	assert_problem(413);
	ck_assert_uint_eq(rig_tasks(), 0);
}
END_TEST

static void
make_large_head(bool by_count)
{
	buf_init(&head, SCGI_HEAD_MAX);
	if (!by_count) {
		ck_assert_int_eq(buf_add(&head, "70000:CONTENT_LENGTH", 20),
		    0);
		return;
	}
	ck_assert_int_eq(scgi_begin(&head), 0);
	ck_assert_int_eq(scgi_add(&head, "CONTENT_LENGTH", "5"), 0);
	ck_assert_int_eq(scgi_add(&head, "SCGI", "1"), 0);
	for (int i = 0; i < SCGI_VARS_MAX; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "HTTP_X%d", i);
		ck_assert_int_eq(scgi_add(&head, name, "v"), 0);
	}
	ck_assert_int_eq(scgi_finish(&head), 0);
}

START_TEST(large_head_plain)
{
	make_large_head(_i);
	connect_plain();
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	ck_assert_int_eq(shutdown(cl.fd, SHUT_WR), 0);
	assert_problem(431);
}
END_TEST

/*
 * With a body that nobody reads: closing the socket over it would reset the
 * web server, and lose the answer.
 */
static void
assert_refused_over_body(enum door door, int status)
{
	int fds[2];

	connect_plain();
	client_open_door(&cl, door, fds);
	ck_assert_int_eq(write(cl.in, data, 5000), 5000);
	client_send_door(&cl, &head, fds);
	rig_idle();
	assert_problem(status);
	ck_assert_uint_eq(rig_tasks(), 0);
}

START_TEST(large_head_door)
{
	make_large_head(_i % 2);
	assert_refused_over_body((enum door)(_i / 2), 431);
}
END_TEST

START_TEST(bad_path_door)
{
	head_make(&head, 5000, "POST", "/job/../etc", NULL);
	assert_refused_over_body((enum door)_i, 400);
}
END_TEST

/* The head is fine as SCGI, so the end of the request is known. */
START_TEST(bad_path_plain_is_drained_first)
{
	head_make(&head, 5000, "POST", "/job/../etc", NULL);
	connect_plain();
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	ck_assert(client_send(cl.fd, data, 4999));
	rig_idle();
	ck_assert(!client_ended(&cl));
	ck_assert_uint_eq(cl.len, 0);
	ck_assert(client_send(cl.fd, data, 1));
	assert_problem(400);
}
END_TEST

static const char *const bad_heads[] = {
	"garbage", ":", "x:", "-1:", "00:,", "0:,", "3:abc,",
	"24:CONTENT_LENGTH\0" "0\0SCGI\0" "2\0,",
	"24:CONTENT_LENGTH\0" "0\0SCGI\0" "1\0;",
	"24:CONTENT_LENGTH\0" "x\0SCGI\0" "1\0,",
	"24:CONTENT_LENGTH\0" "9\0SCGI\0" "1\0,",	/* no method */
};

static const size_t bad_lens[] = { 7, 1, 2, 3, 4, 3, 6, 28, 28, 28, 28 };

START_TEST(bad_head_plain)
{
	connect_plain();
	ck_assert(client_send(cl.fd, bad_heads[_i], bad_lens[_i]));
	ck_assert_int_eq(shutdown(cl.fd, SHUT_WR), 0);
	assert_problem(400);
}
END_TEST

START_TEST(bad_head_door)
{
	buf_init(&head, SCGI_HEAD_MAX);
	ck_assert_int_eq(buf_add(&head, bad_heads[_i / DOOR_N],
	    bad_lens[_i / DOOR_N]), 0);
	assert_refused_over_body((enum door)(_i % DOOR_N), 400);
}
END_TEST

START_TEST(head_cut_short)
{
	head_make(&head, 0, "POST", "/job/1", NULL);
	head.end--;
	if (_i < DOOR_N) {
		send_door((enum door)_i);
	} else {
		connect_plain();
		ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
		ck_assert_int_eq(shutdown(cl.fd, SHUT_WR), 0);
	}
	assert_problem(400);
	ck_assert_uint_eq(rig_tasks(), 0);
}
END_TEST

START_TEST(lengths_that_disagree)
{
	head_make(&head, 3, "POST", "/job/1", "HTTP_CONTENT_LENGTH", "4",
	    NULL);
	ck_assert_int_eq(buf_add(&head, "abcd", 4), 0);
	connect_plain();
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	ck_assert_int_eq(shutdown(cl.fd, SHUT_WR), 0);
	assert_problem(400);
}
END_TEST

/* Only behind a door can EOF be the end of a body. */
START_TEST(chunked_plain)
{
	head_make(&head, -1, "POST", "/job/1", "HTTP_TRANSFER_ENCODING",
	    "chunked", NULL);
	connect_plain();
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	ck_assert_int_eq(shutdown(cl.fd, SHUT_WR), 0);
	assert_problem(400);
	ck_assert_uint_eq(rig_tasks(), 0);
}
END_TEST

START_TEST(body_cut_short)
{
	head_make(&head, 5000, "POST", "/job/1", NULL);
	if (_i < DOOR_N) {
		send_door((enum door)_i);
		ck_assert(client_send(cl.in, data, 4999));
		end_of_input((enum door)_i);
	} else {
		connect_plain();
		ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
		ck_assert(client_send(cl.fd, data, 4999));
		ck_assert_int_eq(shutdown(cl.fd, SHUT_WR), 0);
	}
	assert_problem(400);
	ck_assert_uint_eq(rig_tasks(), 0);
}
END_TEST

/* EOF like that of a complete body, but the web server has hung up. */
START_TEST(chunked_upload_aborted)
{
	head_make(&head, -1, "POST", "/job/1", "HTTP_TRANSFER_ENCODING",
	    "chunked", NULL);
	send_door((enum door)_i);
	ck_assert(client_send(cl.in, data, 3000));
	rig_idle();
	client_close(&cl);
	rig_wait_closed();
	ck_assert_uint_eq(rig_tasks(), 0);
}
END_TEST

START_TEST(queue_full)
{
	rig_reload("queue = 1\n");
	ck_assert_int_eq(client_ask(&cl, "POST", "/job/1", NULL, 0), 202);
	ck_assert_int_eq(client_ask(&cl, "POST", "/job/1", data, 5000), 503);
	ck_assert_ptr_nonnull(client_header(&cl, "Retry-After"));
	ck_assert_uint_eq(rig_tasks(), 1);
}
END_TEST

/* There was room when its head came: what its body took is given back. */
START_TEST(queue_filled_meanwhile)
{
	static struct client other;

	rig_reload("queue = 1\n");
	head_make(&head, 70000, "POST", "/job/1", NULL);
	connect_plain();
	client_connect(&other, rig.data_path);
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	ck_assert(client_send(other.fd, buf_data(&head), buf_len(&head)));
	rig_idle();
	ck_assert(client_send(other.fd, data, 70000));
	ck_assert_int_eq(client_wait(&other), 202);
	client_close(&other);
	task_keeps_files(70000);
	ck_assert(client_send(cl.fd, data, 70000));
	assert_problem(503);
	ck_assert_uint_eq(rig_tasks(), 1);
}
END_TEST

/*
 * The store is not full, but this body is too much for it.  What came beside
 * the head is not waited for once more.
 */
START_TEST(store_is_full)
{
	int64_t before = clock_mono_ms();

	ck_assert(store_reserve(rig.store, (1 << 20) - 2000));
	head_make(&head, 3000, "POST", "/job/1", NULL);
	ck_assert_int_eq(buf_add(&head, data, _i ? 3000 : 1000), 0);
	connect_plain();
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	rig_idle();
	if (_i == 0)
		ck_assert(client_send(cl.fd, data, 2000));
	assert_problem(503);
	ck_assert_ptr_nonnull(client_header(&cl, "Retry-After"));
	ck_assert_int_lt(clock_mono_ms() - before, 30000);
	store_release(rig.store, (1 << 20) - 2000);
	ck_assert_uint_eq(rig_tasks(), 0);
}
END_TEST

START_TEST(no_room_in_the_spool)
{
	ck_assert_int_eq(client_ask(&cl, "POST", "/job/1", data, 1000), 202);
	ck_assert_int_eq(rmdir(rig.conf->spool), 0);
	ck_assert_int_eq(client_ask(&cl, "POST", "/job/1", data, 5000), 503);
	ck_assert_int_eq(client_ask(&cl, "POST", "/job/1", data, 1000), 202);
	ck_assert_int_eq(mkdir(rig.conf->spool, 0700), 0);
	ck_assert_uint_eq(rig_tasks(), 2);
}
END_TEST

/* --- descriptors -------------------------------------------------------------- */

static void
send_fds(const void *bytes, size_t len, const int *fds, int nfds)
{
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };

	ck_assert_int_eq(sock_send(cl.fd, &iov, 1, fds, nfds, 0),
	    (ssize_t)len);
}

static void
pair_for(int fds[4], int bad)
{
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(fds + 2, O_CLOEXEC), 0);
	if (bad >= 0) {
		close(fds[bad]);
		fds[bad] = eventfd(0, EFD_CLOEXEC);
	}
}

static void
close_four(const int fds[4])
{
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

START_TEST(descriptors_in_the_wrong_number)
{
	static const int wrong[] = { 1, 3, 4 };
	int fds[4];

	head_make(&head, 0, "POST", "/job/1", NULL);
	pair_for(fds, -1);
	connect_plain();
	send_fds(buf_data(&head), buf_len(&head), fds, wrong[_i]);
	close_four(fds);
	assert_no_answer();
}
END_TEST

START_TEST(descriptors_of_a_bad_kind)
{
	int fds[4];

	head_make(&head, 0, "POST", "/job/1", NULL);
	pair_for(fds, _i);
	connect_plain();
	send_fds(buf_data(&head), buf_len(&head), fds, 2);
	close_four(fds);
	assert_no_answer();
}
END_TEST

START_TEST(descriptors_with_a_later_byte)
{
	int fds[4];

	head_make(&head, 0, "POST", "/job/1", NULL);
	pair_for(fds, -1);
	connect_plain();
	send_fds(buf_data(&head), 1, fds, _i ? 2 : 0);
	rig_idle();
	send_fds(buf_data(&head) + 1, buf_len(&head) - 1, fds, 2);
	close_four(fds);
	assert_no_answer();
	ck_assert_uint_eq(rig_tasks(), 0);
}
END_TEST

/* It holds its own peer, so that no EOF will ever come: the deadline does. */
START_TEST(its_own_other_end)
{
	int fds[2];

	connect_plain();
	fds[0] = fds[1] = cl.fd;
	send_fds("1", 1, fds, 2);
	client_close(&cl);
	rig_wait_closed();
}
END_TEST

/* The answer cannot go anywhere; the task was asked for all the same. */
START_TEST(answer_into_null)
{
	int fds[2] = { open("/dev/null", O_RDONLY), open("/dev/null", O_WRONLY) };

	head_make(&head, 0, "POST", "/job/1", NULL);
	connect_plain();
	client_send_door(&cl, &head, fds);
	rig_wait_closed();
	ck_assert_uint_eq(rig_tasks(), 1);
}
END_TEST

/* --- peers that are slow, gone or mad ------------------------------------------ */

static void
assert_took_a_second(int64_t before)
{
	int64_t ms = clock_mono_ms() - before;

	ck_assert_int_ge(ms, 990);
	ck_assert_int_lt(ms, 10000);
}

START_TEST(silent_peer)
{
	int64_t before = clock_mono_ms();
	int fds[2];

	connect_plain();
	if (_i == 1)
		ck_assert(client_send(cl.fd, "12", 2));
	if (_i == 2) {
		buf_init(&head, 10);
		ck_assert_int_eq(buf_add(&head, "12", 2), 0);
		client_open_door(&cl, DOOR_SOCKET, fds);
		client_send_door(&cl, &head, fds);
	}
	assert_no_answer();
	assert_took_a_second(before);
}
END_TEST

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	size_t *at = arg;

	(void)fd, (void)what;
	if (write(cl.fd, buf_data(&head) + *at, 1) == 1)
		++*at;
}

/* The deadline is for the whole head, not for the next byte of it. */
START_TEST(head_that_dribbles)
{
	int64_t before = clock_mono_ms();
	struct timeval tv = { .tv_usec = 500 };
	struct event *tick;
	size_t at = 0;

	buf_init(&head, SCGI_HEAD_MAX);	/* a head that takes half a minute */
	ck_assert_int_eq(buf_add(&head, "60000:", 6), 0);
	ck_assert_int_eq(buf_add(&head, data, 60000), 0);
	memcpy(head.data + 6, "CONTENT_LENGTH", 15);
	memcpy(head.data + 6 + 15, "0\0SCGI\0" "1\0X", 10);
	connect_plain();
	tick = event_new(rig.base, -1, EV_PERSIST, on_tick, &at);
	ck_assert_int_eq(event_add(tick, &tv), 0);
	assert_no_answer();
	event_free(tick);
	assert_took_a_second(before);
}
END_TEST

START_TEST(body_that_does_not_come)
{
	int64_t before = clock_mono_ms();

	head_make(&head, 5000, "POST", "/job/1", NULL);
	if (_i < DOOR_N) {
		send_door((enum door)_i);
		ck_assert(client_send(cl.in, data, 3000));
	} else {
		connect_plain();
		ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
		ck_assert(client_send(cl.fd, data, 3000));
	}
	ck_assert_int_eq(client_wait(&cl), 400);
	assert_took_a_second(before);
	ck_assert_uint_eq(rig_tasks(), 0);
}
END_TEST

/* Too large, and then not even sent. */
START_TEST(drain_that_does_not_come)
{
	int64_t before = clock_mono_ms();

	head_make(&head, LARGE, "POST", "/job/1", NULL);
	connect_plain();
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	assert_problem(413);
	assert_took_a_second(before);
}
END_TEST

static void
make_bad_head(void)
{
	buf_init(&head, 10);
	ck_assert_int_eq(buf_add(&head, "garbage", 7), 0);
}

START_TEST(ten_megabytes_of_garbage)
{
	connect_plain();
	(void)client_send(cl.fd, data, LARGE);
	(void)shutdown(cl.fd, SHUT_WR);
	ck_assert_int_eq(client_wait(&cl), 400); /* slow ones are reset then */
	ck_assert_uint_eq(rig_tasks(), 0);
}
END_TEST

/* One peer that sends and sends does not keep the loop for itself. */
START_TEST(forgetting_takes_turns)
{
	int queued = 0;

	connect_plain();
	if (_i == 0)
		head_make(&head, LARGE, "POST", "/job/1", NULL);
	else
		make_bad_head();
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	rig_idle();
	while (write(cl.fd, data, 16384) > 0)
		;
	ck_assert_int_eq(event_base_loop(rig.base,
	    EVLOOP_ONCE | EVLOOP_NONBLOCK), 0);
	ck_assert_int_eq(ioctl(cl.fd, SIOCOUTQ, &queued), 0);
	ck_assert_int_gt(queued, 0);
}
END_TEST

/* In a process of its own: writes as fast as it can, for ever. */
static pid_t
start_flood(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	while (write(cl.fd, data, 65536) > 0)
		;
	_exit(0);
}

/*
 * What has to be read only to be forgotten: the others have their turn, and
 * it ends at the deadline although there is always more to read.
 */
START_TEST(flood)
{
	struct client other;
	pid_t pid[FLOODS];
	int status;

	if (_i == 0)
		head_make(&head, 1L << 60, "POST", "/job/1", NULL);
	else
		make_bad_head();
	connect_plain();
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	ck_assert_int_eq(fcntl(cl.fd, F_SETFL, 0), 0);
	for (int i = 0; i < FLOODS; i++)
		pid[i] = start_flood();
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(client_ask(&other, "POST", "/job/1", NULL, 0),
		    202);
	while (server_count(rig.server) > 0)
		(void)event_base_loop(rig.base, EVLOOP_ONCE);
	for (int i = 0; i < FLOODS; i++) {
		ck_assert_int_eq(waitpid(pid[i], &status, 0), pid[i]);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}
END_TEST

/* Leaves when so many bytes of head and body are sent; door or plain. */
static void
leave_at(size_t at, int door)
{
	size_t len = buf_len(&head) - 5000;
	struct buf first = head;
	int fds[2];

	connect_plain();
	if (door < DOOR_N && at > 0) {
		first.end = first.start + (at < len ? at : len);
		client_open_door(&cl, (enum door)door, fds);
		client_send_door(&cl, &first, fds);
		if (at > len)
			ck_assert(client_send(cl.in, data, at - len));
	} else {
		ck_assert(client_send(cl.fd, buf_data(&head), at));
	}
	if (at % 2)
		rig_idle();
	client_close(&cl);
	rig_wait_closed();
}

START_TEST(client_that_leaves)
{
	size_t all;

	head_make(&head, 5000, "POST", "/job/1", NULL);
	ck_assert_int_eq(buf_add(&head, data, 5000), 0);
	all = buf_len(&head);
	for (size_t at = 0; at < all; at += at < 300 ? 7 : 501)
		leave_at(at, _i);
	rig_assert_clean();
	ck_assert_uint_eq(rig_tasks(), 0);
	leave_at(all, _i);	/* all was said: that is a task */
	ck_assert_uint_eq(rig_tasks(), 1);
	rig.open_idle++;
}
END_TEST

/* Comes for an answer, and does not wait for it. */
START_TEST(reader_that_leaves)
{
	const char *link = submit();

	head_make(&head, 0, _i ? "DELETE" : "GET", link, NULL);
	for (int i = 0; i < 2; i++) {	/* queued; cancelled, from the store */
		connect_plain();
		ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
		client_close(&cl);
		rig_wait_closed();
		ck_assert_int_eq(client_ask(&cl, "DELETE", link, NULL, 0),
		    204);
	}
}
END_TEST

/* --- waiting ------------------------------------------------------------------- */

/* Comes to the link and waits there: through a door, or (DOOR_N) plain. */
static void
wait_at(const char *link, int door)
{
	head_make(&head, 0, "GET", link, "HTTP_PREFER", "wait=30", NULL);
	if (door < DOOR_N) {
		send_door((enum door)door);
	} else {
		connect_plain();
		ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	}
	rig_idle();
	ck_assert(!client_ended(&cl));
	ck_assert_uint_eq(server_count(rig.server), 1);
}

static void
cancel(const char *link)
{
	struct client c;

	ck_assert_int_eq(client_ask(&c, "DELETE", link, NULL, 0), 204);
}

START_TEST(waits_at_the_link)
{
	const char *link = submit();

	wait_at(link, _i);
	cancel(link);
	assert_problem(410);
	ck_assert_str_eq(client_header(&cl, "Preference-Applied"), "wait=30");
	ck_assert_str_eq(client_header(&cl, "Deferd-State"), "cancelled");
}
END_TEST

START_TEST(waits_with_its_submission)
{
	static const char *const prefer[] = { "wait=1", "wait=1, respond-async" };
	int64_t start_ms = clock_mono_ms();

	connect_plain();
	head_make(&head, 3, "POST", "/job/1", "HTTP_PREFER", prefer[_i], NULL);
	ck_assert_int_eq(buf_add(&head, "abc", 3), 0);
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	rig_idle();
	ck_assert_uint_eq(rig_tasks(), 1);
	assert_answer(202);
	ck_assert_int_ge(clock_mono_ms() - start_ms, 990); /* a coarse clock */
	if (_i == 0)
		ck_assert_ptr_null(client_header(&cl, "Preference-Applied"));
	else
		ck_assert_str_eq(client_header(&cl, "Preference-Applied"),
		    "respond-async");
}
END_TEST

START_TEST(leaves_while_it_waits)
{
	wait_at(submit(), DOOR_N);
	client_close(&cl);
	rig_wait_closed();		/* or never */
	rig_assert_clean();
}
END_TEST

/* It has nothing more to say, but listens; and costs nothing meanwhile. */
START_TEST(stops_to_send_while_it_waits)
{
	const char *link = submit();

	wait_at(link, DOOR_N);
	ck_assert_int_eq(shutdown(cl.fd, SHUT_WR), 0);
	rig_idle();
	ck_assert(!client_ended(&cl));
	ck_assert_int_eq(event_base_get_num_events(rig.base,
	    EVENT_BASE_COUNT_ACTIVE), 0);
	cancel(link);
	assert_problem(410);
}
END_TEST

/* A body that nobody asked for is taken meanwhile. */
START_TEST(sends_a_body_while_it_waits)
{
	const char *link = submit();

	connect_plain();
	head_make(&head, LARGE, "GET", link, "HTTP_PREFER", "wait=30", NULL);
	ck_assert(client_send(cl.fd, buf_data(&head), buf_len(&head)));
	ck_assert(client_send(cl.fd, data, LARGE));
	rig_idle();
	ck_assert(!client_ended(&cl));
	if (_i == 1) {
		client_close(&cl);
		rig_wait_closed();
		return;
	}
	cancel(link);
	assert_problem(410);
}
END_TEST

/* Other settings: one at most may wait behind a door. */
START_TEST(more_than_max_waiting)
{
	const char *link = submit();
	struct client first;

	rig_reload(PATIENT "max-waiting = 1\n");
	wait_at(link, DOOR_SOCKET);
	first = cl;
	buf_fini(&head);
	head_make(&head, 0, "GET", link, "HTTP_PREFER", "wait=30", NULL);
	send_door(DOOR_PIPES);
	assert_answer(202);
	client_close(&cl);
	ck_assert(!client_ended(&first));
	cancel(link);
	ck_assert_int_eq(client_wait(&first), 410);
	client_close(&first);
}
END_TEST

/* --- the end ------------------------------------------------------------------- */

START_TEST(stopped_while_it_waits)
{
	wait_at(submit(), _i);
	client_close(&cl);
	buf_fini(&head);
	rig_close();
	free(data);
}
END_TEST

/* The master stops: connections are wherever they are. */
START_TEST(stopped_half_way)
{
	static struct client half[4];

	head_make(&head, 50000, "POST", "/job/1", NULL);
	for (int i = 0; i < 4; i++) {
		client_connect(&half[i], rig.data_path);
		if (i > 0)
			ck_assert(client_send(half[i].fd, buf_data(&head),
			    i == 1 ? 10 : buf_len(&head)));
		if (i == 3)
			ck_assert(client_send(half[i].fd, data, 20000));
	}
	rig_idle();
	ck_assert_uint_eq(server_count(rig.server), 4);
	for (int i = 0; i < 4; i++)
		client_close(&half[i]);
	buf_fini(&head);
	rig_close();
	free(data);
}
END_TEST

static TCase *
tcase_new(Suite *s, const char *name, void (*open)(void), void (*end)(void))
{
	TCase *t = suite_case(s, name, open, end);

	tcase_set_timeout(t, 60);
	return t;
}

static void
add_requests(Suite *s)
{
	TCase *t = tcase_new(s, "submit", setup, teardown);

	tcase_add_test(t, submitted);
	tcase_add_loop_test(t, body_sizes_plain, 0, N(sizes));
	tcase_add_loop_test(t, body_sizes_door, 0, N(sizes) * DOOR_N);
	tcase_add_loop_test(t, body_sizes_chunked, 0, N(sizes) * DOOR_N);
	tcase_add_loop_test(t, body_in_a_file, 0, 2);
	tcase_add_loop_test(t, head_split_at_every_byte, 0, 2);
	tcase_add_test(t, head_byte_by_byte);

	t = tcase_new(s, "link", setup, teardown);
	tcase_add_test(t, status_of_a_queued_task);
	tcase_add_test(t, deleted_while_queued);
	tcase_add_loop_test(t, no_such_task, 0, N(no_tasks) * 4);
	tcase_add_test(t, methods);
	tcase_add_test(t, status_with_a_body);
	tcase_add_test(t, head_has_no_body);
	tcase_add_loop_test(t, no_memory_to_answer, 0, 2);
}

static void
add_refusals(Suite *s)
{
	TCase *t = tcase_new(s, "refused", setup, teardown);

	tcase_add_test(t, large_body_plain);
	tcase_add_loop_test(t, large_body_door, 0, 2 * DOOR_N);
	tcase_add_loop_test(t, large_head_plain, 0, 2);
	tcase_add_loop_test(t, large_head_door, 0, 2 * DOOR_N);
	tcase_add_loop_test(t, bad_path_door, 0, DOOR_N);
	tcase_add_test(t, bad_path_plain_is_drained_first);
	tcase_add_loop_test(t, bad_head_plain, 0, N(bad_lens));
	tcase_add_loop_test(t, bad_head_door, 0, N(bad_lens) * DOOR_N);
	tcase_add_loop_test(t, head_cut_short, 0, DOOR_N + 1);
	tcase_add_test(t, lengths_that_disagree);
	tcase_add_test(t, chunked_plain);
	tcase_add_loop_test(t, body_cut_short, 0, DOOR_N + 1);
	tcase_add_loop_test(t, chunked_upload_aborted, 0, DOOR_N);
	tcase_add_test(t, queue_full);
	tcase_add_test(t, queue_filled_meanwhile);
	tcase_add_loop_test(t, store_is_full, 0, 2);
	tcase_add_test(t, no_room_in_the_spool);

	t = tcase_new(s, "descriptors", setup, teardown);
	tcase_add_loop_test(t, descriptors_in_the_wrong_number, 0, 3);
	tcase_add_loop_test(t, descriptors_of_a_bad_kind, 0, 2);
	tcase_add_loop_test(t, descriptors_with_a_later_byte, 0, 2);
	tcase_add_test(t, answer_into_null);
}

static Suite *
suite(void)
{
	Suite *s = suite_create("conn");
	TCase *t;

	add_requests(s);
	add_refusals(s);
	t = tcase_new(s, "slow", setup_hasty, teardown);
	tcase_add_loop_test(t, silent_peer, 0, 3);
	tcase_add_test(t, its_own_other_end);
	tcase_add_test(t, head_that_dribbles);
	tcase_add_loop_test(t, body_that_does_not_come, 0, DOOR_N + 1);
	tcase_add_test(t, drain_that_does_not_come);
	tcase_add_loop_test(t, forgetting_takes_turns, 0, 2);
	tcase_add_loop_test(t, flood, 0, 2);

	t = tcase_new(s, "gone", setup, teardown);
	tcase_add_test(t, ten_megabytes_of_garbage);
	tcase_add_loop_test(t, client_that_leaves, 0, DOOR_N + 1);
	tcase_add_loop_test(t, reader_that_leaves, 0, 2);

	t = tcase_new(s, "waiting", setup, teardown);
	tcase_add_loop_test(t, waits_at_the_link, 0, DOOR_N + 1);
	tcase_add_loop_test(t, waits_with_its_submission, 0, 2);
	tcase_add_test(t, leaves_while_it_waits);
	tcase_add_test(t, stops_to_send_while_it_waits);
	tcase_add_loop_test(t, sends_a_body_while_it_waits, 0, 2);
	tcase_add_test(t, more_than_max_waiting);

	t = tcase_new(s, "end", setup, NULL);
	tcase_add_loop_test(t, stopped_while_it_waits, 0, DOOR_N + 1);
	tcase_add_test(t, stopped_half_way);
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
