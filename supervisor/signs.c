/* See signs.h. */
#include "signs.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MESSAGE_BYTES = 64 << 10, /* a list of 256 members takes less */
	FDS_MAX = 16,             /* that somebody may have attached */
};

static bool
take_key(struct slice line, const char *key, struct slice *value)
{
	size_t len = strlen(key);

	if (line.len < len || memcmp(line.data, key, len) != 0)
		return false;
	*value = slice_of(line.data + len, line.len - len);
	return true;
}

static void
parse_line(struct slice line, struct sign *sign)
{
	struct slice rest;

	if (slice_equal(line, SLICE_LIT("READY=1")))
		sign->ready = true;
	else if (slice_equal(line, SLICE_LIT("WATCHDOG=1")))
		sign->alive = true;
	else if (slice_equal(line, SLICE_LIT("STOPPING=1")))
		sign->stopping = true;
	else if (take_key(line, "STATUS=", &rest))
		sign->status = rest;
	else if (take_key(line, "X_MEMBERS=", &rest))
		sign->members = rest;
}

void
signs_parse(struct slice text, struct sign *sign)
{
	*sign = (struct sign){ .status = SLICE_NULL, .members = SLICE_NULL };
	while (text.len > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end != NULL ? (size_t)(end - text.data) : text.len;

		parse_line(slice_of(text.data, len), sign);
		if (end != NULL)
			len++;
		text = slice_of(text.data + len, text.len - len);
	}
}

/* The sender's process; 0 when the kernel does not say. Descriptors that came along are closed. */
static pid_t
take_ancillary(struct msghdr *msg)
{
	pid_t pid = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len == CMSG_LEN(sizeof(struct ucred))) {
			struct ucred cred;

			memcpy(&cred, CMSG_DATA(c), sizeof cred);
			pid = cred.pid;
		} else if (c->cmsg_type == SCM_RIGHTS) {
			for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
				int fd;

				memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
				close(fd);
			}
		}
	}
	return pid;
}

void
signs_drain(int fd, signs_heard *heard, void *owner)
{
	for (int i = 0; i < SIGNS_TURN_MAX; i++) {
		_Alignas(struct cmsghdr) char
		    control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS_MAX * sizeof(int))];
		static uint8_t text[MESSAGE_BYTES];
		struct iovec iov = { .iov_base = text, .iov_len = sizeof text };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof control };
		struct sign sign;
		ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		pid_t pid;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		pid = take_ancillary(&msg);
		if (pid == 0 || (msg.msg_flags & MSG_TRUNC) != 0)
			continue;
		signs_parse(slice_of(text, (size_t)n), &sign);
		sign.pid = pid;
		heard(owner, &sign);
	}
}
