#include "config.h"

#include "ipc/percent.h"

/* The value of a hex digit, or -1. */
static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
percent_decode(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++, to++) {
		int high, low;

		*to = *text;
		if (*text != '%')
			continue;
		high = digit(text[1]);
		low = high == -1 ? -1 : digit(text[2]);
		if (low == -1 || (high == 0 && low == 0))
			return false;
		*to = (char)(high << 4 | low);
		text += 2;
	}
	*to = '\0';
	return true;
}
