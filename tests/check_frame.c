/*
 * check_frame - every kind there and back, every range, every cut.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/frame.h"
#include "tests/suite.h"

#define ROOM	(2 * FRAME_MAX)

static char large[FRAME_MAX + 1];

#define ID(byte)	{ [0 ... TASK_ID_BYTES - 1] = (byte) }
#define BYTES(text)	{ (text), sizeof(text) - 1 }

/* A valid frame of each kind, every field set to something of its own. */
static const struct frame samples[FRAME_KIND_N] = {
	[FRAME_HELLO].u.hello = { .version = FRAME_VERSION, .pid = 4711,
	    .slots = 16 },
	[FRAME_SPAWN].u.spawn = { .worker = 3, .pool = 2, .generation = 9 },
	[FRAME_SPAWNED].u.spawned = { .worker = 3, .pid = 4711 },
	[FRAME_DIED].u.died = { .worker = 3, .status = -1, .error = ENOENT },
	[FRAME_KILL].u.kill = { .worker = 4000000000 },
	[FRAME_RELOAD].u.reload = { .generation = 10 },
	[FRAME_DRAIN].u.drain = { .heir = 1 },
	[FRAME_RUN].u.run = { .id = ID(0xab), .attempt = 2, .slot = 15,
	    .body_size = 4, .route = BYTES("/*"), .head = BYTES("SCGI\0" "1\0"),
	    .body = BYTES("body") },
	[FRAME_CANCEL].u.job = { .id = ID(0xcd), .attempt = 1, .slot = 7 },
	[FRAME_NEED_SPOOL].u.job = { .id = ID(0xcd), .attempt = 1 },
	[FRAME_SPOOL].u.job = { .id = ID(0xcd), .attempt = 1, .slot = 3,
	    .error = ENOSPC },
	[FRAME_PROGRESS].u.progress = { .id = ID(0xef), .attempt = 1,
	    .percent = 42, .message = BYTES("page 3") },
	[FRAME_DONE].u.done = { .id = ID(0x12), .attempt = 3,
	    .outcome = OUTCOME_FAILED, .wait_status = 256, .body_size = 3,
	    .cpu_us = 5000000000, .max_rss_kib = 1234,
	    .reason = BYTES("exit status 1"), .head = BYTES("head"),
	    .body = BYTES("a\0b"), .log = BYTES("oops\n") },
	[FRAME_ASK].u.ask = { .what = ASK_RESTART },
	[FRAME_TOLD].u.told = { .what = ASK_RELOAD, .how = TOLD_BAD_SETTINGS,
	    .text = BYTES("line 3") },
	[FRAME_ALIVE].u.alive = { .status = BYTES("2 running") },
	[FRAME_FOLLOW].u.job = { .id = ID(0x34), .attempt = 1, .slot = 2,
	    .on = 1 },
	[FRAME_STDERR].u.err = { .id = ID(0x56), .attempt = 2, .at = 1ULL << 40,
	    .text = BYTES("a\0b\n") },
};

static struct frame
sample(enum frame_kind kind)
{
	struct frame f = samples[kind];

	f.kind = kind;
	return f;
}

static bool
encodes(const struct frame *f)
{
	struct buf b;
	int r;

	buf_init(&b, ROOM);
	errno = 0;
	r = frame_encode(&b, f);
	if (r == -1)
		ck_assert_uint_eq(buf_len(&b), 0);
	buf_fini(&b);
	return r == 0;
}

/* Decodes from an allocation of just that size, for ASan and valgrind. */
static int
decode(const void *data, size_t len, struct frame *f)
{
	char *copy = malloc(len ? len : 1);
	int r;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data, len);
	errno = 0;
	r = frame_decode(f, copy, len);
	if (r == -1)
		ck_assert_int_eq(errno, EBADMSG);
	free(copy);
	return r;
}

START_TEST(there_and_back)
{
	struct frame f = sample((enum frame_kind)_i), g;
	struct buf first, again;

	memset(&g, 0x55, sizeof(g));
	buf_init(&first, ROOM);
	buf_init(&again, ROOM);
	ck_assert_int_eq(frame_encode(&first, &f), 0);
	ck_assert_int_eq(frame_decode(&g, buf_data(&first), buf_len(&first)),
	    0);
	ck_assert_int_eq(g.kind, f.kind);
	ck_assert_int_eq(frame_encode(&again, &g), 0);
	ck_assert_uint_eq(buf_len(&first), buf_len(&again));
	ck_assert_mem_eq(buf_data(&first), buf_data(&again), buf_len(&first));
	buf_fini(&first);
	buf_fini(&again);
}
END_TEST

/* The samples again, field by field: the tables name the right members. */
START_TEST(fields)
{
	struct frame f = sample(FRAME_DONE), g;
	struct buf b;

	buf_init(&b, ROOM);
	ck_assert_int_eq(frame_encode(&b, &f), 0);
	ck_assert_int_eq(frame_decode(&g, buf_data(&b), buf_len(&b)), 0);
	ck_assert_mem_eq(g.u.done.id, f.u.done.id, TASK_ID_BYTES);
	ck_assert_uint_eq(g.u.done.attempt, 3);
	ck_assert_uint_eq(g.u.done.outcome, OUTCOME_FAILED);
	ck_assert_int_eq(g.u.done.wait_status, 256);
	ck_assert_uint_eq(g.u.done.body_in_fd, 0);
	ck_assert_uint_eq(g.u.done.body_size, 3);
	ck_assert_uint_eq(g.u.done.cpu_us, 5000000000);
	ck_assert_uint_eq(g.u.done.max_rss_kib, 1234);
	ck_assert_uint_eq(g.u.done.reason.len, 13);
	ck_assert_mem_eq(g.u.done.reason.data, "exit status 1", 13);
	ck_assert_mem_eq(g.u.done.head.data, "head", 4);
	ck_assert_mem_eq(g.u.done.body.data, "a\0b", 3);
	ck_assert_mem_eq(g.u.done.log.data, "oops\n", 5);

	f = sample(FRAME_RUN);
	buf_clear(&b);
	ck_assert_int_eq(frame_encode(&b, &f), 0);
	ck_assert_int_eq(frame_decode(&g, buf_data(&b), buf_len(&b)), 0);
	ck_assert_uint_eq(g.u.run.attempt, 2);
	ck_assert_uint_eq(g.u.run.slot, 15);
	ck_assert_uint_eq(g.u.run.route.len, 2);
	ck_assert_mem_eq(g.u.run.head.data, "SCGI\0" "1", 7);
	ck_assert_mem_eq(g.u.run.body.data, "body", 4);
	buf_fini(&b);
}
END_TEST

START_TEST(every_cut)
{
	struct frame f = sample((enum frame_kind)_i), g;
	struct buf b;
	size_t i;

	buf_init(&b, ROOM);
	ck_assert_int_eq(frame_encode(&b, &f), 0);
	for (i = 0; i < buf_len(&b); i++)
		ck_assert_int_eq(decode(buf_data(&b), i, &g), -1);
	ck_assert_int_eq(decode(buf_data(&b), i, &g), 0);
	ck_assert_int_eq(buf_add(&b, "", 1), 0);
	ck_assert_int_eq(decode(buf_data(&b), i + 1, &g), -1);
	buf_fini(&b);
}
END_TEST

/* What gets through with a broken byte is still a valid frame. */
START_TEST(broken_bytes)
{
	struct frame f = sample((enum frame_kind)_i), g;
	struct buf b;
	size_t i;
	int byte;

	buf_init(&b, ROOM);
	ck_assert_int_eq(frame_encode(&b, &f), 0);
	for (i = 0; i < buf_len(&b); i++) {
		unsigned char was = b.data[b.start + i];

		for (byte = 0; byte < 256; byte++) {
			b.data[b.start + i] = (unsigned char)byte;
			if (frame_decode(&g, buf_data(&b), buf_len(&b)) == 0)
				ck_assert(encodes(&g));
		}
		b.data[b.start + i] = was;
	}
	buf_fini(&b);
}
END_TEST

START_TEST(bad_kinds)
{
	uint32_t kinds[] = { FRAME_KIND_N, FRAME_KIND_N + 1, 0x7fffffff,
	    0x80000000, 0xffffffff };
	uint32_t ready = FRAME_READY;
	struct frame f;
	size_t i;

	for (i = 0; i < N(kinds); i++)
		ck_assert_int_eq(decode(&kinds[i], 4, &f), -1);
	ck_assert_int_eq(decode(&ready, 4, &f), 0);
	ck_assert_int_eq(decode("", 0, &f), -1);
}
END_TEST

/*
 * Sets a member of a good frame and sees whether it may be so.  The sender
 * checks with the receiver's own function, so one side shows both; that the
 * receiver calls it, broken_wire shows.
 */
#define VALUE(kind, member, value, good) do {				\
	struct frame f_ = sample(kind);					\
									\
	f_.u.member = (value);						\
	ck_assert_int_eq(encodes(&f_), (good));				\
	if (!(good))							\
		ck_assert_int_eq(errno, EINVAL);			\
} while (0)

START_TEST(ranges)
{
	VALUE(FRAME_HELLO, hello.version, 0, true);
	VALUE(FRAME_HELLO, hello.pid, 0, false);
	VALUE(FRAME_HELLO, hello.pid, 0x7fffffff, true);
	VALUE(FRAME_HELLO, hello.pid, 0x80000000, false);
	VALUE(FRAME_HELLO, hello.slots, 0, false);
	VALUE(FRAME_HELLO, hello.slots, SLATE_SLOTS_MAX, true);
	VALUE(FRAME_HELLO, hello.slots, SLATE_SLOTS_MAX + 1, false);
	VALUE(FRAME_SPAWNED, spawned.pid, 0, false);
	VALUE(FRAME_SPAWNED, spawned.pid, -1, false);
	VALUE(FRAME_DIED, died.status, 0, true);
	VALUE(FRAME_DIED, died.status, -2, false);
	VALUE(FRAME_DIED, died.error, 0, true);
	VALUE(FRAME_DIED, died.error, -1, false);
	VALUE(FRAME_RUN, run.attempt, 0, false);
	VALUE(FRAME_RUN, run.attempt, UINT32_MAX, true);
	VALUE(FRAME_RUN, run.slot, SLATE_SLOTS_MAX - 1, true);
	VALUE(FRAME_RUN, run.slot, SLATE_SLOTS_MAX, false);
	VALUE(FRAME_CANCEL, job.slot, SLATE_SLOTS_MAX - 1, true);
	VALUE(FRAME_CANCEL, job.slot, SLATE_SLOTS_MAX, false);
	VALUE(FRAME_FOLLOW, job.slot, SLATE_SLOTS_MAX, false);
	VALUE(FRAME_SPOOL, job.slot, SLATE_SLOTS_MAX, false);
	VALUE(FRAME_CANCEL, job.attempt, 0, false);
	VALUE(FRAME_NEED_SPOOL, job.attempt, 0, false);
	VALUE(FRAME_SPOOL, job.attempt, 0, false);
	VALUE(FRAME_SPOOL, job.error, 0, true);
	VALUE(FRAME_SPOOL, job.error, -1, false);
	VALUE(FRAME_PROGRESS, progress.attempt, 0, false);
	VALUE(FRAME_PROGRESS, progress.percent, 100, true);
	VALUE(FRAME_PROGRESS, progress.percent, 101, false);
	VALUE(FRAME_ASK, ask.what, ASK_N - 1, true);
	VALUE(FRAME_ASK, ask.what, ASK_N, false);
	VALUE(FRAME_TOLD, told.what, ASK_N, false);
	VALUE(FRAME_TOLD, told.how, TOLD_N - 1, true);
	VALUE(FRAME_TOLD, told.how, TOLD_N, false);
	VALUE(FRAME_FOLLOW, job.attempt, 0, false);
	VALUE(FRAME_FOLLOW, job.on, 2, false);
	VALUE(FRAME_STDERR, err.attempt, 0, false);
	VALUE(FRAME_DONE, done.attempt, 0, false);
	VALUE(FRAME_DONE, done.outcome, OUTCOME_N - 1, true);
	VALUE(FRAME_DONE, done.outcome, OUTCOME_N, false);
	VALUE(FRAME_DONE, done.wait_status, -1, true);
	VALUE(FRAME_DONE, done.wait_status, -2, false);
	VALUE(FRAME_DONE, done.cpu_us, UINT64_MAX, false);
	VALUE(FRAME_DONE, done.max_rss_kib, INT64_MAX, true);
}
END_TEST

/* A body is inline or in a descriptor, and its size is the truth. */
START_TEST(bodies)
{
	struct frame f;

	VALUE(FRAME_RUN, run.body_size, 3, false);
	VALUE(FRAME_RUN, run.body_size, 5, false);
	VALUE(FRAME_RUN, run.body_in_fd, 1, false);	/* and bytes */
	VALUE(FRAME_RUN, run.body_in_fd, 2, false);
	VALUE(FRAME_RUN, run.body.len, 0, false);
	VALUE(FRAME_DONE, done.body_size, 2, false);
	VALUE(FRAME_DONE, done.body_in_fd, 1, false);
	VALUE(FRAME_DONE, done.body_in_fd, 2, false);
	VALUE(FRAME_DONE, done.body.len, 0, false);

	f = sample(FRAME_RUN);
	f.u.run.body = (struct frame_bytes){ NULL, 0 };
	f.u.run.body_in_fd = 1;
	f.u.run.body_size = INT64_MAX;
	ck_assert(encodes(&f));
	f.u.run.body_size = (uint64_t)INT64_MAX + 1;
	ck_assert(!encodes(&f));
	f.u.run.body_in_fd = 0;
	f.u.run.body_size = 0;
	ck_assert(encodes(&f));

	f = sample(FRAME_DONE);
	f.u.done.body = (struct frame_bytes){ NULL, 0 };
	f.u.done.body_in_fd = 1;
	f.u.done.body_size = 300000000;
	ck_assert(encodes(&f));
}
END_TEST

/* The same seen by the receiver: the sample's bytes, patched. */
START_TEST(broken_wire)
{
	struct frame f = sample(FRAME_PROGRESS), g;
	const size_t percent = 4 + TASK_ID_BYTES + 4;
	struct buf b;
	uint32_t value = 101, len;

	buf_init(&b, ROOM);
	ck_assert_int_eq(frame_encode(&b, &f), 0);
	memcpy(b.data + percent, &value, 4);
	ck_assert_int_eq(decode(buf_data(&b), buf_len(&b), &g), -1);
	value = 100;
	memcpy(b.data + percent, &value, 4);
	ck_assert_int_eq(decode(buf_data(&b), buf_len(&b), &g), 0);
	ck_assert_uint_eq(g.u.progress.percent, 100);

	/* a length that overflows, one too many, one too few */
	for (len = 0; len < 3; len++) {
		value = (uint32_t[]){ 0xffffffff, 7, 5 }[len];
		memcpy(b.data + percent + 4, &value, 4);
		ck_assert_int_eq(decode(buf_data(&b), buf_len(&b), &g), -1);
	}
	buf_fini(&b);
}
END_TEST

START_TEST(size_limit)
{
	struct frame f = sample(FRAME_PROGRESS), g;
	struct buf b;
	size_t fixed;

	buf_init(&b, ROOM);
	f.u.progress.message = (struct frame_bytes){ NULL, 0 };
	ck_assert_int_eq(frame_encode(&b, &f), 0);
	fixed = buf_len(&b);

	buf_clear(&b);
	f.u.progress.message.data = large;
	f.u.progress.message.len = FRAME_MAX - fixed;
	ck_assert_int_eq(frame_encode(&b, &f), 0);
	ck_assert_uint_eq(buf_len(&b), FRAME_MAX);
	ck_assert_int_eq(frame_decode(&g, buf_data(&b), buf_len(&b)), 0);
	ck_assert_uint_eq(g.u.progress.message.len, FRAME_MAX - fixed);

	f.u.progress.message.len++;
	ck_assert(!encodes(&f));
	ck_assert_int_eq(errno, EMSGSIZE);
	f.u.progress.message.len = SIZE_MAX;
	ck_assert(!encodes(&f));
	ck_assert_int_eq(errno, EMSGSIZE);
	buf_fini(&b);

	buf_init(&b, fixed - 1);	/* the buffer's own cap */
	f.u.progress.message.len = 0;
	ck_assert_int_eq(frame_encode(&b, &f), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	buf_fini(&b);
}
END_TEST

START_TEST(descriptors)
{
	struct frame f;
	int kind;

	for (kind = 0; kind < FRAME_KIND_N; kind++) {
		f = sample((enum frame_kind)kind);
		ck_assert_int_eq(frame_fds(&f), kind == FRAME_SPAWNED ? 3 :
		    kind == FRAME_RELOAD ? 1 : 0);
	}
	f = sample(FRAME_RUN);
	f.u.run.body_in_fd = 1;
	ck_assert_int_eq(frame_fds(&f), 1);
	f = sample(FRAME_SPOOL);
	f.u.job.error = 0;
	ck_assert_int_eq(frame_fds(&f), 1);
	f = sample(FRAME_DONE);
	f.u.done.body_in_fd = 1;
	ck_assert_int_eq(frame_fds(&f), 0);	/* the master has it */
}
END_TEST

START_TEST(names)
{
	int a, b;

	ck_assert_str_eq(frame_name(FRAME_RUN), "RUN");
	ck_assert_str_eq(frame_name(FRAME_NEED_SPOOL), "NEED_SPOOL");
	ck_assert_str_eq(frame_name(FRAME_KIND_N), "unknown");
	for (a = 0; a < FRAME_KIND_N; a++)
		for (b = 0; b < a; b++)
			ck_assert_str_ne(frame_name((enum frame_kind)a),
			    frame_name((enum frame_kind)b));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("frame");
	TCase *t = suite_case(s, "all", NULL, NULL);

	tcase_add_loop_test(t, there_and_back, 0, FRAME_KIND_N);
	tcase_add_test(t, fields);
	tcase_add_loop_test(t, every_cut, 0, FRAME_KIND_N);
	tcase_add_loop_test(t, broken_bytes, 0, FRAME_KIND_N);
	tcase_add_test(t, bad_kinds);
	tcase_add_test(t, ranges);
	tcase_add_test(t, bodies);
	tcase_add_test(t, broken_wire);
	tcase_add_test(t, size_limit);
	tcase_add_test(t, descriptors);
	tcase_add_test(t, names);
	tcase_set_timeout(t, 60);
	return suite_run(s);
}
