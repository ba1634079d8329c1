/*
 * view_info - the document at `<link>/info` (contract.md 3).
 */
#ifndef DAEMON_MASTER_VIEW_INFO_H
#define DAEMON_MASTER_VIEW_INFO_H

#include <jansson.h>

#include "daemon/master/task.h"
#include "daemon/master/view.h"
#include "daemon/store/store.h"

/* See view_info().  NULL without memory. */
json_t	*view_info_document(const struct task *, const struct store_op *,
	    const struct view_info *)
	__attribute__((warn_unused_result));

#endif
