#include "config.h"

#include <unistd.h>

#include "daemon/master/view_json.h"
#include "daemon/master/view_stats.h"
#include "ipc/buf.h"
#include "ipc/nitems.h"

#define JSON_MAX	(16 * 1024 * 1024)	/* bytes: some ten thousand routes */
#define MINUTE_MS	60000

static void
set_known(json_t **doc, const char *name, int64_t n)
{
	view_json_set(doc, name, n == -1 ? json_null() :
	    json_integer((json_int_t)n));
}

static json_t *
seconds(int64_t ms)
{
	return ms == -1 ? json_null() : json_real((double)ms / 1e3);
}

static json_t *
quantiles(const struct hist *h, const struct hist_scale *scale)
{
	static const struct {
		const char	*name;
		double		 q;
	} wanted[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 } };
	json_t *doc = json_object();

	for (size_t i = 0; i < nitems(wanted); i++) {
		double value = hist_quantile(h, scale, wanted[i].q);

		view_json_set(&doc, wanted[i].name,
		    value < 0 ? json_null() : json_real(value));
	}
	return doc;
}

/* Finished ones only, unless told otherwise. */
static void
set_states(json_t **doc, const uint64_t n[TASK_STATE_N], bool all)
{
	for (int state = 0; state < TASK_STATE_N; state++)
		if (all || task_finished((enum task_state)state))
			view_json_set_number(doc, task_state_names[state],
			    n[state]);
}

static json_t *
store_document(const struct store_stats *s)
{
	json_t *doc = json_object();

	view_json_set_text(&doc, "kind", s->kind);
	view_json_set_number(&doc, "tasks", s->tasks);
	view_json_set_number(&doc, "bytes", s->bytes);
	view_json_set_number(&doc, "reserved_bytes", s->reserved_bytes);
	view_json_set_number(&doc, "max_bytes", s->max_bytes);
	view_json_set_number(&doc, "max_tasks", s->max_tasks);
	view_json_set_number(&doc, "free_bytes", s->free_bytes);
	view_json_set_number(&doc, "min_free_bytes", s->min_free_bytes);
	view_json_set_number(&doc, "log_bytes", s->log_bytes);
	view_json_set_number(&doc, "commits", s->commits);
	view_json_set_number(&doc, "operations", s->ops);
	view_json_set(&doc, "commit_seconds",
	    quantiles(&s->commit_us, &hist_commit_us));
	view_json_set(&doc, "batch", quantiles(&s->batch, &hist_batch));
	return doc;
}

static json_t *
kept_document(const struct stats_now *now)
{
	json_t *doc = json_object();

	set_states(&doc, now->kept, true);
	return doc;
}

static json_t *
totals_document(const struct stats_tasks *t)
{
	json_t *doc = json_object();

	view_json_set_number(&doc, "accepted", t->accepted);
	set_states(&doc, t->ended, false);
	view_json_set_number(&doc, "retried", t->retried);
	view_json_set_number(&doc, "interrupted", stats_interrupted(t));
	return doc;
}

static json_t *
refused_document(const uint64_t refused[PROBLEM_N])
{
	json_t *doc = json_object();

	for (int p = 0; p < PROBLEM_REFUSAL_N; p++)
		view_json_set_number(&doc, problems[p].name, refused[p]);
	return doc;
}

static json_t *
route_document(const struct stats_route *r)
{
	json_t *doc = json_object();

	view_json_set_text(&doc, "name", r->name);
	view_json_set_number(&doc, "queued", r->kept[TASK_QUEUED]);
	view_json_set_number(&doc, "running", r->kept[TASK_RUNNING]);
	view_json_set_number(&doc, "max_running", (uint64_t)r->max_running);
	view_json_set_number(&doc, "accepted", r->tasks->accepted);
	set_states(&doc, r->tasks->ended, false);
	view_json_set(&doc, "waiting",
	    quantiles(&r->tasks->waiting, &hist_task_ms));
	view_json_set(&doc, "running_time",
	    quantiles(&r->tasks->running, &hist_task_ms));
	return doc;
}

static json_t *
pool_document(const struct stats_pool *p)
{
	json_t *doc = json_object();

	view_json_set_text(&doc, "module", p->module);
	view_json_set_number(&doc, "workers", p->workers);
	view_json_set_number(&doc, "slots", p->slots);
	view_json_set_number(&doc, "busy", p->busy);
	view_json_set_number(&doc, "stuck", p->stuck);
	view_json_set_number(&doc, "restarts", p->restarts);
	return doc;
}

static json_t *
routes_document(const struct stats_now *now)
{
	json_t *list = json_array();

	for (size_t i = 0; i < now->nroutes; i++)
		view_json_append(&list, route_document(&now->routes[i]));
	return list;
}

static json_t *
pools_document(const struct stats_now *now)
{
	json_t *list = json_array();

	for (size_t i = 0; i < now->npools; i++)
		view_json_append(&list, pool_document(&now->pools[i]));
	return list;
}

static json_t *
mean_s(uint64_t sum_ms, uint32_t n)
{
	return n == 0 ? json_null() : json_real((double)sum_ms / 1e3 / n);
}

static json_t *
minute_document(const struct stats_minute *m)
{
	uint64_t ended[TASK_STATE_N];
	json_t *doc = json_object();

	for (int state = 0; state < TASK_STATE_N; state++)
		ended[state] = m->ended[state];
	view_json_set_time(&doc, "minute", m->minute * MINUTE_MS);
	view_json_set_number(&doc, "accepted", m->accepted);
	set_states(&doc, ended, false);
	view_json_set(&doc, "waiting", mean_s(m->waited_ms, m->started));
	view_json_set(&doc, "running", mean_s(m->ran_ms, m->left));
	return doc;
}

/* All of them, also those in which nothing happened. */
static json_t *
minutes_document(const struct stats_now *now)
{
	json_t *list = json_array();

	for (unsigned int ago = STATS_MINUTES; ago-- > 0;) {
		struct stats_minute none = {
			.minute = now->now_ms / MINUTE_MS - ago
		};
		const struct stats_minute *m = stats_minute(now->stats,
		    now->now_ms, ago);

		view_json_append(&list, minute_document(m != NULL ? m : &none));
	}
	return list;
}

const char *
view_stats_state(const struct stats_now *now)
{
	return now->draining ? "draining" : now->paused ? "paused" : "serving";
}

static void
set_daemon(json_t **doc, const struct stats_now *now)
{
	view_json_set_text(doc, "version", PACKAGE_VERSION);
	view_json_set(doc, "pid", json_integer(getpid()));
	view_json_set_time(doc, "started", now->stats->started_ms);
	view_json_set(doc, "uptime", seconds(now->uptime_ms));
	view_json_set_text(doc, "state", view_stats_state(now));
	view_json_set_number(doc, "generation", now->generation);
}

static void
set_tasks(json_t **doc, const struct stats_now *now)
{
	view_json_set(doc, "store", store_document(&now->store));
	view_json_set(doc, "tasks", kept_document(now));
	view_json_set(doc, "oldest_queued", seconds(now->oldest_queued_ms));
	view_json_set_number(doc, "queue", now->queue);
	view_json_set(doc, "totals", totals_document(&now->stats->tasks));
	view_json_set(doc, "refused", refused_document(now->stats->refused));
	view_json_set(doc, "routes", routes_document(now));
	view_json_set(doc, "pools", pools_document(now));
}

static void
set_process(json_t **doc, const struct stats_now *now)
{
	set_known(doc, "memory_bytes", now->memory_bytes);
	set_known(doc, "descriptors", now->descriptors);
	set_known(doc, "max_descriptors", now->max_descriptors);
	view_json_set_number(doc, "connections", now->connections);
	view_json_set_number(doc, "waiting", now->waiting);
	view_json_set_number(doc, "waiting_through_doors", now->waiting_doors);
}

static json_t *
stats_document(const struct stats_now *now)
{
	json_t *doc = json_object();

	set_daemon(&doc, now);
	set_tasks(&doc, now);
	set_process(&doc, now);
	view_json_set(&doc, "minutes", minutes_document(now));
	return doc;
}

int
view_stats(struct answer *a, const struct request *req,
    const struct stats_now *now)
{
	json_t *doc = stats_document(now);
	struct buf text;
	int failed;

	buf_init(&text, JSON_MAX);
	failed = view_json_write(&text, doc) || buf_add(&text, "\n", 1) ||
	    view_text(a, req, "application/json", &text);
	json_decref(doc);
	buf_fini(&text);
	return failed ? -1 : 0;
}
