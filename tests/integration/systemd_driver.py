"""What test_systemd.py runs inside the systemd that it has booted: both forms of zkd under a real systemd.

Runs as a service, with the units installed and the accounts made. Environment: ZKD_KIND is "dummies", "daemons" or
"journal" (the daemons, with journald beside them).
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from zkd_node import DAEMONS, NodeError, alive, four_letter, wait_until  # noqa: E402

PORT = 2181
FOLDER = os.path.dirname(os.path.abspath(__file__))
KIND = os.environ["ZKD_KIND"]
REAL = KIND != "dummies"


def systemctl(*args, check=True):
    r = subprocess.run(["systemctl", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    if check and r.returncode != 0:
        raise NodeError(f"systemctl {' '.join(args)}: {r.stdout}")
    return r.stdout.strip()


def show(unit, name):
    return systemctl("show", "-P", name, unit)


def main_pid(unit):
    return int(show(unit, "MainPID"))


def wait_active(unit, seconds=20):
    def active():
        return show(unit, "ActiveState") == "active" and show(unit, "SubState") in ("running", "active", "listening")

    wait_until(active, seconds, f"{unit} is active")


def wait_other_pid(unit, old):
    wait_until(lambda: main_pid(unit) not in (0, old) and show(unit, "SubState") == "running", 20, f"{unit} is back")
    return main_pid(unit)


def serves():
    if REAL:
        return "Mode: standalone" in four_letter(PORT, "srvr")
    return four_letter(PORT, "").strip().isdigit()


def wait_serves():
    wait_until(serves, 20, "the node serves")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(p) for p in f.read().split()]


def program_of(pid):
    with open(f"/proc/{pid}/comm") as f:
        return f.read().strip()


def user_of(pid):
    return subprocess.run(["stat", "-c", "%U", f"/proc/{pid}"], capture_output=True, text=True).stdout.strip()


def units():
    return [f"zkd-{d}.service" for d in DAEMONS]


@unittest.skipIf(KIND == "journal", "the same without a journal")
class Split(unittest.TestCase):
    def setUp(self):
        systemctl("start", "zkd.target")
        for unit in units():
            wait_active(unit)
        wait_serves()

    def tearDown(self):
        systemctl("stop", "zkd.target")

    def test_each_has_its_own_user(self):
        for d in DAEMONS:
            self.assertEqual(show(f"zkd-{d}.service", "User"), f"zkd-{d}")
            with open(f"/proc/{main_pid(f'zkd-{d}.service')}/status") as f:
                status = f.read()
            uid = subprocess.run(["id", "-u", f"zkd-{d}"], capture_output=True, text=True).stdout.strip()
            self.assertRegex(status, rf"Uid:\s+{uid}\s+{uid}\s+{uid}")
            self.assertRegex(status, r"CapEff:\s+0+\n")
            self.assertRegex(status, r"NoNewPrivs:\s+1\n")

    def test_a_killed_one_is_restarted_alone(self):
        for unit in units():
            before = {u: main_pid(u) for u in units() if u != unit}
            old = main_pid(unit)
            os.kill(old, signal.SIGKILL)
            wait_other_pid(unit, old)
            self.assertEqual({u: main_pid(u) for u in before}, before)
            wait_serves()

    def test_a_hung_one_is_replaced(self):
        for unit in units():
            old = main_pid(unit)
            os.kill(old, signal.SIGSTOP)
            wait_other_pid(unit, old)
        wait_serves()

    def test_many_deaths_meet_no_start_limit(self):
        unit = "zkd-electiond.service"
        for _ in range(8):
            old = main_pid(unit)
            os.kill(old, signal.SIGKILL)
            wait_other_pid(unit, old)

    def test_stop_leaves_nothing(self):
        pids = [main_pid(u) for u in units()]
        systemctl("stop", "zkd.target")
        wait_until(lambda: not any(alive(p) for p in pids), 5, "all are gone")
        for unit in units():
            self.assertEqual(show(unit, "Result"), "success", unit)
        self.assertEqual(four_letter(PORT, "srvr"), "")

    def test_the_single_unit_takes_its_place(self):
        pids = [main_pid(u) for u in units()]
        systemctl("start", "zkd.service")
        wait_until(lambda: not any(alive(p) for p in pids), 5, "all are gone")
        wait_serves()
        systemctl("stop", "zkd.service")


@unittest.skipIf(KIND != "daemons", "dummies elect nobody")
class Member(unittest.TestCase):
    """The split form as server 1 of an ensemble; 2 and 3 are nodes of the other form, beside it."""

    SOCKETS = ("zkd-electiond-election.socket", "zkd-syncd-quorum.socket")

    def setUp(self):
        with open("/etc/zkd/zoo.cfg") as f:
            self.standalone = f.read()
        members = {1: (2888, 3888), 2: (2889, 3889), 3: (2890, 3890)}
        lines = "tickTime=500\ninitLimit=20\nsyncLimit=5\n"
        lines += "".join(f"server.{n}=127.0.0.1:{quorum}:{election}\n" for n, (quorum, election) in members.items())
        with open("/etc/zkd/zoo.cfg", "a") as f:
            f.write(f"myid=1\n{lines}")
        self.others = [self.start_other(n, lines) for n in (2, 3)]
        systemctl("start", *self.SOCKETS, "zkd.target")

    def start_other(self, n, lines):
        folder = f"/run/other{n}"
        os.makedirs(folder)
        with open(f"{folder}/zoo.cfg", "w") as f:
            f.write(f"dataDir={folder}/data\nruntimeDir={folder}/run\nmyid={n}\nclientPort={PORT + n}\n")
            f.write(f"4lw.commands.whitelist=*\nadmin.enableServer=false\n{lines}")
        os.makedirs(f"{folder}/data")
        return subprocess.Popen([os.path.join(FOLDER, "supervisor", "zkd"), "-c", f"{folder}/zoo.cfg"])

    def tearDown(self):
        systemctl("stop", "zkd.target")
        for other in self.others:
            other.terminate()
            other.wait()
        with open("/etc/zkd/zoo.cfg", "w") as f:
            f.write(self.standalone)

    def wait_modes(self):
        def all_serve():
            words = [four_letter(port, "srvr") for port in (PORT, PORT + 2, PORT + 3)]
            return sorted(w.partition("Mode: ")[2].split("\n")[0] for w in words) == ["follower", "follower", "leader"]

        wait_until(all_serve, 30, "one leads and two follow")

    def test_it_takes_part_and_survives_the_death_of_each_daemon(self):
        self.wait_modes()
        for unit in units():
            before = {u: main_pid(u) for u in units() if u != unit}
            old = main_pid(unit)
            os.kill(old, signal.SIGKILL)
            wait_other_pid(unit, old)
            self.wait_modes()
            self.assertEqual({u: main_pid(u) for u in before}, before)


@unittest.skipIf(KIND == "journal", "the same without a journal")
class Single(unittest.TestCase):
    def setUp(self):
        systemctl("start", "zkd.service")  # returns when READY was said
        self.pid = main_pid("zkd.service")
        wait_serves()

    def tearDown(self):
        systemctl("stop", "zkd.service")
        systemctl("reset-failed", check=False)

    def test_status_goes_up(self):
        self.assertRegex(show("zkd.service", "StatusText"), r"4 of 4 daemons ready")
        self.assertEqual(len(children(self.pid)), 4)
        for pid in (self.pid, *children(self.pid)):
            with open(f"/proc/{pid}/status") as f:
                self.assertRegex(f.read(), r"CapEff:\s+0+\n")

    def test_a_killed_daemon_does_not_concern_systemd(self):
        for victim in children(self.pid):
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda v=victim: v not in children(self.pid) and len(children(self.pid)) == 4, 10, "is back")
        wait_serves()
        self.assertEqual(main_pid("zkd.service"), self.pid)
        self.assertEqual(show("zkd.service", "NRestarts"), "0")

    def test_a_killed_zkd_is_restarted(self):
        all_of_it = [self.pid, *children(self.pid)]
        os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: not any(alive(p) for p in all_of_it), 5, "all are gone")
        wait_other_pid("zkd.service", self.pid)
        wait_serves()

    def test_a_stopped_zkd_is_replaced(self):
        os.kill(self.pid, signal.SIGSTOP)
        wait_other_pid("zkd.service", self.pid)
        wait_serves()
        self.assertEqual(show("zkd.service", "NRestarts"), "1")

    def test_stop(self):
        pids = [self.pid, *children(self.pid)]
        systemctl("stop", "zkd.service")
        self.assertEqual(show("zkd.service", "Result"), "success")
        self.assertFalse(any(alive(p) for p in pids))

    def test_reload(self):
        before = children(self.pid)
        with open("/etc/zkd/zoo.cfg", "a") as f:
            f.write("tickTime=1500\n")
        systemctl("reload", "zkd.service")
        wait_until(lambda: len(set(children(self.pid)) - set(before)) == 4, 10, "all are new")
        wait_serves()
        self.assertEqual(main_pid("zkd.service"), self.pid)

    def test_a_bad_configuration_fails_for_good(self):
        systemctl("stop", "zkd.service")
        with open("/etc/zkd/zoo.cfg") as f:
            good = f.read()
        try:
            with open("/etc/zkd/zoo.cfg", "a") as f:
                f.write("tickTime=never\n")
            systemctl("start", "zkd.service", check=False)
            wait_until(lambda: show("zkd.service", "ActiveState") == "failed", 10, "zkd.service has failed")
            self.assertEqual(show("zkd.service", "ExecMainStatus"), "2")
        finally:
            with open("/etc/zkd/zoo.cfg", "w") as f:
                f.write(good)


def entries(*match):
    """What the journal has, as journalctl -o json gives it."""
    r = subprocess.run(["journalctl", "-o", "json", "--no-pager", *match], stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return [json.loads(line) for line in r.stdout.splitlines()]


@unittest.skipUnless(KIND == "journal", "there is no journal here")
class Journal(unittest.TestCase):
    """Lines of the node as journald stored them."""

    @classmethod
    def setUpClass(cls):
        systemctl("start", "zkd.service")
        wait_serves()
        pid = main_pid("zkd.service")
        victim = next(c for c in children(pid) if program_of(c) == "clientd")
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in children(pid) and len(children(pid)) >= 4, 10, "clientd is back")
        wait_serves()
        cls.refused = four_letter(PORT, 'GE"\n')
        systemctl("stop", "zkd.service")
        subprocess.run(["journalctl", "--sync"], check=False)
        with open(os.path.join(FOLDER, "events.def")) as f:
            cls.ids = dict(re.findall(r'^X\("([^"]+)", "([^"]*)"\)', f.read(), re.M))

    def test_each_line_has_its_fields(self):
        lines = [e for e in entries() if e.get("SYSLOG_IDENTIFIER") in ("zkd", *DAEMONS)]
        self.assertGreater(len(lines), 10)
        for e in lines:
            self.assertIn(e["DAEMON"], ("zkd", *DAEMONS))
            self.assertEqual(e["_SYSTEMD_UNIT"], "zkd.service")
            self.assertNotIn("_LINE_BREAK", e)
            self.assertEqual(e["_TRANSPORT"], "journal", e["MESSAGE"])
        self.assertLessEqual({"zkd", "syncd", "clientd", "logd"}, {e["SYSLOG_IDENTIFIER"] for e in lines})

    def test_events_are_found_by_their_id(self):
        (died,) = entries(f"MESSAGE_ID={self.ids['died']}")
        self.assertEqual((died["DAEMON"], died["SYSLOG_IDENTIFIER"], died["PRIORITY"]), ("clientd", "zkd", "3"))
        self.assertEqual(len(entries(f"MESSAGE_ID={self.ids['serving']}")), 1)
        serving = entries(f"MESSAGE_ID={self.ids['front: serving']}")
        self.assertEqual(len(serving), 2)
        self.assertTrue(all(re.fullmatch("0x[0-9a-f]+", e["ZXID"]) for e in serving))
        (closed,) = entries(f"MESSAGE_ID={self.ids['front: close']}")
        self.assertTrue(closed["PEER"].startswith("127.0.0.1:") and closed["SESSION"] == "0x0")
        self.assertIn("DAEMON=clientd", subprocess.run(["journalctl", "-o", "export", f"MESSAGE_ID={self.ids['front: close']}"], stdout=subprocess.PIPE, text=True).stdout)

    def test_the_catalog_explains(self):
        os.makedirs("/var/lib/systemd/catalog", exist_ok=True)
        # in our own mount namespace, as all of this
        subprocess.run(["mount", "--bind", os.path.join(FOLDER, "catalog"), "/usr/lib/systemd/catalog"], check=True)
        subprocess.run(["journalctl", "--update-catalog"], check=True)
        r = subprocess.run(["journalctl", "-x", "--no-pager", f"MESSAGE_ID={self.ids['died']}"], stdout=subprocess.PIPE, text=True)
        self.assertIn("Subject: A daemon died", r.stdout)
        self.assertIn("The daemon clientd ended", r.stdout)


@unittest.skipUnless(KIND == "daemons", "needs the daemons and no journal")
class Adopted(unittest.TestCase):
    """A service called zookeeper, its data outside /var/lib/zkd: what zkctl adopt says to do, done word by word, and back."""

    CONF, DATA = "/etc/zk/conf", "/var/lib/zookeeper"
    WANTS = "/etc/systemd/system/multi-user.target.wants"  # where this systemd writes, though it does not read there
    UNITS = os.path.join(FOLDER, "units")

    def setUp(self):
        for path in (self.CONF, os.path.join(self.DATA, "version-2")):
            os.makedirs(path, exist_ok=True)
        with open(os.path.join(self.CONF, "zoo.cfg"), "w") as f:
            f.write(f"dataDir={self.DATA}\nclientPort={PORT}\nadmin.enableServer=false\nautopurge.purgeInterval=1\n")
        with open(os.path.join(self.CONF, "environment"), "w") as f:
            f.write('JAVA_OPTS="-Dzookeeper.snapCount=5000"\n')
        subprocess.run(["chown", "-R", "daemon:daemon", self.DATA], check=True)
        with open(os.path.join(self.UNITS, "zookeeper.service"), "w") as f:
            f.write("[Service]\nExecStart=sleep infinity\nUser=daemon\n[Install]\nWantedBy=multi-user.target\n")
        with open("/etc/zkd/zoo.cfg") as f:
            self.own = f.read()
        self.was = os.stat("/etc/zkd/zoo.cfg")
        systemctl("daemon-reload")
        systemctl("enable", "--now", "zookeeper")

    def tearDown(self):
        systemctl("disable", "--now", "zookeeper", "zkd")
        with open("/etc/zkd/zoo.cfg", "w") as f:
            f.write(self.own)
        # What adopt installs is for the single unit's group; the daemons of the split form are not in it.
        os.chown("/etc/zkd/zoo.cfg", self.was.st_uid, self.was.st_gid)
        os.chmod("/etc/zkd/zoo.cfg", self.was.st_mode & 0o7777)
        shutil.rmtree(self.CONF)
        if os.path.exists(drop_in := os.path.join(self.UNITS, "zkd.service.d", "data.conf")):
            os.remove(drop_in)
        systemctl("daemon-reload")

    def steps(self):
        """The commands, for the places where this systemd has its things."""
        os.chdir("/tmp")
        command = [os.path.join(FOLDER, "zkctl"), "adopt", "--json", "-o", "/tmp/zkd.cfg", self.CONF]
        r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(r.returncode, 0, r.stdout)
        commands = json.loads(r.stdout)["commands"]
        target = commands[0].split()[-1]
        etc = target[: -len("/zkd/zoo.cfg")]
        return [c.replace(etc + "/zkd", "/etc/zkd").replace("/etc/systemd/system", self.UNITS) for c in commands]

    def run_step(self, step):
        env = {**os.environ, "PATH": f"{FOLDER}:{os.environ['PATH']}"}
        r = subprocess.run(["sh", "-c", step], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, timeout=60)
        self.assertEqual(r.returncode, 0, f"{step}: {r.stdout}")

    def owner(self):
        return subprocess.run(["stat", "-c", "%U", self.DATA], stdout=subprocess.PIPE, text=True).stdout.strip()

    def enabled(self):
        return {name for name in os.listdir(self.WANTS) if name.startswith("z")}

    def test_step_by_step(self):
        steps = [s for s in self.steps() if "doctor" not in s]  # it wants a server that answers
        back = steps.index("systemctl disable --now zkd")
        for step in steps[:back]:
            self.run_step(step)
        wait_serves()
        self.assertEqual((show("zookeeper", "ActiveState"), self.owner()), ("inactive", "zkd"))
        self.assertEqual(self.enabled(), {"zkd.service"})
        self.assertTrue(any(name.startswith("snapshot.") for name in os.listdir(os.path.join(self.DATA, "version-2"))))
        for step in steps[back:]:
            self.run_step(step)
        self.assertEqual((show("zookeeper", "ActiveState"), show("zkd", "ActiveState"), self.owner()), ("active", "inactive", "daemon"))
        self.assertEqual(self.enabled(), {"zookeeper.service"})


@unittest.skipIf(KIND == "journal", "the same without a journal")
class Files(unittest.TestCase):
    def test_verify(self):
        paths = [os.path.join(FOLDER, "units", u) for u in os.listdir(os.path.join(FOLDER, "units")) if "zkd" in u]
        paths = [p for p in paths if os.path.isfile(p)]
        self.assertGreater(len(paths), 12)
        r = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *paths],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        self.assertEqual((r.returncode, r.stdout), (0, ""))


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=2).result
    with open(os.path.join(FOLDER, "result"), "w") as f:
        f.write("passed" if result.wasSuccessful() and result.testsRun > 0 else "failed")
    subprocess.run(["systemctl", "exit", "0"])
