/*
 * owner - to whom a task belongs (contract.md 4).
 *
 * A request with REMOTE_USER makes a task that is that user's alone; for
 * anybody else there is no such task.  One without makes a task for whoever
 * has its id.  The name that stands for it is request.owner: for a script
 * that the web server has resolved, its place belongs to it.
 *
 * The store keeps the name.  The table, which answers every look at a link
 * without a disk, has 64 bits of a digest of it: a name may be long, and a
 * task must be small.  Two names meet there with a chance of 2^-64, and
 * nobody can look for such a pair: the digest has a key that is made anew in
 * each process and never leaves it.
 */
#ifndef DAEMON_MASTER_OWNER_H
#define DAEMON_MASTER_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/master/task.h"

/* Never 0 but for NULL and "".  The same for a name as long as we run. */
uint64_t
	owner_digest(const char *name);

/* Whether the task is anybody's, or belongs to this one (NULL: nobody). */
bool	owner_may_see(const struct task *, const char *who);

#endif
