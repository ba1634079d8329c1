/*
 * http - keeps so many HTTP/1.1 requests under way at a port of this machine,
 * and says how many were answered and how long they took.
 *
 *	http -p PORT [-c 64] [-t 5] [-n COUNT] [-m GET] [-b 0] [-e 202]
 *	    [-H HEADER] [-k] [-W [-d 0]] [-v] [-w SECONDS] PATH
 *
 *	-c	requests under way at a time
 *	-t	seconds; -n: no more than so many
 *	-m -b	method, bytes of the body; -H: one more header line
 *	-e	the status that counts
 *	-k	a connection is used again, if the server agrees
 *	-W	a whole task: submits, and then asks at its Location until that is
 *		no 202 any more; -e is the status of the outcome, and a task
 *		counts once
 *	-d	milliseconds between such a 202 and the next question (0)
 *	-v	prints the first answer's head
 *	-w	waits until somebody listens there, at most so many seconds
 *
 * One thread, epoll; bodies are counted and thrown away.  Prints one line of
 * name=value.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/tool.h"

#define HEAD_MAX	4096
#define REQUEST_MAX	2048
#define EVENTS		64

enum body { BODY_LENGTH, BODY_CHUNKED, BODY_TO_END };

struct client {
	int		 fd;		/* -1: none */
	bool		 used;		/* it has answered before */
	bool		 asks;		/* at a Location, for the outcome */
	int64_t		 began_ns;
	int64_t		 due_ns;	/* when it asks again, and the next */
	struct client	*next;		/* one that waits for that */
	char		 request[REQUEST_MAX];
	size_t		 request_len, sent;

	/* of the answer */
	char		 head[HEAD_MAX + 1];
	size_t		 head_len;
	bool		 in_body, closes, last;
	int		 status;
	enum body	 body;
	int64_t		 left;		/* bytes; of a chunk, with its CRLF */
	char		 line[32];	/* a chunk's length */
	size_t		 line_len;
};

static struct {
	struct sockaddr_in to;
	const char	*method, *path, *header;
	size_t		 clients, body;
	int		 expect;
	int64_t		 seconds, count, delay_ns;
	bool		 keep, whole, print;
	char		*body_bytes;

	int		 epoll;
	int64_t		 begun, ok, other, broken, asked, bytes;
	struct client	*first, *last;	/* that wait to ask */
	uint32_t	*took_us;
	size_t		 ntook, took_max;
	char		 rest[1 << 18];
} http = { .method = "GET", .header = "", .clients = 64, .expect = 202, .seconds = 5,
    .count = INT64_MAX };

/* --- requests --------------------------------------------------------------- */

static void
make_request(struct client *c, const char *method, const char *path,
    size_t body)
{
	int n = snprintf(c->request, sizeof(c->request),
	    "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%sConnection: %s\r\n",
	    method, path, http.header, *http.header ? "\r\n" : "",
	    http.keep ? "keep-alive" : "close");

	if (body > 0)
		n += snprintf(c->request + n, sizeof(c->request) - (size_t)n,
		    "Content-Length: %zu\r\n", body);
	n += snprintf(c->request + n, sizeof(c->request) - (size_t)n, "\r\n");
	if ((size_t)n >= sizeof(c->request))
		die("the request is too long");
	c->request_len = (size_t)n;
	c->sent = 0;
	c->head_len = c->line_len = 0;
	c->in_body = c->last = false;
	c->status = 0;
}

static void
watch(struct client *c, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (epoll_ctl(http.epoll, op, c->fd, &e) == -1)
		die("epoll_ctl");
}

static void
connect_client(struct client *c)
{
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		die("socket");
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&http.to, sizeof(http.to)) == -1 &&
	    errno != EINPROGRESS)
		die("connect");
	c->used = false;
	watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void
disconnect(struct client *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
}

static void
send_request(struct client *c)
{
	if (c->fd == -1)
		connect_client(c);
	else
		watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

/* The next request, if there is to be one. */
static void
begin(struct client *c, int64_t until_ns)
{
	if (http.begun >= http.count || now_ns() >= until_ns) {
		disconnect(c);
		return;
	}
	http.begun++;
	c->asks = false;
	c->began_ns = now_ns();
	make_request(c, http.method, http.path, http.body);
	send_request(c);
}

static bool
send_some(struct client *c)
{
	size_t body = c->asks ? 0 : http.body, at;
	ssize_t n;

	while (c->sent < c->request_len + body) {
		at = c->sent;
		n = at < c->request_len ?
		    send(c->fd, c->request + at, c->request_len - at,
		    MSG_NOSIGNAL | (body ? MSG_MORE : 0)) :
		    send(c->fd, http.body_bytes, c->request_len + body - at,
		    MSG_NOSIGNAL);
		if (n == -1)
			return errno == EAGAIN;
		c->sent += (size_t)n;
	}
	watch(c, EPOLL_CTL_MOD, EPOLLIN);
	return true;
}

/* --- answers ---------------------------------------------------------------- */

static const char *
header(const struct client *c, const char *name)
{
	const char *line = c->head;
	size_t len = strlen(name);

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " ");
	}
	return NULL;
}

static void
take_head(struct client *c)
{
	const char *value;

	if (sscanf(c->head, "HTTP/1.%*d %d", &c->status) != 1)
		c->status = 0;
	if (http.print)
		fwrite(c->head, 1, c->head_len, stderr);
	http.print = false;
	c->in_body = true;
	value = header(c, "Connection");
	c->closes = !http.keep || (value && strncasecmp(value, "close", 5) == 0);
	c->body = BODY_TO_END;
	c->left = 0;
	if ((value = header(c, "Content-Length")) != NULL) {
		c->body = BODY_LENGTH;
		c->left = atoll(value);
	} else if (header(c, "Transfer-Encoding") != NULL) {
		c->body = BODY_CHUNKED;
	} else if (c->status == 204 || c->status == 304) {
		c->body = BODY_LENGTH;
	}
}

/* A byte of the line that has a chunk's length: 0 is that of the last one. */
static void
take_chunk_line(struct client *c, char byte)
{
	if (byte != '\n') {
		if (c->line_len + 1 < sizeof(c->line))
			c->line[c->line_len++] = byte;
		return;
	}
	c->line[c->line_len] = '\0';
	c->line_len = 0;
	c->left = strtoll(c->line, NULL, 16);
	c->last = c->left == 0;
	c->left += 2;
}

/* Whether these bytes complete the body. */
static bool
take_body(struct client *c, const char *data, size_t len)
{
	http.bytes += (int64_t)len;
	if (c->body == BODY_LENGTH) {
		c->left -= (int64_t)len;
		return c->left <= 0;
	}
	while (c->body == BODY_CHUNKED && len > 0) {
		int64_t n = c->left < (int64_t)len ? c->left : (int64_t)len;

		if (c->left > 0) {
			c->left -= n;
			data += n;
			len -= (size_t)n;
			if (c->last && c->left == 0)
				return true;
		} else {
			len--;
			take_chunk_line(c, *data++);
		}
	}
	return false;
}

/* The bytes of the head end somewhere in these; whether the answer does. */
static bool
take_bytes(struct client *c, char *data, size_t len)
{
	size_t n = len;
	char *end;

	if (c->in_body)
		return take_body(c, data, len);
	if (n > HEAD_MAX - c->head_len)
		n = HEAD_MAX - c->head_len;
	memcpy(c->head + c->head_len, data, n);
	c->head[c->head_len + n] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (end == NULL) {
		c->head_len += n;
		return false;
	}
	n = (size_t)(end + 4 - c->head) - c->head_len;
	c->head_len += n;
	end[2] = '\0';
	take_head(c);
	if (c->body == BODY_LENGTH && c->left == 0)
		return true;
	return take_body(c, data + n, len - n);
}

static void
remember(int64_t ns)
{
	if (http.ntook == http.took_max) {
		http.took_max = http.took_max ? 2 * http.took_max : 1 << 16;
		http.took_us = realloc(http.took_us,
		    http.took_max * sizeof(*http.took_us));
		if (http.took_us == NULL)
			die("memory");
	}
	http.took_us[http.ntook++] = (uint32_t)(ns / 1000);
}

/* Asks for the outcome; false if the answer names no place for that. */
static bool
ask(struct client *c)
{
	const char *value = header(c, "Location");
	char path[512];
	size_t len;

	if (value == NULL)
		return c->asks;		/* the same again */
	if (strncmp(value, "http://", 7) == 0)
		value += 7 + strcspn(value + 7, "/");
	len = strcspn(value, "\r");
	if (len >= sizeof(path))
		return false;
	memcpy(path, value, len);
	path[len] = '\0';
	c->asks = true;
	make_request(c, "GET", path, 0);
	return true;
}

/* All wait for as long, so who comes last is last. */
static void
ask_later(struct client *c)
{
	c->due_ns = now_ns() + http.delay_ns;
	c->next = NULL;
	if (http.first == NULL)
		http.first = c;
	else
		http.last->next = c;
	http.last = c;
}

static void
ask_who_is_due(void)
{
	struct client *c;

	while ((c = http.first) != NULL && c->due_ns <= now_ns()) {
		http.first = c->next;
		send_request(c);
	}
}

static int
patience_ms(void)
{
	int64_t left;

	if (http.first == NULL)
		return 100;
	left = http.first->due_ns - now_ns();
	return left > 0 ? (int)(left / 1000000) + 1 : 0;
}

static void
answered(struct client *c, int64_t until_ns)
{
	if (c->closes)
		disconnect(c);
	else
		c->used = true;
	if (http.whole && c->status == 202 && ask(c)) {
		http.asked++;
		if (http.delay_ns > 0)
			ask_later(c);
		else
			send_request(c);
		return;
	}
	if (c->status == http.expect) {
		http.ok++;
		remember(now_ns() - c->began_ns);
	} else {
		http.other++;
	}
	begin(c, until_ns);
}

static void
broken(struct client *c, int64_t until_ns)
{
	bool stale = c->used && c->head_len == 0;

	disconnect(c);
	if (stale) {			/* kept by us, closed by the server */
		c->sent = 0;
		connect_client(c);
		return;
	}
	http.broken++;
	begin(c, until_ns);
}

static void
receive(struct client *c, int64_t until_ns)
{
	ssize_t n = recv(c->fd, http.rest, sizeof(http.rest), 0);

	if (n == -1 && errno == EAGAIN)
		return;
	if (n > 0) {
		if (take_bytes(c, http.rest, (size_t)n))
			answered(c, until_ns);
	} else if (n == 0 && c->in_body && c->body == BODY_TO_END) {
		c->closes = true;
		answered(c, until_ns);
	} else {
		broken(c, until_ns);
	}
}

/* --- the run ---------------------------------------------------------------- */

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double
percentile_ms(double p)
{
	size_t i = (size_t)(p * (double)http.ntook);

	if (http.ntook == 0)
		return 0;
	return http.took_us[i < http.ntook ? i : http.ntook - 1] / 1000.0;
}

static void
report(int64_t ns)
{
	double s = (double)ns / NS_PER_S;

	qsort(http.took_us, http.ntook, sizeof(*http.took_us), by_size);
	printf("seconds=%.3f ok=%lld other=%lld broken=%lld asked=%lld per_second=%.1f "
	    "mb_per_second=%.1f p50_ms=%.3f p99_ms=%.3f max_ms=%.3f\n", s,
	    (long long)http.ok, (long long)http.other, (long long)http.broken,
	    (long long)http.asked, (double)http.ok / s, (double)http.bytes / s / 1e6,
	    percentile_ms(0.5), percentile_ms(0.99), percentile_ms(1));
}

static void
run(void)
{
	struct client *clients = calloc(http.clients, sizeof(*clients));
	int64_t start = now_ns(), until = start + http.seconds * NS_PER_S;
	int64_t latest = until + 30 * (int64_t)NS_PER_S;
	struct epoll_event events[EVENTS];
	int i, n;

	if (clients == NULL)
		die("memory");
	for (i = 0; i < (int)http.clients; i++) {
		clients[i].fd = -1;
		begin(&clients[i], until);
	}
	while (http.ok + http.other + http.broken < http.begun &&
	    now_ns() < latest) {
		n = epoll_wait(http.epoll, events, EVENTS, patience_ms());
		for (i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;

			if (c->fd == -1)
				continue;
			if ((events[i].events & EPOLLOUT) && !send_some(c))
				broken(c, until);
			else if (events[i].events & ~(uint32_t)EPOLLOUT)
				receive(c, until);
		}
		ask_who_is_due();
	}
	report(now_ns() - start);
	free(clients);
}

static void
wait_for(int seconds)
{
	int64_t until = now_ns() + seconds * (int64_t)NS_PER_S;
	int fd;

	for (;;) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd == -1)
			die("socket");
		if (connect(fd, (struct sockaddr *)&http.to, sizeof(http.to)) == 0)
			break;
		if (now_ns() > until)
			die("nobody listens there");
		close(fd);
		(void)usleep(20000);
	}
	close(fd);
}

static void __attribute__((noreturn))
usage(void)
{
	fprintf(stderr, "usage: http -p PORT [-c N] [-t SECONDS] [-n COUNT] [-m METHOD] "
	    "[-b BYTES]\n            [-e STATUS] [-H HEADER] [-d MS] [-kWv] [-w SECONDS] PATH\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	int c, patience = 0;

	http.to.sin_family = AF_INET;
	http.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while ((c = getopt(argc, argv, "p:c:d:t:n:m:b:e:H:w:kWv")) != -1)
		switch (c) {
		case 'p': http.to.sin_port = htons((uint16_t)atoi(optarg)); break;
		case 'c': http.clients = (size_t)atol(optarg); break;
		case 'd': http.delay_ns = atol(optarg) * (int64_t)1000000; break;
		case 't': http.seconds = atol(optarg); break;
		case 'n': http.count = atol(optarg); break;
		case 'm': http.method = optarg; break;
		case 'b': http.body = (size_t)atol(optarg); break;
		case 'e': http.expect = atoi(optarg); break;
		case 'H': http.header = optarg; break;
		case 'w': patience = atoi(optarg); break;
		case 'k': http.keep = true; break;
		case 'W': http.whole = true; break;
		case 'v': http.print = true; break;
		default: usage();
		}
	if (argc - optind != 1 || http.to.sin_port == 0)
		usage();
	http.path = argv[optind];
	http.body_bytes = calloc(1, http.body + 1);
	http.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (http.epoll == -1 || http.body_bytes == NULL)
		die("start");
	if (patience > 0)
		wait_for(patience);
	run();
	return http.ok > 0 ? 0 : 1;
}
