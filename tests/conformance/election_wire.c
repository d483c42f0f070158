/*
 * The codec of the election port as a filter, for test_election_wire.py.
 *
 *	election_wire initial		bytes of one initial message on stdin; prints it, then what we would write, in hex
 *	election_wire notifications	bytes of notifications on stdin; prints each, then what we would write, in hex
 *	election_wire put-initial FORM SID HOST PORT [HOST PORT...]		writes the bytes to stdout
 *	election_wire put STATE LEADER ZXID ROUND EPOCH CONFIG			likewise
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "electiond/initial.h"
#include "electiond/notification.h"

static struct buf in, out;

static void
read_all(void)
{
	uint8_t chunk[4096];
	size_t got;

	while ((got = fread(chunk, 1, sizeof chunk, stdin)) > 0)
		buf_put(&in, chunk, got);
}

static void
print_hex(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		printf("%02x", s.data[i]);
	printf("\n");
}

static int
show_initial(void)
{
	struct initial m;
	int64_t n = initial_parse(buf_slice(&in), &m);

	if (n != (int64_t)buf_len(&in) || initial_put(&out, &m) != 0)
		return 1;
	printf("%d %lld", m.form, (long long)m.sid);
	for (size_t i = 0; i < m.naddresses; i++)
		printf(" %.*s:%u", (int)m.addresses[i].host.len, (const char *)m.addresses[i].host.data,
		       m.addresses[i].port);
	printf("\n");
	print_hex(buf_slice(&out));
	return 0;
}

static int
show_notifications(void)
{
	struct notification m;
	struct slice body;

	while (buf_len(&in) > 0) {
		int64_t n = notification_frame(buf_slice(&in), &body);
		uint64_t version = 0;

		if (n <= 0 || notification_parse(body, &m) != 0 ||
		    notification_config_version(m.config, &version) != 0)
			return 1;
		buf_reset(&out, 1 << 20);
		notification_put(&out, &m);
		printf("%d %lld %lld %lld %lld %d %llu\n", m.vote.state, (long long)m.vote.leader,
		       (long long)m.vote.zxid, (long long)m.vote.round, (long long)m.vote.epoch,
		       m.vote.version, (unsigned long long)version);
		print_hex(buf_slice(&out));
		buf_consume(&in, (size_t)n);
	}
	return 0;
}

static int
put_initial(int argc, char **argv)
{
	struct initial m = { .form = (enum initial_form)atoi(argv[0]), .sid = atoll(argv[1]) };

	for (int i = 2; i + 1 < argc; i += 2)
		m.addresses[m.naddresses++] =
		    (struct initial_address){ slice_str(argv[i]), (uint16_t)atoi(argv[i + 1]) };
	return initial_put(&out, &m) == 0 ? 0 : 1;
}

static int
put_notification(char **argv)
{
	struct notification m = { .vote = { .state = (enum vote_state)atoi(argv[0]),
					    .leader = atoll(argv[1]),
					    .zxid = atoll(argv[2]),
					    .round = atoll(argv[3]),
					    .epoch = atoll(argv[4]) },
				  .config = slice_str(argv[5]) };

	notification_put(&out, &m);
	return 0;
}

int
main(int argc, char **argv)
{
	int failed = 2;

	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 20);
	if (argc == 2)
		read_all();
	if (argc == 2 && strcmp(argv[1], "initial") == 0)
		failed = show_initial();
	else if (argc == 2 && strcmp(argv[1], "notifications") == 0)
		failed = show_notifications();
	else if (argc > 5 && strcmp(argv[1], "put-initial") == 0 &&
		 (failed = put_initial(argc - 2, argv + 2)) == 0)
		fwrite(buf_head(&out), 1, buf_len(&out), stdout);
	else if (argc == 8 && strcmp(argv[1], "put") == 0 && (failed = put_notification(argv + 2)) == 0)
		fwrite(buf_head(&out), 1, buf_len(&out), stdout);
	return failed;
}
