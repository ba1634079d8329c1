/*
 * frame - what launcher, master and worker say to each other.
 *
 * One frame is one SOCK_SEQPACKET message: a kind, then its fields in the
 * order of the struct, integers in host order (both ends are one build on
 * one machine; HELLO proves the version first), bytes as a length and the
 * bytes.  Descriptors ride beside (SCM_RIGHTS).  Decoding checks every
 * length and range, and that nothing is left over: a frame from a worker is
 * input like any other, since user code lives there.
 *
 *	master -> launcher	READY SPAWN KILL ASK ALIVE
 *	launcher -> master	SPAWNED (+socket, slate, jobs) DIED
 *				RELOAD (+conf) DRAIN TOLD
 *	worker -> master	HELLO PROGRESS STDERR NEED_SPOOL DONE
 *	master -> worker	CANCEL FOLLOW SPOOL (+file)
 *	master -> its jobs	RUN (+body); the end: no more come
 *
 * A worker's jobs are a socket of their own: the threads that are free wait at
 * it, and the kernel wakes one of them for each RUN.  So what is said of a job
 * may overtake it, and names its slot, where the worker keeps what it has heard
 * too soon.
 */
#ifndef IPC_FRAME_H
#define IPC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/buf.h"
#include "ipc/slate.h"		/* TASK_ID_BYTES */

#define FRAME_VERSION	3
#define FRAME_MAX	(256 * 1024)	/* bytes of one frame */

enum frame_kind {
	FRAME_HELLO,		/* worker is ready for jobs */
	FRAME_READY,		/* master serves; after RELOAD: by the new settings */
	FRAME_SPAWN,		/* start worker number `worker` of a pool */
	FRAME_SPAWNED,		/* + 3 descriptors: socket, slate, jobs */
	FRAME_DIED,		/* reaped; its groups are killed */
	FRAME_KILL,		/* SIGKILL that worker */
	FRAME_RELOAD,		/* + 1 descriptor: the checked new settings */
	FRAME_DRAIN,		/* finish and exit; again: `heir` has changed */
	FRAME_RUN,		/* + 1 descriptor when body_in_fd */
	FRAME_CANCEL,		/* SIGTERM the group now, SIGKILL after grace */
	FRAME_PROGRESS,
	FRAME_NEED_SPOOL,	/* the output outgrew `inline` */
	FRAME_SPOOL,		/* + 1 descriptor unless `error` is set */
	FRAME_DONE,
	FRAME_ASK,		/* an operator wants what only the launcher can */
	FRAME_TOLD,		/* its answer to each ASK, in their order */
	FRAME_ALIVE,		/* the master's loop turns; how it is, in words */
	FRAME_FOLLOW,		/* send this job's stderr as it comes, or no more */
	FRAME_STDERR,		/* some of it */
	FRAME_KIND_N
};

/* What a master asks of its launcher. */
enum frame_ask {
	ASK_RELOAD,		/* as SIGHUP */
	ASK_DRAIN,		/* as SIGTERM: finish and exit */
	ASK_RESTART,		/* the same, then a new master and new workers */
	ASK_N
};

/* What came of it. */
enum frame_told {
	TOLD_DONE,		/* or begun */
	TOLD_BAD_SETTINGS,	/* nothing has changed */
	TOLD_TOO_LATE,		/* it ends, or has not begun */
	TOLD_N
};

/* How a job ended, in the worker's eyes. */
enum frame_outcome {
	OUTCOME_SUCCEEDED,	/* there is a response */
	OUTCOME_FAILED,
	OUTCOME_TIMED_OUT,
	OUTCOME_CANCELLED,	/* by a CANCEL frame */
	OUTCOME_N
};

/* Bytes inside a frame; borrowed from the decoded message. */
struct frame_bytes {
	const void	*data;
	size_t		 len;
};

struct frame {
	enum frame_kind	 kind;
	union {
		struct {
			uint32_t version, pid, slots;
		} hello;
		struct {
			uint32_t worker;	/* the master's number for it */
			uint32_t pool;		/* index, conf_pools() */
			uint32_t generation;	/* of the settings */
		} spawn;
		struct {
			uint32_t worker;
			int32_t	 pid;		/* for people and tests */
		} spawned;
		struct {
			uint32_t worker;
			int32_t	 status;	/* as waitpid(); -1: never ran */
			int32_t	 error;		/* errno when it never ran */
		} died;
		struct {
			uint32_t worker;
		} kill;
		struct {
			uint32_t generation;
		} reload;
		struct {
			uint32_t heir;		/* 0 or 1: who listens after
						 * you has your backlog */
		} drain;
		struct {
			unsigned char id[TASK_ID_BYTES];
			uint32_t attempt;
			uint32_t slot;		/* of the master's, 0-based:
						 * one job at a time */
			uint32_t body_in_fd;	/* 0 or 1 */
			uint64_t body_size;
			struct frame_bytes route;	/* its name */
			struct frame_bytes head;	/* the request block */
			struct frame_bytes body;	/* when not in a fd */
		} run;
		struct {
			unsigned char id[TASK_ID_BYTES];
			uint32_t attempt;
			uint32_t slot;		/* not NEED_SPOOL */
			uint32_t on;		/* FOLLOW only: 0 or 1 */
			int32_t	 error;		/* SPOOL only: errno, or 0 */
		} job;			/* CANCEL, FOLLOW, NEED_SPOOL, SPOOL */
		struct {
			uint32_t what;		/* enum frame_ask */
		} ask;
		struct {
			uint32_t what;
			uint32_t how;		/* enum frame_told */
			struct frame_bytes text; /* what is wrong; or done, the
						  * settings that wait for a
						  * new start of the launcher */
		} told;
		struct {
			struct frame_bytes status;
		} alive;
		struct {
			unsigned char id[TASK_ID_BYTES];
			uint32_t attempt;
			uint64_t at;	/* bytes it had written before these */
			struct frame_bytes text; /* any bytes; may be none */
		} err;			/* STDERR */
		struct {
			unsigned char id[TASK_ID_BYTES];
			uint32_t attempt;
			uint32_t percent;	/* 0..100 */
			struct frame_bytes message;
		} progress;
		struct {
			unsigned char id[TASK_ID_BYTES];
			uint32_t attempt;
			uint32_t outcome;	/* enum frame_outcome */
			int32_t	 wait_status;	/* exec; -1: no process */
			uint32_t body_in_fd;	/* the spool file holds it */
			uint64_t body_size;
			uint64_t cpu_us;
			uint64_t max_rss_kib;
			struct frame_bytes reason; /* for users; may be empty */
			struct frame_bytes head;   /* normalised, if succeeded */
			struct frame_bytes body;   /* inline, else empty */
			struct frame_bytes log;	   /* tail of stderr */
		} done;
	} u;
};

/*
 * Appends the encoded frame.  0, or -1 with errno EMSGSIZE (over FRAME_MAX
 * or the buffer's cap), ENOMEM, or EINVAL for what frame_decode() would
 * refuse; the buffer is untouched then.
 */
int	frame_encode(struct buf *, const struct frame *)
	__attribute__((warn_unused_result));

/*
 * Decodes one whole message; `f` borrows `data`.  0, or -1 with errno
 * EBADMSG.  Checks kinds, lengths, ranges (attempt > 0, percent <= 100,
 * outcome < OUTCOME_N, slot and slots within the slate, body_in_fd 0 or 1,
 * body_size == body.len when not in a descriptor and body.len == 0 when it
 * is, ...), and that no byte is left over.
 */
int	frame_decode(struct frame *, const void *data, size_t len)
	__attribute__((warn_unused_result));

/* "RUN" and so on, for logs and tests.  Static. */
const char *
	frame_name(enum frame_kind);

/* How many descriptors must ride beside this frame. */
int	frame_fds(const struct frame *);

#endif
