/*
 * settings - deferd.conf as bytes that no longer change.
 *
 * The file is read once into a memfd, which is sealed and then checked.
 * That memfd, and never the file again, goes to master and workers, so all
 * of them parse what was checked here, also when only root may read the
 * file or somebody is just editing it.
 */
#ifndef DAEMON_LAUNCHER_SETTINGS_H
#define DAEMON_LAUNCHER_SETTINGS_H

#include <stdbool.h>

#include "daemon/conf.h"

struct settings {
	struct conf	*conf;		/* owned */
	int		 fd;		/* owned; the sealed memfd */
};

/*
 * Reads the file at `path`, or conf_default_text when path is NULL; `socket`
 * replaces the setting of that name unless it is NULL.  0, or -1 with a
 * message in `error`.
 */
int	settings_read(struct settings *, const char *path, const char *socket,
	    char error[CONF_ERROR_MAX])
	__attribute__((warn_unused_result));
void	settings_fini(struct settings *);

/* Byte for byte: then a reload has nothing to do. */
bool	settings_equal(const struct settings *, const struct settings *);

/*
 * A descriptor for a child, with an offset of its own at 0; the caller's.
 * -1 with errno.
 */
int	settings_open(const struct settings *)
	__attribute__((warn_unused_result));

/*
 * `deferd -n`: warns of users, directories, programs and modules that the
 * settings name and this machine does not have.
 */
void	settings_warn(const struct conf *);

/* Warns of walls (landlock) that this kernel cannot put around a task. */
void	settings_warn_walls(const struct conf *);

#endif
