/*
 * kin - what belongs to a task or to a worker without being in its group.
 *
 * A task is stopped by killing its process group, but timeout(1) and a shell
 * with job control put what they start into other groups, and whoever cancels
 * `timeout 300 convert ...` means convert.  So what stands below the leader
 * is looked up while the leader is still there.  What has left the family
 * (a daemon that forked twice) has left on purpose, and stays.
 *
 * When a worker is dead its leaders are, too, and nobody stands below anybody
 * any more.  But each worker is a session of its own, and who never called
 * setsid(2) is still in it.
 *
 * Linux: /proc/PID/stat, /proc/PID/task/TID/children (CONFIG_PROC_CHILDREN),
 * pidfd_open(2).  Where the kernel has no such file there is only the group.
 */
#ifndef DAEMON_KIN_H
#define DAEMON_KIN_H

#include <sys/types.h>

#define KIN_MAX	64		/* more are left to the group's fate */

struct kin {
	int	 fd[KIN_MAX];	/* pidfds, owned: no number can be mistaken */
	int	 n;
};

/*
 * Those below `leader` whose group is not `leader`'s.  The leader must be
 * unreaped: its number must be its own.
 */
void	kin_find(struct kin *, pid_t leader);

/*
 * Those in a session that are not zombies; of more than KIN_MAX, the first.
 * Its leader must be unreaped.
 */
void	kin_find_session(struct kin *, pid_t session);

/* To each of them that is still there. */
void	kin_kill(const struct kin *, int signo);

void	kin_close(struct kin *);

/* SIGKILL to whoever traces a process (ptrace(2)), if anybody does. */
void	kin_kill_tracer(pid_t traced);

#endif
