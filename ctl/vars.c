#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ctl/vars.h"
#include "ipc/percent.h"

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
	return percent_decode(url) ? NULL :
	    "a % must be followed by two hex digits, not 00";
}
