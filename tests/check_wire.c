/*
 * check_wire - frames and descriptors in order, and one end only.
 *
 * The wire is on the loop; the other side is a plain descriptor.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "daemon/log.h"
#include "daemon/master/wire.h"
#include "tests/fds.h"
#include "tests/suite.h"

#define TURN	64		/* frames a wire handles in one turn */

static struct event_base *base;
static struct wire wire;
static int peer;			/* or -1 */
static int frames, ends;
static uint32_t last_worker;
static bool close_in_frame, close_in_end;
static int open_before;

static void
on_frame(struct wire *w, const struct frame *f, const int *fds)
{
	char c;

	ck_assert_ptr_eq(w, &wire);
	frames++;
	if (f->kind == FRAME_KILL)
		last_worker = f->u.kill.worker;
	for (int i = 0; i < frame_fds(f); i++) {
		ck_assert_int_eq(pread(fds[i], &c, 1, 0), 1);
		ck_assert_int_eq(c, 'a' + i);
		ck_assert_int_eq(close(fds[i]), 0);
	}
	if (close_in_frame)
		wire_close(w);
}

static void
on_end(struct wire *w)
{
	ends++;
	if (close_in_end)
		wire_close(w);
}

static void
setup(void)
{
	int fds[2];

	log_init("check", false, LOG_L_ERROR);
	(void)signal(SIGPIPE, SIG_IGN);
	open_before = open_fds();
	base = event_base_new();
	ck_assert_int_eq(sock_pair(fds), 0);
	peer = fds[1];
	memset(&wire, 0, sizeof(wire));
	wire.on_frame = on_frame;
	wire.on_end = on_end;
	ck_assert_int_eq(wire_open(&wire, base, fds[0]), 0);
	frames = ends = 0;
	close_in_frame = close_in_end = false;
}

static void
teardown(void)
{
	wire_close(&wire);
	wire_close(&wire);
	ck_assert_int_eq(wire.fd, -1);
	if (peer != -1)
		close(peer);
	event_base_free(base);
	ck_assert_int_eq(open_fds(), open_before);
}

static void
turn(void)
{
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
close_peer(void)
{
	close(peer);
	peer = -1;
}

/* A file whose only byte is c. */
static int
marked_file(char c)
{
	int fd = memfd_create("check", MFD_CLOEXEC);

	ck_assert_int_eq(write(fd, &c, 1), 1);
	return fd;
}

/* More descriptors than sock_send() would let through, too. */
static void
peer_sends_bytes(const void *data, size_t len, int nfds)
{
	union {
		char	 space[CMSG_SPACE(16 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[16];

	ck_assert_int_le(nfds, 16);
	for (int i = 0; i < nfds; i++)
		fds[i] = marked_file((char)('a' + i));
	if (nfds > 0) {
		struct cmsghdr *c = &control.align;
		size_t bytes = (size_t)nfds * sizeof(int);

		memset(&control, 0, sizeof(control));
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(bytes);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(c), fds, bytes);
	}
	ck_assert_int_eq(sendmsg(peer, &m, MSG_DONTWAIT), (ssize_t)len);
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
}

static void
peer_sends(const struct frame *f, int nfds)
{
	struct buf b;

	buf_init(&b, FRAME_MAX);
	ck_assert_int_eq(frame_encode(&b, f), 0);
	peer_sends_bytes(buf_data(&b), buf_len(&b), nfds);
	buf_fini(&b);
}

static struct frame
kill_frame(uint32_t worker)
{
	return (struct frame){ .kind = FRAME_KILL, .u.kill.worker = worker };
}

/* A RUN whose body is in a descriptor, and whose head has head_len bytes. */
static struct frame
run_frame(uint32_t attempt, size_t head_len)
{
	static const char head[65536];
	struct frame f = { .kind = FRAME_RUN };

	f.u.run.attempt = attempt;
	f.u.run.body_in_fd = 1;
	f.u.run.body_size = 1;
	f.u.run.head = (struct frame_bytes){ head, head_len };
	return f;
}

static void
peer_sends_kill(uint32_t worker)
{
	struct frame f = kill_frame(worker);

	peer_sends(&f, 0);
}

/* -- in ----------------------------------------------------------------------- */

START_TEST(frames_come_in_order)
{
	struct frame spawned = {
		.kind = FRAME_SPAWNED, .u.spawned = { .worker = 1, .pid = 4711 },
	};

	peer_sends_kill(7);
	peer_sends_kill(8);
	turn();
	ck_assert_int_eq(frames, 2);
	ck_assert_uint_eq(last_worker, 8);
	peer_sends(&spawned, 3);
	turn();
	ck_assert_int_eq(frames, 3);
	ck_assert_int_eq(ends, 0);
}
END_TEST

START_TEST(others_have_their_turn)
{
	for (uint32_t i = 0; i < TURN + 10; i++)
		peer_sends_kill(i);
	(void)event_base_loop(base, EVLOOP_ONCE);
	ck_assert_int_eq(frames, TURN);
	turn();
	ck_assert_int_eq(frames, TURN + 10);
	ck_assert_uint_eq(last_worker, TURN + 9);
}
END_TEST

START_TEST(read_out_takes_all)
{
	for (uint32_t i = 0; i < TURN + 10; i++)
		peer_sends_kill(i);
	close_peer();
	wire_read_out(&wire);
	ck_assert_int_eq(frames, TURN + 10);
	ck_assert_int_eq(ends, 1);
}
END_TEST

START_TEST(end_comes_once)
{
	peer_sends_kill(1);
	close_peer();
	turn();
	turn();
	ck_assert_int_eq(frames, 1);
	ck_assert_int_eq(ends, 1);
	wire_read_out(&wire);	/* as for a worker that is reported dead */
	ck_assert_int_eq(ends, 1);
}
END_TEST

START_TEST(read_out_of_a_closed_wire)
{
	wire_close(&wire);
	wire_read_out(&wire);
	ck_assert_int_eq(ends, 0);
}
END_TEST

static const char junk[] = "\377\377\377\377 this is no frame";

/* What follows a bad frame is not believed any more. */
START_TEST(bad_frame_is_the_end)
{
	peer_sends_kill(1);
	peer_sends_bytes(junk, _i == 0 ? 1 : sizeof(junk), 0);
	peer_sends_kill(2);
	turn();
	turn();
	ck_assert_int_eq(frames, 1);
	ck_assert_int_eq(ends, 1);
	wire_read_out(&wire);
	close_peer();
	wire_read_out(&wire);
	turn();
	ck_assert_int_eq(frames, 1);
	ck_assert_int_eq(ends, 1);
}
END_TEST

START_TEST(bad_frame_with_descriptors)
{
	peer_sends_bytes(junk, sizeof(junk), 3);
	turn();
	ck_assert_int_eq(frames, 0);
	ck_assert_int_eq(ends, 1);
}
END_TEST

/* Larger than any frame: the kernel cuts it. */
START_TEST(oversized_frame)
{
	char *large = calloc(1, FRAME_MAX + 1);

	peer_sends_bytes(large, FRAME_MAX + 1, 1);
	free(large);
	turn();
	ck_assert_int_eq(frames, 0);
	ck_assert_int_eq(ends, 1);
}
END_TEST

/* teardown() counts descriptors: those that came are closed. */
START_TEST(wrong_number_of_descriptors)
{
	struct frame f;

	if (_i < 3) {
		static const int wrong[] = { 1, 4, 9 };

		f = kill_frame(1);
		peer_sends(&f, wrong[_i]);
	} else {
		static const int wrong[] = { 0, 2, 4, 16 };

		f = run_frame(1, 10);
		peer_sends(&f, wrong[_i - 3]);
	}
	peer_sends_kill(2);
	turn();
	turn();
	ck_assert_int_eq(frames, 0);
	ck_assert_int_eq(ends, 1);
}
END_TEST

START_TEST(closing_inside_on_frame)
{
	struct frame f = run_frame(1, 10);

	close_in_frame = true;
	peer_sends(&f, 1);
	peer_sends(&f, 1);
	if (_i)
		wire_read_out(&wire);
	turn();
	ck_assert_int_eq(frames, 1);
	ck_assert_int_eq(ends, 0);
	ck_assert_int_eq(wire.fd, -1);
}
END_TEST

START_TEST(closing_inside_on_end)
{
	close_in_end = true;
	if (_i)
		peer_sends_bytes(junk, sizeof(junk), 1);
	close_peer();
	turn();
	turn();
	wire_read_out(&wire);
	ck_assert_int_eq(ends, 1);
	ck_assert_int_eq(wire.fd, -1);
}
END_TEST

/* -- out ---------------------------------------------------------------------- */

/* Receives one RUN at the peer; -1 if there is none now. */
static int
peer_receives_run(uint32_t attempt)
{
	static unsigned char data[FRAME_MAX];
	int fds[SOCK_FDS_MAX], nfds;
	struct frame f;
	bool truncated;
	ssize_t n;
	char c;

	n = sock_recv(peer, data, sizeof(data), MSG_DONTWAIT, fds, &nfds,
	    &truncated);
	if (n == -1) {
		ck_assert_int_eq(errno, EAGAIN);
		return -1;
	}
	ck_assert(!truncated);
	ck_assert_int_eq(frame_decode(&f, data, (size_t)n), 0);
	ck_assert_int_eq(f.kind, FRAME_RUN);
	ck_assert_uint_eq(f.u.run.attempt, attempt);
	ck_assert_int_eq(nfds, 1);
	ck_assert_int_eq(pread(fds[0], &c, 1, 0), 1);
	ck_assert_int_eq(c, (char)attempt);
	close(fds[0]);
	return 0;
}

static void
wire_sends_run(uint32_t attempt)
{
	struct frame f = run_frame(attempt, 60000);
	int fd = marked_file((char)attempt);

	ck_assert_int_eq(wire_send(&wire, &f, &fd), 0);
	close(fd);	/* the wire has its own, if it needs one */
}

START_TEST(order_over_a_full_socket)
{
	uint32_t attempt = 1, before = (uint32_t)open_fds();

	for (uint32_t i = 1; i <= 100; i++)
		wire_sends_run(i);
	ck_assert_ptr_nonnull(wire.waiting);
	ck_assert_uint_gt((unsigned int)open_fds(), before);
	while (attempt <= 100) {
		if (peer_receives_run(attempt) == 0)
			attempt++;
		else
			turn();
	}
	ck_assert_int_eq(peer_receives_run(0), -1);
	turn();
	ck_assert_ptr_null(wire.waiting);
	ck_assert_int_eq(event_pending(wire.writable, EV_WRITE, NULL), 0);
	ck_assert_uint_eq((unsigned int)open_fds(), before);
	wire_sends_run(101);	/* at once, as before */
	ck_assert_ptr_null(wire.waiting);
	ck_assert_int_eq(peer_receives_run(101), 0);
}
END_TEST

/* Nothing overtakes what waits, also when there is room for it by now. */
START_TEST(small_frame_does_not_overtake)
{
	uint32_t attempt = 1, n = 0;

	while (wire.waiting == NULL)
		wire_sends_run(++n);
	ck_assert_int_eq(peer_receives_run(attempt++), 0);
	wire_sends_run(++n);
	while (attempt <= n)
		if (peer_receives_run(attempt) == 0)
			attempt++;
		else
			turn();
}
END_TEST

/* teardown() counts: descriptors that wait are closed with the wire. */
START_TEST(closed_while_frames_wait)
{
	uint32_t n = 0;

	while (wire.waiting == NULL)
		wire_sends_run(++n);
	wire_sends_run(++n);
}
END_TEST

START_TEST(peer_dies_while_frames_wait)
{
	uint32_t n = 0;

	while (wire.waiting == NULL)
		wire_sends_run(++n);
	close_peer();
	turn();
	turn();
	ck_assert_int_eq(ends, 1);
}
END_TEST

START_TEST(sending_to_nobody)
{
	struct frame f = kill_frame(1);

	close_peer();
	ck_assert_int_eq(wire_send(&wire, &f, NULL), -1);
	ck_assert_int_eq(ends, 0);	/* the end is reported by reading */
	turn();
	ck_assert_int_eq(ends, 1);
	wire_close(&wire);
	ck_assert_int_eq(wire_send(&wire, &f, NULL), -1);
	ck_assert_int_eq(errno, EPIPE);
}
END_TEST

START_TEST(frame_that_cannot_be_encoded)
{
	struct frame f = run_frame(0, 10);	/* attempts begin with 1 */
	int fd = marked_file('a');

	ck_assert_int_eq(wire_send(&wire, &f, &fd), -1);
	ck_assert_int_eq(errno, EINVAL);
	close(fd);
	f = kill_frame(2);
	ck_assert_int_eq(wire_send(&wire, &f, NULL), 0);
}
END_TEST

/* sock_pair() gives blocking ones. */
START_TEST(never_blocks)
{
	ck_assert_int_ne(fcntl(wire.fd, F_GETFL) & O_NONBLOCK, 0);
	wire_read_out(&wire);
	ck_assert_int_eq(frames + ends, 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("wire");
	TCase *t = suite_case(s, "in", setup, teardown);

	tcase_add_test(t, frames_come_in_order);
	tcase_add_test(t, others_have_their_turn);
	tcase_add_test(t, read_out_takes_all);
	tcase_add_test(t, end_comes_once);
	tcase_add_test(t, read_out_of_a_closed_wire);
	tcase_add_loop_test(t, bad_frame_is_the_end, 0, 2);
	tcase_add_test(t, bad_frame_with_descriptors);
	tcase_add_test(t, oversized_frame);
	tcase_add_loop_test(t, wrong_number_of_descriptors, 0, 7);
	tcase_add_loop_test(t, closing_inside_on_frame, 0, 2);
	tcase_add_loop_test(t, closing_inside_on_end, 0, 2);

	t = suite_case(s, "out", setup, teardown);
	tcase_add_test(t, order_over_a_full_socket);
	tcase_add_test(t, small_frame_does_not_overtake);
	tcase_add_test(t, closed_while_frames_wait);
	tcase_add_test(t, peer_dies_while_frames_wait);
	tcase_add_test(t, sending_to_nobody);
	tcase_add_test(t, frame_that_cannot_be_encoded);
	tcase_add_test(t, never_blocks);
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
