/*
 * say - complaints, on stderr: they quote what others wrote, too.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/ctl.h"
#include "ctl/text.h"

static void __attribute__((format(printf, 1, 0)))
say(const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) == -1)
		ctl_no_memory();
	fputs("deferctl: ", stderr);
	text_put(stderr, text);
	putc('\n', stderr);
	free(text);
}

void
ctl_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void
ctl_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	exit(EXIT_USAGE);
}

void
ctl_no_memory(void)
{
	fputs("deferctl: no memory\n", stderr);
	exit(EXIT_USAGE);
}
