/*
 * mod_probe - a module that does what QUERY_STRING says, mostly harm.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <deferd.h>
#include "daemon/role.h"

DEFERD_MODULE

#define CHUNK	100000

/* The request's body, as it came. */
static int
echo(const struct deferd_api *api, struct deferd_task *task)
{
	char *chunk = malloc(CHUNK);
	int64_t n;

	api->header(task, "Content-Type", "application/octet-stream");
	while ((n = api->read(task, chunk, CHUNK)) > 0)
		if (api->write(task, chunk, (size_t)n) == -1)
			break;
	free(chunk);
	return n == 0 ? 0 : 1;
}

/* What the interface refuses, one character for each answer. */
static int
refusals(const struct deferd_api *api, struct deferd_task *task)
{
	int bad = 0;

	bad += api->abi == DEFERD_ABI;
	bad += api->status(task, 199) == -1;
	bad += api->status(task, 600) == -1;
	bad += api->header(task, "Bad Name", "x") == -1;
	bad += api->header(task, "", "x") == -1;
	bad += api->header(task, "X", "a\r\nSet-Cookie: b") == -1;
	bad += api->header(task, "Status", "500") == -1;
	bad += api->status(task, 418) == 0;
	bad += api->header(task, "Set-Cookie", "a=1") == 0;
	bad += api->header(task, "Set-Cookie", "b=2") == 0;
	bad += api->write(task, "", 0) == 0;
	bad += api->status(task, 200) == -1;
	bad += api->header(task, "X", "late") == -1;
	bad += api->variable(task, "NO_SUCH") == NULL;
	bad += api->variable(task, "HTTP_PROXY") == NULL;
	return api->write(task, bad == 15 ? "all" : "not all",
	    bad == 15 ? 3 : 7);
}

static int
variables(const struct deferd_api *api, struct deferd_task *task)
{
	static const char *const names[] = { "PATH_INFO", "COLOR",
	    "REQUEST_METHOD", "DEFERD_TASK_ID", "DEFERD_PROGRESS_FD" };
	const char *value;
	char line[256];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		value = api->variable(task, names[i]);
		snprintf(line, sizeof(line), "%s=%s\n", names[i],
		    value != NULL ? value : "none");
		api->write(task, line, strlen(line));
	}
	snprintf(line, sizeof(line), "%d\n", (int)api->body_size(task));
	return api->write(task, line, strlen(line));
}

static int
until_cancelled(const struct deferd_api *api, struct deferd_task *task)
{
	api->progress(task, 7, "waiting");
	while (!api->cancelled(task))
		usleep(1000);
	api->write(task, "too late", 8);
	return 0;
}

static int
pour(const struct deferd_api *api, struct deferd_task *task)
{
	static const char zeros[4096];

	while (api->write(task, zeros, sizeof(zeros)) == 0)
		;
	return 0;
}

/* Deeper than any stack. */
static int
recurse(volatile char *above, int levels)
{
	volatile char here[4096];

	here[0] = *above;
	return levels == 0 ? 0 : recurse(here, levels - 1) + here[0];
}

static int
crash(const char *how)
{
	char one = 1;

	if (strcmp(how, "segv") == 0)
		*(volatile char *)mmap(NULL, 1, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = one;
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "fpe") == 0)
		raise(SIGFPE);
	if (strcmp(how, "stack") == 0)
		return recurse(&one, 1 << 30);
	return -1;
}

int
deferd_run(const struct deferd_api *api, struct deferd_task *task)
{
	const char *what = api->variable(task, "QUERY_STRING");

	if (strcmp(what, "echo") == 0)
		return echo(api, task);
	if (strcmp(what, "refusals") == 0)
		return refusals(api, task);
	if (strcmp(what, "variables") == 0)
		return variables(api, task);
	if (strcmp(what, "location") == 0)
		return api->header(task, "Location", "/elsewhere");
	if (strcmp(what, "nothing") == 0)
		return 0;
	if (strcmp(what, "seven") == 0)
		return api->write(task, "x", 1) + 7;
	if (strcmp(what, "log") == 0)
		api->log(task, "one\ntwo"), api->log(task, "three\n");
	if (strcmp(what, "unblock") == 0)
		fcntl(WORKER_FD_JOBS, F_SETFL, O_RDWR | O_NONBLOCK);
	if (strcmp(what, "short") == 0)
		api->header(task, "Content-Length", "10");
	if (strcmp(what, "headers") == 0)
		while (api->header(task, "X-Many", "of them") == 0)
			;
	if (strcmp(what, "pour") == 0)
		return pour(api, task);
	if (strcmp(what, "wait") == 0)
		return until_cancelled(api, task);
	if (strcmp(what, "never") == 0)
		for (api->progress(task, 0, NULL);;)
			pause();
	return crash(what) == -1 ? api->write(task, "ok", 2) : 1;
}
