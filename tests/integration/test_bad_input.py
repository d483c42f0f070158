"""
Bad input on the client port of a running node: that connection ends, one log line names peer and reason, memory stays
bounded, and everybody else goes on.
"""

import contextlib
import functools
import os
import re
import resource
import socket
import struct
import subprocess
import time

import pytest
import zkd_node

CONNECT = struct.pack(">iiqiq", 45, 0, 0, 10000, 0) + struct.pack(">i", 16) + bytes(16) + b"\0"
JUTE_MAX = 1048575

GARBAGE = {
    "zero": b"\0\0\0\0",
    "negative": b"\xff\xff\xff\xff",
    "most_negative": b"\x80\0\0\0",
    "huge": b"\x7f\xff\xff\xff",
    "one_too_long": struct.pack(">i", JUTE_MAX + 1),
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls": bytes.fromhex("1603010200010001fc0303") + bytes(200),
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "not_a_connect": struct.pack(">i", 8) + b"whatever",
    "bad_password_length": struct.pack(">iiqiqi", 28, 0, 0, 10000, 0, 0x7FFFFFFF),
}
AFTER_CONNECT = {
    "zero": b"\0\0\0\0",
    "negative": b"\xff\xff\xff\xfe",
    "huge": b"\x7f\xff\xff\xff",
    "no_header": struct.pack(">i", 7) + bytes(7),
}


@pytest.fixture(scope="module")
def node():
    with zkd_node.Node(keys={"maxClientCnxns": 0, "tickTime": 500}) as n:
        yield n


@pytest.fixture(scope="module")
def witness(node):
    """A client that must not notice anything."""
    zk = node.client()
    losses = []
    zk.add_listener(losses.append)
    zk.create("/witness", b"0")
    yield zk
    assert not losses
    zk.stop()
    zk.close()


@pytest.fixture(autouse=True)
def others_go_on(node, witness):
    before = node.pid("clientd")
    yield
    assert witness.get("/witness")[0] == b"0"
    assert node.pid("clientd") == before


def dial(node):
    s = socket.create_connection(("127.0.0.1", node.port), 5)
    s.settimeout(15)
    return s


def ended(s):
    """Everything that came until the end of the connection."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while chunk := s.recv(65536):
            got += chunk
    return got


def lines_about(node, port):
    with open(node.log_path, errors="replace") as f:
        return [line for line in f if re.search(rf"peer=127\.0\.0\.1:{port}\b", line)]


def wait_line(node, port):
    zkd_node.wait_until(lambda: lines_about(node, port), 5, f"a log line about {port}")
    time.sleep(0.05)
    (line,) = lines_about(node, port)
    assert "reason=" in line
    return line


def session(node):
    s = dial(node)
    s.sendall(CONNECT)
    answer = b""
    while len(answer) < 41:
        answer += s.recv(41 - len(answer))
    return s


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_first(node, what):
    with dial(node) as s:
        port = s.getsockname()[1]
        s.sendall(GARBAGE[what])
        assert ended(s) == b""
    wait_line(node, port)


@pytest.mark.parametrize("what", AFTER_CONNECT)
def test_garbage_behind_the_handshake(node, what):
    with session(node) as s:
        port = s.getsockname()[1]
        s.sendall(AFTER_CONNECT[what])
        assert ended(s) == b""
    wait_line(node, port)


def test_truncated(node):
    with dial(node) as s:
        port = s.getsockname()[1]
        s.sendall(CONNECT[:20])
    assert "middle of its first frame" in wait_line(node, port)


def test_one_byte_a_second(node):
    with dial(node) as s:
        port = s.getsockname()[1]
        begin = time.monotonic()
        s.settimeout(1)
        for i in range(len(CONNECT)):
            with contextlib.suppress(ConnectionError):
                s.sendall(CONNECT[i : i + 1])
            try:
                assert s.recv(1) == b""
                break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert 8 < time.monotonic() - begin < 14
    assert "in time" in wait_line(node, port)


def memory(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) << 10


def test_reader_that_never_reads(node, witness):
    witness.create("/big", bytes(500000))
    pid = node.pid("clientd")
    get = struct.pack(">iii", 8 + 9, 1, 4) + struct.pack(">i", 4) + b"/big" + b"\0"
    before = memory(pid)
    with session(node) as s:
        port = s.getsockname()[1]
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(2)
        with contextlib.suppress(TimeoutError):
            for _ in range(2000):
                s.sendall(get * 50)
        # a hundred thousand reads of half a megabyte each were asked for
        assert memory(pid) - before < 16 << 20
        # it does not even send pings that count: its session ends, and with it the connection
        zkd_node.wait_until(lambda: closed(s), 30, "the connection is closed")
    assert "does not read its replies" in wait_line(node, port)
    witness.delete("/big")


def closed(s):
    try:
        s.sendall(b"\0")
        return False
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def connections(node):
    return int(re.search(r"Connections: (\d+)", node.word("srvr")).group(1))


def test_ten_thousand_connections(node):
    pid = node.pid("clientd")
    before, fds = connections(node), descriptors(pid)
    half = memory_after_storm(node, pid, 5000)
    full = memory_after_storm(node, pid, 5000)
    zkd_node.wait_until(lambda: connections(node) == before, 10, "the connections are gone")
    assert descriptors(pid) == fds
    assert full - half < 2 << 20


def memory_after_storm(node, pid, n):
    for i in range(n):
        with dial(node) as s:
            if i % 2:
                s.sendall(CONNECT[: i % 45])
    zkd_node.wait_until(lambda: connections(node) <= 2, 10, "the connections are gone")
    return memory(pid)


DESCRIPTORS = 256


@pytest.fixture
def poor_node(monkeypatch):
    """A node whose processes may hold few descriptors."""

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))

    monkeypatch.setattr(zkd_node.subprocess, "Popen", functools.partial(subprocess.Popen, preexec_fn=limit))
    with zkd_node.Node(keys={"maxClientCnxns": 0, "tickTime": 500}) as n:
        monkeypatch.undo()
        yield n


def test_no_descriptors_left(poor_node):
    witness = poor_node.client()
    witness.create("/witness")
    pid = poor_node.pid("clientd")
    held = [dial(poor_node) for _ in range(2 * DESCRIPTORS)]
    try:
        # those for whom there is no descriptor are told at once, not left waiting; the others are held
        zkd_node.wait_until(lambda: sum(is_shut(s) for s in held) >= DESCRIPTORS, 5, "the rest is shut out")
        time.sleep(1.5)
        assert sum(is_shut(s) for s in held) < 2 * DESCRIPTORS
        assert witness.set("/witness", b"1").version == 1
        assert witness.state == "CONNECTED"
    finally:
        for s in held:
            s.close()
    zkd_node.wait_until(lambda: poor_node.word("ruok") == "imok", 5, "it answers again")
    assert poor_node.pid("clientd") == pid
    with open(poor_node.log_path, errors="replace") as f:
        lines = [line for line in f if "descriptors" in line]
    assert 1 <= len(lines) <= 10
    witness.stop()
    witness.close()


def is_shut(s):
    s.setblocking(False)
    try:
        return s.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_request_as_large_as_allowed(node, witness):
    """Not bad: the largest frame still works; one byte more does not."""
    body = struct.pack(">i", 8) + b"/witness"
    fixed = 8 + len(body) + 4 + 4

    def set_data(n):
        data = bytes(n)
        return struct.pack(">iii", fixed + n, 7, 5) + body + struct.pack(">i", n) + data + struct.pack(">i", 99)

    with session(node) as s:
        s.sendall(set_data(JUTE_MAX - fixed))
        head = s.recv(20)
        assert struct.unpack(">iiqi", head)[3] == -103
    with session(node) as s:
        port = s.getsockname()[1]
        with contextlib.suppress(ConnectionError):
            s.sendall(set_data(JUTE_MAX - fixed + 1))
        ended(s)
    assert f"frame length {JUTE_MAX + 1}" in wait_line(node, port)
