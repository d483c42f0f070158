"""The real logd in a real node: files that Apache ZooKeeper reads and writes, folders that are in use or another's,
damage, a helper that dies, a disk that is full. The store itself is tested call by call in tests/unit/test_store*.c."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import apache_node  # noqa: E402
import zkd_node  # noqa: E402

from kazoo.exceptions import KazooException  # noqa: E402

pytestmark = pytest.mark.skipif(not zkd_node.built(), reason="zkd is not built")
needs_java = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

EXIT_DATA_DIR = 3


@contextlib.contextmanager
def client(node):
    zk = node.client()
    try:
        yield zk
    finally:
        zk.stop()
        zk.close()


def files(node, prefix):
    names = os.listdir(os.path.join(node.data, "version-2"))
    return sorted(n for n in names if n.startswith(prefix) and not n.endswith(".tmp"))


def path(node, name):
    return os.path.join(node.data, "version-2", name)


def write_nodes(zk, name, count):
    for batch in range(0, count, 100):
        made = [zk.create_async(f"/{name}-{i}", b"d" * 50) for i in range(batch, min(batch + 100, count))]
        for m in made:
            m.get(10)


def contents(zk):
    return {n: zk.get("/" + n)[0] for n in zk.get_children("/") if n != "zookeeper"}


def run_refused(node):
    """Starts the node, which gives up because of its data; returns what it said."""
    node.start(wait=False)
    assert node.process.wait(20) == EXIT_DATA_DIR
    node.process = None
    return node.log_end()


@pytest.mark.parametrize("compression", [None, "gz", "snappy"])
def test_snapshots_are_written_kept_and_loaded(compression):
    keys = {"snapCount": 200, "snapshot.compression.method": compression}
    with zkd_node.Node(keys=keys) as node:
        with client(node) as zk:
            write_nodes(zk, "a", 1500)
            zkd_node.wait_until(lambda: len(files(node, "snapshot.")) == 3, 10, "three snapshots are kept")
            zkd_node.wait_until(lambda: "log.1" not in files(node, "log."), 10, "old logs are purged")
            before = contents(zk)
        assert {n.split(".")[2:] == [compression] for n in files(node, "snapshot.")} == {compression is not None}
        node.stop()
        node.start()
        with client(node) as zk:
            assert contents(zk) == before


def has_snappy():
    return os.path.exists("/usr/share/java/snappy-java.jar")


@needs_java
@pytest.mark.parametrize("compression", ["", "gz", "snappy"])
def test_apache_goes_on_where_zkd_stopped_and_back(compression):
    if compression == "snappy" and not has_snappy():
        pytest.skip("snappy-java is not installed")
    keys = {"snapCount": 200, **({"snapshot.compression.method": compression} if compression else {})}
    properties = {"zookeeper.snapshot.compression.method": compression, "zookeeper.snapCount": "30"}
    with zkd_node.Node(keys=keys) as node:
        with client(node) as zk:
            write_nodes(zk, "a", 500)
            zk.set("/a-7", b"changed")
            before = contents(zk)
        node.stop()
        with apache_node.ApacheNode(folder=node.folder, properties=properties) as java:
            with client(java) as zk:
                assert contents(zk) == before
                for i in range(5):
                    write_nodes(zk, f"b{i}", 50)
                before = contents(zk)
        assert all(n.split(".")[2:] == [compression][: bool(compression)] for n in files(node, "snapshot.") if n != "snapshot.0")
        node.start()
        with client(node) as zk:
            assert contents(zk) == before
            write_nodes(zk, "c", 10)


def test_a_folder_in_use_is_refused_with_its_holder():
    with zkd_node.Node() as node:
        other = zkd_node.Node(keys={"dataDir": node.data})
        log = run_refused(other)
        other.close()
        assert "data folder is in use" in log
        with open(os.path.join(node.data, "zkd.lock")) as f:
            assert f"pid={f.read().split()[1]}" in log
        with client(node) as zk:
            write_nodes(zk, "still", 1)


def test_another_servers_folder_is_refused():
    with zkd_node.Node(keys={"myid": 3}) as node:
        node.stop()
        node.keys["myid"] = 4
        log = run_refused(node)
        assert "data folder belongs to another server" in log
        assert "server=3 ours=4" in log
        node.keys["myid"] = 3
        node.start()


def test_a_torn_tail_is_cut_and_damage_is_refused():
    with zkd_node.Node(keys={"preAllocSize": 64}) as node:
        with client(node) as zk:
            write_nodes(zk, "a", 20)
            before = contents(zk)
        node.kill()
        log = path(node, "log.1")
        with open(log, "rb") as f:
            whole = f.read()
        used = len(whole.rstrip(b"\0"))
        with open(log, "wb") as f:
            f.write(whole[:used] + b"\0\0\0\0torn")
        node.start()
        with client(node) as zk:
            assert contents(zk) == before
        node.stop()
        with open(log, "r+b") as f:
            f.seek(500)
            f.write(b"\xff")
        text = run_refused(node)
        assert "data refused" in text
        assert "log.1 at offset" in text
        assert "valid records follow" in text
        with open(log, "wb") as f:
            f.write(whole)
        os.unlink(path(node, "zkd.mark"))
        node.start()
        with client(node) as zk:
            assert contents(zk) == before


def test_damage_that_shows_when_the_data_is_loaded_is_refused():
    with zkd_node.Node(keys={"snapCount": 100}) as node:
        with client(node) as zk:
            write_nodes(zk, "a", 300)
        zkd_node.wait_until(lambda: files(node, "snapshot.") != ["snapshot.0"], 5, "a snapshot")
        node.stop()
        for name in files(node, "snapshot."):
            with open(path(node, name), "r+b") as f:
                f.seek(os.path.getsize(f.name) // 2)
                byte = f.read(1)
                f.seek(-1, os.SEEK_CUR)
                f.write(bytes([byte[0] ^ 0xFF]))
        text = run_refused(node)
        assert "snapshot is damaged" in text
        assert "cannot load" in text and "is whole; the way out: restore one from a backup" in text
        assert "let the server fetch its data from the leader" in text


def test_a_snapshot_that_is_due_at_the_start_alarms_nobody():
    with zkd_node.Node(keys={"snapCount": 100000}) as node:
        with client(node) as zk:
            write_nodes(zk, "a", 300)
        node.stop()
        os.unlink(node.log_path)
        node.keys["snapCount"] = 100
        node.start()
        zkd_node.wait_until(lambda: len(files(node, "snapshot.")) == 2, 20, "the snapshot is written")
        assert "warning" not in node.log_end(100)


def helper_pid(node):
    """0 while there is none."""
    logd = node.pid("logd")
    with open(f"/proc/{logd}/task/{logd}/children") as f:
        return int((f.read().split() or ["0"])[0])


def test_logd_outlives_its_helper():
    with zkd_node.Node(keys={"snapCount": 100}) as node:
        with client(node) as zk:
            write_nodes(zk, "a", 10)
            time.sleep(1.1)  # one that dies young is taken for a sign that something is wrong
            logd, helper = node.pid("logd"), helper_pid(node)
            os.kill(helper, signal.SIGKILL)
            zkd_node.wait_until(lambda: helper_pid(node) not in (0, helper), 5, "another helper")
            write_nodes(zk, "b", 150)
            zkd_node.wait_until(lambda: len(files(node, "snapshot.")) > 1, 10, "the new helper writes a snapshot")
            assert node.pid("logd") == logd
        node.signal("clientd", signal.SIGKILL)
        zkd_node.wait_until(node.mode, 10, "clientd has loaded")


def test_a_helper_leaves_stopping_to_logd():
    """A service manager's SIGTERM and a terminal's SIGINT go to every process: the helper may not be gone before logd."""
    with zkd_node.Node() as node:
        logd, helper = node.pid("logd"), helper_pid(node)
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(helper, number)
        time.sleep(0.3)
        assert (node.pid("logd"), helper_pid(node)) == (logd, helper)
        assert zkd_node.alive(helper)


def test_a_helper_that_stands_still_is_replaced():
    with zkd_node.Node() as node:
        time.sleep(1.1)
        logd, helper = node.pid("logd"), helper_pid(node)
        os.kill(helper, signal.SIGSTOP)
        zkd_node.wait_until(lambda: helper_pid(node) not in (0, helper), 10, "another helper")
        assert not zkd_node.alive(helper)
        assert node.pid("logd") == logd
        node.signal("clientd", signal.SIGKILL)
        zkd_node.wait_until(node.mode, 10, "clientd has loaded")


def test_logd_dies_with_its_helper():
    with zkd_node.Node() as node:
        helper = helper_pid(node)
        node.signal("logd", signal.SIGKILL)
        zkd_node.wait_until(lambda: not zkd_node.alive(helper), 5, "the helper is gone")


@contextlib.contextmanager
def own_disk(folder, image):
    """A file system that can be frozen."""
    with open(image, "wb") as f:
        f.truncate(64 << 20)
    made = subprocess.run(["mkfs.ext4", "-q", image], check=False, stderr=subprocess.DEVNULL).returncode == 0
    if not made or subprocess.run(["mount", "-o", "loop", image, folder], check=False).returncode != 0:
        pytest.skip("cannot mount a disk of our own here")
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "-u", folder], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("fsfreeze"), reason="a disk is mounted and frozen by root")
def test_a_disk_that_stands_still_kills_nobody():
    node = zkd_node.Node(keys={"preAllocSize": 64})
    with own_disk(node.data, os.path.join(node.folder, "image")), node:
        with client(node) as zk:
            write_nodes(zk, "a", 10)
            before = node.ps()
            subprocess.run(["fsfreeze", "-f", node.data], check=True)
            made = [zk.create_async(f"/b-{i}", b"") for i in range(10)]
            time.sleep(4)  # longer than any watchdog
            assert not any(m.ready() for m in made)
            subprocess.run(["fsfreeze", "-u", node.data], check=True)
            assert [m.get(10) for m in made] == [f"/b-{i}" for i in range(10)]
            after = node.ps()
            assert {n: d["pid"] for n, d in after.items()} == {n: d["pid"] for n, d in before.items()}
        assert "sync of the log was slow" in node.log_end()
        node.stop()
    node.close()


@contextlib.contextmanager
def small_disk(folder, size):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=False)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a small disk here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root")
def test_a_full_disk_refuses_writes_and_comes_back():
    node = zkd_node.Node(keys={"preAllocSize": 64, "autopurge.purgeInterval": 0})
    with small_disk(node.data, "1m"), node:
        ballast = os.path.join(node.data, "ballast")
        with client(node) as zk:
            write_nodes(zk, "a", 10)
            with contextlib.suppress(OSError), open(ballast, "wb") as f:
                while True:
                    f.write(b"x" * 4096)
                    f.flush()
            acknowledged = []
            with contextlib.suppress(KazooException):
                for i in range(1000):
                    zk.create(f"/full-{i}", b"d" * 1000)
                    acknowledged.append(f"full-{i}")
            assert len(acknowledged) < 1000
            assert "disk failed" in node.log_end()
        os.unlink(ballast)
        zkd_node.wait_until(lambda: "disk works again" in node.log_end(), 5, "the disk is used again")
        with client(node) as zk:
            write_nodes(zk, "after", 10)
            assert set(acknowledged) <= set(contents(zk))
            before = contents(zk)
        node.stop()
        node.start()
        with client(node) as zk:
            assert contents(zk) == before
        node.stop()
    node.close()


def test_rot_is_found_and_outlived():
    """Damage behind the live end is told in one line, and a new snapshot of the tree takes its place."""
    with zkd_node.Node(keys={"snapCount": 200, "scrubInterval": "1s"}) as node:
        with client(node) as zk:
            write_nodes(zk, "a", 500)
            zkd_node.wait_until(lambda: len(files(node, "snapshot.")) > 1, 10, "a snapshot")
            before = contents(zk)
        time.sleep(0.5)
        newest = max(files(node, "snapshot."), key=lambda n: int(n.split(".")[1], 16))
        with open(path(node, newest), "r+b") as f:
            f.seek(1000)
            f.write(b"\xff\xff\xff")
        zkd_node.wait_until(lambda: "data on the disk is damaged" in node.log_end(), 10, "the damage is found")
        assert f"{newest} at offset" in node.log_end()
        line = next(t for t in node.log_end(50).splitlines() if "is damaged" in t)
        zkd_node.wait_until(lambda: " snapshot zxid=" in node.log_end(50).split(line)[1], 10, "a new snapshot is written")
        node.stop()
        node.start()
        with client(node) as zk:
            assert contents(zk) == before
