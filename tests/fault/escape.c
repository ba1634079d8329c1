/*
 * escape - somebody has taken over the master, and tries what he can.
 *
 * Preloaded into one program ($ESCAPE_PROGRAM); its thread is there before
 * the first line of main(), waits until a filter of system calls is in
 * place (or not, with $ESCAPE_NOW), tries one after the other, and writes to
 * $ESCAPE_REPORT a line for each: its name, and the error or "done".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static FILE *report;

static void
said(const char *name, long result)
{
	fprintf(report, "%s %s\n", name,
	    result == -1 ? strerrorname_np(errno) : "done");
	fflush(report);
}

#define TRY(name, ...)	said(#name, syscall(SYS_##name, ##__VA_ARGS__))
#define AS(name, call)	said(name, (long)(intptr_t)(call))

/* By the last of its filters: one that nobody needs is refused. */
static bool
is_filtered(void)
{
	return syscall(SYS_personality, 0xffffffffUL) == -1;
}

/* A child is none of ours: it ends before it is one. */
static long
forked(long pid)
{
	if (pid == 0)
		_exit(0);
	return pid;
}

static void
try_others(void)
{
	char here = 'x', there = 'y';
	struct iovec to = { &here, 1 }, from = { &there, 1 };

	TRY(process_vm_readv, getpid(), &to, 1, &from, 1, 0);
	TRY(process_vm_writev, getpid(), &to, 1, &from, 1, 0);
	AS("fork", forked(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
#ifdef SYS_fork
	AS("old-fork", forked(syscall(SYS_fork)));
#endif
	TRY(kill, getppid(), 0);
	TRY(tkill, getppid(), 0);
	TRY(tgkill, getppid(), getppid(), 0);
	TRY(rt_sigqueueinfo, getppid(), 0, &here);
	TRY(pidfd_open, getpid(), 0);
	TRY(pidfd_getfd, 0, 0, 0);
	TRY(pidfd_send_signal, 0, 0, 0, 0);
	TRY(kcmp, getpid(), getpid(), 0, 0, 0);
	TRY(prlimit64, getppid(), RLIMIT_NOFILE, NULL, NULL);
	TRY(setpriority, PRIO_PROCESS, 0, 19);
	TRY(setsid);
	TRY(setpgid, 0, 0);
}

static void
try_network(void)
{
	TRY(bind, -1, NULL, 0);
	TRY(listen, -1, 1);
	AS("socket-inet", socket(AF_INET, SOCK_STREAM, 0));
	AS("socket-inet-udp", socket(AF_INET, SOCK_DGRAM, 0));
	AS("socket-inet6", socket(AF_INET6, SOCK_STREAM, 0));
	AS("socket-netlink", socket(AF_NETLINK, SOCK_RAW, 0));
	AS("socket-packet", socket(AF_PACKET, SOCK_RAW, 0));
	AS("socket-hidden", syscall(SYS_socket, (1UL << 32) | AF_INET,
	    SOCK_STREAM, 0));
	TRY(io_uring_setup, 1, NULL);
}

static void
try_kernel(void)
{
	TRY(mount, "none", "/tmp", "tmpfs", 0, NULL);
	TRY(umount2, "/tmp", 0);
	TRY(pivot_root, "/", "/");
	TRY(chroot, "/");
	TRY(unshare, CLONE_NEWUSER);
	TRY(setns, 0, 0);
	TRY(fsopen, "tmpfs", 0);
	TRY(open_tree, AT_FDCWD, "/", 0);
	TRY(bpf, 0, NULL, 0);
	TRY(perf_event_open, NULL, 0, 0, -1, 0);
	TRY(userfaultfd, 0);
	TRY(init_module, NULL, 0, "");
	TRY(finit_module, -1, "", 0);
	TRY(delete_module, "x", 0);
	TRY(kexec_load, 0, 0, NULL, 0);
	TRY(reboot, 0, 0, 0, NULL);
	TRY(keyctl, 0, -3, 0, 0, 0);
	TRY(add_key, "user", "x", "x", 1, -3);
	TRY(request_key, "user", "x", NULL, 0);
	TRY(settimeofday, NULL, NULL);
	TRY(clock_settime, 0, NULL);
	TRY(sethostname, "x", 1);
	TRY(swapon, "/tmp", 0);
	TRY(syslog, 3, NULL, 0);
	TRY(personality, 0xffffffff);
	TRY(open_by_handle_at, 0, NULL, 0);
}

static void
try_rights(const char *file)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	char *mine = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	TRY(setuid, getuid());
	TRY(setresuid, -1, -1, -1);
	TRY(setgroups, 0, NULL);
	TRY(capset, &head, none);
	AS("dumpable", prctl(PR_SET_DUMPABLE, 1));
	AS("chmod-s", chmod(file, 04755));
	AS("fchmodat-s", fchmodat(AT_FDCWD, file, 02755, 0));
	AS("create-s", syscall(SYS_openat, AT_FDCWD, file, O_CREAT | O_WRONLY,
	    04755));
	TRY(fchownat, AT_FDCWD, file, -1, -1, 0);
	TRY(setxattr, file, "user.x", "", 0, 0);
	TRY(mknodat, AT_FDCWD, "/nowhere", S_IFCHR, 0);
	AS("mmap-wx", syscall(SYS_mmap, NULL, 4096, PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	AS("mprotect-wx", mprotect(mine, 4096, PROT_WRITE | PROT_EXEC));
}

/* The last two would end the test, where nothing refuses them. */
static void *
escape(void *path)
{
	const char *argv[] = { "true", NULL };

	while (getenv("ESCAPE_NOW") == NULL && !is_filtered())
		usleep(10000);
	report = fopen(path, "w");
	if (report == NULL)
		return NULL;
	setvbuf(report, NULL, _IOFBF, 0);
	try_others();
	try_network();
	try_kernel();
	try_rights(path);
	TRY(execveat, AT_FDCWD, "/nowhere", argv, NULL, 0);
	AS("execve-nowhere", execve("/nowhere", (char *const *)argv, NULL));
	if (getenv("ESCAPE_NOW") == NULL) {
		AS("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
		AS("execve", execve("/bin/true", (char *const *)argv, NULL));
	}
	fprintf(report, "end\n");
	fclose(report);
	return NULL;
}

__attribute__((constructor))
static void
start(void)
{
	const char *program = getenv("ESCAPE_PROGRAM");
	pthread_t thread;

	if (program == NULL ||
	    strcmp(program, program_invocation_short_name) != 0)
		return;
	if (pthread_create(&thread, NULL, escape, getenv("ESCAPE_REPORT")) == 0)
		pthread_detach(thread);
}
