"""The programs of bench/ run and say what they promise. What they measure is judged by people, never by a test."""

import json
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import zkd_node  # noqa: E402

HOP = os.path.join(zkd_node.BUILD, "bench", "hop")
WRITE_PARTS = os.path.join(zkd_node.BUILD, "bench", "write-parts")

pytestmark = pytest.mark.skipif(not os.access(HOP, os.X_OK), reason="bench is not built")


def run(*args):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


def test_hop():
    r = run(HOP, "--frames", "200", "--json")
    assert r.returncode == 0, r.stderr
    result = json.loads(r.stdout)
    assert result["floor_us"] > 0
    assert {row["depth"] for row in result["hop"]} == {1, 4, 16, 64, 512}
    for row in result["hop"]:
        assert 0 < row["p50_us"] <= row["p99_us"]
        assert row["hops_per_s"] > 0


def test_write_parts():
    with zkd_node.Node(start=True) as node:
        r = run(WRITE_PARTS, "--port", str(node.port), "--folder", node.folder, "--writes", "50", "--json")
        assert r.returncode == 0, r.stderr
        parts = json.loads(r.stdout)
        assert set(parts) == {"write", "connection", "four_hops", "append_and_fdatasync", "rest", "read"}
        assert parts["write"]["p50_us"] > parts["connection"]["p50_us"] > 0
        # it leaves nothing behind, and what is left is no surprise to the next run
        assert run(WRITE_PARTS, "--port", str(node.port), "--folder", node.folder, "--writes", "1").returncode == 0
        assert not [name for name in os.listdir(node.folder) if "bench" in name]


def test_nobody_serves():
    r = run(WRITE_PARTS, "--port", str(zkd_node.free_port()), "--folder", "/tmp", "--writes", "1")
    assert r.returncode == 1
    assert "Connection refused" in r.stderr


@pytest.mark.parametrize("program", [HOP, WRITE_PARTS])
def test_invocations(program):
    assert run(program, "--help").stdout.startswith("usage: bench/")
    assert run(program, "--nonsense").returncode == 2
    assert run(program, "more").returncode == 2
