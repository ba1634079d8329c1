/*
 * proc_stats - the workers, counted.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/master/proc_priv.h"

static bool
serves(const struct code *c, const char *module)
{
	if (c->module == NULL || module == NULL)
		return c->module == module;
	return strcmp(c->module, module) == 0;
}

struct code *
proc_code(struct proc *p, const struct conf_pool *pool)
{
	struct code *c;

	LL_FOREACH(p->codes, c)
		if (serves(c, pool->module))
			return c;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	if (pool->module != NULL &&
	    (c->module = strdup(pool->module)) == NULL) {
		free(c);
		return NULL;
	}
	LL_APPEND(p->codes, c);
	return c;
}

void
proc_free_codes(struct proc *p)
{
	struct code *c, *tmp;

	LL_FOREACH_SAFE(p->codes, c, tmp) {
		free(c->module);
		free(c);
	}
}

static void
add_worker(struct stats_pool *pool, const struct worker *w)
{
	pool->workers++;
	pool->slots += w->nslots;
	pool->stuck += w->nstuck;
	pool->busy += w->nslots - w->nfree - w->nstuck;
}

struct stats_pool *
proc_pools(const struct proc *p, size_t *n)
{
	struct stats_pool *pools, *pool;
	const struct worker *w;
	const struct code *c;

	LL_COUNT(p->codes, c, *n);
	pool = pools = calloc(*n + 1, sizeof(*pools));
	if (pools == NULL)
		return NULL;
	LL_FOREACH(p->codes, c) {
		pool->module = c->module;
		pool->restarts = c->restarts;
		DL_FOREACH(p->workers, w)
			if (w->code == c)
				add_worker(pool, w);
		pool++;
	}
	return pools;
}
