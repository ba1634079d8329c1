/*
 * backend - what the store asks of memory.c, sqlite.c, ...
 *
 * A back-end is a const table of functions; memory.c, the smallest, is the
 * template.  The store owns threads, batches, budgets and the order; a
 * back-end only applies.
 */
#ifndef DAEMON_STORE_BACKEND_H
#define DAEMON_STORE_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/store/store.h"

/* What there is room for, where bodies and tasks are kept. */
struct store_room {
	uint64_t	 free_bytes;	/* for us; of the disk with the fewest */
	uint64_t	 disk_bytes;	/* the size of that disk; 0: unknown */
	uint64_t	 log_bytes;	/* the back-end's log, on the disk */
};

struct store_backend {
	const char	*name;		/* "memory", "sqlite" */
	bool		 durable;
	bool		 threaded;	/* false: apply and load run on the loop */

	/* `where` is what follows "name:" in the setting, or "".  NULL: error. */
	void		*(*open)(const char *where, const struct conf *,
			    char *error);

	/* It is to be closed soon: wait for nobody else for long.  NULL: none. */
	void		 (*leave)(void *);
	void		 (*close)(void *);

	/* Adds to *bytes and *tasks what is kept, as apply() counts it. */
	int		 (*scan)(void *,
			    int (*each)(const struct store_row *, void *),
			    void *arg, int64_t *bytes, int64_t *tasks,
			    char *error);

	/*
	 * Applies a list of INSERT, MOVE and REMOVE in order, sets each
	 * verdict (it comes as OK), and returns when all of it is committed
	 * (or failed).  An INSERT that has no_room is TAKEN or FULL.  On the
	 * writer thread if threaded.
	 *
	 * Where the verdict is OK, an INSERT or a MOVE to a finished state
	 * takes what is in op->message, and what is no longer needed is left
	 * there instead, for the store to give back: the request of a task
	 * that finished, the rest of one that was removed.  A body that is
	 * only a file on the disk is left as its `file`, with fd -1.  Any
	 * other MOVE does not touch op->message.
	 *
	 * Adds to *bytes what is kept more, or less, than before, and to
	 * *tasks likewise.  The bytes of a task are message_bytes() plus the
	 * lengths of method, path, reason and log, and of owner and claim if
	 * the back-end keeps them.
	 */
	void		 (*apply)(void *, struct store_op *list,
			    int64_t *bytes, int64_t *tasks);

	/*
	 * Upkeep after a batch, in a step that the next one can wait for;
	 * true if there is more to do.  On the writer thread.  NULL: none.
	 */
	bool		 (*tidy)(void *);

	/* One LOAD.  On the reader thread if threaded. */
	void		 (*load)(void *, struct store_op *);

	/*
	 * Looks whether what is kept is sound, and writes about it (check.h);
	 * ends soon when *stop is set, UNABLE then.  On a thread of its own,
	 * beside all others.  NULL: there is nothing to look at.
	 */
	enum store_check (*check)(void *, FILE *report, _Atomic bool *stop);

	/* Asks the file systems; the struct is zeroed.  On an io thread.  NULL: none. */
	void		 (*look)(void *, struct store_room *);

	/* 0, or -1 with errno.  On the loop. */
	int		 (*spool_create)(void *, struct body *);

	/*
	 * Brings a body in a file to the disk, file and directory: 0, or -1
	 * with errno.  On an io thread.  NULL if not durable.
	 */
	int		 (*spool_sync)(void *, const struct body *);

	/* Deletes a spool file whose number is not 0.  On an io thread. */
	void		 (*spool_drop)(void *, uint64_t file);
};

extern const struct store_backend store_memory;
extern const struct store_backend store_sqlite;	/* #ifdef HAVE_SQLITE */

/* Head and body. */
static inline uint64_t
message_bytes(const struct message *m)
{
	return (m->head ? m->head->len : 0) + m->body.size;
}

/* The most that an INSERT keeps beside its message. */
static inline uint64_t
words_bytes(const struct store_op *op)
{
	return strlen(op->method) + strlen(op->path) +
	    (op->owner ? strlen(op->owner) : 0) +
	    (op->claim ? sizeof(*op->claim) : 0);
}

/* The line that op->tried adds to the tries of its task.  Gives out. */
char	*store_try_line(char out[STORE_TRY_MAX], const struct store_op *);

/* For look(): the disk on which this is, if it has less room than the last. */
void	store_room_at(struct store_room *, const char *path);

/* store_open() with the back-end that conf->store names. */
struct store *
	store_open_backend(struct event_base *, const struct conf *,
	    const struct store_backend *, const char *where, char *error)
	__attribute__((warn_unused_result));

#endif
