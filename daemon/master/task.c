/*
 * task - a submitted request on its way through its states.
 *
 * Every rule about states is the one table below (contract.md 6).  sched
 * asks it before it sends a move to the store, and task_move() asserts it
 * when the store has said OK: a move that the table does not have would
 * break a promise made to a client, so the master stops instead.
 */
#include "config.h"

#include <assert.h>
#include <string.h>
#include <uuid.h>

#include "daemon/master/task.h"

#define BIT(state)	(1u << (state))
#define FINISHED	(BIT(TASK_SUCCEEDED) | BIT(TASK_FAILED) | \
			 BIT(TASK_TIMED_OUT) | BIT(TASK_CANCELLED))

const char *const task_state_names[TASK_STATE_N] = {
	[TASK_QUEUED] = "queued",
	[TASK_RUNNING] = "running",
	[TASK_SUCCEEDED] = "succeeded",
	[TASK_FAILED] = "failed",
	[TASK_TIMED_OUT] = "timed-out",
	[TASK_CANCELLED] = "cancelled",
};

/* Where a task may go from each state: nowhere from a finished one. */
static const unsigned int next_states[TASK_STATE_N] = {
	[TASK_QUEUED] = BIT(TASK_RUNNING) | BIT(TASK_FAILED) |
	    BIT(TASK_CANCELLED),
	[TASK_RUNNING] = BIT(TASK_QUEUED) | FINISHED,
};

bool
task_finished(enum task_state state)
{
	assert(state < TASK_STATE_N);
	return (FINISHED & BIT(state)) != 0;
}

bool
task_may_move(enum task_state from, enum task_state to)
{
	assert(from < TASK_STATE_N && to < TASK_STATE_N);
	return (next_states[from] & BIT(to)) != 0;
}

void
task_move(struct task *t, enum task_state to, int64_t now_ms)
{
	assert(task_may_move(t->state, to));
	t->state = to;
	t->changed_ms = now_ms;
}

/*
 * uuid_generate_random() and not uuid_generate(): the latter may fall back
 * to time and MAC address, which can be guessed (contract.md 4).
 */
void
task_new_id(unsigned char id[TASK_ID_BYTES])
{
	uuid_t uuid;

	_Static_assert(sizeof(uuid) == TASK_ID_BYTES, "a uuid is the id");
	uuid_generate_random(uuid);
	memcpy(id, uuid, TASK_ID_BYTES);
}

char *
task_id_text(const unsigned char id[TASK_ID_BYTES], char out[TASK_ID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;

	for (int i = 0; i < TASK_ID_BYTES; i++) {
		*p++ = digits[id[i] >> 4];
		*p++ = digits[id[i] & 15];
	}
	*p = '\0';
	return out;
}

/* -1 for upper case too: one task has one link. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool
task_id_parse(const char *text, unsigned char id[TASK_ID_BYTES])
{
	if (strlen(text) != 2 * TASK_ID_BYTES)
		return false;
	for (int i = 0; i < TASK_ID_BYTES; i++) {
		int high = hex_value(text[2 * i]);
		int low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		id[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}
