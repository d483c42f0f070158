/*
 * --auth and ZKCTL_AUTH: credentials from files, the environment or the terminal, never from the command line, which
 * everybody may read. The file holds what the scheme wants, for digest "user:password"; a line break behind it is left
 * out. ZKCTL_AUTH is "scheme:credential".
 */
#include "auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"

enum { CREDENTIAL_MAX = 64 << 10 };

static struct slice
keep(const char *text, size_t len)
{
	return slice_of(mem_strndup(text, len), len);
}

/* Open to others is worth a word: it is a secret. */
static void
check_mode(int fd, const char *name)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IRGRP | S_IROTH)) != 0)
		complain(0, "note: %s can be read by others; chmod 600 %s", name, name);
}

static int
read_file(const char *name, struct slice *out)
{
	char text[CREDENTIAL_MAX], path[4096];
	const char *home = getenv("HOME");
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%s%s", strncmp(name, "~/", 2) == 0 && home != NULL ? home : "",
		 strncmp(name, "~/", 2) == 0 && home != NULL ? name + 1 : name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof text);
	if (n < 0) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		return complain(ZKCTL_USAGE, "--auth: %s: %s", path, strerror(error));
	}
	check_mode(fd, path);
	close(fd);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	*out = keep(text, (size_t)n);
	explicit_bzero(text, sizeof text);
	return ZKCTL_OK;
}

static int
read_environment(const char *name, struct slice *out)
{
	const char *value = getenv(name);

	if (value == NULL)
		return complain(ZKCTL_USAGE, "--auth: the environment has no variable %s", name);
	*out = keep(value, strlen(value));
	return ZKCTL_OK;
}

static int
read_terminal(const char *scheme, struct slice *out)
{
	struct termios old, quiet;
	char line[1024];
	bool tty = tcgetattr(STDIN_FILENO, &old) == 0, ok;

	if (!tty)
		return complain(ZKCTL_USAGE, "--auth: no terminal to ask at; use @FILE or env:NAME");
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	fprintf(stderr, "%s credential (not shown): ", scheme);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	ok = fgets(line, sizeof line, stdin) != NULL;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	if (ok)
		*out = keep(line, strcspn(line, "\n"));
	explicit_bzero(line, sizeof line);
	return ok ? ZKCTL_OK : complain(ZKCTL_USAGE, "--auth: nothing was typed");
}

/* "scheme:source" as take_auth of options.c has let it through. */
static int
read_one(const char *text, struct zk_auth *a)
{
	const char *source = strchr(text, ':') + 1;
	int status;

	a->scheme = keep(text, (size_t)(source - 1 - text));
	if (source[0] == '@')
		status = read_file(source + 1, &a->credential);
	else if (strncmp(source, "env:", 4) == 0)
		status = read_environment(source + 4, &a->credential);
	else
		status = read_terminal((const char *)a->scheme.data, &a->credential);
	return status;
}

int
auth_read(const struct options *o, struct zk_config *c)
{
	const char *environment = getenv("ZKCTL_AUTH");
	const char *colon = environment == NULL ? NULL : strchr(environment, ':');
	int status = ZKCTL_OK;

	if (environment != NULL && environment[0] != '\0' && (colon == NULL || colon == environment))
		return complain(ZKCTL_USAGE, "ZKCTL_AUTH is not of the form scheme:credential");
	if (colon != NULL)
		c->auths[c->nauths++] = (struct zk_auth){
			keep(environment, (size_t)(colon - environment)),
			keep(colon + 1, strlen(colon + 1)),
		};
	for (size_t i = 0; i < o->nauths && status == ZKCTL_OK && c->nauths < ZK_AUTHS_MAX; i++)
		status = read_one(o->auths[i], &c->auths[c->nauths++]);
	if (status != ZKCTL_OK)
		auth_forget(c);
	return status;
}

void
auth_forget(struct zk_config *c)
{
	for (unsigned i = 0; i < c->nauths; i++) {
		struct zk_auth *a = &c->auths[i];
		if (a->credential.data != NULL)
			explicit_bzero((void *)a->credential.data, a->credential.len);
		mem_free((void *)a->credential.data);
		mem_free((void *)a->scheme.data);
	}
	c->nauths = 0;
}
