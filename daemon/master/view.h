/*
 * view - what deferd itself says: the 202s, the problem documents, and the
 * head that goes before a task's own response.
 *
 * Builds answers, sends nothing, knows no sockets.  Today JSON only; pages
 * for browsers will be a second writer behind the same functions.
 */
#ifndef DAEMON_MASTER_VIEW_H
#define DAEMON_MASTER_VIEW_H

#include "ipc/buf.h"
#include "daemon/request.h"
#include "daemon/master/task.h"
#include "daemon/store/store.h"

/*
 * A whole CGI response, ready to send: `head` up to and with the empty line
 * (Status first, Content-Length always but for 204 and 304), then `body`.
 */
struct answer {
	int		 status;
	struct buf	 head;
	struct body	 body;		/* owned */
};

void	answer_init(struct answer *);
void	answer_fini(struct answer *);

/* Why deferd refuses; each has a status, a title and a type URI. */
enum problem {
	PROBLEM_BAD_REQUEST,		/* 400 */
	PROBLEM_NO_ROUTE,		/* 404 */
	PROBLEM_NO_TASK,		/* 404 */
	PROBLEM_METHOD,			/* 405 + Allow */
	PROBLEM_BODY_LARGE,		/* 413 */
	PROBLEM_HEAD_LARGE,		/* 431 */
	PROBLEM_INTERNAL,		/* 500 */
	PROBLEM_FULL,			/* 503 + Retry-After */
	PROBLEM_STORE,			/* 503 + Retry-After: cannot commit */
	PROBLEM_DRAINING,		/* 503 + Retry-After */
	PROBLEM_TASK_FAILED,		/* 500, at the link */
	PROBLEM_TASK_TIMED_OUT,		/* 504, at the link */
	PROBLEM_TASK_CANCELLED,		/* 410, at the link */
	PROBLEM_N
};

/*
 * All functions fill `a` and return 0, or -1 without memory (`a` is empty
 * then; the caller closes the connection).  Every answer made here carries
 * Cache-Control: no-store and Referrer-Policy: no-referrer.  Where
 * `req` is NULL the head could not be read.
 */

/*
 * A problem document (RFC 9457).  `detail` may be NULL, `task` is the one
 * it is about, or NULL.  `allow` is the mask for 405, else 0.
 */
int	view_problem(struct answer *, enum problem, const char *detail,
	    const struct task *task, unsigned int allow)
	__attribute__((warn_unused_result));

/* What a running task says of itself. */
struct view_progress {
	int		 percent;	/* 0..100 */
	const char	*message;	/* any bytes; made valid UTF-8 */
};

/*
 * 202 with JSON {"id","state","status","created"}: a submission.  The state
 * is "queued": it was accepted; how far it is by now, the link tells.
 */
int	view_accepted(struct answer *, const struct request *,
	    const struct task *)
	__attribute__((warn_unused_result));

/* 202, the same plus "started" and "progress" (NULL: none): the link. */
int	view_pending(struct answer *, const struct request *,
	    const struct task *, const struct view_progress *,
	    int64_t now_ms)
	__attribute__((warn_unused_result));

/*
 * What stands at the link of a finished task.  Succeeded: takes
 * op->message and sends it as it is, with Deferd-Task and Deferd-State and,
 * if it brought none, Cache-Control: no-store.  Otherwise the problem
 * document for its state; `debug` adds exit status, signal and stderr.
 */
int	view_finished(struct answer *, const struct request *,
	    const struct task *, struct store_op *op, bool debug)
	__attribute__((warn_unused_result));

/* 204 (DELETE, OPTIONS with Allow).  task may be NULL. */
int	view_no_content(struct answer *, const struct task *,
	    unsigned int allow)
	__attribute__((warn_unused_result));

/* "<mount>/status/<id>", percent-encoded (RFC 3986 3.3); owned; NULL: ENOMEM. */
char	*view_link(const char *mount, const unsigned char id[TASK_ID_BYTES])
	__attribute__((warn_unused_result));

/* Seconds until the next look is worth it: 1, growing with age to 30. */
int	view_retry_after(int64_t age_ms);

#endif
