"""An ensemble of zkd nodes, Apache servers, or both, each on a machine of its own (netlab).

    e = Ensemble(["zkd", "zkd", "apache"], keys={"tickTime": 500})
    e.start(); e.wait_serving()
    e.leader()                           the server that leads, or None
    e.server(2).signal("syncd", signal.SIGKILL); e.server(2).kill(); e.server(2).start()
    e.addresses()                        [("10.77.0.1", 2181), ...]

With own_disks=True each has a disk (server.disk) and a wall clock (server.clock) of its own to be hurt, see machine.py.
$ZKD_TEST_FLAGS are further words of the command line of zkd ("-v -v").
The program must have entered namespaces of its own (netlab.enter). What an ensemble that was killed has left on disk
is removed by the next.
"""

import contextlib
import fcntl
import glob
import os
import shutil
import signal
import tempfile

import apache_node
import machine
import netlab
import zkd_node
from zkd_node import NodeError, wait_until

CLIENT_PORT, QUORUM_PORT, ELECTION_PORT = 2181, 2888, 3888
KINDS = ("zkd", "apache")
PREFIX = "zkd-ensemble-"
LIFE = "life"  # a file in the folder, locked as long as the folder is somebody's


def make_folder():
    """A new one, when those that nobody has any more are gone."""
    for old in glob.glob(os.path.join(tempfile.gettempdir(), PREFIX + "*")):
        with contextlib.suppress(OSError), open(os.path.join(old, LIFE)) as f:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=PREFIX)
    os.chmod(folder, 0o755)
    life = open(os.path.join(folder, LIFE), "w")  # noqa: SIM115
    fcntl.flock(life, fcntl.LOCK_EX)
    return folder, life


class Server:
    """One member: a node of either kind, its machine, and how to hurt it."""

    def __init__(self, ensemble, number, kind, role=""):
        self.ensemble, self.number, self.role = ensemble, number, role
        self.folder = os.path.join(ensemble.folder, str(number))
        self.node = self.disk = self.clock = None
        if ensemble.own_disks:
            self.add_hardware()
        self.make(kind)

    def add_hardware(self):
        os.makedirs(self.folder, exist_ok=True)
        self.disk = machine.Disk(f"{self.folder}.disk", os.path.join(self.folder, "data"))
        self.clock = machine.Clock(self.folder)

    def wrap(self, command):
        return self.ensemble.lab.wrap(self.number, self.clock.wrap(command) if self.clock else command)

    def make(self, kind):
        """The node that runs on this machine from now on; the folder is the one before's."""
        self.kind = kind
        lab = self.ensemble.lab
        common = {
            "folder": self.folder,
            "port": CLIENT_PORT,
            "host": lab.address(self.number),
            "wrap": self.wrap,
        }
        keys = {**self.ensemble.keys, "admin.enableServer": "false", **self.ensemble.server_lines()}
        if self.role == "observer":
            keys["peerType"] = "observer"
        os.makedirs(self.folder, exist_ok=True)
        node = zkd_node.Node if kind == "zkd" else apache_node.ApacheNode
        self.node = node(keys=keys, **common)
        with open(os.path.join(self.node.data, "myid"), "w") as f:
            f.write(f"{self.number}\n")
        os.sync()  # as whoever sets up a server leaves it, before anything happens to its disk

    @property
    def running(self):
        return self.node.process is not None

    def launch(self):
        if self.kind == "zkd":
            self.node.start(wait=False, extra=tuple(os.environ.get("ZKD_TEST_FLAGS", "").split()))
        else:
            self.node.launch()

    def pids(self):
        if not self.running:
            return []
        if self.kind == "zkd":
            return self.node.all_pids()
        return [self.node.process.pid]

    def daemons(self):
        """Name to pid; an Apache server has one, called java."""
        if not self.running:
            return {}
        if self.kind != "zkd":
            return {"java": self.node.process.pid}
        found = {}
        for pid in self.node.all_pids():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as f:
                name = os.path.basename(f.read().split(b"\0")[0].decode())
                if name in (*zkd_node.DAEMONS, "zkd"):
                    found.setdefault(name, pid)  # a helper child comes after its parent
        return found

    def pids_of_log(self):
        """Of the processes that write the log."""
        found = []
        for pid in self.pids():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as f:
                if os.path.basename(f.read().split(b"\0")[0]) == b"logd":
                    found.append(pid)
        return found

    def signal_all(self, number):
        pids = self.pids()
        for pid in pids if number != signal.SIGCONT else reversed(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self):
        """The whole node at once."""
        if not self.running:
            return
        pids = self.pids()
        self.signal_all(signal.SIGKILL)
        self.node.process.wait()
        self.node.process = None
        wait_until(lambda: not any(zkd_node.alive(p) for p in pids), 10, f"server {self.number} is gone")

    def stop(self):
        if self.running:
            self.node.stop()

    def wipe(self):
        """The disk is new; myid is all it knows."""
        for name in os.listdir(self.node.data):
            if name != "myid":
                path = os.path.join(self.node.data, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)

    def srvr(self):
        """What srvr says: {"Mode": ..., "Zxid": ...}; empty while it does not serve or answer."""
        with contextlib.suppress(OSError):
            lines = self.node.word("srvr", 1.0).splitlines()
            return dict(line.split(": ", 1) for line in lines if ": " in line)
        return {}

    def mode(self):
        return self.srvr().get("Mode", "")


class Ensemble:
    def __init__(self, kinds, keys=None, observers=(), own_disks=False):
        """kinds: of servers 1, 2, ...; observers: the numbers of those that only observe."""
        self.folder, self.life = make_folder()
        self.own_disks = own_disks
        self.lab = netlab.Lab(len(kinds))
        self.keys = {"tickTime": 500, "initLimit": 20, "syncLimit": 5, **(keys or {})}
        self.observers = set(observers)
        self.count = len(kinds)
        roles = ["observer" if n in self.observers else "" for n in self.numbers()]
        self.servers = [Server(self, n, kind, role) for n, kind, role in zip(self.numbers(), kinds, roles)]

    def numbers(self):
        return range(1, self.count + 1)

    def voters(self):
        return [n for n in self.numbers() if n not in self.observers]

    def server_lines(self):
        ports = f"{QUORUM_PORT}:{ELECTION_PORT}"
        kind = {n: ":observer" if n in self.observers else "" for n in self.numbers()}
        return {f"server.{n}": f"{self.lab.address(n)}:{ports}{kind[n]}" for n in self.numbers()}

    def server(self, number):
        return self.servers[number - 1]

    def addresses(self):
        return [(self.lab.address(n), CLIENT_PORT) for n in self.numbers()]

    def start(self):
        for s in self.servers:
            s.launch()

    def leader(self):
        found = [s for s in self.servers if s.mode() == "leader"]
        return found[0] if len(found) == 1 else None

    def all_serve(self):
        modes = [s.mode() for s in self.servers if s.running]
        return all(modes) and modes.count("leader") == 1

    def wait_serving(self, seconds=60):
        try:
            wait_until(self.all_serve, seconds, "every server serves")
        except NodeError as e:
            raise NodeError(f"{e}\n{self.log_ends()}") from None

    def log_ends(self):
        return "\n".join(f"--- server {s.number} ({s.kind})\n{s.node.log_end()}" for s in self.servers)

    def close(self):
        for s in self.servers:
            with contextlib.suppress(Exception):
                s.signal_all(signal.SIGCONT)
                s.kill()
            if s.disk is not None:
                s.disk.close()
        self.lab.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.life.close()
