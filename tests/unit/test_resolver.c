/* The resolver with its real child: names of this machine, shared lookups, cancelled queries, the end of the child. */
#include <check.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "io/resolver.h"

enum { PATIENCE_S = 20 };

struct asked {
	struct resolver_query query;
	unsigned answers;
	size_t n;
	struct sockaddr_storage first;
	const char *again; /* asked for from inside the callback */
};

static struct resolver resolver;
static struct ev_loop *loop;
static unsigned losses, expected;
static ev_timer patience;

static void
on_patience(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	ck_abort_msg("no answer");
}

static void
done(struct resolver_query *q, const struct sockaddr_storage *found, size_t n)
{
	struct asked *a = (struct asked *)q;

	a->answers++;
	a->n = n;
	if (n > 0)
		a->first = found[0];
	if (a->again != NULL) {
		const char *name = a->again;

		a->again = NULL;
		ck_assert_int_eq(resolver_ask(&resolver, q, name), 0);
	} else if (--expected == 0) {
		ev_break(loop, EVBREAK_ALL);
	}
}

static void
on_lost(void *owner)
{
	(void)owner;
	losses++;
}

static void
ask(struct asked *a, const char *name)
{
	resolver_query_init(&a->query, done);
	ck_assert_int_eq(resolver_ask(&resolver, &a->query, name), 0);
	expected++;
}

static void
setup(void)
{
	ck_assert_int_eq(resolver_fork(&resolver), 0);
	loop = ev_loop_new(EVFLAG_AUTO);
	resolver_start(&resolver, loop, on_lost, NULL);
	ev_timer_init(&patience, on_patience, PATIENCE_S, 0.);
	ev_timer_start(loop, &patience);
}

static void
teardown(void)
{
	pid_t child = resolver.pid;

	resolver_stop(&resolver);
	ck_assert_int_eq(resolver.fd, -1);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ev_loop_destroy(loop);
}

START_TEST(a_name_is_found)
{
	struct asked a = { 0 };

	ask(&a, "localhost");
	ev_run(loop, 0);
	ck_assert_uint_eq(a.answers, 1);
	ck_assert_uint_ge(a.n, 1);
	ck_assert(a.first.ss_family == AF_INET || a.first.ss_family == AF_INET6);
	resolver_set_port(&a.first, 3888);
	if (a.first.ss_family == AF_INET) {
		ck_assert_uint_eq(((struct sockaddr_in *)&a.first)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
		ck_assert_uint_eq(((struct sockaddr_in *)&a.first)->sin_port, htons(3888));
	}
}
END_TEST

START_TEST(what_has_no_address)
{
	struct asked a = { 0 };

	ask(&a, "-no.such.name-");
	ev_run(loop, 0);
	ck_assert_uint_eq(a.answers, 1);
	ck_assert_uint_eq(a.n, 0);
}
END_TEST

START_TEST(one_lookup_serves_all_who_ask)
{
	struct asked a[5] = { 0 };

	for (int i = 0; i < 5; i++)
		ask(&a[i], i < 4 ? "localhost" : "-no.such.name-");
	ck_assert_uint_eq(resolver.nlookups, 2);
	resolver_cancel(&a[1].query);
	resolver_cancel(&a[1].query);
	ck_assert(!resolver_is_asked(&a[1].query) && resolver_is_asked(&a[0].query));
	expected--;
	ev_run(loop, 0);
	for (int i = 0; i < 5; i++)
		ck_assert_uint_eq(a[i].answers, i != 1);
	ck_assert_uint_eq(resolver.nlookups, 0);
}
END_TEST

START_TEST(asked_again_from_the_answer)
{
	struct asked a = { .again = "localhost" };

	ask(&a, "localhost");
	ev_run(loop, 0);
	ck_assert_uint_eq(a.answers, 2);
}
END_TEST

START_TEST(the_child_dies)
{
	struct asked a = { 0 }, b = { 0 };

	ck_assert_int_eq(kill(resolver.pid, SIGSTOP), 0);
	ask(&a, "localhost");
	ck_assert_int_eq(kill(resolver.pid, SIGKILL), 0);
	ev_run(loop, 0);
	ck_assert_uint_eq(a.answers, 1);
	ck_assert_uint_eq(a.n, 0);
	ck_assert_uint_eq(losses, 1);
	resolver_query_init(&b.query, done);
	ck_assert_int_eq(resolver_ask(&resolver, &b.query, "localhost"), -EPIPE);
}
END_TEST

START_TEST(there_is_a_limit)
{
	static struct asked many[RESOLVER_LOOKUPS_MAX + 1]; /* teardown drops them */
	char name[300];

	ck_assert_int_eq(kill(resolver.pid, SIGSTOP), 0);
	for (int i = 0; i < RESOLVER_LOOKUPS_MAX; i++) {
		snprintf(name, sizeof name, "name%d", i);
		ask(&many[i], name);
	}
	resolver_query_init(&many[RESOLVER_LOOKUPS_MAX].query, done);
	ck_assert_int_eq(resolver_ask(&resolver, &many[RESOLVER_LOOKUPS_MAX].query, "one.more"), -ENOBUFS);
	memset(name, 'a', 256);
	name[256] = '\0';
	ck_assert_int_eq(resolver_ask(&resolver, &many[RESOLVER_LOOKUPS_MAX].query, name), -ENAMETOOLONG);
	/* teardown drops them all; the child was stopped and hears its end */
	ck_assert_int_eq(kill(resolver.pid, SIGKILL), 0);
}
END_TEST

START_TEST(literals)
{
	struct sockaddr_storage a;

	ck_assert(resolver_literal("127.0.0.1", 80, &a));
	ck_assert_int_eq(a.ss_family, AF_INET);
	ck_assert_uint_eq(resolver_address_size(&a), sizeof(struct sockaddr_in));
	ck_assert(resolver_literal("::1", 80, &a));
	ck_assert_int_eq(a.ss_family, AF_INET6);
	ck_assert_uint_eq(((struct sockaddr_in6 *)&a)->sin6_port, htons(80));
	ck_assert(!resolver_literal("localhost", 80, &a));
	ck_assert(!resolver_literal("", 80, &a));
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("resolver");
	Suite *s = suite_create("resolver");
	SRunner *r = srunner_create(s);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, a_name_is_found);
	tcase_add_test(t, what_has_no_address);
	tcase_add_test(t, one_lookup_serves_all_who_ask);
	tcase_add_test(t, asked_again_from_the_answer);
	tcase_add_test(t, the_child_dies);
	tcase_add_test(t, there_is_a_limit);
	tcase_add_test(t, literals);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
