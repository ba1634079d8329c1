/*
 * sched_end - how a job ends, and what that makes of its task.
 */
#include "config.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <utlist.h>

#include "daemon/master/proc.h"
#include "daemon/master/sched_priv.h"
#include "daemon/master/table.h"

/*
 * The disk did not take the response.  Syncing the same file again would
 * succeed without its bytes being there, so the task has failed.
 */
static void
lose_response(struct sched *s, struct job *job)
{
	struct store_op *op = &job->op;
	uint64_t file = op->message.body.file;

	message_fini(&op->message);
	op->message = MESSAGE_EMPTY;
	store_spool_drop(s->store, file);
	op->to = TASK_FAILED;
	op->outcome.reason = "the response could not be brought to the disk";
	sched_save_end(s, job);
}

static void
on_saved(struct store_op *op)
{
	struct job *job = op->arg;
	struct sched *s = job->arg;
	struct task *t = table_find(&s->table, job->id);

	DL_DELETE(s->saving, job);
	sched_answered(s, op);
	if (op->body_lost) {
		lose_response(s, job);
		return;
	}
	if (sched_unable(op)) {
		DL_APPEND(s->unsaved, job);
		sched_retry_later(s);
		return;
	}
	if (op->verdict == STORE_OK && t != NULL) {
		sched_move(s, t, op);
		if (job->again)
			sched_try_again(s, t);
	}
	sched_job_drop(s, job);
}

void
sched_save_end(struct sched *s, struct job *job)
{
	DL_APPEND(s->saving, job);
	sched_ask(s, &job->op, on_saved, job);
}

void
sched_retry_ends(struct sched *s)
{
	struct job *list = s->unsaved, *job, *tmp;

	s->unsaved = NULL;
	DL_FOREACH_SAFE(list, job, tmp) {
		DL_DELETE(list, job);
		sched_save_end(s, job);
	}
}

void
sched_save_rest(struct sched *s)
{
	sched_retry_ends(s);
	sched_retry_changes(s);
}

/* Nobody was called back any more, but the operations have their verdicts. */
size_t
sched_unsaved(const struct sched *s)
{
	size_t n = sched_unsaved_changes(s);
	const struct job *job;

	DL_FOREACH(s->saving, job)
		if (sched_unable(&job->op)) {
			sched_log_unsaved(job->id, &job->op);
			n++;
		}
	return n;
}

/* A reason and a log that live as long as the job. */
static const char *
keep_texts(struct job *job, const void *reason, size_t reason_len,
    const void *log, size_t log_len)
{
	job->log = blob_new(NULL, reason_len + 1 + log_len);
	if (job->log == NULL)
		return "no memory to say why";
	memcpy(job->log->data, reason, reason_len);
	memcpy(job->log->data + reason_len + 1, log, log_len);
	job->op.outcome.log = job->log->data + reason_len + 1;
	job->op.outcome.log_len = log_len;
	return (const char *)job->log->data;
}

/* Moves a running task to where the end of its job leads. */
static void
end_task(struct sched *s, struct job *job, enum task_state to,
    const char *reason)
{
	struct task *t = table_find(&s->table, job->id);

	if (t == NULL || t->state != TASK_RUNNING ||
	    t->attempt != job->attempt) {
		sched_job_drop(s, job);
		return;
	}
	job->again = (to == TASK_FAILED || to == TASK_TIMED_OUT) &&
	    sched_may_try_again(s, t);
	sched_set_move(&job->op, t, job->again ? TASK_QUEUED : to, t->attempt);
	job->op.outcome.reason = job->op.tried = reason;
	sched_save_end(s, job);
}

static void
fail(struct sched *s, struct job *job, const char *reason)
{
	job->op.outcome.wait_status = -1;
	end_task(s, job, TASK_FAILED, reason);
}

/* User code lives in a worker: what it says of a file need not be so. */
static bool
has_size(int fd, uint64_t size)
{
	struct stat st;

	return fd != -1 && fstat(fd, &st) == 0 && (uint64_t)st.st_size == size;
}

/*
 * The body of a response: what the frame holds, or the spool file.  NULL, or
 * why there is none.
 */
static const char *
take_response(struct job *job, const struct frame *f)
{
	struct message *m = &job->op.message;

	m->head = blob_new(f->u.done.head.data, f->u.done.head.len);
	if (m->head == NULL)
		return "no memory for the response";
	if (f->u.done.body_in_fd) {
		if (!has_size(job->spool.fd, f->u.done.body_size))
			return "its response is not what its worker said";
		body_take(&m->body, &job->spool);
		m->body.size = f->u.done.body_size;
		return NULL;
	}
	if (f->u.done.body.len == 0)
		return NULL;
	m->body.bytes = blob_new(f->u.done.body.data, f->u.done.body.len);
	m->body.size = f->u.done.body.len;
	return m->body.bytes != NULL ? NULL : "no memory for the response";
}

static void
ended_by_worker(struct sched *s, struct job *job, const struct frame *f)
{
	static const enum task_state states[OUTCOME_N] = {
		[OUTCOME_SUCCEEDED] = TASK_SUCCEEDED,
		[OUTCOME_FAILED] = TASK_FAILED,
		[OUTCOME_TIMED_OUT] = TASK_TIMED_OUT,
		[OUTCOME_CANCELLED] = TASK_CANCELLED,
	};
	enum task_state to = states[f->u.done.outcome];
	const char *reason = keep_texts(job, f->u.done.reason.data,
	    f->u.done.reason.len, f->u.done.log.data, f->u.done.log.len);
	const char *why;

	job->op.outcome.wait_status = f->u.done.wait_status;
	job->op.outcome.cpu_us = f->u.done.cpu_us;
	job->op.outcome.max_rss_kib = f->u.done.max_rss_kib;
	if (to == TASK_SUCCEEDED && (why = take_response(job, f)) != NULL) {
		message_fini(&job->op.message);
		to = TASK_FAILED;
		reason = why;
	}
	end_task(s, job, to, reason);
}

static void
ended_by_crash(struct sched *s, struct job *job, int signo)
{
	char text[128];
	int n = signo == SLATE_EXIT ?
	    snprintf(text, sizeof(text), "the module called exit()") :
	    snprintf(text, sizeof(text), "the module crashed: signal %d (%s)",
	    signo, strsignal(signo));

	fail(s, job, keep_texts(job, text, (size_t)n, "", 0));
}

static void
ended_by_time(struct sched *s, struct job *job)
{
	job->op.outcome.wait_status = -1;
	end_task(s, job, TASK_TIMED_OUT, "it did not end within its time");
}

/* The rerun rule, design.md 3. */
static void
interrupted(struct sched *s, struct job *job, bool charged)
{
	static const char why[] = "it was interrupted: its worker process died";
	struct task *t = table_find(&s->table, job->id);

	if (t != NULL && sched_may_rerun(s, t, charged))
		end_task(s, job, TASK_QUEUED, why);
	else
		fail(s, job, why);
}

void
sched_on_ended(struct job *job, const struct proc_result *result, void *arg)
{
	struct sched *s = arg;

	if (job->over) {
		sched_job_drop(s, job);
		return;
	}
	switch (result->end) {
	case PROC_DONE:
		sched_follow_done(s, job, result->frame);
		ended_by_worker(s, job, result->frame);
		break;
	case PROC_GUILTY:
		ended_by_crash(s, job, result->signo);
		break;
	case PROC_NEIGHBOUR:
		interrupted(s, job, false);
		break;
	case PROC_DIED:
		interrupted(s, job, true);
		break;
	case PROC_OVERDUE:
		ended_by_time(s, job);
		break;
	case PROC_NO_ROUTE:
		fail(s, job, "its route is no longer configured");
		break;
	case PROC_DROPPED:
	case PROC_END_N:
		assert(!"a job is dropped only when it is over");
	}
}
