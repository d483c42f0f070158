/*
 * A client: one session after the other, pipelined requests, watches. It knows ZooKeeper's protocol and compares all
 * that it hears with the model.
 */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "ask.h"
#include "net.h"
#include "pipe.h"
#include "watches.h"

enum { PIPELINE_MAX = 6, PASSWORD_BYTES = 16 };

struct client {
	struct proc proc;
	int number;
	int node; /* where it dialled last, from 0 */
	struct dial dial;
	struct conn *conn;
	bool calm;      /* it was connected when the faults were long over: its session has to last */
	bool connected; /* the server has answered */
	uint64_t dialled_us, heard_us, said_us, next_us;
	int64_t session;
	uint8_t password[PASSWORD_BYTES];
	int32_t timeout_ms;
	uint64_t last_zxid;
	struct ask **asks; /* by xid - 1 */
	int32_t nasks, asks_cap;
	int32_t answered; /* all up to this xid are answered, or were lost with their connection */
	struct watch_held watches[WATCHES_MAX];
	int nwatches;
	bool restoring;  /* setWatches is not answered */
	uint64_t worked; /* answers heard */
};

struct client *client_new(struct sim *s, int number);
void client_free(struct client *c);
/* The request with that session and xid, or NULL. */
struct ask *client_find_ask(struct sim *s, int64_t session, int32_t xid);

#endif
