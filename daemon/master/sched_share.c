/*
 * sched_share - identical requests that get one task (share = yes).
 *
 * Beside the table stands, for each unfinished task that may be shared, what
 * a request must equal to get its link.  A request that comes while the first
 * of its kind is being committed follows it: no link is given before the
 * task is promised, and what becomes of the first becomes of all.
 *
 * Not kept in the store: after a restart it begins anew.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define HASH_NONFATAL_OOM 1
#include "daemon/master/sched_priv.h"
#include "daemon/master/table.h"

struct shared {
	UT_hash_handle	 by_key, by_id;
	unsigned char	 id[TASK_ID_BYTES];
	bool		 committed;
	struct submission *followers;	/* utlist, until it is committed */
	size_t		 len;
	unsigned char	 key[];
};

static struct shared *
find(const struct sched *s, const struct submission *sub)
{
	struct shared *found = NULL;

	if (sub->share != NULL)
		HASH_FIND(by_key, s->shared, sub->share, sub->share_len,
		    found);
	return found;
}

bool
sched_shares(const struct sched *s, const struct submission *sub)
{
	return find(s, sub) != NULL;
}

bool
sched_share_join(struct sched *s, struct submission *sub)
{
	struct shared *found = find(s, sub);

	if (found == NULL)
		return false;
	message_fini(&sub->request);
	sub->request = MESSAGE_EMPTY;
	if (found->committed)
		sub->done(sub, SCHED_SHARED, table_find(&s->table, found->id));
	else
		DL_APPEND(found->followers, sub);
	return true;
}

int
sched_share_lead(struct sched *s, const struct submission *sub,
    const unsigned char id[TASK_ID_BYTES])
{
	struct shared *new;

	if (sub->share == NULL)
		return 0;
	new = calloc(1, sizeof(*new) + sub->share_len);
	if (new == NULL)
		return -1;
	memcpy(new->id, id, TASK_ID_BYTES);
	memcpy(new->key, sub->share, new->len = sub->share_len);
	HASH_ADD(by_key, s->shared, key, new->len, new);
	if (new->by_key.tbl != NULL)
		HASH_ADD(by_id, s->shared_by_id, id, TASK_ID_BYTES, new);
	if (new->by_id.tbl != NULL)
		return 0;
	if (new->by_key.tbl != NULL)
		HASH_DELETE(by_key, s->shared, new);
	free(new);
	return -1;
}

static struct shared *
find_task(const struct sched *s, const unsigned char id[TASK_ID_BYTES])
{
	struct shared *found = NULL;

	if (s->shared_by_id != NULL)
		HASH_FIND(by_id, s->shared_by_id, id, TASK_ID_BYTES, found);
	return found;
}

static void
drop(struct sched *s, struct shared *sh)
{
	HASH_DELETE(by_key, s->shared, sh);
	HASH_DELETE(by_id, s->shared_by_id, sh);
	free(sh);
}

void
sched_share_settle(struct sched *s, const unsigned char id[TASK_ID_BYTES],
    enum sched_verdict verdict, const struct task *t)
{
	struct shared *found = find_task(s, id);
	struct submission *followers, *sub, *tmp;

	if (found == NULL)
		return;
	followers = found->followers;
	found->followers = NULL;
	found->committed = true;
	if (t == NULL)
		drop(s, found);
	DL_FOREACH_SAFE(followers, sub, tmp)
		sub->done(sub, t != NULL ? SCHED_SHARED : verdict, t);
}

void
sched_unshare(struct sched *s, const unsigned char id[TASK_ID_BYTES])
{
	struct shared *found = find_task(s, id);

	if (found != NULL)
		drop(s, found);
}

void
sched_free_shared(struct sched *s)
{
	struct shared *sh, *tmp;

	HASH_CLEAR(by_id, s->shared_by_id);
	HASH_ITER(by_key, s->shared, sh, tmp) {
		HASH_DELETE(by_key, s->shared, sh);
		free(sh);
	}
}
