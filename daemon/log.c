/*
 * log - see log.h.
 *
 * A line is put together on the caller's stack and leaves in one write(2),
 * so threads need no lock and their lines never mix.  What a line cannot
 * hold is cut, and says so.  Control characters that slip into a line (a
 * caller forgot log_quote()) become question marks: one event stays one
 * line, whatever happens.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/log.h"

#define LINE_MAX_BYTES	8192		/* the newline included */
#define CUT_MARK	" [cut]"

static const char *const level_names[LOG_L_N] = {
	[LOG_L_ERROR]	= "error",
	[LOG_L_WARN]	= "warning",
	[LOG_L_INFO]	= "info",
	[LOG_L_DEBUG]	= "debug",
};

static const int level_syslog[LOG_L_N] = {
	[LOG_L_ERROR]	= LOG_ERR,
	[LOG_L_WARN]	= LOG_WARNING,
	[LOG_L_INFO]	= LOG_INFO,
	[LOG_L_DEBUG]	= LOG_DEBUG,
};

/* Written once by log_init(), before there are threads. */
static const char *log_role = "deferd";
static bool log_to_syslog;
static enum log_level log_max = LOG_L_INFO;

void
log_init(const char *role, bool to_syslog, enum log_level max)
{
	log_role = role;
	log_to_syslog = to_syslog;
	log_max = max;
	if (to_syslog)
		openlog(role, LOG_PID, LOG_DAEMON);
}

/* The end of `len` bytes of text, moved back to where a character begins. */
static size_t
whole_characters(const char *text, size_t len)
{
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

/* Marks as cut the text that wanted `wanted` bytes; gives its length. */
static size_t
line_end(char *line, size_t size, size_t wanted)
{
	size_t len;

	if (wanted < size)
		return wanted;
	len = whole_characters(line, size - sizeof(CUT_MARK));
	memcpy(line + len, CUT_MARK, sizeof(CUT_MARK));
	return len + sizeof(CUT_MARK) - 1;
}

static void
one_line(char *line)
{
	for (; *line != '\0'; line++)
		if ((unsigned char)*line < 0x20 || *line == 0x7f)
			*line = '?';
}

static void
log_emit(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	size_t len, head = 0;
	int n, saved = errno;

	if (level > log_max)
		return;
	if (!log_to_syslog)
		head = (size_t)snprintf(line, 256, "%.64s[%ld]: %s: ",
		    log_role, (long)getpid(), level_names[level]);
	errno = saved;				/* for %m */
	n = vsnprintf(line + head, sizeof(line) - 1 - head, fmt, ap);
	if (n < 0)
		return;
	len = line_end(line, sizeof(line) - 1, head + (size_t)n);
	one_line(line);
	if (log_to_syslog) {
		syslog(level_syslog[level], "%s", line);
	} else {
		line[len++] = '\n';
		/* nobody is left to be told when stderr is gone */
		if (write(STDERR_FILENO, line, len) == -1)
			errno = 0;
	}
	errno = saved;
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_emit(LOG_L_ERROR, fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_emit(LOG_L_WARN, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_emit(LOG_L_INFO, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_emit(LOG_L_DEBUG, fmt, ap);
	va_end(ap);
}

void
log_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_emit(LOG_L_ERROR, fmt, ap);
	va_end(ap);
	exit(1);
}

/*
 * The bytes of the printable UTF-8 character (RFC 3629) that begins here; 0
 * if there is none: overlong, a surrogate, above U+10FFFF, a control of C0
 * or C1, or cut short.
 */
static size_t
printable(const unsigned char *s, size_t len)
{
	static const unsigned int least[] = { 0, 0, 0xa0, 0x800, 0x10000 };
	unsigned int code;
	size_t n, i;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n > len)
		return 0;
	code = s[0] & (0xffu >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
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
