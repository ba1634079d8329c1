/*
 * landlock - the three system calls of Landlock, and the words for them.
 *
 * What newer kernels know than the headers this is built with is written
 * out here, so that a build on an old machine is good for a new one.
 */
#include "daemon/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER	(1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE	(1ULL << 14)
#endif

#define READ	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RUN	LANDLOCK_ACCESS_FS_EXECUTE
#define WRITE	(LANDLOCK_ACCESS_FS_WRITE_FILE | \
		LANDLOCK_ACCESS_FS_REMOVE_DIR | \
		LANDLOCK_ACCESS_FS_REMOVE_FILE | \
		LANDLOCK_ACCESS_FS_MAKE_CHAR | \
		LANDLOCK_ACCESS_FS_MAKE_DIR | \
		LANDLOCK_ACCESS_FS_MAKE_REG | \
		LANDLOCK_ACCESS_FS_MAKE_SOCK | \
		LANDLOCK_ACCESS_FS_MAKE_FIFO | \
		LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
		LANDLOCK_ACCESS_FS_MAKE_SYM | \
		LANDLOCK_ACCESS_FS_REFER | \
		LANDLOCK_ACCESS_FS_TRUNCATE)

/* What can be said of something that is no directory. */
#define OF_FILES	(LANDLOCK_ACCESS_FS_READ_FILE | \
			LANDLOCK_ACCESS_FS_WRITE_FILE | \
			LANDLOCK_ACCESS_FS_EXECUTE | \
			LANDLOCK_ACCESS_FS_TRUNCATE)

#define SCOPE_ABSTRACT_SOCKETS	(1ULL << 0)
#define SCOPE_SIGNALS		(1ULL << 1)

/* struct landlock_ruleset_attr of ABI 6; older ones are its beginning. */
struct attributes {
	uint64_t	 files;
	uint64_t	 network;	/* since 4 */
	uint64_t	 scoped;	/* since 6 */
};

int
landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

const char *
landlock_path(const char *rule)
{
	return rule + strspn(rule, "rwx") + 1;
}

bool
landlock_is_rule(const char *text)
{
	size_t i, n = strspn(text, "rwx");

	for (i = 1; i < n; i++)
		if (memchr(text, text[i], i) != NULL)
			return false;
	return n > 0 && text[n] == ':' && text[n + 1] == '/' &&
	    strlen(text + n + 1) < PATH_MAX;
}

/* All that can be refused, by a kernel of this ABI. */
static uint64_t
known(int abi)
{
	uint64_t all = READ | WRITE | RUN;

	if (abi < 2)
		all &= ~LANDLOCK_ACCESS_FS_REFER;
	if (abi < LANDLOCK_ABI_TRUNCATE)
		all &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
	return all;
}

static uint64_t
granted(const char *rule)
{
	uint64_t access = 0;

	for (; *rule != ':'; rule++)
		access |= *rule == 'r' ? READ : *rule == 'w' ? WRITE : RUN;
	return access;
}

static int
add(int ruleset, const char *rule, uint64_t all)
{
	struct landlock_path_beneath_attr attr = {
		.allowed_access = granted(rule) & all };
	struct stat st;
	int rc = -1;

	attr.parent_fd = open(landlock_path(rule), O_PATH | O_CLOEXEC);
	if (attr.parent_fd == -1)
		return -1;
	if (fstat(attr.parent_fd, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			attr.allowed_access &= OF_FILES;
		rc = (int)syscall(SYS_landlock_add_rule, ruleset,
		    LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
	}
	close(attr.parent_fd);
	return rc;
}

int
landlock_open(char *const *rules, const char **rule)
{
	int fd, error, abi = landlock_abi();
	struct attributes a = { .files = known(abi) };
	size_t size = sizeof(a);

	*rule = NULL;
	if (abi >= 6)
		a.scoped = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
	else
		size = offsetof(struct attributes, network);
	fd = (int)syscall(SYS_landlock_create_ruleset, &a, size, 0);
	if (fd == -1)
		return -1;
	for (; *rules != NULL; rules++)
		if (add(fd, *rules, a.files) == -1) {
			error = errno;
			close(fd);
			*rule = *rules;
			errno = error;
			return -1;
		}
	return fd;
}

int
landlock_enter(int fd)
{
	return (int)syscall(SYS_landlock_restrict_self, fd, 0);
}
