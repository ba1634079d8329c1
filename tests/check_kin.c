/*
 * Tests of kin: a leader in a group of its own; below it a child in another
 * group (as timeout(1) makes one), with a child of its own; and one that
 * stayed in the leader's group.
 */
#include "config.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/kin.h"
#include "tests/suite.h"

enum role { LEADER, STAYED, LEFT, BELOW, ROLE_N };

static int told[2];		/* who is ready writes its role and pid */
static pid_t pid_of[ROLE_N];

struct word {
	enum role	 role;
	pid_t		 pid;
};

static void
live(enum role role)
{
	struct word w = { role, getpid() };

	if (write(told[1], &w, sizeof(w)) != sizeof(w))
		_exit(1);
	for (;;)
		pause();
}

static void
be_left(void)
{
	setpgid(0, 0);
	if (fork() == 0)
		live(BELOW);
	live(LEFT);
}

static void
be_leader(void)
{
	setpgid(0, 0);
	if (fork() == 0)
		live(STAYED);
	if (fork() == 0)
		be_left();
	live(LEADER);
}

static void
setup_pipe(void)
{
	/* Orphans come to us, so that their deaths can be seen. */
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	ck_assert_int_eq(pipe(told), 0);
}

static void
teardown_pipe(void)
{
	close(told[0]);
	close(told[1]);
}

static void
setup(void)
{
	struct word w;

	setup_pipe();
	if (fork() == 0)
		be_leader();
	for (int i = 0; i < ROLE_N; i++) {
		ck_assert_int_eq(read(told[0], &w, sizeof(w)), sizeof(w));
		pid_of[w.role] = w.pid;
	}
}

static void
teardown(void)
{
	for (int i = 0; i < ROLE_N; i++)
		kill(pid_of[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	teardown_pipe();
}

START_TEST(finds_who_left_the_group)
{
	struct kin k;

	kin_find(&k, pid_of[LEADER]);
	ck_assert_int_eq(k.n, 2);
	kin_kill(&k, SIGKILL);
	kill(pid_of[LEADER], SIGKILL);
	for (int i = 0; i < 3; i++) {
		int status;
		pid_t pid = wait(&status);

		ck_assert(pid == pid_of[LEADER] || pid == pid_of[LEFT] ||
		    pid == pid_of[BELOW]);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	ck_assert_int_eq(kill(pid_of[STAYED], 0), 0);
	kin_close(&k);
	ck_assert_int_eq(k.n, 0);
}
END_TEST

START_TEST(descriptors_outlive_the_leader)
{
	struct kin k;
	int status;

	kin_find(&k, pid_of[LEADER]);
	kill(pid_of[LEADER], SIGKILL);
	ck_assert_int_eq(waitpid(pid_of[LEADER], &status, 0), pid_of[LEADER]);
	kin_kill(&k, SIGKILL);
	ck_assert_int_eq(waitpid(pid_of[LEFT], &status, 0), pid_of[LEFT]);
	ck_assert_int_eq(waitpid(pid_of[BELOW], &status, 0), pid_of[BELOW]);
	kin_close(&k);
}
END_TEST

/* As a dead worker's: the leader is gone, nobody stands below it any more. */
START_TEST(a_session_is_found_without_its_leader)
{
	pid_t session = fork();
	int status;
	struct kin k;

	if (session == 0) {
		setsid();
		if (fork() == 0)
			be_left();
		if (fork() == 0)
			live(STAYED);
		live(LEADER);
	}
	for (int i = 0; i < ROLE_N; i++) {
		struct word w;

		ck_assert_int_eq(read(told[0], &w, sizeof(w)), sizeof(w));
		pid_of[w.role] = w.pid;
	}
	kill(session, SIGKILL);
	kin_find_session(&k, session);
	ck_assert_int_ge(k.n, 3);
	kin_kill(&k, SIGKILL);
	kin_close(&k);
	for (int i = 0; i < ROLE_N; i++)
		ck_assert_int_eq(waitpid(pid_of[i], &status, 0), pid_of[i]);
}
END_TEST

START_TEST(nobody_is_no_kin)
{
	struct kin k;

	kin_find(&k, pid_of[BELOW]);
	ck_assert_int_eq(k.n, 0);
	kin_kill(&k, SIGKILL);
	kin_close(&k);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kin");
	TCase *tc = suite_case(s, "kin", setup, teardown);

	tcase_add_test(tc, finds_who_left_the_group);
	tcase_add_test(tc, descriptors_outlive_the_leader);
	tcase_add_test(tc, nobody_is_no_kin);
	tc = suite_case(s, "session", setup_pipe, teardown_pipe);
	tcase_add_test(tc, a_session_is_found_without_its_leader);
	return suite_run(s);
}
