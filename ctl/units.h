/*
 * units - seconds, bytes and times, as people write and read them.
 */
#ifndef CTL_UNITS_H
#define CTL_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNITS_TEXT	64	/* bytes that any text here may take */
#define UNITS_AGE_MAX	(INT64_C(100000) * 86400)	/* seconds */

/* "90", "45s", "10m", "2h", "1d" to seconds, up to UNITS_AGE_MAX; or -1. */
int	units_parse_age(const char *, int64_t *seconds)
	__attribute__((warn_unused_result));

/* Decimal digits and nothing else, from least to most; or -1. */
int	units_parse_number(const char *, int64_t least, int64_t most,
	    int64_t *)
	__attribute__((warn_unused_result));

/* RFC 3339 in UTC, as the daemon writes it, to Unix time in ms; or -1. */
int	units_parse_time(const char *, int64_t *unix_ms)
	__attribute__((warn_unused_result));

/* All give out.  "0.4ms", "35ms", "4.2s", "42s", "3m04s", "2h05m", "3d02h" */
char	*units_seconds(double, char out[UNITS_TEXT]);

/* "512", "1.5K", "34M", "1.2G" */
char	*units_bytes(double, char out[UNITS_TEXT]);

/* "2026-11-22 10:00:00 UTC", in the zone of who reads it. */
char	*units_time(int64_t unix_ms, char out[UNITS_TEXT]);

#endif
