/*
 * view_html - a page as the body of an answer, and what the page may do there.
 */
#include "config.h"

#include "daemon/master/view_priv.h"

/*
 * A nonce is as hard to guess as a task's id, and made the same way: no page
 * has that of another.
 */
char *
view_nonce(char nonce[TASK_ID_TEXT])
{
	unsigned char id[TASK_ID_BYTES];

	task_new_id(id);
	return task_id_text(id, nonce);
}

/*
 * It may run the script and the style that carry the nonce, ask and post to
 * where it comes from.  The empty icon keeps browsers from asking for one.
 */
void
view_html_body(struct answer *a, const struct buf *page, const char *nonce)
{
	answer_body(a, "text/html; charset=utf-8",
	    blob_new(buf_data(page), buf_len(page)));
	answer_put(a, "X-Content-Type-Options", "nosniff");
	answer_step(a, buf_printf(&a->head, "Content-Security-Policy: "
	    "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
	    "img-src data:; connect-src 'self'; form-action 'self'; "
	    "base-uri 'none'; frame-ancestors 'none'\r\n", nonce, nonce));
}

int
view_html(struct answer *a, const struct request *req, const char *nonce,
    const struct buf *page)
{
	answer_begin(a, 200);
	answer_put_own(a);
	view_html_body(a, page, nonce);
	return answer_end_for(a, req);
}
