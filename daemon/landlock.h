/*
 * landlock - what a route lets its programs do with files (landlock(7)).
 *
 * A rule is letters, a colon and a path: "rx:/usr", "rw:/var/lib/report".
 *
 *	r	read files and list directories
 *	w	write, create, rename and remove
 *	x	run programs
 *
 * It holds for the path and all below it; what no rule names cannot be
 * opened at all.  Any user may put these walls around himself, and what he
 * starts then stands inside, too.  Beside files: who is inside can trace, and
 * since ABI 6 (Linux 6.12) signal, those inside only.
 *
 * The kernel is called directly: the C library has no names for it yet.
 */
#ifndef DAEMON_LANDLOCK_H
#define DAEMON_LANDLOCK_H

#include <stdbool.h>

#define LANDLOCK_ABI_TRUNCATE	3	/* before, files could be emptied */

/* What the kernel knows of it; 0: nothing. */
int	landlock_abi(void);

bool	landlock_is_rule(const char *);

/* The path of a rule. */
const char *
	landlock_path(const char *rule);

/*
 * The rules, NULL at the end, as a descriptor, close-on-exec and the
 * caller's.  -1 with errno, and *rule is the one that failed, or NULL:
 * the kernel cannot (ENOSYS, EOPNOTSUPP).
 */
int	landlock_open(char *const *rules, const char **rule)
	__attribute__((warn_unused_result));

/*
 * From here on, and for ever, this process is inside; it must have set
 * no_new_privs.  A system call and nothing else.  0, or -1 with errno.
 */
int	landlock_enter(int fd)
	__attribute__((warn_unused_result));

#endif
