/*
 * conf - see conf.h.
 *
 * The text goes through conf_scan, then libconfuse walks its grammar and
 * calls value_cb() for each value as text; a value is checked and lands in
 * its field at once, while the line is known.  What depends on several
 * settings (what a route inherits, the pools) waits for the end.
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

#define FILE_BYTES_MAX	(1024 * 1024)
#define TITLE_BYTES_MAX	255		/* travels in every RUN frame */

const char conf_default_text[] =
	"store = \"memory\"\n"
	"control = \"\"\n"
	"spool = \"/tmp\"\n"
	"route \"/*\" { module = \"answer.so\" }\n";

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
	for (i = 0; i < sizeof(grammar) / sizeof(grammar[0]); i++) {
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

/* The section's closing brace. */
static int
route_cb(cfg_t *cfg, cfg_opt_t *opt)
{
	struct conf_route *r;
	char word[LOG_QUOTED_MAX], *p;

	(void)cfg;
	r = route_begin(cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1));
	if (r == NULL)
		return -1;
	if (route_pattern(r) == -1)
		return -1;
	if ((r->exec == NULL) == (r->module == NULL)) {
		complain(reader->section_line,
		    "route %s: expected either exec or module, got %s",
		    log_quote(word, sizeof(word), r->name, strlen(r->name)),
		    r->exec == NULL ? "neither" : "both");
		return -1;
	}
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

/* ---- what depends on several settings ---- */

static int
default_peers(struct conf *conf)
{
	const struct conf_setting *peers = conf_table_find("peers");
	int (*add)(const struct conf_setting *, void *, const char *) =
	    conf_kinds[KIND_LIST].set;

	if (conf->peers != NULL)
		return 0;
	if (add(peers, &conf->peers, conf->run_as) == -1)
		return -1;
	if (strcmp(conf->run_as, "root") == 0)
		return 0;
	return add(peers, &conf->peers, "root");
}

static void
inherit_limits(const struct conf *conf, struct conf_route *r, uint64_t seen)
{
	const struct conf_setting *s;
	size_t i;

	for (i = 0; i < conf_table_size; i++) {
		s = &conf_table[i];
		if (s->top == CONF_NOWHERE || s->route == CONF_NOWHERE ||
		    (seen & UINT64_C(1) << i))
			continue;
		memcpy((char *)r + s->route, (const char *)conf + s->top,
		    conf_kinds[s->kind].size);
	}
}

static char *
module_path(const struct conf *conf, const char *module)
{
	char *path;

	if (module[0] == '/')
		return strdup(module);
	return asprintf(&path, "%s/%s", conf->module_dir, module) == -1 ?
	    NULL : path;
}

/* Takes `module`.  The index of its pool, or -1 without memory. */
static int
pool_of(struct conf *conf, char *module)
{
	struct conf_pool *pools;
	size_t i;

	for (i = 0; i < conf->npools; i++) {
		if (conf->pools[i].module != NULL &&
		    strcmp(conf->pools[i].module, module) == 0) {
			free(module);
			return (int)i;
		}
	}
	pools = reallocarray(conf->pools, conf->npools + 1, sizeof(*pools));
	if (pools == NULL) {
		free(module);
		return -1;
	}
	conf->pools = pools;
	pools[conf->npools].module = module;
	return (int)conf->npools++;
}

/* The pool of executables comes first, if there is one. */
static int
make_pools(struct conf *conf)
{
	struct conf_route *r;
	char *module;
	int pool;

	for (r = conf->routes; r < conf->routes + conf->nroutes; r++) {
		if (r->exec == NULL)
			continue;
		conf->pools = calloc(1, sizeof(*conf->pools));
		if (conf->pools == NULL)
			return -1;
		conf->npools = 1;
		break;
	}
	for (r = conf->routes; r < conf->routes + conf->nroutes; r++) {
		if (r->module == NULL)
			continue;
		module = module_path(conf, r->module);
		if (module == NULL || (pool = pool_of(conf, module)) == -1)
			return -1;
		r->pool = (unsigned int)pool;
	}
	return 0;
}

static int
finish(struct conf *conf)
{
	size_t i;

	if (conf->nroutes == 0) {
		complain((unsigned int)reader->top->line,
		    "route: expected at least one, got none");
		return -1;
	}
	for (i = 0; i < conf->nroutes; i++)
		inherit_limits(conf, &conf->routes[i], reader->seen[i]);
	if (default_peers(conf) == -1)
		return -1;
	return make_pools(conf);
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
		rc = finish(reader->conf);
	cfg_free(cfg);
	return rc;
}

static struct conf *
conf_new(void)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	size_t i;

	if (conf == NULL)
		return NULL;
	for (i = 0; i < conf_table_size; i++) {
		if (conf_table[i].top != CONF_NOWHERE &&
		    conf_kind_default(&conf_table[i],
		    (char *)conf + conf_table[i].top) == -1) {
			conf_free(conf);
			return NULL;
		}
	}
	return conf;
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

int
conf_set_socket(struct conf *conf, const char *path)
{
	char *copy = strdup(path);

	if (copy == NULL)
		return -1;
	free(conf->socket_path);
	conf->socket_path = copy;
	return 0;
}

static void
route_fini(struct conf_route *r)
{
	size_t i;

	free(r->name);
	for (i = 0; i < conf_table_size; i++)
		if (conf_table[i].route != CONF_NOWHERE)
			conf_kinds[conf_table[i].kind].clear(
			    (char *)r + conf_table[i].route);
}

void
conf_free(struct conf *conf)
{
	size_t i;

	if (conf == NULL)
		return;
	for (i = 0; i < conf->nroutes; i++)
		route_fini(&conf->routes[i]);
	for (i = 0; i < conf->npools; i++)
		free(conf->pools[i].module);
	for (i = 0; i < conf_table_size; i++)
		if (conf_table[i].top != CONF_NOWHERE)
			conf_kinds[conf_table[i].kind].clear(
			    (char *)conf + conf_table[i].top);
	free(conf->routes);
	free(conf->pools);
	free(conf);
}

char *
conf_needs_restart(const struct conf *a, const struct conf *b, char *out,
    size_t size)
{
	const struct conf_setting *s;
	size_t i, len = 0;

	if (size > 0)
		out[0] = '\0';
	for (i = 0; i < conf_table_size; i++) {
		s = &conf_table[i];
		if (s->top == CONF_NOWHERE || s->live ||
		    conf_kinds[s->kind].equal((const char *)a + s->top,
		    (const char *)b + s->top))
			continue;
		if (len < size)
			len += (size_t)snprintf(out + len, size - len, "%s%s",
			    len > 0 ? ", " : "", s->name);
	}
	return out;
}
