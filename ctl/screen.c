/*
 * screen - the terminal.
 *
 * What it understands is ECMA-48 with xterm's alternate screen, as every
 * terminal of today does; a TERM of "dumb" says that it does not.
 *
 * The signals are blocked and read from a descriptor, so nothing is done in a
 * handler, and the terminal cannot be left half changed.  A signal that ends
 * the program is raised again with its default action once the terminal is
 * given back: the shell sees the right status.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/screen.h"
#include "ctl/text.h"
#include "ipc/nitems.h"

#define USUAL_WIDTH	80
#define USUAL_HEIGHT	24
#define CLEAR_AND_HIDE	"\033[?1049h\033[?25l\033[H\033[2J"
#define SHOW_AND_BACK	"\033[?25h\033[?1049l"

static const int signals[] = {
	SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH
};

static struct {
	struct termios	 before;	/* as the terminal was */
	sigset_t	 mask_before;
	int		 signal_fd, events_fd;
	bool		 entered;	/* it is ours now */
} screen = { .signal_fd = -1, .events_fd = -1 };

static struct winsize
size(void)
{
	struct winsize w = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == -1 || w.ws_col == 0 ||
	    w.ws_row == 0)
		w = (struct winsize){ .ws_col = USUAL_WIDTH,
		    .ws_row = USUAL_HEIGHT };
	return w;
}

size_t
screen_width(void)
{
	return isatty(STDOUT_FILENO) == 1 ? size().ws_col : 0;
}

size_t
screen_height(void)
{
	return size().ws_row;
}

/* Nothing can be done about a terminal that takes nothing any more. */
static void
say(const char *text, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(STDOUT_FILENO, text, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void
take(void)
{
	struct termios t = screen.before;

	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
	say(CLEAR_AND_HIDE, strlen(CLEAR_AND_HIDE));
	screen.entered = true;
}

static void
give_back(void)
{
	if (!screen.entered)
		return;
	screen.entered = false;
	say(SHOW_AND_BACK, strlen(SHOW_AND_BACK));
	tcsetattr(STDIN_FILENO, TCSADRAIN, &screen.before);
}

static void
watch(int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(screen.events_fd, EPOLL_CTL_ADD, fd, &e) == -1)
		ctl_die("epoll: %s", strerror(errno));
}

/* By who started us: nohup(1) means it. */
static bool
is_ignored(int signo)
{
	struct sigaction action;

	return sigaction(signo, NULL, &action) == 0 &&
	    action.sa_handler == SIG_IGN;
}

static void
open_events(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < nitems(signals); i++)
		if (!is_ignored(signals[i]))
			sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, &screen.mask_before);
	screen.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	screen.events_fd = epoll_create1(EPOLL_CLOEXEC);
	if (screen.signal_fd == -1 || screen.events_fd == -1)
		ctl_die("signals: %s", strerror(errno));
	watch(screen.signal_fd);
	watch(STDIN_FILENO);
}

bool
screen_enter(void)
{
	const char *term = getenv("TERM");

	if (isatty(STDOUT_FILENO) != 1 || term == NULL ||
	    strcmp(term, "dumb") == 0 ||
	    tcgetattr(STDIN_FILENO, &screen.before) == -1)
		return false;
	open_events();
	atexit(screen_leave);
	take();
	return true;
}

void
screen_leave(void)
{
	give_back();
	if (screen.events_fd == -1)
		return;
	close(screen.events_fd);
	close(screen.signal_fd);
	screen.events_fd = screen.signal_fd = -1;
	sigprocmask(SIG_SETMASK, &screen.mask_before, NULL);
}

int
screen_events(void)
{
	return screen.events_fd;
}

/* With its default action; returns if that was to stop, and is over. */
static void
raise_again(int signo)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	signal(signo, SIG_DFL);
	raise(signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static enum screen_event
on_signal(void)
{
	struct signalfd_siginfo info;

	if (read(screen.signal_fd, &info, sizeof(info)) != sizeof(info))
		return SCREEN_TIME;
	switch (info.ssi_signo) {
	case SIGWINCH:
		return SCREEN_DRAW;
	case SIGCONT:
		take();
		return SCREEN_DRAW;
	case SIGTSTP:
		give_back();
		raise_again(SIGTSTP);
		take();
		return SCREEN_DRAW;
	default:
		give_back();
		raise_again((int)info.ssi_signo);
		return SCREEN_QUIT;
	}
}

static enum screen_event
on_key(void)
{
	char key;
	ssize_t n = read(STDIN_FILENO, &key, 1);

	if (n == 0 || (n == -1 && errno != EINTR && errno != EAGAIN))
		return SCREEN_QUIT;
	return n == 1 && (key == 'q' || key == 'Q') ? SCREEN_QUIT :
	    SCREEN_DRAW;
}

enum screen_event
screen_wait(int timeout_ms)
{
	struct epoll_event e;
	int n = epoll_wait(screen.events_fd, &e, 1, timeout_ms);

	if (n <= 0)
		return SCREEN_TIME;
	return e.data.fd == screen.signal_fd ? on_signal() : on_key();
}

/* One line in its own width, and nothing of what was there before. */
static void
draw_line(FILE *out, const char *line, size_t width, bool inverse)
{
	size_t used;

	fputs(inverse ? "\033[7m" : "", out);
	used = text_put_cut(out, line, width);
	if (inverse)
		fprintf(out, "%*s\033[m", (int)(width - used), "");
	else if (used < width)
		fputs("\033[K", out);
}

void
screen_draw(const char *text)
{
	struct winsize w = size();
	char *lines = strdup(text), *line, *rest = lines, *drawn = NULL;
	size_t len, n = 0;
	FILE *out = open_memstream(&drawn, &len);

	if (lines == NULL || out == NULL)
		ctl_no_memory();
	fputs("\033[H", out);
	while (n < w.ws_row && (line = strsep(&rest, "\n")) != NULL) {
		fputs(n > 0 ? "\r\n" : "", out);
		draw_line(out, line, w.ws_col, n++ == 0);
	}
	fputs("\033[J", out);
	if (fclose(out) == EOF)
		ctl_no_memory();
	say(drawn, len);
	free(drawn);
	free(lines);
}
