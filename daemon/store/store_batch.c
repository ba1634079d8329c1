/*
 * store_batch - what is queued is committed together.
 *
 *	queue --> batch: admitted, applied, settled --> answered --> done()
 *			          (writer)
 *
 * One batch is under way at a time; what is queued meanwhile is the next
 * one.  That is all there is to group commit: a store that is slow to commit
 * gets larger batches.  A batch begins in a turn of its own, after the loop
 * has looked at its sockets again, so that a burst arrives as one batch and
 * a chain of operations cannot starve the loop.
 *
 * Whoever is called back answers a client, who then has the next request: a
 * few of a batch have their turn, and then the loop looks at its sockets, lest
 * one who only asks stand behind all of them, and again behind what they ask.
 */
#include "config.h"

#include <assert.h>
#include <time.h>

#include <event2/event.h>

#include "daemon/store/store_priv.h"

#define BATCH_MAX	512	/* operations in one commit */
#define CALLS_MIN	4	/* called back in one turn of the loop, ... */
#define CALLS_PART	16	/* ... and this part of all that are to be */

/*
 * A timer of nothing fires after the loop has polled, event_active() would
 * fire before; but only the latter needs no memory.
 */
static void
next_turn(struct event *event)
{
	static const struct timeval at_once;

	if (event_add(event, &at_once) < 0)
		event_active(event, EV_TIMEOUT, 1);
}

/* -- applied --------------------------------------------------------------- */

static void
batch_take(struct store *s)
{
	struct store_batch *b = &s->batch;
	struct store_op *op;

	b->ops = (struct store_ops){ 0 };
	b->loads = store_op_is_load(b->queue.head);
	b->bytes = b->tasks = 0;
	while ((op = b->queue.head) && b->ops.n < BATCH_MAX &&
	    store_op_is_load(op) == b->loads) {
		store_ops_add(&b->ops, store_ops_take(&b->queue));
		if (op->kind == STORE_INSERT)
			store_budget_admit(s, op);
	}
}

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
batch_run(struct work *w)
{
	struct store *s = OWNER_OF(w, struct store, batch.work);
	struct store_batch *b = &s->batch;
	uint64_t from_us = now_us();
	struct store_op *op;

	if (b->loads)
		for (op = b->ops.head; op; op = op->next)
			s->backend->load(s->state, op);
	else
		s->backend->apply(s->state, b->ops.head, &b->bytes, &b->tasks);
	b->took_us = now_us() - from_us;
}

/* All that follows a batch but for calling back. */
static void
batch_settle(struct store *s)
{
	struct store_batch *b = &s->batch;
	struct store_op *op;

	if (b->loads)
		return;
	store_budget_settle(s, b->ops.head, b->bytes, b->tasks);
	b->napplied++;
	b->nchanges += b->ops.n;
	hist_add(&b->commit_us, &hist_commit_us, b->took_us);
	hist_add(&b->sizes, &hist_batch, b->ops.n);
	for (op = b->ops.head; op; op = op->next) {
		if (!store_op_leaves(op))
			continue;
		blob_unref(&op->message.head);
		store_waste_body(s, &op->message.body);
	}
}

/* -- answered -------------------------------------------------------------- */

static void
call_back(struct store_batch *b)
{
	size_t calls = CALLS_MIN + b->answered.n / CALLS_PART;
	struct store_op *op;

	while (b->answered.head && calls-- > 0) {
		op = store_ops_take(&b->answered);
		op->done(op);
	}
	if (b->answered.head)
		next_turn(b->calls);
}

static void
calls_came(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	call_back(arg);
}

/* -- one after the other ---------------------------------------------------- */

static void	batch_start(struct store *);

/* The next batch is on its way before anybody is called back. */
static void
batch_done(struct work *w)
{
	struct store *s = OWNER_OF(w, struct store, batch.work);
	struct store_batch *b = &s->batch;
	bool first = !b->answered.head;

	batch_settle(s);
	b->busy = false;
	while (b->ops.head)
		store_ops_add(&b->answered, store_ops_take(&b->ops));
	if (b->queue.head && s->writer)
		batch_start(s);
	else if (b->queue.head)
		next_turn(b->turn);
	store_tidy_soon(s);
	if (first)
		call_back(b);
}

static void
batch_start(struct store *s)
{
	struct store_batch *b = &s->batch;

	assert(b->queue.head && !b->busy);
	b->busy = true;
	batch_take(s);
	if (s->writer) {
		store_hand_over(s->writer, &b->work, batch_run, batch_done);
	} else {
		batch_run(&b->work);
		batch_done(&b->work);
	}
}

static void
turn_came(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	batch_start(arg);
}

void
store_batch_queue(struct store *s, struct store_op *op)
{
	struct store_batch *b = &s->batch;

	store_ops_add(&b->queue, op);
	if (b->queue.n == 1 && !b->busy)
		next_turn(b->turn);
}

/* -- begin and end --------------------------------------------------------- */

int
store_batch_init(struct store *s)
{
	struct store_batch *b = &s->batch;

	b->turn = event_new(s->base, -1, 0, turn_came, s);
	b->calls = event_new(s->base, -1, 0, calls_came, b);
	return b->turn && b->calls ? 0 : -1;
}

void
store_batch_stop(struct store *s)
{
	struct work *w;

	for (w = work_pool_free(s->writer); w; w = w->next)
		if (w == &s->batch.work)
			batch_settle(s);
	s->writer = NULL;
}

void
store_batch_fini(struct store *s)
{
	struct store_batch *b = &s->batch;
	struct store_op *op;

	for (op = b->answered.head; op; op = op->next)
		if (store_op_is_load(op))
			store_op_drop(op);
	while (b->queue.head) {
		batch_take(s);
		if (b->loads) {
			for (op = b->ops.head; op; op = op->next)
				store_op_drop(op);
		} else {
			batch_run(&b->work);
			batch_settle(s);
		}
	}
	if (b->turn)
		event_free(b->turn);
	if (b->calls)
		event_free(b->calls);
}
