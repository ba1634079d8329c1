/*
 * places - the sockets and the PID file.
 */
#include "daemon/launcher/places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "ipc/sock.h"

/* /run is empty after each boot: a daemon makes its own directory there. */
static void
make_parent(const char *path)
{
	char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (slash && slash != dir) {
		*slash = '\0';
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			log_warn("place-failed path=%s error=%m", dir);
	}
	free(dir);
}

/* A directory that was missing belongs to the master's user from its birth. */
static void
make_state_dir(const char *dir, mode_t mode, const struct spawn_user *user)
{
	if (mkdir(dir, mode) < 0) {
		if (errno != EEXIST)
			log_warn("place-failed path=%s error=%m", dir);
		return;
	}
	if (user && lchown(dir, user->uid, user->gid) < 0)
		log_warn("place-failed path=%s error=%m", dir);
}

static void
make_state_parent(const char *path, const struct spawn_user *user)
{
	char *parent = strdup(path);
	char *slash = parent ? strrchr(parent, '/') : NULL;

	if (slash && slash != parent) {
		*slash = '\0';
		make_state_dir(parent, 0755, user);
	}
	free(parent);
}

/*
 * The master, which may not write to /var/lib, finds what it needs there
 * after a bare `make install`: a place for the database, and the spool.
 */
static void
make_state(const struct conf *conf, const struct spawn_user *user)
{
	const char *file = strchr(conf->store, '/');

	if (file)
		make_state_parent(file, user);
	make_state_parent(conf->spool, user);
	make_state_dir(conf->spool, 0700, user);
}

static int
own(struct place *p, const char *path)
{
	struct stat st;

	p->path = strdup(path);
	if (!p->path || lstat(path, &st) < 0) {
		log_error("place-failed path=%s error=%m", path);
		return -1;
	}
	p->dev = st.st_dev;
	p->ino = st.st_ino;
	return 0;
}

static int
open_socket(struct place *p, const char *path, mode_t mode, uid_t uid,
    gid_t gid)
{
	make_parent(path);
	p->fd = sock_listen(path, mode, gid);
	if (p->fd < 0 && errno == EADDRINUSE) {
		log_error("place-failed path=%s error=%s", path,
		    "another deferd is running");
		return -1;
	}
	if (p->fd < 0) {
		log_error("place-failed path=%s error=%m", path);
		return -1;
	}
	if (own(p, path) < 0)
		return -1;
	if (uid != (uid_t)-1 && lchown(path, uid, (gid_t)-1) < 0) {
		log_error("place-failed path=%s error=%m", path);
		return -1;
	}
	return 0;
}

/*
 * The group of the first of these who needs one: root does not.  `gid` if
 * nobody does.  A name that nobody has opens nothing.
 */
static gid_t
group_of(char *const *peers, gid_t gid)
{
	for (; peers != NULL && *peers != NULL; peers++) {
		struct spawn_user peer;

		if (spawn_find_user(&peer, *peers) < 0)
			continue;
		free(peer.name);
		if (peer.uid != 0)
			return peer.gid;
	}
	return gid;
}

static int
open_data_socket(struct place *p, const struct conf *conf, struct inherit *in,
    gid_t gid)
{
	if (in->n == 0)
		return open_socket(p, conf->socket_path, 0660, (uid_t)-1, gid);
	p->fd = inherit_listener(in, conf->socket_path);
	p->theirs = true;
	return p->fd < 0 ? -1 : own(p, conf->socket_path);
}

/*
 * Of the master's user alone; or also of a group of those who may operate: the
 * master looks who it is.
 */
static int
open_control_socket(struct place *p, const struct conf *conf,
    const struct spawn_user *user)
{
	return open_socket(p, conf->control_path,
	    conf->control_peers ? 0660 : 0600, user ? user->uid : (uid_t)-1,
	    user ? group_of(conf->control_peers, (gid_t)-1) : (gid_t)-1);
}

static int
write_pid(struct place *p, const char *path)
{
	int fd;

	make_parent(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
	    0644);
	if (fd < 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0) {
		log_error("place-failed path=%s error=%m", path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	close(fd);
	return own(p, path);
}

int
places_open(struct places *s, const struct conf *conf, struct inherit *in,
    const struct spawn_user *user, const struct spawn_user *run_as)
{
	*s = (struct places){ { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };

	make_state(conf, user);
	if (open_data_socket(&s->listen, conf, in,
	    run_as ? group_of(conf->peers, run_as->gid) : (gid_t)-1) < 0)
		goto out;
	if (conf->control_path &&
	    open_control_socket(&s->control, conf, user) < 0)
		goto out;
	if (conf->pid_file && write_pid(&s->pid_file, conf->pid_file) < 0)
		goto out;
	return 0;
out:
	places_close(s);
	return -1;
}

static void
place_close(struct place *p)
{
	struct stat st;

	if (p->path && !p->theirs && lstat(p->path, &st) == 0 &&
	    st.st_dev == p->dev && st.st_ino == p->ino)
		unlink(p->path);
	if (p->fd >= 0)
		close(p->fd);
	free(p->path);
	p->path = NULL;
	p->fd = -1;
}

bool
places_outlive(const struct places *s)
{
	return s->listen.theirs;
}

void
places_close(struct places *s)
{
	place_close(&s->pid_file);
	place_close(&s->control);
	place_close(&s->listen);
}
