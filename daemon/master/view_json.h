/*
 * view_json - members of the documents that view makes.
 *
 * 0, or -1 without memory; a document that could not be made, NULL, is fine
 * to give, and gives -1.
 */
#ifndef DAEMON_MASTER_VIEW_JSON_H
#define DAEMON_MASTER_VIEW_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/master/task.h"

/* Takes the value, NULL too: then there was no memory for it. */
int	view_json_set(json_t *doc, const char *name, json_t *value)
	__attribute__((warn_unused_result));

/* The id of a task. */
int	view_json_set_id(json_t *doc, const char *name, const struct task *)
	__attribute__((warn_unused_result));

/* An RFC 3339 time as text; gives `text`. */
#define VIEW_JSON_TIME	48
char	*view_json_time(int64_t unix_ms, char text[VIEW_JSON_TIME]);

/* RFC 3339, UTC, with milliseconds. */
int	view_json_set_time(json_t *doc, const char *name, int64_t unix_ms)
	__attribute__((warn_unused_result));

/* Foreign text, U+FFFD for each byte that is no UTF-8.  NULL: no memory. */
json_t	*view_json_text(const void *, size_t len)
	__attribute__((warn_unused_result));

#endif
