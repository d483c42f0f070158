/*
 * The texts of the four-letter words, taken apart into JSON with the names that ZooKeeper's AdminServer uses
 * (ZooKeeper: Commands). Pure: text in, members added to an object. A line that is not understood is left out.
 */
#ifndef ADMIND_WORDS_H
#define ADMIND_WORDS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/slice.h"

/* The next line of *text, which is taken off it, without its newline; false at the end. */
bool words_line(struct slice *text, struct slice *line);
/* "zk_NAME<TAB>VALUE" taken apart; false: it is no such line. The name has no "zk_". */
bool words_metric(struct slice line, struct slice *name, struct slice *value);
/* Of mntr's text the value of one metric; null slice when it is not there. */
struct slice words_find_metric(struct slice mntr, const char *name);
/* A JSON string; bytes that are no UTF-8 become '?'. */
json_t *words_string(struct slice s);
/* A number where it is one, else a string. */
json_t *words_value(struct slice s);
/* "0x1f" or "31"; -1 when it is no number. */
int64_t words_number(struct slice s);

/* Each adds to `o` what its command has of its own. */
void words_monitor(json_t *o, struct slice mntr);
void words_configuration(json_t *o, struct slice conf);
void words_environment(json_t *o, struct slice envi);
/* all: also what belongs to the session. */
void words_connections(json_t *o, struct slice cons, bool all);
void words_dump(json_t *o, struct slice dump);
void words_hash(json_t *o, struct slice hash);
void words_watch_summary(json_t *o, struct slice wchs);
void words_watches(json_t *o, struct slice wchc);
void words_watches_by_path(json_t *o, struct slice wchp);
/* Of srvr's text the zxid; -1 when it is not there. */
int64_t words_zxid(struct slice srvr);
/* version, server_stats, client_response, node_count; of srvr only the zxid is not in mntr. */
void words_server_stats(json_t *o, struct slice mntr, struct slice srvr);

#endif
