/*
 * view_problem - what went wrong, as problem documents (RFC 9457), or as pages
 * made from them; of requests, and of tasks that ended without a response.
 */
#include "config.h"

#include <sys/wait.h>

#include "daemon/master/view_json.h"
#include "daemon/master/view_page.h"
#include "daemon/master/view_priv.h"

#define TYPE_PREFIX	"urn:deferd:problem:"	/* names, listed in the manual */

/*
 * The members of RFC 9457 3.1, and `task` where one is concerned.  NULL
 * without memory.
 */
static json_t *
problem_document(enum problem p, const char *detail, const struct task *task)
{
	json_t *doc = json_object();

	if (detail == NULL || *detail == '\0')
		detail = problems[p].detail;
	view_json_set(&doc, "type",
	    json_sprintf(TYPE_PREFIX "%s", problems[p].name));
	view_json_set_text(&doc, "title", problems[p].title);
	view_json_set(&doc, "status", json_integer(problems[p].status));
	view_json_set_text(&doc, "detail", detail);
	if (task != NULL)
		view_json_set_id(&doc, "task", task);
	return doc;
}

/* For a person, or else for a program; no `doc`, no memory. */
static void
set_problem(struct answer *a, const json_t *doc)
{
	char nonce[TASK_ID_TEXT];
	struct buf page;

	answer_step(a, doc == NULL);
	if (!a->html) {
		answer_json(a, "application/problem+json", doc);
		return;
	}
	buf_init(&page, VIEW_PAGE_MAX);
	answer_step(a, view_page_problem(&page, view_nonce(nonce), doc));
	view_html_body(a, &page, nonce);
	buf_fini(&page);
}

/* Takes `doc`, which may be NULL for want of memory. */
static int
answer_problem(struct answer *a, enum problem p, json_t *doc,
    unsigned int allow, const struct task *task)
{
	int retry_s = problems[p].retry_after_s;

	answer_begin(a, problems[p].status);
	answer_put_task(a, task);
	answer_put_allow(a, allow);
	if (retry_s > 0)
		answer_put_number(a, "Retry-After", (uint64_t)retry_s);
	answer_put_own(a);
	set_problem(a, doc);
	json_decref(doc);
	return answer_end(a);
}

int
view_problem(struct answer *a, enum problem p, const char *detail,
    const struct task *task, unsigned int allow)
{
	return answer_problem(a, p, problem_document(p, detail, task), allow,
	    task);
}

static enum problem
problem_of(enum task_state state)
{
	switch (state) {
	case TASK_TIMED_OUT:
		return PROBLEM_TASK_TIMED_OUT;
	case TASK_CANCELLED:
		return PROBLEM_TASK_CANCELLED;
	default:
		return PROBLEM_TASK_FAILED;
	}
}

/* What only an operator who asked for it (-d) shows to clients. */
static void
set_debug(json_t **doc, const struct store_outcome *o)
{
	if (o->wait_status != -1 && WIFEXITED(o->wait_status))
		view_json_set(doc, "exit_status",
		    json_integer(WEXITSTATUS(o->wait_status)));
	if (o->wait_status != -1 && WIFSIGNALED(o->wait_status))
		view_json_set(doc, "signal",
		    json_integer(WTERMSIG(o->wait_status)));
	view_json_set(doc, "stderr", view_json_text(o->log, o->log_len));
}

int
view_problem_ending(struct answer *a, const struct task *task,
    const struct store_outcome *o, bool debug)
{
	enum problem p = problem_of(task->state);
	json_t *doc = problem_document(p, o->reason, task);

	if (debug)
		set_debug(&doc, o);
	return answer_problem(a, p, doc, 0, task);
}

#define LAST_HEAD(line, more)						\
	"Status: " line "\r\n" more					\
	"Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"	\
	"Content-Type: application/problem+json\r\n\r\n"
#define LAST_BODY(status, name, detail)					\
	"{\"type\":\"" TYPE_PREFIX name "\",\"title\":\"Out of memory\"," \
	"\"status\":" status ",\"detail\":\"" detail "\"}\n"

#define NO_ANSWER	LAST_HEAD("503 Service Unavailable", "Retry-After: 10\r\n")
#define NO_WORD_OF_IT	LAST_HEAD("500 Internal Server Error", "")

const char *
view_last_words(bool may_be_task, bool head_only)
{
	if (head_only)
		return may_be_task ? NO_WORD_OF_IT : NO_ANSWER;
	return may_be_task ? NO_WORD_OF_IT LAST_BODY("500", "internal",
	    "There is no memory to answer; the request may be a task by now.") :
	    NO_ANSWER LAST_BODY("503", "store",
	    "There is no memory to answer now.");
}
