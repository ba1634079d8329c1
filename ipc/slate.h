/*
 * slate - what a worker is doing, readable after its death.
 *
 * A memfd, mapped shared by one worker (which writes it), the launcher and
 * the master (which only read).  One slot per thread.  The process group is
 * written by the vforked child itself before its exec, the signal by the
 * handler of a crashing thread: there is no moment in which a script runs
 * and its group is not here.  When a worker is dead for whatever reason,
 * the launcher reads the slate, kills the groups on it before it reaps
 * anything (so no number can have been reused), and the master learns whom
 * to blame.
 *
 * The reader trusts nothing: user code (a module) lives in the writer's
 * address space.  Mapping checks the size and that it is sealed (EINVAL
 * otherwise), nslots follows from it, and a group is killed with the rights
 * of the worker's user, never with the launcher's.
 */
#ifndef IPC_SLATE_H
#define IPC_SLATE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SLATE_SLOTS_MAX	1024
#define TASK_ID_BYTES	16		/* a uuid, binary */
#define SLATE_EXIT	256		/* as signo: the thread called exit(3) */

struct slate_slot {
	unsigned char	 task[TASK_ID_BYTES];
	_Atomic uint32_t attempt;	/* 0: the slot is idle; written last */
	_Atomic int32_t	 pgid;		/* 0: no process group */
	_Atomic int32_t	 signo;		/* what crashed the thread, or 0 */
	uint32_t	 reserved;
};

struct slate {
	struct slate_slot *slot;	/* mapped */
	unsigned int	 nslots;
	size_t		 bytes;
};

/* A sealed-size memfd for nslots slots (1..SLATE_SLOTS_MAX), or -1. */
int	slate_create(unsigned int nslots)
	__attribute__((warn_unused_result));

/* Map it; the descriptor may be closed afterwards.  0, or -1 with errno. */
int	slate_map_writer(struct slate *, int fd)
	__attribute__((warn_unused_result));
int	slate_map_reader(struct slate *, int fd)
	__attribute__((warn_unused_result));
void	slate_unmap(struct slate *);

/* What a thread has noted of its own death: a signal, SLATE_EXIT, or 0. */
int	slate_culprit(const struct slate *);

/*
 * Async-signal-safe, and safe in a vforked child.  Setting and clearing leave
 * pgid and signo 0; a slot is cleared when its group is dead, but before its
 * leader is reaped.
 */
void	slate_set(struct slate_slot *, const unsigned char *task,
	    uint32_t attempt);
void	slate_clear(struct slate_slot *);

#endif
