/*
 * filter - which tasks an operator wants to see: the query of /tasks.
 *
 *	id=DIGITS		whose id begins with these
 *	state=queued,running	any of these; may be repeated
 *	route=NAME  owner=NAME	exactly this one
 *	older=SECONDS  newer=SECONDS	age since it was created: at least, at most
 *	after=ID,ID,...		the next page: what the list has behind the first of
 *				these tasks that is still there, 16 at most
 *	limit=N			so many at most, 1 to 1000
 *	refresh=SECONDS		of a page without JavaScript: loads itself again
 *
 * Pure.  A parameter without a value is one that was not given: so a form
 * sends its empty fields.  Anything that is not understood is refused, by its
 * name: a filter that was silently left out would show tasks as if they had
 * passed it.
 */
#ifndef DAEMON_MASTER_FILTER_H
#define DAEMON_MASTER_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/master/task.h"

#define FILTER_LIMIT		100	/* if the query says nothing */
#define FILTER_LIMIT_MAX	1000
#define FILTER_REFRESH_MAX	3600
#define FILTER_AFTER_MAX	16
#define FILTER_WHY_MAX		160	/* bytes of a complaint, NUL included */

struct filter {
	unsigned int	 states;	/* mask of 1 << TASK_X; 0: any */
	const char	*id;		/* NULL: any; these three stand in `text` */
	const char	*route;
	const char	*owner;
	int64_t		 older_s;	/* -1: not asked for */
	int64_t		 newer_s;	/* likewise */
	size_t		 nafter;	/* 0: from the newest on */
	unsigned char	 after[FILTER_AFTER_MAX][TASK_ID_BYTES];
	unsigned int	 limit;
	unsigned int	 refresh_s;	/* 0: not by itself */
	char		*text;		/* owned */
};

/*
 * Reads a query (RFC 3986 3.4, as forms write it: + is a space).  0; 400 with
 * a sentence that names the parameter in why; 500 without memory.  In any
 * case filter_fini() is safe.
 */
int	filter_parse(struct filter *, const char *query,
	    char why[FILTER_WHY_MAX])
	__attribute__((warn_unused_result));
void	filter_fini(struct filter *);

/* Whether a task passes by its id, state and age, which is all it knows. */
bool	filter_passes(const struct filter *, const struct task *,
	    int64_t now_ms);

#endif
