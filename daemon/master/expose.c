#include "config.h"

#include <stdio.h>
#include <string.h>

#include "daemon/master/expose.h"
#include "ipc/utf8.h"

#define TEXT_MAX	(16 * 1024 * 1024)	/* bytes: some ten thousand routes */
#define NUMBER_MAX	40

static const struct {
	const char	*open, *classic;	/* what TYPE says */
	const char	*suffix;		/* of samples */
} kinds[EXPOSE_KIND_N] = {
	[EXPOSE_GAUGE] = { "gauge", "gauge", "" },
	[EXPOSE_COUNTER] = { "counter", "counter", "_total" },
	[EXPOSE_INFO] = { "info", "gauge", "_info" },
	[EXPOSE_HISTOGRAM] = { "histogram", "histogram", "" },
};

void
expose_init(struct expose *e, bool open)
{
	*e = (struct expose){ .open = open };
	buf_init(&e->out, TEXT_MAX);
}

void
expose_fini(struct expose *e)
{
	buf_fini(&e->out);
}

static void
add(struct expose *e, const void *bytes, size_t n)
{
	e->failed = e->failed || buf_add(&e->out, bytes, n) == -1;
}

static void
add_text(struct expose *e, const char *text)
{
	add(e, text, strlen(text));
}

/*
 * Inside quotes: backslash, quote and newline are escaped, and a byte that is
 * no UTF-8 is told in hex, so that two names never become one.
 */
static void
add_value(struct expose *e, const char *text)
{
	size_t left = strlen(text), n;
	char hex[8];

	for (; left > 0; text += n, left -= n) {
		n = utf8_len(text, left);
		if (n == 0) {
			n = 1;
			(void)snprintf(hex, sizeof(hex), "\\\\x%02x",
			    (unsigned char)*text);
			add_text(e, hex);
		} else if (*text == '\n') {
			add_text(e, "\\n");
		} else {
			if (*text == '\\' || *text == '"')
				add(e, "\\", 1);
			add(e, text, n);
		}
	}
}

static void
add_label(struct expose *e, char before, const char *name, const char *value)
{
	add(e, &before, 1);
	add_text(e, name);
	add_text(e, "=\"");
	add_value(e, value);
	add_text(e, "\"");
}

/* `le`: the bound of a bucket, or NULL. */
static void
sample(struct expose *e, const char *suffix, const struct expose_label *labels,
    const char *le, double value)
{
	char number[NUMBER_MAX];
	char before = '{';

	add_text(e, e->name);
	add_text(e, suffix);
	for (; labels->name != NULL; labels++, before = ',')
		add_label(e, before, labels->name, labels->value);
	if (le != NULL) {
		add_label(e, before, "le", le);
		before = ',';
	}
	(void)snprintf(number, sizeof(number), "%s %.15g\n",
	    before == ',' ? "}" : "", value);
	add_text(e, number);
}

/* A family of counters or infos is called after its samples in one format. */
static void
about(struct expose *e, const char *what, const char *text)
{
	add_text(e, "# ");
	add_text(e, what);
	add_text(e, " ");
	add_text(e, e->name);
	if (!e->open)
		add_text(e, kinds[e->kind].suffix);
	add_text(e, " ");
	add_text(e, text);
	add_text(e, "\n");
}

void
expose_family(struct expose *e, const char *name, enum expose_kind kind,
    const char *unit, const char *help)
{
	e->name = name;
	e->kind = kind;
	about(e, "TYPE", e->open ? kinds[kind].open : kinds[kind].classic);
	if (e->open && unit != NULL)
		about(e, "UNIT", unit);
	about(e, "HELP", help);
}

void
expose_value(struct expose *e, const struct expose_label *labels, double value)
{
	sample(e, kinds[e->kind].suffix, labels, NULL, value);
}

/* The bounds are labels, so each has one spelling: 1.0, not 1. */
static char *
spell(char out[NUMBER_MAX], double bound)
{
	int n = snprintf(out, NUMBER_MAX, "%.15g", bound);

	if (strpbrk(out, ".e") == NULL)
		(void)snprintf(out + n, NUMBER_MAX - (size_t)n, ".0");
	return out;
}

void
expose_hist(struct expose *e, const struct expose_label *labels,
    const struct hist *h, const struct hist_scale *scale)
{
	char le[NUMBER_MAX];
	uint64_t n = 0;

	for (size_t i = 0; i < scale->nbounds; i++) {
		n += h->count[i];
		sample(e, "_bucket", labels,
		    spell(le, (double)scale->bound[i] * scale->unit),
		    (double)n);
	}
	n = hist_total(h);
	sample(e, "_bucket", labels, "+Inf", (double)n);
	sample(e, "_count", labels, NULL, (double)n);
	sample(e, "_sum", labels, NULL, (double)h->sum * scale->unit);
}

int
expose_end(struct expose *e)
{
	if (e->open)
		add_text(e, "# EOF\n");
	return e->failed ? -1 : 0;
}
