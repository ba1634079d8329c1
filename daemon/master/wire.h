/*
 * wire - frames to and from one other process: the launcher, or a worker.
 *
 * A non-blocking SEQPACKET socket on the loop.  What cannot be sent at once
 * waits in order; how much that can be is bounded by the slots of the worker.
 */
#ifndef DAEMON_MASTER_WIRE_H
#define DAEMON_MASTER_WIRE_H

#include <event2/event.h>
#include <stdbool.h>

#include "ipc/frame.h"
#include "ipc/sock.h"

struct packet;

struct wire {
	int		 fd;		/* owned, or -1 */
	bool		 over;		/* on_end() was called */
	bool		 ending;	/* what waits is the last */
	struct event	*readable, *writable;
	struct packet	*waiting;	/* utlist, first leaves first */
	/*
	 * A frame came; borrows frame and data.  The descriptors (as many as
	 * frame_fds() says) are the receiver's.
	 */
	void		(*on_frame)(struct wire *, const struct frame *,
			    const int *fds);
	/*
	 * EOF, an error or a bad frame (said in the log): no more will come.
	 * Called once; either may close the wire, neither may free it.
	 */
	void		(*on_end)(struct wire *);
	void		*arg;
};

/* Takes fd.  0, or -1 with errno; fd is closed then. */
int	wire_open(struct wire *, struct event_base *, int fd)
	__attribute__((warn_unused_result));
void	wire_close(struct wire *);

/*
 * Sends a frame with the descriptors that frame_fds() asks for; duplicates
 * them if they have to wait.  0, or -1 (no memory, or the other side is gone).
 */
int	wire_send(struct wire *, const struct frame *, const int *fds)
	__attribute__((warn_unused_result));

/*
 * What was sent is the last: the other side reads an end behind it.  Its own
 * frames are still received.
 */
void	wire_end(struct wire *);

/* Reads out what is there, calling on_frame(); on_end() if the end is there. */
void	wire_read_out(struct wire *);

#endif
