/*
 * child - starts a program: the part between vfork and exec (vfork(2),
 * clone(2)).
 *
 * fork() copies the page tables of a process with many threads; measured, it
 * costs four times as much at 16 of them.  So the child borrows this
 * process's memory until its exec, with its signals blocked, and makes system
 * calls only.  What it needs is prepared before, in struct child.
 */
#ifndef DAEMON_WORKER_CHILD_H
#define DAEMON_WORKER_CHILD_H

#include <sys/types.h>

#include "ipc/slate.h"
#include "daemon/conf.h"
#include "daemon/worker/confine.h"

enum child_fd { CHILD_IN, CHILD_OUT, CHILD_ERR, CHILD_PROGRESS, CHILD_FD_N };

struct child {
	const char	*path;		/* absolute */
	char		*const *env;
	int		 fd[CHILD_FD_N]; /* become 0..3; all above 3; stay the caller's */
	const struct conf_limits *limits;
	const struct confine *confine;
	struct slate_slot *slot;	/* its group is noted there */
};

/* Signals a worker ignores; a program gets them back. */
extern const int child_ignored[];

/*
 * The process, leader of its own group, with a pidfd that is the caller's
 * then; or -1 with errno: why it could not be made, or what the kernel said to
 * the exec.  The thread has blocked all signals that could run a handler.
 */
pid_t	child_start(const struct child *, int *pidfd)
	__attribute__((warn_unused_result));

#endif
