"""ZooKeeper's client protocol by hand: frames as bytes, one connection, no client library's opinion in between.

    w = Wire(port)
    w.connect(timeout_ms=10000)
    events, reply = w.call(GET_DATA, path_watch("/a", True))
    header, body = reply.header(), reply.body()

A reply is a Reply: the whole frame, and how to look into it. Requests are made by the small functions below, one for
each shape; strings may be str, bytes or None (null).
"""

import socket
import struct
import time

NOTIFICATION, CREATE, DELETE, EXISTS, GET_DATA, SET_DATA, GET_ACL, SET_ACL, GET_CHILDREN, SYNC = range(10)
PING, GET_CHILDREN2, CHECK, MULTI, CREATE2, RECONFIG, CHECK_WATCHES, REMOVE_WATCHES = 11, 12, 13, 14, 15, 16, 17, 18
CREATE_CONTAINER, DELETE_CONTAINER, CREATE_TTL, MULTI_READ = 19, 20, 21, 22
AUTH, SET_WATCHES, SASL, GET_EPHEMERALS, GET_ALL_CHILDREN_NUMBER = 100, 101, 102, 103, 104
SET_WATCHES2, ADD_WATCH, WHO_AM_I = 105, 106, 107
CREATE_SESSION, CLOSE_SESSION, ERROR = -10, -11, -1

XID_NOTIFICATION, XID_PING, XID_AUTH, XID_SET_WATCHES = -1, -2, -4, -8

READ, WRITE, PERM_CREATE, PERM_DELETE, ADMIN, ALL = 1, 2, 4, 8, 16, 31
OPEN_ACL = [(ALL, "world", "anyone")]

FRAME_MAX = 64 << 20


# encoding


def i32(v):
    return struct.pack(">i", v)


def i64(v):
    return struct.pack(">q", v)


def boolean(v):
    return b"\1" if v else b"\0"


def string(v):
    """A string or buffer; None is null."""
    if v is None:
        return i32(-1)
    v = v.encode() if isinstance(v, str) else v
    return i32(len(v)) + v


def vector(items, encode=string):
    if items is None:
        return i32(-1)
    return i32(len(items)) + b"".join(encode(i) for i in items)


def acl(entry):
    perms, scheme, ident = entry
    return i32(perms) + string(scheme) + string(ident)


def acls(entries):
    return vector(entries, acl)


# bodies of requests, by their shape


def create(path, data=b"", acl_list=OPEN_ACL, flags=0):
    return string(path) + string(data) + acls(acl_list) + i32(flags)


def create_ttl(path, data=b"", acl_list=OPEN_ACL, flags=5, ttl=60000):
    return create(path, data, acl_list, flags) + i64(ttl)


def path_version(path, version=-1):
    return string(path) + i32(version)


def path_watch(path, watch=False):
    return string(path) + boolean(watch)


def set_data(path, data=b"", version=-1):
    return string(path) + string(data) + i32(version)


def set_acl(path, acl_list=OPEN_ACL, version=-1):
    return string(path) + acls(acl_list) + i32(version)


def path_only(path):
    return string(path)


def path_int(path, n):
    return string(path) + i32(n)


def auth(scheme, data, kind=0):
    return i32(kind) + string(scheme) + string(data)


def set_watches(relative_zxid, *lists):
    return i64(relative_zxid) + b"".join(vector(paths) for paths in lists)


def multi(*ops):
    """ops: (opcode, body) each."""
    out = b"".join(i32(op) + boolean(False) + i32(-1) + body for op, body in ops)
    return out + i32(-1) + boolean(True) + i32(-1)


def passwd(session):
    """The password that ZooKeeper derives from a session's id: four steps of java.util.Random."""
    state, out = ((session ^ 0xB3415C00) ^ 0x5DEECE66D) & (1 << 48) - 1, b""
    for _ in range(4):
        state = (state * 0x5DEECE66D + 0xB) & (1 << 48) - 1
        out += struct.pack("<I", state >> 16 & 0xFFFFFFFF)
    return out


# decoding


class Short(Exception):
    """The bytes end before the record does."""


class Reader:
    def __init__(self, data):
        self.data, self.pos = data, 0

    def take(self, n):
        if n < 0 or self.pos + n > len(self.data):
            raise Short(f"{n} bytes at {self.pos} of {len(self.data)}")
        self.pos += n
        return self.data[self.pos - n : self.pos]

    def i32(self):
        return struct.unpack(">i", self.take(4))[0]

    def i64(self):
        return struct.unpack(">q", self.take(8))[0]

    def boolean(self):
        return self.take(1) != b"\0"

    def buffer(self):
        n = self.i32()
        return None if n == -1 else self.take(n)

    def vector(self, read):
        n = self.i32()
        return None if n == -1 else [read() for _ in range(n)]

    def stat(self):
        names = "czxid mzxid ctime mtime version cversion aversion ephemeralOwner dataLength numChildren pzxid"
        return dict(zip(names.split(), struct.unpack(">qqqqiiiqiiq", self.take(68))))

    def rest(self):
        return self.take(len(self.data) - self.pos)


class Reply:
    """One frame from the server, without its length."""

    def __init__(self, frame):
        self.frame = frame

    @property
    def xid(self):
        return struct.unpack(">i", self.frame[:4])[0]

    @property
    def zxid(self):
        return struct.unpack(">q", self.frame[4:12])[0]

    @property
    def err(self):
        return struct.unpack(">i", self.frame[12:16])[0]

    def body(self):
        return Reader(self.frame[16:])

    def event(self):
        """(type, state, path) of a notification."""
        r = self.body()
        return r.i32(), r.i32(), (r.buffer() or b"").decode()

    def __repr__(self):
        return f"xid={self.xid} zxid={self.zxid:#x} err={self.err} body={self.frame[16:].hex()}"


class Wire:
    """One connection. session, passwd and timeout_ms are what the server granted."""

    def __init__(self, port, host="127.0.0.1", timeout=10.0):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout = timeout
        self.buffer = b""
        self.xid = 0
        self.session, self.passwd, self.timeout_ms = 0, b"", 0

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.close()

    def close(self):
        self.socket.close()

    # frames

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send_frame(self, payload):
        self.send_bytes(i32(len(payload)) + payload)

    def receive_frame(self, timeout=None):
        """The next frame, None when the server has closed. TimeoutError when neither comes."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            if len(self.buffer) >= 4:
                n = struct.unpack(">i", self.buffer[:4])[0]
                if not 0 <= n <= FRAME_MAX:
                    raise ValueError(f"the server sent a frame of {n} bytes")
                if len(self.buffer) >= 4 + n:
                    frame, self.buffer = self.buffer[4 : 4 + n], self.buffer[4 + n :]
                    return frame
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("no frame from the server")
            self.socket.settimeout(left)
            try:
                chunk = self.socket.recv(1 << 20)
            except ConnectionError:
                chunk = b""
            if not chunk:
                return None
            self.buffer += chunk

    # sessions

    def connect(self, timeout_ms=10000, session=0, passwd=bytes(16), last_zxid=0, read_only=False):
        """Sends ConnectRequest, returns the response frame or None. read_only None: the byte is left out."""
        body = i32(0) + i64(last_zxid) + i32(timeout_ms) + i64(session) + string(passwd)
        if read_only is not None:
            body += boolean(read_only)
        self.send_frame(body)
        frame = self.receive_frame()
        if frame is not None:
            r = Reader(frame)
            r.i32()
            self.timeout_ms, self.session, self.passwd = r.i32(), r.i64(), r.buffer()
        return frame

    # requests

    def send(self, op, body=b"", xid=None):
        """Sends a request; returns its xid."""
        if xid is None:
            self.xid += 1
            xid = self.xid
        self.send_frame(i32(xid) + i32(op) + body)
        return xid

    def receive(self, timeout=None):
        frame = self.receive_frame(timeout)
        return None if frame is None else Reply(frame)

    def call(self, op, body=b"", xid=None, timeout=None):
        """(notifications that came before, the reply or None when the server closed)."""
        xid = self.send(op, body, xid)
        events = []
        while True:
            reply = self.receive(timeout)
            if reply is None or reply.xid != XID_NOTIFICATION:
                if reply is not None and reply.xid != xid:
                    raise ValueError(f"asked xid {xid}, answered {reply}")
                return events, reply
            events.append(reply)
