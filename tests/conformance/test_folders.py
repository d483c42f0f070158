"""Folders that change hands in the middle of work: servers are killed under load, and what they left is read by Apache
ZooKeeper and by zkd, each on a copy of its own. Both have to come to the same tree, with all that was acknowledged."""

import contextlib
import os
import shutil
import struct
import threading
import zlib

import apache_node
import pytest
import zkd_node
import zkwire as z
from test_files import differing, digest_mismatches, dump

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

WRITERS = 4
WRITES = 120  # of each, at least, before the server is killed
QUOTA = b"count=1000,bytes=-1=;byteHardLimit=-1;countHardLimit=-1"


class Folder:
    """A data folder, and the two servers that may be started on it."""

    def __init__(self, path, compression=None, apart=False):
        self.path, self.compression, self.apart = path, compression, apart
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o755)

    def keys(self):
        keys = {"extendedTypesEnabled": "true", "preAllocSize": 64, "autopurge.purgeInterval": 0, "snapCount": 150}
        keys["maxSessionTimeout"] = 600000
        if self.apart:
            keys["dataLogDir"] = os.path.join(self.path, "logs")
        return keys

    def zkd(self):
        more = {"snapshot.compression.method": self.compression} if self.compression else {}
        return zkd_node.Node(folder=self.path, keys={**self.keys(), **more})

    def apache(self):
        """ZooKeeper takes these from properties of its JVM."""
        names = ("snapCount", "preAllocSize", "extendedTypesEnabled")
        properties = {f"zookeeper.{n}": self.keys()[n] for n in names}
        if self.compression:
            properties["zookeeper.snapshot.compression.method"] = self.compression
        if self.apart:
            os.makedirs(os.path.join(self.path, "logs"), exist_ok=True)
        properties["org.slf4j.simpleLogger.defaultLogLevel"] = "error"
        return apache_node.ApacheNode(folder=self.path, keys=self.keys(), properties=properties)

    def copy(self, name):
        """For another reader: nothing of this one's run time."""
        other = Folder(os.path.join(os.path.dirname(self.path), name), self.compression, self.apart)
        shutil.rmtree(other.path)
        shutil.copytree(self.path, other.path, ignore=shutil.ignore_patterns("run", "*.log", "zoo.cfg"))
        os.chmod(other.path, 0o755)
        return other


class Writer(threading.Thread):
    """One session that writes all kinds of things, and remembers what was acknowledged."""

    def __init__(self, port, name):
        super().__init__()
        self.root, self.count, self.value, self.error = f"/{name}", 0, 0, None
        self.sequence, self.gone = [], set()
        self.wire = z.Wire(port)
        self.wire.connect(timeout_ms=600000)
        self.session, self.passwd = self.wire.session, self.wire.passwd

    def call(self, op, body):
        reply = self.wire.call(op, body)[1]
        if reply is None:
            raise ConnectionResetError
        return reply

    def ok(self, op, body):
        reply = self.call(op, body)
        assert reply.err == 0, (op, reply.err)
        return reply

    def prepare(self):
        self.ok(z.CREATE, z.create(self.root, b"0"))
        self.ok(z.CREATE, z.create(f"{self.root}/eph", b"e", flags=1))
        for part in ("", "/quota"):
            self.wire.call(z.CREATE, z.create(f"/zookeeper/quota{part if part != '/quota' else self.root}"))
        self.ok(z.CREATE, z.create(f"/zookeeper/quota{self.root}/zookeeper_limits", QUOTA))
        self.ok(z.CREATE, z.create(f"/zookeeper/quota{self.root}/zookeeper_stats", b"count=1,bytes=1=;byteHardLimit=-1;countHardLimit=-1"))

    def turn(self, i):
        self.ok(z.SET_DATA, z.set_data(self.root, b"%d" % i))
        self.value = i
        name = self.ok(z.CREATE, z.create(f"{self.root}/q-", b"x" * (i % 50), flags=2)).body().buffer()
        self.sequence.append(name.decode())
        if i % 4 == 0:
            first = self.sequence.pop(0)
            self.ok(z.DELETE, z.path_version(first))
            self.gone.add(first)
        if i % 5 == 0:
            acl = [(z.ALL, "world", "anyone"), (z.READ, "ip", f"10.0.{i % 7}.1")]
            self.ok(z.SET_ACL, z.set_acl(self.root, acl))
        if i % 6 == 0:  # fails, and is a transaction all the same
            assert self.call(z.CREATE, z.create(self.root)).err == -110
            self.call(z.MULTI, z.multi((z.SET_DATA, z.set_data(self.root, b"no")), (z.CHECK, z.path_version(self.root, 9999))))
        if i % 7 == 0:
            both = (z.CREATE, z.create(f"{self.root}/m{i}")), (z.SET_DATA, z.set_data(f"{self.root}/m{i}", b"m"))
            assert self.call(z.MULTI, z.multi(*both)).err == 0
        if i % 10 == 0:
            self.ok(z.CREATE_TTL, z.create_ttl(f"{self.root}/t{i}", b"", ttl=1 << 30))
            self.ok(z.CREATE_CONTAINER, z.create(f"{self.root}/c{i}", b"", flags=4))
            self.ok(z.CREATE, z.create(f"{self.root}/c{i}/child"))

    def run(self):
        try:
            while True:
                self.count += 1
                self.turn(self.count)
        except (ConnectionError, TimeoutError, EOFError, OSError, z.Short):
            pass  # the server was killed
        except BaseException as e:  # noqa: BLE001
            self.error = e

    def judge(self, tree):
        """What was acknowledged is in the tree; what was only asked for may be."""
        data, _ = tree[self.root]
        value = int(data[8 : 8 + struct.unpack(">i", data[4:8])[0]])  # behind the error
        assert self.value <= value <= self.value + 1
        missing = [n for n in self.sequence if n not in tree]
        assert missing in ([], self.sequence[:1]), missing
        back = [n for n in self.gone if n in tree]
        assert not back
        assert f"{self.root}/eph" in tree


def work(node, names):
    """Writers at work until the server is killed."""
    writers = [Writer(node.port, n) for n in names]
    for w in writers:
        w.prepare()
    for w in writers:
        w.start()
    try:
        zkd_node.wait_until(lambda: all(w.count > WRITES or w.error for w in writers), 60, "the writers have written")
    finally:
        if isinstance(node, zkd_node.Node):
            node.kill()
        else:
            node.process.kill()
            node.process.wait()
            node.process = None
        for w in writers:
            w.join()
            w.wire.close()
    for w in writers:
        assert w.error is None, w.error
    return writers


def read(node, writers):
    """Starts a server on what was left: its tree, which has all that was acknowledged."""
    node.start()
    try:
        tree, zxid = dump(node)
        for w in writers:
            w.judge(tree)
        assert digest_mismatches(node) == ""
        for w in writers[:2]:  # sessions live on
            with z.Wire(node.port) as wire:
                wire.connect(session=w.session, passwd=w.passwd, timeout_ms=600000)
                assert wire.session == w.session
        node.stop()
    finally:
        node.close()
    return tree, zxid


@pytest.mark.parametrize(("compression", "apart"), [(None, False), ("gz", True), ("snappy", False)])
def test_killed_under_load_in_turns(tmp_path, compression, apart):
    """Both servers write and are killed in turns; after each death each reads a copy of what is there."""
    os.chmod(tmp_path, 0o755)
    folder = Folder(str(tmp_path / "node"), compression, apart)
    writers = []
    for turn, kind in enumerate(["zkd", "apache", "zkd", "zkd", "apache"]):
        node = getattr(folder, kind)()
        node.start()
        try:
            writers += work(node, [f"w{turn}{i}" for i in range(WRITERS)])
        finally:
            with contextlib.suppress(zkd_node.NodeError):
                node.close()
        ours = read(folder.copy("ours").zkd(), writers)
        try:
            theirs = read(folder.copy("theirs").apache(), writers)
        except zkd_node.NodeError as e:
            # The fuzzy snapshot of a server of ZooKeeper may name an ACL that its table does not hold yet, and then none of
            # them can read it (ZOOKEEPER-4846). This alone is forgiven, and only where it was the last to write.
            if kind == "zkd" or "Failed to fetch acls" not in str(e):
                raise
            break
        assert differing(ours[0], theirs[0]) == {}
        assert ours[1] == theirs[1]


# what servers of long ago wrote


def entry(txn):
    return struct.pack(">q", zlib.adler32(txn)) + z.string(txn) + b"B"


def header(session, cxid, zxid, kind):
    return struct.pack(">qiqqi", session, cxid, zxid, 1300000000000 + zxid, kind)


def test_logs_of_old_servers(tmp_path):
    """createTxn without parentCVersion (before 3.4), no digests, several epochs; no snapshot but the empty one."""
    os.chmod(tmp_path, 0o755)
    folder = Folder(str(tmp_path / "node"))
    data = os.path.join(folder.path, "data", "version-2")
    os.makedirs(data)
    acl = z.acls(z.OPEN_ACL)
    txns, epoch = [], 0
    for e in (1, 2, 5):
        epoch, n = e << 32, 0
        for i in range(8):
            n += 1
            if i == 0:
                txns.append(header(0x1000 + e, 0, epoch + n, -10) + z.i32(30000))
            elif i in (1, 2, 3):
                txns.append(header(0x1000 + e, i, epoch + n, 1) + z.string(f"/e{e}{i}") + z.string(b"old") + acl + z.boolean(i == 3))
            elif i == 4:
                txns.append(header(0x1000 + e, i, epoch + n, 5) + z.string(f"/e{e}1") + z.string(b"new") + z.i32(1))
            elif i == 5:
                txns.append(header(0x1000 + e, i, epoch + n, 2) + z.string(f"/e{e}2"))
            elif i == 6:
                txns.append(header(0x1000 + e, i, epoch + n, -1) + z.i32(-101))
            else:
                txns.append(header(0x1000 + e, i, epoch + n, 7) + z.string(f"/e{e}1") + acl + z.i32(1))
    with open(os.path.join(data, "log.100000001"), "wb") as f:
        f.write(struct.pack(">iiq", 0x5A4B4C47, 2, 0) + b"".join(map(entry, txns)))
    with open(os.path.join(data, "snapshot.0"), "wb") as f:
        stat = struct.pack(">qqqqiiiqq", 0, 0, 0, 0, 0, -1, 0, 0, 0)
        nodes = [b"", b"/zookeeper", b"/zookeeper/quota"]
        body = struct.pack(">iiq", 0x5A4B534E, 2, -1) + z.i32(0) + z.i32(0)
        body += b"".join(z.string(n) + z.string(b"") + z.i64(-1) + stat for n in nodes) + z.string(b"/")
        f.write(body + struct.pack(">q", zlib.adler32(body)) + z.string(b"/"))
    theirs = read(folder.copy("theirs").apache(), [])
    ours = read(folder.copy("ours").zkd(), [])
    # Below /zookeeper we have the node that 3.5 brought, which ZooKeeper does not add to an older folder.
    assert differing(ours[0], theirs[0]).keys() <= {"/zookeeper", "/zookeeper/config"}
    assert ours[1] == theirs[1]
    assert {"/e11", "/e13", "/e21", "/e51", "/e53"} <= ours[0].keys() and "/e12" not in ours[0]
