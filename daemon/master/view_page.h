/*
 * view_page - what view says as pages, for people.
 *
 * A page says what the JSON document says.  It is one self-contained text: no
 * request leaves it but for the link's own.  Script and style carry the nonce
 * that the Content-Security-Policy names, so that nothing that got into a page
 * by mistake would be run.
 *
 * The functions append to `out`, whose cap is VIEW_PAGE_MAX; 0, or -1 when
 * out of memory or over that.
 */
#ifndef DAEMON_MASTER_VIEW_PAGE_H
#define DAEMON_MASTER_VIEW_PAGE_H

#include <jansson.h>
#include <stdint.h>

#include "daemon/master/view.h"

/*
 * A page is a few KiB, a path (a head's worth of bytes, twice) and the end
 * of stderr (likewise), each byte as six at most ("&quot;").
 */
#define VIEW_PAGE_MAX	(4 * 1024 * 1024)

/* The waiting page of a task under way; all of it is borrowed for the call. */
struct view_wait {
	const struct task *task;
	const struct view_progress *progress;	/* NULL: it has told none */
	const char	*link;		/* view_link() */
	const char	*path;		/* that was asked for; any bytes */
	int64_t		 now_ms;	/* Unix time */
	int		 retry_s;	/* until the next look, without a script */
};
int	view_page_wait(struct buf *out, const char *nonce,
	    const struct view_wait *)
	__attribute__((warn_unused_result));

/* A problem document (RFC 9457); members beyond title and detail as a list. */
int	view_page_problem(struct buf *out, const char *nonce,
	    const json_t *doc)
	__attribute__((warn_unused_result));

/* What goes with a 303. */
int	view_page_moved(struct buf *out, const char *link)
	__attribute__((warn_unused_result));

#endif
