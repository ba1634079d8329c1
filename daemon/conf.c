/*
 * conf - the settings as the daemon holds them, see conf.h: their defaults,
 * what depends on several of them, their end.  Files are conf_read.c's.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf.h"
#include "daemon/conf_table.h"

/* Any user may start it so: nothing of it needs a directory of deferd's. */
const char conf_default_text[] =
	"store = \"memory\"\n"
	"control = \"\"\n"
	"spool = \"/tmp\"\n"
	"user = \"nobody\"\n"	/* if root tries it: a user that is always there */
	"route \"/*\" { module = \"answer.so\" }\n";

struct conf *
conf_new(void)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	size_t i;

	if (conf == NULL)
		return NULL;
	for (i = 0; i < conf_table_size; i++) {
		if (conf_table[i].top != CONF_NOWHERE &&
		    conf_kind_default(&conf_table[i],
		    (char *)conf + conf_table[i].top) == -1) {
			conf_free(conf);
			return NULL;
		}
	}
	return conf;
}

static int
default_peers(struct conf *conf)
{
	const struct conf_setting *peers = conf_table_find("peers");
	int (*add)(const struct conf_setting *, void *, const char *) =
	    conf_kinds[KIND_LIST].set;

	if (conf->peers != NULL)
		return 0;
	if (add(peers, &conf->peers, conf->run_as) == -1)
		return -1;
	if (strcmp(conf->run_as, "root") == 0)
		return 0;
	return add(peers, &conf->peers, "root");
}

static void
inherit_limits(const struct conf *conf, struct conf_route *r, uint64_t seen)
{
	const struct conf_setting *s;
	size_t i;

	for (i = 0; i < conf_table_size; i++) {
		s = &conf_table[i];
		if (s->top == CONF_NOWHERE || s->route == CONF_NOWHERE ||
		    (seen & UINT64_C(1) << i))
			continue;
		memcpy((char *)r + s->route, (const char *)conf + s->top,
		    conf_kinds[s->kind].size);
	}
}

static char *
module_path(const struct conf *conf, const char *module)
{
	char *path;

	if (module[0] == '/')
		return strdup(module);
	return asprintf(&path, "%s/%s", conf->module_dir, module) == -1 ?
	    NULL : path;
}

/* Takes `module`.  The index of its pool, or -1 without memory. */
static int
pool_of(struct conf *conf, char *module)
{
	struct conf_pool *pools;
	size_t i;

	for (i = 0; i < conf->npools; i++) {
		if (conf->pools[i].module != NULL &&
		    strcmp(conf->pools[i].module, module) == 0) {
			free(module);
			return (int)i;
		}
	}
	pools = reallocarray(conf->pools, conf->npools + 1, sizeof(*pools));
	if (pools == NULL) {
		free(module);
		return -1;
	}
	conf->pools = pools;
	pools[conf->npools].module = module;
	return (int)conf->npools++;
}

static bool
has_exec(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nroutes; i++)
		if (conf->routes[i].module == NULL)
			return true;
	return false;
}

/* The pool of executables comes first, if there is one. */
static int
make_pools(struct conf *conf)
{
	struct conf_route *r;
	char *module;
	int pool;

	if (has_exec(conf)) {
		conf->pools = calloc(1, sizeof(*conf->pools));
		if (conf->pools == NULL)
			return -1;
		conf->npools = 1;
	}
	for (r = conf->routes; r < conf->routes + conf->nroutes; r++) {
		if (r->module == NULL)
			continue;
		module = module_path(conf, r->module);
		if (module == NULL || (pool = pool_of(conf, module)) == -1)
			return -1;
		r->pool = (unsigned int)pool;
	}
	return 0;
}

/* Other people's scripts end as they like, until somebody says otherwise. */
static int
default_scripts(struct conf_route *r, uint64_t seen)
{
	const struct conf_setting *status = conf_table_find("exit-status");
	const struct conf_setting *handler = conf_table_find("handler");

	if (r->scripts == NULL)
		return 0;
	if (!(seen & UINT64_C(1) << (status - conf_table)))
		r->exit_status_ignore = true;
	return r->handler != NULL ? 0 :
	    conf_kinds[KIND_TEXT].set(handler, &r->handler, "defer-script");
}

int
conf_complete(struct conf *conf, const uint64_t *seen)
{
	size_t i;

	for (i = 0; i < conf->nroutes; i++) {
		inherit_limits(conf, &conf->routes[i], seen[i]);
		if (default_scripts(&conf->routes[i], seen[i]) == -1)
			return -1;
	}
	if (default_peers(conf) == -1)
		return -1;
	return make_pools(conf);
}

int
conf_set_socket(struct conf *conf, const char *path)
{
	char *copy = strdup(path);

	if (copy == NULL)
		return -1;
	free(conf->socket_path);
	conf->socket_path = copy;
	return 0;
}

static void
route_fini(struct conf_route *r)
{
	size_t i;

	free(r->name);
	for (i = 0; i < conf_table_size; i++)
		if (conf_table[i].route != CONF_NOWHERE)
			conf_kinds[conf_table[i].kind].clear(
			    (char *)r + conf_table[i].route);
}

void
conf_free(struct conf *conf)
{
	size_t i;

	if (conf == NULL)
		return;
	for (i = 0; i < conf->nroutes; i++)
		route_fini(&conf->routes[i]);
	for (i = 0; i < conf->npools; i++)
		free(conf->pools[i].module);
	for (i = 0; i < conf_table_size; i++)
		if (conf_table[i].top != CONF_NOWHERE)
			conf_kinds[conf_table[i].kind].clear(
			    (char *)conf + conf_table[i].top);
	free(conf->routes);
	free(conf->pools);
	free(conf);
}

static char *
differing(const struct conf *a, const struct conf *b, bool held, char *out,
    size_t size)
{
	const struct conf_setting *s;
	size_t i, len = 0;

	if (size > 0)
		out[0] = '\0';
	for (i = 0; i < conf_table_size; i++) {
		s = &conf_table[i];
		if (s->top == CONF_NOWHERE || s->live ||
		    s->held != held || conf_kinds[s->kind].equal((const char *)a + s->top,
		    (const char *)b + s->top))
			continue;
		if (len < size)
			len += (size_t)snprintf(out + len, size - len, "%s%s",
			    len > 0 ? ", " : "", s->name);
	}
	return out;
}

char *
conf_needs_restart(const struct conf *a, const struct conf *b, char *out,
    size_t size)
{
	return differing(a, b, false, out, size);
}

char *
conf_needs_start(const struct conf *a, const struct conf *b, char *out,
    size_t size)
{
	return differing(a, b, true, out, size);
}
