/*
 * conn - one request, from its first byte to the last of its answer.
 *
 * Two ways in, one code path: with a door, two descriptors came with the
 * head, and body and answer go over them; without, they go over the
 * connection itself (plain SCGI).
 *
 * HEAD -> BODY -> ASKED -> ANSWER -> closed, with WAIT before the ANSWER when
 * the client prefers to wait for the end of its task: then it holds its
 * descriptors, a timer and little memory.  FOLLOW is for the log of a task that
 * has not ended: one look, which goes on to ANSWER, or a stream that takes its
 * place.  What is refused goes from wherever it is to ANSWER, over DRAIN when
 * the server at the other end wants to be rid of the body first.  If nobody
 * knows where the request ends LINGER comes last: what still comes is read and
 * forgotten, lest a reset takes the answer with it.  A conn dies by
 * conn_close(); its memory goes at the end of the loop's turn.
 */
#ifndef DAEMON_MASTER_CONN_H
#define DAEMON_MASTER_CONN_H

#include <event2/event.h>
#include <stdbool.h>

#include "daemon/conf.h"
#include "daemon/master/sched.h"
#include "daemon/store/store.h"
#include "daemon/store/work.h"

struct conn;

/* What all connections share; borrowed.  conf is the current one. */
struct conn_env {
	struct event_base *base;
	const struct conf *conf;
	const struct conf *first_conf;	/* that the master was started with */
	struct sched	*sched;
	struct store	*store;
	struct work_pool *io;
	bool		 debug;		/* failures show their detail */
	size_t		 connections;	/* open ones: the server counts them */
	/*
	 * Can come to need only so many descriptors from now on.  While it
	 * waits, sched_wait_release() may call that off.
	 */
	void		(*holds)(void *owner, unsigned int fds, bool waits);
	/* Is dead: conn_free() it when this turn of the loop has ended. */
	void		(*closed)(void *owner);
};

/*
 * All the memory that a head needs, before there is a client: who has come
 * in is owed an answer.  `owner` is what closed() is called with.  NULL
 * without memory.
 */
struct conn *
	conn_new(const struct conn_env *, void *owner)
	__attribute__((warn_unused_result));

/* From the control socket: no task is hidden from the operator. */
void	conn_trust(struct conn *);

/*
 * Takes fd, a stream socket, and begins to read; closed() may be called
 * before this returns.
 */
void	conn_start(struct conn *, int fd);

/* Others want to come in: one that has not said what it wants is closed. */
void	conn_hush(struct conn *);

/* The end is near: who is still asking gets a 503 now. */
void	conn_hurry(struct conn *);

/*
 * Frees it, whatever its state; no thread may be working for it.  With
 * env->store NULL, closed by now, nothing is given back to the store.
 */
void	conn_free(struct conn *);

#endif
