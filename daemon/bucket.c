#include "daemon/bucket.h"

bool
bucket_take(struct bucket *b, int64_t now_ms)
{
	int64_t ms = now_ms - b->then_ms;

	b->then_ms = now_ms;
	/* After so long it is full anyway; and the product stays small. */
	if (ms > 1000 * b->burst)
		ms = 1000 * b->burst;
	b->spent -= ms * b->per_second;
	if (b->spent < 0)
		b->spent = 0;
	if (b->spent > 1000 * (b->burst - 1))
		return false;
	b->spent += 1000;
	return true;
}
