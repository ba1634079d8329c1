/*
 * view_tasks_priv - what the files of the page of tasks share.
 *
 *	view_tasks_page		the writer: head, lists, rows, end
 *	view_tasks_now		what the statistics say: figures, charts
 *	view_tasks_filter	the fields of the form
 *
 * Each function appends a piece to `out`; 0, or -1 when out of memory or over
 * its cap.
 */
#ifndef DAEMON_MASTER_VIEW_TASKS_PRIV_H
#define DAEMON_MASTER_VIEW_TASKS_PRIV_H

#include "daemon/master/filter.h"
#include "daemon/master/stats.h"
#include "ipc/buf.h"

int	view_tasks_figures(struct buf *, const struct stats_now *)
	__attribute__((warn_unused_result));
int	view_tasks_charts(struct buf *, const struct stats_now *)
	__attribute__((warn_unused_result));

/* "12 KiB" */
void	view_tasks_bytes(char *text, size_t size, uint64_t bytes);

int	view_tasks_states(struct buf *, const struct filter *)
	__attribute__((warn_unused_result));
int	view_tasks_routes(struct buf *, const struct filter *,
	    const struct stats_now *)
	__attribute__((warn_unused_result));
/* For an age in seconds; -1: any. */
int	view_tasks_ages(struct buf *, int64_t chosen_s)
	__attribute__((warn_unused_result));
int	view_tasks_refreshes(struct buf *, const struct filter *)
	__attribute__((warn_unused_result));
int	view_tasks_limits(struct buf *, const struct filter *)
	__attribute__((warn_unused_result));

#endif
