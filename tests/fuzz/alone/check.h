/*
 * check.h - the assertions of libcheck, as far as conn_rig.c uses them,
 * without a runner around: they abort, and the fuzzer sees that.
 */
#ifndef TESTS_FUZZ_ALONE_CHECK_H
#define TESTS_FUZZ_ALONE_CHECK_H

#include "tests/fuzz/fuzz.h"

#define ck_assert(cond)			EXPECT(cond)
#define ck_assert_msg(cond, ...)	EXPECT(cond)
#define ck_assert_int_eq(a, b)		EXPECT((a) == (b))
#define ck_assert_int_ge(a, b)		EXPECT((a) >= (b))
#define ck_assert_uint_eq(a, b)		EXPECT((a) == (b))
#define ck_assert_ptr_nonnull(p)	EXPECT((p) != NULL)

#endif
