/*
 * store_op - what can be said of an operation by itself.
 */
#include "config.h"

#include <stdio.h>

#include "daemon/store/store_priv.h"

void
message_fini(struct message *m)
{
	blob_unref(&m->head);
	body_fini(&m->body);
}

bool
store_op_is_load(const struct store_op *op)
{
	return op->kind == STORE_LOAD_REQUEST ||
	    op->kind == STORE_LOAD_RESPONSE ||
	    op->kind == STORE_LOAD_INFO;
}

bool
store_op_brings(const struct store_op *op)
{
	return (op->kind == STORE_INSERT && !op->only_look) ||
	    (op->kind == STORE_MOVE && task_finished(op->to));
}

bool
store_op_leaves(const struct store_op *op)
{
	return op->verdict == STORE_OK &&
	    (op->kind == STORE_REMOVE || store_op_brings(op));
}

void
store_op_drop(struct store_op *op)
{
	message_fini(&op->message);
	blob_unref(&op->texts);
	blob_unref(&op->tries);
	op->verdict = STORE_FAILED;
}

void
store_ops_add(struct store_ops *l, struct store_op *op)
{
	op->next = NULL;
	if (l->head)
		l->tail->next = op;
	else
		l->head = op;
	l->tail = op;
	l->n++;
}

struct store_op *
store_ops_take(struct store_ops *l)
{
	struct store_op *op = l->head;

	l->head = op->next;
	l->n--;
	return op;
}

char *
store_try_line(char out[STORE_TRY_MAX], const struct store_op *op)
{
	int n = snprintf(out, STORE_TRY_MAX, "%u\t%lld\t",
	    (unsigned int)op->from_attempt, (long long)op->now_ms);
	char *at = out + n, *end = out + STORE_TRY_MAX - 2;

	/* One line with two tabs, whatever a task has said. */
	for (const char *p = op->tried; *p != '\0' && at < end; p++)
		*at++ = (unsigned char)*p < ' ' ? ' ' : *p;
	*at++ = '\n';
	*at = '\0';
	return out;
}
