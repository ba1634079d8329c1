/*
 * server - listening sockets: who may come in, and how many at once.
 *
 * Refuses by budget, never by accident: a connection is accepted only while
 * there are descriptors for all that it can come to need.  Those above the
 * budget wait in the backlog, where the door's own deadline looks after them.
 */
#ifndef DAEMON_MASTER_SERVER_H
#define DAEMON_MASTER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/master/conn.h"

struct server;

/*
 * Serves both listeners (control_fd may be -1); takes them.  Borrows env,
 * whose `closed` and `arg` it sets.  Who may connect: on the data socket
 * conf->peers and the daemon's own user, on the control socket the daemon's
 * own user, root and conf->control_peers.  NULL with errno.
 */
struct server *
	server_new(struct conn_env *, int listen_fd, int control_fd)
	__attribute__((warn_unused_result));

/*
 * Closes listeners and connections.  After store_close(), since the store
 * borrows from them; no thread may be working for them.
 */
void	server_free(struct server *);

/* The peers of env->conf, anew. */
void	server_set_conf(struct server *);

/*
 * Nobody comes in any more.  Who stands outside waits for the heir, who will
 * listen on these sockets; without one the sockets are shut, so that the
 * next one is refused at once, and who stands outside is let in yet.  May be
 * called again when the heir is not to come.
 */
void	server_close(struct server *, bool heir);

/* After server_close(): all who were inside, or outside, have gone. */
bool	server_is_empty(const struct server *);

/* For how many milliseconds the one who came first has been inside; or 0. */
int64_t	server_oldest_ms(const struct server *);

/* Who is still asking gets a 503 now. */
void	server_hurry(struct server *);

/* Connections that are open. */
size_t	server_count(const struct server *);

#endif
