/*
 * view_priv - how an answer is built, for the files of view.
 *
 *	view		a text, a log, nothing: what needs few words
 *	view_answer	the steps that build any answer
 *	view_finished	the link of a finished task: its own response
 *	view_html	a page as the body, and what it may do
 *	view_info	all that is known of a task
 *	view_link	where a task stands, as a link
 *	view_moved	the 303s
 *	view_pending	the 202s, as JSON and as a page
 *	view_problem	the problem documents
 *
 * answer_begin() writes the Status, answer_put*() the headers, answer_body()
 * and its like what follows, answer_end() the empty line or, if any step was
 * out of memory, an empty answer.  No step looks whether the one before went
 * well: the answer remembers.
 */
#ifndef DAEMON_MASTER_VIEW_PRIV_H
#define DAEMON_MASTER_VIEW_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "daemon/master/view.h"

/* A step of an answer, which fails with it. */
static inline void
answer_step(struct answer *a, int failed)
{
	if (failed)
		a->failed = true;
}

/* Text of the head as it is. */
static inline void
answer_add(struct answer *a, const char *text)
{
	answer_step(a, buf_add(&a->head, text, strlen(text)));
}

void	answer_begin(struct answer *, int status);

/* One line of it. */
void	answer_put(struct answer *, const char *name, const char *value);
void	answer_put_number(struct answer *, const char *name, uint64_t value);

/* The line of a mask of methods; none of an empty one. */
void	answer_put_allow(struct answer *, unsigned int mask);

/* Every answer about a task says so; NULL: about none. */
void	answer_put_task(struct answer *, const struct task *);

/* What every answer of our own carries, not a task's. */
void	answer_put_own(struct answer *);

/*
 * A body of ours, and the lines that describe it.  `bytes` are taken (NULL: no
 * memory for them) and as many as they say.
 */
void	answer_body(struct answer *, const char *type, struct blob *bytes);

/*
 * The same of JSON, which gets a newline for those who read it in a terminal:
 * of a text, copied, or of a document, borrowed (NULL: no memory).
 */
void	answer_json_text(struct answer *, const struct buf *text);
void	answer_json(struct answer *, const char *type, const json_t *doc);

/* Whether a status has a body, and a length (RFC 9110 15.3.5, 15.4.5). */
bool	answer_has_body(int status);

/* It is not sent after HEAD (9.3.2), nor where the status has none. */
void	answer_drop_body(struct answer *, const struct request *);

/* Ends every function that fills an answer; gives what that one gives. */
int	answer_end(struct answer *)
	__attribute__((warn_unused_result));

/* The same, and drops the body. */
int	answer_end_for(struct answer *, const struct request *)
	__attribute__((warn_unused_result));

/* The same, where there was no memory to begin with. */
int	answer_fail(struct answer *)
	__attribute__((warn_unused_result));

/* A page as the body, with what it may do. */
void	view_html_body(struct answer *, const struct buf *page,
	    const char *nonce);

/*
 * `path`, which is plain, below a mount, which need not be; `query` is encoded
 * as its sender saw fit, and further where a head could not bear it.  Owned;
 * NULL: ENOMEM.
 */
char	*view_link_to(const char *mount, const char *path, const char *query)
	__attribute__((warn_unused_result));

/* The problem document of a task that ended without a response. */
int	view_problem_ending(struct answer *, const struct task *,
	    const struct store_outcome *, bool debug)
	__attribute__((warn_unused_result));

#endif
