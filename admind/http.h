/*
 * The two sites of admind, the AdminServer and the metrics for Prometheus, on GNU libmicrohttpd. The library parses and
 * writes HTTP; sockets are accepted by us, and it runs in our loop: no thread, no listener of its own.
 *
 * A site finds the page of a path. A page names its sources, the questions that are put to other programs of the node;
 * when all are answered, or have failed, the page prints its text. Meanwhile the request waits, and nobody else does.
 *
 * Limits, whatever the other side does: HTTP_CONNECTIONS_MAX connections on each site (more are closed at once), one
 * request on each, HTTP_HEAD_BYTES for its head, GET and HEAD only, HTTP_LIFE_MS from the accept to the end, and
 * HTTP_HELD_MAX bytes of answers that nobody has read (then 503).
 */
#ifndef ADMIND_HTTP_H
#define ADMIND_HTTP_H

#include <ev.h>

#include "ask.h"
#include "base/arena.h"
#include "base/buf.h"
#include "io/acceptor.h"

enum {
	HTTP_CONNECTIONS_MAX = 32,
	HTTP_HEAD_BYTES = 16 << 10,
	HTTP_LIFE_MS = 15000,
	HTTP_TEXT_MAX = 8 << 20, /* of one answer */
	HTTP_HELD_MAX = 32 << 20,
	PAGE_SOURCES_MAX = 5,
};

struct MHD_Connection;
struct MHD_Daemon;
struct config;
struct exchange;
struct http;

/* A four-letter word of clientd, or what a program says of itself. */
struct source {
	enum ask_program program;
	const char *word; /* NULL: MSG_STATUS */
};

struct page {
	const struct source *sources;
	unsigned nsources;
	const char *type; /* Content-Type */
	const char
	    *argument; /* a number of the query, without which nothing is asked; NULL: none is needed */
	/* Appends to x->out. */
	void (*print)(struct exchange *x);
};

/* A request and its answer. */
struct exchange {
	struct http *http;
	struct site *site;
	struct MHD_Connection *connection;
	const struct page *page;
	const char *path; /* of the request, decoded */
	bool has_argument;
	int64_t argument;
	struct question questions[PAGE_SOURCES_MAX];
	/* Of page->sources: Zkd__WordAnswer or Zkd__Status; NULL: there is none. */
	void *answers[PAGE_SOURCES_MAX];
	unsigned waiting;
	bool begun, suspended;
	unsigned status; /* of HTTP */
	size_t held;
	struct arena arena; /* the answers */
	struct buf out;
};

struct site {
	const char *name;
	struct http *http;
	/* The page of a path, or NULL: there is none. */
	const struct page *(*find)(const struct config *c, const char *path);
	struct acceptor acceptor;
	struct MHD_Daemon *mhd;
	ev_io ready;
	struct list visitors; /* oldest first */
	uint64_t requests, refused;
};

struct http {
	struct turn *turn;
	struct ask *ask;
	const struct config *config;
	size_t held;
};

/* Serves a listener, which the site owns from now on. 0 or -errno. idle_ms: silence that ends a connection, 0: none. */
int site_start(struct site *s, struct http *h, const char *name, int listener, unsigned idle_ms,
	       const struct page *(*find)(const struct config *c, const char *path));
/* Goes on with what can be gone on with. Returns when it wants to be called again. Harmless where not started. */
uint64_t site_step(struct site *s, uint64_t now_ms);
/* No question may be waiting any more (ask_stop). */
void site_stop(struct site *s);

#endif
