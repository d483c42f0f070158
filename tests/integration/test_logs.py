"""What a node logs: one event, one line, no secret, nothing forged; to standard error, and to a journal with its fields."""

import json
import os
import re
import shutil
import subprocess
import sys

import log_load
import pytest
import zkd_node

HERE = os.path.dirname(os.path.abspath(__file__))
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (zkd|electiond|syncd|clientd|logd|admind)\[\d+\] (error|warning|notice|info|debug): \S.*")
FIELDS = {"PRIORITY", "SYSLOG_IDENTIFIER", "MESSAGE", "MESSAGE_ID", "DAEMON", "ZXID", "EPOCH", "SID", "PEER", "SESSION"}


def events():
    with open(os.path.join(zkd_node.TOP, "common", "io", "events.def")) as f:
        return dict(re.findall(r'^X\("([^"]+)", "([^"]*)"\)', f.read(), re.M))


@pytest.fixture(scope="module")
def lines():
    """The log of a node that lived through the load, at the level of most words."""
    with zkd_node.Node(keys=log_load.KEYS) as n:
        log_load.run(n)
        n.stop()
        with open(n.log_path, errors="surrogateescape") as f:
            text = f.read()
        n.start()
    return text.splitlines()


def test_lines_are_whole_and_hold_no_secret(lines):
    assert len(lines) > 300
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert list(log_load.complain(lines)) == []
    # the load did what it was for: these are logged, and escaped
    text = "\n".join(lines)
    for seen in ("front: authentication failed peer=127.0.0.1:", "jute.maxbuffer", 'first bytes \\"GET.\\"', "died daemon=clientd"):
        assert seen in text, seen
    assert any("quota exceeded" in line for line in lines)


def keys_of(line):
    """key -> value, as a reader that knows of quotes takes a line apart."""
    return dict(re.findall(r' (\w+)=("(?:[^"\\]|\\.)*"|[^" ]*)(?= |$)', line))


def test_values_cannot_forge_fields(lines):
    for line in lines:
        assert "0x666" not in [v for k, v in keys_of(line).items() if k in ("zxid", "session")], line
        assert not re.search(rf"(^|Z \w+\[\d+\] \w+: ){log_load.FORGED}", line), line


def test_what_a_configuration_hides_is_not_told(tmp_path):
    cfg = tmp_path / "zoo.cfg"
    cfg.write_text(
        f"dataDir={tmp_path}/d\nclientPort=2181\nDigestAuthenticationProvider.superDigest=super:{log_load.SECRET}\n"
        f"ssl.keyStore.password={log_load.SECRET}\nssl.quorum.trustStore.password={log_load.SECRET}\n"
    )
    for args in ((), ("-D", f"ssl.keyStore.password={log_load.SECRET}"), ("-v", "-v")):
        r = subprocess.run([os.path.join(zkd_node.BUILD, "supervisor", "zkd"), "-n", "-c", cfg, *args], capture_output=True, text=True, timeout=20)
        assert log_load.SECRET not in r.stdout + r.stderr
        for command in ("check", "show"):
            r = subprocess.run([os.path.join(zkd_node.BUILD, "zkctl", "zkctl"), "config", command, cfg], capture_output=True, text=True, timeout=20)
            assert log_load.SECRET not in r.stdout + r.stderr


# the journal


UNSHARE = ("unshare", "-m", "-n", "--propagation", "private", "sh", "-c")
# What a journal has no room for is lost, and the kernel lets ten lines wait: too few for one that a thread here reads.
ROOM = "ip link set lo up && echo 4096 >/proc/sys/net/unix/max_dgram_qlen && mount -t tmpfs tmpfs /run"


def can_unshare():
    return subprocess.run([*UNSHARE, ROOM], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def journal():
    """Datagrams, each as {field: value}."""
    if shutil.which("unshare") is None or not can_unshare():
        pytest.skip("no namespaces here")
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    script = f"{ROOM} && exec {sys.executable} {HERE}/log_journal.py"
    r = subprocess.run([*UNSHARE, script], capture_output=True, text=True, timeout=120, env=env)
    assert r.returncode == 0, r.stderr
    head, *rest = r.stdout.splitlines()
    assert json.loads(head) == {"stderr": ""}
    datagrams = [json.loads(line) for line in rest]
    assert all(d.endswith("\n") for d in datagrams)
    return [dict(field.split("=", 1) for field in d[:-1].split("\n")) for d in datagrams]


def test_fields_of_the_journal(journal):
    assert len(journal) > 300
    ids = events()
    seen = set()
    for d in journal:
        assert {"PRIORITY", "SYSLOG_IDENTIFIER", "MESSAGE", "DAEMON"} <= d.keys() <= FIELDS
        assert d["PRIORITY"] in "34567" and d["DAEMON"] in ("zkd", *zkd_node.DAEMONS)
        keys = keys_of(d["MESSAGE"])
        for field in ("ZXID", "EPOCH", "SID", "PEER", "SESSION"):
            assert (field in d) == (field.lower() in keys), d
            assert field not in d or d[field] == keys[field.lower()].strip('"')
        seen |= {e for e, i in ids.items() if d.get("MESSAGE_ID") == i and d["MESSAGE"].startswith(e)}
    assert all("MESSAGE_ID" in d for d in journal if d["MESSAGE"].startswith(tuple(e + " " for e in ids)))
    wanted = {"serving", "died", "role", "recovered", "snapshot", "front: serving", "front: close", "front: authentication failed"}
    assert wanted - seen == set()
    died = [d for d in journal if d.get("MESSAGE_ID") == ids["died"]]
    assert [d["DAEMON"] for d in died] == ["clientd", "logd", "syncd"] and {d["SYSLOG_IDENTIFIER"] for d in died} == {"zkd"}


def test_the_journal_holds_no_secret(journal):
    assert list(log_load.complain(v for d in journal for v in d.values())) == []
    assert not [d for d in journal if "0x666" in (d.get("ZXID"), d.get("SESSION"))]


def test_the_catalog_is_taken(tmp_path):
    if shutil.which("journalctl") is None:
        pytest.skip("no journalctl here")
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(os.path.join(zkd_node.TOP, "systemd", "zkd.catalog"), folder)
    subprocess.run(["journalctl", f"--root={tmp_path}", "--update-catalog"], check=True, capture_output=True)
    r = subprocess.run(["journalctl", f"--root={tmp_path}", "--list-catalog"], capture_output=True, text=True)
    listed = {line.split()[0] for line in r.stdout.splitlines() if " zkd: " in line}
    assert listed == set(events().values())
