/*
 * conn_list - the list of tasks: GET /tasks.
 *
 * sched finds tasks (sched_list.c), part by part; the store says of each what
 * the table does not know; the writer (view_list.h) makes text of it.  A part
 * is loaded at once and comes back in its order, so never more than that is
 * under way, whatever is asked for.
 */
#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/clock.h"
#include "daemon/master/conn_priv.h"
#include "daemon/master/view_list.h"
#include "daemon/master/view_tasks_page.h"
#include "ipc/cgires.h"
#include "ipc/utf8.h"

/* A task that is being loaded. */
struct look {
	struct reading	 reading;
	struct lister	*lister;
};

struct lister {
	struct conn	*conn;
	struct filter	 asked;		/* for in the query */
	struct filter	 filter;	/* of this part; borrows from `asked` */
	struct listing	 listing;
	struct view_list view;
	const struct list_part *part, *last;
	bool		 more;		/* than the part may show */
	bool		 failed;
	size_t		 loading;
	struct look	 look[LISTING_PART];
};

static void	begin_part(struct lister *);

/* --- one task ------------------------------------------------------------------ */

/* Of the task's own response: 0 if there is none that could be read. */
static int
status_of(const struct task *t, const struct blob *head)
{
	struct cgires res;
	const char *why;
	size_t used;
	int status = 0;

	if (t->state != TASK_SUCCEEDED || head == NULL)
		return 0;
	cgires_init(&res, CGIRES_NORMAL_MAX);
	if (cgires_parse(&res, head->data, head->len, true, &used, &why) ==
	    CGIRES_DONE)
		status = res.status;
	cgires_fini(&res);
	return status;
}

/* No longer than a list wants it, and whole at its end (RFC 3629). */
static const char *
cut(char out[LISTED_TEXT_MAX + 1], const char *text)
{
	size_t shown;

	if (text == NULL || strlen(text) <= LISTED_TEXT_MAX)
		return text;
	shown = utf8_cut(text, strlen(text), LISTED_TEXT_MAX);
	memcpy(out, text, shown);
	out[shown] = '\0';
	return out;
}

static int
tell(struct lister *l, const struct task *t, const struct store_op *op)
{
	struct sched *s = l->conn->env->sched;
	const struct job *job = sched_job(s, t);
	char path[LISTED_TEXT_MAX + 1], reason[LISTED_TEXT_MAX + 1];
	char *link = view_link(l->conn->req.mount, t->id);
	bool over = task_finished((enum task_state)t->state);
	struct view_progress progress;
	struct listed listed = {
		.task = t, .link = link, .route = sched_route_name(s, t),
		.method = op->method, .path = cut(path, op->path),
		.owner = request_owner_user(op->owner),
		.started_ms = t->state != TASK_QUEUED ? op->started_ms : 0,
		.finished_ms = over ? t->changed_ms : 0,
		.expires_ms = over ? sched_expires_ms(t) : 0,
		.status = status_of(t, op->message.head),
		.size = op->message.body.size,
		.log = op->outcome.log, .log_len = op->outcome.log_len,
	};
	int told;

	if (op->outcome.reason != NULL && *op->outcome.reason != '\0')
		listed.reason = cut(reason, op->outcome.reason);
	if (job != NULL && job->percent >= 0) {
		progress = (struct view_progress){ job->percent, job->message };
		listed.progress = &progress;
	}
	told = link == NULL ? -1 : view_list_task(&l->view, &listed);
	free(link);
	return told;
}

/* --- one part ------------------------------------------------------------------ */

static unsigned int
limit_of(const struct lister *l)
{
	return l->part->limit < l->asked.limit ? l->part->limit :
	    l->asked.limit;
}

/* As many as may still be shown, and one that tells whether there are more. */
static void
find_next(struct lister *l)
{
	size_t want = limit_of(l) - l->view.count + 1;

	l->listing.want = want < LISTING_PART ? want : LISTING_PART;
	sched_list_next(&l->listing);
}

static void
end_list(struct lister *l, int made)
{
	struct conn *c = l->conn;

	if (made == 0)
		made = view_list_answer(&l->view, &c->answer);
	conn_list_free(c);
	conn_reply(c, made);
}

static void
end_part(struct lister *l)
{
	sched_list_end(&l->listing);
	if (l->failed || view_list_part_end(&l->view, l->more) == -1)
		end_list(l, -1);
	else if (++l->part == l->last)
		end_list(l, 0);
	else
		begin_part(l);
}

static bool
is_wanted(const struct lister *l, const struct task *t,
    const struct store_op *op)
{
	const char *owner = request_owner_user(op->owner);

	return filter_passes(&l->filter, t, l->view.now_ms) &&
	    (l->filter.owner == NULL || (owner != NULL &&
	    strcmp(owner, l->filter.owner) == 0));
}

/* What the store cannot read is listed with what the table knows. */
static void
take(struct lister *l, const struct task *t, const struct store_op *op)
{
	static const struct store_op unknown = { .message.body.fd = -1 };

	if (op->verdict == STORE_FAILED)
		op = &unknown;
	if (op->verdict == STORE_LOST || !is_wanted(l, t, op) || l->more ||
	    l->failed)
		return;
	if (l->view.count == limit_of(l))
		l->more = true;
	else
		l->failed = tell(l, t, op) == -1;
}

static void
on_loaded(struct reading *r, const struct task *t)
{
	struct lister *l = ((struct look *)r)->lister;
	struct sched *s = l->conn->env->sched;

	if (t != NULL)
		take(l, t, &r->op);
	message_fini(&r->op.message);
	blob_unref(&r->op.texts);
	blob_unref(&r->op.tries);
	if (r->op.kind == STORE_LOAD_RESPONSE)
		sched_read_end(s, r->id);
	if (--l->loading > 0)
		return;
	if (l->more || l->failed)
		end_part(l);
	else
		find_next(l);
}

/* The log of a task comes with its response; of one that runs, not at all. */
static void
load(struct lister *l, const struct task *t, struct look *look)
{
	struct reading *r = &look->reading;
	struct sched *s = l->conn->env->sched;

	r->done = on_loaded;
	look->lister = l;
	l->loading++;
	if (l->part->log && task_finished((enum task_state)t->state))
		sched_read(s, t, r);
	else
		sched_read_info(s, t, r);
}

static void
on_found(struct listing *listing, size_t n)
{
	struct lister *l = (struct lister *)((char *)listing -
	    offsetof(struct lister, listing));

	for (size_t i = 0; i < n; i++) {
		const struct task *t = sched_find(l->conn->env->sched,
		    listing->id[i]);

		if (t != NULL)
			load(l, t, &l->look[i]);
	}
	if (n == 0)
		end_part(l);
	else if (l->loading == 0)
		find_next(l);
}

/* A part that shows no state that was asked for is empty. */
static void
begin_part(struct lister *l)
{
	unsigned int asked = l->asked.states != 0 ? l->asked.states : LIST_ALL;

	l->filter = l->asked;
	l->filter.states = asked & l->part->states;
	if (l->filter.states == LIST_ALL)
		l->filter.states = 0;
	l->more = false;
	l->listing.filter = &l->filter;
	l->listing.now_ms = l->view.now_ms;
	l->listing.found = on_found;
	if ((asked & l->part->states) == 0)
		end_part(l);
	else if (sched_list_begin(l->conn->env->sched, &l->listing) == -1)
		end_list(l, -1);
	else
		find_next(l);
}

/* --- the whole ------------------------------------------------------------------ */

static int
begin(struct lister *l)
{
	struct conn *c = l->conn;
	const struct list_writer *writer = c->answer.html ? &view_tasks_page :
	    &view_list_json;
	struct stats_now now;
	int failed = sched_stats_now(c->env->sched, &now);

	now.connections = c->env->connections;
	l->view.req = &c->req;
	l->view.filter = &l->asked;
	l->view.stats = &now;
	l->view.now_ms = clock_wall_ms();
	l->part = writer->parts;
	l->last = writer->parts + writer->nparts;
	if (!failed)
		failed = view_list_begin(&l->view, writer);
	stats_now_fini(&now);
	return failed;
}

void
conn_list_free(struct conn *c)
{
	struct lister *l = c->lister;

	c->lister = NULL;
	if (l == NULL)
		return;
	sched_list_end(&l->listing);
	view_list_fini(&l->view);
	filter_fini(&l->asked);
	free(l);
}

void
conn_list(struct conn *c)
{
	struct lister *l = calloc(1, sizeof(*l));
	char why[FILTER_WHY_MAX];
	int status;

	if (l == NULL) {
		conn_reply(c, -1);
		return;
	}
	c->lister = l;
	l->conn = c;
	c->state = CONN_ASKED;
	status = filter_parse(&l->asked, c->req.query, why);
	if (status == 400) {
		conn_list_free(c);
		conn_refuse_query(c, why);
	} else if (status != 0) {
		end_list(l, -1);
	} else if (!sched_list_may_begin(c->env->sched, &l->asked)) {
		conn_list_free(c);
		conn_refuse(c, PROBLEM_NO_TASK,
		    "after: none of these tasks is there any more");
	} else if (begin(l) != 0) {
		end_list(l, -1);
	} else {
		begin_part(l);
	}
}
