/*
 * check_sched - what happens to tasks, seen from the link and from a worker.
 *
 * Three stores: the memory store; `fake`, which is that with verdicts forced;
 * and `gated`, durable and behind threads, whose changes and loads wait until
 * the test opens a gate.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/master/sched.h"
#include "daemon/master/sched_priv.h"
#include "daemon/store/backend.h"
#include "tests/master_rig.h"
#include "tests/suite.h"

#define HEAD		"the head"
#define PATH		"/a/path"
#define GONE		TASK_STATE_N	/* not in the table */

/* --- stores that do what they are told ----------------------------------------- */

static enum store_verdict forced[STORE_KIND_N];	/* OK: as it comes */
static enum task_state forced_to;		/* which MOVE, and INSERT; or any */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static bool changes_wait, loads_wait;
static _Atomic unsigned int batches, loads;	/* that came to the gate */

static bool
is_forced(const struct store_op *op)
{
	return forced[op->kind] != STORE_OK && (forced_to == TASK_STATE_N ||
	    op->kind >= STORE_REMOVE || op->to == forced_to);
}

static void
fake_apply(void *state, struct store_op *op, int64_t *bytes, int64_t *tasks)
{
	struct store_op *next;

	for (; op != NULL; op = next) {
		next = op->next;
		if (is_forced(op)) {
			op->verdict = forced[op->kind];
			continue;
		}
		op->next = NULL;
		store_memory.apply(state, op, bytes, tasks);
		op->next = next;
	}
}

static void
fake_load(void *state, struct store_op *op)
{
	if (forced[op->kind] != STORE_OK)
		op->verdict = forced[op->kind];
	else
		store_memory.load(state, op);
}

static void *
fake_open(const char *where, const struct conf *conf, char *error)
{
	return store_memory.open(where, conf, error);
}

static void
fake_close(void *state)
{
	store_memory.close(state);
}

static int
fake_scan(void *state, int (*each)(const struct store_row *, void *),
    void *arg, int64_t *bytes, int64_t *tasks, char *error)
{
	return store_memory.scan(state, each, arg, bytes, tasks, error);
}

static int
fake_spool(void *state, struct body *body)
{
	return store_memory.spool_create(state, body);
}

static void
gated_apply(void *state, struct store_op *op, int64_t *bytes, int64_t *tasks)
{
	pthread_mutex_lock(&lock);
	batches++;
	while (changes_wait)
		pthread_cond_wait(&opened, &lock);
	fake_apply(state, op, bytes, tasks);
	pthread_mutex_unlock(&lock);
}

/* A blob is used by one thread at a time. */
static void
copy_blob(struct blob **bp)
{
	struct blob *shared = *bp;

	*bp = shared != NULL ? blob_new(shared->data, shared->len) : NULL;
	blob_unref(&shared);
}

static void
gated_load(void *state, struct store_op *op)
{
	pthread_mutex_lock(&lock);
	loads++;
	while (loads_wait)
		pthread_cond_wait(&opened, &lock);
	fake_load(state, op);
	copy_blob(&op->message.head);
	copy_blob(&op->message.body.bytes);
	if (op->texts != NULL) {	/* these tests read no texts here */
		blob_unref(&op->texts);
		memset(&op->outcome, 0, sizeof(op->outcome));
	}
	pthread_mutex_unlock(&lock);
}

static void
gate(bool *waits, bool shut)
{
	pthread_mutex_lock(&lock);
	*waits = shut;
	pthread_cond_broadcast(&opened);
	pthread_mutex_unlock(&lock);
}

static int
gated_sync(void *state, const struct body *body)
{
	(void)state;
	return fsync(body->fd);
}

/* As a kernel does it: the error is told once, and then forgotten. */
static int	syncs_that_fail;

static int
fake_sync(void *state, const struct body *body)
{
	(void)state, (void)body;
	if (syncs_that_fail == 0)
		return 0;
	syncs_that_fail--;
	errno = EIO;
	return -1;
}

static const struct store_backend fake = {
	.name = "fake", .open = fake_open, .close = fake_close,
	.scan = fake_scan, .apply = fake_apply, .load = fake_load,
	.spool_create = fake_spool,
};

static const struct store_backend fake_durable = {
	.name = "fake", .durable = true, .open = fake_open,
	.close = fake_close, .scan = fake_scan, .apply = fake_apply,
	.load = fake_load, .spool_create = fake_spool,
	.spool_sync = fake_sync,
};

static const struct store_backend gated = {
	.name = "gated", .durable = true, .threaded = true, .open = fake_open,
	.close = fake_close, .scan = fake_scan, .apply = gated_apply,
	.load = gated_load, .spool_create = fake_spool,
	.spool_sync = gated_sync,
};

/* --- the world of a test ---------------------------------------------------------- */

struct sub {
	struct submission s;
	bool		 done, in_store;
	enum sched_verdict verdict;
	enum task_state	 state;		/* when done() was called */
	unsigned char	 id[TASK_ID_BYTES];
	uint64_t	 reserved;
};

struct rem {
	struct removal	 r;
	bool		 done;
	enum removal_verdict verdict;
	enum task_state	 state;
};

struct look {
	struct reading	 r;
	bool		 done;
	enum task_state	 state;
	char		 reason[128], body[16];
	int		 wait_status;
	uint64_t	 size;
};

static struct rig rig;
static struct rig_conf again;		/* after a reload */
static struct store *store;
static struct sched *sched;
static struct rig_worker *w, *wm;	/* one of each pool */
static const struct store_claim *claim_next; /* of the next submission */
static struct sub subs[32];
static struct rem rems[32];
static struct look looks[32];
static unsigned int nsubs, nrems, nlooks, quiets;
static uint64_t accepted;

static void
on_quiet(void *arg)
{
	(void)arg;
	quiets++;
}

static void
on_drain(bool heir, void *arg)
{
	(void)heir, (void)arg;
}

static void
on_other(void *arg)
{
	(void)arg;
	ck_abort_msg("nobody asked for this");
}

static void
setup(void)
{
	rig_init(&rig);
	rig.slots = 1;
	memset(subs, 0, sizeof(subs));
	memset(rems, 0, sizeof(rems));
	memset(looks, 0, sizeof(looks));
	memset(forced, 0, sizeof(forced));
	forced_to = TASK_STATE_N;
	nsubs = nrems = nlooks = quiets = 0;
	changes_wait = loads_wait = false;
	batches = loads = 0;
	accepted = 0;
	store = NULL;
	sched = NULL;
	w = wm = NULL;
}

static void
start_on(const struct store_backend *backend)
{
	static const struct sched_events events = {
		.drain = on_drain, .launcher_gone = on_other, .quiet = on_quiet,
	};
	char error[CONF_ERROR_MAX];

	store = store_open_backend(rig.base, &rig.conf.c, backend, "", error);
	ck_assert_msg(store != NULL, "%s", error);
	sched = sched_new(rig.base, store, &rig.conf.c, rig.master, &events);
	ck_assert_ptr_nonnull(sched);
	ck_assert_int_eq(sched_restore(sched, error), 0);
	w = rig_worker(&rig);
	wm = rig_worker(&rig);
	ck_assert_uint_eq(w->pool, POOL_EXEC);
}

static void
start(void)
{
	start_on(&fake);
}

static void
teardown(void)
{
	gate(&changes_wait, false);
	gate(&loads_wait, false);
	store_close(store);
	sched_free(sched);
	rig_fini(&rig);
}

static void
on_submitted(struct submission *s, enum sched_verdict verdict,
    const struct task *t)
{
	struct sub *sub = (struct sub *)s;
	struct store_stats st;

	ck_assert(!sub->done);
	sub->done = true;
	sub->verdict = verdict;
	if (verdict != SCHED_ACCEPTED) {
		ck_assert_ptr_null(t);
		ck_assert_ptr_nonnull(s->request.head);	/* still ours */
		message_fini(&s->request);
		store_release(store, sub->reserved);
		return;
	}
	memcpy(sub->id, t->id, TASK_ID_BYTES);
	sub->state = (enum task_state)t->state;
	ck_assert_ptr_eq(sched_find(sched, t->id), t);
	store_stats(store, &st);
	sub->in_store = st.tasks == ++accepted;
	/* Whoever submitted it may be gone after this. */
	memset(s, 0xa5, sizeof(*s));
}

static struct sub *
submit_body(unsigned int route, enum conf_method method, size_t body)
{
	static const char *const names[METHOD_N] = { [METHOD_GET] = "GET",
	    [METHOD_HEAD] = "HEAD", [METHOD_POST] = "POST",
	    [METHOD_PUT] = "PUT", [METHOD_PATCH] = "PATCH",
	    [METHOD_DELETE] = "DELETE", [METHOD_OPTIONS] = "OPTIONS",
	    [METHOD_TRACE] = "TRACE", [METHOD_OTHER] = "BREW" };
	struct sub *sub = &subs[nsubs++];

	ck_assert_uint_le(nsubs, 32);
	sub->s.route = sched_route(sched, &sched->conf->routes[route]);
	sub->s.method = method;
	sub->s.method_name = names[method];
	sub->s.path = PATH;
	sub->s.request = MESSAGE_EMPTY;
	sub->s.request.head = blob_new(HEAD, strlen(HEAD));
	if (body > 0) {
		ck_assert(store_reserve(store, body));
		sub->reserved = body;
		sub->s.request.body.bytes = blob_new(NULL, body);
		sub->s.request.body.size = body;
	}
	sub->s.claim = claim_next;
	claim_next = NULL;
	sub->s.done = on_submitted;
	sched_submit(sched, &sub->s);
	return sub;
}

static struct sub *
submit(unsigned int route)
{
	return submit_body(route, METHOD_POST, 0);
}

/* Submitted and answered like this. */
static struct sub *
submitted(unsigned int route, enum sched_verdict verdict)
{
	struct sub *sub = submit(route);

	RIG_UNTIL(&rig, sub->done);
	ck_assert_int_eq(sub->verdict, verdict);
	return sub;
}

static enum task_state
state_of(const struct sub *sub)
{
	const struct task *t = sched_find(sched, sub->id);

	return t != NULL ? (enum task_state)t->state : GONE;
}

static unsigned int
attempt_of(const struct sub *sub)
{
	return sched_find(sched, sub->id)->attempt;
}

#define UNTIL_STATE(sub, st)	RIG_UNTIL(&rig, state_of(sub) == (st))

static void
on_removed(struct removal *r, enum removal_verdict verdict,
    const struct task *t)
{
	struct rem *rem = (struct rem *)r;

	ck_assert(!rem->done);
	rem->done = true;
	rem->verdict = verdict;
	rem->state = t != NULL ? (enum task_state)t->state : GONE;
}

static struct rem *
ask_removal(const struct sub *sub)
{
	struct rem *rem = &rems[nrems++];

	memcpy(rem->r.id, sub->id, TASK_ID_BYTES);
	rem->r.done = on_removed;
	sched_remove(sched, &rem->r);
	return rem;
}

static void
check_removal(const struct rem *rem, enum removal_verdict verdict,
    enum task_state state)
{
	RIG_UNTIL(&rig, rem->done);
	ck_assert_int_eq(rem->verdict, verdict);
	ck_assert_int_eq(rem->state, state);
}

static void
on_read(struct reading *r, const struct task *t)
{
	struct look *l = (struct look *)r;
	const char *reason = r->op.outcome.reason;

	l->done = true;
	l->state = t != NULL ? (enum task_state)t->state : GONE;
	if (r->op.verdict == STORE_OK && reason != NULL)
		snprintf(l->reason, sizeof(l->reason), "%s", reason);
	if (r->op.verdict == STORE_OK && r->op.message.body.bytes != NULL)
		memcpy(l->body, r->op.message.body.bytes->data, 4);
	l->size = r->op.message.body.size;
	l->wait_status = r->op.outcome.wait_status;
	message_fini(&r->op.message);
	blob_unref(&r->op.texts);
}

/* Begins to read; the test owes sched_read_end(). */
static struct look *
look_at(const struct sub *sub)
{
	struct look *l = &looks[nlooks++];

	l->r.done = on_read;
	sched_read(sched, sched_find(sched, sub->id), &l->r);
	return l;
}

static struct look *
looked(const struct sub *sub)
{
	struct look *l = look_at(sub);

	RIG_UNTIL(&rig, l->done);
	sched_read_end(sched, sub->id);
	return l;
}

static struct frame
got_run(struct rig_worker *worker, const struct sub *sub)
{
	struct frame *f = rig_next(&rig, worker, FRAME_RUN);

	ck_assert_mem_eq(f->u.run.id, sub->id, TASK_ID_BYTES);
	ck_assert_uint_eq(f->u.run.head.len, strlen(HEAD));
	ck_assert_mem_eq(f->u.run.head.data, HEAD, strlen(HEAD));
	return *f;
}

/* The worker does its job. */
static void
work(struct rig_worker *worker, const struct sub *sub)
{
	struct frame f = got_run(worker, sub);

	rig_done(worker, &f, OUTCOME_SUCCEEDED);
	UNTIL_STATE(sub, TASK_SUCCEEDED);
}

/* Nothing is under way, kept or counted any more. */
static void
check_clean(size_t tasks)
{
	size_t kept = 0;

	RIG_UNTIL(&rig, sched->nops == 0);
	ck_assert_uint_eq(proc_count(sched->proc), 0);
	ck_assert_uint_eq(sched->nqueued, 0);
	ck_assert_uint_eq(sched->table.count, tasks);
	for (size_t i = 0; i < sched->nroutes; i++) {
		ck_assert_ptr_null(sched->routes[i].ready);
		ck_assert_uint_eq(sched->routes[i].nqueued, 0);
		ck_assert_int_eq(sched->routes[i].njobs, 0);
		for (int state = 0; state < TASK_STATE_N; state++)
			kept += sched->routes[i].kept[state];
	}
	ck_assert_uint_eq(kept, tasks);
}

/* --- submitting -------------------------------------------------------------------- */

START_TEST(runs_at_once_when_a_slot_is_free)
{
	struct sub *a, *b;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	ck_assert_int_eq(a->state, TASK_RUNNING);
	ck_assert(a->in_store);
	ck_assert_uint_eq(attempt_of(a), 1);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	ck_assert_int_eq(b->state, TASK_QUEUED);
	ck_assert(b->in_store);
	ck_assert_uint_eq(attempt_of(b), 0);
	work(w, a);
	UNTIL_STATE(b, TASK_RUNNING);
	ck_assert_uint_eq(attempt_of(b), 1);
	work(w, b);
	ck_assert_str_eq(looked(a)->body, "body");
	check_clean(2);
}
END_TEST

START_TEST(done_only_when_committed)
{
	struct sub *a;

	start_on(&gated);
	gate(&changes_wait, true);
	a = submit(ROUTE_EXEC);
	RIG_UNTIL(&rig, batches == 1);
	rig_silent(&rig);		/* no RUN either */
	ck_assert(!a->done);
	gate(&changes_wait, false);
	RIG_UNTIL(&rig, a->done);
	ck_assert(a->in_store);
	work(w, a);
}
END_TEST

START_TEST(store_cannot_commit_a_submission)
{
	struct sub *a, *b;

	start();
	forced[STORE_INSERT] = _i == 0 ? STORE_FAILED : STORE_FULL;
	a = submit_body(ROUTE_EXEC, METHOD_POST, 100);
	b = submit_body(ROUTE_EXEC, METHOD_POST, 100);
	RIG_UNTIL(&rig, a->done && b->done);
	ck_assert_int_eq(a->verdict, _i == 0 ? SCHED_STORE : SCHED_FULL);
	ck_assert_int_eq(b->verdict, _i == 0 ? SCHED_STORE : SCHED_FULL);
	check_clean(0);
	forced[STORE_INSERT] = STORE_OK;
	work(w, submitted(ROUTE_EXEC, SCHED_ACCEPTED));
}
END_TEST

/* `queue` counts those on their way to it, too. */
START_TEST(queue_is_full)
{
	struct sub *a, *b, *c, *d;

	rig.conf.c.queue = 2;
	start();
	a = submit(ROUTE_EXEC);
	b = submit(ROUTE_EXEC);
	c = submit(ROUTE_EXEC);
	d = submit(ROUTE_EXEC);
	ck_assert(d->done);		/* without asking the store */
	ck_assert_int_eq(d->verdict, SCHED_FULL);
	RIG_UNTIL(&rig, a->done && b->done && c->done);
	ck_assert_int_eq(c->verdict, SCHED_ACCEPTED);
	work(w, a);
	UNTIL_STATE(b, TASK_RUNNING);
	ck_assert_int_eq(submitted(ROUTE_EXEC, SCHED_ACCEPTED)->state,
	    TASK_QUEUED);
	submitted(ROUTE_EXEC, SCHED_FULL);
	/* What is cancelled makes room. */
	check_removal(ask_removal(c), REMOVAL_DONE, TASK_CANCELLED);
	submitted(ROUTE_EXEC, SCHED_ACCEPTED);
}
END_TEST

START_TEST(max_queued_is_the_route_s_own)
{
	rig.conf.routes[ROUTE_EXEC].limits.max_queued = 1;
	start();
	submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	submitted(ROUTE_EXEC, SCHED_FULL);
	submitted(ROUTE_OTHER, SCHED_ACCEPTED);
	submitted(ROUTE_OTHER, SCHED_ACCEPTED);
}
END_TEST

START_TEST(max_tasks)
{
	struct sub *a;

	rig.conf.c.max_tasks = 2;
	start();
	a = submit(ROUTE_EXEC);
	submit(ROUTE_EXEC);
	RIG_UNTIL(&rig, subs[1].done);
	ck_assert_int_eq(subs[1].verdict, SCHED_ACCEPTED);
	submitted(ROUTE_EXEC, SCHED_FULL);
	work(w, a);			/* finished ones count, too */
	submitted(ROUTE_EXEC, SCHED_FULL);
	check_removal(ask_removal(a), REMOVAL_DONE, GONE);
	submitted(ROUTE_EXEC, SCHED_ACCEPTED);
}
END_TEST

START_TEST(max_store)
{
	const uint64_t one = strlen(HEAD) + strlen("POST") + strlen(PATH);
	struct sub *sub;

	rig.conf.c.max_store_bytes = (int64_t)(2 * one + 100) - (_i == 1);
	start();
	submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	sub = submit_body(ROUTE_EXEC, METHOD_POST, 100);
	RIG_UNTIL(&rig, sub->done);
	ck_assert_int_eq(sub->verdict,
	    _i == 0 ? SCHED_ACCEPTED : SCHED_FULL);
}
END_TEST

/* --- in which order ------------------------------------------------------------------ */

START_TEST(fifo_within_a_route)
{
	start();
	for (unsigned int i = 0; i < 10; i++)
		submit(ROUTE_EXEC);
	for (unsigned int i = 0; i < 10; i++) {
		RIG_UNTIL(&rig, subs[i].done);
		work(w, &subs[i]);
	}
	check_clean(10);
}
END_TEST

/* A slot that gets free while b's INSERT is under way is b's, not c's. */
START_TEST(nobody_jumps_the_queue)
{
	struct sub *a, *b, *c;
	struct frame f;

	start_on(&gated);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	f = got_run(w, a);
	gate(&changes_wait, true);
	b = submit(ROUTE_EXEC);
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	rig_settle(&rig);
	c = submit(ROUTE_EXEC);
	gate(&changes_wait, false);
	RIG_UNTIL(&rig, b->done && c->done);
	work(w, b);
	work(w, c);
	check_clean(3);
}
END_TEST

static void
next_ms(void)
{
	int64_t now = clock_wall_ms();

	RIG_UNTIL(&rig, clock_wall_ms() > now);
}

START_TEST(oldest_first_over_routes)
{
	static const unsigned int routes[] = { ROUTE_EXEC, ROUTE_OTHER,
	    ROUTE_EXEC, ROUTE_EXEC, ROUTE_OTHER, ROUTE_EXEC };

	start();
	for (unsigned int i = 0; i < 6; i++) {
		submitted(routes[i], SCHED_ACCEPTED);
		next_ms();
	}
	for (unsigned int i = 0; i < 6; i++)
		work(w, &subs[i]);
}
END_TEST

static void
set_age(const struct sub *sub, int64_t ms)
{
	struct task *t = table_find(&sched->table, sub->id);

	t->created_ms = clock_wall_ms() - ms;
}

/* A step of priority is a second of waiting: nobody waits for ever. */
START_TEST(priority_over_routes)
{
	struct sub *busy, *a, *b, *c;

	rig.conf.routes[ROUTE_EXEC].priority = -5;
	rig.conf.routes[ROUTE_OTHER].priority = 5;
	start();
	busy = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_OTHER, SCHED_ACCEPTED);
	c = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	set_age(a, 100500);
	set_age(b, 91000);
	set_age(c, 100000);
	work(w, busy);
	work(w, b);
	work(w, a);
	work(w, c);
	check_clean(4);
}
END_TEST

START_TEST(nobody_starves)
{
	struct sub *busy, *a, *b;

	rig.conf.routes[ROUTE_EXEC].priority = -100;
	rig.conf.routes[ROUTE_OTHER].priority = 100;
	start();
	busy = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_OTHER, SCHED_ACCEPTED);
	set_age(a, 201000);
	set_age(b, 0);
	work(w, busy);
	work(w, a);
	work(w, b);
}
END_TEST

START_TEST(max_running_is_respected)
{
	struct sub *a, *b, *c;

	rig.slots = 3;
	rig.conf.routes[ROUTE_EXEC].limits.max_running = 1;
	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	c = submitted(ROUTE_OTHER, SCHED_ACCEPTED);
	ck_assert_int_eq(b->state, TASK_QUEUED);
	ck_assert_int_eq(c->state, TASK_RUNNING);	/* others are not held up */
	work(w, a);
	work(w, c);
	work(w, b);
}
END_TEST

/* What could not be started stays where it was in the queue. */
START_TEST(order_survives_a_store_that_fails)
{
	struct sub *first;

	rig.slots = 3;
	start();
	for (unsigned int i = 0; i < 3; i++)
		first = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	first = &subs[3];
	for (unsigned int i = 0; i < 5; i++) {
		submitted(ROUTE_EXEC, SCHED_ACCEPTED);
		next_ms();
	}
	forced[_i == 0 ? STORE_LOAD_REQUEST : STORE_MOVE] = STORE_FAILED;
	forced_to = TASK_RUNNING;
	for (unsigned int i = 0; i < 3; i++)
		work(w, &subs[i]);
	rig_silent(&rig);
	ck_assert_int_eq(state_of(first), TASK_QUEUED);
	ck_assert_uint_eq(sched->nqueued, 5);
	memset(forced, 0, sizeof(forced));
	for (unsigned int i = 3; i < 8; i++)
		work(w, &subs[i]);
	check_clean(8);
}
END_TEST

/* Nobody can run it any more: it fails, and its route goes on. */
START_TEST(request_is_lost)
{
	struct sub *first, *lost, *next;

	rig.slots = 1;
	start();
	first = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	lost = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	forced[STORE_LOAD_REQUEST] = STORE_LOST;
	work(w, first);
	UNTIL_STATE(lost, TASK_FAILED);
	ck_assert_str_eq(looked(lost)->reason, "its request is lost");
	forced[STORE_LOAD_REQUEST] = STORE_OK;
	next = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	work(w, next);
	check_clean(3);
}
END_TEST

/* --- how it ended ---------------------------------------------------------------------- */

START_TEST(outcomes)
{
	static const enum task_state states[] = { TASK_SUCCEEDED, TASK_FAILED,
	    TASK_TIMED_OUT };
	struct sub *a;
	struct frame f;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	f = got_run(w, a);
	rig_done(w, &f, (enum frame_outcome)_i);
	UNTIL_STATE(a, states[_i]);
	if (_i == OUTCOME_SUCCEEDED)
		ck_assert_str_eq(looked(a)->body, "body");
	else
		ck_assert_str_eq(looked(a)->reason, "the reason");
	check_clean(1);
	work(w, submitted(ROUTE_EXEC, SCHED_ACCEPTED));
}
END_TEST

/* DONE with the body in the spool file, which has `real` bytes. */
static struct sub *
done_in_spool(uint64_t real, uint64_t said, bool asked)
{
	struct sub *a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	struct frame f = got_run(w, a), done = { .kind = FRAME_DONE };

	if (asked) {
		rig_need_spool(w, &f);
		rig_next(&rig, w, FRAME_SPOOL);
		ck_assert_int_eq(ftruncate(w->got_fd, (off_t)real), 0);
	}
	memcpy(done.u.done.id, a->id, TASK_ID_BYTES);
	done.u.done.attempt = 1;
	done.u.done.head = (struct frame_bytes){ "Status: 200\r\n\r\n", 15 };
	done.u.done.body_in_fd = 1;
	done.u.done.body_size = said;
	rig_send(w->fd, &done, NULL);
	RIG_UNTIL(&rig, task_finished(state_of(a)));
	return a;
}

START_TEST(response_in_a_file)
{
	struct sub *a;
	struct store_stats st;

	start();
	a = done_in_spool(100000, 100000, true);
	ck_assert_int_eq(state_of(a), TASK_SUCCEEDED);
	ck_assert_uint_eq(looked(a)->size, 100000);
	check_removal(ask_removal(a), REMOVAL_DONE, GONE);
	store_stats(store, &st);
	ck_assert_uint_eq(st.bytes, 0);
}
END_TEST

/* The second sync would say yes, and the bytes would not be there. */
START_TEST(response_that_the_disk_did_not_take)
{
	struct store_stats st;
	struct sub *a;

	start_on(&fake_durable);
	syncs_that_fail = 1;
	a = done_in_spool(100000, 100000, true);
	ck_assert_int_eq(state_of(a), TASK_FAILED);
	ck_assert_str_eq(looked(a)->reason,
	    "the response could not be brought to the disk");
	store_stats(store, &st);
	ck_assert_uint_lt(st.bytes, 1000);
	check_clean(1);
}
END_TEST

/* User code lives in a worker: what it says of a file is looked after. */
START_TEST(response_in_a_file_that_is_not_so)
{
	static const uint64_t said[] = { 99999, 100001, INT64_MAX, 5 };
	struct store_stats st;
	struct sub *a;

	start();
	a = done_in_spool(100000, said[_i], _i != 3);
	ck_assert_int_eq(state_of(a), TASK_FAILED);
	ck_assert_int_gt(strlen(looked(a)->reason), 0);
	store_stats(store, &st);
	ck_assert_uint_lt(st.bytes, 1000);
	check_clean(1);
}
END_TEST

START_TEST(module_crash)
{
	struct sub *a, *b;
	struct frame f;
	char text[64];

	rig.slots = 2;
	start();
	a = submitted(ROUTE_MODULE, SCHED_ACCEPTED);
	b = submit_body(ROUTE_MODULE, METHOD_GET, 0);
	RIG_UNTIL(&rig, b->done);
	f = got_run(wm, a);
	got_run(wm, b);
	rig_crashed(wm, &f, SIGSEGV);
	rig_died(&rig, wm, SIGSEGV);
	UNTIL_STATE(a, TASK_FAILED);
	snprintf(text, sizeof(text), "signal %d", SIGSEGV);
	ck_assert_ptr_nonnull(strstr(looked(a)->reason, text));
	wm = rig_worker(&rig);
	ck_assert_uint_eq(got_run(wm, b).u.run.attempt, 2);
}
END_TEST

START_TEST(module_over_its_time)
{
	struct sub *a;

	rig.conf.routes[ROUTE_MODULE].limits.timeout_s = 1;
	rig.conf.routes[ROUTE_MODULE].limits.grace_s = 1;
	start();
	a = submitted(ROUTE_MODULE, SCHED_ACCEPTED);
	UNTIL_STATE(a, TASK_TIMED_OUT);
	ck_assert_str_eq(looked(a)->reason, "it did not end within its time");
	check_clean(1);
}
END_TEST

/* The rerun rule, design.md 3: who is run again after its worker died. */
START_TEST(rerun_rule)
{
	enum conf_method method = _i / (RERUN_N * 2);
	enum conf_rerun rerun = _i / 2 % RERUN_N;
	bool charged = _i % 2;		/* else: a neighbour crashed it */
	bool idempotent = method != METHOD_POST && method != METHOD_PATCH &&
	    method != METHOD_OTHER;
	bool again_ok = rerun == RERUN_ALWAYS ||
	    (rerun == RERUN_IDEMPOTENT && idempotent);
	struct sub *a, *culprit = NULL;
	unsigned int attempt;
	struct frame f;

	rig.slots = 2;
	rig.conf.routes[ROUTE_MODULE].limits.rerun = rerun;
	rig.conf.routes[ROUTE_MODULE].limits.max_attempts = 2;
	start();
	a = submit_body(ROUTE_MODULE, method, 0);
	RIG_UNTIL(&rig, a->done);
	for (attempt = 1; attempt < 4; attempt++) {
		ck_assert_uint_eq(got_run(wm, a).u.run.attempt, attempt);
		if (!charged) {
			culprit = submitted(ROUTE_MODULE, SCHED_ACCEPTED);
			f = got_run(wm, culprit);
			rig_crashed(wm, &f, SIGABRT);
		}
		rig_died(&rig, wm, SIGKILL);
		wm = rig_worker(&rig);
		rig_settle(&rig);
		if (!again_ok || (charged && attempt == 2))
			break;
		ck_assert_int_eq(state_of(a), TASK_RUNNING);
	}
	if (attempt == 4)
		return;			/* neighbours are not charged */
	ck_assert_int_eq(state_of(a), TASK_FAILED);
	ck_assert_uint_eq(attempt, again_ok ? 2 : 1);
	ck_assert_ptr_nonnull(strstr(looked(a)->reason, "interrupted"));
}
END_TEST

/* All jobs of a dead worker are queued again, in their old order. */
START_TEST(rerun_in_order)
{
	rig.slots = 4;
	start();
	for (unsigned int i = 0; i < 6; i++) {
		submit_body(ROUTE_EXEC, METHOD_GET, 0);
		RIG_UNTIL(&rig, subs[i].done);
		next_ms();
	}
	rig_died(&rig, w, SIGKILL);
	rig.slots = 1;
	w = rig_worker(&rig);
	for (unsigned int i = 0; i < 6; i++)
		work(w, &subs[i]);
	check_clean(6);
}
END_TEST

static struct sub *
submit_with(enum conf_method method)
{
	struct sub *sub = submit_body(ROUTE_EXEC, method, 0);

	RIG_UNTIL(&rig, sub->done);
	ck_assert_int_eq(sub->verdict, SCHED_ACCEPTED);
	return sub;
}

/* Contract.md 6: what failed or took too long, and may be asked for twice. */
START_TEST(retry_rule)
{
	enum frame_outcome outcome = _i / METHOD_N;
	enum conf_method method = _i % METHOD_N;
	static const enum task_state states[] = { TASK_SUCCEEDED, TASK_FAILED,
	    TASK_TIMED_OUT };
	bool again_ok = outcome != OUTCOME_SUCCEEDED &&
	    method != METHOD_POST && method != METHOD_PATCH &&
	    method != METHOD_OTHER;
	unsigned int attempt = 0;
	struct sub *a;

	rig.conf.routes[ROUTE_EXEC].limits.retry = 2;
	start();
	a = submit_with(method);
	do {
		struct frame f = got_run(w, a);

		ck_assert_uint_eq(f.u.run.attempt, ++attempt);
		rig_done(w, &f, outcome);
		rig_settle(&rig);
	} while (state_of(a) == TASK_RUNNING);
	ck_assert_int_eq(state_of(a), states[outcome]);
	ck_assert_uint_eq(attempt, again_ok ? 3 : 1);
	ck_assert_uint_eq(attempt_of(a), attempt);
	check_clean(1);
}
END_TEST

/* Fails once more; the next try is due so many ms after that. */
static void
fails(struct sub *a, int64_t ms)
{
	struct frame f = got_run(w, a);
	int64_t before = clock_mono_ms(), due;

	rig_done(w, &f, OUTCOME_FAILED);
	UNTIL_STATE(a, TASK_QUEUED);
	due = sched_find(sched, a->id)->ends_ms;
	ck_assert_int_ge(due, before + ms);
	ck_assert_int_le(due, clock_mono_ms() + ms);
}

START_TEST(retry_delay_doubles)
{
	int64_t began;
	struct sub *a, *b;

	rig.conf.routes[ROUTE_EXEC].limits.retry = 3;
	rig.conf.routes[ROUTE_EXEC].limits.retry_delay_s = 1;
	start();
	a = submit_with(METHOD_GET);
	began = clock_mono_ms();
	fails(a, 1000);
	b = submit_with(METHOD_GET);	/* nobody else waits */
	work(w, b);
	fails(a, 2000);
	ck_assert_int_ge(clock_mono_ms() - began, 1000);
	check_removal(ask_removal(a), REMOVAL_DONE, TASK_CANCELLED);
	ck_assert_ptr_null(sched->delayed);
	check_clean(2);
}
END_TEST

/* The next to try is first in the list, whenever it came there. */
START_TEST(delayed_in_order)
{
	static const int64_t delays[] = { 20, 10, 30, 10, 40, 5 };
	int64_t last = 0;
	struct task *t;

	rig.slots = 6;
	rig.conf.routes[ROUTE_EXEC].limits.retry = 3;
	start();
	for (int i = 0; i < 6; i++)
		(void)submit_with(METHOD_GET);
	for (int i = 0; i < 6; i++) {
		rig.conf.routes[ROUTE_EXEC].limits.retry_delay_s = delays[i];
		fails(&subs[i], 1000 * delays[i]);
	}
	for (t = sched->delayed; t != NULL; t = t->next) {
		ck_assert_int_ge(t->ends_ms, last);
		last = t->ends_ms;
	}
	for (int i = 0; i < 6; i++)
		check_removal(ask_removal(&subs[(i * 5 + 2) % 6]),
		    REMOVAL_DONE, TASK_CANCELLED);
	check_clean(6);
}
END_TEST

START_TEST(cancelled_is_not_tried_again)
{
	struct sub *a;
	struct frame f;

	rig.conf.routes[ROUTE_EXEC].limits.retry = 2;
	start();
	a = submit_with(METHOD_GET);
	f = got_run(w, a);
	check_removal(ask_removal(a), REMOVAL_DONE, TASK_CANCELLED);
	(void)rig_next(&rig, w, FRAME_CANCEL);
	rig_done(w, &f, OUTCOME_FAILED);
	rig_settle(&rig);
	ck_assert_int_eq(state_of(a), TASK_CANCELLED);
	check_clean(1);
}
END_TEST

START_TEST(end_cannot_be_committed)
{
	struct sub *a;
	struct frame f;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	forced[STORE_MOVE] = _i == 0 ? STORE_FAILED : STORE_FULL;
	f = got_run(w, a);
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	rig_settle(&rig);
	ck_assert_int_eq(state_of(a), TASK_RUNNING);
	if (_i == 2) {			/* cancelled meanwhile */
		check_removal(ask_removal(a), REMOVAL_STORE, GONE);
		forced_to = TASK_SUCCEEDED;
		check_removal(ask_removal(a), REMOVAL_DONE, TASK_CANCELLED);
		memset(forced, 0, sizeof(forced));
		RIG_UNTIL(&rig, proc_count(sched->proc) == 0);
		ck_assert_int_eq(state_of(a), TASK_CANCELLED);
		return;
	}
	memset(forced, 0, sizeof(forced));
	UNTIL_STATE(a, TASK_SUCCEEDED);
	ck_assert_str_eq(looked(a)->body, "body");
	check_clean(1);
}
END_TEST

static size_t
unsaved_at_the_end(bool mended)
{
	if (mended)
		memset(forced, 0, sizeof(forced));
	sched_save_rest(sched);
	gate(&changes_wait, false);
	store_close(store);
	store = NULL;
	return sched_unsaved(sched);
}

/* We are to leave: the store is asked once more, and then it is said. */
START_TEST(end_is_never_committed)
{
	enum { FAILED, FULL, MENDED, AGAIN };
	int said = memfd_create("said", MFD_CLOEXEC);
	char line[512] = "";
	struct sub *a;
	struct frame f;

	rig.conf.routes[ROUTE_EXEC].limits.retry = _i == AGAIN;
	start();
	a = submit_with(METHOD_GET);
	f = got_run(w, a);
	forced[STORE_MOVE] = _i == FULL ? STORE_FULL : STORE_FAILED;
	rig_done(w, &f, OUTCOME_FAILED);
	rig_settle(&rig);
	ck_assert_int_eq(state_of(a), TASK_RUNNING);
	ck_assert_int_ge(dup2(said, STDERR_FILENO), 0);
	ck_assert_uint_eq(unsaved_at_the_end(_i == MENDED), _i != MENDED);
	ck_assert_int_ge(pread(said, line, sizeof(line) - 1, 0), 0);
	close(said);
	if (_i == MENDED)
		ck_assert_ptr_null(strstr(line, "unsaved"));
	else
		ck_assert_msg(strstr(line, "unsaved task=") && strstr(line,
		    _i == AGAIN ? "state=queued" : "state=failed"), "%s", line);
}
END_TEST

/* It was about to be committed when the loop ended. */
START_TEST(end_on_its_way_as_we_leave)
{
	struct frame f;
	struct sub *a;

	start_on(&gated);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	f = got_run(w, a);
	gate(&changes_wait, true);
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	RIG_UNTIL(&rig, batches == 2);
	if (_i == 1)
		forced[STORE_MOVE] = STORE_FAILED;
	ck_assert_uint_eq(unsaved_at_the_end(false), _i == 1);
}
END_TEST

/* A store that commits nothing is asked less and less often, until it does. */
START_TEST(retries_back_off)
{
	int64_t began;
	struct sub *a;
	struct frame f;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	f = got_run(w, a);
	forced[STORE_MOVE] = STORE_FAILED;
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	began = clock_mono_ms();
	RIG_UNTIL(&rig, sched->retry_s == 8);
	ck_assert_int_ge(clock_mono_ms() - began, 6900);
	RIG_UNTIL(&rig, evtimer_pending(sched->retry, NULL));
	forced[STORE_MOVE] = STORE_OK;
	began = clock_mono_ms();
	submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	UNTIL_STATE(a, TASK_SUCCEEDED);
	ck_assert_int_lt(clock_mono_ms() - began, 7000);	/* soon, not in 8 s */
	ck_assert_int_eq(sched->retry_s, 1);
}
END_TEST

/* --- cancel and remove -------------------------------------------------------------------- */

START_TEST(cancel_queued)
{
	struct sub *a, *b, *c;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	c = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	check_removal(ask_removal(b), REMOVAL_DONE, TASK_CANCELLED);
	check_removal(ask_removal(b), REMOVAL_DONE, TASK_CANCELLED);
	work(w, a);
	work(w, c);
	check_clean(3);
}
END_TEST

START_TEST(cancel_running)
{
	struct sub *a, *b;
	struct frame f;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	f = got_run(w, a);
	check_removal(ask_removal(a), REMOVAL_DONE, TASK_CANCELLED);
	rig_next(&rig, w, FRAME_CANCEL);
	check_removal(ask_removal(a), REMOVAL_DONE, TASK_CANCELLED);
	rig_silent(&rig);		/* said once; b waits for the slot */
	rig_done(w, &f, _i == 0 ? OUTCOME_CANCELLED : OUTCOME_SUCCEEDED);
	work(w, b);
	ck_assert_int_eq(state_of(a), TASK_CANCELLED);
	check_clean(2);
}
END_TEST

START_TEST(cancel_while_loading)
{
	struct sub *a, *b;

	start_on(&gated);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	gate(&loads_wait, true);
	work(w, a);
	RIG_UNTIL(&rig, loads == 1);
	check_removal(ask_removal(b), REMOVAL_DONE, TASK_CANCELLED);
	gate(&loads_wait, false);
	RIG_UNTIL(&rig, proc_count(sched->proc) == 0);
	rig_silent(&rig);
	check_clean(2);
	work(w, submitted(ROUTE_EXEC, SCHED_ACCEPTED));
}
END_TEST

/* The MOVE to running is under way. */
START_TEST(cancel_while_starting)
{
	struct sub *a, *b;
	struct rem *rem = NULL;
	struct frame f;
	unsigned int before;

	start_on(&gated);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	gate(&loads_wait, true);
	work(w, a);
	RIG_UNTIL(&rig, loads == 1);
	before = batches;
	gate(&changes_wait, true);
	if (_i == 0)			/* the cancel comes first */
		rem = ask_removal(b);
	gate(&loads_wait, false);
	RIG_UNTIL(&rig, batches > before);
	RIG_UNTIL(&rig, sched->nops == (_i == 0 ? 2 : 1));
	rig_settle(&rig);
	if (_i == 1)
		rem = ask_removal(b);
	gate(&changes_wait, false);
	check_removal(rem, REMOVAL_DONE, TASK_CANCELLED);
	if (_i == 1) {
		f = got_run(w, b);
		rig_next(&rig, w, FRAME_CANCEL);
		rig_done(w, &f, OUTCOME_CANCELLED);
	}
	RIG_UNTIL(&rig, proc_count(sched->proc) == 0);
	rig_silent(&rig);
	ck_assert_int_eq(state_of(b), TASK_CANCELLED);
	check_clean(2);
}
END_TEST

/* DONE and DELETE meet in the store. */
START_TEST(cancel_and_done)
{
	struct sub *a;
	struct rem *rem = NULL;
	struct frame f;
	unsigned int before;

	start_on(&gated);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	f = got_run(w, a);
	before = batches;
	gate(&changes_wait, true);
	if (_i == 0) {
		rem = ask_removal(a);
		RIG_UNTIL(&rig, batches > before);
	}
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	RIG_UNTIL(&rig, sched->nops == (_i == 0 ? 2 : 1));
	if (_i == 1)
		rem = ask_removal(a);
	gate(&changes_wait, false);
	/* The DONE that came first wins; what is finished is removed. */
	check_removal(rem, REMOVAL_DONE, _i == 0 ? TASK_CANCELLED : GONE);
	rig_silent(&rig);
	check_clean(_i == 0);
}
END_TEST

/* `only_cancel`: a DONE that came first wins, and what it left stays. */
START_TEST(only_cancel_and_done)
{
	struct rem *rem = &rems[nrems++];
	struct sub *a;
	struct frame f;

	start_on(&gated);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	f = got_run(w, a);
	gate(&changes_wait, true);
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	RIG_UNTIL(&rig, sched->nops == 1);
	memcpy(rem->r.id, a->id, TASK_ID_BYTES);
	rem->r.only_cancel = true;
	rem->r.done = on_removed;
	sched_remove(sched, &rem->r);
	gate(&changes_wait, false);
	check_removal(rem, REMOVAL_DONE, TASK_SUCCEEDED);
	ck_assert_int_eq(state_of(a), TASK_SUCCEEDED);
	rem->done = false;
	sched_remove(sched, &rem->r);
	check_removal(rem, REMOVAL_DONE, TASK_SUCCEEDED);
	check_removal(ask_removal(a), REMOVAL_DONE, GONE);
	rig_silent(&rig);
	check_clean(0);
}
END_TEST

START_TEST(remove_finished)
{
	struct rem *one, *two;
	struct store_stats st;
	struct sub *a;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	work(w, a);
	one = ask_removal(a);
	two = ask_removal(a);
	check_removal(one, REMOVAL_DONE, GONE);
	check_removal(two, REMOVAL_UNKNOWN, GONE);
	check_removal(ask_removal(a), REMOVAL_UNKNOWN, GONE);
	store_stats(store, &st);
	ck_assert_uint_eq(st.tasks, 0);
	check_clean(0);
}
END_TEST

START_TEST(remove_cannot_be_committed)
{
	struct sub *a;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	forced[STORE_MOVE] = forced[STORE_REMOVE] = STORE_FAILED;
	check_removal(ask_removal(a), REMOVAL_STORE, GONE);
	ck_assert_int_eq(state_of(a), TASK_RUNNING);
	forced[STORE_MOVE] = STORE_OK;
	work(w, a);
	check_removal(ask_removal(a), REMOVAL_STORE, GONE);
	ck_assert_int_eq(state_of(a), TASK_SUCCEEDED);
	/* Somebody was faster, but not here: no loop, no lie. */
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	forced[STORE_MOVE] = STORE_LOST;
	check_removal(ask_removal(a), REMOVAL_STORE, GONE);
	forced[STORE_MOVE] = STORE_OK;
}
END_TEST

/* --- expiry --------------------------------------------------------------------------------- */

static struct sub *
short_lived(void)
{
	struct sub *a;

	rig.conf.routes[ROUTE_EXEC].limits.keep_s = 1;
	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	work(w, a);
	return a;
}

START_TEST(expires_to_the_second)
{
	struct store_stats st;
	struct sub *a = short_lived();
	int64_t began = clock_mono_ms();

	UNTIL_STATE(a, GONE);
	ck_assert_int_ge(clock_mono_ms() - began, 950);
	ck_assert_int_lt(clock_mono_ms() - began, 15000);
	check_clean(0);
	store_stats(store, &st);
	ck_assert_uint_eq(st.tasks + st.bytes, 0);
}
END_TEST

/* It is gone for who asks; the store forgets it when it can. */
START_TEST(expiry_cannot_be_committed)
{
	struct store_stats st;
	struct sub *a;

	forced[STORE_REMOVE] = _i == 0 ? STORE_FAILED : STORE_FULL;
	a = short_lived();
	UNTIL_STATE(a, GONE);
	rig_settle(&rig);
	store_stats(store, &st);
	ck_assert_uint_eq(st.tasks, 1);
	forced[STORE_REMOVE] = STORE_OK;
	RIG_UNTIL(&rig, (store_stats(store, &st), st.tasks == 0));
	ck_assert_uint_eq(st.bytes, 0);
	check_clean(0);
}
END_TEST

/*
 * The store knows the task that has the claim when the table does not any
 * more: the row is on its way out.  Nobody is refused for that.
 */
START_TEST(claimed_by_one_that_goes)
{
	static const struct store_claim claim = { "key", "request" };
	struct sub *a, *b;

	rig.conf.routes[ROUTE_EXEC].limits.keep_s = 1;
	start_on(&gated);
	claim_next = &claim;
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	work(w, a);
	gate(&changes_wait, true);
	claim_next = &claim;
	b = submit(ROUTE_EXEC);
	UNTIL_STATE(a, GONE);
	ck_assert(!b->done);
	gate(&changes_wait, false);
	RIG_UNTIL(&rig, b->done);
	ck_assert_int_eq(b->verdict, SCHED_ACCEPTED);
	work(w, b);
}
END_TEST

START_TEST(reader_holds_it)
{
	struct sub *a = short_lived();
	struct look *l = look_at(a);
	int64_t began = clock_mono_ms();

	RIG_UNTIL(&rig, clock_mono_ms() - began > 1200);
	ck_assert(l->done);
	ck_assert_int_eq(l->state, TASK_SUCCEEDED);
	ck_assert_int_eq(state_of(a), TASK_SUCCEEDED);
	sched_read_end(sched, a->id);
	ck_assert_int_eq(state_of(a), GONE);
	check_clean(0);
}
END_TEST

START_TEST(removed_while_read)
{
	struct sub *a;
	struct look *l;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	work(w, a);
	if (_i == 0) {
		struct rem *rem = ask_removal(a);

		l = look_at(a);		/* the load comes after it */
		check_removal(rem, REMOVAL_DONE, GONE);
		RIG_UNTIL(&rig, l->done);
		ck_assert_int_eq(l->state, GONE);
	} else {
		l = look_at(a);
		check_removal(ask_removal(a), REMOVAL_DONE, GONE);
		ck_assert_str_eq(l->body, "body");
		sched_read_end(sched, a->id);
	}
	check_clean(0);
}
END_TEST

START_TEST(running_never_expires)
{
	struct sub *a;
	int64_t began = clock_mono_ms();

	rig.conf.routes[ROUTE_EXEC].limits.keep_s = 1;
	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	RIG_UNTIL(&rig, clock_mono_ms() - began > 1500);
	ck_assert_int_eq(state_of(a), TASK_RUNNING);
	ck_assert_int_eq(state_of(&subs[1]), TASK_QUEUED);
}
END_TEST

/* --- reload ----------------------------------------------------------------------------------- */

/* Without the first route, if so asked. */
static void
reload(bool without_exec)
{
	again.c.spool = rig.spool;
	if (without_exec) {
		again.c.routes = &again.routes[1];
		again.c.nroutes = ROUTE_N - 1;
	}
	ck_assert_int_eq(sched_set_conf(sched, &again.c), 0);
	store_set_conf(store, &again.c);
}

/* Two that wait for another try, the first and the last of the list. */
static struct sub *
two_delayed(int64_t delay_s)
{
	rig.slots = 2;
	rig.conf.routes[ROUTE_EXEC].limits.retry = 3;
	rig.conf.routes[ROUTE_EXEC].limits.retry_delay_s = delay_s;
	start();
	(void)submit_with(METHOD_GET);
	(void)submit_with(METHOD_GET);
	fails(&subs[0], 1000 * delay_s);
	fails(&subs[1], 1000 * delay_s);
	rig_conf_init(&again, 2);
	again.routes[ROUTE_EXEC].limits.retry = 3;
	return subs;
}

START_TEST(reload_fails_delayed_orphans)
{
	struct sub *a = two_delayed(100);

	if (_i == 1)
		forced[STORE_MOVE] = STORE_FAILED;
	reload(true);
	if (_i == 1) {
		rig_settle(&rig);
		ck_assert_int_eq(state_of(&a[1]), TASK_QUEUED);
		forced[STORE_MOVE] = STORE_OK;
	}
	UNTIL_STATE(&a[0], TASK_FAILED);
	UNTIL_STATE(&a[1], TASK_FAILED);
	ck_assert_ptr_null(sched->delayed);
	ck_assert_str_eq(looked(&a[1])->reason,
	    "its route is no longer configured");
	check_clean(2);
}
END_TEST

/* As if it had been so when they began to wait. */
START_TEST(reload_changes_the_delay)
{
	struct sub *a = two_delayed(100);
	int64_t left[2], now_ms;

	again.routes[ROUTE_EXEC].limits.retry_delay_s = 300;
	reload(false);
	now_ms = clock_mono_ms();
	for (int i = 0; i < 2; i++) {
		left[i] = sched_find(sched, a[i].id)->ends_ms - now_ms;
		ck_assert_int_gt(left[i], 200 * 1000);
		ck_assert_int_le(left[i], 300 * 1000);
	}
	ck_assert_int_le(left[0], left[1]);
	ck_assert_int_eq(sched_set_conf(sched, &rig.conf.c), 0);
	again.routes[ROUTE_EXEC].limits.retry = _i;	/* of those to come */
	again.routes[ROUTE_EXEC].limits.retry_delay_s = _i;
	reload(false);
	RIG_UNTIL(&rig, sched->delayed == NULL);
	ck_assert_int_lt(clock_mono_ms() - now_ms, 60 * 1000);
	for (int i = 0; i < 2; i++)
		check_removal(ask_removal(&a[i]), REMOVAL_DONE,
		    TASK_CANCELLED);
	check_clean(2);
}
END_TEST

/* A move that no job brings about. */
START_TEST(change_is_never_committed)
{
	struct sub *a;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	got_run(w, a);
	submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	forced[STORE_MOVE] = STORE_FAILED;
	rig_conf_init(&again, 1);
	reload(true);
	rig_settle(&rig);
	ck_assert_uint_eq(unsaved_at_the_end(_i == 1), _i == 0);
}
END_TEST

START_TEST(reload_fails_orphans)
{
	struct sub *a, *b, *c;
	struct frame f;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	f = got_run(w, a);
	rig_conf_init(&again, 1);
	if (_i == 1)
		forced[STORE_MOVE] = STORE_FAILED;
	c = _i == 2 ? submit(ROUTE_EXEC) : NULL;	/* not yet in the queue */
	reload(true);
	ck_assert_int_eq(sched_check(sched, 0), SCHED_NO_ROUTE);
	if (_i == 1) {
		rig_settle(&rig);
		ck_assert_int_eq(state_of(b), TASK_QUEUED);
		forced[STORE_MOVE] = STORE_OK;
	}
	UNTIL_STATE(b, TASK_FAILED);
	ck_assert_str_eq(looked(b)->reason,
	    "its route is no longer configured");
	/* What runs may finish. */
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	UNTIL_STATE(a, TASK_SUCCEEDED);
	if (c != NULL)
		RIG_UNTIL(&rig, c->done && state_of(c) == TASK_FAILED);
	check_clean(c != NULL ? 3 : 2);
}
END_TEST

/* It is on its way back into the queue of a route that goes. */
START_TEST(reload_during_a_rerun)
{
	struct sub *a;

	start_on(&gated);
	a = submit_body(ROUTE_EXEC, METHOD_GET, 0);
	RIG_UNTIL(&rig, a->done);
	got_run(w, a);
	gate(&changes_wait, true);
	rig_died(&rig, w, SIGKILL);
	RIG_UNTIL(&rig, batches == 2);
	rig_conf_init(&again, 1);
	reload(true);
	gate(&changes_wait, false);
	UNTIL_STATE(a, TASK_FAILED);
	check_clean(1);
}
END_TEST

START_TEST(reload_brings_it_back)
{
	struct sub *a, *b;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	work(w, a);
	rig_conf_init(&again, 1);
	reload(true);
	ck_assert_int_eq(state_of(a), TASK_SUCCEEDED);
	rig_conf_init(&rig.conf, 2);
	rig.conf.c.spool = rig.spool;
	ck_assert_int_eq(sched_set_conf(sched, &rig.conf.c), 0);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	ck_assert_uint_eq(sched_find(sched, a->id)->route,
	    sched_find(sched, b->id)->route);
}
END_TEST

START_TEST(reload_shifts_times)
{
	struct sub *a;
	int64_t began;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	began = clock_mono_ms();
	work(w, a);
	rig_conf_init(&again, 1);
	again.routes[ROUTE_EXEC].limits.keep_s = 1;
	reload(false);
	UNTIL_STATE(a, GONE);
	ck_assert_int_ge(clock_mono_ms() - began, 950);
	ck_assert_int_lt(clock_mono_ms() - began, 15000);
}
END_TEST

/* --- pause --------------------------------------------------------------------------------------- */

START_TEST(pause_and_resume)
{
	struct sub *a, *b, *c;
	struct frame f;

	start_on(_i == 0 ? &fake : &fake_durable);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	f = got_run(w, a);
	sched_pause(sched, true);
	sched_pause(sched, true);
	ck_assert(sched_is_paused(sched));
	c = submitted(ROUTE_MODULE, SCHED_ACCEPTED);	/* its slot is free */
	ck_assert_int_eq(c->state, TASK_QUEUED);
	ck_assert(c->in_store);
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	UNTIL_STATE(a, TASK_SUCCEEDED);
	rig_silent(&rig);
	ck_assert_int_eq(state_of(b), TASK_QUEUED);
	sched_pause(sched, false);
	ck_assert(!sched_is_paused(sched));
	work(w, b);
	work(wm, c);
	check_clean(3);
}
END_TEST

static bool
is_idle(void)
{
	return proc_count(sched->proc) == 0;
}

/* Its slot was reserved, and its request is being read. */
START_TEST(pause_while_one_is_on_its_way)
{
	struct sub *a, *b;
	struct frame f;

	start_on(&gated);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	f = got_run(w, a);
	gate(&loads_wait, true);
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	UNTIL_STATE(a, TASK_SUCCEEDED);
	RIG_UNTIL(&rig, loads > 0);
	sched_pause(sched, true);
	gate(&loads_wait, false);
	RIG_UNTIL(&rig, is_idle());
	rig_silent(&rig);
	ck_assert_int_eq(state_of(b), TASK_QUEUED);
	sched_pause(sched, false);
	work(w, b);
	check_clean(2);
}
END_TEST

/* What nobody would run later is run now; the rest waits for the next one. */
START_TEST(drain_ends_a_pause)
{
	struct sub *a;

	start_on(_i == 0 ? &fake : &fake_durable);
	sched_pause(sched, true);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	rig_silent(&rig);
	sched_drain(sched);
	if (_i == 0)
		work(w, a);
	RIG_UNTIL(&rig, quiets > 0);
	ck_assert_int_eq(state_of(a), _i == 0 ? TASK_SUCCEEDED : TASK_QUEUED);
}
END_TEST

/* --- drain -------------------------------------------------------------------------------------- */

START_TEST(drain_of_nothing)
{
	start_on(_i == 0 ? &fake : &fake_durable);
	sched_drain(sched);
	RIG_UNTIL(&rig, quiets > 0);
}
END_TEST

START_TEST(drain_durable)
{
	struct sub *a, *b, *c;
	struct frame f;

	start_on(&fake_durable);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	f = got_run(w, a);
	sched_drain(sched);
	c = submitted(ROUTE_MODULE, SCHED_ACCEPTED);	/* still accepted */
	ck_assert_int_eq(c->state, TASK_QUEUED);
	rig_silent(&rig);
	ck_assert_uint_eq(quiets, 0);
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	RIG_UNTIL(&rig, quiets > 0);
	rig_silent(&rig);
	ck_assert_int_eq(state_of(a), TASK_SUCCEEDED);
	ck_assert_int_eq(state_of(b), TASK_QUEUED);
}
END_TEST

START_TEST(drain_memory)
{
	struct sub *a, *b;
	struct frame f;

	start();
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	f = got_run(w, a);
	sched_drain(sched);
	submitted(ROUTE_EXEC, SCHED_DRAINING);
	ck_assert_int_eq(sched_check(sched, 0), SCHED_DRAINING);
	rig_done(w, &f, OUTCOME_SUCCEEDED);
	UNTIL_STATE(a, TASK_SUCCEEDED);
	rig_settle(&rig);
	ck_assert_uint_eq(quiets, 0);
	work(w, b);			/* nobody would run it later */
	RIG_UNTIL(&rig, quiets > 0);
}
END_TEST

/* The last one does not end by running. */
START_TEST(drain_memory_and_cancel)
{
	struct sub *a;

	rig.conf.c.workers = 1;
	start();
	rig_died(&rig, w, SIGKILL);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	ck_assert_int_eq(a->state, TASK_QUEUED);
	sched_drain(sched);
	rig_settle(&rig);
	ck_assert_uint_eq(quiets, 0);
	if (_i == 0) {
		check_removal(ask_removal(a), REMOVAL_DONE, TASK_CANCELLED);
	} else {
		rig_conf_init(&again, 1);
		reload(true);
		UNTIL_STATE(a, TASK_FAILED);
	}
	RIG_UNTIL(&rig, quiets > 0);
}
END_TEST

/* Told only after whoever waits has had his answer. */
static bool quiet_was_early;

static void
on_last_submitted(struct submission *s, enum sched_verdict verdict,
    const struct task *t)
{
	quiet_was_early = quiets > 0;
	on_submitted(s, verdict, t);
}

START_TEST(drain_and_the_last_answer)
{
	struct sub *a;

	start_on(&gated);
	gate(&changes_wait, true);
	sched_drain(sched);
	a = submit(ROUTE_EXEC);
	a->s.done = on_last_submitted;
	RIG_UNTIL(&rig, batches == 1);
	rig_settle(&rig);
	quiets = 0;
	gate(&changes_wait, false);
	RIG_UNTIL(&rig, quiets > 0);
	ck_assert(a->done);
	ck_assert(!quiet_was_early);
}
END_TEST

/* --- nothing is left ---------------------------------------------------------------------------- */

static unsigned int many_done;

static void
on_many(struct submission *s, enum sched_verdict verdict,
    const struct task *t)
{
	(void)t;
	ck_assert_int_eq(verdict, SCHED_ACCEPTED);
	many_done++;
	free(s);
}

static void
submit_one_of_many(void)
{
	struct submission *s = calloc(1, sizeof(*s));

	s->method = METHOD_POST;
	s->method_name = "POST";
	s->path = PATH;
	s->request = MESSAGE_EMPTY;
	s->request.head = blob_new(HEAD, strlen(HEAD));
	s->done = on_many;
	sched_submit(sched, s);
}

#define MANY	20000

START_TEST(nothing_is_left_of_many)
{
	struct store_stats st;
	struct frame f;

	rig.slots = 8;
	rig.conf.c.queue = MANY;
	rig.conf.routes[ROUTE_EXEC].limits.keep_s = 1;
	start();
	for (int i = 0; i < MANY; i++)
		submit_one_of_many();
	for (int i = 0; i < MANY; i++) {
		f = *rig_next(&rig, w, FRAME_RUN);
		rig_done(w, &f, i % 3 ? OUTCOME_SUCCEEDED : OUTCOME_FAILED);
	}
	ck_assert_uint_eq(many_done, MANY);
	RIG_UNTIL(&rig, sched->table.count == 0);
	check_clean(0);
	store_stats(store, &st);
	ck_assert_uint_eq(st.tasks + st.bytes + st.reserved_bytes, 0);
}
END_TEST

/* The end comes while all sorts of things are under way. */
START_TEST(closed_in_the_middle)
{
	struct sub *a, *b;

	rig.conf.routes[ROUTE_EXEC].limits.keep_s = 1;
	start_on(&gated);
	a = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	b = submitted(ROUTE_EXEC, SCHED_ACCEPTED);
	gate(&loads_wait, true);
	work(w, a);
	RIG_UNTIL(&rig, loads == 1);
	gate(&changes_wait, true);
	UNTIL_STATE(a, GONE);		/* its row leaves */
	rig_conf_init(&again, 1);
	reload(true);			/* and other changes */
	ck_assert_int_eq(state_of(b), TASK_QUEUED);
}
END_TEST

/* --- */

static TCase *
add_case(Suite *s, const char *name)
{
	TCase *t = suite_case(s, name, setup, teardown);

	tcase_set_timeout(t, 180);
	return t;
}

static Suite *
sched_suite(void)
{
	Suite *s = suite_create("sched");
	TCase *t = add_case(s, "submit");

	tcase_add_test(t, runs_at_once_when_a_slot_is_free);
	tcase_add_test(t, done_only_when_committed);
	tcase_add_loop_test(t, store_cannot_commit_a_submission, 0, 2);
	tcase_add_test(t, queue_is_full);
	tcase_add_test(t, max_queued_is_the_route_s_own);
	tcase_add_test(t, max_tasks);
	tcase_add_loop_test(t, max_store, 0, 2);

	t = add_case(s, "order");
	tcase_add_test(t, fifo_within_a_route);
	tcase_add_test(t, nobody_jumps_the_queue);
	tcase_add_test(t, oldest_first_over_routes);
	tcase_add_test(t, priority_over_routes);
	tcase_add_test(t, nobody_starves);
	tcase_add_test(t, max_running_is_respected);
	tcase_add_loop_test(t, order_survives_a_store_that_fails, 0, 2);
	tcase_add_test(t, request_is_lost);

	t = add_case(s, "end");
	tcase_add_loop_test(t, outcomes, 0, 3);
	tcase_add_test(t, response_in_a_file);
	tcase_add_test(t, response_that_the_disk_did_not_take);
	tcase_add_loop_test(t, response_in_a_file_that_is_not_so, 0, 4);
	tcase_add_test(t, module_crash);
	tcase_add_test(t, module_over_its_time);
	tcase_add_loop_test(t, rerun_rule, 0, METHOD_N * RERUN_N * 2);
	tcase_add_test(t, rerun_in_order);
	tcase_add_loop_test(t, retry_rule, 0, METHOD_N * 3);
	tcase_add_test(t, retry_delay_doubles);
	tcase_add_test(t, delayed_in_order);
	tcase_add_test(t, cancelled_is_not_tried_again);
	tcase_add_loop_test(t, end_cannot_be_committed, 0, 3);
	tcase_add_loop_test(t, end_is_never_committed, 0, 4);
	tcase_add_loop_test(t, end_on_its_way_as_we_leave, 0, 2);
	tcase_add_test(t, retries_back_off);

	t = add_case(s, "link");
	tcase_add_test(t, cancel_queued);
	tcase_add_loop_test(t, cancel_running, 0, 2);
	tcase_add_test(t, cancel_while_loading);
	tcase_add_loop_test(t, cancel_while_starting, 0, 2);
	tcase_add_loop_test(t, cancel_and_done, 0, 2);
	tcase_add_test(t, only_cancel_and_done);
	tcase_add_test(t, remove_finished);
	tcase_add_test(t, remove_cannot_be_committed);

	t = add_case(s, "expiry");
	tcase_add_test(t, expires_to_the_second);
	tcase_add_loop_test(t, expiry_cannot_be_committed, 0, 2);
	tcase_add_test(t, reader_holds_it);
	tcase_add_test(t, claimed_by_one_that_goes);
	tcase_add_loop_test(t, removed_while_read, 0, 2);
	tcase_add_test(t, running_never_expires);

	t = add_case(s, "reload");
	tcase_add_loop_test(t, change_is_never_committed, 0, 2);
	tcase_add_loop_test(t, reload_fails_orphans, 0, 3);
	tcase_add_loop_test(t, reload_fails_delayed_orphans, 0, 2);
	tcase_add_loop_test(t, reload_changes_the_delay, 0, 2);
	tcase_add_test(t, reload_during_a_rerun);
	tcase_add_test(t, reload_brings_it_back);
	tcase_add_test(t, reload_shifts_times);

	t = add_case(s, "pause");
	tcase_add_loop_test(t, pause_and_resume, 0, 2);
	tcase_add_test(t, pause_while_one_is_on_its_way);
	tcase_add_loop_test(t, drain_ends_a_pause, 0, 2);
	t = add_case(s, "drain");
	tcase_add_loop_test(t, drain_of_nothing, 0, 2);
	tcase_add_test(t, drain_durable);
	tcase_add_test(t, drain_memory);
	tcase_add_loop_test(t, drain_memory_and_cancel, 0, 2);
	tcase_add_test(t, drain_and_the_last_answer);

	t = add_case(s, "many");
	tcase_add_test(t, nothing_is_left_of_many);
	tcase_add_test(t, closed_in_the_middle);
	return s;
}

int
main(void)
{
	return suite_run(sched_suite());
}
