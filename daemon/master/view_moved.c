/*
 * view_moved - the 303s, which send a browser on to a page of ours, so that a
 * reload there starts nothing.
 */
#include "config.h"

#include <stdlib.h>

#include "daemon/master/view_page.h"
#include "daemon/master/view_priv.h"

/* With the page that goes with it; takes `link`, NULL too. */
static int
answer_moved(struct answer *a, const struct request *req, char *link,
    const struct task *task)
{
	char nonce[TASK_ID_TEXT];
	struct buf page;

	if (link == NULL)
		return answer_fail(a);
	buf_init(&page, VIEW_PAGE_MAX);
	answer_step(a, view_page_moved(&page, link));
	answer_begin(a, 303);
	answer_put(a, "Location", link);
	answer_put_task(a, task);
	answer_put_own(a);
	view_html_body(a, &page, view_nonce(nonce));
	buf_fini(&page);
	free(link);
	return answer_end_for(a, req);
}

int
view_moved(struct answer *a, const struct request *req,
    const struct task *task)
{
	return answer_moved(a, req, view_link(req->mount, task->id), task);
}

int
view_see(struct answer *a, const struct request *req, const char *path)
{
	return answer_moved(a, req, view_link_to(req->mount, path, req->query),
	    NULL);
}
