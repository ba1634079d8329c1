/*
 * sched_log - a line of the log for each thing that happens to a task.
 */
#include "config.h"

#include "daemon/log.h"
#include "daemon/master/sched_priv.h"

static double
seconds(int64_t ms)
{
	return (double)ms / 1000;
}

void
sched_log_accepted(const struct submission *sub, const struct task *t)
{
	const struct sched *s = sub->sched;
	char id[TASK_ID_TEXT];

	log_info("accepted task=%s route=%s method=%s path=%s",
	    task_id_text(t->id, id), s->routes[t->route].name,
	    sub->method_name, sub->path);
}

void
sched_log_started(const struct task *t, unsigned int attempt, int64_t now_ms)
{
	char id[TASK_ID_TEXT];

	log_info("started task=%s attempt=%u waited=%.3f",
	    task_id_text(t->id, id), attempt, seconds(now_ms - t->created_ms));
}

void
sched_log_removed(const struct task *t)
{
	char id[TASK_ID_TEXT];

	log_info("removed task=%s", task_id_text(t->id, id));
}

void
sched_log_unsaved(const unsigned char id[TASK_ID_BYTES],
    const struct store_op *op)
{
	const char *why = op->to == TASK_QUEUED ? op->tried :
	    op->outcome.reason;
	char text[TASK_ID_TEXT];

	log_error("unsaved task=%s state=%s attempt=%u reason=%s",
	    task_id_text(id, text), task_state_names[op->to],
	    (unsigned int)op->from_attempt, why != NULL ? why : "");
}

static void
log_end(const struct sched *s, const struct task *t, const struct store_op *op,
    int64_t waited_ms, int64_t ran_ms)
{
	const char *why = op->outcome.reason != NULL ? op->outcome.reason : "";
	char id[TASK_ID_TEXT], status[LOG_EXIT_TEXT];
	bool sorry = op->to == TASK_FAILED || op->to == TASK_TIMED_OUT;

	log_at(sorry ? LOG_L_WARN : LOG_L_INFO, "ended task=%s state=%s "
	    "route=%s attempt=%u waited=%.3f ran=%.3f exit=%s reason=%s",
	    task_id_text(t->id, id), task_state_names[op->to],
	    s->routes[t->route].name, (unsigned int)t->attempt,
	    seconds(waited_ms), seconds(ran_ms),
	    log_exit(op->outcome.wait_status, status), why);
}

void
sched_log_move(const struct sched *s, const struct task *t,
    const struct store_op *op)
{
	bool ran = t->state == TASK_RUNNING;
	int64_t left_ms = ran ? t->changed_ms : op->now_ms;
	char id[TASK_ID_TEXT];

	if (op->to == TASK_RUNNING)
		sched_log_started(t, op->to_attempt, op->now_ms);
	else if (op->to == TASK_QUEUED)
		log_warn("requeued task=%s attempt=%u ran=%.3f reason=%s",
		    task_id_text(t->id, id), (unsigned int)t->attempt,
		    seconds(op->now_ms - left_ms),
		    op->tried != NULL ? op->tried : "");
	else
		log_end(s, t, op, left_ms - t->created_ms,
		    op->now_ms - left_ms);
}
