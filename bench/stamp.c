/*
 * stamp - a CGI program that only says when it began: CLOCK_MONOTONIC, in
 * nanoseconds.  Linked as the door is, so that it costs next to nothing.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int
main(void)
{
	char answer[64];
	struct timespec t;
	int n;

	clock_gettime(CLOCK_MONOTONIC, &t);
	n = snprintf(answer, sizeof(answer), "Content-Type: text/plain\n\n%lld\n",
	    (long long)t.tv_sec * 1000000000 + t.tv_nsec);
	return write(1, answer, (size_t)n) == n ? 0 : 1;
}
