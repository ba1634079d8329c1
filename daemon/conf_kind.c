/*
 * conf_kind - how the text of a setting becomes a field, and a field text.
 *
 * One row of functions per kind.  Every value arrives as text, numbers too:
 * libconfuse would take -5, 0x10 or 010 for numbers, we do not.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf_table.h"

const char *const conf_method_names[METHOD_N] = {
	[METHOD_GET]		= "GET",
	[METHOD_HEAD]		= "HEAD",
	[METHOD_POST]		= "POST",
	[METHOD_PUT]		= "PUT",
	[METHOD_PATCH]		= "PATCH",
	[METHOD_DELETE]		= "DELETE",
	[METHOD_OPTIONS]	= "OPTIONS",
	[METHOD_TRACE]		= "TRACE",
	[METHOD_OTHER]		= "OTHER",
};

static const char *const rerun_names[RERUN_N] = {
	[RERUN_IDEMPOTENT]	= "idempotent",
	[RERUN_ALWAYS]		= "always",
	[RERUN_NEVER]		= "never",
};

/* The words of settings that are true or not. */
static const char *const exit_status_names[] = { "fail", "ignore" };
static const char *const respond_names[] = { "async", "prefer" };
static const char *const yes_names[] = { "no", "yes" };

enum conf_method
conf_method(const char *name)
{
	enum conf_method m;

	for (m = 0; m < METHOD_OTHER; m++)
		if (strcmp(name, conf_method_names[m]) == 0)
			break;
	return m;
}

static int
invalid(void)
{
	errno = EINVAL;
	return -1;
}

/* The index of a name, or n. */
static unsigned int
name_index(const char *const *names, unsigned int n, const char *name)
{
	unsigned int i;

	for (i = 0; i < n && strcmp(names[i], name) != 0; i++)
		continue;
	return i;
}

/* ---- numbers ---- */

/* Decimal digits and nothing else, times unit, within the range. */
static int
set_digits(const struct conf_setting *s, int64_t *field, const char *digits,
    size_t len, int64_t unit)
{
	int64_t value = 0;
	size_t i;

	if (len == 0)
		return invalid();
	for (i = 0; i < len; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return invalid();
		value = value * 10 + (digits[i] - '0');
		if (value > s->max / unit)
			return invalid();
	}
	if (value * unit < s->min)
		return invalid();
	*field = value * unit;
	return 0;
}

/* With a minus only where there is something below 0. */
static int
number_set(const struct conf_setting *s, void *field, const char *value)
{
	struct conf_setting below = { .max = -s->min };
	int64_t *number = field;

	if (value[0] != '-' || s->min >= 0)
		return set_digits(s, number, value, strlen(value), 1);
	if (set_digits(&below, number, value + 1, strlen(value + 1), 1) == -1)
		return -1;
	*number = -*number;
	return 0;
}

static int
size_set(const struct conf_setting *s, void *field, const char *value)
{
	static const char units[] = "KMG";
	size_t len = strlen(value);
	const char *unit;

	if (len == 0)
		return invalid();
	unit = strchr(units, value[len - 1]);
	if (unit == NULL)
		return set_digits(s, field, value, len, 1);
	return set_digits(s, field, value, len - 1,
	    INT64_C(1024) << 10 * (unit - units));
}

static void
number_clear(void *field)
{
	*(int64_t *)field = 0;
}

static bool
number_equal(const void *a, const void *b)
{
	return *(const int64_t *)a == *(const int64_t *)b;
}

static void
number_print(const void *field, FILE *f)
{
	fprintf(f, "%" PRId64, *(const int64_t *)field);
}

/* The shortest text that means exactly this. */
static void
size_words(int64_t value, char *out, size_t size)
{
	static const char *const units[] = { "", "K", "M", "G" };
	unsigned int i;

	for (i = 0; i < 3 && value != 0 && value % 1024 == 0; i++)
		value /= 1024;
	snprintf(out, size, "%" PRId64 "%s", value, units[i]);
}

static void
size_print(const void *field, FILE *f)
{
	char words[32];

	size_words(*(const int64_t *)field, words, sizeof(words));
	fprintf(f, "\"%s\"", words);
}

/* ---- texts ---- */

static int
text_set(const struct conf_setting *s, void *field, const char *value)
{
	char **text = field, *copy = NULL;

	if (!s->check(value))
		return invalid();
	if (value[0] != '\0' && (copy = strdup(value)) == NULL)
		return -1;
	free(*text);
	*text = copy;
	return 0;
}

static void
text_clear(void *field)
{
	char **text = field;

	free(*text);
	*text = NULL;
}

static bool
same(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool
text_equal(const void *a, const void *b)
{
	return same(*(char *const *)a, *(char *const *)b);
}

/* So that conf_scan and libconfuse read the same characters again. */
static void
quoted(const char *text, FILE *f)
{
	putc('"', f);
	for (; *text != '\0'; text++) {
		if (strchr("\"\\$", *text) != NULL)
			putc('\\', f);
		putc(*text, f);
	}
	putc('"', f);
}

static void
text_print(const void *field, FILE *f)
{
	const char *text = *(char *const *)field;

	quoted(text != NULL ? text : "", f);
}

/* ---- lists ---- */

static int
list_set(const struct conf_setting *s, void *field, const char *value)
{
	char ***list = field, **longer;
	size_t n = 0;

	if (!s->check(value))
		return invalid();
	while (*list != NULL && (*list)[n] != NULL)
		n++;
	longer = realloc(*list, (n + 2) * sizeof(**list));
	if (longer == NULL)
		return -1;
	*list = longer;
	longer[n] = strdup(value);
	longer[n + 1] = NULL;
	return longer[n] != NULL ? 0 : -1;
}

static void
list_clear(void *field)
{
	char ***list = field, **p;

	for (p = *list; p != NULL && *p != NULL; p++)
		free(*p);
	free(*list);
	*list = NULL;
}

static bool
list_equal(const void *a, const void *b)
{
	char *const *x = *(char **const *)a, *const *y = *(char **const *)b;

	if (x == NULL || y == NULL)
		return x == y;
	while (*x != NULL && *y != NULL && strcmp(*x, *y) == 0)
		x++, y++;
	return *x == NULL && *y == NULL;
}

static void
list_print(const void *field, FILE *f)
{
	char *const *p;
	const char *before = "{ ";

	for (p = *(char **const *)field; *p != NULL; p++) {
		fputs(before, f);
		quoted(*p, f);
		before = ", ";
	}
	fputs(" }", f);
}

/* ---- names out of a few ---- */

static int
methods_set(const struct conf_setting *s, void *field, const char *value)
{
	enum conf_method m = conf_method(value);

	(void)s;
	if (m == METHOD_OTHER)
		return invalid();
	*(unsigned int *)field |= 1u << m;
	return 0;
}

static void
methods_clear(void *field)
{
	*(unsigned int *)field = 0;
}

static bool
methods_equal(const void *a, const void *b)
{
	return *(const unsigned int *)a == *(const unsigned int *)b;
}

static void
methods_print(const void *field, FILE *f)
{
	const char *before = "{ ";
	enum conf_method m;

	for (m = 0; m < METHOD_OTHER; m++) {
		if ((*(const unsigned int *)field & 1u << m) == 0)
			continue;
		fprintf(f, "%s\"%s\"", before, conf_method_names[m]);
		before = ", ";
	}
	fputs(" }", f);
}

static int
rerun_set(const struct conf_setting *s, void *field, const char *value)
{
	unsigned int i = name_index(rerun_names, RERUN_N, value);

	(void)s;
	if (i == RERUN_N)
		return invalid();
	*(enum conf_rerun *)field = i;
	return 0;
}

static void
rerun_clear(void *field)
{
	*(enum conf_rerun *)field = RERUN_IDEMPOTENT;
}

static bool
rerun_equal(const void *a, const void *b)
{
	return *(const enum conf_rerun *)a == *(const enum conf_rerun *)b;
}

static void
rerun_print(const void *field, FILE *f)
{
	fprintf(f, "\"%s\"", rerun_names[*(const enum conf_rerun *)field]);
}

static int
bool_set(const char *const *names, void *field, const char *value)
{
	unsigned int i = name_index(names, 2, value);

	if (i == 2)
		return invalid();
	*(bool *)field = i == 1;
	return 0;
}

static void
bool_clear(void *field)
{
	*(bool *)field = false;
}

static bool
bool_equal(const void *a, const void *b)
{
	return *(const bool *)a == *(const bool *)b;
}

static int
exit_status_set(const struct conf_setting *s, void *field, const char *value)
{
	(void)s;
	return bool_set(exit_status_names, field, value);
}

static void
exit_status_print(const void *field, FILE *f)
{
	fprintf(f, "\"%s\"", exit_status_names[*(const bool *)field]);
}

static int
respond_set(const struct conf_setting *s, void *field, const char *value)
{
	(void)s;
	return bool_set(respond_names, field, value);
}

static void
respond_print(const void *field, FILE *f)
{
	fprintf(f, "\"%s\"", respond_names[*(const bool *)field]);
}

static int
yes_set(const struct conf_setting *s, void *field, const char *value)
{
	if (s->check != NULL && !s->check(value))
		return invalid();
	return bool_set(yes_names, field, value);
}

static void
yes_print(const void *field, FILE *f)
{
	fprintf(f, "%s", yes_names[*(const bool *)field]);
}

const struct conf_kind_ops conf_kinds[KIND_N] = {
	[KIND_NUMBER] = { "number", sizeof(int64_t), false,
	    number_set, number_clear, number_equal, number_print },
	[KIND_SECONDS] = { "seconds", sizeof(int64_t), false,
	    number_set, number_clear, number_equal, number_print },
	[KIND_SIZE] = { "size", sizeof(int64_t), false,
	    size_set, number_clear, number_equal, size_print },
	[KIND_TEXT] = { "text", sizeof(char *), false,
	    text_set, text_clear, text_equal, text_print },
	[KIND_LIST] = { "list", sizeof(char **), true,
	    list_set, list_clear, list_equal, list_print },
	[KIND_METHODS] = { "list", sizeof(unsigned int), true,
	    methods_set, methods_clear, methods_equal, methods_print },
	[KIND_RERUN] = { "choice", sizeof(enum conf_rerun), false,
	    rerun_set, rerun_clear, rerun_equal, rerun_print },
	[KIND_EXIT_STATUS] = { "choice", sizeof(bool), false,
	    exit_status_set, bool_clear, bool_equal, exit_status_print },
	[KIND_RESPOND] = { "choice", sizeof(bool), false,
	    respond_set, bool_clear, bool_equal, respond_print },
	[KIND_YES] = { "choice", sizeof(bool), false,
	    yes_set, bool_clear, bool_equal, yes_print },
};

char *
conf_kind_expected(const struct conf_setting *s, char *out, size_t size)
{
	char least[32], most[32];

	switch (s->kind) {
	case KIND_NUMBER:
	case KIND_SECONDS:
		snprintf(out, size, "a %s from %" PRId64 " to %" PRId64,
		    s->kind == KIND_NUMBER ? "whole number" :
		    "number of seconds", s->min, s->max);
		break;
	case KIND_SIZE:
		size_words(s->min, least, sizeof(least));
		size_words(s->max, most, sizeof(most));
		snprintf(out, size, "a size from %s to %s (bytes, or with K, "
		    "M or G)", least, most);
		break;
	default:
		snprintf(out, size, "%s", s->expected);
	}
	return out;
}

/* Lists have their default as words. */
int
conf_kind_default(const struct conf_setting *s, void *field)
{
	char *words, *word, *rest;
	int rc = 0;

	if (s->def == NULL)
		return 0;
	if (!conf_kinds[s->kind].is_list)
		return conf_kinds[s->kind].set(s, field, s->def);
	words = rest = strdup(s->def);
	if (words == NULL)
		return -1;
	while (rc == 0 && (word = strsep(&rest, " ")) != NULL)
		rc = conf_kinds[s->kind].set(s, field, word);
	free(words);
	return rc;
}
