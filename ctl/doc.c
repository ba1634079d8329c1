#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/doc.h"
#include "ctl/units.h"

#define NAME_MAX_BYTES	64

json_t *
doc_at(const json_t *doc, const char *path)
{
	char name[NAME_MAX_BYTES];
	size_t len;

	for (;; path += len + 1) {
		len = strcspn(path, ".");
		if (len >= sizeof(name))
			return NULL;
		memcpy(name, path, len);
		name[len] = '\0';
		doc = json_object_get(doc, name);
		if (path[len] == '\0')
			return (json_t *)doc;
	}
}

const char *
doc_text(const json_t *doc, const char *path)
{
	return json_string_value(doc_at(doc, path));
}

double
doc_number(const json_t *doc, const char *path, double otherwise)
{
	const json_t *value = doc_at(doc, path);

	return json_is_number(value) ? json_number_value(value) : otherwise;
}

bool
doc_time(const json_t *doc, const char *path, int64_t *unix_ms)
{
	const char *text = doc_text(doc, path);

	return text != NULL && units_parse_time(text, unix_ms) == 0;
}

/* What is not ASCII is escaped: any terminal can take it. */
void
doc_print(const json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT | JSON_ENSURE_ASCII);

	if (text == NULL)
		ctl_no_memory();
	fputs(text, stdout);
	free(text);
}
