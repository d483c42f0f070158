/* The child that knows names: one process more for each question, see resolver.h. Invariant: it holds nothing open but
 * its socket and standard error, and can change nothing on the disk. */
#include "io/resolver_child.h"

#include <errno.h>
#include <linux/close_range.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "io/log.h"
#include "io/sandbox.h"

static void
take_address(struct resolver_answer *a, const struct addrinfo *found)
{
	struct resolver_address *to = &a->addresses[a->n];
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)found->ai_addr;
	const struct sockaddr_in *four = (const struct sockaddr_in *)found->ai_addr;

	to->family = (uint8_t)found->ai_family;
	if (found->ai_family == AF_INET6) {
		memcpy(to->bytes, &six->sin6_addr, 16);
		to->scope = six->sin6_scope_id;
	} else {
		memcpy(to->bytes, &four->sin_addr, 4);
	}
	a->n++;
}

/* In a process of its own. */
_Noreturn static void
answer(int fd, const struct resolver_question *q)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list = NULL;
	struct resolver_answer a = { .id = q->id };
	const struct addrinfo *e;

	signal(SIGALRM, SIG_DFL);
	alarm(RESOLVER_LIMIT_MS / 1000);
	if (getaddrinfo(q->name, NULL, &hints, &list) == 0) {
		for (e = list; e != NULL && a.n < RESOLVER_ADDRESSES_MAX; e = e->ai_next)
			if (e->ai_family == AF_INET || e->ai_family == AF_INET6)
				take_address(&a, e);
	}
	(void)send(fd, &a, sizeof a, MSG_NOSIGNAL);
	_exit(EXIT_SUCCESS);
}

/* Who cannot fork now leaves the question unanswered: its time runs out. */
static void
start_answer(int fd, const struct resolver_question *q)
{
	pid_t resolver = getpid(), pid = fork();

	if (pid < 0)
		log_event(LOG_WARNING, "cannot make a process to look up a name", "reason=\"%s\"",
			  strerror(errno));
	if (pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != resolver)
		_exit(EXIT_FAILURE);
	answer(fd, q);
}

/* Moves the socket to 3 and closes all behind it. */
static int
keep_only(int fd)
{
	int kept = dup2(fd, STDERR_FILENO + 1);

	if (kept < 0 || close_range((unsigned)kept + 1, ~0U, 0) < 0)
		_exit(EXIT_FAILURE);
	return kept;
}

static void
take_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
}

void
resolver_serve(int fd, pid_t parent)
{
	struct resolver_question q;
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "resolver");
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	take_signals();
	fd = keep_only(fd);
	if (sandbox_lock_reader() < 0)
		_exit(EXIT_FAILURE);
	while ((n = recv(fd, &q, sizeof q, 0)) > 0 || (n < 0 && errno == EINTR)) {
		q.name[RESOLVER_NAME_MAX] = '\0';
		if (n == (ssize_t)sizeof q)
			start_answer(fd, &q);
	}
	_exit(EXIT_SUCCESS);
}
