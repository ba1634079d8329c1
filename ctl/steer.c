/*
 * steer - the verbs that change how the daemon goes on, and ping.
 */
#include "config.h"

#include <unistd.h>

#include "ctl/ask.h"
#include "ctl/doc.h"
#include "ctl/text.h"
#include "ctl/units.h"

/* A POST without a body, by a command without arguments. */
static int
command(const struct ctl *ctl, int argc, char **argv, const char *path,
    int status)
{
	struct talk_question q = {
		.method = "POST", .path = path, .patience_s = ASK_PATIENCE_S,
		.status = status,
	};

	if (getopt(argc, argv, "") != -1 || optind != argc)
		return ctl_usage(ctl);
	return ask_done(ctl, &q, NULL);
}

int
steer_pause(const struct ctl *ctl, int argc, char **argv)
{
	return command(ctl, argc, argv, "/pause", 204);
}

int
steer_resume(const struct ctl *ctl, int argc, char **argv)
{
	return command(ctl, argc, argv, "/resume", 204);
}

int
steer_drain(const struct ctl *ctl, int argc, char **argv)
{
	return command(ctl, argc, argv, "/drain", 202);
}

int
steer_restart(const struct ctl *ctl, int argc, char **argv)
{
	return command(ctl, argc, argv, "/restart", 202);
}

/* Asks for a document, by a command without arguments. */
static int
ask(const struct ctl *ctl, int argc, char **argv, const char *method,
    const char *path, const char *member, json_t **doc)
{
	struct talk_question q = {
		.method = method, .path = path, .patience_s = ASK_PATIENCE_S,
		.status = 200, .member = member,
	};

	*doc = NULL;
	if (getopt(argc, argv, "") != -1 || optind != argc)
		return ctl_usage(ctl);
	return ask_json(ctl, &q, NULL, doc);
}

int
steer_reload(const struct ctl *ctl, int argc, char **argv)
{
	json_t *doc;
	int code = ask(ctl, argc, argv, "POST", "/reload", "generation", &doc);
	const char *names = doc_text(doc, "needs_restart");

	if (code == EXIT_DONE)
		printf("generation %.0f\n", doc_number(doc, "generation", 0));
	if (names != NULL && *names != '\0')
		ctl_say("these wait for a restart: %s", names);
	json_decref(doc);
	return code;
}

int
steer_ping(const struct ctl *ctl, int argc, char **argv)
{
	char text[UNITS_TEXT];
	json_t *doc;
	int code = ask(ctl, argc, argv, "GET", "/ping", "version", &doc);
	const char *version = doc_text(doc, "version");
	const char *state = doc_text(doc, "state");

	if (code == EXIT_DONE) {
		printf("deferd ");
		text_put(stdout, version != NULL ? version : "?");
		printf(", process %.0f, up %s, ", doc_number(doc, "pid", 0),
		    units_seconds(doc_number(doc, "uptime", 0), text));
		text_put(stdout, state != NULL ? state : "?");
		putchar('\n');
	}
	json_decref(doc);
	return code;
}
