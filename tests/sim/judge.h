/* Whether a reply is what the model says. */
#ifndef SIM_JUDGE_H
#define SIM_JUDGE_H

#include "client.h"
#include "jute/records.h"

/* r stands behind the header. */
void judge_reply(struct client *c, struct ask *a, const struct jute_reply_header *h, struct jute_reader *r);

#endif
