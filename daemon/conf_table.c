/*
 * conf_table - every setting of deferd.conf.
 *
 * To add one: a field in conf.h and a row here.  Reading, defaults, `deferd
 * -n`, reload and the manual follow.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf_table.h"
#include "ipc/nitems.h"

/* The build says where; these let a file be compiled alone. */
#ifndef DEFERD_RUNDIR
#define DEFERD_RUNDIR		"/run/deferd"
#endif
#ifndef DEFERD_STATEDIR
#define DEFERD_STATEDIR		"/var/lib/deferd"
#endif
#ifndef DEFERD_MODULE_DIR
#define DEFERD_MODULE_DIR	"/usr/local/lib/deferd"
#endif
#ifndef DEFERD_SOCKET_PATH
#define DEFERD_SOCKET_PATH	DEFERD_RUNDIR "/deferd.sock"
#endif

#define TOP(field)	.top = offsetof(struct conf, field), .route = CONF_NOWHERE
#define ROUTE(field)	.top = CONF_NOWHERE, .route = offsetof(struct conf_route, field)
#define LIMIT(field)	.top = offsetof(struct conf, limits.field), \
			.route = offsetof(struct conf_route, limits.field)
#define LIVE		.live = true
#define HELD		.held = true
#define RANGE(a, b)	.min = INT64_C(a), .max = INT64_C(b)

#define KIB		1024
#define TIB		1099511627776
#define YEAR		31536000	/* in seconds */

#define A_SOCKET	"an absolute path of at most 107 bytes"
#define A_PATH		"an absolute path"
#define OR_NONE		", or \"\" for none"
#ifdef HAVE_SQLITE
#define A_STORE		"\"memory\", or \"sqlite:PATH\" with an absolute path"
#define STORE		"sqlite:" DEFERD_STATEDIR "/tasks.db"
#else
#define A_STORE		"\"memory\" (this build has no SQLite)"
#define STORE		"memory"
#endif
#ifdef HAVE_SECCOMP
#define A_NETWORK	"yes or no"
#else
#define A_NETWORK	"yes (this build has no seccomp)"
#endif
#define A_USER		"the name of a user"

const struct conf_setting conf_table[] = {
	{ "socket", KIND_TEXT, TOP(socket_path), HELD,
	    .check = conf_check_socket, .expected = A_SOCKET,
	    .def = DEFERD_SOCKET_PATH,
	    .meaning = "where requests come in; 0660" },
	{ "control", KIND_TEXT, TOP(control_path), HELD,
	    .check = conf_check_socket_or_none, .expected = A_SOCKET OR_NONE,
	    .def = DEFERD_RUNDIR "/control.sock",
	    .meaning = "the operator's socket; 0600, with control-peers 0660" },
	{ "store", KIND_TEXT, TOP(store),
	    .check = conf_check_store,
	    .expected = A_STORE,
	    .def = STORE,
	    .meaning = "where tasks are kept" },
	{ "spool", KIND_TEXT, TOP(spool),
	    .check = conf_check_path, .expected = A_PATH,
	    .def = DEFERD_STATEDIR "/spool",
	    .meaning = "the directory of bodies above inline" },
	{ "user", KIND_TEXT, TOP(user), HELD,
	    .check = conf_check_user, .expected = A_USER,
	    .def = "deferd",
	    .meaning = "who the master runs as, if root starts deferd" },
	{ "run-as", KIND_TEXT, TOP(run_as), HELD,
	    .check = conf_check_user, .expected = A_USER,
	    .def = "www-data",
	    .meaning = "who tasks run as, if root starts deferd" },
	{ "peers", KIND_LIST, TOP(peers), LIVE,
	    .check = conf_check_user, .expected = "names of users",
	    .def_words = "the user of run-as, and root",
	    .meaning = "who may connect to the socket" },
	{ "control-peers", KIND_LIST, TOP(control_peers), HELD,
	    .check = conf_check_user, .expected = "names of users",
	    .def_words = "none",
	    .meaning = "who may operate, beside root and the user of the master" },
	{ "pid-file", KIND_TEXT, TOP(pid_file), HELD,
	    .check = conf_check_path_or_none, .expected = A_PATH OR_NONE,
	    .def = "",
	    .meaning = "where the launcher writes its process id" },
	{ "module-dir", KIND_TEXT, TOP(module_dir), LIVE,
	    .check = conf_check_path, .expected = A_PATH,
	    .def = DEFERD_MODULE_DIR,
	    .meaning = "where modules without a slash are looked for" },
	{ "mount", KIND_TEXT, TOP(mount), LIVE,
	    .check = conf_check_mount,
	    .expected = "a path without a slash at its end, or \"\" for none",
	    .def = "",
	    .meaning = "cut from the path if the server sends no PATH_INFO" },
	{ "exec-path", KIND_TEXT, TOP(path), LIVE,
	    .check = conf_check_exec_path,
	    .expected = "absolute directories with colons between them",
	    .def = "/usr/local/bin:/usr/bin:/bin",
	    .meaning = "PATH of executables" },
	{ "workers", KIND_NUMBER, TOP(workers), RANGE(1, 64),
	    .def = "2",
	    .meaning = "worker processes for executables, and for each module" },
	{ "threads", KIND_NUMBER, TOP(threads), RANGE(1, 512),
	    .def = "16",
	    .meaning = "tasks that one worker runs at a time" },
	{ "max-connections", KIND_NUMBER, TOP(max_connections),
	    RANGE(1, 60000),	/* struct task counts 65535 readers */
	    .def = "12000",
	    .meaning = "requests and answers under way at a time" },
	{ "queue", KIND_NUMBER, TOP(queue), LIVE, RANGE(1, 10000000),
	    .def = "10000",
	    .meaning = "tasks that wait for a worker; above it: 503" },
	{ "max-tasks", KIND_NUMBER, TOP(max_tasks), LIVE, RANGE(1, 100000000),
	    .def = "1000000",
	    .meaning = "tasks not expired; above it: 503" },
	{ "max-store", KIND_SIZE, TOP(max_store_bytes), LIVE,
	    RANGE(KIB, 64 * TIB),
	    .def = "4G",
	    .meaning = "bytes kept, arriving bodies too; above it: 503" },
	{ "min-free", KIND_SIZE, TOP(min_free_bytes), LIVE, RANGE(0, 64 * TIB),
	    .def = "64M",
	    .meaning = "bytes, at most a tenth of it, left free on the disk of "
		"database and spool; below it: 503" },
	{ "inline", KIND_SIZE, TOP(inline_bytes), LIVE, RANGE(0, 64 * KIB),
	    .def = "64K",
	    .meaning = "bodies above it are files in the spool" },
	{ "head-deadline", KIND_SECONDS, TOP(head_deadline_s), LIVE,
	    RANGE(1, 3600),
	    .def = "10",
	    .meaning = "for the whole head of a request" },
	{ "body-deadline", KIND_SECONDS, TOP(body_deadline_s), LIVE,
	    RANGE(1, 3600),
	    .def = "60",
	    .meaning = "for a body that makes no progress" },
	{ "send-deadline", KIND_SECONDS, TOP(send_deadline_s), LIVE,
	    RANGE(1, 3600),
	    .def = "60",
	    .meaning = "for an answer that nobody reads" },
	{ "max-waiting", KIND_NUMBER, TOP(max_waiting), LIVE, RANGE(0, 60000),
	    .def = "32",
	    .meaning = "requests held open through the door at a time" },
	{ "drain", KIND_SECONDS, TOP(drain_s), LIVE, RANGE(0, 86400),
	    .def = "60",
	    .meaning = "how long a stop waits for running tasks" },

	{ "keep", KIND_SECONDS, LIMIT(keep_s), LIVE, RANGE(1, YEAR),
	    .def = "300",
	    .meaning = "how long a finished task can be fetched" },
	{ "timeout", KIND_SECONDS, LIMIT(timeout_s), LIVE, RANGE(1, YEAR),
	    .def = "3600",
	    .meaning = "how long a task may run" },
	{ "grace", KIND_SECONDS, LIMIT(grace_s), LIVE, RANGE(0, 3600),
	    .def = "5",
	    .meaning = "from SIGTERM to SIGKILL" },
	{ "max-body", KIND_SIZE, LIMIT(max_body_bytes), LIVE, RANGE(0, TIB),
	    .def = "64M",
	    .meaning = "body of a request; above it: 413" },
	{ "max-response", KIND_SIZE, LIMIT(max_response_bytes), LIVE,
	    RANGE(1, TIB),
	    .def = "1G",
	    .meaning = "body of a response; above it the task fails" },
	{ "max-attempts", KIND_NUMBER, LIMIT(max_attempts), LIVE,
	    RANGE(1, 100),
	    .def = "3",
	    .meaning = "how often a task is started at most" },
	{ "rerun", KIND_RERUN, LIMIT(rerun), LIVE,
	    .expected = "\"idempotent\", \"always\" or \"never\"",
	    .def = "idempotent",
	    .meaning = "which interrupted tasks start again" },
	{ "retry", KIND_NUMBER, LIMIT(retry), LIVE, RANGE(0, 100),
	    .def = "0",
	    .meaning = "more tries for an idempotent request that failed" },
	{ "retry-delay", KIND_SECONDS, LIMIT(retry_delay_s), LIVE,
	    RANGE(0, 3600),
	    .def = "1",
	    .meaning = "before the first of them; doubles, up to an hour" },
	{ "max-running", KIND_NUMBER, LIMIT(max_running), LIVE,
	    RANGE(0, 100000),
	    .def = "0", .def_words = "0: as many as threads are free",
	    .meaning = "tasks of one route that run at a time" },
	{ "max-queued", KIND_NUMBER, LIMIT(max_queued), LIVE,
	    RANGE(0, 10000000),
	    .def = "0", .def_words = "0: up to queue",
	    .meaning = "tasks of one route that wait; above it: 503" },
	{ "max-per-client", KIND_NUMBER, LIMIT(max_per_client), LIVE,
	    RANGE(0, 10000000),
	    .def = "0", .def_words = "0: no limit",
	    .meaning = "unfinished tasks of one client (REMOTE_USER, else "
		"REMOTE_ADDR; of the latter, those since the daemon started), "
		"out of those that came while this was set; above it: 429" },
	{ "max-wait", KIND_SECONDS, LIMIT(max_wait_s), LIVE, RANGE(0, 3600),
	    .def = "30",
	    .meaning = "how long a request is held open for the end of its task" },
	{ "cpu", KIND_SECONDS, LIMIT(cpu_s), LIVE, RANGE(0, YEAR),
	    .def = "0", .def_words = "0: no limit",
	    .meaning = "processor time of an executable" },
	{ "memory", KIND_SIZE, LIMIT(memory_bytes), LIVE, RANGE(0, 64 * TIB),
	    .def = "0", .def_words = "0: no limit",
	    .meaning = "address space of an executable" },
	{ "file-size", KIND_SIZE, LIMIT(file_size_bytes), LIVE,
	    RANGE(0, 64 * TIB),
	    .def = "0", .def_words = "0: no limit",
	    .meaning = "the largest file an executable may write" },
	{ "processes", KIND_NUMBER, LIMIT(processes), LIVE, RANGE(0, 1000000),
	    .def = "0", .def_words = "0: no limit",
	    .meaning = "processes of the user an executable runs as" },
	{ "nice", KIND_NUMBER, LIMIT(nice), LIVE, RANGE(0, 19),
	    .def = "0",
	    .meaning = "how far an executable stands back" },

	{ "exec", KIND_TEXT, ROUTE(exec), LIVE,
	    .check = conf_check_path, .expected = A_PATH,
	    .meaning = "the program to run; this, module or scripts" },
	{ "module", KIND_TEXT, ROUTE(module), LIVE,
	    .check = conf_check_module,
	    .expected = "a file in module-dir or an absolute path",
	    .meaning = "the module to call; this, exec or scripts" },
	{ "scripts", KIND_TEXT, ROUTE(scripts), LIVE,
	    .check = conf_check_path, .expected = A_PATH,
	    .meaning = "the directory of scripts that the web server resolves "
		"(Apache's Action); this, exec or module" },
	{ "handler", KIND_TEXT, ROUTE(handler), LIVE,
	    .check = conf_check_handler,
	    .expected = "the name of a handler, letters, digits, _, - and .",
	    .def_words = "defer-script, with scripts",
	    .meaning = "what the web server's Action calls them" },
	{ "path", KIND_TEXT, ROUTE(pattern), LIVE,
	    .check = conf_check_pattern,
	    .expected = "a path that begins with a slash, has no \"//\" and no "
		"\"..\", a star only as \"/*\" at its end, and is not below "
		"/status (the links)",
	    .def_words = "the title of the route",
	    .meaning = "which requests; /* at the end stands for all below" },
	{ "host", KIND_TEXT, ROUTE(host), LIVE,
	    .check = conf_check_host,
	    .expected = "the name of a host without a port",
	    .def_words = "any",
	    .meaning = "only requests to this host" },
	{ "methods", KIND_METHODS, ROUTE(methods), LIVE,
	    .expected = "methods out of GET, HEAD, POST, PUT, PATCH, DELETE, "
		"OPTIONS, TRACE",
	    .def = "GET POST PUT PATCH DELETE",
	    .meaning = "what may be asked for; otherwise: 405" },
	{ "env", KIND_LIST, ROUTE(env), LIVE,
	    .check = conf_check_env,
	    .expected = "NAME=value, the name of A-Z, 0-9 and _, but not PATH, "
		"IFS, ENV, BASH_ENV, LD_* or DEFERD_*",
	    .meaning = "variables for the task" },
	{ "priority", KIND_NUMBER, ROUTE(priority), LIVE, RANGE(-100, 100),
	    .def = "0",
	    .meaning = "who is next: a step counts as a second of waiting" },
	{ "exit-status", KIND_EXIT_STATUS, ROUTE(exit_status_ignore), LIVE,
	    .expected = "\"fail\" or \"ignore\"",
	    .def = "fail", .def_words = "fail; with scripts: ignore",
	    .meaning = "what an exit status other than 0 does to the task" },
	{ "respond", KIND_RESPOND, ROUTE(respond_prefer), LIVE,
	    .expected = "\"async\" or \"prefer\"",
	    .def = "async",
	    .meaning = "async: 202 unless the request prefers to wait; prefer: "
		"it waits unless it prefers respond-async" },
	{ "share", KIND_YES, ROUTE(share), LIVE,
	    .expected = "yes or no",
	    .def = "no",
	    .meaning = "a GET without a body that equals one under way (path, "
		"query, host, user) shares its task; since the daemon started" },
	{ "no-new-privs", KIND_YES, ROUTE(no_new_privs), LIVE,
	    .expected = "yes or no",
	    .def = "no", .def_words = "no; with landlock or network = no: yes",
	    .meaning = "setuid and setgid programs give an executable nothing" },
	{ "landlock", KIND_LIST, ROUTE(landlock), LIVE,
	    .check = conf_check_landlock,
	    .expected = "letters out of rwx, a colon and an absolute path",
	    .def_words = "all files",
	    .meaning = "the only files that an executable can read (r), "
		"write (w) and run (x), with all below" },
	{ "network", KIND_YES, ROUTE(network), LIVE,
	    .check = conf_check_network, .expected = A_NETWORK,
	    .def = "yes",
	    .meaning = "no: an executable can make Unix sockets only" },
};

const size_t conf_table_size = nitems(conf_table);

static_assert(nitems(conf_table) <= CONF_SETTINGS_MAX,
    "sets of settings are 64-bit masks");

const struct conf_setting *
conf_table_find(const char *name)
{
	size_t i;

	for (i = 0; i < conf_table_size; i++)
		if (strcmp(conf_table[i].name, name) == 0)
			return &conf_table[i];
	return NULL;
}

#define NEAR_MAX	32	/* bytes of a name worth comparing */

/*
 * How many letters to insert, remove, change or swap with their neighbor to
 * turn one name into the other (the restricted Damerau-Levenshtein
 * distance); both shorter than NEAR_MAX.
 */
static unsigned int
distance(const char *a, const char *b)
{
	unsigned int d[NEAR_MAX + 1][NEAR_MAX + 1];
	size_t i, j, la = strlen(a), lb = strlen(b);

	for (i = 0; i <= la; i++)
		d[i][0] = (unsigned int)i;
	for (j = 0; j <= lb; j++)
		d[0][j] = (unsigned int)j;
	for (i = 1; i <= la; i++) {
		for (j = 1; j <= lb; j++) {
			d[i][j] = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < d[i][j])
				d[i][j] = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < d[i][j])
				d[i][j] = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[la][lb];
}

/* Two letters off in a long name, one in a short one. */
const char *
conf_table_nearest(const char *name, bool in_route)
{
	const char *nearest = NULL;
	size_t i, len = strlen(name);
	unsigned int n, least = len > 4 ? 3 : 2;

	if (len >= NEAR_MAX)
		return NULL;
	if (!in_route && (n = distance(name, "route")) < least) {
		least = n;
		nearest = "route";
	}
	for (i = 0; i < conf_table_size; i++) {
		if ((in_route ? conf_table[i].route : conf_table[i].top) ==
		    CONF_NOWHERE)
			continue;
		n = distance(name, conf_table[i].name);
		if (n < least) {
			least = n;
			nearest = conf_table[i].name;
		}
	}
	return nearest;
}
