/*
 * settings - deferd.conf as bytes that no longer change.
 */
#include "daemon/launcher/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/landlock.h"
#include "daemon/log.h"

#define SETTINGS_MAX	(1024 * 1024)	/* bytes of a file */
#define BUILT_IN	"built-in settings"

static int
add(int to, const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	for (; len > 0; at += n, len -= (size_t)n)
		if ((n = write(to, at, len)) < 0)
			return -1;
	return 0;
}

static int
copy(int to, const char *path)
{
	char page[4096];
	size_t total = 0;
	ssize_t n = -1;
	int from, saved;

	from = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (from < 0)
		return -1;
	while ((n = read(from, page, sizeof(page))) > 0) {
		total += (size_t)n;
		if (total > SETTINGS_MAX) {
			errno = EFBIG;
			n = -1;
		}
		if (n < 0 || add(to, page, (size_t)n) < 0) {
			n = -1;
			break;
		}
	}
	saved = errno;
	close(from);
	errno = saved;
	return n < 0 ? -1 : 0;
}

static int
fill(int fd, const char *path)
{
	int status;

	status = path ? copy(fd, path) :
	    add(fd, conf_default_text, strlen(conf_default_text));
	if (status < 0)
		return -1;
	return fcntl(fd, F_ADD_SEALS,
	    F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
}

/* Parses the sealed bytes, never the file. */
static struct conf *
parse(const struct settings *s, const char *name, char error[CONF_ERROR_MAX])
{
	struct conf *conf = NULL;
	FILE *file = NULL;
	int fd;

	fd = settings_open(s);
	if (fd >= 0)
		file = fdopen(fd, "r");
	if (!file) {
		snprintf(error, CONF_ERROR_MAX, "%s: %s", name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	conf = conf_read(file, name, error);
	fclose(file);
	return conf;
}

int
settings_read(struct settings *s, const char *path, const char *socket,
    char error[CONF_ERROR_MAX])
{
	const char *name = path ? path : BUILT_IN;

	s->conf = NULL;
	s->fd = memfd_create("deferd.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0 || fill(s->fd, path) < 0) {
		snprintf(error, CONF_ERROR_MAX, "%s: %s", name, strerror(errno));
		goto out;
	}
	s->conf = parse(s, name, error);
	if (!s->conf)
		goto out;
	if (!socket || conf_set_socket(s->conf, socket) == 0)
		return 0;
	snprintf(error, CONF_ERROR_MAX, "%s: %s", name, strerror(errno));
out:
	settings_fini(s);
	return -1;
}

bool
settings_equal(const struct settings *a, const struct settings *b)
{
	char page[2][4096];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(a->fd, page[0], sizeof(page[0]), at)) > 0) {
		if (pread(b->fd, page[1], sizeof(page[1]), at) != n ||
		    memcmp(page[0], page[1], (size_t)n) != 0)
			return false;
		at += n;
	}
	return n == 0 && pread(b->fd, page[1], 1, at) == 0;
}

void
settings_fini(struct settings *s)
{
	if (s->conf)
		conf_free(s->conf);
	if (s->fd >= 0)
		close(s->fd);
	s->conf = NULL;
	s->fd = -1;
}

int
settings_open(const struct settings *s)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void
warn_user(const char *what, const char *name)
{
	if (name && !getpwnam(name))
		log_warn("settings-doubtful setting=%s user=%s error=%s", what,
		    name, "no such user");
}

static void
warn_path(const char *what, const char *path, int mode)
{
	if (path && access(path, mode) < 0)
		log_warn("settings-doubtful setting=%s path=%s error=%m", what,
		    path);
}

static void
warn_parent(const char *what, const char *path)
{
	char *dir = path ? strdup(path) : NULL;
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (slash && slash != dir) {
		*slash = '\0';
		warn_path(what, dir, X_OK);
	}
	free(dir);
}

/* The wall between the tasks and us has a door then. */
static void
warn_operator(const struct conf *conf, const char *name)
{
	warn_user("control-peers", name);
	if (strcmp(name, conf->run_as) == 0)
		log_warn("settings-doubtful setting=control-peers user=%s "
		    "error=%s", name, "is run-as: every task can operate");
}

static const char *
landlock_doubt(int abi)
{
	if (abi == 0)
		return "this kernel has no Landlock, or it is not in use: the "
		    "route's tasks fail";
	if (abi < LANDLOCK_ABI_TRUNCATE)
		return "this kernel's Landlock lets tasks empty files that "
		    "their user may write (Linux 6.2 does not)";
	return NULL;
}

void
settings_warn_walls(const struct conf *conf)
{
	const char *doubt = landlock_doubt(landlock_abi());
	char *const *rule;
	size_t i;

	for (i = 0; i < conf->nroutes; i++) {
		rule = conf->routes[i].landlock;
		if (rule != NULL && doubt != NULL)
			log_warn("settings-doubtful setting=landlock route=%s "
			    "error=%s", conf->routes[i].name, doubt);
		for (; rule != NULL && *rule != NULL; rule++)
			warn_path("landlock", landlock_path(*rule), F_OK);
	}
}

void
settings_warn(const struct conf *conf)
{
	char **peer;
	size_t i;

	warn_user("user", conf->user);
	warn_user("run-as", conf->run_as);
	for (peer = conf->peers; peer && *peer; peer++)
		warn_user("peers", *peer);
	for (peer = conf->control_peers; peer && *peer; peer++)
		warn_operator(conf, *peer);
	warn_parent("socket", conf->socket_path);
	warn_parent("control", conf->control_path);
	warn_parent("pid-file", conf->pid_file);
	for (i = 0; i < conf->nroutes; i++) {
		warn_path(conf->routes[i].name, conf->routes[i].exec, X_OK);
		warn_path(conf->routes[i].name, conf->routes[i].scripts, X_OK);
	}
	for (i = 0; i < conf->npools; i++)
		warn_path("module", conf->pools[i].module, R_OK);
	settings_warn_walls(conf);
}
