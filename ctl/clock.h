/*
 * clock - what time it is, in milliseconds.
 */
#ifndef CTL_CLOCK_H
#define CTL_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t
clock_read(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Unix time; and one that nobody sets. */
static inline int64_t
clock_wall_ms(void)
{
	return clock_read(CLOCK_REALTIME);
}

static inline int64_t
clock_ms(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

#endif
