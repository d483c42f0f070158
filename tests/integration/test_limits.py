"""
How much one client, or a crowd, may ask of a running node: what is within the limits works, what is above is refused with
an error that says so, and others notice little of either.
"""

import contextlib
import os
import re
import selectors
import struct
import subprocess
import threading
import time

import loopback
import pytest
import zkd_node
import zkwire as z

MULTI_MAX = 100000  # clientd/prep.h: PREP_MULTI_MAX
EPHEMERALS_MAX = 100000  # PREP_EPHEMERALS_MAX
WATCHERS = 10000
MARSHALLINGERROR, QUOTAEXCEEDED = -5, -125


@pytest.fixture
def make_node():
    nodes = []

    def make(**keys):
        nodes.append(zkd_node.Node(keys={"maxClientCnxns": 0, "maxSessionTimeout": 600000, **keys}, start=True))
        return nodes[-1]

    yield make
    for n in nodes:
        n.check_unharmed()
        n.stop()
        n.close()


def connect(node, **options):
    w = z.Wire(node.port, timeout=60)
    w.connect(**{"timeout_ms": 600000, **options})
    assert w.session
    return w


def rss_mib(node):
    with open(f"/proc/{node.pid('clientd')}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) // 1024


def mntr(node, key):
    return int(re.search(rf"^zk_{key}\t(\d+)$", node.word("mntr"), re.MULTILINE).group(1))


class Witness:
    """A client that asks something all the time. worst: the longest that it had to wait."""

    def __init__(self, node, timeout_ms=600000):
        self.wire, self.worst, self.running = connect(node, timeout_ms=timeout_ms), 0.0, True
        self.thread = threading.Thread(target=self.ask, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *rest):
        self.running = False
        self.thread.join(60)
        self.wire.close()

    def ask(self):
        while self.running:
            begin = time.monotonic()
            self.wire.call(z.EXISTS, z.path_watch("/"))
            self.worst = max(self.worst, time.monotonic() - begin)
            time.sleep(0.01)


def test_session_churn(make_node):
    """Sessions come and go by the thousand; one with a short timeout stays alive by its pings (ZOOKEEPER-1049)."""
    node = make_node(tickTime=200, minSessionTimeout=400)
    stays = connect(node, timeout_ms=2000)
    assert stays.call(z.CREATE, z.create("/stays", flags=1))[1].err == 0

    def stay(i):
        if i % 10 == 0:
            assert stays.call(z.PING, xid=z.XID_PING)[1].err == 0

    before = rss_mib(node)
    for turn in range(40):
        crowd = []
        for i in range(100):
            stay(i)
            crowd.append(connect(node))
        for i, w in enumerate(crowd):
            w.send(z.CREATE, z.create(f"/c{turn}-{i}", flags=1))
            if i % 2:
                w.send(z.CLOSE_SESSION)
        for i, w in enumerate(crowd):
            stay(i)
            assert w.receive().err == 0
            if i % 2 == 0:  # without a word, and then closed for it
                w.close()
                w = connect(node, session=w.session, passwd=w.passwd)
                w.send(z.CLOSE_SESSION)
            assert w.receive().err == 0
            w.close()
    reply = stays.call(z.GET_CHILDREN, z.path_watch("/"))[1].body()
    assert sorted(reply.vector(reply.buffer)) == [b"stays", b"zookeeper"]
    assert mntr(node, "global_sessions") == 1
    assert rss_mib(node) < before + 8
    stays.close()


def test_ten_thousand_watchers(make_node):
    """One change tells ten thousand clients, each once, in seconds."""
    node = make_node()
    writer = connect(node)
    assert writer.call(z.CREATE, z.create("/w"))[1].err == 0
    crowd = []
    for _ in range(WATCHERS // 100):
        some = [z.Wire(node.port, timeout=60) for _ in range(100)]
        hello = struct.pack(">iiqiqi", 44, 0, 0, 600000, 0, 16) + bytes(16)
        ask = z.i32(1) + z.i32(z.GET_DATA) + z.path_watch("/w", True)
        for w in some:
            w.send_bytes(hello)
        for w in some:
            assert w.receive_frame() is not None
            w.send_frame(ask)
        for w in some:
            assert w.receive().err == 0
        crowd += some
    assert node.word("wchs") == f"{WATCHERS} connections watching 1 paths\nTotal watches:{WATCHERS}\n"
    begin = time.monotonic()
    assert writer.call(z.SET_DATA, z.set_data("/w", b"x"))[1].err == 0
    replied = time.monotonic() - begin
    left, told = set(range(WATCHERS)), 0
    with selectors.DefaultSelector() as selector:
        for i, w in enumerate(crowd):
            selector.register(w.socket, selectors.EVENT_READ, i)
        while left:
            ready = selector.select(10)
            assert ready, f"{len(left)} were not told"
            for key, _ in ready:
                event = crowd[key.data].receive()
                assert event.xid == z.XID_NOTIFICATION and event.event() == (3, 3, "/w")
                left.remove(key.data)
                told += 1
                selector.unregister(key.fileobj)
    assert told == WATCHERS and time.monotonic() - begin < 15 * zkd_node.busy() and replied < 2 * zkd_node.busy()
    assert writer.call(z.SET_DATA, z.set_data("/w", b"y"))[1].err == 0
    for w in crowd[::500]:  # one shot
        with pytest.raises(TimeoutError):
            w.receive(0.01)
    for w in crowd:
        w.close()
    zkd_node.wait_until(lambda: mntr(node, "watch_count") == 0, 60, "the watches are gone")
    writer.close()


def test_huge_multi(make_node):
    """A hundred thousand operations in one txn; one more is refused, and nobody waits long."""
    node = make_node(**{"jute.maxbuffer": 8 << 20})
    w = connect(node)
    assert w.call(z.CREATE, z.create("/m"))[1].err == 0
    with Witness(node) as witness:
        ops = [(z.CREATE, z.create(f"/m/{i:x}", b"")) for i in range(MULTI_MAX)]
        assert w.call(z.MULTI, z.multi(*ops))[1].err == 0
        assert mntr(node, "znode_count") == MULTI_MAX + 6
        failing = [(z.DELETE, z.path_version(f"/m/{i:x}")) for i in range(MULTI_MAX - 1)] + [(z.CHECK, z.path_version("/no"))]
        reply = w.call(z.MULTI, z.multi(*failing))[1]
        r = reply.body()
        assert reply.err == 0 and (r.i32(), r.boolean(), r.i32()) == (-1, False, 0)
        too_many = [(z.CHECK, z.path_version("/m"))] * (MULTI_MAX + 1)
        assert w.call(z.MULTI, z.multi(*too_many))[1].err == MARSHALLINGERROR
        deletes = [(z.DELETE, z.path_version(f"/m/{i:x}")) for i in range(MULTI_MAX)]
        assert w.call(z.MULTI, z.multi(*deletes))[1].err == 0
        assert mntr(node, "znode_count") == 6
    assert witness.worst < 1.5 * zkd_node.busy()
    with contextlib.suppress(ConnectionError):
        w.send(z.MULTI, z.multi((z.CREATE, z.create("/m/big", bytes(9 << 20)))))
        assert w.receive() is None
    zkd_node.wait_until(lambda: "(jute.maxbuffer), op=MULT path=/m/big" in node.log_end(), 2, "the log names the path")


def test_a_session_with_very_many_ephemerals(make_node):
    """
    Its end is one txn, however long its list (ZOOKEEPER-4306). So there is a limit, which is an error for who passes it, and
    up to it sessions end without others waiting for long.
    """
    node = make_node(**{"jute.maxbuffer": 8 << 20})
    owner, watcher = connect(node), connect(node)
    assert owner.call(z.CREATE, z.create("/e"))[1].err == 0
    step = 20000
    for begin in range(0, EPHEMERALS_MAX - step, step):
        ops = [(z.CREATE, z.create(f"/e/{'n' * 20}{i}", flags=1)) for i in range(begin, begin + step)]
        assert owner.call(z.MULTI, z.multi(*ops))[1].err == 0
    # the last ones at once, while all are in flight, and one too many among them
    xids = [owner.send(z.CREATE, z.create("/e/last-", flags=3)) for _ in range(step + 1)]
    errors = [owner.receive().err for _ in xids]
    assert errors == [0] * step + [QUOTAEXCEEDED]
    body = z.multi((z.CREATE, z.create("/e/persistent")), (z.CREATE, z.create("/e/more", flags=1)))
    r = owner.call(z.MULTI, body)[1].body()
    assert [(r.i32(), r.boolean(), r.i32(), r.i32()) for _ in range(2)][1] == (-1, False, QUOTAEXCEEDED, QUOTAEXCEEDED)
    assert owner.call(z.DELETE, z.path_version(f"/e/{'n' * 20}7"))[1].err == 0
    assert owner.call(z.CREATE, z.create("/e/room-again", flags=1))[1].err == 0
    assert owner.call(z.CREATE, z.create("/e/full-again", flags=1))[1].err == QUOTAEXCEEDED
    assert owner.call(z.CREATE, z.create("/e/persistent"))[1].err == 0
    assert mntr(node, "ephemerals_count") == EPHEMERALS_MAX
    assert watcher.call(z.ADD_WATCH, z.path_int("/e", 1))[1].err == 0
    with Witness(node) as witness:
        owner.send(z.CLOSE_SESSION)
        gone = 0
        while gone < EPHEMERALS_MAX:
            event = watcher.receive()
            assert event.event()[0] == 2
            gone += 1
        assert owner.receive().err == 0
    assert witness.worst < 1.8 * zkd_node.busy()
    assert mntr(node, "ephemerals_count") == 0
    # the log has it in a form that a start can bear
    node.stop()
    node.start()
    assert mntr(node, "ephemerals_count") == 0 and mntr(node, "znode_count") == 7


def test_events_that_nobody_reads(make_node):
    """A watcher that does not read is cut off when 32 MiB wait for it, and the log says why."""
    node = make_node()
    deaf, writer = connect(node), connect(node)
    assert deaf.call(z.ADD_WATCH, z.path_int("/", 1))[1].err == 0
    path = "/" + "p" * 50000
    assert writer.call(z.CREATE, z.create(path))[1].err == 0
    with Witness(node) as witness:
        for i in range(900):
            assert writer.call(z.SET_DATA, z.set_data(path, str(i).encode()))[1].err == 0
            if "more output waits" in node.log_end(3):
                break
        else:
            pytest.fail("it may have more than 32 MiB waiting")
    assert i > 500 and witness.worst < 1 * zkd_node.busy()
    assert re.search(rf"peer=127.0.0.1:\d+ session=0x{deaf.session:x} reason=.more output waits", node.log_end())
    deaf.close()


def test_learners_share_the_credit_of_their_leader():
    """Each server's clients ask for as much as its own globalOutstandingLimit lets through; the leader gets it all."""
    with loopback.Ensemble(["zkd"] * 3, keys={"tickTime": 500, "maxClientCnxns": 0, "globalOutstandingLimit": 20}) as e:
        for workload in ("set", "create"):
            bench = os.path.join(zkd_node.BUILD, "bench", "zkbench")
            r = subprocess.run([bench, "-w", workload, "-c", "24", "-p", "32", "-d", "1", e.hosts], capture_output=True, timeout=60)
            assert r.returncode == 0, r.stderr.decode()
        for node in e.nodes.values():
            with open(node.log_path) as f:
                assert "link down" not in f.read()
