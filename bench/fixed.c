/*
 * fixed - the least that any daemon behind an SCGI socket can do: a responder
 * that gives everybody the same 202, or the same file.
 *
 *	fixed [-a ANSWER] SOCKET [FILE]
 *
 *	-a	this file is the answer, head and all, instead of the 202
 *
 * One thread, epoll.  It reads the length of the head, waits for so many
 * bytes, and answers, with a file by sendfile(); nothing is parsed, kept or
 * decided.  What deferd needs more than this is the price of what it does.
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

#define BACKLOG		1024
#define EVENTS		64
#define HEAD_MAX	65536
#define ANSWER_MAX	4096
#define PIECE		(1 << 20)	/* of a file, before the next client */

struct conn {
	int		 fd;
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

static const char *answer = accepted;
static size_t answer_len = sizeof(accepted) - 1;

static int epoll, file = -1;
static off_t file_size;
static char file_head[128];

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
	close(c->fd);
	free(c);
}

/* The next piece of the file; epoll says when there is room for more. */
static void
send_piece(struct conn *c)
{
	ssize_t n = sendfile(c->fd, file, &c->at, PIECE);

	if ((n == -1 && errno != EAGAIN) || c->at == file_size)
		conn_close(c);
}

static void
respond(struct conn *c)
{
	struct epoll_event e = { .events = EPOLLOUT, .data.ptr = c };

	c->answered = true;
	if (file == -1) {
		(void)send(c->fd, answer, answer_len, MSG_NOSIGNAL);
		conn_close(c);
		return;
	}
	(void)send(c->fd, file_head, strlen(file_head), MSG_NOSIGNAL | MSG_MORE);
	if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e) == -1)
		die("epoll");
}

static void
serve(struct conn *c)
{
	ssize_t n;

	if (c->answered) {
		send_piece(c);
		return;
	}
	n = recv(c->fd, c->data + c->len, HEAD_MAX - c->len, 0);
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

static void
read_answer(const char *path)
{
	static char data[ANSWER_MAX];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd == -1 ? -1 : read(fd, data, sizeof(data));

	if (n == -1)
		die(path);
	close(fd);
	answer = data;
	answer_len = (size_t)n;
}

static void
open_file(const char *path)
{
	struct stat st;

	file = open(path, O_RDONLY);
	if (file == -1 || fstat(file, &st) == -1)
		die(path);
	file_size = st.st_size;
	snprintf(file_head, sizeof(file_head), "Status: 200 OK\r\n"
	    "Content-Type: application/octet-stream\r\n"
	    "Content-Length: %lld\r\n\r\n", (long long)file_size);
}

int
main(int argc, char **argv)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct epoll_event events[EVENTS];
	int listener, c;

	while ((c = getopt(argc, argv, "a:")) != -1) {
		if (c != 'a')
			return 2;
		read_answer(optarg);
	}
	argc -= optind;
	argv += optind;
	if (argc < 1 || argc > 2 || strlen(argv[0]) >= sizeof(at.sun_path))
		return 2;
	signal(SIGPIPE, SIG_IGN);	/* sendfile() knows no MSG_NOSIGNAL */
	if (argc == 2)
		open_file(argv[1]);
	strcpy(at.sun_path, argv[0]);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	(void)unlink(argv[0]);
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) == -1 ||
	    listen(listener, BACKLOG) == -1)
		die(argv[0]);
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
