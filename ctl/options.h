/*
 * options - those that several commands have.
 */
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include <stdbool.h>

/*
 * --json, and no other; optind is behind the options then.  -1 for anything
 * else, and it is said.
 */
int	options_json(int argc, char **argv, bool *as_json)
	__attribute__((warn_unused_result));

#endif
