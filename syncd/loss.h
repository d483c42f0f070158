/*
 * For debug builds: the packets that `zkctl debug drop` has syncd lose on their way out, so that how a loss is noticed
 * and repaired can be seen on a running ensemble. What is to be lost stands in `loss`; the core asks it through the
 * filter.
 */
#ifndef SYNCD_LOSS_H
#define SYNCD_LOSS_H

#include "io/control.h"
#include "zab.h"

enum loss_kind { LOSS_PROPOSAL, LOSS_ACK, LOSS_COMMIT, LOSS_PING, LOSS_KINDS };

/* What is to be lost of one kind. */
struct loss_rule {
	bool to_one;
	uint64_t sid;        /* to_one: of the server whose packets are lost */
	uint32_t left, lost; /* still to come; done */
};

struct loss {
	struct zab_filter filter; /* for zab_config */
	struct loss_rule rules[LOSS_KINDS];
};

void loss_init(struct loss *l);
/* Takes MSG_LOSE and answers; z tells what this server would send. */
void loss_take(struct loss *l, const struct zab *z, struct control_conn *c, const struct frame *question);
/* What is still to be lost, as facts. */
void loss_tell(const struct loss *l, struct status_writer *w);

#endif
