/*
 * shim - a malloc that fails when a test says so.
 *
 * Preloaded into one program ($FAULT_PROGRAM); the test and it share the file
 * $FAULT_PLAN.  The allocation that brings `countdown` to 0 fails, once, and
 * with $FAULT_TRACE its place is written to that file.  What libraries
 * allocate counts like our own.
 */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct plan {
	atomic_long	 countdown;	/* 0: nothing fails */
	atomic_long	 calls;		/* allocations while countdown was set */
	atomic_long	 failed;
};

/* glibc's own, under the names that nobody replaces. */
void	*__libc_malloc(size_t);
void	*__libc_calloc(size_t, size_t);
void	*__libc_realloc(void *, size_t);
void	*__libc_memalign(size_t, size_t);

static struct plan *plan;
static int trace = -1;

static void	write_trace(void);

/* Who could not bear it says where he was. */
static void
on_crash(int signo)
{
	write_trace();
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
}

__attribute__((constructor))
static void
open_plan(void)
{
	const char *program = getenv("FAULT_PROGRAM");
	const char *path = getenv("FAULT_PLAN"), *to = getenv("FAULT_TRACE");
	void *frames[1];
	struct plan *p;
	int fd;

	if (program == NULL || path == NULL ||
	    strcmp(program, program_invocation_short_name) != 0)
		return;
	if ((fd = open(path, O_RDWR | O_CLOEXEC)) == -1)
		return;
	p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (to != NULL) {
		(void)backtrace(frames, 1);	/* loads what it needs, now */
		trace = open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	}
	if (trace != -1) {
		(void)signal(SIGSEGV, on_crash);
		(void)signal(SIGABRT, on_crash);
	}
	if (p != MAP_FAILED)
		plan = p;
}

static void
write_trace(void)
{
	void *frames[32];
	int n = backtrace(frames, 32);

	backtrace_symbols_fd(frames, n, trace);
	if (write(trace, "--\n", 3) == -1)
		trace = -1;
}

static bool
fails(void)
{
	if (plan == NULL || atomic_load(&plan->countdown) <= 0)
		return false;
	atomic_fetch_add(&plan->calls, 1);
	if (atomic_fetch_sub(&plan->countdown, 1) != 1)
		return false;
	atomic_fetch_add(&plan->failed, 1);
	if (trace != -1)
		write_trace();
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __libc_memalign(alignment, size);
}

int
posix_memalign(void **p, size_t alignment, size_t size)
{
	if (fails())
		return ENOMEM;
	*p = __libc_memalign(alignment, size);
	return *p == NULL ? ENOMEM : 0;
}
