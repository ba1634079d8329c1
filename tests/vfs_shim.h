/*
 * vfs_shim - a file system under SQLite that fails when it is told to.
 *
 * It stands over the default VFS and becomes the default itself.  Calls of
 * one kind are counted; from the nth on, some fail.  From any thread.
 */
#ifndef TESTS_VFS_SHIM_H
#define TESTS_VFS_SHIM_H

#include <stdbool.h>

enum shim_kind {
	SHIM_OPEN,
	SHIM_READ,
	SHIM_WRITE,		/* nothing is written */
	SHIM_WRITE_HALF,	/* half of it is */
	SHIM_WRITE_DONE,	/* all of it is, and still it "failed" */
	SHIM_SYNC,
	SHIM_SYNC_DONE,
	SHIM_TRUNCATE,
	SHIM_DELETE,
	SHIM_SHM,		/* growing the index of the log */
	SHIM_KIND_N
};
extern const char *const shim_names[SHIM_KIND_N];

/* Once, before any connection is opened. */
void	shim_install(void);

/*
 * The nth call of that kind from now on (1: the next one) and the times - 1
 * after it fail; as "disk full" if `full` and the kind can, else as an I/O
 * error.
 */
void	shim_arm(enum shim_kind, int nth, int times, bool full);
void	shim_disarm(void);

/* How many calls failed since shim_arm(). */
int	shim_fired(void);

#endif
