/*
 * jail - what the master may still ask of the kernel.
 *
 * The master reads what strangers send.  Whoever takes it over by that has
 * the tasks, which are the master's to keep, but shall not get further: no
 * program, no trace of another process, no way into a network, no new right.
 *
 * Three walls, each of use without the others.  The launcher has emptied the
 * set of capabilities that an exec could give, and set no_new_privs; that
 * holds from the first instruction.  jail_close_memory() keeps /proc/PID/mem
 * and ptrace(2) from tasks where they run as the master's user.  jail_enter()
 * is a list of the system calls that remain (libseccomp), for all threads.
 *
 * What is not on the list fails with ENOSYS, as on a kernel without it: a C
 * library of tomorrow that tries a newer call takes the older one.  A call
 * that was forgotten costs one request, not the daemon, and the kernel's log
 * has it (type=1326, with the number of the call).
 */
#ifndef DAEMON_MASTER_JAIL_H
#define DAEMON_MASTER_JAIL_H

/* First thing of all. */
void	jail_close_memory(void);

/*
 * After the start, before the first request.  Logged is what came of it: a
 * kernel or a build without seccomp runs without this wall.
 */
void	jail_enter(void);

#endif
