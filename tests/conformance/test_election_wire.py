"""The bytes of the election port: one Apache ZooKeeper server of an ensemble of three, and we in the place of another.

What the server sends is read by our codec, which must write the same bytes again; what our codec writes the server must
understand, and vote accordingly.
"""

import collections
import contextlib
import os
import select
import socket
import struct
import subprocess
import time

import apache_node
import pytest
import zkd_node

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
LOOKING, FOLLOWING = 0, 1
SECONDS = 90

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

Vote = collections.namedtuple("Vote", "state leader zxid round epoch version config_version")


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    """codec(*words, data) runs the filter election_wire and returns what it prints."""
    program = tmp_path_factory.mktemp("codec") / "election_wire"
    sources = [f"{TOP}/electiond/{n}.c" for n in ("initial", "notification", "vote")]
    sources += [f"{TOP}/common/base/{n}.c" for n in ("buf", "mem", "assert")]
    subprocess.run(
        ["cc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-I", TOP, "-I", f"{TOP}/common", "-o", program]
        + [f"{HERE}/election_wire.c", *sources],
        check=True,
    )

    def run(*words, data=b""):
        return subprocess.run([program, *map(str, words)], input=data, stdout=subprocess.PIPE, check=True).stdout

    return run


class Ensemble:
    """Server 1 is Java's; the election port of server 3 is ours. There is no server 2."""

    def __init__(self, several=False):
        self.ports = {}
        for name in ("quorum1", "election1", "quorum2", "election2", "quorum3", "election3", "quorum1b", "election1b"):
            port = zkd_node.free_port()
            while port in self.ports.values():
                port = zkd_node.free_port()
            self.ports[name] = port
        properties = {}
        keys = {"initLimit": 60, "syncLimit": 20, "tickTime": 500}
        for sid in (1, 2, 3):
            keys[f"server.{sid}"] = f"127.0.0.1:{self.ports[f'quorum{sid}']}:{self.ports[f'election{sid}']}"
        if several:
            properties["zookeeper.multiAddress.enabled"] = "true"
            keys["server.1"] += f"|127.0.0.2:{self.ports['quorum1b']}:{self.ports['election1b']}"
        self.listener = socket.create_server(("127.0.0.1", self.ports["election3"]))
        self.listener.settimeout(SECONDS)
        self.java = apache_node.ApacheNode(keys=keys, properties=properties)
        with open(os.path.join(self.java.data, "myid"), "w") as f:
            f.write("1\n")

    def __enter__(self):
        self.java.launch()
        return self

    def __exit__(self, *rest):
        self.listener.close()
        self.java.close()

    def accept_initial(self):
        """All that server 1 sends before it hangs up, because its sid is the smaller one."""
        try:
            s = self.listener.accept()[0]
        except TimeoutError:
            pytest.fail(f"server 1 does not dial\n{self.java.log_end()}")
        with s:
            s.settimeout(SECONDS)
            data = b""
            while chunk := s.recv(4096):
                data += chunk
        return data

    def dial(self):
        def connection():
            with contextlib.suppress(ConnectionRefusedError):
                return socket.create_connection(("127.0.0.1", self.ports["election1"]), timeout=SECONDS)

        return zkd_node.wait_until(connection, SECONDS, "server 1 listens")


def receive(s):
    """The bytes of one notification with its length."""

    def exactly(n):
        data = b""
        while len(data) < n:
            chunk = s.recv(n - len(data))
            assert chunk, "the server closed the connection"
            data += chunk
        return data

    head = exactly(4)
    return head + exactly(struct.unpack(">i", head)[0])


def understand(codec, data):
    """What our codec reads in a notification; it must write the same again."""
    line, again = codec("notifications", data=data).decode().splitlines()
    assert bytes.fromhex(again) == data
    return Vote(*map(int, line.split()))


def provoke(codec, s, message, wanted, what):
    """Sends message, again and again, until a notification comes that is wanted."""
    deadline = time.monotonic() + SECONDS
    seen = []
    while time.monotonic() < deadline:
        s.sendall(message)
        while select.select([s], [], [], 0.3)[0]:
            seen.append(understand(codec, receive(s)))
            if wanted(seen[-1]):
                return seen[-1]
    pytest.fail(f"{what}; seen: {seen[-5:]}")


def framed(body):
    return struct.pack(">i", len(body)) + body


def test_votes(codec):
    with Ensemble() as ensemble:
        initial = ensemble.accept_initial()
        line, again = codec("initial", data=initial).decode().splitlines()
        assert line == f"1 1 127.0.0.1:{ensemble.ports['election1']}"
        assert bytes.fromhex(again) == initial

        with ensemble.dial() as s:
            s.sendall(codec("put-initial", 1, 3, "127.0.0.1", ensemble.ports["election3"]))
            first = receive(s)
            vote = understand(codec, first)
            assert vote == Vote(LOOKING, 1, 0, 1, 0, 2, 0)
            config = first[48:].decode()
            assert config.splitlines()[0].startswith("server.1=127.0.0.1:") and config.endswith("version=0")

            # a better vote of ours is taken over, and with ours there is a quorum
            ours = codec("put", LOOKING, 3, 7, 1, 0, config)
            with socket.create_server(("127.0.0.1", ensemble.ports["quorum3"])):  # or it soon looks again
                s.sendall(ours)
                while (vote := understand(codec, receive(s))).leader != 3:
                    assert vote == Vote(LOOKING, 1, 0, 1, 0, 2, 0)
                assert vote == Vote(LOOKING, 3, 7, 1, 0, 2, 0)
                vote = provoke(codec, s, ours, lambda v: v.state == FOLLOWING, "server 1 does not follow us")
                assert vote == Vote(FOLLOWING, 3, 7, 1, 0, 2, 0)

            # the older forms: 40 bytes as 3.4 sends them, and 28 without an epoch
            old = framed(struct.pack(">iqqqqi", LOOKING, 3, 9, 100, 0, 1))
            provoke(codec, s, old, lambda v: v[:5] == (LOOKING, 3, 9, 100, 0), "40 bytes are not understood")
            oldest = framed(struct.pack(">iqqq", LOOKING, 3, (1 << 32) + 1, 200))
            provoke(codec, s, oldest, lambda v: v[:5] == (LOOKING, 3, (1 << 32) + 1, 200, 1), "28 bytes are not understood")


def test_several_addresses(codec):
    with Ensemble(several=True) as ensemble:
        initial = ensemble.accept_initial()
        line, again = codec("initial", data=initial).decode().splitlines()
        addresses = {f"127.0.0.1:{ensemble.ports['election1']}", f"127.0.0.2:{ensemble.ports['election1b']}"}
        assert line.split()[:2] == ["2", "1"] and set(line.split()[2:]) == addresses
        assert bytes.fromhex(again) == initial

        with ensemble.dial() as s:
            own = ["127.0.0.1", ensemble.ports["election3"], "::1", ensemble.ports["election3"]]
            s.sendall(codec("put-initial", 2, 3, *own))
            assert understand(codec, receive(s)) == Vote(LOOKING, 1, 0, 1, 0, 2, 0)


def test_the_larger_sid_hangs_up(codec):
    with Ensemble() as ensemble:
        ensemble.accept_initial()
        # we are server 0: a connection that the smaller one opened does not stay
        with ensemble.dial() as s:
            s.sendall(codec("put-initial", 1, 0, "127.0.0.1", ensemble.ports["election3"]))
            assert s.recv(1) == b""
