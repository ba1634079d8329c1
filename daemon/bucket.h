/*
 * bucket - so many at once, and so many each second in the long run.
 *
 * A token bucket; the time is an argument.  It is full at first.
 */
#ifndef DAEMON_BUCKET_H
#define DAEMON_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	int64_t		 burst;
	int64_t		 per_second;
	int64_t		 spent;		/* x 1000 */
	int64_t		 then_ms;	/* when `spent` was true */
};

#define BUCKET(burst, per_second)	{ (burst), (per_second), 0, 0 }

/* One more, if it has one.  now_ms: monotonic. */
bool	bucket_take(struct bucket *, int64_t now_ms)
	__attribute__((warn_unused_result));

#endif
