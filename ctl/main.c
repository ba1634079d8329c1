/*
 * deferctl - the operator's command.
 *
 *	main		the table of commands, help
 *	talk		one request and its answer, over SCGI
 *	ask		the same, with what can go wrong said to the person
 *	pages		tasks, however many
 *	doc		what stands where in a JSON document
 *	say		complaints
 *	text		foreign text, made fit for a terminal
 *	options		those that several commands have
 *	table units	columns and numbers for people
 *	screen		the terminal
 *	vars		a header, a path, as CGI variables
 *	list show wait cancel log stats check top submit steer
 *			the commands
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

#define SOCKET		DEFERD_RUNDIR "/control.sock"
#define SOCKET_VARIABLE	"DEFERD_CONTROL"
#define NAME_MAX_BYTES	32
#define JSON_HELP	"  --json             what the daemon said, for programs\n"

static int	help_run(const struct ctl *, int argc, char **argv);

static const struct command commands[] = {
	{ "list", "[options]", "the tasks, newest first",
	    "  -s, --state STATE  queued, running, succeeded, failed, timed-out,\n"
	    "                     cancelled; several with commas\n"
	    "  -r, --route ROUTE  of this route\n"
	    "  -o, --owner USER   of this user\n"
	    "  --older AGE        made at least so long ago: 90, 10m, 2h, 1d\n"
	    "  --newer AGE        made at most so long ago\n"
	    "  -n, --limit N      so many at most (100; with --json, all)\n"
	    JSON_HELP, list_run },
	{ "show", "ID [--json]", "all that is known of a task",
	    JSON_HELP, show_run },
	{ "wait", "ID [-t TIME]", "until a task has ended; says how",
	    "  -t TIME            not longer than this: 90, 10m, 2h\n"
	    "0: it succeeded.  1: it failed, timed out, was cancelled, is not\n"
	    "there, or is not over in time.  A restart of the daemon is waited "
	    "out.\n", wait_run },
	{ "cancel", "ID ...", "tasks that shall not run, or not go on",
	    "0: all are cancelled.  1: one had ended before, or is not there.\n",
	    cancel_run },
	{ "log", "ID [-f]", "what a task has written to stderr",
	    "  -f                 and what it goes on to write, until it ends\n",
	    log_run },
	{ "submit", "PATH [options]", "a request, as if by a web server",
	    "  -X METHOD          GET; POST with -d\n"
	    "  -d DATA            the body; @FILE: from a file, @-: from stdin\n"
	    "  -H 'Name: value'   a header, may be repeated\n"
	    "  -i                 show the head of the answer, too\n"
	    "  -w                 wait for the outcome, and print the response\n"
	    "Prints the id of the task, or the response, if that is the answer.\n"
	    "0: accepted; with -w: it succeeded.  1: refused; it did not.\n",
	    submit_run },
	{ "stats", "[--json]", "what the daemon does, and has done",
	    JSON_HELP, stats_run },
	{ "top", "[-d SECONDS]", "the same, live; q ends it",
	    "  -d SECONDS         between two looks (2)\n", top_run },
	{ "check", "[--json]", "looks over the store, while it is in use",
	    JSON_HELP "0: sound.  1: damaged.\n", check_run },
	{ "ping", "", "whether the daemon answers", "", steer_ping },
	{ "pause", "", "accept tasks, start none", "", steer_pause },
	{ "resume", "", "start tasks again", "", steer_resume },
	{ "reload", "", "read the settings anew",
	    "1: the file is bad, and the old settings stay.\n", steer_reload },
	{ "drain", "", "finish what runs, then exit", "", steer_drain },
	{ "restart", "", "the same, then start anew; no request is lost", "",
	    steer_restart },
	{ "help", "[COMMAND]", "this, or how a command is used", "", help_run },
	{ 0 }
};

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 }
};

/* --- what is said -------------------------------------------------------- */

static void
print_usage(FILE *out, const struct command *c)
{
	fprintf(out, "usage: deferctl [-s SOCKET] %s%s%s\n%s", c->name,
	    *c->args != '\0' ? " " : "", c->args, c->help);
}

int
ctl_usage(const struct ctl *ctl)
{
	print_usage(stderr, ctl->command);
	return EXIT_USAGE;
}

static void
print_help(FILE *out)
{
	fputs("usage: deferctl [-s SOCKET] COMMAND ...\n\n", out);
	for (const struct command *c = commands; c->name != NULL; c++) {
		int used = fprintf(out, "  %s %s", c->name, c->args);

		fprintf(out, "%*s%s\n", used < 26 ? 26 - used : 2, "",
		    c->purpose);
	}
	fprintf(out, "\n  -s SOCKET, or the variable " SOCKET_VARIABLE
	    ":\n      the daemon's control socket (%s)\n"
	    "\nExit codes: 0 done, 1 the answer is no, 2 wrong use, 3 no "
	    "daemon, or it\nanswered nonsense.\n", SOCKET);
}

/* --- the command --------------------------------------------------------- */

static const struct command *
find(const char *name)
{
	for (const struct command *c = commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	ctl_say("there is no command %s; deferctl help lists them", name);
	return NULL;
}

static int
help_run(const struct ctl *ctl, int argc, char **argv)
{
	const struct command *c;

	if (argc > 2)
		return ctl_usage(ctl);
	if (argc < 2) {
		print_help(stdout);
		return EXIT_DONE;
	}
	if ((c = find(argv[1])) == NULL)
		return EXIT_USAGE;
	print_usage(stdout, c);
	return EXIT_DONE;
}

/* getopt() begins anew with the command's own arguments. */
static int
run(struct ctl *ctl, int argc, char **argv)
{
	static char name[NAME_MAX_BYTES];

	if ((ctl->command = find(argv[0])) == NULL)
		return EXIT_USAGE;
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "-h") == 0)) {
		print_usage(stdout, ctl->command);
		return EXIT_DONE;
	}
	snprintf(name, sizeof(name), "deferctl %s", argv[0]);
	argv[0] = name;
	optind = 0;
	return ctl->command->run(ctl, argc, argv);
}

/* What was shown must have arrived, or the exit code would be a lie. */
static int
finish(int code)
{
	if (fflush(stdout) == EOF || ferror(stdout)) {
		ctl_say("stdout: %s", strerror(errno));
		return EXIT_USAGE;
	}
	return code;
}

int
main(int argc, char **argv)
{
	const char *socket = getenv(SOCKET_VARIABLE);
	struct ctl ctl = { .socket = socket != NULL ? socket : SOCKET };
	int c;

	setlocale(LC_CTYPE, "");
	while ((c = getopt_long(argc, argv, "+s:hV", long_options, NULL)) !=
	    -1) {
		switch (c) {
		case 's':
			ctl.socket = optarg;
			break;
		case 'h':
			print_help(stdout);
			return finish(EXIT_DONE);
		case 'V':
			puts("deferctl " PACKAGE_VERSION);
			return finish(EXIT_DONE);
		default:
			print_help(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	return finish(run(&ctl, argc - optind, argv + optind));
}
