/*
 * pages - all tasks that pass a filter, however many: the daemon gives them
 * in pages.
 *
 * A page goes on behind the last task of the one before; or, if that has gone
 * meanwhile, behind the one that came before it, and so on.
 */
#ifndef CTL_PAGES_H
#define CTL_PAGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl/ctl.h"

struct pages {
	const struct ctl *ctl;
	const char	*filter;	/* a query without a limit; borrowed */
	int64_t		 left;		/* so many may still be told of */
	bool		 more;		/* there were others */
	/* Told of each task, newest first; borrowed for the call. */
	void		(*each)(struct pages *, const json_t *task);
	void		*arg;		/* for each() */
};

/* As ask_json(). */
int	pages_read(struct pages *)
	__attribute__((warn_unused_result));

#endif
