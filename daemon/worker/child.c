/*
 * child - starts a program: the part between vfork and exec.
 *
 * It is clone() with vfork's two flags and a stack of its own, as the C
 * library starts programs itself: vfork() proper returns twice into one
 * frame, and what the first return did to the stack the second one finds.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/worker/child.h"

#define STACK_BYTES	32768
#define CPU_LAST_WORDS	2	/* seconds from SIGXCPU to SIGKILL */

/*
 * The thread sanitizer takes every clone() for a fork(), and the child's
 * descriptors for the parent's.  By these names it knows neither call.
 */
#ifdef __SANITIZE_THREAD__
#include <sys/syscall.h>
extern __typeof__(clone) __clone;
#define clone		__clone
#define dup2(from, to)	syscall(SYS_dup3, from, to, 0)
#endif

const int child_ignored[] = { SIGHUP, SIGINT, SIGPIPE, 0 };

/* What crosses into the child, and the one thing that comes back. */
struct crossing {
	const struct child *child;
	const char	*dir;
	char		*const *argv;
	pid_t		 parent;
	int		 error;		/* written by the child */
};

/* A group of its own, known to the launcher before anything runs in it. */
static int
child_group(const struct crossing *c)
{
	if (setpgid(0, 0) == -1)
		return -1;
	atomic_store(&c->child->slot->pgid, getpid());
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		return -1;
	/* The worker may have died before the kernel knew our wish. */
	if (getppid() != c->parent)
		_exit(127);
	return 0;
}

static int
child_fds(const struct child *child)
{
	int i;

	for (i = 0; i < CHILD_FD_N; i++)
		if (dup2(child->fd[i], i) == -1)
			return -1;
	return close_range(CHILD_FD_N, ~0U, 0);
}

/* Only ever downwards: a limit above the hard one is that one. */
static int
child_limit(int what, int64_t soft, int64_t hard)
{
	struct rlimit old, new = { (rlim_t)soft, (rlim_t)hard };

	if (soft == 0)
		return 0;
	if (getrlimit((__rlimit_resource_t)what, &old) == -1)
		return -1;
	if (old.rlim_max < new.rlim_max)
		new.rlim_max = old.rlim_max;
	if (new.rlim_max < new.rlim_cur)
		new.rlim_cur = new.rlim_max;
	return setrlimit((__rlimit_resource_t)what, &new);
}

static int
child_limits(const struct conf_limits *l)
{
	if (l->nice != 0 && setpriority(PRIO_PROCESS, 0, (int)l->nice) == -1)
		return -1;
	if (child_limit(RLIMIT_CPU, l->cpu_s, l->cpu_s + CPU_LAST_WORDS) == -1 ||
	    child_limit(RLIMIT_FSIZE, l->file_size_bytes,
	    l->file_size_bytes) == -1 ||
	    child_limit(RLIMIT_NPROC, l->processes, l->processes) == -1)
		return -1;
	/* Last: this process's memory, still borrowed, is over it already. */
	return child_limit(RLIMIT_AS, l->memory_bytes, l->memory_bytes);
}

static void
child_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;
	int i;

	for (i = 0; child_ignored[i] != 0; i++)
		sigaction(child_ignored[i], &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int
child_main(void *arg)
{
	struct crossing *c = arg;
	const struct child *child = c->child;

	if (child_group(c) == 0 && chdir(c->dir) == 0 &&
	    confine_enter(child->confine) == 0 && child_fds(child) == 0 &&
	    child_limits(child->limits) == 0) {
		child_signals();
		execve(child->path, c->argv, child->env);
	}
	c->error = errno;
	_exit(127);
}

/* "/usr/lib/cgi-bin/a" to "/usr/lib/cgi-bin". */
static int
child_dir(const char *path, char dir[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == path ? 1 : (size_t)(slash - path);

	assert(slash != NULL);
	if (len >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(dir, path, len);
	dir[len] = '\0';
	return 0;
}

/* Returns when the child has exec'ed or failed to: CLONE_VFORK. */
static pid_t
child_clone(struct crossing *c, int *pidfd)
{
	_Alignas(16) char stack[STACK_BYTES];

	return clone(child_main, stack + sizeof(stack), CLONE_VM |
	    CLONE_VFORK | CLONE_PIDFD | SIGCHLD, c, pidfd);
}

pid_t
child_start(const struct child *child, int *pidfd)
{
	char dir[PATH_MAX];
	char *argv[] = { (char *)(uintptr_t)child->path, NULL };
	struct crossing c = { child, dir, argv, getpid(), 0 };
	pid_t pid;
	int i;

	for (i = 0; i < CHILD_FD_N; i++)
		assert(child->fd[i] >= CHILD_FD_N);
	if (child_dir(child->path, dir) == -1)
		return -1;
	pid = child_clone(&c, pidfd);
	if (pid == -1 || c.error == 0)
		return pid;
	close(*pidfd);
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	atomic_store(&child->slot->pgid, 0);
	errno = c.error;
	return -1;
}
