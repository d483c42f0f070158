"""The clients of the chaos test: what they do all the time, and what each of them knows must hold.

Values are "<path>:<sequence>" and some blanks, so that a read tells how old it is. Each key knows the last sequence that was
submitted and the last that was acknowledged: a read may return anything from what was acknowledged when it was sent to
what was submitted when it is answered.
"""

import asyncio
import collections
import random
import time

import zkpipe as zk

KEYS_PER_WRITER = 6
DEPTH = 8
BEAT_SECONDS = 0.02
LARGE_SHARE, LARGE_BYTES = 0.002, 500000
CREATES_MAX = 3000  # of each writer: a long run must not grow the tree for ever
REMEMBERED = 20000  # answers that are looked back at
MAX_TICK_SECONDS = 2.0  # a session may outlive its timeout by a tick


class Key:
    """One znode that one writer writes."""

    def __init__(self, path):
        self.path = path
        self.submitted = 0
        self.acked = 0
        self.acked_zxid = 0
        self.exists = False

    def value(self, blanks=0):
        return f"{self.path}:{self.submitted}".encode() + b" " * blanks

    def sequence_of(self, data):
        path, _, number = (data or b"").decode(errors="replace").rstrip(" ").rpartition(":")
        return int(number) if path == self.path and number.isdigit() else None


class Writer:
    """Pipelines setData over its keys, and now and then creates a znode of its own that must be there for ever."""

    def __init__(self, number, port, judge, timeout_ms=10000):
        self.judge = judge
        self.session = zk.Session(f"writer-{number}", port, timeout_ms, judge)
        self.keys = [Key(f"/w/{number}-{k}") for k in range(KEYS_PER_WRITER)]
        self.created = []
        self.number, self.ncreates, self.acks, self.in_flight, self.turn = number, 0, 0, 0, 0
        self.last_zxid = 0
        self.random = random.Random(number)

    def start(self):
        self.session.start()
        self.task = asyncio.ensure_future(self.run())

    async def run(self):
        while self.session.running:
            while self.session.up and self.in_flight < DEPTH and self.session.running:
                self.write()
            await asyncio.sleep(BEAT_SECONDS)

    def write(self):
        self.in_flight += 1
        self.turn += 1
        key = self.keys[self.turn % len(self.keys)]
        if not key.exists:
            self.session.send(zk.CREATE, zk.create(key.path, f"{key.path}:0".encode()), lambda r: self.key_made(key, r))
        elif self.ncreates < CREATES_MAX and self.random.random() < 0.05:
            self.ncreates += 1
            path = f"/c/{self.number}-{self.ncreates}"
            self.session.send(zk.CREATE, zk.create(path, path.encode()), lambda r: self.node_made(path, r))
        else:
            key.submitted += 1
            sequence = key.submitted
            data = key.value(self.random.randrange(LARGE_BYTES) if self.random.random() < LARGE_SHARE else 0)
            self.session.send(zk.SET_DATA, zk.set_data(key.path, data), lambda r: self.written(key, sequence, r))

    def key_made(self, key, reply):
        self.in_flight -= 1
        if reply is not None:
            key.exists = reply.err in (zk.OK, zk.NODE_EXISTS)
            self.check_err(reply, (zk.OK, zk.NODE_EXISTS), f"create {key.path}")

    def node_made(self, path, reply):
        self.in_flight -= 1
        if reply is not None and self.check_err(reply, (zk.OK,), f"create {path}"):
            self.created.append(path)
            self.count_ack(reply)

    def written(self, key, sequence, reply):
        self.in_flight -= 1
        if reply is None or not self.check_err(reply, (zk.OK,), f"setData {key.path}"):
            return
        stat = zk.take_stat(reply.body)
        if stat.mzxid != reply.zxid:
            self.session.violation("zxid", f"setData answered with zxid 0x{reply.zxid:x}, mzxid 0x{stat.mzxid:x}")
        key.acked, key.acked_zxid = max(key.acked, sequence), reply.zxid
        self.count_ack(reply)

    def count_ack(self, reply):
        self.acks += 1
        if reply.zxid <= self.last_zxid:
            self.session.violation("zxid", f"two writes answered with zxid 0x{self.last_zxid:x}, 0x{reply.zxid:x}")
        self.last_zxid = reply.zxid

    def check_err(self, reply, allowed, what):
        if reply.err not in allowed:
            self.session.violation("errors", f"{what}: error {reply.err}")
        return reply.err in allowed


class Reader:
    """Pipelines getData over everybody's keys."""

    def __init__(self, number, port, judge, keys, timeout_ms=10000):
        self.session = zk.Session(f"reader-{number}", port, timeout_ms, judge)
        self.keys, self.in_flight, self.reads = keys, 0, 0
        self.seen = {}  # path -> (sequence, mzxid)
        self.random = random.Random(1000 + number)

    def start(self):
        self.session.start()
        self.task = asyncio.ensure_future(self.run())

    async def run(self):
        while self.session.running:
            while self.session.up and self.in_flight < DEPTH and self.session.running:
                self.read(self.random.choice(self.keys))
            await asyncio.sleep(BEAT_SECONDS)

    def read(self, key):
        acked, existed = key.acked, key.exists
        self.in_flight += 1
        self.session.send(zk.GET_DATA, zk.path_watch(key.path), lambda r: self.was_read(key, acked, existed, r))

    def was_read(self, key, acked, existed, reply):
        self.in_flight -= 1
        if reply is None:
            return
        self.reads += 1
        if reply.err == zk.NO_NODE and not existed:
            return
        if reply.err != zk.OK:
            self.session.violation("reads", f"getData {key.path}: error {reply.err}")
            return
        data, stat = zk.take_data(reply.body)
        sequence = key.sequence_of(data)
        seen = self.seen.get(key.path, (0, 0))
        if sequence is None or not acked <= sequence <= key.submitted:
            self.session.violation(
                "reads", f"{key.path} holds {data!r}; acknowledged {acked}, submitted {key.submitted}"
            )
        elif sequence < seen[0] or stat.mzxid < seen[1]:
            self.session.violation("reads", f"{key.path} went back from {seen} to {(sequence, stat.mzxid)}")
        self.seen[key.path] = (sequence or 0, stat.mzxid)


class Holder:
    """Holds a lock: an ephemeral that must be there, and be its own, whenever it comes back."""

    def __init__(self, number, port, judge, timeout_ms=6000):
        self.session = zk.Session(f"holder-{number}", port, timeout_ms, judge)
        self.path = f"/l/{number}"
        self.session.on_up = self.came_up
        self.held = False
        self.checked = 0

    def start(self):
        self.session.start()

    def came_up(self, fresh):
        if fresh:
            self.held = False
        if self.held:
            self.session.send(zk.EXISTS, zk.path_watch(self.path), self.looked)
        else:
            self.session.send(zk.CREATE, zk.create(self.path, b"", zk.EPHEMERAL), self.made)

    def made(self, reply):
        if reply is None:
            return
        if reply.err not in (zk.OK, zk.NODE_EXISTS):
            self.session.violation("errors", f"create {self.path}: error {reply.err}")
            return
        self.held = True
        self.session.send(zk.EXISTS, zk.path_watch(self.path), self.looked)

    def looked(self, reply):
        if reply is None:
            return
        self.checked += 1
        owner = zk.take_stat(reply.body).ephemeral_owner if reply.err == zk.OK else None
        if owner != self.session.sid:
            self.session.violation("ephemerals", f"{self.path}: error {reply.err}, owner {owner}")


class Watcher:
    """Keeps a one-shot watch on each key, and reads them: a change must be told before it is shown."""

    def __init__(self, number, port, judge, keys, timeout_ms=10000):
        self.session = zk.Session(f"watcher-{number}", port, timeout_ms, judge)
        self.session.on_up = self.came_up
        self.session.on_event = self.take_event
        self.keys = {k.path: k for k in keys}
        self.armed = {}  # path -> mzxid at which the watch was left
        self.events = 0
        self.epoch = 0  # of the connection
        self.random = random.Random(2000 + number)

    def start(self):
        self.session.start()
        self.task = asyncio.ensure_future(self.run())

    def came_up(self, fresh):
        self.armed.clear()
        self.epoch += 1
        for path in self.keys:
            self.arm(path)

    def arm(self, path):
        self.session.send(zk.GET_DATA, zk.path_watch(path, True), lambda r: self.was_armed(path, r))

    def was_armed(self, path, reply):
        if reply is not None and reply.err == zk.OK:
            self.check(path, zk.take_data(reply.body)[1].mzxid)
            self.armed[path] = zk.take_data(reply.body)[1].mzxid

    def take_event(self, event):
        self.events += 1
        if event.path not in self.armed:
            self.session.violation("watches", f"event {event} without a watch")
        self.armed.pop(event.path, None)
        self.arm(event.path)

    async def run(self):
        while self.session.running:
            if self.session.up:
                path = self.random.choice(list(self.keys))
                if path in self.armed:
                    self.session.send(zk.GET_DATA, zk.path_watch(path), lambda r, p=path: self.was_read(p, r))
                else:
                    self.arm(path)
            await asyncio.sleep(BEAT_SECONDS / 2)

    def was_read(self, path, reply):
        if reply is not None and reply.err == zk.OK:
            self.check(path, zk.take_data(reply.body)[1].mzxid)

    def check(self, path, mzxid):
        armed = self.armed.get(path)
        if armed is not None and mzxid > armed:
            self.session.violation("watches", f"{path} shows 0x{mzxid:x}, no event since 0x{armed:x}")
            self.armed.pop(path)


class Abandoner:
    """Opens sessions with an ephemeral and drops their connections: these ephemerals must go, and not too early."""

    def __init__(self, port, judge, every_seconds=4.0, timeout_ms=4000):
        self.port, self.judge, self.every_seconds, self.timeout_ms = port, judge, every_seconds, timeout_ms
        self.looker = zk.Session("looker", port, 10000, judge)
        self.left = {}  # path -> (deserted at, timeout in seconds)
        self.gone = 0
        self.count = 0
        self.running = False

    def start(self):
        self.running = True
        self.looker.start()
        self.tasks = [asyncio.ensure_future(self.desert()), asyncio.ensure_future(self.look())]

    def stop_deserting(self):
        self.running = False

    async def desert(self):
        while self.running:
            await asyncio.sleep(self.every_seconds)
            if not self.running:
                return
            self.count += 1
            path = f"/a/{self.count}"
            s = zk.Session(f"abandoner-{self.count}", self.port, self.timeout_ms, self.judge)
            up = asyncio.Event()
            s.on_up = lambda fresh, up=up: up.set()
            s.start()
            try:
                await asyncio.wait_for(up.wait(), 2 * zk.HANG_SECONDS)
                reply = await s.call(zk.CREATE, zk.create(path, b"", zk.EPHEMERAL))
                if reply is not None and reply.err == zk.OK:
                    self.left[path] = (s.touched_at, s.negotiated_ms / 1000)
            except asyncio.TimeoutError:
                pass  # the hang itself is the session's to report
            finally:
                s.abandon()

    async def look(self):
        while self.looker.running:
            for path in list(self.left):
                reply = await self.looker.call(zk.EXISTS, zk.path_watch(path))
                if reply is not None and reply.err == zk.NO_NODE:
                    self.was_gone(path)
            await asyncio.sleep(0.1)

    def was_gone(self, path):
        at, timeout = self.left.pop(path)
        self.gone += 1
        if time.monotonic() - at < timeout:
            self.judge.violation("ephemerals", f"{path} went {time.monotonic() - at:.2f} s after its last sign of life")


class Probe:
    """One call after the other, to see from when to when the node does not answer."""

    def __init__(self, port, judge):
        self.session = zk.Session("probe", port, 10000, judge)
        self.path = "/probe"
        self.answers = collections.deque(maxlen=REMEMBERED)  # (asked at, answered at) of acknowledged writes
        self.count, self.slowest = 0, 0.0

    def start(self):
        self.session.start()
        self.task = asyncio.ensure_future(self.run())

    async def run(self):
        made = False
        while self.session.running:
            await asyncio.sleep(0.002)
            if not self.session.up:
                continue
            asked = time.monotonic()
            if not made:
                reply = await self.session.call(zk.CREATE, zk.create(self.path))
                made = reply is not None and reply.err in (zk.OK, zk.NODE_EXISTS)
                continue
            reply = await self.session.call(zk.SET_DATA, zk.set_data(self.path, b"x"))
            if reply is not None and reply.err == zk.OK:
                now = time.monotonic()
                self.answers.append((asked, now))
                self.count, self.slowest = self.count + 1, max(self.slowest, now - asked)
            await self.session.call(zk.GET_DATA, zk.path_watch(self.path))
