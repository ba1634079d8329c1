/*
 * scgi - the head of an SCGI request.
 *
 * Implements "SCGI: A Simple Common Gateway Interface alternative" (Neil
 * Schemenauer, 2008): a netstring of `name NUL value NUL ...`, whose first
 * name is CONTENT_LENGTH and which has SCGI=1.  The block inside the
 * netstring is the request, from the socket to the store to the worker:
 * nobody re-encodes it.
 *
 * One extension, for a door that passes descriptors: CONTENT_LENGTH may be
 * absent when HTTP_TRANSFER_ENCODING is there (a chunked body, which a web
 * server decodes while the CGI program reads it: RFC 3875 4.1.2 does not
 * know it, servers do it).  Whether that is acceptable is the caller's to
 * say: scgi_content_length() tells SCGI_LENGTH_UNKNOWN.
 */
#ifndef IPC_SCGI_H
#define IPC_SCGI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/buf.h"

#define SCGI_HEAD_MAX		65536	/* bytes of the block */
#define SCGI_VARS_MAX		200	/* variables in it */
#define SCGI_VARS_MOST		40	/* most heads have no more */
#define SCGI_LENGTH_UNKNOWN	(-1)

enum scgi_verdict {
	SCGI_MORE,		/* so far so good, not yet complete */
	SCGI_DONE,
	SCGI_BAD,		/* not an SCGI head: answer 400 */
	SCGI_LARGE,		/* over a limit above: answer 431 */
	SCGI_VERDICT_N
};

/* A checked block: borrows the bytes, owns nothing. */
struct scgi {
	const char	*block;		/* name NUL value NUL ... */
	size_t		 len;		/* bytes, the last NUL included */
	unsigned int	 nvars;
	uint16_t	 at[SCGI_VARS_MOST]; /* the first names, for scgi_find() */
};

/* Cursor of scgi_next(); start with { 0 }. */
struct scgi_iter {
	size_t		 at;
	const char	*name;
	const char	*value;
};

/*
 * Looks at the first `len` bytes of a stream.  Pure: call it again with more
 * bytes after SCGI_MORE.  On SCGI_DONE `out` borrows the block inside `data`
 * and *head_bytes is what the whole netstring takes, comma included; the
 * bytes behind it are the body's.  On SCGI_BAD and SCGI_LARGE *why is a
 * phrase for a log (static).  SCGI_BAD and SCGI_LARGE are reported as soon
 * as they are certain (a length over the limit: at once).
 */
enum scgi_verdict
	scgi_parse(const void *data, size_t len, struct scgi *out,
	    size_t *head_bytes, const char **why);

/*
 * The same checks on a bare block, as it comes back from the store or over
 * a frame.  SCGI_DONE, SCGI_BAD or SCGI_LARGE.  They are: every name and
 * value ends in NUL, no empty name, no '=' in a name, no control character
 * but TAB in a name, nor in the value of CONTENT_*, DOCUMENT_*, HTTP_*,
 * PATH_*, QUERY_*, REMOTE_*, REQUEST_*, SCRIPT_* or SERVER_*, SCGI is "1",
 * CONTENT_LENGTH is decimal digits within int64 and comes first (or is
 * absent, see above), no second CONTENT_LENGTH, SCGI, REQUEST_METHOD,
 * SCRIPT_*, PATH_* or REMOTE_*; CONTENT_LENGTH agrees with
 * HTTP_CONTENT_LENGTH unless HTTP_TRANSFER_ENCODING is there.
 */
enum scgi_verdict
	scgi_check(const void *block, size_t len, struct scgi *out,
	    const char **why);

/* The first value of a name, borrowed, or NULL. */
const char *
	scgi_find(const struct scgi *, const char *name);

/* The next variable, in the order of the block.  False at the end. */
bool	scgi_next(const struct scgi *, struct scgi_iter *);

/* Bytes of the body, or SCGI_LENGTH_UNKNOWN. */
int64_t	scgi_content_length(const struct scgi *);

/*
 * Writing a head: begin, add variables in order (CONTENT_LENGTH first,
 * SCGI=1 second; the caller's duty), finish.  `b` then holds exactly one
 * netstring.  -1 with errno EMSGSIZE above SCGI_HEAD_MAX or the buffer's
 * cap, ENOMEM without memory.
 */
int	scgi_begin(struct buf *)
	__attribute__((warn_unused_result));
int	scgi_add(struct buf *, const char *name, const char *value)
	__attribute__((warn_unused_result));
int	scgi_finish(struct buf *)
	__attribute__((warn_unused_result));

#endif
