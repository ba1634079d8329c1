/*
 * check_env - the environment of a task, from tables (contract.md 5).
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buf.h"
#include "daemon/worker/env.h"
#include "tests/suite.h"

static struct conf conf = { .path = (char []){ "/usr/bin:/bin" } };

static void
add(struct buf *b, const char *s, size_t len)
{
	ck_assert_int_eq(buf_add(b, s, len), 0);
	ck_assert_int_eq(buf_add(b, "", 1), 0);
}

/* "NAME=value\n" ... to a block. */
static void
make_block(struct buf *b, const char *vars)
{
	const char *eq, *nl;

	buf_init(b, SCGI_HEAD_MAX);
	for (; *vars != '\0'; vars = nl + 1) {
		eq = strchr(vars, '=');
		nl = strchr(vars, '\n');
		add(b, vars, (size_t)(eq - vars));
		add(b, eq + 1, (size_t)(nl - eq - 1));
	}
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, one in a line. */
static void
check_env(const char *vars, const struct conf_route *route,
    const struct env_task *task, const char *expected)
{
	struct request req;
	struct scgi scgi;
	const char *why;
	struct buf block, text;
	struct env e;
	size_t i;

	make_block(&block, vars);
	ck_assert_int_eq(scgi_check(buf_data(&block), buf_len(&block), &scgi,
	    &why), SCGI_DONE);
	ck_assert_int_eq(request_init(&req, &scgi, &conf, &why), 0);
	ck_assert_int_eq(env_init(&e, &req, &conf, route, task), 0);
	ck_assert_ptr_null(e.vec[e.n]);
	qsort(e.vec, e.n, sizeof(*e.vec), by_name);
	buf_init(&text, 1 << 20);
	for (i = 0; i < e.n; i++)
		ck_assert_int_eq(buf_printf(&text, "%s\n", e.vec[i]), 0);
	ck_assert_int_eq(buf_add(&text, "", 1), 0);
	ck_assert_str_eq((const char *)buf_data(&text), expected);
	buf_fini(&text);
	env_fini(&e);
	request_fini(&req);
	buf_fini(&block);
}

#define BASE	"CONTENT_LENGTH=0\nSCGI=1\nREQUEST_METHOD=GET\n"
#define ALWAYS	"GATEWAY_INTERFACE=CGI/1.1\n"

static const struct env_task no_body = { "id", 0, false };

static const struct conf_route all = { .pattern = (char []){ "/*" },
    .prefix_len = 0, .is_prefix = true };
static const struct conf_route report = { .pattern = (char []){ "/report/*" },
    .prefix_len = 7, .is_prefix = true };
static const struct conf_route thumb = { .pattern = (char []){ "/thumb" },
    .prefix_len = 6 };

static const struct {
	const struct conf_route *route;
	const char	*vars;
	const char	*expected;
} paths[] = {
	{ &report, "SCRIPT_NAME=/jobs\nPATH_INFO=/report/7/x\n",
	    "PATH_INFO=/7/x\nSCRIPT_NAME=/jobs/report\n" },
	{ &report, "SCRIPT_NAME=/jobs\nPATH_INFO=/report\n"
	    "PATH_TRANSLATED=/srv/report\nDOCUMENT_ROOT=/srv\n",
	    "DOCUMENT_ROOT=/srv\nSCRIPT_NAME=/jobs/report\n" },
	{ &report, "SCRIPT_NAME=/jobs\nPATH_INFO=/report/\n",
	    "PATH_INFO=/\nSCRIPT_NAME=/jobs/report\n" },
	{ &report, "SCRIPT_NAME=/jobs\nPATH_INFO=/report/7\n"
	    "PATH_TRANSLATED=/srv/report/7\nDOCUMENT_ROOT=/srv\n",
	    "DOCUMENT_ROOT=/srv\nPATH_INFO=/7\nPATH_TRANSLATED=/srv/7\n"
	    "SCRIPT_NAME=/jobs/report\n" },
	{ &thumb, "SCRIPT_NAME=/jobs\nPATH_INFO=/thumb\n",
	    "SCRIPT_NAME=/jobs/thumb\n" },
	{ &all, "SCRIPT_NAME=\nPATH_INFO=/a/b\n",
	    "PATH_INFO=/a/b\nSCRIPT_NAME=\n" },
	{ &all, "SCRIPT_NAME=/jobs\nPATH_INFO=/\n",
	    "PATH_INFO=/\nSCRIPT_NAME=/jobs\n" },
};

START_TEST(path_is_split_at_the_route)
{
	char vars[1024], *all_lines, *line, *at, *sorted[16];
	char expected[1024] = "";
	int i, n = 0;

	snprintf(vars, sizeof(vars), BASE "%s", paths[_i].vars);
	all_lines = at = malloc(1024);
	snprintf(all_lines, 1024, "%s" ALWAYS "PATH=/usr/bin:/bin\n"
	    "QUERY_STRING=\nREQUEST_METHOD=GET\n"
	    "DEFERD_TASK_ID=id", paths[_i].expected);
	while ((line = strsep(&at, "\n")) != NULL)
		sorted[n++] = line;
	qsort(sorted, (size_t)n, sizeof(*sorted), by_name);
	for (i = 0; i < n; i++) {
		strcat(expected, sorted[i]);
		strcat(expected, "\n");
	}
	free(all_lines);
	check_env(vars, paths[_i].route, &no_body, expected);
}
END_TEST

/*
 * What Apache says after its redirect, as the script would have got it without
 * one: nothing of the door's, and names without the prefix.
 */
START_TEST(script_behind_a_redirect)
{
	struct conf_route route = { .name = (char []){ "s" },
	    .pattern = (char []){ "/*" }, .is_prefix = true,
	    .scripts = (char []){ "/bin" }, .handler = (char []){ "h" } };
	struct conf_route *const routes = conf.routes;
	const size_t nroutes = conf.nroutes;

	conf.routes = &route;
	conf.nroutes = 1;
	check_env(BASE "SCRIPT_NAME=/cgi-bin/defer.cgi\n"
	    "SCRIPT_FILENAME=/usr/lib/cgi-bin/defer.cgi\n"
	    "CONTEXT_PREFIX=/cgi-bin/\nCONTEXT_DOCUMENT_ROOT=/usr/lib\n"
	    "REMOTE_USER=door\nAUTH_TYPE=Door\nDEFERD_SOCKET=/x\n"
	    "DOCUMENT_ROOT=/srv\nPATH_INFO=/a/sh/b c\n"
	    "PATH_TRANSLATED=/bin/sh/b c\nREDIRECT_HANDLER=h\n"
	    "REDIRECT_STATUS=200\nREDIRECT_URL=/a/sh/b c\n"
	    "REDIRECT_QUERY_STRING=q\nREDIRECT_REMOTE_USER=ann\n"
	    "REDIRECT_SET=yes\nREDIRECT_HTTPS=forged\nHTTPS=on\n"
	    "REDIRECT_PATH=/evil\nREDIRECT_LD_PRELOAD=x\n"
	    "REDIRECT_HTTP_PROXY=x\nREDIRECT_DEFERD_TASK_ID=x\n"
	    "REDIRECT_CONTENT_LENGTH=9\nREDIRECT_REDIRECT_STATUS=200\n"
	    "REDIRECT_lower=x\nREDIRECT_=x\n", &route, &no_body,
	    "DEFERD_TASK_ID=id\nDOCUMENT_ROOT=/srv\n" ALWAYS
	    "HTTPS=on\nPATH=/usr/bin:/bin\nPATH_INFO=/b c\n"
	    "PATH_TRANSLATED=/srv/b c\nQUERY_STRING=\n"
	    "REDIRECT_STATUS=200\nREMOTE_USER=ann\n"
	    "REQUEST_METHOD=GET\nSCRIPT_FILENAME=/bin/sh\n"
	    "SCRIPT_NAME=/a/sh\nSET=yes\n");
	conf.routes = routes;
	conf.nroutes = nroutes;
}
END_TEST

/* The whole site asks for a password, the door too: then Apache says it so. */
START_TEST(script_behind_a_guarded_door)
{
	static struct conf_route route = { .name = (char *)"s",
	    .pattern = (char *)"/*", .is_prefix = true,
	    .scripts = (char *)"/bin", .handler = (char *)"h" };
	struct conf_route *const routes = conf.routes;
	const size_t nroutes = conf.nroutes;

	conf.routes = &route;
	conf.nroutes = 1;
	check_env(BASE "SCRIPT_NAME=/cgi-bin/defer.cgi\n"
	    "REMOTE_USER=ann\nDOCUMENT_ROOT=/srv\nPATH_INFO=/a/sh\n"
	    "PATH_TRANSLATED=/bin/sh\nREDIRECT_HANDLER=h\n"
	    "REDIRECT_STATUS=200\nREDIRECT_URL=/a/sh\n", &route, &no_body,
	    "DEFERD_TASK_ID=id\nDOCUMENT_ROOT=/srv\n" ALWAYS
	    "PATH=/usr/bin:/bin\nQUERY_STRING=\n"
	    "REMOTE_USER=ann\nREQUEST_METHOD=GET\n"
	    "SCRIPT_FILENAME=/bin/sh\nSCRIPT_NAME=/a/sh\n");
	conf.routes = routes;
	conf.nroutes = nroutes;
}
END_TEST

START_TEST(whole)
{
	char *settings[] = { (char []){ "COLOR=red" },
	    (char []){ "HTTP_X=route" }, (char []){ "EMPTY=" },
	    (char []){ "DEFERD_TASK_ID=forged" }, NULL };
	const struct conf_route route = { .pattern = (char []){ "/*" },
	    .is_prefix = true, .env = settings };
	const struct env_task task = { "0123", 5000000000, true };

	check_env("CONTENT_LENGTH=7\nSCGI=1\nREQUEST_METHOD=POST\n"
	    "CONTENT_TYPE=a/b\nSCRIPT_NAME=/j\nPATH_INFO=/p\n"
	    "HTTP_CONTENT_LENGTH=7\nHTTP_CONTENT_TYPE=x\n"
	    "HTTP_COOKIE=a=1\nHTTP_ACCEPT=one\nHTTP_COOKIE=b=2\n"
	    "HTTP_ACCEPT=two\nHTTP_ACCEPT=three\nHTTP_X=client\n"
	    "HTTP_PROXY=p\nHTTP_EXPECT=100\nHTTP_RANGE=r\nHTTP_IF_MATCH=m\n"
	    "HTTP_IF_NONE_MATCH=n\nHTTP_IFFY=stays\nHTTPS=on\n"
	    "PATH=/evil\nIFS=x\nENV=x\nBASH_ENV=x\nLD_PRELOAD=x\n"
	    "DYLD_X=x\nDEFERD_PROGRESS_FD=9\nDEFERD_X=x\nlower=x\n"
	    "Mixed=x\n9LIVES=x\nWITH-DASH=x\nBASH_FUNC_x%%=() { :; }\n"
	    "REDIRECT_STATUS=200\nREDIRECT_HTTP_PROXY=x\n_UNDER=1\n"
	    "SERVER_NAME=first\nSERVER_NAME=second\nQUERY_STRING=q\n"
	    "GATEWAY_INTERFACE=CGI/9\n", &route, &task,
	    "COLOR=red\n"
	    "CONTENT_LENGTH=5000000000\n"
	    "CONTENT_TYPE=a/b\n"
	    "DEFERD_PROGRESS_FD=3\n"
	    "DEFERD_TASK_ID=0123\n"
	    "EMPTY=\n"
	    "GATEWAY_INTERFACE=CGI/9\n"
	    "HTTPS=on\n"
	    "HTTP_ACCEPT=one, two, three\n"
	    "HTTP_COOKIE=a=1; b=2\n"
	    "HTTP_IFFY=stays\n"
	    "HTTP_X=route\n"
	    "PATH=/usr/bin:/bin\n"
	    "PATH_INFO=/p\n"
	    "QUERY_STRING=q\n"
	    "REDIRECT_HTTP_PROXY=x\n"
	    "REDIRECT_STATUS=200\n"
	    "REQUEST_METHOD=POST\n"
	    "SCRIPT_NAME=/j\n"
	    "SERVER_NAME=first\n"
	    "_UNDER=1\n");
}
END_TEST

static const struct {
	const char	*name;
	bool		 passes;
} names[] = {
	{ "A", true }, { "_", true }, { "A9_", true }, { "HTTPS", true },
	{ "HTTP_ACCEPT", true }, { "HTTP_IF", true }, { "PATHS", true },
	{ "ENVY", true }, { "LD", true }, { "SCGI_X", true },
	{ "AUTH_TYPE", true }, { "REMOTE_USER", true },
	{ "REDIRECT_URL", true }, { "SCRIPT_FILENAME", true },
	{ "", false }, { "9", false }, { "a", false }, { "Aa", false },
	{ "A-B", false }, { "A B", false }, { "\xc3\x84", false },
	{ "HTTP_PROXY", false }, { "HTTP_IF_", false },
	{ "HTTP_IF_RANGE", false }, { "HTTP_TRANSFER_ENCODING", false },
	{ "LD_", false }, { "LD_LIBRARY_PATH", false }, { "DEFERD_", false },
	{ "SCGI", false }, { "CONTENT_LENGTH", false },
	{ "SCRIPT_NAME", false }, { "PATH_INFO", false },
	{ "PATH_TRANSLATED", false }, { "PATH", false },
};

START_TEST(names_that_pass)
{
	ck_assert_msg(env_passes(names[_i].name) == names[_i].passes, "%s",
	    names[_i].name);
}
END_TEST

/* The room that is counted beforehand is enough for the worst block. */
START_TEST(worst_block)
{
	const struct env_task task = { "0123", 1, true };
	struct request req;
	struct scgi scgi;
	const char *why;
	struct buf block;
	struct env e;
	int i;

	make_block(&block, "CONTENT_LENGTH=1\nSCGI=1\nREQUEST_METHOD=POST\n"
	    "SCRIPT_NAME=/j\nPATH_INFO=/p\nDOCUMENT_ROOT=/d\n");
	for (i = 6; i < SCGI_VARS_MAX; i++) {
		add(&block, "HTTP_A", 6);
		add(&block, "", 0);
	}
	ck_assert_int_eq(scgi_check(buf_data(&block), buf_len(&block), &scgi,
	    &why), SCGI_DONE);
	ck_assert_int_eq(request_init(&req, &scgi, &conf, &why), 0);
	ck_assert_int_eq(env_init(&e, &req, &conf, &all, &task), 0);
	ck_assert_uint_eq(strlen(env_find(&e, "HTTP_A")),
	    2 * (SCGI_VARS_MAX - 7));
	ck_assert_ptr_null(env_find(&e, "HTTP_"));
	ck_assert_ptr_null(env_find(&e, "HTTP_A="));
	env_fini(&e);
	request_fini(&req);
	buf_fini(&block);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("env");
	TCase *t = suite_case(s, "env", NULL, NULL);

	tcase_add_loop_test(t, path_is_split_at_the_route, 0, N(paths));
	tcase_add_test(t, script_behind_a_guarded_door);
	tcase_add_test(t, whole);
	tcase_add_test(t, script_behind_a_redirect);
	tcase_add_loop_test(t, names_that_pass, 0, N(names));
	tcase_add_test(t, worst_block);
	return suite_run(s);
}
