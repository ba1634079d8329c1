/*
 * scgi - the head of an SCGI request.
 *
 * The parser is asked again whenever more bytes have come, so it must be
 * cheap to ask in vain: until the netstring is complete it looks at its
 * length prefix (at most six bytes) and at nothing else.  Only a complete
 * block is walked, once, in the order in which it was written.
 *
 * What the walk refuses is what could mean one thing to us and another to
 * somebody behind us: a second REMOTE_USER, a line break that a script may
 * copy into a header, two lengths that differ.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "ipc/nitems.h"
#include "ipc/scgi.h"

#define PREFIX_MAX	6	/* "65536:" */

/* What the walk over a block has learned so far. */
struct facts {
	const char	*single[SCGI_VARS_MAX];	/* names that may come once */
	unsigned int	 nsingle;
	int64_t		 length;	/* CONTENT_LENGTH, or unknown */
	bool		 version;	/* SCGI=1 */
	bool		 chunked;	/* HTTP_TRANSFER_ENCODING is there */
	bool		 disagrees;	/* HTTP_CONTENT_LENGTH is another */
};

static enum scgi_verdict
refuse(enum scgi_verdict verdict, const char **why, const char *phrase)
{
	*why = phrase;
	return verdict;
}

/*
 * Decimal digits within int64, or -1.  None at all is 0: nginx and mod_cgid
 * leave the value empty when there is no body.
 */
static int64_t
number(const char *s)
{
	int64_t n = 0;

	for (; *s >= '0' && *s <= '9'; s++) {
		int digit = *s - '0';

		if (n > (INT64_MAX - digit) / 10)
			return -1;
		n = 10 * n + digit;
	}
	return *s == '\0' ? n : -1;
}

/* Most names differ in their first letter already. */
static bool
is(const char *name, const char *other)
{
	return *name == *other && strcmp(name, other) == 0;
}

static bool
has_prefix(const char *name, const char *prefix)
{
	return *name == *prefix && strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Names whose second occurrence would be somebody's forgery. */
static bool
is_single(const char *name)
{
	return is(name, "CONTENT_LENGTH") ||
	    is(name, "SCGI") ||
	    is(name, "REQUEST_METHOD") ||
	    has_prefix(name, "SCRIPT_") ||
	    has_prefix(name, "PATH_") ||
	    has_prefix(name, "REMOTE_");
}

/* Remembers a single name; false if it was there before. */
static bool
first_time(struct facts *f, const char *name)
{
	unsigned int i;

	for (i = 0; i < f->nsingle; i++)
		if (is(f->single[i], name))
			return false;
	f->single[f->nsingle++] = name;
	return true;
}

/* One variable into the facts.  NULL, or why it is refused. */
static const char *
learn(struct facts *f, const char *name, const char *value, bool first)
{
	if (*name == '\0')
		return "an empty name";
	if (strchr(name, '=') != NULL)
		return "'=' in a name";
	if (is_single(name) && !first_time(f, name))
		return "a variable twice";
	if (is(name, "CONTENT_LENGTH")) {
		if (!first)
			return "CONTENT_LENGTH is not first";
		if ((f->length = number(value)) < 0)
			return "CONTENT_LENGTH is not a number";
	} else if (is(name, "SCGI")) {
		if (strcmp(value, "1") != 0)
			return "SCGI is not 1";
		f->version = true;
	} else if (is(name, "HTTP_TRANSFER_ENCODING")) {
		f->chunked = true;
	} else if (is(name, "HTTP_CONTENT_LENGTH")) {
		if (number(value) != f->length)
			f->disagrees = true;
	}
	return NULL;
}

/* What only the whole block shows.  NULL, or why it is refused. */
static const char *
conclude(const struct facts *f)
{
	if (!f->version)
		return "no SCGI variable";
	if (f->chunked)
		return NULL;
	if (f->length == SCGI_LENGTH_UNKNOWN)
		return "no CONTENT_LENGTH";
	if (f->disagrees)
		return "HTTP_CONTENT_LENGTH differs from CONTENT_LENGTH";
	return NULL;
}

/* None below the space and no DEL; of a TAB it does not know. */
static bool
is_clean(const char *eight)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t bytes, del;

	memcpy(&bytes, eight, sizeof(bytes));
	del = bytes ^ 0x7f * ones;
	return ((((bytes - ' ' * ones) & ~bytes) | ((del - ones) & ~del)) &
	    0x80 * ones) == 0;
}

/* Every byte of a head comes by here, so eight at a time where it can be. */
static bool
has_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		while (len - i >= 8 && is_clean(text + i))
			i += 8;
		if (i < len && (((unsigned char)text[i] < ' ' &&
		    text[i] != '\t') || text[i] == 0x7f))
			return true;
	}
	return false;
}

/*
 * What comes from the request line, a header or an address has no business
 * with a newline: some of it returns in a header, all of it in logs.  Other
 * variables are the web server's own (SSLOptions +ExportCertData: a whole
 * PEM file; SERVER_SIGNATURE, which ends with a newline) and go nowhere but
 * into the task's environment.
 */
static bool
is_one_line(const char *name)
{
	static const char *const prefixes[] = {
		"CONTENT_", "DOCUMENT_", "HTTP_", "PATH_", "QUERY_", "REMOTE_",
		"REQUEST_", "SCGI", "SCRIPT_", "SERVER_ADDR", "SERVER_NAME",
		"SERVER_PORT", "SERVER_PROTOCOL",
	};

	for (size_t i = 0; i < nitems(prefixes); i++)
		if (has_prefix(name, prefixes[i]))
			return true;
	return false;
}

/* The string at `at`, which is moved behind its NUL; NULL at the end. */
static const char *
next_string(const struct scgi *s, size_t *at)
{
	const char *text = s->block + *at;

	if (*at >= s->len)
		return NULL;
	*at += strlen(text) + 1;
	return text;
}

enum scgi_verdict
scgi_check(const void *block, size_t len, struct scgi *out, const char **why)
{
	struct facts f;
	struct scgi s = { .block = block, .len = len };
	const char *name, *value;
	size_t at = 0;

	if (len > SCGI_HEAD_MAX)
		return refuse(SCGI_LARGE, why, "a head over the limit");
	if (len == 0 || s.block[len - 1] != '\0')
		return refuse(SCGI_BAD, why, "the last value has no end");

	f.nsingle = 0;
	f.length = SCGI_LENGTH_UNKNOWN;
	f.version = f.chunked = f.disagrees = false;
	while ((name = next_string(&s, &at)) != NULL) {
		if ((value = next_string(&s, &at)) == NULL)
			return refuse(SCGI_BAD, why, "a name without a value");
		if (has_control(name, (size_t)(value - name) - 1) ||
		    (is_one_line(name) &&
		    has_control(value, (size_t)(s.block + at - value) - 1)))
			return refuse(SCGI_BAD, why, "a control character");
		if (s.nvars == SCGI_VARS_MAX)
			return refuse(SCGI_LARGE, why, "too many variables");
		if (s.nvars < SCGI_VARS_MOST)
			s.at[s.nvars] = (uint16_t)(name - s.block);
		*why = learn(&f, name, value, s.nvars == 0);
		if (*why != NULL)
			return SCGI_BAD;
		s.nvars++;
	}
	if ((*why = conclude(&f)) != NULL)
		return SCGI_BAD;
	*out = s;
	return SCGI_DONE;
}

/*
 * The netstring's length prefix: *n is its value, *at the first byte of the
 * block.  No leading zero: one head has one spelling.
 */
static enum scgi_verdict
parse_prefix(const char *p, size_t len, size_t *n, size_t *at,
    const char **why)
{
	size_t i;

	*n = 0;
	for (i = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++) {
		if (i > 0 && *n == 0)
			return refuse(SCGI_BAD, why, "a leading zero");
		*n = 10 * *n + (size_t)(p[i] - '0');
		if (*n > SCGI_HEAD_MAX)
			return refuse(SCGI_LARGE, why, "a head over the limit");
	}
	if (i == len)
		return SCGI_MORE;
	if (i == 0 || p[i] != ':')
		return refuse(SCGI_BAD, why, "not a netstring");
	*at = i + 1;
	return SCGI_DONE;
}

enum scgi_verdict
scgi_parse(const void *data, size_t len, struct scgi *out, size_t *head_bytes,
    const char **why)
{
	const char *p = data;
	enum scgi_verdict v;
	size_t n, at;

	if ((v = parse_prefix(p, len, &n, &at, why)) != SCGI_DONE)
		return v;
	if (len - at <= n)
		return SCGI_MORE;
	if (p[at + n] != ',')
		return refuse(SCGI_BAD, why, "no comma behind the head");
	if ((v = scgi_check(p + at, n, out, why)) == SCGI_DONE)
		*head_bytes = at + n + 1;
	return v;
}

bool
scgi_next(const struct scgi *s, struct scgi_iter *it)
{
	if ((it->name = next_string(s, &it->at)) == NULL)
		return false;
	it->value = next_string(s, &it->at);
	return it->value != NULL;
}

const char *
scgi_find(const struct scgi *s, const char *name)
{
	struct scgi_iter it = { 0 };

	for (unsigned int i = 0; i < s->nvars && i < SCGI_VARS_MOST; i++) {
		it.at = s->at[i];
		if (is(s->block + it.at, name))
			return s->block + it.at + strlen(name) + 1;
	}
	/* once more the last of them, and what is behind it */
	while (s->nvars > SCGI_VARS_MOST && scgi_next(s, &it))
		if (is(it.name, name))
			return it.value;
	return NULL;
}

int64_t
scgi_content_length(const struct scgi *s)
{
	const char *value = scgi_find(s, "CONTENT_LENGTH");

	return value != NULL ? number(value) : SCGI_LENGTH_UNKNOWN;
}

/*
 * The length is known last and stands first: its widest spelling is reserved
 * here, and scgi_finish() consumes what it does not need of it.
 */
int
scgi_begin(struct buf *b)
{
	static const char reserve[PREFIX_MAX] = { 0 };

	buf_clear(b);
	return buf_add(b, reserve, sizeof(reserve));
}

int
scgi_add(struct buf *b, const char *name, const char *value)
{
	size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
	unsigned char *to;

	assert(buf_len(b) >= PREFIX_MAX);
	if (buf_len(b) - PREFIX_MAX + name_size + value_size > SCGI_HEAD_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if ((to = buf_space(b, name_size + value_size)) == NULL)
		return -1;
	memcpy(to, name, name_size);
	memcpy(to + name_size, value, value_size);
	buf_commit(b, name_size + value_size);
	return 0;
}

int
scgi_finish(struct buf *b)
{
	size_t n = buf_len(b) - PREFIX_MAX, at = b->start + PREFIX_MAX;

	if (buf_add(b, ",", 1) == -1)
		return -1;
	b->data[--at] = ':';
	do {
		b->data[--at] = (unsigned char)('0' + n % 10);
	} while ((n /= 10) > 0);
	buf_consume(b, at - b->start);
	return 0;
}
