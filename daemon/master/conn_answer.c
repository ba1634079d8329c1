/*
 * conn_answer - sending what was decided, and being rid of what was refused.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/log.h"
#include "daemon/master/conn_priv.h"

#define LINGER_S	2	/* for a peer that is still sending nonsense */
#define DISCARDS_PER_TURN 4	/* then the other connections have theirs */

/*
 * A socket that is closed with unread bytes resets its peer, which may lose
 * the answer.  Most often there are none.
 */
static void
on_sent(struct outlet *o, bool sent)
{
	struct conn *c = o->arg;

	if (conn_has_door(c)) {
		if (c->unread > 0 || c->garbled)
			stream_refuse_input(c->in);
		conn_close(c);
		return;
	}
	if (!sent || !c->garbled) {
		if (sent)
			stream_refuse_input(&c->sock);
		conn_close(c);
		return;
	}
	(void)shutdown(c->sock.fd, SHUT_WR);
	c->state = CONN_LINGER;
	conn_set_deadline(c, LINGER_S);
	conn_wait_for_input(c);
}

/* It could not be made for want of memory, so one that is there takes its place. */
static void
give_up_answer(struct conn *c)
{
	log_error("answer-failed error=%s", "no memory");
	c->outlet.words = view_last_words(c->submits, c->head_only);
}

static void
send_answer(struct conn *c)
{
	if (c->head_only)
		body_fini(&c->answer.body);
	c->state = CONN_ANSWER;
	c->outlet.base = c->env->base;
	c->outlet.io = c->env->io;
	c->outlet.out = c->out;
	c->outlet.answer = &c->answer;
	c->outlet.deadline_s = c->env->conf->send_deadline_s;
	c->outlet.done = on_sent;
	c->outlet.arg = c;
	if (outlet_start(&c->outlet) == 0)
		return;
	give_up_answer(c);
	if (outlet_start(&c->outlet) == -1)
		conn_close(c);
}

/*
 * The answer is made; is the server ready for it?  nginx and mod_proxy_scgi
 * read no answer before they have sent the body; behind a door it is the
 * other way round: the answer first, and then no more input.
 */
void
conn_reply(struct conn *c, int made)
{
	if (made == -1)
		give_up_answer(c);
	if (c->unread == 0 || c->garbled || conn_has_door(c)) {
		send_answer(c);
		return;
	}
	c->state = CONN_DRAIN;
	conn_set_deadline(c, c->env->conf->body_deadline_s);
	conn_wait_for_input(c);
}

/* By the path alone: a query may hold what only its owner should know. */
static void
log_refusal(const struct conn *c, enum problem problem, const char *detail,
    const struct task *t)
{
	static struct log_rate rate = LOG_RATE;
	char id[TASK_ID_TEXT] = "none";
	unsigned long skipped;

	if (problem >= PROBLEM_REFUSAL_N || !log_may(&rate, &skipped))
		return;
	log_info("refused task=%s reason=%s method=%s path=%s detail=%s "
	    "skipped=%lu", t != NULL ? task_id_text(t->id, id) : id,
	    problems[problem].name, c->has_req ? c->req.method_name : "?",
	    c->has_req ? c->req.path : "?", detail != NULL ? detail : "",
	    skipped);
}

/* `detail` repeats what the client has sent: that is his to know. */
void
conn_refuse_query(struct conn *c, const char *detail)
{
	stats_refused(sched_stats(c->env->sched), PROBLEM_BAD_REQUEST);
	log_refusal(c, PROBLEM_BAD_REQUEST, "the query", NULL);
	conn_reply(c, view_problem(&c->answer, PROBLEM_BAD_REQUEST, detail,
	    NULL, 0));
}

static void
refuse(struct conn *c, enum problem problem, const char *detail,
    const struct task *t, unsigned int allow)
{
	stats_refused(sched_stats(c->env->sched), problem);
	log_refusal(c, problem, detail, t);
	conn_reply(c, view_problem(&c->answer, problem, detail, t, allow));
}

void
conn_refuse(struct conn *c, enum problem problem, const char *detail)
{
	refuse(c, problem, detail, NULL, 0);
}

void
conn_refuse_method(struct conn *c, const struct task *t, unsigned int allow)
{
	refuse(c, PROBLEM_METHOD, NULL, t, allow);
}

/* The store cannot read or change a task that is there, and stays. */
void
conn_refuse_now(struct conn *c, const struct task *t)
{
	refuse(c, PROBLEM_STORE,
	    "The store does not answer now; the task is as it was.", t, 0);
}

/* Reads and forgets.  False when there is nothing more now. */
static bool
discard(struct conn *c)
{
	char rest[16384];
	ssize_t n = recv(c->sock.fd, rest, sizeof(rest), MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0 || (uint64_t)n >= c->unread)
		c->unread = 0;
	else
		c->unread -= (uint64_t)n;
	return n > 0;
}

void
conn_discard_some(struct conn *c)
{
	int i = 0;

	while (i++ < DISCARDS_PER_TURN && c->unread > 0 && discard(c))
		;
}

void
conn_on_drainable(struct conn *c)
{
	conn_discard_some(c);
	if (c->unread == 0 || conn_is_late(c))
		send_answer(c);
	else
		conn_wait_for_input(c);
}

bool
conn_discard_stray(struct conn *c)
{
	uint64_t owed = c->unread;
	bool more;

	c->unread = UINT64_MAX;
	conn_discard_some(c);
	more = c->unread > 0;
	c->unread = owed;
	return more;
}

void
conn_on_lingering(struct conn *c)
{
	if (!conn_discard_stray(c) || conn_is_late(c))
		conn_close(c);
	else
		conn_wait_for_input(c);
}
