/*
 * A client in the tests of the front: what it says, what it hears. The world (front_world.h), its configuration and an
 * arena for what is decoded are made anew for each test.
 */
#ifndef TESTS_FRONT_CLIENT_H
#define TESTS_FRONT_CLIENT_H

#include <check.h>

#include "front_world.h"
#include "jute/records.h"

extern struct world w;
extern struct front_config config;
extern struct arena arena;
extern struct jute_acl open_acl; /* world:anyone:all */

/* Runs the tests that add adds; the status for main. */
int front_main(const char *name, void (*add)(TCase *t));

/* A front that serves, with the configuration as it stands in config. */
void serve(void);

/* A client with a session of 10 s; its id in *session unless that is NULL. */
struct world_client *client(int64_t *session);

struct buf new_buf(void);
/* One frame in b: begin gives its place, end fills in its length. */
size_t begin(struct buf *b);
void end(struct buf *b, size_t at);
/* The client says what is in b, which is freed. */
void send_buf(struct world_client *c, struct buf *b);

/* Whole frames of a client. */
void put_connect(struct buf *b, int64_t zxid, int32_t timeout_ms, int64_t session, const uint8_t *passwd,
		 bool with_byte);
void put_plain(struct buf *b, int32_t xid, int32_t op);
void put_path(struct buf *b, int32_t xid, int32_t op, const char *path, bool watch);
void put_create(struct buf *b, int32_t xid, const char *path, const char *data, int32_t flags);
void put_set(struct buf *b, int32_t xid, const char *path, const char *data);
void put_delete(struct buf *b, int32_t xid, const char *path);
void put_path_int(struct buf *b, int32_t xid, int32_t op, const char *path, int32_t v);
/* A request whose body the test writes itself; end() closes it. */
size_t begin_request(struct buf *b, int32_t xid, int32_t op);

/* c says what the statements put into b. */
#define SAY(c, ...)                                                                                          \
	do {                                                                                                 \
		struct buf say_b = new_buf(), *b = &say_b;                                                   \
		__VA_ARGS__;                                                                                 \
		send_buf(c, b);                                                                              \
	} while (0)

struct reply {
	int32_t xid;
	uint64_t zxid;
	int32_t err;
	struct slice body;
};

/* Takes the next whole frame that came to c; its bytes stay until more comes. */
struct slice hear_frame(struct world_client *c);
/* Takes the next reply or event. */
struct reply hear(struct world_client *c);
/* The first int of a reply's body. */
int32_t first_int(const struct reply *r);
/* The next thing heard is this event. */
void hear_event(struct world_client *c, int32_t type, const char *path);
struct jute_connect_response hear_connect(struct world_client *c);
/* Nothing came that was not heard yet. */
bool silent(const struct world_client *c);
/* How many messages of this type clientd has sent. */
int count_said(uint16_t type);

/* The next thing heard is a reply with this xid and error. */
#define HEAR(c, x, e)                                                                                        \
	do {                                                                                                 \
		struct reply heard = hear(c);                                                                \
		ck_assert_int_eq(heard.xid, x);                                                              \
		ck_assert_int_eq(heard.err, e);                                                              \
	} while (0)

#endif
