#include "config.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "daemon/launcher/rank.h"

#define RISE	2		/* steps of nice(1): half as much again */

static bool risen;
static int nice_before;

static bool
is_usual(void)
{
	return sched_getscheduler(0) == SCHED_OTHER;
}

void
rank_rise(void)
{
	errno = 0;
	nice_before = getpriority(PRIO_PROCESS, 0);
	if (errno == 0 && is_usual())
		risen = setpriority(PRIO_PROCESS, 0, nice_before - RISE) == 0;
}

void
rank_of_worker(void)
{
	const struct sched_param none = { 0 };

	if (risen)
		(void)setpriority(PRIO_PROCESS, 0, nice_before);
	if (is_usual())
		(void)sched_setscheduler(0, SCHED_BATCH, &none);
}
