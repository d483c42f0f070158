"""zkd as a process among processes, for tests of supervision: looked at through /proc and its log, never through zkctl.

Two kinds of suites can be run under it:

    Zkd(dummies=True)     four copies of tests/integration/dummy.c, which do what self.script(name, ...) says
    Zkd()                 the real daemons of the build tree

Both run from a copy of the build tree's layout, so that a test may replace the executables on the disk.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from zkd_node import BUILD, DAEMONS, alive, free_port, wait_until  # noqa: E402

DUMMY = os.path.join(BUILD, "tests", "integration", "dummy")


def real_suite_built():
    return all(os.access(os.path.join(BUILD, d, d), os.X_OK) for d in DAEMONS)


def children(pid):
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                found += [int(p) for p in f.read().split()]
    return found


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def program(pid):
    """argv[0] of a process, "" when it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/cmdline", "rb") as f:
        return f.read().split(b"\0")[0].decode()
    return ""


class Zkd:
    def __init__(self, dummies=False, folder=None, runtime=None, keys=None):
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="zkd-sup-")
        os.chmod(self.folder, 0o755)
        self.dummies = dummies
        self.tree = os.path.join(self.folder, "tree")
        self.scripts = os.path.join(self.folder, "scripts")
        self.runtime = runtime or os.path.join(self.folder, "run")
        self.data = os.path.join(self.folder, "data")
        self.config_path = os.path.join(self.folder, "zoo.cfg")
        self.log_path = os.path.join(self.folder, "zkd.log")
        self.port = free_port()
        self.keys = {
            "dataDir": self.data,
            "runtimeDir": self.runtime,
            "clientPort": self.port,
            "clientPortAddress": "127.0.0.1",
            "4lw.commands.whitelist": "*",
            "admin.enableServer": "false",
            **(keys or {}),
        }
        self.process = None
        self.mark = 0
        self.build_tree()

    def build_tree(self):
        os.makedirs(self.scripts, exist_ok=True)
        for name in ("supervisor", *DAEMONS):
            os.makedirs(os.path.join(self.tree, name), exist_ok=True)
        shutil.copy(os.path.join(BUILD, "supervisor", "zkd"), self.program_path("zkd"))
        for name in DAEMONS:
            shutil.copy(DUMMY if self.dummies else os.path.join(BUILD, name, name), self.program_path(name))

    def program_path(self, name):
        return os.path.join(self.tree, "supervisor" if name == "zkd" else name, name)

    def script(self, name, text):
        with open(os.path.join(self.scripts, name), "w") as f:
            f.write(text)

    def write_config(self):
        with open(self.config_path, "w") as f:
            f.writelines(f"{k}={v}\n" for k, v in self.keys.items() if v is not None)

    # life

    def __enter__(self):
        if self.process is None:
            self.start()
        return self

    def __exit__(self, kind, *rest):
        if kind is not None:
            print(f"--- {self.log_path}\n{self.log()}")
        self.close()

    def command(self, *extra):
        return [self.program_path("zkd"), "-v", "-c", self.config_path, *extra]

    def popen(self, command, log, **options):
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.folder,
            env={**os.environ, "ZKD_DUMMY": self.scripts},
            start_new_session=True,
            **options,
        )

    def start(self, *extra, wait=True):
        self.write_config()
        with open(self.log_path, "ab") as log:
            self.process = self.popen(self.command(*extra), log)
        if wait:
            self.wait_line(r"zkd\[\d+\] notice: serving", 20)
        return self

    def close(self):
        if self.process is not None:
            pids = [self.process.pid, *descendants(self.process.pid)]
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *extra, seconds=10):
        """One run of zkd that is to end by itself: its status and what it said."""
        self.write_config()
        r = subprocess.run(
            self.command(*extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env={**os.environ, "ZKD_DUMMY": self.scripts},
            timeout=seconds,
        )
        return r.returncode, r.stdout

    # looking at it

    def log(self):
        with contextlib.suppress(FileNotFoundError), open(self.log_path, errors="replace") as f:
            return f.read()
        return ""

    def wait_line(self, pattern, seconds=5):
        """Until a line behind the last one so found matches; the match."""

        def find():
            m = re.compile(pattern).search(self.log(), self.mark)
            if m is None and self.process is not None and self.process.poll() is not None:
                m = re.compile(pattern).search(self.log(), self.mark)
                if m is None:
                    raise AssertionError(f"zkd ended with {self.process.returncode}\n{self.log()}")
            return m

        try:
            m = wait_until(find, seconds, f"a line like {pattern!r}")
        except Exception as e:
            raise AssertionError(f"{e}\n{self.log()}") from None
        self.mark = m.end()
        return m

    def skip_log(self):
        """Later wait_line calls look only at what is written from now on."""
        self.mark = len(self.log())

    def pids(self):
        """{"clientd": pid, ...} of the daemons that run."""
        found = {program(p): p for p in children(self.process.pid) if alive(p)}
        return {name: pid for name, pid in found.items() if name in DAEMONS}

    def wait_restarted(self, name, old, seconds=5):
        """Until the daemon runs and is ready under another pid; the pid."""
        m = self.wait_line(rf"info: ready daemon={name} pid=(\d+)", seconds)
        pid = int(m.group(1))
        assert pid != old and self.pids()[name] == pid
        return pid

    def zkctl(self, *args):
        """Status and output of `zkctl --runtime DIR ...`."""
        r = subprocess.run(
            [os.path.join(BUILD, "zkctl", "zkctl"), "--runtime", self.runtime, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=20,
        )
        return r.returncode, r.stdout

    def others(self, name):
        return {n: p for n, p in self.pids().items() if n != name}

    def signal(self, name, number):
        pid = self.process.pid if name == "zkd" else self.pids()[name]
        os.kill(pid, number)
        return pid

    def call(self, timeout=3.0):
        """What the client port says to a new caller: text, "" for accepted and closed, None for refused or silent."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout) as s:
                s.settimeout(timeout)
                answer = b""
                while chunk := s.recv(100):
                    answer += chunk
                return answer.decode().strip()
        except ConnectionResetError:
            return ""
        except OSError:
            return None


def wait_gone(pids, seconds):
    """Until none of the processes is left; how long it took."""
    begin = time.monotonic()
    wait_until(lambda: not any(alive(p) for p in pids), seconds, "all processes are gone")
    return time.monotonic() - begin
