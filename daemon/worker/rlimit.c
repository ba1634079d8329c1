#include "config.h"

#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/worker/rlimit.h"

void
rlimit_keep(struct rlimit_all *l)
{
	memset(l, 0, sizeof(*l));
	for (int i = 0; i < RLIM_NLIMITS; i++)
		(void)getrlimit(i, &l->resource[i]);
}

/* -1: one of them cannot be raised again. */
static int
restore(const struct rlimit_all *l)
{
	int status = 0;

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		const struct rlimit *was = &l->resource[i];
		struct rlimit now;

		if (getrlimit(i, &now) == 0 &&
		    (now.rlim_cur != was->rlim_cur ||
		    now.rlim_max < was->rlim_max) &&
		    setrlimit(i, was) == -1)
			status = -1;
	}
	return status;
}

/* What runs here is on the slate. */
void
rlimit_want(const struct rlimit_all *l)
{
	if (restore(l) == 0)
		return;
	log_error("limits-lowered");
	_exit(1);
}
