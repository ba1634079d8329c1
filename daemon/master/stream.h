/*
 * stream - a descriptor that somebody else may hold as well.
 *
 * The body of a request comes from, and its answer goes to, descriptors that
 * the door handed over: made by a web server, shared with nobody knows whom.
 * So O_NONBLOCK, which belongs to the shared open file description, proves
 * nothing here; every call says by itself that it must not block.  What
 * cannot promise that (a regular file on whatever file system) is never
 * touched by the loop: its owner uses a thread (stream_blocks()).
 */
#ifndef DAEMON_MASTER_STREAM_H
#define DAEMON_MASTER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum stream_kind {
	STREAM_NONE,		/* no descriptor */
	STREAM_SOCKET,
	STREAM_PIPE,
	STREAM_FILE,		/* regular: threads only */
	STREAM_NULL,		/* the real /dev/null */
	STREAM_KIND_N
};

struct stream {
	int		 fd;		/* owned, or -1 */
	enum stream_kind kind;
};

#define STREAM_CLOSED	((struct stream){ .fd = -1 })

/*
 * Takes a descriptor if it is of a kind above (a socket: of type SOCK_STREAM).
 * 0, or -1 with errno EINVAL; the descriptor is still the caller's then.
 */
int	stream_open(struct stream *, int fd)
	__attribute__((warn_unused_result));

/* Safe on a closed one.  May sleep, too, for stream_blocks(). */
void	stream_close(struct stream *);

/* Whether reading or writing may sleep, so that a thread has to do it. */
bool	stream_blocks(const struct stream *);

/* How long a file is, or -1 with errno. */
int64_t	stream_size(const struct stream *);

/*
 * Bytes, 0 at the end of input, or -1 with errno; EAGAIN: wait for it.  Never
 * sleeps, never raises SIGPIPE where the process ignores it.
 */
ssize_t	stream_read(const struct stream *, void *, size_t)
	__attribute__((warn_unused_result));
ssize_t	stream_write(const struct stream *, const void *, size_t)
	__attribute__((warn_unused_result));

/* The same in a thread, for stream_blocks(); `at` is the offset to read from. */
ssize_t	stream_pread(const struct stream *, void *, size_t, off_t at)
	__attribute__((warn_unused_result));

/*
 * Whether the other side has gone for good.  EOF on input cannot tell a
 * finished chunked upload from an aborted one; POLLHUP on mod_cgid's socket
 * and POLLERR on mod_cgi's stdout pipe can.
 */
bool	stream_gone(const struct stream *);

/*
 * No more input is wanted: a Unix socket that is closed with unread bytes
 * resets its peer, which then loses the answer; so stop the peer and read
 * what is queued.
 */
void	stream_refuse_input(const struct stream *);

#endif
