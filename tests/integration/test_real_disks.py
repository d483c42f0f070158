"""Disks that fail for real: file systems that are full, a block device below one that returns errors (a thinly provisioned
one that has run out, compressed memory at its limit), an aborted journal that leaves the file system read-only, a start
on one that is mounted so. The mounts live in a mount namespace of their own, and are gone with the test.

While the disk fails a standalone node answers reads of the sessions that it has, ends the connections of writes, takes no
new session, and says so; when the disk is back it goes on by itself. Nothing that was acknowledged is ever lost.
(test_disk_faults makes single system calls fail, also those that no file system here can be made to fail.)
"""

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time

import pytest
import zkd_node
import zkwire as z
from test_disk_faults import WRITERS, Writer, values

MIB = 1 << 20
KEYS = {"snapCount": 200, "preAllocSize": 64, "diskReserve": 256, "autopurge.purgeInterval": "1s", "autopurge.snapRetainCount": 3}
EXIT_DATA_DIR = 3
RECOVERY_SECONDS = 15

pytestmark = [
    pytest.mark.skipif(not zkd_node.built(), reason="zkd is not built"),
    pytest.mark.skipif(shutil.which("mkfs.ext4") is None or os.geteuid() != 0, reason="needs e2fsprogs, and root"),
]


class Disk:
    """A file system of its own for a node's dataDir. Kinds below."""

    def __init__(self, folder):
        self.folder = str(folder)
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "node", "data")
        os.makedirs(self.data)
        os.chmod(os.path.join(self.folder, "node"), 0o755)
        self.holder = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "--", "sh", "-c", "echo up; read end"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.holder.stdout.readline()
        try:
            self.make()
            self.mount()
        except BaseException:
            self.close()
            raise

    def wrap(self, command):
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--", *command]

    def run(self, *command):
        return subprocess.run(self.wrap(list(command)), check=True, capture_output=True, text=True).stdout

    def inside(self, *path):
        """A path there, as seen from here."""
        return os.path.join(f"/proc/{self.holder.pid}/root", self.data.lstrip("/"), *path)

    def state(self):
        return next(line.split()[3] for line in self.run("cat", "/proc/mounts").splitlines() if line.split()[1] == self.data)

    def node(self, keys=None):
        return zkd_node.Node(folder=os.path.join(self.folder, "node"), keys={**KEYS, **(keys or {})}, wrap=self.wrap)

    def make(self):
        pass

    def unmount(self):
        self.run("umount", self.data)

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdin.close()
        self.holder.stdout.close()

    def fill(self, *path):
        """Takes what is free, to the last byte."""
        with open(self.inside(*path), "wb", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(os.urandom(4096))
        with contextlib.suppress(OSError), open(self.inside(*path), "rb") as f:
            os.fsync(f.fileno())


class FullTmpfs(Disk):
    """ENOSPC by write."""

    def mount(self):
        self.run("mount", "-t", "tmpfs", "-o", "size=16m", "none", self.data)

    def fail(self):
        self.fill("filler")

    def mend(self):
        os.remove(self.inside("filler"))


class FullExt4(FullTmpfs):
    """ENOSPC by write, with a journal and delayed allocation."""

    options = ()

    def make(self):
        self.image = os.path.join(self.folder, "image")
        with open(self.image, "wb") as f:
            f.truncate(32 * MIB)
        self.run("mkfs.ext4", "-q", "-F", *self.options, self.image)

    def mount(self):
        self.run("mount", "-o", "loop", self.image, self.data)


class ThinBlocks(Disk):
    """ENOSPC by fdatasync alone: the storage behind the file system has run out. It has no journal that could abort."""

    def make(self):
        self.store = os.path.join(self.folder, "store")
        os.makedirs(self.store)
        self.run("mount", "-t", "tmpfs", "-o", "size=24m", "none", self.store)
        self.image = os.path.join(self.store, "image")
        self.run("truncate", "-s", "128M", self.image)
        self.run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=0", self.image)

    def mount(self):
        self.run("mount", "-o", "loop,errors=continue", self.image, self.data)

    def filler(self):
        return os.path.join(f"/proc/{self.holder.pid}/root", self.store.lstrip("/"), "filler")

    def fail(self):
        with open(self.filler(), "wb", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(bytes(4096))

    def mend(self):
        os.remove(self.filler())


ZRAM = "/sys/class/zram-control/hot_add"


class Zram(Disk):
    """EIO by fdatasync: a block device in compressed memory, over its limit."""

    options = ("-O", "^has_journal")

    def make(self):
        with open(ZRAM) as f:
            self.number = int(f.read())
        self.device = f"/dev/zram{self.number}"
        self.set("disksize", "96M")
        self.run("mkfs.ext4", "-q", *self.options, "-E", "lazy_itable_init=0", self.device)

    def set(self, name, value):
        with open(f"/sys/block/zram{self.number}/{name}", "w") as f:
            f.write(value)

    def mount(self):
        self.run("mount", self.device, self.data)

    def fail(self):
        self.set("mem_limit", "4K")

    def mend(self):
        self.set("mem_limit", "0")

    def close(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.unmount()
        super().close()

        def removed():
            with contextlib.suppress(OSError):
                self.set("reset", "1")
                with open("/sys/class/zram-control/hot_remove", "w") as f:
                    f.write(str(self.number))
                return True
            return False

        zkd_node.wait_until(removed, 10, "the device is free")


class AbortedJournal(Zram):
    """EIO, by which ext4 aborts its journal: read-only, for good, until it is mounted anew."""

    options = ("-O", "has_journal")


class ReadOnly(FullExt4):
    """An error that ext4 finds by itself makes it read-only, for good, until it is mounted anew."""

    def mount(self):
        self.run("mount", "-o", "loop,errors=remount-ro", self.image, self.data)

    def fail(self):
        device = next(line.split()[0] for line in self.run("cat", "/proc/mounts").splitlines() if line.split()[1] == self.data)
        with open(f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error", "w") as f:
            f.write("1")

    def mend(self):
        pass


needs_zram = pytest.mark.skipif(not os.path.exists(ZRAM), reason="this kernel has no zram")
TRANSIENT = [FullTmpfs, FullExt4, ThinBlocks, pytest.param(Zram, marks=needs_zram)]
FINAL = [ReadOnly, pytest.param(AbortedJournal, marks=needs_zram)]


@pytest.fixture
def disk(request, tmp_path):
    d = request.param(tmp_path)
    yield d
    for load in Load.all:
        load.over()
    Load.all.clear()
    d.close()


class Load:
    """Writers, and a session that is there before the disk fails and writes nothing."""

    all = []

    def __init__(self, node):
        self.all.append(self)
        self.writers = [Writer(node.port, k) for k in range(WRITERS)]
        for w in self.writers:
            w.goal = 1 << 30
            w.start()
        self.reader = z.Wire(node.port, timeout=5.0)
        self.reader.connect(timeout_ms=40000)
        zkd_node.wait_until(lambda: min(w.acked for w in self.writers) > 150, 60, "the writers write")

    def acked(self):
        return [w.acked for w in self.writers]

    def read(self):
        return [int(self.reader.call(z.GET_DATA, z.path_watch(w.path))[1].body().buffer()) for w in self.writers]

    def over(self):
        for w in self.writers:
            w.over = True

    def end(self):
        self.over()
        for w in self.writers:
            w.join(30)
        self.reader.close()
        assert [w.wrong for w in self.writers] == [None] * WRITERS
        return self.acked()


def disk_word(node):
    """What `zkctl status --facts` says of logd's disk."""
    daemons = json.loads(node.zkctl("status", "--facts", "--json", check=False))["daemons"]
    return next(d["facts"]["disk"] for d in daemons if d["name"] == "logd")


def wait_failed(node, load):
    """Until nothing is acknowledged any more; the node says why, and goes on answering reads of sessions that it has."""
    zkd_node.wait_until(lambda: "disk failed" in node.log_end(400), 30, "the disk's failure is told")

    def silent():
        before = load.acked()
        time.sleep(0.3)
        return before == load.acked()

    zkd_node.wait_until(silent, 20, "no write is acknowledged")
    assert disk_word(node) != "ok" and disk_word(node) in node.log_end(400)
    assert not json.loads(node.zkctl("status", "--json", check=False))["well"]
    acked = load.acked()
    assert all(a <= r <= a + 1 for a, r in zip(acked, load.read(), strict=True))
    with z.Wire(node.port, timeout=5.0) as w, contextlib.suppress(ConnectionError):
        assert w.connect(timeout_ms=10000) is None, "a new session"


def check_values(node, acked):
    assert all(a <= v <= a + 1 for a, v in zip(acked, values(node), strict=True)), (acked, values(node))
    assert "zk_digest_mismatches_count\t0\n" in node.word("mntr")


@pytest.mark.parametrize("disk", TRANSIENT, indirect=True)
def test_comes_back_by_itself(disk):
    """The disk fails twice under load, and is mended: the same daemons go on, no restart, nothing lost."""
    node = disk.node()
    try:
        node.start()
        pids = {name: d["pid"] for name, d in node.ps().items()}
        load = Load(node)
        for _ in range(2):
            disk.fail()
            wait_failed(node, load)
            held = load.acked()
            disk.mend()
            began = time.monotonic()
            zkd_node.wait_until(lambda h=held: all(a > b + 20 for a, b in zip(load.acked(), h, strict=True)), RECOVERY_SECONDS, "it goes on")
            print(f"{type(disk).__name__}: writes go on {time.monotonic() - began:.1f} s after the disk came back")
            assert disk_word(node) == "ok"
        assert load.read()
        acked = load.end()
        assert {name: d["pid"] for name, d in node.ps().items()} == pids, "a daemon was restarted"
        node.kill()
        with disk.node() as again:
            check_values(again, acked)
    finally:
        node.close()


@pytest.mark.parametrize("disk", FINAL, indirect=True)
def test_read_only_for_good(disk):
    """Linux takes no write on such a mount any more, whatever is done: reads are served on; mounted anew, all is there."""
    node = disk.node()
    try:
        node.start()
        load = Load(node)
        disk.fail()
        wait_failed(node, load)
        zkd_node.wait_until(lambda: {"ro", "emergency_ro"} & {*disk.state().split(",")}, 30, "the file system is read-only")
        assert load.read()
        acked = load.end()
        node.stop()  # in order, although nothing can be written
        disk.mend()
        disk.unmount()
        disk.mount()
        with disk.node() as again:
            check_values(again, acked)
    finally:
        node.close()


@pytest.mark.parametrize("disk", [FullExt4], indirect=True)
def test_start_on_a_read_only_mount(disk):
    """Refused with the folder's name and what the system says; after `mount -o remount,rw` it starts."""
    with disk.node() as node, z.Wire(node.port) as w:
        w.connect(timeout_ms=10000)
        assert w.call(z.CREATE, z.create("/value", b"1"))[1].err == 0
    disk.run("mount", "-o", "remount,ro", disk.data)
    node = disk.node()
    os.remove(node.log_path)
    node.start(wait=False)
    try:
        assert node.process.wait(20) == EXIT_DATA_DIR, node.log_end()
        node.process = None
        said = [line for line in node.log_end().splitlines() if " error: " in line]
        assert any(disk.data in line and "Read-only file system" in line for line in said), node.log_end()
    finally:
        node.close()
    disk.run("mount", "-o", "remount,rw", disk.data)
    with disk.node() as node, z.Wire(node.port) as w:
        w.connect(timeout_ms=10000)
        assert w.call(z.GET_DATA, z.path_watch("/value"))[1].body().buffer() == b"1"


@pytest.mark.parametrize("disk", [FullExt4], indirect=True)
def test_start_on_a_full_disk(disk):
    """What is there is read and served; writes wait for space."""
    with disk.node() as node:
        load = Load(node)
        acked = load.end()
    disk.fail()
    node = disk.node()
    try:
        node.start(wait=False)
        status = []
        threading.Thread(target=lambda: status.append(node.process.wait()), daemon=True).start()
        time.sleep(3)
        disk.mend()
        zkd_node.wait_until(lambda: status or node.mode(), RECOVERY_SECONDS, "it serves")
        assert not status, node.log_end()
        check_values(node, acked)
    finally:
        node.close()
