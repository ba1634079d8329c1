/*
 * clock - what time it is, in milliseconds.
 *
 * Wall time is what people and stores are told; it may jump.  Everything
 * that is waited for is measured in monotonic time.
 */
#ifndef DAEMON_MASTER_CLOCK_H
#define DAEMON_MASTER_CLOCK_H

#include <stdint.h>

int64_t	clock_wall_ms(void);		/* Unix time */
int64_t	clock_mono_ms(void);		/* since some moment in the past */

#endif
