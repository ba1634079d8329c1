/*
 * chart - numbers over time as one inline SVG.
 *
 * The plot is an SVG in the SVG, as many units wide as there are points and
 * 100 high, and stretched; so each point is one unit, and a value is a share
 * of the scale's top.
 */
#include "config.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "daemon/master/chart.h"

#define LINES_MAX	4	/* of the scale, above its zero */
#define BAR_LEAST	2.0	/* a bar of one in a thousand is still seen */
#define PLOT_WIDTH	87	/* percent; the scale's numbers are behind it */
#define PLOT_TOP	6
#define PLOT_HEIGHT	78

struct scale {
	double		 step;		/* between two lines */
	int		 lines;
	double		 top;		/* the value at the upper edge */
};

static double
larger(double a, double b)
{
	return a > b ? a : b;
}

static bool
is_bars(const struct chart_series *s)
{
	return s->shape == CHART_BARS;
}

/* What is not known counts for nothing. */
static double
value_at(const struct chart_series *s, size_t point)
{
	return isnan(s->values[point]) ? 0 : s->values[point];
}

/* The highest that is reached at this point: the bars together, or a line. */
static double
height_at(const struct chart *c, size_t point)
{
	double bars = 0, highest = 0;

	for (size_t i = 0; i < c->nseries; i++) {
		const struct chart_series *s = &c->series[i];

		if (is_bars(s))
			bars += value_at(s, point);
		else
			highest = larger(highest, value_at(s, point));
	}
	return larger(bars, highest);
}

/* Steps of 1, 2 or 5 times a power of ten; of counts, whole ones. */
static struct scale
choose_scale(double highest, enum chart_unit unit)
{
	static const double factors[] = { 2, 2.5, 2 };	/* from 1 to 10 */
	struct scale s = { .step = 1 };

	if (unit == CHART_SECONDS && highest > 0)
		s.step = 0.001;
	for (int i = 0; highest / s.step > LINES_MAX; i = (i + 1) % 3)
		s.step *= factors[i];
	while (s.lines < LINES_MAX && s.lines * s.step < highest)
		s.lines++;
	s.lines = s.lines > 0 ? s.lines : 1;
	s.top = s.step * s.lines;
	return s;
}

static int
put_count(struct buf *out, double value)
{
	if (value >= 1e6)
		return buf_printf(out, "%.4gM", value / 1e6);
	if (value >= 1e4)
		return buf_printf(out, "%.4gk", value / 1e3);
	return buf_printf(out, "%.4g", value);
}

static int
put_value(struct buf *out, double value, enum chart_unit unit)
{
	if (unit == CHART_COUNT)
		return put_count(out, value);
	if (value < 1)
		return buf_printf(out, "%.3g ms", value * 1000);
	return put_count(out, value) || buf_printf(out, " s") ? -1 : 0;
}

/* Percent of the element's height, of a share of the scale. */
static double
y_of(double share)
{
	return PLOT_TOP + PLOT_HEIGHT * (1 - share);
}

static int
put_lines(struct buf *out, const struct chart *c, const struct scale *s)
{
	for (int i = 0; i <= s->lines; i++) {
		double y = y_of((double)i / s->lines);

		if (buf_printf(out, "<line class=\"%s\" x2=\"%d%%\" "
		    "y1=\"%.2f%%\" y2=\"%.2f%%\"/>", i > 0 ? "grid" : "zero",
		    PLOT_WIDTH, y, y))
			return -1;
		if (i > 0 && (buf_printf(out, "<text class=\"tick\" x=\"100%%\" "
		    "y=\"%.2f%%\" dy=\".35em\">", y) ||
		    put_value(out, i * s->step, c->unit) ||
		    buf_printf(out, "</text>")))
			return -1;
	}
	return 0;
}

/* How far up the bars of the series before this one come, in the plot. */
static double
base_of(const struct chart *c, size_t series, size_t point, double top)
{
	double base = 0;

	for (size_t i = 0; i < series; i++) {
		double v = value_at(&c->series[i], point);

		if (is_bars(&c->series[i]) && v > 0)
			base += larger(BAR_LEAST, 100 * v / top);
	}
	return base;
}

static int
put_bars(struct buf *out, const struct chart *c, size_t series, double top)
{
	for (size_t x = 0; x < c->points; x++) {
		double v = value_at(&c->series[series], x);

		if (v > 0 && buf_printf(out, "M%.2f %.2fh.7v-%.2fh-.7z",
		    (double)x + .15, 100 - base_of(c, series, x, top),
		    larger(BAR_LEAST, 100 * v / top)))
			return -1;
	}
	return 0;
}

static bool
is_known(const struct chart *c, const struct chart_series *s, size_t x)
{
	return x < c->points && !isnan(s->values[x]);
}

/* Unknown points are gaps. */
static int
put_line(struct buf *out, const struct chart *c, const struct chart_series *s,
    double top)
{
	for (size_t x = 0; x < c->points; x++)
		if (is_known(c, s, x) && buf_printf(out, "%c%.1f %.2f",
		    x > 0 && is_known(c, s, x - 1) ? 'L' : 'M',
		    (double)x + .5, 100 - 100 * s->values[x] / top))
			return -1;
	return 0;
}

/* A point between two gaps is no line: a dot, made by the line's round ends. */
static int
put_dots(struct buf *out, const struct chart *c, const struct chart_series *s,
    double top)
{
	for (size_t x = 0; x < c->points; x++)
		if (is_known(c, s, x) && !is_known(c, s, x + 1) &&
		    (x == 0 || !is_known(c, s, x - 1)) &&
		    buf_printf(out, "M%.1f %.2fh0", (double)x + .5,
		    100 - 100 * s->values[x] / top))
			return -1;
	return 0;
}

static int
put_one(struct buf *out, const struct chart *c, size_t series, double top)
{
	const struct chart_series *s = &c->series[series];

	if (is_bars(s))
		return buf_printf(out, "<path class=\"bar s-%s\" d=\"",
		    s->name) ||
		    put_bars(out, c, series, top) ||
		    buf_printf(out, "\"/>") ? -1 : 0;
	return buf_printf(out, "<path class=\"line s-%s\" d=\"", s->name) ||
	    put_line(out, c, s, top) ||
	    buf_printf(out, "\"/><path class=\"line dots s-%s\" d=\"",
	    s->name) ||
	    put_dots(out, c, s, top) ||
	    buf_printf(out, "\"/>") ? -1 : 0;
}

static int
put_series(struct buf *out, const struct chart *c, double top)
{
	for (size_t i = 0; i < c->nseries; i++)
		if (put_one(out, c, i, top))
			return -1;
	return 0;
}

/* What is said where one points: all that is there. */
static int
put_numbers(struct buf *out, const struct chart *c, size_t x)
{
	for (size_t i = 0; i < c->nseries; i++) {
		const struct chart_series *s = &c->series[i];

		if (isnan(s->values[x]) ||
		    (c->unit == CHART_COUNT && s->values[x] == 0))
			continue;
		if (buf_printf(out, "\n%s ", s->name) ||
		    put_value(out, s->values[x], c->unit))
			return -1;
	}
	return 0;
}

static int
put_pointers(struct buf *out, const struct chart *c)
{
	for (size_t x = 0; x < c->points; x++)
		if (buf_printf(out, "<rect class=\"here\" x=\"%zu\" width=\"1\" "
		    "height=\"100\"><title>%s", x, c->labels[x]) ||
		    put_numbers(out, c, x) ||
		    buf_printf(out, "</title></rect>"))
			return -1;
	return 0;
}

static int
put_plot(struct buf *out, const struct chart *c, const struct scale *s)
{
	return buf_printf(out, "<svg y=\"%d%%\" width=\"%d%%\" height=\"%d%%\" "
	    "viewBox=\"0 0 %zu 100\" preserveAspectRatio=\"none\">", PLOT_TOP,
	    PLOT_WIDTH, PLOT_HEIGHT, c->points) ||
	    put_series(out, c, s->top) ||
	    put_pointers(out, c) ||
	    buf_printf(out, "</svg>") ? -1 : 0;
}

int
chart_svg(struct buf *out, const struct chart *c)
{
	double highest = 0;
	struct scale s;

	for (size_t x = 0; x < c->points; x++)
		highest = larger(highest, height_at(c, x));
	s = choose_scale(highest, c->unit);
	return buf_printf(out, "<svg class=\"chart\" id=\"%s\" role=\"img\" "
	    "aria-labelledby=\"%s-title %s-desc\"><title id=\"%s-title\">%s"
	    "</title><desc id=\"%s-desc\">%s</desc>\n", c->id, c->id, c->id,
	    c->id, c->title, c->id, c->desc) ||
	    put_lines(out, c, &s) ||
	    put_plot(out, c, &s) ||
	    buf_printf(out, "<text class=\"from\" y=\"98%%\">%s</text>"
	    "<text class=\"to\" x=\"%d%%\" y=\"98%%\">%s</text></svg>\n",
	    c->from, PLOT_WIDTH, c->to) ? -1 : 0;
}
