/*
 * task - what the crash test (tests/crash.sh) lets deferd run: an executable
 * and a module in one file.
 *
 * It keeps the book.  BOOK names a file, to which each run appends a line at
 * its start and one at its end, each in one write to a file opened with
 * O_APPEND: whatever is killed around it, a line is there whole or not at
 * all, and the order of the lines is the order of things.
 *
 * QUERY_STRING is KEY-IN-OUT-MS: the request's body must be IN bytes, the
 * response's will be OUT bytes, it takes MS milliseconds, and both bodies
 * are KEY and a newline again and again.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <deferd.h>

DEFERD_MODULE

#define CHUNK		16384
#define KEY_MAX		32

/* What differs between an executable and a module. */
struct caller {
	const struct deferd_api *api;	/* NULL: an executable */
	struct deferd_task *task;
};

struct order {
	char		 key[KEY_MAX + 2]; /* with its newline */
	size_t		 key_len;
	unsigned long	 in, out;	/* bytes */
	unsigned int	 ms;
};

int	main(void);

static const char *
variable(const struct caller *c, const char *name)
{
	return c->api ? c->api->variable(c->task, name) : getenv(name);
}

static int64_t
read_body(const struct caller *c, void *data, size_t size)
{
	return c->api ? c->api->read(c->task, data, size) :
	    read(STDIN_FILENO, data, size);
}

static int
write_body(const struct caller *c, const char *data, size_t size)
{
	if (c->api)
		return c->api->write(c->task, data, size);
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, data, size);

		if (n == -1)
			return -1;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static int
write_type(const struct caller *c)
{
	static const char head[] = "Content-Type: text/plain\n\n";

	return c->api ? c->api->header(c->task, "Content-Type", "text/plain") :
	    write_body(c, head, sizeof(head) - 1);
}

static int
note(const struct caller *c, const struct order *o, const char *what)
{
	const char *book = variable(c, "BOOK");
	const char *id = variable(c, "DEFERD_TASK_ID");
	char line[128];
	int fd, n;
	ssize_t written;

	if (!book || !id)
		return -1;
	n = snprintf(line, sizeof(line), "%s %s %s", what, id, o->key);
	fd = open(book, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd == -1)
		return -1;
	written = write(fd, line, (size_t)n);
	close(fd);
	return written == n ? 0 : -1;
}

static int
read_order(const struct caller *c, struct order *o)
{
	const char *query = variable(c, "QUERY_STRING");

	if (!query || sscanf(query, "%32[0-9a-z]-%lu-%lu-%u", o->key, &o->in,
	    &o->out, &o->ms) != 4)
		return -1;
	o->key_len = strlen(o->key);
	o->key[o->key_len++] = '\n';
	o->key[o->key_len] = '\0';
	return 0;
}

/* Bytes of a body from offset `at` on. */
static void
fill(const struct order *o, char *data, unsigned long at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		data[i] = o->key[(at + i) % o->key_len];
}

/* Whether the request has come as it was sent. */
static int
check_request(const struct caller *c, const struct order *o)
{
	char is[CHUNK], should_be[CHUNK];
	unsigned long at = 0;
	int64_t n;

	while ((n = read_body(c, is, sizeof(is))) > 0) {
		fill(o, should_be, at, (size_t)n);
		if (memcmp(is, should_be, (size_t)n) != 0)
			return -1;
		at += (unsigned long)n;
	}
	return n == 0 && at == o->in ? 0 : -1;
}

static int
respond(const struct caller *c, const struct order *o)
{
	char data[CHUNK];
	unsigned long at;

	if (write_type(c) == -1)
		return -1;
	for (at = 0; at < o->out; at += sizeof(data)) {
		size_t n = o->out - at < CHUNK ? o->out - at : CHUNK;

		fill(o, data, at, n);
		if (write_body(c, data, n) == -1)
			return -1;
	}
	return 0;
}

static int
run(const struct caller *c)
{
	struct order o;
	struct timespec pause;

	if (read_order(c, &o) == -1 || note(c, &o, "start") == -1)
		return 10;
	if (check_request(c, &o) == -1)
		return 11;
	pause.tv_sec = o.ms / 1000;
	pause.tv_nsec = o.ms % 1000 * 1000000L;
	nanosleep(&pause, NULL);
	if (respond(c, &o) == -1)
		return 12;
	return note(c, &o, "end") == 0 ? 0 : 13;
}

int
deferd_run(const struct deferd_api *api, struct deferd_task *task)
{
	struct caller c = { api, task };

	return run(&c);
}

int
main(void)
{
	struct caller c = { NULL, NULL };

	return run(&c);
}
