#include "config.h"

#include <string.h>

#include "daemon/master/accept.h"
#include "daemon/master/field.h"

/* How closely a media range names a type; the closest one decides. */
enum closeness { NOT_NAMED, BY_ANY, BY_TYPE, BY_NAME };

/* What the header says of one type so far. */
struct taste {
	const char	*type, *subtype;
	enum closeness	 how;
	int		 quality;	/* thousandths; 0: not acceptable */
};

/* RFC 9110 12.4.2: 0 or 1, a point, up to three digits; -1: garbled. */
static int
quality(struct field q)
{
	int thousandths = 0, unit = 1000;

	if (q.at == NULL || q.len == 0 || q.len > strlen("0.000"))
		return -1;
	for (size_t i = 0; i < q.len; i++) {
		if (i == 1 && q.at[i] == '.')
			continue;
		if (i == 1 || q.at[i] < '0' || q.at[i] > '9')
			return -1;
		thousandths += unit * (q.at[i] - '0');
		unit /= 10;
	}
	return thousandths <= 1000 ? thousandths : -1;
}

static bool
is_known(struct field name, const char *const *known)
{
	while (*known != NULL && !field_is(name, *known))
		known++;
	return *known != NULL;
}

/*
 * The quality that the parameters behind a media range give it, or -1 for a
 * range to be passed over.  A range with parameters of its own is about a
 * variant that deferd does not have, but for those whose names are `known`.
 */
static int
read_parameters(struct field rest, const char *const *known)
{
	struct field parameter, name, value;
	int q = 1000;

	while (field_split(&rest, ';', &parameter)) {
		if (!field_pair(parameter, &name, &value))
			return -1;
		if (field_is(name, "q"))
			return quality(value);
		if (!is_known(name, known))
			return -1;
	}
	return q;
}

static enum closeness
closeness(const struct taste *t, struct field type, struct field subtype)
{
	if (field_is(type, "*"))
		return field_is(subtype, "*") ? BY_ANY : NOT_NAMED;
	if (!field_is(type, t->type))
		return NOT_NAMED;
	if (field_is(subtype, "*"))
		return BY_TYPE;
	return field_is(subtype, t->subtype) ? BY_NAME : NOT_NAMED;
}

static void
learn(struct taste *t, struct field type, struct field subtype, int q)
{
	enum closeness how = closeness(t, type, subtype);

	if (how == NOT_NAMED || how < t->how ||
	    (how == t->how && q < t->quality))
		return;
	t->how = how;
	t->quality = q;
}

/* What the header says of both. */
static void
read_tastes(const char *value, struct taste *a, struct taste *b,
    const char *const *known)
{
	struct field rest = field_of(value), element, type, subtype;
	int q;

	while (field_split(&rest, ',', &element)) {
		if (!field_token(&element, &type) ||
		    !field_take(&element, '/') ||
		    !field_token(&element, &subtype))
			continue;
		field_space(&element);
		if (element.len > 0 && element.at[0] != ';')
			continue;
		if ((q = read_parameters(element, known)) == -1)
			continue;
		learn(a, type, subtype, q);
		learn(b, type, subtype, q);
	}
}

bool
accept_html(const char *value)
{
	static const char *const known[] = { "charset", NULL };
	struct taste html = { .type = "text", .subtype = "html" };
	struct taste json = { .type = "application", .subtype = "json" };

	read_tastes(value, &html, &json, known);
	if (html.quality != json.quality)
		return html.quality > json.quality;
	return html.quality > 0 && html.how == BY_NAME && json.how < BY_NAME;
}

bool
accept_openmetrics(const char *value)
{
	static const char *const known[] = { "charset", "version", "escaping",
	    NULL };
	struct taste open = { .type = "application",
	    .subtype = "openmetrics-text" };
	struct taste plain = { .type = "text", .subtype = "plain" };

	if (value == NULL)
		return true;
	read_tastes(value, &open, &plain, known);
	return open.quality > 0 && open.quality >= plain.quality;
}
