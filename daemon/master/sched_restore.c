/*
 * sched_restore - what the store knew at start becomes the table.
 *
 * Queued tasks are ready again in their old order.  Of tasks that were
 * running nobody knows how far they came: the rerun rule decides.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/request.h"
#include "daemon/master/clock.h"
#include "daemon/master/owner.h"
#include "daemon/master/sched_priv.h"

struct restore {
	struct sched	*sched;
	char		*error;		/* for people */
};

static int
restore_failed(const struct restore *r, const struct store_row *row)
{
	char id[TASK_ID_TEXT];

	(void)snprintf(r->error, CONF_ERROR_MAX, errno == EEXIST ?
	    "store: task %s is there twice: is the file damaged?" :
	    "store: no memory for task %s and those after it",
	    task_id_text(row->id, id));
	return -1;
}

static int
restore_row(const struct store_row *row, void *arg)
{
	struct restore *r = arg;
	struct sched *s = r->sched;
	int route = sched_route_by_name(s, row->route);
	struct task *t = route >= 0 ? table_add_owned(&s->table, row->id,
	    owner_digest(row->owner)) : NULL;

	if (t == NULL)
		return restore_failed(r, row);
	t->row = row->row;
	t->created_ms = row->created_ms;
	t->changed_ms = row->changed_ms;
	t->route = (unsigned int)route;
	t->state = row->state;
	t->attempt = row->attempt;
	t->method = conf_method(row->method);
	s->routes[route].kept[t->state]++;
	if (!task_finished(row->state) && sched_client_add(s,
	    (unsigned int)route, request_owner_user(row->owner),
	    row->id) == -1)
		return restore_failed(r, row);
	if (row->state == TASK_QUEUED) {
		sched_count_queued(s, &s->routes[route], 1);
		sched_list_ready(s, t, false);
		if (t->attempt > 0)
			sched_delay(s, t);
	} else if (task_finished(row->state)) {
		DL_APPEND(s->routes[route].finished, t);
		t->listed = true;
	}
	return 0;
}

static int
by_time(const struct task *a, const struct task *b)
{
	return (a->changed_ms > b->changed_ms) -
	    (a->changed_ms < b->changed_ms);
}

/*
 * What is left of `keep`, by the clock on the wall: the only one that has
 * gone on while we were away.  If it was set back meanwhile, a task is kept
 * as if it had just finished, not for longer.
 */
static void
set_ends(struct sched *s, struct sched_route *r)
{
	int64_t keep_ms = sched_keep_ms(s, r);
	int64_t wall_ms = clock_wall_ms(), mono_ms = clock_mono_ms();
	struct task *t;

	DL_SORT(r->finished, by_time);
	DL_FOREACH(r->finished, t) {
		int64_t age_ms = wall_ms - t->changed_ms;

		t->ends_ms = mono_ms + keep_ms - (age_ms > 0 ? age_ms : 0);
	}
}

static int
settle_running(struct sched *s, struct task *t)
{
	bool again = sched_may_rerun(s, t, true) || sched_may_try_again(s, t);

	return sched_change(s, t, again ? TASK_QUEUED : TASK_FAILED,
	    "it was interrupted: the daemon was restarted");
}

int
sched_restore(struct sched *s, char *error)
{
	struct restore r = { s, error };
	size_t running = 0;
	struct task *t;

	if (store_scan(s->store, restore_row, &r, error) == -1)
		return -1;
	for (size_t i = 0; i < s->nroutes; i++)
		set_ends(s, &s->routes[i]);
	for (t = s->table.tasks; t != NULL; t = t->hh.next) {
		if (t->state != TASK_RUNNING)
			continue;
		running++;
		if (settle_running(s, t) == -1) {
			(void)snprintf(error, CONF_ERROR_MAX, "no memory");
			return -1;
		}
	}
	if (s->table.count > 0)
		log_info("restored tasks=%zu queued=%zu interrupted=%zu",
		    s->table.count, s->nqueued, running);
	sched_fail_orphans(s);
	sched_arm_expire(s);
	return 0;
}
