/*
 * spawn - start a role, end it.
 *
 * Between its change of user and its exec (and in the short life of the one
 * that kills groups) a child of ours can be stopped by any process of that
 * user, that is, by a task.  So the launcher never waits for a child without
 * an end.
 */
#include "daemon/launcher/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/kin.h"
#include "daemon/launcher/rank.h"
#include "daemon/log.h"
#include "daemon/role.h"

#define EXEC_DEADLINE_MS	5000
#define FORK_TRIES		50	/* 10 ms apart */
#define KILL_ROUNDS	3
#define OUT_OF_THE_WAY		16	/* above all places of role.h */

_Static_assert(ROLE_FD_PEER + SPAWN_FDS_MAX + 1 < OUT_OF_THE_WAY,
    "descriptors are moved up before they are put in place");

int
spawn_find_user(struct spawn_user *user, const char *name)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (!pw) {
		errno = errno ? errno : ENOENT;
		return -1;
	}
	user->uid = pw->pw_uid;
	user->gid = pw->pw_gid;
	user->name = strdup(name);
	return user->name ? 0 : -1;
}

/* All three ids of both kinds; from root, all capabilities go with them. */
static int
become(const struct spawn_user *user)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0 ||
	    getresgid(&rgid, &egid, &sgid) < 0 ||
	    getresuid(&ruid, &euid, &suid) < 0)
		return -1;
	if (rgid != user->gid || egid != user->gid || sgid != user->gid ||
	    ruid != user->uid || euid != user->uid || suid != user->uid) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

static void
default_signals(void)
{
	sigset_t none;
	int signo;

	for (signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);		/* fails for some: fine */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Every descriptor goes to its place, `report` behind them, the rest is
 * closed.  Sources may stand where others belong: first all move up.
 */
static int
place_fds(const struct spawn *s, int *report)
{
	int up[SPAWN_FDS_MAX + 1], null, i, n = s->nfds;

	for (i = 0; i <= n; i++) {
		up[i] = fcntl(i < n ? s->fds[i] : *report, F_DUPFD_CLOEXEC,
		    OUT_OF_THE_WAY);
		if (up[i] < 0)
			return -1;
	}
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(s->stderr_fd, STDOUT_FILENO) < 0 ||
	    dup2(s->stderr_fd, STDERR_FILENO) < 0)
		return -1;
	for (i = 0; i <= n; i++)
		if (dup3(up[i], ROLE_FD_PEER + i, i < n ? 0 : O_CLOEXEC) < 0)
			return -1;
	*report = ROLE_FD_PEER + n;
	return close_range((unsigned int)*report + 1, ~0U, 0);
}

/*
 * Neither setuid programs nor those with file capabilities give anything to
 * it or its children.  Who is not root may not touch the bounding set.
 */
static int
lay_bare(void)
{
	int capability;

	for (capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
		if (prctl(PR_CAPBSET_DROP, capability) < 0 && errno != EPERM)
			return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* The child.  Comes back only with an errno. */
static void
child(const struct spawn *s, const char *path, pid_t launcher, int *report)
{
	if (place_fds(s, report) < 0 || setsid() < 0)
		return;
	default_signals();
	umask(s->mask);
	if (s->yields)
		rank_of_worker();
	if (s->bare && lay_bare() < 0)
		return;
	if (s->user && (initgroups(s->user->name, s->user->gid) < 0 ||
	    become(s->user) < 0))
		return;
	/* A change of user clears it, so it comes after. */
	if (s->death_signal && prctl(PR_SET_PDEATHSIG, s->death_signal) < 0)
		return;
	if (getppid() != launcher) {
		errno = ESRCH;
		return;
	}
	execv(path, s->argv);
}

/* What the child reports: 0 when the pipe was closed by its exec. */
static int
exec_error(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int error = 0, n;

	do
		n = poll(&pfd, 1, EXEC_DEADLINE_MS);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno;
	if (n == 0)
		return ETIMEDOUT;
	if (read(fd, &error, sizeof(error)) == 0)
		return 0;
	return error;
}

static int
program_path(char *path, size_t size, const char *program)
{
	const char *dir = getenv("DEFERD_LIBEXECDIR");
	int n;

	n = snprintf(path, size, "%s/%s", dir && *dir ? dir : DEFERD_LIBEXECDIR,
	    program);
	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

static void
kill_and_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

pid_t
spawn(const struct spawn *s)
{
	char path[PATH_MAX];
	pid_t pid, launcher = getpid();
	int report[2], error;

	if (program_path(path, sizeof(path), s->program) < 0 ||
	    pipe2(report, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		child(s, path, launcher, &report[1]);
		error = errno;
		_exit(write(report[1], &error, sizeof(error)) < 0 ? 126 : 127);
	}
	error = errno;
	close(report[1]);
	if (pid > 0 && (error = exec_error(report[0])) != 0) {
		kill_and_reap(pid);
		pid = -1;
	}
	close(report[0]);
	errno = error;
	return pid;
}

/*
 * Whoever is still in the worker's session: a child that was between its
 * vfork and its setpgid, and what timeout(1) or a shell with job control put
 * into groups of their own.  Again, for those that were just forking.
 */
static void
kill_session(pid_t worker)
{
	struct kin kin;

	for (int i = 0; i < KILL_ROUNDS; i++) {
		kin_find_session(&kin, worker);
		kin_kill(&kin, SIGKILL);
		kin_close(&kin);
	}
}

/* The worker is a zombie yet, so its number is its own, and its session's. */
static void
kill_groups(const struct slate *slate, pid_t worker)
{
	pid_t pgid, own = getpgrp();
	unsigned int i;

	kill(-worker, SIGKILL);
	for (i = 0; i < slate->nslots; i++) {
		pgid = atomic_load(&slate->slot[i].pgid);
		if (pgid > 1 && pgid != own)
			kill(-pgid, SIGKILL);
	}
	kill_session(worker);
}

void
spawn_kill_groups(const struct slate *slate, pid_t worker,
    const struct spawn_user *user)
{
	siginfo_t info;
	int tries = 0;
	pid_t pid;

	if (!user) {
		kill_groups(slate, worker);
		return;
	}
	while ((pid = fork()) < 0 && tries++ < FORK_TRIES)
		poll(NULL, 0, 10);
	if (pid < 0) {
		log_error("groups-unkilled pid=%ld error=%m", (long)worker);
		return;
	}
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || become(user) < 0)
			_exit(1);
		kill_groups(slate, worker);
		_exit(0);
	}
	/* Done, or stopped by a task. */
	while (waitid(P_PID, (id_t)pid, &info,
	    WEXITED | WSTOPPED | WNOWAIT) < 0 && errno == EINTR)
		;
	kill_and_reap(pid);
}
