/*
 * Tests of task.c: the states, and the text of ids.
 */
#include "config.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/task.h"
#include "tests/suite.h"

/* contract.md section 6, written out by hand: from a row to a column. */
static const bool allowed[TASK_STATE_N][TASK_STATE_N] = {
	/*		 queued running succ.  failed timed  cancelled */
	/* queued */	{ false, true,  false, true,  false, true },
	/* running */	{ true,  false, true,  true,  true,  true },
	/* succeeded */	{ false, false, false, false, false, false },
	/* failed */	{ false, false, false, false, false, false },
	/* timed out */	{ false, false, false, false, false, false },
	/* cancelled */	{ false, false, false, false, false, false },
};

#define PAIRS	(TASK_STATE_N * TASK_STATE_N)

/* The test's number is the pair. */
static void
pair(int i, enum task_state *from, enum task_state *to)
{
	*from = (enum task_state)(i / TASK_STATE_N);
	*to = (enum task_state)(i % TASK_STATE_N);
}

START_TEST(moves_are_the_matrix)
{
	enum task_state from, to;

	pair(_i, &from, &to);
	ck_assert_msg(task_may_move(from, to) == allowed[from][to],
	    "%s to %s", task_state_names[from], task_state_names[to]);
}
END_TEST

START_TEST(allowed_move_changes_state_and_time)
{
	struct task t = { .created_ms = 5, .changed_ms = 5, .attempt = 2 };
	enum task_state from, to;

	pair(_i, &from, &to);
	if (!allowed[from][to])
		return;
	t.state = (uint8_t)from;
	task_move(&t, to, 1234);
	ck_assert_uint_eq(t.state, to);
	ck_assert_int_eq(t.changed_ms, 1234);
	ck_assert_int_eq(t.created_ms, 5);
	ck_assert_uint_eq(t.attempt, 2);
}
END_TEST

/* Runs where an abort is expected, so an allowed pair aborts by itself. */
START_TEST(forbidden_move_aborts)
{
	struct task t = { .changed_ms = 5 };
	enum task_state from, to;

	pair(_i, &from, &to);
	if (allowed[from][to] || freopen("/dev/null", "w", stderr) == NULL)
		abort();
	t.state = (uint8_t)from;
	task_move(&t, to, 1234);
}
END_TEST

START_TEST(finished_states_are_the_last_four)
{
	ck_assert(!task_finished(TASK_QUEUED));
	ck_assert(!task_finished(TASK_RUNNING));
	ck_assert(task_finished(TASK_SUCCEEDED));
	ck_assert(task_finished(TASK_FAILED));
	ck_assert(task_finished(TASK_TIMED_OUT));
	ck_assert(task_finished(TASK_CANCELLED));
}
END_TEST

START_TEST(names_are_the_contract)
{
	static const char *const names[TASK_STATE_N] = { "queued", "running",
	    "succeeded", "failed", "timed-out", "cancelled" };

	for (int i = 0; i < TASK_STATE_N; i++)
		ck_assert_str_eq(task_state_names[i], names[i]);
}
END_TEST

START_TEST(new_ids_are_random_uuids)
{
	unsigned char ids[64][TASK_ID_BYTES];
	unsigned char seen[TASK_ID_BYTES] = { 0 };

	for (int i = 0; i < 64; i++) {
		task_new_id(ids[i]);
		ck_assert_uint_eq(ids[i][6] >> 4, 4);	/* version: random */
		ck_assert_uint_eq(ids[i][8] >> 6, 2);	/* variant */
		for (int k = 0; k < TASK_ID_BYTES; k++)
			seen[k] |= ids[i][k] ^ ids[0][k];
		for (int k = 0; k < i; k++)
			ck_assert_mem_ne(ids[i], ids[k], TASK_ID_BYTES);
	}
	/* Every free bit differed somewhere (but for chance 2^-63 each). */
	for (int k = 0; k < TASK_ID_BYTES; k++)
		ck_assert_uint_eq(seen[k], k == 6 ? 0x0f : k == 8 ? 0x3f : 0xff);
}
END_TEST

START_TEST(text_goes_there_and_back)
{
	static const unsigned char id[TASK_ID_BYTES] = { 0x00, 0x01, 0x0f,
	    0x10, 0x7f, 0x80, 0x9a, 0xbc, 0xde, 0xf0, 0xff, 0x23, 0x45, 0x67,
	    0x89, 0xaf };
	unsigned char back[TASK_ID_BYTES];
	char text[TASK_ID_TEXT];

	ck_assert_ptr_eq(task_id_text(id, text), text);
	ck_assert_str_eq(text, "00010f107f809abcdef0ff23456789af");
	ck_assert(task_id_parse(text, back));
	ck_assert_mem_eq(back, id, TASK_ID_BYTES);
}
END_TEST

static const char *const no_ids[] = {
	"",
	"0",
	"00010f107f809abcdef0ff23456789a",	/* 31 */
	"00010f107f809abcdef0ff23456789af0",	/* 33 */
	"00010F107F809ABCDEF0FF23456789AF",	/* upper case */
	"00010f107f809abcdef0ff23456789ag",
	"g0010f107f809abcdef0ff23456789af",
	" 0010f107f809abcdef0ff23456789af",
	"00010f107f809abcdef0ff23456789a\n",
	"00010f10-7f80-9abc-def0-ff23456789af",
	"0x010f107f809abcdef0ff23456789af",
	"00010f107f809abcdef0ff23456789a/",
	"00010f107f809abcdef0ff23456789:f",	/* behind '9' */
	"00010f107f809abcdef0ff23456789`f",	/* before 'a' */
};

START_TEST(other_text_is_no_id)
{
	unsigned char id[TASK_ID_BYTES];

	ck_assert_msg(!task_id_parse(no_ids[_i], id), "%s", no_ids[_i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("task");
	TCase *tc = suite_case(s, "states", NULL, NULL);

	tcase_add_loop_test(tc, moves_are_the_matrix, 0, PAIRS);
	tcase_add_loop_test(tc, allowed_move_changes_state_and_time, 0, PAIRS);
	tcase_add_loop_test_raise_signal(tc, forbidden_move_aborts, SIGABRT,
	    0, PAIRS);
	tcase_add_test(tc, finished_states_are_the_last_four);
	tcase_add_test(tc, names_are_the_contract);

	tc = suite_case(s, "ids", NULL, NULL);
	tcase_add_test(tc, new_ids_are_random_uuids);
	tcase_add_test(tc, text_goes_there_and_back);
	tcase_add_loop_test(tc, other_text_is_no_id, 0, N(no_ids));
	return suite_run(s);
}
