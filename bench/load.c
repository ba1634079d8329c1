/*
 * load - keeps so many SCGI requests under way at a Unix socket, and says how
 * many were answered and how long they took.
 *
 *	load -s SOCKET [-c 64] [-t 5] [-n COUNT] [-i 0] [-r RATE] [-m POST]
 *	    [-b 256] [-h 1024] [-e 202] [-M MOUNT] [-P PREFER] [-p] [-w SECONDS]
 *	    PATH ...
 *
 *	-c	requests under way at a time, each on a connection of its own
 *	-t	seconds; -n: no more than so many requests
 *	-i	microseconds from an answer to the next request (with -c 1)
 *	-r	no more than so many requests per second
 *	-m -b	method, bytes of the body
 *	-h	bytes of the head, at least; -M: SCRIPT_NAME; -P: the header Prefer
 *	-e	the status that counts
 *	-p	prints the first answer, as it came
 *	-w	waits until somebody answers there, at most so many seconds
 *
 * One thread, epoll; the next request leaves when an answer is complete.  The
 * paths are taken in turn.  Prints one line of name=value.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/tool.h"

#define ANSWER_MAX	4096	/* bytes kept of an answer */
#define EVENTS		64
#define FULL_US		200	/* the backlog is full: wait so long */
#define PACE_MS		1	/* who is ahead of the rate waits so long */

struct request {
	char		*data;
	size_t		 len;
};

struct client {
	int		 fd;		/* -1: none under way */
	int64_t		 began_ns;
	size_t		 request;	/* which */
	size_t		 sent, got;
	struct client	*next;		/* that waits, for the rate's sake */
	char		 answer[ANSWER_MAX];
};

static struct {
	struct sockaddr_un to;
	const char	*method, *mount, *prefer;
	size_t		 clients, body, head;
	int		 expect;
	int64_t		 seconds, count;
	int64_t		 rate;		/* per second; 0: any */
	useconds_t	 pause_us;
	bool		 print;
	struct request	*requests;
	size_t		 nrequests;

	int		 epoll;
	int64_t		 began_ns;
	struct client	*early;		/* ahead of the rate */
	size_t		 next;		/* request */
	int64_t		 begun, ok, other, broken;
	uint32_t	*took_us;
	size_t		 ntook, took_max;
} load = { .method = "POST", .mount = "/bench", .clients = 64, .body = 256, .head = 1024,
    .expect = 202, .seconds = 5, .count = INT64_MAX };

/* --- requests ---------------------------------------------------------------- */

static void
variable(char **at, const char *name, const char *value)
{
	*at = stpcpy(*at, name) + 1;
	*at = stpcpy(*at, value) + 1;
}

/* A head as a web server sends it, made longer by a header of a browser's. */
static struct request
request_new(const char *path)
{
	char *block = must(calloc(1, load.head + strlen(path) * 2 + 1024));
	char *at = block, number[24];
	struct request r;
	size_t len;
	int n;

	snprintf(number, sizeof(number), "%zu", load.body);
	variable(&at, "CONTENT_LENGTH", number);
	variable(&at, "SCGI", "1");
	variable(&at, "REQUEST_METHOD", load.method);
	variable(&at, "SCRIPT_NAME", load.mount);
	variable(&at, "PATH_INFO", path);
	variable(&at, "QUERY_STRING", "");
	variable(&at, "REQUEST_URI", path);
	variable(&at, "SERVER_PROTOCOL", "HTTP/1.1");
	variable(&at, "SERVER_NAME", "localhost");
	variable(&at, "SERVER_PORT", "80");
	variable(&at, "REMOTE_ADDR", "127.0.0.1");
	variable(&at, "HTTP_ACCEPT", "application/json");
	if (load.prefer)
		variable(&at, "HTTP_PREFER", load.prefer);
	len = (size_t)(at - block) + sizeof("HTTP_USER_AGENT") + 1;
	if (len < load.head) {
		at = stpcpy(at, "HTTP_USER_AGENT") + 1;
		memset(at, 'u', load.head - len);
		at += load.head - len + 1;
	}
	len = (size_t)(at - block);
	r.data = must(malloc(len + load.body + 32));
	n = sprintf(r.data, "%zu:", len);
	memcpy(r.data + n, block, len);
	r.data[(size_t)n + len] = ',';
	memset(r.data + n + len + 1, 'b', load.body);
	r.len = (size_t)n + len + 1 + load.body;
	free(block);
	return r;
}

/* --- one client -------------------------------------------------------------- */

static void
watch(struct client *c, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (epoll_ctl(load.epoll, op, c->fd, &e) == -1)
		die("epoll");
}

/* What does not fit into the socket at once follows when it can. */
static bool
send_more(struct client *c)
{
	const struct request *r = &load.requests[c->request];

	while (c->sent < r->len) {
		ssize_t n = send(c->fd, r->data + c->sent, r->len - c->sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n == -1)
			return errno == EAGAIN;
		c->sent += (size_t)n;
	}
	return true;
}

static bool
is_early(void)
{
	return load.rate > 0 && load.begun * 1000000000 >
	    (now_ns() - load.began_ns) * load.rate;
}

static void
begin(struct client *c)
{
	if (load.begun == load.count)
		return;
	if (is_early()) {
		c->next = load.early;
		load.early = c;
		return;
	}
	c->began_ns = now_ns();
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		die("socket");
	while (connect(c->fd, (struct sockaddr *)&load.to, sizeof(load.to)) == -1) {
		if (errno != EAGAIN)
			die(load.to.sun_path);
		usleep(FULL_US);
	}
	load.begun++;
	c->request = load.next++ % load.nrequests;
	c->sent = c->got = 0;
	if (!send_more(c))
		die("send");
	watch(c, EPOLL_CTL_ADD, c->sent < load.requests[c->request].len ?
	    EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void
note_time(int64_t ns)
{
	if (load.ntook == load.took_max) {
		load.took_max = load.took_max ? 2 * load.took_max : 65536;
		load.took_us = must(reallocarray(load.took_us, load.took_max,
		    sizeof(*load.took_us)));
	}
	load.took_us[load.ntook++] = (uint32_t)(ns / 1000);
}

static void
end(struct client *c)
{
	int status = 0;

	note_time(now_ns() - c->began_ns);
	c->answer[c->got < ANSWER_MAX ? c->got : ANSWER_MAX - 1] = '\0';
	if (load.print && load.ntook == 1)
		fputs(c->answer, stdout);
	if (sscanf(c->answer, "Status: %d", &status) != 1)
		load.broken++;
	else if (status == load.expect)
		load.ok++;
	else
		load.other++;
	close(c->fd);
	c->fd = -1;
}

/* False when the answer is complete. */
static bool
receive(struct client *c)
{
	char rest[65536];

	for (;;) {
		bool full = c->got >= ANSWER_MAX - 1;
		ssize_t n = recv(c->fd, full ? rest : c->answer + c->got,
		    full ? sizeof(rest) : ANSWER_MAX - 1 - c->got, 0);

		if (n == -1 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		if (!full)
			c->got += (size_t)n;
	}
}

static void
ready(struct client *c, uint32_t events)
{
	if ((events & EPOLLOUT) && send_more(c) &&
	    c->sent == load.requests[c->request].len)
		watch(c, EPOLL_CTL_MOD, EPOLLIN);
	if (!(events & ~(uint32_t)EPOLLOUT) || receive(c))
		return;
	end(c);
	if (load.pause_us > 0)
		usleep(load.pause_us);
	begin(c);
}

/* --- the whole --------------------------------------------------------------- */

static void
begin_early(void)
{
	struct client *c;

	while ((c = load.early) && !is_early()) {
		load.early = c->next;
		begin(c);
	}
}

static int64_t
run(void)
{
	struct client *clients = must(calloc(load.clients, sizeof(*clients)));
	struct epoll_event events[EVENTS];
	int64_t end_ns, took_ns;

	load.began_ns = now_ns();
	end_ns = load.began_ns + load.seconds * 1000000000;
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < load.clients; i++)
		begin(&clients[i]);
	while (now_ns() < end_ns && (int64_t)load.ntook < load.count) {
		int n = epoll_wait(load.epoll, events, EVENTS,
		    load.early ? PACE_MS : 100);

		for (int i = 0; i < n; i++)
			ready(events[i].data.ptr, events[i].events);
		begin_early();
	}
	took_ns = now_ns() - load.began_ns;
	for (size_t i = 0; i < load.clients; i++)
		if (clients[i].fd > 0)
			close(clients[i].fd);
	free(clients);
	return took_ns;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t
percentile(double p)
{
	return load.took_us[(size_t)(p * (double)(load.ntook - 1))];
}

static void
tell(int64_t took_ns)
{
	double seconds = (double)took_ns / 1e9;

	if (load.ntook == 0) {
		printf("ok=0\n");
		return;
	}
	qsort(load.took_us, load.ntook, sizeof(*load.took_us), by_value);
	printf("ok=%lld other=%lld broken=%lld per_s=%.0f p50_us=%u p90_us=%u "
	    "p99_us=%u max_us=%u\n", (long long)load.ok, (long long)load.other,
	    (long long)load.broken, (double)load.ok / seconds, percentile(0.5),
	    percentile(0.9), percentile(0.99), percentile(1));
}

/* Whoever listens there has answered, and well. */
static bool
answers(void)
{
	const struct request *r = &load.requests[0];
	char answer[8];
	bool well = false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&load.to, sizeof(load.to)) == 0 &&
	    send(fd, r->data, r->len, MSG_NOSIGNAL) == (ssize_t)r->len)
		well = recv(fd, answer, sizeof(answer), MSG_WAITALL) ==
		    sizeof(answer);
	close(fd);
	return well;
}

static int
wait_for_answer(int64_t seconds)
{
	int64_t end_ns = now_ns() + seconds * 1000000000;

	while (!answers()) {
		if (now_ns() > end_ns)
			return 1;
		usleep(1000);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	int64_t wait_s = 0;
	int c;

	load.to.sun_family = AF_UNIX;
	while ((c = getopt(argc, argv, "b:c:e:h:i:m:M:n:pP:r:s:t:w:")) != -1)
		switch (c) {
		case 'b': load.body = (size_t)atoll(optarg); break;
		case 'c': load.clients = (size_t)atoll(optarg); break;
		case 'e': load.expect = atoi(optarg); break;
		case 'h': load.head = (size_t)atoll(optarg); break;
		case 'i': load.pause_us = (useconds_t)atol(optarg); break;
		case 'm': load.method = optarg; break;
		case 'M': load.mount = optarg; break;
		case 'n': load.count = atoll(optarg); break;
		case 'p': load.print = true; break;
		case 'P': load.prefer = optarg; break;
		case 'r': load.rate = atoll(optarg); break;
		case 's': strncpy(load.to.sun_path, optarg,
			    sizeof(load.to.sun_path) - 1); break;
		case 't': load.seconds = atoll(optarg); break;
		case 'w': wait_s = atoll(optarg); break;
		default: return 2;
		}
	load.nrequests = (size_t)(argc - optind);
	if (load.nrequests == 0 || load.clients == 0)
		return 2;
	load.requests = must(calloc(load.nrequests, sizeof(*load.requests)));
	for (size_t i = 0; i < load.nrequests; i++)
		load.requests[i] = request_new(argv[optind + (int)i]);
	if (wait_s > 0)
		return wait_for_answer(wait_s);
	tell(run());
	return 0;
}
