"""zkd beside Apache ZooKeeper, asked at random: random_plan.py says how, random_run.py runs longer ones."""

import os
import re

import apache_node
import known_differences
import pytest
import random_plan
import random_play
import random_run
import zkwire as z
from zkd_node import TOP

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

SEED = int(os.environ.get("ZKD_SEED", "1"))
SECONDS = float(os.environ.get("ZKD_RANDOM_SECONDS", "120"))


@pytest.fixture(scope="module")
def nodes():
    ours, theirs = random_run.make_nodes()
    with ours, theirs:
        yield ours, theirs


def test_random(nodes):
    ours, theirs = nodes
    pair = random_run.Pair(random_run.servers_of(ours), random_run.servers_of(theirs))
    done, text = random_run.compare(pair, SEED, float("inf"), SECONDS, least=4)
    if text:
        pytest.fail(text, pytrace=False)
    # a machine that has hardly come to anything has shown nothing
    assert done >= 1000
    assert {"exists-acl", "create2-in-multi", "check-watches-of-others"} <= set(pair.normal.seen)


def one_wrong_stat(streams):
    """What a server would answer that counts the third change of a node's data twice."""

    def wrong(e):
        if e.what == "reply" and e.code == z.SET_DATA and known_differences.err(e.data) == 0:
            if z.Reader(e.data[16:]).stat()["version"] == 3:
                return e._replace(data=e.data[:51] + b"\4" + e.data[52:])
        return e

    return [[wrong(e) for e in stream] for stream in streams]


def test_a_difference_is_found_and_its_script_is_short(nodes):
    ours, theirs = nodes

    def play(servers, root, plan):
        streams = random_play.Player(servers, root).play(plan)
        return one_wrong_stat(streams) if servers == sides[0] else streams

    sides = [random_run.servers_of(n) for n in (ours, theirs)]
    pair = random_run.Pair(*sides, play=play)
    pair.roots = iter(range(500000, 1000000))  # the folders of test_random may have left traces in the stats of /
    done, text = random_run.compare(pair, SEED, 100000)
    assert text is not None, f"{done} operations and nothing found"
    script, parted = text.split("\nstep ")
    # the folder, its partition or the shared tree, a node, three changes of it: six lines and seldom one more
    assert 4 <= len(script.splitlines()[1:]) <= 8, text
    assert script.splitlines()[-1].split(": ", 2)[-1].startswith(("SET_DATA", "client")), text
    assert "reply to SET_DATA err 0" in parted


def test_plans_are_the_same_for_the_same_seed():
    one, other = (random_plan.draw_plan("seed", 500) for _ in range(2))
    assert one == other != random_plan.draw_plan("another", 500)


def test_known_differences_stand_in_the_manual():
    with open(os.path.join(TOP, "man", "clientd.8")) as f:
        section = f.read().split(".Sh COMPATIBILITY\n")[1].split("\n.Sh ")[0]
    assert set(re.findall(r"^\.It Cm (\S+)$", section, re.MULTILINE)) == known_differences.NAMES
