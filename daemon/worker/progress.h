/*
 * progress - how far a task says it is.
 *
 * A program writes lines `42 rendering page 3` to its descriptor 3, a module
 * calls a function; the master hears of it at most twice a second, and then
 * the latest.  Lines that are something else are ignored: it is a courtesy,
 * not a protocol a task could fail by.
 */
#ifndef DAEMON_WORKER_PROGRESS_H
#define DAEMON_WORKER_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_LINE_MAX	256	/* bytes of a line that count */
#define PROGRESS_EVERY_MS	500

struct progress {
	unsigned int	 percent;	/* 0..100 */
	char		 text[PROGRESS_LINE_MAX];	/* UTF-8, printable */
	bool		 fresh;		/* not yet told */
	int64_t		 told_ms;	/* monotonic; when the last one was */
	char		 line[PROGRESS_LINE_MAX];	/* progress.c */
	size_t		 line_len;
};

void	progress_init(struct progress *);

/* Bytes from descriptor 3, cut anywhere. */
void	progress_add(struct progress *, const void *, size_t len);

/* From a module.  Over 100 counts as 100; text may be NULL. */
void	progress_set(struct progress *, unsigned int percent,
	    const char *text, size_t len);

/*
 * Milliseconds until there is something to tell: 0 for now, -1 if there is
 * nothing.  progress_told() says it was.
 */
int64_t	progress_due(const struct progress *, int64_t now_ms);
void	progress_told(struct progress *, int64_t now_ms);

#endif
