/*
 * fuzz_scgi - the head of a request: ipc/scgi, and what request makes of it.
 *
 * Promises: the verdict of a part is MORE or that of the whole; a head that
 * is DONE passes scgi_check(), can be walked, written again to the same
 * bytes, and is then DONE again; whatever it says, request_init() gives a
 * path that begins with a slash and never leaves its root.
 */
#include "config.h"

#include "daemon/request.h"
#include "ipc/scgi.h"
#include "tests/fuzz/fuzz.h"

static const char settings[] =
    "mount = \"/jobs\"\n"
    "route \"/report/*\" { exec = \"/bin/true\" }\n"
    "route \"s\" { path = \"/*\" host = \"h\" scripts = \"/usr\" }\n"
    "route \"/*\" { exec = \"/bin/true\" }\n";

static const struct conf *
conf(void)
{
	static struct conf *c;
	char error[CONF_ERROR_MAX], text[sizeof(settings)];
	FILE *file;

	if (c != NULL)
		return c;
	memcpy(text, settings, sizeof(text));
	file = fmemopen(text, sizeof(text) - 1, "r");
	EXPECT(file != NULL);
	c = conf_read(file, "fuzz", error);
	EXPECT(c != NULL);
	(void)fclose(file);
	return c;
}

/* No part of it is "..", and no control character is in it. */
static void
check_path(const char *path)
{
	const char *part = path;

	EXPECT(path[0] == '/');
	for (const char *p = path; ; p++) {
		EXPECT(*p == '\0' || (unsigned char)*p >= 0x20);
		if (*p != '/' && *p != '\0')
			continue;
		EXPECT(p - part != 2 || memcmp(part, "..", 2) != 0);
		part = p + 1;
		if (*p == '\0')
			break;
	}
}

static void
check_request(const struct scgi *scgi)
{
	struct request req;
	const char *why = NULL;
	int status = request_init(&req, scgi, conf(), &why);

	if (status != 0) {
		EXPECT(status == 400 || status == 403 || status == 404);
		EXPECT(why != NULL);
	} else {
		EXPECT(req.method_name != NULL && req.query != NULL);
		check_path(req.path);
		(void)request_route(&req, conf());
		if (req.owner != NULL)
			(void)request_owner_user(req.owner);
	}
	request_fini(&req);
}

/* Walks it and writes what it finds: that must be the same block. */
static void
check_rewritten(const struct scgi *scgi)
{
	struct scgi_iter iter = { 0 };
	unsigned int nvars = 0;
	struct buf b;

	buf_init(&b, 2 * SCGI_HEAD_MAX);
	EXPECT(scgi_begin(&b) == 0);
	while (scgi_next(scgi, &iter)) {
		EXPECT(scgi_find(scgi, iter.name) != NULL);
		EXPECT(scgi_add(&b, iter.name, iter.value) == 0);
		nvars++;
	}
	EXPECT(nvars == scgi->nvars);
	EXPECT(scgi_finish(&b) == 0);
	EXPECT(buf_len(&b) > scgi->len);
	EXPECT(memcmp(buf_data(&b) + buf_len(&b) - 1 - scgi->len, scgi->block,
	    scgi->len) == 0);
	buf_fini(&b);
}

static void
check_done(const char *data, const struct scgi *scgi, size_t head_bytes)
{
	struct scgi again;
	const char *why;
	char *block;

	EXPECT(scgi->block > data && scgi->len < head_bytes);
	EXPECT(scgi->nvars <= SCGI_VARS_MAX && scgi->len <= SCGI_HEAD_MAX);
	block = fuzz_copy(scgi->block, scgi->len);
	EXPECT(scgi_check(block, scgi->len, &again, &why) == SCGI_DONE);
	EXPECT(again.nvars == scgi->nvars);
	EXPECT(scgi_content_length(&again) == scgi_content_length(scgi));
	check_rewritten(&again);
	check_request(&again);
	free(block);
}

/* What comes in two parts has the verdict of what comes in one. */
static void
check_part(const char *data, size_t len, enum scgi_verdict whole)
{
	enum scgi_verdict verdict;
	char *part = fuzz_copy(data, len);
	struct scgi scgi;
	const char *why;
	size_t head_bytes;

	verdict = scgi_parse(part, len, &scgi, &head_bytes, &why);
	EXPECT(verdict == SCGI_MORE || verdict == whole);
	free(part);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *data = fuzz_copy(bytes, size);
	const char *why = NULL;
	enum scgi_verdict verdict;
	struct scgi scgi;
	size_t head_bytes = 0;

	verdict = scgi_parse(data, size, &scgi, &head_bytes, &why);
	if (verdict == SCGI_DONE) {
		EXPECT(head_bytes <= size);
		check_done(data, &scgi, head_bytes);
		check_part(data, head_bytes - 1, SCGI_MORE);
	}
	EXPECT(why != NULL || verdict == SCGI_DONE || verdict == SCGI_MORE);
	check_part(data, size / 2, verdict);
	check_part(data, size > 0 ? size - 1 : 0, verdict);
	free(data);
	return 0;
}
