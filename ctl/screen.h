/*
 * screen - the terminal: how wide it is, and all of it for a live report.
 *
 * Between screen_enter() and screen_leave() the report has the alternate
 * screen, no key is echoed, and signals are events.  Whatever ends the
 * program, the terminal is given back as it was: leaving is also what exit()
 * does, and what a signal that ends or stops the program does first.
 */
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

/* Columns of stdout; 0 if it is no terminal. */
size_t	screen_width(void);

/* False, and nothing is changed, if stdin or stdout is no terminal. */
bool	screen_enter(void);
void	screen_leave(void);

/*
 * A descriptor that is readable when something has happened.  screen_wait()
 * takes it up.
 */
int	screen_events(void);

enum screen_event {
	SCREEN_TIME,		/* the time is up */
	SCREEN_DRAW,		/* size or content of the screen are new */
	SCREEN_QUIT		/* q was pressed, or nobody can press it any more */
};

/* Waits up to so many ms, and takes up what has happened. */
enum screen_event
	screen_wait(int timeout_ms);

/* Lines that fit, now. */
size_t	screen_height(void);

/* Shows these lines, cut to the screen; the first one inverse. */
void	screen_draw(const char *text);

#endif
