/*
 * module - runs tasks as calls of one shared object (daemon/worker/deferd.h,
 * deferd_module(3)).
 *
 * The module lives in this process, so it can bring it down; what can be
 * done about that is to name the culprit: a handler on a stack of its own
 * notes the signal in the thread's slot of the slate and lets the process
 * die of it.
 */
#ifndef DAEMON_WORKER_MODULE_H
#define DAEMON_WORKER_MODULE_H

#include "ipc/slate.h"
#include "daemon/worker/deferd.h"
#include "daemon/worker/job.h"

struct module {
	void	*handle;		/* NULL: could not be loaded */
	int	(*run)(const struct deferd_api *, struct deferd_task *);
};

/*
 * Loads it.  What fails is logged and makes every task fail, but not the
 * worker: the launcher would start it again and again.
 */
void	module_open(struct module *, const char *path);
void	module_close(struct module *);

/* Catches crashes of this process, once; and of this thread, in each. */
void	module_catch_crashes(void);
int	module_watch_thread(struct slate_slot *)
	__attribute__((warn_unused_result));
void	module_unwatch_thread(void);

/* Runs a prepared job to its outcome. */
void	module_run(const struct module *, struct job *);

#endif
