/*
 * conf_table - the one list of settings, and what a setting is made of.
 * Private to conf*.c.
 *
 * A setting has a kind (how its text becomes a field and back), a place or
 * two where it may stand, and a field there, known by its offset.  All that
 * conf.h promises is a loop over this list.
 */
#ifndef DAEMON_CONF_TABLE_H
#define DAEMON_CONF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/conf.h"

enum conf_kind {
	KIND_NUMBER,		/* int64_t */
	KIND_SECONDS,		/* int64_t */
	KIND_SIZE,		/* int64_t, bytes; K, M, G are understood */
	KIND_TEXT,		/* char *; NULL when empty */
	KIND_LIST,		/* char **, NULL at the end; NULL when empty */
	KIND_METHODS,		/* unsigned int, a mask */
	KIND_RERUN,		/* enum conf_rerun */
	KIND_EXIT_STATUS,	/* bool: ignore */
	KIND_RESPOND,		/* bool: prefer */
	KIND_YES,		/* bool: yes */
	KIND_N
};

#define CONF_NOWHERE	((size_t)-1)

struct conf_setting {
	const char	*name;
	enum conf_kind	 kind;
	size_t		 top;		/* offset in struct conf, or CONF_NOWHERE */
	size_t		 route;		/* in struct conf_route, or CONF_NOWHERE */
	bool		 live;		/* a reload may change it */
	bool		 held;		/* by the launcher: only its start may */
	int64_t		 min, max;	/* numbers, seconds, sizes */
	bool		 (*check)(const char *);	/* texts and lists: is it good? */
	const char	*expected;	/* what the kind alone does not say */
	const char	*def;		/* lists: words; NULL: none */
	const char	*def_words;	/* for the manual, when def is not all */
	const char	*meaning;	/* one line */
};

#define CONF_SETTINGS_MAX	64	/* sets of settings are 64-bit masks */

extern const struct conf_setting conf_table[];
extern const size_t conf_table_size;

/* The setting of that name, or NULL. */
const struct conf_setting *
	conf_table_find(const char *name);

/* What stands in a route (or at the top) and was probably meant, or NULL. */
const char *
	conf_table_nearest(const char *name, bool in_route);

/*
 * What is particular to each kind (conf_kind.c).  `set` gives a field its
 * value, or adds one to a list or mask; 0, or -1 with errno EINVAL or
 * ENOMEM.  `clear` gives back what the field owns.  `print` writes what a
 * file would say.
 */
struct conf_kind_ops {
	const char	*name;		/* for the manual */
	size_t		 size;		/* bytes of the field */
	bool		 is_list;	/* { "a", "b" } */
	int		 (*set)(const struct conf_setting *, void *field,
			    const char *value);
	void		 (*clear)(void *field);
	bool		 (*equal)(const void *, const void *);
	void		 (*print)(const void *field, FILE *);
};
extern const struct conf_kind_ops conf_kinds[KIND_N];

#define CONF_EXPECTED_MAX	256

/* "a number of seconds from 1 to 60", for messages and for the manual. */
char	*conf_kind_expected(const struct conf_setting *, char *out, size_t size);

/* Sets a field to the setting's default.  0, or -1 without memory. */
int	conf_kind_default(const struct conf_setting *, void *field)
	__attribute__((warn_unused_result));

/* All settings at their default, no route; or NULL.  conf_free() ends it. */
struct conf *
	conf_new(void)
	__attribute__((warn_unused_result));

/*
 * After the last setting: what routes inherit, peers, pools.  `seen` has a
 * mask for each route: bits of the settings (indexes in conf_table) that it
 * has of its own.  0, or -1 without memory.
 */
int	conf_complete(struct conf *, const uint64_t *seen)
	__attribute__((warn_unused_result));

/* Whether a text is what the setting wants (conf_check.c). */
bool	conf_check_path(const char *);
bool	conf_check_path_or_none(const char *);
bool	conf_check_socket(const char *);
bool	conf_check_socket_or_none(const char *);
bool	conf_check_store(const char *);
bool	conf_check_user(const char *);
bool	conf_check_mount(const char *);
bool	conf_check_exec_path(const char *);
bool	conf_check_pattern(const char *);
bool	conf_check_host(const char *);
bool	conf_check_module(const char *);
bool	conf_check_handler(const char *);
bool	conf_check_env(const char *);
bool	conf_check_landlock(const char *);
bool	conf_check_network(const char *);

/*
 * Goes over the text before libconfuse does (conf_scan.c): 0, with comments
 * blanked out, or -1 with the line and what is wrong there.
 */
int	conf_scan(char *text, size_t len, unsigned int *line,
	    char why[CONF_ERROR_MAX])
	__attribute__((warn_unused_result));

#endif
