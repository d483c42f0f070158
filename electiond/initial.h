/*
 * The first message on a connection of the election port: who dials, and where it is reached itself.
 *
 *	offset	0		8	16		20
 *	field	protocol	sid	length		host:port[|host:port...]
 *
 * Servers older than 3.5 send their sid alone (a protocol is negative, a sid is not). Nothing is answered.
 * Pure functions; addresses borrow the bytes they were parsed from.
 * Source: ZooKeeper, QuorumCnxManager.InitialMessage, startConnection and handleConnection.
 */
#ifndef ELECTIOND_INITIAL_H
#define ELECTIOND_INITIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum {
	INITIAL_TEXT_MAX = 2048,    /* bytes of all addresses; more is refused */
	INITIAL_ADDRESSES_MAX = 16, /* likewise */
	INITIAL_HEADER_BYTES = 20,
	INITIAL_BYTES_MAX = INITIAL_HEADER_BYTES + INITIAL_TEXT_MAX,
};

enum initial_form {
	INITIAL_SID_ONLY, /* 3.4 */
	INITIAL_ONE,      /* protocol -65536: 3.5, and later ones with one address each */
	INITIAL_SEVERAL,  /* protocol -65535: where several addresses are enabled */
};

/* The sid of an observer that has none: whoever accepts it gives it a number of its own. */
#define INITIAL_SID_NONE INT64_MAX

struct initial_address {
	struct slice host; /* an IPv6 literal without its brackets */
	uint16_t port;
};

struct initial {
	enum initial_form form;
	int64_t sid;
	size_t naddresses; /* may be 0: a server that listens everywhere names no address to dial */
	struct initial_address addresses[INITIAL_ADDRESSES_MAX];
};

/* Returns the bytes it used, 0 when there are not enough yet, -EPROTO for what ends the connection. */
int64_t initial_parse(struct slice in, struct initial *m);

/* Appends m in its form. Returns 0, or -EMSGSIZE (and appends nothing) where the text would be empty or too
 * long. */
int initial_put(struct buf *out, const struct initial *m);

/*
 * Of two servers the one with the larger sid dials. Whether a connection that `dialler` opened to `acceptor`
 * stays: if not, the dialler says no more than its initial message, and the acceptor dials in its turn.
 */
bool initial_keeps(int64_t dialler, int64_t acceptor);

#endif
