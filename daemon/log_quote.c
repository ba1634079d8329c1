/*
 * log_quote - foreign text as one printable word.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "ipc/utf8.h"

/*
 * Characters that do something: controls of C1, the line and the paragraph
 * separator, which some programs take for a newline, and those that turn the
 * direction of what follows, so that a line reads as another one.
 */
static bool
acts(const unsigned char *s, size_t n)
{
	if (n == 2)
		return s[0] == 0xc2 && s[1] < 0xa0;
	if (n != 3 || s[0] != 0xe2)
		return false;
	return (s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae) ||
	    (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9);
}

/* The bytes of the printable character that begins here; 0: there is none. */
static size_t
printable(const unsigned char *s, size_t len)
{
	size_t n = utf8_len(s, len);

	if (s[0] < 0x20 || s[0] == 0x7f || acts(s, n))
		return 0;
	return n;
}

/* One character of the text, escaped if need be, in at most 4 bytes. */
static size_t
quote_one(char word[5], const unsigned char *s, size_t len, size_t *taken)
{
	static const char controls[] = "\n\r\t", letters[] = "nrt";
	const char *p;

	*taken = printable(s, len);
	if (*s == '"' || *s == '\\')
		return (size_t)snprintf(word, 5, "\\%c", *s);
	if (*taken > 0) {
		memcpy(word, s, *taken);
		return *taken;
	}
	*taken = 1;
	if (*s != '\0' && (p = strchr(controls, *s)) != NULL)
		return (size_t)snprintf(word, 5, "\\%c", letters[p - controls]);
	return (size_t)snprintf(word, 5, "\\x%02x", *s);
}

char *
log_quote(char *out, size_t size, const void *text, size_t len)
{
	const unsigned char *s = text;
	char word[5], *p = out, *end, *cut;
	size_t n, taken;

	if (size < sizeof("\"\"...")) {
		if (size > 0)
			*out = '\0';
		return out;
	}
	end = out + size - sizeof("\"");	/* the last quote and NUL fit */
	*p++ = '"';
	cut = p;			/* the last place with room for dots */
	for (; len > 0; s += taken, len -= taken) {
		n = quote_one(word, s, len, &taken);
		if (n > (size_t)(end - p)) {
			strcpy(cut, "\"...");
			return out;
		}
		p = mempcpy(p, word, n);
		if (end - p >= 3)
			cut = p;
	}
	strcpy(p, "\"");
	return out;
}
