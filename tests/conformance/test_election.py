"""electiond among Apache ZooKeeper servers: two of theirs and one of ours, whose syncd the test plays. What ours elects and
what they elect must be the same, whichever part ours takes, and whenever it comes."""

import contextlib
import os
import socket
import struct
import time

import apache_node
import electing
import pytest
from electing import ROLE_FOLLOWER, ROLE_LEADER, ROLE_OBSERVER, Electiond
from zkd_node import wait_until

SECONDS = 120
FOLLOWERINFO = 11
KEYS = {"initLimit": 60, "syncLimit": 20, "tickTime": 500}

pytestmark = [
    pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed"),
    pytest.mark.skipif(not electing.built(), reason="electiond is not built"),
]


class Mixed:
    """Servers 1 to 3; ours is one of them, the others are Java's."""

    def __init__(self, ours, observer=False):
        self.servers = electing.server_list(3, observers=(ours,) if observer else ())
        self.ours = ours
        self.observer = observer
        self.java = {}
        for sid in self.servers:
            if sid == ours:
                continue
            lines = {f"server.{s}": line for s, line in self.servers.items()}
            node = apache_node.ApacheNode(port=electing.take_ports(1)[0], keys={**KEYS, **lines})
            with open(os.path.join(node.data, "myid"), "w") as f:
                f.write(f"{sid}\n")
            self.java[sid] = node
        self.electiond = Electiond(ours, self.servers, keys=KEYS)

    def __enter__(self):
        self.electiond.start()
        return self

    def launch(self):
        for node in self.java.values():
            node.launch()

    def __exit__(self, kind, *rest):
        if kind is not None:
            print(f"--- electiond\n{self.electiond.log()[-8000:]}")
            for sid, node in self.java.items():
                print(f"--- Java {sid}\n{node.log_end()}")
        self.electiond.close()
        for node in self.java.values():
            node.close()

    def wait_voting(self):
        """
        Until the Java servers can be dialled: one that refuses is taken for dead, and not waited for. And until the
        better one has voted: a quorum without it waits for better votes no longer than 200 ms.
        """
        for sid in self.java:
            port = int(self.servers[sid].split(":")[2])
            wait_until(lambda port=port: dials(port), SECONDS, "the Java server listens")
        worse, better = sorted(self.java)
        voted = f"n.sid:{better}, n.state:LOOKING"
        wait_until(lambda: voted in self.java[worse].log_end(), SECONDS, "one Java server hears the other vote")

    def mode(self, sid):
        """leader, follower, observer, or "" while it does not serve."""
        with contextlib.suppress(OSError):
            for line in self.java[sid].word("srvr", timeout=1.0).splitlines():
                if line.startswith("Mode: "):
                    return line.split()[1]
        return ""

    def wait_java(self):
        """Until the Java servers serve: the sid of their leader."""

        def settled():
            modes = {sid: self.mode(sid) for sid in self.java}
            return modes if all(modes.values()) and list(modes.values()).count("leader") == 1 else None

        modes = wait_until(settled, SECONDS, "the Java servers serve")
        return next(sid for sid in modes if modes[sid] == "leader")


def quorum_port(servers, sid):
    """Who comes there to follow that server goes on following it until this is closed, or for initLimit."""
    return socket.create_server(("127.0.0.1", int(servers[sid].split(":")[1])))


def followers(listener, n):
    """The sids of n servers that come to a quorum port; then nobody listens there."""
    came = set()
    with contextlib.ExitStack() as stack:
        stack.enter_context(listener).settimeout(SECONDS)
        while len(came) < n:
            s = stack.enter_context(listener.accept()[0])
            s.settimeout(SECONDS)
            data = b""
            while len(data) < 24 and (chunk := s.recv(4096)):
                data += chunk
            if len(data) < 24:
                continue
            kind, _, _, theirs = struct.unpack(">iqiq", data[:24])
            assert kind == FOLLOWERINFO
            came.add(theirs)
    return came


def test_our_server_is_the_best(tmp_path):
    """Larger sid, newest data: both Java servers follow it, as far as an election goes."""
    with Mixed(3) as m, quorum_port(m.servers, 3) as listener:
        m.electiond.look(zxid=0x100000005, epoch=1)  # before them: with each other they are a quorum, too
        m.launch()
        result = m.electiond.result(SECONDS)
        assert (result.leader, result.state, result.zxid, result.epoch) == (3, ROLE_LEADER, 0x100000005, 1)
        assert followers(listener, 2) == {1, 2}
        # nobody leads them there; without it they elect one of theirs
        m.electiond.leave()
        leader = m.wait_java()
        assert leader in (1, 2)
        # and it joins those, however good its data is
        m.electiond.look(zxid=0x900000005, epoch=9)
        result = m.electiond.result(SECONDS)
        assert (result.leader, result.state) == (leader, ROLE_FOLLOWER)


def test_our_server_is_the_smallest(tmp_path):
    """It is dialled by all, and is told of everything; its electiond dies in between."""
    with Mixed(1) as m:
        m.launch()
        m.wait_voting()
        m.electiond.look()
        result = m.electiond.result(SECONDS)
        assert (result.leader, result.state) == (3, ROLE_FOLLOWER)
        assert m.wait_java() == 3
        m.electiond.role(result._replace(epoch=1))
        m.electiond.wait_fact("connected", "2")
        # joins the running ensemble: by the votes of those that follow and lead
        for _ in range(3):
            m.electiond.look(zxid=3)
            begin = time.monotonic()
            assert m.electiond.result(SECONDS).leader == 3
            assert time.monotonic() - begin < 5
        # a new electiond is dialled again, or dials; the Java servers are not disturbed
        m.electiond.kill()
        m.electiond.start()
        m.electiond.look(zxid=3)
        assert m.electiond.result(SECONDS).leader == 3
        m.electiond.kill()
        m.electiond.start()
        m.electiond.role(result._replace(epoch=1))
        # the leader goes: with ours the other one has a quorum of votes
        m.java[3].close()
        m.electiond.look(zxid=3)
        result = m.electiond.result(SECONDS)
        assert (result.leader, result.state) == (2, ROLE_FOLLOWER)


def test_our_server_in_the_middle(tmp_path):
    """It dials the one and is dialled by the other; restarted in the middle of the election."""
    with Mixed(2) as m:
        m.launch()
        m.wait_voting()
        m.electiond.look()
        m.electiond.wait_fact("connected", lambda v: int(v or 0) >= 1)
        m.electiond.kill()
        m.electiond.start()
        m.electiond.look()
        assert m.electiond.result(SECONDS).leader == 3
        assert m.wait_java() == 3
        m.electiond.wait_fact("connected", "2")
        # the Java leader starts again and finds us settled with the other one
        m.java[3].stop()
        m.electiond.look(zxid=0x100000000, epoch=1)
        assert m.electiond.result(SECONDS).leader in (1, 2)


def test_our_server_observes(tmp_path):
    """The voters elect without it; it follows, and what it says is not counted."""
    with Mixed(3, observer=True) as m:
        m.launch()
        m.electiond.look(zxid=0x900000000, epoch=9, observer=True)
        result = m.electiond.result(SECONDS)
        assert (result.leader, result.state) == (2, ROLE_OBSERVER)
        assert m.wait_java() == 2
        # comes to a running ensemble
        m.electiond.look(observer=True)
        assert m.electiond.result(SECONDS)[0] == 2


def test_a_java_server_joins_ours(tmp_path):
    """Two electionds have a leader when a Java server comes: it follows whom they follow."""
    servers = electing.server_list(3)
    with contextlib.ExitStack() as stack:
        ours = {sid: stack.enter_context(Electiond(sid, servers)) for sid in (1, 2)}
        for e in ours.values():
            e.look(zxid=7)
        results = {sid: e.result() for sid, e in ours.items()}
        assert {r.leader for r in results.values()} == {2}
        for sid, e in ours.items():
            e.role(results[sid]._replace(epoch=1))
        lines = {f"server.{s}": line for s, line in servers.items()}
        java = apache_node.ApacheNode(port=electing.take_ports(1)[0], keys={**KEYS, **lines})
        with open(os.path.join(java.data, "myid"), "w") as f:
            f.write("3\n")
        stack.callback(java.close)
        listener = stack.enter_context(quorum_port(servers, 2))
        java.launch()
        assert followers(listener, 1) == {3}


def test_the_configuration_as_text(tmp_path):
    """Groups, weights, observers, client addresses: our text is Java's, byte for byte."""
    servers = electing.server_list(3)
    observer, client = electing.server_list(1)[1], electing.take_ports(1)[0]
    servers[2] += f";{client}"
    servers[4] = observer + ":observer"
    groups = {"group.1": "1:2", "group.2": "3", "weight.3": "2"}
    for extra in ({}, groups):
        lines = {**{f"server.{s}": line for s, line in servers.items()}, **extra}
        java = apache_node.ApacheNode(port=electing.take_ports(1)[0], keys={**KEYS, **lines})
        with open(os.path.join(java.data, "myid"), "w") as f:
            f.write("1\n")
        with contextlib.ExitStack() as stack:
            stack.callback(java.close)
            java.launch()
            port = int(servers[1].split(":")[2])
            wait_until(lambda port=port: dials(port), SECONDS, "the Java server listens")
            # Ours comes later: two connections of server 3 would push each other out.
            with electing.Peer.dial(port, 3, addresses=["127.0.0.1:" + servers[3].split(":")[2]]) as p:
                theirs = p.receive(SECONDS).config
            e = stack.enter_context(Electiond(3, servers, keys=extra))
            e.look()
            with electing.Peer.dial(e.election_port, 4, addresses=["127.0.0.1:1"]) as p:
                p.send(electing.notification(electing.LOOKING, 4, 0, 1, 0))
                ours = p.receive().config
            assert ours == theirs


def dials(port):
    with contextlib.suppress(OSError), electing.Peer.dial(port):
        return True
    return False
