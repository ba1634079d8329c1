/*
 * Tests of table.c: what goes in is found, what is out is gone, and an
 * entry that cannot be had leaves the table as it was.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/table.h"
#include "tests/scarce.h"
#include "tests/suite.h"

#define MANY	20000

/* The n-th of a row of ids that differ in a few bits only. */
static const unsigned char *
nth_id(unsigned int n, unsigned char id[TASK_ID_BYTES])
{
	memset(id, 0xa5, TASK_ID_BYTES);
	memcpy(id + 12, &n, sizeof(n));
	return id;
}

START_TEST(empty_table_finds_nothing)
{
	unsigned char id[TASK_ID_BYTES];
	struct table table;

	table_init(&table);
	ck_assert_uint_eq(table.count, 0);
	ck_assert_ptr_null(table_find(&table, nth_id(1, id)));
	table_fini(&table);
}
END_TEST

START_TEST(entry_is_zeroed_and_found)
{
	unsigned char id[TASK_ID_BYTES], other[TASK_ID_BYTES];
	struct table table;
	struct task *task;

	table_init(&table);
	task = table_add(&table, nth_id(1, id));
	ck_assert_ptr_nonnull(task);
	ck_assert_mem_eq(task->id, id, TASK_ID_BYTES);
	ck_assert_uint_eq(task->state, TASK_QUEUED);
	ck_assert_uint_eq(task->attempt, 0);
	ck_assert_uint_eq(task->listed, 0);
	ck_assert_int_eq(task->row, 0);
	ck_assert_int_eq(task->created_ms, 0);
	ck_assert_ptr_null(task->prev);
	ck_assert_ptr_null(task->next);
	ck_assert_uint_eq(table.count, 1);

	memset(id, 0, sizeof(id));		/* the table has its own */
	ck_assert_ptr_eq(table_find(&table, nth_id(1, id)), task);
	ck_assert_ptr_null(table_find(&table, nth_id(2, other)));
	table_fini(&table);
	ck_assert_uint_eq(table.count, 0);
	ck_assert_ptr_null(table_find(&table, id));
}
END_TEST

START_TEST(same_id_twice_is_refused)
{
	unsigned char id[TASK_ID_BYTES];
	struct table table;
	struct task *task;

	table_init(&table);
	task = table_add(&table, nth_id(7, id));
	ck_assert_ptr_nonnull(task);
	errno = 0;
	ck_assert_ptr_null(table_add(&table, id));
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_uint_eq(table.count, 1);
	ck_assert_ptr_eq(table_find(&table, id), task);
	table_fini(&table);
}
END_TEST

START_TEST(removed_is_gone_and_can_come_back)
{
	unsigned char id[TASK_ID_BYTES];
	struct table table;
	struct task *task;

	table_init(&table);
	for (int round = 0; round < 3; round++) {
		task = table_add(&table, nth_id(7, id));
		ck_assert_ptr_nonnull(task);
		task->attempt = 9;
		table_remove(&table, &task);
		ck_assert_ptr_null(task);
		ck_assert_ptr_null(table_find(&table, id));
		ck_assert_uint_eq(table.count, 0);
	}
	task = table_add(&table, id);
	ck_assert_uint_eq(task->attempt, 0);
	table_fini(&table);
}
END_TEST

/* Pointers stay while others come and go: buckets grow, entries do not move. */
START_TEST(many_come_and_go)
{
	static struct task *kept[MANY];
	unsigned char id[TASK_ID_BYTES];
	struct table table;

	table_init(&table);
	for (unsigned int i = 0; i < MANY; i++) {
		kept[i] = table_add(&table, nth_id(i, id));
		ck_assert_ptr_nonnull(kept[i]);
	}
	ck_assert_uint_eq(table.count, MANY);
	for (unsigned int i = 0; i < MANY; i += 2)
		table_remove(&table, &kept[i]);
	ck_assert_uint_eq(table.count, MANY / 2);
	for (unsigned int i = 0; i < MANY; i++)
		ck_assert_ptr_eq(table_find(&table, nth_id(i, id)), kept[i]);
	table_fini(&table);
}
END_TEST

/*
 * At each of the first thousands of entries (the buckets grow on the way)
 * every allocation fails once: the table is as before, and goes on.
 */
START_TEST(no_memory_no_entry)
{
	unsigned char id[TASK_ID_BYTES], other[TASK_ID_BYTES];
	struct table table;
	struct task *task = NULL;

	if (!OWN_MALLOC || getenv("LD_PRELOAD") != NULL)
		return;
	table_init(&table);
	for (unsigned int i = 0; i < MANY / 4; i++) {
		for (int n = 0; task == NULL; n++) {
			errno = 0;
			left = n;
			task = table_add(&table, nth_id(i, id));
			left = -1;
			if (task != NULL)
				break;
			ck_assert_int_eq(errno, ENOMEM);
			ck_assert_uint_eq(table.count, i);
			ck_assert_ptr_null(table_find(&table, id));
			ck_assert(i == 0 ||
			    table_find(&table, nth_id(i - 1, other)) != NULL);
		}
		ck_assert_ptr_eq(table_find(&table, id), task);
		task = NULL;
	}
	for (unsigned int i = 0; i < MANY / 4; i++)
		ck_assert_ptr_nonnull(table_find(&table, nth_id(i, id)));
	table_fini(&table);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("table");
	TCase *tc = suite_case(s, "table", NULL, NULL);

	tcase_add_test(tc, empty_table_finds_nothing);
	tcase_add_test(tc, entry_is_zeroed_and_found);
	tcase_add_test(tc, same_id_twice_is_refused);
	tcase_add_test(tc, removed_is_gone_and_can_come_back);
	tcase_add_test(tc, many_come_and_go);
	tcase_add_test(tc, no_memory_no_entry);
	return suite_run(s);
}
