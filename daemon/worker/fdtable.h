/*
 * fdtable - who has which descriptor, in a worker that runs programs.
 *
 * A program begins with a copy of the table of the thread that starts it, and
 * must close what it shall not have.  One table for all threads would hold,
 * for the most part, what the others have open.  So each thread has one of its
 * own.  It parts from the main thread's before there is anything in that but
 * what all need; what comes to the main thread for it later, it fetches
 * (pidfd_getfd(2)), under a number of its own.  What it has fetched, or does
 * not want, the main thread closes: that is told over a pipe.
 *
 * Where this cannot be done all threads share one table, and so do the threads
 * of modules, which start nothing: some containers refuse pidfd_getfd(2), and
 * valgrind does not know it; the thread sanitizer takes a number for one and
 * the same descriptor.  Then what is fetched is what came, and what a thread
 * does not want it closes itself.
 *
 * Nobody but these functions needs to know which way it is.
 */
#ifndef DAEMON_WORKER_FDTABLE_H
#define DAEMON_WORKER_FDTABLE_H

#include <stdbool.h>

struct fdtable {
	int		 self_fd;	/* pidfd of this process; -1: shared */
	int		 litter_fd[2];	/* pipe, of numbers to be closed; or -1 */
};

/*
 * The main thread, with all open that every thread needs, and at the end.
 * Tables are shared where own ones are not wanted, or cannot be.
 */
void	fdtable_open(struct fdtable *, bool wants_own);
void	fdtable_close(struct fdtable *);

/*
 * The main thread, when litter_fd[0] can be read: closes what the threads
 * have fetched, or do not want.
 */
void	fdtable_clean(const struct fdtable *);

/*
 * A thread, once, before the main thread opens or receives anything that is
 * not for all.
 */
void	fdtable_part(const struct fdtable *);

/*
 * A thread: its number of the main thread's descriptor, or -1 with errno.
 * After fdtable_copy() the main thread keeps it, and closes it when the thread
 * is gone; nobody closes the copy.  What was fetched is the thread's alone.
 */
int	fdtable_copy(const struct fdtable *, int fd)
	__attribute__((warn_unused_result));
int	fdtable_fetch(const struct fdtable *, int fd)
	__attribute__((warn_unused_result));

/* A thread: the main thread's descriptor is not needed. */
void	fdtable_drop(const struct fdtable *, int fd);

#endif
