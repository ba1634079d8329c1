/*
 * fixed - the least that any daemon behind an SCGI socket can do: a responder
 * that gives everybody the same 202, or the same file.
 *
 *	fixed [[-a ANSWER | -f FILE | -w] SOCKET] ...
 *
 *	-a	this file is the answer at SOCKET, head and all, instead of the 202
 *	-f	this file is the body of the answer, sent by sendfile()
 *	-w	there is no answer: whoever asks waits
 *
 * One thread, epoll.  It reads the length of the head, waits for so many
 * bytes, and answers as the socket says, into the stdout of a door if one came
 * with the head; nothing is parsed, kept or decided.
 * What deferd needs more than this is the price of what it does.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/tool.h"

#define BACKLOG		1024
#define EVENTS		64
#define HEAD_MAX	65536
#define ANSWER_MAX	4096
#define PLACES_MAX	8
#define PIECE		(1 << 20)	/* of a file, before the next client */

/* A socket, and what is said there. */
struct place {
	int		 fd;
	const char	*answer;	/* NULL: nothing; of a file, the head */
	size_t		 len;
	int		 file;		/* or -1 */
	off_t		 file_size;
};

struct conn {
	const struct place *place;
	int		 fd;
	int		 passed[2];	/* stdin and stdout of a door, or -1 */
	bool		 answered;
	off_t		 at;		/* in the file */
	size_t		 len;
	char		 data[HEAD_MAX];
};

/* As long as a 202 of deferd's. */
static const char accepted[] =
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

static struct place places[PLACES_MAX];
static size_t nplaces;
static int epoll;

static void
watch(int fd, void *arg)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = arg };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == -1)
		die("epoll");
}

static void
accept_all(const struct place *p)
{
	struct conn *c;
	int fd;

	while ((fd = accept4(p->fd, NULL, NULL, SOCK_NONBLOCK)) != -1) {
		c = must(malloc(sizeof(*c)));
		c->place = p;
		c->fd = fd;
		c->passed[0] = c->passed[1] = -1;
		c->answered = false;
		c->at = 0;
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
conn_close(struct conn *c)
{
	for (int i = 0; i < 2; i++)
		if (c->passed[i] != -1)
			close(c->passed[i]);
	close(c->fd);
	free(c);
}

/* The next piece of the file; epoll says when there is room for more. */
static void
send_piece(struct conn *c)
{
	ssize_t n = sendfile(c->fd, c->place->file, &c->at, PIECE);

	if ((n == -1 && errno != EAGAIN) || c->at == c->place->file_size)
		conn_close(c);
}

static void
respond(struct conn *c)
{
	struct epoll_event e = { .events = EPOLLOUT, .data.ptr = c };
	const struct place *p = c->place;

	if (!p->answer)
		return;
	c->answered = true;
	(void)send(c->passed[1] != -1 ? c->passed[1] : c->fd, p->answer, p->len,
	    MSG_NOSIGNAL | (p->file != -1 ? MSG_MORE : 0));
	if (p->file == -1)
		conn_close(c);
	else if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e) == -1)
		die("epoll");
}

/* A door (defer.cgi) sends its descriptors with the first byte. */
static ssize_t
receive(struct conn *c)
{
	union {
		char buf[CMSG_SPACE(sizeof(c->passed))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { c->data + c->len, HEAD_MAX - c->len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(c->fd, &msg, 0);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	if (h && h->cmsg_len == CMSG_LEN(sizeof(c->passed)))
		memcpy(c->passed, CMSG_DATA(h), sizeof(c->passed));
	return n;
}

static void
serve(struct conn *c)
{
	ssize_t n;

	if (c->answered) {
		send_piece(c);
		return;
	}
	n = receive(c);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	c->len += (size_t)n;
	if (is_whole(c))
		respond(c);
}

/* --- what is said where ------------------------------------------------------- */

static void
say_accepted(struct place *p)
{
	p->answer = accepted;
	p->len = sizeof(accepted) - 1;
	p->file = -1;
}

static void
say_answer(struct place *p, const char *path)
{
	char *data = must(malloc(ANSWER_MAX));
	int fd = open(path, O_RDONLY);
	ssize_t n = fd == -1 ? -1 : read(fd, data, ANSWER_MAX);

	if (n == -1)
		die(path);
	close(fd);
	p->answer = data;
	p->len = (size_t)n;
}

static void
say_file(struct place *p, const char *path)
{
	char *head;
	struct stat st;
	int n;

	p->file = open(path, O_RDONLY);
	if (p->file == -1 || fstat(p->file, &st) == -1)
		die(path);
	p->file_size = st.st_size;
	n = asprintf(&head, "Status: 200 OK\r\n"
	    "Content-Type: application/octet-stream\r\n"
	    "Content-Length: %lld\r\n\r\n", (long long)p->file_size);
	if (n == -1)
		die("memory");
	p->answer = head;
	p->len = (size_t)n;
}

static void
listen_at(struct place *p, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	strcpy(at.sun_path, path);
	p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	(void)unlink(path);
	if (bind(p->fd, (struct sockaddr *)&at, sizeof(at)) == -1 ||
	    listen(p->fd, BACKLOG) == -1)
		die(path);
	watch(p->fd, p);
}

/* What is said comes before where; getopt() gives the latter as \1. */
static void
read_places(int argc, char **argv)
{
	int c;

	say_accepted(&places[0]);
	while (nplaces < PLACES_MAX && (c = getopt(argc, argv, "-a:f:w")) != -1) {
		struct place *p = &places[nplaces];

		switch (c) {
		case 'a': say_answer(p, optarg); break;
		case 'f': say_file(p, optarg); break;
		case 'w': p->answer = NULL; break;
		case 1:
			listen_at(p, optarg);
			if (++nplaces < PLACES_MAX)
				say_accepted(p + 1);
			break;
		default: exit(2);
		}
	}
	if (nplaces == 0)
		exit(2);
}

static bool
is_place(const void *p)
{
	return p >= (const void *)places && p < (const void *)(places + PLACES_MAX);
}

int
main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];

	signal(SIGPIPE, SIG_IGN);	/* sendfile() knows no MSG_NOSIGNAL */
	epoll = epoll_create1(0);
	read_places(argc, argv);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (is_place(events[i].data.ptr))
				accept_all(events[i].data.ptr);
			else
				serve(events[i].data.ptr);
		}
	}
}
