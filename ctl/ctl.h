/*
 * ctl - what all commands of deferctl share.
 *
 * deferctl is a client like any other: it sends SCGI requests to the paths
 * that clients use, and to those that only the operator has, on the control
 * socket.  There is no second protocol.  A command is one function in a file
 * of its own; it asks, shows, and returns the exit code.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

/* For scripts: the same four in every command. */
enum exit_code {
	EXIT_DONE,
	EXIT_NO,		/* the answer is no: deferctl(8) has a table */
	EXIT_USAGE,		/* wrong use, or something of the caller's failed */
	EXIT_AWAY		/* no daemon, or it answered nonsense */
};

struct command;

struct ctl {
	const char	*socket;	/* the control socket */
	const struct command *command;	/* the one that runs */
};

struct command {
	const char	*name;
	const char	*args;		/* what follows the name */
	const char	*purpose;	/* a few words for the list of commands */
	const char	*help;		/* the rest of its usage; lines */
	/* argv[0] is "deferctl NAME"; getopt() is as new.  Gives the code. */
	int		 (*run)(const struct ctl *, int argc, char **argv);
};

/* How the running command is used, on stderr.  EXIT_USAGE. */
int	ctl_usage(const struct ctl *);

/* "deferctl: " and the message, made fit for a terminal, on stderr. */
void	ctl_say(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* Says why, and ends the program with EXIT_USAGE. */
void	ctl_die(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
void	ctl_no_memory(void)
	__attribute__((noreturn));

/* The commands. */
int	list_run(const struct ctl *, int argc, char **argv);
int	show_run(const struct ctl *, int argc, char **argv);
int	wait_run(const struct ctl *, int argc, char **argv);
int	cancel_run(const struct ctl *, int argc, char **argv);
int	log_run(const struct ctl *, int argc, char **argv);
int	stats_run(const struct ctl *, int argc, char **argv);
int	check_run(const struct ctl *, int argc, char **argv);
int	top_run(const struct ctl *, int argc, char **argv);
int	submit_run(const struct ctl *, int argc, char **argv);
int	steer_pause(const struct ctl *, int argc, char **argv);
int	steer_resume(const struct ctl *, int argc, char **argv);
int	steer_drain(const struct ctl *, int argc, char **argv);
int	steer_restart(const struct ctl *, int argc, char **argv);
int	steer_reload(const struct ctl *, int argc, char **argv);
int	steer_ping(const struct ctl *, int argc, char **argv);

#endif
