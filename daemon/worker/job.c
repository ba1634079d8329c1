/*
 * job - one attempt at one task, from its RUN frame to its DONE frame.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ipc/sock.h"
#include "daemon/log.h"
#include "daemon/worker/job.h"

/* Room in a DONE frame for its numbers and lengths. */
#define DONE_OVERHEAD	512

#define NO_MEMORY_NS	10000000	/* until the next try */

static atomic_bool is_mute;

int64_t
job_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
job_log_line(void *arg, const char *text, size_t len)
{
	const struct job *job = arg;

	log_info("stderr task=%s text=%.*s", job->id_text, (int)len, text);
}

static void
job_log_skipped(void *arg, unsigned long lines)
{
	const struct job *job = arg;

	log_info("stderr-skipped task=%s lines=%lu", job->id_text, lines);
}

static void
job_write_id(struct job *job)
{
	static const char digits[] = "0123456789abcdef";
	char *p = job->id_text;

	for (int i = 0; i < TASK_ID_BYTES; i++) {
		*p++ = digits[job->id[i] >> 4];
		*p++ = digits[job->id[i] & 15];
	}
	*p = '\0';
}

struct job *
job_new(const struct job_world *world, const struct frame *f, int fd)
{
	struct job *job = calloc(1, sizeof(*job));
	const struct tail_sink sink = { job_log_line, job_log_skipped, job };

	if (job == NULL) {
		if (fd != -1)
			close(fd);
		return NULL;
	}
	job->world = world;
	memcpy(job->id, f->u.run.id, TASK_ID_BYTES);
	job_write_id(job);
	job->attempt = f->u.run.attempt;
	job->route_name = f->u.run.route;
	job->head = f->u.run.head;
	job->body = f->u.run.body;
	pthread_mutex_init(&job->tail_lock, NULL);
	tail_init(&job->tail, &sink);
	job->body_fd = fd;
	job->body_size = f->u.run.body_size;
	job->spool_fd = -1;
	job->wait_status = -1;
	return job;
}

void
job_free(struct job *job)
{
	if (job->body_fd != -1)
		close(job->body_fd);
	if (job->spool_fd != -1)
		fdtable_drop(&job->world->fds, job->spool_fd);
	if (job->route != NULL)
		response_fini(&job->response);
	tail_fini(&job->tail);
	pthread_mutex_destroy(&job->tail_lock);
	env_fini(&job->env);
	if (job->has_req)
		request_fini(&job->req);
	free(job);
}

void
job_end(struct job *job, enum frame_outcome outcome, const char *fmt, ...)
{
	va_list ap;

	job->outcome = outcome;
	va_start(ap, fmt);
	vsnprintf(job->reason, sizeof(job->reason), fmt, ap);
	va_end(ap);
}

void
job_end_by_response(struct job *job)
{
	struct response *r = &job->response;

	if (r->state == RESPONSE_OPEN)
		response_end(r);
	if (r->state == RESPONSE_WHOLE)
		job_end(job, OUTCOME_SUCCEEDED, "%s", "");
	else
		job_end(job, OUTCOME_FAILED, "%s", r->reason);
}

static bool
is_name(const struct frame_bytes *bytes, const char *name)
{
	return bytes->len == strlen(name) &&
	    memcmp(bytes->data, name, bytes->len) == 0;
}

/* By name: a task may be older than the settings. */
static const struct conf_route *
job_find_route(const struct job *job)
{
	const struct conf *conf = job->world->conf;
	size_t i;

	for (i = 0; i < conf->nroutes; i++)
		if (conf->routes[i].pool == job->world->pool &&
		    is_name(&job->route_name, conf->routes[i].name))
			return &conf->routes[i];
	return NULL;
}

static bool
job_read_request(struct job *job)
{
	struct scgi block;
	const char *why;

	if (scgi_check(job->head.data, job->head.len, &block, &why) != SCGI_DONE ||
	    request_init(&job->req, &block, job->world->conf, &why) != 0) {
		job_end(job, OUTCOME_FAILED, "the request is not usable: %s",
		    why);
		return false;
	}
	return job->has_req = true;
}

bool
job_prepare(struct job *job)
{
	const struct conf *conf = job->world->conf;
	const struct env_task about = { job->id_text, job->body_size,
	    conf->pools[job->world->pool].module == NULL };
	const struct conf_route *route = job_find_route(job);

	if (route == NULL) {
		job_end(job, OUTCOME_FAILED, "no such route");
		return false;
	}
	if (!job_read_request(job))
		return false;
	if (route->scripts != NULL && job->req.script == NULL) {
		job_end(job, OUTCOME_FAILED, "the request is for no script "
		    "of this route");
		return false;
	}
	if (env_init(&job->env, &job->req, conf, route, &about) == -1) {
		job_end(job, OUTCOME_FAILED, "no memory for the environment");
		return false;
	}
	job->route = route;
	response_init(&job->response, (size_t)conf->inline_bytes,
	    (uint64_t)route->limits.max_response_bytes,
	    job->req.method == METHOD_HEAD);
	progress_init(&job->progress);
	return true;
}

/*
 * A frame that cannot be sent leaves a master that is gone, or one that
 * would wait for it for ever: better it hears of a dead worker.  What runs
 * here is on the slate.
 */
static void
job_die(const struct frame *f)
{
	log_error("send-failed to=master frame=%s error=%m",
	    frame_name(f->kind));
	_exit(1);
}

/* What must be said is said, as soon as there is memory for it. */
static void
job_encode(struct buf *b, const struct frame *f)
{
	const struct timespec moment = { .tv_nsec = NO_MEMORY_NS };

	while (frame_encode(b, f) == -1) {
		if (errno != ENOMEM)
			job_die(f);
		nanosleep(&moment, NULL);
	}
}

void
job_send(const struct job_world *world, const struct frame *f)
{
	struct buf b;
	struct iovec iov;

	while (atomic_load(&is_mute))
		pause();
	buf_init(&b, FRAME_MAX);
	job_encode(&b, f);
	iov.iov_base = b.data + b.start;
	iov.iov_len = buf_len(&b);
	while (sock_send(world->peer, &iov, 1, NULL, 0, 0) == -1)
		if (errno != EINTR)
			job_die(f);
	buf_fini(&b);
}

void
job_mute(void)
{
	atomic_store(&is_mute, true);
}

void
job_send_hello(const struct job_world *world, unsigned int slots)
{
	struct frame f = { .kind = FRAME_HELLO };

	f.u.hello.version = FRAME_VERSION;
	f.u.hello.pid = (uint32_t)getpid();
	f.u.hello.slots = slots;
	job_send(world, &f);
}

void
job_send_need_spool(struct job *job)
{
	struct frame f = { .kind = FRAME_NEED_SPOOL };

	memcpy(f.u.job.id, job->id, TASK_ID_BYTES);
	f.u.job.attempt = job->attempt;
	job_send(job->world, &f);
}

void
job_send_progress(struct job *job, int64_t now_ms)
{
	struct progress *p = &job->progress;
	struct frame f = { .kind = FRAME_PROGRESS };

	if (progress_due(p, now_ms) != 0)
		return;
	memcpy(f.u.progress.id, job->id, TASK_ID_BYTES);
	f.u.progress.attempt = job->attempt;
	f.u.progress.percent = p->percent;
	f.u.progress.message.data = p->text;
	f.u.progress.message.len = strlen(p->text);
	job_send(job->world, &f);
	progress_told(p, now_ms);
}

static void
job_put_response(const struct job *job, struct frame *f)
{
	const struct response *r = &job->response;

	f->u.done.head.data = buf_data(&r->cgi.head);
	f->u.done.head.len = buf_len(&r->cgi.head);
	f->u.done.body_size = r->size;
	f->u.done.body_in_fd = r->fd != -1;
	if (r->fd == -1) {
		f->u.done.body.data = buf_data(&r->bytes);
		f->u.done.body.len = buf_len(&r->bytes);
	}
}

/* As much of the end of stderr as the frame has room for. */
static void
job_put_log(const struct job *job, struct frame *f)
{
	const struct buf *kept = &job->tail.kept;
	size_t len = buf_len(kept), room = FRAME_MAX - DONE_OVERHEAD -
	    f->u.done.head.len - f->u.done.body.len - f->u.done.reason.len;

	if (len > room)
		len = room;
	f->u.done.log.data = buf_data(kept) + buf_len(kept) - len;
	f->u.done.log.len = len;
}

void
job_send_done(struct job *job)
{
	struct frame f = { .kind = FRAME_DONE };

	memcpy(f.u.done.id, job->id, TASK_ID_BYTES);
	f.u.done.attempt = job->attempt;
	f.u.done.outcome = job->outcome;
	f.u.done.wait_status = job->wait_status;
	f.u.done.cpu_us = job->cpu_us;
	f.u.done.max_rss_kib = job->max_rss_kib;
	f.u.done.reason.data = job->reason;
	f.u.done.reason.len = strlen(job->reason);
	if (job->outcome == OUTCOME_SUCCEEDED)
		job_put_response(job, &f);
	job_put_log(job, &f);
	job_send(job->world, &f);
}

void
job_send_refusal(const struct job_world *world, const struct frame *run,
    const char *reason)
{
	struct frame f = { .kind = FRAME_DONE };

	memcpy(f.u.done.id, run->u.run.id, TASK_ID_BYTES);
	f.u.done.attempt = run->u.run.attempt;
	f.u.done.outcome = OUTCOME_FAILED;
	f.u.done.wait_status = -1;
	f.u.done.reason = (struct frame_bytes){ reason, strlen(reason) };
	job_send(world, &f);
}

static void
job_ring(struct job *job)
{
	const uint64_t one = 1;

	/* It cannot block: nobody counts to 2^64. */
	if (write(job->bell, &one, sizeof(one)) == -1)
		log_error("bell-failed error=%m");
}

void
job_cancel(struct job *job)
{
	atomic_store(&job->cancelled, true);
	job_ring(job);
}

void
job_spool(struct job *job, int fd, int error)
{
	if (atomic_load(&job->spool_came)) {
		if (fd != -1)
			close(fd);	/* nobody asked twice */
		return;
	}
	job->spool_fd = fd;
	job->spool_error = error;
	atomic_store(&job->spool_came, true);
	job_ring(job);
}

void
job_hear(struct job *job)
{
	uint64_t rings;
	int fd = -1, error;

	while (read(job->ear, &rings, sizeof(rings)) == -1 && errno == EINTR)
		;
	if (job->response.state != RESPONSE_WANTS_SPOOL ||
	    !atomic_load(&job->spool_came))
		return;
	error = job->spool_error;
	if (job->spool_fd != -1 && (fd = fdtable_fetch(&job->world->fds,
	    job->spool_fd)) == -1)
		error = errno;
	job->spool_fd = -1;
	response_spool(&job->response, fd, error);
}
