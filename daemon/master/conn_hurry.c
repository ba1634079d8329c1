/*
 * conn_hurry - who has not finished asking when the master has to end.
 */
#include "config.h"

#include "daemon/master/conn_priv.h"

/* Nobody waits for the rest: the answer leaves whatever is still to come. */
static void
answer_now(struct conn *c)
{
	if (c->readable != NULL)
		event_del(c->readable);
	c->garbled = true;
}

void
conn_hurry(struct conn *c)
{
	switch (c->state) {
	case CONN_HEAD:
		answer_now(c);
		conn_refuse(c, PROBLEM_DRAINING, NULL);
		break;
	case CONN_BODY:
		if (intake_busy(&c->intake))
			break;		/* a file: it is not long */
		answer_now(c);
		intake_fini(&c->intake);
		intake_init(&c->intake);
		conn_refuse(c, PROBLEM_DRAINING, NULL);
		break;
	case CONN_DRAIN:
		answer_now(c);
		conn_reply(c, 0);	/* it is made */
		break;
	case CONN_FOLLOW:
		conn_stderr_end(c);
		break;
	default:
		break;			/* it is being answered, or soon will */
	}
}
