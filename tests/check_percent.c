/*
 * Tests of percent: what is decoded, and what is refused.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/percent.h"
#include "tests/suite.h"

static const struct {
	const char	*text;
	const char	*decoded;	/* NULL: refused */
} texts[] = {
	{ "", "" },
	{ "plain+text", "plain+text" },
	{ "a%20b%2Fc", "a b/c" },
	{ "%c3%BC", "\xc3\xbc" },
	{ "%25", "%" },
	{ "%2541", "%41" },		/* once */
	{ "%01%ff", "\x01\xff" },
	{ "%0a%A0%09%90", "\x0a\xa0\x09\x90" },

	{ "%", NULL },
	{ "%4", NULL },
	{ "%%41", NULL },
	{ "%4x", NULL },
	{ "%x4", NULL },
	{ "%+4", NULL },
	{ "%4/", NULL },
	{ "%4:", NULL },
	{ "%4@", NULL },
	{ "%4G", NULL },
	{ "%4`", NULL },
	{ "%4g", NULL },
	{ "%00", NULL },
	{ "a%20b%0", NULL },
};

/* In an allocation of just that size, for ASan and valgrind. */
START_TEST(decoded_or_refused)
{
	char *text = strdup(texts[_i].text);
	bool good = percent_decode(text);

	ck_assert_int_eq(good, texts[_i].decoded != NULL);
	if (good)
		ck_assert_str_eq(text, texts[_i].decoded);
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("percent");
	TCase *t = suite_case(s, "percent", NULL, NULL);

	tcase_add_loop_test(t, decoded_or_refused, 0, N(texts));
	return suite_run(s);
}
