/*
 * doc - what stands where in a JSON document.
 *
 * `path` names members, one in another: "store.commit_seconds.p50".  What is
 * not there, null, or of another type than was asked for, is all the same:
 * a daemon of another version may say less.
 */
#ifndef CTL_DOC_H
#define CTL_DOC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Borrowed from the document; NULL: it has none. */
json_t	*doc_at(const json_t *, const char *path);
const char *
	doc_text(const json_t *, const char *path);

/* A number; `otherwise` without one. */
double	doc_number(const json_t *, const char *path, double otherwise);

/* A time of RFC 3339 as Unix time in ms; false without one. */
bool	doc_time(const json_t *, const char *path, int64_t *unix_ms);

/* As it is, on stdout, without a line feed. */
void	doc_print(const json_t *);

#endif
