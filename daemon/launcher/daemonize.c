/*
 * daemonize - into the background.
 */
#include "daemon/launcher/daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/log.h"

/* Puts /dev/null in the place of `fd`. */
static void
silence(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, fd) < 0)
		log_fatal("fatal path=/dev/null error=%m");
	close(null);
}

/* The parent: one byte is "it serves", the end of the pipe is "it does not". */
static void __attribute__((noreturn))
wait_until_ready(int daemon, pid_t pid)
{
	char ready;
	ssize_t n;

	do
		n = read(daemon, &ready, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	_exit(1);
}

void
daemonize_init(struct daemonize *d)
{
	d->parent = d->words = -1;
}

void
daemonize_start(struct daemonize *d)
{
	int ready[2];
	pid_t pid;

	d->words = memfd_create("words", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (d->words < 0 || pipe2(ready, O_CLOEXEC) < 0)
		log_fatal("fatal error=%m");
	pid = fork();
	if (pid < 0)
		log_fatal("fatal error=%m");
	if (pid > 0) {
		close(ready[1]);
		wait_until_ready(ready[0], pid);
	}
	close(ready[0]);
	d->parent = ready[1];
	setsid();
	if (chdir("/") < 0)
		log_fatal("fatal path=/ error=%m");
	silence(STDIN_FILENO);
}

int
daemonize_stderr(const struct daemonize *d)
{
	return d->words >= 0 ? d->words : STDERR_FILENO;
}

/* Copies the words of the children to stderr and lets nobody add to them. */
static void
show(struct daemonize *d)
{
	char text[512];
	off_t at = 0;
	ssize_t n;

	if (d->words < 0)
		return;
	if (fcntl(d->words, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW) < 0)
		log_warn("seal-failed error=%m");
	while ((n = pread(d->words, text, sizeof(text), at)) > 0 &&
	    write(STDERR_FILENO, text, (size_t)n) == n)
		at += n;
	close(d->words);
	d->words = -1;
}

void
daemonize_ready(struct daemonize *d)
{
	if (d->parent < 0)
		return;
	show(d);
	silence(STDOUT_FILENO);
	silence(STDERR_FILENO);
	if (write(d->parent, "", 1) < 0)
		log_info("parent-gone");
	close(d->parent);
	d->parent = -1;
}

void
daemonize_failed(struct daemonize *d)
{
	show(d);
}
