/*
 * env - the environment of a task, made from nothing (contract.md 5,
 * RFC 3875 4.1).
 *
 * Everything in it has a reason to be there: a variable of the request
 * block whose name passes, the route's own settings, or one that is made
 * here.  Nothing of the worker's environment gets in, and setenv() is never
 * called: a worker runs many tasks at once.  A module looks its variables up
 * in the same list that a program gets as its environment.
 */
#ifndef DAEMON_WORKER_ENV_H
#define DAEMON_WORKER_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/conf.h"
#include "daemon/request.h"

struct env {
	char	**vec;		/* "NAME=value", NULL at the end; owned */
	size_t	 n;
	char	*at, *end;	/* env.c: where the next string goes */
};

/* What the request block does not know. */
struct env_task {
	const char	*id;		/* DEFERD_TASK_ID */
	uint64_t	 body_size;	/* CONTENT_LENGTH, if above 0 */
	bool		 progress_fd;	/* programs have one, modules do not */
};

/* One allocation.  0, or -1 without memory (then there is nothing to fini). */
int	env_init(struct env *, const struct request *, const struct conf *,
	    const struct conf_route *, const struct env_task *)
	__attribute__((warn_unused_result));
void	env_fini(struct env *);

/* The value of a name, borrowed, or NULL. */
const char *
	env_find(const struct env *, const char *name);

/* Whether a variable of the block may reach a task. */
bool	env_passes(const char *name);

#endif
