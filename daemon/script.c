/*
 * script - a file that the web server has resolved, and whether it may run.
 *
 * Between script_check() and exec somebody could put a link in the place of
 * a folder.  Who can do that can write below the root, and so can put there
 * a script of his own that runs the other file: nothing is gained by winning
 * the race, and the script keeps the name under which a web server would
 * have started it.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/script.h"

#define ANY_X	(S_IXUSR | S_IXGRP | S_IXOTH)

size_t
script_split(const char *file)
{
	char part[PATH_MAX];
	struct stat st;
	size_t len = strlen(file), n = 0;

	if (len >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return 0;
	}
	while (n < len) {
		n += 1 + strcspn(file + n + 1, "/");
		memcpy(part, file, n);
		part[n] = '\0';
		if (stat(part, &st) == -1) {
			if (errno == ENOTDIR)
				errno = ENOENT;
			return 0;
		}
		if (!S_ISDIR(st.st_mode))
			return n;
	}
	errno = ENOENT;
	return 0;
}

/* Both without links.  "/" is above everything, "/var/www" not of "/var/wwwx". */
static int
is_below(const char *root, const char *file)
{
	size_t len = strlen(root);

	if (len == 1)
		return 1;
	return strncmp(root, file, len) == 0 && file[len] == '/';
}

int
script_check(const char *root, const char *file)
{
	char real_root[PATH_MAX], real_file[PATH_MAX];
	struct stat st;

	if (realpath(root, real_root) == NULL ||
	    realpath(file, real_file) == NULL || stat(real_file, &st) == -1)
		return -1;
	if (is_below(real_root, real_file) && S_ISREG(st.st_mode) &&
	    (st.st_mode & ANY_X) != 0)
		return 0;
	errno = EPERM;
	return -1;
}
