/*
 * exec - runs a task as a program (contract.md 5).
 *
 * One thread looks after it: stdout, stderr, progress, its end, a cancel and
 * the time limit, in one poll().  The kernel decides when it has ended: the
 * leader has exited *and* its stdout is drained.
 */
#ifndef DAEMON_WORKER_EXEC_H
#define DAEMON_WORKER_EXEC_H

#include "daemon/worker/job.h"

/* Runs a prepared job to its outcome.  Nothing of it is left afterwards. */
void	exec_run(struct job *);

#endif
