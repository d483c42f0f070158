"""zkctl status and zkctl election of an ensemble: what they show of every server, from any node, whatever the others do."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import time

import apache_node
import loopback
import pytest
import zkd_node
from zkd_node import wait_until

ZKCTL = os.path.join(zkd_node.BUILD, "zkctl", "zkctl")
OK, UNWELL = 0, 1


def zkctl(node, *args):
    return subprocess.run([ZKCTL, "--runtime", node.runtime, *args], capture_output=True, text=True, timeout=30)


def status(node):
    """sid -> what the JSON says of that server, and the ensemble's own part."""
    ensemble = json.loads(zkctl(node, "status", "--json").stdout)["ensemble"]
    return {s["sid"]: s for s in ensemble["servers"]}, ensemble


def rows(text):
    """sid -> the words of its row; the lines of a reason go with their server."""
    found, last = {}, None
    for line in text.partition("SERVER  ROLE")[2].splitlines()[1:]:
        if not line:
            break
        if line.startswith("        "):
            found[last].append(line.strip())
        else:
            last = int(line[1:6])
            found[last] = line[8:].split("  ")
            found[last] = [w.strip() for w in found[last] if w.strip()]
    return found


@pytest.fixture(scope="module")
def ensemble():
    with loopback.Ensemble(["zkd"] * 4, keys={"tickTime": 200}, observers=[4]) as e:
        zk = e.nodes[1].client()
        for i in range(10):
            zk.create(f"/status-{i}")
        zk.stop()
        zk.close()
        yield e


def test_every_server_is_shown_from_every_node(ensemble):
    leader = ensemble.leader()
    for n, node in ensemble.nodes.items():

        def settled(node=node):
            return len({s["zxid"] for s in status(node)[0].values()}) == 1

        wait_until(settled, 10, "all have the last transaction")
        r = zkctl(node, "status")
        assert r.returncode == OK and max(map(len, r.stdout.splitlines())) <= 80 and "\033" not in r.stdout
        assert "Ensemble: 3 of 3 voters are in sync, any 1 may fail.\n" in r.stdout
        servers, whole = status(node)
        assert (whole["leader"], whole["quorum"], whole["may_fail"], whole["voters"]) == (leader, True, 1, 3)
        assert [s for s, v in servers.items() if v["this"]] == [n]
        for sid, v in servers.items():
            role = "leader" if sid == leader else "observer" if sid == 4 else "follower"
            assert (v["role"], v["state"], v["in_sync"], v["lag"], v["why"]) == (role, "in sync", True, 0, None)
            assert v["version"].startswith("zkd 0.") and v["epoch"] == whole["epoch"] and v["voter"] == (sid != 4)
            assert rows(r.stdout)[sid] == [role, "in sync", v["zxid"], "0", v["version"]]
        own = "leader" if n == leader else f"{'observer' if n == 4 else 'follower'} of server {leader}"
        assert f"{own} in epoch {whole['epoch']}, with clients at" in r.stdout


def test_the_first_line_comes_at_once(ensemble):
    node, other = ensemble.nodes[1], ensemble.nodes[2]
    pids = other.all_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        p = subprocess.Popen([ZKCTL, "--runtime", node.runtime, "status"], stdout=subprocess.PIPE, text=True)
        first = p.stdout.readline()
        at_first = time.monotonic() - began
        rest = p.stdout.read()
        took = time.monotonic() - began
        assert p.wait() == OK and "is well" in first
        assert rows(rest)[2][1] == "no answer" and "no answer in time" in rows(rest)[2][-1]
        assert at_first < 0.5 < took < 3, (at_first, took)
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
    ensemble.wait_serving()


def test_colour_is_for_terminals(ensemble):
    main, side = pty.openpty()
    env = {**os.environ, "TERM": "xterm"}
    env.pop("NO_COLOR", None)
    p = subprocess.Popen([ZKCTL, "--runtime", ensemble.nodes[1].runtime, "status"], stdout=side, env=env)
    os.close(side)
    said = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while chunk := os.read(main, 65536):
            said += chunk
    assert p.wait() == OK
    os.close(main)
    assert b"\033[" in said


def test_election_shows_the_votes(ensemble):
    leader = ensemble.leader()
    for node in ensemble.nodes.values():
        r = zkctl(node, "election")
        assert r.returncode == OK and max(map(len, r.stdout.splitlines())) <= 80
        answer = json.loads(zkctl(node, "election", "--json").stdout)
        own = [v for v in answer["votes"] if v["link"] == "this server"]
        assert [v["leader"] for v in own] == [leader] and f"leader {leader}, elected in round" in r.stdout


def test_servers_that_are_down():
    with loopback.Ensemble(["zkd"] * 3, keys={"tickTime": 200}) as e:
        first, second = e.nodes[1], e.nodes[2]
        second.kill()

        def two_go_on():
            whole = status(first)[1]
            return whole["leader"] in (1, 3) and whole["voters_in_sync"] == 2

        wait_until(two_go_on, 20, "two go on")
        r = zkctl(first, "status")
        assert r.returncode == OK and "2 of 3 voters are in sync: enough, but none more may fail" in r.stdout
        assert rows(r.stdout)[2] == ["voter", "no answer", "-", "-", "-", f"{second.hosts}: refused: nobody listens there"]
        e.nodes[3].kill()
        wait_until(lambda: not e.modes()[1], 20, "it knows")
        r = zkctl(first, "status")
        assert r.returncode == UNWELL and "0 of 3 voters are in sync: NO QUORUM, nothing can be written" in r.stdout
        assert rows(r.stdout)[1][:2] == ["looking", "not serving"]
        text = zkctl(first, "election").stdout
        assert text.startswith("looking: round") and "down" in text


def test_a_server_that_does_not_serve_is_told_from_one_that_is_down():
    with loopback.Ensemble(["zkd"] * 5, keys={"tickTime": 200}) as e:
        for n in (3, 4, 5):
            e.nodes[n].kill()
        wait_until(lambda: not e.modes()[1] and not e.modes()[2], 20, "they know")
        servers, whole = status(e.nodes[1])
        assert not whole["quorum"] and whole["leader"] is None
        assert servers[2]["state"] == "not serving" and "it has no leader" in servers[2]["why"]
        assert servers[3]["state"] == "no answer"


@pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")
def test_beside_apache_zookeeper():
    with loopback.Ensemble(["zkd", "apache", "apache"], keys={"tickTime": 500, "4lw.commands.whitelist": "mntr"}) as e:
        node = e.nodes[1]
        wait_until(lambda: status(node)[1]["voters_in_sync"] == 3, 30, "all are in sync")
        text = zkctl(node, "status").stdout
        assert max(map(len, text.splitlines())) <= 80
        for n in (2, 3):
            assert rows(text)[n][-1] == "ZooKeeper 3.8.0" and rows(text)[n][1] == "in sync"
        assert zkctl(node, "election").stdout.count("looking") + zkctl(node, "election").stdout.count("following") >= 2


def test_a_leader_knows_of_learners_that_hide():
    """Nobody knows their client ports; but they ack."""
    e = loopback.Ensemble(["zkd"] * 3, keys={"tickTime": 200})
    try:
        for n in e.nodes.values():
            for k in [k for k in n.keys if k.startswith("server.")]:
                n.keys[k] = n.keys[k].partition(";")[0]
            n.keys.update({"clientPort": n.port, "clientPortAddress": "127.0.0.1"})
        for n in e.nodes:
            e.launch(n)
        e.wait_serving()
        leader = e.nodes[e.leader()]
        wait_until(lambda: status(leader)[1]["voters_in_sync"] == 3, 30, "the leader sees all")
        servers, whole = status(leader)
        assert whole["quorum"] and whole["may_fail"] == 1
        for v in servers.values():
            assert v["this"] or (v["state"], v["version"], v["asked"]) == ("in sync", None, None)
            assert v["this"] or "its client port is not known" in v["why"]
        # A follower is not told by anybody, and says so.
        servers, whole = status(e.nodes[e.followers()[0]])
        assert [v["state"] for v in servers.values() if not v["this"]] == ["unknown", "unknown"]
        assert whole["quorum"] and whole["may_fail"] is None  # or it would not serve
    finally:
        e.close()
