/*
 * fdtable - who has which descriptor, in a worker that runs programs.
 */
#include "config.h"

#include "daemon/worker/fdtable.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "daemon/log.h"

/* Whether a thread may fetch, found out by fetching. */
static bool
can_fetch(int self)
{
#ifdef __SANITIZE_THREAD__
	(void)self;
	return false;
#else
	int fd = pidfd_getfd(self, self, 0);

	if (fd != -1)
		close(fd);
	return fd != -1;
#endif
}

void
fdtable_open(struct fdtable *t, bool wants_own)
{
	*t = (struct fdtable){ -1, { -1, -1 } };
	if (!wants_own || (t->self_fd = pidfd_open(getpid(), 0)) == -1)
		return;
	if (can_fetch(t->self_fd) &&
	    pipe2(t->litter_fd, O_CLOEXEC | O_NONBLOCK) == 0)
		return;
	close(t->self_fd);
	t->self_fd = -1;
}

void
fdtable_close(struct fdtable *t)
{
	if (t->self_fd == -1)
		return;
	close(t->self_fd);
	close(t->litter_fd[0]);
	close(t->litter_fd[1]);
}

void
fdtable_clean(const struct fdtable *t)
{
	int fd;

	while (read(t->litter_fd[0], &fd, sizeof(fd)) == sizeof(fd))
		close(fd);
}

/*
 * The range is empty.  unshare(2) would say the same, but many containers
 * refuse it.  A thread that could not part has what it fetches under two
 * numbers for a moment: no harm.
 */
void
fdtable_part(const struct fdtable *t)
{
	if (t->self_fd != -1 &&
	    close_range(~0U, ~0U, CLOSE_RANGE_UNSHARE) == -1)
		log_warn("part-failed error=%m");
}

int
fdtable_copy(const struct fdtable *t, int fd)
{
	return t->self_fd == -1 ? fd : pidfd_getfd(t->self_fd, fd, 0);
}

int
fdtable_fetch(const struct fdtable *t, int fd)
{
	int own, error;

	if (t->self_fd == -1)
		return fd;
	own = pidfd_getfd(t->self_fd, fd, 0);
	error = errno;
	fdtable_drop(t, fd);
	errno = error;
	return own;
}

void
fdtable_drop(const struct fdtable *t, int fd)
{
	if (t->self_fd == -1)
		close(fd);
	else if (write(t->litter_fd[1], &fd, sizeof(fd)) == -1)
		log_error("litter-failed error=%m");
}
