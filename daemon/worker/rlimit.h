/*
 * rlimit - the worker's own resource limits, as they were when it started.
 *
 * The kernel lets any process change those of another one of its user
 * (prlimit(2)), so a task can change its worker's, and a hard limit that was
 * lowered stays lowered.  Whoever meets an error that this can be the reason
 * for wants them back; a worker that cannot have them leaves at once, and makes
 * room for one that has.
 */
#ifndef DAEMON_WORKER_RLIMIT_H
#define DAEMON_WORKER_RLIMIT_H

#include <sys/resource.h>

struct rlimit_all {
	struct rlimit	resource[RLIM_NLIMITS];
};

void	rlimit_keep(struct rlimit_all *);

/* Comes back with the limits as they were, or not at all. */
void	rlimit_want(const struct rlimit_all *);

#endif
