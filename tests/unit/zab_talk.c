/* See zab_talk.h. */
#include "zab_talk.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "syncd/packet.h"

uint32_t peer;

const char members_0[] = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion=0";

static uint32_t
connection(void)
{
	return peer != 0 ? peer : net.dialled;
}

void
talk_init(int n, int voters)
{
	peer = 0;
	net_init(n, voters);
	net.fake[2] = true;
	for (int sid = 2; sid <= n; sid++)
		net.nodes[sid].alive = false;
}

void
elect(int leader)
{
	net_start(1);
	net_run();
	ck_assert(NODE->looking);
	net_elect(leader);
	net_run();
}

void
say_data(int type, uint64_t zxid, const char *data, size_t len)
{
	net_packet(1, connection(), type, zxid, slice_of(data, len));
}

void
say(int type, uint64_t zxid)
{
	net_packet(1, connection(), type, zxid, SLICE_NULL);
}

void
say_txn(int type, uint64_t zxid)
{
	uint8_t body[NET_TXN_BYTES] = { 0 };

	put_be64(body + 12, zxid);
	put_be64(body + 40, zxid);
	net_packet(1, connection(), type, zxid, slice_of(body, sizeof body));
}

void
expect(const char *heard)
{
	ck_assert_str_eq(net_heard(), heard);
}

void
expect_closed(const char *why)
{
	ck_assert_str_eq(NODE->closed, why);
}

void
expect_gone(const char *why)
{
	expect_closed(why);
	ck_assert_uint_eq(zab_peer_output(&NODE->zab, connection()).len, 0);
	ck_assert_ptr_null(net_find_pipe(1, 0));
}

void
expect_looking(const char *why)
{
	expect_gone(why);
	ck_assert(NODE->looking);
	ck_assert_int_eq(NODE->role.role, ZAB_LOOKING);
}

void
say_info(int type, int64_t sid, uint32_t accepted, uint64_t version)
{
	struct learner_info info = { .sid = sid, .protocol = PACKET_PROTOCOL, .config_version = version };
	uint8_t body[LEARNER_INFO_BYTES];

	learner_info_put(body, &info);
	net_packet(1, connection(), type, ZXID(accepted, 0), slice_of(body, sizeof body));
}

void
say_ackepoch(int32_t epoch, uint64_t zxid)
{
	uint8_t body[4];

	put_be32(body, (uint32_t)epoch);
	net_packet(1, connection(), PACKET_ACKEPOCH, zxid, slice_of(body, sizeof body));
}

void
join(int type, int64_t sid, uint32_t accepted, int32_t epoch, uint64_t zxid)
{
	peer = net_connect(1);
	say_info(type, sid, accepted, 0);
	say_ackepoch(epoch, zxid);
}

void
lead(void)
{
	net_fill(1, 1, 1, 5);
	elect(1);
	join(PACKET_FOLLOWERINFO, 2, 1, 1, ZXID(1, 5));
	say(PACKET_ACK, ZXID(2, 0));
	net_heard();
	say(PACKET_ACK, ZXID(2, 0)); /* behind UPTODATE, as Java's do */
	ck_assert(net_serves(1));
}

void
discover(uint32_t epoch)
{
	char want[64];

	elect(2);
	snprintf(want, sizeof want, "%s %llx +20", NODE->config.observer ? "OBSERVERINFO" : "FOLLOWERINFO",
		 (unsigned long long)ZXID(NODE->epochs.accepted, 0));
	expect(want);
	say_data(PACKET_LEADERINFO, ZXID(epoch, 0), "\0\1\0\0", 4);
	snprintf(want, sizeof want, "ACKEPOCH %llx +4", (unsigned long long)NODE->zab.proposed);
	expect(want);
	ck_assert_uint_eq(NODE->epochs.accepted, epoch);
}

void
follow(uint32_t epoch)
{
	discover(epoch);
	say(PACKET_DIFF, NODE->zab.proposed);
	say(PACKET_NEWLEADER, ZXID(epoch, 0));
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	net_heard();
	ck_assert(net_serves(1));
}

void
hang_up(void)
{
	net_cut(1, 0);
	net_run();
}

void
open_channel(void)
{
	struct zab_event e = { .type = ZAB_FRAME,
			       .link = ZAB_LOGD,
			       .fd = 15,
			       .frame = { .type = MSG_LOAD_CHANNEL, .seq = NODE->zab.load_seq } };

	NODE->channels[15] = (struct net_channel){ .open = true };
	net_step(1, &e);
}

void
bulk(uint16_t type, uint64_t zxid, const char *body, size_t len)
{
	struct zab_event e = { .type = ZAB_CHANNEL_FRAME,
			       .fd = -1,
			       .peer = connection(),
			       .frame = { .type = type, .zxid = zxid, .body = slice_of(body, len) } };

	net_step(1, &e);
	net_run();
}

void
bulk_txn(uint64_t zxid)
{
	char body[NET_TXN_BYTES] = { 0 };

	put_be64((uint8_t *)body + 12, zxid);
	bulk(MSG_BULK_TXN, zxid, body, sizeof body);
}

void
with_members(int sid, const char *text)
{
	struct net_node *n = &net.nodes[sid];

	zab_free(&n->zab);
	n->config.members = slice_str(text);
	n->config.reconfig = true;
	zab_init(&n->zab, &n->config);
}

size_t
reconfig_body(uint8_t *body, uint64_t zxid, const char *text)
{
	size_t len = strlen(text);

	memset(body, 0, 32);
	put_be64(body + 12, zxid);
	put_be32(body + 28, 16);
	put_be32(body + 32, 0);
	put_be32(body + 36, (uint32_t)len);
	memcpy(body + 40, text, len);
	put_be32(body + 40 + len, 0);
	return 44 + len;
}

void
follow_to_reconfig(const char *text)
{
	uint8_t body[1024];

	with_members(1, members_0);
	elect(2);
	peer = 0;
	say_data(PACKET_LEADERINFO, ZXID(1, 0), "\0\1\0\0", 4);
	say(PACKET_DIFF, 0);
	say(PACKET_NEWLEADER, ZXID(1, 0));
	say(PACKET_UPTODATE, PACKET_NO_ZXID);
	ck_assert(net_serves(1));
	net_packet(1, net.dialled, PACKET_PROPOSAL, ZXID(1, 1),
		   slice_of(body, reconfig_body(body, ZXID(1, 1), text)));
	ck_assert(NODE->zab.config.quorums.has_pending);
	net_heard();
}
