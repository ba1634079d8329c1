/*
 * conf - deferd.conf, as all three roles read it.
 *
 * The launcher reads the file once into a sealed memfd, checks it, and hands
 * that descriptor to master and workers: all parse the same bytes, also when
 * the file changes meanwhile or only root may read it.
 *
 * One table, in conf_table.c, yields parsing, defaults, the output of
 * `deferd -n`, what a reload may change, and the manual's list.  libconfuse
 * reads; what it lets through (unterminated sections, negative numbers, ...)
 * is refused here, with file, line and what was expected.
 */
#ifndef DAEMON_CONF_H
#define DAEMON_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define CONF_ERROR_MAX	512	/* bytes of a message, NUL included */

enum conf_rerun { RERUN_IDEMPOTENT, RERUN_ALWAYS, RERUN_NEVER, RERUN_N };

/* What contract.md calls methods; a set is a bit mask of 1 << METHOD_X. */
enum conf_method {
	METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHOD_PATCH,
	METHOD_DELETE, METHOD_OPTIONS, METHOD_TRACE, METHOD_OTHER, METHOD_N
};
extern const char *const conf_method_names[METHOD_N];

/*
 * Limits that can stand at the top (the default) and in a route.  After
 * conf_read() every field of every route is final; nobody looks twice.
 */
struct conf_limits {
	int64_t		 keep_s;
	int64_t		 timeout_s;
	int64_t		 grace_s;
	int64_t		 max_body_bytes;
	int64_t		 max_response_bytes;
	int64_t		 max_attempts;
	int64_t		 max_running;	/* 0: only the slots limit it */
	int64_t		 max_queued;	/* 0: only `queue` limits it */
	int64_t		 max_per_client; /* 0: no limit */
	int64_t		 max_wait_s;
	enum conf_rerun	 rerun;
	int64_t		 retry;		/* tries after the first that failed */
	int64_t		 retry_delay_s;	/* before the first of them; doubles */
	/* resource limits of exec tasks; 0: not set */
	int64_t		 cpu_s;		/* RLIMIT_CPU */
	int64_t		 memory_bytes;	/* RLIMIT_AS */
	int64_t		 file_size_bytes; /* RLIMIT_FSIZE */
	int64_t		 processes;	/* RLIMIT_NPROC */
	int64_t		 nice;		/* 0..19 */
};

struct conf_route {
	char		*name;		/* the section's title; unique */
	char		*pattern;	/* `path`, or else the title */
	size_t		 prefix_len;	/* literal part of pattern: of "/report/" + star: 7, "/report" */
	bool		 is_prefix;	/* pattern ends in / and a star */
	char		*host;		/* lower case, no port; NULL: any */
	char		*exec;		/* absolute path, or NULL */
	char		*module;	/* file name in module-dir, or an absolute path; NULL */
	char		*scripts;	/* directory of the scripts that the web server resolves; NULL */
	char		*handler;	/* what it calls their handler; NULL without scripts */
	unsigned int	 methods;	/* mask */
	char		**env;		/* "NAME=value", NULL at the end */
	bool		 exit_status_ignore; /* exit-status = "ignore" */
	bool		 respond_prefer; /* respond = "prefer" */
	bool		 share;
	/* walls around an executable, not around a module */
	bool		 no_new_privs;	/* also where one of the others is */
	char		**landlock;	/* rules, NULL at the end; NULL: none */
	bool		 network;	/* false: none */
	int64_t		 priority;	/* -100..100: seconds it is ahead */
	struct conf_limits limits;
	unsigned int	 pool;		/* index into conf.pools */
};

/* Workers that serve the same code: all executables, or one module. */
struct conf_pool {
	char		*module;	/* absolute path; NULL: executables */
};

struct conf {
	char		*socket_path;
	char		*control_path;	/* NULL: none (no configuration file) */
	char		*store;		/* "memory" or "sqlite:PATH" */
	char		*spool;		/* directory */
	char		*user;		/* both always there, and of use only */
	char		*run_as;	/* when root starts deferd */
	char		**peers;	/* user names, NULL at the end */
	char		**control_peers; /* likewise; NULL: none */
	char		*module_dir;
	char		*mount;		/* NULL: none; no slash at the end */
	char		*path;		/* PATH of exec tasks */
	char		*pid_file;	/* NULL: none */
	int64_t		 workers;	/* processes per pool */
	int64_t		 threads;	/* per process */
	int64_t		 queue;
	int64_t		 max_tasks;
	int64_t		 max_store_bytes;
	int64_t		 min_free_bytes;
	int64_t		 inline_bytes;	/* 0..65536 */
	int64_t		 max_connections;
	int64_t		 max_waiting;	/* through a door */
	int64_t		 head_deadline_s;
	int64_t		 body_deadline_s;	/* without any progress */
	int64_t		 send_deadline_s;	/* without any progress */
	int64_t		 drain_s;
	struct conf_limits limits;	/* the defaults of routes */
	struct conf_route *routes;	/* in the order of the file */
	size_t		 nroutes;
	struct conf_pool *pools;
	size_t		 npools;
	unsigned int	 generation;	/* set by who read it; 0 at start */
};

/*
 * Reads settings from an open file (from its current position); `name` is
 * what messages call it.  NULL with a message in `error` on failure:
 * "deferd.conf:12: keep: expected a number of seconds from 1 to ..., got -5".
 * A file without a route is refused too.  Not for two threads at once.
 * `debug` and such are the caller's options, not settings.
 */
struct conf *
	conf_read(FILE *, const char *name, char error[CONF_ERROR_MAX])
	__attribute__((warn_unused_result));

/*
 * The settings without any file, as text for conf_read(): one route for
 * everything, answer.so, the memory store, no control socket.
 */
extern const char conf_default_text[];

/*
 * `deferd -s`: replaces `socket`; without a file `control` stays off.
 * 0, or -1 without memory.
 */
int	conf_set_socket(struct conf *, const char *path)
	__attribute__((warn_unused_result));

void	conf_free(struct conf *);

/* The effective settings, in the file's own syntax: `deferd -n`. */
void	conf_print(const struct conf *, FILE *);

/*
 * The list of settings, for the manual: a line each, with tabs between
 * name, type, default, values, where (top, route), reload (yes, no,
 * start: not even a restart) and meaning; the first line names these columns.
 */
void	conf_describe(FILE *);

/*
 * Names of top-level settings that differ between the two and need a
 * restart, or a new start of the launcher too; separated by ", ", empty if
 * none.  Gives out.
 */
char	*conf_needs_restart(const struct conf *, const struct conf *,
	    char *out, size_t size);
char	*conf_needs_start(const struct conf *, const struct conf *,
	    char *out, size_t size);

/* METHOD_OTHER for one that has no name here. */
enum conf_method
	conf_method(const char *name);

#endif
