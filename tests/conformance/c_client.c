/*
 * A program on ZooKeeper's C client: connects, writes, reads, watches, runs a multi, keeps many requests in flight.
 * Prints one line for each check; exits 0 when all hold. usage: c_client HOST:PORT
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zookeeper/zookeeper.h>

enum { SESSION_MS = 10000, WAIT_MS = 60000, PIPELINE = 1000 };

static int failed;
static volatile int connected, watch_type, done, bad;

static void
check(bool holds, const char *what)
{
	printf("%s %s\n", holds ? "ok" : "FAIL", what);
	failed += !holds;
}

static bool
wait_for(volatile int *v, int value)
{
	for (int ms = 0; ms < WAIT_MS && *v != value; ms++)
		usleep(1000);
	return *v == value;
}

static void
on_session(zhandle_t *zh, int type, int state, const char *path, void *ctx)
{
	(void)zh;
	(void)path;
	(void)ctx;
	if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE)
		connected = 1;
}

static void
on_watch(zhandle_t *zh, int type, int state, const char *path, void *ctx)
{
	(void)zh;
	(void)state;
	(void)path;
	(void)ctx;
	watch_type = type;
}

static void
on_created(int rc, const char *value, const void *data)
{
	(void)value;
	(void)data;
	if (rc != ZOK)
		bad++;
	done++;
}

static void
check_nodes(zhandle_t *zh)
{
	struct String_vector names;
	struct Stat stat;
	char path[64], data[64];
	int len = sizeof data;

	check(zoo_create(zh, "/c", "one", 3, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path) == ZOK, "create");
	check(strcmp(path, "/c") == 0, "path of create");
	check(zoo_create(zh, "/c", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0) == ZNODEEXISTS, "create again");
	check(zoo_wget(zh, "/c", on_watch, NULL, data, &len, &stat) == ZOK && len == 3, "get");
	check(memcmp(data, "one", 3) == 0 && stat.version == 0, "data");
	check(zoo_set2(zh, "/c", "two!", 4, 0, &stat) == ZOK && stat.version == 1, "set");
	check(wait_for(&watch_type, ZOO_CHANGED_EVENT), "watch");
	check(zoo_set(zh, "/c", "x", 1, 0) == ZBADVERSION, "set with an old version");
	check(zoo_create(zh, "/c/s-", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE | ZOO_EPHEMERAL, path,
			 sizeof path) == ZOK,
	      "create ephemeral sequential");
	check(strcmp(path, "/c/s-0000000000") == 0, "sequence number");
	check(zoo_get_children2(zh, "/c", 0, &names, &stat) == ZOK && names.count == 1, "children");
	deallocate_String_vector(&names);
	check(zoo_exists(zh, "/none", 0, &stat) == ZNONODE, "exists of nothing");
	check(zoo_delete(zh, "/c", -1) == ZNOTEMPTY, "delete with a child");
	len = sizeof data;
	check(zoo_get(zh, path, 0, data, &len, NULL) == ZOK && len == -1, "null data");
}

static void
check_multi(zhandle_t *zh)
{
	zoo_op_t ops[3];
	zoo_op_result_t results[3];
	struct Stat stat;

	zoo_create_op_init(&ops[0], "/c/m", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
	zoo_set_op_init(&ops[1], "/c/m", "2", 1, 0, &stat);
	zoo_delete_op_init(&ops[2], "/c/m", 1);
	check(zoo_multi(zh, 3, ops, results) == ZOK, "multi");
	zoo_delete_op_init(&ops[2], "/c/none", -1);
	check(zoo_multi(zh, 3, ops, results) == ZNONODE, "multi that fails");
	check(results[0].err == ZOK && results[2].err == ZNONODE, "its results");
	check(zoo_exists(zh, "/c/m", 0, &stat) == ZNONODE, "nothing of it is left");
}

static void
check_pipeline(zhandle_t *zh)
{
	for (int i = 0; i < PIPELINE; i++)
		if (zoo_acreate(zh, "/c/p-", "x", 1, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE | ZOO_EPHEMERAL,
				on_created, NULL) != ZOK)
			bad++;
	check(wait_for(&done, PIPELINE) && bad == 0, "a thousand creates in flight");
}

/* The two handles of one session cut each other off; one of the calls gets through. */
static int
exists_at_last(zhandle_t *zh, const char *path, struct Stat *stat)
{
	int rc = ZCONNECTIONLOSS;

	for (int i = 0; i < 100 && rc == ZCONNECTIONLOSS; i++)
		rc = zoo_exists(zh, path, 0, stat);
	return rc;
}

static void
check_session(zhandle_t *zh, const char *host)
{
	const clientid_t *mine = zoo_client_id(zh);
	clientid_t id = *mine;
	struct Stat stat;

	/* a second handle with the same session takes it over; the first notices and comes back */
	connected = 0;
	zhandle_t *again = zookeeper_init(host, on_session, SESSION_MS, &id, NULL, 0);
	check(again != NULL && wait_for(&connected, 1), "session taken over");
	check(zoo_client_id(again)->client_id == id.client_id, "same session");
	check(exists_at_last(again, "/c/s-0000000000", &stat) == ZOK && stat.ephemeralOwner == id.client_id,
	      "its ephemeral lives");
	zookeeper_close(again);
}

int
main(int argc, char **argv)
{
	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	if (argc != 2)
		return 2;
	zhandle_t *zh = zookeeper_init(argv[1], on_session, SESSION_MS, NULL, NULL, 0);
	check(zh != NULL && wait_for(&connected, 1), "connected");
	if (failed > 0)
		return 1;
	check_nodes(zh);
	check_multi(zh);
	check_pipeline(zh);
	check_session(zh, argv[1]);
	zookeeper_close(zh);
	printf("%d failed\n", failed);
	return failed == 0 ? 0 : 1;
}
