"""electiond by itself for tests: the daemon with its listeners, a syncd that the test plays, and a peer that speaks the
bytes of the election port.

    with Electiond(1, servers) as e:         servers: {sid: "127.0.0.1:Q:E[:observer]"}
        e.look(zxid=5, epoch=1)
        result = e.result()                  Result(leader, round, state, zxid, epoch)
        with Peer.dial(e.election_port, 3) as p: ...
"""

import collections
import contextlib
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from zkd_node import BUILD, free_port, wait_until

ELECTIOND = os.path.join(BUILD, "electiond", "electiond")
ZKCTL = os.path.join(BUILD, "zkctl", "zkctl")
HELLO, LOOK, RESULT, CONFIG, LEAVE, DOUBT = 1, 20, 21, 22, 23, 27
STATUS = 64
LOOKING, FOLLOWING, LEADING, OBSERVING = 0, 1, 2, 3
# In control.proto: what this server is, after an election.
ROLE_LOOKING, ROLE_LEADER, ROLE_FOLLOWER, ROLE_OBSERVER = 0, 1, 2, 3
STATE_OF_ROLE = {ROLE_LEADER: LEADING, ROLE_FOLLOWER: FOLLOWING, ROLE_OBSERVER: OBSERVING}
WAIT_SECONDS = 20
FIRST_FD = 3

Result = collections.namedtuple("Result", "leader round state zxid epoch")
Vote = collections.namedtuple("Vote", "state leader zxid round epoch config")


def built():
    return os.access(ELECTIOND, os.X_OK)


taken = []


def take_ports(n):
    """n ports that differ from each other and from the last that were given out: nobody listens there yet."""
    ports = []
    while len(ports) < n:
        port = free_port()
        if port not in taken[-40:] and port not in ports:
            ports.append(port)
    taken.extend(ports)
    return ports


def server_list(n, observers=(), host="127.0.0.1"):
    """{sid: line} for servers 1..n on ports of their own."""
    ports = take_ports(2 * n)
    roles = {sid: ":observer" if sid in observers else "" for sid in range(1, n + 1)}
    return {sid: f"{host}:{ports[2 * sid - 2]}:{ports[2 * sid - 1]}{roles[sid]}" for sid in range(1, n + 1)}


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def proto(fields):
    """A protobuf message from {number: int or bytes}; what is 0 or empty is left out."""
    out = b""
    for number, value in fields.items():
        if not value:
            continue
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def unproto(body):
    """[(number, int or bytes)]"""
    fields, at = [], 0

    def take():
        nonlocal at
        n = shift = 0
        while True:
            byte = body[at]
            at += 1
            n |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return n

    while at < len(body):
        key = take()
        value = take()
        if key & 7 == 2:
            value, at = body[at : at + value], at + value
        fields.append((key >> 3, value))
    return fields


def signed(n):
    return n - (1 << 64) if n >> 63 else n


class Link:
    """Frames over a Unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.buffer = b""

    def send(self, kind, seq=0, zxid=0, body=b""):
        self.socket.sendall(struct.pack(">IHHQQ", 20 + len(body), kind, 0, seq, zxid) + body)

    def receive(self, seconds=WAIT_SECONDS):
        """(kind, seq, zxid, body); None at the end of the link; TimeoutError."""
        self.socket.settimeout(seconds)
        while len(self.buffer) < 4 or len(self.buffer) < 4 + struct.unpack(">I", self.buffer[:4])[0]:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.buffer += data
        size = 4 + struct.unpack(">I", self.buffer[:4])[0]
        frame, self.buffer = self.buffer[:size], self.buffer[size:]
        kind, _, seq, zxid = struct.unpack(">HHQQ", frame[4:24])
        return kind, seq, zxid, frame[24:]

    def close(self):
        self.socket.close()


class Electiond:
    def __init__(self, sid, servers, keys=None, verbose=True, environment=None, listeners=None):
        self.sid, self.servers = sid, servers
        self.keys = {"tickTime": 2000, "initLimit": 10, "syncLimit": 5, **(keys or {})}
        self.environment = environment or {}
        self.folder = tempfile.mkdtemp(prefix="zkd-elect-")
        os.chmod(self.folder, 0o755)
        self.config_path = os.path.join(self.folder, "zoo.cfg")
        self.log_path = os.path.join(self.folder, "log")
        self.verbose = verbose
        self.process = self.syncd = None
        self.election = listeners if listeners is not None else self.bind_all()
        self.unix = {name: self.listen(name) for name in ("link", "control")}
        self.signs = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.signs.bind("\0" + self.folder)
        self.seq = 0

    @property
    def election_port(self):
        return int(self.servers[self.sid].split("|")[0].split(";")[0].rsplit("]")[-1].split(":")[2])

    def bind_all(self):
        out = []
        for address in self.servers[self.sid].split(";")[0].split("|"):
            host, _, rest = address.rpartition("]") if "]" in address else (None, None, None)
            if host is not None:
                out.append(socket.create_server((host[1:], int(rest.split(":")[2])), family=socket.AF_INET6, backlog=1024))
            else:
                parts = address.split(":")
                out.append(socket.create_server((parts[0], int(parts[2])), backlog=1024))
        return out

    def listen(self, name):
        s = socket.socket(socket.AF_UNIX)
        s.bind(os.path.join(self.folder, name))
        s.listen()
        return s

    # life

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *rest):
        if kind is not None:
            print(f"--- electiond {self.sid}\n{self.log()}")
        self.close()

    def start(self):
        lines = {"dataDir": os.path.join(self.folder, "data"), "runtimeDir": self.folder, "clientPort": 1, "myid": self.sid}
        lines.update(self.keys)
        lines.update({f"server.{sid}": line for sid, line in self.servers.items()})
        with open(self.config_path, "w") as f:
            f.writelines(f"{k}={v}\n" for k, v in lines.items())
        names = ["link", "control"] + ["election"] * len(self.election)
        sockets = [self.unix["link"], self.unix["control"], *self.election]

        def become():
            high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]
            for i, fd in enumerate(high):
                os.dup2(fd, FIRST_FD + i, inheritable=True)
            os.environb.clear()

        # LISTEN_PID has to be the daemon's own: a shell that becomes it says so.
        env = {
            "LISTEN_FDS": str(len(names)),
            "LISTEN_FDNAMES": ":".join(names),
            "NOTIFY_SOCKET": "@" + self.folder,
            **self.environment,
        }
        words = [ELECTIOND, "-c", self.config_path, *(["-v", "-v"] if self.verbose else [])]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                close_fds=False,
                preexec_fn=become,
            )
        self.greet()

    def greet(self):
        """Dials as syncd does."""
        shown = subprocess.run([ZKCTL, "config", "show", self.config_path], stdout=subprocess.PIPE, check=True).stdout
        text = b"".join(line for line in shown.splitlines(True) if not line.startswith(b"myid="))
        version = subprocess.run([ELECTIOND, "--version"], stdout=subprocess.PIPE, check=True).stdout.split()[-1]
        self.syncd = Link(os.path.join(self.folder, "link"))
        hello = {1: b"syncd", 2: version, 3: hashlib.blake2b(text, digest_size=32).digest(), 4: 42}
        self.syncd.send(HELLO, body=proto(hello))
        answer = self.syncd.receive()
        assert answer is not None and answer[0] == HELLO, f"no HELLO\n{self.log()}"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.syncd.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_SECONDS)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.syncd is not None:
            self.syncd.close()
        for s in [*self.unix.values(), *self.election, self.signs]:
            s.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def alive(self):
        return self.process.poll() is None

    # syncd's part

    def look(self, zxid=0, epoch=0, observer=False):
        self.seq += 1
        body = proto({1: self.sid, 2: zxid, 3: epoch, 4: int(observer)})
        self.syncd.send(LOOK, seq=self.seq, body=body)

    def receive(self, seconds=WAIT_SECONDS):
        """The next message but CONFIG, which is taken over as syncd would, and DOUBT, which a node in sync does not mind."""
        while True:
            frame = self.syncd.receive(seconds)
            if frame is None or frame[0] not in (CONFIG, DOUBT):
                return frame
            if frame[0] == CONFIG:
                self.syncd.send(CONFIG, zxid=frame[2], body=frame[3])

    def result(self, seconds=WAIT_SECONDS):
        try:
            frame = self.receive(seconds)
        except TimeoutError:
            raise AssertionError(f"electiond {self.sid} elects nobody\n{self.log()[-6000:]}") from None
        assert frame is not None, f"electiond {self.sid} ended the link\n{self.log()[-6000:]}"
        kind, seq, _, body = frame
        assert kind == RESULT and seq == self.seq, frame
        f = dict(unproto(body))
        return Result(f.get(1, 0), f.get(2, 0), f.get(3, 0), signed(f.get(4, 0)), f.get(5, 0))

    def nothing_for(self, seconds):
        with contextlib.suppress(TimeoutError):
            frame = self.receive(seconds)
            raise AssertionError(f"electiond {self.sid}: {frame}")

    def role(self, result):
        """What syncd tells once the node is in sync, or to an electiond that missed the election."""
        body = {1: result.leader, 2: result.round, 3: result.state, 4: result.zxid, 5: result.epoch}
        self.syncd.send(RESULT, body=proto(body))

    def leave(self):
        self.syncd.send(LEAVE)

    def config(self, text):
        version = int(text.rsplit("version=", 1)[1], 16)
        self.syncd.send(CONFIG, zxid=version, body=text.encode())

    # control

    def facts(self):
        link = Link(os.path.join(self.folder, "control"))
        link.send(STATUS, seq=1)
        frame = link.receive()
        link.close()
        facts = {}
        for number, value in unproto(frame[3]):
            if number == 3:
                f = dict(unproto(value))
                facts[f[1].decode()] = f.get(2, b"").decode()
        return facts

    def zkctl(self, *words):
        """What zkctl prints of this electiond; decoded with --json."""
        for name in ("link", "control"):
            path = os.path.join(self.folder, f"electiond.{name}")
            if not os.path.exists(path):
                os.symlink(name, path)
        text = subprocess.run([ZKCTL, "--runtime", self.folder, *words], stdout=subprocess.PIPE, check=True).stdout.decode()
        return json.loads(text) if "--json" in words else text

    def wait_fact(self, name, wanted, seconds=WAIT_SECONDS):
        check = wanted if callable(wanted) else lambda v: v == wanted
        return wait_until(lambda: check(self.facts().get(name)), seconds, f"electiond {self.sid}: {name}")

    def wait_log(self, text, seconds=WAIT_SECONDS):
        wait_until(lambda: text in self.log(), seconds, f"electiond {self.sid} logs {text!r}")


def notification(state, leader, zxid, round, epoch, config="", form="new"):
    """The bytes with their length. Forms: new (44 bytes and the configuration), 3.4 (40), oldest (28, no epoch)."""
    if form == "oldest":
        body = struct.pack(">iqqq", state, leader, zxid, round)
    elif form == "3.4":
        body = struct.pack(">iqqqqi", state, leader, zxid, round, epoch, 1)
    else:
        text = config.encode()
        body = struct.pack(">iqqqqii", state, leader, zxid, round, epoch, 2, len(text)) + text
    return struct.pack(">i", len(body)) + body


def initial(sid, addresses=("127.0.0.1:1",), form="one"):
    if form == "sid":
        return struct.pack(">q", sid)
    text = "|".join(addresses).encode()
    return struct.pack(">qqi", -65536 if form == "one" else -65535, sid, len(text)) + text


class Peer:
    """One connection of the election port, spoken by hand."""

    def __init__(self, s):
        self.socket = s
        self.buffer = b""
        s.settimeout(WAIT_SECONDS)

    @classmethod
    def dial(cls, port, sid=None, host="127.0.0.1", **how):
        peer = cls(socket.create_connection((host, port), timeout=WAIT_SECONDS))
        if sid is not None:
            peer.send(initial(sid, **how))
        return peer

    @classmethod
    def accept(cls, listener, seconds=WAIT_SECONDS):
        """The next caller, and its initial message: (peer, sid, addresses)."""
        listener.settimeout(seconds)
        peer = cls(listener.accept()[0])
        protocol, sid, length = struct.unpack(">qqi", peer.exactly(20))
        assert protocol in (-65536, -65535)
        return peer, sid, peer.exactly(length).decode().split("|")

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def exactly(self, n, seconds=WAIT_SECONDS):
        deadline = time.monotonic() + seconds
        while len(self.buffer) < n:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def receive(self, seconds=WAIT_SECONDS):
        size = struct.unpack(">i", self.exactly(4, seconds))[0]
        body = self.exactly(size, seconds)
        state, leader, zxid, round, epoch, version, length = struct.unpack(">iqqqqii", body[:44])
        assert version == 2 and length == len(body) - 44
        return Vote(state, leader, zxid, round, epoch, body[44:].decode())

    def wait_vote(self, wanted, seconds=WAIT_SECONDS):
        """Passes over votes until one is as wanted."""
        deadline, seen = time.monotonic() + seconds, []
        while True:
            try:
                vote = self.receive(max(0.001, deadline - time.monotonic()))
            except TimeoutError:
                raise AssertionError(f"no such vote; seen: {seen[-5:]}") from None
            if wanted(vote):
                return vote
            seen.append(vote)

    def ended(self, seconds=WAIT_SECONDS):
        """Whether the other side closes within that time; what comes before is passed over."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                return False
            try:
                if not self.socket.recv(65536):
                    return True
            except ConnectionError:
                return True
        return False

    def close(self):
        self.socket.close()
