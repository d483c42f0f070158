#!/usr/bin/env python3
"""
Plays random plans (random_plan) to zkd and to Apache ZooKeeper and compares what each client is told, byte for byte
after masking (random_play), but for the differences that are known (known_differences). On the first other difference it
looks for the shortest plan that shows it and prints that as a script.

usage: random_run.py [--operations N] [--seed N] [--seconds N] [--plan N] [--ensemble zkd,zkd,zkd]
ZKD_BUILD says which build is tested; ZKD_SELF=1 puts a second Apache ZooKeeper in zkd's place, a check of the method;
so does --ensemble apache,apache,apache. Each client of an ensemble comes to another of its servers.
"""

import argparse
import itertools
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import apache_node  # noqa: E402
import ensemble  # noqa: E402
import known_differences  # noqa: E402
import netlab  # noqa: E402
import random_plan  # noqa: E402
import random_play  # noqa: E402
import zkd_node  # noqa: E402
from random_plan import Burst, Storm  # noqa: E402

PLAN_OPERATIONS = 3000
SHRINK_SECONDS = 120


class Pair:
    """Two sides that get the same plans, each a list of servers. play(servers, root, plan) gives the streams."""

    def __init__(self, ours, theirs, play=None):
        self.sides, self.roots = (ours, theirs), itertools.count(1)
        self.play = play or (lambda servers, root, plan: random_play.Player(servers, root).play(plan))
        self.normal = known_differences.Normal()

    def streams(self, plan):
        """Of both, which work at the same time."""
        root, out = f"/r{next(self.roots):06d}", [None, None]

        def run(i):
            try:
                out[i] = self.play(self.sides[i], root, plan)
            except Exception as e:
                out[i] = e

        threads = [threading.Thread(target=run, args=(i,)) for i in (0, 1)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for e in out:
            if isinstance(e, Exception):
                raise e
        return out

    def difference(self, plan):
        """(number of the step, text) of the first difference, None when there is none."""
        ours, theirs = self.streams(plan)
        found = [d for d in (self.parted(slot, a, b) for slot, (a, b) in enumerate(zip(ours, theirs))) if d]
        return min(found) if found else None

    def parted(self, slot, ours, theirs):
        for a, b in itertools.zip_longest(ours, theirs):
            if a != b and not (a and b and self.known(a, b)):
                step = min(e.step for e in (a, b) if e)
                return step, f"step {step}, client {slot}:\n  zkd       {show(a)}\n  ZooKeeper {show(b)}"
        return None

    def known(self, a, b):
        return a.step == b.step and a.what == b.what == "reply" and self.normal.same(a.code, a.data, b.data)


def show(entry):
    if entry is None:
        return "nothing more"
    name = f" to {random_plan.NAMES.get(entry.code, entry.code)}" if entry.code is not None else ""
    err = f" err {known_differences.err(entry.data)}" if entry.what == "reply" else ""
    return f"{entry.what}{name}{err} {entry.data.hex()}"


# making a plan smaller


def without(items, start, count):
    return items[:start] + items[start + count :]


def smaller_lists(items):
    """The list without halves, quarters, ... of it, down to single items."""
    count = len(items) // 2
    while count > 0:
        for start in range(0, len(items), count):
            yield without(items, start, count)
        count //= 2


def smaller_steps(plan):
    """The plan with fewer operations in one of its steps."""
    for i, step in enumerate(plan):
        if isinstance(step, Burst) and len(step.ops) > 1:
            for ops in smaller_lists(step.ops):
                yield [*plan[:i], Burst(step.slot, ops), *plan[i + 1 :]]
        elif isinstance(step, Storm):
            for bursts in smaller_lists(step.bursts):
                yield [*plan[:i], Storm(bursts), *plan[i + 1 :]]
            for k, b in enumerate(step.bursts):
                for ops in smaller_lists(b.ops):
                    bursts = [*step.bursts[:k], Burst(b.slot, ops), *step.bursts[k + 1 :]]
                    yield [*plan[:i], Storm(bursts), *plan[i + 1 :]]


def shrink(pair, plan, found, seconds=SHRINK_SECONDS):
    """The shortest plan found in that time which still parts the two, and how."""
    end, (step, text) = time.monotonic() + seconds, found
    plan = plan[: step + 1] if step < len(plan) else plan
    progress = True
    while progress and time.monotonic() < end:
        progress = False
        for candidates in (smaller_lists, smaller_steps):
            again = True
            while again:
                again = False
                for candidate in candidates(plan):
                    if time.monotonic() >= end:
                        return plan, text
                    parted = pair.difference(candidate)
                    if parted:
                        plan, text, again, progress = candidate, parted[1], True, True
                        break
    return plan, text


def compare(pair, seed, operations, seconds=None, first=0, report=None, least=0):
    """
    Plays plans until so many operations are done, or the time is over and at least so many plans are played.
    (operations done, None or a text).
    """
    begin, done = time.monotonic(), 0
    for number in itertools.count(first):
        over = seconds is not None and time.monotonic() - begin >= seconds and number - first >= least
        if done >= operations or over:
            return done, None
        plan = random_plan.draw_plan(f"{seed}.{number}", min(PLAN_OPERATIONS, operations - done))
        found = pair.difference(plan)
        if found:
            short, text = shrink(pair, plan, found)
            return done, f"seed {seed}, plan {number}\n{random_plan.script(short)}\n{text}"
        done += random_plan.count_ops(plan)
        if report:
            report(number, done, time.monotonic() - begin)


class Together:
    """An ensemble as a node: its clients may come to each of its servers."""

    def __init__(self, kinds):
        properties = {k.removeprefix("zookeeper."): v for k, v in random_play.PROPERTIES.items()}
        self.ensemble = ensemble.Ensemble(kinds, keys={**random_play.KEYS, "extendedTypesEnabled": "true", **properties})
        for s in self.ensemble.servers:
            if s.kind == "apache":  # those without a prefix it takes from its command line alone
                s.node.properties.update(random_play.PROPERTIES)

    def __enter__(self):
        self.ensemble.start()
        self.ensemble.wait_serving()
        return self

    def __exit__(self, *rest):
        self.ensemble.close()


def servers_of(node):
    return node.ensemble.addresses() if isinstance(node, Together) else [(node.host, node.port)]


def make_nodes(kinds=None):
    """(zkd, Apache ZooKeeper), not started. kinds: of the servers of an ensemble in zkd's place."""
    keys = random_play.KEYS
    host = netlab.OWN if kinds else "127.0.0.1"  # so that clients have the same address on both sides
    theirs = apache_node.ApacheNode(keys=keys, properties=random_play.PROPERTIES, host=host)
    if kinds:
        return Together(kinds), theirs
    if os.environ.get("ZKD_SELF"):
        return apache_node.ApacheNode(keys=keys, properties=random_play.PROPERTIES), theirs
    return zkd_node.Node(keys={"extendedTypesEnabled": "true", **keys, **random_play.PROPERTIES}), theirs


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--operations", type=int, default=1000000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--seconds", type=float)
    p.add_argument("--plan", type=int, default=0, help="number of the plan to begin with")
    p.add_argument("--ensemble", type=lambda text: text.split(","), default=[], help="kinds of servers in zkd's place")
    args = p.parse_args()
    if args.ensemble:
        netlab.enter()

    def report(number, done, seconds):
        if number % 10 == 9:
            print(f"{done} operations, {seconds:.0f} s", flush=True)

    ours, theirs = make_nodes(args.ensemble)
    with ours, theirs:
        pair, begin = Pair(servers_of(ours), servers_of(theirs)), time.monotonic()
        done, text = compare(pair, args.seed, args.operations, args.seconds, args.plan, report)
        print(f"{done} operations in {time.monotonic() - begin:.0f} s; known differences met: {dict(pair.normal.seen)}")
        if text:
            print(text)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
