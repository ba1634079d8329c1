/*
 * inherit - sockets that come with the process.
 */
#include "daemon/launcher/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/log.h"

#define FDS_MAX		64	/* a unit with more of them is not ours */

/* The whole text as a number from 1 to max, or 0. */
static long
number(const char *text, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	return *text && !*end && errno == 0 && n > 0 && n <= max ? n : 0;
}

static void
clear_environment(void)
{
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_PIDFDID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static int
close_on_exec(int n)
{
	for (int i = 0; i < n; i++)
		if (fcntl(INHERIT_FIRST + i, F_SETFD, FD_CLOEXEC) < 0)
			return -1;
	return n > 0 ? 0 : -1;
}

int
inherit_init(struct inherit *in)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	int status = 0;

	*in = (struct inherit){ 0 };
	/* Else they were meant for another process, which left them standing. */
	if (pid && fds && number(pid, INT_MAX) == (long)getpid()) {
		in->n = (int)number(fds, FDS_MAX);
		in->names = names ? strdup(names) : NULL;
		status = close_on_exec(in->n);
	}
	clear_environment();
	if (status < 0)
		inherit_fini(in);
	return status;
}

static bool
option_is(int fd, int option, int wanted)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 &&
	    value == wanted;
}

/* Where it is bound: a path, or what to say of it. */
static const char *
address(int fd, struct sockaddr_un *sun)
{
	socklen_t len = sizeof(*sun);

	memset(sun, 0, sizeof(*sun));
	if (getsockname(fd, (struct sockaddr *)sun, &len) < 0)
		return "no socket";
	if (sun->sun_family != AF_UNIX)
		return "an Internet socket";
	if (!option_is(fd, SO_TYPE, SOCK_STREAM) ||
	    !option_is(fd, SO_ACCEPTCONN, 1))
		return "no listening stream socket";
	return sun->sun_path[0] == '/' ? sun->sun_path : "an abstract socket";
}

/* /var/run and /run lead to one file. */
static bool
is_same_file(const char *a, const char *b)
{
	struct stat sa, sb;

	return strcmp(a, b) == 0 || (stat(a, &sa) == 0 && stat(b, &sb) == 0 &&
	    sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino);
}

int
inherit_listener(struct inherit *in, const char *path)
{
	struct sockaddr_un sun;
	const char *where = address(INHERIT_FIRST, &sun);

	if (in->n > 1) {
		log_error("place-failed path=%s given=%d names=%s error=%s",
		    path, in->n, in->names ? in->names : "",
		    "of systemd's sockets deferd takes one, the one that the "
		    "setting socket names");
		return -1;
	}
	if (*where != '/' || !is_same_file(where, path)) {
		log_error("place-failed path=%s given=%s names=%s error=%s",
		    path, where, in->names ? in->names : "",
		    "systemd's socket is not the one that the setting socket "
		    "names");
		return -1;
	}
	/* systemd gives it blocking: a client that has gone would stop us. */
	if (fcntl(INHERIT_FIRST, F_SETFL, O_NONBLOCK) < 0) {
		log_error("place-failed path=%s error=%m", path);
		return -1;
	}
	in->n = 0;
	return INHERIT_FIRST;
}

void
inherit_fini(struct inherit *in)
{
	for (int i = 0; i < in->n; i++)
		close(INHERIT_FIRST + i);
	free(in->names);
	*in = (struct inherit){ 0 };
}
