"""Folders that change hands, the corners: nothing in them, a million znodes (ZKD_MILLION=1; `make soak-folders`), packed
snapshots before ZooKeeper's own tools, the next sequential name, a log that a leader had ZooKeeper cut meanwhile."""

import os
import re
import shutil
import subprocess
import time

import apache_node
import pytest
import zkd_node
import zkwire as z
from test_files import differing, digest_mismatches, dump
from test_folders import Folder, Writer

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")


def serve(node, what=lambda n: dump(n)):
    """Starts a node, looks, and stops it in order."""
    node.start()
    try:
        found = what(node)
        assert digest_mismatches(node) == ""
        node.stop()
        return found
    finally:
        node.close()


def folder_at(tmp_path, **how):
    os.chmod(tmp_path, 0o755)
    return Folder(str(tmp_path / "node"), **how)


def files(folder, kind):
    places = [os.path.join(folder.path, "data", "version-2"), os.path.join(folder.path, "logs", "version-2")]
    return sorted(os.path.join(p, n) for p in places if os.path.isdir(p) for n in os.listdir(p) if n.startswith(kind + "."))


@pytest.mark.parametrize("first", ["zkd", "apache"])
def test_empty(tmp_path, first):
    """Started, asked nothing, stopped; then each other in turns, with nothing but the sessions of whoever looks."""
    folder = folder_at(tmp_path)
    serve(getattr(folder, first)(), lambda node: node.word("srvr"))
    last = None
    for kind in (["apache", "zkd"] if first == "zkd" else ["zkd", "apache"]) * 2:
        tree, zxid = serve(getattr(folder, kind)())
        assert tree.keys() == {"/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"}
        assert last is None or (differing(last[0], tree) == {} and zxid == last[1] + 2)
        last = tree, zxid


def next_name(node):
    """Of a sequential znode, and whether it is the same tree behind it."""
    with z.Wire(node.port) as w:
        w.connect(timeout_ms=30000)
        reply = w.call(z.CREATE, z.create("/w/q-", b"", flags=2))[1]
        w.call(z.CLOSE_SESSION)
        return reply.body().buffer()


def fill(node, turns):
    w = Writer(node.port, "w")
    w.prepare()
    for i in range(1, turns + 1):
        w.turn(i)
    w.wire.close()
    time.sleep(0.5)  # a snapshot that was begun is finished


@pytest.mark.parametrize("compression", [None, "gz", "snappy"])
def test_tools_and_sequences(tmp_path, compression):
    """TxnLogToolkit and SnapshotFormatter read every file of ours; the next sequential name is the same under both."""
    folder = folder_at(tmp_path, compression=compression)
    serve(folder.zkd(), lambda node: fill(node, 100))
    version2 = "org.apache.zookeeper.server."
    logs, snapshots = files(folder, "log"), [s for s in files(folder, "snapshot") if not s.endswith(".0")]
    assert len(logs) > 1 and snapshots and all(compression is None or s.endswith(compression) for s in snapshots)
    for tool, names, word in (("persistence.TxnLogToolkit", logs, "session 0x"), ("SnapshotFormatter", snapshots, "ZNode Details")):
        for name in names:
            command = [apache_node.JAVA, "-cp", apache_node.classpath(), version2 + tool, name]
            r = subprocess.run(command, capture_output=True, text=True, timeout=120)
            assert r.returncode == 0 and word in r.stdout and not re.search("CRC ERROR|Exception|truncated", r.stdout + r.stderr), r
    theirs = serve(folder.copy("theirs").apache(), next_name)
    ours = serve(folder.copy("ours").zkd(), next_name)
    assert ours == theirs and re.fullmatch(rb"/w/q-\d{10}", ours)


# a member whose log was cut while ZooKeeper was in its place


def members(tmp_path):
    ports = {n: [zkd_node.free_port() for _ in range(3)] for n in (1, 2, 3)}
    lines = {f"server.{n}": f"127.0.0.1:{p[1]}:{p[2]}" for n, p in ports.items()}
    return {n: ({**lines, "initLimit": 10, "syncLimit": 5, "tickTime": 500}, p[0], str(tmp_path / str(n))) for n, p in ports.items()}


def put_myid(folder, n):
    with open(os.path.join(folder, "data", "myid"), "w") as f:
        f.write(f"{n}\n")


def test_log_cut_meanwhile(tmp_path):
    """
    zkd's log goes beyond what the others have; ZooKeeper takes its place, is told TRUNC, and nothing is written. zkd comes
    back: its mark names a higher zxid than is there. It says so, starts, and follows.
    """
    os.chmod(tmp_path, 0o755)
    group = members(tmp_path)
    keys, port, path = group[3]
    for count in (10, 5):
        with zkd_node.Node(folder=path, keys={"preAllocSize": 64}) as node, z.Wire(node.port) as w:
            w.connect()
            for _ in range(count):
                assert w.call(z.CREATE, z.create("/n-", b"", flags=2))[1].err == 0
        for n in (1, 2) if count == 10 else ():
            shutil.copytree(path, group[n][2], ignore=shutil.ignore_patterns("run", "zkd*", "*.log"))
    for n in group:
        put_myid(group[n][2], n)
    servers = {n: apache_node.ApacheNode(folder=group[n][2], port=group[n][1], keys=group[n][0]) for n in group}
    back = zkd_node.Node(folder=path, port=port, keys=keys)
    try:
        for n in (1, 2):
            servers[n].launch()
        two = servers[1], servers[2]
        zkd_node.wait_until(lambda: all("Mode: " in s.word("srvr", 1.0) for s in two), 180, "two servers serve")
        servers[3].start()
        servers[3].stop()
        back.start()
        said = back.log_end(200)
        assert "history is shorter than zkd.mark says" in said and "another program was in a later epoch" in said, said
        assert back.mode() == "follower"
        with z.Wire(back.port) as w:
            w.connect()
            assert w.call(z.CREATE, z.create("/after", b"x"))[1].err == 0
            names = w.call(z.GET_CHILDREN, z.path_watch("/"))[1].body()
            assert len([n for n in names.vector(names.buffer) if n.startswith(b"n-")]) == 10
        back.stop()
        back.start()
        assert "history is shorter" not in back.log_end(60).rpartition("no accounts")[2]
        back.stop()
    finally:
        back.close()
        for s in servers.values():
            s.close()


# a million znodes

MILLION = 1000000
AT_ONCE = 500


def write_million(node):
    with z.Wire(node.port, timeout=60.0) as w:
        w.connect(timeout_ms=40000)
        for p in range(1000):
            assert w.call(z.CREATE, z.create(f"/p{p}"))[1].err == 0
            for first in range(0, MILLION // 1000, AT_ONCE):
                ops = [(z.CREATE, z.create(f"/p{p}/{first + i}", b"%0100d" % (first + i))) for i in range(AT_ONCE)]
                assert w.call(z.MULTI, z.multi(*ops))[1].err == 0
        w.call(z.CLOSE_SESSION)


def facts_of(node):
    """What the whole tree is, by `mntr` and a sample of a thousand."""
    mntr = dict(line.split("\t") for line in node.word("mntr", 30.0).splitlines() if "\t" in line)
    with z.Wire(node.port, timeout=30.0) as w:
        w.connect(timeout_ms=20000)
        paths = [f"/p{i}" for i in range(0, 1000, 7)] + [f"/p{i}/{i}" for i in range(1000)]
        sample = {p: (w.call(z.GET_DATA, z.path_watch(p))[1].frame[12:], w.call(z.GET_ACL, z.path_only(p))[1].frame[12:]) for p in paths}
        w.call(z.CLOSE_SESSION)
    return mntr["zk_znode_count"], mntr["zk_approximate_data_size"], sample


@pytest.mark.skipif("ZKD_MILLION" not in os.environ, reason="takes minutes: make soak-folders")
def test_million(tmp_path, monkeypatch):
    """zkd writes them; ZooKeeper reads, adds and is stopped; zkd reads that: counts, bytes and a sample are equal."""
    monkeypatch.setattr(apache_node, "START_SECONDS", 300)
    os.chmod(tmp_path, 0o755)
    path = str(tmp_path / "node")
    os.makedirs(path)
    os.chmod(path, 0o755)

    def zkd():
        return zkd_node.Node(folder=path, keys={"extendedTypesEnabled": "true", "globalOutstandingLimit": 1000})

    def apache():
        return apache_node.ApacheNode(folder=path, heap="3g")

    serve(zkd(), write_million)
    last = None
    for kind in (zkd, apache, zkd, apache, zkd):
        node = kind()
        began = time.monotonic()
        node.start()
        took = time.monotonic() - began
        try:
            now = facts_of(node)
            print(f"{kind.__name__}: {now[0]} znodes, {now[1]} bytes, serves {took:.1f} s after its start")
            assert last is None or now == last
            with z.Wire(node.port, timeout=30.0) as w:
                w.connect(timeout_ms=20000)
                for i in range(50):
                    assert w.call(z.CREATE, z.create("/p0/s-", b"x" * i, flags=2))[1].err == 0
                w.call(z.CLOSE_SESSION)
            last = facts_of(node)
            assert digest_mismatches(node) == ""
            node.stop()
        finally:
            node.close()
    assert int(last[0]) > MILLION
