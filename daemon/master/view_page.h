/*
 * view_page - the documents of view as pages, for people.
 *
 * A page says what the JSON document says, and is made from it.  It is one
 * self-contained text: no request leaves it but for the link's own.  Script
 * and style carry the nonce that the Content-Security-Policy names, so that
 * nothing that got into a page by mistake would be run.
 *
 * The functions append to `out`, whose cap is VIEW_PAGE_MAX; 0, or -1 when
 * out of memory or over that.
 */
#ifndef DAEMON_MASTER_VIEW_PAGE_H
#define DAEMON_MASTER_VIEW_PAGE_H

#include <jansson.h>
#include <stdint.h>

#include "ipc/buf.h"

/*
 * A page is a few KiB, a path (a head's worth of bytes, twice) and the end
 * of stderr (likewise), each byte as six at most ("&quot;").
 */
#define VIEW_PAGE_MAX	(4 * 1024 * 1024)

/*
 * The waiting page, from the document for a task under way with "path" in
 * addition.  `since_ms` is when its state began.
 */
int	view_page_wait(struct buf *out, const char *nonce, const json_t *doc,
	    int64_t since_ms, int64_t now_ms, int retry_s)
	__attribute__((warn_unused_result));

/* A problem document (RFC 9457); members beyond title and detail as a list. */
int	view_page_problem(struct buf *out, const char *nonce,
	    const json_t *doc)
	__attribute__((warn_unused_result));

/* What goes with a 303. */
int	view_page_moved(struct buf *out, const char *link)
	__attribute__((warn_unused_result));

#endif
