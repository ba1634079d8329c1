/*
 * view_link - where a thing of ours stands, as a link from the root of the
 * site (RFC 3986 3.3).
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/master/view_priv.h"

#define LINK_INFIX	"/status/"

/* RFC 3986 3.3: pchar, and the slash between segments. */
static bool
is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("-._~!$&'()*+,;=:@/", c) != NULL);
}

/* Escapes all that is neither plain nor one of `also`.  Gives where it ends. */
static char *
encode(char *out, const char *text, const char *also)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (is_plain(c) || strchr(also, c) != NULL) {
			*out++ = (char)c;
			continue;
		}
		*out++ = '%';
		*out++ = digits[c >> 4];
		*out++ = digits[c & 15];
	}
	*out = '\0';
	return out;
}

char *
view_link_to(const char *mount, const char *path, const char *query)
{
	char *whole = malloc(3 * strlen(mount) + strlen(path) +
	    3 * strlen(query) + sizeof("?"));
	char *out;

	if (whole == NULL)
		return NULL;
	out = stpcpy(encode(whole, mount, ""), path);
	if (*query != '\0')
		(void)encode(stpcpy(out, "?"), query, "?%");
	return whole;
}

char *
view_link(const char *mount, const unsigned char id[TASK_ID_BYTES])
{
	char path[sizeof(LINK_INFIX) + TASK_ID_TEXT] = LINK_INFIX;

	task_id_text(id, path + strlen(LINK_INFIX));
	return view_link_to(mount, path, "");
}
