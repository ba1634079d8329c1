#include "config.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "ipc/sock.h"
#include "daemon/log.h"
#include "daemon/master/clock.h"
#include "daemon/master/server.h"

/*
 * Few, so that the store has its first batch while the loop is still busy
 * with the others: taken all at once, 64 clients made loop and writer wait
 * for each other, at a third of the rate (bench/durable.sh submit).
 */
#define ACCEPTS_PER_TURN	4
#define PAUSE_MS		100	/* after a failure of accept() itself */
#define PEERS_MAX		32
#define PEER_NAME		64	/* a longer one is looked up each time */
#define RESERVE_FDS		128	/* store, workers, jobs, the loop */
#define FDS_PER_CONN		4	/* the socket or a door's two, two files */
#define RELEASE_PART		64	/* of those who wait, when it is full */
#define SILENT_MS		1000	/* without a head, when it is full */

enum listener_state {
	LISTENER_OPEN,
	LISTENER_SHUT,		/* who had knocked before may still come in */
	LISTENER_CLOSED
};

struct peer {
	char		 name[PEER_NAME];
	uid_t		 uid;
};

struct listener {
	struct server	*server;
	int		 fd;		/* owned, or -1 */
	enum listener_state state;
	struct peer	 peers[PEERS_MAX];
	size_t		 npeers;
	bool		 is_control;
	struct event	*event;
};

/* A connection and its place in a list. */
struct guest {
	struct guest	*prev, *next;
	struct server	*server;
	struct conn	*conn;
	int64_t		 since_ms;	/* monotonic */
	size_t		 fds;		/* that it can come to need */
};

struct server {
	struct conn_env	*env;
	struct listener	 data, control;
	struct guest	*open;		/* utlist */
	struct guest	*dead;		/* utlist: parked until the turn ends */
	struct guest	*expected;	/* the next one, without a client; or NULL */
	struct event	*bury;
	struct event	*resume;	/* the pause after a failed accept() */
	bool		 crowded;	/* others want to come in, and cannot */
	int64_t		 hushed_ms;	/* when the silent were last looked for */
	size_t		 limit;
	size_t		 fds;		/* both lists */
	size_t		 fds_limit;
};

/* --- budget -------------------------------------------------------------- */

static void
rest(struct listener *l)
{
	if (l->event != NULL)
		event_del(l->event);
}

static void
listen_again(struct listener *l)
{
	if (l->event != NULL && l->state != LISTENER_CLOSED &&
	    event_add(l->event, NULL) == -1)
		log_error("listen-failed error=%s", "no memory");
}

/* The operator must get in when nobody else can. */
static bool
over_budget(const struct listener *l)
{
	const struct server *s = l->server;

	return !l->is_control && (s->env->connections >= s->limit ||
	    s->fds + FDS_PER_CONN > s->fds_limit);
}

static void
look_again_soon(struct server *s)
{
	struct timeval tv = { .tv_usec = PAUSE_MS * 1000 };

	(void)evtimer_add(s->resume, &tv);
}

/*
 * A peer is a program on this machine that knows what it wants to ask: who
 * has been silent for so long does not keep others out.  There may be many
 * in the list who wait with good reason, so it is not gone through each time.
 */
static void
hush(struct server *s)
{
	int64_t now_ms = clock_mono_ms();
	struct guest *g, *tmp;

	look_again_soon(s);
	if (now_ms - s->hushed_ms < PAUSE_MS)
		return;
	s->hushed_ms = now_ms;
	DL_FOREACH_SAFE(s->open, g, tmp) {
		if (now_ms - g->since_ms < SILENT_MS)
			break;
		conn_hush(g->conn);
	}
}

/*
 * Who only waits for a task makes room for who comes: the oldest first, and
 * a few at a time, since nobody knows how many stand outside.
 */
static void
make_room(struct server *s)
{
	s->crowded = true;
	hush(s);
	sched_wait_release(s->env->sched, s->env->connections / RELEASE_PART + 1);
}

/* A connection, or a part of what it held, has gone. */
static void
use_room(struct server *s)
{
	sched_wait_resume(s->env->sched);
	if (over_budget(&s->data))
		return;
	s->crowded = false;
	listen_again(&s->data);
}

static void
on_holds(void *owner, unsigned int fds, bool waits)
{
	struct guest *g = owner;
	struct server *s = g->server;

	s->fds += fds;
	s->fds -= g->fds;
	g->fds = fds;
	if (s->crowded && waits) {
		use_room(s);
		if (s->crowded)
			sched_wait_release(s->env->sched, 1);
	}
}

/* Each of them may have to open one file, with its response. */
static bool
on_may_call(void *arg)
{
	const struct server *s = arg;

	return s->fds < s->fds_limit;
}

static size_t
descriptor_budget(const struct conf *conf)
{
	rlim_t jobs = 4 * (rlim_t)(conf->workers * conf->threads) *
	    (conf->npools + 1);
	rlim_t taken = RESERVE_FDS + jobs;
	rlim_t left = 0;
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0)
		left = rl.rlim_cur > 2 * taken ? rl.rlim_cur - taken :
		    rl.rlim_cur / 2;
	return left > FDS_PER_CONN ? (size_t)left : FDS_PER_CONN;
}

/* --- connections --------------------------------------------------------- */

static void
on_bury(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	struct guest *g, *tmp;

	(void)fd, (void)what;
	DL_FOREACH_SAFE(s->dead, g, tmp) {
		size_t fds = g->fds;

		DL_DELETE(s->dead, g);
		conn_free(g->conn);
		free(g);
		s->env->connections--;
		s->fds -= fds;
	}
	use_room(s);
}

static void
on_closed(void *owner)
{
	struct guest *g = owner;
	struct server *s = g->server;

	DL_DELETE(s->open, g);
	DL_APPEND(s->dead, g);
	event_active(s->bury, EV_TIMEOUT, 0);
}

static bool
may_connect(const struct listener *l, uid_t uid)
{
	for (size_t i = 0; i < l->npeers; i++)
		if (l->peers[i].uid == uid)
			return true;
	return uid == geteuid() || (l->is_control && uid == 0);
}

static bool
is_welcome(const struct listener *l, int fd)
{
	static struct log_rate rate = LOG_RATE;
	unsigned long skipped;
	uid_t uid;
	gid_t gid;
	pid_t pid;

	if (sock_peer(fd, &uid, &gid, &pid) == -1)
		return false;
	if (may_connect(l, uid))
		return true;
	if (log_may(&rate, &skipped))
		log_warn("peer-refused uid=%ld pid=%ld socket=%s skipped=%lu",
		    (long)uid, (long)pid, l->is_control ? "control" : "data",
		    skipped);
	return false;
}

/*
 * What the next one needs is there before he is let in: who cannot be
 * answered waits outside.  False without memory.
 */
static bool
expect_guest(struct server *s)
{
	struct guest *g = s->expected;

	if (g != NULL)
		return true;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return false;
	g->server = s;
	g->conn = conn_new(s->env, g);
	if (g->conn == NULL)
		free(g);
	else
		s->expected = g;
	return s->expected != NULL;
}

/* Takes fd. */
static void
welcome(struct server *s, int fd, bool is_control)
{
	struct guest *g = s->expected;

	s->expected = NULL;
	g->since_ms = clock_mono_ms();
	DL_APPEND(s->open, g);
	s->env->connections++;
	s->fds += g->fds = FDS_PER_CONN;
	if (is_control)
		conn_trust(g->conn);
	conn_start(g->conn, fd);
}

static void
pause_listening(struct server *s)
{
	rest(&s->data);
	rest(&s->control);
	look_again_soon(s);
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd, (void)what;
	listen_again(&s->data);
	listen_again(&s->control);
}

static bool
is_passing(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNABORTED;
}

/* accept() of a shut listener, when nobody stands outside any more. */
static bool
is_last(int error)
{
	return error == EAGAIN || error == EINVAL;
}

static void
close_door(struct listener *l)
{
	l->state = LISTENER_CLOSED;
	rest(l);
}

static void
on_connection(evutil_socket_t listen_fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd;

		if (over_budget(l)) {
			if (i == 0) {	/* else: is there one more? */
				rest(l);
				make_room(l->server);
			}
			return;
		}
		fd = expect_guest(l->server) ? accept4(listen_fd, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
		if (fd == -1) {
			if (l->state == LISTENER_SHUT && is_last(errno))
				close_door(l);
			if (is_passing(errno) || l->state == LISTENER_CLOSED)
				return;
			log_error("accept-failed error=%m");
			pause_listening(l->server);
			return;
		}
		if (is_welcome(l, fd))
			welcome(l->server, fd, l->is_control);
		else
			close(fd);
	}
}

/* --- the end --------------------------------------------------------------- */

/* Linux refuses new connections to a shut listener, and keeps the old ones. */
static void
shut_door(struct listener *l)
{
	if (l->fd == -1 || shutdown(l->fd, SHUT_RD) == -1) {
		close_door(l);
		return;
	}
	l->state = LISTENER_SHUT;
	listen_again(l);
}

void
server_close(struct server *s, bool heir)
{
	if (heir) {
		close_door(&s->data);
		close_door(&s->control);
	} else {
		shut_door(&s->data);
		shut_door(&s->control);
	}
}

bool
server_is_empty(const struct server *s)
{
	return server_count(s) == 0 && s->data.state == LISTENER_CLOSED &&
	    s->control.state == LISTENER_CLOSED;
}

int64_t
server_oldest_ms(const struct server *s)
{
	return s->open != NULL ? clock_mono_ms() - s->open->since_ms : 0;
}

void
server_hurry(struct server *s)
{
	struct guest *g, *tmp;

	DL_FOREACH_SAFE(s->open, g, tmp)
		conn_hurry(g->conn);
}

/* --- the whole ------------------------------------------------------------- */

static const struct peer *
find_peer(const struct listener *l, const char *name)
{
	for (size_t i = 0; i < l->npeers; i++)
		if (strcmp(l->peers[i].name, name) == 0)
			return &l->peers[i];
	return NULL;
}

/*
 * Who was known before a reload stays so when he is not found now: there may
 * be no memory, or his name is with a service that the jail keeps us from.
 */
static bool
look_up(const struct listener *l, const char *name, struct peer *found)
{
	const struct passwd *pw = getpwnam(name);
	const struct peer *before = find_peer(l, name);

	if (pw == NULL && before == NULL) {
		log_warn("peer-unknown user=%s", name);
		return false;
	}
	if (pw == NULL)
		log_warn("peer-not-found user=%s uid=%ld", name,
		    (long)before->uid);
	found->uid = pw != NULL ? pw->pw_uid : before->uid;
	snprintf(found->name, sizeof(found->name), "%s", name);
	return true;
}

static void
learn_peers(struct listener *l, char **name)
{
	struct peer found[PEERS_MAX] = { 0 };
	size_t n = 0;

	for (; name != NULL && *name != NULL && n < PEERS_MAX; name++)
		if (look_up(l, *name, &found[n]))
			n++;
	endpwent();
	memcpy(l->peers, found, n * sizeof(*found));
	l->npeers = n;
}

void
server_set_conf(struct server *s)
{
	const struct conf *conf = s->env->conf;

	s->limit = (size_t)conf->max_connections;
	s->fds_limit = descriptor_budget(conf);
	learn_peers(&s->data, conf->peers);
	learn_peers(&s->control, conf->control_peers);
}

static int
open_listener(struct server *s, struct listener *l, int fd, bool is_control)
{
	l->server = s;
	l->fd = fd;
	l->is_control = is_control;
	if (fd == -1)
		return 0;
	l->event = event_new(s->env->base, fd, EV_READ | EV_PERSIST,
	    on_connection, l);
	return l->event != NULL && event_add(l->event, NULL) == 0 ? 0 : -1;
}

static void
close_listener(struct listener *l)
{
	if (l->event != NULL)
		event_free(l->event);
	if (l->fd != -1)
		close(l->fd);
}

struct server *
server_new(struct conn_env *env, int listen_fd, int control_fd)
{
	struct server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->env = env;
	env->closed = on_closed;
	env->holds = on_holds;
	sched_wait_gate(env->sched, on_may_call, s);
	s->data.fd = s->control.fd = -1;
	s->bury = event_new(env->base, -1, 0, on_bury, s);
	s->resume = evtimer_new(env->base, on_resume, s);
	server_set_conf(s);
	if (s->bury == NULL || s->resume == NULL ||
	    open_listener(s, &s->data, listen_fd, false) == -1 ||
	    open_listener(s, &s->control, control_fd, true) == -1) {
		server_free(s);
		return NULL;
	}
	return s;
}

void
server_free(struct server *s)
{
	struct guest *g, *tmp;

	s->env->store = NULL;
	close_listener(&s->data);
	close_listener(&s->control);
	DL_CONCAT(s->dead, s->open);
	if (s->expected != NULL)
		DL_APPEND(s->dead, s->expected);
	DL_FOREACH_SAFE(s->dead, g, tmp) {
		conn_free(g->conn);
		free(g);
	}
	if (s->bury != NULL)
		event_free(s->bury);
	if (s->resume != NULL)
		event_free(s->resume);
	free(s);
}

size_t
server_count(const struct server *s)
{
	return s->env->connections;
}
