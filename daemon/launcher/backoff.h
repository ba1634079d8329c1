/*
 * backoff - how long the next one of a kind waits.
 *
 * The first that dies is followed at once; when its followers die too, the
 * next ones wait 100 ms, 200 ms, ... up to 10 s.  A kind whose last one has
 * lived 10 s starts anew.  All times are monotonic milliseconds.
 */
#ifndef DAEMON_LAUNCHER_BACKOFF_H
#define DAEMON_LAUNCHER_BACKOFF_H

#include <stdint.h>

struct backoff {
	unsigned int	 deaths;	/* counted, since the last calm */
	int64_t		 start_ms;	/* the next one: not before */
	int64_t		 calm_ms;	/* a death from here on is a first one */
};

/* One that was started at `started_ms` died now.  {0} is the beginning. */
void	backoff_died(struct backoff *, int64_t started_ms, int64_t now_ms);

/*
 * The same, but what it died of is known, and is not the kind's fault: a
 * request that crashes its module must not keep all others waiting.  The
 * next one comes after 100 ms at the most.
 */
void	backoff_crashed(struct backoff *, int64_t started_ms, int64_t now_ms);

#endif
