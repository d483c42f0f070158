"""The real syncd between siblings played by this test, over the real sockets: what its shell does with links, frames,
descriptors, mismatches and signals. What it decides is tested in tests/unit/test_zab.c."""

import array
import os
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import zkd_node  # noqa: E402

SYNCD = os.path.join(zkd_node.BUILD, "syncd", "syncd")
HELLO, ROLE, ROLE_ACK, LOAD, LOAD_CHANNEL, READY, PROPOSE, COMMIT = 1, 2, 3, 4, 5, 6, 7, 8
SNAPSHOT, APPEND, DURABLE, DISK = 14, 15, 16, 19
MISMATCH_STATUS = 79
WAIT_SECONDS = 10

pytestmark = pytest.mark.skipif(not os.access(SYNCD, os.X_OK), reason="syncd is not built")


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def proto(fields):
    """A protobuf message from {number: int or bytes}."""
    out = b""
    for number, value in fields.items():
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def unproto(body):
    """{number: int or bytes}; enough for messages without repeated fields."""
    fields, at = {}, 0

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
        fields[key >> 3] = value
    return fields


def txn(zxid):
    return struct.pack(">qiqqi", 1, 1, zxid, 0, 5) + b"body"


class Frame:
    def __init__(self, kind, flags, seq, zxid, body, fd):
        self.kind, self.flags, self.seq, self.zxid, self.body, self.fd = kind, flags, seq, zxid, body, fd


class Sibling:
    """One of syncd's siblings: its listener, and the newest link on it."""

    def __init__(self, name, folder):
        self.name = name
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(folder, f"{name}.link"))
        self.listener.listen()
        self.listener.settimeout(WAIT_SECONDS)
        self.link = None
        self.buffer, self.fds = b"", []

    def accept(self):
        if self.link is not None:
            self.link.close()
        self.link, _ = self.listener.accept()
        self.link.settimeout(WAIT_SECONDS)
        self.buffer, self.fds = b"", []

    def greet(self, **positions):
        """Accepts syncd's next dial and exchanges HELLOs; returns syncd's."""
        self.accept()
        theirs = unproto(self.expect(HELLO).body)
        numbers = {"durable": 5, "applied": 6, "has_tree": 7, "suite": 2, "config_hash": 3}
        mine = {1: self.name.encode(), 2: theirs[2], 3: theirs[3], 4: 42}
        mine.update({numbers[k]: v for k, v in positions.items()})
        self.send(HELLO, body=proto(mine))
        return theirs

    def send(self, kind, flags=0, seq=0, zxid=0, body=b"", fd=None):
        data = struct.pack(">IHHQQ", 20 + len(body), kind, flags, seq, zxid) + body
        fds = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.link.sendmsg([data], fds)

    def receive(self):
        """The next frame; None at the end of the link."""
        while len(self.buffer) < 4 or len(self.buffer) < 4 + struct.unpack(">I", self.buffer[:4])[0]:
            data, ancillary, _, _ = self.link.recvmsg(65536, socket.CMSG_SPACE(64))
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    self.fds += list(array.array("i", content))
            if not data:
                return None
            self.buffer += data
        size = 4 + struct.unpack(">I", self.buffer[:4])[0]
        frame, self.buffer = self.buffer[:size], self.buffer[size:]
        kind, flags, seq, zxid = struct.unpack(">HHQQ", frame[4:24])
        fd = self.fds.pop(0) if kind in (LOAD_CHANNEL, SNAPSHOT) else None
        return Frame(kind, flags, seq, zxid, frame[24:], fd)

    def expect(self, kind):
        frame = self.receive()
        assert frame is not None, f"{self.name}: the link ended, {kind} was expected"
        assert frame.kind == kind, f"{self.name}: {frame.kind} came, {kind} was expected"
        return frame

    def expect_end(self):
        try:
            assert self.receive() is None
        except ConnectionResetError:
            pass


class Star:
    def __init__(self, folder):
        self.folder = folder
        self.logd, self.clientd, self.electiond = (Sibling(n, folder) for n in ("logd", "clientd", "electiond"))
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(os.path.join(folder, "notify"))
        self.notify.settimeout(WAIT_SECONDS)
        self.process = None
        self.start()

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [SYNCD, "-D", f"dataDir={self.folder}/data", "-D", f"runtimeDir={self.folder}"],
                env={**os.environ, "NOTIFY_SOCKET": os.path.join(self.folder, "notify")},
                cwd=self.folder,
                stderr=log,
            )

    def said(self, text):
        """How often its log holds text."""
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as f:
            return f.read().count(text)

    def wait_notified(self, text):
        while True:
            message = self.notify.recv(4096).decode()
            if text in message:
                return message

    def serve(self, zxid=5):
        """Brings clientd up to READY over a log that ends at zxid."""
        self.logd.greet(durable=zxid)
        self.clientd.greet()
        role = self.clientd.expect(ROLE)
        self.clientd.send(ROLE_ACK, seq=role.seq)
        self.clientd.send(LOAD)
        load = self.logd.expect(LOAD)
        ours, theirs = socket.socketpair()
        self.logd.send(LOAD_CHANNEL, seq=load.seq, fd=theirs.fileno())
        theirs.close()
        channel = self.clientd.expect(LOAD_CHANNEL)
        self.clientd.send(READY, zxid=zxid)
        return role, ours, socket.socket(fileno=channel.fd)

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def star(tmp_path):
    # a runtime folder that others than its owner can get through to, for a syncd with a uid of its own
    for folder in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(folder, 0o755)
    s = Star(str(tmp_path))
    for name in ("logd.link", "clientd.link", "electiond.link", "notify"):
        os.chmod(tmp_path / name, 0o777)
    yield s
    s.close()


def test_role_says_where_the_log_ends(star):
    assert star.logd.greet(durable=0x300000007)[1] == b"syncd"
    star.clientd.greet()
    role = star.clientd.expect(ROLE)
    fields = unproto(role.body)
    assert role.seq > 0
    assert (fields[1], fields[2], fields[3], fields[4], fields[5]) == (1, 1, 3, 0x300000007, 0x300000007)
    assert fields[6] == 1000 and fields[7] > 1 << 20


def test_a_write_is_committed_when_it_is_durable(star):
    star.serve(5)
    star.clientd.send(PROPOSE, zxid=6, body=txn(6))
    append = star.logd.expect(APPEND)
    assert (append.zxid, append.body) == (6, txn(6))
    star.logd.send(DURABLE, zxid=6)
    assert star.clientd.expect(COMMIT).zxid == 6


def test_a_descriptor_is_handed_on_and_closed_here(star):
    _, logd_end, clientd_end = star.serve(5)
    logd_end.sendall(b"the tree")
    assert clientd_end.recv(100) == b"the tree"
    logd_end.close()
    clientd_end.settimeout(WAIT_SECONDS)
    assert clientd_end.recv(100) == b"", "somebody else holds the channel open"


def test_a_descriptor_without_a_taker_is_closed(star):
    star.logd.greet(durable=5)
    ours, theirs = socket.socketpair()
    star.logd.send(SNAPSHOT, zxid=5, fd=theirs.fileno())
    theirs.close()
    ours.settimeout(WAIT_SECONDS)
    assert ours.recv(1) == b""


def test_logd_comes_back(star):
    star.serve(5)
    star.clientd.send(PROPOSE, zxid=6, body=txn(6))
    star.logd.expect(APPEND)
    star.logd.link.close()
    star.clientd.send(PROPOSE, zxid=7, body=txn(7))
    assert star.logd.greet(durable=5)[6] == 5
    assert [star.logd.expect(APPEND).zxid for _ in range(2)] == [6, 7]
    star.logd.send(DURABLE, zxid=7)
    assert star.clientd.expect(COMMIT).zxid == 7


def test_clientd_comes_back(star):
    role, _, _ = star.serve(5)
    star.clientd.send(PROPOSE, zxid=6, body=txn(6))
    star.logd.expect(APPEND)
    star.clientd.greet()
    again = star.clientd.expect(ROLE)
    assert again.seq == role.seq + 1
    assert unproto(again.body)[4] == 6
    star.logd.send(DURABLE, zxid=6)
    assert star.clientd.expect(COMMIT).zxid == 6


def test_syncd_itself_comes_back(star):
    star.serve(5)
    star.process.kill()
    star.process.wait()
    star.start()
    star.logd.greet(durable=6)
    star.clientd.greet(applied=5, has_tree=1)
    fields = unproto(star.clientd.expect(ROLE).body)
    assert (fields[4], fields[5]) == (6, 6)


def test_a_bad_message_ends_that_link_only(star):
    star.serve(5)
    star.clientd.send(PROPOSE, zxid=9, body=txn(9))
    star.clientd.expect_end()
    star.clientd.greet()
    star.clientd.expect(ROLE)
    star.logd.send(DURABLE, zxid=99)
    star.logd.expect_end()
    star.logd.greet(durable=5)
    assert star.process.poll() is None


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 64,
        struct.pack(">IHHQQ", 3, HELLO, 0, 0, 0),
        struct.pack(">IHHQQ", 0x7FFFFFFF, HELLO, 0, 0, 0),
        struct.pack(">IHHQQ", 20, COMMIT, 0, 0, 0),
        struct.pack(">IHHQQ", 24, HELLO, 0, 0, 0) + b"\xff\xff\xff\xff",
    ],
)
def test_garbage_ends_that_link_only(star, garbage):
    star.logd.accept()
    star.logd.expect(HELLO)
    star.logd.link.sendall(garbage)
    star.logd.expect_end()
    star.serve(5)


def test_malformed_disk_ends_the_link(star):
    star.serve(5)
    star.logd.send(DISK, body=b"\xff\xff\xff")
    star.logd.expect_end()
    star.logd.greet(durable=5)


def test_disk_news_reach_clientd(star):
    star.serve(5)
    star.logd.send(DISK, zxid=5, body=proto({1: 1, 2: b"no space"}))
    told = star.clientd.expect(DISK)
    assert unproto(told.body) == {1: 1, 2: b"no space"}
    star.logd.send(DISK, zxid=5, body=b"")
    assert unproto(star.clientd.expect(DISK).body).get(1, 0) == 0


def test_a_log_that_lost_what_was_acknowledged_is_not_served(star):
    star.serve(5)
    star.logd.link.close()
    star.logd.greet(durable=4)
    assert unproto(star.clientd.expect(ROLE).body).get(1, 0) == 0
    assert "acknowledged" in star.wait_notified("STATUS=not serving")


@pytest.mark.parametrize("what", [{"suite": b"0.0.0"}, {"config_hash": bytes(32)}])
def test_another_suite_or_configuration_ends_syncd(star, what):
    star.electiond.greet(**what)
    assert star.process.wait(WAIT_SECONDS) == MISMATCH_STATUS


def test_says_how_it_is(star):
    star.wait_notified("READY=1")
    star.serve(5)
    star.wait_notified("leading alone at zxid 0x5")
    star.clientd.send(PROPOSE, zxid=6, body=txn(6))
    star.logd.expect(APPEND)
    star.logd.send(DURABLE, zxid=6)
    star.wait_notified("leading alone at zxid 0x6")


def test_a_socket_that_is_gone_is_told_once(star):
    star.serve(5)
    os.unlink(os.path.join(star.folder, "logd.link"))
    star.logd.link.close()
    until = time.monotonic() + WAIT_SECONDS
    while star.said("cannot dial") == 0 and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.3)
    assert star.said("cannot dial") == 1
    assert star.said('peer=logd path=runtimeDir/logd.link reason="No such file or directory"') == 1


def test_sigterm_ends_it(star):
    star.serve(5)
    star.process.send_signal(signal.SIGTERM)
    assert star.process.wait(WAIT_SECONDS) == 0
    star.logd.expect_end()
