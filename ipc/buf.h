/*
 * buf - growable bytes with two cursors and a cap.
 *
 * Bytes are added at the end and consumed at the front.  A buffer never
 * grows beyond the cap given to buf_init(), so whoever fills it from a
 * socket has its limit written down in one place.
 */
#ifndef IPC_BUF_H
#define IPC_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	unsigned char	*data;		/* owned; NULL while cap is 0 */
	size_t		 start;		/* first byte not yet consumed */
	size_t		 end;		/* behind the last byte added */
	size_t		 cap;		/* bytes there is room for */
	size_t		 max;		/* bytes it may hold, at most */
};

/* An empty buffer that allocates nothing until it is written to. */
void	buf_init(struct buf *, size_t max_bytes);

/* Frees what it owns; the buffer is empty and usable again. */
void	buf_fini(struct buf *);

/* Forgets the content, keeps the memory. */
void	buf_clear(struct buf *);

/*
 * Makes room for `n` more bytes and gives where they go; the caller writes
 * them and says so with buf_commit().  NULL with errno EMSGSIZE above the
 * cap, ENOMEM without memory; the content is untouched then.
 */
unsigned char *buf_space(struct buf *, size_t n)
	__attribute__((warn_unused_result));
void	buf_commit(struct buf *, size_t n);

/* Adds a copy of n bytes.  0, or -1 with errno as buf_space(). */
int	buf_add(struct buf *, const void *, size_t n)
	__attribute__((warn_unused_result));

/* Adds formatted text, without its NUL.  0, or -1 with errno. */
int	buf_printf(struct buf *, const char *fmt, ...)
	__attribute__((warn_unused_result, format(printf, 2, 3)));

/*
 * What is said for every request does not go through a format: strings, the
 * last one followed by NULL, and a number.  0, or -1 with errno.
 */
int	buf_texts(struct buf *, const char *, ...)
	__attribute__((warn_unused_result, sentinel));
int	buf_number(struct buf *, uint64_t)
	__attribute__((warn_unused_result));

/* Takes n bytes off the front; n is at most buf_len(). */
void	buf_consume(struct buf *, size_t n);

static inline size_t
buf_len(const struct buf *b)
{
	return b->end - b->start;
}

/* Borrowed; valid until the next change.  Never NULL. */
static inline const unsigned char *
buf_data(const struct buf *b)
{
	return b->data ? b->data + b->start : (const unsigned char *)"";
}

#endif
