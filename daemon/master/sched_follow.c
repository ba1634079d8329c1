/*
 * sched_follow - who hears what a task writes to stderr, as it comes.
 *
 * As with those who wait for its end, they stand in a hash beside the table.
 * Its worker sends as long as there is one of them; each piece says where it
 * begins, so one that comes later makes it begin anew, and the others take
 * of that only what they do not have.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define HASH_NONFATAL_OOM 1
#include "daemon/master/sched_priv.h"
#include "daemon/master/table.h"

/* Those who follow one task. */
struct following {
	UT_hash_handle	 hh;
	unsigned char	 id[TASK_ID_BYTES];
	struct follower	*followers;	/* utlist */
};

static struct following *
find(const struct sched *s, const unsigned char id[TASK_ID_BYTES])
{
	struct following *of = NULL;

	if (s->following != NULL)
		HASH_FIND(hh, s->following, id, TASK_ID_BYTES, of);
	return of;
}

bool
sched_is_followed(const struct sched *s, const unsigned char id[TASK_ID_BYTES])
{
	return find(s, id) != NULL;
}

static struct following *
find_or_add(struct sched *s, const unsigned char id[TASK_ID_BYTES])
{
	struct following *of = find(s, id);

	if (of != NULL || (of = calloc(1, sizeof(*of))) == NULL)
		return of;
	memcpy(of->id, id, TASK_ID_BYTES);
	HASH_ADD(hh, s->following, id, TASK_ID_BYTES, of);
	if (of->hh.tbl == NULL) {
		free(of);
		return NULL;
	}
	return of;
}

int
sched_follow(struct sched *s, const struct task *t, struct follower *f)
{
	struct following *of = find_or_add(s, t->id);
	struct job *job = proc_find(s->proc, t->id);

	assert(!task_finished((enum task_state)t->state));
	if (of == NULL)
		return -1;
	f->sched = s;
	f->of = of;
	f->attempt = 0;
	f->at = 0;
	DL_APPEND(of->followers, f);
	if (job != NULL)
		proc_follow(job, true);
	return 0;
}

void
sched_follow_end(struct follower *f)
{
	struct sched *s = f->sched;
	struct following *of = f->of;
	struct job *job;

	f->of = NULL;
	DL_DELETE(of->followers, f);
	if (of->followers != NULL)
		return;
	if ((job = proc_find(s->proc, of->id)) != NULL)
		proc_follow(job, false);
	HASH_DEL(s->following, of);
	free(of);
}

/* The worker says where a piece begins; it may be wrong, or lie. */
static void
tell(struct follower *f, const struct frame *said)
{
	const char *text = said->u.err.text.data;
	uint64_t at = said->u.err.at, len = said->u.err.text.len;
	uint64_t missed = 0, known = 0;

	if (f->attempt != said->u.err.attempt) {
		/* What was gone before he came, he has not missed. */
		f->at = f->attempt == 0 ? at : 0;
		f->attempt = said->u.err.attempt;
	} else if (at + len <= f->at) {
		return;
	}
	if (at > f->at)
		missed = at - f->at;
	else
		known = f->at - at < len ? f->at - at : len;
	f->at = at + len;
	f->said(f, text + known, (size_t)(len - known), missed);
}

void
sched_on_said(struct job *job, const struct frame *said, void *arg)
{
	struct following *of = find(arg, job->id);
	struct follower *f, *tmp;

	if (of == NULL || job->over)
		return;
	DL_FOREACH_SAFE(of->followers, f, tmp)
		tell(f, said);
}

/*
 * A job can be done before its worker has heard that somebody follows it: RUN
 * and FOLLOW take different ways.  Then it has sent no word, and what it wrote
 * is in the log.
 */
void
sched_follow_done(struct sched *s, const struct job *job,
    const struct frame *done)
{
	const struct frame_bytes *log = &done->u.done.log;
	struct following *of = find(s, job->id);
	struct follower *f, *tmp;

	if (of == NULL || log->len == 0)
		return;
	DL_FOREACH_SAFE(of->followers, f, tmp)
		if (f->attempt != job->attempt) {
			f->attempt = job->attempt;	/* he was there */
			f->said(f, log->data, log->len, 0);
		}
}

static void
end_all(struct following *of, const struct task *t)
{
	struct follower *f, *tmp;

	DL_FOREACH_SAFE(of->followers, f, tmp) {
		sched_follow_end(f);
		f->done(f, t);
	}
}

void
sched_unfollow(struct sched *s, const struct task *t)
{
	struct following *of = find(s, t->id);

	if (of != NULL)
		end_all(of, t);
}

void
sched_unfollow_queued(struct sched *s)
{
	struct following *of, *tmp;

	HASH_ITER(hh, s->following, of, tmp)
		if (proc_find(s->proc, of->id) == NULL)
			end_all(of, table_find(&s->table, of->id));
}
