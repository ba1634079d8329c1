/*
 * trip - a round trip over two socketpairs between three processes: what it
 * costs at least to have somebody do something who is not one's own child.
 *
 *	trip COUNT
 *
 * A byte goes from the first to the second to the third, and back; now and
 * then, so that all three sleep before it leaves.  Prints p50_us=...
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/tool.h"

#define PAUSE_US	2000

/* Whatever comes goes back; what lies further on hears of it first. */
static void __attribute__((noreturn))
serve(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1) {
		if (to != -1 && (write(to, &byte, 1) != 1 ||
		    read(to, &byte, 1) != 1))
			break;
		if (write(from, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

/* A process that serves; gives the socket to reach it by. */
static int
start(int to)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd) == -1)
		die("socketpair");
	switch (fork()) {
	case -1:
		die("fork");
	case 0:
		close(fd[0]);
		serve(fd[1], to);
	}
	close(fd[1]);
	if (to != -1)
		close(to);
	return fd[0];
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	size_t count = argc == 2 ? (size_t)atol(argv[1]) : 0;
	int64_t *took = calloc(count + 1, sizeof(*took)), began_ns;
	int fd = start(start(-1));
	char byte = 0;

	if (count == 0 || !took)
		return 2;
	for (size_t i = 0; i < count; i++) {
		usleep(PAUSE_US);
		began_ns = now_ns();
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			die("the others");
		took[i] = now_ns() - began_ns;
	}
	qsort(took, count, sizeof(*took), by_value);
	printf("p50_us=%.1f\n", (double)took[count / 2] / 1e3);
	free(took);
	return 0;
}
