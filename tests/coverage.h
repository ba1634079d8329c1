/*
 * coverage - processes that end without exit() write their counters, too.
 * The compiler reads this before every file of a build --enable-coverage.
 *
 * Not between clone and exec: memory and counters there are the worker's.
 */
#ifndef TESTS_COVERAGE_H
#define TESTS_COVERAGE_H

#include <string.h>
#include <unistd.h>

void	__gcov_dump(void);

#define _exit(status)	(strstr(__FILE__, "worker/child.c") == NULL ?	\
			    __gcov_dump() : (void)0, _exit(status))

#endif
