/*
 * The messages on the star: between syncd, which dials, and electiond, clientd and logd, which answer.
 * A message is one frame (see frame.h): type, flags, seq, zxid, body. Where nothing is said seq, zxid and flags
 * are 0 and the body is empty. "proto" bodies are protobuf-c messages of control.proto; all others are raw.
 * Batching needs no message of its own: what one loop turn causes leaves as one sendmsg of many frames.
 *
 * A frame that a receiver does not know, cannot parse or does not expect in its state ends the link (never the
 * daemon): syncd dials again and both sides start over with HELLO, which is the only recovery path.
 */
#ifndef IPC_MSG_H
#define IPC_MSG_H

enum msg_type {
	/*
	 * First frame on every link, both ways, syncd first. proto Hello. logd answers when its tail is parsed and
	 * on disk, so its positions are true; clientd and electiond answer at once. Another suite version or another
	 * configuration makes the daemon that sees it exit with EXIT_SUITE_MISMATCH (io/daemon.h).
	 */
	MSG_HELLO = 1,

	/*
	 * syncd -> clientd: what the node is now. seq = role number, rising; proto Role. Ends every earlier role:
	 * clientd drops what it had prepared or pending beyond `committed`, answers ROLE_ACK, then LOAD (always: also
	 * when it holds a tree; then it says up to where). syncd ignores REQUEST, PROPOSE, SYNC, DROP, TOUCH,
	 * REVALIDATE and READY that come before the ROLE_ACK of the newest role.
	 */
	MSG_ROLE = 2,
	/* clientd -> syncd: seq = the role number taken. */
	MSG_ROLE_ACK = 3,

	/*
	 * clientd -> syncd -> logd: bring me the data. flags LOAD_HAVE_TREE: only txns above zxid are wanted, if the
	 * log reaches back to it (else a snapshot comes, and clientd starts from that). seq is chosen by syncd, which
	 * also asks for learners of its own (LOAD_LEARNER: zxid is the learner's last; a snapshot comes also where it is
	 * newer than zxid and the txns would be more than snapshotSizeFactor allows; LOAD_SNAPSHOT: a snapshot comes in
	 * any case).
	 */
	MSG_LOAD = 4,
	/* logd -> syncd -> clientd: seq = that of LOAD; carries one descriptor, the reading end of a bulk channel. */
	MSG_LOAD_CHANNEL = 5,
	/*
	 * clientd -> syncd: all of the bulk channel is taken in; zxid = last logged zxid it brought. From here on
	 * clientd answers requests as soon as all that was proposed when the role began is committed.
	 */
	MSG_READY = 6,

	/*
	 * clientd -> syncd, on a leader: a write. seq = number of the request it answers, 0 for own clients' writes,
	 * expiry and sweeps; zxid = last proposed + 1, anything else ends the link; body = the serialized txn
	 * (TxnHeader, record, TxnDigest), the very bytes that PROPOSAL carries and the log stores.
	 */
	MSG_PROPOSE = 7,
	/*
	 * syncd -> clientd: zxid and all before it are committed. On a learner: up to Role.proposed the txns come by
	 * LOAD (also those that were only proposed when the role began), so the body is empty, and one COMMIT may stand
	 * for many. From the first txn after Role.proposed on each has a COMMIT of its own, in order, whose body it is; what
	 * LOAD brings of these, since the log has grown meanwhile, clientd passes over.
	 */
	MSG_COMMIT = 8,
	/*
	 * syncd -> clientd on a leader (a learner's write), clientd -> syncd on a learner (an own client's write).
	 * seq = number, rising by one from 1 in each role, each direction of its own, counted together with SYNC and
	 * REVALIDATE; body = origin u64 (learner connection number; 0 on a learner), then authinfo vector<Id>,
	 * sessionId long, cxid int, type int, request record: the rest exactly as in ZooKeeper's REQUEST packet. On a
	 * learner the answer is the COMMIT of a txn with that session and cxid; one that comes later in the session
	 * answers no earlier one. What was asked in an older role is not answered in the next.
	 */
	MSG_REQUEST = 9,
	/*
	 * syncd -> clientd: answer in order with the requests, seq = number; clientd -> syncd: the answer. On a
	 * learner clientd sends its own client's sync the same way and gets it back, with its number, when its turn has
	 * come: behind every COMMIT that the leader had made by then. Body as REQUEST on a learner, empty on a leader.
	 */
	MSG_SYNC = 10,
	/* clientd -> syncd: request seq is consumed without a txn. */
	MSG_DROP = 11,
	/*
	 * Sessions heard of: body = (session long, timeout int)*. clientd -> syncd on a learner, the reverse on a leader,
	 * where it may come at any time in the role and has no effect before clientd serves.
	 */
	MSG_TOUCH = 12,
	/*
	 * Question on a leader syncd -> clientd, on a learner clientd -> syncd; the answer goes the other way. body =
	 * origin u64, session long, then timeout int (question) or valid byte (answer); seq = number. On a leader syncd
	 * sends the answer to the learner as it does that to a SYNC, behind the COMMIT of all that was proposed before the
	 * question: nothing that the session wrote through another server is on its way any more when it is attached.
	 */
	MSG_REVALIDATE = 13,

	/*
	 * logd -> syncd -> clientd: write a snapshot into the channel whose writing end this carries (one descriptor).
	 * clientd walks its tree in slices; the stream is exact at the zxid of its BULK_SNAPSHOT_BEGIN.
	 */
	MSG_SNAPSHOT = 14,

	/* syncd -> logd: zxid, body = txn as in PROPOSE. zxids rise; within an epoch without gaps. */
	MSG_APPEND = 15,
	/* logd -> syncd: all appended up to zxid is on disk (after one fdatasync for all that came in the turn). */
	MSG_DURABLE = 16,
	/*
	 * syncd -> logd: cut the log behind zxid and remove snapshots above it; answered by the same type and seq after
	 * sync, zxid = the last one that is left. flags STORE_REFUSED: nothing was changed, for no snapshot at or below
	 * zxid with all logs behind it would be left; a snapshot of the leader is needed.
	 */
	MSG_TRUNCATE = 17,
	/*
	 * syncd -> logd: store the epochs, proto Epochs; answered by the same type and seq when on disk. flags
	 * STORE_REFUSED: they could not be stored, and what was there still is. A learner's txns are appended before the
	 * current epoch is raised, never after: so a log may reach into epochs above the current one, up to the accepted
	 * one, where the learner died meanwhile, and such a log is in order.
	 */
	MSG_EPOCHS = 18,
	/* logd -> syncd -> clientd: proto Disk: the disk failed, or works again (zxid = what is durable then). */
	MSG_DISK = 19,

	/* syncd -> electiond: hold an election. seq = number of the election, rising; proto Look. */
	MSG_LOOK = 20,
	/*
	 * electiond -> syncd: the election is over, seq = that of LOOK; proto Result. syncd takes no notice of a result
	 * with another number. syncd -> electiond: the node has this role, seq 0: told after HELLO to an electiond
	 * that did not see the election, and again when the node is in sync and its vote's epoch is the new one.
	 */
	MSG_RESULT = 21,
	/*
	 * syncd -> electiond, clientd: body = the configuration text in force, zxid = its version. electiond -> syncd:
	 * a peer has this newer one. syncd -> logd: keep this text of the newest one, which may be no more than proposed: it
	 * is on disk before any APPEND or EPOCHS that comes behind it, and in each HELLO.
	 */
	MSG_CONFIG = 22,
	/* syncd -> electiond: the node neither looks nor has a role (its disk failed, say): speak to nobody. */
	MSG_LEAVE = 23,
	/*
	 * syncd -> logd: put the leader's snapshot in place of what there is; carries one descriptor, the reading end of
	 * a bulk channel with BULK_SNAPSHOT (zxid), BULK_DATA (of the leader's stream: session table to the final "/",
	 * without file header and trailer), BULK_SNAPSHOT_END. Answered by the same type and seq when it is the newest
	 * snapshot and on disk, zxid = its zxid; what was beyond it is set aside. flags STORE_REFUSED: it did not come
	 * whole or could not be stored, and what was there still is. Where the log went beyond the snapshot the node has
	 * less now than it has acked: until EPOCHS is stored with an accepted epoch that is also the current one logd says
	 * in its HELLO, also after a crash, that it is partial, and the node does not vote.
	 */
	MSG_INSTALL = 24,
	/* syncd -> clientd, on a leader: who follows, for the words srvr and mntr. proto Learners; when it changes. */
	MSG_LEARNERS = 25,
	/*
	 * logd -> syncd -> clientd: how large the data is, for the words dirs and conf; proto Sizes. After HELLO, and when
	 * that has changed since a look a while ago. It means nothing to the order of anything.
	 */
	MSG_SIZES = 26,
	/*
	 * electiond -> syncd: since RESULT another voter has turned to another leader, or looks in a later round. seq = that
	 * of LOOK. flags DOUBT_LOST: the rest is no quorum, or the elected server is itself among them. Only who is not in
	 * sync yet takes notice.
	 */
	MSG_DOUBT = 27,

	/* Bulk channels (a socketpair, not a star link). */
	/* A snapshot follows, exact at zxid (fuzzy where another server wrote it). A second one means: start again. */
	MSG_BULK_SNAPSHOT = 32,
	/* body = the next bytes of the snapshot file, inflated. */
	MSG_BULK_DATA = 33,
	/* The snapshot is whole. */
	MSG_BULK_SNAPSHOT_END = 34,
	/* zxid, body = serialized txn. */
	MSG_BULK_TXN = 35,
	/* Nothing more comes; zxid = the last logged zxid. Without this the reader must not trust what it has. */
	MSG_BULK_END = 36,
	/*
	 * First frame where LOAD_LEARNER asked and no snapshot comes: zxid = the last logged one at or below that of the
	 * LOAD, so the learner has a txn that we do not where it is lower.
	 */
	MSG_BULK_LOG = 37,

	/* Control sockets (zkctl dials): seq is chosen by zkctl and repeated in the answer. Bodies are proto. */
	MSG_STATUS = 64,    /* question: empty; answer: proto Status */
	MSG_PROBE = 65,     /* question: proto ProbeRequest; answer: proto ProbeReply; debug builds only */
	MSG_RESTART = 66,   /* to zkd: proto RestartRequest; answer: proto Answer */
	MSG_LOG_LEVEL = 67, /* proto LogLevelRequest; answer: proto Answer */
	/* To clientd, from admind: a four-letter word, whatever the whitelist says; proto WordRequest; answer WordAnswer. */
	MSG_WORD = 68,
	/* To syncd: lose packets on purpose; proto LoseRequest; answer: proto Answer, not ok in builds without debugging. */
	MSG_LOSE = 69,
	/* To any daemon: harm yourself; proto FaultRequest; answer likewise. */
	MSG_FAULT = 70,
	/* To syncd of the leader: hand leadership over; proto MoveRequest; answer proto MoveAnswer, when it begins. */
	MSG_MOVE = 71,
};

/* Flags of MSG_LOAD. */
enum { LOAD_HAVE_TREE = 1, LOAD_LEARNER = 2, LOAD_SNAPSHOT = 4 };
/* Flags of logd's answers to TRUNCATE, EPOCHS and INSTALL. */
enum { STORE_REFUSED = 1 };
/* Of DOUBT. */
enum { DOUBT_LOST = 1 };

#endif
