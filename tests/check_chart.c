/*
 * Tests of chart: what is drawn where.  (How it looks is for tests/browser.)
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/chart.h"
#include "tests/suite.h"

static const char *const labels[] = { "09:00", "09:01", "09:02", "09:03" };
static struct buf out;

static void
setup(void)
{
	buf_init(&out, 1 << 20);
}

static void
teardown(void)
{
	buf_fini(&out);
}

/* Every element is ended, in order: it stands in the middle of a page. */
static void
is_well_formed(const char *p)
{
	char open[16][16];
	int depth = 0;

	for (; (p = strchr(p, '<')) != NULL; p++) {
		const char *end = strchr(p, '>');
		char name[16];

		ck_assert_ptr_nonnull(end);
		ck_assert_int_eq(sscanf(p + 1, "%15[a-z/]", name), 1);
		if (name[0] == '/') {
			ck_assert_int_gt(depth--, 0);
			ck_assert_str_eq(name + 1, open[depth]);
		} else if (end[-1] != '/') {
			ck_assert_int_lt(depth, 16);
			strcpy(open[depth++], name);
		}
	}
	ck_assert_int_eq(depth, 0);
}

static const char *
draw(enum chart_unit unit, const struct chart_series *series, size_t n)
{
	const struct chart c = {
		.id = "rate", .title = "Tasks per minute", .desc = "Calm.",
		.unit = unit, .series = series, .nseries = n,
		.labels = labels, .points = N(labels),
		.from = "an hour ago", .to = "now",
	};

	buf_clear(&out);
	ck_assert_int_eq(chart_svg(&out, &c), 0);
	ck_assert_int_eq(buf_add(&out, "", 1), 0);
	is_well_formed((const char *)buf_data(&out));
	return (const char *)buf_data(&out);
}

static void
has(const char *svg, const char *text)
{
	ck_assert_msg(strstr(svg, text) != NULL, "no %s in %s", text, svg);
}

static void
has_not(const char *svg, const char *text)
{
	ck_assert_msg(strstr(svg, text) == NULL, "%s in %s", text, svg);
}

static size_t
count(const char *svg, const char *text)
{
	size_t n = 0;

	while ((svg = strstr(svg, text)) != NULL) {
		svg += strlen(text);
		n++;
	}
	return n;
}

START_TEST(who_hears_it_is_told)
{
	const double none[] = { 0, 0, 0, 0 };
	const struct chart_series s = { "done", CHART_BARS, none };
	const char *svg = draw(CHART_COUNT, &s, 1);

	has(svg, "<svg class=\"chart\" id=\"rate\" role=\"img\" "
	    "aria-labelledby=\"rate-title rate-desc\">");
	has(svg, "<title id=\"rate-title\">Tasks per minute</title>");
	has(svg, "<desc id=\"rate-desc\">Calm.</desc>");
	has(svg, ">an hour ago</text>");
	has(svg, ">now</text>");
}
END_TEST

START_TEST(nothing_draws_nothing)
{
	const double none[] = { 0, NAN, 0, 0 };
	const struct chart_series s[] = {
		{ "done", CHART_BARS, none }, { "idle", CHART_LINE, none },
	};
	const char *svg = draw(CHART_COUNT, s, 1);

	has(svg, "<path class=\"bar s-done\" d=\"\"/>");
	has(svg, ">1</text>");		/* the scale has something to say */
	has(svg, "<title>09:03</title>");
	has_not(svg, "nan");
	has_not(svg, "inf");
}
END_TEST

/* Each bar stands on the one before it; the tallest is 3 of 3. */
START_TEST(bars_are_stacked)
{
	const double failed[] = { 0, 1, 0, 0 }, done[] = { 1, 2, 0, 3 };
	const struct chart_series s[] = {
		{ "failed", CHART_BARS, failed }, { "done", CHART_BARS, done },
	};
	const char *svg = draw(CHART_COUNT, s, 2);

	has(svg, "viewBox=\"0 0 4 100\"");
	has(svg, "<path class=\"bar s-failed\" "
	    "d=\"M1.15 100.00h.7v-33.33h-.7z\"/>");
	has(svg, "<path class=\"bar s-done\" d=\"M0.15 100.00h.7v-33.33h-.7z"
	    "M1.15 66.67h.7v-66.67h-.7zM3.15 100.00h.7v-100.00h-.7z\"/>");
	has(svg, "<title>09:01\nfailed 1\ndone 2</title>");
	has(svg, "<title>09:02</title>");
}
END_TEST

/* One failure among thousands is what one looks for. */
START_TEST(the_smallest_bar_is_seen)
{
	const double failed[] = { 1, 0, 0, 0 }, done[] = { 8000, 1, 2, 3 };
	const struct chart_series s[] = {
		{ "failed", CHART_BARS, failed }, { "done", CHART_BARS, done },
	};

	has(draw(CHART_COUNT, s, 2), "<path class=\"bar s-failed\" "
	    "d=\"M0.15 100.00h.7v-2.00h-.7z\"/>");
}
END_TEST

START_TEST(a_line_has_gaps)
{
	const double a[] = { 1, NAN, 2, 4 };
	const struct chart_series s = { "running", CHART_LINE, a };
	const char *svg = draw(CHART_SECONDS, &s, 1);

	has(svg, "<path class=\"line s-running\" "
	    "d=\"M0.5 75.00M2.5 50.00L3.5 0.00\"/>"
	    "<path class=\"line dots s-running\" d=\"M0.5 75.00h0\"/>");
	has(svg, "<title>09:00\nrunning 1 s</title>");
	has(svg, "<title>09:01</title>");
}
END_TEST

/* A line of its own does not make the bars' scale higher than it needs. */
START_TEST(lines_and_bars_share_a_scale)
{
	const double bar[] = { 1, 1, 1, 1 }, line[] = { 0, 0, 4, 0 };
	const struct chart_series s[] = {
		{ "done", CHART_BARS, bar }, { "accepted", CHART_LINE, line },
	};
	const char *svg = draw(CHART_COUNT, s, 2);

	has(svg, ">4</text>");
	has_not(svg, ">5</text>");
	has(svg, "h.7v-25.00h-.7z");
}
END_TEST

static const struct {
	enum chart_unit	 unit;
	double		 highest;
	const char	*last;		/* at the upper edge */
	size_t		 lines;
} scales[] = {
	{ CHART_COUNT, 1, "1", 1 },
	{ CHART_COUNT, 3, "3", 3 },
	{ CHART_COUNT, 5, "6", 3 },
	{ CHART_COUNT, 9, "10", 2 },
	{ CHART_COUNT, 40, "40", 4 },
	{ CHART_COUNT, 41, "60", 3 },
	{ CHART_COUNT, 9999, "10k", 2 },
	{ CHART_COUNT, 31000, "40k", 4 },
	{ CHART_COUNT, 7e9, "8000M", 4 },
	{ CHART_SECONDS, 0.0001, "1 ms", 1 },
	{ CHART_SECONDS, 0.07, "80 ms", 4 },
	{ CHART_SECONDS, 0.3, "300 ms", 3 },
	{ CHART_SECONDS, 1.1, "1.5 s", 3 },
	{ CHART_SECONDS, 3600, "4000 s", 4 },
};

START_TEST(scale_is_of_round_numbers)
{
	const double a[] = { 0, scales[_i].highest, 0, 0 };
	const struct chart_series s = { "done", CHART_LINE, a };
	const char *svg = draw(scales[_i].unit, &s, 1);
	char text[64];

	ck_assert_uint_eq(count(svg, "class=\"grid\""), scales[_i].lines);
	ck_assert_uint_eq(count(svg, "class=\"tick\""), scales[_i].lines);
	snprintf(text, sizeof(text), "y=\"6.00%%\" dy=\".35em\">%s</text>",
	    scales[_i].last);
	has(svg, text);
}
END_TEST

START_TEST(the_cap_holds)
{
	const double a[] = { 1, 2, 3, 4 };
	const struct chart_series s = { "done", CHART_BARS, a };
	const struct chart c = {
		.id = "rate", .title = "t", .desc = "d", .series = &s,
		.nseries = 1, .labels = labels, .points = N(labels),
		.from = "then", .to = "now",
	};
	size_t whole = strlen(draw(CHART_COUNT, &s, 1));

	for (size_t max = 0; max < whole / 2; max += 7) {
		struct buf small;

		buf_init(&small, max);
		ck_assert_int_eq(chart_svg(&small, &c), -1);
		buf_fini(&small);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("chart");
	TCase *tc = suite_case(s, "chart", setup, teardown);

	tcase_add_test(tc, who_hears_it_is_told);
	tcase_add_test(tc, nothing_draws_nothing);
	tcase_add_test(tc, bars_are_stacked);
	tcase_add_test(tc, the_smallest_bar_is_seen);
	tcase_add_test(tc, a_line_has_gaps);
	tcase_add_test(tc, lines_and_bars_share_a_scale);
	tcase_add_loop_test(tc, scale_is_of_round_numbers, 0, N(scales));
	tcase_add_test(tc, the_cap_holds);
	return suite_run(s);
}
