/* See probe.h. Invariant: an attempt that wrongly succeeds leaves nothing behind. */
#include "io/probe.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXEC_FAILED = 127 };

static int
try_file(const Zkd__ProbeRequest *q)
{
	int fd = open(q->file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int
try_data_dir(const Zkd__ProbeRequest *q)
{
	DIR *dir = opendir(q->data_dir);
	int error = 0;

	if (dir == NULL)
		return errno;
	errno = 0;
	if (readdir(dir) == NULL)
		error = errno;
	closedir(dir);
	return error;
}

static int
try_dial(const Zkd__ProbeRequest *q)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)q->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error = 0;

	if (fd < 0)
		return errno;
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0)
		error = errno;
	close(fd);
	return error;
}

/* Where the room may have helper children the attempt is made in one, for it would replace the daemon. */
static int
try_exec(const Zkd__ProbeRequest *q)
{
	char *argv[] = { q->exec, NULL }, *env[] = { NULL };
	int status = 0;
	pid_t child = fork();

	if (child < 0)
		return errno;
	if (child == 0) {
		execve(q->exec, argv, env);
		_exit(errno < EXEC_FAILED ? errno : EXEC_FAILED);
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 0;
	return WEXITSTATUS(status);
}

static int
try_signal(const Zkd__ProbeRequest *q)
{
	return kill(q->pid, 0) == 0 ? 0 : errno;
}

static void
add(struct probe *p, const Zkd__ProbeRequest *q, const char *attempt, int (*try)(const Zkd__ProbeRequest *))
{
	size_t i = p->reply.n_results++;
	int error = try(q);

	zkd__probe_result__init(&p->results[i]);
	p->results[i].attempt = (char *)attempt;
	/* Only a refusal counts: a file that is not there proves nothing. */
	p->results[i].refused = error == EPERM || error == EACCES;
	snprintf(p->details[i], sizeof p->details[i], "%s", error == 0 ? "was possible" : strerror(error));
	p->results[i].detail = p->details[i];
	p->list[i] = &p->results[i];
}

void
probe_run(struct probe *p, const Zkd__ProbeRequest *q)
{
	*p = (struct probe){ .reply = ZKD__PROBE_REPLY__INIT };
	p->reply.results = p->list;
	if (q->file[0] != '\0')
		add(p, q, "file", try_file);
	if (q->data_dir[0] != '\0')
		add(p, q, "data folder", try_data_dir);
	if (q->port != 0)
		add(p, q, "dial", try_dial);
	if (q->exec[0] != '\0')
		add(p, q, "exec", try_exec);
	if (q->pid != 0)
		add(p, q, "signal", try_signal);
}
