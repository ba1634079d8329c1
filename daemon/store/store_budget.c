/*
 * store_budget - is there room for one more?
 *
 * Three limits: max-tasks, max-store, and the disk.  Nothing is promised
 * twice: what is kept counts, what is reserved for bodies that are arriving,
 * and what the INSERTs need that have joined a batch but are not committed.
 */
#include "config.h"

#include <assert.h>

#include "daemon/store/store_priv.h"

static bool
bytes_fit(struct store *s, uint64_t more)
{
	const struct store_budget *b = &s->budget;
	uint64_t used = (uint64_t)b->bytes + b->reserved + b->due.growth;

	store_room_look(s);
	return used <= b->max_bytes && more <= b->max_bytes - used &&
	    store_room_fits(s, more);
}

static bool
tasks_fit(const struct store_budget *b)
{
	return (uint64_t)b->tasks + b->due.tasks < b->max_tasks;
}

bool
store_reserve(struct store *s, uint64_t bytes)
{
	if (!bytes_fit(s, bytes))
		return false;
	s->budget.reserved += bytes;
	return true;
}

void
store_release(struct store *s, uint64_t bytes)
{
	assert(bytes <= s->budget.reserved);
	s->budget.reserved -= bytes;
}

bool
store_full(struct store *s)
{
	return !tasks_fit(&s->budget) || !bytes_fit(s, 1);
}

void
store_budget_admit(struct store *s, struct store_op *op)
{
	struct store_budget *b = &s->budget;
	uint64_t more = words_bytes(op) +
	    (op->message.head ? op->message.head->len : 0);

	b->due.reserved += op->message.body.size;
	op->no_room = op->only_look || !tasks_fit(b) || !bytes_fit(s, more);
	if (op->no_room)
		return;
	b->due.tasks++;
	b->due.growth += more;
}

/* Whose INSERT has succeeded has handed over the reservation. */
void
store_budget_settle(struct store *s, const struct store_op *op,
    int64_t bytes, int64_t tasks)
{
	struct store_budget *b = &s->budget;

	for (; op; op = op->next)
		if (op->kind == STORE_INSERT && op->verdict != STORE_OK)
			b->due.reserved -= op->message.body.size;
	store_release(s, b->due.reserved);
	b->due.tasks = b->due.growth = b->due.reserved = 0;
	b->bytes += bytes;
	b->tasks += tasks;
	assert(b->bytes >= 0 && b->tasks >= 0);
}
