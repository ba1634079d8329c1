/*
 * sched_list - the tasks that an operator wants to see, newest first.
 *
 * There may be a million, and the loop must not wait for any of it.  Two ways
 * through them:
 *
 * - By the table, from the newest entry on, so many per turn of the loop, for
 *   whatever filter.  An entry that is removed while a walk stands there moves
 *   that on to the next one.
 * - What has not ended is in the queues of the routes, or has a job: if these
 *   are few, they are gone through in one step for each part of the list, and
 *   the part is put in order.  This is what somebody looks at every second.
 */
#include "config.h"

#include <limits.h>
#include <string.h>
#include <utlist.h>

#include "daemon/master/owner.h"
#include "daemon/master/sched_priv.h"
#include "daemon/master/table.h"

#define STEP		4096	/* entries of the table in a turn: below 1 ms */
#define FEW		16384	/* tasks that may be gone through at once */
#define ROUTE_ANY	UINT_MAX
#define UNFINISHED	(1u << TASK_QUEUED | 1u << TASK_RUNNING)

const char *
sched_route_name(const struct sched *s, const struct task *t)
{
	return s->routes[t->route].name;
}

/*
 * A task of a script has its place in its owner, too: that is not to be known
 * from the name.
 */
static bool
may_be_of(const struct listing *l, const struct task *t)
{
	const struct conf_route *r = l->sched->routes[t->route].conf;

	return t->owned && (t->owner[0] == l->owner || r == NULL ||
	    r->scripts != NULL);
}

/* One without a row is not committed yet: nobody has been told of it. */
static bool
passes(const struct listing *l, const struct task *t)
{
	return t->row != 0 &&
	    (l->route == ROUTE_ANY || l->route == t->route) &&
	    (l->filter->owner == NULL || may_be_of(l, t)) &&
	    filter_passes(l->filter, t, l->now_ms);
}

static void
give(struct listing *l)
{
	size_t n = l->n;

	l->n = 0;
	l->found(l, n);
}

/* --- by the table ------------------------------------------------------------ */

static void
step(struct listing *l)
{
	struct timeval soon = { 0 };
	int left = STEP;

	while (l->at != NULL && l->n < l->want && left-- > 0) {
		if (passes(l, l->at))
			memcpy(l->id[l->n++], l->at->id, TASK_ID_BYTES);
		l->at = table_older(l->at);
	}
	if (l->at == NULL || l->n == l->want)
		give(l);
	else if (evtimer_add(l->turn, &soon) == -1)
		event_active(l->turn, EV_TIMEOUT, 0);	/* needs no memory */
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	step(arg);
}

void
sched_list_pass(struct sched *s, const struct task *t)
{
	struct listing *l;

	DL_FOREACH(s->listings, l)
		if (l->at == t)
			l->at = table_older(t);
}

/* --- by the queues and the jobs ---------------------------------------------- */

/* A part of the list while it is made: the newest so far, in order. */
struct part {
	struct listing	*l;
	const struct task *task[LISTING_PART];
	size_t		 n;
};

/* 1 if the task came after that moment, and that row; 0 if it is the one. */
static int
compare(const struct task *t, int64_t ms, int64_t row)
{
	if (t->created_ms != ms)
		return t->created_ms > ms ? 1 : -1;
	return (t->row > row) - (t->row < row);
}

static void
consider(struct part *p, const struct task *t)
{
	const struct listing *l = p->l;
	size_t i = p->n;

	if (t == NULL || !passes(l, t) ||
	    (l->last_row != 0 && compare(t, l->last_ms, l->last_row) >= 0))
		return;
	while (i > 0 && compare(t, p->task[i - 1]->created_ms,
	    p->task[i - 1]->row) > 0)
		i--;
	if (i == l->want)
		return;
	if (p->n < l->want)
		p->n++;
	memmove(&p->task[i + 1], &p->task[i],
	    (p->n - 1 - i) * sizeof(p->task[0]));
	p->task[i] = t;
}

static void
consider_job(const struct job *job, void *arg)
{
	struct part *p = arg;

	consider(p, table_find(&p->l->sched->table, job->id));
}

/* From its end, where the newest are: the others are soon passed over. */
static void
consider_list(struct part *p, const struct task *list)
{
	const struct task *t = list != NULL ? list->prev : NULL;

	for (; t != NULL; t = t != list ? t->prev : NULL)
		consider(p, t);
}

static void
give_part(struct listing *l)
{
	struct sched *s = l->sched;
	struct part p = { .l = l };

	proc_each(s->proc, consider_job, &p);
	for (size_t i = 0; i < s->nroutes; i++)
		consider_list(&p, s->routes[i].ready);
	consider_list(&p, s->delayed);
	for (; l->n < p.n; l->n++) {
		const struct task *t = p.task[l->n];

		memcpy(l->id[l->n], t->id, TASK_ID_BYTES);
		l->last_ms = t->created_ms;
		l->last_row = t->row;
	}
	give(l);
}

/* --- both -------------------------------------------------------------------- */

static bool
are_few(const struct sched *s, unsigned int states)
{
	return states != 0 && (states & ~UNFINISHED) == 0 &&
	    s->nqueued + proc_count(s->proc) <= FEW;
}

/* Whether there is anything in one of these states. */
static bool
are_there(const struct sched *s, unsigned int states)
{
	for (size_t i = 0; i < s->nroutes; i++)
		for (unsigned int n = 0; n < TASK_STATE_N; n++)
			if (states & 1u << n && s->routes[i].kept[n] > 0)
				return true;
	return states == 0;
}

static bool
find_route(struct listing *l)
{
	const char *name = l->filter->route;
	size_t i = 0;

	l->route = ROUTE_ANY;
	if (name == NULL)
		return true;
	while (i < l->sched->nroutes &&
	    strcmp(l->sched->routes[i].name, name) != 0)
		i++;
	l->route = (unsigned int)i;
	return i < l->sched->nroutes;
}

/* The first that is still there, of those to go on behind. */
static struct task *
find_after(const struct sched *s, const struct filter *f)
{
	struct task *t = NULL;

	for (size_t i = 0; t == NULL && i < f->nafter; i++)
		t = table_find(&s->table, f->after[i]);
	return t;
}

bool
sched_list_may_begin(const struct sched *s, const struct filter *f)
{
	return f->nafter == 0 || find_after(s, f) != NULL;
}

/* Where both ways through the tasks begin. */
static void
place(struct listing *l)
{
	struct sched *s = l->sched;
	const struct task *after = find_after(s, l->filter);

	l->at = NULL;
	l->last_ms = l->last_row = 0;
	if (after != NULL) {
		l->at = table_older(after);
		l->last_ms = after->created_ms;
		l->last_row = after->row;
	} else if (l->filter->nafter == 0) {
		l->at = table_newest(&s->table);
	} else {
		l->by_table = true;	/* and there is nothing */
	}
}

int
sched_list_begin(struct sched *s, struct listing *l)
{
	l->sched = s;
	l->turn = evtimer_new(s->base, on_turn, l);
	if (l->turn == NULL)
		return -1;
	l->owner = owner_digest(l->filter->owner);
	l->by_table = !are_few(s, l->filter->states);
	l->n = 0;
	place(l);
	if (!find_route(l) || !are_there(s, l->filter->states) || !l->by_table)
		l->at = NULL;
	DL_APPEND(s->listings, l);
	return 0;
}

void
sched_list_next(struct listing *l)
{
	if (l->by_table)
		step(l);
	else
		give_part(l);
}

void
sched_list_end(struct listing *l)
{
	if (l->turn == NULL)
		return;
	DL_DELETE(l->sched->listings, l);
	event_free(l->turn);
	l->turn = NULL;
}
