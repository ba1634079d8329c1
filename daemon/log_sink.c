#include "daemon/log_sink.h"

#include <errno.h>
#include <paths.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SINK_SELF_MAX	96	/* bytes of "name[pid]: " */

enum sink { SINK_STDERR, SINK_JOURNAL, SINK_SYSLOG };

static const char *const level_names[LOG_L_N] = {
	[LOG_L_ERROR]	= "error",
	[LOG_L_WARN]	= "warning",
	[LOG_L_INFO]	= "info",
	[LOG_L_DEBUG]	= "debug",
};

static const int level_syslog[LOG_L_N] = {
	[LOG_L_ERROR]	= LOG_ERR,
	[LOG_L_WARN]	= LOG_WARNING,
	[LOG_L_INFO]	= LOG_INFO,
	[LOG_L_DEBUG]	= LOG_DEBUG,
};

/* Written by sink_open(), before there are threads. */
static const char *sink_name = "deferd";
static char sink_self[SINK_SELF_MAX];	/* as write_self() has it, ... */
static pid_t sink_pid;			/* ... for this process */
static enum sink sink = SINK_STDERR;
static bool stderr_is_socket, stderr_is_file;
static int syslog_fd = -1;
static struct sockaddr_un syslog_at = { .sun_family = AF_UNIX };

/* Who says it. */
static char *
write_self(char to[SINK_SELF_MAX], pid_t pid)
{
	snprintf(to, SINK_SELF_MAX, "%.64s[%ld]: ", sink_name, (long)pid);
	return to;
}

/* systemd.exec(5): device and inode, in decimal, of the journal's socket. */
static bool
is_journal(const struct stat *st)
{
	const char *says = getenv("JOURNAL_STREAM");
	char text[64];

	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st->st_dev,
	    (uintmax_t)st->st_ino);
	return says != NULL && strcmp(says, text) == 0;
}

static void
open_syslog(void)
{
	const char *path = getenv("DEFERD_SYSLOG");

	if (path == NULL || strlen(path) >= sizeof(syslog_at.sun_path))
		path = _PATH_LOG;
	strcpy(syslog_at.sun_path, path);
	if (syslog_fd == -1)
		syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0);
}

void
sink_open(const char *name, bool background)
{
	struct stat st;

	sink_name = name;
	sink_pid = getpid();
	write_self(sink_self, sink_pid);
	if (background) {
		sink = SINK_SYSLOG;
		open_syslog();
		return;
	}
	if (fstat(STDERR_FILENO, &st) == -1)
		memset(&st, 0, sizeof(st));
	stderr_is_socket = S_ISSOCK(st.st_mode);
	stderr_is_file = S_ISREG(st.st_mode);
	sink = is_journal(&st) ? SINK_JOURNAL : SINK_STDERR;
}

/* RFC 3164 as the C library writes it. */
static int
syslog_head(char *to, int priority)
{
	time_t now = time(NULL);
	char date[32] = "";
	struct tm tm;

	if (localtime_r(&now, &tm) != NULL)
		strftime(date, sizeof(date), "%h %e %T ", &tm);
	return snprintf(to, SINK_HEAD_MAX, "<%d>%s%.64s[%ld]: ",
	    LOG_DAEMON | priority, date, sink_name, (long)getpid());
}

/* A child that was forked has another number. */
static size_t
stderr_head(char *to, const char *level)
{
	pid_t pid = getpid();
	char other[SINK_SELF_MAX];
	const char *self = sink_self;
	char *p;

	if (pid != sink_pid)
		self = write_self(other, pid);
	p = stpcpy(to, self);
	p = stpcpy(p, level);
	p = stpcpy(p, ": ");
	return (size_t)(p - to);
}

size_t
sink_head(char *to, enum log_level level)
{
	int n;

	switch (sink) {
	case SINK_SYSLOG:
		n = syslog_head(to, level_syslog[level]);
		break;
	case SINK_JOURNAL:
		n = snprintf(to, SINK_HEAD_MAX, "<%d>", level_syslog[level]);
		break;
	default:
		return stderr_head(to, level_names[level]);
	}
	return n > 0 ? (size_t)n : 0;
}

/*
 * A terminal that is stopped, a pipe that nobody reads: it is asked first,
 * for O_NONBLOCK would be set for everybody who has it.
 */
static bool
put_stderr(const char *line, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (stderr_is_socket)
		return send(STDERR_FILENO, line, len,
		    MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
	return (stderr_is_file || poll(&p, 1, 0) == 1) &&
	    write(STDERR_FILENO, line, len) == (ssize_t)len;
}

bool
sink_put(char *line, size_t len)
{
	if (sink == SINK_SYSLOG)
		/* By its name each time: the log daemon may be a new one. */
		return sendto(syslog_fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		    (const struct sockaddr *)&syslog_at,
		    sizeof(syslog_at)) == (ssize_t)len;
	line[len++] = '\n';
	return put_stderr(line, len);
}
