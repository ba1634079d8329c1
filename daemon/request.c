/*
 * request - what a request block means: method, mount, path, host.
 *
 * Every server has decoded the URL once before it says PATH_INFO,
 * SCRIPT_NAME or DOCUMENT_URI (tried: mod_cgid, mod_proxy_scgi, nginx,
 * lighttpd; mod_proxy_scgi says `/p/a b` for `/p/a%20b`), so nothing is
 * decoded here: a `%` is a percent sign.  A %2F that Apache leaves alone
 * (AllowEncodedSlashes NoDecode) stays three characters of a segment.
 *
 * What is left of a path's traps (RFC 3986 3.3, lessons.md):
 *   control characters, DEL	refused, 400
 *   a segment `..`		refused, 400: nobody needs it, and a script
 *				that joins its PATH_INFO to a folder suffers
 *   `//`, a segment `.`	left alone: an empty segment is a segment, and
 *				a pattern is compared byte by byte, so the most
 *				they can do is not to match
 *   bytes that are not UTF-8	left alone: a path is bytes
 *
 * SCRIPT_NAME alone means two things.  mod_proxy_scgi sends the whole path
 * in it; a server that does CGI in full, known by its GATEWAY_INTERFACE, has
 * split the URL and leaves an empty PATH_INFO out (RFC 3875 4.1.5): then it
 * is the mount, and the path is "/".
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/request.h"
#include "daemon/script.h"

#define SCRIPT_MOUNT	"/-"		/* behind a script's name: its links */
#define SCRIPT_LINKS	SCRIPT_MOUNT "/status/"

/* RFC 9110 5.6.2: what a method is made of. */
static bool
is_token(const char *s)
{
	static const char other[] = "!#$%&'*+-.^_`|~";

	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		bool alnum = (*s >= '0' && *s <= '9') ||
		    (*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z');

		if (!alnum && strchr(other, *s) == NULL)
			return false;
	}
	return true;
}

static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static bool
has_dotdot(const char *path)
{
	for (const char *p = path; (p = strstr(p, "/..")) != NULL; p += 3)
		if (p[3] == '/' || p[3] == '\0')
			return true;
	return false;
}

/* NULL, or what is wrong with a decoded path; an empty one is fine. */
static const char *
path_fault(const char *path)
{
	if (*path != '\0' && *path != '/')
		return "a path that does not begin with a slash";
	if (has_control(path))
		return "a control character in the path";
	if (has_dotdot(path))
		return "a `..` segment in the path";
	return NULL;
}

/*
 * What follows `mount` in `whole`, or NULL if that is elsewhere: "/jobs" is
 * before "/jobs" and "/jobs/7", not before "/jobs7".
 */
static const char *
behind_mount(const char *whole, const char *mount)
{
	size_t len = strlen(mount);

	if (strncmp(whole, mount, len) != 0)
		return NULL;
	return whole[len] == '\0' || whole[len] == '/' ? whole + len : NULL;
}

/*
 * Finds mount and path, both borrowed, in what the server said.  0, or the
 * status with *why.
 */
static int
split(const struct scgi *scgi, const char *setting, const char **mount,
    const char **path, const char **why)
{
	const char *script = scgi_find(scgi, "SCRIPT_NAME"), *whole;
	bool is_cgi;

	*mount = script != NULL ? script : "";
	*path = scgi_find(scgi, "PATH_INFO");
	if (*path != NULL)
		return 0;

	whole = scgi_find(scgi, "DOCUMENT_URI");
	is_cgi = whole == NULL && scgi_find(scgi, "GATEWAY_INTERFACE") != NULL;
	if (whole == NULL)
		whole = script;
	if (whole == NULL) {
		*why = "no path";
		return 400;
	}
	if (setting != NULL || !is_cgi) {
		*mount = setting != NULL ? setting : "";
		*path = behind_mount(whole, *mount);
	}
	if (*path == NULL && is_cgi) {
		*mount = whole;
		*path = "";
	}
	if (*path == NULL) {
		*why = "a path outside the mount";
		return 404;
	}
	return 0;
}

/*
 * A copy without slashes at the end, and with one at the beginning: a link
 * "//name/..." would lead to another host (RFC 3986 4.2).
 */
static char *
copy_mount(const char *mount)
{
	size_t len;

	while (mount[0] == '/' && mount[1] == '/')
		mount++;
	len = strlen(mount);
	while (len > 0 && mount[len - 1] == '/')
		len--;
	return strndup(mount, len);
}

/*
 * "Example.org:8080" is "example.org", "[::1]:80" is "[::1]"; the bare
 * "::1" that a SERVER_NAME may be has no port to strip.
 */
static char *
copy_host(const char *name)
{
	const char *colon = strchr(name, ':');
	size_t len = strlen(name);
	char *host;

	if (name[0] == '[' && strchr(name, ']') != NULL)
		len = (size_t)(strchr(name, ']') + 1 - name);
	else if (colon != NULL && strchr(colon + 1, ':') == NULL)
		len = (size_t)(colon - name);

	host = strndup(name, len);
	for (char *p = host; p != NULL && *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return host;
}

/* Whom the client asked for, else who the server is; NULL: neither says. */
static const char *
host_name(const struct scgi *scgi)
{
	const char *name = scgi_find(scgi, "HTTP_HOST");

	if (name == NULL || *name == '\0')
		name = scgi_find(scgi, "SERVER_NAME");
	return name != NULL && *name != '\0' ? name : NULL;
}

/* Copies what was found; false without memory. */
static bool
keep(struct request *req, const char *mount, const char *path)
{
	const char *host = host_name(&req->scgi);

	req->mount = copy_mount(mount);
	req->path = strdup(*path == '\0' ? "/" : path);
	req->host = host == NULL ? NULL : copy_host(host);
	return req->mount != NULL && req->path != NULL &&
	    (host == NULL || req->host != NULL);
}

/* Has the web server itself, for this very URL, chosen the route's handler? */
static bool
is_claimed(const struct conf_route *route, const struct request *req)
{
	const char *handler = scgi_find(&req->scgi, "REDIRECT_HANDLER");
	const char *status = scgi_find(&req->scgi, "REDIRECT_STATUS");
	const char *url = scgi_find(&req->scgi, "REDIRECT_URL");
	const char *path = scgi_find(&req->scgi, "PATH_INFO");

	return handler != NULL && strcmp(handler, route->handler) == 0 &&
	    status != NULL && strcmp(status, "200") == 0 &&
	    url != NULL && path != NULL && strcmp(url, path) == 0 &&
	    scgi_find(&req->scgi, "PATH_TRANSLATED") != NULL;
}

static bool
matches(const struct conf_route *route, const struct request *req)
{
	if (route->scripts != NULL && !is_claimed(route, req))
		return false;
	if (route->host != NULL &&
	    (req->host == NULL || strcmp(route->host, req->host) != 0))
		return false;
	if (!route->is_prefix)
		return strcmp(req->path, route->pattern) == 0;
	if (strncmp(req->path, route->pattern, route->prefix_len) != 0)
		return false;
	return req->path[route->prefix_len] == '/' ||
	    req->path[route->prefix_len] == '\0';
}

const struct conf_route *
request_route(const struct request *req, const struct conf *conf)
{
	if (req->scripts != NULL)
		return req->scripts;
	for (size_t i = 0; i < conf->nroutes; i++)
		if (matches(&conf->routes[i], req))
			return &conf->routes[i];
	return NULL;
}

/* The mount of the first `len` bytes of the path, in place of the door's. */
static int
mount_script(struct request *req, size_t len)
{
	const char *path = req->path;

	/* "//name/..." would lead to another host (RFC 3986 4.2). */
	for (; len > 1 && path[0] == '/' && path[1] == '/'; len--)
		path++;
	free(req->mount);
	return asprintf(&req->mount, "%.*s" SCRIPT_MOUNT, (int)len, path) ==
	    -1 ? -1 : 0;
}

/* At a link no file is looked at: the task may be about what is gone. */
static int
find_link(struct request *req, const char *infix, const char **why)
{
	size_t len = (size_t)(infix - req->path);
	const char *rest = infix + strlen(SCRIPT_MOUNT);

	if (mount_script(req, len) == -1) {
		req->mount = NULL;
		*why = "no memory";
		return 500;
	}
	memmove(req->path, rest, strlen(rest) + 1);
	return 0;
}

/*
 * Which part of PATH_TRANSLATED is the script.  A user who cannot look there
 * takes all of it, and the worker will know.
 */
static int
find_file(struct request *req, const char *file, const char **why)
{
	size_t len = script_split(file), extra, path = strlen(req->path);

	if (len == 0 && errno != EACCES) {
		*why = "no such script";
		return 404;
	}
	if (len == 0)
		len = strlen(file);
	extra = strlen(file + len);
	if (extra >= path || strcmp(req->path + path - extra, file + len) != 0) {
		*why = "a script whose file has another name";
		return 400;
	}
	req->extra = req->path + path - extra;
	req->script = strndup(file, len);
	if (req->script == NULL || mount_script(req, path - extra) == -1) {
		req->mount = NULL;
		*why = "no memory";
		return 500;
	}
	if (script_check(req->scripts->scripts, req->script) == 0 ||
	    errno == EACCES)
		return 0;
	*why = errno == EPERM ? "not an executable file below the root of "
	    "the scripts" : "no such script";
	return errno == EPERM ? 403 : 404;
}

/* 0 also for a request that is about no script. */
static int
find_script(struct request *req, const struct conf *conf, const char **why)
{
	const struct conf_route *route = request_route(req, conf);
	const char *file, *infix;

	if (route == NULL || route->scripts == NULL)
		return 0;
	req->scripts = route;
	file = scgi_find(&req->scgi, "PATH_TRANSLATED");
	if ((*why = path_fault(file)) != NULL)
		return 400;
	infix = strstr(req->path, SCRIPT_LINKS);
	return infix != NULL ? find_link(req, infix, why) :
	    find_file(req, file, why);
}

/*
 * Apache says who it is under another name after its redirect.  The tasks of
 * a script are found below it only, by whoever may go there: its place is a
 * part of their owner.
 */
static int
find_owner(struct request *req, const char **why)
{
	req->user = req->scripts != NULL ?
	    scgi_find(&req->scgi, "REDIRECT_REMOTE_USER") : NULL;
	/* Where the door is guarded, too, Apache names the user to it directly. */
	if (req->user == NULL)
		req->user = scgi_find(&req->scgi, "REMOTE_USER");
	if (req->user != NULL && *req->user == '\0')
		req->user = NULL;
	if (req->scripts == NULL && req->user == NULL)
		return 0;
	if (req->scripts == NULL)
		req->owner = strdup(req->user);
	else if (asprintf(&req->owner, "%s\n%s", req->mount,
	    req->user != NULL ? req->user : "") == -1)
		req->owner = NULL;
	if (req->owner != NULL)
		return 0;
	*why = "no memory";
	return 500;
}

/* No path and no user has a line break in it. */
const char *
request_owner_user(const char *owner)
{
	const char *place = owner == NULL ? NULL : strchr(owner, '\n');

	if (place != NULL)
		owner = place + 1;
	return owner != NULL && *owner != '\0' ? owner : NULL;
}

int
request_init(struct request *req, const struct scgi *scgi,
    const struct conf *conf, const char **why)
{
	const char *mount, *path;
	int status;

	*req = (struct request){ .scgi = *scgi };
	req->method_name = scgi_find(scgi, "REQUEST_METHOD");
	if (req->method_name == NULL || !is_token(req->method_name)) {
		*why = "no valid method";
		return 400;
	}
	status = split(scgi, conf->mount, &mount, &path, why);
	if (status != 0)
		return status;
	if ((*why = path_fault(mount)) != NULL ||
	    (*why = path_fault(path)) != NULL)
		return 400;

	req->method = conf_method(req->method_name);
	req->query = scgi_find(scgi, "QUERY_STRING");
	if (req->query == NULL)
		req->query = "";
	req->content_length = scgi_content_length(scgi);
	if (!keep(req, mount, path)) {
		request_fini(req);
		*why = "no memory";
		return 500;
	}
	if ((status = find_script(req, conf, why)) != 0 ||
	    (status = find_owner(req, why)) != 0)
		request_fini(req);
	return status;
}

void
request_fini(struct request *req)
{
	free(req->mount);
	free(req->path);
	free(req->host);
	free(req->owner);
	free(req->script);
	*req = (struct request){ 0 };
}
