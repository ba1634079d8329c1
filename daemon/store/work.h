/*
 * work - threads that do what the loop must not wait for.
 *
 * The loop hands over a piece of work; a thread runs it; the loop is woken,
 * takes the whole list of finished pieces and calls each back, unlocked.
 * The link is embedded in the object: submitting allocates nothing and
 * cannot fail.
 */
#ifndef DAEMON_STORE_WORK_H
#define DAEMON_STORE_WORK_H

#include <stdbool.h>

struct event_base;
struct work_pool;

struct work {
	struct work	*next;			/* the pool's */
	void		(*run)(struct work *);	/* on a thread of the pool */
	void		(*done)(struct work *);	/* on the loop; NULL: no more
						 * than run(), which may free it */
};

/* `name` is what the threads are called (15 characters); NULL with errno. */
struct work_pool *
	work_pool_new(struct event_base *, const char *name, int threads)
	__attribute__((warn_unused_result));

/*
 * Waits for what was submitted; calls nobody back any more.  Gives the
 * pieces that have run but were not called back, linked by `next`, for an
 * owner that must clean up after them.  NULL is fine.  Not from a done().
 */
struct work *
	work_pool_free(struct work_pool *);

/* From the loop only.  The pool borrows `w` until done() is called. */
void	work_submit(struct work_pool *, struct work *w);

/*
 * The same for work that may never return, since it touches what a stranger
 * has made: on a thread of its own, so that nobody waits behind it, but for
 * others of its kind when there are very many.  -1 with errno if there is no
 * thread at all: nothing was taken.
 */
int	work_submit_alone(struct work_pool *, struct work *w)
	__attribute__((warn_unused_result));

/* Before work_pool_free(): false if one of those has still not returned. */
bool	work_pool_settle(struct work_pool *);

#endif
