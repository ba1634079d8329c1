/*
 * fuzz_field - the headers that deferd itself reads: Prefer, Accept, Range,
 * If-Range, If-None-Match, Idempotency-Key.
 *
 * Promises: none of them can fail but by saying no; what a Range asks for
 * lies inside the response; a preference that is applied is read back as the
 * same; a key is the same key however often it is asked for.
 */
#include "config.h"

#include <errno.h>

#include "daemon/master/accept.h"
#include "daemon/master/claim.h"
#include "daemon/master/prefer.h"
#include "daemon/master/range.h"
#include "tests/fuzz/fuzz.h"

static void
check_prefer(const char *value)
{
	struct prefer p, again;
	char text[PREFER_TEXT];

	prefer_parse(&p, value);
	EXPECT(p.wait_s >= 0 && p.wait_s <= PREFER_WAIT_MAX);
	EXPECT(p.wait || p.wait_s == 0);
	prefer_parse(&again, prefer_applied(&p, text));
	EXPECT(again.async == p.async && again.wait == p.wait);
	EXPECT(again.wait_s == p.wait_s);
}

static void
check_range(const char *value, uint64_t size)
{
	struct range part;

	if (range_parse(value, size, &part) == RANGE_PART) {
		EXPECT(part.first <= part.last);
		EXPECT(part.last < size);
	}
}

static void
check_tags(const char *value)
{
	static const char etag[] = "\"0123456789abcdef\"";

	(void)range_none_match(value, etag);
	if (range_if_range(value, etag))
		EXPECT(range_none_match(value, etag));
}

/* A request block with this key; its length. */
static size_t
make_block(char *block, size_t size, const char *key)
{
	static const char begin[] = "CONTENT_LENGTH\0000\0SCGI\0001\0"
	    "REQUEST_METHOD\0POST\0SCRIPT_NAME\0/jobs\0PATH_INFO\0/a\0"
	    "HTTP_IDEMPOTENCY_KEY";
	size_t len = sizeof(begin) + strlen(key) + 1;

	EXPECT(len <= size);
	memcpy(block, begin, sizeof(begin));
	memcpy(block + sizeof(begin), key, strlen(key) + 1);
	return len;
}

static void
check_key(const char *key)
{
	struct request req = { .method = METHOD_POST, .method_name = "POST",
	    .mount = (char *)"/jobs", .path = (char *)"/a", .query = "" };
	char block[8192];
	const char *why;
	struct claim *claim, *again;
	size_t len;

	if (strlen(key) > 4096)
		return;
	len = make_block(block, sizeof(block), key);
	if (scgi_check(block, len, &req.scgi, &why) != SCGI_DONE)
		return;			/* a control character, say */
	errno = 0;
	claim = claim_new(&req, "r");
	if (claim == NULL) {
		EXPECT(errno == EINVAL);
		return;
	}
	EXPECT(strlen(key) <= 2 * CLAIM_KEY_MAX + 64 ||
	    strpbrk(key, " \t\\") != NULL);
	again = claim_new(&req, "r");
	EXPECT(again != NULL);
	EXPECT(memcmp(again->store.key, claim->store.key,
	    sizeof(claim->store.key)) == 0);
	free(again);
	free(claim);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *value = fuzz_string(bytes, size);

	check_prefer(value);
	(void)accept_html(value);
	check_range(value, 0);
	check_range(value, 10000);
	check_range(value, UINT64_MAX);
	check_tags(value);
	check_key(value);
	free(value);
	return 0;
}
