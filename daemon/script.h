/*
 * script - a file that the web server has resolved, and whether it may run.
 *
 * For routes with `scripts`: the server says a whole file name with what
 * stood behind the script in the URL still at its end, such as
 * /var/www/slow/x.cgi/extra/path.  Which part of it is the file, only the
 * file system knows.
 *
 * The master asks both questions when a request comes, so that the client
 * hears of it; it may be a user who cannot look there, and then leaves the
 * answers to the worker, who asks again right before it starts the script.
 */
#ifndef DAEMON_SCRIPT_H
#define DAEMON_SCRIPT_H

#include <stddef.h>

/*
 * How many bytes of `file` name the script.  0 with errno: ENOENT, EACCES
 * (we cannot look), or whatever else stat(2) says.
 */
size_t	script_split(const char *file)
	__attribute__((warn_unused_result));

/*
 * 0 if it is, after all symbolic links, a regular executable file below
 * `root`; -1 with errno: EPERM if it is not, or what realpath(3) says.
 */
int	script_check(const char *root, const char *file)
	__attribute__((warn_unused_result));

#endif
