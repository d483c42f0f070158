/*
 * Life signs to whoever started us, by systemd's protocol: one datagram per call to NOTIFY_SOCKET. Nothing blocks and
 * nothing is lost that matters: what does not fit into the socket is followed by the next beat, or said again with it.
 */
#ifndef IO_NOTIFY_H
#define IO_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
	int fd;                       /* -1: nobody listens */
	uint64_t watchdog_us;         /* 0: nobody counts our beats */
	bool ready_owed, status_owed; /* the socket was full when it was said last */
};

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, removes them from the environment and connects the socket, so
 * that it works after the door is locked.
 */
void notify_open(struct notify *n);
void notify_close(struct notify *n);

/* Sends "KEY=value" lines as they are. Safe from any thread. Returns 0 or -errno; nobody needs to look. */
int notify_send(const struct notify *n, const char *text);
int notify_ready(struct notify *n);
int notify_beat(const struct notify *n);
int notify_stopping(const struct notify *n);
/* One sentence for people; line ends in it become spaces. */
int notify_status(struct notify *n, const char *text);
/* Says again what found the socket full: for the moment of a beat. status: as it is now. */
void notify_again(struct notify *n, const char *status);

/*
 * The text of the members in force (config/members.h), for zkd, which keeps it: X_MEMBERS= and the text with commas for line
 * ends. systemd takes no notice of it. -EAGAIN where the socket is full: the caller has to say it again.
 */
int notify_members(const struct notify *n, const char *text);

#endif
