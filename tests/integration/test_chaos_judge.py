"""The chaos test must be able to fail: each promise is broken here, and its clients have to notice."""

import asyncio
import os
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import chaos  # noqa: E402
import chaos_load as load  # noqa: E402
import zkpipe as zk  # noqa: E402


class Transport:
    def __init__(self):
        self.written, self.closed = [], False

    def write(self, data):
        self.written.append(data)

    def is_closing(self):
        return self.closed

    def abort(self):
        self.closed = True


@pytest.fixture
def judge():
    return chaos.Judge()


def connect(session, sid=7, timeout_ms=6000):
    """Plays the server's side of a handshake."""
    c = zk.Connection(session)
    c.connection_made(Transport())
    body = zk.struct.pack(">iiq", 0, timeout_ms, sid) + zk.buffer(b"p" * 16) + b"\0"
    c.data_received(zk.struct.pack(">i", len(body)) + body)
    return c


def reply(c, xid, zxid, body=b"", err=0):
    frame = zk.REPLY_HEADER.pack(xid, zxid, err) + body
    c.data_received(zk.struct.pack(">i", len(frame)) + frame)


def event(c, path):
    body = zk.struct.pack(">ii", 3, 3) + zk.ustring(path)
    reply(c, zk.NOTIFICATION_XID, -1, body)


def stat(mzxid=0, owner=0):
    return zk.STAT.pack(1, mzxid, 0, 0, 0, 0, 0, owner, 0, 0, 1)


def data_reply(key, sequence, mzxid):
    return zk.buffer(f"{key.path}:{sequence}".encode()) + stat(mzxid)


def names(judge):
    return sorted(n for n, v in judge.violations.items() if v)


def reader_of(judge, acked=5, submitted=9):
    key = load.Key("/w/0-0")
    key.exists, key.acked, key.submitted = True, acked, submitted
    r = load.Reader(0, 1, judge, [key])
    return r, key, connect(r.session)


@pytest.mark.parametrize(
    "reads, wrong",
    [
        ([(5, 10), (7, 12), (9, 14)], []),
        ([(4, 10)], ["reads"]),
        ([(10, 10)], ["reads"]),
        ([(7, 12), (6, 11)], ["reads"]),
        ([(7, 12), (7, 11)], ["reads"]),
    ],
)
def test_reads(judge, reads, wrong):
    r, key, c = reader_of(judge)
    for xid, (sequence, mzxid) in enumerate(reads, 1):
        r.read(key)
        reply(c, xid, 20, data_reply(key, sequence, mzxid))
    assert names(judge) == wrong


def test_a_missing_node(judge):
    r, key, c = reader_of(judge)
    r.read(key)
    reply(c, 1, 20, err=zk.NO_NODE)
    assert names(judge) == ["reads"]


def test_zxids_that_fall(judge):
    r, key, c = reader_of(judge)
    for xid, zxid in ((1, 30), (2, 29)):
        r.read(key)
        reply(c, xid, zxid, data_reply(key, 7, 12))
    assert names(judge) == ["zxid"]


def test_zxids_that_fall_over_a_reconnect(judge):
    r, key, c = reader_of(judge)
    r.read(key)
    reply(c, 1, 30, data_reply(key, 7, 12))
    c.connection_lost(None)
    c = connect(r.session)
    r.read(key)
    reply(c, 2, 29, data_reply(key, 7, 12))
    assert names(judge) == ["zxid"]


def test_replies_out_of_order(judge):
    r, key, c = reader_of(judge)
    r.read(key)
    reply(c, 2, 30)
    assert names(judge) == ["order"]


def test_a_write_acknowledged_counts(judge):
    w = load.Writer(0, 1, judge)
    c = connect(w.session)
    key = w.keys[1]
    key.exists = True
    w.write()
    reply(c, 1, 30, stat(mzxid=30))
    assert (key.acked, key.submitted, names(judge)) == (1, 1, [])
    w.keys[2].exists = True
    w.write()
    reply(c, 2, 30, stat(mzxid=30))
    assert names(judge) == ["zxid"]


def test_a_write_of_unknown_outcome_is_not_counted(judge):
    w = load.Writer(0, 1, judge)
    c = connect(w.session)
    w.keys[1].exists = True
    w.write()
    c.connection_lost(None)
    assert (w.keys[1].acked, w.keys[1].submitted, w.in_flight) == (0, 1, 0)


def test_an_expired_session(judge):
    s = zk.Session("s", 1, 6000, judge)
    connect(s).connection_lost(None)
    connect(s, sid=0, timeout_ms=0)
    assert names(judge) == ["sessions"]


def test_a_lock_that_is_gone_or_somebody_elses(judge):
    h = load.Holder(0, 1, judge)
    c = connect(h.session)
    reply(c, 1, 5, zk.ustring(h.path))
    reply(c, 2, 5, stat(owner=7))
    assert names(judge) == []
    c.connection_lost(None)
    c = connect(h.session)
    reply(c, 3, 6, stat(owner=8))
    assert names(judge) == ["ephemerals"]
    c.connection_lost(None)
    c = connect(h.session)
    reply(c, 4, 6, err=zk.NO_NODE)
    assert len(judge.violations["ephemerals"]) == 2


def test_a_deserted_ephemeral_that_goes_too_early(judge):
    a = load.Abandoner(1, judge)
    a.left["/a/1"] = (time.monotonic() - 3.0, 4.0)
    a.was_gone("/a/1")
    a.left["/a/2"] = (time.monotonic() - 4.1, 4.0)
    a.was_gone("/a/2")
    assert len(judge.violations["ephemerals"]) == 1


def watcher_of(judge):
    key = load.Key("/w/0-0")
    w = load.Watcher(0, 1, judge, [key])
    c = connect(w.session)
    reply(c, 1, 10, data_reply(key, 1, 10))
    return w, key, c


def test_an_event_before_the_read(judge):
    w, key, c = watcher_of(judge)
    w.session.send(zk.GET_DATA, zk.path_watch(key.path), lambda r: w.was_read(key.path, r))
    event(c, key.path)
    reply(c, 2, 12, data_reply(key, 2, 12))
    assert names(judge) == []


def test_a_read_before_the_event(judge):
    w, key, c = watcher_of(judge)
    w.session.send(zk.GET_DATA, zk.path_watch(key.path), lambda r: w.was_read(key.path, r))
    reply(c, 2, 12, data_reply(key, 2, 12))
    assert names(judge) == ["watches"]


def test_an_event_that_nobody_asked_for(judge):
    w, key, c = watcher_of(judge)
    event(c, "/elsewhere")
    assert names(judge) == ["watches"]


def test_a_call_without_an_answer(judge):
    r, key, c = reader_of(judge)
    r.read(key)
    r.session.watch_clock()
    assert names(judge) == []
    xid, _, done, _ = c.pending.popleft()
    c.pending.append((xid, time.monotonic() - zk.HANG_SECONDS - 0.1, done))
    r.session.watch_clock()
    assert names(judge) == ["hang"] and c.transport.closed


def test_a_handshake_without_an_answer(judge):
    s = zk.Session("s", 1, 6000, judge)
    c = zk.Connection(s)
    c.connection_made(Transport())
    c.opened_at -= zk.HANG_SECONDS + 0.1
    s.watch_clock()
    assert names(judge) == ["hang"]


def test_pauses(judge):
    class Course(chaos.Chaos):
        def __init__(self):
            self.probe = load.Probe(1, judge)
            self.quiet = 0.0

    course = Course()
    course.probe.answers = [(t, t) for t in (9.99, 10.01, 10.02, 10.32, 10.33, 10.34)]
    assert course.interruption(10.0) == pytest.approx(0.32)
    assert course.longest_pause(10.0) == pytest.approx(0.3)
    course.quiet = 0.25
    assert course.interruption(10.33) == pytest.approx(0.01)


def test_what_the_node_says_of_itself(judge, tmp_path):
    class Course(chaos.Chaos):
        def __init__(self):
            self.judge, self.hit = judge, chaos.collections.Counter(logd=1)
            self.node = type("Node", (), {"log_path": tmp_path / "log"})

    def violations(*lines):
        judge.violations.clear()
        (tmp_path / "log").write_text("\n".join(lines))
        Course().read_log()
        return len(judge.violations["crashes"])

    ours = "zkd[1] error: died daemon=logd pid=2 signal=SIGKILL uptime_ms=1"
    assert violations(ours) == 0
    assert violations(ours, ours) == 1
    assert violations(ours.replace("SIGKILL", "SIGSEGV")) == 1
    assert violations(ours.replace("signal=SIGKILL", "exit=3")) == 1
    assert violations("syncd[3] warning: link down peer=clientd reason=\"proposal out of order\"") == 1
    assert violations("logd[3] ==1==ERROR: AddressSanitizer: heap-use-after-free") == 1


def test_the_plan_follows_from_the_seed():
    assert chaos.make_plan(5, 60, None) == chaos.make_plan(5, 60, None)
    assert chaos.make_plan(5, 60, None) != chaos.make_plan(6, 60, None)
    assert {f.kind for f in chaos.make_plan(5, 60, ["kill logd", "stop zkd"])} == {"kill logd", "stop zkd"}
    kinds = {f.kind for f in chaos.make_plan(5, 600, None)}
    assert len(kinds) == 15, kinds


def test_a_session_dials_again(judge):
    """Against a listener that takes connections and drops them."""

    async def course():
        accepted = []

        async def drop(reader, writer):
            accepted.append(await reader.readexactly(49))
            writer.close()

        server = await asyncio.start_server(drop, "127.0.0.1", 0)
        s = zk.Session("s", server.sockets[0].getsockname()[1], 6000, judge)
        s.start()
        end = time.monotonic() + 10
        while len(accepted) <= 3 and time.monotonic() < end:
            await asyncio.sleep(0.01)
        s.abandon()
        server.close()
        return accepted

    assert len(asyncio.run(course())) > 3
    assert names(judge) == []
