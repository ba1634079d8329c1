/*
 * refuse - calls of the kernel that fail when a test says so: of those named
 * `refuse.call`, `after` go well, `times` fail with `error`, later ones go well.
 *
 * The functions stand before libc's.  To be included by one file of a program.
 */
#ifndef TESTS_REFUSE_H
#define TESTS_REFUSE_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct refuse {
	const char	*call;
	int		 after;
	int		 times;
	int		 error;
};

static struct refuse refuse;

static bool
refused(const char *call)
{
	if (refuse.call == NULL || strcmp(refuse.call, call) != 0 ||
	    refuse.after-- > 0 || refuse.times-- <= 0)
		return false;
	errno = refuse.error;
	return true;
}

#define REFUSE(type, name, parameters, number, ...)			\
type									\
name parameters								\
{									\
	return refused(#name) ? -1 : (type)syscall(number, __VA_ARGS__);	\
}

int
open(const char *path, int flags, ...)
{
	va_list ap;
	int mode = 0;

	va_start(ap, flags);
	if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE)
		mode = va_arg(ap, int);
	va_end(ap);
	return refused("open") ? -1 :
	    (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

REFUSE(int, socket, (int domain, int kind, int protocol),
    SYS_socket, domain, kind, protocol)
REFUSE(int, socketpair, (int domain, int kind, int protocol, int fds[2]),
    SYS_socketpair, domain, kind, protocol, fds)
REFUSE(int, connect, (int fd, __CONST_SOCKADDR_ARG to, socklen_t len),
    SYS_connect, fd, to.__sockaddr__, len)
REFUSE(int, bind, (int fd, __CONST_SOCKADDR_ARG to, socklen_t len),
    SYS_bind, fd, to.__sockaddr__, len)
REFUSE(int, listen, (int fd, int backlog), SYS_listen, fd, backlog)
REFUSE(int, getsockopt, (int fd, int level, int name, void *restrict value,
    socklen_t *restrict len), SYS_getsockopt, fd, level, name, value, len)
REFUSE(int, setsockopt, (int fd, int level, int name, const void *value,
    socklen_t len), SYS_setsockopt, fd, level, name, value, len)
REFUSE(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags),
    SYS_sendmsg, fd, msg, flags)
REFUSE(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags),
    SYS_recvmsg, fd, msg, flags)
REFUSE(int, fdatasync, (int fd), SYS_fdatasync, fd)
REFUSE(int, flock, (int fd, int how), SYS_flock, fd, how)
REFUSE(int, fstat, (int fd, struct stat *st),
    SYS_newfstatat, fd, "", st, AT_EMPTY_PATH)
REFUSE(int, stat, (const char *restrict path, struct stat *restrict st),
    SYS_newfstatat, AT_FDCWD, path, st, 0)
REFUSE(int, lstat, (const char *restrict path, struct stat *restrict st),
    SYS_newfstatat, AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW)
REFUSE(int, fchmod, (int fd, mode_t mode), SYS_fchmod, fd, mode)
REFUSE(int, chmod, (const char *path, mode_t mode),
    SYS_fchmodat, AT_FDCWD, path, mode)
REFUSE(int, lchown, (const char *path, uid_t uid, gid_t gid),
    SYS_fchownat, AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW)
REFUSE(int, unlink, (const char *path), SYS_unlinkat, AT_FDCWD, path, 0)
REFUSE(int, memfd_create, (const char *name, unsigned int flags),
    SYS_memfd_create, name, flags)
REFUSE(int, fallocate, (int fd, int mode, off_t at, off_t len),
    SYS_fallocate, fd, mode, at, len)
REFUSE(int, pidfd_open, (pid_t pid, unsigned int flags),
    SYS_pidfd_open, pid, flags)

#endif
