/*
 * daemonize - into the background, and what the one who called hears of it.
 *
 * The parent waits until the master serves, and only then returns 0; when
 * the daemon ends before that, the reason stands on stderr and the parent
 * returns 1.  Until that moment the daemon keeps its stderr.  What its
 * children write to theirs goes to a memfd, which is shown and then sealed:
 * so no child holds the caller's terminal or pipe for ever, and a late word
 * of theirs fails with EPERM, without a signal and without blocking.
 */
#ifndef DAEMON_LAUNCHER_DAEMONIZE_H
#define DAEMON_LAUNCHER_DAEMONIZE_H

struct daemonize {
	int		 parent;	/* pipe to the one who waits, or -1 */
	int		 words;		/* memfd: stderr of the children, or -1 */
};

/* Both -1: stays in front. */
void	daemonize_init(struct daemonize *);

/*
 * Returns in the daemon only.  One fork is enough: the daemon leads its
 * session, and never opens a terminal that could become the session's.
 */
void	daemonize_start(struct daemonize *);

/* The stdout and stderr of a child that is started now: borrowed. */
int	daemonize_stderr(const struct daemonize *);

/* The master serves: lets the parent go and leaves the terminal. */
void	daemonize_ready(struct daemonize *);

/* It will not serve: shows what the children said about it. */
void	daemonize_failed(struct daemonize *);

#endif
