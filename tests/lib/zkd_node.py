"""A zkd node for tests: from the build tree, in a folder of its own, on a port of its own.

    with Node() as node:                     started, serving; stopped and its folder removed at the end
        zk = node.client()                   a started KazooClient
        node.pid("clientd")                  from `zkctl ps --json`
        node.signal("logd", signal.SIGKILL)
        node.word("srvr")

The build tree is $ZKD_BUILD, else build/ beside tests/. Ports come from
$ZKD_TEST_PORTS ("20000-29999" if that is not set). The node's own output is in node.log_path; a failure to start or
stop shows its end.
"""

import collections
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("ZKD_BUILD", os.path.join(TOP, "build")))
DAEMONS = ("electiond", "syncd", "clientd", "logd")

# What the contract for scripts promises for a stop by SIGTERM, and what a start may take on a busy machine.
STOP_SECONDS = 5
START_SECONDS = 60
SLACK_SECONDS = 1  # of a busy machine, beyond what is promised


class NodeError(Exception):
    pass


def built():
    """Whether the build tree has a node to start."""
    return os.access(os.path.join(BUILD, "supervisor", "zkd"), os.X_OK)


def debug_build():
    """Whether it was configured with --enable-debug."""
    with contextlib.suppress(OSError), open(os.path.join(BUILD, "config.h")) as f:
        return "ZKD_DEBUG 1" in f.read()
    return False


given_out = collections.deque(maxlen=200)  # ports on which nobody may listen yet


def free_port():
    """
    A loopback port that nobody listens on now, and that was not given out lately. It is below those that the kernel
    gives away by itself: a client that dials such a port before its server listens can be connected with itself.
    """
    first, last = (int(p) for p in os.environ.get("ZKD_TEST_PORTS", "20000-29999").split("-"))
    start = random.randint(first, last)
    for port in [*range(start, last + 1), *range(first, start)]:
        if port in given_out:
            continue
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                given_out.append(port)
                return port
    raise NodeError(f"no free port in {first}-{last}")


def four_letter(port, word, timeout=5.0, host="127.0.0.1"):
    """The answer to a four-letter word as text; "" when there is none."""
    answer = b""
    with contextlib.suppress(ConnectionError, TimeoutError), socket.create_connection((host, port), timeout) as s:
        s.sendall(word.encode())
        while chunk := s.recv(65536):
            answer += chunk
    return answer.decode(errors="replace")


def wait_until(check, seconds, what):
    """Calls check until it returns something true, which is returned; NodeError after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() >= end:
            raise NodeError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def busy():
    """How much longer than on a quiet machine this one may take for what needs a processor: 1 or more."""
    return max(1.0, os.getloadavg()[0] / os.cpu_count())


def alive(pid):
    """Whether a process exists and is more than a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def waited(pid):
    """How many seconds it has been ready to run while others ran."""
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[1]) / 1e9


class Node:
    def __init__(self, port=None, folder=None, keys=None, build=BUILD, start=False, host="127.0.0.1", wrap=None):
        """
        keys: lines of zoo.cfg over the defaults below. folder: kept at the end when given, else a new one. host, wrap:
        for a node on a machine of netlab's: its address, and what makes a command line run there.
        """
        self.port = port or free_port()
        self.host = host
        self.wrap = wrap or (lambda command: command)
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="zkd-test-")
        self.build = build
        self.data = os.path.join(self.folder, "data")
        self.runtime = os.path.join(self.folder, "run")
        self.config_path = os.path.join(self.folder, "zoo.cfg")
        self.log_path = os.path.join(self.folder, "zkd.log")
        self.keys = {
            "tickTime": 2000,
            "dataDir": self.data,
            "runtimeDir": self.runtime,
            "clientPort": self.port,
            "clientPortAddress": host,
            "4lw.commands.whitelist": "*",
            "admin.enableServer": "false",
            **(keys or {}),
        }
        self.process = None
        os.makedirs(self.data, exist_ok=True)
        os.makedirs(self.runtime, exist_ok=True)
        # where the test runs as root the daemons have uids of their own and must get through to their folders
        os.chmod(self.folder, 0o755)
        if start:
            self.start()

    def __enter__(self):
        if self.process is None:
            try:
                self.start()
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(self, kind, *rest):
        try:
            if self.process is not None and kind is None:
                self.stop()
            elif kind is not None:
                print(f"--- end of {self.log_path}\n{self.log_end()}")
        finally:
            self.close()

    @property
    def hosts(self):
        return f"{self.host}:{self.port}"

    # life

    def start(self, wait=True, extra=(), write=True):
        """
        Starts zkd; with wait until it serves. extra: more arguments of its command line. Without write its
        configuration file is what it was.
        """
        if write:
            with open(self.config_path, "w") as f:
                f.writelines(f"{k}={v}\n" for k, v in self.keys.items() if v is not None)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.wrap([os.path.join(self.build, "supervisor", "zkd"), "-c", self.config_path, *extra]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=START_SECONDS):
        """Until `srvr` names a mode."""

        def ready():
            if self.process.poll() is not None:
                raise NodeError(f"zkd ended with {self.process.returncode}\n{self.log_end()}")
            return self.mode()

        try:
            wait_until(ready, seconds, "the node serves")
        except NodeError as e:
            raise NodeError(f"{e}\n{self.log_end()}") from None

    def stop(self):
        """SIGTERM; NodeError unless it ends in time with status 0 and leaves no process behind."""
        pids = self.all_pids()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS + SLACK_SECONDS)
        except subprocess.TimeoutExpired:
            raise NodeError(f"zkd did not stop within {STOP_SECONDS} s\n{self.log_end()}") from None
        self.process = None
        if status != 0:
            raise NodeError(f"zkd stopped with status {status}\n{self.log_end()}")
        left = [pid for pid in pids if alive(pid)]
        if left:
            raise NodeError(f"zkd stopped, but {left} are still there\n{self.log_end()}")
        self.check_sanitizers()

    def kill(self):
        """SIGKILL to zkd; waits until it and all its children are gone."""
        pids = self.all_pids()
        self.process.kill()
        self.process.wait()
        self.process = None
        wait_until(lambda: not any(alive(p) for p in pids), STOP_SECONDS, "the daemons are gone")

    def close(self):
        """Ends whatever is left of the node, and removes its folder if it was made here."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGCONT)
                self.process.kill()
            self.process.wait()
            self.process = None
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    # looking at it

    def check_unharmed(self):
        """NodeError when a daemon had to be restarted, or a sanitizer has said something."""
        restarted = {name: d["restarts"] for name, d in self.ps().items() if d["restarts"]}
        if restarted:
            raise NodeError(f"restarts nobody asked for: {restarted}\n{self.log_end()}")
        self.check_sanitizers()

    def check_sanitizers(self):
        with open(self.log_path, errors="replace") as f:
            said = [line for line in f if re.search("(Address|Leak|Undefined)[A-Za-z]*Sanitizer|runtime error:", line)]
        if said:
            raise NodeError(f"a sanitizer said:\n{''.join(said)}{self.log_end()}")

    def log_end(self, lines=40):
        with contextlib.suppress(FileNotFoundError), open(self.log_path, errors="replace") as f:
            return "".join(f.readlines()[-lines:])
        return ""

    def zkctl(self, *args, timeout=10, check=True):
        """Standard output of `zkctl --runtime DIR args`."""
        r = subprocess.run(
            [os.path.join(self.build, "zkctl", "zkctl"), "--runtime", self.runtime, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=timeout,
        )
        if check and r.returncode != 0:
            raise NodeError(f"zkctl {' '.join(args)}: status {r.returncode}\n{r.stdout}{r.stderr}")
        return r.stdout

    def ps(self):
        """{"clientd": {"name": ..., "pid": ..., "restarts": ...}, ...} for zkd and its daemons."""
        return {d["name"]: d for d in json.loads(self.zkctl("ps", "--json"))["daemons"]}

    def pid(self, daemon):
        return self.process.pid if daemon == "zkd" else self.ps()[daemon]["pid"]

    def all_pids(self):
        """zkd and its descendants, from the kernel: works also when zkctl cannot."""
        pids, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            pids.append(pid)
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children") as f:
                        todo += [int(p) for p in f.read().split()]
        return pids

    def signal(self, daemon, number):
        """Sends a signal to a daemon; returns the pid that it had."""
        pid = self.pid(daemon)
        os.kill(pid, number)
        return pid

    def wait_restarted(self, daemon, old_pid, seconds=10):
        """Until the daemon has another pid than old_pid and the node serves."""

        def restarted():
            with contextlib.suppress(NodeError, subprocess.TimeoutExpired, KeyError):
                pid = self.pid(daemon)
                return pid not in (0, old_pid) and self.mode()
            return None

        return wait_until(restarted, seconds, f"{daemon} is back")

    def word(self, word, timeout=5.0):
        return four_letter(self.port, word, timeout, self.host)

    def mode(self):
        """What `srvr` says after "Mode: ", "" while the node does not serve."""
        with contextlib.suppress(OSError):
            for line in self.word("srvr", 1.0).splitlines():
                if line.startswith("Mode: "):
                    return line[len("Mode: ") :]
        return ""

    # talking to it

    def client(self, start=True, **options):
        """A KazooClient; the caller stops it."""
        from kazoo.client import KazooClient

        zk = KazooClient(hosts=self.hosts, **options)
        if start:
            zk.start(timeout=10)
        return zk
