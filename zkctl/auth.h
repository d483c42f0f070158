/* Credentials of --auth and ZKCTL_AUTH, for a session. */
#ifndef ZKCTL_AUTH_H
#define ZKCTL_AUTH_H

#include "zk.h"
#include "zkctl.h"

/* Reads them into c->auths, which auth_forget wipes and releases. 0, or an exit status after a complaint. */
int auth_read(const struct options *o, struct zk_config *c);
void auth_forget(struct zk_config *c);

#endif
