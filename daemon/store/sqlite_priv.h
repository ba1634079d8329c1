/*
 * sqlite_priv - what the files of the SQLite store share.
 *
 *	sqlite.c	the back-end: open, scan, close
 *	sqlite_apply.c	a batch of changes is a transaction	writer thread
 *	sqlite_change.c	what each of them does			writer thread
 *	sqlite_load.c	requests and responses			reader thread
 *	sqlite_spool.c	bodies in files				loop, io threads
 *	sqlite_look.c	the disk, and whether all is in its place	any
 *	sqlite_tidy.c	the log written back, space given back	writer thread
 *	sqlite_db.c	connections, statements, faults		any
 *	sqlite_schema.c	tables, versions			at start
 *	sqlite_check.c	is it sound?				a thread of its own
 */
#ifndef DAEMON_STORE_SQLITE_PRIV_H
#define DAEMON_STORE_SQLITE_PRIV_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#include "daemon/store/backend.h"
#include "daemon/store/check.h"

#define SQLITE_SPOOL_NAME	17	/* 16 hex digits and NUL */
#define SQLITE_FAULTS		8	/* causes remembered */

/* The statements of the writer, by the table in sqlite_change.c. */
enum sqlite_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_TAKEN,
	SQL_INSERT_TASK,
	SQL_INSERT_CLAIM,
	SQL_INSERT_REQUEST,
	SQL_INSERT_RESPONSE,
	SQL_MOVE,
	SQL_FINISH,
	SQL_FIND,
	SQL_DELETE_TASK,
	SQL_DELETE_CLAIM,
	SQL_DELETE_REQUEST,
	SQL_DELETE_RESPONSE,
	SQL_VOID,
	SQL_FREE_PAGES,
	SQL_N
};

/* What an operation has done, if the commit holds. */
struct sqlite_change {
	enum store_verdict verdict;
	int64_t		 row;		/* INSERT: the new one, or */
	unsigned char	 id[TASK_ID_BYTES];	/* of whom it is TAKEN */
	bool		 same;
	uint64_t	 file;		/* nobody's any more; 0: none */
	int64_t		 bytes, tasks;
};

struct sqlite_spool {
	int		 dir;		/* locked while we live */
	_Atomic uint64_t next;		/* the number of the next file */
};

/* What we have open, and somebody may move, replace or delete under us. */
enum sqlite_part {
	PART_DATABASE,
	PART_LOG,		/* its -wal */
	PART_INDEX,		/* its -shm: where in the log is what */
	PART_SPOOL,
	PART_N
};

enum sqlite_place {
	PLACE_OURS,		/* what we have open stands under its name */
	PLACE_EMPTY,		/* nothing does that we could see */
	PLACE_TAKEN		/* something else does */
};

struct sqlite_held {
	dev_t		 dev;
	ino_t		 inode;		/* 0: nobody looks after it yet */
	_Atomic bool	 gone;		/* it is not in its place; said so */
};

/* A cause of trouble, and when it was last said. */
struct sqlite_fault {
	const char	*what;
	int		 rc;
	time_t		 said;
	unsigned int	 unsaid;	/* times since */
};

struct sqlite {
	char		*name;		/* as it is configured; */
	char		*path;		/* the file itself, if that is a link */
	char		*spool_path;
	int		 lock;		/* the file PATH.lock, locked */
	struct sqlite_spool spool;
	struct sqlite_held held[PART_N];
	_Atomic bool	 leaving;	/* we are to end soon */

	/* the writer's */
	sqlite3		*writer;
	sqlite3_stmt	*sql[SQL_N];
	int64_t		 next_row;
	bool		 uncertain;	/* a commit failed and may be in the WAL */
	bool		 deleted;	/* something, since pages were counted */
	int		 wal_pages;	/* in the WAL after the last commit */
	int		 wal_tried;	/* when it was last written back */
	struct sqlite_change *change;	/* one for each of a batch */
	size_t		 nchanges;

	/* the reader's */
	sqlite3		*reader;
	sqlite3_stmt	*load_request, *load_response, *load_info;

	/* who looks at the disk */
	bool		 wal_long;	/* said so */

	pthread_mutex_t	 lock_faults;	/* guards what follows */
	struct sqlite_fault faults[SQLITE_FAULTS];
	pthread_t	 check;
	bool		 check_started;	/* there is a thread to join */
	time_t		 check_at;	/* when it was started */
	_Atomic bool	 check_running, check_stop;
};

/* -- sqlite_db.c ---------------------------------------------------------- */

/*
 * Opens a connection to a file that is there.  An SQLite result code;
 * *db may be set, for its message, in either case.
 */
int	sqlite_db_open(sqlite3 **db, const char *path, bool readonly);

/* The writer waits for other programs; not for long when we are to end. */
void	sqlite_db_be_patient(struct sqlite *);

/* Runs a statement that gives no row. */
int	sqlite_db_run(sqlite3_stmt *);

/* The number in the row that a query gives, or 0. */
int	sqlite_db_number(sqlite3 *, const char *sql, int64_t *number);

/* Why `path` cannot be used, for people, in error[CONF_ERROR_MAX]. */
void	sqlite_db_explain(sqlite3 *, int rc, const char *path, char *error);

/*
 * Something failed while running: says so, once a minute for each cause,
 * has the file checked if the disk is to blame, and gives the verdict.
 */
enum store_verdict
	sqlite_db_fault(struct sqlite *, sqlite3 *, const char *what, int rc);

/* -- sqlite_schema.c ------------------------------------------------------ */

/* Leads from one version of the schema to the next, inside a transaction. */
typedef int sqlite_step(sqlite3 *);

extern sqlite_step *const sqlite_schema_steps[];
extern const int sqlite_schema_version;

/*
 * Brings a new or an older file to version `nsteps`; refuses what is not
 * deferd's, or newer, or damaged.  0, or -1 with a message.
 */
int	sqlite_schema_open(sqlite3 *, const char *path,
	    sqlite_step *const *steps, int nsteps, char *error)
	__attribute__((warn_unused_result));

/* -- sqlite_spool.c ------------------------------------------------------- */

/* Makes the directory if need be, and locks it.  0, or -1 with a message. */
int	sqlite_spool_open(struct sqlite *, const char *dir, char *error)
	__attribute__((warn_unused_result));

/* Whether there are files that tasks may need.  -1 with errno. */
int	sqlite_spool_is_used(const struct sqlite *);
void	sqlite_spool_close(struct sqlite *);

/*
 * Deletes the files that no row names, says which rows name a file that is
 * not there, and sets the next number above all of them.  An SQLite code.
 */
int	sqlite_spool_sweep(struct sqlite *, sqlite3 *);

/*
 * Calls `stray` for each file that no row names (NULL: not asked), `missing`
 * for each row that names a file that is not there or is cut short; either
 * way *last is the greatest number seen.  An SQLite code.
 */
struct sqlite_spool_audit {
	void		(*stray)(void *arg, int dir, const char *name);
	void		(*missing)(void *arg, const char *id, const char *name);
	void		*arg;
	uint64_t	 last;
};
int	sqlite_spool_audit(int dir, sqlite3 *, struct sqlite_spool_audit *);

int	sqlite_spool_create(void *, struct body *);
int	sqlite_spool_sync(void *, const struct body *);
void	sqlite_spool_drop(void *, uint64_t file);

/* Opens a body for reading: a descriptor, or -1 with errno. */
int	sqlite_spool_read(const struct sqlite *, uint64_t file, uint64_t size);

/* -- sqlite_look.c --------------------------------------------------------- */

/* All is open: what has these names now is ours. */
void	sqlite_look_begin(struct sqlite *);

/* Where it is; says so when that has changed.  From any thread. */
enum sqlite_place
	sqlite_look_at(struct sqlite *, enum sqlite_part);

void	sqlite_look(void *, struct store_room *);

/* -- sqlite_change.c ------------------------------------------------------ */

int	sqlite_change_prepare(struct sqlite *);	/* an SQLite code */
void	sqlite_change_finish(struct sqlite *);

/* An SQLite code; what is done is noted in the change. */
int	sqlite_change(struct sqlite *, const struct store_op *,
	    struct sqlite_change *);

/* -- sqlite_apply.c, sqlite_load.c, sqlite_tidy.c ------------------------- */

void	sqlite_apply_finish(struct sqlite *);
void	sqlite_apply(void *, struct store_op *, int64_t *bytes,
	    int64_t *tasks);

int	sqlite_load_prepare(struct sqlite *);	/* an SQLite code */
void	sqlite_load_finish(struct sqlite *);
void	sqlite_load(void *, struct store_op *);

void	sqlite_tidy_prepare(struct sqlite *);
bool	sqlite_tidy(void *);
void	sqlite_tidy_finish(struct sqlite *);	/* after sqlite_apply_finish() */

/* -- sqlite_check.c ------------------------------------------------------- */

/*
 * Calls `say` for each line of what is wrong; *problems counts them.  An
 * SQLite code; SQLITE_INTERRUPT when `stop` became true.
 */
int	sqlite_check_file(sqlite3 *, void (*say)(void *, const char *),
	    void *arg, _Atomic bool *stop, int *problems);

/* store_check() of an SQLite database; ends soon when *stop is set (or NULL). */
enum store_check
	sqlite_check_path(const char *path, const char *spool, FILE *report,
	    _Atomic bool *stop);

/* In a thread of its own, with a connection of its own; says the result. */
void	sqlite_check_start(struct sqlite *);	/* lock_faults is held */
void	sqlite_check_end(struct sqlite *);

#endif
