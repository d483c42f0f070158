"""ZooKeeper's own shell, fed with commands as an operator types them."""

import os
import re
import subprocess

import pytest

ZKCLI = "/usr/share/zookeeper/bin/zkCli.sh"

pytestmark = pytest.mark.skipif(not os.path.exists(ZKCLI), reason="zkCli.sh is not installed")


def shell(node, *commands, timeout=60):
    """What zkCli prints for the commands, without its prompts and log lines."""
    r = subprocess.run(
        [ZKCLI, "-server", node.hosts],
        input="\n".join([*commands, "quit"]) + "\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        env={**os.environ, "JVMFLAGS": "-Xmx64m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"},
    )
    assert r.returncode == 0, r.stdout
    lines = (re.sub(r"^\[zk: [^]]*\] ", "", line) for line in r.stdout.splitlines())
    return [line for line in lines if line and not re.match(r"^\d{4}-\d\d-\d\d |^WATCHER::|^log4j", line)]


def value(lines, key):
    """The value in a line "key = value" of a printed stat."""
    return [line.split(" = ")[1] for line in lines if line.startswith(f"{key} = ")]


def test_everyday_commands(node):
    out = shell(
        node,
        "create /cli hello",
        "get -s /cli",
        "set /cli there",
        "get /cli",
        "create /cli/b",
        "create -s /cli/s- x",
        "create -e /cli/e x",
        "ls /cli",
        "stat /cli",
        "getAcl /cli",
        "ls /nothing",
        "getAllChildrenNumber /cli",
        "getEphemerals",
        "sync /cli",
        "whoami",
        "version",
        "deleteall /cli",
        "ls /",
    )
    assert "Created /cli" in out
    assert "hello" in out and "there" in out
    assert value(out, "dataVersion") == ["0", "1"]
    assert "Created /cli/s-0000000001" in out
    assert "[b, e, s-0000000001]" in out
    assert value(out, "numChildren")[1] == "3"
    assert "'world,'anyone" in out and ": cdrwa" in out
    assert any("Node does not exist: /nothing" in line for line in out)
    assert "3" in out
    assert "Sync is OK" in out
    assert "[zookeeper]" in out


def test_acls_and_auth(node):
    out = shell(
        node,
        "addauth digest bob:secret",
        "create /acl x auth::cdrwa",
        "getAcl /acl",
        "setAcl /acl world:anyone:r",
        "getAcl -s /acl",
        "set /acl y",
        "delete /acl",
    )
    assert any(line.startswith("'digest,'bob:") for line in out)
    assert "'world,'anyone" in out and ": r" in out
    assert value(out, "aclVersion") == ["1"]
    # WRITE is gone with the new ACL; deleting needs DELETE on the parent alone
    assert any("Authentication is not valid" in line or "Insufficient permission" in line for line in out)


def test_the_ephemeral_of_a_shell_goes_with_it(node):
    out = shell(node, "create -e /short x", "ls /")
    assert any("short" in line for line in out)
    assert not any("short" in line for line in shell(node, "ls /"))


def test_watch_is_printed(node):
    out = shell(node, "create /w 1", "get -w /w", "set /w 2", "sync /w", "delete /w")
    assert any("type:NodeDataChanged path:/w" in line for line in out)


def test_rarer_commands(node):
    out = shell(
        node,
        "create /rare x",
        "create -c /rare/container",
        "create -t 100000 /rare/ttl x",
        "create -s -e /rare/both- x",
        "stat /rare/ttl",
        "addWatch -m PERSISTENT_RECURSIVE /rare",
        "create /rare/seen",
        "set -s -v 0 /rare/seen y",
        "set -v 0 /rare/seen z",
        "removewatches /rare",
        "create /rare/unseen",
        "ls -R /rare",
        "ls -s /rare",
        "setquota -n 100 /rare",
        "listquota /rare",
        "setquota -N 200 /rare",
        "listquota /rare",
        "delquota /rare",
        "listquota /rare",
        "config",
        "reconfig -remove 1",
        "getEphemerals /rare",
        "deleteall /rare",
        "history",
    )
    assert {"Created /rare/container", "Created /rare/ttl", "Created /rare/both-0000000002"} <= set(out)
    assert value(out, "ephemeralOwner")[0] == "0x0"
    events = [line for line in out if "WatchedEvent" in line or "type:Node" in line]
    assert any("NodeCreated path:/rare/seen" in e for e in events), out
    assert any("NodeDataChanged path:/rare/seen" in e for e in events), out
    assert not any("/rare/unseen" in e for e in events), out
    assert any("version No is not valid" in line for line in out), out
    assert "/rare/seen" in out and "/rare/unseen" in out
    assert any("count=100,bytes=-1" in line for line in out), out
    assert any("countHardLimit=200" in line for line in out), out
    assert "quota for /rare does not exist." in out, out
    assert any("econfig" in line and "disabled" in line for line in out), out
    assert any("/rare/both-0000000002" in line for line in out)
