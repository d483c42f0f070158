"""zkd beside Apache ZooKeeper 3.8: the same bytes go to both, and what they answer must be the same bytes."""

import os
import random

import pytest

import apache_node
import cases
import differential
import zkwire as z

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

# The random part: its seed can be given, its length too.
SEED = int(os.environ.get("ZKD_SEED", "1"))
STEPS = int(os.environ.get("ZKD_STEPS", "400"))


def run(node, case, root):
    recorder = differential.Recorder(node.port, root)
    try:
        case(recorder)
    except AssertionError:  # what the case itself demands, of both
        raise
    except Exception as e:
        recorder.lines.append(f"{type(e).__name__}: {e}")
    finally:
        recorder.finish()
    return recorder.lines


def compare(ours, theirs, case, root):
    left, right = run(ours, case, root), run(theirs, case, root)
    parted = differential.difference(left, right)
    if parted:
        pytest.fail(f"{case.__name__}\n{parted}", pytrace=False)
    assert left, "a case that looks at nothing"


def test_a_fresh_server(ours, theirs):
    """The nodes that a server is born with, before any case has changed them."""

    def fresh(r):
        s = r.open()
        for path in ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"):
            s.call(z.GET_DATA, z.path_watch(path))
            s.call(z.GET_CHILDREN2, z.path_watch(path))
            s.call(z.GET_ACL, z.path_only(path))
            s.call(z.GET_ALL_CHILDREN_NUMBER, z.path_only(path))
        s.close()

    compare(ours, theirs, fresh, "")


@pytest.mark.parametrize("case", cases.CASES, ids=lambda c: c.__name__)
def test_case(ours, theirs, case):
    compare(ours, theirs, case, f"/{case.__name__}")


def random_operation(rng, paths, sequenced):
    """(op, body) of something that may or may not succeed."""
    path = rng.choice(paths)
    version = rng.choice([-1, -1, -1, 0, 1, 2])
    data = bytes(rng.randrange(256) for _ in range(rng.randrange(6)))
    acl = rng.choice([z.OPEN_ACL] * 4 + [[(z.READ, "world", "anyone")], [(z.ALL, "ip", "127.0.0.1")]])
    watch = rng.random() < 0.3
    flags = rng.choice([0, 0, 0, 1, 2, 3] if sequenced else [0, 0, 0, 1])
    choices = [
        (z.CREATE, z.create(path, data, acl, flags)),
        (z.CREATE, z.create(path, data, acl, flags)),
        (z.CREATE2, z.create(path, data, acl, flags)),
        (z.DELETE, z.path_version(path, version)),
        (z.SET_DATA, z.set_data(path, data, version)),
        (z.SET_DATA, z.set_data(path, data, version)),
        (z.SET_ACL, z.set_acl(path, acl, version)),
        (z.EXISTS, z.path_watch(path, watch)),
        (z.GET_DATA, z.path_watch(path, watch)),
        (z.GET_CHILDREN, z.path_watch(path, watch)),
        (z.GET_CHILDREN2, z.path_watch(path, watch)),
        (z.GET_ACL, z.path_only(path)),
        (z.GET_ALL_CHILDREN_NUMBER, z.path_only(path)),
        (z.REMOVE_WATCHES, z.path_int(path, 3)),
    ]
    return rng.choice(choices)


def random_multi(rng, paths):
    ops = []
    for _ in range(rng.randrange(1, 6)):
        op, body = random_operation(rng, paths, True)
        if op in (z.CREATE, z.DELETE, z.SET_DATA):
            ops.append((op, body))
        else:
            ops.append((z.CHECK, z.path_version(rng.choice(paths), rng.choice([-1, 0, 1]))))
    return z.MULTI, z.multi(*ops)


@pytest.mark.parametrize("seed", [SEED, SEED + 1, SEED + 2])
def test_random(ours, theirs, seed):
    """
    Three sessions over a small tree: creates, deletes, watches, ACLs, multis, as the seed has it. A fourth has the
    persistent watches, one kind for each path: 3.8.0 lets a path have only one kind of watch for each connection.
    """
    rng = random.Random(seed)
    root = f"/random{seed}"
    paths = [root] + [f"{root}/{a}" for a in "abc"] + [f"{root}/{a}/{b}" for a in "ab" for b in "xy"] + [f"{root}/a/x/deep"]
    plan = []
    for _ in range(STEPS):
        if rng.random() < 0.1:
            path = rng.choice(paths)
            add = z.ADD_WATCH, z.path_int(path, len(path) % 2)
            plan.append((3, *(add if rng.random() < 0.7 else (z.REMOVE_WATCHES, z.path_int(path, 3)))))
        who = rng.randrange(3)
        plan.append((who, *(random_multi(rng, paths) if rng.random() < 0.15 else random_operation(rng, paths, True))))

    def play(r):
        sessions = [r.open() for _ in range(4)]
        for who, op, body in plan:
            sessions[who].call(op, body)
            # what the others are told is taken before the next step, so that its place is certain
            for other in sessions:
                if other is not sessions[who]:
                    other.call(z.SYNC, z.path_only("/"))
        for s in sessions:
            s.close()

    compare(ours, theirs, play, root)


@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_random_pipelined(ours, theirs, seed):
    """
    One session that does not wait: bursts of requests of every kind, whose answers and watch events must come in the
    same order from both. What is prepared sees what is not yet committed. Without setACL: Java's prep goes by the old
    list until the new one is committed, zkd's by the new one at once.
    """
    rng = random.Random(1000 + seed)
    root = f"/burst{seed}"
    paths = [root] + [f"{root}/{a}" for a in "abc"] + [f"{root}/a/{b}" for b in "xy"]
    bursts = []
    for _ in range(STEPS // 10):
        burst = [
            random_multi(rng, paths) if rng.random() < 0.15 else random_operation(rng, paths, True)
            for _ in range(rng.randrange(1, 60))
        ]
        bursts.append([(op, body) for op, body in burst if op != z.SET_ACL])

    def play(r):
        s = r.open()
        r.masks.exact_times = False
        for burst in bursts:
            asked = {s.wire.send(op, body): op for op, body in burst}
            while asked:
                reply = s.wire.receive()
                s.take(reply, None if reply is None else asked.pop(reply.xid, None))
                if reply is None:
                    return
        s.close()

    compare(ours, theirs, play, root)
