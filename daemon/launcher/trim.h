/*
 * trim - gives back what only the start needed.
 *
 * Reading settings and looking up users runs through most of libc once, and
 * the kernel maps sixteen pages around each that is touched: half of what
 * the idle launcher would have in memory for ever.
 */
#ifndef DAEMON_LAUNCHER_TRIM_H
#define DAEMON_LAUNCHER_TRIM_H

/*
 * Unmaps the code and constants of the program and its libraries; what is
 * used again comes back, page by page, from the page cache.
 */
void	trim(void);

#endif
