/*
 * deferd, the launcher: opens the sockets, goes into the background, starts
 * master and workers as their users and starts them again.  It reads no
 * request.
 *
 *	main		options, users, the order of things
 *	settings	deferd.conf, read once and sealed
 *	inherit		the socket that systemd has opened
 *	notify		what systemd hears
 *	daemonize	into the background
 *	places		sockets and PID file
 *	privilege	what of root it keeps
 *	rank		who goes first on a processor
 *	spawn		exec of a role; killing what a worker leaves
 *	link		frames to and from the master
 *	keeper		the loop
 *	backoff		how long who died waits to be started again
 *	trim		gives back what only the start needed
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/launcher/keeper.h"
#include "daemon/launcher/privilege.h"
#include "daemon/launcher/rank.h"
#include "daemon/log.h"
#include "daemon/role.h"

#ifdef HAVE_SQLITE
#define WITH_SQLITE	"SQLite"
#else
#define WITH_SQLITE	"no SQLite"
#endif
#if defined(HAVE_SECCOMP) && !defined(SANITIZED)
#define WITH_SECCOMP	"seccomp"
#else
#define WITH_SECCOMP	"no seccomp: the master may call all of the kernel"
#endif
#define BUILT_WITH	"with " WITH_SQLITE ", " WITH_SECCOMP

struct options {
	char		*path;		/* -c; absolute */
	char		*socket;	/* -s; absolute */
	bool		 foreground, check, check_store, debug;
};

static const struct option long_options[] = {
	{ "check-store", no_argument, NULL, 'S' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 }
};

static void __attribute__((noreturn))
usage(FILE *out, int code)
{
	fputs("usage: deferd [-dfV] [-c file] [-s socket]\n"
	    "       deferd -n [--check-store] [-c file]\n"
	    "       deferd -h | --help\n\n"
	    "  -c file        the settings, instead of " DEFERD_CONF "\n"
	    "  --check-store  with -n: look over the store instead\n"
	    "  -d             debug: log more, show why a task failed\n"
	    "  -f             stay in the foreground, log to standard error\n"
	    "  -h, --help     this\n"
	    "  -n             check the settings, print them, and exit\n"
	    "  -s socket      listen here, instead of where the settings say\n"
	    "  -V             print the version, and exit\n", out);
	exit(code);
}

/* What was given relative to here must be found again from "/". */
static char *
absolute(const char *path)
{
	char *dir = NULL, *whole = NULL;

	if (*path == '/')
		whole = strdup(path);
	else if ((dir = getcwd(NULL, 0)) &&
	    asprintf(&whole, "%s/%s", dir, path) < 0)
		whole = NULL;
	if (!whole)
		log_fatal("fatal path=%s error=%m", path);
	free(dir);
	return whole;
}

static void
read_options(struct options *o, int argc, char **argv)
{
	int c;

	*o = (struct options){ 0 };
	while ((c = getopt_long(argc, argv, "c:dfhns:V", long_options,
	    NULL)) != -1)
		switch (c) {
		case 'c':
			free(o->path);
			o->path = absolute(optarg);
			break;
		case 'd':
			o->debug = true;
			break;
		case 'f':
			o->foreground = true;
			break;
		case 'n':
			o->check = true;
			break;
		case 'S':
			o->check_store = true;
			break;
		case 's':
			free(o->socket);
			o->socket = absolute(optarg);
			break;
		case 'V':
			puts("deferd " PACKAGE_VERSION "\n" BUILT_WITH);
			exit(0);
		case 'h':
			usage(stdout, 0);
		default:
			usage(stderr, 2);
		}
	if (optind < argc || (o->check_store && !o->check))
		usage(stderr, 2);
	if (!o->path && access(DEFERD_CONF, F_OK) == 0)
		o->path = absolute(DEFERD_CONF);
}

/*
 * 0, 1 and 2 are there, then what systemd gave, nothing else is: what the
 * one who called left open is not ours to keep, and all that is opened later
 * is close-on-exec.
 */
static void
clean_descriptors(const struct inherit *in)
{
	unsigned int first = (unsigned int)(INHERIT_FIRST + in->n);
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0 || close_range(first, ~0U, 0) < 0)
		log_fatal("fatal error=%m");
	umask(022);
}

static void
find_user(struct spawn_user *user, const char *setting, const char *name)
{
	if (!name)
		log_fatal("fatal setting=%s error=%s", setting,
		    "must be set when started as root");
	if (spawn_find_user(user, name) == 0)
		return;
	if (errno == ENOENT)
		log_fatal("fatal setting=%s user=%s error=%s", setting, name,
		    "no such user");
	log_fatal("fatal setting=%s user=%s error=%m", setting, name);
}

/* Only root has users to choose from. */
static void
find_users(struct spawn_user *user, struct spawn_user *run_as,
    const struct conf *conf)
{
	find_user(user, "user", conf->user);
	find_user(run_as, "run-as", conf->run_as);
	if (user->uid == run_as->uid)
		log_warn("settings-doubtful user=%s error=%s", user->name,
		    "it is run-as, too: tasks can read the store and kill "
		    "the master");
	if (run_as->uid == 0)
		log_warn("settings-doubtful setting=run-as error=%s",
		    "it is root: so is every task");
}

/* A program of its own, as the store's owner: there is no database in here. */
static int
check_store(const struct conf *conf, const struct spawn_user *user)
{
	char *argv[] = { (char *)(uintptr_t)ROLE_CHECK_PROGRAM, conf->store,
	    conf->spool, NULL };
	struct spawn s = { .program = ROLE_CHECK_PROGRAM, .argv = argv,
	    .stderr_fd = STDOUT_FILENO, .user = user, .bare = true,
	    .mask = 077, .death_signal = SIGKILL };
	pid_t pid = spawn(&s);
	int status;

	if (pid == -1) {
		log_error("start-failed program=%s error=%m",
		    ROLE_CHECK_PROGRAM);
		return 1;
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int
check(const struct options *o, const struct conf *conf,
    const struct spawn_user *user)
{
	if (o->check_store)
		return check_store(conf, user);
	conf_print(conf, stdout);
	settings_warn(conf);
	return fflush(stdout) == 0 ? 0 : 1;
}

static int
serve(struct keeper *k, struct inherit *in)
{
	int status = 1;

	settings_warn_walls(k->settings.conf);
	notify_open(&k->notify);
	if (!k->foreground)
		daemonize_start(&k->daemonize);
	if (places_open(&k->places, k->settings.conf, in, k->user,
	    k->run_as) == 0) {
		rank_rise();
		privilege_drop();
		status = keeper_run(k);
		privilege_raise();
		daemonize_failed(&k->daemonize); /* silent, if it had served */
		places_close(&k->places);
	}
	notify_close(&k->notify);
	return status;
}

int
main(int argc, char **argv)
{
	struct spawn_user user = { 0 }, run_as = { 0 };
	char error[CONF_ERROR_MAX];
	struct keeper k = { 0 };
	struct inherit in;
	struct options o;
	int status;

	status = inherit_init(&in);
	clean_descriptors(&in);
	log_init("deferd", false, LOG_L_INFO);
	if (status < 0)
		log_fatal("fatal variable=LISTEN_FDS error=%s",
		    "there are no such descriptors");
	read_options(&o, argc, argv);
	log_init("deferd", false, log_first_level(o.debug, o.foreground));
	if (settings_read(&k.settings, o.path, o.socket, error) < 0)
		log_fatal("fatal error=%s", error);
	k.path = o.path;
	k.socket = o.socket;
	k.foreground = o.foreground;
	k.debug = o.debug;
	daemonize_init(&k.daemonize);
	if (geteuid() == 0) {
		find_users(&user, &run_as, k.settings.conf);
		k.user = &user;
		k.run_as = &run_as;
	}
	status = o.check ? check(&o, k.settings.conf, k.user) : serve(&k, &in);
	inherit_fini(&in);
	settings_fini(&k.settings);
	free(user.name);
	free(run_as.name);
	free(o.path);
	free(o.socket);
	return status;
}
