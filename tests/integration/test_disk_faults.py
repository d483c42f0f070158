"""Disk calls that fail, on the real thing: strace makes logd's system calls fail while clients write. The node goes on by
itself, says what failed, and nothing that was acknowledged is lost, neither then nor after a restart."""

import contextlib
import os
import shutil
import threading
import time

import pytest
import zkd_node
import zkwire as z

pytestmark = [
    pytest.mark.skipif(not zkd_node.built(), reason="zkd is not built"),
    pytest.mark.skipif(shutil.which("strace") is None or os.geteuid() != 0, reason="needs strace, and root"),
]

# which calls of a process fail, and how
FAULTS = [
    "fdatasync:error=EIO:when=40",
    "fdatasync:error=EIO:when=40..44",
    "fdatasync:error=ENOSPC:when=40..44",
    "fdatasync:error=EDQUOT:when=40",
    "fdatasync:delay_exit=700000:when=40",
    "pwrite64:error=EIO:when=60",
    "pwrite64:error=ENOSPC:when=60..70",
    "pwrite64:error=EROFS:when=60..70",
    "pwrite64:retval=3:when=60",
    "fallocate:error=ENOSPC:when=2..5",
    "fallocate:error=EIO:when=3",
    "fallocate:error=EOPNOTSUPP:when=1+",
    "renameat:error=EIO:when=2..3",
    "fsync:error=EIO:when=3..5",
    "unlinkat:error=EROFS:when=3..5",
    "ftruncate:error=EIO:when=2",
]
KEYS = {"snapCount": 60, "preAllocSize": 4, "autopurge.purgeInterval": "300ms", "tickTime": 2000}
WRITERS = 2
WRITES = 150


class Writer(threading.Thread):
    """Sets its znode to 1, 2, 3, ..., whatever becomes of its connections."""

    def __init__(self, port, k):
        super().__init__(daemon=True)
        self.port, self.path, self.acked, self.value, self.wrong = port, f"/w{k}", 0, 0, None
        self.over, self.goal = False, WRITES

    def session(self):
        """A connection, and the znode's value on it."""
        w = z.Wire(self.port, timeout=5.0)
        w.connect(timeout_ms=10000)
        reply = w.call(z.CREATE, z.create(self.path, b"0"))[1]
        if reply is None or reply.err not in (0, -110):
            raise ConnectionResetError
        reply = w.call(z.GET_DATA, z.path_watch(self.path))[1]
        value = int(reply.body().buffer())
        if not self.acked <= value <= self.acked + 1:
            self.wrong = f"{self.path} is {value}, {self.acked} was acknowledged"
        self.acked = value
        return w

    def run(self):
        while self.acked < self.goal and self.wrong is None and not self.over:
            with contextlib.suppress(OSError, TimeoutError, AttributeError, z.Short), self.session() as w:
                while self.acked < self.goal and self.wrong is None and not self.over:
                    reply = w.call(z.SET_DATA, z.set_data(self.path, b"%d" % (self.acked + 1)))[1]
                    if reply is None or reply.err != 0:
                        break
                    self.acked += 1
            time.sleep(0.02)


def values(node):
    with z.Wire(node.port) as w:
        w.connect()
        return [int(w.call(z.GET_DATA, z.path_watch(f"/w{k}"))[1].body().buffer()) for k in range(WRITERS)]


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(fault, tmp_path):
    call = fault.split(":")[0]
    os.chmod(tmp_path, 0o755)
    trace = str(tmp_path / "trace")
    command = ["strace", "-D", "-f", "--seccomp-bpf", "-e", f"trace={call}", "-e", f"inject={fault}", "-o", trace]
    node = zkd_node.Node(folder=str(tmp_path / "node"), keys=KEYS, wrap=lambda argv: [*command, *argv])
    writers = []
    try:
        node.start()
        writers = [Writer(node.port, k) for k in range(WRITERS)]
        for w in writers:
            w.start()
        for w in writers:
            w.join(60)
        assert [w.wrong for w in writers] == [None] * WRITERS, node.log_end(60)
        assert [w.acked for w in writers] == [WRITES] * WRITERS, f"it did not go on\n{node.log_end(60)}"
        with open(trace) as f:
            injected = sum("(INJECTED)" in line or "(DELAYED)" in line for line in f)
        assert injected > 0, "no call failed"
        node.kill()
    finally:
        for w in writers:
            w.over = True
        node.close()
    node = zkd_node.Node(folder=str(tmp_path / "node"), keys=KEYS)
    with node:
        assert values(node) == [WRITES] * WRITERS
        assert "zk_digest_mismatches_count\t0\n" in node.word("mntr")
