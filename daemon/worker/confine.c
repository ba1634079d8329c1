/*
 * confine - no new rights, no other files, no network.
 */
#include "config.h"

#include "daemon/worker/confine.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "daemon/landlock.h"

#ifdef HAVE_SECCOMP

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define FILTER_MAX	256	/* instructions; it has about twenty */

static struct sock_filter code[FILTER_MAX];
static struct sock_fprog filter = { .filter = code };	/* len 0: failed */
static pthread_once_t filter_once = PTHREAD_ONCE_INIT;

/* 0, or -errno. */
static int
fill(scmp_filter_ctx ctx)
{
	static const struct scmp_arg_cmp other = { 0, SCMP_CMP_NE, AF_UNIX, 0 };
	int error;

	error = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_ERRNO(ENOSYS));
	if (error == 0)
		error = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EACCES),
		    SCMP_SYS(socket), 1, &other);
	if (error == 0)
		error = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(ENOSYS),
		    SCMP_SYS(io_uring_setup), 0, NULL);
	return error;
}

/* libseccomp writes to a file, and to memory since 2.6 only. */
static void
make_filter(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t n = -1;

	if (ctx != NULL && fd != -1 && fill(ctx) == 0 &&
	    seccomp_export_bpf(ctx, fd) == 0)
		n = pread(fd, code, sizeof(code), 0);
	if (n > 0 && n < (ssize_t)sizeof(code))
		filter.len = (unsigned short)((size_t)n / sizeof(code[0]));
	if (fd != -1)
		close(fd);
	seccomp_release(ctx);
}

static const struct sock_fprog *
no_network(void)
{
	(void)pthread_once(&filter_once, make_filter);
	return filter.len > 0 ? &filter : NULL;
}

#else

/* Refused with the settings. */
static const struct sock_fprog *
no_network(void)
{
	return NULL;
}

#endif

int
confine_open(struct confine *c, const struct conf_route *route,
    const char **what)
{
	*c = (struct confine){ .no_new_privs = route->no_new_privs,
		.ruleset = -1 };
	if (!route->network) {
		*what = "network";
		c->filter = no_network();
		if (c->filter == NULL) {
			errno = ENOSYS;
			return -1;
		}
	}
	if (route->landlock == NULL)
		return 0;
	c->ruleset = landlock_open(route->landlock, what);
	if (*what == NULL)
		*what = "landlock";
	return c->ruleset == -1 ? -1 : 0;
}

void
confine_close(struct confine *c)
{
	if (c->ruleset != -1)
		close(c->ruleset);
	c->ruleset = -1;
}

/* Both walls below need the first; the filter last, it may refuse anything. */
int
confine_enter(const struct confine *c)
{
	if (c->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	if (c->ruleset != -1 && landlock_enter(c->ruleset) == -1)
		return -1;
	if (c->filter == NULL)
		return 0;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, c->filter);
}
