/*
 * jail - the list of system calls that the master needs.
 *
 * By name: libseccomp knows the numbers, and names that this architecture or
 * this libseccomp does not know are skipped.  Those of 32-bit architectures
 * stand beside their 64-bit siblings.
 */
#include "config.h"

#include "daemon/master/jail.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "daemon/log.h"
#include "ipc/nitems.h"

/* The sanitizers look at this process, and ask for more than it does. */
#ifdef SANITIZED
#undef HAVE_SECCOMP
#endif

#ifdef HAVE_SECCOMP

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const allowed[] = {
	/* descriptors */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv",
	"pwritev", "preadv2", "pwritev2", "close", "close_range", "dup", "dup2",
	"dup3", "fcntl", "fcntl64", "lseek", "_llseek", "pipe", "pipe2",
	"eventfd2", "memfd_create",
	/* sockets that are there */
	"accept", "accept4", "connect", "getpeername", "getsockname",
	"getsockopt", "setsockopt", "recv", "recvfrom", "recvmsg", "recvmmsg",
	"send", "sendto", "sendmsg", "sendmmsg", "shutdown", "sendfile",
	"sendfile64", "splice", "tee",
	/* waiting */
	"poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6",
	"pselect6_time64", "epoll_create", "epoll_create1", "epoll_ctl",
	"epoll_ctl_old", "epoll_wait", "epoll_pwait", "epoll_pwait2",
	"timerfd_create", "timerfd_settime", "timerfd_settime64",
	/* files */
	"access", "faccessat", "faccessat2", "stat", "stat64", "lstat",
	"lstat64", "fstat", "fstat64", "newfstatat", "fstatat64", "statx",
	"statfs", "statfs64", "fstatfs", "fstatfs64", "readlink", "readlinkat",
	"getdents", "getdents64", "getcwd", "link", "linkat", "unlink",
	"unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat",
	"rmdir", "truncate", "truncate64", "ftruncate", "ftruncate64",
	"fallocate", "fadvise64", "fadvise64_64", "fsync", "fdatasync",
	"sync_file_range", "copy_file_range", "flock", "utimensat", "umask",
	/* memory */
	"brk", "munmap", "mremap", "madvise", "msync",
	/* threads, time, itself */
	"futex", "futex_time64", "set_robust_list", "rseq", "sched_yield",
	"sched_getaffinity", "membarrier", "exit", "exit_group",
	"restart_syscall", "nanosleep", "clock_nanosleep",
	"clock_nanosleep_time64", "clock_gettime", "clock_gettime64",
	"clock_getres", "clock_getres_time64", "gettimeofday", "time", "times",
	"getrusage", "getrandom", "uname", "sysinfo", "getrlimit",
	"ugetrlimit", "getpid", "getppid", "gettid", "getuid", "geteuid",
	"getgid", "getegid", "getuid32", "geteuid32", "getgid32", "getegid32",
	"getgroups", "getpgrp", "rt_sigaction", "rt_sigprocmask",
	"rt_sigreturn", "sigreturn", "sigaltstack", "rt_sigpending",
};

/* Calls that are allowed when (argument & mask) == value. */
struct condition {
	const char	*name;
	unsigned int	 argument;
	scmp_datum_t	 mask, value;
};

#define ALL		(~(scmp_datum_t)0)
#define WX		(PROT_WRITE | PROT_EXEC)
#define SETS_ID		(S_ISUID | S_ISGID)

static const struct condition conditions[] = {
	/* Syslog and the name service; no other family, so no network. */
	{ "socket", 0, ALL, AF_UNIX },
	{ "socketpair", 0, ALL, AF_UNIX },
	/* Threads: no process.  For clone3, see add_silent(). */
	{ "clone", 0, CLONE_VM | CLONE_THREAD, CLONE_VM | CLONE_THREAD },
	/* Memory is written or run, never both. */
	{ "mmap", 2, WX, 0 },
	{ "mmap", 2, WX, PROT_WRITE },
	{ "mmap", 2, WX, PROT_EXEC },
	{ "mmap2", 2, WX, 0 },
	{ "mmap2", 2, WX, PROT_WRITE },
	{ "mmap2", 2, WX, PROT_EXEC },
	{ "mprotect", 2, WX, 0 },
	{ "mprotect", 2, WX, PROT_WRITE },
	{ "mprotect", 2, WX, PROT_EXEC },
	/* No file that makes somebody else of who runs it. */
	{ "open", 2, SETS_ID, 0 },
	{ "openat", 3, SETS_ID, 0 },
	{ "chmod", 1, SETS_ID, 0 },
	{ "fchmod", 1, SETS_ID, 0 },
	{ "fchmodat", 2, SETS_ID, 0 },
	{ "ioctl", 1, ALL, FIONREAD },
	{ "ioctl", 1, ALL, FIONBIO },
	{ "ioctl", 1, ALL, TCGETS },
	{ "prctl", 0, ALL, PR_SET_NAME },
	{ "prctl", 0, ALL, PR_GET_NAME },
	{ "prctl", 0, ALL, PR_CAPBSET_READ },	/* libnss_systemd, by libcap */
	/* Its own limits, which getrlimit() reads in this way. */
	{ "prlimit64", 0, ALL, 0 },
};

/* Names that are not known here, and pseudo calls, are none. */
static int
add(scmp_filter_ctx ctx, const char *name, unsigned int n,
    const struct scmp_arg_cmp *arg)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr < 0 ? 0 :
	    seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, n, arg);
}

static int
add_list(scmp_filter_ctx ctx)
{
	struct scmp_arg_cmp own = { 0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0 };
	size_t i;
	int error = 0;

	for (i = 0; error == 0 && i < nitems(allowed); i++)
		error = add(ctx, allowed[i], 0, NULL);
	/* The other filter has it. */
	if (error == 0)
		error = add(ctx, "clone3", 0, NULL);
	for (i = 0; error == 0 && i < nitems(conditions); i++) {
		const struct condition *c = &conditions[i];
		struct scmp_arg_cmp arg = { c->argument, SCMP_CMP_MASKED_EQ,
			c->mask, c->value };

		error = add(ctx, c->name, 1, &arg);
	}
	/* abort(3), and no signal for others. */
	return error != 0 ? error : add(ctx, "tgkill", 1, &own);
}

/*
 * The C library asks for clone3 first whenever it starts a thread, and then
 * for clone, whose flags a filter can see.  That is not worth a line in the
 * kernel's log, so it has a filter of its own.
 */
static int
add_silent(scmp_filter_ctx ctx)
{
	int nr = seccomp_syscall_resolve_name("clone3");

	return nr < 0 ? 0 :
	    seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(ENOSYS), nr, 0, NULL);
}

/*
 * TSYNC: the store's threads are there already.  SSB: seccomp of older
 * kernels turns speculation off, which is meant for those that run the code
 * of others.  OPTIMIZE: a tree, instead of a list from top to bottom.
 */
static int
set_attributes(scmp_filter_ctx ctx, unsigned int logs)
{
	int error = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);

	if (error != 0)
		return error;
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_ERRNO(ENOSYS));
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, logs);
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return 0;
}

/* 0, or -errno. */
static int
load(uint32_t otherwise, unsigned int logs, int (*fill)(scmp_filter_ctx))
{
	scmp_filter_ctx ctx = seccomp_init(otherwise);
	int error;

	if (ctx == NULL)
		return -ENOMEM;
	error = set_attributes(ctx, logs);
	if (error == 0)
		error = fill(ctx);
	if (error == 0)
		error = seccomp_load(ctx);
	seccomp_release(ctx);
	return error;
}

void
jail_enter(void)
{
	int error = load(SCMP_ACT_ALLOW, 0, add_silent);

	/* The last one: it refuses to load another. */
	if (error == 0)
		error = load(SCMP_ACT_ERRNO(ENOSYS), 1, add_list);
	if (error == 0)
		log_info("confined");
	else
		log_warn("unconfined error=%s", strerrordesc_np(-error));
}

#else

void
jail_enter(void)
{
	log_info("unconfined error=%s", "this build has no seccomp");
}

#endif

void
jail_close_memory(void)
{
#ifndef SANITIZED
	if (prctl(PR_SET_DUMPABLE, 0) == -1)
		log_warn("unconfined error=%m");
#endif
}
