#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/sock.h"
#include "daemon/log.h"
#include "daemon/master/sched.h"
#include "daemon/store/store.h"
#include "tests/master_rig.h"

#define SETTLE_TURNS	12	/* longer than any chain of turns in the master */

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

void
rig_conf_init(struct rig_conf *r, unsigned int generation)
{
	static const char *const names[ROUTE_N] = { "/exec", "/module", "/other" };

	memset(r, 0, sizeof(*r));
	r->c.store = (char *)"memory";
	r->c.control_path = (char *)"/nonexistent/control";
	r->c.workers = 1;
	r->c.threads = 2;
	r->c.queue = 10000;
	r->c.max_tasks = 1000000;
	r->c.max_store_bytes = INT64_C(1) << 32;
	r->c.generation = generation;
	r->c.limits.keep_s = 300;
	r->c.limits.timeout_s = 3600;
	r->c.limits.grace_s = 5;
	r->c.limits.max_attempts = 3;
	r->c.limits.max_response_bytes = 1 << 20;
	r->pools[POOL_MODULE].module = (char *)"/nonexistent/module.so";
	r->c.pools = r->pools;
	r->c.npools = POOL_N;
	for (int i = 0; i < ROUTE_N; i++) {
		r->routes[i].name = r->routes[i].pattern = (char *)names[i];
		r->routes[i].limits = r->c.limits;
	}
	r->routes[ROUTE_MODULE].pool = POOL_MODULE;
	r->c.routes = r->routes;
	r->c.nroutes = ROUTE_N;
}

void
rig_init(struct rig *r)
{
	struct timeval tv = { .tv_usec = 2000 };
	const char *tmp = getenv("TMPDIR");
	int fds[2];

	memset(r, 0, sizeof(*r));
	log_init("test", false, getenv("RIG_LOG") ? LOG_L_DEBUG : LOG_L_ERROR);
	rig_conf_init(&r->conf, 0);
	snprintf(r->spool, sizeof(r->spool), "%.40s/master-rig-XXXXXX",
	    tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(r->spool));
	r->conf.c.spool = r->spool;
	r->slots = 2;
	r->base = event_base_new();
	r->tick = event_new(r->base, -1, EV_PERSIST, on_tick, NULL);
	ck_assert_int_eq(event_add(r->tick, &tv), 0);
	r->packet = malloc(FRAME_MAX);
	ck_assert_int_eq(sock_pair(fds), 0);
	r->master = fds[0];
	r->launcher = fds[1];
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

void
rig_fini(struct rig *r)
{
	for (unsigned int i = 0; i < r->nworkers; i++) {
		struct rig_worker *w = &r->worker[i];

		close_fd(&w->fd);
		close_fd(&w->jobs);
		close_fd(&w->got_fd);
		slate_unmap(&w->slate);
		free(w->packet);
	}
	close_fd(&r->launcher);
	free(r->packet);
	event_free(r->tick);
	event_base_free(r->base);
	libevent_global_shutdown();
	ck_assert_int_eq(rmdir(r->spool), 0);	/* so it is empty */
}

void
rig_turn(struct rig *r)
{
	ck_assert_int_ge(event_base_loop(r->base, EVLOOP_ONCE), 0);
}

void
rig_settle(struct rig *r)
{
	for (int i = 0; i < SETTLE_TURNS; i++)
		ck_assert_int_ge(event_base_loop(r->base, EVLOOP_NONBLOCK), 0);
}

/* --- frames ------------------------------------------------------------------ */

void
rig_send(int to, const struct frame *f, const int *fds)
{
	struct buf b;
	struct iovec iov;

	buf_init(&b, FRAME_MAX);
	ck_assert_int_eq(frame_encode(&b, f), 0);
	iov.iov_base = (void *)buf_data(&b);
	iov.iov_len = buf_len(&b);
	ck_assert_int_ge(sock_send(to, &iov, 1, fds, frame_fds(f), 0), 0);
	buf_fini(&b);
}

void
rig_send_kind(int to, enum frame_kind kind)
{
	struct frame f = { .kind = kind };

	rig_send(to, &f, NULL);
}

void
rig_send_garbage(int to)
{
	struct iovec iov = { (void *)"\377\377\377\377garbage", 11 };

	ck_assert_int_ge(sock_send(to, &iov, 1, NULL, 0, 0), 0);
}

/* False when there is none now.  At most one descriptor comes with it. */
static bool
receive(int fd, struct frame *f, unsigned char *packet, int *got_fd)
{
	int fds[SOCK_FDS_MAX], nfds;
	bool truncated;
	ssize_t n = sock_recv(fd, packet, FRAME_MAX, MSG_DONTWAIT, fds, &nfds,
	    &truncated);

	if (n == -1) {
		ck_assert_int_eq(errno, EAGAIN);
		return false;
	}
	ck_assert_int_gt(n, 0);
	ck_assert(!truncated);
	ck_assert_int_eq(frame_decode(f, packet, (size_t)n), 0);
	ck_assert_int_eq(frame_fds(f), nfds);
	ck_assert_int_le(nfds, 1);
	if (nfds == 1) {
		close_fd(got_fd);
		*got_fd = fds[0];
	}
	return true;
}

static void
on_drain(bool heir, void *arg)
{
	(void)heir, (void)arg;
}

static void
on_event(void *arg)
{
	(void)arg;
}

void
rig_sched(struct rig *r, struct store **store, struct sched **sched)
{
	static const struct sched_events events = {
		.drain = on_drain, .launcher_gone = on_event, .quiet = on_event,
	};
	char error[CONF_ERROR_MAX];

	*store = store_open(r->base, &r->conf.c, error);
	ck_assert_msg(*store != NULL, "%s", error);
	*sched = sched_new(r->base, *store, &r->conf.c, r->master, &events);
	ck_assert_ptr_nonnull(*sched);
}

struct frame *
rig_launcher(struct rig *r, enum frame_kind kind)
{
	int none = -1;

	RIG_UNTIL(r, receive(r->launcher, &r->f, r->packet, &none));
	ck_assert_str_eq(frame_name(r->f.kind), frame_name(kind));
	return &r->f;
}

struct frame *
rig_next(struct rig *r, struct rig_worker *w, enum frame_kind kind)
{
	int fd = kind == FRAME_RUN ? w->jobs : w->fd;

	RIG_UNTIL(r, receive(fd, &w->f, w->packet, &w->got_fd));
	ck_assert_str_eq(frame_name(w->f.kind), frame_name(kind));
	return &w->f;
}

void
rig_retired(struct rig *r, struct rig_worker *w)
{
	char byte;
	ssize_t n;

	RIG_UNTIL(r, (n = recv(w->jobs, &byte, 1, MSG_DONTWAIT)) != -1);
	ck_assert_int_eq(n, 0);
}

void
rig_silent(struct rig *r)
{
	char byte;
	int none = -1;

	rig_settle(r);
	if (r->launcher != -1 &&
	    receive(r->launcher, &r->f, r->packet, &none))
		ck_abort_msg("the launcher got %s", frame_name(r->f.kind));
	for (unsigned int i = 0; i < r->nworkers; i++) {
		struct rig_worker *w = &r->worker[i];

		if (w->fd != -1 && receive(w->fd, &w->f, w->packet, &w->got_fd))
			ck_abort_msg("worker %u got %s", w->number,
			    frame_name(w->f.kind));
		if (w->jobs != -1)
			ck_assert_int_le(recv(w->jobs, &byte, 1, MSG_DONTWAIT |
			    MSG_PEEK), 0);
	}
}

/* --- workers ----------------------------------------------------------------- */

struct rig_worker *
rig_spawn(struct rig *r)
{
	const struct frame *f = rig_launcher(r, FRAME_SPAWN);
	struct rig_worker *w = &r->worker[r->nworkers++];

	ck_assert_uint_le(r->nworkers, RIG_WORKERS);
	w->number = f->u.spawn.worker;
	w->pool = f->u.spawn.pool;
	w->generation = f->u.spawn.generation;
	w->fd = w->jobs = w->got_fd = -1;
	w->packet = malloc(FRAME_MAX);
	return w;
}

void
rig_spawned(struct rig *r, struct rig_worker *w)
{
	struct frame f = { .kind = FRAME_SPAWNED };
	int slate = slate_create(r->slots), fds[2], jobs[2];

	ck_assert_int_eq(slate_map_writer(&w->slate, slate), 0);
	ck_assert_int_eq(sock_pair(fds), 0);
	ck_assert_int_eq(sock_pair(jobs), 0);
	w->fd = fds[0];
	w->jobs = jobs[0];
	f.u.spawned.worker = w->number;
	f.u.spawned.pid = 1;
	rig_send(r->launcher, &f, (int []){ fds[1], slate, jobs[1] });
	close(fds[1]);
	close(jobs[1]);
	close(slate);
}

void
rig_hello(struct rig *r, struct rig_worker *w)
{
	struct frame f = { .kind = FRAME_HELLO };

	f.u.hello.version = FRAME_VERSION;
	f.u.hello.pid = 1;
	f.u.hello.slots = r->slots;
	rig_send(w->fd, &f, NULL);
	rig_settle(r);
}

struct rig_worker *
rig_worker(struct rig *r)
{
	struct rig_worker *w = rig_spawn(r);

	rig_spawned(r, w);
	rig_hello(r, w);
	return w;
}

void
rig_done(struct rig_worker *w, const struct frame *run,
    enum frame_outcome outcome)
{
	struct frame f = { .kind = FRAME_DONE };

	memcpy(f.u.done.id, run->u.run.id, TASK_ID_BYTES);
	f.u.done.attempt = run->u.run.attempt;
	f.u.done.outcome = outcome;
	f.u.done.wait_status = -1;
	if (outcome == OUTCOME_SUCCEEDED) {
		f.u.done.head = (struct frame_bytes){ "Status: 200\r\n\r\n", 15 };
		f.u.done.body = (struct frame_bytes){ "body", 4 };
		f.u.done.body_size = 4;
	} else {
		f.u.done.reason = (struct frame_bytes){ "the reason", 10 };
		f.u.done.log = (struct frame_bytes){ "the log", 7 };
	}
	rig_send(w->fd, &f, NULL);
}

void
rig_progress(struct rig_worker *w, const struct frame *run,
    unsigned int percent, const char *message)
{
	struct frame f = { .kind = FRAME_PROGRESS };

	memcpy(f.u.progress.id, run->u.run.id, TASK_ID_BYTES);
	f.u.progress.attempt = run->u.run.attempt;
	f.u.progress.percent = percent;
	f.u.progress.message = (struct frame_bytes){ message, strlen(message) };
	rig_send(w->fd, &f, NULL);
}

void
rig_need_spool(struct rig_worker *w, const struct frame *run)
{
	struct frame f = { .kind = FRAME_NEED_SPOOL };

	memcpy(f.u.job.id, run->u.run.id, TASK_ID_BYTES);
	f.u.job.attempt = run->u.run.attempt;
	rig_send(w->fd, &f, NULL);
}

/* Which thread has taken the job is not the master's to know. */
void
rig_crashed(struct rig_worker *w, const struct frame *run, int signo)
{
	struct slate_slot *thread =
	    &w->slate.slot[w->slate.nslots - 1 - run->u.run.slot];

	slate_set(thread, run->u.run.id, run->u.run.attempt);
	atomic_store(&thread->signo, signo);
}

void
rig_died(struct rig *r, struct rig_worker *w, int status)
{
	struct frame f = { .kind = FRAME_DIED };

	close_fd(&w->fd);
	close_fd(&w->jobs);
	f.u.died.worker = w->number;
	f.u.died.status = status;
	rig_send(r->launcher, &f, NULL);
	rig_settle(r);
}
