#include "config.h"

#include <string.h>

#include "daemon/master/field.h"
#include "daemon/master/range.h"
#include "ipc/nitems.h"

/* What is in front of the first `c`; `rest` begins behind it then. */
static bool
take_until(struct field *rest, char c, struct field *part)
{
	const char *end = memchr(rest->at, c, rest->len);

	if (end == NULL)
		return false;
	*part = (struct field){ rest->at, (size_t)(end - rest->at) };
	rest->at = end + 1;
	rest->len -= part->len + 1;
	return true;
}

/* RFC 9110 14.1.2: "-N", the last N bytes. */
static enum range_verdict
suffix(struct field digits, uint64_t size, struct range *part)
{
	uint64_t n;

	if (!field_number(digits, UINT64_MAX, &n))
		return RANGE_WHOLE;
	if (n == 0)
		return RANGE_UNSATISFIABLE;
	if (size == 0)
		return RANGE_WHOLE;
	part->first = n < size ? size - n : 0;
	part->last = size - 1;
	return RANGE_PART;
}

/* RFC 9110 14.1.2: "A-B" or "A-". */
static enum range_verdict
closed(struct field from, struct field to, uint64_t size, struct range *part)
{
	uint64_t first, last = UINT64_MAX;

	if (!field_number(from, UINT64_MAX, &first) ||
	    (to.len > 0 && !field_number(to, UINT64_MAX, &last)) ||
	    last < first)
		return RANGE_WHOLE;
	if (first >= size)
		return RANGE_UNSATISFIABLE;
	part->first = first;
	part->last = last < size ? last : size - 1;
	return RANGE_PART;
}

enum range_verdict
range_parse(const char *value, uint64_t size, struct range *part)
{
	struct field rest = field_of(value), unit, spec, other, from;

	if (!take_until(&rest, '=', &unit) || !field_is(unit, "bytes"))
		return RANGE_WHOLE;
	if (!field_split(&rest, ',', &spec) ||
	    field_split(&rest, ',', &other))
		return RANGE_WHOLE;
	if (!take_until(&spec, '-', &from))
		return RANGE_WHOLE;
	if (from.len == 0)
		return suffix(spec, size, part);
	return closed(from, spec, size, part);
}

bool
range_if_range(const char *value, const char *etag)
{
	return value == NULL || strcmp(value, etag) == 0;
}

/*
 * Takes an entity tag with its quotes, without W/ (RFC 9110 8.8.3).  A
 * backslash in it is a backslash, so it is no quoted string.
 */
static bool
take_tag(struct field *rest, struct field *tag)
{
	struct field opaque;

	if (rest->len > 2 && rest->at[0] == 'W' && rest->at[1] == '/') {
		rest->at += 2;
		rest->len -= 2;
	}
	*tag = (struct field){ .at = rest->at };
	if (!field_take(rest, '"') || !take_until(rest, '"', &opaque))
		return false;
	tag->len = opaque.len + 2;
	return true;
}

/* Whether it is `etag`, or that with a coding's name before the last quote. */
static bool
is_ours(struct field tag, const char *etag)
{
	static const char *const codings[] = {
		"", "-gzip", "-deflate", "-br", "-zstd",
	};
	size_t len = strlen(etag) - 1;

	if (tag.len < len + 1 || memcmp(tag.at, etag, len) != 0)
		return false;
	tag.at += len;
	tag.len -= len + 1;
	for (size_t i = 0; i < nitems(codings); i++)
		if (tag.len == strlen(codings[i]) &&
		    memcmp(tag.at, codings[i], tag.len) == 0)
			return true;
	return false;
}

bool
range_none_match(const char *value, const char *etag)
{
	struct field rest = field_of(value), tag;

	if (value != NULL && strcmp(value, "*") == 0)
		return true;
	for (;;) {
		do
			field_space(&rest);
		while (field_take(&rest, ','));
		if (!take_tag(&rest, &tag))
			return false;
		if (is_ours(tag, etag))
			return true;
	}
}
