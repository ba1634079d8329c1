#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/scgi.h"
#include "ipc/sock.h"
#include "daemon/log.h"
#include "tests/conn_rig.h"
#include "tests/fds.h"

struct rig rig;

/* --- the master -------------------------------------------------------------- */

static struct conf *
read_conf(const char *settings)
{
	char text[4096], error[CONF_ERROR_MAX] = "";
	struct conf *conf;
	FILE *file;
	int n;

	n = snprintf(text, sizeof(text),
	    "socket = \"%s\"\ncontrol = \"%s\"\nspool = \"%s/spool\"\n"
	    "store = \"memory\"\nworkers = 1\nthreads = 1\n%s\n"
	    "route \"/get\" { exec = \"/bin/true\" methods = { \"GET\" } }\n"
	    "route \"/job/*\" { exec = \"/bin/true\" }\n",
	    rig.data_path, rig.control_path, rig.dir, settings);
	ck_assert(n > 0 && (size_t)n < sizeof(text));
	file = fmemopen(text, (size_t)n, "r");
	conf = conf_read(file, "rig", error);
	ck_assert_msg(conf != NULL, "%s", error);
	(void)fclose(file);
	return conf;
}

static void
open_sched(void)
{
	static const struct sched_events none;
	int fds[2];

	ck_assert_int_eq(sock_pair(fds), 0);
	rig.launcher = fds[1];
	rig.sched = sched_new(rig.base, rig.store, rig.conf, fds[0], &none);
	ck_assert_ptr_nonnull(rig.sched);
}

static void
open_server(void)
{
	int data = sock_listen(rig.data_path, 0666, (gid_t)-1);
	int control = sock_listen(rig.control_path, 0666, (gid_t)-1);

	ck_assert_int_ge(data, 0);
	ck_assert_int_ge(control, 0);
	rig.env = (struct conn_env){
		.base = rig.base, .conf = rig.conf, .sched = rig.sched,
		.store = rig.store, .io = rig.io,
	};
	rig.server = server_new(&rig.env, data, control);
	ck_assert_ptr_nonnull(rig.server);
}

void
rig_open(const char *settings)
{
	char error[CONF_ERROR_MAX];

	log_init("check", false, LOG_L_ERROR);
	(void)signal(SIGPIPE, SIG_IGN);
	rig.open_before = open_fds();
	(void)snprintf(rig.dir, sizeof(rig.dir), "/tmp/check_conn.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(rig.dir));
	ck_assert_int_eq(chmod(rig.dir, 0755), 0);
	(void)snprintf(rig.data_path, sizeof(rig.data_path), "%s/data",
	    rig.dir);
	(void)snprintf(rig.control_path, sizeof(rig.control_path),
	    "%s/control", rig.dir);
	rig.conf = read_conf(settings);
	rig.base = event_base_new();
	rig.io = work_pool_new(rig.base, "check-io", 2);
	rig.store = store_open(rig.base, rig.conf, error);
	ck_assert_msg(rig.store != NULL, "%s", error);
	open_sched();
	open_server();
	rig_idle();
	rig.open_idle = open_fds();
}

void
rig_reload(const char *settings)
{
	struct conf *conf = read_conf(settings);

	conf->generation = rig.conf->generation + 1;
	ck_assert_int_eq(sched_set_conf(rig.sched, conf), 0);
	rig.env.conf = conf;
	server_set_conf(rig.server);
	conf_free(rig.conf);
	rig.conf = conf;
}

static void
remove_files(void)
{
	char spool[sizeof(rig.dir) + 8];

	(void)snprintf(spool, sizeof(spool), "%s/spool", rig.dir);
	(void)unlink(rig.data_path);
	(void)unlink(rig.control_path);
	ck_assert_int_eq(rmdir(spool), 0);
	ck_assert_int_eq(rmdir(rig.dir), 0);
}

void
rig_close(void)
{
	store_close(rig.store);
	work_pool_free(rig.io);
	server_free(rig.server);
	sched_free(rig.sched);
	close(rig.launcher);
	event_base_free(rig.base);
	conf_free(rig.conf);
	ck_assert_int_eq(open_fds(), rig.open_before);
	remove_files();
}

void
rig_idle(void)
{
	(void)event_base_loop(rig.base, EVLOOP_NONBLOCK);
}

void
rig_wait_closed(void)
{
	rig_idle();
	while (server_count(rig.server) > 0)
		ck_assert_int_eq(event_base_loop(rig.base, EVLOOP_ONCE), 0);
}

void
rig_assert_clean(void)
{
	struct store_stats stats;

	rig_idle();
	ck_assert(work_pool_settle(rig.io));	/* files are closed beside the loop */
	ck_assert_uint_eq(server_count(rig.server), 0);
	store_stats(rig.store, &stats);
	ck_assert_uint_eq(stats.reserved_bytes, 0);
	ck_assert_int_eq(open_fds(), rig.open_idle);
}

size_t
rig_tasks(void)
{
	struct store_stats stats;

	store_stats(rig.store, &stats);
	return (size_t)stats.tasks;
}

/* --- clients --------------------------------------------------------------- */

static void
client_init(struct client *c)
{
	memset(c, 0, sizeof(*c));
	c->fd = c->in = c->out = -1;
}

void
client_connect(struct client *c, const char *path)
{
	client_init(c);
	c->fd = sock_connect(path);
	ck_assert_int_ge(c->fd, 0);
	ck_assert_int_eq(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
}

void
client_open_door(struct client *c, enum door door, int fds[2])
{
	int a[2], b[2];

	if (door == DOOR_SOCKET) {
		ck_assert_int_eq(socketpair(AF_UNIX,
		    SOCK_STREAM | SOCK_CLOEXEC, 0, a), 0);
		c->in = a[0];
		c->out = fcntl(a[0], F_DUPFD_CLOEXEC, 0);
		fds[0] = a[1];
		fds[1] = fcntl(a[1], F_DUPFD_CLOEXEC, 0);
	} else {
		ck_assert_int_eq(pipe2(a, O_CLOEXEC), 0);
		ck_assert_int_eq(pipe2(b, O_CLOEXEC), 0);
		fds[0] = a[0];
		c->in = a[1];
		c->out = b[0];
		fds[1] = b[1];
	}
	ck_assert_int_eq(fcntl(c->in, F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(fcntl(c->out, F_SETFL, O_NONBLOCK), 0);
}

bool
client_send(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n == -1 && errno == EAGAIN) {
			(void)event_base_loop(rig.base,
			    EVLOOP_ONCE | EVLOOP_NONBLOCK);
			continue;
		}
		if (n == -1)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

void
client_send_door(struct client *c, const struct buf *head, const int fds[2])
{
	struct iovec iov = {
		.iov_base = (void *)buf_data(head), .iov_len = buf_len(head),
	};

	ck_assert_int_eq(sock_send(c->fd, &iov, 1, fds, 2, 0),
	    (ssize_t)buf_len(head));
	close(fds[0]);
	close(fds[1]);
}

bool
client_ended(struct client *c)
{
	int fd = c->out != -1 ? c->out : c->fd;

	while (!c->ended) {
		ssize_t n = read(fd, c->answer + c->len, ANSWER_MAX - c->len);

		if (n == -1 && errno == EAGAIN)
			return false;
		c->error = n == -1 ? errno : 0;
		c->ended = n <= 0;
		if (n > 0)
			c->len += (size_t)n;
	}
	return true;
}

int
client_status(const struct client *c)
{
	int status;

	return sscanf(c->answer, "Status: %d ", &status) == 1 ? status : 0;
}

int
client_wait(struct client *c)
{
	while (!client_ended(c))
		ck_assert_int_eq(event_base_loop(rig.base, EVLOOP_ONCE), 0);
	return client_status(c);
}

const char *
client_header(const struct client *c, const char *name)
{
	static char value[512];
	size_t len = strlen(name);
	const char *line = c->answer;

	while ((line = strstr(line, "\r\n")) != NULL && line[2] != '\r') {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			(void)snprintf(value, sizeof(value), "%.*s",
			    (int)strcspn(line + len + 2, "\r"),
			    line + len + 2);
			return value;
		}
	}
	return NULL;
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

void
client_close(struct client *c)
{
	close_fd(&c->fd);
	close_fd(&c->in);
	close_fd(&c->out);
}

void
head_make(struct buf *b, long length, const char *method, const char *path,
    ...)
{
	const char *name;
	char text[32];
	va_list ap;

	buf_init(b, SCGI_HEAD_MAX + 4096);
	(void)snprintf(text, sizeof(text), "%ld", length);
	ck_assert_int_eq(scgi_begin(b), 0);
	if (length >= 0)
		ck_assert_int_eq(scgi_add(b, "CONTENT_LENGTH", text), 0);
	ck_assert_int_eq(scgi_add(b, "SCGI", "1"), 0);
	ck_assert_int_eq(scgi_add(b, "REQUEST_METHOD", method), 0);
	ck_assert_int_eq(scgi_add(b, "SCRIPT_NAME", "/jobs"), 0);
	ck_assert_int_eq(scgi_add(b, "PATH_INFO", path), 0);
	va_start(ap, path);
	while ((name = va_arg(ap, const char *)) != NULL)
		ck_assert_int_eq(scgi_add(b, name, va_arg(ap, const char *)),
		    0);
	va_end(ap);
	ck_assert_int_eq(scgi_finish(b), 0);
}

int
client_ask(struct client *c, const char *method, const char *path,
    const void *body, size_t len)
{
	struct buf b;
	int status;

	client_connect(c, rig.data_path);
	head_make(&b, (long)len, method, path, NULL);
	if (len > 0 && len <= 1024)
		ck_assert_int_eq(buf_add(&b, body, len), 0);
	(void)client_send(c->fd, buf_data(&b), buf_len(&b));
	if (len > 1024)
		(void)client_send(c->fd, body, len);
	buf_fini(&b);
	status = client_wait(c);
	close_fd(&c->fd);
	return status;
}
