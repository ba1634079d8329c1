/*
 * usage - what this process takes from the system.  -1: it does not tell.
 */
#ifndef DAEMON_MASTER_USAGE_H
#define DAEMON_MASTER_USAGE_H

#include <stdint.h>

int64_t	usage_memory_bytes(void);	/* resident */
int64_t	usage_descriptors(void);	/* open */
int64_t	usage_max_descriptors(void);

#endif
