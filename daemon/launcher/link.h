/*
 * link - the launcher's end of its socket to the master.
 *
 * Sending never blocks and keeps the order: what the socket does not take
 * waits in a list.  What comes in is checked like any foreign input.
 */
#ifndef DAEMON_LAUNCHER_LINK_H
#define DAEMON_LAUNCHER_LINK_H

#include "ipc/frame.h"

struct link_frame;

struct link {
	int		 fd;		/* owned; -1: there is no master */
	struct link_frame *queue;	/* not sent yet; utlist */
};

enum link_verdict {
	LINK_FRAME,		/* one came */
	LINK_NOTHING,		/* none now */
	LINK_END,		/* the master closed its end */
	LINK_BAD,		/* not a frame that a master may send */
	LINK_VERDICT_N
};

void	link_init(struct link *);

/* Takes fd. */
void	link_open(struct link *, int fd);
void	link_close(struct link *);

/*
 * Takes the `nfds` descriptors in any case.  Without a master the frame is
 * dropped, successfully.  0, or -1 when it cannot even be queued: the master
 * would miss it, and must be restarted.
 */
int	link_send(struct link *, const struct frame *, const int *fds, int nfds)
	__attribute__((warn_unused_result));

/* What poll(2) should look for; then, if it is writable, link_flush(). */
short	link_events(const struct link *);
void	link_flush(struct link *);

/* The next frame: READY, SPAWN, KILL, ASK or ALIVE. */
enum link_verdict
	link_receive(struct link *, struct frame *);

#endif
