"""What all daemons have from common/io: the life of the skeleton with electiond as its example, and of every daemon of
a running node what it must not be able to do."""

import array
import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import zkd_node  # noqa: E402

ELECTIOND = os.path.join(zkd_node.BUILD, "electiond", "electiond")
HELLO, STATUS, PROBE, LOG_LEVEL = 1, 64, 65, 67
FIRST_FD = 3
WAIT_SECONDS = 10
DEBUG_BUILD = subprocess.run(
    ["grep", "-q", "^#define ZKD_DEBUG 1", os.path.join(zkd_node.BUILD, "config.h")], check=False
).returncode == 0

pytestmark = pytest.mark.skipif(not os.access(ELECTIOND, os.X_OK), reason="electiond is not built")


def text_field(number, text):
    return bytes([number << 3 | 2, len(text)]) + text.encode()


def frame(kind, body=b"", seq=0):
    return struct.pack(">IHHQQ", 20 + len(body), kind, 0, seq, 0) + body


def receive(s):
    """(type, seq, body) of the next frame; None at the end."""
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]:
        more = s.recv(65536)
        if not more:
            return None
        data += more
    kind, _, seq, _ = struct.unpack(">HHQQ", data[4:24])
    return kind, seq, data[24:]


class Daemon:
    """electiond as zkd or systemd would start it; listeners and life signs are the test's."""

    def __init__(self, folder, *args, names="link:control", environment=None, config=None, parent=None, full=False):
        """full: no life sign fits into the test's socket until the test reads."""
        self.folder = folder
        self.listeners = [self.listen(n) for n in names.split(":") if n in ("link", "control")]
        if config is not None:
            self.listeners.append(config)
            names += ":config"
        self.signs = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.signs.bind("\0" + folder)
        if full:
            self.fill()
        self.signs.settimeout(WAIT_SECONDS)
        self.log = open(os.path.join(folder, "log"), "w+")
        env = {"LISTEN_FDS": str(len(self.listeners)), "LISTEN_FDNAMES": names, "NOTIFY_SOCKET": "@" + folder}
        env.update(environment or {})
        self.pid = os.fork()
        if self.pid == 0:
            self.become(["electiond", "-D", f"dataDir={folder}/data", "-D", f"runtimeDir={folder}", *args], env, parent)

    def listen(self, name):
        s = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, name))
        s.bind(os.path.join(self.folder, name))
        s.listen()
        return s

    def become(self, argv, env, parent):
        """In the child: the listeners are descriptors 3 and on."""
        try:
            os.dup2(self.log.fileno(), 2)
            high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(self.listeners)]
            for i, fd in enumerate(high):
                os.dup2(fd, FIRST_FD + i)
            os.closerange(FIRST_FD + len(high), 200)
            env["LISTEN_PID"] = str(os.getpid())
            if parent is not None:
                env["ZKD_PARENT_PID"] = str(parent)
            os.execve(ELECTIOND, argv, env)
        finally:
            os._exit(99)

    def dial(self, name):
        s = socket.socket(socket.AF_UNIX)
        s.connect(os.path.join(self.folder, name))
        s.settimeout(WAIT_SECONDS)
        return s

    def ask(self, kind, body=b""):
        with self.dial("control") as s:
            s.sendall(frame(kind, body, seq=77))
            answer = receive(s)
            assert answer is None or answer[:2] == (kind, 77)
            return None if answer is None else answer[2]

    def fill(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s, contextlib.suppress(BlockingIOError):
            s.connect("\0" + self.folder)
            s.setblocking(False)
            while True:
                s.send(b"X_FILL=1")

    def wait_sign(self, wanted):
        deadline = time.monotonic() + WAIT_SECONDS
        while wanted not in self.signs.recv(4096).decode().splitlines():
            assert time.monotonic() < deadline, f"it does not say {wanted}"

    def wait_exit(self):
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        raise AssertionError("it did not exit")

    def log_text(self):
        self.log.flush()
        with open(self.log.name) as f:
            return f.read()

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for s in [*self.listeners, self.signs, self.log]:
            s.close()


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="zkd-daemon-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def start(folder):
    started = []

    def begin(*args, **kwargs):
        started.append(Daemon(folder, *args, **kwargs))
        return started[-1]

    yield begin
    for d in started:
        d.close()


def test_life(start):
    d = start(environment={"WATCHDOG_USEC": "300000"})
    d.wait_sign("READY=1")
    begin = time.monotonic()
    d.signs.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while d.signs.recv(4096):  # what came before that moment
            pass
    d.signs.settimeout(WAIT_SECONDS)
    for _ in range(6):
        d.wait_sign("WATCHDOG=1")
    assert 0.375 < time.monotonic() - begin < 5
    assert b"waiting for syncd" in d.ask(STATUS)
    os.kill(d.pid, signal.SIGTERM)
    d.wait_sign("STOPPING=1")
    assert d.wait_exit() == 0


def test_what_was_not_heard_is_said_again(start):
    """zkd may be too busy to read for a while, and its socket takes ten signs."""
    d = start(environment={"WATCHDOG_USEC": "300000"}, full=True)
    assert b"waiting for syncd" in d.ask(STATUS)  # it has said all that it has to say
    d.wait_sign("READY=1")
    d.wait_sign("STATUS=standalone: no peers to vote with, waiting for syncd")


def test_no_beats_for_nobody(start):
    d = start()
    d.wait_sign("READY=1")
    d.signs.settimeout(0.5)
    with pytest.raises(TimeoutError):
        d.wait_sign("WATCHDOG=1")


def test_interrupt_stops_too(start):
    d = start()
    d.wait_sign("READY=1")
    os.kill(d.pid, signal.SIGHUP)
    assert b"waiting for syncd" in d.ask(STATUS)
    os.kill(d.pid, signal.SIGINT)
    assert d.wait_exit() == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--version"], 0, "electiond (zkd)"),
        (["--help"], 0, "usage: electiond"),
        (["-n"], 0, ""),
        (["-x"], 2, ""),
        (["more"], 2, "unexpected argument more"),
        (["-c", "/nonexistent/zoo.cfg"], 2, "/nonexistent/zoo.cfg"),
        (["-n", "-D", "tickTime=fast"], 2, "tickTime"),
        (["-n", *["-D", "tickTime=2000"] * 65], 2, "more than 64 -D"),
        ([], 2, "no listener named link"),
    ],
)
def test_invocations(arguments, status, words):
    r = subprocess.run(
        [ELECTIOND, *arguments], env={}, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10
    )
    assert r.returncode == status, r.stdout
    assert words in r.stdout


def test_listeners_that_are_not_there(start):
    d = start(environment={"LISTEN_FDS": "9"})
    assert d.wait_exit() == 2
    assert "LISTEN_FDS makes no sense" in d.log_text()


def test_configuration_from_a_descriptor(start, folder):
    """The text that zkd read counts, whatever the file says by now."""
    path = os.path.join(folder, "zoo.cfg")
    with open(path, "w") as f:
        f.write("tickTime=nonsense\n")
    fd = os.memfd_create("config")
    os.write(fd, b"tickTime=2000\nclientPort=0\n")
    with os.fdopen(fd) as config:
        d = start("-c", path, config=config)
        d.wait_sign("READY=1")


def test_dies_with_zkd(folder):
    """The parent is SIGKILLed; the daemon must be gone, also after its change of user."""
    r, w = os.pipe()
    parent = os.fork()
    if parent == 0:
        try:
            d = Daemon(folder, parent=os.getpid())
            d.wait_sign("READY=1")
            os.write(w, struct.pack("i", d.pid))
            signal.pause()
        finally:
            os._exit(99)
    daemon = struct.unpack("i", os.read(r, 4))[0]
    assert zkd_node.alive(daemon)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    zkd_node.wait_until(lambda: not zkd_node.alive(daemon), 5, "the daemon is gone")


def test_zkd_that_is_gone_already(start):
    d = start(parent=1)
    assert d.wait_exit() == 1
    assert "zkd is gone" in d.log_text()


def test_log_level(start):
    d = start("-v")
    d.wait_sign("READY=1")
    assert b"levels are" in d.ask(LOG_LEVEL, text_field(1, "loud"))
    assert d.ask(LOG_LEVEL, text_field(1, "error")) == b"\x08\x01"
    with d.dial("link") as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert s.recv(1) == b""
    d.ask(LOG_LEVEL, text_field(1, "warning"))
    with d.dial("link") as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert s.recv(1) == b""
    zkd_node.wait_until(lambda: d.log_text().count("absurd frame length") == 1, 5, "the line is there")


@pytest.mark.skipif(not DEBUG_BUILD or os.geteuid() != 0, reason="needs --enable-debug and root")
def test_dumpable_where_asked_for(start):
    d = start(environment={"ZKD_CORE_DUMPS": "1"})
    d.wait_sign("READY=1")
    assert os.stat(f"/proc/{d.pid}/mem").st_uid != 0


def test_another_suite_ends_it(start):
    d = start()
    d.wait_sign("READY=1")
    with d.dial("link") as s:
        s.sendall(frame(HELLO, text_field(1, "syncd") + text_field(2, "0.0.0-other") + b"\x20\x05"))
        assert d.wait_exit() == 79
    assert "another version of the suite" in d.log_text()


def test_garbage_ends_the_connection_only(start):
    d = start()
    d.wait_sign("READY=1")
    for name in ("link", "control"):
        for bytes_ in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"GET / HTTP/1.0\r\n\r\n", frame(99), frame(HELLO, b"\xff")):
            with d.dial(name) as s:
                s.sendall(bytes_)
                assert s.recv(1) == b""
    for _ in range(300):
        d.dial("link").close()
    # descriptors that nobody asked for
    with d.dial("control") as s:
        s.sendmsg([frame(STATUS)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 5))])
        assert receive(s) is not None
    zkd_node.wait_until(lambda: len(os.listdir(f"/proc/{d.pid}/fd")) < 20, 5, "the descriptors are closed")
    assert b"waiting for syncd" in d.ask(STATUS)


def test_probe_of_another_build(start):
    d = start()
    d.wait_sign("READY=1")
    assert (d.ask(PROBE) is None) == (not DEBUG_BUILD)


# Run with a /run of its own, where it plays journald: prints what a daemon logs when its link is told garbage.
JOURNAL_SCRIPT = """
import os, socket, subprocess, sys, tempfile
import test_daemon
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
os.makedirs("/run/systemd/journal")
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
journal.settimeout(10)
folder = tempfile.mkdtemp(dir="/run")
open(os.path.join(folder, "log"), "w").close()
stat = os.stat(os.path.join(folder, "log"))
d = test_daemon.Daemon(folder, environment={"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})
d.wait_sign("READY=1")
with d.dial("link") as s:
    s.sendall(b"GET / HTTP/1.0")
    s.recv(1)
while True:
    entry = journal.recv(4096).decode()
    if "link refused" in entry:
        break
print(entry, end="")
print("STDERR=" + d.log_text())
d.close()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_journal():
    here = os.path.dirname(os.path.abspath(__file__))
    r = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", JOURNAL_SCRIPT], cwd=here, stdout=subprocess.PIPE, text=True, timeout=30
    )
    assert r.returncode == 0
    lines = r.stdout.splitlines()
    assert lines[0:2] == ["PRIORITY=4", "SYSLOG_IDENTIFIER=electiond"]
    assert lines[2].startswith("MESSAGE=link refused peer=syncd pid=")
    assert lines[3:] == ["PEER=syncd", "DAEMON=electiond", "STDERR="]


def test_what_daemons_say_follows_the_node():
    """Also where nothing is written: an idle node does not go on saying that it loads."""
    with zkd_node.Node(start=True) as node:
        zkd_node.wait_until(lambda: "loading" not in node.zkctl("ps"), 5, "syncd has heard of READY")
        assert "serving" in node.zkctl("ps")


@pytest.mark.skipif(not DEBUG_BUILD, reason="not built with --enable-debug")
def test_locked_rooms():
    """Each daemon of a real node tries what it must not be able to do, and the kernel says what binds it."""
    with zkd_node.Node(start=True) as node:
        for name in ("electiond", "syncd", "clientd", "logd"):
            probe = json.loads(node.zkctl("debug", "probe", name, "--json"))
            assert len(probe["attempts"]) >= 4
            for attempt in probe["attempts"]:
                assert attempt["refused"], (name, attempt)
            with open(f"/proc/{node.pid(name)}/status") as f:
                status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
            assert status["NoNewPrivs"] == "1"
            assert status["Seccomp"] == "2"
            assert status["CapEff"] == "0000000000000000"
            if os.geteuid() == 0:
                assert "0" not in status["Uid"].split()
                assert status["Groups"].strip() == ""
                # not dumpable: its memory belongs to root, whatever its user
                assert os.stat(f"/proc/{node.pid(name)}/mem").st_uid == 0
