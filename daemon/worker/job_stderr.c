/*
 * job_stderr - what a task writes to stderr, for the master while it comes.
 *
 * The thread adds to the tail.  If somebody follows the task, the main thread
 * looks at the tail now and then and sends what is new; what the master does
 * not take at once it may have later, as far as it is still there then.  Each
 * piece says where it begins, so nobody needs to be told what was lost.
 */
#include <string.h>
#include <sys/socket.h>

#include "ipc/sock.h"
#include "daemon/worker/job.h"

void
job_said(struct job *job, const void *data, size_t len)
{
	pthread_mutex_lock(&job->tail_lock);
	tail_add(&job->tail, data, len, job_now_ms());
	pthread_mutex_unlock(&job->tail_lock);
}

/* What is kept, and was not sent.  Borrows it. */
static struct frame
frame_of_news(const struct job *job)
{
	const struct tail *t = &job->tail;
	size_t kept = buf_len(&t->kept);
	uint64_t first = t->total - kept;
	struct frame f = { .kind = FRAME_STDERR };

	memcpy(f.u.err.id, job->id, TASK_ID_BYTES);
	f.u.err.attempt = job->attempt;
	f.u.err.at = job->err_at > first ? job->err_at : first;
	f.u.err.text.len = (size_t)(t->total - f.u.err.at);
	f.u.err.text.data = buf_data(&t->kept) + kept - f.u.err.text.len;
	return f;
}

/* True if the master has it.  Not without memory either. */
static bool
send_at_once(const struct job_world *world, const struct buf *b)
{
	struct iovec iov = { .iov_base = (void *)buf_data(b),
	    .iov_len = buf_len(b) };

	return iov.iov_len > 0 &&
	    sock_send(world->peer, &iov, 1, NULL, 0, MSG_DONTWAIT) != -1;
}

static void
send_news(struct job *job, bool even_none)
{
	struct frame f;
	struct buf b;
	uint64_t total;

	buf_init(&b, FRAME_MAX);
	pthread_mutex_lock(&job->tail_lock);
	total = job->tail.total;
	f = frame_of_news(job);
	if ((f.u.err.text.len > 0 || even_none) && frame_encode(&b, &f) == -1)
		buf_clear(&b);
	pthread_mutex_unlock(&job->tail_lock);
	if (send_at_once(job->world, &b))
		job->err_at = total;
	buf_fini(&b);
}

void
job_send_stderr(struct job *job)
{
	send_news(job, false);
}

void
job_follow(struct job *job, bool on)
{
	job->followed = on;
	job->err_at = 0;
	if (on)
		send_news(job, true);
}

void
job_send_last_stderr(struct job *job)
{
	struct frame f = frame_of_news(job);

	if (job->followed && f.u.err.text.len > 0)
		job_send(job->world, &f);
}
