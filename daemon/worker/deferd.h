/*
 * deferd.h - write a task of deferd as a module in C or C++.
 *
 * A module is a shared object.  It exports one function, and the version of
 * this header it was compiled with:
 *
 *	#include <deferd.h>
 *
 *	DEFERD_MODULE
 *
 *	int
 *	deferd_run(const struct deferd_api *api, struct deferd_task *task)
 *	{
 *		api->header(task, "Content-Type", "text/plain");
 *		api->write(task, "hello\n", 6);
 *		return 0;
 *	}
 *
 *	cc -shared -fPIC -o hello.so hello.c
 *
 *	route "/hello" { module = "/usr/local/lib/deferd/hello.so" }
 *
 * It links against nothing of deferd's: everything it may call is in the
 * table it is given.  deferd_run() is called once for each task, from many
 * threads at the same time; what it keeps in static variables it must lock.
 * A crash costs one worker process, and every task that runs in it.
 *
 * ISC License; see the file LICENSE of deferd.
 */
#ifndef DEFERD_H
#define DEFERD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when a module that was built before could not be run any more. */
#define DEFERD_ABI	1

/* Once in a module, outside of any function. */
#define DEFERD_MODULE							\
	DEFERD_EXTERN_ DEFERD_EXPORT_ const uint32_t deferd_abi;	\
	const uint32_t deferd_abi = DEFERD_ABI;

#define DEFERD_EXPORT_	__attribute__((visibility("default")))
#ifdef __cplusplus
#define DEFERD_EXTERN_	extern "C"
#else
#define DEFERD_EXTERN_	extern
#endif

/* The task at hand.  Valid until deferd_run() returns; opaque. */
struct deferd_task;

/*
 * What a module may call, from the thread that deferd_run() was called in.
 * Where a function gives an int: 0, or -1.  New functions come at the end.
 */
struct deferd_api {
	uint32_t abi;			/* DEFERD_ABI of the daemon */

	/*
	 * A variable of the request or of the route's `env`, as a CGI
	 * program would find it in its environment (REQUEST_METHOD,
	 * PATH_INFO, QUERY_STRING, HTTP_ACCEPT, DEFERD_TASK_ID ...).
	 * NULL if there is none.  Valid as long as the task.
	 */
	const char *(*variable)(struct deferd_task *, const char *name);

	/*
	 * The next bytes of the request's body, at most `size`: how many, 0
	 * at its end, -1 when it cannot be read.
	 */
	int64_t (*read)(struct deferd_task *, void *data, size_t size);

	/* All bytes of the request's body. */
	uint64_t (*body_size)(struct deferd_task *);

	/*
	 * The status of the response, 200 to 599.  Without it: 302 if there
	 * is a Location, else 200.  -1: out of range, or the body has begun.
	 */
	int (*status)(struct deferd_task *, int status);

	/*
	 * Adds a header to the response; the same name again adds another.
	 * -1: not a header, over 64 KiB of them, or the body has begun.
	 */
	int (*header)(struct deferd_task *, const char *name,
	    const char *value);

	/*
	 * Adds to the body of the response.  A large one goes to a file, not
	 * to memory.  -1: it cannot be kept (over max-response, disk full,
	 * cancelled): give up and return.
	 */
	int (*write)(struct deferd_task *, const void *data, size_t size);

	/* How far it is, 0 to 100, and what it does; `text` may be NULL. */
	void (*progress)(struct deferd_task *, unsigned int percent,
	    const char *text);

	/*
	 * Not 0 when nobody wants the result any more: cancelled, or over
	 * the time limit.  Ask now and then, and return (what, is all the
	 * same).  A module that goes on is killed with its worker.
	 */
	int (*cancelled)(struct deferd_task *);

	/* Lines for the log, beside the task's id. */
	void (*log)(struct deferd_task *, const char *text);
};

/*
 * Yours.  0: what was written is the response.  Anything else: the task has
 * failed, and what was written is dropped.
 */
DEFERD_EXPORT_ int
	deferd_run(const struct deferd_api *, struct deferd_task *);

#ifdef __cplusplus
}
#endif

#endif
