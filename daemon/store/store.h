/*
 * store - the contract between the master and whatever keeps the tasks.
 *
 * It carries memory and SQLite today and must carry a PostgreSQL under many
 * nodes later.  Therefore:
 *
 * - It is asynchronous.  An operation is a struct store_op, embedded in an
 *   object of the caller's, so queueing allocates nothing and cannot fail.
 *   Its done() is called on the loop, in a later turn, never inside
 *   store_submit().  Loads are answered in the order they were queued, and
 *   so are changes; a change that brings a body in a file is queued when the
 *   file is on the disk, so that it holds up nobody.
 * - Every transition is conditional on (row, state, attempt).  STORE_LOST
 *   means that somebody was faster, and is normal.  The table is a cache.
 * - The store owns bodies: a load gives bytes or a descriptor, never a path.
 * - Everything queued while a commit is under way is the next commit (group
 *   commit, batches capped); done() means committed.  A body in a file is on
 *   the disk, file and directory, before the commit that names it.
 *
 * Who counts what: the caller reserves bytes while a request's body arrives
 * (store_reserve), in all exactly message.body.size, and STORE_INSERT takes
 * that reservation over when it succeeds; the store itself counts what it
 * keeps: heads, bodies, and the texts beside them.  max-tasks and max-store
 * refuse an INSERT, and the latter a reservation, never a MOVE: what runs may
 * finish.
 */
#ifndef DAEMON_STORE_STORE_H
#define DAEMON_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/master/hist.h"
#include "daemon/master/task.h"
#include "daemon/store/body.h"
#include "daemon/store/check.h"
#include "daemon/store/work.h"

struct event_base;
struct conf;
struct store;

enum store_verdict {
	STORE_OK,
	STORE_LOST,		/* no such row in that state and attempt */
	STORE_TAKEN,		/* INSERT: its claim has a task already */
	STORE_FULL,		/* max-tasks, max-store or the disk */
	STORE_FAILED,		/* I/O error, no memory; said in the log */
	STORE_VERDICT_N
};

enum store_kind {
	STORE_INSERT,		/* a new task: queued, or running, attempt 1 */
	STORE_MOVE,		/* from (state, attempt) to (state, attempt) */
	STORE_REMOVE,		/* forget it, whatever its state */
	STORE_LOAD_REQUEST,
	STORE_LOAD_RESPONSE,
	STORE_LOAD_INFO,	/* what is said of it, whatever its state */
	STORE_KIND_N
};

#define STORE_DIGEST_BYTES	32

/*
 * What makes a task the only one of its kind, for as long as it is kept: an
 * INSERT with the key of one that is there is TAKEN.  Both are digests.
 */
struct store_claim {
	unsigned char	 key[STORE_DIGEST_BYTES];
	unsigned char	 request[STORE_DIGEST_BYTES];	/* what is asked for */
};

/* A request (head: the SCGI block) or a response (head: the CGI head). */
struct message {
	struct blob	*head;
	struct body	 body;
};
#define MESSAGE_EMPTY	((struct message){ .body = { .fd = -1 } })
void	message_fini(struct message *);

/* What became of a finished task beside its response; texts are borrowed. */
struct store_outcome {
	const char	*reason;	/* for users; NULL or "" if succeeded */
	const void	*log;		/* tail of stderr */
	size_t		 log_len;
	int32_t		 wait_status;	/* as waitpid(); -1: no process */
	uint64_t	 cpu_us;
	uint64_t	 max_rss_kib;
};

#define STORE_TRY_MAX	400	/* bytes of a line of tries, NUL included */

struct store_op {
	/*
	 * The store's, while it borrows the operation.  One link, since it is
	 * on every submission's way: what is free between that which stays
	 * costs memory for good (60 bytes a task for two links; row 10).
	 */
	struct store_op	*next;
	struct store	*store;
	struct work	 work;			/* a load, or a sync */
	bool		 no_room;		/* INSERT: for a new task */

	enum store_kind	 kind;
	enum store_verdict verdict;		/* set before done() */
	bool		 body_lost;		/* its file could not be synced: the kernel
						 * says so once, so never try it again;
						 * or, LOAD: is not there any more */
	void		(*done)(struct store_op *);
	void		*arg;			/* the caller's */

	int64_t		 row;			/* INSERT: the store sets it */
	enum task_state	 from, to;		/* MOVE; INSERT: to */
	uint32_t	 from_attempt, to_attempt; /* likewise */
	int64_t		 now_ms;		/* Unix time of the change */

	/*
	 * INSERT only; borrowed until done().  TAKEN: row and id are those of
	 * the task that is there; `same` says whether it asked for the same.
	 * only_look: the caller has no room for it: TAKEN, or else FULL.
	 */
	unsigned char	 id[TASK_ID_BYTES];
	bool		 same, only_look;
	const struct store_claim *claim; /* or NULL */
	const char	*route;
	const char	*owner;		/* or NULL; LOAD_RESPONSE and LOAD_INFO */
	const char	*method;	/* give these three (in `texts`) */
	const char	*path;

	/*
	 * INSERT: the request; MOVE to a finished state: the response, if
	 * any.  Taken by the store when the verdict is OK, else still the
	 * caller's.  LOAD: given to the caller when OK, empty otherwise.
	 * REMOVE: emptied.  Any other MOVE leaves it alone.
	 * A finished task's request is deleted by the MOVE, but for method
	 * and path.
	 */
	struct message	 message;

	/*
	 * MOVE to a finished state; LOAD_RESPONSE gives it (texts in `texts`).
	 * LOAD_INFO too, but for the log, and of the message what there is of
	 * a response: its head, and the size of the body without the body.
	 */
	struct store_outcome outcome;
	int64_t		 started_ms;	/* both LOADs: Unix time it last got to */
					/* run, 0 if never */
	struct blob	*texts;			/* LOAD: owns outcome's texts */

	/*
	 * MOVE from running to queued: why this attempt was not the last, one
	 * line; borrowed, NULL: not told.  LOAD_INFO gives all that were told:
	 * lines of attempt TAB Unix time in ms TAB reason; owned, or NULL.
	 */
	const char	*tried;
	struct blob	*tries;
};

/* One task as the store knew it at start, for store_scan(). */
struct store_row {
	int64_t		 row;
	unsigned char	 id[TASK_ID_BYTES];
	enum task_state	 state;
	uint32_t	 attempt;
	int64_t		 created_ms, changed_ms;
	const char	*route;			/* borrowed for the call */
	const char	*method;
	const char	*owner;			/* or NULL */
};

/*
 * Opens what conf->store names, with limits and spool of `conf`.  NULL with
 * a message for people in error[CONF_ERROR_MAX].
 */
struct store *
	store_open(struct event_base *, const struct conf *, char *error)
	__attribute__((warn_unused_result));

/*
 * Waits until what is queued is committed, then closes; calls nobody back,
 * and gives nobody a message: queued loads are dropped.  NULL is fine.  Not
 * from a done().
 */
void	store_close(struct store *);

/* New limits after a reload. */
void	store_set_conf(struct store *, const struct conf *);

/* Whether an accepted task survives the death of this process. */
bool	store_durable(const struct store *);

/*
 * Calls `each` for every task kept, oldest first; before the loop starts.
 * 0, or -1 with a message in error[CONF_ERROR_MAX].
 */
int	store_scan(struct store *,
	    int (*each)(const struct store_row *, void *), void *arg,
	    char *error)
	__attribute__((warn_unused_result));

/* Queues an operation.  The store borrows `op` until op->done(op). */
void	store_submit(struct store *, struct store_op *op);

/*
 * Budget for a body that is arriving: false if max-store is reached.  What
 * was reserved is released by the caller, or taken over by an INSERT with
 * verdict OK.
 */
bool	store_reserve(struct store *, uint64_t bytes)
	__attribute__((warn_unused_result));
void	store_release(struct store *, uint64_t bytes);
bool	store_full(struct store *);	/* would refuse one byte more */

/*
 * A new empty spool file, open for reading and writing, in `body` (size 0;
 * the writer counts).  If it reaches no INSERT or MOVE, body_fini() and
 * store_spool_drop() make it vanish.  0, or -1 with errno.
 */
int	store_spool_create(struct store *, struct body *body)
	__attribute__((warn_unused_result));
void	store_spool_drop(struct store *, uint64_t file);

/* Embedded in the object of whoever wants to know whether the store is sound. */
struct store_checkup {
	struct work	 work;		/* the store's */
	struct store	*store;
	enum store_check found;
	char		*report;	/* lines; NULL: no memory */
	size_t		 len;
	void		(*done)(struct store_checkup *);
};

/*
 * Looks through all that is kept, which may take minutes, on a thread of its
 * own: neither loop nor commits wait.  done() is called once; several that
 * ask have it one after the other.  -1: no thread, done() is not called.
 */
int	store_checkup(struct store *, struct store_checkup *)
	__attribute__((warn_unused_result));
void	store_checkup_fini(struct store_checkup *);

/* For /info, metrics, tests. */
struct store_stats {
	const char	*kind;			/* "memory", "sqlite" */
	uint64_t	 tasks, max_tasks;
	uint64_t	 bytes, max_bytes;	/* kept */
	uint64_t	 reserved_bytes;
	uint64_t	 free_bytes;		/* on the disk, a moment ago */
	uint64_t	 min_free_bytes;	/* ... below which it is full */
	uint64_t	 log_bytes;		/* of the back-end's own log */
	uint64_t	 commits;		/* batches applied */
	uint64_t	 ops;			/* changes in them */
	struct hist	 commit_us;		/* hist_commit_us: of a batch */
	struct hist	 batch;			/* hist_batch: its changes */
};
void	store_stats(struct store *, struct store_stats *);

#endif
