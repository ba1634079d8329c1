/*
 * conf_print - the settings as text: those in force for `deferd -n`, those
 * there are for the manual.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/conf.h"
#include "daemon/conf_table.h"

/* A route says nothing about texts and lists it does not have. */
static bool
is_empty(const struct conf_setting *s, const void *field)
{
	return (s->kind == KIND_TEXT || s->kind == KIND_LIST) &&
	    *(void *const *)field == NULL;
}

static void
print_setting(const struct conf_setting *s, const void *field,
    const char *indent, FILE *f)
{
	fprintf(f, "%s%-15s = ", indent, s->name);
	conf_kinds[s->kind].print(field, f);
	putc('\n', f);
}

static void
print_route(const struct conf_route *r, FILE *f)
{
	const struct conf_setting *s;
	const void *field;
	const char *name = r->name;
	size_t i;

	fputs("\nroute ", f);
	conf_kinds[KIND_TEXT].print(&name, f);
	fputs(" {\n", f);
	for (i = 0; i < conf_table_size; i++) {
		s = &conf_table[i];
		if (s->route == CONF_NOWHERE)
			continue;
		field = (const char *)r + s->route;
		if (!is_empty(s, field))
			print_setting(s, field, "\t", f);
	}
	fputs("}\n", f);
}

void
conf_print(const struct conf *conf, FILE *f)
{
	const struct conf_setting *s;
	const void *field;
	size_t i;

	for (i = 0; i < conf_table_size; i++) {
		s = &conf_table[i];
		if (s->top == CONF_NOWHERE)
			continue;
		field = (const char *)conf + s->top;
		if (s->kind == KIND_LIST && is_empty(s, field))
			continue;	/* {} is no list: it cannot be said */
		print_setting(s, field, "", f);
	}
	for (i = 0; i < conf->nroutes; i++)
		print_route(&conf->routes[i], f);
}

static const char *
where(const struct conf_setting *s)
{
	if (s->route == CONF_NOWHERE)
		return "top";
	return s->top == CONF_NOWHERE ? "route" : "top, route";
}

static const char *
reload_takes(const struct conf_setting *s)
{
	if (s->live)
		return "yes";
	return s->held ? "start" : "no";
}

static const char *
default_words(const struct conf_setting *s)
{
	if (s->def_words != NULL)
		return s->def_words;
	return s->def != NULL && s->def[0] != '\0' ? s->def : "none";
}

void
conf_describe(FILE *f)
{
	char expected[CONF_EXPECTED_MAX];
	const struct conf_setting *s;
	size_t i;

	fputs("name\ttype\tdefault\tvalues\twhere\treload\tmeaning\n", f);
	for (i = 0; i < conf_table_size; i++) {
		s = &conf_table[i];
		fprintf(f, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s->name,
		    conf_kinds[s->kind].name, default_words(s),
		    conf_kind_expected(s, expected, sizeof(expected)),
		    where(s), reload_takes(s), s->meaning);
	}
}
