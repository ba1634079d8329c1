#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/master/field.h"
#include "daemon/master/prefer.h"

/* RFC 7240 2: a preference with an empty value is one without. */
static bool
is_empty(struct field value)
{
	return value.at == NULL || value.len == 0;
}

void
prefer_parse(struct prefer *p, const char *value)
{
	struct field rest = field_of(value), element, preference, name, word;
	bool seen_wait = false, seen_async = false;
	uint64_t seconds;

	*p = (struct prefer){ 0 };
	while (field_split(&rest, ',', &element)) {
		/* what follows a ';' are parameters: none is known */
		if (!field_split(&element, ';', &preference) ||
		    !field_pair(preference, &name, &word))
			continue;
		if (field_is(name, "respond-async") && !seen_async) {
			seen_async = true;
			p->async = is_empty(word);
		} else if (field_is(name, "wait") && !seen_wait) {
			seen_wait = true;
			p->wait = !is_empty(word) &&
			    field_number(word, PREFER_WAIT_MAX, &seconds);
			p->wait_s = p->wait ? (int64_t)seconds : 0;
		}
	}
}

char *
prefer_applied(const struct prefer *applied, char out[PREFER_TEXT])
{
	int n = 0;

	out[0] = '\0';
	if (applied->async)
		n = snprintf(out, PREFER_TEXT, "respond-async");
	if (applied->wait)
		snprintf(out + n, PREFER_TEXT - (size_t)n, "%swait=%" PRId64,
		    n > 0 ? ", " : "", applied->wait_s);
	return out;
}
