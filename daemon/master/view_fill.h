/*
 * view_fill - parts of a page, and what fills their holes.
 *
 * The parts stand in page/, with holes like {{path}}.  Whatever fills a hole
 * is escaped, unless it is ours and says so: `raw`.
 *
 * The functions append to `out`; 0, or -1 when out of memory or over its cap.
 */
#ifndef DAEMON_MASTER_VIEW_FILL_H
#define DAEMON_MASTER_VIEW_FILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/buf.h"

#define VIEW_NUMBER_TEXT	24	/* bytes of an int64 and NUL */

struct view_hole {
	const char	*name;
	const char	*value;		/* any bytes, if not raw */
	bool		 raw;
	size_t		 len;		/* 0: as far as the NUL */
};

/* Rows of a table of holes: text, the first bytes of one, what is ours. */
#define HOLE(name, value)		{ name, value, false, 0 }
#define HOLE_LEN(name, value, len)	{ name, value, false, len }
#define HOLE_RAW(name, value)		{ name, value, true, 0 }

/* A part with its holes filled; -1 too for a hole that nothing fills. */
int	view_fill(struct buf *out, const char *part, const struct view_hole *,
	    size_t n)
	__attribute__((warn_unused_result));

/*
 * Foreign text as HTML: escaped, with U+FFFD for each control and for each
 * byte that is no UTF-8.
 */
int	view_fill_text(struct buf *out, const char *text, size_t len)
	__attribute__((warn_unused_result));

/* "1:02:03", "0:42"; as wait.js writes it. */
void	view_fill_elapsed(char text[VIEW_NUMBER_TEXT], int64_t ms);

#endif
