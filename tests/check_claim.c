/*
 * check_claim - owners, Idempotency-Keys (contract.md 4) and what requests
 * share, from the request to the table.
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/claim.h"
#include "daemon/master/owner.h"
#include "daemon/master/table.h"
#include "tests/conn_rig.h"
#include "tests/fds.h"
#include "tests/suite.h"

#define INLINE		1024
#define SETTINGS	"inline = \"1K\"\nmax-body = \"100K\"\n" \
			"max-store = \"1M\"\nqueue = 500\n"

static struct client cl;
static char *data;

static void
setup(void)
{
	data = calloc(1, 4 * INLINE);
	rig_open(SETTINGS);
}

static void
teardown(void)
{
	rig_wait_closed();
	rig_assert_clean();
	rig_close();
	free(data);
}

/* --- requests ---------------------------------------------------------------- */

struct ask {
	const char	*method, *path, *user, *key;
	const char	*authorization, *cookie, *query;
	const char	*mount, *host;	/* NULL: /jobs, none */
	const char	*port, *https;
	size_t		 len;		/* of the body in `data` */
	bool		 control;	/* over the operator's socket */
};

static void
add(struct buf *b, const char *name, const char *value)
{
	if (value != NULL)
		ck_assert_int_eq(scgi_add(b, name, value), 0);
}

static void
make_head(struct buf *b, const struct ask *a)
{
	char len[32];

	buf_init(b, SCGI_HEAD_MAX + 8 * INLINE);
	(void)snprintf(len, sizeof(len), "%zu", a->len);
	ck_assert_int_eq(scgi_begin(b), 0);
	add(b, "CONTENT_LENGTH", len);
	add(b, "SCGI", "1");
	add(b, "REQUEST_METHOD", a->method);
	add(b, "SCRIPT_NAME", a->mount != NULL ? a->mount : "/jobs");
	add(b, "HTTP_HOST", a->host);
	add(b, "SERVER_PORT", a->port);
	add(b, "HTTPS", a->https);
	add(b, "PATH_INFO", a->path);
	add(b, "QUERY_STRING", a->query);
	add(b, "REMOTE_USER", a->user);
	add(b, "HTTP_AUTHORIZATION", a->authorization);
	add(b, "HTTP_COOKIE", a->cookie);
	add(b, "HTTP_IDEMPOTENCY_KEY", a->key);
	ck_assert_int_eq(scgi_finish(b), 0);
	ck_assert_int_eq(buf_add(b, data, a->len), 0);
}

static void
send_ask(struct client *c, const struct ask *a)
{
	struct buf b;

	client_connect(c, a->control ? rig.control_path : rig.data_path);
	make_head(&b, a);
	ck_assert(client_send(c->fd, buf_data(&b), buf_len(&b)));
	buf_fini(&b);
}

static int
ask(struct ask a)
{
	int status;

	send_ask(&cl, &a);
	status = client_wait(&cl);
	client_close(&cl);
	return status;
}

/* The id of a 202. */
static const char *
id_of(struct client *c)
{
	static char ids[16][33];
	static int next;
	char *id = ids[next++ % 16];
	const char *link = client_header(c, "Location");

	ck_assert_ptr_nonnull(link);
	(void)snprintf(id, 33, "%s", link + strlen("/jobs/status/"));
	return id;
}

#define POST	.method = "POST", .path = "/job/1"

static const char *
posted(struct ask a)
{
	ck_assert_int_eq(ask(a), 202);
	return id_of(&cl);
}

/* --- owners ------------------------------------------------------------------ */

static char link_path[64];
static const char nobody_s[] = "/status/0123456789abcdef0123456789abcdef";

static const char *
link_of(const char *user)
{
	(void)snprintf(link_path, sizeof(link_path), "/status/%s",
	    posted((struct ask){ POST, .user = user }));
	return link_path;
}

static const struct {
	const char	*method, *suffix;
	int		 owner_gets;
} looks[] = {
	{ "GET", "", 202 }, { "HEAD", "", 202 }, { "GET", "/info", 200 },
	{ "OPTIONS", "", 204 }, { "PUT", "", 405 },
	{ "POST", "/cancel", 204 }, { "DELETE", "", 204 },
};

/* The 404 of somebody else's task is that of no task, byte for byte. */
START_TEST(hidden_from_others)
{
	static const char *const others[] = { NULL, "", "bob", "alice2" };
	char path[80], unknown[80], answer[ANSWER_MAX];
	const char *link = link_of("alice");

	(void)snprintf(path, sizeof(path), "%s%s", link, looks[_i].suffix);
	(void)snprintf(unknown, sizeof(unknown), "%s%s", nobody_s,
	    looks[_i].suffix);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(ask((struct ask){ looks[_i].method, unknown,
		    .user = others[i] }), 404);
		(void)strcpy(answer, cl.answer);
		ck_assert_int_eq(ask((struct ask){ looks[_i].method, path,
		    .user = others[i] }), 404);
		ck_assert_str_eq(cl.answer, answer);
	}
	ck_assert_int_eq(ask((struct ask){ looks[_i].method, path,
	    .user = "alice" }), looks[_i].owner_gets);
}
END_TEST

START_TEST(anybody_s)
{
	const char *link = link_of(NULL);

	ck_assert_int_eq(ask((struct ask){ .method = "GET", .path = link }), 202);
	ck_assert_int_eq(ask((struct ask){ "GET", link, .user = "bob" }), 202);
	link = link_of("");
	ck_assert_int_eq(ask((struct ask){ "GET", link, .user = "bob" }), 202);
	ck_assert_int_eq(ask((struct ask){ .method = "DELETE", .path = link }), 204);
}
END_TEST

START_TEST(nothing_is_hidden_from_the_operator)
{
	const char *link = link_of("alice");

	ck_assert_int_eq(ask((struct ask){ "GET", link, .control = true }),
	    202);
	ck_assert_int_eq(ask((struct ask){ "DELETE", link, .control = true }),
	    204);
}
END_TEST

START_TEST(digests)
{
	ck_assert_uint_eq(owner_digest(NULL), 0);
	ck_assert_uint_eq(owner_digest(""), 0);
	ck_assert_uint_ne(owner_digest("alice"), 0);
	ck_assert_uint_eq(owner_digest("alice"), owner_digest("alice"));
	ck_assert_uint_ne(owner_digest("alice"), owner_digest("alicf"));
}
END_TEST

/* --- keys -------------------------------------------------------------------- */

START_TEST(the_same_again)
{
	struct ask a = { POST, .key = "\"k1\"", .len = 3, .query = "a=b" };
	const char *id = posted(a);

	ck_assert_str_eq(posted(a), id);
	a.key = "k1";				/* bare: the same key */
	ck_assert_str_eq(posted(a), id);
	ck_assert_uint_eq(rig_tasks(), 1);
	a.key = "k2";
	ck_assert_str_ne(posted(a), id);
	a.key = NULL;
	ck_assert_str_ne(posted(a), id);
	ck_assert_uint_eq(rig_tasks(), 3);
}
END_TEST

START_TEST(something_else_under_the_key)
{
	struct ask a = { POST, .key = "k", .len = 3 };

	(void)posted(a);
	data[1] = 'x';
	ck_assert_int_eq(ask(a), 422);
	ck_assert_str_eq(client_header(&cl, "Content-Type"),
	    "application/problem+json");
	data[1] = '\0';
	a.len = 4;
	ck_assert_int_eq(ask(a), 422);
	a.len = 3;
	a.path = "/job/2";
	ck_assert_int_eq(ask(a), 422);
	a.path = "/job/1";
	a.query = "q";
	ck_assert_int_eq(ask(a), 422);
	a.query = NULL;
	a.method = "PUT";
	ck_assert_int_eq(ask(a), 422);
	ck_assert_uint_eq(rig_tasks(), 1);
}
END_TEST

/* Whoever asks has keys of his own. */
START_TEST(the_same_key_of_another)
{
	struct ask a = { POST, .key = "k" };
	const char *id = posted(a);

	a.cookie = "session=1";
	ck_assert_str_ne(posted(a), id);
	a.cookie = NULL;
	a.authorization = "Bearer x";
	ck_assert_str_ne(posted(a), id);
	a.user = "alice";
	id = posted(a);
	ck_assert_uint_eq(rig_tasks(), 4);
	a.authorization = NULL;			/* known by name */
	a.cookie = "session=2";
	ck_assert_str_eq(posted(a), id);
	a.user = "bob";
	ck_assert_str_ne(posted(a), id);
	ck_assert_uint_eq(rig_tasks(), 5);
}
END_TEST

/* Another door, or another site, may have other rules: its keys are its own. */
START_TEST(the_same_key_at_another_door)
{
	struct ask a = { POST, .key = "k" };
	const char *id = posted(a);

	a.mount = "/admin";
	ck_assert_str_ne(posted(a), id);
	a.mount = NULL;
	a.host = "b.example";
	ck_assert_str_ne(posted(a), id);
	a.host = NULL;
	ck_assert_str_eq(posted(a), id);
	ck_assert_uint_eq(rig_tasks(), 3);
}
END_TEST

/* At `inline` in memory, above it in a file, which a thread reads. */
START_TEST(bodies_of_every_size)
{
	struct ask a = { POST, .key = "k", .len = INLINE - 1 + (size_t)_i };
	const char *id = posted(a);

	ck_assert_str_eq(posted(a), id);
	data[a.len - 1] ^= 1;
	ck_assert_int_eq(ask(a), 422);
	ck_assert_uint_eq(rig_tasks(), 1);
	(void)snprintf(link_path, sizeof(link_path), "/status/%s", id);
	ck_assert_int_eq(ask((struct ask){ .method = "DELETE",
	    .path = link_path }), 204);
	while (open_fds() > rig.open_idle)	/* a thread closes its file */
		rig_idle();
}
END_TEST

START_TEST(gone_with_its_task)
{
	struct ask a = { POST, .key = "k" };
	char path[64];
	const char *id = posted(a);

	(void)snprintf(path, sizeof(path), "/status/%s", id);
	ck_assert_int_eq(ask((struct ask){ .method = "DELETE", .path = path }), 204);
	ck_assert_str_eq(posted(a), id);	/* cancelled, not removed */
	ck_assert_uint_eq(rig_tasks(), 1);
}
END_TEST

static const struct {
	const char	*method, *path, *key;
	int		 status;
} keys[] = {
	{ "POST", "/job/1", "", 400 },
	{ "POST", "/job/1", "\"\"", 400 },
	{ "POST", "/job/1", "\"open", 400 },
	{ "POST", "/job/1", "\"a\"b", 400 },
	{ "POST", "/job/1", "\"a\\b\"", 400 },
	{ "POST", "/job/1", "\"\xc3\xa4\"", 400 },
	{ "POST", "/job/1", "a, b", 400 },
	{ "POST", "/job/1", "a;b", 400 },
	{ "POST", "/job/1", "a b", 400 },
	{ "PUT", "/job/1", "\"a\";b=c", 400 },
	{ "PATCH", "/job/1", "\xff", 400 },
	{ "DELETE", "/job/1", "\\", 400 },
	{ "GET", "/job/1", "\"open", 202 },
	{ "POST", "/job/1", "\"a \\\" \\\\ b\"", 202 },
	{ "POST", "/job/1", "8e03978e-40d5-43e8-bc93-6894a57f9324", 202 },
	{ "POST", "/job/1", "YWJjZA==", 202 },
};

START_TEST(what_is_a_key)
{
	ck_assert_int_eq(ask((struct ask){ keys[_i].method, keys[_i].path,
	    .key = keys[_i].key }), keys[_i].status);
}
END_TEST

START_TEST(how_long_a_key_is)
{
	char key[300];

	memset(key, 'k', sizeof(key));
	key[CLAIM_KEY_MAX] = '\0';
	ck_assert_int_eq(ask((struct ask){ POST, .key = key }), 202);
	key[CLAIM_KEY_MAX] = 'k';
	key[CLAIM_KEY_MAX + 1] = '\0';
	ck_assert_int_eq(ask((struct ask){ POST, .key = key }), 400);
	key[0] = key[CLAIM_KEY_MAX + 1] = '"';
	key[CLAIM_KEY_MAX + 2] = '\0';
	ck_assert_int_eq(ask((struct ask){ POST, .key = key }), 202);
	ck_assert_uint_eq(rig_tasks(), 1);
}
END_TEST

START_TEST(not_for_get)
{
	struct ask a = { .method = "GET", .path = "/job/1", .key = "k" };
	const char *id = posted(a);

	ck_assert_str_ne(posted(a), id);
}
END_TEST

#define RACES	500

/* Both are under way before either has an answer. */
START_TEST(two_at_the_same_moment)
{
	static struct client other;
	char key[16];

	for (int i = 0; i < RACES; i++) {
		struct ask a = { POST, .key = key, .len = i % 3 };

		(void)snprintf(key, sizeof(key), "k%d", i / 2);
		a.path = i % 2 ? "/job/2" : "/job/1";
		send_ask(&cl, &a);
		send_ask(&other, &a);
		ck_assert_int_eq(client_wait(&cl), i % 2 ? 422 : 202);
		ck_assert_int_eq(client_wait(&other), i % 2 ? 422 : 202);
		if (i % 2 == 0)
			ck_assert_str_eq(id_of(&cl), id_of(&other));
		client_close(&cl);
		client_close(&other);
	}
	ck_assert_uint_eq(rig_tasks(), RACES / 2);
}
END_TEST

/* --- keys and limits -------------------------------------------------------- */

#define LIMIT(more)	"inline = \"1K\"\nmax-body = \"100K\"\n" more "\n"

/* What one task of 900 bytes, alice's, reaches. */
static const struct {
	const char	*settings;
	int		 refusal;
} limits[] = {
	{ LIMIT("queue = 1"), 503 },
	{ LIMIT("max-queued = 1"), 503 },
	{ LIMIT("max-tasks = 1"), 503 },
	{ LIMIT("max-per-client = 1"), 429 },
	{ LIMIT("max-store = \"1K\""), 503 },
};

#define BY_BYTES(i)	((i) == N(limits) - 1)

/*
 * Who has lost his 202 gets it again, whatever a new task would be told; what
 * a new one costs is given back.
 */
START_TEST(a_limit_is_reached)
{
	struct ask a = { POST, .user = "alice", .key = "k", .len = 900 };
	const char *id;

	rig_reload(LIMIT("max-per-client = 10"));
	id = posted(a);
	rig_reload(limits[_i].settings);
	ck_assert_str_eq(posted(a), id);
	a.len++;
	ck_assert_int_eq(ask(a), 422);
	a.key = "new";
	ck_assert_int_eq(ask(a), limits[_i].refusal);
	ck_assert_ptr_nonnull(client_header(&cl, "Retry-After"));
	ck_assert_int_eq(ask(a), limits[_i].refusal);
	a.key = NULL;
	ck_assert_int_eq(ask(a), limits[_i].refusal);
	ck_assert_uint_eq(rig_tasks(), 1);
}
END_TEST

/* Also with a body in a file, for which there must be room. */
START_TEST(a_limit_and_a_large_body)
{
	struct ask a = { POST, .user = "alice", .key = "k", .len = 2 * INLINE };
	int found = BY_BYTES(_i) ? 503 : 202, other = BY_BYTES(_i) ? 503 : 422;
	char link[64];
	const char *id;

	rig_reload(LIMIT("max-per-client = 10"));
	id = posted(a);
	(void)snprintf(link, sizeof(link), "/status/%s", id);
	rig_reload(limits[_i].settings);
	ck_assert_int_eq(ask(a), found);
	if (found == 202)
		ck_assert_str_eq(id_of(&cl), id);
	data[0] = 'x';
	ck_assert_int_eq(ask(a), other);
	a.key = "new";
	ck_assert_int_eq(ask(a), limits[_i].refusal);
	ck_assert_uint_eq(rig_tasks(), 1);
	rig_reload(SETTINGS);
	ck_assert_int_eq(ask((struct ask){ "DELETE", link, .user = "alice" }),
	    204);
	while (open_fds() > rig.open_idle)	/* a thread closes its file */
		rig_idle();
}
END_TEST

/* The limit is reached by the first, while the second is under way. */
START_TEST(a_limit_is_reached_meanwhile)
{
	static struct client other;
	struct ask a = { POST, .user = "alice", .key = "k", .len = 3 };

	rig_reload(limits[_i].settings);
	if (BY_BYTES(_i))
		return;
	send_ask(&cl, &a);
	send_ask(&other, &a);
	ck_assert_int_eq(client_wait(&cl), 202);
	ck_assert_int_eq(client_wait(&other), 202);
	ck_assert_str_eq(id_of(&cl), id_of(&other));
	client_close(&cl);
	client_close(&other);
	ck_assert_uint_eq(rig_tasks(), 1);
}
END_TEST

/* Without a key nobody waits for a body that would be for nothing. */
START_TEST(a_limit_without_a_key)
{
	struct ask a = { POST, .user = "alice", .key = "k", .len = 900 };
	struct buf b;

	rig_reload(LIMIT("max-per-client = 10"));
	(void)posted(a);
	rig_reload(limits[_i].settings);
	a.key = NULL;
	client_connect(&cl, rig.data_path);
	make_head(&b, &a);
	ck_assert(client_send(cl.fd, buf_data(&b), buf_len(&b) - a.len));
	rig_idle();
	ck_assert_uint_eq(sched_stats(rig.sched)->refused[
	    limits[_i].refusal == 429 ? PROBLEM_MANY : PROBLEM_FULL], 1);
	ck_assert(client_send(cl.fd, data, a.len));
	ck_assert_int_eq(client_wait(&cl), limits[_i].refusal);
	client_close(&cl);
	buf_fini(&b);
}
END_TEST

/* What a store in memory has is known to who drains, too. */
START_TEST(while_draining)
{
	struct ask a = { POST, .key = "k", .len = 3 };
	const char *id = posted(a);

	sched_drain(rig.sched);
	ck_assert_str_eq(posted(a), id);
	a.key = "new";
	ck_assert_int_eq(ask(a), 503);
	ck_assert_uint_eq(rig_tasks(), 1);
}
END_TEST

/* --- requests that share a task ------------------------------------------------ */

#define SHARED	.method = "GET", .path = "/shared/1"

/* All that makes two requests differ, but for headers that nobody compares. */
static const struct ask unlike[] = {
	{ SHARED, .user = "alice" },
	{ SHARED, .host = "b.example" },
	{ SHARED, .port = "8080" },
	{ SHARED, .https = "on" },
	{ SHARED, .mount = "/admin" },
	{ SHARED, .query = "q" },
	{ .method = "GET", .path = "/shared/2" },
};

static const char *
shared_by(const struct ask *a)
{
	const char *at;

	ck_assert_int_eq(ask(*a), 202);
	at = client_header(&cl, "Location");
	ck_assert_ptr_nonnull(at);
	(void)snprintf(link_path, sizeof(link_path), "%s", at +
	    strlen(a->mount != NULL ? a->mount : "/jobs"));
	return link_path + strlen("/status/");
}

START_TEST(alike_and_unlike)
{
	const struct ask plain = { SHARED, .cookie = "one" };
	struct ask other = unlike[_i];
	char first[33], second[33];

	rig_reload(SETTINGS "route \"/shared/*\" { exec = \"/bin/true\" "
	    "share = yes }\n");
	(void)strcpy(first, shared_by(&plain));
	(void)strcpy(second, shared_by(&other));
	ck_assert_str_ne(first, second);
	ck_assert_str_eq(shared_by(&plain), first);
	other.cookie = "another";
	ck_assert_str_eq(shared_by(&other), second);
	ck_assert_uint_eq(rig_tasks(), 2);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("claim");
	TCase *t = suite_case(s, "owners", setup, teardown);

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, hidden_from_others, 0, N(looks));
	tcase_add_test(t, anybody_s);
	tcase_add_test(t, nothing_is_hidden_from_the_operator);
	tcase_add_test(t, digests);

	t = suite_case(s, "keys", setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, the_same_again);
	tcase_add_test(t, something_else_under_the_key);
	tcase_add_test(t, the_same_key_of_another);
	tcase_add_test(t, the_same_key_at_another_door);
	tcase_add_loop_test(t, bodies_of_every_size, 0, 4);
	tcase_add_test(t, gone_with_its_task);
	tcase_add_loop_test(t, what_is_a_key, 0, N(keys));
	tcase_add_test(t, how_long_a_key_is);
	tcase_add_test(t, not_for_get);
	tcase_add_test(t, two_at_the_same_moment);

	t = suite_case(s, "limits", setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, a_limit_is_reached, 0, N(limits));
	tcase_add_loop_test(t, a_limit_and_a_large_body, 0, N(limits));
	tcase_add_loop_test(t, a_limit_is_reached_meanwhile, 0, N(limits));
	tcase_add_loop_test(t, a_limit_without_a_key, 0, N(limits));
	tcase_add_test(t, while_draining);

	t = suite_case(s, "share", setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, alike_and_unlike, 0, N(unlike));
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
