/*
 * view_json - the documents that view makes.
 *
 * Where memory ends, a document does: it is freed, and NULL from then on.  To
 * set a member of that, or to one that could not be made, is fine; so only who
 * is done with a document has to look.
 */
#ifndef DAEMON_MASTER_VIEW_JSON_H
#define DAEMON_MASTER_VIEW_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/master/task.h"
#include "ipc/buf.h"

/* Takes the value, NULL too: then there was no memory for it. */
void	view_json_set(json_t **doc, const char *name, json_t *value);

/* The same, of a list. */
void	view_json_append(json_t **list, json_t *value);

/* The id of a task. */
void	view_json_set_id(json_t **doc, const char *name, const struct task *);

/* A number that is no more than INT64_MAX. */
void	view_json_set_number(json_t **doc, const char *name, uint64_t);

/* Foreign text as below, or null. */
void	view_json_set_text(json_t **doc, const char *name, const char *text);

/* An RFC 3339 time as text; gives `text`. */
#define VIEW_JSON_TIME	48
char	*view_json_time(int64_t unix_ms, char text[VIEW_JSON_TIME]);

/* RFC 3339, UTC, with milliseconds. */
void	view_json_set_time(json_t **doc, const char *name, int64_t unix_ms);

/* Foreign text, U+FFFD for each byte that is no UTF-8.  NULL: no memory. */
json_t	*view_json_text(const void *, size_t len)
	__attribute__((warn_unused_result));

/* How far a task says it is; the message is foreign text. */
json_t	*view_json_progress(int percent, const char *message)
	__attribute__((warn_unused_result));

/* How all of them are written: in one line. */
#define VIEW_JSON_FLAGS	\
	(JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12))

/* Writes it, a text alone too.  -1 without memory, for a NULL too. */
int	view_json_write(struct buf *, const json_t *)
	__attribute__((warn_unused_result));

#endif
