/*
 * memory - the store that ends with the process, and the template of a
 * back-end.
 *
 * Tasks live in an array; the free places are a list inside it.  A row is a
 * place and a serial number that is never used twice, so an operation that
 * comes late finds nothing instead of somebody else's task.  When the last
 * task goes, the array goes too.
 *
 * An entry holds one message: the request until the task finishes, then the
 * response.  What is said about a task in words sits in one blob beside it
 * ("facts"), which a load shares.
 *
 * Spool files have no name from the start: nothing is left after a crash,
 * and there is no number that the store could ask to delete.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1	/* claim_add() looks for it */
#include <uthash.h>

#include "daemon/conf.h"
#include "daemon/log.h"
#include "daemon/store/backend.h"

#define ENTRIES_FIRST	64		/* places to begin with */
#define PLACE_NONE	UINT32_MAX

struct entry {
	struct message	 message;
	struct blob	*facts;
	struct blob	*tries;		/* most have none */
	int64_t		 started_ms;	/* of the last attempt, or 0 */
	uint32_t	 serial;	/* 0: a free place */
	uint32_t	 attempt;	/* free: the next free place */
	uint8_t		 state;
	bool		 has_claim;
};

/* Only of tasks that have one, so that the others need not pay for it. */
struct claimed {
	UT_hash_handle	 by_key, by_row;
	struct store_claim claim;
	unsigned char	 id[TASK_ID_BYTES];
	int64_t		 row;
};

/* The text is method NUL path NUL owner NUL reason NUL log. */
struct facts {
	uint64_t	 cpu_us;
	uint64_t	 max_rss_kib;
	int32_t		 wait_status;
	char		 text[];
};
#define FACTS_BEFORE_TEXT	offsetof(struct facts, text)
#define FACTS_NULS		4

struct memory {
	struct entry	*entry;
	uint32_t	 size;		/* places allocated */
	uint32_t	 used;		/* places used so far, free or not */
	uint32_t	 free;		/* the first free place below `used` */
	uint32_t	 count;		/* tasks */
	uint32_t	 serial;	/* of the newest task */
	char		*spool;		/* directory */
	struct claimed	*keys, *rows;	/* uthash: by key, and by row */
};

/* -- facts ---------------------------------------------------------------- */

static struct blob *
facts_new(const char *method, const char *path, const char *owner,
    const struct store_outcome *o)
{
	const char *reason = o->reason ? o->reason : "";
	size_t method_len = strlen(method) + 1, path_len = strlen(path) + 1;
	size_t owner_len = strlen(owner) + 1, reason_len = strlen(reason) + 1;
	struct facts *f;
	struct blob *b;
	char *at;

	b = blob_new(NULL, FACTS_BEFORE_TEXT + method_len + path_len +
	    owner_len + reason_len + o->log_len);
	if (!b)
		return NULL;
	f = (struct facts *)b->data;
	f->cpu_us = o->cpu_us;
	f->max_rss_kib = o->max_rss_kib;
	f->wait_status = o->wait_status;
	at = mempcpy(f->text, method, method_len);
	at = mempcpy(at, path, path_len);
	at = mempcpy(at, owner, owner_len);
	at = mempcpy(at, reason, reason_len);
	if (o->log_len > 0)
		memcpy(at, o->log, o->log_len);
	return b;
}

static uint64_t
facts_bytes(const struct blob *b)
{
	return b->len - FACTS_BEFORE_TEXT - FACTS_NULS;
}

static const char *
text_after(const char *text)
{
	return text + strlen(text) + 1;
}

/* Points the operation into the blob. */
static void
facts_read(const struct blob *b, struct store_op *op)
{
	const struct facts *f = (const struct facts *)b->data;
	const char *owner, *log;

	op->method = f->text;
	op->path = text_after(op->method);
	owner = text_after(op->path);
	op->owner = *owner ? owner : NULL;
	op->outcome.reason = text_after(owner);
	log = text_after(op->outcome.reason);
	op->outcome.log = log;
	op->outcome.log_len = (size_t)((const char *)b->data + b->len - log);
	op->outcome.wait_status = f->wait_status;
	op->outcome.cpu_us = f->cpu_us;
	op->outcome.max_rss_kib = f->max_rss_kib;
}

/* -- entries -------------------------------------------------------------- */

static int64_t
entry_row(const struct memory *m, const struct entry *e)
{
	return (int64_t)e->serial << 32 | (e - m->entry);
}

static struct entry *
entry_find(const struct memory *m, int64_t row)
{
	uint32_t place = (uint32_t)row, serial = (uint32_t)(row >> 32);

	if (place >= m->used || serial == 0 ||
	    m->entry[place].serial != serial)
		return NULL;
	return &m->entry[place];
}

static int
entries_grow(struct memory *m)
{
	uint32_t size = m->size ? m->size * 2 : ENTRIES_FIRST;
	struct entry *bigger;

	assert(size > m->size);		/* max-tasks is far below */
	bigger = reallocarray(m->entry, size, sizeof(*bigger));
	if (!bigger)
		return -1;
	m->entry = bigger;
	m->size = size;
	return 0;
}

static struct entry *
entry_new(struct memory *m)
{
	struct entry *e;

	if (m->free != PLACE_NONE) {
		e = &m->entry[m->free];
		m->free = e->attempt;
	} else {
		if (m->used == m->size && entries_grow(m) < 0)
			return NULL;
		e = &m->entry[m->used++];
	}
	m->serial = m->serial % INT32_MAX + 1;
	m->count++;
	e->serial = m->serial;
	e->tries = NULL;
	return e;
}

static void
entries_free(struct memory *m)
{
	free(m->entry);
	m->entry = NULL;
	m->size = m->used = 0;
	m->free = PLACE_NONE;
}

/* Its message is somebody else's by now. */
static void
entry_free(struct memory *m, struct entry *e)
{
	blob_unref(&e->facts);
	blob_unref(&e->tries);
	e->serial = 0;
	e->attempt = m->free;
	m->free = (uint32_t)(e - m->entry);
	if (--m->count == 0)
		entries_free(m);
}

static int64_t
entry_bytes(const struct entry *e)
{
	return (int64_t)(message_bytes(&e->message) + facts_bytes(e->facts) +
	    (e->has_claim ? sizeof(struct store_claim) : 0));
}

/* -- claims --------------------------------------------------------------- */

/* Whose the key is already: then op says so. */
static bool
claim_is_taken(const struct memory *m, struct store_op *op)
{
	struct claimed *c;

	HASH_FIND(by_key, m->keys, op->claim->key, STORE_DIGEST_BYTES, c);
	if (!c)
		return false;
	op->row = c->row;
	memcpy(op->id, c->id, TASK_ID_BYTES);
	op->same = memcmp(c->claim.request, op->claim->request,
	    STORE_DIGEST_BYTES) == 0;
	return true;
}

static void
claim_free(struct memory *m, int64_t row)
{
	struct claimed *c;

	HASH_FIND(by_row, m->rows, &row, sizeof(row), c);
	HASH_DELETE(by_row, m->rows, c);
	HASH_DELETE(by_key, m->keys, c);
	free(c);
}

/* False: no memory. */
static bool
claim_add(struct memory *m, const struct store_op *op, int64_t row)
{
	struct claimed *c = calloc(1, sizeof(*c));

	if (!c)
		return false;
	c->claim = *op->claim;
	memcpy(c->id, op->id, TASK_ID_BYTES);
	c->row = row;
	HASH_ADD(by_key, m->keys, claim.key, STORE_DIGEST_BYTES, c);
	if (!c->by_key.tbl) {
		free(c);
		return false;
	}
	HASH_ADD(by_row, m->rows, row, sizeof(c->row), c);
	if (c->by_row.tbl)
		return true;
	HASH_DELETE(by_key, m->keys, c);
	free(c);
	return false;
}

static void
claims_free(struct memory *m)
{
	struct claimed *c = m->keys, *next;

	HASH_CLEAR(by_row, m->rows);
	HASH_CLEAR(by_key, m->keys);
	for (; c; c = next) {
		next = c->by_key.next;
		free(c);
	}
}

/* -- changes -------------------------------------------------------------- */

static enum store_verdict
no_memory(const char *what)
{
	log_error("store-failed what=%s error=%s", what, "no memory");
	return STORE_FAILED;
}

static enum store_verdict
entry_insert(struct memory *m, struct store_op *op, int64_t *bytes)
{
	struct store_outcome none = { .wait_status = -1 };
	struct blob *facts = facts_new(op->method, op->path,
	    op->owner ? op->owner : "", &none);
	struct entry *e = facts ? entry_new(m) : NULL;

	if (!e) {
		blob_unref(&facts);
		return no_memory("insert");
	}
	e->facts = facts;
	e->has_claim = op->claim && claim_add(m, op, entry_row(m, e));
	if (op->claim && !e->has_claim) {
		entry_free(m, e);
		return no_memory("insert");
	}
	e->state = (uint8_t)op->to;
	e->attempt = op->to_attempt;
	e->started_ms = op->to == TASK_RUNNING ? op->now_ms : 0;
	e->message = op->message;
	op->message = MESSAGE_EMPTY;
	op->row = entry_row(m, e);
	*bytes += entry_bytes(e);
	return STORE_OK;
}

static enum store_verdict
memory_insert(struct memory *m, struct store_op *op, int64_t *bytes)
{
	if (op->claim && claim_is_taken(m, op))
		return STORE_TAKEN;
	return op->no_room ? STORE_FULL : entry_insert(m, op, bytes);
}

/* The response takes the place of the request; the first words stay. */
static int
entry_finish(struct entry *e, struct store_op *op)
{
	const char *method = ((struct facts *)e->facts->data)->text;
	const char *path = text_after(method);
	struct blob *facts = facts_new(method, path, text_after(path),
	    &op->outcome);
	struct message request = e->message;

	if (!facts)
		return -1;
	blob_unref(&e->facts);
	e->facts = facts;
	e->message = op->message;
	op->message = request;
	return 0;
}

static int
entry_tried(struct entry *e, const struct store_op *op)
{
	size_t before = e->tries ? e->tries->len : 0;
	char line[STORE_TRY_MAX];
	struct blob *tries;

	store_try_line(line, op);
	tries = blob_new(NULL, before + strlen(line));
	if (!tries)
		return -1;
	if (e->tries)
		memcpy(tries->data, e->tries->data, before);
	memcpy(tries->data + before, line, strlen(line));
	blob_unref(&e->tries);
	e->tries = tries;
	return 0;
}

static enum store_verdict
memory_move(struct memory *m, struct store_op *op, int64_t *bytes)
{
	struct entry *e = entry_find(m, op->row);
	int64_t before;

	if (!e || e->state != op->from || e->attempt != op->from_attempt)
		return STORE_LOST;
	before = entry_bytes(e);
	if (task_finished(op->to) && entry_finish(e, op) < 0)
		return no_memory("move");
	if (op->to == TASK_QUEUED && op->tried && entry_tried(e, op) < 0)
		return no_memory("move");
	if (op->to == TASK_RUNNING)
		e->started_ms = op->now_ms;
	e->state = (uint8_t)op->to;
	e->attempt = op->to_attempt;
	*bytes += entry_bytes(e) - before;
	return STORE_OK;
}

static enum store_verdict
memory_remove(struct memory *m, struct store_op *op, int64_t *bytes)
{
	struct entry *e = entry_find(m, op->row);

	if (!e)
		return STORE_LOST;
	*bytes -= entry_bytes(e);
	if (e->has_claim)
		claim_free(m, op->row);
	op->message = e->message;
	entry_free(m, e);
	return STORE_OK;
}

static void
memory_apply(void *state, struct store_op *op, int64_t *bytes, int64_t *tasks)
{
	struct memory *m = state;
	uint32_t before = m->count;

	for (; op; op = op->next) {
		if (op->kind == STORE_INSERT)
			op->verdict = memory_insert(m, op, bytes);
		else if (op->kind == STORE_MOVE)
			op->verdict = memory_move(m, op, bytes);
		else
			op->verdict = memory_remove(m, op, bytes);
	}
	*tasks += (int64_t)m->count - before;
}

/* -- loads ---------------------------------------------------------------- */

static void
load_info(struct entry *e, struct store_op *op)
{
	if (task_finished(e->state)) {
		op->message.head = blob_ref(e->message.head);
		op->message.body.size = e->message.body.size;
	}
	op->texts = blob_ref(e->facts);
	facts_read(op->texts, op);
	op->started_ms = e->started_ms;
	op->tries = blob_ref(e->tries);
}

static void
memory_load(void *state, struct store_op *op)
{
	struct entry *e = entry_find(state, op->row);
	bool response = op->kind == STORE_LOAD_RESPONSE;

	if (e && op->kind == STORE_LOAD_INFO) {
		load_info(e, op);
		return;
	}
	if (!e || task_finished(e->state) != response) {
		op->verdict = STORE_LOST;
		return;
	}
	if (body_share(&op->message.body, &e->message.body) < 0) {
		log_error("store-failed what=load error=%m");
		op->verdict = STORE_FAILED;
		return;
	}
	op->message.head = blob_ref(e->message.head);
	if (response) {
		op->texts = blob_ref(e->facts);
		facts_read(op->texts, op);
		op->started_ms = e->started_ms;
	}
}

/* -- spool ---------------------------------------------------------------- */

/* Not every file system knows O_TMPFILE. */
static int
spool_file(const char *dir)
{
	char path[PATH_MAX + sizeof("/deferd-XXXXXX")];
	int fd;

	fd = open(dir, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	(void)snprintf(path, sizeof(path), "%s/deferd-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int
memory_spool_create(void *state, struct body *body)
{
	struct memory *m = state;
	int fd = spool_file(m->spool);

	if (fd < 0)
		return -1;
	*body = BODY_EMPTY;
	body->fd = fd;
	return 0;
}

/* Whether files can be made there, with the directory if need be. */
static int
spool_try(const char *dir)
{
	int fd;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -1;
	fd = spool_file(dir);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

/*
 * The directory of the settings; or, when deferd runs without a file of
 * settings (then there is no control socket), one that any user may use.
 * NULL with errno.
 */
static const char *
spool_choose(const struct conf *conf)
{
	const char *tmp = getenv("TMPDIR");

	if (spool_try(conf->spool) == 0)
		return conf->spool;
	if (conf->control_path)
		return NULL;
	if (!tmp || *tmp != '/')
		tmp = "/tmp";
	return spool_try(tmp) == 0 ? tmp : NULL;
}

/* -- open, scan, close ---------------------------------------------------- */

static void *
memory_open(const char *where, const struct conf *conf, char *error)
{
	const char *spool;
	struct memory *m;

	if (*where) {
		snprintf(error, CONF_ERROR_MAX,
		    "store: expected \"memory\", got \"memory:%s\"", where);
		return NULL;
	}
	if (!(spool = spool_choose(conf))) {
		snprintf(error, CONF_ERROR_MAX,
		    "spool: cannot make files in %s: %s", conf->spool,
		    strerror(errno));
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	if (!m || !(m->spool = strdup(spool))) {
		snprintf(error, CONF_ERROR_MAX, "store: %s", strerror(errno));
		free(m);
		return NULL;
	}
	m->free = PLACE_NONE;
	return m;
}

static void
memory_close(void *state)
{
	struct memory *m = state;
	uint32_t i;

	for (i = 0; i < m->used; i++) {
		if (m->entry[i].serial == 0)
			continue;
		message_fini(&m->entry[i].message);
		blob_unref(&m->entry[i].facts);
		blob_unref(&m->entry[i].tries);
	}
	entries_free(m);
	claims_free(m);
	free(m->spool);
	free(m);
}

/* It begins empty, whatever was before. */
static int
memory_scan(void *state, int (*each)(const struct store_row *, void *),
    void *arg, int64_t *bytes, int64_t *tasks, char *error)
{
	const struct memory *m = state;

	(void)each;
	(void)arg;
	(void)bytes;
	(void)tasks;
	(void)error;
	assert(m->count == 0);
	return 0;
}

static void
memory_look(void *state, struct store_room *room)
{
	const struct memory *m = state;

	store_room_at(room, m->spool);
}

const struct store_backend store_memory = {
	.name = "memory",
	.open = memory_open,
	.close = memory_close,
	.scan = memory_scan,
	.apply = memory_apply,
	.load = memory_load,
	.look = memory_look,
	.spool_create = memory_spool_create,
};
