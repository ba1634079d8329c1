/*
 * cgires - the head of a CGI response.
 *
 * Two passes over a head that is complete.  The first looks at every line,
 * finds fault, and learns what is said once for the whole: the status, the
 * length, which headers Connection names.  The second writes the normalised
 * head, now that it is known what to leave out.  Nothing is remembered
 * between calls, so an incomplete head costs one search for its end.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "ipc/cgires.h"
#include "ipc/nitems.h"

#define HOPS_MAX	32	/* headers that Connection may name */

/* Borrowed bytes. */
struct span {
	const char	*at;
	size_t		 len;
};

/* What the first pass learns. */
struct facts {
	int		 status;	/* 0: none was given */
	int64_t		 content_length; /* or -1 */
	bool		 has_type;
	bool		 has_location;
	struct span	 hops[HOPS_MAX];	/* named in Connection */
	size_t		 nhops;
};

/* Never passed on; a name that ends in '*' is the beginning of many. */
static const char *const dropped[] = {
	"Status",		/* written first, by us */
	"Content-Length",	/* the body's size says it */
	"Connection",
	"Keep-Alive",
	"Proxy-Connection",
	"TE",
	"Trailer",
	"Transfer-Encoding",
	"Upgrade",
	"X-Accel-*",		/* nginx obeys these */
	"X-Sendfile*",		/* Apache and lighttpd */
	"X-Lighttpd-*",
	"Deferd-*",
};

static const struct {
	int		 status;
	const char	*reason;
} reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 203, "Non-Authoritative Information" },
	{ 204, "No Content" },
	{ 205, "Reset Content" },
	{ 206, "Partial Content" },
	{ 300, "Multiple Choices" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 305, "Use Proxy" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 407, "Proxy Authentication Required" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 511, "Network Authentication Required" },
};

const char *
cgires_reason(int status)
{
	size_t i;

	for (i = 0; i < nitems(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

void
cgires_init(struct cgires *res, size_t max_bytes)
{
	res->status = 0;
	res->content_length = -1;
	res->max_bytes = max_bytes;
	buf_init(&res->head, CGIRES_NORMAL_MAX);
}

void
cgires_fini(struct cgires *res)
{
	buf_fini(&res->head);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9110 5.6.2. */
static bool
is_token(struct span s)
{
	static const char chars[] = "!#$%&'*+-.^_`|~0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t i;

	for (i = 0; i < s.len; i++)
		if (memchr(chars, s.at[i], sizeof(chars) - 1) == NULL)
			return false;
	return s.len > 0;
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

static bool
is_name(struct span s, const char *name)
{
	return s.len == strlen(name) && strncasecmp(s.at, name, s.len) == 0;
}

static bool
same_name(struct span a, struct span b)
{
	return a.len == b.len && strncasecmp(a.at, b.at, a.len) == 0;
}

/* Takes the next line off `text`, without its end.  False if none is whole. */
static bool
next_line(struct span *text, struct span *line)
{
	const char *nl;

	if (text->len == 0 || (nl = memchr(text->at, '\n', text->len)) == NULL)
		return false;
	line->at = text->at;
	line->len = (size_t)(nl - text->at);
	text->at += line->len + 1;
	text->len -= line->len + 1;
	if (line->len > 0 && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}

/* Takes the next word off a comma-separated list.  False at its end. */
static bool
next_word(struct span *list, struct span *word)
{
	const char *comma;

	if (list->len == 0)
		return false;
	comma = memchr(list->at, ',', list->len);
	word->at = list->at;
	word->len = comma != NULL ? (size_t)(comma - list->at) : list->len;
	list->at += word->len;
	list->len -= word->len;
	if (comma != NULL) {
		list->at++;
		list->len--;
	}
	*word = trim(*word);
	return true;
}

/* Bytes of the head, its empty line included; 0 while that has not come. */
static size_t
find_end(const char *data, size_t len)
{
	struct span text = { data, len }, line;

	while (next_line(&text, &line))
		if (line.len == 0)
			return len - text.len;
	return 0;
}

/*
 * Everything from here on gives NULL when all is well, else the phrase that
 * says what is wrong.
 */

static const char *
check_bytes(struct span line)
{
	size_t i;

	for (i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.at[i];

		if (c == '\0')
			return "a NUL in the head";
		if (c == '\r')
			return "a carriage return inside a header line";
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return "a control character in the head";
	}
	return NULL;
}

static const char *
split(struct span line, struct span *name, struct span *value)
{
	const char *colon, *why;

	if ((why = check_bytes(line)) != NULL)
		return why;
	if (is_blank(line.at[0]))
		return "a folded header line";
	if ((colon = memchr(line.at, ':', line.len)) == NULL)
		return "a line without a colon in the head";
	name->at = line.at;
	name->len = (size_t)(colon - line.at);
	value->at = colon + 1;
	value->len = line.len - name->len - 1;
	*value = trim(*value);
	return is_token(*name) ? NULL : "a bad header name";
}

/* "NNN" or "NNN Reason": the reason is nobody's business but ours. */
static const char *
learn_status(struct facts *f, struct span s)
{
	int status;

	if (s.len < 3 || !is_digit(s.at[0]) || !is_digit(s.at[1]) ||
	    !is_digit(s.at[2]) || (s.len > 3 && !is_blank(s.at[3])))
		return "a bad status";
	status = 100 * (s.at[0] - '0') + 10 * (s.at[1] - '0') + s.at[2] - '0';
	if (status < 200 || status > 599)
		return "a bad status";
	if (f->status != 0 && f->status != status)
		return "two different statuses";
	f->status = status;
	return NULL;
}

static const char *
learn_length(struct facts *f, struct span s)
{
	int64_t n = 0;
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (!is_digit(s.at[i]) ||
		    n > (INT64_MAX - (s.at[i] - '0')) / 10)
			return "a bad Content-Length";
		n = 10 * n + (s.at[i] - '0');
	}
	if (s.len == 0)
		return "a bad Content-Length";
	if (f->content_length != -1 && f->content_length != n)
		return "two different Content-Lengths";
	f->content_length = n;
	return NULL;
}

static const char *
learn_hops(struct facts *f, struct span list)
{
	struct span word;

	while (next_word(&list, &word)) {
		if (word.len == 0)
			continue;
		if (f->nhops == HOPS_MAX)
			return "too many names in Connection";
		f->hops[f->nhops++] = word;
	}
	return NULL;
}

static const char *
learn_header(struct facts *f, struct span line)
{
	struct span name, value;
	const char *why;

	if ((why = split(line, &name, &value)) != NULL)
		return why;
	if (is_name(name, "Status"))
		return learn_status(f, value);
	if (is_name(name, "Content-Length"))
		return learn_length(f, value);
	if (is_name(name, "Connection"))
		return learn_hops(f, value);
	if (is_name(name, "Content-Type"))
		f->has_type = true;
	if (is_name(name, "Location") && value.len > 0)
		f->has_location = true;
	return NULL;
}

/*
 * A status line, as a script writes that believes to speak to the client
 * itself (RFC 3875 5, nph): taken off `text`.
 */
static const char *
learn_status_line(struct facts *f, struct span *text)
{
	static const char version[] = "HTTP/1.";
	const size_t len = sizeof(version) - 1;
	struct span line, rest = *text;
	const char *why;

	if (!next_line(&rest, &line) || line.len < len ||
	    strncasecmp(line.at, version, len) != 0)
		return NULL;
	*text = rest;
	if ((why = check_bytes(line)) != NULL)
		return why;
	if (line.len < len + 2 || !is_digit(line.at[len]) ||
	    !is_blank(line.at[len + 1]))
		return "a bad status";
	line.at += len + 1;
	line.len -= len + 1;
	return learn_status(f, trim(line));
}

/* The first pass.  `text` is left at the first header. */
static const char *
learn(struct facts *f, struct span *text)
{
	struct span rest, line;
	const char *why;

	if ((why = learn_status_line(f, text)) != NULL)
		return why;
	rest = *text;
	while (next_line(&rest, &line) && line.len > 0)
		if ((why = learn_header(f, line)) != NULL)
			return why;
	if (f->status != 0)
		return NULL;
	if (!f->has_type && !f->has_location)
		return "no Status, Content-Type or Location in the head";
	f->status = f->has_location ? 302 : 200;
	return NULL;
}

static bool
matches(struct span name, const char *pattern)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] != '*')
		return is_name(name, pattern);
	return name.len >= len - 1 &&
	    strncasecmp(name.at, pattern, len - 1) == 0;
}

static bool
is_dropped(const struct facts *f, struct span name)
{
	size_t i;

	for (i = 0; i < nitems(dropped); i++)
		if (matches(name, dropped[i]))
			return true;
	for (i = 0; i < f->nhops; i++)
		if (same_name(name, f->hops[i]))
			return true;
	return false;
}

static int
emit_header(struct buf *b, struct span name, struct span value)
{
	if (buf_add(b, name.at, name.len) == -1 ||
	    buf_add(b, ": ", 2) == -1 ||
	    buf_add(b, value.at, value.len) == -1)
		return -1;
	return buf_add(b, "\r\n", 2);
}

/* The second pass: 0, or -1 with errno as buf_add(). */
static int
emit(struct buf *b, const struct facts *f, struct span text)
{
	struct span line, name, value;

	if (buf_printf(b, "Status: %d %s\r\n", f->status,
	    cgires_reason(f->status)) == -1)
		return -1;
	while (next_line(&text, &line) && line.len > 0) {
		if (split(line, &name, &value) != NULL ||
		    is_dropped(f, name))
			continue;
		if (emit_header(b, name, value) == -1)
			return -1;
	}
	return buf_add(b, "\r\n", 2);
}

static const char *
normalise(struct cgires *res, struct span head)
{
	struct facts f = { .content_length = -1 };
	const char *why;

	if ((why = learn(&f, &head)) != NULL)
		return why;
	buf_clear(&res->head);
	if (emit(&res->head, &f, head) == -1)
		return errno == EMSGSIZE ? "head over 64 KiB" : "no memory";
	res->status = f.status;
	res->content_length = f.content_length;
	if (f.status == 204 || f.status == 304)
		res->content_length = -1;	/* it speaks of another body */
	return NULL;
}

enum cgires_verdict
cgires_parse(struct cgires *res, const void *data, size_t len, bool eof,
    size_t *head_bytes, const char **why)
{
	size_t seen = len < res->max_bytes ? len : res->max_bytes;
	size_t end = find_end(data, seen);

	if (end == 0 && len < res->max_bytes && !eof)
		return CGIRES_MORE;
	if (len == 0)
		*why = "no output";
	else if (end == 0 && len >= res->max_bytes)
		*why = "head over 64 KiB";
	else if (end == 0)
		*why = "no empty line after the head";
	else
		*why = normalise(res, (struct span){ data, end });
	if (*why != NULL)
		return CGIRES_BAD;
	*head_bytes = end;
	return CGIRES_DONE;
}

const char *
cgires_find(const void *head, size_t head_len, const char *name, size_t *len)
{
	struct span text = { head, head_len }, line, found, value;

	while (next_line(&text, &line) && line.len > 0) {
		if (split(line, &found, &value) != NULL ||
		    !is_name(found, name))
			continue;
		*len = value.len;
		return value.at;
	}
	return NULL;
}
