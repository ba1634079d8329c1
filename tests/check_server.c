/*
 * check_server - who may come in, and how many at once.
 *
 * Who may is asked by processes with other uids, so only root's run of it
 * asks everything.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/sock.h"
#include "tests/conn_rig.h"
#include "tests/fds.h"
#include "tests/suite.h"

#define NO_JOBS_HERE	404	/* the control socket answers, so one is in */
#define DAEMON_UID	1	/* "daemon" and "nobody", as they are anywhere */
#define NOBODY_UID	65534

/* The directory of users, which may be out of reach. */
static bool nobody_answers;

struct passwd *
getpwnam(const char *name)
{
	static struct passwd pw;
	static char texts[4096];
	struct passwd *found = NULL;

	if (!nobody_answers)
		(void)getpwnam_r(name, &pw, texts, sizeof(texts), &found);
	return found;
}

/* As uid: sends a request, and copies what comes back to `out`. */
static void
ask_as(uid_t uid, const char *path, int out)
{
	struct buf b;
	char some[4096];
	ssize_t n;
	int fd;

	head_make(&b, 0, "POST", "/job/1", NULL);
	if (setgid((gid_t)uid) == -1 || setuid(uid) == -1)
		_exit(1);
	fd = sock_connect(path);
	if (fd == -1)
		_exit(2);
	if (write(fd, buf_data(&b), buf_len(&b)) == -1)
		_exit(0);	/* refused already */
	while ((n = read(fd, some, sizeof(some))) > 0)
		if (write(out, some, (size_t)n) != n)
			_exit(3);
	_exit(0);
}

static void
on_output(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;	/* client_wait() will look */
}

/* The status of the answer that this uid gets, or 0. */
static int
answer_to(uid_t uid, const char *path)
{
	static struct client c;
	struct event *wake;
	int p[2], status, answer;
	pid_t pid;

	ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		ask_as(uid, path, p[1]);
	close(p[1]);
	memset(&c, 0, sizeof(c));
	c.fd = c.in = -1;
	c.out = p[0];
	wake = event_new(rig.base, p[0], EV_READ | EV_PERSIST, on_output, NULL);
	ck_assert_int_eq(event_add(wake, NULL), 0);
	answer = client_wait(&c);
	event_free(wake);
	client_close(&c);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return answer;
}

static void
finish(void)
{
	rig_wait_closed();
	rig_assert_clean();
	rig_close();
}

/* --- who ---------------------------------------------------------------------- */

START_TEST(peers_on_the_data_socket)
{
	rig_open("peers = { \"nobody\" }\n");
	ck_assert_int_eq(answer_to(NOBODY_UID, rig.data_path), 202);
	ck_assert_int_eq(answer_to(DAEMON_UID, rig.data_path), 0);
	ck_assert_int_eq(answer_to(geteuid(), rig.data_path), 202);
	ck_assert_uint_eq(rig_tasks(), 2);
	finish();
}
END_TEST

START_TEST(peers_on_the_control_socket)
{
	rig_open("peers = { \"nobody\" }\n");
	ck_assert_int_eq(answer_to(NOBODY_UID, rig.control_path), 0);
	ck_assert_int_eq(answer_to(DAEMON_UID, rig.control_path), 0);
	ck_assert_int_eq(answer_to(geteuid(), rig.control_path), NO_JOBS_HERE);
	finish();
}
END_TEST

START_TEST(peers_after_a_reload)
{
	rig_open("peers = { \"nobody\" }\n");
	rig_reload("peers = { \"no-such-user\", \"daemon\" }\n");
	ck_assert_int_eq(answer_to(NOBODY_UID, rig.data_path), 0);
	ck_assert_int_eq(answer_to(DAEMON_UID, rig.data_path), 202);
	finish();
}
END_TEST

/* The directory of users does not answer: no reason to turn away who was known. */
START_TEST(peers_that_cannot_be_looked_up)
{
	rig_open("peers = { \"nobody\" }\n");
	nobody_answers = true;
	rig_reload("peers = { \"nobody\", \"daemon\" }\n");
	nobody_answers = false;
	ck_assert_int_eq(answer_to(NOBODY_UID, rig.data_path), 202);
	ck_assert_int_eq(answer_to(DAEMON_UID, rig.data_path), 0);
	rig_reload("peers = { \"daemon\" }\n");
	ck_assert_int_eq(answer_to(NOBODY_UID, rig.data_path), 0);
	ck_assert_int_eq(answer_to(DAEMON_UID, rig.data_path), 202);
	finish();
}
END_TEST

/* The daemon is nobody: root may come to the control socket only. */
START_TEST(root_at_the_control_socket)
{
	struct client data, control;

	rig_open("peers = { \"daemon\" }\n");
	client_connect(&data, rig.data_path);
	client_connect(&control, rig.control_path);
	ck_assert_int_eq(seteuid(NOBODY_UID), 0);
	rig_idle();
	ck_assert(client_ended(&data));
	ck_assert(!client_ended(&control));
	ck_assert_int_eq(seteuid(0), 0);
	client_close(&data);
	client_close(&control);
	finish();
}
END_TEST

START_TEST(own_user_is_welcome)
{
	struct client c;

	rig_open("peers = { \"no-such-user\" }\n");
	ck_assert_int_eq(client_ask(&c, "POST", "/job/1", NULL, 0), 202);
	finish();
}
END_TEST

START_TEST(without_a_control_socket)
{
	struct client c;

	rig_open("");
	server_free(rig.server);
	(void)unlink(rig.data_path);
	rig.env.store = rig.store;
	rig.server = server_new(&rig.env, sock_listen(rig.data_path, 0600,
	    (gid_t)-1), -1);
	ck_assert_ptr_nonnull(rig.server);
	ck_assert_int_eq(client_ask(&c, "POST", "/job/1", NULL, 0), 202);
	rig.open_idle--;
	finish();
}
END_TEST

/* --- how many ------------------------------------------------------------------ */

enum { LIMIT = 10, CROWD = 30 };
static struct client crowd[CROWD];

static void
come(int n)
{
	for (int i = 0; i < n; i++)
		client_connect(&crowd[i], rig.data_path);
	rig_idle();
}

static void
leave(int n)
{
	for (int i = 0; i < n; i++)
		client_close(&crowd[i]);
}

static void
send_request(struct client *c)
{
	struct buf b;

	head_make(&b, 0, "POST", "/job/1", NULL);
	ck_assert(client_send(c->fd, buf_data(&b), buf_len(&b)));
	buf_fini(&b);
	rig_idle();
}

START_TEST(one_too_many_waits)
{
	struct client late;

	rig_open("max-connections = 10\n");
	come(LIMIT);
	ck_assert_uint_eq(server_count(rig.server), LIMIT);
	client_connect(&late, rig.data_path);
	send_request(&late);
	ck_assert(!client_ended(&late));
	ck_assert_uint_eq(server_count(rig.server), LIMIT);
	ck_assert_uint_eq(rig_tasks(), 0);
	client_close(&crowd[3]);
	ck_assert_int_eq(client_wait(&late), 202);
	client_close(&late);
	leave(LIMIT);
	finish();
}
END_TEST

/* All are served in the end, in the order they came. */
START_TEST(a_crowd_is_served_in_turns)
{
	rig_open("max-connections = 10\n");
	come(CROWD);
	ck_assert_uint_eq(server_count(rig.server), LIMIT);
	for (int i = 0; i < CROWD; i++) {
		send_request(&crowd[i]);
		ck_assert_int_eq(client_wait(&crowd[i]), 202);
		client_close(&crowd[i]);
	}
	finish();
}
END_TEST

START_TEST(operator_gets_in_when_nobody_else_can)
{
	struct client operator;

	rig_open("max-connections = 10\n");
	come(LIMIT + 1);
	client_connect(&operator, rig.control_path);
	send_request(&operator);
	ck_assert_int_eq(client_wait(&operator), NO_JOBS_HERE);
	client_close(&operator);
	rig_idle();
	ck_assert_uint_eq(server_count(rig.server), LIMIT);
	leave(LIMIT + 1);
	finish();
}
END_TEST

static void
limit_descriptors(rlim_t n)
{
	struct rlimit rl;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_cur = n;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
}

/* Whatever max-connections says: four for each, and some are kept back. */
START_TEST(descriptors_are_the_budget)
{
	limit_descriptors(200);
	rig_open("max-connections = 1000\n");
	come(CROWD);
	ck_assert_uint_ge(server_count(rig.server), 5);
	ck_assert_uint_le(server_count(rig.server), 200 / 4 / 2);
	leave(CROWD);
	finish();
}
END_TEST

/* Comes and waits for a task that stays queued. */
static void
come_and_wait(struct client *c)
{
	struct buf b;

	client_connect(c, rig.data_path);
	head_make(&b, 0, "POST", "/job/1", "HTTP_PREFER", "wait=30", NULL);
	ck_assert(client_send(c->fd, buf_data(&b), buf_len(&b)));
	buf_fini(&b);
	rig_idle();
}

/* The oldest makes room for the next. */
START_TEST(who_waits_makes_room)
{
	rig_open("max-connections = 10\n");
	for (int i = 0; i < CROWD; i++) {
		come_and_wait(&crowd[i]);
		if (i >= LIMIT)
			ck_assert_int_eq(client_wait(&crowd[i - LIMIT]), 202);
		ck_assert_uint_eq(server_count(rig.server),
		    i < LIMIT ? (size_t)i + 1 : LIMIT);
	}
	ck_assert(!client_ended(&crowd[CROWD - LIMIT]));
	leave(CROWD);
	finish();
}
END_TEST

/* They come while it is full of others, and begin to wait then. */
START_TEST(who_begins_to_wait_makes_room)
{
	struct client late;

	rig_open("max-connections = 10\n");
	come(LIMIT);
	client_connect(&late, rig.data_path);
	send_request(&late);
	ck_assert(!client_ended(&late));
	client_close(&crowd[0]);
	come_and_wait(&crowd[0]);	/* behind the late one */
	ck_assert_int_eq(client_wait(&late), 202);
	client_close(&late);
	rig_idle();
	client_connect(&late, rig.data_path);
	send_request(&late);
	ck_assert_int_eq(client_wait(&crowd[0]), 202);
	ck_assert_int_eq(client_wait(&late), 202);
	client_close(&late);
	leave(LIMIT);
	finish();
}
END_TEST

/* One that waits needs a quarter of the descriptors of one that works. */
START_TEST(who_waits_needs_few_descriptors)
{
	limit_descriptors(200);
	rig_open("max-connections = 1000\n");
	for (int i = 0; i < CROWD; i++)
		come_and_wait(&crowd[i]);
	ck_assert_uint_eq(server_count(rig.server), CROWD);
	for (int i = 0; i < CROWD; i++)
		ck_assert(!client_ended(&crowd[i]));
	sched_wait_release(rig.sched, CROWD);
	for (int i = 0; i < CROWD; i++)
		ck_assert_int_eq(client_wait(&crowd[i]), 202);
	leave(CROWD);
	finish();
}
END_TEST

/* No descriptor is left for accept(): a pause, not a busy loop, then again. */
START_TEST(accept_that_fails)
{
	struct client c;
	struct rlimit rl;
	int next;

	rig_open("");
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	client_connect(&c, rig.data_path);
	next = dup(c.fd);
	close(next);
	limit_descriptors((rlim_t)next);
	if (_i == 1)
		server_close(rig.server, false);
	send_request(&c);	/* comes back, though a connection waits */
	ck_assert(!server_is_empty(rig.server));
	ck_assert(!client_ended(&c));
	ck_assert_uint_eq(server_count(rig.server), 0);
	limit_descriptors(rl.rlim_cur);
	ck_assert_int_eq(client_wait(&c), 202);
	client_close(&c);
	finish();
}
END_TEST

/* The dead are buried: a thousand connections leave nothing behind. */
START_TEST(many_one_after_the_other)
{
	struct client c;

	rig_open("max-connections = 10\n");
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(client_ask(&c, "GET", "/none", NULL, 0), 404);
	finish();
}
END_TEST

/* --- the end ------------------------------------------------------------------- */

/* Who is inside is answered; who is outside is left there. */
START_TEST(closed_with_an_heir)
{
	struct client inside, outside;

	rig_open("");
	client_connect(&inside, rig.data_path);
	rig_idle();
	server_close(rig.server, true);
	client_connect(&outside, rig.data_path);
	send_request(&outside);
	ck_assert_uint_eq(server_count(rig.server), 1);
	ck_assert(!client_ended(&outside));
	ck_assert(!server_is_empty(rig.server));
	send_request(&inside);
	ck_assert_int_eq(client_wait(&inside), 202);
	rig_wait_closed();
	ck_assert(server_is_empty(rig.server));
	ck_assert(!client_ended(&outside));
	/* he is not to come after all */
	server_close(rig.server, false);
	ck_assert(!server_is_empty(rig.server));
	ck_assert_int_eq(client_wait(&outside), 202);
	client_close(&inside);
	client_close(&outside);
	finish();
}
END_TEST

/* Nobody new; but all who had connected, also those above the limit. */
START_TEST(closed_without_an_heir)
{
	rig_open("max-connections = 10\n");
	come(CROWD);
	server_close(rig.server, false);
	ck_assert_int_eq(sock_connect(rig.data_path), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_int_eq(sock_connect(rig.control_path), -1);
	rig_idle();
	for (int i = 0; i < CROWD; i++) {
		ck_assert(!server_is_empty(rig.server));
		send_request(&crowd[i]);
		ck_assert_int_eq(client_wait(&crowd[i]), 202);
		client_close(&crowd[i]);
	}
	rig_wait_closed();
	rig_idle();
	ck_assert(server_is_empty(rig.server));
	finish();
}
END_TEST

/* In turn: nothing has come, half a head, half a body; refused, body to come. */
START_TEST(who_still_asks_is_told)
{
	static const char *const paths[] = { NULL, "/job/1", "/job/1", "/none" };
	struct client c;
	struct buf b;

	rig_open("");
	client_connect(&c, rig.data_path);
	if (paths[_i] != NULL) {
		head_make(&b, 10, "POST", paths[_i], NULL);
		ck_assert(client_send(c.fd, buf_data(&b),
		    buf_len(&b) - (_i == 1 ? 5 : 0)));
		buf_fini(&b);
		if (_i > 1)
			ck_assert(client_send(c.fd, "12345", 5));
	}
	rig_idle();
	ck_assert(!client_ended(&c));
	server_close(rig.server, true);
	server_hurry(rig.server);
	ck_assert_int_eq(client_wait(&c), _i == 3 ? 404 : 503);
	server_hurry(rig.server);	/* again: nothing is left to be said */
	client_close(&c);
	finish();
}
END_TEST

START_TEST(a_door_that_still_asks_is_told)
{
	struct client c;
	struct buf b;
	int fds[2];

	rig_open("");
	client_connect(&c, rig.data_path);
	client_open_door(&c, (enum door)_i, fds);
	head_make(&b, 10, "POST", "/job/1", NULL);
	client_send_door(&c, &b, fds);
	buf_fini(&b);
	ck_assert(client_send(c.in, "12345", 5));
	rig_idle();
	ck_assert(!client_ended(&c));
	server_close(rig.server, true);
	server_hurry(rig.server);
	ck_assert_int_eq(client_wait(&c), 503);
	client_close(&c);
	finish();
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("server");
	TCase *t = suite_case(s, "who", NULL, NULL);

	tcase_set_timeout(t, 60);
	if (geteuid() == 0) {	/* or nobody could become somebody else */
		tcase_add_test(t, peers_on_the_data_socket);
		tcase_add_test(t, peers_on_the_control_socket);
		tcase_add_test(t, peers_after_a_reload);
		tcase_add_test(t, peers_that_cannot_be_looked_up);
		tcase_add_test(t, root_at_the_control_socket);
	}
	tcase_add_test(t, own_user_is_welcome);
	tcase_add_test(t, without_a_control_socket);

	t = suite_case(s, "how many", NULL, NULL);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, one_too_many_waits);
	tcase_add_test(t, a_crowd_is_served_in_turns);
	tcase_add_test(t, operator_gets_in_when_nobody_else_can);
	tcase_add_test(t, descriptors_are_the_budget);
	tcase_add_test(t, who_waits_makes_room);
	tcase_add_test(t, who_begins_to_wait_makes_room);
	tcase_add_test(t, who_waits_needs_few_descriptors);
	if (!in_valgrind())
		tcase_add_loop_test(t, accept_that_fails, 0, 2);
	tcase_add_test(t, many_one_after_the_other);

	t = suite_case(s, "the end", NULL, NULL);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, closed_with_an_heir);
	tcase_add_test(t, closed_without_an_heir);
	tcase_add_loop_test(t, who_still_asks_is_told, 0, 4);
	tcase_add_loop_test(t, a_door_that_still_asks_is_told, 0, DOOR_N);
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
