/*
 * Who takes part: the text of members in force, a reconfig that is proposed and not committed, and the quorums that
 * they make. Invariants: config.quorums are those of the two texts; the version in force never falls. Source:
 * ZooKeeper, QuorumPeer (setLastSeenQuorumVerifier, processReconfig), Leader.lead for version 0.
 */
#include <string.h>

#include "base/assert.h"
#include "config/members.h"
#include "jute/op.h"
#include "jute/records.h"
#include "base/bytes.h"
#include "zab_internal.h"

static struct slice
write_text(struct zab *z, const struct members *m)
{
	buf_reset(&z->members_text, MEMBERS_TEXT_MAX);
	members_put(m, &z->members_text);
	return buf_slice(&z->members_text);
}

bool
zab_is_voter(const struct zab *z, uint64_t sid)
{
	const struct quorum_pair *q = &z->config.quorums;

	return quorum_is_voter(&q->current, sid) || (q->has_pending && quorum_is_voter(&q->pending, sid));
}

/*
 * What an observer has promised and stored counts where it is to vote only from the pending reconfig on: it does not know
 * that before a leader is established. Txns it does not ack, so an established leader does not count on it.
 */
bool
zab_counts(const struct zab *z, const struct zab_peer *p)
{
	const struct quorum_pair *q = &z->config.quorums;

	if (!p->observer)
		return zab_is_voter(z, p->sid);
	return !zab_lead_is_on(z) && q->has_pending && quorum_is_voter(&q->pending, p->sid) &&
	       !quorum_is_voter(&q->current, p->sid);
}

static void
count_voters(struct zab *z)
{
	members_quorums(z->members, z->pending_members, &z->config.quorums);
	/* Of one that has not said who it is nobody asks. */
	for (size_t i = 0; i < z->npeers; i++)
		z->peers[i]->voter = zab_counts(z, z->peers[i]);
}

void
zab_members_init(struct zab *z)
{
	buf_init(&z->members_text, 2 * (size_t)MEMBERS_TEXT_MAX);
	if (z->config.standalone || z->config.members.len == 0)
		return;
	/* The shell has made it of a checked configuration. */
	ASSERT(members_parse(z->config.members, &z->members) == 0);
	z->first_version = z->members->version;
	count_voters(z);
}

void
zab_members_free(struct zab *z)
{
	members_free(z->members);
	members_free(z->pending_members);
	z->members = z->pending_members = NULL;
	buf_free(&z->members_text);
}

uint64_t
zab_members_version(const struct zab *z)
{
	return z->members == NULL ? 0 : z->members->version;
}

void
zab_members_put(const struct zab *z, struct buf *out)
{
	if (z->members != NULL)
		members_put(z->members, out);
}

const struct config_server *
zab_find_server(const struct zab *z, uint64_t sid)
{
	return z->members == NULL || sid >= SID_LIMIT ? NULL : members_find(z->members, (int64_t)sid);
}

void
zab_tell_members(struct zab *z, enum zab_link link)
{
	struct slice text;

	if (z->members == NULL || z->members->version == z->first_version || !zab_is_up(z, link))
		return;
	text = arena_copy(&z->scratch, write_text(z, z->members));
	zab_send(z, link, MSG_CONFIG, 0, z->members->version, text);
}

/* Our own part; a server that is not listed any more goes on as it was, without a vote. */
static void
take_own_part(struct zab *z)
{
	const struct config_server *own = members_find(z->members, (int64_t)z->config.sid);

	if (own != NULL)
		z->config.observer = own->observer;
}

static void
put_in_force(struct zab *z, struct members *m)
{
	if (z->pending_members != NULL && z->pending_members->version <= m->version) {
		members_free(z->pending_members);
		z->pending_members = NULL;
	}
	members_free(z->members);
	z->members = m;
	count_voters(z);
	take_own_part(z);
	trace(z->config.trace, TRACE_NOTICE, "zab", "members", "version=0x%llx servers=%zu",
	      (unsigned long long)m->version, m->nservers);
	zab_tell_members(z, ZAB_ELECTIOND);
	zab_tell_members(z, ZAB_CLIENTD);
}

bool
zab_adopt_members(struct zab *z, struct slice text)
{
	struct members *m;

	if (z->members == NULL || text.len == 0)
		return true;
	if (members_parse(text, &m) != 0)
		return false;
	if (z->config.reconfig && m->version > z->members->version)
		put_in_force(z, m);
	else
		members_free(m);
	return true;
}

void
zab_members_keep(struct zab *z)
{
	const struct members *m = z->pending_members != NULL ? z->pending_members : z->members;

	if (m == NULL || !z->config.reconfig || m->version == z->members_kept || z->disk_failed ||
	    !zab_is_up(z, ZAB_LOGD))
		return;
	z->members_kept = m->version;
	zab_send(z, ZAB_LOGD, MSG_CONFIG, 0, m->version, arena_copy(&z->scratch, write_text(z, m)));
}

/* What is proposed and not committed: both quorums count. */
static void
await(struct zab *z, struct members *m, uint64_t zxid)
{
	members_free(z->pending_members);
	z->pending_members = m;
	z->pending_zxid = zxid;
	count_voters(z);
}

void
zab_members_found(struct zab *z, const struct zab_hello *hello)
{
	struct members *m;

	z->members_kept = 0;
	if (z->members == NULL || !z->config.reconfig || hello->members.len == 0 ||
	    members_parse(hello->members, &m) != 0)
		return;
	z->members_kept = m->version;
	/*
	 * Later we know better: what logd keeps came from us. Of what is below a snapshot nothing is pending: it is in force,
	 * or of a history that a leader's snapshot took the place of.
	 */
	if (!z->log_known && z->pending_members == NULL && m->version > z->members->version &&
	    m->version > hello->snapshot)
		await(z, m, m->version);
	else
		members_free(m);
}

bool
zab_members_offered(struct zab *z, struct slice text)
{
	struct members *m;

	z->learn.offered = 0;
	if (z->members == NULL || text.len <= 1)
		return true;
	if (members_parse(text, &m) != 0)
		return false;
	/* It is the newest that the leader knows: another one that we wait for is of no history any more. */
	if (z->pending_members != NULL && z->pending_members->version != m->version)
		zab_members_replaced(z);
	if (z->config.reconfig && m->version > z->members->version) {
		z->learn.offered = m->version;
		await(z, m, m->version);
	} else {
		members_free(m);
	}
	return true;
}

void
zab_members_settled(struct zab *z)
{
	struct members *m = z->pending_members;

	if (z->learn.offered == 0 || m == NULL || m->version != z->learn.offered)
		return;
	/* A leader offers what it has only proposed in this epoch, too; that comes into force with its commit. */
	if (m->version > epoch_start(z->learn.epoch) && m->version > z->learn.committed)
		return;
	z->pending_members = NULL;
	put_in_force(z, m);
}

void
zab_members_proposed(struct zab *z, uint64_t zxid, struct slice txn)
{
	struct jute_set_data_txn t;
	struct jute_reader r;
	struct members *m;

	if (z->members == NULL || get_be32(txn.data + TXN_HEADER_TYPE) != ZK_OP_RECONFIG)
		return;
	jute_reader_init(&r, slice_of(txn.data + TXN_HEADER_BYTES, txn.len - TXN_HEADER_BYTES), UINT32_MAX);
	if (!jute_read_set_data_txn(&r, NULL, &t) || members_parse(t.data, &m) != 0) {
		trace(z->config.trace, TRACE_ERROR, "zab", "reconfig without members", "zxid=0x%llx",
		      (unsigned long long)zxid);
		return;
	}
	await(z, m, zxid);
}

static bool
is_at(const struct config_server *was, const struct config_server *is)
{
	if (was == NULL || is == NULL || is->observer || was->naddresses != is->naddresses)
		return false;
	for (size_t i = 0; i < is->naddresses; i++)
		if (strcmp(was->addresses[i].host, is->addresses[i].host) != 0 ||
		    was->addresses[i].quorum_port != is->addresses[i].quorum_port)
			return false;
	return true;
}

/* The voter that has acked most: it loses the least of what is on its way. */
static uint64_t
pick_leader(const struct zab *z, const struct members *m)
{
	uint64_t best = z->config.sid, most = 0;

	for (size_t i = 0; i < z->npeers; i++) {
		const struct zab_peer *p = z->peers[i];
		const struct config_server *s =
		    p->voter && p->state >= PEER_SYNCED ? members_find(m, (int64_t)p->sid) : NULL;

		if (s != NULL && !s->observer && z->acks.zxid[p->sid] > most) {
			best = p->sid;
			most = z->acks.zxid[p->sid];
		}
	}
	return best;
}

void
zab_members_designate(struct zab *z, uint64_t zxid)
{
	const struct members *m = z->pending_members;
	struct zab_lead *l = &z->lead;

	/* That of a predecessor is no news to those who have just taken over our history. */
	if (m == NULL || z->pending_zxid > zxid || z->pending_zxid <= l->history)
		return;
	l->designated = z->config.sid;
	if (z->config.reconfig &&
	    !is_at(zab_find_server(z, z->config.sid), members_find(m, (int64_t)z->config.sid)))
		l->designated = pick_leader(z, m);
	l->resigned = l->designated != z->config.sid;
	l->progress_ms = z->now_ms;
	trace(z->config.trace, TRACE_NOTICE, "zab", "reconfigured", "zxid=0x%llx leader=%llu",
	      (unsigned long long)z->pending_zxid, (unsigned long long)l->designated);
}

void
zab_members_committed(struct zab *z, uint64_t zxid)
{
	struct members *m = z->pending_members;

	if (m == NULL || z->pending_zxid > zxid)
		return;
	z->pending_members = NULL;
	if (m->version > z->members->version) {
		put_in_force(z, m);
	} else {
		members_free(m);
		count_voters(z);
	}
}

void
zab_members_undone(struct zab *z, uint64_t zxid)
{
	if (z->pending_members == NULL || z->pending_zxid <= zxid)
		return;
	members_free(z->pending_members);
	z->pending_members = NULL;
	count_voters(z);
}

void
zab_members_replaced(struct zab *z)
{
	zab_members_undone(z, 0);
}

struct slice
zab_members_text(struct zab *z)
{
	struct members *m;
	struct slice text;

	if (z->members == NULL)
		return SLICE_NULL;
	if (z->pending_members != NULL)
		return write_text(z, z->pending_members);
	if (z->members->version != 0)
		return write_text(z, z->members);
	/* A list that nobody has agreed upon yet gets its first version with the epoch. */
	m = members_with_version(z->members, epoch_start(z->epoch));
	text = write_text(z, m);
	members_free(m);
	return text;
}

const char *
zab_on_config(struct zab *z, const struct zab_event *event)
{
	/* In a role the leader says who takes part (ZooKeeper: FastLeaderElection, WorkerReceiver). */
	if (z->part == ZAB_LOOKING && !zab_adopt_members(z, event->frame.body))
		return "malformed members";
	return NULL;
}
