/*
 * table - aligned columns for people.
 *
 * Rows are collected first: how wide a column is, its cells decide.  On a
 * terminal that is too narrow for all, columns that can be spared go, then
 * those that may be cut give way, the widest first; where nobody looks,
 * nothing is cut.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

enum table_flag {
	TABLE_RIGHT = 1,	/* numbers */
	TABLE_CUT = 2,		/* may be cut, down to its title */
	TABLE_ID = 4,		/* an id: its first digits alone, if it is narrow */
	TABLE_SPARE = 8		/* can be left out; not the first, not the last */
};

struct table_column {
	const char	*title;
	unsigned int	 flags;		/* of enum table_flag */
};

struct table {
	const struct table_column *column;	/* borrowed */
	size_t		 ncolumns;
	char		**cell;		/* owned, row by row */
	size_t		 ncells, room;
};

void	table_init(struct table *, const struct table_column *, size_t n);
void	table_fini(struct table *);

/*
 * The next cell, from left to right: any text, made fit for a terminal when
 * it is printed.  NULL is "-".
 */
void	table_add(struct table *, const char *text);
void	table_addf(struct table *, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Titles and rows, in `width` columns; 0: as wide as they are. */
void	table_print(const struct table *, FILE *, size_t width);

#endif
