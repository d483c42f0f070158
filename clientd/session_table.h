/*
 * The inside of struct sessions, for those parts of libtree that change it: apply (the replicated table), prep (what
 * is on its way), and nodes (who owns which ephemerals). See session.h for the outside.
 */
#ifndef CLIENTD_SESSION_TABLE_H
#define CLIENTD_SESSION_TABLE_H

#include "base/list.h"
#include "base/table.h"
#include "session.h"

/* A list of specials (special.h): nodes with an owner, oldest first. */
struct special_list {
	uint32_t first, last, count;
};

struct session {
	struct table_entry entry;
	struct list all;     /* oldest first */
	struct list slot;    /* of the wheel, while it is tracked */
	struct list pending; /* ephemerals that prep created and that are not applied: struct change */
	uint32_t npending;
	int64_t id;
	int64_t expires; /* tracker's clock; the end of its bucket */
	uint64_t owner;
	struct special_list ephemerals;
	int32_t timeout_ms; /* as created, replicated */
	int32_t live_ms;    /* as negotiated at the last re-attach */
	bool applied, closing;
};

/* Sessions expire within a turn of the wheel, or, with a timeout of more than so many ticks, in a later one. */
enum { WHEEL_SLOTS = 1024 };

struct sessions {
	struct table table;
	struct list all;
	uint32_t applied; /* how many are */
	/* The tracker. Its clock is now_ms less the time that stood still. */
	bool leading;
	int32_t tick_ms;
	int64_t still_ms;     /* time that does not count */
	int64_t suspended_at; /* now_ms; -1 when the clock runs */
	int64_t now_ms;       /* newest that was told */
	int64_t swept;        /* tracker's clock: every slot up to here is empty of what is due */
	uint32_t tracked;
	struct list wheel[WHEEL_SLOTS];
};

void sessions_init(struct sessions *s);
void sessions_free(struct sessions *s);

struct session *sessions_find(const struct sessions *s, int64_t id);
/* The session, made if need be: an owner of ephemerals that no createSession has brought yet. */
struct session *sessions_owner(struct sessions *s, int64_t id);
/* createSession and closeSession are applied. */
void sessions_applied_create(struct sessions *s, int64_t id, int32_t timeout_ms);
void sessions_applied_close(struct sessions *s, int64_t id);
/* createSession and closeSession are prepared, on the node that leads. */
void sessions_prepared_create(struct sessions *s, int64_t id, int32_t timeout_ms, uint64_t owner,
			      int64_t now_ms);
void sessions_prepared_close(struct sessions *s, int64_t id);

#endif
