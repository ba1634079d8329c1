/*
 * chart - numbers over time as one inline SVG.
 *
 * Pure.  Everything lies at percentages of the element, so that the style
 * says how large it is, and its text does not shrink with it.  Colours are
 * the style's, too: a series has the class "s-" and its name.
 *
 *	+--------------------------------+------+
 *	|- - - - - - - - - - - - - - - - | 20   |	a line for each step of
 *	|        ##      -- line         | 10   |	the scale, numbers beside
 *	|  ##    ##  ##                  |      |
 *	+--------------------------------+------+
 *	| from                        to |
 *
 * Who hears it is told title and desc; who points at it, the numbers there.
 */
#ifndef DAEMON_MASTER_CHART_H
#define DAEMON_MASTER_CHART_H

#include <stddef.h>

#include "ipc/buf.h"

enum chart_shape {
	CHART_BARS,		/* each stands on the ones before it */
	CHART_LINE,
	CHART_SHAPE_N
};

enum chart_unit {
	CHART_COUNT,		/* whole numbers */
	CHART_SECONDS,
	CHART_UNIT_N
};

struct chart_series {
	const char	*name;		/* a word */
	enum chart_shape shape;
	const double	*values;	/* one for each point, 0 or more; NAN: unknown */
};

/* All text is ours, and goes in as it is. */
struct chart {
	const char	*id;		/* of the element */
	const char	*title, *desc;
	enum chart_unit	 unit;
	const struct chart_series *series;
	size_t		 nseries;
	const char	*const *labels;	/* of each point */
	size_t		 points;
	const char	*from, *to;	/* below the first point and the last */
};

/* Appends it to `out`.  0, or -1 when out of memory or over the cap. */
int	chart_svg(struct buf *out, const struct chart *)
	__attribute__((warn_unused_result));

#endif
