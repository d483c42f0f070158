#!/usr/bin/python3
"""Kills and stops the parts of a serving node at random, and checks that nobody notices more than they may.

usage: chaos.py [--seconds N] [--seed S] [--znodes N] [--only KIND,...] [--slack X] [--show-plan]

Writers, readers, lock holders, watchers and deserted sessions (tests/lib/chaos_load.py) work on one node while its
daemons, zkd, and all of them at once get SIGKILL or SIGSTOP. The plan of faults follows from the seed alone, which is
printed: the same seed and length play it again. Every fault is a check of its own (did the service come back in time?),
and so is every promise that must hold throughout. The last line is "N passed, N failed"; the status is 1 if any failed.

Times are given leave for what the machine itself did meanwhile: the longest stall of a write with fdatasync beside the
node, and of this program's own loop. What nobody may notice is measured against the pauses of a node left alone.
--slack multiplies the limits, for machines that are busy otherwise.
"""

import argparse
import asyncio
import collections
import contextlib
import itertools
import os
import random
import re
import shutil
import signal
import statistics
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import chaos_load as load  # noqa: E402
import zkd_node  # noqa: E402
import zkpipe as zk  # noqa: E402
from chaos_base import Judge, Machine, age_of, children, make_plan, name_of  # noqa: E402

DAEMONS = zkd_node.DAEMONS
WATCHDOG_SECONDS = 2.0
ABORT_SECONDS = 0.2  # from SIGABRT to SIGKILL
EARLY_SECONDS = 1.2  # a daemon that dies younger than this is started again with a growing delay, see zkd(8)
FORGOTTEN_SECONDS = 12.0  # after this time without another
STEADY_SECONDS = 0.3  # the service is back when it has answered for so long
GAP_SECONDS = 0.05  # a pause between two answers that counts as an interruption
GIVE_UP_SECONDS = 12.0

# Seconds until writes are answered again, after the daemon is gone.
BACK = {"electiond": 0.0, "syncd": 0.3, "logd": 0.3, "clientd": 1.0}
# All at once, or zkd: within what a client may have to wait at all.
RESTART_LIMIT = zk.HANG_SECONDS
PROMISES = {
    "order": "replies come in the order of requests",
    "zxid": "zxids never fall, writes have rising ones",
    "reads": "no read is older than what was acknowledged, none goes back",
    "writes": "every acknowledged write is there at the end, and after a restart",
    "hang": f"no call waits longer than {zk.HANG_SECONDS:.0f} s",
    "sessions": "sessions of clients that come back live on",
    "ephemerals": "ephemerals live and die with their sessions",
    "watches": "an event comes before the read that shows the change",
    "errors": "no call gets an unexpected error",
    "orphans": "nothing outlives zkd by more than 1 s",
    "electiond": "electiond is not missed",
    "stopped zkd": "a stopped zkd disturbs nobody and kills nobody when it wakes",
    "crashes": "no daemon dies but by this test, none finds fault with another",
    "stop": "SIGTERM stops the node within 5 s, with status 0",
}


OBITUARY = re.compile(r"died daemon=(?P<daemon>\w+) .*?(?P<how>(signal|exit)=\S+)")
OUR_DEATHS = ("signal=SIGKILL", "signal=SIGABRT")  # SIGABRT: the watchdog's
TROUBLE = re.compile(
    r"warning: link (?:down|refused)|assertion failed|out of memory|Sanitizer|runtime error|digest mismatch"
    r"|error: (?:zab|store|data|cannot)"
)


class Chaos:
    def __init__(self, args):
        self.args = args
        self.judge = Judge()
        # Some runs write snapshots all the time, some never.
        snap_count = random.Random(args.seed).choice((3000, 20000, 1000000))
        self.node = zkd_node.Node(keys={"snapCount": snap_count})
        self.machine = Machine(self.node.folder)
        port = self.node.port
        self.writers = [load.Writer(i, port, self.judge) for i in range(3)]
        self.keys = [k for w in self.writers for k in w.keys]
        self.readers = [load.Reader(i, port, self.judge, self.keys) for i in range(3)]
        self.holders = [load.Holder(i, port, self.judge) for i in range(4)]
        self.watchers = [load.Watcher(i, port, self.judge, self.keys) for i in range(2)]
        self.abandoner = load.Abandoner(port, self.judge)
        self.probe = load.Probe(port, self.judge)
        self.recoveries = collections.defaultdict(list)  # kind -> seconds
        self.unnoticed = []  # (kind, longest pause, leave): faults that no client may notice
        self.quiet = 0.0  # the longest pause while nothing was wrong
        self.late = []
        self.faults = 0
        self.early = collections.defaultdict(float)  # daemon -> its last early death
        self.hit = collections.Counter()  # signals sent to each daemon

    # the node

    def daemons(self):
        """Name to pid, as the kernel knows them."""
        found = {}
        for pid in children(self.node.process.pid):
            try:
                name = name_of(pid)
            except OSError:
                continue
            if name in DAEMONS and zkd_node.alive(pid):
                found[name] = pid
        return found

    def signal(self, pid, number):
        with contextlib.suppress(OSError):
            self.hit[name_of(pid)] += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    async def wait_new_pid(self, daemon, old):
        """Until another process has taken the daemon's place."""
        end = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < end:
            pid = self.daemons().get(daemon)
            if pid is not None and pid != old:
                return True
            await asyncio.sleep(0.005)
        self.late.append(f"{daemon}: no successor of pid {old} within {GIVE_UP_SECONDS:.0f} s")
        return False

    # how long the service was away

    def interruption(self, since):
        """Seconds from `since` until the end of the last pause in the answers, or of the longest if none stands out."""
        times = [since] + [answered for _, answered in self.answers_after(since)]
        pauses = [(b - a, b - since) for a, b in zip(times, times[1:])]
        noticed = [end for length, end in pauses if length > max(GAP_SECONDS, 1.5 * self.quiet)]
        return noticed[-1] if noticed else max(pauses, default=(0.0, 0.0))[1]

    def longest_pause(self, since):
        """The longest time between two answers to the probe."""
        times = [since] + [answered for _, answered in self.answers_after(since)]
        return max((b - a for a, b in zip(times, times[1:])), default=0.0)

    def answers_after(self, since):
        found = list(itertools.takewhile(lambda a: a[1] >= since, reversed(self.probe.answers)))
        return found[::-1]

    async def wait_steady(self, since, at_least=0.0):
        """Until the probe has been answered without a pause for a while; None when that takes too long."""
        steady_from, last = None, since
        seen = since
        end = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < end:
            await asyncio.sleep(0.01)
            for asked, answered in self.answers_after(seen):
                if answered <= seen:
                    continue
                if steady_from is None or answered - last > GAP_SECONDS:
                    steady_from = answered
                last = seen = answered
            now = time.monotonic()
            if now - last > GAP_SECONDS:
                steady_from = None
            if steady_from is not None and now - steady_from >= STEADY_SECONDS and now - since >= at_least:
                return self.interruption(since)
        return None

    def record(self, kind, seconds, limit, since):
        self.faults += 1
        if seconds is None:
            self.late.append(f"{kind}: the service did not come back within {GIVE_UP_SECONDS:.0f} s")
            return
        self.recoveries[kind].append(seconds)
        allowed = limit * self.args.slack + self.machine.leave(since)
        if seconds > allowed:
            self.late.append(f"{kind}: {seconds * 1000:.0f} ms, allowed {allowed * 1000:.0f} ms")
            print(f"LATE at {since - self.judge.began:.2f} s: {self.late[-1]}", flush=True)

    def record_unnoticed(self, kind, took, since):
        """The pause is judged at the end, beside those of a node that nobody touches."""
        if took is None:
            self.record(kind, took, 0.0, since)
            return
        self.faults += 1
        pause = self.longest_pause(since)
        self.recoveries[kind].append(pause)
        self.unnoticed.append((kind, pause, self.machine.leave(since)))

    async def be_quiet(self, seconds):
        since = time.monotonic()
        await asyncio.sleep(seconds)
        self.quiet = max(self.quiet, self.longest_pause(since))

    def judge_unnoticed(self):
        for kind, pause, leave in self.unnoticed:
            allowed = max(GAP_SECONDS, 1.5 * self.quiet) * self.args.slack + leave
            if pause > allowed:
                self.late.append(f"{kind}: a pause of {pause * 1000:.0f} ms, allowed {allowed * 1000:.0f} ms")

    # faults

    async def hurt_daemon(self, action, daemon, fault):
        pids = self.daemons()
        old = pids.get(daemon)
        if old is None:
            return
        newborn = age_of(old) < EARLY_SECONDS
        if newborn and time.monotonic() - self.early[daemon] < FORGOTTEN_SECONDS:
            # One early death is a fault; a row of them only shows the supervisor's growing delay.
            await asyncio.sleep(EARLY_SECONDS)
            newborn = False
        if newborn:
            self.early[daemon] = time.monotonic()
        since = time.monotonic()
        self.signal(old, signal.SIGKILL if action == "kill" else signal.SIGSTOP)
        kind, limit = f"{action} {daemon}", BACK[daemon]
        if action == "kill" and newborn:
            kind, limit = "kill a newborn", RESTART_LIMIT
        if action == "stop":
            limit += WATCHDOG_SECONDS + ABORT_SECONDS
        if fault.second_after is not None and action == "kill":
            await asyncio.sleep(fault.second_after)
            other = DAEMONS[(DAEMONS.index(daemon) + 1) % len(DAEMONS)]
            victim = self.daemons().get(other)
            if victim is not None:
                self.signal(victim, signal.SIGKILL)
            kind, limit = "kill two", RESTART_LIMIT
        replaced = await self.wait_new_pid(daemon, old)
        took = await self.wait_steady(since) if replaced else None
        if kind.endswith("electiond"):
            self.check_unnoticed("electiond", kind, since)
            self.record_unnoticed(kind, took, since)
        else:
            self.record(kind, took, limit, since)

    def check_unnoticed(self, promise, kind, since):
        for s in self.sessions():
            closed = [t for t in s.closes if t >= since]
            if closed:
                self.judge.violation(promise, f"{kind}: {s.name} lost its connection {closed[0] - since:.3f} s later")

    async def hurt_zkd(self, kind, fault):
        old = dict(self.daemons())
        pids = self.node.all_pids()
        since = time.monotonic()
        victims = [self.node.process.pid] if kind == "kill zkd" else pids
        for pid in victims:
            self.signal(pid, signal.SIGKILL)
        await asyncio.get_running_loop().run_in_executor(None, self.node.process.wait)
        while any(zkd_node.alive(p) for p in pids) and time.monotonic() - since < 1.0:
            await asyncio.sleep(0.005)
        left = [p for p in pids if zkd_node.alive(p)]
        if left:
            names = [n for n, p in old.items() if p in left]
            self.judge.violation("orphans", f"{kind}: {left} ({names}) are still there after 1 s")
        self.node.start(wait=False)
        self.record(kind, await self.wait_steady(since), RESTART_LIMIT, since)

    async def freeze_one(self, kind, fault):
        """One daemon sleeps while the others go on, then all die: whoever promised without it has lied."""
        victim = self.daemons().get(fault.victim)
        if victim is not None:
            self.signal(victim, signal.SIGSTOP)
        await asyncio.sleep(fault.hold / 5)
        await self.hurt_zkd(kind, fault)

    async def hurt_daemons(self, kind, fault):
        """The four at once; zkd is there to see it."""
        since = time.monotonic()
        old = self.daemons()
        for pid in old.values():
            self.signal(pid, signal.SIGKILL if kind.startswith("kill") else signal.SIGSTOP)
        for daemon, pid in old.items():
            await self.wait_new_pid(daemon, pid)
        self.record(kind, await self.wait_steady(since), RESTART_LIMIT, since)

    async def stop_zkd(self, kind, fault):
        """zkd asleep for longer than its watchdogs: nobody is beaten meanwhile, and nobody is killed for it."""
        old = self.daemons()
        since = time.monotonic()
        self.signal(self.node.process.pid, signal.SIGSTOP)
        await asyncio.sleep(WATCHDOG_SECONDS + fault.hold)
        self.signal(self.node.process.pid, signal.SIGCONT)
        took = await self.wait_steady(since, at_least=WATCHDOG_SECONDS + fault.hold + 1.0)
        if self.daemons() != old:
            self.judge.violation("stopped zkd", f"daemons were {old} before, {self.daemons()} after")
        self.check_unnoticed("stopped zkd", kind, since)
        self.record_unnoticed(kind, took, since)

    async def stop_all(self, kind, fault):
        """Everything asleep at once, as on a machine that was suspended."""
        pids = self.node.all_pids()
        since = time.monotonic()
        for pid in pids:
            self.signal(pid, signal.SIGSTOP)
        await asyncio.sleep(fault.hold)
        for pid in reversed(pids):
            self.signal(pid, signal.SIGCONT)
        self.record(kind, await self.wait_steady(since), fault.hold + 1.0, since)

    async def inflict(self, fault):
        action, target = fault.kind.split()
        special = {
            "kill zkd": self.hurt_zkd,
            "kill all": self.hurt_zkd,
            "kill daemons": self.hurt_daemons,
            "stop daemons": self.hurt_daemons,
            "stop zkd": self.stop_zkd,
            "stop all": self.stop_all,
            "freeze one": self.freeze_one,
        }
        if fault.kind in special:
            await special[fault.kind](fault.kind, fault)
        else:
            await self.hurt_daemon(action, target, fault)

    # the course of the test

    def workers(self):
        return [*self.writers, *self.readers, *self.holders, *self.watchers, self.probe]

    def sessions(self):
        return [w.session for w in self.workers()] + [self.abandoner.looker]

    async def fresh_session(self, name):
        s = zk.Session(name, self.node.port, 20000, self.judge)
        up = asyncio.Event()
        s.on_up = lambda fresh: up.set()
        s.start()
        await asyncio.wait_for(up.wait(), 2 * zk.HANG_SECONDS)
        return s

    async def prepare(self):
        """The folders of the test, and a tree of some size that every new clientd has to load."""
        s = await self.fresh_session("prepare")
        for path in ("/w", "/c", "/l", "/a", "/bulk"):
            await s.call(zk.CREATE, zk.create(path))
        begin, wrong = time.monotonic(), 0
        data = bytes(100)
        for first in range(0, self.args.znodes, 1000):
            parent = f"/bulk/{first // 1000}"
            names = [parent] + [f"{parent}/{i}" for i in range(min(1000, self.args.znodes - first) - 1)]
            replies = await asyncio.gather(*(s.call(zk.CREATE, zk.create(n, data)) for n in names))
            wrong += sum(r is None or r.err != zk.OK for r in replies)
        if wrong:
            self.judge.violation("errors", f"{wrong} creates failed before any fault")
        print(f"made {self.args.znodes} znodes in {time.monotonic() - begin:.1f} s", flush=True)
        await s.close()

    async def report_progress(self, end):
        while True:
            await asyncio.sleep(5)
            writes, reads = sum(w.acks for w in self.writers), sum(r.reads for r in self.readers)
            closes = sum(len(s.closes) for s in self.sessions())
            print(
                f"{time.monotonic() - self.judge.began:.0f} s: {self.faults} faults, {writes} writes, {reads} reads, "
                f"{closes} connections lost, {self.judge.count + len(self.late)} violations",
                flush=True,
            )

    async def run(self):
        self.node.start()
        tasks = [asyncio.ensure_future(self.machine.watch_loop())]
        await self.prepare()
        for worker in self.workers():
            worker.start()
        self.abandoner.start()
        if await self.wait_steady(time.monotonic(), at_least=1.0) is None:
            raise zkd_node.NodeError(f"the node does not answer at all\n{self.node.log_end()}")
        await self.be_quiet(2.0)
        end = time.monotonic() + self.args.seconds
        tasks.append(asyncio.ensure_future(self.report_progress(end)))
        for fault in make_plan(self.args.seed, self.args.seconds, self.args.only):
            if time.monotonic() >= end:
                break
            await self.be_quiet(fault.pause)
            await self.inflict(fault)
        self.judge_unnoticed()
        await self.finish()
        for task in tasks:
            task.cancel()

    async def finish(self):
        self.abandoner.stop_deserting()
        for worker in [*self.writers, *self.readers, *self.watchers]:
            worker.session.running = False
        await asyncio.sleep(1.0)
        for worker in [*self.writers, *self.readers, *self.watchers]:
            await worker.session.close()
        await self.wait_deserted()
        await self.read_back("read back")
        for worker in [*self.holders, self.probe]:
            await worker.session.close()
        await self.abandoner.looker.close()
        await self.read_back("locks given back", locks_gone=True)
        self.stop_node()
        self.node.start()
        await self.read_back("read back after a restart", locks_gone=True)
        self.stop_node()
        self.read_log()
        self.machine.running = False

    def read_log(self):
        """What the node itself says of the run: deaths that we did not cause, siblings that misbehaved."""
        with open(self.node.log_path, errors="replace") as f:
            lines = f.read().splitlines()
        died = collections.Counter()
        for line in lines:
            obituary = OBITUARY.search(line)
            if obituary:
                died[obituary["daemon"]] += 1
            if TROUBLE.search(line) or (obituary and obituary["how"] not in OUR_DEATHS):
                self.judge.violation("crashes", line)
        for daemon, n in died.items():
            if n > self.hit[daemon]:
                self.judge.violation("crashes", f"{daemon} died {n} times, and was hit {self.hit[daemon]} times")

    def stop_node(self):
        try:
            self.node.stop()
        except zkd_node.NodeError as e:
            self.judge.violation("stop", str(e))
            if self.node.process is not None:
                self.node.kill()

    async def wait_deserted(self):
        """Deserted sessions must end: with nothing failing any more, after their timeout and a tick."""
        longest = max((t for _, t in self.abandoner.left.values()), default=0.0)
        end = time.monotonic() + longest + load.MAX_TICK_SECONDS + 2.0
        while self.abandoner.left and time.monotonic() < end:
            await asyncio.sleep(0.1)
        for path in self.abandoner.left:
            self.judge.violation("ephemerals", f"{path} outlived its session")

    async def read_back(self, what, locks_gone=False):
        s = await self.fresh_session("verifier")
        wrong = 0
        for w in self.writers:
            for key in w.keys:
                wrong += await self.read_key(s, key, what)
            replies = await asyncio.gather(*(s.call(zk.EXISTS, zk.path_watch(p)) for p in w.created))
            for path, reply in zip(w.created, replies):
                if reply is None or reply.err != zk.OK:
                    self.judge.violation("writes", f"{what}: {path} was acknowledged and is not there: {reply}")
        await self.count_bulk(s, what)
        for h in self.holders if locks_gone else []:
            reply = await s.call(zk.EXISTS, zk.path_watch(h.path))
            if reply is None or reply.err != zk.NO_NODE:
                self.judge.violation("ephemerals", f"{what}: {h.path} is there after its session was closed")
        await s.close()

    async def read_key(self, s, key, what):
        if not key.exists:
            return 0
        reply = await s.call(zk.GET_DATA, zk.path_watch(key.path))
        data = zk.take_data(reply.body)[0] if reply is not None and reply.err == zk.OK else None
        sequence = key.sequence_of(data)
        if sequence is not None and key.acked <= sequence <= key.submitted:
            return 0
        self.judge.violation("writes", f"{what}: {key.path} holds {data!r}, acknowledged {key.acked}")
        return 1

    async def count_bulk(self, s, what):
        have = 0
        for first in range(0, self.args.znodes, 1000):
            reply = await s.call(zk.GET_CHILDREN, zk.path_watch(f"/bulk/{first // 1000}"))
            if reply is not None and reply.err == zk.OK:
                have += 1 + len(zk.take_children(reply.body))
        if have != self.args.znodes:
            self.judge.violation("writes", f"{what}: {have} of {self.args.znodes} znodes are there")

    # the outcome

    def report(self):
        print("\nback after, in ms (electiond and a stopped zkd: longest pause between two answers)")
        print(f"{'fault':18} count     p50     max")
        for kind in sorted(self.recoveries):
            times = sorted(1000 * s for s in self.recoveries[kind])
            print(f"{kind:18} {len(times):5} {statistics.median(times):7.0f} {times[-1]:7.0f}")
        print(f"\n{self.probe.count} writes of the probe, the slowest {1000 * self.probe.slowest:.0f} ms; "
              f"the longest pause while nothing was wrong {1000 * self.quiet:.0f} ms")
        print(f"{sum(w.events for w in self.watchers)} watch events, {self.abandoner.gone} deserted sessions ended")
        print(f"{sum(h.checked for h in self.holders)} looks at locks held, machine stalls up to "
              f"{1000 * self.machine.worst:.0f} ms\n")
        for text in self.late:
            print(f"FAILED: {text}")
        for name, text in PROMISES.items():
            n = len(self.judge.violations.get(name, ()))
            print(f"{'ok    ' if n == 0 else 'FAILED'} {text}" + (f" ({n} violations)" if n else ""))
        kept = sum(1 for name in PROMISES if not self.judge.violations.get(name))
        failed = len(PROMISES) - kept + len(self.late)
        passed = kept + max(0, self.faults - len(self.late))
        return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--znodes", type=int, default=100000)
    parser.add_argument("--only", type=lambda s: s.split(","), default=None, help="kinds of faults, as in the plan")
    parser.add_argument("--slack", type=float, default=1.0)
    parser.add_argument("--show-plan", action="store_true")
    parser.add_argument("--keep-log", metavar="FILE", help="copy the node's log there at the end")
    args = parser.parse_args()
    if args.seed is None:
        args.seed = int.from_bytes(os.urandom(4), "big")
    if args.show_plan:
        for fault in make_plan(args.seed, args.seconds, args.only):
            print(fault)
        return 0
    again = f"tests/integration/chaos.py --seed {args.seed} --seconds {args.seconds:g} --znodes {args.znodes}"
    if args.only:
        again += f" --only '{','.join(args.only)}'"
    print(f"seed {args.seed}; again: {again}", flush=True)
    chaos = Chaos(args)
    try:
        asyncio.run(chaos.run())
    except Exception:  # also an error of this test is a failure that the last line has to count
        traceback.print_exc(file=sys.stdout)
        chaos.late.append("the test could not go on")
    finally:
        passed, failed = chaos.report()
        if failed:
            kept = os.path.join(zkd_node.BUILD, f"chaos-{args.seed}.log")
            shutil.copyfile(chaos.node.log_path, kept)
            print(f"--- end of zkd's log, all of it in {kept}\n{chaos.node.log_end(30)}\nagain: {again}")
        if args.keep_log:
            shutil.copyfile(chaos.node.log_path, args.keep_log)
        chaos.node.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
