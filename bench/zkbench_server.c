/* See zkbench_server.h. Invariant: our own do-nothing server ends with us, for the lifeline closes then. */
#include "bench/zkbench_server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/nothing.h"

enum { SPEC_BYTES = 4096 };

static const char nothing_word[] = "nothing";
static const char name_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-@[]";

static int
complain(const char *text, const char *why)
{
	fprintf(stderr, "zkbench: server %s: %s\n", text, why);
	return -EINVAL;
}

static int
add_address(struct server *server, char *address, const char *text)
{
	struct swarm_address *to = &server->addresses[server->naddresses];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	char *port = strrchr(address, ':');
	size_t len;
	int error;

	if (server->naddresses == SERVER_ADDRESSES_MAX)
		return complain(text, "too many addresses");
	if (port == NULL || port[1] == '\0')
		return complain(text, "not HOST:PORT");
	*port++ = '\0';
	len = strlen(address);
	if (len > 1 && address[0] == '[' && address[len - 1] == ']') {
		address[len - 1] = '\0';
		address++;
	}
	error = getaddrinfo(address, port, &hints, &list);
	if (error != 0)
		return complain(text, gai_strerror(error));
	memcpy(&to->address, list->ai_addr, list->ai_addrlen);
	to->len = list->ai_addrlen;
	server->naddresses++;
	freeaddrinfo(list);
	return 0;
}

static int
start_nothing(struct server *server, const char *text, const struct settings *s)
{
	struct nothing_config config = { .size = s->size, .keys = s->keys };
	struct sockaddr_in *sa = (struct sockaddr_in *)&server->addresses[0].address;
	int ends[2], listener;
	uint16_t port = 0;

	listener = nothing_listen(&port);
	if (listener < 0 || pipe2(ends, O_CLOEXEC) != 0)
		return complain(text, "cannot be started");
	server->child = fork();
	if (server->child == 0) {
		close(ends[1]);
		_exit(nothing_serve(listener, &config, ends[0]) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	/* The other end stays open until we end, however we end. */
	close(ends[0]);
	close(listener);
	if (server->child < 0)
		return complain(text, "cannot be started");
	*sa = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	sa->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->addresses[0].len = sizeof *sa;
	server->naddresses = 1;
	return processes_add(&server->processes, server->child);
}

static int
add_part(struct server *server, char *part, const char *text)
{
	int error = -EINVAL;
	char *end;
	long pid;

	if (strncmp(part, "pid=", 4) == 0) {
		pid = strtol(part + 4, &end, 10);
		if (end != part + 4 && *end == '\0')
			error = processes_add(&server->processes, (pid_t)pid);
	} else if (strncmp(part, "runtime=", 8) == 0) {
		error = processes_add_zkd(&server->processes, part + 8);
	} else if (strchr(part, '=') == NULL) {
		return server->keeps_nothing ? complain(text, "a server that does no work has one address")
					     : add_address(server, part, text);
	}
	return error == 0
		   ? 0
		   : complain(text, error == -EINVAL ? "HOST:PORT, pid=N or runtime=DIR" : strerror(-error));
}

static int
set_name(struct server *server, const char *name, const char *text)
{
	size_t len = strlen(name);

	if (len == 0 || len >= sizeof server->name || strspn(name, name_letters) != len)
		return complain(text, "a name of letters, digits and ._:-@");
	memcpy(server->name, name, len + 1);
	return 0;
}

int
server_parse(struct server *server, const char *text, const struct settings *s)
{
	char spec[SPEC_BYTES], *rest = spec, *address, *equals, *part;
	int error;

	*server = (struct server){ 0 };
	if (snprintf(spec, sizeof spec, "%s", text) >= (int)sizeof spec)
		return complain(text, "too long");
	address = strsep(&rest, ",");
	equals = strchr(address, '=');
	if (equals != NULL)
		*equals = '\0';
	error = set_name(server, address, text);
	if (equals != NULL)
		address = equals + 1;
	server->keeps_nothing = strncmp(address, nothing_word, strlen(nothing_word)) == 0 &&
				strchr("@", address[strlen(nothing_word)]) != NULL;
	if (error == 0 && strcmp(address, nothing_word) == 0)
		error = start_nothing(server, text, s);
	else if (error == 0)
		error =
		    add_address(server, address + (server->keeps_nothing ? sizeof nothing_word : 0), text);
	while (error == 0 && (part = strsep(&rest, ",")) != NULL)
		error = add_part(server, part, text);
	return error;
}

void
server_end(struct server *server)
{
	if (server->child > 0) {
		kill(server->child, SIGTERM);
		waitpid(server->child, NULL, 0);
	}
	server->child = 0;
}
