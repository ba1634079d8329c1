/*
 * table - id to task, for every task that is not expired.
 *
 * Owns the entries.  Others keep a task's id across turns of the loop, not
 * its pointer.  A miss never touches a disk.
 */
#ifndef DAEMON_MASTER_TABLE_H
#define DAEMON_MASTER_TABLE_H

#include <stddef.h>

#include "daemon/master/task.h"

struct table {
	struct task	*tasks;		/* uthash */
	size_t		 count;
};

void	table_init(struct table *);
void	table_fini(struct table *);

/*
 * A zeroed entry under this id, or NULL: ENOMEM without memory, EEXIST if
 * the id is there.  Borrowed from the table.  `owner` is owner_digest(), 0 for
 * a task that is anybody's.
 */
struct task *
	table_add_owned(struct table *, const unsigned char id[TASK_ID_BYTES],
	    uint64_t owner)
	__attribute__((warn_unused_result));
struct task *
	table_add(struct table *, const unsigned char id[TASK_ID_BYTES])
	__attribute__((warn_unused_result));

struct task *
	table_find(const struct table *, const unsigned char id[TASK_ID_BYTES]);

/*
 * From the one that was added last, one by one; NULL: there are no more.
 * Whoever stops between two must be told when the one he has is removed.
 */
struct task *
	table_newest(const struct table *);
struct task *
	table_older(const struct task *);

/* Frees the entry and nulls the caller's pointer. */
void	table_remove(struct table *, struct task **);

#endif
