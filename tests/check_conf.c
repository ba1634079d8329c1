/*
 * Settings: what is read, what is refused and in which words, and that what
 * is printed can be read again.
 */
#include "config.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/conf.h"
#include "daemon/conf_table.h"
#include "tests/fds.h"
#include "tests/scarce.h"
#include "tests/suite.h"

#define ROUTE	"route \"/*\" { module = \"a.so\" }\n"
#define A_RULE	"letters out of rwx, a colon and an absolute path"
#define A_COUNT	"a number of seconds from 1 to 31536000"
#define A_PATTERN "a path that begins with a slash, has no \"//\" and no " \
	"\"..\", a star only as \"/*\" at its end, and is not below /status " \
	"(the links)"
#define AN_ENV	"NAME=value, the name of A-Z, 0-9 and _, but not PATH, IFS, " \
	"ENV, BASH_ENV, LD_* or DEFERD_*"

static char error[CONF_ERROR_MAX];

static struct conf *
read_bytes(const char *text, size_t len)
{
	struct conf *conf;
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, len, f), len);
	rewind(f);
	conf = conf_read(f, "f", error);
	fclose(f);
	return conf;
}

static struct conf *
read_good(const char *text)
{
	struct conf *conf = read_bytes(text, strlen(text));

	ck_assert_msg(conf != NULL, "%s", error);
	ck_assert_str_eq(error, "");
	return conf;
}

/* What conf_print() says; the caller frees it. */
static char *
printed(const struct conf *conf)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	conf_print(conf, f);
	fclose(f);
	return text;
}

/* ---- refused ---- */

static const struct {
	const char *text, *want;
} bad[] = {
	/* what libconfuse would let through */
	{ "keep = 1\nroute \"/x\" { module = \"a.so\"\n\n",
	    "f:2: expected a \"}\" to this \"{\", got the end of the file" },
	{ "route \"/x\" {\nenv = { \"A=1\",\n",
	    "f:2: expected a \"}\" to this \"{\", got the end of the file" },
	{ "keep = -5\n" ROUTE,
	    "f:1: keep: expected " A_COUNT ", got -5" },
	{ "retry = -1\n" ROUTE,
	    "f:1: retry: expected a whole number from 0 to 100, got -1" },
	{ "route \"/x\" { module = \"a.so\" priority = -101 }\n",
	    "f:1: priority: expected a whole number from -100 to 100, got -101" },
	{ "route \"/x\" { module = \"a.so\" priority = - }\n",
	    "f:1: priority: expected a whole number from -100 to 100, got -" },
	{ "route \"/x\" { module = \"a.so\" priority = --5 }\n",
	    "f:1: priority: expected a whole number from -100 to 100, got --5" },
	/* walls */
	{ "route \"/x\" { exec = \"/x\" landlock = { \"/usr\" } }\n",
	    "f:1: landlock: expected " A_RULE ", got \"/usr\"" },
	{ "route \"/x\" { exec = \"/x\" landlock = { \":/usr\" } }\n",
	    "f:1: landlock: expected " A_RULE ", got \":/usr\"" },
	{ "route \"/x\" { exec = \"/x\" landlock = { \"rr:/usr\" } }\n",
	    "f:1: landlock: expected " A_RULE ", got \"rr:/usr\"" },
	{ "route \"/x\" { exec = \"/x\" landlock = { \"rq:/usr\" } }\n",
	    "f:1: landlock: expected " A_RULE ", got \"rq:/usr\"" },
	{ "route \"/x\" { exec = \"/x\" landlock = { \"r:usr\" } }\n",
	    "f:1: landlock: expected " A_RULE ", got \"r:usr\"" },
	{ "landlock = { \"r:/usr\" }\n" ROUTE,
	    "f:1: landlock: expected inside of a route, got it outside" },
	{ "route \"/x\" { module = \"a.so\" no-new-privs = yes }\n",
	    "f:1: no-new-privs: expected in a route with exec or scripts: "
	    "a module shares its process with other tasks" },
	{ "route \"/x\" { module = \"a.so\" landlock = { \"r:/\" } }\n",
	    "f:1: landlock: expected in a route with exec or scripts: "
	    "a module shares its process with other tasks" },
#ifdef HAVE_SECCOMP
	{ "route \"/x\" { module = \"a.so\" network = no }\n",
	    "f:1: network = no: expected in a route with exec or scripts: "
	    "a module shares its process with other tasks" },
	{ "route \"/x\" { exec = \"/x\" network = no no-new-privs = no }\n",
	    "f:1: no-new-privs: expected yes, which network = no needs, "
	    "got no" },
#else
	{ "route \"/x\" { exec = \"/x\" network = no }\n",
	    "f:1: network: expected yes (this build has no seccomp), got no" },
#endif
	{ "route \"/x\" { exec = \"/x\" no-new-privs = no\n"
	    "landlock = { \"r:/\" } }\n",
	    "f:1: no-new-privs: expected yes, which landlock needs, got no" },
	{ ROUTE "\n" ROUTE,
	    "f:3: route: expected a title not yet used, got \"/*\"" },
	{ "\nroute /* { module = \"a.so\" }",
	    "f:2: expected quotes around text that has a '/'" },
	{ "/* comment */\n" ROUTE,
	    "f:1: expected quotes around text that has a '/'" },
	{ "// comment\n" ROUTE,
	    "f:1: expected quotes around text that has a '/'" },
	{ "user = \"${USER}\"\n" ROUTE,
	    "f:1: expected \\${ (no variable is ever put in), got ${" },
	{ "user = \"a\\\\${USER}\"\n" ROUTE,
	    "f:1: expected \\${ (no variable is ever put in), got ${" },
	{ "user = ${USER}\n" ROUTE,
	    "f:1: expected quotes around text that has a '$'" },
	{ "include(\"/etc/passwd\")\n" ROUTE,
	    "f:1: expected quotes around text that has a '('" },
	{ "include = \"/etc/passwd\"\n" ROUTE,
	    "f:1: include: expected a setting, got an unknown name" },
	{ "user = \"a\\0b\"\n" ROUTE,
	    "f:1: expected \\\", \\\\ or \\$ in text between double quotes, "
	    "got another backslash" },
	{ "user = \"a\\x00b\"\n" ROUTE,
	    "f:1: expected \\\", \\\\ or \\$ in text between double quotes, "
	    "got another backslash" },
	{ "\"keep\" = 5\n" ROUTE,
	    "f:1: expected a name without quotes" },
	{ ROUTE "\"route|keep\" = 5\n",
	    "f:2: expected a name without quotes" },
	{ "route \"/x\" { \"keep\" = 5 }\n",
	    "f:1: expected a name without quotes" },
	{ "user = a \"keep\" = 5\n",
	    "f:1: expected a name without quotes" },
	{ "peers += { \"a\" }\n" ROUTE,
	    "f:1: expected quotes around text that has a '+'" },
	{ "peers = { }\n" ROUTE,
	    "f:1: expected at least one value in a list, got {}" },
	{ "keep = 5\nkeep = 5\n" ROUTE,
	    "f:2: keep: expected once, got it again" },
	{ "peers = { \"a\" }\npeers = { \"b\" }\n" ROUTE,
	    "f:2: peers: expected once, got it again" },
	{ "route \"/x\" {\ngrace = 1\nexec = \"/x\"\ngrace = 1\n}",
	    "f:4: grace: expected once, got it again" },
	{ "~keep = 5\n" ROUTE,
	    "f:1: expected quotes around text that has a '~'" },
	{ "keep = 5\r\n" ROUTE,
	    "f:1: expected printable text, got the byte 0x0d" },
	{ "user = \"a\tb\"\n" ROUTE,
	    "f:1: expected printable text, got the byte 0x09" },
	{ "\xef\xbb\xbfkeep = 5\n" ROUTE,
	    "f:1: expected printable text, got the byte 0xef" },

	/* grammar */
	{ "user = \"a\n" ROUTE,
	    "f:1: expected a \" at the end of the text, got the end of the line" },
	{ "user = 'a",
	    "f:1: expected a ' at the end of the text, got the end of the line" },
	{ "user = 'a\\'\n" ROUTE,
	    "f:1: expected a ' at the end of the text, got the end of the line" },
	{ ROUTE "}\n",
	    "f:2: expected a setting, got a \"}\" that closes nothing" },
	{ "route \"/x\" {{{{{",
	    "f:1: expected a \"}\", got one more \"{\"" },
	{ "keep\n5\n" ROUTE,
	    "f:2: keep: expected \"=\" after the name" },
	{ ROUTE "keep =",
	    "f:2: expected a value, got the end of the file" },
	{ "keep = = 5\n" ROUTE,
	    "f:1: expected a setting or a value, got \"=\"" },
	{ "keep = { 5 }\n" ROUTE,
	    "f:1: expected a setting or a value, got \"{\"" },
	{ "peers = { \"a\" \"b\" }\n" ROUTE,
	    "f:1: expected a setting or a value, got b" },
	{ "route { module = \"a.so\" }\n",
	    "f:1: route: expected a title in quotes" },
	{ "route \"/x\"\nmodule = \"a.so\"\n",
	    "f:2: route: expected \"{\" after the title" },

	/* names */
	{ "tiemout = 5\n" ROUTE,
	    "f:1: tiemout: expected a setting, got an unknown name "
	    "(did you mean timeout?)" },
	{ "max_body = 5\n" ROUTE,
	    "f:1: max_body: expected a setting, got an unknown name "
	    "(did you mean max-body?)" },
	{ "rout \"/x\" { }\n" ROUTE,
	    "f:1: rout: expected a setting, got an unknown name "
	    "(did you mean route?)" },
	{ "route \"/x\" {\nexce = \"/x\" }\n",
	    "f:2: exce: expected a setting, got an unknown name "
	    "(did you mean exec?)" },
	{ "Keep = 5\n" ROUTE,
	    "f:1: Keep: expected a setting, got an unknown name "
	    "(did you mean keep?)" },
	{ "colour = \"blue\"\n" ROUTE,
	    "f:1: colour: expected a setting, got an unknown name" },
	{ "a-name-that-is-longer-than-any-setting-has = 1\n" ROUTE,
	    "f:1: a-name-that-is-longer-than-any-setting-has: expected a "
	    "setting, got an unknown name" },
	{ "exec = \"/bin/true\"\n" ROUTE,
	    "f:1: exec: expected inside of a route, got it outside" },
	{ "route \"/x\" {\n\nworkers = 3 }\n",
	    "f:3: workers: expected outside of routes, got it in one" },
	{ "route \"/x\" { route \"/y\" { } }\n",
	    "f:1: route: expected outside of routes, got it in one" },

	/* numbers */
	{ "keep = 0\n" ROUTE,
	    "f:1: keep: expected " A_COUNT ", got 0" },
	{ "\n\nkeep = 31536001\n" ROUTE,
	    "f:3: keep: expected " A_COUNT ", got 31536001" },
	{ "keep = 0x10\n" ROUTE,
	    "f:1: keep: expected " A_COUNT ", got 0x10" },
	{ "keep = 1.5\n" ROUTE,
	    "f:1: keep: expected " A_COUNT ", got 1.5" },
	{ "keep = 5s\n" ROUTE,
	    "f:1: keep: expected " A_COUNT ", got 5s" },
	{ "keep = \"\"\n" ROUTE,
	    "f:1: keep: expected " A_COUNT ", got \"\"" },
	{ "keep = \" 5\"\n" ROUTE,
	    "f:1: keep: expected " A_COUNT ", got \" 5\"" },
	{ "keep = 18446744073709551617\n" ROUTE,
	    "f:1: keep: expected " A_COUNT ", got 18446744073709551617" },
	{ "workers = 65\n" ROUTE,
	    "f:1: workers: expected a whole number from 1 to 64, got 65" },
	{ "threads = 513\n" ROUTE,
	    "f:1: threads: expected a whole number from 1 to 512, got 513" },
	{ "nice = 20\n" ROUTE,
	    "f:1: nice: expected a whole number from 0 to 19, got 20" },
	{ "route \"/x\" { exec = \"/x\"\ntimeout = 0 }\n",
	    "f:2: timeout: expected " A_COUNT ", got 0" },
	{ "inline = 65537\n" ROUTE,
	    "f:1: inline: expected a size from 0 to 64K (bytes, or with K, M "
	    "or G), got 65537" },
	{ "inline = 65K\n" ROUTE,
	    "f:1: inline: expected a size from 0 to 64K (bytes, or with K, M "
	    "or G), got 65K" },
	{ "max-body = 1T\n" ROUTE,
	    "f:1: max-body: expected a size from 0 to 1024G (bytes, or with "
	    "K, M or G), got 1T" },
	{ "max-body = 64m\n" ROUTE,
	    "f:1: max-body: expected a size from 0 to 1024G (bytes, or with "
	    "K, M or G), got 64m" },
	{ "max-body = M\n" ROUTE,
	    "f:1: max-body: expected a size from 0 to 1024G (bytes, or with "
	    "K, M or G), got M" },
	{ "max-body = 17179869185G\n" ROUTE,
	    "f:1: max-body: expected a size from 0 to 1024G (bytes, or with "
	    "K, M or G), got 17179869185G" },

	/* words and texts */
	{ "rerun = \"sometimes\"\n" ROUTE,
	    "f:1: rerun: expected \"idempotent\", \"always\" or \"never\", "
	    "got sometimes" },
#ifdef HAVE_SQLITE
	{ "store = \"sqlite:tasks.db\"\n" ROUTE,
	    "f:1: store: expected \"memory\", or \"sqlite:PATH\" with an "
	    "absolute path, got \"sqlite:tasks.db\"" },
	{ "store = \"sqlite:/var/lib/deferd/\"\n" ROUTE,
	    "f:1: store: expected \"memory\", or \"sqlite:PATH\" with an "
	    "absolute path, got \"sqlite:/var/lib/deferd/\"" },
	{ "store = \"sqlite\"\n" ROUTE,
	    "f:1: store: expected \"memory\", or \"sqlite:PATH\" with an "
	    "absolute path, got sqlite" },
#else
	{ "store = \"sqlite:/var/lib/deferd/tasks.db\"\n" ROUTE,
	    "f:1: store: expected \"memory\" (this build has no SQLite), got "
	    "\"sqlite:/var/lib/deferd/tasks.db\"" },
#endif
	{ "socket = \"deferd.sock\"\n" ROUTE,
	    "f:1: socket: expected an absolute path of at most 107 bytes, got "
	    "deferd.sock" },
	{ "socket = \"\"\n" ROUTE,
	    "f:1: socket: expected an absolute path of at most 107 bytes, got "
	    "\"\"" },
	{ "socket = \"/123456789012345678901234567890123456789012345678901234"
	    "56789012345678901234567890123456789012345678901234567\"\n" ROUTE,
	    "f:1: socket: expected an absolute path of at most 107 bytes, got "
	    "\"/12345678901234567890123456789012345678901234567890123456789012"
	    "345678901234567890123456789012345678901234567\"" },
	{ "spool = \"spool\"\n" ROUTE,
	    "f:1: spool: expected an absolute path, got spool" },
	{ "user = \"a:b\"\n" ROUTE,
	    "f:1: user: expected the name of a user, got \"a:b\"" },
	{ "peers = { root, \"\" }\n" ROUTE,
	    "f:1: peers: expected names of users, got \"\"" },
	{ "mount = \"/jobs/\"\n" ROUTE,
	    "f:1: mount: expected a path without a slash at its end, or \"\" "
	    "for none, got \"/jobs/\"" },
	{ "exec-path = \"/bin:\"\n" ROUTE,
	    "f:1: exec-path: expected absolute directories with colons "
	    "between them, got \"/bin:\"" },

	/* routes */
	{ "", "f:1: route: expected at least one, got none" },
	{ "keep = 5\n", "f:2: route: expected at least one, got none" },
	{ "\nroute \"/x\" {\n\n}\n",
	    "f:4: route \"/x\": expected one of exec, module and scripts, "
	    "got none" },
	{ "\nroute \"/x\" {\nexec = \"/x\"\nmodule = \"x.so\"\n}\n",
	    "f:2: route \"/x\": expected one of exec, module and scripts, "
	    "got more" },
	{ "\nroute \"/x\" {\nexec = \"/x\"\nscripts = \"/x\"\n}\n",
	    "f:2: route \"/x\": expected one of exec, module and scripts, "
	    "got more" },
	{ "route \"/x\" { scripts = \"www\" }",
	    "f:1: scripts: expected an absolute path, got www" },
	{ "route \"/x\" {\nscripts = \"/www\" handler = \"a b\" }",
	    "f:2: handler: expected the name of a handler, letters, digits, "
	    "_, - and ., got \"a b\"" },
	{ "route \"/x\" { exec = \"/x\" handler = \"h\" }",
	    "f:1: handler: expected in a route with scripts" },
	{ "route \"\" { module = \"x.so\" }",
	    "f:1: route: expected a title of 1 to 255 bytes, got 0" },
	{ "route \"x\" {\nmodule = \"x.so\" }",
	    "f:1: route: expected " A_PATTERN ", got x" },
	{ "route \"/x*\" { module = \"x.so\" }",
	    "f:1: route: expected " A_PATTERN ", got \"/x*\"" },
	{ "route \"/*/x\" { module = \"x.so\" }",
	    "f:1: route: expected " A_PATTERN ", got \"/*/x\"" },
	{ "route \"/x//*\" { module = \"x.so\" }",
	    "f:1: route: expected " A_PATTERN ", got \"/x//*\"" },
	{ "route \"/x/../y\" { module = \"x.so\" }",
	    "f:1: route: expected " A_PATTERN ", got \"/x/../y\"" },
	{ "route \"/..\" { module = \"x.so\" }",
	    "f:1: route: expected " A_PATTERN ", got \"/..\"" },
	{ "route \"/status/*\" { module = \"x.so\" }",
	    "f:1: route: expected " A_PATTERN ", got \"/status/*\"" },
	{ "route \"a\" {\npath = \"/status/7\" module = \"x.so\" }",
	    "f:2: path: expected " A_PATTERN ", got \"/status/7\"" },
	{ "route \"/x\" { exec = \"x.cgi\" }",
	    "f:1: exec: expected an absolute path, got x.cgi" },
	{ "route \"/x\" { module = \"../x.so\" }",
	    "f:1: module: expected a file in module-dir or an absolute path, "
	    "got \"../x.so\"" },
	{ "route \"/x\" { host = \"example.org:80\" module = \"x.so\" }",
	    "f:1: host: expected the name of a host without a port, got "
	    "\"example.org:80\"" },
	{ "route \"/x\" { methods = { \"get\" } module = \"x.so\" }",
	    "f:1: methods: expected methods out of GET, HEAD, POST, PUT, "
	    "PATCH, DELETE, OPTIONS, TRACE, got get" },
	{ "route \"/x\" { methods = { GET, OTHER } module = \"x.so\" }",
	    "f:1: methods: expected methods out of GET, HEAD, POST, PUT, "
	    "PATCH, DELETE, OPTIONS, TRACE, got OTHER" },
	{ "route \"/x\" { exit-status = \"log\" }",
	    "f:1: exit-status: expected \"fail\" or \"ignore\", got log" },
	{ "route \"/x\" { respond = sync }",
	    "f:1: respond: expected \"async\" or \"prefer\", got sync" },
	{ "route \"/x\" { share = true }",
	    "f:1: share: expected yes or no, got true" },
	{ "max-wait = 3601\n",
	    "f:1: max-wait: expected a number of seconds from 0 to 3600, "
	    "got 3601" },
	{ "route \"/x\" { env = { \"A=1\",\n\"PATH=/x\" } }",
	    "f:2: env: expected " AN_ENV ", got \"PATH=/x\"" },
	{ "route \"/x\" { env = { \"LD_PRELOAD=/x\" } }",
	    "f:1: env: expected " AN_ENV ", got \"LD_PRELOAD=/x\"" },
	{ "route \"/x\" { env = { \"DEFERD_SOCKET=/x\" } }",
	    "f:1: env: expected " AN_ENV ", got \"DEFERD_SOCKET=/x\"" },
	{ "route \"/x\" { env = { \"BASH_ENV=/x\" } }",
	    "f:1: env: expected " AN_ENV ", got \"BASH_ENV=/x\"" },
	{ "route \"/x\" { env = { \"ENV=/x\" } }",
	    "f:1: env: expected " AN_ENV ", got \"ENV=/x\"" },
	{ "route \"/x\" { env = { \"IFS=x\" } }",
	    "f:1: env: expected " AN_ENV ", got \"IFS=x\"" },
	{ "route \"/x\" { env = { \"A\" } }",
	    "f:1: env: expected " AN_ENV ", got A" },
	{ "route \"/x\" { env = { \"a=1\" } }",
	    "f:1: env: expected " AN_ENV ", got \"a=1\"" },
	{ "route \"/x\" { env = { \"1A=1\" } }",
	    "f:1: env: expected " AN_ENV ", got \"1A=1\"" },
	{ "route \"/x\" { env = { \"=1\" } }",
	    "f:1: env: expected " AN_ENV ", got \"=1\"" },
	/* what is shown of a value cannot act on a terminal */
	{ "user = \"\x9b" "2J\"\n" ROUTE,
	    "f:1: user: expected the name of a user, got \"\\x9b2J\"" },
};

START_TEST(test_bad)
{
	/* a name that libconfuse would put in */
	setenv("USER", "nobody", 1);
	ck_assert_ptr_null(read_bytes(bad[_i].text, strlen(bad[_i].text)));
	ck_assert_str_eq(error, bad[_i].want);
	/* and it leaves nothing behind that the next file meets */
	conf_free(read_good(ROUTE));
}
END_TEST

START_TEST(test_nul)
{
	static const char text[] = "keep = 5\0\n" ROUTE;

	ck_assert_ptr_null(read_bytes(text, sizeof(text) - 1));
	ck_assert_str_eq(error,
	    "f:1: expected printable text, got the byte 0x00");
}
END_TEST

START_TEST(test_too_large)
{
	size_t len = 1024 * 1024 - strlen(ROUTE);
	char *text = malloc(len + strlen(ROUTE) + 2);

	memset(text, '\n', len);
	strcpy(text + len, ROUTE);
	conf_free(read_good(text));
	strcpy(text + len, ROUTE "\n");
	ck_assert_ptr_null(read_bytes(text, strlen(text)));
	ck_assert_str_eq(error, "f: expected at most 1 MiB, got more");
	free(text);
}
END_TEST

START_TEST(test_unreadable)
{
	FILE *f = fopen("/", "r");

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_null(conf_read(f, "etc", error));
	ck_assert_str_eq(error, "etc: Is a directory");
	fclose(f);
}
END_TEST

/* A long file name and long values: cut, never over the end. */
START_TEST(test_long_message)
{
	char *text = malloc(20000), *name = malloc(20000), *tight = malloc(
	    CONF_ERROR_MAX);
	FILE *f;

	memset(name, 'n', 19999);
	name[19999] = '\0';
	sprintf(text, "mount = \"%.9000s\"\n", name);
	f = fmemopen(text, strlen(text), "r");
	ck_assert_ptr_null(conf_read(f, name, tight));
	ck_assert_uint_lt(strlen(tight), CONF_ERROR_MAX);
	ck_assert_ptr_nonnull(strstr(tight, ":1: mount: expected a path"));
	fclose(f);
	free(tight);
	free(name);
	free(text);
}
END_TEST

/* ---- read ---- */

static const char rich[] =
	"# a comment with /* and ${HOME} and a \" in it\n"
	"socket = \"/tmp/d.sock\"   # another\n"
	"control = \"/tmp/c.sock\" pid-file = \"/tmp/pid\"\n"
	"spool='/tmp/spool' user=alice run-as = \"bob\"\n"
	"peers = { \"www-data\", # why\n"
	"\t'lighttpd', root, }\n"
	"module-dir = \"/opt/modules\" mount = \"/jobs\"\n"
	"exec-path = \"/opt/bin:/bin\"\n"
	"workers = 3 threads = 4 queue = 5 max-tasks = 6\n"
	"max-store = 2G inline = \"1K\" max-connections = 77\n"
	"head-deadline = 1 body-deadline = 2 send-deadline = 3 drain = 0\n"
	"max-waiting = 4\n"
	"route \"/report/*\"   # the brace is below\n"
	"{\n"
	"\texec = \"/usr/lib/cgi-bin/report.cgi\"\n"
	"\ttimeout = 600 max-running = 4 max-queued = 9 nice = 19\n"
	"\tcpu = 60 memory = 512M file-size = 1000 processes = 50\n"
	"\tenv = { 'A=${HOME}\"\\\\', \"B=\\${X}\\\\\\\"\xc3\xa9 # no comment\" }\n"
	"\texit-status = ignore rerun = never keep = 1 grace = 0\n"
	"\trespond = prefer share = yes max-wait = 20 max-per-client = 21\n"
	"\tlandlock = { \"rx:/usr\", \"rw:/var/lib/a b\" }\n"
	"\tmax-body = 0 max-response = 1 max-attempts = 100\n"
	"}\n"
	"route thumb { path = \"/a..b/\" host = \"Example.ORG\" module = thumb.so\n"
	"\tpriority = -7 retry = 2 retry-delay = 0\n"
	"\tmethods = { \"POST\", TRACE } }\n"
	"route \"thumb 2\" { path = \"/thumb\" host = \"[::1]\"\n"
	"\tmodule = \"/opt/modules/thumb.so\" }\n"
	"route \"/*\" { module = \"answer.so\" }\n"
	/* behind the routes, and still their default */
	"keep = 11 timeout = 12 grace = 13 max-body = 14 max-response = 15\n"
	"max-attempts = 16 rerun = \"always\" max-running = 17 max-queued = 18\n"
	"max-wait = 19 max-per-client = 20\n";

START_TEST(test_defaults)
{
	struct conf *c = read_good(ROUTE);

#ifdef HAVE_SQLITE
	ck_assert_int_eq(strncmp(c->store, "sqlite:/", 8), 0);
#else
	ck_assert_str_eq(c->store, "memory");
#endif
	ck_assert_str_eq(c->user, "deferd");
	ck_assert_str_eq(c->run_as, "www-data");
	ck_assert_str_eq(c->peers[0], "www-data");
	ck_assert_str_eq(c->peers[1], "root");
	ck_assert_ptr_null(c->peers[2]);
	ck_assert_ptr_null(c->mount);
	ck_assert_ptr_null(c->pid_file);
	ck_assert_ptr_nonnull(c->control_path);
	ck_assert_int_eq(c->socket_path[0], '/');
	ck_assert_int_eq(c->workers, 2);
	ck_assert_int_eq(c->threads, 16);
	ck_assert_int_eq(c->queue, 10000);
	ck_assert_int_eq(c->max_tasks, 1000000);
	ck_assert_int_eq(c->max_store_bytes, INT64_C(4) << 30);
	ck_assert_int_eq(c->inline_bytes, 65536);
	ck_assert_int_eq(c->max_connections, 12000);
	ck_assert_int_eq(c->head_deadline_s, 10);
	ck_assert_int_eq(c->body_deadline_s, 60);
	ck_assert_int_eq(c->send_deadline_s, 60);
	ck_assert_int_eq(c->drain_s, 60);
	ck_assert_int_eq(c->max_waiting, 32);
	ck_assert_uint_eq(c->generation, 0);
	conf_free(c);
}
END_TEST

START_TEST(test_default_limits)
{
	struct conf *c = read_good(ROUTE);
	struct conf_limits *l = &c->routes[0].limits;

	ck_assert_int_eq(l->keep_s, 300);
	ck_assert_int_eq(l->timeout_s, 3600);
	ck_assert_int_eq(l->grace_s, 5);
	ck_assert_int_eq(l->max_body_bytes, 64 << 20);
	ck_assert_int_eq(l->max_response_bytes, 1 << 30);
	ck_assert_int_eq(l->max_attempts, 3);
	ck_assert_int_eq(l->max_running, 0);
	ck_assert_int_eq(l->max_queued, 0);
	ck_assert_int_eq(l->max_wait_s, 30);
	ck_assert_int_eq(l->max_per_client, 0);
	ck_assert_int_eq(l->rerun, RERUN_IDEMPOTENT);
	ck_assert_int_eq(l->cpu_s, 0);
	ck_assert_int_eq(l->memory_bytes, 0);
	ck_assert_int_eq(l->file_size_bytes, 0);
	ck_assert_int_eq(l->processes, 0);
	ck_assert_int_eq(l->nice, 0);
	ck_assert_uint_eq(c->routes[0].methods, 1u << METHOD_GET |
	    1u << METHOD_POST | 1u << METHOD_PUT | 1u << METHOD_PATCH |
	    1u << METHOD_DELETE);
	ck_assert(!c->routes[0].exit_status_ignore);
	ck_assert(!c->routes[0].respond_prefer && !c->routes[0].share);
	ck_assert(!c->routes[0].no_new_privs && c->routes[0].network);
	ck_assert_ptr_null(c->routes[0].landlock);
	ck_assert_ptr_null(c->routes[0].env);
	ck_assert_ptr_null(c->routes[0].host);
	conf_free(c);
}
END_TEST

START_TEST(test_top)
{
	struct conf *c = read_good(rich);

	ck_assert_str_eq(c->socket_path, "/tmp/d.sock");
	ck_assert_str_eq(c->control_path, "/tmp/c.sock");
	ck_assert_str_eq(c->pid_file, "/tmp/pid");
	ck_assert_str_eq(c->spool, "/tmp/spool");
	ck_assert_str_eq(c->user, "alice");
	ck_assert_str_eq(c->run_as, "bob");
	ck_assert_str_eq(c->peers[0], "www-data");
	ck_assert_str_eq(c->peers[1], "lighttpd");
	ck_assert_str_eq(c->peers[2], "root");
	ck_assert_ptr_null(c->peers[3]);
	ck_assert_str_eq(c->module_dir, "/opt/modules");
	ck_assert_str_eq(c->mount, "/jobs");
	ck_assert_str_eq(c->path, "/opt/bin:/bin");
	ck_assert_int_eq(c->workers, 3);
	ck_assert_int_eq(c->threads, 4);
	ck_assert_int_eq(c->queue, 5);
	ck_assert_int_eq(c->max_tasks, 6);
	ck_assert_int_eq(c->max_store_bytes, INT64_C(2) << 30);
	ck_assert_int_eq(c->inline_bytes, 1024);
	ck_assert_int_eq(c->max_connections, 77);
	ck_assert_int_eq(c->head_deadline_s, 1);
	ck_assert_int_eq(c->body_deadline_s, 2);
	ck_assert_int_eq(c->send_deadline_s, 3);
	ck_assert_int_eq(c->drain_s, 0);
	ck_assert_int_eq(c->max_waiting, 4);
	conf_free(c);
}
END_TEST

START_TEST(test_route)
{
	struct conf *c = read_good(rich);
	struct conf_route *r = c->routes;
	struct conf_limits *l = &r->limits;

	ck_assert_uint_eq(c->nroutes, 4);
	ck_assert_str_eq(r->name, "/report/*");
	ck_assert_str_eq(r->pattern, "/report/*");
	ck_assert_uint_eq(r->prefix_len, 7);
	ck_assert(r->is_prefix);
	ck_assert_str_eq(r->exec, "/usr/lib/cgi-bin/report.cgi");
	ck_assert_ptr_null(r->module);
	ck_assert_str_eq(r->env[0], "A=${HOME}\"\\");
	ck_assert_str_eq(r->env[1], "B=${X}\\\"\xc3\xa9 # no comment");
	ck_assert_ptr_null(r->env[2]);
	ck_assert(r->exit_status_ignore);
	ck_assert(r->respond_prefer && r->share);
	ck_assert_str_eq(r->landlock[0], "rx:/usr");
	ck_assert_str_eq(r->landlock[1], "rw:/var/lib/a b");
	ck_assert_ptr_null(r->landlock[2]);
	ck_assert(r->no_new_privs);	/* landlock needs it */
	ck_assert_int_eq(l->keep_s, 1);
	ck_assert_int_eq(l->timeout_s, 600);
	ck_assert_int_eq(l->grace_s, 0);
	ck_assert_int_eq(l->max_body_bytes, 0);
	ck_assert_int_eq(l->max_response_bytes, 1);
	ck_assert_int_eq(l->max_attempts, 100);
	ck_assert_int_eq(l->max_running, 4);
	ck_assert_int_eq(l->max_queued, 9);
	ck_assert_int_eq(l->max_wait_s, 20);
	ck_assert_int_eq(l->max_per_client, 21);
	ck_assert_int_eq(l->rerun, RERUN_NEVER);
	ck_assert_int_eq(l->cpu_s, 60);
	ck_assert_int_eq(l->memory_bytes, 512 << 20);
	ck_assert_int_eq(l->file_size_bytes, 1000);
	ck_assert_int_eq(l->processes, 50);
	ck_assert_int_eq(l->nice, 19);
	conf_free(c);
}
END_TEST

/* Titles are unique names; `path` gives the pattern. */
START_TEST(test_path_and_host)
{
	struct conf *c = read_good(rich);
	struct conf_route *r = c->routes;

	ck_assert_str_eq(r[1].name, "thumb");
	ck_assert_str_eq(r[1].pattern, "/a..b/");
	ck_assert_uint_eq(r[1].prefix_len, 6);
	ck_assert(!r[1].is_prefix);
	ck_assert_str_eq(r[1].host, "example.org");
	ck_assert_uint_eq(r[1].methods, 1u << METHOD_POST | 1u << METHOD_TRACE);
	ck_assert_int_eq(r[1].priority, -7);
	ck_assert_int_eq(r[1].limits.retry, 2);
	ck_assert_int_eq(r[1].limits.retry_delay_s, 0);
	ck_assert_str_eq(r[2].pattern, "/thumb");
	ck_assert_int_eq(r[2].priority, 0);
	ck_assert_int_eq(r[2].limits.retry, 0);
	ck_assert_int_eq(r[2].limits.retry_delay_s, 1);
	ck_assert_str_eq(r[2].host, "[::1]");
	ck_assert_str_eq(r[3].pattern, "/*");
	ck_assert_uint_eq(r[3].prefix_len, 0);
	ck_assert(r[3].is_prefix);
	conf_free(c);
}
END_TEST

/* A limit at the top counts for every route, wherever in the file it is. */
START_TEST(test_inherited)
{
	struct conf *c = read_good(rich);
	struct conf_limits *l = &c->routes[3].limits;

	ck_assert_int_eq(l->keep_s, 11);
	ck_assert_int_eq(l->timeout_s, 12);
	ck_assert_int_eq(l->grace_s, 13);
	ck_assert_int_eq(l->max_body_bytes, 14);
	ck_assert_int_eq(l->max_response_bytes, 15);
	ck_assert_int_eq(l->max_attempts, 16);
	ck_assert_int_eq(l->rerun, RERUN_ALWAYS);
	ck_assert_int_eq(l->max_running, 17);
	ck_assert_int_eq(l->max_queued, 18);
	ck_assert_int_eq(l->max_wait_s, 19);
	ck_assert_int_eq(l->max_per_client, 20);
	ck_assert_int_eq(c->limits.keep_s, 11);
	conf_free(c);
}
END_TEST

START_TEST(test_pools)
{
	struct conf *c = read_good(rich);

	ck_assert_uint_eq(c->npools, 3);
	ck_assert_ptr_null(c->pools[0].module);
	ck_assert_str_eq(c->pools[1].module, "/opt/modules/thumb.so");
	ck_assert_str_eq(c->pools[2].module, "/opt/modules/answer.so");
	ck_assert_uint_eq(c->routes[0].pool, 0);
	ck_assert_uint_eq(c->routes[1].pool, 1);
	ck_assert_uint_eq(c->routes[2].pool, 1);
	ck_assert_uint_eq(c->routes[3].pool, 2);
	conf_free(c);

	/* executables come first, also when they are last in the file */
	c = read_good(ROUTE "route \"/x\" { exec = \"/x\" }");
	ck_assert_uint_eq(c->npools, 2);
	ck_assert_ptr_null(c->pools[0].module);
	ck_assert_uint_eq(c->routes[0].pool, 1);
	ck_assert_uint_eq(c->routes[1].pool, 0);
	conf_free(c);

	c = read_good(ROUTE);
	ck_assert_uint_eq(c->npools, 1);
	ck_assert_ptr_nonnull(c->pools[0].module);
	conf_free(c);
}
END_TEST

START_TEST(test_scripts)
{
	struct conf *c = read_good(ROUTE
	    "route \"/a\" { scripts = \"/www\" }\n"
	    "route \"/b\" { scripts = \"/www\" handler = \"h\" "
	    "exit-status = \"fail\" }\n");

	ck_assert_ptr_null(c->pools[0].module);	/* they are executables */
	ck_assert_uint_eq(c->routes[1].pool, 0);
	ck_assert_uint_eq(c->routes[0].pool, 1);
	ck_assert_ptr_null(c->routes[0].handler);
	ck_assert(!c->routes[0].exit_status_ignore);
	ck_assert_str_eq(c->routes[1].scripts, "/www");
	ck_assert_str_eq(c->routes[1].handler, "defer-script");
	ck_assert(c->routes[1].exit_status_ignore);
	ck_assert_str_eq(c->routes[2].handler, "h");
	ck_assert(!c->routes[2].exit_status_ignore);
	conf_free(c);
}
END_TEST

START_TEST(test_peers_follow_run_as)
{
	struct conf *c = read_good("run-as = \"alice\"\n" ROUTE);

	ck_assert_str_eq(c->peers[0], "alice");
	ck_assert_str_eq(c->peers[1], "root");
	ck_assert_ptr_null(c->peers[2]);
	conf_free(c);
	c = read_good("run-as = \"root\"\n" ROUTE);
	ck_assert_str_eq(c->peers[0], "root");
	ck_assert_ptr_null(c->peers[1]);
	conf_free(c);
	c = read_good("peers = \"bob\"\n" ROUTE);	/* one needs no braces */
	ck_assert_str_eq(c->peers[0], "bob");
	ck_assert_ptr_null(c->peers[1]);
	conf_free(c);
}
END_TEST

static const struct {
	const char *text;
	int64_t want;
} sizes[] = {
	{ "0", 0 }, { "1", 1 }, { "007", 7 }, { "1023", 1023 },
	{ "1K", 1024 }, { "\"64M\"", 64 << 20 }, { "3G", INT64_C(3) << 30 },
	{ "1024G", INT64_C(1) << 40 }, { "1099511627776", INT64_C(1) << 40 },
};

START_TEST(test_sizes)
{
	char text[128];
	struct conf *c;

	snprintf(text, sizeof(text), "max-body = %s\n" ROUTE, sizes[_i].text);
	c = read_good(text);
	ck_assert_int_eq(c->limits.max_body_bytes, sizes[_i].want);
	conf_free(c);
}
END_TEST

/* No variable of the environment is put in, however it is written. */
START_TEST(test_environment)
{
	struct conf *c;

	setenv("USER", "nobody", 1);
	c = read_good("route \"/x\" { exec = \"/x\" env = { \"A=\\${USER}\", "
	    "'B=${USER}', \"C=$USER\" } }");
	ck_assert_str_eq(c->routes[0].env[0], "A=${USER}");
	ck_assert_str_eq(c->routes[0].env[1], "B=${USER}");
	ck_assert_str_eq(c->routes[0].env[2], "C=$USER");
	conf_free(c);
}
END_TEST

/* Reading starts where the file stands: descriptors are shared. */
START_TEST(test_position)
{
	FILE *f = tmpfile();
	struct conf *c;

	fputs("garbage {\n" ROUTE, f);
	fseek(f, 10, SEEK_SET);
	c = conf_read(f, "f", error);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->nroutes, 1);
	conf_free(c);
	fclose(f);
}
END_TEST

START_TEST(test_default_text)
{
	struct conf *c = read_good(conf_default_text);

	ck_assert_ptr_null(c->control_path);
	ck_assert_ptr_null(c->pid_file);
	ck_assert_str_eq(c->store, "memory");
	ck_assert_uint_eq(c->nroutes, 1);
	ck_assert_str_eq(c->routes[0].pattern, "/*");
	ck_assert_str_eq(c->routes[0].module, "answer.so");
	ck_assert_int_eq(conf_set_socket(c, "x.sock"), 0);
	ck_assert_str_eq(c->socket_path, "x.sock");
	conf_free(c);
}
END_TEST

START_TEST(test_method)
{
	enum conf_method m;

	for (m = 0; m < METHOD_OTHER; m++)
		ck_assert_int_eq(conf_method(conf_method_names[m]), m);
	ck_assert_int_eq(conf_method("get"), METHOD_OTHER);
	ck_assert_int_eq(conf_method("GETS"), METHOD_OTHER);
	ck_assert_int_eq(conf_method("OTHER"), METHOD_OTHER);
	ck_assert_int_eq(conf_method(""), METHOD_OTHER);
}
END_TEST

/* ---- printed ---- */

static const char *const round_trips[] = { conf_default_text, ROUTE, rich };

START_TEST(test_round_trip)
{
	struct conf *a = read_good(round_trips[_i]), *b;
	char *once = printed(a), *twice;

	b = read_good(once);
	twice = printed(b);
	ck_assert_str_eq(once, twice);
	ck_assert_uint_eq(a->nroutes, b->nroutes);
	ck_assert_uint_eq(a->npools, b->npools);
	free(once);
	free(twice);
	conf_free(a);
	conf_free(b);
}
END_TEST

static const void *
field(const void *base, size_t offset)
{
	return (const char *)base + offset;
}

/* Not only the same text: the same fields, every one of them. */
START_TEST(test_round_trip_fields)
{
	struct conf *a = read_good(round_trips[_i]), *b;
	const struct conf_setting *s;
	char *text = printed(a);
	size_t i, r;

	b = read_good(text);
	free(text);
	for (i = 0; i < conf_table_size; i++) {
		s = &conf_table[i];
		if (s->top != CONF_NOWHERE)
			ck_assert_msg(conf_kinds[s->kind].equal(
			    field(a, s->top), field(b, s->top)), "%s", s->name);
		for (r = 0; s->route != CONF_NOWHERE && r < a->nroutes; r++)
			ck_assert_msg(conf_kinds[s->kind].equal(
			    field(&a->routes[r], s->route),
			    field(&b->routes[r], s->route)), "%s", s->name);
	}
	for (r = 0; r < a->nroutes; r++) {
		ck_assert_str_eq(a->routes[r].name, b->routes[r].name);
		ck_assert_uint_eq(a->routes[r].pool, b->routes[r].pool);
	}
	conf_free(a);
	conf_free(b);
}
END_TEST

/* Every row of the table is fit for the manual, and its default is good. */
START_TEST(test_describe)
{
	char *text, *line, *rest, *p;
	size_t len, rows = 0;
	int tabs;
	FILE *f = open_memstream(&text, &len);

	conf_describe(f);
	fclose(f);
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		for (tabs = 0, p = line; *p != '\0'; p++)
			tabs += *p == '\t';
		ck_assert_int_eq(tabs, 6);
		ck_assert_ptr_null(strstr(line, "\t\t"));
		ck_assert_ptr_null(strstr(line, "(null)"));
		if (rows > 0)
			ck_assert(strncmp(line, conf_table[rows - 1].name,
			    strlen(conf_table[rows - 1].name)) == 0);
		rows++;
	}
	ck_assert_uint_eq(rows, conf_table_size + 1);
	free(text);
}
END_TEST

START_TEST(test_needs_restart)
{
	struct conf *a = read_good(rich), *b = read_good(rich);
	char out[64], tight[8];

	ck_assert_str_eq(conf_needs_restart(a, b, out, sizeof(out)), "");
	b->limits.keep_s++;		/* a reload is enough */
	b->queue++;
	ck_assert_str_eq(conf_needs_restart(a, b, out, sizeof(out)), "");
	b->threads++;
	b->workers++;
	ck_assert_str_eq(conf_needs_restart(a, b, out, sizeof(out)),
	    "workers, threads");
	ck_assert_str_eq(conf_needs_restart(a, b, tight, sizeof(tight)),
	    "workers");
	ck_assert_str_eq(conf_needs_start(a, b, out, sizeof(out)), "");
	ck_assert_int_eq(conf_set_socket(b, "/tmp/other"), 0);
	ck_assert_str_eq(conf_needs_start(a, b, out, sizeof(out)), "socket");
	ck_assert_str_eq(conf_needs_restart(a, b, out, sizeof(out)),
	    "workers, threads");
	conf_free(a);
	conf_free(b);
}
END_TEST

/* ---- anything ---- */

/* A file cut anywhere, or with any byte changed: read or refused. */
/* In a child: the status is what has happened at the n-th allocation. */
enum { SAID_SO, NONE_FAILED, LEFT, SILENT };

static void
read_without_memory(int n)
{
	static char text[] = "mount = \"/jobs\" peers = { \"root\", \"www-data\" }\n"
	    "route \"/a/*\" { exec = \"/bin/a\" env = { \"A=1\", \"B=2\" } }\n"
	    "route \"/b\" { module = \"b.so\" timeout = 3 }\n";
	FILE *f = fmemopen(text, strlen(text), "r");
	struct conf *conf;
	bool failed;

	left = n;
	conf = conf_read(f, "f", error);
	failed = left < 0;
	left = -1;
	if (conf == NULL && strstr(error, "no memory") == NULL)
		_exit(SILENT);
	conf_free(conf);
	_exit(failed ? SAID_SO : NONE_FAILED);
}

/*
 * Whatever the moment at which memory ends, it says so and nothing breaks; but
 * libconfuse (3.3) itself leaves with 2 or by an assertion of its scanner's at
 * some of them: then the launcher starts another master.
 */
START_TEST(test_each_allocation_fails)
{
	int n, status, said = 0, gone = 0;
	pid_t pid;

	if (!OWN_MALLOC || in_valgrind())	/* which would call a tree lost */
		return;
	for (n = 0; ; n++) {
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			read_without_memory(n);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == NONE_FAILED)
			break;
		if (WIFEXITED(status) && WEXITSTATUS(status) == SAID_SO)
			said++;
		else if (WIFEXITED(status) ? WEXITSTATUS(status) == LEFT :
		    WTERMSIG(status) == SIGABRT)
			gone++;
		else
			ck_abort_msg("allocation %d: status %#x", n, (unsigned)status);
	}
	ck_assert_int_gt(said, 100);
	ck_assert_int_lt(gone, said / 4);
}
END_TEST

START_TEST(test_mutilated)
{
	static const char bytes[] = "\"'\\{}=,#$\n ;\x80";
	char text[sizeof(rich)];
	size_t i, j;

	for (i = 0; i < sizeof(rich) - 1; i++) {
		conf_free(read_bytes(rich, i));
		for (j = 0; j < sizeof(bytes) - 1; j++) {
			memcpy(text, rich, sizeof(rich));
			text[i] = bytes[j];
			conf_free(read_bytes(text, sizeof(rich) - 1));
		}
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conf");
	TCase *refused = suite_case(suite, "refused", NULL, NULL);
	TCase *good = suite_case(suite, "read", NULL, NULL);
	TCase *text = suite_case(suite, "printed", NULL, NULL);
	TCase *any = suite_case(suite, "anything", NULL, NULL);

	tcase_add_loop_test(refused, test_bad, 0, N(bad));
	tcase_add_test(refused, test_nul);
	tcase_add_test(refused, test_too_large);
	tcase_add_test(refused, test_unreadable);
	tcase_add_test(refused, test_long_message);
	tcase_add_test(good, test_defaults);
	tcase_add_test(good, test_default_limits);
	tcase_add_test(good, test_top);
	tcase_add_test(good, test_route);
	tcase_add_test(good, test_path_and_host);
	tcase_add_test(good, test_inherited);
	tcase_add_test(good, test_pools);
	tcase_add_test(good, test_peers_follow_run_as);
	tcase_add_loop_test(good, test_sizes, 0, N(sizes));
	tcase_add_test(good, test_environment);
	tcase_add_test(good, test_scripts);
	tcase_add_test(good, test_position);
	tcase_add_test(good, test_default_text);
	tcase_add_test(good, test_method);
	tcase_add_loop_test(text, test_round_trip, 0, N(round_trips));
	tcase_add_loop_test(text, test_round_trip_fields, 0, N(round_trips));
	tcase_add_test(text, test_describe);
	tcase_add_test(text, test_needs_restart);
	tcase_add_test(any, test_mutilated);
	tcase_add_test(any, test_each_allocation_fails);
	tcase_set_timeout(any, 120);
	return suite_run(suite);
}
