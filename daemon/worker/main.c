/*
 * deferd-worker - runs tasks.  User code runs here only.
 *
 * exec'ed by the launcher with everything it may touch (daemon/role.h); it
 * opens no socket, no store, no configuration file.  The threads of the pool
 * take jobs from the master; the main thread hears what else it has to say.
 *
 * It ends in two ways.  Retired: with 0, when no more jobs come and the last
 * one is answered.  Or at once, when the master is gone, when the launcher is
 * (SIGTERM, by PDEATHSIG), or when a frame makes no sense: then it takes the
 * programs it runs with it, and what they were doing is on the slate.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/sock.h"
#include "daemon/log.h"
#include "daemon/role.h"
#include "daemon/worker/child.h"
#include "daemon/worker/pool.h"

struct worker {
	struct conf	*conf;
	struct slate	 slate;
	struct module	 module;
	struct pool	 pool;
	int		 term_fd;	/* signalfd */
	unsigned char	*packet;	/* FRAME_MAX bytes */
};

struct options {
	bool		 front, debug;
	unsigned long	 pool;
};

static void
usage(void)
{
	fputs("usage: deferd-worker [-fd] -p pool\n"
	    "It is started by deferd(8).\n", stderr);
	exit(2);
}

static void
read_options(struct options *o, int argc, char **argv)
{
	bool has_pool = false;
	char *end;
	int c;

	while ((c = getopt(argc, argv, "fdp:")) != -1) {
		switch (c) {
		case 'f':
			o->front = true;
			break;
		case 'd':
			o->debug = true;
			break;
		case 'p':
			o->pool = strtoul(optarg, &end, 10);
			has_pool = end != optarg && *end == '\0';
			break;
		default:
			usage();
		}
	}
	if (!has_pool || optind != argc)
		usage();
}

/* A descriptor 0, 1 or 2 that is closed would be the next one opened. */
static void
fill_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd != -1 && fd <= 2);
	if (fd > 2)
		close(fd);
}

/*
 * Few arenas, and large blocks straight back to the kernel: a worker is
 * mostly idle, and there are many.
 */
static void
stay_small(void)
{
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
}

/* Whatever was ignored by who started us is not, in a program we start. */
static int
take_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t term;
	int i;

	for (i = 1; i < NSIG; i++)
		sigaction(i, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	for (i = 0; child_ignored[i] != 0; i++)
		sigaction(child_ignored[i], &sa, NULL);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_SETMASK, &term, NULL);
	return signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
}

static struct conf *
read_conf(void)
{
	char error[CONF_ERROR_MAX];
	struct conf *conf;
	FILE *f = fdopen(ROLE_FD_CONF, "r");

	if (f == NULL)
		log_fatal("fatal error=%m descriptor=%d", ROLE_FD_CONF);
	/* Its offset is shared with every process that reads it. */
	rewind(f);
	conf = conf_read(f, "deferd.conf", error);
	if (conf == NULL)
		log_fatal("fatal error=%s", error);
	fclose(f);
	return conf;
}

/*
 * Programs run as our user, and must not trace us: we hold the requests of
 * others, and the sockets to the master.  What a module's author wants of a
 * worker, a core and a debugger, is no use here.  (LeakSanitizer traces.)
 */
static void
close_memory(void)
{
#ifndef SANITIZED
	if (prctl(PR_SET_DUMPABLE, 0) == -1)
		log_fatal("fatal error=%m");
#endif
}

static void
worker_init(struct worker *w, const struct options *o)
{
	struct job_world world = { .peer = ROLE_FD_PEER };
	const char *module;

	if (fcntl(ROLE_FD_PEER, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(WORKER_FD_JOBS, F_SETFD, FD_CLOEXEC) == -1 ||
	    slate_map_writer(&w->slate, WORKER_FD_SLATE) == -1)
		log_fatal("fatal error=%m");
	close(WORKER_FD_SLATE);
	w->conf = read_conf();
	if (o->pool >= w->conf->npools)
		log_fatal("fatal error=%s pool=%lu", "no such pool", o->pool);
	world.conf = w->conf;
	world.pool = (unsigned int)o->pool;
	module = w->conf->pools[o->pool].module;
	if (module != NULL) {
		module_open(&w->module, module);
		module_catch_crashes();
	} else
		close_memory();
	fdtable_open(&world.fds, module == NULL);
	rlimit_keep(&world.limits);
	world.null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	w->packet = malloc(FRAME_MAX);
	if (world.null_fd == -1 || w->packet == NULL ||
	    pool_init(&w->pool, WORKER_FD_JOBS, &world, &w->slate,
	    module != NULL ? &w->module : NULL) == -1)
		log_fatal("fatal error=%m");
}

static void
worker_fini(struct worker *w)
{
	pool_fini(&w->pool);
	if (w->pool.module != NULL)
		module_close(&w->module);
	slate_unmap(&w->slate);
	conf_free(w->conf);
	close(w->pool.world.null_fd);
	fdtable_close(&w->pool.world.fds);
	free(w->packet);
}

static int
worker_take(struct worker *w, const struct frame *f, int fd)
{
	switch (f->kind) {
	case FRAME_CANCEL:
		pool_cancel(&w->pool, f);
		return 0;
	case FRAME_SPOOL:
		pool_spool(&w->pool, f, fd);
		return 0;
	case FRAME_FOLLOW:
		pool_follow(&w->pool, f);
		return 0;
	default:
		return -1;
	}
}

/* One frame, if there is one now. */
static void
worker_receive(struct worker *w)
{
	int fds[SOCK_FDS_MAX], nfds;
	bool truncated;
	struct frame f;
	ssize_t n;

	n = sock_recv(ROLE_FD_PEER, w->packet, FRAME_MAX, MSG_DONTWAIT, fds,
	    &nfds, &truncated);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0 && !truncated) {
		log_debug("master-gone");
		pool_die(&w->pool, 0);
	}
	if (truncated)
		rlimit_want(&w->pool.world.limits);
	if (truncated || frame_decode(&f, w->packet, (size_t)n) == -1 ||
	    frame_fds(&f) != nfds) {
		log_error("frame-bad bytes=%zd descriptors=%d", n, nfds);
		pool_die(&w->pool, 1);
	}
	if (worker_take(w, &f, nfds == 1 ? fds[0] : -1) == -1) {
		log_error("frame-bad frame=%s", frame_name(f.kind));
		pool_die(&w->pool, 1);
	}
}

static void
worker_serve(struct worker *w)
{
	enum { MASTER, TERM, NEWS, LITTER, N };
	const struct fdtable *fds = &w->pool.world.fds;
	struct pollfd fd[N] = {
		[MASTER] = { .fd = ROLE_FD_PEER, .events = POLLIN },
		[TERM] = { .fd = w->term_fd, .events = POLLIN },
		[NEWS] = { .fd = w->pool.news_fd, .events = POLLIN },
		[LITTER] = { .fd = fds->litter_fd[0], .events = POLLIN },
	};

	for (;;) {
		if (poll(fd, N, pool_feed(&w->pool) ? POOL_FEED_MS : -1) == -1) {
			if (errno == EINVAL)	/* more than we may have open */
				rlimit_want(&w->pool.world.limits);
			continue;
		}
		if (fd[TERM].revents != 0)
			pool_die(&w->pool, 0);
		if (fd[LITTER].revents != 0)
			fdtable_clean(fds);
		if (fd[MASTER].revents != 0)
			worker_receive(w);
		else if (fd[NEWS].revents != 0 && pool_is_over(&w->pool))
			return;
	}
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	struct worker w = { 0 };

	read_options(&o, argc, argv);
	fill_standard_fds();
	stay_small();
	log_init("deferd-worker", !o.front, o.debug ? LOG_L_DEBUG : LOG_L_INFO);
	w.term_fd = take_signals();
	if (w.term_fd == -1)
		log_fatal("fatal error=%m");
	worker_init(&w, &o);
	job_send_hello(&w.pool.world, w.pool.nthreads);
	worker_serve(&w);
	worker_fini(&w);
	return 0;
}
