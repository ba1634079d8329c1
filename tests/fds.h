/*
 * fds - how many descriptors this process has open, for tests that nothing
 * is left over; and whether valgrind counts them in its own way.
 */
#ifndef TESTS_FDS_H
#define TESTS_FDS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline int
open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	return n;
}

/* It counts descriptors itself: accepts, or makes a file, before it says EMFILE. */
static inline bool
in_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

#endif
