/* See words.h. */
#include "words.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/msg.h"
#include "node.h"
#include "zkctl.h"

static int
dial(const struct zk_server *s)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	struct timeval limit = { .tv_sec = WORD_MS / 1000 };
	int fd = -1, error = EADDRNOTAVAIL;

	if (getaddrinfo(s->host, s->port, &hints, &all) != 0)
		return -EADDRNOTAVAIL;
	for (struct addrinfo *a = all; a != NULL && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		/* Both limits also hold for connect. */
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
		if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			error = errno;
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(all);
	return fd < 0 ? -error : fd;
}

static int
read_all(int fd, struct buf *in)
{
	uint8_t *room;
	ssize_t n;

	while ((room = buf_reserve(in, 65536)) != NULL) {
		n = recv(fd, room, 65536, 0);
		if (n <= 0)
			return n == 0 ? 0 : -errno;
		buf_commit(in, (size_t)n);
	}
	return -EMSGSIZE;
}

int
word_ask(const struct zk_server *s, const char word[4], char **answer)
{
	int fd = dial(s), r = fd;
	struct buf in;

	buf_init(&in, WORD_ANSWER_MAX);
	if (fd >= 0) {
		r = send(fd, word, 4, MSG_NOSIGNAL) == 4 ? read_all(fd, &in) : -errno;
		close(fd);
	}
	*answer = mem_strndup(buf_head(&in), buf_len(&in));
	buf_free(&in);
	if (r < 0)
		r = complain(ZKCTL_NO_ANSWER, "%s:%s does not answer %.4s: %s", s->host, s->port, word,
			     strerror(-r));
	else if (strstr(*answer, "is not in the whitelist") != NULL)
		r = complain(ZKCTL_NOT_ALLOWED,
			     "%s:%s does not answer %.4s; let it: 4lw.commands.whitelist=srvr,cons,dump",
			     s->host, s->port, word);
	else if (strstr(*answer, "not currently serving requests") != NULL || (*answer)[0] == '\0')
		r = complain(ZKCTL_NO_ANSWER, "%s:%s does not serve now", s->host, s->port);
	if (r != 0) {
		mem_free(*answer);
		*answer = NULL;
	}
	return r;
}

int
word_ask_node(struct node *n, const char *word, char **answer)
{
	Zkd__WordRequest q = ZKD__WORD_REQUEST__INIT;
	const Zkd__WordAnswer *a;

	q.word = (char *)(uintptr_t)word;
	a = node_ask(n, "clientd", MSG_WORD, &q.base, &zkd__word_answer__descriptor);
	if (a == NULL)
		return ZKCTL_NO_ANSWER;
	if (!a->serving)
		return complain(ZKCTL_NO_ANSWER, "the node does not serve now; zkctl status tells why");
	if (a->cut)
		complain(0, "note: there are more than fit into the answer; --server HOST:PORT asks for all");
	*answer = mem_strndup(a->text.data, a->text.len);
	return ZKCTL_OK;
}
