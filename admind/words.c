/* See words.h. What ZooKeeper's text calls one thing its JSON calls another: the tables below pair them. */
#include "words.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

enum { NUMBER_BYTES = 32 };

/* ---- lines and values ---- */

bool
words_line(struct slice *text, struct slice *line)
{
	const uint8_t *end;
	size_t len;

	if (text->len == 0)
		return false;
	end = memchr(text->data, '\n', text->len);
	len = end != NULL ? (size_t)(end - text->data) : text->len;
	*line = slice_of(text->data, len);
	len += end != NULL;
	*text = slice_of(text->data + len, text->len - len);
	return true;
}

static bool
starts_with(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && memcmp(s.data, prefix, n) == 0;
}

static struct slice
skip(struct slice s, size_t n)
{
	return slice_of(s.data + n, s.len - n);
}

/* Parts s at the first c; false when there is none. */
static bool
part(struct slice s, char c, struct slice *before, struct slice *after)
{
	const uint8_t *at = s.len == 0 ? NULL : memchr(s.data, c, s.len);

	if (at == NULL)
		return false;
	*before = slice_of(s.data, (size_t)(at - s.data));
	*after = skip(s, before->len + 1);
	return true;
}

json_t *
words_string(struct slice s)
{
	json_t *j = json_stringn((const char *)s.data, s.len);
	char *copy;

	if (j != NULL)
		return j;
	copy = mem_strndup(s.data, s.len);
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)copy[i] >= 0x80)
			copy[i] = '?';
	j = json_stringn(copy, s.len);
	mem_free(copy);
	return j;
}

int64_t
words_number(struct slice s)
{
	char text[NUMBER_BYTES], *end;
	bool hex = starts_with(s, "0x");
	int64_t n;

	if (s.len == 0 || s.len >= sizeof text)
		return -1;
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	/* A session's or a transaction's number uses all 64 bits. */
	n = hex ? (int64_t)strtoull(text, &end, 16) : strtoll(text, &end, 10);
	return *end == '\0' ? n : -1;
}

json_t *
words_value(struct slice s)
{
	char text[NUMBER_BYTES], *end;
	size_t digits = 0, dots = 0;

	for (size_t i = 0; i < s.len; i++) {
		digits += isdigit(s.data[i]) != 0;
		dots += s.data[i] == '.';
	}
	if (digits == 0 || s.len >= sizeof text || dots > 1 || digits + dots + (s.data[0] == '-') != s.len)
		return words_string(s);
	if (dots == 0)
		return json_integer(words_number(s));
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	return json_real(strtod(text, &end));
}

static void
put(json_t *o, struct slice key, json_t *value)
{
	char *name = mem_strndup(key.data, key.len);

	json_object_set_new(o, name, value);
	mem_free(name);
}

/* The list that o has under key, made where there is none yet. */
static json_t *
list_of(json_t *o, struct slice key)
{
	char *name = mem_strndup(key.data, key.len);
	json_t *list = json_object_get(o, name);

	if (list == NULL) {
		list = json_array();
		json_object_set_new(o, name, list);
	}
	mem_free(name);
	return list;
}

/* Of a list of numbers as keys. ZooKeeper's are decimal, with their sign. */
static json_t *
list_of_number(json_t *o, int64_t key)
{
	char name[NUMBER_BYTES];

	snprintf(name, sizeof name, "%" PRId64, key);
	return list_of(o, slice_str(name));
}

struct pair {
	const char *text, *json;
};

static const char *
json_name(const struct pair *pairs, size_t n, struct slice text)
{
	for (size_t i = 0; i < n; i++)
		if (slice_equal(slice_str(pairs[i].text), text))
			return pairs[i].json;
	return NULL;
}
#define JSON_NAME(pairs, text) json_name(pairs, sizeof(pairs) / sizeof *(pairs), text)

/* ---- mntr ---- */

bool
words_metric(struct slice line, struct slice *name, struct slice *value)
{
	if (!starts_with(line, "zk_"))
		return false;
	return part(skip(line, 3), '\t', name, value);
}

struct slice
words_find_metric(struct slice mntr, const char *wanted)
{
	struct slice line, name, value;

	while (words_line(&mntr, &line))
		if (words_metric(line, &name, &value) && slice_equal(name, slice_str(wanted)))
			return value;
	return SLICE_NULL;
}

void
words_monitor(json_t *o, struct slice mntr)
{
	struct slice line, name, value;

	while (words_line(&mntr, &line))
		if (words_metric(line, &name, &value))
			put(o, name, words_value(value));
}

/* Adds the metric under another name, where it is known. */
static void
put_metric(json_t *o, const char *key, struct slice mntr, const char *metric)
{
	struct slice value = words_find_metric(mntr, metric);

	if (value.data != NULL)
		json_object_set_new(o, key, words_value(value));
}

static json_t *
response_sizes(struct slice mntr)
{
	json_t *o = json_object();

	put_metric(o, "last_buffer_size", mntr, "last_client_response_size");
	put_metric(o, "min_buffer_size", mntr, "min_client_response_size");
	put_metric(o, "max_buffer_size", mntr, "max_client_response_size");
	return o;
}

int64_t
words_zxid(struct slice srvr)
{
	struct slice line;

	while (words_line(&srvr, &line))
		if (starts_with(line, "Zxid: "))
			return words_number(skip(line, strlen("Zxid: ")));
	return -1;
}

void
words_server_stats(json_t *o, struct slice mntr, struct slice srvr)
{
	static const struct pair own[] = {
		{ "packets_sent", "packets_sent" },
		{ "packets_received", "packets_received" },
		{ "uptime", "uptime" },
		{ "server_state", "server_state" },
		{ "outstanding_requests", "outstanding_requests" },
		{ "avg_latency", "avg_latency" },
		{ "max_latency", "max_latency" },
		{ "min_latency", "min_latency" },
		{ "num_alive_connections", "num_alive_client_connections" },
	};
	json_t *stats = json_object();

	put_metric(o, "version", mntr, "version");
	json_object_set_new(o, "read_only", json_false());
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		put_metric(stats, own[i].json, mntr, own[i].text);
	json_object_set_new(stats, "client_response_stats", response_sizes(mntr));
	json_object_set_new(stats, "last_processed_zxid", json_integer(words_zxid(srvr)));
	json_object_set_new(stats, "provider_null", json_false());
	json_object_set_new(o, "server_stats", stats);
	json_object_set_new(o, "client_response", response_sizes(mntr));
	put_metric(o, "node_count", mntr, "znode_count");
}

/* ---- conf, envi ---- */

void
words_configuration(json_t *o, struct slice conf)
{
	static const struct pair keys[] = {
		{ "clientPort", "client_port" },
		{ "dataDir", "data_dir" },
		{ "dataLogDir", "data_log_dir" },
		{ "tickTime", "tick_time" },
		{ "maxClientCnxns", "max_client_cnxns" },
		{ "minSessionTimeout", "min_session_timeout" },
		{ "maxSessionTimeout", "max_session_timeout" },
		{ "serverId", "server_id" },
		{ "clientPortListenBacklog", "client_port_listen_backlog" },
	};
	struct slice line, key, value;
	const char *name;

	while (words_line(&conf, &line))
		if (part(line, '=', &key, &value) && (name = JSON_NAME(keys, key)) != NULL)
			json_object_set_new(o, name, words_value(value));
}

void
words_environment(json_t *o, struct slice envi)
{
	struct slice line, key, value;

	while (words_line(&envi, &line))
		if (part(line, '=', &key, &value))
			put(o, key, words_string(value));
}

/* ---- cons ---- */

static const struct pair connection_fields[] = {
	{ "queued", "outstanding_requests" },
	{ "recved", "packets_received" },
	{ "sent", "packets_sent" },
	{ "sid", "session_id" },
	{ "lop", "last_operation" },
	{ "est", "established" },
	{ "to", "session_timeout" },
	{ "lcxid", "last_cxid" },
	{ "lzxid", "last_zxid" },
	{ "lresp", "last_response_time" },
	{ "llat", "last_latency" },
	{ "minlat", "min_latency" },
	{ "avglat", "avg_latency" },
	{ "maxlat", "max_latency" },
};
enum { CONNECTION_FIELDS_OF_ALL = 3 /* those that stand there without a session */ };

static void
put_fields(json_t *o, struct slice fields, bool all)
{
	size_t n = all ? sizeof connection_fields / sizeof *connection_fields : CONNECTION_FIELDS_OF_ALL;
	struct slice field, key, value;
	const char *name;

	while (fields.len > 0) {
		if (!part(fields, ',', &field, &fields)) {
			field = fields;
			fields = SLICE_NULL;
		}
		if (!part(field, '=', &key, &value) || (name = json_name(connection_fields, n, key)) == NULL)
			continue;
		if (strcmp(name, "last_operation") == 0)
			json_object_set_new(o, name, words_string(value));
		else
			json_object_set_new(o, name, json_integer(words_number(value)));
	}
}

/* " /10.0.0.1:2345[1](queued=0,recved=1,sent=1,...)"; an IPv6 address stands in brackets of its own. */
static json_t *
connection(struct slice line, bool all)
{
	const uint8_t *open = memmem(line.data, line.len, "](", 2), *ops = open;
	json_t *o;

	if (!starts_with(line, " /") || open == NULL || line.data[line.len - 1] != ')')
		return NULL;
	while (ops > line.data && *ops != '[')
		ops--;
	o = json_object();
	json_object_set_new(o, "remote_socket_address",
			    words_string(slice_of(line.data + 2, (size_t)(ops - line.data) - 2)));
	json_object_set_new(o, "interest_ops",
			    json_integer(words_number(slice_of(ops + 1, (size_t)(open - ops) - 1))));
	put_fields(o, slice_of(open + 2, (size_t)(line.data + line.len - open) - 3), all);
	return o;
}

void
words_connections(json_t *o, struct slice cons, bool all)
{
	json_t *list = json_array(), *c;
	struct slice line;

	while (words_line(&cons, &line))
		if (line.len > 2 && (c = connection(line, all)) != NULL)
			json_array_append_new(list, c);
	json_object_set_new(o, "connections", list);
	json_object_set_new(o, "secure_connections", json_array());
}

/* ---- lists under headings: dump, wchc, wchp ---- */

/* "3 expire at Sun Nov 22 11:59:44 UTC 2026:" in milliseconds of 1970. ZooKeeper shows its own clock here. */
static int64_t
expiry(struct slice line)
{
	char text[80];
	struct tm tm = { 0 };
	const char *at;

	snprintf(text, sizeof text, "%.*s", (int)line.len, (const char *)line.data);
	at = strstr(text, " expire at ");
	if (at == NULL || strptime(at + strlen(" expire at "), "%a %b %d %H:%M:%S UTC %Y:", &tm) == NULL)
		return -1;
	return (int64_t)timegm(&tm) * 1000;
}

void
words_dump(json_t *o, struct slice dump)
{
	json_t *sessions = json_object(), *ephemerals = json_object(), *list = NULL;
	bool in_ephemerals = false;
	struct slice line;

	while (words_line(&dump, &line) && !starts_with(line, "Connections dump:")) {
		if (starts_with(line, "ephemeral nodes dump:"))
			in_ephemerals = true;
		else if (starts_with(line, "\t") && list != NULL)
			json_array_append_new(list, in_ephemerals
							? words_string(skip(line, 1))
							: json_integer(words_number(skip(line, 1))));
		else if (in_ephemerals && starts_with(line, "0x"))
			list = list_of_number(ephemerals, words_number(slice_of(line.data, line.len - 1)));
		else if (!in_ephemerals && expiry(line) >= 0)
			list = list_of_number(sessions, expiry(line));
	}
	json_object_set_new(o, "expiry_time_to_session_ids", sessions);
	json_object_set_new(o, "session_id_to_ephemeral_paths", ephemerals);
}

void
words_watches(json_t *o, struct slice wchc)
{
	json_t *sessions = json_object(), *list = NULL;
	struct slice line;

	while (words_line(&wchc, &line)) {
		if (starts_with(line, "0x"))
			list = list_of_number(sessions, words_number(line));
		else if (starts_with(line, "\t") && list != NULL)
			json_array_append_new(list, words_string(skip(line, 1)));
	}
	json_object_set_new(o, "session_id_to_watched_paths", sessions);
}

void
words_watches_by_path(json_t *o, struct slice wchp)
{
	json_t *paths = json_object(), *list = NULL;
	struct slice line;

	while (words_line(&wchp, &line)) {
		if (starts_with(line, "/"))
			list = list_of(paths, line);
		else if (starts_with(line, "\t0x") && list != NULL)
			json_array_append_new(list, json_integer(words_number(skip(line, 1))));
	}
	json_object_set_new(o, "path_to_session_ids", paths);
}

void
words_watch_summary(json_t *o, struct slice wchs)
{
	uint64_t connections = 0, paths = 0, watches = 0;
	char text[200];

	snprintf(text, sizeof text, "%.*s", (int)wchs.len, (const char *)wchs.data);
	if (sscanf(text, "%" SCNu64 " connections watching %" SCNu64 " paths\nTotal watches:%" SCNu64,
		   &connections, &paths, &watches) != 3)
		return;
	json_object_set_new(o, "num_connections", json_integer((json_int_t)connections));
	json_object_set_new(o, "num_paths", json_integer((json_int_t)paths));
	json_object_set_new(o, "num_total_watches", json_integer((json_int_t)watches));
}

/* ---- hash ---- */

void
words_hash(json_t *o, struct slice hash)
{
	json_t *list = json_array(), *entry;
	struct slice line, zxid, digest;
	char text[NUMBER_BYTES];

	while (words_line(&hash, &line)) {
		if (!part(line, ':', &zxid, &digest) || digest.len < 2)
			continue;
		snprintf(text, sizeof text, "0x%.*s", (int)zxid.len, (const char *)zxid.data);
		entry = json_object();
		json_object_set_new(entry, "zxid", json_integer(words_number(slice_str(text))));
		json_object_set_new(entry, "digest", json_integer(words_number(skip(digest, 1))));
		json_object_set_new(entry, "digest_version", json_integer(2));
		json_array_append_new(list, entry);
	}
	json_object_set_new(o, "digests", list);
}
