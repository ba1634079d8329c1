/*
 * store_waste - bodies that nobody needs any more.
 *
 * Closing the last descriptor of a large file frees its blocks, which takes
 * a while, and so does deleting it: the io threads do that.  Without memory
 * to tell them, or when they have ended, it is done at once.
 */
#include "config.h"

#include <stdlib.h>

#include "daemon/store/store_priv.h"

struct waste {
	struct work	 work;
	struct store	*store;
	struct body	 body;
};

static void
body_waste(struct store *s, struct body *body)
{
	uint64_t file = body->file;

	body_fini(body);
	if (file != 0)
		s->backend->spool_drop(s->state, file);
}

static void
waste_run(struct work *w)
{
	struct waste *waste = OWNER_OF(w, struct waste, work);

	body_waste(waste->store, &waste->body);
	free(waste);
}

void
store_waste_body(struct store *s, struct body *body)
{
	bool is_file = body->fd >= 0 || body->file != 0;
	struct waste *waste = is_file && s->io ? malloc(sizeof(*waste)) : NULL;

	if (!waste) {
		body_waste(s, body);
		return;
	}
	waste->store = s;
	body_take(&waste->body, body);
	store_hand_over(s->io, &waste->work, waste_run, NULL);
}

void
store_spool_drop(struct store *s, uint64_t file)
{
	struct body body = BODY_EMPTY;

	body.file = file;
	store_waste_body(s, &body);
}
