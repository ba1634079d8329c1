/*
 * view_list - the answer to GET /tasks: a list of tasks.
 *
 * The traversal is one (conn_list.c), the writers are many: JSON for programs
 * (view_list.c), a page for people (view_tasks_page.c).  A writer is told of
 * each task once, newest first, and adds what it makes of it to `out`; so
 * what is held in memory is the text of the answer and one task.
 *
 * path and reason are cut to LISTED_TEXT_MAX bytes, at a character; <link>/info
 * has them whole.  They are foreign text: a writer escapes them, and makes
 * them valid UTF-8.
 */
#ifndef DAEMON_MASTER_VIEW_LIST_H
#define DAEMON_MASTER_VIEW_LIST_H

#include "daemon/master/filter.h"
#include "daemon/master/stats.h"
#include "daemon/master/view.h"

#define LISTED_TEXT_MAX	1024	/* bytes of a path, a reason */

/* One task as it is listed; all that it points to is borrowed for the call. */
struct listed {
	const struct task *task;	/* id, state, created_ms, attempt */
	const char	*link;		/* view_link() */
	const char	*route;		/* its name */
	const char	*method;	/* NULL, both: the store cannot read it */
	const char	*path;
	const char	*owner;		/* a user's name, NULL: nobody's */
	const char	*reason;	/* NULL: there is none */
	int64_t		 started_ms;	/* Unix times; 0: null, not (yet) so */
	int64_t		 finished_ms;
	int64_t		 expires_ms;
	const struct view_progress *progress;	/* NULL: it has told none */
	int		 status;	/* of its own response; 0: there is none */
	uint64_t	 size;		/* bytes of that one's body */
	const void	*log;		/* end of its stderr, if the part wants it */
	size_t		 log_len;
};

/*
 * One list of the answer, of tasks that pass the filter and are in one of
 * these states.  JSON has one part; a page has several, so that what runs is
 * seen even when a thousand tasks have ended since.
 */
struct list_part {
	unsigned int	 states;	/* mask of 1 << TASK_X */
	unsigned int	 limit;		/* so many, or the filter's if that is less */
	bool		 log;		/* each is told with its log */
};
#define LIST_ALL	((1u << TASK_STATE_N) - 1)

struct view_list;

/* All return 0, or -1 without memory; then nothing more is called. */
struct list_writer {
	size_t		 max;		/* bytes that `out` may come to */
	const struct list_part *parts;	/* told one after the other */
	size_t		 nparts;
	int		 (*begin)(struct view_list *);
	int		 (*task)(struct view_list *, const struct listed *);
	/* All of a part are told; `more`: others would have passed, too. */
	int		 (*part_end)(struct view_list *, bool more);
	/* All parts are; makes the answer (view_text(), view_html()). */
	int		 (*end)(struct view_list *, struct answer *);
};

struct view_list {
	/* for the writer to read */
	const struct request *req;
	const struct filter *filter;	/* what was asked for */
	const struct stats_now *stats;	/* in begin() only, else NULL */
	int64_t		 now_ms;	/* Unix time of the question */

	/* the writer's */
	struct buf	 out;
	size_t		 part;		/* the one that is told */
	size_t		 count;		/* tasks of this part so far */
	struct buf	 rows;		/* as it likes; has no more than `max` */
	char		 nonce[TASK_ID_TEXT]; /* likewise, of a page */
	const struct list_writer *writer;
};

extern const struct list_writer view_list_json;

/*
 * Begins an answer, with the first four members set; they are borrowed until
 * view_list_fini(), but for stats, which is borrowed for this call.  -1
 * without memory, here and below.
 */
int	view_list_begin(struct view_list *, const struct list_writer *)
	__attribute__((warn_unused_result));
int	view_list_task(struct view_list *, const struct listed *)
	__attribute__((warn_unused_result));

/* After the last task of each part; and after the last part. */
int	view_list_part_end(struct view_list *, bool more)
	__attribute__((warn_unused_result));
int	view_list_answer(struct view_list *, struct answer *)
	__attribute__((warn_unused_result));

void	view_list_fini(struct view_list *);

#endif
