/*
 * suite - what a check_*.c needs beside its tests: a case that belongs to its
 * suite from the start, the run of all of them, and the length of a table for
 * a loop test.
 */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

#include "ipc/nitems.h"

#define N(table)	((int)nitems(table))	/* as a loop test takes it */

/* A case of the suite; setup and teardown, around each of its tests, may be NULL. */
static inline TCase *
suite_case(Suite *s, const char *name, void (*setup)(void), void (*teardown)(void))
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, setup, teardown);
	suite_add_tcase(s, t);
	return t;
}

/* Runs the suite, as CK_ENV says, and frees it; what main() returns. */
static inline int
suite_run(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
