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
static int64_t	 deadline_ms;			/* monotonic */

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

/* connect() and sendmsg() on `s` give up at the deadline; false behind it. */
static bool
in_time(int s)
{
	int64_t left = deadline_ms - now_ms();
	struct timeval tv = { left / 1000, left % 1000 * 1000 };

	if (left <= 0) {
		errno = ETIMEDOUT;
		return false;
	}
	return setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0;
}

/* connect() blocks while the backlog is full, and says EAGAIN at last. */
static int
dial(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t size = strlen(path) + 1;
	int s;

	if (size > sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to.sun_path, path, size);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -1;
	while (in_time(s)) {
		if (connect(s, (struct sockaddr *)&to, sizeof(to)) == 0)
			return s;
		if (errno != EAGAIN && errno != EINTR)
			return -1;
		if (errno == EAGAIN)
			nap();
	}
	return -1;
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
	while (in_time(s)) {
		n = sendmsg(s, &msg, MSG_NOSIGNAL);
		if (n > 0)
			return n;
		if (errno != EAGAIN && errno != EINTR && errno != ETOOMANYREFS)
			return -1;
		if (errno != EINTR)
			nap();
	}
	return -1;
}

/*
 * With the first byte the daemon has stdin and stdout, and the answer is its
 * duty: also when the rest does not get through (it sees a head cut short).
 */
static bool
hand_over(const char *path)
{
	struct iovec head = netstring();
	const char *rest = head.iov_base;
	size_t left = head.iov_len;
	int s = dial(path);
	ssize_t n = s < 0 ? -1 : send_first(s, &head);

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

/*
 * The socket must not become number 0, 1 or 2.  A closed stdin is an empty
 * body.  Without stdout nobody could learn a task's link: false.
 */
static bool
standard_fds(void)
{
	bool answerable = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return answerable;
}

int
main(void)
{
	const char *path = getenv("DEFERD_SOCKET");
	int64_t seconds = number(getenv("DEFERD_DEADLINE"));

	if (path == NULL || *path == '\0')
		path = DEFERD_SOCKET_PATH;
	if (seconds > 0 && seconds < DEADLINE_S)
		patience_ms = seconds * 1000;
	deadline_ms = now_ms() + patience_ms;

	if (!standard_fds()) {
		complain("stdout", "closed; nobody could be answered");
		_exit(1);
	}
	if (!block_fill()) {
		complain("request", "head over 64 KiB or 200 variables");
		answer(too_large, sizeof(too_large) - 1);
	} else if (!hand_over(path)) {
		complain(path, reason(errno));
		answer(unavailable, sizeof(unavailable) - 1);
	}
	_exit(0);
}
