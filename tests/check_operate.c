/*
 * Tests of operate.c: every method on every resource, and whose request it is.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/operate.h"
#include "tests/suite.h"

#define BIT(m)	(1u << (m))
#define LOOK	(BIT(METHOD_GET) | BIT(METHOD_HEAD))

/* A request with these variables: "NAME\0value\0NAME\0value\0"; until the next. */
static struct request
request(const char *path, enum conf_method method, const char *block,
    size_t len)
{
	static const char first[] = "CONTENT_LENGTH\0" "0\0" "SCGI\0" "1";
	static char whole[512];
	struct request req = { .path = (char *)path, .method = method };
	const char *why = "";

	ck_assert_uint_le(sizeof(first) + len, sizeof(whole));
	memcpy(whole, first, sizeof(first));
	memcpy(whole + sizeof(first), block, len);
	ck_assert_msg(scgi_check(whole, sizeof(first) + len, &req.scgi, &why) ==
	    SCGI_DONE, "%s", why);
	return req;
}

static const struct {
	const char	*path;
	enum operate_action action;
	bool		 look;
} known[] = {
	{ "", OPERATE_HOME, true },
	{ "/", OPERATE_HOME, true },
	{ "/tasks", OPERATE_TASKS, true },
	{ "/stats", OPERATE_STATS, true },
	{ "/metrics", OPERATE_METRICS, true },
	{ "/ping", OPERATE_PING, true },
	{ "/pause", OPERATE_PAUSE, false },
	{ "/resume", OPERATE_RESUME, false },
	{ "/reload", OPERATE_RELOAD, false },
	{ "/drain", OPERATE_DRAIN, false },
	{ "/restart", OPERATE_RESTART, false },
	{ "/check", OPERATE_CHECK, false },
};

START_TEST(every_method)
{
	unsigned int want = known[_i].look ? LOOK : BIT(METHOD_POST), allow;

	for (unsigned int m = 0; m < METHOD_N; m++) {
		struct request req = request(known[_i].path,
		    (enum conf_method)m, "", 0);
		enum operate_action action = operate_decide(&req, &allow);

		ck_assert_uint_eq(allow, want | BIT(METHOD_OPTIONS));
		ck_assert_int_eq(action, want & BIT(m) ? known[_i].action :
		    m == METHOD_OPTIONS ? OPERATE_OPTIONS :
		    OPERATE_NOT_ALLOWED);
	}
}
END_TEST

/* A submission, if it says so in the one way that a client cannot. */
START_TEST(submitting)
{
	static const char yes[] = "DEFERD_SUBMIT\0" "1\0";
	static const char no[] = "DEFERD_SUBMIT\0" "0\0";
	static const char header[] = "HTTP_DEFERD_SUBMIT\0" "1\0";
	struct request req;
	unsigned int allow;

	for (unsigned int m = 0; m < METHOD_N; m++) {
		req = request(known[_i].path, (enum conf_method)m, yes,
		    sizeof(yes) - 1);
		ck_assert_int_eq(operate_decide(&req, &allow),
		    OPERATE_NOTHING);
		ck_assert_uint_eq(allow, 0);
		req = request(known[_i].path, (enum conf_method)m, no,
		    sizeof(no) - 1);
		ck_assert_int_ne(operate_decide(&req, &allow),
		    OPERATE_NOTHING);
		req = request(known[_i].path, (enum conf_method)m, header,
		    sizeof(header) - 1);
		ck_assert_int_ne(operate_decide(&req, &allow),
		    OPERATE_NOTHING);
	}
}
END_TEST

static const char *const unknown[] = {
	"/task", "/tasks/", "/tasks/x", "/Tasks", "//tasks", "tasks",
	"/status/tasks", "/pause/now", "/stats.json",
};

START_TEST(other_paths)
{
	struct request req = request(unknown[_i], METHOD_GET, "", 0);
	unsigned int allow = 7;

	ck_assert_int_eq(operate_decide(&req, &allow), OPERATE_NOTHING);
	ck_assert_uint_eq(allow, 0);
}
END_TEST

#define SITE(s)		"HTTP_SEC_FETCH_SITE\0" s "\0"
#define ORIGIN(s)	"HTTP_ORIGIN\0" s "\0"
#define HOST(s)		"HTTP_HOST\0" s "\0"

static const struct {
	const char	*block;
	size_t		 len;
	bool		 foreign;
} asked[] = {
#define A(block, foreign) { block, sizeof(block) - 1, foreign }
	A("", false),
	A(HOST("a.b"), false),
	A(SITE("same-origin"), false),
	A(SITE("none"), false),
	A(SITE("same-origin") ORIGIN("https://x") HOST("a.b"), false),
	A(ORIGIN("https://a.b") HOST("a.b"), false),
	A(ORIGIN("http://A.B:81") HOST("a.b:81"), false),
	A(ORIGIN("http://[::1]:81") HOST("[::1]:81"), false),
	A(SITE("same-site"), true),
	A(SITE("cross-site"), true),
	A(SITE("Same-Origin"), true),
	A(SITE(""), true),
	A(SITE("same-origin, cross-site"), true),
	A(SITE("cross-site") ORIGIN("https://a.b") HOST("a.b"), true),
	A(ORIGIN("https://a.b"), true),
	A(ORIGIN("https://a.b") HOST("a.b:81"), true),
	A(ORIGIN("https://a.b:81") HOST("a.b"), true),
	A(ORIGIN("https://a.b.c") HOST("a.b"), true),
	A(ORIGIN("https://c.a.b") HOST("a.b"), true),
	A(ORIGIN("https://x/://a.b") HOST("a.b"), true),
	A(ORIGIN("null") HOST("null"), true),
	A(ORIGIN("") HOST("a.b"), true),
	A(ORIGIN("") HOST(""), true),
	A(ORIGIN("a.b") HOST("a.b"), true),
	A(ORIGIN("https://a.b, https://a.b") HOST("a.b"), true),
};

START_TEST(whose_request)
{
	static const unsigned int harmless = LOOK | BIT(METHOD_OPTIONS) |
	    BIT(METHOD_TRACE);

	for (unsigned int m = 0; m < METHOD_N; m++) {
		struct request req = request("/x", (enum conf_method)m,
		    asked[_i].block, asked[_i].len);

		ck_assert_int_eq(operate_is_foreign(&req),
		    asked[_i].foreign && !(harmless & BIT(m)));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("operate");
	TCase *tc = suite_case(s, "operate", NULL, NULL);

	tcase_add_loop_test(tc, every_method, 0, N(known));
	tcase_add_loop_test(tc, submitting, 0, N(known));
	tcase_add_loop_test(tc, other_paths, 0, N(unknown));
	tcase_add_loop_test(tc, whose_request, 0, N(asked));
	return suite_run(s);
}
