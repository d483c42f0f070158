/*
 * The supervision core, rule by rule. Each test is a trace: what happened when, and the orders that came of
 * it, written as text ("start clientd; ...").
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/watch.h"

static const enum watch_daemon E = WATCH_ELECTIOND, L = WATCH_LOGD, C = WATCH_CLIENTD, S = WATCH_SYNCD;
enum { WATCHDOG = 2000, T0 = 1000000 };

static struct watch w;
static int64_t now;
static char text[2048];

static const char *const names[WATCH_DAEMONS] = { "electiond", "logd", "clientd", "syncd", "admind" };

static void
print_action(const struct watch_action *a, char *out, size_t size)
{
	const char *d = names[a->daemon];

	switch (a->type) {
	case WATCH_START:
		snprintf(out, size, "start %s", d);
		break;
	case WATCH_SIGNAL:
		snprintf(out, size, "SIG%s %s", sigabbrev_np(a->value), d);
		break;
	case WATCH_OBITUARY:
		snprintf(out, size, "obituary %s %d up %d restarts %u wait %d", d, a->value,
			 (int)a->uptime_ms, a->restarts, (int)a->wait_ms);
		break;
	case WATCH_STOPPED:
		snprintf(out, size, "stopped %s", d);
		break;
	case WATCH_SILENT:
		snprintf(out, size, "silent %s", d);
		break;
	case WATCH_SHED_ON:
		snprintf(out, size, "shed %s", d);
		break;
	case WATCH_SHED_OFF:
		snprintf(out, size, "unshed %s", d);
		break;
	case WATCH_GAP:
		snprintf(out, size, "gap %d", (int)a->wait_ms);
		break;
	case WATCH_MISMATCH:
		snprintf(out, size, "mismatch %s", d);
		break;
	case WATCH_ALL_DOWN:
		snprintf(out, size, "all down");
		break;
	case WATCH_GIVE_UP:
		snprintf(out, size, "give up %s %d", d, a->value);
		break;
	case WATCH_LEAVE:
		snprintf(out, size, "leave %d", a->value);
		break;
	}
}

static const char *
step(enum watch_event_type type, enum watch_daemon daemon, int status)
{
	struct watch_event ev = { .type = type, .daemon = daemon, .status = status };
	struct watch_actions out;
	size_t n = 0;

	watch_step(&w, &ev, now, &out);
	text[0] = '\0';
	for (unsigned i = 0; i < out.n; i++) {
		char one[128];

		print_action(&out.a[i], one, sizeof one);
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i > 0 ? "; " : "", one);
	}
	return text;
}

#define expect(call, wanted) ck_assert_str_eq(call, wanted)

/* Every 100 ms somebody of the healthy ones is heard, as in life; the one named mute is not. */
static void
pass(int64_t ms, int mute)
{
	for (int64_t end = now + ms; now < end;) {
		now += now + 100 < end ? 100 : end - now;
		for (int d = 0; d < WATCH_NODE_DAEMONS; d++)
			if (d != mute)
				step(WATCH_EV_ALIVE, d, 0);
	}
}

static const char *
tick(void)
{
	return step(WATCH_EV_TICK, 0, 0);
}

static int
by_signal(int signo)
{
	return signo;
}

static int
by_exit(int status)
{
	return status << 8;
}

static void
start_all(void)
{
	now = T0;
	watch_init(&w, WATCHDOG, now);
	expect(step(WATCH_EV_BEGIN, 0, 0), "start electiond; start logd; start clientd; start syncd");
	now += 50;
	for (int d = 0; d < WATCH_NODE_DAEMONS; d++)
		expect(step(WATCH_EV_READY, d, 0), "");
	ck_assert(watch_all_ready(&w));
}

static void
start_healthy(void)
{
	start_all();
	pass(WATCH_HEALTHY_MS, -1);
	expect(tick(), "");
}

START_TEST(each_death_restarts_that_daemon_at_once)
{
	static const int statuses[] = { 0, 1 << 8, SIGKILL, SIGSEGV, SIGABRT };

	for (int d = 0; d < WATCH_NODE_DAEMONS; d++) {
		for (unsigned i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
			char wanted[200];

			start_healthy();
			snprintf(wanted, sizeof wanted, "obituary %s %d up %d restarts 0 wait 0; start %s",
				 names[d], statuses[i], WATCH_HEALTHY_MS + 50, names[d]);
			expect(step(WATCH_EV_EXITED, d, statuses[i]), wanted);
			ck_assert_uint_eq(watch_restarts(&w, d), 1);
		}
	}
}
END_TEST

START_TEST(early_deaths_back_off_and_health_forgets_them)
{
	static const int waits[] = { 0, 100, 200, 400, 800, 1600, 2000, 2000, 2000, 2000 };

	start_all();
	for (unsigned i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		char wanted[200];
		const char *got;

		got = step(WATCH_EV_EXITED, C, by_exit(1));
		snprintf(wanted, sizeof wanted, "obituary clientd 256 up %d restarts %u wait %d",
			 i == 0 ? 50 : 0, i, waits[i]);
		ck_assert_msg(strncmp(got, wanted, strlen(wanted)) == 0, "%s, not %s", got, wanted);
		if (waits[i] == 0)
			continue;
		pass(waits[i] - 1, C);
		ck_assert_ptr_null(strstr(tick(), "start"));
		now += 1;
		ck_assert_ptr_nonnull(strstr(tick(), "start clientd"));
	}
	step(WATCH_EV_READY, C, 0);
	pass(WATCH_HEALTHY_MS, -1);
	expect(step(WATCH_EV_EXITED, C, by_signal(SIGKILL)),
	       "obituary clientd 9 up 10000 restarts 10 wait 0; start clientd");
	expect(step(WATCH_EV_EXITED, C, by_exit(1)),
	       "obituary clientd 256 up 0 restarts 11 wait 0; start clientd");
	expect(step(WATCH_EV_EXITED, C, by_exit(1)), "obituary clientd 256 up 0 restarts 12 wait 100");
}
END_TEST

START_TEST(a_death_in_service_is_not_early)
{
	start_all();
	for (int i = 0; i < 20; i++) {
		pass(WATCH_EARLY_MS, -1);
		ck_assert_ptr_nonnull(strstr(step(WATCH_EV_EXITED, L, SIGKILL), "wait 0; start logd"));
		step(WATCH_EV_READY, L, 0);
	}
}
END_TEST

START_TEST(a_death_while_loading_is_early_however_late)
{
	start_all();
	step(WATCH_EV_EXITED, C, SIGKILL);
	pass(30000, -1);
	ck_assert_ptr_nonnull(strstr(step(WATCH_EV_EXITED, C, SIGKILL), "up 30000 restarts 1 wait 100"));
}
END_TEST

START_TEST(no_process_to_be_had_is_tried_again_later)
{
	start_healthy();
	step(WATCH_EV_EXITED, S, SIGKILL);
	expect(step(WATCH_EV_NOT_STARTED, S, 0), "");
	ck_assert(!watch_running(&w, S));
	now += 99;
	expect(tick(), "");
	now += 1;
	expect(tick(), "start syncd");
	expect(step(WATCH_EV_NOT_STARTED, S, 0), "");
	now += 199;
	expect(tick(), "");
	now += 1;
	expect(tick(), "start syncd");
}
END_TEST

START_TEST(silence_is_aborted_then_killed)
{
	for (int d = 0; d < WATCH_NODE_DAEMONS; d++) {
		char wanted[100];

		start_healthy();
		pass(WATCHDOG - 1, d);
		expect(tick(), "");
		now += 1;
		snprintf(wanted, sizeof wanted, "silent %s; SIGABRT %s", names[d], names[d]);
		expect(tick(), wanted);
		ck_assert_int_eq(watch_deadline(&w), now + WATCH_ABORT_MS);
		/* What it says now comes too late. */
		expect(step(WATCH_EV_ALIVE, d, 0), "");
		expect(step(WATCH_EV_READY, d, 0), "");
		pass(WATCH_ABORT_MS - 1, d);
		expect(tick(), "");
		now += 1;
		snprintf(wanted, sizeof wanted, "SIGKILL %s", names[d]);
		expect(tick(), wanted);
		now += 1;
		expect(tick(), "");
		ck_assert_ptr_nonnull(strstr(step(WATCH_EV_EXITED, d, SIGKILL), "wait 0; start"));
	}
}
END_TEST

START_TEST(abort_alone_may_be_enough)
{
	start_healthy();
	pass(WATCHDOG, S);
	expect(tick(), "silent syncd; SIGABRT syncd");
	now += 20;
	ck_assert_ptr_nonnull(strstr(step(WATCH_EV_EXITED, S, SIGABRT), "start syncd"));
	pass(WATCH_ABORT_MS, S);
	expect(tick(), "");
}
END_TEST

START_TEST(the_first_sign_may_take_longer)
{
	start_healthy();
	step(WATCH_EV_EXITED, E, SIGKILL);
	pass(WATCH_FIRST_SIGN_MS - 1, E);
	ck_assert_ptr_null(strstr(tick(), "silent"));
	now += 1;
	expect(tick(), "silent electiond; SIGABRT electiond");

	/* Once heard, also before READY, the ordinary period holds. */
	start_healthy();
	step(WATCH_EV_EXITED, E, SIGKILL);
	step(WATCH_EV_ALIVE, E, 0);
	pass(WATCHDOG, E);
	ck_assert_ptr_nonnull(strstr(tick(), "silent electiond; SIGABRT electiond"));
}
END_TEST

START_TEST(fast_failure_detection)
{
	now = T0;
	watch_init(&w, 500, now);
	step(WATCH_EV_BEGIN, 0, 0);
	for (int d = 0; d < WATCH_NODE_DAEMONS; d++)
		step(WATCH_EV_READY, d, 0);
	pass(499, L);
	expect(tick(), "");
	now += 1;
	expect(tick(), "silent logd; SIGABRT logd");
}
END_TEST

START_TEST(after_its_own_gap_it_kills_nobody)
{
	start_healthy();
	now += 5000;
	/* One sign survived in the socket; the three others are as innocent. */
	expect(step(WATCH_EV_ALIVE, L, 0), "gap 5000");
	expect(tick(), "");
	pass(WATCHDOG - 1, C);
	expect(tick(), "");
	now += 1;
	expect(tick(), "silent clientd; SIGABRT clientd");
}
END_TEST

START_TEST(a_gap_short_of_the_deadline_counts_too)
{
	start_healthy();
	now += WATCHDOG / 2 + 1;
	expect(tick(), "gap 1001");
	now += WATCHDOG / 2;
	expect(tick(), "");
	ck_assert_int_le(watch_deadline(&w) - now, WATCHDOG / 4);
}
END_TEST

START_TEST(a_gap_takes_no_time_from_a_starting_daemon)
{
	now = T0;
	watch_init(&w, WATCHDOG, now);
	step(WATCH_EV_BEGIN, 0, 0);
	now += WATCHDOG;
	expect(tick(), "gap 2000; shed electiond; shed logd; shed clientd; shed syncd");
	for (now += 500; now < T0 + WATCH_FIRST_SIGN_MS; now += 500)
		expect(tick(), "");
	now = T0 + WATCH_FIRST_SIGN_MS;
	ck_assert_ptr_nonnull(strstr(tick(), "silent electiond"));
}
END_TEST

START_TEST(listeners_are_shed_while_their_daemon_is_away)
{
	start_healthy();
	step(WATCH_EV_EXITED, C, SIGKILL);
	pass(WATCH_SHED_MS - 1, -1);
	expect(tick(), "");
	now += 1;
	expect(tick(), "shed clientd");
	now += 1;
	expect(tick(), "");
	expect(step(WATCH_EV_READY, C, 0), "unshed clientd");
	expect(step(WATCH_EV_READY, C, 0), "");

	/* Back within the second: nobody is turned away. */
	pass(WATCH_HEALTHY_MS, -1);
	step(WATCH_EV_EXITED, C, SIGKILL);
	pass(500, -1);
	expect(step(WATCH_EV_READY, C, 0), "");
	pass(WATCH_SHED_MS, -1);
	expect(tick(), "");
}
END_TEST

START_TEST(shedding_outlives_further_deaths)
{
	start_healthy();
	step(WATCH_EV_EXITED, C, SIGKILL);
	pass(WATCH_SHED_MS, -1);
	expect(tick(), "shed clientd");
	step(WATCH_EV_EXITED, C, SIGKILL);
	pass(WATCH_SHED_MS + 100, -1);
	ck_assert_ptr_null(strstr(tick(), "shed"));
	expect(step(WATCH_EV_READY, C, 0), "unshed clientd");
}
END_TEST

START_TEST(a_mismatch_restarts_all_in_order)
{
	start_healthy();
	expect(step(WATCH_EV_EXITED, S, by_exit(79)),
	       "obituary syncd 20224 up 10050 restarts 0 wait 0; mismatch syncd; SIGTERM clientd");
	expect(step(WATCH_EV_EXITED, L, by_exit(79)), "stopped logd");
	expect(step(WATCH_EV_EXITED, C, 0), "stopped clientd; SIGTERM electiond");
	expect(step(WATCH_EV_EXITED, E, 0),
	       "stopped electiond; all down; start electiond; start logd; start clientd; start syncd");

	/* Again at once: not a spin. */
	now += 50;
	for (int d = 0; d < WATCH_NODE_DAEMONS; d++)
		step(WATCH_EV_READY, d, 0);
	pass(2000, -1);
	expect(step(WATCH_EV_EXITED, S, by_exit(79)),
	       "obituary syncd 20224 up 2050 restarts 1 wait 100; mismatch syncd; SIGTERM clientd");
	step(WATCH_EV_EXITED, C, 0);
	step(WATCH_EV_EXITED, L, 0);
	expect(step(WATCH_EV_EXITED, E, 0), "stopped electiond; all down");
	now += 100;
	expect(tick(), "start electiond; start logd; start clientd; start syncd");
}
END_TEST

START_TEST(a_bad_configuration_ends_the_suite)
{
	start_all();
	expect(step(WATCH_EV_EXITED, L, by_exit(2)),
	       "obituary logd 512 up 50 restarts 0 wait 0; give up logd 2; SIGTERM clientd");
	expect(step(WATCH_EV_EXITED, C, 0), "stopped clientd; SIGTERM syncd");
	expect(step(WATCH_EV_EXITED, S, 0), "stopped syncd; SIGTERM electiond");
	expect(step(WATCH_EV_EXITED, E, 0), "stopped electiond; leave 2");
}
END_TEST

START_TEST(a_refused_data_folder_ends_the_suite_only_at_first)
{
	now = T0;
	watch_init(&w, WATCHDOG, now);
	step(WATCH_EV_BEGIN, 0, 0);
	ck_assert_ptr_nonnull(
	    strstr(step(WATCH_EV_EXITED, L, by_exit(3)), "give up logd 3; SIGTERM clientd"));

	/* Refused while clientd loads for the first time. */
	watch_init(&w, WATCHDOG, now);
	step(WATCH_EV_BEGIN, 0, 0);
	step(WATCH_EV_READY, L, 0);
	ck_assert_ptr_nonnull(
	    strstr(step(WATCH_EV_EXITED, L, by_exit(3)), "give up logd 3; SIGTERM clientd"));

	start_healthy();
	ck_assert_ptr_nonnull(strstr(step(WATCH_EV_EXITED, L, by_exit(3)), "wait 0; start logd"));
}
END_TEST

START_TEST(the_end_comes_in_order)
{
	start_healthy();
	expect(step(WATCH_EV_END, 0, 0), "SIGTERM clientd");
	expect(step(WATCH_EV_EXITED, C, 0), "stopped clientd; SIGTERM syncd");
	expect(step(WATCH_EV_EXITED, S, 0), "stopped syncd; SIGTERM logd");
	expect(step(WATCH_EV_END, 0, 0), "");
	expect(step(WATCH_EV_EXITED, L, 0), "stopped logd; SIGTERM electiond");
	expect(step(WATCH_EV_EXITED, E, 0), "stopped electiond; leave 0");
}
END_TEST

START_TEST(the_end_takes_less_than_five_seconds)
{
	start_healthy();
	expect(step(WATCH_EV_END, 0, 0), "SIGTERM clientd");
	pass(1500, C);
	expect(tick(), "SIGKILL clientd");
	expect(step(WATCH_EV_EXITED, C, SIGKILL), "stopped clientd; SIGTERM syncd");
	pass(1000, -1);
	expect(tick(), "SIGKILL syncd");
	expect(step(WATCH_EV_EXITED, S, SIGKILL), "stopped syncd; SIGTERM logd");
	pass(1000, -1);
	expect(tick(), "");
	pass(500, -1);
	expect(tick(), "SIGKILL logd");
	/* It is inside the disk and does not even die. */
	pass(799, -1);
	expect(tick(), "");
	now += 1;
	expect(tick(), "leave 0");
	ck_assert_int_lt(WATCH_END_MS, 5000);
}
END_TEST

START_TEST(the_end_needs_no_daemon)
{
	start_healthy();
	for (int i = 0; i < 3; i++)
		step(WATCH_EV_EXITED, C, by_exit(1));
	ck_assert(!watch_running(&w, C));
	expect(step(WATCH_EV_END, 0, 0), "SIGTERM syncd");
	step(WATCH_EV_EXITED, S, 0);
	step(WATCH_EV_EXITED, L, 0);
	expect(step(WATCH_EV_EXITED, E, 0), "stopped electiond; leave 0");
}
END_TEST

START_TEST(the_end_overrides_a_restart_of_all)
{
	start_healthy();
	expect(step(WATCH_EV_RENEW, 0, 0), "SIGTERM clientd");
	expect(step(WATCH_EV_EXITED, C, 0), "stopped clientd; SIGTERM syncd");
	expect(step(WATCH_EV_END, 0, 0), "");
	expect(step(WATCH_EV_RENEW, 0, 0), "");
	expect(step(WATCH_EV_EXITED, S, 0), "stopped syncd; SIGTERM logd");
	expect(step(WATCH_EV_EXITED, L, 0), "stopped logd; SIGTERM electiond");
	expect(step(WATCH_EV_EXITED, E, 0), "stopped electiond; leave 0");
}
END_TEST

START_TEST(a_hung_daemon_holds_up_the_end_only_until_killed)
{
	start_healthy();
	pass(WATCHDOG, C);
	expect(tick(), "silent clientd; SIGABRT clientd");
	expect(step(WATCH_EV_END, 0, 0), "");
	now += WATCH_ABORT_MS;
	expect(tick(), "SIGKILL clientd");
	expect(step(WATCH_EV_EXITED, C, SIGKILL), "stopped clientd; SIGTERM syncd");
}
END_TEST

START_TEST(one_is_restarted_on_request)
{
	start_healthy();
	expect(step(WATCH_EV_RESTART, C, 0), "SIGTERM clientd");
	expect(step(WATCH_EV_RESTART, C, 0), "");
	now += 20;
	expect(step(WATCH_EV_EXITED, C, 0), "stopped clientd; start clientd");
	ck_assert_uint_eq(watch_restarts(&w, C), 1);

	/* One that does not listen is killed. */
	step(WATCH_EV_READY, C, 0);
	expect(step(WATCH_EV_RESTART, C, 0), "SIGTERM clientd");
	pass(1500, C);
	expect(tick(), "SIGKILL clientd");
	expect(step(WATCH_EV_EXITED, C, SIGKILL), "stopped clientd; start clientd");

	/* One that waits for its turn after early deaths need not wait. */
	step(WATCH_EV_EXITED, C, by_exit(1));
	step(WATCH_EV_EXITED, C, by_exit(1));
	ck_assert(!watch_running(&w, C));
	expect(step(WATCH_EV_RESTART, C, 0), "start clientd");
}
END_TEST

START_TEST(renewal_stops_all_then_starts_all)
{
	start_healthy();
	expect(step(WATCH_EV_RENEW, 0, 0), "SIGTERM clientd");
	expect(step(WATCH_EV_RENEW, 0, 0), "");
	expect(step(WATCH_EV_RESTART, L, 0), "");
	expect(step(WATCH_EV_EXITED, C, 0), "stopped clientd; SIGTERM syncd");
	expect(step(WATCH_EV_EXITED, S, 0), "stopped syncd; SIGTERM logd");
	expect(step(WATCH_EV_EXITED, L, 0), "stopped logd; SIGTERM electiond");
	expect(step(WATCH_EV_EXITED, E, 0),
	       "stopped electiond; all down; start electiond; start logd; start clientd; start syncd");
}
END_TEST

/*
 * Whatever happens in whatever order: no daemon is started twice, none is signalled without a process, what is not
 * running is due to be, and the end comes. The shell's half (a process that dies when it is killed) is played here.
 */
struct game {
	bool alive[WATCH_DAEMONS], doomed[WATCH_DAEMONS];
	bool left;
	unsigned rng, steps;
};

/* Anything that can happen now; behind the last step only what a shell that was told to end would see. */
static struct watch_event
draw_event(struct game *g, unsigned i)
{
	static const int statuses[] = { 0, 1 << 8, SIGKILL, 79 << 8, SIGSEGV };
	struct watch_event ev = { .type = WATCH_EV_TICK };

	g->rng = g->rng * 1103515245 + 12345;
	ev.daemon = (g->rng >> 16) % WATCH_NODE_DAEMONS;
	ev.status = statuses[(g->rng >> 20) % 5];
	if (i == 0)
		ev.type = WATCH_EV_BEGIN;
	else if (i < g->steps)
		ev.type = 1 + (g->rng >> 8) % (WATCH_EVENTS - 1);
	else if (i == g->steps)
		ev.type = WATCH_EV_END;
	else if (g->doomed[ev.daemon])
		ev.type = WATCH_EV_EXITED;
	if ((ev.type == WATCH_EV_EXITED && !g->alive[ev.daemon]) || ev.type == WATCH_EV_NOT_STARTED ||
	    (ev.type == WATCH_EV_END && i < g->steps))
		ev.type = WATCH_EV_TICK;
	if (ev.type == WATCH_EV_EXITED)
		g->alive[ev.daemon] = g->doomed[ev.daemon] = false;
	return ev;
}

static bool
carry_out(struct game *g, const struct watch_actions *out)
{
	bool good = true;

	for (unsigned k = 0; k < out->n; k++) {
		const struct watch_action *a = &out->a[k];

		if (a->type == WATCH_START) {
			good &= !g->alive[a->daemon];
			g->alive[a->daemon] = true;
		} else if (a->type == WATCH_SIGNAL) {
			good &= g->alive[a->daemon];
			g->doomed[a->daemon] |= a->value == SIGKILL;
		} else if (a->type == WATCH_LEAVE) {
			g->left = true;
		}
	}
	return good;
}

static bool
is_sound(const struct game *g)
{
	for (unsigned d = 0; d < WATCH_NODE_DAEMONS; d++) {
		if (g->alive[d] != watch_running(&w, d))
			return false;
		if (w.plan == WATCH_RUN && !g->alive[d] && w.unit[d].start_at == WATCH_NEVER)
			return false;
	}
	return true;
}

static void
play(unsigned seed, unsigned steps)
{
	struct game g = { .rng = seed, .steps = steps };
	struct watch_actions out;

	now = T0;
	watch_init(&w, WATCHDOG, now);
	for (unsigned i = 0; !g.left; i++) {
		struct watch_event ev = draw_event(&g, i);

		now += (g.rng >> 12) % 300;
		watch_step(&w, &ev, now, &out);
		if (!carry_out(&g, &out) || !is_sound(&g))
			ck_abort_msg("seed %u, step %u", seed, i);
		if (i >= steps + 1000)
			ck_abort_msg("no end with seed %u", seed);
	}
}

/* admind: it is watched as the others are, but nobody waits for it, and nothing that it does ends the suite. */
START_TEST(a_guest_is_nobodys_condition)
{
	static const enum watch_daemon A = WATCH_ADMIND;

	now = T0;
	watch_init(&w, WATCHDOG, now);
	watch_want_admind(&w);
	expect(step(WATCH_EV_BEGIN, 0, 0),
	       "start electiond; start logd; start clientd; start syncd; start admind");
	for (int d = 0; d < WATCH_NODE_DAEMONS; d++)
		expect(step(WATCH_EV_READY, d, 0), "");
	ck_assert(watch_all_ready(&w));
	expect(step(WATCH_EV_EXITED, A, 2 << 8), "obituary admind 512 up 0 restarts 0 wait 0; start admind");
	expect(step(WATCH_EV_EXITED, A, 3 << 8), "obituary admind 768 up 0 restarts 1 wait 100");
	ck_assert(watch_all_ready(&w));
	now += 100;
	expect(tick(), "start admind");
	expect(step(WATCH_EV_READY, A, 0), "");
	expect(step(WATCH_EV_END, 0, 0), "SIGTERM admind");
	now += 200;
	expect(tick(), "SIGKILL admind");
	expect(step(WATCH_EV_EXITED, A, SIGKILL), "stopped admind; SIGTERM clientd");
}
END_TEST

START_TEST(a_guest_that_is_not_wanted_is_not_there)
{
	start_healthy();
	ck_assert(!watch_wanted(&w, WATCH_ADMIND));
	expect(step(WATCH_EV_RESTART, WATCH_ADMIND, 0), "");
	ck_assert(!watch_running(&w, WATCH_ADMIND));
}
END_TEST

START_TEST(any_order_of_events)
{
	for (unsigned seed = 1; seed <= 500; seed++)
		play(seed, 400);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		each_death_restarts_that_daemon_at_once,
		early_deaths_back_off_and_health_forgets_them,
		a_death_in_service_is_not_early,
		a_death_while_loading_is_early_however_late,
		no_process_to_be_had_is_tried_again_later,
		silence_is_aborted_then_killed,
		abort_alone_may_be_enough,
		the_first_sign_may_take_longer,
		fast_failure_detection,
		after_its_own_gap_it_kills_nobody,
		a_gap_short_of_the_deadline_counts_too,
		a_gap_takes_no_time_from_a_starting_daemon,
		listeners_are_shed_while_their_daemon_is_away,
		shedding_outlives_further_deaths,
		a_mismatch_restarts_all_in_order,
		a_bad_configuration_ends_the_suite,
		a_refused_data_folder_ends_the_suite_only_at_first,
		the_end_comes_in_order,
		the_end_takes_less_than_five_seconds,
		the_end_needs_no_daemon,
		the_end_overrides_a_restart_of_all,
		a_hung_daemon_holds_up_the_end_only_until_killed,
		one_is_restarted_on_request,
		renewal_stops_all_then_starts_all,
		a_guest_is_nobodys_condition,
		a_guest_that_is_not_wanted_is_not_there,
		any_order_of_events,
	};
	Suite *s = suite_create("watch");
	TCase *tc = tcase_create("rules");

	/* Many random orders: seconds where sanitizers and other work slow them down. */
	tcase_set_timeout(tc, 60);

	for (unsigned i = 0; i < sizeof tests / sizeof tests[0]; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
