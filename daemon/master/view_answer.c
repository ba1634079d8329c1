/*
 * view_answer - the steps that build any answer (view_priv.h).
 *
 * No header can be split, by construction (CVE class "response splitting"):
 * what comes from outside reaches a head only as hex digits (ids), percent-
 * encoded (the mount in a link), or through cgires_parse(), which refuses
 * CR, LF and NUL inside a line.  Texts of others go into JSON, or a page.
 */
#include "config.h"

#include <string.h>

#include "daemon/master/view_json.h"
#include "daemon/master/view_priv.h"
#include "ipc/cgires.h"

/*
 * A head is at most a stored one and a few lines, or a link whose mount came
 * in a request head, each byte as three.
 */
#define HEAD_MAX	(3 * SCGI_HEAD_MAX + CGIRES_NORMAL_MAX)

#define JSON_BRIEF	1024		/* bytes of a short document */

void
answer_init(struct answer *a)
{
	a->status = 0;
	a->html = a->failed = false;
	buf_init(&a->head, HEAD_MAX);
	a->body = BODY_EMPTY;
	a->body_at = 0;
}

void
answer_fini(struct answer *a)
{
	a->status = 0;
	a->failed = false;
	buf_fini(&a->head);
	body_fini(&a->body);
	a->body_at = 0;
}

/* --- the head -------------------------------------------------------------- */

void
answer_begin(struct answer *a, int status)
{
	a->status = status;
	answer_step(a, buf_texts(&a->head, "Status: ", NULL) ||
	    buf_number(&a->head, (uint64_t)status) ||
	    buf_texts(&a->head, " ", cgires_reason(status), "\r\n", NULL));
}

void
answer_put(struct answer *a, const char *name, const char *value)
{
	answer_step(a, buf_texts(&a->head, name, ": ", value, "\r\n", NULL));
}

void
answer_put_number(struct answer *a, const char *name, uint64_t value)
{
	answer_step(a, buf_texts(&a->head, name, ": ", NULL) ||
	    buf_number(&a->head, value) || buf_add(&a->head, "\r\n", 2));
}

/* METHOD_OTHER has no name to be put here. */
void
answer_put_allow(struct answer *a, unsigned int mask)
{
	const char *comma = "";

	if (mask == 0)
		return;
	answer_add(a, "Allow: ");
	for (int m = 0; m < METHOD_OTHER; m++) {
		if (!(mask & 1u << m))
			continue;
		answer_add(a, comma);
		answer_add(a, conf_method_names[m]);
		comma = ", ";
	}
	answer_add(a, "\r\n");
}

void
answer_put_task(struct answer *a, const struct task *task)
{
	char id[TASK_ID_TEXT];

	if (task == NULL)
		return;
	answer_step(a, buf_texts(&a->head,
	    "Deferd-Task: ", task_id_text(task->id, id), "\r\n"
	    "Deferd-State: ", task_state_names[task->state], "\r\n", NULL));
}

void
answer_put_own(struct answer *a)
{
	answer_add(a, "Cache-Control: no-store\r\n"
	    "Referrer-Policy: no-referrer\r\n");
}

/* What ends the head is taken off, and put back behind the new line. */
int
view_add(struct answer *a, const char *name, const char *value)
{
	a->head.end -= strlen("\r\n");
	answer_put(a, name, value);
	return answer_end(a);
}

/* --- the body -------------------------------------------------------------- */

/* A body of ours is all in memory, and as long as it says. */
void
answer_body(struct answer *a, const char *type, struct blob *bytes)
{
	answer_step(a, bytes == NULL);
	a->body.bytes = bytes;
	a->body.size = bytes != NULL ? bytes->len : 0;
	answer_put(a, "Content-Type", type);
	answer_put_number(a, "Content-Length", a->body.size);
}

/* Room for JSON of `len` bytes, with its newline behind it; NULL: no memory. */
static unsigned char *
json_room(struct answer *a, const char *type, size_t len)
{
	struct blob *bytes = blob_new(NULL, len + 1);

	answer_body(a, type, bytes);
	if (bytes == NULL)
		return NULL;
	bytes->data[len] = '\n';
	return bytes->data;
}

void
answer_json_text(struct answer *a, const struct buf *text)
{
	unsigned char *data = json_room(a, "application/json", buf_len(text));

	if (data != NULL)
		memcpy(data, buf_data(text), buf_len(text));
}

/* Most are short: written once. */
void
answer_json(struct answer *a, const char *type, const json_t *doc)
{
	char brief[JSON_BRIEF];
	size_t len = json_dumpb(doc, brief, sizeof(brief), VIEW_JSON_FLAGS);
	unsigned char *data = json_room(a, type, len);

	answer_step(a, len == 0);
	if (data == NULL)
		return;
	if (len <= sizeof(brief))
		memcpy(data, brief, len);
	else
		answer_step(a, json_dumpb(doc, (char *)data, len,
		    VIEW_JSON_FLAGS) != len);
}

bool
answer_has_body(int status)
{
	return status != 204 && status != 304;
}

void
answer_drop_body(struct answer *a, const struct request *req)
{
	if (req->method == METHOD_HEAD || !answer_has_body(a->status))
		body_fini(&a->body);
}

/* --- the end --------------------------------------------------------------- */

int
answer_end(struct answer *a)
{
	answer_add(a, "\r\n");
	if (!a->failed)
		return 0;
	answer_fini(a);
	return -1;
}

int
answer_end_for(struct answer *a, const struct request *req)
{
	answer_drop_body(a, req);
	return answer_end(a);
}

int
answer_fail(struct answer *a)
{
	a->failed = true;
	return answer_end(a);
}
