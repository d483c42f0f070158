/* zoo.cfg from files and descriptors, dataDir/myid, the folder of the sockets. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config_fixture.h"

static char folder[64];

static void
make_folder(void)
{
	setup();
	strcpy(folder, "/tmp/test_config.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void
remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
	teardown();
}

static void
write_file(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

static int
load(const char *name)
{
	char path[256];
	struct config_source s = { .file = path, .fd = -1 };

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return config_load(&s, &config, &report);
}

START_TEST(a_file_is_loaded)
{
	write_file("zoo.cfg", "dataDir=/d\nclientPort=3\n");
	ck_assert_int_eq(load("zoo.cfg"), 0);
	ck_assert_int_eq(config->client_port, 3);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error)
{
	char expected[256];

	ck_assert_int_lt(load("none.cfg"), 0);
	snprintf(expected, sizeof expected, "%s/none.cfg: cannot be read: No such file or directory", folder);
	assert_found(CONFIG_ERROR, expected);
	config_report_free(&report);
	ck_assert_int_lt(load("."), 0);
	snprintf(expected, sizeof expected, "%s/.: cannot be read: Is a directory", folder);
	assert_found(CONFIG_ERROR, expected);
}
END_TEST

START_TEST(a_descriptor_is_read_from_its_start_every_time)
{
	char path[256];
	struct config_source s = { .file = "named.cfg" };
	FILE *f;

	write_file("zoo.cfg", "dataDir=/d\nclientPort=3\ntickTme=3\n");
	snprintf(path, sizeof path, "%s/zoo.cfg", folder);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	s.fd = fileno(f);
	for (int i = 0; i < 2; i++) {
		config_report_free(&report);
		ck_assert_int_lt(config_load(&s, &config, &report), 0);
		assert_found(CONFIG_ERROR, "named.cfg:3: tickTme: unknown key; did you mean tickTime?");
	}
	fclose(f);
}
END_TEST

START_TEST(the_list_may_stand_in_a_file_of_its_own)
{
	char text[512], expected[512];

	write_file("myid", "2\n");
	snprintf(text, sizeof text,
		 "dataDir=%s\nclientPort=1\ninitLimit=5\nsyncLimit=2\ndynamicConfigFile=%s/list.dynamic.1f\n",
		 folder, folder);
	write_file("zoo.cfg", text);
	ck_assert_int_lt(load("zoo.cfg"), 0);
	snprintf(
	    expected, sizeof expected,
	    "%s/zoo.cfg: dynamicConfigFile: %s/list.dynamic.1f cannot be read: No such file or directory",
	    folder, folder);
	assert_found(CONFIG_ERROR, expected);
	config_report_free(&report);

	write_file("list.dynamic.1f", "server.1=a:1:2\nserver.2=b:1:2;2182\nserver.3=c:1:2:observer\n");
	ck_assert_int_lt(load("zoo.cfg"), 0); /* clientPort is 1 here and 2182 there */
	config_report_free(&report);
	write_file("list.dynamic.1f", "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2:observer\n");
	ck_assert_int_eq(load("zoo.cfg"), 0);
	ck_assert_uint_eq(config->nservers, 3);
	ck_assert_uint_eq(config->servers_version, 0x1f);
	ck_assert_ptr_null(config->dynamic_config_file);
	config_free(config);
	config = NULL;

	write_file("list.dynamic.1f", "server.1=a:1:2\nserver.2=b:1:2\nversion=1f\ntickTime=2000\n");
	ck_assert_int_lt(load("zoo.cfg"), 0);
	snprintf(expected, sizeof expected,
		 "%s/list.dynamic.1f:3: version: may not stand in a dynamic configuration file; its name has "
		 "the version",
		 folder);
	assert_found(CONFIG_ERROR, expected);
	snprintf(expected, sizeof expected,
		 "%s/list.dynamic.1f:4: tickTime: may not stand in a dynamic configuration file; allowed: "
		 "server.N, "
		 "group.N, weight.N",
		 folder);
	assert_found(CONFIG_ERROR, expected);
	config_report_free(&report);

	write_file("list.dynamic.1f", "server.1=a:1:2\nserver.2=b:1:2\n");
	snprintf(text + strlen(text), sizeof text - strlen(text), "server.3=c:1:2\n");
	write_file("zoo.cfg", text);
	ck_assert_int_lt(load("zoo.cfg"), 0);
	snprintf(
	    expected, sizeof expected,
	    "%s/zoo.cfg:6: server.3: may not stand beside dynamicConfigFile; allowed: in %s/list.dynamic.1f",
	    folder, folder);
	assert_found(CONFIG_ERROR, expected);
}
END_TEST

START_TEST(no_file_is_the_embedded_default)
{
	struct config_source s = { .file = NULL, .fd = -1 };

	ck_assert_int_eq(config_load(&s, &config, &report), 0);
	ck_assert_int_eq(config->client_port, 2181);
}
END_TEST

START_TEST(an_ensemble_needs_to_know_who_it_is)
{
	char expected[512], text[512];

	snprintf(text, sizeof text, ENSEMBLE "dataDir=%s\n", folder);
	write_file("zoo.cfg", text);
	ck_assert_int_lt(load("zoo.cfg"), 0);
	snprintf(
	    expected, sizeof expected,
	    "%s/myid: No such file or directory; an ensemble needs the server's number there, or -D myid=N",
	    folder);
	assert_found(CONFIG_ERROR, expected);
	config_report_free(&report);
	write_file("myid", "2\n");
	ck_assert_int_eq(load("zoo.cfg"), 0);
	ck_assert_int_eq(config->myid, 2);
	ck_assert(config_is_ensemble(config));
}
END_TEST

START_TEST(a_lone_server_takes_its_client_port_by_myid)
{
	char text[512];

	snprintf(text, sizeof text, "dataDir=%s\nserver.4=a:1:2;127.0.0.1:77\n", folder);
	write_file("zoo.cfg", text);
	ck_assert_int_eq(load("zoo.cfg"), 0);
	ck_assert_int_eq(config->client_port, -1);
	config_free(config);
	write_file("myid", "4");
	ck_assert_int_eq(load("zoo.cfg"), 0);
	ck_assert_int_eq(config->client_port, 77);
	ck_assert_str_eq(config->client_port_address, "127.0.0.1");
}
END_TEST

START_TEST(the_runtime_folder_is_made_where_it_is_named)
{
	char text[256], *path, *paths[2];
	struct stat st;

	snprintf(text, sizeof text, "dataDir=%s/data\nruntimeDir=%s/a/b\n", folder, folder);
	must_parse(text);
	ck_assert_int_eq(config_runtime_dir(config, &path), 0);
	ck_assert_str_eq(path, config->runtime_dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISDIR(st.st_mode));
	mem_free(path);
	ck_assert_uint_eq(config_runtime_candidates(config, paths), 1);
	ck_assert_str_eq(paths[0], config->runtime_dir);
	mem_free(paths[0]);
	write_file("file", "");
	snprintf(text, sizeof text, "dataDir=%s/data\nruntimeDir=%s/file/b\n", folder, folder);
	must_parse(text);
	ck_assert_int_lt(config_runtime_dir(config, &path), 0);
	mem_free(path);
}
END_TEST

/* As somebody who may not write /run. */
static void
become(uid_t uid)
{
	if (getuid() != 0)
		return;
	ck_assert_int_eq(seteuid(uid), 0);
	/* A change of user takes away what a leak checker needs. */
	prctl(PR_SET_DUMPABLE, 1);
}

static void
fall_back(void)
{
	char text[256], expected[256], *path;
	struct stat st;

	snprintf(text, sizeof text, "dataDir=%s/not/yet\n", folder);
	snprintf(expected, sizeof expected, "%s/not/yet/run", folder);
	must_parse(text);
	ck_assert_int_eq(config_runtime_dir(config, &path), 0);
	ck_assert_str_eq(path, expected);
	ck_assert_int_eq(stat(path, &st), 0);
	mem_free(path);
	snprintf(text, sizeof text, "dataDir=%s/other\ndatadir.autocreate=false\n", folder);
	snprintf(expected, sizeof expected, "%s/other", folder);
	must_parse(text);
	ck_assert_int_eq(config_runtime_dir(config, &path), -ENOENT);
	mem_free(path);
	ck_assert_int_lt(stat(expected, &st), 0);
}

START_TEST(the_runtime_folder_falls_back_to_the_data_folder)
{
	ck_assert_int_eq(chmod(folder, 0777), 0);
	become(65534);
	/* Where anybody may write /run there is nothing to fall back from. */
	if (euidaccess("/run/zkd", W_OK) != 0 && euidaccess("/run", W_OK) != 0)
		fall_back();
	become(0);
}
END_TEST

START_TEST(a_running_node_is_looked_for_in_its_data_folder_first)
{
	char *paths[2];

	must_parse("dataDir=/d\n");
	ck_assert_uint_eq(config_runtime_candidates(config, paths), 2);
	ck_assert_str_eq(paths[0], "/d/run");
	ck_assert_str_eq(paths[1], "/run/zkd");
	mem_free(paths[0]);
	mem_free(paths[1]);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("config load");
	TCase *t = tcase_create("config load");

	tcase_add_checked_fixture(t, make_folder, remove_folder);
	tcase_add_test(t, a_file_is_loaded);
	tcase_add_test(t, a_file_that_cannot_be_read_is_an_error);
	tcase_add_test(t, a_descriptor_is_read_from_its_start_every_time);
	tcase_add_test(t, no_file_is_the_embedded_default);
	tcase_add_test(t, the_list_may_stand_in_a_file_of_its_own);
	tcase_add_test(t, an_ensemble_needs_to_know_who_it_is);
	tcase_add_test(t, a_lone_server_takes_its_client_port_by_myid);
	tcase_add_test(t, the_runtime_folder_is_made_where_it_is_named);
	tcase_add_test(t, the_runtime_folder_falls_back_to_the_data_folder);
	tcase_add_test(t, a_running_node_is_looked_for_in_its_data_folder_first);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
