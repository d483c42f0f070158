"""kazoo, the Python client, as its users use it."""

import contextlib
import threading
import time

import pytest
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (
    BadVersionError,
    InvalidACLError,
    NoAuthError,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
)
from kazoo.security import make_acl, make_digest_acl
from zkd_node import wait_until


@pytest.fixture
def zk(node):
    client = node.client(timeout=10)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def other(node):
    client = node.client(timeout=10)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def root(zk, request):
    path = f"/kazoo/{request.node.name}"
    zk.ensure_path(path)
    return path


def test_create_get_set_delete(zk, root):
    path = f"{root}/a"
    assert zk.exists(path) is None
    assert zk.create(path, b"one") == path
    data, stat = zk.get(path)
    assert (data, stat.version, stat.dataLength, stat.numChildren) == (b"one", 0, 3, 0)
    assert stat.czxid == stat.mzxid == stat.pzxid and stat.ephemeralOwner == 0
    assert abs(stat.ctime / 1000 - time.time()) < 60
    stat = zk.set(path, b"two!", version=0)
    assert (stat.version, stat.dataLength) == (1, 4) and stat.mzxid > stat.czxid
    with pytest.raises(BadVersionError):
        zk.set(path, b"x", version=0)
    with pytest.raises(BadVersionError):
        zk.delete(path, version=0)
    zk.delete(path, version=1)
    with pytest.raises(NoNodeError):
        zk.get(path)


def test_errors(zk, root):
    zk.create(f"{root}/a")
    with pytest.raises(NodeExistsError):
        zk.create(f"{root}/a")
    with pytest.raises(NoNodeError):
        zk.create(f"{root}/x/y")
    with pytest.raises(NoNodeError):
        zk.delete(f"{root}/x")
    with pytest.raises(NotEmptyError):
        zk.delete(root)
    zk.create(f"{root}/e", ephemeral=True)
    with pytest.raises(NoChildrenForEphemeralsError):
        zk.create(f"{root}/e/c")
    with pytest.raises(InvalidACLError):
        zk.create(f"{root}/b", acl=[make_acl("nonsense", "x", all=True)])


def test_children(zk, root):
    names = [f"child-{i}" for i in range(100)]
    for n in names:
        zk.create(f"{root}/{n}")
    children, stat = zk.get_children(root, include_data=True)
    assert sorted(children) == sorted(names)
    assert stat.numChildren == 100 and stat.cversion == 100
    zk.delete(root, recursive=True)
    assert zk.exists(root) is None


def test_large_data(zk, root):
    data = bytes(range(256)) * 3900
    zk.create(f"{root}/big", data)
    assert zk.get(f"{root}/big")[0] == data


def test_null_and_empty_data(zk, root):
    zk.create(f"{root}/empty", b"")
    assert zk.get(f"{root}/empty")[0] == b""
    assert zk.get(f"{root}/empty")[1].dataLength == 0


def test_many_in_flight(zk, root):
    creates = [zk.create_async(f"{root}/n-", str(i).encode(), sequence=True) for i in range(500)]
    paths = [c.get(timeout=20) for c in creates]
    assert paths == sorted(paths) and len(set(paths)) == 500
    reads = [zk.get_async(p) for p in paths]
    assert [r.get(timeout=20)[0] for r in reads] == [str(i).encode() for i in range(500)]


def test_ephemeral_goes_with_its_session(zk, other, root):
    path = f"{root}/e"
    other.create(path, b"", ephemeral=True)
    assert zk.exists(path).ephemeralOwner == other.client_id[0]
    gone = threading.Event()
    assert zk.exists(path, watch=lambda event: gone.set())
    other.stop()
    assert gone.wait(8)  # sooner than it would expire
    assert zk.exists(path) is None


def test_sequences(zk, root):
    assert zk.create(f"{root}/s-", sequence=True) == f"{root}/s-0000000000"
    assert zk.create(f"{root}/s-", sequence=True, ephemeral=True) == f"{root}/s-0000000001"
    zk.delete(f"{root}/s-0000000001")
    assert zk.create(f"{root}/s-", sequence=True) == f"{root}/s-0000000002"


def test_watches(zk, other, root):
    events = []
    zk.create(f"{root}/a", b"")
    zk.get(f"{root}/a", watch=events.append)
    zk.get_children(root, watch=events.append)
    zk.exists(f"{root}/b", watch=events.append)
    other.set(f"{root}/a", b"1")
    other.set(f"{root}/a", b"2")
    other.create(f"{root}/b")
    wait_until(lambda: len(events) == 3, 20, "three events")
    time.sleep(0.1)
    seen = {(e.type, e.path) for e in events}
    assert len(events) == 3
    assert seen == {("CHANGED", f"{root}/a"), ("CHILD", root), ("CREATED", f"{root}/b")}


def test_data_watch_and_children_watch(zk, other, root):
    seen, names = [], []
    zk.DataWatch(f"{root}/d", lambda data, stat: seen.append(data))
    zk.ChildrenWatch(root, lambda children: names.append(sorted(children)))
    for i in range(5):
        other.create(f"{root}/d" if i == 0 else f"{root}/c{i}", b"0")
        wait_until(lambda i=i: names and len(names[-1]) == i + 1, 20, "the children are seen")
    other.set(f"{root}/d", b"1")
    wait_until(lambda: seen and seen[-1] == b"1", 20, "the data are seen")
    other.delete(f"{root}/d")
    wait_until(lambda: seen[-1] is None, 20, "the deletion is seen")


def test_transaction(zk, root):
    t = zk.transaction()
    t.create(f"{root}/a", b"1")
    t.check(f"{root}/a", 0)
    t.set_data(f"{root}/a", b"2", version=0)
    results = t.commit()
    assert results[0] == f"{root}/a" and results[1] is True and results[2].version == 1
    t = zk.transaction()
    t.delete(f"{root}/a", version=1)
    t.create(f"{root}/a/b")
    results = t.commit()
    assert isinstance(results[0], RolledBackError) and isinstance(results[1], NoNodeError)
    assert zk.get(f"{root}/a")[0] == b"2"


def test_acl(node, zk, root):
    zk.add_auth("digest", "alice:wonder")
    zk.create(f"{root}/mine", b"s", acl=[make_digest_acl("alice", "wonder", all=True)])
    assert zk.get(f"{root}/mine")[0] == b"s"
    acls, stat = zk.get_acls(f"{root}/mine")
    assert acls[0].id.scheme == "digest" and acls[0].id.id.startswith("alice:") and stat.aversion == 0
    stranger = node.client()
    try:
        with pytest.raises(NoAuthError):
            stranger.get(f"{root}/mine")
        with pytest.raises(NoAuthError):
            stranger.set_acls(f"{root}/mine", [make_acl("world", "anyone", all=True)])
    finally:
        stranger.stop()
    zk.set_acls(f"{root}/mine", [make_acl("world", "anyone", all=True)])
    assert zk.get_acls(f"{root}/mine")[1].aversion == 1


def test_lock(zk, other, root):
    order = []
    first, second = zk.Lock(f"{root}/lock", "one"), other.Lock(f"{root}/lock", "two")
    assert first.acquire(timeout=20)
    assert not second.acquire(blocking=False)
    assert first.contenders()[0] == "one"
    waiter = threading.Thread(target=lambda: (second.acquire(timeout=10), order.append("two"), second.release()))
    waiter.start()
    wait_until(lambda: len(first.contenders()) == 2, 20, "the second waits")
    order.append("one")
    first.release()
    waiter.join(10)
    assert order == ["one", "two"]


def test_lock_of_a_dead_session_is_released(node, zk, root):
    holder = node.client()
    assert holder.Lock(f"{root}/lock").acquire(timeout=20)
    mine = zk.Lock(f"{root}/lock")
    assert not mine.acquire(blocking=False)
    holder.stop()
    assert mine.acquire(timeout=8)  # sooner than the other would expire
    mine.release()


def test_election(zk, other, root):
    leaders, enough = [], threading.Event()

    def lead(name):
        leaders.append(name)
        assert enough.wait(120)

    threads = [
        threading.Thread(target=client.Election(f"{root}/election", name).run, args=(lead, name), daemon=True)
        for client, name in ((zk, "zk"), (other, "other"))
    ]
    threads[0].start()
    wait_until(lambda: leaders == ["zk"], 20, "the first leads")
    threads[1].start()
    wait_until(lambda: len(zk.Election(f"{root}/election").contenders()) == 2, 20, "both stand")
    assert leaders == ["zk"]
    enough.set()
    wait_until(lambda: leaders == ["zk", "other"], 20, "the second leads")
    for t in threads:
        t.join(20)


def test_counter(zk, other, root):
    def add(client):
        counter = client.Counter(f"{root}/counter")
        for _ in range(25):
            counter += 1

    threads = [threading.Thread(target=add, args=(c,)) for c in (zk, other)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert zk.Counter(f"{root}/counter").value == 50


def test_queue(zk, other, root):
    queue = zk.Queue(f"{root}/queue")
    for i in range(10):
        queue.put(str(i).encode())
    assert [other.Queue(f"{root}/queue").get() for _ in range(10)] == [str(i).encode() for i in range(10)]


def test_barrier(zk, other, root):
    barrier = zk.Barrier(f"{root}/barrier")
    barrier.create()
    passed = threading.Event()
    t = threading.Thread(target=lambda: other.Barrier(f"{root}/barrier").wait(10) and passed.set())
    t.start()
    assert not passed.wait(0.2)
    barrier.remove()
    assert passed.wait(20)
    t.join()


def test_four_letter_words(zk):
    assert b"Mode: standalone" in zk.command(b"srvr").encode()
    assert zk.command(b"ruok") == "imok"


def test_reattach_after_reconnect(node, root):
    states = []
    zk = KazooClient(hosts=node.hosts, timeout=10)
    zk.add_listener(states.append)
    zk.start(timeout=10)
    try:
        session = zk.client_id
        zk.create(f"{root}/e", b"", ephemeral=True)
        fired = []
        zk.get(f"{root}/e", watch=fired.append)
        # the connection breaks under the client, which comes back with its session and sets its watches again
        zk._connection._socket.shutdown(2)
        wait_until(lambda: states[-2:] == [KazooState.SUSPENDED, KazooState.CONNECTED], 10, "reconnected")
        assert zk.client_id == session
        assert zk.exists(f"{root}/e").ephemeralOwner == session[0]
        zk.set(f"{root}/e", b"x")
        wait_until(lambda: len(fired) == 1 or fired and fired[-1].type == "CHANGED", 20, "the watch fires")
    finally:
        zk.stop()


def test_session_given_to_another_client(node, zk, root):
    """A second client with the id and password of the first takes the session over."""
    first = node.client(timeout=10)
    first.create(f"{root}/e", b"", ephemeral=True)
    identity = first.client_id
    # its socket goes, and its thread is stopped without closing the session
    first._stopped.set()
    first._connection._socket.shutdown(2)
    second = KazooClient(hosts=node.hosts, client_id=identity, timeout=10)
    second.start(timeout=10)
    try:
        assert second.client_id[0] == identity[0]
        assert second.exists(f"{root}/e").ephemeralOwner == identity[0]
    finally:
        second.stop()
        with contextlib.suppress(Exception):
            first.stop()
    assert zk.exists(f"{root}/e") is None


def test_expiry(node, zk, root):
    """A client that goes silent loses its session and its ephemerals, and is told so when it comes back."""
    import zkwire as z

    w = z.Wire(node.port)
    w.connect(timeout_ms=4000)
    sent = time.monotonic()
    events, reply = w.call(z.CREATE, z.create(f"{root}/e", b"", flags=1))
    assert reply.err == 0 and zk.exists(f"{root}/e")
    w.close()
    wait_until(lambda: zk.exists(f"{root}/e") is None, 20, "the ephemeral is gone")
    assert time.monotonic() - sent > 3.9, "gone before its timeout"
    again = z.Wire(node.port)
    again.connect(session=w.session, passwd=w.passwd)
    assert (again.session, again.timeout_ms) == (0, 0)
    assert again.receive(5) is None


def test_pings_keep_a_session(node, zk, root):
    client = node.client(timeout=4)
    try:
        session = client.client_id[0]
        client.create(f"{root}/e", b"", ephemeral=True)
        time.sleep(9)
        # kazoo may hang up over a ping that is answered late, and comes back with what it has
        wait_until(lambda: client.state == KazooState.CONNECTED, 10, "it is connected")
        assert zk.exists(f"{root}/e").ephemeralOwner == session == client.client_id[0]
    finally:
        client.stop()


def test_expired_client_is_told(node, root):
    import zkwire as z

    states = []
    zk = KazooClient(hosts=node.hosts, timeout=10)
    zk.add_listener(states.append)
    zk.start(timeout=10)
    old = zk.client_id

    def closed():
        """False when the client has taken its session back before it was closed."""
        with contextlib.suppress(OSError), z.Wire(node.port) as w:
            if w.connect(session=old[0], passwd=old[1]) is not None:
                return w.session == 0 or w.call(z.CLOSE_SESSION)[1] is not None
        return False

    try:
        # somebody else closes the session: for the client it has expired
        wait_until(closed, 15, "its session is closed")
        wait_until(lambda: KazooState.LOST in states and states[-1] == KazooState.CONNECTED, 15, "a new session")
        assert zk.client_id[0] != old[0]
    finally:
        zk.stop()


