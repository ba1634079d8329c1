/*
 * backend - what store.c asks of memory.c, sqlite.c, ...
 *
 * A back-end is a const table of functions; memory.c, the smallest, is the
 * template.  store.c owns threads, batches, budgets and the order; a
 * back-end only applies.
 */
#ifndef DAEMON_STORE_BACKEND_H
#define DAEMON_STORE_BACKEND_H

#include "daemon/store/store.h"

struct store_backend {
	const char	*name;		/* "memory", "sqlite" */
	bool		 durable;
	bool		 threaded;	/* false: apply and load run on the loop */

	/* `where` is what follows "name:" in the setting, or "".  NULL: error. */
	void		*(*open)(const char *where, const struct conf *, char *error);
	void		 (*close)(void *);
	int		 (*scan)(void *,
			    int (*each)(const struct store_row *, void *),
			    void *arg, char *error);

	/*
	 * Applies a list of INSERT, MOVE and REMOVE in order, sets each
	 * verdict, and returns when all of it is committed (or failed).
	 * Adds to *bytes what is kept more, or less, than before, and to
	 * *tasks likewise.  On the writer thread if threaded.
	 */
	void		 (*apply)(void *, struct store_op *list,
			    int64_t *bytes, int64_t *tasks);

	/* One LOAD.  On the reader thread if threaded. */
	void		 (*load)(void *, struct store_op *);

	int		 (*spool_create)(void *, struct body *);
	void		 (*spool_drop)(void *, uint64_t file);
};

extern const struct store_backend store_memory;

#endif
