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

struct claim {
	struct store_claim store;	/* the result of claim_make() */

	/* private */
	const struct request *req;
	const struct body *body;
	struct work	 work;
	bool		 failed;
	void		(*done)(void *arg, bool ok);
	void		*arg;
};

/*
 * The claim of a POST, PUT, PATCH or DELETE; NULL with errno 0 if there is no
 * key, or another method.  NULL with EINVAL: the key is neither a quoted
 * string nor a bare word, or not of 1 to 255 bytes; ENOMEM.  Borrows the
 * request; free() ends it.
 */
struct claim *
	claim_new(const struct request *, const char *route)
	__attribute__((warn_unused_result));

/*
 * Completes it with the body, which is borrowed until done(); that is called
 * exactly once, perhaps before this returns.  A body in a file is read by a
 * thread.  Not ok: it cannot be read; said in the log.
 */
void	claim_make(struct claim *, struct work_pool *, const struct body *,
	    void (*done)(void *arg, bool ok), void *arg);

#endif
