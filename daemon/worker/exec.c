/*
 * exec - runs a task as a program.
 *
 * The way to the end is always the same, whoever wanted it:
 *
 *	the leader is dead (pidfd)	it stays a zombie for now, so its
 *					number cannot be reused
 *	kill the group			nobody who is left can hold stdout open
 *	drain stdout, stderr		what is in the pipes now, not more: one
 *					that left the group may write for ever
 *	reap				with its resource usage
 *	clear the slate
 *
 * The body is a file on stdin, and stdout and stderr are polled together: a
 * program that writes much before it reads much cannot deadlock with us.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/kin.h"
#include "daemon/log.h"
#include "daemon/script.h"
#include "daemon/worker/child.h"
#include "daemon/worker/exec.h"

#define TRACER_MS	100	/* to look at a process that has ended */

/* What is polled. */
enum ear { EAR_OUT, EAR_ERR, EAR_PROGRESS, EAR_CHILD, EAR_BELL, EAR_N };

/* Why we end a program that would go on. */
enum stop { STOP_NOT, STOP_CANCEL, STOP_TIME, STOP_RESPONSE };

struct run {
	struct job	*job;
	pid_t		 pid;
	struct pollfd	 ear[EAR_N];	/* fd -1: closed; all but BELL owned */
	enum stop	 stop;
	struct kin	 kin;		/* to be stopped with it */
	struct confine	 confine;	/* around it */
	bool		 killed;	/* SIGKILL was sent */
	bool		 exited;	/* the leader has */
	int64_t		 deadline_ms;	/* for it to end, or else to be killed */
	unsigned char	 chunk[RESPONSE_CHUNK];
};

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/* Bytes as a file at offset 0 that nobody can change. */
static int
stdin_from_bytes(const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;
	int fd = memfd_create("deferd-body", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return -1;
	for (; len > 0; p += n, len -= (size_t)n)
		if ((n = write(fd, p, len)) == -1)
			goto out;
	if (lseek(fd, 0, SEEK_SET) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE |
	    F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
		return fd;
out:
	close(fd);
	return -1;
}

/*
 * The spool file, as a description of its own: an offset is shared with
 * whoever else holds the master's.  Where this user may not open the file
 * itself, the one that came has to do, from its beginning.
 */
static int
stdin_from_file(int body)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", body);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1)
		return fd;
	if (lseek(body, 0, SEEK_SET) == -1)
		return -1;
	return fcntl(body, F_DUPFD_CLOEXEC, 0);
}

static int
stdin_open(const struct job *job)
{
	if (job->body_fd != -1)
		return stdin_from_file(job->body_fd);
	if (job->body_size > 0)
		return stdin_from_bytes(job->body.data, job->body.len);
	return job->world->null_fd;
}

/*
 * The program's end is as it expects a pipe to be.  Ours has O_NONBLOCK: what
 * poll() has seen another may have read by then, for the program can open its
 * own end in /proc/self/fd.
 */
static int
run_pipe(int *ours, int *theirs)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) == -1)
		return -1;
	*ours = fds[0];
	*theirs = fds[1];
	return fcntl(fds[0], F_SETFL, O_NONBLOCK);
}

/* 0, or -1 with errno; what is open then, run_close() and the caller close. */
static int
run_open(struct run *r, int fd[CHILD_FD_N])
{
	fd[CHILD_IN] = stdin_open(r->job);
	if (fd[CHILD_IN] == -1)
		return -1;
	if (run_pipe(&r->ear[EAR_OUT].fd, &fd[CHILD_OUT]) == -1 ||
	    run_pipe(&r->ear[EAR_ERR].fd, &fd[CHILD_ERR]) == -1)
		return -1;
	return run_pipe(&r->ear[EAR_PROGRESS].fd, &fd[CHILD_PROGRESS]);
}

static int
run_start(struct run *r)
{
	struct job *job = r->job;
	const char *script = job->req.script;
	struct child child = { script != NULL ? script : job->route->exec,
	    job->env.vec,
	    { -1, -1, -1, -1 }, &job->route->limits, &r->confine, job->slate };
	int i, pidfd = -1, error = 0;

	if ((script != NULL &&
	    script_check(job->route->scripts, script) == -1) ||
	    run_open(r, child.fd) == -1 ||
	    (r->pid = child_start(&child, &pidfd)) == -1)
		error = errno;
	else
		r->ear[EAR_CHILD].fd = pidfd;
	if (child.fd[CHILD_IN] == job->world->null_fd)
		child.fd[CHILD_IN] = -1;
	for (i = 0; i < CHILD_FD_N; i++)
		close_fd(&child.fd[i]);
	errno = error;
	return error == 0 ? 0 : -1;
}

static void
run_init(struct run *r, struct job *job)
{
	int i;

	r->job = job;
	r->pid = -1;
	r->stop = STOP_NOT;
	r->kin.n = 0;
	r->killed = r->exited = false;
	r->deadline_ms = job_now_ms() + job->route->limits.timeout_s * 1000;
	for (i = 0; i < EAR_N; i++)
		r->ear[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	r->ear[EAR_BELL].fd = job->ear;
}

static void
run_close(struct run *r)
{
	confine_close(&r->confine);
	close_fd(&r->ear[EAR_OUT].fd);
	close_fd(&r->ear[EAR_ERR].fd);
	close_fd(&r->ear[EAR_PROGRESS].fd);
	close_fd(&r->ear[EAR_CHILD].fd);
}

static void
run_kill(struct run *r, int signo)
{
	if (r->exited)
		return;
	if (r->kin.n == 0)
		kin_find(&r->kin, r->pid);
	kin_kill(&r->kin, signo);
	kill(-r->pid, signo);
	/* It may have joined another group: its number is still its own. */
	if (getpgid(r->pid) != r->pid)
		kill(r->pid, signo);
	r->killed = r->killed || signo == SIGKILL;
}

/* Politely, with `grace` to obey; the first to ask gives the reason. */
static void
run_stop(struct run *r, enum stop why)
{
	if (r->stop != STOP_NOT)
		return;
	r->stop = why;
	run_kill(r, SIGTERM);
	r->deadline_ms = job_now_ms() + r->job->route->limits.grace_s * 1000;
}

/* What it answers is no response: nothing it still does can help. */
static void
run_check_response(struct run *r)
{
	if (r->exited || r->job->response.state != RESPONSE_FAILED)
		return;
	if (r->stop == STOP_NOT)
		r->stop = STOP_RESPONSE;
	run_kill(r, SIGKILL);
}

static void
run_answer(struct run *r, size_t len)
{
	struct response *response = &r->job->response;

	if (response->state != RESPONSE_OPEN)
		return;		/* it has failed; the pipe is kept empty */
	if (response_add(response, r->chunk, len) == RESPONSE_WANTS_SPOOL)
		job_send_need_spool(r->job);
	run_check_response(r);
}

static void
run_take(struct run *r, enum ear ear, size_t len)
{
	struct job *job = r->job;

	switch (ear) {
	case EAR_OUT:
		run_answer(r, len);
		break;
	case EAR_ERR:
		job_said(job, r->chunk, len);
		break;
	default:
		progress_add(&job->progress, r->chunk, len);
		break;
	}
}

/* Reads once, at most `most` bytes.  What came, or 0 at the end or for now. */
static size_t
run_read(struct run *r, enum ear ear, size_t most)
{
	ssize_t n;

	if (most > sizeof(r->chunk))
		most = sizeof(r->chunk);
	n = read(r->ear[ear].fd, r->chunk, most);
	if (n > 0) {
		run_take(r, ear, (size_t)n);
		return (size_t)n;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(&r->ear[ear].fd);
	return 0;
}

static bool
run_waits_for_spool(const struct run *r)
{
	return r->job->response.state == RESPONSE_WANTS_SPOOL;
}

static void
run_hear_bell(struct run *r)
{
	job_hear(r->job);
	run_check_response(r);
	if (atomic_load(&r->job->cancelled))
		run_stop(r, STOP_CANCEL);
}

/* Milliseconds poll() may sleep; -1: for ever. */
static int
run_sleep_ms(const struct run *r, int64_t now)
{
	int64_t due = progress_due(&r->job->progress, now);
	int64_t left = r->deadline_ms > now ? r->deadline_ms - now : 0;

	if (r->killed)
		left = -1;	/* the kernel has promised */
	if (left == -1 || (due != -1 && due < left))
		left = due;
	return left > 60000 ? 60000 : (int)left;
}

static void
run_watch_clock(struct run *r, int64_t now)
{
	if (now < r->deadline_ms || r->killed)
		return;
	if (r->stop == STOP_NOT)
		run_stop(r, STOP_TIME);
	else
		run_kill(r, SIGKILL);
}

static void
run_turn(struct run *r)
{
	struct pollfd ear[EAR_N];
	enum ear i;

	memcpy(ear, r->ear, sizeof(ear));
	if (run_waits_for_spool(r))
		ear[EAR_OUT].fd = -1;
	if (poll(ear, EAR_N, run_sleep_ms(r, job_now_ms())) == -1) {
		if (errno == EINVAL)	/* more than we may have open */
			rlimit_want(&r->job->world->limits);
		return;
	}
	if (ear[EAR_BELL].revents != 0)
		run_hear_bell(r);
	for (i = EAR_OUT; i <= EAR_PROGRESS; i++)
		if (ear[i].revents != 0)
			run_read(r, i, sizeof(r->chunk));
	if (ear[EAR_CHILD].revents != 0)
		r->exited = true;
	run_watch_clock(r, job_now_ms());
	job_send_progress(r->job, job_now_ms());
}

/* The group is dead, its output may still need a file. */
static void
run_wait_for_spool(struct run *r)
{
	struct pollfd bell = r->ear[EAR_BELL];

	while (run_waits_for_spool(r) && r->stop == STOP_NOT)
		if (poll(&bell, 1, -1) == 1)
			run_hear_bell(r);
		else
			rlimit_want(&r->job->world->limits);
}

static void
run_drain(struct run *r, enum ear ear)
{
	int left = 0;
	size_t n;

	if (r->ear[ear].fd == -1 || ioctl(r->ear[ear].fd, FIONREAD, &left) == -1)
		return;
	while (left > 0) {
		if (ear == EAR_OUT)
			run_wait_for_spool(r);
		if (ear == EAR_OUT && r->job->response.state != RESPONSE_OPEN)
			return;
		n = run_read(r, ear, (size_t)left);
		if (n == 0)
			return;
		left -= (int)n;
	}
}

static uint64_t
timeval_us(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000 + (uint64_t)tv->tv_usec;
}

/*
 * A zombie is its tracer's until that has looked at it.  A debugger looks at
 * once; a task that traces its own leader, and sleeps, must not hold us.
 */
static void
run_wait(struct run *r, struct rusage *use)
{
	int64_t patience_ms = job_now_ms() + TRACER_MS;
	pid_t pid;

	while ((pid = wait4(r->pid, &r->job->wait_status, WNOHANG, use)) !=
	    r->pid) {
		assert(pid == 0 || errno == EINTR);
		if (job_now_ms() >= patience_ms)
			kin_kill_tracer(r->pid);
		(void)poll(NULL, 0, 1);
	}
}

static void
run_reap(struct run *r)
{
	struct job *job = r->job;
	struct rusage use;

	run_wait(r, &use);
	atomic_store(&job->slate->pgid, 0);
	job->cpu_us = timeval_us(&use.ru_utime) + timeval_us(&use.ru_stime);
	job->max_rss_kib = (uint64_t)use.ru_maxrss;
}

/* The leader has exited and is a zombie: see the head of this file. */
static void
run_finish(struct run *r)
{
	kill(-r->pid, SIGKILL);
	kin_kill(&r->kin, SIGKILL);
	kin_close(&r->kin);
	run_drain(r, EAR_ERR);
	run_drain(r, EAR_OUT);
	run_wait_for_spool(r);
	run_reap(r);
	tail_end(&r->job->tail, job_now_ms());
}

/* Contract.md 5, "exit not 0", "killed by a signal". */
static bool
run_ended_well(struct job *job)
{
	int status = job->wait_status, signo;

	if (WIFSIGNALED(status)) {
		signo = WTERMSIG(status);
		job_end(job, OUTCOME_FAILED, "the program was killed by "
		    "signal %d (%s)", signo, sigdescr_np(signo) != NULL ?
		    sigdescr_np(signo) : "unknown");
		return false;
	}
	if (WEXITSTATUS(status) == 0)
		return true;
	if (job->route->exit_status_ignore) {
		log_warn("exit-ignored task=%s exit=%d", job->id_text,
		    WEXITSTATUS(status));
		return true;
	}
	job_end(job, OUTCOME_FAILED, "the program exited with status %d",
	    WEXITSTATUS(status));
	return false;
}

static void
run_judge(struct run *r)
{
	struct job *job = r->job;

	switch (r->stop) {
	case STOP_CANCEL:
		job_end(job, OUTCOME_CANCELLED, "cancelled");
		break;
	case STOP_TIME:
		job_end(job, OUTCOME_TIMED_OUT, "the program ran longer than "
		    "%lld seconds", (long long)job->route->limits.timeout_s);
		break;
	case STOP_RESPONSE:
		job_end(job, OUTCOME_FAILED, "%s", job->response.reason);
		break;
	default:
		if (run_ended_well(job))
			job_end_by_response(job);
		break;
	}
}

/* Nothing is started with fewer walls than its route has. */
static bool
run_confine(struct run *r)
{
	const char *what;
	int error;

	if (confine_open(&r->confine, r->job->route, &what) == 0)
		return true;
	error = errno;
	run_close(r);
	job_end(r->job, OUTCOME_FAILED, "the program cannot be confined: "
	    "%s: %s", what, strerrordesc_np(error));
	return false;
}

void
exec_run(struct job *job)
{
	struct run r;

	run_init(&r, job);
	if (!run_confine(&r))
		return;
	if (run_start(&r) == -1) {
		job_end(job, OUTCOME_FAILED, "the program cannot be started: "
		    "%s", strerrordesc_np(errno));
		rlimit_want(&job->world->limits);
		run_close(&r);
		return;
	}
	while (!r.exited)
		run_turn(&r);
	run_finish(&r);
	run_judge(&r);
	run_close(&r);
}
