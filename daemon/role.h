/*
 * role - what the launcher hands to a master or a worker at exec.
 *
 * A child is exec'ed anew: nothing of the launcher's memory crosses, only
 * these descriptors and options.  Everything else is closed.
 *
 *	deferd-master [-fd] [-a MS]	LAUNCHER CONF LISTEN [CONTROL]
 *	deferd-worker [-fd] -p POOL	MASTER CONF SLATE JOBS
 *
 * -f: log to stderr, else to syslog.  -d: debug.  POOL is the index in
 * conf.pools.  CONTROL is absent (closed) when conf.control_path is NULL.
 * -a: say FRAME_ALIVE every MS milliseconds, from the loop.
 */
#ifndef DAEMON_ROLE_H
#define DAEMON_ROLE_H

#define ROLE_FD_PEER		3	/* SEQPACKET: launcher, or master */
#define ROLE_FD_CONF		4	/* sealed memfd, to be read from 0 */
#define MASTER_FD_LISTEN	5
#define MASTER_FD_CONTROL	6
#define WORKER_FD_SLATE		5
#define WORKER_FD_JOBS		6	/* SEQPACKET: master */

/* In $libexecdir/deferd, or where $DEFERD_LIBEXECDIR says (build trees). */
#define ROLE_MASTER_PROGRAM	"deferd-master"
#define ROLE_WORKER_PROGRAM	"deferd-worker"
#define ROLE_CHECK_PROGRAM	"deferd-check"	/* deferd -n --check-store */

#endif
