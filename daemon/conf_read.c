/*
 * conf_read - from a file to settings.
 *
 * The text goes through conf_scan, then libconfuse walks its grammar and
 * calls value_cb() for each value as text; a value is checked and lands in
 * its field at once, while the line is known.  What depends on several
 * settings (what a route inherits, the pools) waits for conf_complete().
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <confuse.h>

#include "daemon/conf.h"
#include "daemon/conf_table.h"
#include "daemon/log.h"
#include "ipc/nitems.h"

#define FILE_BYTES_MAX	(1024 * 1024)
#define TITLE_BYTES_MAX	255		/* travels in every RUN frame */

struct reader {
	struct conf	*conf;
	const char	*name;		/* of the file */
	char		*error;		/* the caller's; the first one stays */
	const cfg_t	*top;
	const cfg_t	*section;	/* of the last route */
	unsigned int	 section_line;
	uint64_t	 seen_top;	/* bits: indexes in conf_table */
	uint64_t	*seen;		/* the same, for each route */
};

/*
 * libconfuse has no room for a pointer of ours, and its lexer is one per
 * process anyway: files are read one at a time, by one thread.
 */
static struct reader *reader;

static void
complain(unsigned int line, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
complain(unsigned int line, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (reader->error[0] != '\0')
		return;
	n = snprintf(reader->error, CONF_ERROR_MAX, "%.128s:%u: ",
	    reader->name, line);
	va_start(ap, fmt);
	vsnprintf(reader->error + n, CONF_ERROR_MAX - (size_t)n, fmt, ap);
	va_end(ap);
}

static void
no_memory(void)
{
	if (reader->error[0] == '\0')
		snprintf(reader->error, CONF_ERROR_MAX, "%.128s: no memory",
		    reader->name);
}

/* Plain words as they are, all else in quotes. */
static const char *
shown(char *out, size_t size, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t len = strlen(text);

	if (len == 0 || len >= size || strspn(text, plain) != len)
		return log_quote(out, size, text, len);
	return strcpy(out, text);
}

/* ---- what libconfuse has to say ---- */

static void
unknown_setting(unsigned int line, const char *name, bool in_route)
{
	char word[LOG_QUOTED_MAX];
	const char *nearest = conf_table_nearest(name, in_route);
	const struct conf_setting *s = conf_table_find(name);

	shown(word, sizeof(word), name);
	if (s != NULL)
		complain(line, "%s: expected %s", word, in_route ?
		    "outside of routes, got it in one" :
		    "inside of a route, got it outside");
	else if (in_route && strcmp(name, "route") == 0)
		complain(line, "route: expected outside of routes, got it in one");
	else if (nearest != NULL)
		complain(line, "%s: expected a setting, got an unknown name "
		    "(did you mean %s?)", word, nearest);
	else
		complain(line, "%s: expected a setting, got an unknown name",
		    word);
}

/* Its messages, with one word each, and ours. */
static const struct {
	const char *theirs, *before, *after;
} grammar[] = {
	{ "missing equal sign after option '%s'", "",
	    ": expected \"=\" after the name" },
	{ "missing title for section '%s'", "",
	    ": expected a title in quotes" },
	{ "missing opening brace for section '%s'", "",
	    ": expected \"{\" after the title" },
	{ "found duplicate title '%s'",
	    "route: expected a title not yet used, got ", "" },
	{ "unexpected token '%s'", "expected a setting or a value, got ", "" },
};

static void
error_cb(cfg_t *cfg, const char *fmt, va_list ap)
{
	unsigned int line = (unsigned int)cfg->line;
	char word[LOG_QUOTED_MAX], text[CONF_ERROR_MAX];
	size_t i;

	if (strcmp(fmt, "no such option '%s'") == 0) {
		unknown_setting(line, va_arg(ap, const char *),
		    cfg != reader->top);
		return;
	}
	if (strcmp(fmt, "premature end of file") == 0) {
		complain(line, "expected a value, got the end of the file");
		return;
	}
	for (i = 0; i < nitems(grammar); i++) {
		if (strcmp(fmt, grammar[i].theirs) != 0)
			continue;
		shown(word, sizeof(word), va_arg(ap, const char *));
		complain(line, "%s%s%s", grammar[i].before, word,
		    grammar[i].after);
		return;
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	complain(line, "%s", text);
}

/* ---- routes ---- */

/* Makes room for the route of a section that was not seen before. */
static struct conf_route *
route_begin(const cfg_t *section)
{
	struct conf *conf = reader->conf;
	struct conf_route *routes, *r;
	uint64_t *seen;
	size_t i;

	if (section == reader->section)
		return &conf->routes[conf->nroutes - 1];
	routes = reallocarray(conf->routes, conf->nroutes + 1, sizeof(*routes));
	if (routes == NULL)
		return NULL;
	conf->routes = routes;
	seen = reallocarray(reader->seen, conf->nroutes + 1, sizeof(*seen));
	if (seen == NULL)
		return NULL;
	reader->seen = seen;
	reader->section = section;
	reader->section_line = (unsigned int)reader->top->line;
	seen[conf->nroutes] = 0;
	r = memset(&routes[conf->nroutes++], 0, sizeof(*r));
	r->name = strdup(cfg_title((cfg_t *)section));
	if (r->name == NULL)
		return NULL;
	for (i = 0; i < conf_table_size; i++)
		if (conf_table[i].top == CONF_NOWHERE &&
		    conf_kind_default(&conf_table[i],
		    (char *)r + conf_table[i].route) == -1)
			return NULL;
	return r;
}

/* The title is the pattern when there is no `path`. */
static int
route_pattern(struct conf_route *r)
{
	const struct conf_setting *path = conf_table_find("path");
	char word[LOG_QUOTED_MAX];
	size_t len = strlen(r->name);

	if (len == 0 || len > TITLE_BYTES_MAX) {
		complain(reader->section_line, "route: expected a title of 1 to "
		    "%d bytes, got %zu", TITLE_BYTES_MAX, len);
		return -1;
	}
	if (r->pattern == NULL &&
	    conf_kinds[path->kind].set(path, &r->pattern, r->name) == -1) {
		if (errno == EINVAL)
			complain(reader->section_line,
			    "route: expected %s, got %s", path->expected,
			    shown(word, sizeof(word), r->name));
		return -1;
	}
	len = strlen(r->pattern);
	r->is_prefix = r->pattern[len - 1] == '*';
	r->prefix_len = r->is_prefix ? len - 2 : len;
	return 0;
}

/*
 * A module shares its process with others, which the kernel would confine
 * with it.  Of the three settings two need the first.
 */
static int
route_walls(struct conf_route *r)
{
	const struct conf_setting *first = conf_table_find("no-new-privs");
	uint64_t seen = reader->seen[reader->conf->nroutes - 1];
	const char *needs = r->landlock != NULL ? "landlock" :
	    !r->network ? "network = no" : NULL;

	if (r->module != NULL && (needs != NULL || r->no_new_privs)) {
		complain(reader->section_line, "%s: expected in a route with "
		    "exec or scripts: a module shares its process with other "
		    "tasks", needs != NULL ? needs : "no-new-privs");
		return -1;
	}
	if (needs == NULL)
		return 0;
	if (!r->no_new_privs && seen & UINT64_C(1) << (first - conf_table)) {
		complain(reader->section_line, "no-new-privs: expected yes, "
		    "which %s needs, got no", needs);
		return -1;
	}
	r->no_new_privs = true;
	return 0;
}

/* The section's closing brace. */
static int
route_cb(cfg_t *cfg, cfg_opt_t *opt)
{
	struct conf_route *r;
	char word[LOG_QUOTED_MAX], *p;
	int n;

	(void)cfg;
	r = route_begin(cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1));
	if (r == NULL)
		return -1;
	if (route_pattern(r) == -1)
		return -1;
	n = (r->exec != NULL) + (r->module != NULL) + (r->scripts != NULL);
	if (n != 1) {
		complain(reader->section_line, "route %s: expected one of "
		    "exec, module and scripts, got %s",
		    log_quote(word, sizeof(word), r->name, strlen(r->name)),
		    n == 0 ? "none" : "more");
		return -1;
	}
	if (r->handler != NULL && r->scripts == NULL) {
		complain(reader->section_line,
		    "handler: expected in a route with scripts");
		return -1;
	}
	if (route_walls(r) == -1)
		return -1;
	for (p = r->host; p != NULL && *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	return 0;
}

/* ---- values ---- */

/* Marks a setting as seen and drops its default; -1 if it was seen before. */
static int
value_first(const struct conf_setting *s, uint64_t *seen, void *field)
{
	uint64_t bit = UINT64_C(1) << (s - conf_table);

	if (*seen & bit)
		return -1;
	*seen |= bit;
	conf_kinds[s->kind].clear(field);
	return 0;
}

static int
value_set(const struct conf_setting *s, void *field, const char *value,
    unsigned int line)
{
	char expected[CONF_EXPECTED_MAX], word[LOG_QUOTED_MAX];

	if (conf_kinds[s->kind].set(s, field, value) == 0)
		return 0;
	if (errno != EINVAL)
		return -1;
	complain(line, "%s: expected %s, got %s", s->name,
	    conf_kind_expected(s, expected, sizeof(expected)),
	    shown(word, sizeof(word), value));
	return -1;
}

/* One value, or one of a list.  libconfuse is given nothing to keep. */
static int
value_cb(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct conf_setting *s = conf_table_find(opt->name);
	unsigned int line = (unsigned int)cfg->line;
	struct conf_route *r;
	uint64_t *seen = &reader->seen_top;
	void *field;

	*(void **)result = NULL;
	assert(s != NULL);
	if (cfg == reader->top) {
		field = (char *)reader->conf + s->top;
	} else {
		r = route_begin(cfg);
		if (r == NULL)
			return -1;
		field = (char *)r + s->route;
		seen = &reader->seen[reader->conf->nroutes - 1];
	}
	if (opt->nvalues == 1 && value_first(s, seen, field) == -1) {
		complain(line, "%s: expected once, got it again", s->name);
		return -1;
	}
	return value_set(s, field, value, line);
}

/* ---- reading ---- */

/* The whole of a file, NUL-terminated; gives it, or NULL with a message. */
static char *
slurp(FILE *f, size_t *len)
{
	char *text = NULL, *longer;
	size_t cap = 0;

	*len = 0;
	do {
		cap += 4096 + cap;
		longer = realloc(text, cap + 1);
		if (longer == NULL) {
			free(text);
			return NULL;
		}
		text = longer;
		*len += fread(text + *len, 1, cap - *len, f);
	} while (*len == cap && cap <= FILE_BYTES_MAX);
	text[*len] = '\0';
	if (!ferror(f) && *len <= FILE_BYTES_MAX)
		return text;
	snprintf(reader->error, CONF_ERROR_MAX, "%.128s: %s", reader->name,
	    ferror(f) ? strerror(errno) : "expected at most 1 MiB, got more");
	free(text);
	return NULL;
}

/* libconfuse's view of the settings of one place. */
static cfg_opt_t *
options(bool in_route, cfg_opt_t *route)
{
	cfg_opt_t *opts = calloc(conf_table_size + 2, sizeof(*opts));
	const struct conf_setting *s;
	size_t i, n = 0;

	if (opts == NULL)
		return NULL;
	for (i = 0; i < conf_table_size; i++) {
		s = &conf_table[i];
		if ((in_route ? s->route : s->top) == CONF_NOWHERE)
			continue;
		opts[n].name = s->name;
		opts[n].type = CFGT_PTR;
		opts[n].flags = CFGF_NODEFAULT;
		if (conf_kinds[s->kind].is_list)
			opts[n].flags |= CFGF_LIST;
		opts[n++].parsecb = value_cb;
	}
	if (route != NULL) {
		opts[n].name = "route";
		opts[n].type = CFGT_SEC;
		opts[n].flags = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
		opts[n].subopts = route;
		opts[n].validcb = route_cb;
	}
	return opts;
}

static cfg_t *
grammar_new(void)
{
	cfg_opt_t *top = NULL, *route = options(true, NULL);
	cfg_t *cfg = NULL;

	if (route != NULL)
		top = options(false, route);
	if (top != NULL)
		cfg = cfg_init(top, CFGF_NONE);		/* copies */
	free(top);
	free(route);
	return cfg;
}

/* The end of the file. */
static int
finish(void)
{
	if (reader->conf->nroutes == 0) {
		complain((unsigned int)reader->top->line,
		    "route: expected at least one, got none");
		return -1;
	}
	return conf_complete(reader->conf, reader->seen);
}

/* Scans, parses and completes the reader's settings. */
static int
read_text(char *text, size_t len)
{
	char why[CONF_ERROR_MAX];
	unsigned int line;
	cfg_t *cfg;
	int rc = -1;

	if (conf_scan(text, len, &line, why) == -1) {
		complain(line, "%s", why);
		return -1;
	}
	cfg = grammar_new();
	if (cfg == NULL)
		return -1;
	cfg_set_error_function(cfg, error_cb);
	reader->top = cfg;
	if (cfg_parse_buf(cfg, text) == CFG_SUCCESS)
		rc = finish();
	/*
	 * Who fails and has nothing to say had no memory.  libconfuse (3.3) leaves
	 * a section behind then that is freed and still in its tree: that tree is
	 * lost, for cfg_free() would not come back from it.
	 */
	if (rc == 0 || reader->error[0] != '\0')
		cfg_free(cfg);
	return rc;
}

struct conf *
conf_read(FILE *f, const char *name, char error[CONF_ERROR_MAX])
{
	struct reader r = { .name = name, .error = error };
	char *text;
	size_t len;
	int rc = -1;

	assert(reader == NULL);
	reader = &r;
	error[0] = '\0';
	r.conf = conf_new();
	text = r.conf != NULL ? slurp(f, &len) : NULL;
	if (text != NULL)
		rc = read_text(text, len);
	if (rc == -1) {
		no_memory();		/* unless something else was said */
		conf_free(r.conf);
		r.conf = NULL;
	}
	free(text);
	free(r.seen);
	reader = NULL;
	return r.conf;
}
