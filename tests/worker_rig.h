/*
 * worker_rig - a real worker process, and a test that is its master.
 *
 * The rig does what launcher and master would: writes the settings, makes
 * the slate, execs deferd-worker with the descriptors of daemon/role.h, and
 * speaks frames with it.  Everything is in a directory of its own, and
 * whoever is orphaned below is this process's to reap.
 */
#ifndef TESTS_WORKER_RIG_H
#define TESTS_WORKER_RIG_H

#include <stdbool.h>
#include <sys/types.h>

#include "ipc/buf.h"
#include "ipc/frame.h"
#include "ipc/slate.h"

#define RIG_IDS	4096	/* whose slots are known */

struct rig {
	char		 dir[64];
	struct buf	 conf;
	unsigned int	 threads;
	pid_t		 pid;		/* the worker */
	int		 master, jobs;	/* our ends */
	struct slate	 slate;
	struct frame	 f;		/* the last one that came */
	unsigned char	*packet;	/* what it borrows */
	unsigned int	 ids;		/* given so far */
	unsigned int	 slots[RIG_IDS];	/* of each; others have 0 */
	int		 spool;		/* the file NEED_SPOOL got, or -1 */
	int		 spool_error;	/* answer NEED_SPOOL with this */
	unsigned int	 progress_frames;
	unsigned int	 percent;	/* of the last one */
	char		 message[256];
};

/* A task.  Fields left out: GET, no body, no more variables. */
struct ask {
	const char	*route;		/* and its path, unless `path` is set */
	const char	*path;
	const char	*method;
	const char	*vars;		/* "NAME=value\n" ... */
	const void	*body;
	size_t		 body_len;
	bool		 body_in_fd;
	unsigned int	 slot;
};

void	rig_init(struct rig *, unsigned int threads);

/* A route "/<name>/" + star.  A program with this text, or another file. */
void	rig_script(struct rig *, const char *name, const char *settings,
	    const char *text);
void	rig_exec(struct rig *, const char *name, const char *settings,
	    const char *path);
void	rig_module(struct rig *, const char *name, const char *settings,
	    const char *path);

/* Starts the worker for the first pool and takes its HELLO. */
void	rig_start(struct rig *);

/* RUN.  The task's number, for rig_id(). */
unsigned int
	rig_ask(struct rig *, const struct ask *);
void	rig_id(unsigned char id[TASK_ID_BYTES], unsigned int number);
void	rig_cancel(struct rig *, unsigned int number);
void	rig_follow(struct rig *, unsigned int number, unsigned int on);
void	rig_send(struct rig *, const struct frame *, int fd);

/* The next frame, whatever it is; false at the end. */
bool	rig_next(struct rig *);

/* The next DONE; answers NEED_SPOOL and counts PROGRESS meanwhile. */
void	rig_done(struct rig *);

/* Both: a task and its end. */
void	rig_do(struct rig *, const struct ask *);
void	rig_get(struct rig *, const char *route);

/* What the last DONE must say. */
void	rig_check_body(struct rig *, const void *, size_t len);
void	rig_check_failed(struct rig *, const char *reason);
const char *
	rig_body_text(struct rig *);

/* Files of the rig's directory; waits until one is there, and not empty. */
void	rig_wait_file(struct rig *, const char *name);
void	rig_write_file(struct rig *, const char *name);
long	rig_read_number(struct rig *, const char *name);

/* It ends, whoever gets to reap it: we, or a parent that dies with it. */
void	rig_check_gone(pid_t);

/* A message that is no frame, to one of its sockets. */
void	rig_send_garbage(int fd);

/* No more jobs come. */
void	rig_retire(struct rig *);

/* Waits for the worker's end: its status as waitpid() gives it. */
int	rig_wait_worker(struct rig *);

/* Retires the worker, which must exit 0 and leave nothing; then fini. */
void	rig_stop(struct rig *);
void	rig_fini(struct rig *);

/* The thread that has this task on the slate; there must be one. */
struct slate_slot *
	rig_thread(struct rig *, unsigned int number);

/* The worker's VmRSS. */
long	rig_rss_kib(struct rig *);

/* Where the programs under test are. */
const char *
	rig_builddir(void);

#endif
