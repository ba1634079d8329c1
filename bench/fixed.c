/*
 * fixed - the least that any daemon behind an SCGI socket can do: a responder
 * that gives everybody the same 202.
 *
 *	fixed SOCKET
 *
 * One thread, epoll.  It reads the length of the head, waits for so many
 * bytes, and answers; nothing is parsed, kept or decided.  What deferd needs
 * more than this is the price of what it does.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG		1024
#define EVENTS		64
#define HEAD_MAX	65536

struct conn {
	int		 fd;
	size_t		 len;
	char		 data[HEAD_MAX];
};

/* As long as a 202 of deferd's. */
static const char answer[] =
	"Status: 202 Accepted\r\n"
	"Content-Type: application/json\r\n"
	"Location: /bench/status/00000000000000000000000000000000\r\n"
	"Retry-After: 1\r\n"
	"Deferd-Task: 00000000000000000000000000000000\r\n"
	"Deferd-State: queued\r\n"
	"Cache-Control: no-store\r\n"
	"Referrer-Policy: no-referrer\r\n"
	"Content-Length: 153\r\n"
	"\r\n"
	"{\"id\":\"00000000000000000000000000000000\",\"state\":\"queued\","
	"\"status\":\"/bench/status/00000000000000000000000000000000\","
	"\"created\":\"2026-01-01T00:00:00.000Z\"}";

static int epoll;

static void __attribute__((noreturn))
die(const char *what)
{
	fprintf(stderr, "fixed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
watch(int fd, void *arg)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = arg };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == -1)
		die("epoll");
}

static void
accept_all(int listener)
{
	struct conn *c;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) != -1) {
		c = malloc(sizeof(*c));
		if (!c)
			die("memory");
		c->fd = fd;
		c->len = 0;
		watch(fd, c);
	}
}

/* Whether all of "length:head," is there. */
static bool
is_whole(struct conn *c)
{
	char *colon = memchr(c->data, ':', c->len);

	if (!colon)
		return false;
	return c->len >= (size_t)(colon - c->data) + 2 +
	    strtoul(c->data, NULL, 10);
}

static void
serve(struct conn *c)
{
	ssize_t n = recv(c->fd, c->data + c->len, HEAD_MAX - c->len, 0);

	if (n == -1 && errno == EAGAIN)
		return;
	if (n > 0) {
		c->len += (size_t)n;
		if (!is_whole(c))
			return;
		(void)send(c->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
	}
	close(c->fd);
	free(c);
}

int
main(int argc, char **argv)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct epoll_event events[EVENTS];
	int listener;

	if (argc != 2 || strlen(argv[1]) >= sizeof(at.sun_path))
		return 2;
	strcpy(at.sun_path, argv[1]);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	(void)unlink(argv[1]);
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) == -1 ||
	    listen(listener, BACKLOG) == -1)
		die(argv[1]);
	epoll = epoll_create1(0);
	watch(listener, NULL);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				serve(events[i].data.ptr);
			else
				accept_all(listener);
		}
	}
}
