/*
 * deferd-master - accepts requests, keeps the table and the store, schedules,
 * answers.  One loop thread owns all of that; the store has its own.
 *
 * Started by the launcher only; what it is handed stands in daemon/role.h.
 */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/conf.h"
#include "daemon/log.h"
#include "daemon/role.h"
#include "daemon/master/clock.h"
#include "daemon/master/conn.h"
#include "daemon/master/jail.h"
#include "daemon/master/leave.h"
#include "daemon/master/sched.h"
#include "daemon/master/server.h"
#include "daemon/store/store.h"
#include "daemon/store/work.h"

#define IO_THREADS	2
#define LOOK_MS		20	/* between looks whether it can end */

struct master {
	struct event_base *base;
	struct conf	*conf;
	struct store	*store;
	struct work_pool *io;
	struct sched	*sched;
	struct server	*server;
	struct conn_env	 env;
	struct event	*look;		/* whether it can end */
	struct event	*alive;		/* tells the launcher that the loop turns */
	struct leave	 leave;
	int64_t		 drain_s;	/* as it was when that began */
	int		 status;	/* to exit with */
	bool		 heir;		/* who listens next answers the backlog */
	bool		 foreground, debug;
	long		 alive_ms;	/* 0: the launcher does not ask */
};

/* --- settings ---------------------------------------------------------------- */

/* Takes fd.  NULL with a message. */
static struct conf *
read_conf(int fd, unsigned int generation, char error[CONF_ERROR_MAX])
{
	FILE *file = fdopen(fd, "r");
	struct conf *conf;

	if (file == NULL) {
		(void)snprintf(error, CONF_ERROR_MAX, "settings: %s",
		    strerror(errno));
		close(fd);
		return NULL;
	}
	rewind(file);
	conf = conf_read(file, "deferd.conf", error);
	(void)fclose(file);
	if (conf != NULL)
		conf->generation = generation;
	return conf;
}

static void
reload(struct master *m, int fd, unsigned int generation)
{
	char error[CONF_ERROR_MAX];
	struct conf *conf = read_conf(fd, generation, error);

	if (conf == NULL || sched_set_conf(m->sched, conf) == -1) {
		log_error("reload-failed error=%s",
		    conf == NULL ? error : "no memory");
		conf_free(conf);
		return;
	}
	m->env.conf = conf;
	server_set_conf(m->server);
	if (m->conf != m->env.first_conf)
		conf_free(m->conf);
	m->conf = conf;
	log_info("reloaded generation=%u routes=%zu", generation,
	    conf->nroutes);
}

/* The launcher hears that it is done, whatever came of it. */
static void
on_reload(int fd, unsigned int generation, void *arg)
{
	struct master *m = arg;

	reload(m, fd, generation);
	if (sched_ready(m->sched) == -1)
		log_error("send-failed to=launcher frame=READY error=%m");
}

/* --- the end ----------------------------------------------------------------- */

/* Slow or not, who runs on when the doors close is not waited for any more. */
static void
close_doors(struct master *m)
{
	if (sched_is_busy(m->sched))
		log_warn("drain-over seconds=%lld",
		    (long long)m->drain_s);
	server_close(m->server, m->heir);
}

static void
hurry(struct master *m)
{
	log_warn("leaving connections=%zu", server_count(m->server));
	server_hurry(m->server);
}

static void
advance(struct master *m)
{
	enum leave_stage was;

	do {
		struct leave_facts facts = {
			.busy = sched_is_busy(m->sched),
			.inside = server_count(m->server),
			.oldest_ms = server_oldest_ms(m->server),
			.empty = server_is_empty(m->server),
		};

		was = m->leave.stage;
		if (leave_advance(&m->leave, &facts, clock_mono_ms()) == was)
			return;
		if (m->leave.stage == LEAVE_LEAVING)
			close_doors(m);
		else if (m->leave.stage == LEAVE_HURRIED)
			hurry(m);
		else
			event_base_loopbreak(m->base);
	} while (m->leave.stage != LEAVE_GONE);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct timeval tv = { .tv_usec = LOOK_MS * 1000 };
	struct master *m = arg;

	(void)fd, (void)what;
	(void)evtimer_add(m->look, &tv);
	advance(m);
}

/* Nothing runs any more: an idle daemon ends at once. */
static void
on_quiet(void *arg)
{
	advance(arg);
}

static void
on_drain(bool heir, void *arg)
{
	struct master *m = arg;

	m->heir = heir;
	if (m->leave.stage >= LEAVE_LEAVING)
		server_close(m->server, heir);
	if (m->leave.stage != LEAVE_SERVING)
		return;
	m->drain_s = m->conf->drain_s;
	log_info("draining seconds=%lld", (long long)m->drain_s);
	leave_begin(&m->leave, clock_mono_ms(), m->drain_s * 1000);
	sched_drain(m->sched);
	on_look(-1, 0, m);
}

/* Without a launcher nobody would restart a worker or reap its scripts. */
static void
on_launcher_gone(void *arg)
{
	struct master *m = arg;

	log_error("launcher-gone");
	m->status = EXIT_FAILURE;
	event_base_loopbreak(m->base);
}

/* --- the start --------------------------------------------------------------- */

static void
raise_descriptor_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return;
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		log_warn("limit-failed what=descriptors error=%m");
}

/* What a terminal or an operator sends is the launcher's to handle. */
static void
ignore_signals(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGUSR2, SIG_IGN);
}

static void
read_options(struct master *m, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "a:fd")) != -1)
		switch (c) {
		case 'a':
			m->alive_ms = strtol(optarg, NULL, 10);
			break;
		case 'f':
			m->foreground = true;
			break;
		case 'd':
			m->debug = true;
			break;
		default:
			exit(2);
		}
}

static int
control_fd(const struct master *m)
{
	if (m->conf->control_path == NULL ||
	    fcntl(MASTER_FD_CONTROL, F_GETFD) == -1)
		return -1;
	return MASTER_FD_CONTROL;
}

static void
on_alive(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;

	(void)fd, (void)what;
	sched_alive(m->sched);
}

/* The first time as soon as the loop turns. */
static void
start_alive(struct master *m)
{
	struct timeval tv = { .tv_sec = m->alive_ms / 1000,
		.tv_usec = m->alive_ms % 1000 * 1000 };

	if (m->alive_ms <= 0)
		return;
	m->alive = event_new(m->base, -1, EV_PERSIST, on_alive, m);
	if (m->alive == NULL || event_add(m->alive, &tv) == -1)
		log_fatal("fatal error=%m");
	event_active(m->alive, EV_TIMEOUT, 0);
}

static void
start(struct master *m)
{
	char error[CONF_ERROR_MAX];
	struct sched_events events = {
		.drain = on_drain, .reload = on_reload,
		.launcher_gone = on_launcher_gone, .quiet = on_quiet, .arg = m,
	};

	m->conf = read_conf(ROLE_FD_CONF, 0, error);
	if (m->conf == NULL)
		log_fatal("fatal error=%s", error);
	m->base = event_base_new();
	m->look = m->base ? evtimer_new(m->base, on_look, m) : NULL;
	m->io = m->base ? work_pool_new(m->base, "deferd-io", IO_THREADS) : NULL;
	if (m->look == NULL || m->io == NULL)
		log_fatal("fatal error=%m");
	m->store = store_open(m->base, m->conf, error);
	if (m->store == NULL)
		log_fatal("fatal error=%s", error);
	m->sched = sched_new(m->base, m->store, m->conf, ROLE_FD_PEER,
	    &events);
	if (m->sched == NULL)
		log_fatal("fatal error=%m");
	if (sched_restore(m->sched, error) == -1)
		log_fatal("fatal error=%s", error);
	m->env = (struct conn_env){
		.base = m->base, .conf = m->conf, .first_conf = m->conf, .sched = m->sched,
		.store = m->store, .io = m->io, .debug = m->debug,
	};
	m->server = server_new(&m->env, MASTER_FD_LISTEN, control_fd(m));
	if (m->server == NULL)
		log_fatal("fatal error=%m");
	jail_enter();
	if (sched_ready(m->sched) == -1)
		log_fatal("fatal error=%m");
}

/* From here on nobody reads our stderr, but for who asked to see it. */
static void
leave_terminal(const struct master *m)
{
	int fd;

	if (m->foreground)
		return;
	log_init(ROLE_MASTER_PROGRAM, true,
	    m->debug ? LOG_L_DEBUG : LOG_L_INFO);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd == -1)
		return;
	(void)dup2(fd, STDOUT_FILENO);
	(void)dup2(fd, STDERR_FILENO);
	close(fd);
}

/* What is queued for the store is committed, or the status says that it is not. */
static void
close_store(struct master *m)
{
	sched_save_rest(m->sched);
	store_close(m->store);
	if (sched_unsaved(m->sched) > 0)
		m->status = EXIT_FAILURE;
	log_info("exit status=%d", m->status);
}

/*
 * Everything is given back, unless a thread still looks at it: one that waits
 * for a stranger's file.
 */
static void
stop(struct master *m)
{
	close_store(m);
	if (!work_pool_settle(m->io)) {
		log_warn("leaving-stuck");
		_exit(m->status);
	}
	work_pool_free(m->io);
	server_free(m->server);
	sched_free(m->sched);
	event_free(m->look);
	if (m->alive != NULL)
		event_free(m->alive);
	event_base_free(m->base);
	if (m->conf != m->env.first_conf)
		conf_free((struct conf *)m->env.first_conf);
	conf_free(m->conf);
	libevent_global_shutdown();
}

int
main(int argc, char **argv)
{
	struct master m = { .status = EXIT_SUCCESS };

	read_options(&m, argc, argv);
	log_init(ROLE_MASTER_PROGRAM, false,
	    log_first_level(m.debug, m.foreground));
	jail_close_memory();
	ignore_signals();
	raise_descriptor_limit();
	start(&m);
	leave_terminal(&m);
	start_alive(&m);
	if (event_base_dispatch(m.base) == -1)
		m.status = EXIT_FAILURE;
	stop(&m);
	return m.status;
}
