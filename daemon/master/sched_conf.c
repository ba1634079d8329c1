/*
 * sched_conf - the routes as they are configured, now and after a reload.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/master/proc.h"
#include "daemon/master/sched_priv.h"
#include "daemon/master/table.h"

static unsigned int
route_index(const struct sched *s, const char *name)
{
	unsigned int i;

	for (i = 0; i < s->nroutes; i++)
		if (strcmp(s->routes[i].name, name) == 0)
			break;
	return i;
}

int
sched_route_by_name(struct sched *s, const char *name)
{
	unsigned int i = route_index(s, name);
	struct sched_route *bigger;

	if (i < s->nroutes)
		return (int)i;
	bigger = reallocarray(s->routes, s->nroutes + 1, sizeof(*bigger));
	if (bigger == NULL)
		return -1;
	s->routes = bigger;
	s->routes[i] = (struct sched_route){ .name = strdup(name) };
	if (s->routes[i].name == NULL)
		return -1;
	s->nroutes++;
	return (int)i;
}

/* A place for every route of these settings that has none; -1: no memory. */
static int
add_routes(struct sched *s, const struct conf *conf)
{
	for (size_t i = 0; i < conf->nroutes; i++)
		if (sched_route_by_name(s, conf->routes[i].name) == -1)
			return -1;
	return 0;
}

/* `keep` may have changed: the list stays in order, its times shift. */
static void
shift_ends(struct sched_route *r, int64_t by_ms)
{
	struct task *t;

	if (by_ms != 0)
		DL_FOREACH(r->finished, t)
			t->ends_ms += by_ms;
}

static void
bind_routes(struct sched *s, const struct conf *conf, unsigned int *by_conf)
{
	const struct conf *old = s->conf != NULL ? s->conf : conf;

	for (size_t i = 0; i < s->nroutes; i++) {
		struct sched_route *r = &s->routes[i];
		const struct conf_route *was = r->conf;
		int64_t keep_s = was != NULL ? was->limits.keep_s :
		    old->limits.keep_s;

		r->conf = NULL;
		for (size_t c = 0; c < conf->nroutes; c++) {
			if (strcmp(conf->routes[c].name, r->name) != 0)
				continue;
			r->conf = &conf->routes[c];
			by_conf[c] = (unsigned int)i;
		}
		shift_ends(r, 1000 * ((r->conf != NULL ?
		    r->conf->limits.keep_s : conf->limits.keep_s) - keep_s));
		sched_redelay(s, (unsigned int)i, was);
	}
}

int
sched_take_conf(struct sched *s, const struct conf *conf)
{
	unsigned int *by_conf = calloc(conf->nroutes + 1, sizeof(*by_conf));
	bool *full = calloc(conf->npools + 1, sizeof(*full));

	if (by_conf == NULL || full == NULL || add_routes(s, conf) == -1) {
		free(by_conf);
		free(full);
		return -1;
	}
	bind_routes(s, conf, by_conf);
	free(s->by_conf);
	free(s->pool_full);
	s->by_conf = by_conf;
	s->pool_full = full;
	s->conf = conf;
	return 0;
}

static void
fail_orphans_in(struct sched *s, struct task *list)
{
	struct task *t, *tmp;

	DL_FOREACH_SAFE(list, t, tmp) {
		if (s->routes[t->route].conf != NULL)
			continue;
		if (sched_change(s, t, TASK_FAILED,
		    "its route is no longer configured") == 0) {
			sched_unlist(s, t);
			continue;
		}
		sched_retry_later(s);
		return;
	}
}

void
sched_fail_orphans(struct sched *s)
{
	for (size_t i = 0; i < s->nroutes; i++)
		if (s->routes[i].conf == NULL)
			fail_orphans_in(s, s->routes[i].ready);
	fail_orphans_in(s, s->delayed);
}

int
sched_set_conf(struct sched *s, const struct conf *conf)
{
	if (sched_take_conf(s, conf) == -1)
		return -1;
	store_set_conf(s->store, conf);
	proc_set_conf(s->proc, conf);
	sched_fail_orphans(s);
	sched_arm_expire(s);
	sched_dispatch(s);
	return 0;
}
