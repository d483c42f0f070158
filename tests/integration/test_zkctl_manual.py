"""The examples of zkctl(1) do what they say, and the completion files of bash and zsh complete."""

import contextlib
import os
import pty
import re
import select
import shutil
import subprocess
import time

import loopback
import pytest
import zkd_node

ZKCTL = os.path.join(zkd_node.BUILD, "zkctl", "zkctl")
PAGE = os.path.join(zkd_node.TOP, "man", "zkctl.1")
ENSEMBLE_PAGE = os.path.join(zkd_node.TOP, "man", "zkd-ensemble.7")
COMPLETION = os.path.join(zkd_node.TOP, "zkctl", "completion")
A_SESSION = "0x10000a2b3c40000"  # as the page has it


def examples(page=PAGE):
    """The lines of the page that begin with a prompt, in its order."""
    with open(page) as f:
        for line in f:
            if line.startswith(".Dl $ "):
                yield line[len(".Dl $ ") :].strip().replace("\\-", "-").replace("\\(dq", '"').replace("\\(aq", "'")


def debug_build():
    return "debug probe" in subprocess.run([ZKCTL, "--help"], capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def node():
    n = zkd_node.Node(keys={"tickTime": 500})
    n.data = os.path.join(n.folder, "zkd-data")
    n.keys["dataDir"] = n.data
    os.rmdir(os.path.join(n.folder, "data"))
    with n:
        yield n


def shell(node, line):
    env = {k: v for k, v in os.environ.items() if not k.startswith("ZKCTL_")}
    env["PATH"] = os.path.dirname(ZKCTL) + ":" + env["PATH"]
    env["ZKCTL_SERVER"] = node.hosts
    return subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, timeout=60, cwd=node.folder, env=env)


def test_every_example_works(node):
    lines = list(examples())
    assert len(lines) > 35
    client = node.client()
    try:
        client.create("/an-ephemeral", ephemeral=True)
        session = f"{client.client_id[0]:#x}"
        for line in lines:
            if " debug " in line and not debug_build():
                continue
            if "jq" in line and shutil.which("jq") is None:
                continue
            if "move-leader" in line:
                continue  # test_examples_of_ensembles
            r = shell(node, line.replace(A_SESSION, session))
            assert r.returncode == 0, (line, r.stdout, r.stderr)
            assert "sessions ls" not in line or "/an-ephemeral" in r.stdout
            if "sessions kill" in line:
                assert "/an-ephemeral" not in shell(node, "zkctl ls -R /").stdout
    finally:
        client.stop()
        client.close()


def test_examples_of_ensembles():
    """In order, each on whoever leads; that is server 3 at first, for all have the same data."""
    with loopback.Ensemble(["zkd"] * 3, keys={"tickTime": 500}) as e:
        lines = [line for line in examples() if "move-leader" in line]

        def run(line):
            """Again, five times at most, where a busy machine was too slow for a move (it may have come true late)."""
            for _ in range(6):
                e.wait_serving()
                if e.leader() == 2 and "move-leader 3" not in line:
                    run("zkctl -c zoo.cfg move-leader 3")
                    e.wait_serving()
                r = shell(e.nodes[e.leader()], line)
                if r.returncode == 0 or not re.search("was elected|did not catch up within a tick", r.stderr):
                    break
            assert r.returncode == 0, (line, r.stdout, r.stderr)
            return r.stdout

        for line in lines + list(examples(ENSEMBLE_PAGE)):
            if " debug " in line and not debug_build():
                continue
            said = run(line)
            if "move-leader" in line:
                assert "Server 2 leads now" in said
        assert len(lines) == 1 and len(list(examples(ENSEMBLE_PAGE))) > 8


# completion


def bash(node, line):
    """What bash would offer behind `line`."""
    script = f'source {COMPLETION}/zkctl; COMP_LINE="$1"; COMP_POINT=${{#COMP_LINE}}; _zkctl 2>/dev/null; printf "%s\\n" "${{COMPREPLY[@]}}"'
    env = {**os.environ, "PATH": os.path.dirname(ZKCTL) + ":" + os.environ["PATH"]}
    return subprocess.run(["bash", "-c", script, "bash", line], capture_output=True, text=True, env=env, timeout=20).stdout.split()


def test_bash(node):
    shell(node, "zkctl create -p /comp/leaf")
    assert bash(node, "zkctl sta") == ["stat", "status"]
    assert bash(node, "zkctl quota ") == ["ls", "get", "set", "rm"]
    assert bash(node, f"zkctl -s {node.hosts} get /comp") == ["/comp"]
    assert bash(node, f"zkctl --server {node.hosts} get /comp/") == ["/comp/leaf"]
    assert "--ttl" in bash(node, "zkctl create --")
    assert bash(node, "zkctl restart s") == ["syncd"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
def test_zsh(node, tmp_path):
    shell(node, "zkctl create -p /comp/leaf")
    pid, fd = pty.fork()
    if pid == 0:
        env = {"PATH": os.path.dirname(ZKCTL) + ":" + os.environ["PATH"], "TERM": "dumb", "HOME": str(tmp_path), "PS1": "% "}
        os.execve(shutil.which("zsh"), ["zsh", "-f", "-i"], env)
    seen = ""

    def expect(text):
        nonlocal seen
        end = time.monotonic() + 20
        while text not in seen:
            assert select.select([fd], [], [], max(0, end - time.monotonic()))[0], (text, seen)
            seen += os.read(fd, 65536).decode(errors="replace")
        seen = seen.partition(text)[2]

    os.write(fd, f"fpath=({COMPLETION} $fpath); autoload -Uz compinit; compinit -u -D; echo rea''dy\n".encode())
    expect("ready")
    os.write(fd, f"zkctl -s {node.hosts} get /co\t/le\t; echo en''d\n".encode())
    expect("mp")
    expect("af")
    expect("end")
    os.write(fd, b"zkctl resta\tlog\t--help; echo en''d\n")
    expect("rt")
    expect("usage: zkctl restart")
    os.write(fd, b"exit\n")
    with contextlib.suppress(OSError):
        while os.read(fd, 65536):
            pass
    os.waitpid(pid, 0)
    os.close(fd)
