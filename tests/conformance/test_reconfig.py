"""Who takes part may change: what a leader of Apache ZooKeeper decides by reconfig its followers of zkd follow, write down
as ZooKeeper does, and know again after a restart; and the reverse. All with reconfigEnabled=true.
"""

import contextlib
import glob
import os
import signal
import socket

import apache_node
import pytest
import zkd_node
import zkwire as z
from zkd_node import wait_until

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

SECONDS = 90  # two servers of Apache alone may need most of a minute


class Member:
    """A server of either kind on loopback, with ports of its own."""

    def __init__(self, number, kind, ports):
        self.number, self.kind = number, kind
        self.client_port, self.quorum, self.election = ports
        keys = {"initLimit": 20, "syncLimit": 10, "tickTime": 500, "reconfigEnabled": "true", "skipACL": "yes"}
        if kind == "zkd":
            self.node = zkd_node.Node(port=self.client_port, keys=keys)
        else:
            self.node = apache_node.ApacheNode(port=self.client_port, keys=keys, heap="96m")
        for key in ("clientPort", "clientPortAddress"):
            self.node.keys.pop(key)
        self.config = os.path.join(self.node.folder, "zoo.cfg")

    def line(self, role="participant"):
        return f"127.0.0.1:{self.quorum}:{self.election}:{role};127.0.0.1:{self.client_port}"

    def start(self, servers=None):
        """With this list; with none as the last run left its files."""
        if servers is not None:
            self.node.keys.update({f"server.{m.number}": line for m, line in servers.items()})
            with open(os.path.join(self.node.data, "myid"), "w") as f:
                f.write(f"{self.number}\n")
        if self.kind == "zkd":
            self.node.start(wait=False, write=servers is not None)
        else:
            self.node.launch(write=servers is not None)

    def mode(self):
        with contextlib.suppress(OSError):
            for text in self.node.word("srvr", 1.0).splitlines():
                if text.startswith("Mode: "):
                    return text.removeprefix("Mode: ")
        return ""

    def hears(self):
        """Whether its election port is open."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.election), 1):
            return True
        return False

    def znode(self):
        """What this server shows as /zookeeper/config; "" while it does not serve."""
        from kazoo.exceptions import KazooException
        from kazoo.handlers.threading import KazooTimeoutError

        zk = self.node.client(start=False)
        try:
            zk.start(timeout=5)
            return zk.get("/zookeeper/config")[0].decode()
        except (KazooException, KazooTimeoutError):
            return ""
        finally:
            zk.stop()
            zk.close()

    def files(self):
        """The list that its configuration file points at, with the version in its name: as lines, sorted."""
        with open(self.config) as f:
            text = f.read()
        named = [x.split("=", 1)[1] for x in text.splitlines() if x.startswith("dynamicConfigFile=")]
        if len(named) != 1 or "\nserver." in "\n" + text:
            return []
        with open(named[0]) as f:
            lines = f.read().splitlines()
        return sorted([*lines, "version=" + named[0].rpartition(".")[2]])


@pytest.fixture
def members():
    """make(KIND, ...) gives members; all are closed at the end."""
    made = []
    ports = []

    def make(*kinds):
        for kind in kinds:
            taken = []
            while len(taken) < 3:
                port = zkd_node.free_port()
                if port not in ports:
                    ports.append(port)
                    taken.append(port)
            made.append(Member(len(made) + 1, kind, taken))
        return made[-len(kinds) :]

    yield make
    for m in made:
        m.node.close()


def reconfigure(leader, **change):
    zk = leader.node.client()
    try:
        return zk.reconfig(
            joining=change.get("joining"), leaving=change.get("leaving"), new_members=change.get("new_members")
        )[0].decode()
    finally:
        zk.stop()
        zk.close()


def wait_modes(wanted):
    """{member: "leader" or "follower" or "observer"}; with "" any of them."""

    def so():
        return all(m.mode() == mode if mode else m.mode() for m, mode in wanted.items())

    try:
        wait_until(so, SECONDS, "everybody's part")
    except zkd_node.NodeError as e:
        logs = "\n".join(f"--- {m.number} {m.kind} {m.mode()!r}\n{m.node.log_end()}" for m in wanted)
        raise zkd_node.NodeError(f"{e}\n{logs}") from None


def wait_agreed(text, *everybody):
    """All show this list and have written it down."""
    lines = sorted(text.splitlines())
    for m in everybody:
        wait_until(lambda m=m: m.znode() == text, SECONDS, f"server {m.number} shows {text!r}, not {m.znode()!r}")
        wait_until(lambda m=m: m.files() == lines, SECONDS, f"server {m.number} has written {lines}, not {m.files()}")


def restart(m):
    m.node.stop()
    m.start()


# Of servers 1 and 2, of 3, which leads, and of one that comes.
KINDS = {"an Apache server leads": ("zkd", "zkd", "apache", "zkd"), "zkd leads": ("apache", "zkd", "zkd", "apache")}


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def four(request, members):
    """Three that serve; the third leads, as nobody has more and nobody has a higher number. The fourth is not started."""
    a, b, c, d = members(*request.param)
    servers = {m: m.line() for m in (a, b, c)}
    c.start(servers)
    wait_until(c.hears, SECONDS, "the third can vote")
    b.start(servers)
    wait_modes({b: "follower", c: "leader"})
    a.start(servers)
    wait_modes({a: "follower"})
    return a, b, c, d


def join(a, b, c, d):
    """The fourth serves although nobody lists it."""
    d.start({**{m: m.line() for m in (a, b, c)}, d: d.line()})
    wait_modes({d: "follower"})


def test_a_server_is_added(four):
    a, b, c, d = four
    join(*four)
    text = reconfigure(a, joining=f"server.4={d.line()}")  # a follower is asked
    assert f"server.4={d.line()}" in text
    wait_agreed(text, a, b, c, d)
    for m in (a, d):
        restart(m)
        wait_modes({m: "follower"})
    wait_agreed(text, a, b, d)
    for daemon in ("syncd", "electiond", "clientd"):
        b.node.wait_restarted(daemon, b.node.signal(daemon, signal.SIGKILL), SECONDS)
    wait_modes({b: "follower"})
    wait_agreed(text, b)
    # The new one counts: with two of the first three gone there is no quorum of four, with one there is.
    b.node.stop()
    wait_modes({a: "", c: "", d: ""})
    c.node.stop()
    wait_until(lambda: not a.mode() and not d.mode(), SECONDS, "two of four are no quorum")
    b.start()
    wait_modes({a: "", b: "", d: ""})
    wait_agreed(text, a, b, d)


def test_a_server_is_removed(four):
    a, b, c, d = four
    join(*four)
    wait_agreed(reconfigure(c, joining=f"server.4={d.line()}"), a, b, c, d)
    text = reconfigure(c, leaving="2")
    assert "server.2=" not in text
    wait_agreed(text, a, c, d)
    wait_modes({b: ""})  # it follows without a vote until somebody stops it
    for m in (a, d):
        restart(m)
        wait_modes({m: "follower"})
    b.node.close()
    wait_modes({a: "follower", c: "leader", d: "follower"})
    # Two of three are a quorum without it, whoever leads.
    c.node.stop()
    wait_modes({a: "", d: ""})
    c.start()
    wait_modes({c: "follower"})
    wait_agreed(text, a, c, d)


def test_a_server_changes_its_part(four):
    a, b, c, _ = four
    text = reconfigure(c, joining=f"server.2={b.line('observer')}")
    assert b.line("observer") in text
    wait_modes({a: "follower", b: "observer", c: "leader"})
    wait_agreed(text, a, b, c)
    # A daemon that begins with the new list gets along with those that began with the old one.
    b.node.wait_restarted("syncd", b.node.signal("syncd", signal.SIGKILL), SECONDS)
    wait_modes({b: "observer"})
    assert {name: d["restarts"] for name, d in b.node.ps().items() if d["restarts"]} == {"syncd": 1}
    restart(b)
    wait_modes({b: "observer"})
    text = reconfigure(c, joining=f"server.2={b.line()}")
    wait_modes({a: "follower", b: "follower", c: "leader"})
    wait_agreed(text, a, b, c)
    b.node.check_sanitizers()
    restart(b)
    wait_modes({b: "follower"})


def test_the_leader_is_removed(four):
    """The designated one leads, without the old leader's consent being asked again."""
    a, b, c, d = four
    join(*four)
    wait_agreed(reconfigure(c, joining=f"server.4={d.line()}"), a, b, c, d)
    with contextlib.suppress(Exception):  # its own connection may end before the answer
        reconfigure(c, leaving="3")
    wait_until(lambda: sorted(m.mode() for m in (a, b, d)) == ["follower", "follower", "leader"], SECONDS, "a new leader")
    text = wait_until(a.znode, SECONDS, "the new list is shown")
    assert "server.3=" not in text
    wait_agreed(text, a, b, d)


BAD_ARGUMENTS, MARSHALLING, BAD_VERSION, NO_QUORUM = -8, -5, -103, -13


def test_what_is_refused(four):
    """With the same words by both; then a whole list."""
    a, b, c, d = four
    nobody = "127.0.0.1:{}:{}:participant;127.0.0.1:{}"
    far = [f"server.{n}=" + nobody.format(*range(10 * n, 10 * n + 3)) for n in (4, 5)]
    cases = [
        ((None, "1,2", None, -1), BAD_ARGUMENTS),
        (("server.4=127.0.0.1:1:2", None, None, -1), BAD_ARGUMENTS),
        (("server.4", None, None, -1), BAD_ARGUMENTS),
        (("server.4=127.0.0.1:x:2:participant;3", None, None, -1), BAD_ARGUMENTS),
        (("server.x=127.0.0.1:1:2;3", None, None, -1), MARSHALLING),
        ((None, "x", None, -1), MARSHALLING),
        ((far[0], None, None, 77), BAD_VERSION),
        ((",".join(far), "1,2", None, -1), NO_QUORUM),
        (("server.4=192.0.2.1:1:2;3,server.5=192.0.2.1:2:4;5", None, None, -1), BAD_ARGUMENTS),  # one place for two
        ((None, None, "nonsense", -1), BAD_ARGUMENTS),
        ((None, None, far[0] + "\n" + far[1], -1), NO_QUORUM),
    ]
    with z.Wire(c.client_port) as w:
        w.connect(8000)
        for (joining, leaving, new, version), expected in cases:
            body = z.string(joining) + z.string(leaving) + z.string(new) + z.i64(version)
            assert w.call(z.RECONFIG, body)[1].err == expected, (joining, leaving, new, version)
    text = reconfigure(c, new_members=",".join(f"server.{m.number}={m.line()}" for m in (c, b, a)))
    wait_agreed(text, a, b, c)


def test_who_may(members):
    """The node's ACL lets everybody read and nobody write."""
    c = members("zkd")[0]
    c.node.keys.update({"skipACL": None, "standaloneEnabled": "false"})
    c.start({c: c.line()})
    wait_modes({c: "leader"})
    no_auth = -102
    body = z.string(None) + z.string(None) + z.string(f"server.1={c.line()}") + z.i64(-1)
    with z.Wire(c.client_port) as w:
        w.connect(8000)
        assert w.call(z.RECONFIG, body)[1].err == no_auth
