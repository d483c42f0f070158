"""ZooKeeper's files, both ways: what one server wrote the other reads, with every znode, stat, ACL and session."""

import os
import random
import shutil
import time

import apache_node
import pytest
import zkd_node
import zkwire as z

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

KEYS = {"snapCount": 100, "extendedTypesEnabled": "true", "tickTime": 2000, "maxSessionTimeout": 600000}


def zkd(folder):
    return zkd_node.Node(folder=folder, keys=KEYS)


def apache(folder):
    return apache_node.ApacheNode(folder=folder, keys=KEYS, properties={"zookeeper.snapCount": "100"})


def dump(node):
    """{path: (data, ACL and stat as bytes)} of all that is in the tree, and the zxid that a session's opening has."""
    tree = {}
    with z.Wire(node.port) as w:
        w.connect(timeout_ms=30000)
        todo = ["/"]
        while todo:
            path = todo.pop()
            data = w.call(z.GET_DATA, z.path_watch(path))[1]
            acl = w.call(z.GET_ACL, z.path_only(path))[1]
            names = w.call(z.GET_CHILDREN, z.path_watch(path))[1].body()
            tree[path] = data.frame[12:], acl.frame[12:]
            todo += [f"{path.rstrip('/')}/{n.decode()}" for n in names.vector(names.buffer)]
        zxid = data.zxid
        w.call(z.CLOSE_SESSION)
    return tree, zxid


def differing(a, b):
    """The paths at which two dumps differ, with what both say."""
    return {path: (a.get(path), b.get(path)) for path in {*a, *b} if a.get(path) != b.get(path)}


def digest_mismatches(node):
    """What `mntr` counts, with the lines of the log that name them."""
    if "zk_digest_mismatches_count\t0\n" in node.word("mntr"):
        return ""
    return "".join(line for line in node.log_end(1000).splitlines(True) if "igest" in line) or "counted, not logged"


def fill(node, seed, steps):
    """Writes of every kind. Returns a session left open, with an ephemeral: (id, password)."""
    rng = random.Random(seed)
    w = z.Wire(node.port)
    w.connect(timeout_ms=600000)
    w.call(z.AUTH, z.auth("digest", b"bob:secret"), z.XID_AUTH)
    root = f"/s{seed}"
    w.call(z.CREATE, z.create(root, b"root"))
    w.call(z.CREATE, z.create(f"{root}/eph", b"e", flags=1))
    w.call(z.CREATE_CONTAINER, z.create(f"{root}/container", b"", flags=4))
    w.call(z.CREATE, z.create(f"{root}/container/child"))
    w.call(z.CREATE_TTL, z.create_ttl(f"{root}/ttl", b"t", ttl=1 << 30))
    w.call(z.CREATE, z.create(f"{root}/null", None))
    w.call(z.CREATE, z.create(f"{root}/mine", b"m", [(z.ALL, "auth", ""), (z.READ, "ip", "127.0.0.1")]))
    w.call(z.CREATE, z.create(f"{root}/\u00e9\u20ac", "\u00fc"))
    paths = [f"{root}/{i}" for i in range(20)]
    for i in range(steps):
        path, data = rng.choice(paths), bytes(rng.randrange(256) for _ in range(rng.randrange(40)))
        op, body = rng.choice(
            [
                (z.CREATE, z.create(path, data)),
                (z.CREATE, z.create(f"{root}/q-", data, flags=2)),
                (z.SET_DATA, z.set_data(path, data)),
                (z.SET_DATA, z.set_data(path, data, 1)),
                (z.DELETE, z.path_version(path)),
                (z.SET_ACL, z.set_acl(path, [(z.ALL, "world", "anyone"), (z.READ, "ip", f"10.0.0.{i % 7}")])),
                (z.MULTI, z.multi((z.SET_DATA, z.set_data(path, data)), (z.CREATE, z.create(f"{path}/x", b"")))),
                (z.MULTI, z.multi((z.CREATE, z.create(f"{root}/m{i}")), (z.CHECK, z.path_version(path, 3)))),
            ]
        )
        assert w.call(op, body)[1] is not None
    other = z.Wire(node.port)
    other.connect(timeout_ms=30000)
    other.call(z.CREATE, z.create(f"{root}/gone", b"", flags=1))
    other.call(z.CLOSE_SESSION)
    w.close()
    return w.session, w.passwd


def check_session(node, session, path):
    """The session of before lives, and owns its ephemeral; closing it takes that away."""
    with z.Wire(node.port) as w:
        w.connect(session=session[0], passwd=session[1], timeout_ms=600000)
        assert w.session == session[0]
        stat = w.call(z.EXISTS, z.path_watch(path))[1].body().stat()
        assert stat["ephemeralOwner"] == session[0]
        w.call(z.CLOSE_SESSION)
    with z.Wire(node.port) as w:
        w.connect()
        assert w.call(z.EXISTS, z.path_watch(path))[1].err == -101
        w.call(z.CLOSE_SESSION)


def snapshots(folder):
    names = os.listdir(os.path.join(folder, "data", "version-2"))
    return [n for n in names if n.startswith("snapshot.") and n != "snapshot.0"]


def hand_over(tmp_path, first, second, seed, steps, end):
    """first writes, ends by `end` (stop or kill), second reads: the same tree, the same next zxid."""
    folder = str(tmp_path / "node")
    os.makedirs(folder)
    os.chmod(tmp_path, 0o755)
    node = first(folder)
    node.start()
    try:
        session = fill(node, seed, steps)
        before, zxid = dump(node)
        # a snapshot that was begun gets the time to be finished
        time.sleep(0.5)
        end(node)
    finally:
        node.close()
    node = second(folder)
    node.start()
    try:
        after, later = dump(node)
        assert differing(before, after) == {}
        # the dump's own session: opened and closed before, opened now
        assert later == zxid + 2
        # Each txn carries the digest that the tree has after it, and both servers compare.
        assert digest_mismatches(node) == ""
        check_session(node, session, f"/s{seed}/eph")
    finally:
        node.close()
        shutil.rmtree(folder)


def stop(node):
    node.stop()


def kill(node):
    getattr(node, "kill", node.stop)()


@pytest.mark.parametrize("end", [stop, kill])
@pytest.mark.parametrize("steps", [30, 700])
def test_apache_reads_what_zkd_wrote(tmp_path, steps, end):
    hand_over(tmp_path, zkd, apache, 1, steps, end)


@pytest.mark.parametrize("steps", [30, 700])
def test_zkd_reads_what_apache_wrote(tmp_path, steps):
    hand_over(tmp_path, apache, zkd, 2, steps, stop)


@pytest.mark.parametrize("end", [stop, kill])
def test_zkd_reads_what_zkd_wrote(tmp_path, end):
    hand_over(tmp_path, zkd, zkd, 3, 400, end)


def test_there_and_back(tmp_path):
    """Four servers in turn over one folder, each adding to what the one before it left."""
    folder = str(tmp_path / "node")
    os.makedirs(folder)
    os.chmod(tmp_path, 0o755)
    last = None
    for turn, make in enumerate([zkd, apache, zkd, apache]):
        node = make(folder)
        node.start()
        try:
            if last is not None:
                now, _ = dump(node)
                assert differing(last, now) == {}
            fill(node, 10 + turn, 250)
            last, _ = dump(node)
            time.sleep(0.5)
            node.stop()
        finally:
            node.close()
        assert snapshots(folder), "no snapshot was taken, so none was tested"
