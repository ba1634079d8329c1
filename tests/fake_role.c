/*
 * fake_role - a master and a worker that do what check_launcher.c says.
 *
 * The test program itself, exec'ed under a role's name.  What it is and what it hears goes to
 * the file `log` in $FAKE_DIR, one line each.  The master takes its orders
 * from the listening socket that it got from the launcher, one for each
 * connection; the worker finds its in the file `worker`.
 */
#include "tests/fake_role.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/role.h"
#include "ipc/frame.h"
#include "ipc/sock.h"

static const char *dir;
static const char *role;

static void __attribute__((format(printf, 1, 2)))
say(const char *fmt, ...)
{
	char line[1024], path[256];
	struct timespec t;
	va_list ap;
	int fd, n, m;

	clock_gettime(CLOCK_MONOTONIC, &t);
	n = snprintf(line, sizeof(line), "%s %ld %lld ", role, (long)getpid(),
	    (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n += m;
	line[n++] = '\n';
	snprintf(path, sizeof(path), "%s/log", dir);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		err(9, "%s", path);
	close(fd);
}

/* First of all, before anything else is opened. */
static void
say_descriptors(void)
{
	char text[512] = "", link[64], what[256];
	struct stat st;
	size_t used = 0;
	int fd, n;

	for (fd = 0; fd < 1024; fd++) {
		if (fstat(fd, &st) < 0)
			continue;
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = (int)readlink(link, what, sizeof(what) - 1);
		what[n < 0 ? 0 : n] = '\0';
		what[strcspn(what, ":")] = '\0';
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    " %d=%s", fd, what);
	}
	say("fds%s", text);
}

static void
say_identity(void)
{
	char line[256], text[512] = "";
	FILE *f = fopen("/proc/self/status", "r");
	size_t used = 0;
	int death = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Uid:", 4) || !strncmp(line, "Gid:", 4) ||
		    !strncmp(line, "Groups:", 7) ||
		    !strncmp(line, "SigBlk:", 7) ||
		    !strncmp(line, "SigIgn:", 7) ||
		    !strncmp(line, "CapPrm:", 7) ||
		    !strncmp(line, "CapEff:", 7)) {
			line[strcspn(line, "\n")] = '\0';
			used += (size_t)snprintf(text + used,
			    sizeof(text) - used, " %s", line);
		}
	if (f)
		fclose(f);
	for (used = 0; text[used]; used++)
		if (text[used] == '\t')
			text[used] = ' ';
	prctl(PR_GET_PDEATHSIG, &death);
	say("who%s death=%d group=%d", text, death, getpgrp() == getpid());
}

static bool
reads_settings_from_start(void)
{
	char text[4096];
	ssize_t n = read(ROLE_FD_CONF, text, sizeof(text) - 1);

	return n > 0 && write(ROLE_FD_CONF, "x", 1) < 0;
}

/* -- the master -------------------------------------------------------------- */

static void
send_frame(const struct frame *f)
{
	struct buf b;
	struct iovec iov;

	buf_init(&b, FRAME_MAX);
	if (frame_encode(&b, f) < 0)
		errx(9, "frame_encode");
	iov.iov_base = b.data;
	iov.iov_len = buf_len(&b);
	if (sock_send(ROLE_FD_PEER, &iov, 1, NULL, 0, 0) < 0)
		err(9, "send");
	buf_fini(&b);
}

static void
obey(const char *order)
{
	struct frame f = { .kind = FRAME_SPAWN };
	unsigned int a, b, c;

	if (sscanf(order, "spawn %u %u %u", &a, &b, &c) == 3) {
		f.u.spawn.worker = a;
		f.u.spawn.pool = b;
		f.u.spawn.generation = c;
		send_frame(&f);
	} else if (sscanf(order, "kill %u", &a) == 1) {
		f.kind = FRAME_KILL;
		f.u.kill.worker = a;
		send_frame(&f);
	} else if (sscanf(order, "ask %u", &a) == 1) {
		f.kind = FRAME_ASK;
		f.u.ask.what = a;
		send_frame(&f);
	} else if (!strcmp(order, "garbage")) {
		if (write(ROLE_FD_PEER, "garbage", 7) < 0)
			err(9, "garbage");
	}
}

/* An order, then "ok": who asks knows that this master has heard it. */
static void
take_order(void)
{
	char order[64];
	ssize_t n;
	int fd = accept(MASTER_FD_LISTEN, NULL, NULL);

	if (fd < 0)
		return;
	n = read(fd, order, sizeof(order) - 1);
	if (n > 0) {
		order[n] = '\0';
		obey(order);
		if (write(fd, "ok", 2) < 0)
			say("nobody waits");
	}
	close(fd);
}

static void
take_frame(void)
{
	static unsigned char data[FRAME_MAX];
	int fds[SOCK_FDS_MAX], nfds;
	bool truncated;
	struct frame f;
	ssize_t n;

	n = sock_recv(ROLE_FD_PEER, data, sizeof(data), 0, fds, &nfds,
	    &truncated);
	if (n <= 0) {
		say("launcher-gone");
		exit(0);
	}
	if (truncated || frame_decode(&f, data, (size_t)n) < 0 ||
	    frame_fds(&f) != nfds)
		errx(9, "bad frame");
	if (f.kind == FRAME_SPAWNED) {
		say("SPAWNED %u %d", f.u.spawned.worker, f.u.spawned.pid);
		close(fds[1]);		/* the sockets stay open: it lives */
	} else if (f.kind == FRAME_DIED) {
		say("DIED %u status=%d error=%d", f.u.died.worker,
		    f.u.died.status, f.u.died.error);
	} else if (f.kind == FRAME_RELOAD) {
		say("RELOAD %u", f.u.reload.generation);
		close(fds[0]);
	} else if (f.kind == FRAME_TOLD) {
		say("TOLD %u how=%u %.*s.", f.u.told.what, f.u.told.how,
		    (int)f.u.told.text.len,
		    (const char *)f.u.told.text.data);
	} else {
		say("%s heir=%u", frame_name(f.kind), f.u.drain.heir);
		if (f.kind == FRAME_DRAIN && !getenv("FAKE_STUBBORN"))
			exit(0);
	}
}

static void __attribute__((noreturn))
master(void)
{
	struct frame ready = { .kind = FRAME_READY };
	struct pollfd fds[2] = {
		{ .fd = ROLE_FD_PEER, .events = POLLIN },
		{ .fd = MASTER_FD_LISTEN, .events = POLLIN },
	};

	if (getenv("FAKE_FAIL")) {
		fputs("the store is broken\n", stderr);
		exit(3);
	}
	send_frame(&ready);
	say("ready");
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			err(9, "poll");
		if (fds[0].revents)
			take_frame();
		if (fds[1].revents)
			take_order();
	}
}

/* -- the worker -------------------------------------------------------------- */

/* The one word of a file, or "". */
static void
read_word(const char *name, char *word, int size)
{
	char path[256];
	FILE *f;

	word[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		return;
	if (!fgets(word, size, f))
		word[0] = '\0';
	fclose(f);
}

/* A group of two, the leader's number on the slate. */
static void
start_group(struct slate *slate)
{
	static const unsigned char id[TASK_ID_BYTES] = { 1 };
	pid_t leader, inner;
	int up[2];
	char byte;

	if (pipe(up) < 0)
		err(9, "pipe");
	leader = fork();
	if (leader == 0) {
		setpgid(0, 0);
		signal(SIGTERM, SIG_IGN);
		inner = fork();
		if (inner > 0) {
			slate_set(&slate->slot[1], id, 1);
			atomic_store(&slate->slot[1].pgid, (int32_t)getpid());
			say("group %ld %ld", (long)getpid(), (long)inner);
			if (write(up[1], "", 1) < 0)
				err(9, "pipe");
		}
		for (;;)
			pause();
	}
	if (read(up[0], &byte, 1) != 1)
		errx(9, "no group");
}

/* Leaves its group on purpose. */
static void
let_escape(void)
{
	pid_t pid = fork();

	if (pid > 0)
		return;
	setsid();
	say("escaped");
	for (;;)
		pause();
}

/* What a module that went wild could write there. */
static void
scribble(struct slate *slate)
{
	char group[32];

	read_word("group", group, sizeof(group));
	atomic_store(&slate->slot[0].pgid, (int32_t)getpgid(getppid()));
	atomic_store(&slate->slot[1].pgid, 1);
	atomic_store(&slate->slot[2].pgid, -1);
	atomic_store(&slate->slot[3].pgid, atoi(group));
}

static void __attribute__((noreturn))
worker(void)
{
	char order[32];
	struct slate slate;

	read_word("worker", order, sizeof(order));
	if (slate_map_writer(&slate, WORKER_FD_SLATE) < 0)
		err(9, "slate");
	if (!strcmp(order, "group"))
		start_group(&slate);
	if (!strcmp(order, "scribble"))
		scribble(&slate);
	if (!strcmp(order, "escape"))
		let_escape();
	say("worker %s", order);
	if (!strcmp(order, "die"))
		exit(1);
	if (!strcmp(order, "leave"))
		exit(0);
	for (;;)
		pause();
}

void
fake_role(char **argv)
{
	bool is_master = strstr(argv[0], ROLE_MASTER_PROGRAM) != NULL;
	int i;

	dir = getenv("FAKE_DIR");
	if (!dir)
		errx(9, "run by check_launcher only");
	role = is_master ? "master" : "worker";
	say_descriptors();
	say_identity();
	for (i = 1; argv[i]; i++)
		say("arg %s", argv[i]);
	say("settings %s", reads_settings_from_start() ? "sealed" : "bad");
	if (is_master)
		master();
	worker();
}
