/*
 * store_priv - what the files of the store share, and no back-end sees.
 *
 *	store.c		the life of a store: open, close, figures
 *	store_submit.c	the way that an operation takes
 *	store_batch.c	what is queued is committed together
 *	store_budget.c	is there room for one more?
 *	store_room.c	how much room the disk has
 *	store_waste.c	files that nobody needs any more
 *	store_tidy.c	upkeep by the back-end
 *	store_checkup.c	is it sound?
 *	store_op.c	operations: kinds, lists, lines
 *
 * Everything runs on the loop but for the functions named *_run, which a
 * thread runs with the fields that stand beside its `work`.
 */
#ifndef DAEMON_STORE_STORE_PRIV_H
#define DAEMON_STORE_STORE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/master/hist.h"
#include "daemon/store/backend.h"
#include "daemon/store/work.h"

struct event;
struct event_base;

struct store_ops {
	struct store_op	*head, *tail;
	size_t		 n;
};

struct store_batch {
	/* the writer's while busy */
	struct work	 work;
	struct store_ops ops;		/* what is applied together */
	bool		 loads;		/* all of them, or else none */
	int64_t		 bytes, tasks;	/* as apply() counts */
	uint64_t	 took_us;

	/* the loop's */
	bool		 busy;
	struct store_ops queue;		/* for the batches to come */
	struct event	*turn;		/* the next one is to begin */
	struct store_ops answered;	/* to be called back */
	struct event	*calls;		/* there are more of these */
	uint64_t	 napplied;	/* batches */
	uint64_t	 nchanges;	/* operations in them */
	struct hist	 commit_us, sizes;
};

struct store_budget {
	uint64_t	 max_tasks, max_bytes;
	int64_t		 tasks, bytes;	/* kept */
	uint64_t	 reserved;	/* bytes of bodies still arriving */
	struct {			/* by the INSERTs of the batch: */
		uint64_t tasks;
		uint64_t growth;	/* bytes that nobody has reserved */
		uint64_t reserved;	/* bytes that somebody has */
	} due;
};

struct store_look {
	struct work	 work;
	struct store_room next;		/* what the thread sees */

	/* the loop's */
	bool		 busy;
	int64_t		 began_ms;	/* the last one */
	int64_t		 bytes, next_bytes; /* kept when a look began */
	struct store_room room;		/* what was seen last */
	uint64_t	 min_free;	/* bytes */
	bool		 low;		/* below the floor; said so */
};

struct store_tidy {
	struct work	 work;
	bool		 more;		/* to be done */
	bool		 busy;		/* the loop's */
};

struct store {
	const struct store_backend *backend;
	void		*state;		/* the back-end's */
	struct event_base *base;
	struct work_pool *writer, *reader; /* NULL if not threaded */
	struct work_pool *io;		/* NULL when the store is closing */
	struct work_pool *checker;	/* NULL until somebody wants to know */
	_Atomic bool	 stop_checks;

	struct store_batch batch;
	struct store_budget budget;
	struct store_look look;
	struct store_tidy tidy;
};

/* The object of this type whose `member` is this piece of work. */
#define OWNER_OF(w, type, member) \
	((type *)((char *)(w) - offsetof(type, member)))

static inline void
store_hand_over(struct work_pool *pool, struct work *w,
    void (*run)(struct work *), void (*done)(struct work *))
{
	w->run = run;
	w->done = done;
	work_submit(pool, w);
}

/* -- store_op.c ------------------------------------------------------------ */

bool	store_op_is_load(const struct store_op *);

/* Whether op->message is the store's to take. */
bool	store_op_brings(const struct store_op *);

/* Whether apply() may have left something there that nobody needs. */
bool	store_op_leaves(const struct store_op *);

/* A load that nobody will be given any more. */
void	store_op_drop(struct store_op *);

void	store_ops_add(struct store_ops *, struct store_op *);
struct store_op *
	store_ops_take(struct store_ops *);	/* the first, which is there */

/* -- store_batch.c --------------------------------------------------------- */

int	store_batch_init(struct store *)	/* -1: no memory */
	__attribute__((warn_unused_result));
void	store_batch_queue(struct store *, struct store_op *);

/* Ends the writer, and with it the batch that it has. */
void	store_batch_stop(struct store *);

/* No thread is left: what is queued is applied here and now, loads are dropped. */
void	store_batch_fini(struct store *);

/* -- store_budget.c -------------------------------------------------------- */

/* An INSERT joins the batch: is there room for it beside the others? */
void	store_budget_admit(struct store *, struct store_op *);

/* The books after a batch that brought so many bytes and tasks. */
void	store_budget_settle(struct store *, const struct store_op *,
	    int64_t bytes, int64_t tasks);

/* -- store_room.c ---------------------------------------------------------- */

/* The first time, while opening: on the loop. */
void	store_room_init(struct store *);

/* Whoever decides by what was seen has it looked at again for the next one. */
void	store_room_look(struct store *);

/* Whether so many bytes more are on the disk, by what was seen last. */
bool	store_room_fits(const struct store *, uint64_t more);
uint64_t
	store_room_floor(const struct store *);	/* bytes to be left free */

/* -- store_waste.c --------------------------------------------------------- */

void	store_waste_body(struct store *, struct body *);

/* -- store_tidy.c ---------------------------------------------------------- */

void	store_tidy_soon(struct store *);

/* -- store_checkup.c ------------------------------------------------------- */

void	store_checkup_stop(struct store *);

#endif
