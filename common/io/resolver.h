/*
 * Names to addresses, in a child process of its own: a daemon behind its locked door can open none of the files that
 * this takes, and getaddrinfo waits. Every dial asks anew, as a peer may move under its name.
 *
 *	resolver_fork(&r);			before the door is locked, as the user the daemon runs as
 *	resolver_start(&r, loop, lost, owner);	behind it
 *	resolver_ask(&r, &query, "host");	query.done is called later, in the loop
 *
 * The child forks once more for each name, so a name that takes long holds up no other, and one that crashes a module of
 * the name service takes nothing along; such a process is ended after RESOLVER_LIMIT_MS. Those who ask for a name that is
 * being looked for already share the answer. The child may read files and open sockets, but write and run nothing; it
 * ends with the daemon. It cannot be made again: when it dies `lost` is called once, and the daemon decides (a restart
 * makes a new one). Literals need no child: resolver_literal.
 *
 * Answers are addresses in the order of getaddrinfo (RFC 6724), without port; none where the name has none, the time ran
 * out or the child is gone: what that means is the same for a dial. What comes from the child is checked like the
 * network.
 */
#ifndef IO_RESOLVER_H
#define IO_RESOLVER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/list.h"

enum {
	RESOLVER_ADDRESSES_MAX = 16, /* of one name; more are left out */
	RESOLVER_LOOKUPS_MAX = 64,   /* names looked for at a time; more get no answer */
	RESOLVER_NAME_MAX = 255,
	RESOLVER_LIMIT_MS = 10000,
};

struct resolver_query {
	struct list link;
	/* Called once unless cancelled; the query is free again before. found is borrowed. */
	void (*done)(struct resolver_query *q, const struct sockaddr_storage *found, size_t n);
};

struct resolver {
	int fd; /* -1: none */
	pid_t pid;
	struct ev_loop *loop;
	ev_io readable;
	struct list lookups;
	unsigned nlookups;
	uint64_t last_id;
	void (*lost)(void *owner);
	void *owner;
};

/* Makes the child. 0 or -errno. */
int resolver_fork(struct resolver *r);
/* Begins to hear its answers. lost may be NULL. */
void resolver_start(struct resolver *r, struct ev_loop *loop, void (*lost)(void *owner), void *owner);
/* Closes the way to the child, which ends. Queries are dropped. Harmless on one that is zeroed or stopped. */
void resolver_stop(struct resolver *r);

void resolver_query_init(struct resolver_query *q,
			 void (*done)(struct resolver_query *, const struct sockaddr_storage *, size_t));
/* Asks. The query must not be under way. 0, or -errno: it will not be answered (-ENOBUFS: too many; -EPIPE: no child). */
int resolver_ask(struct resolver *r, struct resolver_query *q, const char *name);
/* It will not be answered any more. Harmless when it is not under way. */
void resolver_cancel(struct resolver_query *q);
bool resolver_is_asked(const struct resolver_query *q);

/* Whether text is an address; then it is stored with the port. */
bool resolver_literal(const char *text, uint16_t port, struct sockaddr_storage *out);
void resolver_set_port(struct sockaddr_storage *address, uint16_t port);
/* The size of an address of its family. */
socklen_t resolver_address_size(const struct sockaddr_storage *address);

#endif
