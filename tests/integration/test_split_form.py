"""The split form: the daemons as services of their own, started from the unit files by a stand-in for systemd."""

import os
import shutil
import signal
import tempfile
import unittest

from standin import Standin
from zkd_process import BUILD, DAEMONS, DUMMY, alive, free_port, real_suite_built, wait_until
from zkd_node import four_letter

SKIP_DUMMIES = None if os.access(DUMMY, os.X_OK) else "not built: make check_PROGRAMS (tests/integration/dummy)"
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
    programs = {name: os.path.join(BUILD, name, name) for name in DAEMONS}

    def serves(self, s):
        wait_until(lambda: "Mode: standalone" in four_letter(self.port, "srvr"), 10, "the node serves\n" + s.log())

    def test_a_bad_configuration_is_not_tried_again(self):
        with open(self.config, "a") as f:
            f.write("tickTime=never\n")
        with self.split() as s:
            wait_until(lambda: len(s.deaths) == len(DAEMONS), 10, "all have refused it")
            self.assertEqual({os.waitstatus_to_exitcode(status) for _, _, status in s.deaths}, {2})
            self.assertEqual({s.pid(n) for n in DAEMONS}, {0})


if __name__ == "__main__":
    unittest.main()
