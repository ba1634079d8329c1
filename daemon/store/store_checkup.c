/*
 * store_checkup - is what is kept sound?
 *
 * The thread that looks through it is started when somebody first wants to
 * know; several who ask stand in its line.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/store/store_priv.h"

static void
check_run(struct work *w)
{
	struct store_checkup *c = OWNER_OF(w, struct store_checkup, work);
	const struct store_backend *backend = c->store->backend;
	FILE *report = open_memstream(&c->report, &c->len);

	c->found = CHECK_UNABLE;
	if (!report)
		return;
	if (backend->check) {
		c->found = backend->check(c->store->state, report,
		    &c->store->stop_checks);
	} else {
		fprintf(report, "%s: nothing is kept, nothing to check\n",
		    backend->name);
		c->found = CHECK_SOUND;
	}
	fclose(report);
}

static void
check_done(struct work *w)
{
	struct store_checkup *c = OWNER_OF(w, struct store_checkup, work);

	c->done(c);
}

int
store_checkup(struct store *s, struct store_checkup *c)
{
	if (!s->checker)
		s->checker = work_pool_new(s->base, "deferd-check", 1);
	if (!s->checker)
		return -1;
	c->store = s;
	store_hand_over(s->checker, &c->work, check_run, check_done);
	return 0;
}

void
store_checkup_fini(struct store_checkup *c)
{
	free(c->report);
	c->report = NULL;
}

void
store_checkup_stop(struct store *s)
{
	struct work *w;

	s->stop_checks = true;
	for (w = work_pool_free(s->checker); w; w = w->next)
		store_checkup_fini(OWNER_OF(w, struct store_checkup, work));
	s->checker = NULL;
}
