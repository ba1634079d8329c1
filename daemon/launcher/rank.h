/*
 * rank - who goes first on a processor: who answers, or who runs tasks.
 *
 * The master is waited for by every client, and needs little; tasks take what
 * they get.  So launcher and master go two steps of nice(1) before the value
 * that deferd was started with.  A worker, with all it runs, has that value,
 * and pushes nobody aside when it wakes (sched(7): SCHED_BATCH).  What this is
 * worth stands in bench/README.md.
 *
 * A lower nice value takes CAP_SYS_NICE, or an RLIMIT_NICE; without, there is
 * none.  Where deferd was started with another scheduling policy than the usual
 * one, somebody has decided, and nothing is changed.
 */
#ifndef DAEMON_LAUNCHER_RANK_H
#define DAEMON_LAUNCHER_RANK_H

/* For the launcher, once, while it has all its rights. */
void	rank_rise(void);

/* For a child that becomes a worker; it needs no right. */
void	rank_of_worker(void);

#endif
