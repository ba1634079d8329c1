/*
 * conn_stats - an operator asks what was counted: /stats and /metrics.
 */
#include "config.h"

#include "daemon/master/conn_priv.h"
#include "daemon/master/view_metrics.h"
#include "daemon/master/view_stats.h"

static void
show(struct conn *c, int (*view)(struct answer *, const struct request *,
    const struct stats_now *))
{
	struct stats_now now;
	int made = sched_stats_now(c->env->sched, &now);

	now.connections = c->env->connections;
	if (made == 0)
		made = view(&c->answer, &c->req, &now);
	stats_now_fini(&now);
	conn_reply(c, made);
}

void
conn_show_stats(struct conn *c)
{
	show(c, view_stats);
}

void
conn_show_metrics(struct conn *c)
{
	show(c, view_metrics);
}
