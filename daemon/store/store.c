/*
 * store - threads, batches, budgets and order around a back-end.
 *
 *	submit --+--------> queue ----> batch ------> done()	a change
 *		 |            ^        (writer)
 *		 +--> sync ---+				its body is in a file
 *		 |    (io)
 *		 +--> load -------------------------> done()
 *		     (reader)
 *
 * One batch is under way at a time; what is queued meanwhile is the next
 * one.  That is all there is to group commit: a store that is slow to commit
 * gets larger batches.  A batch begins in a turn of its own, after the loop
 * has looked at its sockets again, so that a burst arrives as one batch and
 * a chain of operations cannot starve the loop.
 *
 * A back-end without threads has no writer and no reader: its loads wait in
 * the queue with the changes, and batches are applied by the loop itself.
 *
 * Closing the last descriptor of a large file frees its blocks, which takes
 * a while: that, too, is done by the io threads.
 *
 * Whoever is called back answers a client, who then has the next request: a
 * few of a batch have their turn, and then the loop looks at its sockets, lest
 * one who only asks stand behind all of them, and again behind what they ask.
 *
 * After each batch the back-end may tidy up, a step at a time; the next batch
 * waits for one step at most.
 *
 * Everything here runs on the loop but for the functions named *_run.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include <event2/event.h>

#include "daemon/conf.h"
#include "daemon/log.h"
#include "daemon/store/backend.h"
#include "ipc/nitems.h"

#define BATCH_MAX	512	/* operations in one commit */
#define CALLS_MIN	4	/* called back in one turn of the loop, ... */
#define CALLS_PART	16	/* ... and this part of all that are to be */
#define IO_THREADS	2
#define LOOK_US		200000	/* between two looks at the disk */
#define FLOOR_PART	10	/* of the disk may min-free take */

struct op_list {
	struct store_op	*head, *tail;
	size_t		 n;
};

/* What is applied together.  The writer's from batch_start to batch_done. */
struct batch {
	struct work	 work;
	struct store	*store;
	struct op_list	 ops;
	bool		 busy;
	bool		 loads;		/* all of them, or else none */
	int64_t		 bytes, tasks;	/* as apply() counts */
	uint64_t	 took_us;

	/* the loop's: what the INSERTs in it will need */
	uint64_t	 inserts;
	uint64_t	 growth;	/* bytes that nobody has reserved */
	uint64_t	 reserved;	/* bytes that somebody has */
};

/* A step of upkeep: under way, or asked for while one is. */
struct tidy {
	struct work	 work;
	struct store	*store;
	bool		 busy;
	bool		 more;		/* the writer's while busy */
};

/* How much room the disk has: looked at beside the loop, now and then. */
struct look {
	struct work	 work;
	struct store	*store;
	bool		 busy;
	uint64_t	 at_us;		/* when the last one began */
	int64_t		 bytes, next_bytes; /* kept at that time */
	struct store_room room, next;	/* `next` is the thread's while busy */
	bool		 low;		/* below the floor; said so */
};

struct store {
	const struct store_backend *backend;
	void		*state;		/* the back-end's */
	struct event	*turn;		/* the next batch is to begin */
	struct event	*calls;		/* there are more to be called back */
	struct work_pool *writer, *reader; /* NULL if not threaded */
	struct work_pool *io;
	struct work_pool *checker;	/* NULL until somebody wants to know */
	_Atomic bool	 stop_checks;

	struct op_list	 queue;
	struct batch	 batch;
	struct op_list	 answered;	/* to be called back */
	struct tidy	 tidy;

	struct look	*look;

	uint64_t	 max_tasks, max_bytes;
	uint64_t	 min_free;
	int64_t		 tasks, bytes;	/* kept */
	uint64_t	 reserved;	/* bytes of bodies still arriving */
	uint64_t	 commits, ops;
	struct hist	 commit_us, batch_ops;
};

/* A file to be closed and deleted beside the loop. */
struct waste {
	struct work	 work;
	struct store	*store;
	struct body	 body;
};

static const struct store_backend *const backends[] = {
	&store_memory,
#ifdef HAVE_SQLITE
	&store_sqlite,
#endif
};

#define OWNER_OF(w, type)	((type *)((char *)(w) - offsetof(type, work)))

void
message_fini(struct message *m)
{
	blob_unref(&m->head);
	body_fini(&m->body);
}

static bool
op_is_load(const struct store_op *op)
{
	return op->kind == STORE_LOAD_REQUEST ||
	    op->kind == STORE_LOAD_RESPONSE ||
	    op->kind == STORE_LOAD_INFO;
}

static void
list_add(struct op_list *l, struct store_op *op)
{
	op->next = NULL;
	if (l->head)
		l->tail->next = op;
	else
		l->head = op;
	l->tail = op;
	l->n++;
}

/* The first, which is there. */
static struct store_op *
list_take(struct op_list *l)
{
	struct store_op *op = l->head;

	l->head = op->next;
	l->n--;
	return op;
}

/* Whether op->message is the store's to take. */
static bool
op_brings_message(const struct store_op *op)
{
	return (op->kind == STORE_INSERT && !op->only_look) ||
	    (op->kind == STORE_MOVE && task_finished(op->to));
}

/* Whether apply() may leave something there that nobody needs. */
static bool
op_leaves_message(const struct store_op *op)
{
	return op->verdict == STORE_OK &&
	    (op->kind == STORE_REMOVE || op_brings_message(op));
}

char *
store_try_line(char out[STORE_TRY_MAX], const struct store_op *op)
{
	int n = snprintf(out, STORE_TRY_MAX, "%u\t%lld\t",
	    (unsigned int)op->from_attempt, (long long)op->now_ms);
	char *at = out + n, *end = out + STORE_TRY_MAX - 2;

	/* One line with two tabs, whatever a task has said. */
	for (const char *p = op->tried; *p != '\0' && at < end; p++)
		*at++ = (unsigned char)*p < ' ' ? ' ' : *p;
	*at++ = '\n';
	*at = '\0';
	return out;
}

static uint64_t	now_us(void);

/* -- room on the disk ------------------------------------------------------ */

void
store_room_at(struct store_room *room, const char *path)
{
	struct statvfs st;
	uint64_t left;

	if (statvfs(path, &st) < 0)
		return;
	left = (uint64_t)st.f_bavail * st.f_frsize;
	if (room->disk_bytes != 0 && room->free_bytes <= left)
		return;
	room->free_bytes = left;
	room->disk_bytes = (uint64_t)st.f_blocks * st.f_frsize;
}

static void
look_run(struct work *w)
{
	struct look *l = OWNER_OF(w, struct look);

	l->next = (struct store_room){ 0 };
	l->store->backend->look(l->store->state, &l->next);
}

/* On a small disk a floor must not be most of it. */
static uint64_t
disk_floor(const struct store *s)
{
	uint64_t part = s->look->room.disk_bytes / FLOOR_PART;

	return s->min_free < part ? s->min_free : part;
}

/*
 * What has been kept since the last look is not missing there yet; of what is
 * still arriving some may be, which errs on the safe side.
 */
static bool
disk_fits(const struct store *s, uint64_t more)
{
	const struct look *l = s->look;
	int64_t since = s->bytes - l->bytes;
	uint64_t left = l->room.free_bytes, taken = disk_floor(s) +
	    s->reserved + s->batch.growth + (since > 0 ? (uint64_t)since : 0);

	return l->room.disk_bytes == 0 || (taken <= left && more <= left - taken);
}

static void
look_say(struct look *l)
{
	const struct store *s = l->store;
	bool low = l->room.disk_bytes != 0 && l->room.free_bytes < disk_floor(s);

	if (low != l->low && low)
		log_error("disk-low free=%llu min-free=%llu",
		    (unsigned long long)l->room.free_bytes,
		    (unsigned long long)disk_floor(s));
	else if (low != l->low)
		log_info("disk-roomy free=%llu",
		    (unsigned long long)l->room.free_bytes);
	l->low = low;
}

static void
look_done(struct work *w)
{
	struct look *l = OWNER_OF(w, struct look);

	l->busy = false;
	l->room = l->next;
	l->bytes = l->next_bytes;
	look_say(l);
}

/* Who decides by what was seen has it looked at again for the next one. */
static void
look_soon(struct look *l)
{
	uint64_t now = now_us();

	if (l->busy || !l->store->io || !l->store->backend->look || now - l->at_us < LOOK_US)
		return;
	l->busy = true;
	l->at_us = now;
	l->next_bytes = l->store->bytes;
	work_submit(l->store->io, &l->work);
}

static struct look *
look_new(struct store *s)
{
	struct look *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->work.run = look_run;
	l->work.done = look_done;
	l->store = s;
	return l;
}

/* -- budgets -------------------------------------------------------------- */

static bool
bytes_fit(const struct store *s, uint64_t more)
{
	uint64_t used = (uint64_t)s->bytes + s->reserved + s->batch.growth;

	look_soon(s->look);
	return used <= s->max_bytes && more <= s->max_bytes - used &&
	    disk_fits(s, more);
}

static bool
tasks_fit(const struct store *s)
{
	return (uint64_t)s->tasks + s->batch.inserts < s->max_tasks;
}

bool
store_reserve(struct store *s, uint64_t bytes)
{
	if (!bytes_fit(s, bytes))
		return false;
	s->reserved += bytes;
	return true;
}

void
store_release(struct store *s, uint64_t bytes)
{
	assert(bytes <= s->reserved);
	s->reserved -= bytes;
}

bool
store_full(const struct store *s)
{
	return !tasks_fit(s) || !bytes_fit(s, 1);
}

/* An INSERT joins the batch: is there room for it beside the others? */
static void
batch_admit(struct store *s, struct store_op *op)
{
	uint64_t more = words_bytes(op) +
	    (op->message.head ? op->message.head->len : 0);

	s->batch.reserved += op->message.body.size;
	op->no_room = op->only_look || !tasks_fit(s) || !bytes_fit(s, more);
	if (op->no_room)
		return;
	s->batch.inserts++;
	s->batch.growth += more;
}

/* The books after a batch: who succeeded has handed over its reservation. */
static void
batch_account(struct store *s)
{
	struct batch *b = &s->batch;
	struct store_op *op;

	for (op = b->ops.head; op; op = op->next)
		if (op->kind == STORE_INSERT && op->verdict != STORE_OK)
			b->reserved -= op->message.body.size;
	store_release(s, b->reserved);
	s->bytes += b->bytes;
	s->tasks += b->tasks;
	assert(s->bytes >= 0 && s->tasks >= 0);
	s->commits++;
	s->ops += b->ops.n;
	hist_add(&s->commit_us, &hist_commit_us, b->took_us);
	hist_add(&s->batch_ops, &hist_batch, b->ops.n);
	b->inserts = b->growth = b->reserved = 0;
}

/* -- what nobody needs any more ------------------------------------------- */

static void
file_discard(struct store *s, struct body *body)
{
	uint64_t file = body->file;

	body_fini(body);
	if (file != 0)
		s->backend->spool_drop(s->state, file);
}

static void
waste_run(struct work *w)
{
	struct waste *waste = OWNER_OF(w, struct waste);

	file_discard(waste->store, &waste->body);
	free(waste);
}

static void
body_discard(struct store *s, struct body *body)
{
	bool is_file = body->fd >= 0 || body->file != 0;
	struct waste *waste;

	waste = is_file && s->io ? calloc(1, sizeof(*waste)) : NULL;
	if (!waste) {
		file_discard(s, body);
		return;
	}
	waste->work.run = waste_run;
	waste->store = s;
	body_take(&waste->body, body);
	work_submit(s->io, &waste->work);
}

void
store_spool_drop(struct store *s, uint64_t file)
{
	struct body body = BODY_EMPTY;

	body.file = file;
	body_discard(s, &body);
}

/* apply() has left there what the changes made useless. */
static void
batch_discard(struct store *s)
{
	struct store_op *op;

	for (op = s->batch.ops.head; op; op = op->next) {
		if (!op_leaves_message(op))
			continue;
		blob_unref(&op->message.head);
		body_discard(s, &op->message.body);
	}
}

/* -- upkeep --------------------------------------------------------------- */

static void
tidy_run(struct work *w)
{
	struct tidy *t = OWNER_OF(w, struct tidy);

	t->more = t->store->backend->tidy(t->store->state);
}

/* Behind the batch that the writer has already, if there is one. */
static void
tidy_soon(struct store *s)
{
	if (!s->backend->tidy || s->tidy.busy)
		return;
	s->tidy.busy = true;
	work_submit(s->writer, &s->tidy.work);
}

static void
tidy_done(struct work *w)
{
	struct tidy *t = OWNER_OF(w, struct tidy);

	t->busy = false;
	if (t->more)
		tidy_soon(t->store);
}

/* -- batches -------------------------------------------------------------- */

static void	batch_done(struct work *);

static void
batch_take(struct store *s)
{
	struct batch *b = &s->batch;
	struct store_op *op;

	b->loads = op_is_load(s->queue.head);
	b->ops = (struct op_list){ 0 };
	b->bytes = b->tasks = 0;
	while ((op = s->queue.head) && b->ops.n < BATCH_MAX &&
	    op_is_load(op) == b->loads) {
		list_add(&b->ops, list_take(&s->queue));
		if (op->kind == STORE_INSERT)
			batch_admit(s, op);
	}
}

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
apply_run(struct batch *b)
{
	uint64_t from_us = now_us();

	b->store->backend->apply(b->store->state, b->ops.head, &b->bytes,
	    &b->tasks);
	b->took_us = now_us() - from_us;
}

static void
batch_run(struct work *w)
{
	struct batch *b = OWNER_OF(w, struct batch);
	struct store_op *op;

	if (!b->loads)
		apply_run(b);
	else
		for (op = b->ops.head; op; op = op->next)
			b->store->backend->load(b->store->state, op);
}

/* All that follows a batch but for calling back. */
static void
batch_settle(struct store *s)
{
	if (s->batch.loads)
		return;
	batch_account(s);
	batch_discard(s);
}

static void
batch_start(struct store *s)
{
	s->batch.busy = true;
	batch_take(s);
	if (s->writer) {
		work_submit(s->writer, &s->batch.work);
	} else {
		batch_run(&s->batch.work);
		batch_done(&s->batch.work);
	}
}

/*
 * A timer of nothing fires after the loop has polled, event_active() would
 * fire before; but only the latter needs no memory.
 */
static void
next_turn(struct event *event)
{
	static const struct timeval at_once;

	if (event_add(event, &at_once) < 0)
		event_active(event, EV_TIMEOUT, 1);
}

static void
turn_came(int fd, short what, void *arg)
{
	struct store *s = arg;

	(void)fd;
	(void)what;
	assert(s->queue.head && !s->batch.busy);
	batch_start(s);
}

static void
call_back(struct store *s)
{
	size_t calls = CALLS_MIN + s->answered.n / CALLS_PART;
	struct store_op *op;

	while (s->answered.head && calls-- > 0) {
		op = list_take(&s->answered);
		op->done(op);
	}
	if (s->answered.head)
		next_turn(s->calls);
}

static void
calls_came(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	call_back(arg);
}

/* The next batch is on its way before anybody is called back. */
static void
batch_done(struct work *w)
{
	struct store *s = OWNER_OF(w, struct batch)->store;
	struct op_list ops = s->batch.ops;
	bool first = !s->answered.head;

	batch_settle(s);
	s->batch.busy = false;
	while (ops.head)
		list_add(&s->answered, list_take(&ops));
	if (s->queue.head) {
		if (s->writer)
			batch_start(s);
		else
			next_turn(s->turn);
	}
	tidy_soon(s);
	if (first)
		call_back(s);
}

static void
queue_push(struct store *s, struct store_op *op)
{
	list_add(&s->queue, op);
	if (s->queue.n == 1 && !s->batch.busy)
		next_turn(s->turn);
}

/* -- operations ----------------------------------------------------------- */

static void
load_run(struct work *w)
{
	struct store_op *op = OWNER_OF(w, struct store_op);

	op->store->backend->load(op->store->state, op);
}

static void
load_done(struct work *w)
{
	struct store_op *op = OWNER_OF(w, struct store_op);

	op->done(op);
}

static void
sync_run(struct work *w)
{
	struct store_op *op = OWNER_OF(w, struct store_op);
	const struct store_backend *backend = op->store->backend;

	if (backend->spool_sync(op->store->state, &op->message.body) == 0)
		return;
	op->body_lost = true;
	op->verdict = errno == ENOSPC || errno == EDQUOT ?
	    STORE_FULL : STORE_FAILED;
	log_error("store-failed what=sync error=%m");
}

static void
sync_done(struct work *w)
{
	struct store_op *op = OWNER_OF(w, struct store_op);

	if (op->verdict == STORE_OK)
		queue_push(op->store, op);
	else
		op->done(op);
}

static void
op_work(struct store_op *op, struct work_pool *pool,
    void (*run)(struct work *), void (*done)(struct work *))
{
	op->work.run = run;
	op->work.done = done;
	work_submit(pool, &op->work);
}

void
store_submit(struct store *s, struct store_op *op)
{
	assert(op->kind != STORE_MOVE || task_may_move(op->from, op->to));
	assert(op->kind != STORE_INSERT || !task_finished(op->to));

	op->store = s;
	op->verdict = STORE_OK;
	op->body_lost = false;
	if (op_is_load(op) || op->kind == STORE_REMOVE)
		op->message = MESSAGE_EMPTY;
	if (op_is_load(op))
		op->texts = op->tries = NULL;

	if (op_is_load(op) && s->reader)
		op_work(op, s->reader, load_run, load_done);
	else if (op_brings_message(op) && op->message.body.fd >= 0 &&
	    s->backend->spool_sync)
		op_work(op, s->io, sync_run, sync_done);
	else
		queue_push(s, op);
}

/* -- is it sound ----------------------------------------------------------- */

static void
check_run(struct work *w)
{
	struct store_checkup *c = OWNER_OF(w, struct store_checkup);
	const struct store_backend *backend = c->store->backend;
	FILE *report = open_memstream(&c->report, &c->len);

	c->found = CHECK_UNABLE;
	if (!report)
		return;
	if (backend->check) {
		c->found = backend->check(c->store->state, report,
		    &c->store->stop_checks);
	} else {
		fprintf(report, "%s: nothing is kept, nothing to check\n",
		    backend->name);
		c->found = CHECK_SOUND;
	}
	fclose(report);
}

static void
check_done(struct work *w)
{
	struct store_checkup *c = OWNER_OF(w, struct store_checkup);

	c->done(c);
}

int
store_checkup(struct store *s, struct store_checkup *c)
{
	if (!s->checker)
		s->checker = work_pool_new(event_get_base(s->turn),
		    "deferd-check", 1);
	if (!s->checker)
		return -1;
	c->work.run = check_run;
	c->work.done = check_done;
	c->store = s;
	work_submit(s->checker, &c->work);
	return 0;
}

void
store_checkup_fini(struct store_checkup *c)
{
	free(c->report);
	c->report = NULL;
}

/* -- the store itself ----------------------------------------------------- */

static int
store_start(struct store *s, struct event_base *base, char *error)
{
	s->turn = event_new(base, -1, 0, turn_came, s);
	s->calls = event_new(base, -1, 0, calls_came, s);
	s->io = work_pool_new(base, "store-io", IO_THREADS);
	if (s->backend->threaded) {
		s->writer = work_pool_new(base, "store-writer", 1);
		s->reader = work_pool_new(base, "store-reader", 1);
	}
	if (s->backend->look) {
		look_run(&s->look->work);
		look_done(&s->look->work);
	}
	if (s->turn && s->calls && s->io &&
	    (!s->backend->threaded || (s->writer && s->reader)))
		return 0;
	snprintf(error, CONF_ERROR_MAX, "store: cannot start threads: %s",
	    strerror(errno));
	return -1;
}

struct store *
store_open_backend(struct event_base *base, const struct conf *conf,
    const struct store_backend *backend, const char *where, char *error)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s || !(s->look = look_new(s))) {
		snprintf(error, CONF_ERROR_MAX, "store: %s", strerror(errno));
		free(s);
		return NULL;
	}
	s->backend = backend;
	s->batch.store = s;
	s->batch.work.run = batch_run;
	s->batch.work.done = batch_done;
	s->tidy.store = s;
	s->tidy.work.run = tidy_run;
	s->tidy.work.done = tidy_done;
	store_set_conf(s, conf);
	s->state = backend->open(where, conf, error);
	if (!s->state || store_start(s, base, error) < 0) {
		store_close(s);
		return NULL;
	}
	return s;
}

struct store *
store_open(struct event_base *base, const struct conf *conf, char *error)
{
	size_t i, len = strcspn(conf->store, ":");
	const char *where = conf->store + len;

	if (*where == ':')
		where++;
	for (i = 0; i < nitems(backends); i++)
		if (strlen(backends[i]->name) == len &&
		    memcmp(backends[i]->name, conf->store, len) == 0)
			return store_open_backend(base, conf, backends[i],
			    where, error);
	snprintf(error, CONF_ERROR_MAX,
	    "store: this build has nothing that could open \"%s\"",
	    conf->store);
	return NULL;
}

static void
load_drop(struct store_op *op)
{
	message_fini(&op->message);
	blob_unref(&op->texts);
	blob_unref(&op->tries);
	op->verdict = STORE_FAILED;
}

/* Threads have ended: what is still queued is done here and now. */
static void
store_finish(struct store *s)
{
	struct store_op *op;

	for (op = s->answered.head; op; op = op->next)
		if (op_is_load(op))
			load_drop(op);
	while (s->queue.head) {
		batch_take(s);
		if (s->batch.loads) {
			for (op = s->batch.ops.head; op; op = op->next)
				load_drop(op);
			continue;
		}
		batch_run(&s->batch.work);
		batch_settle(s);
	}
}

/* The writer goes first: its last batch may leave files for the io pool. */
static void
store_stop(struct store *s)
{
	struct work *w;

	s->stop_checks = true;
	for (w = work_pool_free(s->checker); w; w = w->next)
		store_checkup_fini(OWNER_OF(w, struct store_checkup));
	s->checker = NULL;
	for (w = work_pool_free(s->writer); w; w = w->next)
		if (w == &s->batch.work)
			batch_settle(s);
	s->writer = NULL;
	for (w = work_pool_free(s->reader); w; w = w->next)
		load_drop(OWNER_OF(w, struct store_op));
	s->reader = NULL;
	for (w = work_pool_free(s->io); w; w = w->next)
		if (w != &s->look->work &&
		    OWNER_OF(w, struct store_op)->verdict == STORE_OK)
			queue_push(s, OWNER_OF(w, struct store_op));
	s->io = NULL;
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	store_stop(s);
	store_finish(s);
	if (s->state)
		s->backend->close(s->state);
	if (s->turn)
		event_free(s->turn);
	if (s->calls)
		event_free(s->calls);
	free(s->look);
	free(s);
}

void
store_set_conf(struct store *s, const struct conf *conf)
{
	s->max_tasks = (uint64_t)conf->max_tasks;
	s->max_bytes = (uint64_t)conf->max_store_bytes;
	s->min_free = (uint64_t)conf->min_free_bytes;
}

bool
store_durable(const struct store *s)
{
	return s->backend->durable;
}

int
store_scan(struct store *s, int (*each)(const struct store_row *, void *),
    void *arg, char *error)
{
	return s->backend->scan(s->state, each, arg, &s->bytes, &s->tasks,
	    error);
}

int
store_spool_create(struct store *s, struct body *body)
{
	return s->backend->spool_create(s->state, body);
}

void
store_stats(const struct store *s, struct store_stats *stats)
{
	stats->kind = s->backend->name;
	stats->tasks = (uint64_t)s->tasks;
	stats->max_tasks = s->max_tasks;
	stats->bytes = (uint64_t)s->bytes;
	stats->max_bytes = s->max_bytes;
	stats->reserved_bytes = s->reserved;
	look_soon(s->look);
	stats->free_bytes = s->look->room.free_bytes;
	stats->min_free_bytes = disk_floor(s);
	stats->log_bytes = s->look->room.log_bytes;
	stats->commits = s->commits;
	stats->ops = s->ops;
	stats->commit_us = s->commit_us;
	stats->batch = s->batch_ops;
}
