/*
 * notify - datagrams to systemd.
 */
#include "daemon/launcher/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"

#define MESSAGE_MAX	2048

/* A whole number of microseconds that is meant for this process; else 0. */
static int64_t
watchdog_us(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end;
	long long n;

	if (!us || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	errno = 0;
	n = strtoll(us, &end, 10);
	return *us && !*end && n > 0 && errno == 0 ? n : 0;
}

/* unix(7): a path, or "@" and a name that stands in no file system. */
static bool
make_address(struct notify *n, const char *name)
{
	size_t len = strlen(name);

	if ((*name != '/' && *name != '@') || len < 2 ||
	    len >= sizeof(n->to.sun_path))
		return false;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, name, len);
	if (*name == '@')
		n->to.sun_path[0] = '\0';
	else
		len++;			/* its NUL */
	n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return true;
}

void
notify_open(struct notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*n = (struct notify){ .fd = -1, .watchdog_ms = watchdog_us() / 1000 };
	if (name && !make_address(n, name))
		log_warn("notify-failed path=%s error=%s", name,
		    "neither a path nor abstract");
	else if (name)
		n->fd = socket(AF_UNIX,
		    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

bool
notify_wanted(const struct notify *n)
{
	return n->fd >= 0;
}

void
notify(const struct notify *n, const char *fmt, ...)
{
	char text[MESSAGE_MAX];
	va_list ap;
	int len;

	if (n->fd < 0)
		return;
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(text) ||
	    sendto(n->fd, text, (size_t)len, MSG_NOSIGNAL,
	    (const struct sockaddr *)&n->to, n->to_len) < 0)
		log_debug("notify-failed error=%m");
}

void
notify_reloading(const struct notify *n)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	notify(n, "RELOADING=1\nMONOTONIC_USEC=%lld\n"
	    "STATUS=Reading the settings again",
	    (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}
