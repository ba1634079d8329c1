/*
 * problem - why deferd answers with a problem document (RFC 9457).
 *
 * What such a document says stands in one table.
 */
#ifndef DAEMON_MASTER_PROBLEM_H
#define DAEMON_MASTER_PROBLEM_H

enum problem {
	PROBLEM_BAD_REQUEST,		/* 400 */
	PROBLEM_NO_SCRIPT,		/* 403 */
	PROBLEM_CROSS_SITE,		/* 403, to the operator's browser */
	PROBLEM_NO_ROUTE,		/* 404 */
	PROBLEM_NO_TASK,		/* 404 */
	PROBLEM_METHOD,			/* 405 + Allow */
	PROBLEM_BODY_LARGE,		/* 413 */
	PROBLEM_NOT_CONTROL,		/* 421, to an operator at the wrong socket */
	PROBLEM_KEY_REUSED,		/* 422 */
	PROBLEM_MANY,			/* 429 + Retry-After */
	PROBLEM_HEAD_LARGE,		/* 431 */
	PROBLEM_INTERNAL,		/* 500 */
	PROBLEM_FULL,			/* 503 + Retry-After */
	PROBLEM_STORE,			/* 503 + Retry-After: cannot commit */
	PROBLEM_DRAINING,		/* 503 + Retry-After */
	/* from here on it is the task that went wrong, or what is asked of it */
	PROBLEM_TASK_FAILED,		/* 500, at the link */
	PROBLEM_TASK_TIMED_OUT,		/* 504, at the link */
	PROBLEM_TASK_CANCELLED,		/* 410, at the link */
	PROBLEM_RANGE,			/* 416, at the link */
	PROBLEM_SETTINGS,		/* 422, to the operator: the file is bad */
	PROBLEM_N
};

/* Those before it refuse a request. */
#define PROBLEM_REFUSAL_N	PROBLEM_TASK_FAILED

struct problem_text {
	const char	*name;		/* the end of its type, and what it is counted under */
	int		 status;
	int		 retry_after_s;	/* 0: no such header */
	const char	*title;
	const char	*detail;	/* if whoever refuses has none */
};

extern const struct problem_text problems[PROBLEM_N];

#endif
