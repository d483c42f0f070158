#!/usr/bin/python3
"""Replaces the servers of a live Apache ensemble by zkd nodes, one at a time, and back again, under load.

usage: rolling.py [--servers N] [--empty] [--load SECONDS] [--from KIND --to KIND] [--one-way]

Each server runs on a machine of its own (a network namespace). Writers, lock holders and watchers
(tests/lib/ensemble_load.py) work all the time. In each step one server is stopped in the orderly way, and a server of
the other kind is started in its place, on its data folder, or with --empty on an empty one; the step ends when that one
serves and every server holds the same. Followers go first and the leader last, as the operators of ZooKeeper do it.

The table tells for each step: seconds from the stop to "in sync", the longest time without an acknowledged write, calls
whose connection was lost under them (a client retries these), writes lost, and whether all servers agree. At the end the
history of all calls is checked. The last line is "N passed, N failed"; the status is 1 if any failed, 77 where there can
be no network namespaces.
"""

import argparse
import asyncio
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import ensemble_chaos as chaos  # noqa: E402
import netlab  # noqa: E402
import zkd_node  # noqa: E402
from ensemble import KINDS  # noqa: E402

REFUSED_SECONDS = 2.0  # of writes, in each step
SERVE_SECONDS = 60.0
PROMISES = {
    **{k: v for k, v in chaos.PROMISES.items() if k not in ("recovery", "settling")},
    "refused": f"writes are refused for at most {REFUSED_SECONDS:.0f} s in a step",
    "digests": "the servers hold the same at every step",
    "steps": "every server comes back in sync",
}


class Rolling(chaos.Chaos):
    def __init__(self, args):
        args.only, args.verbose, args.observers, args.own_disks = None, False, [], False
        super().__init__(args)
        self.rows = []
        self.kinds_seen |= {args.to}

    def lost_calls(self):
        return sum(c.lost for c in self.clients())

    async def replace(self, server, kind):
        began, lost = time.monotonic(), self.lost_calls()
        was_leader = server is await self.in_thread(self.ensemble.leader)
        old = server.kind
        await self.in_thread(server.stop)
        server.make(kind)
        if self.args.empty:
            server.wipe()
        server.launch()
        try:
            await self.in_thread(lambda: zkd_node.wait_until(server.mode, SERVE_SECONDS, f"server {server.number} serves"))
            await self.in_thread(lambda: self.ensemble.wait_serving(SERVE_SECONDS))
        except zkd_node.NodeError as e:
            self.judge.violation("steps", f"server {server.number} as {kind}: {e}")
        took = time.monotonic() - began
        await asyncio.sleep(self.args.load)
        pause = self.longest_pause(began)
        if pause > REFUSED_SECONDS + self.machine.leave(began):
            self.judge.violation("refused", f"no write for {pause:.2f} s when server {server.number} became {kind}")
        same = await self.compare()
        self.rows.append((server.number, old, kind, was_leader, took, pause, self.lost_calls() - lost, same))
        print(self.show_row(self.rows[-1]), flush=True)

    async def compare(self):
        """Whether every server holds the same: the clients pause meanwhile."""
        for w in self.writers:
            w.paused = True
        while any(w.in_flight for w in self.writers):
            await asyncio.sleep(0.01)
        states = [await self.read_server(s) for s in self.ensemble.servers]
        for w in self.writers:
            w.paused = False
        same = all(s == states[0] for s in states)
        if not same:
            self.judge.violation("digests", f"servers {[len(s) for s in states]} differ")
        return same

    def show_row(self, row):
        number, old, new, was_leader, took, pause, lost, same = row
        part = "leader" if was_leader else "follower"
        return (
            f"server {number} {part:8} {old:>6} -> {new:6} {took:7.2f} s  writes paused {pause:6.3f} s  "
            f"{lost:4} calls retried  {'same' if same else 'DIFFERENT'}"
        )

    async def order(self):
        """The followers first."""
        leader = await self.in_thread(self.ensemble.leader)
        return sorted(self.ensemble.servers, key=lambda s: (s is leader, s.number))

    async def run(self):
        self.ensemble.start()
        await self.in_thread(self.ensemble.wait_serving)
        tasks = [asyncio.ensure_future(self.machine.watch_loop())]
        await self.prepare()
        for c in self.clients():
            c.start()
        await self.wait_writes("the start")
        await asyncio.sleep(self.args.load)
        for kind in (self.args.to,) if self.args.one_way else (self.args.to, self.args.origin):
            for server in await self.order():
                await self.replace(server, kind)
        await self.finish()
        for task in tasks:
            task.cancel()
        self.machine.running = False

    def print_result(self):
        print(
            f"{len(self.history.writes)} writes and {len(self.history.reads)} reads on record, "
            f"{sum(w.events for w in self.watchers)} events, {self.lock.grants} locks"
        )
        return chaos.print_promises(PROMISES, self.judge, self.forgiving())


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--from", dest="origin", choices=KINDS, default="apache")
    parser.add_argument("--to", choices=KINDS, default="zkd")
    parser.add_argument("--one-way", action="store_true", help="do not go back")
    parser.add_argument("--empty", action="store_true", help="each new server begins with an empty folder")
    parser.add_argument("--load", type=float, default=3.0, help="seconds of load between the steps")
    parser.add_argument("--keep-logs", metavar="FOLDER")
    args = parser.parse_args(argv)
    args.servers = [args.origin] * args.servers
    return args


if __name__ == "__main__":
    sys.exit(chaos.main(parse(sys.argv[1:]), Rolling))
