/*
 * view_metrics - what the master has counted, for a monitoring system: GET
 * /metrics.
 *
 * OpenMetrics text 1.0 for who accepts it, else the text format 0.0.4 of
 * Prometheus, which differs in names and in what it leaves out.  All times are
 * seconds, all sizes bytes; a counter's last word is _total.  The labels are
 * route (configured names only), pool, state, outcome and reason.
 */
#ifndef DAEMON_MASTER_VIEW_METRICS_H
#define DAEMON_MASTER_VIEW_METRICS_H

#include "daemon/master/stats.h"
#include "daemon/master/view.h"

/* 200 with the text that the request's Accept asks for. */
int	view_metrics(struct answer *, const struct request *,
	    const struct stats_now *)
	__attribute__((warn_unused_result));

#endif
