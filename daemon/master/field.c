#include "config.h"

#include <string.h>
#include <strings.h>

#include "daemon/master/field.h"

struct field
field_of(const char *value)
{
	return (struct field){ .at = value != NULL ? value : "",
	    .len = value != NULL ? strlen(value) : 0 };
}

static void
skip(struct field *f, size_t n)
{
	f->at += n;
	f->len -= n;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_tchar(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool
field_take(struct field *rest, char c)
{
	if (rest->len == 0 || rest->at[0] != c)
		return false;
	skip(rest, 1);
	return true;
}

void
field_space(struct field *rest)
{
	while (rest->len > 0 && is_space(rest->at[0]))
		skip(rest, 1);
}

static void
trim(struct field *f)
{
	field_space(f);
	while (f->len > 0 && is_space(f->at[f->len - 1]))
		f->len--;
}

/* Bytes before the separator, or all there are. */
static size_t
part_len(const struct field *f, char separator)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < f->len && (quoted || f->at[i] != separator); i++) {
		if (f->at[i] == '"')
			quoted = !quoted;
		else if (quoted && f->at[i] == '\\' && i + 1 < f->len)
			i++;
	}
	return i;
}

bool
field_split(struct field *rest, char separator, struct field *part)
{
	while (rest->len > 0) {
		*part = (struct field){ rest->at, part_len(rest, separator) };
		skip(rest, part->len);
		(void)field_take(rest, separator);
		trim(part);
		if (part->len > 0)
			return true;
	}
	return false;
}

bool
field_token(struct field *rest, struct field *token)
{
	*token = (struct field){ .at = rest->at };
	while (rest->len > 0 && is_tchar(rest->at[0])) {
		skip(rest, 1);
		token->len++;
	}
	return token->len > 0;
}

/* What stands between the quotes. */
static bool
take_quoted(struct field *rest, struct field *text)
{
	*text = (struct field){ .at = rest->at };
	while (rest->len > 0 && rest->at[0] != '"') {
		skip(rest, rest->at[0] == '\\' && rest->len > 1 ? 2 : 1);
		text->len = (size_t)(rest->at - text->at);
	}
	return field_take(rest, '"');
}

bool
field_pair(struct field part, struct field *name, struct field *value)
{
	*value = (struct field){ .at = NULL };
	field_space(&part);
	if (!field_token(&part, name))
		return false;
	field_space(&part);
	if (!field_take(&part, '='))
		return part.len == 0;
	field_space(&part);
	if (field_take(&part, '"') ? !take_quoted(&part, value) :
	    !field_token(&part, value))
		return false;
	field_space(&part);
	return part.len == 0;
}

bool
field_is(struct field f, const char *word)
{
	return f.len == strlen(word) && strncasecmp(f.at, word, f.len) == 0;
}

bool
field_number(struct field f, uint64_t max, uint64_t *number)
{
	uint64_t n = 0;

	if (f.len == 0)
		return false;
	for (; f.len > 0; skip(&f, 1)) {
		uint64_t digit = (uint64_t)(f.at[0] - '0');

		if (f.at[0] < '0' || f.at[0] > '9')
			return false;
		if (n > max / 10 || 10 * n > max - digit)
			n = max;
		else
			n = 10 * n + digit;
	}
	*number = n;
	return true;
}
