"""zkctl log and zkctl snapshot: files of Apache ZooKeeper 3.8.0 and of zkd, whole and damaged, against what Java's own
tools say of the same files."""

import base64
import datetime
import gzip
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib

import apache_node
import pytest
import zkd_node

ZKCTL = os.path.join(zkd_node.BUILD, "zkctl", "zkctl")
GOLDEN = os.path.join(zkd_node.TOP, "tests", "unit", "data")
OK, UNWELL, USAGE, _, TORN = range(5)
PADDING = 700  # zeros behind the last record of the golden log
MEMORY_MAX = 24 << 20

needs_java = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")


def zkctl(*args, text=True, **options):
    return subprocess.run([ZKCTL, *map(str, args)], capture_output=True, text=text, timeout=60, **options)


def answer(*args, status=OK):
    """The one JSON value of a command that ends with status."""
    r = zkctl(*args, "--json")
    assert r.returncode == status, r.stderr + r.stdout
    return json.loads(r.stdout)


def dump(*args, status=OK):
    r = zkctl("log", "dump", "--json", *args)
    assert r.returncode == status, r.stderr
    return [json.loads(line) for line in r.stdout.splitlines()]


@pytest.fixture
def golden(tmp_path):
    """Copies a golden file to a name of its own."""

    def copy(name, to):
        shutil.copy(os.path.join(GOLDEN, name), tmp_path / to)
        return tmp_path / to

    return copy


@pytest.fixture
def log(golden):
    return golden("java.log.1", "log.1")


def records(data):
    """(offset, length of the txn) of each record of a log that is whole."""
    found, at = [], 16
    while at + 12 <= len(data) and data[at : at + 12] != bytes(12):
        (length,) = struct.unpack(">i", data[at + 8 : at + 12])
        found.append((at, length))
        at += 12 + length + 1
    return found


def record_of(txn):
    return struct.pack(">qi", zlib.adler32(txn), len(txn)) + txn + b"B"


def txn_of(data, record):
    at, length = record
    return data[at + 12 : at + 12 + length]


HEADER = b"ZKLG" + struct.pack(">iq", 2, 0)


def error_txn(zxid):
    return struct.pack(">qiqqii", 0x100, 1, zxid, 1_700_000_000_000, -1, -101)


def write_log(folder, zxids, name=None, tail=b""):
    path = folder / (name or f"log.{zxids[0]:x}")
    path.write_bytes(HEADER + b"".join(record_of(error_txn(z)) for z in zxids) + tail)
    return path


# ---- Java's tools


def java(tool, *args):
    r = subprocess.run(
        [apache_node.JAVA, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC", "-Duser.language=en"]
        + ["-Duser.country=US", "-Dfile.encoding=UTF-8", "-cp", apache_node.classpath(), f"org.apache.zookeeper.server.{tool}"]
        + list(map(str, args)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    return r.stdout.decode(errors="replace").replace("\u202f", " ")


JAVA_TXN = re.compile(
    r"^(\d+/\d+/\d+, \d+:\d+:\d+ [AP]M) UTC session 0x(\w+) cxid 0x(\w+) zxid 0x(\w+) (\S+) ?(.*?)(?=\n\d+/\d+/\d+, |\nEOF)",
    re.M | re.S,
)


def java_txns(path):
    text = java("persistence.TxnLogToolkit", "-d", path)
    found = JAVA_TXN.findall(text)
    assert f"EOF reached after {len(found)} txns" in text
    for time, session, cxid, zxid, kind, body in found:
        when = datetime.datetime.strptime(time + " UTC", "%m/%d/%y, %I:%M:%S %p %Z").replace(tzinfo=datetime.timezone.utc)
        yield int(when.timestamp()), int(session, 16), int(cxid, 16), int(zxid, 16), kind, body.strip("\x00")


def perms_of(letters):
    return sum({"r": 1, "w": 2, "c": 4, "d": 8, "a": 16}[c] for c in letters)


def java_body(t):
    """A record as Java writes it, made from ours."""
    data = base64.b64decode(t.get("data_base64") or "").decode(errors="replace")
    acl = "[" + ", ".join(f"{perms_of(a['perms'])},s{{'{a['scheme']},'{a['id']}}}\n" for a in t.get("acl", [])) + "]"
    kind = t["type"]
    if kind in ("create", "create2"):
        return f"{t['path']},{data},{acl},{str(t['ephemeral']).lower()},{t['parent_cversion']}"
    if kind == "createContainer":
        return f"{t['path']},{data},{acl},{t['parent_cversion']}"
    if kind == "createTTL":
        return f"{t['path']},{data},{acl},{t['parent_cversion']},{t['ttl_ms']}"
    if kind in ("delete", "deleteContainer"):
        return f"'{t['path']}"
    if kind == "setData":
        return f"{t['path']},{data},{t['version']}"
    if kind == "setACL":
        acl = ",".join(f"s{{{perms_of(a['perms'])},s{{'{a['scheme']},'{a['id']}}}}}" for a in t["acl"])
        return f"'{t['path']},v{{{acl}}},{t['version']}"
    if kind == "error":
        return str(t["code"])
    if kind == "createSession":
        return str(t["timeout_ms"])
    assert kind == "closeSession", kind
    return "v{" + ",".join(f"'{path}" for path in t.get("deleted", [])) + "}"


def same_as_java(path):
    theirs, ours = list(java_txns(path)), dump("--data", path)
    assert len(theirs) == len(ours) > 0
    for (when, session, cxid, zxid, kind, body), t in zip(theirs, ours):
        mine = (t["time_ms"] // 1000, int(t["session"], 16), t["cxid"] & 0xFFFFFFFF, int(t["zxid"], 16), t["type"])
        assert mine == (when, session, cxid, zxid, kind.replace("Ttl", "TTL"))
        if kind == "multi":
            parts = body.split(";") if body else []
            assert [p.partition(":")[0].replace("Ttl", "TTL") for p in parts] == [e["type"] for e in t["elements"]]
            assert all(e.get("path", "") in p for p, e in zip(parts, t["elements"]))
        else:
            assert body == java_body(t)
    return ours



def same_snapshot_as_java(path):
    """Nodes, Stats, data, sessions and last zxid against SnapshotFormatter."""
    text = java("SnapshotFormatter", "-d", path)
    theirs = {name: dict(re.findall(r"  (\w+) = (.*)\n", rest)) for name, rest in re.findall(r"^(/.*)\n((?:  \w+ = ?.*\n)+)", text, re.M)}
    verified = answer("snapshot", "verify", path)
    paths = ["/", *answer("snapshot", "ls", "-R", path)["paths"]]
    assert set(paths) == set(theirs) and verified["nodes"] == len(paths) > 3
    for name in paths:
        ours, node = answer("snapshot", "stat", path, name), theirs[name]
        for key, field in (("czxid", "cZxid"), ("mzxid", "mZxid"), ("pzxid", "pZxid"), ("ephemeral_owner", "ephemeralOwner")):
            assert int(ours[key], 16) == int(node[field], 16), (name, field)
        for key, field in (("stored_cversion", "cversion"), ("version", "dataVersion"), ("aversion", "aclVersion")):
            assert ours[key] == int(node[field]), (name, field)
        for key in ("ctime", "mtime"):
            when = datetime.datetime.strptime(node[key].replace(" UTC", ""), "%a %b %d %H:%M:%S %Y")
            assert ours[key + "_ms"] // 1000 == int(when.replace(tzinfo=datetime.timezone.utc).timestamp())
        assert zkctl("snapshot", "get", path, name, text=False).stdout == base64.b64decode(node.get("data", ""))
    sessions = re.findall(r"^0x(\w+), (\d+), (\d+)$", text, re.M)
    assert len(sessions) == verified["sessions"]
    assert sum(int(n) for _, _, n in sessions) == verified["ephemerals"]
    assert f"Last zxid: {verified['last_zxid']}" in text
    return verified


# ---- log dump


@needs_java
@pytest.mark.parametrize("name", ["java.log.1", "java.tree.log"])
def test_dump_says_what_the_log_toolkit_says(name, golden):
    kinds = {t["type"] for t in same_as_java(golden(name, "log.1"))}
    assert {"createSession", "create", "delete", "setData", "multi", "error", "closeSession"} <= kinds
    assert name != "java.tree.log" or {"createContainer", "createTTL", "setACL", "create2"} <= kinds


def test_dump_for_people(log):
    lines = zkctl("log", "dump", log).stdout.splitlines()
    assert len(lines) == 18 + 2 + 2 + 1  # two multis of two, one node of a closed session
    assert lines[1] == (
        "0x2 2026-11-22T10:24:13.260Z session=0x1000013a2950000 cxid=1 create /a data_length=5 "
        "acl=world:anyone:cdrwa parent_cversion=1 digest_version=2 digest=0x92306e11"
    )
    multi = next(i for i, line in enumerate(lines) if " multi " in line)
    assert "elements=2" in lines[multi] and lines[multi + 1].startswith("    create /m1 ")
    assert lines[multi + 2] == "    setData /a data_length=5 version=2"
    assert any(re.search(r" error NODEEXISTS code=-110$", line) for line in lines)


def test_data_is_told_only_where_it_is_asked_for(log):
    secret = "world" * 20
    assert secret not in zkctl("log", "dump", log).stdout
    assert f" data={secret} " in zkctl("log", "dump", "--data", log).stdout
    assert all("data_base64" not in t for t in dump(log))
    assert base64.b64decode(dump("--data", log)[10]["data_base64"]) == secret.encode()


def test_a_range_of_zxids(log):
    zxids = [t["zxid"] for t in dump("--from", "0x3", "--to", "5", log)]
    assert zxids == ["0x3", "0x4", "0x5"]
    assert [t["zxid"] for t in dump("--from", "0x12", log)] == ["0x12"] and dump("--from", "0x13", log) == []


def test_what_a_client_chose_forges_no_line(tmp_path):
    name = "/a b\n0x9\\\x1b[2J\u0085é".encode() + b"\xff"
    body = struct.pack(">i", len(name)) + name + struct.pack(">i", -1) + struct.pack(">i", 0) + b"\0" + struct.pack(">i", 7)
    log = tmp_path / "log.1"
    log.write_bytes(HEADER + record_of(struct.pack(">qiqqi", 1, 1, 1, 0, 1) + body))
    out = zkctl("log", "dump", log).stdout
    assert out.count("\n") == 1
    assert r" create /a\x20b\x0a0x9\x5c\x1b[2J\xc2\x85é\xff data_length=-1 acl= parent_cversion=7" in out
    assert dump(log)[0]["path"] == r"/a b\x0a0x9\x5c\x1b[2J\xc2\x85é\xff"


def test_txns_of_older_servers(tmp_path):
    """create without parentCVersion, closeSession without a list, with and without a digest behind it."""
    create = struct.pack(">i2s", 2, b"/a") + struct.pack(">i", 0) + struct.pack(">i", 0) + b"\1"
    txns = [(1, create), (-11, b""), (-11, struct.pack(">iq", 2, 0x77))]
    log = tmp_path / "log.1"
    log.write_bytes(HEADER + b"".join(record_of(struct.pack(">qiqqi", 1, 1, i + 1, 0, k) + b) for i, (k, b) in enumerate(txns)))
    first, second, third = dump(log)
    assert first["parent_cversion"] == -1 and first["ephemeral"] is True
    assert second["type"] == third["type"] == "closeSession" and "digest" not in second and third["digest"] == "0x77"


def test_dump_goes_on_behind_damage(log):
    data = bytearray(log.read_bytes())
    damaged = records(data)[5][0]
    data[damaged + 30] ^= 1
    log.write_bytes(data)
    r = zkctl("log", "dump", log)
    assert r.returncode == UNWELL and f"offset {damaged}: checksum: expected 0x" in r.stderr
    zxids = [int(line.split()[0], 16) for line in r.stdout.splitlines() if line[0] != " "]
    assert zxids == [*range(1, 6), *range(7, 19)]


# ---- log verify


def test_a_log_that_is_whole(log):
    r = zkctl("log", "verify", log)
    end = len(log.read_bytes()) - PADDING
    assert (r.returncode, r.stderr) == (OK, "")
    assert r.stdout.splitlines() == [
        f"{log}: 18 transactions, zxid 0x1 to 0x12, epoch 0 to 0, up to offset {end}, then {PADDING} bytes of padding; end: clean",
        "good: 1 file, 18 transactions, zxid 0x1 to 0x12",
    ]
    a = answer("log", "verify", log)
    assert (a["verdict"], a["txns"], a["last_zxid"]) == ("good", 18, "0x12")
    assert a["files"][0]["end"] == "clean" and a["files"][0]["problems"] == [] and a["files"][0]["good_bytes"] == end


@pytest.mark.parametrize(
    ("at", "what"),
    [(0, "checksum"), (4, "checksum"), (8, "length"), (11, ""), (12, "checksum"), (40, "checksum"), (-1, "end byte")],
)
def test_a_byte_of_a_record_in_the_middle(log, at, what):
    data = bytearray(log.read_bytes())
    begin, length = records(data)[7]
    data[begin + (at if at >= 0 else 12 + length)] ^= 0x41
    log.write_bytes(data)
    r = zkctl("log", "verify", log)
    assert r.returncode == UNWELL
    assert f"{log}: offset {begin}: {what}" in r.stdout and "expected" in r.stdout and "found" in r.stdout
    following = records(bytearray(open(os.path.join(GOLDEN, "java.log.1"), "rb").read()))[8][0]
    assert f"valid transactions behind it: 10, from offset {following}, zxid 0x9" in r.stdout
    assert "zxids 0x8 to 0x8 are missing" in r.stdout and r.stdout.splitlines()[-1].startswith("damaged: ")
    kinds = [p["kind"] for p in answer("log", "verify", log, status=UNWELL)["files"][0]["problems"]]
    assert kinds == ["damaged", "gap"]


def test_every_cut_of_the_last_record_is_a_torn_tail(log):
    data = log.read_bytes()
    begin, length = records(data)[-1]
    for size in range(begin + 1, begin + 12 + length + 1):
        log.write_bytes(data[:size])
        clean = not any(data[begin:size])  # the first bytes of a checksum are zeros, like padding
        r = zkctl("log", "verify", log)
        assert r.returncode == (OK if clean else TORN), (size, r.stdout)
        assert clean or (f"offset {begin}: unfinished: expected " in r.stdout and r.stdout.splitlines()[-1].startswith("torn: "))
    log.write_bytes(data[:begin])
    assert zkctl("log", "verify", log).returncode == OK


@pytest.mark.parametrize("at", [4, 8, 20, -1])
def test_a_bad_last_record_is_a_torn_tail(log, at):
    data = bytearray(log.read_bytes())
    begin, length = records(data)[-1]
    data[begin + (at if at >= 0 else 12 + length)] ^= 0x55
    log.write_bytes(data)
    a = answer("log", "verify", log, status=TORN)
    assert a["verdict"] == "torn" and a["txns"] == 17 and a["files"][0]["good_bytes"] == begin
    assert [p["kind"] for p in a["files"][0]["problems"]] == ["torn"]
    r = zkctl("log", "dump", log)
    assert r.returncode == OK and f"offset {begin}: " in r.stderr


def test_a_byte_in_the_padding_is_a_torn_tail(log):
    data = bytearray(log.read_bytes())
    data[-PADDING // 2] = 1
    log.write_bytes(data)
    assert zkctl("log", "verify", log).returncode == TORN


def test_a_torn_tail_before_the_newest_is_forgiven_where_the_next_goes_on(tmp_path):
    torn = record_of(error_txn(4))[:-5]
    first = write_log(tmp_path, [1, 2, 3], tail=torn)
    second = write_log(tmp_path, [4, 5])
    r = zkctl("log", "verify", first, second)
    assert r.returncode == OK and "torn tail" in r.stdout and r.stdout.splitlines()[-1].startswith("good: 2 files, 5 transactions")
    assert answer("log", "verify", first, status=TORN)["verdict"] == "torn"
    third = write_log(tmp_path, [7])
    assert "zxids 0x6 to 0x6 are missing" in zkctl("log", "verify", first, second, third).stdout


def test_files_are_put_in_order(tmp_path):
    names = [write_log(tmp_path, zxids) for zxids in ([1, 2], [3, *range(4, 9)], [9], [10, 11, 12], [16 - 3, 14, 15], [16, 17])]
    assert zkctl("log", "verify", *sorted(names, reverse=True)).returncode == OK
    assert [int(t["zxid"], 16) for t in dump(*sorted(names))] == list(range(1, 18))
    a = answer("log", "verify", names[0], names[2], status=UNWELL)
    assert [p["text"].split(": ")[1] for p in a["files"][1]["problems"]] == [
        "zxids 0x3 to 0x8 are missing; good only where a snapshot has them"
    ]


def test_epochs(tmp_path):
    good = write_log(tmp_path, [1, 2, 1 << 32 | 1, 1 << 32 | 2, 4 << 32 | 1])
    r = zkctl("log", "verify", good)
    assert r.returncode == OK and "epoch 0 to 4" in r.stdout
    late = write_log(tmp_path, [2, 1 << 32 | 3])
    assert "zxids 0x100000001 to 0x100000002 are missing" in zkctl("log", "verify", late).stdout
    back = write_log(tmp_path, [1 << 32 | 1, 7])
    r = zkctl("log", "verify", back)
    assert r.returncode == UNWELL and "zxid 0x7 does not rise; the one before is 0x100000001" in r.stdout


def test_a_record_that_is_there_twice_and_one_in_a_wrong_file(tmp_path):
    twice = write_log(tmp_path, [1, 2, 2, 3])
    assert zkctl("log", "verify", twice).returncode == UNWELL
    wrong = write_log(tmp_path, [5, 6], name="log.4")
    r = zkctl("log", "verify", wrong)
    assert r.returncode == UNWELL and "its name says that it begins with zxid 0x4, and it begins with 0x5" in r.stdout


def test_a_record_with_a_right_checksum_and_nonsense_in_it(tmp_path):
    log = tmp_path / "log.1"
    log.write_bytes(HEADER + record_of(struct.pack(">qiqqi", 1, 1, 1, 0, 1) + b"\x7f" * 9) + record_of(error_txn(2)))
    r = zkctl("log", "verify", log)
    assert r.returncode == UNWELL and "offset 16: the record of zxid 0x1, type 1, cannot be read" in r.stdout
    first, second = dump(log, status=UNWELL)
    assert first["unreadable_bytes"] == 9 and second["type"] == "error"


def test_headers(tmp_path, log):
    data = log.read_bytes()
    for content, status, what in (
        (b"", TORN, "no header"),
        (data[:9], TORN, "no header"),
        (bytes(4096), TORN, "no header"),
        (b"X" + data[1:], UNWELL, "no transaction log: it begins with 0x584b4c47, expected 0x5a4b4c47"),
        (data[:7] + b"\3" + data[8:], UNWELL, "a transaction log of version 3, and only version 2 is known"),
        (bytes(16) + data[16:], UNWELL, "valid transactions behind it: 18"),
    ):
        log.write_bytes(content)
        r = zkctl("log", "verify", log)
        assert r.returncode == status and what in r.stdout, r.stdout


# ---- snapshot


@needs_java
@pytest.mark.parametrize(
    ("name", "to"),
    [("java.snapshot.12", "snapshot.12"), ("java.snapshot.12.gz", "snapshot.12.gz"), ("java.tree.snapshot", "snapshot.1af")],
)
def test_snapshot_says_what_the_formatter_says(name, to, golden):
    verified = same_snapshot_as_java(golden(name, to))
    assert verified["verdict"] == "good" and verified["digest_verdict"] == "right"
    assert verified["compression"] == ("gz" if name.endswith("gz") else "none")


def test_ls_stat_get(golden):
    snap = golden("java.snapshot.12", "snapshot.12")
    assert zkctl("snapshot", "ls", snap).stdout.split() == ["a", "acl", "eph2", "zookeeper"]
    assert zkctl("snapshot", "ls", snap, "/a").stdout.split() == ["b", *(f"s-000000000{i}" for i in range(1, 6))]
    assert zkctl("snapshot", "ls", snap, "/a/b").stdout == ""
    below = zkctl("snapshot", "ls", "-R", snap, "/zookeeper").stdout.split()
    assert below == ["/zookeeper/config", "/zookeeper/quota"]
    assert answer("snapshot", "ls", snap, "/zookeeper") == {"path": "/zookeeper", "children": ["config", "quota"]}
    assert zkctl("snapshot", "stat", snap, "/a").stdout.splitlines() == [
        "cZxid = 0x2",
        "ctime = Sun Nov 22 10:24:13 UTC 2026",
        "mZxid = 0xc",
        "mtime = Sun Nov 22 10:24:13 UTC 2026",
        "pZxid = 0xa",
        "cversion = 6",
        "dataVersion = 2",
        "aclVersion = 0",
        "ephemeralOwner = 0x0",
        "dataLength = 5",
        "numChildren = 6",
        "acl = world:anyone:cdrwa",
    ]
    assert "acl = digest:u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=:cdrwa" in zkctl("snapshot", "stat", snap, "/acl").stdout
    assert zkctl("snapshot", "get", snap, "/a").stdout == "multi"
    assert answer("snapshot", "get", snap, "/a") == {"path": "/a", "data_base64": base64.b64encode(b"multi").decode()}
    for verb in ("ls", "stat", "get"):
        r = zkctl("snapshot", verb, snap, "/nix")
        assert (r.returncode, r.stdout) == (UNWELL, "") and r.stderr == f"zkctl: {snap} has no node /nix\n"


def test_every_byte_of_a_snapshot_counts(golden):
    snap = golden("java.snapshot.12", "snapshot.12")
    data = snap.read_bytes()
    for at in range(len(data)):
        if 8 <= at < 16:  # dbid: nobody reads it, but the seal covers it
            continue
        bad = bytearray(data)
        bad[at] ^= 0x10
        snap.write_bytes(bad)
        r = zkctl("snapshot", "verify", snap)
        assert r.returncode == UNWELL and re.search(r"^offset \d+: ", r.stdout, re.M), (at, r.stdout)
        assert r.stdout.splitlines()[-1] == f"damaged: {snap}"


@pytest.mark.parametrize("name", ["java.snapshot.12", "java.snapshot.12.gz"])
def test_snapshots_that_are_cut(name, golden):
    snap = golden(name, name.removeprefix("java."))
    data = snap.read_bytes()
    for size in range(0, len(data), 7):
        snap.write_bytes(data[:size])
        r = zkctl("snapshot", "verify", snap)
        # 3.9 and 3.8 end their files with sections that may be missing as a whole.
        assert r.returncode == UNWELL or size == len(data) - 33, (size, r.stdout)


def test_what_is_before_damage_is_told(golden):
    snap = golden("java.snapshot.12", "snapshot.12")
    data = bytearray(snap.read_bytes())
    data[-60] ^= 1
    snap.write_bytes(data)
    r = zkctl("snapshot", "get", snap, "/a")
    assert (r.returncode, r.stdout) == (UNWELL, "multi") and "offset " in r.stderr


def node_of(path, data=b"", acl=-1, zxid=1, owner=0):
    stat = struct.pack(">qqqqiiiqq", zxid, zxid, 0, 0, 0, 0, 0, owner, zxid)
    return struct.pack(">i", len(path)) + path + struct.pack(">i", len(data)) + data + struct.pack(">q", acl) + stat


def sealed(body):
    return body + struct.pack(">q", zlib.adler32(body)) + b"\0\0\0\1/"


def snapshot_of(nodes, digest=None):
    body = b"ZKSN" + struct.pack(">iqii", 2, -1, 0, 0) + b"".join(nodes) + b"\0\0\0\1/"
    body = sealed(body)
    return body if digest is None else sealed(body + struct.pack(">qiQ", *digest))


def test_digests_that_differ(tmp_path):
    nodes = [node_of(b""), node_of(b"/a")]
    snap = tmp_path / "snapshot.5"
    snap.write_bytes(snapshot_of(nodes))
    right = int(answer("snapshot", "verify", snap)["digest"], 16)
    for digest, verdict, status in (
        ((5, 2, right), "right", OK),
        ((5, 2, right + 1), "wrong", UNWELL),
        ((6, 2, right + 1), "fuzzy", OK),  # of a later tree: txns went on
        ((0, 2, 0), "none", OK),
        ((5, 3, right + 1), "none", OK),
    ):
        snap.write_bytes(snapshot_of(nodes, digest))
        a = answer("snapshot", "verify", snap, status=status)
        assert a["digest_verdict"] == verdict and a["verdict"] == ("good" if status == OK else "damaged")


def test_a_snapshot_under_another_name(tmp_path):
    """Then nobody knows when writing began: a digest that differs may be right."""
    backup = tmp_path / "backup"
    backup.write_bytes(snapshot_of([node_of(b""), node_of(b"/a", zxid=4)], (5, 2, 1)))
    a = answer("snapshot", "verify", backup)
    assert (a["digest_verdict"], a["exact"], a["last_zxid"]) == ("fuzzy", False, "0x4")


def test_a_snapshot_that_transactions_came_into(tmp_path):
    snap = tmp_path / "snapshot.3"
    snap.write_bytes(snapshot_of([node_of(b""), node_of(b"/a", zxid=4)], (5, 2, 1)))
    a = answer("snapshot", "verify", snap)
    assert (a["digest_verdict"], a["exact"], a["last_zxid"]) == ("fuzzy", False, "0x4")


def test_an_acl_that_is_in_no_list(tmp_path):
    snap = tmp_path / "snapshot.5"
    snap.write_bytes(snapshot_of([node_of(b""), node_of(b"/a", acl=7)]))
    assert answer("snapshot", "verify", snap, status=UNWELL)["unknown_acls"] == 1
    r = zkctl("snapshot", "stat", snap, "/a")
    assert r.returncode == UNWELL and "/a has ACL key 7, which is in no table" in r.stderr
    # of a txn that came while the file was written
    snap.write_bytes(snapshot_of([node_of(b""), node_of(b"/a", acl=7, zxid=6)]))
    assert answer("snapshot", "verify", snap)["unknown_acls"] == 1


MEASURE = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
assert status == 0
print(usage.ru_maxrss)
"""


def test_memory_is_that_of_a_chunk_and_not_of_the_file(tmp_path):
    with open(ZKCTL, "rb") as f:
        if b"__asan_init" in f.read():
            pytest.skip("a sanitizer's memory is its own")
    nodes = [node_of(b""), *(node_of(b"/n%06d" % i, b"x" * 500) for i in range(100_000))]
    plain = tmp_path / "snapshot.5"
    plain.write_bytes(snapshot_of(nodes))
    packed = tmp_path / "snapshot.6.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes(), 1))
    assert plain.stat().st_size > 2 * MEMORY_MAX
    for args in (["verify", plain], ["verify", packed], ["stat", plain, "/n099999"], ["get", packed, "/n050000"], ["ls", plain]):
        # A program counts the memory of the one that forked it too: that is a small one here.
        r = subprocess.run([sys.executable, "-c", MEASURE, ZKCTL, "snapshot", *map(str, args)], capture_output=True, text=True)
        assert int(r.stdout) < MEMORY_MAX // 1024, args


# ---- our own files


@pytest.fixture(scope="module")
def ours():
    """The version-2 folder of a zkd node that has stopped, and what its clients knew before."""
    from kazoo.security import make_digest_acl

    with zkd_node.Node(keys={"tickTime": 500, "snapCount": 40, "autopurge.purgeInterval": 0}) as node:
        zk = node.client()
        zk.create("/app", b"first")
        zk.set("/app", b"second")
        zk.create("/app/ephemeral", b"e", ephemeral=True)
        zk.create("/app/locked", b"l", acl=[make_digest_acl("u", "p", all=True), make_digest_acl("v", "p", read=True)])
        zk.set_acls("/app", zk.get_acls("/app")[0])
        for i in range(100):
            zk.create("/app/seq-", b"%d" % i, sequence=True)
        t = zk.transaction()
        t.create("/app/multi", b"m")
        t.set_data("/app", b"third")
        t.delete("/app/seq-0000000002")
        t.commit()
        failed = zk.transaction()
        failed.create("/app/more", b"")
        failed.check("/app", 99)
        failed.commit()
        version2 = os.path.join(node.data, "version-2")
        zkd_node.wait_until(lambda: len(files_of(version2, "snapshot")) > 1, 20, "a snapshot is written")
        live = zkctl("log", "verify", *files_of(version2, "log"))
        stat = zk.get("/app")[1]
        zk.stop()
        zk.close()
        node.stop()
        yield version2, stat, live


def files_of(version2, kind):
    names = [n for n in os.listdir(version2) if re.fullmatch(kind + r"\.[0-9a-f]+", n)]
    return [os.path.join(version2, n) for n in sorted(names, key=lambda n: int(n.split(".")[1], 16))]


def test_our_logs(ours):
    version2, stat, live = ours
    logs = files_of(version2, "log")
    assert live.returncode in (OK, TORN), live.stdout
    a = answer("log", "verify", *logs)
    assert (a["verdict"], a["first_zxid"]) == ("good", "0x1")
    assert len(a["files"]) == len(logs) > 1
    txns = dump(*logs)
    assert len(txns) == a["txns"] and [int(t["zxid"], 16) for t in txns] == list(range(1, len(txns) + 1))
    last = [t["zxid"] for t in txns if t.get("path") == "/app" or "/app" in [e.get("path") for e in t.get("elements", [])]]
    assert hex(stat.mzxid) in last
    multis = [t for t in txns if t["type"] == "multi"]
    assert [e["type"] for e in multis[0]["elements"]] == ["create", "setData", "delete"]
    assert [e["type"] for e in multis[1]["elements"]] == ["create", "error"]
    assert [m["failed"] for m in multis] == [False, True]


@needs_java
def test_our_files_as_java_sees_them(ours):
    version2 = ours[0]
    for log in files_of(version2, "log"):
        same_as_java(log)
    snapshots = files_of(version2, "snapshot")
    assert len(snapshots) > 1
    for snapshot in snapshots[1:]:
        verified = same_snapshot_as_java(snapshot)
        assert (verified["verdict"], verified["digest_verdict"]) == ("good", "right")


def test_reading_changes_nothing(ours):
    version2 = ours[0]

    def state():
        return {e.name: (e.stat().st_mtime_ns, e.stat().st_ctime_ns, e.stat().st_size) for e in os.scandir(version2)}

    before = state()
    logs, snapshots = files_of(version2, "log"), files_of(version2, "snapshot")
    for args in (["log", "dump", *logs], ["log", "verify", *logs], ["snapshot", "verify", snapshots[-1]]):
        assert zkctl(*args).returncode == OK
        assert zkctl("snapshot", "ls", "-R", snapshots[-1]).returncode == OK
    trace = subprocess.run(
        ["strace", "-f", "-e", "trace=openat,flock,fcntl,unlink,rename,ftruncate,write", ZKCTL, "log", "verify", *logs],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ).stderr
    assert logs[0] in trace and not re.search(r"O_RDWR|O_WRONLY|flock|F_SETLK|unlink|rename|truncate", trace)
    assert state() == before


@needs_java
def test_a_folder_of_a_running_java_server():
    with apache_node.ApacheNode(keys={"snapCount": 20}, properties={"zookeeper.snapshot.compression.method": "gz"}) as node:
        zk = node.client()
        for i in range(60):
            zk.create(f"/n{i}", b"x" * i, ephemeral=i % 7 == 0)
        version2 = os.path.join(node.data, "version-2")
        logs = files_of(version2, "log")
        assert zkctl("log", "verify", *logs).returncode == OK
        zk.stop()
        zk.close()
        node.stop()
        logs = files_of(version2, "log")
        txns = [t for log in logs for t in same_as_java(log)]
        assert answer("log", "verify", *logs)["txns"] == len(txns) == 62
        packed = sorted((n for n in os.listdir(version2) if re.fullmatch(r"snapshot\.\w+\.gz", n)), key=lambda n: int(n.split(".")[1], 16))
        assert answer("snapshot", "verify", os.path.join(version2, packed[-1]))["verdict"] == "good"
        same_snapshot_as_java(os.path.join(version2, packed[-1]))


# ---- what cannot be read


def test_files_that_cannot_be_read(tmp_path, log, golden):
    snap = golden("java.snapshot.12", "snapshot.12")
    snappy = tmp_path / "snapshot.9.snappy"
    snappy.write_bytes(b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1) + b"x" * 99)
    os.mkfifo(tmp_path / "pipe")
    for args, status, what in (
        (["snapshot", "ls", snappy], UNWELL, "the snappy stream is damaged before offset"),
        (["snapshot", "ls", log], UNWELL, "a transaction log; see zkctl log"),
        (["log", "dump", snap], UNWELL, "a snapshot; see zkctl snapshot"),
        (["log", "dump", tmp_path / "none"], USAGE, "No such file"),
        (["snapshot", "ls", tmp_path], USAGE, "is a folder"),
        (["log", "verify", tmp_path / "pipe"], USAGE, "a device or a pipe"),
    ):
        r = zkctl(*args)
        assert r.returncode == status and what in r.stderr and r.stdout == "", (args, r)
    data = bytearray(snap.read_bytes())
    data[7] = 9
    snap.write_bytes(data)
    r = zkctl("snapshot", "ls", snap)
    assert r.returncode == UNWELL and "version is 9, expected 2" in r.stderr


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (["log"], "log does what?"),
        (["log", "dmp", "x"], "did you mean dump?"),
        (["log", "dump"], "which files?"),
        (["log", "verify", "--data", "x"], "log verify takes no --data; it is for log dump"),
        (["log", "dump", "-R", "x"], "log dump takes no -R; it is for ls, watch, acl set, snapshot ls"),
        (["log", "dump", "--from", "abc", "x"], "is no zxid"),
        (["log", "dump", "--to", "0x10000000000000000", "x"], "is no zxid"),
        (["--runtime", "/tmp", "log", "dump", "x"], "no running node"),
        (["snapshot"], "snapshot does what?"),
        (["snapshot", "stats", "x", "/"], "did you mean stat?"),
        (["snapshot", "stat", "x"], "snapshot stat takes FILE PATH"),
        (["snapshot", "verify", "x", "/"], "snapshot verify takes FILE"),
        (["snapshot", "get", "x", "a"], "is no path of a node"),
        (["snapshot", "get", "x", "/a/"], "is no path of a node"),
        (["snapshot", "get", "-R", "x", "/a"], "snapshot get takes no -R"),
        (["-c", "x", "snapshot", "verify", "x"], "no running node"),
    ],
)
def test_invocations_that_are_wrong(args, what):
    r = zkctl(*args)
    assert (r.returncode, r.stdout) == (USAGE, "") and what in r.stderr
