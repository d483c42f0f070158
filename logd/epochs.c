/*
 * The files acceptedEpoch and currentEpoch, as ZooKeeper writes them: decimal text, replaced as a whole. Invariants:
 * on the disk the accepted epoch is never below the current one because of us, and currentEpoch is there before
 * acceptedEpoch; so a file that is missing or holds no number is another's doing, and is guessed only where what is left
 * proves it. A promise that was forgotten could make two leaders of one epoch.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "store_internal.h"

enum { ACCEPTED, CURRENT, FILES };

static const char *const names[FILES] = { "acceptedEpoch", "currentEpoch" };

#define WAY_OUT                                                                                              \
	"the way out: restore both files from one backup; or in an ensemble that has a leader without this " \
	"server move its version-2 folders away and let it fetch its data; on a standalone server remove "   \
	"both files"

/* What one of the files says. */
struct found {
	int state; /* 0, -ENOENT, or -EBADMSG: it holds no number */
	uint32_t epoch;
};

/* Reads digits as ZooKeeper would; a line end behind them is allowed. */
static int
parse_epoch(struct slice text, uint32_t *epoch)
{
	uint64_t v = 0;

	while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
		text.len--;
	if (text.len == 0 || text.len > 10)
		return -EBADMSG;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -EBADMSG;
		v = v * 10 + (uint64_t)(text.data[i] - '0');
	}
	if (v > INT32_MAX)
		return -EBADMSG;
	*epoch = (uint32_t)v;
	return 0;
}

/* 0, or what the disk said. */
static int
read_epoch(struct store *s, const char *name, struct found *f)
{
	struct buf b;
	int ret;

	*f = (struct found){ 0 };
	buf_init(&b, 1 << 16);
	ret = files_read_small(s->disk, STORE_SNAP, name, &b);
	f->state = ret == 0 ? parse_epoch(buf_slice(&b), &f->epoch) : ret == -EFBIG ? -EBADMSG : ret;
	buf_free(&b);
	return f->state == -ENOENT || f->state == -EBADMSG ? 0 : f->state;
}

static int
refuse_file(struct store *s, const char *name, int state, char why[FILES_TEXT_BYTES])
{
	return store_refuse(why, "%s/%s %s, and what it said cannot be told from the rest; " WAY_OUT,
			    s->disk->names[STORE_SNAP], name,
			    state == -ENOENT ? "is missing, though the other epoch file is there"
					     : "holds no decimal number");
}

/* One of them is no use: whether the log and the other prove what it said. */
static int
prove(struct store *s, const struct found f[FILES], uint32_t of_log, char why[FILES_TEXT_BYTES])
{
	/* A promise may go beyond all else that is known: only a server that never began has none (as ZooKeeper). */
	if (f[ACCEPTED].state == -EBADMSG ||
	    (f[ACCEPTED].state != 0 && (f[CURRENT].state != 0 || f[CURRENT].epoch != of_log)))
		return refuse_file(s, names[ACCEPTED], f[ACCEPTED].state, why);
	/* Between what is logged and what was promised there is only one. */
	if (f[CURRENT].state != 0 && f[ACCEPTED].epoch != of_log)
		return refuse_file(s, names[CURRENT], f[CURRENT].state, why);
	s->accepted_epoch = s->current_epoch = of_log;
	trace(s->trace, TRACE_WARNING, "store", "epoch file made anew", "file=%s epoch=%" PRIu32,
	      names[f[CURRENT].state != 0 ? CURRENT : ACCEPTED], of_log);
	return 0;
}

/*
 * Both are there, but a crash came between the one and the other, or between the log and the current one
 * (ZOOKEEPER-1653). To have a transaction of an epoch is to have all that its leader began with, and to be in an epoch is
 * to have accepted it: raising says no more than that.
 */
static int
reconcile(struct store *s, const struct found f[FILES], uint32_t of_log, char why[FILES_TEXT_BYTES])
{
	uint32_t accepted = f[ACCEPTED].epoch, current = f[CURRENT].epoch;

	if (accepted < of_log && current < of_log)
		return store_refuse(why,
				    "%s: acceptedEpoch is %" PRIu32 " and currentEpoch %" PRIu32
				    ", but the log goes to zxid 0x%" PRIx64 " of epoch %" PRIu32
				    ": the files are older than the log; " WAY_OUT,
				    s->disk->names[STORE_SNAP], accepted, current, s->durable, of_log);
	s->current_epoch = current < of_log ? of_log : current;
	s->accepted_epoch = accepted < s->current_epoch ? s->current_epoch : accepted;
	s->stored[CURRENT] = s->current_epoch == current;
	s->stored[ACCEPTED] = s->accepted_epoch == accepted;
	return 0;
}

/* The file's content; what it holds after a failure only a new start can tell. */
static int
store_epoch(struct store *s, int which, uint32_t epoch)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%" PRIu32, epoch), ret;

	s->stored[which] = false;
	do
		ret = files_replace(s->disk, STORE_SNAP, names[which], slice_of(text, (size_t)n));
	while (ret != 0 && store_made_room(s, ret));
	s->stored[which] = ret == 0;
	return ret;
}

/* What was raised is written down at once, lest a cut of the log take the reason away. */
static void
store_raised(struct store *s)
{
	int ret = 0;

	if (!s->stored[ACCEPTED])
		ret = store_epoch(s, ACCEPTED, s->accepted_epoch);
	if (ret == 0 && !s->stored[CURRENT])
		ret = store_epoch(s, CURRENT, s->current_epoch);
	trace(s->trace, TRACE_NOTICE, "store", "epochs raised",
	      "accepted=%" PRIu32 " current=%" PRIu32 " stored=%d", s->accepted_epoch, s->current_epoch,
	      ret == 0);
}

int
epochs_beyond(struct store *s, uint32_t accepted, uint32_t current, bool *beyond)
{
	const uint32_t known[FILES] = { accepted, current };

	*beyond = false;
	for (int i = 0; i < FILES; i++) {
		struct found f;
		int ret = read_epoch(s, names[i], &f);
		if (ret != 0)
			return ret;
		if (f.state == 0 && f.epoch > known[i])
			*beyond = true;
	}
	return 0;
}

void
epochs_stored(const struct store *s, uint32_t *accepted, uint32_t *current)
{
	*accepted = s->stored[ACCEPTED] ? s->accepted_epoch : 0;
	*current = s->stored[CURRENT] ? s->current_epoch : 0;
}

/* A standalone server has no use for them, so there they may go; a member keeps its promises. */
static int
check_kept(struct store *s, char why[FILES_TEXT_BYTES])
{
	const struct mark *m = &s->found;

	if (!s->settings.member || !s->vouched ||
	    (s->accepted_epoch >= m->accepted && s->current_epoch >= m->current))
		return 0;
	return store_refuse(
	    why,
	    "%s/acceptedEpoch and currentEpoch are missing or older than they were: they say "
	    "%" PRIu32 " and %" PRIu32 ", expected at least %" PRIu32 " and %" PRIu32
	    "; a promise to another leader may be forgotten; the way out: restore both files, or "
	    "move the version-2 folders away and let the server fetch its data from the leader",
	    s->disk->names[STORE_SNAP], s->accepted_epoch, s->current_epoch, m->accepted, m->current);
}

int
epochs_recover(struct store *s, char why[FILES_TEXT_BYTES])
{
	uint32_t of_log = (uint32_t)(s->durable >> 32);
	struct found f[FILES];
	int ret = 0;

	for (int i = 0; i < FILES && ret == 0; i++)
		ret = read_epoch(s, names[i], &f[i]);
	if (ret != 0)
		return store_disk_error(why, ret, "read the epoch files", s, STORE_SNAP);
	s->current_epoch = s->accepted_epoch = of_log;
	if (f[ACCEPTED].state == -ENOENT && f[CURRENT].state == -ENOENT)
		return check_kept(s, why); /* a standalone server has none */
	if (f[ACCEPTED].state != 0 || f[CURRENT].state != 0)
		ret = prove(s, f, of_log, why);
	else
		ret = reconcile(s, f, of_log, why);
	if (ret == 0)
		ret = check_kept(s, why);
	if (ret == 0 && !(s->stored[ACCEPTED] && s->stored[CURRENT]))
		store_raised(s);
	return ret;
}

int
store_set_epochs(struct store *s, uint32_t accepted, uint32_t current, uint64_t now_ms)
{
	int ret = 0;

	ASSERT(s->batch_txns == 0);
	s->now_ms = now_ms;
	if (accepted < s->accepted_epoch || current < s->current_epoch || accepted < current)
		return -EPROTO;
	if (store_failed(s) != NULL)
		return -EIO;
	/* The first time: one that is missing beside the other is never of our making. */
	if (!s->stored[CURRENT])
		ret = store_epoch(s, CURRENT, s->current_epoch);
	if (ret == 0 && (!s->stored[ACCEPTED] || accepted != s->accepted_epoch))
		ret = store_epoch(s, ACCEPTED, accepted);
	if (ret == 0) {
		s->accepted_epoch = accepted;
		if (current != s->current_epoch)
			ret = store_epoch(s, CURRENT, current);
	}
	if (ret == 0 && accepted == current)
		ret = partial_end(s);
	if (ret == 0) {
		s->current_epoch = current;
		store_mark(s, false);
	} else
		store_fail(s, now_ms, "store the epochs in", s->disk->names[STORE_SNAP], ret);
	return ret;
}
