/*
 * Tests of route.c: every method on every kind of path.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/route.h"
#include "tests/suite.h"

#define BIT(m)	(1u << (m))
#define ID	"00010f107f809abcdef0ff23456789af"
#define GET_POST (BIT(METHOD_GET) | BIT(METHOD_POST))
#define LINK_ALLOW (BIT(METHOD_GET) | BIT(METHOD_HEAD) | \
		    BIT(METHOD_DELETE) | BIT(METHOD_OPTIONS))

/* The last one matches everything, links too, if anybody asked it. */
static struct conf_route route_list[] = {
	{ .name = "get post", .pattern = "/gp", .methods = GET_POST },
	{ .name = "options", .pattern = "/o",
	  .methods = BIT(METHOD_OPTIONS) },
	{ .name = "status", .pattern = "/status", .methods = GET_POST },
	{ .name = "dir", .pattern = "/dir/*", .prefix_len = 4,
	  .is_prefix = true, .methods = GET_POST },
	{ .name = "trap", .pattern = "/status/*", .prefix_len = 7,
	  .is_prefix = true, .methods = ~0u },
};

static void
decide_for(bool trusted, const char *path, enum conf_method method,
    struct route_to *to)
{
	struct conf conf = { .routes = route_list, .nroutes = N(route_list) };
	struct request req = { .path = (char *)path, .method = method };

	memset(to, 0xff, sizeof(*to));
	route_decide(&req, &conf, trusted, to);
}

static void
decide(const char *path, enum conf_method method, struct route_to *to)
{
	decide_for(false, path, method, to);
}

/* What each method does at a link and at a route for GET and POST. */
static const struct {
	enum route_action link, route;
} wanted[METHOD_N] = {
	[METHOD_GET] = { ROUTE_STATUS, ROUTE_SUBMIT },
	[METHOD_HEAD] = { ROUTE_STATUS, ROUTE_NOT_ALLOWED },
	[METHOD_POST] = { ROUTE_NOT_ALLOWED, ROUTE_SUBMIT },
	[METHOD_PUT] = { ROUTE_NOT_ALLOWED, ROUTE_NOT_ALLOWED },
	[METHOD_PATCH] = { ROUTE_NOT_ALLOWED, ROUTE_NOT_ALLOWED },
	[METHOD_DELETE] = { ROUTE_REMOVE, ROUTE_NOT_ALLOWED },
	[METHOD_OPTIONS] = { ROUTE_OPTIONS, ROUTE_OPTIONS },
	[METHOD_TRACE] = { ROUTE_NOT_ALLOWED, ROUTE_NOT_ALLOWED },
	[METHOD_OTHER] = { ROUTE_NOT_ALLOWED, ROUTE_NOT_ALLOWED },
};

START_TEST(method_at_a_link)
{
	unsigned char id[TASK_ID_BYTES];
	struct route_to to;

	ck_assert(task_id_parse(ID, id));
	decide("/status/" ID, (enum conf_method)_i, &to);
	ck_assert_int_eq(to.action, wanted[_i].link);
	ck_assert(to.is_link);
	ck_assert_mem_eq(to.id, id, TASK_ID_BYTES);
	ck_assert_uint_eq(to.allow, LINK_ALLOW);
	ck_assert_ptr_null(to.route);
}
END_TEST

/* What stands beside a link: POST cancels, GET and HEAD inform. */
START_TEST(method_beside_a_link)
{
	unsigned char id[TASK_ID_BYTES];
	enum conf_method m = (enum conf_method)_i;
	struct route_to to;

	ck_assert(task_id_parse(ID, id));
	decide("/status/" ID "/cancel", m, &to);
	ck_assert(to.is_link);
	ck_assert_mem_eq(to.id, id, TASK_ID_BYTES);
	ck_assert_uint_eq(to.allow, BIT(METHOD_POST) | BIT(METHOD_OPTIONS));
	ck_assert_int_eq(to.action, m == METHOD_POST ? ROUTE_CANCEL :
	    m == METHOD_OPTIONS ? ROUTE_OPTIONS : ROUTE_NOT_ALLOWED);

	decide("/status/" ID "/info", m, &to);
	ck_assert(to.is_link);
	ck_assert_mem_eq(to.id, id, TASK_ID_BYTES);
	ck_assert_uint_eq(to.allow, BIT(METHOD_GET) | BIT(METHOD_HEAD) |
	    BIT(METHOD_OPTIONS));
	ck_assert_int_eq(to.action, m == METHOD_GET || m == METHOD_HEAD ?
	    ROUTE_INFO : m == METHOD_OPTIONS ? ROUTE_OPTIONS :
	    ROUTE_NOT_ALLOWED);
}
END_TEST

/* The log is the operator's: for anybody else there is no such place. */
START_TEST(log_beside_a_link)
{
	enum conf_method m = (enum conf_method)_i;
	struct route_to to;

	decide_for(true, "/status/" ID "/log", m, &to);
	ck_assert(to.is_link);
	ck_assert_uint_eq(to.allow, BIT(METHOD_GET) | BIT(METHOD_HEAD) |
	    BIT(METHOD_OPTIONS));
	ck_assert_int_eq(to.action, m == METHOD_GET || m == METHOD_HEAD ?
	    ROUTE_LOG : m == METHOD_OPTIONS ? ROUTE_OPTIONS :
	    ROUTE_NOT_ALLOWED);
	decide("/status/" ID "/log", m, &to);
	ck_assert(!to.is_link);
	ck_assert_int_eq(to.action, ROUTE_NO_TASK);
	decide_for(true, "/status/" ID, m, &to);
	ck_assert_int_eq(to.action, wanted[_i].link);
}
END_TEST

START_TEST(method_at_a_route)
{
	struct route_to to;

	decide("/gp", (enum conf_method)_i, &to);
	ck_assert_int_eq(to.action, wanted[_i].route);
	ck_assert(!to.is_link);
	ck_assert_uint_eq(to.allow, GET_POST | BIT(METHOD_OPTIONS));
	if (to.action == ROUTE_SUBMIT)
		ck_assert_ptr_eq(to.route, &route_list[0]);
	else
		ck_assert_ptr_null(to.route);
}
END_TEST

START_TEST(route_that_wants_options_gets_it)
{
	struct route_to to;

	decide("/o", METHOD_OPTIONS, &to);
	ck_assert_int_eq(to.action, ROUTE_SUBMIT);
	ck_assert_ptr_eq(to.route, &route_list[1]);
	decide("/o", METHOD_GET, &to);
	ck_assert_int_eq(to.action, ROUTE_NOT_ALLOWED);
	ck_assert_uint_eq(to.allow, BIT(METHOD_OPTIONS));
}
END_TEST

/* Under /status/, yet no link; the trap route must not be asked. */
static const char *const no_links[] = {
	"/status/",
	"/status/x",
	"/status//" ID,
	"/status/./" ID,
	"/status/" ID "/",
	"/status/" ID "/info/",
	"/status/" ID "/cancelled",
	"/status/" ID "info",
	"/status/info",
	"/status//info",
	"/status/00010f107f809abcdef0ff23456789a/cancel",
	"/status/" ID "0",
	"/status/00010F107F809ABCDEF0FF23456789AF",
	"/status/00010f107f809abcdef0ff23456789a",
	"/status/00010f107f809abcdef0ff23456789ag",
	"/status/%30010f107f809abcdef0ff23456789af",
	"/status/00010f10-7f80-9abc-def0-ff23456789af",
};

START_TEST(other_names_are_no_task_whatever_the_method)
{
	struct route_to to;

	for (int m = 0; m < METHOD_N; m++) {
		decide(no_links[_i], (enum conf_method)m, &to);
		ck_assert_int_eq(to.action, ROUTE_NO_TASK);
		ck_assert(!to.is_link);
		ck_assert_uint_eq(to.allow, 0);
		ck_assert_ptr_null(to.route);
	}
}
END_TEST

/* Not under /status/: ordinary paths. */
static const struct {
	const char	*path;
	const char	*route;		/* NULL: 404 */
} ordinary[] = {
	{ "/status", "status" },
	{ "/statusx", NULL },
	{ "/Status/" ID, NULL },
	{ "//status/" ID, NULL },
	{ "/dir/status/" ID, "dir" },
	{ "/dir", "dir" },
	{ "/", NULL },
	{ "/gp/", NULL },
};

START_TEST(other_paths_are_routes)
{
	struct route_to to;

	decide(ordinary[_i].path, METHOD_GET, &to);
	if (ordinary[_i].route == NULL) {
		ck_assert_int_eq(to.action, ROUTE_NOT_FOUND);
		ck_assert_uint_eq(to.allow, 0);
		return;
	}
	ck_assert_int_eq(to.action, ROUTE_SUBMIT);
	ck_assert_str_eq(to.route->name, ordinary[_i].route);
}
END_TEST

START_TEST(no_route_is_404_for_every_method)
{
	struct route_to to;

	decide("/nowhere", (enum conf_method)_i, &to);
	ck_assert_int_eq(to.action, ROUTE_NOT_FOUND);
	ck_assert(!to.is_link);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("route");
	TCase *tc = suite_case(s, "route", NULL, NULL);

	tcase_add_loop_test(tc, method_at_a_link, 0, METHOD_N);
	tcase_add_loop_test(tc, method_beside_a_link, 0, METHOD_N);
	tcase_add_loop_test(tc, log_beside_a_link, 0, METHOD_N);
	tcase_add_loop_test(tc, method_at_a_route, 0, METHOD_N);
	tcase_add_test(tc, route_that_wants_options_gets_it);
	tcase_add_loop_test(tc, other_names_are_no_task_whatever_the_method,
	    0, N(no_links));
	tcase_add_loop_test(tc, other_paths_are_routes, 0, N(ordinary));
	tcase_add_loop_test(tc, no_route_is_404_for_every_method, 0, METHOD_N);
	return suite_run(s);
}
