/* See records.h. The codecs are made from records.def, so a record's structure, writer and reader cannot
 * disagree. */
#include "jute/records.h"

#define STRING_MIN_BYTES 4

/* Writers */
#define RECORD(name)                                                                                         \
	void jute_write_##name(struct buf *b, const struct jute_##name *v)                                   \
	{
#define BOOL(f)         jute_write_bool(b, v->f);
#define INT(f)          jute_write_int(b, v->f);
#define LONG(f)         jute_write_long(b, v->f);
#define ULONG(f)        jute_write_long(b, (int64_t)v->f);
#define BUFFER(f)       jute_write_buffer(b, v->f);
#define STRING(f)       jute_write_string(b, v->f);
#define STRINGS(f)      jute_write_string_vec(b, &v->f);
#define NESTED(type, f) jute_write_##type(b, &v->f);
#define VECTOR(type, f) jute_write_##type##_vec(b, &v->f);
#define TAIL_BOOL(f)                                                                                         \
	if (v->has_##f)                                                                                      \
		jute_write_bool(b, v->f);
#define END(name) }
#define VECTOR_OF(type, bytes)                                                                               \
	void jute_write_##type##_vec(struct buf *b, const struct jute_##type##_vec *v)                       \
	{                                                                                                    \
		jute_write_count(b, v->n);                                                                   \
		for (int32_t i = 0; i < v->n; i++)                                                           \
			jute_write_##type(b, &v->v[i]);                                                      \
	}
#include "jute/records.def"

/* Readers */
#define RECORD(name)                                                                                         \
	bool jute_read_##name(struct jute_reader *r, struct arena *a, struct jute_##name *v)                 \
	{                                                                                                    \
		(void)a;
#define BOOL(f)         v->f = jute_read_bool(r);
#define INT(f)          v->f = jute_read_int(r);
#define LONG(f)         v->f = jute_read_long(r);
#define ULONG(f)        v->f = (uint64_t)jute_read_long(r);
#define BUFFER(f)       v->f = jute_read_buffer(r);
#define STRING(f)       v->f = jute_read_string(r);
#define STRINGS(f)      jute_read_string_vec(r, a, &v->f);
#define NESTED(type, f) jute_read_##type(r, a, &v->f);
#define VECTOR(type, f) jute_read_##type##_vec(r, a, &v->f);
#define TAIL_BOOL(f)                                                                                         \
	v->has_##f = jute_left(r) > 0;                                                                       \
	v->f = v->has_##f && jute_read_bool(r);
#define END(name)                                                                                            \
	return jute_ok(r);                                                                                   \
	}
#define VECTOR_OF(type, bytes)                                                                               \
	bool jute_read_##type##_vec(struct jute_reader *r, struct arena *a, struct jute_##type##_vec *v)     \
	{                                                                                                    \
		int32_t n = jute_read_count(r, bytes);                                                       \
                                                                                                             \
		*v = (struct jute_##type##_vec){ NULL, n };                                                  \
		if (n >= 0 && (v->v = jute_read_alloc(r, a, n, sizeof *v->v)) == NULL)                       \
			v->n = 0;                                                                            \
		for (int32_t i = 0; i < v->n; i++)                                                           \
			jute_read_##type(r, a, &v->v[i]);                                                    \
		return jute_ok(r);                                                                           \
	}
#include "jute/records.def"

void
jute_write_string_vec(struct buf *b, const struct jute_string_vec *v)
{
	jute_write_count(b, v->n);
	for (int32_t i = 0; i < v->n; i++)
		jute_write_string(b, v->v[i]);
}

bool
jute_read_string_vec(struct jute_reader *r, struct arena *a, struct jute_string_vec *v)
{
	int32_t n = jute_read_count(r, STRING_MIN_BYTES);

	*v = (struct jute_string_vec){ NULL, n };
	if (n >= 0 && (v->v = jute_read_alloc(r, a, n, sizeof *v->v)) == NULL)
		v->n = 0;
	for (int32_t i = 0; i < v->n; i++)
		v->v[i] = jute_read_string(r);
	return jute_ok(r);
}
