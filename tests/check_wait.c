/*
 * check_wait - who waits for a task, who shares one, who has too many; and
 * what happens to those who wait, read or cancel just when it ends or goes.
 *
 * The races are run ten thousand times each, in every order that one loop can
 * bring about; what is left over after a single one would be seen at the end.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/master/sched.h"
#include "daemon/master/sched_priv.h"
#include "tests/master_rig.h"
#include "tests/suite.h"

#define HEAD		"the head"
#define RACES		10000
#define LONG		1000	/* seconds: nobody waits for so long here */

static struct rig rig;
static struct store *store;
static struct sched *sched;
static struct rig_worker *w;

static void
setup(void)
{
	rig_init(&rig);
	rig.slots = 2;
	rig.conf.c.max_waiting = 2;
}

static void
start(void)
{
	rig_sched(&rig, &store, &sched);
	w = rig_worker(&rig);
	(void)rig_worker(&rig);
}

/* Nothing stands beside the table for what has ended. */
static void
teardown(void)
{
	store_close(store);
	sched_free(sched);
	rig_fini(&rig);
}

/* Turns of the loop without a pause: ten thousand of them are no time. */
#define UNTIL(cond) do {						\
	int64_t until_ = clock_mono_ms() + RIG_DEADLINE_MS;		\
	while (!(cond)) {						\
		ck_assert_msg(clock_mono_ms() < until_, "never: %s", #cond); \
		ck_assert_int_ge(event_base_loop(rig.base, EVLOOP_NONBLOCK), 0); \
	}								\
} while (0)

/* --- tasks --------------------------------------------------------------------- */

struct sub {
	struct submission s;
	unsigned int	 called;
	enum sched_verdict verdict;
	unsigned char	 id[TASK_ID_BYTES];
};

static void
on_submitted(struct submission *s, enum sched_verdict verdict,
    const struct task *t)
{
	struct sub *sub = (struct sub *)s;

	sub->called++;
	sub->verdict = verdict;
	if (verdict != SCHED_ACCEPTED)
		message_fini(&s->request);
	if (t != NULL)
		memcpy(sub->id, t->id, TASK_ID_BYTES);
}

static void
submit_as(struct sub *sub, const char *client, const char *share)
{
	memset(sub, 0, sizeof(*sub));
	sub->s.route = sched_route(sched, &sched->conf->routes[ROUTE_EXEC]);
	sub->s.method = METHOD_GET;
	sub->s.method_name = "GET";
	sub->s.path = "/a/path";
	sub->s.client = client;
	sub->s.share = share;
	sub->s.share_len = share != NULL ? strlen(share) : 0;
	sub->s.request = MESSAGE_EMPTY;
	sub->s.request.head = blob_new(HEAD, strlen(HEAD));
	sub->s.done = on_submitted;
	sched_submit(sched, &sub->s);
}

static void
submitted_as(struct sub *sub, const char *client, const char *share,
    enum sched_verdict verdict)
{
	submit_as(sub, client, share);
	UNTIL(sub->called > 0);
	ck_assert_int_eq(sub->verdict, verdict);
	ck_assert_uint_eq(sub->called, 1);
}

static void
submitted(struct sub *sub)
{
	submitted_as(sub, NULL, NULL, SCHED_ACCEPTED);
}

static const struct task *
task_of(const struct sub *sub)
{
	return sched_find(sched, sub->id);
}

static bool
is_over(const struct sub *sub)
{
	const struct task *t = task_of(sub);

	return t == NULL || task_finished((enum task_state)t->state);
}

static void
work(const struct sub *sub, enum frame_outcome outcome)
{
	struct frame *f = rig_next(&rig, w, FRAME_RUN);

	ck_assert_mem_eq(f->u.run.id, sub->id, TASK_ID_BYTES);
	rig_done(w, f, outcome);
	UNTIL(is_over(sub));
}

struct rem {
	struct removal	 r;
	unsigned int	 called;
	enum removal_verdict verdict;
};

static void
on_removed(struct removal *r, enum removal_verdict verdict,
    const struct task *t)
{
	struct rem *rem = (struct rem *)r;

	(void)t;
	rem->called++;
	rem->verdict = verdict;
}

static void
ask_removal(struct rem *rem, const struct sub *sub)
{
	memset(rem, 0, sizeof(*rem));
	memcpy(rem->r.id, sub->id, TASK_ID_BYTES);
	rem->r.done = on_removed;
	sched_remove(sched, &rem->r);
}

static void
removed(const struct sub *sub)
{
	struct rem rem;

	ask_removal(&rem, sub);
	UNTIL(rem.called > 0);
	ck_assert_int_eq(rem.verdict, REMOVAL_DONE);
}

/* --- waiting --------------------------------------------------------------------- */

#define GONE	TASK_STATE_N

struct wait {
	struct waiter	 w;
	unsigned int	 called;
	unsigned int	 order;		/* the how-manieth call it was */
	enum task_state	 state;
};

static unsigned int calls;

static void
on_waited(struct waiter *waiter, const struct task *t)
{
	struct wait *wait = (struct wait *)waiter;

	wait->called++;
	wait->order = ++calls;
	wait->state = t != NULL ? (enum task_state)t->state : GONE;
	memset(waiter, 0xa5, sizeof(*waiter));	/* whoever waited may be gone */
}

static bool
may_wait(struct wait *wait, const struct sub *sub, bool door)
{
	memset(wait, 0, sizeof(*wait));
	wait->w.done = on_waited;
	wait->w.door = door;
	return sched_wait(sched, task_of(sub), LONG, &wait->w);
}

static void
waits(struct wait *wait, const struct sub *sub)
{
	ck_assert(may_wait(wait, sub, false));
}

static void
is_called(const struct wait *wait, enum task_state state)
{
	UNTIL(wait->called > 0);
	ck_assert_uint_eq(wait->called, 1);
	ck_assert_int_eq(wait->state, state);
}

static void
nobody_waits(void)
{
	ck_assert_ptr_null(sched->waiting);
	ck_assert_ptr_null(sched->waiters);
	ck_assert_ptr_null(sched->to_call);
	ck_assert_uint_eq(sched->ndoors, 0);
}

START_TEST(called_when_it_has_ended)
{
	static const struct {
		enum frame_outcome outcome;
		enum task_state	 state;
	} ends[] = {
		{ OUTCOME_SUCCEEDED, TASK_SUCCEEDED },
		{ OUTCOME_FAILED, TASK_FAILED },
		{ OUTCOME_TIMED_OUT, TASK_TIMED_OUT },
	};
	struct wait a, b, other;
	struct sub sub, slow;

	start();
	submitted(&sub);
	waits(&a, &sub);
	waits(&b, &sub);
	work(&sub, ends[_i].outcome);
	is_called(&a, ends[_i].state);
	is_called(&b, ends[_i].state);
	submitted(&slow);
	waits(&other, &slow);
	rig_settle(&rig);
	ck_assert_uint_eq(other.called, 0);	/* that was another task */
	sched_wait_end(&other.w);
	nobody_waits();
}
END_TEST

START_TEST(called_when_it_is_cancelled)
{
	struct wait wait;
	struct sub sub;

	start();
	submitted(&sub);
	waits(&wait, &sub);
	removed(&sub);
	is_called(&wait, TASK_CANCELLED);
	nobody_waits();
}
END_TEST

/* Who cancels is not surprised by a call in the middle of it. */
START_TEST(called_in_a_turn_of_its_own)
{
	struct task *t;
	struct wait wait;
	struct sub sub;

	start();
	submitted(&sub);
	waits(&wait, &sub);
	t = (struct task *)task_of(&sub);
	sched_move(sched, t, &(struct store_op){ .to = TASK_CANCELLED,
	    .to_attempt = 1 });
	ck_assert_uint_eq(wait.called, 0);
	is_called(&wait, TASK_CANCELLED);
}
END_TEST

START_TEST(called_when_time_is_up)
{
	int64_t start_ms;
	struct wait wait;
	struct sub sub;

	start();
	submitted(&sub);
	memset(&wait, 0, sizeof(wait));
	wait.w.done = on_waited;
	start_ms = clock_mono_ms();
	ck_assert(!sched_wait(sched, task_of(&sub), 0, &wait.w));
	ck_assert(sched_wait(sched, task_of(&sub), 1, &wait.w));
	RIG_UNTIL(&rig, wait.called > 0);
	is_called(&wait, TASK_RUNNING);
	ck_assert_int_ge(clock_mono_ms() - start_ms, 990); /* a coarse clock */
	nobody_waits();
}
END_TEST

START_TEST(not_called_when_it_has_left)
{
	struct wait a, b;
	struct sub sub;

	start();
	submitted(&sub);
	waits(&a, &sub);
	waits(&b, &sub);
	if (_i == 0)
		sched_wait_end(&a.w);
	sched_wait_release(sched, 2);	/* both are due, if they are here */
	if (_i == 1)
		sched_wait_end(&a.w);
	is_called(&b, TASK_RUNNING);
	rig_settle(&rig);
	ck_assert_uint_eq(a.called, 0);
	nobody_waits();
}
END_TEST

START_TEST(the_oldest_are_called_off_first)
{
	struct wait wait[6];
	struct sub a, b;

	start();
	submitted(&a);
	submitted(&b);
	for (int i = 0; i < 6; i++)
		waits(&wait[i], i % 2 == 0 ? &a : &b);
	calls = 0;
	sched_wait_release(sched, 4);
	is_called(&wait[3], TASK_RUNNING);
	for (unsigned int i = 0; i < 4; i++)
		ck_assert_uint_eq(wait[i].order, i + 1);
	rig_settle(&rig);
	ck_assert_uint_eq(wait[4].called + wait[5].called, 0);
	sched_wait_release(sched, 100);
	is_called(&wait[5], TASK_RUNNING);
	nobody_waits();
}
END_TEST

/* max-waiting counts doors; their place is free when they were called. */
START_TEST(only_so_many_doors)
{
	struct wait a, b, c, plain;
	struct sub sub;

	start();
	submitted(&sub);
	ck_assert(may_wait(&a, &sub, true));
	ck_assert(may_wait(&b, &sub, true));
	ck_assert(!may_wait(&c, &sub, true));
	ck_assert(may_wait(&plain, &sub, false));
	sched_wait_end(&a.w);
	ck_assert(may_wait(&a, &sub, true));
	sched_wait_release(sched, 1);
	ck_assert(!may_wait(&c, &sub, true));
	is_called(&b, TASK_RUNNING);
	ck_assert(may_wait(&c, &sub, true));
	removed(&sub);
	is_called(&a, TASK_CANCELLED);
	is_called(&c, TASK_CANCELLED);
	is_called(&plain, TASK_CANCELLED);
	nobody_waits();
}
END_TEST

START_TEST(called_off_when_draining)
{
	struct wait a, b;
	struct sub sub;

	start();
	submitted(&sub);
	waits(&a, &sub);
	sched_drain(sched);
	is_called(&a, TASK_RUNNING);
	ck_assert(!may_wait(&b, &sub, false));
	nobody_waits();
}
END_TEST

static bool open_gate;

static bool
on_may_call(void *arg)
{
	(void)arg;
	return open_gate;
}

/* Nobody is called before there is room; the task may be gone by then. */
START_TEST(called_when_there_is_room)
{
	struct wait a, b;
	struct sub sub;

	start();
	sched_wait_gate(sched, on_may_call, NULL);
	open_gate = false;
	submitted(&sub);
	waits(&a, &sub);
	waits(&b, &sub);
	work(&sub, OUTCOME_SUCCEEDED);
	rig_settle(&rig);
	ck_assert_uint_eq(a.called + b.called, 0);
	removed(&sub);
	open_gate = true;
	sched_wait_resume(sched);
	is_called(&a, GONE);
	is_called(&b, GONE);
	nobody_waits();
}
END_TEST

START_TEST(closed_while_one_waits)
{
	struct wait a, b;
	struct sub sub;

	start();
	submitted(&sub);
	waits(&a, &sub);
	waits(&b, &sub);
	sched_wait_release(sched, 1);
	sched_wait_end(&a.w);		/* as conn_free() does */
	sched_wait_end(&b.w);
}
END_TEST

/* --- sharing ----------------------------------------------------------------------- */

static void
nothing_beside(void)
{
	ck_assert_ptr_null(sched->shared);
	ck_assert_ptr_null(sched->shared_by_id);
	ck_assert_ptr_null(sched->clients);
	ck_assert_ptr_null(sched->counted);
}

START_TEST(identical_requests_share)
{
	struct sub a, b, c, other;

	start();
	submitted_as(&a, NULL, "one", SCHED_ACCEPTED);
	submitted_as(&b, NULL, "one", SCHED_SHARED);
	submitted_as(&other, NULL, "two", SCHED_ACCEPTED);
	ck_assert_mem_eq(a.id, b.id, TASK_ID_BYTES);
	ck_assert_mem_ne(a.id, other.id, TASK_ID_BYTES);
	ck_assert_uint_eq(sched->table.count, 2);
	work(&a, OUTCOME_SUCCEEDED);
	submitted_as(&c, NULL, "one", SCHED_ACCEPTED);
	ck_assert_mem_ne(a.id, c.id, TASK_ID_BYTES);
	removed(&c);
	removed(&other);
	nothing_beside();
}
END_TEST

/* No link before it is promised. */
START_TEST(shared_before_it_is_committed)
{
	struct sub subs[5];

	start();
	for (int i = 0; i < 5; i++)
		submit_as(&subs[i], NULL, "one");
	for (int i = 0; i < 5; i++)
		ck_assert_uint_eq(subs[i].called, 0);
	UNTIL(subs[4].called > 0);
	for (int i = 0; i < 5; i++) {
		ck_assert_uint_eq(subs[i].called, 1);
		ck_assert_int_eq(subs[i].verdict,
		    i == 0 ? SCHED_ACCEPTED : SCHED_SHARED);
		ck_assert_mem_eq(subs[i].id, subs[0].id, TASK_ID_BYTES);
	}
	ck_assert_uint_eq(sched->table.count, 1);
}
END_TEST

START_TEST(refused_together)
{
	struct sub a, b, c;

	rig.conf.c.max_store_bytes = 4;	/* less than a head */
	rig.conf.routes[ROUTE_EXEC].limits.max_per_client = 5;
	start();
	submit_as(&a, "me", "one");
	submit_as(&b, "me", "one");
	UNTIL(a.called > 0 && b.called > 0);
	ck_assert_int_eq(a.verdict, SCHED_FULL);
	ck_assert_int_eq(b.verdict, SCHED_FULL);
	ck_assert_uint_eq(sched->table.count, 0);
	nothing_beside();
	rig.conf.c.max_store_bytes = 1 << 20;
	store_set_conf(store, &rig.conf.c);
	submitted_as(&c, NULL, "one", SCHED_ACCEPTED);
}
END_TEST

/* What is full for others is open for one that makes no task. */
START_TEST(shared_when_full)
{
	struct sub a, b, c, d, e;

	rig.conf.c.queue = 1;
	start();
	submitted(&a);
	submitted(&b);
	submitted_as(&c, NULL, "one", SCHED_ACCEPTED);
	submitted_as(&d, NULL, "two", SCHED_FULL);
	submitted_as(&e, NULL, "one", SCHED_SHARED);
	ck_assert_mem_eq(c.id, e.id, TASK_ID_BYTES);
}
END_TEST

/* --- one client's share ---------------------------------------------------------- */

START_TEST(one_client_has_only_so_many)
{
	struct sub a, b, c, other, nobody;

	rig.conf.routes[ROUTE_EXEC].limits.max_per_client = 2;
	start();
	submit_as(&a, "me", NULL);	/* also while they are on their way */
	submit_as(&b, "me", NULL);
	submit_as(&c, "me", NULL);
	ck_assert_uint_eq(c.called, 1);
	ck_assert_int_eq(c.verdict, SCHED_MANY);
	UNTIL(a.called > 0 && b.called > 0);
	ck_assert_int_eq(sched_admit(sched, &c.s), SCHED_MANY);
	submitted_as(&other, "you", NULL, SCHED_ACCEPTED);
	submitted_as(&nobody, NULL, NULL, SCHED_ACCEPTED);
	work(&a, OUTCOME_FAILED);
	submitted_as(&c, "me", NULL, SCHED_ACCEPTED);
	submitted_as(&a, "me", NULL, SCHED_MANY);
	removed(&b);
	removed(&c);
	removed(&other);
	removed(&nobody);
	nothing_beside();
}
END_TEST

/* --- races ------------------------------------------------------------------------ */

static unsigned int dice = 1;

static unsigned int
roll(unsigned int sides)
{
	dice = dice * 1103515245 + 12345;
	return dice >> 16 & 0x7fff ? (dice >> 16 & 0x7fff) % sides : 0;
}

static void
turns(unsigned int n)
{
	while (n-- > 0)
		ck_assert_int_ge(event_base_loop(rig.base, EVLOOP_NONBLOCK), 0);
}

/* What else the worker was told: it has answered already. */
static void
forget_frames(void)
{
	static unsigned char packet[FRAME_MAX];

	while (recv(w->fd, packet, sizeof(packet), MSG_DONTWAIT) > 0)
		;
}

static void
nothing_is_left(void)
{
	UNTIL(sched->nops == 0 && sched->table.count == 0 &&
	    proc_count(sched->proc) == 0);
	nobody_waits();
	nothing_beside();
	for (size_t i = 0; i < sched->nroutes; i++) {
		ck_assert_int_eq(sched->routes[i].njobs, 0);
		ck_assert_uint_eq(sched->routes[i].nqueued, 0);
		ck_assert_ptr_null(sched->routes[i].finished);
	}
}

static struct frame
running(struct sub *sub)
{
	submitted(sub);
	return *rig_next(&rig, w, FRAME_RUN);
}

/* Its time is over from now on. */
static void
expire(const struct sub *sub)
{
	struct task *t = (struct task *)task_of(sub);

	if (t == NULL)
		return;
	t->ends_ms = clock_mono_ms();
	sched_arm_expire(sched);
}

/*
 * The task ends and expires in the same moment; time is up for one waiter,
 * another leaves, a third is called off.  Each is called once, or never.
 */
START_TEST(race_wait_against_expiry)
{
	unsigned int ends = 0, gone = 0, early = 0;

	start();
	for (int i = 0; i < RACES; i++) {
		struct wait late, leaves, stays;
		struct sub sub;
		struct frame run = running(&sub);
		unsigned int at = roll(4), up = roll(4), left = roll(4);

		rig.conf.routes[ROUTE_EXEC].limits.keep_s = roll(2);
		waits(&late, &sub);
		waits(&leaves, &sub);
		waits(&stays, &sub);
		for (unsigned int t = 0; t < 4; t++) {
			if (t == at)
				rig_done(w, &run, OUTCOME_SUCCEEDED);
			if (t == up && late.called == 0 && late.w.timer != NULL)
				event_active(late.w.timer, EV_TIMEOUT, 0);
			if (t == left && leaves.called == 0)
				sched_wait_end(&leaves.w), leaves.called = 2;
			if (roll(8) == 0)
				sched_wait_release(sched, 1);
			turns(roll(2));
		}
		UNTIL(late.called > 0 && stays.called > 0);
		ck_assert_uint_eq(late.called, 1);
		ck_assert_uint_eq(stays.called, 1);
		ck_assert_uint_ge(leaves.called, 1);
		ends += stays.state == TASK_SUCCEEDED;
		gone += stays.state == GONE;
		early += stays.state == TASK_RUNNING;
		UNTIL(is_over(&sub));
		expire(&sub);
		UNTIL(task_of(&sub) == NULL);
	}
	nothing_is_left();
	ck_assert_uint_eq(ends + gone + early, RACES);
	ck_assert_uint_gt(ends, RACES / 10);
	ck_assert_uint_gt(gone, RACES / 10);
	ck_assert_uint_gt(early, RACES / 100);
}
END_TEST

struct look {
	struct reading	 r;
	unsigned int	 called;
	bool		 there, whole;
};

static void
on_read(struct reading *r, const struct task *t)
{
	struct look *l = (struct look *)r;

	l->called++;
	l->there = t != NULL;
	l->whole = r->op.verdict == STORE_OK && r->op.message.body.size == 4;
	message_fini(&r->op.message);
	blob_unref(&r->op.texts);
}

/* Who has begun to read gets all of it; and then it goes. */
START_TEST(race_read_against_expiry)
{
	unsigned int during = 0;

	start();
	for (int i = 0; i < RACES; i++) {
		struct look a = { 0 }, b = { 0 };
		struct sub sub;
		struct frame run = running(&sub);

		a.r.done = b.r.done = on_read;
		rig_done(w, &run, OUTCOME_SUCCEEDED);
		UNTIL(is_over(&sub));
		if (roll(2) == 0)
			expire(&sub);	/* in the next turn */
		sched_read(sched, task_of(&sub), &a.r);
		turns(roll(3));
		sched_read(sched, task_of(&sub), &b.r);
		during += a.called == 0;
		expire(&sub);
		UNTIL(a.called > 0 && b.called > 0);
		ck_assert(a.there && a.whole && b.there && b.whole);
		turns(roll(3));
		ck_assert_ptr_nonnull(task_of(&sub));
		sched_read_end(sched, sub.id);
		turns(roll(3));
		ck_assert_ptr_nonnull(task_of(&sub));
		sched_read_end(sched, sub.id);
		UNTIL(task_of(&sub) == NULL);
	}
	nothing_is_left();
	ck_assert_uint_gt(during, RACES / 10);
}
END_TEST

/* One of them wins, everybody is answered, and the slot is free again. */
START_TEST(race_cancel_against_finish)
{
	unsigned int cancelled = 0;

	rig.conf.routes[ROUTE_EXEC].limits.keep_s = LONG;
	start();
	for (int i = 0; i < RACES; i++) {
		unsigned int at = roll(4), other = roll(4);
		struct rem rem = { 0 };
		struct wait wait;
		struct sub sub;
		struct frame run = running(&sub);

		waits(&wait, &sub);
		for (unsigned int t = 0; t < 4; t++) {
			if (t == at)
				ask_removal(&rem, &sub);
			if (t == other)
				rig_done(w, &run, OUTCOME_SUCCEEDED);
			turns(roll(2));
		}
		UNTIL(rem.called > 0 && wait.called > 0 &&
		    proc_count(sched->proc) == 0);
		ck_assert_uint_eq(rem.called, 1);
		ck_assert_int_eq(rem.verdict, REMOVAL_DONE);
		ck_assert_uint_eq(wait.called, 1);
		if (task_of(&sub) != NULL) {
			ck_assert_int_eq(task_of(&sub)->state, TASK_CANCELLED);
			ck_assert_int_eq(wait.state, TASK_CANCELLED);
			cancelled++;
			sched_expire(sched, (struct task *)task_of(&sub));
		} else {
			ck_assert(wait.state == TASK_SUCCEEDED ||
			    wait.state == GONE);
		}
		forget_frames();
	}
	nothing_is_left();
	ck_assert_uint_gt(cancelled, RACES / 10);
	ck_assert_uint_lt(cancelled, RACES - RACES / 10);
}
END_TEST

/* --- all --------------------------------------------------------------------------- */

static TCase *
add_case(Suite *s, const char *name)
{
	TCase *t = suite_case(s, name, setup, teardown);

	tcase_set_timeout(t, 120);
	return t;
}

static Suite *
suite(void)
{
	Suite *s = suite_create("wait");
	TCase *t = add_case(s, "waiting");

	tcase_add_loop_test(t, called_when_it_has_ended, 0, 3);
	tcase_add_test(t, called_when_it_is_cancelled);
	tcase_add_test(t, called_in_a_turn_of_its_own);
	tcase_add_test(t, called_when_time_is_up);
	tcase_add_loop_test(t, not_called_when_it_has_left, 0, 2);
	tcase_add_test(t, the_oldest_are_called_off_first);
	tcase_add_test(t, only_so_many_doors);
	tcase_add_test(t, called_off_when_draining);
	tcase_add_test(t, called_when_there_is_room);
	tcase_add_test(t, closed_while_one_waits);

	t = add_case(s, "sharing");
	tcase_add_test(t, identical_requests_share);
	tcase_add_test(t, shared_before_it_is_committed);
	tcase_add_test(t, refused_together);
	tcase_add_test(t, shared_when_full);
	tcase_add_test(t, one_client_has_only_so_many);

	t = add_case(s, "races");
	tcase_add_test(t, race_wait_against_expiry);
	tcase_add_test(t, race_read_against_expiry);
	tcase_add_test(t, race_cancel_against_finish);
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
