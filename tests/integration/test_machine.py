"""The disk and the wall clock of a test's machine do to a node what they say; nothing of it outlives its test."""

import contextlib
import glob
import os
import signal
import subprocess
import sys
import time

import machine
import netlab
import pytest
import zkd_node
from kazoo.client import KazooClient

pytestmark = pytest.mark.skipif(not zkd_node.built(), reason="zkd is not built")

HOUR_MS = 3600 * 1000
# What a program of ours does in namespaces of its own, and what it must see.
IN_NAMESPACES = """
import errno, os, sys
sys.path.insert(0, {lib!r})
import machine, netlab
netlab.enter()
disk = machine.Disk({folder!r} + "/disk", {folder!r} + "/data")
name = os.path.join(disk.folder, "file")

def write(what):
    try:
        with open(name, "w") as f:
            f.write("x" * 4096)
            f.flush()
            os.fsync(f.fileno())
    except OSError as e:
        print(what, errno.errorcode[e.errno])
    else:
        print(what, "written")

write("new:")
os.remove(name)
disk.fill(); write("full:")
disk.free(); write("freed:")
disk.fail(); write("failed:")
disk.repair(); write("repaired:")
"""


def test_a_wall_clock_of_its_own(tmp_path):
    os.chmod(tmp_path, 0o755)
    clock = machine.Clock(str(tmp_path))
    with zkd_node.Node(wrap=clock.wrap) as node:
        zk = KazooClient(hosts=node.hosts, timeout=4)
        zk.start(10)
        zk.create("/a", ephemeral=True)
        before = zk.exists("/a").ctime
        for step in (HOUR_MS, -HOUR_MS, 0):
            clock.step(step)
            zk.set("/a", b"")
            seen = zk.exists("/a").mtime - before
            assert step - 100 <= seen <= step + 60000, "the node's clock is where it was put"
        assert zk.exists("/a").ephemeralOwner == zk.client_id[0], "a clock that jumps expires nobody"
        zk.stop()
        zk.close()


@pytest.mark.skipif(netlab.usable() is not None or machine.lacks_disks() is not None, reason="no namespaces or no disks here")
def test_a_disk_of_its_own(tmp_path):
    program = IN_NAMESPACES.format(lib=os.path.dirname(machine.__file__), folder=str(tmp_path))
    r = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    said = r.stdout.split("\n")[:-1]
    assert said == ["new: written", "full: ENOSPC", "freed: written", "failed: EROFS", "repaired: written"], r.stderr


def run_chaos(folder):
    """The ensemble's fault test, when its servers are up, and where it has its files: below folder."""
    before = set(os.listdir(folder))
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ensemble_chaos.py")
    chaos = subprocess.Popen(
        [sys.executable, program, "--seconds", "60", "--only", "step clock"],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )

    def up():
        new = set(os.listdir(folder)) - before
        return new if any(len(glob.glob(f"{folder}/{name}/*/run/zkd.control")) == 3 for name in new) else None

    return chaos, zkd_node.wait_until(up, 60, "three servers").pop()


def processes_of(folder):
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError), open(path) as f:
            if str(folder) in (command := f.read().replace("\0", " ")):
                found.append(command)
    return found


@pytest.mark.skipif(netlab.usable() is not None, reason="no namespaces")
def test_nothing_is_left_of_a_test_that_is_killed_or_interrupted(tmp_path):
    os.chmod(tmp_path, 0o755)
    chaos, folder = run_chaos(tmp_path)
    chaos.kill()
    chaos.communicate(timeout=10)
    zkd_node.wait_until(lambda: not processes_of(tmp_path), 20, "its servers are gone")
    chaos, other = run_chaos(tmp_path)
    assert os.listdir(tmp_path) == [other] != [folder], "the next run has removed its files"
    time.sleep(1)
    chaos.send_signal(signal.SIGINT)
    said = chaos.communicate(timeout=60)[0]
    assert chaos.returncode == 0 and "0 failed" in said, said
    assert os.listdir(tmp_path) == [] and processes_of(tmp_path) == []
