/* See facts.h. Invariant: line and json are never both there. */
#include "facts.h"

#include <inttypes.h>
#include <sodium/utils.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/mem.h"

static void __attribute__((format(printf, 2, 3))) put_text(struct buf *out, const char *format, ...)
{
	char text[96];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	ASSERT(n >= 0 && (size_t)n < sizeof text);
	buf_put(out, text, (size_t)n);
}

static void
set(struct facts *f, const char *name, json_t *v)
{
	ASSERT(json_object_set_new(f->json, name, v) == 0);
}

/* Bytes of the printable character at p: 0 when it is none, or no UTF-8. */
static size_t
printable(const uint8_t *p, size_t len)
{
	size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	bool valid;
	json_t *v;

	if (n == 1)
		return *p >= 0x20 && *p != 0x7f;
	/* C1 controls move a terminal's cursor too. */
	if (n > len || (p[0] == 0xc2 && p[1] < 0xa0))
		return 0;
	v = json_stringn((const char *)p, n);
	valid = v != NULL;
	json_decref(v);
	return valid ? n : 0;
}

void
facts_escape(struct buf *out, struct slice v, bool keep_spaces)
{
	for (size_t i = 0; i < v.len;) {
		size_t n = printable(v.data + i, v.len - i);
		if (n == 0 || v.data[i] == '\\' || (v.data[i] == ' ' && !keep_spaces)) {
			put_text(out, "\\x%02x", v.data[i++]);
			continue;
		}
		buf_put(out, v.data + i, n);
		i += n;
	}
}

json_t *
facts_json_string(struct slice v)
{
	json_t *s = json_stringn(v.data == NULL ? "" : (const char *)v.data, v.len);
	struct buf plain;

	if (s != NULL)
		return s;
	buf_init(&plain, SIZE_MAX / 4);
	facts_escape(&plain, v, true);
	s = json_stringn((const char *)buf_head(&plain), buf_len(&plain));
	buf_free(&plain);
	return s;
}

json_t *
facts_json_hex(uint64_t v)
{
	return json_sprintf("0x%" PRIx64, v);
}

json_t *
facts_json_base64(struct slice v)
{
	size_t size = sodium_base64_encoded_len(v.len, sodium_base64_VARIANT_ORIGINAL);
	char *text;
	json_t *s;

	if (v.data == NULL)
		return json_null();
	text = mem_alloc(size);
	sodium_bin2base64(text, size, v.data, v.len, sodium_base64_VARIANT_ORIGINAL);
	s = json_string(text);
	mem_free(text);
	return s;
}

void
facts_word(struct facts *f, const char *name, struct slice v)
{
	if (f != NULL && f->line != NULL) {
		buf_put_u8(f->line, ' ');
		facts_escape(f->line, v, false);
	} else if (f != NULL) {
		set(f, name, facts_json_string(v));
	}
}

void
facts_text(struct facts *f, const char *name, struct slice v)
{
	if (f != NULL && f->line != NULL) {
		put_text(f->line, " %s=", name);
		facts_escape(f->line, v, false);
	} else if (f != NULL) {
		set(f, name, facts_json_string(v));
	}
}

void
facts_number(struct facts *f, const char *name, int64_t v)
{
	if (f != NULL && f->line != NULL)
		put_text(f->line, " %s=%" PRId64, name, v);
	else if (f != NULL)
		set(f, name, json_integer(v));
}

void
facts_hex(struct facts *f, const char *name, uint64_t v)
{
	if (f != NULL && f->line != NULL)
		put_text(f->line, " %s=0x%" PRIx64, name, v);
	else if (f != NULL)
		set(f, name, facts_json_hex(v));
}

void
facts_flag(struct facts *f, const char *name, bool v)
{
	if (f != NULL && f->line == NULL)
		set(f, name, json_boolean(v));
	else if (f != NULL && v)
		put_text(f->line, " %s", name);
}

const char *
facts_iso_time(int64_t ms, char *out, size_t size)
{
	time_t s = (time_t)(ms / 1000 - (ms % 1000 < 0));
	char day[40];
	struct tm tm;

	if (gmtime_r(&s, &tm) == NULL || tm.tm_year > 9999 - 1900 ||
	    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		snprintf(out, size, "%" PRId64, ms);
	else
		snprintf(out, size, "%s.%03dZ", day, (int)((ms % 1000 + 1000) % 1000));
	return out;
}

void
facts_time(struct facts *f, const char *name, int64_t ms)
{
	char text[48], name_ms[32];

	if (f == NULL)
		return;
	facts_iso_time(ms, text, sizeof text);
	if (f->line != NULL) {
		put_text(f->line, " %s", text);
		return;
	}
	snprintf(name_ms, sizeof name_ms, "%s_ms", name);
	set(f, name, json_string(text));
	set(f, name_ms, json_integer(ms));
}

void
facts_data(struct facts *f, struct slice data)
{
	if (f == NULL)
		return;
	facts_number(f, "data_length", data.data == NULL ? -1 : (int64_t)data.len);
	if (f->with_data && f->line != NULL)
		facts_text(f, "data", data);
	else if (f->with_data)
		set(f, "data_base64", facts_json_base64(data));
}

const char *
facts_perms(int32_t perms, char out[8])
{
	static const struct {
		int32_t bit;
		char letter;
	} letters[] = { { 4, 'c' }, { 8, 'd' }, { 1, 'r' }, { 2, 'w' }, { 16, 'a' } };
	size_t n = 0;

	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
		if ((perms & letters[i].bit) != 0)
			out[n++] = letters[i].letter;
	out[n] = '\0';
	return out;
}

void
facts_put_acl(struct buf *out, const struct jute_acl *acl)
{
	char perms[8];

	facts_escape(out, acl->id.scheme, false);
	buf_put_u8(out, ':');
	facts_escape(out, acl->id.id, false);
	put_text(out, ":%s", facts_perms(acl->perms, perms));
}

json_t *
facts_json_acl(const struct jute_acl_vec *acl)
{
	json_t *list = json_array();
	char perms[8];

	for (int32_t i = 0; i < acl->n; i++) {
		const struct jute_acl *a = &acl->v[i];
		json_array_append_new(
		    list, json_pack("{s:o, s:o, s:s}", "scheme", facts_json_string(a->id.scheme), "id",
				    facts_json_string(a->id.id), "perms", facts_perms(a->perms, perms)));
	}
	return list;
}

void
facts_acl(struct facts *f, const struct jute_acl_vec *acl)
{
	if (f != NULL && f->line == NULL)
		set(f, "acl", facts_json_acl(acl));
	if (f == NULL || f->line == NULL)
		return;
	put_text(f->line, " acl=");
	for (int32_t i = 0; i < acl->n; i++) {
		if (i > 0)
			buf_put_u8(f->line, ',');
		facts_put_acl(f->line, &acl->v[i]);
	}
}

void
facts_list(struct facts *f, const char *name, int32_t n)
{
	if (f != NULL && f->line == NULL)
		set(f, name, json_array());
	else
		facts_number(f, name, n < 0 ? 0 : n);
}

void
facts_item(struct facts *f, const char *name, struct slice v)
{
	if (f != NULL && f->line == NULL) {
		ASSERT(json_array_append_new(json_object_get(f->json, name), facts_json_string(v)) == 0);
	} else if (f != NULL) {
		buf_put(f->below, "\n    ", 5);
		facts_escape(f->below, v, false);
	}
}

struct facts
facts_part(struct facts *f, const char *name)
{
	struct facts part = { .with_data = f->with_data, .line = f->below, .below = f->below };

	if (f->line != NULL) {
		buf_put(f->below, "\n   ", 4);
		return part;
	}
	part.json = json_object();
	ASSERT(json_array_append_new(json_object_get(f->json, name), part.json) == 0);
	return part;
}
