/*
 * The daemon's side of the resolver, see resolver.h. Invariants: a lookup is in the list until it is answered or its time
 * is over, with all who wait for it; a query is in the list of one lookup, or in none.
 */
#include "io/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "io/log.h"
#include "io/resolver_child.h"

enum { GRACE_MS = 1000 /* of a lookup beyond the time that the child gives itself */ };

struct lookup {
	struct list link;
	struct resolver *resolver;
	uint64_t id;
	struct list waiters;
	ev_timer limit;
	char name[RESOLVER_NAME_MAX + 1];
};

/* Addresses */

bool
resolver_literal(const char *text, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
	struct sockaddr_in *four = (struct sockaddr_in *)out;

	*out = (struct sockaddr_storage){ 0 };
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1)
		out->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1)
		out->ss_family = AF_INET6;
	else
		return false;
	resolver_set_port(out, port);
	return true;
}

void
resolver_set_port(struct sockaddr_storage *address, uint16_t port)
{
	if (address->ss_family == AF_INET6)
		((struct sockaddr_in6 *)address)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)address)->sin_port = htons(port);
}

socklen_t
resolver_address_size(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static bool
read_address(const struct resolver_address *a, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;

	*out = (struct sockaddr_storage){ .ss_family = a->family };
	if (a->family == AF_INET6) {
		memcpy(&six->sin6_addr, a->bytes, 16);
		six->sin6_scope_id = a->scope;
	} else if (a->family == AF_INET) {
		memcpy(&((struct sockaddr_in *)out)->sin_addr, a->bytes, 4);
	} else {
		return false;
	}
	return true;
}

/* Lookups */

/* Takes the lookup away and tells all who waited for it. What they do may ask for the same name again. */
static void
finish(struct lookup *k, const struct sockaddr_storage *found, size_t n)
{
	struct resolver *r = k->resolver;
	struct list *e;

	ev_timer_stop(r->loop, &k->limit);
	list_remove(&k->link);
	r->nlookups--;
	while ((e = list_first(&k->waiters)) != NULL) {
		struct resolver_query *q = container_of(e, struct resolver_query, link);

		list_remove(e);
		q->done(q, found, n);
	}
	mem_free(k);
}

static void
on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct lookup *k = w->data;

	(void)loop;
	(void)revents;
	log_event(LOG_WARNING, "no answer for a name", "name=%s limit_ms=%d",
		  log_quote(slice_str(k->name)).text, RESOLVER_LIMIT_MS);
	finish(k, NULL, 0);
}

static void
lose(struct resolver *r)
{
	struct list *e;

	log_plain(LOG_ERR, "the resolver is gone");
	ev_io_stop(r->loop, &r->readable);
	close(r->fd);
	r->fd = -1;
	while ((e = list_first(&r->lookups)) != NULL)
		finish(container_of(e, struct lookup, link), NULL, 0);
	if (r->lost != NULL)
		r->lost(r->owner);
}

static void
take_answer(struct resolver *r, const struct resolver_answer *a)
{
	struct sockaddr_storage found[RESOLVER_ADDRESSES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += read_address(&a->addresses[i], &found[n]);
	list_for_each (e, &r->lookups) {
		struct lookup *k = container_of(e, struct lookup, link);

		if (k->id != a->id)
			continue;
		if (n == 0)
			log_event(LOG_WARNING, "a name has no address", "name=%s",
				  log_quote(slice_str(k->name)).text);
		finish(k, found, n);
		return;
	}
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct resolver *r = w->data;
	struct resolver_answer a;
	ssize_t n = 0;

	(void)loop;
	(void)revents;
	while (r->fd >= 0 && (n = recv(r->fd, &a, sizeof a, MSG_DONTWAIT)) > 0) {
		if (n == (ssize_t)sizeof a && a.n <= RESOLVER_ADDRESSES_MAX)
			take_answer(r, &a);
		else
			lose(r);
	}
	if (r->fd >= 0 && (n == 0 || (errno != EAGAIN && errno != EINTR)))
		lose(r);
}

/* The child */

int
resolver_fork(struct resolver *r)
{
	pid_t daemon = getpid();
	int pair[2];

	*r = (struct resolver){ .fd = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r->pid = fork();
	if (r->pid < 0) {
		int error = -errno;

		close(pair[0]);
		close(pair[1]);
		return error;
	}
	if (r->pid == 0)
		resolver_serve(pair[1], daemon);
	close(pair[1]);
	r->fd = pair[0];
	return 0;
}

void
resolver_start(struct resolver *r, struct ev_loop *loop, void (*lost)(void *owner), void *owner)
{
	ASSERT(r->fd >= 0);
	r->loop = loop;
	r->lost = lost;
	r->owner = owner;
	list_init(&r->lookups);
	ev_io_init(&r->readable, on_readable, r->fd, EV_READ);
	r->readable.data = r;
	ev_io_start(loop, &r->readable);
}

void
resolver_stop(struct resolver *r)
{
	if (r->loop == NULL)
		return;
	list_for_each_safe (e, &r->lookups) {
		struct lookup *k = container_of(e, struct lookup, link);

		list_for_each_safe (q, &k->waiters)
			list_remove(q);
		finish(k, NULL, 0);
	}
	ev_io_stop(r->loop, &r->readable);
	if (r->fd >= 0)
		close(r->fd);
	*r = (struct resolver){ .fd = -1 };
}

/* Asking */

void
resolver_query_init(struct resolver_query *q,
		    void (*done)(struct resolver_query *, const struct sockaddr_storage *, size_t))
{
	list_init(&q->link);
	q->done = done;
}

static struct lookup *
find_lookup(struct resolver *r, const char *name)
{
	list_for_each (e, &r->lookups) {
		struct lookup *k = container_of(e, struct lookup, link);

		if (strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

static int
begin_lookup(struct resolver *r, const char *name, struct lookup **out)
{
	struct resolver_question question = { .id = ++r->last_id };
	struct lookup *k;

	if (r->nlookups == RESOLVER_LOOKUPS_MAX)
		return -ENOBUFS;
	strcpy(question.name, name);
	if (send(r->fd, &question, sizeof question, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	k = mem_zalloc(1, sizeof *k);
	k->resolver = r;
	k->id = question.id;
	strcpy(k->name, name);
	list_init(&k->waiters);
	ev_timer_init(&k->limit, on_limit, (RESOLVER_LIMIT_MS + GRACE_MS) / 1e3, 0.);
	k->limit.data = k;
	ev_timer_start(r->loop, &k->limit);
	list_append(&r->lookups, &k->link);
	r->nlookups++;
	*out = k;
	return 0;
}

int
resolver_ask(struct resolver *r, struct resolver_query *q, const char *name)
{
	struct lookup *k;
	int error = 0;

	ASSERT(list_empty(&q->link));
	if (r->loop == NULL || r->fd < 0)
		return -EPIPE;
	if (strlen(name) > RESOLVER_NAME_MAX)
		return -ENAMETOOLONG;
	k = find_lookup(r, name);
	if (k == NULL)
		error = begin_lookup(r, name, &k);
	if (error == 0)
		list_append(&k->waiters, &q->link);
	return error;
}

void
resolver_cancel(struct resolver_query *q)
{
	list_remove(&q->link);
}

bool
resolver_is_asked(const struct resolver_query *q)
{
	return !list_empty(&q->link);
}
