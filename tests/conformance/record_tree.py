#!/usr/bin/env python3
"""Records what Apache ZooKeeper makes of requests: for tests/unit/test_oracle.c, which makes the same of them.

Runs a server of the Debian package, sends it requests over sockets of its own, and writes into FOLDER

    java.tree.requests   each request with who sent it, and its reply
    java.tree.log        the transaction log that the server wrote meanwhile
    java.tree.snapshot   its snapshot of the end

usage: record_tree.py FOLDER [--seed N] [--random N] [--port N]

A record of the requests: int length, then session long, connection int, cxid int, type int, authinfo vector<Id>,
reply error int, reply zxid long, request record buffer, response record buffer.
"""

import argparse
import base64
import glob
import hashlib
import os
import random
import shutil
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from apache_node import ApacheNode  # noqa: E402

CREATE, DELETE, EXISTS, GET_DATA, SET_DATA, GET_ACL, SET_ACL, GET_CHILDREN = range(1, 9)
GET_CHILDREN2, CHECK, MULTI, CREATE2, CONTAINER, TTL, MULTI_READ = 12, 13, 14, 15, 19, 21, 22
EPHEMERALS, ALL_CHILDREN = 103, 104
OPEN = [(31, "world", "anyone")]
ANY = -1


def string(s):
    if s is None:
        return struct.pack(">i", -1)
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack(">i", len(s)) + s


def acls(entries):
    if entries is None:
        return struct.pack(">i", -1)
    return struct.pack(">i", len(entries)) + b"".join(
        struct.pack(">i", p) + string(s) + string(i) for p, s, i in entries
    )


def create(path, data=b"", acl=OPEN, flags=0):
    return string(path) + string(data) + acls(acl) + struct.pack(">i", flags)


def versioned(path, version=ANY):
    return string(path) + struct.pack(">i", version)


def set_data(path, data, version=ANY):
    return string(path) + string(data) + struct.pack(">i", version)


def set_acl(path, acl, version=ANY):
    return string(path) + acls(acl) + struct.pack(">i", version)


def watched(path):
    return string(path) + b"\0"


def multi(*ops):
    return b"".join(struct.pack(">i?i", t, False, -1) + b for t, b in ops) + struct.pack(">i?i", -1, True, -1)


def digest(user_password):
    sha = hashlib.sha1(user_password.encode()).digest()
    return user_password.split(":")[0] + ":" + base64.b64encode(sha).decode()


class Recorder:
    def __init__(self, port, out):
        self.port, self.out, self.connections = port, out, 0

    def put(self, client, cxid, kind, request, err, zxid, response):
        auth = struct.pack(">i", len(client.auth)) + b"".join(string(s) + string(i) for s, i in client.auth)
        body = struct.pack(">qiii", client.session, client.number, cxid, kind) + auth
        body += struct.pack(">iq", err, zxid) + string(request) + string(response)
        self.out.write(string(body))


class Client:
    """One connection with a new session."""

    def __init__(self, recorder, timeout=10000):
        self.recorder = recorder
        self.number = recorder.connections
        recorder.connections += 1
        self.auth = [("ip", "127.0.0.1")]
        self.xid = 0
        self.socket = socket.create_connection(("127.0.0.1", recorder.port))
        self.send(struct.pack(">iqiqi16s?", 0, 0, timeout, 0, 16, bytes(16), False))
        _, self.timeout, self.session = struct.unpack(">iiq", self.receive()[:16])
        recorder.put(self, 0, -10, struct.pack(">i", self.timeout), 0, 0, b"")

    def send(self, body):
        self.socket.sendall(string(body))

    def exactly(self, n):
        got = b""
        while len(got) < n:
            more = self.socket.recv(n - len(got))
            if not more:
                raise EOFError
            got += more
        return got

    def receive(self):
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])

    def add_auth(self, user_password, super_digest=None):
        self.send(struct.pack(">iii", -4, 100, 0) + string("digest") + string(user_password))
        err = struct.unpack(">iqi", self.receive()[:16])[2]
        assert err == 0, err
        if digest(user_password) == super_digest:
            self.auth.append(("super", ""))
        self.auth.append(("digest", digest(user_password)))

    def ask(self, kind, body):
        self.xid += 1
        self.send(struct.pack(">ii", self.xid, kind) + body)
        reply = self.receive()
        xid, zxid, err = struct.unpack(">iqi", reply[:16])
        assert xid == self.xid
        self.recorder.put(self, self.xid, kind, body, err, zxid, reply[16:])
        return err

    def close(self):
        self.ask(-11, b"")
        self.socket.close()


SUPER = "super:" + base64.b64encode(hashlib.sha1(b"super:secret").digest()).decode()


def scripted(rec):
    """One row for each check of each operation, in the order of the checks and against it."""
    a, b = Client(rec), Client(rec, 4000)
    closed_acl = [(31, "digest", "u:x")]
    read_only = [(1, "world", "anyone")]
    for path in ["/a", "/a", "/a/b", "/none/x", "", "a", "/", "//", "/a/", "/a//b", "/a/./b", "/a/..", "/a/\x01", "/é",
                 "/a\0", "/zookeeper/x", b"/\xf0\x9f\x98\x80", "/\uffef", "/\ufff0", "/\ue000"]:
        a.ask(CREATE2, create(path))
    a.ask(CREATE, create("/null", None))
    a.ask(CREATE, create("/one", b"1"))
    for flags in [-1, 4, 7, 8]:
        a.ask(CREATE, create("/flags" + str(flags), flags=flags)) if flags != 4 else None
    for acl in [None, [], [(31, "world", "nobody")], [(31, "nothing", "x")], [(31, "auth", "")], [(31, "digest", "u")],
                [(31, "digest", "u:v:w")], [(31, "ip", "1.2.3")], [(31, "ip", "10.0.0.0/33")],
                [(31, "ip", "10.0.0.0/8")], OPEN + OPEN, OPEN + read_only]:
        a.ask(CREATE, create("/acl", acl=acl))
        a.ask(GET_ACL, string("/acl"))
        a.ask(DELETE, versioned("/acl"))
    # sequences, ephemerals
    for i in range(3):
        a.ask(CREATE, create("/a/s-", flags=2))
        a.ask(CREATE2, create("/a/", flags=3))
    a.ask(CREATE, create("/seq", flags=2))
    a.ask(CREATE, create("/", flags=2))
    a.ask(CREATE, create("/eph", b"e", flags=1))
    a.ask(CREATE, create("/eph/x"))
    a.ask(CREATE, create("/eph/x", flags=2))
    b.ask(CREATE, create("/eph", flags=1))
    b.ask(CREATE2, create("/b-eph", flags=1))
    a.ask(EPHEMERALS, string("/"))
    b.ask(EPHEMERALS, string("/b"))
    # delete
    for path, version in [("/", -1), ("/zookeeper", -1), ("/zookeeper/quota", -1), ("/zookeeper/config", -1), ("", -1),
                          ("a", -1), ("/none", -1), ("/none/x", -1), ("/one", 1), ("/a", 0), ("/a", 5), ("/one", 0),
                          ("/null", -1), ("/null", -1), ("/a/", -1)]:
        a.ask(DELETE, versioned(path, version))
    # setData
    for path, data, version in [("/a", b"x", 0), ("/a", b"y", 0), ("/a", None, 1), ("/a", b"", -1), ("/none", b"", -1),
                                ("", b"", -1), ("a", b"", -1), ("/a/", b"", 0), ("/", b"root", -1),
                                ("/eph", b"more", -1)]:
        a.ask(SET_DATA, set_data(path, data, version))
        a.ask(GET_DATA, watched(path))
    a.ask(CREATE, create("/after-root-set"))
    # containers, TTL
    a.ask(CONTAINER, create("/cont", b"c", flags=4))
    a.ask(CREATE2, create("/cont/x"))
    a.ask(TTL, create("/ttl", b"t", flags=5) + struct.pack(">q", 100000))
    a.ask(TTL, create("/ttl-", b"t", flags=6) + struct.pack(">q", (1 << 40) - 1))
    for flags, ttl in [(5, 0), (5, -1), (5, 1 << 40), (0, 5), (7, 1)]:
        a.ask(TTL, create("/ttl2", b"t", flags=flags) + struct.pack(">q", ttl))
    for path in ["/cont", "/ttl", "/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota", "/none", ""]:
        a.ask(EXISTS, watched(path))
    # ACLs
    a.ask(CREATE, create("/closed", acl=closed_acl))
    a.ask(CREATE, create("/ro", acl=read_only))
    a.ask(CREATE, create("/ip", acl=[(31, "ip", "127.0.0.0/8")]))
    a.ask(CREATE, create("/otherip", acl=[(31, "ip", "10.1.0.0/16")]))
    for path in ["/closed", "/ro", "/ip", "/otherip"]:
        a.ask(CREATE, create(path + "/x"))
        a.ask(SET_DATA, set_data(path, b"z"))
        a.ask(SET_DATA, set_data(path, b"z", 77))
        a.ask(GET_DATA, watched(path))
        a.ask(GET_ACL, string(path))
        a.ask(GET_CHILDREN2, watched(path))
        a.ask(SET_ACL, set_acl(path, OPEN, 9))
        a.ask(ALL_CHILDREN, string(path))
        a.ask(DELETE, versioned(path + "/x"))
    a.ask(SET_ACL, set_acl("/a", None))
    a.ask(SET_ACL, set_acl("/none", [(31, "auth", "")]))
    a.ask(SET_ACL, set_acl("", OPEN))
    a.ask(SET_ACL, set_acl("/none", OPEN))
    a.ask(SET_ACL, set_acl("/a", OPEN, 1))
    a.ask(SET_ACL, set_acl("/a", OPEN + read_only, 0))
    b.add_auth("user:pass", SUPER)
    b.ask(CREATE, create("/b-own", acl=[(31, "auth", "")]))
    b.ask(CREATE, create("/b-mixed", acl=[(1, "world", "anyone"), (30, "auth", "ignored")]))
    for path in ["/b-own", "/b-mixed"]:
        for c in (a, b):
            c.ask(GET_ACL, string(path))
            c.ask(GET_DATA, watched(path))
            c.ask(SET_DATA, set_data(path, b"q"))
            c.ask(CREATE, create(path + "/c"))
            c.ask(DELETE, versioned(path + "/c"))
            c.ask(SET_ACL, set_acl(path, [(31, "digest", digest("user:pass"))]))
    root = Client(rec)
    root.add_auth("super:secret", SUPER)
    root.ask(GET_DATA, watched("/closed"))
    root.ask(SET_ACL, set_acl("/closed", OPEN))
    root.ask(SET_DATA, set_data("/zookeeper/config", b"cfg"))
    root.ask(CREATE, create("/root-auth", acl=[(31, "auth", "")]))
    a.ask(SET_DATA, set_data("/zookeeper/config", b"cfg"))
    # multi; 3.8 turns create2 in it into create
    a.ask(MULTI, multi())
    a.ask(MULTI, multi((CREATE, create("/m")), (CREATE, create("/m/1")), (SET_DATA, set_data("/m", b"5", 0)),
                       (CHECK, versioned("/m", 1)), (DELETE, versioned("/m/1", 0)), (CREATE, create("/m/s", flags=2)),
                       (CREATE, create("/m/s", flags=2))))
    a.ask(MULTI, multi((CREATE, create("/m/2")), (CREATE, create("/m/s", flags=2)), (CHECK, versioned("/m", 7)),
                       (CREATE, create("/m/3"))))
    a.ask(CREATE, create("/m/s", flags=2))
    a.ask(MULTI, multi((DELETE, versioned("/none")), (CREATE, create("/m/4"))))
    a.ask(MULTI, multi((CREATE, create("/m/4")), (DELETE, versioned("/m/4", 0)), (CREATE, create("/m/4")),
                       (DELETE, versioned("/m/4", 1))))
    a.ask(MULTI, multi((CONTAINER, create("/m/c", flags=4)), (TTL, create("/m/t", flags=5) + struct.pack(">q", 50)),
                       (CREATE, create("/m/e", flags=1))))
    a.ask(MULTI, multi((CHECK, versioned("/ro", 0)), (CHECK, versioned("/otherip", 0))))
    a.ask(MULTI_READ, multi((GET_DATA, watched("/m")), (GET_CHILDREN, watched("/eph")), (GET_DATA, watched("/none"))))
    # quotas
    a.ask(CREATE, create("/q", b"12345"))
    a.ask(CREATE, create("/q/old", b"678"))
    a.ask(CREATE, create("/zookeeper/quota/q"))
    a.ask(CREATE, create("/zookeeper/quota/q/zookeeper_limits",
                         b"count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=5"))
    a.ask(CREATE, create("/zookeeper/quota/q/zookeeper_stats", b"count=0,bytes=0"))
    stats = "/zookeeper/quota/q/zookeeper_stats"
    a.ask(GET_DATA, watched(stats))
    for i, size in enumerate([4, 9, 8, 0, 0, 0]):
        a.ask(CREATE, create(f"/q/{i}", b"x" * size))
        a.ask(GET_DATA, watched(stats))
    for data, version in [(b"x" * 100, 5), (b"", 5), (b"", -1), (b"x" * 9, -1), (None, -1)]:
        a.ask(SET_DATA, set_data("/q/0", data, version))
        a.ask(GET_DATA, watched(stats))
    a.ask(DELETE, versioned("/q/old"))
    a.ask(GET_DATA, watched(stats))
    a.ask(DELETE, versioned("/zookeeper/quota/q/zookeeper_limits"))
    a.ask(CREATE, create("/q/free", b"x" * 100))
    a.ask(GET_DATA, watched(stats))
    for path in ["/", "/a", "/m", "/q"]:
        a.ask(GET_CHILDREN, watched(path))
        a.ask(ALL_CHILDREN, string(path))
    b.close()
    a.ask(EXISTS, watched("/b-eph"))
    return a, root


class Chaos:
    """Requests at random over few paths, so that most of them collide."""

    def __init__(self, rec, seed, others):
        self.rng, self.clients, self.rec = random.Random(seed), list(others) + [Client(rec) for _ in range(3)], rec

    def path(self):
        return "".join("/" + self.rng.choice("abc") for _ in range(self.rng.randint(1, 3)))

    def acl(self):
        return self.rng.choice([OPEN, OPEN, OPEN, OPEN, [(31, "ip", "127.0.0.1")], [(15, "world", "anyone")],
                                [(31, "digest", digest("super:secret")), (1, "world", "anyone")]])

    def data(self):
        return self.rng.choice([None, b"", bytes([self.rng.randrange(256)]) * self.rng.randrange(40)])

    def version(self):
        return self.rng.choice([-1, -1, -1, 0, 1, 2])

    def write(self, in_multi=False):
        r = self.rng
        kinds = [CREATE, CREATE2, CREATE, CREATE2, DELETE, DELETE, SET_DATA, SET_DATA, CONTAINER, TTL]
        kind = r.choice(kinds + ([CHECK] if in_multi else [SET_ACL, MULTI]))
        if kind in (CREATE, CREATE2):
            return CREATE if in_multi else kind, create(self.path(), self.data(), self.acl(), r.choice([0, 0, 0, 1, 2, 3]))
        if kind == CONTAINER:
            return kind, create(self.path(), self.data(), self.acl(), 4)
        if kind == TTL:
            return kind, create(self.path(), self.data(), self.acl(), r.choice([5, 6])) + struct.pack(
                ">q", r.randrange(100000, 10000000))
        if kind == SET_DATA:
            return kind, set_data(self.path(), self.data(), self.version())
        if kind == SET_ACL:
            return kind, set_acl(self.path(), self.acl(), self.version())
        if kind == MULTI:
            return kind, multi(*[self.write(True) for _ in range(r.randint(0, 5))])
        return kind, versioned(self.path(), self.version())

    def read(self):
        kind = self.rng.choice([EXISTS, GET_DATA, GET_ACL, GET_CHILDREN2, ALL_CHILDREN])
        path = self.path()
        return kind, string(path) if kind in (GET_ACL, ALL_CHILDREN) else watched(path)

    def run(self, n):
        for _ in range(n):
            client = self.rng.choice(self.clients)
            if self.rng.random() < 0.01 and len(self.clients) > 2 and client is not self.clients[1]:
                client.close()
                self.clients.remove(client)
                self.clients.append(Client(self.rec))
            else:
                client.ask(*(self.write() if self.rng.random() < 0.8 else self.read()))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--random", type=int, default=300)
    p.add_argument("--port", type=int)
    args = p.parse_args()
    properties = {
        "zookeeper.enforceQuota": "true",
        "zookeeper.preAllocSize": "64",
        "zookeeper.DigestAuthenticationProvider.superDigest": SUPER,
        "znode.container.checkIntervalMs": "1000000000",
    }
    with ApacheNode(port=args.port, properties=properties) as node:
        with open(os.path.join(args.folder, "java.tree.requests"), "wb") as out:
            rec = Recorder(node.port, out)
            a, root = scripted(rec)
            Chaos(rec, args.seed, [a, root]).run(args.random)
        node.stop()
        (log,) = glob.glob(node.data + "/version-2/log.*")
        with open(log, "rb") as f, open(os.path.join(args.folder, "java.tree.log"), "wb") as out:
            out.write(f.read().rstrip(b"\0"))
        node.start()
        node.stop()
        newest = max(glob.glob(node.data + "/version-2/snapshot.*"), key=lambda n: int(n.rsplit(".", 1)[1], 16))
        shutil.copy(newest, os.path.join(args.folder, "java.tree.snapshot"))
        print(newest.rsplit(".", 1)[1])


if __name__ == "__main__":
    main()
