/*
 * check_accept - browsers get HTML, programs get JSON.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>

#include "daemon/master/accept.h"
#include "tests/suite.h"

/* What is really sent, when somebody opens an address or follows a link. */
static const char *const browsers[] = {
	/* Chromium, Chrome, Edge, Opera */
	"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,"
	"image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
	/* Firefox 132 and later; 92 to 131; before */
	"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
	"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,"
	"image/webp,image/png,image/svg+xml,*/*;q=0.8",
	"text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
	/* Safari sends what Firefox sends; old ones this */
	"application/xml,application/xhtml+xml,text/html;q=0.9,text/plain;q=0.8,"
	"image/png,*/*;q=0.5",
	/* Internet Explorer, Edge before Chromium */
	"text/html, application/xhtml+xml, */*",
	"text/html, application/xhtml+xml, image/jxr, */*",
	"text/html, application/xhtml+xml, application/xml; q=0.9, */*; q=0.8",
	/* lynx, links, w3m */
	"text/html, text/plain, text/sgml, text/css, application/xhtml+xml, "
	"*/*;q=0.01",
	"text/html, text/*;q=0.5, image/*, application/*",
};

START_TEST(browser)
{
	ck_assert(accept_html(browsers[_i]));
}
END_TEST

static const char *const programs[] = {
	NULL,						/* HTTP libraries */
	"",
	"*/*",						/* curl, wget, fetch() */
	"*/*;q=0.8",
	"application/json",
	"application/json, text/plain, */*",		/* axios */
	"application/json, text/javascript, */*; q=0.01",	/* jQuery */
	"application/problem+json",
	"application/json;q=0.9, */*;q=0.8",
	"text/plain",
	"image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
	"text/css,*/*;q=0.1",
	"text/event-stream",
};

START_TEST(program)
{
	ck_assert(!accept_html(programs[_i]));
}
END_TEST

static const struct {
	const char	*value;
	bool		 html;
} rules[] = {
	/* the higher quality */
	{ "text/html", true },
	{ "text/html, application/json;q=0.9", true },
	{ "application/json;q=0.9, text/html", true },
	{ "text/html;q=0.9, application/json", false },
	{ "text/html;q=0.501, application/json;q=0.5", true },
	{ "text/html;q=0.5, application/json;q=0.501", false },
	{ "text/html;q=0.001", true },
	{ "text/html;q=1.000, application/json;q=0.999", true },
	{ "text/html;q=1., application/json;q=0.", true },

	/* the same */
	{ "text/html, application/json", false },
	{ "text/html;q=0.3, application/json;q=0.3", false },
	{ "text/html, */*", true },
	{ "text/html;q=0.3, */*;q=0.3", true },
	{ "text/*, */*", false },
	{ "application/json, */*", false },

	/* not acceptable */
	{ "text/html;q=0", false },
	{ "text/html;q=0.000, */*", false },
	{ "*/*, application/json;q=0", true },
	{ "*/*;q=0", false },
	{ "text/html;q=0, application/json;q=0", false },

	/* the closest range decides, whatever the order */
	{ "text/*", true },
	{ "text/*;q=0.1", true },
	{ "text/*, text/html;q=0.1, application/json;q=0.5", false },
	{ "application/json;q=0.5, text/html;q=0.1, text/*", false },
	{ "*/*;q=0.1, text/html;q=0.2, application/*;q=0.3", false },
	{ "*/*, application/*;q=0.1", true },
	{ "application/*;q=0.1, */*", true },
	{ "text/html;q=0.2, text/html;q=0.8, application/json;q=0.5", true },
	{ "text/html;q=0.8, text/html;q=0.2, application/json;q=0.5", true },

	/* names */
	{ "Text/HTML", true },
	{ "text/html5", false },
	{ "text/htm", false },
	{ "application/xhtml+xml", false },
	{ "text/html+json", false },

	/* parameters: a variant that is not ours; a charset is no variant */
	{ "text/html;level=1", false },
	{ "text/html;level=1;q=1, application/json;q=0.1", false },
	{ "text/html;charset=utf-8", true },
	{ "text/html; charset=\"utf-8\"; q=0.2, application/json;q=0.1", true },
	{ "text/html;q=0.5;ext=1, application/json;q=0.4", true },
	{ "text/html ; q=0.5 , application/json ; q=0.4", true },
	{ "text/html;Q=0.1, application/json;q=0.4", false },
	{ "text/html;q=\"0.5\", application/json;q=0.4", true },
	{ "text/html;;q=0.1, application/json;q=0.4", false },

	/* garbled ranges are passed over */
	{ "text/html;q=", false },
	{ "text/html;q", false },
	{ "text/html;q=x", false },
	{ "text/html;q=1.001", false },
	{ "text/html;q=2", false },
	{ "text/html;q=0.1234", false },
	{ "text/html;q=-1", false },
	{ "text/html;q=.5", false },
	{ "text/html;q=0,5", false },
	{ "text/html;q=0.5.", false },
	{ "text / html", false },
	{ "text/", false },
	{ "/html", false },
	{ "text", false },
	{ "*", false },
	{ "*/html", false },
	{ "text/html application/json", false },
	{ "text/html \"x\"", false },
	{ ",,text/html,,", true },
	{ "garbage, \xff/\xff, text/html", true },
	{ "text/html;x=\"", false },
	{ "\"text/html\"", false },
	{ "\", text/html", false },
};

START_TEST(rule)
{
	ck_assert_msg(accept_html(rules[_i].value) == rules[_i].html,
	    "%s", rules[_i].value);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("accept");
	TCase *t = suite_case(s, "accept", NULL, NULL);

	tcase_add_loop_test(t, browser, 0, N(browsers));
	tcase_add_loop_test(t, program, 0, N(programs));
	tcase_add_loop_test(t, rule, 0, N(rules));
	return s;
}

int
main(void)
{
	return suite_run(suite());
}
