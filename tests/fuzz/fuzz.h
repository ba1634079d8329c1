/*
 * fuzz - what all fuzz targets have in common.
 *
 * A target is one function: any bytes in, and every promise that the code
 * under test makes of them is checked, not only that it does not crash.  With
 * libFuzzer or AFL++ (FUZZ_ENGINE, see configure) it is called with bytes
 * that these invent; without them replay.c calls it with the files of
 * corpus/, so that what was once found is tested by every `make check`.
 *
 *	tests/fuzz.sh SECONDS [TARGET...]	builds them all, and lets them run
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A promise of the code under test. */
#define EXPECT(cond) do {						\
	if (!(cond)) {							\
		(void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,	\
		    __LINE__, #cond);					\
		abort();						\
	}								\
} while (0)

/* The input from its front to its end; past it there are zeros. */
struct fuzz_input {
	const uint8_t	*at;
	size_t		 left;
};

static inline unsigned int
fuzz_byte(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

/* The next n bytes, or as many as there are; borrowed. */
static inline const uint8_t *
fuzz_bytes(struct fuzz_input *in, size_t *n)
{
	const uint8_t *at = in->at;

	if (*n > in->left)
		*n = in->left;
	in->at += *n;
	in->left -= *n;
	return at;
}

/*
 * A copy of just that size, so that the sanitizer sees a read of one byte too
 * many; free() ends it.
 */
static inline char *
fuzz_copy(const void *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);

	EXPECT(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* The same as a string: up to the first NUL, or to the end. */
static inline char *
fuzz_string(const void *data, size_t size)
{
	char *copy = size > 0 ? strndup(data, size) : strdup("");

	EXPECT(copy != NULL);
	return copy;
}

#endif
