#include "config.h"

#include "ipc/utf8.h"

size_t
utf8_len(const void *s, size_t left)
{
	const unsigned char *p = s;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 :
	    p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;	/* too long a form, a surrogate, too high */
	return n;
}

size_t
utf8_cut(const char *text, size_t len, size_t max)
{
	size_t back = 0;

	if (len <= max)
		return len;
	while (back < 3 && back < max &&
	    ((unsigned char)text[max - back] & 0xc0) == 0x80)
		back++;
	return max - back;
}
