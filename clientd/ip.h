/*
 * The scheme "ip": addresses and prefixes in ACLs (ZooKeeper: IPAuthenticationProvider). IPv4 as four decimal parts,
 * IPv6 as hexadecimal groups with at most one "::"; a prefix as address/bits. Private to libtree.
 */
#ifndef CLIENTD_IP_H
#define CLIENTD_IP_H

#include <stdbool.h>

#include "base/slice.h"

/* Whether id is an address or a prefix. */
bool ip_valid(struct slice id);
/* Whether the address `shown` is the one, or lies in the prefix, of an ACL entry. */
bool ip_matches(struct slice shown, struct slice entry);

#endif
