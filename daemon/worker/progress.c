/*
 * progress - how far a task says it is.
 */
#include <string.h>

#include "daemon/worker/progress.h"
#include "ipc/utf8.h"

void
progress_init(struct progress *p)
{
	memset(p, 0, sizeof(*p));
	p->told_ms = -PROGRESS_EVERY_MS;
}

void
progress_set(struct progress *p, unsigned int percent, const char *text,
    size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t i, n, out = 0;

	for (i = 0; i < len; i += n) {
		n = utf8_len(s + i, len - i);
		if (n == 0 || s[i] < ' ' || s[i] == 0x7f) {
			n = 1;
			continue;
		}
		if (out + n >= sizeof(p->text))
			break;
		memcpy(p->text + out, s + i, n);
		out += n;
	}
	p->text[out] = '\0';
	p->percent = percent > 100 ? 100 : percent;
	p->fresh = true;
}

/* DIGITS, or DIGITS SPACE TEXT. */
static void
progress_line(struct progress *p)
{
	unsigned int percent = 0;
	size_t i;

	for (i = 0; i < p->line_len; i++) {
		if (p->line[i] < '0' || p->line[i] > '9')
			break;
		if (percent <= 100)
			percent = percent * 10 + (unsigned int)(p->line[i] - '0');
	}
	if (i == 0 || (i < p->line_len && p->line[i] != ' '))
		return;
	if (i < p->line_len)
		i++;
	progress_set(p, percent, p->line + i, p->line_len - i);
}

void
progress_add(struct progress *p, const void *data, size_t len)
{
	const char *c = data;
	size_t i;

	for (i = 0; i < len; i++) {
		if (c[i] == '\n') {
			progress_line(p);
			p->line_len = 0;
		} else if (p->line_len < sizeof(p->line)) {
			p->line[p->line_len++] = c[i];
		}
	}
}

int64_t
progress_due(const struct progress *p, int64_t now_ms)
{
	int64_t left = p->told_ms + PROGRESS_EVERY_MS - now_ms;

	if (!p->fresh)
		return -1;
	return left > 0 ? left : 0;
}

void
progress_told(struct progress *p, int64_t now_ms)
{
	p->fresh = false;
	p->told_ms = now_ms;
}
