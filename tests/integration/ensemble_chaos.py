#!/usr/bin/python3
"""Hurts the servers of an ensemble and the wires between them at random, under clients that check every promise.

usage: ensemble_chaos.py [--servers zkd,zkd,zkd,zkd:observer] [--seconds N] [--seed S] [--only KIND,...]

Each server runs on a machine of its own (tests/lib/netlab.py, machine.py): its wires, its disk and its wall clock are
nobody else's. Writers, readers, lock holders and watchers (tests/lib/ensemble_load.py) come back to whichever server
takes them. Faults: SIGKILL and SIGSTOP of every daemon, of whole servers, of all; partitions, full, one way, with the
leader in the minority, and as a bridge; lost packets and slow wires; single packets of Zab that are lost (in builds with
--enable-debug); a disk that is full, whose calls fail for a while, that goes read-only, that is wiped; a wall clock that
jumps. After each fault the ensemble must take writes again within a limit. Once a minute, and at the end, the history of
all calls is checked (tests/lib/history.py) and every server read.

--servers names the kind of each, zkd or apache, and those that only observe: the same test runs on Apache ZooKeeper and
on mixtures. Where an Apache server takes part a broken sync is shown and not counted: theirs do not wait for a quorum,
and break it by themselves; nor is a hole in its log where its log writer died (ZOOKEEPER-4409). Nor is an Apache server's disk made to fail: it appends behind a failed append, comes back
with a log with holes (zkctl log verify), and then lacks acknowledged writes; and it exits over a commit that
never came, so no single packets are lost beside it. The plan of faults follows from the seed alone. The last line is "N passed, N failed"; the status is 1 if any failed, 77 where there can be no namespaces. SIGINT
ends the faults early, not the checks; a second one ends all.
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
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import ensemble_load as load  # noqa: E402
import machine  # noqa: E402
import netlab  # noqa: E402
import zkd_node  # noqa: E402
import zkpipe as zk  # noqa: E402
from chaos_base import Judge, Machine  # noqa: E402
from ensemble import KINDS, Ensemble  # noqa: E402
from history import History  # noqa: E402

SKIPPED = 77
BACK_SECONDS = 15.0  # until writes are answered again after everything is healed
SETTLE_SECONDS = 40.0  # until every server serves again
STOCK_SECONDS = 60.0  # between two looks at the history and the servers
# So small that a disk is full at once, and that logs are purged, within a test.
KEYS = {
    "zkd": {"preAllocSize": 64, "snapCount": 20000, "autopurge.purgeInterval": "1m", "diskReserve": 8192},
    "apache": {"preAllocSize": 64, "snapCount": 20000},
}
READ_AHEAD = 500  # calls in flight where a server is read
# Of a fault, on average and at most; syncLimit is 2.5 s.
HOLD_SECONDS, HOLD_SECONDS_MAX = 1.2, 5.0
CLOCK_STEP_MS = 26 * 3600 * 1000  # at most, either way
PACKETS = ("proposal", "ack", "commit", "ping")
DISK_CALLS = "fdatasync,fsync,pwrite64"
PROMISES = {
    "order": "replies come in the order of requests",
    "zxid": "the zxids a session sees never fall",
    "linearizable": "writes are in one order, and it is that of real time",
    "versions": "every version of a register is made by one write",
    "compare-and-set": "a compare-and-set finds the version that it expects",
    "values": "nobody reads what nobody wrote",
    "monotonic": "no session sees a register go back",
    "sync": "a read behind a sync shows what was acknowledged before it",
    "lost": "every acknowledged write is there at the end",
    "agreement": "all servers hold the same at the end",
    "log writer": "a server of Apache whose log writer has died holds the same nevertheless",
    "watches": "an event comes before the read that shows the change, also over reconnects",
    "locks": "the lock is never held twice",
    "ephemerals": "an ephemeral lives as long as its session",
    "sessions": "sessions of clients that come back live on",
    "errors": "no call gets an unexpected error",
    "hang": "no call waits for ever",
    "recovery": f"writes are answered {BACK_SECONDS:.0f} s after the last fault is healed",
    "settling": f"every server serves {SETTLE_SECONDS:.0f} s after that",
}

Fault = collections.namedtuple("Fault", "kind pause hold dice")


class Chaos:
    def __init__(self, args):
        self.args = args
        self.judge = Judge()
        self.ensemble = Ensemble(args.servers, observers=args.observers, own_disks=args.own_disks)
        for server in self.ensemble.servers if args.own_disks else []:
            server.node.keys.update(KEYS[server.kind])
        self.machine = Machine(self.ensemble.folder)
        self.history = History(self.judge)
        addresses = self.ensemble.addresses()
        self.writers = [load.Writer(i, addresses, self.judge, self.history) for i in range(4)]
        self.readers = [load.Reader(i, addresses, self.judge, self.history) for i in range(4)]
        self.watchers = [load.Watcher(i, addresses, self.judge) for i in range(3)]
        self.holders = [load.Holder(i, addresses, self.judge) for i in range(4)]
        self.lock = load.Lock(self.judge)
        self.rivals = [load.Rival(i, addresses, self.judge, self.lock) for i in range(4)]
        self.away = collections.defaultdict(list)  # kind -> longest time without a write
        self.faults = 0
        self.interrupted = False
        self.kinds_seen = set(args.servers)

    def forgiving(self):
        return ("sync", "log writer") if "apache" in self.kinds_seen else ()

    # whom it hits

    def pick(self, fault, role=None, kind=None):
        """A server: by the dice, or the leader, or one that follows; of that kind."""
        servers = [s for s in self.ensemble.servers if s.running and kind in (None, s.kind)]
        leader = self.ensemble.leader()
        if kind is not None and leader not in servers:
            return servers[fault.dice % len(servers)]
        if role == "leader" and leader is not None:
            return leader
        if role == "follower" and leader is not None:
            servers = [s for s in servers if s is not leader]
        return servers[fault.dice % len(servers)]

    def majority(self):
        return len(self.ensemble.voters()) // 2 + 1

    # faults: each hurts, waits for fault.hold, and heals

    async def kill_daemon(self, fault, number=signal.SIGKILL):
        daemons = self.pick(fault).daemons()
        names = sorted(d for d in daemons if d != "zkd") or ["zkd"]
        name = names[fault.dice // 7 % len(names)]
        if name == "java":
            await self.kill_server(fault)
            return
        os.kill(daemons[name], number)
        await asyncio.sleep(fault.hold)

    async def stop_daemon(self, fault):
        await self.kill_daemon(fault, signal.SIGSTOP)

    async def kill_server(self, fault, role=None):
        server = self.pick(fault, role)
        await self.in_thread(server.kill)
        await asyncio.sleep(fault.hold)
        server.launch()

    async def kill_leader(self, fault):
        await self.kill_server(fault, "leader")

    async def stop_server(self, fault, role=None):
        server = self.pick(fault, role)
        server.signal_all(signal.SIGSTOP)
        await asyncio.sleep(fault.hold)
        server.signal_all(signal.SIGCONT)

    async def stop_leader(self, fault):
        await self.stop_server(fault, "leader")

    async def kill_most(self, fault):
        """So many that no quorum is left; the rest must not go on alone."""
        victims = random.Random(fault.dice).sample(self.ensemble.voters(), self.majority())
        victims = [self.ensemble.server(n) for n in victims]
        for server in victims:
            await self.in_thread(server.kill)
        await asyncio.sleep(fault.hold)
        for server in victims:
            server.launch()

    async def kill_all(self, fault):
        for server in self.ensemble.servers:
            server.signal_all(signal.SIGKILL)
        for server in self.ensemble.servers:
            await self.in_thread(server.kill)
        for server in self.ensemble.servers:
            server.launch()

    async def wipe(self, fault):
        """
        One that follows comes back with an empty disk. A server of Apache votes then as if it had never acknowledged
        anything; with another one that is behind it would make a quorum that has forgotten. One of zkd does not vote.
        """
        server = self.pick(fault, "follower")
        if server.kind != "zkd":
            await self.wait_all("what came before")
        await self.in_thread(server.kill)
        server.wipe()
        await asyncio.sleep(fault.hold)
        server.launch()

    def split(self, fault, role=None):
        """The picked server with as many as make no quorum, and the rest, which is one."""
        first = self.pick(fault, role).number
        voters = [n for n in self.ensemble.voters() if n != first]
        random.Random(fault.dice).shuffle(voters)
        minority = {first, *voters[self.majority() :]}
        return minority, set(self.ensemble.numbers()) - minority

    async def part(self, fault, role=None):
        minority, rest = self.split(fault, role)
        self.ensemble.lab.isolate(minority, rest)
        await asyncio.sleep(fault.hold)
        self.ensemble.lab.heal()

    async def part_leader(self, fault):
        await self.part(fault, "leader")

    async def deafen(self, fault):
        """One that is heard by all and hears nobody, or the other way round."""
        victim = self.pick(fault).number
        for n in self.ensemble.numbers():
            if n != victim:
                self.ensemble.lab.block(*((n, victim) if fault.dice & 8 else (victim, n)))
        await asyncio.sleep(fault.hold)
        self.ensemble.lab.heal()

    async def bridge(self, fault):
        """Two that cannot reach each other, and a third that reaches both."""
        a, b = random.Random(fault.dice).sample(list(self.ensemble.numbers()), 2)
        self.ensemble.lab.isolate({a}, {b})
        await asyncio.sleep(fault.hold)
        self.ensemble.lab.heal()

    async def lose_packets(self, fault):
        for a, b in itertools.permutations(self.ensemble.numbers(), 2):
            self.ensemble.lab.lose(a, b, 5)
        await asyncio.sleep(fault.hold)
        self.ensemble.lab.heal()

    async def slow_wires(self, fault):
        """One machine is far away, or all are."""
        victims = self.ensemble.numbers() if fault.dice & 8 else [self.pick(fault).number]
        most = 2 + fault.dice // 16 % 150
        for n in victims:
            await self.in_thread(lambda n=n: self.ensemble.lab.delay(n, most / 4, most))
        await asyncio.sleep(fault.hold)
        self.ensemble.lab.heal()

    def pick_disk(self, fault):
        return self.pick(fault, "leader" if fault.dice & 8 else None, "zkd")

    async def fill_disks(self, servers, fault):
        for server in servers:
            await self.in_thread(server.disk.fill)
        await asyncio.sleep(fault.hold)
        for server in servers:
            server.disk.free()

    async def full_disk(self, fault):
        await self.fill_disks([self.pick_disk(fault)], fault)

    async def full_disks(self, fault):
        """Nobody can write anything down: nothing may be acknowledged."""
        await self.fill_disks([s for s in self.ensemble.servers if s.kind == "zkd"], fault)

    async def failing_disk(self, fault):
        """Calls that change the disk fail with EIO, and then no longer."""
        server = self.pick_disk(fault)
        pids = [word for pid in server.pids_of_log() for word in ("-p", str(pid))]
        if not pids:
            return
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={DISK_CALLS}"]
        strace = subprocess.Popen(
            [*command, "-e", f"inject={DISK_CALLS}:error=EIO", *pids], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        await asyncio.sleep(fault.hold)
        strace.terminate()
        await self.in_thread(strace.wait)

    async def read_only_disk(self, fault):
        """The kernel found an error; the operator checks the file system, mounts it, and starts the server."""
        server = self.pick_disk(fault)
        server.disk.fail()
        await asyncio.sleep(fault.hold)
        await self.in_thread(server.kill)
        await self.in_thread(server.disk.repair)
        server.launch()

    async def lose_messages(self, fault):
        """A syncd eats some of what it would send to its peers, as nothing on the wire can: single packets of Zab."""
        server = self.pick(fault, "leader" if fault.dice & 8 else None, "zkd")
        packet = PACKETS[fault.dice // 16 % len(PACKETS)]
        with contextlib.suppress(zkd_node.NodeError, subprocess.TimeoutExpired):  # its syncd is not there
            await self.in_thread(lambda: self.drop(server, packet, 1 + fault.dice // 128 % 30))
        await asyncio.sleep(fault.hold)
        with contextlib.suppress(zkd_node.NodeError, subprocess.TimeoutExpired):
            await self.in_thread(lambda: self.drop(server, packet, 0))

    @staticmethod
    def drop(server, packet, count):
        server.node.zkctl("debug", "drop", packet, "--count", str(count))

    async def step_clock(self, fault):
        """One wall clock jumps, or all do, each elsewhere; now and then back to where it should be."""
        dice = random.Random(fault.dice)
        for server in self.ensemble.servers if fault.dice & 8 else [self.pick(fault)]:
            server.clock.step(dice.choice((0, dice.randint(-CLOCK_STEP_MS, CLOCK_STEP_MS), dice.randint(-3000, 3000))))
        await asyncio.sleep(fault.hold)

    async def in_thread(self, call):
        return await asyncio.get_running_loop().run_in_executor(None, call)

    KINDS = {
        "kill daemon": (kill_daemon, 8),
        "stop daemon": (stop_daemon, 3),
        "kill server": (kill_server, 2),
        "kill leader": (kill_leader, 3),
        "stop server": (stop_server, 1),
        "stop leader": (stop_leader, 2),
        "kill most": (kill_most, 1),
        "kill all": (kill_all, 1),
        "wipe": (wipe, 1),
        "part": (part, 2),
        "part leader": (part_leader, 2),
        "deafen": (deafen, 2),
        "bridge": (bridge, 2),
        "lose packets": (lose_packets, 1),
        "slow wires": (slow_wires, 2),
        "full disk": (full_disk, 2),
        "full disks": (full_disks, 1),
        "failing disk": (failing_disk, 2),
        "read-only disk": (read_only_disk, 2),
        "step clock": (step_clock, 2),
        "lose messages": (lose_messages, 3),
    }
    OF_DISKS = ("full disk", "full disks", "failing disk", "read-only disk")
    OF_HARDWARE = (*OF_DISKS, "step clock")

    # the course of the test

    def clients(self):
        return [*self.writers, *self.readers, *self.watchers, *self.holders, *self.rivals]

    def last_ack(self):
        return max((w.acked_at[-1] for w in self.writers if w.acked_at), default=0.0)

    def longest_pause(self, since):
        """Without an acknowledged write, from `since` to now."""
        times = sorted(t for w in self.writers for t in w.acked_at if t >= since)
        return max(b - a for a, b in itertools.pairwise([since, *times, time.monotonic()]))

    async def wait_writes(self, what):
        since = time.monotonic()
        while self.last_ack() < since + 0.2:
            if time.monotonic() - since > BACK_SECONDS + self.machine.leave(since):
                self.judge.violation("recovery", f"no write since {what} was healed {BACK_SECONDS:.0f} s ago")
                return
            await asyncio.sleep(0.01)

    async def wait_all(self, what):
        since = time.monotonic()
        while not await self.in_thread(self.ensemble.all_serve):
            if time.monotonic() - since > SETTLE_SECONDS:
                modes = {s.number: s.mode() or "-" for s in self.ensemble.servers}
                self.judge.violation("settling", f"after {what}: {modes}")
                return
            await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def standstill(self):
        """No call of a writer or a reader is under way meanwhile."""
        busy = [*self.writers, *self.readers]
        for c in busy:
            c.paused = True
        while any(c.in_flight for c in busy):
            await asyncio.sleep(0.01)
        yield
        for c in busy:
            c.paused = False

    async def take_stock(self):
        """Checks the history so far, with what every server holds now, and goes on from there."""
        await self.wait_writes("everything")
        await self.wait_all("everything")
        async with self.standstill():
            states = await self.check_servers()
        if states:
            self.history.forget(states[0])
        for w in self.writers:
            del w.acked_at[:-1]
        self.stock_taken = time.monotonic()

    async def inflict(self, fault):
        since = time.monotonic()
        how, _ = self.KINDS[fault.kind]
        await how(self, fault)
        self.faults += 1
        await self.wait_writes(fault.kind)
        pause = self.longest_pause(since)
        self.away[fault.kind].append(pause)
        if self.args.verbose:
            print(f"{time.monotonic() - self.judge.began:.2f} s: healed; {pause:.3f} s without an acknowledged write")
        # Now and then the next fault comes while the last one's victim is still coming back.
        if fault.dice % 3:
            await self.wait_all(fault.kind)

    async def prepare(self):
        s = zk.Session("prepare", 0, 20000, self.judge, self.ensemble.addresses(), load.PATIENCE)
        up = asyncio.Event()
        s.on_up = lambda fresh: up.set()
        s.start()
        await asyncio.wait_for(up.wait(), 20)
        for path in ("/r", "/c", "/l", *(f"/r/{i}" for i in range(load.REGISTERS))):
            reply = await s.call(zk.CREATE, zk.create(path))
            if reply is None or reply.err != zk.OK:
                raise zkd_node.NodeError(f"create {path}: {reply}")
        await s.close()

    async def report(self):
        while True:
            await asyncio.sleep(5)
            acks, reads = sum(w.acks for w in self.writers), sum(r.reads for r in self.readers)
            print(
                f"{time.monotonic() - self.judge.began:.0f} s: {self.faults} faults, {acks} writes, {reads} reads, "
                f"{self.lock.grants} locks, {self.judge.count} violations",
                flush=True,
            )

    def plan(self):
        rng = random.Random(self.args.seed)
        kinds = [k for k in self.KINDS if not self.args.only or k in self.args.only]
        if not self.args.own_disks:
            kinds = [k for k in kinds if k not in self.OF_HARDWARE]
        if "zkd" not in self.args.servers:
            kinds = [k for k in kinds if k not in self.OF_DISKS]
        if "apache" in self.args.servers or not zkd_node.debug_build():
            kinds = [k for k in kinds if k != "lose messages"]
        weights = [self.KINDS[k][1] for k in kinds]
        while True:
            kind = rng.choices(kinds, weights)[0]
            hold = min(HOLD_SECONDS_MAX, 0.3 + rng.expovariate(1 / HOLD_SECONDS))
            yield Fault(kind, rng.uniform(0.1, 1.0), hold, rng.randrange(1 << 30))

    def interrupt(self):
        if self.interrupted:
            raise KeyboardInterrupt
        print("interrupted: the faults end, the checks begin", flush=True)
        self.interrupted = True

    async def run(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.interrupt)
        self.ensemble.start()
        await self.in_thread(self.ensemble.wait_serving)
        tasks = [asyncio.ensure_future(self.machine.watch_loop())]
        await self.prepare()
        for c in self.clients():
            c.start()
        await self.wait_writes("the start")
        tasks.append(asyncio.ensure_future(self.report()))
        self.stock_taken = time.monotonic()
        end = self.stock_taken + self.args.seconds
        for fault in self.plan():
            if time.monotonic() >= end or self.interrupted:
                break
            await asyncio.sleep(fault.pause)
            if self.args.verbose:
                leader = self.ensemble.leader()
                print(f"{time.monotonic() - self.judge.began:.2f} s: {fault.kind}, leader {leader and leader.number}")
            await self.inflict(fault)
            if time.monotonic() - self.stock_taken > STOCK_SECONDS:
                await self.take_stock()
        await self.wait_writes("everything")
        await self.wait_all("everything")
        await self.finish()
        for task in tasks:
            task.cancel()
        self.machine.running = False

    async def finish(self):
        for c in self.clients():
            c.session.running = False
        await asyncio.sleep(0.5)
        for c in self.clients():
            await c.stop()
        await self.check_servers()

    async def check_servers(self):
        try:
            states = [await self.read_server(s) for s in self.ensemble.servers]
        except asyncio.TimeoutError:
            self.judge.violation("settling", "a server cannot be read at the end")
            states = []
        holed = {n for n, s in enumerate(self.ensemble.servers, 1) if has_lost_its_log_writer(s)}
        whole = [state for n, state in enumerate(states, 1) if n not in holed]
        self.history.check(whole)
        for n, state in enumerate(states, 1):
            self.check_created(n, state, "log writer" if n in holed else "lost")
            if n in holed and whole and state != whole[0]:
                self.judge.violation("log writer", f"server {n} differs from those whose log is whole")
        return states

    def check_created(self, n, state, promise):
        for w in self.writers:
            for path, zxid in w.created.items():
                if path not in state:
                    self.judge.violation(promise, f"{path} (0x{zxid:x}) is not on server {n}")

    async def read_server(self, server):
        """path -> (data, version, mzxid) of every znode that the writers made, behind a sync."""
        s = zk.Session(f"final-{server.number}", 0, 20000, self.judge, [server_address(server)])
        up = asyncio.Event()
        s.on_up = lambda fresh: up.set()
        s.start()
        await asyncio.wait_for(up.wait(), 20)
        await s.call(zk.SYNC, zk.ustring("/"))
        paths = [f"/r/{i}" for i in range(load.REGISTERS)]
        reply = await s.call(zk.GET_CHILDREN, zk.path_watch("/c"))
        paths += [f"/c/{name}" for name in zk.take_children(reply.body)]
        found = {}
        for first in range(0, len(paths), READ_AHEAD):
            some = paths[first : first + READ_AHEAD]
            replies = await asyncio.gather(*(s.call(zk.GET_DATA, zk.path_watch(path)) for path in some))
            for path, reply in zip(some, replies):
                data, stat = zk.take_data(reply.body)
                found[path] = (data or None, stat.version, stat.mzxid)
        await s.close()
        return found

    def print_result(self):
        print(f"seed {self.args.seed}, {self.faults} faults; longest time without an acknowledged write, median and worst:")
        for kind, times in sorted(self.away.items()):
            print(f"  {kind:14} {len(times):4} times  {statistics.median(times):7.3f} s  {max(times):7.3f} s")
        print(
            f"{self.history.nwrites} writes and {self.history.nreads} reads on record, "
            f"{sum(w.events for w in self.watchers)} events, {self.lock.grants} locks, worst stall {self.machine.worst:.2f} s"
        )
        return print_promises(PROMISES, self.judge, self.forgiving())


def has_lost_its_log_writer(server):
    """
    ZooKeeper 3.8.0 applies what its leader commits before its own log has it. When the leader goes meanwhile, the thread
    that writes the log dies over the ACK that it cannot send (ZOOKEEPER-4409), with all that it had still to write; the
    server lives on without, logs what comes behind, and at its next start the hole is lost data. One whose leader left
    something out is not excused: it says what it expected.
    """
    path = os.path.join(server.folder, "zookeeper.log")
    if server.kind != "apache" or not os.path.exists(path):
        return False
    with open(path, errors="replace") as f:
        said = f.read()
    jumps = re.findall(r"Got zxid 0x(\w+) expected 0x(\w+)", said)
    # The first that it hears of a leader, and the first of an epoch, it does not expect.
    skipped = [zxid for zxid, expected in jumps if expected != "1" and not zxid.endswith("00000001")]
    return not skipped and "Severe unrecoverable error, from thread : SyncThread" in said


def print_promises(promises, judge, forgiving=()):
    """The number of those that were broken, but for those which the ensemble cannot keep."""
    failed = 0
    for name, text in promises.items():
        broken = judge.violations.get(name, [])
        forgiven = name in forgiving
        failed += bool(broken) and not forgiven
        word = "ok" if not broken else "known" if forgiven else "FAILED"
        print(f"{word:6} {text}" + (f" ({len(broken)} times)" if broken else ""))
    print(f"{len(promises) - failed} passed, {failed} failed")
    return failed


def server_address(server):
    return server.ensemble.addresses()[server.number - 1]


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--servers", type=lambda s: s.split(","), default=["zkd"] * 3, help="the kind of each")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--only", type=lambda s: s.split(","), default=None, help="kinds of faults")
    parser.add_argument("--keep-logs", metavar="FOLDER", help="copy the servers' logs there at the end")
    parser.add_argument("--verbose", action="store_true", help="a line for each fault")
    args = parser.parse_args(argv)
    args.observers = [n for n, s in enumerate(args.servers, 1) if s.endswith(":observer")]
    args.servers = [s.removesuffix(":observer") for s in args.servers]
    if any(s not in KINDS for s in args.servers):
        parser.error(f"a server is one of {', '.join(KINDS)}, with :observer behind it if it does not vote")
    lacking = machine.lacks_disks()
    args.own_disks = lacking is None
    if lacking is not None:
        print(f"NOT TESTED: {', '.join(Chaos.OF_HARDWARE)}: {lacking}")
    if args.only and any(k not in Chaos.KINDS for k in args.only):
        parser.error(f"a fault is one of {', '.join(Chaos.KINDS)}")
    return args


def keep_logs(ensemble, folder):
    os.makedirs(folder, exist_ok=True)
    for server in ensemble.servers:
        for log in ("zkd.log", "zookeeper.log"):
            path = os.path.join(server.folder, log)
            if os.path.exists(path):
                shutil.copy(path, os.path.join(folder, f"{server.number}-{log}"))


def main(args, kind_of_run):
    why = netlab.usable()
    if why is not None:
        print(f"skipped: {why}")
        return SKIPPED
    netlab.enter()
    print(" ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]), flush=True)
    run = kind_of_run(args)
    try:
        asyncio.run(run.run())
    finally:
        if args.keep_logs:
            keep_logs(run.ensemble, args.keep_logs)
        run.ensemble.close()
    return 1 if run.print_result() else 0


if __name__ == "__main__":
    sys.exit(main(parse(sys.argv[1:]), Chaos))
