/*
 * check_ctl_vars - a header and a path that a person typed, as a CGI request.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/vars.h"
#include "tests/suite.h"

static const struct {
	const char	*header;
	const char	*name;		/* NULL: refused */
	const char	*value;
} headers[] = {
	{ "Accept: text/html", "HTTP_ACCEPT", "text/html" },
	{ "accept:text/html", "HTTP_ACCEPT", "text/html" },
	{ "X-Long-Name:  a  b \t", "HTTP_X_LONG_NAME", "a  b" },
	{ "If-None-Match: \"a:b\"", "HTTP_IF_NONE_MATCH", "\"a:b\"" },
	{ "X-Empty:", "HTTP_X_EMPTY", "" },
	{ "X-Empty:   ", "HTTP_X_EMPTY", "" },
	{ "X-Tab: a\tb", "HTTP_X_TAB", "a\tb" },
	{ "X-\xc3\xbc: a", NULL, NULL },
	{ "X-Name: \xc3\xbc", "HTTP_X_NAME", "\xc3\xbc" },
	{ "Content-Type: text/plain", "CONTENT_TYPE", "text/plain" },
	{ "CONTENT-TYPE: text/plain", "CONTENT_TYPE", "text/plain" },

	{ "Content-Length: 5", NULL, NULL },
	{ "content-length: 5", NULL, NULL },
	{ "Transfer-Encoding: chunked", NULL, NULL },
	{ "Accept", NULL, NULL },
	{ "", NULL, NULL },
	{ ": x", NULL, NULL },
	{ "A B: x", NULL, NULL },
	{ "A=B: x", NULL, NULL },
	{ "Accept : x", NULL, NULL },
	{ "X-Evil: a\r\nB: c", NULL, NULL },
	{ "X-Evil: a\x7f", NULL, NULL },
};

START_TEST(header)
{
	char *text = strdup(headers[_i].header), *name = NULL;
	const char *value, *why = vars_header(text, &name, &value);

	if (headers[_i].name == NULL) {
		ck_assert_ptr_nonnull(why);
	} else {
		ck_assert_ptr_null(why);
		ck_assert_str_eq(name, headers[_i].name);
		ck_assert_str_eq(value, headers[_i].value);
	}
	free(name);
	free(text);
}
END_TEST

static const struct {
	const char	*url;
	const char	*path;		/* NULL: refused */
	const char	*query;
} urls[] = {
	{ "/", "/", "" },
	{ "/report/7", "/report/7", "" },
	{ "/report?x=1&y=%20", "/report", "x=1&y=%20" },
	{ "/a%20b%2Fc", "/a b/c", "" },
	{ "/%c3%BC", "/\xc3\xbc", "" },
	{ "/a?b?c", "/a", "b?c" },
	{ "/a%3Fb?c", "/a?b", "c" },
	{ "/%25", "/%", "" },
	{ "/a?", "/a", "" },

	{ "", NULL, NULL },
	{ "report", NULL, NULL },
	{ "http://localhost/report", NULL, NULL },
	{ "/%00", NULL, NULL },
	{ "/%", NULL, NULL },
	{ "/%4", NULL, NULL },
	{ "/%4x", NULL, NULL },
	{ "/%x4", NULL, NULL },
	{ "/%+4", NULL, NULL },
};

START_TEST(url)
{
	char *text = strdup(urls[_i].url), *path;
	const char *query, *why = vars_split_path(text, &path, &query);

	if (urls[_i].path == NULL) {
		ck_assert_ptr_nonnull(why);
	} else {
		ck_assert_ptr_null(why);
		ck_assert_str_eq(path, urls[_i].path);
		ck_assert_str_eq(query, urls[_i].query);
	}
	free(text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ctl_vars");
	TCase *tests = suite_case(suite, "vars", NULL, NULL);

	tcase_add_loop_test(tests, header, 0, N(headers));
	tcase_add_loop_test(tests, url, 0, N(urls));
	return suite_run(suite);
}
