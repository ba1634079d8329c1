#include "config.h"

#include <stdint.h>
#include <string.h>
#include <wchar.h>

#include "ctl/text.h"

/*
 * They are printable, but make what is written look like something else
 * (Unicode TR 36, 2.10; "Trojan Source").
 */
static bool
turns_around(wchar_t c)
{
	return c == 0x61c || c == 0x200e || c == 0x200f ||
	    (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void
escape(struct text_piece *p, unsigned char c)
{
	p->len = (size_t)snprintf(p->shown, sizeof(p->shown), "\\x%02x", c);
	p->columns = (unsigned int)p->len;
	p->used = 1;
}

void
text_next(struct text_piece *p, const char *s, size_t len, bool end)
{
	mbstate_t state = { 0 };
	wchar_t c;
	size_t n = mbrtowc(&c, s, len, &state);
	int columns;

	if (n == (size_t)-2 && !end) {
		p->used = p->len = p->columns = 0;
		return;
	}
	if (n == 0 || n > len || n >= sizeof(p->shown) ||
	    (columns = wcwidth(c)) < 0 || turns_around(c)) {
		escape(p, (unsigned char)*s);
		return;
	}
	memcpy(p->shown, s, n);
	p->len = p->used = n;
	p->columns = (unsigned int)columns;
}

/* Shows pieces up to so many columns; NULL: only counts.  Where it stopped. */
static const char *
put(FILE *out, const char *s, size_t columns, size_t *taken)
{
	struct text_piece p;
	size_t left = strlen(s);

	for (*taken = 0; left > 0; left -= p.used, s += p.used) {
		text_next(&p, s, left, true);
		if (p.columns > columns - *taken)
			break;
		*taken += p.columns;
		if (out != NULL)
			fwrite(p.shown, 1, p.len, out);
	}
	return s;
}

size_t
text_columns(const char *s)
{
	size_t columns;

	put(NULL, s, SIZE_MAX, &columns);
	return columns;
}

size_t
text_put(FILE *out, const char *s)
{
	size_t columns;

	put(out, s, SIZE_MAX, &columns);
	return columns;
}

/* The mark is ASCII: it must be one column in every locale. */
size_t
text_put_cut(FILE *out, const char *s, size_t columns)
{
	size_t taken;

	if (columns == 0)
		return 0;
	if (*put(NULL, s, columns, &taken) == '\0')
		return text_put(out, s);
	put(out, s, columns - 1, &taken);
	putc('~', out);
	return taken + 1;
}

void
text_stream_init(struct text_stream *t, FILE *out, bool clean)
{
	*t = (struct text_stream){ .out = out, .clean = clean };
}

static void
show(struct text_stream *t, const struct text_piece *p, char first)
{
	if (first == '\n' || first == '\t')
		putc(first, t->out);
	else
		fwrite(p->shown, 1, p->len, t->out);
}

/* Shows whole characters; gives how many bytes are left over. */
static size_t
show_all(struct text_stream *t, const char *s, size_t len, bool end)
{
	struct text_piece p;

	for (; len > 0; s += p.used, len -= p.used) {
		text_next(&p, s, len, end);
		if (p.used == 0)
			break;
		show(t, &p, *s);
	}
	return len;
}

/* Adds to the beginning of a character until it is one, or is none. */
static size_t
complete(struct text_stream *t, const char *s, size_t len)
{
	size_t used = 0, left;

	while (t->part_len > 0 && used < len) {
		t->part[t->part_len++] = s[used++];
		left = show_all(t, t->part, t->part_len,
		    t->part_len == sizeof(t->part));
		memmove(t->part, t->part + t->part_len - left, left);
		t->part_len = left;
	}
	return used;
}

void
text_stream_add(struct text_stream *t, const void *data, size_t len)
{
	const char *s = data;
	size_t used;

	if (!t->clean) {
		fwrite(data, 1, len, t->out);
		return;
	}
	used = complete(t, s, len);
	if (used == len)
		return;
	t->part_len = show_all(t, s + used, len - used, false);
	memcpy(t->part, s + len - t->part_len, t->part_len);
}

void
text_stream_end(struct text_stream *t)
{
	show_all(t, t->part, t->part_len, true);
	t->part_len = 0;
}
