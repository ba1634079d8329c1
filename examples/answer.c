/*
 * answer - the example that every document of deferd uses, as a module.
 *
 * It takes its time, ANSWER_SECONDS (10 if the route says nothing), and then
 * answers with one JSON string:
 *
 *	GET /hello	"The answer is: hello"
 *
 * Build and use it:
 *
 *	cc -shared -fPIC -o answer.so answer.c
 *
 *	route ... { module = "/where/it/is/answer.so"
 *	            env = { "ANSWER_SECONDS=10" } }
 *
 * answer.cgi does the same as a shell script.  A module saves the start of a
 * process; a script cannot crash anybody but itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <deferd.h>

#define STEP_MS	50		/* how fast it notices a cancel */

/* Tells deferd which version of the interface this was compiled for. */
DEFERD_MODULE

/* The work.  0, or -1 when nobody waits for the result any more. */
static int
work(const struct deferd_api *api, struct deferd_task *task, double seconds)
{
	const struct timespec step = { 0, STEP_MS * 1000000L };
	long i, steps = (long)(seconds * 1000 / STEP_MS);

	for (i = 0; i < steps; i++) {
		if (api->cancelled(task))
			return -1;
		/* Call it as often as you like: deferd sends what is worth it. */
		api->progress(task, (unsigned int)(i * 100 / steps),
		    "thinking");
		nanosleep(&step, NULL);
	}
	return 0;
}

/* A text inside a JSON string (RFC 8259 7). */
static void
write_json(const struct deferd_api *api, struct deferd_task *task,
    const char *text)
{
	char escaped[8];
	size_t plain;

	while (*text != '\0') {
		for (plain = 0; (unsigned char)text[plain] >= ' ' &&
		    text[plain] != '"' && text[plain] != '\\'; plain++)
			;
		api->write(task, text, plain);
		text += plain;
		if (*text == '\0')
			break;
		snprintf(escaped, sizeof(escaped), "\\u%04x",
		    (unsigned int)(unsigned char)*text++);
		api->write(task, escaped, 6);
	}
}

/* Called once for each task, from many threads at the same time. */
int
deferd_run(const struct deferd_api *api, struct deferd_task *task)
{
	const char *seconds = api->variable(task, "ANSWER_SECONDS");
	const char *path = api->variable(task, "PATH_INFO");

	if (work(api, task, seconds != NULL ? atof(seconds) : 10) == -1)
		return 1;

	if (path == NULL)
		path = "";
	if (*path == '/')
		path++;
	api->header(task, "Content-Type", "application/json");
	api->write(task, "\"The answer is: ", 16);
	write_json(api, task, path);
	api->write(task, "\"\n", 2);
	return 0;
}
