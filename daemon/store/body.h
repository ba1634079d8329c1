/*
 * body - the body of a request or a response: bytes, or an open file.
 *
 * Small bodies are bytes in memory, shared by counting; large ones are a
 * descriptor of a spool file, never a path.  Nobody holds a large body in
 * memory whole.  A zeroed struct is not an empty body; BODY_EMPTY is.
 * Counting is not locked: a blob is used by one thread at a time.
 */
#ifndef DAEMON_STORE_BODY_H
#define DAEMON_STORE_BODY_H

#include <stddef.h>
#include <stdint.h>

struct blob {
	unsigned int	 refs;
	size_t		 len;
	unsigned char	 data[];
};

/* A copy of len bytes (zeroed if data is NULL) with one reference; NULL: ENOMEM. */
struct blob *
	blob_new(const void *data, size_t len)
	__attribute__((warn_unused_result));
struct blob *
	blob_ref(struct blob *);	/* NULL stays NULL */
void	blob_unref(struct blob **);	/* nulls the caller's pointer */

struct body {
	struct blob	*bytes;		/* or NULL */
	int		 fd;		/* or -1; then `bytes` is NULL */
	uint64_t	 size;		/* bytes of the body */
	uint64_t	 file;		/* the store's name for the spool file */
};

#define BODY_EMPTY	((struct body){ .fd = -1 })

/*
 * Shares the bytes, or opens the file once more: read-only, with an offset
 * of its own.  0, or -1 with errno; `to` is untouched then.
 */
int	body_share(struct body *to, const struct body *from)
	__attribute__((warn_unused_result));

/* Moves it: `from` is empty afterwards. */
void	body_take(struct body *to, struct body *from);

/* Gives back what it owns; empty afterwards. */
void	body_fini(struct body *);

#endif
