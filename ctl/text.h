/*
 * text - what others wrote, made fit for a terminal.
 *
 * A path, a reason, the stderr of a script are anybody's bytes, and a
 * terminal obeys what it is shown.  Shown is what the locale calls a printable
 * character; every other byte becomes \xNN: controls, escapes, what is no
 * character in this locale, and those that turn the direction of writing.
 */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What is shown for the next one of foreign characters. */
struct text_piece {
	char		 shown[8];	/* bytes for the terminal, no NUL */
	size_t		 len;		/* of shown */
	size_t		 used;		/* bytes that it stands for */
	unsigned int	 columns;
};

/*
 * The piece at the beginning of `len` bytes, at least 1.  `used` 0: these are
 * the first bytes of a longer character, and `end` did not say that no more
 * will come.
 */
void	text_next(struct text_piece *, const char *s, size_t len, bool end);

/* Columns that all of it takes. */
size_t	text_columns(const char *);

/* Prints it whole; gives its columns. */
size_t	text_put(FILE *, const char *);

/* Prints at most so many columns of it; what was cut is marked. */
size_t	text_put_cut(FILE *, const char *, size_t columns);

/*
 * A stream of octets for stdout: as they are, unless it is a terminal.  There
 * line feeds and tabs are obeyed, too.
 */
struct text_stream {
	FILE		*out;
	bool		 clean;		/* it is a terminal */
	char		 part[16];	/* a character that is not yet whole */
	size_t		 part_len;
};

void	text_stream_init(struct text_stream *, FILE *, bool clean);
void	text_stream_add(struct text_stream *, const void *, size_t len);
void	text_stream_end(struct text_stream *);

#endif
