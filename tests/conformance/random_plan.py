"""
Random requests, drawn from a seed, in an order in which every answer of a right server is determined.

A plan is a list of steps for SLOTS clients, each with a session that may be replaced by another:

    Burst(slot, ops)    one client sends ops in one go and reads the answers; nobody else does anything. So all writes
                        stand in one global order, and zxids, versions and the place of each event are certain, although
                        the server has many requests in hand. Bursts work on the tree that all share.
    Storm(bursts)       all clients send at once, each below its own partition of the tree, where nobody else writes. What
                        a client reads and the events of its own partition are certain; zxids are only known by whose
                        write they were, and the events that a client gets from another's partition are certain among
                        themselves (see random_play).
    Reconnect(slot, how, watches)   the connection is cut, or taken over by a second one; the session goes on. Watches are
                        then set again (setWatches) with a zxid from some way back.
    Renew(slot)         closeSession, and a new session for the slot.

What a server may answer in either of two ways is not asked: requests that are answered out of turn (auth, sasl, what
ends a connection) and those that prep judges by what is committed, not by what is in flight (quotas) come in bursts of
one, setACL ends its burst. known_differences.py says what else is kept out.

Paths are bytes with ROOT in place of the folder in which a run works; it always has the same length.
"""

import collections
import random
import struct

import zkwire as z

ROOT = "/r@@@@@@"
SLOTS = 4
KEEP = "keep"  # child of each partition's top, so that the top is never deleted

Op = collections.namedtuple("Op", "code body text")
RAW = "frame"  # in the place of a code: body is all that is sent, and ends the connection
BAD_FRAMES = [struct.pack(">i", n) for n in (0, -1, -0x80000000, 0x7FFFFFFF, 1048576)]
BAD_FRAMES += [struct.pack(">i", n) + bytes(n) for n in (1, 4, 7)]
Burst = collections.namedtuple("Burst", "slot ops")
Storm = collections.namedtuple("Storm", "bursts")  # of one slot each
Reconnect = collections.namedtuple("Reconnect", "slot how back lists")
Renew = collections.namedtuple("Renew", "slot")

NAMES = {v: k for k, v in vars(z).items() if k.isupper() and isinstance(v, int) and not k.startswith(("XID", "FRAME"))}
NAMES.update({z.READ: "READ", 1: "CREATE", 2: "DELETE", 4: "GET_DATA", 8: "GET_CHILDREN", 16: "RECONFIG", 3: "EXISTS"})
NAMES.update({0: "NOTIFICATION", 5: "SET_DATA", 6: "GET_ACL", 7: "SET_ACL", 9: "SYNC"})

WRITES = {
    z.CREATE,
    z.CREATE2,
    z.CREATE_CONTAINER,
    z.CREATE_TTL,
    z.DELETE,
    z.SET_DATA,
    z.SET_ACL,
    z.MULTI,
    z.RECONFIG,
    z.CLOSE_SESSION,
}

# Sessions of these slots hold persistent watches only, the others one-shot ones only (watch-kinds).
PERSISTENT_SLOTS = {SLOTS - 1}

BAD_PATHS = ["", "x", "//", "{}/a/", "{}//b", "{}/.", "{}/..", "{}/./b", "{}/a\0b", "{}/\x01", "{}/\x7f", "{}/\ue000"]
BAD_BYTES = [b"/\xff", b"/\xed\xa0\x80", b"/\xf0\x9f\x98\x80", None]
ACLS = [
    z.OPEN_ACL,
    z.OPEN_ACL,
    z.OPEN_ACL,
    [(z.ALL, "ip", "127.0.0.1")],
    [(z.ALL, "ip", "127.0.0.0/8"), (z.READ, "world", "anyone")],
    [(z.ALL, "ip", "10.0.0.0/8"), (z.READ, "world", "anyone")],
    [(z.READ | z.ADMIN, "world", "anyone")],
    [(z.ALL & ~z.ADMIN, "world", "anyone")],
    [(z.ALL & ~z.READ, "world", "anyone")],
    [(z.ALL, "auth", "")],
    [(z.ALL, "auth", "x"), (z.READ, "world", "anyone")],
    [(z.ALL, "digest", "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E="), (z.READ, "world", "anyone")],
]
BAD_ACLS = [[], None, [(z.ALL, "nobody", "x")], [(z.ALL, "world", "everyone")], [(z.ALL, "ip", "300.1.2.3")], [(z.ALL, "digest", "x")]]


def shown_value(v):
    if isinstance(v, tuple):
        return f"({' '.join(map(shown_value, v))})"
    return f"<{len(v)} bytes>" if isinstance(v, bytes) and len(v) > 8 and v[:1] != b"c" else repr(v)


def text_of(code, *shown):
    return f"{NAMES.get(code, code)} {' '.join(map(shown_value, shown))}".rstrip()


class Drawer:
    """Draws operations below a folder. What is allowed depends on where they will stand."""

    def __init__(self, rng, top, slot, alone=False, acls=False):
        self.rng, self.slot, self.alone, self.acls = rng, slot, alone, acls
        self.top = top
        self.paths = [top + p for p in ("/a", "/b", "/c", "/a/x", "/a/y", "/b/x", "/a/x/deep", "/a/x/deep/er", "/\u00e9\u20ac")]

    def path(self):
        r = self.rng.random()
        if r < 0.02:
            return self.rng.choice(BAD_PATHS).format(self.top)
        if r < 0.03:
            return self.rng.choice(BAD_BYTES)
        if r < 0.06:
            return self.top
        return self.rng.choice(self.paths)

    def good_path(self):
        return self.rng.choice(self.paths)

    def version(self):
        return self.rng.choice([-1, -1, -1, -1, 0, 0, 1, 2, 3, -2, 0x7FFFFFFF])

    def data(self):
        r = self.rng
        size = r.choice([0, 1, 5, 20, 20, 300]) if r.random() < 0.98 else 5000
        return None if r.random() < 0.03 else r.randbytes(size)

    def acl(self):
        if not self.acls:
            return z.OPEN_ACL if self.rng.random() < 0.98 else self.rng.choice(BAD_ACLS)
        return self.rng.choice(ACLS) if self.rng.random() < 0.95 else self.rng.choice(BAD_ACLS)

    def watch(self):
        return self.slot not in PERSISTENT_SLOTS and self.rng.random() < 0.3

    # each returns (code, body, what to show)

    def create(self, code=None):
        r = self.rng
        code = code or r.choice([z.CREATE, z.CREATE, z.CREATE2])
        flags = r.choice([0, 0, 0, 0, 1, 1, 2, 3]) if r.random() < 0.98 else r.choice([5, 6, 7, -1])
        path, data, acl = self.path(), self.data(), self.acl()
        flags = flags if path is not None else 0  # nulls
        if flags in (2, 3) and (path == self.top or r.random() < 0.2):
            path = self.top + "/a/"  # never a number behind the top itself: its parent is everybody's
        return code, z.create(path, data, acl, flags), (path, data, acl, flags)

    def create_container(self):
        path, acl, flags = self.path() or self.top, self.acl(), self.rng.choice([4, 4, 4, 4, 7])
        return z.CREATE_CONTAINER, z.create(path, b"", acl, flags), (path, acl, flags)

    def create_ttl(self):
        r = self.rng
        path, flags, ttl = self.path() or self.top, r.choice([5, 5, 6, 7]), r.choice([60000, 1, (1 << 40) - 1, 1 << 40, 0, -1])
        if flags == 6 and path == self.top:
            path = self.top + "/a/"
        return z.CREATE_TTL, z.create_ttl(path, b"t", z.OPEN_ACL, flags, ttl), (path, flags, ttl)

    def delete(self):
        path, version = self.path(), self.version()
        return z.DELETE, z.path_version(path, version), (path, version)

    def set_data(self):
        path, data, version = self.path(), self.data(), self.version()
        return z.SET_DATA, z.set_data(path, data, version), (path, data, version)

    def set_acl(self):
        path, acl, version = self.path(), self.acl(), self.version()
        return z.SET_ACL, z.set_acl(path, acl, version), (path, acl, version)

    def check(self):
        path, version = self.path(), self.version()
        return z.CHECK, z.path_version(path, version), (path, version)

    def multi(self):
        r = self.rng
        kinds = [self.create, self.create, self.delete, self.set_data, self.check, self.create_container, self.create_ttl]
        ops = [r.choice(kinds)() for _ in range(r.choice([0, 1, 2, 3, 3, 4, 5, 8]))]
        # null-in-multi, mode-of-another-operation
        ops = [op for op in ops if op[2][0] is not None and not (op[0] in (z.CREATE, z.CREATE2) and op[2][3] in (5, 6))]
        return z.MULTI, z.multi(*((code, body) for code, body, _ in ops)), [(NAMES[c], *s) for c, _, s in ops]

    def multi_read(self):
        r = self.rng
        ops = [(r.choice([z.GET_DATA, z.GET_CHILDREN]), self.path()) for _ in range(r.randrange(5))]
        if r.random() < 0.03:
            ops.append((z.EXISTS, self.top))
        body = z.multi(*((code, z.path_watch(path, r.random() < 0.1)) for code, path in ops))
        return z.MULTI_READ, body, [(NAMES[c], p) for c, p in ops]

    def read(self):
        code = self.rng.choice([z.EXISTS, z.GET_DATA, z.GET_DATA, z.GET_CHILDREN, z.GET_CHILDREN2])
        path = self.path()
        # exists-acl: what may or may not leave a watch does not ask for one
        watch = self.watch() and path in self.paths and not (self.acls and code == z.EXISTS)
        return code, z.path_watch(path, watch), (path, watch)

    def read_plain(self):
        code = self.rng.choice([z.GET_ACL, z.GET_ALL_CHILDREN_NUMBER, z.GET_EPHEMERALS, z.SYNC])
        path = self.path()
        if code == z.GET_ALL_CHILDREN_NUMBER and path == "" or code == z.SYNC and isinstance(path, bytes):  # not-utf-8
            path = self.top
        if code == z.GET_EPHEMERALS:  # a partition at most: outside of it others may be at work
            path = path if path and str(path).startswith(self.top) else self.top
        return code, z.path_only(path), (path,)

    def watches(self):
        r, path = self.rng, self.good_path()
        if self.slot in PERSISTENT_SLOTS and r.random() < 0.6:
            mode = self.paths.index(path) % 2 if r.random() < 0.95 else 7
            return z.ADD_WATCH, z.path_int(path, mode), (path, mode)
        code = r.choice([z.REMOVE_WATCHES, z.CHECK_WATCHES])
        kind = 3 if self.slot in PERSISTENT_SLOTS else r.choice([1, 2, 3, 3, 0, 9])
        return code, z.path_int(path, kind), (path, kind)

    def ping(self):
        return z.PING, b"", ()

    def who_am_i(self):
        return z.WHO_AM_I, b"", ()

    def malformed(self):
        """A body that ends too soon, or has more behind it."""
        r = self.rng
        code, body, shown = r.choice([self.create, self.delete, self.set_data, self.read, self.read_plain, self.multi])()
        body = body[: r.randrange(len(body))] if r.random() < 0.8 else body + r.randbytes(5)
        return code, body, ("malformed", len(body), *shown)

    def odd(self):
        """What comes alone: answered out of turn, or with the end of the connection."""
        r = self.rng
        kind = r.choice(["auth", "auth", "auth", "bad auth", "sasl", "reconfig", "unknown", "reserved", "frame"])
        if kind == "frame":
            frame = r.choice(BAD_FRAMES)
            return RAW, frame, (frame[:4],)
        if kind == "auth":
            user = r.choice([b"alice:secret", b"bob:x"])
            return z.AUTH, z.auth("digest", user), ("digest", user)
        if kind == "bad auth":
            scheme = r.choice(["none", "world", "auth", "DIGEST"])
            return z.AUTH, z.auth(scheme, b"x"), (scheme,)
        if kind == "sasl":
            return z.SASL, z.string(r.randbytes(r.randrange(9))), ()
        if kind == "reconfig":
            return z.RECONFIG, z.string(None) + z.string(None) + z.string("server.9=h:1:2") + z.i64(-1), ()
        if kind == "unknown":
            code = r.choice([10, 23, 99, 108, 1000, -3])
            return code, b"", (code,)
        path = r.choice(["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"])
        # what is in /zookeeper/config is the ensemble's
        code = r.choice([z.DELETE, z.EXISTS, z.GET_ACL] if path != "/zookeeper/config" else [z.DELETE])
        body = {z.DELETE: z.path_version(path), z.EXISTS: z.path_watch(path), z.GET_ACL: z.path_only(path)}[code]
        return code, body, (path,)

    def op(self):
        r = self.rng.random()
        if self.alone and r < 0.15:
            draw = self.odd
        elif r < 0.02:
            draw = self.malformed
        else:
            draw = self.rng.choices(KINDS, WEIGHTS)[0].__get__(self)
        code, body, shown = draw()
        return Op(code, body, text_of(code, *shown))


KINDS, WEIGHTS = zip(
    (Drawer.create, 22),
    (Drawer.create_container, 1),
    (Drawer.create_ttl, 2),
    (Drawer.delete, 12),
    (Drawer.set_data, 14),
    (Drawer.multi, 8),
    (Drawer.multi_read, 3),
    (Drawer.read, 25),
    (Drawer.read_plain, 8),
    (Drawer.watches, 6),
    (Drawer.ping, 1),
    (Drawer.who_am_i, 1),
)


class Quotas(Drawer):
    """Operations below a folder that has a quota, and on the quota itself. They come one by one."""

    def __init__(self, rng, slot):
        super().__init__(rng, ROOT + "/q", slot, alone=True)
        self.home = "/zookeeper/quota" + ROOT + "/q"

    def setup(self):
        limits, stats = b"count=-1,bytes=-1=;byteHardLimit=60;countHardLimit=5", b"count=0,bytes=0"
        nodes = [(self.top, b""), ("/zookeeper/quota" + ROOT, b""), (self.home, b"")]
        nodes += [(f"{self.home}/zookeeper_limits", limits), (f"{self.home}/zookeeper_stats", stats)]
        return [Op(z.CREATE, z.create(p, data), text_of(z.CREATE, p, data)) for p, data in nodes]

    def op(self):
        r = self.rng
        if r.random() < 0.7:
            return super().op()
        name = r.choice(["zookeeper_limits", "zookeeper_stats", "zookeeper_limits", "zookeeper_stats", "other"])
        path = f"{self.home}/{name}"
        limits = r.choice(
            [
                b"count=3,bytes=40",
                b"count=-1,bytes=-1=;byteHardLimit=60;countHardLimit=5",
                b"count=2,bytes=10=;byteHardLimit=-1;countHardLimit=3",
                b"count=5,bytes=-1=;byteHardLimit=400",
            ]
        )
        data = b"count=0,bytes=0" if name == "zookeeper_stats" else limits
        code = r.choice([z.CREATE, z.CREATE, z.SET_DATA, z.SET_DATA, z.DELETE, z.GET_DATA, z.GET_DATA, z.GET_DATA])
        body = {
            z.CREATE: z.create(path, data),
            z.SET_DATA: z.set_data(path, data),
            z.DELETE: z.path_version(path),
            z.GET_DATA: z.path_watch(path),
        }[code]
        return Op(code, body, text_of(code, path, data))


def setup_ops():
    """What a run begins with: its folder, the shared tree and the partitions."""
    paths = [ROOT, ROOT + "/s"] + [ROOT + f"/p{i}" for i in range(SLOTS)] + [ROOT + f"/p{i}/{KEEP}" for i in range(SLOTS)]
    return [Op(z.CREATE, z.create(p), text_of(z.CREATE, p)) for p in paths]


def partition(slot):
    return f"{ROOT}/p{slot}"


def burst(rng, drawer, slot, most):
    ops = []
    for _ in range(rng.randint(1, most)):
        if drawer.acls and rng.random() < 0.06:
            code, body, shown = drawer.set_acl()
            return Burst(slot, [*ops, Op(code, body, text_of(code, *shown))])
        ops.append(drawer.op())
    return Burst(slot, ops)


def draw_foreign_watches(rng, slot):
    """Watches on the partitions of others, to be told of their storms."""
    ops = []
    for other in range(SLOTS):
        d = Drawer(rng, partition(other), slot)
        for _ in range(rng.randrange(4)):
            path = d.good_path()
            if slot in PERSISTENT_SLOTS:
                mode = d.paths.index(path) % 2
                ops.append(Op(z.ADD_WATCH, z.path_int(path, mode), text_of(z.ADD_WATCH, path, mode)))
            else:
                code = rng.choice([z.EXISTS, z.GET_DATA, z.GET_CHILDREN])
                ops.append(Op(code, z.path_watch(path, True), text_of(code, path, True)))
    return Burst(slot, ops)


def draw_reconnect(rng, slot):
    d = Drawer(rng, ROOT + "/s", slot)
    count = 5 if slot in PERSISTENT_SLOTS else 3
    lists = [rng.sample(d.paths, rng.randrange(4)) for _ in range(count)]
    if count == 5:  # one kind of watch for each path
        lists = [[], [], [], *[[p for p in paths if d.paths.index(p) % 2 == mode] for mode, paths in enumerate(lists[3:])]]
    return Reconnect(slot, rng.choice(["cut", "taken over"]), rng.choice([0, 1, 3, 10, 50]), lists)


def draw_plan(seed, operations):
    """A plan with about so many operations."""
    rng = random.Random(seed)
    acls = rng.random() < 0.5
    steps, count = [Burst(0, setup_ops())], 0
    if rng.random() < 0.3:
        quotas = Quotas(rng, 0)
        steps.append(Burst(0, quotas.setup()))
        steps += [Burst(0, [quotas.op()]) for _ in range(150)]
        count += 150
    while count < operations:
        slot = rng.randrange(SLOTS)
        kind = rng.random()
        if kind < 0.15:  # one by one
            for _ in range(rng.randrange(1, 20)):
                slot = rng.randrange(SLOTS)
                d = Drawer(rng, ROOT + "/s", slot, alone=True, acls=acls)
                steps.append(burst(rng, d, slot, 1))
                count += 1
        elif kind < 0.65:
            steps.append(burst(rng, Drawer(rng, ROOT + "/s", slot, acls=acls), slot, 60))
            count += len(steps[-1].ops)
        elif kind < 0.85:
            watches = [draw_foreign_watches(rng, i) for i in range(SLOTS) if rng.random() < 0.7]
            steps += [b for b in watches if b.ops]
            storm = Storm([Burst(i, [Drawer(rng, partition(i), i).op() for _ in range(rng.randint(1, 60))]) for i in range(SLOTS)])
            steps.append(storm)
            count += sum(len(b.ops) for b in storm.bursts + watches)
        elif kind < 0.96:
            steps.append(draw_reconnect(rng, slot))
            count += 1
        else:
            steps.append(Renew(slot))
            count += 1
    return steps


def count_ops(plan):
    return sum(
        len(s.ops) if isinstance(s, Burst) else sum(len(b.ops) for b in s.bursts) if isinstance(s, Storm) else 1 for s in plan
    )


def script(plan):
    """A plan for people, a line for each thing that is done."""
    lines = []
    for number, step in enumerate(plan):
        if isinstance(step, Burst):
            lines += [f"{number}: client {step.slot}: {op.text}" for op in step.ops]
        elif isinstance(step, Storm):
            lines += [f"{number}: at once, client {b.slot}: {op.text}" for b in step.bursts for op in b.ops]
        elif isinstance(step, Reconnect):
            lines.append(f"{number}: client {step.slot}: connection {step.how}, watches set again: {step.lists}")
        else:
            lines.append(f"{number}: client {step.slot}: closes its session, opens another")
    return "\n".join(lines)
