/*
 * The watch registers: which event reaches whom, what fires once, what a leaving connection takes along; and a long
 * random run against the two plain tables that ZooKeeper has.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "clientd/watch.h"

enum { CLIENTS = 4 };

static struct watches *w;
static struct watcher clients[CLIENTS];
static char told[64]; /* digits of the clients told, in order of their numbers */

static void
setup(void)
{
	w = watch_create((const uint8_t[16]){ 7 });
	for (int i = 0; i < CLIENTS; i++)
		watch_join(w, &clients[i]);
}

static void
teardown(void)
{
	for (int i = 0; i < CLIENTS; i++)
		watch_leave(w, &clients[i]);
	ck_assert_uint_eq(watch_total(w), 0);
	watch_destroy(w);
}

static void
hit(void *ctx, struct watcher *owner)
{
	int *counts = ctx;

	counts[owner - clients]++;
}

/* "02" when clients 0 and 2 are told, each once; a digit twice when told twice. */
static const char *
fire(const char *path, enum zk_event event)
{
	int counts[CLIENTS] = { 0 };
	size_t n = 0;

	watch_fire(w, slice_str(path), event, hit, counts);
	for (int i = 0; i < CLIENTS; i++)
		for (int k = 0; k < counts[i]; k++)
			told[n++] = (char)('0' + i);
	told[n] = '\0';
	return told;
}

static void
add(int client, const char *path, unsigned modes)
{
	watch_add(w, &clients[client], slice_str(path), modes);
}

START_TEST(test_one_shot)
{
	add(0, "/a", WATCH_DATA);
	add(0, "/a", WATCH_DATA);
	add(1, "/a", WATCH_CHILD);
	ck_assert_str_eq(fire("/b", ZK_EVENT_CREATED), "");
	ck_assert_str_eq(fire("/a", ZK_EVENT_CREATED), "0");
	ck_assert_str_eq(fire("/a", ZK_EVENT_DATA_CHANGED), "");
	ck_assert_str_eq(fire("/a", ZK_EVENT_CHILDREN_CHANGED), "1");
	ck_assert_str_eq(fire("/a", ZK_EVENT_CHILDREN_CHANGED), "");
	ck_assert_uint_eq(watch_total(w), 0);
}
END_TEST

START_TEST(test_delete_tells_once)
{
	add(0, "/a", WATCH_DATA | WATCH_CHILD);
	add(1, "/a", WATCH_CHILD);
	add(2, "/a", WATCH_PERSISTENT | WATCH_DATA);
	ck_assert_uint_eq(watch_total(w), 6);
	ck_assert_str_eq(fire("/a", ZK_EVENT_DELETED), "012");
	ck_assert_str_eq(fire("/a", ZK_EVENT_DELETED), "2");
}
END_TEST

START_TEST(test_data_does_not_use_up_child)
{
	add(0, "/a", WATCH_DATA | WATCH_CHILD);
	ck_assert_str_eq(fire("/a", ZK_EVENT_DATA_CHANGED), "0");
	ck_assert_uint_eq(watch_modes(w, &clients[0], slice_str("/a")), WATCH_CHILD);
	ck_assert_str_eq(fire("/a", ZK_EVENT_DATA_CHANGED), "");
	ck_assert_str_eq(fire("/a", ZK_EVENT_CHILDREN_CHANGED), "0");
}
END_TEST

START_TEST(test_recursive)
{
	add(0, "/", WATCH_RECURSIVE);
	add(1, "/a", WATCH_RECURSIVE);
	add(1, "/a/b", WATCH_DATA);
	add(2, "/a/bc", WATCH_RECURSIVE);
	ck_assert_str_eq(fire("/a/b", ZK_EVENT_DATA_CHANGED), "01");
	ck_assert_str_eq(fire("/a/b/c", ZK_EVENT_CREATED), "01");
	ck_assert_str_eq(fire("/a", ZK_EVENT_CHILDREN_CHANGED), "");
	ck_assert_str_eq(fire("/x", ZK_EVENT_DELETED), "0");
	ck_assert_str_eq(fire("/", ZK_EVENT_DATA_CHANGED), "0");
	ck_assert_uint_eq(watch_remove(w, &clients[0], slice_str("/"), WATCH_ALL_MODES), WATCH_RECURSIVE);
	ck_assert_str_eq(fire("/x", ZK_EVENT_DELETED), "");
}
END_TEST

START_TEST(test_leave)
{
	char path[32];

	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof path, "/n%d", i);
		add(0, path, WATCH_DATA);
		add(1, path, i % 2 ? WATCH_CHILD : WATCH_DATA);
	}
	ck_assert_uint_eq(watch_total(w), 6000);
	watch_leave(w, &clients[0]);
	ck_assert_uint_eq(watch_total(w), 3000);
	ck_assert_str_eq(fire("/n0", ZK_EVENT_DATA_CHANGED), "1");
	ck_assert_str_eq(fire("/n1", ZK_EVENT_DATA_CHANGED), "");
	watch_join(w, &clients[0]);
	ck_assert_uint_eq(clients[0].count, 0);
	add(0, "/n1", WATCH_DATA);
	ck_assert_str_eq(fire("/n1", ZK_EVENT_DELETED), "01");
}
END_TEST

START_TEST(test_memory_comes_back)
{
	uint64_t before = watch_bytes(w);
	char path[32];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 20000; i++) {
			snprintf(path, sizeof path, "/n%d", i);
			add(i % CLIENTS, path, WATCH_DATA);
		}
		ck_assert_uint_ge(watch_bytes(w), before + 20000 * 32);
		for (int i = 0; i < CLIENTS; i++) {
			watch_leave(w, &clients[i]);
			watch_join(w, &clients[i]);
		}
		/* The table of paths keeps its slots. */
		ck_assert_uint_le(watch_bytes(w), before + 65536 * sizeof(void *));
	}
}
END_TEST

START_TEST(test_summary)
{
	struct watch_summary s;

	add(0, "/a", WATCH_DATA);
	add(0, "/b", WATCH_PERSISTENT);
	add(1, "/a", WATCH_CHILD);
	add(2, "/a", WATCH_RECURSIVE);
	watch_summarize(w, &s);
	ck_assert_uint_eq(s.connections, 2);
	ck_assert_uint_eq(s.paths, 2);
	ck_assert_uint_eq(s.watches, 3);
	ck_assert_uint_eq(watch_total(w), 5);
}
END_TEST

/* ZooKeeper's own way: a table for data, one for children, a mode of each kind in each cell. */
enum { PATHS = 5, STEPS = 200000 };
static const char *const paths[PATHS] = { "/", "/a", "/a/b", "/a/b/c", "/d" };
static unsigned model[PATHS][CLIENTS];

static bool
model_hears(int path, int client, enum zk_event event)
{
	unsigned m = model[path][client];
	bool hears = false;

	if (event == ZK_EVENT_CHILDREN_CHANGED)
		return m & (WATCH_CHILD | WATCH_PERSISTENT);
	hears = m & (WATCH_DATA | WATCH_PERSISTENT | WATCH_RECURSIVE);
	if (event == ZK_EVENT_DELETED)
		hears = m != 0;
	for (int up = 0; up < path && path < 4; up++)
		hears |= (model[up][client] & WATCH_RECURSIVE) != 0;
	return hears || (path == 4 && model[0][client] & WATCH_RECURSIVE);
}

static void
check_fire(int path, enum zk_event event)
{
	static const unsigned used[] = {
		[ZK_EVENT_CREATED] = WATCH_DATA,
		[ZK_EVENT_DELETED] = WATCH_DATA | WATCH_CHILD,
		[ZK_EVENT_DATA_CHANGED] = WATCH_DATA,
		[ZK_EVENT_CHILDREN_CHANGED] = WATCH_CHILD,
	};
	char expected[CLIENTS + 1];
	size_t n = 0;

	for (int c = 0; c < CLIENTS; c++)
		if (model_hears(path, c, event))
			expected[n++] = (char)('0' + c);
	expected[n] = '\0';
	ck_assert_str_eq(fire(paths[path], event), expected);
	for (int c = 0; c < CLIENTS; c++)
		model[path][c] &= ~used[event];
}

/* A tour: every record once, those of a path, or of an owner, after each other. */
struct tour {
	bool by_path;
	struct slice path;
	const struct watcher *owner;
	int groups, data;
	bool seen[PATHS][CLIENTS];
	int budget;
};

static bool
tour_visit(void *ctx, const struct watcher *owner, struct slice path, unsigned modes)
{
	struct tour *t = ctx;
	int i = 0, client = (int)(owner - clients);

	while (!slice_equal(slice_str(paths[i]), path))
		i++;
	ck_assert_uint_eq(modes, model[i][client]);
	ck_assert(!t->seen[i][client]);
	t->seen[i][client] = true;
	t->groups += t->by_path ? path.data != t->path.data : owner != t->owner;
	t->data += modes != WATCH_CHILD;
	t->path = path;
	t->owner = owner;
	return --t->budget != 0;
}

static void
check_tours(void)
{
	struct tour by_path = { .by_path = true }, by_owner = { 0 }, one = { .budget = 1 };
	int npaths = 0, nowners = 0, path_rows = 0, owner_rows = 0;
	struct watch_summary s;

	for (int p = 0; p < PATHS; p++) {
		bool any = false, data = false;

		for (int c = 0; c < CLIENTS; c++) {
			any |= model[p][c] != 0;
			data |= (model[p][c] & ~(unsigned)WATCH_CHILD) != 0;
		}
		npaths += any;
		path_rows += data;
	}
	for (int c = 0; c < CLIENTS; c++) {
		bool any = false, data = false;

		for (int p = 0; p < PATHS; p++) {
			any |= model[p][c] != 0;
			data |= (model[p][c] & ~(unsigned)WATCH_CHILD) != 0;
		}
		nowners += any;
		owner_rows += data;
	}
	watch_each_by_path(w, tour_visit, &by_path);
	watch_each_by_owner(w, tour_visit, &by_owner);
	ck_assert_int_eq(by_path.groups, npaths);
	ck_assert_int_eq(by_owner.groups, nowners);
	watch_summarize(w, &s);
	ck_assert_uint_eq(s.paths, path_rows);
	ck_assert_uint_eq(s.connections, owner_rows);
	ck_assert_uint_eq(s.watches, by_path.data);
	ck_assert_int_eq(by_path.data, by_owner.data);
	watch_each_by_path(w, tour_visit, &one);
	ck_assert_int_eq(one.groups, npaths > 0);
}

START_TEST(test_against_model)
{
	uint32_t seed = 1;

	memset(model, 0, sizeof model);
	for (int i = 0; i < STEPS; i++) {
		seed = seed * 1664525 + 1013904223;
		int path = (int)(seed >> 8) % PATHS, client = (int)(seed >> 16) % CLIENTS;
		unsigned modes = 1 + (seed >> 20) % WATCH_ALL_MODES;

		switch ((seed >> 28) % 4) {
		case 0:
		case 1:
			add(client, paths[path], modes);
			model[path][client] |= modes;
			break;
		case 2:
			ck_assert_uint_eq(watch_remove(w, &clients[client], slice_str(paths[path]), modes),
					  model[path][client] & modes);
			model[path][client] &= ~modes;
			break;
		default:
			check_fire(path, (enum zk_event)(1 + (seed >> 24) % 4));
		}
		ck_assert_uint_eq(watch_modes(w, &clients[client], slice_str(paths[path])),
				  model[path][client]);
		if (i % 512 == 0)
			check_tours();
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("watch");
	TCase *t = tcase_create("watch");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_one_shot);
	tcase_add_test(t, test_delete_tells_once);
	tcase_add_test(t, test_data_does_not_use_up_child);
	tcase_add_test(t, test_recursive);
	tcase_add_test(t, test_leave);
	tcase_add_test(t, test_memory_comes_back);
	tcase_add_test(t, test_summary);
	tcase_add_test(t, test_against_model);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
