#include "config.h"

#include <sha2.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/master/owner.h"

/* A key before what is hashed is enough here: no digest is ever shown. */
uint64_t
owner_digest(const char *name)
{
	static unsigned char key[SHA256_BLOCK_LENGTH];
	static bool has_key;
	unsigned char digest[SHA256_DIGEST_LENGTH];
	uint64_t bits;
	SHA2_CTX ctx;

	if (name == NULL || name[0] == '\0')
		return 0;
	if (!has_key)
		arc4random_buf(key, sizeof(key));
	has_key = true;
	SHA256Init(&ctx);
	SHA256Update(&ctx, key, sizeof(key));
	SHA256Update(&ctx, (const uint8_t *)name, strlen(name));
	SHA256Final(digest, &ctx);
	memcpy(&bits, digest, sizeof(bits));
	return bits != 0 ? bits : 1;
}

bool
owner_may_see(const struct task *t, const char *who)
{
	return !t->owned || t->owner[0] == owner_digest(who);
}
