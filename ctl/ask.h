/*
 * ask - questions whose failure is said to the person at once.
 *
 * All give an exit code: EXIT_DONE for an answer of the 200s; EXIT_NO for
 * another, whose problem document (RFC 9457) has been said, but EXIT_USAGE for
 * a 400; EXIT_AWAY, also for an answer that is not the expected one, or that
 * is from another socket than the operator's (421).
 */
#ifndef CTL_ASK_H
#define CTL_ASK_H

#include <jansson.h>

#include "ctl/ctl.h"
#include "ctl/talk.h"

#define ASK_PATIENCE_S	30
#define ASK_ID_TEXT	33	/* bytes of a task's id, NUL included */
#define ASK_WOKEN	(-1)	/* beside the codes: wake_fd had something */

/* The answer's head; `about` stands before a complaint, NULL: nothing. */
int	ask_open(struct talk *, const struct ctl *,
	    const struct talk_question *, const char *about)
	__attribute__((warn_unused_result));

/* The body, a document, to stdout: as the daemon said it, and a line feed. */
int	ask_print(const struct ctl *, const struct talk_question *,
	    const char *about)
	__attribute__((warn_unused_result));

/* The body, a document; the caller's. */
int	ask_json(const struct ctl *, const struct talk_question *,
	    const char *about, json_t **)
	__attribute__((warn_unused_result));

/* The same, but nothing is said: what there would be is in `why`. */
int	ask_quietly(const struct ctl *, const struct talk_question *,
	    const char *about, json_t **, char why[TALK_WHY_MAX])
	__attribute__((warn_unused_result));

/* The body, whatever it is, is of no interest. */
int	ask_done(const struct ctl *, const struct talk_question *,
	    const char *about)
	__attribute__((warn_unused_result));

/* The body of an answer that is open, to stdout. */
int	ask_copy(struct talk *)
	__attribute__((warn_unused_result));

/* Says what an open answer that is no success has to say. */
int	ask_problem(struct talk *, const char *about);

/*
 * The id of a task, from its link as people copy it, its 32 digits, or the
 * first of them, at least 6: then the daemon says whose they are.  EXIT_NO:
 * nobody's.  EXIT_USAGE: several tasks', or these are no digits.  All is said.
 */
int	ask_id(const struct ctl *, const char *arg, char id[ASK_ID_TEXT])
	__attribute__((warn_unused_result));

/* "/status/<id><rest>"; owned. */
char	*ask_link(const char *id, const char *rest);

#endif
