/*
 * log - one line per event, `event key=value ...`, to stderr in front or to
 * syslog in the background.
 *
 * Text that comes from outside is passed through log_quote(): newlines,
 * escapes and invalid UTF-8 never make a second line or reach a terminal.
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_L_ERROR, LOG_L_WARN, LOG_L_INFO, LOG_L_DEBUG, LOG_L_N };

/*
 * `role` is "deferd", "deferd-master" or "deferd-worker" and is borrowed for
 * ever.  In front (to_syslog false) lines go to stderr as
 * `role[pid]: level: text`.
 */
void	log_init(const char *role, bool to_syslog, enum log_level max);

void	log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Says why and exits 1.  Only before the loop starts. */
void	log_fatal(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/*
 * Writes `len` bytes of foreign text into out (size bytes, NUL-terminated,
 * cut if need be) as one printable, double-quoted word: backslash escapes
 * for quote, backslash, controls and bytes that are not UTF-8.  Gives out.
 */
char	*log_quote(char *out, size_t size, const void *text, size_t len);

#define LOG_QUOTED_MAX	256	/* a good size for out */

#endif
