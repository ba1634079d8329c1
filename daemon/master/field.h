/*
 * field - what the values of request headers are made of.
 *
 * Implements RFC 9110 5.6: lists, tokens, quoted strings, parameters.  Pure:
 * a text is a pointer and a length, taking from it moves its front, and what
 * is taken is borrowed from it.  Clients send what they like, so nothing here
 * fails in any other way than by saying "no".
 */
#ifndef DAEMON_MASTER_FIELD_H
#define DAEMON_MASTER_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct field {
	const char	*at;		/* borrowed; NULL: not there */
	size_t		 len;
};

/* The whole of a variable's value; NULL is an empty text. */
struct field
	field_of(const char *value);

/*
 * Takes what comes before the next `separator` (',' of a list, 5.6.1; ';'
 * of parameters, 5.6.6) that stands in no quoted string, without the space
 * around it; empty parts are passed over.  False at the end.  A quoted string
 * without an end reaches to the end.
 */
bool	field_split(struct field *rest, char separator, struct field *part);

/*
 * Reads `token` or `token = word` (5.6.6; RFC 7240 2 allows space around the
 * sign), where a word is a token or a quoted string and the part has nothing
 * else in it.  A quoted value is given without its quotes, its backslashes
 * still there; value->at is NULL when there is no `=`.
 */
bool	field_pair(struct field part, struct field *name, struct field *value);

/* Whether it is `word`; upper and lower case are the same. */
bool	field_is(struct field, const char *word);

/*
 * Reads digits and nothing else; a number above `max` is `max`.  False if
 * there is anything else, or nothing.
 */
bool	field_number(struct field, uint64_t max, uint64_t *number);

/* Takes the longest token (5.6.2) off the front; false if there is none. */
bool	field_token(struct field *rest, struct field *token);

/* Takes one character off the front, if it is that. */
bool	field_take(struct field *rest, char c);

/* Takes spaces and tabs (5.6.3) off the front. */
void	field_space(struct field *rest);

#endif
