/*
 * wait - until a task has ended, however often the daemon is restarted.
 */
#ifndef CTL_WAIT_H
#define CTL_WAIT_H

#include <stdint.h>

#include "ctl/ctl.h"

#define WAIT_STATE	16	/* bytes of a state's name, NUL included */

/*
 * Long-polls the link of a task again and again; timeout_s -1: as long as it
 * takes.  EXIT_DONE: it has ended, in `state`.  EXIT_NO, EXIT_AWAY: said.
 */
int	wait_for_end(const struct ctl *, const char *id, int64_t timeout_s,
	    char state[WAIT_STATE])
	__attribute__((warn_unused_result));

/* The exit code of who waits for a task that ended like this. */
int	wait_code(const char *state);

#endif
