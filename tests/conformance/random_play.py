"""
Plays a plan (random_plan) to one server and writes down what each client is told, made comparable.

What comes back goes into one stream for each slot, entry by entry, with the step of the plan that it belongs to. Zxids
become distances from the run's begin. Those that were given in a storm depend on how the server mixed the clients;
each belongs to one write, whose reply shows it, so it becomes the name of that write, wherever it is shown later. In a
storm the zxid of a read's reply can be anything between; it is only checked that a client never sees one fall.

The events that a client gets from others during a storm come at any time, so they are taken out of its stream and
follow at the storm's end, sorted by the partition in which they happened: within one their order is certain. Where a
session ends with ephemerals these go in any order, and the events of that step are sorted.

Where there are several servers, each slot has one of its own. A server may lag behind what another has answered, so a
client begins each step with a sync, which is not written down.
"""

import collections
import socket

import differential
import zkwire as z
from random_plan import RAW, ROOT, SLOTS, WRITES, Burst, Op, Reconnect, Renew, Storm, partition

TIMEOUT_MS = 600000  # no session of a run shall expire
REPLY_SECONDS = 30
SUPER = b"super:secret"
SUPER_DIGEST = "super:lK75jTNcA+U9vtVEw5vB51mj/w4="

# Keys that both servers are started with: nothing happens by itself, and quotas are enforced.
KEYS = {"maxSessionTimeout": TIMEOUT_MS}
PROPERTIES = {
    "zookeeper.DigestAuthenticationProvider.superDigest": SUPER_DIGEST,
    "zookeeper.enforceQuota": "true",
    "znode.container.checkIntervalMs": "1000000000",
}

Entry = collections.namedtuple("Entry", "step what code data")


class Masks(differential.Masks):
    def __init__(self):
        super().__init__()
        self.exact_times = self.exact_acls = False
        self.named = {}  # zxid given in a storm -> which write it was, as a number out of the way of all others

    def zxid(self, value):
        return self.named[value] if value in self.named else super().zxid(value)


class Client:
    """What a slot has: a connection, its session, its stream."""

    def __init__(self, player, slot):
        self.player, self.slot = player, slot
        self.stream = []
        self.zxid = 0  # of the last reply outside of storms, as the server counts
        self.seen = 0  # the highest of all
        self.wire = None

    def note(self, what, data=b"", code=None):
        self.stream.append(Entry(self.player.step, what, code, data))

    def open(self, session=0, passwd=bytes(16)):
        host, port = self.player.servers[self.slot % len(self.player.servers)]
        wire = z.Wire(port, host, timeout=REPLY_SECONDS)
        frame = wire.connect(timeout_ms=TIMEOUT_MS, session=session, passwd=passwd, last_zxid=self.zxid)
        masks = self.player.masks
        if frame is not None and wire.session:
            masks.session_opened(wire.session)
        self.note("connect", b"" if frame is None else masks.connect(frame))
        self.wire = wire if wire.session else None
        return wire

    def send(self, ops):
        """All requests at once; their xids and codes, in order."""
        asked, out = collections.deque(), []
        for op in ops:
            if op.code == RAW:
                out.append(op.body)
                asked.append((None, RAW))
                continue
            if op.code == z.PING:
                xid = z.XID_PING
            elif op.code == z.AUTH:
                xid = z.XID_AUTH
            elif op.code in (z.SET_WATCHES, z.SET_WATCHES2):
                xid = z.XID_SET_WATCHES
            else:
                self.wire.xid = xid = self.wire.xid + 1
            frame = z.i32(xid) + z.i32(op.code) + op.body.replace(ROOT.encode(), self.player.root)
            out.append(z.i32(len(frame)) + frame)
            asked.append((xid, op.code))
        try:
            self.wire.send_bytes(b"".join(out))
        except OSError as e:
            self.lost(f"{type(e).__name__} while sending")
        return asked

    def lost(self, why):
        self.note(why)
        self.wire.close()
        self.wire = None

    def receive(self):
        """The next frame; None, and the connection is gone, when there is none."""
        try:
            reply = self.wire.receive(REPLY_SECONDS)
        except TimeoutError:
            self.lost(f"no answer for {REPLY_SECONDS} s")
            return None
        if reply is None:
            self.lost("closed")
        return reply

    def take_event(self, reply):
        self.note("event", self.player.masks.event(reply.frame))

    def take_reply(self, asked, reply, storm):
        masks, (xid, code) = self.player.masks, asked.popleft()
        if reply.xid != xid:
            self.note(f"reply to xid {reply.xid} where {xid} was due", reply.frame)
            self.lost("given up")
            return
        if storm and code in WRITES:
            masks.named[reply.zxid] = self.player.name_write(self.slot)
        if reply.zxid > 0:
            if reply.zxid < self.seen:
                self.note(f"zxid falls from {self.seen:#x} to {reply.zxid:#x}")
            self.seen = reply.zxid
        try:
            data = masks.reply(code, reply.frame)
        except z.Short as e:
            self.note(f"unreadable: {e}", reply.frame, code)
            return
        if storm and reply.zxid > 0 and code not in WRITES:
            data = data[:4] + z.i64(0) + data[12:]
        if not storm and reply.zxid > 0:
            data = data[:4] + z.i64(reply.zxid - masks.base) + data[12:]
            self.zxid = reply.zxid
        self.note("reply", data, code)

    def finish(self, asked, storm=False, own=b"", foreign=None):
        """Receives until all that was asked is answered."""
        while asked and self.wire is not None:
            reply = self.receive()
            if reply is None:
                break
            if asked[0][1] == RAW and reply.xid != z.XID_NOTIFICATION:
                self.note("an answer to what is no request", reply.frame)
                self.lost("given up")
                break
            if reply.xid == z.XID_NOTIFICATION:
                if foreign is not None and not is_below(reply, own):
                    foreign.append(reply)
                else:
                    self.take_event(reply)
            else:
                self.take_reply(asked, reply, storm)
        if self.wire is not None and self.ends(asked):
            self.receive()

    def ends(self, asked):
        """Whether the last reply was one behind which the server closes: then the end is waited for."""
        if asked or not self.stream or self.stream[-1].what != "reply":
            return False
        last = self.stream[-1]
        return last.data[4:12] == z.i64(-1) or last.code == z.AUTH and last.data[12:16] != z.i32(0)

    def alive(self, storm=False):
        """A connection, if need be a new one for the same session, to a server that has all that was done."""
        if self.wire is None:
            self.open(*self.identity)
        if self.wire is not None and len(self.player.servers) > 1 and not storm:
            self.sync()
        return self.wire is not None

    def sync(self):
        """All events of what was done before are taken. The reply itself is no part of the run."""
        before = self.zxid
        self.finish(self.send([DRAIN]))
        self.zxid = before
        if self.stream and self.stream[-1].code == z.SYNC:
            del self.stream[-1]
        if self.wire is not None:
            self.wire.xid -= 1


def is_below(reply, top):
    path = reply.event()[2].encode()
    return path == top or path.startswith(top + b"/")


def op_of(code, body=b""):
    return Op(code, body, "")


# What a client sends to be told of all that was done before.
DRAIN = op_of(z.SYNC, z.path_only("/"))


class Player:
    def __init__(self, servers, root):
        """servers: (host, port) of each."""
        self.servers, self.root = servers, root.encode()
        self.masks = Masks()
        self.step, self.writes = -1, collections.Counter()
        self.clients = [Client(self, i) for i in range(SLOTS)]

    def name_write(self, slot):
        self.writes[slot] += 1
        return (1 << 62) + (slot << 32) + self.writes[slot]

    def play(self, plan):
        """The streams, one for each slot."""
        for c in self.clients:
            self.renew(c)
        for self.step, step in enumerate(plan):
            PLAYED[type(step)](self, step)
        self.step = len(plan)
        for c in self.clients:
            if c.alive():
                self.close(c)
        self.clean()
        return [c.stream for c in self.clients]

    def renew(self, client):
        wire = client.open()
        client.identity = wire.session, wire.passwd
        if self.masks.base is None:
            self.masks.base = wire.call(z.EXISTS, z.path_watch("/"))[1].zxid
            client.zxid = self.masks.base

    def burst(self, step):
        client = self.clients[step.slot]
        if client.alive():
            asked = client.send(step.ops)
            client.finish(asked)

    def storm(self, step):
        sent = []
        for client in self.clients:
            if client.alive():
                client.sync()
        for b in step.bursts:
            client = self.clients[b.slot]
            if client.wire is not None:
                sent.append((client, client.send(b.ops)))
        foreign = {c.slot: [] for c in self.clients}
        for client, asked in sent:
            top = partition(client.slot).encode().replace(ROOT.encode(), self.root)
            client.finish(asked, True, top, foreign[client.slot])
        for client in self.clients:
            if client.alive(True):
                client.finish(client.send([DRAIN]), True, b"\0", foreign[client.slot])
            events = [self.masks.event(r.frame) for r in foreign[client.slot]]
            for event in sorted(events, key=self.partition_of):
                client.note("event of the storm", event)
        # from here on the clients agree on where the server is
        for client in self.clients:
            if client.wire is not None:
                client.finish(client.send([DRAIN]))

    def partition_of(self, event):
        return event[28 : 28 + len(self.root) + 3]

    def reconnect(self, step):
        client = self.clients[step.slot]
        if not client.alive():
            return
        client.sync()  # what the old connection has not read would be lost
        old = client.wire
        if step.how == "cut":
            old.socket.shutdown(socket.SHUT_WR)
            self.end(client, old)
        client.open(*client.identity)
        if step.how != "cut":
            self.end(client, old)
        if not any(step.lists) or client.wire is None:
            return
        code = z.SET_WATCHES if len(step.lists) == 3 else z.SET_WATCHES2
        body = z.set_watches(max(client.zxid - step.back, 0), *step.lists)
        client.finish(client.send([op_of(code, body)]))

    def end(self, client, old):
        """Until the server has closed a connection: late-clean-up."""
        try:
            while old.receive(REPLY_SECONDS) is not None:
                pass
        except TimeoutError:
            client.note("the old connection stays open")
        old.close()

    def close(self, client):
        for c in self.clients:
            if c.wire is not None:
                c.sync()
        marks = [len(c.stream) for c in self.clients]
        client.finish(client.send([op_of(z.CLOSE_SESSION)]))
        if client.wire is not None:
            client.receive()
        for other in self.clients:
            if other.wire is not None:
                other.finish(other.send([DRAIN]))
        for c, mark in zip(self.clients, marks):
            events = sorted(e for e in c.stream[mark:] if e.what == "event")
            c.stream[mark:] = events + [e for e in c.stream[mark:] if e.what != "event"]

    def close_and_renew(self, step):
        client = self.clients[step.slot]
        if client.alive():
            self.close(client)
        self.renew(client)

    def clean(self):
        """Takes away what the run has made: with the rights of the super user, and not written down."""
        host, port = self.servers[0]
        with z.Wire(port, host) as w:
            w.connect()
            w.call(z.AUTH, z.auth("digest", SUPER), z.XID_AUTH)
            w.call(z.SYNC, z.path_only("/"))
            for top in (self.root, b"/zookeeper/quota" + self.root):
                remove_tree(w, top)
            w.call(z.CLOSE_SESSION)


def remove_tree(w, path):
    reply = w.call(z.GET_CHILDREN, z.path_watch(path))[1]
    if reply.err == 0:
        r = reply.body()
        for name in r.vector(r.buffer):
            remove_tree(w, path + b"/" + name)
        w.call(z.DELETE, z.path_version(path))


PLAYED = {Burst: Player.burst, Storm: Player.storm, Reconnect: Player.reconnect, Renew: Player.close_and_renew}
