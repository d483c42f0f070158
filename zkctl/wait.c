/* zkctl wait ready: comes back when the node serves. */
#include <string.h>
#include <time.h>

#include "health.h"
#include "json.h"

enum { WAIT_MS = 30000, PAUSE_NS = 20000000, LEAST_MS = 100 /* a question in flight is not cut short */ };

/* The folder may not be there yet either. */
static bool
look(const struct places *p, int64_t end, struct health *h)
{
	struct node n;
	struct node_status s;
	int64_t left = end - clock_ms();

	if (node_open_at(p, &n) < 0)
		return false;
	if (node_check(p, &n, true) != ZKCTL_OK) {
		node_close(&n);
		return false;
	}
	node_ask_all(&n, &s, left > ASK_LIMIT_MS ? ASK_LIMIT_MS : left < LEAST_MS ? LEAST_MS : left);
	health_judge(&s, h);
	node_close(&n);
	return h->serves;
}

static int
give_up(const struct places *p, const struct health *h, int64_t timeout_ms)
{
	char limit[32];

	format_duration((uint64_t)timeout_ms, limit, sizeof limit);
	if (h->answered == 0)
		return complain(ZKCTL_NO_ANSWER, "no node answered in %s within %s; is zkd started?",
				p->paths[0], limit);
	complain(0, "not ready after %s:", limit);
	for (size_t i = 0; i < h->nproblems; i++)
		complain(0, "%s", h->problems[i]);
	return ZKCTL_UNWELL;
}

static int
wait_ready(const struct places *p, int64_t timeout_ms)
{
	struct health h = { 0 };
	int64_t end = clock_ms() + timeout_ms;

	while (!look(p, end, &h)) {
		if (clock_ms() >= end)
			return give_up(p, &h, timeout_ms);
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
	}
	return ZKCTL_OK;
}

int
command_wait(const struct options *o, int argc, char **argv)
{
	static const char *const events[] = { "ready", NULL };
	struct places p;
	int status;

	if (argc != 1 || strcmp(argv[0], "ready") != 0)
		return complain(ZKCTL_USAGE, "wait for what%s; allowed: zkctl wait ready [--timeout SECONDS]",
				argc < 1 ? "?" : suggestion(argv[0], events));
	status = places_find(o, &p);
	if (status != ZKCTL_OK)
		return status;
	status = wait_ready(&p, o->timeout_ms < 0 ? WAIT_MS : o->timeout_ms);
	places_free(&p);
	if (o->json)
		json_print(json_pack("{s:b}", "ready", status == ZKCTL_OK));
	return status;
}
