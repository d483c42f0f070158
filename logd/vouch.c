/* What zkd.mark vouches for: a history that is shorter than it says is refused before anything is changed. */
#include <errno.h>
#include <inttypes.h>

#include "store_internal.h"

#define GIVE_UP "or, where the loss is meant, remove %s/" MARK_NAME

int
vouch_read(struct store *s)
{
	bool beyond = false;
	int ret = mark_read(s->disk, &s->found);

	if (ret == -ENOENT)
		return 0;
	if (ret == 0)
		ret = epochs_beyond(s, s->found.accepted, s->found.current, &beyond);
	if (ret != 0)
		return ret;
	s->vouched = !s->found.copied && !beyond;
	if (s->vouched)
		s->mark = s->found;
	return 0;
}

static bool
has_log_from(const struct files *f, uint64_t zxid)
{
	return f->nlogs > 0 && f->logs[f->nlogs - 1].zxid >= zxid;
}

int
vouch_log(struct store *s, const struct files *f, char why[FILES_TEXT_BYTES])
{
	const struct mark *m = &s->found;

	if (!s->vouched || m->log_zxid == 0 || has_log_from(f, m->log_zxid))
		return 0;
	return store_refuse(why,
			    "%s/log.%" PRIx64 " is missing: it held transactions up to zxid 0x%" PRIx64
			    " at least; " STORE_WAY_OUT "; " GIVE_UP,
			    s->disk->names[STORE_LOG], m->log_zxid, m->zxid, s->disk->names[STORE_SNAP]);
}

int
vouch_history(struct store *s, uint64_t last, char why[FILES_TEXT_BYTES])
{
	const struct mark *m = &s->found;

	if (last < s->snapshot_zxid)
		last = s->snapshot_zxid;
	if (m->zxid <= last)
		return 0;
	if (!s->vouched) {
		trace(s->trace, TRACE_WARNING, "store", "history is shorter than " MARK_NAME " says",
		      "found=0x%" PRIx64 " mark=0x%" PRIx64 " believed=\"%s\"", last, m->zxid,
		      m->copied ? "the folder, for the mark was copied"
				: "the folder, for another program was in a later epoch since");
		return 0;
	}
	return store_refuse(
	    why,
	    "%s and %s end at zxid 0x%" PRIx64 ", expected 0x%" PRIx64
	    ", which was on the disk: a log or a snapshot is missing, or an older copy is in its "
	    "place; " STORE_WAY_OUT "; " GIVE_UP,
	    s->disk->names[STORE_SNAP], s->disk->names[STORE_LOG], last, m->zxid, s->disk->names[STORE_SNAP]);
}
