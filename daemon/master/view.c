/*
 * view - the answers that need few words: a text, what a task wrote to stderr,
 * nothing.  Where the others are made, view_priv.h says.
 */
#include "config.h"

#include "daemon/master/view_priv.h"

/* Any bytes: nothing may take it for something else (WHATWG Fetch, nosniff). */
#define LOG_TYPE	"text/plain; charset=utf-8"

int
view_text(struct answer *a, const struct request *req, const char *type,
    const struct buf *text)
{
	answer_begin(a, 200);
	answer_put_own(a);
	answer_body(a, type, blob_new(buf_data(text), buf_len(text)));
	return answer_end_for(a, req);
}

static void
begin_log(struct answer *a, const struct task *t)
{
	answer_begin(a, 200);
	answer_put_task(a, t);
	answer_put_own(a);
	answer_put(a, "X-Content-Type-Options", "nosniff");
}

int
view_log(struct answer *a, const struct request *req, const struct task *t,
    const void *text, size_t len)
{
	begin_log(a, t);
	answer_body(a, LOG_TYPE, blob_new(text, len));
	return answer_end_for(a, req);
}

/* nginx would hold back what is less than its buffer. */
int
view_log_stream(struct answer *a, const struct task *t)
{
	begin_log(a, t);
	answer_put(a, "Content-Type", LOG_TYPE);
	answer_put(a, "X-Accel-Buffering", "no");
	return answer_end(a);
}

int
view_no_content(struct answer *a, const struct task *task,
    unsigned int allow)
{
	answer_begin(a, 204);
	answer_put_allow(a, allow);
	answer_put_task(a, task);
	answer_put_own(a);
	return answer_end(a);
}

int
view_begun(struct answer *a)
{
	answer_begin(a, 202);
	answer_put_own(a);
	answer_put_number(a, "Content-Length", 0);
	return answer_end(a);
}
