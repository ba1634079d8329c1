/*
 * store_tidy - upkeep by the back-end, a step at a time.
 *
 * Each batch is followed by a step, and each step by the next one while there
 * is more to do.  The writer has its work in a row, so a batch that comes
 * meanwhile waits for one step at most.
 */
#include "config.h"

#include "daemon/store/store_priv.h"

static void
tidy_run(struct work *w)
{
	struct store *s = OWNER_OF(w, struct store, tidy.work);

	s->tidy.more = s->backend->tidy(s->state);
}

static void
tidy_done(struct work *w)
{
	struct store *s = OWNER_OF(w, struct store, tidy.work);

	s->tidy.busy = false;
	if (s->tidy.more)
		store_tidy_soon(s);
}

void
store_tidy_soon(struct store *s)
{
	if (!s->backend->tidy || s->tidy.busy)
		return;
	s->tidy.busy = true;
	store_hand_over(s->writer, &s->tidy.work, tidy_run, tidy_done);
}
