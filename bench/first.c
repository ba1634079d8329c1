/*
 * first - how long from the moment a task is accepted to the first instruction
 * of what runs it.
 *
 *	first SOCKET COUNT PATH
 *
 * Submits a task now and then, while nothing else is going on, and looks for
 * the 202 without sleeping: when it is there, the task is accepted.  What runs
 * must answer with the time it began (stamp.c, stamp_module.c).  Prints
 *
 *	p50_us		from the 202 to there
 *	whole_us	from before the connection was made, the median too
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/tool.h"

#define PAUSE_US	2000
#define MOUNT		"/bench"

static struct sockaddr_un to = { .sun_family = AF_UNIX };

/* A request without a body, as SCGI has it; '\n' stands for NUL. */
static int
ask(const char *method, const char *path)
{
	char block[1024], request[1100];
	int len = snprintf(block, sizeof(block), "CONTENT_LENGTH\n0\nSCGI\n1\n"
	    "REQUEST_METHOD\n%s\nSCRIPT_NAME\n" MOUNT "\nPATH_INFO\n%s\n"
	    "SERVER_PROTOCOL\nHTTP/1.1\n", method, path);
	int n, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (char *p = block; p < block + len; p++)
		if (*p == '\n')
			*p = '\0';
	n = sprintf(request, "%d:", len);
	memcpy(request + n, block, (size_t)len);
	request[n + len] = ',';
	n += len + 1;
	if (fd == -1 || connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1 ||
	    send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		die(to.sun_path);
	return fd;
}

/* The whole answer; when its first byte was there. */
static int64_t
receive(int fd, char *answer, size_t size, bool awake)
{
	ssize_t n;
	size_t len;
	int64_t came_ns;

	while ((n = recv(fd, answer, size - 1, awake ? MSG_DONTWAIT : 0)) == -1)
		if (errno != EAGAIN)
			die("recv");
	came_ns = now_ns();
	for (len = (size_t)n; n > 0; len += (size_t)n)
		if ((n = recv(fd, answer + len, size - 1 - len, 0)) == -1)
			die("recv");
	answer[len] = '\0';
	close(fd);
	return came_ns;
}

/* When it began, as its response says. */
static int64_t
outcome(const char *link)
{
	char answer[4096], *body;

	do {
		usleep(PAUSE_US);
		receive(ask("GET", link), answer, sizeof(answer), false);
	} while (strncmp(answer, "Status: 202", 11) == 0);
	body = strstr(answer, "\r\n\r\n");
	if (strncmp(answer, "Status: 200", 11) != 0 || !body)
		die(answer);
	return atoll(body);
}

static void
measure(const char *path, int64_t *took, int64_t *whole)
{
	char answer[4096], link[128];
	int64_t began_ns, accepted_ns, first_ns;
	const char *at;

	usleep(PAUSE_US);
	began_ns = now_ns();
	accepted_ns = receive(ask("POST", path), answer, sizeof(answer), true);
	at = strstr(answer, "\r\nLocation: " MOUNT);
	if (strncmp(answer, "Status: 202", 11) != 0 || !at ||
	    sscanf(at, "\r\nLocation: " MOUNT "%127s", link) != 1)
		die(answer);
	first_ns = outcome(link);
	*took = first_ns - accepted_ns;
	*whole = first_ns - began_ns;
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double
median_us(int64_t *list, size_t n)
{
	qsort(list, n, sizeof(*list), by_value);
	return (double)list[n / 2] / 1e3;
}

int
main(int argc, char **argv)
{
	size_t count = argc == 4 ? (size_t)atol(argv[2]) : 0;
	int64_t *took = calloc(count + 1, sizeof(*took));
	int64_t *whole = calloc(count + 1, sizeof(*whole));

	if (count == 0 || !took || !whole || strlen(argv[1]) >= sizeof(to.sun_path))
		return 2;
	strcpy(to.sun_path, argv[1]);
	for (size_t i = 0; i < count; i++)
		measure(argv[3], &took[i], &whole[i]);
	printf("p50_us=%.1f whole_us=%.1f\n", median_us(took, count),
	    median_us(whole, count));
	free(took);
	free(whole);
	return 0;
}
