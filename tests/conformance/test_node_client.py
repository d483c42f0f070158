"""
A client of the npm registry, over a restart of the node. scripts/check installs it (scripts/packages.sh says which version);
without a registry to ask there is nothing to test, and that is said aloud.
"""

import os
import shutil
import subprocess
import warnings

import pytest
from zkd_node import BUILD, TOP

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(BUILD, "npm")


@pytest.fixture(scope="module")
def modules():
    """The folder that node finds the client in; installed now where scripts/check has not done so."""
    if not os.path.isdir(os.path.join(FOLDER, "node_modules")):
        command = f'. "{TOP}/scripts/packages.sh" && install_npm_packages "{FOLDER}"'
        r = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if r.returncode != 0:
            warnings.warn(f"NOT TESTED: a client of the npm registry could not be installed:\n{r.stdout}", stacklevel=1)
            pytest.skip("NOT TESTED: no client from the npm registry")
    return os.path.join(FOLDER, "node_modules")


def test_node_client(node, modules):
    program = subprocess.Popen(
        [shutil.which("node") or "nodejs", f"{HERE}/node_client.js", node.hosts],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "NODE_PATH": modules},
    )
    out = []
    try:
        for line in program.stdout:
            out.append(line.strip())
            if out[-1] == "restart":
                node.stop()
                node.start()
                print("go on", file=program.stdin, flush=True)
        status = program.wait(10)
    finally:
        program.kill()
        program.wait()
    said = "\n".join(out)
    assert status == 0 and out[-1] == "0 failed" and "FAIL" not in said, said
    assert sum(line.startswith("ok ") for line in out) >= 24, said
