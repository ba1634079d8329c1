/*
 * view_stats - what the master has counted, as JSON: GET /stats.
 *
 * Seconds are numbers with fractions, times RFC 3339.  Quantiles are estimated
 * from histograms with fixed bounds (hist.h): right about which bucket, and
 * inside it as if its values were evenly spread; null where nothing was
 * counted.  What the system would not tell (descriptors, memory) is null.
 */
#ifndef DAEMON_MASTER_VIEW_STATS_H
#define DAEMON_MASTER_VIEW_STATS_H

#include "daemon/master/stats.h"
#include "daemon/master/view.h"

/* "serving", "paused" or "draining". */
const char *
	view_stats_state(const struct stats_now *);

/* 200 with the document. */
int	view_stats(struct answer *, const struct request *,
	    const struct stats_now *)
	__attribute__((warn_unused_result));

#endif
