/*
 * check_proc - workers, slots and jobs, seen from both sides.
 *
 * The test owns the jobs, as sched does, and plays launcher and workers
 * (master_rig.h).  What ended() said is in `ends`, in order.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/master/proc.h"
#include "tests/fds.h"
#include "tests/master_rig.h"
#include "tests/suite.h"

struct ending {
	unsigned int	 number;	/* of the job */
	enum proc_end	 end;
	int		 signo;
	uint32_t	 outcome;
};

static struct rig rig;
static struct proc *proc;
static struct ending ends[64];
static unsigned int nends;
static unsigned int drains, gones, reloads, spools;
static int spool_error;
static const struct conf_route *routes[ROUTE_N];

/* A job's number is in its id. */
static unsigned int
number_of(const unsigned char *id)
{
	unsigned int n;

	memcpy(&n, id, sizeof(n));
	return n;
}

static void
on_ended(struct job *job, const struct proc_result *result, void *arg)
{
	(void)arg;
	ck_assert_uint_lt(nends, 64);
	ends[nends].number = number_of(job->id);
	ends[nends].end = result->end;
	ends[nends].signo = result->signo;
	if (result->end == PROC_DONE)
		ends[nends].outcome = result->frame->u.done.outcome;
	nends++;
	proc_free_job(proc, &job);
}

static void
on_room(void *arg)
{
	(void)arg;
}

static const struct conf_route *
on_route(const struct job *job, void *arg)
{
	(void)arg;
	return routes[job->route];
}

static int
on_spool(struct job *job, void *arg)
{
	(void)arg;
	spools++;
	if (spool_error != 0) {
		errno = spool_error;
		return -1;
	}
	job->spool.fd = memfd_create("spool", MFD_CLOEXEC);
	return 0;
}

static void
on_drain(bool heir, void *arg)
{
	(void)arg;
	drains += heir ? 10 : 1;
}

static void
on_reload(int fd, unsigned int generation, void *arg)
{
	(void)arg;
	ck_assert_uint_eq(generation, 7);
	ck_assert_int_ne(fcntl(fd, F_GETFD), -1);
	close(fd);
	reloads++;
}

static void
on_gone(void *arg)
{
	(void)arg;
	gones++;
}

static void
setup(void)
{
	rig_init(&rig);
	nends = drains = gones = reloads = spools = 0;
	spool_error = 0;
	/* One pool unless a test wants both. */
	rig.conf.c.npools = 1;
	for (int i = 0; i < ROUTE_N; i++)
		routes[i] = &rig.conf.routes[i];
}

static void
start(void)
{
	static const struct proc_events events = {
		.ended = on_ended, .room = on_room, .route = on_route,
		.spool = on_spool, .drain = on_drain, .reload = on_reload,
		.launcher_gone = on_gone,
	};

	proc = proc_new(rig.base, rig.master, &rig.conf.c, &events);
	ck_assert_ptr_nonnull(proc);
}

/* Modules only: one pool, the first. */
static void
start_module(void)
{
	rig.conf.pools[0].module = (char *)"/nonexistent/module.so";
	start();
}

static void
teardown(void)
{
	proc_free(proc);
	rig_fini(&rig);
}

static struct job *
reserve(unsigned int number, unsigned int route)
{
	unsigned char id[TASK_ID_BYTES] = { 0 };
	struct job *job;

	memcpy(id, &number, sizeof(number));
	job = proc_reserve(proc, rig.conf.routes[route].pool, id);
	if (job == NULL)
		return NULL;
	job->route = route;
	job->attempt = 1;
	job->request.head = blob_new("head", 4);
	return job;
}

static void
run(unsigned int number)
{
	struct job *job = reserve(number, ROUTE_EXEC);

	ck_assert_ptr_nonnull(job);
	proc_run(proc, job);
}

static struct job *
find(unsigned int number)
{
	unsigned char id[TASK_ID_BYTES] = { 0 };

	memcpy(id, &number, sizeof(number));
	return proc_find(proc, id);
}

static void
cancel(unsigned int number)
{
	struct job *job = find(number);

	ck_assert_ptr_nonnull(job);
	job->over = true;
	proc_cancel(proc, job);
}

/* The next RUN at this worker; it must be of this job. */
static struct frame
got_run(struct rig_worker *w, unsigned int number)
{
	struct frame *f = rig_next(&rig, w, FRAME_RUN);

	ck_assert_uint_eq(number_of(f->u.run.id), number);
	return *f;
}

/* The endings so far: how many, and the last one. */
static void
check_last(unsigned int n, unsigned int number, enum proc_end end)
{
	RIG_UNTIL(&rig, nends >= n);
	rig_settle(&rig);
	ck_assert_uint_eq(nends, n);
	ck_assert_uint_eq(ends[n - 1].number, number);
	ck_assert_int_eq(ends[n - 1].end, end);
}

static enum proc_end
end_of(unsigned int number)
{
	for (unsigned int i = 0; i < nends; i++)
		if (ends[i].number == number)
			return ends[i].end;
	return PROC_END_N;
}

static void
check_kill(const struct rig_worker *w)
{
	ck_assert_uint_eq(rig_launcher(&rig, FRAME_KILL)->u.kill.worker,
	    w->number);
}

/* Whose time is over first, when two have the same time, nobody knows. */
static struct rig_worker *
killed(void)
{
	uint32_t number = rig_launcher(&rig, FRAME_KILL)->u.kill.worker;

	for (unsigned int i = 0; i < rig.nworkers; i++)
		if (rig.worker[i].number == number)
			return &rig.worker[i];
	ck_abort_msg("KILL of worker %u", number);
}

/* --- workers and slots ------------------------------------------------------- */

START_TEST(spawns_workers_of_every_pool)
{
	unsigned int count[POOL_N] = { 0 };

	rig.conf.c.npools = POOL_N;
	rig.conf.c.workers = 3;
	start();
	for (int i = 0; i < 6; i++)
		count[rig_spawn(&rig)->pool]++;
	rig_silent(&rig);
	ck_assert_uint_eq(count[POOL_EXEC], 3);
	ck_assert_uint_eq(count[POOL_MODULE], 3);
	ck_assert_int_eq(proc_ready(proc), 0);
	rig_launcher(&rig, FRAME_READY);
}
END_TEST

START_TEST(run_says_all)
{
	struct rig_worker *w;
	struct frame f;

	start();
	w = rig_worker(&rig);
	run(1);
	f = got_run(w, 1);
	ck_assert_uint_eq(f.u.run.attempt, 1);
	ck_assert_uint_lt(f.u.run.slot, rig.slots);
	ck_assert_uint_eq(f.u.run.head.len, 4);
	ck_assert_mem_eq(f.u.run.head.data, "head", 4);
	ck_assert_mem_eq(f.u.run.route.data, "/exec", f.u.run.route.len);
	ck_assert_uint_eq(f.u.run.body_size, 0);
	/* The request is the worker's now. */
	ck_assert_ptr_null(find(1)->request.head);
}
END_TEST

START_TEST(run_with_a_file)
{
	int fd = memfd_create("body", MFD_CLOEXEC);
	struct rig_worker *w;
	struct job *job;
	char text[8] = "";

	start();
	w = rig_worker(&rig);
	job = reserve(1, ROUTE_EXEC);
	ck_assert_int_eq(write(fd, "file", 4), 4);
	job->request.body.fd = fd;
	job->request.body.size = 4;
	proc_run(proc, job);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);	/* ours is closed */
	ck_assert_uint_eq(got_run(w, 1).u.run.body_size, 4);
	ck_assert_int_eq(pread(w->got_fd, text, sizeof(text), 0), 4);
	ck_assert_str_eq(text, "file");
}
END_TEST

START_TEST(least_busy_and_never_more_than_slots)
{
	struct rig_worker *a, *b;

	rig.conf.c.workers = 2;
	start();
	ck_assert_ptr_null(reserve(9, ROUTE_EXEC));	/* nobody is ready */
	a = rig_worker(&rig);
	b = rig_worker(&rig);
	run(1);
	run(2);
	got_run(a, 1);
	got_run(b, 2);
	run(3);
	run(4);
	ck_assert_ptr_null(reserve(5, ROUTE_EXEC));
	ck_assert_uint_ne(got_run(a, 3).u.run.slot, 2);
	got_run(b, 4);
	rig_silent(&rig);
	ck_assert_uint_eq(proc_count(proc), 4);
}
END_TEST

START_TEST(a_reserved_slot_is_taken)
{
	struct rig_worker *w;
	struct job *job;

	rig.slots = 1;
	start();
	w = rig_worker(&rig);
	job = reserve(1, ROUTE_EXEC);
	ck_assert_ptr_null(reserve(2, ROUTE_EXEC));
	proc_free_job(proc, &job);
	ck_assert_ptr_null(job);
	run(2);
	got_run(w, 2);
}
END_TEST

START_TEST(pools_do_not_mix)
{
	struct rig_worker *e, *m;

	rig.conf.c.npools = POOL_N;
	rig.slots = 1;
	start();
	e = rig_worker(&rig);
	m = rig_worker(&rig);
	ck_assert_uint_eq(e->pool, POOL_EXEC);
	run(1);
	ck_assert_ptr_null(reserve(2, ROUTE_OTHER));
	proc_run(proc, reserve(3, ROUTE_MODULE));
	got_run(e, 1);
	got_run(m, 3);
}
END_TEST

START_TEST(done_frees_the_slot)
{
	struct rig_worker *w;
	struct frame f;

	rig.slots = 1;
	start();
	w = rig_worker(&rig);
	for (unsigned int i = 1; i < 20; i++) {
		run(i);
		ck_assert_ptr_null(reserve(99, ROUTE_EXEC));
		f = got_run(w, i);
		rig_done(w, &f, OUTCOME_SUCCEEDED);
		check_last(i, i, PROC_DONE);
		ck_assert_uint_eq(ends[i - 1].outcome, OUTCOME_SUCCEEDED);
	}
	ck_assert_uint_eq(proc_count(proc), 0);
}
END_TEST

/* --- what a worker may not say ------------------------------------------------- */

START_TEST(done_of_another_job)
{
	struct rig_worker *w;
	struct frame f, wrong;

	start();
	w = rig_worker(&rig);
	run(1);
	f = wrong = got_run(w, 1);
	switch (_i) {
	case 0:
		wrong.u.run.id[15] ^= 1;
		break;
	case 1:
		wrong.u.run.attempt++;
		break;
	case 2:			/* reserved, but not sent */
		ck_assert_ptr_nonnull(reserve(2, ROUTE_EXEC));
		memcpy(wrong.u.run.id, &(unsigned int){ 2 }, 4);
		break;
	case 3:			/* twice */
		rig_done(w, &f, OUTCOME_SUCCEEDED);
		break;
	}
	rig_done(w, &wrong, OUTCOME_SUCCEEDED);
	check_kill(w);
	ck_assert_uint_eq(nends, _i == 3);
	/* It is as good as dead: it gets no job any more. */
	ck_assert_ptr_null(reserve(3, ROUTE_EXEC));
}
END_TEST

START_TEST(done_of_a_job_that_another_worker_has)
{
	struct rig_worker *a, *b;
	struct frame f;

	rig.conf.c.workers = 2;
	start();
	a = rig_worker(&rig);
	b = rig_worker(&rig);
	run(1);
	f = got_run(a, 1);
	rig_done(b, &f, OUTCOME_SUCCEEDED);
	check_kill(b);
	ck_assert_uint_eq(nends, 0);
	rig_done(a, &f, OUTCOME_SUCCEEDED);
	check_last(1, 1, PROC_DONE);
}
END_TEST

START_TEST(frames_that_workers_do_not_send)
{
	static const enum frame_kind kinds[] = { FRAME_READY, FRAME_SPAWN,
	    FRAME_SPAWNED, FRAME_DIED, FRAME_KILL, FRAME_RELOAD, FRAME_DRAIN,
	    FRAME_RUN, FRAME_CANCEL, FRAME_SPOOL };
	int fd = memfd_create("any", MFD_CLOEXEC);
	struct frame f = { .kind = kinds[_i] };
	struct rig_worker *w;
	int before;

	start();
	w = rig_worker(&rig);
	before = open_fds();
	if (f.kind == FRAME_RUN) {
		f.u.run.attempt = f.u.run.body_in_fd = 1;
		f.u.run.body_size = 4;
		f.u.run.route = f.u.run.head = (struct frame_bytes){ "x", 1 };
	} else if (f.kind == FRAME_CANCEL || f.kind == FRAME_SPOOL) {
		f.u.job.attempt = 1;
	} else if (f.kind == FRAME_SPAWNED) {
		f.u.spawned.pid = f.u.spawned.worker = 1;
	} else if (f.kind == FRAME_SPAWN || f.kind == FRAME_KILL ||
	    f.kind == FRAME_DIED) {
		f.u.spawn.worker = 1;
	}
	rig_send(w->fd, &f, (int []){ fd, fd, fd });
	check_kill(w);
	rig_settle(&rig);
	ck_assert_int_eq(open_fds(), before);
	ck_assert_uint_eq(drains + reloads + gones, 0);
	ck_assert_ptr_null(reserve(1, ROUTE_EXEC));
	close(fd);
}
END_TEST

START_TEST(bad_hello)
{
	struct frame f = { .kind = FRAME_HELLO };
	struct rig_worker *w;

	start();
	w = rig_spawn(&rig);
	rig_spawned(&rig, w);
	f.u.hello.version = FRAME_VERSION + (_i == 0);
	f.u.hello.pid = 1;
	f.u.hello.slots = _i == 1 ? rig.slots + 1 : rig.slots;
	rig_send(w->fd, &f, NULL);
	if (_i == 2) {
		rig_settle(&rig);
		rig_send(w->fd, &f, NULL);
	}
	check_kill(w);
	ck_assert_ptr_null(reserve(1, ROUTE_EXEC));
	rig_died(&rig, w, SIGKILL);
	w = rig_worker(&rig);
	run(1);
	got_run(w, 1);
}
END_TEST

/* Its jobs do not wait for the DIED: nobody else is sent there. */
START_TEST(garbage)
{
	struct rig_worker *a, *b;

	rig.conf.c.workers = 2;
	start();
	a = rig_worker(&rig);
	b = rig_worker(&rig);
	if (_i == 0)
		rig_send_garbage(a->fd);
	else if (_i == 1)
		rig_send_garbage(a->jobs);
	else
		shutdown(a->jobs, _i == 2 ? SHUT_RDWR : SHUT_RD);
	rig_settle(&rig);
	run(1);
	run(2);
	got_run(b, 1);
	got_run(b, 2);
	ck_assert_ptr_null(reserve(3, ROUTE_EXEC));
	check_kill(a);			/* after SOCKET_END_S */
	rig_died(&rig, a, SIGKILL);
	ck_assert_uint_eq(nends, 0);
	rig_worker(&rig);
	rig_silent(&rig);
}
END_TEST

/* Its jobs come that way; what it has to say goes the other. */
START_TEST(answers_where_it_is_asked)
{
	struct frame f = { .kind = _i == 0 ? FRAME_DONE : FRAME_RELOAD };
	int before, fd = memfd_create("any", MFD_CLOEXEC);
	struct rig_worker *w;

	start();
	w = rig_worker(&rig);
	before = open_fds();
	f.u.done.attempt = 1;
	f.u.done.wait_status = -1;
	rig_send(w->jobs, &f, &fd);
	check_kill(w);
	rig_settle(&rig);
	ck_assert_int_eq(open_fds(), before);
	ck_assert_ptr_null(reserve(1, ROUTE_EXEC));
	close(fd);
}
END_TEST

START_TEST(a_retired_worker_that_closes_its_socket_must_die)
{
	struct rig_conf again;
	struct rig_worker *w;

	start();
	w = rig_worker(&rig);
	rig_conf_init(&again, 1);
	again.c.npools = 1;
	proc_set_conf(proc, &again.c);
	rig_spawn(&rig);
	close(w->fd);
	w->fd = -1;
	check_kill(w);
}
END_TEST

/* --- progress and spool ----------------------------------------------------------- */

START_TEST(progress)
{
	char text[2 * JOB_MESSAGE_MAX];
	struct rig_worker *w;
	struct frame f, other;

	start();
	w = rig_worker(&rig);
	run(1);
	f = other = got_run(w, 1);
	ck_assert_int_eq(find(1)->percent, -1);
	rig_progress(w, &f, 42, "rendering");
	rig_settle(&rig);
	ck_assert_int_eq(find(1)->percent, 42);
	ck_assert_str_eq(find(1)->message, "rendering");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	rig_progress(w, &f, 43, text);
	rig_settle(&rig);
	ck_assert_uint_eq(strlen(find(1)->message), JOB_MESSAGE_MAX - 1);
	other.u.run.attempt++;
	rig_progress(w, &other, 99, "late");	/* no reason to kill it */
	rig_silent(&rig);
	ck_assert_int_eq(find(1)->percent, 43);
}
END_TEST

START_TEST(spool_once)
{
	struct rig_worker *w;
	struct frame f;

	start();
	w = rig_worker(&rig);
	run(1);
	f = got_run(w, 1);
	rig_need_spool(w, &f);
	ck_assert_int_eq(rig_next(&rig, w, FRAME_SPOOL)->u.job.error, 0);
	ck_assert_int_ne(w->got_fd, -1);
	ck_assert_int_ne(find(1)->spool.fd, -1);
	rig_need_spool(w, &f);
	rig_silent(&rig);
	ck_assert_uint_eq(spools, 1);
	f.u.run.attempt++;
	rig_need_spool(w, &f);
	rig_silent(&rig);
	ck_assert_uint_eq(spools, 1);
}
END_TEST

/* Of two jobs of one worker one is not in the first slot. */
START_TEST(what_is_said_of_a_job_names_its_slot)
{
	struct rig_worker *w;
	struct frame f;

	start();
	w = rig_worker(&rig);
	for (unsigned int i = 1; i <= 2; i++) {
		run(i);
		f = got_run(w, i);
		ck_assert_uint_eq(f.u.run.slot, i - 1);
		proc_follow(find(i), true);
		ck_assert_uint_eq(rig_next(&rig, w, FRAME_FOLLOW)->u.job.slot,
		    i - 1);
		spool_error = ENOSPC;
		rig_need_spool(w, &f);
		ck_assert_uint_eq(rig_next(&rig, w, FRAME_SPOOL)->u.job.slot,
		    i - 1);
		cancel(i);
		ck_assert_uint_eq(rig_next(&rig, w, FRAME_CANCEL)->u.job.slot,
		    i - 1);
	}
}
END_TEST

START_TEST(spool_error_is_told)
{
	struct rig_worker *w;
	struct frame f;

	start();
	w = rig_worker(&rig);
	run(1);
	f = got_run(w, 1);
	spool_error = ENOSPC;
	rig_need_spool(w, &f);
	ck_assert_int_eq(rig_next(&rig, w, FRAME_SPOOL)->u.job.error, ENOSPC);
	ck_assert_int_eq(w->got_fd, -1);
}
END_TEST

/* --- death ------------------------------------------------------------------------ */

START_TEST(died_but_the_done_counts)
{
	struct frame f, died = { .kind = FRAME_DIED };
	struct rig_worker *w;

	start();
	w = rig_worker(&rig);
	run(1);
	run(2);
	f = got_run(w, 1);
	got_run(w, 2);
	/* The launcher is heard first: its frame is in its socket first. */
	died.u.died.worker = w->number;
	died.u.died.status = SIGKILL;
	rig_send(rig.launcher, &died, NULL);
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	close(w->fd);
	w->fd = -1;
	check_last(2, 2, PROC_DIED);
	ck_assert_int_eq(end_of(1), PROC_DONE);
	rig_worker(&rig);
	rig_silent(&rig);
}
END_TEST

START_TEST(crash_guilty_and_neighbours)
{
	struct rig_worker *w;
	struct frame f;

	rig.slots = 3;
	start_module();
	w = rig_worker(&rig);
	for (unsigned int i = 1; i <= 3; i++)
		run(i);
	got_run(w, 1);
	f = got_run(w, 2);
	got_run(w, 3);
	rig_crashed(w, &f, SIGSEGV);
	rig_died(&rig, w, SIGSEGV);
	ck_assert_uint_eq(nends, 3);
	ck_assert_int_eq(end_of(1), PROC_NEIGHBOUR);
	ck_assert_int_eq(end_of(2), PROC_GUILTY);
	ck_assert_int_eq(end_of(3), PROC_NEIGHBOUR);
	for (unsigned int i = 0; i < 3; i++)
		if (ends[i].end == PROC_GUILTY)
			ck_assert_int_eq(ends[i].signo, SIGSEGV);
	rig_worker(&rig);
}
END_TEST

/* Two threads can crash before the process is gone: neither is innocent. */
START_TEST(crash_of_two)
{
	struct rig_worker *w;
	struct frame a, b;

	start_module();
	w = rig_worker(&rig);
	run(1);
	run(2);
	a = got_run(w, 1);
	b = got_run(w, 2);
	rig_crashed(w, &a, SIGSEGV);
	rig_crashed(w, &b, SIGBUS);
	rig_died(&rig, w, SIGSEGV);
	ck_assert_int_eq(end_of(1), PROC_GUILTY);
	ck_assert_int_eq(end_of(2), PROC_GUILTY);
}
END_TEST

/* The slate is user code's to write: nonsense on it blames nobody. */
START_TEST(crash_with_nonsense_on_the_slate)
{
	static const int nonsense[] = { -1, 0, 1000, INT32_MIN };
	struct rig_worker *w;
	struct frame f;

	start_module();
	w = rig_worker(&rig);
	run(1);
	f = got_run(w, 1);
	rig_crashed(w, &f, nonsense[_i]);
	rig_died(&rig, w, SIGSEGV);
	ck_assert_int_eq(end_of(1), PROC_DIED);
}
END_TEST

START_TEST(died_without_a_culprit)
{
	struct rig_worker *w;

	start();
	w = rig_worker(&rig);
	run(1);
	run(2);
	rig_died(&rig, w, SIGKILL);
	ck_assert_uint_eq(nends, 2);
	ck_assert_int_eq(end_of(1), PROC_DIED);
	ck_assert_int_eq(end_of(2), PROC_DIED);
}
END_TEST

START_TEST(never_ran)
{
	struct frame f = { .kind = FRAME_DIED };
	struct rig_worker *w;

	start();
	for (int i = 0; i < 3; i++) {
		w = rig_spawn(&rig);
		f.u.died.worker = w->number;
		f.u.died.status = -1;
		f.u.died.error = ENOENT;
		rig_send(rig.launcher, &f, NULL);
	}
	f.u.died.worker = 4711;		/* unknown */
	rig_send(rig.launcher, &f, NULL);
	w = rig_worker(&rig);
	run(1);
	got_run(w, 1);
	rig_silent(&rig);
}
END_TEST

START_TEST(reserved_gets_another_slot)
{
	struct rig_worker *a, *b;
	struct job *early, *late;

	start();
	a = rig_worker(&rig);
	early = reserve(1, ROUTE_EXEC);
	late = reserve(2, ROUTE_EXEC);
	rig_died(&rig, a, SIGKILL);
	ck_assert_uint_eq(nends, 0);
	proc_run(proc, early);		/* waits */
	b = rig_worker(&rig);
	got_run(b, 1);
	proc_run(proc, late);		/* finds one itself */
	got_run(b, 2);
}
END_TEST

/* Its worker is dead, but that is not known yet when RUN is sent. */
START_TEST(run_to_the_dead)
{
	struct rig_worker *a, *b;
	struct job *job;

	start();
	a = rig_worker(&rig);
	job = reserve(1, ROUTE_EXEC);
	close(a->fd);
	close(a->jobs);
	a->fd = a->jobs = -1;
	proc_run(proc, job);
	rig_settle(&rig);
	ck_assert_uint_eq(nends, 0);
	rig_died(&rig, a, SIGKILL);
	b = rig_worker(&rig);
	got_run(b, 1);
	ck_assert_uint_eq(nends, 0);
}
END_TEST

START_TEST(waiting_and_cancelled)
{
	struct rig_worker *w;
	struct job *job;

	start();
	w = rig_worker(&rig);
	job = reserve(1, ROUTE_EXEC);
	rig_died(&rig, w, SIGKILL);
	proc_run(proc, job);
	cancel(1);
	check_last(1, 1, PROC_DROPPED);
	rig_worker(&rig);
	rig_silent(&rig);
}
END_TEST

/* A slot that is given back serves who waits, also when nothing else moves. */
START_TEST(waiting_gets_the_slot_of_a_dropped_job)
{
	struct rig_worker *a, *b;
	struct job *waiting, *dropped;

	rig.slots = 1;
	start();
	a = rig_worker(&rig);
	waiting = reserve(1, ROUTE_EXEC);
	rig_died(&rig, a, SIGKILL);
	b = rig_worker(&rig);
	dropped = reserve(2, ROUTE_EXEC);
	proc_run(proc, waiting);
	rig_silent(&rig);
	proc_free_job(proc, &dropped);
	got_run(b, 1);
}
END_TEST

/* --- time and cancelling ------------------------------------------------------------ */

static void
check_cancel(struct rig_worker *w, unsigned int number)
{
	struct frame *f = rig_next(&rig, w, FRAME_CANCEL);

	ck_assert_uint_eq(number_of(f->u.job.id), number);
	ck_assert_uint_eq(f->u.job.attempt, 1);
}

START_TEST(cancel_running)
{
	struct rig_worker *w;
	struct frame f;

	start();
	w = rig_worker(&rig);
	run(1);
	f = got_run(w, 1);
	cancel(1);
	check_cancel(w, 1);
	ck_assert_uint_eq(nends, 0);	/* the slot is not free before it is gone */
	rig_done(w, &f, OUTCOME_CANCELLED);
	check_last(1, 1, PROC_DONE);
}
END_TEST

static void
short_limits(void)
{
	rig.conf.routes[ROUTE_EXEC].limits.timeout_s = 1;
	rig.conf.routes[ROUTE_EXEC].limits.grace_s = 1;
	rig.conf.c.limits.grace_s = 1;
}

START_TEST(module_comes_back_too_late)
{
	struct rig_worker *w;
	struct frame f;

	short_limits();
	start_module();
	w = rig_worker(&rig);
	run(1);
	f = got_run(w, 1);
	check_cancel(w, 1);
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	check_last(1, 1, PROC_OVERDUE);
	run(2);
	got_run(w, 2);
}
END_TEST

START_TEST(module_does_not_return)
{
	struct rig_worker *w, *next;
	struct frame f;
	int64_t began;

	rig.conf.routes[ROUTE_OTHER].limits.timeout_s = 3600;
	short_limits();
	start_module();
	w = rig_worker(&rig);
	proc_run(proc, reserve(2, ROUTE_OTHER));
	f = got_run(w, 2);
	run(1);
	began = clock_mono_ms();
	got_run(w, 1);
	check_cancel(w, 1);
	ck_assert_int_ge(clock_mono_ms() - began, 900);
	check_last(1, 1, PROC_OVERDUE);
	ck_assert_int_ge(clock_mono_ms() - began, 1900);
	rig_retired(&rig, w);
	next = rig_worker(&rig);
	proc_run(proc, reserve(3, ROUTE_OTHER));	/* not to the old one */
	got_run(next, 3);
	if (_i == 0) {
		/* The other one is done: nothing is left to wait for. */
		rig_done(w, &f, OUTCOME_SUCCEEDED);
		check_last(2, 2, PROC_DONE);
		check_kill(w);
		rig_died(&rig, w, SIGKILL);
	} else {
		check_kill(w);		/* it had its time */
		ck_assert_int_ge(clock_mono_ms() - began, 2900);
		rig_died(&rig, w, SIGKILL);
		check_last(2, 2, PROC_DIED);
	}
	rig_silent(&rig);
}
END_TEST

START_TEST(one_retiring_at_a_time)
{
	struct rig_worker *a, *b, *first, *second;

	rig.slots = 1;
	rig.conf.c.workers = 2;
	short_limits();
	start_module();
	a = rig_worker(&rig);
	b = rig_worker(&rig);
	run(1);
	run(2);
	got_run(a, 1);
	got_run(b, 2);
	RIG_UNTIL(&rig, nends == 2);
	ck_assert_int_eq(end_of(1), PROC_OVERDUE);
	ck_assert_int_eq(end_of(2), PROC_OVERDUE);
	check_cancel(a, 1);
	check_cancel(b, 2);
	rig_spawn(&rig);
	first = killed();
	second = first == a ? b : a;
	rig_retired(&rig, first);
	rig_silent(&rig);
	/* Its turn comes when the first one has gone. */
	rig_died(&rig, first, SIGKILL);
	rig_retired(&rig, second);
	rig_spawn(&rig);
	check_kill(second);
	rig_died(&rig, second, SIGKILL);
	rig_silent(&rig);
}
END_TEST

START_TEST(stuck_comes_back)
{
	struct rig_worker *a, *b, *retired, *kept;
	struct frame f, g;

	rig.slots = 1;
	rig.conf.c.workers = 2;
	short_limits();
	start_module();
	a = rig_worker(&rig);
	b = rig_worker(&rig);
	run(1);
	run(2);
	f = got_run(a, 1);
	g = got_run(b, 2);
	RIG_UNTIL(&rig, nends == 2);
	check_cancel(a, 1);
	check_cancel(b, 2);
	rig_spawn(&rig);
	retired = killed();
	kept = retired == a ? b : a;
	/* Its slot is good again, and it stays. */
	rig_done(kept, kept == a ? &f : &g, OUTCOME_SUCCEEDED);
	rig_settle(&rig);
	ck_assert_uint_eq(nends, 2);
	run(3);
	got_run(kept, 3);
	rig_done(retired, retired == a ? &f : &g, OUTCOME_SUCCEEDED);
	rig_settle(&rig);
	ck_assert_uint_eq(nends, 2);
	ck_assert_ptr_null(reserve(4, ROUTE_EXEC));
}
END_TEST

START_TEST(cancelled_module_does_not_return)
{
	struct rig_worker *w;

	short_limits();
	rig.conf.routes[ROUTE_EXEC].limits.timeout_s = 3600;
	start_module();
	w = rig_worker(&rig);
	run(1);
	got_run(w, 1);
	cancel(1);
	check_cancel(w, 1);
	check_last(1, 1, PROC_OVERDUE);
	rig_retired(&rig, w);
	rig_spawn(&rig);
	check_kill(w);
}
END_TEST

/* --- reload ------------------------------------------------------------------------ */

static struct rig_conf again;

static void
reload(void)
{
	rig_conf_init(&again, 1);
	again.c.npools = rig.conf.c.npools;
	again.c.workers = rig.conf.c.workers;
	again.pools[0] = rig.conf.pools[0];
	for (int i = 0; i < ROUTE_N; i++)
		if (routes[i] != NULL)
			routes[i] = &again.routes[i];
	proc_set_conf(proc, &again.c);
}

START_TEST(reload_makes_a_new_generation)
{
	struct rig_worker *a, *b, *starting;
	struct frame f;

	rig.conf.c.workers = 2;
	start();
	a = rig_worker(&rig);
	starting = rig_spawn(&rig);
	run(1);
	f = got_run(a, 1);
	reload();
	rig_retired(&rig, a);
	b = rig_worker(&rig);
	rig_spawn(&rig);
	ck_assert_uint_eq(b->generation, 1);
	/* One that was on its way is retired when it arrives. */
	rig_spawned(&rig, starting);
	rig_retired(&rig, starting);
	rig_hello(&rig, starting);
	run(2);
	got_run(b, 2);
	rig_done(a, &f, OUTCOME_SUCCEEDED);
	check_last(1, 1, PROC_DONE);
	/* The old ones are not replaced. */
	rig_died(&rig, a, 0);
	rig_died(&rig, starting, 0);
	rig_silent(&rig);
	rig_died(&rig, b, 0);
	ck_assert_uint_eq(rig_spawn(&rig)->generation, 1);
}
END_TEST

/* What was sent before it is retired reaches it, however long it takes. */
START_TEST(reload_behind_a_full_socket)
{
	enum { JOBS = 16, HEAD = 200000 };
	char *head = calloc(1, HEAD);
	struct rig_worker *w;
	struct job *job;

	rig.slots = JOBS;
	start();
	w = rig_worker(&rig);
	for (unsigned int i = 1; i <= JOBS; i++) {
		job = reserve(i, ROUTE_EXEC);
		blob_unref(&job->request.head);
		job->request.head = blob_new(head, HEAD);
		proc_run(proc, job);
	}
	reload();
	rig_spawn(&rig);
	for (unsigned int i = 1; i <= JOBS; i++)
		got_run(w, i);
	rig_retired(&rig, w);
	rig_silent(&rig);
	free(head);
}
END_TEST

START_TEST(reload_moves_waiting_jobs)
{
	struct rig_worker *a, *b;
	struct job *waiting, *reserved;

	rig.conf.c.npools = POOL_N;
	start();
	a = rig_worker(&rig);
	rig_worker(&rig);
	waiting = reserve(1, ROUTE_EXEC);
	reserved = reserve(2, ROUTE_EXEC);
	rig_conf_init(&again, 1);
	again.routes[ROUTE_EXEC].pool = POOL_MODULE;
	routes[ROUTE_EXEC] = &again.routes[ROUTE_EXEC];
	proc_set_conf(proc, &again.c);
	rig_retired(&rig, a);
	proc_run(proc, waiting);
	rig_worker(&rig);		/* the new executables */
	rig_settle(&rig);
	b = rig_worker(&rig);
	got_run(b, 1);
	proc_run(proc, reserved);
	got_run(b, 2);
}
END_TEST

START_TEST(reload_without_the_route)
{
	struct rig_worker *w;
	struct job *waiting, *reserved;

	start();
	w = rig_worker(&rig);
	waiting = reserve(1, ROUTE_EXEC);
	reserved = reserve(2, ROUTE_EXEC);
	rig_died(&rig, w, SIGKILL);
	w = rig_worker(&rig);
	proc_free_job(proc, &reserved);
	run(3);
	reserved = reserve(4, ROUTE_EXEC);
	proc_run(proc, waiting);
	routes[ROUTE_EXEC] = NULL;
	reload();
	proc_run(proc, reserved);
	rig_next(&rig, w, FRAME_RUN);
	rig_retired(&rig, w);
	rig_worker(&rig);
	ck_assert_uint_eq(nends, 2);
	ck_assert_int_eq(end_of(1), PROC_NO_ROUTE);
	ck_assert_int_eq(end_of(4), PROC_NO_ROUTE);
}
END_TEST

/* A reload while a thread hangs: its worker is old now, and must still go. */
START_TEST(reload_while_stuck)
{
	struct rig_worker *a, *b;
	struct frame f, g;

	rig.conf.c.workers = 2;
	short_limits();
	rig.conf.routes[ROUTE_OTHER].limits.timeout_s = 3600;
	start_module();
	a = rig_worker(&rig);
	b = rig_worker(&rig);
	run(1);
	run(2);
	got_run(a, 1);
	got_run(b, 2);
	proc_run(proc, reserve(3, ROUTE_OTHER));
	f = got_run(a, 3);
	proc_run(proc, reserve(4, ROUTE_OTHER));
	g = got_run(b, 4);
	RIG_UNTIL(&rig, nends == 2);
	rig_spawn(&rig);
	reload();
	rig_spawn(&rig);
	rig_spawn(&rig);
	rig_done(b, &g, OUTCOME_SUCCEEDED);
	while (killed() != b)		/* one of them has only its grace */
		;
	rig_done(a, &f, OUTCOME_SUCCEEDED);
	while (killed() != a)
		;
}
END_TEST

START_TEST(reload_while_nothing_but_stuck)
{
	struct rig_worker *first;

	rig.slots = 1;
	rig.conf.c.workers = 2;
	short_limits();
	start_module();
	rig_worker(&rig);
	rig_worker(&rig);
	run(1);
	run(2);
	RIG_UNTIL(&rig, nends == 2);
	rig_spawn(&rig);
	first = killed();
	reload();
	while (killed() == first)
		;
}
END_TEST

/* --- the launcher -------------------------------------------------------------------- */

START_TEST(launcher_asks)
{
	struct frame f = { 0 };
	int fd = memfd_create("conf", MFD_CLOEXEC);

	start();
	rig_spawn(&rig);
	rig_send_kind(rig.launcher, FRAME_DRAIN);
	f.kind = FRAME_DRAIN;
	f.u.drain.heir = 1;
	rig_send(rig.launcher, &f, NULL);
	f.kind = FRAME_RELOAD;
	f.u.reload.generation = 7;
	rig_send(rig.launcher, &f, &fd);
	close(fd);
	rig_settle(&rig);
	ck_assert_uint_eq(drains, 11);
	ck_assert_uint_eq(reloads, 1);
}
END_TEST

/* --- asking the launcher --- */

struct question {
	struct asking	 a;
	unsigned int	 times;
	enum frame_told	 how;
	char		 text[64];
};

static void
on_told(struct asking *a, enum frame_told how, const char *text)
{
	struct question *q = (struct question *)a;

	q->times++;
	q->how = how;
	(void)snprintf(q->text, sizeof(q->text), "%s", text);
}

static void
ask(struct question *q, enum frame_ask what)
{
	*q = (struct question){ .a = { .what = what, .done = on_told } };
	ck_assert_int_eq(proc_ask(proc, &q->a), 0);
	ck_assert_uint_eq(rig_launcher(&rig, FRAME_ASK)->u.ask.what, what);
	ck_assert_uint_eq(q->times, 0);
}

static void
tell(enum frame_ask what, enum frame_told how, const char *text)
{
	struct frame f = { .kind = FRAME_TOLD };

	f.u.told.what = what;
	f.u.told.how = how;
	f.u.told.text.data = text;
	f.u.told.text.len = strlen(text);
	rig_send(rig.launcher, &f, NULL);
	rig_settle(&rig);
}

/* Answers come in the order of the questions, each once. */
START_TEST(launcher_is_asked)
{
	struct question reload, drain, second;

	start();
	rig_spawn(&rig);
	ask(&reload, ASK_RELOAD);
	ask(&drain, ASK_DRAIN);
	tell(ASK_RELOAD, TOLD_BAD_SETTINGS, "f:3: queue: expected a number");
	ck_assert_int_eq(reload.how, TOLD_BAD_SETTINGS);
	ck_assert_str_eq(reload.text, "f:3: queue: expected a number");
	ck_assert_uint_eq(drain.times, 0);
	ask(&second, ASK_RELOAD);
	tell(ASK_DRAIN, TOLD_DONE, "");
	ck_assert_uint_eq(drain.times, 1);
	ck_assert_int_eq(drain.how, TOLD_DONE);
	ck_assert_uint_eq(second.times, 0);
	tell(ASK_RELOAD, TOLD_DONE, "");
	ck_assert_uint_eq(second.times, 1);
	ck_assert_uint_eq(reload.times, 1);
}
END_TEST

/* Nobody asked, or for something else: said in the log, and no more. */
START_TEST(launcher_tells_what_nobody_asked)
{
	struct question restart;

	start();
	rig_spawn(&rig);
	tell(ASK_DRAIN, TOLD_DONE, "");
	ask(&restart, ASK_RESTART);
	tell(ASK_DRAIN, TOLD_DONE, "");
	ck_assert_uint_eq(restart.times, 0);
	tell(ASK_RESTART, TOLD_DONE, "");
	ck_assert_uint_eq(restart.times, 1);
}
END_TEST

/* One that went before the answer is nobody's to call. */
START_TEST(launcher_goes_without_an_answer)
{
	struct question drain;

	start();
	rig_spawn(&rig);
	ask(&drain, ASK_DRAIN);
	close(rig.launcher);
	rig.launcher = -1;
	rig_settle(&rig);
	ck_assert_uint_eq(gones, 1);
	ck_assert_uint_eq(drain.times, 0);
}
END_TEST

START_TEST(launcher_talks_nonsense)
{
	struct frame f = { .kind = FRAME_SPOOL };
	int fd = memfd_create("any", MFD_CLOEXEC);
	struct rig_worker *w;
	int before;

	start();
	w = rig_worker(&rig);
	before = open_fds();
	f.u.job.attempt = 1;
	rig_send(rig.launcher, &f, &fd);
	rig_send_kind(rig.launcher, FRAME_READY);
	rig_settle(&rig);
	ck_assert_int_eq(open_fds(), before);
	close(fd);
	run(1);				/* all goes on */
	got_run(w, 1);
	rig_send_garbage(rig.launcher);
	rig_settle(&rig);
	ck_assert_uint_eq(gones, 1);
}
END_TEST

START_TEST(spawned_twice_or_for_nobody)
{
	struct rig_worker *w;
	int before;
	struct frame f = { .kind = FRAME_SPAWNED };
	int fds[3] = { memfd_create("a", MFD_CLOEXEC), slate_create(1),
	    memfd_create("b", MFD_CLOEXEC) };

	start();
	w = rig_worker(&rig);
	before = open_fds();
	f.u.spawned.pid = 1;
	f.u.spawned.worker = _i == 0 ? w->number : 4711;
	rig_send(rig.launcher, &f, fds);
	rig_settle(&rig);
	ck_assert_int_eq(open_fds(), before);
	run(1);
	got_run(w, 1);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}
END_TEST

START_TEST(launcher_gone_once)
{
	struct rig_worker *w;

	start();
	w = rig_worker(&rig);
	run(1);
	got_run(w, 1);
	close(rig.launcher);
	rig.launcher = -1;
	rig_settle(&rig);
	rig_settle(&rig);
	ck_assert_uint_eq(gones, 1);
	cancel(1);
	check_cancel(w, 1);
}
END_TEST

/* --- */

static Suite *
proc_suite(void)
{
	Suite *s = suite_create("proc");
	TCase *t = suite_case(s, "slots", setup, teardown);

	tcase_set_timeout(t, 120);
	tcase_add_test(t, spawns_workers_of_every_pool);
	tcase_add_test(t, run_says_all);
	tcase_add_test(t, run_with_a_file);
	tcase_add_test(t, least_busy_and_never_more_than_slots);
	tcase_add_test(t, a_reserved_slot_is_taken);
	tcase_add_test(t, pools_do_not_mix);
	tcase_add_test(t, done_frees_the_slot);

	t = suite_case(s, "frames", setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, done_of_another_job, 0, 4);
	tcase_add_test(t, done_of_a_job_that_another_worker_has);
	tcase_add_loop_test(t, frames_that_workers_do_not_send, 0, 10);
	tcase_add_loop_test(t, answers_where_it_is_asked, 0, 2);
	tcase_add_loop_test(t, bad_hello, 0, 3);
	tcase_add_loop_test(t, garbage, 0, 4);
	tcase_add_test(t, a_retired_worker_that_closes_its_socket_must_die);
	tcase_add_test(t, progress);
	tcase_add_test(t, spool_once);
	tcase_add_test(t, what_is_said_of_a_job_names_its_slot);
	tcase_add_test(t, spool_error_is_told);

	t = suite_case(s, "death", setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, died_but_the_done_counts);
	tcase_add_test(t, crash_guilty_and_neighbours);
	tcase_add_test(t, crash_of_two);
	tcase_add_loop_test(t, crash_with_nonsense_on_the_slate, 0, 4);
	tcase_add_test(t, died_without_a_culprit);
	tcase_add_test(t, never_ran);
	tcase_add_test(t, reserved_gets_another_slot);
	tcase_add_test(t, run_to_the_dead);
	tcase_add_test(t, waiting_and_cancelled);
	tcase_add_test(t, waiting_gets_the_slot_of_a_dropped_job);

	t = suite_case(s, "time", setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, cancel_running);
	tcase_add_test(t, module_comes_back_too_late);
	tcase_add_loop_test(t, module_does_not_return, 0, 2);
	tcase_add_test(t, one_retiring_at_a_time);
	tcase_add_test(t, stuck_comes_back);
	tcase_add_test(t, cancelled_module_does_not_return);

	t = suite_case(s, "reload", setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, reload_makes_a_new_generation);
	tcase_add_test(t, reload_behind_a_full_socket);
	tcase_add_test(t, reload_moves_waiting_jobs);
	tcase_add_test(t, reload_without_the_route);
	tcase_add_test(t, reload_while_stuck);
	tcase_add_test(t, reload_while_nothing_but_stuck);

	t = suite_case(s, "launcher", setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, launcher_asks);
	tcase_add_test(t, launcher_is_asked);
	tcase_add_test(t, launcher_tells_what_nobody_asked);
	tcase_add_test(t, launcher_goes_without_an_answer);
	tcase_add_test(t, launcher_talks_nonsense);
	tcase_add_loop_test(t, spawned_twice_or_for_nobody, 0, 2);
	tcase_add_test(t, launcher_gone_once);
	return s;
}

int
main(void)
{
	return suite_run(proc_suite());
}
