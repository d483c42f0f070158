"""The experiments of the field, with three real nodes and `zkctl debug drop`: what a lost packet does to an ensemble, and
that nobody who only uses it can tell. In each a reader on the follower that is hurt looks all the time."""

import contextlib
import json
import os
import re
import subprocess
import threading
import time

import loopback
import pytest
import zkd_node
from kazoo.exceptions import KazooException, NoNodeError
from zkd_node import wait_until

TICK_MS, SYNC_LIMIT = 400, 5
SYNC_SECONDS = TICK_MS * SYNC_LIMIT / 1000
CONFIG_H = os.path.join(zkd_node.BUILD, "config.h")
DEBUG = os.path.exists(CONFIG_H) and "ZKD_DEBUG 1" in open(CONFIG_H).read()

pytestmark = pytest.mark.skipif(not DEBUG, reason="not built with --enable-debug")


@pytest.fixture(scope="module")
def ensemble():
    # a writer's session outlives an election and what its client waits before it dials again
    keys = {"tickTime": TICK_MS, "syncLimit": SYNC_LIMIT, "maxSessionTimeout": 20000}
    with loopback.Ensemble(["zkd"] * 3, keys=keys) as e:
        yield e


class Log:
    """What a node has logged since this was made."""

    def __init__(self, node):
        self.path = node.log_path
        self.begin = os.path.getsize(self.path)

    def text(self):
        with open(self.path, "rb") as f:
            f.seek(self.begin)
            return f.read().decode(errors="replace")

    def has(self, words):
        return words in self.text()

    def wait(self, words, seconds=20):
        wait_until(lambda: self.has(words), seconds, f'"{words}" in {self.path}')


class Reader(threading.Thread):
    """Reads a counter and a list on one server: neither may go back, and the list has no gap."""

    def __init__(self, node, path):
        super().__init__(daemon=True)
        self.node, self.path = node, path
        self.wrong, self.reads, self.ended = [], 0, threading.Event()
        self.start()

    def run(self):
        last = -1
        zk = self.node.client(start=False, timeout=4.0)
        zk.start_async()
        while not self.ended.wait(0.005):
            try:
                value = int(zk.get(self.path)[0] or b"-1")
                names = sorted(zk.get_children(self.path))
            except (KazooException, NoNodeError):
                continue
            self.reads += 1
            if value < last:
                self.wrong.append(f"the counter went from {last} back to {value}")
            if names != [f"{i:06}" for i in range(len(names))]:
                self.wrong.append(f"a gap: {names}")
            if value >= len(names) + 1:  # set behind the create, in order
                self.wrong.append(f"counter {value} with {len(names)} children")
            last = max(last, value)
        zk.stop()
        zk.close()


class Field:
    """One experiment: a leader, the follower to hurt, a client of the other one that writes, a reader of the first."""

    def __init__(self, ensemble, name):
        self.e = ensemble
        ensemble.wait_serving()
        self.leader = ensemble.leader()
        self.victim, self.other = ensemble.followers()[:2]
        self.path = f"/{name}"
        self.written = 0
        self.pids = {n: self.daemons(n) for n in ensemble.nodes}
        self.writer = self.leader_node.client(timeout=10.0)
        self.writer.create(self.path)
        self.leader_log, self.victim_log = Log(self.leader_node), Log(self.victim_node)
        self.reader = Reader(self.victim_node, self.path)
        wait_until(lambda: self.reader.reads > 3, 20, "the reader reads")

    @property
    def leader_node(self):
        return self.e.nodes[self.leader]

    @property
    def victim_node(self):
        return self.e.nodes[self.victim]

    def daemons(self, number):
        return {name: d["pid"] for name, d in self.e.nodes[number].ps().items()}

    def write(self):
        """One child and the counter; acknowledged when it returns."""
        self.writer.create(f"{self.path}/{self.written:06}")
        self.written += 1
        self.writer.set(self.path, str(self.written).encode())

    def drop(self, number, packet, count=1, peer=None):
        args = ["debug", "drop", packet, "--count", str(count)] + (["--peer", str(peer)] if peer else [])
        return self.e.nodes[number].zkctl(*args)

    def dropped(self, number):
        """packet -> how many are gone."""
        daemons = json.loads(self.e.nodes[number].zkctl("status", "--json", check=False))["daemons"]
        facts = next(d["facts"] for d in daemons if d["name"] == "syncd")
        return {k.removeprefix("drop_"): int(v.split()[0]) for k, v in facts.items() if k.startswith("drop_")}

    def resynced(self, seconds=20):
        self.victim_log.wait("zab: following", seconds)
        self.e.wait_serving()

    def end(self):
        """Everything acknowledged is on every server, the reader saw no gap, and no process has died."""
        self.e.wait_serving()
        self.write()
        for n, node in self.e.nodes.items():
            zk = node.client(timeout=10.0)
            zk.sync(self.path)
            assert len(zk.get_children(self.path)) == self.written, n
            assert int(zk.get(self.path)[0]) == self.written, n
            zk.stop()
            zk.close()
        self.reader.ended.set()
        self.reader.join()
        assert not self.reader.wrong, self.reader.wrong[:3]
        for n in self.e.nodes:
            assert self.daemons(n) == self.pids[n], "a daemon died"


@pytest.fixture
def field(ensemble, request):
    f = Field(ensemble, request.node.name.replace("test_", ""))
    yield f
    f.reader.ended.set()
    for n in ensemble.nodes:
        for packet in ("proposal", "ack", "commit", "ping"):
            f.drop(n, packet, 0)
    with contextlib.suppress(KazooException):
        f.writer.stop()
        f.writer.close()


def test_a_dropped_proposal_is_noticed_at_its_commit(field):
    field.drop(field.leader, "proposal", peer=field.victim)
    field.write()
    field.resynced()
    assert field.victim_log.has("a gap between commits")
    assert field.dropped(field.leader) == {"proposal": 1}
    field.end()


def test_a_follower_that_misses_a_proposal_is_closed_after_sync_limit(field):
    """Its commit is lost too, so only the leader can know: the ack does not come."""
    field.drop(field.leader, "proposal", 2, peer=field.victim)
    field.drop(field.leader, "commit", 2, peer=field.victim)
    began = time.monotonic()
    field.write()
    field.leader_log.wait("a proposal is not acked for syncLimit ticks")
    assert time.monotonic() - began >= SYNC_SECONDS
    field.resynced()
    assert field.e.leader() == field.leader
    field.end()


def test_a_dropped_proposal_that_the_quorum_needs(field):
    """With the other follower away nothing can be committed: the write is not acknowledged before the repair."""
    other = field.e.nodes[field.other]
    other.kill()
    wait_until(lambda: field.e.modes()[field.leader] == "leader", 20, "two go on")
    field.drop(field.leader, "proposal", peer=field.victim)
    done = threading.Event()

    def write():
        with contextlib.suppress(KazooException):
            field.write()
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    field.leader_log.wait("a proposal is not acked for syncLimit ticks")
    thread.join()
    field.e.launch(field.other)
    field.e.wait_serving()
    field.pids[field.other] = field.daemons(field.other)
    # Whoever leads now has the txn: it was in the log of the leader. Its outcome was unknown to the client.
    field.writer.sync(field.path)
    field.written = len(field.writer.get_children(field.path))
    assert field.written == 1
    field.end()


def test_a_dropped_commit_is_noticed_at_the_next(field):
    field.write()
    field.drop(field.leader, "commit", peer=field.victim)
    field.write()
    field.resynced()
    assert field.victim_log.has('synchronise again reason="a gap between commits"')
    field.end()


def test_a_last_commit_that_is_dropped_shows_with_the_next_write(field):
    zk = field.victim_node.client(timeout=10.0)
    field.drop(field.leader, "commit", peer=field.victim)
    field.writer.create(f"{field.path}/000000")
    field.written = 1
    time.sleep(2 * SYNC_SECONDS)
    assert field.e.modes()[field.victim] == "follower"
    assert zk.get_children(field.path) == []  # late, as any follower may be, and no more than that
    field.writer.set(field.path, b"1")
    field.resynced()
    field.end()
    zk.stop()
    zk.close()


def test_a_dropped_ack_is_covered_by_the_next(field):
    field.drop(field.victim, "ack")
    field.write()
    field.write()
    time.sleep(2 * SYNC_SECONDS)
    assert field.dropped(field.victim) == {"ack": 1}
    assert not field.leader_log.has("peer ended") and not field.victim_log.has("zab: looking")
    field.end()


def test_a_last_ack_that_is_dropped_closes_the_follower_after_sync_limit(field):
    field.drop(field.victim, "ack", 1000)  # a session that ends by itself meanwhile is a proposal too
    field.write()
    field.leader_log.wait("a proposal is not acked for syncLimit ticks")
    field.drop(field.victim, "ack", 0)
    field.resynced()
    assert field.e.leader() == field.leader
    field.end()


def test_the_leader_closes_a_follower_whose_pings_are_lost(field):
    field.drop(field.victim, "ping", 1000)
    began = time.monotonic()
    field.leader_log.wait("not heard of for syncLimit ticks")
    assert time.monotonic() - began >= SYNC_SECONDS - TICK_MS / 1000
    field.drop(field.victim, "ping", 0)
    field.resynced()
    assert field.e.leader() == field.leader
    field.end()


def test_a_follower_leaves_a_leader_whose_pings_are_lost(field):
    other = Log(field.e.nodes[field.other])
    field.drop(field.leader, "ping", 10000)
    began = time.monotonic()
    logs = field.victim_log, other

    def left():
        return any(log.has("the leader was not heard of in time") for log in logs) or field.leader_log.has(
            "too few followers are left for a quorum"
        )

    wait_until(left, 20, "somebody leaves")
    assert time.monotonic() - began >= SYNC_SECONDS - TICK_MS / 1000
    field.drop(field.leader, "ping", 0)
    field.end()


# the verbs themselves


def ask(node, *args):
    zkctl = os.path.join(zkd_node.BUILD, "zkctl", "zkctl")
    return subprocess.run([zkctl, "--runtime", node.runtime, *args], capture_output=True, text=True, timeout=30)


def test_drop_says_who_sends_what(ensemble):
    leader, follower = ensemble.leader(), ensemble.followers()[0]
    r = ask(ensemble.nodes[follower], "debug", "drop", "commit")
    assert r.returncode == 1 and "does not lead" in r.stderr and "ask that one" in r.stderr
    r = ask(ensemble.nodes[leader], "debug", "drop", "ack")
    assert r.returncode == 1 and "acks are sent by followers" in r.stderr
    r = ask(ensemble.nodes[leader], "debug", "drop", "pong")
    assert r.returncode == 2 and "did you mean ping?" in r.stderr
    r = ask(ensemble.nodes[leader], "debug", "drop", "commit", "--peer", "300")
    assert r.returncode == 2 and "allowed: 0..255" in r.stderr
    r = ask(ensemble.nodes[leader], "debug", "drop", "commit", "--count", "0", "--json")
    assert r.returncode == 0 and json.loads(r.stdout) == {"drop": "commit", "count": 0, "peer": None}


@pytest.mark.parametrize("daemon", [*zkd_node.DAEMONS])
def test_crash_and_stall(ensemble, daemon):
    node = ensemble.nodes[ensemble.followers()[0]]
    log, old = Log(node), node.pid(daemon)
    r = ask(node, "debug", "stall", daemon, "--ms", "300")
    assert r.returncode == 0 and r.stdout == f"{daemon} stands still for 300 ms\n", r.stderr
    wait_until(lambda: re.search(rf"{daemon}\[\d+\] warning: goes on after a stall ms=300", log.text()), 20, "it goes on")
    assert node.pid(daemon) == old
    r = ask(node, "debug", "crash", daemon)
    assert r.returncode == 0 and r.stdout == f"{daemon} dies now\n", r.stderr
    log.wait("panic: crash on request")
    node.wait_restarted(daemon, old)
    assert re.search(rf"died daemon={daemon} .*signal=SIGABRT", log.text())
    ensemble.wait_serving()


def test_a_stall_beyond_the_watchdog_ends_the_daemon(ensemble):
    node = ensemble.nodes[ensemble.followers()[0]]
    old = node.pid("electiond")
    assert ask(node, "debug", "stall", "electiond", "--ms", "60000").returncode == 0
    node.wait_restarted("electiond", old)
    ensemble.wait_serving()
