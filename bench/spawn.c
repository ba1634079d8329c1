/*
 * spawn - runs a program again and again, as plainly as it can be done: vfork,
 * exec, a pipe, wait.
 *
 *	spawn rate THREADS COUNT PROGRAM	so many at a time
 *	spawn first COUNT PROGRAM		one now and then: how long to its
 *						first instruction (see stamp.c)
 *
 * Prints one line of name=value.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/tool.h"

#define PAUSE_US	2000

static char *program;
static atomic_long left;

static pid_t
start(int out)
{
	char *const argv[] = { program, NULL }, *const env[] = { NULL };
	pid_t pid = vfork();

	if (pid == 0) {
		dup2(out, STDOUT_FILENO);
		execve(program, argv, env);
		_exit(127);
	}
	if (pid == -1)
		die("vfork");
	return pid;
}

/* What it prints is in `text` when it has ended. */
static void
run(char *text, size_t size)
{
	size_t len = 0;
	int fd[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) == -1)
		die("pipe");
	pid = start(fd[1]);
	close(fd[1]);
	while ((n = read(fd[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die(program);
}

static void *
thread(void *arg)
{
	char text[256];

	(void)arg;
	while (atomic_fetch_sub(&left, 1) > 0)
		run(text, sizeof(text));
	return NULL;
}

static void
rate(int threads, long count)
{
	pthread_t *id = calloc((size_t)threads, sizeof(*id));
	int64_t began_ns = now_ns();

	if (!id)
		die("memory");
	atomic_store(&left, count);
	for (int i = 0; i < threads; i++)
		if ((errno = pthread_create(&id[i], NULL, thread, NULL)) != 0)
			die("thread");
	for (int i = 0; i < threads; i++)
		pthread_join(id[i], NULL);
	free(id);
	printf("per_s=%.0f\n", (double)count * 1e9 / (double)(now_ns() - began_ns));
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
first(size_t count)
{
	int64_t *took = calloc(count, sizeof(*took)), began_ns;
	char text[256], *body;

	if (!took)
		die("memory");
	for (size_t i = 0; i < count; i++) {
		usleep(PAUSE_US);
		began_ns = now_ns();
		run(text, sizeof(text));
		body = strstr(text, "\n\n");
		if (!body)
			die("what it printed");
		took[i] = atoll(body) - began_ns;
	}
	qsort(took, count, sizeof(*took), by_value);
	printf("p50_us=%.1f\n", (double)took[count / 2] / 1e3);
	free(took);
}

int
main(int argc, char **argv)
{
	program = argv[argc - 1];
	if (argc == 5 && strcmp(argv[1], "rate") == 0)
		rate(atoi(argv[2]), atol(argv[3]));
	else if (argc == 4 && strcmp(argv[1], "first") == 0 && atol(argv[2]) > 0)
		first((size_t)atol(argv[2]));
	else
		return 2;
	return 0;
}
