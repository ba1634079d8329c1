/*
 * check_buf - growing, the cap, the two cursors.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buf.h"
#include "tests/suite.h"

static void
add(struct buf *b, const char *text)
{
	ck_assert_int_eq(buf_add(b, text, strlen(text)), 0);
}

static void
holds(const struct buf *b, const char *text)
{
	ck_assert_uint_eq(buf_len(b), strlen(text));
	ck_assert_mem_eq(buf_data(b), text, strlen(text));
}

START_TEST(empty)
{
	struct buf b;

	buf_init(&b, 10);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(buf_len(&b), 0);
	ck_assert_ptr_nonnull(buf_data(&b));
	ck_assert_int_eq(buf_add(&b, NULL, 0), 0);
	ck_assert_ptr_null(b.data);
	buf_consume(&b, 0);
	buf_fini(&b);
}
END_TEST

START_TEST(the_cap)
{
	struct buf b;

	buf_init(&b, 8);
	add(&b, "12345678");
	errno = 0;
	ck_assert_int_eq(buf_add(&b, "9", 1), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	holds(&b, "12345678");
	ck_assert_ptr_null(buf_space(&b, SIZE_MAX));
	ck_assert_int_eq(errno, EMSGSIZE);

	/* what is consumed is room again, and the rest stays */
	buf_consume(&b, 3);
	ck_assert_int_eq(buf_add(&b, "abcd", 4), -1);
	add(&b, "abc");
	holds(&b, "45678abc");
	ck_assert_uint_le(b.cap, 8);
	buf_fini(&b);
	ck_assert_uint_eq(b.max, 8);
	add(&b, "again");
	holds(&b, "again");
	buf_fini(&b);
}
END_TEST

START_TEST(no_room_at_all)
{
	struct buf b;

	buf_init(&b, 0);
	ck_assert_int_eq(buf_add(&b, "x", 1), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_ptr_nonnull(buf_space(&b, 0));
	ck_assert_int_eq(buf_printf(&b, "%s", ""), 0);
	buf_fini(&b);
}
END_TEST

START_TEST(no_memory)
{
	struct buf b;

	buf_init(&b, SIZE_MAX);
	add(&b, "kept");
	ck_assert_ptr_null(buf_space(&b, SIZE_MAX - 4));
	ck_assert_int_eq(errno, ENOMEM);
	holds(&b, "kept");
	buf_fini(&b);
}
END_TEST

START_TEST(text)
{
	struct buf b;

	buf_init(&b, 6);
	ck_assert_int_eq(buf_printf(&b, "%d-%s", 12, "abc"), 0);
	holds(&b, "12-abc");		/* its NUL needs no room of the cap */
	ck_assert_int_eq(buf_printf(&b, "%c", 'x'), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	holds(&b, "12-abc");
	buf_clear(&b);
	ck_assert_int_eq(buf_printf(&b, "%s", "1234567"), -1);
	holds(&b, "");
	buf_fini(&b);
}
END_TEST

START_TEST(texts)
{
	struct buf b;

	buf_init(&b, 8);
	ck_assert_int_eq(buf_texts(&b, "ab", "", "c", NULL), 0);
	holds(&b, "abc");
	ck_assert_int_eq(buf_texts(&b, "de", "more than fits", "f", NULL), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	holds(&b, "abc");
	ck_assert_int_eq(buf_texts(&b, "defg", "h", NULL), 0);
	holds(&b, "abcdefgh");
	buf_fini(&b);
}
END_TEST

START_TEST(number)
{
	struct buf b;

	buf_init(&b, 27);
	ck_assert_int_eq(buf_number(&b, 0), 0);
	ck_assert_int_eq(buf_number(&b, 9), 0);
	ck_assert_int_eq(buf_number(&b, 10), 0);
	ck_assert_int_eq(buf_number(&b, UINT64_MAX), 0);
	holds(&b, "091018446744073709551615");
	ck_assert_int_eq(buf_number(&b, 1000), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(buf_number(&b, 999), 0);
	holds(&b, "091018446744073709551615999");
	buf_fini(&b);
}
END_TEST

START_TEST(space_and_commit)
{
	struct buf b;
	unsigned char *to;

	buf_init(&b, 4096);
	ck_assert_ptr_nonnull(to = buf_space(&b, 4096));
	memset(to, 'x', 4096);
	ck_assert_uint_eq(buf_len(&b), 0);
	buf_commit(&b, 2);
	holds(&b, "xx");
	buf_fini(&b);
}
END_TEST

/* A queue against a plain count: what goes in comes out, in order. */
START_TEST(queue)
{
	struct buf b;
	unsigned char in = 0, out = 0, chunk[700];
	size_t i, n, round;

	srand(1);
	buf_init(&b, 2000);
	for (round = 0; round < 20000; round++) {
		n = (size_t)rand() % sizeof(chunk);
		for (i = 0; i < n; i++)
			chunk[i] = (unsigned char)(in + i);
		if (buf_len(&b) + n > 2000) {
			ck_assert_int_eq(buf_add(&b, chunk, n), -1);
		} else {
			ck_assert_int_eq(buf_add(&b, chunk, n), 0);
			in = (unsigned char)(in + n);
		}
		ck_assert_uint_le(b.cap, 2000);
		n = (size_t)rand() % (buf_len(&b) + 1);
		for (i = 0; i < n; i++)
			if (buf_data(&b)[i] != (unsigned char)(out + i))
				ck_abort_msg("round %zu, byte %zu", round, i);
		buf_consume(&b, n);
		out = (unsigned char)(out + n);
	}
	buf_fini(&b);
}
END_TEST

/* Memory is asked for seldom, however small the pieces are. */
START_TEST(grows_by_doubling)
{
	struct buf b;
	size_t i, cap = 0, grown = 0;

	buf_init(&b, 1 << 20);
	for (i = 0; i < 1 << 20; i++) {
		ck_assert_int_eq(buf_add(&b, "x", 1), 0);
		if (b.cap != cap) {
			cap = b.cap;
			grown++;
		}
	}
	ck_assert_uint_le(grown, 20);
	buf_fini(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("buf");
	TCase *t = suite_case(s, "all", NULL, NULL);

	tcase_add_test(t, empty);
	tcase_add_test(t, the_cap);
	tcase_add_test(t, no_room_at_all);
	tcase_add_test(t, no_memory);
	tcase_add_test(t, text);
	tcase_add_test(t, texts);
	tcase_add_test(t, number);
	tcase_add_test(t, space_and_commit);
	tcase_add_test(t, queue);
	tcase_add_test(t, grows_by_doubling);
	tcase_set_timeout(t, 60);
	return suite_run(s);
}
