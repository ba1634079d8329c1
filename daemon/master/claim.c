#include "config.h"

#include <errno.h>
#include <sha2.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/master/claim.h"
#include "daemon/master/owner.h"

#define READ_BYTES	(64 * 1024)

_Static_assert(STORE_DIGEST_BYTES == SHA256_DIGEST_LENGTH, "one is SHA-256");

/* --- the key --------------------------------------------------------------- */

/* RFC 8941 3.3.3: what stands between the quotes. */
static bool
unquote(const char *from, char *to, size_t room)
{
	for (from++; *from != '"'; from++) {
		if (*from == '\\' && *++from != '"' && *from != '\\')
			return false;
		if (*from < ' ' || *from > '~' || room-- == 0)
			return false;
		*to++ = *from;
	}
	*to = '\0';
	return from[1] == '\0';
}

/*
 * Many clients send their key bare.  A comma would be a list: the header came
 * twice; a semicolon would begin a parameter.
 */
static bool
copy_bare(const char *from, char *to, size_t room)
{
	for (; *from != '\0'; from++) {
		if (*from <= ' ' || *from > '~' ||
		    strchr("\",;\\", *from) != NULL || room-- == 0)
			return false;
		*to++ = *from;
	}
	*to = '\0';
	return true;
}

static bool
takes_key(enum conf_method m)
{
	return m == METHOD_POST || m == METHOD_PUT || m == METHOD_PATCH ||
	    m == METHOD_DELETE;
}

static bool
read_key(const char *value, char key[CLAIM_KEY_MAX + 1])
{
	bool good = value[0] == '"' ? unquote(value, key, CLAIM_KEY_MAX) :
	    copy_bare(value, key, CLAIM_KEY_MAX);

	return good && key[0] != '\0';
}

static void
add(SHA2_CTX *ctx, const char *part)
{
	uint64_t len = part != NULL ? strlen(part) : UINT64_MAX;

	SHA256Update(ctx, (const uint8_t *)&len, sizeof(len));
	if (part != NULL)
		SHA256Update(ctx, (const uint8_t *)part, (size_t)len);
}

static void
add_header(SHA2_CTX *ctx, const struct request *req, const char *name)
{
	add(ctx, scgi_find(&req->scgi, name));
}

static void
digest_key(struct claim *c, const char *key, const char *route)
{
	const char *owner = c->req->user;
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	add(&ctx, key);
	add(&ctx, route);
	add(&ctx, c->req->mount);	/* another door may have other rules */
	add(&ctx, c->req->host);
	add(&ctx, owner);
	if (owner == NULL) {
		add_header(&ctx, c->req, "HTTP_AUTHORIZATION");
		add_header(&ctx, c->req, "HTTP_COOKIE");
	}
	SHA256Final(c->store.key, &ctx);
}

struct claim *
claim_new(const struct request *req, const char *route)
{
	const char *value = scgi_find(&req->scgi, "HTTP_IDEMPOTENCY_KEY");
	char key[CLAIM_KEY_MAX + 1];
	struct claim *c;

	errno = 0;
	if (value == NULL || !takes_key(req->method))
		return NULL;
	if (!read_key(value, key)) {
		errno = EINVAL;
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->req = req;
	digest_key(c, key, route);
	return c;
}

/* --- what is asked for ------------------------------------------------------ */

/* The whole file, from its beginning; 0, or -1 with errno. */
static int
add_file(SHA2_CTX *ctx, const struct body *body)
{
	unsigned char *chunk = malloc(READ_BYTES);
	uint64_t at = 0;

	while (chunk != NULL && at < body->size) {
		ssize_t n = pread(body->fd, chunk, READ_BYTES, (off_t)at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? EIO : errno;
			break;
		}
		SHA256Update(ctx, chunk, (size_t)n);
		at += (uint64_t)n;
	}
	free(chunk);
	return at < body->size ? -1 : 0;
}

/* On a thread if the body is a file.  The body goes last: it needs no length. */
static void
digest_request(struct work *w)
{
	struct claim *c = (struct claim *)((char *)w -
	    offsetof(struct claim, work));
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	add(&ctx, c->req->method_name);
	add(&ctx, c->req->path);
	add(&ctx, c->req->query);
	if (c->body->fd != -1)
		c->failed = add_file(&ctx, c->body) == -1;
	else if (c->body->bytes != NULL)
		SHA256Update(&ctx, c->body->bytes->data, c->body->bytes->len);
	if (c->failed)
		log_error("claim-failed error=%m");
	SHA256Final(c->store.request, &ctx);
}

static void
on_digested(struct work *w)
{
	struct claim *c = (struct claim *)((char *)w -
	    offsetof(struct claim, work));

	c->done(c->arg, !c->failed);
}

void
claim_make(struct claim *c, struct work_pool *io, const struct body *body,
    void (*done)(void *arg, bool ok), void *arg)
{
	c->body = body;
	c->done = done;
	c->arg = arg;
	c->failed = false;
	c->work = (struct work){ .run = digest_request, .done = on_digested };
	if (body->fd != -1) {
		work_submit(io, &c->work);
		return;
	}
	digest_request(&c->work);
	on_digested(&c->work);
}
