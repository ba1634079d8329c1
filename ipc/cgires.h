/*
 * cgires - the head of a CGI response.
 *
 * Implements RFC 3875 section 6 as servers practise it: LF or CRLF, an
 * optional nph status line `HTTP/1.x NNN`, `Status:` or none.  What comes in
 * is whatever a script printed; what goes out (the normalised head) is
 *
 *	Status: NNN Reason CRLF
 *	Name: value CRLF ...
 *	CRLF
 *
 * without Content-Length (the body's size says it), hop-by-hop headers
 * (RFC 9110 7.6.1: Connection and what it names, Keep-Alive, TE, Trailer,
 * Transfer-Encoding, Upgrade, Proxy-Connection), X-Accel-*, X-Sendfile*,
 * X-Lighttpd-*, and Deferd-*.  Normalising is idempotent, so the
 * master repeats it on what a worker sent.
 */
#ifndef IPC_CGIRES_H
#define IPC_CGIRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/buf.h"

#define CGIRES_HEAD_MAX		65536	/* bytes, the empty line included */

/*
 * As it goes out it may be longer: of a line like `a:` LF it makes 5 bytes of
 * 3, and a status line is at most 64.  The rest is for what deferd adds.
 */
#define CGIRES_NORMAL_MAX	(2 * CGIRES_HEAD_MAX)

enum cgires_verdict {
	CGIRES_MORE,
	CGIRES_DONE,
	CGIRES_BAD,
	CGIRES_VERDICT_N
};

struct cgires {
	int		 status;	/* 200..599 */
	int64_t		 content_length; /* what the script claimed, or -1 */
	struct buf	 head;		/* normalised, see above */
	size_t		 max_bytes;	/* private */
};

/* For a head of so many bytes at most: a script's, or one of ours. */
void	cgires_init(struct cgires *, size_t max_bytes);
void	cgires_fini(struct cgires *);

/*
 * Looks at the first `len` bytes of a script's output; `eof` says that no
 * more will come.  Call it again with more bytes after CGIRES_MORE.  On
 * CGIRES_DONE `res` is filled and *head_bytes is what the head took of
 * `data`; the rest is body.  On CGIRES_BAD *why is a phrase that a user can
 * pass on (static): "no output", "no empty line after the head", "head over
 * 64 KiB", "a folded header line", "a NUL in the head", "a bad header
 * name", "a bad status", "no memory", ...
 *
 * Bad are: CR inside a line, NUL and other controls but TAB, folded lines
 * (RFC 9112 5.2), a line without a colon, names that are no token (RFC 9110
 * 5.1), a status outside 200..599, two statuses that differ, a head without
 * any of Status, Content-Type, Location or a status line (RFC 3875 6.2
 * requires at least one), a Content-Length that is no number, two that
 * differ, more than 32 names in Connection.  204 and 304 with a
 * Content-Length are fine (the length is dropped).
 * `Location` without Status: 302 (RFC 3875 6.2.2 would let the server do an
 * internal redirect, which means nothing at the link).  Neither: 200.
 */
enum cgires_verdict
	cgires_parse(struct cgires *res, const void *data, size_t len,
	    bool eof, size_t *head_bytes, const char **why);

/*
 * The first value of a header in a normalised head (any case), or NULL;
 * borrowed, not NUL-terminated: *len bytes.
 */
const char *
	cgires_find(const void *head, size_t head_len, const char *name,
	    size_t *len);

/* "OK" for 200 and so on (RFC 9110 15); "Unknown" for others.  Static. */
const char *
	cgires_reason(int status);

#endif
