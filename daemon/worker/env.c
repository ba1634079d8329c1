/*
 * env - the environment of a task, made from nothing.
 *
 * All strings and the vector live in one allocation whose size is computed
 * first, generously; then names are put in order of authority, and the first
 * to claim a name keeps it: deferd's own, the route's `env`, what the split
 * of the path yields, and last the request block.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/worker/env.h"
#include "ipc/nitems.h"

#define OWN_VARS	12	/* names made here, at most */
#define OWN_BYTES	512	/* their text, but for paths */

/*
 * Names that end here.  A star stands for any rest.  The first group is
 * made anew, or not at all; the second belongs to the exchange with the web
 * server and not to the task (a stored 304 or 206 means nothing at the
 * link); the third would change how programs are found and started.
 */
static const char *const refused[] = {
	"SCRIPT_NAME", "PATH_INFO", "PATH_TRANSLATED", "CONTENT_LENGTH",
	"DEFERD_*", "SCGI",

	"HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING",
	"HTTP_EXPECT", "HTTP_RANGE", "HTTP_IF_*",

	"HTTP_PROXY", "PATH", "IFS", "ENV", "BASH_ENV", "LD_*", "DYLD_*",
};

static bool
env_matches(const char *pattern, const char *name)
{
	for (; *name != '\0' && *pattern == *name; pattern++)
		name++;
	return *pattern == '*' || *pattern == *name;
}

static bool
env_is_name(const char *name)
{
	const char *p;

	for (p = name; *p != '\0'; p++)
		if (*p != '_' && !(*p >= 'A' && *p <= 'Z') &&
		    !(p > name && *p >= '0' && *p <= '9'))
			return false;
	return p > name;
}

bool
env_passes(const char *name)
{
	size_t i;

	if (!env_is_name(name))
		return false;
	for (i = 0; i < nitems(refused); i++)
		if (env_matches(refused[i], name))
			return false;
	return true;
}

static const char *
env_claimed(const struct env *e, const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < e->n; i++)
		if (*e->vec[i] == *name && strncmp(e->vec[i], name, n) == 0 &&
		    e->vec[i][n] == '=')
			return e->vec[i] + n + 1;
	return NULL;
}

const char *
env_find(const struct env *e, const char *name)
{
	return env_claimed(e, name, strlen(name));
}

static void
env_text(struct env *e, const char *s, size_t n)
{
	assert(n <= (size_t)(e->end - e->at));
	memcpy(e->at, s, n);
	e->at += n;
}

static void
env_begin(struct env *e, const char *name, size_t name_len)
{
	e->vec[e->n++] = e->at;
	env_text(e, name, name_len);
	env_text(e, "=", 1);
}

static void
env_close(struct env *e)
{
	env_text(e, "", 1);
	e->vec[e->n] = NULL;
}

/* NAME = a followed by b, unless somebody before has claimed the name. */
static void
env_put(struct env *e, const char *name, const char *a, const char *b)
{
	if (env_find(e, name) != NULL)
		return;
	env_begin(e, name, strlen(name));
	env_text(e, a, strlen(a));
	env_text(e, b, strlen(b));
	env_close(e);
}

static void
env_put_own(struct env *e, const struct env_task *task)
{
	char number[24];

	env_put(e, "DEFERD_TASK_ID", task->id, "");
	if (task->progress_fd)
		env_put(e, "DEFERD_PROGRESS_FD", "3", "");
	/* RFC 3875 4.1.2: there if, and only if, there is a body. */
	if (task->body_size > 0) {
		snprintf(number, sizeof(number), "%llu",
		    (unsigned long long)task->body_size);
		env_put(e, "CONTENT_LENGTH", number, "");
	}
}

static void
env_put_route(struct env *e, char *const *settings)
{
	size_t n;

	for (; settings != NULL && *settings != NULL; settings++) {
		n = strcspn(*settings, "=");
		if (n == strlen(*settings) || env_claimed(e, *settings, n))
			continue;
		env_begin(e, *settings, n);
		env_text(e, *settings + n + 1, strlen(*settings + n + 1));
		env_close(e);
	}
}

/*
 * RFC 3875 4.1.5, 4.1.6, 4.1.13: to the task it looks as if the program
 * itself stood at the route's literal part.
 */
static void
env_put_path(struct env *e, const struct request *req,
    const struct conf_route *route)
{
	const char *rest = "", *root;
	const char *mount = req->script == NULL ? req->mount : "";
	size_t cut = strlen(req->path);

	if (req->script != NULL) {
		rest = req->extra;
		cut = (size_t)(rest - req->path);
	} else if (route->is_prefix && route->prefix_len <= cut) {
		cut = route->prefix_len;
		rest = req->path + cut;
	}
	if (env_find(e, "SCRIPT_NAME") == NULL) {
		env_begin(e, "SCRIPT_NAME", strlen("SCRIPT_NAME"));
		env_text(e, mount, strlen(mount));
		env_text(e, req->path, cut);
		env_close(e);
	}
	if (req->script != NULL)
		env_put(e, "SCRIPT_FILENAME", req->script, "");
	if (*rest == '\0')
		return;
	env_put(e, "PATH_INFO", rest, "");
	root = scgi_find(&req->scgi, "DOCUMENT_ROOT");
	if (root != NULL && *root != '\0')
		env_put(e, "PATH_TRANSLATED", root, rest);
}

/* Every value of a repeated request header, as one (RFC 9110 5.3). */
static void
env_put_joined(struct env *e, const struct scgi *block, struct scgi_iter it)
{
	const char *name = it.name;
	bool cookie = strcmp(name, "HTTP_COOKIE") == 0;

	env_begin(e, name, strlen(name));
	env_text(e, it.value, strlen(it.value));
	while (scgi_next(block, &it)) {
		if (strcmp(it.name, name) != 0)
			continue;
		env_text(e, cookie ? "; " : ", ", 2);
		env_text(e, it.value, strlen(it.value));
	}
	env_close(e);
}

/* What belongs to the door, and not to the script that it stands for. */
static bool
env_is_doors(const char *name)
{
	static const char *const doors[] = {
		"REDIRECT_*", "REMOTE_USER", "AUTH_TYPE", "SCRIPT_FILENAME",
		"CONTEXT_PREFIX", "CONTEXT_DOCUMENT_ROOT",
	};
	size_t i;

	for (i = 0; i < nitems(doors); i++)
		if (env_matches(doors[i], name))
			return true;
	return false;
}

static void
env_put_block(struct env *e, const struct scgi *block, bool script)
{
	struct scgi_iter it = { 0 };

	while (scgi_next(block, &it)) {
		if (!env_passes(it.name) || env_find(e, it.name) != NULL ||
		    (script && env_is_doors(it.name)))
			continue;
		if (strncmp(it.name, "HTTP_", 5) == 0)
			env_put_joined(e, block, it);
		else
			env_put(e, it.name, it.value, "");
	}
}

/*
 * Apache has prefixed what was set for the script's folder when it redirected
 * to the door: here it gets its name back.  The four in `made` are what the
 * redirect itself has made.
 */
static void
env_put_redirected(struct env *e, const struct scgi *block)
{
	static const char prefix[] = "REDIRECT_";
	static const char *const made[] = {
		"HANDLER", "STATUS", "URL", "QUERY_STRING",
	};
	struct scgi_iter it = { 0 };
	size_t i, n = strlen(prefix);

	while (scgi_next(block, &it)) {
		if (strncmp(it.name, prefix, n) != 0)
			continue;
		for (i = 0; i < nitems(made); i++)
			if (strcmp(it.name + n, made[i]) == 0)
				break;
		if (i == nitems(made) && env_passes(it.name + n))
			env_put(e, it.name + n, it.value, "");
	}
}

/* Room for the vector and all text, counted so that nothing can be short. */
static int
env_alloc(struct env *e, const struct request *req, const struct conf *conf,
    const struct conf_route *route)
{
	size_t i, vars = req->scgi.nvars + OWN_VARS, text = OWN_BYTES;

	/* DOCUMENT_ROOT can be there twice; a joined value grows by two. */
	text += 2 * req->scgi.len + 2 * req->scgi.nvars;
	text += strlen(req->mount) + 3 * strlen(req->path);
	text += conf->path != NULL ? strlen(conf->path) : 0;
	for (i = 0; route->env != NULL && route->env[i] != NULL; i++, vars++)
		text += strlen(route->env[i]) + 1;

	e->n = 0;
	e->vec = malloc(vars * sizeof(*e->vec) + text);
	if (e->vec == NULL)
		return -1;
	e->vec[0] = NULL;
	e->at = (char *)(e->vec + vars);
	e->end = e->at + text;
	return 0;
}

int
env_init(struct env *e, const struct request *req, const struct conf *conf,
    const struct conf_route *route, const struct env_task *task)
{
	if (env_alloc(e, req, conf, route) == -1)
		return -1;
	env_put_own(e, task);
	env_put_route(e, route->env);
	env_put_path(e, req, route);
	if (conf->path != NULL)
		env_put(e, "PATH", conf->path, "");
	env_put_block(e, &req->scgi, req->script != NULL);
	if (req->script != NULL)
		env_put_redirected(e, &req->scgi);
	if (req->user != NULL && env_find(e, "REMOTE_USER") == NULL)
		env_put(e, "REMOTE_USER", req->user, "");
	env_put(e, "GATEWAY_INTERFACE", "CGI/1.1", "");
	env_put(e, "QUERY_STRING", req->query, "");
	return 0;
}

void
env_fini(struct env *e)
{
	free(e->vec);
	memset(e, 0, sizeof(*e));
}
