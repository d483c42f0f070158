/* Auth packets: what a client proves, turned into ids of its connection (ZooKeeper: DigestAuthenticationProvider). */
#include "acl.h"

#include <nettle/base64.h>
#include <nettle/sha1.h>

/* Appends ":" and the base64 form of the SHA-1 of data to the user part of it; null when the arena is used up. */
static struct slice
digest_id(struct slice data, struct slice user, struct arena *a)
{
	enum { ENCODED = BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE) };
	uint8_t sum[SHA1_DIGEST_SIZE], *out = arena_alloc(a, user.len + 1 + ENCODED);
	struct sha1_ctx ctx;

	if (out == NULL)
		return SLICE_NULL;
	sha1_init(&ctx);
	sha1_update(&ctx, data.len, data.data);
	sha1_digest(&ctx, sizeof sum, sum);
	if (user.len > 0)
		memcpy(out, user.data, user.len);
	out[user.len] = ':';
	base64_encode_raw((char *)out + user.len + 1, sizeof sum, sum);
	return slice_of(out, user.len + 1 + ENCODED);
}

static struct slice
up_to_colon(struct slice s)
{
	const uint8_t *colon = s.len == 0 ? NULL : memchr(s.data, ':', s.len);

	return colon == NULL ? s : slice_of(s.data, (size_t)(colon - s.data));
}

enum zk_error
auth_packet(const struct acl_rules *rules, struct slice scheme, struct slice data, struct arena *a,
	    struct jute_id ids[AUTH_IDS_PER_PACKET], int32_t *n)
{
	struct slice id;

	*n = 0;
	/* The address is there since the connection was made; asking again adds nothing. */
	if (slice_equal(scheme, SLICE_LIT("ip")))
		return ZK_OK;
	if (!slice_equal(scheme, SLICE_LIT("digest")) || data.data == NULL)
		return ZK_AUTHFAILED;
	id = digest_id(data, up_to_colon(data), a);
	if (id.data == NULL)
		return ZK_AUTHFAILED;
	if (rules->super_digest.len > 0 && slice_equal(id, rules->super_digest))
		ids[(*n)++] = (struct jute_id){ .scheme = SLICE_LIT("super"), .id = slice_of("", 0) };
	ids[(*n)++] = (struct jute_id){ .scheme = SLICE_LIT("digest"), .id = id };
	return ZK_OK;
}

static bool
has_scheme(const struct auth *who, struct slice scheme)
{
	for (int32_t i = 0; i < who->n; i++)
		if (slice_equal(who->ids[i].scheme, scheme))
			return true;
	return false;
}

bool
auth_enough(const struct acl_rules *rules, const struct auth *who)
{
	const uint8_t *p = rules->enforced.data, *end = p == NULL ? NULL : p + rules->enforced.len;

	while (p != end) {
		const uint8_t *word = p;
		while (p != end && *p != ',' && *p != ' ' && *p != '\t')
			p++;
		if (p != word && has_scheme(who, slice_of(word, (size_t)(p - word))))
			return true;
		p += p != end;
	}
	return rules->enforced.data == NULL;
}

struct slice
auth_user(const struct jute_id *id)
{
	return slice_equal(id->scheme, SLICE_LIT("digest")) ? up_to_colon(id->id) : id->id;
}
