/*
 * fds - how many descriptors this process has open, for tests that nothing
 * is left over, or files; and whether valgrind counts descriptors in its own way.
 */
#ifndef TESTS_FDS_H
#define TESTS_FDS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* How many entries a directory has; -1 if it cannot be read. */
static inline int
count_files(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	if (d == NULL)
		return -1;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

static inline int
open_fds(void)
{
	return count_files("/proc/self/fd");
}

/* It counts descriptors itself: accepts, or makes a file, before it says EMFILE. */
static inline bool
in_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

#endif
