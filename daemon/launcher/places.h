/*
 * places - what the launcher has in the file system while it lives: the two
 * sockets and the PID file.
 *
 * The sockets are opened once and held until the end, so that a master which
 * is restarted misses no connection.  At the end only files that are still
 * the launcher's own are removed; a socket that systemd has opened never is.
 */
#ifndef DAEMON_LAUNCHER_PLACES_H
#define DAEMON_LAUNCHER_PLACES_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/conf.h"
#include "daemon/launcher/inherit.h"
#include "daemon/launcher/spawn.h"

struct place {
	char		*path;		/* owned; NULL: there is none */
	bool		 theirs;	/* it came from systemd */
	int		 fd;		/* owned; -1 for the PID file */
	dev_t		 dev;
	ino_t		 ino;
};

struct places {
	struct place	 listen;
	struct place	 control;
	struct place	 pid_file;
};

/*
 * Makes them, and the directories they stand in.  `user` and `run_as` are
 * NULL when not started as root.  What systemd gave takes the place of the
 * data socket.  0, or -1 when it was logged why; nothing stays behind then,
 * and another daemon's places are not touched.
 */
int	places_open(struct places *, const struct conf *, struct inherit *,
	    const struct spawn_user *user, const struct spawn_user *run_as)
	__attribute__((warn_unused_result));

/* Whether the data socket, with its backlog, is there after the daemon's end. */
bool	places_outlive(const struct places *);
void	places_close(struct places *);

#endif
