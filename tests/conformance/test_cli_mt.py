"""cli_mt, the shell of ZooKeeper's C library: each command is typed when the one before has been answered."""

import os
import re
import subprocess
import threading

import pytest
from zkd_node import wait_until

CLI = "/usr/lib/zookeeper/bin/cli_mt"

pytestmark = pytest.mark.skipif(not os.path.exists(CLI), reason="zookeeper-bin is not installed")


class Shell:
    """What it prints, replies among it, goes to both its outputs; ask waits for a line that matches, and gives the match."""

    def __init__(self, node):
        self.process = subprocess.Popen(
            [CLI, node.hosts], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.said, self.mark = "", 0
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.said += line

    def find(self, pattern):
        m = re.compile(pattern, re.MULTILINE).search(self.said, self.mark)
        if m:
            self.mark = m.end()
        return m

    def expect(self, pattern):
        return wait_until(lambda: self.find(pattern), 10, f"{pattern!r} in {self.said[self.mark:]!r}")

    def ask(self, command, pattern):
        print(command, file=self.process.stdin, flush=True)
        return self.expect(pattern)

    def quit(self):
        print("quit", file=self.process.stdin, flush=True)
        return self.process.wait(10)


@pytest.fixture
def shell(node):
    s = Shell(node)
    s.expect(r"^Watcher SESSION_EVENT state = CONNECTED_STATE$")
    yield s
    s.process.kill()
    s.process.wait()


def test_cli_mt(node, shell):
    assert int(shell.expect(r"^Got a new session id: 0x([0-9a-f]+)$").group(1), 16) != 0
    shell.ask("create /cmt", r"^\[/cmt\]: rc = 0\n\tname = /cmt$")
    shell.ask("create /cmt", r"^\[/cmt\]: rc = -110$")
    shell.ask("create +e /cmt/e", r"^\[/cmt/e\]: rc = 0\n\tname = /cmt/e$")
    shell.ask("create +s /cmt/s-", r"^\[/cmt/s-\]: rc = 0\n\tname = /cmt/s-0000000001$")
    shell.ask("create2 +c /cmt/c", r"^\[/cmt/c\]: rc = 0\n\tname = /cmt/c\n(.*\n)*?\tversion=0\taversion=0\n\tephemeralOwner = 0$")
    shell.ask("create +t=100000 /cmt/t", r"^\[/cmt/t\]: rc = 0\n\tname = /cmt/t$")
    names = shell.ask("ls /cmt", r"^/cmt: rc = 0\n((?:\t.*\n)+)time = ").group(1).split()
    assert sorted(names) == ["c", "e", "s-0000000001", "t"]
    shell.ask("wexists /cmt/w", r"^/cmt/w: rc = -101|^Error -101 for /cmt/w")
    shell.ask("create /cmt/w", r"^Watcher CREATED_EVENT state = CONNECTED_STATE for path /cmt/w$")
    shell.ask("set /cmt there", r"^/cmt: rc = 0$|version=1")
    shell.ask("get /cmt", r"^/cmt: rc = 0\n value_len = 5\nthere\nStat:$")
    shell.ask("sync /cmt", r"^\[/cmt\]: rc = 0\n\tname = /cmt$")
    shell.ask("delete /cmt", r"^/cmt: rc = -111$")
    shell.ask("delete /cmt/w", r"^/cmt/w: rc = 0$")
    shell.ask("ls /nothing", r"^/nothing: rc = -101$")
    shell.ask("config", r"^/zookeeper/config: rc = 0\n value_len = 0$")
    zk = node.client()
    try:
        assert zk.get("/cmt")[0] == b"there" and zk.exists("/cmt/e")
        assert shell.quit() == 0
        wait_until(lambda: zk.exists("/cmt/e") is None, 5, "its ephemeral goes with it")
    finally:
        zk.stop()
        zk.close()
