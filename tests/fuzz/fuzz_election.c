/*
 * The election port. The first byte says how the rest is read: as an initial message (0), as the configuration text of a
 * notification (255), or as a stream of notifications that a looking server of three hears from its peers, some of them
 * (bit 6) between connections that come and go. What is parsed is put together again to the same meaning; the core,
 * whatever it hears, sends only what can be parsed, and only to peers it may send to.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "config/members.h"
#include "electiond/election.h"
#include "electiond/initial.h"

static void
check_initial(struct slice in)
{
	struct initial m, again;
	struct buf out;
	int64_t n = initial_parse(in, &m);

	if (n <= 0)
		return;
	FUZZ_CHECK((size_t)n <= in.len && m.sid >= 0 && m.naddresses <= INITIAL_ADDRESSES_MAX);
	for (size_t i = 0; i < m.naddresses; i++)
		FUZZ_CHECK(m.addresses[i].host.len > 0 && m.addresses[i].port > 0);
	buf_init(&out, INITIAL_BYTES_MAX);
	/* brackets around what came without them can make it too long */
	if (initial_put(&out, &m) == 0) {
		FUZZ_CHECK(initial_parse(buf_slice(&out), &again) == (int64_t)buf_len(&out));
		FUZZ_CHECK(again.sid == m.sid && again.form == m.form);
		for (size_t i = 0; i < again.naddresses; i++)
			FUZZ_CHECK(slice_equal(again.addresses[i].host, m.addresses[i].host) &&
				   again.addresses[i].port == m.addresses[i].port);
	}
	buf_free(&out);
}

static void
check_members(struct slice text)
{
	struct members *m, *again;
	struct quorum_pair q;
	struct buf out;

	if (members_parse(text, &m) != 0)
		return;
	members_quorums(m, m, &q);
	FUZZ_CHECK(q.current.nvoters > 0 && q.current.nvoters <= m->nservers);
	buf_init(&out, 2 * MEMBERS_TEXT_MAX);
	members_put(m, &out);
	/* roles and weights that were left out may make it too long */
	if (buf_len(&out) <= MEMBERS_TEXT_MAX) {
		FUZZ_CHECK(members_parse(buf_slice(&out), &again) == 0);
		FUZZ_CHECK(members_equal(m, again));
		members_free(again);
	}
	members_free(m);
	buf_free(&out);
}

static void
check_round_trip(const struct notification *n)
{
	struct notification again;
	struct slice body;
	struct buf out;

	buf_init(&out, NOTIFICATION_BODY_MAX + 4);
	notification_put(&out, n);
	FUZZ_CHECK(notification_frame(buf_slice(&out), &body) == (int64_t)buf_len(&out));
	FUZZ_CHECK(notification_parse(body, &again) == 0);
	FUZZ_CHECK(again.vote.state == n->vote.state && again.vote.leader == n->vote.leader &&
		   again.vote.zxid == n->vote.zxid && again.vote.round == n->vote.round &&
		   again.vote.epoch == n->vote.epoch && slice_equal(again.config, n->config));
	buf_free(&out);
}

static void
check_actions(const struct election *e)
{
	size_t n;
	const struct election_action *a = election_actions(e, &n);

	for (size_t i = 0; i < n; i++) {
		if (a[i].type == ELECTION_SEND) {
			FUZZ_CHECK(a[i].peer != 1);
			check_round_trip(&a[i].notification);
		}
		if (a[i].type == ELECTION_CONNECT)
			FUZZ_CHECK(a[i].peer == 2 || a[i].peer == 3);
		if (a[i].type == ELECTION_NEWER_CONFIG)
			check_members(a[i].notification.config);
		if (a[i].type == ELECTION_RESULT)
			FUZZ_CHECK(a[i].vote.leader >= 1 && a[i].vote.leader <= 3);
	}
}

static void
start_core(struct election *e)
{
	static const struct election_config config = {
		.sid = 1, .min_interval_ms = 200, .max_interval_ms = 60000, .finalize_wait_ms = 200
	};
	struct election_members m = { .text = SLICE_LIT("version=0") };

	quorum_init(&m.quorums.current, false);
	for (uint64_t sid = 1; sid <= 3; sid++)
		FUZZ_CHECK(quorum_add(&m.quorums.current, sid, 0, 1) == 0);
	election_init(e, &config, &m);
	election_step(e, &(struct election_event){ .type = ELECTION_LOOK, .vote = { .zxid = 5 } });
}

/* Something happens to the connection of a peer, or an election begins anew. */
static void
happen(struct election *e, uint64_t count, uint64_t now_ms)
{
	static const enum election_event_type types[] = {
		ELECTION_CONNECTED, ELECTION_DELIVERED, ELECTION_CLOSED, ELECTION_TICK, ELECTION_RESET,
		ELECTION_REFUSED,   ELECTION_LOST,      ELECTION_TICK,   ELECTION_LOOK,
	};
	struct election_event ev = { .type = types[count % (sizeof types / sizeof types[0])],
				     .now_ms = now_ms,
				     .peer = (int64_t)(2 + count / 9 % 3),
				     .vote = { .zxid = 5 } };

	election_step(e, &ev);
	check_actions(e);
}

static void
check_stream(struct slice in, uint8_t flavour)
{
	static struct election e;
	struct notification n;
	struct slice body;
	int64_t used;
	uint64_t count = 0;

	start_core(&e);
	while ((used = notification_frame(in, &body)) > 0) {
		FUZZ_CHECK((size_t)used <= in.len && body.len + 4 == (size_t)used);
		if (notification_parse(body, &n) == 0) {
			struct election_event ev = { .type = ELECTION_NOTIFICATION,
						     .now_ms = count * flavour,
						     .peer = (int64_t)(1 + count % 4),
						     .notification = n };
			check_round_trip(&n);
			election_step(&e, &ev);
			check_actions(&e);
		}
		if ((flavour & 0x40) != 0)
			happen(&e, count + body.len, count * flavour);
		count++;
		in = slice_of(in.data + used, in.len - (size_t)used);
	}
	election_free(&e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 0)
		check_initial(slice_of(data + 1, size - 1));
	else if (data[0] == 255)
		check_members(slice_of(data + 1, size - 1));
	else
		check_stream(slice_of(data + 1, size - 1), data[0]);
	return 0;
}
