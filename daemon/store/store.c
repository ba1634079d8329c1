/*
 * store - the life of a store: it is opened around a back-end, asked for
 * figures, and closed when all that was queued is committed.
 *
 * The back-end applies; threads, batches, budgets and the order are ours.
 * Which file has which of them is said in store_priv.h.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf.h"
#include "daemon/store/store_priv.h"
#include "ipc/nitems.h"

#define IO_THREADS	2

static const struct store_backend *const backends[] = {
	&store_memory,
#ifdef HAVE_SQLITE
	&store_sqlite,
#endif
};

/* -- open ------------------------------------------------------------------ */

static int
pools_start(struct store *s)
{
	s->io = work_pool_new(s->base, "store-io", IO_THREADS);
	if (!s->io || !s->backend->threaded)
		return s->io ? 0 : -1;
	s->writer = work_pool_new(s->base, "store-writer", 1);
	s->reader = work_pool_new(s->base, "store-reader", 1);
	return s->writer && s->reader ? 0 : -1;
}

static int
store_start(struct store *s, char *error)
{
	if (store_batch_init(s) < 0 || pools_start(s) < 0) {
		snprintf(error, CONF_ERROR_MAX,
		    "store: cannot start threads: %s", strerror(errno));
		return -1;
	}
	store_room_init(s);
	return 0;
}

struct store *
store_open_backend(struct event_base *base, const struct conf *conf,
    const struct store_backend *backend, const char *where, char *error)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s) {
		snprintf(error, CONF_ERROR_MAX, "store: %s", strerror(errno));
		return NULL;
	}
	s->backend = backend;
	s->base = base;
	store_set_conf(s, conf);
	s->state = backend->open(where, conf, error);
	if (!s->state || store_start(s, error) < 0) {
		store_close(s);
		return NULL;
	}
	return s;
}

struct store *
store_open(struct event_base *base, const struct conf *conf, char *error)
{
	size_t i, len = strcspn(conf->store, ":");
	const char *where = conf->store + len;

	if (*where == ':')
		where++;
	for (i = 0; i < nitems(backends); i++)
		if (strlen(backends[i]->name) == len &&
		    memcmp(backends[i]->name, conf->store, len) == 0)
			return store_open_backend(base, conf, backends[i],
			    where, error);
	snprintf(error, CONF_ERROR_MAX,
	    "store: this build has nothing that could open \"%s\"",
	    conf->store);
	return NULL;
}

void
store_set_conf(struct store *s, const struct conf *conf)
{
	s->budget.max_tasks = (uint64_t)conf->max_tasks;
	s->budget.max_bytes = (uint64_t)conf->max_store_bytes;
	s->look.min_free = (uint64_t)conf->min_free_bytes;
}

/* -- close ----------------------------------------------------------------- */

static void
reader_stop(struct store *s)
{
	struct work *w;

	for (w = work_pool_free(s->reader); w; w = w->next)
		store_op_drop(OWNER_OF(w, struct store_op, work));
	s->reader = NULL;
}

/* What comes back from there is the look, and operations that were synced. */
static void
io_stop(struct store *s)
{
	struct store_op *op;
	struct work *w;

	for (w = work_pool_free(s->io); w; w = w->next) {
		if (w == &s->look.work)
			continue;
		op = OWNER_OF(w, struct store_op, work);
		if (op->verdict == STORE_OK)
			store_batch_queue(s, op);
	}
	s->io = NULL;
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	if (s->state && s->backend->leave)
		s->backend->leave(s->state);
	store_checkup_stop(s);
	store_batch_stop(s);	/* before io: it may leave files to be deleted */
	reader_stop(s);
	io_stop(s);
	store_batch_fini(s);
	if (s->state)
		s->backend->close(s->state);
	free(s);
}

/* -- what is asked of it --------------------------------------------------- */

bool
store_durable(const struct store *s)
{
	return s->backend->durable;
}

int
store_scan(struct store *s, int (*each)(const struct store_row *, void *),
    void *arg, char *error)
{
	return s->backend->scan(s->state, each, arg, &s->budget.bytes,
	    &s->budget.tasks, error);
}

int
store_spool_create(struct store *s, struct body *body)
{
	return s->backend->spool_create(s->state, body);
}

void
store_stats(struct store *s, struct store_stats *stats)
{
	const struct store_budget *budget = &s->budget;
	const struct store_batch *batch = &s->batch;

	store_room_look(s);
	stats->kind = s->backend->name;
	stats->tasks = (uint64_t)budget->tasks;
	stats->max_tasks = budget->max_tasks;
	stats->bytes = (uint64_t)budget->bytes;
	stats->max_bytes = budget->max_bytes;
	stats->reserved_bytes = budget->reserved;
	stats->free_bytes = s->look.room.free_bytes;
	stats->min_free_bytes = store_room_floor(s);
	stats->log_bytes = s->look.room.log_bytes;
	stats->commits = batch->napplied;
	stats->ops = batch->nchanges;
	stats->commit_us = batch->commit_us;
	stats->batch = batch->sizes;
}
