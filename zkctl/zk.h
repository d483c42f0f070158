/*
 * A session with any server that speaks ZooKeeper's client protocol: connects to the first server of a list that
 * serves, keeps the session alive while it waits, and goes on with another server when a connection ends.
 *
 * Requests are pipelined: zk_begin, the record into the buffer it returns, zk_end; as many as zk_room allows. zk_next
 * gives the replies in the order of the requests, and what else there is to know, one piece at a time. One request
 * alone is zk_call.
 *
 * What a lost connection means for requests in flight: those that had not begun to leave, and those that are marked
 * ZK_REPEATABLE, are sent again; the others get the reply ZK_CONNECTIONLOSS, for nobody knows whether they were
 * carried out.
 *
 * bench/ has clients of its own: they measure servers, and must do nothing that this one does besides.
 *
 * Functions return 0 or -errno; what a server said of a request is enum zk_error in the reply. After -errno the text
 * for people stands in zk->why.
 */
#ifndef ZKCTL_ZK_H
#define ZKCTL_ZK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "jute/jute.h"
#include "jute/op.h"
#include "jute/passwd.h"
#include "jute/records.h"
#include "jute/zk_error.h"

enum {
	ZK_SERVERS_MAX = 32,
	ZK_HOST_BYTES = 256,
	ZK_AUTHS_MAX = 16,
	ZK_TIMEOUT_MS = 10000,     /* of a session, as asked for */
	ZK_DIAL_MS = 3000,         /* for one server until it has opened the session */
	ZK_AGAIN_MS = 10000,       /* how long to look for a server after a connection was lost */
	ZK_WINDOW = 256,           /* requests in flight */
	ZK_WINDOW_BYTES = 4 << 20, /* their bytes */
	ZK_REPLY_MAX = 256 << 20,  /* a longer reply ends the connection */
	ZK_WHY_BYTES = 512,
};

struct zk_server {
	char host[ZK_HOST_BYTES];
	char port[8];
};

/* "host:port,[::1]:port,host": a port left out is 2181. 0, or -EINVAL with the reason in why. */
struct zk_servers {
	struct zk_server all[ZK_SERVERS_MAX];
	unsigned n;
};
int zk_servers_parse(const char *text, struct zk_servers *out, char why[ZK_WHY_BYTES]);

struct zk_auth {
	struct slice scheme, credential; /* a secret; borrowed */
};

struct zk_config {
	struct zk_servers servers;
	struct zk_auth auths[ZK_AUTHS_MAX];
	unsigned nauths;
	int64_t wait_ms; /* how long to look for a server that serves; 0: each is asked once */
	int64_t session; /* an existing session to take over, 0: a new one */
	bool read_only;  /* a server without a quorum will do */
	bool (*stop)(
	    void); /* asked when a signal interrupts a wait: whether to end with -EINTR; NULL: never */
};

enum zk_repeat { ZK_ONCE, ZK_REPEATABLE };

enum zk_news_kind {
	ZK_NEWS_REPLY,
	ZK_NEWS_EVENT,
	ZK_NEWS_RECONNECTED, /* with the same session; its watches are gone */
	ZK_NEWS_NEW_SESSION, /* the old one has expired: ephemerals too are gone */
};

struct zk_news {
	enum zk_news_kind kind;
	int32_t op;  /* of a reply: what was asked, */
	void *tag;   /* as given to zk_end, */
	int32_t err; /* what the server said, enum zk_error, */
	uint64_t zxid;
	struct jute_reader body; /* and the record where err is 0; good until the next zk_next */
	struct jute_watcher_event event;
};

struct zk {
	struct zk_config config;
	int fd; /* -1: not connected */
	int64_t session;
	uint8_t passwd[PASSWD_BYTES];
	uint32_t timeout_ms; /* as negotiated */
	uint64_t last_zxid;
	struct zk_server *server; /* connected to, or tried last */
	unsigned next_server;
	int32_t xid;
	struct buf out, in;
	uint64_t out_total;  /* bytes ever put into out on this connection */
	size_t in_frame;     /* of in: the frame that was handed out, with its length field */
	struct list flights; /* struct flight, oldest first */
	unsigned nflights;
	size_t flight_bytes;
	size_t frame_at; /* of the request being written */
	struct buf frame;
	int32_t frame_op;
	unsigned auths_due;        /* replies to auth packets that are still to come */
	bool reconnected, renewed; /* to be told by zk_next */
	int64_t heard_ms, sent_ms;
	bool ping_due;      /* a ping is out and not answered */
	struct arena arena; /* of typed answers */
	char why[ZK_WHY_BYTES];
};

/* Connects and opens the session (or takes config.session over). */
int zk_open(struct zk *z, const struct zk_config *config);
/* Closes the session, waiting a little for the answer, and the connection. Harmless on one that never opened. */
void zk_close(struct zk *z);
/* Leaves the session alone: it lives until its timeout. */
void zk_abandon(struct zk *z);

/* Whether another request should be sent before replies are taken. */
bool zk_room(const struct zk *z);
/* Begins a request; its record goes into the buffer returned. */
struct buf *zk_begin(struct zk *z, int32_t op);
/* Ends it. It leaves with the next zk_next. */
void zk_end(struct zk *z, void *tag, enum zk_repeat repeat);

/*
 * The next piece of news, waited for at most limit_ms (below 0: as long as it takes). 0; -ETIMEDOUT when there is
 * none; -EINTR when config.stop says so; else the session is lost.
 */
int zk_next(struct zk *z, struct zk_news *n, int64_t limit_ms);
/* Keeps the session alive without waiting: for whoever waits for a person at fd meanwhile. */
int zk_idle(struct zk *z);

/* Forgets all requests in flight, with their connection; the session stays, and the next request dials again. */
void zk_reset(struct zk *z);

/* After zk_end with nothing else in flight: the reply. Events that come before it are dropped. */
int zk_reply(struct zk *z, struct zk_news *n);

/*
 * Single requests, with nothing else in flight. What they return in slices and vectors lives until the next call on
 * the session. *code is what the server said.
 */
struct zk_answer {
	struct slice data, path;
	struct jute_stat stat;
	struct jute_acl_vec acl;
	struct jute_string_vec names;
	int32_t number;
};
int zk_get(struct zk *z, const char *path, struct zk_answer *a, int32_t *code);
int zk_exists(struct zk *z, const char *path, struct zk_answer *a, int32_t *code);
int zk_children(struct zk *z, const char *path, struct zk_answer *a, int32_t *code);
int zk_get_acl(struct zk *z, const char *path, struct zk_answer *a, int32_t *code);
int zk_set(struct zk *z, const char *path, struct slice data, int32_t version, struct zk_answer *a,
	   int32_t *code);
int zk_set_acl(struct zk *z, const char *path, const struct jute_acl_vec *acl, int32_t version,
	       struct zk_answer *a, int32_t *code);
int zk_delete(struct zk *z, const char *path, int32_t version, int32_t *code);
int zk_count(struct zk *z, const char *path, struct zk_answer *a, int32_t *code);
int zk_add_watch(struct zk *z, const char *path, enum zk_add_watch mode, int32_t *code);

/* A create of any mode. ttl_ms counts for the two TTL modes. */
struct zk_create {
	struct slice path, data;
	struct jute_acl_vec acl;
	enum zk_create_mode mode;
	int64_t ttl_ms;
};
/* Begins and writes it; zk_end is the caller's. */
void zk_put_create(struct zk *z, const struct zk_create *c);
int zk_create(struct zk *z, const struct zk_create *c, struct zk_answer *a, int32_t *code);
/* world:anyone:cdrwa */
extern const struct jute_acl_vec zk_acl_open;

#endif
