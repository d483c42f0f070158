"""The keys of zoo.cfg about the data, as an operator meets them: db.autocreate and the file initialize, snapshot.trust.empty,
snapSizeLimitInKb, autopurge with its guard for disk space."""

import json
import os
import re

import pytest
import zkd_node
from test_real_disks import FullTmpfs

pytestmark = pytest.mark.skipif(not zkd_node.built(), reason="zkd is not built")

EXIT_DATA_DIR = 3


def version2(node, log=False):
    return os.path.join(node.keys.get("dataLogDir", node.data) if log else node.data, "version-2")


def files(node, kind, log=False):
    names = [n for n in os.listdir(version2(node, log)) if n.startswith(kind + ".") and not n.endswith(".tmp")]
    return sorted(names, key=lambda n: int(n.split(".")[1], 16))


def refused(node):
    """The reason that is logged by a node that must not start."""
    node.start(wait=False)
    try:
        assert node.process.wait(20) == EXIT_DATA_DIR, node.log_end()
        node.process = None
    finally:
        node.close()
    return [line for line in node.log_end().splitlines() if "data refused" in line][-1]


def write(node, count, size=10, path="/a"):
    zk = node.client()
    zk.ensure_path(path)
    for i in range(count):
        zk.create(f"{path}/n-", b"d" * size, sequence=True)
    found = sorted(zk.get_children(path))
    zk.stop()
    zk.close()
    return found


def read(node, path="/a"):
    zk = node.client()
    found = sorted(zk.get_children(path)) if zk.exists(path) else None
    zk.stop()
    zk.close()
    return found


def again(node, **keys):
    return zkd_node.Node(folder=node.folder, keys={**{k: v for k, v in node.keys.items() if k != "clientPort"}, **keys})


@pytest.mark.parametrize("apart", [False, True])
def test_autocreate_and_initialize(tmp_path, apart):
    """An empty folder is refused with the way out in words; the file initialize lets it begin, once."""
    os.chmod(tmp_path, 0o755)
    keys = {"db.autocreate": "false", **({"dataLogDir": str(tmp_path / "logs")} if apart else {})}
    node = zkd_node.Node(folder=str(tmp_path / "node"), keys=keys)
    top = keys.get("dataLogDir", node.data)
    said = refused(node)
    assert f"{node.data}/version-2 is empty and db.autocreate=false" in said
    assert re.search(rf"make a file named initialize in {top}/? to begin", said)
    initialize = os.path.join(top, "initialize")
    with open(initialize, "w"):
        pass
    with again(node) as n:
        made = write(n, 20)
        assert not os.path.exists(initialize)
    with again(node) as n:  # with data it starts as ever
        assert read(n) == made
    for name in os.listdir(version2(node)):
        os.remove(os.path.join(version2(node), name))
    if apart:  # the logs are left
        assert "holds transaction logs, but" in refused(again(node))
        for name in os.listdir(version2(node, log=True)):
            os.remove(os.path.join(version2(node, log=True), name))
    assert "db.autocreate=false" in refused(again(node))


def test_a_data_log_dir_that_is_not_there(tmp_path):
    """Its disk was not mounted: the empty folder in its place is noticed."""
    os.chmod(tmp_path, 0o755)
    logs = str(tmp_path / "logs")
    with zkd_node.Node(folder=str(tmp_path / "node"), keys={"dataLogDir": logs, "snapCount": 40}) as node:
        made = write(node, 100)
        zkd_node.wait_until(lambda: len(files(node, "snapshot")) > 1, 10, "a snapshot")
    os.rename(logs, logs + ".unmounted")
    said = refused(again(node))
    assert re.search(rf"{logs}/version-2/log\.[0-9a-f]+ is missing: it held transactions up to zxid 0x6[0-9a-f]", said), said
    os.rename(logs, logs + ".empty")
    os.rename(logs + ".unmounted", logs)
    with again(node) as n:
        assert read(n) == made


def test_trust_empty():
    """Logs without any snapshot: refused by the name of the key that lets them be replayed from nothing."""
    with zkd_node.Node() as node:
        node.own_folder = False
        made = write(node, 30)
    assert files(node, "snapshot") == ["snapshot.0"]
    os.remove(os.path.join(version2(node), "snapshot.0"))
    assert "snapshot.trust.empty=true once" in refused(again(node))
    with again(node, **{"snapshot.trust.empty": "true"}) as n:
        assert read(n) == made
        zkd_node.wait_until(lambda: files(node, "snapshot"), 30, "a snapshot, so that once is enough")
    last = again(node)
    last.own_folder = True
    with last as n:
        assert read(n) == made


def test_snapshots_by_bytes():
    """snapSizeLimitInKb: a snapshot after half to all of so much log, long before snapCount."""
    with zkd_node.Node(keys={"snapSizeLimitInKb": 200, "snapCount": 1000000, "autopurge.purgeInterval": 0}) as node:
        made = write(node, 100, size=10000)
        zkd_node.wait_until(lambda: len(files(node, "snapshot")) >= 5, 10, "snapshots by bytes")
        assert len(files(node, "snapshot")) <= 12
        assert len(files(node, "log")) >= 5
        node.kill()
        with again(node) as n:
            assert read(n) == made


@pytest.mark.parametrize("interval", [None, 0])
def test_autopurge(interval):
    """On where nothing is said: three snapshots and their logs stay; 0 keeps everything."""
    keys = {"snapCount": 40, **({} if interval is None else {"autopurge.purgeInterval": interval})}
    with zkd_node.Node(keys=keys) as node:
        made = write(node, 400)
        if interval == 0:
            zkd_node.wait_until(lambda: len(files(node, "snapshot")) > 8, 10, "many snapshots")
            assert files(node, "log")[0] == "log.1" and files(node, "snapshot")[0] == "snapshot.0"
            return
        zkd_node.wait_until(lambda: len(files(node, "snapshot")) == 3 and files(node, "log")[0] != "log.1", 10, "a purge")
        # in this order: another purge may come between
        log, oldest = (int(files(node, kind)[0].split(".")[1], 16) for kind in ("log", "snapshot"))
        assert log <= oldest + 1, "a log that the oldest snapshot needs is gone"
        node.kill()
        with again(node) as n:
            assert read(n) == made


def fact(node, name):
    daemons = json.loads(node.zkctl("status", "--facts", "--json", check=False))["daemons"]
    return next(d["facts"][name] for d in daemons if d["name"] == "logd")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_guard_for_disk_space(tmp_path):
    """Where there is no room for a snapshot like the newest, it is told once, what was set aside goes, and the node serves on."""
    disk = FullTmpfs(tmp_path)
    try:
        with disk.node({"autopurge.purgeInterval": "1h", "snapCount": 100}) as node:
            made = write(node, 300, size=2000)
            zkd_node.wait_until(lambda: len(files_inside(disk, "snapshot")) >= 2, 10, "a snapshot")
            aside = disk.inside("version-2", "zkd.aside.log.1")
            with open(aside, "wb") as f:
                f.write(bytes(1 << 20))
            with open(disk.inside("filler"), "wb") as f:
                room = os.statvfs(disk.inside())
                f.write(bytes(room.f_bavail * room.f_bsize - (400 << 10)))
            zkd_node.wait_until(lambda: not os.path.exists(aside), 30, "what was set aside is removed")
            zkd_node.wait_until(lambda: fact(node, "disk_low") == "1", 30, "that there is little room")
            assert node.log_end(500).count("disk space is low") == 1, node.log_end(100)
            assert read(node) == made
            os.remove(disk.inside("filler"))
            zkd_node.wait_until(lambda: fact(node, "disk_low") == "0", 30, "there is room again")
    finally:
        disk.close()


def files_inside(disk, kind):
    return [n for n in os.listdir(disk.inside("version-2")) if n.startswith(kind + ".")]
