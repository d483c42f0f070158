"""zkctl move-leader: leadership goes where an operator wants it, under load, with no acknowledged write lost, also among
servers of Apache ZooKeeper; and what it refuses."""

import json
import os
import signal
import statistics
import subprocess
import threading
import time

import apache_node
import loopback
import pytest
import zkd_node
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, NodeExistsError
from zkd_node import wait_until

ZKCTL = os.path.join(zkd_node.BUILD, "zkctl", "zkctl")
OK, UNWELL, USAGE = 0, 1, 2
CONFIG_H = os.path.join(zkd_node.BUILD, "config.h")
DEBUG = os.path.exists(CONFIG_H) and "ZKD_DEBUG 1" in open(CONFIG_H).read()
TICK_MS = 500
STALL_MS = 1400  # what a follower must not make others wait for


def zkctl(node, *args):
    return subprocess.run([ZKCTL, "--runtime", node.runtime, *args], capture_output=True, text=True, timeout=30)


def move(e, target=None, again=5):
    """
    From whoever leads; the answer as JSON. Where the machine is so busy that the old leader's vote comes too late
    (200 ms) another one is elected, or that the target needs more than a tick it is given up, and that must be said.
    """
    r = zkctl(e.nodes[e.leader()], "move-leader", *([str(target)] if target else []), "--json")
    if r.returncode == UNWELL and again > 0:
        if r.stdout:
            answer = json.loads(r.stdout)
            assert f"server {answer['asked']} was to lead, but server {answer['leader']} was elected" in r.stderr
        else:
            assert "leads on: that server did not catch up within a tick" in r.stderr
        e.wait_serving()
        return move(e, target, again - 1)
    assert r.returncode == OK, (r.stdout, r.stderr)
    return json.loads(r.stdout)


class Writer(threading.Thread):
    """Creates one child after the other, each once; remembers which were acknowledged, and when."""

    def __init__(self, hosts, path):
        super().__init__(daemon=True)
        self.path, self.acked, self.times, self.states = path, [], [], []
        self.ended = threading.Event()
        retry = {"max_tries": 0}
        self.zk = KazooClient(hosts, timeout=8.0, command_retry=retry, connection_retry={"max_tries": -1, "delay": 0.01, "max_delay": 0.05})
        self.zk.add_listener(self.states.append)
        self.zk.start(timeout=20)
        self.zk.ensure_path(path)
        self.states.clear()
        self.start()

    def run(self):
        n = 0
        while not self.ended.is_set():
            try:
                self.zk.create(f"{self.path}/{n:07}")
            except NodeExistsError:
                pass  # the one before the connection was lost was done
            except KazooException:
                time.sleep(0.002)
                continue
            self.acked.append(n)
            self.times.append(time.monotonic())
            n += 1

    def end(self):
        self.ended.set()
        self.join(30)

    def pauses(self):
        return [b - a for a, b in zip(self.times, self.times[1:])]

    def check(self, e):
        """Every server has every acknowledged child."""
        for n, node in e.nodes.items():
            zk = node.client(timeout=10.0)
            zk.sync(self.path)
            there = {int(c) for c in zk.get_children(self.path)}
            assert set(self.acked) <= there, (n, sorted(set(self.acked) - there)[:5])
            zk.stop()
            zk.close()
        self.zk.stop()
        self.zk.close()


@pytest.fixture(scope="module")
def ensemble():
    with loopback.Ensemble(["zkd"] * 4, keys={"tickTime": TICK_MS}, observers=[4]) as e:
        yield e


def test_under_load(ensemble):
    e = ensemble
    writers = [Writer(n.hosts, f"/load-{i}") for i, n in e.nodes.items()] + [Writer(e.hosts, "/load-all")]
    took = []
    for i in range(9):
        leader = e.leader()
        target = [n for n in (1, 2, 3) if n != leader][i % 2]
        done = {id(w): len(w.acked) for w in writers}
        answer = move(e, target)
        assert (answer["asked"], answer["leader"]) == (target, target) and answer["from"] != target
        took.append(answer["took_ms"])
        wait_until(lambda done=done: all(len(w.acked) > done[id(w)] + 20 for w in writers), 30, "all write on")
        e.wait_serving()
        assert e.leader() == target
    for w in writers:
        w.end()
    longest = [max(w.pauses()) for w in writers]
    print(f"move-leader took {took} ms; longest pause of each writer {[round(p * 1000) for p in longest]} ms, "
          f"median write {statistics.median(p for w in writers for p in w.pauses()) * 1000:.1f} ms")
    assert max(longest) < 5  # kazoo's own way back is most of it
    for w in writers:
        w.check(e)
    for n, node in e.nodes.items():
        node.check_unharmed()


def test_to_whom_it_may_go(ensemble):
    e = ensemble
    leader, answer = e.leader(), move(e)
    assert answer["leader"] != leader and answer["leader"] in (1, 2, 3)
    e.wait_serving()
    leader = e.leader()
    node, other = e.nodes[leader], e.nodes[e.followers()[0]]
    for args, words in (
        ((str(leader),), "this server leads already"),
        (("4",), "there is no voter of that number"),
        (("77",), "there is no voter of that number"),
    ):
        r = zkctl(node, "move-leader", *args)
        assert r.returncode == UNWELL and words in r.stderr and r.stdout == ""
    r = zkctl(node, "move-leader", "next")
    assert r.returncode == USAGE and "allowed: 0..255" in r.stderr
    r = zkctl(other, "move-leader")
    assert r.returncode == UNWELL and f"server {leader} leads (127.0.0.1:" in r.stderr and "run zkctl move-leader there" in r.stderr
    assert e.leader() == leader


def test_a_follower_that_is_away(ensemble):
    e = ensemble
    away = e.followers()[0]
    leader = e.nodes[e.leader()]
    e.nodes[away].kill()

    def knows():
        return json.loads(zkctl(leader, "status", "--json").stdout)["ensemble"]["voters_in_sync"] == 2

    wait_until(knows, 20, "the leader knows that it is away")
    r = zkctl(leader, "move-leader", str(away))
    assert r.returncode == UNWELL and "that server is not in sync" in r.stderr
    # The one that is left can have it; the old leader is the other half of the quorum.
    answer = move(e)
    assert answer["leader"] != away
    e.launch(away)
    e.wait_serving()


def test_a_follower_that_is_stopped(ensemble):
    """It is asked for a sign of life first: nobody is elected who cannot lead."""
    e = ensemble
    leader, stopped = e.leader(), e.followers()[0]
    pids = e.nodes[stopped].all_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        r = zkctl(e.nodes[leader], "move-leader", str(stopped))
        assert r.returncode == UNWELL and f"server {leader} leads on: " in r.stderr, r.stderr
        assert e.modes()[leader] == "leader"
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
    e.wait_serving()


@pytest.mark.skipif(not DEBUG, reason="not built with --enable-debug")
def test_writes_that_wait_go_on_where_it_is_given_up(ensemble):
    e = ensemble
    leader, slow = e.leader(), e.followers()[0]
    other = e.nodes[e.followers()[1]]
    writers = [Writer(e.nodes[leader].hosts, "/waits-0"), Writer(other.hosts, "/waits-1")]
    wait_until(lambda: all(len(w.acked) > 20 for w in writers), 20, "they write")
    assert zkctl(e.nodes[slow], "debug", "stall", "syncd", "--ms", str(STALL_MS)).returncode == OK
    time.sleep(0.05)
    r = zkctl(e.nodes[leader], "move-leader", str(slow))
    assert r.returncode == UNWELL and "did not catch up within a tick" in r.stderr, r.stderr
    before = [len(w.acked) for w in writers]
    wait_until(lambda: all(len(w.acked) > n + 20 for w, n in zip(writers, before)), 20, "they write on")
    for w in writers:
        w.end()
        assert KazooState.SUSPENDED not in w.states  # nobody noticed but by waiting
        assert max(w.pauses()) < STALL_MS / 1000
    e.wait_serving()
    assert e.leader() == leader
    for w in writers:
        w.check(e)


def test_a_standalone_node():
    with zkd_node.Node() as node:
        r = zkctl(node, "move-leader")
        assert r.returncode == UNWELL and "this server is alone (standalone)" in r.stderr


@pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")
def test_among_servers_of_apache_zookeeper():
    """They go by (epoch, zxid, sid) and would elect server 3; they take over the old leader's vote all the same."""
    with loopback.Ensemble(["apache", "zkd", "apache", "zkd", "zkd"], keys={"tickTime": TICK_MS}) as e:
        for i, target in enumerate((2, 4, 1)):
            if e.leader() != 5 and not isinstance(e.nodes[e.leader()], zkd_node.Node):
                pytest.fail(f"server {e.leader()} leads")
            writer = Writer(e.hosts, f"/mixed-{i}")
            wait_until(lambda w=writer: len(w.acked) > 20, 30, "it writes")
            answer = move(e, target)
            assert answer["leader"] == target
            before = len(writer.acked)
            wait_until(lambda w=writer, n=before: len(w.acked) > n + 20, 30, "it writes on")
            writer.end()
            e.wait_serving()
            writer.check(e)
