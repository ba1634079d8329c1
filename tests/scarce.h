/*
 * scarce - memory that ends for a moment: `left` allocations go well, the next
 * one fails, all later ones go well (-1).  `blocks` are not freed yet, so a
 * test can say that nothing is left over.
 *
 * The functions stand before libc's, but not where a sanitizer has put its
 * own: there OWN_MALLOC is 0, and neither number says anything.  To be included
 * by one file of a program.
 */
#ifndef TESTS_SCARCE_H
#define TESTS_SCARCE_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_MALLOC 0
#endif
#endif
#ifndef OWN_MALLOC
#define OWN_MALLOC 1
#endif

static int left = -1;
static long blocks __attribute__((unused));

#if OWN_MALLOC
void	*__libc_malloc(size_t);
void	*__libc_calloc(size_t, size_t);
void	*__libc_realloc(void *, size_t);
void	__libc_free(void *);

static bool
is_out(void)
{
	if (left < 0 || left-- > 0)
		return false;
	errno = ENOMEM;
	return true;
}

static void *
counted(void *p)
{
	blocks += p != NULL;
	return p;
}

void *
malloc(size_t n)
{
	return is_out() ? NULL : counted(__libc_malloc(n));
}

void *
calloc(size_t n, size_t size)
{
	return is_out() ? NULL : counted(__libc_calloc(n, size));
}

void *
realloc(void *p, size_t n)
{
	if (is_out())
		return NULL;
	return p == NULL ? counted(__libc_realloc(p, n)) : __libc_realloc(p, n);
}

void
free(void *p)
{
	blocks -= p != NULL;
	__libc_free(p);
}
#endif

#endif
