/*
 * conn_rig - a master without workers, for check_conn and check_server.
 *
 * Server, connections, scheduler and memory store are the real ones, on a
 * loop that the test itself turns; the launcher is the other end of a socket
 * pair and starts nobody, so what is submitted stays queued.  Clients live
 * in the same thread: after rig_idle() the master has done whatever it can
 * do by then, so that "no answer yet" is a fact and not a matter of time.
 */
#ifndef TESTS_CONN_RIG_H
#define TESTS_CONN_RIG_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "ipc/buf.h"
#include "daemon/conf.h"
#include "daemon/master/conn.h"
#include "daemon/master/server.h"

struct rig {
	char		 dir[32];
	char		 data_path[64], control_path[64];
	struct event_base *base;
	struct conf	*conf;
	struct store	*store;
	struct work_pool *io;
	struct sched	*sched;
	struct server	*server;
	struct conn_env	 env;
	int		 launcher;
	int		 open_before, open_idle;
};

extern struct rig rig;

/* `settings` go before a route for everything below /job. */
void	rig_open(const char *settings);

/* As main.c ends; asserts that no descriptor is left over. */
void	rig_close(void);

/* Other settings while it runs. */
void	rig_reload(const char *settings);

/* Turns the loop until there is nothing more to do now. */
void	rig_idle(void);

/* Turns the loop until all connections are closed. */
void	rig_wait_closed(void);

/* All is as it was before the first client: connections, bytes, descriptors. */
void	rig_assert_clean(void);

/* Tasks that the store keeps. */
size_t	rig_tasks(void);

/* --- clients --------------------------------------------------------------- */

#define ANSWER_MAX	8192

struct client {
	int		 fd;		/* the connection, or -1 */
	int		 in, out;	/* a door: the server's ends, or -1 */
	size_t		 len;
	bool		 ended;
	int		 error;		/* errno of the last read, or 0 */
	char		 answer[ANSWER_MAX + 1];
};

enum door { DOOR_SOCKET, DOOR_PIPES, DOOR_N };	/* mod_cgid, mod_cgi */

void	client_connect(struct client *, const char *path);

/* Makes what a web server gives a CGI; the CGI's ends are in fds. */
void	client_open_door(struct client *, enum door, int fds[2]);

/* Sends all of it, while the loop turns.  False when the peer is gone. */
bool	client_send(int fd, const void *, size_t);

/* The head with two descriptors, which it closes. */
void	client_send_door(struct client *, const struct buf *, const int fds[2]);

/* Whether the answer is complete by now. */
bool	client_ended(struct client *);

/* Turns the loop until the answer has ended; gives its status, 0 if none. */
int	client_wait(struct client *);
int	client_status(const struct client *);

/* A header's value, in a static buffer; NULL if there is none. */
const char *
	client_header(const struct client *, const char *name);
void	client_close(struct client *);

/*
 * An SCGI head: CONTENT_LENGTH (absent if negative), SCGI, method, path;
 * then pairs of name and value up to NULL.
 */
void	head_make(struct buf *, long length, const char *method,
	    const char *path, ...)
	__attribute__((sentinel));

/* A whole plain request in one write, and its answer. */
int	client_ask(struct client *, const char *method, const char *path,
	    const void *body, size_t len);

#endif
