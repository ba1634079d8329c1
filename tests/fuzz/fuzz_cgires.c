/*
 * fuzz_cgires - the head of a response, from whatever a script printed.
 *
 * Promises: a verdict on a part is MORE or that of the whole; what comes out
 * is a head that comes out of a second run unchanged; it has one Status, and
 * no header that is the server's alone.
 */
#include "config.h"

#include <strings.h>

#include "ipc/cgires.h"
#include "tests/fuzz/fuzz.h"

static const char *const forbidden[] = { "Content-Length", "Connection",
    "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
    "X-Accel-Redirect", "X-Sendfile", "Deferd-Task" };

static void
check_head(const struct cgires *res)
{
	const void *head = buf_data(&res->head);
	size_t len = buf_len(&res->head), n;

	EXPECT(res->status >= 200 && res->status <= 599);
	EXPECT(res->content_length >= -1);
	EXPECT(len > 4 && memcmp(head, "Status: ", 8) == 0);
	EXPECT(memcmp((const char *)head + len - 4, "\r\n\r\n", 4) == 0);
	EXPECT(memchr(head, '\0', len) == NULL);
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		EXPECT(cgires_find(head, len, forbidden[i], &n) == NULL);
	EXPECT(cgires_find(head, len, "status", &n) != NULL && n >= 3);
}

/* Normalising what is normal changes nothing. */
static void
check_again(const struct cgires *first)
{
	char *head = fuzz_copy(buf_data(&first->head), buf_len(&first->head));
	struct cgires res;
	const char *why;
	size_t n;

	cgires_init(&res, CGIRES_NORMAL_MAX);
	EXPECT(cgires_parse(&res, head, buf_len(&first->head), false, &n,
	    &why) == CGIRES_DONE);
	EXPECT(n == buf_len(&first->head) && res.status == first->status);
	EXPECT(buf_len(&res.head) == n);
	EXPECT(memcmp(buf_data(&res.head), head, n) == 0);
	cgires_fini(&res);
	free(head);
}

static enum cgires_verdict
parse(const char *data, size_t size, bool eof)
{
	enum cgires_verdict verdict;
	struct cgires res;
	const char *why = NULL;
	size_t head_bytes = 0;

	cgires_init(&res, CGIRES_HEAD_MAX);
	verdict = cgires_parse(&res, data, size, eof, &head_bytes, &why);
	EXPECT(verdict != CGIRES_MORE || !eof);
	EXPECT((why != NULL) == (verdict == CGIRES_BAD));
	if (verdict == CGIRES_DONE) {
		EXPECT(head_bytes <= size);
		check_head(&res);
		check_again(&res);
	}
	cgires_fini(&res);
	return verdict;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *data = fuzz_copy(bytes, size);
	char *part = fuzz_copy(bytes, size / 2);
	enum cgires_verdict whole = parse(data, size, false), verdict;

	verdict = parse(part, size / 2, false);
	EXPECT(verdict == CGIRES_MORE || verdict == whole);
	if (whole != CGIRES_MORE)
		EXPECT(parse(data, size, true) == whole);
	else
		(void)parse(data, size, true);
	free(part);
	free(data);
	return 0;
}
