/*
 * talk - one SCGI request over the control socket, and its answer.
 *
 * A request has a connection of its own, as the protocol has it.  The body is
 * sent from a descriptor and the answer's is read by the caller, piece by
 * piece: neither is ever held whole here.
 */
#ifndef CTL_TALK_H
#define CTL_TALK_H

#include <stdint.h>
#include <sys/types.h>

#include "ipc/buf.h"

#define TALK_WHY_MAX	1024
#define TALK_CHUNK	65536		/* bytes read or sent at once */

enum talk_end {
	TALK_ANSWERED,		/* status and head are there; the body may follow */
	TALK_AWAY,		/* nobody is there, or has gone without an answer */
	TALK_NONSENSE,		/* what came is no answer */
	TALK_WOKEN		/* wake_fd had something */
};

struct talk_var {
	const char	*name, *value;
};

/* All is borrowed; members that are zero are not there. */
struct talk_question {
	const char	*method;
	const char	*path;		/* decoded; below the mount, which is "" */
	const char	*query;		/* without the question mark */
	const char	*uri;		/* as it was typed; NULL: of path and query */
	const struct talk_var *vars;	/* beside those that every request has */
	size_t		 nvars;
	int		 body_fd;	/* body_size bytes are read from here */
	uint64_t	 body_size;
	int		 patience_s;	/* without a byte from there; 0: endless */
	int		 wake_fd;	/* 0: none; readable: no longer wanted */
	/* for ask.h: what an answer of the 200s is, or it makes no sense */
	int		 status;	/* 0: any */
	const char	*member;	/* the document has it */
};

struct talk {
	int		 fd;
	int		 patience_ms, wake_fd;	/* -1: none */
	int		 status;
	struct buf	 head;		/* as it came, the empty line included */
	struct buf	 ahead;		/* of the body, what came with the head */
	int64_t		 left;		/* of the body; -1: until the end */
	char		 why[TALK_WHY_MAX]; /* what went wrong: for people */
};

/* In any case, talk_close() follows. */
enum talk_end
	talk_open(struct talk *, const char *socket,
	    const struct talk_question *)
	__attribute__((warn_unused_result));

/* More of the body: bytes, 0 when it is complete, -1 with why. */
ssize_t	talk_read(struct talk *, void *, size_t)
	__attribute__((warn_unused_result));

/* A header of the answer, cut to `size` with its NUL; "" if it has none. */
char	*talk_header(const struct talk *, const char *name, char *out,
	    size_t size);

void	talk_close(struct talk *);

#endif
