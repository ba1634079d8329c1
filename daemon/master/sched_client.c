/*
 * sched_client - how many unfinished tasks each client has (max-per-client).
 *
 * Beside the table, for tasks of routes that have the limit: the others, and
 * those who are in no hurry to flood us, pay nothing.  A client is a name,
 * REMOTE_USER or REMOTE_ADDR.  The store knows users, as owners of tasks, and
 * no addresses: after a restart only users have what they had.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include "daemon/master/sched_priv.h"

struct client {
	UT_hash_handle	 hh;
	size_t		 tasks;		/* that are not finished */
	char		 name[];
};

/* Whose a task is. */
struct counted {
	UT_hash_handle	 hh;
	unsigned char	 id[TASK_ID_BYTES];
	struct client	*client;
};

/* 0: none. */
static int64_t
limit_of(const struct sched *s, unsigned int route, const char *name)
{
	const struct conf_route *r = s->routes[route].conf;

	return r != NULL && name != NULL ? r->limits.max_per_client : 0;
}

static struct client *
find(const struct sched *s, const char *name)
{
	struct client *c;

	HASH_FIND_STR(s->clients, name, c);
	return c;
}

bool
sched_client_full(const struct sched *s, const struct submission *sub)
{
	int64_t limit = limit_of(s, sub->route, sub->client);
	const struct client *c;

	return limit != 0 && (c = find(s, sub->client)) != NULL &&
	    c->tasks >= (size_t)limit;
}

static struct client *
find_or_add(struct sched *s, const char *name)
{
	struct client *c = find(s, name);
	size_t len = strlen(name);

	if (c != NULL || (c = calloc(1, sizeof(*c) + len + 1)) == NULL)
		return c;
	memcpy(c->name, name, len);
	HASH_ADD_STR(s->clients, name, c);
	if (c->hh.tbl == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

static void
drop_if_idle(struct sched *s, struct client *c)
{
	if (c->tasks > 0)
		return;
	HASH_DEL(s->clients, c);
	free(c);
}

int
sched_client_add(struct sched *s, unsigned int route, const char *name,
    const unsigned char id[TASK_ID_BYTES])
{
	struct client *client;
	struct counted *new;

	if (limit_of(s, route, name) == 0)
		return 0;
	client = find_or_add(s, name);
	new = client != NULL ? calloc(1, sizeof(*new)) : NULL;
	if (new != NULL) {
		memcpy(new->id, id, TASK_ID_BYTES);
		HASH_ADD(hh, s->counted, id, TASK_ID_BYTES, new);
		if (new->hh.tbl != NULL) {
			new->client = client;
			client->tasks++;
			return 0;
		}
		free(new);
	}
	if (client != NULL)
		drop_if_idle(s, client);
	return -1;
}

void
sched_client_remove(struct sched *s, const unsigned char id[TASK_ID_BYTES])
{
	struct counted *old = NULL;

	if (s->counted != NULL)
		HASH_FIND(hh, s->counted, id, TASK_ID_BYTES, old);
	if (old == NULL)
		return;
	HASH_DEL(s->counted, old);
	old->client->tasks--;
	drop_if_idle(s, old->client);
	free(old);
}

void
sched_free_clients(struct sched *s)
{
	struct counted *old, *tmp;

	HASH_ITER(hh, s->counted, old, tmp)
		sched_client_remove(s, old->id);
}
