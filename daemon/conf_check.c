/*
 * conf_check - whether a text is what a setting wants.
 *
 * Pure functions from the text to yes or no; what to say instead stands
 * beside them in the table.  Control characters never get here: conf_scan
 * refuses them wherever they are.
 */
#include "config.h"

#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "daemon/conf_table.h"
#include "daemon/landlock.h"
#include "ipc/nitems.h"

#define NAME_BYTES_MAX	32	/* of a user, as useradd(8) has it */

#define DIGITS	"0123456789"
#define LOWER	"abcdefghijklmnopqrstuvwxyz"
#define UPPER	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool
only(const char *text, const char *allowed)
{
	return text[strspn(text, allowed)] == '\0';
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Whether one of the segments between slashes is `..`. */
static bool
climbs(const char *path)
{
	const char *p;

	for (p = path; (p = strstr(p, "/..")) != NULL; p += 3)
		if (p[3] == '/' || p[3] == '\0')
			return true;
	return false;
}

bool
conf_check_path(const char *text)
{
	return text[0] == '/' && strlen(text) < PATH_MAX;
}

bool
conf_check_path_or_none(const char *text)
{
	return text[0] == '\0' || conf_check_path(text);
}

bool
conf_check_socket(const char *text)
{
	return text[0] == '/' &&
	    strlen(text) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

bool
conf_check_socket_or_none(const char *text)
{
	return text[0] == '\0' || conf_check_socket(text);
}

bool
conf_check_store(const char *text)
{
#ifdef HAVE_SQLITE
	static const char sqlite[] = "sqlite:";

	if (begins(text, sqlite))
		return conf_check_path(text + strlen(sqlite)) &&
		    text[strlen(text) - 1] != '/';
#endif
	return strcmp(text, "memory") == 0;
}

bool
conf_check_user(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= NAME_BYTES_MAX && text[0] != '-' &&
	    text[0] != '.' && only(text, LOWER UPPER DIGITS "_-.$");
}

bool
conf_check_mount(const char *text)
{
	size_t len = strlen(text);

	return len == 0 || (text[0] == '/' && text[len - 1] != '/' &&
	    strstr(text, "//") == NULL && !climbs(text));
}

/* Every directory is absolute: an empty one would mean the current one. */
bool
conf_check_exec_path(const char *text)
{
	const char *p;

	for (p = text; *p == '/'; p++) {
		p += strcspn(p, ":");
		if (*p == '\0')
			return true;
	}
	return false;
}

/*
 * The links of tasks live under /status, so a route there would never be
 * asked.
 */
bool
conf_check_pattern(const char *text)
{
	const char *star = strchr(text, '*');

	if (text[0] != '/' || strlen(text) > 1024)
		return false;
	if (star != NULL && (star[1] != '\0' || star[-1] != '/'))
		return false;
	if (strcmp(text, "/status") == 0 || begins(text, "/status/"))
		return false;
	return strstr(text, "//") == NULL && !climbs(text);
}

bool
conf_check_host(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 255)
		return false;
	if (text[0] == '[')
		return text[len - 1] == ']' &&
		    strspn(text + 1, DIGITS "abcdefABCDEF:.") == len - 2;
	return only(text, LOWER UPPER DIGITS "-_.");
}

bool
conf_check_module(const char *text)
{
	if (strchr(text, '/') != NULL)
		return conf_check_path(text) && text[strlen(text) - 1] != '/';
	return text[0] != '\0' && text[0] != '.' && strlen(text) <= NAME_MAX;
}

bool
conf_check_handler(const char *text)
{
	return text[0] != '\0' && only(text, LOWER UPPER DIGITS "_-.");
}

/* What steers the loader, the shell or deferd itself is not for `env`. */
bool
conf_check_env(const char *text)
{
	static const char *const reserved[] = {
		"PATH=", "IFS=", "ENV=", "BASH_ENV=", "LD_", "DEFERD_",
	};
	size_t i, len = strspn(text, UPPER DIGITS "_");

	if (len == 0 || text[len] != '=' || strchr(DIGITS, text[0]) != NULL)
		return false;
	for (i = 0; i < nitems(reserved); i++)
		if (begins(text, reserved[i]))
			return false;
	return true;
}

bool
conf_check_landlock(const char *text)
{
	return landlock_is_rule(text);
}

/* Without seccomp nothing could take it away. */
bool
conf_check_network(const char *text)
{
#ifdef HAVE_SECCOMP
	(void)text;
	return true;
#else
	return strcmp(text, "no") != 0;
#endif
}
