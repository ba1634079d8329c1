#include "config.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/vars.h"

/* RFC 9110 5.6.2; what the name of a header is made of. */
static bool
is_token(const char *s)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return *s != '\0' && s[strspn(s, token)] == '\0';
}

static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return true;
	return false;
}

/* RFC 3875 4.1.18: upper case, each '-' an '_'. */
static char *
variable_name(const char *header)
{
	const char *prefix = strcasecmp(header, "Content-Type") == 0 ? "" :
	    "HTTP_";
	char *name;

	if (asprintf(&name, "%s%s", prefix, header) == -1)
		return NULL;
	for (char *p = name; *p != '\0'; p++)
		*p = *p == '-' ? '_' : (char)(*p >= 'a' && *p <= 'z' ?
		    *p - 'a' + 'A' : *p);
	return name;
}

/* Spaces and tabs at both ends go (RFC 9110 5.5). */
static const char *
trim(char *value)
{
	size_t len;

	value += strspn(value, " \t");
	len = strlen(value);
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		value[--len] = '\0';
	return value;
}

const char *
vars_header(char *header, char **name, const char **value)
{
	char *colon = strchr(header, ':');

	if (colon == NULL)
		return "expected \"Name: value\"";
	*colon = '\0';
	if (!is_token(header))
		return "that is no name of a header";
	if (strcasecmp(header, "Content-Length") == 0 ||
	    strcasecmp(header, "Transfer-Encoding") == 0)
		return "the length is that of the body";
	if (has_control(colon + 1))
		return "a control character in the value";
	*value = trim(colon + 1);
	*name = variable_name(header);
	return *name == NULL ? "no memory" : NULL;
}

/* Two hex digits, or -1. */
static int
hex_byte(const char *s)
{
	char text[3] = { s[0], s[0] == '\0' ? '\0' : s[1], '\0' };

	if (!isxdigit((unsigned char)text[0]) ||
	    !isxdigit((unsigned char)text[1]))
		return -1;
	return (int)strtol(text, NULL, 16);
}

static const char *
decode(char *path)
{
	char *to = path;
	int byte;

	for (const char *from = path; *from != '\0'; from++) {
		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		if ((byte = hex_byte(from + 1)) <= 0)
			return "a % must be followed by two hex digits, not 00";
		*to++ = (char)byte;
		from += 2;
	}
	*to = '\0';
	return NULL;
}

const char *
vars_split_path(char *url, char **path, const char **query)
{
	char *mark = strchr(url, '?');

	*path = url;
	*query = "";
	if (*url != '/')
		return "expected a path that begins with a slash";
	if (mark != NULL) {
		*mark = '\0';
		*query = mark + 1;
	}
	return decode(url);
}
