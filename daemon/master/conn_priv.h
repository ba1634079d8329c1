/*
 * conn_priv - what the files of conn share, and nobody else sees.
 *
 *	conn_head	the head is read, and says what is to be done
 *	conn_submit	a submission: its body, the task, the 202
 *	conn_link	what is asked at the link of a task
 *	conn_operate	what the operator asks for, who may see and do more
 *	conn_list	the list of tasks
 *	conn_stderr	what a task has written to stderr
 *	conn_wait	requests held until their task ends
 *	conn_answer	sending what was decided
 *	conn_hurry	who has not finished asking when the master ends
 *	conn		birth, deadlines, death
 */
#ifndef DAEMON_MASTER_CONN_PRIV_H
#define DAEMON_MASTER_CONN_PRIV_H

#include "daemon/master/claim.h"
#include "daemon/master/conn.h"
#include "daemon/master/intake.h"
#include "daemon/master/outlet.h"
#include "daemon/master/prefer.h"
#include "daemon/master/proc.h"
#include "daemon/master/route.h"
#include "daemon/master/view.h"
#include "daemon/request.h"
#include "ipc/scgi.h"

#define HEAD_READ	4096	/* bytes: most heads fit */
#define HEAD_CAP	(SCGI_HEAD_MAX + 2 * HEAD_READ)
#define DOOR_FDS	2	/* its stdin and its stdout */

enum conn_state {
	CONN_HEAD,
	CONN_BODY,
	CONN_ASKED,		/* others are at work: one call back is to come */
	CONN_WAIT,
	CONN_FOLLOW,
	CONN_DRAIN,
	CONN_ANSWER,
	CONN_LINGER,
	CONN_CLOSED
};

struct conn {
	const struct conn_env *env;
	void		*owner;
	enum conn_state	 state;
	struct stream	 sock;		/* the connection; closed behind a door */
	struct stream	 passed[DOOR_FDS]; /* stdin and stdout of a door */
	struct stream	*in, *out;	/* where body and answer go */
	struct event	*readable;	/* of sock: HEAD, WAIT, FOLLOW, DRAIN, LINGER */
	int64_t		 deadline_ms;	/* monotonic: HEAD, DRAIN, LINGER */
	struct buf	 head;		/* and what came behind it */
	struct blob	*block;		/* the request block */
	struct request	 req;
	bool		 has_req;
	bool		 head_only;	/* asked for by HEAD (RFC 9110 9.3.2) */
	bool		 trusted;	/* it is the operator */
	bool		 garbled;	/* nobody knows where the request ends */
	uint64_t	 unread;	/* bytes of body still to come, at least */
	struct intake	 intake;
	struct claim	*claim;		/* NULL: no Idempotency-Key */
	struct outlet	 outlet;
	struct answer	 answer;
	struct prefer	 prefer;
	struct buf	 share;		/* submission.share */
	bool		 submits;	/* it has made a task, or joined one */
	bool		 owes_read_end;	/* of u.reading, until it is closed */
	/* What ASKED has asked for; whoever is asked calls back with his own. */
	union {
		struct submission submission;
		struct reading	 reading;
		struct removal	 removal;
		struct asking	 asking;
		struct store_checkup checkup;
		struct waiter	 waiter;	/* of WAIT */
	} u;
	struct conn_follow *follow;	/* owned; NULL: not FOLLOW */
	struct lister	*lister;	/* owned; NULL: no list is being made */
};

static inline bool
conn_has_door(const struct conn *c)
{
	return c->in == &c->passed[0];
}

/* --- conn.c -------------------------------------------------------------- */

/* Its end; the memory goes when the turn of the loop has ended. */
void	conn_close(struct conn *);

/* Closes what others have made, and waits for none of them. */
void	conn_part_with(struct conn *, struct stream *);

/* Waits for input on sock, until the deadline. */
void	conn_wait_for_input(struct conn *);
void	conn_set_deadline(struct conn *, int64_t seconds);
bool	conn_is_late(const struct conn *);

/* --- conn_head.c --------------------------------------------------------- */

/* As much of it as is there now. */
void	conn_read_head(struct conn *);

/* --- conn_answer.c ------------------------------------------------------- */

/* The answer is made (-1: no memory): sends it as soon as the server is ready. */
void	conn_reply(struct conn *, int made);

/* Answers with a problem document, or the page that says the same. */
void	conn_refuse(struct conn *, enum problem, const char *detail);

/* 400 for what stands in the query: the log hears no word of it. */
void	conn_refuse_query(struct conn *, const char *detail);

/* 405: the resource has these methods; it is a task's, or task is NULL. */
void	conn_refuse_method(struct conn *, const struct task *,
	    unsigned int allow);

/* The store cannot read or change a task that is there, and stays. */
void	conn_refuse_now(struct conn *, const struct task *);

/* Reads and forgets, so that others have their turn. */
void	conn_discard_some(struct conn *);

/* The same with what a client sends beyond its request; false at its end. */
bool	conn_discard_stray(struct conn *);

/* sock is readable in DRAIN, in LINGER. */
void	conn_on_drainable(struct conn *);
void	conn_on_lingering(struct conn *);

/* --- conn_submit.c ------------------------------------------------------- */

/* A submission to a route: its body, then the task, then the 202. */
void	conn_begin_submit(struct conn *, const struct conf_route *);

/* --- conn_link.c --------------------------------------------------------- */

/* What the store knows of a task: asking, and answering with all of it. */
void	conn_on_info(struct reading *, const struct task *);
void	conn_read_info(struct conn *, const struct task *,
	    void (*done)(struct reading *, const struct task *));

/* The 202 of an unfinished task; the response of a finished one. */
void	conn_show_unfinished(struct conn *, const struct task *);
void	conn_show_status(struct conn *, const struct task *);

/* DELETE of the link, POST of its cancel. */
void	conn_remove_task(struct conn *, const struct route_to *);

/* --- conn_operate.c ------------------------------------------------------ */

/*
 * A request that came over the control socket: true if it is answered, or
 * will be; false if it is about a task, or makes one.
 */
bool	conn_operate(struct conn *);

/* --- conn_list.c --------------------------------------------------------- */

/* GET /tasks. */
void	conn_list(struct conn *);
void	conn_list_free(struct conn *);

/* --- conn_stderr.c ------------------------------------------------------- */

/* <link>/log: what the task has written to stderr; ?follow=1: as it comes. */
void	conn_show_stderr(struct conn *, const struct task *);
void	conn_stderr_free(struct conn *);

/* The stream ends before the task does: we have to. */
void	conn_stderr_end(struct conn *);

/* sock is readable in FOLLOW. */
void	conn_on_following(struct conn *);

/* --- conn_wait.c --------------------------------------------------------- */

/* sock is readable while the request is held: its client has gone. */
void	conn_on_waiting(struct conn *);

/* What the link shows: at once, or held until the task ends. */
void	conn_show_task(struct conn *, const struct task *);

#endif
