/*
 * rank - who goes first on a processor: who answers, or who runs tasks.
 *
 * The master is waited for by every client, and needs little; tasks take what
 * they get.  So deferd goes before what it was started beside by two steps
 * of nice(1), which the master inherits, and a worker, with all it runs, gets
 * the nice value that deferd was started with, and pushes nobody aside when
 * it wakes (sched(7): SCHED_BATCH).  What that is worth stands in
 * bench/README.md.
 *
 * Who chose another policy for deferd than the usual one has decided; nothing
 * is changed then.  Only root may go before others.
 */
#ifndef DAEMON_LAUNCHER_RANK_H
#define DAEMON_LAUNCHER_RANK_H

/* For the launcher, once, while it has all rights. */
void	rank_rise(void);

/* For a child that becomes a worker; it needs no right. */
void	rank_of_worker(void);

#endif
