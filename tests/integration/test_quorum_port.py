"""What syncd's shell meets on the way to its peers and from them: names without anybody to look them up, and more
connections than it has room for."""

import contextlib
import os
import signal
import socket

import loopback
import pytest
import zkd_node
from zkd_node import wait_until

pytestmark = pytest.mark.skipif(not zkd_node.built(), reason="there is no zkd")

PEERS_MAX = 512
KEYS = {"tickTime": 200, "syncLimit": 10}


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(p) for p in f.read().split()]


def log_of(node):
    with open(node.log_path, errors="replace") as f:
        return f.read()


def test_a_syncd_without_its_resolver():
    e = loopback.Ensemble(["zkd"] * 3, keys=KEYS)
    for node in e.nodes.values():
        for n in (1, 2, 3):
            node.keys[f"server.{n}"] = node.keys[f"server.{n}"].replace("127.0.0.1", "localhost", 1)
    with e:
        leader = e.leader()
        others = {n: node for n, node in e.nodes.items() if n != leader}
        for node in others.values():
            (resolver,) = children(node.pid("syncd"))
            os.kill(resolver, signal.SIGKILL)
            wait_until(lambda node=node: "resolver lost" in log_of(node), 10, "syncd notices")
        # It serves as before: a role needs no names.
        assert set(e.modes().values()) == {"leader", "follower"}
        for node in others.values():
            node.check_unharmed()
        # A new leader has to be found by its name.
        e.nodes[leader].stop()
        wait_until(lambda: e.leader() in others and all(e.modes().values()), 20, "a new leader is followed")
        assert [n.ps()["syncd"]["restarts"] for n in others.values()].count(1) >= 1
        zk = e.nodes[e.leader()].client()
        zk.create("/after", b"")
        zk.stop()
        zk.close()


def test_nothing_is_left_of_a_node():
    """Not even a helper that cannot notice that its daemon has gone."""
    with loopback.Ensemble(["zkd"] * 2, keys=KEYS) as e:
        for daemon in ("syncd", "electiond"):
            for helper in children(e.nodes[1].pid(daemon)):
                os.kill(helper, signal.SIGSTOP)
        e.nodes[1].stop()  # looks for every process that was there


def test_more_peers_than_there_is_room_for():
    with loopback.Ensemble(["zkd"] * 3, keys=KEYS) as e, contextlib.ExitStack() as stack:
        node = e.nodes[e.leader()]
        port = int(node.keys[f"server.{e.leader()}"].split(":")[1])
        for _ in range(PEERS_MAX + 50):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        wait_until(lambda: "too many peers" in log_of(node), 10, "it says so")
        assert log_of(node).count("too many peers") == 1
        # Those that are in have no seat less, and its clients notice nothing.
        zk = node.client()
        zk.create("/meanwhile", b"")
        zk.stop()
        zk.close()
        assert sorted(e.modes().values()) == ["follower", "follower", "leader"]
        node.check_unharmed()
