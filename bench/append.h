/*
 * Appends to a file as logd does to its log where nothing is copied on write, so that what a sync costs can be measured
 * by itself.
 */
#ifndef BENCH_APPEND_H
#define BENCH_APPEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	APPEND_MAX = 64 << 10,   /* bytes of one append */
	APPEND_SPACE = 64 << 20, /* allocated at the start; behind its end appends go on at its begin */
	APPEND_ZEROS = 64 << 10, /* logd's STORE_ZEROS_BYTES */
};

struct append_file {
	int fd;
	bool zeros_ahead;    /* as logd; else the space is only allocated */
	uint64_t end, zeros; /* where the next append goes; up to where zeros were written */
};

/* A new file without a name in that folder. 0 or -errno; then there is nothing to close. */
int append_open(struct append_file *f, const char *folder, bool zeros_ahead);
/* Writes len bytes, at most APPEND_MAX, and syncs them. 0 or -errno. */
int append_sync(struct append_file *f, size_t len);
void append_close(struct append_file *f);

#endif
