#!/usr/bin/python3
"""Replaces the servers of a live Apache ensemble by zkd nodes, one at a time, and back again, under load.

usage: rolling.py [--servers N] [--empty] [--load SECONDS] [--from KIND --to KIND] [--one-way]

Each server runs on a machine of its own (a network namespace). Writers, lock holders and watchers
(tests/lib/ensemble_load.py) work all the time. In each step one server is stopped in the orderly way, and a server of
the other kind is started in its place, on its data folder, or with --empty on an empty one; the step ends when that one
serves and every server holds the same. Followers go first and the leader last, as the operators of ZooKeeper do it.

The table tells for each step: seconds from the stop until the new server serves in sync; seconds for which writes were
refused (the longest time without an acknowledged one); calls whose connection was lost under them (a client retries
these); acknowledged writes that some server does not have; and the digest of the whole tree, with every Stat and ACL,
where all servers have the same, while the writers and the rivals for the lock pause. No server may have counted a digest
mismatch. At the end the history of all calls is checked. The last line is "N passed, N failed"; the status is 1 if any
failed, 77 where there can be no network namespaces.
"""

import argparse
import asyncio
import collections
import hashlib
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import ensemble_chaos as chaos  # noqa: E402
import netlab  # noqa: E402
import zkd_node  # noqa: E402
import zkpipe as zk  # noqa: E402
from ensemble import KINDS  # noqa: E402

REFUSED_SECONDS = 2.0  # of writes, in each step
SERVE_SECONDS = 60.0
PROMISES = {
    **{k: v for k, v in chaos.PROMISES.items() if k not in ("recovery", "settling")},
    "refused": f"writes are refused for at most {REFUSED_SECONDS:.0f} s in a step",
    "digests": "the servers hold the same at every step, and none counts a mismatch",
    "steps": "every server comes back in sync",
}
# Each server writes the member list into its tree when it starts, no transaction does: its time is the server's own.
OWN_TIME = "/zookeeper/config"
READS = 64  # at once
GET_ACL = 6

Step = collections.namedtuple("Step", "server part old new seconds refused retried lost digest")
HEADER = f"{'server':>6} {'was':8} {'from':>6} {'to':6} {'seconds':>8} {'refused':>8} {'retried':>7} {'lost':>4}  digest of the tree"


class Rolling(chaos.Chaos):
    def __init__(self, args):
        args.only, args.verbose, args.observers, args.own_disks = None, False, [], False
        super().__init__(args)
        self.steps = []
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
        digest, missing = await self.compare()
        part = "leader" if was_leader else "follower"
        self.steps.append(Step(server.number, part, old, kind, took, pause, self.lost_calls() - lost, missing, digest))
        print(self.show(self.steps[-1]), flush=True)

    async def compare(self):
        """The digest that every server has, or what they differ in; acknowledged creates that are not everywhere."""
        self.pause(True)
        while any(w.in_flight for w in self.writers) or any(r.fighting for r in self.rivals):
            await asyncio.sleep(0.01)
        trees = [await self.read_tree(s) for s in self.ensemble.servers]
        created = [path for w in self.writers for path in w.created]
        self.pause(False)
        missing = sum(path not in tree for path in created for tree in trees)
        differ = sorted({path for tree in trees for path in tree.keys() | trees[0].keys() if tree.get(path) != trees[0].get(path)})
        for server in self.ensemble.servers:
            mismatches = await self.in_thread(lambda: self.mismatches(server))
            if mismatches:
                self.judge.violation("digests", f"server {server.number} counts {mismatches} digest mismatches")
        if missing:
            self.judge.violation("lost", f"{missing} acknowledged creates are not there")
        if differ:
            self.judge.violation("digests", f"{len(differ)} znodes differ: {[(p, [t.get(p) for t in trees]) for p in differ[:3]]}")
            return f"DIFFERENT: {', '.join(differ[:3])}", missing
        return hashlib.sha256(repr(sorted(trees[0].items())).encode()).hexdigest()[:16], missing

    def pause(self, paused):
        for c in (*self.writers, *self.rivals):
            c.paused = paused

    @staticmethod
    def mismatches(server):
        """What a server's own digests have told it; 0 also where it does not say."""
        for line in server.node.word("mntr").splitlines():
            if line.startswith("zk_digest_mismatches_count\t"):
                return int(line.split("\t")[1])
        return 0

    async def read_tree(self, server):
        """path -> (data, Stat, ACL) of every znode, behind a sync."""
        s = zk.Session(f"tree-{server.number}", 0, 20000, self.judge, [chaos.server_address(server)])
        up = asyncio.Event()
        s.on_up = lambda fresh: up.set()
        s.start()
        await asyncio.wait_for(up.wait(), 20)
        await s.call(zk.SYNC, zk.ustring("/"))
        tree, todo = {}, ["/"]
        while todo:
            todo, paths = todo[READS:], todo[:READS]
            for path, (node, children) in zip(paths, await asyncio.gather(*(self.read_node(s, p) for p in paths))):
                tree[path] = node
                todo += children
        await s.close()
        return tree

    async def read_node(self, s, path):
        data, acl, children = await asyncio.gather(
            s.call(zk.GET_DATA, zk.path_watch(path)), s.call(GET_ACL, zk.ustring(path)), s.call(zk.GET_CHILDREN, zk.path_watch(path))
        )
        names = zk.take_children(children.body) if children.err == zk.OK else []
        content = zk.take_data(data.body) if data.err == zk.OK else data.err
        if path == OWN_TIME:
            content = content[0], content[1]._replace(mtime=0)
        return (content, acl.err, acl.body[: -zk.STAT.size]), [f"{path.rstrip('/')}/{name}" for name in names]

    @staticmethod
    def show(s):
        return (
            f"{s.server:6} {s.part:8} {s.old:>6} {s.new:6} {s.seconds:8.2f} {s.refused:8.3f} {s.retried:7} {s.lost:4}  {s.digest}"
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
        print(HEADER, flush=True)
        for kind in (self.args.to,) if self.args.one_way else (self.args.to, self.args.origin):
            for server in await self.order():
                await self.replace(server, kind)
        await self.finish()
        for task in tasks:
            task.cancel()
        self.machine.running = False

    def print_result(self):
        print(
            f"{len(self.steps)} steps, writes refused for at most {max(s.refused for s in self.steps):.3f} s in one; "
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
