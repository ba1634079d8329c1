#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/field.h"
#include "daemon/master/filter.h"
#include "ipc/nitems.h"
#include "ipc/percent.h"

#define SECONDS_MAX	INT32_MAX	/* 68 years are for ever */

/* In place; a query writes a space as a plus sign, too. */
static bool
decode(char *text)
{
	for (char *p = text; (p = strchr(p, '+')) != NULL; p++)
		*p = ' ';
	return percent_decode(text);
}

static bool
read_id(struct filter *f, const char *value)
{
	size_t len = strlen(value);

	f->id = value;
	return len < TASK_ID_TEXT && strspn(value, "0123456789abcdef") == len;
}

static bool
read_states(struct filter *f, const char *value)
{
	struct field rest = field_of(value), name;

	while (field_split(&rest, ',', &name)) {
		unsigned int s = 0;

		while (s < TASK_STATE_N && !field_is(name, task_state_names[s]))
			s++;
		if (s == TASK_STATE_N)
			return false;
		f->states |= 1u << s;
	}
	return true;
}

static bool
read_route(struct filter *f, const char *value)
{
	f->route = value;
	return true;
}

static bool
read_owner(struct filter *f, const char *value)
{
	f->owner = value;
	return true;
}

static bool
read_older(struct filter *f, const char *value)
{
	uint64_t n;

	if (!field_number(field_of(value), SECONDS_MAX, &n))
		return false;
	f->older_s = (int64_t)n;
	return true;
}

static bool
read_newer(struct filter *f, const char *value)
{
	uint64_t n;

	if (!field_number(field_of(value), SECONDS_MAX, &n))
		return false;
	f->newer_s = (int64_t)n;
	return true;
}

static bool
read_after(struct filter *f, const char *value)
{
	struct field rest = field_of(value), id;

	f->nafter = 0;
	while (field_split(&rest, ',', &id)) {
		char text[TASK_ID_TEXT] = "";

		if (id.len >= sizeof(text) || f->nafter == FILTER_AFTER_MAX)
			return false;
		memcpy(text, id.at, id.len);
		if (!task_id_parse(text, f->after[f->nafter++]))
			return false;
	}
	return true;
}

static bool
read_limit(struct filter *f, const char *value)
{
	uint64_t n;

	if (!field_number(field_of(value), UINT32_MAX, &n) || n < 1 ||
	    n > FILTER_LIMIT_MAX)
		return false;
	f->limit = (unsigned int)n;
	return true;
}

static bool
read_refresh(struct filter *f, const char *value)
{
	uint64_t n;

	if (!field_number(field_of(value), UINT32_MAX, &n) || n < 1 ||
	    n > FILTER_REFRESH_MAX)
		return false;
	f->refresh_s = (unsigned int)n;
	return true;
}

static const struct parameter {
	const char	*name;
	bool		 (*read)(struct filter *, const char *value);
	const char	*expected;
} parameters[] = {
	{ "id", read_id, "up to 32 hexadecimal digits" },
	{ "state", read_states, "queued, running, succeeded, failed, "
	    "timed-out or cancelled, with commas between them" },
	{ "route", read_route, "the name of a route" },
	{ "owner", read_owner, "the name of a user" },
	{ "older", read_older, "a number of seconds" },
	{ "newer", read_newer, "a number of seconds" },
	{ "after", read_after, "up to 16 ids of tasks, with commas between "
	    "them" },
	{ "limit", read_limit, "a number from 1 to 1000" },
	{ "refresh", read_refresh, "a number from 1 to 3600" },
};

static const struct parameter *
find(const char *name)
{
	size_t i, n = nitems(parameters);

	for (i = 0; i < n; i++)
		if (strcmp(parameters[i].name, name) == 0)
			return &parameters[i];
	return NULL;
}

/* `pair` is one parameter, which is taken apart. */
static int
read_pair(struct filter *f, char *pair, char why[FILTER_WHY_MAX])
{
	const struct parameter *p;
	char *value = strchr(pair, '=');

	if (value != NULL)
		*value++ = '\0';
	if (!decode(pair) || (value != NULL && !decode(value))) {
		(void)snprintf(why, FILTER_WHY_MAX,
		    "%.32s: expected %%XX for a character, got something else",
		    pair);
		return 400;
	}
	if ((p = find(pair)) == NULL) {
		(void)snprintf(why, FILTER_WHY_MAX, "%.32s: expected id, "
		    "state, route, owner, older, newer, after, limit or refresh", pair);
		return 400;
	}
	if (value == NULL || *value == '\0' || p->read(f, value))
		return 0;
	(void)snprintf(why, FILTER_WHY_MAX, "%s: expected %s, got %.32s",
	    p->name, p->expected, value);
	return 400;
}

int
filter_parse(struct filter *f, const char *query, char why[FILTER_WHY_MAX])
{
	char *rest, *pair;
	int status = 0;

	*f = (struct filter){ .older_s = -1, .newer_s = -1,
	    .limit = FILTER_LIMIT };
	if ((rest = f->text = strdup(query)) == NULL)
		return 500;
	while (status == 0 && (pair = strsep(&rest, "&")) != NULL)
		if (*pair != '\0')
			status = read_pair(f, pair, why);
	return status;
}

void
filter_fini(struct filter *f)
{
	free(f->text);
	*f = (struct filter){ 0 };
}

static bool
has_id(const struct task *t, const char *digits)
{
	char id[TASK_ID_TEXT];

	return strncmp(task_id_text(t->id, id), digits, strlen(digits)) == 0;
}

bool
filter_passes(const struct filter *f, const struct task *t, int64_t now_ms)
{
	int64_t age_ms = now_ms - t->created_ms;

	if (age_ms < 0)
		age_ms = 0;	/* the clock was set back */
	return (f->id == NULL || has_id(t, f->id)) &&
	    (f->states == 0 || (f->states & 1u << t->state)) &&
	    (f->older_s < 0 || age_ms >= 1000 * f->older_s) &&
	    (f->newer_s < 0 || age_ms <= 1000 * f->newer_s);
}
