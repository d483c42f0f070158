#!/usr/bin/env python3
"""Writes the seed corpora: small inputs that reach deep into each parser. Run it when a format or a target changes.

usage: seeds.py            (writes tests/fuzz/corpus/TARGET/NAME)
"""

import os
import re
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def put(target, name, data):
    folder = os.path.join(HERE, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


def data_file(name):
    with open(os.path.join(TOP, "tests", "unit", "data", name), "rb") as f:
        return f.read()


def string(b):
    return struct.pack(">i", len(b)) + b


class Records:
    """The table of common/jute/records.def, read as a grammar."""

    def __init__(self):
        with open(os.path.join(TOP, "common", "jute", "records.def")) as f:
            text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
        self.fields = {}
        for line in text.splitlines():
            m = re.fullmatch(r"(\w+)\((\w+)(?:, *(\w+))?\)", line)
            if not m or m.group(1) == "VECTOR_OF":
                continue
            kind, a, b = m.groups()
            if kind == "RECORD":
                name, self.fields[a] = a, []
            elif kind != "END":
                self.fields[name].append((kind, a, b))

    def encode(self, name):
        out = b""
        for kind, a, _ in self.fields[name]:
            if kind in ("BOOL", "TAIL_BOOL"):
                out += b"\1"
            elif kind == "INT":
                out += struct.pack(">i", 3)
            elif kind in ("LONG", "ULONG"):
                out += struct.pack(">q", 0x100000007)
            elif kind == "BUFFER":
                out += string(b"data")
            elif kind == "STRING":
                out += string(b"/path")
            elif kind == "STRINGS":
                out += struct.pack(">i", 2) + string(b"/a") + string(b"")
            elif kind == "NESTED":
                out += self.encode(a)
            elif kind == "VECTOR":
                out += struct.pack(">i", 2) + self.encode(a) * 2
        return out


def jute():
    records = Records()
    for i, name in enumerate(records.fields):
        put("jute", name, bytes([i]) + records.encode(name))
    put("jute", "null_path", bytes([list(records.fields).index("create_request")]) + b"\xff" * 16)
    put("jute", "count_bomb", bytes([list(records.fields).index("set_watches2")]) + bytes(8) + b"\x7f\xff\xff\xff" + bytes(64))


def path():
    for i, p in enumerate(
        ["/", "/a/b", "/a/../b", "/a/./b", "//", "/a/", "/\u00e9/\u20ac", "/\U0001f600", "/\u0080", "/\uf8ff", "/a.b/..."]
    ):
        put("path", f"{i:02d}", p.encode())
    put("path", "surrogate", b"/\xed\xa0\x80")
    put("path", "overlong", b"/\xc0\xaf")


def frame(kind, body, seq=1, zxid=0, flags=0):
    return struct.pack(">IHHQQ", 20 + len(body), kind, flags, seq, zxid) + body


def ipc():
    def text(field, value):
        return bytes([field << 3 | 2, len(value)]) + value

    def number(field, value):
        out = bytes([field << 3])
        while value > 0x7F:
            out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
        return out + bytes([value])

    # fuzz_ipc takes the type modulo the number of messages: 15 is Hello, 1 Role and so on in the order of its table
    hello = text(1, b"logd") + text(2, b"1") + text(3, b"\1" + bytes(31)) + number(4, 77) + number(5, 1 << 40)
    put("ipc", "hello", frame(15, hello + text(11, text(2, b"no space")), 0))
    put("ipc", "role", frame(1, number(1, 1) + number(2, 1) + number(3, 5) + number(4, 1 << 33) + number(6, 1000)))
    put("ipc", "status", frame(8, text(1, b"zkd") + text(3, text(1, b"a") + text(2, b"b")) * 3 + text(4, text(1, b"logd"))))
    put("ipc", "probe", frame(11, text(1, text(1, b"open") + number(2, 1) + text(3, b"EACCES")) * 2))
    put("ipc", "three", frame(7, b"txn", 1, 2) + frame(8, b"", 0, 2) + frame(12, struct.pack(">qi", 5, 10000)))
    put("ipc", "short", struct.pack(">I", 19) + bytes(40))
    put("ipc", "huge", struct.pack(">I", 0xFFFFFFFF) + bytes(40))
    put("ipc", "cut", frame(15, hello)[:-3])


def config():
    put("config", "usual", b"# a comment\ntickTime=2000\ndataDir=/var/lib/zk\nclientPort=2181\ninitLimit=10\nsyncLimit=5\n")
    put(
        "config",
        "ensemble",
        b"dataDir=/d\nserver.1=a:2888:3888\nserver.2=b:2888:3888:participant;2181\n"
        b"server.3=[::1]:2888:3888|c:1:2:observer;0.0.0.0:2181\ngroup.1=1:2\nweight.1=2\ninitLimit=5\nsyncLimit=2\n",
    )
    put("config", "bad", b"tickTime=fast\ntikTime=1\n=x\nclientPort=99999\ndataDir\\\n =/x\nserver.x=y\n")
    put("config", "escapes", b"! too\ndata\\u0044ir: /a\\tb\\\n   c\nkey\\ with\\=odd = 1\n\\u12\n\r\nx y\n")
    put("config", "overrides", b"dataDir=/d\nclientPort=1\0clientPort=2181\0zookeeper.snapCount=0x10\0nokey")
    put("config", "refused", b"dataDir=/d\nsecureClientPort=2182\nsslQuorum=true\nquorum.auth.enableSasl=true\n")
    put("config", "words", b"dataDir=/d\n4lw.commands.whitelist=stat, ruok,*\nautopurge.purgeInterval=12h\nuser.logd=x\n")


def disk():
    log = data_file("java.log.1")
    end = len(log.rstrip(b"\0"))
    head = log[: min(end, 3000)]
    put("txnlog", "java", b"\x3f" + log[:end])
    put("txnlog", "padded", b"\xff" + log[:end] + bytes(600))
    put("txnlog", "cut", b"\x10" + head[:-5])
    damaged = bytearray(log[:end])
    damaged[16 + 12 + 40] ^= 1
    put("txnlog", "damaged", b"\x80" + bytes(damaged))
    put("txnlog", "header", b"\x00" + log[:16])
    put("txnlog", "foreign", b"\x05" + b"\x1f\x8b" + bytes(30))

    snapshot = data_file("java.snapshot.12")
    put("snapshot", "empty", b"\x00\x20" + data_file("java.snapshot.0"))
    put("snapshot", "java", b"\x00\x07" + snapshot)
    put("snapshot", "gz", b"\x02\x40" + data_file("java.snapshot.12.gz"))
    put("snapshot", "snappy", b"\x03\x40" + data_file("java.snapshot.58.snappy"))
    put("snapshot", "stream", b"\x01\x11" + snapshot[16:] + b"\0\0\0\nBenWasHere")
    put("snapshot", "cut", b"\x00\x80" + snapshot[: len(snapshot) // 2])


def front():
    """Steps of fuzz_front: what a client and a syncd that behave would say, to be bent from there."""

    def request(op, body, who=0):
        return bytes([2 | who << 7, op & 255, len(body)]) + body

    def watch(path):
        return string(path) + b"\1"

    acl = struct.pack(">ii", 1, 31) + string(b"world") + string(b"anyone")
    create = string(b"/a") + string(b"data") + acl + struct.pack(">i", 0)
    ephemeral = string(b"/a/e") + string(b"") + acl + struct.pack(">i", 1)
    multi = (
        struct.pack(">ibi", 1, 0, -1) + create + struct.pack(">ibi", 13, 0, -1) + string(b"/a") + struct.pack(">i", 0)
        + struct.pack(">ibi", -1, 1, -1)
    )
    reads = request(3, watch(b"/a"), 1) + request(8, watch(b"/"), 1) + request(4, watch(b"/a"), 1)
    writes = request(1, create) + request(1, ephemeral) + request(5, string(b"/a") + string(b"x") + b"\xff" * 4)
    closing = request(-11, b"") + b"\x05\xff" * 4
    put("front", "calls", b"\3" + reads + writes + reads + request(2, string(b"/a") + b"\xff" * 4) + closing)
    put("front", "late_commits", b"\2" + writes + reads + b"\4" + request(9, string(b"/")) + request(11, b"") + b"\4")
    put("front", "multi", b"\3" + request(14, multi) + request(22, struct.pack(">ibi", -1, 1, -1)))
    watches = struct.pack(">q", 0) + 3 * (struct.pack(">i", 1) + string(b"/a"))
    put("front", "watches", b"\3" + request(101, watches) + request(105, watches + bytes(8)) + writes
        + request(106, string(b"/a") + struct.pack(">i", 1)) + request(18, string(b"/a") + struct.pack(">i", 3)))
    put("front", "auth", b"\3" + request(100, bytes(4) + string(b"digest") + string(b"u:p")) + request(107, b"")
        + request(102, string(b"")) + request(6, string(b"/")) + request(103, string(b"/")) + request(104, string(b"/")))
    connect = struct.pack(">iiqiq", 45, 0, 0, 10000, 0) + string(bytes(16)) + b"\0"
    put("front", "connect", b"\1" + bytes([0, len(connect)]) + connect + bytes([0x80, 20]) + connect[:20])
    put("front", "words", b"\0" + bytes([0, 4]) + b"mntr" + bytes([0x80, 5]) + b"cons\n")
    put("front", "garbage", b"\2" + bytes([0, 18]) + b"GET / HTTP/1.1\r\n\r\n" + bytes([0x80, 4]) + b"\xff" * 4)
    role = b"\x08\x01\x10\x01\x30\x64\x38\xff\xff\x03"
    put("front", "role", b"\4" + bytes([6, 2, 4, len(role)]) + role + bytes([6, 5, 0, 0, 7, 36, 4, 0]) + writes)
    asked = writes + reads + b"\4" + request(9, string(b"/")) + request(1, ephemeral) + b"\4\5\x28"
    asked += request(-11, b"") + b"\4" + bytes([6, 8, 0, 5, 0, 6, 13, 1, 4, 17]) + bytes(17)
    roles = {"leader": 0x13, "follower": 0x1A, "observer": 0x22, "read-only": 0x2A, "local": 0x5A, "local-leader": 0x53}
    for name, how in roles.items():
        put("front", name, bytes([how]) + asked)


def tree():
    """Steps of fuzz_tree, taken from what tests/conformance/record_tree.py recorded."""

    def piece(b):
        return struct.pack(">H", len(b)) + b

    types = [1, 15, 19, 21, 2, 20, 5, 7, 13, 14, -10, -11, 16]
    recorded, requests, at = data_file("java.tree.requests"), [], 0
    while at < len(recorded):
        (length,) = struct.unpack_from(">i", recorded, at)
        record, at = recorded[at + 4 : at + 4 + length], at + 4 + length
        _, _, _, kind, ids = struct.unpack_from(">qiiii", record)
        body = 24
        for _ in range(2 * ids):
            body += 4 + struct.unpack_from(">i", record, body)[0]
        body += 12
        (length,) = struct.unpack_from(">i", record, body)
        if kind in types:
            requests.append(bytes([types.index(kind) | 16]) + piece(record[body + 4 : body + 4 + max(length, 0)]))
    for i in range(0, len(requests), 40):
        put("tree", f"requests{i:03d}", b"\x42" + b"".join(requests[i : i + 40]))
    log, txns, at = data_file("java.tree.log"), [], 16
    while at < len(log):
        (length,) = struct.unpack_from(">i", log, at + 8)
        txns.append(piece(log[at + 12 : at + 12 + length]))
        at += 13 + length
    for i in range(0, len(txns), 60):
        put("tree", f"txns{i:03d}", b"\x43" + b"".join(txns[i : i + 60]))
    put("tree", "snapshot", b"\x44" + data_file("java.tree.snapshot"))


def election():
    def vote(state, leader, zxid, clock, epoch):
        return struct.pack(">iqqqq", state, leader, zxid, clock, epoch)

    def frames(*bodies):
        return b"".join(string(b) for b in bodies)

    for name, protocol, text in (
        ("one", -65536, b"127.0.0.1:3888"),
        ("several", -65535, b"a:1|[::1]:2|0.0.0.0:3"),
        ("bad_port", -65536, b"a:99999"),
    ):
        put("election", f"initial_{name}", b"\0" + struct.pack(">qq", protocol, 3) + string(text))
    put("election", "initial_sid", b"\0" + struct.pack(">q", 3))
    v2 = struct.pack(">i", 2)
    config = string(b"server.1=a:1:2:participant\nversion=100000000")
    looking = [vote(0, n, 5 + n, 1, 0) + v2 + config for n in (1, 2, 3)]
    put("election", "elects", b"\x20" + frames(*looking, *looking))
    late = [vote(2, 3, 5, 7, 2) + v2 + config, vote(1, 3, 5, 7, 2) + v2 + config]
    put("election", "joins", b"\1" + frames(*late, *late, *late, *late))
    put("election", "old_forms", b"\1" + frames(vote(0, 2, 5, 1, 0)[:28], vote(0, 3, 9, 2, 1) + struct.pack(">i", 1)))
    put("election", "bounds", b"\1" + frames(looking[0][:44], looking[0][:-1], looking[0] + b"x", b"x" * 27, vote(9, 1, 1, 1, 1)))
    put("election", "comes_and_goes", b"\x60" + frames(*looking, *late, *looking, *late, *looking))
    text = "server.1=a:1:2:participant;0.0.0.0:2181\nserver.2=[::1]:1:2|b:3:4:participant\nserver.17=c:1:2:observer\n"
    groups = "group.1=1\ngroup.2=2\nweight.2=3\n"
    for name, lines in (("majority", text), ("groups", text + groups)):
        put("election", f"members_{name}", b"\xff" + (lines + "version=100000003").encode())
    newer = vote(0, 3, 9, 1, 1) + v2 + string(text.encode() + b"version=200000003")
    put("election", "newer_configuration", b"\1" + frames(newer))


def main():
    for make in (jute, path, ipc, config, disk, front, tree, election):
        make()


if __name__ == "__main__":
    main()
