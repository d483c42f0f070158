/* Numbers of the snapshot format that reader and writer share. */
#ifndef DISK_SNAPSHOT_FORMAT_H
#define DISK_SNAPSHOT_FORMAT_H

enum {
	SNAPSHOT_MAGIC = 0x5a4b534e,
	SNAPSHOT_VERSION = 2,
	SNAPSHOT_ADLER_START = 1,
	SNAPSHOT_SEAL_BYTES = 13,   /* checksum, then the string "/" */
	SNAPSHOT_DIGEST_BYTES = 20, /* zxid, version, digest */
};

#endif
