/*
 * check - looks at what a store keeps and says whether it is sound.
 *
 * For people, on request: it reads everything, and may take minutes.  It
 * changes nothing, and does not mind a deferd that uses the store meanwhile.
 */
#ifndef DAEMON_STORE_CHECK_H
#define DAEMON_STORE_CHECK_H

#include <stdio.h>

enum store_check {		/* also the exit status of deferd-check */
	CHECK_SOUND,
	CHECK_DAMAGED,
	CHECK_UNABLE		/* no such file, no right to read it, ... */
};

/*
 * `where` is the setting `store`, `spool` the directory; `report` gets
 * readable lines, the last one a summary.
 */
enum store_check
	store_check(const char *where, const char *spool, FILE *report);

#endif
