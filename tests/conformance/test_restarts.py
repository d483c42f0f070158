"""
The same requests to Apache ZooKeeper, which is left in peace, and to zkd, whose parts are killed in between: after every
death zkd must go on as if nothing had been, with the same zxids, stats and sessions.
"""

import random
import signal
import time

import apache_node
import differential
import pytest
import zkwire as z
from test_differential import SEED, random_multi, random_operation

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

STEPS = 60  # requests between two deaths
REATTACH_SECONDS = 10


def kill_daemon(name):
    def kill(node):
        old = node.signal(name, signal.SIGKILL)
        node.wait_restarted(name, old)

    kill.__name__ = f"kill_{name}"
    return kill


def hang_daemon(name):
    def hang(node):
        old = node.signal(name, signal.SIGSTOP)
        node.wait_restarted(name, old)

    hang.__name__ = f"hang_{name}"
    return hang


def kill_all(node):
    node.kill()
    node.start()


def stop_and_start(node):
    node.stop()
    node.start()


DEATHS = [
    *(kill_daemon(name) for name in ("clientd", "logd", "syncd", "electiond")),
    *(hang_daemon(name) for name in ("clientd", "logd", "syncd")),
    kill_all,
    stop_and_start,
]


@pytest.fixture(scope="module")
def ours(make_node):
    """As conftest's, but its daemons are meant to be restarted. Snapshots are frequent, so that they are loaded too."""
    with make_node(snapCount=150) as n:
        yield n


def reattach(r, old):
    """The same session on a new connection, as soon as the server takes it. What fails before is not written down."""
    old.drop()
    end = time.monotonic() + REATTACH_SECONDS
    while True:
        s = differential.Session(r, old.number)
        try:
            frame = s.wire.connect(session=old.wire.session, passwd=old.wire.passwd, timeout_ms=30000)
        except OSError:
            frame = None
        if frame is not None or time.monotonic() > end:
            s.note("reattach", None if frame is None else r.masks.connect(frame))
            s.wire.xid = old.wire.xid
            return s
        s.wire.close()
        time.sleep(0.02)


def make_plan(seed, root, rounds):
    rng = random.Random(seed)
    paths = [root] + [f"{root}/{a}" for a in "abc"] + [f"{root}/a/{b}" for b in "xy"]
    make = [lambda: random_multi(rng, paths), lambda: random_operation(rng, paths, True)]
    return [[(rng.randrange(3), *make[rng.random() > 0.15]()) for _ in range(STEPS)] for _ in range(rounds)]


def play(r, plan, disturb):
    """Rounds of requests by three sessions, a death after each; then all is read."""
    sessions = [r.open(timeout_ms=30000) for _ in range(3)]
    for number, steps in enumerate(plan):
        for who, op, body in steps:
            sessions[who].call(op, body)
            for other in sessions:
                if other is not sessions[who]:
                    other.call(z.SYNC, z.path_only("/"))
        disturb(number)
        sessions = [reattach(r, s) for s in sessions]
    read_all(sessions[0], r.root)
    for s in sessions:
        s.close()


def read_all(s, path):
    s.call(z.GET_DATA, z.path_watch(path))
    s.call(z.GET_ACL, z.path_only(path))
    reply = s.call(z.GET_CHILDREN2, z.path_watch(path))
    if reply.err == 0:
        r = reply.body()
        for name in sorted(r.vector(r.buffer)):
            read_all(s, f"{path}/{name.decode()}")


def record(node, root, plan, disturb):
    r = differential.Recorder(node.port, root)
    try:
        play(r, plan, disturb)
    except Exception as e:
        r.lines.append(f"{type(e).__name__}: {e}")
    finally:
        r.finish()
    return r.lines


def go_on(ours, theirs, seed, deaths):
    root = f"/restart{seed}"
    plan = make_plan(seed, root, len(deaths))
    # with Apache in zkd's place there is nothing to kill
    kills = hasattr(ours, "signal")
    left = record(ours, root, plan, lambda number: deaths[number](ours) if kills else None)
    right = record(theirs, root, plan, lambda number: None)
    parted = differential.difference(left, right)
    if parted:
        pytest.fail(f"replay with ZKD_SEED={SEED}\n{parted}", pytrace=False)


@pytest.mark.parametrize("number", range(len(DEATHS)), ids=[d.__name__ for d in DEATHS])
def test_one_death_twice(ours, theirs, number):
    go_on(ours, theirs, SEED * 1000 + number, [DEATHS[number]] * 2)


def test_all_deaths(ours, theirs):
    go_on(ours, theirs, SEED * 1000 + 100, random.Random(SEED).sample(DEATHS, len(DEATHS)))
