/*
 * view_pending - the 202s: what is accepted, queued or running (contract.md 1
 * and 2), as JSON for programs, as a page that waits for people.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/master/view_json.h"
#include "daemon/master/view_page.h"
#include "daemon/master/view_priv.h"

/* A link, each byte of its mount as three, a few words and the task's own. */
#define TEXT_MAX	(3 * SCGI_HEAD_MAX + 4096)

/* A running task's own words, if it has said any. */
static int
progress_text(struct buf *text, const struct view_progress *p)
{
	json_t *message;
	int failed;

	if (p == NULL)
		return 0;
	message = view_json_text(p->message, strlen(p->message));
	failed = buf_texts(text, ",\"progress\":{\"percent\":", NULL) ||
	    buf_number(text, (uint64_t)p->percent) ||
	    buf_texts(text, ",\"message\":", NULL) ||
	    view_json_write(text, message) || buf_add(text, "}", 1);
	json_decref(message);
	return failed ? -1 : 0;
}

/*
 * What a 202 says of its task.  But for the words of the task all of it is
 * digits, names of ours and a link that is percent-encoded, so nothing needs
 * to be escaped; and by hand, since nothing is sent as often.
 */
static int
pending_text(struct buf *text, const struct task *task,
    const struct view_progress *progress, const char *link)
{
	char id[TASK_ID_TEXT], created[VIEW_JSON_TIME], started[VIEW_JSON_TIME];

	if (buf_texts(text, "{\"id\":\"", task_id_text(task->id, id),
	    "\",\"state\":\"", task_state_names[task->state],
	    "\",\"status\":\"", link, "\",\"created\":\"",
	    view_json_time(task->created_ms, created), "\"", NULL))
		return -1;
	if (task->state == TASK_RUNNING &&
	    buf_texts(text, ",\"started\":\"",
	    view_json_time(task->changed_ms, started), "\"", NULL))
		return -1;
	return progress_text(text, progress) || buf_add(text, "}", 1) ? -1 : 0;
}

static void
set_json(struct answer *a, const struct task *task,
    const struct view_progress *progress, const char *link)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	answer_step(a, pending_text(&text, task, progress, link));
	answer_json_text(a, &text);
	buf_fini(&text);
}

static void
set_page(struct answer *a, const struct view_wait *wait)
{
	char nonce[TASK_ID_TEXT];
	struct buf page;

	buf_init(&page, VIEW_PAGE_MAX);
	answer_step(a, view_page_wait(&page, view_nonce(nonce), wait));
	view_html_body(a, &page, nonce);
	buf_fini(&page);
}

static void
begin_pending(struct answer *a, const struct task *task, const char *link,
    int retry_s)
{
	answer_begin(a, 202);
	answer_put(a, "Location", link);
	answer_put_number(a, "Retry-After", (uint64_t)retry_s);
	answer_put_task(a, task);
	answer_put_own(a);
}

int
view_pending(struct answer *a, const struct request *req,
    const struct task *task, const struct view_progress *progress,
    int64_t now_ms)
{
	char *link = view_link(req->mount, task->id);

	if (link == NULL)
		return answer_fail(a);
	begin_pending(a, task, link, view_retry_after(now_ms - task->created_ms));
	set_json(a, task, progress, link);
	free(link);
	return answer_end_for(a, req);
}

int
view_waiting(struct answer *a, const struct request *req,
    const struct task *task, const struct view_progress *progress,
    const char *path, int64_t now_ms)
{
	char *link = view_link(req->mount, task->id);
	const struct view_wait wait = {
		.task = task,
		.progress = progress,
		.link = link,
		.path = path,
		.now_ms = now_ms,
		.retry_s = view_retry_after(now_ms - task->created_ms),
	};

	if (link == NULL)
		return answer_fail(a);
	begin_pending(a, task, link, wait.retry_s);
	set_page(a, &wait);
	free(link);
	return answer_end_for(a, req);
}

int
view_accepted(struct answer *a, const struct request *req,
    const struct task *task)
{
	struct task fresh = *task;

	fresh.state = TASK_QUEUED;
	if (a->html)
		return view_moved(a, req, &fresh);
	return view_pending(a, req, &fresh, NULL, task->created_ms);
}

/* A tenth of what the client has waited: so much it may wait in vain. */
int
view_retry_after(int64_t age_ms)
{
	int64_t s = age_ms / 10000;

	return s < 1 ? 1 : s > 30 ? 30 : (int)s;
}
