/*
 * clock - a clock on the wall that is wrong by what a test says.
 *
 * Preloaded into a daemon; the test and it share the file $CLOCK_PLAN, with
 * the seconds to be added in it.  Only CLOCK_REALTIME is touched: the kernel
 * lets nobody set the monotonic clock, and its timers follow that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static atomic_long *ahead_s;

__attribute__((constructor))
static void
open_plan(void)
{
	const char *path = getenv("CLOCK_PLAN");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p;

	if (fd == -1)
		return;
	p = mmap(NULL, sizeof(*ahead_s), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		ahead_s = p;
}

static time_t
ahead(void)
{
	return ahead_s != NULL ? atomic_load(ahead_s) : 0;
}

int
clock_gettime(clockid_t which, struct timespec *now)
{
	if (syscall(SYS_clock_gettime, which, now) == -1)
		return -1;
	if (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)
		now->tv_sec += ahead();
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

int
gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
	return 0;
}
