/*
 * Failure detection between zkd servers that both have failureDetection=fast: PINGs come FAST_BEATS times in fast_ms, and
 * who is silent for that long is given up. Each says so with a mark behind its FOLLOWERINFO or LEADERINFO, where servers of
 * ZooKeeper read no further; with those, and until a learner is live, ZooKeeper's limits hold. Invariant: time in which
 * this process itself stood still is nobody's silence.
 */
#include <string.h>

#include "zab_internal.h"

enum { FAST_BEATS = 8 };

static const uint8_t mark[FAST_MARK_BYTES] = { 'z', 'k', 'd', 'F' };

size_t
zab_fast_put_mark(const struct zab *z, uint8_t *out)
{
	if (z->config.fast_ms == 0)
		return 0;
	memcpy(out, mark, sizeof mark);
	return sizeof mark;
}

bool
zab_fast_has_mark(const struct zab *z, struct slice data, size_t offset)
{
	return z->config.fast_ms != 0 && data.len >= offset + sizeof mark &&
	       memcmp(data.data + offset, mark, sizeof mark) == 0;
}

static bool
is_watched(const struct zab_peer *p)
{
	return p->fast && p->doomed == NULL && (p->state == PEER_LIVE || p->state == LEADER_LIVE);
}

uint64_t
zab_fast_deadline(const struct zab *z)
{
	if (z->config.fast_ms == 0)
		return UINT64_MAX;
	for (size_t i = 0; i < z->npeers; i++)
		if (is_watched(z->peers[i]))
			return z->fast_due_ms;
	return UINT64_MAX;
}

/* Where the leader is the one that is silent our role ends, and with it all peers: false. */
static bool
watch(struct zab *z, struct zab_peer *p)
{
	bool silent = z->now_ms - p->heard_ms > z->config.fast_ms;

	if (p->outbound && silent) {
		zab_look(z, "the leader was not heard of in time");
		return false;
	}
	if (silent)
		zab_doom_peer(z, p, "not heard of in time");
	else if (!p->outbound)
		zab_broadcast_ping(z, p);
	return true;
}

void
zab_fast_beat(struct zab *z)
{
	uint64_t beat_ms = z->config.fast_ms / FAST_BEATS, late_ms = z->now_ms - z->fast_due_ms;

	z->fast_due_ms = z->now_ms + beat_ms;
	for (size_t i = 0; i < z->npeers; i++) {
		struct zab_peer *p = z->peers[i];

		if (!is_watched(p))
			continue;
		if (late_ms > beat_ms)
			zab_forgive(&p->heard_ms, late_ms, z->now_ms);
		if (!watch(z, p))
			return;
	}
}
