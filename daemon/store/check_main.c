/*
 * deferd-check - `deferd -n --check-store` runs it, as the user who owns the
 * store: the launcher itself has no database in it.
 *
 *	deferd-check STORE SPOOL
 *
 * Exit status: 0 sound, 1 damaged, 2 it could not be checked.
 */
#include "config.h"

#include <stdio.h>

#include "daemon/store/check.h"

int
main(int argc, char **argv)
{
	enum store_check found;

	if (argc != 3) {
		fprintf(stderr, "usage: deferd-check STORE SPOOL\n");
		return CHECK_UNABLE;
	}
	found = store_check(argv[1], argv[2], stdout);
	return fflush(stdout) == 0 ? (int)found : CHECK_UNABLE;
}
