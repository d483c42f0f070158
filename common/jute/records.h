/*
 * The records of ZooKeeper's protocols and files: for each record X of records.def
 *
 *   struct jute_X
 *   void jute_write_X(struct buf *b, const struct jute_X *v)
 *   bool jute_read_X(struct jute_reader *r, struct arena *a, struct jute_X *v)
 *
 * and for each record that vectors are made of
 *
 *   struct jute_X_vec { struct jute_X *v; int32_t n; }      n is -1 for the null vector (v is NULL then)
 *   void jute_write_X_vec(...), bool jute_read_X_vec(...)
 *
 * A reader takes the record's fields and leaves what follows; it returns jute_ok(r). Slices in the result
 * point into the reader's input, vectors into the arena. On failure the result holds zeros and nulls from the
 * bad field on, and may be looked at safely.
 */
#ifndef JUTE_RECORDS_H
#define JUTE_RECORDS_H

#include "jute/jute.h"

struct jute_string_vec {
	struct slice *v;
	int32_t n;
};

void jute_write_string_vec(struct buf *b, const struct jute_string_vec *v);
bool jute_read_string_vec(struct jute_reader *r, struct arena *a, struct jute_string_vec *v);

#define RECORD(name)    struct jute_##name {
#define BOOL(f)         bool f;
#define INT(f)          int32_t f;
#define LONG(f)         int64_t f;
#define ULONG(f)        uint64_t f;
#define BUFFER(f)       struct slice f;
#define STRING(f)       struct slice f;
#define STRINGS(f)      struct jute_string_vec f;
#define NESTED(type, f) struct jute_##type f;
#define VECTOR(type, f) struct jute_##type##_vec f;
#define TAIL_BOOL(f)    bool f, has_##f;
#define END(name)                                                                                            \
	}                                                                                                    \
	;                                                                                                    \
	void jute_write_##name(struct buf *b, const struct jute_##name *v);                                  \
	bool jute_read_##name(struct jute_reader *r, struct arena *a, struct jute_##name *v);
#define VECTOR_OF(type, bytes)                                                                               \
	struct jute_##type##_vec {                                                                           \
		struct jute_##type *v;                                                                       \
		int32_t n;                                                                                   \
	};                                                                                                   \
	void jute_write_##type##_vec(struct buf *b, const struct jute_##type##_vec *v);                      \
	bool jute_read_##type##_vec(struct jute_reader *r, struct arena *a, struct jute_##type##_vec *v);
#include "jute/records.def"

#endif
