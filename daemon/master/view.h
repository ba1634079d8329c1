/*
 * view - what deferd itself says: the 202s, the problem documents, and the
 * head that goes before a task's own response.
 *
 * Builds answers, sends nothing, knows no sockets.  Programs get JSON, people
 * with a browser pages that say the same (view_page.h).  Which file makes
 * which answer, view_priv.h says.
 */
#ifndef DAEMON_MASTER_VIEW_H
#define DAEMON_MASTER_VIEW_H

#include "ipc/buf.h"
#include "daemon/request.h"
#include "daemon/master/problem.h"
#include "daemon/master/task.h"
#include "daemon/store/store.h"

/*
 * A whole CGI response, ready to send: `head` up to and with the empty line
 * (Status first, Content-Length always but for 204 and 304), then `body`.
 */
struct answer {
	int		 status;
	bool		 html;		/* the caller's: who asks wants pages */
	bool		 failed;	/* a step was out of memory */
	struct buf	 head;
	struct body	 body;		/* owned; `size` bytes of it are sent, */
	uint64_t	 body_at;	/* from this offset on */
};

void	answer_init(struct answer *);
void	answer_fini(struct answer *);

/*
 * All functions fill `a` and return 0, or -1 without memory (`a` is empty
 * then; the caller has words that need none).  Every answer made here carries
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
 * is "queued": it was accepted; how far it is by now, the link tells.  To a
 * browser, view_moved().
 */
int	view_accepted(struct answer *, const struct request *,
	    const struct task *)
	__attribute__((warn_unused_result));

/* 202, the same plus "started" and "progress" (NULL: none): the link. */
int	view_pending(struct answer *, const struct request *,
	    const struct task *, const struct view_progress *,
	    int64_t now_ms)
	__attribute__((warn_unused_result));

/* The same for a browser: 202 with the waiting page; `path` is the task's. */
int	view_waiting(struct answer *, const struct request *,
	    const struct task *, const struct view_progress *,
	    const char *path, int64_t now_ms)
	__attribute__((warn_unused_result));

/* 303 to the link of a task: what a browser reloads then starts nothing. */
int	view_moved(struct answer *, const struct request *,
	    const struct task *)
	__attribute__((warn_unused_result));

/*
 * 303, for a browser: to a path below the mount, with the query that this
 * request had: so a button leads back to the page where it stood.
 */
int	view_see(struct answer *, const struct request *, const char *path)
	__attribute__((warn_unused_result));

/* 202, and nothing to say: it has begun. */
int	view_begun(struct answer *)
	__attribute__((warn_unused_result));

/*
 * `<link>/info`: 200 with all that is known of a task, whatever its state
 * (contract.md 3).  `op` is its STORE_LOAD_INFO; members that mean nothing
 * in this state are null.
 */
struct view_info {
	const struct view_progress *progress;	/* or NULL */
	int64_t		 expires_ms;	/* Unix time; of a finished task */
};
int	view_info(struct answer *, const struct request *,
	    const struct task *, const struct store_op *op,
	    const struct view_info *)
	__attribute__((warn_unused_result));

/*
 * What stands at the link of a finished task.  Succeeded: takes
 * op->message and sends it as it is, with Deferd-Task and Deferd-State and,
 * if it brought none, Cache-Control: no-store.  Otherwise the problem
 * document for its state; `debug` adds exit status, signal and stderr.
 *
 * A 200 that has no ETag, Accept-Ranges or Content-Range of its own gets a
 * strong ETag, the same for the life of the task, and obeys If-None-Match
 * (304) and, to GET, Range and If-Range (206, 416): RFC 9110 13, 14.
 */
int	view_finished(struct answer *, const struct request *,
	    const struct task *, struct store_op *op, bool debug)
	__attribute__((warn_unused_result));

/*
 * A whole answer for which no memory is needed, static: 503, or 500 if the
 * request may have become a task.  Without its body if that was a HEAD.
 */
const char *
	view_last_words(bool may_be_task, bool head_only);

/* 204 (DELETE, OPTIONS with Allow).  task may be NULL. */
int	view_no_content(struct answer *, const struct task *,
	    unsigned int allow)
	__attribute__((warn_unused_result));

/*
 * 200 with what a task has written to stderr; copies it.  Or only the head of
 * that, without Content-Length: the text follows as it comes.
 */
int	view_log(struct answer *, const struct request *, const struct task *,
	    const void *text, size_t len)
	__attribute__((warn_unused_result));
int	view_log_stream(struct answer *, const struct task *)
	__attribute__((warn_unused_result));

/* 200 with a text of ours of this Content-Type; copies it. */
int	view_text(struct answer *, const struct request *, const char *type,
	    const struct buf *text)
	__attribute__((warn_unused_result));

/*
 * 200 with a page: what it runs and how it looks carries the nonce, which is
 * made for it (view_nonce() gives out).
 */
char	*view_nonce(char nonce[TASK_ID_TEXT]);
int	view_html(struct answer *, const struct request *, const char *nonce,
	    const struct buf *page)
	__attribute__((warn_unused_result));

/* One more header for an answer that is made. */
int	view_add(struct answer *, const char *name, const char *value)
	__attribute__((warn_unused_result));

/* "<mount>/status/<id>", percent-encoded (RFC 3986 3.3); owned; NULL: ENOMEM. */
char	*view_link(const char *mount, const unsigned char id[TASK_ID_BYTES])
	__attribute__((warn_unused_result));

/* Seconds until the next look is worth it: 1, growing with age to 30. */
int	view_retry_after(int64_t age_ms);

#endif
