#include "config.h"

#include "daemon/master/problem.h"

const struct problem_text problems[PROBLEM_N] = {
	[PROBLEM_BAD_REQUEST] = { "bad-request", 400, 0, "Bad request",
	    "The request is malformed; no task was made." },
	[PROBLEM_NO_SCRIPT] = { "no-script", 403, 0, "Not a script",
	    "What is there may not be run." },
	[PROBLEM_CROSS_SITE] = { "cross-site", 403, 0, "Asked by another site",
	    "A page of another site has made your browser ask for this; "
	    "nothing was done." },
	[PROBLEM_NO_ROUTE] = { "no-route", 404, 0, "Nothing here",
	    "Nothing is configured for this path." },
	[PROBLEM_NO_TASK] = { "no-task", 404, 0, "No such task",
	    "There is no such task, or it has expired or was removed." },
	[PROBLEM_METHOD] = { "method-not-allowed", 405, 0, "Method not allowed",
	    "This resource does not know the method; see Allow." },
	[PROBLEM_BODY_LARGE] = { "body-too-large", 413, 0, "Request body too large",
	    "The request body is over the limit; no task was made." },
	[PROBLEM_NOT_CONTROL] = { "not-control", 421, 0, "Not the control socket",
	    "What an operator asks came to the data socket, which is for web "
	    "servers; nothing was done." },
	[PROBLEM_KEY_REUSED] = { "key-reused", 422, 0, "The Idempotency-Key belongs to another request",
	    "A task that asked for something else has this key already; "
	    "no task was made." },
	[PROBLEM_MANY] = { "too-many", 429, 5, "Too many tasks of yours",
	    "You have as many unfinished tasks as one client may have; "
	    "no task was made." },
	[PROBLEM_HEAD_LARGE] = { "head-too-large", 431, 0, "Request head too large",
	    "The request head is over the limit; no task was made." },
	[PROBLEM_INTERNAL] = { "internal", 500, 0, "Internal error",
	    "Something went wrong in deferd; its log says what." },
	[PROBLEM_FULL] = { "full", 503, 5, "Too much to do",
	    "A limit is reached; no task was made. Try again later." },
	[PROBLEM_STORE] = { "store", 503, 10, "Tasks cannot be kept",
	    "The task could not be stored; nothing was accepted." },
	[PROBLEM_DRAINING] = { "draining", 503, 5, "Shutting down",
	    "The service is being stopped; try again later." },
	[PROBLEM_TASK_FAILED] = { "task-failed", 500, 0, "The task failed",
	    "The task failed." },
	[PROBLEM_TASK_TIMED_OUT] = { "task-timed-out", 504, 0, "The task timed out",
	    "The task took longer than its time limit and was ended." },
	[PROBLEM_TASK_CANCELLED] = { "task-cancelled", 410, 0, "The task was cancelled",
	    "The task was cancelled before it finished." },
	[PROBLEM_RANGE] = { "range", 416, 0, "No such range",
	    "The response ends before the range that was asked for." },
	[PROBLEM_SETTINGS] = { "settings", 422, 0, "The settings are not as they should be",
	    "The old settings stay." },
};
