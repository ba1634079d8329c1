/*
 * clock - what time it is, in milliseconds.
 */
#include "config.h"

#include <time.h>

#include "daemon/master/clock.h"

static int64_t
clock_ms(clockid_t which)
{
	struct timespec now;

	clock_gettime(which, &now);	/* cannot fail for these clocks */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

int64_t
clock_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}
