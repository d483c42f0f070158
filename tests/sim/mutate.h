/*
 * Bugs planted at the seams between the cores, to see that the checks find them: --mutate NAME. README.md says of each
 * how many seeds it took. They are no part of any daemon.
 */
#ifndef SIM_MUTATE_H
#define SIM_MUTATE_H

/* X(NAME, name on the command line, nodes that it takes, what is wrong then) */
#define MUTATIONS(X)                                                                                         \
	X(ACK_BEFORE_SYNC, "ack-before-sync", 1, "a sync of the log says done and does nothing")             \
	X(LOST_APPEND, "lost-append", 1, "one batch in 50 is never written")                                 \
	X(COMMIT_BEYOND_DURABLE, "commit-beyond-durable", 1, "syncd commits what is only proposed")          \
	X(WATCH_AFTER_REPLY, "watch-after-reply", 1, "an event leaves behind the reply that follows it")     \
	X(LOST_EVENT, "lost-event", 1, "one watch event in 20 is lost")                                      \
	X(FORGET_FOLDER_SYNC, "forget-folder-sync", 1, "names of new files are not synced")                  \
	X(REUSE_ZXID, "reuse-zxid", 1, "a logd that starts leaves out its last txn")                         \
	X(NO_CUT, "no-cut-of-torn-tail", 1, "logs are never cut")                                            \
	X(RETRY_SYNC, "retry-sync", 1, "a failed sync is tried again on the same pages")                     \
	X(STALE_LOAD, "stale-load", 1, "the last txn of a load is left out")                                 \
	X(EARLY_EXPIRY, "early-expiry", 1, "clientd's clock runs four times too fast")                       \
	X(LOST_REPLY, "lost-reply", 1, "one reply in 100 is lost")                                           \
	X(SWAP_REPLIES, "swap-replies", 1, "two replies change places")                                      \
	X(NO_SNAPSHOT_SYNC, "no-snapshot-sync", 1, "a snapshot is renamed before it is on the disk")         \
	X(NO_HASH, "no-config-hash", 1, "HELLO says nothing of the configuration")                           \
	X(QUORUM_OF_ONE, "quorum-of-one", 3, "each syncd takes itself for a quorum")                         \
	X(ACK_BEFORE_WRITE, "ack-before-write", 3, "logd calls durable what it has only been given")         \
	X(EPOCHS_UNSAID, "epochs-not-stored", 3, "logd says that epochs are stored and stores nothing")      \
	X(FORGET_ACCEPTED, "forget-accepted-epoch", 3,                                                       \
	  "logd's HELLO has the current epoch for the accepted")                                             \
	X(TRUNCATE_NOTHING, "truncate-nothing", 3, "logd says that the log is cut and cuts nothing")         \
	X(TRUNCATE_MORE, "truncate-more", 3, "logd cuts one txn more than it is told")                       \
	X(INSTALL_NOTHING, "install-nothing", 3, "logd says that the snapshot is installed")                 \
	X(LOST_COMMIT, "lost-commit", 3, "one commit in 100 does not reach a learner's clientd")             \
	X(LOCAL_SYNC, "local-sync", 3, "a learner's sync is answered without its leader")                    \
	X(LOST_TOUCH, "lost-touch", 3, "learners do not tell whom they have heard of")                       \
	X(SECOND_REQUEST, "second-request", 3, "a learner's clientd asks for one write in 50 twice")         \
	X(OBSERVER_ACKS, "observer-acks", 3, "an observer speaks to the leader as a voter, and is counted")  \
	X(NO_ROLLOVER, "no-rollover", 3, "a leader takes the last zxid of its epoch, and goes on")           \
	X(PENDING_IGNORED, "pending-ignored", 3, "a reconfiguration is committed by the old voters alone")   \
	X(FORGET_MEMBERS, "forget-members", 3,                                                               \
	  "logd's HELLO has no members: a reborn syncd knows of no pending reconfiguration")                 \
	X(OLD_VOTE, "old-vote", 3, "electiond is told the zxid of the log's snapshot for that of its end")

enum mutation {
	MUTATE_NOTHING,
#define X(name, text, nodes, what) MUTATE_##name,
	MUTATIONS(X)
#undef X
	    MUTATIONS_END,
};

#endif
