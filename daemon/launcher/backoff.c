/*
 * backoff - how long the next one of a kind waits.
 */
#include "daemon/launcher/backoff.h"

#define FIRST_MS	100
#define MAX_MS		10000
#define CALM_MS		10000

static int64_t
delay(unsigned int deaths)
{
	int64_t ms = deaths > 0 ? FIRST_MS : 0;

	while (deaths-- > 1 && ms < MAX_MS)
		ms *= 2;
	return ms < MAX_MS ? ms : MAX_MS;
}

void
backoff_died(struct backoff *b, int64_t started_ms, int64_t now_ms)
{
	/* Those of one litter died of one cause: they count once. */
	if (started_ms < b->start_ms)
		return;
	if (now_ms >= b->calm_ms)
		b->deaths = 0;
	b->start_ms = now_ms + delay(b->deaths++);
	b->calm_ms = b->start_ms + CALM_MS;
}

void
backoff_crashed(struct backoff *b, int64_t started_ms, int64_t now_ms)
{
	if (started_ms < b->start_ms)
		return;
	b->start_ms = now_ms + (now_ms < b->calm_ms ? FIRST_MS : 0);
	b->calm_ms = b->start_ms + CALM_MS;
	b->deaths = 0;
}
