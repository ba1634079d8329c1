/*
 * task - a submitted request on its way through its states.
 *
 * The entry in the table is small (a million of them must be cheap) and is a
 * cache of the store: request and response live there.
 *
 * queued -> running -> succeeded | failed | timed-out | cancelled
 * queued -> cancelled | failed
 * running -> queued	only by the rerun and retry rules
 *
 * One function changes a state: task_move(), called by sched when the store
 * has said OK.  A move that no rule allows asserts.
 */
#ifndef DAEMON_MASTER_TASK_H
#define DAEMON_MASTER_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "ipc/slate.h"		/* TASK_ID_BYTES */

#define TASK_ID_TEXT	33	/* 32 lowercase hex digits and NUL */

enum task_state {
	TASK_QUEUED,
	TASK_RUNNING,
	TASK_SUCCEEDED,
	TASK_FAILED,
	TASK_TIMED_OUT,
	TASK_CANCELLED,
	TASK_STATE_N
};

/*
 * 48 bits of milliseconds last to the year 6429, and make an entry 120 bytes:
 * with malloc's 8, and no byte of padding, 128.  A task with an owner has one
 * word more; the others, who are most, do not pay for it.
 */
struct task {
	UT_hash_handle	 hh;		/* table.c */
	struct task	*prev, *next;	/* its route's ready or finished list */
	unsigned char	 id[TASK_ID_BYTES];
	int64_t		 row;		/* the store's key */
	int64_t		 created_ms : 47; /* Unix time; to the year 4199 */
	unsigned int	 owned : 1;	/* there is an owner[0] */
	unsigned int	 route : 16;	/* index, sched's */
	int64_t		 changed_ms : 48; /* Unix time it entered its state */
	unsigned int	 readers : 16;	/* responses under way: it stays */
	int64_t		 ends_ms : 48;	/* monotonic time: finished, it expires; */
					/* queued, it starts, or 0: at once */
	unsigned int	 attempt : 8;	/* started so often */
	unsigned int	 state : 3;	/* enum task_state */
	unsigned int	 method : 4;	/* enum conf_method: the rerun rule asks */
	unsigned int	 listed : 1;	/* sched: prev and next are in use */
	uint64_t	 owner[];	/* owner_digest() */
};

/* "queued", ..., "timed-out"; as in JSON and Deferd-State. */
extern const char *const task_state_names[TASK_STATE_N];

/* A finished state never changes again. */
bool	task_finished(enum task_state);

/* Whether contract.md section 6 has this move. */
bool	task_may_move(enum task_state from, enum task_state to);

/* The one function that changes a state; asserts task_may_move(). */
void	task_move(struct task *, enum task_state to, int64_t now_ms);

/* A new random id (libuuid), 122 random bits. */
void	task_new_id(unsigned char id[TASK_ID_BYTES]);

/* 32 lowercase hex digits; out has room for TASK_ID_TEXT.  Gives out. */
char	*task_id_text(const unsigned char id[TASK_ID_BYTES],
	    char out[TASK_ID_TEXT]);

/* Exactly 32 lowercase hex digits and NUL, else false. */
bool	task_id_parse(const char *text, unsigned char id[TASK_ID_BYTES]);

#endif
