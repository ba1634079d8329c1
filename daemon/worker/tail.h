/*
 * tail - what a task says on stderr: its end is kept, its lines are logged.
 *
 * A task may write for hours; TAIL_MAX bytes of it stay.  Lines go to the
 * log as they come, up to TAIL_BURST at once and TAIL_PER_SECOND in the long
 * run; then they are counted, and the count is logged in their place.
 *
 * Pure but for the two callbacks: the time is an argument.
 */
#ifndef DAEMON_WORKER_TAIL_H
#define DAEMON_WORKER_TAIL_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/bucket.h"
#include "ipc/buf.h"

#define TAIL_MAX	65536	/* bytes kept */
#define TAIL_LINE_MAX	1024	/* bytes of a line that are logged */
#define TAIL_BURST	50	/* lines */
#define TAIL_PER_SECOND	10	/* lines */

/* Where lines go.  The text has no newline and is not NUL-terminated. */
struct tail_sink {
	void	(*line)(void *arg, const char *text, size_t len);
	void	(*skipped)(void *arg, unsigned long lines);
	void	*arg;
};

struct tail {
	struct tail_sink sink;
	struct buf	 kept;
	uint64_t	 total;		/* bytes that came, kept or not */
	char		*line;		/* TAIL_LINE_MAX bytes, or NULL */
	size_t		 line_len;	/* may exceed what is stored of it */
	struct bucket	 bucket;	/* of lines that may be logged */
	unsigned long	 skipped;
};

void	tail_init(struct tail *, const struct tail_sink *);
void	tail_fini(struct tail *);

void	tail_add(struct tail *, const void *, size_t len, int64_t now_ms);

/* No more comes: logs a last line without newline, and what was skipped. */
void	tail_end(struct tail *, int64_t now_ms);

#endif
