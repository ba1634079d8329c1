/*
 * vars - the variables of a CGI request (RFC 3875 4.1), made from what a
 * person types.
 */
#ifndef CTL_VARS_H
#define CTL_VARS_H

#include <stddef.h>

/*
 * "Name: value" in place: *name becomes HTTP_NAME or CONTENT_TYPE (owned by
 * the caller), *value borrows the rest.  NULL, or what is wrong with it.
 * Content-Length and Transfer-Encoding are wrong: the body itself says them.
 */
const char *
	vars_header(char *header, char **name, const char **value)
	__attribute__((warn_unused_result));

/*
 * "/a%20b?x=1" in place, as in a URL: *path is decoded, *query is what
 * follows the question mark, or "".  NULL, or what is wrong with it.
 */
const char *
	vars_split_path(char *url, char **path, const char **query)
	__attribute__((warn_unused_result));

#endif
