/* See words.h. */
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
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
word_fetch(const struct zk_server *s, const char word[4], char **answer, char why[ZK_WHY_BYTES])
{
	int fd = dial(s), r = fd, status = ZKCTL_OK;
	struct buf in;

	buf_init(&in, WORD_ANSWER_MAX);
	if (fd >= 0) {
		r = send(fd, word, 4, MSG_NOSIGNAL) == 4 ? read_all(fd, &in) : -errno;
		close(fd);
	}
	*answer = mem_strndup(buf_head(&in), buf_len(&in));
	buf_free(&in);
	if (r < 0) {
		status = ZKCTL_NO_ANSWER;
		snprintf(why, ZK_WHY_BYTES, "%s:%s does not answer %.4s: %s", s->host, s->port, word,
			 strerror(-r));
	} else if (strstr(*answer, "is not in the whitelist") != NULL) {
		status = ZKCTL_NOT_ALLOWED;
		snprintf(why, ZK_WHY_BYTES,
			 "%s:%s does not answer %.4s; let it: 4lw.commands.whitelist=srvr,cons,dump", s->host,
			 s->port, word);
	} else if (strstr(*answer, "not currently serving requests") != NULL || (*answer)[0] == '\0') {
		status = ZKCTL_NO_ANSWER;
		snprintf(why, ZK_WHY_BYTES, "%s:%s does not serve now", s->host, s->port);
	}
	if (status != ZKCTL_OK) {
		mem_free(*answer);
		*answer = NULL;
	}
	return status;
}

int
word_ask(const struct zk_server *s, const char word[4], char **answer)
{
	char why[ZK_WHY_BYTES];
	int status = word_fetch(s, word, answer, why);

	return status == ZKCTL_OK ? ZKCTL_OK : complain(status, "%s", why);
}

/* ---- Several at once ---- */

static const char *
explain(int error)
{
	switch (error) {
	case 0:
		return NULL;
	case ECONNREFUSED:
		return "refused: nobody listens there";
	case EADDRNOTAVAIL:
		return "its name is not found";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "no route to it";
	case ECONNRESET:
		return "closed without an answer";
	default:
		return "no answer in time";
	}
}

/* The child's part: the answer, or nothing and the error as its exit status. */
static _Noreturn void
ask_as_child(const struct zk_server *s, const char word[4], int out)
{
	int fd = dial(s), r = fd;
	struct buf in;

	buf_init(&in, WORD_SHORT_MAX + 65536);
	if (fd >= 0) {
		r = send(fd, word, 4, MSG_NOSIGNAL) == 4 ? read_all(fd, &in) : -errno;
		if (r == 0 && buf_len(&in) == 0)
			r = -ECONNRESET;
	}
	if (r == 0 &&
	    write(out, buf_head(&in), buf_len(&in) < WORD_SHORT_MAX ? buf_len(&in) : WORD_SHORT_MAX) < 0)
		r = -errno;
	_exit(-r & 0xff);
}

struct asking {
	pid_t pid;
	struct buf in;
};

static void
begin_child(struct word_question *q, struct asking *a, struct pollfd *p, const char word[4])
{
	int ends[2];

	q->answer = NULL;
	q->why = explain(ETIMEDOUT);
	buf_init(&a->in, 2 * WORD_SHORT_MAX + 65536);
	a->pid = -1;
	*p = (struct pollfd){ .fd = -1, .events = POLLIN };
	if (pipe2(ends, O_CLOEXEC) != 0)
		return;
	a->pid = fork();
	if (a->pid == 0)
		ask_as_child(&q->server, word, ends[1]);
	close(ends[1]);
	p->fd = ends[0];
}

/* The pipe is at its end: the child is done. */
static void
end_child(struct word_question *q, struct asking *a, struct pollfd *p)
{
	int status = 0;

	close(p->fd);
	p->fd = -1;
	if (a->pid < 0 || waitpid(a->pid, &status, 0) < 0 || !WIFEXITED(status))
		return;
	a->pid = -1;
	q->why = explain(WEXITSTATUS(status));
	if (q->why == NULL)
		q->answer = mem_strndup(buf_head(&a->in), buf_len(&a->in));
}

static void
receive(struct word_question *q, struct asking *a, struct pollfd *p)
{
	uint8_t *room = buf_reserve(&a->in, WORD_SHORT_MAX);
	ssize_t n = room == NULL ? 0 : read(p->fd, room, WORD_SHORT_MAX);

	if (n > 0)
		buf_commit(&a->in, (size_t)n);
	else if (n == 0 || errno != EINTR)
		end_child(q, a, p);
}

static void
give_up(struct asking *a, struct pollfd *p)
{
	if (p->fd >= 0)
		close(p->fd);
	if (a->pid > 0) {
		kill(a->pid, SIGKILL);
		waitpid(a->pid, NULL, 0);
	}
	buf_free(&a->in);
}

void
words_ask_all(struct word_question *q, size_t n, const char word[4], int64_t limit_ms)
{
	struct asking *all = mem_zalloc(n + 1, sizeof *all);
	struct pollfd *fds = mem_zalloc(n + 1, sizeof *fds);
	int64_t end = clock_ms() + limit_ms, left = limit_ms;
	size_t open;

	fflush(stdout); /* or each child would have its own copy of what waits there */
	for (size_t i = 0; i < n; i++)
		begin_child(&q[i], &all[i], &fds[i], word);
	do {
		open = 0;
		for (size_t i = 0; i < n; i++)
			open += fds[i].fd >= 0;
		if (open == 0 || left <= 0 || poll(fds, n, (int)left) == 0)
			break;
		for (size_t i = 0; i < n; i++)
			if (fds[i].fd >= 0 && (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
				receive(&q[i], &all[i], &fds[i]);
		left = end - clock_ms();
	} while (true);
	for (size_t i = 0; i < n; i++)
		give_up(&all[i], &fds[i]);
	mem_free(all);
	mem_free(fds);
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
