/*
 * response - gathers what a task answers, from its first byte to its end.
 *
 * Programs and modules end here alike: a head that is checked and
 * normalised (ipc/cgires), then a body that stays in memory up to `inline`
 * and goes to a file of the master's beyond it.  This code asks nobody for
 * that file and never waits: it says RESPONSE_WANTS_SPOOL, and takes no more
 * bytes until response_spool() brings the descriptor.
 *
 * RFC 9110 9.3.2, 15.3.5, 15.4.5: to HEAD, and with 204 and 304, there is no
 * body: one that comes is dropped, and its length means nothing.
 */
#ifndef DAEMON_WORKER_RESPONSE_H
#define DAEMON_WORKER_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/buf.h"
#include "ipc/cgires.h"

#define RESPONSE_CHUNK		65536	/* bytes of one response_add() */
#define RESPONSE_REASON_MAX	160

enum response_state {
	RESPONSE_OPEN,		/* takes bytes */
	RESPONSE_WANTS_SPOOL,	/* takes a descriptor */
	RESPONSE_FAILED,	/* final; `reason` says why, for users */
	RESPONSE_WHOLE,		/* final; response_end() said so */
	RESPONSE_STATE_N
};

struct response {
	enum response_state state;
	struct cgires	 cgi;		/* the head, once has_head */
	struct buf	 bytes;		/* the head so far; then the body */
	uint64_t	 size;		/* bytes of body that came */
	uint64_t	 max_bytes;	/* of it, at most */
	size_t		 inline_bytes;	/* of it in memory, at most */
	int		 fd;		/* the spool file, or -1; owned */
	bool		 has_head;
	bool		 to_head;	/* the request's method is HEAD */
	char		 reason[RESPONSE_REASON_MAX];
};

void	response_init(struct response *, size_t inline_bytes,
	    uint64_t max_bytes, bool to_head);
void	response_fini(struct response *);

/* At most RESPONSE_CHUNK bytes.  Only while RESPONSE_OPEN. */
enum response_state
	response_add(struct response *, const void *, size_t len);

/* Takes the descriptor, or the errno why there is none. */
enum response_state
	response_spool(struct response *, int fd, int error);

/*
 * No more comes.  RESPONSE_WHOLE: the head is in cgi.head, the body in
 * `bytes` or, synced, in the file.  Only while RESPONSE_OPEN.
 */
enum response_state
	response_end(struct response *);

enum response_state
	response_fail(struct response *, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
