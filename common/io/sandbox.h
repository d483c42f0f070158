/*
 * Locks the door of a daemon: from sandbox_lock on the process can do what its room needs and no more, whatever code
 * runs in it. Everything a room needs once (files, sockets, names) is opened before.
 *
 * In this order: not dumpable, no core file (but in debug builds where asked for), no_new_privs; Landlock (no file but
 * the folders named, no TCP connect or bind unless granted, no signal and no abstract socket to the outside);
 * seccomp, an allow-list. A system call that is not on it fails with EPERM rather than killing the daemon: libraries
 * try and fall back, and a daemon that tries something forbidden serves its clients better alive; the probe
 * (zkctl debug probe) shows what is refused. Two answer ENOSYS, since libc then takes an older way (clone3,
 * faccessat2).
 *
 * What the kernel lacks is skipped and named in the report, once, for the log. Builds with sanitizers get what their
 * runtime needs (and stay dumpable).
 */
#ifndef IO_SANDBOX_H
#define IO_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

enum sandbox_grant {
	SANDBOX_DIAL_UNIX = 1 << 0, /* socket(AF_UNIX), connect: syncd to its siblings */
	SANDBOX_DIAL_INET = 1 << 1, /* TCP connections to peers */
	SANDBOX_FILES = 1 << 2,     /* file calls, inside the folders named: logd */
	SANDBOX_FORK = 1 << 3,      /* helper children, and signals to them: logd */
	SANDBOX_THREADS = 1 << 4,   /* threads started after the lock */
};

enum { SANDBOX_FOLDERS_MAX = 8 };

struct sandbox {
	unsigned grants; /* enum sandbox_grant */
	int folders
	    [SANDBOX_FOLDERS_MAX]; /* opened; everything below may be read, written, made, renamed, removed */
	unsigned nfolders;
	/* Stay dumpable. A core only comes where the kernel hands it to a program, for no file can be made. */
	bool core_dumps;
};

/* What holds now. missing names what the kernel lacks, "" when everything is in force. */
struct sandbox_report {
	int landlock_abi; /* 0: not there */
	char missing[160];
};

/* 0, or -errno when something that the kernel has could not be put in force; the caller has to exit then. */
int sandbox_lock(const struct sandbox *s, struct sandbox_report *r);

/*
 * A weaker lock, for a helper that runs what others wrote (modules of the name service): it may read files and open
 * sockets, but write, make and run no file, bind no TCP port, signal nobody outside, and gain no right. 0 or -errno.
 */
int sandbox_lock_reader(void);

#endif
