/*
 * ACL lists and who may do what (ZooKeeper: ZooKeeperServer.checkACL, PrepRequestProcessor.fixupACL, the
 * providers world, auth, digest, ip, super).
 *
 * A list is kept and passed on as the bytes of its vector<ACL>: what a txn carries, a snapshot holds and
 * getACL answers. Evaluation walks these bytes and allocates nothing.
 *
 * Who asks is a struct auth: the ids that a connection has shown, in the order in which it showed them. It is
 * owned by the connection, or lies in the arena of a decoded REQUEST; nothing here keeps it.
 */
#ifndef CLIENTD_ACL_H
#define CLIENTD_ACL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "jute/records.h"
#include "jute/zk_error.h"

/* The same layout as a decoded vector<Id>, so that a REQUEST's authinfo serves as it is. */
struct auth {
	const struct jute_id *ids;
	int32_t n; /* below 1: nobody in particular */
};

/* More entries than this in one submitted list are refused as invalid. */
enum { ACL_ENTRIES_MAX = 1024 };

/* Keys that change what is allowed. The slice is borrowed and must outlive whoever was given the rules. */
struct acl_rules {
	bool skip; /* skipACL=yes: everybody may do everything */
	/* DigestAuthenticationProvider.superDigest, "super:base64"; null: nobody is super. */
	struct slice super_digest;
	/* enforce.auth.schemes where enforce.auth.enabled: schemes with commas between; null: nothing is enforced. */
	struct slice enforced;
};

/* world:anyone:all as vector<ACL>; the list of every ordinary node. */
extern const struct slice acl_open;
/* world:anyone:r, the list of /zookeeper/config. */
extern const struct slice acl_read_only;

/*
 * Whether who may do what perm (one or more bits of enum zk_perm, any of them suffices) stands for, on a node
 * with this list. An empty or null list allows everything, as in ZooKeeper; a list that cannot be parsed
 * allows nothing.
 */
bool acl_allows(const struct acl_rules *rules, struct slice list, int32_t perm, const struct auth *who);

/*
 * Normalises what a client sent with create or setACL (ZooKeeper: fixupACL; duplicates out, "auth"
 * expanded to the caller's ids, every id checked by its scheme) and appends the resulting vector<ACL> to out.
 * ZK_OK or ZK_INVALIDACL; then out is as before.
 */
enum zk_error acl_normalise(const struct jute_acl_vec *acl, const struct auth *who, struct buf *out);

/* Appends list as getACL shows it: unless `full`, the second half of every digest id becomes "x". */
void acl_write_shown(struct slice list, bool full, struct buf *out);

/* Takes a vector<ACL> as the bytes that it is; acl_open for the null vector. */
struct slice acl_read_raw(struct jute_reader *r);

/* Whether the bytes are one whole vector<ACL> with nothing behind it. */
bool acl_list_valid(struct slice list);

/*
 * An auth packet of scheme "digest" or "ip": what ids it adds to its connection. Up to AUTH_IDS_PER_PACKET
 * are written to ids, *n says how many; their bytes lie in a. "digest" gives
 * digest:user:base64(sha1(user:password)) and, where that is the super digest, super: as well. ZK_AUTHFAILED
 * for a scheme that is none of ours, or bad data: the connection is then answered with that and closed.
 * Adding an id that is already there is the caller's to leave out.
 */
enum { AUTH_IDS_PER_PACKET = 2 };
enum zk_error auth_packet(const struct acl_rules *rules, struct slice scheme, struct slice data,
			  struct arena *a, struct jute_id ids[AUTH_IDS_PER_PACKET], int32_t *n);
/* Whether who has proven one of the schemes that everybody must prove, if any (ZooKeeper: AuthenticationHelper). */
bool auth_enough(const struct acl_rules *rules, const struct auth *who);
/* What whoAmI shows for an id: the user part of a digest, the whole id of any other scheme. */
struct slice auth_user(const struct jute_id *id);

#endif
