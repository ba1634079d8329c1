/*
 * submit - a request, as if by a web server: for tries.
 *
 * DEFERD_SUBMIT says that it is a submission even where the path is one of
 * the operator's.  No HTTP client can make that variable.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/text.h"
#include "ctl/vars.h"
#include "ctl/wait.h"

#define SUBMITS		{ "DEFERD_SUBMIT", "1" }	/* the first variable */
#define VARS_MAX	128

struct submit {
	const struct ctl *ctl;
	struct talk_var	 vars[VARS_MAX];
	struct talk_question question;
	bool		 with_head;	/* -i */
	bool		 wait;		/* -w */
};

/* --- the body ------------------------------------------------------------ */

static FILE *
temporary(void)
{
	FILE *file = tmpfile();

	if (file == NULL)
		ctl_die("a temporary file: %s", strerror(errno));
	return file;
}

/* From here on to its end; the file's descriptor stays open. */
static void
take_file(struct submit *s, int fd)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	struct stat st;

	if (at == -1 || fstat(fd, &st) == -1)
		ctl_die("the body: %s", strerror(errno));
	s->question.body_fd = fd;
	s->question.body_size = st.st_size > at ? (uint64_t)(st.st_size - at) :
	    0;
}

static void
take_data(struct submit *s, const char *data)
{
	FILE *file = temporary();

	if (fputs(data, file) == EOF || fflush(file) == EOF)
		ctl_die("a temporary file: %s", strerror(errno));
	rewind(file);
	take_file(s, fileno(file));
}

/* Its length must be said before it: what has none becomes a file first. */
static void
take_stream(struct submit *s, int fd, const char *name)
{
	FILE *file = temporary();
	char chunk[TALK_CHUNK];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (fwrite(chunk, 1, (size_t)n, file) != (size_t)n)
			ctl_die("a temporary file: %s", strerror(errno));
	if (n == -1)
		ctl_die("%s: %s", name, strerror(errno));
	if (fflush(file) == EOF)
		ctl_die("a temporary file: %s", strerror(errno));
	rewind(file);
	take_file(s, fileno(file));
}

static void
take_named(struct submit *s, const char *name)
{
	int fd = strcmp(name, "-") == 0 ? STDIN_FILENO :
	    open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		ctl_die("%s: %s", name, strerror(errno));
	if (S_ISREG(st.st_mode))
		take_file(s, fd);
	else
		take_stream(s, fd, name);
}

static void
take_body(struct submit *s, const char *arg)
{
	if (s->question.method == NULL)
		s->question.method = "POST";
	if (*arg == '@')
		take_named(s, arg + 1);
	else
		take_data(s, arg);
}

/* --- the request --------------------------------------------------------- */

static int
take_header(struct submit *s, char *header)
{
	const char *value, *why;
	char *name;

	if (s->question.nvars == VARS_MAX) {
		ctl_say("more than %d headers", VARS_MAX - 1);
		return -1;
	}
	if ((why = vars_header(header, &name, &value)) != NULL) {
		ctl_say("-H %s: %s", header, why);
		return -1;
	}
	s->vars[s->question.nvars++] = (struct talk_var){ name, value };
	return 0;
}

static void
free_headers(struct submit *s)
{
	while (s->question.nvars > 1)
		free((char *)s->vars[--s->question.nvars].name);
}

static int
parse_options(struct submit *s, int argc, char **argv)
{
	const char *method = NULL;
	int c;

	while ((c = getopt(argc, argv, "X:d:H:iw")) != -1) {
		switch (c) {
		case 'X':
			method = optarg;
			break;
		case 'd':
			take_body(s, optarg);
			break;
		case 'H':
			if (take_header(s, optarg) == -1)
				return -1;
			break;
		case 'i':
			s->with_head = true;
			break;
		case 'w':
			s->wait = true;
			break;
		default:
			return -1;
		}
	}
	if (method != NULL)
		s->question.method = method;
	return optind == argc - 1 ? 0 : -1;
}

/* --- the answer ---------------------------------------------------------- */

static bool
is_over(const char *state)
{
	return strcmp(state, "queued") != 0 && strcmp(state, "running") != 0;
}

static void
print_head(const struct talk *t)
{
	struct text_stream out;
	const unsigned char *head = buf_data(&t->head);

	text_stream_init(&out, stdout, isatty(STDOUT_FILENO) == 1);
	for (size_t i = 0; i < buf_len(&t->head); i++)
		if (head[i] != '\r')
			text_stream_add(&out, &head[i], 1);
	text_stream_end(&out);
}

/* Shows an answer; the code says whether it is what one hoped for. */
static int
show(const struct submit *s, struct talk *t, const char *state)
{
	bool good = *state == '\0' ? t->status < 400 : !is_over(state) ||
	    strcmp(state, "succeeded") == 0;
	int code;

	if (s->with_head)
		print_head(t);
	else if (!good)
		return ask_problem(t, s->question.path);
	code = ask_copy(t);
	return code != EXIT_DONE ? code : good ? EXIT_DONE : EXIT_NO;
}

/* What stands at the link when the task has ended. */
static int
show_outcome(const struct submit *s, const char *id)
{
	char state[WAIT_STATE], *path;
	struct talk_question q = { .method = "GET" };
	struct talk t;
	int code = wait_for_end(s->ctl, id, -1, state);

	if (code != EXIT_DONE)
		return code;
	q.path = path = ask_link(id, "");
	if (talk_open(&t, s->ctl->socket, &q) == TALK_ANSWERED) {
		code = show(s, &t, talk_header(&t, "Deferd-State", state,
		    sizeof(state)));
	} else {
		ctl_say("%s", t.why);
		code = EXIT_AWAY;
	}
	talk_close(&t);
	free(path);
	return code;
}

static int
send_it(const struct submit *s)
{
	char state[WAIT_STATE], id[ASK_ID_TEXT];
	struct talk t;
	int code;

	if (talk_open(&t, s->ctl->socket, &s->question) != TALK_ANSWERED) {
		ctl_say("%s", t.why);
		talk_close(&t);
		return EXIT_AWAY;
	}
	talk_header(&t, "Deferd-State", state, sizeof(state));
	talk_header(&t, "Deferd-Task", id, sizeof(id));
	if (*state == '\0' || is_over(state)) {
		code = show(s, &t, state);
	} else if (s->wait) {
		code = show_outcome(s, id);
	} else if (s->with_head) {
		code = show(s, &t, state);
	} else {
		puts(id);
		code = EXIT_DONE;
	}
	talk_close(&t);
	return code;
}

static int
submit(struct submit *s, const char *typed)
{
	char *url = strdup(typed), *path;
	const char *why;
	int code = EXIT_USAGE;

	if (url == NULL)
		ctl_no_memory();
	why = vars_split_path(url, &path, &s->question.query);
	if (why == NULL) {
		s->question.uri = typed;
		s->question.path = path;
		code = send_it(s);
	} else {
		ctl_say("%s: %s", typed, why);
	}
	free(url);
	return code;
}

int
submit_run(const struct ctl *ctl, int argc, char **argv)
{
	struct submit s = { .ctl = ctl };
	int code;

	s.question.vars = s.vars;
	s.vars[s.question.nvars++] = (struct talk_var)SUBMITS;
	if (parse_options(&s, argc, argv) == -1) {
		code = ctl_usage(ctl);
	} else {
		if (s.question.method == NULL)
			s.question.method = "GET";
		code = submit(&s, argv[optind]);
	}
	free_headers(&s);
	return code;
}
