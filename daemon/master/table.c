/*
 * table - id to task, for every task that is not expired.
 *
 * A uthash keyed by the binary id.  The ids that go in are random and our
 * own, so nobody outside can aim at one bucket.  Without memory an entry is
 * refused and the table stays as it was: the task is then refused too,
 * before anything was promised.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include "daemon/master/table.h"

void
table_init(struct table *table)
{
	*table = (struct table){ 0 };
}

void
table_fini(struct table *table)
{
	struct task *task, *next;

	/* The list first, then the index: no entry is unlinked one by one. */
	task = table->tasks;
	HASH_CLEAR(hh, table->tasks);
	for (; task != NULL; task = next) {
		next = task->hh.next;
		free(task);
	}
	table->count = 0;
}

struct task *
table_add_owned(struct table *table, const unsigned char id[TASK_ID_BYTES],
    uint64_t owner)
{
	struct task *task;

	if (table_find(table, id) != NULL) {
		errno = EEXIST;
		return NULL;
	}
	task = calloc(1, sizeof(*task) + (owner != 0 ? sizeof(owner) : 0));
	if (task == NULL)
		return NULL;
	memcpy(task->id, id, TASK_ID_BYTES);
	if ((task->owned = owner != 0))
		task->owner[0] = owner;
	HASH_ADD(hh, table->tasks, id, TASK_ID_BYTES, task);
	if (task->hh.tbl == NULL) {
		free(task);
		errno = ENOMEM;
		return NULL;
	}
	table->count++;
	return task;
}

struct task *
table_add(struct table *table, const unsigned char id[TASK_ID_BYTES])
{
	return table_add_owned(table, id, 0);
}

struct task *
table_find(const struct table *table, const unsigned char id[TASK_ID_BYTES])
{
	struct task *task;

	HASH_FIND(hh, table->tasks, id, TASK_ID_BYTES, task);
	return task;
}

struct task *
table_newest(const struct table *table)
{
	if (table->tasks == NULL)
		return NULL;
	return ELMT_FROM_HH(table->tasks->hh.tbl, table->tasks->hh.tbl->tail);
}

struct task *
table_older(const struct task *task)
{
	return task->hh.prev;
}

void
table_remove(struct table *table, struct task **taskp)
{
	struct task *task = *taskp;

	assert(table->count > 0);
	*taskp = NULL;
	HASH_DEL(table->tasks, task);
	table->count--;
	free(task);
}
