/* See inflater.h. Invariant: exactly one of the two is there. */
#include "disk/inflater.h"

#include "base/mem.h"
#include "disk/gunzip.h"
#include "disk/snappy.h"

enum { GZ_STEP_BYTES = 128 << 10 };

struct inflater {
	struct gunzip *gz;
	struct unsnappy *snappy;
};

struct inflater *
inflater_new(enum disk_file_kind kind)
{
	struct inflater *i;

	if (kind != DISK_SNAPSHOT_GZ && kind != DISK_SNAPSHOT_SNAPPY)
		return NULL;
	i = mem_zalloc(1, sizeof *i);
	if (kind == DISK_SNAPSHOT_GZ)
		i->gz = gunzip_new();
	else
		i->snappy = unsnappy_new();
	return i;
}

void
inflater_free(struct inflater *i)
{
	if (i == NULL)
		return;
	gunzip_free(i->gz);
	unsnappy_free(i->snappy);
	mem_free(i);
}

int64_t
inflater_step(struct inflater *i, struct slice *in, struct buf *out)
{
	return i->gz != NULL ? gunzip_step(i->gz, in, out, GZ_STEP_BYTES) : unsnappy_step(i->snappy, in, out);
}

bool
inflater_done(const struct inflater *i)
{
	return i->gz != NULL ? gunzip_done(i->gz) : unsnappy_done(i->snappy);
}
