"""The clients of the ensemble's fault test: they come back to whichever server takes them, and record what they see.

Writers set registers, some by compare-and-set, and create znodes that must be there for ever; readers read them, with
and without sync; watchers keep one-shot watches over reconnects, as client libraries do (setWatches); holders hold an
ephemeral lock each; rivals fight for one lock.
"""

import asyncio
import contextlib
import random
import time

import zkpipe as zk

REGISTERS = 8
DEPTH = 4
BEAT_SECONDS = 0.02
PATIENCE = 1.5  # seconds until a silent server is left for another
SESSION_MS = 10000
CREATES_MAX = 2000


class Client:
    """A session that lives as long as the test, and the task that uses it."""

    def __init__(self, name, addresses, judge, session_ms=SESSION_MS):
        shuffled = list(addresses)
        random.Random(name).shuffle(shuffled)
        self.session = zk.Session(name, 0, session_ms, judge, shuffled, PATIENCE)
        self.session.on_up = self.came_up
        self.session.on_down = self.went_down
        self.random = random.Random(name)
        self.name, self.judge = name, judge
        self.lost = 0  # calls that a lost connection left without an answer

    def start(self):
        self.session.start()
        self.task = asyncio.ensure_future(self.run())

    def came_up(self, fresh):
        pass

    def went_down(self):
        pass

    async def run(self):
        while self.session.running:
            await asyncio.sleep(BEAT_SECONDS)

    async def stop(self):
        self.session.running = False
        await asyncio.sleep(0)
        await self.session.close()

    def violation(self, name, text):
        self.session.violation(name, text)


class Writer(Client):
    def __init__(self, number, addresses, judge, history):
        super().__init__(f"writer-{number}", addresses, judge)
        self.history, self.number = history, number
        self.in_flight, self.sequence, self.acks, self.ncreates = 0, 0, 0, 0
        self.versions = {}  # register -> version last seen
        self.created = {}  # path -> zxid
        self.acked_at = []
        self.paused = False

    async def run(self):
        while self.session.running:
            while self.session.up and self.in_flight < DEPTH and not self.paused:
                self.act()
            await asyncio.sleep(BEAT_SECONDS)

    def act(self):
        self.in_flight += 1
        if self.ncreates < CREATES_MAX and self.random.random() < 0.1:
            self.create()
        else:
            self.set_register(f"/r/{self.random.randrange(REGISTERS)}")

    def create(self):
        self.ncreates += 1
        path = f"/c/{self.number}-{self.ncreates}"

        def done(reply):
            self.in_flight -= 1
            self.lost += reply is None
            if reply is not None and self.expect(reply, (zk.OK,), f"create {path}"):
                self.created[path] = reply.zxid
                self.count()

        self.session.send(zk.CREATE, zk.create(path, path.encode()), done)

    def set_register(self, key):
        self.sequence += 1
        value = f"{self.name}:{self.sequence}".encode()
        expected = self.versions.get(key, -1) if self.random.random() < 0.4 else -1
        started = time.monotonic()

        def done(reply):
            self.in_flight -= 1
            now = time.monotonic()
            if reply is None:
                self.lost += 1
                self.history.write(key, value, expected, started, now, None, 0)
            elif reply.err == zk.BAD_VERSION and expected >= 0:
                self.versions.pop(key, None)
            elif self.expect(reply, (zk.OK,), f"setData {key}"):
                stat = zk.take_stat(reply.body)
                if stat.mzxid != reply.zxid:
                    self.violation("zxid", f"setData answered with 0x{reply.zxid:x}, mzxid 0x{stat.mzxid:x}")
                self.versions[key] = stat.version
                self.history.write(key, value, expected, started, now, stat.version, stat.mzxid)
                self.count()

        self.session.send(zk.SET_DATA, zk.set_data(key, value, expected), done)

    def count(self):
        self.acks += 1
        self.acked_at.append(time.monotonic())

    def expect(self, reply, allowed, what):
        if reply.err not in allowed:
            self.violation("errors", f"{what}: error {reply.err}")
        return reply.err in allowed


class Reader(Client):
    def __init__(self, number, addresses, judge, history):
        super().__init__(f"reader-{number}", addresses, judge)
        self.history = history
        self.in_flight, self.reads = 0, 0
        self.paused = False

    async def run(self):
        while self.session.running:
            while self.session.up and self.in_flight < DEPTH and not self.paused:
                self.read(f"/r/{self.random.randrange(REGISTERS)}")
            await asyncio.sleep(BEAT_SECONDS)

    def read(self, key):
        self.in_flight += 1
        started = time.monotonic()
        synced = self.random.random() < 0.2
        if synced:
            self.session.send(zk.SYNC, zk.ustring("/"), self.was_synced)
        record = self.history.synced_read if synced else self.history.read

        def done(reply):
            self.in_flight -= 1
            if reply is None:
                return
            if reply.err != zk.OK:
                self.violation("errors", f"getData {key}: error {reply.err}")
                return
            data, stat = zk.take_data(reply.body)
            self.reads += 1
            record(key, self.name, data or None, stat.version, stat.mzxid, started, time.monotonic())

        self.session.send(zk.GET_DATA, zk.path_watch(key), done)

    def was_synced(self, reply):
        if reply is not None and reply.err != zk.OK:
            self.violation("errors", f"sync: error {reply.err}")


class Watcher(Client):
    """After a reconnect it leaves its watches again with setWatches, and still no change may be shown before its event."""

    def __init__(self, number, addresses, judge):
        super().__init__(f"watcher-{number}", addresses, judge)
        self.session.on_event = self.take_event
        self.armed = {}  # path -> mzxid at which the watch was left
        self.arming = set()
        self.events = 0

    def came_up(self, fresh):
        self.arming.clear()
        if fresh:
            self.armed.clear()
        elif self.armed:
            body = zk.set_watches(self.session.last_zxid, data=self.armed)
            self.session.send(zk.SET_WATCHES, body, self.were_set)

    def were_set(self, reply):
        if reply is not None and reply.err != zk.OK:
            self.violation("errors", f"setWatches: error {reply.err}")

    def take_event(self, event):
        self.events += 1
        if self.armed.pop(event.path, None) is None and event.path not in self.arming:
            self.violation("watches", f"event {event} without a watch")

    async def run(self):
        while self.session.running:
            if self.session.up:
                path = f"/r/{self.random.randrange(REGISTERS)}"
                watch = path not in self.armed and path not in self.arming
                if watch:
                    self.arming.add(path)
                self.session.send(zk.GET_DATA, zk.path_watch(path, watch), self.reader(path, watch))
            await asyncio.sleep(BEAT_SECONDS / 2)

    def reader(self, path, watch):
        def done(reply):
            self.arming.discard(path)
            if reply is None or reply.err != zk.OK:
                return
            mzxid = zk.take_data(reply.body)[1].mzxid
            if watch:
                self.armed[path] = mzxid
            elif mzxid > self.armed.get(path, mzxid):
                self.violation("watches", f"{path} shows 0x{mzxid:x}, no event since 0x{self.armed[path]:x}")
                self.armed.pop(path)

        return done


class Holder(Client):
    """Holds an ephemeral that must be there, and be its own, as long as its session lives."""

    def __init__(self, number, addresses, judge):
        super().__init__(f"holder-{number}", addresses, judge)
        self.path = f"/l/{number}"
        self.held, self.checked = False, 0

    def came_up(self, fresh):
        if fresh:
            self.held = False
        if not self.held:
            self.session.send(zk.CREATE, zk.create(self.path, b"", zk.EPHEMERAL), self.made)

    def made(self, reply):
        self.held = reply is not None and reply.err in (zk.OK, zk.NODE_EXISTS)

    async def run(self):
        while self.session.running:
            if self.session.up and self.held:
                self.session.send(zk.SYNC, zk.ustring(self.path), lambda reply: None)
                self.session.send(zk.EXISTS, zk.path_watch(self.path), self.looked)
            await asyncio.sleep(0.2)

    def looked(self, reply):
        if reply is None:
            return
        self.checked += 1
        owner = zk.take_stat(reply.body).ephemeral_owner if reply.err == zk.OK else None
        if owner != self.session.sid:
            self.violation("ephemerals", f"{self.path}: error {reply.err}, owner {owner}")


class Lock:
    """The one that rivals fight for: who believes to hold it, and since when."""

    def __init__(self, judge):
        self.judge, self.holders, self.grants = judge, {}, 0

    def granted(self, name):
        self.grants += 1
        self.holders[name] = time.monotonic()
        if len(self.holders) > 1:
            self.judge.violation("locks", f"held by {sorted(self.holders)} at once")

    def given_back(self, name):
        self.holders.pop(name, None)


class Rival(Client):
    """Believes to hold the lock from the answer to its create until it sends the delete or loses its connection."""

    def __init__(self, number, addresses, judge, lock):
        super().__init__(f"rival-{number}", addresses, judge)
        self.lock, self.paused, self.fighting = lock, False, False

    def went_down(self):
        self.lock.given_back(self.name)

    async def run(self):
        while self.session.running:
            if self.session.up and not self.paused:
                self.fighting = True
                with contextlib.suppress(asyncio.CancelledError):
                    await self.fight()
                self.fighting = False
            await asyncio.sleep(self.random.uniform(0.01, 0.1))

    async def fight(self):
        reply = await self.session.call(zk.CREATE, zk.create("/lock", self.name.encode(), zk.EPHEMERAL))
        if reply is None:
            return
        if reply.err == zk.NODE_EXISTS:
            await self.give_back_old()
            return
        self.lock.granted(self.name)
        await asyncio.sleep(self.random.uniform(0.01, 0.1))
        self.lock.given_back(self.name)
        await self.session.call(zk.DELETE, zk.delete("/lock"))

    async def give_back_old(self):
        """A create of unknown outcome may have been its own."""
        reply = await self.session.call(zk.EXISTS, zk.path_watch("/lock"))
        if reply is not None and reply.err == zk.OK:
            stat = zk.take_stat(reply.body)
            if stat.ephemeral_owner == self.session.sid:
                await self.session.call(zk.DELETE, zk.delete("/lock", stat.version))
