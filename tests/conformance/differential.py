"""The same requests to two servers, and their answers made comparable byte for byte.

A case is a function that takes a Recorder and talks to one server through it. What comes back is written down with what
must differ taken out: zxids become distances from where the case began, session ids the number of the session in
the case, times a mark (checked to be near now), and lists whose order means nothing are sorted. Everything else stays.
"""

import contextlib
import struct
import time

import zkwire
from zkwire import Reader, Short, Wire, i32, i64, string, vector

# How far a time in a stat may be from our clock, in ms.
CLOCK_MS = 600000


class Masks:
    """Values of one case on one server that differ from run to run."""

    def __init__(self):
        self.base = None  # zxid at which the case began
        self.sessions = {}
        self.exact_times = True  # whether mtime is told from ctime
        self.exact_acls = True  # whether the order of a list's entries counts

    def session(self, value):
        """Number of a session in the case; 0 and what is no session of ours stays."""
        return self.sessions.get(value, value)

    def session_opened(self, value):
        self.sessions.setdefault(value, len(self.sessions) + 1)

    def zxid(self, value):
        if self.base is None or value in (0, -1):
            return value
        return value - self.base if value >= self.base else -1000

    def time(self, value, ctime=None):
        if abs(value - time.time() * 1000) > CLOCK_MS:
            return value
        return 1 if ctime is None or ctime == value or not self.exact_times else 2

    def stat(self, r):
        s = r.stat()
        return struct.pack(
            ">qqqqiiiqiiq",
            self.zxid(s["czxid"]),
            self.zxid(s["mzxid"]),
            self.time(s["ctime"]),
            self.time(s["mtime"], s["ctime"]),
            s["version"],
            s["cversion"],
            s["aversion"],
            self.session(s["ephemeralOwner"]),
            s["dataLength"],
            s["numChildren"],
            self.zxid(s["pzxid"]),
        )

    def names(self, r):
        names = r.vector(r.buffer)
        return vector(None if names is None else sorted(names))

    def acls(self, r):
        entries = r.vector(lambda: (r.i32(), r.buffer(), r.buffer()))
        return vector(entries if self.exact_acls or entries is None else sorted(entries), zkwire.acl)

    def multi(self, r):
        out = b""
        while True:
            op, done, err = r.i32(), r.boolean(), r.i32()
            out += i32(op) + zkwire.boolean(done) + i32(err)
            if done:
                return out
            out += self.body(op, r) if op != zkwire.ERROR else i32(r.i32())

    def body(self, op, r):
        """The body of op's reply, masked; r stands behind it afterwards."""
        parts = BODIES.get(op, ())
        return b"".join(PARTS[p](self, r) for p in parts)

    def reply(self, op, frame):
        r = Reader(frame)
        out = i32(r.i32()) + i64(self.zxid(r.i64()))
        err = r.i32()
        out += i32(err)
        if err == 0:
            out += self.body(op, r)
        return out + r.rest()

    def event(self, frame):
        """A notification; its zxid is left out, since it is new in ZooKeeper 3.9."""
        return frame[:4] + i64(-1) + frame[12:]

    def connect(self, frame):
        r = Reader(frame)
        out = i32(r.i32()) + i32(r.i32())
        session, passwd = r.i64(), r.buffer()
        derived = session != 0 and passwd == zkwire.passwd(session)
        return out + i64(self.session(session)) + string(b"derived" if derived else passwd) + r.rest()


PARTS = {
    "stat": Masks.stat,
    "names": Masks.names,
    "multi": Masks.multi,
    "string": lambda m, r: string(r.buffer()),
    "int": lambda m, r: i32(r.i32()),
    "ids": lambda m, r: vector(sorted(r.vector(lambda: (r.buffer(), r.buffer()))), lambda i: string(i[0]) + string(i[1])),
    "acls": Masks.acls,
}

BODIES = {
    zkwire.CREATE: ("string",),
    zkwire.CREATE2: ("string", "stat"),
    zkwire.CREATE_CONTAINER: ("string", "stat"),
    zkwire.CREATE_TTL: ("string", "stat"),
    zkwire.EXISTS: ("stat",),
    zkwire.GET_DATA: ("string", "stat"),
    zkwire.SET_DATA: ("stat",),
    zkwire.GET_ACL: ("acls", "stat"),
    zkwire.SET_ACL: ("stat",),
    zkwire.GET_CHILDREN: ("names",),
    zkwire.GET_CHILDREN2: ("names", "stat"),
    zkwire.SYNC: ("string",),
    zkwire.MULTI: ("multi",),
    zkwire.MULTI_READ: ("multi",),
    zkwire.GET_EPHEMERALS: ("names",),
    zkwire.WHO_AM_I: ("ids",),
}


def readable(body):
    """A request's body with its text left as text, for people."""
    return "".join(chr(b) if 32 < b < 127 else f"\\{b:x}" for b in body)


class Session:
    """A connection of a case. Every frame that arrives is written down."""

    def __init__(self, recorder, number):
        self.recorder, self.number = recorder, number
        self.wire = Wire(recorder.port)
        self.masks = recorder.masks

    def note(self, what, data):
        self.recorder.lines.append(f"{self.number} {what}: {data.hex() if data is not None else 'closed'}")

    def connect(self, **options):
        frame = self.wire.connect(**options)
        if frame is not None and self.wire.session:
            self.masks.session_opened(self.wire.session)
        self.note("connect", None if frame is None else self.masks.connect(frame))
        if self.masks.base is None and frame is not None and self.wire.session:
            # where the case begins: the zxid that the server shows after our createSession
            self.masks.base = self.wire.call(zkwire.EXISTS, zkwire.path_watch("/"))[1].zxid
        return self

    def take(self, reply, op=None):
        if reply is None:
            self.note("end", None)
        elif reply.xid == zkwire.XID_NOTIFICATION:
            self.note(f"event {reply.event()}", self.masks.event(reply.frame))
        else:
            try:
                data = self.masks.reply(op, reply.frame)
            except Short as e:
                self.note(f"op {op} unreadable ({e})", reply.frame)
                return reply
            self.note(f"op {op} err {reply.err}", data)
        return reply

    def call(self, op, body=b"", xid=None):
        """Sends a request and writes down all that comes up to its reply, or the end of the connection."""
        if op in WRITES:
            time.sleep(0.002)  # so that two writes never have the same time
        if op not in (zkwire.SET_WATCHES, zkwire.SET_WATCHES2):  # those have a zxid in them
            self.note(f"asks {op} {readable(body)}", b"")
        xid = self.wire.send(op, body, xid)
        first = len(self.recorder.lines)
        while True:
            reply = self.take(self.wire.receive(), op)
            if reply is None or reply.xid != zkwire.XID_NOTIFICATION:
                break
        if op == zkwire.CLOSE_SESSION:
            # its ephemerals go in no order that means anything, and so do the events of it
            self.recorder.lines[first:-1] = sorted(self.recorder.lines[first:-1])
        return reply

    def survives(self, op, body, xid=None):
        """Sends what the two answer differently; both must answer and go on."""
        events, reply = self.wire.call(op, body, xid)
        self.note(f"answers {op}", b"" if reply is not None else None)

    def raw(self, payload):
        self.wire.send_frame(payload)
        return self

    def expect(self, op=None, timeout=20.0):
        """Writes down the next frame, whatever it is; "nothing" when none comes."""
        try:
            return self.take(self.wire.receive(timeout), op)
        except TimeoutError:
            self.note("nothing", b"")
            return None

    def close(self):
        self.call(zkwire.CLOSE_SESSION)
        self.expect()
        self.wire.close()

    def drop(self):
        """The connection goes without a word; the session stays."""
        self.wire.close()


WRITES = {
    zkwire.CREATE,
    zkwire.CREATE2,
    zkwire.CREATE_CONTAINER,
    zkwire.CREATE_TTL,
    zkwire.DELETE,
    zkwire.SET_DATA,
    zkwire.SET_ACL,
    zkwire.MULTI,
}


class Recorder:
    """One run of a case on one server. lines is what is compared."""

    def __init__(self, port, root):
        self.port, self.root = port, root
        self.masks = Masks()
        self.lines = []
        self.sessions = []

    def open(self, **options):
        """A new session, or connection with session= and passwd=."""
        s = Session(self, len(self.sessions) + 1)
        self.sessions.append(s)
        return s.connect(**options)

    def open_silent(self):
        """A connection that has not said anything yet."""
        s = Session(self, len(self.sessions) + 1)
        self.sessions.append(s)
        return s

    def finish(self):
        """Closes what the case left open: a session that expired later would take a zxid in another case."""
        for s in self.sessions:
            s.wire.close()
        for session in self.masks.sessions:
            with contextlib.suppress(OSError, TimeoutError), Wire(self.port) as w:
                w.connect(session=session, passwd=zkwire.passwd(session))
                if w.session:
                    w.call(zkwire.CLOSE_SESSION)


def difference(ours, theirs, names=("zkd", "ZooKeeper")):
    """Text that shows where two runs part, None when they are the same."""
    if ours == theirs:
        return None
    out = []
    for i in range(max(len(ours), len(theirs))):
        a = ours[i] if i < len(ours) else "(nothing)"
        b = theirs[i] if i < len(theirs) else "(nothing)"
        if a != b:
            out += [f"step {i}:", f"  {names[0]:10} {a}", f"  {names[1]:10} {b}"]
        elif len(out) < 30:
            out.append(f"step {i}: {a}")
    return "\n".join(out[:120])
