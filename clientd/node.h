/*
 * Where znodes live: fixed records of 104 bytes in chunks, addressed by 32-bit numbers, with name and data in one
 * block beside them, found by one hash index over whole paths. At a million nodes a znode costs about 130 bytes above
 * its name and data. Private to libtree.
 *
 * Numbers stay the same for a node's life and are used again after it; 0 is no node, NODE_ROOT the root. The root's
 * path is "" in here (NODE_PATH turns "/" into it).
 *
 * Reads write nothing. What a change replaces is freed by tree_retire, the one place that reader threads will defer.
 */
#ifndef CLIENTD_NODE_H
#define CLIENTD_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "disk/digest.h"
#include "jute/records.h"

enum { NODE_NONE = 0, NODE_ROOT = 1 };

enum node_flags {
	NODE_UNDIGESTED = 1, /* below /zookeeper: not part of the tree's digest */
	NODE_FREE = 2,
};

/* Name and data of one node, replaced as a whole. */
struct node_text {
	uint32_t name_len;
	uint32_t data_len; /* DATA_NULL for null data */
	uint8_t bytes[];   /* name, then data */
};
#define DATA_NULL UINT32_MAX

struct node {
	uint64_t czxid, mzxid, pzxid;
	int64_t ctime_ms, mtime_ms;
	struct node_text *text;
	int32_t version, cversion, aversion;   /* cversion as stored: creations of children */
	uint32_t hash;                         /* of the path, low half */
	uint32_t next;                         /* in the index's chain, or in the list of free nodes */
	uint32_t parent, child, after, before; /* first child, siblings; newest first */
	uint32_t children;
	uint32_t crc;             /* CRC-32 of path and data so far: the digest continues it over the stat */
	uint32_t acl;             /* number in the ACL set */
	uint32_t special;         /* number in the specials: owner and its list; 0 for a persistent node */
	uint32_t generation : 24; /* of the snapshot that has it already */
	uint32_t flags : 8;
};

struct nodes {
	struct node **chunks;
	uint32_t nchunks, used; /* used: numbers ever handed out, 1.. */
	uint32_t free;          /* list of free ones */
	uint32_t count;
	uint32_t *slots, *old; /* the index; old is drained into slots step by step, as in base/table */
	uint32_t nslots, nold, drained;
	uint64_t text_bytes; /* of all struct node_text */
	uint8_t seed[16];
};

enum { NODES_PER_CHUNK_BITS = 10, NODES_PER_CHUNK = 1 << NODES_PER_CHUNK_BITS };

/* Frees memory that readers may still look at. The seam for reader threads: today there are none. */
void tree_retire(void *p);

void nodes_init(struct nodes *s, const uint8_t seed[16]);
/* Every node with its text. */
void nodes_free(struct nodes *s);

static inline struct node *
node_at(const struct nodes *s, uint32_t number)
{
	number--;
	return &s->chunks[number >> NODES_PER_CHUNK_BITS][number & (NODES_PER_CHUNK - 1)];
}

static inline struct slice
node_path_key(struct slice path)
{
	return path.len == 0 || (path.len == 1 && path.data[0] == '/') ? slice_of("", 0) : path;
}

uint32_t nodes_hash(const struct nodes *s, struct slice key);
/* The node with this path key, or NODE_NONE. */
uint32_t nodes_find(const struct nodes *s, struct slice key, uint32_t hash);
/*
 * A new node below parent (NODE_NONE for the root, which must come first) with name and data copied, all else zero,
 * in the index and in front of its siblings. The caller has made sure that its path is not there yet.
 */
uint32_t nodes_add(struct nodes *s, uint32_t parent, struct slice name, struct slice data, uint32_t hash);
/* Takes a node without children out of everything and retires it. */
void nodes_remove(struct nodes *s, uint32_t number);
/* Replaces the data; data may be null. */
void nodes_set_data(struct nodes *s, struct node *n, struct slice data);
/* Bytes held for records, texts and index. */
uint64_t nodes_memory(const struct nodes *s);

struct slice node_name(const struct node *n);
/* Null for null data. */
struct slice node_data(const struct node *n);
static inline uint32_t
node_data_len(const struct node *n)
{
	return n->text->data_len == DATA_NULL ? 0 : n->text->data_len;
}

/* Length of the path as the client sees it: 1 for the root. */
uint32_t node_path_len(const struct nodes *s, uint32_t number);
/* Writes the path key to *scratch, in place of what is there, and returns it: "" for the root. */
struct slice node_path(const struct nodes *s, uint32_t number, struct buf *scratch);
/* The next in preorder within the subtree of top, or NODE_NONE. */
uint32_t node_next(const struct nodes *s, uint32_t number, uint32_t top);

/* The stat as it is stored and digested. owner is its special's. */
void node_stat_persisted(const struct node *n, int64_t owner, struct jute_stat_persisted *st);

#endif
