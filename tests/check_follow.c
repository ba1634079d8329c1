/*
 * check_follow - who hears what a task writes to stderr, whatever its worker
 * says and in which order.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/sched.h"
#include "daemon/master/sched_priv.h"
#include "tests/master_rig.h"
#include "tests/suite.h"

#define HEAD		"the head"

static struct rig rig;
static struct store *store;
static struct sched *sched;
static struct rig_worker *w;
static struct frame run;		/* the last RUN, what it needs of it */

static void
setup(void)
{
	rig_init(&rig);
	rig.slots = 1;
	rig.conf.routes[ROUTE_EXEC].limits.retry = 3;
	rig_sched(&rig, &store, &sched);
	w = rig_worker(&rig);
	(void)rig_worker(&rig);
}

static void
teardown(void)
{
	ck_assert_ptr_null(sched->following);
	store_close(store);
	sched_free(sched);
	rig_fini(&rig);
}

/* --- a task ------------------------------------------------------------------ */

struct sub {
	struct submission s;
	bool		 called;
	unsigned char	 id[TASK_ID_BYTES];
};

static void
on_submitted(struct submission *s, enum sched_verdict verdict,
    const struct task *t)
{
	struct sub *sub = (struct sub *)s;

	ck_assert_int_eq(verdict, SCHED_ACCEPTED);
	memcpy(sub->id, t->id, TASK_ID_BYTES);
	sub->called = true;
}

static void
submit(struct sub *sub)
{
	memset(sub, 0, sizeof(*sub));
	sub->s.route = sched_route(sched, &sched->conf->routes[ROUTE_EXEC]);
	sub->s.method = METHOD_GET;
	sub->s.method_name = "GET";
	sub->s.path = "/a/path";
	sub->s.request = MESSAGE_EMPTY;
	sub->s.request.head = blob_new(HEAD, strlen(HEAD));
	sub->s.done = on_submitted;
	sched_submit(sched, &sub->s);
	RIG_UNTIL(&rig, sub->called);
}

static void
runs(const struct sub *sub)
{
	run = *rig_next(&rig, w, FRAME_RUN);
	ck_assert_mem_eq(run.u.run.id, sub->id, TASK_ID_BYTES);
}

static void
told_to_follow(const struct sub *sub, unsigned int attempt, unsigned int on)
{
	struct frame *f = rig_next(&rig, w, FRAME_FOLLOW);

	ck_assert_mem_eq(f->u.job.id, sub->id, TASK_ID_BYTES);
	ck_assert_uint_eq(f->u.job.attempt, attempt);
	ck_assert_uint_eq(f->u.job.on, on);
}

static void
writes(uint64_t at, const char *text)
{
	struct frame f = { .kind = FRAME_STDERR };

	memcpy(f.u.err.id, run.u.run.id, TASK_ID_BYTES);
	f.u.err.attempt = run.u.run.attempt;
	f.u.err.at = at;
	f.u.err.text = (struct frame_bytes){ text, strlen(text) };
	rig_send(w->fd, &f, NULL);
	rig_settle(&rig);
}

static void
ends(enum frame_outcome outcome)
{
	rig_done(w, &run, outcome);
}

/* --- who follows --------------------------------------------------------------- */

struct fan {
	struct follower	 f;
	struct buf	 heard;		/* text, and (N) for what was missed */
	unsigned int	 said;		/* calls */
	unsigned int	 done;
	bool		 leaves;	/* when he next hears something */
	enum task_state	 state;		/* at the end */
};

static void
on_said(struct follower *f, const void *text, size_t len, uint64_t missed)
{
	struct fan *fan = (struct fan *)f;

	fan->said++;
	if (missed > 0)
		ck_assert_int_eq(buf_printf(&fan->heard, "(%ju)",
		    (uintmax_t)missed), 0);
	ck_assert_int_eq(buf_add(&fan->heard, text, len), 0);
	if (fan->leaves)
		sched_follow_end(f);
}

static void
on_done(struct follower *f, const struct task *t)
{
	struct fan *fan = (struct fan *)f;

	fan->done++;
	fan->state = t != NULL ? (enum task_state)t->state : TASK_STATE_N;
	memset(f, 0xa5, sizeof(*f));	/* whoever followed may be gone */
}

static void
follows(struct fan *fan, const struct sub *sub)
{
	memset(fan, 0, sizeof(*fan));
	buf_init(&fan->heard, 1 << 20);
	fan->f.said = on_said;
	fan->f.done = on_done;
	ck_assert_int_eq(sched_follow(sched, sched_find(sched, sub->id),
	    &fan->f), 0);
}

/* Of a task that is submitted and runs. */
static void
follows_first_try(struct fan *fan, struct sub *sub)
{
	submit(sub);
	runs(sub);
	follows(fan, sub);
	told_to_follow(sub, 1, 1);
}

static void
heard(struct fan *fan, const char *text)
{
	ck_assert_int_eq(buf_add(&fan->heard, "", 1), 0);
	ck_assert_str_eq((const char *)buf_data(&fan->heard), text);
	buf_clear(&fan->heard);
}

static void
over(struct fan *fan, enum task_state state)
{
	RIG_UNTIL(&rig, fan->done > 0);
	ck_assert_uint_eq(fan->done, 1);
	ck_assert_int_eq(fan->state, state);
	buf_fini(&fan->heard);
}

/* --- tests ------------------------------------------------------------------------ */

START_TEST(from_the_first_word)
{
	struct sub sub;
	struct fan fan;

	follows_first_try(&fan, &sub);
	writes(0, "");
	ck_assert_uint_eq(fan.said, 1);	/* nothing yet is a word, too */
	writes(0, "one ");
	writes(4, "two ");
	writes(8, "");
	ck_assert_uint_eq(fan.said, 3);
	heard(&fan, "one two ");
	ends(OUTCOME_SUCCEEDED);
	over(&fan, TASK_SUCCEEDED);
	rig_silent(&rig);
}
END_TEST

/* Of what is sent again for the one, the other takes what he does not have. */
START_TEST(two_follow)
{
	struct sub sub;
	struct fan first, second;

	submit(&sub);
	runs(&sub);
	follows(&first, &sub);
	told_to_follow(&sub, 1, 1);
	writes(100, "abcdef");		/* the hundred were gone before */
	heard(&first, "abcdef");
	follows(&second, &sub);
	told_to_follow(&sub, 1, 1);
	writes(103, "defghi");
	heard(&first, "ghi");
	heard(&second, "defghi");
	writes(105, "fgh");		/* nothing new */
	writes(119, "x");
	heard(&first, "(10)x");
	heard(&second, "(10)x");
	sched_follow_end(&first.f);
	rig_silent(&rig);		/* one is left */
	writes(120, "y");
	heard(&first, "");
	heard(&second, "y");
	sched_follow_end(&second.f);
	told_to_follow(&sub, 1, 0);
	writes(121, "z");		/* it was under way */
	heard(&second, "");
	buf_fini(&first.heard);
	buf_fini(&second.heard);
	ends(OUTCOME_SUCCEEDED);
	rig_settle(&rig);
}
END_TEST

START_TEST(leaves_while_he_hears)
{
	struct sub sub;
	struct fan fans[3];

	submit(&sub);
	runs(&sub);
	for (int i = 0; i < 3; i++) {
		follows(&fans[i], &sub);
		told_to_follow(&sub, 1, 1);
		fans[i].leaves = i != 1;
	}
	writes(0, "a");
	fans[1].leaves = true;
	writes(1, "b");
	told_to_follow(&sub, 1, 0);
	writes(2, "c");
	heard(&fans[0], "a");
	heard(&fans[1], "ab");
	heard(&fans[2], "a");
	for (int i = 0; i < 3; i++)
		buf_fini(&fans[i].heard);
	ends(OUTCOME_SUCCEEDED);
	rig_settle(&rig);
}
END_TEST

/* All tries, each from its first word; what one did not tell is no gap. */
START_TEST(each_try)
{
	struct sub sub;
	struct fan fan;

	follows_first_try(&fan, &sub);
	writes(7, "one ");
	ends(OUTCOME_FAILED);
	runs(&sub);
	told_to_follow(&sub, 2, 1);
	writes(0, "two ");
	heard(&fan, "one two ");
	rig_died(&rig, w, 9);
	w = rig_worker(&rig);
	runs(&sub);
	told_to_follow(&sub, 3, 1);
	writes(3, "three");
	heard(&fan, "(3)three");
	ends(OUTCOME_SUCCEEDED);
	over(&fan, TASK_SUCCEEDED);
}
END_TEST

/* The worker has heard of FOLLOW too late to send a word: the log has it. */
START_TEST(done_at_once)
{
	struct sub sub;
	struct fan fan;

	follows_first_try(&fan, &sub);
	ends(OUTCOME_FAILED);
	runs(&sub);
	told_to_follow(&sub, 2, 1);
	heard(&fan, "the log");
	writes(3, "two");		/* he was there: he has missed three */
	ends(OUTCOME_FAILED);
	runs(&sub);
	told_to_follow(&sub, 3, 1);
	heard(&fan, "(3)two");		/* and not the log besides */
	ends(OUTCOME_SUCCEEDED);
	over(&fan, TASK_SUCCEEDED);
}
END_TEST

/* It waits for its turn; who follows hears it when it has come. */
START_TEST(queued)
{
	struct sub first, second;
	struct fan fan;

	submit(&first);
	runs(&first);
	submit(&second);
	follows(&fan, &second);
	rig_silent(&rig);
	ends(OUTCOME_SUCCEEDED);
	runs(&second);
	told_to_follow(&second, 1, 1);
	writes(0, "at last");
	heard(&fan, "at last");
	ends(OUTCOME_SUCCEEDED);
	over(&fan, TASK_SUCCEEDED);
}
END_TEST

/* We end: what is queued will not run, what runs is followed to its end. */
START_TEST(drained)
{
	struct sub running, waiting;
	struct fan fan, other;

	submit(&running);
	runs(&running);
	submit(&waiting);
	follows(&fan, &running);
	told_to_follow(&running, 1, 1);
	follows(&other, &waiting);
	sched_drain(sched);
	over(&other, TASK_QUEUED);
	ck_assert_uint_eq(fan.done, 0);
	writes(0, "the end");
	heard(&fan, "the end");
	ends(OUTCOME_SUCCEEDED);
	over(&fan, TASK_SUCCEEDED);
	rig_settle(&rig);
}
END_TEST

/* User code lives in a worker: it may say anything. */
START_TEST(lies)
{
	struct frame f = { .kind = FRAME_STDERR };
	struct sub sub;
	struct fan fan;

	submit(&sub);
	runs(&sub);
	writes(0, "nobody asked");
	follows(&fan, &sub);
	told_to_follow(&sub, 1, 1);
	writes(INT64_MAX, "a");
	writes(0, "b");
	writes(INT64_MAX - 2, "cdefg");
	writes(INT64_MAX, "h");
	ck_assert_uint_le(buf_len(&fan.heard), 16);
	buf_clear(&fan.heard);
	f.u.err.attempt = 9;		/* another try, another task */
	memcpy(f.u.err.id, sub.id, TASK_ID_BYTES);
	rig_send(w->fd, &f, NULL);
	f.u.err.attempt = 1;
	memset(f.u.err.id, 0, TASK_ID_BYTES);
	rig_send(w->fd, &f, NULL);
	rig_settle(&rig);
	heard(&fan, "");
	ends(OUTCOME_SUCCEEDED);
	over(&fan, TASK_SUCCEEDED);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("follow");
	TCase *tc = suite_case(suite, "follow", setup, teardown);

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, from_the_first_word);
	tcase_add_test(tc, two_follow);
	tcase_add_test(tc, leaves_while_he_hears);
	tcase_add_test(tc, each_try);
	tcase_add_test(tc, done_at_once);
	tcase_add_test(tc, queued);
	tcase_add_test(tc, drained);
	tcase_add_test(tc, lies);
	return suite_run(suite);
}
