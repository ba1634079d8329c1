#include "config.h"

#include <stdio.h>
#include <string.h>

#include "daemon/master/view_fill.h"
#include "ipc/utf8.h"

#define UNKNOWN	"\xef\xbf\xbd"	/* U+FFFD */

/* What HTML would take for its own; other controls mean nothing to people. */
static const char *
escape(unsigned char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '\n':
	case '\t':
		return NULL;
	default:
		return c < ' ' || c == 0x7f ? UNKNOWN : NULL;
	}
}

int
view_fill_text(struct buf *out, const char *text, size_t len)
{
	const char *end = text + len, *plain = text;

	while (text < end) {
		size_t n = utf8_len(text, (size_t)(end - text));
		const char *instead = n == 0 ? UNKNOWN :
		    escape((unsigned char)*text);

		if (instead != NULL && (buf_add(out, plain,
		    (size_t)(text - plain)) ||
		    buf_add(out, instead, strlen(instead))))
			return -1;
		text += n > 0 ? n : 1;
		if (instead != NULL)
			plain = text;
	}
	return buf_add(out, plain, (size_t)(end - plain));
}

static int
put_hole(struct buf *out, const char *name, size_t len,
    const struct view_hole *holes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t value_len = holes[i].len > 0 ? holes[i].len :
		    strlen(holes[i].value);

		if (strncmp(holes[i].name, name, len) != 0 ||
		    holes[i].name[len] != '\0')
			continue;
		return holes[i].raw ? buf_add(out, holes[i].value, value_len) :
		    view_fill_text(out, holes[i].value, value_len);
	}
	return -1;	/* the page and its filler do not agree: a test says so */
}

int
view_fill(struct buf *out, const char *part, const struct view_hole *holes,
    size_t n)
{
	const char *open, *close;

	while ((open = strstr(part, "{{")) != NULL &&
	    (close = strstr(open, "}}")) != NULL) {
		if (buf_add(out, part, (size_t)(open - part)) ||
		    put_hole(out, open + 2, (size_t)(close - open - 2), holes,
		    n))
			return -1;
		part = close + 2;
	}
	return buf_add(out, part, strlen(part));
}

void
view_fill_elapsed(char text[VIEW_NUMBER_TEXT], int64_t ms)
{
	int64_t s = ms > 0 ? ms / 1000 : 0;

	if (s < 3600)
		snprintf(text, VIEW_NUMBER_TEXT, "%d:%02d", (int)(s / 60),
		    (int)(s % 60));
	else
		snprintf(text, VIEW_NUMBER_TEXT, "%jd:%02d:%02d",
		    (intmax_t)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
}
