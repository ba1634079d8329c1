/*
 * log - one line per event: `event key=value key=value`.
 *
 * The format of a log_*() call is the line itself: an event, which is a word
 * of small letters and dashes, and the keys, with a conversion of printf(3)
 * for each value.  But a text (%s, %.*s, %m) is not copied: it is written by
 * one rule, so that nobody can forget to quote.  It stands bare if it is
 * printable ASCII without space, '"', '=' and '\'; else in double quotes,
 * with backslash escapes for quote, backslash, controls (those that end a
 * line or turn its direction, too) and what is not UTF-8; cut to
 * LOG_VALUE_MAX bytes, with "..." behind the quote.  Newlines and escapes of
 * strangers never make a second line or reach a terminal.
 *
 * task=<32 hex digits> stands in each line about a task, in all three roles.
 * No line holds a request's body, its headers or its query: where a request
 * is told of, it is by method and path.  -d adds lines, not these.
 *
 * Lines go to one of three places (log_sink.h), in the background to syslog,
 * in front (-f) to stderr; and if that is the journal's, as under systemd
 * with `deferd -f` and Type=notify, each begins with its priority, <6>, and
 * without name and number of the process, which the journal knows itself.
 * No place may stop us: what it does not take at once is lost, counted, and
 * told of in the next line that gets through.
 *
 * doc/logging.md has all events; a test compares it with the code.
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/bucket.h"

enum log_level { LOG_L_ERROR, LOG_L_WARN, LOG_L_INFO, LOG_L_DEBUG, LOG_L_N };

#define LOG_LINE_MAX	4096	/* bytes: so much a pipe takes in one piece */
#define LOG_VALUE_MAX	1024	/* bytes of a text, as it is written */

/*
 * `role` is "deferd", "deferd-master" or "deferd-worker" and is borrowed for
 * ever.  Again, from stderr to syslog, when a daemon goes into the
 * background; before there are threads.
 */
void	log_init(const char *role, bool background, enum log_level max);

/* On its way into the background a daemon is silent, unless it fails. */
enum log_level
	log_first_level(bool debug, bool foreground);

/*
 * Conversions: %s, %.*s (so many bytes, with any NUL among them), %m, d and
 * u (also with l, ll, z), and %.3f for seconds.  errno stays.
 */
void	log_at(enum log_level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void	log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Says why and exits 1.  Only before the loop starts. */
void	log_fatal(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/*
 * For events that strangers can bring about as fast as they like: whether
 * this one is told.  If so, *skipped says how many were not since the last
 * one that was; they belong into the line.
 */
struct log_rate {
	struct bucket	 bucket;
	unsigned long	 skipped;
};
#define LOG_RATE	{ .bucket = BUCKET(20, 5) }	/* lines, per second */
bool	log_may(struct log_rate *, unsigned long *skipped)
	__attribute__((warn_unused_result));

/*
 * Writes `len` bytes of foreign text into out (size bytes, NUL-terminated,
 * cut if need be) as one printable, double-quoted word, by the rule above.
 * Gives out.
 */
char	*log_quote(char *out, size_t size, const void *text, size_t len);

/*
 * How a process ended, by its waitpid() status: "3", "signal:9", or "none"
 * for -1.  Gives text.
 */
#define LOG_EXIT_TEXT	24
const char *
	log_exit(int status, char text[LOG_EXIT_TEXT]);

#define LOG_QUOTED_MAX	256	/* a good size for out */

#endif
