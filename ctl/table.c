#include "config.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/text.h"

#define GAP		2	/* columns between two */
#define COLUMNS_MAX	16
#define ID_SHORT	8		/* digits */

void
table_init(struct table *t, const struct table_column *column, size_t n)
{
	assert(n > 0 && n <= COLUMNS_MAX);
	*t = (struct table){ .column = column, .ncolumns = n };
}

void
table_fini(struct table *t)
{
	while (t->ncells > 0)
		free(t->cell[--t->ncells]);
	free(t->cell);
	t->cell = NULL;
	t->room = 0;
}

/* Takes the text. */
static void
take(struct table *t, char *text)
{
	char **more;

	if (text == NULL)
		ctl_no_memory();
	if (t->ncells == t->room) {
		t->room = 2 * t->room + 64;
		more = realloc(t->cell, t->room * sizeof(*more));
		if (more == NULL)
			ctl_no_memory();
		t->cell = more;
	}
	t->cell[t->ncells++] = text;
}

void
table_add(struct table *t, const char *text)
{
	take(t, strdup(text != NULL ? text : "-"));
}

void
table_addf(struct table *t, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	take(t, n == -1 ? NULL : text);
}

/* What the content asks for; gives the sum with the gaps. */
static size_t
measure(const struct table *t, size_t wide[COLUMNS_MAX])
{
	size_t sum = GAP * (t->ncolumns - 1);

	assert(t->ncolumns > 0);
	for (size_t i = 0; i < t->ncolumns; i++)
		wide[i] = text_columns(t->column[i].title);
	for (size_t i = 0; i < t->ncells; i++) {
		size_t columns = text_columns(t->cell[i]);

		if (columns > wide[i % t->ncolumns])
			wide[i % t->ncolumns] = columns;
	}
	for (size_t i = 0; i < t->ncolumns; i++)
		sum += wide[i];
	return sum;
}

/* Leaves out, from the right, what can be: its width is 0.  Gives the new sum. */
static size_t
spare(const struct table *t, size_t wide[COLUMNS_MAX], size_t sum, size_t width)
{
	for (size_t i = t->ncolumns; sum > width && i-- > 0;)
		if (t->column[i].flags & TABLE_SPARE) {
			sum -= wide[i] + GAP;
			wide[i] = 0;
		}
	return sum;
}

/* The widest of those that can still give way; NULL: there is none. */
static size_t *
widest(const struct table *t, size_t wide[COLUMNS_MAX])
{
	size_t *found = NULL;

	for (size_t i = 0; i < t->ncolumns; i++)
		if ((t->column[i].flags & TABLE_CUT) &&
		    wide[i] > text_columns(t->column[i].title) &&
		    (found == NULL || wide[i] > *found))
			found = &wide[i];
	return found;
}

/* One cell, and what fills its column; the last one needs no filling. */
static void
print_cell(const struct table *t, FILE *out, size_t i, const char *text,
    size_t wide)
{
	size_t columns = text_columns(text);
	int fill = columns < wide ? (int)(wide - columns) : 0;
	char first[ID_SHORT + 1];

	if (wide == 0)
		return;
	if (i > 0)
		fprintf(out, "%*s", GAP, "");
	if (t->column[i].flags & TABLE_RIGHT)
		fprintf(out, "%*s", fill, "");
	if ((t->column[i].flags & TABLE_ID) && columns > wide) {
		snprintf(first, sizeof(first), "%s", text);
		text = first;
	}
	text_put_cut(out, text, wide);
	if (i == t->ncolumns - 1)
		putc('\n', out);
	else if (!(t->column[i].flags & TABLE_RIGHT))
		fprintf(out, "%*s", fill, "");
}

void
table_print(const struct table *t, FILE *out, size_t width)
{
	size_t wide[COLUMNS_MAX], sum = measure(t, wide), *most;

	assert(t->ncells % t->ncolumns == 0);
	for (size_t i = 0; width > 0 && sum > width && i < t->ncolumns; i++)
		if ((t->column[i].flags & TABLE_ID) && wide[i] > ID_SHORT) {
			sum -= wide[i] - ID_SHORT;
			wide[i] = ID_SHORT;
		}
	if (width > 0)
		sum = spare(t, wide, sum, width);
	for (; width > 0 && sum > width; sum--) {
		if ((most = widest(t, wide)) == NULL)
			break;
		--*most;
	}
	for (size_t i = 0; i < t->ncolumns; i++)
		print_cell(t, out, i, t->column[i].title, wide[i]);
	for (size_t i = 0; i < t->ncells; i++)
		print_cell(t, out, i % t->ncolumns, t->cell[i],
		    wide[i % t->ncolumns]);
}
