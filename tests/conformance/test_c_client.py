"""A C program on libzookeeper_mt, built here and run against the node."""

import os
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))

pytestmark = pytest.mark.skipif(
    not os.path.exists("/usr/include/zookeeper/zookeeper.h"), reason="libzookeeper-mt-dev is not installed"
)


def test_c_client(node, tmp_path):
    program = tmp_path / "c_client"
    subprocess.run(
        ["cc", "-std=gnu17", "-DTHREADED", "-Wall", "-Wextra", "-o", program, f"{HERE}/c_client.c", "-lzookeeper_mt"],
        check=True,
    )
    r = subprocess.run([program, node.hosts], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert r.returncode == 0, r.stdout
    assert "FAIL" not in r.stdout and r.stdout.count("ok ") > 20
