/*
 * See sockets.h. Invariant: every descriptor here is close-on-exec; a child gets the ones that it is to have, and only
 * those, from child_spawn.
 */
#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/clock.h"
#include "io/daemon.h"
#include "io/listen.h"
#include "io/log.h"

enum {
	CLIENT_BACKLOG = 4096, /* the kernel cuts it to net.core.somaxconn */
	PEER_BACKLOG = 1024,
	UNIX_BACKLOG = 64,
	GUEST_BACKLOG = 512,
	NOTIFY_BUFFER_BYTES = 256 << 10,
	TAKEN_WAIT_MS = 1500, /* how long a taken port is tried */
	TAKEN_GUEST_MS = 300, /* likewise, where the node goes on without it */
	TAKEN_PAUSE_US = 20000,
	ATTEMPT_MS = 1000,
};

#define CONTROL_GROUP "zkd"
#define NOTIFY_NAME   "zkd.notify"

enum socket_access { FOR_SYNCD, FOR_PEOPLE };

static const struct {
	enum watch_daemon daemon;
	const char *name, *file;
	enum socket_access access;
} unix_sockets[] = {
	{ WATCH_ELECTIOND, "link", "electiond.link", FOR_SYNCD },
	{ WATCH_ELECTIOND, "control", "electiond.control", FOR_PEOPLE },
	{ WATCH_LOGD, "link", "logd.link", FOR_SYNCD },
	{ WATCH_LOGD, "control", "logd.control", FOR_PEOPLE },
	{ WATCH_CLIENTD, "link", "clientd.link", FOR_SYNCD },
	{ WATCH_CLIENTD, "control", "clientd.control", FOR_PEOPLE },
	{ WATCH_SYNCD, "control", "syncd.control", FOR_PEOPLE },
	{ WATCH_ADMIND, "control", "admind.control", FOR_PEOPLE },
};

bool
sockets_any(const struct sockets *s, enum watch_daemon d)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->all[i].daemon == d)
			return true;
	return false;
}

static struct socket *
add_socket(struct sockets *s, enum watch_daemon d, const char *name, int fd)
{
	struct socket *k;

	ASSERT(s->n < SOCKETS_MAX);
	k = &s->all[s->n++];
	*k = (struct socket){ .fd = fd, .name = name, .daemon = d };
	return k;
}

/*
 * Who may connect: owner and mode of a Unix socket. Without root all belongs to one user, who alone may. Control
 * sockets are owned by admind, which may ask there and no more (io/control.h); what else it could do as an owner its
 * locked door forbids.
 */
static void
find_access(const struct settings *set, enum socket_access access, uid_t *uid, gid_t *gid, mode_t *mode)
{
	const struct group *g;

	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	*mode = 0600;
	if (geteuid() != 0)
		return;
	if (access == FOR_SYNCD) {
		*uid = set->users[WATCH_SYNCD].uid;
		return;
	}
	if (settings_want_admind(set))
		*uid = set->users[WATCH_ADMIND].uid;
	if ((g = getgrnam(CONTROL_GROUP)) != NULL) {
		*gid = g->gr_gid;
		*mode = 0660;
	}
}

static int
bind_unix(const struct settings *set, const struct runtime_folder *f, const char *file,
	  enum socket_access access)
{
	uid_t uid;
	gid_t gid;
	mode_t mode;
	int fd;

	find_access(set, access, &uid, &gid, &mode);
	fd = listen_unix(f->fd, file, mode, uid, gid, UNIX_BACKLOG);
	if (fd < 0)
		log_event(LOG_ERR, "cannot bind a socket", "socket=%s/%s error=\"%s\"", f->path, file,
			  strerror(-fd));
	return fd;
}

static int
bind_all_unix(struct sockets *s, const struct settings *set, const struct runtime_folder *f)
{
	for (size_t i = 0; i < sizeof unix_sockets / sizeof unix_sockets[0]; i++) {
		int fd;

		if (unix_sockets[i].daemon == WATCH_ADMIND && !sockets_any(s, WATCH_ADMIND))
			continue;
		fd = bind_unix(set, f, unix_sockets[i].file, unix_sockets[i].access);

		if (fd < 0)
			return EXIT_BIND;
		add_socket(s, unix_sockets[i].daemon, unix_sockets[i].name, fd);
	}
	s->control_fd = bind_unix(set, f, "zkd.control", FOR_PEOPLE);
	return s->control_fd < 0 ? EXIT_BIND : 0;
}

/* ADDRESS:PORT of a bound socket, as people write it. */
static void
print_address(int fd, char *out, size_t size)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof ss;
	char host[INET6_ADDRSTRLEN] = "", port[8] = "";

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return;
	getnameinfo((struct sockaddr *)&ss, len, host, sizeof host, port, sizeof port,
		    NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(out, size, ss.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/*
 * One listener for host and port. A name stands for its first address that can be bound, IPv4 before IPv6 as Java
 * does; no name means all addresses, of both kinds where the machine has both.
 */
static int
bind_tcp(const char *host, int port, int backlog)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	static const int order_named[] = { AF_INET, AF_INET6 }, order_all[] = { AF_INET6, AF_INET };
	const int *order = host == NULL ? order_all : order_named;
	int fd = -EADDRNOTAVAIL;
	char service[12];

	snprintf(service, sizeof service, "%d", port);
	for (int i = 0; i < 2 && fd < 0 && fd != -EADDRINUSE && fd != -EACCES; i++) {
		struct addrinfo *list;

		hints.ai_family = order[i];
		if (getaddrinfo(host, service, &hints, &list) != 0)
			continue;
		for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next)
			fd = listen_tcp(a->ai_addr, a->ai_addrlen, backlog);
		freeaddrinfo(list);
	}
	return fd;
}

/*
 * The same, but where the port is taken it may be that a zkd died a moment ago and one of its daemons is still giving
 * back its memory: that one lets go by itself.
 */
static int
bind_tcp_patiently(const char *host, int port, int backlog, uint64_t patience_ms)
{
	uint64_t began = clock_mono_ms();
	int fd;

	while ((fd = bind_tcp(host, port, backlog)) == -EADDRINUSE && clock_mono_ms() - began < patience_ms)
		usleep(TAKEN_PAUSE_US);
	return fd;
}

static int
tell_bind_failure(int priority, const char *key, const char *host, int port, int error)
{
	const char *shown = host != NULL ? host : "*";

	if (error == -EADDRINUSE)
		log_event(
		    priority, "the port is taken",
		    "%s=%d address=%s hint=\"another server listens there; ss -ltnp sport = :%d names it\"",
		    key, port, shown, port);
	else if (error == -EACCES)
		log_event(priority, "no right to bind the port",
			  "%s=%d address=%s hint=\"ports below 1024 need root or "
			  "CAP_NET_BIND_SERVICE\"",
			  key, port, shown);
	else
		log_event(priority, "cannot bind the port", "%s=%d address=%s error=\"%s\"", key, port, shown,
			  strerror(-error));
	return EXIT_BIND;
}

static void
add_network_socket(struct sockets *s, enum watch_daemon d, const char *name, int fd)
{
	struct socket *k = add_socket(s, d, name, fd);

	k->network = true;
	print_address(fd, k->address, sizeof k->address);
}

static bool
is_wildcard(const char *host)
{
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 ||
	       strcmp(host, "0:0:0:0:0:0:0:0") == 0;
}

static int
bind_client(struct sockets *s, const struct config *c)
{
	int backlog = c->client_port_listen_backlog > 0 ? c->client_port_listen_backlog : CLIENT_BACKLOG;
	int fd;

	if (c->client_port < 0)
		return 0;
	fd = bind_tcp_patiently(c->client_port_address, c->client_port, backlog, TAKEN_WAIT_MS);
	if (fd < 0)
		return tell_bind_failure(LOG_ERR, "clientPort", c->client_port_address, c->client_port, fd);
	add_network_socket(s, WATCH_CLIENTD, "client", fd);
	return 0;
}

/* How long a taken port is tried: ZooKeeper makes so many attempts, a second apart. */
static uint64_t
peer_patience_ms(const struct config *c)
{
	if (c->election_port_bind_retry == 0)
		return UINT64_MAX;
	return c->election_port_bind_retry == 1 ? TAKEN_WAIT_MS
						: (uint64_t)c->election_port_bind_retry * ATTEMPT_MS;
}

/* Whether an earlier address of this server has led to the same listener. */
static bool
is_bound_already(const struct config *c, const struct config_server *own, size_t i, bool election)
{
	for (size_t k = 0; k < i; k++) {
		const struct config_server_address *a = &own->addresses[k], *b = &own->addresses[i];
		bool same_port =
		    election ? a->election_port == b->election_port : a->quorum_port == b->quorum_port;

		if (same_port && (c->quorum_listen_on_all_ips || strcmp(a->host, b->host) == 0))
			return true;
	}
	return false;
}

static int
bind_peers(struct sockets *s, const struct config *c, const struct config_server *own, bool election)
{
	for (size_t i = 0; i < own->naddresses; i++) {
		const struct config_server_address *a = &own->addresses[i];
		int port = election ? a->election_port : a->quorum_port, fd;
		const char *host = c->quorum_listen_on_all_ips || is_wildcard(a->host) ? NULL : a->host;

		if (is_bound_already(c, own, i, election))
			continue;
		fd = bind_tcp_patiently(host, port, PEER_BACKLOG, peer_patience_ms(c));
		if (fd < 0)
			return tell_bind_failure(LOG_ERR, election ? "electionPort" : "quorumPort", host, port, fd);
		add_network_socket(s, election ? WATCH_ELECTIOND : WATCH_SYNCD,
				   election ? "election" : "quorum", fd);
	}
	return 0;
}

/* Where this server's peers reach it. A standalone node has none. */
static int
bind_all_peers(struct sockets *s, const struct config *c)
{
	const struct config_server *own = config_find_server(c, c->myid);
	int status;

	if (!config_is_ensemble(c) || own == NULL)
		return 0;
	status = bind_peers(s, c, own, true);
	return status != 0 ? status : bind_peers(s, c, own, false);
}

/* A listener of admind. Without it the node does its work all the same. */
static void
bind_guest(struct sockets *s, const char *name, const char *key, const char *host, int port)
{
	int fd = bind_tcp_patiently(host, port, GUEST_BACKLOG, TAKEN_GUEST_MS);

	if (fd < 0) {
		tell_bind_failure(LOG_WARNING, key, host, port, fd);
		log_event(LOG_WARNING, "the node runs without it", "key=%s", key);
		return;
	}
	add_network_socket(s, WATCH_ADMIND, name, fd);
}

static void
bind_guests(struct sockets *s, const struct config *c)
{
	if (c->admin_enabled)
		bind_guest(s, "admin", "admin.serverPort", c->admin_address, c->admin_port);
	if (c->metrics == CONFIG_METRICS_PROMETHEUS)
		bind_guest(s, "metrics", "metricsProvider.httpPort", c->metrics_host, c->metrics_port);
}

/*
 * The address of the notify socket has to fit into 107 bytes. A folder whose path is longer has its notify socket
 * in the abstract name space, under a name that the kernel picks: others may send there, which only wastes their
 * time, as each message is checked for who sent it.
 */
static socklen_t
notify_name(const struct runtime_folder *f, struct sockaddr_un *un)
{
	int n = snprintf(un->sun_path, sizeof un->sun_path, "%s/" NOTIFY_NAME, f->path);

	if (n > 0 && (size_t)n < sizeof un->sun_path) {
		unlinkat(f->fd, NOTIFY_NAME, 0);
		return sizeof *un;
	}
	return sizeof un->sun_family;
}

static int
bind_notify(struct sockets *s, const struct runtime_folder *f)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int on = 1, size = NOTIFY_BUFFER_BYTES;
	socklen_t len = notify_name(f, &un);
	mode_t mask;
	int error;

	s->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->notify_fd < 0)
		return -errno;
	mask = umask(0177);
	error = bind(s->notify_fd, (struct sockaddr *)&un, len) < 0 ? -errno : 0;
	umask(mask);
	len = sizeof un;
	if (error != 0 || getsockname(s->notify_fd, (struct sockaddr *)&un, &len) < 0 ||
	    setsockopt(s->notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
		return error != 0 ? error : -errno;
	(void)setsockopt(s->notify_fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	len -= (socklen_t)sizeof un.sun_family;
	memcpy(s->notify_address, un.sun_path, len);
	if (s->notify_address[0] == '\0')
		s->notify_address[0] = '@';
	return 0;
}

int
sockets_open(struct sockets *s, const struct settings *set, const struct runtime_folder *f, bool admind)
{
	int status, error;

	*s = (struct sockets){ .control_fd = -1, .notify_fd = -1 };
	status = bind_client(s, set->config);
	if (status == 0 && admind)
		bind_guests(s, set->config);
	if (status == 0)
		status = bind_all_peers(s, set->config);
	if (status == 0)
		status = bind_all_unix(s, set, f);
	if (status != 0)
		return status;
	error = bind_notify(s, f);
	if (error != 0)
		log_event(LOG_ERR, "cannot bind a socket", "socket=%s/" NOTIFY_NAME " error=\"%s\"", f->path,
			  strerror(-error));
	return error != 0 ? EXIT_BIND : 0;
}

static void
close_socket(struct socket *k)
{
	if (k->shed.loop != NULL)
		acceptor_stop(&k->shed);
	else if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
	k->shedding = false;
}

void
sockets_close_network(struct sockets *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->all[i].network)
			close_socket(&s->all[i]);
}

void
sockets_close(struct sockets *s)
{
	for (unsigned i = 0; i < s->n; i++)
		close_socket(&s->all[i]);
	if (s->notify_fd >= 0)
		close(s->notify_fd);
	s->n = 0;
	s->notify_fd = -1;
}

static void
turn_away(void *owner, int fd, const struct sockaddr_storage *peer, socklen_t len)
{
	(void)owner;
	(void)peer;
	(void)len;
	close(fd);
}

bool
sockets_shed(struct sockets *s, struct ev_loop *loop, enum watch_daemon d, bool on)
{
	bool any = false;

	for (unsigned i = 0; i < s->n; i++) {
		struct socket *k = &s->all[i];

		if (!k->network || k->daemon != d || k->fd < 0 || k->shedding == on)
			continue;
		if (!on)
			acceptor_pause(&k->shed);
		else if (k->shed.loop == NULL)
			acceptor_start(&k->shed, loop, k->fd, k->name, turn_away, k);
		else
			acceptor_resume(&k->shed);
		k->shedding = on;
		any = true;
	}
	return any;
}
