/*
 * claim - what a request with an Idempotency-Key lays claim to (contract.md
 * 4; draft-ietf-httpapi-idempotency-key-header).
 *
 * Two digests.  One says whose key it is: the key, who asks (REMOTE_USER, or
 * else what Authorization and Cookie say) and the route.  The other says what
 * is asked for: method, path, query and body.  The store holds them as long
 * as the task; that of two requests one is first is decided there.
 *
 * Digests and not the words: a key and a password are nothing to leave in a
 * file.  Every part goes in with its length, so that no two lists of parts
 * read the same.
 */
#ifndef DAEMON_MASTER_CLAIM_H
#define DAEMON_MASTER_CLAIM_H

#include <stdbool.h>

#include "daemon/request.h"
#include "daemon/store/store.h"
#include "daemon/store/work.h"

#define CLAIM_KEY_MAX	255	/* bytes, unquoted */

/* Embedded in the submitter's object. */
struct claim {
	char		 key[CLAIM_KEY_MAX + 1];	/* "": none */
	struct store_claim store;	/* the result */

	/* private */
	const struct request *req;
	const char	*route;
	const struct body *body;
	struct work	 work;
	bool		 failed;
	void		(*done)(struct claim *, bool ok);
};

/*
 * Takes the key from a POST, PUT, PATCH or DELETE; with any other method
 * there is none.  False: it is neither a quoted string nor a bare word, or
 * not of 1 to 255 bytes.
 */
bool	claim_read(struct claim *, const struct request *)
	__attribute__((warn_unused_result));

/* Whether there is a key. */
bool	claim_wanted(const struct claim *);

/*
 * Makes both digests; all that is given is borrowed until done(), which is
 * called exactly once, perhaps before this returns; a body in a file is read
 * by a thread.  Not ok: it cannot be read; said in the log.
 */
void	claim_make(struct claim *, struct work_pool *, const struct request *,
	    const char *route, const struct body *,
	    void (*done)(struct claim *, bool ok));

#endif
