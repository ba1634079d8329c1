#include "config.h"

#include "daemon/master/problem.h"

const char *const problem_names[PROBLEM_N] = {
	[PROBLEM_BAD_REQUEST] = "bad-request",
	[PROBLEM_NO_SCRIPT] = "no-script",
	[PROBLEM_CROSS_SITE] = "cross-site",
	[PROBLEM_NO_ROUTE] = "no-route",
	[PROBLEM_NO_TASK] = "no-task",
	[PROBLEM_METHOD] = "method-not-allowed",
	[PROBLEM_BODY_LARGE] = "body-too-large",
	[PROBLEM_NOT_CONTROL] = "not-control",
	[PROBLEM_KEY_REUSED] = "key-reused",
	[PROBLEM_MANY] = "too-many",
	[PROBLEM_HEAD_LARGE] = "head-too-large",
	[PROBLEM_INTERNAL] = "internal",
	[PROBLEM_FULL] = "full",
	[PROBLEM_STORE] = "store",
	[PROBLEM_DRAINING] = "draining",
	[PROBLEM_TASK_FAILED] = "task-failed",
	[PROBLEM_TASK_TIMED_OUT] = "task-timed-out",
	[PROBLEM_TASK_CANCELLED] = "task-cancelled",
	[PROBLEM_RANGE] = "range",
	[PROBLEM_SETTINGS] = "settings",
};
