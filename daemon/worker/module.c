/*
 * module - runs tasks as calls of one shared object.
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/worker/module.h"
#include "ipc/nitems.h"

#define CRASH_STACK_BYTES	16384

/* What a module knows as its task. */
struct deferd_task {
	struct job	*job;
	uint64_t	 body_at;	/* next byte to read */
	int		 status;	/* 0: not set */
	struct buf	 headers;	/* as a CGI program would print them */
	bool		 has_location;
	bool		 has_begun;	/* the head went into the response */
};

static _Thread_local struct slate_slot *crash_slot;
static _Thread_local void *crash_stack;

/* Only what signal-safety(7) has.  SA_RESETHAND has restored the default. */
static void
module_crashed(int signo)
{
	if (crash_slot != NULL)
		atomic_store(&crash_slot->signo, signo);
	raise(signo);
}

/* A module that calls exit() takes its neighbours along, too: it is noted. */
static void
module_exited(void)
{
	if (crash_slot != NULL)
		atomic_store(&crash_slot->signo, SLATE_EXIT);
}

void
module_catch_crashes(void)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
	    SIGABRT };
	struct sigaction sa = { .sa_handler = module_crashed };
	size_t i;

	if (atexit(module_exited) != 0)
		log_warn("watch-failed error=%s", "atexit() has no room");
	/* SA_NODEFER: the signal raised again has to get through. */
	sa.sa_flags = SA_ONSTACK | SA_RESETHAND | SA_NODEFER;
	for (i = 0; i < nitems(crashes); i++)
		sigaction(crashes[i], &sa, NULL);
}

int
module_watch_thread(struct slate_slot *slot)
{
	stack_t stack = { .ss_size = CRASH_STACK_BYTES };

	stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp == MAP_FAILED)
		return -1;
	crash_slot = slot;
	crash_stack = stack.ss_sp;
	return sigaltstack(&stack, NULL);
}

void
module_unwatch_thread(void)
{
	stack_t off = { .ss_flags = SS_DISABLE };

	sigaltstack(&off, NULL);
	munmap(crash_stack, CRASH_STACK_BYTES);
	crash_slot = NULL;
}

void
module_open(struct module *m, const char *path)
{
	const uint32_t *abi;

	m->run = NULL;
	m->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (m->handle == NULL) {
		log_error("module-failed path=%s error=%s", path, dlerror());
		return;
	}
	abi = dlsym(m->handle, "deferd_abi");
	*(void **)&m->run = dlsym(m->handle, "deferd_run");
	if (abi != NULL && *abi == DEFERD_ABI && m->run != NULL)
		return;
	if (abi == NULL || m->run == NULL)
		log_error("module-failed path=%s error=%s", path,
		    "no deferd_abi or no deferd_run in it");
	else
		log_error("module-failed path=%s abi=%u wanted=%d", path,
		    (unsigned int)*abi, DEFERD_ABI);
	module_close(m);
}

void
module_close(struct module *m)
{
	if (m->handle != NULL)
		dlclose(m->handle);
	m->handle = NULL;
	m->run = NULL;
}

static const char *
task_variable(struct deferd_task *t, const char *name)
{
	return env_find(&t->job->env, name);
}

static uint64_t
task_body_size(struct deferd_task *t)
{
	return t->job->body_size;
}

static int64_t
task_read(struct deferd_task *t, void *data, size_t size)
{
	struct job *job = t->job;
	uint64_t left = job->body_size - t->body_at;
	ssize_t n;

	if (size > left)
		size = left;
	if (job->body_fd == -1) {
		memcpy(data, (const char *)job->body.data + t->body_at, size);
		n = (ssize_t)size;
	} else {
		while ((n = pread(job->body_fd, data, size,
		    (off_t)t->body_at)) == -1 && errno == EINTR)
			;
	}
	if (n > 0)
		t->body_at += (uint64_t)n;
	return n;
}

static int
task_status(struct deferd_task *t, int status)
{
	if (t->has_begun || status < 200 || status > 599)
		return -1;
	t->status = status;
	return 0;
}

/* RFC 9110 5.1: a token. */
static bool
is_header_name(const char *s)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return *s != '\0' && s[strspn(s, token)] == '\0';
}

/* RFC 9110 5.5; one with a newline in it would be two headers. */
static bool
is_header_value(const char *s)
{
	for (; *s != '\0'; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

static int
task_header(struct deferd_task *t, const char *name, const char *value)
{
	if (t->has_begun || !is_header_name(name) || !is_header_value(value) ||
	    strcasecmp(name, "Status") == 0)
		return -1;
	if (strcasecmp(name, "Location") == 0)
		t->has_location = true;
	return buf_printf(&t->headers, "%s: %s\r\n", name, value);
}

/* Until the master has sent a file, or nobody wants the response. */
static void
task_wait_for_spool(struct job *job)
{
	struct pollfd bell = { .fd = job->ear, .events = POLLIN };

	job_send_need_spool(job);
	while (job->response.state == RESPONSE_WANTS_SPOOL &&
	    !atomic_load(&job->cancelled))
		if (poll(&bell, 1, -1) == 1)
			job_hear(job);
}

static int
task_put(struct deferd_task *t, const void *data, size_t size)
{
	struct job *job = t->job;
	struct response *r = &job->response;
	const char *p = data;
	size_t n;

	for (; size > 0 && r->state == RESPONSE_OPEN; p += n, size -= n) {
		n = size < RESPONSE_CHUNK ? size : RESPONSE_CHUNK;
		if (response_add(r, p, n) == RESPONSE_WANTS_SPOOL)
			task_wait_for_spool(job);
	}
	return r->state == RESPONSE_OPEN ? 0 : -1;
}

/* The head goes the way of a program's: one check, one normal form. */
static int
task_begin(struct deferd_task *t)
{
	struct buf head;
	int status = t->status, ok = 0;

	if (t->has_begun)
		return 0;
	t->has_begun = true;
	if (status == 0 && !t->has_location)
		status = 200;
	buf_init(&head, CGIRES_HEAD_MAX + 64);
	if (status != 0)
		ok = buf_printf(&head, "Status: %d\r\n", status);
	if (ok == -1 || buf_add(&head, buf_data(&t->headers),
	    buf_len(&t->headers)) == -1 || buf_add(&head, "\r\n", 2) == -1)
		response_fail(&t->job->response, "no memory for the response");
	else
		task_put(t, buf_data(&head), buf_len(&head));
	buf_fini(&head);
	return t->job->response.state == RESPONSE_OPEN ? 0 : -1;
}

static int
task_write(struct deferd_task *t, const void *data, size_t size)
{
	if (task_begin(t) == -1 || atomic_load(&t->job->cancelled))
		return -1;
	return task_put(t, data, size);
}

static void
task_progress(struct deferd_task *t, unsigned int percent, const char *text)
{
	progress_set(&t->job->progress, percent, text != NULL ? text : "",
	    text != NULL ? strlen(text) : 0);
	job_send_progress(t->job, job_now_ms());
}

/* Asked now and then, so also the moment to tell of late progress. */
static int
task_cancelled(struct deferd_task *t)
{
	job_send_progress(t->job, job_now_ms());
	return atomic_load(&t->job->cancelled);
}

static void
task_log(struct deferd_task *t, const char *text)
{
	size_t len = strlen(text);

	job_said(t->job, text, len);
	if (len > 0 && text[len - 1] != '\n')
		job_said(t->job, "\n", 1);
}

static const struct deferd_api module_api = {
	.abi = DEFERD_ABI,
	.variable = task_variable,
	.read = task_read,
	.body_size = task_body_size,
	.status = task_status,
	.header = task_header,
	.write = task_write,
	.progress = task_progress,
	.cancelled = task_cancelled,
	.log = task_log,
};

static uint64_t
thread_cpu_us(void)
{
	struct rusage use;

	getrusage(RUSAGE_THREAD, &use);
	return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
	    (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

/* Time limits of modules are the master's: it cancels, or kills the worker. */
static void
module_judge(struct deferd_task *t, int result)
{
	struct job *job = t->job;

	if (atomic_load(&job->cancelled)) {
		job_end(job, OUTCOME_CANCELLED, "cancelled");
	} else if (result != 0) {
		job_end(job, OUTCOME_FAILED, "the module returned %d", result);
	} else {
		task_begin(t);
		job_end_by_response(job);
	}
}

void
module_run(const struct module *m, struct job *job)
{
	struct deferd_task t = { .job = job };
	uint64_t before = thread_cpu_us();
	int result;

	if (m->run == NULL) {
		job_end(job, OUTCOME_FAILED, "the module cannot be loaded");
		return;
	}
	/* Status and the empty line have to fit, too. */
	buf_init(&t.headers, CGIRES_HEAD_MAX - 64);
	result = m->run(&module_api, &t);
	tail_end(&job->tail, job_now_ms());
	job->cpu_us = thread_cpu_us() - before;
	module_judge(&t, result);
	buf_fini(&t.headers);
}
