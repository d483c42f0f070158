/*
 * zkd.members: the newest list of servers that a reconfig txn of the log, or a leader's NEWLEADER, has brought. syncd sends
 * it before the txn, and before the epoch that it came with: so it is on the disk before either is acked, and a syncd that
 * is born again knows which quorums the log asks for. ZooKeeper keeps it as zoo.cfg.dynamic.next. To logd it is a
 * text. Invariant: the file holds what store_members says, or the disk has failed.
 */
#include <errno.h>

#include "store_internal.h"

#define MEMBERS_NAME "zkd.members"

int
store_set_members(struct store *s, struct slice text, uint64_t now_ms)
{
	int ret;

	if (slice_equal(text, buf_slice(&s->members)))
		return 0;
	if (store_failed(s) != NULL || text.len > STORE_MEMBERS_MAX)
		return -EIO;
	do
		ret = files_replace(s->disk, STORE_SNAP, MEMBERS_NAME, text);
	while (ret != 0 && store_made_room(s, ret));
	if (ret != 0) {
		store_fail(s, now_ms, "store the members in", s->disk->names[STORE_SNAP], ret);
		return ret;
	}
	buf_reset(&s->members, STORE_MEMBERS_MAX);
	buf_put_slice(&s->members, text);
	return 0;
}

struct slice
store_members(const struct store *s)
{
	return buf_slice(&s->members);
}

int
members_recover(struct store *s)
{
	int ret = files_read_small(s->disk, STORE_SNAP, MEMBERS_NAME, &s->members);

	if (ret == -EFBIG)
		buf_reset(&s->members, STORE_MEMBERS_MAX);
	return ret == -ENOENT || ret == -EFBIG ? 0 : ret;
}
