/*
 * fds - how many descriptors this process has open, for tests that nothing
 * is left over.
 */
#ifndef TESTS_FDS_H
#define TESTS_FDS_H

#include <dirent.h>

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

#endif
