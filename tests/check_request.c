/*
 * Tests of request.c: what each server says about one URL, paths that are
 * refused, hosts, and which route is first.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/request.h"
#include "tests/suite.h"

#define VARS_MAX 12

/* A block with CONTENT_LENGTH, SCGI, and the pairs up to NULL. */
static struct scgi
block_of(const char *const *pairs)
{
	static char block[4096];
	struct scgi scgi;
	const char *why = "";
	size_t len = 0;

	for (int i = 0; i < 4; i++) {
		const char *first[] = { "CONTENT_LENGTH", "7", "SCGI", "1" };

		memcpy(block + len, first[i], strlen(first[i]) + 1);
		len += strlen(first[i]) + 1;
	}
	for (; *pairs != NULL; pairs++) {
		memcpy(block + len, *pairs, strlen(*pairs) + 1);
		len += strlen(*pairs) + 1;
	}
	ck_assert_msg(scgi_check(block, len, &scgi, &why) == SCGI_DONE,
	    "%s", why);
	return scgi;
}

/*
 * Where one URL's mount and path are found.  status 0: fine.
 */
static const struct {
	const char	*vars[VARS_MAX];
	const char	*setting;
	int		 status;
	const char	*mount, *path;
} places[] = {
	/* mod_cgi, mod_cgid, lighttpd: split by the server; the setting is
	 * not asked */
	{ { "SCRIPT_NAME", "/jobs", "PATH_INFO", "/report/7" }, NULL,
	    0, "/jobs", "/report/7" },
	{ { "SCRIPT_NAME", "/jobs", "PATH_INFO", "/report/7" }, "/other",
	    0, "/jobs", "/report/7" },
	{ { "SCRIPT_NAME", "", "PATH_INFO", "/report/7" }, NULL,
	    0, "", "/report/7" },
	{ { "PATH_INFO", "/x" }, NULL, 0, "", "/x" },
	{ { "SCRIPT_NAME", "/jobs", "PATH_INFO", "" }, NULL, 0, "/jobs", "/" },
	{ { "SCRIPT_NAME", "/jobs/", "PATH_INFO", "/x" }, NULL,
	    0, "/jobs", "/x" },
	{ { "SCRIPT_NAME", "//jobs//", "PATH_INFO", "/x" }, NULL,
	    0, "/jobs", "/x" },
	{ { "SCRIPT_NAME", "/", "PATH_INFO", "/x" }, NULL, 0, "", "/x" },
	/* PATH_INFO wins over DOCUMENT_URI */
	{ { "SCRIPT_NAME", "/jobs", "PATH_INFO", "/x", "DOCUMENT_URI",
	    "/page.shtml" }, NULL, 0, "/jobs", "/x" },
	/* ... which leave an empty PATH_INFO out */
	{ { "SCRIPT_NAME", "/jobs", "GATEWAY_INTERFACE", "CGI/1.1" }, NULL,
	    0, "/jobs", "/" },
	{ { "SCRIPT_NAME", "/a/jobs", "GATEWAY_INTERFACE", "CGI/1.1" },
	    "/other", 0, "/a/jobs", "/" },
	/* ... and lighttpd at "/", which calls all of it the script */
	{ { "SCRIPT_NAME", "/jobs/x", "GATEWAY_INTERFACE", "CGI/1.1" },
	    "/jobs", 0, "/jobs", "/x" },

	/* mod_proxy_scgi: all of it in SCRIPT_NAME */
	{ { "SCRIPT_NAME", "/report/7" }, NULL, 0, "", "/report/7" },
	{ { "SCRIPT_NAME", "/jobs/report/7" }, "/jobs",
	    0, "/jobs", "/report/7" },
	{ { "SCRIPT_NAME", "/jobs" }, "/jobs", 0, "/jobs", "/" },
	{ { "SCRIPT_NAME", "/jobs/" }, "/jobs", 0, "/jobs", "/" },
	{ { "SCRIPT_NAME", "/jobs7/x" }, "/jobs", 404, NULL, NULL },
	{ { "SCRIPT_NAME", "/job" }, "/jobs", 404, NULL, NULL },
	{ { "SCRIPT_NAME", "/" }, "/jobs", 404, NULL, NULL },
	{ { "SCRIPT_NAME", "" }, NULL, 0, "", "/" },

	/* nginx: DOCUMENT_URI */
	{ { "DOCUMENT_URI", "/jobs/report/7", "REQUEST_URI", "/jobs/x" },
	    "/jobs", 0, "/jobs", "/report/7" },
	{ { "DOCUMENT_URI", "/report/7" }, NULL, 0, "", "/report/7" },
	{ { "DOCUMENT_URI", "/jobs" }, "/jobs", 0, "/jobs", "/" },
	{ { "DOCUMENT_URI", "/jobsx" }, "/jobs", 404, NULL, NULL },
	{ { "DOCUMENT_URI", "/a/b/c" }, "/a/b", 0, "/a/b", "/c" },
	/* with the variables of fastcgi_params */
	{ { "DOCUMENT_URI", "/jobs/x", "SCRIPT_NAME", "/jobs/x",
	    "GATEWAY_INTERFACE", "CGI/1.1" }, "/jobs", 0, "/jobs", "/x" },
	{ { "DOCUMENT_URI", "/other/x", "SCRIPT_NAME", "/other/x",
	    "GATEWAY_INTERFACE", "CGI/1.1" }, "/jobs", 404, NULL, NULL },

	/* nothing at all */
	{ { "REQUEST_URI", "/x" }, NULL, 400, NULL, NULL },

	/* decoded by the server, so never again */
	{ { "SCRIPT_NAME", "/jobs", "PATH_INFO", "/a%20b" }, NULL,
	    0, "/jobs", "/a%20b" },
	{ { "SCRIPT_NAME", "/p/a b%2e%2e/%00" }, "/p",
	    0, "/p", "/a b%2e%2e/%00" },
	{ { "PATH_INFO", "/%2e%2e/x" }, NULL, 0, "", "/%2e%2e/x" },
	{ { "PATH_INFO", "/a+b;c=d?e" }, NULL, 0, "", "/a+b;c=d?e" },

	/* bytes are bytes */
	{ { "PATH_INFO", "/\xff\xc3\x28/\xc3\xa4" }, NULL,
	    0, "", "/\xff\xc3\x28/\xc3\xa4" },

	/* left alone */
	{ { "PATH_INFO", "//a/./b//" }, NULL, 0, "", "//a/./b//" },
	{ { "PATH_INFO", "/a..b/..c/d../..." }, NULL,
	    0, "", "/a..b/..c/d../..." },

	/* refused */
	{ { "PATH_INFO", "/.." }, NULL, 400, NULL, NULL },
	{ { "PATH_INFO", "/../x" }, NULL, 400, NULL, NULL },
	{ { "PATH_INFO", "/a/.." }, NULL, 400, NULL, NULL },
	{ { "PATH_INFO", "/a/../b" }, NULL, 400, NULL, NULL },
	{ { "PATH_INFO", "/..a/../b" }, NULL, 400, NULL, NULL },
	{ { "PATH_INFO", "/a//../b" }, NULL, 400, NULL, NULL },
	{ { "PATH_INFO", "/a\tb" }, NULL, 400, NULL, NULL },
	{ { "PATH_INFO", "a" }, NULL, 400, NULL, NULL },
	{ { "PATH_INFO", "../a" }, NULL, 400, NULL, NULL },
	{ { "SCRIPT_NAME", "/a/../jobs", "PATH_INFO", "/x" }, NULL,
	    400, NULL, NULL },
	{ { "SCRIPT_NAME", "jobs", "PATH_INFO", "/x" }, NULL,
	    400, NULL, NULL },
	{ { "SCRIPT_NAME", "/a\tb", "PATH_INFO", "/x" }, NULL,
	    400, NULL, NULL },
	{ { "SCRIPT_NAME", "/jobs/../x" }, "/jobs", 400, NULL, NULL },
	{ { "DOCUMENT_URI", "jobs" }, NULL, 404, NULL, NULL },
};

START_TEST(mount_and_path)
{
	const char *vars[VARS_MAX + 3] = { "REQUEST_METHOD", "GET" };
	struct conf conf = { .mount = (char *)places[_i].setting };
	struct request req;
	const char *why = NULL;
	struct scgi scgi;
	int status;

	memcpy(vars + 2, places[_i].vars, sizeof(places[_i].vars));
	scgi = block_of(vars);
	status = request_init(&req, &scgi, &conf, &why);
	ck_assert_int_eq(status, places[_i].status);
	if (status != 0) {
		ck_assert_ptr_nonnull(why);
		return;
	}
	ck_assert_str_eq(req.mount, places[_i].mount);
	ck_assert_str_eq(req.path, places[_i].path);
	request_fini(&req);
	ck_assert_ptr_null(req.path);
}
END_TEST

/* A request with the given extra variables, on the path /x. */
static int
init_with(struct request *req, const char *const *extra, const char **why)
{
	const char *vars[VARS_MAX] = { "PATH_INFO", "/x" };
	struct conf conf = { .mount = NULL };
	struct scgi scgi;
	int n = 2;

	while (*extra != NULL)
		vars[n++] = *extra++;
	scgi = block_of(vars);
	return request_init(req, &scgi, &conf, why);
}

static const struct {
	const char	*http_host, *server_name, *host;
} hosts[] = {
	{ "example.org", "srv", "example.org" },
	{ "Example.ORG", "srv", "example.org" },
	{ "example.org:8080", "srv", "example.org" },
	{ "example.org:", "srv", "example.org" },
	{ "127.0.0.1:80", "srv", "127.0.0.1" },
	{ "[::1]", "srv", "[::1]" },
	{ "[::1]:8080", "srv", "[::1]" },
	{ "[2001:DB8::A]:8080", "srv", "[2001:db8::a]" },
	{ "[::1", "srv", "[::1" },
	{ NULL, "Srv", "srv" },
	{ "", "srv", "srv" },
	{ NULL, "::1", "::1" },
	{ NULL, "[::1]", "[::1]" },
	{ NULL, "", NULL },
	{ NULL, NULL, NULL },
	{ "\xc3\x84.org", NULL, "\xc3\x84.org" },
};

START_TEST(host)
{
	const char *vars[VARS_MAX] = { "REQUEST_METHOD", "GET" };
	const char *why = NULL;
	struct request req;
	int n = 2;

	if (hosts[_i].server_name != NULL) {
		vars[n++] = "SERVER_NAME";
		vars[n++] = hosts[_i].server_name;
	}
	if (hosts[_i].http_host != NULL) {
		vars[n++] = "HTTP_HOST";
		vars[n++] = hosts[_i].http_host;
	}
	ck_assert_int_eq(init_with(&req, vars, &why), 0);
	if (hosts[_i].host == NULL)
		ck_assert_ptr_null(req.host);
	else
		ck_assert_str_eq(req.host, hosts[_i].host);
	request_fini(&req);
}
END_TEST

static const struct {
	const char	*name;		/* NULL: not there */
	int		 status;
	enum conf_method method;
} methods[] = {
	{ "GET", 0, METHOD_GET },
	{ "HEAD", 0, METHOD_HEAD },
	{ "DELETE", 0, METHOD_DELETE },
	{ "PROPFIND", 0, METHOD_OTHER },
	{ "get", 0, METHOD_OTHER },		/* methods have a case */
	{ "M-SEARCH", 0, METHOD_OTHER },
	{ NULL, 400, METHOD_OTHER },
	{ "", 400, METHOD_OTHER },
	{ "GET /", 400, METHOD_OTHER },
	{ "G\tT", 400, METHOD_OTHER },
	{ "G\"T", 400, METHOD_OTHER },
	{ "G\xc3\x84T", 400, METHOD_OTHER },
};

START_TEST(method)
{
	const char *vars[VARS_MAX] = { "REQUEST_METHOD", methods[_i].name };
	const char *why = NULL;
	struct request req;

	if (methods[_i].name == NULL)
		vars[0] = NULL;
	ck_assert_int_eq(init_with(&req, vars, &why), methods[_i].status);
	if (methods[_i].status != 0) {
		ck_assert_str_eq(why, "no valid method");
		return;
	}
	ck_assert_int_eq(req.method, methods[_i].method);
	ck_assert_str_eq(req.method_name, methods[_i].name);
	request_fini(&req);
}
END_TEST

START_TEST(query_and_length)
{
	const char *with[] = { "REQUEST_METHOD", "GET", "QUERY_STRING",
	    "a=%20&b", NULL };
	const char *without[] = { "REQUEST_METHOD", "GET", NULL };
	const char *why = NULL;
	struct request req;

	ck_assert_int_eq(init_with(&req, with, &why), 0);
	ck_assert_str_eq(req.query, "a=%20&b");
	ck_assert_int_eq(req.content_length, 7);
	ck_assert_ptr_eq(req.query, scgi_find(&req.scgi, "QUERY_STRING"));
	request_fini(&req);
	ck_assert_int_eq(init_with(&req, without, &why), 0);
	ck_assert_str_eq(req.query, "");
	request_fini(&req);
}
END_TEST

static struct conf_route route_list[] = {
	{ .name = "a", .pattern = "/a", .host = "one.example" },
	{ .name = "report", .pattern = "/report/*", .prefix_len = 7,
	  .is_prefix = true },
	{ .name = "report 7", .pattern = "/report/7" },	/* never reached */
	{ .name = "thumb", .pattern = "/thumb" },
	{ .name = "host", .pattern = "/*", .is_prefix = true,
	  .host = "two.example" },
	{ .name = "deep", .pattern = "/x/y/*", .prefix_len = 4,
	  .is_prefix = true },
};

static const struct {
	const char	*path, *host, *route;
} matches[] = {
	{ "/a", "one.example", "a" },
	{ "/a", "two.example", "host" },
	{ "/a", "three.example", NULL },
	{ "/a", NULL, NULL },
	{ "/a/", "one.example", NULL },
	{ "/report", NULL, "report" },
	{ "/report/", NULL, "report" },
	{ "/report/7", NULL, "report" },
	{ "/report/7/8", "two.example", "report" },
	{ "/reports", NULL, NULL },
	{ "/repor", NULL, NULL },
	{ "/Report", NULL, NULL },
	{ "//report", NULL, NULL },
	{ "/thumb", NULL, "thumb" },
	{ "/thumb/", NULL, NULL },
	{ "/thumb/x", NULL, NULL },
	{ "/", "two.example", "host" },
	{ "//", "two.example", "host" },
	{ "/", NULL, NULL },
	{ "/x/y", NULL, "deep" },
	{ "/x", NULL, NULL },
	{ "/x/y/z", NULL, "deep" },
	{ "/x/yz", NULL, NULL },
	{ "/report/*", NULL, "report" },
};

START_TEST(first_matching_route)
{
	struct conf conf = { .routes = route_list, .nroutes = N(route_list) };
	struct request req = {
		.path = (char *)matches[_i].path,
		.host = (char *)matches[_i].host,
	};
	const struct conf_route *route = request_route(&req, &conf);

	if (matches[_i].route == NULL) {
		ck_assert_ptr_null(route);
		return;
	}
	ck_assert_ptr_nonnull(route);
	ck_assert_str_eq(route->name, matches[_i].route);
}
END_TEST

START_TEST(no_routes_no_match)
{
	struct conf conf = { .nroutes = 0 };
	struct request req = { .path = (char *)"/" };

	ck_assert_ptr_null(request_route(&req, &conf));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("request");
	TCase *tc = suite_case(s, "request", NULL, NULL);

	tcase_add_loop_test(tc, mount_and_path, 0, N(places));
	tcase_add_loop_test(tc, host, 0, N(hosts));
	tcase_add_loop_test(tc, method, 0, N(methods));
	tcase_add_test(tc, query_and_length);
	tcase_add_loop_test(tc, first_matching_route, 0, N(matches));
	tcase_add_test(tc, no_routes_no_match);
	return suite_run(s);
}
