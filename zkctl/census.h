/*
 * What lies in a server's data folders, ZooKeeper's or zkd's: read only, also while a server writes there.
 */
#ifndef ZKCTL_CENSUS_H
#define ZKCTL_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "disk/txnlog.h"
#include "file.h"

enum { CENSUS_SCHEMES_MAX = 16 };

struct census {
	const char *data_dir, *log_dir; /* as configured */
	int error, log_error;           /* -errno: version-2 cannot be listed; -ENOENT: not there */
	uint64_t snapshots, logs, snapshot_bytes, log_bytes;
	uint64_t free_bytes, log_free_bytes;      /* of the file systems; 0: not known */
	int64_t accepted_epoch, current_epoch;    /* -1: no such file */
	uint64_t last_zxid;                       /* of newest log and snapshot together */
	uint64_t snapshot_zxid;                   /* in the name of the newest snapshot */
	const char *newest_snapshot, *newest_log; /* paths; NULL: none */

	/* The newest snapshot, read to its end. */
	int snapshot_result; /* as snapfile_read's */
	struct snapfile snapshot;
	uint64_t ephemerals, containers, ttls, quotas, data_bytes, largest_data;
	char largest_path[256];
	char schemes[CENSUS_SCHEMES_MAX][32]; /* of ACLs, each once */
	unsigned nschemes;

	/* The newest log. */
	bool log_read;
	struct txnlog_end log_end;
};

/* log_dir may be NULL: data_dir. Strings in the result are the arena's. */
void census_take(struct census *c, const char *data_dir, const char *log_dir, struct arena *arena);

#endif
