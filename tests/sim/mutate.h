/*
 * Bugs planted at the seams between the cores, to see that the checks find them: --mutate NAME. README.md says of each
 * how many seeds it took. They are no part of any daemon.
 */
#ifndef SIM_MUTATE_H
#define SIM_MUTATE_H

/* X(NAME, name on the command line, what is wrong then) */
#define MUTATIONS(X)                                                                                         \
	X(ACK_BEFORE_SYNC, "ack-before-sync", "a sync of the log says done and does nothing")                \
	X(LOST_APPEND, "lost-append", "one batch in 50 is never written")                                    \
	X(COMMIT_BEYOND_DURABLE, "commit-beyond-durable", "syncd commits what is only proposed")             \
	X(WATCH_AFTER_REPLY, "watch-after-reply", "a watch event leaves behind the reply that follows it")   \
	X(LOST_EVENT, "lost-event", "one watch event in 20 is lost")                                         \
	X(FORGET_FOLDER_SYNC, "forget-folder-sync", "names of new files are not synced")                     \
	X(REUSE_ZXID, "reuse-zxid", "a logd that starts leaves out its last txn")                            \
	X(NO_CUT, "no-cut-of-torn-tail", "logs are never cut")                                               \
	X(RETRY_SYNC, "retry-sync", "a failed sync is tried again on the same pages")                        \
	X(STALE_LOAD, "stale-load", "the last txn of a load is left out")                                    \
	X(EARLY_EXPIRY, "early-expiry", "clientd's clock runs four times too fast")                          \
	X(LOST_REPLY, "lost-reply", "one reply in 100 is lost")                                              \
	X(SWAP_REPLIES, "swap-replies", "two replies change places")                                         \
	X(NO_SNAPSHOT_SYNC, "no-snapshot-sync", "a snapshot is renamed before it is on the disk")

enum mutation {
	MUTATE_NOTHING,
#define X(name, text, what) MUTATE_##name,
	MUTATIONS(X)
#undef X
	    MUTATIONS_END,
};

#endif
