#include "config.h"

#include <sha2.h>
#include <stdio.h>
#include <string.h>

#include "daemon/master/view_range.h"

#define ETAG_BYTES	((VIEW_ETAG_TEXT - 3) / 2)	/* of the digest */

char *
view_etag(const struct task *task, char out[VIEW_ETAG_TEXT])
{
	static const char what[] = "deferd: entity tag";
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX ctx;
	char *to = out;

	SHA256Init(&ctx);
	SHA256Update(&ctx, (const uint8_t *)what, sizeof(what));
	SHA256Update(&ctx, task->id, TASK_ID_BYTES);
	SHA256Final(digest, &ctx);
	*to++ = '"';
	for (int i = 0; i < ETAG_BYTES; i++)
		to += sprintf(to, "%02x", digest[i]);
	strcpy(to, "\"");
	return out;
}

int
view_choose(const struct request *req, const char *etag, uint64_t size,
    struct range *part)
{
	const struct scgi *scgi = &req->scgi;

	if (range_none_match(scgi_find(scgi, "HTTP_IF_NONE_MATCH"), etag))
		return 304;
	/* 14.2: only GET has ranges */
	if (req->method != METHOD_GET ||
	    !range_if_range(scgi_find(scgi, "HTTP_IF_RANGE"), etag))
		return 200;
	switch (range_parse(scgi_find(scgi, "HTTP_RANGE"), size, part)) {
	case RANGE_PART:
		return 206;
	case RANGE_UNSATISFIABLE:
		return 416;
	default:
		return 200;
	}
}
