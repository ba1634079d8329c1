/*
 * worker_rig - a real worker process, and a test that is its master.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/scgi.h"
#include "ipc/sock.h"
#include "daemon/role.h"
#include "tests/worker_rig.h"

#define PATIENCE_MS	30000	/* a bug, not a slow machine */

const char *
rig_builddir(void)
{
	const char *dir = getenv("top_builddir");

	return dir != NULL ? dir : ".";
}

void
rig_init(struct rig *r, unsigned int threads)
{
	memset(r, 0, sizeof(*r));
	strcpy(r->dir, "/tmp/check_worker.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(r->dir));
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	signal(SIGPIPE, SIG_IGN);
	buf_init(&r->conf, 1 << 20);
	r->threads = threads;
	r->spool = -1;
	r->packet = malloc(FRAME_MAX);
	ck_assert_ptr_nonnull(r->packet);
	ck_assert_int_eq(buf_printf(&r->conf, "threads = %u\n"
	    "exec-path = \"/usr/bin:/bin\"\n", threads), 0);
}

static void
rig_route(struct rig *r, const char *name, const char *settings,
    const char *kind, const char *path)
{
	ck_assert_int_eq(buf_printf(&r->conf, "route \"%s\" {\n"
	    "path = \"/%s/*\"\n%s = \"%s\"\n%s\n}\n", name, name, kind, path,
	    settings), 0);
}

void
rig_exec(struct rig *r, const char *name, const char *settings,
    const char *path)
{
	rig_route(r, name, settings, "exec", path);
}

void
rig_module(struct rig *r, const char *name, const char *settings,
    const char *path)
{
	rig_route(r, name, settings, "module", path);
}

void
rig_script(struct rig *r, const char *name, const char *settings,
    const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	ck_assert_ptr_nonnull(f = fopen(path, "we"));
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, 0755), 0);
	rig_exec(r, name, settings, path);
}

static int
rig_conf_fd(struct rig *r)
{
	int fd = memfd_create("conf", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, buf_data(&r->conf), buf_len(&r->conf)),
	    (ssize_t)buf_len(&r->conf));
	return fd;
}

static void
rig_child(int peer, int conf, int slate, int jobs)
{
	char path[512];
	int fds[4], i;

	snprintf(path, sizeof(path), "%s/deferd-worker", rig_builddir());
	fds[0] = fcntl(peer, F_DUPFD_CLOEXEC, 10);
	fds[1] = fcntl(conf, F_DUPFD_CLOEXEC, 10);
	fds[2] = fcntl(slate, F_DUPFD_CLOEXEC, 10);
	fds[3] = fcntl(jobs, F_DUPFD_CLOEXEC, 10);
	for (i = 0; i < 4; i++)
		dup2(fds[i], ROLE_FD_PEER + i);
	execl(path, "deferd-worker", "-f", "-p", "0", (char *)NULL);
	_exit(126);
}

void
rig_start(struct rig *r)
{
	int pair[2], jobs[2];
	int conf = rig_conf_fd(r), slate = slate_create(r->threads);

	ck_assert_int_ge(slate, 0);
	ck_assert_int_eq(sock_pair(pair), 0);
	ck_assert_int_eq(sock_pair(jobs), 0);
	ck_assert_int_eq(slate_map_reader(&r->slate, slate), 0);
	r->pid = fork();
	ck_assert_int_ge(r->pid, 0);
	if (r->pid == 0)
		rig_child(pair[1], conf, slate, jobs[1]);
	close(pair[1]);
	close(jobs[1]);
	close(conf);
	close(slate);
	r->master = pair[0];
	r->jobs = jobs[0];
	ck_assert(rig_next(r));
	ck_assert_int_eq(r->f.kind, FRAME_HELLO);
	ck_assert_uint_eq(r->f.u.hello.version, FRAME_VERSION);
	ck_assert_uint_eq(r->f.u.hello.pid, (uint32_t)r->pid);
	ck_assert_uint_eq(r->f.u.hello.slots, r->threads);
}

void
rig_send(struct rig *r, const struct frame *f, int fd)
{
	struct buf b;
	struct iovec iov;

	buf_init(&b, FRAME_MAX);
	ck_assert_int_eq(frame_encode(&b, f), 0);
	iov.iov_base = b.data + b.start;
	iov.iov_len = buf_len(&b);
	ck_assert_int_eq(sock_send(f->kind == FRAME_RUN ? r->jobs : r->master,
	    &iov, 1, &fd, fd != -1, 0),
	    (ssize_t)iov.iov_len);
	buf_fini(&b);
}

void
rig_send_garbage(int fd)
{
	struct iovec iov = { (char []){ "garbage" }, 7 };

	ck_assert_int_eq(sock_send(fd, &iov, 1, NULL, 0, 0), 7);
}

void
rig_id(unsigned char id[TASK_ID_BYTES], unsigned int number)
{
	memset(id, 0xab, TASK_ID_BYTES);
	memcpy(id, &number, sizeof(number));
}

static void
head_add(struct buf *b, const char *name, const char *value)
{
	ck_assert_int_eq(buf_add(b, name, strlen(name) + 1), 0);
	ck_assert_int_eq(buf_add(b, value, strlen(value) + 1), 0);
}

static void
head_add_vars(struct buf *b, const char *vars)
{
	char *copy = strdup(vars), *line, *eq, *at = copy;

	while ((line = strsep(&at, "\n")) != NULL) {
		if ((eq = strchr(line, '=')) == NULL)
			continue;
		*eq = '\0';
		head_add(b, line, eq + 1);
	}
	free(copy);
}

static void
rig_head(struct buf *b, const struct ask *ask)
{
	char text[256];

	buf_init(b, SCGI_HEAD_MAX);
	snprintf(text, sizeof(text), "%zu", ask->body_len);
	head_add(b, "CONTENT_LENGTH", text);
	head_add(b, "SCGI", "1");
	head_add(b, "REQUEST_METHOD", ask->method ? ask->method : "GET");
	head_add(b, "SCRIPT_NAME", "/jobs");
	snprintf(text, sizeof(text), "/%s", ask->route);
	head_add(b, "PATH_INFO", ask->path ? ask->path : text);
	if (ask->vars != NULL)
		head_add_vars(b, ask->vars);
}

/* The offset stands at the end, as it does when somebody has written it. */
static int
rig_body_fd(struct rig *r, const struct ask *ask)
{
	int fd = open(r->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, ask->body, ask->body_len),
	    (ssize_t)ask->body_len);
	return fd;
}

unsigned int
rig_ask(struct rig *r, const struct ask *ask)
{
	struct frame f = { .kind = FRAME_RUN };
	struct buf head;
	int fd = -1;

	rig_id(f.u.run.id, ++r->ids);
	rig_head(&head, ask);
	f.u.run.attempt = 1;
	f.u.run.slot = ask->slot;
	ck_assert_uint_lt(r->ids, RIG_IDS);
	r->slots[r->ids] = ask->slot;
	f.u.run.route = (struct frame_bytes){ ask->route, strlen(ask->route) };
	f.u.run.head = (struct frame_bytes){ buf_data(&head), buf_len(&head) };
	f.u.run.body_size = ask->body_len;
	f.u.run.body_in_fd = ask->body_in_fd;
	if (ask->body_in_fd)
		fd = rig_body_fd(r, ask);
	else
		f.u.run.body = (struct frame_bytes){ ask->body, ask->body_len };
	rig_send(r, &f, fd);
	if (fd != -1)
		close(fd);
	buf_fini(&head);
	return r->ids;
}

void
rig_cancel(struct rig *r, unsigned int number)
{
	struct frame f = { .kind = FRAME_CANCEL };

	rig_id(f.u.job.id, number);
	f.u.job.attempt = 1;
	f.u.job.slot = r->slots[number];
	rig_send(r, &f, -1);
}

void
rig_follow(struct rig *r, unsigned int number, unsigned int on)
{
	struct frame f = { .kind = FRAME_FOLLOW };

	rig_id(f.u.job.id, number);
	f.u.job.attempt = 1;
	f.u.job.slot = r->slots[number];
	f.u.job.on = on;
	rig_send(r, &f, -1);
}

bool
rig_next(struct rig *r)
{
	struct pollfd p = { .fd = r->master, .events = POLLIN };
	int fds[SOCK_FDS_MAX], nfds;
	bool truncated;
	ssize_t n;

	ck_assert_msg(poll(&p, 1, PATIENCE_MS) == 1, "no frame came");
	n = sock_recv(r->master, r->packet, FRAME_MAX, 0, fds, &nfds,
	    &truncated);
	if (n <= 0)
		return false;	/* ECONNRESET, too */
	ck_assert(!truncated);
	ck_assert_int_eq(nfds, 0);
	ck_assert_int_eq(frame_decode(&r->f, r->packet, (size_t)n), 0);
	return true;
}

static void
rig_give_spool(struct rig *r)
{
	struct frame f = { .kind = FRAME_SPOOL };
	unsigned int number;

	ck_assert_int_eq(r->spool, -1);	/* it asks once for a task */
	f.u.job = r->f.u.job;
	memcpy(&number, f.u.job.id, sizeof(number));	/* as rig_id() */
	f.u.job.slot = r->slots[number];
	f.u.job.error = r->spool_error;
	if (r->spool_error == 0) {
		r->spool = open(r->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		ck_assert_int_ge(r->spool, 0);
	}
	rig_send(r, &f, r->spool);
}

static void
rig_note_progress(struct rig *r)
{
	size_t len = r->f.u.progress.message.len;

	ck_assert_uint_lt(len, sizeof(r->message));
	memcpy(r->message, r->f.u.progress.message.data, len);
	r->message[len] = '\0';
	r->percent = r->f.u.progress.percent;
	r->progress_frames++;
}

void
rig_done(struct rig *r)
{
	if (r->spool != -1)
		close(r->spool);
	r->spool = -1;
	r->progress_frames = 0;
	for (;;) {
		ck_assert_msg(rig_next(r), "the worker is gone");
		if (r->f.kind == FRAME_DONE)
			return;
		if (r->f.kind == FRAME_NEED_SPOOL) {
			rig_give_spool(r);
			continue;
		}
		ck_assert_int_eq(r->f.kind, FRAME_PROGRESS);
		rig_note_progress(r);
	}
}

void
rig_do(struct rig *r, const struct ask *ask)
{
	unsigned char id[TASK_ID_BYTES];

	rig_id(id, rig_ask(r, ask));
	rig_done(r);
	ck_assert_mem_eq(r->f.u.done.id, id, sizeof(id));
	ck_assert_uint_eq(r->f.u.done.attempt, 1);
}

void
rig_get(struct rig *r, const char *route)
{
	struct ask ask = { .route = route };

	rig_do(r, &ask);
}

void
rig_check_body(struct rig *r, const void *data, size_t len)
{
	unsigned char *copy = malloc(len + 1);

	ck_assert_msg(r->f.u.done.outcome == OUTCOME_SUCCEEDED, "%.*s",
	    (int)r->f.u.done.reason.len, (const char *)r->f.u.done.reason.data);
	ck_assert_uint_eq(r->f.u.done.body_size, len);
	ck_assert_uint_eq(r->f.u.done.body_in_fd, r->spool != -1);
	if (r->spool == -1) {
		ck_assert_int_eq(memcmp(r->f.u.done.body.data, data, len), 0);
	} else {
		ck_assert_int_eq(pread(r->spool, copy, len + 1, 0),
		    (ssize_t)len);
		ck_assert_int_eq(memcmp(copy, data, len), 0);
	}
	free(copy);
}

void
rig_check_failed(struct rig *r, const char *reason)
{
	char text[512];

	ck_assert_uint_lt(r->f.u.done.reason.len, sizeof(text));
	memcpy(text, r->f.u.done.reason.data, r->f.u.done.reason.len);
	text[r->f.u.done.reason.len] = '\0';
	ck_assert_str_eq(text, reason);
	ck_assert_uint_eq(r->f.u.done.outcome, OUTCOME_FAILED);
	ck_assert_uint_eq(r->f.u.done.body_size, 0);
	ck_assert_uint_eq(r->f.u.done.head.len, 0);
}

/* Of a small one; valid until the next frame. */
const char *
rig_body_text(struct rig *r)
{
	static char text[65537];

	ck_assert_msg(r->f.u.done.outcome == OUTCOME_SUCCEEDED, "%.*s",
	    (int)r->f.u.done.reason.len, (const char *)r->f.u.done.reason.data);
	ck_assert_uint_lt(r->f.u.done.body.len, sizeof(text));
	memcpy(text, r->f.u.done.body.data, r->f.u.done.body.len);
	text[r->f.u.done.body.len] = '\0';
	return text;
}

/* Polls: there is nobody to tell us, and the limit is PATIENCE_MS. */
static void
nap(int *left_ms)
{
	ck_assert_int_gt(*left_ms, 0);
	poll(NULL, 0, 5);
	*left_ms -= 5;
}

void
rig_wait_file(struct rig *r, const char *name)
{
	char path[128];
	struct stat st;
	int left = PATIENCE_MS;

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	while (stat(path, &st) == -1 || st.st_size == 0)
		nap(&left);
}

void
rig_write_file(struct rig *r, const char *name)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	ck_assert_ptr_nonnull(f = fopen(path, "we"));
	fputs("1\n", f);
	ck_assert_int_eq(fclose(f), 0);
}

long
rig_read_number(struct rig *r, const char *name)
{
	char path[128];
	long n = 0;
	FILE *f;

	rig_wait_file(r, name);
	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	ck_assert_ptr_nonnull(f = fopen(path, "re"));
	ck_assert_int_eq(fscanf(f, "%ld", &n), 1);
	fclose(f);
	ck_assert_int_gt(n, 1);
	return n;
}

void
rig_check_gone(pid_t pid)
{
	int left = PATIENCE_MS;

	while (waitpid(pid, NULL, WNOHANG) != pid && kill(pid, 0) == 0)
		nap(&left);
}

struct slate_slot *
rig_thread(struct rig *r, unsigned int number)
{
	unsigned char id[TASK_ID_BYTES];

	rig_id(id, number);
	for (unsigned int i = 0; i < r->slate.nslots; i++)
		if (r->slate.slot[i].attempt != 0 &&
		    memcmp(r->slate.slot[i].task, id, sizeof(id)) == 0)
			return &r->slate.slot[i];
	ck_abort_msg("task %u is not on the slate", number);
}

long
rig_rss_kib(struct rig *r)
{
	char path[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)r->pid);
	ck_assert_ptr_nonnull(f = fopen(path, "re"));
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	fclose(f);
	ck_assert_int_gt(kib, 0);
	return kib;
}

int
rig_wait_worker(struct rig *r)
{
	int status = -1, left = PATIENCE_MS;

	while (waitpid(r->pid, &status, WNOHANG) != r->pid)
		nap(&left);
	return status;
}

void
rig_retire(struct rig *r)
{
	ck_assert_int_eq(shutdown(r->jobs, SHUT_WR), 0);
}

void
rig_stop(struct rig *r)
{
	unsigned int i;

	rig_retire(r);
	ck_assert_int_eq(rig_wait_worker(r), 0);
	for (i = 0; i < r->slate.nslots; i++) {
		ck_assert_uint_eq(r->slate.slot[i].attempt, 0);
		ck_assert_int_eq(r->slate.slot[i].pgid, 0);
	}
	rig_fini(r);
}

static int
remove_one(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
	(void)st;
	(void)what;
	(void)ftw;
	return remove(path);
}

void
rig_fini(struct rig *r)
{
	int left = PATIENCE_MS;
	pid_t pid;

	/* The dead of the tasks are ours to bury; nobody else is left over. */
	while ((pid = waitpid(-1, NULL, WNOHANG)) != -1)
		if (pid == 0)
			nap(&left);
	ck_assert_int_eq(errno, ECHILD);
	close(r->master);
	close(r->jobs);
	if (r->spool != -1)
		close(r->spool);
	slate_unmap(&r->slate);
	buf_fini(&r->conf);
	free(r->packet);
	nftw(r->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
