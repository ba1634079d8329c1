#include "config.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "daemon/kin.h"

#define DEPTH_MAX	32	/* nobody stands so far below */

/* proc(5), /proc/PID/stat: what comes behind the name, which ends in ')'. */
struct stat_line {
	char	 state;
	int	 parent, group, session;
};

static int
read_stat(pid_t pid, struct stat_line *l)
{
	char path[32], line[512], *end;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if ((f = fopen(path, "re")) == NULL)
		return -1;
	n = fread(line, 1, sizeof(line) - 1, f);
	(void)fclose(f);
	line[n] = '\0';
	end = strrchr(line, ')');
	return end != NULL && sscanf(end + 1, " %c %d %d %d", &l->state,
	    &l->parent, &l->group, &l->session) == 4 ? 0 : -1;
}

/*
 * The number of a child is looked at again when there is a descriptor: if it
 * is still that child's then, the descriptor is that child's for ever.
 */
static void
add(struct kin *k, pid_t pid, pid_t parent)
{
	int fd = pidfd_open(pid, 0);
	struct stat_line l;

	if (fd == -1)
		return;
	if (read_stat(pid, &l) == 0 && l.parent == parent)
		k->fd[k->n++] = fd;
	else
		close(fd);
}

static void
add_of_session(struct kin *k, pid_t pid, pid_t session)
{
	int fd = pidfd_open(pid, 0);
	struct stat_line l;

	if (fd == -1)
		return;
	if (read_stat(pid, &l) == 0 && l.session == session && l.state != 'Z')
		k->fd[k->n++] = fd;
	else
		close(fd);
}

static void	find_below(struct kin *, pid_t leader, pid_t parent, int depth);

/* The children that one thread has started. */
static void
find_of_thread(struct kin *k, pid_t leader, pid_t parent, const char *tid,
    int depth)
{
	char path[64];
	FILE *f;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children",
	    (int)parent, tid);
	if ((f = fopen(path, "re")) == NULL)
		return;
	while (k->n < KIN_MAX && fscanf(f, "%d", &pid) == 1) {
		find_below(k, leader, pid, depth + 1);
		if (k->n < KIN_MAX && getpgid(pid) != leader)
			add(k, pid, parent);
	}
	(void)fclose(f);
}

static void
find_below(struct kin *k, pid_t leader, pid_t parent, int depth)
{
	struct dirent *e;
	char path[32];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)parent);
	if (depth > DEPTH_MAX || (dir = opendir(path)) == NULL)
		return;
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			find_of_thread(k, leader, parent, e->d_name, depth);
	(void)closedir(dir);
}

void
kin_find(struct kin *k, pid_t leader)
{
	k->n = 0;
	find_below(k, leader, leader, 0);
}

void
kin_find_session(struct kin *k, pid_t session)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;

	k->n = 0;
	if (dir == NULL)
		return;
	while (k->n < KIN_MAX && (e = readdir(dir)) != NULL) {
		pid_t pid = atoi(e->d_name);
		struct stat_line l;

		if (pid > 1 && read_stat(pid, &l) == 0 &&
		    l.session == session && l.state != 'Z')
			add_of_session(k, pid, session);
	}
	(void)closedir(dir);
}

void
kin_kill(const struct kin *k, int signo)
{
	for (int i = 0; i < k->n; i++)
		(void)pidfd_send_signal(k->fd[i], signo, NULL, 0);
}

void
kin_close(struct kin *k)
{
	while (k->n > 0)
		close(k->fd[--k->n]);
}

/* proc(5), /proc/PID/status.  0: nobody. */
static pid_t
tracer_of(pid_t pid)
{
	char path[32], line[128];
	int tracer = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if ((f = fopen(path, "re")) == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL &&
	    sscanf(line, "TracerPid: %d", &tracer) != 1)
		;
	(void)fclose(f);
	return tracer;
}

/* As in add(): the number is looked at again. */
void
kin_kill_tracer(pid_t traced)
{
	pid_t tracer = tracer_of(traced);
	int fd = tracer > 0 ? pidfd_open(tracer, 0) : -1;

	if (fd == -1)
		return;
	if (tracer_of(traced) == tracer)
		(void)pidfd_send_signal(fd, SIGKILL, NULL, 0);
	close(fd);
}
