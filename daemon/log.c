/*
 * log - see log.h.
 *
 * A line is put together on the caller's stack and leaves in one system call,
 * so threads need no lock and their lines never mix.
 */
#include "daemon/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "daemon/log_sink.h"

#define SECONDS_MAX	1e12
#define CUT_MARK	" [cut]"

struct line {
	char	text[LOG_LINE_MAX];	/* sink_put() adds a newline */
	size_t	len;
	bool	cut;			/* something found no room */
};

/* va_list may be an array, which has no pointer to itself as an argument. */
struct values {
	va_list	 ap;
	int	 error;			/* for %m */
};

/* Written once by log_init(), before there are threads. */
static enum log_level log_max = LOG_L_INFO;

static atomic_ulong lost;

enum log_level
log_first_level(bool debug, bool foreground)
{
	if (debug)
		return LOG_L_DEBUG;
	return foreground ? LOG_L_INFO : LOG_L_WARN;
}

void
log_init(const char *role, bool background, enum log_level max)
{
	log_max = max;
	sink_open(role, background);
}

/* A piece is there whole or not at all, and behind one that is not, nothing. */
static void
put(struct line *l, const char *text, size_t len)
{
	if (l->cut || len > sizeof(l->text) - sizeof(CUT_MARK) - l->len) {
		l->cut = true;
		return;
	}
	memcpy(l->text + l->len, text, len);
	l->len += len;
}

static bool
is_bare(const char *text, size_t len)
{
	if (len == 0 || len > LOG_VALUE_MAX)
		return false;
	for (; len > 0; text++, len--)
		if (*text <= ' ' || *text > '~' || *text == '"' ||
		    *text == '=' || *text == '\\')
			return false;
	return true;
}

static void
put_text(struct line *l, const char *text, size_t len)
{
	char quoted[LOG_VALUE_MAX];

	if (!is_bare(text, len)) {
		log_quote(quoted, sizeof(quoted), text, len);
		text = quoted;
		len = strlen(quoted);
	}
	put(l, text, len);
}

/*
 * A number with so many digits at least.  By hand, as these are most of what
 * is logged: three lines for each task, each with a few of them.
 */
static void
put_number(struct line *l, bool negative, unsigned long long n, int digits)
{
	char text[32], *p = text + sizeof(text);

	for (; n > 0 || digits > 0; n /= 10, digits--)
		*--p = (char)('0' + n % 10);
	if (negative)
		*--p = '-';
	put(l, p, (size_t)(text + sizeof(text) - p));
}

static void
put_signed(struct line *l, struct values *v, const char *size)
{
	long long n;

	if (*size == 'z')
		n = va_arg(v->ap, ssize_t);
	else if (*size != 'l')
		n = va_arg(v->ap, int);
	else
		n = size[1] == 'l' ? va_arg(v->ap, long long) :
		    va_arg(v->ap, long);
	put_number(l, n < 0, n < 0 ? -(unsigned long long)n :
	    (unsigned long long)n, 1);
}

static void
put_unsigned(struct line *l, struct values *v, const char *size)
{
	unsigned long long n;

	if (*size == 'z')
		n = va_arg(v->ap, size_t);
	else if (*size != 'l')
		n = va_arg(v->ap, unsigned int);
	else
		n = size[1] == 'l' ? va_arg(v->ap, unsigned long long) :
		    va_arg(v->ap, unsigned long);
	put_number(l, false, n, 1);
}

static void
put_string(struct line *l, struct values *v, const char *size)
{
	int len = *size == '.' ? va_arg(v->ap, int) : -1;
	const char *text = va_arg(v->ap, const char *);

	put_text(l, text, len >= 0 ? (size_t)len : strlen(text));
}

/* As "%.3f" has it, but for what no clock says. */
static void
put_seconds(struct line *l, struct values *v)
{
	double seconds = va_arg(v->ap, double);
	unsigned long long ms;
	char text[512];

	if (!(seconds >= 0 && seconds < SECONDS_MAX)) {
		put(l, text, (size_t)snprintf(text, sizeof(text), "%.3f",
		    seconds));
		return;
	}
	ms = (unsigned long long)(seconds * 1000 + 0.5);
	put_number(l, false, ms / 1000, 1);
	put(l, ".", 1);
	put_number(l, false, ms % 1000, 3);
}

/* The conversion at p, behind its "%"; gives what follows it. */
static const char *
put_value(struct line *l, const char *p, struct values *v)
{
	const char *size = p, *why;

	p += strspn(p, ".*3lz");
	switch (*p) {
	case 'd':
		put_signed(l, v, size);
		break;
	case 'u':
		put_unsigned(l, v, size);
		break;
	case 's':
		put_string(l, v, size);
		break;
	case 'f':
		put_seconds(l, v);
		break;
	default:
		assert(*p == 'm');
		why = strerrordesc_np(v->error);
		put_text(l, why, why != NULL ? strlen(why) : 0);
		break;
	}
	return p + 1;
}

static void
line_begin(struct line *l, enum log_level level)
{
	_Static_assert(SINK_HEAD_MAX < LOG_LINE_MAX / 2, "room for the event");
	l->len = sink_head(l->text, level);
	l->cut = false;
}

static bool
line_end(struct line *l)
{
	if (l->cut) {
		memcpy(l->text + l->len, CUT_MARK, sizeof(CUT_MARK) - 1);
		l->len += sizeof(CUT_MARK) - 1;
	}
	return sink_put(l->text, l->len);
}

/* That lines are missing, as soon as one gets through again. */
static void
say_lost(void)
{
	unsigned long n = atomic_exchange(&lost, 0);
	struct line l;
	char text[64];

	if (n == 0)
		return;
	line_begin(&l, LOG_L_WARN);
	put(&l, text, (size_t)snprintf(text, sizeof(text),
	    "log-lost lines=%lu", n));
	if (!line_end(&l))
		atomic_fetch_add(&lost, n);
}

static void
line_fill(struct line *l, const char *fmt, struct values *v)
{
	const char *p;

	while (*(p = strchrnul(fmt, '%')) != '\0') {
		put(l, fmt, (size_t)(p - fmt));
		fmt = put_value(l, p + 1, v);
	}
	put(l, fmt, (size_t)(p - fmt));
}

static void
log_emit(enum log_level level, const char *fmt, va_list ap)
{
	struct values v = { .error = errno };
	struct line l;

	if (level > log_max)
		return;
	va_copy(v.ap, ap);
	line_begin(&l, level);
	line_fill(&l, fmt, &v);
	va_end(v.ap);
	if (line_end(&l))
		say_lost();
	else
		atomic_fetch_add(&lost, 1);
	errno = v.error;
}

void
log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_emit(level, fmt, ap);
	va_end(ap);
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_emit(LOG_L_ERROR, fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_emit(LOG_L_WARN, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_emit(LOG_L_INFO, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_emit(LOG_L_DEBUG, fmt, ap);
	va_end(ap);
}

void
log_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_emit(LOG_L_ERROR, fmt, ap);
	va_end(ap);
	exit(1);
}

bool
log_may(struct log_rate *r, unsigned long *skipped)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	if (!bucket_take(&r->bucket, (int64_t)ts.tv_sec * 1000 +
	    ts.tv_nsec / 1000000)) {
		r->skipped++;
		return false;
	}
	*skipped = r->skipped;
	r->skipped = 0;
	return true;
}

const char *
log_exit(int status, char text[LOG_EXIT_TEXT])
{
	if (status == -1)
		return "none";
	if (WIFSIGNALED(status))
		snprintf(text, LOG_EXIT_TEXT, "signal:%d", WTERMSIG(status));
	else
		snprintf(text, LOG_EXIT_TEXT, "%d", WEXITSTATUS(status));
	return text;
}
