/*
 * defer.cgi - the door: hand the request over and leave.
 *
 * A web server runs this once for each request.  It sends the SCGI head (the
 * CGI variables, RFC 3875 4.1) to the daemon with its own stdin and stdout
 * attached to the first byte, and exits without waiting: the daemon reads
 * the body from that stdin and writes the answer into that stdout.
 *
 * Every path ends in a hand-over or in an answer.  When the daemon does not
 * take the request before the deadline, the door reads what the client still
 * sends (a server may lose the answer of a program that leaves its input
 * unread) and answers 503 itself; a head over the limits of ipc/scgi.h is
 * answered 431.  Why goes to stderr, which is the web server's error log.
 *
 * Variables go out as they came, whatever is in them: a door that dropped a
 * PATH_INFO with a newline would have made another request of it.  What is
 * acceptable is judged in one place, the daemon.  Left out are only DEFERD_*
 * (the door's own settings), and what is no variable ("=x", "x").
 *
 * A request costs one exec of this, so it is linked static, and takes from
 * libc little more than system calls: no malloc, no stdio, no locale.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc/scgi.h"		/* the limits */

#define DEADLINE_S	10	/* DEFERD_DEADLINE may shorten it */
#define NAP_MS		5	/* between two tries */
#define PREFIX_MAX	6	/* "65536:" */

/* As the daemon says it (RFC 9457); the manual lists the types. */
#define PROBLEM(status, reason, headers, type, title, detail)		\
	"Status: " status " " reason "\r\n"				\
	"Content-Type: application/problem+json\r\n"			\
	"Cache-Control: no-store\r\n"					\
	"Referrer-Policy: no-referrer\r\n"				\
	headers "\r\n"							\
	"{\"type\":\"urn:deferd:problem:" type "\","			\
	"\"title\":\"" title "\",\"status\":" status ","		\
	"\"detail\":\"" detail "\"}\n"

static const char too_large[] = PROBLEM("431",
    "Request Header Fields Too Large", "", "head-too-large",
    "Request head too large",
    "The request head is over the limit; no task was made.");
static const char unavailable[] = PROBLEM("503",
    "Service Unavailable", "Retry-After: 5\r\n", "unavailable",
    "Not available",
    "The service takes no requests now; no task was made.");

/* The netstring: its length stands right before the block. */
static char	 space[PREFIX_MAX + SCGI_HEAD_MAX + 1];
static char	*const block = space + PREFIX_MAX;
static size_t	 block_len;
static unsigned int block_vars;

static int64_t	 patience_ms = DEADLINE_S * 1000;
static int64_t	 deadline_ms;		/* monotonic; 0: no try has failed yet */

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = NAP_MS * 1000000 }, NULL);
}

/* Decimal digits and nothing else, or -1. */
static int64_t
number(const char *text)
{
	int64_t n = 0;

	if (text == NULL || *text == '\0')
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9' || n > INT64_MAX / 10 - 1)
			return -1;
		n = n * 10 + (*text - '0');
	}
	return n;
}

/* -- the head ------------------------------------------------------------- */

/* RFC 3875 4.1.2: a CONTENT_LENGTH without a value is none. */
static const char *
content_length(void)
{
	const char *value = getenv("CONTENT_LENGTH");

	if (value != NULL && *value != '\0')
		return value;
	return getenv("HTTP_TRANSFER_ENCODING") != NULL ? NULL : "0";
}

static bool
block_add(const char *name, size_t name_len, const char *value)
{
	size_t value_size = strlen(value) + 1;
	size_t free_bytes = SCGI_HEAD_MAX - block_len;

	if (block_vars == SCGI_VARS_MAX ||
	    name_len + 1 + value_size > free_bytes)
		return false;
	memcpy(block + block_len, name, name_len);
	block_len += name_len;
	block[block_len++] = '\0';
	memcpy(block + block_len, value, value_size);
	block_len += value_size;
	block_vars++;
	return true;
}

/* What the block has already, or must not have. */
static bool
is_ours(const char *name, size_t len)
{
	return (len == 14 && memcmp(name, "CONTENT_LENGTH", len) == 0) ||
	    (len == 4 && memcmp(name, "SCGI", len) == 0) ||
	    (len >= 7 && memcmp(name, "DEFERD_", 7) == 0);
}

/* False: over a limit. */
static bool
block_fill(void)
{
	const char *length = content_length(), *eq;
	size_t name_len;

	if (length != NULL && !block_add("CONTENT_LENGTH", 14, length))
		return false;
	if (!block_add("SCGI", 4, "1"))
		return false;
	for (char **var = environ; *var != NULL; var++) {
		eq = strchr(*var, '=');
		if (eq == NULL || eq == *var)
			continue;
		name_len = (size_t)(eq - *var);
		if (!is_ours(*var, name_len) &&
		    !block_add(*var, name_len, eq + 1))
			return false;
	}
	return true;
}

/* The block as a netstring: "LENGTH:" before it, "," behind it. */
static struct iovec
netstring(void)
{
	char *start = block;

	block[block_len] = ',';
	*--start = ':';
	for (size_t n = block_len; n > 0; n /= 10)
		*--start = (char)('0' + n % 10);
	return (struct iovec){ start, (size_t)(block + block_len + 1 - start) };
}

/* -- the hand-over -------------------------------------------------------- */

/*
 * The first try waits for nobody, and is nearly always the last one.  Behind
 * this connect() and sendmsg() on `s` wait, up to the deadline; false then.
 */
static bool
in_time(int s)
{
	int64_t now = now_ms(), left;
	struct timeval tv;

	if (deadline_ms == 0)
		deadline_ms = now + patience_ms;
	left = deadline_ms - now;
	if (left <= 0) {
		errno = ETIMEDOUT;
		return false;
	}
	tv = (struct timeval){ left / 1000, left % 1000 * 1000 };
	return fcntl(s, F_SETFL, 0) == 0 &&
	    setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0;
}

/* EAGAIN: the backlog is full. */
static bool
dial(int s, const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t size = strlen(path) + 1;

	if (size > sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(to.sun_path, path, size);
	do {
		if (connect(s, (struct sockaddr *)&to, sizeof(to)) == 0)
			return true;
		if (errno != EAGAIN && errno != EINTR)
			return false;
	} while (in_time(s));
	return false;
}

/*
 * Sends the first bytes with stdin and stdout.  ETOOMANYREFS: too many
 * descriptors of this user are in flight, so the daemon is behind.
 */
static ssize_t
send_first(int s, struct iovec *iov)
{
	const int fds[2] = { STDIN_FILENO, STDOUT_FILENO };
	union {
		char buf[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	do {
		n = sendmsg(s, &msg, MSG_NOSIGNAL);
		if (n > 0)
			return n;
		if (errno != EAGAIN && errno != EINTR && errno != ETOOMANYREFS)
			return -1;
		if (errno == ETOOMANYREFS)
			nap();
	} while (in_time(s));
	return -1;
}

/*
 * With the first byte the daemon has stdin and stdout, and the answer is its
 * duty: also when the rest does not get through (it sees a head cut short).
 */
static bool
hand_over(int s, const char *path)
{
	struct iovec head = netstring();
	const char *rest = head.iov_base;
	size_t left = head.iov_len;
	ssize_t n;

	if (s < 0 || !dial(s, path))
		return false;
	n = send_first(s, &head);
	if (n < 0)
		return false;
	for (;;) {
		rest += n;
		left -= (size_t)n;
		if (left == 0 || !in_time(s))
			return true;
		n = send(s, rest, left, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return true;
		if (n < 0)
			n = 0;
	}
}

/* -- answering oneself ---------------------------------------------------- */

static bool
ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do
		n = poll(&p, 1, (int)patience_ms);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

/*
 * Reads the body to its end, as long as it comes: who waits for its last
 * byte to be taken gets the answer then.  Nobody waits at a file.
 */
static void
drain(void)
{
	const char *length = content_length();
	int64_t left = length == NULL ? INT64_MAX : number(length);
	struct stat st;
	ssize_t n;

	if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
		return;
	while (left > 0 && ready(STDIN_FILENO, POLLIN)) {
		/* the head is of no use any more */
		n = read(STDIN_FILENO, space, (uint64_t)left < sizeof(space) ?
		    (size_t)left : sizeof(space));
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			return;
		if (n > 0)
			left -= n;
	}
}

static void
answer(const char *text, size_t len)
{
	ssize_t n;

	drain();
	while (len > 0 && ready(STDOUT_FILENO, POLLOUT)) {
		n = write(STDOUT_FILENO, text, len);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
}

static const char *
reason(int error)
{
	switch (error) {
	case ENOENT:
		return "no such socket; is deferd running?";
	case ECONNREFUSED:
		return "nobody listens; is deferd running?";
	case EACCES:
		return "this user may not open the socket";
	case ENAMETOOLONG:
		return "too long for the path of a socket";
	case ETIMEDOUT:
		return "deferd took no request before the deadline";
	default:
		return "cannot reach deferd";
	}
}

static void
complain(const char *what, const char *why)
{
	const char *const text[] = { "defer.cgi: ", what, ": ", why, "\n" };
	struct iovec iov[5];

	for (int i = 0; i < 5; i++)
		iov[i] = (struct iovec){ (char *)text[i], strlen(text[i]) };
	if (writev(STDERR_FILENO, iov, 5) < 0)
		return;		/* nobody is left to be told */
}

/* -- */

static int
open_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/*
 * The socket must not become number 0, 1 or 2, and if it does, one of these is
 * closed.  A closed stdin is an empty body.  Without stdout nobody could learn
 * a task's link: false.
 */
static bool
standard_fds(int *s)
{
	bool answerable;
	int fd;

	if (*s < 0 || *s > STDERR_FILENO)
		return true;
	close(*s);
	answerable = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	*s = open_socket();
	return answerable;
}

int
main(void)
{
	const char *path = getenv("DEFERD_SOCKET");
	int64_t seconds = number(getenv("DEFERD_DEADLINE"));
	int s = open_socket();

	if (path == NULL || *path == '\0')
		path = DEFERD_SOCKET_PATH;
	if (seconds > 0 && seconds < DEADLINE_S)
		patience_ms = seconds * 1000;

	if (!standard_fds(&s)) {
		complain("stdout", "closed; nobody could be answered");
		_exit(1);
	}
	if (!block_fill()) {
		complain("request", "head over 64 KiB or 200 variables");
		answer(too_large, sizeof(too_large) - 1);
	} else if (!hand_over(s, path)) {
		complain(path, reason(errno));
		answer(unavailable, sizeof(unavailable) - 1);
	}
	_exit(0);
}
