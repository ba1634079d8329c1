/*
 * view_metrics - what the master has counted, for a monitoring system.
 *
 * A family that has nothing to tell, since the system does not, has no
 * sample.  Rates and quantiles are left to who reads: counters and buckets
 * are all he needs.
 */
#include "config.h"

#include "daemon/master/accept.h"
#include "daemon/master/expose.h"
#include "daemon/master/view_metrics.h"
#include "ipc/nitems.h"

#define TYPE_OPEN	"application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TYPE_CLASSIC	"text/plain; version=0.0.4; charset=utf-8"

#define POOL_EXEC	"exec"	/* a module's is its path, with a slash */

/* A family of one value, without labels. */
static void
one(struct expose *e, const char *name, enum expose_kind kind,
    const char *unit, const char *help, double value)
{
	expose_family(e, name, kind, unit, help);
	expose_value(e, EXPOSE_NO_LABELS, value);
}

static void
gauge(struct expose *e, const char *name, const char *unit, const char *help,
    double value)
{
	one(e, name, EXPOSE_GAUGE, unit, help, value);
}

/* What the system may not tell: -1. */
static void
gauge_if(struct expose *e, const char *name, const char *unit,
    const char *help, int64_t value)
{
	expose_family(e, name, EXPOSE_GAUGE, unit, help);
	if (value != -1)
		expose_value(e, EXPOSE_NO_LABELS, (double)value);
}

/* --- the daemon --------------------------------------------------------------- */

static void
put_daemon(struct expose *e, const struct stats_now *now)
{
	expose_family(e, "deferd_build", EXPOSE_INFO, NULL,
	    "What runs, and where it keeps tasks.");
	expose_value(e, EXPOSE_LABELS({ "version", PACKAGE_VERSION },
	    { "store", now->store.kind }), 1);
	gauge(e, "deferd_start_time_seconds", "seconds",
	    "Unix time at which the master was started.",
	    (double)now->stats->started_ms / 1e3);
	gauge(e, "deferd_settings_generation", NULL,
	    "How often the settings were reloaded.", now->generation);
	gauge(e, "deferd_paused", NULL,
	    "1 if tasks are accepted, but not started.", now->paused);
	gauge(e, "deferd_draining", NULL,
	    "1 if the daemon is about to end.", now->draining);
	gauge_if(e, "deferd_resident_memory_bytes", "bytes",
	    "Memory of the master.", now->memory_bytes);
	gauge_if(e, "deferd_open_descriptors", NULL,
	    "File descriptors that the master has open.", now->descriptors);
	gauge_if(e, "deferd_max_descriptors", NULL,
	    "File descriptors that the master may have open.",
	    now->max_descriptors);
}

/* --- clients -------------------------------------------------------------------- */

static void
put_clients(struct expose *e, const struct stats_now *now)
{
	gauge(e, "deferd_connections", NULL,
	    "Connections that are open, through doors too.",
	    (double)now->connections);
	expose_family(e, "deferd_waiting_clients", EXPOSE_GAUGE, NULL,
	    "Clients that are held until their task ends.");
	expose_value(e, EXPOSE_LABELS({ "way", "door" }),
	    (double)now->waiting_doors);
	expose_value(e, EXPOSE_LABELS({ "way", "connection" }),
	    (double)(now->waiting - now->waiting_doors));
	expose_family(e, "deferd_requests_refused", EXPOSE_COUNTER, NULL,
	    "Requests answered with a problem, by its name.");
	for (int p = 0; p < PROBLEM_REFUSAL_N; p++)
		expose_value(e, EXPOSE_LABELS({ "reason", problems[p].name }),
		    (double)now->stats->refused[p]);
}

/* --- tasks, by route -------------------------------------------------------------- */

static void
put_kept(struct expose *e, const struct stats_route *r)
{
	for (int state = 0; state < TASK_STATE_N; state++)
		expose_value(e, EXPOSE_LABELS({ "route", r->name },
		    { "state", task_state_names[state] }),
		    (double)r->kept[state]);
}

static void
put_accepted(struct expose *e, const struct stats_route *r)
{
	expose_value(e, EXPOSE_LABELS({ "route", r->name }),
	    (double)r->tasks->accepted);
}

static void
put_ended(struct expose *e, const struct stats_route *r)
{
	for (int state = 0; state < TASK_STATE_N; state++)
		if (task_finished(state))
			expose_value(e, EXPOSE_LABELS({ "route", r->name },
			    { "outcome", task_state_names[state] }),
			    (double)r->tasks->ended[state]);
}

static void
put_retried(struct expose *e, const struct stats_route *r)
{
	expose_value(e, EXPOSE_LABELS({ "route", r->name }),
	    (double)r->tasks->retried);
}

static void
put_interrupted(struct expose *e, const struct stats_route *r)
{
	expose_value(e, EXPOSE_LABELS({ "route", r->name }),
	    (double)stats_interrupted(r->tasks));
}

static void
put_waiting(struct expose *e, const struct stats_route *r)
{
	expose_hist(e, EXPOSE_LABELS({ "route", r->name }),
	    &r->tasks->waiting, &hist_task_ms);
}

static void
put_running(struct expose *e, const struct stats_route *r)
{
	expose_hist(e, EXPOSE_LABELS({ "route", r->name }),
	    &r->tasks->running, &hist_task_ms);
}

static const struct {
	const char	*name;
	enum expose_kind kind;
	const char	*unit;
	const char	*help;
	void		(*put)(struct expose *, const struct stats_route *);
} of_route[] = {
	{ "deferd_tasks", EXPOSE_GAUGE, NULL,
	    "Tasks that are kept, by state.", put_kept },
	{ "deferd_tasks_accepted", EXPOSE_COUNTER, NULL,
	    "Tasks that were promised by a 202.", put_accepted },
	{ "deferd_tasks_ended", EXPOSE_COUNTER, NULL,
	    "Tasks that came to an end, by outcome.", put_ended },
	{ "deferd_tasks_retried", EXPOSE_COUNTER, NULL,
	    "Attempts that failed and were followed by another.",
	    put_retried },
	{ "deferd_tasks_interrupted", EXPOSE_COUNTER, NULL,
	    "Attempts that ended with their worker or the daemon, and were "
	    "followed by another.", put_interrupted },
	{ "deferd_task_waiting_seconds", EXPOSE_HISTOGRAM, "seconds",
	    "Time in the queue before an attempt.", put_waiting },
	{ "deferd_task_running_seconds", EXPOSE_HISTOGRAM, "seconds",
	    "Time of an attempt.", put_running },
};

static void
put_tasks(struct expose *e, const struct stats_now *now)
{
	for (size_t f = 0; f < nitems(of_route); f++) {
		expose_family(e, of_route[f].name, of_route[f].kind,
		    of_route[f].unit, of_route[f].help);
		for (size_t r = 0; r < now->nroutes; r++)
			of_route[f].put(e, &now->routes[r]);
	}
}

static void
put_queue(struct expose *e, const struct stats_now *now)
{
	gauge(e, "deferd_queue_tasks", NULL, "Tasks that are queued.",
	    (double)now->kept[TASK_QUEUED]);
	gauge(e, "deferd_queue_max_tasks", NULL,
	    "Tasks that may be queued: the setting queue.",
	    (double)now->queue);
	gauge(e, "deferd_queue_oldest_seconds", "seconds",
	    "How long the head of the queue has waited; 0 if it is empty.",
	    now->oldest_queued_ms == -1 ? 0 :
	    (double)now->oldest_queued_ms / 1e3);
}

/* --- workers ------------------------------------------------------------------------ */

static const char *
pool_name(const struct stats_pool *p)
{
	return p->module != NULL ? p->module : POOL_EXEC;
}

static void
put_slots(struct expose *e, const struct stats_pool *p)
{
	const struct {
		const char	*state;
		size_t		 n;
	} slots[] = {
		{ "free", p->slots - p->busy - p->stuck },
		{ "busy", p->busy },
		{ "stuck", p->stuck },
	};

	for (size_t i = 0; i < nitems(slots); i++)
		expose_value(e, EXPOSE_LABELS({ "pool", pool_name(p) },
		    { "state", slots[i].state }), (double)slots[i].n);
}

static void
put_workers(struct expose *e, const struct stats_now *now)
{
	expose_family(e, "deferd_slots", EXPOSE_GAUGE, NULL,
	    "Tasks that workers can run at once, by what each does now.");
	for (size_t i = 0; i < now->npools; i++)
		put_slots(e, &now->pools[i]);
	expose_family(e, "deferd_workers", EXPOSE_GAUGE, NULL,
	    "Worker processes.");
	for (size_t i = 0; i < now->npools; i++)
		expose_value(e, EXPOSE_LABELS(
		    { "pool", pool_name(&now->pools[i]) }),
		    (double)now->pools[i].workers);
	expose_family(e, "deferd_worker_restarts", EXPOSE_COUNTER, NULL,
	    "Workers that died or hung, and were replaced.");
	for (size_t i = 0; i < now->npools; i++)
		expose_value(e, EXPOSE_LABELS(
		    { "pool", pool_name(&now->pools[i]) }),
		    (double)now->pools[i].restarts);
}

/* --- the store -------------------------------------------------------------------------- */

static void
put_store(struct expose *e, const struct store_stats *s)
{
	gauge(e, "deferd_store_tasks", NULL, "Tasks that are kept.",
	    (double)s->tasks);
	gauge(e, "deferd_store_max_tasks", NULL,
	    "Tasks that may be kept: the setting max-tasks.",
	    (double)s->max_tasks);
	gauge(e, "deferd_store_bytes", "bytes",
	    "What is kept of requests and responses.", (double)s->bytes);
	gauge(e, "deferd_store_reserved_bytes", "bytes",
	    "Request bodies that are still arriving.",
	    (double)s->reserved_bytes);
	gauge(e, "deferd_store_max_bytes", "bytes",
	    "What may be kept, with what is arriving: the setting max-store.",
	    (double)s->max_bytes);
	gauge(e, "deferd_store_free_bytes", "bytes",
	    "What the disk of database and spool has left.",
	    (double)s->free_bytes);
	gauge(e, "deferd_store_min_free_bytes", "bytes",
	    "What must be left for submissions: the setting min-free.",
	    (double)s->min_free_bytes);
	gauge(e, "deferd_store_log_bytes", "bytes",
	    "The write-ahead log of the database.", (double)s->log_bytes);
	expose_family(e, "deferd_store_commit_seconds", EXPOSE_HISTOGRAM,
	    "seconds", "Time of a commit.");
	expose_hist(e, EXPOSE_NO_LABELS, &s->commit_us, &hist_commit_us);
	expose_family(e, "deferd_store_batch_operations", EXPOSE_HISTOGRAM,
	    NULL, "Changes that went to the disk in one commit.");
	expose_hist(e, EXPOSE_NO_LABELS, &s->batch, &hist_batch);
}

int
view_metrics(struct answer *a, const struct request *req,
    const struct stats_now *now)
{
	bool open = !a->html &&
	    accept_openmetrics(scgi_find(&req->scgi, "HTTP_ACCEPT"));
	struct expose e;
	int failed;

	expose_init(&e, open);
	put_daemon(&e, now);
	put_clients(&e, now);
	put_tasks(&e, now);
	put_queue(&e, now);
	put_workers(&e, now);
	put_store(&e, &now->store);
	failed = expose_end(&e) == -1 || view_text(a, req,
	    open ? TYPE_OPEN : TYPE_CLASSIC, &e.out) == -1;
	expose_fini(&e);
	return failed ? -1 : 0;
}
