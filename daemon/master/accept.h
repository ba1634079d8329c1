/*
 * accept - is it a person with a browser who asks, or a program?
 *
 * Implements RFC 9110 12.5.1 for pairs of types that deferd can answer in.
 * Everything that does not say clearly that it wants HTML gets JSON: no
 * Accept, the lone wildcard of curl, wget and fetch(), and what is garbled.
 */
#ifndef DAEMON_MASTER_ACCEPT_H
#define DAEMON_MASTER_ACCEPT_H

#include <stdbool.h>

/*
 * Whether the value of an Accept header (NULL: none) prefers text/html to
 * application/json: gives it the higher quality, or the same quality and names
 * it while JSON is only meant by a wildcard (as Internet Explorer did).
 */
bool	accept_html(const char *value);

/*
 * Whether application/openmetrics-text will do: it is acceptable, and
 * text/plain not more so.  What version is asked for makes no difference.
 */
bool	accept_openmetrics(const char *value);

#endif
