/*
 * request - what a request block means: method, mount, path, host.
 *
 * Read by the master (to route) and by the worker (to build a task's
 * environment), each time from the same block; nothing derived is stored.
 *
 * Where the path comes from (RFC 3875 4.1.5, 4.1.13; lessons.md, "the
 * servers differ"):
 *   PATH_INFO there	mount = SCRIPT_NAME, path = PATH_INFO
 *   no PATH_INFO	the whole is DOCUMENT_URI (nginx), else SCRIPT_NAME
 *			(mod_proxy_scgi); it must begin with the setting
 *			`mount`, at a segment boundary, and the rest is the path
 * An empty path is "/".
 *
 * A route with `scripts` takes what Apache's `Action NAME` redirects to the
 * door.  Such a request is believed only as a whole: REDIRECT_HANDLER is the
 * route's handler, REDIRECT_STATUS is 200, and REDIRECT_URL, the URL whose
 * access rules have been applied, is PATH_INFO.  Asked directly, the door
 * gets none of them; a RewriteRule that leads here comes from another URL.
 *	PATH_INFO		/slow/x.cgi/extra
 *	PATH_TRANSLATED		/var/www/slow/x.cgi/extra
 *	mount			/slow/x.cgi/-	so that the links are guarded
 *						like the script
 *	path			/slow/x.cgi/extra; for a link what is behind
 *				the mount, as anywhere else
 */
#ifndef DAEMON_REQUEST_H
#define DAEMON_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/scgi.h"
#include "daemon/conf.h"

struct request {
	struct scgi	 scgi;		/* borrows the block */
	enum conf_method method;
	const char	*method_name;	/* borrowed */
	char		*mount;		/* owned; decoded, no slash at the end */
	char		*path;		/* owned; decoded, begins with a slash */
	const char	*query;		/* borrowed; "" if none */
	char		*host;		/* owned; lower case, no port; may be NULL */
	int64_t		 content_length; /* or SCGI_LENGTH_UNKNOWN */
	const char	*user;		/* borrowed; NULL if nobody or "" */
	char		*owner;		/* owned; whose its task is, NULL: anybody's */

	/* of a route with `scripts` */
	const struct conf_route *scripts; /* borrowed from conf; NULL: no such */
	char		*script;	/* owned; its file; NULL at a link */
	const char	*extra;		/* in path, behind the script's name */
};

/*
 * Reads a checked block.  0, or the HTTP status to refuse it with: 400 (no
 * method, a path with a control character, NUL or a `..` segment, ...), 403
 * (a file that is no script below the root), 404 (outside the mount, or no
 * such script), 500 without memory; *why is a phrase (static) then.
 */
int	request_init(struct request *, const struct scgi *,
	    const struct conf *, const char **why)
	__attribute__((warn_unused_result));
void	request_fini(struct request *);

/* The user in a request's owner, borrowed from it; NULL if nobody. */
const char *
	request_owner_user(const char *owner);

/*
 * The first route that matches path and host, or NULL.  The method is the
 * caller's question (405 and 404 differ).
 */
const struct conf_route *
	request_route(const struct request *, const struct conf *);

#endif
