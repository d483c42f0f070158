"""The programs of bench/ run and say what they promise. What they measure is judged by people, never by a test."""

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import apache_node  # noqa: E402
import loopback  # noqa: E402
import zkd_node  # noqa: E402
import zkwire  # noqa: E402

HOP = os.path.join(zkd_node.BUILD, "bench", "hop")
SYNC = os.path.join(zkd_node.BUILD, "bench", "sync")
WRITE_PARTS = os.path.join(zkd_node.BUILD, "bench", "write-parts")
ZKBENCH = os.path.join(zkd_node.BUILD, "bench", "zkbench")

pytestmark = pytest.mark.skipif(not os.access(HOP, os.X_OK), reason="bench is not built")


def run(*args, timeout=60):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)


def test_hop():
    r = run(HOP, "--frames", "200", "--json")
    assert r.returncode == 0, r.stderr
    result = json.loads(r.stdout)
    assert result["floor_us"] > 0
    assert {row["depth"] for row in result["hop"]} == {1, 4, 16, 64, 512}
    for row in result["hop"]:
        assert 0 < row["p50_us"] <= row["p99_us"]
        assert row["hops_per_s"] > 0


def test_sync(tmp_path):
    r = run(SYNC, "--folder", str(tmp_path), "--syncs", "120", "--json")
    assert r.returncode == 0, r.stderr
    rows = json.loads(r.stdout)["syncs"]
    assert [(row["space"], row["bytes"]) for row in rows] == [
        (space, size) for size in (200, 2000, 16000) for space in ("allocated", "zeros")
    ]
    assert all(0 < row["p50_us"] <= row["p99_us"] for row in rows)
    assert not os.listdir(tmp_path)
    r = run(SYNC, "--folder", str(tmp_path / "nowhere"))
    assert r.returncode == 1
    assert "nowhere: No such file" in r.stderr


def test_write_parts():
    with zkd_node.Node(start=True) as node:
        r = run(WRITE_PARTS, "--port", str(node.port), "--folder", node.folder, "--writes", "50", "--json")
        assert r.returncode == 0, r.stderr
        parts = json.loads(r.stdout)
        assert set(parts) == {"write", "connection", "four_hops", "append_and_fdatasync", "rest", "read"}
        assert parts["write"]["p50_us"] > parts["connection"]["p50_us"] > 0
        # it leaves nothing behind, and what is left is no surprise to the next run
        assert run(WRITE_PARTS, "--port", str(node.port), "--folder", node.folder, "--writes", "1").returncode == 0
        assert not [name for name in os.listdir(node.folder) if "bench" in name]


def test_nobody_serves():
    r = run(WRITE_PARTS, "--port", str(zkd_node.free_port()), "--folder", "/tmp", "--writes", "1")
    assert r.returncode == 1
    assert "Connection refused" in r.stderr


@pytest.mark.parametrize(
    "program, number", [(HOP, "--frames"), (SYNC, "--syncs"), (WRITE_PARTS, "--writes"), (WRITE_PARTS, "--port")]
)
def test_invocations(program, number):
    assert run(program, "--help").stdout.startswith("usage: bench/")
    assert run(program, "--nonsense").returncode == 2
    assert run(program, "more").returncode == 2
    for wrong in ("0", "12x", "", "99999999999"):
        r = run(program, number, wrong)
        assert r.returncode == 2
        assert f"{number} takes 1 to" in r.stderr and f"not '{wrong}'" in r.stderr


# zkbench


def zkbench(*args, timeout=60):
    return subprocess.run(
        [ZKBENCH, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout
    )


SHORT = ["--json", "-d", "0.2", "-u", "0.05", "-k", "40", "-c", "3", "-p", "4"]
# One operation of these is several synced writes, or what all sessions see of one.
LONGER = {"connect": ["-d", "1"], "watch": ["-d", "1"]}


@pytest.fixture(scope="module")
def node():
    with zkd_node.Node(start=True, keys={"maxClientCnxns": 0}) as n:
        yield n


@pytest.mark.parametrize("workload", ["get", "set", "create", "exists", "children", "mix", "watch", "connect", "idle"])
def test_zkbench_workloads(node, workload):
    r = zkbench("-w", workload, "-z", node.runtime, *SHORT, *LONGER.get(workload, []), node.hosts)
    assert r.returncode == 0, r.stderr
    result = json.loads(r.stdout)
    assert result["workload"] == workload
    (run,) = result["runs"]
    assert 0 < run["operations"] <= run["checked"]
    assert 0 < run["p50_us"] <= run["p90_us"] <= run["p99_us"] <= run["p999_us"] <= run["max_us"]
    assert run["server_cpu_s"] > 0
    assert (run["read_back"] > 0) == (workload in ("set", "create", "mix", "watch"))
    zk = node.client()
    try:
        # it leaves nothing behind
        assert zk.get_children("/") == ["zookeeper"]
    finally:
        zk.stop()


def test_zkbench_counts_and_keeps(node):
    r = zkbench("-w", "create", "-n", "200", "-s", "20", "--keep", *SHORT, node.hosts)
    assert r.returncode == 0, r.stderr
    (run,) = json.loads(r.stdout)["runs"]
    assert run["operations"] == run["read_back"] == 200
    zk = node.client()
    try:
        (base,) = [name for name in zk.get_children("/") if name.startswith("zkbench-")]
        names = zk.get_children("/" + base)
        assert len(names) == 240
        assert {len(zk.get(f"/{base}/{name}")[0]) for name in names} == {20}
        zk.delete("/" + base, recursive=True)
    finally:
        zk.stop()


def test_zkbench_compare(node):
    r = zkbench(*SHORT, "-r", "2", "--compare", f"zkd={node.hosts},runtime={node.runtime}", "nothing")
    assert r.returncode == 0, r.stderr
    result = json.loads(r.stdout)
    assert [(run["round"], run["server"]) for run in result["runs"]] == [
        (1, "zkd"),
        (1, "nothing"),
        (2, "nothing"),
        (2, "zkd"),
    ]
    (ratios,) = result["ratios"]
    by = [[run for run in result["runs"] if run["server"] == name] for name in ("zkd", "nothing")]
    rounds = sorted(a["ops_per_s"] / b["ops_per_s"] for a, b in zip(*by))
    assert ratios["throughput"]["min"] == pytest.approx(rounds[0], abs=0.01)
    assert ratios["throughput"]["max"] == pytest.approx(rounds[1], abs=0.01)
    assert ratios["throughput"]["median"] == pytest.approx(sum(rounds) / 2, abs=0.01)
    table = zkbench(*SHORT[1:], "-r", "1", "--compare", node.hosts, "nothing").stdout
    assert f"{node.hosts} / nothing" in table


def test_zkbench_of_an_ensemble():
    """The sessions go to all servers, and read there what others wrote."""
    with loopback.Ensemble(["zkd"] * 3, keys={"tickTime": 500, "maxClientCnxns": 0}) as e:
        nodes = list(e.nodes.values())
        server = ",".join([e.hosts, *(f"runtime={n.runtime}" for n in nodes)])
        # Who does not synchronise sees other children about every second time.
        for workload in ("get", "set", "create", "watch", *["children"] * 6):
            r = zkbench("-w", workload, *SHORT, *LONGER.get(workload, []), "-c", "6", "-k", "600", server)
            assert r.returncode == 0, f"{workload}: {r.stderr}"
            (run,) = json.loads(r.stdout)["runs"]
            assert run["operations"] > 0
            assert run["server_cpu_s"] > 0
        for n in nodes:
            assert int(re.search(r"^Received: (\d+)$", n.word("srvr"), re.M).group(1)) > 600


class Liar:
    """A server that keeps znodes, as honest as its rules say: each takes and gives (reply header's xid, error, body)."""

    def __init__(self, lie=None):
        self.lie = lie
        self.znodes = {}
        self.sets = 0
        self.listener = socket.create_server(("127.0.0.1", zkd_node.free_port()))
        self.hosts = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *rest):
        self.listener.close()

    def accept(self):
        while True:
            try:
                peer = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        with peer, peer.makefile("rb") as stream, contextlib.suppress(OSError):
            self.frame(stream)
            self.send(peer, zkwire.i32(0) + zkwire.i32(10000) + zkwire.i64(1) + zkwire.string(bytes(16)) + b"\0")
            while frame := self.frame(stream):
                r = zkwire.Reader(frame)
                xid, op = r.i32(), r.i32()
                if op == zkwire.PING:
                    self.send(peer, zkwire.i32(xid) + zkwire.i64(1) + zkwire.i32(0))
                    continue
                body = b"" if op == zkwire.CLOSE_SESSION else self.answer(op, r)
                if self.lie == "xid" and self.sets > 5:
                    xid += 1
                err = -4 if self.lie == "error" and self.sets > 5 else 0
                if self.lie == "silence" and self.sets > 5:
                    continue
                self.send(peer, zkwire.i32(xid) + zkwire.i64(1) + zkwire.i32(err) + body)
                if op == zkwire.CLOSE_SESSION:
                    return

    @staticmethod
    def frame(stream):
        size = stream.read(4)
        return stream.read(int.from_bytes(size, "big")) if size else None

    @staticmethod
    def send(peer, payload):
        peer.sendall(zkwire.i32(len(payload)) + payload)

    @staticmethod
    def stat(version, data):
        return struct.pack(">qqqqiiiqiiq", 1, 1, 0, 0, version, 0, 0, 0, len(data), 0, 1)

    def answer(self, op, r):
        path = r.buffer()
        if op == zkwire.CREATE:
            self.znodes[path] = (0, r.buffer())
            if self.lie == "lost create" and path.rpartition(b"/")[2] == b"n00000003":
                self.znodes[path] = (0, b"")
            return zkwire.string(path)
        if op == zkwire.DELETE:
            del self.znodes[path]
            return b""
        version, data = self.znodes[path]
        if op == zkwire.SET_DATA:
            self.sets += 1
            new = (version + 1, r.buffer())
            if not (self.lie == "lost write" and self.sets == 10):
                self.znodes[path] = new
            return self.stat(*new)
        if self.lie == "short data":
            data = data[:-1]
        return zkwire.string(data) + self.stat(version, self.znodes[path][1])


def lie_to(liar, workload):
    patience = "0.5" if liar.lie == "silence" else "15"
    return zkbench("-w", workload, "-n", "10", "-k", "2", "-W", patience, "--json", liar.hosts)


def test_zkbench_believes_the_honest():
    """The same server without a lie passes: what the next test sees are the lies."""
    for workload in ("set", "get", "create"):
        with Liar() as honest:
            r = lie_to(honest, workload)
            assert r.returncode == 0, r.stderr
            assert not honest.znodes


@pytest.mark.parametrize(
    ("lie", "workload", "said"),
    [
        ("xid", "set", "a reply with xid"),
        ("error", "set", "CONNECTIONLOSS"),
        ("silence", "set", "no reply for"),
        ("lost write", "set", "in reading back.*older version"),
        ("lost create", "create", "in reading back.*another size"),
        ("short data", "get", "another size"),
    ],
)
def test_zkbench_catches(lie, workload, said):
    with Liar(lie) as liar:
        r = lie_to(liar, workload)
    assert r.returncode == 1
    assert re.search(said, r.stderr), r.stderr
    assert json.loads(r.stdout)["failed"] is True


def test_zkbench_watches_nothing():
    r = zkbench(*SHORT, "-w", "watch", "-c", "20", "nothing")
    assert r.returncode == 0, r.stderr
    (run,) = json.loads(r.stdout)["runs"]
    assert run["operations"] > 0 and run["read_back"] == 0
    # each change is seen by all, and all set their watches again
    assert run["checked"] >= 2 * 20 * run["operations"]


def test_zkbench_serves_nothing():
    port = zkd_node.free_port()
    server = subprocess.Popen([ZKBENCH, "-k", "40", "--serve-nothing", str(port)])
    try:

        def serves():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return True

        zkd_node.wait_until(serves, 10, "the do-nothing server listens")
        r = zkbench("-w", "children", *SHORT, f"nothing@127.0.0.1:{port}")
        assert r.returncode == 0, r.stderr
        # to one that does not know it keeps nothing it is a liar
        assert zkbench("-w", "set", *SHORT, f"127.0.0.1:{port}").returncode == 1
    finally:
        server.terminate()
        assert server.wait(10) == 0


def test_zkbench_nobody_serves():
    r = zkbench(f"127.0.0.1:{zkd_node.free_port()}")
    assert r.returncode == 1
    assert "Connection refused" in r.stderr


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["127.0.0.1"],
        ["127.0.0.1:1", "127.0.0.1:2"],
        ["--compare", "127.0.0.1:1"],
        ["-c", "0", "127.0.0.1:1"],
        ["-c", "1x", "127.0.0.1:1"],
        ["-w", "swim", "127.0.0.1:1"],
        ["127.0.0.1:1,pid=0"],
        ["127.0.0.1:1,colour=red"],
        ["127.0.0.1:1,colour"],
        ["nothing,127.0.0.1:1"],
        ["nothing@127.0.0.1:1,127.0.0.1:2"],
        ["127.0.0.1:1" + 16 * ",127.0.0.1:2"],
        ["--zkd-runtime", "/nonexistent", "127.0.0.1:1"],
        ["--serve-nothing", "0"],
    ],
)
def test_zkbench_invocations(args):
    r = zkbench(*args)
    assert r.returncode == 2
    assert r.stderr.startswith("zkbench: ")
    assert r.stdout == ""


def test_catchup():
    command = [os.path.join(zkd_node.TOP, "bench", "catchup"), "--znodes", "500", "--behind", "500", "--rounds", "1"]
    r = run(sys.executable, *command, "--seconds", "1", "--json", timeout=180)
    assert r.returncode == 0, r.stderr
    facts = json.loads(r.stdout)
    assert facts["killed"]["worst_ms_with"][0] > 0 and facts["killed"]["worst_ms_without"][0] > 0
    assert facts["behind"]["txns"] == 500 and facts["behind"]["seconds"] > 0
    assert facts["wiped"]["znodes"] == 500 and facts["wiped"]["p99_ms_meanwhile"] > 0


@pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")
def test_run_ensemble():
    command = [os.path.join(zkd_node.TOP, "bench", "run-ensemble"), "--rounds", "1", "--seconds", "0.1", "--warm-up", "0"]
    r = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=180)
    assert r.returncode == 0, r.stderr
    rows = [line.split(" | ") for line in r.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) > 10
    assert {len(row) for row in rows} == {len(rows[0])}
