"""A pipelining ZooKeeper client on asyncio, for tests that drive a node hard while parts of it die.

    s = Session("writer-0", port, timeout_ms=6000, judge=judge)
    s.on_up = lambda fresh: ...          connected; fresh: the session is a new one
    s.start()                            dials, and dials again at once whenever the connection ends
    s.send(SET_DATA, set_data("/a", b"x"), done)

done(reply) is called once: with a Reply, or with None when the connection ended before the answer (outcome unknown)
or there was none.

A session itself checks what every client may rely on, and tells its judge, judge.violation(name, text), otherwise:
replies in the order of requests; reply zxids that never fall, also over reconnects; no answer later than HANG_SECONDS;
no session expired while its client kept coming back.

Beside an ensemble a client has several addresses, and patience: a server that is silent for that many seconds is left
for another, as every client does, and is no violation.
"""

import asyncio
import collections
import contextlib
import struct
import time

CREATE, DELETE, EXISTS, GET_DATA, SET_DATA, GET_CHILDREN, SYNC = 1, 2, 3, 4, 5, 8, 9
SET_WATCHES = 101
PING, CLOSE_SESSION = 11, -11
OK, NO_NODE, BAD_VERSION, NODE_EXISTS = 0, -101, -103, -110
EPHEMERAL = 1

HANG_SECONDS = 5.0
REDIAL_SECONDS = 0.005
NOTIFICATION_XID, PING_XID = -1, -2

Reply = collections.namedtuple("Reply", "zxid err body")
Stat = collections.namedtuple(
    "Stat", "czxid mzxid ctime mtime version cversion aversion ephemeral_owner data_length num_children pzxid"
)
Event = collections.namedtuple("Event", "type state path")

STAT = struct.Struct(">qqqqiiiqiiq")
REPLY_HEADER = struct.Struct(">iqi")
OPEN_ACL = struct.pack(">ii", 1, 31) + struct.pack(">i", 5) + b"world" + struct.pack(">i", 6) + b"anyone"


def ustring(s):
    data = s.encode()
    return struct.pack(">i", len(data)) + data


def buffer(b):
    return struct.pack(">i", len(b)) + b


def create(path, data=b"", flags=0):
    return ustring(path) + buffer(data) + OPEN_ACL + struct.pack(">i", flags)


def set_data(path, data, version=-1):
    return ustring(path) + buffer(data) + struct.pack(">i", version)


def path_watch(path, watch=False):
    return ustring(path) + (b"\x01" if watch else b"\x00")


def delete(path, version=-1):
    return ustring(path) + struct.pack(">i", version)


def set_watches(zxid, data=(), exist=(), child=()):
    vectors = (struct.pack(">i", len(paths)) + b"".join(map(ustring, paths)) for paths in (data, exist, child))
    return struct.pack(">q", zxid) + b"".join(vectors)


def take_buffer(body, at=0):
    (length,) = struct.unpack_from(">i", body, at)
    if length < 0:
        return None, at + 4
    return body[at + 4 : at + 4 + length], at + 4 + length


def take_data(body):
    """The data and the Stat of a getData reply."""
    data, at = take_buffer(body)
    return data, Stat(*STAT.unpack_from(body, at))


def take_stat(body):
    return Stat(*STAT.unpack_from(body))


def take_children(body):
    (count,) = struct.unpack_from(">i", body)
    names, at = [], 4
    for _ in range(count):
        name, at = take_buffer(body, at)
        names.append(name.decode())
    return names


class Connection(asyncio.Protocol):
    """One TCP connection of a session, from its handshake to its end."""

    def __init__(self, session):
        self.session = session
        self.buffer = bytearray()
        self.transport = None
        self.established = False
        self.opened_at = time.monotonic()
        self.pending = collections.deque()  # (xid, sent at, done, type)
        self.last_sent = self.opened_at

    def connection_made(self, transport):
        self.transport = transport
        s = self.session
        self.server = (transport.get_extra_info("peername") or ("?",))[0] if hasattr(transport, "get_extra_info") else "?"
        s.dialling = self
        body = struct.pack(">iqiq", 0, s.last_zxid, s.timeout_ms, s.sid) + buffer(s.passwd) + b"\x00"
        transport.write(struct.pack(">i", len(body)) + body)

    def data_received(self, data):
        buf = self.buffer
        buf += data
        at = 0
        while len(buf) - at >= 4:
            (length,) = struct.unpack_from(">i", buf, at)
            if len(buf) - at - 4 < length:
                break
            frame = bytes(buf[at + 4 : at + 4 + length])
            at += 4 + length
            if self.established:
                self.take_frame(frame)
            else:
                self.take_handshake(frame)
        del buf[:at]

    def connection_lost(self, exc):
        self.session.connection_ended(self)

    def take_handshake(self, frame):
        _, timeout_ms, sid = struct.unpack_from(">iiq", frame)
        passwd, _ = take_buffer(frame, 16)
        self.established = timeout_ms > 0
        self.session.handshake_done(self, timeout_ms, sid, passwd)

    def take_frame(self, frame):
        now = time.monotonic()
        xid, zxid, err = REPLY_HEADER.unpack_from(frame)
        body = frame[REPLY_HEADER.size :]
        if xid == NOTIFICATION_XID:
            kind, state = struct.unpack_from(">ii", body)
            path, _ = take_buffer(body, 8)
            self.session.take_event(Event(kind, state, path.decode()))
            return
        if not self.pending or self.pending[0][0] != xid:
            awaited = [f"{kind}:{at}" for at, _, _, kind in list(self.pending)[:3]]
            self.session.violation("order", f"reply to xid {xid} came out of turn, error {err}, awaited {awaited}")
            return
        _, sent_at, done, _ = self.pending.popleft()
        self.session.take_reply(sent_at, now, Reply(zxid, err, body), done)

    def send(self, kind, body, done, xid):
        self.last_sent = time.monotonic()
        self.pending.append((xid, self.last_sent, done, kind))
        self.transport.write(struct.pack(">iii", 8 + len(body), xid, kind) + body)


class Session:
    def __init__(self, name, port, timeout_ms, judge, addresses=None, patience=None):
        self.name, self.timeout_ms, self.judge = name, timeout_ms, judge
        self.addresses = list(addresses or [("127.0.0.1", port)])
        self.patience = patience  # None: one server, which must answer
        self.may_expire = False  # the sessions of clients that are cut off for long do
        self.sid, self.passwd, self.last_zxid = 0, bytes(16), 0
        self.negotiated_ms = 0
        self.touched_at = 0.0  # the server has surely heard of us at this time
        self.connection = None  # established
        self.dialling = None
        self.xid = 0
        self.closes = []  # times at which an established connection ended
        self.opens = 0
        self.running = False
        self.on_up = lambda fresh: None
        self.on_event = lambda event: None
        self.on_down = lambda: None
        self.on_expired = lambda: None
        self.on_slow = lambda seconds: None  # an answer took that long

    def start(self):
        self.running = True
        self.task = asyncio.ensure_future(self.keep_dialling())

    def violation(self, name, text):
        where = self.connection.server if self.connection is not None else "nowhere"
        self.judge.violation(name, f"{self.name} (session 0x{self.sid:x}, with {where}): {text}")

    @property
    def up(self):
        return self.connection is not None and not self.connection.transport.is_closing()

    def send(self, kind, body, done):
        if not self.up:
            done(None)
            return
        self.xid = self.xid % 0x7FFFFFFF + 1
        self.connection.send(kind, body, done, self.xid)

    async def call(self, kind, body):
        """The Reply, or None when the connection ended first or is not there."""
        future = asyncio.get_running_loop().create_future()
        self.send(kind, body, lambda r: future.done() or future.set_result(r))
        return await future

    async def keep_dialling(self):
        loop = asyncio.get_running_loop()
        while self.running:
            if self.connection is None and self.dialling is None:
                self.addresses.append(self.addresses.pop(0))
                with contextlib.suppress(OSError, asyncio.TimeoutError):
                    dial = loop.create_connection(lambda: Connection(self), *self.addresses[-1])
                    await asyncio.wait_for(dial, self.patience or HANG_SECONDS)
            self.watch_clock()
            await asyncio.sleep(REDIAL_SECONDS if self.connection is None else 0.05)

    def watch_clock(self):
        now = time.monotonic()
        c = self.connection or self.dialling
        if c is None:
            return
        waiting_since = c.opened_at if not c.established else c.pending[0][1] if c.pending else now
        if self.patience is not None and now - waiting_since > self.patience:
            c.transport.abort()
        elif now - waiting_since > HANG_SECONDS:
            what = "a call" if c.established else "the handshake"
            self.violation("hang", f"{what} had no answer for {now - waiting_since:.1f} s")
            c.transport.abort()
        elif self.up and now - c.last_sent > self.negotiated_ms / 3000:
            c.send(PING, b"", lambda reply: None, PING_XID)

    def handshake_done(self, c, timeout_ms, sid, passwd):
        if timeout_ms <= 0:
            age = time.monotonic() - self.touched_at
            if not self.may_expire:
                self.violation("sessions", f"expired {age:.1f} s after its last answer, with a client that kept dialling")
            self.on_expired()
            self.sid, self.passwd = 0, bytes(16)
            c.transport.abort()
            return
        fresh = self.sid != sid
        if fresh and self.sid != 0:
            self.violation("sessions", f"got session 0x{sid:x} instead of its own")
        self.sid, self.passwd, self.negotiated_ms = sid, passwd, timeout_ms
        self.dialling, self.connection = None, c
        self.opens += 1
        self.touched_at = c.opened_at
        self.on_up(fresh)

    def take_reply(self, sent_at, now, reply, done):
        self.touched_at = max(self.touched_at, sent_at)
        if reply.zxid > 0:
            if reply.zxid < self.last_zxid:
                self.violation("zxid", f"reply with zxid 0x{reply.zxid:x} after 0x{self.last_zxid:x}")
            self.last_zxid = max(self.last_zxid, reply.zxid)
        self.on_slow(now - sent_at)
        done(reply)

    def take_event(self, event):
        self.on_event(event)

    def connection_ended(self, c):
        if c is self.connection:
            self.connection = None
            self.closes.append(time.monotonic())
            self.on_down()
        if c is self.dialling:
            self.dialling = None
        for _, _, done, _ in c.pending:
            done(None)
        c.pending.clear()

    def abandon(self):
        """The client dies: its connection ends without a word and never comes back."""
        self.running = False
        for c in (self.connection, self.dialling):
            if c is not None:
                c.transport.abort()

    async def close(self):
        """Closes the session in the orderly way."""
        self.running = False
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.call(CLOSE_SESSION, b""), HANG_SECONDS)
        self.abandon()
