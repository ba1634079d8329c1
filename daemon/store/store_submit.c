/*
 * store_submit - the way that an operation takes.
 *
 *	submit --+--------> queue ----> batch ------> done()	a change
 *		 |            ^        (writer)
 *		 +--> sync ---+				its body is in a file
 *		 |    (io)
 *		 +--> load -------------------------> done()
 *		     (reader)
 *
 * A back-end without threads has no writer and no reader: its loads wait in
 * the queue with the changes, and batches are applied by the loop itself.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>

#include "daemon/log.h"
#include "daemon/store/store_priv.h"

static void
load_run(struct work *w)
{
	struct store_op *op = OWNER_OF(w, struct store_op, work);

	op->store->backend->load(op->store->state, op);
}

static void
load_done(struct work *w)
{
	struct store_op *op = OWNER_OF(w, struct store_op, work);

	op->done(op);
}

static void
sync_run(struct work *w)
{
	struct store_op *op = OWNER_OF(w, struct store_op, work);
	const struct store_backend *backend = op->store->backend;

	if (backend->spool_sync(op->store->state, &op->message.body) == 0)
		return;
	op->body_lost = true;
	op->verdict = errno == ENOSPC || errno == EDQUOT ?
	    STORE_FULL : STORE_FAILED;
	log_error("store-failed what=sync error=%m");
}

static void
sync_done(struct work *w)
{
	struct store_op *op = OWNER_OF(w, struct store_op, work);

	if (op->verdict == STORE_OK)
		store_batch_queue(op->store, op);
	else
		op->done(op);
}

void
store_submit(struct store *s, struct store_op *op)
{
	bool load = store_op_is_load(op);

	assert(op->kind != STORE_MOVE || task_may_move(op->from, op->to));
	assert(op->kind != STORE_INSERT || !task_finished(op->to));

	op->store = s;
	op->verdict = STORE_OK;
	op->body_lost = false;
	if (load || op->kind == STORE_REMOVE)
		op->message = MESSAGE_EMPTY;
	if (load)
		op->texts = op->tries = NULL;

	if (load && s->reader)
		store_hand_over(s->reader, &op->work, load_run, load_done);
	else if (s->backend->spool_sync && store_op_brings(op) &&
	    op->message.body.fd >= 0)
		store_hand_over(s->io, &op->work, sync_run, sync_done);
	else
		store_batch_queue(s, op);
}
