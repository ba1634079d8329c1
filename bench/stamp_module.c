/*
 * stamp_module - a module that only says when it began: CLOCK_MONOTONIC, in
 * nanoseconds.
 */
#include <stdio.h>
#include <time.h>

#include <deferd.h>

DEFERD_MODULE

int
deferd_run(const struct deferd_api *api, struct deferd_task *task)
{
	char answer[32];
	struct timespec t;
	int n;

	clock_gettime(CLOCK_MONOTONIC, &t);
	n = snprintf(answer, sizeof(answer), "%lld\n",
	    (long long)t.tv_sec * 1000000000 + t.tv_nsec);
	api->header(task, "Content-Type", "text/plain");
	api->write(task, answer, (size_t)n);
	return 0;
}
