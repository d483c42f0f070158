"""A leader whose node stands still (SIGSTOP of all its processes) with failureDetection=fast: the others do without it long
before syncLimit, and a machine that is merely busy is no reason for an election."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import loopback  # noqa: E402
import zkd_node  # noqa: E402
import zkwire as z  # noqa: E402

pytestmark = pytest.mark.skipif(not zkd_node.built(), reason="zkd is not built")

TICK_MS, SYNC_LIMIT = 2000, 5
BUSY_SECONDS = float(os.environ.get("ZKD_BUSY_SECONDS", "10"))


@pytest.fixture
def ensemble():
    keys = {"tickTime": TICK_MS, "syncLimit": SYNC_LIMIT, "failureDetection": "fast"}
    with loopback.Ensemble(["zkd"] * 3, keys=keys) as e:
        yield e


def signal_all(node, number):
    for pid in node.all_pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def write(node):
    """Whether the node takes a write within a moment."""
    with contextlib.suppress(OSError, TimeoutError, AssertionError), z.Wire(node.port, timeout=0.5) as wire:
        if wire.connect() is not None:
            return wire.call(z.CREATE, z.create("/held-", flags=2), timeout=0.5)[1] is not None
    return False


def epochs(e):
    return [zkd_node.four_letter(n.port, "srvr").split("Zxid: ")[1].split("\n")[0][:-8] for n in e.nodes.values()]


def test_a_stopped_leader(ensemble):
    leader = ensemble.leader()
    others = [n for number, n in ensemble.nodes.items() if number != leader]
    assert all(write(n) for n in others)
    time.sleep(0.5)
    began = time.monotonic()
    signal_all(ensemble.nodes[leader], signal.SIGSTOP)
    try:
        time.sleep(0.5)
        zkd_node.wait_until(lambda: any(write(n) for n in others), 20, "the others serve")
        took = time.monotonic() - began
    finally:
        signal_all(ensemble.nodes[leader], signal.SIGCONT)
    print(f"{took:.2f} s")
    # 1.5 s on a quiet machine
    assert took < TICK_MS * SYNC_LIMIT / 1000 / 2
    ensemble.wait_serving()


def test_a_busy_machine(ensemble):
    """Two loops for each core, while clients write."""
    before = epochs(ensemble)
    with contextlib.ExitStack() as stack:
        for _ in range(2 * os.cpu_count()):
            loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(loop.wait)
            stack.callback(loop.kill)
        end = time.monotonic() + BUSY_SECONDS
        wires = [stack.enter_context(z.Wire(n.port)) for n in ensemble.nodes.values()]
        for wire in wires:
            assert wire.connect() is not None
        worst = 0.0
        while time.monotonic() < end:
            for wire in wires:
                began = time.monotonic()
                assert wire.call(z.SET_DATA, z.set_data("/zookeeper/quota")) is not None
                worst = max(worst, time.monotonic() - began)
    print(f"slowest of the writes: {1000 * worst:.0f} ms")
    assert epochs(ensemble) == before
