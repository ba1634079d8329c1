#include "config.h"

#include <stdlib.h>
#include <utlist.h>

#include "daemon/master/clock.h"
#include "daemon/master/proc.h"
#include "daemon/master/sched_priv.h"
#include "daemon/master/table.h"

#define RETRY_S		1	/* until the store is asked again, ... */
#define RETRY_MAX_S	30	/* ... doubling while it does not commit */

static struct sched_route *
route_of(struct sched *s, const struct task *t)
{
	return &s->routes[t->route];
}

void
sched_count_queued(struct sched *s, struct sched_route *r, int n)
{
	r->nqueued += (size_t)n;
	s->nqueued += (size_t)n;
}

void
sched_unlist(struct sched *s, struct task *t)
{
	struct sched_route *r = route_of(s, t);

	if (!t->listed)
		return;
	if (t->state != TASK_QUEUED)
		DL_DELETE(r->finished, t);
	else if (t->ends_ms == 0)
		DL_DELETE(r->ready, t);
	else
		DL_DELETE(s->delayed, t);
	if (t->state == TASK_QUEUED)
		t->ends_ms = 0;
	t->listed = false;
}

/*
 * A task that was started before is older than all that were not; among
 * themselves both keep their order.
 */
static bool
goes_before(const struct task *a, const struct task *b)
{
	if ((a->attempt == 0) != (b->attempt == 0))
		return a->attempt != 0;
	if (a->created_ms != b->created_ms)
		return a->created_ms < b->created_ms;
	return a->row < b->row;
}

/* Without a route it cannot stay: it may have gone while the store was asked. */
void
sched_list_ready(struct sched *s, struct task *t, bool first)
{
	struct sched_route *r = route_of(s, t);
	struct task *next = NULL;

	if (first)
		DL_FOREACH(r->ready, next)
			if (goes_before(t, next))
				break;
	DL_PREPEND_ELEM(r->ready, next, t);	/* NULL: at the end */
	t->listed = true;
	if (r->conf == NULL)
		sched_retry_later(s);
}

int64_t
sched_keep_ms(const struct sched *s, const struct sched_route *r)
{
	return 1000 * (r->conf != NULL ? r->conf->limits.keep_s :
	    s->conf->limits.keep_s);
}

static void
list_finished(struct sched *s, struct task *t)
{
	struct sched_route *r = route_of(s, t);

	t->ends_ms = clock_mono_ms() + sched_keep_ms(s, r);
	DL_APPEND(r->finished, t);
	t->listed = true;
	if (r->finished == t)
		sched_arm_expire(s);
}

/* The store has said OK: what it did becomes true here. */
void
sched_move(struct sched *s, struct task *t, const struct store_op *op)
{
	struct sched_route *r = route_of(s, t);
	enum task_state to = op->to;

	sched_log_move(s, t, op);
	sched_unlist(s, t);
	if (t->state == TASK_QUEUED)
		sched_count_queued(s, r, -1);
	stats_moved(&s->stats, &r->counts, t->state, to,
	    op->now_ms - t->changed_ms);
	r->kept[t->state]--;
	r->kept[to]++;
	task_move(t, to, op->now_ms);
	t->attempt = op->to_attempt;
	if (to == TASK_QUEUED) {
		sched_count_queued(s, r, 1);
		sched_list_ready(s, t, true);
	} else if (task_finished(to)) {
		list_finished(s, t);
		sched_unshare(s, t->id);
		sched_client_remove(s, t->id);
		sched_wake(s, t);
		sched_unfollow(s, t);
	}
}

void
sched_forget(struct sched *s, struct task **t)
{
	route_of(s, *t)->kept[(*t)->state]--;
	sched_list_pass(s, *t);
	table_remove(&s->table, t);
}

void
sched_ask(struct sched *s, struct store_op *op, void (*done)(struct store_op *),
    void *arg)
{
	op->done = done;
	op->arg = arg;
	s->nops++;
	store_submit(s->store, op);
}

/*
 * What waits for the store need not wait longer: it commits again, or somebody
 * waits for us.  Not at once, since one operation may fail for what it is.
 */
static void
retry_soon(struct sched *s)
{
	const struct timeval tv = { .tv_sec = RETRY_S };

	if (s->retry_s > RETRY_S && evtimer_pending(s->retry, NULL))
		(void)evtimer_add(s->retry, &tv);
	s->retry_s = RETRY_S;
}

static bool
is_change(const struct store_op *op)
{
	return op->kind == STORE_INSERT || op->kind == STORE_MOVE ||
	    op->kind == STORE_REMOVE;
}

void
sched_answered(struct sched *s, const struct store_op *op)
{
	s->nops--;
	if (op->verdict == STORE_OK && is_change(op))
		retry_soon(s);
	sched_check_quiet(s);
}

/* In a turn of its own: by then whoever waited has had his answer. */
void
sched_check_quiet(struct sched *s)
{
	struct timeval now = { 0 };

	if (s->draining)
		(void)evtimer_add(s->quiet, &now);
}

static void
on_quiet(evutil_socket_t fd, short what, void *arg)
{
	struct sched *s = arg;

	(void)fd, (void)what;
	if (sched_is_quiet(s))
		s->events.quiet(s->events.arg);
}

void
sched_set_move(struct store_op *op, const struct task *t, enum task_state to,
    uint32_t attempt)
{
	op->kind = STORE_MOVE;
	op->row = t->row;
	op->from = (enum task_state)t->state;
	op->from_attempt = t->attempt;
	op->to = to;
	op->to_attempt = attempt;
	op->now_ms = clock_wall_ms();
}

void
sched_retry_later(struct sched *s)
{
	struct timeval tv = { .tv_sec = s->retry_s };

	if (!evtimer_pending(s->retry, NULL))
		(void)evtimer_add(s->retry, &tv);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct sched *s = arg;

	(void)fd, (void)what;
	s->retry_s = s->retry_s < RETRY_MAX_S / 2 ? 2 * s->retry_s : RETRY_MAX_S;
	sched_retry(s);
}

bool
sched_is_busy(const struct sched *s)
{
	return proc_count(s->proc) > 0 ||
	    (!store_durable(s->store) && s->nqueued > 0);
}

bool
sched_is_quiet(const struct sched *s)
{
	return s->draining && s->nops == 0 && !sched_is_busy(s);
}

void
sched_drain(struct sched *s)
{
	s->draining = true;
	retry_soon(s);
	sched_wait_release(s, SIZE_MAX);
	sched_unfollow_queued(s);
	sched_dispatch(s);	/* where the drain ends a pause */
	sched_check_quiet(s);
}

void
sched_pause(struct sched *s, bool paused)
{
	s->paused = paused;
	sched_dispatch(s);
}

bool
sched_is_paused(const struct sched *s)
{
	return s->paused;
}

bool
sched_is_draining(const struct sched *s)
{
	return s->draining;
}

int
sched_ask_launcher(struct sched *s, struct asking *a)
{
	return proc_ask(s->proc, a);
}

static void
on_drain(bool heir, void *arg)
{
	struct sched *s = arg;

	s->events.drain(heir, s->events.arg);
}

static void
on_reload(int conf_fd, unsigned int generation, void *arg)
{
	struct sched *s = arg;

	s->events.reload(conf_fd, generation, s->events.arg);
}

static void
on_launcher_gone(void *arg)
{
	struct sched *s = arg;

	s->events.launcher_gone(s->events.arg);
}

int
sched_ready(struct sched *s)
{
	return proc_ready(s->proc);
}

static const char *
state_name(const struct sched *s)
{
	if (s->draining)
		return "Draining";
	return s->paused ? "Paused" : "Serving";
}

void
sched_alive(struct sched *s)
{
	char status[96];

	(void)snprintf(status, sizeof(status), "%s: %zu queued, %zu running",
	    state_name(s), s->nqueued, proc_count(s->proc));
	proc_alive(s->proc, status);
}

struct sched *
sched_new(struct event_base *base, struct store *store,
    const struct conf *conf, int launcher_fd, const struct sched_events *ev)
{
	struct sched *s = calloc(1, sizeof(*s));
	const struct proc_events events = {
		.ended = sched_on_ended, .room = sched_on_room, .route = sched_on_route,
		.spool = sched_on_spool, .said = sched_on_said,
		.drain = on_drain, .reload = on_reload,
		.launcher_gone = on_launcher_gone, .arg = s,
	};

	if (s == NULL)
		return NULL;
	s->base = base;
	s->store = store;
	s->events = *ev;
	s->retry_s = RETRY_S;
	table_init(&s->table);
	stats_init(&s->stats);
	s->expire = evtimer_new(base, sched_on_expire, s);
	s->retry = evtimer_new(base, on_retry, s);
	s->quiet = evtimer_new(base, on_quiet, s);
	s->later = evtimer_new(base, sched_on_later, s);
	s->wake = evtimer_new(base, sched_on_wake, s);
	if (s->expire != NULL && s->retry != NULL && s->quiet != NULL &&
	    s->later != NULL &&
	    s->wake != NULL && sched_take_conf(s, conf) == 0)
		s->proc = proc_new(base, launcher_fd, conf, &events);
	if (s->proc == NULL) {
		sched_free(s);
		return NULL;
	}
	return s;
}

void
sched_free(struct sched *s)
{
	if (s->proc != NULL)
		proc_free(s->proc);
	if (s->expire != NULL)
		event_free(s->expire);
	if (s->retry != NULL)
		event_free(s->retry);
	if (s->quiet != NULL)
		event_free(s->quiet);
	if (s->later != NULL)
		event_free(s->later);
	if (s->wake != NULL)
		event_free(s->wake);
	sched_free_shared(s);
	sched_free_clients(s);
	sched_free_leaving(s);
	sched_free_changes(s);
	table_fini(&s->table);
	for (size_t i = 0; i < s->nroutes; i++)
		free(s->routes[i].name);
	free(s->routes);
	free(s->by_conf);
	free(s->pool_full);
	free(s);
}
