/*
 * prefer - how a client would like to be answered: now, or when it is done.
 *
 * Implements the header Prefer (RFC 7240 2) as far as `respond-async` (4.1)
 * and `wait` (4.3) go, and Preference-Applied (3).  Other preferences, and
 * whatever is garbled, are no error: a preference may always be ignored.
 */
#ifndef DAEMON_MASTER_PREFER_H
#define DAEMON_MASTER_PREFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PREFER_WAIT_MAX	INT32_MAX	/* seconds; more is as good as this */
#define PREFER_TEXT	64		/* bytes of prefer_applied(), NUL included */

struct prefer {
	bool		 async;		/* respond-async */
	bool		 wait;		/* wait=N */
	int64_t		 wait_s;	/* N, 0..PREFER_WAIT_MAX; 0 without `wait` */
};

/*
 * Reads the value of a Prefer header, several of them joined by ", ", or NULL
 * for none.  Of a preference named more than once the first counts, even if
 * its value makes no sense (RFC 7240 2); parameters are passed over.
 */
void	prefer_parse(struct prefer *, const char *value);

/*
 * The value of Preference-Applied that says which preferences an answer
 * follows: those set in `applied`, a copy of what the client asked for with
 * the others taken out.  "" when there are none: then there is no header.
 * Gives out.
 */
char	*prefer_applied(const struct prefer *applied, char out[PREFER_TEXT]);

#endif
