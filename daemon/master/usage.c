/*
 * usage - what this process takes from the system.
 *
 * Linux: /proc.  Since 6.2 the size of a directory of descriptors is their
 * number; before, they are counted, which takes a millisecond or two for ten
 * thousand of them.
 */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/master/usage.h"

int64_t
usage_memory_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long long pages = -1;

	if (f == NULL)
		return -1;
	if (fscanf(f, "%*s %lld", &pages) != 1)
		pages = -1;
	fclose(f);
	return pages == -1 ? -1 : pages * sysconf(_SC_PAGESIZE);
}

/* But for the one that looks. */
static int64_t
count_descriptors(const char *path)
{
	DIR *dir = opendir(path);
	int64_t n = -1;
	struct dirent *d;

	if (dir == NULL)
		return -1;
	while ((d = readdir(dir)) != NULL)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

int64_t
usage_descriptors(void)
{
	static const char path[] = "/proc/self/fd";
	struct stat st;

	if (stat(path, &st) == 0 && st.st_size > 0)
		return st.st_size;
	return count_descriptors(path);
}

int64_t
usage_max_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1 || rl.rlim_cur == RLIM_INFINITY)
		return -1;
	return (int64_t)rl.rlim_cur;
}
