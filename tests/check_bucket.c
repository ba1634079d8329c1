/*
 * check_bucket - so many at once, so many in the long run, whatever the clock.
 */
#include <check.h>
#include <stdlib.h>

#include "daemon/bucket.h"
#include "tests/suite.h"

static int
take_all(struct bucket *b, int64_t now_ms)
{
	int n = 0;

	while (n < 1000 && bucket_take(b, now_ms))
		n++;
	return n;
}

START_TEST(burst_then_rate)
{
	struct bucket b = BUCKET(20, 5);
	int64_t now = 5000000000;
	int i, n = 0;

	ck_assert_int_eq(take_all(&b, now), 20);
	ck_assert_int_eq(take_all(&b, now + 199), 0);
	ck_assert_int_eq(take_all(&b, now + 200), 1);
	for (i = 201; i <= 10200; i++)
		n += bucket_take(&b, now + i);
	ck_assert_int_eq(n, 50);
	/* never more than it holds */
	ck_assert_int_eq(take_all(&b, now + 1000000000), 20);
}
END_TEST

START_TEST(odd_clocks)
{
	struct bucket b = BUCKET(20, 5);

	ck_assert_int_eq(take_all(&b, 0), 20);
	ck_assert_int_eq(take_all(&b, INT64_MAX), 20);
	ck_assert_int_eq(take_all(&b, INT64_MAX), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("bucket");
	TCase *tc = suite_case(suite, "bucket", NULL, NULL);

	tcase_add_test(tc, burst_then_rate);
	tcase_add_test(tc, odd_clocks);
	return suite_run(suite);
}
