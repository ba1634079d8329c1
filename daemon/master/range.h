/*
 * range - which part of a response a client wants, and whether it has it.
 *
 * Implements RFC 9110 13.1.2 (If-None-Match), 13.1.5 (If-Range) and 14
 * (Range: bytes) for a response whose length is known, which never changes,
 * and which has a strong entity tag but no date.  Several ranges at once are
 * answered with the whole, as 14.2 permits.
 */
#ifndef DAEMON_MASTER_RANGE_H
#define DAEMON_MASTER_RANGE_H

#include <stdbool.h>
#include <stdint.h>

enum range_verdict {
	RANGE_WHOLE,		/* no Range, or one to be ignored: 200 */
	RANGE_PART,		/* 206 */
	RANGE_UNSATISFIABLE,	/* 416 */
	RANGE_VERDICT_N
};

struct range {
	uint64_t	 first;		/* offsets, both included */
	uint64_t	 last;
};

/*
 * What the value of a Range header (NULL: none) means for `size` bytes; fills
 * `part` on RANGE_PART.  Ignored are other units, bad syntax, several ranges,
 * and the last bytes of an empty response, for which there is no 206.
 */
enum range_verdict
	range_parse(const char *value, uint64_t size, struct range *part);

/*
 * `etag` is ours: strong, with its quotes, without a comma.
 *
 * Whether If-Range (NULL: none) lets Range be obeyed: strong comparison, so
 * neither a weak tag nor a date does.
 */
bool	range_if_range(const char *value, const char *etag);

/*
 * Whether If-None-Match (NULL: none) has our tag, so that the answer is 304:
 * "*", or a list with it, by weak comparison.  A server that compresses the
 * response on its way adds to the tag inside the quotes ("x-gzip", as
 * mod_deflate does): it is still ours here, where the bytes do not matter.
 */
bool	range_none_match(const char *value, const char *etag);

#endif
