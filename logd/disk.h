/*
 * The disk as the store sees it: the one thing that the store core calls out to. logd's shell implements it with
 * system calls (posix_disk.h), the simulator and the unit tests in memory, with power losses and failing calls.
 *
 * All calls block until done and return 0 (or what is said) or -errno. Handles are small numbers of the implementation.
 */
#ifndef LOGD_DISK_H
#define LOGD_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_folder {
	STORE_SNAP, /* dataDir/version-2: snapshots, epoch files */
	STORE_LOG, /* dataLogDir/version-2: transaction logs; the same folder as STORE_SNAP when `one_folder` */
	STORE_LOG_TOP, /* dataLogDir: the file `initialize` */
};

enum store_open {
	STORE_READ,   /* existing file */
	STORE_COLD,   /* the same, but what is cached of it is not trusted, nor worth keeping */
	STORE_WRITE,  /* existing file, for write, truncate, sync; read too */
	STORE_CREATE, /* new file, -EEXIST when it is there; as STORE_WRITE */
};

struct store_info {
	uint64_t size; /* bytes */
	uint64_t id;   /* of the file itself (inode): a copy has another one */
};

struct store_disk;

struct store_disk_ops {
	/* A handle; -EISDIR where there is a folder, a pipe or the like of that name. */
	int (*open)(struct store_disk *d, enum store_folder folder, const char *name, enum store_open how);
	void (*close)(struct store_disk *d, int handle);
	int (*info)(struct store_disk *d, int handle, struct store_info *info);
	/* Bytes read, fewer than len only at the end of the file. */
	int64_t (*read)(struct store_disk *d, int handle, uint64_t offset, void *data, size_t len);
	/* The first offset at or behind `offset` where there may be anything but zeros; the file's size when nowhere. */
	int64_t (*next_data)(struct store_disk *d, int handle, uint64_t offset);
	/* All of it or an error, after which the content of that range is unknown. */
	int (*write)(struct store_disk *d, int handle, uint64_t offset, const void *data, size_t len);
	/*
	 * The disk has been given that range, so that a sync has less to wait for; that it keeps it is not promised. An
	 * error counts as one of sync.
	 */
	int (*write_back)(struct store_disk *d, int handle, uint64_t offset, uint64_t len);
	/* Content and size are on the disk (fdatasync). After an error what was not synced is lost or not: unknown. */
	int (*sync)(struct store_disk *d, int handle);
	int (*truncate)(struct store_disk *d, int handle, uint64_t size);
	/* Space for zeros behind the end of the file, which grows to `size`; content is untouched. */
	int (*allocate)(struct store_disk *d, int handle, uint64_t size);
	int (*rename)(struct store_disk *d, enum store_folder folder, const char *from, const char *to);
	int (*remove)(struct store_disk *d, enum store_folder folder, const char *name);
	/* Names are on the disk: those made, renamed and removed before. */
	int (*sync_folder)(struct store_disk *d, enum store_folder folder);
	/* Bytes that may still be written to files of that folder. */
	int (*space)(struct store_disk *d, enum store_folder folder, uint64_t *free_bytes);
	/* Calls visit for each name, in any order; a negative return ends it and is returned. */
	int (*list)(struct store_disk *d, enum store_folder folder, int (*visit)(void *ctx, const char *name),
		    void *ctx);
	/* Monotonic, for how long a sync took. */
	uint64_t (*now_us)(struct store_disk *d);
};

struct store_disk {
	const struct store_disk_ops *ops;
	bool one_folder; /* STORE_SNAP and STORE_LOG are the same */
	bool in_place;   /* in STORE_LOG what is written over keeps its place: nothing is copied on write */
	/* For messages: what people call these folders, such as "/var/lib/zookeeper/version-2". */
	const char *names[3];
};

#endif
