/*
 * spawn - a role is exec'ed anew, as its user, with nothing but the
 * descriptors of daemon/role.h; and killed again, with all that it started.
 */
#ifndef DAEMON_LAUNCHER_SPAWN_H
#define DAEMON_LAUNCHER_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "ipc/slate.h"

struct spawn_user {
	char		*name;		/* owned */
	uid_t		 uid;
	gid_t		 gid;		/* its primary group */
};

#define SPAWN_FDS_MAX	4

struct spawn {
	const char	*program;	/* ROLE_x_PROGRAM */
	char *const	*argv;
	int		 fds[SPAWN_FDS_MAX];	/* to stand at 3, 4, ... */
	int		 nfds;
	int		 stderr_fd;	/* its stdout and stderr */
	const struct spawn_user *user;	/* NULL: as the launcher */
	bool		 bare;		/* no exec can give it any right */
	bool		 yields;	/* rank_of_worker() */
	mode_t		 mask;		/* umask */
	int		 death_signal;	/* when the launcher dies; 0: none */
};

/* Looks a name up.  0, or -1 with errno (ENOENT: nobody has that name). */
int	spawn_find_user(struct spawn_user *, const char *name)
	__attribute__((warn_unused_result));

/*
 * Starts it, in a session of its own.  Its pid once the exec has
 * succeeded, or -1 with the errno of the step that failed; nothing is left
 * to reap then.  The descriptors stay the caller's.
 */
pid_t	spawn(const struct spawn *)
	__attribute__((warn_unused_result));

/*
 * SIGKILLs the groups on the slate of a dead worker, and all that is left of
 * the worker's session.  Must come before anything is reaped: until then no
 * number can have been used again.  A module can write what it likes on its
 * slate, so this is done with the rights of `user` (NULL: the launcher's).
 */
void	spawn_kill_groups(const struct slate *, pid_t worker,
	    const struct spawn_user *);

#endif
