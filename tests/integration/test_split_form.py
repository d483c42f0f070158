"""The split form: the daemons as services of their own, started from the unit files by a stand-in for systemd."""

import contextlib
import os
import shutil
import signal
import tempfile
import unittest

from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError
from standin import Standin
from zkd_process import BUILD, DAEMONS, DUMMY, alive, free_port, real_suite_built, wait_until
from zkd_node import four_letter

SKIP_DUMMIES = None if os.access(DUMMY, os.X_OK) else "not built: make check_PROGRAMS (tests/integration/dummy)"
REAL_PROGRAMS = {name: os.path.join(BUILD, name, name) for name in DAEMONS}
SKIP_REAL = None if real_suite_built() else "not built: the daemons"


class Form:
    """The tests, whatever the daemons; below with dummies and with the real ones."""

    programs = {}

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="zkd-split-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.config = os.path.join(self.folder, "zoo.cfg")
        data = os.path.join(self.folder, "data")
        os.mkdir(data)
        os.chmod(data, 0o777)
        with open(self.config, "w") as f:
            f.write(f"dataDir={data}\nclientPort={self.port}\nclientPortAddress=127.0.0.1\n4lw.commands.whitelist=*\nadmin.enableServer=false\n")

    def split(self):
        return Standin(self.folder, self.programs, self.config, self.port, {"ZKD_DUMMY": self.folder})

    def wait_ready(self, s, seconds=20):
        wait_until(lambda: all(s.ready(n) for n in DAEMONS), seconds, "all are ready\n" + s.log())

    def test_starts_and_stops(self):
        with self.split() as s:
            self.wait_ready(s)
            self.serves(s)
            pids = [s.pid(n) for n in DAEMONS]
            self.assertTrue(s.stop(), s.log())
            s.stop = lambda: None
            self.assertFalse(any(alive(p) for p in pids))
            self.assertEqual(s.deaths, [])

    def test_each_is_restarted_alone(self):
        with self.split() as s:
            self.wait_ready(s)
            for name in DAEMONS:
                before = {n: s.pid(n) for n in DAEMONS if n != name}
                old = s.pid(name)
                os.kill(old, signal.SIGKILL)
                wait_until(lambda n=name, o=old: s.pid(n) not in (0, o) and s.ready(n), 10, f"{name} is back")
                self.assertEqual({n: s.pid(n) for n in before}, before)
                self.serves(s)

    def test_a_hung_one_is_replaced(self):
        with self.split() as s:
            self.wait_ready(s)
            for name in DAEMONS:
                old = s.pid(name)
                os.kill(old, signal.SIGSTOP)
                wait_until(lambda n=name, o=old: s.pid(n) not in (0, o) and s.ready(n), 10, f"{name} is back")
            self.serves(s)


@unittest.skipIf(SKIP_DUMMIES, SKIP_DUMMIES)
class WithDummies(Form, unittest.TestCase):
    programs = dict.fromkeys(DAEMONS, DUMMY)

    def serves(self, s):
        self.assertEqual(four_letter(self.port, "").strip(), str(s.pid("clientd")))


@unittest.skipIf(SKIP_REAL, SKIP_REAL)
class WithDaemons(Form, unittest.TestCase):
    programs = REAL_PROGRAMS

    def serves(self, s):
        wait_until(lambda: "Mode: standalone" in four_letter(self.port, "srvr"), 10, "the node serves\n" + s.log())

    def test_a_bad_configuration_is_not_tried_again(self):
        with open(self.config, "a") as f:
            f.write("tickTime=never\n")
        with self.split() as s:
            wait_until(lambda: len(s.deaths) == len(DAEMONS), 10, "all have refused it")
            self.assertEqual({os.waitstatus_to_exitcode(status) for _, _, status in s.deaths}, {2})
            self.assertEqual({s.pid(n) for n in DAEMONS}, {0})


class SplitNode:
    """A server of an ensemble in the split form, with the sockets that its operator has to enable for that."""

    def __init__(self, folder, number, lines, port, ports):
        self.number, self.port = number, port
        self.folder = os.path.join(folder, str(number))
        data = os.path.join(self.folder, "data")
        os.makedirs(data)
        os.chmod(self.folder, 0o755)
        os.chmod(data, 0o777)
        with open(os.path.join(data, "myid"), "w") as f:
            f.write(f"{number}\n")
        config = os.path.join(self.folder, "zoo.cfg")
        with open(config, "w") as f:
            f.write(f"dataDir={data}\nclientPort={port}\nclientPortAddress=127.0.0.1\n4lw.commands.whitelist=*\n")
            f.write(f"admin.enableServer=false\ntickTime=500\ninitLimit=20\nsyncLimit=5\n{lines}")
        self.standin = Standin(self.folder, REAL_PROGRAMS, config, port, ports=ports)

    def mode(self):
        words = [line.split(": ", 1)[1] for line in four_letter(self.port, "srvr").splitlines() if line.startswith("Mode: ")]
        return words[0] if words else ""


@unittest.skipIf(SKIP_REAL, SKIP_REAL)
class AnEnsemble(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="zkd-split-")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        free = set()
        while len(free) < 9:
            free.add(free_port())
        ports = [dict(zip(("client", "quorum", "election"), (free.pop(), free.pop(), free.pop()))) for _ in range(3)]
        lines = "".join(f"server.{n}=127.0.0.1:{p['quorum']}:{p['election']}\n" for n, p in enumerate(ports, 1))
        self.nodes = [SplitNode(self.folder, n, lines, p["client"], p) for n, p in enumerate(ports, 1)]
        self.stack = contextlib.ExitStack()
        for node in self.nodes:
            self.stack.enter_context(node.standin)
        self.addCleanup(self.stack.close)
        self.wait_modes()
        self.client = KazooClient(hosts=",".join(f"127.0.0.1:{n.port}" for n in self.nodes), timeout=10)
        self.client.start(20)
        self.addCleanup(self.close_client)
        self.written = 0

    def close_client(self):
        self.client.stop()
        self.client.close()

    def logs(self):
        return "\n".join(f"--- server {n.number}\n{n.standin.log()[-6000:]}" for n in self.nodes)

    def wait_modes(self):
        """One leads, the others follow; the leader."""

        def all_serve():
            return sorted(n.mode() for n in self.nodes) == ["follower", "follower", "leader"]

        wait_until(all_serve, 30, "one leads and two follow\n" + self.logs())
        return next(n for n in self.nodes if n.mode() == "leader")

    def write(self, why):
        """A write is taken; it was already if its reply was lost and it is tried again."""
        with contextlib.suppress(NodeExistsError):
            self.client.retry(self.client.create, f"/w{self.written}", str(why).encode())
        self.written += 1

    def check_writes(self, why):
        """A write is taken, and every server has all that were."""
        self.write(why)
        for node in self.nodes:
            with contextlib.closing(KazooClient(hosts=f"127.0.0.1:{node.port}", timeout=10)) as one:
                one.start(20)
                one.sync("/")
                there = {name for name in one.get_children("/") if name.startswith("w")}
                self.assertEqual(there, {f"w{i}" for i in range(self.written)}, f"server {node.number} after {why}")
                one.stop()

    def test_it_elects_serves_and_survives_the_death_of_each_daemon(self):
        self.check_writes("the start")
        leader = self.wait_modes()
        for node in (leader, next(n for n in self.nodes if n is not leader)):
            for name in REAL_PROGRAMS:
                s = node.standin
                before = {n: s.pid(n) for n in REAL_PROGRAMS if n != name}
                old = s.pid(name)
                os.kill(old, signal.SIGKILL)
                wait_until(lambda s=s, n=name, o=old: s.pid(n) not in (0, o) and s.ready(n), 10, f"{name} is back\n" + s.log())
                self.wait_modes()
                self.check_writes(f"the death of {name} of server {node.number}")
                self.assertEqual({n: s.pid(n) for n in before}, before, f"{name} died alone")

    def test_a_server_is_stopped_and_comes_back(self):
        leader = self.wait_modes()
        self.assertTrue(leader.standin.stop(), "its daemons end by themselves")
        left = [n for n in self.nodes if n is not leader]
        wait_until(lambda: sorted(n.mode() for n in left) == ["follower", "leader"], 30, "the others go on\n" + self.logs())
        self.write("a stop")
        leader.standin.restart()
        self.wait_modes()
        self.check_writes("a restart")


if __name__ == "__main__":
    unittest.main()
