/*
 * privilege - what of root the launcher keeps (capabilities(7)).
 *
 * It changes users, kills, and empties the master's bounding set.  The right
 * to pass any directory it has only while it does what needs it: reads the
 * settings again, and removes its files at the end.
 *
 * The bounding set stays: workers inherit it, and what their tasks may gain
 * by a setuid program (sendmail, sudo) is not the launcher's to say.
 *
 * When root has not started it, there is nothing to drop; but then tasks run
 * as its user, and so nobody may trace it (PR_SET_DUMPABLE) in either case.
 */
#ifndef DAEMON_LAUNCHER_PRIVILEGE_H
#define DAEMON_LAUNCHER_PRIVILEGE_H

/* When the sockets are open: drops the rest for ever. */
void	privilege_drop(void);

/* Around what touches files; errno stays. */
void	privilege_raise(void);
void	privilege_lower(void);

#endif
