#include "config.h"

#include <string.h>
#include <unistd.h>

#include "daemon/master/view_json.h"
#include "daemon/master/view_stats.h"
#include "ipc/buf.h"
#include "ipc/nitems.h"

#define JSON_MAX	(16 * 1024 * 1024)	/* bytes: some ten thousand routes */
#define MINUTE_MS	60000

/* A new member; -1: no memory. */
static int
set_number(json_t *doc, const char *name, uint64_t n)
{
	return view_json_set(doc, name, json_integer((json_int_t)n));
}

static int
set_known(json_t *doc, const char *name, int64_t n)
{
	return view_json_set(doc, name, n == -1 ? json_null() :
	    json_integer((json_int_t)n));
}

static json_t *
seconds(int64_t ms)
{
	return ms == -1 ? json_null() : json_real((double)ms / 1e3);
}

static json_t *
text_or_null(const char *text)
{
	return text != NULL ? view_json_text(text, strlen(text)) : json_null();
}

/* Takes doc; NULL if anything of it failed. */
static json_t *
whole(json_t *doc, int failed)
{
	if (!failed)
		return doc;
	json_decref(doc);
	return NULL;
}

static json_t *
quantiles(const struct hist *h, const struct hist_scale *scale)
{
	static const struct {
		const char	*name;
		double		 q;
	} wanted[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 } };
	json_t *doc = json_object();
	int failed = 0;

	for (size_t i = 0; i < nitems(wanted); i++) {
		double value = hist_quantile(h, scale, wanted[i].q);

		failed = failed || view_json_set(doc, wanted[i].name,
		    value < 0 ? json_null() : json_real(value));
	}
	return whole(doc, failed);
}

/* Finished ones only, unless told otherwise. */
static int
set_states(json_t *doc, const uint64_t n[TASK_STATE_N], bool all)
{
	int failed = 0;

	for (int state = 0; state < TASK_STATE_N; state++)
		if (all || task_finished((enum task_state)state))
			failed = failed || set_number(doc,
			    task_state_names[state], n[state]);
	return failed;
}

static json_t *
store_document(const struct store_stats *s)
{
	json_t *doc = json_object();

	return whole(doc, view_json_set(doc, "kind", json_string(s->kind)) ||
	    set_number(doc, "tasks", s->tasks) ||
	    set_number(doc, "bytes", s->bytes) ||
	    set_number(doc, "reserved_bytes", s->reserved_bytes) ||
	    set_number(doc, "max_bytes", s->max_bytes) ||
	    set_number(doc, "max_tasks", s->max_tasks) ||
	    set_number(doc, "free_bytes", s->free_bytes) ||
	    set_number(doc, "min_free_bytes", s->min_free_bytes) ||
	    set_number(doc, "log_bytes", s->log_bytes) ||
	    set_number(doc, "commits", s->commits) ||
	    set_number(doc, "operations", s->ops) ||
	    view_json_set(doc, "commit_seconds",
	    quantiles(&s->commit_us, &hist_commit_us)) ||
	    view_json_set(doc, "batch", quantiles(&s->batch, &hist_batch)));
}

static json_t *
kept_document(const struct stats_now *now)
{
	json_t *doc = json_object();

	return whole(doc, set_states(doc, now->kept, true));
}

static json_t *
totals_document(const struct stats_tasks *t)
{
	json_t *doc = json_object();

	return whole(doc, set_number(doc, "accepted", t->accepted) ||
	    set_states(doc, t->ended, false) ||
	    set_number(doc, "retried", t->retried) ||
	    set_number(doc, "interrupted", stats_interrupted(t)));
}

static json_t *
refused_document(const uint64_t refused[PROBLEM_N])
{
	json_t *doc = json_object();
	int failed = 0;

	for (int p = 0; p < PROBLEM_REFUSAL_N; p++)
		failed = failed ||
		    set_number(doc, problems[p].name, refused[p]);
	return whole(doc, failed);
}

static json_t *
route_document(const struct stats_route *r)
{
	json_t *doc = json_object();

	return whole(doc, view_json_set(doc, "name", text_or_null(r->name)) ||
	    set_number(doc, "queued", r->kept[TASK_QUEUED]) ||
	    set_number(doc, "running", r->kept[TASK_RUNNING]) ||
	    set_number(doc, "max_running", (uint64_t)r->max_running) ||
	    set_number(doc, "accepted", r->tasks->accepted) ||
	    set_states(doc, r->tasks->ended, false) ||
	    view_json_set(doc, "waiting",
	    quantiles(&r->tasks->waiting, &hist_task_ms)) ||
	    view_json_set(doc, "running_time",
	    quantiles(&r->tasks->running, &hist_task_ms)));
}

static json_t *
pool_document(const struct stats_pool *p)
{
	json_t *doc = json_object();

	return whole(doc, view_json_set(doc, "module",
	    text_or_null(p->module)) ||
	    set_number(doc, "workers", p->workers) ||
	    set_number(doc, "slots", p->slots) ||
	    set_number(doc, "busy", p->busy) ||
	    set_number(doc, "stuck", p->stuck) ||
	    set_number(doc, "restarts", p->restarts));
}

static json_t *
routes_document(const struct stats_now *now)
{
	json_t *list = json_array();
	int failed = 0;

	for (size_t i = 0; i < now->nroutes; i++)
		failed = failed || json_array_append_new(list,
		    route_document(&now->routes[i]));
	return whole(list, failed);
}

static json_t *
pools_document(const struct stats_now *now)
{
	json_t *list = json_array();
	int failed = 0;

	for (size_t i = 0; i < now->npools; i++)
		failed = failed || json_array_append_new(list,
		    pool_document(&now->pools[i]));
	return whole(list, failed);
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
	return whole(doc, view_json_set_time(doc, "minute",
	    m->minute * MINUTE_MS) ||
	    set_number(doc, "accepted", m->accepted) ||
	    set_states(doc, ended, false) ||
	    view_json_set(doc, "waiting", mean_s(m->waited_ms, m->started)) ||
	    view_json_set(doc, "running", mean_s(m->ran_ms, m->left)));
}

/* All of them, also those in which nothing happened. */
static json_t *
minutes_document(const struct stats_now *now)
{
	json_t *list = json_array();
	int failed = 0;

	for (unsigned int ago = STATS_MINUTES; ago-- > 0;) {
		struct stats_minute none = {
			.minute = now->now_ms / MINUTE_MS - ago
		};
		const struct stats_minute *m = stats_minute(now->stats,
		    now->now_ms, ago);

		failed = failed || json_array_append_new(list,
		    minute_document(m != NULL ? m : &none));
	}
	return whole(list, failed);
}

const char *
view_stats_state(const struct stats_now *now)
{
	return now->draining ? "draining" : now->paused ? "paused" : "serving";
}

static int
set_daemon(json_t *doc, const struct stats_now *now)
{
	return view_json_set(doc, "version", json_string(PACKAGE_VERSION)) ||
	    view_json_set(doc, "pid", json_integer(getpid())) ||
	    view_json_set_time(doc, "started", now->stats->started_ms) ||
	    view_json_set(doc, "uptime", seconds(now->uptime_ms)) ||
	    view_json_set(doc, "state", json_string(view_stats_state(now))) ||
	    set_number(doc, "generation", now->generation);
}

static int
set_tasks(json_t *doc, const struct stats_now *now)
{
	return view_json_set(doc, "store", store_document(&now->store)) ||
	    view_json_set(doc, "tasks", kept_document(now)) ||
	    view_json_set(doc, "oldest_queued",
	    seconds(now->oldest_queued_ms)) ||
	    set_number(doc, "queue", now->queue) ||
	    view_json_set(doc, "totals",
	    totals_document(&now->stats->tasks)) ||
	    view_json_set(doc, "refused",
	    refused_document(now->stats->refused)) ||
	    view_json_set(doc, "routes", routes_document(now)) ||
	    view_json_set(doc, "pools", pools_document(now));
}

static int
set_process(json_t *doc, const struct stats_now *now)
{
	return set_known(doc, "memory_bytes", now->memory_bytes) ||
	    set_known(doc, "descriptors", now->descriptors) ||
	    set_known(doc, "max_descriptors", now->max_descriptors) ||
	    set_number(doc, "connections", now->connections) ||
	    set_number(doc, "waiting", now->waiting) ||
	    set_number(doc, "waiting_through_doors", now->waiting_doors);
}

static json_t *
stats_document(const struct stats_now *now)
{
	json_t *doc = json_object();

	return whole(doc, set_daemon(doc, now) || set_tasks(doc, now) ||
	    set_process(doc, now) ||
	    view_json_set(doc, "minutes", minutes_document(now)));
}

static int
add_text(const char *text, size_t len, void *out)
{
	return buf_add(out, text, len);
}

int
view_stats(struct answer *a, const struct request *req,
    const struct stats_now *now)
{
	json_t *doc = stats_document(now);
	struct buf text;
	int failed;

	buf_init(&text, JSON_MAX);
	failed = doc == NULL || json_dump_callback(doc, add_text, &text,
	    JSON_COMPACT | JSON_REAL_PRECISION(12)) ||
	    buf_add(&text, "\n", 1) ||
	    view_text(a, req, "application/json", &text);
	json_decref(doc);
	buf_fini(&text);
	return failed ? -1 : 0;
}
