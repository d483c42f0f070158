/*
 * The test is a peer, or the disk, of node 1 of a zab_net, and says packet by packet and frame by frame what comes. Names
 * are short here, for a test reads as a conversation.
 */
#ifndef TESTS_ZAB_TALK_H
#define TESTS_ZAB_TALK_H

#include "zab_net.h"

#define ZXID(epoch, n) ((uint64_t)(epoch) << 32 | (n))
#define NODE           (&net.nodes[1])

/* The connection that the test has an end of; 0: that which node 1 dialled last. */
extern uint32_t peer;

/* Node 1 of n, of which the first so many vote; the others are not there, and a dial to number 2 is the test's. */
void talk_init(int n, int voters);
/* Node 1 starts, and `leader` is elected. */
void elect(int leader);

void say(int type, uint64_t zxid);
void say_data(int type, uint64_t zxid, const char *data, size_t len);
/* With a txn as its data. */
void say_txn(int type, uint64_t zxid);
/* What came since the last call is this; see net_heard. */
void expect(const char *heard);
/* The newest connection that was closed, was so for this reason; and it was ours. */
void expect_closed(const char *why);
void expect_gone(const char *why);
void expect_looking(const char *why);

/* Learners of node 1. */
void say_info(int type, int64_t sid, uint32_t accepted, uint64_t version);
void say_ackepoch(int32_t epoch, uint64_t zxid);
/* Node 1 leads in epoch 2, has 1:1 to 1:5, and the test is its one follower, server 2. */
void lead(void);
/* Another learner of it connects, and tells where it stands. */
void join(int type, int64_t sid, uint32_t accepted, int32_t epoch, uint64_t zxid);

/* The leader of node 1, server 2: to where DIFF, TRUNC or SNAP is to come; and until node 1 follows. */
void discover(uint32_t epoch);
void follow(uint32_t epoch);
void hang_up(void);

/* logd: answers LOAD with a channel, whose frames the test makes. */
void open_channel(void);
void bulk(uint16_t type, uint64_t zxid, const char *body, size_t len);
void bulk_txn(uint64_t zxid);

/* Members: the text that node sid begins with; and a txn that changes it, whose length it returns. */
extern const char members_0[];
void with_members(int sid, const char *text);
size_t reconfig_body(uint8_t *body, uint64_t zxid, const char *text);
/* Node 1 follows in epoch 1 with members_0, and has `text` at 1:1 proposed to it, not committed. */
void follow_to_reconfig(const char *text);

#endif
